"""Raw tables -> a proposed mapping, with confidence and evidence for every choice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa

from features.errors import DataError, QuestionError, UnrecognisedError
from features.reading import numerals, timeaxis
from features.reading.doubt import ASKED, Question, Verdict, decide_unit, is_counter
from features.reading.headers import STATION_ENERGY, Match, match, words_of
from features.reading.mapping import (
    IGNORE,
    Answer,
    ColumnMapping,
    Combine,
    FileMapping,
    Mapping,
    SourceAggregation,
    TimeMapping,
)
from features.reading.numerals import Mark
from features.reading.tabular import RawTable
from features.reading.timeaxis import IntArray, Stamps
from features.reading.units import UNITS, Unit, line_to
from features.schema import SCHEMA, Kind

USED_FROM = 0.5
"""Least confidence with which a column is used without being asked for."""

_NUMBERED: dict[str, Combine] = {"kW": "sum", "m3": "sum", "L/s": "sum", "degC": "mean"}


@dataclass
class _Table:
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
        return self.raw.file.name

    def role(self, role: str) -> list[str]:
        return [h for h, m in self.matches.items() if m.canonical == role]


def propose(tables: Sequence[RawTable], root: str, kind: Kind | None, answers: tuple[Answer, ...]) -> Mapping:
    """Recognise tables that belong together.

    Parameters
    ----------
    tables : sequence of RawTable
    root : str
        Name for the site where one file or folder is one site.
    kind : str, optional
        Declared kind; recognised where None.
    answers : tuple of Answer
        The user's answers to earlier questions.

    Returns
    -------
    Mapping
        One entry per table, in order.

    Raises
    ------
    UnrecognisedError
        No time column, no usable measurement, or another kind than declared.
    QuestionError
        Doubts that change numbers by a factor; the text holds the lines that answer them.
    """
    chosen = recognise_kind(tables, kind)
    questions: list[Question] = []
    work = [_recognise_table(raw, chosen, answers, questions) for raw in tables]
    entries = [_file_mapping(table, chosen, questions) for table in work]
    if questions:
        raise _ask(questions)
    entries = _name_sites(work, entries, root)
    mapping = Mapping(kind=chosen, file=tuple(entries), answer=answers)
    check_usable(mapping, [t.headers for t in tables], root)
    return _cooling_total(mapping)


def recognise_kind(tables: Sequence[RawTable], declared: Kind | None = None) -> Kind:
    """Return the declared kind, or the one whose vocabulary explains the headers better.

    Raises
    ------
    UnrecognisedError
        ``E-NO-MEASUREMENT`` where neither kind has a measurement; ``E-KIND`` where the declared
        kind explains nothing and the other does.
    """
    scores: dict[Kind, float] = {"data-centre": 0.0, "base-station": 0.0}
    for name in scores:
        for header in {h for t in tables for h in t.headers}:
            found = match(header, name)
            if found is None or found.canonical in ("@time", "@time-end", "@date", "@hour", "@ignore"):
                continue
            specific = found.canonical.startswith("@") or SCHEMA[found.canonical].kind == name
            scores[name] += found.confidence if specific else 0.0
    best = max(scores, key=lambda k: scores[k])
    if declared is not None:
        if scores[declared] == 0.0 and scores[best] >= USED_FROM:
            raise UnrecognisedError(
                "E-KIND", f"the columns are those of a {best}, not of a {declared}", tables[0].file.name,
                f"leave --kind out, or give --kind {best}",
            )  # fmt: skip
        return declared
    if scores[best] < USED_FROM:
        raise _nothing_usable([t.headers for t in tables], tables[0].file.name)
    return best


def _recognise_table(raw: RawTable, kind: Kind, answers: tuple[Answer, ...], questions: list[Question]) -> _Table:
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
    table = _Table(raw, matches, mine)
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
def _decimal(table: _Table, questions: list[Question]) -> tuple[Mark, str]:
    given = next((a.decimal for a in table.answers if a.decimal), None)
    if given:
        return given, "answered in the mapping"
    numeric = [h for h, m in table.matches.items() if not m.canonical.startswith("@") or m.canonical == STATION_ENERGY]
    found = {h: numerals.marks(table.raw.data[h]) for h in numeric}
    comma = sum(m.comma_decimal for m in found.values())
    point = sum(m.point_decimal + m.comma_groups for m in found.values())
    doubtful = {h: m for h, m in found.items() if m.doubtful_comma}
    if comma and not point:
        return ",", f"{comma} cells such as 12,5 can only be decimal commas"
    if point and not comma:
        return ".", f"{point} cells show a decimal point"
    where = table.name
    answer = f'[[answer]]\nfile = {_quoted(where)}\ndecimal = "."   # or ","'
    if comma and point:
        questions.append(
            Question("E-QUESTION-DECIMAL", f"{comma} cells show a decimal comma and {point} a decimal point", where, answer)
        )
    elif doubtful:
        header, mark = next(iter(doubtful.items()))
        questions.append(
            Question(
                "E-QUESTION-DECIMAL",
                f"{mark.doubtful_comma} cells of {header!r} such as {mark.example!r} may be thousands or decimals",
                where,
                answer,
            )
        )
    return ".", "no cell shows another mark"


# -- time ----------------------------------------------------------------------------------------
def _find_time(table: _Table, questions: list[Question]) -> None:
    order = next((a.date_order for a in table.answers if a.date_order), "")
    zone = next((a.zone for a in table.answers if a.zone), "")
    chosen = _time_columns(table, order)
    if chosen is None:
        bare = [h for h in table.role("@time") if timeaxis.time_without_date(table.raw.data[h])]
        if bare:
            raise UnrecognisedError(
                "E-TIME-NO-DATE", "the times carry no date", f"{table.name}, column {bare[0]!r}",
                "export date and time in every row",
            )  # fmt: skip
        return
    columns, stamps, marks, why = chosen
    if stamps.doubt:
        questions.append(
            Question(
                "E-QUESTION-DATE-ORDER",
                f"day and month of {columns[0]!r} cannot be told apart: {stamps.doubt}",
                table.name,
                f'[[answer]]\nfile = {_quoted(table.name)}\ndate_order = "day-first"   # or "month-first"',
            )
        )
    zone_evidence = "answered in the mapping" if zone else ""
    if not zone:
        zone, zone_evidence = _zone(columns, stamps)
    table.stamps = stamps
    evidence = "; ".join(part for part in (why, stamps.evidence, zone_evidence) if part)
    table.time = TimeMapping(columns, stamps.order, zone, "end" if marks == "end" else "start", evidence)


def _time_columns(table: _Table, order: str) -> tuple[tuple[str, ...], Stamps, str, str] | None:
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


# -- columns -------------------------------------------------------------------------------------
def _file_mapping(table: _Table, kind: Kind, questions: list[Question]) -> FileMapping:
    raw = table.raw
    keys = {*table.role("@site")[:1], *table.role("@unit")[:1], *(table.time.columns if table.time else ())}
    columns = [_ignored(h, table.matches.get(h)) for h in raw.headers if h not in keys]
    verdicts = _units_of(table, kind)
    columns = [
        _column(table, c.source, *verdicts[c.source], questions) if c.source in verdicts else c for c in columns
    ]
    columns = _one_source_each(columns)
    return replace(
        raw.layout,
        role="telemetry" if table.time else "attributes",
        decimal=table.decimal,
        decimal_evidence=table.decimal_evidence if table.decimal == "," else "",
        site_column=next(iter(table.role("@site")), ""),
        unit_column=next(iter(table.role("@unit")), ""),
        time=table.time,
        column=tuple(columns),
    )


def _ignored(header: str, found: Match | None) -> ColumnMapping:
    if found is None:
        why = "no meaning recognised"
    elif found.canonical == "@ignore":
        why = f"not a measurement: {found.evidence}"
    elif found.canonical.startswith("@"):
        why = "another column is used for the key"
    else:
        why = f"too little confidence ({found.confidence:g}): {found.evidence}"
    return ColumnMapping(header, IGNORE, confidence=0.0 if found is None else found.confidence, evidence=why)


def _units_of(table: _Table, kind: Kind) -> dict[str, tuple[Match, Verdict]]:
    """Decide every usable column's unit; columns of certain unit first, they testify for the others."""
    usable = {
        h: (m if m.canonical != STATION_ENERGY else replace(m, canonical=_station_energy(h, m.unit)))
        for h, m in table.matches.items()
        if m.confidence >= USED_FROM and (not m.canonical.startswith("@") or m.canonical == STATION_ENERGY)
    }
    answered = {a.column: UNITS[a.unit] for a in table.answers if a.column and a.unit}
    verdicts: dict[str, tuple[Match, Verdict]] = {}
    certain: dict[str, list[Unit]] = defaultdict(list)
    for _ in range(2):
        for header, found in usable.items():
            if header in verdicts and verdicts[header][1].unit is not None:
                continue
            column = SCHEMA[found.canonical]
            if column.text:
                verdicts[header] = (found, Verdict(UNITS["1"], "text"))
                continue
            if header in answered:
                verdict = Verdict(answered[header], "answered in the mapping")
            else:
                values = numerals.parse(table.raw.data[header], table.decimal).values
                verdict = decide_unit(found.canonical, found.unit, values, certain[column.unit], header)
            if verdict.unit is not None:
                certain[column.unit].append(verdict.unit)
            verdicts[header] = (found, verdict)
    return verdicts


