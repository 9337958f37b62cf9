"""Which levers can be told from weather and calendar."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.frame import FloatArray
from features.operation import Operation
from models.identifiability import LEAST_MOVES, LeverEvidence, lever_evidence

N = 24 * 7 * 30
RNG = np.random.default_rng(5)
HOUR = np.arange(N)
DRY = 12 + 9 * np.sin(2 * np.pi * HOUR / 8760) + 5 * np.sin(2 * np.pi * HOUR / 24) + RNG.normal(0, 2, N)


def operation(lever: FloatArray) -> Operation:
    it = 300 + 20 * np.cos(2 * np.pi * HOUR / 24)
    return Operation(
        "s", pd.date_range("2025-01-06", periods=N, freq="h", tz="UTC"), {"zone_set_point_c": lever},
        DRY, DRY - 2, it, it * 1.4, it * 0.3, None, np.asarray(HOUR % 168, dtype=np.int64), 1.0,
    )  # fmt: skip


def judge(lever: FloatArray) -> LeverEvidence:
    return lever_evidence(operation(lever))["zone_set_point_c"]


def steps(hours: int, low: float = 18.0, high: float = 26.0) -> FloatArray:
    values = np.random.default_rng(1).uniform(low, high, N // hours + 1).round()
    return np.repeat(values, hours)[:N]


def test_fixed() -> None:
    found = judge(np.full(N, 24.0))
    assert not found.identified
    assert (found.sd_k, found.moves, found.low_c, found.high_c) == (0.0, 0, 24.0, 24.0)
    assert "never moved" in found.reason


@pytest.mark.parametrize(
    "lever",
    [
        pytest.param(np.clip(30 - 0.5 * DRY, 18, 27), id="weather"),
        pytest.param(
            pd.Series(DRY).rolling(24, min_periods=1).mean().to_numpy() * -0.4 + 28, id="day's mean"
        ),
        pytest.param(np.where((HOUR % 24 >= 8) & (HOUR % 24 < 18), 22.0, 26.0), id="hour of the day"),
        pytest.param(np.where(HOUR % 168 >= 120, 26.0, 22.0), id="weekend"),
    ],
)
def test_follows_weather_or_calendar(lever: FloatArray) -> None:
    found = judge(lever)
    assert not found.identified
    assert "weather and calendar" in found.reason


def test_step_tested() -> None:
    found = judge(steps(24))
    assert found.identified
    assert found.free_sd_k > 0.7 * found.sd_k
    assert (found.low_c, found.high_c) == (18.0, 26.0)


def test_few_moves_are_anecdotes_and_the_reason_says_so() -> None:
    lever = np.where((HOUR // (N // 8)) % 2 == 0, 21.0, 25.0)
    found = judge(lever)
    assert found.moves == 7 < LEAST_MOVES
    assert not found.identified
    if found.free_sd_k >= 0.4:
        assert "only 7 times" in found.reason
        assert "followed weather" not in found.reason


def test_an_excursion_of_hours_is_not_explored() -> None:
    lever = steps(24, 20.0, 24.0)
    lever[1000:1010] = 27.0
    assert judge(lever).high_c == 24.0
    lever[1000:1030] = 27.0
    assert judge(lever).high_c == 27.0


def test_unmeasured_levers_are_no_moves() -> None:
    lever = np.full(N, 22.0)
    lever[::50] = np.nan
    found = judge(lever)
    assert (found.moves, found.identified) == (0, False)


@pytest.mark.filterwarnings("error")
def test_almost_nothing_measured() -> None:
    base = operation(steps(24))
    it = np.full(N, np.nan)
    it[:30] = 300.0
    assert not lever_evidence(replace(base, it_kw=it))["zone_set_point_c"].identified
