"""What the recognition of an export has to say to its user."""

from __future__ import annotations

from collections.abc import Sequence

from features.issues import DataIssue
from features.reading.headers import match
from features.reading.mapping import IGNORE, FileMapping, Mapping
from features.reading.tabular import RawTable


def zone_issue(place: str) -> DataIssue:
    """Return the issue that no zone is given with the stamps."""
    return DataIssue(
        "D-ZONE-ASSUMED",
        "warning",
        place,
        "no time zone is given with the stamps",
        "declare the site's time zone (site.toml, or 'zone' in mapping.toml)",
        "stamps stay wall-clock time; nothing that depends on the zone is claimed",
        0,
    )


def mapping_issues(tables: Sequence[RawTable], mapping: Mapping) -> list[DataIssue]:
    """Return what a mapping leaves out, combines, or takes with little confidence."""
    issues = [
        DataIssue("D-PART-IGNORED", "info", t.file.name, note, "nothing, if it is not telemetry", "none", 0)
        for t in tables
        for note in t.notes
    ]
    for file in mapping.file:
        ignored = [c for c in file.column if c.canonical == IGNORE]
        if ignored:
            shown = "; ".join(f"{c.source!r}: {c.evidence or 'as the mapping says'}" for c in ignored[:8])
            issues.append(
                DataIssue(
                    "D-COLUMN-IGNORED",
                    "info",
                    file.glob,
                    f"{len(ignored)} columns are not used: {shown}",
                    "name their meaning in mapping.toml if they matter",
                    "none",
                    0,
                )
            )
        for canonical in dict.fromkeys(c.canonical for c in file.column if c.combine):
            sources = [c for c in file.column if c.canonical == canonical]
            issues.append(
                DataIssue(
                    "D-COMBINED",
                    "info",
                    f"{file.glob}, {', '.join(repr(c.source) for c in sources[:6])}",
                    f"{len(sources)} columns become one: their {sources[0].combine} is {canonical}",
                    'set those that do not belong to it to "ignore" in mapping.toml',
                    "none",
                    0,
                )
            )
        for column in file.column:
            issues += _column_issues(
                file, column.source, column.canonical, column.confidence, column.evidence
            )
    return issues


def _column_issues(
    file: FileMapping, source: str, canonical: str, confidence: float, evidence: str
) -> list[DataIssue]:
    place = f"{file.glob}, column {source!r}"
    found = []
    if canonical == "station_energy_rel":
        found.append(
            DataIssue(
                "D-ENERGY-RELATIVE",
                "info",
                place,
                "the energy has no physical unit",
                "declare the unit in mapping.toml if it is known",
                "savings are given in % only",
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
                    "chillers are the only metered cooling; pumps, towers and fans are not included",
                    "export the other meters too",
                    "cooling energy and savings are those of the chillers only",
                    0,
                )
            )
    if canonical != IGNORE and confidence < 0.6:
        found.append(
            DataIssue(
                "D-LOW-CONFIDENCE",
                "warning",
                place,
                f"taken for {canonical} with confidence {confidence:g}: {evidence}",
                "confirm or correct it in mapping.toml",
                "results depend on this reading of the header",
                0,
            )
        )
    return found
