"""Plan a portfolio: dispatch, re-check, savings with intervals, purchases beside them, the front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from advisor.dispatch import DispatchModel, as_it_is
from advisor.dispatch_options import Option
from advisor.dispatch_read import built
from advisor.dispatch_site import Dispatch, DispatchSite, Exchange, Objective, Setting, SiteDispatch, Target
from advisor.dispatch_verify import verify_dispatch
from advisor.plan import Check, Interval, Saving, Totals
from advisor.portfolio import Portfolio
from advisor.portfolio_case import SiteCase, Source
from advisor.portfolio_front import Front, front_of
from advisor.portfolio_rolled import Past, RolledWindow, rolled_window
from advisor.portfolio_supply import Horizon
from advisor.portfolio_table import plan_table
from advisor.work import WorkClass
from features.errors import PlanError, SiteFileError
from features.frame import FloatArray
from features.message import say
from features.telemetry import TimeZone, utc
from models.bundle import Progress

KNOWLEDGE = {
    "known": "with the window's own data known in advance, not a forecast: the most that can be gained",
    "forecast": "each day on forecasts from earlier days alone, carried out on what then happened",
}
"""What a plan knew, by the portfolio's ``foresight``."""


@dataclass(frozen=True)
class Choices:
    """What a portfolio decides on besides its sites' own freedom; see `advisor.portfolio_choices`."""

    classes: tuple[WorkClass, ...] = ()
    options: tuple[Option, ...] = ()
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True)
class SitePlan:
    """One site before and after, with what moved; ``stands`` is the site with what is bought."""

    case: SiteCase
    stands: DispatchSite
    before: SiteDispatch
    after: SiteDispatch
    baseline: Totals
    planned: Totals
    saving: Saving


