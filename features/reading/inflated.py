"""What a workbook would take once inflated, counted before any reader opens it."""

from __future__ import annotations

import os
import re
import zipfile
import zlib
from pathlib import Path

from features.errors import UnreadableFileError
from features.message import say
from features.reading.packed import (
    MAX_INFLATED,
    MAX_RATIO,
    MAX_ZIP_ENTRIES,
    RATIO_MATTERS_FROM,
    bomb,
)

MAX_CELLS = 60_000_000
"""Largest rectangle of a sheet [cells]; a full million rows of 57 columns fit in."""
_ROW = re.compile(rb'<row\b[^>]*?\br="(\d{1,9})"')
_ERROR_CELL = re.compile(rb'<c\b[^>]*\bt="e"')
_WIDE_CELL = re.compile(rb'\br="([A-Z]{2,3})\d')


def check_zip(path: Path, where: str) -> int:
    """Refuse a workbook that would inflate beyond reason, before any reader opens it.

    The directory inside a ZIP can lie about sizes, so bytes are also counted while inflating.

    Returns
    -------
    int
        Cells that hold an error.

    Raises
    ------
    UnreadableFileError
        ``E-FILE-BOMB``, ``E-FILE-DAMAGED`` or ``E-FILE-TYPE``.
    """
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UnreadableFileError(
            "E-FILE-DAMAGED",
            say("the workbook's ZIP container is damaged: {error}", error=error),
            where,
            say("copy or export it again"),
        ) from None
    if len(entries) > MAX_ZIP_ENTRIES or sum(e.compress_size for e in entries) > size:
        raise bomb(where, say("{count} entries that claim more bytes than the file has", count=len(entries)))
    declared = sum(e.file_size for e in entries)
    if declared > MAX_INFLATED or (declared > RATIO_MATTERS_FROM and declared > MAX_RATIO * size):
        raise bomb(where, say("{size:,} bytes would inflate to {declared:,}", size=size, declared=declared))
    if "xl/workbook.xml" not in {e.filename for e in entries} and "xl/workbook.bin" not in {
        e.filename for e in entries
    }:
        raise UnreadableFileError(
            "E-FILE-TYPE",
            say("the name says XLSX, the content is a ZIP archive without a workbook"),
            where,
            say("unpack it and give the files inside"),
        )
    errors = 0
    with path.open("rb") as stream:
        for entry in entries:
            is_sheet = entry.filename.startswith("xl/worksheets/") and entry.filename.endswith(".xml")
            extent = _Extent(where) if is_sheet else None
            _count_inflated(stream.fileno(), entry, where, extent)
            errors += extent.errors if extent else 0
    return errors


class _Extent:
    """The rectangle that a sheet's cells span, seen while the sheet is inflated.

    A reader holds the whole rectangle: two cells in opposite corners would cost it hundreds of gigabytes.
    """

    def __init__(self, where: str) -> None:
        self.where, self.rows, self.columns, self.errors, self.rest = where, 1, 26, 0, b""

    def see(self, piece: bytes) -> None:
        """Take the next piece of the sheet's XML."""
        text = self.rest + piece
        cut = max(text.rfind(b"<"), len(text) - 512)
        text, self.rest = text[:cut], text[cut:]
        self.errors += len(_ERROR_CELL.findall(text))
        numbers = _ROW.findall(text)
        if numbers:
            self.rows = max(self.rows, *(int(n) for n in (numbers[0], numbers[-1])))
        for letters in set(_WIDE_CELL.findall(text)):
            position = 0
            for letter in letters:
                position = position * 26 + letter - 64
            self.columns = max(self.columns, position)
        if self.rows * self.columns > MAX_CELLS:
            raise bomb(
                self.where,
                say(
                    "a sheet spans {rows:,} rows and {columns:,} columns",
                    rows=self.rows,
                    columns=self.columns,
                ),
            )


def _count_inflated(descriptor: int, entry: zipfile.ZipInfo, where: str, extent: _Extent | None) -> None:
    """Inflate one entry piece by piece, keeping nothing, and stop where it exceeds its claim."""
    if entry.compress_type != zipfile.ZIP_DEFLATED:
        return

    def seen(piece: bytes) -> int:
        if extent is not None:
            extent.see(piece)
        return len(piece)

    local = os.pread(descriptor, 30, entry.header_offset)
    if len(local) < 30:
        raise UnreadableFileError(
            "E-FILE-DAMAGED",
            say("the entry {filename} is cut off", filename=entry.filename),
            where,
            say("copy or export it again"),
        )
    names = int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
    position, left = entry.header_offset + 30 + names, entry.compress_size
    inflater, count = zlib.decompressobj(-15), 0
    try:
        while left > 0 and not inflater.eof:
            piece = os.pread(descriptor, min(left, 2**16), position)
            if not piece:
                break
            position, left = position + len(piece), left - len(piece)
            count += seen(inflater.decompress(piece, 2**24))
            while inflater.unconsumed_tail and count <= entry.file_size:
                count += seen(inflater.decompress(inflater.unconsumed_tail, 2**24))
            if count > entry.file_size:
                raise bomb(
                    where,
                    say(
                        "the entry {filename} holds more than the {file_size:,} bytes it claims",
                        filename=entry.filename,
                        file_size=entry.file_size,
                    ),
                )
    except zlib.error as error:
        raise UnreadableFileError(
            "E-FILE-DAMAGED",
            say("the entry {filename} is damaged: {error}", filename=entry.filename, error=error),
            where,
            say("copy or export it again"),
        ) from None
