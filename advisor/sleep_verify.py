"""The verifier of sleep plans: it shares nothing with the proposer.

Limits are re-checked on the cells' raw rows, and the saving is scored by another estimator on other days:
a regression with station fixed effects on the odd days, where the proposer compared matched hours of the
even days. The interval also spans the same regression on the hours of use only (nights against nights) and,
where the clocks of load and energy were found apart, with equal stamps, so that no saving rests on one view.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from advisor.plan import Z90, Check, Interval, Plan, Saving, Totals, Verdict, VerifiedPlan
from advisor.sleep_scorer import SleepScorer
from features.base_station import SLEEP_COLUMNS
from features.message import say
from features.telemetry import Telemetry

DISAGREE = 0.15
"""Proposer and scorer may differ by this much in the share saved before a plan is not proven [1]."""
LARGEST = 0.9
"""A larger saving is not sleep but an outage or a wrong meter [1]."""
SHORTEST_H = 2.0
Actions = dict[str, tuple[str, tuple[str, ...]]]
"""Name of an action -> (product, modes switched together)."""


@dataclass(frozen=True)
class Scale:
    """What one unit of the fleet's energy is worth; None where not declared.

    ``kwh`` [kWh/unit], ``price`` [currency/kWh], ``carbon`` [kg/kWh], ``green`` [1].
    """

    kwh: float | None = None
    price: float | None = None
    carbon: float | None = None
    green: float | None = None

    def totals(self, energy: float) -> Totals:
        """Return the totals of an energy [unit of the data]."""
        if self.kwh is None:
            return Totals(green_share=self.green)
        bought = energy * self.kwh
        return Totals(
            energy_kwh=bought,
            non_green_kwh=None if self.green is None else bought * (1 - self.green),
            cost=None if self.price is None else bought * self.price,
            carbon_kg=None if self.carbon is None else bought * self.carbon,
            green_share=self.green,
        )

    def saving(self, saved: Interval, fleet: float) -> Saving:
        """Return a saving [unit of the data] in every unit that was declared."""
        share = Interval(*(100 * v / fleet for v in (saved.lower, saved.point, saved.upper)))
        if self.kwh is None:
            return Saving(energy_pct=share)
        kwh = saved.scaled(self.kwh)
        return Saving(
            energy_kwh=kwh,
            energy_pct=share,
            non_green_kwh=None if self.green is None else kwh.scaled(1 - self.green),
            cost=None if self.price is None else kwh.scaled(self.price),
            carbon_kg=None if self.carbon is None else kwh.scaled(self.carbon),
        )


@dataclass(frozen=True)
class FleetEnergy:
    """Energy of every station and interval of the window without the plan [unit of the data].

    ``table`` has ``site_id``, ``timestamp`` (of the cells' rows), ``energy``; ``measured`` [1] is the
    share of the sum that was metered, the rest is predicted.
    """

    table: pd.DataFrame
    measured: float

    @property
    def total(self) -> float:
        """Sum over the fleet."""
        return float(self.table["energy"].sum())


def verify_sleep(
    plan: Plan, scorer: SleepScorer, fleet: FleetEnergy, scale: Scale, actions: Actions
) -> VerifiedPlan:
    """Re-check a sleep plan and score its saving.

    Parameters
    ----------
    plan : Plan
        Schedule with ``site_id``, ``unit_id``, ``timestamp``, ``lever``, ``current``, ``recommended``
        ``action`` and ``dose`` (capacity share times share of the interval) [1].
    scorer : SleepScorer
    fleet : FleetEnergy
    scale : Scale
    actions : dict
        What the names in the schedule mean.

    Returns
    -------
    VerifiedPlan
        ``supported`` only if every check passes and the interval of the saving excludes zero.
    """
    baseline = scale.totals(fleet.total)
    if plan.schedule.empty:
        return VerifiedPlan(plan, "hold", baseline, baseline, Saving(), {}, None, None, (), plan.conflicts)
    checks = _limit_checks(plan, scorer.telemetry, actions)
    saved, notes, known = _scored_saving(plan, scorer, fleet, actions)
    proposer = plan.objective.get("saving_pct")
    parts = {"station_pct": _station_pct(plan, fleet, saved)} if saved else {}
    verdict: Verdict = "supported"
    if not all(c.passed for c in checks):
        verdict = "refused"
    elif saved is None or saved.lower <= 0 or not known:
        verdict = "not proven"
    if saved is None:
        return VerifiedPlan(
            plan, verdict, baseline, baseline, Saving(), {}, proposer, None, tuple(checks), tuple(notes)
        )
    return VerifiedPlan(
        plan, verdict, baseline, scale.totals(fleet.total - saved.point), scale.saving(saved, fleet.total),
        parts, proposer, 100 * saved.point / fleet.total, tuple(checks), tuple(notes),
    )  # fmt: skip


def _scored_saving(
    plan: Plan, scorer: SleepScorer, fleet: FleetEnergy, actions: Actions
) -> tuple[Interval | None, list[str], bool]:
    """Return the saving [unit of the data], what was noticed, and whether the two models agree."""
    notes: list[str] = []
    agree = True
    lower = point = upper = 0.0
    for name, (product, modes) in sorted(actions.items()):
        effect = plan.problem.options.get(f"effect:{name}")
        bounds, said, steady = share_saved(
            scorer, name, product, modes, None if effect is None else float(effect)
        )
        notes += said
        if bounds is None:
            return None, notes, False
        exposed = _exposed(plan.schedule[plan.schedule["action"] == name], fleet)
        agree &= steady
        lower, point, upper = (
            lower + bounds.lower * exposed, point + bounds.point * exposed, upper + bounds.upper * exposed
        )  # fmt: skip
    return Interval(lower, point, upper), notes, agree


def share_saved(
    scorer: SleepScorer, name: str, product: str, modes: tuple[str, ...], proposed: float | None
) -> tuple[Interval | None, list[str], bool]:
    """Return the share of a station's energy that an action saves at dose 1 [1], by both estimators.

    Parameters
    ----------
    scorer : SleepScorer
    name, product, modes
        The action.
    proposed : float or None
        The proposing estimator's share [1]; None: it has none.

    Returns
    -------
    Interval or None, list of str, bool
        None where one of the two has nothing to say; what was noticed; whether they agree.
    """
    score = scorer.score(product, modes)
    if score is None:
        return None, [say("{name}: too few stations asleep on the scorer's days", name=name)], False
    if proposed is None:
        told = say("{name}: too few stations with matched hours asleep and awake", name=name)
        return None, [told], False
    half = float(np.hypot(Z90 * score.error, abs(proposed - score.share) / 2))
    bounds = Interval(score.share - half, score.share, min(score.share + half, 1.0))
    bounds, said, steady = _with_other_views(bounds, scorer, product, modes)
    note = say(
        "{name}: matched hours say {matched:.1f} % of the station's energy, the regression "
        "{regression:.1f} % ({stations} stations, {hours} hours asleep)",
        name=name,
        matched=100 * proposed,
        regression=100 * score.share,
        stations=score.stations,
        hours=score.hours,
    )
    agree = steady and abs(proposed - score.share) <= DISAGREE and score.share < LARGEST
    return bounds, [note, *said], agree


def _with_other_views(
    bounds: Interval, scorer: SleepScorer, product: str, modes: tuple[str, ...]
) -> tuple[Interval, list[str], bool]:
    """Widen an interval by the same regression on the hours of use only, and with equal stamps.

    The last value says whether nights against nights agree with the whole day: where they do not, the time
    of day and not sleep may be what was measured.
    """
    views = {say("in the hours of use only"): (False, True)}
    if scorer.offset:
        views[say("with equal stamps of load and energy")] = (True, False)
        views[say("with equal stamps, in the hours of use only")] = (True, True)
    said: list[str] = []
    agree = True
    for name, (equal_stamps, same_hours) in views.items():
        other = scorer.score(product, modes, equal_stamps=equal_stamps, same_hours=same_hours)
        if other is None:
            continue
        if not equal_stamps:
            agree = abs(other.share - bounds.point) <= DISAGREE
        bounds = Interval(min(bounds.lower, other.share), bounds.point, max(bounds.upper, other.share))
        said.append(
            say(
                "{product} {name}: {share:.1f} %, inside the interval",
                product=product,
                name=name,
                share=100 * other.share,
            )
        )
    return bounds, said, agree


def _exposed(schedule: pd.DataFrame, fleet: FleetEnergy) -> float:
    """Return the energy that is put to sleep [unit of the data], cells weighted by their dose."""
    cells = schedule.drop_duplicates(["site_id", "unit_id", "timestamp"])
    weight = cells.groupby(["site_id", "timestamp"])["dose"].sum().reset_index()
    joined = weight.merge(fleet.table, on=["site_id", "timestamp"], how="left")
    return float((joined["dose"] * joined["energy"]).sum())


def _station_pct(plan: Plan, fleet: FleetEnergy, saved: Interval) -> float:
    """Return the saving in % of the energy of the stations concerned over the window."""
    theirs = fleet.table["site_id"].isin(plan.schedule["site_id"])
    return float(100 * saved.point / fleet.table.loc[theirs, "energy"].sum())


def _limit_checks(plan: Plan, telemetry: Telemetry, actions: Actions) -> list[Check]:
    """Re-check every limit of a plan on the cells' raw rows."""
    cells = telemetry.frame[telemetry.frame["unit_id"] != ""]
    levers = sorted({m for _, modes in actions.values() for m in modes})
    schedule = plan.schedule
    once = schedule.drop_duplicates(["site_id", "unit_id", "timestamp"])
    joined = once.merge(
        cells[["site_id", "unit_id", "timestamp", "prb_utilisation", *[m for m in levers if m in cells]]],
        on=["site_id", "unit_id", "timestamp"], how="left",
    )  # fmt: skip
    return [
        _load_check(plan, joined), _other_days_check(plan, joined, cells, telemetry),
        _awake_check(schedule, cells), _block_check(schedule, cells, telemetry),
        _command_check(schedule, joined, levers), _work_check(schedule),
    ]  # fmt: skip


def _guard(plan: Plan, actions: pd.Series) -> pd.Series:
    bounds = {limit.source.removeprefix("guard "): limit.value for limit in plan.problem.limits}
    return actions.map(bounds).astype(np.float64)


def _load_check(plan: Plan, joined: pd.DataFrame) -> Check:
    excess = joined["prb_utilisation"] - _guard(plan, joined["action"])
    passed = bool((excess <= 1e-12).all())  # NaN (no such cell row) fails
    worst = float(joined["prb_utilisation"].max())
    return Check(
        "prb_utilisation",
        passed,
        worst,
        float(_guard(plan, joined["action"]).max()),
        say("load while asleep"),
    )


def _other_days_check(plan: Plan, joined: pd.DataFrame, cells: pd.DataFrame, telemetry: Telemetry) -> Check:
    hour = np.asarray(telemetry.local(cells["timestamp"]).hour)
    top = (
        cells.assign(hour=hour).groupby(["site_id", "unit_id", "hour"])["prb_utilisation"].max().rename("top")
    )
    planned = joined.assign(hour=np.asarray(telemetry.local(joined["timestamp"]).hour))
    planned = planned.merge(top.reset_index(), on=["site_id", "unit_id", "hour"], how="left")
    passed = bool((planned["top"] <= _guard(plan, planned["action"]) + 1e-12).all())
    worst = float(planned["top"].max())
    return Check(
        "prb_utilisation", passed, worst, None, say("load at the same hour of all days in the export")
    )


def _awake_check(schedule: pd.DataFrame, cells: pd.DataFrame) -> Check:
    """Of a station with several cells, one stays awake in every interval."""
    units = cells.groupby("site_id")["unit_id"].nunique()
    several = cells[
        cells["site_id"].isin(units.index[units > 1]) & cells["site_id"].isin(schedule["site_id"])
    ]
    if several.empty:
        return Check(say("cells awake"), True, None, 1.0, say("no station with several cells is concerned"))
    now = several[[m for m in SLEEP_COLUMNS if m in several]].max(axis=1) > 0.05
    planned = schedule.drop_duplicates(["site_id", "unit_id", "timestamp"])[
        ["site_id", "unit_id", "timestamp"]
    ]
    state = several[["site_id", "unit_id", "timestamp"]].assign(now=now)
    state = state.merge(planned.assign(new=True), on=["site_id", "unit_id", "timestamp"], how="left")
    asleep = state["now"] | state["new"].notna()
    awake = (~asleep).groupby([state["site_id"], state["timestamp"]]).sum()
    touched = state["new"].notna().groupby([state["site_id"], state["timestamp"]]).any()
    least = awake[touched].min() if touched.any() else np.nan
    return Check(
        say("cells awake"), bool(not touched.any() or least >= 1), float(least), 1.0, say("cells left awake")
    )


def _block_check(schedule: pd.DataFrame, cells: pd.DataFrame, telemetry: Telemetry) -> Check:
    """Sleep, old and new together, forms one block a night of at least `SHORTEST_H`."""
    planned = schedule.drop_duplicates(["site_id", "unit_id", "timestamp"])[
        ["site_id", "unit_id", "timestamp"]
    ]
    present = [m for m in SLEEP_COLUMNS if m in cells]
    old = cells.loc[(cells[present] > 0.05).any(axis=1), ["site_id", "unit_id", "timestamp"]]
    both = pd.concat([planned.assign(new=1), old.assign(new=0)]).sort_values(
        ["site_id", "unit_id", "timestamp"]
    )
    both = both.drop_duplicates(["site_id", "unit_id", "timestamp"])
    shifted = telemetry.local(both["timestamp"]).tz_localize(None) - pd.Timedelta(hours=12)
    night = both["site_id"] + "|" + both["unit_id"] + "|" + np.asarray(shifted.strftime("%Y-%m-%d"))
    gap = (both["timestamp"].diff() != telemetry.interval) | (night != night.shift())
    block = gap.cumsum()
    length = block.map(block.value_counts()) * telemetry.hours
    touched = (both["new"] == 1).groupby(night).transform("any")
    blocks = block.groupby(night).transform("nunique")
    shortest = float(length[both["new"] == 1].min())
    most = int(blocks[touched].max())
    return Check(
        say("block length"),
        shortest >= SHORTEST_H and most == 1,
        shortest,
        SHORTEST_H,
        say("at most {most} block(s) a night", most=most),
    )


def _command_check(schedule: pd.DataFrame, joined: pd.DataFrame, levers: list[str]) -> Check:
    """Commands name real levers, shares in 0..1, and start from what the telemetry shows."""
    in_range = bool(schedule["recommended"].between(0.0, 1.0).all())
    named = bool(schedule["lever"].isin(levers).all())
    unique = not schedule.duplicated(["site_id", "unit_id", "timestamp", "lever"]).any()
    long = joined.melt(
        ["site_id", "unit_id", "timestamp"], [m for m in levers if m in joined], "lever", "seen"
    )
    merged = schedule.merge(long, on=["site_id", "unit_id", "timestamp", "lever"], how="left")
    same = bool(((merged["current"] - merged["seen"]).abs().fillna(0.0) <= 1e-9).all())
    passed = in_range and named and unique and same
    return Check(say("commands"), passed, None, None, say("levers, shares and starting values"))


def _work_check(schedule: pd.DataFrame) -> Check:
    """Check that only sleep levers move: the work of the fleet stays as measured."""
    only = bool(schedule["lever"].str.startswith("sleep_mode_").all())
    return Check(say("work done"), only, None, None, say("no lever touches the load; it is the export's own"))
