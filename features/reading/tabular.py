"""Input file -> raw tables: cells as they stand in the file, with their row numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import UnreadableFileError
from features.message import Message, say
from features.reading import bulk, points, text
from features.reading.epw import read_epw
from features.reading.files import Form, InputFile, encrypted
from features.reading.headers import STATION_ENERGY, match
from features.reading.mapping import FileMapping
from features.reading.packed import bomb
from features.reading.pm_xml import read_pm
from features.reading.raw import (
    HeaderScore,
    RawTable,
    find_header,
    find_units,
    layout_of,
    unique_names,
    without_blank_rows,
)
from features.reading.whole import NotPlainError, WholeParquet, WholeText
from features.reading.workbook import read_workbook

__all__ = ["HeaderScore", "RawTable", "load_parquet", "parquet_metadata", "read_tables"]

MAX_ROWS = 100_000_000
MAX_COLUMNS = 4_096
MAX_DECODED = 4 * 2**30
"""Most memory that a Parquet file may take once it is decoded [B]."""
LARGE_ROWS = 1_000_000
"""From so many rows on a Parquet file is read in pieces."""
_BATCH = 1 << 17
_Reader = Callable[[InputFile, HeaderScore, FileMapping | None], list[RawTable]]


def read_tables(
    file: InputFile, score: HeaderScore, layout: FileMapping | None = None, *, in_pieces: bool = True
) -> list[RawTable]:
    """Read one input file as raw tables: one, or one per sheet, class of objects or point.

    Parameters
    ----------
    file : InputFile
    score : callable
        How well a row of cells is recognised as a header.
    layout : FileMapping, optional
        Follow this layout exactly instead of recognising it.
    in_pieces : bool
        Whether a large file may stay where it is, with only some rows in memory (`RawTable.whole`).

    Raises
    ------
    UnreadableFileError
        Damaged, of another type or encoding, or empty.
    UnrecognisedError
        No header row.
    """
    if in_pieces and (large := _read_large(file, score, layout)) is not None:
        return [large]
    readers: dict[Form, _Reader] = {
        "text": _read_text,
        "xlsx": read_workbook,
        "xls": read_workbook,
        "parquet": _read_parquet,
        "xml": lambda f, _score, _layout: read_pm(f),
        "epw": lambda f, _score, _layout: [read_epw(f)],
    }
    tables = [t for t in readers[file.form](file, score, layout) if t.rows]
    if not tables:
        raise UnreadableFileError(
            "E-FILE-HEADER-ONLY",
            say("the file has a header and no data row"),
            file.where,
            say("export a period with data"),
        )
    return [part for table in tables for part in points.split(table, score)]


# -- text ----------------------------------------------------------------------------------------
def _read_text(file: InputFile, score: HeaderScore, layout: FileMapping | None) -> list[RawTable]:
    body = text.load(file.path, layout.encoding if layout else "", file.where)
    delimiter, declared = text.sniff_delimiter(body)
    if layout and layout.delimiter:
        delimiter = layout.delimiter
    rows = [(line, cells) for line, cells in text.head_rows(body, delimiter) if line > declared]
    header_line, cells = find_header(rows, score, layout, file.where)
    unit_line, unit_cells = find_units([r for r in rows if r[0] > header_line], layout, len(cells))
    found = text.read_cells(file.path, body, delimiter, len(cells), max(header_line, unit_line), file.where)
    headers = unique_names(cells)
    table, lines = without_blank_rows(found.table.rename_columns(list(headers)), found.lines)
    layout = layout_of(
        file, encoding=body.encoding, delimiter=delimiter, header_row=header_line, units_row=unit_line
    )
    return [RawTable(file, layout, headers, unit_cells, table, lines, found.broken)]


# -- large files ---------------------------------------------------------------------------------
def _read_large(file: InputFile, score: HeaderScore, layout: FileMapping | None) -> RawTable | None:
    """Return a large plain file by some of its rows; None where every row has to be in memory."""
    try:
        if file.form == "text":
            table = _large_text(file, score, layout)
        else:
            table = _large_parquet(file) if file.form == "parquet" else None
    except NotPlainError:
        return None
    if table is None or points.split(table, score)[0] is not table:  # one point, or several, are taken apart
        return None
    return table


def _large_text(file: InputFile, score: HeaderScore, layout: FileMapping | None) -> RawTable | None:
    if file.path.stat().st_size < bulk.LARGE:
        return None
    known = bulk.scan(file.path)
    if known is None or (layout is not None and layout.encoding not in ("", known.head.encoding)):
        return None
    delimiter, declared = text.sniff_delimiter(known.head)
    delimiter = layout.delimiter if layout and layout.delimiter else delimiter
    rows = [(line, cells) for line, cells in text.head_rows(known.head, delimiter) if line > declared]
    header_line, cells = find_header(rows, score, layout, file.where)
    unit_line, unit_cells = find_units([r for r in rows if r[0] > header_line], layout, len(cells))
    skip = max(header_line, unit_line)
    matched = [match(c) for c in cells]
    keys = [m is not None and m.canonical.startswith("@") and m.canonical != STATION_ENERGY for m in matched]
    first = [r for line, r in rows if line > skip]
    pieces, count = bulk.below(file.path, known, skip)
    headers = unique_names(cells)
    numbers = bulk.numeric(first, len(cells), keys)
    whole = WholeText(file.path, pieces, count, skip, delimiter, headers, numbers, quoted=known.quoted)
    data, positions = whole.sample()
    layout = layout_of(
        file, encoding=known.head.encoding, delimiter=delimiter, header_row=header_line, units_row=unit_line
    )
    return RawTable(file, layout, headers, unit_cells, data, whole.line(positions), whole=whole)


def _large_parquet(file: InputFile) -> RawTable | None:
    try:
        parquet = pq.ParquetFile(file.path)
        about, schema = parquet.metadata, parquet.schema_arrow
        parquet.close()
    except (pa.ArrowException, OSError, ValueError):
        return None  # reading all of it says what is wrong
    if about.num_rows < LARGE_ROWS or about.num_rows > MAX_ROWS or len(set(schema.names)) < len(schema.names):
        return None
    if any(pa.types.is_nested(f.type) or pa.types.is_binary(f.type) for f in schema):
        return None
    headers = unique_names(schema.names)
    whole = WholeParquet(file.path, dict(zip(headers, schema.names, strict=True)), _plain)
    data, positions = whole.sample()
    none = ("",) * len(headers)
    layout = layout_of(file, header_row=0)
    return RawTable(file, layout, headers, none, data, whole.line(positions), whole=whole)


# -- Parquet -------------------------------------------------------------------------------------
def _read_parquet(file: InputFile, _score: HeaderScore, _given: FileMapping | None) -> list[RawTable]:
    table = load_parquet(file)
    flat = [f for f in table.schema if not pa.types.is_nested(f.type) and not pa.types.is_binary(f.type)]
    dropped = [f.name for f in table.schema if f not in flat]
    table = table.select([f.name for f in flat])
    arrays = [_plain(c) for c in table.columns]
    headers = unique_names(table.column_names)
    notes = (
        (
            say(
                "columns of a nested or binary type are not read: {dropped}",
                dropped=Message.joined(", ", dropped),
            ),
        )
        if dropped
        else ()
    )
    plain = pa.table(dict(zip(headers, arrays, strict=True)))
    lines = np.arange(1, plain.num_rows + 1, dtype=np.int64)
    none = ("",) * len(headers)
    return [RawTable(file, layout_of(file, header_row=0), headers, none, plain, lines, (), notes)]


def load_parquet(file: InputFile) -> pa.Table:
    """Read a Parquet file with its page checksums verified.

    Raises
    ------
    UnreadableFileError
        ``E-FILE-DAMAGED``, or ``E-FILE-BOMB``: it would take more memory than any export.
    """
    try:
        parquet = pq.ParquetFile(file.path, page_checksum_verification=True)
        _check_footer(parquet, file)
        names = parquet.schema_arrow.names
        if len(set(names)) != len(names):
            raise UnreadableFileError(
                "E-FILE-DAMAGED",
                say("two columns have the same name"),
                file.where,
                say("name the columns apart"),
            )
        return _decoded(parquet, file)
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, UnreadableFileError | MemoryError):
            raise
        if "decrypt" in str(error).lower():
            raise encrypted(file.where) from None
        raise UnreadableFileError(
            "E-FILE-DAMAGED",
            say("the Parquet file is damaged: {error}", error=str(error)[:300]),
            file.where,
            say("copy or export it again"),
        ) from None


def _check_footer(parquet: pq.ParquetFile, file: InputFile) -> None:
    """Refuse by rows and columns: the sizes in bytes that a footer claims say nothing."""
    about = parquet.metadata
    width = sum(_width(f.type) for f in parquet.schema_arrow)
    if about.num_columns > MAX_COLUMNS:
        raise bomb(file.where, say("it has {count:,} columns", count=about.num_columns))
    if about.num_rows > MAX_ROWS or about.num_rows * width > MAX_DECODED:
        raise bomb(
            file.where,
            say("{size:,} bytes hold {rows:,} rows", size=file.path.stat().st_size, rows=about.num_rows),
        )


def _width(kind: pa.DataType) -> int:
    """Return the least bytes of a decoded value."""
    try:
        return max(int(kind.bit_width) // 8, 1)
    except ValueError:
        return 16  # text, nested: an offset and something


def _decoded(parquet: pq.ParquetFile, file: InputFile) -> pa.Table:
    """Decode piece by piece and count: a dictionary can hold few long texts for very many rows."""
    if not any(pa.types.is_large_string(f.type) or _width(f.type) == 16 for f in parquet.schema_arrow):
        return parquet.read()
    total, batches = 0, []
    for batch in parquet.iter_batches(batch_size=_BATCH):
        total += batch.nbytes
        if total > MAX_DECODED:
            raise bomb(file.where, say("{rows:,} rows take too much memory", rows=parquet.metadata.num_rows))
        batches.append(batch)
    return pa.Table.from_batches(batches, parquet.schema_arrow)


def parquet_metadata(file: InputFile) -> dict[bytes, bytes]:
    """Return the key-value metadata of a Parquet file; empty where it cannot be read."""
    try:
        return dict(pq.read_schema(file.path).metadata or {})
    except (pa.ArrowException, OSError, ValueError):
        return {}  # reading the file will say what is wrong with it


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.cast(kind.value_type))
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string())
    if pa.types.is_date(kind):
        return column.cast(pa.timestamp("us"))
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        return column.cast(pa.string()) if pa.types.is_time(kind) else column.cast(pa.int64())
    return column
