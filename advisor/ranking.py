"""From a verified set-point plan to ranked recommendations, one per lever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import pandas as pd

from advisor.envelope import bound_of
from advisor.holds import held_rows
from advisor.plan import INLET_RATE, Interval, Recommendation, Saving, Verdict, VerifiedPlan
from advisor.reset import rule_in_words
from features.levers import (
    AIR_LEVERS,
    AIRFLOW,
    APPROACH,
    CHANGEOVER,
    EVAPORATIVE,
    PLANT_LEVERS,
    scale_of,
    setting,
)
from features.message import Message, say
from features.telemetry import TimeZone
from models.identifiability import MOVE_K

NAMES = {
    "zone_set_point_c": say("room (cold-aisle) set-point"),
    "supply_air_set_point_c": say("supply-air set-point"),
    "chilled_water_set_point_c": say("chilled-water set-point"),
    APPROACH: say("set-point of the cooling tower's approach"),
    AIRFLOW: say("airflow set-point"),
    CHANGEOVER: say("changeover temperature of the economiser"),
    EVAPORATIVE: say("evaporative mode"),
}
PARTS = {"it": say("IT side"), "cooling": say("cooling"), "power_chain": say("power chain")}
NOT_ASSESSED = {
    APPROACH: say(
        "ride-through after a cooling failure: not assessed (the store of the tower's basin is not known)"
    ),
    CHANGEOVER: say(
        "ride-through after a cooling failure: not assessed (how fast the chillers take over from free "
        "cooling is not known)"
    ),
    EVAPORATIVE: say(
        "ride-through after a cooling failure: not assessed (whether water and pad pumps are on emergency "
        "supply is not known)"
    ),
}
"""Lever -> what is not known of the time that a cooling failure leaves."""
TRIGGERS = {
    APPROACH: say("also if the condenser water gets warmer than the chillers permit"),
    AIRFLOW: say("also if a rack's inlet alarms, or the aisle's pressure falls below what containment needs"),
    CHANGEOVER: say("also if the chilled water leaves its set-point by more than 1 K for 15 min"),
    EVAPORATIVE: say("also if make-up water fails, or frost is near"),
}
"""Lever -> what else ends a move."""
EXPIRY = say("one year after the end of the data, or as soon as servers, cooling plant or limits change")

Rescore = Callable[[pd.DataFrame], VerifiedPlan]


def recommend(
    verified: VerifiedPlan,
    rescore: Rescore,
    measures: dict[str, tuple[str, ...]],
    evidence: tuple[str, ...],
) -> tuple[Recommendation, ...]:
    """Rank the levers of a plan by what each saves alone.

    Parameters
    ----------
    verified : VerifiedPlan
        The whole plan.
    rescore : callable
        Schedule -> VerifiedPlan: scores a part of the plan with the second model.
    measures : dict
        Lever -> ids of the measures that it answers.
    evidence : tuple of str
        What the export says about each lever.

    Returns
    -------
    tuple of Recommendation
        The largest saving first; one that says why nothing is moved, if so.
    """
    schedule = verified.plan.schedule
    moved = [
        str(n) for n, rows in schedule.groupby("lever") if (rows["recommended"] != rows["current"]).any()
    ]
    if not moved:
        return (_hold(verified, measures, evidence),)
    alone = {lever: rescore(_only(schedule, {lever})).saving for lever in moved}
    ranked = sorted(moved, key=lambda lever: -_point(alone[lever]))
    entries = []
    for place, lever in enumerate(ranked):
        before = set(ranked[:place])
        after = alone[lever] if not before else rescore(_on_top(schedule, before, lever)).saving
        entries.append(_entry(verified, lever, alone[lever], after, measures[lever], evidence))
    return tuple(entries)


def _only(schedule: pd.DataFrame, levers: set[str]) -> pd.DataFrame:
    kept = schedule["lever"].isin(levers)
    return schedule.assign(recommended=schedule["recommended"].where(kept, schedule["current"]))


def _on_top(schedule: pd.DataFrame, before: set[str], lever: str) -> pd.DataFrame:
    """Return the schedule of one lever, with those ranked above it already moved."""
    done = schedule["lever"].isin(before)
    start = schedule["current"].where(~done, schedule["recommended"])
    return schedule.assign(
        current=start, recommended=schedule["recommended"].where(schedule["lever"].eq(lever), start)
    )


def _point(saving: Saving) -> float:
    return saving.energy_pct.point if saving.energy_pct else 0.0


def _entry(
    verified: VerifiedPlan,
    lever: str,
    alone: Saving,
    after: Saving,
    measures: tuple[str, ...],
    evidence: tuple[str, ...],
) -> Recommendation:
    schedule, problem = verified.plan.schedule, verified.plan.problem
    rows = schedule[(schedule["lever"] == lever) & np.isnan(held_rows(schedule, problem.holds))]
    # the plan as a whole may be supported although one of its moves is not
    proven = after.energy_pct is not None and after.energy_pct.lower > 0
    verdict: Verdict = "not proven" if verified.verdict == "supported" and not proven else verified.verdict
    return Recommendation(
        id=f"{verified.plan.problem.site_id}:{lever}",
        action=_slowly(
            _sentence(lever, rows, problem.options.get("zone", "unknown"), verified.plan.rules.get(lever)),
            float((rows["recommended"] - rows["current"]).iloc[0]),
            bound_of(problem.limits, INLET_RATE, "max") if lever not in PLANT_LEVERS else None,
        ),
        lever=lever,
        measures=measures,
        saving=alone,
        saving_after_higher_ranked=after,
        binding_limit=_binding(verified, lever, rows),
        reasons=_reasons(verified),
        evidence=tuple(e for e in evidence if e.startswith(lever)),
        verdict=verdict,
        confidence=_confidence(verdict, after),
        rollback_trigger=Message.joined("; ", filter(None, (_rollback(verified), TRIGGERS.get(lever)))),
        expiry=EXPIRY,
        ride_through=_ride_through(lever, rows),
        rule=verified.plan.rules.get(lever),
    )


def _slowly(sentence: str, first_move: float, rate: float | None) -> str:
    """Say how fast the first move may be, where at once is too fast; both in [K], [K/h]."""
    if rate is None or abs(first_move) <= rate:
        return sentence
    return say("{action}, by at most {rate:g} K per hour", action=sentence, rate=rate)


def _ride_through(lever: str, rows: pd.DataFrame) -> str:
    """Say which way a move changes the time that a cooling failure leaves; how far was not assessed."""
    if lever not in (*AIR_LEVERS, AIRFLOW):
        return NOT_ASSESSED.get(lever) or say(
            "ride-through after a cooling failure: not assessed (the water's store is not known)"
        )
    move = float((rows["recommended"] - rows["current"]).mean())
    if lever == AIRFLOW:
        return (
            say("ride-through after a cooling failure: shorter, by how much was not assessed (less cold air)")
            if move < 0
            else say(
                "ride-through after a cooling failure: longer, by how much was not assessed (more cold air)"
            )
        )
    return (
        say("ride-through after a cooling failure: shorter, by how much was not assessed (warmer air)")
        if move > 0
        else say("ride-through after a cooling failure: longer, by how much was not assessed (colder air)")
    )


def _sentence(lever: str, rows: pd.DataFrame, zone: object, rule: dict[str, object] | None = None) -> str:
    """Say from where to where, by rule or by month where it differs."""
    name, current = NAMES.get(lever, lever), setting(lever, rows["current"].iloc[0])
    values = rows["recommended"].to_numpy()
    if rule is not None:
        return say(
            "Let the {name} follow a table instead of {current}: {rule}",
            name=name,
            current=current,
            rule=rule_in_words(rule),
        )
    if len(np.unique(values)) == 1:
        return say(
            "Set the {name} from {current} to {value}",
            name=name,
            current=current,
            value=setting(lever, values[0]),
        )
    local = pd.DatetimeIndex(rows["timestamp"]).tz_convert(TimeZone(str(zone)).tzinfo())
    steps = pd.Series(values, index=local.strftime("%Y-%m")).groupby(level=0).agg(_most_often)
    changed = steps[steps.ne(steps.shift())]
    parts = [
        say("{value} from {month}", value=setting(lever, value), month=month)
        for month, value in changed.items()
    ]
    return say(
        "Set the {name} from {current} to {steps}",
        name=name,
        current=current,
        steps=Message.joined(", ", parts),
    )


def _most_often(values: pd.Series) -> float:
    """Return a month's set-point: its first hours may still be on their way."""
    return float(values.mode().iloc[0])


