"""Set-point advice for one data centre: problem, plan, verification, ranking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd

from advisor.catalogue import Measure, load_limits, measures_for
from advisor.combine import MOST_ACTIONS
from advisor.cooling import propose, proposed_saving_pct
from advisor.plan import Advice, Limit, Problem, Recommendation, Saving, VerifiedPlan
from advisor.plan_table import advice_provenance, plan_table
from advisor.ranking import recommend
from advisor.site import LeverRange, Site
from advisor.site_actions import has_more, together
from advisor.verify import verify_set_points
from features.errors import ModelError, UsageError
from features.frame import FloatArray
from features.issues import DataIssue
from features.message import Message, say, term
from features.operation import Operation, operation_of
from features.telemetry import Telemetry
from models.bundle import Bundle, Progress
from models.data_centre import DataCentreBundle, WhatIf

STANDARD, STANDARD_CLASS = "ashrae-tc99-2021", "A1"
OUTSIDE_K = 0.5
"""A declared set-point this far outside what was explored has no baseline [K]."""


@dataclass(frozen=True)
class Case:
    """One site's decision: everything that proposing and verifying need."""

    operation: Operation
    what_if: WhatIf
    site: Site
    problem: Problem
    start: pd.Timestamp
    end: pd.Timestamp
    pv_kw: FloatArray | None
    why_not: tuple[str, ...]


def advise_data_centre(
    telemetry: Telemetry,
    bundle: Bundle,
    measures: tuple[Measure, ...],
    site: Site | None = None,
    *,
    start: pd.Timestamp | None = None,
    end: pd.Timestamp | None = None,
    seed: int = 0,
    most: int = MOST_ACTIONS,
    progress: Progress | None = None,
) -> Advice:
    """Advise on the set-points of one data centre; see `advisor.advise.advise`."""
    tell = progress or (lambda _label, _share: None)
    issues: list[DataIssue] = []
    tell(say("problem"), 0.0)
    case = case_of(telemetry, bundle, site, (start, end), seed, issues)
    tell(say("searching set-points"), 0.1)
    moved = case.operation.only_levers(case.what_if.levers) if case.what_if.levers else case.operation
    proposer = None if case.why_not else case.what_if.proposer
    plan = propose(proposer, moved, case.start, case.end, case.problem, why_not=case.why_not)
    tell(say("verifying"), 0.6)
    scorer = case.what_if.scorer
    verified = verify_set_points(plan, scorer, case.operation, case.site, case.pv_kw)
    tell(say("ranking"), 0.8)

    def cited(lever: str | None, action: str) -> tuple[str, ...]:
        on, country = telemetry.span[1].date(), case.site.country or None
        found = measures_for("data-centre", lever, action, on=on, country=country, measures=measures)
        return tuple(m.id for m in found)

    known = {name: cited(name, "set_point") for name in case.problem.current}
    verified, recommendations = _ranked(case, moved, verified, known)
    advice = _advice(telemetry, case, verified, recommendations, tuple(issues), bundle)
    if has_more(case.site):
        tell(say("combining actions"), 0.9)
        advice = _with_more(advice, telemetry, case, partial(cited, None), most)
    tell(say("done"), 1.0)
    return advice


def _with_more(
    advice: Advice, telemetry: Telemetry, case: Case, cited: Callable[[str], tuple[str, ...]], most: int
) -> Advice:
    """Return the advice with the site's other actions, all of them scored as one."""
    verified = advice.verified[0]
    joint = together(
        verified,
        advice.recommendations,
        case.operation.between(case.start, case.end),
        case.site,
        case.what_if.scorer,
        telemetry,
        cited,
        most=most,
        seed=case.problem.seed,
    )
    if joint is None:
        return advice
    table = advice.plan_table
    kept = table["lever"].isin(joint.kept_levers) | bool(verified.plan.keeps)
    return replace(
        advice,
        plan_table=table.assign(recommended=table["recommended"].where(kept, table["current"])),
        recommendations=joint.recommendations,
        baseline=joint.baseline,
        planned=joint.planned,
        saving=joint.saving,
        issues=(*advice.issues, *joint.issues),
    )


