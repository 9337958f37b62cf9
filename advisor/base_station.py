"""Sleep advice for a fleet of base stations: actions, plans, verification, ranking."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from advisor.catalogue import Measure, measures_for
from advisor.combine import MOST_ACTIONS
from advisor.fleet import Case, case_of
from advisor.plan import (
    Advice,
    Interval,
    Limit,
    Plan,
    Problem,
    Saving,
    SolverReport,
    VerifiedPlan,
)
from advisor.plan_table import advice_provenance, plan_table
from advisor.site import Site
from advisor.sleep import Action, Effect, find_actions, matched_effect, propose, station_rows
from advisor.sleep_ranking import recommend, untried
from advisor.sleep_scorer import SleepScorer
from advisor.sleep_verify import verify_sleep
from features.issues import DataIssue
from features.message import Message, say
from features.telemetry import Telemetry
from models.bundle import Bundle, Progress

SCHEDULE_COLUMNS = (
    "timestamp", "site_id", "unit_id", "lever", "current", "recommended", "action", "dose", "night",
)  # fmt: skip


@dataclass(frozen=True)
class Tried:
    """An action with its measured effect and its verified plan."""

    action: Action
    effect: Effect | None
    verified: VerifiedPlan


def advise_base_stations(
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
    """Advise on sleep modes of a fleet; see `advisor.advise.advise`.

    Savings are in % of the fleet's energy in the window; kWh, money and carbon appear where the energy is
    physical or the site declares ``energy_unit_kwh``, a tariff and a factor. Hours asleep already are the
    baseline: only new hours save.
    """
    tell = progress or (lambda _what, _share: None)
    issues: list[DataIssue] = []
    tell(say("predicting the fleet's energy"), 0.0)
    case = case_of(telemetry, bundle, site, (start, end), seed=seed, issues=issues)
    scorer = SleepScorer(telemetry, case.quantity, case.offset, seed)
    rows = station_rows(case.frame, telemetry, case.offset)
    actions = find_actions(case.cells)
    tried: list[Tried] = []
    for i, action in enumerate(actions):
        tell(say("sleep of {name}", name=action.name), 0.2 + 0.6 * i / len(actions))
        effect = matched_effect(rows, case.cells, action, seed)
        plan = _plan(case, action, effect)
        tried.append(
            Tried(action, effect, verify_sleep(plan, scorer, case.fleet, case.scale, _names([action])))
        )
    tell(say("ranking"), 0.85)
    ranked = _ranked([t for t in tried if t.verified.verdict == "supported"])
    supported = ranked[:most]
    issues += _left_out(ranked[most:], case.telemetry)
    together = _together(case, supported, scorer)
    cited = _cited(case, measures)
    after = _after_higher_ranked(case, supported, scorer)
    recommendations = (
        *(recommend(t.action, t.effect, t.verified, a, cited) for t, a in zip(supported, after, strict=True)),
        *untried(
            [t.action for t in tried if t.verified.verdict != "supported"],
            _never_asleep(case, actions),
            cited,
        ),
    )  # fmt: skip
    tell(say("done"), 1.0)
    return Advice(
        plan_table=plan_table(together.plan.schedule, case.telemetry),
        recommendations=recommendations,
        baseline=together.baseline,
        planned=together.planned,
        saving=together.saving,
        verified=(together, *(t.verified for t in tried if t.verified.plan.changes)),
        issues=tuple(issues),
        provenance=_provenance(case, together),
    )


def _names(actions: list[Action]) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {a.name: (a.product, a.modes) for a in actions}


def _guard(case: Case, action: Action) -> float:
    """Return the load up to which cells may sleep: as used in the data, never above the site's limit [1]."""
    declared = case.site.limits.prb_utilisation_max if case.site else None
    return action.guard if declared is None else min(action.guard, declared)


def _problem(case: Case, actions: list[Action], effects: list[Effect | None]) -> Problem:
    options: dict[str, float | str | bool] = {
        f"effect:{a.name}": e.point for a, e in zip(actions, effects, strict=True) if e is not None
    }
    return Problem(
        site_id=case.site.id if case.site else "fleet",
        start=case.window[0].isoformat(),
        end=case.window[1].isoformat(),
        current={},
        candidates=_candidates(actions),
        limits=tuple(
            Limit("prb_utilisation", "max", _guard(case, a), say("guard {name}", name=a.name))
            for a in actions
        ),
        model_id=case.model_id,
        data_hash=case.telemetry.content_hash(),
        seed=case.seed,
        options={**options, "quantity": case.quantity, "zone": case.telemetry.zone.name},
    )


