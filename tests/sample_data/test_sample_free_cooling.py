"""The laws of the sample plant's optional levers: each has its price, and none counts where it is absent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sample_data.free_cooling import LeverLaws
from sample_data.plant import DataCentrePlant, Plant

INDEX = pd.date_range("2025-01-01", periods=48, freq="h")
BASE = {"zone_set_point_c": 22.0, "chilled_water_set_point_c": 10.0}
PLAIN = DataCentrePlant()
ECONOMISER = DataCentrePlant(plant=Plant(economiser_approach_k=4.0, condenser_min_c=14.0))


def run(plant: DataCentrePlant = PLAIN, dry: float = 20.0, wet: float = 15.0, **levers: float):
    weather = pd.DataFrame({"outdoor_dry_bulb_c": dry, "outdoor_wet_bulb_c": wet}, index=INDEX)
    set_points = pd.DataFrame({**BASE, **levers}, index=INDEX)
    return plant.simulate(set_points, weather, np.full(len(INDEX), 0.5)).iloc[0]


def test_an_absent_lever_changes_no_number() -> None:
    other = DataCentrePlant(laws=LeverLaws(3.0, 9.0, 0.1, 99.0, 99.0, 0.1, 99.0, 9.0, 9.0))
    pd.testing.assert_series_equal(run(), run(other))


def test_half_the_approach_costs_eight_times_the_fan() -> None:
    far, near = run(tower_approach_set_point_k=16.0), run(tower_approach_set_point_k=8.0)
    assert near["tower_fan_power_kw"] == pytest.approx(8 * far["tower_fan_power_kw"], rel=0.05)
    assert near["chiller_power_kw"] < far["chiller_power_kw"]
    assert near["condenser_water_temp_c"] == pytest.approx(15.0 + 8.0)
    closest = run(tower_approach_set_point_k=0.5)  # no closer than fans at full speed bring it
    assert closest["condenser_water_temp_c"] > 15.0 + 2.0
    assert closest["tower_fan_power_kw"] == pytest.approx(Plant().tower_fan_kw)


def test_less_air_saves_fans_until_the_inlet_runs_away() -> None:
    runs = [run(airflow_set_point_pct=x) for x in (100.0, 80.0, 70.0, 62.0, 58.0)]
    fans = [r["fan_power_kw"] for r in runs]
    inlets = [r["server_inlet_temp_c"] for r in runs]
    assert fans == sorted(fans, reverse=True)
    assert inlets == sorted(inlets)
    assert inlets[1] - inlets[0] < 0.5
    assert inlets[4] - inlets[2] > 3.0
    assert runs[4]["it_power_kw"] > runs[2]["it_power_kw"]


def test_free_cooling_pays_below_the_right_changeover_only() -> None:
    cold_on, cold_off = (run(ECONOMISER, dry=6.0, wet=4.0, economiser_changeover_c=c) for c in (10.0, 0.0))
    assert cold_on["facility_power_kw"] < cold_off["facility_power_kw"]
    warm_on, warm_off = (run(ECONOMISER, dry=26.0, wet=22.0, economiser_changeover_c=c) for c in (30.0, 10.0))
    assert warm_on["pump_power_kw"] - warm_off["pump_power_kw"] == pytest.approx(LeverLaws().loop_pump_kw)
    assert warm_on["facility_power_kw"] > warm_off["facility_power_kw"]


def test_wet_pads_pay_in_hot_and_dry_air_and_take_water() -> None:
    hot_wet, hot_dry = (run(dry=34.0, wet=18.0, evaporative_mode=m) for m in (1.0, 0.0))
    assert hot_wet["facility_power_kw"] < hot_dry["facility_power_kw"] - 10.0
    assert hot_wet["water_m3"] > 0.5 > hot_dry["water_m3"] == 0.0
    humid_wet, humid_dry = (run(dry=28.0, wet=27.0, evaporative_mode=m) for m in (1.0, 0.0))
    assert humid_wet["facility_power_kw"] > humid_dry["facility_power_kw"]
    half = run(dry=34.0, wet=18.0, evaporative_mode=0.5)
    mean = (hot_wet["facility_power_kw"] + hot_dry["facility_power_kw"]) / 2
    assert half["facility_power_kw"] == pytest.approx(mean)


def test_a_law_may_have_another_exponent() -> None:
    bent = replace(DataCentrePlant(), laws=LeverLaws(approach_exponent=2.0))
    plain, steep = (
        run(p, tower_approach_set_point_k=8.0)["tower_fan_power_kw"] for p in (DataCentrePlant(), bent)
    )
    share = plain / Plant().tower_fan_kw
    assert steep / Plant().tower_fan_kw == pytest.approx(share**2)
