"""Fit, calibrate and backtest the models of data centres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from features.data_centre import ForecastOrEstimate, Recipe, build, recipe_for, supported_quantities
from features.errors import InsufficientDataError, UsageError
from features.frame import FeatureFrame, FloatArray
from features.message import Message, say
from features.operation import operation_of
from features.telemetry import Telemetry
from models.base import Regressor
from models.baselines import Linear, SiteMean, past_value_baselines
from models.bundle import Progress
from models.data_centre import DataCentreBundle, SiteModels, WhatIf
from models.gbm import Gbm, GbmParameters
from models.identifiability import lever_evidence
from models.metrics import coverage, relative_width, score_table
from models.quantity import QuantityModel
from models.site_response import fit_site_response
from models.site_scorer import fit_site_scorer
from models.store import ModelCard, card_of, seal
from training.choose import NOMINAL, choose, residuals_of
from training.jobs import run_jobs
from training.result import BACKTEST_COLUMNS, Backtest, provenance
from training.tune import tune_gbm

HELD_BACK = 0.15
"""Share of the newest rows on which the card's errors and coverage are measured."""
TEST_SHARE = 0.3
"""Share of the newest rows that a backtest holds back."""


@dataclass(frozen=True)
class Trained:
    """A model with the numbers that the card shows."""

    model: QuantityModel
    about: dict[str, Any]


def fit(
    telemetry: Telemetry,
    *,
    target: str | None = None,
    trials: int = 0,
    seed: int = 0,
    progress: Progress | None = None,
) -> DataCentreBundle:
    """Fit every model that the telemetry allows; see `training.fit.fit_bundle`."""
    quantities = _wanted(telemetry, target)
    done, notes = run_jobs(
        telemetry, quantities, lambda one, quantity, task: _train(one, quantity, task, trials, seed), progress
    )
    trained: dict[str, dict[str, Trained]] = {s: {} for s in telemetry.site_ids}
    for (site, quantity, task), result in done.items():
        trained[site][f"{quantity}-{task}"] = result
    if not any(trained.values()):
        raise InsufficientDataError(
            "E-TRAIN-ROWS",
            say("too few measured rows for any model"),
            "; ".join(notes)[:300] or say("the export"),
            say("export at least two weeks of hourly rows with a power meter"),
        )
    if progress:
        progress(say("what-if models"), 0.9)
    what_ifs = {s: _fit_what_if(telemetry, s, seed, notes) for s in telemetry.site_ids}
    sites = {
        s: SiteModels({n: t.model for n, t in trained[s].items()}, what_ifs[s]) for s in telemetry.site_ids
    }
    card = _card(telemetry, trained, what_ifs, notes, seed)
    bundle = DataCentreBundle(card, sites)
    if progress:
        progress(say("done"), 1.0)
    return bundle.with_card(seal(card, bundle.to_files()))


def _wanted(telemetry: Telemetry, target: str | None) -> list[str]:
    supported = supported_quantities(telemetry)
    if target is not None:
        if target not in supported:
            raise UsageError(
                "E-TARGET",
                say("{target!r} cannot be predicted from this export", target=target),
                Message.joined(", ", telemetry.site_ids[:3]),
                say(
                    "choose one of: {supported}",
                    supported=Message.joined(", ", supported) or say("none (no power was measured)"),
                ),
            )
        return [target]
    if not supported:
        raise InsufficientDataError(
            "E-TRAIN-TARGET",
            say("the export holds no facility, IT or cooling power in at least 200 rows"),
            Message.joined(", ", telemetry.site_ids[:3]),
            say("export a power meter at the site's level"),
        )
    return supported


def _train(telemetry: Telemetry, quantity: str, task: ForecastOrEstimate, trials: int, seed: int) -> Trained:
    recipe = recipe_for(telemetry, quantity, task)
    frame = build(telemetry, recipe)
    known = frame.measured()
    past, newest = _split(known, HELD_BACK)
    parameters = GbmParameters(seed=seed)
    if trials:
        parameters = tune_gbm(past, parameters, trials, seed)
    choice = choose(past, recipe, parameters)
    then = choice.fitted(past)
    held_out = then.predict(newest, "")
    model = choice.fitted(known, residuals_of(then.model, newest))
    about = {
        "site": telemetry.site_ids[0],
        "quantity": quantity,
        "task": task,
        "model": choice.name,
        "chosen_by": {n: _rounded(e) for n, e in choice.errors.items()},
        "features": frame.names,
        "schema_hash": frame.hash,
        "coverage_nominal": NOMINAL,
        "coverage_measured": _rounded(coverage(newest.target(), held_out.lower, held_out.upper)),
        "held_out": {
            "start": str(newest.keys["timestamp"].min()),
            "end": str(newest.keys["timestamp"].max()),
            "ours": _scores(newest.target(), held_out.point),
            **{m.name: _scores(newest.target(), m.fit(past).predict(newest)) for m in reference_models()},
        },
    }
    return Trained(model, about)


