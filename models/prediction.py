"""Prediction: a point with an interval, and how far it may be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.frame import FloatArray
from features.schema import KEY_COLUMNS, SCHEMA

Tier = Literal["full", "prior", "fallback"]
Task = Literal["estimate", "forecast", "what-if"]
TIERS: tuple[Tier, ...] = ("full", "prior", "fallback")

OUTPUT_COLUMNS = (
    "timestamp", "site_id", "unit_id", "quantity", "unit", "point", "lower", "upper", "coverage", "in_domain",
    "tier", "model_id",
)  # fmt: skip


@dataclass(frozen=True)
class Prediction:
    """Predicted values of one quantity.

    Parameters
    ----------
    keys : pandas.DataFrame, shape (rows, 3)
        ``site_id``, ``unit_id``, ``timestamp`` (UTC).
    point, lower, upper : numpy.ndarray, shape (rows,)
        Values [unit of the quantity]; NaN only where nothing can be said (then in all three).
    quantity : str
        Canonical column name.
    coverage : float
        Nominal probability that the truth lies in the interval (0..1).
    model_id : str
    in_domain : numpy.ndarray of bool, shape (rows,)
        Whether the inputs lie where the model was trained.
    tier : numpy.ndarray of str, shape (rows,)
        ``full`` model, calibrated ``prior``, or ``fallback``.
    task : {"estimate", "forecast", "what-if"}

    Invariants
    ----------
    ``lower <= point <= upper`` wherever the point is finite.
    """

    keys: pd.DataFrame
    point: FloatArray
    lower: FloatArray
    upper: FloatArray
    quantity: str
    coverage: float
    model_id: str
    in_domain: npt.NDArray[np.bool_]
    tier: npt.NDArray[np.str_]
    task: Task = "estimate"

    def __post_init__(self) -> None:
        if self.quantity not in SCHEMA:
            raise ValueError(f"quantity {self.quantity!r} is not a canonical column")
        if not 0.0 < self.coverage < 1.0:
            raise ValueError("coverage must lie between 0 and 1")
        lengths = {
            len(part) for part in (self.keys, self.point, self.lower, self.upper, self.in_domain, self.tier)
        }
        if len(lengths) != 1:
            raise ValueError(f"parts have different lengths: {sorted(lengths)}")
        finite = np.isfinite(self.point)
        if not (np.isfinite(self.lower[finite]).all() and np.isfinite(self.upper[finite]).all()):
            raise ValueError("an interval must be finite where the point is")
        if (self.lower[finite] > self.point[finite]).any() or (self.point[finite] > self.upper[finite]).any():
            raise ValueError("lower <= point <= upper does not hold")

    @property
    def unit(self) -> str:
        """Unit of the values."""
        return SCHEMA[self.quantity].unit

    def to_frame(self) -> pd.DataFrame:
        """Return the table that ``advisor predict`` writes (`OUTPUT_COLUMNS`)."""
        table = self.keys[list(KEY_COLUMNS)].assign(
            quantity=self.quantity,
            unit=self.unit,
            point=self.point,
            lower=self.lower,
            upper=self.upper,
            coverage=self.coverage,
            in_domain=self.in_domain,
            tier=self.tier,
            model_id=self.model_id,
        )
        return table[list(OUTPUT_COLUMNS)]