def _station_energy(header: str, unit: Unit | None) -> str:
    if unit is not None and unit.dimension == "power":
        return "station_power_w"
    if unit is not None and unit.dimension == "energy":
        return "station_energy_kwh"
    return "station_power_w" if "power" in words_of(header) else "station_energy_rel"


def _column(
    table: _Table, header: str, found: Match, verdict: Verdict, questions: list[Question]
) -> ColumnMapping:
    column = SCHEMA[found.canonical]
    if column.text:
        return ColumnMapping(header, found.canonical, "", 1.0, 0.0, "constant", "", found.confidence, found.evidence)
    if verdict.unit is None:
        if column.unit in ASKED:
            questions.append(
                Question(
                    "E-QUESTION-UNIT",
                    verdict.ask,
                    f"{table.name}, column {header!r}",
                    f"[[answer]]\nfile = {_quoted(table.name)}\ncolumn = {_quoted(header)}\nunit = \"...\"",
                )
            )
        return ColumnMapping(
            header, IGNORE, confidence=found.confidence, evidence=f"left out until its unit is known: {verdict.ask}"
        )
    factor, offset = line_to(found.canonical, verdict.unit)
    aggregation: SourceAggregation = column.aggregation
    evidence = f"{found.evidence}; {verdict.evidence}"
    if verdict.unit.dimension == "energy" or column.aggregation == "sum":
        aggregation = "sum"
        if _looks_like_counter(table, header):
            aggregation = "counter"
            evidence += "; values only grow: a register, so neighbours are subtracted"
        elif column.unit == "kW":
            evidence += f"; {verdict.unit.symbol} of the interval, divided by its hours"
    confidence = found.confidence if "answered" not in verdict.evidence else 1.0
    return ColumnMapping(
        header, found.canonical, verdict.unit.symbol, factor, offset, aggregation, "", confidence, evidence
    )


