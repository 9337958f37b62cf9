"""One raw table while it is being recognised: matched headers, decimal mark, time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from features.errors import UnrecognisedError
from features.reading import numerals, timeaxis
from features.reading.doubt import Question
from features.reading.headers import STATION_ENERGY, Match, match
from features.reading.mapping import IGNORE, Answer, FileMapping, TimeMapping
from features.reading.numerals import Mark
from features.reading.tabular import RawTable
from features.reading.timeaxis import Stamps
from features.schema import Kind


@dataclass
class Draft:
    """A raw table while it is being recognised."""

    raw: RawTable
    matches: dict[str, Match]
    answers: tuple[Answer, ...]
    decimal: Mark = "."
    decimal_evidence: str = ""
    time: TimeMapping | None = None
    stamps: Stamps | None = None

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.raw.file.name

    def role(self, role: str) -> list[str]:
        """Return the headers that play a role such as ``@time``."""
        return [h for h, m in self.matches.items() if m.canonical == role]


def draft(raw: RawTable, kind: Kind, answers: tuple[Answer, ...], questions: list[Question]) -> Draft:
    """Match a table's headers and find its decimal mark and time; open doubts join the questions."""
    mine = tuple(a for a in answers if FileMapping(glob=a.file).matches(raw.file.name))
    matches: dict[str, Match] = {}
    for header, unit_cell in zip(raw.headers, raw.unit_cells, strict=True):
        found = _match_with_units_row(header, unit_cell, kind)
        given = next((a for a in mine if a.column == header and a.canonical), None)
        if given is not None:
            meaning = "@ignore" if given.canonical == IGNORE else given.canonical
            found = Match(meaning, 1.0, found.unit if found else None, "answered in the mapping")
        if found is not None:
            matches[header] = found
    table = Draft(raw, matches, mine)
    table.decimal, table.decimal_evidence = _decimal(table, questions)
    _find_time(table, questions)
    return table


def _match_with_units_row(header: str, unit_cell: str, kind: Kind) -> Match | None:
    if unit_cell:
        found = match(f"{header} ({unit_cell})", kind)
        if found is not None:
            return replace(found, evidence=f"{found.evidence}, from the row of units")
    return match(header, kind)


# -- decimal mark --------------------------------------------------------------------------------
def _decimal(table: Draft, questions: list[Question]) -> tuple[Mark, str]:
    given = next((a.decimal for a in table.answers if a.decimal), None)
    if given:
        return given, "answered in the mapping"
    numeric = [
        h
        for h, m in table.matches.items()
        if not m.canonical.startswith("@") or m.canonical == STATION_ENERGY
    ]
    found = {h: numerals.marks(table.raw.data[h]) for h in numeric}
    comma = sum(m.comma_decimal for m in found.values())
    point = sum(m.point_decimal + m.comma_groups for m in found.values())
    doubtful = {h: m for h, m in found.items() if m.doubtful_comma}
    if comma and not point:
        return ",", f"{comma} cells such as 12,5 can only be decimal commas"
    if point and not comma:
        return ".", f"{point} cells show a decimal point"
    where = table.name
    answer = f'[[answer]]\nfile = {quoted(where)}\ndecimal = "."   # or ","'
    if comma and point:
        questions.append(
            Question(
                "E-QUESTION-DECIMAL",
                f"{comma} cells show a decimal comma and {point} a decimal point",
                where,
                answer,
            )
        )
    elif doubtful:
        header, mark = next(iter(doubtful.items()))
        questions.append(
            Question(
                "E-QUESTION-DECIMAL",
                f"{mark.doubtful_comma} cells of {header!r} like {mark.example!r} are thousands or decimals",
                where,
                answer,
            )
        )
    return ".", "no cell shows another mark"


# -- time ----------------------------------------------------------------------------------------
def _find_time(table: Draft, questions: list[Question]) -> None:
    order = next((a.date_order for a in table.answers if a.date_order), "")
    zone = next((a.zone for a in table.answers if a.zone), "")
    chosen = _time_columns(table, order)
    if chosen is None:
        bare = [h for h in table.role("@time") if timeaxis.time_without_date(table.raw.data[h])]
        if bare:
            raise UnrecognisedError(
                "E-TIME-NO-DATE",
                "the times carry no date",
                f"{table.name}, column {bare[0]!r}",
                "export date and time in every row",
            )
        return
    columns, stamps, marks, why = chosen
    if stamps.doubt:
        questions.append(
            Question(
                "E-QUESTION-DATE-ORDER",
                f"day and month of {columns[0]!r} cannot be told apart: {stamps.doubt}",
                table.name,
                f'[[answer]]\nfile = {quoted(table.name)}\ndate_order = "day-first"   # or "month-first"',
            )
        )
    zone_evidence = "answered in the mapping" if zone else ""
    if not zone:
        zone, zone_evidence = _zone(columns, stamps)
    table.stamps = stamps
    evidence = "; ".join(part for part in (why, stamps.evidence, zone_evidence) if part)
    table.time = TimeMapping(columns, stamps.order, zone, "end" if marks == "end" else "start", evidence)


def _time_columns(table: Draft, order: str) -> tuple[tuple[str, ...], Stamps, str, str] | None:
    data = table.raw.data
    named = [(h, "start") for h in table.role("@time")] + [(h, "end") for h in table.role("@time-end")]
    for header, marks in named:
        stamps = timeaxis.parse(data[header], order)
        if stamps.readable >= 0.5:
            return (header,), stamps, marks, f"header {header!r}"
    clocks = [h for h, _ in named] + table.role("@hour")
    for header in table.role("@date"):
        alone = timeaxis.parse(data[header], order)
        if alone.readable < 0.5:
            continue
        for clock in clocks:
            both = timeaxis.parse(timeaxis.with_time_of_day(data[header], data[clock]), order)
            if both.readable >= 0.5:
                return (header, clock), both, "start", f"date in {header!r}, time of day in {clock!r}"
        return (header,), alone, "start", f"header {header!r}"
    for header in table.raw.headers:
        kind = data[header].type
        if header in table.matches or not (pa.types.is_string(kind) or pa.types.is_timestamp(kind)):
            continue
        stamps = timeaxis.parse(data[header].slice(0, 500), order)
        if stamps.readable >= 0.95 and len(np.unique(stamps.wall)) > 1:
            return (header,), timeaxis.parse(data[header], order), "start", f"{header!r} holds stamps"
    return None


def _zone(columns: tuple[str, ...], stamps: Stamps) -> tuple[str, str]:
    if stamps.zone:
        return stamps.zone, "zone of the column's type"
    if stamps.offset_s is not None:
        offsets = np.unique(stamps.offset_s[~np.isnan(stamps.offset_s)])
        if len(offsets) == 1:
            return timeaxis.offset_name(float(offsets[0])), "every stamp carries its offset"
        return "UTC", f"stamps carry {len(offsets)} different offsets"
    for column in columns:
        zone = timeaxis.zone_in_header(column)
        if zone:
            return zone, f"zone in the header {column!r}"
    return "unknown", "no zone is given: wall-clock time"


def quoted(text: str) -> str:
    """Return text as a TOML string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
