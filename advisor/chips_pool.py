"""Pools of work: the declared groups that may take over each other's work, and what they have to carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from advisor.chip_catalogue import AcceleratorCap, HardwareCatalogue
from advisor.chips_milp import Demand, Option, usable
from advisor.chips_power import Machine, capped_machines, standing_machine
from advisor.servers import HardwarePrices, ServerGroup
from features.errors import SiteFileError
from features.message import Message, say


@dataclass(frozen=True)
class Stock:
    """A declared group and its machine; ``idle``: it does no useful work."""

    group: ServerGroup
    machine: Machine
    idle: bool
    caps: dict[float, tuple[Machine, tuple[AcceleratorCap, ...]]]

    @property
    def watts(self) -> float:
        """Mean power of the group today [W]."""
        return self.group.count * float(self.machine.power_w(self.group.mean_utilisation))


@dataclass(frozen=True)
class Pool:
    """Groups whose work is counted in one unit.

    Parameters
    ----------
    name : str
    stocks : tuple of Stock
    comparable : bool
        Work is counted in ssj_ops, so that other models can be compared.
    load_limit : float
        Highest mean load put on a server [1].
    capacity_error : float
        What capacity loses when another model's work is put on it [1].
    """

    name: str
    stocks: tuple[Stock, ...]
    comparable: bool
    load_limit: float
    capacity_error: float

    @property
    def working(self) -> tuple[Stock, ...]:
        """Groups that do useful work."""
        return tuple(s for s in self.stocks if not s.idle)

    @property
    def accelerated(self) -> bool:
        """Whether the work runs on accelerators."""
        return self.stocks[0].group.accelerator is not None

    @property
    def arm_ready(self) -> bool:
        """Whether all work of the pool runs on Arm as it is."""
        return bool(self.working) and all(s.group.arm_ready for s in self.working)

    @property
    def memory_known(self) -> bool:
        """Whether the memory of all groups and of their work is declared."""
        return all(s.group.memory_gb is not None for s in self.stocks) and all(
            s.group.memory_used_gb is not None for s in self.working
        )

    @property
    def load_min(self) -> float:
        """Lowest mean load of a server left on [1]: 10 %, or that of all working servers today."""
        total = sum(s.group.count * (s.machine.capacity or 0.0) for s in self.working)
        return min(0.1, self.mean_work / total) if total > 0 else 0.0

    @property
    def mean_work(self) -> float:
        """Mean work [capacity units]."""
        return sum(s.group.count * s.group.mean_utilisation * (s.machine.capacity or 0) for s in self.working)

    def options(self, index: int, first_stock: int) -> tuple[Option, ...]:
        """Return the standing servers as options of the pool ``index``, uncapped."""
        return tuple(self._option(index, first_stock + i, s, s.machine) for i, s in enumerate(self.stocks))

    def capped(self, index: int, first_stock: int) -> tuple[Option, ...]:
        """Return the standing servers under a power cap as further options."""
        return tuple(
            self._option(index, first_stock + i, s, machine)
            for i, s in enumerate(self.stocks)
            for machine, _ in s.caps.values()
        )

    def _option(self, index: int, stock_index: int, stock: Stock, machine: Machine) -> Option:
        load = stock.group.mean_utilisation
        # Today's loads stay possible, so that keeping everything as it is always is.
        low = self.load_min if stock.idle else min(self.load_min, load)
        return Option(
            index, stock_index, stock.group.model, machine, stock.group.count, low,
            max(self.load_limit, load), idle=stock.idle,
        )  # fmt: skip

    def demand(self, index: int = 0) -> Demand:
        """Return what has to be carried.

        Where today's servers themselves do not hold the peak with the largest one down, a plan has to hold
        what they hold: it never makes the reserve smaller.
        """
        peak_of: dict[str, float] = {}
        size: dict[str, float] = {}
        for stock in self.working:
            capacity = stock.machine.capacity or 0.0
            work = stock.group.count * stock.group.peak_utilisation * capacity
            peak_of[stock.group.model] = peak_of.get(stock.group.model, 0.0) + work
            size[stock.group.model] = max(capacity, size.get(stock.group.model, 0.0))
        peak = sum(peak_of.values())
        moved = 1.0 - self.capacity_error
        demand = Demand(self.mean_work, peak, peak_of, 0.0, moved, own_size=size)
        options = self.options(index, 0)
        counts = [0 if s.idle else s.group.count for s in self.stocks]
        largest = max((s.machine.capacity or 0.0 for s in self.working), default=0.0)
        firm = max(0.0, min(peak, usable(counts, options, index, demand) - largest))
        if not self.memory_known:
            return replace(demand, firm=firm)
        used = sum(s.group.count * (s.group.memory_used_gb or 0.0) for s in self.working)
        installed = [s.group.memory_gb or 0.0 for s in self.stocks]
        # All memory that stands may serve: an idle group may take over work.
        all_gb = float(np.dot(installed, [s.group.count for s in self.stocks]))
        return replace(
            demand, firm=firm, memory_gb=used, memory_firm_gb=max(0.0, min(used, all_gb - max(installed)))
        )

    def reserve_short(self) -> bool:
        """Return whether today's servers do not hold the peak with the largest one down."""
        demand = self.demand()
        return demand.firm < demand.peak - 1e-9


