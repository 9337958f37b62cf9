"""How an export was understood: written to ``mapping.toml``, and followed exactly when given back.

A mapping that names files is followed to the letter. A mapping that only holds answers
(``[[answer]]``) decides the questions that the data left open; the rest is recognised as usual.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import MISSING, dataclass, fields
from datetime import date
from fnmatch import fnmatch
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from features.errors import MappingFileError
from features.message import Message, say
from features.reading.units import UNITS
from features.schema import SCHEMA, Kind
from features.telemetry import TimeZone

VERSION = 1
IGNORE = "ignore"

DateOrder = Literal[
    "year-first",
    "day-first",
    "month-first",
    "compact",
    "excel-serial",
    "epoch-s",
    "epoch-ms",
    "epoch-us",
    "epoch-ns",
    "typed",
]
SourceAggregation = Literal["mean", "sum", "counter", "instant", "constant"]
Combine = Literal["", "sum", "mean", "max"]
_STRICT = ConfigDict(extra="forbid", strict=False)


@dataclass(frozen=True)
class ColumnMapping:
    """What one source column means.

    Parameters
    ----------
    source : str
        Header as in the file.
    canonical : str
        Name of `features.schema`, or ``ignore``.
    unit : str
        Symbol of the source's unit; ``""`` for text.
    factor, offset : float
        Canonical value = value * factor + offset; an energy is divided by the interval's hours after.
    aggregation : str
        ``mean`` of the interval, ``sum`` over it, ``counter`` (register that only grows), ...
    combine : {"", "sum", "mean", "max"}
        How several sources of one canonical column become one.
    confidence : float
        0..1.
    evidence : str
        Why.
    unit_id : str
        Unit that the column belongs to, in a table with one column per unit; ``""``: that of the row.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    source: str
    canonical: str
    unit: str = ""
    factor: float = 1.0
    offset: float = 0.0
    aggregation: SourceAggregation = "mean"
    combine: Combine = ""
    confidence: float = 1.0
    evidence: str = ""
    unit_id: str = ""


@dataclass(frozen=True)
class TimeMapping:
    """Where a row's time stands and what it means.

    Parameters
    ----------
    columns : tuple of str
        One column, or date and time of day, or year, month, day and what follows.
    order : str
        Order of day, month and year, or the number's meaning.
    zone : str
        IANA name, fixed offset ``+HH:MM``, or ``unknown`` (wall-clock time).
    marks : {"start", "end"}
        Which end of its interval a stamp marks in the file.
    evidence : str
    date : str
        Date of the first row (ISO) where the column holds times of day only; ``""``: stamps carry dates.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    columns: tuple[str, ...]
    order: DateOrder = "year-first"
    zone: str = "unknown"
    marks: Literal["start", "end"] = "start"
    evidence: str = ""
    date: str = ""


@dataclass(frozen=True)
class FileMapping:
    """How one file (or all files that a glob names) is read.

    Parameters
    ----------
    glob : str
        File name relative to the given path, with ``*``.
    role : {"telemetry", "attributes"}
        Attributes have no time: they are joined onto the units' rows.
    encoding, delimiter, sheet, point, header_row, units_row, decimal : layout of the text or workbook
        Rows are 1-based; 0: none. ``sheet`` is also a class of measured objects of a 3GPP file, ``point`` one
        point of a long table (time, point, value).
    site, site_column, unit_id, unit_column : str
        Keys: a constant, or the column that holds them.
    time : TimeMapping or None
    column : tuple of ColumnMapping
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    glob: str
    role: Literal["telemetry", "attributes"] = "telemetry"
    encoding: str = ""
    delimiter: str = ""
    sheet: str = ""
    point: str = ""
    header_row: int = 1
    units_row: int = 0
    decimal: Literal[".", ","] = "."
    decimal_evidence: str = ""
    site: str = ""
    site_column: str = ""
    unit_id: str = ""
    unit_column: str = ""
    time: TimeMapping | None = None
    column: tuple[ColumnMapping, ...] = ()

    def matches(self, name: str) -> bool:
        """Whether the glob names that file."""
        return fnmatch(name, self.glob)


@dataclass(frozen=True)
class Answer:
    """The user's answer to a question; empty fields are not answered."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    file: str = "*"
    column: str = ""
    canonical: str = ""
    unit: str = ""
    date_order: Literal["", "year-first", "day-first", "month-first"] = ""
    decimal: Literal["", ".", ","] = ""
    zone: str = ""
    date: str = ""


@dataclass(frozen=True)
class Skipped:
    """A file that was not read, and why."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    file: str
    why: str


