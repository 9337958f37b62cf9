"""A step in how a plant behaves: its measured power leaves what the model says of it, and stays away.

Every day (24 hours counted back from the newest row) is boiled down to the median of log(measured over
predicted). The median of the last `STEP_DAYS` days is compared with that of the `REFERENCE_DAYS` days before,
so that slow drifts (a season, fouling) move the reference along. What is usual is the site's own spread of
that difference on held-out days; `FACTOR` of it, and at least `LEAST_STEP`, is a step. One odd day cannot
move a median of three. ``tests/benchmarks/drift.py`` measures delays and false alarms.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.frame import FloatArray
from features.issues import DataIssue
from features.message import Message, say

DAY = pd.Timedelta(days=1)
WATCHED = ("pue", "facility_power_kw", "cooling_power_kw", "it_power_kw")
"""Quantities of a data centre in the order in which they are watched."""
STEP_DAYS = 3
REFERENCE_DAYS = 14
LEAST_REFERENCE = 7
"""Days without which a level of its own is not believed; before that the model's is the reference."""
SPREAD_DAYS = 90
LEAST_SPREAD = 14
"""Differences of held-out days without which nobody knows what is usual."""
FACTOR = 6.0
LEAST_STEP = 0.01
"""Smallest step that is worth a retraining [1]."""
LEAST_SHARE = 0.25
"""Share of a day's steps that must be measured."""
FLOOR_SHARE = 0.05
"""Values below this share of the usual one are taken for it: nearly idle powers have no ratio."""
LONGEST = 1.0
"""Largest daily log ratio that is kept; a broken meter is no regime."""


@dataclass(frozen=True)
class DailyLevels:
    """Median log(measured / predicted) of each day.

    Parameters
    ----------
    start : tuple of pandas.Timestamp
        Start of each day; days without enough measured rows are left out.
    level : numpy.ndarray, shape (days,)
        [1].
    """

    start: tuple[pd.Timestamp, ...]
    level: FloatArray


@dataclass(frozen=True)
class RegimeStep:
    """A step that was noticed.

    Parameters
    ----------
    since, noticed : pandas.Timestamp
        Start of the first day that differs, and end of the day on which it was noticed.
    size : float
        Share by which the measured values moved against the predicted ones [1].
    threshold : float
        Size that would have been noticed [1].
    """

    since: pd.Timestamp
    noticed: pd.Timestamp
    size: float
    threshold: float


