"""What a day may turn out to be: its forecast plus the errors of the earlier days whose forecasts were alike.

Errors of all hours and of all series that say which days are alike are taken together, so that wind that
fails in the evening and a grid that is then less green stay together. Other series, such as the load, take
the errors of the last days: their forecasts grow better with time and owe nothing to the wind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from features.frame import FloatArray
from models.day_ahead import DayAhead, IntArray

SCENARIOS = 60
"""Earlier days whose errors are drawn on; fewer while there are fewer."""
RECENT_DAYS = 14
"""Last days whose errors are drawn on for series that do not say which days are alike."""


@dataclass(frozen=True)
class DayScenarios:
    """Scenarios of several series.

    Parameters
    ----------
    series : mapping of str to DayAhead
    alike : sequence of str
        Series whose forecasts say which days are alike, and whose errors stay together.
    point : mapping of str to numpy.ndarray, shape (days, steps), or None
        Forecasts later in the day [unit of the series]; None: those of the day's start.
    most : int
        Scenarios per day at most.
    """

    series: Mapping[str, DayAhead]
    alike: Sequence[str]
    point: Mapping[str, FloatArray] | None = None
    most: int = SCENARIOS
    _point: dict[str, FloatArray] = field(init=False)
    _error: dict[str, FloatArray] = field(init=False)
    _usable: IntArray = field(init=False)
    _look: FloatArray = field(init=False)
    _spread: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        point = {name: s.point if self.point is None else self.point[name] for name, s in self.series.items()}
        error = {name: s.measured - point[name] for name, s in self.series.items()}
        known = [
            (np.isfinite(e) | ~s.inside).all(axis=1)
            for e, s in zip(error.values(), self.series.values(), strict=True)
        ]
        look = np.concatenate([np.nan_to_num(point[name]) for name in self.alike], axis=1)
        count = np.arange(1, len(look) + 1)[:, None]
        spread = np.cumsum(look**2, axis=0) / count - (np.cumsum(look, axis=0) / count) ** 2
        steps = look.shape[1] // len(self.alike)
        by_series = np.maximum(spread, 0.0).reshape(len(look), len(self.alike), steps).mean(axis=2)
        size = np.repeat(by_series, steps, axis=1)
        object.__setattr__(self, "_point", point)
        object.__setattr__(self, "_error", error)
        object.__setattr__(self, "_usable", np.flatnonzero(np.all(known, axis=0)))
        object.__setattr__(self, "_look", look)
        object.__setattr__(self, "_spread", np.where(size > 0, size, np.inf))

    def days_alike(self, day: int) -> IntArray:
        """Return the earlier days with known errors whose forecasts were most alike, best first."""
        earlier = self._usable[self._usable < day]
        apart = (self._look[earlier] - self._look[day]) ** 2 / self._spread[day]
        order = np.argsort(apart.mean(axis=1), kind="stable")
        return earlier[order[: self.most]]

    def of_day(self, day: int) -> dict[str, FloatArray] | None:
        """Return scenarios by series, each of shape (scenarios, steps); None: nothing can be said.

        The same row of all series is one scenario; beyond a day's end they are NaN.
        """
        return self._drawn(day, RECENT_DAYS)

    def _drawn(self, day: int, last_days: int) -> dict[str, FloatArray] | None:
        alike = self.days_alike(day)
        recent = np.resize(self._usable[self._usable < day][-last_days:], len(alike))
        found = {}
        for name, series in self.series.items():
            point, steps = self._point[name][day], np.isfinite(self._point[name][day])
            if not len(alike) or not steps.any():
                return None
            drawn = alike if name in self.alike else recent
            values = point + np.nan_to_num(self._error[name][drawn])
            found[name] = np.clip(values, series.lower[day], series.upper[day])
        return found

    def interval(self, name: str, coverage: float) -> tuple[FloatArray, FloatArray]:
        """Return lower and upper, each (days, steps), that hold the truth with this probability (0..1).

        Quantiles of the scenarios at ranks out of their number plus one, as in split conformal prediction.
        """
        lower, upper = (np.full_like(self._point[name], np.nan) for _ in range(2))
        tail = (1.0 - coverage) / 2.0
        for day in range(len(lower)):
            scenarios = self._drawn(day, self.most)  # a fortnight is too short for quantiles
            if scenarios is not None:
                ends = np.quantile(scenarios[name], (tail, 1.0 - tail), axis=0, method="weibull")
                lower[day] = np.minimum(ends[0], self._point[name][day])
                upper[day] = np.maximum(ends[1], self._point[name][day])
        return lower, upper
