"""What the recognition of an export has to say to its user."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from features.issues import DataIssue
from features.message import Message, say, term
from features.reading import derived, sources, undated
from features.reading.headers import match
from features.reading.mapping import IGNORE, ColumnMapping, FileMapping, Mapping
from features.reading.phases import phase_sets
from features.reading.tabular import RawTable

UNTIL_KNOWN = "left out until its unit is known"
REASONS, SHOWN = 8, 4
"""Reasons for leaving columns out, and columns of one reason, that a finding lists; the mapping has all."""


def zone_issue(place: str) -> DataIssue:
    """Return the issue that no zone is given with the stamps."""
    return DataIssue(
        "D-ZONE-ASSUMED",
        "warning",
        place,
        say("no time zone is given with the stamps"),
        say("declare the site's time zone (site.toml, or 'zone' in mapping.toml)"),
        say("stamps stay wall-clock time; nothing that depends on the zone is claimed"),
        0,
    )


def mapping_issues(tables: Sequence[RawTable], mapping: Mapping) -> list[DataIssue]:
    """Return what a mapping leaves out, combines, or takes with little confidence."""
    issues = [
        DataIssue(
            "D-PART-IGNORED",
            "info",
            t.file.name,
            note,
            say("nothing, if it is not telemetry"),
            say("none"),
            0,
        )
        for t in tables
        for note in t.notes
    ]
    for table, file in zip(tables, mapping.file, strict=False):
        issues += [*_date_issues(table, file), *_phase_issues(table, file)]
    for file in mapping.file:
        unused = [c for c in file.column if c.canonical == IGNORE]
        computed = [c for c in unused if c.evidence.startswith(derived.PREFIX)]
        if computed:
            issues.append(_derived_issue(file, computed))
        issues += [_open_unit(file, c) for c in unused if c.evidence.startswith(UNTIL_KNOWN)]
        ignored = [
            c
            for c in unused
            if c not in computed and not c.combine and not c.evidence.startswith(UNTIL_KNOWN)
        ]
        if ignored:
            shown = _why(ignored)
            issues.append(
                DataIssue(
                    "D-COLUMN-IGNORED",
                    "info",
                    file.glob,
                    say("{count} columns are not used: {shown}", count=len(ignored), shown=shown),
                    say("name their meaning in mapping.toml if they matter"),
                    say("none"),
                    0,
                )
            )
        for canonical in dict.fromkeys(
            c.canonical for c in file.column if c.combine and c.canonical != IGNORE
        ):
            members = [c for c in file.column if c.canonical == canonical]
            apart = sources.disagreement(members[0].evidence)
            together = say(
                "{count} columns become one: their {how} is {canonical}",
                count=len(members),
                how=term(members[0].combine),
                canonical=canonical,
            )
            issues.append(
                DataIssue(
                    "D-COMBINED",
                    "warning" if apart else "info",
                    say(
                        "{glob}, {names}",
                        glob=file.glob,
                        names=Message.joined(", ", (repr(c.source) for c in members[:6])),
                    ),
                    Message.joined("; ", filter(None, (together, apart))),
                    say('set those that do not belong to it to "ignore" in mapping.toml'),
                    say("the mean lies between two places") if apart else say("none"),
                    0,
                )
            )
        for column in file.column:
            issues += _column_issues(
                file, column.source, column.canonical, column.confidence, column.evidence
            )
    return issues


def _open_unit(file: FileMapping, column: ColumnMapping) -> DataIssue:
    return DataIssue(
        "D-UNIT-UNKNOWN",
        "warning",
        say("{glob}, column {column!r}", glob=file.glob, column=column.source),
        column.evidence,
        say("write its unit into mapping.toml ([[answer]] with column and unit)"),
        say("the column is not used"),
        0,
    )


def _why(columns: Sequence[ColumnMapping]) -> Message:
    """Return why columns are not used; those of one reason together, the rarest reasons first."""
    alike: dict[str, list[str]] = defaultdict(list)
    for column in columns:
        alike[column.evidence or say("as the mapping says")].append(repr(column.source))
    ranked = sorted(alike.items(), key=lambda reason: len(reason[1]))
    return Message.joined("; ", (_of_one_reason(names, why) for why, names in ranked[:REASONS]))


def _of_one_reason(names: Sequence[str], why: str) -> Message:
    shown = Message.joined(", ", names[:SHOWN])
    if len(names) > SHOWN:
        return say("{names} and {count} more: {why}", names=shown, count=len(names) - SHOWN, why=why)
    return say("{names}: {why}", names=shown, why=why)


def _because(source: str, evidence: str) -> Message:
    return say("{source!r}: {evidence}", source=source, evidence=evidence)


def _derived_issue(file: FileMapping, computed: Sequence[ColumnMapping]) -> DataIssue:
    shown = [_because(c.source, derived.how(c.evidence)) for c in computed[:12]]
    if len(computed) > 12:
        shown.append(say("and {count} more", count=len(computed) - 12))
    return DataIssue(
        "D-COLUMN-DERIVED",
        "info",
        file.glob,
        say(
            "{count} columns were computed from others, not measured: {shown}",
            count=len(computed),
            shown=Message.joined("; ", shown),
        ),
        say("nothing; name a column in mapping.toml if it is a measurement after all"),
        say("left out: neither an input nor a target of any model"),
        0,
    )


def _date_issues(table: RawTable, file: FileMapping) -> list[DataIssue]:
    """Return where the date of times of day comes from, unless the user gave it."""
    if file.time is None or not file.time.date:
        return []
    place = say("{glob}, column {column!r}", glob=file.glob, column=file.time.columns[0])
    if file.time.date == undated.ASSUMED:
        return [
            DataIssue(
                "D-DATE-ASSUMED",
                "warning",
                place,
                say("the times carry no date: rows are dated from {date}", date=undated.ASSUMED),
                say('write the date of the first row into mapping.toml ([[answer]] date = "YYYY-MM-DD")'),
                say("nothing that depends on the date (season, weekday, tariff, other files) is claimed"),
                0,
            )
        ]
    if file.time.date == undated.date_in(table.file.stem, table.layout.sheet):
        return [
            DataIssue(
                "D-DATE-ASSUMED",
                "info",
                place,
                say(
                    "the times carry no date; {date} is taken from the name of the file or sheet",
                    date=file.time.date,
                ),
                say("correct 'date' in mapping.toml if the name means something else"),
                say("none, if the name is right"),
                0,
            )
        ]
    return []


def _phase_issues(table: RawTable, file: FileMapping) -> list[DataIssue]:
    """Return what was not summed: phases of an unnamed meter, and phases without the third one."""
    meaning = {c.source: c for c in file.column}
    issues = []
    for phases in phase_sets(table.headers):
        mine = [meaning[h] for h in phases.headers if h in meaning]
        if not mine or any(c.canonical != IGNORE for c in mine):
            continue
        missing = "" if phases.complete else say("a phase is missing, so a sum would be too low")
        names = Message.joined(", ", (repr(c.source) for c in mine))
        issues.append(
            DataIssue(
                "D-PHASES",
                "warning",
                say("{glob}, {names}", glob=file.glob, names=names),
                Message.joined("; ", filter(None, (mine[0].evidence, missing))),
                say(
                    "if they are phases of one meter, give all of them its 'canonical' and combine = "
                    '"sum" in mapping.toml (now {canonical!r})',
                    canonical=mine[0].canonical,
                ),
                say("the meter is not used"),
                0,
            )
        )
    return issues


def _column_issues(
    file: FileMapping, source: str, canonical: str, confidence: float, evidence: str
) -> list[DataIssue]:
    place = say("{glob}, column {source!r}", glob=file.glob, source=source)
    found = []
    if canonical == "station_energy_rel":
        found.append(
            DataIssue(
                "D-ENERGY-RELATIVE",
                "info",
                place,
                say("the energy has no physical unit"),
                say("declare the unit in mapping.toml if it is known"),
                say("savings are given in % only"),
                0,
            )
        )
    if canonical == "cooling_power_kw":
        meaning = match(source, "data-centre")
        if meaning is not None and meaning.canonical == "chiller_power_kw":
            found.append(
                DataIssue(
                    "D-COOLING-PARTIAL",
                    "info",
                    place,
                    say("chillers are the only metered cooling; pumps, towers and fans are not included"),
                    say("export the other meters too"),
                    say("cooling energy and savings are those of the chillers only"),
                    0,
                )
            )
    if canonical != IGNORE and confidence < 0.6:
        found.append(
            DataIssue(
                "D-LOW-CONFIDENCE",
                "warning",
                place,
                say(
                    "taken for {canonical} with confidence {confidence:g}: {evidence}",
                    canonical=canonical,
                    confidence=confidence,
                    evidence=evidence,
                ),
                say("confirm or correct it in mapping.toml"),
                say("results depend on this reading of the header"),
                0,
            )
        )
    return found
