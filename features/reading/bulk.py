"""Large plain text files: split and typed in one pass, or not at all.

What a small file is read with looks at every cell as text. A large one that is plain (UTF-8, no quotes, as
many cells in each row as in the header, numbers with a decimal point) need not be: the parser types the
columns itself. The slightest deviation anywhere gives the file back to the reader that looks at every cell,
which says what is wrong and where.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from features.reading.numerals import MISSING
from features.reading.text import GLOB, Body, engine

LARGE = 32 * 2**20
"""From this size [B] on the one pass is worth its start."""
_PIECE = 8 << 20
_HEAD = 1 << 18
_NUMBER = re.compile(r"[+-]?(0|[1-9]\d{0,14})?(\.\d*)?([eE][+-]?\d{1,3})?")
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class Scan:
    """A file's first lines and its number of lines, blank ones at the end not counted."""

    head: Body
    lines: int


def scan(path: Path) -> Scan | None:
    """Read a file once and return its head; None where it is not plain.

    Plain is UTF-8 without byte-order mark, quotes, NUL, or carriage returns other than before line feeds.
    """
    if set(str(path)) & GLOB:
        return None
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines, last = 0, b""
    head = b""
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE):
            if not head:
                head = piece[:_HEAD]
                if head.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                    return None
            if b'"' in piece or b"\0" in piece or (b"\r" in piece and _odd_returns(piece)):
                return None
            if not piece.isascii() or decoder.getstate()[0]:
                try:
                    decoder.decode(piece)
                except UnicodeDecodeError:
                    return None
            lines += int(np.count_nonzero(np.frombuffer(piece, dtype=np.uint8) == 10))
            last = piece[-1:]
    if decoder.getstate()[0] or not head:
        return None
    whole = head[: head.rfind(b"\n") + 1]
    return Scan(Body(whole, "utf-8", changed=False), lines + (last != b"\n"))


def _odd_returns(piece: bytes) -> bool:
    """Whether a carriage return stands elsewhere than before a line feed (or at the end of the piece)."""
    return piece.count(b"\r") != piece.count(b"\r\n") + piece.endswith(b"\r")


def numeric(rows: Sequence[Sequence[str]], width: int, keys: Sequence[bool]) -> list[bool]:
    """Return which columns hold plain numbers in the first rows.

    Parameters
    ----------
    rows : sequence of sequence of str
        Cells of the first rows.
    width : int
    keys : sequence of bool, shape (width,)
        Columns that are identifiers or times: they stay text whatever they look like.
    """
    found = []
    for position in range(width):
        cells = [row[position].strip() for row in rows if len(row) > position]
        said = [c for c in cells if c.casefold() not in MISSING]
        plain = all(_NUMBER.fullmatch(c) and _DIGIT.search(c) for c in said)
        found.append(bool(said) and plain and not keys[position])
    return found


def read(path: Path, known: Scan, delimiter: str, skip: int, numbers: Sequence[bool]) -> pa.Table | None:
    """Parse the rows below the header; None where a row or cell is not as expected.

    Parameters
    ----------
    path : pathlib.Path
    known : Scan
    delimiter : str
    skip : int
        Lines above the data.
    numbers : sequence of bool, shape (columns,)
        Columns to read as numbers; the others stay text.

    Returns
    -------
    pyarrow.Table or None
        Columns ``c0``.., a row per line.
    """
    kinds = ", ".join(f"'c{i}': '{'DOUBLE' if n else 'VARCHAR'}'" for i, n in enumerate(numbers))
    nulls = ", ".join(f"'{word}'" for word in sorted({"", *MISSING, *(w.upper() for w in MISSING), "NaN"}))
    source = str(path).replace("'", "''")
    query = (
        f"SELECT * FROM read_csv('{source}', skip={skip}, auto_detect=false, header=false, "  # noqa: S608
        f"columns={{{kinds}}}, delim='{delimiter}', quote='', escape='', comment='', nullstr=[{nulls}], "
        "null_padding=false, encoding='utf-8')"
    )
    with engine() as connection:
        try:
            table = connection.sql(query).to_arrow_table()
        except duckdb.Error:
            return None
    # A blank line, or anything else that is no row of cells, is for the reader that looks at every line.
    return table if table.num_rows == known.lines - skip else None


def lines_of(table: pa.Table, skip: int) -> np.ndarray:
    """Return the 1-based line numbers of the rows."""
    return np.arange(1, table.num_rows + 1, dtype=np.int64) + skip
