"""A day ahead from the past alone: own wind and sun, load and the grid's share, as they look at midnight.

Each step of a day is predicted at the day's start as the usual value of its hour, an exponentially weighted
mean over earlier days, plus a ridge regression of the departure from it on departures already seen: of the
last hours, of the same hour yesterday and a week ago, and of weather forecasts where there are any. Every
hour of the day has its own coefficients, fitted anew for every day on all earlier days. The sun's path and
the seasons come in with the usual value; nothing needs to know where the site lies.

`later_in_the_day` corrects the rest of a day by what its first hours were. Trees were tried on the same
columns: a year of days is too little for them (``tests/benchmarks/rolling.py`` prints both).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from features.errors import UsageError
from features.frame import FloatArray
from features.message import say

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

DAY_H, WEEK_DAYS = 24.0, 7
MEMORY_DAYS = 15.0
"""Days after which a value counts 1/e in the usual value of its hour."""
SHRINKAGE = 20.0
"""Ridge penalty in days of data: as much as so many days that say nothing."""
FIRST_DAYS = 5
"""Known days before departures from the usual value are predicted."""
WINDOWS_H = ((0, 1), (1, 3), (3, 6), (6, 12), (12, 24))
"""Hours before the day's start whose mean departures are seen."""
LAST_H = 3
"""Hours of the running day whose mean error is seen beside the last one and all."""


@dataclass(frozen=True)
class DayGrid:
    """Steps by day.

    Parameters
    ----------
    start : numpy.ndarray of int, shape (days,)
        First step of each day.
    length : numpy.ndarray of int, shape (days,)
        Steps of each day; a local day may have 23 or 25 hours.
    per_day : int
        Steps in 24 hours.
    """

    start: IntArray
    length: IntArray
    per_day: int
    index: IntArray = field(init=False)
    inside: BoolArray = field(init=False)

    def __post_init__(self) -> None:
        columns = np.arange(int(self.length.max()))
        inside = columns < self.length[:, None]
        index = np.where(inside, self.start[:, None] + columns, 0)
        object.__setattr__(self, "inside", inside)
        object.__setattr__(self, "index", index)

    @classmethod
    def of(cls, day: IntArray, hours: float) -> DayGrid:
        """Return the grid of steps of `hours` [h] that belong to these days, shape (n,).

        Raises
        ------
        UsageError
            ``E-DAY-AHEAD-INPUT``: days that come back, or steps that do not fill 24 hours.
        """
        day = np.asarray(day, dtype=np.int64)
        start = np.flatnonzero(np.diff(day, prepend=day[:1] - 1))
        per_day = round(DAY_H / hours)
        if len(np.unique(day)) != len(start) or per_day < 2 or abs(per_day * hours - DAY_H) > 1e-9:
            raise UsageError(
                "E-DAY-AHEAD-INPUT", say("a forecast by day needs whole days in order, of equal steps"),
                "day", say("sort by time and give steps of an hour or a part of it"),
            )  # fmt: skip
        return cls(start, np.diff(start, append=len(day)), per_day)

    @property
    def source(self) -> IntArray:
        """Step whose earlier days tell the usual value, (days, steps): a 25th hour asks a day before."""
        back = np.where(np.arange(self.index.shape[1]) >= self.per_day, self.per_day, 0)
        return np.where(self.inside, self.index - back, 0)

    def by_day(self, values: FloatArray, index: IntArray | None = None) -> FloatArray:
        """Return values, shape (n,), as (days, steps); NaN beyond a day's end and before the first step."""
        index = self.index if index is None else index
        there = self.inside & (index >= 0)
        return np.where(there, values[np.where(there, index, 0)], np.nan)

    def flat(self, table: FloatArray) -> FloatArray:
        """Return a (days, steps) table as shape (n,)."""
        return table[self.inside]


