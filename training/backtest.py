"""Errors on withheld time and withheld sites, beside the baselines."""

from __future__ import annotations

from dataclasses import replace

from features.telemetry import Telemetry
from models.bundle import Progress
from training.base_station import backtest as backtest_base_stations
from training.centre_backtest import backtest as backtest_data_centres
from training.result import Backtest, stopwatch


def backtest(
    telemetry: Telemetry, *, target: str | None = None, seed: int = 0, progress: Progress | None = None
) -> Backtest:
    """Backtest the telemetry's kind: rolling origin for time, grouped folds for sites.

    Raises
    ------
    features.errors.InsufficientDataError
        Too little data to hold any back.
    """
    family = backtest_data_centres if telemetry.kind == "data-centre" else backtest_base_stations
    taken = stopwatch()
    judged = family(telemetry, target=target, seed=seed, progress=progress)
    return replace(judged, seconds=taken())
