"""Where a scenario's energy comes from: own generation, battery, moved work, and the grid for the rest."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np

from advisor.assets import Battery
from advisor.dispatch import DispatchModel
from advisor.dispatch_site import DispatchSite, IntArray, SiteDispatch
from advisor.plan import Totals
from advisor.site import Site
from features.frame import FloatArray

KEPT = 32
"""Dispatches kept for a slider that comes back."""


@dataclass(frozen=True)
class Assets:
    """Size of what feeds the site, and how freely its work moves.

    ``pv_kw_peak`` [kW], ``battery_kwh`` [kWh], ``flexible_share`` [1].
    """

    pv_kw_peak: float = 0.0
    battery_kwh: float = 0.0
    flexible_share: float = 0.0


@dataclass(frozen=True)
class Demand:
    """What a scenario draws before anything is moved or stored.

    ``load_kw``, ``it_kw`` [kW], shape (n,), fully measured steps only; ``key`` names the scenario.
    """

    key: tuple[float, ...]
    load_kw: FloatArray
    it_kw: FloatArray


@dataclass(frozen=True)
class Drawn:
    """What a scenario draws and buys.

    ``load_kw`` after moving work, ``bought_kw`` [kW], shape (n,); ``lost_kwh`` in the battery, ``moved_kwh``
    of IT work that left its step, ``spilled_kwh`` of own production not used; ``peak_it_kw`` [kW].
    """

    load_kw: FloatArray
    bought_kw: FloatArray
    totals: Totals
    lost_kwh: float
    moved_kwh: float
    spilled_kwh: float
    peak_it_kw: float


@dataclass
class Supply:
    """Feeds demands of one window.

    Parameters
    ----------
    site : Site
        Tariff, factors, battery and workload as declared.
    hours : float
        Length of a step [h].
    day : numpy.ndarray of int, shape (n,)
        Local day of each step: moved work returns within it.
    own_now_kw : numpy.ndarray or None, shape (n,)
        Own generation as it stands [kW].
    own_per_kw : numpy.ndarray or None, shape (n,)
        Own generation per kW of peak [1]; None: no shape is known.
    marginal : float
        Facility kWh per kWh of moved IT work [1].
    """

    site: Site
    hours: float
    day: IntArray
    own_now_kw: FloatArray | None
    own_per_kw: FloatArray | None
    marginal: float = 1.0
    _known: OrderedDict[tuple[object, ...], Drawn] = field(default_factory=OrderedDict)
    _models: dict[tuple[bool, bool], DispatchModel] = field(default_factory=dict)

    @property
    def now(self) -> Assets:
        """What stands: no work is moved."""
        peak = self.site.pv.kw_peak if self.site.pv else 0.0
        return Assets(peak, self.site.battery.energy_kwh if self.site.battery else 0.0)

    def feed(self, demand: Demand, assets: Assets) -> Drawn:
        """Return what the demand draws and buys with these assets, on the least non-green energy.

        The whole window is known in advance, so what moved work and batteries gain is the most that they
        can. Without a declared green share the least purchase is sought.
        """
        key = (demand.key, assets)
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        drawn = self._known[key] = self._feed(demand, assets)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return drawn

    def own_kw(self, pv_kw_peak: float, steps: int) -> FloatArray:
        """Return own generation of that peak power [kW]."""
        if pv_kw_peak == self.now.pv_kw_peak and self.own_now_kw is not None:
            return self.own_now_kw
        return np.zeros(steps) if self.own_per_kw is None else self.own_per_kw * pv_kw_peak

    def battery(self, energy_kwh: float) -> Battery | None:
        """Return the declared battery at another size, power in proportion; None at size zero."""
        declared = self.site.battery
        if declared is None or energy_kwh <= 0 or declared.energy_kwh <= 0:
            return None
        scale = energy_kwh / declared.energy_kwh
        changed = {"energy_kwh": energy_kwh, "power_kw": declared.power_kw * scale}
        return declared.model_copy(update={**changed, "reserve_kwh": min(declared.reserve_kwh, energy_kwh)})

    def _feed(self, demand: Demand, assets: Assets) -> Drawn:
        own = self.own_kw(assets.pv_kw_peak, len(demand.load_kw))
        battery = self.battery(assets.battery_kwh)
        if battery is None and assets.flexible_share == 0:
            bought = np.maximum(demand.load_kw - own, 0.0)
            spilled = float(np.maximum(own - demand.load_kw, 0.0).sum()) * self.hours
            return self._drawn(demand, demand.load_kw, bought, (0.0, 0.0, spilled), float(demand.it_kw.max()))
        plan = self._plan(demand, own, battery, assets.flexible_share)
        inside = float((plan.charge_kw - plan.discharge_kw).sum()) * self.hours
        stored = float(plan.soc_kwh[-1] - self._start_kwh(battery)) if battery else 0.0
        return self._drawn(
            demand,
            plan.load_kw,
            plan.grid_kw,
            (max(inside - stored, 0.0), plan.totals.moved_kwh, plan.totals.spilled_kwh),
            float(plan.work_kw.max()),
        )

    @staticmethod
    def _start_kwh(battery: Battery) -> float:
        return (battery.reserve_kwh + battery.energy_kwh) / 2

    def _plan(
        self, demand: Demand, own: FloatArray, battery: Battery | None, flexible: float
    ) -> SiteDispatch:
        n = len(demand.load_kw)
        green = self.site.green.grid_share if self.site.green else 0.0
        tariff, carbon, workload = self.site.tariff, self.site.carbon, self.site.workload
        # work beyond the declared capacity is a broken limit that the answer shows, not a dispatch to refuse
        capacity = max(workload.it_capacity_kw if workload else 0.0, float(demand.it_kw.max()))
        kind = (battery is not None, flexible > 0)
        if kind not in self._models:
            start = DispatchSite(
                self.site.id, demand.load_kw, own, np.full(n, 1.0 - green), demand.it_kw,
                np.full(n, self.marginal), flexible, capacity, battery,
                None if tariff is None else np.full(n, tariff.energy_per_kwh),
                None if carbon is None else np.full(n, 1000 * carbon.factor_kg_per_kwh),
            )  # fmt: skip
            self._models[kind] = DispatchModel((start,), self.day, self.hours)
        done = self._models[kind].solve(
            objective="grid_kwh", load_kw=demand.load_kw, it_kw=demand.it_kw, own_kw=own,
            flexible_share=flexible, it_capacity_kw=capacity, battery=battery,
        )  # fmt: skip
        return done.sites[self.site.id]

    def _drawn(
        self,
        demand: Demand,
        load: FloatArray,
        bought: FloatArray,
        sums: tuple[float, float, float],
        peak: float,
    ) -> Drawn:
        energy, grid = float(load.sum()) * self.hours, float(bought.sum()) * self.hours
        site = self.site
        non_green = None if site.green is None else grid * (1 - site.green.grid_share)
        totals = Totals(
            energy_kwh=energy,
            non_green_kwh=non_green,
            cost=None if site.tariff is None else grid * site.tariff.energy_per_kwh,
            carbon_kg=None if site.carbon is None else grid * site.carbon.factor_kg_per_kwh,
            pue=energy / (float(demand.it_kw.sum()) * self.hours),
            green_share=None if non_green is None else 1 - non_green / energy,
        )
        return Drawn(load, bought, totals, *sums, peak)
