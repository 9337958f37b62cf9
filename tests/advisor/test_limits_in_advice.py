"""Limits in whole advice: a tighter one never saves more, held hours are followed, the unknown is said."""

from __future__ import annotations

import pandas as pd
import pytest

from advisor.plan import Advice
from advisor.site import Limits
from advisor.site_limits import Override, Redundancy

ZONE, WATER = "zone_set_point_c", "chilled_water_set_point_c"
BASE = {"server_inlet_temp_c_max": 27.0, "sensor_error_k": 0.3}


def advised(dc_case, **limits: object) -> Advice:
    return dc_case.advise(limits=Limits(**{**BASE, **limits}))


def saved(advice: Advice) -> float:
    return advice.saving.energy_pct.point


def commanded(advice: Advice) -> set[str]:
    return {r.lever for r in advice.recommendations if r.verdict == "supported"}


@pytest.fixture(scope="module")
def free(dc_case) -> Advice:
    return advised(dc_case)


@pytest.mark.parametrize(
    "tighter",
    [
        {"server_inlet_temp_c_max": 24.6},
        {"sensor_error_k": 2.0},
        {"chilled_water_set_point_c_max": 9.0},
        {"tapes": True},
        {"redundancy": Redundancy(units=2, unit_capacity_kw=1.0, source="data sheet")},
    ],
)
def test_a_tighter_limit_never_saves_more(dc_case, free: Advice, tighter) -> None:
    advice = advised(dc_case, **tighter)
    assert advice.verified[0].plan.keeps == ""  # what today breaks would have to be left, at any price
    stated = free.saving.energy_pct
    assert stated is not None
    assert saved(advice) <= stated.upper
    if commanded(advice) == commanded(free):  # a lever that is not proven beside the others stays out
        assert saved(advice) <= saved(free) + 0.02


def test_overrides_are_in_the_plan_and_save_nothing(dc_case, free: Advice) -> None:
    order = Override(
        start="2025-07-08T00:00", end="2025-07-22T00:00", reason="chiller 1 in revision",
        zone_set_point_c=22.0, chilled_water_set_point_c=7.0,
    )  # fmt: skip
    advice = advised(dc_case, override=(order,))
    day = advice.plan_table["local_timestamp"].str[:10]
    inside = advice.plan_table[day.between("2025-07-08", "2025-07-21")]
    for lever, value in order.set_points.items():
        rows = inside[inside["lever"] == lever]
        assert len(rows) == 14 * 24
        assert (rows[["current", "recommended"]] == value).all(axis=None)
    share = saved(advice) / saved(free)
    assert share == pytest.approx(17 / 31, abs=0.1)
    entry = advice.recommendations[0]
    assert "set-points hold in some hours: chiller 1 in revision" in entry.reasons
    assert "2025" not in entry.action  # one setting of the whole window, the held hours apart
    assert all(c.passed for c in advice.verified[0].checks)


def test_with_no_unit_to_spare_nothing_is_moved(dc_case) -> None:
    spare = Redundancy(units=2, unit_capacity_kw=1.0, source="data sheet")
    advice = advised(dc_case, redundancy=spare)
    assert (advice.plan_table["recommended"] == advice.plan_table["current"]).all()
    assert advice.verified[0].verdict == "hold"
    assert any("less than the heat of the day" in r for r in advice.recommendations[0].reasons)


def test_what_no_sensor_shows_is_said(free: Advice) -> None:
    told = [r for e in free.recommendations for r in e.reasons]
    assert "dew point and humidity: not assessed (no indoor humidity is exported)" in told


def test_an_indoor_dew_point_binds_colder_air(dc_case) -> None:
    """At 15 degC dew point air below 20.7 degC is moister than 70 %: the set-point ends there."""
    moist = dc_case.with_frame(lambda frame: frame.assign(server_inlet_dew_point_c=15.0))
    site = {"limits": Limits(**BASE), "current": {ZONE: 23.0, WATER: 17.0}, "levers": {}}
    advice = dc_case.advise(telemetry=moist, **site)
    offered = advice.verified[0].plan.problem.candidates
    assert min(offered[ZONE]) >= 20.5
    assert min(offered[WATER]) >= 15.0
    names = {c.name for c in advice.verified[0].checks}
    if advice.verified[0].plan.changes:
        assert "dew point and humidity" not in names


def test_a_slow_first_move_is_put_in_words(dc_case) -> None:
    slow = advised(dc_case, rate_k_per_h_max=0.5)
    told = [e.action for e in slow.recommendations if e.kind == "set-point"]
    assert any(action.endswith("by at most 0.5 K per hour") for action in told)
    assert pd.Series(told).str.contains("Set the").all()