def _ranked(
    case: Case, moved: Operation, verified: VerifiedPlan, known: dict[str, tuple[str, ...]]
) -> tuple[VerifiedPlan, tuple[Recommendation, ...]]:
    """Rank the levers; a move that is not proven beside the others is shown, but not commanded."""
    known_parts: dict[bytes, VerifiedPlan] = {}

    def rescore(schedule: pd.DataFrame) -> VerifiedPlan:
        key = schedule[["current", "recommended"]].to_numpy(dtype=np.float64).tobytes()
        if key not in known_parts:  # the same part is asked for more than once
            known_parts[key] = score(schedule)
        return known_parts[key]

    def score(schedule: pd.DataFrame) -> VerifiedPlan:
        objective = {}
        if case.what_if.proposer is not None:
            objective = {"saving_pct": proposed_saving_pct(case.what_if.proposer, moved, schedule)}
        part = replace(verified.plan, schedule=schedule, objective=objective)
        return verify_set_points(part, case.what_if.scorer, case.operation, case.site, case.pv_kw)

    entries = recommend(verified, rescore, known, case.what_if.reasons)
    doubtful = {e.lever for e in entries if e.verdict == "not proven"}
    if verified.verdict != "supported" or not doubtful or verified.plan.keeps:
        return verified, entries
    schedule = verified.plan.schedule
    kept = schedule.assign(
        recommended=schedule["recommended"].where(~schedule["lever"].isin(doubtful), schedule["current"])
    )
    reduced = rescore(kept)
    if reduced.verdict == "refused":  # the moves hold a limit only together
        return verified, entries
    again = recommend(reduced, rescore, known, case.what_if.reasons)
    return reduced, (*again, *(e for e in entries if e.lever in doubtful))


def case_of(
    telemetry: Telemetry,
    bundle: Bundle,
    site: Site | None,
    window: tuple[pd.Timestamp | None, pd.Timestamp | None],
    seed: int,
    issues: list[DataIssue],
) -> Case:
    """Return the decision's facts for a window (UTC); findings about the data are added to `issues`.

    Raises
    ------
    features.errors.AdvisorError
        See `advisor.advise.advise`.
    """
    if not isinstance(bundle, DataCentreBundle):
        raise ModelError(
            "E-MODEL-KIND",
            say("the model is one of a {kind}", kind=term(bundle.card.kind)),
            "",
            say("train a model on this export"),
        )
    site_id = _one_site(telemetry, site)
    models, said = bundle.models_of(site_id)
    issues += said
    operation = operation_of(telemetry, site_id)
    what_if = models.what_if or WhatIf(
        (), {}, (say("the model directory holds no what-if model for this site"),)
    )
    declared = _complete(site, site_id, operation, issues)
    start, end = _window(telemetry, operation, *window)
    problem = Problem(
        site_id=declared.id if site else site_id,
        start=start.isoformat(),
        end=end.isoformat(),
        current={n: declared.current[n] for n in operation.levers},
        candidates=_candidates(operation, what_if, declared),
        limits=_limits(declared, issues),
        model_id=bundle.card.model_id,
        data_hash=telemetry.content_hash(),
        seed=seed,
        options={"sensor_error_k": declared.limits.sensor_error_k, "zone": telemetry.zone.name},
    )
    series = telemetry.site_series(site_id)
    pv = series["pv_power_kw"].reindex(operation.stamps).to_numpy() if "pv_power_kw" in series else None
    return Case(operation, what_if, declared, problem, start, end, pv, _why_not(operation, what_if, problem))


