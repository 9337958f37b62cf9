"""Plan a portfolio: dispatch, re-check, savings with intervals, purchases beside them, the front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from advisor.dispatch import DispatchModel, as_it_is
from advisor.dispatch_site import Dispatch, DispatchSite, Exchange, Objective, SiteDispatch
from advisor.dispatch_verify import verify_dispatch
from advisor.plan import PLAN_COLUMNS, Check, Interval, Saving, Totals
from advisor.portfolio import Portfolio
from advisor.portfolio_case import Horizon, SiteCase, Source
from features.errors import PlanError, SiteFileError
from features.frame import FloatArray
from features.message import say
from features.schema import SCHEMA
from features.telemetry import TimeZone, utc
from models.bundle import Progress

FRONT_COLUMNS = (
    "point", "bound", "cost", "non_green_kwh", "grid_kwh", "carbon_kg", "coverage", "cfe", "moved_kwh",
    "delivered_kwh", "gap",
)  # fmt: skip
KNOWLEDGE = "with the window's own data known in advance, not a forecast"


@dataclass(frozen=True)
class SitePlan:
    """One site before and after, with what moved."""

    case: SiteCase
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
        Nothing moved and batteries resting; and the plan.
    saving : Saving
        The interval is that of the facility energy that follows moved work.
    dispatch : Dispatch
    exchanges : tuple of Exchange
    checks : tuple of Check
    front : pandas.DataFrame
        `FRONT_COLUMNS`, one row per point of the front.
    front_between : tuple of str
        The two objectives of the front.
    table : pandas.DataFrame
        `advisor.plan.PLAN_COLUMNS`.
    """

    portfolio: Portfolio
    horizon: Horizon
    sites: tuple[SitePlan, ...]
    baseline: Totals
    planned: Totals
    saving: Saving
    dispatch: Dispatch
    exchanges: tuple[Exchange, ...]
    checks: tuple[Check, ...]
    front: pd.DataFrame
    front_between: tuple[Objective, Objective]
    table: pd.DataFrame


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
    return Horizon(stamps, hours, common if between else None)


def plan_portfolio(
    portfolio: Portfolio,
    cases: Sequence[SiteCase],
    horizon: Horizon,
    *,
    points: int = 9,
    progress: Progress | None = None,
) -> PortfolioPlan:
    """Plan, re-check and score a portfolio.

    Parameters
    ----------
    portfolio : Portfolio
    cases : sequence of SiteCase
    horizon : Horizon
    points : int
        Points of the front; 0: none.
    progress : callable or None

    Raises
    ------
    features.errors.PlanError
        A limit cannot be kept (named), or the re-check refused the plan (``E-PLAN-REFUSED``).
    """
    tell = progress or (lambda _what, _share: None)
    sites = [c.dispatch for c in cases]
    movable = tuple(
        c.dispatch.site_id for c in cases if c.site.workload is not None and c.site.workload.movable
    )
    exchanges = () if portfolio.movement is None else portfolio.movement.exchanges(movable)
    day = horizon.day_in(horizon.zone or cases[0].zone)
    before = as_it_is(sites, horizon.hours)
    most = _most_cost(portfolio, before)
    options: dict[str, Any] = {
        "between_sites": bool(exchanges), "exchanges": exchanges,
        "battery_start": portfolio.storage.start_share, "battery_end": portfolio.storage.end,
    }  # fmt: skip
    model = DispatchModel(sites, day, horizon.hours, **options, limited=None if most is None else "cost")
    tell("planning", 0.4)
    plan = model.solve(objective=portfolio.objective, at_most=most)
    tell("verifying", 0.5)
    checks = verify_dispatch(sites, plan, model.setting)
    refused = [c for c in checks if not c.passed]
    if refused:
        raise PlanError(
            "E-PLAN-REFUSED", say("the re-check refused the plan: {name}", name=refused[0].name),
            refused[0].note, say("report it with the portfolio's files"),
        )  # fmt: skip
    plans = tuple(_site_plan(c, before, plan, horizon.hours) for c in cases)
    baseline = _together([p.baseline for p in plans], before)
    planned = _together([p.planned for p in plans], plan)
    saving = _saving(cases, before, plan, horizon.hours)
    tell("front", 0.6)
    second: Objective = "cost" if plan.totals.cost is not None else "effort_kwh"
    front = pd.DataFrame(columns=list(FRONT_COLUMNS))
    if points >= 2:
        limited = DispatchModel(sites, day, horizon.hours, **options, limited=second)
        front = _front(limited, before, second, points, tell)
    return PortfolioPlan(
        portfolio, horizon, plans, baseline, planned, saving, plan, exchanges,
        checks, front, (second, "non_green_kwh"), _table(plans, horizon, exchanges),
    )  # fmt: skip


