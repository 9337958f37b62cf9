"""Loggers whose clock drifts: samples a little more than five minutes apart lie on no grid.

Averages over a coarser round interval are exact enough for means (each sample weighs alike) and lose no
row. Amounts of an interval cannot be treated so: they are refused.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from features.issues import DataIssue
from features.message import say
from features.reading import timeaxis
from features.reading.convert import ROW
from features.reading.groups import Group, keys_of, place_of
from features.reading.numerals import FloatArray
from features.reading.timeaxis import IntArray
from features.schema import SCHEMA

_MINUTE = 60_000_000
ROUND_US = tuple(m * _MINUTE for m in (1, 2, 5, 10, 15, 30, 60))
MOST_OFF_GRID = 0.1
"""Above this share of stamps off the grid the file drifts, and no grid can be claimed [1]."""
SAMPLES = 2.5
"""Least number of samples in an averaged interval [1]."""
STEADY = 0.1
"""How far a step may lie from a whole number of usual steps [of the usual step]."""
STEADY_SHARE = 0.98


def steadied(
    groups: Sequence[Group], interval: int, issues: list[DataIssue]
) -> tuple[list[Group], int] | None:
    """Average the samples of a drifting logger onto a round grid; None where there is no such logger.

    Amounts of an interval and registers are never averaged.
    """
    if any(g.amounts or any(SCHEMA[c].text for c in g.columns) for g in groups):
        return None
    keys, codes, micros = keys_of(groups)
    off = int(timeaxis.off_grid(codes, micros, interval).sum())
    if off <= MOST_OFF_GRID * len(keys):
        return None
    grids = [round_interval(g.codes, g.micros, interval) for g in groups]
    if not all(grids):
        return None
    wide = max(grids)
    result = []
    for group in groups:
        frame = group.frame
        if group.marks_end:
            frame = frame.assign(timestamp=frame["timestamp"] - pd.Timedelta(interval, "us"))
        mean, further = averaged(frame, ROW, group.columns, wide)
        result.append(Group(mean, {}, marks_end=False, further=further))
    rows = sum(len(g.frame) for g in result)
    issues.append(
        DataIssue(
            "D-TIME-DRIFT",
            "warning",
            place_of(keys, 0),
            say(
                "the stamps drift: steps of about {interval}; {off} of {total} stamps lie off its grid",
                interval=pd.Timedelta(interval, "us"),
                off=off,
                total=len(keys),
            ),
            say("export averages over fixed intervals (for example every 15 minutes on the quarter hour)"),
            say(
                "the {total} samples are averaged into {rows} intervals of {wide}",
                total=len(keys),
                rows=rows,
                wide=pd.Timedelta(wide, "us"),
            ),
            len(keys),
        )
    )
    return result, wide


def round_interval(codes: IntArray, micros: IntArray, step: int) -> int:
    """Return the round interval [us] for samples of a drifting logger; 0 where none is justified.

    Parameters
    ----------
    codes : numpy.ndarray, shape (rows,)
        Code of each row's unit; rows are sorted by unit and time.
    micros : numpy.ndarray, shape (rows,)
        Stamps [us].
    step : int
        Usual step [us].
    """
    steps = np.diff(micros)[codes[1:] == codes[:-1]] / step
    if not len(steps):
        return 0
    near = np.abs(steps - np.maximum(np.round(steps), 1.0)) <= STEADY * np.maximum(np.round(steps), 1.0)
    if near.mean() < STEADY_SHARE:
        return 0
    return next((r for r in ROUND_US if r >= SAMPLES * step), 0)


def averaged(
    frame: pd.DataFrame, row: str, columns: Sequence[str], interval: int
) -> tuple[pd.DataFrame, tuple[IntArray, ...]]:
    """Return samples averaged over a grid, and the input rows behind each average.

    Parameters
    ----------
    frame : pandas.DataFrame
        ``site_id``, ``unit_id``, ``timestamp``, `columns` and `row`, sorted by key.
    row : str
        Column of the input rows' ids.
    columns : sequence of str
        Canonical columns of numbers.
    interval : int
        Length of the grid [us].

    Returns
    -------
    tuple of pandas.DataFrame and tuple of numpy.ndarray
        One row per interval with a sample (`row`: its first sample); ids of the second, third ... sample,
        -1 where there is none.
    """
    micros = frame["timestamp"].to_numpy().astype("datetime64[us]").astype(np.int64)
    start = micros - micros % interval
    sites, _ = pd.factorize(frame["site_id"])
    units, _ = pd.factorize(frame["unit_id"])
    new = np.concatenate([[True], (np.diff(sites) != 0) | (np.diff(units) != 0) | (np.diff(start) != 0)])
    first = np.flatnonzero(new)
    place = np.cumsum(new) - 1
    result = frame.iloc[first].reset_index(drop=True)
    result["timestamp"] = start[first].astype("datetime64[us]")
    for name in columns:
        values = frame[name].to_numpy(dtype=np.float64)
        result[name] = values[first] if SCHEMA[name].aggregation == "instant" else _means(values, first)
    return result, _further(frame[row].to_numpy(dtype=np.int64), first, place)


def _means(values: FloatArray, first: IntArray) -> FloatArray:
    known = np.isfinite(values)
    count = np.add.reduceat(known.astype(np.float64), first)
    total = np.add.reduceat(np.where(known, values, 0.0), first)
    return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)


def _further(ids: IntArray, first: IntArray, place: IntArray) -> tuple[IntArray, ...]:
    rank = np.arange(len(ids)) - first[place]
    further = []
    for position in range(1, int(rank.max()) + 1):
        members = np.full(len(first), -1, dtype=np.int64)
        mine = rank == position
        members[place[mine]] = ids[mine]
        further.append(members)
    return tuple(further)
