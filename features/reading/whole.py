"""All rows of a large file, read in pieces by several threads: what is in memory at once stays small.

A text file is cut at line ends into pieces that are parsed beside each other; a Parquet file is read column
by column. What such a file cannot promise from its first rows (numbers with commas, rows of other widths,
blank rows) ends in `NotPlainError`: the reader that looks at every cell then says what is wrong and where.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from features.reading.numerals import MISSING
from features.threads import in_threads

IntArray = npt.NDArray[np.int64]
Take = Callable[[int, Mapping[str, pa.Array]], None]
"""Takes the first row's position and, per header, the piece's cells; called from several threads."""
SAMPLES, SAMPLE_ROWS = 16, 8_192
"""Stretches of neighbouring rows by which a large file is recognised."""
MOST_TEXT = 256
"""Longest text of a Parquet file that is read in pieces, on average over a column's distinct texts [B]."""
BATCH = 1 << 17
_LINE_FEED, _QUOTE = 10, 34
_NULLS = sorted({"", *MISSING, *(w.upper() for w in MISSING), "NaN", "None", "Null"})


class NotPlainError(Exception):
    """The file is not what its first rows promise: it has to be looked at cell by cell."""


class Whole(Protocol):
    """All rows of a large file."""

    rows: int
    """Data rows."""

    def stream(self, together: Sequence[tuple[str, ...]], take: Take) -> None:
        """Give all cells of columns to `take`, piece by piece; columns of one tuple come together."""

    def cells(self, headers: Sequence[str], positions: IntArray) -> pa.Table:
        """Return the cells of some rows (positions from 0) as text."""

    def line(self, positions: IntArray) -> IntArray:
        """Return the row numbers in the file, 1-based."""


def stretches(rows: int) -> list[tuple[int, int]]:
    """Return first and end row of the stretches by which a large file is recognised."""
    if rows <= SAMPLES * SAMPLE_ROWS:
        return [(0, rows)]
    return [(int(s), int(s) + SAMPLE_ROWS) for s in np.linspace(0, rows - SAMPLE_ROWS, SAMPLES).astype(int)]


def positions_of(parts: Sequence[tuple[int, int]]) -> IntArray:
    """Return the positions of the rows of some stretches."""
    return np.concatenate([np.arange(a, b, dtype=np.int64) for a, b in parts])


# -- text ----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Piece:
    """Bytes of a text file that end with a line: where they stand, and the position of their first row."""

    offset: int
    size: int
    row: int


