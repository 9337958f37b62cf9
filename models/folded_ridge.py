"""Ridge regression of several targets, fitted once on all weeks and once without each group of weeks.

The same fits give predictions of withheld weeks and, by the delete-a-group jackknife, the uncertainty of
any sum of predictions. Gram matrices are summed per group, so that no row is touched again.

References
----------
Kott (2001), The delete-a-group jackknife, Journal of Official Statistics 17.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.frame import FloatArray

FOLDS = 10
ALPHAS = (1e-5, 1e-4, 1e-3, 1e-2)
"""Penalties per row on standardised terms; the one with the least error on withheld weeks is taken."""


@dataclass(frozen=True)
class FoldedRidge:
    """Fitted coefficients of all weeks and of every group left out.

    Parameters
    ----------
    mean, scale : numpy.ndarray, shape (terms,)
        Standardisation of the terms; a constant term has scale inf and no weight.
    coefficients : numpy.ndarray, shape (1 + folds, 1 + terms, targets)
        The first of all weeks, then of each group left out; the first term is the intercept.
    withheld : numpy.ndarray, shape (rows, targets)
        Prediction of every fitted row by the fit that has not seen its week.
    """

    mean: FloatArray
    scale: FloatArray
    coefficients: FloatArray
    withheld: FloatArray

    def predict(self, terms: FloatArray, fold: int = 0) -> FloatArray:
        """Return the targets by one of the fits, shape (rows, targets)."""
        fitted: FloatArray = _with_one(self.standardised(terms)) @ self.coefficients[fold]
        return fitted

    def standardised(self, terms: FloatArray) -> FloatArray:
        """Return (terms - mean) / scale, shape as given."""
        return (terms - self.mean) / self.scale

    def sums(self, terms: FloatArray) -> FloatArray:
        """Return the sum of the predictions over rows by every fit, shape (1 + folds, targets)."""
        total = _with_one(self.standardised(terms)).sum(axis=0)
        summed: FloatArray = np.einsum("p,fpk->fk", total, self.coefficients)
        return summed


def jackknife_sd(by_fit: FloatArray, inflation: float = 1.0) -> float:
    """Return the standard deviation of a figure from its values by the fits without each group.

    Parameters
    ----------
    by_fit : numpy.ndarray, shape (folds,)
    inflation : float
        Growth of the variance because neighbouring weeks err alike [1].
    """
    k = len(by_fit)
    return float(np.sqrt((k - 1) / k * ((by_fit - by_fit.mean()) ** 2).sum() * inflation))


def fit_folded_ridge(
    terms: FloatArray,
    targets: FloatArray,
    weeks: npt.NDArray[np.int64],
    penalty: FloatArray | None = None,
    weights: FloatArray | None = None,
    folds: int = FOLDS,
    whole: bool = False,
) -> FoldedRidge:
    """Fit ridge on all rows and without each group of weeks.

    Parameters
    ----------
    terms : numpy.ndarray, shape (rows, terms)
    targets : numpy.ndarray, shape (rows, targets)
    weeks : numpy.ndarray of int, shape (rows,)
        Week of each row; weeks are left out whole.
    penalty : numpy.ndarray or None, shape (terms,)
        Relative penalty of every term; None: all alike.
    weights : numpy.ndarray or None, shape (rows,)
        Weight of every row; None: all alike.
    folds : int
        Groups of weeks, at most as many as there are weeks.
    whole : bool
        Whether a group is one stretch of time instead of every so-manieth week.
    """
    w = np.ones(len(terms)) if weights is None else weights
    mean, spread = terms.mean(axis=0), terms.std(axis=0)
    scale = np.where(spread > 1e-9, spread, np.inf) * (1.0 if penalty is None else np.sqrt(penalty))
    Z = _with_one((terms - mean) / scale)
    labels, place = np.unique(weeks, return_inverse=True)
    folds = min(folds, len(labels))
    fold = place * folds // len(labels) if whole else place % folds
    groups = [np.flatnonzero(fold == k) for k in range(folds)]
    grams = np.array([(Z[g] * w[g, None]).T @ Z[g] for g in groups])
    moments = np.array([(Z[g] * w[g, None]).T @ targets[g] for g in groups])
    shrunk = np.eye(Z.shape[1])
    shrunk[0, 0] = 0.0  # the level is not shrunk
    tried = [_solved(grams, moments, alpha * w.sum() * shrunk) for alpha in ALPHAS]
    withheld = [_withheld(Z, groups, c) for c in tried]
    errors = [float(w @ (targets - foretold).sum(axis=1) ** 2) for foretold in withheld]
    best = int(np.argmin(errors))
    return FoldedRidge(mean, scale, tried[best], withheld[best])


def _solved(grams: FloatArray, moments: FloatArray, ridge: FloatArray) -> FloatArray:
    """Return the coefficients of all groups and without each, shape (1 + folds, terms, targets)."""
    gram, moment = grams.sum(axis=0), moments.sum(axis=0)
    rest = 1 - 1 / len(grams)
    every = [
        (gram + ridge, moment),
        *((gram - g + rest * ridge, moment - m) for g, m in zip(grams, moments, strict=True)),
    ]
    return np.array([np.linalg.solve(a, b) for a, b in every])


def _withheld(Z: FloatArray, groups: list[npt.NDArray[np.intp]], coefficients: FloatArray) -> FloatArray:
    told = np.empty((len(Z), coefficients.shape[2]))
    for rows, without in zip(groups, coefficients[1:], strict=True):
        told[rows] = Z[rows] @ without
    return told


def _with_one(terms: FloatArray) -> FloatArray:
    return np.column_stack([np.ones(len(terms)), terms])
