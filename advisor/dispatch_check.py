"""What a dispatch refuses before it plans: input that does not fit together, limits broken from the start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from advisor.dispatch_site import DispatchSite, IntArray, Setting
from advisor.work import arriving_kw
from features.errors import PlanError, UsageError
from features.message import say

TOLERANCE = 1e-9
"""Of the largest work [1]."""


def check_input(sites: Sequence[DispatchSite], day: IntArray, hours: float, battery_start: float) -> None:
    """Refuse sites and steps that do not belong together."""
    ids = [s.site_id for s in sites]
    problems = {
        "there are no sites": not ids,
        "a site id stands twice": len(set(ids)) != len(ids),
        f"a step lasts {hours} h": not (np.isfinite(hours) and hours > 0),
        "day has another length than the sites": any(len(s.load_kw) != len(day) for s in sites),
        "there are no steps": len(day) == 0,
        f"battery_start is {battery_start}": not 0 <= battery_start <= 1,
    }
    for what, wrong in problems.items():
        if wrong:
            raise UsageError("E-DISPATCH-INPUT", what, ", ".join(ids[:5]), say("correct the call"))


def check_exchanges(sites: Mapping[str, DispatchSite], setting: Setting) -> None:
    """Refuse exchanges of unknown sites, or of sites with different days."""
    for exchange in setting.exchanges:
        unknown = [i for i in exchange.site_ids if i not in sites]
        if unknown or len(set(exchange.site_ids)) != len(exchange.site_ids):
            raise UsageError(
                "E-DISPATCH-INPUT", say("an exchange names {sites}", sites=exchange.site_ids), "exchanges"
            )
        days = {setting.day_of(sites[i]).tobytes() for i in exchange.site_ids}
        if len(days) > 1:
            raise UsageError(
                "E-DISPATCH-INPUT", say("sites that exchange work need the same days"),
                ", ".join(exchange.site_ids), say("declare one time_zone for the portfolio's days"),
            )  # fmt: skip


def check_setting(sites: Mapping[str, DispatchSite], setting: Setting) -> None:
    """Refuse classes, options and targets that do not fit the sites."""
    for work in setting.classes:
        _known(work.site_ids, sites, work.name)
        home = sites[work.home]
        if np.shape(work.arrival_kw) != np.shape(home.load_kw):
            _refuse(say("its arrivals have another number of steps than the sites"), work.name)
        if (work.before_kw[~home.open] > 0).any():
            _refuse(say("work arrives in steps without data"), work.name)
    for name, site in sites.items():
        arrives = arriving_kw(setting.classes, name, len(site.load_kw))
        slack = TOLERANCE * max(float(site.work_kw.max()), 1.0)
        if (arrives > site.work_kw + slack).any():
            _refuse(say("classes of work arrive beyond the site's work"), name)
        if (site.facility_per_work * arrives > site.load_kw + slack).any():
            _refuse(say("classes of work would draw more than the site's load"), name)
    for option in setting.options:
        _known((option.site_id,) if option.site_id else (), sites, option.name)
        if option.kind == "battery" and option.site_id and sites[option.site_id].battery is None:
            _refuse(say("its site declares no battery to enlarge"), option.name)
        shape = (len(setting.day),)
        if option.profile is not None and np.shape(option.profile) != shape:
            _refuse(say("its profile has another number of steps than the sites"), option.name)
    for target in setting.targets:
        _known(target.site_ids or (), sites, target.measure)
    names = [c.name for c in setting.classes] + [o.name for o in setting.options]
    if len(set(names)) != len(names):
        _refuse(say("a name stands twice"), ", ".join(names[:5]))


def check_capacity(site: DispatchSite, setting: Setting) -> None:
    """Refuse work that exceeds the capacity and may not leave its step, and a reserve beyond the battery.

    Raises
    ------
    features.errors.PlanError
        ``E-DISPATCH-CAPACITY``, ``E-DISPATCH-RESERVE``.
    """
    fixed = site.work_kw - arriving_kw(setting.classes, site.site_id, len(site.load_kw))
    above = fixed - site.it_capacity_kw - site.flexible_share * fixed
    stuck = np.where(site.open, above, -np.inf)
    if (stuck > TOLERANCE * max(float(site.work_kw.max()), 1.0)).any():
        at = int(np.argmax(stuck))
        raise PlanError(
            "E-DISPATCH-CAPACITY",
            say(
                "work of {work:.6g} kW exceeds it_capacity_kw {capacity:.6g}, and only {share:.0%} of it may "
                "leave",
                work=fixed[at], capacity=site.it_capacity_kw, share=site.flexible_share,
            ),
            f"{site.site_id}, step {at}", say("declare the true capacity or a larger flexible share"),
        )  # fmt: skip
    if site.battery is None:
        return
    reserve = float(site.reserve_kwh(setting.hours).max())
    if reserve > site.battery.energy_kwh * (1 + TOLERANCE):
        raise PlanError(
            "E-DISPATCH-RESERVE",
            say(
                "{hours:g} h of backup take {reserve:.6g} kWh, the battery holds {energy:.6g} kWh",
                hours=site.battery.reserve_hours, reserve=reserve, energy=site.battery.energy_kwh,
            ),
            site.site_id, say("declare the true backup time, or a battery that can carry it"),
        )  # fmt: skip


def _known(ids: tuple[str, ...], sites: Mapping[str, DispatchSite], place: str) -> None:
    unknown = [i for i in ids if i not in sites]
    if unknown:
        _refuse(say("there is no site {site}", site=", ".join(unknown)), place)


def _refuse(what: str, place: str) -> None:
    raise UsageError("E-DISPATCH-INPUT", what, place, say("correct the call"))
