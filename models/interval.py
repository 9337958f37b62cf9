"""Intervals of a data centre's model: locally scaled, calibrated on held-out time, adaptive under drift.

Three layers, each calibrated on rows that the model had not seen:

- a *scale* says how large a residual is likely to be in a row;
- *static* offsets in units of that scale, apart for rows newer than all training rows (calibrated on rolling
  origins whose test part reaches as far as the last calibration row, because errors grow with the distance
  from training) and for rows between training rows (calibrated on withheld weeks);
- *recent* residuals (`models.recent`) where the exports hold measured values that the model was not
  fitted on.

Only the interval follows measured values. The point of an estimate never does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from features.data_centre import ForecastOrEstimate
from features.frame import FeatureFrame, FloatArray
from features.operation import BoolArray
from models.conformal import Conformal, signed_quantiles
from models.metrics import interval_score
from models.recent import Recent
from models.residual_scale import POWERS, ResidualScale

CENTRES_H = (1.0, 6.0, 48.0, 0.0)
"""Half-lives of the centre that compete on held-out time [h]."""
RATES: dict[ForecastOrEstimate, float] = {"estimate": 0.6, "forecast": 0.3}
LAGS_H: dict[ForecastOrEstimate, float] = {"estimate": 0.0, "forecast": 24.0}
BRIDGED = pd.Timedelta(hours=24)
"""A shorter gap between training rows does not count as withheld."""
SEGMENTS = 4
PERIODS = 6
MOST_STRETCHED = 3.0


@dataclass(frozen=True)
class HeldOut:
    """Rows that a model was not fitted on.

    Parameters
    ----------
    frame : FeatureFrame
    point : numpy.ndarray, shape (rows,)
        What the model says [unit of the quantity].
    ahead : bool
        Whether the rows are newer than all those fitted on; otherwise they lie between them.
    """

    frame: FeatureFrame
    point: FloatArray
    ahead: bool = True

    @property
    def residual(self) -> FloatArray:
        """Measured minus predicted [unit of the quantity], shape (rows,)."""
        return self.frame.target() - self.point

    def by_site(self) -> list[HeldOut]:
        """Return the rows of every site apart."""
        codes = pd.factorize(self.frame.keys["site_id"])[0]
        if not codes.any():
            return [self]
        return [
            HeldOut(self.frame.rows(codes == k), self.point[codes == k], self.ahead)
            for k in range(codes.max() + 1)
        ]


@dataclass(frozen=True)
class Seen:
    """When rows that a model was fitted on were measured.

    Parameters
    ----------
    sites : tuple of str
    starts, ends : tuple of float
        Runs without a gap longer than `BRIDGED`, in seconds since 1970-01-01 UTC, ends inclusive.
    """

    sites: tuple[str, ...] = ()
    starts: tuple[float, ...] = ()
    ends: tuple[float, ...] = ()

    @classmethod
    def of(cls, frame: FeatureFrame) -> Seen:
        """Learn from the rows that a model is fitted on."""
        moments = np.unique(_seconds(frame))
        breaks = np.flatnonzero(np.diff(moments) > BRIDGED.total_seconds())
        starts, ends = np.r_[moments[:1], moments[breaks + 1]], np.r_[moments[breaks], moments[-1:]]
        sites = tuple(sorted(set(frame.keys["site_id"])))
        return cls(sites, tuple(starts.tolist()), tuple(ends.tolist()))

    def within(self, frame: FeatureFrame) -> tuple[BoolArray, BoolArray]:
        """Return the rows inside a run, and those between the first and the last run, shape (rows,)."""
        if not self.starts:
            nothing = np.zeros(len(frame), dtype=bool)
            return nothing, nothing
        moments = _seconds(frame)
        run = np.searchsorted(self.starts, moments, side="right") - 1
        known = np.asarray(frame.keys["site_id"].isin(self.sites))
        inside = known & (run >= 0) & (moments <= np.asarray(self.ends)[run])
        return inside, known & (moments >= self.starts[0]) & (moments <= self.ends[-1])


@dataclass(frozen=True)
class Intervals:
    """Everything that turns the points of one model into intervals.

    Parameters
    ----------
    ahead, between : Conformal
        Static offsets [units of the scale] for rows newer than the training rows, and between them.
    scale : ResidualScale
    recent : Recent
    seen : Seen
        Measured values of these times do not count as news.
    """

    ahead: Conformal
    between: Conformal
    scale: ResidualScale
    recent: Recent
    seen: Seen = Seen()

    @property
    def coverage(self) -> float:
        """Nominal coverage (0..1)."""
        return self.ahead.coverage

    @classmethod
    def calibrate(
        cls, parts: Sequence[HeldOut], task: ForecastOrEstimate, coverage: float = 0.9
    ) -> Intervals:
        """Calibrate on held-out rows.

        Parameters
        ----------
        parts : sequence of HeldOut
            One per fold: every part is one stretch of time that a model had not seen.
        task : {"estimate", "forecast"}
        coverage : float

        Raises
        ------
        InsufficientDataError
            Fewer than 20 usable rows.
        """
        newer = [one for p in parts if p.ahead for one in p.by_site()]
        scale, crossed = _chosen_scale(newer, coverage)
        scaled = np.concatenate(crossed)
        ahead = _for_another_period(
            Conformal.calibrate(scaled, np.zeros(len(scaled)), coverage),
            scaled,
            np.concatenate([_seconds(p.frame) for p in newer]),
        )
        others = [p for p in parts if not p.ahead]
        near = [p.residual / scale.of(p.frame, p.point) for p in others]
        enough = sum(int(np.isfinite(r).sum()) for r in near) >= 200
        joined = np.concatenate(near) if enough else scaled
        between = Conformal.calibrate(joined, np.zeros(len(joined)), coverage)
        grids = [_Grid.of(p.frame) for p in newer]
        recent = _chosen_recent([(g, r) for g, r in zip(grids, crossed, strict=True)], ahead, task)
        return cls(ahead, between, scale, recent)

    def knowing(self, fitted_on: FeatureFrame) -> Intervals:
        """Return the same for a model that was fitted on these rows."""
        return replace(self, seen=Seen.of(fitted_on))

    def bounds(
        self, frame: FeatureFrame, point: FloatArray, widen: FloatArray | float = 1.0
    ) -> tuple[FloatArray, FloatArray]:
        """Return lower and upper [unit of the quantity]; they hold the point.

        The interval of a row knows the frame's measured values older than the row (forecast: older than a
        day before it), except those the model was fitted on. Later values do not move it.

        Parameters
        ----------
        frame : FeatureFrame
            Rows sorted by time within a site.
        point : numpy.ndarray, shape (rows,)
            What the model says [unit of the quantity].
        widen : float or numpy.ndarray, shape (rows,)
            Factor on the static offsets.
        """
        scale = self.scale.of(frame, point)
        fitted, between = self.seen.within(frame)
        low = np.where(between, self.between.low, self.ahead.low) * widen
        high = np.where(between, self.between.high, self.ahead.high) * widen
        if frame.y is not None:
            residual = np.where(fitted, np.nan, (frame.target() - point) / scale)
            if np.isfinite(residual).any():
                low, high = _by_site(self.recent, frame, residual, low, high)
        return point + low * scale, point + high * scale

    def to_dict(self) -> dict[str, Any]:
        """Return the fields for the model store; the scale's trees are LightGBM text."""
        return {
            "ahead": self.ahead.to_dict(), "between": self.between.to_dict(), "recent": self.recent.to_dict(),
            "scale": [self.scale.typical, self.scale.power, self.scale.text, list(self.scale.names)],
            "seen": [list(self.seen.sites), list(self.seen.starts), list(self.seen.ends)],
        }  # fmt: skip

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Intervals:
        """Rebuild from `to_dict`."""
        typical, power, text, names = raw["scale"]
        return cls(
            Conformal(**raw["ahead"]),
            Conformal(**raw["between"]),
            ResidualScale(typical, power, text, tuple(names)),
            Recent(**raw["recent"]),
            Seen(*(tuple(part) for part in raw["seen"])),
        )


