"""3GPP performance files: TS 32.435 ``measCollecFile`` and TS 28.532 ``measDataFile`` -> raw tables.

A file holds measured objects (a network element, its cells) with counters of one granularity period. Each
class of objects becomes one table: a row per object and period, a column per counter. The file is streamed;
document types, entities and external references are refused.
"""

from __future__ import annotations

import codecs
import re
import xml.sax
import xml.sax.handler
from array import array
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from defusedxml.common import DefusedXmlException
from defusedxml.expatreader import DefusedExpatParser

from features.errors import UnreadableFileError, UnrecognisedError
from features.message import say
from features.reading.files import InputFile
from features.reading.raw import RawTable, layout_of

ROOTS = ("measCollecFile", "measDataFile")
ELEMENT, OBJECT, BEGIN = "managed element", "measObjLdn", "begin time"
"""Headers of the keys; all others are names of counters."""
MAX_DEPTH = 64
MAX_TEXT = 1 << 20
"""Longest text of one element [characters]; a list of counters stays far below."""
MAX_COUNTERS = 20_000
_PIECE = 1 << 18
_NIL = {"", "nil", "null", "none"}
_OF_BYTES = re.compile(r"(utf-?8|us-ascii|ascii|utf-?16|iso-8859-1|latin-?1)$", re.IGNORECASE)
_DECLARATION = re.compile(rb"<\?xml\s[^>]*\?>")
_DURATION = re.compile(
    r"^P(?:(?P<d>\d+)D)?(?:T(?:(?P<h>\d+)H)?(?:(?P<m>\d+)M)?(?:(?P<s>\d+(?:\.\d+)?)S)?)?$", re.ASCII
)


def read_pm(file: InputFile) -> list[RawTable]:
    """Read one performance file.

    Returns
    -------
    list of RawTable
        One per class of objects and granularity period, in the order of the file.

    Raises
    ------
    UnreadableFileError
        ``E-XML-DTD``, ``E-FILE-DAMAGED`` (cut off, not well-formed: no half periods), ``E-PM`` (counters
        or periods that contradict each other) or ``E-FILE-HEADER-ONLY``.
    UnrecognisedError
        ``E-XML-ROOT``: another XML document.
    """
    content = _Content(file)
    parser = DefusedExpatParser(forbid_dtd=True)
    parser.setFeature(xml.sax.handler.feature_external_ges, False)
    parser.setContentHandler(content)
    content.setDocumentLocator(parser)
    try:
        for piece in _pieces(file):
            parser.feed(piece)
        parser.close()
    except DefusedXmlException:
        raise UnreadableFileError(
            "E-XML-DTD",
            say("the XML document declares a document type or entities, which are not followed"),
            file.where,
            say("export the measurements without a DTD"),
        ) from None
    except (xml.sax.SAXException, UnicodeDecodeError, LookupError, ValueError) as error:
        if isinstance(error, UnreadableFileError | UnrecognisedError):
            raise
        raise UnreadableFileError(
            "E-FILE-DAMAGED",
            say("the XML document is damaged: {error}", error=_said(error)),
            file.where,
            say("fetch the file again; half a file is not read"),
        ) from None
    return content.tables()


def _said(error: Exception) -> str:
    if isinstance(error, xml.sax.SAXParseException):
        return say("line {line}: {what}", line=error.getLineNumber(), what=error.getMessage())
    return str(error)[:200]


def _pieces(file: InputFile) -> Iterator[bytes | str]:
    """Return the document piece by piece from its ``<?xml?>`` on.

    Some exporters write ``<?xml-stylesheet?>`` before ``<?xml?>``, which no parser accepts. Encodings that
    the parser does not know (GBK) are decoded here.
    """
    with file.path.open("rb") as stream:
        head = stream.read(_PIECE)
        found = _DECLARATION.search(head[:4096])
        if found and not re.search(rb"<[A-Za-z!]", head[: found.start()]):
            head = head[found.start() :]
        named = re.search(rb"encoding\s*=\s*[\"']([\w.-]+)", found.group()) if found else None
        encoding = named.group(1).decode() if named else "utf-8"
        if _OF_BYTES.match(encoding):
            yield head
            while piece := stream.read(_PIECE):
                yield piece
            return
        decoder = codecs.getincrementaldecoder(encoding)()
        yield decoder.decode(head)
        while piece := stream.read(_PIECE):
            yield decoder.decode(piece)
        yield decoder.decode(b"", final=True)


