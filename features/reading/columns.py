"""Matched headers -> column mappings: units by header, by values, or by asking."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from features.message import Message, say
from features.reading import derived, moist_air, numerals, sources, unit_loads
from features.reading.contradicted import contradicted
from features.reading.doubt import ASKED, Question, Verdict, decide_power, decide_unit, is_counter
from features.reading.draft import Draft, quoted
from features.reading.headers import KNOWN, STATION_ENERGY, UNUSED, Match, words_of
from features.reading.mapping import IGNORE, ColumnMapping, FileMapping, SourceAggregation
from features.reading.phases import PhaseSet, phase_sets
from features.reading.timeaxis import IntArray
from features.reading.units import UNITS, Unit, line_to
from features.schema import SCHEMA

USED_FROM = 0.5
"""Least confidence with which a column is used without being asked for."""


# -- columns -------------------------------------------------------------------------------------
def file_mapping(table: Draft, questions: list[Question]) -> FileMapping:
    """Return the mapping of one drafted table; open doubts are added to the questions."""
    raw = table.raw
    keys = {*table.role("@site")[:1], *table.role("@unit")[:1], *(table.time.columns if table.time else ())}
    verdicts = _units_of(table)
    for header, why in contradicted(table, verdicts).items():
        table.matches[header] = replace(verdicts.pop(header)[0], canonical=KNOWN, evidence=why)
    columns = [_ignored(h, table.matches.get(h)) for h in raw.headers if h not in keys]
    columns = [
        _column(table, c.source, *verdicts[c.source], questions) if c.source in verdicts else c
        for c in columns
    ]
    sets = phase_sets(raw.headers)
    columns = sources.one_each(sources.values_of(table), table.name, columns, sets, questions)
    columns = _proposed_phases(table, columns, sets)
    columns = unit_loads.proved(table.raw, columns, table.decimal)
    columns = _proved_derived(table, columns)
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
    why: str
    if found is None:
        why = say("no meaning recognised")
    elif found.canonical == derived.ROLE:
        words = found.evidence.split(" read as ")[0]
        why = derived.said(say("by its name ({words})", words=words))
    elif found.canonical == KNOWN:
        why = found.evidence
    elif found.canonical in UNUSED:
        why = say("not a measurement by its name")
    elif found.canonical.startswith("@"):
        why = say("another column is used for the key")
    else:
        why = say(
            "too little confidence ({confidence:g}): {evidence}",
            confidence=found.confidence,
            evidence=found.evidence,
        )
    return ColumnMapping(header, IGNORE, confidence=0.0 if found is None else found.confidence, evidence=why)


def _units_of(table: Draft) -> dict[str, tuple[Match, Verdict]]:
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
                verdicts[header] = (found, Verdict(UNITS["1"], say("text")))
                continue
            if header in answered:
                verdict = Verdict(answered[header], say("answered in the mapping"))
            else:
                values = numerals.parse(table.raw.data[header], table.decimal).numbers
                verdict = decide_unit(found.canonical, found.unit, values, certain[column.unit], header)
            if verdict.unit is not None:
                certain[column.unit].append(verdict.unit)
            verdicts[header] = (found, verdict)
    verdicts |= _units_by_powers(table, verdicts)
    told = _units_by_humidity(table, verdicts)
    return verdicts | told | _units_like(table, verdicts, told)


def _units_like(
    table: Draft, verdicts: Mapping[str, tuple[Match, Verdict]], told: Mapping[str, tuple[Match, Verdict]]
) -> dict[str, tuple[Match, Verdict]]:
    """Decide the temperatures that are open still by those that the humidity has told."""
    units = [v.unit for _, v in told.values() if v.unit is not None]
    decided = {}
    for header, (found, verdict) in verdicts.items():
        if units and header not in told and verdict.unit is None and SCHEMA[found.canonical].unit == "degC":
            values = numerals.parse(table.raw.data[header], table.decimal).numbers
            decided[header] = (found, decide_unit(found.canonical, found.unit, values, units, header))
    return decided


def _units_by_powers(
    table: Draft, verdicts: Mapping[str, tuple[Match, Verdict]]
) -> dict[str, tuple[Match, Verdict]]:
    """Decide the open unit of a power by another meter of the site whose unit is declared."""
    known = {
        found.canonical: (h, verdict.unit)
        for h, (found, verdict) in verdicts.items()
        if verdict.unit is not None and verdict.unit.dimension == "power"
    }
    decided = {}
    for header, (found, verdict) in verdicts.items():
        if verdict.unit is not None or SCHEMA[found.canonical].unit != "kW":
            continue
        values = numerals.parse(table.raw.data[header], table.decimal).numbers
        for canonical, (other, unit) in known.items():
            reference = numerals.parse(table.raw.data[other], table.decimal).numbers * unit.factor
            told = decide_power(found.canonical, values, canonical, reference)
            if told is not None:
                decided[header] = (found, told)
                break
    return decided


def _units_by_humidity(
    table: Draft, verdicts: Mapping[str, tuple[Match, Verdict]]
) -> dict[str, tuple[Match, Verdict]]:
    """Decide the open unit of outdoor temperatures where the file's own humidity tells it."""
    by_canonical = {found.canonical: (h, verdict) for h, (found, verdict) in verdicts.items()}
    if not {"outdoor_dry_bulb_c", "outdoor_rh_pct"} <= set(by_canonical):
        return {}
    (dry, open_dry), (rh, known_rh) = by_canonical["outdoor_dry_bulb_c"], by_canonical["outdoor_rh_pct"]
    if open_dry.unit is not None or known_rh.unit is None:
        return {}
    values = {h: numerals.parse(table.raw.data[h], table.decimal).numbers for h in (dry, rh)}
    factor, offset = line_to("outdoor_rh_pct", known_rh.unit)
    for canonical in ("outdoor_dew_point_c", "outdoor_wet_bulb_c"):
        header, verdict = by_canonical.get(canonical, ("", known_rh))
        if not header or verdict.unit is not None:
            continue
        other = numerals.parse(table.raw.data[header], table.decimal).numbers
        told = moist_air.unit_of(values[dry], values[rh] * factor + offset, other, canonical)
        if told is not None:
            unit, why = told
            return {h: (verdicts[h][0], Verdict(unit, why)) for h in (dry, header)}
    return {}


