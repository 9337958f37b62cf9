"""Reference models behind the same interface: what ours must be shown beside."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd

from features.errors import ModelError
from features.frame import FeatureFrame, FloatArray
from features.message import say

LAST = "last"
YESTERDAY = "same_hour_yesterday"
LAST_WEEK = "same_hour_last_week"


class PastValue:
    """Persistence of some kind: a past measured value that the feature builder put aside.

    Parameters
    ----------
    name : str
        Name in reports.
    column : str
        Column of ``FeatureFrame.baselines``: ``last``, ``same_hour_yesterday``, ``same_hour_last_week``.
    """

    def __init__(self, name: str, column: str) -> None:
        self.name = name
        self.column = column

    def fit(self, frame: FeatureFrame) -> Self:
        """Nothing to learn; returns self."""
        del frame
        return self

    def predict(self, frame: FeatureFrame) -> FloatArray:
        """Return the past value [unit of the quantity]; NaN where there is none."""
        if frame.baselines is None or self.column not in frame.baselines:
            return np.full(len(frame), np.nan)
        return frame.baselines[self.column].to_numpy(dtype=np.float64)


class SiteMean:
    """Mean of the site's (station's) measured rows; the mean of all sites for an unknown one."""

    name = "site mean"

    def __init__(self) -> None:
        self._means: pd.Series | None = None
        self._overall = float("nan")

    def fit(self, frame: FeatureFrame) -> Self:
        """Learn one mean per site."""
        known = frame.measured()
        self._means = pd.Series(known.target()).groupby(known.keys["site_id"].to_numpy()).mean()
        self._overall = float(known.target().mean())
        return self

    def predict(self, frame: FeatureFrame) -> FloatArray:
        """Return the mean [unit of the quantity] per row."""
        if self._means is None:
            raise ModelError("E-MODEL-NOT-FITTED", say("{name} was not fitted", name=self.name))
        looked_up = frame.keys["site_id"].map(self._means).fillna(self._overall)
        return looked_up.to_numpy(dtype=np.float64)


class Linear:
    """Ridge regression on standardised features, categories one-hot, missing values at the median.

    Parameters
    ----------
    name : str
    alpha : float
        Penalty on standardised coefficients, per row.
    columns : tuple of str or None
        Subset of features; None: all.
    """

    def __init__(
        self, name: str = "linear", alpha: float = 1e-3, columns: tuple[str, ...] | None = None
    ) -> None:
        self.name = name
        self.alpha = alpha
        self.columns = columns
        self.hash = ""
        self._median: FloatArray = np.empty(0)
        self._mean: FloatArray = np.empty(0)
        self._scale: FloatArray = np.empty(0)
        self.coefficients: FloatArray = np.empty(0)

    def _design(self, frame: FeatureFrame) -> FloatArray:
        names = list(self.columns or frame.names)
        categories = frame.categories or {}
        numeric = frame.X[[n for n in names if n not in categories]].to_numpy()
        codes = [
            (frame.X[n].to_numpy()[:, None] == np.arange(len(categories[n]))).astype(np.float64)
            for n in names
            if n in categories
        ]
        return np.hstack([numeric, *codes])

    def fit(self, frame: FeatureFrame) -> Self:
        """Solve the ridge problem on the measured rows."""
        known = frame.measured()
        raw = self._design(known)
        with np.errstate(all="ignore"):
            median = np.array([np.nanmedian(c) if np.isfinite(c).any() else 0.0 for c in raw.T])
        filled = np.where(np.isfinite(raw), raw, median)
        self._median, self._mean = median, filled.mean(axis=0)
        spread = filled.std(axis=0)
        self._scale = np.where(spread > 1e-12, spread, np.inf)  # a constant column gets no weight
        Z = np.column_stack([np.ones(len(filled)), (filled - self._mean) / self._scale])
        penalty = np.full(Z.shape[1], self.alpha * len(Z))
        penalty[0] = 0.0
        gram = Z.T @ Z + np.diag(penalty)
        self.coefficients = np.linalg.lstsq(gram, Z.T @ known.target(), rcond=None)[0]
        self.hash = frame.hash
        return self

    def predict(self, frame: FeatureFrame) -> FloatArray:
        """Return the fitted value [unit of the quantity] per row."""
        if not self.hash:
            raise ModelError("E-MODEL-NOT-FITTED", say("{name} was not fitted", name=self.name))
        check_hash(self.hash, frame)
        raw = self._design(frame)
        filled = np.where(np.isfinite(raw), raw, self._median)
        fitted: FloatArray = (
            self.coefficients[0] + ((filled - self._mean) / self._scale) @ self.coefficients[1:]
        )
        return fitted

    def contributions(self, frame: FeatureFrame) -> tuple[float, FloatArray]:
        """Return the value at the mean of all inputs, and what each feature adds; shape (rows, features).

        The sum of both is the prediction [unit of the quantity].
        """
        check_hash(self.hash, frame)
        raw = self._design(frame)
        filled = np.where(np.isfinite(raw), raw, self._median)
        parts = ((filled - self._mean) / self._scale) * self.coefficients[1:]
        categories, names = frame.categories or {}, list(self.columns or frame.names)
        place = [frame.names.index(n) for n in names if n not in categories]
        for name in (n for n in names if n in categories):
            place += [frame.names.index(name)] * len(categories[name])
        spread = np.zeros((parts.shape[1], len(frame.names)))
        spread[np.arange(len(place)), place] = 1.0  # the codes of a category are one feature
        return float(self.coefficients[0]), parts @ spread

    def to_dict(self) -> dict[str, object]:
        """Return the fitted numbers for the model store."""
        return {
            "name": self.name, "alpha": self.alpha, "columns": list(self.columns) if self.columns else None,
            "hash": self.hash, "median": self._median.tolist(), "mean": self._mean.tolist(),
            "scale": [None if np.isinf(s) else float(s) for s in self._scale],
            "coefficients": self.coefficients.tolist(),
        }  # fmt: skip

    def to_parts(self, file: str, texts: dict[str, str]) -> dict[str, Any]:
        """Return the JSON part; there are no trees."""
        del file, texts
        return {"linear": self.to_dict()}

    @classmethod
    def from_parts(cls, about: dict[str, Any], file: str, texts: dict[str, str]) -> Linear:
        """Rebuild from `to_parts`."""
        del file, texts
        return cls.from_dict(about["linear"])

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Linear:
        """Rebuild a fitted model from `to_dict`."""
        model = cls(raw["name"], raw["alpha"], tuple(raw["columns"]) if raw["columns"] else None)
        model.hash = raw["hash"]
        model._median = np.asarray(raw["median"], dtype=np.float64)
        model._mean = np.asarray(raw["mean"], dtype=np.float64)
        model._scale = np.asarray([np.inf if s is None else s for s in raw["scale"]], dtype=np.float64)
        model.coefficients = np.asarray(raw["coefficients"], dtype=np.float64)
        return model


def check_hash(fitted: str, frame: FeatureFrame) -> None:
    """Refuse a frame whose features differ from those a model was fitted on.

    Raises
    ------
    ModelError
        Code E-MODEL-FEATURES.
    """
    if frame.hash != fitted:
        raise ModelError(
            "E-MODEL-FEATURES",
            say(
                "the data give features {hash}, the model was fitted on {fitted}",
                hash=frame.hash,
                fitted=fitted,
            ),
            frame.quantity,
            say("train a model on exports with the same columns"),
        )


def past_value_baselines() -> tuple[PastValue, ...]:
    """Return persistence, same hour yesterday and same hour last week."""
    return (
        PastValue("persistence", LAST),
        PastValue("same hour yesterday", YESTERDAY),
        PastValue("same hour last week", LAST_WEEK),
    )
