"""From columns of the linear programme to a plan: rounding removed, the rest follows by balance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from advisor.dispatch_block import Raw
from advisor.dispatch_lp import weights
from advisor.dispatch_options import Option
from advisor.dispatch_site import (
    Dispatch,
    DispatchSite,
    DispatchTotals,
    Objective,
    Setting,
    SiteDispatch,
    added,
)
from advisor.plan import SolverReport
from features.frame import FloatArray
from features.message import say

SMALL = 1e-9
"""Below this share of the largest power a figure is the solver's rounding [1]."""


def as_it_is(sites: Sequence[DispatchSite], hours: float) -> Dispatch:
    """Return what happens when nothing is moved and batteries rest: the baseline of every saving.

    Parameters
    ----------
    sites : sequence of DispatchSite
    hours : float
        Length of a step [h].
    """
    setting = Setting(np.zeros(len(sites[0].load_kw), dtype=np.int64), hours)
    plans = {}
    for site in sites:
        part = {"grid": np.maximum(site.load_kw - site.own_kw, 0.0)}
        plans[site.site_id] = site_plan(site, part, "grid_kwh", setting, Classes.none(site))
    report = SolverReport("hold", say("nothing is moved, batteries rest"), 0.0)
    return Dispatch(plans, added([p.totals for p in plans.values()]), report)


@dataclass(frozen=True)
class Classes:
    """What classes of work do at one site, arrays of shape (n,).

    ``before_kw`` [kW] when every job is done on arrival, ``done_kw`` [kW] as planned, ``transfer_kw`` [kW]
    what moving it here takes, ``price`` [currency] of moving it here, ``moved_kwh`` [kWh] of work that left
    its step or its home.
    """

    before_kw: FloatArray
    done_kw: FloatArray
    transfer_kw: FloatArray
    price: float = 0.0
    moved_kwh: float = 0.0

    @classmethod
    def none(cls, site: DispatchSite) -> Classes:
        """Return a site without classes."""
        zero = np.zeros_like(site.load_kw)
        return cls(zero, zero, zero)

    @classmethod
    def at(cls, site: DispatchSite, raw: Raw, setting: Setting) -> Classes:
        """Return what a solution does at a site."""
        before, done, transfer = (np.zeros_like(site.load_kw) for _ in range(3))
        price = moved = 0.0
        for work in (c for c in setting.classes if c.name in raw.work and site.site_id in c.site_ids):
            begun = raw.work[work.name][site.site_id]
            power = work.power_kw(begun)
            done = done + power
            if work.home == site.site_id:
                before = before + work.before_kw
                late = np.maximum(work.soonest_kw - begun, 0.0)
                moved += work.begun_steps * setting.hours * float(late.sum())
            for place in (p for p in work.places if p.site_id == site.site_id):
                transfer = transfer + place.transfer_kwh_per_kwh * power
                price += setting.hours * place.transfer_price_per_kwh * float(power.sum())
        return cls(before, done, transfer, price, moved)


def built(site: DispatchSite, options: Sequence[Option], sizes: dict[str, float]) -> DispatchSite:
    """Return the site with the options of the given sizes standing.

    Parameters
    ----------
    site : DispatchSite
    options : sequence of Option
    sizes : dict
        Name -> amount [unit of the option].
    """
    for option in options:
        size = sizes.get(option.name, 0.0)
        if option.site_id != site.site_id or size == 0.0 or option.kind == "certificate":
            continue
        if option.kind == "battery" and site.battery is not None:
            b = site.battery
            power = b.power_kw + size * option.power_per_energy
            more = b.model_copy(update={"energy_kwh": b.energy_kwh + size, "power_kw": power})
            site = replace(site, battery=more)
        elif option.kind == "supply" and option.profile is not None:
            site = replace(site, own_kw=site.own_kw + size * option.profile)
        elif option.profile is not None:
            # power is saved; the work, and what backup was laid out for, stay
            saved = np.maximum(site.load_kw - size * option.profile, 0.0)
            site = replace(site, load_kw=saved, it_kw=site.work_kw, backup_kw=site.carried_kw)
    return site


def is_free(site: DispatchSite) -> bool:
    """Whether anything can be decided at the site."""
    paid = site.price_per_kwh is not None and bool((site.price_per_kwh < 0).any())
    if site.peak is not None and paid:
        return True  # what a paid purchase earns against the peak that it makes
    return site.flexible_share > 0 or site.battery is not None or site.grid_max_kw is not None


def direct(site: DispatchSite, objective: Objective, setting: Setting) -> Raw:
    """Solve a site without freedom: own production first, unless a purchase is paid for."""
    weight = weights(site, objective, setting.hours)
    part = {"grid": np.where(weight < 0, site.load_kw, np.maximum(site.load_kw - site.own_kw, 0.0))}
    told = getattr(site_plan(site, part, objective, setting, Classes.none(site)).totals, objective)
    return Raw((part,), float(told), float(told), 0)


