"""Score: the nightly batch over a folder of sites."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd

from app.batch.crew import Crew, DaskCrew, LocalCrew
from app.batch.run import BatchRun, run_batch
from app.batch.sites import local_path
from features.errors import UsageError
from features.message import say
from models.bundle import Progress


@dataclass(frozen=True)
class ScoreOutcome:
    """The run as every reader of the store sees it, and how it went.

    Parameters
    ----------
    run : BatchRun
    store : pathlib.Path
    seconds : float
        Wall-clock time of the run [s]; it stands nowhere in the store.
    """

    run: BatchRun
    store: Path
    seconds: float

    @property
    def sites(self) -> pd.DataFrame:
        """One row per site, ranked ones first."""
        return self.run.stored.sites

    @property
    def quarantined(self) -> pd.DataFrame:
        """Sites that could not be scored, with code and reason."""
        return self.sites[self.sites["status"] == "quarantined"]

    @property
    def exit_code(self) -> int:
        """0: every site was scored, 1: some were quarantined."""
        return int(len(self.quarantined) > 0)

    def to_dict(self) -> dict[str, object]:
        """Return plain values for ``--json``."""
        sites = self.sites
        return {
            "store": str(self.store),
            "run": self.run.stored.about,
            "sites": len(sites),
            "scored": len(sites) - len(self.quarantined),
            "tiers": sites["tier"].value_counts().to_dict(),
            "plans": sites["plan"].value_counts().to_dict(),
            "drifting": sites.loc[sites["drift"].fillna(False).astype(bool), "site_id"].tolist(),
            "anomalies": int(sites["anomalies"].sum()),
            "saving_kwh": float(sites["saving_kwh"].sum()),
            "quarantined": self.quarantined[["site_id", "code", "reason", "remedy"]].to_dict("records"),
            "chunks": self.run.chunks,
            "resumed_chunks": self.run.resumed,
            "unchanged": self.run.unchanged,
            "seconds": round(self.seconds, 1),
        }


def score(
    *,
    sites: str,
    model: Path,
    store: str,
    as_of: str,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> ScoreOutcome:
    """Score every site of a folder and commit one complete run to the store.

    Parameters
    ----------
    sites, store : str
        Paths or ``file://`` URIs.
    model : pathlib.Path
        One bundle, or a folder of bundles by site id or by kind.
    as_of : str
        Date, ISO 8601: today of the run. Its end, in each site's local time, is the end of the known past.
    workers : int or None
        Processes; None: as many as this process may use processors.
    scheduler : str or None
        Address of a Dask scheduler instead.
    progress : callable or None

    Raises
    ------
    features.errors.UsageError, features.errors.ModelError, features.errors.DataError
    """
    started = time.perf_counter()
    day = _date(as_of)
    if workers is not None and scheduler is not None:
        raise UsageError(
            "E-USAGE",
            say("--workers and --scheduler exclude each other"),
            "score",
            say("give one of them"),
        )
    if workers is not None and workers < 1:
        raise UsageError(
            "E-USAGE",
            say("{workers} workers cannot work", workers=workers),
            "--workers",
            say("give 1 or more"),
        )
    count = workers or _processors()

    def crew() -> Crew:
        return LocalCrew(count) if scheduler is None else DaskCrew(scheduler)

    root = local_path(store, "--store")
    run = run_batch(local_path(sites, "--sites"), model, root, day, crew, progress=progress)
    return ScoreOutcome(run, root, time.perf_counter() - started)


def _processors() -> int:
    """Return how many processors this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)  # not on every platform
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(
            "E-AS-OF", say("{text!r} is no date", text=text), "--as-of", say("write it like 2026-11-19")
        ) from None
