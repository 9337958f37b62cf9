"""What a dispatch takes and what it answers: values that the optimiser and its verifier share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from math import inf
from typing import Literal

import numpy as np
import numpy.typing as npt

from advisor.assets import Battery
from advisor.dispatch_options import Option
from advisor.plan import SolverReport
from advisor.work import WorkClass
from features.errors import UsageError
from features.frame import FloatArray
from features.message import say

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

Objective = Literal["non_green_kwh", "grid_kwh", "cost", "carbon_kg", "water_m3", "effort_kwh"]
"""What may be minimised or bounded; ``effort_kwh`` is IT work moved plus energy that batteries deliver."""
Measure = Literal[
    "non_green_kwh", "grid_kwh", "cost", "carbon_kg", "water_m3", "cfe", "coverage", "green_share"
]
"""What a target may bound: sums at most, shares at least."""
SHARES = ("cfe", "coverage", "green_share")
BatteryEnd = Literal["as-started", "free"]


@dataclass(frozen=True)
class PeakCharge:
    """Price of the highest purchase of each billing period.

    ``period`` (n,) running number of each step's billing period; ``price_per_kw`` (periods,) within the
    window [currency/kW].
    """

    period: IntArray
    price_per_kw: FloatArray


@dataclass(frozen=True)
class Target:
    """A bound that a plan must keep: sums at most, shares (``cfe``, ``coverage``, ``green_share``) at least.

    ``site_ids``: the sites that it counts together; None: all of them. ``green_share`` counts own and
    contracted production used and guarantees of origin; the grid's own mix counts nothing. All shares are of
    the load: what a battery loses raises none.
    """

    measure: Measure
    bound: float
    site_ids: tuple[str, ...] | None = None
    source: str = ""


@dataclass(frozen=True)
class DispatchSite:
    """One site over n equal steps.

    Parameters
    ----------
    site_id : str
    load_kw : numpy.ndarray, shape (n,)
        Facility power before anything is moved [kW].
    own_kw : numpy.ndarray, shape (n,)
        Own renewable production that is available [kW].
    grid_non_green : numpy.ndarray, shape (n,)
        Share of a purchased kWh that is not green [1].
    it_kw : numpy.ndarray or None, shape (n,)
        IT power that the flexible share and the capacity refer to [kW]; None: `load_kw` is the work.
    marginal : numpy.ndarray or None, shape (n,)
        Facility kWh per kWh of moved IT work [1]: cooling and losses follow the work; None: 1.
    flexible_share : float
        Share of a step's work that may leave it [1].
    it_capacity_kw : float
        Most IT power at any step [kW].
    battery : Battery or None
    price_per_kwh : numpy.ndarray or None, shape (n,)
        Price of purchased energy [currency/kWh]; None: unknown.
    carbon_g_per_kwh : numpy.ndarray or None, shape (n,)
        Of purchased energy [g/kWh]; None: unknown.
    day : numpy.ndarray of int or None, shape (n,)
        The site's own local day of every step; None: the day given for all.
    frozen : numpy.ndarray of bool or None, shape (n,)
        Steps in which nothing may be moved or stored (for example because the load was not measured).
    grid_max_kw : numpy.ndarray or None, shape (n,)
        Most that may be purchased in each step [kW]: connection, or what a demand response asks; None:
        not bounded.
    peak : PeakCharge or None
    fixed_cost : float
        What is paid within the window whatever is planned, contracts for example; negative: received
        [currency].
    backup_kw : numpy.ndarray or None, shape (n,)
        Power that the battery's ``reserve_hours`` must carry [kW]; None: `load_kw`.
    water_m3, water_m3_per_kwh : numpy.ndarray or None, shape (n,)
        Water of each step before anything is moved [m3], and per kWh of moved IT work [m3/kWh]; None:
        unknown.

    Raises
    ------
    features.errors.UsageError
        ``E-DISPATCH-INPUT``: lengths differ, values are missing, negative or beyond their bounds.
    """

    site_id: str
    load_kw: FloatArray
    own_kw: FloatArray
    grid_non_green: FloatArray
    it_kw: FloatArray | None = None
    marginal: FloatArray | None = None
    flexible_share: float = 0.0
    it_capacity_kw: float = inf
    battery: Battery | None = None
    price_per_kwh: FloatArray | None = None
    carbon_g_per_kwh: FloatArray | None = None
    day: IntArray | None = None
    frozen: BoolArray | None = None
    grid_max_kw: FloatArray | None = None
    peak: PeakCharge | None = None
    fixed_cost: float = 0.0
    water_m3: FloatArray | None = None
    water_m3_per_kwh: FloatArray | None = None
    backup_kw: FloatArray | None = None

    def __post_init__(self) -> None:
        bounds = {
            "load_kw": (0.0, inf), "own_kw": (0.0, inf), "grid_non_green": (0.0, 1.0), "it_kw": (0.0, inf),
            "marginal": (0.0, inf), "price_per_kwh": (-inf, inf), "carbon_g_per_kwh": (0.0, inf),
            "day": (-inf, inf), "frozen": (0, 1), "grid_max_kw": (0.0, inf), "water_m3": (0.0, inf),
            "water_m3_per_kwh": (0.0, inf), "backup_kw": (0.0, inf),
        }  # fmt: skip
        for name, (lower, upper) in bounds.items():
            values = getattr(self, name)
            if values is None:
                continue
            if np.shape(values) != np.shape(self.load_kw) or np.ndim(values) != 1:
                self._refuse(f"{name} has shape {np.shape(values)}, load_kw {np.shape(self.load_kw)}")
            wrong = ~(np.isfinite(values) & (values >= lower) & (values <= upper))
            if wrong.any():
                at = int(np.flatnonzero(wrong)[0])
                self._refuse(f"{name} is {values[at]} in step {at}; it must lie in {lower:g} to {upper:g}")
        if (self.water_m3 is None) != (self.water_m3_per_kwh is None):
            self._refuse("water_m3 and water_m3_per_kwh belong together")
        if self.peak is not None and np.shape(self.peak.period) != np.shape(self.load_kw):
            self._refuse("the billing periods have another length")
        if not 0.0 <= self.flexible_share <= 1.0 or not self.it_capacity_kw > 0.0:
            self._refuse(f"flexible_share {self.flexible_share}, it_capacity_kw {self.it_capacity_kw}")

    def _refuse(self, what: str) -> None:
        raise UsageError("E-DISPATCH-INPUT", what, self.site_id, say("give finite values of equal length"))

    @property
    def work_kw(self) -> FloatArray:
        """Power that the flexible share refers to [kW]."""
        return self.load_kw if self.it_kw is None else self.it_kw

    @property
    def facility_per_work(self) -> FloatArray:
        """Facility kWh per moved kWh of work [1]."""
        return np.ones_like(self.load_kw) if self.marginal is None else self.marginal

    @property
    def carried_kw(self) -> FloatArray:
        """Power that backup must carry [kW]."""
        return self.load_kw if self.backup_kw is None else self.backup_kw

    def reserve_kwh(self, hours: float) -> FloatArray:
        """Return what the battery must still hold at the end of each step [kWh].

        The declared reserve, or what the following ``reserve_hours`` would take out of it.
        """
        n = len(self.load_kw)
        if self.battery is None or self.battery.reserve_hours == 0.0:
            return np.full(n, 0.0 if self.battery is None else self.battery.reserve_kwh)
        ahead, carried = self.battery.reserve_hours / hours, self.carried_kw
        after = np.full(int(ahead) + 2, carried[-1])  # beyond the window as in its last step
        total = np.concatenate([[0.0], np.cumsum(np.concatenate([carried, after]))])
        at = np.arange(1, n + 1)
        needed = np.interp(at + ahead, np.arange(len(total)), total) - total[at]
        taken = needed * hours / self.battery.discharge_efficiency
        return np.asarray(np.maximum(taken, self.battery.reserve_kwh))

    @property
    def open(self) -> BoolArray:
        """Steps in which something may be moved or stored."""
        return np.ones(len(self.load_kw), dtype=np.bool_) if self.frozen is None else ~self.frozen


@dataclass(frozen=True)
class Exchange:
    """Sites that may do each other's work on the same day.

    ``transfer_kwh_per_kwh`` [1]: energy spent, where it arrives, per kWh of IT work that comes from another
    site; ``transfer_price_per_kwh`` [currency/kWh]: price of moving it.
    """

    site_ids: tuple[str, ...]
    transfer_kwh_per_kwh: float = 0.0
    transfer_price_per_kwh: float = 0.0

    @property
    def free(self) -> bool:
        """Whether moving costs neither energy nor money."""
        return self.transfer_kwh_per_kwh == 0.0 and self.transfer_price_per_kwh == 0.0


@dataclass(frozen=True)
class Setting:
    """What all sites of a model share.

    ``day`` shape (n,), ``hours`` [h] per step, ``battery_start`` share of the range between reserve and
    capacity [1], ``limited`` a second objective that solves may bound, ``classes`` work told job by job,
    ``options`` what may be bought besides, ``targets`` what must be kept.
    """

    day: IntArray
    hours: float
    exchanges: tuple[Exchange, ...] = ()
    battery_start: float = 0.5
    battery_end: BatteryEnd = "as-started"
    limited: Objective | None = None
    classes: tuple[WorkClass, ...] = ()
    options: tuple[Option, ...] = ()
    targets: tuple[Target, ...] = ()

    def day_of(self, site: DispatchSite) -> IntArray:
        """Return the running number of each step's day at the site."""
        return np.unique(self.day if site.day is None else site.day, return_inverse=True)[1].astype(np.int64)

    def start_kwh(self, site: DispatchSite) -> float:
        """Return the battery's level before the first step [kWh]."""
        if site.battery is None:
            return 0.0
        low, high = float(site.reserve_kwh(self.hours)[0]), site.battery.energy_kwh
        return low + self.battery_start * (high - low)