def _looks_like_counter(table: _Table, header: str) -> bool:
    if table.stamps is None:
        return False
    values = numerals.parse(table.raw.data[header], table.decimal).values
    return is_counter(values, _key_codes(table), table.stamps.wall.astype(np.int64))


def _key_codes(table: _Table) -> IntArray:
    codes = np.zeros(table.raw.data.num_rows, dtype=np.int64)
    for header in (*table.role("@site")[:1], *table.role("@unit")[:1]):
        part, labels = pd.factorize(table.raw.data[header].to_pandas())
        codes = codes * (len(labels) + 1) + part
    return codes


def _one_source_each(columns: list[ColumnMapping]) -> list[ColumnMapping]:
    """Let one source (or numbered instruments of one kind together) stand for each canonical column."""
    by_canonical: dict[str, list[ColumnMapping]] = defaultdict(list)
    for column in columns:
        if column.canonical != IGNORE:
            by_canonical[column.canonical].append(column)
    result = {c.source: c for c in columns}
    for canonical, sources in by_canonical.items():
        if len(sources) == 1:
            continue
        how: Combine = "max" if canonical == "server_inlet_temp_c" else _NUMBERED.get(SCHEMA[canonical].unit, "")
        if how and len({_without_numbers(s.source) for s in sources}) == 1:
            note = f"; {len(sources)} numbered columns become their {how}"
            result |= {s.source: replace(s, combine=how, evidence=s.evidence + note) for s in sources}
            continue
        best = max(sources, key=lambda s: s.confidence)
        for other in sources:
            if other is not best:
                why = f"{best.source!r} already gives {canonical}"
                result[other.source] = ColumnMapping(other.source, IGNORE, confidence=other.confidence, evidence=why)
    return [result[c.source] for c in columns]


def _without_numbers(header: str) -> str:
    return "".join(c for c in words_of(header) if not c.isdigit())


