"""One table of an input file as it stands there: cells, row numbers, and where the header was found."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.errors import UnrecognisedError
from features.message import say
from features.reading.files import InputFile
from features.reading.mapping import FileMapping
from features.reading.units import find_unit
from features.reading.whole import Whole

IntArray = npt.NDArray[np.int64]
HeaderScore = Callable[[Sequence[str]], float]
"""How much a row of cells looks like a header that we know."""

_NUMBER = re.compile(r"^[+-]?[\d.,' ]*\d[\d.,' ]*([eE][+-]?\d+)?%?$")
_STAMP = re.compile(r"^\d{1,4}[-/.年]\d{1,2}[-/.月]\d{1,4}")

LEAST_NAMED_ROWS = 3
"""Fewest rows that show names of rows without a column name."""


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
    interval_us : int
        Length of a row's interval that the file itself declares [us]; 0: none.
    suspect : mapping of str to numpy.ndarray
        Header -> positions of the rows whose value the file itself calls suspect.
    members : tuple of (InputFile, int)
        Files whose rows follow each other in `data`, and how many each gave; empty: all are of `file`.
    part : str
        What tells this table from the others of its file: a sheet, a point; ``""``: the file is one table.
    of_point : bool
        Whether it holds one point of a long table, or of files of one point each.
    whole : Whole or None
        All rows of a large file; `data` and `lines` then hold the rows by which it is recognised.
    """

    file: InputFile
    layout: FileMapping
    headers: tuple[str, ...]
    unit_cells: tuple[str, ...]
    data: pa.Table
    lines: IntArray
    broken: tuple[tuple[int, str], ...] = ()
    notes: tuple[str, ...] = ()
    interval_us: int = 0
    suspect: Mapping[str, IntArray] = field(default_factory=dict)
    members: tuple[tuple[InputFile, int], ...] = ()
    part: str = ""
    of_point: bool = False
    whole: Whole | None = None

    @property
    def count(self) -> int:
        """Data rows that have the header's number of cells."""
        return self.whole.rows if self.whole is not None else int(self.data.num_rows)

    @property
    def rows(self) -> int:
        """Data rows, the broken ones included."""
        return self.count + len(self.broken)

    def line(self, positions: IntArray) -> IntArray:
        """Return the row numbers in the file of well-formed rows, 1-based."""
        return self.whole.line(positions) if self.whole is not None else self.lines[positions]

    def cells(self, headers: Sequence[str], positions: IntArray) -> pa.Table:
        """Return the cells of some well-formed rows as text; missing cells are null."""
        if self.whole is not None:
            return self.whole.cells(headers, positions)
        some = self.data.select(list(headers)).take(pa.array(positions, pa.int64()))
        return pa.table([c.cast(pa.string()) for c in some.columns], names=list(headers))

    @property
    def files(self) -> tuple[InputFile, ...]:
        """Files that the rows come from."""
        return tuple(file for file, _ in self.members) or (self.file,)

    @property
    def label(self) -> str:
        """Name of the table among tables that are alike: its sheet or point, else its file."""
        return self.part or self.file.stem

    def names_of(self, positions: IntArray) -> list[str]:
        """Return the file name of each row of `data`."""
        if not self.members:
            return [self.file.name] * len(positions)
        ends = np.cumsum([count for _, count in self.members])
        return [self.members[i][0].name for i in np.searchsorted(ends, positions, side="right")]


def layout_of(file: InputFile, **found: object) -> FileMapping:
    """Return the layout of exactly this file."""
    return replace(FileMapping(glob=_escaped(file.name)), **found)  # type: ignore[arg-type]


def _escaped(name: str) -> str:
    """Return a glob that names exactly this file."""
    return re.sub(r"([\[*?])", r"[\1]", name)


def find_header(
    rows: list[tuple[int, list[str]]], score: HeaderScore, layout: FileMapping | None, where: str
) -> tuple[int, list[str]]:
    """Return line and cells of the row of column names: the one that is recognised best.

    Raises
    ------
    UnrecognisedError
        ``E-NO-HEADER``.
    """
    if layout is not None:
        for line, cells in rows:
            if line == layout.header_row:
                return line, _with_row_names(cells, [r for n, r in rows if n > line])
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
    return best[1], _with_row_names(best[2], [r for n, r in rows if n > best[1]])


def _with_row_names(cells: list[str], below: list[list[str]]) -> list[str]:
    """Return the column names with a blank one before them where every row begins with its own name.

    R's ``write.table`` names no column of row names: each row has one cell more than the header.
    """
    longer = all(len(r) == len(cells) + 1 and r[-1].strip() for r in below)
    named = len({r[0] for r in below if r}) == len(below) >= LEAST_NAMED_ROWS
    return ["", *cells] if longer and named and all(c.strip() for c in cells) else cells


def find_units(
    below: list[tuple[int, list[str]]], layout: FileMapping | None, width: int
) -> tuple[int, tuple[str, ...]]:
    """Return line and cells of a row of units below the header; 0 and blanks where there is none."""
    none = ("",) * width
    if not below or (layout is not None and not layout.units_row):
        return 0, none
    line, cells = below[0]
    filled = [c.strip() for c in cells if c.strip()]
    named = sum(find_unit(c) is not None and not _NUMBER.match(c) for c in filled)
    if (layout is not None and layout.units_row == line) or (filled and named >= max(1, 0.6 * len(filled))):
        return line, tuple(c.strip() for c in (cells + [""] * width)[:width])
    return 0, none


def unique_names(cells: Sequence[str]) -> tuple[str, ...]:
    """Return column names: blank ones are numbered, repeated ones told apart."""
    seen: dict[str, int] = {}
    names = []
    for position, cell in enumerate(cells, start=1):
        name = " ".join(cell.replace("\ufeff", "").split()) or f"column {position}"
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(names)


def without_blank_rows(table: pa.Table, lines: IntArray) -> tuple[pa.Table, IntArray]:
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