def _most_cost(portfolio: Portfolio, before: Dispatch) -> float | None:
    """Return the largest cost that the plan may have [currency]; None: not bounded."""
    allowed = portfolio.cost_increase_max_pct
    if allowed is None:
        return None
    if before.totals.cost is None:
        raise PlanError(
            "E-DISPATCH-PRICE", say("cost_increase_max_pct needs a price of energy at every site"),
            "portfolio.toml",
            say("declare [tariff] in every site.toml or give price_per_kwh in the grid files"),
        )  # fmt: skip
    return before.totals.cost + abs(before.totals.cost) * allowed / 100.0


# -- totals and savings ----------------------------------------------------------------------------
def _site_plan(case: SiteCase, before: Dispatch, plan: Dispatch, hours: float) -> SitePlan:
    old, new = before.sites[case.dispatch.site_id], plan.sites[case.dispatch.site_id]
    saving = _saving([case], before, plan, hours)
    return SitePlan(case, old, new, _totals(case, old), _totals(case, new), saving)


def _totals(case: SiteCase, part: SiteDispatch) -> Totals:
    told, pue = part.totals, None
    if case.dispatch.it_kw is not None:
        both = case.dispatch.open
        work = float(part.work_kw[both].sum())
        drawn = part.load_kw + part.charge_kw - part.discharge_kw
        pue = float(drawn[both].sum()) / work if work > 0 else None
    return Totals(
        energy_kwh=told.grid_kwh + told.own_used_kwh,
        non_green_kwh=told.non_green_kwh,
        cost=told.cost,
        carbon_kg=told.carbon_kg,
        pue=pue,
        green_share=told.cfe,
    )


def _together(parts: Sequence[Totals], dispatch: Dispatch) -> Totals:
    """Return the sums of the sites; a PUE of several sites is not told.

    The green share counts on the load, so that no battery's loss and no transfer raises it.
    """

    def total(name: str) -> float | None:
        values = [getattr(p, name) for p in parts]
        return None if any(v is None for v in values) else float(np.sum(values))

    return Totals(
        energy_kwh=total("energy_kwh"), non_green_kwh=total("non_green_kwh"), cost=total("cost"),
        carbon_kg=total("carbon_kg"), pue=parts[0].pue if len(parts) == 1 else None,
        green_share=dispatch.totals.cfe,
    )  # fmt: skip


def _saving(cases: Sequence[SiteCase], before: Dispatch, plan: Dispatch, hours: float) -> Saving:
    """Return savings; lower and upper from the interval of the facility energy that follows moved work.

    The sites' intervals are independent of each other, so their half-widths add in quadrature.
    """
    old = [_before(before.sites[c.dispatch.site_id]) for c in cases]
    effects = [
        [_effect(c, plan.sites[c.dispatch.site_id], getattr(c.marginal, bound), hours) for c in cases]
        for bound in ("point", "lower", "upper")
    ]

    def saved(name: str) -> Interval | None:
        known = np.array([o[name] for o in old], dtype=np.float64)  # None becomes NaN
        values = np.array([known - np.array([e[name] for e in of], dtype=np.float64) for of in effects])
        if not np.isfinite(values).all():
            return None
        point, total = values[0], float(values[0].sum())
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