def daily_levels(
    stamps: pd.Series, measured: FloatArray, predicted: FloatArray, interval: pd.Timedelta
) -> DailyLevels:
    """Return the daily levels of rows in any order.

    Parameters
    ----------
    stamps : pandas.Series, shape (rows,)
    measured, predicted : numpy.ndarray, shape (rows,)
        [unit of the quantity]; NaN where unknown.
    interval : pandas.Timedelta
        Length of a row's interval.
    """
    known = np.isfinite(measured) & np.isfinite(predicted)
    if not known.any() or interval > DAY:
        return DailyLevels((), np.empty(0))
    truth, point = measured[known], predicted[known]
    floor = max(FLOOR_SHARE * float(np.median(np.abs(truth))), np.finfo(float).tiny)
    ratio = np.log(np.maximum(truth, floor) / np.maximum(point, floor))
    end = stamps.max() + interval
    back = ((end - stamps[known] - interval) // DAY).to_numpy()  # 0: the newest day
    days = pd.Series(ratio).groupby(back).agg(["median", "size"])
    enough = days[days["size"] >= max(LEAST_SHARE * (DAY / interval), 1)].sort_index(ascending=False)
    start = tuple(end - (int(b) + 1) * DAY for b in enough.index)
    return DailyLevels(start, np.clip(enough["median"].to_numpy(dtype=np.float64), -LONGEST, LONGEST))


def differences(level: FloatArray) -> FloatArray:
    """Return, per day, the last days' median minus that of the days before them."""
    first = LEAST_REFERENCE + STEP_DAYS - 1
    last = [np.median(level[day - STEP_DAYS + 1 : day + 1]) for day in range(first, len(level))]
    return np.array([m - _reference(level, first + i, 0) for i, m in enumerate(last)])


def regime_steps(days: DailyLevels, usual: Sequence[float] = ()) -> tuple[RegimeStep, ...]:
    """Return the steps of a site's days, each noticed from the days before it only.

    Parameters
    ----------
    days : DailyLevels
        Days that the model did not learn from, oldest first.
    usual : sequence of float
        Daily levels of the held-out days before them, as the model card keeps them.
    """
    held_out = np.asarray(usual, dtype=np.float64)
    own = [float(np.median(held_out[i : i + STEP_DAYS])) for i in range(len(held_out) - STEP_DAYS + 1)]
    spread, since_step = list(differences(held_out)), list[float]()
    level, steps, begin = days.level, list[RegimeStep](), 0
    for day in range(STEP_DAYS - 1, len(level)):
        short = day - STEP_DAYS + 1 - begin < LEAST_REFERENCE
        if short and steps:
            continue  # the new level is not known yet
        reference = 0.0 if short else _reference(level, day, begin)
        size = float(np.median(level[day - STEP_DAYS + 1 : day + 1]) - reference)
        threshold = _threshold(own if short else spread)
        if steps:  # a new regime may be more restless: it is judged by its own days too
            threshold = max(threshold, _threshold(since_step))
        if abs(size) > threshold and _lasting(level, day, reference, size):
            begin, since_step = _first_day(level, day, reference, size), []
            moment = days.start[begin], days.start[day] + DAY
            steps.append(RegimeStep(*moment, float(np.expm1(size)), float(np.expm1(threshold))))
        elif not short:
            spread.append(size)
            since_step.append(size)
    return tuple(steps)


def drift_issue(step: RegimeStep, site: str, quantity: str) -> DataIssue:
    """Return the finding of a step; it proposes to train again."""
    return DataIssue(
        "D-DRIFT",
        "warning",
        f"{site}: {quantity}",
        say(
            "since {since:%Y-%m-%d} the measured {quantity} has moved by {size:+.1%} against what the models "
            "expect of it (noticed by {noticed:%Y-%m-%d})",
            since=step.since,
            quantity=quantity,
            size=step.size,
            noticed=step.noticed,
        ),
        say(
            "find out what changed in the plant or its meters that day; if it stays, train again on data "
            "from then on"
        ),
        say("predictions and savings still rest on how the plant behaved before"),
    )


def noticed_in(issue: DataIssue) -> pd.Timestamp | None:
    """Return when the step of a finding of `drift_issue` was noticed; None for any other finding."""
    if issue.code != "D-DRIFT" or not isinstance(issue.evidence, Message):
        return None
    return pd.Timestamp(issue.evidence.values["noticed"])  # type: ignore[arg-type] # noqa: PD011


def watched(quantities: Iterable[str]) -> str:
    """Return the quantity whose residuals are watched; "" without one.

    One of them, because a step of the overhead shows in all. IT power comes last: it follows the work, and
    a new level of work is no change of the plant.
    """
    found = set(quantities)
    return next((q for q in WATCHED if q in found), "")


def _reference(level: FloatArray, day: int, begin: int) -> float:
    before = day - STEP_DAYS + 1
    return float(np.median(level[max(begin, before - REFERENCE_DAYS) : before]))


def _threshold(spread: Sequence[float]) -> float:
    if len(spread) < LEAST_SPREAD:
        return float("inf")
    # the days of a step that is under way must not widen what is usual
    past = np.abs(np.asarray(spread[-SPREAD_DAYS - STEP_DAYS : -STEP_DAYS]))
    return max(FACTOR * 1.4826 * float(np.median(past)), LEAST_STEP)


def _lasting(level: FloatArray, day: int, reference: float, size: float) -> bool:
    """Return whether the last two days both lie on the new side: one odd day is no regime."""
    return bool(((level[day - 1 : day + 1] - reference) * np.sign(size) > 0.5 * abs(size)).all())


def _first_day(level: FloatArray, day: int, reference: float, size: float) -> int:
    """Return the first of the last days that lies nearer to the new level than to the old one."""
    away = (level[day - STEP_DAYS + 1 : day + 1] - reference) * np.sign(size) > 0.5 * abs(size)
    return day - STEP_DAYS + 1 + int(np.argmax(away))
