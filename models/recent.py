"""Intervals that follow drift: recent residuals move and widen them, a tracker keeps their coverage.

The residuals of a model that has grown old are off centre, wider, and like those of the hour before.
An interval may know that without the point knowing it. Three steps, all of which see only residuals that
are older than the row (for a forecast: older than a day before it):

1. exponentially weighted centre and spread of the residuals, the calibration's own spread as a prior;
2. quantiles of the residuals so centred and scaled, from held-out time where the same was done;
3. once a day both offsets are stretched or shrunk so that misses come as often as promised.

Where nothing was measured lately, the weight of the recent residuals fades and the static interval is back.

References
----------
Gibbs, Candes (2021), Adaptive conformal inference under distribution shift, NeurIPS 34; Angelopoulos,
Candes, Tibshirani (2023), Conformal PID control for time series prediction, NeurIPS 36 (quantile tracker,
here of the logarithm of the width, so that no interval is empty or endless).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from scipy.signal import lfilter

from features.frame import FloatArray
from models.conformal import signed_quantiles

SPREAD_H = 168.0
"""Half-life of the spread [h]: a week has every hour of every kind of day."""
PRIOR_H = 6.0
"""Hours of residuals that weigh as much as what the calibration said."""
NARROWEST, WIDEST = np.log(0.2), np.log(10.0)
"""Bounds of the tracker: logarithm of the factor on both offsets."""


@dataclass(frozen=True)
class Recent:
    """How recent residuals move an interval; all residuals are in units of the local scale [1].

    Parameters
    ----------
    centre_h : float
        Half-life of the centre [h]; 0: the interval is not moved, only scaled.
    rate : float
        Step of the tracker per day and unit of excess misses.
    lag_h : float
        Residuals of this time before a row are not known to it [h]: 0 for an estimate, 24 for a forecast.
    typical : float
        Mean absolute residual of the calibration.
    low, high : float
        Quantiles of the residuals after centring and scaling.
    coverage : float
        Nominal coverage (0..1).
    """

    centre_h: float
    rate: float
    lag_h: float
    typical: float
    low: float = 0.0
    high: float = 0.0
    coverage: float = 0.9

    def state(self, residual: FloatArray, step_h: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return centre, spread and weight (0..1) of what was known before every step, shape (steps,).

        Parameters
        ----------
        residual : numpy.ndarray, shape (steps,)
            On a regular time grid; NaN where nothing was measured.
        step_h : float
            Length of a step [h].
        """
        lag, prior = round(self.lag_h / step_h) + 1, PRIOR_H / step_h
        known = np.isfinite(residual)
        weight = known.astype(np.float64)
        centre = np.zeros(len(residual))
        if self.centre_h:
            life = self.centre_h / step_h
            sums = _faded(np.where(known, residual, 0.0), life, lag)
            centre = sums / (_faded(weight, life, lag) + min(prior, life / 2))
        away = np.where(known, np.abs(residual - centre), 0.0)
        rows = _faded(weight, SPREAD_H / step_h, lag)
        spread = (_faded(away, SPREAD_H / step_h, lag) + prior * self.typical) / (rows + prior)
        return centre, spread, rows / (rows + prior)

    def fitted(self, series: list[FloatArray], step_h: float) -> Recent:
        """Return the same with quantiles learned from held-out residuals, one grid per entry."""
        parts = []
        for residual in series:
            centre, spread, weight = self.state(residual, step_h)
            parts.append(((residual - centre) / spread)[np.isfinite(residual) & (weight > 0.5)])
        known = np.concatenate(parts) if parts else np.empty(0)
        if len(known) < 50:  # too short for a memory: as if every residual were the first
            known = np.concatenate(series) / self.typical
        low, high = signed_quantiles(known[np.isfinite(known)], self.coverage)
        return Recent(self.centre_h, self.rate, self.lag_h, self.typical, low, high, self.coverage)

    def offsets(
        self, residual: FloatArray, static: tuple[FloatArray, FloatArray], step_h: float
    ) -> tuple[FloatArray, FloatArray]:
        """Return lower and upper offset from the point, shape (steps,): lower <= 0 <= upper.

        Parameters
        ----------
        residual : numpy.ndarray, shape (steps,)
            On a regular time grid; NaN where nothing was measured, or where the model was fitted on it.
        static : tuple of numpy.ndarray, shape (steps,)
            Offsets that hold where nothing is known of late.
        step_h : float
            Length of a step [h].
        """
        centre, spread, weight = self.state(residual, step_h)
        low = (1 - weight) * static[0] + weight * spread * self.low
        high = (1 - weight) * static[1] + weight * spread * self.high
        factor = self._tracked(residual, centre, low, high, step_h)
        return np.minimum(centre + low * factor, 0.0), np.maximum(centre + high * factor, 0.0)

    def _tracked(
        self, residual: FloatArray, centre: FloatArray, low: FloatArray, high: FloatArray, step_h: float
    ) -> FloatArray:
        """Return the factor on the offsets, constant within a day, from the misses of days before."""
        day = (np.arange(len(residual)) * step_h // 24).astype(np.int64)
        edges = np.searchsorted(day, np.arange(day[-1] + 2))
        delay = 1 + int(np.ceil(self.lag_h / 24))
        log_factor = np.zeros(len(edges) - 1 + delay)
        for d in range(len(edges) - 1):  # a day needs the factor that the days before gave
            here = slice(edges[d], edges[d + 1])
            known = np.isfinite(residual[here])
            factor = np.exp(log_factor[d])
            below = residual[here] < np.minimum(centre[here] + factor * low[here], 0.0)
            above = residual[here] > np.maximum(centre[here] + factor * high[here], 0.0)
            excess = (below | above)[known].mean() - (1 - self.coverage) if known.any() else 0.0
            before = log_factor[d + delay - 1]
            moved = before + self.rate * excess * known.sum() * step_h / 24
            log_factor[d + delay] = min(max(moved, NARROWEST), WIDEST)
        factors: FloatArray = np.exp(log_factor)[day]
        return factors

    def to_dict(self) -> dict[str, float]:
        """Return the fields for the model store."""
        return asdict(self)


def _faded(values: FloatArray, half_life: float, lag: int) -> FloatArray:
    """Return the sum of values at least `lag` steps old, halved every `half_life` steps."""
    summed = np.asarray(lfilter([1.0], [1.0, -(0.5 ** (1 / half_life))], values), dtype=np.float64)
    return np.concatenate([np.zeros(min(lag, len(values))), summed[: max(len(values) - lag, 0)]])
