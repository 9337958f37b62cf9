"""One raw table while it is being recognised: matched headers, decimal mark, time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from features.errors import UnrecognisedError
from features.message import Message, say
from features.reading import context, numerals, phases, timeaxis, undated, zones
from features.reading.doubt import Question
from features.reading.headers import STATION_ENERGY, UNUSED, Match, match
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
    found_by_name = {
        h: m
        for h, unit_cell in zip(raw.headers, raw.unit_cells, strict=True)
        if (m := _match_with_units_row(h, unit_cell, kind)) is not None
    }
    found_by_name = context.weighed(found_by_name, tuple(raw.headers), raw.file.stem)
    matches: dict[str, Match] = {}
    for header in raw.headers:
        found = found_by_name.get(header)
        given = next((a for a in mine if a.column == header and a.canonical), None)
        if given is not None:
            meaning = "@ignore" if given.canonical == IGNORE else given.canonical
            found = Match(meaning, 1.0, found.unit if found else None, say("answered in the mapping"))
        if found is not None:
            matches[header] = found
    answered = {a.column for a in mine if a.canonical}
    matches |= {
        h: m
        for h, m in phases.matches_of(raw.headers, kind).items()
        if h not in answered and (h not in matches or matches[h].canonical in UNUSED)
    }
    table = Draft(raw, matches, mine)
    table.decimal, table.decimal_evidence = _decimal(table, questions)
    _find_time(table, questions)
    return table


def _match_with_units_row(header: str, unit_cell: str, kind: Kind) -> Match | None:
    if unit_cell:
        found = match(f"{header} ({unit_cell})", kind)
        if found is not None:
            return replace(found, evidence=say("{evidence}, from the row of units", evidence=found.evidence))
    return match(header, kind)


# -- decimal mark --------------------------------------------------------------------------------
def _decimal(table: Draft, questions: list[Question]) -> tuple[Mark, str]:
    given = next((a.decimal for a in table.answers if a.decimal), None)
    if given:
        return given, say("answered in the mapping")
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
        return ",", say("{comma} cells such as 12,5 can only be decimal commas", comma=comma)
    if point and not comma:
        return ".", say("{point} cells show a decimal point", point=point)
    where = table.name
    answer = f'[[answer]]\nfile = {quoted(where)}\ndecimal = "."   # or ","'
    if comma and point:
        questions.append(
            Question(
                "E-QUESTION-DECIMAL",
                say(
                    "{comma} cells show a decimal comma and {point} a decimal point", comma=comma, point=point
                ),
                where,
                answer,
            )
        )
    elif doubtful:
        header, mark = next(iter(doubtful.items()))
        questions.append(
            Question(
                "E-QUESTION-DECIMAL",
                say(
                    "{count} cells of {header!r} like {example!r} are thousands or decimals",
                    count=mark.doubtful_comma,
                    header=header,
                    example=mark.example,
                ),
                where,
                answer,
            )
        )
    return ".", say("no cell shows another mark")


# -- time ----------------------------------------------------------------------------------------
def _find_time(table: Draft, questions: list[Question]) -> None:
    order = next((a.date_order for a in table.answers if a.date_order), "")
    zone = next((a.zone for a in table.answers if a.zone), "")
    chosen = _time_columns(table, order)
    if chosen is None:
        bare = [h for h in table.role("@time") if timeaxis.time_without_date(table.raw.data[h])]
        if bare:
            _without_date(table, bare[0], zone)
        return
    columns, stamps, marks, why = chosen
    if stamps.doubt:
        questions.append(
            Question(
                "E-QUESTION-DATE-ORDER",
                say(
                    "day and month of {column!r} cannot be told apart: {doubt}",
                    column=columns[0],
                    doubt=stamps.doubt,
                ),
                table.name,
                f'[[answer]]\nfile = {quoted(table.name)}\ndate_order = "day-first"   # or "month-first"',
            )
        )
    zone_evidence = say("answered in the mapping") if zone else ""
    if not zone:
        zone, zone_evidence = _zone(columns, stamps)
    table.stamps = stamps
    evidence = Message.joined("; ", filter(None, (why, stamps.evidence, zone_evidence)))
    table.time = TimeMapping(columns, stamps.order, zone, "end" if marks == "end" else "start", evidence)


def _without_date(table: Draft, header: str, zone: str) -> None:
    """Date times of day by the answer, by the file's or sheet's name, or by a date that shows its nature."""
    given = next((a.date for a in table.answers if a.date), "")
    named = undated.date_in(table.raw.file.stem, table.raw.layout.sheet)
    chosen = given or named or undated.ASSUMED
    stamps = undated.placed(table.raw.data[header], chosen)
    if stamps is None:
        raise no_date(table.name, header, say("and do not run forward, so no row's day is known"))
    if chosen == undated.ASSUMED and int((~np.isnat(stamps.wall)).sum()) < undated.LEAST_ROWS:
        raise no_date(table.name, header, "")
    source = (
        say("date answered in the mapping")
        if given
        else say("date from the name of the file or sheet")
        if named
        else say("the times carry no date: an assumed one stands for the first day")
    )
    table.stamps = stamps
    table.time = TimeMapping(
        (header,),
        stamps.order,
        zone or zones.zone_in_header(header) or "unknown",
        evidence=say(
            "header {header!r}; {evidence}; {source}", header=header, evidence=stamps.evidence, source=source
        ),
        date=chosen,
    )


def no_date(file: str, header: str, because: str) -> UnrecognisedError:
    """Return the refusal of times without a date."""
    return UnrecognisedError(
        "E-TIME-NO-DATE",
        say("the times carry no date {because}", because=because)
        if because
        else say("the times carry no date"),
        say("{file}, column {header!r}", file=file, header=header),
        say(
            "export date and time in every row, or write the date of the first row into "
            "mapping.toml and give it with --mapping:\nversion = 1\n\n[[answer]]\nfile = {quoted}\n"
            'date = "YYYY-MM-DD"',
            quoted=quoted(file),
        ),
    )


def _time_columns(table: Draft, order: str) -> tuple[tuple[str, ...], Stamps, str, str] | None:
    return _in_parts(table) or _named_times(table, order) or _unnamed_time(table, order)


def _in_parts(table: Draft) -> tuple[tuple[str, ...], Stamps, str, str] | None:
    """Return stamps that stand in columns of year, month, day and what follows."""
    parts = timeaxis.part_columns(table.raw.headers)
    if not parts:
        return None
    stamps = timeaxis.parse(timeaxis.from_parts([table.raw.data[h] for h in parts]), "year-first")
    why = say("date and time in {names}", names=Message.joined(", ", map(repr, parts)))
    return (parts, stamps, "start", why) if stamps.readable >= 0.5 else None


def _named_times(table: Draft, order: str) -> tuple[tuple[str, ...], Stamps, str, str] | None:
    data = table.raw.data
    named = [(h, "start") for h in table.role("@time")] + [(h, "end") for h in table.role("@time-end")]
    named += [(h, "start") for h in table.role("@hour")]
    for header, marks in named:
        stamps = timeaxis.parse(data[header], order)
        if stamps.readable >= 0.5:
            return (header,), stamps, marks, say("header {header!r}", header=header)
    clocks = [h for h, _ in named]
    for header in table.role("@date"):
        alone = timeaxis.parse(data[header], order)
        if alone.readable < 0.5:
            continue
        for clock in clocks:
            both = timeaxis.parse(timeaxis.with_time_of_day(data[header], data[clock]), order)
            if both.readable >= 0.5:
                why = say("date in {header!r}, time of day in {clock!r}", header=header, clock=clock)
                if timeaxis.hours_from_1_to_24(data[clock]):
                    return (
                        (header, clock),
                        both,
                        "end",
                        say("{why}; hours run from 1 to 24: each names its end", why=why),
                    )
                return (header, clock), both, "start", why
        return (header,), alone, "start", say("header {header!r}", header=header)
    return None


def _unnamed_time(table: Draft, order: str) -> tuple[tuple[str, ...], Stamps, str, str] | None:
    """Return a column without a name for it that holds stamps."""
    data = table.raw.data
    for header in table.raw.headers:
        kind = data[header].type
        if header in table.matches or not (pa.types.is_string(kind) or pa.types.is_timestamp(kind)):
            continue
        stamps = timeaxis.parse(data[header].slice(0, 500), order)
        if stamps.readable >= 0.95 and len(np.unique(stamps.wall)) > 1:
            return (
                (header,),
                timeaxis.parse(data[header], order),
                "start",
                say("{header!r} holds stamps", header=header),
            )
    return None


def _zone(columns: tuple[str, ...], stamps: Stamps) -> tuple[str, str]:
    if stamps.zone:
        return stamps.zone, say("zone of the column's type")
    if stamps.offset_s is not None:
        offsets = np.unique(stamps.offset_s[~np.isnan(stamps.offset_s)])
        if len(offsets) == 1:
            return zones.offset_name(float(offsets[0])), say("every stamp carries its offset")
        return "UTC", say("stamps carry {count} different offsets", count=len(offsets))
    for column in columns:
        zone = zones.zone_in_header(column)
        if zone:
            return zone, say("zone in the header {column!r}", column=column)
    return "unknown", say("no zone is given: wall-clock time")


def quoted(text: str) -> str:
    """Return text as a TOML string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
