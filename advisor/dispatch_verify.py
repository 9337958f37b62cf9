"""Re-check of a dispatch from its inputs and the plan's figures alone: balance, limits, battery, work, sums.

Nothing here is shared with the code that plans (`advisor.dispatch`, `advisor.dispatch_lp`,
`advisor.dispatch_read`); import-linter keeps it so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from advisor.dispatch_site import Dispatch, DispatchSite, DispatchTotals, Setting, SiteDispatch
from advisor.plan import Check
from advisor.work import WorkClass
from features.frame import FloatArray
from features.message import say

TOLERANCE = 1e-6
"""Allowed violation as a share of the site's largest power, of its battery, of a day's work [1]."""

Violations = Iterator[tuple[str, FloatArray]]
"""Name of a check and by how much it is broken in every step, as a share of its scale."""


def verify_dispatch(sites: Sequence[DispatchSite], plan: Dispatch, setting: Setting) -> tuple[Check, ...]:
    """Check every limit and balance of a plan again.

    Parameters
    ----------
    sites : sequence of DispatchSite
    plan : Dispatch
    setting : Setting
        Days, step, exchanges and battery rule that the plan was asked to keep.

    Returns
    -------
    tuple of Check
        One per rule; ``worst`` is the largest violation as a share of its scale [1] and names where.
    """
    worst: dict[str, tuple[float, str]] = {}
    sites = [_standing(site, plan, setting) for site in sites]
    for site in sites:
        part = plan.sites[site.site_id]
        for name, broken in _of_site(site, part, _Work.at(site, plan, setting), setting):
            most = np.inf if np.isnan(broken).any() else float(np.max(broken, initial=0.0))
            if name not in worst or most > worst[name][0]:
                worst[name] = (most, f"{site.site_id}, step {int(np.argmax(broken))}")
    for name, broken in _of_all(sites, plan, setting):
        most = float(np.max(broken, initial=0.0))
        if name not in worst or most > worst[name][0]:
            worst[name] = (most, "")
    return tuple(
        Check(name, most <= TOLERANCE, most, TOLERANCE, say("worst at {place}", place=place or "-"))
        for name, (most, place) in worst.items()
    )


@dataclass(frozen=True)
class _Work:
    """What classes do at a site, added up again from the plan's figures [kW], and what it may cost."""

    arrived: FloatArray
    done: FloatArray
    transfer: FloatArray
    price: float
    moved_kwh: float

    @classmethod
    def at(cls, site: DispatchSite, plan: Dispatch, setting: Setting) -> _Work:
        n = len(site.load_kw)
        arrived, done, transfer, price, moved = np.zeros(n), np.zeros(n), np.zeros(n), 0.0, 0.0
        for work in setting.classes:
            begun = plan.work.get(work.name, {}).get(site.site_id)
            if begun is None:
                continue
            power = _spread(begun, work)
            done += power
            if site.site_id == work.home:
                arrived += np.convolve(work.arrival_kw, np.ones(work.run_steps))[:n]
                each = work.run_steps if _whole(work) else 1
                on_time = work.arrival_kw if _whole(work) else _spread_all(work.arrival_kw, work.run_steps)
                moved += each * setting.hours * float(np.clip(on_time - begun, 0, None).sum())
            for place in work.places:
                if place.site_id == site.site_id:
                    transfer += place.transfer_kwh_per_kwh * power
                    price += place.transfer_price_per_kwh * setting.hours * float(power.sum())
        return cls(arrived, done, transfer, price, moved)


def _whole(work: WorkClass) -> bool:
    return work.run_steps > 1 and not work.interruptible


def _spread_all(begun_kw: FloatArray, steps: int) -> FloatArray:
    return np.asarray(np.convolve(begun_kw, np.ones(steps))[: len(begun_kw)])


def _spread(begun_kw: FloatArray, work: WorkClass) -> FloatArray:
    return _spread_all(begun_kw, work.run_steps) if _whole(work) else begun_kw


