"""Fit and calibrate the models of data centres."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from optuna.storages import BaseStorage

from features.data_centre import ForecastOrEstimate, build, recipe_for, supported_quantities
from features.errors import InsufficientDataError, UsageError
from features.frame import FeatureFrame, FloatArray
from features.message import Message, say
from features.operation import operation_of
from features.telemetry import Telemetry
from models.base import Regressor
from models.baselines import Linear, SiteMean, past_value_baselines
from models.bundle import Progress
from models.cold_start import ColdStart, prior_domain
from models.data_centre import DataCentreBundle, SiteModels, WhatIf
from models.identifiability import lever_evidence
from models.metrics import coverage, score_table
from models.quantity import QuantityModel
from models.regime import daily_levels
from models.site_response import fit_site_response
from models.site_scorer import fit_site_scorer
from models.store import ModelCard, card_of, seal
from training.choose import NOMINAL, TREES, choose, residuals_of
from training.cold_start import LEAST_FULL_DAYS, calibrated_priors, prior_quantities, too_short
from training.gate import Refused, admitted, closed, judge, rivals
from training.jobs import run_jobs
from training.search import SearchPlan
from training.tune import tune_candidate

HELD_BACK = 0.15
"""Share of the newest rows on which the card's errors and coverage are measured."""


@dataclass(frozen=True)
class Trained:
    """A model with the numbers that the card shows."""

    model: QuantityModel
    about: dict[str, Any]
    said: tuple[str, ...] = ()
    """What the user must know of it."""


def fit(
    telemetry: Telemetry,
    *,
    target: str | None = None,
    trials: int = 0,
    seed: int = 0,
    storage: BaseStorage | None = None,
    progress: Progress | None = None,
) -> DataCentreBundle:
    """Fit every model that the telemetry allows; see `training.fit.fit_bundle`."""
    young = prior_quantities(telemetry, target)
    try:
        quantities = wanted_quantities(telemetry, target)
    except (UsageError, InsufficientDataError):
        if not young:
            raise
        quantities = young
    done, notes = run_jobs(
        telemetry,
        quantities,
        lambda one, quantity, task: _train(one, quantity, task, trials, seed, storage),
        progress,
    )
    stored, refused = admitted(done, quotient=not telemetry.has("pue"))
    priors, said = calibrated_priors(telemetry, young, done)
    stored |= {job: Trained(p.model, p.about) for job, p in priors.items()}
    notes += [*(p.said for p in priors.values()), *said]
    trained: dict[str, dict[str, Trained]] = {s: {} for s in telemetry.site_ids}
    for (site, quantity, task), result in stored.items():
        trained[site][f"{quantity}-{task}"] = result
        notes += [say("{quantity}: {what}", quantity=f"{quantity}-{task}", what=t) for t in result.said]
    if refused and not stored:
        raise closed(refused, Message.joined(", ", telemetry.site_ids[:3]))
    notes += refused
    if not stored:
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


def wanted_quantities(telemetry: Telemetry, target: str | None) -> list[str]:
    """Return the quantities to model: all that the telemetry supports, or the one asked for.

    Raises
    ------
    UsageError
        `target` is not among them.
    InsufficientDataError
        There are none.
    """
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


def _train(
    telemetry: Telemetry, quantity: str, task: ForecastOrEstimate, trials: int, seed: int,
    storage: BaseStorage | None = None,
) -> Trained | Refused:  # fmt: skip
    if task == "estimate" and too_short(telemetry, quantity):
        raise InsufficientDataError(
            "E-TRAIN-SHORT",
            say(
                "fewer than {full:g} days of history are too few for a model of its own", full=LEAST_FULL_DAYS
            ),
            telemetry.site_ids[0],
            say("train again when there are more"),
        )
    recipe = recipe_for(telemetry, quantity, task)
    frame = build(telemetry, recipe)
    known = frame.measured()
    past, newest = newest_share(known, HELD_BACK)
    parameters = TREES.with_(seed=seed)
    tuned = None
    if trials:
        plan = SearchPlan(trials, seed, storage).of(telemetry, quantity, task)
        tuned = tune_candidate(past, recipe, parameters, plan)
        parameters = tuned.parameters
    choice = choose(past, recipe, parameters, tuned.name if tuned else "")
    then = choice.fitted(past)
    held_out = then.predict(newest, "")
    verdict = judge(
        newest.target(), held_out.point, rivals(past, newest, task), newest.keys["timestamp"], seed=seed
    )
    if verdict.stored == "nothing":
        return Refused(verdict)
    gate = verdict.to_dict()
    if verdict.stored == "baseline":
        gate["not_stored"] = {"model": choice.name, **_scores(newest.target(), held_out.point)}
        choice = choose(past, recipe, parameters, verdict.name)
        then = choice.fitted(past)
        held_out = then.predict(newest, "")
    still = then.predict(replace(newest, y=None), "")  # as if nothing were measured after training
    usual = daily_levels(newest.keys["timestamp"], newest.target(), held_out.point, telemetry.interval)
    model = replace(
        choice.fitted(known, residuals_of(then.model, newest)), tier=verdict.tier, usual=tuple(usual.level)
    )
    if isinstance(model.model, ColdStart):  # the prior has seen more weather than these days
        model = replace(model, domain=prior_domain(frame, model.model.usual_it_kw))
    about = {
        "site": telemetry.site_ids[0],
        "quantity": quantity,
        "task": task,
        "model": choice.name,
        "tier": model.tier,
        "days": round(model.model.days, 2) if isinstance(model.model, ColdStart) else None,
        "gate": gate,
        "chosen_by": {n: _rounded(e) for n, e in choice.errors.items()},
        "features": frame.names,
        "schema_hash": frame.hash,
        "tuning": tuned.to_dict() if tuned else None,
        "coverage_nominal": NOMINAL,
        "coverage_static": _rounded(coverage(newest.target(), still.lower, still.upper)),
        "coverage_measured": _rounded(coverage(newest.target(), held_out.lower, held_out.upper)),
        "held_out": {
            "start": str(newest.keys["timestamp"].min()),
            "end": str(newest.keys["timestamp"].max()),
            "ours": _scores(newest.target(), held_out.point),
            **{m.name: _scores(newest.target(), m.fit(past).predict(newest)) for m in reference_models()},
        },
    }
    return Trained(model, about, (verdict.reason,) if verdict.stored == "baseline" else ())


def reference_models() -> tuple[Regressor, ...]:
    """Return the baselines that every report shows, unfitted."""
    return (*past_value_baselines(), SiteMean(), Linear())


def newest_share(frame: FeatureFrame, newest: float) -> tuple[FeatureFrame, FeatureFrame]:
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


def _scores(truth: FloatArray, predicted: FloatArray) -> dict[str, float]:
    return {name: _rounded(value) for name, value in score_table(truth, predicted).items()}


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
