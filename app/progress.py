"""Progress on standard error: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from models.bundle import Progress


@contextmanager
def shown(title: str) -> Iterator[Progress]:
    """Yield a callback that shows what is being done and the share done (0..1).

    On a terminal a bar is drawn; otherwise each new step is one line, so that logs stay short.
    """
    if sys.stderr.isatty():
        with _bar(title) as callback:
            yield callback
        return
    last = ""

    def line(step: str, share: float) -> None:
        nonlocal last
        if step != last:
            sys.stderr.write(f"{title}: {step} ({share:.0%})\n")
            sys.stderr.flush()
            last = step

    yield line


@contextmanager
def _bar(title: str) -> Iterator[Progress]:
    columns = (
        TextColumn("{task.fields[step]}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(title, total=1.0, step=title)
        yield lambda step, share: bars.update(task, completed=share, step=f"{title}: {step}")