@dataclass(frozen=True)
class DayAhead:
    """One series, predicted at the start of each day from earlier days; all of shape (days, steps).

    ``point``, the baselines ``persistence`` (same hour yesterday) and ``last_week`` (same hour last week)
    and what was ``measured`` [unit of the series]: NaN beyond a day's end, where nothing can be said or
    nothing was measured. ``lower`` and ``upper``, shape (days, 1), bound what is possible; ``inside`` tells
    which steps the day has.
    """

    point: FloatArray
    persistence: FloatArray
    last_week: FloatArray
    measured: FloatArray
    lower: FloatArray
    upper: FloatArray
    inside: BoolArray

    @classmethod
    def known(cls, values: FloatArray, grid: DayGrid) -> DayAhead:
        """Return a series that is known in advance, such as scheduled work; `values` shape (n,)."""
        table, none = grid.by_day(values), np.zeros((len(grid.start), 1))
        yesterday, last_week = (
            grid.by_day(values, grid.source - days * grid.per_day) for days in (1, WEEK_DAYS)
        )
        return cls(table, yesterday, last_week, table, none, none + np.inf, grid.inside)

    @property
    def error(self) -> FloatArray:
        """What was measured minus the forecast [unit of the series]."""
        return self.measured - self.point

    def bounded(self, values: FloatArray) -> FloatArray:
        """Return values, shape (days, steps), inside the bounds."""
        return np.clip(values, self.lower, self.upper)


def day_ahead(
    values: FloatArray,
    drivers: Sequence[FloatArray],
    grid: DayGrid,
    *,
    upper: float | None = None,
    weather: Mapping[str, FloatArray] | None = None,
) -> DayAhead:
    """Predict each day of a series from the days before it.

    Parameters
    ----------
    values : numpy.ndarray, shape (n,)
        The series [any unit, not negative]; NaN where it is not known, such as tomorrow.
    drivers : sequence of numpy.ndarray, shape (n,)
        Series whose last hours before the day are seen; `values` itself among them, where it should be.
    grid : DayGrid
    upper : float or None
        Largest possible value [unit of the series]; None: the largest value of the earlier days.
    weather : mapping of str to numpy.ndarray, shape (n,), or None
        Weather forecasts that were issued before the start of each step's day [any unit], such as wind
        speed, irradiance, temperature; NaN where there is none. None: the past alone.

    Returns
    -------
    DayAhead
        No value of a day moves with anything measured on that day or later.
    """
    usual = _usual(values, grid.per_day)
    departure = np.nan_to_num(values - usual)
    expected = grid.by_day(usual, grid.source)
    measured = grid.by_day(values)
    same = [grid.by_day(departure, grid.source - days * grid.per_day) for days in (1, WEEK_DAYS)]
    columns = [np.nan_to_num(c) for c in (*same, *_weather_columns(weather or {}, grid))]
    for driver in drivers:
        seen = _before_the_day(np.nan_to_num(driver - _usual(driver, grid.per_day)), grid)
        columns += [np.broadcast_to(s[:, None], expected.shape) for s in seen]
    X = np.stack(columns, axis=2) * grid.inside[:, :, None]
    most = _largest_before(measured) if upper is None else np.full((len(measured), 1), upper)
    least = np.zeros_like(most)
    return DayAhead(
        np.clip(expected + _walk_forward(X, measured - expected), least, most),
        grid.by_day(values, grid.source - grid.per_day),
        grid.by_day(values, grid.source - WEEK_DAYS * grid.per_day),
        measured, least, most, grid.inside,
    )  # fmt: skip


def later_in_the_day(target: DayAhead, drivers: Sequence[DayAhead], step: int, hours: float) -> FloatArray:
    """Return the forecasts of each day as they look when `step` of its steps are measured.

    Parameters
    ----------
    target : DayAhead
    drivers : sequence of DayAhead
        Series whose errors so far are seen.
    step : int
        Steps of the day that are measured; 0: none.
    hours : float
        Length of a step [h].

    Returns
    -------
    numpy.ndarray, shape (days, steps)
        [unit of the series]; only steps from `step` on mean anything.
    """
    if step == 0:
        return target.point
    recent = max(step - round(LAST_H / hours), 0)
    seen = []
    for driver in drivers:
        error = np.nan_to_num(driver.error[:, :step])
        seen += [error[:, -1], error[:, recent:].mean(axis=1), error.mean(axis=1)]
    X = np.stack(seen, axis=1)
    whole = np.asarray((np.isfinite(target.error) | ~target.inside).all(axis=1))
    y = np.where(whole[:, None], np.nan_to_num(target.error), 0.0)
    gram = _before(np.einsum("df,dg->dfg", X * whole[:, None], X))
    moment = _before(np.einsum("df,dh->dfh", X * whole[:, None], y))
    known = _before(np.asarray(whole, dtype=np.float64))
    slopes = _ridge(gram, moment, np.einsum("dff->df", gram), known)
    return target.bounded(target.point + np.einsum("df,dfh->dh", X, slopes))


