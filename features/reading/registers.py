"""Registers that only grow: what they gained in each interval, over resets and rollovers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.issues import DataIssue
from features.message import say
from features.reading.groups import Group, place_of
from features.reading.numerals import FloatArray

_DIGITS = tuple(10.0**n for n in range(3, 11))
_BITS = tuple(2.0**n * 10.0**e for n in (16, 24, 31, 32) for e in range(-3, 4))
ENDS = np.array(sorted({*_DIGITS, *_BITS}))
"""Where registers start anew: after so many digits, or so many bits at a decimal scale."""
PLAUSIBLE = 3.0
"""How many times the register's usual greatest gain a gain over a rollover may be [1]."""


def increments(
    group: Group, canonical: str, values: FloatArray, interval: int, issues: list[DataIssue]
) -> FloatArray:
    """Return what a register gained during each interval.

    A reading stands at its stamp: the interval that starts there ends with the next reading. Where the
    next one is missing the gain is unknown. Where it is smaller the register either rolled over (it
    stood at its end, and the gain over it is ordinary) or was reset or exchanged: then the gain is
    unknown too.

    Parameters
    ----------
    group : Group
    canonical : str
    values : numpy.ndarray, shape (rows,)
        Readings, sorted by unit and time.
    interval : int
        [us]
    issues : list of DataIssue
        Added to.

    Returns
    -------
    numpy.ndarray, shape (rows,)
    """
    codes, micros = group.codes, group.micros
    follows = np.append((codes[1:] == codes[:-1]) & (micros[1:] - micros[:-1] == interval), False)
    gain = np.append(np.diff(values), np.nan)
    before = values
    if group.marks_end:
        follows = np.insert(follows[:-1], 0, False)
        gain = np.insert(gain[:-1], 0, np.nan)
        before = np.insert(values[:-1], 0, np.nan)
    falls = follows & (gain < 0)
    if not falls.any():
        return np.where(follows, gain, np.nan)
    rolled, end = _rolled(gain, before, follows, falls)
    gain = np.where(rolled, gain + end, gain)
    _note(group, canonical, rolled, falls & ~rolled, issues)
    return np.where(follows & (~falls | rolled), gain, np.nan)


def _rolled(
    gain: FloatArray, before: FloatArray, follows: np.ndarray, falls: np.ndarray
) -> tuple[np.ndarray, FloatArray]:
    """Return where the register rolled over, and the end at which it did."""
    end = np.zeros(len(gain))
    usual = gain[follows & (gain > 0)]
    if not len(usual):
        return np.zeros(len(gain), dtype=bool), end
    most = PLAUSIBLE * float(np.quantile(usual, 0.95))
    next_end = ENDS[np.minimum(np.searchsorted(ENDS, np.where(falls, before, 0.0)), len(ENDS) - 1)]
    over = gain + next_end
    rolled = falls & (before <= next_end) & (over > 0.0) & (over <= most)
    return rolled, np.where(rolled, next_end, end)


def _note(
    group: Group, canonical: str, rolled: np.ndarray, reset: np.ndarray, issues: list[DataIssue]
) -> None:
    frame: pd.DataFrame = group.frame
    if rolled.any():
        issues.append(
            DataIssue(
                "D-COUNTER-ROLLOVER",
                "info",
                place_of(frame, int(np.flatnonzero(rolled)[0])),
                say(
                    "the register of {canonical} starts anew at its end {count} times",
                    canonical=canonical,
                    count=int(rolled.sum()),
                ),
                say("nothing, if the register has so many digits"),
                say("the gain over the end is counted: it is as large as its neighbours"),
                int(rolled.sum()),
            )
        )
    if reset.any():
        issues.append(
            DataIssue(
                "D-COUNTER-RESET",
                "warning",
                place_of(frame, int(np.flatnonzero(reset)[0])),
                say(
                    "the register of {canonical} falls {count} times",
                    canonical=canonical,
                    count=int(reset.sum()),
                ),
                say("note when meters were exchanged or reset"),
                say("the amounts of these intervals are missing"),
                int(reset.sum()),
            )
        )
