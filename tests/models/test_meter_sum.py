"""A plant added up from its sub-meters, on parts whose law is known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.data_centre import build, meters_of, recipe_for
from features.errors import ModelError
from features.frame import FeatureFrame
from features.telemetry import Telemetry, TimeZone
from models.gbm import Gbm, GbmParameters
from models.learners import from_parts, to_parts
from models.meter_sum import REST, MeterSum

SMALL = GbmParameters(rounds=80)
ROWS = 24 * 7 * 16
POWERS = ("facility_power_kw", "cooling_power_kw", "ups_loss_kw", "chiller_power_kw", "tower_fan_power_kw")


def plant(rows: int = ROWS) -> Telemetry:
    """A chiller that follows the load above 12 degC, a tower fan that is all or nothing above 15 degC."""
    rng = np.random.default_rng(0)
    stamps = pd.date_range("2025-01-06", periods=rows, freq="h", tz="UTC", unit="us")
    wet = rng.uniform(0, 24, rows // 12 + 1).repeat(12)[:rows] + rng.normal(0, 0.5, rows)
    it = 100 + 20 * np.sin(2 * np.pi * np.arange(rows) / 24) + rng.normal(0, 5, rows)
    chiller = np.where(wet > 12, 0.02 * it * (wet - 4) / 4, 0.0)
    fan = np.where(wet > 15, 8.0, 0.0)
    loss = 1 + 0.05 * it + 1e-4 * it**2
    cooling = chiller + fan + 3.0
    table = {
        "site_id": "s", "unit_id": "", "timestamp": stamps, "outdoor_wet_bulb_c": wet, "it_power_kw": it,
        "chiller_power_kw": chiller, "tower_fan_power_kw": fan, "ups_loss_kw": loss,
        "cooling_power_kw": cooling, "facility_power_kw": it + loss + cooling + 2.0,
    }  # fmt: skip
    return Telemetry(pd.DataFrame(table), pd.Timedelta(hours=1), "data-centre", TimeZone("UTC", False))


def frame_of(quantity: str) -> FeatureFrame:
    telemetry = plant()
    return build(telemetry, recipe_for(telemetry, quantity, "estimate"))


def split(frame: FeatureFrame) -> tuple[FeatureFrame, FeatureFrame]:
    week = np.arange(len(frame)) // 168 % 4 == 1
    return frame.rows(~week), frame.rows(week)


@pytest.mark.parametrize("quantity", ["facility_power_kw", "pue", "cooling_power_kw"])
def test_the_sum_errs_less_than_trees_on_the_whole(quantity: str) -> None:
    past, test = split(frame_of(quantity))
    more = SMALL.with_(rounds=200)
    models: list[MeterSum | Gbm] = [MeterSum(parameters=more), Gbm(parameters=more)]
    ours, plain = (float(np.abs(m.fit(past).predict(test) - test.target()).mean()) for m in models)
    assert ours < (0.6 if quantity == "facility_power_kw" else 1.0) * plain


def test_meters_teach_and_are_never_asked_for() -> None:
    past, test = split(frame_of("facility_power_kw"))
    assert past.meters is not None
    assert not set(past.meters) & set(past.names)
    model = MeterSum(parameters=SMALL).fit(past)
    blind = replace(test, y=None, meters=None, baselines=None)
    np.testing.assert_array_equal(model.predict(blind), model.predict(test))
    # an export without any power meter but the load is scored by the stored recipe
    telemetry = plant()
    recipe = replace(recipe_for(telemetry, "facility_power_kw", "estimate"), meters=())
    bare = replace(telemetry, frame=telemetry.frame.drop(columns=list(POWERS)))
    np.testing.assert_array_equal(model.predict(build(bare, recipe)), model.predict(build(telemetry, recipe)))


def test_losses_are_a_parabola_and_still_meters_are_no_part() -> None:
    frame = frame_of("facility_power_kw")
    assert frame.meters is not None
    frame = replace(frame, meters=frame.meters.assign(pump_power_kw=1.0))
    model = MeterSum(parameters=SMALL).fit(frame)
    assert model.losses == pytest.approx((1.0, 0.05, 1e-4), rel=1e-6)
    assert set(model.parts) == {"chiller_power_kw", "tower_fan_power_kw", REST}
    np.testing.assert_allclose(
        model.parts[REST].predict(frame), 5.0, atol=1e-6
    )  # 3 + 2, the still pump among them


def test_stored_and_read_back_it_says_the_same() -> None:
    frame = frame_of("pue")
    model = MeterSum(parameters=SMALL).fit(frame)
    texts: dict[str, str] = {}
    about = json.loads(json.dumps(to_parts(model, "pue.txt", texts)))
    assert len(texts) == len(model.parts)
    again = from_parts(about, "pue.txt", texts)
    np.testing.assert_array_equal(again.predict(frame), model.predict(frame))


def test_which_meters_divide_what() -> None:
    telemetry = plant(400)
    cooling = ("chiller_power_kw", "tower_fan_power_kw")
    assert meters_of(telemetry, "cooling_power_kw") == cooling
    assert meters_of(telemetry, "facility_power_kw") == (*cooling, "ups_loss_kw")
    assert meters_of(telemetry, "it_power_kw") == ()
    assert recipe_for(telemetry, "facility_power_kw", "forecast").meters == ()
    mostly = telemetry.frame.copy()
    mostly.loc[: len(mostly) // 2, "tower_fan_power_kw"] = np.nan
    assert meters_of(replace(telemetry, frame=mostly), "facility_power_kw") == ()


def test_it_needs_rows_and_a_fit() -> None:
    frame = frame_of("facility_power_kw")
    assert frame.meters is not None
    with pytest.raises(ModelError) as unfitted:
        MeterSum().predict(frame)
    assert unfitted.value.code == "E-MODEL-NOT-FITTED"
    with pytest.raises(ModelError) as few:
        MeterSum().fit(replace(frame, meters=frame.meters * np.nan))
    assert few.value.code == "E-MODEL-ROWS"