def _station_energy(header: str, unit: Unit | None) -> str:
    if unit is not None and unit.dimension == "power":
        return "station_power_w"
    if unit is not None and unit.dimension == "energy":
        return "station_energy_kwh"
    return "station_power_w" if "power" in words_of(header) else "station_energy_rel"


def _column(
    table: Draft, header: str, found: Match, verdict: Verdict, questions: list[Question]
) -> ColumnMapping:
    column = SCHEMA[found.canonical]
    if column.text:
        return ColumnMapping(
            header, found.canonical, "", 1.0, 0.0, "constant", "", found.confidence, found.evidence
        )
    if verdict.unit is None:
        questions.append(
            Question(
                "E-QUESTION-UNIT",
                verdict.ask,
                say("{name}, column {header!r}", name=table.name, header=header),
                f'[[answer]]\nfile = {quoted(table.name)}\ncolumn = {quoted(header)}\nunit = "..."',
                needed=column.unit in ASKED,
            )
        )
        return ColumnMapping(
            header,
            IGNORE,
            confidence=found.confidence,
            evidence=say("left out until its unit is known: {question}", question=verdict.ask),
        )
    factor, offset = line_to(found.canonical, verdict.unit)
    aggregation: SourceAggregation = column.aggregation
    evidence = [found.evidence, verdict.evidence]
    if verdict.unit.dimension == "energy" or column.aggregation == "sum":
        aggregation = "sum"
        if _looks_like_counter(table, header):
            aggregation = "counter"
            evidence.append(say("values only grow: a register, so neighbours are subtracted"))
        elif column.unit == "kW":
            evidence.append(say("{unit} of the interval, divided by its hours", unit=verdict.unit.symbol))
    confidence = found.confidence if "answered" not in verdict.evidence else 1.0
    return ColumnMapping(
        header,
        found.canonical,
        verdict.unit.symbol,
        factor,
        offset,
        aggregation,
        "",
        confidence,
        Message.joined("; ", evidence),
    )


def _looks_like_counter(table: Draft, header: str) -> bool:
    if table.stamps is None:
        return False
    values = numerals.parse(table.raw.data[header], table.decimal).numbers
    return is_counter(values, _key_codes(table), table.stamps.wall.astype(np.int64))


def _key_codes(table: Draft) -> IntArray:
    codes = np.zeros(table.raw.data.num_rows, dtype=np.int64)
    for header in (*table.role("@site")[:1], *table.role("@unit")[:1]):
        part, labels = pd.factorize(table.raw.data[header].to_pandas())
        codes = codes * (len(labels) + 1) + part
    return codes


def _proposed_phases(
    table: Draft, columns: list[ColumnMapping], sets: Sequence[PhaseSet]
) -> list[ColumnMapping]:
    """Propose, without using it, the sum of phases whose name does not say which meter they belong to."""
    result = {c.source: c for c in columns}
    for phases in sets:
        mine = [result[h] for h in phases.headers if h in result]
        if not phases.complete or phases.meter or any(c.canonical != IGNORE for c in mine):
            continue
        parts = [numerals.parse(table.raw.data[h], table.decimal).numbers for h in phases.headers]
        total = np.sum(parts, axis=0)
        known = total[np.isfinite(total)]
        span = (
            say("their sum runs from {low:g} to {high:g}", low=known.min(), high=known.max())
            if len(known)
            else say("they are empty")
        )
        why = say(
            "line conductors L1, L2, L3 of one meter by name and unit ({span} {unit}); which "
            "load it feeds is not said, so they are left out",
            span=span,
            unit=phases.unit.symbol,
        )
        factor = phases.unit.factor
        result |= {
            c.source: replace(
                c, unit=phases.unit.symbol, factor=factor, combine="sum", confidence=0.4, evidence=why
            )
            for c in mine
        }
    return [result[c.source] for c in columns]


def _proved_derived(table: Draft, columns: list[ColumnMapping]) -> list[ColumnMapping]:
    """Say of unused columns what the numbers prove: a ratio or a lagged copy of others."""
    unused = {
        c.source: c.evidence.startswith(derived.PREFIX)
        for c in columns
        if c.canonical == IGNORE and not c.combine
    }
    used = [c.source for c in columns if c.canonical != IGNORE and not SCHEMA[c.canonical].text]
    if not unused or not used:
        return columns
    proved = derived.relations(table.raw, unused, used, table.decimal)
    return [replace(c, evidence=derived.said(proved[c.source])) if c.source in proved else c for c in columns]
