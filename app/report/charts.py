"""Charts as inline SVG: text stays text, colours follow the page's light or dark theme."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import matplotlib as mpl
import matplotlib.dates
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from app import wording
from features.frame import FloatArray

# Stand-ins that are replaced by the page's CSS variables after drawing.
SERIES, SECOND, MEASURED, INK, DIVIDER = "#0067a5", "#a3440b", "#16202b", "#4b5866", "#cbd3db"
BAD, WARN = "#b3261e", "#8a4b00"
GREEN = "#11693b"
_VARIABLES = {
    SERIES: "var(--series)",
    SECOND: "var(--series2)",
    MEASURED: "var(--ink)",
    INK: "var(--ink2)",
    DIVIDER: "var(--divider)",
    BAD: "var(--bad)",
    WARN: "var(--warn)",
    GREEN: "var(--good)",
}
CROWDED = 60
"""Marks above which they are drawn small."""
MOST_GAPS = 60
"""Stretches of missing values that one picture shades."""
WIDE, NARROW = (14.4, 3.7), (4.6, 3.3)
MARGINS = (0.085, 0.13, 0.905, 0.73)
"""Left, bottom, width and height of the axes in a picture of fixed margins [of the picture]."""
"""Figure sizes [inch]: the page shows one of the two, so that text stays readable on a phone."""
LONG_LABEL = 24
"""Two longer labels do not stand beside each other in the narrow figure."""


@dataclass(frozen=True)
class Chart:
    """One chart in two widths, with its title, a sentence that says the same, and what it shows."""

    title: str
    summary: str
    wide: str
    narrow: str


@dataclass(frozen=True)
class Series:
    """Values over local time: a prediction with its band, and what was measured.

    Parameters
    ----------
    stamps : pandas.DatetimeIndex
        Local time.
    measured, point, lower, upper : numpy.ndarray, shape (rows,)
        Values [unit].
    unit, name : str
    """

    stamps: pd.DatetimeIndex
    measured: FloatArray
    point: FloatArray
    lower: FloatArray
    upper: FloatArray
    unit: str
    name: str


def predicted_against_measured(series: Series, title: str, summary: str, nominal: float) -> Chart:
    """Return the chart of a prediction, its band and the measured values."""
    times = series.stamps.tz_localize(None).to_numpy()

    def draw(axes: Axes) -> None:
        band = f"{wording.percent(nominal)} interval"
        axes.fill_between(
            times, series.lower, series.upper, color=SERIES, alpha=0.22, linewidth=0, label=band
        )
        axes.plot(times, series.point, color=SERIES, linewidth=1.4, label="predicted")
        axes.plot(
            times, series.measured, color=MEASURED, linewidth=1.0, linestyle=(0, (3, 1.5)), label="measured"
        )
        axes.set_ylabel(f"{series.name} [{wording.unit(series.unit) or '1'}]")

    return drawn_chart(title, summary, draw)


def set_points(
    times: pd.DatetimeIndex,
    lines: dict[str, tuple[FloatArray, FloatArray]],
    unit: str,
    title: str,
    summary: str,
) -> Chart:
    """Return the chart of set-points: recommended as a line, current dashed, per lever.

    Parameters
    ----------
    times : pandas.DatetimeIndex
        Local time.
    lines : dict
        Lever -> (current, recommended) [unit].
    """
    stamps: npt.NDArray[np.datetime64] = times.tz_localize(None).to_numpy()

    def draw(axes: Axes) -> None:
        for (name, (now, then)), colour in zip(lines.items(), cycle((SERIES, SECOND)), strict=False):
            common: dict[str, Any] = {"where": "post", "color": colour}
            axes.step(stamps, then, linewidth=1.8, label=f"{name}, recommended", **common)
            axes.step(stamps, now, linewidth=1.2, linestyle=(0, (3, 2)), label=f"{name}, now", **common)
        axes.set_ylabel(f"set-point [{wording.unit(unit)}]")
        axes.margins(y=0.15)

    return drawn_chart(title, summary, draw)


@dataclass(frozen=True)
class Marked:
    """One exported series with the findings in it.

    Parameters
    ----------
    stamps : pandas.DatetimeIndex
        Local time, without gaps in its grid.
    kept : numpy.ndarray, shape (rows,)
        Values that were kept [unit]; NaN where missing.
    taken, odd : tuple of pandas.DatetimeIndex and numpy.ndarray
        Values taken out, and values kept with a warning: when, and what was exported [unit].
    unit, name : str
    """

    stamps: pd.DatetimeIndex
    kept: FloatArray
    taken: tuple[pd.DatetimeIndex, FloatArray]
    odd: tuple[pd.DatetimeIndex, FloatArray]
    unit: str
    name: str


def marked_series(series: Marked, title: str, summary: str) -> Chart:
    """Return the chart of an exported series: missing time shaded, findings marked.

    What was taken out may lie far outside: it is drawn at the edge then, its value stands in the table.
    One width only: an export has many series.
    """
    times = series.stamps.tz_localize(None).to_numpy()
    known = series.kept[np.isfinite(series.kept)]
    if not len(known):  # all was taken out: what was there sets the scale
        known = series.taken[1][np.isfinite(series.taken[1])]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    room = 0.15 * (high - low or abs(high) or 1.0)

    def draw(axes: Axes) -> None:
        for start, end in _stretches(np.isnan(series.kept)):
            axes.axvspan(times[start], times[min(end, len(times) - 1)], color=DIVIDER, alpha=0.6, linewidth=0)
        axes.plot(times, series.kept, color=SERIES, linewidth=1.1, label=series.name)
        for (when, what), colour, sign, label in (
            (series.taken, BAD, "x", "taken out"),
            (series.odd, WARN, "o", "kept, odd"),
        ):
            if len(when):
                shown = np.clip(np.nan_to_num(what, nan=low - room), low - room, high + room)
                points = when.tz_localize(None).to_numpy()
                size = 7 if len(points) <= CROWDED else 3
                axes.plot(
                    points,
                    shown,
                    sign,
                    color=colour,
                    markersize=size,
                    markeredgewidth=size / 4,
                    fillstyle="none",
                    label=label,
                )
        axes.set_ylim(low - 1.5 * room, high + 1.5 * room)
        axes.set_ylabel(f"{series.name} [{wording.unit(series.unit) or '1'}]")

    name = re.sub(r"\W+", "-", title.lower())
    return Chart(title, summary, _svg(draw, WIDE, name, dates=True, fixed=True), "")


def _stretches(marked: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return first and past-the-end index of the longest marked stretches, in order."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8)))
    found = sorted(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True), key=lambda s: s[0] - s[1])
    return sorted(found[:MOST_GAPS])


def drawn_chart(title: str, summary: str, draw: Callable[[Axes], None], *, dates: bool = True) -> Chart:
    """Return a chart in both widths.

    Parameters
    ----------
    title, summary : str
    draw : callable
        Draws on the axes.
    dates : bool
        Whether the abscissa is time.
    """
    name = re.sub(r"\W+", "-", title.lower())
    wide, narrow = (
        _svg(draw, size, f"{name}-{word}", dates=dates) for size, word in ((WIDE, "wide"), (NARROW, "narrow"))
    )
    return Chart(title, summary, wide, narrow)


def _svg(
    draw: Callable[[Axes], None], size: tuple[float, float], prefix: str, *, dates: bool, fixed: bool = False
) -> str:
    """Return the picture; `fixed` margins spare the search for the best ones, half of the time."""
    settings: dict[Any, Any] = {
        "svg.fonttype": "none", "text.parse_math": False, "svg.hashsalt": "energy-advisor",
        "font.size": 12, "axes.edgecolor": DIVIDER, "axes.labelcolor": INK, "xtick.color": INK,
        "ytick.color": INK, "text.color": INK,
    }  # fmt: skip
    with mpl.rc_context(settings):
        figure = Figure(figsize=size, layout=None if fixed else "constrained", facecolor="none")
        axes = figure.add_axes(MARGINS, facecolor="none") if fixed else figure.add_subplot(facecolor="none")
        draw(axes)
        axes.grid(axis="y", color=DIVIDER, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(length=0)
        if dates:
            axes.margins(x=0.01)
            _date_axis(axes, 8 if size is WIDE else 5)
        handles = axes.get_legend_handles_labels()[0]
        longest = max((len(str(h.get_label())) for h in handles), default=0)
        columns = len(handles) if size is WIDE else 1 + (len(handles) > 1 and longest <= LONG_LABEL)
        place: Any = "upper left" if fixed else "outside upper left"
        figure.legend(loc=place, ncols=columns, frameon=False, handlelength=2.2)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return _for_page(text.getvalue(), prefix)


def _date_axis(axes: Axes, most: int) -> None:
    dates: Any = matplotlib.dates  # partly without types
    locator = dates.AutoDateLocator(minticks=3, maxticks=most)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))


def _for_page(svg: str, prefix: str) -> str:
    """Return the bare ``<svg>`` element with theme colours, the page's font and ids of its own."""
    body = svg[svg.index("<svg") :]
    # matplotlib's own style rule is written for "*" and would reach the whole page
    body = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>", "", body, flags=re.DOTALL)
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, variable)
    body = re.sub(r"font-family: [^;\"]*;? ?", "", body)
    body = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", body)
    body = re.sub(r' xmlns(:xlink)?="[^"]*"', "", body)
    body = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", body, count=1)
    body = re.sub(r'(<svg[^>]*?) width="[^"]*"', r'\1 role="img"', body, count=1)
    return re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{prefix}-", body)
