r"""Where a day's work goes when the day is not known yet: the least expected non-green energy.

Work that moves by x into a step buys there, in scenario s, ``w_s max(load_s + m x - own_s, 0)`` of non-green
energy. The mean over scenarios is convex and piecewise linear in x, with a kink where each scenario's own
production is used up. A plan for the mean day would act on differences between hours that are noise; the
mean over scenarios weighs them by how likely they are. Kinks become columns, one per piece; with slopes that
rise, the programme fills them in the right order, so a day has one row per site and exchange::

    min  sum slope_ktj z_ktj + sum tau_h w_k received_kh
    sum_tj z_ktj + sum_h sent_kh = need_k - sum_t low_kt       work is conserved
    sum_k sent_kh = 0,  received_kh >= -sent_kh                what one site sends another does

A battery ties the hours together: there the programme holds the moves once, and purchases, charging,
discharging and level for each scenario, with the worth of what is left at the day's end.
(sample average approximation; Shapiro, Dentcheva, Ruszczynski, *Lectures on Stochastic Programming*, ch. 5.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import highspy
import numpy as np
from scipy import sparse

from advisor.assets import Battery
from advisor.rolling_battery import LEVELS, levels_of
from features.errors import PlanError
from features.frame import FloatArray
from features.message import say

TIE_BREAK = 1e-5
"""Weight of a moved kWh against that of a purchased one [1]: among equals, little moves."""
RECOURSE = 12
"""Scenarios of a site with a battery: they share the moves only, and each holds its own hours."""
END_PIECES = 4
"""Pieces in which the worth of energy left at the day's end falls with its amount."""


@dataclass(frozen=True)
class Stored:
    """A battery in the steps that are left: ``level`` [kWh] now, ``after`` as in `worth_of_storage`."""

    battery: Battery
    level: float
    hours: float
    after: FloatArray


@dataclass(frozen=True)
class Freedom:
    """What may move at one site in the steps that are left.

    Parameters
    ----------
    low, high : numpy.ndarray, shape (n,)
        Least and most work that may arrive, less what leaves [kW].
    covered : numpy.ndarray, shape (scenarios, n)
        Work that may arrive before something is bought for it [kW]; negative: something is bought already.
    weight : numpy.ndarray, shape (scenarios, n)
        What a purchased kW counts [1].
    facility_per_work : numpy.ndarray, shape (n,)
        Facility kWh per kWh of work [1].
    need : float
        Sum of the moves over the steps that brings the site's work of the day into balance [kW].
    stored : Stored or None
        The battery, if moves should reckon with it.
    load : numpy.ndarray, shape (scenarios, n), or None
        Facility load before moving [kW]; needed with a battery.
    """

    low: FloatArray
    high: FloatArray
    covered: FloatArray
    weight: FloatArray
    facility_per_work: FloatArray
    need: float = 0.0
    stored: Stored | None = None
    load: FloatArray | None = None


@dataclass(frozen=True)
class Link:
    """Sites, by position, that may do each other's work; ``rate`` kWh per kWh received [1]."""

    members: tuple[int, ...]
    rate: float


@dataclass(frozen=True)
class _Block:
    """Columns and rows of one site; ``into`` (n, columns) and ``fixed`` (n,) give the moves [kW]."""

    cost: FloatArray
    lower: FloatArray
    upper: FloatArray
    into: sparse.csr_matrix
    fixed: FloatArray
    rows: sparse.csr_matrix
    row_lower: FloatArray
    row_upper: FloatArray


