"""Set-points of a data centre: the pair per calendar month that needs least facility energy.

The proposing model is evaluated exactly on a grid of explored set-points. A pair wins by its
pessimistic saving (point minus one standard deviation over weeks), so that luck in a few weeks does
not choose; a month leaves the pair of the whole window only for a gain beyond doubt.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product

import numpy as np
import numpy.typing as npt
import pandas as pd

from advisor.plan import Z90, Plan, Problem, SolverReport
from features.frame import FloatArray
from features.message import say, term
from features.operation import BoolArray, Operation
from features.telemetry import TimeZone
from models.site_response import SiteResponse

ROWS = 2500
"""The search looks at about this many steps, evenly spread; the verifier looks at all."""
COARSE_K = 1.5
MONTH_ROWS = 60
LEAST_ROWS = 12
UNTRIED = say("explored range")
NOT_HELD = say("water too warm to hold the air set-point")
NOT_HELD_K = 0.3
"""An inlet this much warmer than with cold water says that the plant cannot hold its set-point [K]."""
DEAD_BAND = 0.001
"""A month keeps the window's pair unless the gain exceeds this share of its energy [1]."""
WITHIN_SD = 1.0
"""Pairs whose savings differ by less than so many standard deviations cannot be told apart [1]."""
SMALLER_K = 1.0
SUPPORT_K = 1.0
SUPPORT_HOURS = 24.0

Pair = tuple[float, ...]


@dataclass(frozen=True)
class Outcome:
    """Saving of one pair against the current one, per month.

    ``mean_kw`` [kW], shape (months,); ``draws_kw`` [kW], shape (months, draws); ``feasible`` whether
    every limit holds.
    """

    mean_kw: FloatArray
    draws_kw: FloatArray
    feasible: BoolArray
    blocked_by: str = ""

    def holds(self, months: BoolArray) -> bool:
        """Whether every limit holds in the given months."""
        return bool(self.feasible[months].all())


