"""How far the sliders of a data centre go, what the models have seen of it, and which limits stand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from advisor.air_need import AirNeed
from advisor.cooling_search import SUPPORT_HOURS
from advisor.data_centre_case import Case
from advisor.plan import Limit
from advisor.what_if import Chosen, Lever, LimitState, State
from advisor.what_if_supply import Drawn, Supply
from features.frame import FloatArray
from features.levers import AIRFLOW, judged_together, scale_of, setting, unit_of
from features.message import say
from features.operation import Operation
from models.identifiability import LeverEvidence
from models.site_response import Scenario

BEYOND_K = 2.0
"""A set-point's slider goes this far beyond what was tried, so that the unknown can be seen [K]; levers of
another unit in proportion (`features.levers.Scale.kelvin`)."""
NEAR_K = 1.5
"""Set-points count as tried where the site ran so near [K]; the interval tells what is between."""
LOAD_MARGIN = 0.02
"""IT power may lie this much outside what was seen: the models are smooth there [1]."""
LOAD_HOURS = 24.0
"""Power counts as seen where the site ran beyond it for as long in all [h]."""
BINDING_K, BINDING_SHARE = 0.5, 0.02
"""A limit binds where less than this is left [K], [1]."""
WORK_PCT = (50.0, 150.0)
ROOM = 3.0
"""Sliders of own generation and storage go to this many times what stands, where no end is declared."""


@dataclass(frozen=True)
class Domain:
    """What the models of one site have seen.

    ``steps``: the measured steps of the window; ``movable``: set-points whose effect is known.
    """

    case: Case
    steps: Operation
    movable: tuple[str, ...]

    @cached_property
    def load_kw(self) -> tuple[float, float]:
        """IT power between which the models have seen the site, this window included [kW]."""
        operation = self.case.operation
        seen = np.sort(operation.it_kw[operation.usable])
        at = min(max(round(LOAD_HOURS / operation.hours), 1), len(seen)) - 1
        low, high = self.busy(self.steps.it_kw)
        return min(float(seen[at]), low) * (1 - LOAD_MARGIN), max(float(seen[-1 - at]), high) * (
            1 + LOAD_MARGIN
        )

    @staticmethod
    def busy(it_kw: FloatArray) -> tuple[float, float]:
        """Return the range of IT power without its extreme twentieths [kW]."""
        low, high = np.quantile(it_kw, (0.05, 0.95))
        return float(low), float(high)

    @cached_property
    def work_pct(self) -> tuple[float, float]:
        """Work between which IT power stays where it was seen [% of the measured work]."""
        low, high = self.busy(self.steps.it_kw)
        return 100 * self.load_kw[0] / low, 100 * self.load_kw[1] / high

    @cached_property
    def _weather(self) -> tuple[Operation, FloatArray]:
        """Steps of the whole export in the window's weather, and their set-points, shape (rows, levers)."""
        operation = self.case.operation
        low, high = np.quantile(self.steps.dry_bulb_c, (0.05, 0.95))
        alike = operation.rows(
            operation.usable & (operation.dry_bulb_c >= low) & (operation.dry_bulb_c <= high)
        )
        return alike, np.column_stack([alike.levers[n] for n in self.movable])

    def tried_hours(self, set_points: dict[str, float]) -> float:
        """Return how long the site ran near these set-points in the window's weather [h].

        Levers that act apart from each other are judged apart; the least counts.
        """
        alike, tried = self._weather
        wanted = np.array([set_points[n] for n in self.movable])
        near = np.abs(tried - wanted) <= np.array([NEAR_K * scale_of(n).kelvin for n in self.movable])
        groups = ([self.movable.index(n) for n in names] for names in judged_together(self.movable))
        return min(float(near[:, group].all(axis=1).sum()) for group in groups) * alike.hours

    def outside(self, chosen: Chosen, it_kw: FloatArray) -> tuple[str, ...]:
        """Return how a setting leaves what was seen; empty where it does not."""
        told: list[str] = [_beyond(x, chosen[x.name]) for x in chosen.moved if not x.known(chosen[x.name])]
        moved = [x for x in chosen.moved if x.group == "set_point"]
        if told or not (moved or chosen.get("it_load_pct", 100.0) != 100.0):
            return tuple(told)
        told += self._lacks_air(chosen)
        hours = self.tried_hours(chosen.values) if moved else np.inf
        if hours < SUPPORT_HOURS:
            told.append(
                say(
                    "in weather like this week's the site ran near these set-points for {hours:g} h only; "
                    "{least:g} h are needed",
                    hours=hours,
                    least=SUPPORT_HOURS,
                )
            )
        low, high = self.busy(it_kw)
        if low < self.load_kw[0] - 1e-9 or high > self.load_kw[1] + 1e-9:
            told.append(
                say(
                    "IT power of {low:.0f} to {high:.0f} kW was not seen; the site ran between "
                    "{least:.0f} and {most:.0f} kW",
                    low=low,
                    high=high,
                    least=self.load_kw[0],
                    most=self.load_kw[1],
                )
            )
        return tuple(told)

    @cached_property
    def _air_need(self) -> AirNeed | None:
        return AirNeed.learn(self.case.operation)

    def _lacks_air(self, chosen: Chosen) -> list[str]:
        """Say where so little air was not seen, or did harm; a smooth surface of the inlet does not tell."""
        need, current = self._air_need, self.case.site.current
        if need is None or not chosen.get(AIRFLOW, np.inf) < current.get(AIRFLOW, 0.0):
            return []
        air = self.case.operation.air_lever
        hottest = need.hottest_c(chosen[AIRFLOW], None if air is None else chosen.get(air, current[air]))
        if hottest is None:
            return [
                say("so little air was never seen in busy hours: how hot the inlets would get is not known")
            ]
        limits = (x for x in self.case.problem.limits if x.name == "server_inlet_temp_c" and x.sense == "max")
        if hottest + self.case.site.limits.sensor_error_k <= min((x.value for x in limits), default=np.inf):
            return []
        return [say("with as little air per need the hottest inlet was at {inlet:.1f} °C", inlet=hottest)]


