"""Set-point advice for one data centre: problem, plan, verification, ranking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from advisor.catalogue import Measure, measures_for
from advisor.combine import MOST_ACTIONS
from advisor.cooling import propose, proposed_saving_pct
from advisor.data_centre_case import Case, case_of
from advisor.holds import kept_in_hours
from advisor.lever_test import plan_test, why_untested
from advisor.plan import Advice, Plan, Problem, Recommendation, Saving, VerifiedPlan
from advisor.plan_table import advice_provenance, plan_table
from advisor.ranking import recommend
from advisor.retrofit import assess_retrofits
from advisor.site import Site
from advisor.site_actions import has_more, together
from advisor.verify import verify_set_points
from advisor.water import WaterUse
from features.issues import DataIssue
from features.levers import PLANT_LEVERS
from features.message import say
from features.operation import Operation
from features.telemetry import Telemetry
from models.bundle import Bundle, Progress


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
    verified = _planned(case, moved, case.problem)
    tell(say("ranking"), 0.7)

    def cited(lever: str | None, action: str) -> tuple[str, ...]:
        on, country = telemetry.span[1].date(), case.site.country or None
        found = measures_for("data-centre", lever, action, on=on, country=country, measures=measures)
        return tuple(m.id for m in found)

    known = {name: cited(name, "set_point") for name in case.problem.current}
    verified, recommendations = _ranked(case, moved, verified, known)
    recommendations = _with_water(recommendations, verified, case, moved, telemetry)
    advice = _advice(telemetry, case, verified, recommendations, tuple(issues), bundle)
    if has_more(case.site):
        tell(say("combining actions"), 0.9)
        advice = _with_more(advice, telemetry, case, partial(cited, None), most)
    advice = _with_test(advice, case, telemetry, known)
    tell(say("judging retrofits"), 0.95)
    # models that may not propose here (a lever or the baseline is missing) may not judge either
    models = replace(case.what_if, proposer=None, scorer=None) if case.why_not else case.what_if
    retrofits, said = assess_retrofits(
        telemetry, case.operation, case.site, models, verified, measures, case.problem.current, seed
    )
    advice = replace(advice, retrofits=retrofits, issues=(*advice.issues, *said))
    tell(say("done"), 1.0)
    return advice


def _planned(case: Case, moved: Operation, problem: Problem) -> VerifiedPlan:
    """Propose and verify set-points."""
    proposer = None if case.why_not else case.what_if.proposer
    plan = propose(proposer, moved, case.start, case.end, problem, why_not=case.why_not)
    plan = _with_holds(plan, case, moved)
    return verify_set_points(plan, case.what_if.scorer, case.operation, case.site, case.pv_kw)


def _with_holds(plan: Plan, case: Case, moved: Operation) -> Plan:
    """Return the plan as hours allow that are not its own, with what is still saved."""
    held = kept_in_hours(plan, case.operation.hours)
    if held is plan or case.what_if.proposer is None or not plan.objective:
        return held
    saving = proposed_saving_pct(case.what_if.proposer, moved, held.schedule)
    return replace(held, objective={"saving_pct": saving})


def _with_water(
    entries: tuple[Recommendation, ...],
    verified: VerifiedPlan,
    case: Case,
    moved: Operation,
    telemetry: Telemetry,
) -> tuple[Recommendation, ...]:
    """Return the recommendations with what the move of a plant's lever does to the water."""
    if not any(e.lever in PLANT_LEVERS and e.verdict != "hold" for e in entries):
        return entries
    water = telemetry.site_series(case.operation.site_id).get("water_m3")
    metered = None if water is None or not water.notna().any() else water.reindex(moved.stamps).to_numpy()
    use = WaterUse(moved, metered, (case.start, case.end), case.problem.seed)
    told = [use.sentence(e.lever, verified.plan.schedule) if e.verdict != "hold" else None for e in entries]
    return tuple(
        replace(e, reasons=(*e.reasons, said)) if said else e for e, said in zip(entries, told, strict=True)
    )


def _with_test(advice: Advice, case: Case, telemetry: Telemetry, known: dict[str, tuple[str, ...]]) -> Advice:
    """Return the advice with a test of the levers that the export tells nothing of."""
    untold = tuple(
        n for n in case.operation.levers if n in case.what_if.evidence.keys() - {*case.what_if.levers}
    )
    if not untold:
        return advice
    test = plan_test(
        case.operation, untold, case.site, case.problem.limits, telemetry.zone, case.problem.seed
    )
    limits = case.problem.limits
    why_not = (why_untested(n, case.operation, case.site, limits) for n in untold if n in PLANT_LEVERS)
    advice = replace(advice, issues=(*advice.issues, *(_untested(case.site.id, w) for w in why_not if w)))
    if test is None:
        return advice
    said = tuple(e for e in case.what_if.reasons if any(e.startswith(n) for n in test.levels))
    entry = test.recommendation(known[next(iter(test.levels))], said)
    return replace(advice, test=test, recommendations=(*advice.recommendations, entry))


def _untested(site: str, why: str) -> DataIssue:
    return DataIssue(
        "D-TEST-NONE",
        "info",
        site,
        why,
        say("declare a wider range in site.toml, if the plant permits one"),
        say("nothing is claimed of this lever"),
        0,
    )


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
    """Rank the levers; a move that is not proven beside the others is shown, but not commanded.

    The others are planned again without it: the best water for a room that moves is not that for one that
    stays.
    """
    shown: tuple[Recommendation, ...] = ()
    held: set[str] = set()
    while True:
        entries = _entries(case, moved, verified, known)
        doubtful = {e.lever for e in entries if e.verdict == "not proven"}
        if verified.verdict != "supported" or not doubtful or verified.plan.keeps:
            return verified, (*entries, *shown)
        held |= doubtful
        now = case.problem.current
        candidates = {n: (now[n],) if n in held else v for n, v in case.problem.candidates.items()}
        reduced = _planned(case, moved, replace(case.problem, candidates=candidates))
        if reduced.verdict == "refused":  # the moves hold a limit only together
            return verified, (*entries, *shown)
        verified, shown = reduced, (*shown, *(e for e in entries if e.lever in doubtful))


def _entries(
    case: Case, moved: Operation, verified: VerifiedPlan, known: dict[str, tuple[str, ...]]
) -> tuple[Recommendation, ...]:
    """Rank the levers of one plan."""
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

    return recommend(verified, rescore, known, case.what_if.reasons)


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
        "problem": verified.plan.problem.hash,
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
