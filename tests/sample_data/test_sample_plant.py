from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sample_data.data_centre import CURRENT, LEVERS, data_centre_year
from sample_data.plant import DataCentrePlant, Plant, Room

YEAR = data_centre_year(7)
PLANT = YEAR.plant


def _simulate(zone, chilled, wet_bulb, load, plant=PLANT):
    zone, chilled, wet_bulb, load = np.broadcast_arrays(zone, chilled, wet_bulb, load)
    points = pd.DataFrame({"zone_set_point_c": zone.ravel(), "chilled_water_set_point_c": chilled.ravel()})
    weather = pd.DataFrame({"outdoor_wet_bulb_c": wet_bulb.ravel()})
    return plant.simulate(points, weather, load.ravel())


def _annual(zone, chilled):
    points = YEAR.set_points.assign(zone_set_point_c=zone, chilled_water_set_point_c=chilled)
    return PLANT.simulate(points, YEAR.weather, YEAR.utilisation)


def test_facility_power_is_the_sum_of_its_parts():
    truth = YEAR.truth
    rest = PLANT.plant.rest_kw + PLANT.plant.rest_share * truth["it_power_kw"]
    parts = truth[["it_power_kw", "cooling_power_kw", "ups_loss_kw"]].sum(axis=1) + rest
    np.testing.assert_allclose(truth["facility_power_kw"], parts, rtol=1e-12)
    cooling = truth[["chiller_power_kw", "tower_fan_power_kw", "pump_power_kw", "fan_power_kw"]].sum(axis=1)
    np.testing.assert_allclose(truth["cooling_power_kw"], cooling, rtol=1e-12)


def test_ups_and_server_power_by_hand():
    p, r = PLANT.plant, PLANT.room
    out = _simulate(22.0, 7.0, 20.0, 0.5).iloc[0]
    x = out["it_power_kw"] / 1250.0
    assert out["ups_loss_kw"] == pytest.approx(1250.0 * (0.014 + 0.010 * x + 0.032 * x * x))
    inlet = out["server_inlet_temp_c"]
    knee = 0.8 * np.log1p(np.exp((inlet - 25.0) / 0.8))
    flow = 0.52 + 0.26 * 0.5 + 0.030 * knee
    power = 1000.0 * (0.42 + 0.58 * 0.5) * (1 + 0.00015 * (inlet - 15.0) ** 2) + 65.0 * flow**3
    assert out["it_power_kw"] == pytest.approx(power, rel=1e-6)
    rise = power / (1.206 * r.server_air_m3_s * flow * r.crah_margin)
    assert inlet == pytest.approx(22.0 - 0.5 + r.recirculation * rise, abs=1e-6)
    assert out["tower_fan_power_kw"] <= p.tower_fan_kw


def test_the_laws_have_the_right_signs():
    base = _simulate(22.0, 7.0, 20.0, 0.5).iloc[0]
    assert _simulate(24.0, 7.0, 20.0, 0.5).iloc[0]["it_power_kw"] > base["it_power_kw"]
    assert _simulate(22.0, 10.0, 20.0, 0.5).iloc[0]["chiller_power_kw"] < base["chiller_power_kw"]
    assert _simulate(22.0, 14.0, 20.0, 0.5).iloc[0]["pump_power_kw"] > base["pump_power_kw"]
    assert _simulate(22.0, 7.0, 26.0, 0.5).iloc[0]["chiller_power_kw"] > base["chiller_power_kw"]
    assert _simulate(22.0, 7.0, 5.0, 0.5).iloc[0]["tower_fan_power_kw"] < base["tower_fan_power_kw"]
    assert _simulate(22.0, 7.0, 20.0, 0.8).iloc[0]["ups_loss_kw"] > base["ups_loss_kw"]


def test_warm_water_cannot_hold_a_cold_aisle():
    out = _simulate(18.0, 15.0, 20.0, 0.5).iloc[0]
    assert out["supply_air_temp_c"] > 18.0
    assert _simulate(18.0, 7.0, 20.0, 0.5).iloc[0]["supply_air_temp_c"] == pytest.approx(17.5)


@settings(max_examples=60, deadline=None)
@given(st.floats(18, 27), st.floats(6, 15), st.floats(-10, 31), st.floats(0.0, 1.0))
def test_physical_everywhere(zone, chilled, wet_bulb, load):
    out = _simulate(zone, chilled, wet_bulb, load).iloc[0]
    assert np.isfinite(out).all()
    assert out["facility_power_kw"] > out["it_power_kw"] > 0
    assert (out.filter(like="power_kw") > 0).all()
    assert out["server_inlet_temp_c"] > out["supply_air_temp_c"] >= zone - 0.5 - 1e-9
    assert out["condenser_water_temp_c"] > wet_bulb
    assert out["water_m3"] > 0


def test_the_least_energy_lies_inside_the_range_and_the_lowest_pue_is_warmer():
    zones = np.arange(*LEVERS["zone_set_point_c"], 0.5)
    waters = np.arange(6.0, 15.01, 1.0)
    runs = [(z, c, _annual(z, c)) for z in zones for c in waters]
    energy = min(runs, key=lambda r: r[2]["facility_power_kw"].sum())
    pue = min(runs, key=lambda r: r[2]["facility_power_kw"].sum() / r[2]["it_power_kw"].sum())
    lower, upper = LEVERS["zone_set_point_c"]
    assert lower + 2 <= energy[0] <= upper - 2  # 'warmer is always better' fails
    assert pue[0] > energy[0]  # and so does 'the lowest PUE is best'
    current = _annual(zone=CURRENT["zone_set_point_c"], chilled=CURRENT["chilled_water_set_point_c"])
    saving = 1 - energy[2]["facility_power_kw"].sum() / current["facility_power_kw"].sum()
    assert 0.02 < saving < 0.06
    assert energy[2]["server_inlet_temp_c"].max() < 27.0


def test_parameters_matter_and_are_the_callers_to_change():
    weak = DataCentrePlant(Room(coil_ntu=0.8), Plant(carnot_share=0.35))
    ours, theirs = _simulate(22.0, 7.0, 20.0, 0.5), _simulate(22.0, 7.0, 20.0, 0.5, weak)
    assert theirs.iloc[0]["chiller_power_kw"] > 1.2 * ours.iloc[0]["chiller_power_kw"]
    no_leak = replace(PLANT, room=replace(PLANT.room, leakage_per_k2=0.0))
    same = _simulate([18.0, 20.0], 7.0, 20.0, 0.5, no_leak)["it_power_kw"]
    assert same.iloc[1] - same.iloc[0] < 0.1  # below the knee only leakage answers to the inlet


def test_rows_do_not_influence_each_other():
    part = PLANT.simulate(YEAR.set_points[100:110], YEAR.weather[100:110], YEAR.utilisation[100:110])
    np.testing.assert_allclose(part.to_numpy(), YEAR.truth[100:110][part.columns].to_numpy(), rtol=1e-12)


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="same length"):
        PLANT.simulate(YEAR.set_points[:3], YEAR.weather[:3], YEAR.utilisation[:2])
    with pytest.raises(ValueError, match=r"0\.\.1"):
        PLANT.simulate(YEAR.set_points[:1], YEAR.weather[:1], [1.2])
