"""The chart of a what-if: the site as it is dashed, the new scenario as a line with its band."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import panel as pn
from bokeh.models import ColumnDataSource, HoverTool, NumeralTickFormatter, Range1d
from bokeh.models.annotations import BoxAnnotation
from bokeh.plotting import figure

from advisor.what_if import Series
from app.web.charts import FONT, dates
from app.web.palette import palette
from app.web.state import SessionState

HEIGHT = 320
HEADROOM = 1.12
COLUMNS = ("time", "now", "point", "lower", "upper")


class WhatIfChart:
    """Drawn once; a move exchanges the new scenario's columns only. The vertical axis begins at 0.

    Parameters
    ----------
    state : SessionState
    times : pandas.DatetimeIndex
        Local wall-clock time of every step.
    """

    def __init__(self, state: SessionState, times: pd.DatetimeIndex) -> None:
        self._state = state
        nothing = np.full(len(times), np.nan)
        columns: Any = dict.fromkeys(COLUMNS, nothing) | {"time": times.to_numpy()}
        self._rows: Any = ColumnDataSource(columns)
        self._axis: Any = Range1d(start=0.0, end=1.0)
        self._figure: Any = figure(
            x_axis_type="datetime", height=HEIGHT, sizing_mode="stretch_width", toolbar_location=None,
            tools="", x_range=Range1d(start=times[0], end=times[-1]), y_range=self._axis,
            min_border_left=8, min_border_right=12,
        )  # fmt: skip
        self._draw()
        self._theme()
        self._words()
        self.pane: Any = pn.pane.Bokeh(  # type: ignore[no-untyped-call]
            self._figure, sizing_mode="stretch_width", height=HEIGHT, margin=0
        )
        state.on(["dark"], self._theme)
        state.on(["lang"], self._words)

    def _draw(self) -> None:
        plot, rows = self._figure, self._rows
        self._unknown = BoxAnnotation(
            fill_alpha=0.12, line_color=None, hatch_pattern="\\", hatch_alpha=0.45, hatch_scale=10,
            hatch_weight=1, visible=False, level="underlay",
        )  # fmt: skip
        plot.add_layout(self._unknown)
        self._band = plot.varea(x="time", y1="lower", y2="upper", source=rows, fill_alpha=0.22)
        self._now = plot.line(x="time", y="now", source=rows, line_width=1.5, line_dash=[6, 4])
        self._point = plot.line(x="time", y="point", source=rows, line_width=2)
        self._hover = HoverTool(renderers=[self._point], mode="vline", point_policy="follow_mouse")
        plot.add_tools(self._hover)
        plot.yaxis.formatter = NumeralTickFormatter(format="0,0.[0]")
        for axis in (*plot.xaxis, *plot.yaxis):
            axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = None
            axis.major_label_text_font = axis.axis_label_text_font = FONT
            axis.major_label_text_font_size = axis.axis_label_text_font_size = "12px"
            axis.axis_label_text_font_style = "normal"
        plot.xgrid.grid_line_color = None
        plot.outline_line_color = None

    def begin(self, series: Series, *, bought: bool, label: str) -> None:
        """Show another quantity: the whole site, or what comes from the grid.

        Parameters
        ----------
        series : Series
        bought : bool
        label : str
            Name and unit of the vertical axis.
        """
        now = series.bought_now if bought else series.now
        self._figure.yaxis.axis_label = label
        top = np.nanmax(np.concatenate([now, series.upper]), initial=0.0)
        self._axis.end = float(top) * HEADROOM or 1.0
        self._change(now=now)
        self.show(series, bought=bought, known=True)

    def show(self, series: Series, *, bought: bool, known: bool) -> None:
        """Exchange the new scenario; ``known``: the models have seen it."""
        point = series.bought if bought else series.point
        below, above = series.point - series.lower, series.upper - series.point
        columns = {"point": point, "lower": np.maximum(point - below, 0.0), "upper": point + above}
        # the axis keeps its range, so that effects keep their size, and only grows where it must
        top = float(np.nanmax(columns["upper"], initial=0.0))
        if top > self._axis.end:
            self._axis.end = top * HEADROOM
        self._change(**columns)
        if self._unknown.visible == known:
            self._unknown.visible = not known

    def _change(self, **columns: Any) -> None:
        data: Any = self._rows.data
        data.update(columns)  # one message with the changed columns only

    def _theme(self) -> None:
        colours = palette(dark=self._state.dark)
        plot = self._figure
        plot.background_fill_color = plot.border_fill_color = colours["surface"]
        plot.ygrid.grid_line_color = colours["divider"]
        self._point.glyph.line_color = self._band.glyph.fill_color = colours["series"]
        self._now.glyph.line_color = colours["ink2"]
        self._unknown.fill_color = self._unknown.hatch_color = colours["unknown"]
        for axis in (*plot.xaxis, *plot.yaxis):
            axis.major_label_text_color = axis.axis_label_text_color = colours["ink2"]

    def _words(self) -> None:
        language = self._state.language
        self._figure.xaxis.formatter = dates(language)
        stamp = "%Y-%m-%d %H:%M" if language.code == "zh" else "%d %b %Y %H:%M"
        self._hover.formatters = {"@time": "datetime"}
        shown = (("now", "now"), ("new", "point"), ("lower", "lower"), ("upper", "upper"))
        self._hover.tooltips = [
            (language.text("what_if.time"), f"@time{{{stamp}}}"),
            *((language.text(f"what_if.{key}"), f"@{name}{{0,0.[0]}}") for key, name in shown),
        ]
