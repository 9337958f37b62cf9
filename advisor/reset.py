"""Resets: set-points that follow weather or load by a rule that a building-management system can keep.

Once a day, at local midnight, the mean of the last 24 hours is looked up in a table of a few stages. So a
set-point moves at most once a day, in one direction; it moves slowly, and not for a change within the dead
band. Optuna looks for the table, the proposing model says exactly what each one saves, and a table replaces
constants only for a gain beyond doubt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
import pandas as pd

from advisor.cooling_search import Outcome, Pair, Search, nearest
from advisor.plan import Z90
from features.frame import FloatArray
from features.levers import PLANT_LEVERS
from features.message import Message, say
from features.operation import Operation
from features.telemetry import TimeZone

STAGES = 5
BAND = 0.25
"""The driver must pass the end of a stage by this share of a stage's width before the stage changes [1]."""
RAMP_K_PER_H = 1.0
"""No set-point moves faster [K/h]: coils and chillers follow without hunting."""
TRIALS = 60
WORTH = 0.0005
"""A search begins where a table could gain at least this share of the energy [1]."""
WORST = -1e6
"""Gain of a rule that breaks a limit [kW]: the search takes no infinities."""
TWENTIETHS = {"from": (0, 9), "to": (10, 20)}
"""Where the table may begin and end, in twentieths of the days sorted by the driver."""
LEAST_DAYS = 14
"""In fewer days a rule is not told from a constant."""
DRIVERS = {"outdoor_wet_bulb_c": say("outdoor wet bulb"), "it_power_kw": say("IT power")}
UNITS = {"outdoor_wet_bulb_c": "°C", "it_power_kw": "kW"}

IntArray = npt.NDArray[np.int64]
Grids = list[tuple[float, ...]]


@dataclass(frozen=True)
class Days:
    """The local days of a window.

    Parameters
    ----------
    drivers : dict
        Name of `DRIVERS` -> its mean over the 24 hours before each day's midnight [driver's unit],
        shape (days,).
    first : pandas.Timestamp
        Midnight of the first day, wall clock.
    zone : TimeZone
    hours : float
        Length of a step [h].
    """

    drivers: dict[str, FloatArray]
    first: pd.Timestamp
    zone: TimeZone
    hours: float

    @classmethod
    def of(cls, operation: Operation, steps: pd.DatetimeIndex, zone: TimeZone) -> Days:
        """Return the days of the steps; what came before them is looked up in the whole operation."""
        wall = steps.tz_convert(zone.tzinfo()).tz_localize(None)
        days = pd.date_range(wall[0].normalize(), wall[-1].normalize(), freq="D")
        seen = operation.stamps.tz_convert(zone.tzinfo()).tz_localize(None).normalize()
        measured = {"outdoor_wet_bulb_c": operation.wet_bulb_c, "it_power_kw": operation.it_kw}
        drivers: dict[str, FloatArray] = {}
        for name, values in measured.items():
            daily = pd.Series(values).groupby(np.asarray(seen)).mean()
            before = daily.reindex(days - pd.Timedelta(days=1)).ffill()
            # before an export begins nothing is known: its first day stands for the day before
            drivers[name] = np.asarray(before.bfill(), dtype=np.float64)
        return cls(drivers, days[0], zone, operation.hours)

    def __len__(self) -> int:
        return len(next(iter(self.drivers.values())))

    def place(self, stamps: pd.DatetimeIndex) -> tuple[IntArray, FloatArray]:
        """Return the day of every stamp, and the hours since its midnight [h]."""
        wall = stamps.tz_convert(self.zone.tzinfo()).tz_localize(None)
        day = (wall.normalize() - self.first).days.to_numpy().astype(np.int64)
        since = (wall - wall.normalize()) / pd.Timedelta(hours=1)
        return day, since.to_numpy(dtype=np.float64)

    def followed(self, lever: str, targets: FloatArray, stamps: pd.DatetimeIndex) -> FloatArray:
        """Return a day's target at every stamp, reached from the day before's by `RAMP_K_PER_H`.

        Parameters
        ----------
        lever : str
            Set-points of air and water move slowly; towers, fans, economisers and pads have ramps of
            their own.
        targets : numpy.ndarray, shape (days,)
            [lever's unit].
        stamps : pandas.DatetimeIndex, shape (n,)

        Returns
        -------
        numpy.ndarray, shape (n,)
            [lever's unit]
        """
        day, since = self.place(stamps)
        if lever in PLANT_LEVERS:
            return targets[day]
        before = np.concatenate([targets[:1], targets[:-1]])[day]
        reach = RAMP_K_PER_H * (since + self.hours)
        return np.asarray(before + np.clip(targets[day] - before, -reach, reach))


