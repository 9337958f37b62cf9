from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.base_station import FEATURE_NAMES, build, labels, recode, with_expected_work
from features.errors import InsufficientDataError
from features.frame import FeatureFrame
from features.station_clock import find_clock_offset
from features.telemetry import Telemetry
from tests.base_station_fleet import START, fleet, telemetry

Q = "station_energy_rel"


def two_cells() -> Telemetry:
    """One station, three hours; cell A carries 10 MHz x 4, cell B 20 MHz x 1; no load in the last hour."""
    stamps = pd.date_range(START, periods=3, freq="h", unit="us")
    cell = {"site_id": "S", "frequency_rel": 3.0, "tx_power_rel": 6.0, "radio_mode": "M"}
    a = pd.DataFrame({"timestamp": stamps[:2], "prb_utilisation": [0.2, 0.5], "sleep_mode_1": [0.0, 1.0]})
    b = pd.DataFrame({"timestamp": stamps[:2], "prb_utilisation": [0.8, 0.2], "sleep_mode_1": [0.0, 0.0]})
    energy = pd.DataFrame({"site_id": "S", "unit_id": "", "timestamp": stamps, Q: [5.0, np.nan, 7.0]})
    return telemetry(
        pd.concat(
            [
                a.assign(unit_id="A", ru_type="X", bandwidth_mhz=10.0, antennas=4.0, **cell),
                b.assign(unit_id="B", ru_type="Y", bandwidth_mhz=20.0, antennas=1.0, **cell),
                energy,
            ]
        )
    )


def test_cells_are_aggregated_before_they_are_joined() -> None:
    frame = build(two_cells(), Q)
    first, second, third = (frame.X.iloc[i] for i in range(3))
    assert len(frame) == 3
    assert first["cells"] == 2
    assert first["capacity"] == 10 * 4 + 20 * 1
    assert first["load"] == pytest.approx((40 * 0.2 + 20 * 0.8) / 60)
    assert first["load_mean"] == pytest.approx(0.5)
    assert first["load_sum"] == pytest.approx(1.0)
    assert second["sleep_mode_1"] == pytest.approx(40 / 60)  # only the larger cell sleeps
    assert labels(frame, "ru_type").tolist() == ["X", "X", "X"]  # the dominant cell's product
    assert first["bandwidth_mhz"] == 10
    assert first["bandwidth_total"] == 30
    assert np.isnan(third["load"])  # kept, without a load
    assert third["capacity"] == 60  # the configuration is known from before
    assert frame.target()[[0, 2]].tolist() == [5.0, 7.0]
    assert np.isnan(frame.target()[1])


def test_a_missing_sleep_column_is_missing_and_not_zero() -> None:
    data = two_cells()
    frame = build(telemetry(data.frame.drop(columns="sleep_mode_1")), Q)
    assert frame.X["sleep_mode_1"].isna().all()
    assert list(frame.X.columns) == list(FEATURE_NAMES)


def test_baselines_are_strictly_past() -> None:
    frame = build(fleet(stations=2, days=3, measured=1.0), Q)
    assert frame.baselines is not None
    site = (frame.keys["site_id"] == "S00").to_numpy()
    y = frame.target()[site]
    part = frame.baselines[site]
    assert np.isnan(part["last"].iloc[0])
    np.testing.assert_array_equal(part["last"].to_numpy()[1:], y[:-1])
    np.testing.assert_array_equal(part["same_hour_yesterday"].to_numpy()[24:], y[:-24])
    assert part["same_hour_yesterday"].iloc[:24].isna().all()
    assert part["same_hour_last_week"].isna().all()


def test_last_looks_over_gaps_and_not_into_other_stations() -> None:
    data = two_cells()
    frame = build(data, Q)
    assert frame.baselines is not None
    assert frame.baselines["last"].tolist()[1:] == [5.0, 5.0]
    both = build(telemetry(pd.concat([data.frame, data.frame.assign(site_id="T")])), Q)
    assert both.baselines is not None
    assert np.isnan(both.baselines["last"][(both.keys["site_id"] == "T").to_numpy()].iloc[0])


@cache
def unchanged() -> tuple[Telemetry, FeatureFrame, FeatureFrame]:
    """Three stations and their features, the same beside every changed future."""
    data = fleet(stations=3, days=3)
    frame = build(data, Q)
    return data, frame, with_expected_work(frame)


