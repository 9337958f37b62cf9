"""A smooth surface over a few standardised inputs: kernel ridge regression on landmarks.

References
----------
Rasmussen and Williams (2006), Gaussian Processes for Machine Learning, eq. 4.17 (Matern 3/2) and
section 8.3.1 (subset of regressors).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from features.frame import FloatArray

LANDMARKS = 400
_JITTER = 1e-8
_FAR = 4.0
"""Inputs farther from the centre than this many spreads are moved there: a kernel knows nothing beyond."""


@dataclass(frozen=True)
class KernelSurface:
    """Fitted surface.

    Parameters
    ----------
    centre, spread, length : numpy.ndarray, shape (inputs,)
        Standardisation [unit of the input] and length scales [spreads].
    landmarks : numpy.ndarray, shape (landmarks, inputs)
        Standardised.
    weights : numpy.ndarray, shape (landmarks,)
        [unit of the target]
    """

    centre: FloatArray
    spread: FloatArray
    length: FloatArray
    landmarks: FloatArray
    weights: FloatArray

    @classmethod
    def fit(
        cls, X: FloatArray, y: FloatArray, length: FloatArray, noise: float, *, seed: int = 0,
        landmarks: int = LANDMARKS,
    ) -> KernelSurface:  # fmt: skip
        """Fit on rows without gaps.

        Parameters
        ----------
        X : numpy.ndarray, shape (rows, inputs)
        y : numpy.ndarray, shape (rows,)
        length : numpy.ndarray, shape (inputs,)
            Length scales [spreads of the input].
        noise : float
            Variance of the noise over that of the surface [1].
        seed : int
            Of the drawn landmarks.
        """
        centre, spread = X.mean(axis=0), X.std(axis=0)
        spread = np.asarray(np.where(spread > 1e-12, spread, np.inf), dtype=np.float64)
        empty = cls(centre, spread, length, np.empty((0, X.shape[1])), np.empty(0))
        Z = empty._standard(X)
        drawn = np.sort(np.random.default_rng(seed).permutation(len(Z))[:landmarks])
        marks = Z[drawn]
        across = _matern(Z, marks, length)
        inner = _matern(marks, marks, length)
        system = across.T @ across + noise * inner + _JITTER * len(Z) * np.eye(len(marks))
        weights = np.asarray(np.linalg.solve(system, across.T @ y), dtype=np.float64)
        return cls(centre, spread, length, marks, weights)

    def predict(self, X: FloatArray) -> FloatArray:
        """Return the surface, shape (rows,); it falls to zero far from the landmarks."""
        return np.asarray(_matern(self._standard(X), self.landmarks, self.length) @ self.weights)

    def _standard(self, X: FloatArray) -> FloatArray:
        return np.clip((X - self.centre) / self.spread, -_FAR, _FAR)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready numbers."""
        return {
            "centre": self.centre.tolist(),
            "spread": [None if np.isinf(s) else float(s) for s in self.spread],
            "length": self.length.tolist(),
            "landmarks": self.landmarks.round(6).tolist(),
            "weights": self.weights.tolist(),
        }

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> KernelSurface:
        """Rebuild from `to_dict`."""
        spread = np.asarray([np.inf if s is None else s for s in raw["spread"]], dtype=np.float64)
        arrays = {
            k: np.asarray(raw[k], dtype=np.float64) for k in ("centre", "length", "landmarks", "weights")
        }
        return cls(spread=spread, **arrays)


def _matern(A: FloatArray, B: FloatArray, length: FloatArray) -> FloatArray:
    """Return the Matern 3/2 kernel between rows, shape (rows of A, rows of B)."""
    a, b = A / length, B / length
    square = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2 * a @ b.T
    distance = np.sqrt(3 * np.maximum(square, 0.0))
    return np.asarray((1 + distance) * np.exp(-distance))
