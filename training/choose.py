"""Choose a model on a rolling origin; its held-out residuals give the interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.data_centre import ANCHOR, Recipe
from features.frame import FeatureFrame, FloatArray
from models.baselines import Linear
from models.conformal import Conformal
from models.gbm import Anchored, Gbm, GbmParameters, LinearPlusGbm
from models.load_gap import LoadGap, Plain, needed_loads
from models.quantity import Domain, Learned, QuantityModel
from training.splits import rolling_origin

NOMINAL = 0.9


@dataclass(frozen=True)
class Residuals:
    """Held-out rows: truth, prediction, and prediction without the load [unit of the quantity]."""

    truth: FloatArray
    predicted: FloatArray
    without_load: FloatArray

    def and_those_of(self, other: Residuals) -> Residuals:
        """Return both together."""
        return Residuals(
            np.concatenate([self.truth, other.truth]),
            np.concatenate([self.predicted, other.predicted]),
            np.concatenate([self.without_load, other.without_load]),
        )


@dataclass(frozen=True)
class Choice:
    """The winner of the rolling origin: its mean absolute errors and held-out residuals."""

    recipe: Recipe
    name: str
    parameters: GbmParameters
    errors: dict[str, float]
    residuals: Residuals

    def fitted(self, frame: FeatureFrame, more: Residuals | None = None) -> QuantityModel:
        """Fit the winner on a frame and calibrate it on the held-out residuals.

        Parameters
        ----------
        frame : FeatureFrame
            Rows to fit on.
        more : Residuals or None
            Further held-out residuals for the calibration.
        """
        model = candidates(self.recipe, self.parameters)[self.name].fit(frame)
        held_out = self.residuals if more is None else self.residuals.and_those_of(more)
        gap = None
        if isinstance(model, LoadGap):
            gap = Conformal.calibrate(held_out.truth, held_out.without_load, NOMINAL, "absolute")
        conformal = Conformal.calibrate(held_out.truth, held_out.predicted, NOMINAL, "absolute")
        return QuantityModel(self.recipe, model, conformal, Domain.learn(frame), gap)


def candidates(recipe: Recipe, parameters: GbmParameters) -> dict[str, Learned]:
    """Return the learned models that compete, unfitted; those of a forecast start from last week's mean."""
    plain: list[Plain] = [
        Linear(),
        Gbm("LightGBM", parameters),
        LinearPlusGbm("linear + LightGBM", parameters),
    ]
    if recipe.task == "forecast":
        return {m.name: Anchored(m, ANCHOR) for m in plain}
    needs = needed_loads(recipe)
    return {m.name: LoadGap(m, needs, parameters) if needs else m for m in plain}


def choose(frame: FeatureFrame, recipe: Recipe, parameters: GbmParameters) -> Choice:
    """Choose by mean absolute error over a rolling origin.

    Raises
    ------
    features.errors.InsufficientDataError
        Too few rows to hold any back.
    """
    folds = rolling_origin(frame)
    parts: dict[str, list[Residuals]] = {name: [] for name in candidates(recipe, parameters)}
    for fold in folds:
        train, test = frame.rows(fold.train), frame.rows(fold.test)
        without = None  # the same for every candidate
        for name, model in candidates(recipe, parameters).items():
            if isinstance(model, LoadGap):
                without = model.fit(train, without).without
            else:
                model.fit(train)
            parts[name].append(residuals_of(model, test))
    errors, joined = {}, {}
    for name, residuals in parts.items():
        whole = residuals[0]
        for part in residuals[1:]:
            whole = whole.and_those_of(part)
        joined[name] = whole
        errors[name] = float(np.nanmean(np.abs(whole.truth - whole.predicted)))
    best = min(errors, key=lambda name: errors[name])
    return Choice(recipe, best, parameters, errors, joined[best])


def residuals_of(model: Learned, test: FeatureFrame) -> Residuals:
    """Return what a fitted model says of held-out rows; rows without load count for the gap model only."""
    predicted = model.predict(test)
    if not isinstance(model, LoadGap):
        return Residuals(test.target(), predicted, np.full(len(test), np.nan))
    without = model.without.predict(model.reduced(test))
    return Residuals(test.target(), np.where(model.missing(test), np.nan, predicted), without)