def _standing(site: DispatchSite, plan: Dispatch, setting: Setting) -> DispatchSite:
    """Return the site with what the plan buys standing."""
    for option in setting.options:
        size = plan.sizes.get(option.name, 0.0)
        if option.site_id != site.site_id:
            continue
        if option.kind == "supply":
            site = replace(site, own_kw=site.own_kw + size * option.series)
        elif option.kind == "retrofit":
            less = np.clip(site.load_kw - size * option.series, 0, None)
            site = replace(site, load_kw=less, it_kw=site.work_kw, backup_kw=site.carried_kw)
        elif option.kind == "battery" and site.battery is not None and size:
            b = site.battery
            larger = {
                "energy_kwh": b.energy_kwh + size,
                "power_kw": b.power_kw + option.power_per_energy * size,
            }
            site = replace(site, battery=b.model_copy(update=larger))
    return site


def _of_site(site: DispatchSite, part: SiteDispatch, work: _Work, setting: Setting) -> Violations:
    peak = max(float(site.load_kw.max()), float(site.work_kw.max()), float(site.own_kw.max()), 1e-9)
    yield from ((name, broken / peak) for name, broken in _power(site, part, work))
    yield from ((name, broken / peak) for name, broken in _work(site, part, work, setting))
    yield from _battery(site, part, setting, peak)
    yield "sums", _sums(site, part, work, setting)


def _power(site: DispatchSite, part: SiteDispatch, work: _Work) -> Violations:
    supplied = part.grid_kw + part.own_used_kw + part.discharge_kw - part.charge_kw
    yield "energy balance", np.abs(supplied - part.load_kw)
    yield "own production", np.abs(part.own_used_kw + part.spilled_kw - site.own_kw)
    names = ("load_kw", "grid_kw", "own_used_kw", "spilled_kw", "charge_kw", "discharge_kw", "out_kw")
    yield "nothing negative", -np.minimum.reduce([getattr(part, n) for n in (*names, "in_kw", "work_kw")])
    moved = part.in_kw - part.out_kw + work.done - work.arrived
    follows = site.load_kw + site.facility_per_work * moved + part.transfer_kw
    yield "load follows work", np.abs(follows - part.load_kw)
    if site.grid_max_kw is not None:
        yield "most from the grid", part.grid_kw - site.grid_max_kw


def _work(site: DispatchSite, part: SiteDispatch, work: _Work, setting: Setting) -> Violations:
    change = part.in_kw - part.out_kw + work.done - work.arrived
    yield "work in the step", np.abs(site.work_kw + change - part.work_kw)
    yield "work of classes", np.abs(work.done - part.class_kw)
    yield "flexible share", part.out_kw - site.flexible_share * (site.work_kw - work.arrived)
    yield "capacity", np.where(site.open, part.work_kw - site.it_capacity_kw, 0.0)
    still = part.in_kw + part.out_kw + part.charge_kw + part.discharge_kw + work.done
    yield "steps without data rest", np.where(site.open, 0.0, still)
    mine = [e for e in setting.exchanges if site.site_id in e.site_ids]
    rates = [e.transfer_kwh_per_kwh for e in mine] or [0.0]
    low, high = min(rates) * part.from_others_kw, max(rates) * part.from_others_kw
    moving = part.transfer_kw - work.transfer
    yield "transfer energy", np.maximum(low - moving, moving - high)