def build_pools(
    groups: Sequence[ServerGroup], catalogue: HardwareCatalogue, prices: HardwarePrices | None
) -> tuple[Pool, ...]:
    """Return the pools of the declared groups, in the order of their declaration.

    Accelerator servers never share work with others, nor one card's servers with another's; servers without
    a public capacity stand apart, by model.

    Raises
    ------
    features.errors.SiteFileError
        Two groups have one name (``E-CHIP-GROUP``), or no power is known (``E-CHIP-POWER``).
    features.errors.CatalogueError
        A model is unknown.
    """
    names = [g.name for g in groups]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise SiteFileError(
            "E-CHIP-GROUP", say("several server groups are called {names}", names=", ".join(twice)),
            say("site.toml, servers"), say("give each group its own name"),
        )  # fmt: skip
    threshold = catalogue.value("comatose_peak")
    parts: dict[tuple[str, str], list[Stock]] = {}
    for group in groups:
        machine = standing_machine(group, catalogue)
        caps = capped_machines(group, machine, catalogue) if group.accelerator_bound == "compute" else {}
        kind = group.accelerator or ("" if machine.capacity is not None else group.model)
        if machine.capacity is None:
            machine = replace(machine, capacity=1.0)
        stock = Stock(group, machine, group.peak_utilisation <= threshold, caps)
        parts.setdefault((group.pool, kind), []).append(stock)
    several = {pool for pool, _ in parts if sum(p == pool for p, _ in parts) > 1}
    return tuple(
        _pool(pool if pool not in several or not kind else say("{pool} ({kind})", pool=pool, kind=kind),
              kind, stocks, catalogue, prices)
        for (pool, kind), stocks in parts.items()
    )  # fmt: skip


def _pool(
    name: str, kind: str, stocks: list[Stock], catalogue: HardwareCatalogue, prices: HardwarePrices | None
) -> Pool:
    accelerated = stocks[0].group.accelerator is not None
    limit = catalogue.value("accelerator_load_limit" if accelerated else "load_limit")
    if prices is not None and prices.load_limit is not None and not accelerated:
        limit = prices.load_limit
    return Pool(name, tuple(stocks), not kind, limit, catalogue.value("capacity_error"))


def pool_conditions(pool: Pool) -> tuple[Message, ...]:
    """Return what has to hold, and be checked, where work of a pool is moved."""
    found = [
        say("the servers left on hold the declared peak with the largest of them down"),
        say("mean loads are declared, not metered here; check disks, network, licences per core and what "
            "must not fail together before the move"),
    ]  # fmt: skip
    if pool.reserve_short():
        found[0] = say(
            "today's servers do not hold the declared peak with the largest one down; the plan keeps at "
            "least the reserve of today"
        )
    if not pool.memory_known:
        found.append(say("memory is not declared (memory_gb, memory_used_gb): check that it suffices"))
    if len({s.group.model for s in pool.working}) > 1:
        found.append(
            say("work moved between models counts {share:.0%} less capacity: public results compare only "
                "within that", share=pool.capacity_error)
        )  # fmt: skip
    return tuple(found)
