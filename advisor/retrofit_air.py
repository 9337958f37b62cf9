"""Retrofits of the room's air: less recirculation at the inlets, less fan power.

The hottest inlet lies above the supply air by the recirculated share of the servers' rise. With a smaller
share the same hottest inlet is held with warmer air and, behind the same coil, with warmer water: servers
notice nothing, so IT power stays, and the site's two models say what its cooling then needs less.
Fans follow the cube law of their flow (ASHRAE Handbook HVAC Systems and Equipment, fan laws).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from advisor.retrofit_entry import Retrofit, Side
from advisor.retrofit_plant import Plant
from features.frame import FloatArray
from models.site_response import SiteResponse
from models.site_scorer import DOUBT, SiteScorer

SCORER_STEP_K = 1.5
"""Trees answer in steps: their slope is read over at least this move [K]."""
BOUND_K = 0.05
"""A move cut by more than this at the end of what was explored is told [K]."""


@dataclass(frozen=True)
class Pair:
    """The two models of a site, the levers they know, and the range each lever was explored in [degC].

    ``known``: move [K] -> answers of the scoring model, asked once.
    """

    proposer: SiteResponse
    scorer: SiteScorer
    current: dict[str, float]
    explored: dict[str, tuple[float, float]]
    known: dict[float, FloatArray] = field(default_factory=dict)


@dataclass(frozen=True)
class Warmer:
    """What warmer air and water at the same inlet save.

    ``saved_kw`` [kW], shape (n,); ``sd_kw`` [kW] of its mean; ``moved_k`` [K]; ``wanted_k`` [K] before it
    was cut at the end of the explored range.
    """

    saved_kw: FloatArray
    sd_kw: float
    moved_k: float
    wanted_k: float

    @property
    def bounded(self) -> bool:
        """Whether the explored range cut the move."""
        return self.wanted_k - self.moved_k > BOUND_K


def fan_saving_kw(fan_kw: FloatArray, airflow_reduction: float) -> FloatArray:
    """Return the fan power saved [kW] when the air flow falls by a share [1]: cube law."""
    return np.asarray(fan_kw * (1.0 - (1.0 - airflow_reduction) ** 3))


def excess_k(plant: Plant) -> float | None:
    """Return how far the hottest inlet usually lies above the supply air [K].

    None where it is not measured, or where the inlet does not follow the supply air: then another room's
    air is seen, not recirculation.
    """
    if plant.inlet_c is None or plant.supply_c is None or not plant.inlet_follows:
        return None
    return float(np.median(plant.inlet_c - plant.supply_c))


def rise_k(plant: Plant, retrofit: Retrofit, side: Side) -> float:
    """Return the rise of the air through the servers [K]: measured, else the catalogue's range."""
    if plant.room_c is None or plant.supply_c is None:
        return retrofit.value("air_rise_k", side)
    return float(np.median(plant.room_c - plant.supply_c))


def warmer_k(plant: Plant, retrofit: Retrofit, side: Side) -> float:
    """Return by how much supply air may be warmer at the same hottest inlet [K]."""
    excess = excess_k(plant)
    if excess is None:
        return 0.0
    return max(excess - retrofit.value("recirculation_after", side) * rise_k(plant, retrofit, side), 0.0)


def warmed(plant: Plant, pair: Pair, wanted_k: float) -> Warmer:
    """Return what cooling saves when every known lever is so much warmer and IT power stays.

    Parameters
    ----------
    plant : Plant
        At the set-points in force.
    pair : Pair
    wanted_k : float
        Warmer air and water [K]; cut at the end of what was explored.
    """
    room = min(high - pair.current[n] for n, (_, high) in pair.explored.items())
    moved = max(min(wanted_k, room), 0.0)
    if moved <= 0:
        return Warmer(np.zeros(len(plant.it_kw)), 0.0, 0.0, wanted_k)
    one, doubt = _proposed(plant, pair, moved)
    step = max(min(SCORER_STEP_K, room), moved)
    members = _scored(plant, pair, step) * moved / step
    two = members.mean(axis=1)
    spread = DOUBT * float(members.mean(axis=0).std(ddof=1))
    quarrel = abs(float(one.mean() - two.mean())) / 2
    return Warmer((one + two) / 2, float(np.sqrt(doubt**2 + spread**2 + quarrel**2)), moved, wanted_k)


def _levers(plant: Plant, pair: Pair, by_k: float) -> dict[str, FloatArray]:
    return {n: np.full(len(plant.it_kw), pair.current[n] + by_k) for n in pair.explored}


def _proposed(plant: Plant, pair: Pair, by_k: float) -> tuple[FloatArray, float]:
    """Return the proposing model's saving per hour and the deviation of its mean [kW]."""
    basis, fit = pair.proposer.basis, pair.proposer.overhead.fit
    here = plant.operation.only_levers(basis.levers)
    terms = [basis.surface_terms(here.with_levers(_levers(plant, pair, k)), plant.it_kw) for k in (0.0, by_k)]
    saved = fit.predict(terms[0]) - fit.predict(terms[1])
    draws = (terms[0] - terms[1]).mean(axis=0) / fit.scale @ fit.draws.T
    return saved, float(draws.std(ddof=1)) if len(draws) > 1 else 0.0


def _scored(plant: Plant, pair: Pair, by_k: float) -> FloatArray:
    """Return the saving of every member of the scoring model [kW], shape (n, members)."""
    here = plant.operation.only_levers(pair.scorer.levers)
    for k in (0.0, by_k):
        if k not in pair.known:
            moved = here.with_levers(_levers(plant, pair, k))
            pair.known[k] = pair.scorer.overhead(moved, plant.it_kw)
    return pair.known[0.0] - pair.known[by_k]
