"""Heavy work off the event loop: one pool for the whole server, results back in the session that asked."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import panel as pn
from panel.io.state import set_curdoc
from tornado.ioloop import IOLoop

from models.bundle import Progress

T = TypeVar("T")
LOG = logging.getLogger(__name__)
WORKERS = 2
POOL = ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="advisor-work")


def in_background(
    work: Callable[[Progress], T],
    *,
    done: Callable[[T], None],
    failed: Callable[[Exception], None],
    progress: Progress | None = None,
) -> None:
    """Run `work` in a thread; `done`, `failed` and `progress` are called in the session's turn.

    Parameters
    ----------
    work : callable
        Takes a progress callback; touches nothing of the page.
    done, failed, progress : callable
    """
    document, loop = pn.state.curdoc, IOLoop.current()

    def turn(call: Callable[[], None]) -> None:
        if document is None or not document.session_context:
            LOG.debug("a session ended before its work did")
            return
        with set_curdoc(document):
            if pn.state.loaded:
                document.add_next_tick_callback(call)  # a document is changed on the loop's thread only
            else:
                # a change that overtakes the page's first document is dropped by the browser
                pn.state.onload(call)

    def later(call: Callable[[], None]) -> None:
        loop.add_callback(turn, call)

    def say(step: str, share: float) -> None:
        if progress is not None:
            later(lambda: progress(step, share))

    def run() -> None:
        try:
            result: Any = work(say)
        except Exception as error:
            problem = error
            later(lambda: failed(problem))
        else:
            later(lambda: done(result))

    POOL.submit(run)
