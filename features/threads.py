"""Work beside each other in threads: parsers, codecs and array operations leave the interpreter free."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor


def threads() -> int:
    """Return how many jobs run beside each other."""
    return max(1, min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2, 8))


def in_threads(jobs: Iterator[Callable[[], object]]) -> None:
    """Run jobs, no more of them begun than threads can soon take; the first error ends it."""
    with ThreadPoolExecutor(threads()) as pool:
        begun: deque[Future[object]] = deque()
        try:
            for job in jobs:
                begun.append(pool.submit(job))
                if len(begun) > threads() + 1:
                    begun.popleft().result()
            while begun:
                begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()
