"""Hyper-parameters of our models, tuned where that pays.

What a search finds on its folds is asked again on rows that the search never saw: the newest stretch of a
data centre, stations that were left out of a fleet. It is used only if it errs less there by more than noise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from features.data_centre import Recipe
from features.errors import InsufficientDataError
from features.frame import FeatureFrame, FloatArray
from models.gbm import Gbm, GbmParameters, LinearPlusGbm
from models.load_gap import LoadGap
from models.quantity import Learned
from models.station_config import PARAMETERS, ConfigFold, measured
from training.choose import choose, competing
from training.search import Found, Gain, SearchPlan, paired_gain, search
from training.splits import rolling_origin

CONFIRM_SHARE = 0.2
"""Share of the time span, or of the stations, that the search does not see."""
BLOCKS = tuple(pd.Timedelta(length) for length in ("7D", "3D", "1D", "6h"))
LEAST_BLOCKS = 6
STATION_ROWS = 20_000
"""Rows of a fleet that a search looks at: it only chooses sizes of trees."""
STATION_FOLDS = 3
STATION_FIELDS = ("rounds", "learning_rate", "num_leaves", "min_data_in_leaf", "feature_fraction")
CENTRE_FIELDS = (*STATION_FIELDS, "lambda_l2")


@dataclass(frozen=True)
class Tuned:
    """What tuning came to.

    Parameters
    ----------
    parameters : GbmParameters
        Those found where they are better for sure, else those that it started from.
    found : Found or None
        What the search says; None where there was too little to search.
    gain : Gain or None
        Of what was found over what would answer untuned, on rows that the search never saw.
    candidate : str
        That was tuned; "" where there is no choice.
    """

    parameters: GbmParameters
    found: Found[GbmParameters] | None = None
    gain: Gain | None = None
    candidate: str = ""

    @property
    def name(self) -> str:
        """The candidate to use; "" where tuning did not pay and the choice is free."""
        return self.candidate if self.gain and self.gain.sure else ""

    def to_dict(self) -> dict[str, object]:
        """Return what the model card says about it."""
        if self.found is None or self.gain is None:
            return {"used": False, "trials": 0}
        return {
            "used": self.gain.sure, "candidate": self.candidate,
            "trials": self.found.finished + self.found.pruned, "pruned": self.found.pruned,
            "gain_on_folds": round(1 - self.found.best_loss / self.found.start_loss, 4),
            "gain_on_unseen_rows": round(self.gain.share, 4),
            "sure_gain": round(self.gain.lower, 4) if np.isfinite(self.gain.lower) else None,
        }  # fmt: skip


def tune_candidate(frame: FeatureFrame, recipe: Recipe, start: GbmParameters, plan: SearchPlan) -> Tuned:
    """Tune the best candidate of `training.choose` that listens to parameters.

    It is used only where it beats, on rows that neither choice nor search saw, the candidate that would have
    been chosen without tuning, be it the same one or another.

    Parameters
    ----------
    frame : FeatureFrame
        Measured rows, sorted by time; nothing sees rows outside it.
    recipe : Recipe
    start : GbmParameters
    plan : SearchPlan
    """
    older, _ = _by_time(frame)
    try:
        choice = choose(older, recipe, start)
    except InsufficientDataError:
        return Tuned(start)
    errors = {n: e for n, e in choice.errors.items() if n in tunable(recipe, start)}
    if not errors:
        return Tuned(start)
    name = min(errors, key=lambda n: errors[n])
    tuned = tune_gbm(
        frame, start, plan, lambda parameters: competing(recipe, parameters, name)[name],
        lambda: competing(recipe, start, choice.name)[choice.name],
    )  # fmt: skip
    return replace(tuned, candidate=name)


def tunable(recipe: Recipe, start: GbmParameters) -> set[str]:
    """Return the names of the candidates that would be fitted otherwise with other parameters."""
    other = start.with_(learning_rate=start.learning_rate / 2)
    ours, theirs = (competing(recipe, parameters) for parameters in (start, other))
    return {name for name in ours if _trees_of(ours[name]) != _trees_of(theirs[name])}


def _trees_of(model: object) -> list[GbmParameters]:
    """Return the parameters of the trees in an unfitted model; those of rows without load do not count."""
    if isinstance(model, Gbm):
        return [model.parameters]
    parts = vars(model).values() if hasattr(model, "__dict__") else ()
    inner = [p for part in parts for p in (part if isinstance(part, list | tuple) else (part,))]
    if isinstance(model, LoadGap):
        inner = [model.inner]
    return [found for part in inner if hasattr(part, "fit") for found in _trees_of(part)]


def tune_gbm(
    frame: FeatureFrame, start: GbmParameters, plan: SearchPlan, make: Callable[[GbmParameters], Learned],
    untuned: Callable[[], Learned] | None = None,
) -> Tuned:  # fmt: skip
    """Tune on a rolling origin over the older rows, confirm on the newest.

    Parameters
    ----------
    frame : FeatureFrame
        Measured rows, sorted by time.
    start : GbmParameters
    plan : SearchPlan
    make : callable
        Parameters -> model, unfitted.
    untuned : callable or None
        Returns what it must beat, unfitted; None: the same model with `start`.
    """
    older, newest = _by_time(frame)
    try:
        folds = rolling_origin(older)
    except InsufficientDataError:
        return Tuned(start)
    without: dict[int, LinearPlusGbm] = {}  # of rows without load: fitted once per fold while searching

    def losses(parameters: GbmParameters) -> Iterator[float]:
        for number, fold in enumerate(folds):
            model, train = make(parameters), older.rows(fold.train)
            if isinstance(model, LoadGap):
                without[number] = model.fit(train, without.get(number)).without
            else:
                model.fit(train)
            yield float(np.nanmean(_errors(model, older.rows(fold.test))))

    found = search(losses, start, plan, CENTRE_FIELDS)
    other = untuned() if untuned else make(start)
    last = frame.rows(newest)
    ours, theirs = (_errors(model.fit(older), last) for model in (make(found.best), other))
    gain = paired_gain(ours, theirs, time_blocks(last.keys["timestamp"]), plan.seed)
    return Tuned(found.best if gain.sure else start, found, gain)


def _errors(model: Learned, test: FeatureFrame) -> FloatArray:
    """Return absolute errors [unit of the quantity], shape (rows,)."""
    return np.abs(test.target() - model.predict(test))


def tune_stations(frame: FeatureFrame, plan: SearchPlan, start: GbmParameters = PARAMETERS) -> Tuned:
    """Tune the configuration model on folds of stations, confirm on stations left out.

    Parameters
    ----------
    frame : FeatureFrame
        From `features.base_station.build`.
    plan : SearchPlan
    start : GbmParameters
    """
    start = start.with_(seed=plan.seed)
    usable = frame.rows(measured(frame))
    part = usable.rows(np.arange(0, len(usable), max(1, len(usable) // STATION_ROWS)))
    site = part.keys["site_id"].to_numpy(dtype=str)
    stations = np.random.default_rng(plan.seed).permutation(np.unique(site))
    unseen = max(int(CONFIRM_SHARE * len(stations)), 2)
    if len(stations) - unseen < STATION_FOLDS:
        return Tuned(start)
    held = np.isin(site, stations[:unseen])
    seen = part.rows(~held)
    number = {name: i % STATION_FOLDS for i, name in enumerate(stations[unseen:])}
    fold = seen.keys["site_id"].map(number).to_numpy()

    def losses(parameters: GbmParameters) -> Iterator[float]:
        for k in range(STATION_FOLDS):
            yield float(_station_errors(seen.rows(fold != k), seen.rows(fold == k), parameters).mean())

    found = search(losses, start, plan, STATION_FIELDS)
    ours, other = (_station_errors(seen, part.rows(held), parameters) for parameters in (found.best, start))
    gain = paired_gain(ours, other, site[held], plan.seed)
    return Tuned(found.best if gain.sure else start, found, gain)


def _station_errors(train: FeatureFrame, test: FeatureFrame, parameters: GbmParameters) -> FloatArray:
    """Return absolute errors of the test stations' hours, as a share of their mean energy."""
    truth = test.target()
    point = np.exp(ConfigFold.fit(train, parameters).predict_log(test))
    loss: FloatArray = np.abs(truth - point) / truth.mean()
    return loss


def time_blocks(stamps: pd.Series) -> FloatArray:
    """Return a label per row: whole weeks, or the longest shorter blocks of which there are enough."""
    since = stamps - stamps.min()
    for length in BLOCKS:
        labels = (since // length).to_numpy(dtype=np.float64)
        if len(np.unique(labels)) >= LEAST_BLOCKS:
            break
    return np.asarray(labels)


def _by_time(frame: FeatureFrame) -> tuple[FeatureFrame, np.ndarray]:
    """Return the older rows and which rows are the newest."""
    stamps = frame.keys["timestamp"]
    moment = stamps.min() + (stamps.max() - stamps.min()) * (1 - CONFIRM_SHARE)
    newest = (stamps >= moment).to_numpy()
    return frame.rows(~newest), newest
