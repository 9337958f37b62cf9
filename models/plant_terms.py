"""Physics of a cooling plant as terms that a ridge regression weighs.

Which terms exist depends on the columns at hand. Sources of the shapes: chiller power is load times a
function of lift and part load (EnergyPlus `Chiller:Electric:EIR`), fans follow the cube law with air flow =
load / (room - supply), towers follow the wet bulb down to a floor, economisers open where outdoor air is
colder than the supply set-point, losses of the power chain are a + b x + c x^2 of the load, lights and people
follow a schedule.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from itertools import combinations, combinations_with_replacement, product
from typing import Any

import numpy as np
import pandas as pd

from features.data_centre import LEVERS, LOADS, PLANT, WET_BULBS
from features.frame import FloatArray

SINKS = ("condenser_water_temp_c", *WET_BULBS, "outdoor_dry_bulb_c")
"""Where heat goes [degC]: towers and economisers have kinks along these."""
AIR = ("supply_air_temp_c", "supply_air_set_point_c", "zone_set_point_c")
WATER = ("chilled_water_supply_temp_c", "chilled_water_set_point_c")
FINE, COARSE = 16, 10
"""Knots of a weather spline, and of one that is multiplied with a state."""
LIFT_KNOTS = 8
LEVER_PENALTY = 300.0
"""How much harder a set-point's effect is shrunk than weather's [1]."""
LEAST_RISE_K = 1.0
"""Least rise from supply to room air that an air flow is derived from [K]."""


@dataclass(frozen=True)
class PlantTerms:
    """Ranges and knots, learned once from training rows without gaps.

    Parameters
    ----------
    load : str
        The load; empty where none is measured.
    states : tuple of str
        Set-points, temperatures and flows of the plant that ever change.
    low, high : dict
        Training range of every input that is used [unit of the input].
    fine, coarse : dict
        Sink -> knots [degC].
    lifts : dict
        ``"sink|cold side"`` -> knots of the difference [K].
    changes : tuple of str
        Changes of inputs over the hours before.
    air_flow : float
        Mean of load / (room - supply) [kW/K]; zero where it cannot be derived.
    """

    load: str
    states: tuple[str, ...]
    low: dict[str, float]
    high: dict[str, float]
    fine: dict[str, list[float]]
    coarse: dict[str, list[float]]
    lifts: dict[str, list[float]]
    changes: tuple[str, ...]
    air_flow: float

    @classmethod
    def learn(cls, X: pd.DataFrame) -> PlantTerms:
        """Learn from inputs without gaps; columns that never change are left out."""
        moving = {str(n) for n in X if float(np.ptp(X[n])) > 1e-6}
        load = next((n for n in LOADS if n in moving), "")
        states = tuple(n for n in (*LEVERS, *PLANT, *LOADS) if n in moving and n not in (load, *SINKS))
        sinks = [n for n in SINKS if n in moving]
        cold = [next(n for n in side if n in moving) for side in (AIR, WATER) if moving & set(side)]
        changes = tuple(str(n) for n in X if "_change_" in str(n) and n in moving)
        used = [*([load] if load else []), *states, *sinks, *changes]
        terms = cls(
            load,
            states,
            {n: float(X[n].min()) for n in used},
            {n: float(X[n].max()) for n in used},
            {n: _knots(X[n], FINE) for n in sinks},
            {n: _knots(X[n], COARSE) for n in sinks},
            {f"{warm}|{low}": _knots(X[warm] - X[low], LIFT_KNOTS) for warm, low in product(sinks, cold)},
            changes,
            0.0,
        )
        if load and {"room_air_temp_c", "supply_air_temp_c"} <= moving:
            return replace(terms, air_flow=float(_air_flow(X, load).mean()))
        return terms

    def __call__(self, X: pd.DataFrame) -> FloatArray:
        """Return the terms, shape (rows, terms).

        Outside the training range an input counts as its nearest value inside: products of hinges
        would run away there.
        """
        return np.hstack([block for block, _ in self._blocks(X)])

    def penalty(self, X: pd.DataFrame) -> FloatArray:
        """Return the relative penalty of every term, shape (terms,); X is any row.

        Weather and load are everywhere in the data; what a set-point does in each weather rests on few
        hours, or on none where it followed the weather, and is believed only as far as they carry.
        """
        return np.concatenate([np.full(block.shape[1], penalty) for block, penalty in self._blocks(X[:1])])

    def _blocks(self, X: pd.DataFrame) -> list[tuple[FloatArray, float]]:
        names = list(self.low)  # of this one the order does not matter; a stored model's is another
        near = X[names].clip(pd.Series(self.low), pd.Series(self.high), axis=1)
        scaled = {
            n: ((near[n] - self.low[n]) / (self.high[n] - self.low[n]) * 2 - 1).to_numpy() for n in names
        }
        with_load = np.column_stack([np.ones(len(X)), *([scaled[self.load]] if self.load else [])])
        moved = [scaled[n] for n in self.states]
        blocks = [(_products(with_load, with_load), 1.0)]
        for sink, knots in sorted(self.fine.items()):
            blocks.append((_products(with_load, _hinges(near[sink].to_numpy(), knots)), 1.0))
        for (one, few), (other, more) in combinations(
            sorted(self.coarse.items()), 2
        ):  # moist air: both count
            moist = _products(_hinges(near[one].to_numpy(), few), _hinges(near[other].to_numpy(), more))
            blocks.append((moist, 1.0))
        blocks += [(block, 1.0) for block in _schedules(X)]
        if self.changes:
            blocks.append((np.column_stack([scaled[n] for n in self.changes]), 1.0))
        if moved:
            loaded = [*moved, *([scaled[self.load]] if self.load else [])]
            curved = [a * b for a, b in combinations_with_replacement(loaded, 2)]
            blocks.append((np.column_stack([*moved, *curved]), LEVER_PENALTY))
        for sink, knots in sorted(self.coarse.items()):
            if moved:
                bent = _products(np.column_stack(moved), _hinges(near[sink].to_numpy(), knots))
                blocks.append((bent, LEVER_PENALTY))
        for pair, knots in sorted(self.lifts.items()):
            warm, low = pair.split("|")
            lift = _products(with_load, _hinges((near[warm] - near[low]).to_numpy(), knots))
            blocks.append((lift, LEVER_PENALTY))
        if self.air_flow:
            flow = _air_flow(near, self.load) / self.air_flow
            blocks.append((np.column_stack([flow, flow**2, flow**3]), LEVER_PENALTY))
        return blocks

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready numbers."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> PlantTerms:
        """Rebuild from `to_dict`."""
        return cls(**{**raw, "states": tuple(raw["states"]), "changes": tuple(raw["changes"])})


def _schedules(X: pd.DataFrame) -> list[FloatArray]:
    """Return lights, people and sun: the hour of workdays, Saturdays and Sundays, and with the season."""
    if not {"hour", "day_of_week"} <= set(X.columns):
        return []
    hours = np.eye(24)[np.clip(X["hour"].to_numpy().astype(np.int64), 0, 23)]
    day = X["day_of_week"].to_numpy()
    kinds = np.column_stack([day < 5, day == 5, day == 6]).astype(np.float64)
    blocks = [_products(kinds, hours)]
    if "dry_bulb_day_mean_c" in X:
        blocks.append(hours * X[["dry_bulb_day_mean_c"]].to_numpy() / 10.0)
    return blocks


def _air_flow(X: pd.DataFrame, load: str) -> FloatArray:
    rise = (X["room_air_temp_c"] - X["supply_air_temp_c"]).clip(lower=LEAST_RISE_K)
    return (X[load] / rise).to_numpy(dtype=np.float64)


def _knots(values: pd.Series, count: int) -> list[float]:
    """Return distinct inner quantiles."""
    return [float(q) for q in np.unique(np.quantile(values, np.linspace(0.0, 1.0, count + 2)[1:-1]))]


def _hinges(x: FloatArray, knots: list[float]) -> FloatArray:
    return np.column_stack([x, np.maximum(x[:, None] - np.asarray(knots), 0.0)]) / 10.0


def _products(a: FloatArray, b: FloatArray) -> FloatArray:
    return (a[:, :, None] * b[:, None, :]).reshape(len(a), -1)
