"""Recommendations: ranked, each opening to why, how sure, what limits it, and what it answers."""

from __future__ import annotations

from typing import Any

import panel as pn

from advisor.measure import Measure
from advisor.plan import Recommendation
from app.service.workspace import SiteCase
from app.web.figures import (
    DASH,
    Amount,
    badge,
    duration,
    interval_text,
    percent,
    plain,
    saving_amount,
    spanned,
)
from app.web.icons import icon
from app.web.language import Language
from app.web.nodes import Node, node
from app.web.notices import foreign_to, heading, said
from app.web.overview import about, advised
from app.web.recommended import MOST_MEASURES, answered, considered, money_amount, move, proven
from app.web.retrofits import retrofits_section
from app.web.state import SessionState
from app.web.view import View

MOST = 5
"""Actions shown at once: operators act on few."""
DECISIONS = ("accepted", "postponed", "rejected")
MODELLED = ("set-point", "sleep")
"""Kinds of action that two models of the site score."""
CONFIDENCE = {"high": "good", "medium": "unknown", "low": "warn"}
VERDICTS = {
    "supported": ("good", "good"),
    "not proven": ("unknown", "warn"),
    "hold": ("unknown", "unknown"),
    "refused": ("bad", "bad"),
}
"""Verdict -> icon and tone."""


def actions_page(case: SiteCase, state: SessionState) -> Any:
    """Return the page."""
    everything = [False]

    def act(name: str, value: Any) -> None:
        del value
        verb, _, which = name.partition(":")
        if name == "all":
            everything[0] = True
            view.redraw()
        elif verb in DECISIONS or verb == "undo":
            _decide(case, state, which, verb)
            # what was pressed is gone: the focus goes to what stands in its place
            view.focus(f"accepted:{which}" if verb == "undo" else f"undo:{which}")

    view = View(state, lambda: _draw(case, state, everything[0]), act, watches=["decisions"])
    return pn.Column(view, sizing_mode="stretch_width", margin=0)


def _decide(case: SiteCase, state: SessionState, which: str, verb: str) -> None:
    if all(r.id != which for r in case.advice.recommendations):
        return
    decisions = {key: value for key, value in state.decisions.items() if key != (case.key, which)}
    if verb != "undo":
        decisions[(case.key, which)] = verb
    state.decisions = decisions


def _draw(case: SiteCase, state: SessionState, everything: bool) -> list[Node]:
    language = state.language
    actions, others = proven(case), considered(case)
    shown = actions if everything else actions[:MOST]
    accepted = sum(state.decisions.get((case.key, r.id)) == "accepted" for r in actions)
    first, last = case.telemetry.span
    nodes = [
        heading(state, "", badge(language, "modelled")),
        node("p", advised(case, language), " ", language.text("actions.accepted", n=accepted), cls="answer"),
        node("p", language.text("actions.window", length=duration(last - first, language)), cls="small"),
        about(case, language),
    ]
    nodes += [_action(case, state, r, rank) for rank, r in enumerate(shown, 1)]
    if len(actions) > len(shown):
        more = language.text("actions.show_all", n=len(actions))
        nodes.append(node("button", more, type="button", act="all", cls="button"))
    if not actions:
        nodes.append(
            node(
                "div",
                node("p", language.text("actions.none"), cls="lead"),
                _why_not(case, language),
                cls="card",
            )
        )
    if others:
        nodes.append(
            node(
                "section",
                node("h2", language.text("actions.considered")),
                node("p", language.text("actions.considered_explained"), cls="small"),
                *(_action(case, state, r, 0) for r in others),
                cls="bare",
            )
        )
    retrofits = retrofits_section(case, language)
    return nodes if retrofits is None else [*nodes, retrofits]


def _why_not(case: SiteCase, language: Language) -> Node:
    reasons = [text for v in case.advice.verified for text in (*v.plan.conflicts, *v.notes)]
    return node("ul", [said(language, text, "li") for text in dict.fromkeys(reasons[:6])])


