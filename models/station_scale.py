"""How far below and above its point a station's energy may lie, row by row.

Stations of one product fall into kinds that no export names: the point sits at the commonest, the others lie
to one side of it. Which side, and how far, depends on the product, on the measured hours and on the load;
small LightGBM quantile regressions tell it, the mean of several whose rows differ, and the conformal layer
(`models.station_interval`) sets them right.

References
----------
Romano, Patterson, Candes (2019), Conformalized quantile regression, NeurIPS 32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import lightgbm as lgb
import numpy as np

from features.frame import FeatureFrame, FloatArray
from models.metrics import interval_score

POWERS = (0.0, 0.5, 1.0)
"""How far what was learned is followed; 0: one size for all rows."""
MOST_ROWS = 7_000
ROUNDS = 60
CLOSEST = 0.05
"""No side is nearer than this share of its usual distance."""
FARTHEST = 8.0
_PARAMETERS = {
    "objective": "quantile", "learning_rate": 0.08, "num_leaves": 9, "min_data_in_leaf": 60,
    "feature_fraction": 0.5, "bagging_fraction": 0.8, "bagging_freq": 1, "lambda_l2": 1.0, "seed": 0,
    "deterministic": True, "force_col_wise": True, "num_threads": 1, "max_bin": 63, "verbose": -1,
}  # fmt: skip


@dataclass(frozen=True)
class SideScale:
    """Distances of the quantiles of the logarithmic error from zero.

    Parameters
    ----------
    below, above : float
        Usual distances, of all calibration rows [1].
    power : float
        One of `POWERS`.
    texts : tuple of str
        LightGBM models, of the lower and of the upper quantile in turn; of several pairs the (geometric) mean
        counts. Empty where the power is 0.
    names : tuple of str
        Features that they read; the last input is the logarithm of the point.
    """

    below: float
    above: float
    power: float = 0.0
    texts: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @classmethod
    def flat(cls, residual: FloatArray, coverage: float) -> SideScale:
        """Return one size for all rows, shape of `residual` (rows,)."""
        low, high = np.quantile(residual, [(1 - coverage) / 2, (1 + coverage) / 2])
        return cls(max(-float(low), 1e-6), max(float(high), 1e-6))

    @classmethod
    def learn(
        cls, frame: FeatureFrame, log_point: FloatArray, residual: FloatArray, coverage: float
    ) -> SideScale:
        """Learn from held-out rows, shape (rows,)."""
        names = tuple(frame.names)
        rows = np.linspace(0, len(residual) - 1, min(len(residual), MOST_ROWS)).astype(np.intp)
        inputs = _inputs(frame, names, log_point)[rows]
        binned = lgb.Dataset(inputs, label=residual[rows], params=_PARAMETERS)  # once for both sides
        texts = tuple(
            lgb.train(_PARAMETERS | {"alpha": level}, binned, ROUNDS).model_to_string()
            for level in ((1 - coverage) / 2, (1 + coverage) / 2)
        )
        return replace(cls.flat(residual, coverage), power=1.0, texts=texts, names=names)

    @classmethod
    def together(cls, learned: Sequence[SideScale], residual: FloatArray, coverage: float) -> SideScale:
        """Return the mean of scales that were learned from parts of the rows, shape of `residual` (rows,).

        One alone says by chance too little or too much; their mean errs less, as no single fold does.
        """
        texts = tuple(text for one in learned for text in one.texts)
        return replace(cls.flat(residual, coverage), power=1.0, texts=texts, names=learned[0].names)

    def of(self, frame: FeatureFrame, log_point: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the distances below and above [1] per row."""
        usual = (self.below, self.above)
        if not self.power:
            return np.full(len(log_point), self.below), np.full(len(log_point), self.above)
        inputs = _inputs(frame, self.names, log_point)
        below, above = (
            size * np.exp(self.power * np.mean([_log_share(t, inputs, sign, size) for t in texts], axis=0))
            for size, sign, texts in zip(usual, (-1.0, 1.0), (self.texts[::2], self.texts[1::2]), strict=True)
        )
        return below, above


def followed(
    scale: SideScale, sizes: tuple[FloatArray, FloatArray], residual: FloatArray, coverage: float
) -> tuple[SideScale, tuple[FloatArray, FloatArray]]:
    """Return the scale and sizes at the power whose intervals score best.

    Parameters
    ----------
    scale : SideScale
        Learned from all rows.
    sizes : tuple of numpy.ndarray, shape (rows,)
        Distances that were learned from other stations than the row's [1].
    residual : numpy.ndarray, shape (rows,)
    coverage : float
    """
    best: tuple[float, SideScale, tuple[FloatArray, FloatArray]] | None = None
    for power in POWERS:
        below = scale.below * (sizes[0] / scale.below) ** power
        above = scale.above * (sizes[1] / scale.above) ** power
        scaled = np.where(residual < 0, residual / below, residual / above)
        low, high = np.quantile(scaled, [(1 - coverage) / 2, (1 + coverage) / 2])
        score = interval_score(residual, min(low, 0.0) * below, max(high, 0.0) * above, coverage)
        if best is None or score < best[0]:
            kept = replace(scale, power=power) if power else SideScale(scale.below, scale.above)
            best = score, kept, (below, above)
    if best is None:
        raise ValueError("no power competes")
    return best[1], best[2]


@lru_cache(maxsize=256)
def _booster(text: str) -> lgb.Booster:
    return lgb.Booster(model_str=text)


def _log_share(text: str, inputs: FloatArray, sign: float, usual: float) -> FloatArray:
    """Return the logarithm of one model's distance over the usual one, shape (rows,)."""
    told = sign * np.asarray(_booster(text).predict(inputs, num_threads=1), dtype=np.float64)
    return np.asarray(np.log(np.clip(told / usual, CLOSEST, FARTHEST)))


def _inputs(frame: FeatureFrame, names: tuple[str, ...], log_point: FloatArray) -> FloatArray:
    return np.column_stack([frame.X[list(names)].to_numpy(dtype=np.float64), log_point])
