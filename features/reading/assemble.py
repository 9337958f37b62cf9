"""Rows of several tables -> one table keyed (site, unit, time): duplicates, grid, amounts, joins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.errors import DataError
from features.filed import kept_as
from features.issues import DataIssue
from features.message import Message, say
from features.reading import timeaxis
from features.reading.attributes import join_attributes
from features.reading.convert import ROW, Rows, combined
from features.reading.drift import MOST_OFF_GRID, steadied
from features.reading.groups import Group, grouped, keys_of, place_of
from features.reading.ledger import Ledger
from features.reading.numerals import BoolArray, FloatArray
from features.reading.registers import increments
from features.reading.resent import merged
from features.reading.timeaxis import IntArray
from features.schema import KEY_COLUMNS, SCHEMA

MICROS_PER_HOUR = 3_600_000_000


@dataclass
class Assembled:
    """The joined table and where each row's values came from.

    ``sources`` holds per group of like tables its canonical columns and, per row of `frame`, the
    id of the input row (-1: none).
    """

    frame: pd.DataFrame
    interval_us: int
    sources: list[tuple[frozenset[str], IntArray]]
    issues: list[DataIssue]


def assemble(parts: Sequence[Rows], ledger: Ledger) -> Assembled:
    """Join converted tables.

    Parameters
    ----------
    parts : sequence of Rows
    ledger : Ledger
        Takes duplicated rows and rows off the grid.

    Returns
    -------
    Assembled

    Raises
    ------
    DataError
        No row could be placed, stamps drift, or files have different intervals.
    """
    issues = [i for p in parts for i in p.issues]
    series = [p for p in parts if p.mapping.time is not None]
    if not sum(len(p.frame) for p in series):
        raise DataError(
            "E-NO-ROWS",
            say("no row could be placed in time"),
            Message.joined(", ", (p.mapping.glob for p in series)),
            say(
                "see the issues: {evidence}", evidence=Message.joined("; ", (i.evidence for i in issues[:3]))
            ),
        )
    groups = [_sorted_unique(merged(g, ledger, issues), ledger, issues) for g in grouped(series)]
    groups = [g for g in groups if len(g.frame)]
    if not groups:
        raise DataError(
            "E-NO-ROWS",
            say("every row contradicts another row of the same time"),
            say("all files"),
            say("export again"),
        )
    interval = _interval(groups, ledger, issues)
    _note_odd(interval, issues)
    steady = steadied(groups, interval, issues)
    if steady is None:
        groups = _on_grid(groups, interval, ledger, issues)
    else:
        groups, interval = steady
    for group in groups:
        _amounts(group, interval, issues)
    result = _joined(groups, interval, issues)
    join_attributes(result.frame, [p for p in parts if p.mapping.time is None], ledger, result.issues)
    return result


# -- duplicates ----------------------------------------------------------------------------------
def _sorted_unique(group: Group, ledger: Ledger, issues: list[DataIssue]) -> Group:
    """Sort, keep one of identical rows, reject every row of a contradictory key."""
    codes, micros = group.codes, group.micros
    if _ascending(codes, micros):
        return group
    order = _order(codes, micros)
    codes, micros = codes[order], micros[order]
    same_key = np.concatenate([[False], (codes[1:] == codes[:-1]) & (micros[1:] == micros[:-1])])
    if not same_key.any():
        return group.at(order)
    ids = group.frame[ROW].to_numpy()
    key = np.cumsum(~same_key)
    of_many = np.flatnonzero(np.isin(key, key[same_key]))
    # Of equal rows the one with a value taken out stays, whatever the order of the export: it is reported.
    some = order[of_many]
    order[of_many] = some[np.lexsort((ids[some], -ledger.status[ids[some]].astype(np.int64), key[of_many]))]
    repeating = np.flatnonzero(same_key)
    same_values = np.zeros(len(order), dtype=bool)
    same_values[repeating] = _equal(group.frame[group.columns], order[repeating], order[repeating - 1])
    contradictory = np.isin(key, key[same_key & ~same_values])
    repeated = same_key & ~contradictory
    rows = ids[order]
    ledger.reject(rows[repeated], "D-DUPLICATE")
    ledger.reject(rows[contradictory], "D-DUPLICATE")
    place = place_of(group.frame, int(order[repeating[0]]))
    if repeated.any():
        issues.append(
            DataIssue(
                "D-DUPLICATE",
                "info",
                place,
                say("{count} rows repeat another row exactly", count=int(repeated.sum())),
                say("nothing: one of each is kept"),
                say("the repetitions are rejected"),
                int(repeated.sum()),
            )
        )
    if contradictory.any():
        issues.append(
            DataIssue(
                "D-DUPLICATE",
                "warning",
                place,
                say(
                    "{count} rows share site, unit and time with a row of other values",
                    count=int(contradictory.sum()),
                ),
                say("export each interval once; around the end of daylight saving, export UTC or offsets"),
                say("all rows of these times are rejected: nobody can say which is right"),
                int(contradictory.sum()),
            )
        )
    return group.at(order[~(repeated | contradictory)])


def _ascending(codes: IntArray, micros: IntArray) -> bool:
    """Whether every key is larger than the one before: nothing to sort, nothing repeated."""
    step = np.diff(codes)
    return bool(((step > 0) | ((step == 0) & (np.diff(micros) > 0))).all())


def _order(codes: IntArray, micros: IntArray) -> IntArray:
    """Return the order by unit and time; a stable sort by time first, as most exports run forward."""
    by_time = np.argsort(micros, kind="stable")
    few = codes.max(initial=0) <= np.iinfo(np.int16).max  # short numbers are sorted without comparing
    by_unit = np.argsort(codes[by_time].astype(np.int16 if few else np.int64), kind="stable")
    return by_time[by_unit]


def _equal(values: pd.DataFrame, some: IntArray, others: IntArray) -> BoolArray:
    """Return which of some rows equal other rows in every column."""
    equal = np.ones(len(some), dtype=bool)
    for name in values:
        one, other = values[name].iloc[some], values[name].iloc[others]
        missing = one.isna().to_numpy() & other.isna().to_numpy()
        equal &= (one.to_numpy() == other.to_numpy()).astype(bool) | missing
    return equal


# -- interval and grid ---------------------------------------------------------------------------
def _interval(groups: Sequence[Group], ledger: Ledger, issues: list[DataIssue]) -> int:
    """Return the common interval [us]."""
    found: dict[int, list[str]] = defaultdict(list)
    for group in groups:
        tables = group.frame["_table"].to_numpy()
        numbers = pd.unique(tables).tolist()
        for table in sorted(numbers):
            mine = tables == table if len(numbers) > 1 else slice(None)
            raw = ledger.tables[table]
            step = raw.interval_us or timeaxis.interval_of(group.codes[mine], group.micros[mine])
            if step:
                found[step].append(raw.file.name)
    if not found:  # one time per file: the files together tell
        for group in groups:
            step = timeaxis.interval_of(group.codes, group.micros)
            if step:
                found[step].append(ledger.tables[group.frame["_table"].iloc[0]].file.name)
    if not found:
        if any(g.amounts for g in groups if any(SCHEMA[c].unit == "kW" for c in g.amounts)):
            raise DataError(
                "E-INTERVAL",
                say("one time only: an energy cannot become a power without the interval's length"),
                say("time column"),
                say("export at least two intervals"),
            )
        issues.append(
            DataIssue(
                "D-INTERVAL-ASSUMED",
                "warning",
                say("time column"),
                say("no two rows follow each other"),
                say("export at least two intervals"),
                say("an interval of one hour is assumed"),
                0,
            )
        )
        return MICROS_PER_HOUR
    if len(found) > 1:
        listed = Message.joined(
            "; ",
            (
                say(
                    "{interval}: {names}",
                    interval=pd.Timedelta(step, "us"),
                    names=Message.joined(", ", names[:3]),
                )
                for step, names in sorted(found.items())
            ),
        )
        raise DataError(
            "E-INTERVAL-MIXED",
            say("the files have different intervals: {listed}", listed=listed),
            Message.joined(", ", (name for names in found.values() for name in names[:3])),
            say("export all files with one interval, or read them apart"),
        )
    return next(iter(found))


def _note_odd(interval: int, issues: list[DataIssue]) -> None:
    """Report an interval of which a day holds no whole number: a clock that runs too slow or too fast."""
    day = 24 * MICROS_PER_HOUR
    if day % interval and interval % day:
        issues.append(
            DataIssue(
                "D-INTERVAL-ODD",
                "warning",
                say("time column"),
                say(
                    "rows follow each other by {interval}, of which a day holds no whole number: the "
                    "logger's clock probably runs wrong",
                    interval=pd.Timedelta(interval, "us"),
                ),
                say(
                    "export averages over fixed intervals (for example every 15 minutes on the quarter hour)"
                ),
                say("kept; the stamps drift against hours and days"),
                0,
            )
        )


def _on_grid(groups: Sequence[Group], interval: int, ledger: Ledger, issues: list[DataIssue]) -> list[Group]:
    """Reject the rows that do not lie on their unit's grid, over all files together."""
    keys, codes, micros = keys_of(groups)
    off = timeaxis.off_grid(codes, micros, interval)
    count = int(off.sum())
    if not count:
        return list(groups)
    place = place_of(keys, int(np.flatnonzero(off)[0]))
    evidence = say(
        "{count} of {total} stamps do not lie on a grid of {interval}",
        count=count,
        total=len(off),
        interval=pd.Timedelta(interval, "us"),
    )
    if count > MOST_OFF_GRID * len(off):
        raise DataError(
            "E-TIME-DRIFT",
            evidence,
            place,
            say("export averages over fixed intervals (for example every 15 minutes on the quarter hour)"),
        )
    ahead = _one_shift(codes, micros, off, interval)
    if ahead:
        evidence = say(
            "{evidence}: {count} in a row, all by {shift}; the clock was moved",
            evidence=evidence,
            count=count,
            shift=pd.Timedelta(ahead, "us"),
        )
    code = "D-CLOCK-JUMP" if ahead else "D-OFF-GRID"
    issues.append(
        DataIssue(
            code,
            "warning",
            place,
            evidence,
            say("correct the stamps from that moment on, or export averages over fixed intervals")
            if ahead
            else say("export averages over fixed intervals"),
            say("the rows are rejected"),
            count,
        )
    )
    kept, start = [], 0
    for group in groups:
        mine = off[start : start + len(group.frame)]
        start += len(group.frame)
        for ids in (group.frame[ROW].to_numpy(), *group.further):
            ledger.reject(ids[mine & (ids >= 0)], code)
        kept.append(group.at(np.flatnonzero(~mine)))
    return [g for g in kept if len(g.frame)]


