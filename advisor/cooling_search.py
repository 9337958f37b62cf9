"""What pairs of set-points save, evaluated exactly by the proposing model, and the search among them.

A pair wins by its pessimistic saving (point minus one standard deviation over weeks), so that luck in a few
weeks does not choose; a month leaves the pair of the whole window only for a gain beyond doubt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product

import numpy as np
import numpy.typing as npt

from advisor.air_need import AirNeed
from advisor.plan import Z90, Limit, Problem
from features.frame import FloatArray
from features.levers import AIRFLOW, PLANT_LEVERS, judged_together, scale_of
from features.message import say, term
from features.operation import BoolArray, Operation
from models.site_response import SiteResponse

COARSE_K = 1.5
MONTH_ROWS = 60
UNTRIED = say("explored range")
NOT_HELD = say("water too warm to hold the air set-point")
NOT_HELD_K = 0.3
"""An inlet this much warmer than with cold water says that the plant cannot hold its set-point [K]."""
DEAD_BAND = 0.001
"""A month keeps the window's pair unless the gain exceeds this share of its energy [1]."""
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
    pue: float = np.nan
    """Of the whole window [1], on the pessimistic side; only where a cap is set."""
    row_kw: FloatArray = field(default_factory=lambda: np.zeros(0))
    """Point saving of every row looked at [kW]."""

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
    capped: bool = True
    """False: as if no cap on PUE were set."""
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
        supported = self._supported(pair)
        if not supported.any():
            nothing = np.zeros(self.n_months)
            return Outcome(nothing, nothing[:, None], supported, UNTRIED)
        told = self.outcome_of(self._constant(pair))
        feasible, blocked = told.feasible, told.blocked_by
        if not self._held(pair):
            feasible, blocked = np.zeros_like(feasible), NOT_HELD
        if lacking := self._lacks_air(pair):
            feasible, blocked = np.zeros_like(feasible), lacking
        return replace(told, feasible=feasible & supported, blocked_by=blocked)

    def outcome_of(self, set_points: dict[str, FloatArray]) -> Outcome:
        """Return the saving of a schedule on the window's rows; whether it was ever tried is not judged.

        Parameters
        ----------
        set_points : dict
            Lever -> set-points [degC], shape (rows of the window,).
        """
        if not self._before:
            self._before = self._state(self._constant(self.current()))
        after = self._state(set_points)
        slope = 1.0 + self.response.chain.slope(self._before["it"])[:, None]
        it_rows = (self._before["it_draws"] - after["it_draws"]) * slope
        term_rows = self._before["terms"] - after["terms"]
        it_draws, terms = self._by_month(it_rows), self._by_month(term_rows)
        fit = self.response.overhead.fit
        rows = it_rows[:, 0] + term_rows / fit.scale @ fit.point
        draws = it_draws[:, 1:] + terms / fit.scale @ fit.draws.T
        mean = it_draws[:, 0] + terms / fit.scale @ fit.point
        feasible, blocked = self._limits(after)
        pue = np.nan if self.cap is None else self._pue(after["it"], mean, draws)
        return Outcome(mean, draws, feasible, blocked, pue, rows)

    def _constant(self, pair: Pair) -> dict[str, FloatArray]:
        n = len(self.window)
        return {k: np.full(n, v) for k, v in zip(self.levers, pair, strict=True)}

    @property
    def cap(self) -> float | None:
        """Largest PUE permitted over the window [1]."""
        return next((x.value for x in self.problem.limits if x.name == "pue" and x.sense == "max"), None)

    def kept(self, pair: Pair) -> bool:
        """Whether a pair keeps every limit in all months seen, and the cap over the window."""
        o = self.outcome(pair)
        capped = self.capped and self.cap is not None
        return o.holds(self.counts > 0) and not (capped and not o.pue <= (self.cap or np.inf))

    @cached_property
    def _now_kw(self) -> float:
        """Mean facility power at the set-points in force [kW]."""
        n = len(self.window)
        levers = {k: np.full(n, v) for k, v in self.problem.current.items() if k in self.window.levers}
        return float(self.response.scenario(self.window, levers).facility_kw.mean())

    def _pue(self, it_kw: FloatArray, mean_kw: FloatArray, draws_kw: FloatArray) -> float:
        """Return the PUE of the window [1], one standard deviation up."""
        share = self.counts / self.counts.sum()
        doubt = float((share @ draws_kw).std(ddof=1)) if draws_kw.shape[1] > 1 else 0.0
        return (self._now_kw - float(share @ mean_kw) + doubt) / float(it_kw.mean())

    def _held(self, pair: Pair) -> bool:
        """Whether the plant holds the air set-point with such water; what is in force is not judged."""
        guide = self.response.basis.guide
        if guide is None or pair == self.current():
            return True
        one = self.window.rows(np.arange(len(self.window)) < 1)
        moved = one.with_levers({k: np.full(1, v) for k, v in zip(self.levers, pair, strict=True)})
        return float(guide.not_held_k(moved)[0]) <= NOT_HELD_K

    @cached_property
    def _air_need(self) -> AirNeed | None:
        return AirNeed.learn(self.explored)

    def _lacks_air(self, pair: Pair) -> str:
        """Return what forbids less air; empty where sensors saw as little of it, and no harm."""
        values = dict(zip(self.levers, pair, strict=True))
        need = self._air_need
        if need is None or not values.get(AIRFLOW, np.inf) < self.problem.current.get(AIRFLOW, 0.0):
            return ""
        hottest = need.hottest_c(values[AIRFLOW], values.get(self.explored.air_lever or ""))
        if hottest is None:
            return UNTRIED
        hottest += float(self.problem.options.get("sensor_error_k", 0.0))
        limits = (x for x in self.problem.limits if x.name == "server_inlet_temp_c" and x.sense == "max")
        return next((_named(x) for x in limits if hottest > x.value), "")

    def _supported(self, pair: Pair) -> BoolArray:
        """Whether the site was run near the pair, in the month's weather, for at least a day in all."""
        return self._tried(pair, self.weather)

    def tried(self, pair: Pair, rows: BoolArray) -> bool:
        """Whether the site was run near a pair in the weather of some rows, and holds it."""
        dry = np.quantile(self.window.dry_bulb_c[rows], (0.05, 0.95))
        return bool(self._tried(pair, dry[None, :])[0]) and self._held(pair) and not self._lacks_air(pair)

    def _tried(self, pair: Pair, weather: FloatArray) -> BoolArray:
        values = dict(zip(self.levers, pair, strict=True))
        tried = np.ones(len(weather), dtype=np.bool_)
        for group in judged_together(values):
            near = self.explored.usable
            for name in group:
                reach = SUPPORT_K * scale_of(name).kelvin
                near &= np.abs(self.explored.levers[name] - values[name]) <= reach
            dry = self.explored.dry_bulb_c[near]
            hours = ((dry >= weather[:, :1]) & (dry <= weather[:, 1:])).sum(axis=1) * self.explored.hours
            tried &= hours >= SUPPORT_HOURS
        return tried

    @cached_property
    def weather(self) -> FloatArray:
        """Range of the dry bulb of every month, without its extreme twentieths [degC], shape (months, 2)."""
        dry = [self.window.dry_bulb_c[self.months == m] for m in range(self.n_months)]
        return np.array([np.quantile(d, (0.05, 0.95)) if len(d) else (-np.inf, np.inf) for d in dry])

    def _state(self, set_points: dict[str, FloatArray]) -> dict[str, FloatArray]:
        moved = self.window.with_levers(set_points)
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
                blocked = _named(limit)
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


