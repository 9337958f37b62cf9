"""Cells of one table as keys, stamps and numbers: of a table in memory, or of a file read in pieces."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.errors import DataError
from features.filed import FiledArray, NumberFile
from features.message import say
from features.reading import numerals, timeaxis, undated
from features.reading.draft import no_date
from features.reading.mapping import IGNORE, ColumnMapping, FileMapping, TimeMapping
from features.reading.numerals import BoolArray, FloatArray
from features.reading.raw import RawTable
from features.reading.timeaxis import IntArray, Stamps
from features.reading.whole import NotPlainError, Whole
from features.schema import SCHEMA

MOST_UNREAD = 100_000
"""Rows without a time up to which a large file is read in pieces."""


@dataclass(frozen=True)
class Converted:
    """A column's values in the canonical unit, and the positions of the cells that are no numbers."""

    values: FloatArray | FiledArray
    wrong: IntArray


class Cells(Protocol):
    """The cells of one table."""

    def key(self, header: str) -> pd.Series:
        """Return identifiers as text: 7.0 of a workbook is ``7``, blanks at the ends do not count."""

    def stamps(self) -> Stamps:
        """Return the rows' moments."""

    def wordy(self, positions: IntArray) -> BoolArray:
        """Return which of some rows have no digit in the time column: words such as ``Total``, or nothing."""

    def numbers(self, column: ColumnMapping) -> Converted:
        """Return a column's values."""

    def kept(self, values: FloatArray) -> FloatArray | FiledArray:
        """Return computed values as they are held best."""


def cells_of(raw: RawTable, mapping: FileMapping) -> Cells:
    """Return the cells of a table as its mapping says."""
    return TableCells(raw, mapping) if raw.whole is None else WholeCells(raw.whole, mapping)


def _time_column(
    cells: Mapping[str, pa.ChunkedArray | pa.Array], time: TimeMapping
) -> pa.ChunkedArray | pa.Array:
    columns = [_chunked(cells[c]) for c in time.columns]
    if len(columns) > 2:
        return timeaxis.from_parts(columns)
    return columns[0] if len(columns) == 1 else timeaxis.with_time_of_day(columns[0], columns[1])


def _chunked(column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray:
    return column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])


def _scaled(column: ColumnMapping, numbers: FloatArray) -> FloatArray:
    if column.factor == 1.0 and column.offset == 0.0:
        return numbers
    return numbers * column.factor + column.offset


# -- in memory -----------------------------------------------------------------------------------
class TableCells:
    """The cells of a table in memory."""

    def __init__(self, raw: RawTable, mapping: FileMapping) -> None:
        self._raw, self._mapping = raw, mapping

    def key(self, header: str) -> pd.Series:
        """Return identifiers as text."""
        column = self._raw.data[header]
        if pa.types.is_floating(column.type):
            whole = pc.all(pc.fill_null(pc.equal(pc.floor(column), column), True)).as_py()
            column = column.cast(pa.int64(), safe=False) if whole else column
        text = pc.utf8_trim_whitespace(column.cast(pa.string()))
        text = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
        return pd.Series(text.to_pandas(), dtype="str").reset_index(drop=True)

    def _times(self) -> tuple[TimeMapping, pa.ChunkedArray | pa.Array]:
        time = self._mapping.time
        assert time is not None  # noqa: S101 - only asked of tables with a time
        return time, _time_column({c: self._raw.data[c] for c in time.columns}, time)

    def stamps(self) -> Stamps:
        """Return the rows' moments.

        Raises
        ------
        DataError
            Times of day without a date do not run forward.
        """
        time, column = self._times()
        if not time.date:
            return timeaxis.parse(column, time.order)
        stamps = undated.placed(column, time.date)
        if stamps is None:
            raise no_date(self._raw.file.name, time.columns[0], say("and do not run forward"))
        return stamps

    def wordy(self, positions: IntArray) -> BoolArray:
        """Return which of some rows have no digit in the time column."""
        _, column = self._times()
        return _without_digits(column.take(pa.array(positions)))

    def numbers(self, column: ColumnMapping) -> Converted:
        """Return a column's values, those that the file calls suspect included."""
        found = numerals.parse(self._raw.data[column.source], self._mapping.decimal)
        return Converted(_scaled(column, found.numbers), np.flatnonzero(found.wrong))

    def kept(self, values: FloatArray) -> FloatArray | FiledArray:
        """Return the values."""
        return values