def _beyond(lever: Lever, value: float) -> str:
    if lever.name == "flexible_share_pct":
        return say("only {share:g} % of the work is declared as flexible", share=lever.known_upper)
    if lever.name == "it_load_pct":
        return say(
            "so much or so little IT power was never measured: {low:.0f} to {high:.0f} % of this week's work "
            "are known",
            low=lever.known_lower,
            high=lever.known_upper,
        )
    return say(
        "{lever} of {value} was never tried: the site ran between {low:g} and {high}",
        lever=lever.name,
        value=setting(lever.name, value),
        low=lever.known_lower,
        high=setting(lever.name, lever.known_upper),
    )


# -- sliders ---------------------------------------------------------------------------------------
def lever_bounds(case: Case, domain: Domain, supply: Supply) -> tuple[Lever, ...]:
    """Return every slider of the site."""
    return (
        *(_set_point(case, domain, name) for name in case.operation.levers),
        _work(domain),
        _flexible(case),
        _pv(case, supply),
        _battery(case),
    )


def _set_point(case: Case, domain: Domain, name: str) -> Lever:
    now = case.site.current[name]
    evidence = case.what_if.evidence.get(name, {})
    low, high = (float(evidence.get(side, now)) for side in ("low_c", "high_c"))
    low, high = (now, now) if not np.isfinite(low) else (low, high)
    permitted = case.site.levers.get(name)
    scale = scale_of(name)
    step = permitted.step if permitted else scale.step
    edges = [low, high, now, *((permitted.lower, permitted.upper) if permitted else ())]
    beyond = BEYOND_K * scale.kelvin
    lower = np.floor(max(min(edges) - beyond, scale.lower) / step) * step
    upper = np.ceil(min(max(edges) + beyond, scale.upper) / step) * step
    disabled = ""
    if name not in domain.movable:
        disabled = _unknown(case, name)
    return Lever(name, unit_of(name), "set_point", float(lower), float(upper), step, now, low, high, disabled)


def _unknown(case: Case, name: str) -> str:
    """Say why the effect of a set-point is not known."""
    fields = LeverEvidence.__dataclass_fields__
    evidence = {k: v for k, v in case.what_if.evidence.get(name, {}).items() if k in fields}
    if evidence and not (told := LeverEvidence(**evidence)).identified:
        return told.reason
    reasons = case.why_not or case.what_if.reasons
    return reasons[0] if reasons else say("the models say nothing about this set-point")


def _work(domain: Domain) -> Lever:
    low, high = domain.work_pct
    if not domain.movable:
        why = say(
            "how cooling follows the work is told by the models of the set-points, which know none here"
        )
        return Lever("it_load_pct", "%", "work", *WORK_PCT, 1.0, 100.0, 100.0, 100.0, why)
    return Lever(
        "it_load_pct", "%", "work", *WORK_PCT, 1.0, 100.0, float(np.ceil(low)), float(np.floor(high))
    )


def _flexible(case: Case) -> Lever:
    workload = case.site.workload
    why = "" if workload else say("declare [workload] flexible_share and it_capacity_kw in site.toml")
    known = 100 * workload.flexible_share if workload else 0.0
    return Lever("flexible_share_pct", "%", "work", 0.0, max(50.0, known), 1.0, 0.0, 0.0, known, why)