# -- the whole path ------------------------------------------------------------------------------
def _name_sites(work: list[_Table], entries: list[FileMapping], root: str) -> list[FileMapping]:
    """Give a constant site to every table without a site column."""
    series = [i for i, e in enumerate(entries) if e.role == "telemetry" and not e.site_column]
    if not series:
        return entries
    shapes = {tuple(sorted(c.source for c in entries[i].column)) for i in series}
    overlap = _spans_overlap([work[i].stamps for i in series])
    if len(series) > 1 and len(shapes) > 1 and len(shapes) < len(series) and overlap:
        raise DataError(
            "E-FOLDER-MIXED",
            "some files have the same columns over the same time (several sites) and others do not",
            root,
            "put each site into its own folder, or set 'site' of every file in mapping.toml",
        )
    several = len(series) > 1 and len(shapes) == 1 and overlap
    named = list(entries)
    for i in series:
        site = work[i].raw.file.path.stem if several else root
        named[i] = replace(entries[i], site=site)
    return named


def _spans_overlap(all_stamps: Sequence[Stamps | None]) -> bool:
    spans = sorted(
        (s.wall[~np.isnat(s.wall)].min(), s.wall[~np.isnat(s.wall)].max())
        for s in all_stamps
        if s is not None and not np.isnat(s.wall).all()
    )
    return any(later[0] <= earlier[1] for earlier, later in zip(spans, spans[1:], strict=False))


def _cooling_total(mapping: Mapping) -> Mapping:
    """Take the only cooling meter, the chillers', for the cooling power; the reader reports it."""
    parts = {"tower_fan_power_kw", "pump_power_kw", "fan_power_kw", "dx_power_kw", "evaporative_power_kw"}
    present = {c.canonical for f in mapping.file for c in f.column}
    if "chiller_power_kw" not in present or "cooling_power_kw" in present or parts & present:
        return mapping
    files = tuple(
        replace(
            f,
            column=tuple(
                replace(c, canonical="cooling_power_kw", evidence=f"{c.evidence}; the only cooling meter")
                if c.canonical == "chiller_power_kw"
                else c
                for c in f.column
            ),
        )
        for f in mapping.file
    )
    return replace(mapping, file=files)


def check_usable(mapping: Mapping, headers: Sequence[Sequence[str]], root: str) -> None:
    """Refuse a mapping without time or without any measurement.

    Raises
    ------
    UnrecognisedError
        ``E-NO-TIME``, ``E-NO-MEASUREMENT`` or ``E-KIND``.
    """
    series = [f for f in mapping.file if f.role == "telemetry" and f.time is not None]
    if not series:
        raise UnrecognisedError(
            "E-NO-TIME", f"no column holds times with dates; seen: {_listed(headers)}", root,
            "export with a time stamp in every row (date and time)",
        )  # fmt: skip
    used = {c.canonical for f in series for c in f.column if c.canonical != IGNORE}
    if not used:
        raise _nothing_usable(headers, root)
    strangers = sorted(c for c in used if SCHEMA[c].kind not in ("", mapping.kind))
    if strangers:
        raise UnrecognisedError(
            "E-KIND", f"{', '.join(strangers)} do not belong to a {mapping.kind}", root, "give the right --kind"
        )


def _nothing_usable(headers: Sequence[Sequence[str]], where: str) -> UnrecognisedError:
    return UnrecognisedError(
        "E-NO-MEASUREMENT", f"no column is recognised as a measurement; seen: {_listed(headers)}", where,
        "name the columns' meaning in mapping.toml ([[answer]] with column, canonical and unit), or give --kind",
    )  # fmt: skip


def _listed(headers: Sequence[Sequence[str]]) -> str:
    names = list(dict.fromkeys(h for table in headers for h in table))
    return ", ".join(names[:30]) + (f" and {len(names) - 30} more" if len(names) > 30 else "")


def _ask(questions: Sequence[Question]) -> QuestionError:
    unique = list(dict.fromkeys(questions))
    texts = "\n  ".join(f"{i}. {q.text} ({q.where})" for i, q in enumerate(unique, start=1))
    answers = "\n\n".join(dict.fromkeys(q.answer for q in unique))
    return QuestionError(
        unique[0].code,
        texts if len(unique) > 1 else unique[0].text,
        unique[0].where if len(unique) == 1 else f"{len(unique)} questions",
        f"write these lines with the right values into mapping.toml and give it with --mapping:\nversion = 1\n\n{answers}",
    )


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