@dataclass
class Search:
    """Memoised evaluation of pairs over a thinned window."""

    response: SiteResponse
    window: Operation
    explored: Operation
    problem: Problem
    months: npt.NDArray[np.int64]
    n_months: int
    known: dict[Pair, Outcome] = field(default_factory=dict)
    _before: dict[str, FloatArray] = field(default_factory=dict)

    @property
    def levers(self) -> tuple[str, ...]:
        """Levers that are moved, the air lever first."""
        return tuple(self.window.levers)

    @property
    def counts(self) -> FloatArray:
        """Steps looked at per month, shape (months,)."""
        return np.bincount(self.months, minlength=self.n_months).astype(np.float64)

    @property
    def evaluated(self) -> int:
        """Number of pairs evaluated so far."""
        return len(self.known)

    def current(self) -> Pair:
        """Return the set-points in force."""
        return tuple(self.problem.current[name] for name in self.levers)

    def outcome(self, pair: Pair) -> Outcome:
        """Return the saving of a pair, evaluated once."""
        if pair not in self.known:
            self.known[pair] = self._evaluate(pair)
        return self.known[pair]

    def _evaluate(self, pair: Pair) -> Outcome:
        if not self._before:
            self._before = self._state(self.current())
        supported = self._supported(pair)
        if not supported.any():
            nothing = np.zeros(self.n_months)
            return Outcome(nothing, nothing[:, None], supported, UNTRIED)
        after = self._state(pair)
        slope = 1.0 + self.response.chain.slope(self._before["it"])[:, None]
        it_draws = self._by_month((self._before["it_draws"] - after["it_draws"]) * slope)
        terms = self._by_month(self._before["terms"] - after["terms"])
        fit = self.response.overhead.fit
        draws = it_draws[:, 1:] + terms / fit.scale @ fit.draws.T
        mean = it_draws[:, 0] + terms / fit.scale @ fit.point
        feasible, blocked = self._limits(after)
        if not self._held(pair):
            feasible, blocked = np.zeros_like(feasible), NOT_HELD
        return Outcome(mean, draws, feasible & supported, blocked)

    def _held(self, pair: Pair) -> bool:
        """Whether the plant holds the air set-point with such water; what is in force is not judged."""
        guide = self.response.basis.guide
        if guide is None or pair == self.current():
            return True
        one = self.window.rows(np.arange(len(self.window)) < 1)
        moved = one.with_levers({k: np.full(1, v) for k, v in zip(self.levers, pair, strict=True)})
        return float(guide.not_held_k(moved)[0]) <= NOT_HELD_K

    def _supported(self, pair: Pair) -> BoolArray:
        """Whether the site was run near the pair, in the month's weather, for at least a day in all."""
        near = self.explored.usable
        for name, value in zip(self.levers, pair, strict=True):
            near &= np.abs(self.explored.levers[name] - value) <= SUPPORT_K
        dry = self.explored.dry_bulb_c[near]
        low, high = self.weather[:, :1], self.weather[:, 1:]
        hours = ((dry >= low) & (dry <= high)).sum(axis=1) * self.explored.hours
        return np.asarray(hours >= SUPPORT_HOURS)

    @cached_property
    def weather(self) -> FloatArray:
        """Range of the dry bulb of every month, without its extreme twentieths [degC], shape (months, 2)."""
        dry = [self.window.dry_bulb_c[self.months == m] for m in range(self.n_months)]
        return np.array([np.quantile(d, (0.05, 0.95)) if len(d) else (-np.inf, np.inf) for d in dry])

    def _state(self, pair: Pair) -> dict[str, FloatArray]:
        n = len(self.window)
        moved = self.window.with_levers({k: np.full(n, v) for k, v in zip(self.levers, pair, strict=True)})
        basis, it = self.response.basis, self.response.it
        change = it.log_effect(basis, moved) - it.log_effect(basis, self.window)
        draws = it.log_effect_draws(basis, moved) - it.log_effect_draws(basis, self.window)
        it_kw = self.window.it_kw * np.exp(change)
        state = {
            "it": it_kw,
            "it_draws": self.window.it_kw[:, None] * np.exp(np.column_stack([change, draws])),
            "terms": basis.surface_terms(moved, it_kw),
        }
        if self.response.inlet is not None:
            state["inlet"] = self.response.inlet.predict(basis, moved, it_kw)
        return state

    def _limits(self, after: dict[str, FloatArray]) -> tuple[BoolArray, str]:
        feasible = np.ones(self.n_months, dtype=bool)
        blocked = ""
        if "inlet" not in after or self.response.inlet is None:
            return feasible, blocked
        error = float(self.problem.options.get("sensor_error_k", 0.0))
        for limit in self.problem.limits:
            if limit.name != "server_inlet_temp_c":
                continue
            if limit.sense == "max":
                worst = self._extreme(after["inlet"], np.maximum) + self.response.inlet.residual_high + error
                broken = worst > limit.value
            else:  # today's operation may lie below a recommended minimum already: never go further below
                worst = self._extreme(after["inlet"], np.minimum)
                today = self._extreme(self._before["inlet"], np.minimum)
                broken = worst < np.minimum(limit.value, today) - 0.1
            if broken.any():
                blocked = say(
                    "{column} {sense} {limit:g} °C ({source})",
                    column=limit.name,
                    sense=term(limit.sense),
                    limit=limit.value,
                    source=limit.source,
                )
            feasible &= ~broken
        return feasible, blocked

    def _extreme(self, values: FloatArray, reduce: np.ufunc) -> FloatArray:
        result = np.full(self.n_months, -np.inf if reduce is np.maximum else np.inf)
        reduce.at(result, self.months, values)
        return result

    def _by_month(self, values: FloatArray) -> FloatArray:
        """Return the mean over the steps of each month, shape (months, columns)."""
        total = np.zeros((self.n_months, values.shape[1]))
        np.add.at(total, self.months, values)
        means: FloatArray = total / np.maximum(self.counts, 1.0)[:, None]
        return means


