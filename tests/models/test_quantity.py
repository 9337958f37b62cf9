"""One quantity's model: interval, domain, tier."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.data_centre import Recipe
from features.frame import FeatureFrame
from models.baselines import Linear
from models.conformal import Conformal
from models.domain import MARGIN, Domain
from models.gbm import Gbm, GbmParameters, LinearPlusGbm
from models.interval import HeldOut, Intervals
from models.learners import Anchored
from models.quantity import Learned, QuantityModel

ROWS = 200
RECIPE = Recipe("facility_power_kw", "estimate", ("it_power_kw", "outdoor_dry_bulb_c", "wind_speed_m_s"))
SMALL = GbmParameters(rounds=20)


def make() -> FeatureFrame:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "it_power_kw": rng.uniform(100, 200, ROWS),
            "outdoor_dry_bulb_c": rng.uniform(0, 30, ROWS),
            "wind_speed_m_s": rng.uniform(0, 9, ROWS),
            "hour": np.arange(ROWS) % 24 + 0.0,
        }
    )
    keys = pd.DataFrame(
        {
            "site_id": "s",
            "unit_id": "",
            "timestamp": pd.date_range("2025-01-01", periods=ROWS, freq="h", tz="UTC"),
        }
    )
    y = X["it_power_kw"] * 1.3 + X["outdoor_dry_bulb_c"] + rng.normal(0, 1, ROWS)
    return FeatureFrame(keys, X, "facility_power_kw", y)


def fitted(model: Learned) -> QuantityModel:
    frame = make()
    return QuantityModel(
        RECIPE, model.fit(frame), Conformal(0.9, -2.0, 3.0, "absolute", 99), Domain.learn(frame)
    )


def ask(frame: FeatureFrame, **values: float) -> FeatureFrame:
    first = frame.rows(np.arange(ROWS) < 1)
    return replace(first, X=first.X.assign(**values))


def test_inside_the_domain() -> None:
    said = fitted(Linear()).predict(make(), "m")
    assert said.in_domain.all()
    assert set(said.tier) == {"full"}
    assert (said.point - said.lower) == pytest.approx(2.0)
    assert (said.upper - said.point) == pytest.approx(3.0)


@pytest.mark.parametrize("values", [{"it_power_kw": 300.0}, {"outdoor_dry_bulb_c": -20.0}])
def test_outside_the_interval_doubles(values: dict[str, float]) -> None:
    said = fitted(Linear()).predict(ask(make(), **values), "m")
    assert not said.in_domain[0]
    assert said.tier[0] == "prior"
    assert said.upper[0] - said.point[0] == pytest.approx(6.0)


def test_the_edge_has_a_margin() -> None:
    frame = make()
    low, high = frame.X["it_power_kw"].min(), frame.X["it_power_kw"].max()
    domain = Domain.learn(frame, combined=[])
    for share, inside in ((MARGIN - 0.001, True), (MARGIN + 0.001, False)):
        assert domain.contains(ask(frame, it_power_kw=high + share * (high - low)))[0] == inside


def test_an_unknown_load_is_not_in_the_domain() -> None:
    """Two of three inputs are known, but an estimate without the load is a guess."""
    said = fitted(Linear()).predict(ask(make(), it_power_kw=np.nan), "m")
    assert not said.in_domain[0]
    assert said.tier[0] == "prior"


def test_mostly_unknown_inputs_are_not_in_the_domain() -> None:
    frame = ask(make(), outdoor_dry_bulb_c=np.nan, wind_speed_m_s=np.nan)
    assert not Domain.learn(make()).contains(frame)[0]


def test_physics_floors() -> None:
    frame = replace(make(), quantity="pue", y=make().y * 0 + 1.001)
    model = QuantityModel(
        replace(RECIPE, quantity="pue"), Linear().fit(frame), Conformal(0.9, -0.2, 0.2, "absolute", 99),
        Domain.learn(frame),
    )  # fmt: skip
    said = model.predict(frame, "m")
    assert said.lower.min() == 1.0
    assert said.upper.max() > 1.1


@pytest.mark.parametrize(
    "model",
    [Linear(), Gbm("g", SMALL), LinearPlusGbm("b", SMALL), Anchored(Linear(), "it_power_kw")],
    ids=["linear", "gbm", "both", "anchored"],
)
def test_round_trip(model: Learned) -> None:
    ours, frame = fitted(model), make()
    about, texts = ours.to_files("s0-")
    again = QuantityModel.from_files(json.loads(json.dumps(about, allow_nan=False)), texts, "s0-")
    before, after = ours.predict(frame, "m"), again.predict(frame, "m")
    pd.testing.assert_frame_equal(before.to_frame(), after.to_frame())


def test_the_interval_follows_values_measured_after_training_and_the_point_does_not() -> None:
    frame, point = make(), Linear().fit(make())
    held = HeldOut(frame, point.predict(frame) + 0.0)
    half = np.arange(ROWS) < ROWS // 2
    intervals = Intervals.calibrate([held], "estimate").knowing(frame.rows(half))
    ours = QuantityModel(RECIPE, point, intervals, Domain.learn(frame))
    later = replace(frame, y=frame.y + np.where(half, 0.0, 40.0))  # type: ignore[operator]
    before, after = ours.predict(frame, "m"), ours.predict(later, "m")
    np.testing.assert_array_equal(before.point, after.point)
    np.testing.assert_array_equal(before.upper[: ROWS // 2 + 1], after.upper[: ROWS // 2 + 1])
    assert after.upper[-1] > before.upper[-1] + 30
    about, texts = ours.to_files("s0-")
    again = QuantityModel.from_files(json.loads(json.dumps(about, allow_nan=False)), texts, "s0-")
    pd.testing.assert_frame_equal(again.predict(later, "m").to_frame(), after.to_frame())


def test_no_anchor_is_a_fallback_row_of_nan() -> None:
    model = fitted(Anchored(Linear(columns=("outdoor_dry_bulb_c",)), "it_power_kw"))
    said = model.predict(ask(make(), it_power_kw=np.nan), "m")
    assert said.tier[0] == "fallback"
    assert np.isnan([said.point[0], said.lower[0], said.upper[0]]).all()