class WholeText:
    """A large plain text file.

    Parameters
    ----------
    path : pathlib.Path
    pieces : sequence of Piece
        Of the rows below the header, in order.
    rows : int
    skip : int
        Lines above the data.
    delimiter : str
    headers : sequence of str
    numbers : sequence of bool, shape (headers,)
        Columns to read as numbers where they are numbers; the others are text.
    encoding : str
        One in which a byte below 64 always is the ASCII sign.
    quoted : bool
        Whether quotes stand in the file.
    """

    def __init__(
        self,
        path: Path,
        pieces: Sequence[Piece],
        rows: int,
        skip: int,
        delimiter: str,
        headers: Sequence[str],
        numbers: Sequence[bool],
        *,
        encoding: str = "utf-8",
        quoted: bool = False,
    ) -> None:
        self._encoding = encoding
        self._path, self._pieces, self._skip, self._quoted = path, tuple(pieces), skip, quoted
        self._delimiter, self._headers = delimiter, list(headers)
        self._numbers = {h for h, n in zip(headers, numbers, strict=True) if n}
        self.rows = rows

    def line(self, positions: IntArray) -> IntArray:
        """Return the row numbers in the file, 1-based."""
        return positions + (self._skip + 1)

    def stream(self, together: Sequence[tuple[str, ...]], take: Take) -> None:
        """Give all cells of columns to `take`, piece by piece."""
        wanted = list(dict.fromkeys(h for group in together for h in group))

        def job(piece: Piece) -> Callable[[], None]:
            def run() -> None:
                table = self._parsed(self._bytes(piece), wanted)
                if piece.row + table.num_rows != self._end(piece):
                    raise NotPlainError("a blank line")
                take(piece.row, {h: table[h].combine_chunks() for h in wanted})

            return run

        in_threads(job(p) for p in self._pieces)

    def cells(self, headers: Sequence[str], positions: IntArray) -> pa.Table:
        """Return the cells of some rows as text."""
        if not len(positions):
            return pa.table({h: pa.array([], pa.string()) for h in headers})
        starts = np.array([p.row for p in self._pieces])
        owner = np.searchsorted(starts, positions, side="right") - 1
        lines = np.empty(len(positions), dtype=object)

        def job(number: int) -> Callable[[], None]:
            def run() -> None:
                piece = self._pieces[number]
                data = self._bytes(piece)
                edges = _edges(data)
                for at in np.flatnonzero(owner == number).tolist():  # rows taken out: few of many
                    row = int(positions[at]) - piece.row
                    lines[at] = data[edges[row] : edges[row + 1]].rstrip(b"\r\n") + b"\n"

            return run

        in_threads(job(n) for n in np.unique(owner).tolist())
        return self._read(b"".join(lines), list(headers), frozenset())

    def sample(self) -> tuple[pa.Table, IntArray]:
        """Return the rows by which the file is recognised, and their positions."""
        parts = stretches(self.rows)
        tables = [self._rows(start, stop) for start, stop in parts]
        text = {f.name for t in tables for f in t.schema if pa.types.is_string(f.type)}
        alike = [
            pa.table({h: t[h].cast(pa.string()) if h in text else t[h] for h in self._headers})
            for t in tables
        ]
        return pa.concat_tables(alike), positions_of(parts)

    def _rows(self, start: int, stop: int) -> pa.Table:
        """Return some rows."""
        inside = [p for p in self._pieces if p.row < stop and self._end(p) > start]
        data = b"".join(self._bytes(p) for p in inside)
        edges = _edges(data)
        first = inside[0].row
        return self._parsed(data[edges[start - first] : edges[stop - first]], self._headers)

    def _end(self, piece: Piece) -> int:
        following = self._pieces.index(piece) + 1
        return self._pieces[following].row if following < len(self._pieces) else self.rows

    def _bytes(self, piece: Piece) -> bytes:
        with self._path.open("rb") as stream:
            stream.seek(piece.offset)
            data = stream.read(piece.size)
        if self._encoding in ("utf-8", "utf-8-sig"):
            return data
        try:
            return data.decode(self._encoding).encode()
        except UnicodeDecodeError as error:
            raise NotPlainError(str(error)) from None

    def _parsed(self, data: bytes, wanted: list[str]) -> pa.Table:
        """Return typed columns; those that hold other cells than numbers come as text."""
        if self._quoted and _encloses_line_ends(data):
            raise NotPlainError("a line end between quotes")
        try:
            return self._read(data, wanted, self._numbers)
        except pa.ArrowInvalid:
            pass
        try:
            return self._read(data, wanted, frozenset())
        except pa.ArrowInvalid as error:
            raise NotPlainError(str(error)) from None

    def _read(self, data: bytes, wanted: list[str], numbers: frozenset[str] | set[str]) -> pa.Table:
        types = {h: pa.float64() if h in numbers else pa.string() for h in wanted}
        return pacsv.read_csv(
            pa.BufferReader(data),
            read_options=pacsv.ReadOptions(
                column_names=self._headers, use_threads=False, block_size=len(data) + 1
            ),
            parse_options=pacsv.ParseOptions(
                delimiter=self._delimiter, quote_char='"' if self._quoted else False, ignore_empty_lines=False
            ),
            convert_options=pacsv.ConvertOptions(
                column_types=types, include_columns=wanted, null_values=_NULLS, strings_can_be_null=False
            ),
        )


def _encloses_line_ends(data: bytes) -> bool:
    """Whether a line ends between quotes: an odd number of them stands before its end."""
    signs = np.frombuffer(data, dtype=np.uint8)
    quotes = np.flatnonzero(signs == _QUOTE)
    ends = np.append(np.flatnonzero(signs == _LINE_FEED), len(data))
    return bool((np.searchsorted(quotes, ends) % 2).any())


def _edges(data: bytes) -> IntArray:
    """Return where lines begin, and the end of the last one, which may lack its line feed."""
    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == _LINE_FEED) + 1
    return np.concatenate([[0], ends, [len(data)]]).astype(np.int64)


