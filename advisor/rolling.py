"""Rolling dispatch: every day planned on forecasts from the past alone, carried out on what really happened.

At the start of each day own production, the grid's green share and the load are predicted from earlier days
(`models.day_ahead`), with scenarios of what they may turn out to be (`models.day_scenarios`); work goes where
the expected non-green energy is least (`advisor.rolling_lp`), batteries follow what storage is worth
(`advisor.rolling_battery`), and the day then happens as it was (`advisor.rolling_run`). Beside it stand
doing nothing, the exact plan for yesterday repeated (persistence) and perfect foresight. The last is a bound
that nobody reaches: what may be claimed is the rolled plan against doing nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from advisor.dispatch import DispatchModel, as_it_is
from advisor.dispatch_site import (
    Dispatch,
    DispatchSite,
    Exchange,
    IntArray,
    Setting,
    SiteDispatch,
    added,
    linked,
)
from advisor.plan import SolverReport
from advisor.rolling_plan import ForecastPlanner, RepeatedPlanner, Weather
from advisor.rolling_run import Executor, Planner, booked
from features.errors import UsageError
from features.message import say
from models.day_ahead import DayGrid

__all__ = ["Rolled", "roll"]


@dataclass(frozen=True)
class Rolled:
    """A year, or any span, of rolled days.

    Parameters
    ----------
    nothing, persistence, forecast, perfect : Dispatch
        Nothing moved and batteries at rest; yesterday's exact plan carried out today, batteries taking
        surplus and serving deficits as they come; ours; the exact plan of one who knew every day.
    setting : Setting
        What `advisor.dispatch_verify` needs besides the sites.
    days : pandas.DataFrame
        One row per day: ``day``, non-green energy of the four ``..._kwh`` [kWh], ``held`` (our plan was not
        trusted and not carried out), ``late_kwh`` [kWh] (work left for the next day; negative: done a day
        early).
    """

    nothing: Dispatch
    persistence: Dispatch
    forecast: Dispatch
    perfect: Dispatch
    setting: Setting
    days: pd.DataFrame

    @property
    def saved_kwh(self) -> float:
        """Non-green energy that the rolled plan saved against doing nothing [kWh]: the claim."""
        return self.nothing.totals.non_green_kwh - self.forecast.totals.non_green_kwh

    @property
    def recovered(self) -> float | None:
        """Share of the gap between persistence and perfect foresight that the forecasts close [1]."""
        return self._share(self.persistence)

    @property
    def reached(self) -> float | None:
        """Share of what perfect foresight would save against doing nothing [1]."""
        return self._share(self.nothing)

    def _share(self, start: Dispatch) -> float | None:
        gap = start.totals.non_green_kwh - self.perfect.totals.non_green_kwh
        won = start.totals.non_green_kwh - self.forecast.totals.non_green_kwh
        return won / gap if gap > 1e-9 * max(start.totals.non_green_kwh, 1.0) else None

    def to_dict(self) -> dict[str, object]:
        """Return the totals of all four and what may be claimed; perfect foresight is named a bound."""
        return {
            "claimed": {"saved_non_green_kwh": self.saved_kwh, **self.forecast.totals.to_dict()},
            "nothing": self.nothing.totals.to_dict(),
            "persistence": self.persistence.totals.to_dict(),
            "bound_with_perfect_foresight": self.perfect.totals.to_dict(),
            "share_of_gap_recovered": self.recovered,
            "share_of_bound_reached": self.reached,
            "days_held": int(self.days["held"].sum()),
            "late_kwh": float(self.days["late_kwh"].abs().sum()),
        }


def roll(
    sites: Sequence[DispatchSite],
    day: IntArray,
    hours: float,
    *,
    between_sites: bool = False,
    exchanges: Sequence[Exchange] | None = None,
    battery_start: float = 0.5,
    weather: Mapping[str, Weather] | None = None,
    load_known: bool = False,
    look_again_hours: float | None = None,
    gate: bool = True,
) -> Rolled:
    """Plan every day from the days before it and book what then happened; the objective is non-green energy.

    Parameters
    ----------
    sites : sequence of DispatchSite
        As they really were; a plan of a day sees earlier days only, of load, own production and the grid.
    day : numpy.ndarray of int, shape (n,)
        Local day of each step: work that leaves a step returns on the same day, earlier or later.
    hours : float
        Length of a step [h], an hour or a part of it.
    between_sites, exchanges, battery_start
        See `advisor.dispatch.dispatch`. Batteries may end at any level.
    weather : mapping of str to mapping of str to numpy.ndarray, shape (n,), or None
        Site id -> weather forecasts issued before the start of each step's day
        (`models.day_weather.issued_forecasts` reads a table). None: the past alone.
    load_known : bool
        Whether the load of a day is known at its start, as that of scheduled work is; otherwise it is
        predicted from earlier days too.
    look_again_hours : float or None
        Hours after which the rest of the day is planned again with what was measured by then; None: once
        a day, at its start.
    gate : bool
        Whether plans are carried out only while those of the last four weeks, as executed, saved energy.

    Returns
    -------
    Rolled

    Raises
    ------
    features.errors.UsageError
        ``E-DISPATCH-INPUT``, ``E-DAY-AHEAD-INPUT``: lengths, ids, days or steps are wrong.
    features.errors.PlanError
        As `advisor.dispatch.dispatch`.
    """
    model = DispatchModel(
        sites, day, hours, between_sites=between_sites, exchanges=exchanges, battery_start=battery_start,
        battery_end="free",
    )  # fmt: skip
    setting = model.setting
    perfect = model.solve()
    every = _steps_between(look_again_hours, hours, len(setting.day))
    weather = _known_weather(weather or {}, sites)
    parts: dict[str, dict[str, SiteDispatch]] = {"persistence": {}, "forecast": {}}
    seconds = dict.fromkeys(parts, 0.0)
    told = pd.DataFrame({"held": False, "late_kwh": 0.0}, index=range(len(setting.day)))
    for group in _groups(sites, setting):
        grid = DayGrid.of(setting.day_of(group[0]), hours)
        for name in parts:
            began = time.perf_counter()
            executor, planner = _player(
                name, group, grid, setting, every, gate=gate, weather=weather, load_known=load_known
            )
            done = executor.run(planner)
            parts[name] |= booked(group, grid, setting, done)
            seconds[name] += time.perf_counter() - began
        told["held"] |= np.repeat(done.held, grid.length)
        told.loc[grid.start, "late_kwh"] += done.late * hours
    rolled = {name: _together(name, parts[name], sites, seconds[name]) for name in parts}
    four = {"nothing": as_it_is(sites, hours), **rolled, "perfect": perfect}
    return Rolled(**four, setting=setting, days=_by_day(sites, setting, four, told))


def _player(
    name: str,
    group: Sequence[DispatchSite],
    grid: DayGrid,
    setting: Setting,
    every: int,
    *,
    gate: bool,
    weather: Mapping[str, Weather],
    load_known: bool,
) -> tuple[Executor, Planner]:
    if name == "persistence":
        repeated = RepeatedPlanner(group, grid, setting, load_known=load_known)
        return Executor(group, grid, setting, len(setting.day), gate=False), repeated
    planner = ForecastPlanner(group, grid, setting, weather, load_known=load_known)
    return Executor(group, grid, setting, every, gate=gate), planner


def _together(
    name: str, parts: Mapping[str, SiteDispatch], sites: Sequence[DispatchSite], seconds: float
) -> Dispatch:
    method = say("least expected non-green energy over scenarios of each day, from earlier days")
    if name == "persistence":
        method = say("yesterday's exact plan, carried out today")
    ordered = {s.site_id: parts[s.site_id] for s in sites}
    totals = added([p.totals for p in ordered.values()])
    return Dispatch(ordered, totals, SolverReport("feasible", method, seconds))


def _groups(sites: Sequence[DispatchSite], setting: Setting) -> list[list[DispatchSite]]:
    """Return the sites that can reach each other through exchanges, together."""
    by_id = {s.site_id: s for s in sites}
    return [[by_id[i] for i in ids] for ids in linked(by_id, [e.site_ids for e in setting.exchanges])]


def _steps_between(look_again_hours: float | None, hours: float, n: int) -> int:
    if look_again_hours is None:
        return n
    steps = round(look_again_hours / hours)
    if steps < 1:
        raise UsageError(
            "E-DISPATCH-INPUT", say("a day cannot be planned again more often than every step"),
            "look_again_hours", say("give at least {hours:g} h", hours=hours),
        )  # fmt: skip
    return steps


def _known_weather(weather: Mapping[str, Weather], sites: Sequence[DispatchSite]) -> Mapping[str, Weather]:
    lengths = {s.site_id: len(s.load_kw) for s in sites}
    for site_id, columns in weather.items():
        if site_id not in lengths:
            raise UsageError("E-DISPATCH-INPUT", say("there is no site {site}", site=site_id), "weather")
        for name, values in columns.items():
            if np.shape(values) != (lengths[site_id],):
                raise UsageError(
                    "E-DISPATCH-INPUT", say("the weather forecast {name} has another length", name=name),
                    site_id, say("give finite values of equal length"),
                )  # fmt: skip
    return weather


def _by_day(
    sites: Sequence[DispatchSite], setting: Setting, four: Mapping[str, Dispatch], told: pd.DataFrame
) -> pd.DataFrame:
    table = pd.DataFrame({"day": np.asarray(setting.day)})
    for name, plan in four.items():
        bought = [plan.sites[s.site_id].grid_kw * s.grid_non_green for s in sites]
        table[f"{name}_kwh"] = setting.hours * np.sum(bought, axis=0)
    table = pd.concat([table, told], axis=1)
    how = {c: "any" if c == "held" else "sum" for c in table.columns if c != "day"}
    return table.groupby("day", sort=False).agg(how).reset_index()
