"""Chiller plants: curves by unit, specific power of the whole, and what carries on outside training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.data_centre import Recipe
from features.frame import FeatureFrame, FloatArray
from models.chiller_plant import ChillerPlant
from models.gbm import Gbm
from models.learners import from_parts, to_parts
from models.load_gap import needed_loads
from models.metrics import cv_rmse

ROWS = 3000


def plant(*, units: bool, warm: bool = False, seed: int = 0) -> FeatureFrame:
    """Two chillers, one on even and one on odd days; 40 kW of pumps."""
    rng = np.random.default_rng(seed)
    hour = np.arange(ROWS)
    wet = (24 if warm else 14) + 4 * np.sin(2 * np.pi * hour / 24) + rng.normal(0, 0.5, ROWS)
    water = wet + 5
    heat = (1500 if warm else 1000) + 200 * np.sin(2 * np.pi * (hour - 6) / 24) + rng.normal(0, 30, ROWS)
    first = hour // 24 % 2 == 0
    power = 40 + heat * np.where(first, 0.14, 0.22) * (1 + 0.025 * (water - 20)) + rng.normal(0, 2, ROWS)
    X = {"thermal_load_kw": heat, "condenser_water_temp_c": water, "outdoor_wet_bulb_c": wet}
    if units:
        X |= {"thermal_load_kw@A": heat * first, "thermal_load_kw@B": heat * ~first}
    X |= {"hour": (hour % 24).astype(float)}
    stamps = pd.date_range("2025-01-01", periods=ROWS, freq="h", tz="UTC")
    keys = pd.DataFrame({"site_id": "s", "unit_id": "", "timestamp": stamps})
    return FeatureFrame(keys, pd.DataFrame(X), "cooling_power_kw", pd.Series(power))


@pytest.mark.parametrize("units", [True, False], ids=["by unit", "total only"])
def test_it_carries_on_into_a_warmer_season_where_trees_are_flat(units: bool) -> None:
    cold, warm = plant(units=units), plant(units=units, warm=True, seed=1)
    ours = ChillerPlant().fit(cold).predict(warm)
    trees = Gbm().fit(cold).predict(warm)
    assert cv_rmse(warm.target(), ours) < (0.5 if units else 0.8) * cv_rmse(warm.target(), trees)


def test_the_trend_never_falls_with_the_temperature_heat_is_rejected_to() -> None:
    frame = plant(units=False)
    # the worse chiller ran whenever it was cold: what looks like a gain of warmth is not carried outside
    cold = frame.X["outdoor_wet_bulb_c"] < 14
    heat = frame.X["thermal_load_kw"]
    confounded = replace(frame, y=pd.Series(40 + heat * np.where(cold, 0.24, 0.14)))
    model = ChillerPlant().fit(confounded)
    warmer = replace(frame, X=frame.X.assign(condenser_water_temp_c=frame.X["condenser_water_temp_c"] + 12))
    assert model.whole is not None
    assert (model.whole.trend_of(warmer) >= model.whole.trend_of(frame) - 1e-12).all()


def test_the_chillers_are_told_apart() -> None:
    frame = plant(units=True)
    model = ChillerPlant().fit(frame)
    wrong_one = frame.X.assign(
        **{
            "thermal_load_kw@A": frame.X["thermal_load_kw@B"],
            "thermal_load_kw@B": frame.X["thermal_load_kw@A"],
        }
    )
    first = (frame.X["thermal_load_kw@A"] > 0).to_numpy()
    change = model.predict(replace(frame, X=wrong_one)) - model.predict(frame)
    # 0.22 instead of 0.14 kW per kW of about 1,000 kW
    assert change[first].mean() == pytest.approx(80, rel=0.3)
    assert change[~first].mean() == pytest.approx(-80, rel=0.3)


def test_a_change_over_within_the_hour_is_not_read_as_both_running() -> None:
    frame = plant(units=True)
    model = ChillerPlant().fit(frame)
    row = frame.X.iloc[[13]].copy()
    heat = float(row["thermal_load_kw"].iloc[0])
    # each shows the mean of the half hour that it ran: together twice the hour's heat
    row["thermal_load_kw@A"], row["thermal_load_kw@B"] = heat, heat
    both = FeatureFrame(
        frame.keys.iloc[[13]].reset_index(drop=True), row.reset_index(drop=True), frame.quantity
    )
    each = [
        float(model.predict(replace(both, X=both.X.assign(**{f"thermal_load_kw@{u}": 0.0})))[0]) for u in "AB"
    ]
    assert min(each) < float(model.predict(both)[0]) < max(each)


@pytest.mark.parametrize("units", [True, False])
def test_it_survives_the_store(units: bool) -> None:
    frame = plant(units=units)
    model = ChillerPlant().fit(frame)
    texts: dict[str, str] = {}
    about = to_parts(model, "m.txt", texts)
    again: FloatArray = from_parts(about, "m.txt", texts).predict(frame)
    np.testing.assert_allclose(again, model.predict(frame), rtol=1e-5)


def test_no_heat_no_answer_and_a_flow_is_not_believed() -> None:
    frame = plant(units=False)
    flow = replace(frame, X=frame.X.assign(chilled_water_flow_l_s=50.0 + np.arange(ROWS) % 7))
    model = ChillerPlant().fit(flow)
    drifted = replace(flow, X=flow.X.assign(chilled_water_flow_l_s=90.0))
    np.testing.assert_array_equal(model.predict(flow), model.predict(drifted))
    silent = replace(flow, X=flow.X.assign(thermal_load_kw=np.nan))
    assert np.isnan(model.predict(silent)).all()


def test_it_competes_only_where_heat_is_metered() -> None:
    assert ChillerPlant.fits("cooling_power_kw", ("thermal_load_kw", "outdoor_wet_bulb_c"))
    assert not ChillerPlant.fits("facility_power_kw", ("thermal_load_kw", "outdoor_wet_bulb_c"))
    assert not ChillerPlant.fits("cooling_power_kw", ("it_power_kw", "outdoor_wet_bulb_c"))
    recipe = Recipe("cooling_power_kw", "estimate", ("thermal_load_kw", "thermal_load_kw@A"))
    assert needed_loads(recipe) == ("thermal_load_kw", "thermal_load_kw@A")