def _one_site(telemetry: Telemetry, site: Site | None) -> str:
    if site is not None and site.kind != "data-centre":
        raise UsageError(
            "E-SITE-KIND",
            say("site {id!r} is a {kind}, the export a data centre", id=site.id, kind=term(site.kind)),
            "site.toml",
            "",
        )
    if site is not None and site.id in telemetry.site_ids:
        return site.id
    if len(telemetry.site_ids) > 1:
        raise UsageError(
            "E-ADVISE-SITES",
            say("the export holds {count} sites", count=len(telemetry.site_ids)),
            Message.joined(", ", telemetry.site_ids[:5]),
            say("give one site's export at a time"),
        )
    return telemetry.site_ids[0]


def _window(
    telemetry: Telemetry, operation: Operation, start: pd.Timestamp | None, end: pd.Timestamp | None
) -> tuple[pd.Timestamp, pd.Timestamp]:
    first, last = operation.stamps[0], operation.stamps[-1] + telemetry.interval
    begin, stop = start if start is not None else first, end if end is not None else last
    if not first <= begin < stop <= last:
        zone = telemetry.zone.tzinfo()
        raise UsageError(
            "E-WINDOW",
            say(
                "the window {start} to {end} does not lie inside the export",
                start=begin.tz_convert(zone),
                end=stop.tz_convert(zone),
            ),
            say(
                "the export covers {first} to {last}",
                first=first.tz_convert(zone),
                last=last.tz_convert(zone),
            ),
            say(
                "choose --start and --end inside it: the plan is judged under the export's own "
                "weather and work"
            ),
        )
    if (begin - first) % telemetry.interval or (stop - first) % telemetry.interval:
        raise UsageError(
            "E-WINDOW",
            say(
                "the window does not begin and end with a step of the export ({interval})",
                interval=telemetry.interval,
            ),
            "--start, --end",
            say("choose moments at which a step of the export begins"),
        )
    return begin, stop


def _complete(site: Site | None, site_id: str, operation: Operation, issues: list[DataIssue]) -> Site:
    """Return the site with set-points for every lever; what was not declared is labelled assumed."""
    declared = site or Site(id=site_id)
    usual = {
        name: _usual(v[np.isfinite(v)])
        for name, v in operation.levers.items()
        if name not in declared.current
    }
    if usual:
        said = Message.joined(
            ", ", (say("{lever} = {value:g} °C", lever=n, value=v) for n, v in usual.items())
        )
        issues.append(
            DataIssue(
                "D-CURRENT-ASSUMED",
                "warning",
                site_id,
                say("set-points in force were not declared; most often in force: {said}", said=said),
                say("declare them under [current] in site.toml"),
                say("savings count from these values"),
                0,
            )
        )
    return declared.model_copy(
        update={
            "current": {**usual, **declared.current},
            "assumed": (*declared.assumed, *(f"current.{n}" for n in usual)),
        }
    )


def _usual(set_points: FloatArray) -> float:
    """Return the set-point most often in force [degC]: read-back noise must not choose among them."""
    values = pd.Series(set_points)
    near = (values * 2).round()
    return float(values[near == near.mode().iloc[0]].median())


def _limits(site: Site, issues: list[DataIssue]) -> tuple[Limit, ...]:
    standard = next(s for s in load_limits() if s.id == STANDARD)
    air = standard.equipment_class(STANDARD_CLASS).recommended.dry_bulb_c
    source = say(
        "{issuer} {year}, class {name}, recommended",
        issuer=standard.issuer,
        year=standard.year,
        name=STANDARD_CLASS,
    )
    own = site.limits
    if own.server_inlet_temp_c_max is None:
        issues.append(
            DataIssue(
                "D-LIMIT-ASSUMED",
                "warning",
                site.id,
                say(
                    "no server-inlet limit was declared: {limit:g} °C of {source} is assumed",
                    limit=air.upper,
                    source=source,
                ),
                say("declare limits.server_inlet_temp_c_max in site.toml"),
                say("the plan keeps the assumed limit"),
            )
        )
    bounds: tuple[tuple[Literal["max", "min"], float | None, float | None], ...] = (
        ("max", own.server_inlet_temp_c_max, air.upper),
        ("min", own.server_inlet_temp_c_min, air.lower),
    )
    limits = []
    for sense, declared, default in bounds:
        if declared is not None:  # a customer's own limit overrides the standard's
            limits.append(Limit("server_inlet_temp_c", sense, declared, "site.toml"))
        elif default is not None:
            limits.append(Limit("server_inlet_temp_c", sense, default, source))
    return tuple(limits)