@dataclass(frozen=True)
class Mapping:
    """How a path was understood.

    Parameters
    ----------
    kind : {"data-centre", "base-station", ""}
        ``""``: to be recognised.
    file : tuple of FileMapping
    answer : tuple of Answer
    skipped : tuple of Skipped
    version : int
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    kind: Kind | Literal[""] = ""
    file: tuple[FileMapping, ...] = ()
    answer: tuple[Answer, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    version: int = VERSION

    def for_file(self, name: str) -> tuple[FileMapping, ...]:
        """Return the file mappings that name the file: of each sheet and point the first."""
        found: dict[tuple[str, str], FileMapping] = {}
        for entry in self.file:
            if entry.matches(name):
                found.setdefault((entry.sheet, entry.point), entry)
        return tuple(found.values())

    def to_toml(self) -> str:
        """Return the text of ``mapping.toml``."""
        lines = [
            "# How the export was understood. Correct what is wrong and give it back with --mapping:",
            '# it is then followed exactly. canonical = "ignore" leaves a column out.',
            f"version = {self.version}",
        ]
        if self.kind:
            lines.append(f"kind = {_value(self.kind)}")
        for answer in self.answer:
            lines += ["", "[[answer]]", *_body(answer)]
        for file in self.file:
            lines += ["", "[[file]]", *_body(file)]
            if file.time is not None:
                lines += ["", "[file.time]", *_body(file.time)]
            for column in file.column:
                lines += ["", "[[file.column]]", *_body(column)]
        for skipped in self.skipped:
            lines += ["", "[[skipped]]", *_body(skipped)]
        return "\n".join(lines) + "\n"

    @classmethod
    def from_toml(cls, text: str, where: str = "mapping.toml") -> Mapping:
        """Read a mapping strictly.

        Parameters
        ----------
        text : str
        where : str
            Name of the file, for messages.

        Raises
        ------
        MappingFileError
            Not TOML, an unknown key, a name that is not canonical, an unknown unit or zone.
        """
        try:
            mapping = TypeAdapter(cls).validate_python(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise MappingFileError(
                "E-MAPPING-TOML",
                say("not readable as TOML: {error}", error=error),
                where,
                say("correct the file"),
            ) from None
        except ValidationError as error:
            lines = "; ".join(
                f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()[:8]
            )
            raise MappingFileError("E-MAPPING-KEY", lines, where, say("correct these keys")) from None
        mapping._check(where)
        return mapping

    def _check(self, where: str) -> None:
        if self.version != VERSION:
            raise MappingFileError(
                "E-MAPPING-VERSION",
                say("version {found} is not {known}", found=self.version, known=VERSION),
                where,
                say("write the mapping anew"),
            )
        columns = [(c.canonical, c.unit, c.source) for f in self.file for c in f.column]
        columns += [(a.canonical or IGNORE, a.unit, a.column) for a in self.answer]
        for canonical, unit, source in columns:
            if canonical != IGNORE and canonical not in SCHEMA:
                raise MappingFileError(
                    "E-MAPPING-COLUMN",
                    say(
                        "{canonical!r} is not a canonical column (source {source!r})",
                        canonical=canonical,
                        source=source,
                    ),
                    where,
                    say('use a name of the schema, or "ignore"'),
                )
            if unit and unit not in UNITS:
                raise MappingFileError(
                    "E-MAPPING-UNIT",
                    say("{unit!r} is not a known unit (source {source!r})", unit=unit, source=source),
                    where,
                    say("use one of {units}", units=Message.joined(", ", UNITS)),
                )
        for text in [f.time.date for f in self.file if f.time] + [a.date for a in self.answer]:
            if text and not _is_date(text):
                raise MappingFileError(
                    "E-MAPPING-DATE",
                    say("{text!r} is not a date", text=text),
                    where,
                    say("write it as 2025-03-01"),
                )
        zones = [f.time.zone for f in self.file if f.time] + [a.zone for a in self.answer if a.zone]
        for zone in zones:
            try:
                TimeZone(zone)
            except (ValueError, KeyError, OSError) as error:
                raise MappingFileError(
                    "E-MAPPING-ZONE",
                    say("{zone!r} is not a time zone: {error}", zone=zone, error=error),
                    where,
                    say("use an IANA name such as Asia/Shanghai, or an offset such as +08:00"),
                ) from None


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _body(value: Any) -> list[str]:
    """Return ``key = value`` lines; nested tables and fields at their default are left out."""
    lines = []
    for field in fields(value):
        item = getattr(value, field.name)
        nested = field.name == "time" or (field.name == "column" and isinstance(value, FileMapping))
        if nested or (item == field.default and field.default is not MISSING):
            continue
        lines.append(f"{field.name} = {_value(item)}")
    return lines


def _value(item: object) -> str:
    if isinstance(item, tuple):
        return "[" + ", ".join(_value(i) for i in item) + "]"
    if isinstance(item, float):
        return repr(item)
    # A JSON string is a TOML basic string, but TOML also wants DEL escaped.
    return json.dumps(item, ensure_ascii=False).replace("\x7f", "\\u007f")
