"""From a path to input files: existence, real type by content, size limits, fingerprint.

A name is a promise and the content is the fact: where the two differ the file is refused and the
message says what it looks like. Nothing is unpacked before it was counted.
"""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from features.errors import UnreadableFileError
from features.issues import DataIssue
from features.message import Message, say

Form = Literal["text", "xlsx", "xls", "parquet"]

FORM_BY_SUFFIX: dict[str, Form] = {
    ".csv": "text",
    ".tsv": "text",
    ".txt": "text",
    ".tab": "text",
    ".dat": "text",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".xls": "xls",
    ".parquet": "parquet",
    ".pq": "parquet",
}

MAX_BYTES = 4 * 2**30
MAX_ZIP_ENTRIES = 10_000
MAX_INFLATED = 2 * 2**30
MAX_RATIO = 100
RATIO_MATTERS_FROM = 32 * 2**20
"""Below this inflated size [B] a high ratio is harmless (short sheets of equal cells reach it)."""

_NOT_DATA = re.compile(r"^(readme|licen[cs]e|notice|sources?|copying|changelog|mapping|issues)(\.|$)", re.I)
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", say("a ZIP archive or an XLSX workbook")),
    (b"PK\x05\x06", say("an empty ZIP archive")),
    (b"PAR1", say("a Parquet file")),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", say("an old XLS workbook or a password-protected workbook")),
    (b"\x89PNG", say("a PNG image")),
    (b"\xff\xd8\xff", say("a JPEG image")),
    (b"GIF8", say("a GIF image")),
    (b"%PDF", say("a PDF document")),
    (b"\x1f\x8b", say("a gzip archive")),
    (b"BZh", say("a bzip2 archive")),
    (b"7z\xbc\xaf\x27\x1c", say("a 7-Zip archive")),
    (b"\xfd7zXZ", say("an xz archive")),
    (b"SQLite format 3", say("an SQLite database")),
    (b"\x7fELF", say("a program")),
)
_EXPECTED: dict[Form, tuple[bytes, ...]] = {
    "text": (),
    "xlsx": (b"PK\x03\x04",),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",),
    "parquet": (b"PAR1",),
}


@dataclass(frozen=True)
class InputFile:
    """One file that will be read; ``name`` is relative to the given path."""

    path: Path
    name: str
    form: Form
    sha256: str


def discover(path: Path) -> tuple[list[InputFile], list[DataIssue]]:
    """Return the data files of a path (one file, or the files directly inside a folder).

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    tuple of list of InputFile and list of DataIssue
        Sorted by name; an info issue for every file of a folder that is not data.

    Raises
    ------
    UnreadableFileError
        The path is missing, holds no data file, or a file's content is not what its name says.
    """
    try:
        if path.is_dir():
            return _discover_folder(path)
        return [_inspect(path, path.name)], []
    except (PermissionError, OSError, ValueError) as error:
        if isinstance(error, UnreadableFileError):
            raise
        raise UnreadableFileError(
            "E-FILE-ACCESS",
            say("the file cannot be opened: {error}", error=error),
            str(path),
            say("check the name and the rights"),
        ) from None


def _discover_folder(path: Path) -> tuple[list[InputFile], list[DataIssue]]:
    found: list[InputFile] = []
    issues: list[DataIssue] = []
    folders: list[str] = []
    for entry in sorted(path.iterdir(), key=lambda p: p.name):
        if entry.is_dir():
            folders.append(entry.name)
        elif entry.name.startswith("."):
            continue
        elif _NOT_DATA.match(entry.name) or entry.suffix.lower() not in FORM_BY_SUFFIX:
            issues.append(skipped(entry.name, say("its name or extension is not that of a telemetry export")))
        else:
            found.append(_inspect(entry, entry.name))
    if not found:
        inside = Message.joined(", ", folders[:8])
        raise UnreadableFileError(
            "E-FOLDER-EMPTY",
            say(
                "the folder holds no data file (CSV, TSV, XLSX, XLS or Parquet); it holds the folders "
                "{folders}",
                folders=inside,
            )
            if folders
            else say("the folder holds no data file (CSV, TSV, XLSX, XLS or Parquet)"),
            str(path),
            say("give one of its folders") if folders else say("give the folder that holds the exports"),
        )
    return found, issues


def skipped(name: str, why: str) -> DataIssue:
    """Return the issue that says a file of a folder was not read."""
    return DataIssue(
        "D-FILE-SKIPPED",
        "info",
        name,
        say("not read: {why}", why=why),
        say("nothing, if it is not telemetry; else export it as CSV, XLSX or Parquet"),
    )


