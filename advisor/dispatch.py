"""Dispatch: work in time and space, batteries and own production on the least non-green energy.

One linear programme (`advisor.dispatch_lp`). The objective is energy, not a share: a share could be raised by
burning surplus, a kWh that is not bought cannot. `advisor.dispatch_verify` re-checks every plan with code
that shares nothing with this one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar

import numpy as np

from advisor.assets import Battery
from advisor.dispatch_lp import TIE_BREAK, VERSION, Block, Raw
from advisor.dispatch_read import as_it_is, direct, is_free, site_plan
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
    added,
)
from advisor.plan import SolverReport
from features.errors import PlanError, UsageError
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
    ) -> None:
        self._sites = {s.site_id: s for s in sites}
        _check(sites, day, hours, battery_start)
        if between_sites and exchanges is None:
            exchanges = (Exchange(tuple(self._sites)),)
        self._setting = Setting(
            np.asarray(day, dtype=np.int64), hours, tuple(exchanges or ()) if between_sites else (),
            battery_start, battery_end, limited,
        )  # fmt: skip
        _check_exchanges(self._sites, self._setting)
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
            _check_capacity(site)
        if at_most is not None and self._setting.limited is None:
            raise UsageError("E-DISPATCH-INPUT", say("at_most needs a model with 'limited'"), "DispatchModel")
        plans, value, bound, size, steps = {}, 0.0, 0.0, 0, 0
        for group in self._groups():
            sites = [self._sites[name] for name in group]
            raw, columns = self._raw(group, sites, objective, at_most)
            for site, part in zip(sites, raw.columns, strict=True):
                plans[site.site_id] = site_plan(site, part, objective, self._setting)
            value, bound = value + raw.value, bound + raw.bound
            size, steps = size + columns, steps + raw.iterations
        done = {name: plans[name] for name in self._sites}
        totals = added([p.totals for p in done.values()])
        method = f"HiGHS {VERSION}, linear programme of {size} columns, {steps} iterations"
        seconds = time.perf_counter() - began
        gap = _gap(float(getattr(totals, objective)), bound)
        return Dispatch(done, totals, SolverReport("optimal", method, seconds, gap=gap, evaluated=steps))

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
        if self._setting.limited is not None:
            return [tuple(self._sites)]
        linked = {name: {name} for name in self._sites}
        for exchange in self._setting.exchanges:
            together = set().union(*(linked[name] for name in exchange.site_ids))
            for name in together:
                linked[name] = together
        return list(dict.fromkeys(tuple(n for n in self._sites if n in linked[name]) for name in self._sites))

    def _raw(
        self, group: tuple[str, ...], sites: list[DispatchSite], objective: Objective, at_most: float | None
    ) -> tuple[Raw, int]:
        if len(sites) == 1 and self._setting.limited is None and not is_free(sites[0]):
            return direct(sites[0], objective, self._setting), 0
        block = self._blocks.get(group)
        if block is None or not block.fits(sites):
            block = self._blocks[group] = Block(sites, self._setting)
        raw = block.solve(sites, objective, at_most)
        if raw is None:
            raise self._infeasible(block, sites, at_most)
        return raw, block.shape[1]

    def _infeasible(self, block: Block, sites: list[DispatchSite], at_most: float | None) -> PlanError:
        limited = self._setting.limited
        least = None if limited is None or at_most is None else block.solve(sites, limited)
        if least is not None:
            return PlanError(
                "E-DISPATCH-AT-MOST",
                say("{name} cannot be kept at most {bound:g}", name=limited, bound=at_most),
                ", ".join(s.site_id for s in sites),
                say("the least that can be reached is {least:g}", least=least.value),
            )  # fmt: skip
        crowded = [s for s in sites if (s.work_kw > s.it_capacity_kw).any()]
        names = ", ".join(s.site_id for s in crowded or sites)
        return PlanError(
            "E-DISPATCH-CAPACITY", say("the day's work does not fit into it_capacity_kw"), names,
            say("declare the true capacity, or let work move to a site with room"),
        )  # fmt: skip


def _gap(value: float, bound: float) -> float:
    """Return how far the plan may be from the optimum, as a share of its value [1]."""
    return max(value - bound, 0.0) / max(abs(value), 1e-9) if value != bound else 0.0


# -- checks ----------------------------------------------------------------------------------------
def _check(sites: Sequence[DispatchSite], day: IntArray, hours: float, battery_start: float) -> None:
    ids = [s.site_id for s in sites]
    problems = {
        "there are no sites": not ids,
        "a site id stands twice": len(set(ids)) != len(ids),
        f"a step lasts {hours} h": not (np.isfinite(hours) and hours > 0),
        "day has another length than the sites": any(len(s.load_kw) != len(day) for s in sites),
        "there are no steps": len(day) == 0,
        f"battery_start is {battery_start}": not 0 <= battery_start <= 1,
    }
    for what, wrong in problems.items():
        if wrong:
            raise UsageError("E-DISPATCH-INPUT", what, ", ".join(ids[:5]), say("correct the call"))


def _check_exchanges(sites: Mapping[str, DispatchSite], setting: Setting) -> None:
    for exchange in setting.exchanges:
        unknown = [i for i in exchange.site_ids if i not in sites]
        if unknown or len(set(exchange.site_ids)) != len(exchange.site_ids):
            raise UsageError(
                "E-DISPATCH-INPUT", say("an exchange names {sites}", sites=exchange.site_ids), "exchanges"
            )
        days = {setting.day_of(sites[i]).tobytes() for i in exchange.site_ids}
        if len(days) > 1:
            raise UsageError(
                "E-DISPATCH-INPUT", say("sites that exchange work need the same days"),
                ", ".join(exchange.site_ids), say("declare one time_zone for the portfolio's days"),
            )  # fmt: skip


def _check_capacity(site: DispatchSite) -> None:
    """Refuse work that exceeds the capacity and may not leave its step."""
    above = site.work_kw - site.it_capacity_kw - site.flexible_share * site.work_kw
    stuck = np.where(site.open, above, -np.inf)
    tolerance = 1e-9 * max(float(site.work_kw.max()), 1.0)
    if (stuck > tolerance).any():
        at = int(np.argmax(stuck))
        raise PlanError(
            "E-DISPATCH-CAPACITY",
            say(
                "work of {work:.6g} kW exceeds it_capacity_kw {capacity:.6g}, and only {share:.0%} of it may "
                "leave",
                work=site.work_kw[at], capacity=site.it_capacity_kw, share=site.flexible_share,
            ),
            f"{site.site_id}, step {at}", say("declare the true capacity or a larger flexible share"),
        )  # fmt: skip
