"""A first look at a column that tells which rules cannot find anything in it.

Most columns of a large export are sound. One pass that stays in the processor's cache says so; the rules,
which look at every value several times, run only where this look leaves it open.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.reading.numerals import FloatArray

_BLOCK = 1 << 16
MOST_SAMPLED = 100_000


@dataclass(frozen=True)
class Screen:
    """What one look at a column's known values says.

    Parameters
    ----------
    known : int
        How many values there are.
    low, high : float
        Least and greatest value; NaN where there is none.
    step : float
        Greatest difference of neighbours, those of two units included.
    may_rest : bool
        False: no value stands still for as long as was asked.
    sample : numpy.ndarray
        Values, evenly thinned where there are many: enough for quantiles.
    steps : numpy.ndarray
        Differences of neighbours, thinned likewise.
    """

    known: int
    low: float
    high: float
    step: float
    may_rest: bool
    sample: FloatArray
    steps: FloatArray


def screened(values: FloatArray, run: int) -> Screen:
    """Look at a column.

    Parameters
    ----------
    values : numpy.ndarray, shape (rows,)
        Sorted by unit and time; NaN where missing.
    run : int
        Length of a run of equal values that matters.
    """
    sample = sampled(values)
    low, high = (float(values.min()), float(values.max())) if len(values) else (np.nan, np.nan)
    v = values
    if np.isnan(low):  # a missing value spreads
        v = values[np.isfinite(values)]
        if not len(v):
            return Screen(0, np.nan, np.nan, 0.0, may_rest=False, sample=sample, steps=v)
        low, high = float(v.min()), float(v.max())
    step = 0.0
    for start in range(0, len(v) - 1, _BLOCK):
        piece = v[start : start + _BLOCK + 1]
        difference = piece[1:] - piece[:-1]
        step = max(step, float(difference.max()), -float(difference.min()))
    at = np.arange(0, len(v) - 1, max(len(v) // MOST_SAMPLED, 1))
    steps = np.abs(v[at + 1] - v[at])
    return Screen(len(v), low, high, step, _may_rest(v, run), sample, steps)


def _may_rest(values: FloatArray, run: int) -> bool:
    """Whether some value may be repeated `run` times: every such run covers two of the marks half as far."""
    apart = max(run // 2, 1)
    marks = np.arange(0, len(values), apart)
    if len(marks) < 2:
        return bool(len(values) >= run)
    alike = marks[:-1][values[marks[1:]] == values[marks[:-1]]]
    for start in range(0, len(alike), max(_BLOCK // apart, 1)):
        some = alike[start : start + max(_BLOCK // apart, 1)]
        between = values[some[:, np.newaxis] + np.arange(apart)]
        if (between == values[some][:, np.newaxis]).all(axis=1).any():
            return True
    return False


def sampled(values: FloatArray, most: int = MOST_SAMPLED) -> FloatArray:
    """Return the known values, evenly thinned where there are many: enough for quantiles.

    Parameters
    ----------
    values : numpy.ndarray, shape (rows,)
    most : int
        About how many values are returned at most.
    """
    known = values[:: max(len(values) // most, 1)]
    return known[np.isfinite(known)]
