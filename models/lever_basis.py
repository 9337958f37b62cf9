"""Smooth functions of levers, weather and load that the what-if models are linear in."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from features.frame import FloatArray
from features.levers import AIR_LEVERS, AIRFLOW, PLANT_LEVERS
from features.operation import BoolArray, Operation
from models.inlet_guide import WARM_KNOTS, InletGuide
from models.plant_lever_terms import PlantLeverTerms

# Knots of (outdoor - set-point) [K], where economisers and towers change over.
_APPROACH_KNOTS_K = np.array([-20.0, -16.0, -12.0, -8.0, -4.0, 0.0, 4.0])
_WEATHER_QUANTILES = (0.2, 0.4, 0.6, 0.8)
LEVER_PENALTY = 30.0
"""How much harder a lever's effect is shrunk than weather's [1]."""


@dataclass(frozen=True)
class LeverBasis:
    """Scales and knots, learned once from the rows of a fit.

    Parameters
    ----------
    levers : tuple of str
        Set-points of air and water, the air lever first.
    centre, half_range : tuple of float
        Per lever [degC], [K]: values are scaled to about -1..1.
    load_mean_kw, load_sd_kw : float
        Scale of the IT power.
    dry_knots_c, wet_knots_c : tuple of float
        Knots of the weather splines [degC].
    warm_knots_k : tuple of tuple of float
        Per lever after the air lever: knots of its distance from the air lever [K]; empty: left out.
    guide : InletGuide or None
        The air that servers get; None where no sensor follows the air lever.
    plant : PlantLeverTerms or None
        Levers that only some sites have; None where there are none.
    """

    levers: tuple[str, ...]
    centre: tuple[float, ...]
    half_range: tuple[float, ...]
    load_mean_kw: float
    load_sd_kw: float
    dry_knots_c: tuple[float, ...]
    wet_knots_c: tuple[float, ...]
    warm_knots_k: tuple[tuple[float, ...], ...] = ()
    guide: InletGuide | None = None
    plant: PlantLeverTerms | None = None

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> LeverBasis:
        """Rebuild from the fields."""
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
        fields["warm_knots_k"] = tuple(tuple(k) for k in raw["warm_knots_k"])
        plant = raw.get("plant")  # models of before do not know of it
        fields["plant"] = plant and PlantLeverTerms.from_dict(plant)
        return cls(**{**fields, "guide": raw["guide"] and InletGuide.from_dict(raw["guide"])})

    @classmethod
    def learn(cls, operation: Operation, rows: BoolArray) -> LeverBasis:
        """Learn scales and knots from the given rows."""
        values = {n: v[rows] for n, v in operation.levers.items() if n not in PLANT_LEVERS}
        low = {n: float(v.min()) for n, v in values.items()}
        high = {n: float(v.max()) for n, v in values.items()}
        load = operation.it_kw[rows]
        return cls(
            levers=tuple(values),
            centre=tuple((low[n] + high[n]) / 2 for n in values),
            half_range=tuple(max((high[n] - low[n]) / 2, 0.5) for n in values),
            load_mean_kw=float(load.mean()),
            load_sd_kw=max(float(load.std()), 1e-6 * float(load.mean())),
            dry_knots_c=tuple(float(q) for q in np.quantile(operation.dry_bulb_c[rows], _WEATHER_QUANTILES)),
            wet_knots_c=tuple(float(q) for q in np.quantile(operation.wet_bulb_c[rows], _WEATHER_QUANTILES)),
            warm_knots_k=tuple(
                tuple(float(q) for q in np.unique(np.quantile(own - first, WARM_KNOTS)))
                for own in list(values.values())[1:]
                for first in [next(iter(values.values()))]
            ),
            guide=InletGuide.learn(operation),
            plant=PlantLeverTerms.learn(operation, rows),
        )

    @property
    def all_levers(self) -> tuple[str, ...]:
        """Every lever that the terms look at."""
        return (*self.levers, *(self.plant.levers if self.plant else ()))

    def scaled(self, operation: Operation) -> list[FloatArray]:
        """Return the set-points of air and water scaled to about -1..1, in order."""
        return [
            (operation.levers[n] - c) / h
            for n, c, h in zip(self.levers, self.centre, self.half_range, strict=True)
        ]

    def it_terms(self, operation: Operation) -> FloatArray:
        """Return the terms of the IT response, shape (n, terms).

        Servers feel the air: fans and leakage rise with the square of its temperature, or faster. Where
        no inlet follows the lever, set-points stand for it; chilled water enters only where it meets the
        air set-point (too warm water cannot hold cold air). Without an air lever there is no response to
        learn.
        """
        if self.guide is not None:
            inlet = self.guide.scaled(operation)
            return np.column_stack([inlet, inlet**2])
        flow: list[FloatArray] = []
        if self.plant is not None and AIRFLOW in self.plant.levers:
            x = self.plant.scaled(operation, AIRFLOW)
            flow = [x, x**2, x**3]  # air that lacks warms the servers
        if not self.levers or self.levers[0] not in AIR_LEVERS:
            return np.column_stack(flow or [np.zeros(len(operation))])
        scaled = self.scaled(operation)
        weather = np.nan_to_num((operation.dry_bulb_c - 12.0) / 10.0)
        first = scaled[0]
        columns = [first, first**2, first**3, first * weather, first**2 * weather, first * weather**2]
        for other in scaled[1:]:
            columns += [first * other, first**2 * other]
        return np.column_stack([*columns, *flow])

    def surface_terms(self, operation: Operation, it_kw: FloatArray) -> FloatArray:
        """Return the terms of a power or temperature surface, shape (n, terms).

        Parameters
        ----------
        operation : Operation
            Levers and weather.
        it_kw : numpy.ndarray, shape (n,)
            Heat load of the scenario [kW].
        """
        return np.hstack([block for block, _ in self._surface_blocks(operation, it_kw)])

    def surface_penalty(self, operation: Operation, levers: float = 1.0) -> FloatArray:
        """Return the relative penalty of every surface term, shape (terms,); that of levers times `levers`.

        Weather explains most of cooling and is everywhere in the data; what a lever does in each
        weather rests on few hours, and is believed only as far as they carry.
        """
        blocks = self._surface_blocks(operation.rows(np.arange(len(operation)) < 1), np.ones(1))
        return np.concatenate(
            [np.full(b.shape[1], penalty * (levers if penalty > 1.0 else 1.0)) for b, penalty in blocks]
        )

    def weather_terms(self, operation: Operation, it_kw: FloatArray) -> FloatArray:
        """Return what weather and load alone say, shape (n, terms): where no lever is told apart."""
        return np.hstack([block for block, _ in self._weather_blocks(operation, it_kw)])

    def _weather_blocks(self, operation: Operation, it_kw: FloatArray) -> list[tuple[FloatArray, float]]:
        load = (it_kw - self.load_mean_kw) / self.load_sd_kw
        dry, wet = operation.dry_bulb_c / 10.0, operation.wet_bulb_c / 10.0
        ones = np.ones(len(load))
        dry_spline = _hinges(dry, np.asarray(self.dry_knots_c) / 10.0)
        wet_spline = _hinges(wet, np.asarray(self.wet_knots_c) / 10.0)
        weather, plain = np.column_stack([ones, dry_spline, wet_spline]), np.column_stack([ones, dry, wet])
        return [
            (_products(np.column_stack([ones, load]), weather), 1.0),
            (_products((load**2)[:, None], plain), 1.0),
            (_products(dry_spline, wet_spline), 1.0),
        ]

    def _surface_blocks(self, operation: Operation, it_kw: FloatArray) -> list[tuple[FloatArray, float]]:
        scaled, load = self.scaled(operation), (it_kw - self.load_mean_kw) / self.load_sd_kw
        dry, wet = operation.dry_bulb_c / 10.0, operation.wet_bulb_c / 10.0
        ones = np.ones(len(load))
        dry_spline = _hinges(dry, np.asarray(self.dry_knots_c) / 10.0)
        wet_spline = _hinges(wet, np.asarray(self.wet_knots_c) / 10.0)
        weather, plain = np.column_stack([ones, dry_spline, wet_spline]), np.column_stack([ones, dry, wet])
        own = [] if self.plant is None else self.plant.blocks(operation, load, weather, scaled)
        special = [(block, LEVER_PENALTY) for block in own]
        if not scaled:
            return [*self._weather_blocks(operation, it_kw), *special]
        curved = []
        for x in scaled:
            curved += [x**2, x**3, load * x]
        for a, b in combinations(scaled, 2):
            curved += [a * b, a**2 * b, a * b**2]
        # economiser: what counts is how far outdoor air is from the air set-point
        air = operation.levers[self.levers[0]]
        approach = np.hstack(
            [
                _hinges((t - air) / 10.0, _APPROACH_KNOTS_K / 10.0)
                for t in (operation.dry_bulb_c, operation.wet_bulb_c)
            ]
        )
        # a coil needs water colder than its air: where it lacks, pumps and fans run away
        warmer = [
            _hinges((operation.levers[n] - air) / 10.0, np.asarray(knots) / 10.0)
            for n, knots in zip(self.levers[1:], self.warm_knots_k, strict=bool(self.warm_knots_k))
        ]
        coil = (
            [(_products(np.column_stack([ones, load]), np.hstack(warmer)), LEVER_PENALTY)] if warmer else []
        )
        return [
            *coil,
            *self._weather_blocks(operation, it_kw),
            (_products(np.column_stack(scaled), weather), LEVER_PENALTY),
            (_products(np.column_stack([ones, load]), approach), LEVER_PENALTY),
            (_products(np.column_stack(curved), plain), 3 * LEVER_PENALTY),
            *special,
        ]

    def transient_terms(self, operation: Operation) -> FloatArray:
        """Return the moves of the levers in the last two hours; zero in a steady scenario.

        Rooms and water take their time: without these terms the response to a move is
        underestimated, because the first hours after it count as its full effect.
        """
        columns = []
        own = [] if self.plant is None else self.plant.moving(operation)
        for x in (*self.scaled(operation), *own):
            for values in (x, x**2):
                move = np.diff(values, prepend=values[:1])
                columns += [_delayed(move, k) for k in range(operation.transient_steps)]
        return np.column_stack(columns)


def _hinges(x: FloatArray, knots: FloatArray) -> FloatArray:
    return np.column_stack([x, np.maximum(x[:, None] - knots, 0.0)])


def _products(a: FloatArray, b: FloatArray) -> FloatArray:
    return (a[:, :, None] * b[:, None, :]).reshape(len(a), -1)


def _delayed(x: FloatArray, steps: int) -> FloatArray:
    return np.concatenate([np.zeros(steps), x[: len(x) - steps]]) if steps else x