@dataclass(frozen=True)
class _Grid:
    """Places of the rows of one site on a regular time grid."""

    place: np.ndarray[Any, np.dtype[np.int64]]
    step_h: float

    @classmethod
    def of(cls, frame: FeatureFrame) -> _Grid:
        hours = _seconds(frame) / 3600
        steps = np.diff(hours)
        step = float(steps[steps > 0].min()) if (steps > 0).any() else 1.0
        return cls(np.rint((hours - hours[0]) / step).astype(np.int64), step)

    def put(self, values: FloatArray) -> FloatArray:
        grid = np.full(int(self.place[-1]) + 1, np.nan)
        grid[self.place] = values
        return grid


def _by_site(
    recent: Recent, frame: FeatureFrame, residual: FloatArray, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray]:
    low, high = low.copy(), high.copy()
    for rows in frame.keys.groupby("site_id", sort=False).indices.values():
        grid = _Grid.of(frame.rows(np.isin(np.arange(len(frame)), rows)))
        static = grid.put(low[rows]), grid.put(high[rows])
        lower, upper = recent.offsets(grid.put(residual[rows]), static, grid.step_h)
        low[rows], high[rows] = lower[grid.place], upper[grid.place]
    return low, high


def _chosen_scale(parts: list[HeldOut], coverage: float) -> tuple[ResidualScale, list[FloatArray]]:
    """Return the scale and the scaled residuals of every part, scaled by what other times had taught."""
    frame = _stacked([p.frame for p in parts])
    point = np.concatenate([p.point for p in parts])
    residual = np.concatenate([p.residual for p in parts])
    known = np.isfinite(residual)
    plain = float(np.median(np.abs(residual[known]))) if known.any() else 1.0
    edges = np.cumsum([len(p.frame) for p in parts])[:-1]
    if known.sum() < 400 or not plain > 0:
        scale = ResidualScale(plain or 1.0)
        return scale, np.split(residual / scale.typical, edges)
    whole = ResidualScale.learn(frame, point, residual)
    sizes = _cross_fitted(frame, point, residual)
    scores = {}
    for power in POWERS:
        size = (sizes / whole.typical) ** power * whole.typical
        low, high = signed_quantiles((residual / size)[known], coverage)
        scores[power] = interval_score(
            residual, np.minimum(low, 0) * size, np.maximum(high, 0) * size, coverage
        )
    best = min(scores, key=lambda power: scores[power])
    size = (sizes / whole.typical) ** best * whole.typical
    scale = replace(whole, power=best) if best else ResidualScale(whole.typical)
    return scale, np.split(residual / size, edges)


