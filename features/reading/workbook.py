"""Workbooks, XLSX and XLS -> raw tables: title rows, merged headers, several sheets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta

import numpy as np
import pyarrow as pa
from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from features.errors import UnreadableFileError, UnrecognisedError
from features.message import say
from features.reading import numerals
from features.reading.files import InputFile
from features.reading.mapping import FileMapping
from features.reading.raw import (
    HeaderScore,
    RawTable,
    find_header,
    find_units,
    layout_of,
    unique_names,
    without_blank_rows,
)

_TELEMETRY = 1.4
"""Least score of a further sheet's header: a time and a measurement."""


def read_workbook(file: InputFile, score: HeaderScore, layout: FileMapping | None) -> list[RawTable]:
    """Return the sheets that look like telemetry; the best one first.

    Raises
    ------
    UnreadableFileError, UnrecognisedError
        As `features.reading.tabular.read_tables`.
    """
    where = file.where
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
    joined = [n for n in usable if n in tables and n != best and _belongs(tables[n], tables[best], score)]
    notes = tuple(
        say("sheet {name!r} is not read: {best!r} looks more like telemetry", name=name, best=best)
        for name in usable
        if name != best and name not in joined
    )
    if not joined:
        return [replace(tables[best], notes=notes)]
    parts = [replace(tables[n], part=n) for n in (best, *joined)]
    return [replace(parts[0], notes=notes), *parts[1:]]


def _belongs(sheet: RawTable, best: RawTable, score: HeaderScore) -> bool:
    """Whether a sheet is read beside the best one: it is telemetry itself."""
    alike = sheet.headers == best.headers
    return sheet.rows > 0 and (alike or (score(sheet.headers) >= _TELEMETRY and _holds_numbers(sheet)))


def _holds_numbers(sheet: RawTable) -> bool:
    """Whether any column is mostly numbers: a sheet that lists and explains counters names them too."""
    shares = (np.isfinite(numerals.parse(sheet.data[h], ".").numbers).mean() for h in sheet.headers)
    return any(share > 0.5 for share in shares)


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
    header_line, cells = find_header(
        head, score, layout, say("{path}, sheet {sheet!r}", path=file.where, sheet=sheet)
    )
    unit_line, unit_cells = find_units([r for r in head if r[0] > header_line], layout, len(cells))
    start = max(header_line, unit_line) - first
    used = max(i for i, c in enumerate(cells) if c.strip()) + 1
    headers = unique_names(cells[:used])
    columns = list(zip(*rows[start:], strict=True)) or [()] * used
    table = pa.table(
        {name: _column(list(column)) for name, column in zip(headers, columns[:used], strict=True)}
    )
    lines = np.arange(len(rows) - start, dtype=np.int64) + first + start + 1
    table, lines = without_blank_rows(table, lines)
    return RawTable(
        file,
        layout_of(file, sheet=sheet, header_row=header_line, units_row=unit_line),
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
