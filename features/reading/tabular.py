"""Input file -> raw table: cells as they stand in the file, with their row numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from features.errors import UnreadableFileError, UnrecognisedError
from features.message import Message, say
from features.reading import text
from features.reading.files import InputFile
from features.reading.mapping import FileMapping
from features.reading.units import find_unit

HeaderScore = Callable[[Sequence[str]], float]
"""How much a row of cells looks like a header that we know."""

_NUMBER = re.compile(r"^[+-]?[\d.,' ]*\d[\d.,' ]*([eE][+-]?\d+)?%?$")
_STAMP = re.compile(r"^\d{1,4}[-/.年]\d{1,2}[-/.月]\d{1,4}")


@dataclass(frozen=True)
class RawTable:
    """One table of an input file.

    Parameters
    ----------
    file : InputFile
    layout : FileMapping
        Encoding, delimiter, sheet, header and unit rows as found (or as the mapping says).
    headers : tuple of str
        Unique, in order; the data's column names.
    unit_cells : tuple of str
        Units from a row below the header; ``""`` where there is none.
    data : pyarrow.Table, shape (rows, headers)
        Text, numbers or timestamps, as the file holds them.
    lines : numpy.ndarray, shape (rows,)
        Row numbers in the file, 1-based.
    broken : tuple of (int, str)
        Rows (line, text) whose number of cells differs from the header's.
    notes : tuple of str
        What was left out (other sheets) and why.
    """

    file: InputFile
    layout: FileMapping
    headers: tuple[str, ...]
    unit_cells: tuple[str, ...]
    data: pa.Table
    lines: npt.NDArray[np.int64]
    broken: tuple[tuple[int, str], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Data rows, the broken ones included."""
        return int(self.data.num_rows) + len(self.broken)


def read_table(file: InputFile, score: HeaderScore, layout: FileMapping | None = None) -> RawTable:
    """Read one input file as a raw table.

    Parameters
    ----------
    file : InputFile
    score : callable
        How well a row of cells is recognised as a header.
    layout : FileMapping, optional
        Follow this layout exactly instead of recognising it.

    Raises
    ------
    UnreadableFileError
        Damaged, of another type or encoding, or empty.
    UnrecognisedError
        No header row.
    """
    reader = {"text": _read_text, "xlsx": _read_workbook, "xls": _read_workbook, "parquet": _read_parquet}
    table = reader[file.form](file, score, layout)
    if table.rows == 0:
        raise UnreadableFileError(
            "E-FILE-HEADER-ONLY",
            say("the file has a header and no data row"),
            str(file.path),
            say("export a period with data"),
        )
    return table


# -- text ----------------------------------------------------------------------------------------
def _read_text(file: InputFile, score: HeaderScore, layout: FileMapping | None) -> RawTable:
    body = text.load(file.path, layout.encoding if layout else "")
    delimiter, declared = text.sniff_delimiter(body)
    if layout and layout.delimiter:
        delimiter = layout.delimiter
    rows = [(line, cells) for line, cells in text.head_rows(body, delimiter) if line > declared]
    header_line, cells = _find_header(rows, score, layout, str(file.path))
    unit_line, unit_cells = _find_units([r for r in rows if r[0] > header_line], layout, len(cells))
    found = text.read_cells(file.path, body, delimiter, len(cells), max(header_line, unit_line))
    headers = _unique(cells)
    table, lines = _without_blank_rows(found.table.rename_columns(list(headers)), found.lines)
    return RawTable(
        file,
        _layout(
            file, encoding=body.encoding, delimiter=delimiter, header_row=header_line, units_row=unit_line
        ),
        headers,
        unit_cells,
        table,
        lines,
        found.broken,
    )


def _layout(file: InputFile, **found: object) -> FileMapping:
    return replace(FileMapping(glob=_escaped(file.name)), **found)  # type: ignore[arg-type]


def _escaped(name: str) -> str:
    """Return a glob that names exactly this file."""
    return re.sub(r"([\[*?])", r"[\1]", name)


