"""What a backtest says."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

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
