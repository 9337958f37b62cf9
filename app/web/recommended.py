"""What the pages say about recommendations: which are proven, what they move, what they bring."""

from __future__ import annotations

import pandas as pd

from advisor.measure import Measure
from advisor.plan import Recommendation
from app.service.workspace import SiteCase
from app.web.figures import Amount, money, unit_text
from app.web.language import Language

MOST_MEASURES = 4


def proven(case: SiteCase) -> tuple[Recommendation, ...]:
    """Return the actions that both models support, in their rank."""
    return tuple(r for r in case.advice.recommendations if r.verdict == "supported")


def considered(case: SiteCase) -> tuple[Recommendation, ...]:
    """Return the actions that were looked at and are not recommended."""
    return tuple(r for r in case.advice.recommendations if r.verdict != "supported")


def move(case: SiteCase, r: Recommendation, language: Language) -> str:
    """Return ``7 °C → 15 °C`` with how often; "" where the plan's rows cannot be told apart by lever."""
    plan = case.advice.plan_table
    rows = plan[plan["lever"] == r.lever]
    moved = rows[rows["recommended"] != rows["current"]]
    alone = sum(other.lever == r.lever for other in case.advice.recommendations) == 1
    if moved.empty or not alone:
        return ""
    unit = unit_text(str(moved["unit"].iloc[0]), language)
    now, then = (_range(moved[column], unit, language) for column in ("current", "recommended"))
    text = f"{language.column(r.lever)} {now} → {then}"
    if len(moved) == len(rows):
        return text
    return text + language.text("actions.part", moved=f"{len(moved):,}", rows=f"{len(rows):,}")


def _range(values: pd.Series, unit: str, language: Language) -> str:
    low, high = float(values.min()), float(values.max())
    text = f"{low:g}" if low == high else language.text("figure.range", low=f"{low:g}", high=f"{high:g}")
    return f"{text} {unit}".rstrip()


def money_amount(case: SiteCase, r: Recommendation, language: Language) -> Amount:
    """Return the money an action saves over the window."""
    return money(r.saving.cost, case.site.currency if case.site is not None else "", language)


def answered(case: SiteCase, r: Recommendation) -> tuple[Measure, ...]:
    """Return the official measures that an action answers and that concern the site, in force first."""
    elsewhere = {m.id for m, j in case.standing.judgements if j.verdict == "does not apply"}
    known = {m.id: m for m in case.measures}
    concerned = [known[i] for i in r.measures if i in known and i not in elsewhere]
    return tuple(sorted(concerned, key=lambda m: m.state(case.on) != "in force"))
