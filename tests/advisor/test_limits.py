"""Limits of a plan: each by hand, then against the verifier with the optimiser left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from advisor.envelope import limits_of, permitted
from advisor.holds import holds_of, kept_in_hours
from advisor.limit_checks import limit_checks
from advisor.plan import INLET_RATE, Hold, Limit, Plan, Problem, SolverReport
from advisor.site import Limits, Site
from advisor.site_limits import Override, Redundancy
from features.operation import Operation
from features.psychrometrics import dew_point
from features.telemetry import TimeZone

ZONE, WATER = "zone_set_point_c", "chilled_water_set_point_c"
DEW, RH = "server_inlet_dew_point_c", "server_inlet_rh_pct"
UTC8 = TimeZone("+08:00", assumed=False)
NOW = {ZONE: 24.0, WATER: 10.0}


def operation(
    hours: float = 1.0, n: int = 240, dew_c: float | None = 12.0, it_kw: float = 100.0
) -> Operation:
    """A room whose inlet is its set-point; both levers stood at each whole degree for ten steps."""
    stamps = pd.date_range("2025-07-01", periods=n, freq=pd.Timedelta(hours=hours), tz="UTC")
    zone = 18.0 + (np.arange(n) // 24) % 10
    flat = np.full(n, 20.0)
    return Operation(
        "dc", stamps, {ZONE: zone, WATER: np.full(n, 10.0)}, flat, flat, np.full(n, it_kw), np.full(n, 130.0),
        None, zone.copy(), np.zeros(n, dtype=np.int64), hours,
        None if dew_c is None else np.full(n, dew_c),
    )  # fmt: skip


def plan_of(
    view: Operation, limits: tuple[Limit, ...], holds: tuple[Hold, ...] = (), **moved: object
) -> Plan:
    problem = Problem(
        "dc", view.stamps[0].isoformat(), (view.stamps[-1] + pd.Timedelta(hours=view.hours)).isoformat(),
        NOW, {}, limits, "m", "d", options={"zone": "+08:00"}, holds=holds,
    )  # fmt: skip
    parts = [
        pd.DataFrame(
            {
                "timestamp": view.stamps, "unit_id": "", "lever": name, "current": now,
                "recommended": np.asarray(moved.get(name, now)) + np.zeros(len(view)),
            }
        )
        for name, now in NOW.items()
    ]  # fmt: skip
    report = SolverReport("optimal", "by hand", 0.0)
    return Plan(problem, pd.concat(parts, ignore_index=True), {}, report)


def judged(view: Operation, plan: Plan, site: Site) -> dict[str, object]:
    wide = plan.schedule.pivot_table(index="timestamp", columns="lever", values=["current", "recommended"])
    current, planned = ({n: wide[s][n].to_numpy() for n in NOW} for s in ("current", "recommended"))
    return {str(c.name): c for c in limit_checks(plan, current, planned, view, site)}


def site_with(**limits: object) -> Site:
    return Site(id="dc", current=NOW, limits=Limits(**limits))


def bounds(site: Site) -> dict[tuple[str, str], float]:
    return {(x.name, x.sense): x.value for x in limits_of(site, [])}


# -- which limits ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("declared", "high", "low", "dew", "humid"),
    [
        ({}, 27.0, 18.0, 15.0, 70.0),
        ({"equipment_class": "A2"}, 27.0, 18.0, 15.0, 70.0),
        ({"equipment_class": "A2", "envelope": "allowable"}, 35.0, 10.0, 21.0, 80.0),
        ({"equipment_class": "A4", "envelope": "allowable"}, 45.0, 5.0, 24.0, 90.0),
        ({"envelope": "allowable", "server_inlet_temp_c_max": 29.0}, 29.0, 15.0, 17.0, 80.0),
        ({"server_inlet_dew_point_c_max": 13.0, "server_inlet_rh_pct_max": 50.0}, 27.0, 18.0, 13.0, 50.0),
    ],
)
def test_the_envelope_is_the_class_s_and_the_customer_s_overrides_it(declared, high, low, dew, humid) -> None:
    found = bounds(site_with(**declared))
    inlet = "server_inlet_temp_c"
    assert (found[inlet, "max"], found[inlet, "min"]) == (high, low)
    assert (found[DEW, "max"], found[RH, "max"]) == (dew, humid)


def test_every_limit_says_where_it_comes_from() -> None:
    own = site_with(equipment_class="A3", envelope="allowable", rate_k_per_h_max=4.0)
    source = {x.name: x.source for x in limits_of(own, [])}
    assert source["server_inlet_temp_c"] == "ASHRAE TC 9.9 2021, class A3, allowable"
    assert source[INLET_RATE] == "site.toml"


def test_rates_of_the_standard_of_tapes_and_of_the_customer() -> None:
    assert bounds(site_with())[INLET_RATE, "max"] == 20.0
    assert bounds(site_with(tapes=True))[INLET_RATE, "max"] == 5.0
    assert bounds(site_with(tapes=True, rate_k_per_h_max=2.0))[INLET_RATE, "max"] == 2.0
    assert (INLET_RATE, "max") not in bounds(site_with(equipment_class="H1"))


def test_an_assumed_limit_is_a_finding_and_a_declared_class_is_not() -> None:
    issues: list = []
    limits_of(site_with(), issues)
    assert [i.code for i in issues] == ["D-LIMIT-ASSUMED"]
    for declared in ({"equipment_class": "A1"}, {"server_inlet_temp_c_max": 26.0}):
        issues = []
        limits_of(site_with(**declared), issues)
        assert issues == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"equipment_class": "A9"},
        {"envelope": "tolerable"},
        {"rate_k_per_h_max": 0.0},
        {"server_inlet_temp_c_min": 28.0, "server_inlet_temp_c_max": 27.0},
        {"override": [{"start": "2025-07-02", "end": "2025-07-01", "reason": "x", "zone_set_point_c": 20}]},
        {"override": [{"start": "2025-07-01", "end": "2025-07-02", "reason": "x"}]},
        {"override": [{"start": "2025-07-01", "end": "2025-07-02", "reason": "x", "zone_set_point_c": 70}]},
        {"redundancy": {"units": 1, "unit_capacity_kw": 50.0, "source": "x"}},
        {"room_limit": 3},
    ],
)
def test_wrong_declarations_are_refused(wrong) -> None:
    with pytest.raises(ValidationError):
        Limits(**wrong)


# -- rate of change ----------------------------------------------------------------------------------
@pytest.mark.parametrize(("hours", "jump", "kept"), [(1.0, 5.0, True), (1.0, 5.5, False), (0.5, 5.5, False)])
def test_a_jump_is_a_change_within_the_hour(hours: float, jump: float, kept: bool) -> None:
    view, site = operation(hours), site_with(tapes=True)
    zone = np.where(np.arange(len(view)) < 100, 24.0, 24.0 - jump)
    check = judged(view, plan_of(view, limits_of(site, []), **{ZONE: zone}), site)[
        "rate of change of the inlet"
    ]
    assert (check.passed, check.worst, check.bound) == (kept, jump, 5.0)


def test_two_small_steps_in_one_hour_add_up() -> None:
    view, site = operation(0.5), site_with(rate_k_per_h_max=5.0)
    zone = np.select([np.arange(len(view)) < 100, np.arange(len(view)) < 101], [24.0, 21.0], 18.0)
    assert not judged(view, plan_of(view, limits_of(site, []), **{ZONE: zone}), site)[
        "rate of change of the inlet"
    ].passed


def test_water_is_not_the_inlet_s_where_an_air_set_point_is_exported() -> None:
    view, site = operation(), site_with(tapes=True)
    water = np.where(np.arange(len(view)) < 100, 10.0, 18.0)
    check = judged(view, plan_of(view, limits_of(site, []), **{WATER: water}), site)[
        "rate of change of the inlet"
    ]
    assert check.passed


def test_a_class_without_a_rate_is_not_passed_in_silence() -> None:
    view, site = operation(), site_with(equipment_class="H1")
    check = judged(view, plan_of(view, limits_of(site, [])), site)["rate of change of the inlet"]
    assert not check.assessed


@settings(max_examples=60, deadline=None)
@given(
    wanted=st.lists(st.sampled_from([18.0, 20.5, 22.0, 24.0, 27.0]), min_size=2, max_size=8),
    rate=st.floats(0.5, 8.0),
    hours=st.sampled_from([0.25, 0.5, 1.0]),
)
def test_ramps_keep_any_rate_and_end_where_they_should(wanted, rate: float, hours: float) -> None:
    view, site = operation(hours, 240), site_with(rate_k_per_h_max=rate)
    zone = np.resize(np.repeat(wanted, 240 // len(wanted)), 240)
    zone[len(wanted) * (240 // len(wanted)) :] = wanted[-1]
    plan = kept_in_hours(plan_of(view, limits_of(site, []), **{ZONE: zone}), hours)
    assert judged(view, plan, site)["rate of change of the inlet"].passed
    found = plan.schedule.loc[plan.schedule["lever"] == ZONE, "recommended"].to_numpy()
    assert found[0] == wanted[0]
    assert found.min() >= min(wanted)
    assert found.max() <= max(wanted)


# -- dew point and humidity ---------------------------------------------------------------------------
def test_colder_air_is_moister_by_hand() -> None:
    """12 degC dew point: 1.403 kPa over 2.339 (20 degC) is 60 %, over 2.064 (18 degC) 68 %."""
    view, site = operation(), site_with()
    for zone, humid in ((20.0, 60.0), (18.0, 68.0)):
        checks = judged(view, plan_of(view, limits_of(site, []), **{ZONE: zone}), site)
        check = checks[f"{RH} max 70 %"]
        assert check.passed
        assert check.worst == pytest.approx(humid, abs=0.5)


def test_too_moist_is_refused_even_where_the_optimiser_is_left_out() -> None:
    view, site = operation(dew_c=14.0), site_with()  # 18 degC: 1.599 / 2.064 = 77 %
    check = judged(view, plan_of(view, limits_of(site, []), **{ZONE: 18.0}), site)[f"{RH} max 70 %"]
    assert not check.passed
    assert check.worst == pytest.approx(77.4, abs=0.5)


def test_the_optimiser_is_not_offered_what_would_be_too_moist() -> None:
    view, site = operation(dew_c=14.0), site_with()
    grid = tuple(np.arange(18.0, 27.5, 0.5))
    kept = permitted(ZONE, grid, 24.0, view, limits_of(site, []), 0.0)
    assert min(kept) == 20.0  # 1.599 / 0.7 = 2.284 kPa: saturated at 19.6 degC
    colder = permitted(ZONE, grid, 24.0, view, limits_of(site, []), 0.5)
    assert min(colder) == 20.5
    assert min(permitted(ZONE, grid, 19.0, view, limits_of(site, []), 0.0)) == 19.0  # in force: it stays


def test_without_humidity_it_is_said_to_be_unknown() -> None:
    view, site = operation(dew_c=None), site_with()
    checks = judged(view, plan_of(view, limits_of(site, []), **{ZONE: 20.0}), site)
    check = checks["dew point and humidity"]
    assert not check.assessed
    assert check.note == "not assessed (no indoor humidity is exported)"
    assert "dew point and humidity" not in judged(view, plan_of(view, limits_of(site, [])), site)


def test_a_room_that_is_too_moist_today_is_said_to_be() -> None:
    view, site = operation(dew_c=17.0), site_with()
    check = judged(view, plan_of(view, limits_of(site, []), **{ZONE: 25.0}), site)[f"{DEW} max 15 °C"]
    assert check.passed  # the plan does not change it
    assert check.worst == 17.0
    assert check.note.startswith("today 17.0 °C")


@pytest.mark.parametrize(("water", "error", "kept"), [(9.0, 0.0, True), (8.0, 0.0, False), (9.0, 1.0, False)])
def test_water_must_not_newly_fall_below_the_dew_point(water: float, error: float, kept: bool) -> None:
    view, site = operation(dew_c=8.5), site_with(sensor_error_k=error)
    checks = judged(view, plan_of(view, limits_of(site, []), **{WATER: water}), site)
    assert checks["no new condensation at chilled water"].passed is kept
    offered = permitted(WATER, (water, 10.0), 10.0, view, limits_of(site, []), error)
    assert (water in offered) is kept


def test_warmer_water_that_dried_the_room_leaves_the_dew_point_unknown() -> None:
    view, site = operation(dew_c=12.0), site_with()
    check = judged(view, plan_of(view, limits_of(site, []), **{WATER: 13.0}), site)[f"{DEW} max 15 °C"]
    assert not check.assessed


def test_humidity_and_inlet_give_the_dew_point() -> None:
    assert float(dew_point(24.0, 50.0)) == pytest.approx(12.9, abs=0.1)


# -- the pessimistic side, bounds of the plant ------------------------------------------------------------
def test_the_hottest_hour_and_the_sensor_s_error_decide() -> None:
    view = operation()
    hot = view.inlet_c.copy()
    hot[(view.levers[ZONE] == 24.0) & (np.arange(240) % 24 == 12)] += 1.5  # one hour of that day
    view = replace(view, inlet_c=hot)
    for error, kept in ((0.4, True), (0.6, False)):
        site = site_with(server_inlet_temp_c_max=26.0, sensor_error_k=error)
        check = judged(view, plan_of(view, limits_of(site, []), **{ZONE: 24.0}), site)
        assert check["server_inlet_temp_c max 26 °C"].passed is kept
        assert check["server_inlet_temp_c max 26 °C"].worst == pytest.approx(25.5 + error)


def test_bounds_of_the_plant() -> None:
    view, site = operation(dew_c=None), site_with(chilled_water_set_point_c_min=7.0)
    limits = limits_of(site, [])
    assert permitted(WATER, (6.0, 7.0, 12.0), 10.0, view, limits, 0.0) == (7.0, 12.0)
    for water, kept in ((7.0, True), (6.0, False)):
        check = judged(view, plan_of(view, limits, **{WATER: water}), site)[f"{WATER} min 7 °C"]
        assert (check.passed, check.worst, check.bound) == (kept, water, 7.0)


# -- hours that are not the plan's ------------------------------------------------------------------------
def test_an_override_is_followed_counts_as_not_moved_and_is_checked() -> None:
    view = operation()
    order = Override(
        start="2025-07-03T08:00", end="2025-07-03T20:00", reason="pump 2 out", zone_set_point_c=20
    )
    site = site_with(override=(order,), tapes=True)
    limits = limits_of(site, [])
    holds = holds_of(site, view, NOW, UTC8)
    assert [(h.start, h.end, h.value) for h in holds] == [
        ("2025-07-03T00:00:00+00:00", "2025-07-03T12:00:00+00:00", 20.0)
    ]
    free = plan_of(view, limits, holds, **{ZONE: 26.0})
    assert not judged(view, free, site)["the site's overrides"].passed
    kept = kept_in_hours(free, view.hours)
    rows = kept.schedule[kept.schedule["lever"] == ZONE].set_index("timestamp")
    inside = rows.loc["2025-07-03T00:00Z":"2025-07-03T11:00Z"]
    assert (inside[["current", "recommended"]] == 20.0).all(axis=None)
    assert rows["recommended"].loc["2025-07-02T23:00Z"] == 25.0  # 5 K/h towards it, and back
    assert rows["recommended"].loc["2025-07-03T12:00Z"] == 25.0
    assert rows["recommended"].loc["2025-07-03T13:00Z"] == 26.0
    checks = judged(view, kept, site)
    assert checks["the site's overrides"].passed
    assert checks["rate of change of the inlet"].passed


def test_days_without_a_spare_unit_are_not_touched() -> None:
    view = operation()
    heat = view.it_kw.copy()
    heat[30] = 210.0  # 2025-07-02 14:00 local
    view = replace(view, it_kw=heat)
    site = site_with(redundancy=Redundancy(units=3, unit_capacity_kw=100.0, source="data sheet"))
    holds = holds_of(site, view, NOW, UTC8)
    assert {h.start for h in holds} == {"2025-07-01T16:00:00+00:00"}
    moved = plan_of(view, limits_of(site, []), holds, **{ZONE: 22.0})
    check = judged(view, moved, site)["a spare cooling unit"]
    assert (check.passed, check.worst, check.bound) == (False, 210.0, 200.0)
    assert judged(view, kept_in_hours(moved, 1.0), site)["a spare cooling unit"].passed


def test_nothing_declared_leaves_a_plan_as_it_is() -> None:
    view, site = operation(), site_with()
    plan = plan_of(view, limits_of(site, []), **{ZONE: 22.0})
    assert kept_in_hours(plan, 1.0) is plan