def _battery(site: DispatchSite, part: SiteDispatch, setting: Setting, peak: float) -> Violations:
    b = site.battery
    if b is None:
        yield "battery power", (part.charge_kw + part.discharge_kw) / peak
        return
    size, h = max(b.energy_kwh, 1e-9), setting.hours
    before = np.concatenate([[setting.start_kwh(site)], part.soc_kwh[:-1]])
    stored = h * (b.charge_efficiency * part.charge_kw - part.discharge_kw / b.discharge_efficiency)
    yield "battery level", np.abs(before + stored - part.soc_kwh) / size
    over = np.maximum(part.soc_kwh - b.energy_kwh, site.reserve_kwh(h) - part.soc_kwh)
    yield "battery reserve and capacity", over / size
    yield "battery power", (np.maximum(part.charge_kw, part.discharge_kw) - b.power_kw) / peak
    yield "battery one way at a time", np.minimum(part.charge_kw, part.discharge_kw) / peak
    if not b.grid_charging:
        yield "battery charges from own production", (part.charge_kw - part.own_used_kw) / peak
    if setting.battery_end == "as-started":
        yield "battery as full as at the start", np.array([before[0] - part.soc_kwh[-1]]) / size


def _sums(site: DispatchSite, part: SiteDispatch, work: _Work, setting: Setting) -> FloatArray:
    told, hours = part.totals, setting.hours
    pairs = [
        (told.load_kwh, part.load_kw.sum()),
        (told.grid_kwh, part.grid_kw.sum()),
        (told.non_green_kwh, (part.grid_kw * site.grid_non_green).sum()),
        (told.own_used_kwh, part.own_used_kw.sum()),
        (told.spilled_kwh, part.spilled_kw.sum()),
        (told.moved_kwh, part.out_kw.sum() + work.moved_kwh / hours),
        (told.delivered_kwh, part.discharge_kw.sum()),
    ]
    if told.carbon_kg is not None and site.carbon_g_per_kwh is not None:
        pairs.append((told.carbon_kg, (part.grid_kw * site.carbon_g_per_kwh).sum() / 1000))
    if told.water_m3 is not None and site.water_m3 is not None and site.water_m3_per_kwh is not None:
        change = part.work_kw - site.work_kw
        pairs.append((told.water_m3, site.water_m3.sum() / hours + site.water_m3_per_kwh @ change))
    if told.cost is not None and site.price_per_kwh is not None:
        pairs.append((told.cost, _nearest_cost(site, part, work, setting) / hours))
    return np.array([_apart(value, hours * float(total)) for value, total in pairs])


def _nearest_cost(site: DispatchSite, part: SiteDispatch, work: _Work, setting: Setting) -> float:
    """Return the cost that the plan's figures allow and that is nearest to what the plan tells [currency]."""
    mine = [e.transfer_price_per_kwh for e in setting.exchanges if site.site_id in e.site_ids] or [0.0]
    wear = 0.0 if site.battery is None else site.battery.cycle_cost_per_kwh
    energy = float(part.grid_kw @ np.asarray(site.price_per_kwh) + wear * part.discharge_kw.sum())
    fixed = setting.hours * energy + work.price + site.fixed_cost
    arrived = setting.hours * float(part.from_others_kw.sum())
    if site.peak is not None:
        for period, price in enumerate(site.peak.price_per_kw):
            fixed += price * float(part.grid_kw[site.peak.period == period].max(initial=0.0))
    return float(np.clip(part.totals.cost or 0.0, fixed + min(mine) * arrived, fixed + max(mine) * arrived))


def _of_classes(plan: Dispatch, setting: Setting) -> Violations:
    for work in setting.classes:
        begun = plan.work.get(work.name)
        if begun is None:
            yield "every class is planned", np.array([np.inf])
            continue
        allowed = {work.home, *(p.site_id for p in work.places)}
        yield "work only where it may be done", np.array([float(len(set(begun) - allowed))])
        total = np.sum(list(begun.values()), axis=0)
        due = work.arrival_kw if _whole(work) else _spread_all(work.arrival_kw, work.run_steps)
        scale = max(float(due.sum()), 1e-9)
        done, n = np.cumsum(total), len(due)
        yield "nothing done before it arrives", (done - np.cumsum(due)) / scale
        late = np.array([due[: max(t + 1 - work.wait_steps, 0)].sum() for t in range(n)])
        yield "deadlines", (late - done) / scale
        yield "all work is done", np.array([abs(float(due.sum() - total.sum())) / scale])
        yield "nothing negative", -total / scale
        if _whole(work):
            yield "jobs end inside the window", total[n - work.run_steps + 1 :] / scale
        if work.job_kw is not None:
            jobs = np.concatenate(list(begun.values())) / work.job_kw
            yield "whole jobs", np.abs(jobs - np.round(jobs))


