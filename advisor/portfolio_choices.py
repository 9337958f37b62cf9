"""From what a portfolio declares to what its dispatch takes: classes of work, options, targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from advisor.assets import Battery
from advisor.dispatch_options import Option
from advisor.dispatch_site import Target
from advisor.portfolio import Member, Movement, Portfolio
from advisor.portfolio_case import SiteCase
from advisor.portfolio_supply import PV, Horizon, no_pv_shape, profile_kw
from advisor.portfolio_terms import Choice, Work
from advisor.solar import pv_per_kw
from advisor.work import Place, WorkClass, arriving_kw, running
from features.errors import SiteFileError
from features.frame import FloatArray
from features.message import say, term

FILE = "portfolio.toml"
Tables = Mapping[str, pd.DataFrame]
"""Tables that the portfolio names, by file, indexed by UTC stamps."""


def classes_of(
    portfolio: Portfolio, cases: Sequence[SiteCase], horizon: Horizon, tables: Tables
) -> tuple[WorkClass, ...]:
    """Return the classes of work, on the plan's steps.

    Parameters
    ----------
    portfolio : Portfolio
    cases : sequence of SiteCase
    horizon : Horizon
    tables : mapping

    Raises
    ------
    features.errors.SiteFileError
        ``E-PLAN-WORK``: a class names a site that is not there, a link that is not declared, or more work
        than the site has.
    """
    by_id = {c.dispatch.site_id: c for c in cases}
    classes = [_class(w, portfolio.movement, by_id, horizon, tables) for w in portfolio.work]
    for site_id, case in by_id.items():
        arrives = arriving_kw(classes, site_id, len(horizon.stamps))
        over = arrives - case.dispatch.work_kw
        if (over > 1e-6 * max(float(case.dispatch.work_kw.max()), 1.0)).any():
            at = int(np.argmax(over))
            raise SiteFileError(
                "E-PLAN-WORK",
                say("classes of work take {kw:.6g} kW of {all:.6g} kW", kw=arrives[at],
                    all=case.dispatch.work_kw[at]),
                f"{FILE}, {site_id}, {horizon.stamps[at].isoformat()}",
                say("declare no more work than the site has"),
            )  # fmt: skip
    return tuple(classes)


def _class(
    work: Work, movement: Movement | None, cases: Mapping[str, SiteCase], horizon: Horizon, tables: Tables
) -> WorkClass:
    unknown = [i for i in (work.site, *work.sites) if i not in cases]
    if unknown:
        raise SiteFileError(
            "E-PLAN-WORK", say("{work} names {sites}, which is not planned", work=work.name,
                               sites=", ".join(unknown)),
            FILE, say("name ids of this portfolio's sites"),
        )  # fmt: skip
    home = cases[work.site].dispatch
    steps = max(1, round((work.run_hours or horizon.hours) / horizon.hours))
    if work.file is None:
        arrival = _of_share(float(work.share or 0.0), home.work_kw, steps)
    else:
        arrival = (
            tables[work.file]["it_power_kw"].reindex(horizon.stamps).fillna(0.0).to_numpy(dtype=np.float64)
        )
    # a job that would meet a step without data, or not end inside, stays where it is
    closed = running((~home.open).astype(np.float64)[::-1], steps)[::-1] > 0
    arrival = np.where(closed, 0.0, arrival)
    arrival[len(arrival) - steps + 1 :] = 0.0
    if work.job_kw is not None:
        arrival = work.job_kw * np.floor(arrival / work.job_kw + 1e-9)
    return WorkClass(
        work.name, work.site, arrival, round(work.wait_hours / horizon.hours), steps, work.interruptible,
        tuple(_places(work, movement)), work.job_kw,
    )  # fmt: skip


def _of_share(share: float, work_kw: FloatArray, steps: int) -> FloatArray:
    """Return jobs that, running from every step on, take no more than a share of the work."""
    padded = np.concatenate([work_kw, np.zeros(steps - 1)])
    least = np.lib.stride_tricks.sliding_window_view(padded, steps).min(axis=1)
    return np.asarray(share * least / steps, dtype=np.float64)


def _places(work: Work, movement: Movement | None) -> list[Place]:
    """Return the other sites that are near enough, and what reaching them costs."""
    places = []
    for site in work.sites:
        link = None if movement is None else movement.between(work.site, site)
        if link is None and (work.transfer_kwh_per_kwh is None or work.transfer_price_per_kwh is None):
            raise SiteFileError(
                "E-PLAN-WORK",
                say("nothing says what moving {work} to {site} costs", work=work.name, site=site),
                FILE, say("declare [movement] or its link, or the transfer costs of the class"),
            )  # fmt: skip
        latency, energy, price = link or (None, 0.0, 0.0)
        if work.latency_ms_max is not None:
            if latency is None:
                raise SiteFileError(
                    "E-PLAN-WORK", say("the latency to {site} is not declared", site=site), FILE,
                    say("declare the link's latency_ms"),
                )  # fmt: skip
            if latency > work.latency_ms_max:
                continue
        own_energy, own_price = work.transfer_kwh_per_kwh, work.transfer_price_per_kwh
        places.append(
            Place(
                site, energy if own_energy is None else own_energy, price if own_price is None else own_price
            )
        )
    return places


def options_of(
    portfolio: Portfolio, cases: Sequence[SiteCase], horizon: Horizon, tables: Tables
) -> tuple[Option, ...]:
    """Return what may be bought or built, and the certificates on offer.

    Parameters
    ----------
    portfolio : Portfolio
    cases : sequence of SiteCase
    horizon : Horizon
    tables : mapping

    Raises
    ------
    features.errors.SiteFileError
        ``E-PLAN-OPTION``: an option names a site that is not there or that lacks what it builds on.
    """
    by_id = {c.dispatch.site_id: c for c in cases}
    options = [_option(c, by_id, horizon, tables) for c in portfolio.option]
    if any(g.measure == "green_share" for g in portfolio.target):
        options += [
            Option(p.name, "certificate", None, p.price_per_kwh, p.volume_kwh)
            for p in portfolio.purchase
            if p.kind == "certificate"
        ]
    return tuple(options)


def _option(choice: Choice, cases: Mapping[str, SiteCase], horizon: Horizon, tables: Tables) -> Option:
    if choice.site not in cases:
        raise SiteFileError(
            "E-PLAN-OPTION", say("{option} names {site}, which is not planned", option=choice.name,
                                 site=choice.site),
            FILE, say("name the id of one of this portfolio's sites"),
        )  # fmt: skip
    case = cases[choice.site]
    cost = choice.cost_of(horizon.hours * len(horizon.stamps))
    if choice.kind == "battery":
        return Option(
            choice.name, "battery", choice.site, cost, choice.most, power_per_energy=choice.power_per_energy
        )
    profile = np.where(case.counted, _profile(choice, case, horizon, tables), 0.0)
    if choice.kind == "retrofit":
        return Option(choice.name, "retrofit", choice.site, cost, 1.0, profile)
    cost += horizon.hours * choice.price_per_kwh * float(profile.sum())
    return Option(choice.name, "supply", choice.site, cost, choice.most, profile)


def _profile(choice: Choice, case: SiteCase, horizon: Horizon, tables: Tables) -> FloatArray:
    if choice.kind == "retrofit":
        if case.cooling_kw is None:
            raise SiteFileError(
                "E-PLAN-OPTION", say("{option} needs the site's cooling_power_kw", option=choice.name), FILE,
                say("export the meter of cooling"),
            )  # fmt: skip
        return float(choice.cooling_saved_share or 0.0) * case.cooling_kw
    if choice.profile is not None or choice.kind == "contract":
        return np.nan_to_num(profile_kw(choice.profile, tables, horizon))
    measured, pv = next((g.kw for g in case.generation if g.name == PV), None), case.site.pv
    if pv is not None and pv.kw_peak > 0 and measured is not None:
        return measured / pv.kw_peak
    shape = None if pv is None else pv_per_kw(horizon.stamps, horizon.hours, pv)
    if shape is None:
        raise no_pv_shape(f"{FILE}, {choice.name}")
    return shape


def targets_of(portfolio: Portfolio, cases: Sequence[SiteCase]) -> tuple[Target, ...]:
    """Return the targets; one of some sites counts all stations of a site whose stations are apart."""
    ids = [c.dispatch.site_id for c in cases]
    found = []
    for goal in portfolio.target:
        target = goal.target
        if target.site_ids is not None:
            named = tuple(i for i in ids if i in target.site_ids or i.split("/")[0] in target.site_ids)
            if not named:
                raise SiteFileError(
                    "E-PLAN-TARGET", say("a target names {sites}, which is not planned",
                                         sites=", ".join(target.site_ids)),
                    FILE, say("name ids of this portfolio's sites"),
                )  # fmt: skip
            target = Target(target.measure, target.bound, named, target.source)
        found.append(target)
    return tuple(found)


def with_batteries(cases: Sequence[SiteCase], portfolio: Portfolio) -> dict[str, Battery]:
    """Return an empty battery for every site that could get one and has none.

    A new battery is taken to store and deliver with 95 % each; a site that knows better declares
    ``[battery]`` with ``energy_kwh = 0``.
    """
    wanted = {c.site for c in portfolio.option if c.kind == "battery"}
    lacking = [c.dispatch.site_id for c in cases if c.dispatch.battery is None]
    return {
        site_id: Battery(
            energy_kwh=0.0, power_kw=0.0, charge_efficiency=NEW_BATTERY, discharge_efficiency=NEW_BATTERY,
            grid_charging=True, source="assumption: a new battery",
        )
        for site_id in lacking
        if site_id in wanted
    }  # fmt: skip


def with_grid_label(cases: Sequence[SiteCase], member: Member) -> list[SiteCase]:
    """Return the cases whose sources say what the figures of their grid file are, where not published."""
    if member.grid_label == "published":
        return list(cases)
    return [
        replace(
            c,
            labels={
                quantity: say("{label}, {text}", label=term(member.grid_label), text=text)
                if "hour by hour: file." in text
                else text
                for quantity, text in c.labels.items()
            },
        )
        for c in cases
    ]


NEW_BATTERY = 0.95
"""Efficiency of charging and of delivering of a battery that nobody described [1]: an assumption."""