@dataclass(frozen=True)
class Reset:
    """One rule for all levers.

    Parameters
    ----------
    driver : str
        Name of `DRIVERS`.
    low, high : float
        The stages divide what lies between [driver's unit].
    stages : tuple of tuple of float
        Set-points of every stage, in the search's order of levers [degC]; the first holds below `low` too.
    """

    driver: str
    low: float
    high: float
    stages: tuple[Pair, ...]

    def by_day(self, days: Days) -> IntArray:
        """Return the stage of every day, shape (days,)."""
        edges = self.edges
        band = self.band
        values = days.drivers[self.driver]
        stage = int(np.searchsorted(edges, values[0]))
        result = np.empty(len(values), dtype=np.int64)
        # what holds today depends on yesterday: the days are walked through, not the steps
        for k, value in enumerate(values):
            up, down = int(np.searchsorted(edges, value - band)), int(np.searchsorted(edges, value + band))
            stage = min(max(stage, up), down)
            result[k] = stage
        return result

    def schedule(
        self, days: Days, stamps: pd.DatetimeIndex, levers: tuple[str, ...]
    ) -> dict[str, FloatArray]:
        """Return the set-points at some stamps, lever -> shape (n,) [degC]."""
        stage = self.by_day(days)
        return {
            name: days.followed(name, np.array([s[k] for s in self.stages])[stage], stamps)
            for k, name in enumerate(levers)
        }

    @property
    def edges(self) -> FloatArray:
        """Where a stage ends [driver's unit], shape (stages - 1,)."""
        return np.linspace(self.low, self.high, len(self.stages) + 1)[1:-1]

    @property
    def band(self) -> float:
        """Dead band around every edge [driver's unit]."""
        return BAND * (self.high - self.low) / len(self.stages)

    def rules(self, levers: tuple[str, ...]) -> dict[str, dict[str, object]]:
        """Return the rule of every lever that follows the driver."""
        return {n: self.to_dict(k) for k, n in enumerate(levers) if len({s[k] for s in self.stages}) > 1}

    def to_dict(self, lever: int) -> dict[str, object]:
        """Return the rule of one lever as a machine reads it."""
        return {
            "driver": self.driver,
            "driver_is": "mean of the last 24 hours at local midnight",
            "edges": [round(float(e), 3) for e in self.edges],
            "set_points": [stage[lever] for stage in self.stages],
            "dead_band": round(self.band, 3),
            "ramp_k_per_h": RAMP_K_PER_H,
        }


def rule_in_words(rule: dict[str, object]) -> str:
    """Return the table of `Reset.to_dict` as a sentence's part."""
    driver, edges, values = str(rule["driver"]), rule["edges"], rule["set_points"]
    unit = UNITS[driver]
    steps: list[tuple[float | None, float]] = []
    for edge, value in zip([None, *edges], values, strict=True):  # type: ignore[misc, call-overload]
        if not steps or value != steps[-1][1]:
            steps.append((edge, value))
    parts = [
        say("{value:g} °C", value=value)
        if edge is None
        else say("{value:g} °C from {edge:.1f} {unit}", value=value, edge=edge, unit=unit)
        for edge, value in steps
    ]
    return say(
        "{steps}, by the mean {driver} of the last 24 hours, looked up at midnight (dead band {band:.1f} "
        "{unit}, at most {ramp:g} K per hour)",
        steps=Message.joined(", ", parts),
        driver=DRIVERS[driver],
        band=rule["dead_band"],
        unit=unit,
        ramp=rule["ramp_k_per_h"],
    )


