"""Error measures of point predictions and intervals; pure functions of arrays.

All ignore rows where truth or prediction is NaN; `paired` says how many are left.

References
----------
ASHRAE Guideline 14-2014 (CV(RMSE), NMBE; the degrees-of-freedom correction is not applied,
because held-out rows are scored).
"""

from __future__ import annotations

import numpy as np

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
