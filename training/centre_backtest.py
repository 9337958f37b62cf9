"""Backtest of data centres: the newest time, whole weeks and whole sites held back, beside the baselines.

Every model, ours and the baselines, gets its intervals from the same layer (`models.interval`), calibrated on
its own residuals of the same inner folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from features.data_centre import CALENDAR, PLANT, ForecastOrEstimate, Recipe, build, recipe_for
from features.errors import InsufficientDataError
from features.frame import FeatureFrame, FloatArray
from features.message import Message, say
from features.telemetry import Telemetry
from models.base import Regressor
from models.bundle import Progress
from models.gbm import Gbm
from models.interval import HeldOut, Intervals
from models.learners import Selected
from models.metrics import interval_columns, no_interval, score_table
from training.choose import NOMINAL, TREES, choose
from training.data_centre import newest_share, reference_models, wanted_quantities
from training.domain_rates import domain_rates
from training.jobs import run_jobs
from training.result import BACKTEST_COLUMNS, DOMAIN_COLUMNS, Backtest, provenance
from training.splits import TimeFold, one_week_per_month, rolling_origin, site_folds, weeks_of, withheld_weeks

TEST_SHARE = 0.3
"""Share of the newest rows that a backtest holds back."""
NEWEST = f"newest {TEST_SHARE:.0%} held back"
WEEKS = "one whole week per month withheld"
SITES = "whole sites held out"
UNMEASURED = ", nothing measured since"
LEAST_WEEKS = 3
WITHOUT_PLANT = "estimate without plant temperatures"
WITH_PLANT = "estimate with plant temperatures"

Row = dict[str, object]


@dataclass(frozen=True)
class Case:
    """One table of the report: rows to learn from and rows to score."""

    problem: str
    split: str
    recipe: Recipe
    past: FeatureFrame
    test: FeatureFrame
    folds: list[TimeFold] | None = None
    """Inner folds; None: rolling origin."""


@dataclass(frozen=True)
class Answer:
    """What one model says of the test rows [unit of the quantity], shape (rows,) each."""

    model: str
    ours: bool
    point: FloatArray
    bounds: tuple[FloatArray, FloatArray] | None = None
    still: tuple[FloatArray, FloatArray] | None = None
    """Bounds as if nothing had been measured after training."""


def backtest(
    telemetry: Telemetry, *, target: str | None = None, seed: int = 0, progress: Progress | None = None
) -> Backtest:
    """Judge every model on rows that it did not see; see `training.backtest`."""
    quantities = wanted_quantities(telemetry, target)
    done, skipped = run_jobs(
        telemetry, quantities, lambda one, quantity, task: judged(one, quantity, task, seed), progress
    )
    rows = [row for found, _ in done.values() for row in found]
    rates = [rate for _, found in done.values() for rate in found]
    for quantity in quantities:
        rows += _held_out_sites(telemetry, quantity, seed)
    notes = [*_notes(rows), *skipped]
    if not rows:
        raise InsufficientDataError(
            "E-BACKTEST-ROWS",
            say("too few rows to hold any back"),
            Message.joined(", ", telemetry.site_ids[:3]),
            Message.joined("; ", skipped),
        )
    if progress:
        progress(say("done"), 1.0)
    return Backtest(
        pd.DataFrame(rows, columns=list(BACKTEST_COLUMNS)),
        tuple(notes),
        provenance(telemetry, seed),
        pd.DataFrame(rates, columns=list(DOMAIN_COLUMNS)),
    )


def judged(
    telemetry: Telemetry, quantity: str, task: ForecastOrEstimate, seed: int
) -> tuple[list[Row], list[Row]]:
    """Return the rows of the table and of the domain's table for one site, quantity and task."""
    rows: list[Row] = []
    rates: list[Row] = []
    for problem, recipe in _problems(telemetry, quantity, task).items():
        known = build(telemetry, recipe).measured()
        past, test = newest_share(known, TEST_SHARE)
        cases = [Case(problem, NEWEST, recipe, past, test)]
        week = one_week_per_month(known)
        # a forecast is asked for the time after the data; weeks say the same with and without the plant
        if (
            task == "estimate"
            and problem != WITHOUT_PLANT
            and len(set(weeks_of(known.rows(week)))) >= LEAST_WEEKS
        ):
            cases.append(Case(problem, WEEKS, recipe, known.rows(~week), known.rows(week)))
        for case in cases:
            rows += _scored(case, seed)
            rates += domain_rates(case.past, case.test, problem=problem, split=case.split)
    return rows, rates


def _problems(telemetry: Telemetry, quantity: str, task: ForecastOrEstimate) -> dict[str, Recipe]:
    whole = recipe_for(telemetry, quantity, task)
    less = replace(whole, columns=tuple(c for c in whole.columns if c not in PLANT))
    if less == whole or not less.columns:
        return {task: whole}
    return {WITHOUT_PLANT: less, WITH_PLANT: whole}


