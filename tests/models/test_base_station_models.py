from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.base_station import build
from features.errors import InsufficientDataError, ModelError
from features.telemetry import Telemetry
from models import metrics
from models.base_station import BaseStationBundle
from models.gbm import GbmParameters
from models.prediction import Prediction
from models.station_config import BEYOND, ConfigModel, leave_one_product_out
from models.store import seal
from tests.base_station_fleet import START, fleet, telemetry, with_energy
from training.base_station import fit

Q = "station_energy_rel"
SMALL = GbmParameters(rounds=60, objective="regression_l1", threads=1)


@pytest.fixture(scope="module")
def bundle() -> BaseStationBundle:
    return fit(fleet(stations=24, days=6))


def predict(bundle: BaseStationBundle, data: Telemetry, task: str = "estimate") -> Prediction:
    return bundle.predict(data, task)[0][0]  # type: ignore[arg-type]


# -- first stage ---------------------------------------------------------------------------------
def test_a_training_station_is_answered_by_a_fold_that_never_saw_it() -> None:
    data = fleet(stations=9, days=3)
    mine = data.frame["site_id"] == "S04"
    louder = with_energy(data, mine, data.frame.loc[mine & (data.frame["unit_id"] == ""), Q] * 2)
    first, second = build(data, Q), build(louder, Q)
    a, b = ConfigModel(SMALL).fit(first), ConfigModel(SMALL).fit(second)
    rows = (first.keys["site_id"] == "S04").to_numpy()
    np.testing.assert_array_equal(a.predict_log(first)[rows], b.predict_log(second)[rows])
    assert not np.array_equal(a.predict_log(first)[~rows], b.predict_log(second)[~rows])


def test_a_new_station_gets_the_mean_of_the_folds() -> None:
    frame = build(fleet(stations=9, days=3), Q)
    model = ConfigModel(SMALL).fit(frame)
    stranger = replace(frame, keys=frame.keys.assign(site_id="elsewhere"))
    each = np.mean([fold.predict_log(frame) for fold in model.fitted], axis=0)
    np.testing.assert_allclose(model.predict_log(stranger), np.clip(each, *model.bounds))


def test_the_trend_does_not_run_away() -> None:
    frame = build(fleet(stations=9, days=3), Q)
    model = ConfigModel(SMALL).fit(frame)
    monster = replace(frame, X=frame.X.assign(antennas_total=4096.0, load=1.0, tx_power_max=500.0))
    assert np.exp(model.predict_log(monster)).max() <= np.nanmax(frame.target()) * np.exp(BEYOND) * 1.0001


def test_too_few_stations_are_refused() -> None:
    with pytest.raises(InsufficientDataError) as caught:
        ConfigModel(SMALL).fit(build(fleet(stations=1, days=3), Q))
    assert caught.value.code == "E-STATION-ROWS"


def test_a_product_left_out_does_not_see_its_own_energies() -> None:
    data = fleet(stations=9, days=3)
    product = data.frame["site_id"].isin(["S00", "S03", "S06"])
    silly = telemetry(data.frame.assign(**{Q: data.frame[Q].where(~product, data.frame[Q] * 7)}))
    a = leave_one_product_out(build(data, Q), SMALL, min_stations=2)
    b = leave_one_product_out(build(silly, Q), SMALL, min_stations=2)
    assert sorted(a) == [0.0, 1.0, 2.0]
    np.testing.assert_array_equal(a[0.0][1], b[0.0][1])
    assert not np.array_equal(a[1.0][1], b[1.0][1])


# -- bundle --------------------------------------------------------------------------------------
def test_gaps_of_known_stations_are_filled_closely(bundle: BaseStationBundle) -> None:
    complete = fleet(stations=24, days=6, measured=1.0, noise=0.0)
    shown = fleet(stations=24, days=6)
    found = predict(bundle, shown)
    assert len(found.point) == 24 * 144
    assert np.isfinite(found.point).all()
    gaps = build(shown, Q).y.isna().to_numpy()  # type: ignore[union-attr]
    truth = build(complete, Q).target()
    assert gaps.sum() > 100
    # the two fleets draw the same levels and loads until the first difference in measurement: compare P only
    site = found.keys["site_id"] == "S00"
    assert metrics.wmape(truth[gaps & site], found.point[gaps & site]) < 3.0


def test_the_own_measured_value_does_not_move_the_prediction(bundle: BaseStationBundle) -> None:
    data = fleet(stations=24, days=6)
    frame = build(data, Q)
    for position in np.flatnonzero(np.isfinite(frame.target()))[[10, 700, 1500]]:
        site, stamp = frame.keys.loc[position, "site_id"], frame.keys.loc[position, "timestamp"]
        row = (data.frame["site_id"] == site) & (data.frame["timestamp"] == stamp)
        before = predict(bundle, data).point[position]
        assert predict(bundle, with_energy(data, row, 999.0)).point[position] == before
        assert predict(bundle, with_energy(data, row, np.nan)).point[position] == pytest.approx(
            before, rel=1e-4
        )


