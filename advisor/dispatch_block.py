"""Sites that must be planned in one piece: their linear programme, its targets, its solution read back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from advisor.dispatch_decompose import FROM_COLUMNS, Problem, solve_in_pieces
from advisor.dispatch_lp import TIE_BREAK, SitePart, Sum, signature
from advisor.dispatch_lp_work import WorkPart
from advisor.dispatch_options import Option
from advisor.dispatch_site import SHARES, DispatchSite, IntArray, Objective, Setting, Target
from advisor.lp import Bounds, Lp, Solved
from advisor.work import arriving_kw
from features.frame import FloatArray


@dataclass(frozen=True)
class Raw:
    """A solved block: columns by site, work by class and site, sizes; objective and a bound for it."""

    columns: tuple[dict[str, FloatArray], ...]
    value: float
    bound: float
    iterations: int
    work: dict[str, dict[str, FloatArray]] = field(default_factory=dict)
    sizes: dict[str, float] = field(default_factory=dict)
    pieces: int = 1
    rounds: int = 0


@dataclass(frozen=True)
class Broken:
    """By how much limits give in each step [kW]: ``connection``, ``capacity`` by site, ``deadline`` by class.

    Only what gives at all is named.
    """

    connection: dict[str, FloatArray]
    capacity: dict[str, FloatArray]
    deadline: dict[str, FloatArray]


def _beyond(found: dict[str, FloatArray], tiny: float) -> dict[str, FloatArray]:
    return {name: np.where(kw > tiny, kw, 0.0) for name, kw in found.items() if (kw > tiny).any()}


class Block:
    """Sites that must be solved in one piece.

    Parameters
    ----------
    sites : sequence of DispatchSite
    setting : Setting
        Of its classes, options and targets those of these sites count.
    """

    def __init__(self, sites: Sequence[DispatchSite], setting: Setting) -> None:
        self.setting, names = setting, [s.site_id for s in sites]
        self._sites, self._signatures = tuple(sites), [signature(s) for s in sites]
        self.classes = tuple(c for c in setting.classes if c.home in names)
        self.options = tuple(o for o in setting.options if o.site_id is None or o.site_id in names)
        self.targets = tuple(t for t in setting.targets if t.site_ids is None or t.site_ids[0] in names)
        self._members = [[names.index(i) for i in e.site_ids if i in names] for e in setting.exchanges]
        self._lp = lp = Lp()
        self._parts = [self._site_part(k, site) for k, site in enumerate(sites)]
        by_name = {p.site.site_id: p for p in self._parts}
        self._work = [WorkPart(lp, c, by_name) for c in self.classes]
        self._size = {o.name: lp.columns(1) for o in self.options}
        self._storing: dict[str, dict[str, int]] = {}
        for option in self.options:
            self._option_rows(option, by_name)
        self._level: list[tuple[int, int]] = []
        for h, members in enumerate(self._members):
            self._exchange_rows(h, members)
        self._target_row = [self._row_of(self._target_sum(t)) for t in self.targets]
        self._limited_row = None
        if setting.limited is not None:
            self._limited_row = self._row_of(self._costs(setting.limited))

    # -- structure -------------------------------------------------------------------------------
    def _site_part(self, k: int, site: DispatchSite) -> SitePart:
        hosted = [c for c in self.classes if site.site_id in c.site_ids]
        here, most = arriving_kw(hosted, site.site_id, len(site.load_kw)), np.zeros(len(site.load_kw))
        for work in hosted:
            most = most + work.power_kw(work.live_kw())
        growing = any(o.kind == "supply" and o.site_id == site.site_id for o in self.options)
        hubs = [h for h, members in enumerate(self._members) if k in members]
        return SitePart(self._lp, site, self.setting, hubs, here, most, hosting=bool(hosted), growing=growing)

    def _exchange_rows(self, h: int, members: list[int]) -> None:
        if not members:
            return
        parts, lp = [self._parts[k] for k in members], self._lp
        days, t = np.arange(parts[0].days), np.arange(parts[0].n)
        row = lp.rows(len(days))
        for part in parts:
            lp.add(row + days, part.sent[h] + days, 1.0)
            if h in part.from_others:
                lp.add(row + part.day, part.from_others[h] + t, -1.0)
        self._level.append((row, len(days)))

    def _option_rows(self, option: Option, parts: dict[str, SitePart]) -> None:
        if option.kind == "certificate" or option.site_id is None:
            return
        part, column = parts[option.site_id], self._size[option.name]
        t = np.arange(part.n)
        if option.kind == "supply":
            part.produces(column, option.series)
        elif option.kind == "retrofit":
            part.draws(t, np.full(part.n, column), -option.series)
        elif option.kind == "battery":
            self._battery_rows(option, part, column)

    def _battery_rows(self, option: Option, part: SitePart, column: int) -> None:
        """Let more of the battery raise its level, its power and what it holds at the start."""
        lp, t = self._lp, np.arange(part.n)
        rows = self._storing[option.name] = {n: lp.rows(part.n) for n in ("soc", "charge", "discharge")}
        for name, row in rows.items():
            lp.add(row + t, part.first[name] + t, 1.0)
            lp.add(row + t, column, -(1.0 if name == "soc" else option.power_per_energy))
        lp.add(part.row["level"], column, -self.setting.battery_start)
        rows["end"] = row = lp.rows(1)
        lp.add(row, part.first["soc"] + part.n - 1, 1.0)
        lp.add(row, column, -self.setting.battery_start)

    def _row_of(self, coefficients: FloatArray) -> int:
        row, used = self._lp.rows(1), np.flatnonzero(coefficients)
        self._lp.add(row, used, coefficients[used])
        return row

    def _target_sum(self, target: Target) -> FloatArray:
        """Return the coefficients of a target."""
        names = _names(target)
        parts = [factor * self._costs(name, names) for name, factor in _terms(target)]
        return np.asarray(np.sum(parts, axis=0))

    def fits(self, sites: Sequence[DispatchSite]) -> bool:
        """Whether the sites differ from those of this block in bounds and costs only.

        Weights of a bounded second objective and of targets are part of the matrix: then nothing may differ.
        """
        if self.setting.limited is not None or self.targets or self.options:
            return all(new is old for new, old in zip(sites, self._sites, strict=True))
        return [signature(s) for s in sites] == self._signatures

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self._lp.shape

    # -- numbers ---------------------------------------------------------------------------------
    def _costs(self, objective: Sum, names: frozenset[str] | None = None) -> FloatArray:
        vector = np.zeros(self._lp.shape[1])
        for part in self._parts:
            if names is None or part.site.site_id in names:
                part.costs(vector, objective)
        for work in self._work:
            work.costs(vector, objective, names)
        for option in self.options:
            if names is None or option.site_id in names:
                vector[self._size[option.name]] += self._option_cost(option, objective)
        return vector

    def _option_cost(self, option: Option, objective: Sum) -> float:
        if objective == "cost":
            return option.cost_per_unit
        if objective == "certified_kwh" and option.kind == "certificate":
            return 1.0
        if objective == "load_kwh" and option.kind == "retrofit":
            return -self.setting.hours * float(option.series.sum())
        return 0.0

    def _constant(self, objective: Sum, names: frozenset[str] | None = None) -> float:
        parts = sum(p.constant(objective) for p in self._parts if names is None or p.site.site_id in names)
        return parts + sum(w.constant(objective, names) for w in self._work)

    def _tie_break(self) -> FloatArray:
        vector = np.zeros(self._lp.shape[1])
        for part in self._parts:
            part.tie_break(vector)
        for work in self._work:
            work.tie_break(vector)
        vector[list(self._size.values())] = 1.0
        return TIE_BREAK * vector

    def _scale(self, costs: FloatArray) -> float:
        """Return the largest cost of a step: beside the price of a retrofit no kWh would count."""
        of_steps = costs.copy()
        of_steps[list(self._size.values())] = 0.0
        for part in self._parts:
            if part.site.peak is not None:
                of_steps[part.first["peak"] :][: len(part.site.peak.price_per_kw)] = 0.0
        return float(np.abs(of_steps).max(initial=0.0))

    def _bounds(self, sites: Sequence[DispatchSite], objective: Objective, at_most: float | None) -> Bounds:
        at = Bounds.of(self._lp)
        money = "cost" in (objective, self.setting.limited, *(t.measure for t in self.targets))
        for part, site in zip(self._parts, sites, strict=True):
            part.site = site
        of_day = [self._flexible_of_day(k) for k in range(len(sites))]
        for k, part in enumerate(self._parts):
            part.bounds(at, of_day[k], self._extra_kw(part), money=money)
        for work in self._work:
            work.bounds(at)
        for row, count in self._level:
            at.rows(row, 0.0, 0.0, count)
        for option in self.options:
            at.columns(self._size[option.name], 0.0, option.most, 1)
            if option.name in self._storing:
                self._storing_bounds(at, option)
        for target, row in zip(self.targets, self._target_row, strict=True):
            at.row_upper[row] = self._target_bound(target)
        if self._limited_row is not None and at_most is not None and self.setting.limited is not None:
            at.row_upper[self._limited_row] = at_most - self._constant(self.setting.limited)
        return at

    def _target_bound(self, target: Target) -> float:
        constants = [factor * self._constant(name, _names(target)) for name, factor in _terms(target)]
        return (0.0 if target.measure in SHARES else target.bound) - sum(constants)

    def _extra_kw(self, part: SitePart) -> FloatArray:
        more = [
            o.most * o.power_per_energy
            for o in self.options
            if o.kind == "battery" and o.site_id == part.site.site_id
        ]
        return np.full(part.n, sum(more))

    def _storing_bounds(self, at: Bounds, option: Option) -> None:
        part = next(p for p in self._parts if p.site.site_id == option.site_id)
        rows, n = self._storing[option.name], part.n
        at.upper[part.first["soc"] :][:n] += option.most
        at.rows(rows["soc"], -np.inf, part.battery.energy_kwh, n)
        for name in ("charge", "discharge"):
            at.rows(rows[name], -np.inf, part.battery.power_kw, n)
        if self.setting.battery_end == "as-started":
            at.rows(rows["end"], self.setting.start_kwh(part.site), np.inf, 1)

    def _flexible_of_day(self, k: int) -> FloatArray:
        """Return the work of each day that may reach the site [kW summed over steps]."""
        partners = {k, *(j for members in self._members if k in members for j in members)}
        total = np.zeros(self._parts[k].days)
        for j in partners:
            part = self._parts[j]
            total += np.bincount(part.day, part.flexible_kw, minlength=len(total))[: len(total)]
        return total

    @property
    def _whole(self) -> IntArray:
        sizes = [self._size[o.name] for o in self.options if o.whole]
        return np.concatenate([np.array(sizes, dtype=np.int64), *(w.whole for w in self._work)])

    @property
    def _overall(self) -> IntArray:
        """Rows over many sites at once: targets and the bounded objective."""
        limited = [] if self._limited_row is None else [self._limited_row]
        return np.array([*self._target_row, *limited], dtype=np.int64)

    # -- solving ---------------------------------------------------------------------------------
    def solve(
        self, sites: Sequence[DispatchSite], objective: Objective, at_most: float | None = None
    ) -> Raw | None:
        """Solve, warm where this block was solved before; None: infeasible.

        Raises
        ------
        features.errors.PlanError
            ``E-DISPATCH-SOLVER``: HiGHS ended in another way than optimal or infeasible;
            ``E-DISPATCH-PRICE``, ``E-DISPATCH-CARBON``, ``E-DISPATCH-WATER``: the objective is not known.
        """
        bounds, costs = self._bounds(sites, objective, at_most), self._costs(objective)
        tie_break, scale = self._tie_break(), self._scale(costs)
        place, whole, found = ", ".join(s.site_id for s in sites), self._whole, None
        if len(self._overall) and self._lp.shape[1] >= FROM_COLUMNS and not len(whole):
            problem = Problem(self._lp.matrix, costs, tie_break, bounds, self._overall, place, scale or 1.0)
            found = solve_in_pieces(problem)
        if found is None:
            found = self._lp.solve(costs, bounds, tie_break, whole, place, scale=scale)
        return None if found is None else self._read(found, self._constant(objective))

    def least(self, sites: Sequence[DispatchSite], k: int, at_most: float | None) -> Raw | None:
        """Minimise the sum behind the k-th target, which is not asked to hold; the other limits are.

        Returns
        -------
        Raw or None
            ``value`` is the sum: less than 0 beyond a share; None: the other limits cannot be kept.
        """
        target = self.targets[k]
        bounds, place = self._bounds(sites, "grid_kwh", at_most), ", ".join(s.site_id for s in sites)
        offset = self._target_bound(replace(target, bound=0.0)) if target.measure not in SHARES else 0.0
        bounds.row_upper[self._target_row[k]] = np.inf
        found = self._lp.solve(self._target_sum(target), bounds, self._tie_break(), self._whole, place)
        return None if found is None else self._read(found, -offset)

    def relaxed(self, sites: Sequence[DispatchSite], at_most: float | None) -> Broken:
        """Return what breaks when connections, capacities and deadlines give as little as possible."""
        bounds = self._bounds(sites, "grid_kwh", at_most)
        rows, columns = self._lp.shape
        row, lower, upper = np.full(rows, -1.0), np.full(columns, -1.0), np.full(columns, -1.0)
        limited = [p for p in self._parts if p.site.grid_max_kw is not None]
        for part in limited:
            upper[part.first["grid"] :][: part.n] = 1.0
        for part in (p for p in self._parts if "capacity" in p.row):
            row[part.row["capacity"] :][: part.n] = 1.0
        for work in self._work:
            lower[work.begun :][: work.steps] = 1.0
        x = self._lp.relaxed(bounds, row, lower, upper)
        if x is None:
            return Broken({}, {}, {})
        over = self._lp.matrix @ x - bounds.row_upper
        tiny = 1e-6 * max(float(s.load_kw.max()) for s in sites)
        return Broken(
            _beyond({p.site.site_id: (x - bounds.upper)[p.first["grid"] :][: p.n] for p in limited}, tiny),
            _beyond(
                {
                    p.site.site_id: over[p.row["capacity"] :][: p.n]
                    for p in self._parts
                    if "capacity" in p.row
                },
                tiny,
            ),
            _beyond({w.work.name: (bounds.lower - x)[w.begun :][: w.steps] for w in self._work}, tiny),
        )

    def _read(self, found: Solved, constant: float) -> Raw:
        work = {w.work.name: w.read(found.x) for w in self._work}
        sizes = {name: float(found.x[column]) for name, column in self._size.items()}
        columns = tuple(p.read(found.x) for p in self._parts)
        value, bound = found.value + constant, found.bound + constant
        return Raw(columns, value, bound, found.iterations, work, sizes, found.pieces, found.rounds)


def _names(target: Target) -> frozenset[str] | None:
    return None if target.site_ids is None else frozenset(target.site_ids)


def _terms(target: Target) -> list[tuple[Sum, float]]:
    """Return a target as sums with factors; together at most its bound, 0 for shares."""
    rest = target.bound - 1.0
    if target.measure == "cfe":
        return [("non_green_kwh", 1.0), ("load_kwh", rest)]
    if target.measure == "coverage":
        return [("grid_kwh", 1.0), ("load_kwh", rest)]
    if target.measure == "green_share":
        return [("grid_kwh", 1.0), ("certified_kwh", -1.0), ("load_kwh", rest)]
    return [(target.measure, 1.0)]