def _one_shift(codes: IntArray, micros: IntArray, off: BoolArray, interval: int) -> int:
    """Return by how much the stamps off the grid are shifted [us], where it is one stretch and one shift."""
    rows = np.lexsort((micros, codes))
    places = np.flatnonzero(off[rows])
    phases = np.unique(micros[rows][places] % interval)
    usual = np.unique(micros[rows][~off[rows]] % interval)
    if len(places) < 3 or len(phases) > 1 or len(usual) > 1 or places[-1] - places[0] >= len(places):
        return 0
    shift = int(phases[0] - usual[0])
    return shift - interval if shift > interval // 2 else shift


# -- amounts -------------------------------------------------------------------------------------
def _amounts(group: Group, interval: int, issues: list[DataIssue]) -> None:
    """Turn registers into amounts of the interval, amounts of energy into power, ends into starts."""
    hours = interval / MICROS_PER_HOUR
    for canonical, how in group.amounts.items():
        values = group.frame[canonical].to_numpy(dtype=np.float64)
        if how == "counter":
            values = increments(group, canonical, values, interval, issues)
        values = values / hours if SCHEMA[canonical].unit == "kW" else values
        group.frame[canonical] = kept_as(group.frame[canonical], values)
    if group.marks_end:
        group.frame["timestamp"] = group.frame["timestamp"] - pd.Timedelta(interval, "us")


