"""Advice of a site that declares servers, photovoltaics, a battery and movable work."""

from __future__ import annotations

import pytest

from advisor.assets import Battery, Pv, Workload
from advisor.plan import Advice
from advisor.servers import ServerGroup

SERVERS = (
    ServerGroup(
        name="old",
        model="xeon-e5-2699v4-2s",
        count=900,
        mean_utilisation=0.12,
        peak_utilisation=0.3,
        source="x",
    ),
    ServerGroup(
        name="newer", model="xeon-8280-2s", count=700, mean_utilisation=0.25, peak_utilisation=0.5, source="x"
    ),
    ServerGroup(
        name="idle",
        model="xeon-e5-2699v3-2s",
        count=100,
        mean_utilisation=0.0,
        peak_utilisation=0.0,
        source="x",
    ),
)
PV = Pv(
    kw_peak=0.0, kw_peak_max=2500.0, latitude_deg=23.1, longitude_deg=113.3, yearly_yield_kwh_per_kw=1050.0,
    price_per_kw=3500.0, source="x",
)  # fmt: skip
BATTERY = Battery(
    energy_kwh=1500.0, power_kw=500.0, charge_efficiency=0.97, discharge_efficiency=0.96, source="x"
)  # fmt: skip
WORK = Workload(flexible_share=0.2, it_capacity_kw=1100.0, source="x")


@pytest.fixture(scope="module")
def advice(dc_case) -> Advice:
    """Advice for July with everything declared."""
    return dc_case.advise(servers=SERVERS, pv=PV, battery=BATTERY, workload=WORK)


def done(advice: Advice) -> list:
    return [r for r in advice.recommendations if r.verdict == "supported"]


def points(savings) -> list[float]:
    return [s.non_green_kwh.point for s in savings]


def test_at_most_five_and_never_the_sum(advice) -> None:
    acted = done(advice)
    assert 3 <= len(acted) <= 5
    alone = points(r.saving for r in acted)
    after = points(r.saving_after_higher_ranked for r in acted)
    total = advice.saving.non_green_kwh.point
    assert total == pytest.approx(sum(after))
    assert total < sum(alone)
    assert total == pytest.approx(advice.baseline.non_green_kwh - advice.planned.non_green_kwh)
    assert all(r.measures for r in acted)


def test_set_points_save_less_on_leaner_servers_and_money_goes_along(advice) -> None:
    moved = [r for r in done(advice) if r.lever.endswith("set_point_c")]
    assert moved
    for r in moved:
        assert r.saving_after_higher_ranked.energy_kwh.point < r.saving.energy_kwh.point
        assert r.saving_after_higher_ranked.cost.point < r.saving.cost.point


def test_photovoltaics_change_the_source_only(advice) -> None:
    pv = next(r for r in done(advice) if r.id.endswith(":pv"))
    assert pv.saving.energy_kwh.point == pytest.approx(0.0, abs=1e-6)
    assert pv.saving.non_green_kwh.lower > 0
    assert pv.cost == pytest.approx(2500.0 * 3500.0)
    assert pv.payback_years is None  # one month says nothing about a year
    assert any("seasons" in reason for reason in pv.reasons)


def test_fewer_actions_if_asked(dc_case, advice) -> None:
    names = {r.id for r in done(advice)}
    assert len(names) > 2
    issue = next(i for i in advice.issues if i.code == "D-MORE-ACTIONS")
    assert issue.rows == 0
    few = dc_case.advise(most=2, servers=SERVERS, pv=PV, battery=BATTERY, workload=WORK)
    assert len(done(few)) == 2
    assert few.saving.non_green_kwh.point < advice.saving.non_green_kwh.point
    # a set-point that is not among the kept ones is not commanded
    kept = {r.lever for r in done(few)}
    table = few.plan_table[~few.plan_table["lever"].isin(kept)]
    assert (table["recommended"] == table["current"]).all()


def test_more_servers_than_were_measured_are_refused(dc_case) -> None:
    many = (SERVERS[0].model_copy(update={"count": 90_000}),)
    advice = dc_case.advise(servers=many)
    assert {i.code for i in advice.issues} >= {"D-SERVERS-POWER"}
    assert not any("general" in r.id for r in advice.recommendations)


def test_nothing_is_advised_on_sources_of_unknown_greenness(dc_case) -> None:
    advice = dc_case.advise(pv=PV, battery=BATTERY, green=None)
    assert {i.code for i in advice.issues} >= {"D-GREEN-UNKNOWN"}
    assert not any(r.id.endswith((":pv", ":battery")) for r in advice.recommendations)


def test_photovoltaics_need_a_place_or_a_meter(dc_case) -> None:
    nowhere = Pv(kw_peak=0.0, kw_peak_max=500.0, source="x")
    advice = dc_case.advise(pv=nowhere)
    assert {i.code for i in advice.issues} >= {"D-PV-SHAPE"}


def test_servers_are_sure_only_with_watts_of_the_sites_own(advice, dc_case) -> None:
    acted = [r for r in done(advice) if r.kind == "servers"]
    assert acted
    assert {r.confidence for r in acted} == {"low"}
    metered = tuple(g.model_copy(update={"idle_w": 60.0, "full_w": 300.0}) for g in SERVERS)
    sure = dc_case.advise(servers=metered)
    assert {r.confidence for r in done(sure) if r.kind == "servers"} == {"medium"}
