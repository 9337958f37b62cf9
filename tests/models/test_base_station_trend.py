"""The physical trend: what few stations teach, what carries on to a product never seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.base_station import build
from features.frame import FeatureFrame, FloatArray
from models.station_config import ConfigFold, log_target, measured
from models.station_domain import StationDomain
from models.station_trend import StationTrend, configuration_keys
from tests.base_station_fleet import LEVELS, fleet
from tests.models.test_base_station_models import SMALL

Q = "station_energy_rel"


def known(stations: int = 18, days: int = 3) -> FeatureFrame:
    frame = build(fleet(stations=stations, days=days), Q)
    return frame.rows(measured(frame))


def product(frame: FeatureFrame, name: str) -> FloatArray:
    return (frame.X["ru_type"] == (frame.categories or {})["ru_type"].index(name)).to_numpy()


def test_the_trend_knows_the_level_of_every_product() -> None:
    frame = known()
    trend = StationTrend().fit(frame, log_target(frame))
    _, told = trend.predict(frame)
    for name, level in LEVELS.items():
        rows = product(frame, name) & (frame.X["cells"] == 1).to_numpy()
        load = frame.X["load"].to_numpy()[rows]
        asleep = frame.X["sleep_mode_1"].to_numpy()[rows] > 0
        awake = np.exp(told[rows][~asleep]) / (level * (1 + 0.8 * load[~asleep]))
        assert np.median(awake) == pytest.approx(1.0, abs=0.08), name  # stations differ by 8 %
    assert trend.stations == {"P": 6, "Q": 6, "R": 6}


def test_a_few_hours_of_a_product_give_its_level() -> None:
    frame = known(stations=18, days=4)
    third = product(frame, "R")
    order = frame.keys.groupby("site_id").cumcount().to_numpy()
    few = third & (order < 24) & frame.keys["site_id"].isin(["S02", "S05", "S08"]).to_numpy()
    taught = frame.rows(~third | few)
    fold = ConfigFold.fit(taught, SMALL)
    asked = frame.rows(third & ~few)
    error = np.abs(log_target(asked) - fold.predict_log(asked))
    blind = ConfigFold.fit(frame.rows(~third), SMALL)
    nameless = replace(asked, X=asked.X.assign(ru_type=np.nan))
    assert np.median(error) < 0.5 * np.median(np.abs(log_target(asked) - blind.predict_log(nameless)))
    _, effects = fold.trend.predict(asked)
    assert np.median(np.abs(log_target(asked) - effects)) < 0.12


def test_a_hundred_hours_of_one_station_do_not_count_as_a_hundred_stations() -> None:
    frame = known(stations=18, days=4)
    p = product(frame, "P") & (frame.X["cells"] == 1).to_numpy()
    order = frame.keys.groupby("site_id").cumcount().to_numpy()
    odd = (frame.keys["site_id"] == "S00").to_numpy()
    # one station of P, twice as hungry, has all its hours; the five others have two each
    rows = np.flatnonzero((p & (odd | (order < 2))) | product(frame, "Q"))
    part = frame.rows(rows)
    y = log_target(part) + np.log(2.0) * odd[rows]
    _, told = StationTrend().fit(part, y).predict(part)
    others = part.keys["site_id"].isin(["S03", "S06", "S09", "S12"]).to_numpy()
    assert np.median(told[others] - y[others]) < 0.35  # hours alone would put it near log 2 = 0.69


def test_an_unknown_product_has_no_effect_and_unknown_terms_are_usual() -> None:
    frame = known()
    trend = StationTrend().fit(frame, log_target(frame))
    nameless = replace(frame, X=frame.X.assign(ru_type=np.nan, radio_mode=np.nan))
    population, effects = trend.predict(nameless)
    np.testing.assert_allclose(population, effects, atol=1e-12)
    assert trend.measured_stations(nameless).max() == 0
    hollow = replace(frame, X=frame.X.assign(antennas=np.nan, frequency_rel=np.nan, tx_power_rel=np.nan))
    assert np.isfinite(trend.predict(hollow)[1]).all()


def test_chunks_and_storage_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = known()
    whole = StationTrend().fit(frame, log_target(frame))
    again = StationTrend.from_dict(whole.to_dict())
    for a, b in zip(whole.predict(frame), again.predict(frame), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    monkeypatch.setattr("models.station_trend.CHUNK", 100)
    pieces = StationTrend().fit(frame, log_target(frame))
    np.testing.assert_allclose(pieces.coefficients, whole.coefficients, rtol=1e-6, atol=1e-9)


def test_a_configuration_must_have_been_seen_as_a_whole() -> None:
    frame = known()
    domain = StationDomain.learn(frame)
    assert domain.contains(frame).all()
    assert len(set(configuration_keys(frame))) == len(domain.configurations) == 4  # P also with two cells
    q_with_two = replace(frame, X=frame.X.assign(cells=frame.X["cells"].where(~product(frame, "Q"), 2.0)))
    inside = domain.contains(q_with_two)
    assert not inside[product(frame, "Q")].any()  # two cells and product Q were each seen, not together
    assert inside[~product(frame, "Q")].all()
    assert not domain.contains(replace(frame, X=frame.X.assign(load=1.7))).any()
    assert not domain.contains(replace(frame, X=frame.X.assign(ru_type=np.nan))).any()
    assert StationDomain.from_dict(domain.to_dict()) == domain


def test_a_cell_that_did_not_report_still_stands_there() -> None:
    data = fleet(stations=18, days=2)
    double = data.frame[data.frame["unit_id"] == "C1"]["site_id"].unique()
    assert len(double) == 1
    silent = (data.frame["unit_id"] == "C1") & (data.frame["timestamp"].dt.hour != 7)
    frame = build(replace(data, frame=data.frame[~silent].reset_index(drop=True)), Q)
    mine = (frame.keys["site_id"] == double[0]).to_numpy()
    whole = build(data, Q)
    assert (frame.X["cells"][mine] == 2).all()
    for name in ("capacity", "antennas_total", "other_frequency_rel"):
        pd.testing.assert_series_equal(frame.X[name], whole.X[name])
    alone = mine & (frame.keys["timestamp"].dt.hour != 7).to_numpy()
    cells = data.frame[(data.frame["site_id"] == double[0]) & (data.frame["unit_id"] == "C0")]
    expected = cells[cells["timestamp"].dt.hour != 7]["prb_utilisation"].to_numpy()
    np.testing.assert_allclose(frame.X["load"][alone], expected)  # the silent cell is not a load of zero