# -- one action ----------------------------------------------------------------------------------
def _action(case: SiteCase, state: SessionState, r: Recommendation, rank: int) -> Node:
    language = state.language
    decision = state.decisions.get((case.key, r.id))
    summary = node(
        "summary",
        node("span", str(rank) if rank else "·", cls="rank"),
        node(
            "span",
            node("span", language.sentence(r.action), cls="what", lang=foreign_to(language, r.action)),
            _line(move(case, r, language)),
            _decided(decision, language),
        ),
        *((_gain(r, language), _money(case, r, language)) if rank else _unproven(r, language)),
        node("span", icon("chevron"), cls="turn"),
    )
    inside = node(
        "div", _facts(case, r, language), _buttons(r, decision, language) if rank else None, cls="inside"
    )
    return node("details", summary, inside, cls="action", key=r.id, name="action")


def _line(text: str) -> Node | None:
    return node("span", node("br"), node("span", text, cls="small")) if text else None


def _gain(r: Recommendation, language: Language) -> Node:
    amount = saving_amount(r.saving, language)
    return node(
        "span",
        node("span", amount.text, cls="gain"),
        node("br"),
        node("span", interval_text(amount, language), cls="small"),
        cls="gains",
    )


def _unproven(r: Recommendation, language: Language) -> tuple[Node, Node]:
    """Return the verdict instead of a saving: nothing is claimed."""
    sign, tone = VERDICTS[r.verdict]
    amount = saving_amount(r.saving, language)
    word = node(
        "span", icon(sign), language.text(f"verdict.{r.verdict.replace(' ', '_')}"), cls=f"state {tone}"
    )
    told = f"{interval_text(amount, language)} {amount.unit}" if amount.low else ""
    return node("span", word, node("br"), node("span", told, cls="small"), cls="gains"), node(
        "span", DASH, cls="money"
    )


def _money(case: SiteCase, r: Recommendation, language: Language) -> Node:
    amount = money_amount(case, r, language)
    told = amount.text if amount.value != DASH else f"{DASH} {language.text('actions.no_tariff')}"
    return node(
        "span",
        node("span", told, cls="gain" if amount.low else "small"),
        node("br"),
        node("span", _cost(case, r, language), cls="small"),
        cls="money",
    )


def _cost(case: SiteCase, r: Recommendation, language: Language) -> str:
    currency = case.site.currency if case.site is not None else ""
    if r.payback_years == 0.0:
        return language.text("actions.no_purchase")
    if r.payback_years is not None:
        return language.text("actions.payback", years=f"{r.payback_years:.1f}")
    if r.cost is not None:
        return language.text("actions.cost", cost=plain(r.cost, currency, language).text)
    return language.text("actions.cost_unknown")


def _decided(decision: str | None, language: Language) -> Node | None:
    if decision is None:
        return None
    tone = {"accepted": "good", "postponed": "unknown", "rejected": "bad"}[decision]
    word = node("span", icon(tone), language.text(f"decision.{decision}"), cls=f"state {tone}")
    return node("span", node("br"), word)


def _facts(case: SiteCase, r: Recommendation, language: Language) -> Node:
    after = saving_amount(r.saving_after_higher_ranked, language)
    alone = saving_amount(r.saving, language)
    verdict_icon, tone = VERDICTS[r.verdict]
    sure = [
        node(
            "span",
            icon(verdict_icon),
            language.text(_verdict_key(r)),
            cls=f"state {tone}",
        ),
        node("p", language.text("actions.confidence", level=language.text(f"confidence.{r.confidence}"))),
        *(said(language, text) for text in r.evidence),
        *(_held_out(case, language) if r.kind in MODELLED else ()),
    ]
    lines: list[tuple[str, list[Node]]] = [
        ("why", [said(language, text) for text in r.reasons]),
        ("sure", sure),
        ("limit", [said(language, r.binding_limit)]),
        ("saves", _saves(case, r, language, "" if after == alone else after.text, after)),
        ("answers", _answers(case, r, language)),
        ("risk", [said(language, t) for t in (r.rollback_trigger, r.ride_through) if t]),
        ("expiry", [said(language, r.expiry)]),
        ("who", [node("p", language.text(f"actions.who_{r.kind}"))]),
    ]
    return node(
        "dl",
        [
            part
            for name, content in lines
            if content
            for part in (node("dt", language.text(f"actions.{name}")), node("dd", content))
        ],
        cls="facts",
    )


