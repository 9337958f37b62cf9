r"""The linear programme of a dispatch: what one site adds to it.

For every site and step t of h hours, with g bought, c taken in and d delivered by the battery, o work that
leaves, i work that arrives, x work that arrives from another site at a cost, y work of classes, m facility
kWh per kWh of work, tau energy of a transfer, s what retrofits save,
u = load + m (i + x - o) + tau x + (m + tau) y - s - g - d + c the own production used::

    0 <= u <= own + sum size profile                 balance; own production may be left unused, never burnt
    d <= load + m (i + x - o) + ...                  a battery serves the load only; and, where it may not
    c <= u                                           charge from the grid, takes own production only
    soc_t = soc_{t-1} + h (eta_c c - d / eta_d)      reserve <= soc <= energy
    sum_day (o - i) = sent to other sites            work is conserved within the local day
    i + x + y - o <= capacity - work,  o <= flexible share   per step
    g <= peak of the billing period                  where the peak is priced

Where cost is minimised or bounded and a purchase is paid for, batteries do not deliver: one that charges and
delivers at once would be worth the energy that it loses.
u is eliminated: a purchase is the load that nothing else covers. Among equal optima a tie-break of
`TIE_BREAK` times the largest weight prefers little movement and little battery use.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from advisor.assets import Battery
from advisor.dispatch_site import DispatchSite, IntArray, Objective, Setting
from advisor.lp import Bounds, Lp
from features.errors import PlanError
from features.frame import FloatArray
from features.message import say

TIE_BREAK = 1e-5
"""Weight of a moved or delivered kWh against the largest weight of a purchased one [1]."""
Sum: TypeAlias = Objective | Literal["load_kwh", "certified_kwh"]
"""What a row or an objective may add up; the last two only inside targets."""


def weights(site: DispatchSite, objective: Sum, hours: float) -> FloatArray:
    """Return what a purchased kW in a step adds to a sum [its unit per kW]."""
    if objective == "cost":
        return hours * _declared(site.price_per_kwh, site, "E-DISPATCH-PRICE", _NO_PRICE)
    if objective == "carbon_kg":
        return hours / 1000.0 * _declared(site.carbon_g_per_kwh, site, "E-DISPATCH-CARBON", _NO_CARBON)
    if objective == "non_green_kwh":
        return hours * site.grid_non_green
    if objective == "grid_kwh":
        return np.full_like(site.load_kw, hours)
    return np.zeros_like(site.load_kw)


def work_weights(site: DispatchSite, objective: Sum, hours: float) -> FloatArray:
    """Return what a kW of work done in a step adds to a sum besides its purchase [its unit per kW]."""
    if objective == "water_m3":
        return hours * _declared(site.water_m3_per_kwh, site, "E-DISPATCH-WATER", _NO_WATER)
    if objective == "load_kwh":
        return hours * site.facility_per_work
    return np.zeros_like(site.load_kw)


_NO_PRICE = (
    say("there is no price of energy"),
    say("declare [tariff] in site.toml or give price_per_kwh in the grid file"),
)
_NO_CARBON = (
    say("there is no emission factor of the grid"),
    say("declare [carbon] in site.toml or give carbon_g_per_kwh in the grid file"),
)
_NO_WATER = (say("there is no water meter"), say("export water_m3, or choose another objective"))


def _declared(values: FloatArray | None, site: DispatchSite, code: str, words: tuple[str, str]) -> FloatArray:
    if values is None:
        raise PlanError(code, words[0], site.site_id, words[1])
    return values


def signature(site: DispatchSite) -> tuple[object, ...]:
    """Return what the matrix depends on; everything else changes only bounds and costs."""
    b = site.battery
    battery = None if b is None else (b.charge_efficiency, b.discharge_efficiency, b.grid_charging)
    day = None if site.day is None else site.day.tobytes()
    peak = None if site.peak is None else site.peak.period.tobytes()
    return (len(site.load_kw), battery, site.flexible_share > 0, site.facility_per_work.tobytes(), day, peak)


def room(site: DispatchSite, others: FloatArray | float = 0.0) -> FloatArray:
    """Return how much more work fits into each step beside what ``others`` leave [kW]."""
    return np.maximum(site.it_capacity_kw - site.work_kw + others, 0.0)


class SitePart:
    """Columns and rows of one site.

    Parameters
    ----------
    lp : Lp
    site : DispatchSite
    setting : Setting
    hubs : list of int
        Exchanges that the site takes part in.
    classes_kw : numpy.ndarray, shape (n,)
        Work of classes that arrives here, inside the site's work [kW].
    class_most_kw : numpy.ndarray, shape (n,)
        Most work of classes that may be done here [kW].
    hosting : bool
        Whether any class may be done here.
    growing : bool
        Whether generation may be added.
    """

    def __init__(
        self, lp: Lp, site: DispatchSite, setting: Setting, hubs: list[int], classes_kw: FloatArray,
        class_most_kw: FloatArray, *, hosting: bool, growing: bool,
    ) -> None:  # fmt: skip
        self.site, self.setting, self.hubs = site, setting, hubs
        self.classes_kw, self.class_most_kw = classes_kw, class_most_kw
        self.n, self.day = len(site.load_kw), setting.day_of(site)
        self.first: dict[str, int] = {}
        self.sent: dict[int, int] = {}
        self.from_others: dict[int, int] = {}
        self.row: dict[str, int] = {}
        self._lp, self._hosting, self._growing = lp, hosting, growing
        self._place()
        self._rows()

    @property
    def days(self) -> int:
        """Local days of the window."""
        return int(self.day.max()) + 1

    @property
    def battery(self) -> Battery:
        """The battery; only where there is one."""
        if self.site.battery is None:
            raise ValueError(f"{self.site.site_id} has no battery")
        return self.site.battery

    @property
    def flexible_kw(self) -> FloatArray:
        """Work that may leave each step by the site's flexible share [kW]."""
        return self.site.flexible_share * (self.site.work_kw - self.classes_kw) * self.site.open

    @property
    def _crowded(self) -> bool:
        return bool(self.from_others) or self._hosting

    # -- structure -------------------------------------------------------------------------------
    def _place(self) -> None:
        def take(*names: str) -> None:
            self.first |= {name: self._lp.columns(self.n) for name in names}

        take("grid")
        if self.site.flexible_share > 0 or self.hubs:
            take("out", "into")
        if self.site.battery is not None:
            take("charge", "discharge", "soc")
        for h in self.hubs:
            self.sent[h] = self._lp.columns(self.days)
            if not self.setting.exchanges[h].free:
                self.from_others[h] = self._lp.columns(self.n)
        if self.site.peak is not None:
            self.first["peak"] = self._lp.columns(len(self.site.peak.price_per_kw))

    def _rows(self) -> None:
        lp, t, first = self._lp, np.arange(self.n), self.first
        self._consuming: list[int] = []

        def consuming(name: str, *, bought: bool = True) -> int:
            self.row[name] = row = lp.rows(self.n)
            self._consuming.append(row)
            if bought:
                lp.add(row + t, first["grid"] + t, 1.0)
            if "discharge" in first:
                lp.add(row + t, first["discharge"] + t, 1.0)
            return row

        balance = [consuming("balance")]
        if self._growing:
            balance.append(consuming("produced"))
        battery = self.site.battery
        if battery is not None:
            for row in balance:
                lp.add(row + t, first["charge"] + t, -1.0)
            consuming("served", bought=not battery.grid_charging)
            self._level_rows()
        m = self.site.facility_per_work
        if "out" in first:
            self.draws(t, first["out"] + t, -m)
            self.draws(t, first["into"] + t, m)
            self._day_rows()
        for h, x in self.from_others.items():
            self.draws(t, x + t, m + self.setting.exchanges[h].transfer_kwh_per_kwh)
        if self._crowded:
            self._capacity_rows()
        if self.site.peak is not None:
            self.row["peak"] = row = lp.rows(self.n)
            lp.add(row + t, first["grid"] + t, 1.0)
            lp.add(row + t, first["peak"] + self.site.peak.period, -1.0)

    def _level_rows(self) -> None:
        lp, t, first, h, b = self._lp, np.arange(self.n), self.first, self.setting.hours, self.battery
        self.row["level"] = row = lp.rows(self.n)
        lp.add(row + t, first["soc"] + t, 1.0)
        lp.add(row + t[1:], first["soc"] + t[:-1], -1.0)
        lp.add(row + t, first["charge"] + t, -h * b.charge_efficiency)
        lp.add(row + t, first["discharge"] + t, h / b.discharge_efficiency)

    def _day_rows(self) -> None:
        lp, t, days = self._lp, np.arange(self.n), np.arange(self.days)
        self.row["day"] = row = lp.rows(self.days)
        lp.add(row + self.day, self.first["out"] + t, 1.0)
        lp.add(row + self.day, self.first["into"] + t, -1.0)
        for sent in self.sent.values():
            lp.add(row + days, sent + days, -1.0)

    def _capacity_rows(self) -> None:
        lp, t = self._lp, np.arange(self.n)
        self.row["capacity"] = row = lp.rows(self.n)
        for x in self.from_others.values():
            lp.add(row + t, x + t, 1.0)
        if "out" in self.first:
            lp.add(row + t, self.first["into"] + t, 1.0)
            if self._hosting:
                lp.add(row + t, self.first["out"] + t, -1.0)

    def draws(self, steps: IntArray, columns: IntArray, kw: FloatArray | float) -> None:
        """Let columns draw facility power in steps [kW per unit]."""
        for row in self._consuming:
            self._lp.add(row + steps, columns, -np.asarray(kw))

    def occupies(self, steps: IntArray, columns: IntArray, kw: FloatArray | float) -> None:
        """Let columns take IT capacity in steps [kW per unit]."""
        self._lp.add(self.row["capacity"] + steps, columns, kw)

    def produces(self, column: int, profile: FloatArray) -> None:
        """Let a column add own production [kW per unit]."""
        self._lp.add(self.row["produced"] + np.arange(self.n), column, profile)

    # -- numbers ---------------------------------------------------------------------------------
    def costs(self, vector: FloatArray, objective: Sum) -> None:
        """Add what the site's columns contribute to a sum."""
        n, hours, site = self.n, self.setting.hours, self.site
        vector[self.first["grid"] :][:n] += weights(site, objective, hours)
        moved = work_weights(site, objective, hours)
        for name, sign in (("out", -1.0), ("into", 1.0)):
            if name in self.first:
                vector[self.first[name] :][:n] += sign * moved
        if objective == "effort_kwh":
            for name in ("out", "discharge"):
                if name in self.first:
                    vector[self.first[name] :][:n] += hours
        if objective == "cost":
            if site.battery is not None:
                vector[self.first["discharge"] :][:n] += hours * site.battery.cycle_cost_per_kwh
            if site.peak is not None:
                vector[self.first["peak"] :][: len(site.peak.price_per_kw)] += site.peak.price_per_kw
        for h, x in self.from_others.items():
            vector[x:][:n] += moved + self._moving(h, objective)

    def _moving(self, h: int, objective: Sum) -> FloatArray | float:
        """Return what work that comes over an exchange adds besides its load [unit per kW]."""
        exchange, hours = self.setting.exchanges[h], self.setting.hours
        if objective == "cost":
            # a purchase that is paid for must not make a transfer worth its energy
            paid = np.maximum(-weights(self.site, "cost", hours), 0.0)
            return hours * exchange.transfer_price_per_kwh + paid * exchange.transfer_kwh_per_kwh
        if objective == "load_kwh":
            return hours * exchange.transfer_kwh_per_kwh
        return 0.0

    def constant(self, objective: Sum) -> float:
        """Return what the site adds to a sum whatever is planned."""
        site, hours = self.site, self.setting.hours
        if objective == "water_m3" and site.water_m3 is not None:
            return float(site.water_m3.sum() - work_weights(site, "water_m3", hours) @ self.classes_kw)
        if objective == "load_kwh":
            return hours * float((site.load_kw - site.facility_per_work * self.classes_kw).sum())
        return 0.0

    def tie_break(self, vector: FloatArray) -> None:
        """Add the weights that choose among equal optima."""
        vector[self.first["grid"] :][: self.n] += 0.2  # own production before a purchase that weighs nothing
        for name in ("out", "discharge"):
            if name in self.first:
                vector[self.first[name] :][: self.n] += 1.0
        for x in self.from_others.values():
            vector[x:][: self.n] += 0.5

    def bounds(self, at: Bounds, of_day: FloatArray, extra_kw: FloatArray, *, money: bool) -> None:
        """Set the bounds of the site's columns and rows.

        Parameters
        ----------
        at : Bounds
        of_day : numpy.ndarray, shape (days,)
            Flexible work of each day that may reach the site [kW summed over steps].
        extra_kw : numpy.ndarray, shape (n,)
            Most that options may add to what the battery takes in [kW].
        money : bool
            Whether cost is minimised or bounded.
        """
        site, n = self.site, self.n
        most = self._work_bounds(at, of_day)
        if site.battery is not None:
            self._battery_bounds(at, most, extra_kw, money=money)
            most += site.battery.power_kw + extra_kw
        if site.grid_max_kw is not None:
            most = np.minimum(most, site.grid_max_kw)
        at.columns(self.first["grid"], 0.0, most, n)
        fixed = site.load_kw - site.facility_per_work * self.classes_kw
        at.rows(self.row["balance"], -np.inf if self._growing else fixed - site.own_kw, fixed, n)
        if self._growing:
            at.rows(self.row["produced"], fixed - site.own_kw, np.inf, n)
        if site.battery is not None:
            at.rows(self.row["served"], -np.inf, fixed, n)
        if "out" in self.first:
            at.rows(self.row["day"], 0.0, 0.0, self.days)
        if self._crowded:
            free = site.it_capacity_kw - site.work_kw + self.classes_kw
            leaving = self.flexible_kw if self._hosting else 0.0
            at.rows(self.row["capacity"], -np.inf, np.where(site.open, np.maximum(free, -leaving), 0.0), n)
        if site.peak is not None:
            at.rows(self.row["peak"], -np.inf, 0.0, n)
            at.columns(self.first["peak"], 0.0, float(most.max()), len(site.peak.price_per_kw))

    def _work_bounds(self, at: Bounds, of_day: FloatArray) -> FloatArray:
        """Set the bounds of flexible work; return the most that the load may be [kW]."""
        site, n, open_ = self.site, self.n, self.site.open
        most = site.load_kw.copy()  # finite bounds everywhere make the dual bound finite
        rate = max((self.setting.exchanges[h].transfer_kwh_per_kwh for h in self.hubs), default=0.0)
        dearest = max([rate, *(p.transfer_kwh_per_kwh for c in self.setting.classes for p in c.places)])
        most += (site.facility_per_work + dearest) * self.class_most_kw
        if "out" not in self.first:
            return most
        leaving = self.flexible_kw
        arriving = np.where(open_, np.minimum(room(site, self.classes_kw), of_day[self.day]), 0.0)
        stuck = np.minimum(leaving, np.maximum(site.work_kw - site.it_capacity_kw, 0))
        at.columns(self.first["out"], 0.0 if self._hosting else stuck, leaving, n)
        at.columns(self.first["into"], 0.0, arriving, n)
        most += site.facility_per_work * arriving
        for h, sent in self.sent.items():
            exchange = self.setting.exchanges[h]
            at.columns(sent, -of_day if exchange.free else 0.0, of_day, self.days)
            if h in self.from_others:
                at.columns(self.from_others[h], 0.0, arriving, n)
                most += (site.facility_per_work + exchange.transfer_kwh_per_kwh) * arriving
        return most

    def _battery_bounds(self, at: Bounds, most: FloatArray, extra_kw: FloatArray, *, money: bool) -> None:
        site, b, n, start = self.site, self.battery, self.n, self.setting.start_kwh(self.site)
        power = (b.power_kw + extra_kw) * site.open
        delivering = np.minimum(power, most)  # never more than is used
        if money:
            # charging and delivering at once would burn energy that somebody pays to get rid of
            delivering = np.where(weights(site, "cost", 1.0) < 0, 0.0, delivering)
        at.columns(self.first["charge"], 0.0, power, n)
        at.columns(self.first["discharge"], 0.0, delivering, n)
        at.columns(self.first["soc"], site.reserve_kwh(self.setting.hours), b.energy_kwh, n)
        if self.setting.battery_end == "as-started":
            at.lower[self.first["soc"] + n - 1] = max(start, at.lower[self.first["soc"] + n - 1])
        state = np.zeros(n)
        state[0] = start
        at.rows(self.row["level"], state, state, n)

    def read(self, x: FloatArray) -> dict[str, FloatArray]:
        """Return the site's columns by name; work over exchange h as ``exchange{h}``."""
        named = {k: v for k, v in self.first.items() if k != "peak"}
        named |= {f"exchange{h}": first for h, first in self.from_others.items()}
        return {name: x[first : first + self.n] for name, first in named.items()}