# -- join ----------------------------------------------------------------------------------------
def _joined(groups: Sequence[Group], interval: int, issues: list[DataIssue]) -> Assembled:
    if len(groups) == 1:
        return _alone(groups[0], interval, issues)
    keys, codes, micros = keys_of(groups)
    order = np.lexsort((micros, codes))
    new = np.concatenate([[True], (np.diff(codes[order]) != 0) | (np.diff(micros[order]) != 0)])
    position = np.empty(len(order), dtype=np.int64)
    position[order] = np.cumsum(new) - 1
    frame = keys.iloc[order[new]].reset_index(drop=True)
    names = list(dict.fromkeys(c for g in groups for c in g.columns))
    values: dict[str, object] = {}
    starts = np.concatenate([[0], np.cumsum([len(g.frame) for g in groups])])
    for name in names:
        holders = [
            (g, position[a:b]) for g, a, b in zip(groups, starts, starts[1:], strict=False) if name in g.frame
        ]
        values[name] = _filled(name, holders, len(frame), issues)
    sources = []
    for group, a, b in zip(groups, starts, starts[1:], strict=False):
        for members in (group.frame[ROW].to_numpy(), *group.further):
            ids = np.full(len(frame), -1, dtype=np.int64)
            ids[position[a:b]] = members
            sources.append((frozenset(group.columns), ids))
    return Assembled(frame.assign(**values), interval, sources, issues)


