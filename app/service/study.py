"""The file in which a search for hyper-parameters keeps its trials."""

from __future__ import annotations

import json
from pathlib import Path

from optuna.storages.journal import JournalFileBackend, JournalStorage

from features.errors import UsageError
from features.message import say


def open_study(path: Path) -> JournalStorage:
    """Return the storage of a new or an earlier search; trials are appended as they end.

    A file may hold searches on many exports: each is known by its data, its seed and what it is for.

    Raises
    ------
    UsageError
        Codes E-STUDY-FOLDER and E-STUDY-FILE: the folder is not there, the file is no journal of trials.
    """
    if not path.parent.is_dir():
        raise UsageError(
            "E-STUDY-FOLDER",
            say("the folder of the study file does not exist"),
            str(path),
            say("create it, or name a file in another one"),
        )
    try:
        _check_begin(path)
        return JournalStorage(JournalFileBackend(str(path)))
    except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
        raise UsageError(
            "E-STUDY-FILE",
            say("the study file cannot be used: {error}", error=error),
            str(path),
            say("name another file, or delete this one: the search then starts anew"),
        ) from None


def _check_begin(path: Path) -> None:
    """Refuse a file of another kind: Optuna takes any last line for one that is still being written."""
    if not path.exists():
        return
    with path.open("rb") as file:
        first = file.readline()
    entry = json.loads(first) if first else {"op_code": 0, "worker_id": ""}
    if not isinstance(entry, dict) or not {"op_code", "worker_id"} <= set(entry):
        raise ValueError("its first line is no trial")
