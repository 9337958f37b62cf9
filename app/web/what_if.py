"""What-if: sliders over one week of the site, and what they change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import panel as pn

from advisor.what_if import WhatIfModel
from app.service.what_if import Week, weeks, what_if_model
from app.service.workspace import SiteCase
from app.web import what_if_results as results
from app.web.background import in_background
from app.web.figures import moment, unit_text
from app.web.language import Language
from app.web.levers import Levers, checked
from app.web.nodes import Node, node
from app.web.notices import heading, problem, said
from app.web.state import SessionState
from app.web.view import View, style
from app.web.what_if_chart import WhatIfChart
from features.errors import AdvisorError
from features.message import say

LINK = "set"
REST_MS = 500
"""The address and the table follow when the slider has come to rest."""


def what_if_page(case: SiteCase, state: SessionState) -> Any:
    """Return the page."""
    return _Page(case, state).content


class _Page:
    """Holds the week that is looked at; a model is made for it off the event loop."""

    def __init__(self, case: SiteCase, state: SessionState) -> None:
        self._case, self._state = case, state
        self._error: Exception | None = None
        self._weeks: tuple[Week, ...] = ()
        try:
            self._weeks = weeks(case.telemetry)
        except AdvisorError as error:
            self._error = error
        self._week = next((w for w in self._weeks if w.name == state.link.get("week")), None)
        self._week = self._week or next(iter(self._weeks), None)
        self._top = View(state, self._head, self._act)
        self._waiting = View(state, self._wait)
        self.content = pn.Column(self._top, self._waiting, sizing_mode="stretch_width", margin=0)
        if self._week is not None:
            self._make(given(state.link.get(LINK, "")))

    def _make(self, values: dict[str, float]) -> None:
        week, case = self._week, self._case
        self.content[:] = [self._top, self._waiting]

        def made(model: WhatIfModel) -> None:
            if week is self._week:
                self._room = _Room(case, self._state, model, values)
                self.content[:] = [self._top, *self._room.parts]

        in_background(
            lambda _: what_if_model(case.telemetry, case.bundle, case.site, week=week),
            done=made,
            failed=self._failed,
        )

    def _failed(self, error: Exception) -> None:
        self._error = error
        self._waiting.redraw()

    def _wait(self) -> list[Node]:
        if self._error is not None:
            return [problem(self._state, self._error)]
        text = self._state.language.text("what_if.preparing")
        return [node("div", node("p", text, role="status"), cls="card ghost tall")]

    def _act(self, name: str, value: Any) -> None:
        chosen = next((w for w in self._weeks if w.name == value), None)
        if name == "week" and chosen is not None and chosen is not self._week:
            self._week, self._error = chosen, None
            self._state.link = {**self._state.link, "week": chosen.name}
            self._top.redraw()
            self._make(given(self._state.link.get(LINK, "")))

    def _head(self) -> list[Node]:
        language = self._state.language
        return [heading(self._state, "", self._choice(language) if self._week else None)]

    def _choice(self, language: Language) -> Node:
        options = [
            node("option", self._week_text(w, language), value=w.name, selected=w is self._week, key=w.name)
            for w in self._weeks
        ]
        chosen = "" if self._week is None else self._week.name
        return node("select", options, act="week", value=chosen, aria_label=language.text("what_if.week"))

    def _week_text(self, week: Week, language: Language) -> str:
        local = self._case.telemetry.local(pd.DatetimeIndex([week.start, week.end - pd.Timedelta(hours=1)]))
        return language.text(
            f"what_if.week_{week.name}", first=moment(local[0], language), last=moment(local[1], language)
        )


class _Room:
    """Sliders and answer for one model."""

    def __init__(
        self,
        case: SiteCase,
        state: SessionState,
        model: WhatIfModel,
        values: dict[str, float],
    ) -> None:
        self._state, self._model = state, model
        usable = checked(model.levers, values)
        self._lost = len(values) - len(usable), len(values)
        self._result = model.evaluate(usable)
        stamps = self._result.series.stamps
        self._times = case.telemetry.local(stamps).tz_localize(None)
        self._bought = False
        self._rest = _Rest(self._rested)
        self._values = usable
        self._levers = Levers(state, model.levers, self._moved, usable)
        self._strip = View(state, self._draw_strip, stylesheets=[style("what_if"), style("what_if_sticky")])
        self._verdict = View(state, self._draw_verdict, stylesheets=[style("what_if")])
        self._chart = WhatIfChart(state, self._times)
        self._above = View(state, self._draw_above, self._act, stylesheets=[style("what_if")])
        self._table = View(state, lambda: [results.chart_table(self._result, self._times, state.language)])
        self._below = View(state, self._draw_below, stylesheets=[style("what_if")])
        state.on(["lang"], self._begin)
        self._begin()
        self.parts = (self._verdict, self._strip, self._body())

    def _body(self) -> Any:
        card = [style("card")]
        wide = {"sizing_mode": "stretch_width"}
        levers = pn.Column(self._levers, **wide, margin=0, stylesheets=card)
        chart = pn.Column(
            self._above, self._chart.pane, self._table, **wide, margin=(0, 0, 12, 0), stylesheets=card
        )
        right = pn.Column(chart, self._below, **wide, margin=0)
        return pn.Column(
            levers,
            right,
            **wide,
            margin=0,
            css_classes=["what-if-body"],
            stylesheets=[style("what_if_layout")],
        )

    # -- a move ----------------------------------------------------------------------------------
    def _moved(self, values: dict[str, float]) -> str:
        """Answer a move; return the answer as a sentence for those who listen."""
        known = self._result.in_domain
        self._values = values
        self._result = self._model.evaluate(values)
        with pn.io.unlocked():  # in one message, without waiting for the server's next turn
            self._chart.show(self._result.series, bought=self._bought, known=self._result.in_domain)
            self._strip.redraw()
            self._verdict.redraw()
            self._below.redraw()
            if known != self._result.in_domain:
                self._above.redraw()
        self._rest.start()
        return results.answer(self._result, self._state.language)

    def _rested(self) -> None:
        self._table.redraw()
        apart = {
            x.name: self._values[x.name]
            for x in self._model.levers
            if self._values.get(x.name, x.now) != x.now
        }
        others = {n: v for n, v in self._state.link.items() if n != LINK}
        text = ",".join(f"{name}:{value:g}" for name, value in apart.items())
        self._state.link = {**others, **({LINK: text} if text else {})}

    def _act(self, name: str, value: Any) -> None:
        del value
        if name in ("site", "bought"):
            self._bought = name == "bought"
            self._begin()
            self._above.redraw()

    def _begin(self) -> None:
        language = self._state.language
        unit = unit_text(self._result.series.unit, language)
        name = language.text("what_if.chart_bought" if self._bought else "what_if.chart_site")
        self._chart.begin(self._result.series, bought=self._bought, label=f"{name} [{unit}]")
        self._chart.show(self._result.series, bought=self._bought, known=self._result.in_domain)

    # -- what is drawn ---------------------------------------------------------------------------
    def _draw_strip(self) -> list[Node]:
        return [results.strip(self._result, self._state.language)]

    def _draw_verdict(self) -> list[Node]:
        language = self._state.language
        lost, of = self._lost
        unusable = say("{lost} of {of} values of the link were not usable", lost=lost, of=of)
        return [
            results.verdict(self._result, language),
            *([said(language, unusable, cls="small")] if lost else []),
        ]

    def _draw_above(self) -> list[Node]:
        language = self._state.language
        series = self._result.series
        same = series.bought is series.point or (series.bought_now == series.now).all()
        pair = [
            node(
                "button", language.text(f"what_if.chart_{name}"), type="button", act=name, key=name,
                aria_pressed="true" if self._bought == (name == "bought") else "false",
                cls="on" if self._bought == (name == "bought") else None,
            )
            for name in ("site", "bought")
        ]  # fmt: skip
        return [
            node(
                "div",
                node("h2", language.text("what_if.chart_bought" if self._bought else "what_if.chart_site")),
                None if same and not self._bought else node("div", pair, cls="pair", role="group"),
                cls="spread",
            ),
            results.legend(self._result.in_domain, language),
        ]

    def _draw_below(self) -> list[Node]:
        language, result = self._state.language, self._result
        notes = [*result.notes, *(n for n in self._model.notes if n not in result.notes)]
        return [
            node(
                "div", results.parts_card(result, language), results.limits_card(result, language), cls="two"
            ),
            results.figures_card(result, language),
            node("section", node("h2", language.text("what_if.notes")), _notes(notes, language), cls="card")
            if notes
            else node("div"),
        ]


def _notes(notes: list[str], language: Language) -> Node:
    return node("ul", [node("li", said(language, text, tag="span")) for text in notes], cls="bare")


def given(text: str) -> dict[str, float]:
    """Return lever values of a link, ``name:value,name:value``; NaN where it is no number."""
    values = {}
    for part in filter(None, text.split(",")):
        name, _, value = part.partition(":")
        try:
            values[name] = float(value)
        except ValueError:
            values[name] = float("nan")
    return values


class _Rest:
    """Calls back once nothing has happened for a while."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self._handle: Any = None

    def start(self) -> None:
        """Begin to wait anew; without a server, call at once."""
        document = pn.state.curdoc
        if document is None or not document.session_context:
            self._call()
            return
        if self._handle is not None:
            document.remove_timeout_callback(self._handle)
        self._handle = document.add_timeout_callback(self._run, REST_MS)

    def _run(self) -> None:
        self._handle = None
        self._call()
