"""Site overview: where the site stands, in one sentence, figures, a series and the next actions."""

from __future__ import annotations

from typing import Any

import pandas as pd
import panel as pn

from app import wording
from app.service.accuracy import Accuracy, calibrated_days
from app.service.workspace import SiteCase
from app.web.energy_split import split_card
from app.web.figures import duration, interval_text, moment, percent, plain, saving_amount, seconds, spanned
from app.web.language import Language
from app.web.nodes import Node, node
from app.web.notices import foreign_to, heading, said
from app.web.recommended import money_amount, proven
from app.web.series_card import series_card
from app.web.state import SessionState
from app.web.tiles import standing_tiles
from app.web.view import View

NEXT = 3


def overview_page(case: SiteCase, state: SessionState) -> Any:
    """Return the page."""

    def act(name: str, value: Any) -> None:
        del value
        if name == "actions":
            state.page = "actions"

    top = View(state, lambda: _top(case, state))
    below = View(state, lambda: _below(case, state.language), act)
    return pn.Column(top, *series_card(case, state), below, sizing_mode="stretch_width", margin=0)


# -- the answer ----------------------------------------------------------------------------------
def _top(case: SiteCase, state: SessionState) -> list[Node]:
    language = state.language
    return [
        heading(state, case.name),
        node("p", answer(case, language), cls="answer"),
        about(case, language),
        *(said(language, i.evidence, cls="state warn") for i in case.issues if i.code == "D-DRIFT"),
        standing_tiles(case, language),
    ]


def answer(case: SiteCase, language: Language) -> str:
    """Return the page's one sentence with its numbers."""
    figures = {f.name: f for f in case.standing.figures}
    first, last = case.telemetry.span
    parts = []
    energy = figures.get("Energy")
    if energy is not None and energy.value is not None:
        amount = plain(energy.value, energy.unit, language).text
        parts.append(language.text("overview.energy", energy=amount, length=duration(last - first, language)))
    pue = case.standing.value("PUE")
    if pue is not None:
        parts.append(language.text("overview.pue", pue=wording.number(pue)))
    green = case.standing.value("Green share")
    if green is not None:
        parts.append(language.text("overview.green", share=percent(language, green)))
    stands = (
        language.text("overview.stands", figures=language.text("figure.comma").join(parts)) if parts else ""
    )
    return stands + advised(case, language)


def advised(case: SiteCase, language: Language) -> str:
    """Return what the advice would bring, as a sentence."""
    actions = proven(case)
    if not actions:
        return language.text("overview.no_action")
    amount = saving_amount(case.advice.saving, language)
    key = "overview.one_action" if len(actions) == 1 else "overview.actions"
    told = language.text(key, n=len(actions), saving=amount.text, low=amount.low, high=amount.high)
    if not any(wording.only_source(r.saving) for r in actions) or wording.only_source(case.advice.saving):
        return told
    source = spanned(case.advice.saving.non_green_kwh, "kWh", language)
    more = language.text("overview.non_green", saving=source.text, low=source.low, high=source.high)
    return f"{told} {more}" if language.code == "en" else f"{told}{more}"


def about(case: SiteCase, language: Language) -> Node:
    """Return span, zone, age, interval and model of what the page shows."""
    first, last = case.telemetry.local(pd.DatetimeIndex(case.telemetry.span))
    zone = case.telemetry.zone
    age = max((case.on - last.date()).days, 0)
    fallback = any((p.tier != "full").any() for p in case.predictions)
    known = language.text("about.zone", zone=f"UTC{zone.name}" if zone.name[:1] in "+-" else zone.name)
    parts = (
        language.text(
            "about.data", first=moment(first, language), last=moment(last, language, with_time=True)
        ),
        known if zone.known else language.text("about.no_zone"),
        language.text("about.age", n=f"{age:,}"),
        language.text("about.every", length=seconds(case.telemetry.interval.total_seconds(), language)),
        language.text("about.model", name=case.bundle.card.model_id),
        stage_text(case, language),
    )
    flag = node("span", language.text("about.fallback"), cls="badge modelled") if fallback else None
    return node("div", *(node("span", part) for part in parts), flag, cls="about")


