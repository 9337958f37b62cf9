"""Planners of a rolling dispatch: on forecasts with their scenarios, and on yesterday repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from advisor.dispatch import DispatchModel
from advisor.dispatch_site import DispatchSite, Setting
from advisor.rolling_battery import LEVELS, worth_of_storage
from advisor.rolling_lp import ExpectedDay, Freedom, Link, Stored
from advisor.rolling_run import Intent
from features.frame import FloatArray
from models.day_ahead import DayAhead, DayGrid, day_ahead, later_in_the_day
from models.day_scenarios import DayScenarios

Weather: TypeAlias = Mapping[str, FloatArray]
"""Name -> forecast of each step, shape (n,), issued before the start of its day."""

OWN, GRID, LOAD, WORK = "own", "grid", "load", "work"


@dataclass(frozen=True)
class SiteForecasts:
    """Forecasts of what a site's plan rests on.

    ``series`` by name: `OWN`, `GRID`, `LOAD` and, where it is metered apart, `WORK`; ``per_work`` [1],
    shape (days, steps), the facility kWh per kWh of work that is reckoned with.
    """

    site: DispatchSite
    series: dict[str, DayAhead]
    per_work: FloatArray

    @classmethod
    def of(
        cls, site: DispatchSite, grid: DayGrid, weather: Weather | None = None, *, load_known: bool = False
    ) -> SiteForecasts:
        """Predict every day of a site from the days before it."""
        own, green = site.own_kw, site.grid_non_green

        def power(values: FloatArray) -> DayAhead:
            if load_known:
                return DayAhead.known(values, grid)
            return day_ahead(values, (values,), grid, upper=np.inf, weather=weather)

        series = {
            OWN: day_ahead(own, (own, green), grid, weather=weather),
            GRID: day_ahead(green, (green, own), grid, upper=1.0, weather=weather),
            LOAD: power(site.load_kw),
        }
        if site.it_kw is not None:
            series[WORK] = power(site.it_kw)
        # what cooling adds to moved work is taken from yesterday: it follows the weather
        yesterday = grid.by_day(site.facility_per_work, grid.source - grid.per_day)
        return cls(site, series, np.where(np.isfinite(yesterday), yesterday, 1.0))

    def later(self, step: int, hours: float) -> dict[str, FloatArray]:
        """Return the forecasts when `step` steps of the day are measured [unit of the series]."""
        both = [self.series[OWN], self.series[GRID]]
        drivers = {OWN: both, GRID: both[::-1], LOAD: [self.series[LOAD]]}
        if WORK in self.series:
            drivers[WORK] = [self.series[WORK]]
        return {n: later_in_the_day(self.series[n], seen, step, hours) for n, seen in drivers.items()}


class ForecastPlanner:
    """Plans on scenarios of the rest of the day; an `advisor.rolling_run.Planner`.

    Parameters
    ----------
    sites : sequence of DispatchSite
        That may do each other's work.
    grid : DayGrid
    setting : Setting
    weather : mapping of str to Weather
        By site id; empty: the past alone.
    load_known : bool
        Whether the load of a day is known at its start.
    """

    def __init__(
        self,
        sites: Sequence[DispatchSite],
        grid: DayGrid,
        setting: Setting,
        weather: Mapping[str, Weather],
        *,
        load_known: bool,
    ) -> None:
        self._sites, self._grid, self._setting = tuple(sites), grid, setting
        self._forecasts = [
            SiteForecasts.of(s, grid, weather.get(s.site_id), load_known=load_known) for s in sites
        ]
        self._scenarios: dict[int, DayScenarios] = {}
        self._programme = ExpectedDay(_links(sites, setting))

    def __call__(self, day: int, step: int, owed: FloatArray, level: FloatArray) -> Intent | None:
        """Return what to do in the steps left of a day; None: the past says nothing yet."""
        found = self.scenarios(step).of_day(day)
        if found is None:
            return None
        left = slice(step, int(self._grid.length[day]))
        linked = len(self._sites) > 1
        parts = [
            {name: found[f"{k} {name}"][:, left] for name in f.series} for k, f in enumerate(self._forecasts)
        ]
        freedom = [
            _freedom(f.site, part, f.per_work[day, left], need, linked=linked)
            for f, part, need in zip(self._forecasts, parts, owed, strict=True)
        ]
        stored = [
            self._with_battery(site, free, part, float(now))
            for site, free, part, now in zip(self._sites, freedom, parts, level, strict=True)
        ]
        moves = self._programme.solve(stored)
        worth = [
            _worth(site, part, free.facility_per_work * move, self._setting.hours)
            for site, part, free, move in zip(self._sites, parts, freedom, moves, strict=True)
        ]
        sure = [
            _bounds(site, _work(part).min(axis=0), _work(part).max(axis=0), linked=linked)
            for site, part in zip(self._sites, parts, strict=True)
        ]
        return Intent(
            np.stack(moves), np.stack([low for low, _ in sure]), np.stack([high for _, high in sure]),
            np.stack([p[GRID].mean(axis=0) for p in parts]), tuple(worth),
        )  # fmt: skip

    def _with_battery(
        self, site: DispatchSite, free: Freedom, part: Mapping[str, FloatArray], level: float
    ) -> Freedom:
        if site.battery is None or not free.high.any():
            return free
        after = _worth(site, part, None, self._setting.hours)[0]  # tomorrow starts as today, unmoved
        stored = Stored(site.battery, level, self._setting.hours, after)
        return replace(free, load=part[LOAD], stored=stored)

    def scenarios(self, step: int) -> DayScenarios:
        """Return scenarios of every day as they look when `step` of its steps are measured."""
        if step not in self._scenarios:
            series: dict[str, DayAhead] = {}
            point: dict[str, FloatArray] = {}
            for k, f in enumerate(self._forecasts):
                series |= {f"{k} {name}": s for name, s in f.series.items()}
                point |= {f"{k} {name}": p for name, p in f.later(step, self._setting.hours).items()}
            alike = [name for name in series if name.endswith((OWN, GRID))]
            self._scenarios[step] = DayScenarios(series, alike, point)
        return self._scenarios[step]


class RepeatedPlanner:
    """Yesterday's exact plan, carried out today: persistence; an `advisor.rolling_run.Planner`.

    Batteries take surplus and serve deficits as they come.

    Parameters
    ----------
    sites, grid, setting, load_known
        See `ForecastPlanner`.
    """

    def __init__(
        self, sites: Sequence[DispatchSite], grid: DayGrid, setting: Setting, *, load_known: bool
    ) -> None:
        ago = [_yesterday(site, grid, load_known=load_known) for site in sites]
        model = DispatchModel(
            ago, setting.day, setting.hours, between_sites=bool(setting.exchanges),
            exchanges=[e for e in setting.exchanges if any(s.site_id in e.site_ids for s in sites)],
        )  # fmt: skip
        plans = model.solve().sites
        linked = len(sites) > 1
        self._grid = grid
        self._move = np.stack([plans[s.site_id].work_kw - s.work_kw for s in ago])
        bounds = [_bounds(s, s.work_kw, s.work_kw, linked=linked) for s in ago]
        self._low, self._high = (np.stack([b[i] for b in bounds]) for i in (0, 1))

    def __call__(self, day: int, step: int, owed: FloatArray, level: FloatArray) -> Intent | None:  # noqa: ARG002 - as planned
        """Return yesterday's plan for the steps left of a day; None on the first day."""
        if day == 0:
            return None
        start, length = int(self._grid.start[day]), int(self._grid.length[day])
        left = slice(start + step, start + length)
        none = np.zeros((length - step + 1, LEVELS))
        return Intent(
            self._move[:, left], self._low[:, left], self._high[:, left],
            np.ones_like(self._move[:, left]), (none,) * len(self._move),
        )  # fmt: skip


