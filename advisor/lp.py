"""A linear (or mixed-integer) programme: built from arrays, kept in HiGHS for the next solve.

Nothing here knows what the columns mean. The tie-break of `solve` prefers some of many equal optima; the
bound that a gap counts from is recomputed from the rows' dual values, for the objective without tie-break.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import highspy
import numpy as np
import numpy.typing as npt
from scipy import sparse

from features.errors import PlanError
from features.frame import FloatArray
from features.message import say

IntArray = npt.NDArray[np.int64]

VERSION = version("highspy")
OPTIMAL, INFEASIBLE = highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kInfeasible
UNDECIDED = highspy.HighsModelStatus.kUnboundedOrInfeasible
GAP = 1e-4
"""Relative gap at which a search over whole numbers may stop [1]."""


@dataclass(frozen=True)
class Bounds:
    """Bounds of columns and rows; rows are free until somebody sets them."""

    lower: FloatArray
    upper: FloatArray
    row_lower: FloatArray
    row_upper: FloatArray

    @classmethod
    def of(cls, lp: Lp) -> Bounds:
        """Return columns at zero and free rows."""
        rows, columns = lp.shape
        return cls(np.zeros(columns), np.zeros(columns), np.full(rows, -np.inf), np.full(rows, np.inf))

    def columns(self, first: int, lower: FloatArray | float, upper: FloatArray | float, count: int) -> None:
        """Set the bounds of some columns."""
        self.lower[first : first + count], self.upper[first : first + count] = lower, upper

    def rows(self, first: int, lower: FloatArray | float, upper: FloatArray | float, count: int) -> None:
        """Set the bounds of some rows."""
        self.row_lower[first : first + count], self.row_upper[first : first + count] = lower, upper


@dataclass(frozen=True)
class Solved:
    """Values of the columns, the objective without tie-break, a bound for it, iterations."""

    x: FloatArray
    value: float
    bound: float
    iterations: int
    pieces: int = 1
    rounds: int = 0


@dataclass(frozen=True)
class Vertex:
    """An optimum as the simplex method ends: columns, dual values of rows."""

    x: FloatArray
    duals: FloatArray
    iterations: int


@dataclass
class Lp:
    """Columns and rows, taken in blocks; entries added as arrays."""

    _columns: int = 0
    _rows: int = 0
    _entries: list[tuple[IntArray, IntArray, FloatArray]] = field(default_factory=list)
    _matrix: sparse.csc_matrix | None = None
    _highs: Any = None  # highspy has no types
    _whole: bool = False
    _warm: bool = False

    @classmethod
    def of(cls, matrix: sparse.csc_matrix) -> Lp:
        """Return a programme with this matrix."""
        return cls(matrix.shape[1], matrix.shape[0], _matrix=matrix)

    def columns(self, count: int) -> int:
        """Take new columns and return the first."""
        self._columns += count
        return self._columns - count

    def rows(self, count: int) -> int:
        """Take new rows and return the first."""
        self._rows += count
        return self._rows - count

    def add(self, rows: IntArray | int, columns: IntArray | int, values: FloatArray | float) -> None:
        """Add entries; arguments are broadcast against each other, entries at one place are summed."""
        r, c, v = np.broadcast_arrays(np.atleast_1d(rows), columns, np.asarray(values, dtype=np.float64))
        self._entries.append((r.astype(np.int64), c.astype(np.int64), v))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self._rows, self._columns

    @property
    def matrix(self) -> sparse.csc_matrix:
        """The matrix; nothing can be added once it was asked for."""
        if self._matrix is None:
            rows, columns, values = (np.concatenate(parts) for parts in zip(*self._entries, strict=True))
            self._matrix = sparse.csc_matrix((values, (rows, columns)), shape=self.shape)
            self._entries.clear()
        return self._matrix

    def solve(
        self,
        costs: FloatArray,
        bounds: Bounds,
        tie_break: FloatArray,
        whole: IntArray,
        place: str,
        *,
        scale: float | None = None,
    ) -> Solved | None:
        """Minimise, warm where it was solved before.

        Parameters
        ----------
        costs, tie_break : numpy.ndarray, shape (columns,)
            ``tie_break`` is relative to ``scale``.
        bounds : Bounds
        whole : numpy.ndarray of int
            Columns that take whole numbers only.
        place : str
            Named in errors.
        scale : float or None
            What counts as 1 for the solver; None: the largest cost.

        Returns
        -------
        Solved or None
            None: infeasible.

        Raises
        ------
        features.errors.PlanError
            ``E-DISPATCH-SOLVER``: HiGHS ended in another way than optimal or infeasible.
        """
        scale = scale or float(np.abs(costs).max(initial=0.0)) or 1.0
        bound = None
        if len(whole):
            # first without tie-break, for its bound; then the rest beside the whole numbers found
            highs = self._pass(costs / scale, bounds, whole)
            if not self._run(place):
                return None
            bound = scale * float(highs.getInfo().mip_dual_bound)
            found = np.round(np.asarray(highs.getSolution().col_value)[whole])
            bounds = Bounds(bounds.lower.copy(), bounds.upper.copy(), bounds.row_lower, bounds.row_upper)
            bounds.lower[whole] = bounds.upper[whole] = found
        highs = self._pass(costs / scale + tie_break, bounds, whole[:0])
        if not self._run(place):
            return None
        solution = highs.getSolution()
        x = np.clip(np.asarray(solution.col_value), bounds.lower, bounds.upper)
        if bound is None:
            duals = scale * np.asarray(solution.row_dual)
            # the second where the tie-break alone decides: its duals bound nothing
            bound = max(dual_bound(self.matrix, costs, y, bounds) for y in (duals, np.zeros_like(duals)))
        return Solved(x, float(costs @ x), bound, max(int(highs.getInfo().simplex_iteration_count), 0))

    def optimum(self, costs: FloatArray, bounds: Bounds, place: str) -> Vertex | None:
        """Minimise, warm where it was solved before, and tell the rows' dual values; None: infeasible.

        Parameters
        ----------
        costs : numpy.ndarray, shape (columns,)
        bounds : Bounds
        place : str
            Named in errors.

        Raises
        ------
        features.errors.PlanError
            ``E-DISPATCH-SOLVER``.
        """
        highs = self._pass(costs, bounds, np.zeros(0, dtype=np.int64))
        if not self._run(place):
            return None
        solution = highs.getSolution()
        x = np.clip(np.asarray(solution.col_value), bounds.lower, bounds.upper)
        iterations = max(int(highs.getInfo().simplex_iteration_count), 0)
        return Vertex(x, np.asarray(solution.row_dual), iterations)

    def relaxed(
        self, bounds: Bounds, rows: FloatArray, lower: FloatArray, upper: FloatArray
    ) -> FloatArray | None:
        """Return the columns that break bounds as cheaply as possible.

        Parameters
        ----------
        bounds : Bounds
        rows, lower, upper : numpy.ndarray
            What a unit beyond each bound of a row, below and above each bound of a column costs; negative:
            it must hold.

        Returns
        -------
        numpy.ndarray or None, shape (columns,)
            None: no relaxation of these bounds is enough.
        """
        highs = self._pass(np.zeros(self._columns), bounds, np.zeros(0, dtype=np.int64))
        highs.feasibilityRelaxation(-1.0, -1.0, -1.0, lower, upper, rows)
        found = highs.getSolution()
        x = np.asarray(found.col_value, dtype=np.float64) if found.value_valid else None
        self._highs = None  # the relaxation stays in the solver's model
        return x

    # -- inside ----------------------------------------------------------------------------------
    def _run(self, place: str) -> bool:
        """Run the solver; where it does not end, once more from scratch, then by the interior-point method.

        Rarely the last solution leads nowhere, so only a fresh start is believed that nothing is feasible.
        """
        status = None
        for solver in ("choose", "choose", "ipm"):
            self._highs.setOptionValue("solver", solver)
            self._highs.run()
            status = self._highs.getModelStatus()
            if status == OPTIMAL:
                return True
            # every column is bounded, so undecided is infeasible
            if status in (INFEASIBLE, UNDECIDED) and not self._warm:
                return False
            self._warm = False
            self._highs.clearSolver()
        if status in (INFEASIBLE, UNDECIDED):
            return False
        raise PlanError(
            "E-DISPATCH-SOLVER",
            say("the solver ended with {status}", status=self._highs.modelStatusToString(status)),
            place, say("report it with the portfolio's files"),
        )  # fmt: skip

    def _pass(self, costs: FloatArray, bounds: Bounds, whole: IntArray) -> Any:
        rows, columns = self.shape
        self._warm = self._highs is not None
        if self._highs is None:
            self._highs = highspy.Highs()  # type: ignore[no-untyped-call]
            for name, value in {"output_flag": False, "threads": 1, "mip_rel_gap": GAP}.items():
                self._highs.setOptionValue(name, value)
            lp = highspy.HighsLp()
            lp.num_col_, lp.num_row_ = columns, rows
            lp.col_cost_, lp.col_lower_, lp.col_upper_ = costs, bounds.lower, bounds.upper
            lp.row_lower_, lp.row_upper_ = bounds.row_lower, bounds.row_upper
            lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
            lp.a_matrix_.start_ = self.matrix.indptr.astype(np.int32)
            lp.a_matrix_.index_ = self.matrix.indices.astype(np.int32)
            lp.a_matrix_.value_ = self.matrix.data
            self._highs.passModel(lp)
        else:
            every = np.arange(max(rows, columns), dtype=np.int32)
            self._highs.changeColsCost(columns, every[:columns], costs)
            self._highs.changeColsBounds(columns, every[:columns], bounds.lower, bounds.upper)
            self._highs.changeRowsBounds(rows, every[:rows], bounds.row_lower, bounds.row_upper)
        # these programmes are sparse chains: presolve takes longer than it saves (of a site-year a quarter)
        self._highs.setOptionValue("presolve", "choose" if len(whole) else "off")
        if len(whole) or self._whole:
            kinds = np.full(columns, int(highspy.HighsVarType.kContinuous), dtype=np.uint8)
            kinds[whole] = int(highspy.HighsVarType.kInteger)
            self._highs.changeColsIntegrality(columns, np.arange(columns, dtype=np.int32), kinds)
            self._whole = bool(len(whole))
        return self._highs


def dual_bound(matrix: sparse.csc_matrix, costs: FloatArray, duals: FloatArray, at: Bounds) -> float:
    """Return a lower bound of the least ``costs @ x``: any row multipliers give one (weak duality)."""
    free = np.where(duals > 0, at.row_lower, at.row_upper)
    y = np.where(np.isfinite(free), duals, 0.0)
    reduced = costs - matrix.T @ y
    rows = np.where(y == 0, 0.0, y * np.where(np.isfinite(free), free, 0.0))
    columns = reduced * np.where(reduced > 0, at.lower, at.upper)
    return float(rows.sum() + columns.sum())
