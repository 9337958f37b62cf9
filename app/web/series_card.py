"""The card with measured beside predicted: choice of quantity, unit and stretch, and the same as a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import panel as pn

from app import wording
from app.service.workspace import SiteCase
from app.web.charts import SeriesChart
from app.web.figures import measured_mark, moment, percent, predicted_mark, seconds, unit_text
from app.web.language import Language
from app.web.nodes import Node, node
from app.web.series import SeriesOf, Stretch
from app.web.state import SessionState
from app.web.view import View, style
from features.schema import SCHEMA

RANGES = {"weeks": 14, "quarter": 92, "all": 0}
"""Choice of the chart -> its length [days]; 0: everything."""
MOST_PLACES = 200
MOST_ROWS = 48


def series_card(case: SiteCase, state: SessionState) -> tuple[Any, ...]:
    """Return the card, or one that says why there is no chart."""
    series = SeriesOf(case)
    if not series.quantities:
        return (View(state, lambda: [node("p", state.language.text("chart.none"), cls="card")]),)
    return (_Card(case, state, series).column,)


class _Card:
    """Holds what is chosen; a choice exchanges the chart's data."""

    def __init__(self, case: SiteCase, state: SessionState, series: SeriesOf) -> None:
        self._case, self._state, self._series = case, state, series
        self._quantity = series.quantities[0]
        self._where = series.places(self._quantity)[0]
        self._range = "weeks"
        self._chart = SeriesChart(state)
        self._stretch = self._shown()
        self._above = View(state, self._head, self._act)
        self._below = View(state, self._table)
        state.on(["lang"], self._label)
        self._label()
        self.column = pn.Column(
            self._above,
            self._chart.pane,
            self._below,
            sizing_mode="stretch_width",
            margin=(0, 0, 12, 0),
            stylesheets=[style("card")],
        )

    def _shown(self) -> Stretch:
        table = self._series.table(self._quantity, self._where)
        days = RANGES[self._range]
        start = table.index[-1] - pd.Timedelta(days=days) if days else None
        return self._series.stretch(table, start)

    def _act(self, name: str, value: Any) -> None:
        if name == "quantity" and value in self._series.quantities:
            self._quantity = value
            places = self._series.places(value)
            self._where = self._where if self._where in places else places[0]
        elif name == "place":
            self._where = next(
                (w for w in self._series.places(self._quantity) if w.name == value), self._where
            )
        elif name in RANGES:
            self._range = name
        self._stretch = self._shown()
        self._label()
        self._above.redraw()
        self._below.redraw()

    def _label(self) -> None:
        unit = unit_text(SCHEMA[self._quantity].unit, self._state.language)
        name = self._state.language.column(self._quantity)
        self._chart.show(self._stretch, f"{name} [{unit}]" if unit else name)

    # -- words -----------------------------------------------------------------------------------
    def _head(self) -> list[Node]:
        language = self._state.language
        places = self._series.places(self._quantity)
        quantities = [
            node("option", language.column(q), value=q, selected=q == self._quantity, key=q)
            for q in self._series.quantities
        ]
        controls: list[Node] = [
            node(
                "select",
                quantities,
                act="quantity",
                value=self._quantity,
                aria_label=language.text("chart.quantity"),
            )
        ]
        if len(places) > 1:
            shown = [w.name for w in places[:MOST_PLACES]]
            controls.append(
                node(
                    "select",
                    [node("option", n, value=n, selected=n == self._where.name, key=n) for n in shown],
                    act="place",
                    value=self._where.name,
                    aria_label=language.text("chart.unit"),
                )
            )
        controls.append(
            node(
                "div",
                [
                    node(
                        "button",
                        language.text(f"chart.range_{name}"),
                        type="button",
                        act=name,
                        key=name,
                        aria_pressed="true" if name == self._range else "false",
                        cls="on" if name == self._range else None,
                    )
                    for name in RANGES
                ],
                cls="pair",
                role="group",
                aria_label=language.text("chart.range"),
            )
        )
        return [
            node(
                "div",
                node("h2", language.text("chart.title", name=language.column(self._quantity))),
                node("div", controls, cls="row"),
                cls="spread",
            ),
            node("p", self._sentence(language), cls="small"),
            self._legend(language),
        ]

    def _legend(self, language: Language) -> Node:
        nominal = self._prediction().coverage
        return node(
            "div",
            measured_mark(language),
            predicted_mark(language),
            node(
                "span",
                node("span", cls="mark band"),
                language.text("chart.band", share=percent(language, nominal)),
            ),
            node("span", language.text("chart.zoomed")),
            cls="legend",
        )

    def _prediction(self) -> Any:
        return next(p for p in self._case.predictions if p.quantity == self._quantity)

    def _sentence(self, language: Language) -> str:
        """Say in words what the chart shows."""
        frame, step = self._stretch.frame, self._stretch.step
        paired = frame.dropna()
        if paired.empty:
            return language.text("chart.nothing_paired")
        measured, point = paired["measured"].to_numpy(), paired["point"].to_numpy()
        scale = float(np.abs(measured).mean())
        error = float(np.abs(measured - point).mean()) / scale if scale > 0 else float("nan")
        inside = float(((measured >= paired["lower"]) & (measured <= paired["upper"])).mean())
        text = language.text(
            "chart.sentence",
            first=moment(frame.index[0], language),
            last=moment(frame.index[-1], language),
            error=percent(language, error),
            inside=percent(language, inside),
        )
        if step > self._case.telemetry.interval:
            text += language.text("chart.means", length=seconds(step.total_seconds(), language))
        trained = pd.Timestamp(self._case.bundle.card.data_end)
        last = self._case.telemetry.span[1]
        seen = trained.tz_localize(last.tz) if trained.tzinfo is None else trained
        return text + (language.text("chart.seen") if seen >= last else "")

    def _table(self) -> list[Node]:
        language = self._state.language
        frame = self._stretch.frame
        unit = unit_text(SCHEMA[self._quantity].unit, language)
        step = max(1, len(frame) // MOST_ROWS)
        rows = frame.iloc[::step]
        head = [
            language.text(f"chart.{name}") for name in ("time", "measured", "predicted", "lower", "upper")
        ]
        cells = [
            [moment(stamp, language, with_time=True), *(wording.number(v) for v in values)]
            for stamp, values in zip(rows.index, rows.to_numpy(), strict=True)
        ]
        table = node(
            "table",
            node("caption", f"{language.column(self._quantity)} [{unit or '1'}]"),
            node("thead", node("tr", [node("th", text, scope="col") for text in head])),
            node("tbody", [node("tr", [node("td", text) for text in row]) for row in cells]),
        )
        return [
            node(
                "details",
                node("summary", language.text("chart.as_table")),
                node("div", table, cls="scroll"),
                cls="more",
            )
        ]
