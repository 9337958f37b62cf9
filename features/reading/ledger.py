"""Where every input row went: nothing is lost, nothing is counted twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.message import say
from features.reading.mapping import FileMapping
from features.reading.numerals import FloatArray
from features.reading.tabular import RawTable

IntArray = npt.NDArray[np.int64]

QUARANTINE_SCHEMA = pa.schema(
    [
        ("file", pa.string()),
        ("row", pa.int64()),
        ("column", pa.string()),
        ("raw", pa.string()),
        ("code", pa.string()),
    ]
)
ACCEPTED, QUARANTINED, REJECTED = 0, 1, 2


@dataclass(frozen=True)
class RowCounts:
    """What became of the input's data rows.

    A row is a line of an input file below its header with at least one cell. It is *rejected*
    where it could not be placed (no readable stamp or key, a duplicated key, off the grid, a wrong
    number of cells), *quarantined* where it was placed but at least one impossible value was taken
    out, and *accepted* otherwise. ``rows_in = accepted + quarantined + rejected``.
    """

    rows_in: int
    accepted: int
    quarantined: int
    rejected: int

    def __post_init__(self) -> None:
        if min(self.accepted, self.quarantined, self.rejected) < 0:
            raise ValueError("counts must not be negative")
        if self.rows_in != self.accepted + self.quarantined + self.rejected:
            raise ValueError(f"rows were lost or invented: {self}")

    def sentence(self) -> str:
        """Return ``rows in N = accepted A + quarantined Q + rejected R``."""
        return say(
            "rows in {rows_in:,} = accepted {accepted:,} + quarantined {quarantined:,} + "
            "rejected {rejected:,}",
            rows_in=self.rows_in,
            accepted=self.accepted,
            quarantined=self.quarantined,
            rejected=self.rejected,
        )


class Ledger:
    """Status of every row of a path's tables, and every value that was taken out.

    A row's id counts through all tables; the rows of each table are followed by its broken rows.
    """

    def __init__(self, tables: Sequence[RawTable], mappings: Sequence[FileMapping]) -> None:
        self.tables = tuple(tables)
        self.mappings = tuple(mappings)
        self.starts = np.concatenate([[0], np.cumsum([t.rows for t in tables])]).astype(np.int64)
        self.status = np.zeros(int(self.starts[-1]), dtype=np.uint8)
        self._events: list[tuple[IntArray, str, str]] = []
        self.before: list[tuple[IntArray, str, FloatArray, str]] = []
        """Values taken out before rows were joined: ids, canonical column, values, code."""

    def ids(self, table: int) -> IntArray:
        """Return the ids of a table's well-formed rows."""
        count = self.tables[table].count
        return np.asarray(np.arange(count, dtype=np.int64) + self.starts[table])

    def broken_ids(self, table: int) -> IntArray:
        """Return the ids of a table's rows with a wrong number of cells."""
        raw = self.tables[table]
        first = self.starts[table] + raw.count
        return np.asarray(np.arange(len(raw.broken), dtype=np.int64) + first)

    def reject(self, ids: IntArray, code: str) -> None:
        """Record rows that could not be placed."""
        if len(ids):
            self.status[ids] = REJECTED
            self._events.append((np.asarray(ids, dtype=np.int64), "", code))

    def quarantine(self, ids: IntArray, column: str, code: str) -> None:
        """Record values that were taken out of rows; `column` is a source header or a canonical name."""
        if len(ids):
            self.status[ids] = np.maximum(self.status[ids], QUARANTINED)
            self._events.append((np.asarray(ids, dtype=np.int64), column, code))

    def counts(self) -> RowCounts:
        """Return the counts."""
        found = np.bincount(self.status, minlength=3)
        return RowCounts(
            len(self.status), int(found[ACCEPTED]), int(found[QUARANTINED]), int(found[REJECTED])
        )

    def rows(self) -> pa.Table:
        """Return file, row, column, raw value and code of everything rejected or quarantined."""
        parts = [
            self._part(table, ids[inside], column, code)
            for ids, column, code in self._events
            for table in np.unique(np.searchsorted(self.starts, ids, side="right") - 1)
            for inside in [(ids >= self.starts[table]) & (ids < self.starts[table + 1])]
        ]
        if not parts:
            return QUARANTINE_SCHEMA.empty_table()
        return pa.concat_tables(parts).sort_by(
            [("file", "ascending"), ("row", "ascending"), ("column", "ascending")]
        )

    def _part(self, table: int, ids: IntArray, column: str, code: str) -> pa.Table:
        raw = self.tables[table]
        positions = ids - self.starts[table]
        whole = positions < raw.count
        lines = np.empty(len(ids), dtype=np.int64)
        lines[whole] = raw.line(positions[whole])
        broken = positions[~whole] - raw.count
        lines[~whole] = [raw.broken[i][0] for i in broken]
        sources = self._sources(table, column)
        names = np.full(len(ids), raw.file.name, dtype=object)
        names[whole] = raw.names_of(positions[whole])
        cells = _joined(raw.cells(sources, positions[whole])) + [raw.broken[i][1] for i in broken]
        order = np.argsort(np.concatenate([np.flatnonzero(whole), np.flatnonzero(~whole)]), kind="stable")
        return pa.table(
            {
                "file": pa.array(names, pa.string()),
                "row": pa.array(lines),
                "column": pa.repeat(pa.scalar(" + ".join(sources) if column else ""), len(ids)),
                "raw": pa.array(cells, pa.string()).take(pa.array(order)),
                "code": pa.repeat(pa.scalar(code), len(ids)),
            },
            schema=QUARANTINE_SCHEMA,
        )

    def _sources(self, table: int, column: str) -> tuple[str, ...]:
        if not column:
            return self.tables[table].headers
        if column in self.tables[table].headers and not any(
            c.canonical == column for c in self.mappings[table].column
        ):
            return (column,)
        return tuple(c.source for c in self.mappings[table].column if c.canonical == column) or (column,)


def _joined(cells: pa.Table) -> list[str]:
    texts = [pc.fill_null(c, "") for c in cells.columns]
    if len(texts) == 1:
        return list(texts[0].to_pylist())
    return list(pc.binary_join_element_wise(*texts, " | ").to_pylist())
