"""A period of a performance file that is sent again: the later file's values count, counter by counter.

The names of 3GPP TS 32.432 clause 5.1.2 (TS 28.532 clause 11.3.2.1.4 for 5G) end in a running count from 1,
``_-_1``, only where more than one file would have one name. So the count numbers files in the order in which
they were made; that a later one corrects an earlier one is said nowhere and is assumed here, and the finding
says so. Files are taken in the natural order of their names (the name without a count first, ``_2`` before
``_10``); times of the file system say when a file was copied, not when it was made. A period may also be
split: each file then holds other counters of one object, and together they are one row. Two values of one
counter in one file contradict each other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from features.issues import DataIssue
from features.message import Message, say
from features.reading.convert import ROW
from features.reading.groups import Group, place_of
from features.reading.ledger import Ledger
from features.reading.numerals import BoolArray, FloatArray
from features.reading.timeaxis import IntArray

FILES = 3
"""File names that a finding lists."""


def natural_order(name: str) -> tuple[int | str, ...]:
    """Return a key that sorts names by their numbers: ``_2`` before ``_10``."""
    return tuple(int(p) if i % 2 else p for i, p in enumerate(re.split(r"(\d+)", name)))


@dataclass(frozen=True)
class _Rows:
    """Sorted rows of one group: number of the key, of the file, and the known values of each column."""

    key: IntArray
    file: IntArray
    counters: FloatArray

    @property
    def starts(self) -> IntArray:
        """First row of each key."""
        return np.flatnonzero(np.concatenate([[True], self.key[1:] != self.key[:-1]]))

    def contradictory(self) -> BoolArray:
        """Return the rows of the keys to which one file gives two values of one counter."""
        together = (self.key[1:] == self.key[:-1]) & (self.file[1:] == self.file[:-1])
        a, b = self.counters[:-1], self.counters[1:]
        other = (np.isfinite(a) & np.isfinite(b) & (a != b)).any(axis=1)
        return np.isin(self.key, self.key[1:][together & other])

    def last_known(self) -> IntArray:
        """Return per key and column the last row that knows a value, -1 for none; shape (keys, columns)."""
        numbered = np.where(np.isfinite(self.counters), np.arange(len(self.key))[:, np.newaxis], -1)
        return np.asarray(np.maximum.reduceat(numbered, self.starts, axis=0))


def merged(group: Group, ledger: Ledger, issues: list[DataIssue]) -> Group:
    """Return a group of performance files with one row per key; other groups as they are.

    Parameters
    ----------
    group : Group
    ledger : Ledger
        Takes the rows that no value is used of.
    issues : list of DataIssue
    """
    tables = np.unique(group.frame["_table"].to_numpy())
    if any(ledger.tables[t].file.form != "xml" for t in tables) or not group.columns:
        return group
    codes, micros = group.codes, group.micros
    order = np.lexsort((group.frame[ROW].to_numpy(), micros, codes))
    frame = group.frame.iloc[order].reset_index(drop=True)
    codes, micros = codes[order], micros[order]
    key = np.cumsum(
        np.concatenate([[False], (codes[1:] != codes[:-1]) | (micros[1:] != micros[:-1])])
    ).astype(np.int64)
    if len(key) == key[-1] + 1:
        return group
    names, file = _files(frame, ledger)
    rows = _Rows(key, file, frame[group.columns].to_numpy(dtype=np.float64))
    bad = rows.contradictory()
    if bad.any():  # the rule of repeated rows rejects them
        good = merged(replace(group, frame=frame[~bad].reset_index(drop=True)), ledger, issues)
        return _beside(good, frame[bad])
    return _latest(group, frame, rows, (names, ledger, issues))


def _beside(good: Group, bad: pd.DataFrame) -> Group:
    further = tuple(np.concatenate([f, np.full(len(bad), -1, dtype=np.int64)]) for f in good.further)
    return replace(good, frame=pd.concat([good.frame, bad], ignore_index=True), further=further)


def _files(frame: pd.DataFrame, ledger: Ledger) -> tuple[list[str], IntArray]:
    """Return the file name of each row, and a number per file."""
    ids, tables = frame[ROW].to_numpy(), frame["_table"].to_numpy()
    names = np.empty(len(frame), dtype=object)
    for table in np.unique(tables):
        mine = tables == table
        names[mine] = ledger.tables[table].names_of(ids[mine] - ledger.starts[table])
    return names.tolist(), pd.factorize(names)[0].astype(np.int64)


def _latest(
    group: Group, frame: pd.DataFrame, rows: _Rows, about: tuple[Sequence[str], Ledger, list[DataIssue]]
) -> Group:
    """Return the rows with the last known value of every counter; rows without any are rejected."""
    names, ledger, issues = about
    last = rows.last_known()
    ends = np.append(rows.starts[1:], len(rows.key)) - 1
    used = np.zeros(len(rows.key), dtype=bool)
    used[last[last >= 0]] = True
    used[ends[~(last >= 0).any(axis=1)]] = True
    latest = np.take_along_axis(rows.counters, np.maximum(last, 0), axis=0)
    latest = np.where(last >= 0, latest, np.nan)
    with np.errstate(invalid="ignore"):
        replaced = (np.isfinite(rows.counters) & (rows.counters != latest[rows.key])).any(axis=1)
    ids = frame[ROW].to_numpy()
    ledger.reject(ids[~used & ~replaced], "D-DUPLICATE")
    ledger.reject(ids[~used & replaced], "D-RESENT")
    _say(frame, replaced, names, issues)
    _say_repeated(frame, ~used & ~replaced, issues)
    kept = np.flatnonzero(used)
    first = np.concatenate([[True], rows.key[kept][1:] != rows.key[kept][:-1]])
    place = np.cumsum(first) - 1
    rank = np.arange(len(kept)) - np.flatnonzero(first)[place]
    further = []
    for position in range(1, int(rank.max()) + 1):
        members = np.full(len(latest), -1, dtype=np.int64)
        members[place[rank == position]] = ids[kept[rank == position]]
        further.append(members)
    result = frame.iloc[kept[first]].reset_index(drop=True)
    result[group.columns] = latest
    return replace(group, frame=result, further=tuple(further))


def _say(frame: pd.DataFrame, replaced: BoolArray, names: Sequence[str], issues: list[DataIssue]) -> None:
    where = np.flatnonzero(replaced)
    if not len(where):
        return
    files = list(dict.fromkeys(names[i] for i in where.tolist()))
    issues.append(
        DataIssue(
            "D-RESENT",
            "warning",
            place_of(frame, int(where[0])),
            say(
                "{count} rows were sent again with other values (first in {files})",
                count=len(where),
                files=Message.joined(", ", files[:FILES]),
            ),
            say("nothing, if the later file corrects the earlier one; else leave the wrong file out"),
            say("the values of the later file count (in the natural order of the names)"),
            len(where),
        )
    )


def _say_repeated(frame: pd.DataFrame, repeated: BoolArray, issues: list[DataIssue]) -> None:
    where = np.flatnonzero(repeated)
    if len(where):
        issues.append(
            DataIssue(
                "D-DUPLICATE",
                "info",
                place_of(frame, int(where[0])),
                say("{count} rows repeat another row exactly", count=len(where)),
                say("nothing: one of each is kept"),
                say("the repetitions are rejected"),
                len(where),
            )
        )
