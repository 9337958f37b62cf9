"""Error measures of point predictions and intervals; pure functions of arrays.

All ignore rows where truth or prediction is NaN; `paired` says how many are left.

References
----------
ASHRAE Guideline 14-2014 (CV(RMSE), NMBE; the degrees-of-freedom correction is not applied,
because held-out rows are scored).
Gneiting & Raftery (2007), Strictly proper scoring rules, prediction and estimation, JASA 102,
equation 43 (interval score).
Kuensch (1989), The jackknife and the bootstrap for general stationary observations, Ann. Statist. 17
(blocks are drawn whole, because neighbours in time are alike).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.frame import FloatArray


def paired(truth: FloatArray, predicted: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the rows where both are finite."""
    both = np.isfinite(truth) & np.isfinite(predicted)
    return truth[both], predicted[both]


def mae(truth: FloatArray, predicted: FloatArray) -> float:
    """Return the mean absolute error [unit of the data]; NaN without rows."""
    t, p = paired(truth, predicted)
    return float(np.abs(t - p).mean()) if len(t) else float("nan")


def mape(truth: FloatArray, predicted: FloatArray) -> float:
    """Return the mean absolute percentage error [%] over rows with a non-zero truth."""
    t, p = paired(truth, predicted)
    t, p = t[t != 0], p[t != 0]
    return float(100 * np.abs((t - p) / t).mean()) if len(t) else float("nan")


def wmape(truth: FloatArray, predicted: FloatArray) -> float:
    """Return sum of absolute errors over sum of absolute truths [%]."""
    t, p = paired(truth, predicted)
    total = np.abs(t).sum()
    return float(100 * np.abs(t - p).sum() / total) if total > 0 else float("nan")


def cv_rmse(truth: FloatArray, predicted: FloatArray) -> float:
    """Return the root-mean-square error over the mean truth [%]."""
    t, p = paired(truth, predicted)
    if not len(t) or t.mean() == 0:
        return float("nan")
    return float(100 * np.sqrt(((t - p) ** 2).mean()) / t.mean())


def nmbe(truth: FloatArray, predicted: FloatArray) -> float:
    """Return the mean of (predicted - truth) over the mean truth [%]; positive: too high."""
    t, p = paired(truth, predicted)
    return float(100 * (p - t).mean() / t.mean()) if len(t) and t.mean() != 0 else float("nan")


def coverage(truth: FloatArray, lower: FloatArray, upper: FloatArray) -> float:
    """Return the share of truths inside their interval [1]."""
    known = np.isfinite(truth) & np.isfinite(lower) & np.isfinite(upper)
    return float(((truth >= lower) & (truth <= upper))[known].mean()) if known.any() else float("nan")


def relative_width(lower: FloatArray, upper: FloatArray, truth: FloatArray) -> float:
    """Return the mean interval width over the mean truth [%]."""
    known = np.isfinite(truth) & np.isfinite(lower) & np.isfinite(upper)
    mean = truth[known].mean() if known.any() else 0.0
    return float(100 * (upper - lower)[known].mean() / mean) if mean else float("nan")


def interval_score(truth: FloatArray, lower: FloatArray, upper: FloatArray, coverage: float) -> float:
    """Return the mean interval score [unit of the data]; lower is better, NaN without rows.

    Width plus ``2 / (1 - coverage)`` times the distance by which a truth lies outside
    (Gneiting & Raftery 2007, equation 43).

    Parameters
    ----------
    truth, lower, upper : numpy.ndarray, shape (rows,)
        Measured values and interval [unit of the data]; rows with a NaN are left out.
    coverage : float
        Nominal coverage (0..1).
    """
    known = np.isfinite(truth) & np.isfinite(lower) & np.isfinite(upper)
    if not known.any():
        return float("nan")
    t, low, high = truth[known], lower[known], upper[known]
    outside = np.maximum(low - t, 0.0) + np.maximum(t - high, 0.0)
    return float(((high - low) + 2 / (1 - coverage) * outside).mean())


def coverage_interval(
    truth: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    block: npt.ArrayLike,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the block-bootstrap 95 % interval of the measured coverage [1].

    Parameters
    ----------
    truth, lower, upper : numpy.ndarray, shape (rows,)
        Measured values and interval [unit of the data]; rows with a NaN are left out.
    block : array-like, shape (rows,)
        Label per row, drawn whole: the site, or the whole week of one site.
    draws : int
        Bootstrap samples, each of as many blocks as there are.
    seed : int

    Returns
    -------
    tuple of float
        2.5 % and 97.5 % quantiles; NaN with fewer than two blocks, because one says nothing of spread.
    """
    known = np.isfinite(truth) & np.isfinite(lower) & np.isfinite(upper)
    codes, labels = pd.factorize(np.asarray(block)[known])
    if len(labels) < 2:
        return float("nan"), float("nan")
    inside = ((truth >= lower) & (truth <= upper))[known].astype(np.float64)
    rows = np.bincount(codes).astype(np.float64)
    hits = np.bincount(codes, weights=inside)
    drawn = np.random.default_rng(seed).multinomial(
        len(labels), np.full(len(labels), 1 / len(labels)), size=draws
    )
    low, high = np.quantile((drawn @ hits) / (drawn @ rows), [0.025, 0.975])
    return float(low), float(high)


def interval_columns(
    truth: FloatArray, lower: FloatArray, upper: FloatArray, nominal: float, block: npt.ArrayLike
) -> dict[str, float]:
    """Return a backtest's columns about intervals; all NaN where no row has one.

    Parameters
    ----------
    truth, lower, upper : numpy.ndarray, shape (rows,)
        Measured values and interval [unit of the data].
    nominal : float
        Coverage that the interval promises (0..1).
    block : array-like, shape (rows,)
        Label per row of the bootstrap: site, or whole week of one site.

    Returns
    -------
    dict
        ``coverage``, ``coverage_low``, ``coverage_high`` and ``nominal`` (0..1), ``width`` [%] and
        ``interval_score`` [unit of the data].
    """
    measured = coverage(truth, lower, upper)
    low, high = coverage_interval(truth, lower, upper, block)
    return {
        "coverage": measured,
        "coverage_low": low,
        "coverage_high": high,
        "nominal": nominal if np.isfinite(measured) else float("nan"),
        "width": relative_width(lower, upper, truth),
        "interval_score": interval_score(truth, lower, upper, nominal),
    }


def no_interval() -> dict[str, float]:
    """Return the same columns for a model without intervals: all NaN."""
    names = ("coverage", "coverage_low", "coverage_high", "nominal", "width", "interval_score")
    return dict.fromkeys(names, float("nan"))


def score_table(truth: FloatArray, predicted: FloatArray) -> dict[str, float]:
    """Return n, mae, mape, wmape, cv_rmse and nmbe of one prediction."""
    return {
        "n": float(len(paired(truth, predicted)[0])),
        "mae": mae(truth, predicted),
        "mape": mape(truth, predicted),
        "wmape": wmape(truth, predicted),
        "cv_rmse": cv_rmse(truth, predicted),
        "nmbe": nmbe(truth, predicted),
    }
