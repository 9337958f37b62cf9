"""The verifier of set-point plans: it shares nothing with the optimiser.

Limits are re-checked against what the site's own sensors have shown, the energy balance and the
saving come from the second model, and a saving that physics cannot explain is refused.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from advisor.limit_checks import limit_checks
from advisor.plan import Z90, Check, Interval, Limit, Plan, Saving, Totals, Verdict, VerifiedPlan
from advisor.schedule_checks import reversal_checks
from advisor.site import Site
from features.frame import FloatArray
from features.levers import scale_of
from features.message import say
from features.operation import BoolArray, Operation
from models.site_scorer import Scored, SiteScorer

MECHANISM_PCT = 3.0
"""A larger saving needs a mechanism that the site's own data show [% of facility energy]."""
MECHANISM_COOLING_PCT = 20.0
"""The same of cooling energy [%]: published results of trials lie at 9 to 21 % of it."""
IMPOSSIBLE_PCT = 30.0


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
    checks = [*limit_checks(plan, current, planned, operation, site), *reversal_checks(plan)]
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
    checks.append(_plausible(share, scored, plan.objective.get("saving_pct"), window))
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


def _plausible(share: Interval, scored: Scored, claimed: float | None, window: Operation) -> Check:
    """Refuse what no mechanism in the site's own data carries.

    A large saving, of the facility's or of cooling's energy, counts only where the second model finds it
    beyond doubt and the first one, on other weeks, finds at least half of it.
    """
    it, rest = scored.parts_kw["it"], scored.parts_kw["cooling"] + scored.parts_kw["power_chain"]
    mechanism = (
        say("IT power falls with air temperature")
        if it > rest
        else say("cooling needs less at these set-points")
    )
    cooling_pct = 100 * scored.parts_kw["cooling"] / float(np.mean(window.overhead_kw[scored.measured]))
    large = share.point > MECHANISM_PCT or cooling_pct > MECHANISM_COOLING_PCT
    other = share.point if claimed is None else claimed
    shown = not large or (share.lower > 0 and other >= share.point / 2)
    largest = max(share.point, other)
    note = (
        say(
            "mechanism in the data: {mechanism}; {share:.0f} % of cooling",
            mechanism=mechanism,
            share=cooling_pct,
        )
        if large and shown
        else say("no mechanism in the data carries {share:.0f} % of cooling", share=cooling_pct)
        if large
        else say("small enough to need no special mechanism")
    )
    return Check(say("plausible saving"), largest <= IMPOSSIBLE_PCT and shown, largest, IMPOSSIBLE_PCT, note)


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
