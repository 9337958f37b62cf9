"""A rolling plan meets what really happens: step by step, inside the true limits, nothing known ahead.

A planned move is cut to what the step's true work allows, and so far that the rest of the day can surely
bring the work back; what was cut is caught up at once. Should a day end out of balance all the same (its
last steps held less work or more than ever foreseen), the remainder is done on the next day and told.
Batteries follow the meter of their site: surplus and deficit of the running step are real, the grid's share
in it is the forecast.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from advisor.dispatch_read import peaks_cost
from advisor.dispatch_site import DispatchSite, DispatchTotals, Setting, SiteDispatch
from advisor.rolling_battery import LEVELS, one_step
from features.frame import FloatArray
from models.day_ahead import BoolArray, DayGrid

TRUST_DAYS = 28
"""Days whose plans must together have saved something, as executed, for the next one to be carried out."""
SMALL = 1e-9
"""Below this share of the largest power a move is rounding [1]."""


@dataclass(frozen=True)
class Intent:
    """What a planner wants for the steps left of a day; arrays of shape (sites, steps left).

    ``move`` [kW] work that arrives less work that leaves; ``sure_low`` and ``sure_high`` [kW] what can
    surely leave (negative) and arrive; ``weight`` [1] expected of a purchased kWh; ``worth`` one array of
    shape (steps left + 1, levels) [kWh] per site (`advisor.rolling_battery.worth_of_storage`).
    """

    move: FloatArray
    sure_low: FloatArray
    sure_high: FloatArray
    weight: FloatArray
    worth: tuple[FloatArray, ...]


Planner = Callable[[int, int, FloatArray, FloatArray], Intent | None]
"""(day, steps of it that are over, per site: work owed [kW], level of the battery [kWh]) -> what to do.

None: nothing can be said.