@dataclass(frozen=True)
class _Table:
    """Evaluates resets against the constants that they would replace."""

    search: Search
    days: Days
    stay_kw: FloatArray
    stay_draws_kw: FloatArray

    @classmethod
    def beside(cls, search: Search, days: Days, best: list[Pair]) -> _Table:
        kept = [search.outcome(p) for p in best]
        mean, draws = ([getattr(o, of)[m] for m, o in enumerate(kept)] for of in ("mean_kw", "draws_kw"))
        return cls(search, days, np.array(mean), np.array(draws))

    def outcome(self, reset: Reset) -> Outcome | None:
        """Return what a reset saves; None where the site was never run like that."""
        stage = reset.by_day(self.days)
        day, _ = self.days.place(self.search.window.stamps)
        for k in np.unique(stage):
            rows = stage[day] == k
            if rows.any() and not self.search.tried(reset.stages[k], rows):
                return None
        return self.search.outcome_of(
            reset.schedule(self.days, self.search.window.stamps, self.search.levers)
        )

    def gain(self, reset: Reset, doubts: float) -> float:
        """Return what a reset saves beyond the constants [kW], less so many standard deviations."""
        told = self.outcome(reset)
        if told is None or not told.holds(self.search.counts > 0):
            return -np.inf
        share = self.search.counts / self.search.counts.sum()
        more = share @ (told.draws_kw - self.stay_draws_kw)
        return float(share @ (told.mean_kw - self.stay_kw) - doubts * more.std(ddof=1))


def best_reset(search: Search, days: Days, best: list[Pair]) -> Reset | None:
    """Return the rule that saves more than constants beyond doubt, or None.

    Parameters
    ----------
    search : Search
    days : Days
        Of the window.
    best : list of tuple
        Constants of every month.
    """
    if len(days) < LEAST_DAYS or search.cap is not None or not search.levers:
        return None
    table = _Table.beside(search, days, best)
    # towers, economisers and pads keep their constants: they follow the weather by themselves
    grids = [
        (constant,) if name in PLANT_LEVERS else search.problem.candidates[name]
        for name, constant in zip(search.levers, best[0], strict=True)
    ]
    if all(len(g) < 2 for g in grids):
        return None
    stay_kw = float(search.counts @ table.stay_kw) / len(search.window)
    if _most(search, days) - stay_kw < WORTH * float(search.window.facility_kw.mean()):
        return None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=search.problem.seed, n_startup_trials=24),
    )
    for driver in DRIVERS:
        for ends in _likely(search, days, driver):
            study.enqueue_trial(_Draft.between(driver, ends, grids).values)
    study.optimize(
        lambda trial: max(table.gain(_Draft.suggested(trial, grids).reset(days, grids), 1.0), WORST),
        n_trials=TRIALS,
    )
    reset = _climbed(_Draft(dict(study.best_params)), table, grids).reset(days, grids)
    if len(set(reset.stages)) < 2:
        return None
    return reset if table.gain(reset, Z90) > 0 else None


