"""Intervals that are scaled, calibrated on held-out time and adaptive: what they may know and hold."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.data_centre import ForecastOrEstimate
from features.frame import FeatureFrame, FloatArray
from models.interval import HeldOut, Intervals, Seen
from models.metrics import coverage, interval_score
from models.recent import Recent
from models.residual_scale import ResidualScale

START = pd.Timestamp("2025-01-06", tz="UTC")


def make(truth: FloatArray, load: FloatArray | None = None, start: pd.Timestamp = START) -> FeatureFrame:
    stamps = pd.date_range(start, periods=len(truth), freq="h")
    keys = pd.DataFrame({"site_id": "s", "unit_id": "", "timestamp": stamps})
    X = pd.DataFrame({"it_power_kw": np.full(len(truth), 50.0) if load is None else load})
    return FeatureFrame(keys, X, "facility_power_kw", pd.Series(truth))


def noise(seed: int, n: int, rho: float = 0.9) -> FloatArray:
    """Residuals like those of neighbouring hours: AR(1) of unit variance."""
    rng = np.random.default_rng(seed)
    out = np.zeros(n)
    for i in range(1, n):
        out[i] = rho * out[i - 1] + np.sqrt(1 - rho**2) * rng.normal()
    return out


def calibrated(task: ForecastOrEstimate = "estimate", n: int = 3000) -> Intervals:
    parts = [HeldOut(make(100 + noise(seed, n)), np.full(n, 100.0)) for seed in (1, 2, 3)]
    return Intervals.calibrate(parts, task)


ESTIMATE, FORECAST = calibrated(), calibrated("forecast")
AHEAD = START + pd.Timedelta(weeks=60)


# -- what an interval may know -----------------------------------------------------------------------
@settings(max_examples=25, deadline=None)
@given(st.integers(1, 599), st.integers(0, 10_000))
def test_targets_at_or_after_a_row_do_not_move_its_interval(row: int, seed: int) -> None:
    truth = 100 + noise(7, 600)
    later = truth.copy()
    later[row:] = np.random.default_rng(seed).permutation(later[row:]) * 3.0
    later[-1] = np.nan
    point = np.full(600, 100.0)
    before, after = (ESTIMATE.bounds(make(t, start=AHEAD), point) for t in (truth, later))
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one[: row + 1], other[: row + 1])


@settings(max_examples=25, deadline=None)
@given(st.integers(25, 599), st.integers(0, 10_000))
def test_a_forecast_knows_nothing_younger_than_a_day(row: int, seed: int) -> None:
    truth = 100 + noise(7, 600)
    later = truth.copy()
    later[row - 24 :] = np.random.default_rng(seed).normal(500.0, 99.0, 600 - row + 24)
    point = np.full(600, 100.0)
    before, after = (FORECAST.bounds(make(t, start=AHEAD), point) for t in (truth, later))
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one[: row + 1], other[: row + 1])


def test_older_targets_do_move_it() -> None:
    point = np.full(600, 100.0)
    calm, off = make(np.full(600, 100.0), start=AHEAD), make(np.full(600, 106.0), start=AHEAD)
    assert ESTIMATE.bounds(off, point)[1][-1] > ESTIMATE.bounds(calm, point)[1][-1] + 2


def test_rows_that_the_model_was_fitted_on_are_no_news() -> None:
    """In-sample residuals are too small: they would make the interval too narrow."""
    frame, point = make(np.full(600, 100.01)), np.full(600, 100.0)
    knowing = ESTIMATE.knowing(frame)
    blind = knowing.bounds(replace(frame, y=None), point)
    np.testing.assert_array_equal(knowing.bounds(frame, point), blind)
    assert not np.array_equal(ESTIMATE.bounds(frame, point), blind)
    elsewhere = replace(frame, keys=frame.keys.assign(site_id="another"))
    assert not np.array_equal(
        knowing.bounds(elsewhere, point), knowing.bounds(replace(elsewhere, y=None), point)
    )


def test_runs_of_training_rows_by_hand() -> None:
    frame = make(np.ones(24 * 10))
    day = np.arange(24 * 10) // 24
    seen = Seen.of(frame.rows((day < 3) | (day >= 7)))
    inside, between = seen.within(frame)
    assert (inside == ((day < 3) | (day >= 7))).all()
    assert between.all()
    hole = Seen.of(frame.rows(np.arange(240) % 240 != 50))  # an hour's gap is bridged
    assert len(hole.starts) == 1
    assert not Seen().within(frame)[0].any()


# -- what it holds -----------------------------------------------------------------------------------
def test_coverage_where_nothing_changes() -> None:
    truth, point = 100 + noise(11, 4000), np.full(4000, 100.0)
    for intervals in (ESTIMATE, FORECAST):
        lower, upper = intervals.bounds(make(truth, start=AHEAD), point)
        assert coverage(truth, lower, upper) == pytest.approx(0.9, abs=0.02)
    blind = replace(make(truth, start=AHEAD), y=None)
    assert 0.86 <= coverage(truth, *ESTIMATE.bounds(blind, point)) <= 0.96


@pytest.mark.parametrize("task", ["estimate", "forecast"])
def test_coverage_returns_after_a_drift_that_defeats_the_static_interval(task: ForecastOrEstimate) -> None:
    n = 24 * 7 * 12
    drift = np.linspace(0, 12, n) + np.where(np.arange(n) > n // 2, 5.0, 0.0)  # and a step
    truth, point = 100 + drift + 2 * noise(5, n), np.full(n, 100.0)
    intervals, frame = (ESTIMATE if task == "estimate" else FORECAST), make(truth, start=AHEAD)
    following = intervals.bounds(frame, point)
    still = intervals.bounds(replace(frame, y=None), point)
    assert coverage(truth, *still) < 0.4
    assert coverage(truth, *following) == pytest.approx(0.9, abs=0.03)
    assert interval_score(truth, *following, 0.9) < 0.5 * interval_score(truth, *still, 0.9)


def test_the_static_interval_is_back_when_the_meter_is_silent() -> None:
    n = 24 * 7 * 20
    truth = np.full(n, 110.0)
    truth[24 * 7 * 2 :] = np.nan
    point = np.full(n, 100.0)
    frame = make(truth, start=AHEAD)
    still = ESTIMATE.bounds(replace(frame, y=None), point)
    following = ESTIMATE.bounds(frame, point)
    assert following[1][24 * 7 * 2] > 109.0
    width = [(b[1] - b[0])[-1] for b in (following, still)]
    # the tracker still remembers the misses of the fortnight
    assert abs(following[1][-1] - still[1][-1]) < abs(following[1][24 * 7 * 2] - still[1][-1])
    assert 0.2 <= width[0] / width[1] <= 10.0


def test_a_learned_scale_follows_the_load() -> None:
    rng = np.random.default_rng(0)
    parts = []
    for _ in range(3):
        load = rng.uniform(10, 100, 2000)
        parts.append(HeldOut(make(load + 0.05 * load * rng.normal(size=2000), load), load))
    intervals = Intervals.calibrate(parts, "estimate")
    assert intervals.scale.power > 0
    load = np.array([12.0, 95.0])
    lower, upper = intervals.bounds(replace(make(load, load, AHEAD), y=None), load)
    width = upper - lower
    assert 2 < width[1] / width[0] < 5  # truth: 95 / 12 = 7.9; half way: 2.8
    flat = calibrated()
    assert flat.scale.power == 0.0


def test_rows_between_training_rows_have_offsets_of_their_own() -> None:
    rng = np.random.default_rng(0)
    n = 1000
    ahead = HeldOut(make(100 + 5 * rng.normal(size=n)), np.full(n, 100.0))
    near = HeldOut(make(100 + rng.normal(size=n)), np.full(n, 100.0), ahead=False)
    frame = make(np.full(24 * 30, 100.0))
    week = np.arange(24 * 30) // 168
    intervals = Intervals.calibrate([ahead, near], "estimate").knowing(frame.rows(week != 2))
    asked = replace(frame.rows(week == 2), y=None)
    lower, upper = intervals.bounds(asked, np.full(len(asked), 100.0))
    assert (upper - lower)[0] == pytest.approx(2 * 1.645, rel=0.15)
    later = replace(make(np.full(5, 100.0), start=AHEAD), y=None)
    lower, upper = intervals.bounds(later, np.full(5, 100.0))
    assert (upper - lower)[0] > 4 * 2 * 1.645


@settings(max_examples=30, deadline=None)
@given(st.lists(st.one_of(st.floats(-1e4, 1e4), st.just(float("nan"))), min_size=1, max_size=120))
def test_the_interval_holds_the_point_whatever_was_measured(values: list[float]) -> None:
    truth = np.array(values)
    point = np.linspace(-5, 5, len(truth))
    for intervals in (ESTIMATE, FORECAST):
        lower, upper = intervals.bounds(make(truth, start=AHEAD), point)
        assert (lower <= point).all()
        assert (upper >= point).all()
        assert np.isfinite([lower, upper]).all()


def test_sites_do_not_see_each_other() -> None:
    first, second = make(100 + noise(1, 300), start=AHEAD), make(130 + noise(2, 300), start=AHEAD)
    both = FeatureFrame(
        pd.concat([first.keys, second.keys.assign(site_id="t")], ignore_index=True),
        pd.concat([first.X, second.X], ignore_index=True),
        first.quantity,
        pd.concat([first.y, second.y], ignore_index=True),  # type: ignore[list-item]
    )
    together = ESTIMATE.bounds(both, np.full(600, 100.0))
    alone = ESTIMATE.bounds(first, np.full(300, 100.0))
    np.testing.assert_allclose([b[:300] for b in together], alone)


def test_round_trip_as_json() -> None:
    frame = make(100 + noise(3, 500), start=AHEAD)
    intervals = ESTIMATE.knowing(make(np.ones(100)))
    again = Intervals.from_dict(json.loads(json.dumps(intervals.to_dict(), allow_nan=False)))
    assert again == intervals
    np.testing.assert_array_equal(
        again.bounds(frame, np.full(500, 100.0)), intervals.bounds(frame, np.full(500, 100.0))
    )


# -- parts by hand -----------------------------------------------------------------------------------
def test_centre_and_spread_by_hand() -> None:
    # half-life 1 h, prior min(6, 0.5): after residual 3 the centre is 1.5 / ... : sum 3, weight 1 -> 3 / 1.5
    recent = Recent(centre_h=1.0, rate=0.0, lag_h=0.0, typical=1.0)
    centre, spread, weight = recent.state(np.array([3.0, 0.0, np.nan]), 1.0)
    assert centre == pytest.approx([0.0, 3 / 1.5, 1.5 / (1.5 + 0.5)])
    fade = 0.5 ** (1 / 168)
    assert spread[:2] == pytest.approx([1.0, (3 + 6) / 7])
    assert spread[2] == pytest.approx((3 * fade + abs(0 - 2.0) + 6) / (1 + fade + 6))
    assert weight == pytest.approx([0.0, 1 / 7, (1 + fade) / (7 + fade)])


def test_the_tracker_by_hand() -> None:
    # every row of the first day is missed, rate 0.6: the second day's offsets are exp(0.6 * 0.9) as wide
    recent = Recent(centre_h=0.0, rate=0.6, lag_h=0.0, typical=1.0, low=-1.0, high=1.0)
    residual = np.full(72, 50.0)
    zero, one = np.zeros(72), np.ones(72)
    factor = recent._tracked(residual, zero, -one, one, 1.0)
    assert factor[:24] == pytest.approx(1.0)
    assert factor[24:48] == pytest.approx(np.exp(0.54))
    assert factor[48:] == pytest.approx(np.exp(1.08))
    late = replace(recent, lag_h=24.0)._tracked(residual, zero, -one, one, 1.0)
    assert late[:48] == pytest.approx(1.0)
    assert late[48:] == pytest.approx(np.exp(0.54))


def test_a_scale_without_residuals_worth_the_name_is_one() -> None:
    frame = make(np.full(500, 100.0))
    assert ResidualScale.learn(frame, np.full(500, 100.0), np.zeros(500)).typical == 1.0
    perfect = Intervals.calibrate([HeldOut(frame, np.full(500, 100.0))], "estimate")
    lower, upper = perfect.bounds(make(np.full(50, 100.0), start=AHEAD), np.full(50, 100.0))
    assert (upper - lower).max() < 1e-6


def test_a_year_of_hours_takes_a_fraction_of_a_second() -> None:
    import time

    frame, point = make(100 + noise(9, 8760), start=AHEAD), np.full(8760, 100.0)
    began = time.process_time()
    ESTIMATE.bounds(frame, point)
    assert time.process_time() - began < 0.5