def _candidates(actions: list[Action]) -> dict[str, tuple[float, ...]]:
    levels: dict[str, set[float]] = {}
    for action in actions:
        for mode, level in zip(action.modes, action.levels, strict=True):
            levels.setdefault(mode, {0.0}).add(level)
    return {mode: tuple(sorted(values)) for mode, values in sorted(levels.items())}


def _plan(case: Case, action: Action, effect: Effect | None) -> Plan:
    """Propose one action's blocks."""
    began = time.perf_counter()
    permitted = case.site.levers if case.site and case.site.levers else None
    forbidden = permitted is not None and any(
        m not in permitted or permitted[m].upper < level
        for m, level in zip(action.modes, action.levels, strict=True)
    )
    hours = propose(case.cells, action, _guard(case, action), case.window, case.telemetry.interval)
    if forbidden:
        hours = hours.iloc[:0]
    schedule = _schedule(hours, case.cells, action)
    why = (
        (say("the site's levers do not permit these modes"),)
        if forbidden
        else ()
        if len(schedule)
        else (say("no awake hour keeps the load guard on every day at an hour at which the modes are used"),)
    )
    saving = _proposer_saving(case, schedule, effect)
    return Plan(
        problem=_problem(case, [action], [effect]),
        schedule=schedule,
        objective={} if saving is None else {"saving_pct": saving},
        report=SolverReport(
            "feasible" if len(schedule) else "hold",
            say("longest admissible block per cell and night"),
            time.perf_counter() - began,
            case.seed,
            None,
            len(case.cells),
        ),
        conflicts=why,
    )


def _schedule(hours: pd.DataFrame, cells: pd.DataFrame, action: Action) -> pd.DataFrame:
    """Return one row per cell, interval and mode that is commanded."""
    total = cells.groupby(["site_id", "timestamp"])["capacity"].sum().rename("total").reset_index()
    joined = hours.merge(total, on=["site_id", "timestamp"], how="left")
    level = sum(action.levels) / max(len(action.levels), 1)
    joined["dose"] = level * joined["capacity"] / joined["total"]
    keys = ["timestamp", "site_id", "unit_id", "dose", "night"]
    long = joined.melt(keys, list(action.modes), "lever", "current")
    recommended = long["lever"].map(dict(zip(action.modes, action.levels, strict=True))).astype(np.float64)
    long = long.assign(recommended=recommended, action=action.name)
    ordered = long.sort_values(["site_id", "unit_id", "timestamp", "lever"])
    return ordered[list(SCHEDULE_COLUMNS)].reset_index(drop=True)


def _proposer_saving(case: Case, schedule: pd.DataFrame, effect: Effect | None) -> float | None:
    """Return the proposing estimator's saving [% of the fleet's energy]."""
    if effect is None or schedule.empty:
        return None
    once = schedule.drop_duplicates(["site_id", "unit_id", "timestamp"])
    energy = once.merge(case.fleet.table, on=["site_id", "timestamp"], how="left")
    return float(100 * effect.point * (energy["dose"] * energy["energy"]).sum() / case.fleet.total)


def _ranked(supported: list[Tried]) -> list[Tried]:
    def saving(tried: Tried) -> float:
        share = tried.verified.saving.energy_pct
        return -share.point if share else 0.0

    return sorted(supported, key=saving)


def _left_out(beyond: list[Tried], telemetry: Telemetry) -> list[DataIssue]:
    """Return the finding that names actions beyond the number asked for, if any."""
    if not beyond:
        return []
    names = Message.joined(", ", (t.action.name for t in beyond))
    return [
        DataIssue(
            "D-MORE-ACTIONS",
            "info",
            Message.joined(", ", telemetry.site_ids[:3]),
            say("{count} more actions are supported and save less: {names}", count=len(beyond), names=names),
            say("carry out the first ones, then advise again; or ask for more actions"),
            say("they are neither commanded nor counted"),
        )
    ]