def _alone(group: Group, interval: int, issues: list[DataIssue]) -> Assembled:
    """Return a single group, whose rows are sorted and unique, as the joined table."""
    names = group.columns
    text = {n: group.frame[n].astype("str") for n in names if SCHEMA[n].text}
    sources = [
        (frozenset(names), np.asarray(ids, dtype=np.int64))
        for ids in (group.frame[ROW].to_numpy(), *group.further)
    ]
    return Assembled(group.frame[[*KEY_COLUMNS, *names]].assign(**text), interval, sources, issues)


def _filled(
    name: str, holders: Sequence[tuple[Group, IntArray]], rows: int, issues: list[DataIssue]
) -> FloatArray | pd.Series:
    """Spread one column over the joined rows; the group with most rows goes first."""
    if SCHEMA[name].text:
        text = np.full(rows, None, dtype=object)
        for group, position in reversed(holders):
            text[position] = group.frame[name].to_numpy(dtype=object)
        return pd.Series(text, dtype="str")
    result = np.full(rows, np.nan)
    how = {g.combine.get(name, "") for g, _ in holders}
    if len(holders) > 1 and len(how) == 1 and how != {""}:
        return _combined_points(name, holders, rows, how.pop())
    conflicts = 0
    for group, position in holders:
        new = group.frame[name].to_numpy(dtype=np.float64)
        old = result[position]
        conflicts += int((np.isfinite(old) & np.isfinite(new) & (old != new)).sum())
        result[position] = np.where(np.isfinite(old), old, new)
    if conflicts:
        issues.append(
            DataIssue(
                "D-COLUMN-TWICE",
                "warning",
                name,
                say("two files give {name} with other values in {count} rows", name=name, count=conflicts),
                say('set one of the two columns to "ignore" in mapping.toml'),
                say("the longer file's values are used"),
                conflicts,
            )
        )
    return result


def _combined_points(name: str, holders: Sequence[tuple[Group, IntArray]], rows: int, how: str) -> FloatArray:
    """Return numbered points of one kind as one column, as `convert.combined` does within a table."""
    arrays = []
    for group, position in holders:
        values = np.full(rows, np.nan)
        values[position] = group.frame[name].to_numpy(dtype=np.float64)
        arrays.append(values)
    return combined(arrays, how)
