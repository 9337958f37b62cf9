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
from features.levers import AIRFLOW, WATER_LEVERS, scale_of
from features.operation import BoolArray, Operation

LEAST_ROWS = 72
LEAST_SHARE = 0.3
"""An inlet that moves by less than this share of the air lever's range is not what the lever moves [1]."""
LEAST_R2 = 0.8
_KNOTS = (0.2, 0.4, 0.6, 0.8)
WARM_KNOTS = (0.3, 0.6, 0.8, 0.9, 0.95, 0.98)
"""Of water less air: where the warmest water begins to fail the coldest air, few rows lie."""
FLOW_KNOTS = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Of the airflow: air lacks at its low end."""
LEAST_MOVED_K = 0.5
"""An inlet that less air moves by less than this is not what the airflow moves [K]."""
_PENALTY = 1e-4


@dataclass(frozen=True)
class InletGuide:
    """Hottest inlet [degC] as a broken line of the air lever and of how much warmer the other levers are.

    Parameters
    ----------
    air : str
        Empty where no air lever is told apart: then the airflow alone moves the inlet.
    others : tuple of str
    knots : tuple of tuple of float
        Of the air lever [degC], then of each other lever less the air lever [K].
    intercept : float
        [degC]
    slopes : tuple of float
        One per term [K/K].
    centre, half_range : float
        Of the inlet over the rows of the fit [degC], [K].
    flow_knots : tuple of float
        Of the airflow [%]; empty where the site has no such lever.
    """

    air: str
    others: tuple[str, ...]
    knots: tuple[tuple[float, ...], ...]
    intercept: float
    slopes: tuple[float, ...]
    centre: float
    half_range: float
    flow_knots: tuple[float, ...] = ()

    @classmethod
    def learn(cls, operation: Operation) -> Self | None:
        """Learn from all settled steps: no power is looked at, so both models of a site may share it.

        Returns
        -------
        InletGuide or None
            None without an air lever, an airflow or an inlet sensor, or where the hottest inlet is another
            room's.
        """
        air = operation.air_lever or ""
        if not (air or AIRFLOW in operation.levers) or operation.inlet_c is None:
            return None
        known = operation.usable & np.isfinite(operation.inlet_c) & settled(operation)
        if known.sum() < LEAST_ROWS:
            return None
        others = tuple(n for n in operation.levers if n in WATER_LEVERS and air)
        values = operation.levers[air][known] if air else np.zeros(int(known.sum()))
        knots = (
            _inner(values, _KNOTS),
            *(_inner(operation.levers[n][known] - values, WARM_KNOTS) for n in others),
        )
        flow = _inner(operation.levers[AIRFLOW][known], FLOW_KNOTS) if AIRFLOW in operation.levers else ()
        terms = _terms(operation, air, others, knots, flow)[known]
        inlet = operation.inlet_c[known]
        middle, spread = terms.mean(axis=0), np.maximum(terms.std(axis=0), 1e-9)
        Z = (terms - middle) / spread
        gram = Z.T @ Z + _PENALTY * len(Z) * np.eye(Z.shape[1])
        slopes = np.linalg.solve(gram, Z.T @ (inlet - inlet.mean())) / spread
        fitted = (terms - middle) @ slopes + inlet.mean()
        low, high = (float(x) for x in np.quantile(fitted, (0.01, 0.99)))
        explained = 1.0 - float(np.var(inlet - fitted)) / max(float(np.var(inlet)), 1e-12)
        least = LEAST_SHARE * float(np.ptp(values)) if air else LEAST_MOVED_K
        # airflow alone explains less: how much air lacks depends on the work as well
        if high - low < least or explained < (LEAST_R2 if air else LEAST_R2 / 2):
            return None
        intercept = float(inlet.mean() - middle @ slopes)
        half = max((high - low) / 2, 0.5)
        return cls(air, others, knots, intercept, tuple(map(float, slopes)), (low + high) / 2, half, flow)

    def inlet_c(self, operation: Operation) -> FloatArray:
        """Return the inlet at the operation's set-points [degC], shape (n,)."""
        terms = _terms(operation, self.air, self.others, self.knots, self.flow_knots)
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
        tuples = {n: tuple(raw.get(n, ())) for n in ("others", "slopes", "flow_knots")}
        return cls(**{**raw, **tuples, "knots": knots})


def settled(operation: Operation) -> BoolArray:
    """Return the steps before which no lever was moved for the time of a transient."""
    calm = np.ones(len(operation), dtype=bool)
    for name, values in operation.levers.items():
        moved = pd.Series(np.abs(np.diff(values, prepend=values[:1])) > 0.05 * scale_of(name).kelvin)
        calm &= ~moved.rolling(operation.transient_steps + 1, min_periods=1).max().astype(bool).to_numpy()
    return calm


def _inner(values: FloatArray, at: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(float(k) for k in np.unique(np.quantile(values, at)))


def _terms(
    operation: Operation,
    air: str,
    others: tuple[str, ...],
    knots: tuple[tuple[float, ...], ...],
    flow_knots: tuple[float, ...],
) -> FloatArray:
    columns = []
    if air:
        cold = operation.levers[air]
        columns = [cold, *(np.maximum(cold - k, 0.0) for k in knots[0])]
    if flow_knots:
        flow = operation.levers[AIRFLOW]
        columns += [flow, *(np.maximum(k - flow, 0.0) for k in flow_knots)]
    for name, own in zip(others, knots[1:], strict=True):
        warmer = operation.levers[name] - cold
        columns += [warmer, *(np.maximum(warmer - k, 0.0) for k in own)]
    return np.column_stack(columns)
