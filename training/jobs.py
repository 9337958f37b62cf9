"""One job per site, quantity and task, two at a time: LightGBM lets go of the interpreter."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from features.data_centre import TASKS, ForecastOrEstimate, supported_quantities
from features.errors import InsufficientDataError
from features.message import say, term
from features.telemetry import Telemetry
from models.bundle import Progress

WORKERS = min(2, os.cpu_count() or 1)

Result = TypeVar("Result")
Job = tuple[str, str, ForecastOrEstimate]
"""Site, quantity, task."""


def run_jobs(
    telemetry: Telemetry,
    quantities: list[str],
    work: Callable[[Telemetry, str, ForecastOrEstimate], Result],
    progress: Progress | None,
) -> tuple[dict[Job, Result], list[str]]:
    """Do the work for every site and quantity that the site's rows support.

    Parameters
    ----------
    telemetry : Telemetry
    quantities : list of str
    work : callable
        (one site's telemetry, quantity, task) -> result.
    progress : callable or None

    Returns
    -------
    dict
        Job -> result, in a fixed order whatever finished first.
    list of str
        Why a job was not done.
    """
    sites = {site: telemetry.site(site) for site in telemetry.site_ids}
    jobs: list[Job] = [
        (site, quantity, task)
        for site, one in sites.items()
        for quantity in quantities
        if quantity in supported_quantities(one)
        for task in TASKS
    ]
    done: dict[Job, Result] = {}
    notes: list[str] = []
    with ThreadPoolExecutor(WORKERS) as pool:
        # estimates take longest: they begin, so that no worker waits for one at the end
        running: dict[Job, Future[Result]] = {
            job: pool.submit(work, sites[job[0]], job[1], job[2])
            for job in sorted(jobs, key=lambda job: job[2] != "estimate")
        }
        for number, job in enumerate(jobs):
            future = running[job]
            if progress:
                progress(
                    say("{quantity} ({task})", quantity=job[1], task=term(job[2])), number / (len(jobs) + 1)
                )
            try:
                done[job] = future.result()
            except InsufficientDataError as error:
                notes.append(
                    say(
                        "{site}: no {task} of {quantity}: {what}",
                        site=job[0],
                        task=term(job[2]),
                        quantity=job[1],
                        what=error.what,
                    )
                )
    return done, notes
