"""Reasons add up to the prediction, and name what really moved it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.data_centre import ANCHOR
from features.frame import FeatureFrame
from features.telemetry import Telemetry
from models.base import Learner
from models.base_station import BaseStationBundle
from models.baselines import Linear
from models.contribution import contributions, family_of, usual_values
from models.explain import Explanation, Reason, explain_stations, largest_deviations
from models.fallback import Fallback
from models.gbm import Gbm, GbmParameters, LinearPlusGbm
from models.grey_box import GreyBox
from models.learners import Anchored, MeanOf
from models.load_gap import LoadGap

N = 600
RNG = np.random.default_rng(8)
FEW = GbmParameters(rounds=40, min_data_in_leaf=10)


def frame_of(quantity: str = "facility_power_kw") -> FeatureFrame:
    hour = np.arange(N)
    it = 200 + 30 * np.sin(2 * np.pi * hour / 24) + RNG.normal(0, 5, N)
    wet = 15 + 6 * np.sin(2 * np.pi * hour / 240) + RNG.normal(0, 1, N)
    X = pd.DataFrame(
        {
            "outdoor_wet_bulb_c": wet, "zone_set_point_c": RNG.choice([20.0, 22.0, 24.0], N),
            "it_power_kw": it, "it_power_kw_before": np.roll(it, 1), ANCHOR: 290 + RNG.normal(0, 5, N),
            "hour": hour % 24.0, "day_of_week": hour // 24 % 7.0,
        }
    )  # fmt: skip
    y = it * 1.1 + 4 * wet - 3 * X["zone_set_point_c"] + RNG.normal(0, 0.5, N)
    keys = pd.DataFrame(
        {
            "site_id": "a", "unit_id": "",
            "timestamp": pd.date_range("2025-01-01", periods=N, freq="h", tz="UTC"),
        }
    )  # fmt: skip
    past = pd.DataFrame({"same_hour_yesterday": y.shift(24), "same_hour_last_week": y.shift(168)})
    return FeatureFrame(keys, X, quantity, y / it if quantity == "pue" else y, baselines=past)


def learners() -> list[Learner | LoadGap]:
    return [
        Linear(),
        Gbm("trees", FEW),
        Gbm("trees of the logarithm", FEW.with_(log_target=True)),
        LinearPlusGbm("both", FEW),
        GreyBox(parameters=FEW),
        Anchored(Gbm("trees", FEW), ANCHOR),
        MeanOf("mean", [Linear(), Anchored(Linear(), ANCHOR)]),
        LoadGap(Gbm("trees", FEW), ("it_power_kw",), FEW),
    ]


@pytest.mark.parametrize("model", learners(), ids=lambda m: m.name)
@pytest.mark.parametrize("quantity", ["facility_power_kw", "pue"])
def test_base_and_effects_add_up_to_the_prediction(model: Learner, quantity: str) -> None:
    frame = frame_of(quantity)
    model.fit(frame)
    some = frame.rows(np.arange(0, N, 7))
    parts = contributions(model, some, usual_values(frame))
    assert parts.total == pytest.approx(model.predict(some), rel=1e-9)
    assert np.abs(parts.effects).sum() > 0


def test_rows_without_a_load_are_explained_by_the_other_model() -> None:
    frame = frame_of()
    X = frame.X.copy()
    X.loc[::5, ["it_power_kw", "it_power_kw_before"]] = np.nan
    holed = FeatureFrame(frame.keys, X, frame.quantity, frame.y)
    model = LoadGap(Gbm("trees", FEW), ("it_power_kw",), FEW).fit(holed)
    parts = contributions(model, holed, usual_values(holed))
    assert parts.total == pytest.approx(model.predict(holed), rel=1e-9)
    load = [i for i, n in enumerate(parts.names) if family_of(n) == "load"]
    assert (parts.effects[::5, load] == 0).all()
    assert (parts.effects[1::5, load] != 0).any()


def test_a_line_by_hand() -> None:
    """Power = 3 x temperature without noise: 4 K above the mean add 12."""
    frame = frame_of()
    wet = frame.X["outdoor_wet_bulb_c"]
    one = FeatureFrame(frame.keys, frame.X[["outdoor_wet_bulb_c"]], frame.quantity, 3 * wet + 100)
    model = Linear(alpha=0.0).fit(one)
    row = FeatureFrame(frame.keys[:1], pd.DataFrame({"outdoor_wet_bulb_c": [wet.mean() + 4]}), one.quantity)
    parts = contributions(model, row, usual_values(one))
    assert parts.base[0] == pytest.approx(3 * wet.mean() + 100)
    assert parts.effects[0, 0] == pytest.approx(12.0)


def test_the_input_that_moved_is_named_first() -> None:
    frame = frame_of()
    model = Gbm("trees", FEW).fit(frame)
    hottest = int(frame.X["outdoor_wet_bulb_c"].argmax())
    parts = contributions(model, frame.rows(np.array([hottest])), usual_values(frame))
    by_family = pd.Series(parts.effects[0], index=[family_of(n) for n in parts.names]).groupby(level=0).sum()
    assert by_family["weather"] > 5
    assert by_family["weather"] == by_family.max() or by_family["load"] == by_family.max()


def test_a_fallback_says_that_the_past_speaks() -> None:
    frame = frame_of().rows(np.arange(200, 400))
    model = Fallback("same hour yesterday")
    parts = contributions(model, frame, usual_values(frame))
    assert parts.total == pytest.approx(model.predict(frame))
    assert family_of(parts.names[0]) == "recent past"


def test_the_sentence() -> None:
    told = Explanation(
        "facility_power_kw", 300.0, 312.0,
        (
            Reason("weather", 9.4, "outdoor_wet_bulb_c", 24.13),
            Reason("load", 4.6, "it_power_kw", 210.0),
            Reason("calendar", -1.9, "hour", 3.0),
            Reason("set-points", -0.1, "zone_set_point_c", 22.0),
        ),
    )  # fmt: skip
    assert told.sentence == (
        "312.0 kW, +12.0 kW against the usual 300.0 kW: outdoor_wet_bulb_c 24.13 °C (+9.4 kW), "
        "it_power_kw 210 kW (+4.6 kW), the hour of the day (-1.9 kW)"
    )


def test_the_most_unusual_rows_are_chosen() -> None:
    measured = np.array([1.0, 9.0, np.nan, 1.0, np.nan, 1.4])
    point = np.array([1.0, 1.0, 50.0, np.nan, 1.0, 1.0])
    assert largest_deviations(measured, point, np.ones(6), 2).tolist() == [1, 5]
    assert largest_deviations(measured, point, np.ones(6), 4).tolist() == [0, 1, 2, 5]
    assert largest_deviations(measured, point, np.ones(6), 99).tolist() == [0, 1, 2, 4, 5]
    assert len(largest_deviations(measured, np.full(6, np.nan), np.ones(6), 3)) == 0


def test_reasons_of_stations_add_up(small_fleet: Telemetry, small_fleet_bundle: BaseStationBundle) -> None:
    (quantity,) = small_fleet_bundle.models
    model = small_fleet_bundle.models[quantity]
    frame, _ = small_fleet_bundle.features(small_fleet, quantity)
    seen, prediction = model.look_at(frame), model.predict(frame)
    rows = np.arange(0, len(frame), 50)
    told = explain_stations(model, seen, prediction.point, rows, "estimate")
    assert [t.point for t in told] == pytest.approx(prediction.point[rows])
    assert [t.base + sum(r.effect for r in t.reasons) for t in told] == pytest.approx(prediction.point[rows])
    assert {r.family for t in told for r in t.reasons} >= {"load", "configuration", "own meter"}