def _pv(case: Case, supply: Supply) -> Lever:
    pv = case.site.pv
    now = supply.now.pv_kw_peak
    why: str
    if pv is None:
        why = say("declare [pv] kw_peak in site.toml")
    elif supply.own_per_kw is None:
        why = say(
            "export pv_power_kw, or declare latitude_deg, longitude_deg and yearly_yield_kwh_per_kw of [pv]"
        )
    else:
        why = ""
    room = float(np.ceil(max(ROOM * now, _own_order(supply)) / 10) * 10) or 100.0
    upper = max(pv.kw_peak_max if pv and pv.kw_peak_max is not None else room, now, 1.0)
    return Lever("pv_kw_peak", "kW", "supply", 0.0, upper, _step(upper), now, 0.0, upper, why)


def _own_order(supply: Supply) -> float:
    """Return the size of own generation that is of the site's own order [kW]."""
    return 0.0 if supply.own_now_kw is None else ROOM * float(np.nanmax(supply.own_now_kw, initial=0.0))


def _battery(case: Case) -> Lever:
    battery = case.site.battery
    why = (
        ""
        if battery and battery.energy_kwh > 0
        else say("declare [battery] with energy_kwh above 0 in site.toml")
    )
    now = battery.energy_kwh if battery else 0.0
    upper = max(ROOM * now, 1.0)
    return Lever("battery_kwh", "kWh", "supply", 0.0, upper, _step(upper), now, 0.0, upper, why)


def _step(upper: float) -> float:
    """Return a round step, about a hundredth of the travel."""
    magnitude = 10.0 ** np.floor(np.log10(upper / 100))
    return float(next(m * magnitude for m in (1, 2, 5, 10) if m * magnitude >= upper / 100))


# -- limits ----------------------------------------------------------------------------------------
def limit_states(
    case: Case,
    chosen: Chosen,
    scenarios: tuple[Scenario | None, Scenario | None],
    drawn: tuple[Drawn, Drawn],
) -> list[LimitState]:
    """Return every limit and where the scenario stands, beside the site as it is."""
    states = [
        _inlet(case, limit, scenarios) for limit in case.problem.limits if limit.name == "server_inlet_temp_c"
    ]
    for lever in chosen.levers:
        if lever.group == "set_point" and not lever.disabled:
            states += _permitted(case, lever, chosen[lever.name])
    if case.site.workload is not None:
        capacity = case.site.workload.it_capacity_kw
        states.append(
            _state(
                "it_capacity_kw", "max", capacity, "kW", drawn[1].peak_it_kw, drawn[0].peak_it_kw,
                BINDING_SHARE * capacity, say("site.toml"),
            )
        )  # fmt: skip
    return states


def _state(
    name: str,
    sense: Literal["max", "min"],
    limit: float,
    unit: str,
    value: float,
    now: float,
    near: float,
    source: str,
) -> LimitState:
    margin = limit - value if sense == "max" else value - limit
    state: State = "broken" if margin < -1e-9 else "binding" if margin < near - 1e-9 else "kept"
    return LimitState(name, sense, limit, unit, value, now, margin, state, source)


def _inlet(case: Case, limit: Limit, scenarios: tuple[Scenario | None, Scenario | None]) -> LimitState:
    """Judge a limit of the hottest inlet as the search for set-points does: expected, plus what it errs."""
    proposer = case.what_if.proposer
    inlets = [s.inlet_c for s in scenarios if s is not None and s.inlet_c is not None]
    if proposer is None or proposer.inlet is None or len(inlets) < 2:
        why = say("no sensor of the server inlet, or no model of it")
        return LimitState(
            limit.name, limit.sense, limit.value, "°C", None, None, None, "unknown", limit.source, why
        )
    if limit.sense == "max":
        error = proposer.inlet.residual_high + case.site.limits.sensor_error_k
        now, value = (float(np.nanmax(x)) + error for x in inlets)
    else:
        now, value = (float(np.nanmin(x)) for x in inlets)
    return _state(limit.name, limit.sense, limit.value, "°C", value, now, BINDING_K, limit.source)


def _permitted(case: Case, lever: Lever, value: float) -> list[LimitState]:
    """Return the range that the site permits its operators."""
    if not case.site.levers:
        return []
    permitted = case.site.levers.get(lever.name)
    low, high = (permitted.lower, permitted.upper) if permitted else (lever.now, lever.now)
    source = say("site.toml") if permitted else say("site.toml: not among the levers that may be moved")
    near = lever.step
    return [
        _state(lever.name, "min", low, lever.unit, value, lever.now, near, source),
        _state(lever.name, "max", high, lever.unit, value, lever.now, near, source),
    ]
