"""What a missing input most likely was, given the inputs that are known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from features.frame import FeatureFrame, FloatArray

_RIDGE = 1e-3
"""Share of unit variance added to the diagonal: columns that say the same thing stay invertible."""
_LEAST_PAIRS = 30


@dataclass(frozen=True)
class ConditionalMean:
    """Mean and covariance of the inputs; a missing one takes its mean given those that are known.

    Parameters
    ----------
    mean, scale : numpy.ndarray, shape (inputs,)
        Centre and spread [unit of the input].
    correlation : numpy.ndarray, shape (inputs, inputs)
    """

    mean: FloatArray
    scale: FloatArray
    correlation: FloatArray

    @classmethod
    def learn(cls, X: pd.DataFrame) -> ConditionalMean:
        """Learn from rows that may have gaps; an input that was never measured has mean zero."""
        mean = X.mean().fillna(0.0).to_numpy(dtype=np.float64)
        spread = X.std(ddof=0).fillna(0.0).to_numpy(dtype=np.float64)
        scale = np.where(spread > 1e-12, spread, 1.0)
        standard = pd.DataFrame((X.to_numpy(dtype=np.float64) - mean) / scale)
        pairs = standard.cov(min_periods=_LEAST_PAIRS, ddof=0).fillna(0.0).to_numpy(dtype=np.float64)
        values, vectors = np.linalg.eigh(pairs)  # pairwise gaps may leave it indefinite
        whole = (vectors * np.maximum(values, 0.0)) @ vectors.T
        return cls(mean, scale, whole + _RIDGE * np.eye(len(whole)))

    def fill(self, values: FloatArray) -> FloatArray:
        """Return the values with every NaN replaced, shape (rows, inputs).

        One solve per pattern of missing inputs, of which there are few.
        """
        gaps = ~np.isfinite(values)
        some = np.flatnonzero(gaps.any(axis=1))
        if not len(some):
            return values
        standard = (values - self.mean) / self.scale
        patterns, which = np.unique(gaps[some], axis=0, return_inverse=True)
        for number, missing in enumerate(patterns):
            rows = some[which.ravel() == number]
            known = ~missing
            weights = np.linalg.solve(
                self.correlation[np.ix_(known, known)], self.correlation[np.ix_(known, missing)]
            )
            standard[np.ix_(rows, missing)] = standard[np.ix_(rows, known)] @ weights
        return np.where(gaps, standard * self.scale + self.mean, values)

    def filled(self, frame: FeatureFrame) -> FeatureFrame:
        """Return the frame without gaps in its inputs."""
        values = self.fill(frame.X.to_numpy(dtype=np.float64))
        return replace(frame, X=pd.DataFrame(values, columns=frame.names))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready numbers."""
        return {
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "correlation": self.correlation.tolist(),
        }

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> ConditionalMean:
        """Rebuild from `to_dict`."""
        return cls(*(np.asarray(raw[k], dtype=np.float64) for k in ("mean", "scale", "correlation")))