def reference_models() -> tuple[Regressor, ...]:
    """Return the baselines that every report shows, unfitted."""
    return (*past_value_baselines(), SiteMean(), Linear())


def _split(frame: FeatureFrame, newest: float) -> tuple[FeatureFrame, FeatureFrame]:
    """Return the older rows and the newest share of the time span (rows are sorted by time)."""
    stamps = frame.keys["timestamp"]
    moment = stamps.iloc[0] + (stamps.iloc[-1] - stamps.iloc[0]) * (1 - newest)
    older = (stamps < moment).to_numpy()
    return frame.rows(older), frame.rows(~older)


def _fit_what_if(telemetry: Telemetry, site: str, seed: int, notes: list[str]) -> WhatIf | None:
    try:
        operation = operation_of(telemetry, site)
    except InsufficientDataError as error:
        notes.append(say("{site}: no set-point advice: {what}", site=site, what=error.what))
        return None
    evidence = lever_evidence(operation)
    levers = tuple(n for n, e in evidence.items() if e.identified)
    about = {n: e.to_dict() for n, e in evidence.items()}
    reasons = tuple(e.reason for e in evidence.values())
    if not levers:
        return WhatIf((), about, reasons)
    chosen = operation.only_levers(levers)
    even = chosen.week % 2 == 0
    try:
        return WhatIf(
            levers,
            about,
            reasons,
            fit_site_response(chosen, even, seed),
            fit_site_scorer(chosen, ~even, seed),
        )
    except InsufficientDataError as error:
        notes.append(say("{site}: no set-point advice: {what}", site=site, what=error.what))
        return WhatIf((), about, (*reasons, error.what))


def _card(
    telemetry: Telemetry,
    trained: dict[str, dict[str, Trained]],
    what_ifs: dict[str, WhatIf | None],
    notes: list[str],
    seed: int,
) -> ModelCard:
    entries: dict[str, dict[str, object]] = {}
    for site, models in trained.items():
        for name, one in models.items():
            entries[name if len(trained) == 1 else f"{site}/{name}"] = one.about
    for site, what_if in what_ifs.items():
        if what_if is not None:
            notes.extend(say("{site}: {reason}", site=site, reason=reason) for reason in what_if.reasons)
    return card_of(telemetry, entries, tuple(notes), seed)


def backtest(
    telemetry: Telemetry, *, target: str | None = None, seed: int = 0, progress: Progress | None = None
) -> Backtest:
    """Hold the newest 30 % of every site back, choose and calibrate on the rest; see `training.backtest`."""
    done, skipped = run_jobs(
        telemetry,
        _wanted(telemetry, target),
        lambda one, quantity, task: _backtest_one(one, quantity, task, seed),
        progress,
    )
    rows = [row for result in done.values() for row in result]
    notes = [
        say(
            "The newest {share:.0%} of the time span of every site were held back; choice, "
            "fit and intervals used the rest only.",
            share=TEST_SHARE,
        ),
        say(
            "'persistence' knows the value one step before, 'same hour ...' older ones; an "
            "estimate knows the load of the same step, a forecast nothing younger than 24 h."
        ),
        *skipped,
    ]
    if not rows:
        raise InsufficientDataError(
            "E-BACKTEST-ROWS",
            say("too few rows to hold any back"),
            Message.joined(", ", telemetry.site_ids[:3]),
            Message.joined("; ", notes[2:]),
        )
    if progress:
        progress(say("done"), 1.0)
    return Backtest(
        pd.DataFrame(rows, columns=list(BACKTEST_COLUMNS)), tuple(notes), provenance(telemetry, seed)
    )


def _backtest_one(
    telemetry: Telemetry, quantity: str, task: ForecastOrEstimate, seed: int
) -> list[dict[str, object]]:
    recipe: Recipe = recipe_for(telemetry, quantity, task)
    known = build(telemetry, recipe).measured()
    past, test = _split(known, TEST_SHARE)
    choice = choose(past, recipe, GbmParameters(seed=seed))
    truth = test.target()
    split = f"newest {TEST_SHARE:.0%} held back"
    common = {"problem": task, "split": split, "quantity": quantity}
    ours = choice.fitted(past).predict(test, "")
    rows: list[dict[str, object]] = [
        {
            **common,
            "model": f"advisor ({choice.name})",
            "ours": True,
            **score_table(truth, ours.point),
            "coverage": coverage(truth, ours.lower, ours.upper),
            "nominal": NOMINAL,
            "width": relative_width(ours.lower, ours.upper, truth),
        }
    ]
    others: list[Regressor] = [*reference_models(), Gbm("LightGBM", GbmParameters(seed=seed))]
    for model in others:
        predicted = model.fit(past).predict(test)
        rows.append(
            {
                **common,
                "model": model.name,
                "ours": False,
                **score_table(truth, predicted),
                "coverage": np.nan,
                "nominal": np.nan,
                "width": np.nan,
            }
        )
    return rows


def _scores(truth: FloatArray, predicted: FloatArray) -> dict[str, float]:
    return {name: _rounded(value) for name, value in score_table(truth, predicted).items()}


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