def _named(limit: Limit) -> str:
    return say(
        "{column} {sense} {limit:g} °C ({source})",
        column=limit.name,
        sense=term(limit.sense),
        limit=limit.value,
        source=limit.source,
    )


@dataclass(frozen=True)
class Ways:
    """How the pairs of a search are gone through.

    Set-points of air and water are tried in pairs. Levers that only some sites have join them one at a
    time: a grid of all would grow beyond reach.
    """

    grids: list[tuple[float, ...]]
    coarse: list[tuple[float, ...]]
    single: tuple[int, ...]

    @classmethod
    def of(cls, search: Search) -> Ways:
        """Return the ways of a search."""
        grids = [search.problem.candidates[name] for name in search.levers]
        reach = [COARSE_K * scale_of(name).kelvin for name in search.levers]
        coarse = [_coarse(g, r) for g, r in zip(grids, reach, strict=True)]
        return cls(grids, coarse, tuple(k for k, name in enumerate(search.levers) if name in PLANT_LEVERS))

    def trials(self, base: Pair) -> list[Pair]:
        """Return coarse pairs of air and water, the other levers as in `base`."""
        return list(product(*((base[k],) if k in self.single else g for k, g in enumerate(self.coarse))))

    def climb(self, pair: Pair, score: Callable[[Pair], float]) -> Pair:
        """Return where no move of one lever, or of air and water together, gains any more."""
        return _climb(pair, self.grids, score, {k: self.coarse[k] for k in self.single})


