"""The table under judgement: values are taken out in place and entered in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.filed import kept_as, loaded, numbered
from features.issues import DataIssue, Severity
from features.message import say
from features.reading.ledger import Ledger
from features.reading.numerals import BoolArray, FloatArray
from features.reading.screen import Screen, screened
from features.schema import KEY_COLUMNS, SCHEMA, Kind
from features.threads import in_threads

IntArray = npt.NDArray[np.int64]
MARKS_SCHEMA = pa.schema(
    [
        ("site_id", pa.string()),
        ("unit_id", pa.string()),
        ("timestamp", pa.timestamp("us", "UTC")),
        ("column", pa.string()),
        ("value", pa.float64()),
        ("code", pa.string()),
        ("kept", pa.bool_()),
    ]
)
"""Where findings stand in the series: canonical column, value [canonical unit], whether it was kept."""
LARGE_ROWS = BLOCK_ROWS = 1 << 18
MOST_MARKS = 5000
"""Of one finding; a picture shows no more."""


@dataclass
class Judged:
    """The table under judgement; values are taken out in place and entered in the ledger."""

    frame: pd.DataFrame
    interval_us: int
    kind: Kind
    sources: Sequence[tuple[frozenset[str], IntArray]]
    ledger: Ledger
    issues: list[DataIssue]
    marked: list[pd.DataFrame] = field(default_factory=list)
    _screens: dict[str, Screen] = field(default_factory=dict)

    @cached_property
    def units(self) -> IntArray:
        """Number of each row's unit; rows are sorted and never moved here."""
        return unit_codes(self.frame)

    def has(self, *names: str) -> bool:
        """Whether every column is present."""
        return all(n in self.frame for n in names)

    def values(self, name: str) -> FloatArray:
        """Return a column."""
        return self.frame[name].to_numpy(dtype=np.float64)

    def screen(self, name: str) -> Screen:
        """Return what a first look at a column of numbers says."""
        found = self._screens.get(name)
        if found is None:
            found = self._screens[name] = screened(self.values(name), self.day)
        return found

    def screen_all(self) -> None:
        """Look at every column of numbers of a large table, beside each other."""
        names = [str(c) for c in self.frame if c in SCHEMA and not SCHEMA[c].text]
        if len(self.frame) >= LARGE_ROWS:
            in_threads(partial(self.screen, name) for name in names)

    @property
    def day(self) -> int:
        """Rows of a unit in 24 hours, three at least."""
        return max(int(np.ceil(24.0 * 3.6e9 / self.interval_us)), 3)

    def where(self, names: Sequence[str], rule: Callable[..., BoolArray]) -> BoolArray:
        """Return the rows in which a rule of several columns holds.

        Parameters
        ----------
        names : sequence of str
        rule : callable
            Takes some rows of each column, in order; returns a mark per row.
        """
        result = np.zeros(len(self.frame), dtype=bool)

        def some(start: int) -> None:
            rows = slice(start, start + BLOCK_ROWS)
            with np.errstate(invalid="ignore"):
                result[rows] = rule(*(self.frame[n].iloc[rows].to_numpy(dtype=np.float64) for n in names))

        starts = range(0, len(result), BLOCK_ROWS)
        if len(starts) > 1:
            in_threads(partial(some, start) for start in starts)
        else:
            some(0)
        return result

    def take_out(self, where: BoolArray, name: str, code: str) -> None:
        """Set values to missing and enter their input rows in the ledger."""
        self._mark(where, name, code, kept=False)
        array = self.values(name).copy()
        array[where] = np.nan
        self.frame[name] = kept_as(self.frame[name], array)
        self._screens.pop(name, None)
        for columns, ids in self.sources:
            if name in columns:
                rows = ids[where]
                self.ledger.quarantine(rows[rows >= 0], name, code)

    def note(
        self,
        code: str,
        severity: Severity,
        where: BoolArray,
        column: str,
        evidence: str,
        remedy: str,
        effect: str,
    ) -> None:
        """Add an issue placed at the first and last row concerned."""
        rows = np.flatnonzero(where)
        if severity == "warning" and column in self.frame:
            self._mark(where, column, code, kept=True)
        keys = self.frame[list(KEY_COLUMNS)]
        first, last = keys.iloc[rows[0]], keys.iloc[rows[-1]]
        unit = f"/{first['unit_id']}" if first["unit_id"] else ""
        sites = self.frame["site_id"].iloc[rows].nunique()
        at = f"{first['site_id']}{unit}"
        place = say(
            "{place}, {column}, {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}",
            place=say("{place} and {count} more sites", place=at, count=sites - 1) if sites > 1 else at,
            column=column,
            start=first["timestamp"],
            end=last["timestamp"],
        )
        self.issues.append(DataIssue(code, severity, place, evidence, remedy, effect, len(rows)))

    def _mark(self, where: BoolArray, name: str, code: str, *, kept: bool) -> None:
        rows = np.flatnonzero(where)[:MOST_MARKS]
        marks = loaded(self.frame[list(KEY_COLUMNS)].iloc[rows])
        self.marked.append(marks.assign(column=name, value=self.values(name)[rows], code=code, kept=kept))

    def mark_before(self) -> None:
        """Mark the values that were taken out before rows were joined."""
        for ids, name, values, code in self.ledger.before:
            order = np.argsort(ids)
            for columns, rows in self.sources:
                found = np.isin(rows, ids) if name in columns else np.zeros(len(rows), dtype=bool)
                at = np.flatnonzero(found)[:MOST_MARKS]
                if len(at):
                    taken = values[order[np.searchsorted(ids[order], rows[at])]]
                    keys = loaded(self.frame[list(KEY_COLUMNS)].iloc[at])
                    self.marked.append(keys.assign(column=name, value=taken, code=code, kept=False))

    def marks(self) -> pa.Table:
        """Return where findings stand, in `MARKS_SCHEMA`."""
        if not self.marked:
            return MARKS_SCHEMA.empty_table()
        together = pd.concat(self.marked, ignore_index=True)
        stamps = together["timestamp"].to_numpy().astype("datetime64[us]")
        moments = pa.array(stamps, pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
        columns = {f.name: pa.array(together[f.name], f.type) for f in MARKS_SCHEMA if f.name != "timestamp"}
        return pa.table({f.name: columns.get(f.name, moments) for f in MARKS_SCHEMA}, schema=MARKS_SCHEMA)


def unit_codes(frame: pd.DataFrame) -> IntArray:
    """Return a number per row that changes where the unit changes (rows are sorted)."""
    changed = np.zeros(len(frame), dtype=np.int64)
    for key in ("site_id", "unit_id"):
        codes = numbered(frame[key])
        changed[1:] |= codes[1:] != codes[:-1]
    return np.cumsum(changed)
