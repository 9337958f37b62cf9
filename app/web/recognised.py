"""What was recognised in uploaded files: doubtful columns first, each with a choice to correct it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from app import wording
from app.web.figures import percent, unit_text
from app.web.icons import icon
from app.web.language import Language
from app.web.nodes import Node, node
from app.web.notices import said
from features.reading import Answer, ColumnMapping, Mapping
from features.reading.mapping import IGNORE
from features.reading.units import candidates
from features.schema import SCHEMA
from features.telemetry import Telemetry

CERTAIN = 0.85
"""From this confidence on a column is not asked about."""
ZONES = (
    "Asia/Shanghai",
    "Asia/Hong_Kong",
    "Asia/Taipei",
    "Asia/Tokyo",
    "Asia/Singapore",
    "Asia/Kolkata",
    "Asia/Dubai",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Rome",
    "Europe/Helsinki",
    "America/New_York",
    "America/Chicago",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "Australia/Sydney",
    "UTC",
)
MOST_SHOWN = 3


@dataclass(frozen=True)
class Column:
    """One column of a file; ``number`` names it in what the page sends back."""

    number: int
    glob: str
    mapping: ColumnMapping

    @property
    def doubtful(self) -> bool:
        """Whether somebody should look at it."""
        return self.mapping.canonical == IGNORE or self.mapping.confidence < CERTAIN


def columns_of(mapping: Mapping) -> tuple[Column, ...]:
    """Return the columns of all files, in their order."""
    pairs = [(file.glob, column) for file in mapping.file for column in file.column]
    return tuple(Column(n, glob, column) for n, (glob, column) in enumerate(pairs))


def answered(
    answers: tuple[Answer, ...], column: Column, *, canonical: str = "", unit: str = ""
) -> tuple[Answer, ...]:
    """Return the answers with one more about a column; what was said before about it is kept."""
    name = column.mapping.source
    before = next(
        (a for a in answers if (a.file, a.column) == (column.glob, name)), Answer(column.glob, name)
    )
    now = replace(
        before, canonical=canonical or before.canonical, unit=unit or ("" if canonical else before.unit)
    )
    return (*(a for a in answers if a is not before), now)


def in_zone(answers: tuple[Answer, ...], zone: str) -> tuple[Answer, ...]:
    """Return the answers with the zone of all stamps."""
    return (*(a for a in answers if not a.zone), Answer(zone=zone))


def recognised(mapping: Mapping, telemetry: Telemetry, language: Language) -> list[Node]:
    """Return the cards of recognised columns: time zone and doubts first, the certain ones folded."""
    columns = columns_of(mapping)
    doubtful = [c for c in columns if c.doubtful]
    certain = [c for c in columns if not c.doubtful]
    nodes = [
        node(
            "p",
            language.text("recognised.answer", certain=len(certain), n=len(columns), doubtful=len(doubtful)),
            cls="answer",
        ),
        _zone(telemetry, language),
    ]
    if doubtful:
        nodes.append(
            node(
                "section",
                node("h2", icon("warn"), language.text("recognised.doubtful"), cls="state warn"),
                node("div", _table(doubtful, telemetry, language), cls="scroll"),
                cls="card",
            )
        )
    title = language.text("recognised.certain", n=len(certain))
    table = node("div", node("div", _table(certain, telemetry, language), cls="scroll"), cls="card")
    nodes.append(node("details", node("summary", title), table, cls="more", open=not doubtful))
    return nodes


def _zone(telemetry: Telemetry, language: Language) -> Node:
    zone = telemetry.zone
    name = zone.name if zone.known else ""
    names = [*ZONES] if name in ("", *ZONES) else [name, *ZONES]
    options = [
        node("option", language.text("recognised.zone_unknown"), value="", selected=name == "", key="none"),
        *(node("option", n, value=n, selected=n == name, key=n) for n in names),
    ]
    told = language.text("recognised.zone_known" if zone.known else "recognised.zone_doubt")
    sign = ("good", "good") if zone.known and not zone.assumed else ("warn", "warn")
    return node(
        "div",
        node("span", icon(sign[0]), language.text("recognised.zone"), cls=f"state {sign[1]}"),
        node("select", options, act="zone", value=name, aria_label=language.text("recognised.zone")),
        node("span", told, cls="small"),
        cls="card row",
    )


def _table(columns: list[Column], telemetry: Telemetry, language: Language) -> Node:
    names = ("header", "values", "meaning", "unit", "why")
    heads = {name: language.text(f"recognised.{name}") for name in names}
    return node(
        "table",
        node("thead", node("tr", [node("th", heads[name], scope="col") for name in names])),
        node(
            "tbody",
            [
                node(
                    "tr",
                    [
                        node("td", cell, data_label=heads[name])
                        for name, cell in zip(names, _cells(c, telemetry, language), strict=True)
                    ],
                    key=str(c.number),
                )
                for c in columns
            ],
        ),
        cls="stack",
    )


def _cells(c: Column, telemetry: Telemetry, language: Language) -> tuple[Node, ...]:
    m = c.mapping
    known = m.canonical in SCHEMA
    names = sorted((n for n, s in SCHEMA.items() if s.kind in ("", telemetry.kind)), key=language.column)
    meanings = [
        node("option", language.text("recognised.ignored"), value=IGNORE, selected=not known, key=IGNORE),
        *(node("option", language.column(n), value=n, selected=n == m.canonical, key=n) for n in names),
    ]
    units = _units(m) if known else []
    choice = (
        node(
            "select",
            [node("option", unit_text(u, language), value=u, selected=u == m.unit, key=u) for u in units],
            act=f"unit:{c.number}",
            value=m.unit,
            aria_label=language.text("recognised.unit_of", header=m.source),
        )
        if len(units) > 1
        else node("span", unit_text(m.unit, language) if known and m.unit else wording.DASH)
    )
    return (
        node("span", node("strong", m.source), node("br"), node("span", c.glob, cls="small")),
        node("span", _values(m, telemetry, language)),
        node(
            "select",
            meanings,
            act=f"meaning:{c.number}",
            value=m.canonical if known else IGNORE,
            aria_label=language.text("recognised.meaning_of", header=m.source),
        ),
        choice,
        node(
            "span",
            percent(language, m.confidence) if known else "",
            " ",
            said(language, m.evidence, "span", "small") if m.evidence else None,
        ),
    )


def _units(m: ColumnMapping) -> list[str]:
    symbols = [u.symbol for u in candidates(m.canonical)]
    return list(dict.fromkeys([*([m.unit] if m.unit else []), *symbols]))


def _values(m: ColumnMapping, telemetry: Telemetry, language: Language) -> str:
    """Return the first values as they were understood."""
    if m.canonical not in telemetry.frame:
        return wording.DASH
    values = telemetry.frame[m.canonical].dropna().head(MOST_SHOWN)
    if SCHEMA[m.canonical].text:
        return language.text("figure.comma").join(map(str, values))
    unit = unit_text(SCHEMA[m.canonical].unit, language)
    shown = language.text("figure.comma").join(
        wording.number(float(v)) for v in np.asarray(values, dtype=float)
    )
    return f"{shown} {unit}".strip() if shown else wording.DASH