def _inspect(path: Path, name: str) -> InputFile:
    where = str(path)
    if not path.exists():
        raise UnreadableFileError(
            "E-FILE-MISSING", say("there is no such file or folder"), where, say("check the path")
        )
    if not path.is_file():
        raise UnreadableFileError(
            "E-FILE-TYPE", say("this is not a regular file"), where, say("give a file or a folder")
        )
    size = path.stat().st_size
    if size == 0:
        raise UnreadableFileError(
            "E-FILE-EMPTY", say("the file is empty (0 bytes)"), where, say("export it again")
        )
    if size > MAX_BYTES:
        raise UnreadableFileError(
            "E-FILE-SIZE",
            say(
                "the file has {size:.1f} GiB, more than {most:.0f} GiB",
                size=size / 2**30,
                most=MAX_BYTES / 2**30,
            ),
            where,
            say("export shorter periods"),
        )
    form = FORM_BY_SUFFIX.get(path.suffix.lower())
    with path.open("rb") as stream:
        head = stream.read(4096)
        stream.seek(max(0, size - 8))
        tail = stream.read()
        stream.seek(0)
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    seen = looks_like(head)
    if form is None:
        raise UnreadableFileError(
            "E-FILE-TYPE",
            say(
                "files of type {suffix!r} are not read; it looks like {seen}",
                suffix=path.suffix or say("(none)"),
                seen=seen or say("text"),
            ),
            where,
            say("export as CSV, XLSX or Parquet"),
        )
    _check_type(form, head, tail, seen, where)
    if form == "xlsx":
        check_zip(path)
    return InputFile(path, name, form, sha256)


def looks_like(head: bytes) -> str:
    """Return what a file's first bytes look like; ``""`` for text of no special kind."""
    for magic, meaning in _MAGIC:
        if head.startswith(magic):
            return meaning
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:512].lower()
    if start.startswith((b"<!doctype html", b"<html", b"<table", b"<head")):
        return say("an HTML page")
    if start.startswith(b"<?xml") or re.match(rb"<[a-z][\w:.-]*[\s>]", start):
        return say("an XML document")
    if start.startswith((b'{"', b"{\n", b"{\r", b'[{"', b"[\n")):
        return say("a JSON document")
    return ""


def _check_type(form: Form, head: bytes, tail: bytes, seen: str, where: str) -> None:
    expected = _EXPECTED[form]
    if form == "text":
        if seen:
            raise UnreadableFileError(
                "E-FILE-TYPE",
                say("the name says text, the content is {seen}", seen=seen),
                where,
                say("give the file its right extension, or export it as CSV, XLSX or Parquet"),
            )
        return
    if not head.startswith(expected):
        what = seen or ("text" if b"\0" not in head else say("of no known type"))
        raise UnreadableFileError(
            "E-FILE-TYPE",
            say("the name says {form}, the content is {what}", form=form.upper(), what=what),
            where,
            say("give the file its right extension, or export it again"),
        )
    if form == "parquet" and not tail.endswith(b"PAR1"):
        raise UnreadableFileError(
            "E-FILE-DAMAGED",
            say("the Parquet file ends too early (its footer is missing)"),
            where,
            say("copy or export it again"),
        )


def check_zip(path: Path) -> None:
    """Refuse a workbook that would inflate beyond reason, before any reader opens it.

    The directory inside a ZIP can lie about sizes, so bytes are also counted while inflating.

    Raises
    ------
    UnreadableFileError
        ``E-FILE-BOMB``, ``E-FILE-DAMAGED`` or ``E-FILE-TYPE``.
    """
    where = str(path)
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
        raise _bomb(where, say("{count} entries that claim more bytes than the file has", count=len(entries)))
    declared = sum(e.file_size for e in entries)
    if declared > MAX_INFLATED or (declared > RATIO_MATTERS_FROM and declared > MAX_RATIO * size):
        raise _bomb(where, say("{size:,} bytes would inflate to {declared:,}", size=size, declared=declared))
    if "xl/workbook.xml" not in {e.filename for e in entries} and "xl/workbook.bin" not in {
        e.filename for e in entries
    }:
        raise UnreadableFileError(
            "E-FILE-TYPE",
            say("the name says XLSX, the content is a ZIP archive without a workbook"),
            where,
            say("unpack it and give the files inside"),
        )
    with path.open("rb") as stream:
        for entry in entries:
            _count_inflated(stream.fileno(), entry, where)


def _count_inflated(descriptor: int, entry: zipfile.ZipInfo, where: str) -> None:
    """Inflate one entry piece by piece, keeping nothing, and stop where it exceeds its claim."""
    if entry.compress_type != zipfile.ZIP_DEFLATED:
        return
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
            count += len(inflater.decompress(piece, 2**24))
            while inflater.unconsumed_tail and count <= entry.file_size:
                count += len(inflater.decompress(inflater.unconsumed_tail, 2**24))
            if count > entry.file_size:
                raise _bomb(
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


def _bomb(where: str, evidence: str) -> UnreadableFileError:
    return UnreadableFileError(
        "E-FILE-BOMB",
        say("the workbook inflates beyond reason: {evidence}", evidence=evidence),
        where,
        say("export the data as CSV or Parquet"),
    )