@dataclass(frozen=True)
class DispatchTotals:
    """Sums over the window; None where unknown (never 0).

    ``load_kwh`` is what the site used without its battery's losses, ``grid_kwh`` what was bought,
    ``non_green_kwh`` its non-green part, ``own_used_kwh`` own production used or stored, ``spilled_kwh``
    own production not used, ``moved_kwh`` IT work that left its step, ``delivered_kwh`` what batteries
    delivered [kWh]; ``cost`` [currency] of purchases, peaks, transfers and battery wear; ``carbon_kg``
    [kg CO2e, attributional]; ``water_m3`` [m3]; ``coverage`` = 1 - grid / load and ``cfe`` = 1 - non-green /
    load [1].
    """

    load_kwh: float
    grid_kwh: float
    non_green_kwh: float
    own_used_kwh: float
    spilled_kwh: float
    moved_kwh: float
    delivered_kwh: float
    cost: float | None
    carbon_kg: float | None
    water_m3: float | None = None

    @property
    def coverage(self) -> float | None:
        """Share of the load that own production covered, hour by hour [1]; surplus never counts."""
        return 1.0 - self.grid_kwh / self.load_kwh if self.load_kwh > 0 else None

    @property
    def cfe(self) -> float | None:
        """Hourly carbon-free (green) energy score [1] (24/7 method published by Google, 2021)."""
        return 1.0 - self.non_green_kwh / self.load_kwh if self.load_kwh > 0 else None

    @property
    def effort_kwh(self) -> float:
        """IT work moved plus energy that batteries delivered [kWh]."""
        return self.moved_kwh + self.delivered_kwh

    def to_dict(self) -> dict[str, float | None]:
        """Return the sums and both shares."""
        sums = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**sums, "coverage": self.coverage, "cfe": self.cfe}


