"""Data findings: what is wrong with the data, where it stands on the series, and what to do."""

from __future__ import annotations

from typing import Any

import pandas as pd
import panel as pn

from app.service.workspace import SiteCase
from app.web.charts import Band, SeriesChart
from app.web.figures import measured_mark, moment, predicted_mark, unit_text
from app.web.icons import icon
from app.web.language import Language
from app.web.nodes import Node, node
from app.web.notices import heading, said
from app.web.overview import about
from app.web.places import Place, place_of
from app.web.series import SeriesOf, Where
from app.web.state import SessionState
from app.web.view import View, style
from features.issues import SEVERITIES, DataIssue
from features.schema import SCHEMA

TONES = {"error": ("bad", "bad"), "warning": ("warn", "warn"), "info": ("more", "unknown")}
"""Severity -> icon and tone."""
AROUND = pd.Timedelta(days=2)
"""Shown before and after a finding that was chosen."""


def findings_page(case: SiteCase, state: SessionState) -> Any:
    """Return the page."""
    return _Findings(case, state).column


class _Findings:
    """The series with its numbered findings, and the list with the same numbers."""

    def __init__(self, case: SiteCase, state: SessionState) -> None:
        self._case, self._state = case, state
        self._series = SeriesOf(case)
        self._places = {n: place_of(issue, case.telemetry) for n, issue in enumerate(case.issues, 1)}
        self._severities = set(SEVERITIES)
        self._chosen: int | None = None
        self._column, self._where = self._first()
        top = View(state, self._top)
        self._list = View(state, self._draw, self._act)
        parts: list[Any] = [top]
        if self._column:
            self._chart = SeriesChart(state, height=260)
            self._above = View(state, self._head, self._act)
            state.on(["lang"], self._show)
            self._show()
            parts.append(
                pn.Column(
                    self._above,
                    self._chart.pane,
                    sizing_mode="stretch_width",
                    margin=(0, 0, 12, 0),
                    stylesheets=[style("card")],
                )
            )
        self.column = pn.Column(*parts, self._list, sizing_mode="stretch_width", margin=0)

    def _columns(self) -> list[str]:
        telemetry = self._case.telemetry
        return [c for c in telemetry.value_columns if not SCHEMA[c].text and telemetry.has(c)]

    def _first(self) -> tuple[str, Where]:
        """Return the series to begin with: what is predicted first, else the first measured."""
        columns = self._columns()
        column = next(iter((*self._series.quantities, *columns)), "")
        places = self._series.places(column) if column else ()
        found = {p.site_id for p in self._places.values() if p is not None}
        with_findings = next((w for w in places if w.site_id in found), None)
        return (column, with_findings or places[0]) if places else ("", Where("", ""))

    # -- choosing --------------------------------------------------------------------------------
    def _act(self, name: str, value: Any) -> None:
        verb, _, which = name.partition(":")
        if verb == "severity" and which in SEVERITIES:
            self._severities ^= {which}
            self._severities = self._severities or set(SEVERITIES)
        elif verb == "show":
            self._choose(int(which))
        elif verb == "column" and value in self._columns():
            self._column, self._chosen = value, None
            places = self._series.places(value)
            self._where = self._where if self._where in places else places[0]
            self._show()
        elif verb == "all":
            self._chosen = None
            self._show()
        self._list.redraw()
        if self._column:
            self._above.redraw()

    def _choose(self, number: int) -> None:
        place = self._places.get(number)
        if place is None:
            return
        self._chosen = number
        if place.columns and place.columns[0] in self._columns():
            self._column = place.columns[0]
        where = Where(place.site_id, place.unit_id)
        places = self._series.places(self._column)
        self._where = (
            where if where in places else next((w for w in places if w.site_id == place.site_id), places[0])
        )
        self._show()

    def _show(self) -> None:
        language = self._state.language
        table = self._series.table(self._column, self._where)
        place = self._places.get(self._chosen) if self._chosen is not None else None
        if place is None:
            stretch = self._series.stretch(table)
        else:
            stretch = self._series.stretch(table, place.start - AROUND, place.end + AROUND)
        unit = unit_text(SCHEMA[self._column].unit, language)
        label = f"{language.column(self._column)} [{unit}]" if unit else language.column(self._column)
        self._chart.show(stretch, label, [Band(n, p.start, p.end) for n, p in self._shown()])

    def _shown(self) -> list[tuple[int, Place]]:
        """Return the findings that concern the series shown, or any series of the same unit."""
        here = [(n, p) for n, p in self._places.items() if p is not None and p.site_id == self._where.site_id]
        if self._chosen is not None:
            return [(n, p) for n, p in here if n == self._chosen]
        return here

    # -- words -----------------------------------------------------------------------------------
    def _top(self) -> list[Node]:
        language, rows = self._state.language, self._case.rows
        answer = language.text(
            "findings.answer",
            n=len(self._case.issues),
            rows=f"{rows.rows_in:,}",
            accepted=f"{rows.accepted:,}",
            quarantined=f"{rows.quarantined:,}",
            rejected=f"{rows.rejected:,}",
        )
        return [heading(self._state), node("p", answer, cls="answer"), about(self._case, language)]

    def _head(self) -> list[Node]:
        language = self._state.language
        options = [
            node("option", language.column(c), value=c, selected=c == self._column, key=c)
            for c in self._columns()
        ]
        controls = [
            node(
                "select",
                options,
                act="column",
                value=self._column,
                aria_label=language.text("chart.quantity"),
            )
        ]
        if self._chosen is not None:
            back = language.text("findings.whole")
            controls.append(node("button", back, type="button", act="all", cls="button", key="all"))
        where = f" · {self._where.name}" if len(self._case.telemetry.site_ids) > 1 else ""
        return [
            node(
                "div",
                node("h2", language.column(self._column), where),
                node("div", controls, cls="row"),
                cls="spread",
            ),
            node("p", self._caption(language), cls="small"),
            node(
                "div",
                measured_mark(language),
                predicted_mark(language) if self._column in self._series.quantities else None,
                node("span", node("span", cls="mark hatch"), language.text("findings.mark")),
                node("span", language.text("chart.zoomed")),
                cls="legend",
            ),
        ]

    def _caption(self, language: Language) -> str:
        if self._chosen is not None:
            return language.text("findings.zoomed", n=self._chosen)
        return language.text("findings.overall", n=len(self._shown()))

    def _draw(self) -> list[Node]:
        language, issues = self._state.language, self._case.issues
        counts = {s: sum(i.severity == s for i in issues) for s in reversed(SEVERITIES)}
        filters = [
            node(
                "button",
                icon(TONES[s][0]),
                language.text(f"severity.{s}"),
                f" {n}",
                type="button",
                act=f"severity:{s}",
                cls="button",
                aria_pressed="true" if s in self._severities else "false",
                key=s,
            )
            for s, n in counts.items()
            if n
        ]
        shown = [(n, i) for n, i in enumerate(issues, 1) if i.severity in self._severities]
        if not issues:
            return [node("div", node("p", language.text("findings.none"), cls="lead"), cls="card")]
        return [
            node(
                "section",
                node(
                    "div",
                    node("h2", language.text("findings.list")),
                    node(
                        "div", filters, cls="row", role="group", aria_label=language.text("findings.filter")
                    ),
                    cls="spread",
                ),
                node("ol", [self._line(n, issue, language) for n, issue in shown]),
                cls="card",
            )
        ]

    def _line(self, number: int, issue: DataIssue, language: Language) -> Node:
        place = self._places[number]
        sign, tone = TONES[issue.severity]
        effect = node(
            "p", node("span", language.text("findings.effect")), " ", said(language, issue.effect, "span")
        )
        return node(
            "li",
            node("span", str(number), cls="number" if place else "number off"),
            node(
                "div",
                node(
                    "p",
                    node(
                        "span", icon(sign), language.text(f"severity.{issue.severity}"), cls=f"state {tone}"
                    ),
                    " ",
                    said(language, issue.evidence, "strong"),
                ),
                node("p", _where(issue, place, language), cls="small"),
                effect if issue.effect else None,
                node(
                    "p",
                    node("span", language.text("findings.remedy")),
                    " ",
                    said(language, issue.remedy, "span"),
                ),
                node(
                    "p", language.text("findings.code", code=issue.code, rows=f"{issue.rows:,}"), cls="small"
                ),
            ),
            node(
                "button",
                language.text("findings.show"),
                type="button",
                act=f"show:{number}",
                cls="button",
                aria_label=language.text("findings.show_number", n=number),
                aria_pressed="true" if self._chosen == number else "false",
            )
            if place
            else None,
            cls="finding",
            key=f"{number}",
        )


def _where(issue: DataIssue, place: Place | None, language: Language) -> str:
    if place is None:
        return language.sentence(issue.place)
    names = language.text("figure.comma").join(language.column(c) for c in place.columns)
    unit = f"{place.site_id}/{place.unit_id}" if place.unit_id else place.site_id
    if place.sites > 1:
        unit = language.text("findings.more_sites", unit=unit, n=place.sites - 1)
    start, end = (moment(stamp, language, with_time=True) for stamp in (place.start, place.end))
    return " · ".join(part for part in (unit, names, f"{start} – {end}") if part)
