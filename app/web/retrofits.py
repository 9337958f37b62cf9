"""Retrofits on the page of recommendations: what each would do here, and why it is only indicative."""

from __future__ import annotations

from advisor.plan import Interval
from advisor.retrofit_words import Assessed
from app.service.workspace import SiteCase
from app.web.figures import DASH, interval_text, money, saving_amount, spanned
from app.web.icons import icon
from app.web.language import Language
from app.web.nodes import Node, node
from app.web.notices import said

LOOKS = {
    "indicative": ("unknown", "unknown"),
    "not worthwhile here": ("more", "unknown"),
    "already there": ("good", "good"),
    "not assessed": ("unknown", "warn"),
}
"""Verdict -> icon and tone."""


def retrofits_section(case: SiteCase, language: Language) -> Node | None:
    """Return the section; None where nothing was judged."""
    if not case.advice.retrofits:
        return None
    return node(
        "section",
        node("h2", language.text("retrofits.title")),
        node("p", language.text("retrofits.explained"), cls="small"),
        *(_retrofit(r, case, language) for r in case.advice.retrofits),
        cls="bare",
    )


def _retrofit(r: Assessed, case: SiteCase, language: Language) -> Node:
    sign, tone = LOOKS[r.verdict]
    word = node(
        "span", icon(sign), language.text(f"retrofits.{r.verdict.replace(' ', '_')}"), cls=f"state {tone}"
    )
    amount = None if r.saving is None else saving_amount(r.saving, language)
    summary = node(
        "summary",
        node("span", "·", cls="rank"),
        node("span", r.retrofit.title_zh if language.code == "zh" else r.retrofit.title, cls="what"),
        node(
            "span",
            node("span", DASH if amount is None else amount.text, cls="gain"),
            node("br"),
            node("span", "" if amount is None else interval_text(amount, language), cls="small"),
            cls="gains",
        ),
        node("span", word, cls="money"),
        node("span", icon("chevron"), cls="turn"),
    )
    inside = node("div", _facts(r, case, language), cls="inside")
    return node("details", summary, inside, cls="action", key=f"retrofit:{r.retrofit.id}", name="action")


def _facts(r: Assessed, case: SiteCase, language: Language) -> Node:
    needs = r.retrofit.preconditions_zh if language.code == "zh" else r.retrofit.preconditions
    lines: list[tuple[str, list[Node]]] = [
        ("why", [said(language, text) for text in r.reasons]),
        ("measure", [said(language, text) for text in r.to_measure]),
        ("rests", [said(language, text) for text in r.evidence]),
        ("effects", _effects(r, case, language)),
        ("needs", [node("p", text) for text in needs]),
    ]
    return node(
        "dl",
        [
            part
            for name, content in lines
            if content
            for part in (node("dt", language.text(f"retrofits.{name}")), node("dd", content))
        ],
        cls="facts",
    )


def _effects(r: Assessed, case: SiteCase, language: Language) -> list[Node]:
    currency = case.site.currency if case.site is not None else ""
    spans: list[tuple[str, Interval | None, str]] = [
        ("water", r.water_m3, "m3"),
        ("payback", r.payback_range_years, language.text("retrofits.years")),
    ]
    if r.saving is not None:
        spans = [
            ("share", r.saving.energy_pct, "%"),
            ("carbon", r.saving.carbon_kg, "kg CO2e"),
            *spans,
        ]
    lines = [
        node("p", f"{language.text(f'retrofits.{name}')} {a.text} ({interval_text(a, language)})")
        for name, span, unit in spans
        if span is not None
        for a in [spanned(span, unit, language)]
    ]
    if r.saving is not None and r.saving.cost is not None:
        cost = money(r.saving.cost, currency, language)
        lines.append(
            node("p", f"{language.text('saving.money')} {cost.text} ({interval_text(cost, language)})")
        )
    if r.pue_before is not None and r.pue_after is not None:
        pue = language.text("retrofits.pue", before=f"{r.pue_before:.3f}", after=f"{r.pue_after:.3f}")
        lines.append(node("p", pue))
    return lines
