r"""A large dispatch solved in pieces, with a proven gap.

Two kinds of rows tie sites together, and each is met in its own way.

Rows over everything (targets, a bounded objective) are few and full: one multiplier each is enough to take
them out. Dantzig and Wolfe (1960): at multipliers pi, groups of sites that share no work are solved alone for
``costs - pi A``; every answer is a column of a master, which mixes the answers of each group so that the rows
hold and proposes the next multipliers. All is continuous, so a mix of plans is a plan. Multipliers are
smoothed towards the best ones so far (Wentges 1997), and every round bounds the optimum from below.

Rows of shared work (classes done at several sites, exchanges) are many and thin: a master over thousands of
them is slower than the programme itself (``tests/benchmarks/results/thousand_sites.md``). They are priced
once: the sites are solved alone, work of classes is priced at the place that would take it first, and the
dual simplex method joins the sites of a group from the bases that they ended in, which are optimal but for
the rows joined.

The bound is `advisor.lp.dual_bound` for the rows of all pieces and the multipliers together: valid whatever
the solver did.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import highspy
import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from advisor.dispatch_site import BoolArray, IntArray
from advisor.lp import Bounds, Lp, Solved, Vertex, dual_bound
from features.frame import FloatArray

FROM_COLUMNS = 50_000
"""Programmes of so many columns are solved in pieces: smaller ones take a few seconds whole."""
GAP = 2e-4
"""Rounds stop when plan and bound are this close, as a share of the value [1]."""
ROUNDS = 40
SMOOTHING = 0.3
"""Weight of the best multipliers so far in the next ones [1]."""
BUNCH = 5_000
"""Columns of small pieces that are solved in one call."""
BREACH = (10.0, 1e3, 1e5)
"""What breaking a row over everything costs in the master, in largest costs per largest coefficient."""
TINY = 1e-9
LOWER, UPPER, BASIC = (getattr(highspy.HighsBasisStatus, name) for name in ("kLower", "kUpper", "kBasic"))

Status = npt.NDArray[np.object_]
"""Where columns or rows stand at the start of the simplex method."""


@dataclass(frozen=True)
class Problem:
    """A linear programme and which of its rows tie pieces together.

    ``costs`` (columns,) are what is reported, ``tie_break`` (columns,) is relative to the largest of them;
    ``shared`` rows of shared work, all equal to zero; ``overall`` rows over everything; ``place`` is named
    in errors.
    """

    matrix: sparse.csc_matrix
    costs: FloatArray
    tie_break: FloatArray
    at: Bounds
    shared: IntArray
    overall: IntArray
    place: str

    @property
    def scale(self) -> float:
        """The largest cost [unit of the objective]."""
        return float(np.abs(self.costs).max(initial=0.0)) or 1.0

    @property
    def scaled(self) -> FloatArray:
        """Costs relative to the largest, with tie-break."""
        return self.costs / self.scale + self.tie_break

    def without(self, *rows: IntArray) -> BoolArray:
        """Return which rows are left."""
        left = np.ones(self.matrix.shape[0], dtype=np.bool_)
        left[np.concatenate(rows)] = False
        return left


@dataclass
class Piece:
    """Columns and rows that are solved in one call, and how it ended last."""

    columns: IntArray
    rows: IntArray
    lp: Lp
    last: Vertex | None = None

    def solve(
        self, problem: Problem, costs: FloatArray, start: tuple[Status, Status] | None = None
    ) -> Piece | None:
        """Solve for these costs of all columns; None: infeasible."""
        at, columns, rows = problem.at, self.columns, self.rows
        mine = Bounds(at.lower[columns], at.upper[columns], at.row_lower[rows], at.row_upper[rows])
        begin = None if start is None else (start[0][columns], start[1][rows])
        self.last = self.lp.optimum(costs[columns], mine, problem.place, begin)
        return None if self.last is None else self


def pieces(matrix: sparse.csc_matrix, kept: BoolArray) -> tuple[list[Piece], IntArray]:
    """Divide a programme into what the kept rows do not tie together.

    Parameters
    ----------
    matrix : scipy.sparse.csc_matrix, shape (rows, columns)
    kept : numpy.ndarray of bool, shape (rows,)

    Returns
    -------
    list of Piece
        Small groups are bunched.
    numpy.ndarray of int, shape (columns,)
        Running number of each column's group.
    """
    rows = np.flatnonzero(kept)
    inside = matrix.tocsr()[rows]
    ties = sparse.block_array([[None, inside], [inside.T, None]])
    label = connected_components(ties, directed=False)[1]
    of_row, group = label[: len(rows)], np.unique(label[len(rows) :], return_inverse=True)[1]
    sizes = np.bincount(label[len(rows) :], minlength=int(label.max()) + 1)
    bunch = (np.cumsum(sizes) - sizes) // BUNCH
    by_row, by_column = bunch[of_row], bunch[label[len(rows) :]]
    found = []
    for k in np.unique(by_column):
        columns, mine = np.flatnonzero(by_column == k), np.flatnonzero(by_row == k)
        found.append(Piece(columns, rows[mine], Lp.of(inside[mine][:, columns].tocsc())))
    return found, group.astype(np.int64)


def solve_in_pieces(problem: Problem) -> Solved | None:
    """Minimise in pieces.

    Returns
    -------
    Solved or None
        None: infeasible, or no plan that keeps every row over everything was found.

    Raises
    ------
    features.errors.PlanError
        ``E-DISPATCH-SOLVER``.
    """
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        start = _start(problem, pool)
        if start is None:
            return None
        prices, status, iterations = start
        groups, group = pieces(problem.matrix, problem.without(problem.overall))
        # the rows are equal to zero, so their prices shift costs without changing a plan's value
        costs = problem.scaled - problem.matrix[problem.shared].T @ prices
        if not _solved(pool, groups, problem, costs, status):
            return None
        x, duals = _assembled(groups, problem)
        duals[problem.shared] += prices
        return _Rounds(problem, groups, group, pool, iterations).run(x, duals)


def _solved(
    pool: ThreadPoolExecutor, parts: Sequence[Piece], problem: Problem, costs: FloatArray,
    start: tuple[Status, Status] | None = None,
) -> bool:  # fmt: skip
    return None not in list(pool.map(lambda p: p.solve(problem, costs, start), parts))


def _assembled(parts: Sequence[Piece], problem: Problem) -> tuple[FloatArray, FloatArray]:
    """Return all columns and the dual values of all rows; of rows in no piece: zero."""
    rows, columns = problem.matrix.shape
    x, duals = np.zeros(columns), np.zeros(rows)
    for part in parts:
        if part.last is not None:
            x[part.columns], duals[part.rows] = part.last.x, part.last.duals
    return x, duals


def _start(
    problem: Problem, pool: ThreadPoolExecutor
) -> tuple[FloatArray, tuple[Status, Status], int] | None:
    """Solve the sites alone; return prices of shared rows, a basis of everything, iterations.

    A shared row that only draws on its sites is priced as high as no site takes anything up: the bases stay
    optimal at these prices, so the dual simplex method may begin from them.
    """
    alone = problem.without(problem.shared, problem.overall)
    parts, _ = pieces(problem.matrix, alone)
    if not _solved(pool, parts, problem, problem.scaled):
        return None
    rows, columns = problem.matrix.shape
    reduced = problem.scaled - problem.matrix.T @ _assembled(parts, problem)[1]
    held = np.diff(problem.matrix.tocsr()[np.flatnonzero(alone)].tocsc().indptr) > 0
    prices = _entry_prices(problem.matrix[problem.shared].tocoo(), reduced, held)
    shifted = problem.scaled - problem.matrix[problem.shared].T @ prices
    of_columns, of_rows = np.full(columns, LOWER, dtype=np.object_), np.full(rows, BASIC, dtype=np.object_)
    iterations = 0
    for last, part in ((p.last, p) for p in parts if p.last is not None):
        of_columns[part.columns], of_rows[part.rows] = last.column_status, last.row_status
        iterations += last.iterations
    of_columns[~held] = np.where(shifted[~held] < 0, UPPER, LOWER)
    return prices, (of_columns, of_rows), iterations


def _entry_prices(ties: sparse.coo_matrix, reduced: FloatArray, held: BoolArray) -> FloatArray:
    """Return the prices at which the first column of each shared row would be taken up.

    Rows in which a site could also give, or whose columns stand in several of them, are priced at zero.
    """
    count = ties.shape[0]
    mine = held[ties.col]
    row, column, value = ties.row[mine], ties.col[mine], ties.data[mine]
    several = np.bincount(ties.col, minlength=len(held)) > 1
    barred = np.bincount(row, (value > 0) | several[column], minlength=count) > 0
    highest = np.full(count, -np.inf)
    np.maximum.at(highest, row, reduced[column] / value)
    return np.where(np.isfinite(highest) & ~barred, highest, 0.0)


class _Rounds:
    """Dantzig and Wolfe's rounds: multipliers of the rows over everything, and the mix of answers.

    Parameters
    ----------
    problem : Problem
    groups : list of Piece
    group : numpy.ndarray of int, shape (columns,)
    pool : ThreadPoolExecutor
    iterations : int
        Of the simplex method so far.
    """

    def __init__(
        self,
        problem: Problem,
        groups: list[Piece],
        group: IntArray,
        pool: ThreadPoolExecutor,
        iterations: int,
    ) -> None:
        self.problem, self.groups, self.group, self.pool = problem, groups, group, pool
        self.count = int(group.max()) + 1
        rows = problem.matrix[problem.overall].tocsr()
        self.size = np.maximum(abs(rows).max(axis=1).toarray().ravel(), TINY) if rows.shape[0] else np.ones(0)
        self.rows = sparse.diags_array(1.0 / self.size) @ rows if rows.shape[0] else rows
        self.iterations = iterations
        self.answers: list[FloatArray] = []
        self.told: list[FloatArray] = []
        self.new: list[BoolArray] = []
        self.best, self.bound = -np.inf, -np.inf
        self.multipliers = np.zeros(rows.shape[0])

    def run(self, x: FloatArray, duals: FloatArray) -> Solved | None:
        """Return the plan from the groups' first answer on, which was given at multipliers of zero."""
        self._take(x, duals, self.multipliers)
        if not len(self.multipliers):
            return self._plan(x)
        for breach in BREACH:
            mix, broken = self._converged(breach)
            if broken <= TINY:
                return self._plan(mix)
        return None

    def _converged(self, breach: float) -> tuple[FloatArray, float]:
        """Return the best mix at this price of breaking rows, and how far it breaks them."""
        for _ in range(ROUNDS):
            weights, proposed, value, broken = self._master(breach)
            if value - self.best <= GAP * abs(value) + TINY:
                break
            at = SMOOTHING * self.multipliers + (1.0 - SMOOTHING) * proposed
            if not _solved(self.pool, self.groups, self.problem, self.problem.scaled - self.rows.T @ at):
                break
            self._take(*_assembled(self.groups, self.problem), at)
        mix = sum(w[self.group] * x for w, x in zip(weights, self.answers, strict=False))
        return np.asarray(mix), broken

    def _take(self, x: FloatArray, duals: FloatArray, at: FloatArray) -> None:
        """Keep the groups' answers to multipliers and the bound that follows."""
        problem = self.problem
        self.iterations += sum(p.last.iterations for p in self.groups if p.last is not None)
        duals[problem.overall] = at / self.size
        bound = dual_bound(problem.matrix, problem.scaled, duals, problem.at)
        if bound > self.best:
            self.best, self.multipliers = bound, at
        told = dual_bound(problem.matrix, problem.costs, problem.scale * duals, problem.at)
        self.bound = max(self.bound, told)
        drawn = (self.rows @ sparse.csc_array(self._by_group(x))).toarray()
        cost = np.bincount(self.group, problem.scaled * x, minlength=self.count)
        tells = np.vstack([cost, drawn])
        same = [np.abs(tells - t).max(axis=0) <= TINY * (1.0 + np.abs(cost)) for t in self.told]
        self.new.append(~np.any(same, axis=0) if same else np.ones(self.count, dtype=np.bool_))
        self.answers.append(x)
        self.told.append(tells)

    def _by_group(self, x: FloatArray) -> sparse.csc_array:
        return sparse.csc_array((x, (np.arange(len(x)), self.group)), shape=(len(x), self.count))

    def _master(self, breach: float) -> tuple[FloatArray, FloatArray, float, float]:
        """Mix the answers; return weights (rounds, groups), multipliers, value and how far rows break."""
        at, rows = self.problem.at, len(self.multipliers)
        kept = np.array(self.new)
        of_round, of_group = np.nonzero(kept)
        tells = np.stack(self.told)[of_round, :, of_group].T
        one = sparse.csc_array(
            (np.ones(len(of_group)), (of_group, np.arange(len(of_group)))), shape=(self.count, len(of_group))
        )
        breaking = sparse.vstack([
            sparse.hstack([sparse.eye_array(rows), -sparse.eye_array(rows)]),
            sparse.csr_array((self.count, 2 * rows)),
        ])  # fmt: skip
        matrix = sparse.hstack([breaking, sparse.vstack([sparse.csc_array(tells[1:]), one])]).tocsc()
        ones = np.ones(self.count)
        bounds = Bounds(
            np.zeros(matrix.shape[1]), np.full(matrix.shape[1], np.inf),
            np.concatenate([at.row_lower[self.problem.overall] / self.size, ones]),
            np.concatenate([at.row_upper[self.problem.overall] / self.size, ones]),
        )  # fmt: skip
        costs = np.concatenate([np.full(2 * rows, breach), tells[0]])
        found = Lp.of(sparse.csc_matrix(matrix)).optimum(costs, bounds, self.problem.place)
        if found is None:
            raise ValueError("a master that may break its rows is always feasible")
        weights = np.zeros(kept.shape)
        weights[of_round, of_group] = found.x[2 * rows :]
        weights /= weights.sum(axis=0)
        return weights, found.duals[:rows], float(costs @ found.x), float(found.x[: 2 * rows].sum())

    def _plan(self, x: FloatArray) -> Solved:
        at, costs = self.problem.at, self.problem.costs
        x = np.clip(x, at.lower, at.upper)
        rounds = len(self.answers)
        return Solved(x, float(costs @ x), self.bound, self.iterations, self.count, rounds)
