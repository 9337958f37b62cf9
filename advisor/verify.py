"""The verifier of set-point plans: it shares nothing with the optimiser.

Limits are re-checked against what the site's own sensors have shown, the energy balance and the
saving come from the second model, and a saving that physics cannot explain is refused.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from advisor.plan import Z90, Check, Interval, Limit, Plan, Saving, Totals, Verdict, VerifiedPlan
from advisor.site import Site
from features.frame import FloatArray
from features.levers import AIRFLOW, PLANT_LEVERS, scale_of, setting
from features.message import Message, say, term
from features.operation import BoolArray, Operation
from models.site_scorer import Scored, SiteScorer

NEAR_K = 1.25
NEAR_FLOW_PCT = 2.0
"""Airflow this far from the planned one says what the inlet will be [% of the rated one]."""
LEAST_STEPS = 24
MECHANISM_PCT = 3.0
"""A larger saving needs a mechanism that the site's own data show [% of facility energy]."""
IMPOSSIBLE_PCT = 30.0
SETTLING_HOURS = 4.0
"""After a move of a lever the inlet is still on its way, and says nothing about the new setting."""


def verify_set_points(
    plan: Plan, scorer: SiteScorer | None, operation: Operation, site: Site, pv_kw: FloatArray | None = None
) -> VerifiedPlan:
    """Re-check a plan and score its saving.

    Parameters
    ----------
    plan : Plan
    scorer : SiteScorer or None
        The second model; None: nothing can be scored, the plan must hold.
    operation : Operation
        The whole export; sensors of all of it are consulted.
    site : Site
        Ranges, tariff, factors.
    pv_kw : numpy.ndarray or None, shape (n,)
        On-site generation on the operation's grid [kW].

    Returns
    -------
    VerifiedPlan
    """
    table = plan.schedule.pivot_table(index="timestamp", columns="lever", values=["current", "recommended"])
    inside = np.asarray(operation.stamps.isin(table.index))
    window = operation.rows(inside)
    table = table.reindex(window.stamps)
    current = {
        n: table["current"][n].to_numpy(dtype=np.float64) for n in operation.levers if n in table["current"]
    }
    planned = {n: table["recommended"][n].to_numpy(dtype=np.float64) for n in current}
    moved = any(bool((planned[n] != current[n]).any()) for n in planned)
    checks = [
        *_range_checks(plan, site, operation),
        *(
            _inlet_check(limit, current, planned, operation, site)
            for limit in plan.problem.limits
            if limit.name != "pue"
        ),
    ]
    pv = None if pv_kw is None else pv_kw[inside]
    if scorer is None or not moved:
        totals = _held_totals(scorer, window, current, site, pv)
        notes = (*plan.conflicts, *_notes(np.isfinite(window.facility_kw), pv))
        return VerifiedPlan(
            plan, "hold", totals, totals, _nothing(totals), {}, None, None, tuple(checks), notes
        )
    scored = scorer.score(window, current, planned)
    baseline = _totals(scored.baseline_kw, scored.baseline_it_kw, window, site, pv)
    after = _totals(scored.planned_kw, scored.planned_it_kw, window, site, pv)
    share = _saving_pct(scored, plan)
    checks += _balance_checks(scored, window)
    checks += _pue_checks(plan.problem.limits, after)
    checks.append(_plausible(share, scored, plan.objective.get("saving_pct", 0.0)))
    verdict: Verdict = "supported"
    if not all(c.passed for c in checks):
        verdict = "refused"
    elif share.lower <= 0:
        verdict = "not proven"
    hours = window.hours * float(scored.measured.sum())
    parts = {name: value * hours for name, value in scored.parts_kw.items()}
    point = 100 * scored.saving_kw / float(np.nanmean(scored.baseline_kw[scored.measured]))
    return VerifiedPlan(
        plan,
        verdict,
        baseline,
        after,
        _saving(share, baseline, after),
        parts,
        plan.objective.get("saving_pct"),
        point,
        tuple(checks),
        _notes(scored.measured, pv),
    )


def _saving_pct(scored: Scored, plan: Plan) -> Interval:
    """Return the saving [% of baseline energy]: the scorer's, widened by its quarrel with the proposer."""
    base = float(scored.baseline_kw[scored.measured].mean())
    point = 100 * scored.saving_kw / base
    sd = 100 * scored.saving_sd_kw / base
    quarrel = abs(plan.objective.get("saving_pct", point) - point) / 2
    half = Z90 * float(np.hypot(sd, quarrel))
    return Interval(point - half, point, point + half)