def site_plan(
    site: DispatchSite, part: dict[str, FloatArray], objective: Objective, setting: Setting, classes: Classes
) -> SiteDispatch:
    """Turn a site's columns into a plan.

    Nothing is taken in and delivered in one step, and own production goes before a purchase, except where
    cost is minimised or bounded and a purchase is paid for: there the planned purchase stays.
    """
    zero = np.zeros_like(site.load_kw)
    tiny = SMALL * max(float(site.load_kw.max()), 1.0)
    out, into = part.get("out", zero), part.get("into", zero)
    others = sum((v for name, v in part.items() if name.startswith("exchange")), start=zero)
    both = np.minimum(out, into)
    out, into = _rounded(out - both, tiny), _rounded(into - both, tiny)
    transfer = _transfer_kw(part, setting) + classes.transfer_kw
    moved = into + others - out + classes.done_kw - classes.before_kw
    load = np.maximum(site.load_kw + site.facility_per_work * moved + transfer, 0.0)
    charge, discharge = _one_way(site, part, tiny)
    demand = np.maximum(load + charge - discharge, 0.0)
    least = np.maximum(demand - site.own_kw, 0.0)
    grid = least
    money = (objective, setting.limited, *(t.measure for t in setting.targets))
    if "cost" in money and site.price_per_kwh is not None:
        stored = charge if site.battery is not None and not site.battery.grid_charging else zero
        planned = np.clip(part["grid"], least, np.maximum(demand - stored, least))
        grid = np.where(site.price_per_kwh < 0, planned, least)
    own_used = demand - grid
    spilled = np.maximum(site.own_kw - own_used, 0.0)
    soc = zero
    if site.battery is not None:
        b, h = site.battery, setting.hours
        flow = h * (b.charge_efficiency * charge - discharge / b.discharge_efficiency)
        soc = setting.start_kwh(site) + np.cumsum(flow)
    totals = DispatchTotals(
        load_kwh=setting.hours * float(load.sum()),
        grid_kwh=setting.hours * float(grid.sum()),
        non_green_kwh=setting.hours * float(grid @ site.grid_non_green),
        own_used_kwh=setting.hours * float(own_used.sum()),
        spilled_kwh=setting.hours * float(spilled.sum()),
        moved_kwh=setting.hours * float(out.sum()) + classes.moved_kwh,
        delivered_kwh=setting.hours * float(discharge.sum()),
        cost=_cost(site, grid, discharge, part, setting, classes),
        carbon_kg=_carbon(site, grid, setting),
        water_m3=_water(site, moved, setting),
    )
    return SiteDispatch(
        site.site_id, load, site.work_kw + moved, out, into + others, others, classes.done_kw, transfer, grid,
        charge, discharge, soc, own_used, spilled, totals,
    )  # fmt: skip


def _one_way(site: DispatchSite, part: dict[str, FloatArray], tiny: float) -> tuple[FloatArray, FloatArray]:
    """Return charge and discharge [kW] with the same effect on the level, never both in one step."""
    zero = np.zeros_like(site.load_kw)
    if site.battery is None:
        return zero, zero
    charge, discharge, b = part.get("charge", zero), part.get("discharge", zero), site.battery
    stored = b.charge_efficiency * charge - discharge / b.discharge_efficiency
    charge = np.maximum(stored, 0.0) / b.charge_efficiency
    discharge = np.maximum(-stored, 0.0) * b.discharge_efficiency
    return _rounded(charge, tiny), _rounded(discharge, tiny)


def _rounded(values: FloatArray, tiny: float) -> FloatArray:
    return np.where(values < tiny, 0.0, values)


def _transfer_kw(part: dict[str, FloatArray], setting: Setting) -> FloatArray:
    total = np.zeros_like(part["grid"])
    for h, exchange in enumerate(setting.exchanges):
        if f"exchange{h}" in part:
            total = total + exchange.transfer_kwh_per_kwh * part[f"exchange{h}"]
    return total


def _cost(
    site: DispatchSite,
    grid: FloatArray,
    discharge: FloatArray,
    part: dict[str, FloatArray],
    setting: Setting,
    classes: Classes,
) -> float | None:
    if site.price_per_kwh is None:
        return None
    cost = float(grid @ site.price_per_kwh)
    if site.battery is not None:
        cost += site.battery.cycle_cost_per_kwh * float(discharge.sum())
    for h, exchange in enumerate(setting.exchanges):
        if f"exchange{h}" in part:
            cost += exchange.transfer_price_per_kwh * float(part[f"exchange{h}"].sum())
    return setting.hours * cost + peaks_cost(site, grid) + classes.price + site.fixed_cost


def peaks_cost(site: DispatchSite, grid: FloatArray) -> float:
    """Return what the highest purchases of the billing periods cost [currency]."""
    if site.peak is None:
        return 0.0
    highest = np.zeros(len(site.peak.price_per_kw))
    np.maximum.at(highest, site.peak.period, grid)
    return float(highest @ site.peak.price_per_kw)


def _water(site: DispatchSite, moved_kw: FloatArray, setting: Setting) -> float | None:
    if site.water_m3 is None or site.water_m3_per_kwh is None:
        return None
    return float(site.water_m3.sum() + setting.hours * site.water_m3_per_kwh @ moved_kw)


def _carbon(site: DispatchSite, grid: FloatArray, setting: Setting) -> float | None:
    if site.carbon_g_per_kwh is None:
        return None
    return setting.hours * float(grid @ site.carbon_g_per_kwh) / 1000.0