class _Counter:
    """Values of one counter in one table; text only where a value is no number."""

    def __init__(self) -> None:
        self.rows, self.values = array("q"), array("d")
        self.texts: dict[int, str] = {}
        self.seen = bytearray()

    def has(self, row: int) -> bool:
        return row < len(self.seen) and bool(self.seen[row])

    def put(self, row: int, text: str) -> None:
        if row >= len(self.seen):
            self.seen.extend(bytes(row + 1 - len(self.seen)))
        self.seen[row] = 1
        if text.lower() in _NIL:
            return
        try:
            number = float(text) if "_" not in text else None
        except ValueError:
            number = None
        if number is None:
            self.texts[row] = text
            return
        self.rows.append(row)
        self.values.append(number)

    def column(self, rows: int) -> pa.Array:
        numbers = np.full(rows, np.nan)
        present = np.zeros(rows, dtype=bool)
        index = np.frombuffer(self.rows, dtype=np.int64)
        numbers[index], present[index] = np.frombuffer(self.values, dtype=np.float64), True
        if not self.texts:
            return pa.array(numbers, mask=~present)
        cells = [repr(float(v)) if p else None for v, p in zip(numbers, present, strict=True)]
        for row, text in self.texts.items():
            cells[row] = text
        return pa.array(cells, pa.string())


class _Table:
    """Rows of one class of objects and one granularity period while the file is read."""

    def __init__(self, of_cells: bool) -> None:
        self.of_cells = of_cells
        self.keys: dict[tuple[str, str, datetime, int], int] = {}
        self.lines = array("q")
        self.counters: dict[str, _Counter] = {}
        self.suspect: dict[str, list[int]] = {}
        self.broken: list[tuple[int, str]] = []

    def row(self, key: tuple[str, str, datetime], names: list[str], line: int) -> int:
        """Return the row of a key; a counter that the row already has begins another row."""
        again = 0
        while (row := self.keys.get((*key, again))) is not None:
            if not any(n in self.counters and self.counters[n].has(row) for n in names):
                return row
            again += 1
        self.keys[(*key, again)] = len(self.lines)
        self.lines.append(line)
        return len(self.lines) - 1


