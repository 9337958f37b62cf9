"""The chart of a series: drawn once, then only its data, colours and words are exchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import panel as pn
from bokeh.core.properties import value
from bokeh.models import (  # type: ignore[attr-defined]  # LabelSet is there
    ColumnDataSource,
    DataRange1d,
    DatetimeTickFormatter,
    HoverTool,
    LabelSet,
    NoOverlap,
    NumeralTickFormatter,
    Range1d,
)
from bokeh.plotting import figure

from app.web.language import Language
from app.web.palette import palette
from app.web.series import Stretch
from app.web.state import SessionState

FONT = 'Roboto, "Segoe UI", Arial, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif'
HEIGHT = 300
LEAST_SHARE = 1 / 160
"""Narrowest band on the chart, as a share of its width: an hour in a year must still be seen."""


@dataclass(frozen=True)
class Band:
    """A numbered finding on the series, local time."""

    number: int
    start: pd.Timestamp
    end: pd.Timestamp


class SeriesChart:
    """Measured dashed, predicted as a line with its band, findings hatched and numbered.

    Parameters
    ----------
    state : SessionState
    """

    def __init__(self, state: SessionState, *, height: int = HEIGHT) -> None:
        self._state = state
        self._rows = ColumnDataSource({name: [] for name in ("time", "measured", "point", "lower", "upper")})
        self._bands = ColumnDataSource({name: [] for name in ("start", "end", "middle", "number")})
        self._figure = figure(
            x_axis_type="datetime", height=height, sizing_mode="stretch_width", toolbar_location=None,
            tools="", x_range=Range1d(), y_range=DataRange1d(only_visible=True), min_border_left=8,
            min_border_right=12,
        )  # fmt: skip
        self._draw()
        self._theme()
        self._words()
        self.pane = pn.pane.Bokeh(  # type: ignore[no-untyped-call]
            self._figure, sizing_mode="stretch_width", height=height, margin=0
        )
        state.on(["dark"], self._theme)
        state.on(["lang"], self._words)

    def _draw(self) -> None:
        plot, rows = self._figure, self._rows
        self._strip = plot.vstrip(
            x0="start", x1="end", source=self._bands, fill_alpha=0.16, line_width=1, line_alpha=0.5,
            hatch_pattern="/", hatch_scale=10, hatch_weight=1, hatch_alpha=0.35, level="underlay",
        )  # fmt: skip
        self._band = plot.varea(x="time", y1="lower", y2="upper", source=rows, fill_alpha=0.22)
        self._point = plot.line(x="time", y="point", source=rows, line_width=2)
        self._measured = plot.line(x="time", y="measured", source=rows, line_width=1.2, line_dash=[5, 3])
        self._labels = LabelSet(
            x="middle", y=6, y_units="screen", text="number", source=self._bands, text_align="center",
            text_font_style="bold", text_font_size="13px", text_font=value(FONT),
        )  # fmt: skip
        plot.add_layout(self._labels)
        self._hover = HoverTool(
            renderers=[self._point, self._measured], mode="vline", point_policy="follow_mouse"
        )
        plot.add_tools(self._hover)
        plot.yaxis.formatter = NumeralTickFormatter(format="0,0.[00]")
        for axis in (plot.xaxis, plot.yaxis):
            axis.axis_line_color = None
            axis.major_tick_line_color = None
            axis.minor_tick_line_color = None
            axis.major_label_text_font = FONT
            axis.major_label_text_font_size = "12px"
            axis.axis_label_text_font = FONT
            axis.axis_label_text_font_size = "12px"
            axis.axis_label_text_font_style = "normal"
        plot.xaxis.major_label_policy = NoOverlap(min_distance=12)
        plot.xgrid.grid_line_color = None
        plot.outline_line_color = None

    def show(self, stretch: Stretch, label: str, bands: Sequence[Band] = ()) -> None:
        """Exchange the data.

        Parameters
        ----------
        stretch : Stretch
        label : str
            Name and unit of the vertical axis.
        bands : sequence of Band
        """
        frame = stretch.frame
        self._rows.data = {"time": frame.index.to_numpy(), **{n: frame[n].to_numpy() for n in frame.columns}}
        start, end = frame.index[0], frame.index[-1] + stretch.step
        self._figure.x_range.update(start=start, end=end)
        self._figure.yaxis.axis_label = label
        self.mark(bands, start, end)

    def mark(self, bands: Sequence[Band], start: pd.Timestamp, end: pd.Timestamp) -> None:
        """Exchange the findings; what is narrower than can be seen is widened around its middle."""
        least = (end - start) * LEAST_SHARE
        inside = [b for b in bands if b.end >= start and b.start <= end]
        middle = [b.start + (b.end - b.start) / 2 for b in inside]
        half = [max((b.end - b.start) / 2, least / 2) for b in inside]
        self._bands.data = {
            "start": np.array([m - h for m, h in zip(middle, half, strict=True)], dtype="datetime64[ms]"),
            "end": np.array([m + h for m, h in zip(middle, half, strict=True)], dtype="datetime64[ms]"),
            "middle": np.array(middle, dtype="datetime64[ms]"),
            "number": [str(b.number) for b in inside],
        }

    def _theme(self) -> None:
        colours = palette(dark=self._state.dark)
        plot = self._figure
        plot.background_fill_color = plot.border_fill_color = colours["surface"]
        plot.ygrid.grid_line_color = colours["divider"]
        self._point.glyph.line_color = self._band.glyph.fill_color = colours["series"]
        self._measured.glyph.line_color = colours["ink"]
        for name in ("fill_color", "line_color", "hatch_color"):
            setattr(self._strip.glyph, name, colours["warn"])
        self._labels.text_color = colours["warn"]
        self._labels.background_fill_color = colours["surface"]
        for axis in (*plot.xaxis, *plot.yaxis):
            axis.major_label_text_color = axis.axis_label_text_color = colours["ink2"]

    def _words(self) -> None:
        language = self._state.language
        self._figure.xaxis.formatter = dates(language)
        kinds = (("measured", "measured"), ("predicted", "point"), ("lower", "lower"), ("upper", "upper"))
        stamp = "%Y-%m-%d %H:%M" if language.code == "zh" else "%d %b %Y %H:%M"
        self._hover.formatters = {"@time": "datetime"}
        self._hover.tooltips = [
            (language.text("chart.time"), f"@time{{{stamp}}}"),
            *((language.text(f"chart.{key}"), f"@{name}{{0,0.[00]}}") for key, name in kinds),
        ]


def dates(language: Language) -> Any:
    """Return how the time axis is written: 11-19 in Chinese, 19 Nov in English."""
    day, month = ("%m-%d", "%Y-%m") if language.code == "zh" else ("%d %b", "%b %Y")
    return DatetimeTickFormatter(
        hours="%H:%M", hourmin="%H:%M", minutes="%H:%M", days=day, months=month, years="%Y"
    )
