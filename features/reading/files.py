"""From a path to input files: existence, real type by content, size limits, fingerprint.

A name is a promise and the content is the fact: where the two differ the file is refused and the
message says what it looks like. Nothing is unpacked before it was counted.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal

from features.errors import UnreadableFileError
from features.issues import DataIssue
from features.message import Message, say
from features.reading.inflated import check_zip
from features.reading.packed import unpacked

Form = Literal["text", "xlsx", "xls", "parquet", "xml", "epw"]

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
    ".xml": "xml",
    ".epw": "epw",
}
CONTAINERS = (".gz", ".zip")
"""Files that hold other files; what they hold is read as if it lay there itself."""

MAX_BYTES = 4 * 2**30

NO_EXPORT = say("its name or extension is not that of a telemetry export")
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
    "xml": (b"<", b"\xff\xfe<\0", b"\xfe\xff\0<"),
    "epw": (b"LOCATION",),
}
_HTML = (b"<!doctype html", b"<html", b"<table", b"<head")
_PACKED: dict[str, tuple[bytes, ...]] = {".gz": (b"\x1f\x8b",), ".zip": (b"PK\x03\x04", b"PK\x05\x06")}


@dataclass(frozen=True)
class InputFile:
    """One file that will be read; ``name`` is relative to the given path.

    ``shown`` is where messages say that it lies, for a file out of a container; ``cell_errors`` counts the
    cells of a workbook that hold an error such as ``#REF!``: its reader returns them as empty.
    """

    path: Path
    name: str
    form: Form
    shown: str = ""
    cell_errors: int = 0

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the content."""
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    @property
    def where(self) -> str:
        """Place of the file, for messages."""
        return self.shown or str(self.path)

    @property
    def stem(self) -> str:
        """Name without folder and extensions."""
        return stem_of(self.name)


def stem_of(name: str) -> str:
    """Return a file's name without folder, extension and the extension of a container."""
    return PurePosixPath(_without_container(name)).stem


def _without_container(name: str) -> str:
    """Return the last part of a name, ``a.csv`` for ``a.csv.gz``."""
    last = PurePosixPath(name).name
    inner = last[:-3] if last.lower().endswith(".gz") else last
    return inner if PurePosixPath(inner).suffix else last


def readable(name: str) -> bool:
    """Whether the name is that of an export, or of a container of exports."""
    suffix = PurePosixPath(name.lower()).suffix
    return suffix in FORM_BY_SUFFIX or suffix in CONTAINERS


