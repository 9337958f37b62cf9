"""Splits by time and by site: never a random row."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from features.errors import InsufficientDataError
from features.frame import FeatureFrame, FloatArray
from features.message import say
from features.operation import BoolArray

FOLDS = 3
FIRST_SHARE = 0.4
"""Share of the time span that the first fold trains on."""


@dataclass(frozen=True)
class TimeFold:
    """Rows to train on and rows to test on.

    Parameters
    ----------
    train, test : numpy.ndarray of bool, shape (rows,)
    beyond : numpy.ndarray of bool, shape (rows,), or None
        Rows to test on and newer ones, as far ahead as the training part is long: errors grow with the
        distance from training.
    """

    train: BoolArray
    test: BoolArray
    beyond: BoolArray | None = None


def weeks_of(frame: FeatureFrame) -> FloatArray:
    """Return a label per row that is the same within one whole week of one site, shape (rows,)."""
    stamps = frame.keys["timestamp"]
    week = (stamps - pd.Timestamp("1970-01-05", tz="UTC")) // pd.Timedelta(weeks=1)
    site = pd.factorize(frame.keys["site_id"])[0]
    return np.asarray(site * 1e6 + week, dtype=np.float64)


def rolling_origin(frame: FeatureFrame, folds: int = FOLDS, least: int = 48) -> list[TimeFold]:
    """Return folds whose origin rolls forward over the frame's time span.

    Parameters
    ----------
    frame : FeatureFrame
        Sorted by time within a site; the folds cut the common time axis.
    folds : int
    least : int
        Fewest rows on each side.

    Raises
    ------
    InsufficientDataError
        Not even one fold has enough rows on both sides.
    """
    stamps = frame.keys["timestamp"]
    start, span = stamps.min(), stamps.max() - stamps.min()
    edges = [start + span * s for s in np.linspace(FIRST_SHARE, 1.0, folds + 1)]
    edges[-1] = edges[-1] + span / max(len(stamps), 1)  # the last row is inside
    result = []
    for begin, end in pairwise(edges):
        newer = (stamps >= begin).to_numpy()
        reach = begin + (begin - start)  # no farther ahead than the training part is long
        fold = TimeFold(~newer, newer & (stamps < end).to_numpy(), newer & (stamps < reach).to_numpy())
        if fold.train.sum() >= least and fold.test.sum() >= least:
            result.append(fold)
    if not result:
        raise InsufficientDataError(
            "E-SPLIT-ROWS",
            say("{count} measured rows are too few to hold some back by time", count=len(frame)),
            frame.quantity,
            say("give at least {least} measured rows", least=6 * least),
        )
    return result


def one_week_per_month(frame: FeatureFrame) -> BoolArray:
    """Return the rows of the week that starts at the second Monday (UTC) of every month, shape (rows,).

    Weeks that the frame does not hold in whole count too; see `withheld_weeks` for several folds.
    """
    return _weeks_from(frame, 8)


def withheld_weeks(
    frame: FeatureFrame, first_days: tuple[int, ...] = (1, 15), least: int = 48
) -> list[TimeFold]:
    """Return folds that withhold one whole week per month, with older and newer rows to train on.

    Parameters
    ----------
    frame : FeatureFrame
    first_days : tuple of int
        One fold each: the week starts at the first Monday not before this day of the month.
    least : int
        Fewest rows on each side; folds with less are left out.
    """
    folds = []
    for day in first_days:
        test = _weeks_from(frame, day)
        if test.sum() >= least and (~test).sum() >= 3 * test.sum():
            folds.append(TimeFold(~test, test))
    return folds


def site_folds(frame: FeatureFrame, most: int = 4) -> list[TimeFold]:
    """Return folds that hold whole sites out; none with fewer than two sites."""
    codes, sites = pd.factorize(frame.keys["site_id"])
    if len(sites) < 2:
        return []
    fold = codes % min(most, len(sites))
    return [TimeFold(fold != k, fold == k) for k in range(min(most, len(sites)))]


def _weeks_from(frame: FeatureFrame, first_day: int) -> BoolArray:
    stamps = frame.keys["timestamp"]
    day = stamps.dt.normalize()
    monday = day - pd.to_timedelta(stamps.dt.day_of_week, unit="D")
    inside: BoolArray = monday.dt.day.between(first_day, first_day + 6).to_numpy(dtype=bool)
    return inside
