"""All actions of a site scored together: against the sample plant's truth, and against the optimum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from advisor.assets import Battery
from advisor.combine import combine
from advisor.dispatch import dispatch
from advisor.dispatch_site import DispatchSite
from advisor.marginal import Marginal
from advisor.plan import Interval
from advisor.site_energy import Grid, Levers, SiteEnergy, Supply, _with_battery
from features.operation import operation_of
from sample_data.data_centre import CURRENT

WATER = "chilled_water_set_point_c"
LESS_KW = 80.0
BATTERY = Battery(
    energy_kwh=4000,
    power_kw=900,
    charge_efficiency=0.97,
    discharge_efficiency=0.96,
    reserve_kwh=500,
    source="x",
)


@pytest.fixture(scope="module")
def energy(dc_case) -> SiteEnergy:
    """The sample's year: warmer water, servers that need 80 kW less, PV for noon, a battery, movable work."""
    operation = operation_of(dc_case.telemetry, "telemetry")
    window = operation.rows(operation.usable)
    local = dc_case.telemetry.local(window.stamps)
    n = len(window)
    noon = np.clip(np.sin((local.hour.to_numpy() - 6) / 12 * np.pi), 0.0, None)
    return SiteEnergy(
        window,
        dc_case.bundle.sites["telemetry"].what_if.scorer,
        Levers({k: np.full(n, v) for k, v in CURRENT.items()}, {WATER: np.full(n, 13.0)}),
        {"servers": Interval(60.0, LESS_KW, 100.0)},
        Supply(np.zeros(n), 2500.0 * noon, BATTERY, 0.2, 1300.0),
        Grid(np.full(n, 0.75), np.full(n, 0.65), np.full(n, 0.44)),
        (local.tz_localize(None).normalize() - pd.Timestamp(0)).days.to_numpy().astype(np.int64),
    )


def truth(dc_case, water_c: float, less_kw: float) -> float:
    """Return what the plant really uses in the measured steps' year [kWh]."""
    plant = dc_case.year.plant
    index = dc_case.year.set_points.index
    if less_kw:
        full = dc_case.true_run(None)["it_power_kw"].mean()
        room = replace(plant.room, servers_kw=plant.room.servers_kw * (1 - less_kw / full))
        plant = replace(plant, room=room)
    pair = pd.DataFrame({**CURRENT, WATER: water_c}, index=index)
    return float(
        plant.simulate(pair, dc_case.year.weather, dc_case.year.utilisation)["facility_power_kw"].sum()
    )


def test_two_actions_together_save_less_than_their_sum_and_what_the_plant_says(energy, dc_case) -> None:
    found = combine([f"set:{WATER}", "servers"], energy.outcome)
    servers, water = found.ranked
    assert [servers.id, water.id] == ["servers", f"set:{WATER}"]
    spans = [r.energy_kwh for r in (servers.alone, water.alone, water.after, found.total)]
    alone, water_alone, water_after, total = (s for s in spans if s is not None)
    assert total.point < alone.point + water_alone.point - 1000
    assert total.point == pytest.approx(alone.point + water_after.point)
    base = truth(dc_case, CURRENT[WATER], 0.0)
    scale = energy.window.hours * len(energy.window) / len(dc_case.year.set_points)  # gaps are left out
    for span, water_c, less in ((alone, CURRENT[WATER], LESS_KW), (total, 13.0, LESS_KW)):
        assert span.lower <= scale * (base - truth(dc_case, water_c, less)) <= span.upper
    # less IT heat lowers cooling, booked once: more than the IT itself, less than the whole PUE
    per_it = alone.point / (LESS_KW * energy.window.hours * len(energy.window))
    assert 1.05 < per_it < found.baseline.pue


def test_a_battery_without_surplus_saves_nothing_and_with_it_as_much_as_the_optimum(energy) -> None:
    assert energy.outcome(frozenset({"battery"})).totals == energy.outcome(frozenset()).totals
    net = energy.window.facility_kw - energy.supply.added_kw
    ruled = _with_battery(net, BATTERY, 1.0)
    site = DispatchSite(
        "s", energy.window.facility_kw, energy.supply.added_kw, np.ones(len(net)), battery=BATTERY
    )
    best = dispatch((site,), energy.day, 1.0, objective="grid_kwh", battery_start=0.0).totals.grid_kwh
    assert ruled.sum() == pytest.approx(best, rel=1e-6)
    assert np.maximum(net, 0.0).sum() > best + 1000


def test_battery_by_hand() -> None:
    # 2 h of 100 kW surplus fill 40 kWh usable at 0.97 and 30 kW; then 0.96 of what leaves arrives
    battery = BATTERY.model_copy(update={"energy_kwh": 50.0, "reserve_kwh": 10.0, "power_kw": 30.0})
    bought = _with_battery(np.array([-100.0, -100.0, 20.0, 40.0]), battery, 1.0)
    # stored 29.1, then 10.9 more (full); gives 20 (takes 20.833), then 19.1667 * 0.96 = 18.4
    assert bought == pytest.approx([0.0, 0.0, 0.0, 40.0 - (40.0 - 20.0 / 0.96) * 0.96])


def test_moved_work_keeps_every_day(energy) -> None:
    draw = energy._draw(frozenset())
    change = energy._moved_as_yesterday(draw, energy.supply.added_kw)
    per_day = pd.Series(change).groupby(energy.day).sum()
    assert np.abs(per_day).max() < 1e-6 * draw.facility_kw.max()
    assert np.abs(change).max() > 1.0
    assert (change >= -0.2 * draw.it_kw * energy._marginal - 1e-9).all()


def test_movable_work_helps_only_where_hours_differ(energy) -> None:
    flat = replace(energy, supply=replace(energy.supply, added_kw=None))
    assert flat.outcome(frozenset({"shift"})).totals.non_green_kwh == pytest.approx(
        flat.outcome(frozenset()).totals.non_green_kwh
    )
    sunny = energy.outcome(frozenset({"pv"})).totals.non_green_kwh
    assert energy.outcome(frozenset({"pv", "shift"})).totals.non_green_kwh < sunny


def test_without_a_second_model_the_marginal_counts(energy) -> None:
    bare = replace(energy, scorer=None, levers=Levers({}, {}), marginal=Marginal(1.2, 1.3, 1.4, "regression"))
    none, servers = bare.outcome(frozenset()), bare.outcome(frozenset({"servers"}))
    it_kwh = LESS_KW * len(energy.window)
    assert none.totals.energy_kwh - servers.totals.energy_kwh == pytest.approx(1.3 * it_kwh)
    # the servers' own doubt of 20 kW times 1.3, and the marginal's of 0.1 times 80 kW
    sd = np.hypot(20 * 1.3, 80 * 0.1) / 1.645 * len(energy.window)
    assert servers.draws["energy_kwh"].std() == pytest.approx(sd, rel=0.2)
