"""What a backtest says."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd

from features.telemetry import Telemetry
from models.store import package_versions

BACKTEST_COLUMNS = (
    "problem", "split", "quantity", "model", "ours", "n", "mae", "mape", "wmape", "cv_rmse", "nmbe",
    "coverage", "coverage_low", "coverage_high", "nominal", "width", "interval_score",
)  # fmt: skip
DOMAIN_COLUMNS = ("problem", "quantity", "what", "rate", "rows")


@dataclass(frozen=True)
class Backtest:
    """Result of a backtest.

    Parameters
    ----------
    table : pandas.DataFrame
        `BACKTEST_COLUMNS`: one row per problem, split, quantity and model. ``mae`` is in the
        quantity's unit, ``mape``, ``wmape``, ``cv_rmse``, ``nmbe`` and interval ``width`` in %,
        ``coverage``, ``nominal`` and the block-bootstrap 95 % interval of the coverage
        (``coverage_low``, ``coverage_high``) in 0..1, ``interval_score`` in the quantity's unit (all
        NaN for models without interval; bounds also with fewer than two blocks).
    notes : tuple of str
        What was split how, and what is not comparable.
    provenance : dict
        Data span and hash, versions, seed.
    domain : pandas.DataFrame or None
        `DOMAIN_COLUMNS`: how often rows were called outside the training domain. ``what`` starts with
        "hit" (should be outside) or "false alarm" (should not), ``rate`` is in 0..1 of ``rows``.
    seconds : dict
        ``wall`` and ``cpu`` time that the backtest took [s].
    """

    table: pd.DataFrame
    notes: tuple[str, ...]
    provenance: dict[str, str]
    domain: pd.DataFrame | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if tuple(self.table.columns) != BACKTEST_COLUMNS:
            raise ValueError(f"the table must have the columns {BACKTEST_COLUMNS}")
        if self.domain is not None and tuple(self.domain.columns) != DOMAIN_COLUMNS:
            raise ValueError(f"the table of the domain must have the columns {DOMAIN_COLUMNS}")


def stopwatch() -> Callable[[], dict[str, float]]:
    """Start to measure; the answer returns the ``wall`` and ``cpu`` time [s] since then."""
    wall, cpu = time.perf_counter(), time.process_time()
    return lambda: {
        "wall": round(time.perf_counter() - wall, 2),
        "cpu": round(time.process_time() - cpu, 2),
    }


def provenance(telemetry: Telemetry, seed: int) -> dict[str, str]:
    """Return what made a result: data span and hash, seed, versions."""
    start, end = telemetry.span
    return {
        "data_start": start.isoformat(),
        "data_end": end.isoformat(),
        "data_hash": telemetry.content_hash(),
        "seed": str(seed),
        **{f"version {name}": number for name, number in package_versions().items()},
    }