def _without_digits(column: pa.ChunkedArray | pa.Array) -> BoolArray:
    if not pa.types.is_string(column.type):
        return np.asarray(_chunked(pc.is_null(column)).to_numpy())
    digits = pc.fill_null(pc.match_substring_regex(column, "[0-9]"), False)
    return ~np.asarray(_chunked(digits).to_numpy())


# -- in pieces -----------------------------------------------------------------------------------
class WholeCells:
    """The cells of a large file: read once in pieces, numbers converted on the way and kept in files.

    Raises
    ------
    NotPlainError
        A piece is not what the file's first rows promise.
    DataError
        A value overflows in conversion.
    """

    def __init__(self, whole: Whole, mapping: FileMapping) -> None:
        self._whole, self._mapping, self._time = whole, mapping, mapping.time
        used = [c for c in mapping.column if c.canonical != IGNORE]
        self._columns: dict[str, list[ColumnMapping]] = defaultdict(list)
        for column in used:
            if not SCHEMA[column.canonical].text:
                self._columns[column.source].append(column)
        texts = [c.source for c in used if SCHEMA[c.canonical].text]
        keys = [h for h in (mapping.site_column, mapping.unit_column, *texts) if h]
        self._codes = {h: np.full(whole.rows, -1, dtype=np.int32) for h in keys}
        self._labels: dict[str, dict[str, int]] = {h: {} for h in keys}
        self._files = {c: NumberFile() for columns in self._columns.values() for c in columns}
        self._wrong: dict[ColumnMapping, list[IntArray]] = defaultdict(list)
        self._gappy: set[ColumnMapping] = set()
        self._wall = np.full(whole.rows, timeaxis.NAT)
        self._offset: FloatArray | None = None
        self._order = ""
        self._lock = threading.Lock()
        if self._time is not None and self._time.date:
            raise NotPlainError("times of day without a date")
        times = (self._time.columns,) if self._time is not None else ()
        whole.stream([*times, *((h,) for h in keys), *((h,) for h in self._columns)], self._take)

    def _take(self, start: int, cells: Mapping[str, pa.Array]) -> None:
        time = self._time
        if time is not None and time.columns[0] in cells:
            self._take_times(start, cells, time)
        for header, array in cells.items():
            if header in self._codes:
                self._take_key(start, header, array)
            if header in self._columns:
                self._take_numbers(start, header, array)

    def _take_times(self, start: int, cells: Mapping[str, pa.Array], time: TimeMapping) -> None:
        texts = {c: _as_text(cells[c]) for c in time.columns}
        found = timeaxis.parse(_time_column(texts, time), time.order)
        if time.order in ("day-first", "month-first") and np.isnat(found.wall).any():
            raise NotPlainError("the order of day and month does not hold for all rows")
        stop = start + len(found.wall)
        self._wall[start:stop] = found.wall
        if found.offset_s is not None:
            with self._lock:
                if self._offset is None:
                    self._offset = np.full(self._whole.rows, np.nan)
            self._offset[start:stop] = found.offset_s

    def _take_key(self, start: int, header: str, array: pa.Array) -> None:
        if pa.types.is_floating(array.type):
            raise NotPlainError("identifiers are stored as numbers with decimals")
        coded = array if pa.types.is_dictionary(array.type) else array.cast(pa.string()).dictionary_encode()
        names = [None if v is None else str(v).strip() for v in coded.dictionary.to_pylist()]
        with self._lock:
            known = self._labels[header]
            codes = [known.setdefault(n, len(known)) if n else -1 for n in names]
        place = pc.fill_null(coded.indices, len(codes)).to_numpy(zero_copy_only=False)
        self._codes[header][start : start + len(array)] = np.array([*codes, -1], dtype=np.int32)[place]

    def _take_numbers(self, start: int, header: str, array: pa.Array) -> None:
        numbers, wrong = self._parsed(_as_text(array))
        for column in self._columns[header]:
            values = _scaled(column, numbers)
            if values is not numbers and np.isinf(values).any():
                raise overflow(column.canonical)
            self._files[column].write(start, values)
            if not np.isfinite(values).all():
                self._gappy.add(column)
            if len(wrong):
                self._wrong[column].append(wrong + start)

    def _parsed(self, cells: pa.Array) -> tuple[FloatArray, IntArray]:
        """Return a piece's numbers, and which cells are none."""
        if pa.types.is_string(cells.type):
            other = "." if self._mapping.decimal == "," else ","
            if pc.any(pc.match_substring(cells, other)).as_py():
                raise NotPlainError("marks of decimals or thousands")
        elif pa.types.is_float64(cells.type):
            values = cells.to_numpy(zero_copy_only=False)
            if not np.isinf(values).any():
                return values, np.zeros(0, dtype=np.int64)
        found = numerals.parse(cells, self._mapping.decimal)
        return found.numbers, np.flatnonzero(found.wrong)

    def key(self, header: str) -> pd.Series:
        """Return identifiers by number."""
        labels = list(self._labels[header])
        return pd.Series(pd.Categorical.from_codes(self._codes[header], pd.Index(labels, dtype=object)))

    def stamps(self) -> Stamps:
        """Return the rows' moments.

        Raises
        ------
        NotPlainError
            A row is blank, which is no row.
        """
        assert self._time is not None  # noqa: S101 - only asked of tables with a time
        unread = np.flatnonzero(np.isnat(self._wall))
        if len(unread) > MOST_UNREAD:
            raise NotPlainError("many rows without a time")
        if len(unread):
            headers = [*self._time.columns, *self._codes, *self._columns]
            rows = self._whole.cells(list(dict.fromkeys(headers)), unread)
            blank = np.ones(len(unread), dtype=bool)
            for cells in rows.columns:
                filled = pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(pc.fill_null(cells, ""))), 0)
                blank &= ~np.asarray(filled.to_numpy())
            if blank.any():
                raise NotPlainError("blank rows")
        return Stamps(self._wall, self._offset, self._time.order, "")

    def wordy(self, positions: IntArray) -> BoolArray:
        """Return which of some rows have no digit in the time column."""
        assert self._time is not None  # noqa: S101 - only asked of tables with a time
        cells = self._whole.cells(self._time.columns, positions)
        return _without_digits(_time_column({c: cells[c] for c in self._time.columns}, self._time))

    def numbers(self, column: ColumnMapping) -> Converted:
        """Return a column's values."""
        wrong = self._wrong.get(column, [])
        positions = np.sort(np.concatenate(wrong)) if wrong else np.zeros(0, dtype=np.int64)
        complete = column not in self._gappy
        return Converted(FiledArray(self._files[column], 0, self._whole.rows, complete=complete), positions)

    def kept(self, values: FloatArray) -> FloatArray | FiledArray:
        """Return the values in a file of their own."""
        return FiledArray.of(values)


def _as_text(array: pa.Array) -> pa.Array:
    """Return text that is stored by number as text."""
    return array.cast(array.type.value_type) if pa.types.is_dictionary(array.type) else array


def overflow(name: str) -> DataError:
    """Return the refusal of a column whose values overflow in conversion."""
    return DataError(
        "E-TELEMETRY-INF",
        say("{name} overflows in conversion", name=name),
        name,
        say("check the unit of the column"),
    )
