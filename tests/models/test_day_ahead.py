"""Forecasts of a day from earlier days: what they know, what they beat, and what they are told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.errors import UsageError
from models.day_ahead import DayAhead, DayGrid, day_ahead, later_in_the_day
from models.day_scenarios import DayScenarios
from models.day_weather import issued_forecasts

DAYS = 120


def grid_of(days: int = DAYS) -> DayGrid:
    return DayGrid.of(np.repeat(np.arange(days), 24), 1.0)


def wind_and_sun(seed: int = 0, days: int = DAYS) -> tuple[np.ndarray, np.ndarray]:
    """Return own production [kW] and the wind [m/s] behind it: spells of two days, and a clear sun."""
    rng = np.random.default_rng(seed)
    n = 24 * days
    speed = np.zeros(n)
    for t in range(1, n):
        speed[t] = 0.97 * speed[t - 1] + rng.standard_normal()
    speed = np.clip(8.0 + speed, 0.0, 25.0)
    sun = np.maximum(np.sin(2 * np.pi * (np.arange(n) % 24 - 6) / 24), 0.0)
    return 40 * np.clip((speed - 3) / 9, 0.0, 1.0) ** 2 + 30 * sun, speed


def rmse(forecast: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(np.nanmean((forecast - truth)[30:] ** 2)))


def test_the_usual_value_of_an_hour_by_hand() -> None:
    # two constant days of 10 and 20: the third expects (10 e^-1/15 + 20) / (e^-1/15 + 1) = 15.1667
    values = np.repeat([10.0, 20.0, 30.0], 24)
    found = day_ahead(values, (values,), grid_of(3))
    assert np.isnan(found.point[0]).all()
    np.testing.assert_allclose(found.point[1], 10.0)
    np.testing.assert_allclose(found.point[2], 15.16660, atol=1e-4)
    np.testing.assert_allclose(found.persistence[2], 20.0)


def test_the_forecast_beats_its_baselines_and_later_looks_beat_the_first() -> None:
    own, _ = wind_and_sun()
    found = day_ahead(own, (own,), grid_of())
    ours = rmse(found.point, found.measured)
    assert ours < 0.85 * rmse(found.persistence, found.measured)
    assert ours < 0.85 * rmse(found.last_week, found.measured)
    rest = slice(12, 24)
    noon = later_in_the_day(found, (found,), 12, 1.0)
    truth = found.measured[:, rest]
    assert rmse(noon[:, rest], truth) < 0.9 * rmse(found.point[:, rest], truth)


def test_a_weather_forecast_is_used_where_there_is_one() -> None:
    own, speed = wind_and_sun()
    grid = grid_of()
    alone = day_ahead(own, (own,), grid)
    told = day_ahead(own, (own,), grid, weather={"wind_speed_m_s": speed})
    assert rmse(told.point, told.measured) < 0.6 * rmse(alone.point, alone.measured)
    none = day_ahead(own, (own,), grid, weather={"wind_speed_m_s": np.full_like(own, np.nan)})
    np.testing.assert_allclose(none.point, alone.point, atol=1e-9)


def test_intervals_hold_what_they_promise() -> None:
    own, _ = wind_and_sun(3, 240)
    found = day_ahead(own, (own,), grid_of(240))
    lower, upper = DayScenarios({"own": found}, ["own"]).interval("own", 0.9)
    inside = (found.measured >= lower) & (found.measured <= upper)
    assert 0.85 < inside[60:].mean() < 0.96
    assert (lower[60:] <= found.point[60:]).all()
    assert (found.point[60:] <= upper[60:]).all()
    assert (upper - lower)[60:].mean() < 45.0  # of a range of 70 kW


def test_errors_of_one_day_stay_together() -> None:
    own, _ = wind_and_sun()
    grid = grid_of()
    mirrored = own.max() - own
    series = {"own": day_ahead(own, (own,), grid), "mirror": day_ahead(mirrored, (mirrored,), grid)}
    wide = {n: replace(s, lower=s.lower - 1e3, upper=s.upper + 1e3) for n, s in series.items()}
    found = DayScenarios(wide, ["own", "mirror"]).of_day(100)
    assert found is not None
    assert found["own"].shape == (60, 24)
    both = found["own"] + found["mirror"]
    assert both.std(axis=0).max() < 0.1 * found["own"].std(axis=0).max()


def test_tomorrow_needs_no_measurement_and_gaps_are_left_out() -> None:
    own, _ = wind_and_sun(5, 60)
    whole = day_ahead(own, (own,), grid_of(60))
    ahead = own.copy()
    ahead[-24:] = np.nan
    np.testing.assert_array_equal(day_ahead(ahead, (ahead,), grid_of(60)).point, whole.point)
    gap = own.copy()
    gap[24 * 20 : 24 * 22] = np.nan
    holed = day_ahead(gap, (gap,), grid_of(60))
    assert np.isfinite(holed.point[1:]).all()
    scenarios = DayScenarios({"own": holed}, ["own"])
    assert not {20, 21} & set(scenarios.days_alike(50))


def test_local_days_of_23_and_25_hours() -> None:
    own, _ = wind_and_sun(1, 60)
    lengths = np.full(60, 24)
    lengths[20], lengths[40] = 23, 25
    day = np.repeat(np.arange(60), lengths)
    grid = DayGrid.of(day, 1.0)
    found = day_ahead(own, (own,), grid)
    assert found.point.shape == (60, 25)
    assert np.isnan(found.point[20, 23:]).all()
    assert np.isfinite(found.point[40]).all()
    # the 25th hour of a day has itself no same hour yesterday that is over: the day before answers
    assert found.persistence[40, 24] == own[grid.start[40] + 24 - 48]
    assert np.isfinite(later_in_the_day(found, (found,), 6, 1.0)[40]).all()


@pytest.mark.parametrize("step", [1, 7, 23])
def test_a_look_later_in_the_day_knows_what_is_over_only(step: int) -> None:
    own, _ = wind_and_sun(2, 40)
    cut = 24 * 30 + step
    changed = np.where(np.arange(len(own)) >= cut, own[::-1] + 5.0, own)
    first, second = (
        later_in_the_day(f, (f,), step, 1.0)
        for f in (day_ahead(values, (values,), grid_of(40)) for values in (own, changed))
    )
    np.testing.assert_array_equal(first[:31], second[:31])
    assert not np.array_equal(first[31:], second[31:])


def test_known_series_have_no_error() -> None:
    own, _ = wind_and_sun(2, 10)
    known = DayAhead.known(own, grid_of(10))
    assert not known.error.any()
    np.testing.assert_array_equal(later_in_the_day(known, (known,), 5, 1.0), known.measured)


@pytest.mark.parametrize(("day", "hours"), [([0, 0, 1, 0], 12.0), ([0, 0, 1, 1], 7.0), ([0, 1], 24.0)])
def test_days_that_are_none_are_refused(day: list[int], hours: float) -> None:
    with pytest.raises(UsageError, match="E-DAY-AHEAD-INPUT"):
        DayGrid.of(np.array(day), hours)


# -- weather tables ----------------------------------------------------------------------------------
STAMPS = pd.date_range("2026-03-01", periods=48, freq="h", tz="UTC")
DAY = np.repeat([0, 1], 24)


def test_only_what_was_issued_before_the_day_is_taken() -> None:
    early = pd.DataFrame({"timestamp": STAMPS, "issued": STAMPS[0], "ghi_w_m2": 1.0})
    between = early.assign(issued=STAMPS[20], ghi_w_m2=2.0)
    late = early.assign(issued=STAMPS[25], ghi_w_m2=3.0)
    found = issued_forecasts(pd.concat([late, between, early]), STAMPS, DAY)
    np.testing.assert_array_equal(found["ghi_w_m2"], np.repeat([1.0, 2.0], 24))


def test_a_step_without_forecast_is_missing_and_doubles_are_refused() -> None:
    table = pd.DataFrame({"timestamp": STAMPS[:30], "wind_speed_m_s": 5.0, "note": "x"})
    found = issued_forecasts(table, STAMPS, DAY)
    assert list(found) == ["wind_speed_m_s"]
    assert np.isnan(found["wind_speed_m_s"][30:]).all()
    assert np.isfinite(found["wind_speed_m_s"][:30]).all()
    for wrong in (pd.concat([table, table]), table[["timestamp", "note"]], table[["wind_speed_m_s"]]):
        with pytest.raises(UsageError, match="E-WEATHER-FORECAST"):
            issued_forecasts(wrong, STAMPS, DAY)