A planner may use nothing that is measured at or after that step."""


@dataclass(frozen=True)
class Execution:
    """What was done.

    ``move``, ``charge``, ``discharge`` [kW] and ``soc`` [kWh], shape (sites, n); by day, shape (days,):
    ``held`` (the plan was not trusted) and ``late`` [kW], work left for the next day.
    """

    move: FloatArray
    charge: FloatArray
    discharge: FloatArray
    soc: FloatArray
    held: BoolArray
    late: FloatArray


class Executor:
    """Carries out a planner's wishes on sites that may do each other's work.

    Parameters
    ----------
    sites : sequence of DispatchSite
        As they really are.
    grid : DayGrid
    setting : Setting
    every : int
        Steps between two looks of the planner at a day.
    gate : bool
        Whether plans are carried out only while those of the last `TRUST_DAYS` days saved something.
    """

    def __init__(
        self, sites: Sequence[DispatchSite], grid: DayGrid, setting: Setting, every: int, *, gate: bool
    ) -> None:
        self._sites, self._grid, self._setting = tuple(sites), grid, setting
        self._every, self._gate = every, gate
        work = np.stack([s.work_kw for s in sites])
        share = np.array([s.flexible_share for s in sites])[:, None]
        capacity = np.array([s.it_capacity_kw for s in sites])[:, None]
        open_ = np.stack([s.open for s in sites])
        self._low = np.where(open_, -share * work, 0.0)
        most = float((share * work).sum(axis=0).max()) * len(
            grid.inside[0]
        )  # more than ever arrives in a day
        receives = open_ & ((share > 0) | (len(sites) > 1))
        self._high = np.where(receives, np.minimum(capacity - work, most), 0.0)
        self._tiny = SMALL * max(float(work.max()), 1.0)

    def run(self, planner: Planner) -> Execution:
        """Carry out every day in turn."""
        count, n = self._low.shape
        days = len(self._grid.start)
        move, charge, discharge, soc = (np.zeros((count, n)) for _ in range(4))
        done = Execution(move, charge, discharge, soc, np.zeros(days, dtype=np.bool_), np.zeros(days))
        owed = np.zeros(count)
        level = np.array([self._setting.start_kwh(s) for s in self._sites])
        saved: list[float] = []
        for day, (start, length) in enumerate(zip(self._grid.start, self._grid.length, strict=True)):
            steps = slice(int(start), int(start + length))
            before = level
            level = self._day(planner, done, day, steps, owed, before)
            done.held[day] = self._gate and sum(saved[-TRUST_DAYS:]) < 0.0
            saved.append(self._saved(steps, done.move[:, steps]))
            if done.held[day]:
                level = self._day(_resting(planner), done, day, steps, owed, before)
            owed = owed - done.move[:, steps].sum(axis=1)
            owed = np.full(count, owed.sum() / count)  # linked sites owe together
            owed[np.abs(owed) < self._tiny] = 0.0
            done.late[day] = owed.sum()
        return done

    def _day(
        self,
        planner: Planner,
        done: Execution,
        day: int,
        steps: slice,
        owed: FloatArray,
        level: FloatArray,
    ) -> FloatArray:
        """Carry out a day, fill in what was done and return the batteries' levels [kWh], shape (sites,)."""
        intent, looked, behind = None, 0, 0.0
        for t in range(steps.stop - steps.start):  # what a step could not do is known before the next one
            now = steps.start + t
            left = owed - done.move[:, steps.start : now].sum(axis=1)
            if t % self._every == 0:
                intent, looked, behind = planner(day, t, left, level), t, 0.0
            if intent is None:
                wanted, least, most = np.zeros(len(left)), 0.0, 0.0
                behind = float(left.sum())
            else:
                wanted = intent.move[:, t - looked]
                least = float(intent.sure_low[:, t - looked + 1 :].sum())
                most = float(intent.sure_high[:, t - looked + 1 :].sum())
            box = (self._low[:, now], self._high[:, now])
            total = float(wanted.sum()) + behind
            # the rest of the day must be able to bring the remainder back
            possible = float(np.clip(total, left.sum() - most, left.sum() - least))
            move = _spread(np.clip(wanted, *box), box, possible)
            done.move[:, now] = np.where(np.abs(move) < self._tiny, 0.0, move)
            behind = total - float(move.sum())
            level = self._batteries(done, now, t - looked, intent, level)
        return level

    def _saved(self, steps: slice, move: FloatArray) -> float:
        """Return what moves would have saved without batteries [kW]."""
        total = 0.0
        for site, moved in zip(self._sites, move, strict=True):
            short = site.load_kw[steps] - site.own_kw[steps]
            after = short + site.facility_per_work[steps] * moved
            less = np.maximum(short, 0.0) - np.maximum(after, 0.0)
            total += float(less @ site.grid_non_green[steps])
        return total

    def _batteries(
        self, done: Execution, now: int, since: int, intent: Intent | None, level: FloatArray
    ) -> FloatArray:
        """Run the batteries of a step, `since` steps after the intent was made, and return their levels."""
        level = level.copy()
        for k, site in enumerate(self._sites):
            if site.battery is None:
                continue
            if site.open[now]:
                load = site.load_kw[now] + site.facility_per_work[now] * done.move[k, now]
                later = np.zeros(LEVELS) if intent is None else intent.worth[k][since + 1]
                weight = 1.0 if intent is None else float(intent.weight[k, since])
                at, surplus, counts = (
                    np.full((1, 1), v) for v in (level[k], site.own_kw[now] - load, weight)
                )
                step = one_step(site.battery, at, surplus, counts, self._setting.hours, later[None])
                done.charge[k, now], done.discharge[k, now] = step.charge.item(), step.discharge.item()
                level[k] = step.level.item()
            done.soc[k, now] = level[k]
        return level


def _resting(planner: Planner) -> Planner:
    """Return a planner that lets work rest and batteries go on."""

    def rest(day: int, step: int, owed: FloatArray, level: FloatArray) -> Intent | None:
        intent = planner(day, step, owed, level)
        if intent is None:
            return None
        still = np.zeros_like(intent.move)
        still[:, 0] = owed  # what yesterday left comes first
        return replace(intent, move=still)

    return rest