# -- Parquet -------------------------------------------------------------------------------------
class WholeParquet:
    """A large Parquet file of plain columns.

    Parameters
    ----------
    path : pathlib.Path
    headers : mapping of str to str
        Header -> name of the column in the file.
    plain : callable
        Turns a column as it is stored into text, numbers or stamps.
    """

    def __init__(
        self, path: Path, headers: Mapping[str, str], plain: Callable[[pa.ChunkedArray], pa.ChunkedArray]
    ) -> None:
        self._path, self._headers, self._plain = path, dict(headers), plain
        about = pq.ParquetFile(path)
        self.rows = int(about.metadata.num_rows)
        kinds = {f.name: f.type for f in about.schema_arrow}
        self._texts = [n for n, t in kinds.items() if pa.types.is_string(t) or pa.types.is_large_string(t)]
        about.close()

    def line(self, positions: IntArray) -> IntArray:
        """Return the row numbers, 1-based."""
        return positions + 1

    def stream(self, together: Sequence[tuple[str, ...]], take: Take) -> None:
        """Give all cells of columns to `take`, piece by piece."""

        def job(group: tuple[str, ...]) -> Callable[[], None]:
            def run() -> None:
                names = [self._headers[h] for h in group]
                with self._open() as parquet:
                    start = 0
                    for batch in parquet.iter_batches(batch_size=BATCH, columns=names, use_threads=False):
                        _check_texts(batch)
                        take(start, self._named(pa.Table.from_batches([batch]), group))
                        start += batch.num_rows

            return run

        in_threads(job(g) for g in together)

    def cells(self, headers: Sequence[str], positions: IntArray) -> pa.Table:
        """Return the cells of some rows as text; the positions ascend."""
        found: dict[str, pa.ChunkedArray] = {}
        with self._open() as parquet:
            for header in headers:
                name = self._headers[header]
                kept, start = [], 0
                for batch in parquet.iter_batches(batch_size=BATCH, columns=[name]):
                    low, high = np.searchsorted(positions, (start, start + batch.num_rows))
                    kept.append(batch[name].take(pa.array(positions[low:high] - start)))
                    start += batch.num_rows
                found[header] = self._plain(pa.chunked_array(kept)).cast(pa.string())
        return pa.table(found)

    def sample(self) -> tuple[pa.Table, IntArray]:
        """Return the rows by which the file is recognised, and their positions."""
        parts = stretches(self.rows)
        with self._open() as parquet:
            sizes = [parquet.metadata.row_group(i).num_rows for i in range(parquet.metadata.num_row_groups)]
            ends = np.cumsum(sizes)
            tables = []
            for start, stop in parts:
                inside = np.flatnonzero((ends > start) & (ends - sizes < stop)).tolist()
                first = int(ends[inside[0]]) - sizes[inside[0]]
                table = self._rows(parquet, inside, start - first, stop - first)
                tables.append(pa.table(self._named(table, tuple(self._headers))))
        return pa.concat_tables(tables), positions_of(parts)

    def _rows(self, parquet: pq.ParquetFile, groups: list[int], start: int, stop: int) -> pa.Table:
        """Return some rows of row groups, which may themselves be larger than memory."""
        batches, seen = [], 0
        for batch in parquet.iter_batches(
            batch_size=1 << 16, row_groups=groups, columns=list(self._headers.values())
        ):
            low, high = max(start - seen, 0), min(stop - seen, batch.num_rows)
            if low < high:
                batches.append(batch.slice(low, high - low))
            seen += batch.num_rows
            if seen >= stop:
                break
        return pa.Table.from_batches(batches)

    def _named(self, table: pa.Table, headers: Sequence[str]) -> dict[str, pa.Array]:
        return {h: self._plain(table[self._headers[h]]).combine_chunks() for h in headers}

    @contextmanager
    def _open(self) -> Iterator[pq.ParquetFile]:
        """Open the file; what cannot be decoded is for the reader that says what is wrong."""
        try:
            with pq.ParquetFile(
                self._path, page_checksum_verification=True, pre_buffer=False, read_dictionary=self._texts
            ) as parquet:
                yield parquet
        except (pa.ArrowException, OSError) as error:
            raise NotPlainError(str(error)) from None


def _check_texts(batch: pa.RecordBatch) -> None:
    """Refuse long texts: few of them in a dictionary can stand in very many rows."""
    for column in batch.columns:
        if pa.types.is_dictionary(column.type) and column.dictionary.nbytes > MOST_TEXT * (
            len(column.dictionary) + 1
        ):
            raise NotPlainError("long texts")