def _cross_fitted(frame: FeatureFrame, point: FloatArray, residual: FloatArray) -> FloatArray:
    """Return every row's likely residual size, learned from other stretches of time, shape (rows,)."""
    moments = _seconds(frame)
    edges = np.quantile(moments, np.linspace(0, 1, SEGMENTS + 1)[1:-1])
    segment = np.searchsorted(edges, moments, side="right")
    sizes = np.full(len(point), np.nan)
    for k in range(SEGMENTS):
        here = segment == k
        if not np.isfinite(residual[~here]).any():
            return np.full(len(point), float(np.nanmedian(np.abs(residual))))
        learned = ResidualScale.learn(frame.rows(~here), point[~here], residual[~here])
        sizes[here] = learned.of(frame.rows(here), point[here])
    return sizes


def _for_another_period(whole: Conformal, residual: FloatArray, moments: FloatArray) -> Conformal:
    """Return offsets that also hold in a stretch of time that is not among those calibrated on.

    Residuals of neighbouring weeks are alike, and the next season is none of them: offsets learned without a
    stretch of time are stretched until that stretch keeps the promise on average. Both sides reach as far as
    the wider one: a model that ran high in one season may run low in the next.
    """
    known = np.isfinite(residual)
    r, t = residual[known], moments[known]
    period = np.minimum(((t - t.min()) / (np.ptp(t) + 1.0) * PERIODS).astype(np.int64), PERIODS - 1)
    needed = np.zeros(len(r))
    for k in np.unique(period):
        here = period == k
        if here.all():
            return whole
        low, high = signed_quantiles(r[~here], whole.coverage)
        offset = np.where(r[here] > 0, max(high, 1e-12), -min(low, -1e-12))
        needed[here] = np.abs(r[here]) / offset
    factor = min(max(float(np.quantile(needed, whole.coverage)), 1.0), MOST_STRETCHED)
    reach = max(-whole.low, whole.high) * factor
    return replace(whole, low=-reach, high=reach)


def _chosen_recent(
    parts: list[tuple[_Grid, FloatArray]], ahead: Conformal, task: ForecastOrEstimate
) -> Recent:
    """Return the memory whose intervals score best on the held-out parts."""
    series = [grid.put(residual) for grid, residual in parts]
    known = np.concatenate(series)
    typical = float(np.nanmean(np.abs(known)))
    step = parts[0][0].step_h
    best: tuple[float, Recent] | None = None
    for centre in CENTRES_H:
        start = Recent(centre, RATES[task], LAGS_H[task], max(typical, 1e-12), coverage=ahead.coverage)
        one = start.fitted(series, step)
        bounds = [
            one.offsets(s, (np.full(len(s), ahead.low), np.full(len(s), ahead.high)), step) for s in series
        ]
        low, high = (np.concatenate([b[i] for b in bounds]) for i in range(2))
        score = interval_score(known, low, high, ahead.coverage)
        if best is None or score < best[0]:
            best = score, one
    if best is None:
        raise ValueError("no memory competes")
    return best[1]


def _stacked(frames: list[FeatureFrame]) -> FeatureFrame:
    """Return the frames below each other, without what only baselines need."""
    first = frames[0]
    return FeatureFrame(
        pd.concat([f.keys for f in frames], ignore_index=True),
        pd.concat([f.X for f in frames], ignore_index=True),
        first.quantity,
        categories=first.categories,
    )


def _seconds(frame: FeatureFrame) -> FloatArray:
    since = frame.keys["timestamp"] - pd.Timestamp(0, tz="UTC")
    return np.asarray(since.dt.total_seconds(), dtype=np.float64)