def _binding(verified: VerifiedPlan, lever: str, rows: pd.DataFrame) -> str:
    candidates = verified.plan.problem.candidates.get(lever, ())
    values = rows["recommended"]
    at_edge = [
        say("{side} end of the permitted and explored range ({edge})", side=side, edge=setting(lever, edge))
        for side, edge, hit in (
            (say("lower"), min(candidates, default=np.nan), values.min() <= min(candidates, default=-np.inf)),
            (say("upper"), max(candidates, default=np.nan), values.max() >= max(candidates, default=np.inf)),
        )
        if hit
    ]
    if lever in verified.plan.binding:
        return verified.plan.binding[lever]
    return Message.joined("; ", at_edge) or say("none: the optimum lies inside the range")


def _reasons(verified: VerifiedPlan) -> tuple[str, ...]:
    parts = verified.parts
    energy = verified.baseline.energy_kwh or 0.0
    reasons = []
    if verified.plan.keeps:
        reasons.append(
            say(
                "the set-points in force break a limit that this plan keeps: {limit}",
                limit=verified.plan.keeps,
            )
        )
    before, after = verified.baseline.pue, verified.planned.pue
    if before is not None and after is not None and after > before + 5e-4:
        reasons.append(
            say(
                "PUE rises from {before:.3f} to {after:.3f} although total energy falls: servers use "
                "less power in cooler air, and PUE does not see that",
                before=before,
                after=after,
            )
        )
    if energy and parts:
        shares = {name: 100 * value / energy for name, value in parts.items()}
        reasons.append(
            say(
                "saving by part, in % of facility energy: {parts}",
                parts=Message.joined(
                    ", ",
                    (say("{part} {share:+.2f}", part=label, share=shares[n]) for n, label in PARTS.items()),
                ),
            )
        )
    if verified.proposer_saving_pct is not None and verified.scorer_saving_pct is not None:
        reasons.append(
            say(
                "two models on different weeks agree on the direction: {proposed:.2f} % (proposed) "
                "and {scored:.2f} % (scored)",
                proposed=verified.proposer_saving_pct,
                scored=verified.scorer_saving_pct,
            )
            if verified.proposer_saving_pct * verified.scorer_saving_pct > 0
            else say(
                "the models disagree: {proposed:.2f} % (proposed), {scored:.2f} % (scored)",
                proposed=verified.proposer_saving_pct,
                scored=verified.scorer_saving_pct,
            )
        )
    reasons.extend(
        say("set-points hold in some hours: {reason}", reason=reason)
        for reason in dict.fromkeys(h.reason for h in verified.plan.problem.holds)
    )
    reasons.extend(say("{name}: {note}", name=c.name, note=c.note) for c in verified.checks if not c.assessed)
    reasons.extend(
        say("check failed: {name} ({note})", name=c.name, note=c.note)
        for c in verified.checks
        if not c.passed
    )
    return (*reasons, *verified.notes)


