"""Seasonal forecasts: hand-computed days, no look ahead, coverage, and too little past."""

from __future__ import annotations

import numpy as np
import pytest

from features.errors import InsufficientDataError
from models.seasonal import CANDIDATES, seasonal_forecast

STEPS = 24


def weekly(days: int, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """Return days with a shape of the hour and a level of the weekday."""
    rng = np.random.default_rng(seed)
    hour = np.tile(np.arange(STEPS, dtype=float), days)
    weekday = np.repeat(np.arange(days) % 7, STEPS)
    return 100.0 + hour + 10.0 * (weekday >= 5) + noise * rng.standard_normal(days * STEPS)


def test_exact_weekly_series_is_continued_by_the_same_hour_last_week() -> None:
    series = weekly(28)
    told = seasonal_forecast(series, STEPS, recent_days=7)
    assert told.name == "same hour last week"
    np.testing.assert_array_equal(told.ahead.point, series[-7 * STEPS : -6 * STEPS])
    np.testing.assert_array_equal(told.ahead.lower, told.ahead.point)  # it never erred
    assert told.error == 0.0


def test_a_level_that_jumped_yesterday_is_followed_by_the_same_hour_yesterday() -> None:
    """Daily drift of 5: yesterday errs by 5, last week by 35, both means by more than 5."""
    series = np.repeat(np.arange(20.0) * 5.0, STEPS)
    told = seasonal_forecast(series, STEPS, recent_days=3)
    assert told.name == "same hour yesterday"
    np.testing.assert_array_equal(told.ahead.point, np.full(STEPS, 95.0))
    # every past residual is exactly +5: the interval reaches from the point to the point plus 5
    np.testing.assert_array_equal(told.ahead.lower, np.full(STEPS, 95.0))
    np.testing.assert_array_equal(told.ahead.upper, np.full(STEPS, 100.0))


def test_no_recent_day_looks_at_itself_or_later() -> None:
    series = weekly(30, noise=2.0)
    before = seasonal_forecast(series, STEPS, recent_days=7).recent
    changed = series.copy()
    changed[-3 * STEPS :] = 1e6  # the last three days turn out otherwise
    after = seasonal_forecast(changed, STEPS, recent_days=7).recent
    known = slice(0, 5 * STEPS)  # days -7 to -3: predicted from days that did not change
    np.testing.assert_array_equal(before.point[known], after.point[known])
    np.testing.assert_array_equal(before.upper[known], after.upper[known])
    assert not np.array_equal(before.point[6 * STEPS :], after.point[6 * STEPS :])


def test_intervals_cover_what_they_promise() -> None:
    """200 series of a month, tomorrow of the same law: at least 90 %, and not much more, lie inside.

    The means of the first weeks rest on fewer values and err more, which makes the interval a little wide.
    """
    inside = []
    for seed in range(200):
        series = weekly(31, noise=3.0, seed=seed)
        told = seasonal_forecast(series[: 30 * STEPS], STEPS, recent_days=1)
        truth = series[30 * STEPS :]
        inside.append(((truth >= told.ahead.lower) & (truth <= told.ahead.upper)).mean())
    assert 0.90 <= float(np.mean(inside)) <= 0.96


def test_gaps_stay_unknown_and_bounds_are_kept() -> None:
    series = weekly(15)
    series[-STEPS + 3] = np.nan
    series[3::STEPS] = np.nan  # the hour 3 was never measured
    told = seasonal_forecast(series, STEPS, recent_days=2, floor=0.0)
    assert np.isnan(told.ahead.point[3])
    assert np.isfinite(np.delete(told.ahead.point, 3)).all()
    low = seasonal_forecast(np.abs(weekly(30, 400.0) - 100.0) * 0.01, STEPS, recent_days=1, floor=0.5)
    assert (low.ahead.lower >= 0.5).all()
    assert (low.ahead.lower <= low.ahead.point).all()


def test_two_days_are_the_least() -> None:
    with pytest.raises(InsufficientDataError) as error:
        seasonal_forecast(weekly(1), STEPS, recent_days=7)
    assert error.value.code == "E-CALIBRATION-ROWS"
    told = seasonal_forecast(weekly(3), STEPS, recent_days=7)
    assert told.recent.point.shape == (7 * STEPS,)
    assert np.isnan(told.recent.point[: 5 * STEPS]).all()
    assert set(CANDIDATES) >= {told.name}