def _find_header(
    rows: list[tuple[int, list[str]]], score: HeaderScore, layout: FileMapping | None, where: str
) -> tuple[int, list[str]]:
    if layout is not None:
        for line, cells in rows:
            if line == layout.header_row:
                return line, cells
        raise UnrecognisedError(
            "E-NO-HEADER",
            say("row {row} is not among the first rows", row=layout.header_row),
            where,
            say("correct header_row"),
        )
    width = max((sum(bool(c.strip()) for c in cells) for _, cells in rows), default=0)
    best: tuple[float, int, list[str]] | None = None
    for line, cells in rows[:40]:
        filled = [c for c in cells if c.strip()]
        numbers = sum(bool(_NUMBER.match(c.strip()) or _STAMP.match(c.strip())) for c in filled)
        if len(filled) < max(1, 0.5 * width) or numbers > 0.2 * len(filled):
            continue
        value = score(cells)
        if best is None or value > best[0]:
            best = (value, line, cells)
    if best is None:
        first = ", ".join(rows[0][1])[:120] if rows else ""
        raise UnrecognisedError(
            "E-NO-HEADER",
            say("no row of column names among the first rows; the first is: {first}", first=first),
            where,
            say("add a row with column names"),
        )
    cells = best[2]
    return best[1], cells


def _find_units(
    below: list[tuple[int, list[str]]], layout: FileMapping | None, width: int
) -> tuple[int, tuple[str, ...]]:
    none = ("",) * width
    if not below or (layout is not None and not layout.units_row):
        return 0, none
    line, cells = below[0]
    filled = [c.strip() for c in cells if c.strip()]
    named = sum(find_unit(c) is not None and not _NUMBER.match(c) for c in filled)
    if (layout is not None and layout.units_row == line) or (filled and named >= max(1, 0.6 * len(filled))):
        return line, tuple(c.strip() for c in (cells + [""] * width)[:width])
    return 0, none


def _unique(cells: Sequence[str]) -> tuple[str, ...]:
    seen: dict[str, int] = {}
    names = []
    for position, cell in enumerate(cells, start=1):
        name = " ".join(cell.replace("\ufeff", "").split()) or f"column {position}"
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(names)


def _without_blank_rows(
    table: pa.Table, lines: npt.NDArray[np.int64]
) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """Leave out rows without any content: they are no data rows."""
    blank = np.ones(table.num_rows, dtype=bool)
    for column in table.columns:
        filled = pc.is_valid(column)
        if pa.types.is_string(column.type):
            filled = pc.and_(filled, pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(column)), 0))
        blank &= ~pc.fill_null(filled, False).to_numpy()
        if not blank.any():
            return table, lines
    return table.filter(pa.array(~blank)), lines[~blank]


# -- workbooks -----------------------------------------------------------------------------------
def _read_workbook(file: InputFile, score: HeaderScore, layout: FileMapping | None) -> RawTable:
    where = str(file.path)
    try:
        workbook = CalamineWorkbook.from_path(file.path)
        sheets = [
            s.name
            for s in workbook.sheets_metadata
            if s.typ == SheetTypeEnum.WorkSheet and s.visible == SheetVisibleEnum.Visible
        ]
        wanted = [layout.sheet] if layout and layout.sheet else sheets
        grids = {name: workbook.get_sheet_by_name(name) for name in wanted}
        found = {name: (sheet.start or (0, 0), sheet.to_python()) for name, sheet in grids.items()}
    except (CalamineError, OSError, ValueError) as error:
        code = "E-FILE-PASSWORD" if "assword" in str(error) else "E-FILE-DAMAGED"
        raise UnreadableFileError(
            code,
            say("the workbook cannot be read: {error}", error=error),
            where,
            say("save it again without password, or as CSV"),
        ) from None
    usable = {name: (start, rows) for name, (start, rows) in found.items() if len(rows) > 0}
    if not usable:
        raise UnreadableFileError(
            "E-FILE-EMPTY", say("the workbook has no visible sheet with cells"), where, say("export again")
        )
    tables: dict[str, RawTable] = {}
    problem: UnrecognisedError | None = None
    for name, (start, rows) in usable.items():
        try:
            tables[name] = _sheet_table(file, name, (start[0], rows), score, layout)
        except UnrecognisedError as error:
            problem = error
    if not tables:
        assert problem is not None  # noqa: S101 - no table means that each sheet raised
        raise problem
    best = max(tables, key=lambda n: (score(tables[n].headers), tables[n].rows))
    notes = tuple(
        say("sheet {name!r} is not read: {best!r} looks more like telemetry", name=name, best=best)
        for name in usable
        if name != best
    )
    return replace(tables[best], notes=notes)


