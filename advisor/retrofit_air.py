"""Retrofits of the room's air: less recirculation at the inlets, less fan power.

The hottest inlet lies above the supply air by the recirculated share of the servers' rise. With a smaller
share the same hottest inlet is held with warmer air and, behind the same coil, with warmer water: servers
notice nothing, so IT power and air flow stay, and the site's own data say what its cooling then needs less.
Fans follow the cube law of their flow (ASHRAE Handbook HVAC Systems and Equipment, fan laws).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from advisor.retrofit_entry import Retrofit, Side
from advisor.retrofit_plant import Plant
from features.frame import FloatArray
from features.levers import WATER_LEVERS
from models.block_ridge import BlockRidge
from models.site_response import SiteResponse, fit_surface
from models.site_scorer import DOUBT, SiteScorer

DRAWS = 30
SCORER_STEP_K = 1.5
"""Trees answer in steps: their slope is read over at least this move [K]."""
BOUND_K = 0.05
"""A move cut by more than this at the end of what was explored is told [K]."""


@dataclass(frozen=True)
class Pair:
    """The two models of a site, the levers they know, and the range each lever was explored in [degC].

    ``known``: move [K] -> answers of the scoring model; ``fits``: the cooling without fans. Both are worked
    out once.
    """

    proposer: SiteResponse
    scorer: SiteScorer
    current: dict[str, float]
    explored: dict[str, tuple[float, float]]
    known: dict[float, FloatArray] = field(default_factory=dict)
    fits: list[BlockRidge] = field(default_factory=list)


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


def can_warm(plant: Plant, pair: Pair) -> bool:
    """Whether the site's data tell what warmer air and water save at the same inlet."""
    return plant.fan_metered_kw is not None or any(n in WATER_LEVERS for n in pair.explored)


def warmed(plant: Plant, pair: Pair, wanted_k: float) -> Warmer:
    """Return what cooling saves when the supply side is so much warmer, and inlet and IT power stay.

    In the export servers speed up their fans in warmer air, and the room's fans follow; at the same inlet
    neither happens. Where the room's fans are metered they are therefore left out of what is fitted. Where
    not, only the water is warmed, which no server sees: the coil makes up for it with more flow, so that this
    is the cautious side.

    Parameters
    ----------
    plant : Plant
        At the set-points in force.
    pair : Pair
        `can_warm` holds for it.
    wanted_k : float
        Warmer air and water [K]; cut at the end of what was explored.
    """
    levers = [n for n in pair.explored if plant.fan_metered_kw is not None or n in WATER_LEVERS]
    room = min(pair.explored[n][1] - pair.current[n] for n in levers)
    moved = max(min(wanted_k, room), 0.0)
    if moved <= 0:
        return Warmer(np.zeros(len(plant.it_kw)), 0.0, 0.0, wanted_k)
    if plant.fan_metered_kw is not None:
        fit = _without_fans(plant, pair)
        saved, doubt = _fitted(plant, pair, fit, levers, moved)
        return Warmer(saved, DOUBT * doubt, moved, wanted_k)
    one, doubt = _fitted(plant, pair, pair.proposer.overhead.fit, levers, moved)
    step = max(min(SCORER_STEP_K, room), moved)
    members = _scored(plant, pair, levers, step) * moved / step
    two = members.mean(axis=1)
    spread = DOUBT * float(members.mean(axis=0).std(ddof=1))
    quarrel = abs(float(one.mean() - two.mean())) / 2
    return Warmer((one + two) / 2, float(np.sqrt(doubt**2 + spread**2 + quarrel**2)), moved, wanted_k)


def _levers(plant: Plant, pair: Pair, moved: list[str], by_k: float) -> dict[str, FloatArray]:
    return {
        n: np.full(len(plant.it_kw), pair.current[n] + (by_k if n in moved else 0.0)) for n in pair.explored
    }


def _without_fans(plant: Plant, pair: Pair) -> BlockRidge:
    """Return the site's cooling less the room's fans as a smooth surface, fitted once."""
    if plant.fan_metered_kw is None:
        raise ValueError("fans are not metered")
    if not pair.fits:
        basis = pair.proposer.basis
        here = plant.operation.only_levers(basis.all_levers)
        rest = here.overhead_kw - plant.fan_metered_kw
        pair.fits.append(fit_surface(here, np.isfinite(rest), basis, rest, draws=DRAWS, seed=0).fit)
    return pair.fits[0]


def _fitted(
    plant: Plant, pair: Pair, fit: BlockRidge, moved: list[str], by_k: float
) -> tuple[FloatArray, float]:
    """Return a surface's saving per hour and the deviation of its mean [kW]."""
    basis = pair.proposer.basis
    here = plant.operation.only_levers(basis.all_levers)
    terms = [
        basis.surface_terms(here.with_levers(_levers(plant, pair, moved, k)), plant.it_kw)
        for k in (0.0, by_k)
    ]
    saved = fit.predict(terms[0]) - fit.predict(terms[1])
    draws = (terms[0] - terms[1]).mean(axis=0) / fit.scale @ fit.draws.T
    return saved, float(draws.std(ddof=1)) if len(draws) > 1 else 0.0


def _scored(plant: Plant, pair: Pair, moved: list[str], by_k: float) -> FloatArray:
    """Return the saving of every member of the scoring model [kW], shape (n, members)."""
    here = plant.operation.only_levers(pair.scorer.levers)
    for k in (0.0, by_k):
        if k not in pair.known:
            there = here.with_levers(_levers(plant, pair, moved, k))
            pair.known[k] = pair.scorer.overhead(there, plant.it_kw)
    return pair.known[0.0] - pair.known[by_k]