def _spread(move: FloatArray, box: tuple[FloatArray, FloatArray], total: float) -> FloatArray:
    """Return moves inside the box whose sum is as near to `total` as the box allows: by room."""
    apart = total - float(move.sum())
    room = box[1] - move if apart > 0 else move - box[0]
    available = float(room.sum())
    if available <= 0.0:
        return move
    return np.asarray(move + np.sign(apart) * min(abs(apart) / available, 1.0) * room)


# -- booking ---------------------------------------------------------------------------------------
def booked(
    sites: Sequence[DispatchSite], grid: DayGrid, setting: Setting, done: Execution
) -> dict[str, SiteDispatch]:
    """Return what happened at every site, with its sums.

    Work received from another site over exchanges that cost energy takes the dearest of its site's rates.
    """
    plans = {}
    for k, site in enumerate(sites):
        move = done.move[k]
        into, out = np.maximum(move, 0.0), np.maximum(-move, 0.0)
        others, transfer = _received(site, grid, setting, move)
        load = site.load_kw + site.facility_per_work * move + transfer
        charge, discharge = done.charge[k], done.discharge[k]
        demand = np.maximum(load + charge - discharge, 0.0)
        bought = np.maximum(demand - site.own_kw, 0.0)
        own_used = demand - bought
        spilled = np.maximum(site.own_kw - own_used, 0.0)
        totals = sums_of(site, setting, (load, bought, own_used, spilled, out, discharge, others))
        plans[site.site_id] = SiteDispatch(
            site.site_id, load, site.work_kw + move, out, into, others, np.zeros_like(load), transfer, bought,
            charge, discharge, done.soc[k], own_used, spilled, totals,
        )  # fmt: skip
    return plans


def _received(
    site: DispatchSite, grid: DayGrid, setting: Setting, move: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return work from other sites that is charged [kW], and the energy that it takes [kW], shape (n,)."""
    mine = [e for e in setting.exchanges if site.site_id in e.site_ids]
    if not mine or any(e.free for e in mine):
        return np.zeros_like(move), np.zeros_like(move)
    into = np.nan_to_num(grid.by_day(np.maximum(move, 0.0)))
    net = np.maximum(np.nan_to_num(grid.by_day(move)).sum(axis=1), 0.0)
    share = net / np.maximum(into.sum(axis=1), 1e-12)
    others = grid.flat(into * share[:, None])
    return others, max(e.transfer_kwh_per_kwh for e in mine) * others


def sums_of(site: DispatchSite, setting: Setting, parts: tuple[FloatArray, ...]) -> DispatchTotals:
    """Return the sums of what happened at a site.

    Parameters
    ----------
    site : DispatchSite
    setting : Setting
    parts : tuple of numpy.ndarray, shape (n,)
        Load, purchase, own production used and spilled, work that left, delivered by the battery, work
        from other sites [kW].
    """
    load, bought, own_used, spilled, out, discharge, others = parts
    hours = setting.hours
    cost = None
    if site.price_per_kwh is not None:
        prices = [e.transfer_price_per_kwh for e in setting.exchanges if site.site_id in e.site_ids]
        wear = 0.0 if site.battery is None else site.battery.cycle_cost_per_kwh * float(discharge.sum())
        energy = float(bought @ site.price_per_kwh + max(prices, default=0.0) * others.sum())
        cost = hours * (energy + wear) + peaks_cost(site, bought) + site.fixed_cost
    carbon = site.carbon_g_per_kwh
    return DispatchTotals(
        load_kwh=hours * float(load.sum()),
        grid_kwh=hours * float(bought.sum()),
        non_green_kwh=hours * float(bought @ site.grid_non_green),
        own_used_kwh=hours * float(own_used.sum()),
        spilled_kwh=hours * float(spilled.sum()),
        moved_kwh=hours * float(out.sum()),
        delivered_kwh=hours * float(discharge.sum()),
        cost=cost,
        carbon_kg=None if carbon is None else hours * float(bought @ carbon) / 1000.0,
    )