def _confidence(verdict: Verdict, saving: Saving) -> Literal["high", "medium", "low"]:
    share = saving.energy_pct
    if verdict != "supported" or share is None:
        return "low"
    return "high" if share.lower > share.point / 2 else "medium"


def _rollback(verified: VerifiedPlan) -> str:
    limit = next((x for x in verified.plan.problem.limits if x.sense == "max"), None)
    if limit is None:
        return say(
            "Return to the current set-points if facility energy per day rises above the baseline's for "
            "three days"
        )
    return say(
        "Return to the current set-points if the hottest server inlet stays above {limit:g} °C for 15 min, "
        "or facility energy per day rises above the baseline's for three days",
        limit=limit.value - 0.5,
    )


def _least_moves(verified: VerifiedPlan, unidentified: list[str]) -> Message:
    """Return what counts as a move of the levers that evidence speaks of."""
    told = [n for n in verified.plan.problem.current if any(e.startswith(n) for e in unidentified)]
    moves = [say("{number:g} K", number=MOVE_K)] if set(told) - set(PLANT_LEVERS) or not told else []
    moves += [setting(n, MOVE_K * scale_of(n).kelvin) for n in told if n in PLANT_LEVERS]
    return Message.joined(" or ", dict.fromkeys(moves))


def _hold(
    verified: VerifiedPlan, measures: dict[str, tuple[str, ...]], evidence: tuple[str, ...]
) -> Recommendation:
    lever = next(iter(verified.plan.problem.current))
    zero = Interval(0.0, 0.0, 0.0)
    saving = Saving(energy_pct=zero)
    unidentified = [e for e in evidence if "cannot be told" in e or "never moved" in e]
    advice = (
        (
            say(
                "to learn an effect, move the lever by at least {least} a dozen times, independently of the "
                "weather and within limits",
                least=_least_moves(verified, unidentified),
            ),
        )
        if unidentified
        else (say("no explored set-point saves energy with certainty"),)
    )
    return Recommendation(
        id=f"{verified.plan.problem.site_id}:hold",
        action=say("Keep the current set-points"),
        lever=lever,
        measures=measures[lever],
        saving=saving,
        saving_after_higher_ranked=saving,
        binding_limit=Message.joined("; ", verified.plan.conflicts) or say("none"),
        reasons=(*dict.fromkeys((*verified.plan.conflicts, *advice)),),
        evidence=evidence,
        verdict="hold",
        confidence="low" if unidentified else "medium",
        rollback_trigger=say("none: nothing is changed"),
        expiry=EXPIRY,
    )
