"""Sliders of a data centre: set-points, work, flexible share, photovoltaics, battery.

Set-points go through both models of the site as advice does: the second model gives the point, its draws
and its quarrel with the proposing model the interval. IT power answers to the inlet temperature, so a
warmer room shows what servers' fans and leakage take back.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from advisor.data_centre_case import Case
from advisor.plan import Z90, Interval, Saving, Totals
from advisor.what_if import (
    WIDER_OUTSIDE,
    Chosen,
    Figure,
    Label,
    Lever,
    Part,
    Series,
    WhatIfResult,
    around,
    on_grid,
    spread,
    verdict_of,
    worst_first,
)
from advisor.what_if_domain import Domain, lever_bounds, limit_states
from advisor.what_if_supply import Assets, Demand, Drawn, Supply
from features.frame import FloatArray
from features.levers import scale_of
from features.message import say
from features.operation import BoolArray, Operation
from models.site_response import Scenario
from models.site_scorer import Anchor, Held, Scored

KEPT = 64
"""Scenarios kept for a slider that comes back."""
PARTS = ("it_work", "it_inlet", "cooling", "power_chain")


@dataclass(frozen=True)
class State:
    """One scenario in both models; ``held`` and ``scenario`` are None where nothing could be learned."""

    demand: Demand
    held: Held | None = None
    scenario: Scenario | None = None


@dataclass
class DataCentreWhatIf:
    """A `WhatIfModel` of one data centre over one window.

    Parameters
    ----------
    case : Case
        The decision that advice takes, over the same window.
    supply : Supply
        On the fully measured steps of the window.
    window : Operation
        Every step of the window.
    water_m3 : numpy.ndarray or None, shape (n,)
        Make-up water of every step [m3]; None: not metered.
    notes : tuple of str
    """

    case: Case
    supply: Supply
    window: Operation
    water_m3: FloatArray | None = None
    notes: tuple[str, ...] = ()
    _states: OrderedDict[tuple[float, ...], State] = field(default_factory=OrderedDict)

    # -- what does not depend on the sliders -----------------------------------------------------
    @cached_property
    def known(self) -> BoolArray:
        """Fully measured steps of the window."""
        return self.window.usable

    @cached_property
    def steps(self) -> Operation:
        """The fully measured steps."""
        return self.window.rows(self.known)

    @cached_property
    def kwh(self) -> float:
        """From a mean over the steps [kW] to their energy [kWh]."""
        return self.steps.hours * len(self.steps)

    @property
    def movable(self) -> tuple[str, ...]:
        """Set-points whose effect is known."""
        return () if self.case.why_not else self.case.what_if.levers

    @cached_property
    def anchor(self) -> Anchor | None:
        """What the second model starts from."""
        scorer = self.case.what_if.scorer
        return scorer.anchor(self.steps) if scorer is not None and self.movable else None

    @cached_property
    def label(self) -> Label:
        """Whether today's figures are the meter's: the site ran at the set-points that are in force."""
        current = self.case.site.current
        apart = [np.abs(self.steps.levers[n] - current[n]) < 0.05 * scale_of(n).kelvin for n in self.movable]
        return "modelled" if apart and np.all(apart, axis=0).mean() <= 0.95 else "measured"

    @cached_property
    def domain(self) -> Domain:
        """What the models have seen."""
        return Domain(self.case, self.steps, self.movable)

    @cached_property
    def levers(self) -> tuple[Lever, ...]:
        """Every lever of the site."""
        return lever_bounds(self.case, self.domain, self.supply)

    @cached_property
    def today(self) -> State:
        """The site as it is."""
        return self.state({n: self.case.site.current[n] for n in self.movable}, 1.0)

    # -- scenarios -------------------------------------------------------------------------------
    def state(self, set_points: dict[str, float], factor: float) -> State:
        """Return a scenario; scenarios asked for before come from memory."""
        key = (*set_points.values(), factor)
        if key in self._states:
            self._states.move_to_end(key)
            return self._states[key]
        made = self._states[key] = self._state(key, set_points, factor)
        while len(self._states) > KEPT:
            self._states.popitem(last=False)
        return made

    def _state(self, key: tuple[float, ...], set_points: dict[str, float], factor: float) -> State:
        scorer, proposer = self.case.what_if.scorer, self.case.what_if.proposer
        if self.anchor is None or scorer is None or proposer is None:
            return State(Demand(key, self.steps.facility_kw, self.steps.it_kw))
        levers = {n: np.full(len(self.steps), v) for n, v in set_points.items()}
        held = scorer.hold(self.anchor, levers, it_factor=factor)
        scored = scorer.compare(self.anchor, held, held)
        scenario = proposer.scenario(self.steps.only_levers(self.movable), levers, it_factor=factor)
        return State(Demand(key, scored.planned_kw, scored.planned_it_kw), held, scenario)

    def _compared(self, before: State, after: State) -> tuple[Scored | None, float]:
        """Return both scenarios compared and the half width of their difference [kW]."""
        scorer = self.case.what_if.scorer
        if before is after or self.anchor is None or scorer is None or not (before.held and after.held):
            return None, 0.0
        scored = scorer.compare(self.anchor, before.held, after.held)
        proposed = float((_facility(before) - _facility(after)).mean())
        quarrel = abs(proposed - scored.saving_kw) / 2
        return scored, Z90 * float(np.hypot(scored.saving_sd_kw, quarrel))

    # -- the answer ------------------------------------------------------------------------------
    def evaluate(self, values: dict[str, float]) -> WhatIfResult:
        """Return the answer; see `advisor.what_if.WhatIfModel.evaluate`."""
        chosen = Chosen.of(self.levers, values)
        factor = chosen.get("it_load_pct", 100.0) / 100.0
        at_work = self.state({n: self.case.site.current[n] for n in self.movable}, factor)
        after = self.state({n: chosen[n] for n in self.movable}, factor)
        assets = Assets(
            chosen.get("pv_kw_peak", self.supply.now.pv_kw_peak),
            chosen.get("battery_kwh", self.supply.now.battery_kwh),
            chosen.get("flexible_share_pct", 0.0) / 100.0,
        )
        now = self.supply.feed(self.today.demand, self.supply.now)
        equal = self.supply.feed(at_work.demand, self.supply.now)
        new = self.supply.feed(after.demand, assets)
        outside = self.domain.outside(chosen, after.demand.it_kw)
        limits = limit_states(self.case, chosen, (self.today.scenario, after.scenario), (now, new))
        worse = any(x.worse for x in limits)
        saving = None if outside or worse else self._saving(at_work, after, equal, new)
        return WhatIfResult(
            figures=self._figures(chosen, (self.today, after), (now, new), bool(outside)),
            saving=saving,
            verdict=verdict_of(saving, chosen.moved),
            parts=() if outside else self._parts(at_work, after, (now, new)),
            series=self._series(after, (now, new), WIDER_OUTSIDE if outside else 1.0),
            in_domain=not outside,
            outside=outside,
            limits=worst_first(limits),
            notes=_notes(chosen, factor, (now, new), self.supply.now.pv_kw_peak),
        )

    def _saving(self, before: State, after: State, base: Drawn, new: Drawn) -> Saving:
        """Compare at equal work: less work is never a saving."""
        half = self._compared(before, after)[1] * self.kwh
        energy = (base.totals.energy_kwh or 0.0) - (new.totals.energy_kwh or 0.0)
        percent = 100.0 / (base.totals.energy_kwh or np.nan)
        told = {"energy_kwh": around(energy, half), "energy_pct": around(energy * percent, half * percent)}
        for name, width in self._widths(half).items():
            was, becomes = getattr(base.totals, name), getattr(new.totals, name)
            told[name] = around(was - becomes, width)
        return Saving(**told)

    def _widths(self, half_kwh: float) -> dict[str, float]:
        """Return the half width of what is bought: a kWh of load is at most one kWh bought."""
        site = self.case.site
        per_kwh = {
            "non_green_kwh": None if site.green is None else 1 - site.green.grid_share,
            "cost": None if site.tariff is None else site.tariff.energy_per_kwh,
            "carbon_kg": None if site.carbon is None else site.carbon.factor_kg_per_kwh,
        }
        return {name: half_kwh * value for name, value in per_kwh.items() if value is not None}

    def _figures(
        self, chosen: Chosen, states: tuple[State, State], drawn: tuple[Drawn, Drawn], outside: bool
    ) -> tuple[Figure, ...]:
        now, new = drawn[0].totals, drawn[1].totals
        half = self._compared(*states)[1] * self.kwh
        energy = new.energy_kwh or 0.0
        widths = {
            "energy_kwh": half,
            "pue": self._pue_half(*states),
            "green_share": self._widths(half).get("non_green_kwh", 0.0) / energy,
            **self._widths(half),
        }
        site = self.case.site
        units = {"energy_kwh": "kWh", "pue": "", "green_share": "", "non_green_kwh": "kWh", "carbon_kg": "kg"}
        figures = []
        for name in ("energy_kwh", "non_green_kwh", "green_share", "cost", "carbon_kg", "pue"):
            was, point = getattr(now, name), getattr(new, name)
            reason: str = _REMEDIES.get(name, "") if was is None else ""
            becomes = None if point is None else around(point, widths[name])
            if outside:
                becomes, reason = None, reason or say("outside what the models have seen: nothing is claimed")
            elif name == "green_share" and becomes is not None and only_burnt(now, new):
                becomes, reason = None, say("more energy is used: a higher share of more is no gain")
            label: Label = self.label if name in ("energy_kwh", "pue") else "modelled"
            figures.append(Figure(name, units.get(name, site.currency), was, becomes, label, reason))
        return (*figures, self._water(chosen))

    def _pue_half(self, before: State, after: State) -> float:
        """Return the half width of the change of PUE [1]."""
        if before is after or not (before.held and after.held and before.scenario and after.scenario):
            return 0.0
        overhead = float(self.steps.overhead_kw.mean())
        draws = _pue_draws(after.held, overhead) - _pue_draws(before.held, overhead)
        scored = _pue(after.demand.load_kw, after.demand.it_kw) - _pue(
            before.demand.load_kw, before.demand.it_kw
        )
        proposed = _pue(after.scenario.facility_kw, after.scenario.it_kw) - _pue(
            before.scenario.facility_kw, before.scenario.it_kw
        )
        return Z90 * float(np.hypot(spread(draws), (scored - proposed) / 2))

    def _water(self, chosen: Chosen) -> Figure:
        water = self.water_m3
        if water is None:
            return Figure("water_m3", "m³", None, None, "measured", say("the export holds no water meter"))
        total = float(water[self.known].sum())
        if not chosen.moved:
            return Figure("water_m3", "m³", total, around(total, 0.0), "measured")
        return Figure("water_m3", "m³", total, None, "measured", say("there is no model of the water yet"))

    def _parts(self, at_work: State, after: State, drawn: tuple[Drawn, Drawn]) -> tuple[Part, ...]:
        """Split the change into IT work, the answer of IT power to the inlet, cooling, chain and the rest."""
        base = (drawn[0].totals.energy_kwh or np.nan) / 100
        changes: dict[str, Interval] = {}
        if self.anchor is not None and after.held and at_work.held and self.today.held:
            work = float((at_work.demand.it_kw - self.today.demand.it_kw).mean())
            changes["it_work"] = around(work * self.kwh, 0.0)
            scorer_parts = _part_changes(self.today, at_work, after)
            changes |= {name: around(p * self.kwh, h * self.kwh) for name, (p, h) in scorer_parts.items()}
        moved = float((drawn[1].load_kw - after.demand.load_kw).mean()) * self.kwh
        changes["moved"] = around(moved, 0.0)
        changes["storage"] = around(drawn[1].lost_kwh - drawn[0].lost_kwh, 0.0)
        shown = [n for n, c in changes.items() if c.point or n in PARTS[1:]]
        return tuple(Part(n, changes[n], changes[n].point / base) for n in shown)

    def _series(self, after: State, drawn: tuple[Drawn, Drawn], wider: float) -> Series:
        half = wider * self._half_per_step(after)
        point = drawn[1].load_kw
        inlet = None if after.scenario is None else after.scenario.inlet_c
        full = {
            "now": drawn[0].load_kw, "point": point, "lower": np.maximum(point - half, 0.0),
            "upper": point + half, "bought_now": drawn[0].bought_kw, "bought": drawn[1].bought_kw,
        }  # fmt: skip
        return Series(
            self.window.stamps,
            "kW",
            **{name: on_grid(values, self.known) for name, values in full.items()},
            inlet_c=None if inlet is None else on_grid(inlet, self.known),
        )

    def _half_per_step(self, after: State) -> FloatArray:
        """Return the half width of the change against today, per step [kW]."""
        before = self.today
        if before is after or not (before.held and after.held):
            return np.zeros(len(self.steps))
        it = (after.held.it_kw + after.held.chain_kw - before.held.it_kw - before.held.chain_kw)[:, 1:]
        cooling = after.held.cooling_kw - before.held.cooling_kw
        proposed = _facility(after) - _facility(before)
        quarrel = (proposed - (after.demand.load_kw - before.demand.load_kw)) / 2
        half: FloatArray = Z90 * np.sqrt(it.var(axis=1, ddof=1) + cooling.var(axis=1, ddof=1) + quarrel**2)
        return half


def _facility(state: State) -> FloatArray:
    if state.scenario is None:
        raise ValueError("the state holds no scenario of the proposing model")
    return state.scenario.facility_kw


def _pue(facility_kw: FloatArray, it_kw: FloatArray) -> float:
    return float(facility_kw.sum() / it_kw.sum())


def _pue_draws(held: Held, overhead_kw: float) -> FloatArray:
    """Return the PUE of every draw, shape (draws,); ``overhead_kw`` is the measured mean [kW]."""
    it, chain = held.it_kw.mean(axis=0)[1:, None], held.chain_kw.mean(axis=0)[1:, None]
    cooling = overhead_kw + held.cooling_kw.mean(axis=0)[None, :]
    draws: FloatArray = 1.0 + ((chain + cooling) / it).ravel()
    return draws


def _part_changes(today: State, at_work: State, after: State) -> dict[str, tuple[float, float]]:
    """Return part -> (change, half width) [kW]; IT's answer at equal work, the others against today."""
    if not (today.held and at_work.held and after.held and today.scenario and after.scenario):
        return {}
    if at_work.scenario is None:
        return {}
    rows = {
        "it_inlet": (at_work.held.it_kw, after.held.it_kw, at_work.scenario.it_kw, after.scenario.it_kw),
        "cooling": (
            today.held.cooling_kw, after.held.cooling_kw,
            today.scenario.overhead_kw, after.scenario.overhead_kw,
        ),
        "power_chain": (
            today.held.chain_kw, after.held.chain_kw, today.scenario.chain_kw, after.scenario.chain_kw,
        ),
    }  # fmt: skip
    changes = {}
    for name, (before, then, proposed_before, proposed_then) in rows.items():
        draws = (then - before).mean(axis=0)
        # the first column of IT and chain is the point, the members of cooling are averaged
        point = float(draws.mean()) if name == "cooling" else float(draws[0])
        sd = spread(draws if name == "cooling" else draws[1:])
        quarrel = abs(float((proposed_then - proposed_before).mean()) - point) / 2
        changes[name] = (point, Z90 * float(np.hypot(sd, quarrel)))
    return changes


