"""How large a residual is likely to be, row by row: a small LightGBM on held-out residuals.

A plant at full load errs by more than an idle one, a model outside its training season by more than inside.
The scale makes one conformal quantile fit both (normalised conformal prediction).

References
----------
Papadopoulos, Gammerman, Vovk (2008), Normalized nonconformity measures for regression conformal
prediction; Lei et al. (2018), JASA 113, section 5.2 (locally weighted).
"""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np

from features.frame import FeatureFrame, FloatArray

POWERS = (0.0, 0.5)
"""How far the learned scale is followed; 0: one size for all rows. Half way did best or nearly so on every
held-out stretch tried; all the way took chance for scale where residuals were few."""
MOST_ROWS = 4000
ROUNDS = 60
FLOOR = 0.05
"""Residuals below this share of the typical one are not told apart."""
FARTHEST = np.log(8.0)
_PARAMETERS = {
    "objective": "regression", "learning_rate": 0.05, "num_leaves": 7, "min_data_in_leaf": 60,
    "feature_fraction": 0.7, "lambda_l2": 10.0, "seed": 0, "deterministic": True, "force_col_wise": True,
    "num_threads": 1, "verbose": -1,
}  # fmt: skip


@dataclass(frozen=True)
class ResidualScale:
    """Likely size of a residual.

    Parameters
    ----------
    typical : float
        Median absolute residual of the calibration [unit of the quantity].
    power : float
        One of `POWERS`.
    text : str
        LightGBM model of the logarithm of the absolute residual over the typical one; "" where the power
        is 0.
    names : tuple of str
        Features that it reads; the last input is the point itself.
    """

    typical: float
    power: float = 0.0
    text: str = ""
    names: tuple[str, ...] = ()

    @classmethod
    def learn(cls, frame: FeatureFrame, point: FloatArray, residual: FloatArray) -> ResidualScale:
        """Learn from held-out rows, shape (rows,); needs at least one finite residual."""
        names = tuple(frame.names)
        known = np.flatnonzero(np.isfinite(residual))
        typical = float(np.median(np.abs(residual[known])))
        if not typical > 0:
            return cls(1.0)
        rows = known[:: max(1, -(-len(known) // MOST_ROWS))]
        ratio = np.log(np.maximum(np.abs(residual[rows]) / typical, FLOOR))
        data = lgb.Dataset(_inputs(frame, names, point)[rows], label=ratio, free_raw_data=True)
        return cls(typical, 1.0, lgb.train(_PARAMETERS, data, ROUNDS).model_to_string(), names)

    def of(self, frame: FeatureFrame, point: FloatArray) -> FloatArray:
        """Return the likely size [unit of the quantity] per row."""
        if not self.power:
            return np.full(len(point), self.typical)
        raw = lgb.Booster(model_str=self.text).predict(_inputs(frame, self.names, point), num_threads=1)
        sizes: FloatArray = self.typical * np.exp(self.power * np.clip(raw, -FARTHEST, FARTHEST))
        return sizes


def _inputs(frame: FeatureFrame, names: tuple[str, ...], point: FloatArray) -> FloatArray:
    return np.column_stack([frame.X[list(names)].to_numpy(dtype=np.float64), point])