def _sheet_table(
    file: InputFile,
    sheet: str,
    grid: tuple[int, Sequence[Sequence[object]]],
    score: HeaderScore,
    layout: FileMapping | None,
) -> RawTable:
    first, rows = grid
    head = [(first + i + 1, [_as_text(c) for c in row]) for i, row in enumerate(rows[:60])]
    head = [(line, cells) for line, cells in head if any(cells)]
    header_line, cells = _find_header(
        head, score, layout, say("{path}, sheet {sheet!r}", path=file.path, sheet=sheet)
    )
    unit_line, unit_cells = _find_units([r for r in head if r[0] > header_line], layout, len(cells))
    start = max(header_line, unit_line) - first
    used = max(i for i, c in enumerate(cells) if c.strip()) + 1
    headers = _unique(cells[:used])
    columns = list(zip(*rows[start:], strict=True)) or [()] * used
    table = pa.table(
        {name: _column(list(column)) for name, column in zip(headers, columns[:used], strict=True)}
    )
    lines = np.arange(len(rows) - start, dtype=np.int64) + first + start + 1
    table, lines = _without_blank_rows(table, lines)
    return RawTable(
        file,
        _layout(file, sheet=sheet, header_row=header_line, units_row=unit_line),
        headers,
        unit_cells[:used],
        table,
        lines,
    )


def _column(cells: list[object]) -> pa.Array:
    """Return a sheet's column in the narrowest type that holds every cell."""
    filled = [None if c == "" else c for c in cells]
    types = {type(c) for c in filled if c is not None}
    if types and types <= {float, int}:
        return pa.array(filled, pa.float64())
    if types in ({datetime}, {date}, {datetime, date}):
        midnight = time()
        moments = [datetime.combine(c, midnight) if type(c) is date else c for c in filled]
        return pa.array(moments, pa.timestamp("us"))
    return pa.array([None if c is None else _as_text(c) for c in filled], pa.string())


def _as_text(cell: object) -> str:
    if isinstance(cell, bool):
        return "1" if cell else "0"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, (date, time, timedelta)):
        return str(cell)
    return str(cell)


# -- Parquet -------------------------------------------------------------------------------------
def _read_parquet(file: InputFile, _score: HeaderScore, _layout_given: FileMapping | None) -> RawTable:
    table = load_parquet(file)
    flat = [f for f in table.schema if not pa.types.is_nested(f.type) and not pa.types.is_binary(f.type)]
    dropped = [f.name for f in table.schema if f not in flat]
    table = table.select([f.name for f in flat])
    arrays = [_plain(c) for c in table.columns]
    headers = _unique(table.column_names)
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
    return RawTable(
        file,
        _layout(file, header_row=0),
        headers,
        ("",) * len(headers),
        plain,
        np.arange(1, plain.num_rows + 1, dtype=np.int64),
        (),
        notes,
    )


def load_parquet(file: InputFile) -> pa.Table:
    """Read a Parquet file with its page checksums verified.

    Raises
    ------
    UnreadableFileError
        The file is damaged.
    """
    try:
        parquet = pq.ParquetFile(file.path, page_checksum_verification=True)
        names = parquet.schema_arrow.names
        if len(set(names)) != len(names):
            raise UnreadableFileError(
                "E-FILE-DAMAGED",
                say("two columns have the same name"),
                str(file.path),
                say("name the columns apart"),
            )
        return parquet.read()
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, UnreadableFileError):
            raise
        raise UnreadableFileError(
            "E-FILE-DAMAGED",
            say("the Parquet file is damaged: {error}", error=error),
            str(file.path),
            say("copy or export it again"),
        ) from None


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
