from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.station_fingerprint import FINGERPRINT_NAMES, SHRINK, StationHours, fingerprint


def hours(station: list[int], hour: list[int], load: list[float], residual: list[float]) -> StationHours:
    return StationHours(
        np.array(station, dtype=np.int64), 60 * np.array(hour, dtype=np.int64), np.array(load, dtype=float),
        np.array(residual, dtype=float),
    )  # fmt: skip


NAN = float("nan")


def test_two_neighbours_by_hand() -> None:
    history = hours([0, 0, 1], [8, 13, 9], [0.2, 0.4, 0.3], [0.10, 0.30, 9.0])
    row = fingerprint(hours([0], [10], [0.3], [NAN]), history, past_only=False).iloc[0]
    assert row["n"] == 2
    assert row["mean_all"] == pytest.approx((0.10 + 0.30) / (2 + SHRINK))
    weights = np.exp([-2 / 24, -3 / 24])
    assert row["mean_day"] == pytest.approx((weights @ [0.10, 0.30]) / (weights.sum() + SHRINK))
    assert (row["residual_before_1"], row["gap_before_1"]) == (0.10, 2.0)
    assert row["load_before_1"] == pytest.approx(-0.1)
    assert (row["residual_after_1"], row["gap_after_1"]) == (0.30, 3.0)
    assert np.isnan(row["residual_before_2"])
    assert row["spread"] == pytest.approx(0.1)
    assert row["slope_all"] > 0


def test_past_only_ignores_what_comes_after() -> None:
    history = hours([0, 0], [8, 13], [0.2, 0.4], [0.10, 0.30])
    row = fingerprint(hours([0], [10], [0.3], [NAN]), history, past_only=True).iloc[0]
    assert row["n"] == 1
    assert row["mean_all"] == pytest.approx(0.10 / (1 + SHRINK))
    assert np.isnan(row["residual_after_1"])


def test_hidden_hours_do_not_count() -> None:
    history = hours([0, 0, 0], [5, 9, 11], [0.2] * 3, [0.1, 0.2, 0.3])
    row = fingerprint(hours([0], [10], [0.2], [NAN]), history, past_only=False, hidden=60).iloc[0]
    assert row["n"] == 1
    assert row["residual_before_1"] == 0.1


def test_without_history_everything_is_nothing() -> None:
    empty = hours([], [], [], [])
    table = fingerprint(hours([0], [10], [0.2], [NAN]), empty, past_only=False)
    assert tuple(table.columns) == FINGERPRINT_NAMES
    assert table.loc[0, "n"] == 0
    assert table.loc[0, "mean_all"] == 0


def test_a_missing_load_uses_time_only() -> None:
    history = hours([0], [8], [0.2], [0.1])
    row = fingerprint(hours([0], [10], [NAN], [NAN]), history, past_only=False).iloc[0]
    assert row["n"] == 1
    assert row["weight_load"] == 0
    assert np.isfinite(row["line_all"])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), own=st.floats(-5, 5), past_only=st.booleans())
def test_the_own_value_never_counts(seed: int, own: float, past_only: bool) -> None:
    rng = np.random.default_rng(seed)
    n = 12
    station = np.sort(rng.integers(0, 3, n))
    minute = 60 * np.arange(n, dtype=np.int64)
    history = StationHours(station, minute, rng.random(n), rng.standard_normal(n))
    row = int(rng.integers(0, n))
    residual = history.residual.copy()
    residual[row] = own
    changed = StationHours(station, minute, history.load, residual)
    before = fingerprint(history, history, past_only=past_only).iloc[row]
    after = fingerprint(history, changed, past_only=past_only).iloc[row]
    pd.testing.assert_series_equal(before, after)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_future_and_other_stations_do_not_count_in_the_past(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 12
    station = np.sort(rng.integers(0, 3, n))
    minute = 60 * np.arange(n, dtype=np.int64)
    history = StationHours(station, minute, rng.random(n), rng.standard_normal(n))
    row = int(rng.integers(0, n))
    foreign = (minute >= minute[row]) | (station != station[row])
    residual = np.where(foreign, rng.standard_normal(n), history.residual)
    load = np.where(foreign & (np.arange(n) != row), rng.random(n), history.load)
    changed = StationHours(station, minute, load, residual)
    before = fingerprint(history, history, past_only=True).iloc[row]
    after = fingerprint(history, changed, past_only=True).iloc[row]
    pd.testing.assert_series_equal(before, after)
