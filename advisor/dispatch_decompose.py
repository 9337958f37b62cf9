"""A large dispatch under limits of the whole portfolio, solved in pieces with a proven gap.

Rows over everything (targets, a bounded objective) are few and full, and a simplex method that carries them
is slow. Dantzig and Wolfe (1960) take them out: at multipliers pi, groups of sites that share no work are
solved alone for ``costs - pi A``, warm from the round before; every answer is a column of a master, which
mixes the answers of each group so that the rows hold, and proposes the next multipliers. All is continuous,
so a mix of plans is a plan. Multipliers are smoothed towards the best ones so far (Wentges 1997).

Every round bounds the optimum from below: `advisor.lp.dual_bound` for the rows of all groups and the
multipliers together, valid whatever the solver did. Rows of shared work stay inside their group: they are
many and thin, which the simplex method takes well.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from advisor.dispatch_site import BoolArray, IntArray
from advisor.lp import Bounds, Lp, Solved, Vertex, dual_bound
from features.frame import FloatArray

FROM_COLUMNS = 100_000
"""Programmes of so many columns, with rows over everything, are solved in pieces; smaller ones are as fast
whole (``tests/benchmarks/results/thousand_sites.md``)."""
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


@dataclass(frozen=True)
class Problem:
    """A linear programme and which of its rows tie groups together.

    ``costs`` (columns,) are what is reported, ``tie_break`` (columns,) is relative to ``scale`` [unit of the
    objective]; ``overall`` rows over everything; ``place`` is named in errors.
    """

    matrix: sparse.csc_matrix
    costs: FloatArray
    tie_break: FloatArray
    at: Bounds
    overall: IntArray
    place: str
    scale: float = 1.0

    @property
    def scaled(self) -> FloatArray:
        """Costs relative to the scale, with tie-break."""
        return self.costs / self.scale + self.tie_break

    @property
    def inside(self) -> BoolArray:
        """Rows inside groups, shape (rows,)."""
        inside = np.ones(self.matrix.shape[0], dtype=np.bool_)
        inside[self.overall] = False
        return inside


@dataclass
class Piece:
    """Columns and rows that are solved in one call, and how it ended last."""

    columns: IntArray
    rows: IntArray
    lp: Lp
    last: Vertex | None = None

    def solve(self, problem: Problem, costs: FloatArray) -> Piece | None:
        """Solve for these costs of all columns; None: infeasible."""
        at, columns, rows = problem.at, self.columns, self.rows
        mine = Bounds(at.lower[columns], at.upper[columns], at.row_lower[rows], at.row_upper[rows])
        self.last = self.lp.optimum(costs[columns], mine, problem.place)
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
        groups, group = pieces(problem.matrix, problem.inside)
        if not _solved(pool, groups, problem, problem.scaled):
            return None
        return _Rounds(problem, groups, group, pool).run(*_assembled(groups, problem))


def _solved(pool: ThreadPoolExecutor, parts: Sequence[Piece], problem: Problem, costs: FloatArray) -> bool:
    return None not in list(pool.map(lambda p: p.solve(problem, costs), parts))


def _assembled(parts: Sequence[Piece], problem: Problem) -> tuple[FloatArray, FloatArray]:
    """Return all columns and the dual values of all rows; of rows in no piece: zero."""
    rows, columns = problem.matrix.shape
    x, duals = np.zeros(columns), np.zeros(rows)
    for part in parts:
        if part.last is not None:
            x[part.columns], duals[part.rows] = part.last.x, part.last.duals
    return x, duals


class _Rounds:
    """Dantzig and Wolfe's rounds: multipliers of the rows over everything, and the mix of answers.

    Parameters
    ----------
    problem : Problem
    groups : list of Piece
    group : numpy.ndarray of int, shape (columns,)
    pool : ThreadPoolExecutor
    """

    def __init__(
        self,
        problem: Problem,
        groups: list[Piece],
        group: IntArray,
        pool: ThreadPoolExecutor,
    ) -> None:
        self.problem, self.groups, self.group, self.pool = problem, groups, group, pool
        self.count = int(group.max()) + 1
        rows = problem.matrix[problem.overall].tocsr()
        self.size = np.maximum(abs(rows).max(axis=1).toarray().ravel(), TINY)
        self.rows = sparse.diags_array(1.0 / self.size) @ rows
        self.iterations = 0
        self.answers: list[FloatArray] = []
        self.told: list[FloatArray] = []
        self.new: list[BoolArray] = []
        self.best, self.bound = -np.inf, -np.inf
        self.multipliers = np.zeros(rows.shape[0])

    def run(self, x: FloatArray, duals: FloatArray) -> Solved | None:
        """Return the plan from the groups' first answer on, which was given at multipliers of zero."""
        self._take(x, duals, self.multipliers)
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
