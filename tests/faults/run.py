"""Running a case: in this process, or as an upload is read, in a worker with limits."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from features.errors import AdvisorError
from features.reading import Reading, read_export, read_isolated
from tests.faults import containers, performance, physics, texts, times, uploads
from tests.faults.cases import CASES, READ, Case

MODULES = (containers, texts, times, physics, performance, uploads)
"""Importing them registers their cases."""


@dataclass(frozen=True)
class Outcome:
    """What became of one case.

    ``said`` holds the code of the refusal or those of the findings; ``trace`` the traceback of an error that
    is none of ours; ``lost`` says where the account of rows does not hold.
    """

    case: Case
    said: tuple[str, ...]
    errors: tuple[str, ...]
    seconds: float
    trace: str = ""
    lost: str = ""
    written: tuple[str, ...] = ()

    @property
    def died(self) -> bool:
        """Whether the worker ended without an answer, and that was not to be expected."""
        return "E-READ-CRASH" in self.said and "E-READ-CRASH" not in self.case.expected

    @property
    def caught(self) -> bool:
        """Whether the case was answered as it has to be."""
        if self.trace or self.lost or self.written or self.died:
            return False
        if any(code in self.said for code in self.case.expected):
            return True
        return (
            READ in self.case.expected and not any(c.startswith("E-") for c in self.said) and not self.errors
        )


def run(case: Case, folder: Path, *, isolated: bool) -> Outcome:
    """Make the export of a case in an empty folder and read it, or send it."""
    if case.send is not None:
        return _sent(case, case.send, folder)
    assert case.make is not None
    inner = folder / "upload" / "here"
    inner.mkdir(parents=True)
    path = case.make(inner)
    before = _tree(folder)
    reader = read_isolated if isolated else read_export
    start = time.perf_counter()
    said: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    trace = lost = ""
    try:
        reading = reader(path, mapping=case.mapping)
        said = tuple(dict.fromkeys(i.code for i in reading.issues))
        errors = tuple(i.code for i in reading.issues if i.severity == "error")
        lost = _account(reading)
    except AdvisorError as error:
        said = (error.code,)
        if not (error.what and error.where and error.remedy):
            trace = f"{error.code} says too little"
    except Exception:
        trace = traceback.format_exc()
    seconds = time.perf_counter() - start
    return Outcome(case, said, errors, seconds, trace, lost, tuple(sorted(_tree(folder) - before)))


def _sent(case: Case, send: Callable[[Path], str], folder: Path) -> Outcome:
    start = time.perf_counter()
    said = trace = ""
    try:
        said = send(folder)
    except Exception:
        trace = traceback.format_exc()
    return Outcome(case, (said,), (), time.perf_counter() - start, trace)


def _account(reading: Reading) -> str:
    counts = reading.counts
    total = counts.accepted + counts.quarantined + counts.rejected
    return "" if counts.rows_in == total and counts.rows_in > 0 else f"rows: {counts}"


def _tree(folder: Path) -> set[str]:
    return {str(p) for p in folder.rglob("*")}


def classes() -> list[str]:
    """Return the classes that have cases, in order."""
    return sorted({c.number for c in CASES}, key=lambda n: (n[0], int(n[1:])))