@dataclass(frozen=True)
class PortfolioPlan:
    """A verified plan of all sites.

    Parameters
    ----------
    portfolio : Portfolio
    horizon : Horizon
    sites : tuple of SitePlan
    baseline, planned : Totals
        Nothing moved, bought or built and batteries resting; and the plan.
    saving : Saving
        The interval is that of the facility energy that follows moved work.
    before, dispatch : Dispatch
    setting : Setting
        Exchanges, classes, options and targets of the dispatch.
    checks : tuple of Check
    front : Front
        With the window known in advance.
    table : pandas.DataFrame
        `advisor.plan.PLAN_COLUMNS`.
    rolled : RolledWindow or None
        What ``dispatch`` is cut from, where days were planned on forecasts.
    """

    portfolio: Portfolio
    horizon: Horizon
    sites: tuple[SitePlan, ...]
    baseline: Totals
    planned: Totals
    saving: Saving
    before: Dispatch
    dispatch: Dispatch
    setting: Setting
    checks: tuple[Check, ...]
    front: Front
    table: pd.DataFrame
    rolled: RolledWindow | None = None

    @property
    def knowledge(self) -> str:
        """What the plan knew."""
        return KNOWLEDGE[self.portfolio.foresight]

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Which sites exchange flexible work."""
        return self.setting.exchanges


def horizon_of(portfolio: Portfolio, sources: Sequence[Source]) -> Horizon:
    """Return the steps of the plan: the declared window, or the span that all exports share.

    Raises
    ------
    features.errors.SiteFileError
        ``E-PLAN-WINDOW``: the window is empty, or the exports share no span; ``E-PLAN-DAY``: work may move
        between sites of different zones and no common day is declared.
    """
    telemetries = [s.telemetry for s in sources]
    interval = pd.Series([t.interval for t in telemetries]).mode().iloc[0]
    zones = {t.zone.name for t in telemetries}
    declared = None if portfolio.time_zone is None else TimeZone(portfolio.time_zone, assumed=False)
    between = portfolio.movement is not None and portfolio.movement.between_sites
    if between and declared is None and len(zones) > 1:
        raise SiteFileError(
            "E-PLAN-DAY",
            say("work moves between sites in {count} time zones, and no common day is declared",
                count=len(zones)),
            "portfolio.toml", say("declare time_zone: moved work returns before its midnight"),
        )  # fmt: skip
    common = declared or telemetries[0].zone
    if portfolio.start is not None and portfolio.end is not None:
        start, end = utc(portfolio.start, common), utc(portfolio.end, common)
    else:
        spans = [t.span for t in telemetries]
        start, end = max(s for s, _ in spans), min(e for _, e in spans)
    if start >= end:
        raise SiteFileError(
            "E-PLAN-WINDOW", say("the window {start} to {end} holds no step", start=start, end=end),
            "portfolio.toml", say("declare start and end inside what all exports cover"),
        )  # fmt: skip
    stamps = pd.date_range(start, end, freq=interval, inclusive="left")
    hours = float(interval / pd.Timedelta(hours=1))
    learned_before = stamps[0] if portfolio.foresight == "forecast" else None
    return Horizon(stamps, hours, common if between else None, learned_before)


def plan_portfolio(
    portfolio: Portfolio,
    cases: Sequence[SiteCase],
    horizon: Horizon,
    choices: Choices | None = None,
    *,
    past: Past | None = None,
    points: int = 9,
    progress: Progress | None = None,
) -> PortfolioPlan:
    """Plan, re-check and score a portfolio.

    Parameters
    ----------
    portfolio : Portfolio
    cases : sequence of SiteCase
    horizon : Horizon
    choices : Choices or None
        Classes of work, options and targets.
    past : Past or None
        The sites before the window; then its days are planned on forecasts from it.
    points : int
        Points of the front; 0: none.
    progress : callable or None

    Raises
    ------
    features.errors.PlanError
        A limit cannot be kept (named), or the re-check refused the plan (``E-PLAN-REFUSED``).
    """
    tell = progress or (lambda _what, _share: None)
    choices = choices or Choices()
    sites = [c.dispatch for c in cases]
    movable = tuple(
        c.dispatch.site_id for c in cases if c.site.workload is not None and c.site.workload.movable
    )
    exchanges = () if portfolio.movement is None else portfolio.movement.exchanges(movable)
    day = horizon.day_in(horizon.zone or cases[0].zone)
    before = as_it_is(sites, horizon.hours)
    options: dict[str, Any] = {
        "between_sites": bool(exchanges), "exchanges": exchanges, "classes": choices.classes,
        "options": choices.options, "targets": (*choices.targets, *_most_cost(portfolio, before)),
        "battery_start": portfolio.storage.start_share, "battery_end": portfolio.storage.end,
    }  # fmt: skip
    tell("planning", 0.4)
    model = DispatchModel(sites, day, horizon.hours, **options)
    rolled = None if past is None else rolled_window(portfolio, cases, horizon, past, exchanges)
    if rolled is None:
        plan = model.solve(objective=portfolio.objective)
        checks = _verified(sites, plan, model.setting)
    else:
        plan, checks = rolled.forecast, rolled.checks
    tell("verifying", 0.5)
    plans = tuple(_site_plan(c, before, plan, model.setting) for c in cases)
    baseline = _together([p.baseline for p in plans], before)
    planned = _together([p.planned for p in plans], plan, _shared_cost(plan, model.setting))
    saving = _saving(plans, plan, model.setting)
    tell("front", 0.6)
    second: Objective = portfolio.front or ("cost" if plan.totals.cost is not None else "effort_kwh")
    front = Front.none(second)
    if points >= 2:
        limited = DispatchModel(sites, day, horizon.hours, **options, limited=second)
        front = front_of(limited, cases, before, horizon, points, tell)
    table = plan_table(cases, before, plan, model.setting, horizon)
    return PortfolioPlan(
        portfolio,
        horizon,
        plans,
        baseline,
        planned,
        saving,
        before,
        plan,
        model.setting,
        checks,
        front,
        table,
        rolled,
    )


def _verified(sites: Sequence[DispatchSite], plan: Dispatch, setting: Setting) -> tuple[Check, ...]:
    checks = verify_dispatch(sites, plan, setting)
    refused = [c for c in checks if not c.passed]
    if refused:
        raise PlanError(
            "E-PLAN-REFUSED", say("the re-check refused the plan: {name}", name=refused[0].name),
            refused[0].note, say("report it with the portfolio's files"),
        )  # fmt: skip
    return checks


def _most_cost(portfolio: Portfolio, before: Dispatch) -> tuple[Target, ...]:
    """Return the largest cost that the plan may have; nothing where it is not bounded."""
    allowed = portfolio.cost_increase_max_pct
    if allowed is None:
        return ()
    if before.totals.cost is None:
        raise PlanError(
            "E-DISPATCH-PRICE", say("cost_increase_max_pct needs a price of energy at every site"),
            "portfolio.toml",
            say("declare [tariff] in every site.toml or give price_per_kwh in the grid files"),
        )  # fmt: skip
    most = before.totals.cost + abs(before.totals.cost) * allowed / 100.0
    return (Target("cost", most, None, "cost_increase_max_pct"),)


# -- totals and savings ----------------------------------------------------------------------------
def _site_plan(case: SiteCase, before: Dispatch, plan: Dispatch, setting: Setting) -> SitePlan:
    name = case.dispatch.site_id
    old, new = before.sites[name], plan.sites[name]
    invested = _invested(plan, setting, name)
    stands = built(case.dispatch, setting.options, plan.sizes)
    baseline, planned = _totals(case, old, 0.0), _totals(case, new, invested)
    alone = SitePlan(case, stands, old, new, baseline, planned, Saving())
    return replace(alone, saving=_saving([alone], plan, setting))


def _invested(plan: Dispatch, setting: Setting, site_id: str | None) -> float:
    """Return what a site's options cost within the window [currency]; None: what all sites share."""
    return sum(o.cost_per_unit * plan.sizes[o.name] for o in setting.options if o.site_id == site_id)