def discover(path: Path, scratch: Path) -> tuple[list[InputFile], list[DataIssue]]:
    """Return the data files of a path (one file, or the files directly inside a folder).

    Parameters
    ----------
    path : pathlib.Path
    scratch : pathlib.Path
        Existing folder that takes what containers hold.

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
        return _discover_folder(path, scratch) if path.is_dir() else _discover_file(path, scratch)
    except (PermissionError, OSError, ValueError) as error:
        if isinstance(error, UnreadableFileError):
            raise
        raise UnreadableFileError(
            "E-FILE-ACCESS",
            say("the file cannot be opened: {error}", error=error),
            str(path),
            say("check the name and the rights"),
        ) from None


def _discover_file(path: Path, scratch: Path) -> tuple[list[InputFile], list[DataIssue]]:
    issues: list[DataIssue] = []
    found = _inspect(path, path.name, scratch, issues)
    if not found:
        raise UnreadableFileError(
            "E-FILE-EMPTY",
            say("the archive holds no data file (CSV, TSV, XLSX, XLS, Parquet, 3GPP XML or EPW)"),
            str(path),
            say("pack the exports themselves"),
        )
    return found, issues


def _discover_folder(path: Path, scratch: Path) -> tuple[list[InputFile], list[DataIssue]]:
    found: list[InputFile] = []
    issues: list[DataIssue] = []
    folders: list[str] = []
    for entry in sorted(path.iterdir(), key=lambda p: p.name):
        if entry.is_dir():
            folders.append(entry.name)
        elif entry.name.startswith("."):
            continue
        elif _NOT_DATA.match(entry.name) or not readable(entry.name):
            issues.append(skipped(entry.name, NO_EXPORT))
        else:
            found += _inspect(entry, entry.name, scratch, issues)
    if not found:
        inside = Message.joined(", ", folders[:8])
        raise UnreadableFileError(
            "E-FOLDER-EMPTY",
            say(
                "the folder holds no data file (CSV, TSV, XLSX, XLS, Parquet, 3GPP XML or EPW, or a gzip or "
                "zip of them); it holds the folders {folders}",
                folders=inside,
            )
            if folders
            else say(
                "the folder holds no data file (CSV, TSV, XLSX, XLS, Parquet, 3GPP XML or EPW, or a gzip or "
                "zip of them)"
            ),
            str(path),
            say(
                "give one folder, for example {path}; what lies in another folder is another export",
                path=str(path / folders[0]),
            )
            if folders
            else say("give the folder that holds the exports"),
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


def _inspect(path: Path, name: str, scratch: Path, issues: list[DataIssue]) -> list[InputFile]:
    """Return the file, or what it holds where it is a container."""
    where = str(path)
    _check_file(path, where)
    suffix = path.suffix.lower()
    if suffix not in CONTAINERS:
        return [_examined(path, name, "")]
    with path.open("rb") as stream:
        head = stream.read(4096)
    if not head.startswith(_PACKED[suffix]):
        raise _wrong_type(suffix[1:].upper(), head, where)
    found = []
    for member in unpacked(path, name, scratch):
        if _NOT_DATA.match(PurePosixPath(member.name).name) or not readable(member.name):
            issues.append(skipped(member.name, NO_EXPORT))
        elif member.refused:
            issues.append(skipped(member.name, member.refused))
        else:
            _check_file(member.path, member.shown)
            found.append(_examined(member.path, member.name, member.shown))
    return found


def _check_file(path: Path, where: str) -> None:
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


def _examined(path: Path, name: str, shown: str) -> InputFile:
    """Return a file whose content is what its name says."""
    where = shown or str(path)
    suffix = PurePosixPath(_without_container(name)).suffix.lower()
    form = FORM_BY_SUFFIX.get(suffix)
    with path.open("rb") as stream:
        head = stream.read(4096)
        stream.seek(max(0, path.stat().st_size - 8))
        tail = stream.read()
    seen = looks_like(head)
    if form is None:
        raise UnreadableFileError(
            "E-FILE-TYPE",
            say(
                "files of type {suffix!r} are not read; it looks like {seen}",
                suffix=suffix or say("(none)"),
                seen=seen or say("text"),
            ),
            where,
            say("export as CSV, XLSX or Parquet"),
        )
    _check_type(form, head, tail, seen, where)
    cell_errors = check_zip(path, where) if form == "xlsx" else 0
    return InputFile(path, name, form, shown, cell_errors)


def looks_like(head: bytes) -> str:
    """Return what a file's first bytes look like; ``""`` for text of no special kind."""
    for magic, meaning in _MAGIC:
        if head.startswith(magic):
            return meaning
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:512].lower()
    if start.startswith(_HTML):
        return say("an HTML page")
    if start.startswith(b"<?xml") or re.match(rb"<[a-z][\w:.-]*[\s>]", start):
        return say("an XML document")
    if start.startswith((b'{"', b"{\n", b"{\r", b'[{"', b"[\n")):
        return say("a JSON document")
    return ""


def _wrong_type(said: str, head: bytes, where: str) -> UnreadableFileError:
    what = looks_like(head) or ("text" if b"\0" not in head else say("of no known type"))
    return UnreadableFileError(
        "E-FILE-TYPE",
        say("the name says {form}, the content is {what}", form=said, what=what),
        where,
        say("give the file its right extension, or export it again"),
    )


def encrypted(where: str) -> UnreadableFileError:
    """Return the refusal of a Parquet file whose footer or columns are encrypted."""
    return UnreadableFileError(
        "E-FILE-PASSWORD",
        say("the Parquet file is encrypted"),
        where,
        say("export it without encryption; keys are not taken"),
    )


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
    if form == "parquet" and head.startswith(b"PARE"):
        raise encrypted(where)
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n") if form in ("xml", "epw") else head
    if not start.startswith(expected) or (form == "xml" and start[:14].lower().startswith(_HTML)):
        raise _wrong_type(form.upper(), head, where)
    if form == "parquet" and not tail.endswith(b"PAR1"):
        raise UnreadableFileError(
            "E-FILE-DAMAGED",
            say("the Parquet file ends too early (its footer is missing)"),
            where,
            say("copy or export it again"),
        )