def _effect(case: SiteCase, part: SiteDispatch, marginal: float, hours: float) -> dict[str, float | None]:
    """Return what the same schedule draws and buys if moved work brings another facility energy."""
    site = case.dispatch
    load = site.load_kw + marginal * (part.in_kw - part.out_kw) + part.transfer_kw
    drawn = np.maximum(load, 0.0) + part.charge_kw - part.discharge_kw
    planned = part.load_kw + part.charge_kw - part.discharge_kw
    beyond = part.grid_kw - np.maximum(planned - site.own_kw, 0.0)  # bought although own production was left
    grid = np.maximum(drawn - site.own_kw, 0.0) + beyond
    moving = None if part.totals.cost is None else part.totals.cost - hours * _priced(site, part.grid_kw)
    return {
        "energy_kwh": hours * float(np.maximum(drawn, 0.0).sum()),
        "non_green_kwh": hours * float(grid @ site.grid_non_green),
        "cost": None if moving is None else hours * _priced(site, grid) + moving,
        "carbon_kg": None
        if site.carbon_g_per_kwh is None
        else hours * float(grid @ site.carbon_g_per_kwh) / 1000.0,
    }


def _priced(site: DispatchSite, grid_kw: FloatArray) -> float:
    return 0.0 if site.price_per_kwh is None else float(grid_kw @ site.price_per_kwh)


# -- the front -------------------------------------------------------------------------------------
def _front(
    model: DispatchModel, before: Dispatch, second: Objective, points: int, tell: Progress
) -> pd.DataFrame:
    """Return least non-green energy under bounds of the second objective; today's cost is one of them."""
    greenest, cheapest = model.solve(), model.solve(objective=second)
    low, high = (float(getattr(d.totals, second)) for d in (cheapest, greenest))
    slack = 1e-7 * max(abs(low), abs(high), 1.0)
    today = float(getattr(before.totals, second))
    bounds = [low] if high - low <= slack else [*np.linspace(low, high, points)]
    if low + slack < today < high - slack:
        bounds = sorted([*bounds, today])
    rows = []
    for k, bound in enumerate(bounds):
        tell("front", 0.6 + 0.35 * k / len(bounds))
        done = model.solve(at_most=float(bound) + slack)
        told = done.totals
        rows.append(
            (k, bound, told.cost, told.non_green_kwh, told.grid_kwh, told.carbon_kg, told.coverage, told.cfe,
             told.moved_kwh, told.delivered_kwh, done.report.gap)
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(FRONT_COLUMNS))


# -- the table -------------------------------------------------------------------------------------
def _table(plans: Sequence[SitePlan], horizon: Horizon, exchanges: tuple[Exchange, ...]) -> pd.DataFrame:
    """Return what is commanded: one row per step, site and lever of sites where anything can be decided."""
    linked = {name for e in exchanges for name in e.site_ids}
    local: dict[str, FloatArray] = {}
    parts = []
    for p in plans:
        site, rows = p.case.dispatch, p.case.counted
        levers: list[tuple[str, FloatArray, FloatArray]] = []
        if site.flexible_share > 0 or site.site_id in linked:
            levers.append((p.case.work_lever, p.before.work_kw, p.after.work_kw))
        if site.battery is not None:
            levers.append(("battery_charge_kw", p.before.charge_kw, p.after.charge_kw))
            levers.append(("battery_discharge_kw", p.before.discharge_kw, p.after.discharge_kw))
        if not levers:
            continue
        levers.append(("grid_power_kw", p.before.grid_kw, p.after.grid_kw))
        zone = p.case.zone
        if zone.name not in local:
            stamps = horizon.stamps.tz_convert(zone.tzinfo())
            local[zone.name] = np.asarray(stamps.map(lambda s: s.isoformat()))
        parts += [
            pd.DataFrame(
                {
                    "timestamp": horizon.stamps[rows],
                    "local_timestamp": local[zone.name][rows],
                    "site_id": site.site_id,
                    "unit_id": "",
                    "lever": lever,
                    "current": current[rows].round(4),
                    "recommended": recommended[rows].round(4),
                    "unit": SCHEMA[lever].unit,
                }
            )
            for lever, current, recommended in levers
        ]
    if not parts:
        return pd.DataFrame(columns=list(PLAN_COLUMNS))
    return pd.concat(parts, ignore_index=True)[list(PLAN_COLUMNS)]