# -- inside ----------------------------------------------------------------------------------------
def _usual(values: FloatArray, per_day: int) -> FloatArray:
    """Return the weighted mean of the same hour on earlier days, shape (n,); NaN where there is none."""
    blocks = np.concatenate([values, np.full(-len(values) % per_day, np.nan)]).reshape(-1, per_day)
    known = np.isfinite(blocks)
    keep = np.exp(-1.0 / MEMORY_DAYS)
    total, weight = (
        lfilter([0.0, 1.0], [1.0, -keep], part, axis=0)
        for part in (np.where(known, blocks, 0.0), known.astype(np.float64))
    )
    with np.errstate(invalid="ignore"):
        usual = np.where(weight > 0, total / weight, np.nan)
    return np.asarray(usual.ravel()[: len(values)], dtype=np.float64)


def _before_the_day(departure: FloatArray, grid: DayGrid) -> list[FloatArray]:
    """Return the mean departures of the hours before each day, one array of shape (days,) per window."""
    per_hour = grid.per_day / DAY_H
    longest = round(WINDOWS_H[-1][1] * per_hour)
    padded = np.concatenate([np.zeros(longest), departure])
    seen = []
    for near, far in WINDOWS_H:
        steps = np.arange(round(near * per_hour) + 1, round(far * per_hour) + 1)
        if len(steps):
            seen.append(padded[longest + grid.start[:, None] - steps].mean(axis=1))
    return seen


def _weather_columns(weather: Mapping[str, FloatArray], grid: DayGrid) -> list[FloatArray]:
    """Return departures of a forecast, its square and its cube: power is no line in wind speed."""
    columns = []
    for forecast in weather.values():
        known = np.isfinite(forecast)
        size = max(float(np.abs(forecast[known][: grid.per_day]).max(initial=0.0)), 1e-9)
        for power in (1, 2, 3):
            raised = (forecast / size) ** power
            usual = _usual(raised, grid.per_day)
            columns.append(grid.by_day(raised) - grid.by_day(usual, grid.source))
    return columns


def _before(parts: FloatArray) -> FloatArray:
    """Return sums over the days before each day, shape as given."""
    return np.concatenate([np.zeros_like(parts[:1]), np.cumsum(parts, axis=0)[:-1]])


def _largest_before(measured: FloatArray) -> FloatArray:
    """Return the largest value of the days before each day, shape (days, 1); NaN on the first."""
    of_day = np.fmax.reduce(measured, axis=1)
    return np.concatenate([[np.nan], np.fmax.accumulate(of_day)[:-1]])[:, None]


def _walk_forward(X: FloatArray, y: FloatArray) -> FloatArray:
    """Return a ridge forecast of y, shape (days, steps), each day from the days before, each hour alone."""
    known = np.isfinite(y)
    seen = X * known[:, :, None]
    gram = _before(np.einsum("dhf,dhg->dhfg", seen, X))
    moment = _before(np.einsum("dhf,dh->dhf", seen, np.where(known, y, 0.0)))
    days = _before(np.asarray(known.any(axis=1), dtype=np.float64))
    size = np.einsum("dhff->dhf", gram).mean(axis=1)  # the hours share one scale per column
    slopes = _ridge(gram, moment[..., None], size[:, None, :], days)
    return np.asarray(np.einsum("dhf,dhf->dh", X, slopes[..., 0]))


def _ridge(gram: FloatArray, moment: FloatArray, size: FloatArray, days: FloatArray) -> FloatArray:
    """Return ridge coefficients; 0 before `FIRST_DAYS` known days."""
    count = days.reshape(-1, *(1,) * (size.ndim - 1))
    scale = SHRINKAGE * size / np.maximum(count, 1.0)
    scale = np.where(scale > 0, scale, 1.0)  # a column that never moved
    penalty = np.eye(gram.shape[-1]) * scale[..., None]
    slopes = np.linalg.solve(gram + penalty, moment)
    enough = days.reshape(-1, *(1,) * (slopes.ndim - 1)) >= FIRST_DAYS
    return np.where(enough, slopes, 0.0)
