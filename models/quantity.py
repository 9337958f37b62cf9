"""One quantity's fitted model with its interval and its domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from features.data_centre import Recipe
from features.frame import FeatureFrame
from features.operation import BoolArray
from models.baselines import Linear
from models.conformal import Conformal
from models.gbm import Anchored, Gbm, LinearPlusGbm
from models.prediction import Prediction

Plain = Linear | Gbm | LinearPlusGbm
Learned = Plain | Anchored
WIDEN_OUTSIDE = 2.0
"""Outside the training domain an interval is this much wider, and nothing is claimed."""
_CALENDAR = ("hour_sin", "hour_cos", "hour", "day_of_week", "weekend")


@dataclass(frozen=True)
class Domain:
    """Range of every input that the model has seen, with a margin of 2 % of the range."""

    low: dict[str, float]
    high: dict[str, float]

    @classmethod
    def learn(cls, frame: FeatureFrame) -> Domain:
        """Learn the ranges from the frame's measured rows."""
        inputs = frame.measured().X.drop(columns=list(_CALENDAR), errors="ignore")
        low, high = inputs.min(), inputs.max()
        margin = 0.02 * (high - low)
        known = low.notna()
        return cls(
            {str(n): float(v) for n, v in (low - margin)[known].items()},
            {str(n): float(v) for n, v in (high + margin)[known].items()},
        )

    def contains(self, frame: FeatureFrame) -> BoolArray:
        """Return whether every known input of a row lies inside, and its load is known, shape (rows,)."""
        names = [n for n in self.low if n in frame.X]
        X = frame.X[names].to_numpy()
        low, high = np.array([self.low[n] for n in names]), np.array([self.high[n] for n in names])
        outside = np.less(X, low) | np.greater(X, high)
        enough = np.isfinite(X).mean(axis=1) >= 0.5 if names else np.ones(len(frame), dtype=bool)
        inside: BoolArray = ~outside.any(axis=1) & enough
        return inside


@dataclass(frozen=True)
class QuantityModel:
    """A fitted model of one quantity and task."""

    recipe: Recipe
    model: Learned
    conformal: Conformal
    domain: Domain

    @property
    def name(self) -> str:
        """Quantity and task, as used in file names."""
        return f"{self.recipe.quantity}-{self.recipe.task}"

    def predict(self, frame: FeatureFrame, model_id: str) -> Prediction:
        """Predict every row of a frame that was built with this model's recipe."""
        point = self.model.predict(frame)
        floor = 1.0 if self.recipe.quantity == "pue" else 0.0
        point = np.maximum(point, floor)  # physics, not taste; NaN stays NaN
        inside = self.domain.contains(frame) & np.isfinite(point)
        lower, upper = self.conformal.interval(point, np.where(inside, 1.0, WIDEN_OUTSIDE))
        return Prediction(
            keys=frame.keys,
            point=point,
            lower=np.minimum(np.maximum(lower, floor), point),
            upper=np.maximum(upper, point),
            quantity=self.recipe.quantity,
            coverage=self.conformal.coverage,
            model_id=model_id,
            in_domain=inside,
            tier=np.where(inside, "full", np.where(np.isfinite(point), "prior", "fallback")),
            task=self.recipe.task,
        )

    def to_files(self, prefix: str) -> tuple[dict[str, Any], dict[str, str]]:
        """Return (JSON part, file name -> LightGBM text)."""
        about: dict[str, Any] = {
            "recipe": [self.recipe.quantity, self.recipe.task, list(self.recipe.columns)],
            "conformal": self.conformal.to_dict(),
            "domain": {"low": self.domain.low, "high": self.domain.high},
        }
        texts: dict[str, str] = {}
        plain = self.model.inner if isinstance(self.model, Anchored) else self.model
        about["anchor"] = self.model.column if isinstance(self.model, Anchored) else None
        if isinstance(plain, Linear):
            about["model"] = {"kind": "linear", "linear": plain.to_dict()}
        elif isinstance(plain, Gbm):
            trees, texts[f"{prefix}{self.name}.txt"] = plain.to_files()
            about["model"] = {"kind": "gbm", "trees": trees}
        else:
            trees, texts[f"{prefix}{self.name}.txt"] = plain.trees.to_files()
            about["model"] = {"kind": "linear+gbm", "linear": plain.linear.to_dict(), "trees": trees}
        return about, texts

    @classmethod
    def from_files(cls, about: dict[str, Any], files: dict[str, str], prefix: str) -> QuantityModel:
        """Rebuild from `to_files`."""
        quantity, task, columns = about["recipe"]
        recipe = Recipe(quantity, task, tuple(columns))
        raw = about["model"]
        model: Plain
        text = files.get(f"{prefix}{quantity}-{task}.txt", "")
        if raw["kind"] == "linear":
            model = Linear.from_dict(raw["linear"])
        elif raw["kind"] == "gbm":
            model = Gbm.from_files(raw["trees"], text)
        else:
            model = both = LinearPlusGbm()
            both.linear, both.trees = Linear.from_dict(raw["linear"]), Gbm.from_files(raw["trees"], text)
        learned: Learned = Anchored(model, about["anchor"]) if about["anchor"] else model
        return cls(recipe, learned, Conformal(**about["conformal"]), Domain(**about["domain"]))