class _Content(xml.sax.handler.ContentHandler):
    """Takes the document as it is read."""

    def __init__(self, file: InputFile) -> None:
        super().__init__()
        self.file = file
        self.depth = 0
        self.kept: dict[tuple[str, timedelta], _Table] = {}
        self.sender = self.entity = self.began = ""
        self.types: list[str] = []
        self.numbered: dict[str, str] = {}
        self.period: tuple[str, str] = ("", "")
        self.object, self.line, self.index = "", 0, ""
        self.results: list[tuple[str, str]] = []
        self.listed: list[str] | None = None
        self.suspect = False
        self.text: list[str] = []
        self.length = 0
        self.naive: set[bool] = set()
        self.locator: Any = None

    def setDocumentLocator(self, locator: Any) -> None:  # noqa: N802 - the handler's interface
        self.locator = locator

    def _line(self) -> int:
        return int(self.locator.getLineNumber() or 0)

    # -- events ----------------------------------------------------------------------------------
    def startElement(self, name: str, attrs: Any) -> None:  # noqa: N802 - the handler's interface
        tag = name.rsplit(":", 1)[-1]
        self.depth += 1
        if self.depth == 1 and tag not in ROOTS:
            raise UnrecognisedError(
                "E-XML-ROOT",
                say("the XML document is no 3GPP performance file: its root is {root!r}", root=tag[:60]),
                self.file.where,
                say("give the files of TS 32.435 or TS 28.532, or export as CSV"),
            )
        if self.depth > MAX_DEPTH:
            raise ValueError(f"more than {MAX_DEPTH} levels")
        self.text, self.length = [], 0
        if tag == "fileSender":
            self.sender = attrs.get("localDn") or attrs.get("senderName") or ""
        elif tag in ("measCollec", "measData") and "beginTime" in attrs:
            self.began = attrs["beginTime"]
        elif tag in ("managedElement", "measEntity"):
            self.entity = attrs.get("localDn") or attrs.get("userLabel") or ""
        elif tag == "measInfo":
            self.types, self.numbered, self.period = [], {}, ("", "")
        elif tag == "granPeriod":
            self.period = (attrs.get("endTime", ""), attrs.get("duration", ""))
        elif tag == "measValue":
            self.object, self.results, self.listed = attrs.get("measObjLdn", ""), [], None
            self.suspect, self.line = False, self._line()
        elif tag in ("measType", "r"):
            self.index = attrs.get("p", "")

    def characters(self, content: str) -> None:
        self.length += len(content)
        if self.length > MAX_TEXT:
            raise ValueError(f"an element holds more than {MAX_TEXT} characters")
        self.text.append(content)

    def endElement(self, name: str) -> None:  # noqa: N802
        tag = name.rsplit(":", 1)[-1]
        self.depth -= 1
        said = "".join(self.text).strip()
        if tag == "measTypes":
            self.types = said.split()
        elif tag == "measType":
            if self.index in self.numbered:
                raise self._contradiction(say("two counters have the number {p!r}", p=self.index))
            self.numbered[self.index] = said
        elif tag == "measResults":
            self.listed = said.split()
        elif tag == "r":
            self.results.append((self.index, said))
        elif tag == "suspect":
            self.suspect = said.lower() in ("true", "1")
        elif tag == "measValue":
            self._close_value()
        self.text = []

    def _contradiction(self, what: str) -> UnreadableFileError:
        return UnreadableFileError(
            "E-PM",
            what,
            say("{where}, line {line}", where=self.file.where, line=self._line()),
            say("the network element's file is wrong: fetch it again, or leave it out"),
        )

    # -- rows ------------------------------------------------------------------------------------
    def _close_value(self) -> None:
        begin, duration = self._period()
        entity = self.entity or self.sender or self.file.stem
        last = self.object.rsplit(",", 1)[-1]
        kind = last.partition("=")[0] if "=" in last else "objects"
        whole = self.object in ("", entity) or kind == "ManagedElement"
        kind = "ManagedElement" if whole else kind
        table = self.kept.setdefault((kind, duration), _Table(not whole))
        named = self._named()
        if named is None:
            shown = self.listed if self.listed is not None else [f"{p}={v}" for p, v in self.results]
            table.broken.append((self.line, f"{self.object}: {' '.join(shown)}"[:500]))
            return
        names = [n for n, _ in named]
        row = table.row((entity, "" if whole else self.object, begin), names, self.line)
        for counter, value in named:
            if counter not in table.counters and len(table.counters) >= MAX_COUNTERS:
                raise ValueError(f"more than {MAX_COUNTERS} counters")
            table.counters.setdefault(counter, _Counter()).put(row, value)
            if self.suspect:
                table.suspect.setdefault(counter, []).append(row)

    def _named(self) -> list[tuple[str, str]] | None:
        """Return (counter, value); None where values and counters do not fit each other.

        Numbered values are joined by their number and never by position.
        """
        if self.listed is not None:
            types = self.types or list(self.numbered.values())
            return list(zip(types, self.listed, strict=True)) if len(types) == len(self.listed) else None
        by_number = self.numbered or {str(i): t for i, t in enumerate(self.types, start=1)}
        numbers = [p for p, _ in self.results]
        if len(set(numbers)) != len(numbers) or any(p not in by_number for p in numbers):
            return None
        return [(by_number[p], v) for p, v in self.results]

    def _period(self) -> tuple[datetime, timedelta]:
        """Return the begin of the granularity period and its length (0: not said)."""
        end, length = self.period
        duration = _duration(length)
        if duration is None:
            raise self._contradiction(say("the duration {text!r} is not readable", text=length[:40]))
        said = end or self.began
        try:
            moment = datetime.fromisoformat(said)
        except ValueError:
            raise self._contradiction(say("the time {text!r} is not readable", text=said[:40])) from None
        self.naive.add(moment.tzinfo is None)
        if len(self.naive) > 1:
            raise self._contradiction(say("some times carry an offset from UTC and others do not"))
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC)
        return (moment - duration if end else moment), duration

    # -- result ----------------------------------------------------------------------------------
    def tables(self) -> list[RawTable]:
        """Return what was read."""
        if not self.kept:
            raise UnreadableFileError(
                "E-FILE-HEADER-ONLY",
                say("the file holds no measured value"),
                self.file.where,
                say("export a period with data"),
            )
        classes = [kind for kind, _ in self.kept]
        return [
            self._raw(
                kind if classes.count(kind) == 1 else f"{kind} {duration.total_seconds():g} s",
                duration,
                table,
            )
            for (kind, duration), table in self.kept.items()
        ]

    def _raw(self, sheet: str, duration: timedelta, table: _Table) -> RawTable:
        keys = list(table.keys)
        rows = len(keys)
        zone = None if True in self.naive else "UTC"
        columns: dict[str, pa.Array] = {ELEMENT: pa.array([k[0] for k in keys], pa.string())}
        if table.of_cells:
            columns[OBJECT] = pa.array([k[1] for k in keys], pa.string())
        columns[BEGIN] = pa.array([k[2] for k in keys], pa.timestamp("us", zone))
        for name, counter in table.counters.items():
            columns[name if name and name not in columns else f"{name} "] = counter.column(rows)
        return RawTable(
            self.file,
            layout_of(self.file, sheet=sheet, header_row=0),
            tuple(columns),
            ("",) * len(columns),
            pa.table(columns),
            np.frombuffer(table.lines, dtype=np.int64).copy(),
            tuple(table.broken),
            interval_us=duration // timedelta(microseconds=1),
            suspect={n: np.array(sorted(set(r)), dtype=np.int64) for n, r in table.suspect.items()},
        )


def _duration(text: str) -> timedelta | None:
    """Return an ISO 8601 duration of days to seconds; 0 for no text, None where it is not readable."""
    if not text:
        return timedelta()
    found = _DURATION.match(text)
    if found is None or not any(found.groups()):
        return None
    days, hours, minutes, seconds = (float(found[g] or 0) for g in "dhms")
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
