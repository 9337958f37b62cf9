"""Who scores chunks: processes of this machine, or the workers of a Dask cluster."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import Protocol

from app.batch.chunk import Chunk, score_chunk
from app.batch.failure import Failure, quarantined
from app.batch.limits import ONE_THREAD, start_worker
from app.batch.scheduler import connected
from app.batch.tables import Tables, concatenated


class Crew(Protocol):
    """Workers that score chunks.

    ``width`` is how many chunks may be under way, ``lost`` the exceptions that mean that a worker died.
    """

    width: int
    lost: tuple[type[BaseException], ...]

    def submit(self, chunk: Chunk) -> Future[Tables]:
        """Begin to score a chunk."""
        ...

    def renew(self) -> None:
        """Replace workers after one died."""
        ...

    def close(self) -> None:
        """Let the workers go; chunks under way are dropped."""
        ...


class LocalCrew:
    """Processes of this machine, one thread each.

    They are started fresh, never forked from this one: a process that has run LightGBM's threads must not
    be forked.

    Parameters
    ----------
    workers : int
    """

    lost: tuple[type[BaseException], ...] = (BrokenProcessPool,)

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.width = 2 * workers
        self._pool: Executor | None = None

    def submit(self, chunk: Chunk) -> Future[Tables]:
        """Begin to score a chunk."""
        if self._pool is None:
            for name in ONE_THREAD:  # libraries read these when a worker imports them
                os.environ.setdefault(name, "1")
            methods = multiprocessing.get_all_start_methods()
            context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
            if "forkserver" in methods:
                # imported once for all workers; importing runs none of LightGBM's threads, so forking is safe
                context.set_forkserver_preload(["app.batch.scoring"])
            self._pool = ProcessPoolExecutor(self.workers, mp_context=context, initializer=start_worker)
        return self._pool.submit(score_chunk, chunk)

    def renew(self) -> None:
        """Replace the pool: after one worker's death it takes no more work."""
        self.close()

    def close(self) -> None:
        """Let the workers go."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


class DaskCrew:
    """Workers of a Dask cluster that see the same sites and models under the same paths.

    Parameters
    ----------
    address : str
        Address of the scheduler, such as ``tcp://host:8786``.

    Raises
    ------
    UsageError
        Codes E-DASK-MISSING (not installed) and E-DASK-ADDRESS (nobody answers).
    """

    def __init__(self, address: str) -> None:
        self._client = connected(address)
        import distributed  # noqa: PLC0415 - an optional part, and there now

        self._pool: Executor = self._client.get_executor(pure=False)
        self.lost: tuple[type[BaseException], ...] = (distributed.KilledWorker,)
        self.width = max(2 * len(self._client.scheduler_info(n_workers=-1)["workers"]), 2)

    def submit(self, chunk: Chunk) -> Future[Tables]:
        """Begin to score a chunk."""
        return self._pool.submit(score_chunk, chunk)

    def renew(self) -> None:
        """Nothing to do: the cluster replaces its workers."""

    def close(self) -> None:
        """Leave the cluster."""
        self._client.close()


def scored(chunks: Sequence[Chunk], crew: Crew) -> Iterator[tuple[Chunk, Tables]]:
    """Yield every chunk with its tables, as they get done.

    Where a worker died, nobody knows on which site: the chunks that were under way are scored again, one
    site at a time, and the site on which a worker dies again is quarantined.
    """
    waiting = deque(chunks)
    running: dict[Future[Tables], Chunk] = {}
    while waiting or running:
        suspects: list[Chunk] = []
        try:
            while waiting and len(running) < crew.width:
                running[crew.submit(waiting[0])] = waiting[0]
                waiting.popleft()
        except crew.lost:
            suspects.append(waiting.popleft())
        done = wait(running, return_when=FIRST_COMPLETED).done if not suspects else set(running)
        for future in done:
            chunk = running.pop(future)
            try:
                tables = future.result()
            except crew.lost:
                suspects.append(chunk)
            else:
                yield chunk, tables
        if suspects:
            suspects += _left_behind(running)
            crew.renew()
            for chunk in suspects:
                yield chunk, one_by_one(chunk, crew)


def _left_behind(running: dict[Future[Tables], Chunk]) -> list[Chunk]:
    """Take out the chunks whose futures can no longer come true with the pool that is being replaced."""
    chunks = list(running.values())
    for future in running:
        future.cancel()
    running.clear()
    return chunks


def one_by_one(chunk: Chunk, crew: Crew) -> Tables:
    """Score a chunk site by site; a site that costs a worker is quarantined."""
    parts = []
    for source in chunk.sites:
        try:
            parts.append(crew.submit(replace(chunk, sites=(source,))).result())
        except crew.lost:
            crew.renew()
            failure = Failure(
                "E-SITE-CRASH",
                "the worker process died on this site (out of memory, or a fault in native code)",
                "export it again, preferably as CSV; if it happens again, please report it",
            )
            parts.append(quarantined(source, failure, chunk.version))
    return concatenated(parts)
