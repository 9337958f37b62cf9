"""Split-conformal intervals from held-out residuals.

References
----------
Lei, G'Sell, Rinaldo, Tibshirani, Wasserman (2018), Distribution-free predictive inference for
regression, JASA 113; Romano, Patterson, Candes (2019), Conformalized quantile regression, for the
asymmetric form.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from features.errors import InsufficientDataError
from features.frame import FeatureFrame, FloatArray
from features.message import say

Scale = Literal["absolute", "relative"]


def signed_quantiles(residual: FloatArray, coverage: float) -> tuple[float, float]:
    """Return the lower and upper quantile of residuals, each side at half of the miss rate.

    Parameters
    ----------
    residual : numpy.ndarray, shape (rows,)
        Finite, at least one.
    coverage : float
        Nominal coverage (0..1).
    """
    n = len(residual)
    # finite-sample rank: the ceil((n + 1)(1 - miss))-th smallest of n
    rank = min(int(np.ceil((n + 1) * (1 - (1 - coverage) / 2))), n) - 1
    ordered = np.partition(residual, [n - 1 - rank, rank])
    return float(ordered[n - 1 - rank]), float(ordered[rank])


@dataclass(frozen=True)
class Conformal:
    """Offsets that turn a point into an interval of a nominal coverage.

    Parameters
    ----------
    coverage : float
        Nominal coverage (0..1).
    low, high : float
        Quantiles of the signed residual ``truth - point`` (``absolute`` [unit of the quantity]) or of
        ``truth / point - 1`` (``relative`` [1]).
    scale : {"absolute", "relative"}
    n : int
        Residuals that they rest on.
    """

    coverage: float
    low: float
    high: float
    scale: Scale
    n: int

    @classmethod
    def calibrate(
        cls, truth: FloatArray, point: FloatArray, coverage: float = 0.9, scale: Scale = "absolute"
    ) -> Conformal:
        """Calibrate on held-out rows, each side at half of the miss rate.

        Parameters
        ----------
        truth, point : numpy.ndarray, shape (rows,)
            Measured and predicted values [unit of the quantity] of rows that the model did not see.

        Raises
        ------
        InsufficientDataError
            Fewer than 20 usable rows.
        """
        usable = np.isfinite(truth) & np.isfinite(point)
        if scale == "relative":
            usable &= point > 0
        n = int(usable.sum())
        if n < 20:
            raise InsufficientDataError(
                "E-CALIBRATION-ROWS",
                say("{count} held-out rows are too few for an interval", count=n),
                "",
                say("give at least 20 more measured rows"),
            )
        residual = truth[usable] - point[usable]
        if scale == "relative":
            residual = residual / point[usable]
        low, high = signed_quantiles(residual, coverage)
        return cls(coverage, min(low, 0.0), max(high, 0.0), scale, n)

    def interval(self, point: FloatArray, widen: FloatArray | float = 1.0) -> tuple[FloatArray, FloatArray]:
        """Return lower and upper [unit of the quantity] for points, shape (rows,), offsets times `widen`."""
        size = np.abs(point) if self.scale == "relative" else 1.0
        return point + self.low * size * widen, point + self.high * size * widen

    def bounds(
        self, frame: FeatureFrame, point: FloatArray, widen: FloatArray | float = 1.0
    ) -> tuple[FloatArray, FloatArray]:
        """Return `interval`; the frame tells this kind nothing."""
        del frame
        return self.interval(point, widen)

    def to_dict(self) -> dict[str, object]:
        """Return the fields for the model card."""
        return asdict(self)