_REMEDIES = {
    "non_green_kwh": say("declare [green] grid_share in site.toml"),
    "green_share": say("declare [green] grid_share in site.toml"),
    "cost": say("declare [tariff] energy_per_kwh and the currency in site.toml"),
    "carbon_kg": say("declare [carbon] factor_kg_per_kwh in site.toml"),
}


def only_burnt(now: Totals, new: Totals) -> bool:
    """Whether the share of green energy rises although not less of the other is used."""
    if now.green_share is None or new.green_share is None:
        return False
    if now.non_green_kwh is None or new.non_green_kwh is None:
        return False
    return new.green_share > now.green_share + 1e-9 and new.non_green_kwh >= now.non_green_kwh - 1e-6


def _notes(chosen: Chosen, factor: float, drawn: tuple[Drawn, Drawn], now_peak: float) -> tuple[str, ...]:
    notes = []
    if factor != 1.0:
        notes.append(say("less or more work is no saving: savings are told at equal work"))
    if drawn[1].moved_kwh > 0:
        notes.append(say("work is moved knowing the whole week: the most that moving can gain"))
    if drawn[1].lost_kwh > 0:
        notes.append(say("the battery is run knowing the whole week: the most that it can gain"))
    if chosen.get("pv_kw_peak", now_peak) != now_peak:
        notes.append(say("own generation is this week's, in proportion to the peak power"))
    if drawn[1].spilled_kwh >= 1.0:
        notes.append(
            say(
                "{spilled:.0f} kWh of own production find no use and count for nothing",
                spilled=drawn[1].spilled_kwh,
            )
        )
    return tuple(notes)
