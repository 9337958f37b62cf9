"""Limits of a worker: memory, time per site, and its parent's life."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from multiprocessing.connection import wait
from pathlib import Path

MEMORY_GIB = 6.0
"""Address space of a worker [GiB]; a site that needs more is quarantined."""
GRACE_S = 30.0
"""A site that does not even answer the alarm (hanging in native code) costs the worker after this long."""
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class SiteTimeoutError(BaseException):
    """A site took longer than it may; no `Exception`, so that no code on the way takes it for its own."""


def start_worker(memory_gib: float = MEMORY_GIB) -> None:
    """Prepare a worker process: one thread, limited memory, and an end with its parent's.

    Runs before the libraries that read these settings are imported.
    """
    for name in ONE_THREAD:
        os.environ[name] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if sys.platform == "linux":
        import resource  # noqa: PLC0415 - not on every platform

        limit = int(memory_gib * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _end_with_parent() -> None:
    """End this process when its parent has died; a killed run must not leave workers behind."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise where the body takes longer than `seconds` [s].

    Works in the main thread of a process on POSIX; elsewhere (a cluster's worker) nothing is limited and
    the cluster's own limits hold. Native code that never returns ends the process after a grace.

    Raises
    ------
    SiteTimeoutError
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def late(_signal: int, _frame: object) -> None:
        raise SiteTimeoutError(f"scoring took longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, late)
    with Path(os.devnull).open("w") as nowhere:
        faulthandler.dump_traceback_later(seconds + GRACE_S, exit=True, file=nowhere)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            faulthandler.cancel_dump_traceback_later()
            signal.signal(signal.SIGALRM, before)
