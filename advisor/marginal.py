"""How much facility energy a kWh of IT work brings with it: cooling and losses follow the work."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from advisor.plan import Z90
from features.frame import FloatArray
from features.message import Message, say
from features.schema import SCHEMA

NEAR = pd.Timedelta(days=14)
"""How far before and after a window its neighbourhood reaches."""
WIDEST = 0.1
"""A standard error above this says nothing useful [1]."""
OUTLIER, ROUNDS = 5.0, 3
"""Rows further off than this many typical residuals are left out, in so many rounds of fitting."""
FEWEST_DAYS = 5
WEATHER = ("outdoor_dry_bulb_c", "outdoor_wet_bulb_c")
CLASSES = (4, 2)
"""Into so many classes of equally many hours the weather is divided; the first that all have a slope goes."""
SHARPEST = 0.05
"""A class whose standard error is above this does not tell its slope [1]."""


@dataclass(frozen=True)
class Marginal:
    """Facility kWh per kWh of moved IT work [1] with its 90 % interval, and what it rests on.

    ``hourly`` (steps,) its value in each step where the export tells how it follows the weather; then the
    other figures are those of the mean over the window.
    """

    lower: float
    point: float
    upper: float
    source: str
    hourly: FloatArray | None = None

    def over(self, steps: int) -> FloatArray:
        """Return the value of every step, shape (steps,) [1]."""
        return np.full(steps, self.point) if self.hourly is None else self.hourly


def marginal_of(
    series: pd.DataFrame,
    hour: FloatArray,
    day: FloatArray,
    stamps: pd.DatetimeIndex,
    weather: pd.DataFrame | None = None,
) -> Marginal:
    """Estimate how facility power follows IT power in every step of a plan.

    Facility power is regressed on IT power, weather, set-points and the hour of the day, so that the slope
    is not that of a daily rhythm that both share; its error is clustered by day. Where the export tells it,
    the slope has a value in each class of outdoor temperature: the warmer, the more a kWh takes to be cooled.
    Else one slope of the weeks around the window goes for all.

    Parameters
    ----------
    series : pandas.DataFrame, shape (n, columns)
        ``it_power_kw`` and ``facility_power_kw`` [kW], weather and set-points [degC] where exported;
        indexed by UTC stamps.
    hour, day : numpy.ndarray, shape (n,)
        Local hour of the day [h] and number of the local day of each row.
    stamps : pandas.DatetimeIndex, shape (steps,)
        UTC stamps of the plan.
    weather : pandas.DataFrame or None, shape (steps, columns)
        Of the plan; None: that of the series.

    Returns
    -------
    Marginal
        Where the data do not tell the slope: the middle between 1 and the mean PUE, labelled assumed.
    """
    outdoor = series.reindex(stamps) if weather is None else weather
    by_weather = _by_weather(series, hour, day, outdoor)
    if by_weather is not None:
        return by_weather
    near = np.asarray((series.index >= stamps[0] - NEAR) & (series.index <= stamps[-1] + NEAR))
    rows, columns, hour, day = _complete(series[near], hour[near], day[near])
    slope, error = _slope(rows, columns, hour, day)
    it, facility = rows["it_power_kw"].sum(), rows["facility_power_kw"].sum()
    pue = float(facility / it) if it > 0 else float("nan")
    if np.isfinite(error) and error <= WIDEST and slope + Z90 * error >= 1.0 and slope <= 2.0 * pue:
        point = max(slope, 1.0)
        low, high = max(slope - Z90 * error, 1.0), max(slope + Z90 * error, point)
        return Marginal(min(low, point), point, high, _measured(rows, error))
    if not np.isfinite(pue) or pue < 1.0:
        return Marginal(1.0, 1.0, 1.0, say("assumed: no measured relation between facility and IT power"))
    return Marginal(
        1.0, (1.0 + pue) / 2, pue,
        say(
            "assumed: between 1 and the mean PUE of {pue:.2f}, the export does not tell how cooling follows "
            "the work", pue=pue,
        ),
    )  # fmt: skip


def _complete(
    rows: pd.DataFrame, hour: FloatArray, day: FloatArray
) -> tuple[pd.DataFrame, list[str], FloatArray, FloatArray]:
    """Return the complete rows, the columns that explain facility power, and hours and days of the rows."""
    levers = [str(c) for c in rows if SCHEMA[str(c)].role == "lever"]
    beside = [c for c in (*WEATHER, *levers) if c in rows and rows[c].notna().mean() > 0.9]
    columns = ["it_power_kw", *beside]
    known = rows[[*columns, "facility_power_kw"]].notna().all(axis=1).to_numpy()
    return rows[known], columns, hour[known], day[known]


def _by_weather(
    series: pd.DataFrame, hour: FloatArray, day: FloatArray, weather: pd.DataFrame
) -> Marginal | None:
    """Return slopes by classes of outdoor temperature, interpolated; None: the export does not tell them."""
    rows, columns, hour, day = _complete(series, hour, day)
    name = next((c for c in WEATHER if c in columns), None)
    if name is None or rows.empty:
        return None
    outdoor = rows[name].to_numpy(dtype=np.float64)
    pue = float(rows["facility_power_kw"].sum() / max(rows["it_power_kw"].sum(), 1e-9))
    for count in CLASSES:
        edges = np.quantile(outdoor, np.linspace(0.0, 1.0, count + 1))
        inside = [(outdoor >= low) & (outdoor <= high) for low, high in itertools.pairwise(edges)]
        fits = np.array([_slope(rows[i], columns, hour[i], day[i]) for i in inside])
        slope, error = fits[:, 0], fits[:, 1]
        plausible = (slope + Z90 * error >= 1.0) & (slope <= 2.0 * pue)
        if np.isfinite(fits).all() and (error <= SHARPEST).all() and plausible.all():
            centres = np.array([outdoor[i].mean() for i in inside])
            return _interpolated(rows, name, (centres, slope, error), weather[name])
    return None


def _interpolated(
    rows: pd.DataFrame, name: str, classes: tuple[FloatArray, FloatArray, FloatArray], outdoor: pd.Series
) -> Marginal:
    """Return the slopes of classes (their middles, slopes and errors) at the weather of every step."""
    centres, slope, error = classes
    weather = (
        outdoor.interpolate(limit_direction="both").fillna(float(rows[name].mean())).to_numpy(np.float64)
    )
    # beyond the outer classes' middles as between them, up to the weather that was seen
    low, high = float(rows[name].min()), float(rows[name].max())
    ends = (
        slope[0] + (low - centres[0]) * (slope[1] - slope[0]) / (centres[1] - centres[0]),
        slope[-1] + (high - centres[-1]) * (slope[-1] - slope[-2]) / (centres[-1] - centres[-2]),
    )
    hourly = np.interp(weather, [low, *centres, high], [ends[0], *slope, ends[1]])
    hourly = np.maximum(hourly, 1.0)
    point, spread = float(hourly.mean()), Z90 * float(np.interp(weather, centres, error).mean())
    source = say(
        "measured: slope of facility on IT power beside weather, set-points and hour, {low:.2f} to "
        "{high:.2f} with outdoor temperature, {start} to {end} (standard error up to {error:.3f})",
        low=float(slope.min()), high=float(slope.max()), start=rows.index[0].date(),
        end=rows.index[-1].date(), error=float(error.max()),
    )  # fmt: skip
    return Marginal(max(point - spread, min(point, 1.0)), point, point + spread, source, hourly)


def _slope(rows: pd.DataFrame, columns: list[str], hour: FloatArray, day: FloatArray) -> tuple[float, float]:
    """Return the slope of facility on IT power [1] and its standard error, clustered by day."""
    it = rows["it_power_kw"].to_numpy(dtype=np.float64)
    if len(np.unique(day)) < FEWEST_DAYS or np.ptp(it) < 0.01 * it.mean():
        return float("nan"), float("nan")
    hours = (hour[:, None] == np.unique(hour)[None, :]).astype(np.float64)
    X = np.column_stack([rows[columns].to_numpy(dtype=np.float64), hours])
    y = rows["facility_power_kw"].to_numpy(dtype=np.float64)
    kept = np.ones(len(y), dtype=np.bool_)
    for _ in range(ROUNDS):  # a meter that jumps must not turn the slope
        beta, error, residual = _fit(X, y, day, kept)
        typical = 1.4826 * float(np.median(np.abs(residual[kept])))
        kept = np.abs(residual) <= OUTLIER * max(typical, 1e-9 * float(np.abs(y).max()))
    return beta, error


def _fit(
    X: FloatArray, y: FloatArray, day: FloatArray, kept: npt.NDArray[np.bool_]
) -> tuple[float, float, FloatArray]:
    """Return slope of the first column, its clustered standard error, and all residuals."""
    centre, level = X[kept].mean(axis=0), float(y[kept].mean())
    scale = np.maximum(X[kept].std(axis=0), 1e-12)
    Z = (X - centre) / scale
    inverse = np.linalg.pinv(Z[kept].T @ Z[kept], rcond=1e-10)
    beta = inverse @ Z[kept].T @ (y[kept] - level)
    residual = y - level - Z @ beta
    days, cluster = np.unique(day[kept], return_inverse=True)
    sums = np.zeros((len(days), X.shape[1]))
    np.add.at(sums, cluster, Z[kept] * residual[kept][:, None])
    spread = inverse @ (sums.T @ sums) @ inverse * len(days) / max(len(days) - 1, 1)
    return float(beta[0] / scale[0]), float(np.sqrt(max(spread[0, 0], 0.0)) / scale[0]), residual


def _measured(rows: pd.DataFrame, error: float) -> Message:
    return say(
        "measured: slope of facility on IT power beside weather, set-points and hour, {start} to {end} "
        "(standard error {error:.3f})",
        start=rows.index[0].date(), end=rows.index[-1].date(), error=error,
    )  # fmt: skip
