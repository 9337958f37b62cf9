"""What a data centre needs besides its servers, as it was run before a change: fitted on that period alone.

Cooling and power chain are linear in smooth functions of weather and heat load and, where set-points were
tested, of the set-points. Which functions is decided by weeks that were withheld.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import InsufficientDataError
from features.frame import FloatArray
from features.message import Message, say
from features.operation import BoolArray, Operation
from models.folded_ridge import FoldedRidge, fit_folded_ridge
from models.held_out import spikes
from models.lever_basis import LeverBasis
from models.lever_habit import LeverHabit, at_usual, settled
from models.site_scorer import fit_trees, tree_features

LEAST_BEFORE_DAYS = 28
"""Four weeks: fewer cannot be withheld in turn, nor tell a weekly rhythm."""
SECOND_MEMBERS = 3
LEAST_STRETCHES, MOST_STRETCHES = 4, 12
COOLING, CHAIN = 0, 1
"""Columns of the targets: cooling (or all overhead) and the rest, which is the power chain."""


@dataclass(frozen=True)
class Form:
    """Which functions a baseline is made of besides weather and load."""

    levers: bool
    days: bool
    hours: bool

    @property
    def name(self) -> Message:
        """What the model follows, in words."""
        parts = [
            say("weather and IT load"),
            *([say("tested set-points")] if self.levers else []),
            *([say("weather of the last day")] if self.days else []),
            *([say("hour of the day and weekend")] if self.hours else []),
        ]
        return Message.joined(", ", parts)


@dataclass(frozen=True)
class SiteBaseline:
    """The fitted baseline.

    Parameters
    ----------
    form : Form
    basis : LeverBasis
    ridge : FoldedRidge
        Targets: cooling and power chain [kW].
    rows : numpy.ndarray of bool, shape (n,)
        Steps of the grid that it was fitted on.
    levers : tuple of str
        Tested set-points.
    errors : dict
        Form tried -> root-mean-square error on withheld weeks [kW].
    marginal : float
        Cooling and losses per IT power, on average over the fitted steps [1].
    set_aside : int
        Steps left out as readings of a faulty meter.
    hours : float
        Length of a step [h].
    second : tuple of lightgbm.Booster
        Cooling by a model of another form, on the same steps: where the two differ, the interval says so.
    """

    form: Form
    basis: LeverBasis
    ridge: FoldedRidge
    rows: BoolArray
    levers: tuple[str, ...]
    errors: dict[str, float]
    marginal: float
    set_aside: int
    hours: float
    second: tuple[lgb.Booster, ...]

    def terms(self, operation: Operation, it_kw: FloatArray) -> FloatArray:
        """Return the terms of a whole grid, shape (n, terms)."""
        return _terms(self.form, self.basis, operation.only_levers(self.levers), it_kw)

    def second_cooling(self, operation: Operation, it_kw: FloatArray) -> FloatArray:
        """Return cooling by the second model [kW], shape (n,); for steady set-points."""
        if not len(operation):
            return np.zeros(0)
        rows = tree_features(operation.only_levers(self.levers), it_kw, steady=True)
        told = [np.asarray(t.predict(rows, num_threads=1)) for t in self.second]
        return np.asarray(np.mean(told, axis=0), dtype=np.float64)

    def season_error(self, operation: Operation, days: float) -> FloatArray:
        """Return the mean errors of whole stretches of time that were withheld [kW], shape (stretches,).

        A stretch is as long as the period to be judged, but there are at least `LEAST_STRETCHES`: what the
        fit says of a season that it has not seen.
        """
        alone = operation.only_levers(self.levers)
        terms = _terms(self.form, self.basis, alone, operation.it_kw)
        penalty = _penalty(self.form, self.basis, alone, terms.shape[1])
        target = operation.facility_kw - operation.it_kw
        length = float(self.rows.sum()) * operation.hours / 24
        folds = int(np.clip(length // max(days, 7.0), LEAST_STRETCHES, MOST_STRETCHES))
        week = operation.week[self.rows]
        ridge = fit_folded_ridge(
            terms[self.rows], target[self.rows, None], week, penalty, folds=folds, whole=True
        )
        labels, place = np.unique(week, return_inverse=True)
        stretch = place * min(folds, len(labels)) // len(labels)
        error = target[self.rows] - ridge.withheld[:, 0]
        means: FloatArray = np.bincount(stretch, error) / np.bincount(stretch)
        return means

    def withheld(self) -> FloatArray:
        """Return what was foretold of withheld weeks on the whole grid [kW], shape (n, 2); NaN elsewhere."""
        whole = np.full((len(self.rows), self.ridge.withheld.shape[1]), np.nan)
        whole[self.rows] = self.ridge.withheld
        return whole


def fit_site_baseline(
    operation: Operation, before: BoolArray, habits: dict[str, LeverHabit], seed: int
) -> SiteBaseline:
    """Fit the baseline on the steps before the change.

    Raises
    ------
    InsufficientDataError
        Fewer than `LEAST_BEFORE_DAYS` of fully measured steps.
    """
    levers = tuple(n for n, h in habits.items() if h.manner == "tested")
    targets = np.column_stack(
        [operation.overhead_kw, operation.facility_kw - operation.it_kw - operation.overhead_kw]
    )
    known = before & usable(operation) & at_usual(operation, habits) & settled(operation, habits)
    _check_enough(operation, known)
    basis = LeverBasis.learn(operation.only_levers(levers), known)
    forms = [Form(bool(levers), days, hours) for days, hours in product((False, True), repeat=2)]
    alone = operation.only_levers(levers)
    tried = [_fit(form, basis, alone, known, targets) for form in forms]
    errors = {str(f.name): e for f, (_, _, e) in zip(forms, tried, strict=True)}
    best = int(np.argmin([e for _, _, e in tried]))
    ridge, rows, _ = tried[best]
    odd = int(known.sum() - rows.sum())
    second = fit_trees(alone, rows, seed, SECOND_MEMBERS)
    more = [_terms(forms[best], basis, alone, k * operation.it_kw)[rows] for k in (1.0, 1.02)]
    extra = float((ridge.sums(more[1]) - ridge.sums(more[0]))[0].sum())
    marginal = extra / (0.02 * float(operation.it_kw[rows].sum()))
    return SiteBaseline(
        forms[best], basis, ridge, rows, levers, errors, marginal, odd, operation.hours, second
    )


def usable(operation: Operation) -> BoolArray:
    """Return the steps with weather, IT power, cooling (where metered) and facility power."""
    parts = [operation.dry_bulb_c, operation.wet_bulb_c, operation.it_kw, operation.overhead_kw]
    known = np.isfinite(np.column_stack([*parts, operation.facility_kw])).all(axis=1)
    return np.asarray(known & (operation.it_kw > 0), dtype=np.bool_)


def _check_enough(operation: Operation, known: BoolArray) -> None:
    days = float(known.sum()) * operation.hours / 24
    if days < LEAST_BEFORE_DAYS:
        raise InsufficientDataError(
            "E-VERIFY-BEFORE",
            say("{days:.0f} fully measured days before the change are too few for a baseline", days=days),
            "--before",
            say("give at least {least} days of the operation before the change", least=LEAST_BEFORE_DAYS),
        )


def _fit(
    form: Form, basis: LeverBasis, operation: Operation, known: BoolArray, targets: FloatArray
) -> tuple[FoldedRidge, BoolArray, float]:
    """Fit one form; a reading that no other step is like is set aside. Returns its error too [kW]."""
    terms = _terms(form, basis, operation, operation.it_kw)
    penalty = _penalty(form, basis, operation, terms.shape[1])
    rows = known & np.isfinite(terms).all(axis=1)
    ridge = fit_folded_ridge(terms[rows], targets[rows], operation.week[rows], penalty)
    usual = float(np.median(operation.facility_kw[rows]))
    odd = spikes((targets[rows] - ridge.withheld).sum(axis=1), usual)
    if odd.any():
        rows[np.flatnonzero(rows)[odd]] = False
        ridge = fit_folded_ridge(terms[rows], targets[rows], operation.week[rows], penalty)
    residual = (targets[rows] - ridge.withheld).sum(axis=1)
    return ridge, rows, float(np.sqrt((residual**2).mean()))


def _terms(form: Form, basis: LeverBasis, operation: Operation, it_kw: FloatArray) -> FloatArray:
    weather = basis.surface_terms if form.levers else basis.weather_terms
    blocks = [weather(operation, it_kw)]
    if form.days:
        blocks.append(_last_day(operation))
    if form.hours:
        blocks.append(_hours(operation.hour_of_week))
    return np.hstack(blocks)


def _penalty(form: Form, basis: LeverBasis, operation: Operation, width: int) -> FloatArray:
    given = basis.surface_penalty(operation) if form.levers else np.ones(0)
    return np.concatenate([given, np.ones(width - len(given))])


def _last_day(operation: Operation) -> FloatArray:
    """Return dry and wet bulb of the last 24 hours and their hinges [10 K], shape (n, terms)."""
    steps = max(round(24 / operation.hours), 1)
    means = [
        pd.Series(t).rolling(steps, min_periods=1).mean().to_numpy() / 10.0
        for t in (operation.dry_bulb_c, operation.wet_bulb_c)
    ]
    return np.column_stack([*means, *(np.maximum(m - k, 0.0) for m in means for k in (0.5, 1.5, 2.0))])


def _hours(hour_of_week: npt.NDArray[np.int64]) -> FloatArray:
    """Return one column per hour of the day, and per hour of the weekend's days, shape (n, 48)."""
    hour = np.eye(24)[hour_of_week % 24]
    return np.hstack([hour, hour * (hour_of_week >= 5 * 24)[:, None]])
