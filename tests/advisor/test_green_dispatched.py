"""The account of a dispatch agrees with the dispatch's own totals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from advisor.assets import Battery
from advisor.dispatch import DispatchModel, as_it_is
from advisor.dispatch_site import DispatchSite, Exchange
from advisor.green.account import green_account
from advisor.green.dispatched import flows_of
from advisor.green.flows import Supply
from advisor.green.tally import tally, together

HOURS = np.arange(48)
DAY = HOURS // 24
BATTERY = Battery(
    energy_kwh=200, power_kw=80, charge_efficiency=0.95, discharge_efficiency=0.95, grid_charging=True,
    source="test",
)  # fmt: skip


def site(name: str, phase: float) -> DispatchSite:
    sun = np.maximum(np.sin((HOURS - 6 - phase) / 12 * np.pi), 0.0)
    return DispatchSite(
        name, np.full(48, 100.0), 180.0 * sun, 0.6 + 0.3 * np.cos(HOURS / 24 * 2 * np.pi),
        it_kw=np.full(48, 80.0), flexible_share=0.3, it_capacity_kw=120.0, battery=BATTERY,
        carbon_g_per_kwh=np.full(48, 500.0),
    )  # fmt: skip


def test_the_account_agrees_with_the_totals_of_the_plan():
    start = site("a", 0.0)
    plan = DispatchModel([start], DAY, 1.0).solve()
    for dispatch in (as_it_is([start], 1.0), plan):
        done = dispatch.sites["a"]
        found = green_account(tally(flows_of(start, done, 1.0)))
        assert found["hourly_cfe"].value == pytest.approx(done.totals.cfe)
        assert found["own_coverage"].value == pytest.approx(done.totals.coverage)
        assert found["non_green_kwh"].value == pytest.approx(done.totals.non_green_kwh)
        assert found["scope2_location_kg"].value == pytest.approx(done.totals.carbon_kg)
        assert found["cue"].value == pytest.approx(done.totals.carbon_kg / done.work_kw.sum())
    assert plan.totals.delivered_kwh > 1.0  # the battery and its losses took part
    assert tally(flows_of(start, plan.sites["a"], 1.0)).lost_kwh > 1.0
    assert found["ref"].value is None  # nobody said whose certificates are the roof's


def test_energy_spent_on_moving_work_raises_no_share():
    sites = [site("a", 0.0), site("b", 8.0)]
    link = Exchange(("a", "b"), transfer_kwh_per_kwh=0.05)
    plan = DispatchModel(sites, DAY, 1.0, between_sites=True, exchanges=(link,)).solve()
    assert sum(float(p.transfer_kw.sum()) for p in plan.sites.values()) > 1.0
    sums = together([tally(flows_of(s, plan.sites[s.site_id], 1.0)) for s in sites])
    spent = sum(float(p.transfer_kw.sum()) for p in plan.sites.values())
    assert sums.consumption_kwh == pytest.approx(sums.load_kwh - spent)
    found = green_account(sums)
    assert found["non_green_kwh"].value == pytest.approx(plan.totals.non_green_kwh)
    assert found["hourly_cfe"].value == pytest.approx(1 - plan.totals.non_green_kwh / sums.consumption_kwh)
    assert found["hourly_cfe"].value < 1 - plan.totals.non_green_kwh / sums.load_kwh


def test_contracts_and_the_plants_certificates_are_the_callers():
    start = site("a", 0.0)
    done = as_it_is([start], 1.0).sites["a"]
    roof = Supply("roof", "self-built", np.zeros(48), certified=False)
    wind = Supply("wind", "traded", np.full(48, 30.0), certified=True)
    flows = flows_of(start, done, 1.0, own=roof, contracts=(wind,))
    assert flows.supplies[0].name == "roof"
    assert flows.supplies[0].delivered_kwh.sum() == pytest.approx(done.totals.own_used_kwh)
    found = green_account(tally(flows))
    assert found["china_green_share"].by_source == pytest.approx({"traded": 30 * 48 / 4800})
    plain = green_account(tally(replace(flows, supplies=flows.supplies[:1])))
    assert found["hourly_cfe"].value > plain["hourly_cfe"].value
