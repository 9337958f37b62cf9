"""Measures: which official measures the site meets, by how much not, and which cannot be judged."""

from __future__ import annotations

from typing import Any

import panel as pn

from advisor.measure import Judgement, Measure
from app import wording
from app.service.workspace import SiteCase
from app.web.figures import DASH, percent, unit_text
from app.web.icons import icon
from app.web.language import Language
from app.web.nodes import Node, node
from app.web.notices import heading, said
from app.web.overview import about
from app.web.state import SessionState
from app.web.view import View
from features.schema import SCHEMA

ORDER = ("not met", "met", "cannot be judged", "does not apply")
LOOKS = {
    "met": ("good", "good"),
    "not met": ("bad", "bad"),
    "cannot be judged": ("unknown", "unknown"),
    "does not apply": ("more", "unknown"),
}
"""Verdict -> icon and tone."""
SIGNS = {"<": "<", "<=": "≤", ">": ">", ">=": "≥"}
SHARES = frozenset(
    {
        "green_share",
        "rack_rate",
        "site_sharing_share",
        "demand_response_share",
        "self_consumption_share",
        "energy_efficiency_gain",
    }
)


def measures_page(case: SiteCase, state: SessionState) -> Any:
    """Return the page."""
    return pn.Column(View(state, lambda: _draw(case, state)), sizing_mode="stretch_width", margin=0)


def _draw(case: SiteCase, state: SessionState) -> list[Node]:
    language = state.language
    judged = case.standing.judgements
    counts = {verdict: sum(j.verdict == verdict for _, j in judged) for verdict in ORDER}
    by_verdict = {v: [(m, j) for m, j in judged if j.verdict == v] for v in ORDER}
    answer = language.text(
        "measures.answer",
        met=counts["met"],
        not_met=counts["not met"],
        unknown=counts["cannot be judged"],
        apart=counts["does not apply"],
    )
    concerned = by_verdict["not met"] + by_verdict["met"] + by_verdict["cannot be judged"]
    apart = by_verdict["does not apply"]
    return [
        heading(state),
        node("p", answer, cls="answer"),
        about(case, language),
        node("div", node("div", _table(concerned, case, language), cls="scroll"), cls="card"),
        node(
            "details",
            node("summary", language.text("measures.apart", n=len(apart))),
            node("div", node("div", _table(apart, case, language), cls="scroll"), cls="card"),
            cls="more",
        )
        if apart
        else node("p", ""),
    ]


def _table(lines: list[tuple[Measure, Judgement]], case: SiteCase, language: Language) -> Node:
    head = ("state", "measure", "requirement", "ours", "gap", "source")
    names = {name: language.text(f"measures.{name}") for name in head}
    rows = [
        node(
            "tr",
            [
                node("td", cell, data_label=names[name])
                for name, cell in zip(head, _cells(m, j, case, language), strict=True)
            ],
            key=m.id,
        )
        for m, j in lines
    ]
    return node(
        "table",
        node("caption", language.text("measures.caption"), cls="unseen"),
        node("thead", node("tr", [node("th", names[name], scope="col") for name in head])),
        node("tbody", rows),
        cls="stack",
    )


def _cells(m: Measure, j: Judgement, case: SiteCase, language: Language) -> tuple[Node, ...]:
    sign, tone = LOOKS[j.verdict]
    title, document = chosen(language, m.title, m.title_zh), chosen(language, m.document, m.document_zh)
    passed = m.state(case.on)
    value = case.standing.facts.get(m.kpi) if m.kpi is not None else None
    number = value if isinstance(value, float) and not isinstance(value, bool) else None
    source = m.sources[0]
    return (
        node("span", icon(sign), language.text(f"judged.{j.verdict.replace(' ', '_')}"), cls=f"state {tone}"),
        node("span", node("strong", title), node("br"), node("span", document, cls="small")),
        node(
            "span",
            _requirement(m, language),
            node("br"),
            node("span", chosen(language, m.requirement, m.requirement_zh), cls="small"),
        ),
        node(
            "span",
            _value(m.kpi, number, language) if number is not None else DASH,
            None
            if number is not None
            else node("span", node("br"), said(language, j.reason, "span", "small")),
        ),
        node("span", _gap(m, j, number, language)),
        node(
            "span",
            f"{chosen(language, m.issuer, m.issuer_zh)}{language.text('figure.comma')}{m.year}",
            node("br"),
            node("span", language.text(f"measure_state.{passed.replace(' ', '_')}"), cls="small"),
            node("br"),
            node(
                "a",
                language.text("measures.link"),
                href=source.url,
                target="_blank",
                rel="noopener noreferrer",
            )
            if source.url.startswith(("https://", "http://"))
            else node("span", source.title, cls="small"),
            node("span", language.text("measures.confidence", tag=m.confidence), cls="small"),
        ),
    )


def chosen(language: Language, english: str, chinese: str) -> str:
    """Return a catalogue text in the reader's language; the English where no other was written."""
    return (chinese or english) if language.code == "zh" else english


def _requirement(m: Measure, language: Language) -> str:
    if m.kpi is None or m.sense is None or m.threshold is None:
        return language.text("measures.no_number")
    return f"{_kpi(m.kpi, language)} {SIGNS[m.sense]} {_value(m.kpi, m.threshold, language)}"


def _kpi(name: str, language: Language) -> str:
    return language.column(name) if name in SCHEMA else language.text(f"kpi.{name}")


def _value(kpi: str | None, value: float, language: Language) -> str:
    if kpi in SHARES:
        return percent(language, value)
    unit = unit_text(SCHEMA[kpi].unit, language) if kpi in SCHEMA else ""
    return f"{wording.number(value)} {unit}".rstrip()


def _gap(m: Measure, j: Judgement, value: float | None, language: Language) -> str:
    if value is None or m.threshold is None or j.verdict not in ("met", "not met"):
        return DASH
    gap = abs(value - m.threshold)
    told = (
        language.text("measures.points", n=wording.number(100 * gap))
        if m.kpi in SHARES
        else _value(m.kpi, gap, language)
    )
    return language.text("measures.short" if j.verdict == "not met" else "measures.spare", gap=told)
