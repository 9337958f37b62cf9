"""Ridge regression with a block bootstrap that costs one solve per draw.

The Gram matrix is summed per block (week); a draw is a weighting of blocks, so no row is touched
again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.frame import FloatArray

CV_FOLDS = 5


@dataclass(frozen=True)
class BlockRidge:
    """Fitted coefficients and their bootstrap draws, for terms scaled to unit spread.

    Parameters
    ----------
    mean, scale : numpy.ndarray, shape (terms,)
        Standardisation of the terms; a constant term has scale inf and no weight.
    intercept : float
        Mean of the target over the fitted rows [unit of the target].
    point : numpy.ndarray, shape (terms,)
        Coefficients on standardised terms.
    draws : numpy.ndarray, shape (draws, terms)
        Bootstrap coefficients.
    """

    mean: FloatArray
    scale: FloatArray
    intercept: float
    point: FloatArray
    draws: FloatArray

    def standardise(self, terms: FloatArray) -> FloatArray:
        """Return (terms - mean) / scale, shape as given."""
        return (terms - self.mean) / self.scale

    def predict(self, terms: FloatArray) -> FloatArray:
        """Return the fitted value per row [unit of the target]."""
        fitted: FloatArray = self.intercept + self.standardise(terms) @ self.point
        return fitted

    def keep(self, columns: slice) -> BlockRidge:
        """Return the fit restricted to some terms (others are zero in a steady scenario)."""
        return BlockRidge(
            self.mean[columns],
            self.scale[columns],
            self.intercept,
            self.point[columns],
            self.draws[:, columns],
        )

    def to_dict(self) -> dict[str, object]:
        """Return JSON-ready numbers, rounded to nine significant digits."""
        return {
            "mean": _rounded(self.mean),
            "scale": [None if np.isinf(s) else s for s in _rounded(self.scale)],
            "intercept": self.intercept,
            "point": _rounded(self.point),
            "draws": [_rounded(d) for d in self.draws],
        }

    @classmethod
    def from_dict(cls, raw: dict[str, object]) -> BlockRidge:
        """Rebuild from `to_dict`."""
        scale = [np.inf if s is None else s for s in raw["scale"]]  # type: ignore[attr-defined]
        array = [np.asarray(x, dtype=np.float64) for x in (raw["mean"], scale, raw["point"], raw["draws"])]
        return cls(array[0], array[1], float(raw["intercept"]), array[2], array[3])  # type: ignore[arg-type]


def fit_block_ridge(
    terms: FloatArray,
    target: FloatArray,
    blocks: npt.NDArray[np.int64],
    *,
    alpha: float | tuple[float, ...],
    draws: int,
    seed: int,
    weights: FloatArray | None = None,
    penalty: FloatArray | tuple[FloatArray, ...] | None = None,
) -> BlockRidge:
    """Fit ridge and its block bootstrap.

    Parameters
    ----------
    terms : numpy.ndarray, shape (rows, terms)
    target : numpy.ndarray, shape (rows,)
    blocks : numpy.ndarray of int, shape (rows,)
        Block of each row; whole blocks are drawn with replacement.
    alpha : float or tuple of float
        Penalty per row on standardised coefficients; of several, the one with the least error on
        held-out blocks is taken.
    draws : int
        Bootstrap draws; 0: none.
    seed : int
    weights : numpy.ndarray or None, shape (rows,)
        Row weights (robust fits).
    penalty : numpy.ndarray or tuple of them or None, shape (terms,)
        Relative penalty of every term; None: all alike; of several, again the one that errs least.

    Returns
    -------
    BlockRidge
    """
    w = np.ones(len(target)) if weights is None else weights
    mean = np.average(terms, axis=0, weights=w)
    spread = np.sqrt(np.average((terms - mean) ** 2, axis=0, weights=w))
    scale = np.where(spread > 1e-9, spread, np.inf)
    Z = (terms - mean) / scale
    centre = float(np.average(target, weights=w))
    y = target - centre
    _, block = np.unique(blocks, return_inverse=True)
    if not draws:  # only the folds of the penalty are summed apart
        block = block % CV_FOLDS
    grams, moments = _per_block(Z, y, w, block)
    alphas = alpha if isinstance(alpha, tuple) else (alpha,)
    penalties = (
        penalty if isinstance(penalty, tuple) else (np.ones(len(scale)) if penalty is None else penalty,)
    )
    diagonals = [a * p for a in alphas for p in penalties]
    ridge = len(y) * np.diag(_best(grams, moments, diagonals, len(y)))
    n_blocks = len(grams)
    rng = np.random.default_rng(seed)
    # Bayesian bootstrap: no draw leaves a block out, for the few weeks of a test may be all that tells
    weights = rng.dirichlet(np.ones(n_blocks), size=draws) * n_blocks
    counts = np.vstack([np.ones(n_blocks), weights])
    solved = np.array([np.linalg.solve(np.tensordot(c, grams, 1) + ridge, c @ moments) for c in counts])
    return BlockRidge(mean, scale, centre, solved[0], solved[1:])


def _best(grams: FloatArray, moments: FloatArray, diagonals: list[FloatArray], rows: int) -> FloatArray:
    """Return the penalties per row with the least squared error on held-out blocks.

    With the sums of squares of the held-out blocks constant, the error of coefficients b is
    b'Gb - 2 b'm of those blocks: no row is needed.
    """
    if len(diagonals) == 1:
        return diagonals[0]
    if len(grams) < 2:
        return max(diagonals, key=lambda d: float(d.sum()))  # nothing can be held out: shrink most
    folds = np.arange(len(grams)) % CV_FOLDS
    errors = np.zeros(len(diagonals))
    for fold in range(min(CV_FOLDS, len(grams))):
        inside, outside = folds != fold, folds == fold
        gram, moment = grams[inside].sum(axis=0), moments[inside].sum(axis=0)
        held_gram, held_moment = grams[outside].sum(axis=0), moments[outside].sum(axis=0)
        share = inside.mean() * rows
        for k, diagonal in enumerate(diagonals):
            b = np.linalg.solve(gram + share * np.diag(diagonal), moment)
            errors[k] += b @ held_gram @ b - 2 * b @ held_moment
    return diagonals[int(errors.argmin())]


def _per_block(
    Z: FloatArray, y: FloatArray, w: FloatArray, block: npt.NDArray[np.int64]
) -> tuple[FloatArray, FloatArray]:
    order = np.argsort(block, kind="stable")
    edges = np.flatnonzero(np.diff(block[order])) + 1
    groups = np.split(order, edges)
    grams = np.array([(Z[g] * w[g, None]).T @ Z[g] for g in groups])
    moments = np.array([(Z[g] * w[g, None]).T @ y[g] for g in groups])
    return grams, moments


def _rounded(values: FloatArray) -> list[float]:
    return [float(f"{v:.9g}") for v in values]
