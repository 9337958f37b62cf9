"""One quantity's fitted model with its interval and its domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from features.data_centre import LOADS, Recipe
from features.frame import FeatureFrame
from features.operation import BoolArray
from models.baselines import Linear
from models.conformal import Conformal
from models.gbm import Anchored, Gbm, LinearPlusGbm
from models.load_gap import LoadGap, Plain
from models.prediction import Prediction

Learned = Plain | Anchored | LoadGap
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
        loads = [names.index(n) for n in LOADS if n in names]
        loaded = np.isfinite(X[:, loads]).any(axis=1) if loads else np.ones(len(frame), dtype=bool)
        inside: BoolArray = ~outside.any(axis=1) & enough & loaded
        return inside


@dataclass(frozen=True)
class QuantityModel:
    """A fitted model of one quantity and task; ``gap`` is the interval of rows without a load."""

    recipe: Recipe
    model: Learned
    conformal: Conformal
    domain: Domain
    gap: Conformal | None = None

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
        widen = np.where(inside, 1.0, WIDEN_OUTSIDE)
        lower, upper = self.conformal.interval(point, widen)
        full = inside
        if isinstance(self.model, LoadGap) and self.gap is not None:
            missing = self.model.missing(frame)
            low, high = self.gap.interval(point, widen)
            lower, upper = np.where(missing, low, lower), np.where(missing, high, upper)
            full = inside & ~missing
        return Prediction(
            keys=frame.keys,
            point=point,
            lower=np.minimum(np.maximum(lower, floor), point),
            upper=np.maximum(upper, point),
            quantity=self.recipe.quantity,
            coverage=self.conformal.coverage,
            model_id=model_id,
            in_domain=inside,
            tier=np.where(full, "full", np.where(np.isfinite(point), "prior", "fallback")),
            task=self.recipe.task,
        )

    def to_files(self, prefix: str) -> tuple[dict[str, Any], dict[str, str]]:
        """Return (JSON part, file name -> LightGBM text)."""
        about: dict[str, Any] = {
            "recipe": [self.recipe.quantity, self.recipe.task, list(self.recipe.columns)],
            "conformal": self.conformal.to_dict(),
            "domain": {"low": self.domain.low, "high": self.domain.high},
        }
        about["gap"] = None if self.gap is None else self.gap.to_dict()
        texts: dict[str, str] = {}
        plain: Plain
        if isinstance(self.model, Anchored):
            plain, about["anchor"] = self.model.inner, self.model.column
        elif isinstance(self.model, LoadGap):
            plain, about["needs"] = self.model.inner, list(self.model.needs)
            about["hash"] = self.model.hash
            about["without"] = _plain_files(self.model.without, f"{prefix}{self.name}-without.txt", texts)
        else:
            plain = self.model
        about["model"] = _plain_files(plain, f"{prefix}{self.name}.txt", texts)
        return about, texts

    @classmethod
    def from_files(cls, about: dict[str, Any], files: dict[str, str], prefix: str) -> QuantityModel:
        """Rebuild from `to_files`."""
        quantity, task, columns = about["recipe"]
        recipe = Recipe(quantity, task, tuple(columns))
        file = f"{prefix}{quantity}-{task}"
        plain = _plain(about["model"], files.get(f"{file}.txt", ""))
        model: Learned = plain
        if "anchor" in about:
            model = Anchored(plain, about["anchor"])
        elif "needs" in about:
            model = both = LoadGap(plain, tuple(about["needs"]))
            without = _plain(about["without"], files[f"{file}-without.txt"])
            both.without, both.hash = without, about["hash"]  # type: ignore[assignment]
        gap = Conformal(**about["gap"]) if about["gap"] else None
        return cls(recipe, model, Conformal(**about["conformal"]), Domain(**about["domain"]), gap)


def _plain_files(model: Plain, file: str, texts: dict[str, str]) -> dict[str, Any]:
    """Return the JSON part of a model and put its trees' text into `texts`."""
    if isinstance(model, Linear):
        return {"kind": "linear", "linear": model.to_dict()}
    if isinstance(model, Gbm):
        trees, texts[file] = model.to_files()
        return {"kind": "gbm", "trees": trees}
    trees, texts[file] = model.trees.to_files()
    return {"kind": "linear+gbm", "linear": model.linear.to_dict(), "trees": trees}


def _plain(raw: dict[str, Any], text: str) -> Plain:
    if raw["kind"] == "linear":
        return Linear.from_dict(raw["linear"])
    if raw["kind"] == "gbm":
        return Gbm.from_files(raw["trees"], text)
    both = LinearPlusGbm()
    both.linear, both.trees = Linear.from_dict(raw["linear"]), Gbm.from_files(raw["trees"], text)
    return both
