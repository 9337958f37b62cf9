"""A portfolio planned day by day on forecasts from the past alone, as it would have been carried out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from advisor.dispatch_site import Dispatch, DispatchSite, Exchange, Setting, SiteDispatch, added
from advisor.dispatch_verify import verify_dispatch
from advisor.plan import Check
from advisor.portfolio import Portfolio
from advisor.portfolio_case import SiteCase
from advisor.portfolio_supply import Horizon
from advisor.rolling import Rolled, roll
from advisor.rolling_run import sums_of
from features.errors import PlanError, SiteFileError
from features.frame import FloatArray
from features.message import say

SHORTEST = pd.Timedelta(days=14)
"""Least past before a window that forecasts are made from."""
LONGEST = pd.Timedelta(days=120)
LATE = 1e-3
"""Work that may end a day late or early because a load was not foreseen, as a share of all [1]."""


@dataclass(frozen=True)
class Past:
    """The same sites from some time before the window to its end.

    ``weather``: site id -> weather forecasts of every step, each issued before its day began.
    """

    cases: tuple[SiteCase, ...]
    horizon: Horizon
    weather: Mapping[str, Mapping[str, FloatArray]] = field(default_factory=dict)


@dataclass(frozen=True)
class RolledWindow:
    """What rolled days came to within the window of a plan.

    Parameters
    ----------
    forecast, persistence, perfect : Dispatch
        Ours, yesterday's plan repeated, and the plan of one who knew every day: a bound, not a claim.
    days : pandas.DataFrame
        `advisor.rolling.Rolled.days` of the window.
    checks : tuple of Check
        Of the whole span that was rolled.
    """

    forecast: Dispatch
    persistence: Dispatch
    perfect: Dispatch
    days: pd.DataFrame
    checks: tuple[Check, ...]

    @property
    def late_kwh(self) -> float:
        """Work that was done a day late or early [kWh]."""
        return float(self.days["late_kwh"].abs().sum())


def past_of(
    portfolio: Portfolio, spans: Sequence[tuple[pd.Timestamp, pd.Timestamp]], horizon: Horizon
) -> Horizon:
    """Return the steps from the past that all exports share to the end of the window.

    Raises
    ------
    features.errors.SiteFileError
        ``E-PLAN-FORESIGHT``: the exports hold less than `SHORTEST` before the window, or the portfolio
        declares what only a known window can be planned with.
    """
    if portfolio.work or portfolio.option or portfolio.target or portfolio.cost_increase_max_pct is not None:
        raise SiteFileError(
            "E-PLAN-FORESIGHT",
            say("classes of work, options, targets and bounded cost are planned with a known window only"),
            "portfolio.toml", say('leave them out, or set foresight = "known"'),
        )  # fmt: skip
    if portfolio.objective != "non_green_kwh":
        raise SiteFileError(
            "E-PLAN-FORESIGHT", say("forecasts are planned on for the least non-green energy only"),
            "portfolio.toml", say('set objective = "non_green_kwh", or foresight = "known"'),
        )  # fmt: skip
    first, (start, end) = max(s for s, _ in spans), horizon.window
    earliest = max(first, start - LONGEST)
    if start - earliest < SHORTEST:
        raise SiteFileError(
            "E-PLAN-FORESIGHT",
            say("the exports hold {days:.0f} days before the window, forecasts need {least:.0f}",
                days=max((start - first) / pd.Timedelta(days=1), 0.0), least=SHORTEST / pd.Timedelta(days=1)),
            "portfolio.toml", say('choose a later window, or set foresight = "known"'),
        )  # fmt: skip
    step = pd.Timedelta(hours=horizon.hours)
    earliest = start - ((start - earliest) // pd.Timedelta(days=1)) * pd.Timedelta(days=1)
    return replace(horizon, stamps=pd.date_range(earliest, end, freq=step, inclusive="left"))


def rolled_window(
    portfolio: Portfolio,
    cases: Sequence[SiteCase],
    horizon: Horizon,
    past: Past,
    exchanges: tuple[Exchange, ...],
) -> RolledWindow:
    """Roll over the past and the window, and return the window.

    Parameters
    ----------
    portfolio : Portfolio
    cases : sequence of SiteCase
        Of the window.
    horizon : Horizon
        Of the window.
    past : Past
    exchanges : tuple of Exchange

    Raises
    ------
    features.errors.PlanError
        ``E-PLAN-REFUSED``: the re-check found a limit broken.
    """
    sites = [c.dispatch for c in past.cases]
    day = past.horizon.day_in(past.horizon.zone or past.cases[0].zone)
    done = roll(
        sites, day, horizon.hours, between_sites=bool(exchanges), exchanges=exchanges,
        battery_start=portfolio.storage.start_share, weather=past.weather,
    )  # fmt: skip
    checks = _verified(sites, done)
    inside = np.asarray(past.horizon.stamps >= horizon.stamps[0])
    window = [c.dispatch for c in cases]
    kept = done.days[np.isin(done.days["day"], np.unique(day[inside]))].reset_index(drop=True)
    cut = {
        name: _cut(getattr(done, name), window, done.setting, inside)
        for name in ("forecast", "persistence", "perfect")
    }
    return RolledWindow(**cut, days=kept, checks=checks)


def _verified(sites: Sequence[DispatchSite], done: Rolled) -> tuple[Check, ...]:
    """Check what was carried out; work of a day may be late by as much as its load was not foreseen."""
    checks = verify_dispatch(sites, done.forecast, done.setting)
    work = sum(float(s.work_kw.sum()) for s in sites) * done.setting.hours
    late = float(done.days["late_kwh"].abs().sum())
    refused = [c for c in checks if not c.passed and c.name != "work of each day is done"]
    if refused or late > LATE * work:
        name = refused[0].name if refused else "work of each day is done"
        raise PlanError(
            "E-PLAN-REFUSED", say("the re-check refused the plan: {name}", name=name),
            refused[0].note if refused else "", say("report it with the portfolio's files"),
        )  # fmt: skip
    return tuple(c for c in checks if c.passed)


def _cut(
    done: Dispatch, sites: Sequence[DispatchSite], setting: Setting, inside: npt.NDArray[np.bool_]
) -> Dispatch:
    """Return a plan's part of the window, its sums made anew."""
    parts = {}
    for site in sites:
        whole = done.sites[site.site_id]
        arrays = {
            name: getattr(whole, name)[inside]
            for name in SiteDispatch.__dataclass_fields__
            if name not in ("site_id", "totals")
        }
        sums = (
            arrays["load_kw"], arrays["grid_kw"], arrays["own_used_kw"], arrays["spilled_kw"],
            arrays["out_kw"], arrays["discharge_kw"], arrays["from_others_kw"],
        )  # fmt: skip
        parts[site.site_id] = SiteDispatch(site.site_id, **arrays, totals=sums_of(site, setting, sums))
    return Dispatch(parts, added([p.totals for p in parts.values()]), done.report)
