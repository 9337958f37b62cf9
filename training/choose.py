"""Choose a model on a rolling origin; its held-out residuals give the interval."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np

from features.data_centre import ANCHOR, CALENDAR, STEPS, YESTERDAY, Recipe, weather_steps
from features.frame import FeatureFrame, FloatArray
from features.operation import BoolArray
from models.base import Learner
from models.baselines import Linear
from models.chiller_plant import ChillerPlant, units_of
from models.cold_start import NAME as PRIOR
from models.cold_start import ColdStart
from models.conformal import Conformal
from models.domain import Domain
from models.fallback import PAST, Fallback
from models.gbm import Gbm, GbmParameters, LinearPlusGbm
from models.grey_box import GreyBox
from models.interval import HeldOut, Intervals
from models.it_load import ItLoad
from models.learners import Anchored, MeanOf, Selected
from models.load_gap import LoadGap, needed_loads
from models.meter_sum import MeterSum
from models.quantity import Learned, QuantityModel
from training.splits import TimeFold, rolling_origin, withheld_weeks

NOMINAL = 0.9
TREES = GbmParameters(rounds=100, learning_rate=0.1, max_bin=127)
"""Of data centres: a plant gives thousands of rows, and half of the bins, or half of the rounds at twice
the rate, take half of the time and err alike on withheld weeks and on the newest time."""
LEAST_UNIT_ROWS = 48
"""Rows in which a unit must have run before a model can know it."""
FAR_BEHIND = 1.3
"""Times the best error of the newest fold beyond which a candidate is not tried on the older ones."""


@dataclass(frozen=True)
class Residuals:
    """Held-out rows of one or more folds.

    Parameters
    ----------
    held : tuple of HeldOut
        One per fold; the prediction is NaN where the load is missing.
    without_load : numpy.ndarray, shape (rows of all folds,)
        Prediction without the load [unit of the quantity].
    """

    held: tuple[HeldOut, ...]
    without_load: FloatArray

    @property
    def truth(self) -> FloatArray:
        """Measured values [unit of the quantity] of all folds, shape (rows,)."""
        return np.concatenate([h.frame.target() for h in self.held])

    @property
    def predicted(self) -> FloatArray:
        """Predictions [unit of the quantity] of all folds, shape (rows,)."""
        return np.concatenate([h.point for h in self.held])

    def and_those_of(self, other: Residuals) -> Residuals:
        """Return both together."""
        return Residuals((*self.held, *other.held), np.concatenate([self.without_load, other.without_load]))


@dataclass(frozen=True)
class Choice:
    """The winner of the rolling origin and its held-out residuals.

    ``errors`` are the candidates' mean absolute errors [unit of the quantity], of those far behind on the
    newest fold on that fold alone.
    """

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
        model = competing(self.recipe, self.parameters, self.name)[self.name].fit(frame)
        held_out = self.residuals if more is None else self.residuals.and_those_of(more)
        gap = None
        if isinstance(model, LoadGap):
            gap = Conformal.calibrate(held_out.truth, held_out.without_load, NOMINAL, "absolute")
        intervals = Intervals.calibrate(held_out.held, self.recipe.task, NOMINAL).knowing(frame)
        return QuantityModel(self.recipe, model, intervals, Domain.learn(frame), gap)


def candidates(recipe: Recipe, parameters: GbmParameters) -> dict[str, Learned]:
    """Return the learned models that compete, unfitted; those of a forecast start from last week's mean."""
    plain: list[Learner] = [Linear(), Gbm("LightGBM", parameters)]
    if recipe.task == "forecast":
        plain.append(LinearPlusGbm("linear + LightGBM", parameters))
        return {m.name: m for m in forecasts(plain, recipe, parameters)}
    if ItLoad.fits(recipe.quantity, recipe.columns):
        # a line through room temperatures may fit best and answers a moved set-point with nonsense
        plain = [Gbm("LightGBM", parameters), ItLoad(parameters=parameters)]
    if recipe.quantity != "it_power_kw":
        plain += grey_boxes(parameters, metered=bool(recipe.meters))
    if ChillerPlant.fits(recipe.quantity, recipe.columns):
        plain.append(ChillerPlant(parameters=parameters))
    needs = needed_loads(recipe)
    return {m.name: LoadGap(m, needs, parameters) if needs else m for m in plain}


def grey_boxes(parameters: GbmParameters, *, metered: bool = False) -> list[Learner]:
    """Return a plant that bends, and one that also switches, unfitted.

    What switches is seen best in sub-meters; without any, the mean with trees alone stands for it.
    """
    longer = parameters.with_(rounds=2 * parameters.rounds)
    bends = GreyBox(parameters=longer)
    if metered:
        return [bends, MeterSum(parameters=parameters)]  # there are many parts, each of them plain
    trees = GreyBox("LightGBM on the overhead", longer, physics=False)
    return [bends, MeanOf("mean of grey box and LightGBM", [GreyBox(parameters=longer), trees])]


def forecasts(plain: list[Learner], recipe: Recipe, parameters: GbmParameters) -> list[Learner]:
    """Return the forecasts that compete, unfitted: from last week's mean, from yesterday, and their mean.

    What starts from yesterday sees differences of past values and of past weather only: these say the same
    in a season of another level. Its trees are few and small, for a day ahead little can be known.
    """

    def careful() -> tuple[Learner, Learner]:
        few = parameters.with_(
            rounds=150, learning_rate=0.03, num_leaves=8, min_data_in_leaf=60, lambda_l2=10.0,
            objective="regression_l1",
        )  # fmt: skip
        line = Linear(alpha=0.1, columns=(*STEPS, "hour_sin", "hour_cos", "weekend"))
        trees = Selected(Gbm(parameters=few), (*STEPS, *weather_steps(recipe), *CALENDAR))
        return (
            Anchored(line, YESTERDAY, "linear from yesterday"),
            Anchored(trees, YESTERDAY, "LightGBM from yesterday"),
        )

    together = MeanOf("mean from yesterday", [*careful()])
    return [*(Anchored(m, ANCHOR) for m in plain), *careful(), together]