def _saving(share: Interval, baseline: Totals, after: Totals) -> Saving:
    """Carry the relative interval over to kWh, money and carbon."""

    def of(before: float | None, then: float | None) -> Interval | None:
        if before is None or then is None or share.point == 0:
            return None
        point = before - then
        low, high = sorted((point * share.lower / share.point, point * share.upper / share.point))
        return Interval(min(low, point), point, max(high, point))

    return Saving(
        of(baseline.energy_kwh, after.energy_kwh),
        share,
        of(baseline.non_green_kwh, after.non_green_kwh),
        of(baseline.cost, after.cost),
        of(baseline.carbon_kg, after.carbon_kg),
    )


def _totals(
    facility_kw: FloatArray, it_kw: FloatArray, window: Operation, site: Site, pv_kw: FloatArray | None
) -> Totals:
    known = np.isfinite(facility_kw) & np.isfinite(it_kw)
    energy = float(facility_kw[known].sum() * window.hours)
    it = float(it_kw[known].sum() * window.hours)
    # own generation covers the load hour by hour; what is left is bought
    own = np.zeros(len(facility_kw)) if pv_kw is None else np.nan_to_num(pv_kw)
    bought = float(np.maximum(facility_kw - own, 0.0)[known].sum() * window.hours)
    green = site.green.grid_share if site.green else None
    non_green = None if green is None else bought * (1 - green)
    return Totals(
        energy_kwh=energy,
        non_green_kwh=non_green,
        cost=bought * site.tariff.energy_per_kwh if site.tariff else None,
        carbon_kg=bought * site.carbon.factor_kg_per_kwh if site.carbon else None,
        pue=energy / it if it > 0 else None,
        green_share=None if non_green is None or energy <= 0 else 1 - non_green / energy,
        water_m3=None,
    )


def _nothing(totals: Totals) -> Saving:
    zero = Interval(0.0, 0.0, 0.0)
    return Saving(
        zero if totals.energy_kwh is not None else None,
        zero,
        zero if totals.non_green_kwh is not None else None,
        zero if totals.cost is not None else None,
        zero if totals.carbon_kg is not None else None,
    )


def _as_operated(window: Operation, current: dict[str, FloatArray]) -> bool:
    """Whether the site ran at the declared set-points, so that the meter is the baseline itself."""
    known = window.usable
    if not known.any():
        return False
    return all(
        float((np.abs(window.levers[n] - v) < 0.05 * scale_of(n).kelvin)[known].mean()) > 0.95
        for n, v in current.items()
    )


def _held_totals(
    scorer: SiteScorer | None,
    window: Operation,
    current: dict[str, FloatArray],
    site: Site,
    pv_kw: FloatArray | None,
) -> Totals:
    """Return the totals at the set-points in force: metered if the site ran there, else modelled."""
    if _as_operated(window, current):
        return _totals(window.facility_kw, window.it_kw, window, site, pv_kw)
    if scorer is None or not window.usable.any() or not set(scorer.levers) <= set(window.levers):
        return Totals()
    held = scorer.score(window, current, current)
    return _totals(held.baseline_kw, held.baseline_it_kw, window, site, pv_kw)


def _range_checks(plan: Plan, site: Site, operation: Operation) -> list[Check]:
    checks = []
    for name, rows in plan.schedule.groupby("lever", sort=True):
        lever = str(name)
        values = rows["recommended"].to_numpy(dtype=np.float64)
        moved = values[values != rows["current"].to_numpy(dtype=np.float64)]
        complete = bool(np.isfinite(values).all()) and _covers(plan, rows["timestamp"], operation.hours)
        checks.append(
            Check(
                say("{lever}: one value per step", lever=lever),
                complete,
                None,
                None,
                say("{count} steps", count=len(values)),
            )
        )
        if not len(moved):
            continue
        if site.levers and lever not in site.levers:
            checks.append(
                Check(
                    say("{lever}: declared range", lever=lever),
                    False,
                    None,
                    None,
                    say("not a permitted lever"),
                )
            )
        if lever in site.levers:
            low, high = site.levers[lever].lower, site.levers[lever].upper
            ok = bool((moved >= low - 1e-9).all() and (moved <= high + 1e-9).all())
            checks.append(
                Check(
                    say("{lever}: declared range", lever=lever),
                    ok,
                    float(moved.max()),
                    high,
                    say("{low:g} to {high}", low=low, high=setting(lever, high)),
                )
            )
        seen = (
            operation.levers[lever][np.isfinite(operation.levers[lever])]
            if lever in operation.levers
            else moved[:0]
        )
        ok = len(seen) > 0 and moved.min() >= seen.min() - 1e-9 and moved.max() <= seen.max() + 1e-9
        note = (
            say("explored {low:g} to {high}", low=seen.min(), high=setting(lever, seen.max()))
            if len(seen)
            else say("never explored")
        )
        checks.append(
            Check(say("{lever}: explored range", lever=lever), bool(ok), float(moved.max()), None, note)
        )
    return checks