@dataclass(frozen=True)
class _Draft:
    """A rule as it is searched: driver, quantiles of the driver, places on the grids at both ends."""

    values: dict[str, Any]

    @classmethod
    def between(cls, driver: str, ends: tuple[Pair, Pair], grids: Grids) -> _Draft:
        places = {
            f"{name}_{k}": nearest(g, end[k])
            for k, g in enumerate(grids)
            for name, end in zip(("low", "high"), ends, strict=True)
            if len(g) > 1
        }
        return cls({"driver": driver, "from": 2, "to": 18, **places})

    @classmethod
    def suggested(cls, trial: optuna.Trial, grids: Grids) -> _Draft:
        last = {
            f"{end}_{k}": len(g) - 1 for k, g in enumerate(grids) for end in ("low", "high") if len(g) > 1
        }
        return cls(
            {
                "driver": trial.suggest_categorical("driver", sorted(DRIVERS)),
                "from": trial.suggest_int("from", *TWENTIETHS["from"]),
                "to": trial.suggest_int("to", *TWENTIETHS["to"]),
                **{name: trial.suggest_int(name, 0, n) for name, n in last.items()},
            }
        )

    def neighbours(self, grids: Grids) -> list[_Draft]:
        """Return the drafts that differ by one step in one value."""
        bounds = {
            name: TWENTIETHS.get(name) or (0, len(grids[int(name.split("_")[1])]) - 1)
            for name in self.values
            if name != "driver"
        }
        return [
            _Draft({**self.values, name: self.values[name] + by})
            for name, (first, last) in bounds.items()
            for by in (-1, 1)
            if first <= self.values[name] + by <= last
        ]

    def reset(self, days: Days, grids: Grids) -> Reset:
        driver = self.values["driver"]
        quantiles = (self.values["from"] / 20, self.values["to"] / 20)
        low, high = (float(q) for q in np.quantile(days.drivers[driver], quantiles))
        ends = [
            tuple(g[self.values.get(f"{end}_{k}", 0)] for k, g in enumerate(grids)) for end in ("low", "high")
        ]
        stages = tuple(
            tuple(g[nearest(g, a + u * (b - a))] for g, a, b in zip(grids, *ends, strict=True))
            for u in np.linspace(0.0, 1.0, STAGES)
        )
        return Reset(driver, low, max(high, low + 1e-6), stages)


def _climbed(draft: _Draft, table: _Table, grids: Grids) -> _Draft:
    """Move one value by one step after the other until nothing gains."""
    best, best_gain = draft, table.gain(draft.reset(table.days, grids), 1.0)
    while True:
        around = best.neighbours(grids)
        gains = [table.gain(d.reset(table.days, grids), 1.0) for d in around]
        if not around or max(gains) <= best_gain:
            return best
        best, best_gain = around[int(np.argmax(gains))], max(gains)


def _saved_rows(search: Search) -> dict[Pair, FloatArray]:
    """Return what the known constants that keep every limit save in each row looked at [kW]."""
    seen = search.counts > 0
    return {p: o.row_kw for p, o in search.known.items() if o.holds(seen) and len(o.row_kw)}


def _most(search: Search, days: Days) -> float:
    """Return what the known constants save if every fifth of the days, by a driver, takes its own best [kW].

    No search is worth its time where even that is hardly more than constants save.
    """
    day, _ = days.place(search.window.stamps)
    known = np.array(list(_saved_rows(search).values()))
    if not len(known):
        return -np.inf
    most = []
    for values in days.drivers.values():
        fifth = np.searchsorted(np.quantile(values, (0.2, 0.4, 0.6, 0.8)), values)[day]
        most.append(sum(float(known[:, fifth == k].sum(axis=1).max()) for k in range(5)) / len(day))
    return max(most)


def _likely(search: Search, days: Days, driver: str) -> list[tuple[Pair, Pair]]:
    """Return where a search begins: the known constants best in the lower and in the upper days."""
    day, _ = days.place(search.window.stamps)
    values = days.drivers[driver][day]
    known = _saved_rows(search)
    if not known:
        return []
    starts = []
    for share in (0.15, 0.3, 0.5):
        ends = values <= np.quantile(values, share), values >= np.quantile(values, 1 - share)
        saved = [{p: float(kw[rows].mean()) for p, kw in known.items()} for rows in ends]
        low, high = (max(s, key=s.__getitem__) for s in saved)
        starts.append((low, high))
    return list(dict.fromkeys(starts))