def competing(recipe: Recipe, parameters: GbmParameters, only: str = "") -> dict[str, Learned]:
    """Return all candidates, or the one, the baseline or the prior of that name."""
    if only in PAST:
        return {only: Fallback(only)}
    if only == PRIOR:
        return {only: ColdStart()}
    everyone = candidates(recipe, parameters)
    if (
        only == "linear" and only not in everyone
    ):  # no candidate of its own accord, but the gate may ask for it
        needs = needed_loads(recipe)
        return {only: LoadGap(Linear(), needs, parameters) if needs else Linear()}
    return {only: everyone[only]} if only else everyone


def choose(
    frame: FeatureFrame,
    recipe: Recipe,
    parameters: GbmParameters,
    only: str = "",
    folds: list[TimeFold] | None = None,
) -> Choice:
    """Choose by mean absolute error over a rolling origin, or other folds.

    Parameters
    ----------
    frame : FeatureFrame
    recipe : Recipe
    parameters : GbmParameters
    only : str
        See `competing`.
    folds : list of TimeFold or None
        None: `training.splits.rolling_origin`, and whole weeks for the intervals of rows between others.

    Raises
    ------
    features.errors.InsufficientDataError
        Too few rows to hold any back.
    """
    weeks = withheld_weeks(frame) if folds is None and recipe.task == "estimate" else []
    folds = folds or rolling_origin(frame)
    fitted: dict[str, list[Learned]] = {name: [] for name in competing(recipe, parameters, only)}
    errors: dict[str, list[FloatArray]] = {name: [] for name in fitted}
    running = set(fitted)
    for fold in reversed(folds):  # the newest first: it has most to train on and is most like what comes
        train, test = frame.rows(fold.train), frame.rows(fold.test)
        for name, model in _all_fitted(train, recipe, parameters, only, running).items():
            fitted[name].append(model)
            part = residuals_of(model, test)
            errors[name].append(np.where(knowable(train, test), np.abs(part.truth - part.predicted), np.nan))
        running = _near_the_best({name: errors[name] for name in running})
    means = {name: float(np.nanmean(np.concatenate(parts))) for name, parts in errors.items()}
    best = min(running, key=lambda name: means[name])
    held = []
    for model, fold in zip(reversed(fitted[best]), folds, strict=True):
        beyond = frame.rows(fold.test if fold.beyond is None else fold.beyond)
        held.append(residuals_of(model, beyond.rows(knowable(frame.rows(fold.train), beyond))))
    for fold in weeks:  # a forecast is asked for the time after the data only
        again = competing(recipe, parameters, only)[best].fit(frame.rows(fold.train))
        held.append(residuals_of(again, frame.rows(fold.test), ahead=False))
    return Choice(recipe, best, parameters, means, reduce(Residuals.and_those_of, held))


def _near_the_best(errors: dict[str, list[FloatArray]]) -> set[str]:
    """Return the candidates within `FAR_BEHIND` of the best over the folds that all of them saw."""
    seen = {name: np.concatenate(parts) for name, parts in errors.items()}
    means = {name: float(np.nanmean(all_)) for name, all_ in seen.items() if np.isfinite(all_).any()}
    if len(means) < len(seen):  # a fold that tells nothing of one
        return set(seen)
    limit = FAR_BEHIND * min(means.values())
    return {name for name, mean in means.items() if mean <= limit}


def _all_fitted(
    train: FeatureFrame, recipe: Recipe, parameters: GbmParameters, only: str, running: set[str]
) -> dict[str, Learned]:
    """Return the `running` candidates fitted on the same rows; what several of them need is fitted once."""
    everyone = {n: m for n, m in competing(recipe, parameters, only).items() if n in running}
    without = None
    inner: dict[str, Learner] = {}
    for model in everyone.values():
        core = model.inner if isinstance(model, LoadGap) else model
        if isinstance(core, MeanOf):
            core.taking(inner)
        if not isinstance(core, Fallback):
            inner[core.name] = core
        if isinstance(model, LoadGap):
            without = model.fit(train, without).without
        else:
            model.fit(train)
    return everyone


def knowable(train: FeatureFrame, test: FeatureFrame) -> BoolArray:
    """Return which held-out rows say something about a model: those whose running units ran before.

    Nobody can know a chiller that never ran; such rows are out of domain, and judging by them would
    choose the model that guesses best.
    """
    known = np.ones(len(test), dtype=bool)
    for name in units_of(test):
        if int((train.X[name] > 0).sum()) < LEAST_UNIT_ROWS:
            known &= ~(test.X[name] > 0).to_numpy()
    return known


def residuals_of(model: Learned, test: FeatureFrame, *, ahead: bool = True) -> Residuals:
    """Return what a fitted model says of held-out rows; rows without load count for the gap model only.

    Parameters
    ----------
    model : Learned
    test : FeatureFrame
    ahead : bool
        Whether the rows are newer than all those fitted on.
    """
    predicted = model.predict(test)
    if not isinstance(model, LoadGap):
        return Residuals((HeldOut(test, predicted, ahead),), np.full(len(test), np.nan))
    without = model.without.predict(model.reduced(test))
    return Residuals((HeldOut(test, np.where(model.missing(test), np.nan, predicted), ahead),), without)
