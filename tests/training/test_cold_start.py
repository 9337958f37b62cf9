"""Few days of history give a calibrated prior, weeks a model of the site's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.data_centre import measured_quantity
from features.errors import InsufficientDataError
from features.frame import FloatArray
from features.telemetry import Telemetry
from models.bundle import load_bundle, save_bundle
from models.cold_start import ColdStart, PriorInterval
from models.data_centre import DataCentreBundle
from models.metrics import wmape
from models.prediction import Prediction
from training.fit import fit_bundle

DAY = pd.Timedelta(days=1)
TARGET = "facility_power_kw"


def days_of(telemetry: Telemetry, first: float, count: float) -> Telemetry:
    start = telemetry.span[0] + first * DAY
    return telemetry.between(start, start + count * DAY)


def measured(telemetry: Telemetry, quantity: str) -> FloatArray:
    return measured_quantity(telemetry.frame, quantity).to_numpy(dtype=np.float64)


def by_quantity(predictions: list[Prediction]) -> dict[str, Prediction]:
    return {p.quantity: p for p in predictions}


@pytest.mark.parametrize("days", [0.6, 3.0, 14.0])
def test_few_days_calibrate_a_prior(dc_year: Telemetry, tmp_path: Path, days: float) -> None:
    bundle = fit_bundle(days_of(dc_year, 60, days))
    card = save_bundle(bundle, tmp_path / "m")
    about = card.quantities[f"{TARGET}-estimate"]
    assert about["tier"] == "prior"
    assert about["days"] == pytest.approx(days, abs=0.5)
    assert any("calibrated on" in note for note in card.notes)
    later = days_of(dc_year, 60 + days, 90)  # spring turns to summer
    told = by_quantity(load_bundle(tmp_path / "m").predict(later, "estimate")[0])
    for quantity in (TARGET, "pue"):
        prediction, truth = told[quantity], measured(later, quantity)
        assert set(prediction.tier) <= {"prior", "fallback"}
        assert wmape(truth, prediction.point) < 4.0
        inside = (truth >= prediction.lower) & (truth <= prediction.upper)
        assert inside[np.isfinite(truth)].mean() > 0.85
        assert (prediction.lower <= prediction.point).all()


def test_more_days_err_less_and_the_mean_of_the_days_errs_more(dc_year: Telemetry) -> None:
    later = days_of(dc_year, 150, 30)
    truth = measured(later, TARGET)

    def error(days: float) -> float:
        bundle = fit_bundle(days_of(dc_year, 60, days), target=TARGET)
        return wmape(truth, by_quantity(bundle.predict(later, "estimate")[0])[TARGET].point)

    one = error(1.0)
    assert error(14.0) < one
    days = measured(days_of(dc_year, 60, 14.0), TARGET)
    assert one < 0.5 * wmape(truth, np.full(len(truth), np.nanmean(days)))


def test_months_give_a_model_of_its_own(dc_summer_bundle: DataCentreBundle) -> None:
    about = dc_summer_bundle.card.quantities[f"{TARGET}-estimate"]
    assert about["tier"] == "full"
    assert about["days"] is None


def test_shuffled_days_calibrate_nothing(dc_year: Telemetry) -> None:
    few = days_of(dc_year, 60, 7)
    order = np.random.default_rng(0).permutation(len(few.frame))
    mixed = few.frame.assign(**{TARGET: few.frame[TARGET].to_numpy()[order]})
    with pytest.raises(InsufficientDataError) as caught:
        fit_bundle(replace(few, frame=mixed), target=TARGET)
    assert caught.value.exit_code == 3


def test_without_weather_there_is_no_prior(dc_year: Telemetry) -> None:
    few = days_of(dc_year, 60, 3)
    bare = few.frame.drop(columns=[c for c in few.frame.columns if str(c).startswith("outdoor_")])
    with pytest.raises(InsufficientDataError):
        fit_bundle(replace(few, frame=bare), target=TARGET)


def test_the_interval_shrinks_with_the_days(dc_year: Telemetry) -> None:
    bundle = fit_bundle(days_of(dc_year, 60, 3), target=TARGET)
    assert isinstance(bundle, DataCentreBundle)
    model = bundle.sites[dc_year.site_ids[0]].quantities[f"{TARGET}-estimate"]
    assert isinstance(model.model, ColdStart)
    frame = _frame(dc_year, model.recipe.columns)
    point = model.model.predict(frame)
    widths = []
    for days in (1.0, 7.0, 60.0):
        lower, upper = PriorInterval(0.9, days).bounds(frame, point)
        assert (lower >= frame.X["it_power_kw"] - 1e-9).all()  # a facility never uses less than its servers
        widths.append(float(np.mean(upper - lower)))
    assert widths[0] >= widths[1] >= widths[2]


def _frame(telemetry: Telemetry, columns: tuple[str, ...]):  # type: ignore[no-untyped-def]
    from features.data_centre import Recipe, build

    frame = build(days_of(telemetry, 100, 5), Recipe(TARGET, "estimate", columns))
    return frame.rows(frame.X["it_power_kw"].notna().to_numpy())
