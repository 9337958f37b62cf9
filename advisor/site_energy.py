"""Energy of one data centre under any set of actions: set-points, servers, photovoltaics, storage, work.

Set-points and servers change what the facility draws: the second model of the site scores them together,
so heat that leaner servers no longer give off is not cooled twice. Photovoltaics, battery and moved work
change where the energy comes from; they are scored on the facility power that the others leave.
Nothing here needs to know the future: the battery stores surplus and gives it back as soon as there is a
deficit, and moved work follows the pattern of the day before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np
import pandas as pd

from advisor.assets import Battery
from advisor.combine import Outcome
from advisor.dispatch import dispatch
from advisor.dispatch_site import DispatchSite, IntArray, Objective
from advisor.marginal import Marginal
from advisor.plan import Z90, Interval, Totals
from features.frame import FloatArray
from features.operation import Operation
from models.site_scorer import Anchor, Held, SiteScorer

DRAWS = 200
ASSETS = ("pv", "battery", "shift")
"""Actions that change where the energy comes from, not what the servers or the cooling need."""


@dataclass(frozen=True)
class Grid:
    """What a purchased kWh is, per step, shape (n,); None where unknown.

    ``non_green`` [1], ``price_per_kwh`` [currency/kWh], ``carbon_kg_per_kwh`` [kg/kWh].
    """

    non_green: FloatArray | None
    price_per_kwh: FloatArray | None
    carbon_kg_per_kwh: FloatArray | None

    def priced(self) -> dict[str, FloatArray]:
        """Return quantity -> its amount per purchased kWh, where known."""
        known = {
            "non_green_kwh": self.non_green,
            "cost": self.price_per_kwh,
            "carbon_kg": self.carbon_kg_per_kwh,
        }
        return {name: values for name, values in known.items() if values is not None}


@dataclass(frozen=True)
class Levers:
    """The set-points that may be moved.

    ``current`` and ``planned``: lever -> set-points [degC], shape (n,); ``quarrel_pct``: by how much the
    proposing and the scoring model differ on the whole move [% of facility energy].
    """

    current: dict[str, FloatArray]
    planned: dict[str, FloatArray]
    quarrel_pct: float = 0.0


@dataclass(frozen=True)
class Supply:
    """What feeds the site besides the grid, and how freely its work moves.

    ``own_kw`` [kW], shape (n,), stands; ``added_kw`` [kW], shape (n,), could be built; ``battery`` stands;
    ``flexible_share`` [1] of the IT load within ``it_capacity_kw`` [kW].
    """

    own_kw: FloatArray
    added_kw: FloatArray | None = None
    battery: Battery | None = None
    flexible_share: float = 0.0
    it_capacity_kw: float = np.inf


@dataclass(frozen=True)
class Draw:
    """What the facility draws in one state.

    ``facility_kw``, ``it_kw`` [kW], shape (n,); ``deviation_kwh`` [kWh], shape (DRAWS,): how far the energy
    of each draw lies from the point; ``slope`` [1]: facility power per IT power saved.
    """

    facility_kw: FloatArray
    it_kw: FloatArray
    deviation_kwh: FloatArray
    slope: float


@dataclass(frozen=True)
class SiteEnergy:
    """Scores any set of actions at one site over the fully measured steps of a window.

    Action ids: ``set:<lever>``, the keys of ``servers``, and `ASSETS`.

    Parameters
    ----------
    window : Operation
        As measured, without gaps in its values.
    scorer : SiteScorer or None
        None: set-points cannot be scored, and the facility follows IT power by `marginal`.
    levers : Levers
    servers : dict
        Action id -> mean IT power that it saves [kW].
    supply : Supply
    grid : Grid
    day : numpy.ndarray of int, shape (n,)
        Local day of each step: moved work returns within it.
    marginal : Marginal or None
        Facility power per IT power [1]; needed where there is no scorer.
    seed : int
    """

    window: Operation
    scorer: SiteScorer | None
    levers: Levers
    servers: Mapping[str, Interval]
    supply: Supply
    grid: Grid
    day: IntArray
    marginal: Marginal | None = None
    seed: int = 0

    def outcome(self, done: frozenset[str]) -> Outcome:
        """Return where a set of actions leads."""
        draw = self._draw(done)
        load, bought = self._bought(done, draw)
        hours = self.window.hours
        energy = float(load.sum()) * hours
        draws = {"energy_kwh": energy + draw.deviation_kwh}
        sums: dict[str, float] = {}
        for name, per_kwh in self.grid.priced().items():
            sums[name] = float((bought * per_kwh).sum()) * hours
            # what the facility draws more or less is bought in the steps in which anything is bought
            marginal = float(per_kwh[bought > 0].sum()) / len(bought)
            draws[name] = sums[name] + draw.deviation_kwh * marginal + self._asset_deviation(name, done)
        non_green = sums.get("non_green_kwh")
        totals = Totals(
            energy_kwh=energy,
            non_green_kwh=non_green,
            cost=sums.get("cost"),
            carbon_kg=sums.get("carbon_kg"),
            pue=energy / (float(draw.it_kw.sum()) * hours),
            green_share=None if non_green is None else 1 - non_green / energy,
        )
        return Outcome(totals, draws)

    # -- what the facility draws ---------------------------------------------------------------
    def _draw(self, done: frozenset[str]) -> Draw:
        moved = {name for name in self.levers.planned if f"set:{name}" in done}
        less_kw = sum(saved.point for name, saved in self.servers.items() if name in done)
        facility, it_kw, deviation_kw, slope = self._scored(moved, less_kw)
        rng = np.random.default_rng(self.seed)
        quarrel = self.levers.quarrel_pct / 100 * len(moved) / max(len(self.levers.planned), 1)
        deviation_kw = deviation_kw + quarrel * float(facility.mean()) * rng.standard_normal(DRAWS)
        for name, saved in self.servers.items():  # each source of doubt has its own draws, done or not
            z = rng.standard_normal(DRAWS)
            if name in done:
                deviation_kw = deviation_kw - z * slope * (saved.upper - saved.lower) / 2 / Z90
        return Draw(facility, it_kw, deviation_kw * self.window.hours * len(facility), slope)

    def _scored(self, moved: set[str], less_kw: float) -> tuple[FloatArray, FloatArray, FloatArray, float]:
        """Return facility and IT power, deviations of the facility's mean [kW], facility per IT saved [1]."""
        window = self.window
        if self.scorer is None:
            if self.marginal is None:
                raise ValueError("without a second model a marginal is needed")
            low, slope, high = self.marginal.lower, self.marginal.point, self.marginal.upper
            z = np.random.default_rng(self.seed + 2).standard_normal(DRAWS)
            doubt = z * less_kw * (high - low) / 2 / Z90
            return window.facility_kw - slope * less_kw, window.it_kw - less_kw, doubt, slope
        anchor, before = self._anchor, self._held(frozenset(), 0.0)
        plain = self.scorer.compare(anchor, before, self._held(frozenset(moved), 0.0))
        # a fixed subset of the draws keeps every outcome aligned
        draws = plain.saving_kw_draws
        deviation = plain.saving_kw - draws[np.linspace(0, len(draws) - 1, DRAWS).astype(int)]
        if not less_kw:
            return plain.planned_kw, plain.planned_it_kw, deviation, 1.0
        leaner = self.scorer.compare(anchor, before, self._held(frozenset(moved), less_kw))
        less_it = float((plain.planned_it_kw - leaner.planned_it_kw).sum())
        slope = float((plain.planned_kw - leaner.planned_kw).sum()) / less_it
        return leaner.planned_kw, leaner.planned_it_kw, deviation, slope

    @cached_property
    def _anchor(self) -> Anchor:
        if self.scorer is None:
            raise ValueError("without a second model nothing is scored")
        return self.scorer.anchor(self.window)

    def _held(self, moved: frozenset[str], less_kw: float) -> Held:
        """Return the power with some set-points moved and so much less IT power [kW]; scored once each."""
        if self.scorer is None:
            raise ValueError("without a second model nothing is scored")
        known = self._known
        if (moved, less_kw) not in known:
            planned = {
                n: self.levers.planned[n] if n in moved else values
                for n, values in self.levers.current.items()
            }
            factor = 1.0 - less_kw / self.window.it_kw
            known[moved, less_kw] = self.scorer.hold(self._anchor, planned, it_factor=factor)
        return known[moved, less_kw]

    @cached_property
    def _known(self) -> dict[tuple[frozenset[str], float], Held]:
        return {}

    # -- where the energy comes from -----------------------------------------------------------
    def _bought(self, done: frozenset[str], draw: Draw) -> tuple[FloatArray, FloatArray]:
        """Return facility power and purchase [kW] after moving work and using the battery, shapes (n,)."""
        supply, load, own = self.supply, draw.facility_kw, self.supply.own_kw
        if "pv" in done and supply.added_kw is not None:
            own = own + supply.added_kw
        if "shift" in done:
            load = np.maximum(load + self._moved_as_yesterday(draw, own), 0.0)
        if "battery" not in done or supply.battery is None:
            return load, np.maximum(load - own, 0.0)
        return load, _with_battery(load - own, supply.battery, self.window.hours)

    def _moved_as_yesterday(self, draw: Draw, own: FloatArray) -> FloatArray:
        """Return the change of facility power [kW] when work moves as would have been best the day before."""
        supply, grid, it_kw, n = self.supply, self.grid, draw.it_kw, len(draw.it_kw)
        slope = self._marginal
        worth: Objective = "cost" if grid.non_green is None else "non_green_kwh"
        site = DispatchSite(
            "",
            draw.facility_kw,
            own,
            np.ones(n) if grid.non_green is None else grid.non_green,
            it_kw=it_kw,
            marginal=np.full(n, slope),
            flexible_share=supply.flexible_share,
            it_capacity_kw=max(supply.it_capacity_kw, float(it_kw.max())),
            price_per_kwh=grid.price_per_kwh,
        )
        best = dispatch((site,), self.day, self.window.hours, objective=worth).sites[""]
        before = pd.Series(best.in_kw - best.out_kw, index=self.window.stamps + pd.Timedelta(days=1))
        wanted = before.reindex(self.window.stamps).fillna(0.0).to_numpy()
        # today's work bounds what may leave, today's capacity what may come, and each day keeps its work
        leaves = np.clip(-wanted, 0.0, supply.flexible_share * it_kw)
        comes = np.clip(wanted, 0.0, np.maximum(supply.it_capacity_kw - it_kw, 0.0))
        day = np.unique(self.day, return_inverse=True)[1]
        out, into = np.bincount(day, leaves), np.bincount(day, comes)
        both = np.minimum(out, into)
        scale = [np.divide(both, total, out=np.zeros_like(both), where=total > 0) for total in (out, into)]
        return slope * (comes * scale[1][day] - leaves * scale[0][day])

    @cached_property
    def _marginal(self) -> float:
        """Facility power per IT power that comes or goes [1]."""
        probe = 0.05 * float(self.window.it_kw.mean())
        return self._scored(set(), probe)[3]

    def _asset_deviation(self, quantity: str, done: frozenset[str]) -> FloatArray:
        """Return how far a total lies from its point as other days would have differed, shape (DRAWS,)."""
        rng = np.random.default_rng(self.seed + 1)
        deviation = np.zeros(DRAWS)
        for asset in ASSETS:
            z = rng.standard_normal(DRAWS)
            if asset in done:
                deviation = deviation + z * self._spread(asset)[quantity]
        return deviation

    def _spread(self, asset: str) -> dict[str, float]:
        """Return the standard deviation of what an asset saves in as many other days like these."""
        if asset not in self._spreads:
            draw = self._draw(frozenset())
            less = self._bought(frozenset(), draw)[1] - self._bought(frozenset({asset}), draw)[1]
            day = np.unique(self.day, return_inverse=True)[1]
            self._spreads[asset] = {
                name: self.window.hours * _sum_sd(np.bincount(day, less * per_kwh).astype(np.float64))
                for name, per_kwh in self.grid.priced().items()
            }
        return self._spreads[asset]

    @cached_property
    def _spreads(self) -> dict[str, dict[str, float]]:
        return {}


