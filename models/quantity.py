"""One quantity's fitted model with its interval and its domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from features.data_centre import Recipe
from features.frame import FeatureFrame
from models.base import Learner
from models.cold_start import PriorInterval
from models.conformal import Conformal
from models.domain import Domain
from models.fallback import Fallback
from models.gbm import LinearPlusGbm
from models.interval import Intervals
from models.learners import from_parts, to_parts
from models.load_gap import LoadGap
from models.prediction import Prediction, Tier

Learned = Learner | LoadGap | Fallback
WIDEN_OUTSIDE = 2.0
"""Outside the training domain an interval is this much wider, and nothing is claimed."""


@dataclass(frozen=True)
class QuantityModel:
    """A fitted model of one quantity and task.

    ``gap`` is the interval of rows without a load; ``tier`` what the model is: the site's own full model,
    a calibrated prior, or a baseline that answers because no model earned its place; ``usual`` the daily
    levels of held-out days, see `models.regime`.
    """

    recipe: Recipe
    model: Learned
    conformal: Conformal | Intervals | PriorInterval
    domain: Domain
    gap: Conformal | None = None
    tier: Tier = "full"
    usual: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        """Quantity and task, as used in file names."""
        return f"{self.recipe.quantity}-{self.recipe.task}"

    @property
    def floor(self) -> float:
        """Smallest physical value [unit of the quantity]."""
        return 1.0 if self.recipe.quantity == "pue" else 0.0

    def predict(self, frame: FeatureFrame, model_id: str) -> Prediction:
        """Predict every row of a frame that was built with this model's recipe."""
        point = self.model.predict(frame)
        floor = self.floor
        point = np.maximum(point, floor)  # physics, not taste; NaN stays NaN
        inside = self.domain.contains(frame) & np.isfinite(point)
        widen = np.where(inside, 1.0, WIDEN_OUTSIDE)
        full = inside
        missing = self.model.missing(frame) if isinstance(self.model, LoadGap) else np.zeros(len(frame), bool)
        lower, upper = self.conformal.bounds(frame, np.where(missing, np.nan, point), widen)
        if missing.any() and self.gap is not None:
            low, high = self.gap.interval(point, widen)
            lower, upper = np.where(missing, low, lower), np.where(missing, high, upper)
            full = inside & ~missing
        lesser = "prior" if self.tier == "full" else self.tier
        return Prediction(
            keys=frame.keys,
            point=point,
            lower=np.minimum(np.maximum(lower, floor), point),
            upper=np.maximum(upper, point),
            quantity=self.recipe.quantity,
            coverage=self.conformal.coverage,
            model_id=model_id,
            in_domain=inside,
            tier=np.where(full, self.tier, np.where(np.isfinite(point), lesser, "fallback")),
            task=self.recipe.task,
        )

    def to_files(self, prefix: str) -> tuple[dict[str, Any], dict[str, str]]:
        """Return (JSON part, file name -> LightGBM text)."""
        about: dict[str, Any] = {
            "recipe": [self.recipe.quantity, self.recipe.task, list(self.recipe.columns)],
            "interval": self.conformal.to_dict(),
            "domain": self.domain.to_dict(),
        }
        about["gap"] = None if self.gap is None else self.gap.to_dict()
        about["tier"] = self.tier
        about["usual"] = [round(level, 5) for level in self.usual]
        if isinstance(self.model, Fallback):
            return about | {"fallback": self.model.name}, {}
        texts: dict[str, str] = {}
        plain: Learner
        if isinstance(self.model, LoadGap):
            plain, about["needs"] = self.model.inner, list(self.model.needs)
            about["hash"] = self.model.hash
            about["without"] = to_parts(self.model.without, f"{prefix}{self.name}-without.txt", texts)
        else:
            plain = self.model
        about["model"] = to_parts(plain, f"{prefix}{self.name}.txt", texts)
        return about, texts

    @classmethod
    def from_files(cls, about: dict[str, Any], files: dict[str, str], prefix: str) -> QuantityModel:
        """Rebuild from `to_files`."""
        quantity, task, columns = about["recipe"]
        recipe = Recipe(quantity, task, tuple(columns))
        gap = Conformal(**about["gap"]) if about["gap"] else None
        told = about["interval"]
        conformal: Conformal | Intervals | PriorInterval
        if "prior" in told:
            conformal = PriorInterval(told["coverage"], told["days"])
        else:
            conformal = Intervals.from_dict(told) if "recent" in told else Conformal(**told)
        domain = Domain.from_dict(about["domain"])
        tier, usual = about["tier"], tuple(about["usual"])
        if "fallback" in about:
            return cls(recipe, Fallback(about["fallback"]), conformal, domain, gap, tier, usual)
        file = f"{prefix}{quantity}-{task}"
        plain = from_parts(about["model"], f"{file}.txt", files)
        model: Learned = plain
        if "needs" in about:
            model = both = LoadGap(plain, tuple(about["needs"]))
            without = LinearPlusGbm.from_parts(about["without"], f"{file}-without.txt", files)
            both.without, both.hash = without, about["hash"]
        return cls(recipe, model, conformal, domain, gap, tier, usual)