# -- inside ----------------------------------------------------------------------------------------
def _work(part: Mapping[str, FloatArray]) -> FloatArray:
    return part.get(WORK, part[LOAD])


def _bounds(
    site: DispatchSite, least: FloatArray, most: FloatArray, *, linked: bool
) -> tuple[FloatArray, FloatArray]:
    """Return what can leave (negative) and arrive [kW] if the work lies between `least` and `most`."""
    low = -site.flexible_share * least
    if not (linked or site.flexible_share > 0):
        return low, np.zeros_like(low)
    return low, np.clip(site.it_capacity_kw - most, 0.0, float(site.work_kw.max()) * len(most))


def _freedom(
    site: DispatchSite, part: Mapping[str, FloatArray], per_work: FloatArray, need: float, *, linked: bool
) -> Freedom:
    expected = _work(part).mean(axis=0)
    low, high = _bounds(site, expected, expected, linked=linked)
    short = part[OWN] - part[LOAD]
    covered = np.where(per_work > 0, short / np.maximum(per_work, 1e-9), np.inf)
    return Freedom(low, high, covered, part[GRID], per_work, need)


def _worth(
    site: DispatchSite, part: Mapping[str, FloatArray], moved: FloatArray | None, hours: float
) -> FloatArray:
    """Return what stored energy is worth in and after each step, moves [kW of facility load] included."""
    surplus = part[OWN] - part[LOAD] - (0.0 if moved is None else moved)
    if site.battery is None:
        return np.zeros((surplus.shape[1] + 1, LEVELS))
    return worth_of_storage(site.battery, surplus, part[GRID].mean(axis=0), hours)


def _links(sites: Sequence[DispatchSite], setting: Setting) -> list[Link]:
    names = [s.site_id for s in sites]
    members = [tuple(names.index(i) for i in e.site_ids if i in names) for e in setting.exchanges]
    return [Link(m, e.transfer_kwh_per_kwh) for m, e in zip(members, setting.exchanges, strict=True) if m]


def _yesterday(site: DispatchSite, grid: DayGrid, *, load_known: bool) -> DispatchSite:
    """Return the site as it was a day before; the first day rests."""

    def ago(values: FloatArray) -> FloatArray:
        return np.nan_to_num(grid.flat(grid.by_day(values, grid.source - grid.per_day)))

    def power(values: FloatArray) -> FloatArray:
        return values if load_known else ago(values)

    first = np.isnan(grid.flat(grid.by_day(site.load_kw, grid.source - grid.per_day)))
    return replace(
        site, load_kw=power(site.load_kw), own_kw=ago(site.own_kw), grid_non_green=ago(site.grid_non_green),
        it_kw=None if site.it_kw is None else power(site.it_kw),
        marginal=None if site.marginal is None else ago(site.marginal),
        price_per_kwh=None, carbon_g_per_kwh=None, battery=None, frozen=first,
    )  # fmt: skip
