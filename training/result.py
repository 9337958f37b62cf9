"""What a backtest says."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from features.telemetry import Telemetry
from models.store import package_versions

BACKTEST_COLUMNS = (
    "problem", "split", "quantity", "model", "ours", "n", "mae", "mape", "wmape", "cv_rmse", "nmbe",
    "coverage", "nominal", "width",
)  # fmt: skip


@dataclass(frozen=True)
class Backtest:
    """Result of a backtest.

    Parameters
    ----------
    table : pandas.DataFrame
        `BACKTEST_COLUMNS`: one row per problem, split, quantity and model. ``mae`` is in the
        quantity's unit, ``mape``, ``wmape``, ``cv_rmse``, ``nmbe`` and interval ``width`` in %,
        ``coverage`` and ``nominal`` in 0..1 (NaN for models without interval).
    notes : tuple of str
        What was split how, and what is not comparable.
    provenance : dict
        Data span and hash, versions, seed.
    """

    table: pd.DataFrame
    notes: tuple[str, ...]
    provenance: dict[str, str]

    def __post_init__(self) -> None:
        if tuple(self.table.columns) != BACKTEST_COLUMNS:
            raise ValueError(f"the table must have the columns {BACKTEST_COLUMNS}")


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
