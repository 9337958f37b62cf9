"""How many servers of which kind carry the work of each pool with the least power: an exact small MILP.

All servers of one option that are on carry the same load, as behind an even load balancer. For ``N`` servers
with work ``w`` the power ``N P(w / (N S))`` of a piecewise-linear curve ``P`` is exactly linear in the
weights ``n_l`` of its break points: ``sum n_l = N``, ``w = S sum u_l n_l``, at most two neighbouring weights
above zero. Nothing is linearised.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import highspy
import numpy as np
import numpy.typing as npt

from advisor.chip_catalogue import LOADS
from advisor.chips_power import Machine
from advisor.plan import SolverReport
from features.errors import PlanError
from features.message import say

TIE_W = 1e-3
"""What a server without work counts more than its equal with work [W]."""
EFFORT = ((300, 0.0), (300, 1e-4), (300, 1e-3), (None, 1e-2))
"""Branch-and-bound nodes and the relative gap that ends the search [1], tried in turn.

Small fleets are solved exactly. Where many groups of thousands of servers tie to within watts, proving the
last of them takes minutes; a limit in seconds would make the plan depend on the machine.
"""


@dataclass(frozen=True)
class Option:
    """Servers that may be on.

    Parameters
    ----------
    pool : int
        Index of the pool.
    stock : int or None
        Index of the standing group whose machines these are; None: bought.
    family : str
        Work of one family moves between its servers without an error of the capacity.
    machine : Machine
        With a known capacity.
    least, most : int
        How many are on.
    load_min, load_max : float
        Range of the mean load of one server that is on [1]. The lower end keeps a plan from resting on
        deep idle states, which only tuned machines reach.
    price, embodied_w : float
        Of one bought server [currency]; power that it has to save to repay its making [W].
    idle : bool
        They do no work today: between equal machines those that work stay on.
    """

    pool: int
    stock: int | None
    family: str
    machine: Machine
    most: int
    load_min: float
    load_max: float
    price: float = 0.0
    embodied_w: float = 0.0
    least: int = 0
    idle: bool = False

    @property
    def capacity(self) -> float:
        """Work of one machine at full load."""
        if self.machine.capacity is None:
            raise ValueError(f"{self.machine.name} has no capacity")
        return self.machine.capacity

    @property
    def points(self) -> npt.NDArray[np.float64]:
        """Break points of the load [1] from ``load_min`` to ``load_max``."""
        inner = [u for u in LOADS if self.load_min + 1e-9 < u < self.load_max - 1e-9]
        return np.array([self.load_min, *inner, self.load_max])


@dataclass(frozen=True)
class Demand:
    """What a pool has to carry.

    ``mean`` and ``peak`` work [capacity units], ``peak_of`` the peak by family, ``firm`` the capacity
    that has to remain with the largest server down, ``moved`` [1] how much capacity counts for work of
    another family, ``own_size`` one machine's capacity by family, ``memory_gb`` [GB] that the work occupies
    or None, and ``memory_firm_gb`` [GB] that has to remain with any server down.
    """

    mean: float
    peak: float
    peak_of: dict[str, float]
    firm: float
    moved: float
    memory_gb: float | None = None
    memory_firm_gb: float = 0.0
    own_size: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class FleetChoice:
    """Servers on and their work, by option; ``power_w`` [W] is recomputed from them."""

    on: npt.NDArray[np.int64]
    work: npt.NDArray[np.float64]
    power_w: npt.NDArray[np.float64]
    report: SolverReport

    def load(self, options: Sequence[Option]) -> npt.NDArray[np.float64]:
        """Return the load of one server of each option [1]; 0 where none is on."""
        capacity = np.array([o.capacity for o in options])
        load: npt.NDArray[np.float64] = np.divide(
            self.work, self.on * capacity, out=np.zeros(len(options)), where=self.on > 0
        )
        return load


def usable(counts: Sequence[float], options: Sequence[Option], pool: int, demand: Demand) -> float:
    """Return the capacity of some servers for the peak of a pool.

    Capacity that serves its own family's work (and one machine of reserve) counts in full, the rest
    ``demand.moved`` times, because public capacities of two models compare only so well.
    """
    mine = [(n, o) for n, o in zip(counts, options, strict=True) if o.pool == pool]
    total = sum(n * o.capacity for n, o in mine)
    own = 0.0
    for family, peak in demand.peak_of.items():
        stands = sum(n * o.capacity for n, o in mine if o.stock is not None and o.family == family)
        own += min(stands, peak + demand.own_size[family])
    return demand.moved * total + (1.0 - demand.moved) * own


def choose(
    options: Sequence[Option],
    demands: Sequence[Demand],
    stock: Sequence[int],
    *,
    budget: float | None = None,
    money_w: float = 0.0,
    seed: int = 0,
) -> FleetChoice:
    """Choose the servers that are on.

    Parameters
    ----------
    options : sequence of Option
    demands : sequence of Demand
        By pool.
    stock : sequence of int
        Machines that stand, by group; options of one stock exclude each other: a group has one setting.
    budget : float or None
        Highest sum of prices [currency].
    money_w : float
        Power that one unit of price has to save [W/currency].
    seed : int

    Raises
    ------
    features.errors.PlanError
        The solver found no optimum (``E-CHIP-SOLVER``).
    """
    started = time.perf_counter()
    highs = highspy.Highs()  # type: ignore[no-untyped-call]
    for name, value in {"output_flag": False, "mip_abs_gap": 1e-6, "random_seed": seed,
                        "threads": 1, "mip_feasibility_tolerance": 1e-9}.items():  # fmt: skip
        highs.setOptionValue(name, value)
    columns = [_add_option(highs, option, money_w) for option in options]
    for index, demand in enumerate(demands):
        _add_demand(highs, options, columns, index, demand)
    for index, count in enumerate(stock):
        shared = [c for c, o in zip(columns, options, strict=True) if o.stock == index]
        ones = [1.0] * len(shared)
        _row(highs, -highspy.kHighsInf, float(count), [c.on for c in shared], ones)
        _row(highs, -highspy.kHighsInf, 1.0, [c.any for c in shared], ones)
    bought = [(c.on, o.price) for c, o in zip(columns, options, strict=True) if o.stock is None]
    if budget is not None and bought:
        _row(highs, -highspy.kHighsInf, budget, [c for c, _ in bought], [price for _, price in bought])
    for nodes, gap in EFFORT:
        highs.setOptionValue("mip_max_nodes", highspy.kHighsIInf if nodes is None else nodes)
        highs.setOptionValue("mip_rel_gap", gap)
        highs.run()
        if highs.getModelStatus() != highspy.HighsModelStatus.kSolutionLimit:
            break
    if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise PlanError(
            "E-CHIP-SOLVER",
            say("the solver ended with {status}", status=highs.modelStatusToString(highs.getModelStatus())),
            say("choice of servers"),
            say("report the site's server groups with this message"),
        )
    return _read(highs, options, columns, started, seed)


@dataclass(frozen=True)
class _Columns:
    """Column numbers of an option: servers on, whether any, weights of the break points."""

    on: int
    any: int
    weights: list[int]


def _column(highs: highspy.Highs, cost: float, upper: float, *, integer: bool, lower: float = 0.0) -> int:
    index = int(highs.getNumCol())
    highs.addCol(cost, lower, upper, 0, np.empty(0, dtype=np.int32), np.empty(0))
    if integer:
        highs.changeColIntegrality(index, highspy.HighsVarType.kInteger)
    return index


def _row(
    highs: highspy.Highs, lower: float, upper: float, columns: Sequence[int], values: Sequence[float]
) -> None:
    if columns:
        highs.addRow(lower, upper, len(columns), np.array(columns, dtype=np.int32), np.array(values, float))


def _add_option(highs: highspy.Highs, option: Option, money_w: float) -> _Columns:
    """Add the columns of an option and the rows that tie them together."""
    most = float(option.most)
    hurdle = option.embodied_w + option.price * money_w
    if option.stock is not None:
        hurdle = TIE_W if option.idle else 0.0
    points, watts = option.points, option.machine.power_w(option.points)
    columns = _Columns(
        _column(highs, hurdle, most, integer=True, lower=float(option.least)),
        _column(highs, 0.0, 1.0, integer=True),
        [_column(highs, float(watt), most, integer=False) for watt in watts],
    )
    pieces = [_column(highs, 0.0, 1.0, integer=True) for _ in points[1:]]
    _row(highs, 0.0, 0.0, [*columns.weights, columns.on], [1.0] * len(points) + [-1.0])
    _row(highs, -highspy.kHighsInf, 0.0, [columns.on, columns.any], [1.0, -most])
    _row(highs, 0.0, 0.0, [*pieces, columns.any], [1.0] * len(pieces) + [-1.0])
    for index, weight in enumerate(columns.weights):
        near = pieces[max(index - 1, 0) : index + 1]
        _row(highs, -highspy.kHighsInf, 0.0, [weight, *near], [1.0] + [-most] * len(near))
    return columns


def _add_demand(
    highs: highspy.Highs, options: Sequence[Option], columns: Sequence[_Columns], pool: int, demand: Demand
) -> None:
    """Add the rows of a pool: mean work, peak with all servers and with the largest down, memory."""
    mine = [(c, o) for c, o in zip(columns, options, strict=True) if o.pool == pool]
    _row(
        highs, demand.mean, highspy.kHighsInf,
        [w for c, _ in mine for w in c.weights],
        [float(u) * o.capacity for _, o in mine for u in o.points],
    )  # fmt: skip
    own = {f: _column(highs, 0.0, p + demand.own_size[f], integer=False) for f, p in demand.peak_of.items()}
    for family, column in own.items():
        same = [(c.on, -o.capacity) for c, o in mine if o.stock is not None and o.family == family]
        _row(highs, -highspy.kHighsInf, 0.0, [column, *(c for c, _ in same)], [1.0, *(v for _, v in same)])
    indices = [c.on for c, _ in mine] + list(own.values())
    values = [demand.moved * o.capacity for _, o in mine] + [1.0 - demand.moved] * len(own)
    _row(highs, demand.peak, highspy.kHighsInf, indices, values)
    for c, o in mine:
        _row(highs, demand.firm, highspy.kHighsInf, [*indices, c.any], [*values, -o.capacity])
    if demand.memory_gb is None:
        return
    on, memory = [c.on for c, _ in mine], [o.machine.memory_gb or 0.0 for _, o in mine]
    _row(highs, demand.memory_gb, highspy.kHighsInf, on, memory)
    for (c, _), one in zip(mine, memory, strict=True):
        _row(highs, demand.memory_firm_gb, highspy.kHighsInf, [*on, c.any], [*memory, -one])


def _read(
    highs: highspy.Highs, options: Sequence[Option], columns: Sequence[_Columns], started: float, seed: int
) -> FleetChoice:
    values = np.asarray(highs.getSolution().col_value, dtype=np.float64)
    on = np.array([round(values[c.on]) for c in columns], dtype=np.int64)
    work = np.array([
        o.capacity * float(o.points @ values[c.weights]) if n else 0.0
        for c, o, n in zip(columns, options, on, strict=True)
    ])  # fmt: skip
    power = np.array([
        n * float(o.machine.power_w(w / (n * o.capacity))) if n else 0.0
        for n, o, w in zip(on.tolist(), options, work, strict=True)
    ])  # fmt: skip
    info = highs.getInfo()
    # The solver's own relative gap is infinite where the optimum is zero.
    found = abs(float(info.objective_function_value))
    gap = abs(found - abs(float(info.mip_dual_bound))) / max(found, 1.0)
    report = SolverReport(
        "optimal" if gap < 1e-6 else "feasible",
        "MILP (HiGHS), loads at break points",
        time.perf_counter() - started,
        seed,
        gap=gap,
        evaluated=len(columns),
    )
    return FleetChoice(on, work, power, report)
