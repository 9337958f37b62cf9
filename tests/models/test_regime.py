"""Steps are noticed within three days, and neither an odd day nor a slow drift is taken for one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.frame import FloatArray
from models.regime import (
    DAY,
    DailyLevels,
    daily_levels,
    differences,
    drift_issue,
    noticed_in,
    regime_steps,
    watched,
)

HOUR = pd.Timedelta("1h")
START = pd.Timestamp("2025-01-01", tz="UTC")
RNG = np.random.default_rng(4)
NOISE: FloatArray = RNG.normal(0, 0.004, 120)


def of(level: FloatArray) -> DailyLevels:
    return DailyLevels(tuple(START + i * DAY for i in range(len(level))), level)


def hours(days: int) -> pd.Series:
    return pd.Series(pd.date_range(START, periods=24 * days, freq="h"))


def test_a_day_is_the_median_of_its_log_ratios() -> None:
    stamps = hours(2)
    measured = np.full(48, 110.0)
    measured[:5] = 900.0  # a few broken hours do not move a median
    measured[24:42] = np.nan
    measured[42:] = 121.0
    days = daily_levels(stamps, measured, np.full(48, 100.0), HOUR)
    assert days.start == (START, START + DAY)
    assert days.level == pytest.approx([np.log(1.1), np.log(1.21)])
    measured[42] = np.nan  # five of 24 hours are too few
    assert len(daily_levels(stamps, measured, np.full(48, 100.0), HOUR).level) == 1


def test_days_count_back_from_the_newest_row() -> None:
    stamps = hours(2)[:-6]
    days = daily_levels(stamps, np.full(42, 2.0), np.full(42, 2.0), HOUR)
    assert days.start[-1] + DAY == stamps.iloc[-1] + HOUR
    assert len(days.level) == 2


def test_nothing_measured_gives_no_days() -> None:
    assert daily_levels(hours(1), np.full(24, np.nan), np.ones(24), HOUR).start == ()
    assert regime_steps(of(np.empty(0)), NOISE) == ()


def test_differences_by_hand() -> None:
    level = np.array([0.0] * 7 + [1.0, 1.0, 1.0])
    assert differences(level) == pytest.approx([1.0])
    assert len(differences(level[:-1])) == 0


@pytest.mark.parametrize("size", [0.04, -0.04, 0.1, 0.5])
def test_a_step_is_noticed_within_three_days(size: float) -> None:
    level = NOISE.copy()
    level[60:] += np.log1p(size)
    (step,) = regime_steps(of(level))
    assert step.since == START + 60 * DAY
    assert step.noticed - step.since <= 3 * DAY
    assert step.size == pytest.approx(size, abs=0.01)
    assert abs(step.size) > step.threshold


def test_a_step_right_after_training_is_noticed_by_what_was_usual_then() -> None:
    level = NOISE[:12].copy()
    level[4:] += 0.06
    assert regime_steps(of(level)) == ()  # nobody knows what is usual
    (step,) = regime_steps(of(level), NOISE[60:])
    assert step.since == START + 4 * DAY


def test_no_step_none_noticed() -> None:
    """Twenty quiet years: at most a few false steps, whatever the memory of the days."""
    count = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        level, memory = np.empty(365), (0.0, 0.3, 0.6, 0.8)[seed % 4]
        value = 0.0
        for i, shock in enumerate(rng.standard_t(5, 365)):
            value = memory * value + 0.01 * shock
            level[i] = value
        count += len(regime_steps(of(level)))
    assert count <= 10


def test_neither_odd_days_nor_a_slow_drift_are_steps() -> None:
    level = NOISE.copy()
    level[[40, 55, 56 + 8]] += 0.5
    level += np.linspace(0, 0.1, len(level))  # ten percent in four months
    assert regime_steps(of(level)) == ()


def test_what_is_noticed_does_not_depend_on_what_comes_later() -> None:
    level = np.concatenate([NOISE, NOISE[::-1], NOISE])
    level[70:] += 0.05
    level[200:] -= 0.08
    whole = regime_steps(of(level))
    assert len(whole) >= 2
    for end in range(10, len(level), 7):
        known = tuple(s for s in whole if s.noticed <= START + end * DAY)
        assert regime_steps(of(level[:end])) == known


def test_the_finding_proposes_to_train_again() -> None:
    level = NOISE.copy()
    level[60:] += 0.1
    (step,) = regime_steps(of(level))
    issue = drift_issue(step, "site", "pue")
    assert (issue.code, issue.severity) == ("D-DRIFT", "warning")
    assert "2025-03-02" in issue.evidence
    assert "train again" in issue.remedy
    assert noticed_in(issue) == step.noticed


def test_the_overhead_is_watched_before_the_work() -> None:
    assert watched(["it_power_kw", "facility_power_kw"]) == "facility_power_kw"
    assert watched(["it_power_kw", "pue", "facility_power_kw"]) == "pue"
    assert watched([]) == ""