def propose(
    response: SiteResponse | None,
    operation: Operation,
    start: pd.Timestamp,
    end: pd.Timestamp,
    problem: Problem,
    *,
    why_not: tuple[str, ...] = (),
) -> Plan:
    """Find the set-points of a window.

    Parameters
    ----------
    response : SiteResponse or None
        The proposing model; None: nothing could be learned, and the current set-points are held.
    operation : Operation
        The whole export, levers restricted to those identified (all of them where `response` is None).
    start, end : pandas.Timestamp
        Window in UTC, end exclusive.
    problem : Problem
    why_not : tuple of str
        Reasons to give where nothing is proposed.

    Returns
    -------
    Plan
        One row per step of the window and lever of ``problem.current``.
    """
    began = time.perf_counter()
    steps = pd.date_range(start, end, freq=pd.Timedelta(hours=operation.hours), inclusive="left")
    window = operation.between(start, end)
    window = window.rows(window.usable)
    if response is None or len(window) < LEAST_ROWS:
        reasons = why_not or (say("only {total} steps of the window are fully measured", total=len(window)),)
        report = SolverReport(
            "hold", say("no model of the levers"), time.perf_counter() - began, problem.seed
        )
        return Plan(problem, _schedule(steps, problem, {}), {}, report, reasons)
    thin = window.rows(np.arange(len(window)) % max(len(window) // ROWS, 1) == 0)
    zone = TimeZone(str(problem.options.get("zone", "unknown")))
    label = _months(steps, steps, zone)
    search = Search(response, thin, operation, problem, _months(thin.stamps, steps, zone), int(label[-1]) + 1)
    best = _best_pairs(search, operation.levers)
    chosen = {
        name: np.array([best[m][k] for m in range(len(best))])[label] for k, name in enumerate(search.levers)
    }
    share = search.counts / search.counts.sum()
    saving = sum(float(search.outcome(p).mean_kw[m] * share[m]) for m, p in enumerate(best) if share[m] > 0)
    base = float(thin.facility_kw.mean())
    moved = any(p != search.current() for p in best)
    report = SolverReport(
        "optimal" if moved else "hold",
        say("exact evaluation on a grid of explored set-points, refined around the best"),
        time.perf_counter() - began,
        problem.seed,
        0.0,
        search.evaluated,
    )
    excluded = {o.blocked_by for o in search.known.values() if o.blocked_by}
    blocked = [
        say("colder, warmer or untried set-points were excluded by: {name}", name=name)
        for name in sorted(excluded)
    ]
    objective = {"saving_kw": saving, "saving_pct": 100 * saving / base}
    broken = _broken_today(search, moved)
    if broken and not moved:
        report = replace(report, status="infeasible")
    return Plan(
        problem,
        _schedule(steps, problem, chosen),
        objective,
        report,
        (*broken, *blocked),
        _binding(search, best),
        search.outcome(search.current()).blocked_by if broken and moved else "",
    )


def proposed_saving_pct(response: SiteResponse, operation: Operation, schedule: pd.DataFrame) -> float:
    """Return what the proposing model says that a schedule saves [% of its baseline energy].

    Parameters
    ----------
    response : SiteResponse
    operation : Operation
        The whole export, levers as in the response.
    schedule : pandas.DataFrame
        As `advisor.plan.Plan.schedule`.
    """
    wide = schedule.pivot_table(index="timestamp", columns="lever", values=["current", "recommended"])
    window = operation.rows(np.asarray(operation.stamps.isin(wide.index)) & operation.usable)
    wide = wide.reindex(window.stamps)
    before, after = (
        response.scenario(window, {n: wide[side][n].to_numpy(dtype=np.float64) for n in operation.levers})
        for side in ("current", "recommended")
    )
    base = float(np.nansum(before.facility_kw))
    return 100 * (base - float(np.nansum(after.facility_kw))) / base


def _broken_today(search: Search, moved: bool) -> list[str]:
    """Say which limit today's operation breaks, and what would keep it."""
    seen = search.counts > 0
    today = search.outcome(search.current())
    if today.holds(seen) or not today.blocked_by or today.blocked_by == UNTRIED:
        return []
    kept = [p for p, o in search.known.items() if o.holds(seen)]
    if not kept:
        return [
            say(
                "today's set-points break {limit}, and so does every explored one: explore colder "
                "air in steps of 0.5 K, or raise the limit",
                limit=today.blocked_by,
            )
        ]
    if moved:
        return [say("today's set-points break {limit}; the plan keeps it", limit=today.blocked_by)]
    return [
        say(
            "today's set-points break {limit}; explored set-points that keep it exist", limit=today.blocked_by
        )
    ]


def _binding(search: Search, best: list[Pair]) -> dict[str, str]:
    """Return the limit that stops each lever where one more step would save more."""
    seen = search.counts > 0
    share = search.counts / search.counts.sum()
    pair = best[int(search.counts.argmax())]
    here = float(share @ search.outcome(pair).mean_kw)
    found: dict[str, str] = {}
    for k, name in enumerate(search.levers):
        for value in _neighbours(search.problem.candidates[name], pair[k]):
            further = search.outcome((*pair[:k], value, *pair[k + 1 :]))
            if not further.holds(seen) and further.blocked_by and float(share @ further.mean_kw) >= here:
                found[name] = further.blocked_by
    return found


def _best_pairs(search: Search, levers: dict[str, FloatArray]) -> list[Pair]:
    """Return the pair of every month."""
    counts, seen = search.counts, search.counts > 0
    share = counts / counts.sum()
    grids = [search.problem.candidates[name] for name in levers]

    def over_all(pair: Pair) -> float:
        o = search.outcome(pair)
        if not o.holds(seen):
            return -np.inf
        return float(share @ o.mean_kw - (share @ o.draws_kw).std(ddof=1))

    coarse = list(product(*(_coarse(g) for g in grids)))
    current = search.current()

    def against_current(pair: Pair) -> float:
        # what is in force needs no proof, unless it breaks a limit itself
        return 0.0 if pair == current and search.outcome(pair).holds(seen) else over_all(pair)

    overall = _refine(max([current, *coarse], key=against_current), grids, against_current)
    overall = _smaller_move(search, overall, grids)
    return [
        _month_pair(search, overall, month, coarse, grids) if counts[month] >= MONTH_ROWS / 3 else overall
        for month in range(search.n_months)
    ]


def _smaller_move(search: Search, best: Pair, grids: list[tuple[float, ...]]) -> Pair:
    """Return the pair nearest to the current one that saves as much as the best one within its doubt.

    The best of many estimates is too good by what chance gave it, and the further from the usual
    operation, the more: of pairs that cannot be told apart the smaller move is the safer one.
    """
    seen, current = search.counts > 0, search.current()
    share = search.counts / search.counts.sum()
    top = search.outcome(best)
    ranges = [max(g[-1] - g[0], 1e-9) for g in grids]
    between = [
        dict.fromkeys((b, *(x for x in _coarse(g, SMALLER_K) if min(b, c) <= x <= max(b, c))))
        for g, b, c in zip(grids, best, current, strict=True)
    ]

    def move(pair: Pair) -> float:
        return sum(abs(x - c) / r for x, c, r in zip(pair, current, ranges, strict=True))

    for pair in sorted(set(product(*between)), key=move):
        o = search.outcome(pair)
        if not o.holds(seen):
            continue
        lost = share @ (top.mean_kw - o.mean_kw)
        if lost <= WITHIN_SD * float((share @ (top.draws_kw - o.draws_kw)).std(ddof=1)):
            return pair
    return best


def _month_pair(
    search: Search, overall: Pair, month: int, coarse: list[Pair], grids: list[tuple[float, ...]]
) -> Pair:
    """Return the month's pair: the window's, unless another one is better beyond doubt."""
    stay = search.outcome(overall)
    base = float(search.window.facility_kw[search.months == month].mean())

    def gain(pair: Pair) -> float:
        o = search.outcome(pair)
        if not o.feasible[month]:
            return -np.inf
        spread = (o.draws_kw[month] - stay.draws_kw[month]).std() if pair != overall else 0.0
        return float(o.mean_kw[month] - stay.mean_kw[month] - Z90 * spread)

    best = _refine(max([overall, *coarse], key=gain), grids, gain)
    return best if gain(best) > DEAD_BAND * base else overall


def _refine(pair: Pair, grids: list[tuple[float, ...]], score: Callable[[Pair], float]) -> Pair:
    """Climb to the neighbouring grid point that is better until there is none."""
    best, best_score = pair, score(pair)
    while True:
        around = product(*(_neighbours(g, x) for g, x in zip(grids, best, strict=True)))
        challenger = max(around, key=score)
        if score(challenger) <= best_score:
            return best
        best, best_score = challenger, score(challenger)


def _coarse(grid: tuple[float, ...], by: float = COARSE_K) -> tuple[float, ...]:
    step = max(round(by / (grid[1] - grid[0])), 1) if len(grid) > 1 else 1
    return tuple(dict.fromkeys((*grid[::step], grid[-1])))


def _neighbours(grid: tuple[float, ...], x: float) -> tuple[float, ...]:
    ordered = np.asarray(grid)
    near = int(np.abs(ordered - x).argmin())
    return tuple(grid[max(near - 1, 0) : near + 2])


def _months(stamps: pd.DatetimeIndex, window: pd.DatetimeIndex, zone: TimeZone) -> npt.NDArray[np.int64]:
    """Return 0, 1, ... per local calendar month since the window's first."""
    first, local = window[0].tz_convert(zone.tzinfo()), stamps.tz_convert(zone.tzinfo())
    months = (local.year.to_numpy() - first.year) * 12 + local.month.to_numpy() - first.month
    return np.asarray(months, dtype=np.int64)


def _schedule(steps: pd.DatetimeIndex, problem: Problem, chosen: dict[str, FloatArray]) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {
                "timestamp": steps,
                "unit_id": "",
                "lever": name,
                "current": value,
                "recommended": chosen.get(name, np.full(len(steps), value)),
            }
        )
        for name, value in problem.current.items()
    ]
    return pd.concat(parts, ignore_index=True)