def _with_battery(net_kw: FloatArray, battery: Battery, hours: float) -> FloatArray:
    """Return the purchase [kW] when surplus is stored and given back as soon as there is a deficit.

    The rule needs no forecast, and no rule that stores own surplus only buys less: a kWh kept for later
    saves no more than a kWh used now (`tests/advisor/test_site_energy.py` holds it to the optimum).
    """
    room = battery.energy_kwh - battery.reserve_kwh
    able = np.clip(net_kw, -battery.power_kw, battery.power_kw)
    wanted = (
        np.where(able < 0, -able * battery.charge_efficiency, -able / battery.discharge_efficiency) * hours
    )
    # the level of a step needs the one before: the only sequence here
    level = np.fromiter(
        accumulate(wanted.tolist(), lambda kwh, change: min(max(kwh + change, 0.0), room), initial=0.0),
        dtype=np.float64,
        count=len(wanted) + 1,
    )
    change = np.diff(level) / hours
    taken, given = np.maximum(change, 0.0), np.maximum(-change, 0.0)
    return np.maximum(net_kw + taken / battery.charge_efficiency - given * battery.discharge_efficiency, 0.0)


def _sum_sd(per_day: FloatArray) -> float:
    """Return the standard deviation of a sum over as many independent days."""
    return (
        float(np.sqrt(len(per_day)) * per_day.std(ddof=1)) if len(per_day) > 1 else abs(float(per_day.sum()))
    )
