"""Re-check of a dispatch from its inputs and the plan's figures alone: balance, limits, battery, work, sums.

Nothing here is shared with the code that plans (`advisor.dispatch`, `advisor.dispatch_lp`,
`advisor.dispatch_read`); import-linter keeps it so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from advisor.dispatch_site import Dispatch, DispatchSite, DispatchTotals, Setting, SiteDispatch
from advisor.plan import Check
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
    for site in sites:
        part = plan.sites[site.site_id]
        for name, broken in _of_site(site, part, setting):
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


def _of_site(site: DispatchSite, part: SiteDispatch, setting: Setting) -> Violations:
    peak = max(float(site.load_kw.max()), float(site.work_kw.max()), float(site.own_kw.max()), 1e-9)
    yield from ((name, broken / peak) for name, broken in _power(site, part))
    yield from ((name, broken / peak) for name, broken in _work(site, part, setting))
    yield from _battery(site, part, setting, peak)
    yield "sums", _sums(site, part, setting)


def _power(site: DispatchSite, part: SiteDispatch) -> Violations:
    supplied = part.grid_kw + part.own_used_kw + part.discharge_kw - part.charge_kw
    yield "energy balance", np.abs(supplied - part.load_kw)
    yield "own production", np.abs(part.own_used_kw + part.spilled_kw - site.own_kw)
    names = ("load_kw", "grid_kw", "own_used_kw", "spilled_kw", "charge_kw", "discharge_kw", "out_kw")
    yield "nothing negative", -np.minimum.reduce([getattr(part, n) for n in (*names, "in_kw", "work_kw")])
    moved = site.facility_per_work * (part.in_kw - part.out_kw) + part.transfer_kw
    yield "load follows work", np.abs(site.load_kw + moved - part.load_kw)


def _work(site: DispatchSite, part: SiteDispatch, setting: Setting) -> Violations:
    yield "work in the step", np.abs(site.work_kw + part.in_kw - part.out_kw - part.work_kw)
    yield "flexible share", part.out_kw - site.flexible_share * site.work_kw
    yield "capacity", np.where(site.open, part.work_kw - site.it_capacity_kw, 0.0)
    still = part.in_kw + part.out_kw + part.charge_kw + part.discharge_kw
    yield "steps without data rest", np.where(site.open, 0.0, still)
    mine = [e for e in setting.exchanges if site.site_id in e.site_ids]
    rates = [e.transfer_kwh_per_kwh for e in mine] or [0.0]
    low, high = min(rates) * part.from_others_kw, max(rates) * part.from_others_kw
    yield "transfer energy", np.maximum(low - part.transfer_kw, part.transfer_kw - high)


def _battery(site: DispatchSite, part: SiteDispatch, setting: Setting, peak: float) -> Violations:
    b = site.battery
    if b is None:
        yield "battery power", (part.charge_kw + part.discharge_kw) / peak
        return
    size, h = max(b.energy_kwh, 1e-9), setting.hours
    before = np.concatenate([[setting.start_kwh(site)], part.soc_kwh[:-1]])
    stored = h * (b.charge_efficiency * part.charge_kw - part.discharge_kw / b.discharge_efficiency)
    yield "battery level", np.abs(before + stored - part.soc_kwh) / size
    over = np.maximum(part.soc_kwh - b.energy_kwh, b.reserve_kwh - part.soc_kwh)
    yield "battery reserve and capacity", over / size
    yield "battery power", (np.maximum(part.charge_kw, part.discharge_kw) - b.power_kw) / peak
    yield "battery one way at a time", np.minimum(part.charge_kw, part.discharge_kw) / peak
    if not b.grid_charging:
        yield "battery charges from own production", (part.charge_kw - part.own_used_kw) / peak
    if setting.battery_end == "as-started":
        yield "battery as full as at the start", np.array([before[0] - part.soc_kwh[-1]]) / size


def _sums(site: DispatchSite, part: SiteDispatch, setting: Setting) -> FloatArray:
    told, hours = part.totals, setting.hours
    pairs = [
        (told.load_kwh, part.load_kw.sum()),
        (told.grid_kwh, part.grid_kw.sum()),
        (told.non_green_kwh, (part.grid_kw * site.grid_non_green).sum()),
        (told.own_used_kwh, part.own_used_kw.sum()),
        (told.spilled_kwh, part.spilled_kw.sum()),
        (told.moved_kwh, part.out_kw.sum()),
        (told.delivered_kwh, part.discharge_kw.sum()),
    ]
    if told.carbon_kg is not None and site.carbon_g_per_kwh is not None:
        pairs.append((told.carbon_kg, (part.grid_kw * site.carbon_g_per_kwh).sum() / 1000))
    if told.cost is not None and site.price_per_kwh is not None:
        mine = [e.transfer_price_per_kwh for e in setting.exchanges if site.site_id in e.site_ids] or [0.0]
        energy, arrived = (part.grid_kw * site.price_per_kwh).sum(), part.from_others_kw.sum()
        low, high = energy + min(mine) * arrived, energy + max(mine) * arrived
        pairs.append((told.cost, float(np.clip(told.cost / hours, low, high))))
    return np.array([_apart(value, hours * float(total)) for value, total in pairs])


def _of_all(sites: Sequence[DispatchSite], plan: Dispatch, setting: Setting) -> Violations:
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