def _verdict_key(r: Recommendation) -> str:
    """Return the key of a verdict: not every action is scored by two models."""
    if r.verdict == "supported" and r.kind not in MODELLED:
        return "verdict.supported_alone"
    return f"verdict.{r.verdict.replace(' ', '_')}"


def _saves(case: SiteCase, r: Recommendation, language: Language, after: str, amount: Amount) -> list[Node]:
    parts = [
        (language.text("saving.energy"), spanned(r.saving.energy_kwh, "kWh", language)),
        (language.text("saving.share"), spanned(r.saving.energy_pct, "%", language)),
        (language.text("saving.non_green"), spanned(r.saving.non_green_kwh, "kWh", language)),
        (language.text("saving.money"), money_amount(case, r, language)),
        (language.text("saving.carbon"), spanned(r.saving.carbon_kg, "kg CO2e", language)),
    ]
    lines = [
        node("p", f"{name} {a.text} ({interval_text(a, language)})") for name, a in parts if a.value != DASH
    ]
    if after:
        told = language.text("actions.after", saving=after, interval=interval_text(amount, language))
        lines.append(node("p", told))
    return lines


def _held_out(case: SiteCase, language: Language) -> list[Node]:
    best = next((a for a in case.accuracy if a.wmape is not None), None)
    if best is None or best.wmape is None:
        return []
    return [
        node(
            "p",
            language.text(
                "actions.held_out",
                quantity=language.column(best.quantity),
                error=percent(language, best.wmape / 100),
            ),
        )
    ]


def _answers(case: SiteCase, r: Recommendation, language: Language) -> list[Node]:
    measures = answered(case, r)
    if not measures:
        return [node("p", language.text("actions.no_measure"))]
    lines = [_measure(m, case, language) for m in measures[:MOST_MEASURES]]
    if len(measures) > MOST_MEASURES:
        lines.append(
            node("p", language.text("actions.more_measures", n=len(measures) - MOST_MEASURES), cls="small")
        )
    return [*lines, *_before_after(case, language)]


def _measure(m: Measure, case: SiteCase, language: Language) -> Node:
    title = m.title_zh if language.code == "zh" else m.title
    state = language.text(f"measure_state.{m.state(case.on).replace(' ', '_')}")
    return node("p", f"{title} ({m.year}{language.text('figure.comma')}{state})")


def _before_after(case: SiteCase, language: Language) -> list[Node]:
    before, after = case.advice.baseline, case.advice.planned
    if before.pue is None or after.pue is None:
        return []
    text = language.text("actions.before_after", before=f"{before.pue:.3f}", after=f"{after.pue:.3f}")
    return [node("p", text, " ", badge(language, "modelled"))]


def _buttons(r: Recommendation, decision: str | None, language: Language) -> Node:
    if decision is not None:
        return node(
            "div",
            _decided(decision, language),
            node(
                "button",
                language.text("decision.undo"),
                type="button",
                act=f"undo:{r.id}",
                cls="button",
                key=f"undo:{r.id}",
            ),
            node("span", language.text("decision.kept"), cls="small"),
            cls="row",
            key="decided",
            role="status",
        )
    return node(
        "div",
        [
            node(
                "button",
                language.text(f"decision.{name}_verb"),
                type="button",
                act=f"{name}:{r.id}",
                key=f"{name}:{r.id}",
                cls="button primary" if name == "accepted" else "button",
            )
            for name in DECISIONS
        ],
        cls="row",
        key="open",
    )