class ExpectedDay:
    """The programme of one day, solved anew for every day by one solver.

    Parameters
    ----------
    links : sequence of Link
    """

    def __init__(self, links: Sequence[Link] = ()) -> None:
        self._links = tuple(links)
        self._highs = highspy.Highs()  # type: ignore[no-untyped-call]
        self._highs.setOptionValue("output_flag", False)
        self._highs.setOptionValue("threads", 1)
        self._highs.setOptionValue("presolve", "off")  # it takes longer than the programme

    def solve(self, sites: Sequence[Freedom]) -> list[FloatArray]:
        """Return work arriving less work leaving per step [kW], one array of shape (n,) per site.

        A balance that the bounds do not allow is approached as far as they do.

        Raises
        ------
        PlanError
            ``E-DISPATCH-SOLVER``.
        """
        blocks = [_pieces(s) if s.stored is None else _recourse(s, s.stored) for s in sites]
        least = np.array([s.low.sum() for s in sites])
        most = np.array([s.high.sum() for s in sites])
        need = np.array([s.need for s in sites])
        if self._links:
            need += (np.clip(need.sum(), least.sum(), most.sum()) - need.sum()) / len(sites)
        else:
            need = np.clip(need, least, most)
        columns = self._filled(sites, blocks, need)
        ends = np.cumsum([len(b.cost) for b in blocks])
        return [
            np.asarray(b.fixed + b.into @ part)
            for b, part in zip(blocks, np.split(columns, ends)[:-1], strict=True)
        ]

    def _filled(self, sites: Sequence[Freedom], blocks: Sequence[_Block], need: FloatArray) -> FloatArray:
        """Return the columns of all blocks, those of the links last."""
        parts, size = list(blocks), sum(len(b.cost) for b in blocks)
        balance = sparse.block_diag([np.asarray(b.into.sum(axis=0)) for b in blocks], format="csr")
        own = sparse.block_diag([b.rows for b in blocks], format="csr")
        matrix = sparse.vstack([own, balance], format="csr")
        short = need - np.array([b.fixed.sum() for b in blocks])
        row_lower = np.concatenate([*(b.row_lower for b in blocks), short])
        row_upper = np.concatenate([*(b.row_upper for b in blocks), short])
        cost, lower, upper = (
            np.concatenate([getattr(b, name) for b in parts]) for name in ("cost", "lower", "upper")
        )
        for link in self._links:
            count = len(link.members)
            sent = sparse.identity(count, format="csr")
            to_balance = sparse.csr_matrix(
                (np.ones(count), (own.shape[0] + np.array(link.members), np.arange(count))),
                shape=(matrix.shape[0], count),
            )
            matrix = sparse.bmat(
                [
                    [matrix, to_balance, None],
                    [None, sparse.csr_matrix(np.ones((1, count))), None],
                    [None, sent, sent],
                ],
                format="csr",
            )
            price = [link.rate * float(sites[k].weight.mean()) for k in link.members]
            cost = np.concatenate([cost, np.zeros(count), price])
            lower = np.concatenate([lower, np.full(count, -np.inf), np.zeros(count)])
            upper = np.concatenate([upper, np.full(2 * count, np.inf)])
            row_lower = np.concatenate([row_lower, np.zeros(1 + count)])
            row_upper = np.concatenate([row_upper, [0.0], np.full(count, np.inf)])
        if not size:
            return np.zeros(0)
        return self._run(cost, (lower, upper), (row_lower, row_upper), matrix)

    def _run(
        self,
        cost: FloatArray,
        bounds: tuple[FloatArray, FloatArray],
        rows: tuple[FloatArray, FloatArray],
        matrix: sparse.csr_matrix,
    ) -> FloatArray:
        programme = highspy.HighsLp()
        programme.num_row_, programme.num_col_ = matrix.shape
        programme.col_cost_ = cost
        programme.col_lower_, programme.col_upper_ = bounds
        programme.row_lower_, programme.row_upper_ = rows
        programme.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        programme.a_matrix_.start_, programme.a_matrix_.index_ = matrix.indptr, matrix.indices
        programme.a_matrix_.value_ = matrix.data
        self._highs.passModel(programme)
        self._highs.run()
        status = self._highs.getModelStatus()
        if status != highspy.HighsModelStatus.kOptimal:
            raise PlanError(
                "E-DISPATCH-SOLVER",
                say("the solver ended with {status}", status=self._highs.modelStatusToString(status)),
                "ExpectedDay", say("report it with the portfolio's files"),
            )  # fmt: skip
        return np.array(self._highs.getSolution().col_value)