def _of_targets(sites: Sequence[DispatchSite], plan: Dispatch, setting: Setting) -> Violations:
    for target in setting.targets:
        ids = target.site_ids or tuple(s.site_id for s in sites)
        told = [plan.sites[i].totals for i in ids]
        mine = [o for o in setting.options if o.site_id in ids or (o.site_id is None and not target.site_ids)]
        load = max(sum(t.load_kwh for t in told), 1e-9)
        grid = sum(t.grid_kwh for t in told)
        if target.measure == "cfe":
            missing = target.bound - (1 - sum(t.non_green_kwh for t in told) / load)
        elif target.measure == "coverage":
            missing = target.bound - (1 - grid / load)
        elif target.measure == "green_share":
            certified = sum(plan.sizes.get(o.name, 0.0) for o in mine if o.kind == "certificate")
            missing = target.bound - (1 - (grid - certified) / load)
        else:
            total = sum(float(getattr(t, target.measure) or 0.0) for t in told)
            if target.measure == "cost":
                total += sum(o.cost_per_unit * plan.sizes.get(o.name, 0.0) for o in mine)
            missing = (total - target.bound) / max(abs(target.bound), 1.0)
        yield "targets", np.array([missing])


def _of_all(sites: Sequence[DispatchSite], plan: Dispatch, setting: Setting) -> Violations:
    yield from _of_classes(plan, setting)
    yield from _of_targets(sites, plan, setting)
    for names in _partners(sites, setting):
        group = [s for s in sites if s.site_id in names]
        day = setting.day_of(group[0])
        parts = [plan.sites[s.site_id] for s in group]
        left = np.sum([np.bincount(day, p.out_kw) for p in parts], axis=0)
        arrived = np.sum([np.bincount(day, p.in_kw) for p in parts], axis=0)
        work = np.sum([np.bincount(day, s.work_kw) for s in group], axis=0)
        yield "work of each day is done", np.abs(left - arrived) / np.maximum(work, 1e-9)
        paid = np.sum([np.bincount(day, p.from_others_kw) for p in parts], axis=0)
        net = [np.bincount(day, p.in_kw) - np.bincount(day, p.out_kw) for p in parts]
        free = any(e.free for e in setting.exchanges if set(e.site_ids) & names)
        received = np.sum([np.maximum(n, 0.0) for n in net], axis=0)
        if len(group) > 1 and not free:
            yield "work from other sites is charged", (received - paid) / np.maximum(work, 1e-9)
    told = [p.totals for p in plan.sites.values()]
    for name in DispatchTotals.__dataclass_fields__:
        values = [getattr(t, name) for t in told]
        total = getattr(plan.totals, name)
        unknown = any(v is None for v in values)
        apart = float(total is not None) if unknown else _apart(total, float(np.sum(values)))
        yield "sums over sites", np.array([apart])


def _partners(sites: Sequence[DispatchSite], setting: Setting) -> list[set[str]]:
    """Return the sites that can reach each other through exchanges."""
    groups = [{s.site_id} for s in sites]
    for exchange in setting.exchanges:
        joined: set[str] = set(exchange.site_ids)
        apart = []
        for group in groups:
            if group & joined:
                joined |= group
            else:
                apart.append(group)
        groups = [*apart, joined]
    return groups


def _apart(value: float, total: float) -> float:
    return abs(value - total) / max(abs(total), 1.0)
