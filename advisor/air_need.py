"""How little air a room may get: what its sensors saw when there was as little for what the servers draw.

Where air lacks, hot air returns to the inlets, which run away within a few per cent of airflow. No smooth
surface is believed there; only steps that saw as little air count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.frame import FloatArray
from features.levers import AIRFLOW
from features.operation import BoolArray, Operation
from models.inlet_guide import settled

STEADY_SHARES = (0.0, 0.2, 0.4, 0.6, 0.8)
"""Of the air that servers draw at mean power, the share that they draw at any power [1]."""
AS_GOOD = 1.03
"""A smaller share is the safer one, and is kept while the inlet scatters by no more than this [1]."""
BINS = 20
LEAST_AIR = 0.1
"""Where air may lack: this share of the steps, those with the least of it for their power [1]."""
ALIKE = 0.03
"""Steps that lacked as much air within this share count [1]."""
AIR_NEAR_K = 2.0
LEAST_HOURS = 48.0
"""So long must as little air have been seen: the verifier leaves out more after a move [h]."""


@dataclass(frozen=True)
class AirNeed:
    """What the inlet follows where airflow moves.

    Parameters
    ----------
    operation : Operation
        The whole export.
    known : numpy.ndarray, shape (n,)
        Settled steps with a measured inlet.
    above_c : numpy.ndarray, shape (n,)
        Hottest inlet above the air set-point [K], or as it is [degC] where there is none.
    steady_share : float
        As `STEADY_SHARES`.
    """

    operation: Operation
    known: BoolArray
    above_c: FloatArray
    steady_share: float

    @classmethod
    def learn(cls, operation: Operation) -> AirNeed | None:
        """Learn from all settled steps; None without an airflow or an inlet sensor."""
        if operation.inlet_c is None or AIRFLOW not in operation.levers:
            return None
        known = operation.usable & np.isfinite(operation.inlet_c) & settled(operation)
        if not known.any():
            return None
        air = operation.air_lever
        above = operation.inlet_c - (0.0 if air is None else operation.levers[air])
        needs = {share: _needed(operation, share) for share in STEADY_SHARES}
        usual = known.copy()  # warmer servers draw more air
        if air is not None:
            values = operation.levers[air]
            usual &= np.abs(values - np.median(values[known])) <= AIR_NEAR_K / 2
        scatter = {share: _scatter(need[usual], above[usual]) for share, need in needs.items()}
        least = AS_GOOD * min(scatter.values())
        return cls(operation, known, above, next(s for s in STEADY_SHARES if scatter[s] <= least))

    def hottest_c(self, airflow_pct: float, air_c: float | None) -> float | None:
        """Return the hottest inlet at the busiest step [degC]; None where so little air was not seen.

        Parameters
        ----------
        airflow_pct : float
            Airflow [% of the rated one].
        air_c : float or None
            Air set-point [degC]; None where there is none.
        """
        need = _needed(self.operation, self.steady_share)
        busiest = self.operation.usable & (self.operation.it_kw == _most_kw(self.operation))
        worst = float((need * self.operation.levers[AIRFLOW])[busiest].max()) / airflow_pct
        near = self.known & (np.abs(need / worst - 1.0) <= ALIKE)
        air = self.operation.air_lever
        if air is not None and air_c is not None:
            near &= np.abs(self.operation.levers[air] - air_c) <= AIR_NEAR_K
        if near.sum() * self.operation.hours < LEAST_HOURS:
            return None
        return float(self.above_c[near].max()) + (0.0 if air_c is None else air_c)


def _most_kw(operation: Operation) -> float:
    return float(operation.it_kw[operation.usable].max())


def _needed(operation: Operation, steady_share: float) -> FloatArray:
    """Return air drawn over air delivered, up to a constant, shape (n,)."""
    mean = float(operation.it_kw[operation.usable].mean())
    drawn: FloatArray = steady_share + (1.0 - steady_share) * operation.it_kw / mean
    return drawn / operation.levers[AIRFLOW]


def _scatter(need: FloatArray, above: FloatArray) -> float:
    """Return the variance of the inlet between steps that lack as much air, where most lacks."""
    least = need >= np.quantile(need, 1.0 - LEAST_AIR)
    place = pd.qcut(pd.Series(need[least]), BINS, labels=False, duplicates="drop")
    return float(pd.Series(above[least]).groupby(place).var(ddof=0).mean())