def _pieces(site: Freedom) -> _Block:
    """Return one column per piece of the expected purchase of every step."""
    n, count = len(site.low), len(site.covered)
    jump = site.weight * site.facility_per_work / count
    # work that stays has a small advantage over work that moves
    kinks = np.concatenate([site.covered, np.zeros((1, n))])
    jump = np.concatenate([jump, np.full((1, n), TIE_BREAK)])
    order = np.argsort(kinks, axis=0, kind="stable")
    kinks, jump = np.take_along_axis(kinks, order, 0), np.take_along_axis(jump, order, 0)
    edges = np.concatenate([site.low[None], np.clip(kinks, site.low, site.high), site.high[None]])
    slope = np.concatenate([np.zeros((1, n)), np.cumsum(jump, axis=0)])
    length = np.diff(edges, axis=0)
    there = length > 0
    step = np.broadcast_to(np.arange(n), length.shape)[there]
    size = len(step)
    into = sparse.csr_matrix((np.ones(size), (step, np.arange(size))), shape=(n, size))
    none, no_rows = np.zeros(0), sparse.csr_matrix((0, size))
    return _Block(slope[there], np.zeros(size), length[there], into, site.low, no_rows, none, none)


def _recourse(site: Freedom, stored: Stored) -> _Block:
    """Return the moves once and, for each scenario, what is bought, taken in, delivered and kept.

    Columns: arriving and leaving (n each); by scenario bought, charge, discharge, level (n each); by
    scenario what is left at the end, in pieces of falling worth.
    """
    b, h, m = stored.battery, stored.hours, site.facility_per_work
    load = np.zeros_like(site.covered) if site.load is None else site.load
    chosen = slice(0, RECOURSE)
    load, weight = load[chosen], site.weight[chosen]
    surplus = site.covered[chosen] * m
    count, n = load.shape
    one, eye = sparse.identity(count * n), sparse.identity(n)
    many = sparse.csr_matrix(np.tile(np.eye(n), (count, 1)) * np.tile(m, count)[:, None])
    before = sparse.kron(sparse.identity(count), sparse.eye(n, k=-1))
    last = sparse.kron(sparse.identity(count), sparse.csr_matrix(np.eye(n)[-1:]))
    levels = levels_of(b)[:: (LEVELS - 1) // END_PIECES]
    worth = -np.diff(stored.after[:: (LEVELS - 1) // END_PIECES]) / np.maximum(np.diff(levels), 1e-12)
    ends = sparse.kron(sparse.identity(count), np.ones((1, END_PIECES)))
    served = [-many, many, one, None, one] if not b.grid_charging else [-many, many, None, None, one]
    rows = sparse.bmat(
        [
            [-many, many, one, -one, one, None, None],  # bought >= load - own, after moving and storing
            [*served, None, None],  # a battery serves the load only and, mostly, takes own production only
            [None, None, None, -h * b.charge_efficiency * one, h / b.discharge_efficiency * one,
             one - before, None],
            [None, None, None, None, None, last, -ends],
        ],
        format="csr",
    )  # fmt: skip
    start = np.zeros((count, n))
    start[:, 0] = stored.level
    lower = np.concatenate([-surplus.ravel(), np.full(count * n, -np.inf), start.ravel(),
                            np.full(count, b.reserve_kwh)])  # fmt: skip
    upper = np.concatenate([np.full(count * n, np.inf), load.ravel(), start.ravel(),
                            np.full(count, b.reserve_kwh)])  # fmt: skip
    endless, none = np.full(count * n, np.inf), np.zeros(count * n)
    power, top = np.full(count * n, b.power_kw), np.full(count * n, b.energy_kwh)
    moved = np.full(n, TIE_BREAK)
    cost = np.concatenate([moved, moved, h * weight.ravel() / count, none, none, none,
                           np.tile(-worth / count, count)])  # fmt: skip
    bounds = (
        np.concatenate([np.zeros(2 * n), none, none, none, none + b.reserve_kwh,
                        np.zeros(count * END_PIECES)]),
        np.concatenate([np.maximum(site.high, 0.0), np.maximum(-site.low, 0.0), endless, power, power, top,
                        np.tile(np.diff(levels), count)]),
    )  # fmt: skip
    rest = sparse.csr_matrix((n, len(cost) - 2 * n))
    into = sparse.hstack([eye, -eye, rest], format="csr")
    return _Block(cost, *bounds, into, np.zeros(n), rows, lower, upper)