def test_a_forecast_does_not_see_the_future(bundle: BaseStationBundle) -> None:
    data = fleet(stations=24, days=6)
    moment = START + pd.Timedelta(hours=100)
    future = (data.frame["timestamp"] >= moment).to_numpy()
    changed = data.frame.copy()
    changed.loc[future, Q] = changed.loc[future, Q] * 1.7
    changed.loc[future, "prb_utilisation"] = 0.3
    fresh = replace(bundle, models={Q: replace(bundle.models[Q], known=_nothing(bundle))})
    a, b = predict(fresh, data, "forecast"), predict(fresh, telemetry(changed), "forecast")
    past = (a.keys["timestamp"] < moment).to_numpy()
    np.testing.assert_array_equal(a.point[past], b.point[past])
    first_hour = (a.keys["timestamp"] == moment).to_numpy()
    np.testing.assert_array_equal(a.point[first_hour], b.point[first_hour])  # nor its own load and energy
    assert not np.array_equal(a.point[~past], b.point[~past])


def _nothing(bundle: BaseStationBundle):  # type: ignore[no-untyped-def]
    known = bundle.models[Q].known
    return replace(known, hours=known.hours.rows(np.zeros(len(known.hours), dtype=bool)))


def test_tiers_tell_how_a_row_was_answered(bundle: BaseStationBundle) -> None:
    frame = fleet(stations=24, days=6).frame
    frame = frame[frame["site_id"].isin(["S03", "S04", "S05"])].copy()
    frame["site_id"] = frame["site_id"].replace({"S03": "new", "S05": "alien"})
    frame.loc[frame["site_id"] == "new", Q] = np.nan
    frame.loc[(frame["site_id"] == "alien") & (frame["unit_id"] != ""), "ru_type"] = "Z"
    frame.loc[frame["site_id"] == "alien", Q] = np.nan
    dark = (frame["site_id"] == "S04") & (frame["timestamp"] == START + pd.Timedelta(hours=50))
    frame = frame[~(dark & (frame["unit_id"] != ""))]
    predictions, issues = bundle.predict(telemetry(frame), "estimate")
    found = predictions[0].to_frame()
    by = found.groupby("site_id")["tier"].agg(set)
    assert by["new"] == {"prior"}
    assert by["alien"] == {"prior"}
    assert by["S04"] == {"full", "fallback"}
    assert found.groupby("site_id")["in_domain"].all().to_dict() == {"S04": True, "alien": False, "new": True}
    width = ((found["upper"] - found["lower"]) / found["point"]).groupby(found["site_id"]).mean()
    assert width["S04"] < width["new"] < width["alien"]
    assert {i.code for i in issues} >= {"D-STATION-NO-LOAD", "D-STATION-UNSEEN", "D-STATION-DOMAIN"}
    assert np.isfinite(found["point"]).all()


def test_loads_alone_are_enough_for_a_known_station(bundle: BaseStationBundle) -> None:
    data = fleet(stations=24, days=6)
    silent = telemetry(data.frame[data.frame["unit_id"] != ""].drop(columns=Q))
    found = predict(bundle, silent)
    assert (found.tier == "full").all()
    # kept residuals are rounded in the file, not in memory: same hours, same answers
    measured = build(data, Q).target()
    assert metrics.wmape(measured, found.point) < 3.0


def test_a_station_of_another_configuration_is_another_station(bundle: BaseStationBundle) -> None:
    data = fleet(stations=24, days=6)
    frame = data.frame[(data.frame["unit_id"] != "") & (data.frame["site_id"] == "S01")].drop(columns=Q)
    found = predict(bundle, telemetry(frame.assign(bandwidth_mhz=20.0, antennas=2.0, tx_power_rel=6.01)))
    assert set(found.tier) == {"prior"}


def test_files_give_the_same_answers_again(bundle: BaseStationBundle) -> None:
    data = fleet(stations=24, days=6)
    files = bundle.to_files()
    assert seal(bundle.card, files).model_id == bundle.card.model_id
    again = BaseStationBundle.from_files(bundle.card, files)
    a, b = predict(bundle, data), predict(again, data)
    np.testing.assert_allclose(a.point, b.point, rtol=1e-9)
    np.testing.assert_allclose(a.lower, b.lower, rtol=1e-9)
    assert a.model_id == b.model_id == bundle.card.model_id


def test_the_same_seed_gives_the_same_model(
    small_fleet: Telemetry, small_fleet_bundle: BaseStationBundle
) -> None:
    """Whichever process fitted it first."""
    assert fit(small_fleet).card.model_id == small_fleet_bundle.card.model_id


def test_zero_energies_are_said_and_not_used(bundle: BaseStationBundle) -> None:
    data = fleet(stations=24, days=6)
    row = (data.frame["site_id"] == "S02") & (data.frame["timestamp"] < START + pd.Timedelta(hours=3))
    predictions, issues = bundle.predict(with_energy(data, row, 0.0), "estimate")
    assert "D-STATION-ENERGY-ZERO" in {i.code for i in issues}
    assert (predictions[0].point > 1).all()


def test_other_data_are_refused(bundle: BaseStationBundle) -> None:
    data = fleet(stations=3, days=1)
    with pytest.raises(ModelError) as kind:
        bundle.predict(replace(data, kind="data-centre"), "estimate")
    assert kind.value.code == "E-MODEL-KIND"
    half = replace(data, interval=pd.Timedelta(minutes=30))
    with pytest.raises(ModelError) as length:
        bundle.predict(half, "estimate")
    assert length.value.code == "E-MODEL-INTERVAL-LENGTH"