@settings(max_examples=15, deadline=None)
@given(cut=st.integers(2, 70), seed=st.integers(0, 100))
def test_the_future_does_not_move_features(cut: int, seed: int) -> None:
    data, before, expected = unchanged()
    moment = START + pd.Timedelta(hours=cut)
    future = (data.frame["timestamp"] >= moment).to_numpy()
    rng = np.random.default_rng(seed)
    changed = data.frame.copy()
    for name in ("prb_utilisation", "sleep_mode_1", Q):
        values = changed[name].to_numpy(copy=True)
        values[future] = rng.permutation(values[future]) * 0.5
        changed[name] = values
    after = build(telemetry(changed), Q)
    past = (before.keys["timestamp"] < moment).to_numpy()
    pd.testing.assert_frame_equal(before.X[past], after.X[past])
    assert before.baselines is not None
    assert after.baselines is not None
    pd.testing.assert_frame_equal(before.baselines[past], after.baselines[past])
    shuffled = with_expected_work(after)
    pd.testing.assert_frame_equal(expected.X[past], shuffled.X[past])


def test_own_energy_is_no_feature() -> None:
    data = fleet(stations=2, days=2)
    other = telemetry(data.frame.assign(**{Q: data.frame[Q] * 3}))
    pd.testing.assert_frame_equal(build(data, Q).X, build(other, Q).X)


def test_expected_work_is_yesterday_then_the_mean_so_far() -> None:
    frame = build(fleet(stations=1, days=2), Q)
    expected = with_expected_work(frame).X
    load = frame.X["load"].to_numpy()
    assert np.isnan(expected["load"].iloc[0])
    assert expected["load"].iloc[3] == pytest.approx(load[:3].mean())
    np.testing.assert_allclose(expected["load"].to_numpy()[24:], load[:24])
    assert expected["load_filled"].tolist() == [1.0] * 24 + [0.0] * 24


def test_an_unknown_product_is_missing_after_recoding() -> None:
    frame = recode(build(two_cells(), Q), {"ru_type": ["Y", "Z"], "radio_mode": ["M"]})
    assert frame.X["ru_type"].isna().all()
    assert (frame.X["radio_mode"] == 0).all()
    assert frame.categories == {"ru_type": ["Y", "Z"], "radio_mode": ["M"]}
    assert (
        recode(build(two_cells(), Q), {"ru_type": ["A", "X"], "radio_mode": ["M"]}).X["ru_type"].eq(1).all()
    )


def test_without_any_load_it_refuses() -> None:
    data = fleet(stations=1, days=1)
    with pytest.raises(InsufficientDataError) as caught:
        build(telemetry(data.frame.assign(prb_utilisation=np.nan)), Q)
    assert caught.value.code == "E-STATION-LOAD"


def test_the_load_of_an_hour_is_found_behind_a_clock_that_runs_ahead() -> None:
    straight, late = fleet(stations=3, days=3), fleet(stations=3, days=3, load_clock_ahead=1)
    right, wrong = build(straight, Q), build(late, Q, 1)
    merged = right.keys.assign(load=right.X["load"]).merge(
        wrong.keys.assign(found=wrong.X["load"], filled=wrong.X["load_filled"]), on=["site_id", "timestamp"]
    )
    assert (merged["filled"] == 0).sum() >= 3 * 71
    exact = merged[merged["filled"] == 0]
    np.testing.assert_allclose(exact["found"], exact["load"])
    # the last stamp has no row one hour later: its own stamp's load stands in, and is marked
    assert wrong.X["load_filled"].sum() == 3


@pytest.mark.parametrize("ahead", [-1, 0, 1, 2])
def test_the_clock_offset_is_found(ahead: int) -> None:
    clock = find_clock_offset(fleet(stations=9, days=5, load_clock_ahead=ahead), Q)
    assert clock.intervals == ahead
    assert clock.stations == 9


def test_agreeing_clocks_are_no_finding_and_others_are() -> None:
    straight = fleet(stations=9, days=5)
    assert find_clock_offset(straight, Q).issue(straight) is None
    late = fleet(stations=9, days=5, load_clock_ahead=1)
    issue = find_clock_offset(late, Q).issue(late)
    assert issue is not None
    assert issue.code == "D-STATION-CLOCK"
    assert "60 min later" in issue.evidence


def test_few_rows_say_nothing_about_the_clock() -> None:
    clock = find_clock_offset(fleet(stations=2, days=2, load_clock_ahead=1), Q)
    assert (clock.intervals, clock.stations) == (0, 0)


def test_random_loads_do_not_move_the_clock() -> None:
    data = fleet(stations=9, days=5)
    rng = np.random.default_rng(0)
    cells = (data.frame["unit_id"] != "").to_numpy()
    noise = np.where(cells, rng.random(len(cells)), np.nan)
    assert find_clock_offset(telemetry(data.frame.assign(prb_utilisation=noise)), Q).intervals == 0