def _candidates(operation: Operation, what_if: WhatIf, site: Site) -> dict[str, tuple[float, ...]]:
    """Return what may be recommended: identified, explored and, where declared, permitted values."""
    result: dict[str, tuple[float, ...]] = {}
    for name in what_if.levers:
        if name not in operation.levers:
            continue  # `_why_not` says so
        evidence = what_if.evidence[name]
        low, high, step = evidence["low_c"], evidence["high_c"], 0.5
        permitted = site.levers.get(name, None if site.levers else LeverRange(lower=low, upper=high))
        if permitted is None:
            result[name] = (site.current[name],)
            continue
        low, high, step = max(low, permitted.lower), min(high, permitted.upper), permitted.step
        if operation.inlet_c is None:
            high = min(high, site.current[name])  # without an inlet sensor nobody sees a warmer aisle
        first = np.ceil(low / step - 1e-9)
        count = int(np.floor(high / step + 1e-9) - first) + 1
        values = tuple(float(round((first + k) * step, 6)) for k in range(max(count, 0)))
        result[name] = values or (site.current[name],)
    return result


def _why_not(operation: Operation, what_if: WhatIf, problem: Problem) -> tuple[str, ...]:
    """Return why nothing may be proposed, or nothing."""
    if what_if.proposer is None:
        return what_if.reasons
    if set(what_if.levers) - set(operation.levers):
        return (say("the export lacks a set-point that the models were fitted on"),)
    reasons = []
    for name in what_if.levers:
        low, high, now = (
            what_if.evidence[name]["low_c"],
            what_if.evidence[name]["high_c"],
            problem.current[name],
        )
        if not low - OUTSIDE_K <= now <= high + OUTSIDE_K:
            reasons.append(
                say(
                    "the declared {name} of {now:g} °C was never in force (explored {low:g} to {high:g} "
                    "°C): the baseline cannot be predicted",
                    name=name,
                    now=now,
                    low=low,
                    high=high,
                )
            )
    return tuple(reasons)


def _advice(
    telemetry: Telemetry,
    case: Case,
    verified: VerifiedPlan,
    recommendations: tuple[Recommendation, ...],
    issues: tuple[DataIssue, ...],
    bundle: Bundle,
) -> Advice:
    required = verified.verdict == "not proven" and bool(verified.plan.keeps)
    supported = verified.verdict == "supported" or required
    # an unproven plan commands nothing: the current set-points stay
    schedule = verified.plan.schedule
    if not supported:
        schedule = schedule.assign(recommended=schedule["current"])
    planned = verified.planned if supported else verified.baseline
    saving = verified.saving if supported else _zero(verified.saving)
    provenance = {
        **advice_provenance(
            telemetry,
            data_hash=case.problem.data_hash,
            window=(case.start, case.end),
            seed=case.problem.seed,
            model_id=bundle.card.model_id,
        ),
        "problem": case.problem.hash,
        "site_assumed": ", ".join(case.site.assumed),
    }
    return Advice(
        plan_table=plan_table(schedule.assign(site_id=case.problem.site_id), telemetry),
        recommendations=recommendations,
        baseline=verified.baseline,
        planned=planned,
        saving=saving,
        verified=(verified,),
        issues=issues,
        provenance=provenance,
    )


def _zero(saving: Saving) -> Saving:
    """Nothing is changed, so nothing is saved."""
    return Saving(
        **{name: None if value is None else value.scaled(0.0) for name, value in vars(saving).items()}
    )