def _scored(case: Case, seed: int) -> list[Row]:
    """Return one row per model: ours, chosen and fitted without the test rows, then the baselines."""
    past, test = case.past, case.test
    truth, block = test.target(), weeks_of(test)
    if case.split.startswith(SITES):
        block = pd.factorize(test.keys["site_id"])[0].astype(np.float64)
    choice = choose(past, case.recipe, TREES.with_(seed=seed), folds=case.folds)
    fitted = choice.fitted(past)
    ours = fitted.predict(test, "")
    blind = replace(test, y=None)
    still = fitted.predict(blind, "")
    name = f"advisor ({choice.name})"
    answers = [Answer(name, True, ours.point, (ours.lower, ours.upper), (still.lower, still.upper))]
    for model in (*reference_models(), *plain_trees(case.recipe, seed)):
        held = _held_out(model, past, case)
        point = model.fit(past).predict(test)
        try:
            intervals = Intervals.calibrate(held, case.recipe.task, NOMINAL).knowing(past)
        except InsufficientDataError:  # no past value in the folds: the point is shown without interval
            answers.append(Answer(model.name, False, point))
            continue
        known, unknown = (
            _with_floor(*intervals.bounds(frame, point), point, test.quantity) for frame in (test, blind)
        )
        answers.append(Answer(model.name, False, point, known, unknown))
    rows: list[Row] = []
    # a forecast rests on the target's past: without measured values there is none
    for what in ("", UNMEASURED) if case.recipe.task == "estimate" else ("",):
        common = {"problem": case.problem, "split": case.split + what, "quantity": test.quantity}
        for answer in answers:
            bounds = answer.still if what else answer.bounds
            interval = no_interval() if bounds is None else interval_columns(truth, *bounds, NOMINAL, block)
            told = {"model": answer.model, "ours": answer.ours}
            rows.append({**common, **told, **score_table(truth, answer.point), **interval})
    return rows


def plain_trees(recipe: Recipe, seed: int) -> list[Regressor]:
    """Return LightGBM on all features and, for an estimate, on the columns of the export and the calendar."""
    models: list[Regressor] = [Gbm("LightGBM", TREES.with_(seed=seed))]
    if recipe.task == "estimate":
        bare = Gbm("LightGBM, columns of the step", TREES.with_(seed=seed))
        models.append(Selected(bare, (*recipe.columns, *CALENDAR)))
    return models


def _held_out(model: Regressor, past: FeatureFrame, case: Case) -> list[HeldOut]:
    """Return a baseline's answers on the same inner folds as ours."""
    held = []
    for fold in case.folds or rolling_origin(past):
        rows = past.rows(fold.test if fold.beyond is None else fold.beyond)
        held.append(HeldOut(rows, model.fit(past.rows(fold.train)).predict(rows)))
    if case.recipe.task == "estimate" and case.folds is None:
        for fold in withheld_weeks(past):
            rows = past.rows(fold.test)
            held.append(HeldOut(rows, model.fit(past.rows(fold.train)).predict(rows), ahead=False))
    return held


def _with_floor(
    lower: FloatArray, upper: FloatArray, point: FloatArray, quantity: str
) -> tuple[FloatArray, FloatArray]:
    """Return the bounds with the same physical floor as ours."""
    floor = 1.0 if quantity == "pue" else 0.0
    return np.minimum(np.maximum(lower, floor), point), np.maximum(upper, point)


def _held_out_sites(telemetry: Telemetry, quantity: str, seed: int) -> list[Row]:
    """Return scores on sites that the model never saw; none with one site or without common inputs."""
    if len(telemetry.site_ids) < 2:
        return []
    try:
        recipe = recipe_for(telemetry, quantity, "estimate")
        known = build(telemetry, recipe).measured()
        rows: list[Row] = []
        # one table per fold: sites differ too much in size to be added up
        for number, fold in enumerate(site_folds(known), 1):
            past, test = known.rows(fold.train), known.rows(fold.test)
            # inner folds by site, so that intervals know what another site costs; by time with one site only
            inner = site_folds(past) or None
            rows += _scored(Case("estimate", f"{SITES}, fold {number}", recipe, past, test, inner), seed)
    except InsufficientDataError:
        return []
    return rows


def _notes(rows: Sequence[Row]) -> list[str]:
    notes: list[str] = [
        say(
            "The newest {share:.0%} of the time span of every site were held back, or one whole week per "
            "month (the one from the second Monday); choice, fit and intervals used the rest only.",
            share=TEST_SHARE,
        ),
        say(
            "'persistence' knows the value one step before, 'same hour ...' older ones. An estimate knows no "
            "past value of what it estimates, and a forecast nothing younger than 24 h: 'persistence' is "
            "comparable with neither, 'same hour ...' with a forecast only."
        ),
        say(
            "Every model has intervals of the same kind, from its own held-out residuals. They follow "
            "measured values older than the row (forecast: than a day before it); points of estimates never "
            "do; tables 'nothing measured since' show the intervals without such values. Coverage in "
            "brackets: 95 % bootstrap of whole weeks (of sites where sites are held out)."
        ),
        say(
            "Training domain: a hit is a set-point or weather value more than a tenth of its range outside, "
            "or a pair left out of training; a false alarm is any other held-out row with known inputs that "
            "was called outside."
        ),
    ]
    if any(row["split"] == WEEKS for row in rows):
        notes.append(
            say("Withheld weeks are judged with all inputs; without plant temperatures see the newest rows.")
        )
    return notes
