"""Text cells to numbers: the decimal mark is a fact of the file, decided by evidence or asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Mark = Literal[".", ","]

MISSING = frozenset(
    {"", "nan", "na", "n/a", "null", "none", "-", "--", "---", "...", "..", "#n/a", "<na>", "nil", "无", "空"}
)
"""Cells (lower case, trimmed) that say "not measured"; every other non-number is an error of the data."""

_PLAIN = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_COMMA_DECIMAL = (
    r"^[+-]?[0-9]+,([0-9]{1,2}|[0-9]{4,})$|^[+-]?0,[0-9]{3}$"
    r"|^[+-]?[0-9]{1,3}(\.[0-9]{3})+,[0-9]+$|^[+-]?[0-9]{4,},[0-9]{3}$"
    r"|^[+-]?[0-9]{1,3}([ '’][0-9]{3})+,[0-9]+$"
)
_COMMA_GROUPS = r"^[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+\.[0-9]*$|^[+-]?[1-9][0-9]{0,2}(,[0-9]{3}){2,}$"
_POINT_DECIMAL = (
    r"^[+-]?[0-9]*\.([0-9]{1,2}|[0-9]{4,})([eE][+-]?[0-9]+)?$|^[+-]?0\.[0-9]{3}$|^[+-]?[0-9]{4,}\.[0-9]{3}$"
    r"|^[+-]?[0-9]{1,3}([ '’][0-9]{3})+\.[0-9]+$"
)
_DOUBTFUL_COMMA = r"^[+-]?[1-9][0-9]{0,2},[0-9]{3}$"
_SPACE_GROUPS = r"^[+-]?[0-9]{1,3}([ '’][0-9]{3})+([.,][0-9]+)?$"


@dataclass(frozen=True)
class Marks:
    """What a column's cells say about the decimal mark (counts of cells)."""

    comma_decimal: int
    point_decimal: int
    comma_groups: int
    doubtful_comma: int
    example: str = ""


@dataclass(frozen=True)
class Numbers:
    """A column as numbers.

    ``numbers`` are NaN where missing or wrong; ``wrong`` marks cells that are neither a number nor
    a mark of a missing value.
    """

    numbers: FloatArray
    wrong: BoolArray


def cleaned(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return text cells trimmed, full-width digits and special spaces made plain; missing is null."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_string(array.type):
        array = array.cast(pa.string())
    if not pc.all(pc.fill_null(pc.string_is_ascii(array), True)).as_py():
        array = pc.utf8_normalize(array, form="NFKC")
        array = pc.replace_substring_regex(array, "[\u00a0\u2007\u202f\u2009]", " ")
        array = pc.replace_substring(array, "\u2212", "-")
    array = pc.utf8_trim_whitespace(array)
    missing = pc.is_in(pc.utf8_lower(array), pa.array(sorted(MISSING)))
    return pc.if_else(missing, pa.scalar(None, pa.string()), array)


def marks(column: pa.ChunkedArray | pa.Array) -> Marks:
    """Return what a column's cells say about the decimal mark."""
    if not _is_text(column):
        return Marks(0, 0, 0, 0)
    cells = cleaned(column)
    commas = cells.filter(pc.fill_null(pc.match_substring(cells, ","), False))
    points = cells.filter(pc.fill_null(pc.match_substring(cells, "."), False))
    doubtful = commas.filter(pc.match_substring_regex(commas, _DOUBTFUL_COMMA))
    return Marks(
        comma_decimal=_count(commas, _COMMA_DECIMAL),
        point_decimal=_count(points, _POINT_DECIMAL),
        comma_groups=_count(commas, _COMMA_GROUPS),
        doubtful_comma=len(doubtful),
        example=doubtful[0].as_py() if len(doubtful) else "",
    )


def parse(column: pa.ChunkedArray | pa.Array, decimal: Mark = ".") -> Numbers:
    """Read a column as numbers with the given decimal mark.

    Parameters
    ----------
    column : pyarrow array
        Text or a numeric type.
    decimal : {".", ","}
        The other of the two is the mark between thousands.

    Returns
    -------
    Numbers
    """
    if not _is_text(column):
        return _from_typed(column)
    cells = cleaned(column)
    if decimal == ".":
        direct = _cast(cells)
        if direct is not None:
            return direct
    if decimal == ",":
        groups = pc.replace_substring_regex(
            cells, r"^([+-]?[0-9]{1,3}(\.[0-9]{3})+)(,[0-9]*)?$", "\\1\x01\\3"
        )
        cells = _without_groups(groups, ".")
        cells = pc.replace_substring(cells, ",", ".")
        # What still has a point was not a group: it is not a number in this notation.
    else:
        groups = pc.replace_substring_regex(
            cells, r"^([+-]?[0-9]{1,3}(,[0-9]{3})+)(\.[0-9]*)?$", "\\1\x01\\3"
        )
        cells = _without_groups(groups, ",")
    spaced = pc.fill_null(pc.match_substring_regex(cells, _SPACE_GROUPS), False)
    cells = pc.if_else(spaced, pc.replace_substring_regex(cells, "[ '’]", ""), cells)
    good = pc.fill_null(pc.match_substring_regex(cells, _PLAIN), False)
    numbers = pc.if_else(good, cells, pa.scalar(None, pa.string())).cast(pa.float64())
    values = numbers.to_numpy(zero_copy_only=False).astype(np.float64)
    wrong = pc.and_(pc.is_valid(cells), pc.invert(good)).to_numpy(zero_copy_only=False)
    return _finite(values, wrong)


def _without_groups(cells: pa.Array, mark: str) -> pa.Array:
    """Remove the mark between thousands from the cells that the caller marked."""
    marked = pc.fill_null(pc.match_substring(cells, "\x01"), False)
    plain = pc.replace_substring(pc.replace_substring(cells, mark, ""), "\x01", "")
    return pc.if_else(marked, plain, cells)


def _cast(cells: pa.Array) -> Numbers | None:
    """Return the cells cast at once, or None where any is not a plain number."""
    try:
        numbers = cells.cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    values = numbers.to_numpy(zero_copy_only=False).astype(np.float64)
    return _finite(values, np.zeros(len(values), dtype=bool))


def _from_typed(column: pa.ChunkedArray | pa.Array) -> Numbers:
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_boolean(array.type) or pa.types.is_decimal(array.type):
        array = array.cast(pa.int8() if pa.types.is_boolean(array.type) else pa.float64())
    if not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
        return Numbers(np.full(len(array), np.nan), pc.is_valid(array).to_numpy(zero_copy_only=False))
    values = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False).astype(np.float64)
    return _finite(values, np.zeros(len(values), dtype=bool))


def _finite(values: FloatArray, wrong: BoolArray) -> Numbers:
    infinite = np.isinf(values)
    return Numbers(np.where(infinite, np.nan, values), wrong | infinite)


def _is_text(column: pa.ChunkedArray | pa.Array) -> bool:
    kind = column.type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind))


def _count(cells: pa.Array, pattern: str) -> int:
    return int(pc.sum(pc.match_substring_regex(cells, pattern)).as_py() or 0)
