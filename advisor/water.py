"""Which way a move of a lever changes the make-up water, and so the WUE (ISO/IEC 30134-9).

Evaporative assistance and a closer tower approach buy energy with water. Where water is metered the meter
says how much; where it is not, nothing is said of it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from advisor.plan import Z90
from features.errors import InsufficientDataError
from features.frame import FloatArray
from features.levers import PLANT_LEVERS
from features.message import Message, say
from features.operation import Operation
from models.lever_basis import LeverBasis
from models.site_response import DRAWS, Surface, fit_surface

LEAST_SHARE = 0.005
"""A smaller change is none, as a share of the make-up water of such a time [1]."""


class WaterUse:
    """Make-up water of one site as a surface of levers, weather and load.

    Parameters
    ----------
    operation : Operation
        The whole export, levers restricted to those identified.
    water_m3 : numpy.ndarray or None, shape (n,)
        Make-up water of every step [m3]; None: not metered.
    window : tuple of pandas.Timestamp
        Start and end of the plan, end exclusive.
    seed : int
    """

    def __init__(
        self,
        operation: Operation,
        water_m3: FloatArray | None,
        window: tuple[pd.Timestamp, pd.Timestamp],
        seed: int,
    ) -> None:
        self._window = window
        self._operation, self._metered = operation, water_m3 is not None
        self._basis: LeverBasis | None = None
        self._surface: Surface | None = None
        if water_m3 is None or not operation.usable.any():
            return
        self._basis = LeverBasis.learn(operation, operation.usable)
        try:
            self._surface = fit_surface(
                operation, operation.usable, self._basis, water_m3, draws=DRAWS, seed=seed
            )
        except InsufficientDataError:
            self._basis = None

    def sentence(self, lever: str, schedule: pd.DataFrame) -> Message | None:
        """Return which way a move of a lever changes the water; None for levers that are not judged.

        Parameters
        ----------
        lever : str
        schedule : pandas.DataFrame
            As `advisor.plan.Plan.schedule`.
        """
        if lever not in PLANT_LEVERS:
            return None
        if not self._metered:
            return say("water use (WUE): not assessed, make-up water is not metered")
        change = self._change_m3(lever, schedule)
        if change is None or abs(change[0]) <= change[1]:
            return say("water use (WUE): no change that the water meter tells from chance")
        if change[0] > 0:
            return say("water use (WUE): more, about {water:,.0f} m³ in the window", water=change[0])
        return say("water use (WUE): less, about {water:,.0f} m³ in the window", water=-change[0])

    def _change_m3(self, lever: str, schedule: pd.DataFrame) -> tuple[float, float] | None:
        """Return the change of the water by a lever alone and what it must exceed [m3 in the window]."""
        if self._basis is None or self._surface is None:
            return None
        part = self._operation.between(*self._window)
        part = part.rows(part.usable)
        wide = schedule.pivot_table(index="timestamp", columns="lever", values=["current", "recommended"])
        wide = wide.reindex(part.stamps)
        before = {n: wide["current"][n].to_numpy(dtype=np.float64) for n in part.levers}
        after = {**before, lever: wide["recommended"][lever].to_numpy(dtype=np.float64)}
        terms = [
            self._basis.surface_terms(part.with_levers(side), part.it_kw).mean(axis=0)
            for side in (before, after)
        ]
        fit = self._surface.fit
        moved = len(part) * (terms[1] - terms[0]) / fit.scale
        least = LEAST_SHARE * abs(fit.intercept) * len(part)
        return float(moved @ fit.point), max(Z90 * float((moved @ fit.draws.T).std()), least)
