"""Large plain text files: whether a file is one, and where it can be cut into pieces.

What a small file is read with looks at every cell as text. A large one that is plain (UTF-8, a row is a line)
is read in pieces, whose columns the parser types itself (`whole`).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from features.reading.numerals import MISSING
from features.reading.text import Body, begun
from features.reading.whole import Piece

LARGE = 32 * 2**20
"""From this size [B] on the one pass is worth its start."""
PIECE = 16 << 20
"""Bytes that are parsed at once."""
_LINE_FEED = 10
_HEAD = 1 << 18
_NUMBER = re.compile(r"[+-]?(0|[1-9]\d{0,14})?(\.\d*)?([eE][+-]?\d{1,3})?")
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class Scan:
    """A file's first lines, its pieces (each ends with a line; rows are lines), and its number of lines."""

    head: Body
    pieces: tuple[Piece, ...]
    lines: int
    quoted: bool = False


def scan(path: Path) -> Scan | None:
    """Read a file once and return where its pieces are; None where it is not plain.

    Plain is text of bytes (no UTF-16) without NUL, and without carriage returns other than before line feeds.
    Blank lines at the end do not count. Whether quotes enclose line ends, and whether another encoding than
    UTF-8 that the first lines show holds, is seen when pieces are parsed.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    pieces: list[Piece] = []
    offset, lines, head, quoted, utf8 = 0, 0, b"", False, True
    with path.open("rb") as stream:
        while data := stream.read(PIECE):
            more = len(data) == PIECE
            size = data.rfind(b"\n") + 1 if more else len(data)
            if not size:
                return None  # a line as long as a piece
            data = data[:size]
            stream.seek(offset + size)
            if not head:
                head = data[:_HEAD]
                if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                    return None
            quoted = quoted or b'"' in data
            if not more:
                data = data.rstrip(b"\r\n")
            if b"\0" in data or (b"\r" in data and _odd_returns(data)):
                return None
            utf8 = utf8 and _is_utf8(data, decoder)
            if data:
                count = int(np.count_nonzero(np.frombuffer(data, dtype=np.uint8) == _LINE_FEED))
                pieces.append(Piece(offset, len(data), lines))
                lines += count + (not data.endswith(b"\n"))
            offset += size
    if not head:
        return None
    body = _begun(head[: head.rfind(b"\n") + 1], path, utf8=utf8 and not decoder.getstate()[0])
    return None if body is None else Scan(body, tuple(pieces), lines, quoted)


def _begun(head: bytes, path: Path, *, utf8: bool) -> Body | None:
    if not utf8:
        return begun(head, str(path))
    marked = head.startswith(codecs.BOM_UTF8)
    return Body(head[len(codecs.BOM_UTF8) * marked :], "utf-8-sig" if marked else "utf-8", changed=False)


def _is_utf8(data: bytes, decoder: codecs.IncrementalDecoder) -> bool:
    if data.isascii() and not decoder.getstate()[0]:
        return True
    try:
        decoder.decode(data)
    except UnicodeDecodeError:
        return False
    return True


def below(path: Path, known: Scan, skip: int) -> tuple[list[Piece], int]:
    """Return the pieces of the rows below the first lines, and how many rows there are."""
    first = known.pieces[0]
    with path.open("rb") as stream:
        head = stream.read(first.size)
    start = 0
    for _ in range(skip):
        start = head.index(b"\n", start) + 1
    rest = [Piece(p.offset, p.size, p.row - skip) for p in known.pieces[1:]]
    return [Piece(start, first.size - start, 0), *rest], known.lines - skip


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
