"""Why a dispatch cannot be planned: the limits that conflict, and the cheapest ways out, in words.

Every way out is solved for, one at a time: what a target could reach when the other limits hold, how much
storage would close the gap, by how much a connection, a capacity or a deadline would have to give.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from advisor.dispatch_block import Block, Raw
from advisor.dispatch_options import Option
from advisor.dispatch_read import Classes, built, site_plan
from advisor.dispatch_site import SHARES, DispatchSite, Measure, Setting, SiteDispatch, Target
from features.errors import PlanError
from features.frame import FloatArray
from features.message import Message, say

LARGEST = 30.0
"""No more storage than so many days of the mean load is proposed."""
SHORT = 1e-6
"""Below this share of the load nothing is short [1]."""


def explain(
    block: Block, sites: Sequence[DispatchSite], setting: Setting, at_most: float | None
) -> PlanError:
    """Return the error that an infeasible plan is answered with.

    Parameters
    ----------
    block : Block
        The infeasible programme.
    sites : sequence of DispatchSite
    setting : Setting
    at_most : float or None
        Bound of ``setting.limited`` [its unit].
    """
    place = Message.joined(", ", [s.site_id for s in sites[:5]])
    reached = [(t, block.least(sites, k, at_most)) for k, t in enumerate(block.targets)]
    missed = [(t, raw) for t, raw in reached if raw is not None]
    if missed:
        whats = [_target_words(t, raw, sites, setting) for t, raw in missed]
        return PlanError(
            "E-DISPATCH-TARGET", Message.joined("; ", whats), place, _ways_out(block, sites, setting, at_most)
        )
    limited = setting.limited
    least = None if limited is None or at_most is None else block.solve(sites, limited)
    if least is not None:
        return PlanError(
            "E-DISPATCH-AT-MOST",
            say("{name} cannot be kept at most {bound:g}", name=limited, bound=at_most), place,
            say("the least that can be reached is {least:g}", least=least.value),
        )  # fmt: skip
    return _physical(block, sites, setting, at_most, place)


# -- targets ---------------------------------------------------------------------------------------
_NAMES: dict[Measure, Message] = {
    "cfe": say("an hourly carbon-free share"),
    "coverage": say("an hourly coverage by own production"),
    "green_share": say("a green share with certificates"),
    "cost": say("the cost"),
    "non_green_kwh": say("non-green energy [kWh]"),
    "grid_kwh": say("purchased energy [kWh]"),
    "carbon_kg": say("emissions [kg CO2e]"),
    "water_m3": say("water [m3]"),
}


def _target_words(target: Target, raw: Raw, sites: Sequence[DispatchSite], setting: Setting) -> Message:
    name = _NAMES[target.measure]
    if target.measure not in SHARES:
        return say(
            "{name} of at most {bound:,.6g} cannot be kept: the least beside the other limits is "
            "{least:,.6g}", name=name, bound=target.bound, least=raw.value,
        )  # fmt: skip
    counted = [s for s in sites if target.site_ids is None or s.site_id in target.site_ids]
    plans = [_planned(s, sites, raw, setting) for s in counted]
    load, short = _short(target, counted, plans, raw, setting)
    total = float(short.sum())
    return say(
        "{name} of {bound:.1%} cannot be met: at best {best:.1%}, {short:,.6g} kWh short, {when}",
        name=name, bound=target.bound, best=target.bound - total / max(load, 1e-9), short=_shown(total),
        when=_when(short, setting),
    )  # fmt: skip


def _planned(site: DispatchSite, sites: Sequence[DispatchSite], raw: Raw, setting: Setting) -> SiteDispatch:
    at = [s.site_id for s in sites].index(site.site_id)
    stands = built(site, setting.options, raw.sizes)
    return site_plan(stands, raw.columns[at], "non_green_kwh", setting, Classes.at(site, raw, setting))


def _short(
    target: Target, sites: Sequence[DispatchSite], plans: Sequence[SiteDispatch], raw: Raw, setting: Setting
) -> tuple[float, FloatArray]:
    """Return the energy that the share is of [kWh] and what is missing in each step [kWh]."""
    h, rest = setting.hours, 1.0 - target.bound
    base = np.sum([h * p.load_kw for p in plans], axis=0)
    bad = np.sum(
        [
            h * p.grid_kw * (s.grid_non_green if target.measure == "cfe" else 1.0)
            for s, p in zip(sites, plans, strict=True)
        ],
        axis=0,
    )
    if target.measure == "green_share":
        certified = sum(raw.sizes.get(o.name, 0.0) for o in setting.options if o.kind == "certificate")
        bad = bad * max(1.0 - certified / max(float(bad.sum()), 1e-9), 0.0)
    return float(base.sum()), bad - rest * base


def _when(short_kwh: FloatArray, setting: Setting) -> Message:
    """Return in how many days the shortage arises, and at which hours of the day most of it."""
    days = np.unique(setting.day, return_inverse=True)[1]
    per_day = np.bincount(days, np.maximum(short_kwh, 0.0))
    net = np.bincount(days, short_kwh)
    steps = round(24 / setting.hours)
    since = np.arange(len(days)) - np.searchsorted(days, days)
    first = int((days == 0).sum())
    clock = np.where(days == 0, since + max(steps - first, 0), since) % steps
    of_hour = np.asarray(np.bincount(clock, np.maximum(short_kwh, 0.0), minlength=steps), dtype=np.float64)
    start, width = _busiest(of_hour)
    count = int((net > SHORT * max(float(per_day.sum()), 1e-9)).sum())
    return say(
        "in {count} of {days} days, most of it from {start:g} to {end:g} h",
        count=count, days=len(per_day), start=start * setting.hours,
        end=((start + width) * setting.hours - 1e-9) % 24 + 1e-9,
    )  # fmt: skip


def _busiest(of_hour: FloatArray) -> tuple[int, int]:
    """Return first step and length of the shortest stretch of the day that holds most of it."""
    n, total = len(of_hour), float(of_hour.sum())
    twice = np.concatenate([[0.0], np.cumsum(np.concatenate([of_hour, of_hour]))])
    for width in range(1, n + 1):
        held = twice[width : width + n] - twice[:n]
        if held.max() >= 0.5 * total:
            return int(np.argmax(held)), width
    return 0, n


def _ways_out(
    block: Block, sites: Sequence[DispatchSite], setting: Setting, at_most: float | None
) -> Message:
    """Return what would close the gap: storage if that is enough, always a lower target."""
    lower = say("lower the target to what can be reached")
    money = "cost" in (setting.limited, *(t.measure for t in block.targets))
    storing = [s for s in sites if s.battery is not None]
    if money or not storing:
        return lower
    # storage is counted in kWh: everything else is free
    free = [
        replace(
            s, price_per_kwh=np.zeros_like(s.load_kw), peak=None,
            battery=None if s.battery is None else s.battery.model_copy(update={"cycle_cost_per_kwh": 0.0}),
        )
        for s in sites
    ]  # fmt: skip
    options = tuple(replace(o, cost_per_unit=0.0) for o in block.options)
    options += tuple(_storage(s) for s in storing)
    larger = Block(free, replace(setting, options=options, classes=block.classes, targets=block.targets))
    found = larger.solve(free, "cost", at_most)
    if found is None:
        return Message.joined("; ", [lower, say("no amount of storage is enough")])
    needed = [
        say("{energy:,.6g} kWh of storage more at {site}", energy=_shown(size), site=s.site_id)
        for s in storing
        if (size := found.sizes[_storage_name(s)]) > 1e-6 * float(s.load_kw.max())
    ]
    return Message.joined(
        "; ", [lower, say("or build {what}, which closes it", what=Message.joined(", ", needed))]
    )


def _storage_name(site: DispatchSite) -> str:
    return f"storage that closes the gap at {site.site_id}"


def _storage(site: DispatchSite) -> Option:
    battery = site.battery
    ratio = 1.0 if battery is None or battery.energy_kwh <= 0 else battery.power_kw / battery.energy_kwh
    most = LARGEST * 24.0 * float(site.load_kw.mean())
    return Option(_storage_name(site), "battery", site.site_id, 1.0, most, power_per_energy=max(ratio, 1e-3))


# -- connections, capacities, deadlines ------------------------------------------------------------
def _physical(
    block: Block, sites: Sequence[DispatchSite], setting: Setting, at_most: float | None, place: Message
) -> PlanError:
    broken = block.relaxed(sites, at_most)
    connections = [
        say(
            "the connection of {site} is {short:,.6g} kWh short in {count} steps, by up to {most:,.6g} kW",
            site=name,
            short=_shown(setting.hours * float(kw.sum())),
            count=int((kw > 0).sum()),
            most=_shown(float(kw.max())),
        )
        for name, kw in broken.connection.items()
    ]
    capacities = [
        say(
            "it_capacity_kw of {site} is too small in {count} steps, by up to {most:,.6g} kW",
            site=name,
            count=int((kw > 0).sum()),
            most=_shown(float(kw.max())),
        )
        for name, kw in broken.capacity.items()
    ]
    deadlines = [
        say("{name} is up to {late:,.6g} kWh late", name=name, late=_shown(setting.hours * float(kw.max())))
        for name, kw in broken.deadline.items()
    ]
    crowded = [s for s in sites if (s.work_kw > s.it_capacity_kw).any()]
    if connections or deadlines or capacities:
        code = "E-DISPATCH-GRID" if connections else "E-DISPATCH-CAPACITY"
        return PlanError(
            code, Message.joined("; ", [*connections, *capacities, *deadlines]), place,
            say("declare a larger connection, capacity or wait, or let work move to a site with room"),
        )  # fmt: skip
    return PlanError(
        "E-DISPATCH-CAPACITY", say("the day's work does not fit into it_capacity_kw"),
        ", ".join(s.site_id for s in crowded or sites),
        say("declare the true capacity, or let work move to a site with room"),
    )  # fmt: skip


def _shown(value: float) -> float:
    """Return a figure with four digits that mean something."""
    return float(f"{value:.4g}")
