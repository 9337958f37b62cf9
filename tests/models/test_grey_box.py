"""The grey-box plant on plants whose law is known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.errors import ModelError
from features.frame import FeatureFrame
from models.conditional_mean import ConditionalMean
from models.gbm import Gbm, GbmParameters
from models.grey_box import GreyBox
from models.learners import from_parts, to_parts
from models.plant_terms import PlantTerms

SMALL = GbmParameters(rounds=60)
ROWS = 24 * 7 * 20


def make(quantity: str = "facility_power_kw", seed: int = 0) -> FeatureFrame:
    """A chiller plant: overhead = 5 + 0.05 IT + IT x lift / 200, lift from wet bulb above 8 degC."""
    rng = np.random.default_rng(seed)
    stamps = pd.date_range("2025-01-06", periods=ROWS, freq="h", tz="UTC")
    block = np.arange(ROWS) // 36
    X = pd.DataFrame(
        {
            "outdoor_wet_bulb_c": rng.uniform(-4, 24, block.max() + 1)[block] + rng.normal(0, 1, ROWS),
            "chilled_water_set_point_c": (6.0 + 0.5 * rng.integers(0, 17, block.max() + 1))[block],
            "it_power_kw": 100 + 20 * np.sin(2 * np.pi * np.arange(ROWS) / 24) + rng.normal(0, 5, ROWS),
            "hour": np.arange(ROWS) % 24 + 0.0,
            "day_of_week": (np.arange(ROWS) // 24 % 7).astype(np.float64),
        }
    )
    keys = pd.DataFrame({"site_id": "s", "unit_id": "", "timestamp": stamps})
    overhead = pd.Series(law(X) + rng.normal(0, 0.05, ROWS))
    y = {
        "facility_power_kw": X["it_power_kw"] + overhead,
        "pue": 1 + overhead / X["it_power_kw"],
        "cooling_power_kw": overhead,
    }[quantity]
    return FeatureFrame(keys, X, quantity, y)


def law(X: pd.DataFrame) -> np.ndarray:
    lift = np.maximum(X["outdoor_wet_bulb_c"], 8.0) + 20.0 - X["chilled_water_set_point_c"]
    return (5.0 + 0.05 * X["it_power_kw"] + X["it_power_kw"] * lift / 200.0).to_numpy()


def split(frame: FeatureFrame) -> tuple[FeatureFrame, FeatureFrame]:
    week = np.arange(ROWS) // 168
    return frame.rows(week % 4 != 1), frame.rows(week % 4 == 1)


def error(model: GreyBox | Gbm, frame: FeatureFrame) -> float:
    return float(np.abs(model.predict(frame) - frame.target()).mean())


@pytest.mark.parametrize("quantity", ["facility_power_kw", "pue", "cooling_power_kw"])
def test_less_than_half_the_error_of_trees_on_withheld_weeks(quantity: str) -> None:
    train, test = split(make(quantity))
    ours, trees = GreyBox(parameters=SMALL).fit(train), Gbm("trees").fit(train)
    assert error(ours, test) < 0.5 * error(trees, test)


def test_pue_and_facility_power_say_the_same() -> None:
    facility, pue = (GreyBox(parameters=SMALL).fit(make(q)) for q in ("facility_power_kw", "pue"))
    frame = make()
    it = frame.X["it_power_kw"].to_numpy()
    assert pue.predict(make("pue")) * it == pytest.approx(facility.predict(frame), rel=1e-6)


def test_the_trend_goes_on_outside_the_range() -> None:
    frame = make()
    far = replace(frame, X=frame.X.assign(it_power_kw=frame.X["it_power_kw"] + 100.0))
    rise = GreyBox(parameters=SMALL).fit(frame).predict(far) - frame.target()
    true = law(far.X) - law(frame.X) + 100.0
    assert np.median(rise) == pytest.approx(np.median(true), rel=0.1)


def test_an_unknown_input_is_told_from_the_others() -> None:
    """Wet bulb follows dry bulb here: without its meter an estimate must not fall to the median."""
    frame = make()
    wet = frame.X["outdoor_wet_bulb_c"]
    both = replace(frame, X=frame.X.assign(outdoor_dry_bulb_c=wet * 1.2 + 3.0))
    fitted = GreyBox(parameters=SMALL).fit(both)
    gap = replace(both, X=both.X.assign(outdoor_wet_bulb_c=np.nan))
    assert error(fitted, gap) < 1.5 * error(fitted, both) + 0.05
    assert np.isfinite(fitted.predict(replace(both, X=both.X * np.nan))).all()


def test_no_pue_without_it_power() -> None:
    fitted = GreyBox(parameters=SMALL).fit(make("pue"))
    idle = make("pue")
    idle = replace(
        idle, X=idle.X.assign(it_power_kw=np.where(np.arange(ROWS) == 5, 0.0, idle.X["it_power_kw"]))
    )
    assert np.flatnonzero(np.isnan(fitted.predict(idle))).tolist() == [5]


def test_columns_that_never_change_and_no_load_at_all() -> None:
    frame = make("cooling_power_kw")
    poor = replace(frame, X=frame.X[["outdoor_wet_bulb_c"]].assign(zone_set_point_c=24.0))
    fitted = GreyBox(parameters=SMALL).fit(poor)
    assert fitted.terms is not None
    assert fitted.terms.load == ""
    assert fitted.terms.states == ()
    assert error(fitted, poor) < float(np.abs(poor.target() - poor.target().mean()).mean())


def test_trees_alone_on_the_overhead() -> None:
    """They need not learn that a kilowatt of IT is a kilowatt of the facility."""
    train, test = split(make())
    alone = GreyBox(parameters=SMALL, physics=False).fit(train)
    assert alone.terms is None
    assert error(alone, test) < error(Gbm("trees", SMALL).fit(train), test)


@pytest.mark.parametrize("physics", [True, False])
@pytest.mark.parametrize("quantity", ["facility_power_kw", "pue"])
def test_round_trip_through_the_registry_is_exact(quantity: str, physics: bool) -> None:
    """The store sorts the keys of its JSON: no order of terms may hang on them."""
    frame = make(quantity)
    dry = frame.X["outdoor_wet_bulb_c"] + 4.0 + np.sin(np.arange(ROWS))
    frame = replace(
        frame, X=frame.X.assign(outdoor_dry_bulb_c=dry, zone_set_point_c=20.0 + np.arange(ROWS) % 5)
    )
    fitted = GreyBox(parameters=SMALL, physics=physics).fit(frame)
    texts: dict[str, str] = {}
    about = json.loads(json.dumps(to_parts(fitted, "m.txt", texts), allow_nan=False, sort_keys=True))
    assert about["kind"] == "grey-box"
    again = from_parts(about, "m.txt", texts)
    assert again.predict(frame) == pytest.approx(fitted.predict(frame), rel=1e-7)


def test_not_fitted_and_other_features() -> None:
    frame = make()
    with pytest.raises(ModelError, match="E-MODEL-NOT-FITTED"):
        GreyBox().predict(frame)
    fitted = GreyBox(parameters=SMALL).fit(frame)
    with pytest.raises(ModelError, match="E-MODEL-FEATURES"):
        fitted.predict(replace(frame, X=frame.X[frame.names[::-1]]))


def test_terms_hold_still_outside_the_training_range() -> None:
    X = make().X
    terms = PlantTerms.learn(X)
    inside, outside = X.iloc[:1].copy(), X.iloc[:1].copy()
    inside["outdoor_wet_bulb_c"], outside["outdoor_wet_bulb_c"] = X["outdoor_wet_bulb_c"].max(), 99.0
    assert terms(outside) == pytest.approx(terms(inside))


def test_air_flow_is_load_over_rise() -> None:
    X = make().X.assign(
        supply_air_temp_c=18.0 + np.arange(ROWS) % 3, room_air_temp_c=30.0 + np.arange(ROWS) % 2
    )
    terms = PlantTerms.learn(X)
    by_hand = (X["it_power_kw"] / (X["room_air_temp_c"] - X["supply_air_temp_c"])).mean()
    assert terms.air_flow == pytest.approx(by_hand)
    assert PlantTerms.learn(make().X).air_flow == 0.0


def test_conditional_mean_of_two_correlated_inputs_by_hand() -> None:
    """Standard normal pair with correlation 1/2: the mean of the second given the first is half of it."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 20000))
    X = pd.DataFrame({"a": a, "b": 0.5 * a + np.sqrt(0.75) * b})
    filled = ConditionalMean.learn(X).fill(np.array([[2.0, np.nan], [np.nan, np.nan], [1.0, 7.0]]))
    assert filled[0] == pytest.approx([2.0, 1.0], abs=0.03)
    assert filled[1] == pytest.approx([0.0, 0.0], abs=0.03)
    assert filled[2].tolist() == [1.0, 7.0]
