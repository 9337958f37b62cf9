"""What air the servers get at a setting of the levers.

Servers answer to their inlet, not to a number in a controller: water that is too warm cannot hold a cold
aisle, and a supply temperature ends at its bounds. The inlet as measured cannot stand for the levers, for
more work warms it; what the levers alone make of it can.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from features.frame import FloatArray
from features.operation import AIR_LEVERS, BoolArray, Operation

LEAST_ROWS = 72
LEAST_SHARE = 0.3
"""An inlet that moves by less than this share of the air lever's range is not what the lever moves [1]."""
LEAST_R2 = 0.8
_KNOTS = (0.2, 0.4, 0.6, 0.8)
WARM_KNOTS = (0.3, 0.6, 0.8, 0.9, 0.95, 0.98)
"""Of water less air: where the warmest water begins to fail the coldest air, few rows lie."""
_PENALTY = 1e-4


@dataclass(frozen=True)
class InletGuide:
    """Hottest inlet [degC] as a broken line of the air lever and of how much warmer the other levers are.

    Parameters
    ----------
    air : str
    others : tuple of str
    knots : tuple of tuple of float
        Of the air lever [degC], then of each other lever less the air lever [K].
    intercept : float
        [degC]
    slopes : tuple of float
        One per term [K/K].
    centre, half_range : float
        Of the inlet over the rows of the fit [degC], [K].
    """

    air: str
    others: tuple[str, ...]
    knots: tuple[tuple[float, ...], ...]
    intercept: float
    slopes: tuple[float, ...]
    centre: float
    half_range: float

    @classmethod
    def learn(cls, operation: Operation) -> Self | None:
        """Learn from all settled steps: no power is looked at, so both models of a site may share it.

        Returns
        -------
        InletGuide or None
            None without an air lever or an inlet sensor, or where the hottest inlet is another room's.
        """
        air = operation.air_lever
        if air is None or operation.inlet_c is None:
            return None
        known = operation.usable & np.isfinite(operation.inlet_c) & settled(operation)
        if known.sum() < LEAST_ROWS:
            return None
        others = tuple(n for n in operation.levers if n not in AIR_LEVERS)
        values = operation.levers[air][known]
        knots = (
            _inner(values, _KNOTS),
            *(_inner(operation.levers[n][known] - values, WARM_KNOTS) for n in others),
        )
        terms = _terms(operation, air, others, knots)[known]
        inlet = operation.inlet_c[known]
        middle, spread = terms.mean(axis=0), np.maximum(terms.std(axis=0), 1e-9)
        Z = (terms - middle) / spread
        gram = Z.T @ Z + _PENALTY * len(Z) * np.eye(Z.shape[1])
        slopes = np.linalg.solve(gram, Z.T @ (inlet - inlet.mean())) / spread
        fitted = (terms - middle) @ slopes + inlet.mean()
        low, high = (float(x) for x in np.quantile(fitted, (0.01, 0.99)))
        explained = 1.0 - float(np.var(inlet - fitted)) / max(float(np.var(inlet)), 1e-12)
        if high - low < LEAST_SHARE * float(np.ptp(values)) or explained < LEAST_R2:
            return None
        intercept = float(inlet.mean() - middle @ slopes)
        half = max((high - low) / 2, 0.5)
        return cls(air, others, knots, intercept, tuple(map(float, slopes)), (low + high) / 2, half)

    def inlet_c(self, operation: Operation) -> FloatArray:
        """Return the inlet at the operation's set-points [degC], shape (n,)."""
        terms = _terms(operation, self.air, self.others, self.knots)
        inlet: FloatArray = self.intercept + terms @ np.asarray(self.slopes)
        return inlet

    def not_held_k(self, operation: Operation) -> FloatArray:
        """Return how much warmer the inlet is than with the coldest water known [K], shape (n,)."""
        cold = {
            n: operation.levers[self.air] + k[0] for n, k in zip(self.others, self.knots[1:], strict=True)
        }
        return self.inlet_c(operation) - self.inlet_c(operation.with_levers(cold))

    def scaled(self, operation: Operation) -> FloatArray:
        """Return the inlet scaled to about -1..1, shape (n,)."""
        return (self.inlet_c(operation) - self.centre) / self.half_range

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Self:
        """Rebuild from the fields."""
        knots = tuple(tuple(k) for k in raw["knots"])
        return cls(**{**raw, "others": tuple(raw["others"]), "knots": knots, "slopes": tuple(raw["slopes"])})


def settled(operation: Operation) -> BoolArray:
    """Return the steps before which no lever was moved for the time of a transient."""
    calm = np.ones(len(operation), dtype=bool)
    for values in operation.levers.values():
        moved = pd.Series(np.abs(np.diff(values, prepend=values[:1])) > 0.05)
        calm &= ~moved.rolling(operation.transient_steps + 1, min_periods=1).max().astype(bool).to_numpy()
    return calm


def _inner(values: FloatArray, at: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(float(k) for k in np.unique(np.quantile(values, at)))


def _terms(
    operation: Operation, air: str, others: tuple[str, ...], knots: tuple[tuple[float, ...], ...]
) -> FloatArray:
    cold = operation.levers[air]
    columns = [cold, *(np.maximum(cold - k, 0.0) for k in knots[0])]
    for name, own in zip(others, knots[1:], strict=True):
        warmer = operation.levers[name] - cold
        columns += [warmer, *(np.maximum(warmer - k, 0.0) for k in own)]
    return np.column_stack(columns)