def _covers(plan: Plan, stamps: pd.Series, hours: float) -> bool:
    """Whether there is exactly one row per step of the problem's window."""
    start, end = pd.Timestamp(plan.problem.start), pd.Timestamp(plan.problem.end)
    steps = pd.date_range(start, end, freq=pd.Timedelta(hours=hours), inclusive="left")
    return len(stamps) == len(steps) and stamps.is_unique and bool(stamps.isin(steps).all())


def _inlet_check(
    limit: Limit,
    current: dict[str, FloatArray],
    planned: dict[str, FloatArray],
    operation: Operation,
    site: Site,
) -> Check:
    """Compare what the hottest inlet sensor showed near the planned set-points with the limit."""
    name = say("{column} {sense} {limit:g} °C", column=limit.name, sense=term(limit.sense), limit=limit.value)
    air = operation.air_lever
    # what towers, economisers and pads do does not reach the room
    planned = {n: v for n, v in planned.items() if n not in PLANT_LEVERS or n == AIRFLOW}
    if limit.name != "server_inlet_temp_c" or not planned:
        return Check(name, True, None, limit.value, say("nothing is moved that it guards"))
    if operation.inlet_c is None:
        warmer = air in planned and bool((planned[air] > current[air]).any())
        warmer |= AIRFLOW in planned and bool((planned[AIRFLOW] < current[AIRFLOW]).any())
        note = say("no inlet sensor: a warmer aisle would not be seen") if warmer else say("no inlet sensor")
        return Check(name, not (warmer and limit.sense == "max"), None, limit.value, note)
    # the inlet follows the air set-point; without one its level near the planned set-points counts
    guide = air if air is not None and air in planned else next(iter(planned))
    known = operation.usable & np.isfinite(operation.inlet_c) & _settled(operation)
    worst: list[float] = []
    table = pd.DataFrame(planned).drop_duplicates()
    for row in table.itertuples(index=False):
        target = dict(zip(table.columns, row, strict=True))
        near = known & (np.abs(operation.levers[guide] - target[guide]) <= NEAR_K * scale_of(guide).kelvin)
        others = [n for n in target if n != guide]
        beside = near.copy()
        for other in others:
            reach = NEAR_FLOW_PCT if other == AIRFLOW else 2 * NEAR_K
            beside &= np.abs(operation.levers[other] - target[other]) <= reach
        less_air = AIRFLOW in target and bool((planned[AIRFLOW] < current[AIRFLOW]).any())
        if less_air:  # the inlet runs away where air lacks: what it was with more of it says nothing
            near &= np.abs(operation.levers[AIRFLOW] - target[AIRFLOW]) <= NEAR_FLOW_PCT
            near &= operation.it_kw >= np.median(operation.it_kw[known])
            beside = near
        chosen = beside if beside.sum() >= LEAST_STEPS else near
        if chosen.sum() < LEAST_STEPS:
            return Check(
                name,
                False,
                None,
                limit.value,
                say(
                    "fewer than {least} steps were measured near {target}",
                    least=LEAST_STEPS,
                    target=Message.joined(
                        ", ",
                        (say("{lever} = {value}", lever=n, value=setting(n, v)) for n, v in target.items()),
                    ),
                ),
            )
        shift = target[air] - operation.levers[air][chosen] if guide == air else 0.0
        expected = operation.inlet_c[chosen] + shift
        if less_air:
            expected = expected + _warming(operation, chosen, expected)
        worst.append(float(expected.max() if limit.sense == "max" else expected.min()))
    error = site.limits.sensor_error_k
    if limit.sense == "max":
        extreme = max(worst) + error
        return Check(
            name,
            extreme <= limit.value + 1e-9,
            extreme,
            limit.value,
            say("sensor error {error:g} K added", error=error),
        )
    today = float(operation.inlet_c[known].min())
    extreme = min(worst)
    ok = extreme >= min(limit.value, today) - 0.5
    return Check(
        name, ok, extreme, limit.value, say("the export itself went down to {today:.1f} °C", today=today)
    )


