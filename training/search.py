"""Search for parameters that err less: Optuna over the ranges that stand on the parameter class.

A search sees some rows, fold by fold; whether what it found is really better is asked of others, block by
block. Only what wins there by more than noise is used, so that tuning costs time but never accuracy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import optuna
from optuna.trial import FixedTrial, TrialState

from features.frame import FloatArray
from features.telemetry import Telemetry
from models.search_space import IntRange, search_space

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    P = TypeVar("P", bound=DataclassInstance)
else:
    P = TypeVar("P")

UNPRUNED = 4
"""Trials that run to their end before others are compared with them."""
RANDOM = 8
"""Trials drawn at random before the sampler believes what it has seen."""
CONFIDENCE = 0.95
"""One-sided: how sure a gain must be to be used."""
DRAWS = 2000
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class SearchPlan:
    """How to search.

    Parameters
    ----------
    trials : int
        Sets of parameters to try, the start among them; trials found in `storage` count.
    seed : int
    storage : optuna.storages.BaseStorage or None
        Where trials are kept, so that a search that was stopped goes on; None: in memory.
    name : str
        Of the study in `storage`; it must name data and seed, for their trials do not mix.
    prune : bool
        Stop a trial that is worse than the median of the others after its first folds.
    """

    trials: int
    seed: int = 0
    storage: optuna.storages.BaseStorage | None = None
    name: str = "search"
    prune: bool = True

    def of(self, telemetry: Telemetry, *what: str) -> SearchPlan:
        """Return the plan of one search, named by its data, seed and what it is for."""
        sites = telemetry.site_ids
        about = [sites[0] if len(sites) == 1 else f"{len(sites)} sites", *what, f"seed {self.seed}"]
        return replace(self, name=" ".join([telemetry.content_hash()[:12], *about]))


@dataclass(frozen=True)
class Found(Generic[P]):
    """What a search found.

    Parameters
    ----------
    best : parameters
        With the smallest loss on the folds; the start where nothing beat it.
    start_loss, best_loss : float
        Mean loss over the folds.
    finished, pruned : int
        Trials that ran to their end, trials that were stopped early.
    """

    best: P
    start_loss: float
    best_loss: float
    finished: int
    pruned: int


def suggest(trial: optuna.trial.BaseTrial, start: P, only: Iterable[str] = ()) -> P:
    """Return `start` with every field that has a range, or those of `only`, drawn by the trial.

    Parameters
    ----------
    trial : optuna.trial.BaseTrial
    start : dataclass instance
        Its class carries the ranges, see `models.search_space`.
    only : iterable of str
        Fields to draw; empty: all that have a range.
    """
    drawn: dict[str, Any] = {}
    space = search_space(type(start))
    for name in tuple(only) or tuple(space):
        span = space[name]
        if isinstance(span, IntRange):
            drawn[name] = trial.suggest_int(name, span.low, span.high, log=span.log)
        else:
            drawn[name] = trial.suggest_float(name, span.low, span.high, log=span.log)
    return replace(start, **drawn)


def search(
    losses: Callable[[P], Iterable[float]], start: P, plan: SearchPlan, only: Iterable[str] = ()
) -> Found[P]:
    """Look for parameters with a smaller mean loss than `start`'s.

    Parameters
    ----------
    losses : callable
        Parameters -> one loss per fold, computed as they are asked for: a trial that is stopped early never
        pays for the folds that are left. Cheap folds come first.
    start : dataclass instance
        Tried first.
    plan : SearchPlan
    only : iterable of str
        Fields to change; empty: all that have a range.

    Returns
    -------
    Found
        The same for the same plan and losses, also when it was stopped and resumed.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    fields = tuple(only) or tuple(search_space(type(start)))
    study = _study(plan, {name: getattr(start, name) for name in fields})

    def mean_loss(trial: optuna.Trial) -> float:
        total = 0.0
        for fold, loss in enumerate(losses(suggest(trial, start, fields))):
            total += loss
            trial.report(total / (fold + 1), fold)
            if trial.should_prune():
                raise optuna.TrialPruned
        return total / (fold + 1)

    while (done := len(study.get_trials(deepcopy=False, states=FINISHED))) < plan.trials:
        # one seed per trial: a resumed search goes on exactly as one that was never stopped
        study.sampler = optuna.samplers.TPESampler(
            seed=int(np.random.SeedSequence([plan.seed, done]).generate_state(1)[0]), n_startup_trials=RANDOM
        )
        study.optimize(mean_loss, n_trials=1)
    return _found(study, start, fields)


def _study(plan: SearchPlan, first: dict[str, Any]) -> optuna.Study:
    """Return a new study that tries `first` first, or the one that was begun."""
    pruner = optuna.pruners.MedianPruner(UNPRUNED) if plan.prune else optuna.pruners.NopPruner()
    study = optuna.create_study(
        storage=plan.storage, study_name=plan.name, pruner=pruner, load_if_exists=True
    )
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)  # its process was stopped
    if not study.get_trials(deepcopy=False, states=(*FINISHED, TrialState.WAITING)):
        study.enqueue_trial(first)
    return study


def _found(study: optuna.Study, start: P, fields: tuple[str, ...]) -> Found[P]:
    trials = study.get_trials(deepcopy=False, states=FINISHED)
    complete = [t for t in trials if t.state == TrialState.COMPLETE and t.value is not None]
    first = complete[0]  # the start: nothing that it could be pruned against came before it
    best = min(complete, key=lambda t: (float(t.value or 0.0), t.number))
    return Found(
        suggest(FixedTrial(best.params), start, fields) if best is not first else start,
        float(first.value or 0.0), float(best.value or 0.0), len(complete), len(trials) - len(complete),
    )  # fmt: skip


@dataclass(frozen=True)
class Gain:
    """By how much one loss is smaller than another, as a share of the other.

    Parameters
    ----------
    share : float
        1 - loss / other loss [1]; negative where it is larger.
    lower : float
        One-sided lower bound at `CONFIDENCE` [1].
    blocks : int
        Blocks that it rests on.
    """

    share: float
    lower: float
    blocks: int

    @property
    def sure(self) -> bool:
        """Whether it is a gain by more than noise."""
        return self.lower > 0


def paired_gain(ours: FloatArray, other: FloatArray, block: FloatArray, seed: int = 0) -> Gain:
    """Compare two sets of losses on the same rows, which are alike within a block.

    Parameters
    ----------
    ours, other : numpy.ndarray, shape (rows,)
        Losses of the same rows; rows where either is NaN do not count.
    block : numpy.ndarray, shape (rows,)
        Label of the row's block: a week, a station.
    seed : int
        Of the bootstrap over blocks.
    """
    both = np.isfinite(ours) & np.isfinite(other)
    codes = np.unique(block[both], return_inverse=True)[1]
    blocks = int(codes.max()) + 1 if len(codes) else 0
    if blocks < 2 or not other[both].sum() > 0:
        return Gain(0.0, float("-inf"), blocks)
    sums = [np.bincount(codes, weights=loss[both]) for loss in (ours, other)]
    draws = np.random.default_rng(seed).integers(0, blocks, (DRAWS, blocks))
    drawn = [s[draws].sum(axis=1) for s in sums]
    shares = 1 - drawn[0] / np.maximum(drawn[1], np.finfo(np.float64).tiny)
    lower = float(np.quantile(shares, 1 - CONFIDENCE))
    return Gain(float(1 - sums[0].sum() / sums[1].sum()), lower, blocks)