def _joint(case: Case, tried: list[Tried], schedule: pd.DataFrame) -> Plan:
    return Plan(
        problem=_problem(case, [t.action for t in tried], [t.effect for t in tried]),
        schedule=schedule,
        objective={"saving_pct": sum(t.verified.proposer_saving_pct or 0.0 for t in tried)},
        report=SolverReport(
            "feasible" if len(schedule) else "hold",
            say("supported actions together, the higher ranked first"),
            0.0,
            case.seed,
        ),
        conflicts=() if tried else (say("no action is proven by these data"),),
    )


def _without(schedule: pd.DataFrame, taken: pd.DataFrame) -> pd.DataFrame:
    """Return the commands for cells in nights that `taken` leaves alone: one block a night and cell."""
    keys = ["site_id", "unit_id", "night"]
    used = pd.MultiIndex.from_frame(taken[keys])
    return schedule[~pd.MultiIndex.from_frame(schedule[keys]).isin(used)].reset_index(drop=True)


def _together(case: Case, supported: list[Tried], scorer: SleepScorer) -> VerifiedPlan:
    """Verify all supported actions as one plan."""
    schedule = _schedule(case.cells.iloc[:0], case.cells, Action("", (), (), 0.0, (), 0, 0))
    for tried in supported:
        added = _without(tried.verified.plan.schedule, schedule)
        schedule = added if schedule.empty else pd.concat([schedule, added], ignore_index=True)
    plan = _joint(case, supported, schedule)
    verified = verify_sleep(plan, scorer, case.fleet, case.scale, _names([t.action for t in supported]))
    if verified.verdict == "supported":
        return verified
    nothing = case.scale.saving(Interval(0.0, 0.0, 0.0), case.fleet.total)
    held = replace(plan, schedule=plan.schedule.assign(recommended=plan.schedule["current"]))
    return replace(verified, plan=held, planned=verified.baseline, saving=nothing)


def _after_higher_ranked(case: Case, supported: list[Tried], scorer: SleepScorer) -> list[Saving]:
    """Return every action's saving in the nights of the cells that those ranked above it leave."""
    savings = []
    taken: list[pd.DataFrame] = []
    for tried in supported:
        own = tried.verified.plan.schedule
        left = _without(own, pd.concat(taken)) if taken else own
        if len(left) == len(own):
            savings.append(tried.verified.saving)
        else:
            rest = replace(tried.verified.plan, schedule=left)
            savings.append(verify_sleep(rest, scorer, case.fleet, case.scale, _names([tried.action])).saving)
        taken.append(own)
    return savings


def _cited(case: Case, measures: tuple[Measure, ...]) -> tuple[str, ...]:
    country = case.site.country or None if case.site else None
    on = case.telemetry.span[1].date()
    found = measures_for("base-station", None, "sleep", on=on, country=country, measures=measures)
    return tuple(m.id for m in found)


def _never_asleep(case: Case, actions: list[Action]) -> dict[str, int]:
    """Return products never seen asleep -> cell hours of the window with as little load as others asleep."""
    known = {a.product for a in actions}
    guard = min((a.guard for a in actions), default=0.0)
    cells = case.cells
    inside = (cells["timestamp"] >= case.window[0]) & (cells["timestamp"] < case.window[1])
    low = cells[inside & ~cells["product"].isin(known) & (cells["prb_utilisation"] <= guard)]
    counts = low["product"].value_counts()
    return {str(p): int(counts.get(p, 0)) for p in sorted(set(cells["product"]) - known)}


def _provenance(case: Case, verified: VerifiedPlan) -> dict[str, str]:
    share = verified.saving.energy_pct
    saved = share.point * case.fleet.total / 100 if share else 0.0
    return {
        **advice_provenance(
            case.telemetry,
            data_hash=case.telemetry.content_hash(),
            window=case.window,
            seed=case.seed,
            model_id=case.model_id,
        ),
        "quantity": case.quantity,
        "load_clock_offset_intervals": str(case.offset),
        "baseline_in_data_units": f"{case.fleet.total:.9g}",
        "planned_in_data_units": f"{case.fleet.total - saved:.9g}",
        "share_of_energy_metered": f"{case.fleet.measured:.3f}",
    }
