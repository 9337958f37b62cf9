"""What each input adds to a prediction: LightGBM's own contributions, and others where there are none.

Trees tell it themselves (``pred_contrib``: Lundberg, Erion, Lee 2018, Consistent individualized feature
attribution for tree ensembles, arXiv:1802.03888). A line says coefficient times deviation from the mean.
Models with curves in them are asked again with whole families of inputs set to their usual values, in one
order and in the reverse one, and the mean of both counts. Always: base + sum of effects = prediction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from features.base_station import CONFIGURATION
from features.data_centre import LEVERS, LOADS, PLANT
from features.errors import ModelError
from features.frame import FeatureFrame, FloatArray
from features.message import say
from features.schema import SCHEMA
from models.baselines import Linear
from models.fallback import PAST, Fallback
from models.gbm import Gbm, LinearPlusGbm
from models.grey_box import GreyBox
from models.learners import Anchored, MeanOf
from models.load_gap import LoadGap
from models.quantity import Learned

FAMILIES = (
    "load", "weather", "set-points", "plant temperatures", "energy saving", "configuration", "own meter",
    "recent past", "calendar",
)  # fmt: skip
BULBS = ("outdoor_dry_bulb_c", "outdoor_wet_bulb_c")
"""Where weather acts as a whole, these are named for it."""
CALENDAR = ("hour", "day_of_week", "weekend")
PAST_STARTS = ("target_", "yesterday_from", "day_mean_from")
WEATHER_STARTS = ("outdoor_", "wet_bulb", "dry_bulb", "wind_", "air_pressure")


@dataclass(frozen=True)
class Usual:
    """What is usual at a site: median and standard deviation per feature [unit of the feature]."""

    median: pd.Series
    spread: pd.Series


@dataclass(frozen=True)
class Contributions:
    """Parts of predictions.

    Parameters
    ----------
    names : tuple of str
        Features.
    base : numpy.ndarray, shape (rows,)
        What is said before anything is known of the row [unit of the quantity].
    effects : numpy.ndarray, shape (rows, features)
        What each feature adds [unit of the quantity].
    """

    names: tuple[str, ...]
    base: FloatArray
    effects: FloatArray

    @property
    def total(self) -> FloatArray:
        """The predictions, shape (rows,)."""
        return np.asarray(self.base + self.effects.sum(axis=1))

    def scaled(self, factor: FloatArray) -> Contributions:
        """Return all parts times a factor per row."""
        return Contributions(self.names, self.base * factor, self.effects * factor[:, None])

    def plus(self, other: Contributions) -> Contributions:
        """Return the sum; features of the other are looked up by name."""
        place = [self.names.index(n) for n in other.names]
        effects = self.effects.copy()
        effects[:, place] += other.effects
        return Contributions(self.names, self.base + other.base, effects)


STARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("calendar", CALENDAR),
    ("recent past", (*PAST_STARTS, *PAST)),
    ("weather", WEATHER_STARTS),
    ("set-points", LEVERS),
    ("load", (*LOADS, "load", "prb_utilisation")),
    ("plant temperatures", PLANT),
    ("energy saving", ("sleep",)),
    ("configuration", CONFIGURATION),
)
"""Family -> how the names of its features begin; the first that fits."""


def family_of(name: str) -> str:
    """Return the physical family of a feature."""
    return next((family for family, starts in STARTS if name.startswith(starts)), "own meter")


def contributions(model: Learned, frame: FeatureFrame, usual: Usual) -> Contributions:
    """Return the parts of a model's predictions.

    Parameters
    ----------
    model : Learned
        Fitted.
    frame : FeatureFrame
        Rows to explain.
    usual : Usual
        Of the same features, see `usual_values`.
    """
    match model:
        case LoadGap():
            return _load_gap(model, frame, usual)
        case Fallback():
            parts = _fallback(model, frame)
        case Anchored():
            parts = _anchored(model, frame, usual)
        case MeanOf():
            parts = _mean(model, frame, usual)
        case Gbm():
            parts = trees(model, frame)
        case Linear():
            base, effects = model.contributions(frame)
            parts = Contributions(tuple(frame.names), np.full(len(frame), base), effects)
        case LinearPlusGbm():
            parts = contributions(model.linear, frame, usual).plus(trees(model.trees, frame))
        case GreyBox():
            parts = _grey_box(model, frame, usual)
        case _:
            parts = by_replacement(model.predict, frame, usual)
    return parts


def usual_values(frame: FeatureFrame) -> Usual:
    """Return median and spread of every feature; the most frequent code of a category."""
    median = frame.X.median()
    for name in frame.categories or {}:
        codes = frame.X[name].mode()
        median[name] = codes.iloc[0] if len(codes) else np.nan
    return Usual(median, frame.X.std())


def trees(model: Gbm, frame: FeatureFrame) -> Contributions:
    """Return LightGBM's own contributions; those of a logarithm in the unit of the quantity.

    Raises
    ------
    ModelError
        Not fitted.
    """
    if model.booster is None:
        raise ModelError("E-MODEL-NOT-FITTED", say("{name} was not fitted", name=model.name))
    raw = np.asarray(model.booster.predict(frame.X.to_numpy(), pred_contrib=True), dtype=np.float64)
    parts = Contributions(tuple(frame.names), raw[:, -1], raw[:, :-1])
    return of_logarithm(parts) if model.parameters.log_target else parts


def of_logarithm(parts: Contributions) -> Contributions:
    """Return contributions to a logarithm in the unit itself: shares of the difference they make together."""
    base, point = np.exp(parts.base), np.exp(parts.total)
    change = parts.total - parts.base
    even = np.abs(change) < 1e-12
    mean = np.where(even, base, (point - base) / np.where(even, 1.0, change))  # the logarithmic mean
    return Contributions(parts.names, base, parts.effects * mean[:, None])


def by_replacement(
    predict: Callable[[FeatureFrame], FloatArray], frame: FeatureFrame, usual: Usual
) -> Contributions:
    """Return contributions by setting families of inputs to their usual values, one after the other.

    A family's effect is put on that of its inputs which lies farthest from its usual value.
    """
    members: dict[str, list[str]] = {}
    for name in frame.names:
        members.setdefault(family_of(name), []).append(name)
    order = [f for f in FAMILIES if f in members]
    known = usual.median.reindex(frame.names)
    start = replace(frame, X=frame.X.assign(**{n: float(known[n]) for n in frame.names}), y=None)
    base = predict(start)
    effects = np.zeros((len(frame), len(frame.names)))
    leads = {f: _farthest(frame, members[f], usual) for f in order}
    rows = np.arange(len(frame))
    for names in (order, order[::-1]):
        shown, before = start, base
        for family in names:
            shown = replace(shown, X=shown.X.assign(**{n: frame.X[n] for n in members[family]}))
            after = predict(shown)
            effects[rows, leads[family]] += (after - before) / 2
            before = after
    return Contributions(tuple(frame.names), base, effects)


def _farthest(frame: FeatureFrame, names: list[str], usual: Usual) -> np.ndarray:
    """Return per row the position of the measured input that lies farthest from its usual value."""
    measured = [n for n in names if n in SCHEMA]
    shown = [n for n in measured if n in BULBS] or measured or names
    scale = usual.spread.reindex(shown).to_numpy(dtype=np.float64)
    away = np.abs(frame.X[shown].to_numpy() - usual.median.reindex(shown).to_numpy())
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.nan_to_num(away / scale, nan=0.0, posinf=0.0)
    place = np.array([frame.names.index(n) for n in shown])
    return np.asarray(place[distance.argmax(axis=1)])


def _load_gap(model: LoadGap, frame: FeatureFrame, usual: Usual) -> Contributions:
    parts = Contributions(
        tuple(frame.names), np.full(len(frame), np.nan), np.zeros((len(frame), len(frame.names)))
    )
    missing = model.missing(frame)
    for rows, inner in ((~missing, model.inner), (missing, model.without)):
        if rows.any():
            shown = frame.rows(rows)
            shown = shown if inner is model.inner else model.reduced(shown)
            found = contributions(inner, shown, usual)
            parts.base[rows] = found.base
            place = np.array([frame.names.index(n) for n in found.names])
            parts.effects[np.ix_(np.flatnonzero(rows), place)] = found.effects
    return parts


def _mean(model: MeanOf, frame: FeatureFrame, usual: Usual) -> Contributions:
    """Return the mean of the parts that have an answer, row by row."""
    told = [contributions(part, frame, usual) for part in model.parts]
    known = np.array([np.isfinite(t.total) for t in told])
    share = 1 / np.where(known.any(axis=0), known.sum(axis=0), np.nan)
    base = np.where(known, [t.base for t in told], 0.0).sum(axis=0) * share
    effects = np.where(known[:, :, None], [t.effects for t in told], 0.0).sum(axis=0) * share[:, None]
    return Contributions(told[0].names, base, effects)


def _anchored(model: Anchored, frame: FeatureFrame, usual: Usual) -> Contributions:
    inner = contributions(model.inner, frame, usual)
    reference = frame.X[model.column].to_numpy(dtype=np.float64)
    level = float(usual.median[model.column])
    effects = inner.effects.copy()
    effects[:, frame.names.index(model.column)] += reference - level
    return Contributions(inner.names, inner.base + level, effects)


def _fallback(model: Fallback, frame: FeatureFrame) -> Contributions:
    value = model.predict(frame)
    level = float(np.nanmedian(value)) if np.isfinite(value).any() else np.nan
    return Contributions((model.name,), np.full(len(frame), level), (value - level)[:, None])


def _grey_box(model: GreyBox, frame: FeatureFrame, usual: Usual) -> Contributions:
    """Return the trees' own contributions, and those of the smooth rest by replacement."""

    def per_kw(shown: FeatureFrame) -> FloatArray:
        if frame.quantity != "pue" or "it_power_kw" not in shown.X:
            return np.ones(len(shown))
        it = shown.X["it_power_kw"].to_numpy()
        return np.asarray(1 / np.where(it > 0, it, np.nan))

    def smooth(shown: FeatureFrame) -> FloatArray:
        return model.predict(shown) - model.trees.predict(model._filled(shown)) * per_kw(shown)

    own = trees(model.trees, model._filled(frame)).scaled(per_kw(frame))
    return by_replacement(smooth, frame, usual).plus(own)
