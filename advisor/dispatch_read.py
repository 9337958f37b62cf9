"""From columns of the linear programme to a plan: rounding removed, the rest follows by balance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from advisor.dispatch_lp import Raw, weights
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
        plans[site.site_id] = site_plan(site, part, "grid_kwh", setting)
    report = SolverReport("hold", say("nothing is moved, batteries rest"), 0.0)
    return Dispatch(plans, added([p.totals for p in plans.values()]), report)


def is_free(site: DispatchSite) -> bool:
    """Whether anything can be decided at the site."""
    return site.flexible_share > 0 or site.battery is not None


def direct(site: DispatchSite, objective: Objective, setting: Setting) -> Raw:
    """Solve a site without freedom: own production first, unless a purchase is paid for."""
    weight = weights(site, objective, setting.hours)
    grid = np.where(weight < 0, site.load_kw, np.maximum(site.load_kw - site.own_kw, 0.0))
    value = float(weight @ grid)
    return Raw(({"grid": grid},), value, value, 0)


def site_plan(
    site: DispatchSite, part: dict[str, FloatArray], objective: Objective, setting: Setting
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
    transfer = _transfer_kw(part, setting)
    load = site.load_kw + site.facility_per_work * (into + others - out) + transfer
    charge, discharge = _one_way(site, part, tiny)
    demand = np.maximum(load + charge - discharge, 0.0)
    least = np.maximum(demand - site.own_kw, 0.0)
    grid = least
    if "cost" in (objective, setting.limited) and site.price_per_kwh is not None:
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
        moved_kwh=setting.hours * float(out.sum()),
        delivered_kwh=setting.hours * float(discharge.sum()),
        cost=_cost(site, grid, part, setting),
        carbon_kg=_carbon(site, grid, setting),
    )
    return SiteDispatch(
        site.site_id, load, site.work_kw + into + others - out, out, into + others, others, transfer, grid,
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
    site: DispatchSite, grid: FloatArray, part: dict[str, FloatArray], setting: Setting
) -> float | None:
    if site.price_per_kwh is None:
        return None
    cost = float(grid @ site.price_per_kwh)
    for h, exchange in enumerate(setting.exchanges):
        if f"exchange{h}" in part:
            cost += exchange.transfer_price_per_kwh * float(part[f"exchange{h}"].sum())
    return setting.hours * cost


def _carbon(site: DispatchSite, grid: FloatArray, setting: Setting) -> float | None:
    if site.carbon_g_per_kwh is None:
        return None
    return setting.hours * float(grid @ site.carbon_g_per_kwh) / 1000.0