def added(parts: list[DispatchTotals]) -> DispatchTotals:
    """Return the sums of the parts; unknown in one is unknown in the sum."""
    sums: dict[str, float | None] = {}
    for f in fields(DispatchTotals):
        values = [getattr(p, f.name) for p in parts]
        sums[f.name] = None if any(v is None for v in values) else float(np.sum(values))
    return DispatchTotals(**sums)  # type: ignore[arg-type]  # only cost, carbon and water can be None


@dataclass(frozen=True)
class SiteDispatch:
    """One site's plan; every array has the shape (n,).

    ``load_kw`` [kW] facility power after moving; ``work_kw`` [kW] IT work done in the step; ``out_kw`` and
    ``in_kw`` [kW] flexible work that left and that arrived (``from_others_kw`` [kW] of it charged as coming
    from another site); ``class_kw`` [kW] work of classes done here; ``transfer_kw`` [kW] what moving between
    sites takes; ``grid_kw``, ``charge_kw``, ``discharge_kw``,
    ``own_used_kw``, ``spilled_kw`` [kW]; ``soc_kwh`` [kWh] at the end of the step.
    """

    site_id: str
    load_kw: FloatArray
    work_kw: FloatArray
    out_kw: FloatArray
    in_kw: FloatArray
    from_others_kw: FloatArray
    class_kw: FloatArray
    transfer_kw: FloatArray
    grid_kw: FloatArray
    charge_kw: FloatArray
    discharge_kw: FloatArray
    soc_kwh: FloatArray
    own_used_kw: FloatArray
    spilled_kw: FloatArray
    totals: DispatchTotals


@dataclass(frozen=True)
class Dispatch:
    """The plan of all sites.

    Parameters
    ----------
    sites : dict
        Site id -> `SiteDispatch`, in the order given.
    totals : DispatchTotals
        Of all sites together.
    report : SolverReport
        The gap [1] counts from a bound recomputed from the solver's dual values, tie-break included.
    work : dict
        Name of a class of work -> site id -> power begun in each step, shape (n,) [kW]; done in it, where a
        job may pause or lasts one step.
    sizes : dict
        Name of an option -> amount bought [its unit]. The sites are planned with it standing
        (`advisor.dispatch_read.built`); what it costs is ``invested`` [currency], beside ``totals.cost``.
    """

    sites: dict[str, SiteDispatch]
    totals: DispatchTotals
    report: SolverReport
    work: dict[str, dict[str, FloatArray]] = field(default_factory=dict)
    sizes: dict[str, float] = field(default_factory=dict)
    invested: float = 0.0

    def to_dict(self) -> dict[str, object]:
        """Return totals and report, without the hourly arrays."""
        return {
            "totals": self.totals.to_dict(),
            "sites": {name: site.totals.to_dict() for name, site in self.sites.items()},
            "report": vars(self.report),
        }


def linked(names: Iterable[str], links: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return the sites that links join directly or through others, in the order given."""
    known = tuple(names)
    group = {name: {name} for name in known}
    for ids in links:
        together = set().union(*(group[name] for name in ids))
        for name in together:
            group[name] = together
    return list(dict.fromkeys(tuple(n for n in known if n in group[name]) for name in known))