def stage_text(case: SiteCase, language: Language) -> str:
    """Return how much of the site's own history the models rest on."""
    days = calibrated_days(case.bundle.card)
    if days is None:
        return language.text("about.stage_full")
    return language.text("about.stage_calibrated", n=f"{days:g}")


# -- below the chart -----------------------------------------------------------------------------
def _below(case: SiteCase, language: Language) -> list[Node]:
    return [
        node("div", split_card(case, language), _next(case, language), cls="columns"),
        *_reasons(case, language),
        _accuracy(case, language),
    ]


def _next(case: SiteCase, language: Language) -> Node:
    actions = proven(case)[:NEXT]
    lines = [
        node(
            "li",
            node("strong", language.sentence(r.action), lang=foreign_to(language, r.action)),
            node(
                "p",
                " · ".join(
                    filter(
                        None,
                        (
                            saving_amount(r.saving, language).text,
                            interval_text(saving_amount(r.saving, language), language),
                            money_amount(case, r, language).text if r.saving.cost is not None else "",
                        ),
                    )
                ),
                cls="small",
            ),
            key=r.id,
        )
        for r in actions
    ]
    if lines:
        body: list[Node] = [node("ol", lines, cls="bare")]
    else:
        body = [
            node("p", language.text("overview.no_action")),
            said(language, wording.why_not(case.advice), cls="small"),
        ]
    return node(
        "section",
        node("h2", language.text("overview.next")),
        *body,
        node("button", language.text("overview.all_actions"), type="button", act="actions", cls="button"),
        cls="card",
    )


def _reasons(case: SiteCase, language: Language) -> list[Node]:
    """Return why the newest estimate of each quantity is what it is; nothing where nobody can say."""
    if not case.explained:
        return []
    lines = []
    for stamp, explanation in case.explained:
        local = case.telemetry.local(pd.DatetimeIndex([stamp]))[0]
        label = f"{language.column(explanation.quantity)}, {moment(local, language, with_time=True)}"
        sentence = said(language, explanation.sentence, tag="span")
        lines.append(node("li", node("strong", label), node("br"), sentence, key=explanation.quantity))
    return [
        node(
            "section",
            node("h2", language.text("reasons.title")),
            node("p", language.text("reasons.explained"), cls="small"),
            node("ul", lines, cls="bare"),
            cls="card",
        )
    ]


def _accuracy(case: SiteCase, language: Language) -> Node:
    head = ("quantity", "error", "baseline", "coverage")
    return node(
        "section",
        node("h2", language.text("accuracy.title")),
        node("p", language.text("accuracy.explained"), cls="small"),
        node(
            "table",
            node(
                "thead",
                node("tr", [node("th", language.text(f"accuracy.{name}"), scope="col") for name in head]),
            ),
            node("tbody", [_accuracy_row(a, language) for a in case.accuracy]),
            cls="stack",
        ),
        cls="card",
    )


def _accuracy_row(a: Accuracy, language: Language) -> Node:
    task = language.text(f"task.{a.task}") if language.knows(f"task.{a.task}") else language.sentence(a.task)
    quantity = f"{language.column(a.quantity)}{language.text('figure.comma')}{task}"
    error = percent(language, a.wmape / 100) if a.wmape is not None else wording.DASH
    baseline = (
        f"{percent(language, a.baseline_wmape / 100)} ({language.sentence(a.baseline)})"
        if a.baseline_wmape is not None
        else wording.DASH
    )
    coverage = f"{percent(language, a.nominal)} → {percent(language, a.measured)}"
    cells = (("quantity", quantity), ("error", error), ("baseline", baseline), ("coverage", coverage))
    return node(
        "tr", [node("td", text, data_label=language.text(f"accuracy.{name}")) for name, text in cells]
    )
