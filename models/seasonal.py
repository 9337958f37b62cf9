"""Tomorrow from the series' own past days: what can be said of a site that no model knows.

The candidates are the seasonal baselines that every model is shown beside: same hour yesterday, same
hour last week, the mean of this hour of the week and the mean of this hour over the last week. For each
day the candidate with the smallest error on the days before it answers, and split-conformal residuals of
those same earlier days give the interval. No day helps to predict itself.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from features.errors import InsufficientDataError
from features.frame import FloatArray
from features.message import say
from models.conformal import Conformal
from models.metrics import mae

COVERAGE = 0.9
LOOK_BACK_DAYS = 28
"""Earlier days whose errors choose the candidate and calibrate the interval."""
CANDIDATES: dict[str, tuple[int, ...]] = {
    "same hour last week": (7,),
    "same hour yesterday": (1,),
    "mean of the hour of the week": (7, 14, 21, 28),
    "mean of the hour over a week": (1, 2, 3, 4, 5, 6, 7),
}
"""Name -> how many days back the values lie whose mean is the prediction. Ties go to the first."""


@dataclass(frozen=True)
class Band:
    """Point with interval [unit of the series], shape (rows,); NaN where nothing can be said."""

    point: FloatArray
    lower: FloatArray
    upper: FloatArray


@dataclass(frozen=True)
class SeasonalForecast:
    """What the past days say.

    Parameters
    ----------
    name : str
        Candidate that answers for tomorrow.
    ahead : Band
        The day after the series' end, shape (steps_per_day,).
    recent : Band
        The last `recent_days` days, each from the days before it only,
        shape (recent_days * steps_per_day,).
    error : float
        Mean absolute error of the candidate on the days that calibrate it [unit of the series].
    coverage : float
        Nominal coverage of the intervals (0..1).
    """

    name: str
    ahead: Band
    recent: Band
    error: float
    coverage: float


def seasonal_forecast(
    series: FloatArray,
    steps_per_day: int,
    *,
    recent_days: int,
    coverage: float = COVERAGE,
    floor: float = 0.0,
) -> SeasonalForecast:
    """Predict the day after the end of a series, and its recent days as they looked the day before.

    Parameters
    ----------
    series : numpy.ndarray, shape (steps,)
        Values on a fixed grid up to the end of the known past [any unit]; NaN where not measured.
    steps_per_day : int
    recent_days : int
        How many of the last days are predicted too, to judge them.
    coverage : float
        Nominal coverage of the intervals (0..1).
    floor : float
        Smallest physical value [unit of the series].

    Raises
    ------
    InsufficientDataError
        Code E-CALIBRATION-ROWS: too few past days to calibrate an interval for tomorrow.
    """
    days = _days(series, steps_per_day)
    predicted = {name: _mean_of_days(days, back) for name, back in CANDIDATES.items()}
    last = len(days) - 1  # the row after the measured days, all NaN
    name, ahead, error = _one_day(days, predicted, last, coverage, floor)
    empty = np.full(steps_per_day, np.nan)
    recent = []
    for day in range(last - recent_days, last):
        try:
            recent.append(_one_day(days, predicted, day, coverage, floor)[1])
        except InsufficientDataError:  # too early to be judged
            recent.append(Band(empty, empty, empty))
    joined = Band(
        *(np.concatenate([getattr(b, part) for b in recent]) for part in ("point", "lower", "upper"))
    )
    return SeasonalForecast(name, ahead, joined, error, coverage)


def _days(series: FloatArray, steps: int) -> FloatArray:
    """Return the series as days that end where it ends, and one empty day after; shape (days + 1, steps)."""
    whole = -(-len(series) // steps)
    padded = np.concatenate([np.full(whole * steps - len(series), np.nan), series, np.full(steps, np.nan)])
    return padded.reshape(whole + 1, steps)


def _mean_of_days(days: FloatArray, back: tuple[int, ...]) -> FloatArray:
    """Return per day and step the mean of the values so many days before; shape of `days`."""
    earlier = np.full((len(back), *days.shape), np.nan)
    for layer, distance in zip(earlier, back, strict=True):
        layer[distance:] = days[: max(len(days) - distance, 0)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        return np.asarray(np.nanmean(earlier, axis=0))


def _one_day(
    days: FloatArray, predicted: dict[str, FloatArray], day: int, coverage: float, floor: float
) -> tuple[str, Band, float]:
    """Return the chosen candidate, its band for one day and its earlier error."""
    before = slice(max(day - LOOK_BACK_DAYS, 0), max(day, 0))
    truth = days[before].ravel()
    errors = {n: mae(truth, p[before].ravel()) for n, p in predicted.items()}
    # a candidate that has nothing to say for most of the day is no candidate
    usable = {n: e for n, e in errors.items() if np.isfinite(predicted[n][day]).mean() > 0.5}
    usable = {n: e for n, e in usable.items() if np.isfinite(e)}
    if not usable:
        raise InsufficientDataError(
            "E-CALIBRATION-ROWS",
            say("no earlier days to predict this day from"),
            "",
            say("export at least two weeks"),
        )
    name = min(usable, key=lambda n: usable[n])
    conformal = Conformal.calibrate(truth, predicted[name][before].ravel(), coverage)
    point = np.maximum(predicted[name][day], floor)
    lower, upper = conformal.interval(point)
    return name, Band(point, np.minimum(np.maximum(lower, floor), point), upper), errors[name]
