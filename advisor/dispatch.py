"""Dispatch: work in time and space, batteries and own production on the least non-green energy.

One linear programme (`advisor.dispatch_lp`). The objective is energy, not a share: a share could be raised by
burning surplus, a kWh that is not bought cannot. `advisor.dispatch_verify` re-checks every plan with code
that shares nothing with this one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np

from advisor.assets import Battery
from advisor.dispatch_block import Block, Raw
from advisor.dispatch_check import check_capacity, check_exchanges, check_input, check_setting
from advisor.dispatch_explain import explain
from advisor.dispatch_lp import TIE_BREAK
from advisor.dispatch_options import Option
from advisor.dispatch_read import Classes, as_it_is, built, direct, is_free, site_plan
from advisor.dispatch_site import (
    BatteryEnd,
    Dispatch,
    DispatchSite,
    DispatchTotals,
    Exchange,
    IntArray,
    Objective,
    Setting,
    SiteDispatch,
    Target,
    added,
    linked,
)
from advisor.lp import GAP, VERSION
from advisor.plan import SolverReport
from advisor.work import WorkClass
from features.errors import UsageError
from features.frame import FloatArray
from features.message import say

__all__ = [
    "TIE_BREAK", "Dispatch", "DispatchModel", "DispatchSite", "DispatchTotals", "Exchange", "SiteDispatch",
    "as_it_is", "dispatch",
]  # fmt: skip

T = TypeVar("T")
PerSite: TypeAlias = T | Mapping[str, T] | None
"""A new value for the only site, or by site id; None: unchanged."""


def dispatch(
    sites: Sequence[DispatchSite],
    day: IntArray,
    hours: float,
    *,
    between_sites: bool = False,
    objective: Objective = "non_green_kwh",
    exchanges: Sequence[Exchange] | None = None,
    battery_start: float = 0.5,
    battery_end: BatteryEnd = "as-started",
) -> Dispatch:
    """Place work and run batteries over n steps, knowing all n steps in advance.

    Parameters
    ----------
    sites : sequence of DispatchSite
    day : numpy.ndarray of int, shape (n,)
        Local day of each step: work that leaves a step returns on the same day, earlier or later.
    hours : float
        Length of a step [h].
    between_sites : bool
        Whether work may return at another site.
    objective : {"non_green_kwh", "grid_kwh", "cost", "effort_kwh"}
    exchanges : sequence of Exchange or None
        Which sites exchange work and what that costs; None: all of them, at no cost.
    battery_start : float
        Level of every battery before the first step, share of the range between reserve and capacity [1].
    battery_end : {"as-started", "free"}
        Whether batteries must end at least as full as they started.

    Returns
    -------
    Dispatch

    Raises
    ------
    features.errors.UsageError
        ``E-DISPATCH-INPUT``: lengths, ids or values are wrong.
    features.errors.PlanError
        ``E-DISPATCH-CAPACITY``: work exceeds the capacity and may not leave; ``E-DISPATCH-PRICE``: cost is
        the objective and a price is missing; ``E-DISPATCH-SOLVER``.
    """
    model = DispatchModel(
        sites, day, hours, between_sites=between_sites, exchanges=exchanges, battery_start=battery_start,
        battery_end=battery_end,
    )  # fmt: skip
    return model.solve(objective=objective)


class DispatchModel:
    """A dispatch that is built once and solved again when numbers change.

    Sites that cannot influence each other are solved one by one, sites without any freedom directly.
    A change of loads, own production, weights, shares, capacities or battery sizes moves bounds only and
    starts from the last solution; a change of marginals, efficiencies or grid charging builds the site anew.

    Parameters
    ----------
    sites, day, hours, between_sites, exchanges, battery_start, battery_end
        See `dispatch`.
    limited : Objective or None
        A second objective that `solve` may bound (``at_most``), for an epsilon-constrained front; all
        sites are then solved in one piece.
    classes : sequence of WorkClass
        Work told job by job; what arrives is part of its home's work.
    options : sequence of Option
        What may be bought besides; they need ``cost`` as objective, as limit or as target.
    targets : sequence of Target
        What every plan must keep.
    """

    def __init__(
        self,
        sites: Sequence[DispatchSite],
        day: IntArray,
        hours: float,
        *,
        between_sites: bool = False,
        exchanges: Sequence[Exchange] | None = None,
        battery_start: float = 0.5,
        battery_end: BatteryEnd = "as-started",
        limited: Objective | None = None,
        classes: Sequence[WorkClass] = (),
        options: Sequence[Option] = (),
        targets: Sequence[Target] = (),
    ) -> None:
        self._sites = {s.site_id: s for s in sites}
        check_input(sites, day, hours, battery_start)
        if between_sites and exchanges is None:
            exchanges = (Exchange(tuple(self._sites)),)
        self._setting = Setting(
            np.asarray(day, dtype=np.int64), hours, tuple(exchanges or ()) if between_sites else (),
            battery_start, battery_end, limited, tuple(classes), tuple(options), tuple(targets),
        )  # fmt: skip
        check_exchanges(self._sites, self._setting)
        check_setting(self._sites, self._setting)
        self._blocks: dict[tuple[str, ...], Block] = {}

    @property
    def sites(self) -> tuple[DispatchSite, ...]:
        """The sites as they stand after the last `solve`."""
        return tuple(self._sites.values())

    @property
    def setting(self) -> Setting:
        """Days, step, exchanges and battery rule: what `advisor.dispatch_verify` needs besides the sites."""
        return self._setting

    def solve(
        self,
        *,
        objective: Objective = "non_green_kwh",
        at_most: float | None = None,
        own_kw: PerSite[FloatArray] = None,
        load_kw: PerSite[FloatArray] = None,
        it_kw: PerSite[FloatArray] = None,
        grid_non_green: PerSite[FloatArray] = None,
        price_per_kwh: PerSite[FloatArray] = None,
        marginal: PerSite[FloatArray] = None,
        flexible_share: PerSite[float] = None,
        it_capacity_kw: PerSite[float] = None,
        battery: PerSite[Battery] = None,
    ) -> Dispatch:
        """Solve with the changes given; they stay for the next call.

        Parameters
        ----------
        objective : {"non_green_kwh", "grid_kwh", "cost", "effort_kwh"}
        at_most : float or None
            Bound of the model's ``limited`` objective [its unit]; None: not bounded.
        own_kw, load_kw, it_kw, grid_non_green, price_per_kwh, marginal
        flexible_share, it_capacity_kw, battery
            New values of `DispatchSite`'s fields: one value for the only site, or a mapping by site id.

        Returns
        -------
        Dispatch

        Raises
        ------
        features.errors.UsageError
            ``E-DISPATCH-INPUT``.
        features.errors.PlanError
            As `dispatch`; ``E-DISPATCH-AT-MOST``: the bound cannot be kept, the message says what can.
        """
        began = time.perf_counter()
        self._change(
            own_kw=own_kw, load_kw=load_kw, it_kw=it_kw, grid_non_green=grid_non_green,
            price_per_kwh=price_per_kwh, marginal=marginal, flexible_share=flexible_share,
            it_capacity_kw=it_capacity_kw, battery=battery,
        )  # fmt: skip
        for site in self._sites.values():
            check_capacity(site, self._setting)
        money = (objective, self._setting.limited, *(t.measure for t in self._setting.targets))
        if self._setting.options and "cost" not in money:
            raise UsageError(
                "E-DISPATCH-INPUT",
                say("options are free without cost as objective or limit"),
                "DispatchModel",
            )
        if at_most is not None and self._setting.limited is None:
            raise UsageError("E-DISPATCH-INPUT", say("at_most needs a model with 'limited'"), "DispatchModel")
        done = _Assembled(self._setting)
        for group in self._groups():
            sites = [self._sites[name] for name in group]
            raw, columns = self._raw(group, sites, objective, at_most)
            done.add(sites, raw, columns, objective)
        return done.dispatch(tuple(self._sites), objective, began)

    # -- inside ----------------------------------------------------------------------------------
    def _change(self, **changes: object) -> None:
        for name, new in changes.items():
            if new is None:
                continue
            by_site = new if isinstance(new, Mapping) else dict.fromkeys(self._sites, new)
            if not isinstance(new, Mapping) and len(self._sites) > 1:
                raise UsageError(
                    "E-DISPATCH-INPUT",
                    say("{name} needs a mapping by site id: there are several sites", name=name),
                    "DispatchModel.solve",
                )
            for site_id, value in by_site.items():
                if site_id not in self._sites:
                    raise UsageError("E-DISPATCH-INPUT", say("there is no site {site}", site=site_id), name)
                fields: dict[str, Any] = {name: value}
                self._sites[site_id] = replace(self._sites[site_id], **fields)

    def _groups(self) -> list[tuple[str, ...]]:
        """Return which sites must be solved together."""
        setting = self._setting
        everywhere = any(t.site_ids is None for t in setting.targets) or any(
            o.site_id is None for o in setting.options
        )
        if setting.limited is not None or everywhere:
            return [tuple(self._sites)]
        links = [e.site_ids for e in setting.exchanges] + [c.site_ids for c in setting.classes]
        links += [t.site_ids for t in setting.targets if t.site_ids is not None]
        return linked(self._sites, links)

    def _alone(self, site: DispatchSite) -> bool:
        """Whether nothing can be decided at the site."""
        setting = self._setting
        named = {*(o.site_id for o in setting.options), *(i for c in setting.classes for i in c.site_ids)}
        named |= {i for t in setting.targets for i in t.site_ids or ()}
        return setting.limited is None and site.site_id not in named and not is_free(site)

    def _raw(
        self, group: tuple[str, ...], sites: list[DispatchSite], objective: Objective, at_most: float | None
    ) -> tuple[Raw, int]:
        if len(sites) == 1 and self._alone(sites[0]) and not self._setting.targets:
            return direct(sites[0], objective, self._setting), 0
        block = self._blocks.get(group)
        if block is None or not block.fits(sites):
            block = self._blocks[group] = Block(sites, self._setting)
        raw = block.solve(sites, objective, at_most)
        if raw is None:
            raise explain(block, sites, self._setting, at_most)
        return raw, block.shape[1]


@dataclass
class _Assembled:
    """Solved groups on their way to one plan."""

    setting: Setting
    plans: dict[str, SiteDispatch] = field(default_factory=dict)
    work: dict[str, dict[str, FloatArray]] = field(default_factory=dict)
    sizes: dict[str, float] = field(default_factory=dict)
    value: float = 0.0
    bound: float = 0.0
    size: int = 0
    steps: int = 0
    pieces: int = 0
    rounds: int = 0

    def add(self, sites: list[DispatchSite], raw: Raw, columns: int, objective: Objective) -> None:
        """Add a solved group."""
        for site, part in zip(sites, raw.columns, strict=True):
            stands = built(site, self.setting.options, raw.sizes)
            classes = Classes.at(site, raw, self.setting)
            self.plans[site.site_id] = site_plan(stands, part, objective, self.setting, classes)
        self.work |= raw.work
        self.sizes |= raw.sizes
        self.value, self.bound = self.value + raw.value, self.bound + raw.bound
        self.size, self.steps = self.size + columns, self.steps + raw.iterations
        if raw.rounds:
            self.pieces, self.rounds = self.pieces + raw.pieces, max(self.rounds, raw.rounds)

    def dispatch(self, names: tuple[str, ...], objective: Objective, began: float) -> Dispatch:
        """Return the plan, sites in the order given."""
        sites = {name: self.plans[name] for name in names}
        totals = added([p.totals for p in sites.values()])
        invested = sum(o.cost_per_unit * self.sizes.get(o.name, 0.0) for o in self.setting.options)
        reached = float(getattr(totals, objective)) + (invested if objective == "cost" else 0.0)
        method = f"HiGHS {VERSION}, linear programme of {self.size} columns, {self.steps} iterations"
        if self.rounds:
            method += f", in {self.pieces} pieces (Dantzig-Wolfe, {self.rounds} rounds)"
        gap = _gap(reached, self.bound)
        status: Literal["optimal", "within gap"] = "within gap" if self.rounds and gap > GAP else "optimal"
        report = SolverReport(
            status, method, time.perf_counter() - began, gap=gap, evaluated=self.steps,
        )  # fmt: skip
        return Dispatch(sites, totals, report, self.work, self.sizes, invested)


def _gap(value: float, bound: float) -> float:
    """Return how far the plan may be from the optimum, as a share of its value [1]."""
    return max(value - bound, 0.0) / max(abs(value), 1e-9) if value != bound else 0.0
