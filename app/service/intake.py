"""Intake: uploaded exports become a site of a data folder, in a process of their own that can be stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from app.service.advise import advise_exports
from app.service.check import check
from app.service.reading import Exports
from app.service.train import train
from features.errors import AdvisorError, StoppedError
from features.message import pack, say, unpack
from models.bundle import Progress

CHILD = "from app.service.intake import child; child()"
"""What the child process runs."""
STEPS = 3


def intake(data: Path, key: str, *, seed: int = 0, progress: Progress) -> None:
    """Check, train and advise for ``samples/<key>`` of a data folder; writes as ``advisor demo`` does.

    Raises
    ------
    features.errors.AdvisorError
    """
    folder, mapping = data / "samples" / key, data / key / "mapping.toml"
    site_file = folder / "site.toml"
    exports = Exports((folder,), mapping=mapping if mapping.is_file() else None)

    def part(at: int) -> Progress:
        return lambda step, share: progress(step, (at + share) / STEPS)

    part(0)(say("reading and checking"), 0.0)
    check(exports, out=data / key / "check", page=False)  # the app shows the same
    train(exports, out=data / key / "model", seed=seed, progress=part(1))
    advise_exports(
        exports,
        model=data / key / "model",
        site_file=site_file if site_file.is_file() else None,
        out=data / key / "advice",
        seed=seed,
        progress=part(2),
    )
    progress(say("done"), 1.0)


def intake_apart(data: Path, key: str, *, stop: threading.Event, progress: Progress) -> None:
    """Do `intake` in a child process; setting `stop` ends it.

    Raises
    ------
    StoppedError
        E-STOPPED.
    features.errors.AdvisorError
        What the child met; E-INTAKE-CRASH where it ended without a word.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p or str(Path.cwd()) for p in sys.path)}
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-c", CHILD, str(data), key],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        env=environment,
    )
    watcher = threading.Thread(target=_watch, args=(process, stop), daemon=True)
    watcher.start()
    error: dict[str, Any] | None = None
    with process:
        for line in process.stdout or ():
            with suppress(ValueError):
                said = json.loads(line)
                if "error" in said:
                    error = said["error"]
                elif "step" in said:
                    progress(unpack(said["step"]), float(said["share"]))
    if stop.is_set():
        raise StoppedError("E-STOPPED", say("the work was stopped"), key, say("start again when you like"))
    if error is not None:
        raise AdvisorError(error["code"], *(unpack(error[name]) for name in ("what", "where", "remedy")))
    if process.returncode != 0:
        raise AdvisorError(
            "E-INTAKE-CRASH",
            say("training ended without a word"),
            key,
            say("try fewer files at a time; see the log"),
        )


def _watch(process: subprocess.Popen[str], stop: threading.Event) -> None:
    while process.poll() is None:
        if stop.wait(0.2):
            process.kill()
            return


def child() -> None:
    """Run in the child: arguments are the data folder and the key; one JSON value per line out."""

    def tell(value: dict[str, object]) -> None:
        sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    try:
        intake(
            Path(sys.argv[1]),
            sys.argv[2],
            progress=lambda step, share: tell({"step": pack(step), "share": share}),
        )
    except AdvisorError as error:
        tell(
            {
                "error": {
                    "code": error.code,
                    **{n: pack(getattr(error, n)) for n in ("what", "where", "remedy")},
                }
            }
        )
        sys.exit(error.exit_code)
