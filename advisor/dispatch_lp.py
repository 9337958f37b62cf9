r"""The linear programme of a dispatch, assembled with arrays and kept in HiGHS for the next solve.

For every site and step t of h hours, with g bought, c taken in and d delivered by the battery, o work that
leaves, i work that arrives, x work that arrives from another site at a cost, m facility kWh per kWh of work,
u = load + m (i + x - o) + tau x - g - d + c the own production used::

    0 <= u <= own                                    balance; own production may be left unused, never burnt
    d <= load + m (i + x - o) + tau x                a battery serves the load only; and, where it may not
    c <= u                                           charge from the grid, takes own production only
    soc_t = soc_{t-1} + h (eta_c c - d / eta_d)      reserve <= soc <= energy
    sum_day (o - i) = sent to other sites            work is conserved within the local day
    i + x <= capacity - work,  o <= flexible share   per step

Where cost is minimised or bounded and a purchase is paid for, batteries do not deliver: one that charges and
delivers at once would be worth the energy that it loses.
u is eliminated: a purchase is the load that nothing else covers. Among equal optima a tie-break of
`TIE_BREAK` times the largest weight prefers little movement and little battery use; the bound that the
gap counts from is recomputed here from the dual values of the rows, for the objective without tie-break.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import highspy
import numpy as np
from scipy import sparse

from advisor.dispatch_site import DispatchSite, IntArray, Objective, Setting
from features.errors import PlanError
from features.frame import FloatArray
from features.message import say

TIE_BREAK = 1e-5
"""Weight of a moved or delivered kWh against the largest weight of a purchased one [1]."""
VERSION = str(highspy.Highs().version())  # type: ignore[no-untyped-call]
OPTIMAL, INFEASIBLE = highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kInfeasible


@dataclass(frozen=True)
class Raw:
    """A solved block: columns by site and name, the objective without tie-break and a bound for it."""

    columns: tuple[dict[str, FloatArray], ...]
    value: float
    bound: float
    iterations: int


@dataclass
class _Columns:
    """First column of each group of a site, and of each exchange that the site takes part in."""

    start: dict[str, int] = field(default_factory=dict)
    sent: dict[int, int] = field(default_factory=dict)
    from_others: dict[int, int] = field(default_factory=dict)


@dataclass
class _Triplets:
    rows: list[IntArray] = field(default_factory=list)
    columns: list[IntArray] = field(default_factory=list)
    values: list[FloatArray] = field(default_factory=list)

    def add(self, rows: IntArray, columns: IntArray, values: FloatArray | float) -> None:
        self.rows.append(rows)
        self.columns.append(columns)
        self.values.append(np.broadcast_to(np.asarray(values, dtype=np.float64), rows.shape))


@dataclass(frozen=True)
class _Bounds:
    lower: FloatArray
    upper: FloatArray
    row_lower: FloatArray
    row_upper: FloatArray


def weights(site: DispatchSite, objective: Objective, hours: float) -> FloatArray:
    """Return what a purchased kW in a step adds to the objective [kWh or currency per kW]."""
    if objective == "cost":
        if site.price_per_kwh is None:
            raise PlanError(
                "E-DISPATCH-PRICE", say("there is no price of energy"), site.site_id,
                say("declare [tariff] in site.toml or give price_per_kwh in the grid file"),
            )  # fmt: skip
        return hours * site.price_per_kwh
    if objective == "effort_kwh":
        return np.zeros_like(site.load_kw)
    return hours * (site.grid_non_green if objective == "non_green_kwh" else np.ones_like(site.load_kw))


def signature(site: DispatchSite) -> tuple[object, ...]:
    """Return what the matrix depends on; everything else changes only bounds and costs."""
    b = site.battery
    battery = None if b is None else (b.charge_efficiency, b.discharge_efficiency, b.grid_charging)
    day = None if site.day is None else site.day.tobytes()
    return (len(site.load_kw), battery, site.flexible_share > 0, site.facility_per_work.tobytes(), day)


class Block:
    """Sites that must be solved in one piece.

    Parameters
    ----------
    sites : sequence of DispatchSite
    setting : Setting
    """

    def __init__(self, sites: Sequence[DispatchSite], setting: Setting) -> None:
        self.setting = setting
        self._n = len(setting.day)
        self._days = [setting.day_of(s) for s in sites]
        self._sites, self._signatures = tuple(sites), [signature(s) for s in sites]
        names = [s.site_id for s in sites]
        self._members = [[names.index(i) for i in e.site_ids if i in names] for e in setting.exchanges]
        self._count = 0
        self._columns = [self._place(k, site) for k, site in enumerate(sites)]
        self._matrix = self._assemble(sites)
        self._highs: Any = None  # highspy has no types

    def fits(self, sites: Sequence[DispatchSite]) -> bool:
        """Whether the sites differ from those of this block in bounds and costs only.

        With a bounded second objective its weights are part of the matrix: then nothing may differ.
        """
        if self.setting.limited is not None:
            return all(new is old for new, old in zip(sites, self._sites, strict=True))
        return [signature(s) for s in sites] == self._signatures

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self._matrix.shape
        return int(rows), int(columns)

    # -- structure -------------------------------------------------------------------------------
    def _take(self, count: int) -> int:
        self._count += count
        return self._count - count

    def _place(self, k: int, site: DispatchSite) -> _Columns:
        columns, n = _Columns({"grid": self._take(self._n)}), self._n
        hubs = [h for h, members in enumerate(self._members) if k in members]
        if site.flexible_share > 0 or hubs:
            columns.start |= {"out": self._take(n), "into": self._take(n)}
        if site.battery is not None:
            columns.start |= {"charge": self._take(n), "discharge": self._take(n), "soc": self._take(n)}
        for h in hubs:
            columns.sent[h] = self._take(int(self._days[k].max()) + 1)
            if not self.setting.exchanges[h].free:
                columns.from_others[h] = self._take(n)
        return columns

    def _assemble(self, sites: Sequence[DispatchSite]) -> sparse.csc_matrix:
        at, row = _Triplets(), 0
        for k, site in enumerate(sites):
            row = self._site_rows(at, row, k, site)
        for h, members in enumerate(self._members):
            row = self._exchange_rows(at, row, h, members)
        if self.setting.limited is not None:
            costs = self._costs(sites, self.setting.limited)
            used = np.flatnonzero(costs)
            at.add(np.full(len(used), row), used, costs[used])
            row += 1
        entries = (np.concatenate(at.values), (np.concatenate(at.rows), np.concatenate(at.columns)))
        return sparse.csc_matrix(entries, shape=(row, self._count))

    def _site_rows(self, at: _Triplets, row: int, k: int, site: DispatchSite) -> int:
        t, cols, h = np.arange(self._n), self._columns[k], self.setting.hours
        start, m = cols.start, site.facility_per_work
        battery = site.battery

        def consumption(first: int, *, bought: bool = True) -> None:
            if bought:
                at.add(first + t, start["grid"] + t, 1.0)
            if "out" in start:
                at.add(first + t, start["out"] + t, m)
                at.add(first + t, start["into"] + t, -m)
            for hub, x in cols.from_others.items():
                at.add(first + t, x + t, -(m + self.setting.exchanges[hub].transfer_kwh_per_kwh))
            if battery is not None:
                at.add(first + t, start["discharge"] + t, 1.0)

        consumption(row)
        if battery is not None:
            at.add(row + t, start["charge"] + t, -1.0)
            row += self._n
            consumption(row, bought=not battery.grid_charging)
            row += self._n
            at.add(row + t, start["soc"] + t, 1.0)
            at.add(row + t[1:], start["soc"] + t[:-1], -1.0)
            at.add(row + t, start["charge"] + t, -h * battery.charge_efficiency)
            at.add(row + t, start["discharge"] + t, h / battery.discharge_efficiency)
        row += self._n
        if "out" in start:
            day = self._days[k]
            at.add(row + day, start["out"] + t, 1.0)
            at.add(row + day, start["into"] + t, -1.0)
            days = np.arange(day.max() + 1)
            for sent in cols.sent.values():
                at.add(row + days, sent + days, -1.0)
            row += len(days)
        if cols.from_others:
            for x in (start["into"], *cols.from_others.values()):
                at.add(row + t, x + t, 1.0)
            row += self._n
        return row

    def _exchange_rows(self, at: _Triplets, row: int, h: int, members: list[int]) -> int:
        if not members:
            return row
        days, t = np.arange(self._days[members[0]].max() + 1), np.arange(self._n)
        for k in members:
            at.add(row + days, self._columns[k].sent[h] + days, 1.0)
            if h in self._columns[k].from_others:
                at.add(row + self._days[k], self._columns[k].from_others[h] + t, -1.0)
        return row + len(days)

    # -- numbers ---------------------------------------------------------------------------------
    def _costs(self, sites: Sequence[DispatchSite], objective: Objective) -> FloatArray:
        costs, hours, n = np.zeros(self._count), self.setting.hours, self._n
        for cols, site in zip(self._columns, sites, strict=True):
            costs[cols.start["grid"] :][:n] = weights(site, objective, hours)
            if objective == "effort_kwh":
                for name in ("out", "discharge"):
                    if name in cols.start:
                        costs[cols.start[name] :][:n] = hours
            if objective == "cost":
                paid = np.maximum(-weights(site, "cost", hours), 0.0)
                for h, x in cols.from_others.items():
                    exchange = self.setting.exchanges[h]
                    # a purchase that is paid for must not make a transfer worth its energy
                    costs[x:][:n] = (
                        hours * exchange.transfer_price_per_kwh + paid * exchange.transfer_kwh_per_kwh
                    )
        return costs

    def _tie_break(self) -> FloatArray:
        costs, n = np.zeros(self._count), self._n
        for cols in self._columns:
            costs[cols.start["grid"] :][:n] = 0.2  # own production before a purchase that weighs nothing
            for name in ("out", "discharge"):
                if name in cols.start:
                    costs[cols.start[name] :][:n] = 1.0
            for x in cols.from_others.values():
                costs[x:][:n] = 0.5
        return TIE_BREAK * costs

    def _bounds(
        self, sites: Sequence[DispatchSite], objective: Objective, at_most: float | None = None
    ) -> _Bounds:
        rows, columns = self._matrix.shape
        low, high = np.zeros(columns), np.zeros(columns)
        lower: list[FloatArray] = []
        upper: list[FloatArray] = []
        for k, site in enumerate(sites):
            self._site_bounds(k, sites, low, high)
            if site.battery is not None and "cost" in (objective, self.setting.limited):
                # charging and delivering at once would burn energy that somebody pays to get rid of
                paid = weights(site, "cost", 1.0) < 0
                high[self._columns[k].start["discharge"] :][: self._n][paid] = 0.0
            for below, above in self._row_bounds(k, site):
                lower.append(below)
                upper.append(above)
        done = sum(len(part) for part in lower)
        row_lower = np.concatenate([*lower, np.zeros(rows - done)])
        row_upper = np.concatenate([*upper, np.zeros(rows - done)])
        if self.setting.limited is not None:
            row_lower[-1], row_upper[-1] = -np.inf, np.inf if at_most is None else at_most
        return _Bounds(low, high, row_lower, row_upper)

    def _row_bounds(self, k: int, site: DispatchSite) -> list[tuple[FloatArray, FloatArray]]:
        n, cols = self._n, self._columns[k]
        none = np.full(n, -np.inf)
        parts = [(site.load_kw - site.own_kw, site.load_kw)]
        if site.battery is not None:
            parts.append((none, site.load_kw))
            state = np.zeros(n)
            state[0] = self.setting.start_kwh(site)
            parts.append((state, state))
        if "out" in cols.start:
            zero = np.zeros(int(self._days[k].max()) + 1)
            parts.append((zero, zero))
        if cols.from_others:
            parts.append((none, _room(site)))
        return parts

    def _site_bounds(self, k: int, sites: Sequence[DispatchSite], low: FloatArray, high: FloatArray) -> None:
        site, cols, n, open_ = sites[k], self._columns[k], self._n, sites[k].open
        most = site.load_kw.copy()  # finite bounds everywhere make the dual bound finite
        if "out" in cols.start:
            room, of_day = _room(site), self._flexible_of_day(k, sites)
            arriving = np.where(open_, np.minimum(room, of_day[self._days[k]]), 0.0)
            leaving = site.flexible_share * site.work_kw * open_
            low[cols.start["out"] :][:n] = np.minimum(
                leaving, np.maximum(site.work_kw - site.it_capacity_kw, 0)
            )
            high[cols.start["out"] :][:n] = leaving
            high[cols.start["into"] :][:n] = arriving
            most += site.facility_per_work * arriving
            for h, sent in cols.sent.items():
                exchange, days = self.setting.exchanges[h], len(of_day)
                high[sent:][:days] = of_day
                low[sent:][:days] = -of_day if exchange.free else 0.0
                if h in cols.from_others:
                    high[cols.from_others[h] :][:n] = arriving
                    most += (site.facility_per_work + exchange.transfer_kwh_per_kwh) * arriving
        if site.battery is not None:
            b, start = site.battery, self.setting.start_kwh(site)
            high[cols.start["charge"] :][:n] = b.power_kw * open_
            high[cols.start["discharge"] :][:n] = (
                np.minimum(b.power_kw, most) * open_
            )  # never more than is used
            low[cols.start["soc"] :][:n] = b.reserve_kwh
            high[cols.start["soc"] :][:n] = b.energy_kwh
            if self.setting.battery_end == "as-started":
                low[cols.start["soc"] + n - 1] = start
            most += b.power_kw
        high[cols.start["grid"] :][:n] = most

    def _flexible_of_day(self, k: int, sites: Sequence[DispatchSite]) -> FloatArray:
        """Return the work of each day that may reach the site [kW summed over steps]."""
        partners = {k, *(j for members in self._members if k in members for j in members)}
        total = np.zeros(int(self._days[k].max()) + 1)
        for j in partners:
            leaving = sites[j].flexible_share * sites[j].work_kw * sites[j].open
            total += np.bincount(self._days[j], leaving, minlength=len(total))[: len(total)]
        return total

    # -- solving ---------------------------------------------------------------------------------
    def solve(
        self, sites: Sequence[DispatchSite], objective: Objective, at_most: float | None = None
    ) -> Raw | None:
        """Solve, warm where this block was solved before; None: infeasible.

        Raises
        ------
        features.errors.PlanError
            ``E-DISPATCH-SOLVER``: HiGHS ended in another way than optimal or infeasible.
        """
        bounds, costs = self._bounds(sites, objective, at_most), self._costs(sites, objective)
        scale = float(np.abs(costs).max()) or 1.0
        highs = self._pass(bounds, costs / scale + self._tie_break())
        highs.run()
        status = highs.getModelStatus()
        if status == INFEASIBLE:
            return None
        if status != OPTIMAL:
            raise PlanError(
                "E-DISPATCH-SOLVER",
                say("the solver ended with {status}", status=highs.modelStatusToString(status)),
                ", ".join(s.site_id for s in sites), say("report it with the portfolio's files"),
            )  # fmt: skip
        solution = highs.getSolution()
        x = np.clip(np.asarray(solution.col_value), bounds.lower, bounds.upper)
        bound = _dual_bound(self._matrix, costs, scale * np.asarray(solution.row_dual), bounds)
        iterations = int(highs.getInfo().simplex_iteration_count)
        return Raw(tuple(self._read(c, x) for c in self._columns), float(costs @ x), bound, iterations)

    def _pass(self, bounds: _Bounds, costs: FloatArray) -> Any:
        rows, columns = self.shape
        if self._highs is None:
            self._highs = highspy.Highs()  # type: ignore[no-untyped-call]
            self._highs.setOptionValue("output_flag", False)
            self._highs.setOptionValue("threads", 1)
            lp = highspy.HighsLp()
            lp.num_col_, lp.num_row_ = columns, rows
            lp.col_cost_, lp.col_lower_, lp.col_upper_ = costs, bounds.lower, bounds.upper
            lp.row_lower_, lp.row_upper_ = bounds.row_lower, bounds.row_upper
            lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
            lp.a_matrix_.start_ = self._matrix.indptr.astype(np.int32)
            lp.a_matrix_.index_ = self._matrix.indices.astype(np.int32)
            lp.a_matrix_.value_ = self._matrix.data
            self._highs.passModel(lp)
        else:
            every = np.arange(max(rows, columns), dtype=np.int32)
            self._highs.changeColsCost(columns, every[:columns], costs)
            self._highs.changeColsBounds(columns, every[:columns], bounds.lower, bounds.upper)
            self._highs.changeRowsBounds(rows, every[:rows], bounds.row_lower, bounds.row_upper)
        return self._highs

    def _read(self, cols: _Columns, x: FloatArray) -> dict[str, FloatArray]:
        starts = cols.start | {f"exchange{h}": first for h, first in cols.from_others.items()}
        return {name: x[first:][: self._n] for name, first in starts.items()}


def _room(site: DispatchSite) -> FloatArray:
    """Return how much more work fits into each step [kW]."""
    return np.maximum(site.it_capacity_kw - site.work_kw, 0.0)


def _dual_bound(matrix: sparse.csc_matrix, costs: FloatArray, duals: FloatArray, at: _Bounds) -> float:
    """Return a lower bound of the least ``costs @ x``: any row multipliers give one (weak duality)."""
    free = np.where(duals > 0, at.row_lower, at.row_upper)
    y = np.where(np.isfinite(free), duals, 0.0)
    reduced = costs - matrix.T @ y
    rows = np.where(y == 0, 0.0, y * np.where(np.isfinite(free), free, 0.0))
    columns = reduced * np.where(reduced > 0, at.lower, at.upper)
    return float(rows.sum() + columns.sum())