def best_pairs(search: Search, overall: Pair) -> list[Pair]:
    """Return the pair of every month; `overall` is that of the whole window, see `best_constant`."""
    if search.capped and search.cap is not None:  # a cap holds over the window, not in each of its months
        return [overall] * search.n_months
    ways = Ways.of(search)
    around = [overall, *ways.trials(overall)]
    return [
        _month_pair(search, month, around, ways.climb) if count >= MONTH_ROWS / 3 else overall
        for month, count in enumerate(search.counts)
    ]


def best_constant(search: Search) -> Pair:
    """Return the best pair for the whole window."""
    share = search.counts / search.counts.sum()
    current, ways = search.current(), Ways.of(search)

    def against_current(pair: Pair) -> float:
        # what is in force needs no proof, unless it breaks a limit itself
        if not search.kept(pair):
            return -np.inf
        if pair == current:
            return 0.0
        o = search.outcome(pair)
        return float(share @ o.mean_kw - (share @ o.draws_kw).std(ddof=1))

    overall = ways.climb(max([current, *ways.trials(current)], key=against_current), against_current)
    if ways.single:  # the warmest room may leave no way for less air: the other levers first
        overall = max(overall, ways.climb(current, against_current), key=against_current)
    return _without_idle_moves(search, overall)


def _without_idle_moves(search: Search, best: Pair) -> Pair:
    """Return the pair with every lever back in its place whose move gains less than its doubt.

    The best of many estimates moves what does not matter too, and wins by chance.
    """
    share = search.counts / search.counts.sum()
    for k, now in enumerate(search.current()):
        back = (*best[:k], now, *best[k + 1 :])
        if back == best or not search.kept(back):
            continue
        here, there = search.outcome(best), search.outcome(back)
        gain = share @ (here.mean_kw - there.mean_kw)
        if gain <= float((share @ (here.draws_kw - there.draws_kw)).std(ddof=1)):
            best = back
    return best


def _month_pair(
    search: Search,
    month: int,
    around: list[Pair],
    climb: Callable[[Pair, Callable[[Pair], float]], Pair],
) -> Pair:
    """Return the month's pair: the window's, the first of all, unless another one is better beyond doubt."""
    overall = around[0]
    stay = search.outcome(overall)
    base = float(search.window.facility_kw[search.months == month].mean())

    def gain(pair: Pair) -> float:
        o = search.outcome(pair)
        if not o.feasible[month]:
            return -np.inf
        spread = (o.draws_kw[month] - stay.draws_kw[month]).std() if pair != overall else 0.0
        return float(o.mean_kw[month] - stay.mean_kw[month] - Z90 * spread)

    best = climb(max(around, key=gain), gain)
    return best if gain(best) > DEAD_BAND * base else overall


def _refine(pair: Pair, grids: list[tuple[float, ...]], score: Callable[[Pair], float]) -> Pair:
    """Climb to the neighbouring grid point that is better until there is none."""
    best, best_score = pair, score(pair)
    while True:
        around = product(*(neighbours(g, x) for g, x in zip(grids, best, strict=True)))
        challenger = max(around, key=score)
        if score(challenger) <= best_score:
            return best
        best, best_score = challenger, score(challenger)


def _climb(
    pair: Pair,
    grids: list[tuple[float, ...]],
    score: Callable[[Pair], float],
    single: dict[int, tuple[float, ...]],
) -> Pair:
    """Move one lever of `single` after the other over its coarse values, then the pair, until none gains."""
    if not single:
        return _refine(pair, grids, score)
    paired, best = tuple(k for k in range(len(pair)) if k not in single), pair
    while True:
        before = best
        for moved, values in single.items():
            line = [(*best[:moved], v, *best[moved + 1 :]) for v in values]
            best = _refine(max([best, *line], key=score), _only(grids, best, (moved,)), score)
        best = _refine(best, _only(grids, best, paired), score)
        if score(best) <= score(before):
            return before


def _only(grids: list[tuple[float, ...]], pair: Pair, moved: tuple[int, ...]) -> list[tuple[float, ...]]:
    """Return the grids of the levers that are moved; the others stay."""
    return [g if k in moved else (x,) for k, (g, x) in enumerate(zip(grids, pair, strict=True))]


def _coarse(grid: tuple[float, ...], reach: float) -> tuple[float, ...]:
    step = max(round(reach / (grid[1] - grid[0])), 1) if len(grid) > 1 else 1
    return tuple(dict.fromkeys((*grid[::step], grid[-1])))


def neighbours(grid: tuple[float, ...], x: float) -> tuple[float, ...]:
    """Return the value of a grid nearest to `x`, and those beside it."""
    near = nearest(grid, x)
    return tuple(grid[max(near - 1, 0) : near + 2])


def nearest(grid: tuple[float, ...], x: float) -> int:
    """Return the place of the value of a grid nearest to `x`."""
    return int(np.abs(np.asarray(grid) - x).argmin())