def _shared_cost(plan: Dispatch, setting: Setting) -> float:
    return _invested(plan, setting, None)


def _totals(case: SiteCase, part: SiteDispatch, invested: float) -> Totals:
    told, pue = part.totals, None
    if case.dispatch.it_kw is not None:
        both = case.dispatch.open
        work = float(part.work_kw[both].sum())
        drawn = part.load_kw + part.charge_kw - part.discharge_kw
        pue = float(drawn[both].sum()) / work if work > 0 else None
    return Totals(
        energy_kwh=told.grid_kwh + told.own_used_kwh,
        non_green_kwh=told.non_green_kwh,
        cost=None if told.cost is None else told.cost + invested,
        carbon_kg=told.carbon_kg,
        pue=pue,
        green_share=told.cfe,
        water_m3=told.water_m3,
    )


def _together(parts: Sequence[Totals], dispatch: Dispatch, shared_cost: float = 0.0) -> Totals:
    """Return the sums of the sites; a PUE of several sites is not told.

    The green share counts on the load, so that no battery's loss and no transfer raises it.
    """

    def total(name: str) -> float | None:
        values = [getattr(p, name) for p in parts]
        return None if any(v is None for v in values) else float(np.sum(values))

    cost = total("cost")
    return Totals(
        energy_kwh=total("energy_kwh"), non_green_kwh=total("non_green_kwh"),
        cost=None if cost is None else cost + shared_cost,
        carbon_kg=total("carbon_kg"), pue=parts[0].pue if len(parts) == 1 else None,
        green_share=dispatch.totals.cfe, water_m3=total("water_m3"),
    )  # fmt: skip


def _saving(plans: Sequence[SitePlan], plan: Dispatch, setting: Setting) -> Saving:
    """Return savings; lower and upper from the interval of the facility energy that follows moved work.

    The sites' intervals are independent of each other, so their half-widths add in quadrature.
    """
    shared = _shared_cost(plan, setting) if len(plans) == len(plan.sites) else 0.0
    old = [_before(p.before) for p in plans]
    effects = [
        [_effect(p, getattr(p.case.marginal, bound) - p.case.marginal.point, setting.hours) for p in plans]
        for bound in ("point", "lower", "upper")
    ]

    def saved(name: str) -> Interval | None:
        known = np.array([o[name] for o in old], dtype=np.float64)  # None becomes NaN
        values = np.array([known - np.array([e[name] for e in of], dtype=np.float64) for of in effects])
        if not np.isfinite(values).all():
            return None
        point, total = values[0], float(values[0].sum()) - (shared if name == "cost" else 0.0)
        low = float(np.linalg.norm(point - values.min(axis=0)))
        return Interval(total - low, total, total + float(np.linalg.norm(values.max(axis=0) - point)))

    energy = saved("energy_kwh")
    whole = sum(o["energy_kwh"] or 0.0 for o in old)
    percent = None if energy is None or whole <= 0 else energy.scaled(100.0 / whole)
    return Saving(energy, percent, saved("non_green_kwh"), saved("cost"), saved("carbon_kg"))


def _before(part: SiteDispatch) -> dict[str, float | None]:
    told = part.totals
    return {
        "energy_kwh": told.grid_kwh + told.own_used_kwh, "non_green_kwh": told.non_green_kwh,
        "cost": told.cost, "carbon_kg": told.carbon_kg,
    }  # fmt: skip


def _effect(plan: SitePlan, more: float, hours: float) -> dict[str, float | None]:
    """Return what the same schedule draws and buys if a kWh of moved work brings so much more energy."""
    site, part = plan.stands, plan.after
    moved = part.work_kw - plan.case.dispatch.work_kw
    load = site.load_kw + (site.facility_per_work + more) * moved + part.transfer_kw
    drawn = np.maximum(load, 0.0) + part.charge_kw - part.discharge_kw
    planned = part.load_kw + part.charge_kw - part.discharge_kw
    beyond = part.grid_kw - np.maximum(planned - site.own_kw, 0.0)  # bought although own production was left
    grid = np.maximum(drawn - site.own_kw, 0.0) + beyond
    told = plan.planned.cost  # with what is invested
    beside = None if told is None else told - hours * _priced(site, part.grid_kw)
    return {
        "energy_kwh": hours * float(np.maximum(drawn, 0.0).sum()),
        "non_green_kwh": hours * float(grid @ site.grid_non_green),
        "cost": None if beside is None else hours * _priced(site, grid) + beside,
        "carbon_kg": None
        if site.carbon_g_per_kwh is None
        else hours * float(grid @ site.carbon_g_per_kwh) / 1000.0,
    }


def _priced(site: DispatchSite, grid_kw: FloatArray) -> float:
    return 0.0 if site.price_per_kwh is None else float(grid_kw @ site.price_per_kwh)