def _warming(operation: Operation, chosen: BoolArray, inlet_c: FloatArray) -> FloatArray:
    """Return how much hotter the inlet of some steps would be at the most heat of the export [K].

    More heat draws more air, and what lacks is hot: the inlet rises with it, twice the slope at most.
    """
    heat = operation.it_kw[chosen]
    slope = float(np.polyfit(heat - heat.mean(), inlet_c, 1)[0])
    busiest = float(operation.it_kw[operation.usable].max())
    return np.asarray(2.0 * max(slope, 0.0) * np.maximum(busiest - heat, 0.0), dtype=np.float64)


def _settled(operation: Operation) -> BoolArray:
    """Return the steps before which no lever was moved for a while."""
    steps = max(round(SETTLING_HOURS / operation.hours), 1)
    calm = np.ones(len(operation), dtype=bool)
    for name, values in operation.levers.items():
        moved = np.abs(np.diff(values, prepend=values[:1])) > 0.05 * scale_of(name).kelvin
        calm &= ~pd.Series(moved).rolling(steps, min_periods=1).max().astype(bool).to_numpy()
    return calm


def _balance_checks(scored: Scored, window: Operation) -> list[Check]:
    known = scored.measured
    power = pd.DataFrame({"all": scored.planned_kw[known], "it": scored.planned_it_kw[known]})
    per_day = power.groupby(window.stamps[known].floor("D")).sum()
    pue = per_day["all"] / per_day["it"]  # per day: a single step carries the measurement's own noise
    parts = sum(scored.parts_kw.values())
    gap = abs(parts - scored.saving_kw)
    share = float(known.mean())
    return [
        Check(
            say("facility power covers IT power"),
            bool((pue >= 1.0).all()),
            float(pue.min()),
            1.0,
            say("PUE of every day"),
        ),
        Check(
            say("saving = sum of its parts"),
            gap <= 1e-6 * float(scored.baseline_kw[known].mean()),
            gap,
            0.0,
            "kW",
        ),
        Check(
            say("steps measured in the window"),
            share >= 0.5,
            share,
            0.5,
            say("{known} of {total}", known=int(known.sum()), total=len(window)),
        ),
    ]


def _pue_checks(limits: tuple[Limit, ...], after: Totals) -> list[Check]:
    """Compare the planned PUE of the window with its cap."""
    return [
        Check(
            say("PUE at most {cap:g}", cap=limit.value),
            after.pue is not None and after.pue <= limit.value,
            after.pue,
            limit.value,
            say("PUE of the window"),
        )
        for limit in limits
        if limit.name == "pue"
    ]


def _plausible(share: Interval, scored: Scored, claimed: float) -> Check:
    """Refuse what no mechanism in the site's own data carries."""
    it, rest = scored.parts_kw["it"], scored.parts_kw["cooling"] + scored.parts_kw["power_chain"]
    mechanism = (
        say("IT power falls with air temperature")
        if it > rest
        else say("cooling needs less at these set-points")
    )
    shown = share.point <= MECHANISM_PCT or share.lower > 0
    largest = max(share.point, claimed)
    ok = largest <= IMPOSSIBLE_PCT and shown
    note = (
        say("mechanism in the data: {mechanism}", mechanism=mechanism)
        if share.point > MECHANISM_PCT
        else say("small enough to need no special mechanism")
    )
    return Check(say("plausible saving"), ok, largest, IMPOSSIBLE_PCT, note)


def _notes(measured: BoolArray, pv_kw: FloatArray | None) -> tuple[str, ...]:
    notes = []
    missing = int((~measured).sum())
    if missing:
        notes.append(
            say(
                "{missing} of {total} steps were not fully measured: totals leave them out",
                missing=missing,
                total=len(measured),
            )
        )
    dark = 0 if pv_kw is None else int(np.isnan(pv_kw[measured]).sum())
    if dark:
        notes.append(say("own generation is unknown in {count} steps and counted as none there", count=dark))
    return tuple(notes)
