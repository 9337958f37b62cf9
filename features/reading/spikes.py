"""Spikes: one or two samples far from their neighbours, which agree with one another.

A step is no spike (the neighbours differ), nor is a machine that starts (a column that does so often has
a wide range). The thresholds are wide on purpose: what is taken out here is gone for every model.
"""

from __future__ import annotations

import numpy as np

from features.message import say
from features.reading.judged import IntArray, Judged
from features.reading.numerals import BoolArray, FloatArray
from features.reading.screen import Screen
from features.schema import SCHEMA

RANGES = 3.0
"""How many times the column's usual range (5 to 95 %) a spike stands from its neighbours [1]."""
STEPS = 30.0
"""How many times the column's usual step [1]."""
MOST_SHARE = 0.005
"""Above this share of samples the column is made so [1]."""
LEAST_ROWS = 48
JUMP = 0.8
"""Share of `least_step` from which on a step may lead to a spike [1]."""
_UNITS = ("kW", "W", "kWh", "degC", "L/s", "kPa")


def judge_spikes(table: Judged) -> None:
    """Take the spikes of every measured column out."""
    units = table.units
    for name in [str(c) for c in table.frame if c in SCHEMA]:
        column = SCHEMA[name]
        if column.unit not in _UNITS or column.role in ("lever", "status", "attribute"):
            continue
        seen = table.screen(name)
        if seen.known < LEAST_ROWS or seen.step <= JUMP * least_step(seen):
            continue
        values = table.values(name)
        spike = spikes(values, units, least_step(seen))
        if not spike.any():
            continue
        table.note(
            "D-SPIKE",
            "error",
            spike,
            name,
            say(
                "{count} samples stand far from their neighbours ({low:g} to {high:g}; the column's middle "
                "is {middle:g})",
                count=int(spike.sum()),
                low=float(values[spike].min()),
                high=float(values[spike].max()),
                middle=float(np.median(seen.sample)),
            ),
            say("check the meter or gateway at these times"),
            say("the values are missing (quarantined)"),
        )
        table.take_out(spike, name, "D-SPIKE")


def least_step(seen: Screen) -> float:
    """Return how far a spike stands from its neighbours at least.

    Parameters
    ----------
    seen : Screen
        Of the column.
    """
    low, high = np.quantile(seen.sample, (0.05, 0.95))
    return max(
        RANGES * float(high - low), STEPS * float(np.median(seen.steps)), 1e-6 * abs(float(high)), 1e-9
    )


def spikes(values: FloatArray, units: IntArray, least: float) -> BoolArray:
    """Return the samples that are spikes.

    Parameters
    ----------
    values : numpy.ndarray, shape (rows,)
        Sorted by unit and time; NaN where missing.
    units : numpy.ndarray
        Number of each row's unit.
    least : float
        How far a spike stands from its neighbours at least (`least_step`).

    Returns
    -------
    numpy.ndarray of bool, shape (rows,)
    """
    result = np.zeros(len(values), dtype=bool)
    known = np.flatnonzero(np.isfinite(values))
    if len(known) < LEAST_ROWS:
        return result
    v, u = (values, units) if len(known) == len(values) else (values[known], units[known])
    steps = np.diff(v)
    np.abs(steps, out=steps)
    jumps = np.flatnonzero(steps > JUMP * least)
    jumps = jumps[u[jumps + 1] == u[jumps]]
    if not len(jumps) or len(jumps) > 2 * MOST_SHARE * len(v) + 4:
        return result
    candidates = np.unique(np.concatenate([jumps, jumps + 1]))
    candidates = candidates[(candidates >= 2) & (candidates < len(v) - 2)]
    around = candidates[:, None] + np.array([-2, -1, 1, 2])
    ordered = np.sort(v[around], axis=1)
    middle = (ordered[:, 1] + ordered[:, 2]) / 2.0
    # of four neighbours three agree: the fourth may be the other sample of the spike
    agree = np.minimum(ordered[:, 2] - ordered[:, 0], ordered[:, 3] - ordered[:, 1]) < 0.5 * least
    same = (u[around] == u[candidates][:, None]).all(axis=1)
    found = candidates[agree & same & (np.abs(v[candidates] - middle) > least)]
    if len(found) <= max(MOST_SHARE * len(v), 2):
        result[known[found]] = True
    return result
