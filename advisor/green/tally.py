"""Sums of the flows that every measure of green is made of: they add up over hours and over sites.

What needs the hour (matching a contract with what is bought in the same hour, the grid's mix) is settled
here; a portfolio's shares come from summed tallies, never from averaged shares.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import isclose

import numpy as np

from advisor.green.flows import LABELS, UNDECLARED, Basis, Energy, GreenFlows, Origin, Part, Supply
from features.errors import UsageError
from features.frame import FloatArray
from features.message import say

YEAR_HOURS = (8760.0, 8784.0)
"""Twelve months [h]: what an annual figure asks for."""
PARTS: tuple[Part, ...] = ("load", "supply", "grid", "carbon", "it")


@dataclass(frozen=True)
class SupplyTotals:
    """One supply over the window; see `advisor.green.flows.Supply`.

    ``matched_kwh`` [kWh]: of ``delivered_kwh`` what the site took in the same step (traded: at most what it
    bought in that step).
    """

    name: str
    origin: Origin
    energy: Energy
    delivered_kwh: float
    matched_kwh: float
    exported_kwh: float
    spilled_kwh: float
    certified: bool | None
    certificates_sold_kwh: float
    carbon_g_per_kwh: float

    @property
    def made_kwh(self) -> float:
        """What was used and fed in, without what was sold as certificates [kWh]."""
        return max(self.delivered_kwh + self.exported_kwh - self.certificates_sold_kwh, 0.0)

    @property
    def kept_kwh(self) -> float:
        """Energy used whose certificates were not sold [kWh]; surplus fed in has certificates of its own."""
        return min(self.delivered_kwh, self.made_kwh)


@dataclass(frozen=True)
class GreenTally:
    """Sums over a window [kWh]; None where unknown (never 0).

    ``lost_kwh``: what batteries took in beyond what they delivered; ``drained_kwh``: what they delivered
    beyond what they took in: its origin lies before the window and is unknown. ``unmatched_kwh``: bought and
    matched by no contract in its step; ``grid_cfe_kwh``, ``grid_renewable_kwh``, ``grid_nuclear_kwh``: its
    parts by the grid's mix. ``carbon_kg`` [kg CO2e]: what was bought at average factors. ``unknown``: field
    -> sites that lack it.
    """

    site_ids: tuple[str, ...]
    window_hours: float
    load_kwh: float
    needed_kwh: float | None
    it_kwh: float | None
    grid_kwh: float
    supplies: tuple[SupplyTotals, ...]
    lost_kwh: float
    drained_kwh: float
    unmatched_kwh: float
    grid_cfe_kwh: float | None
    grid_renewable_kwh: float | None
    grid_nuclear_kwh: float | None
    carbon_kg: float | None
    basis: Mapping[Part, Basis]
    unknown: Mapping[str, tuple[str, ...]]

    @property
    def whole_year(self) -> bool:
        """Whether the window is twelve months."""
        return YEAR_HOURS[0] - 1e-6 <= self.window_hours <= YEAR_HOURS[1] + 1e-6

    @property
    def burnt_kwh(self) -> float:
        """What was used beyond what the work needs [kWh]; 0 where the need is unknown."""
        return 0.0 if self.needed_kwh is None else max(self.load_kwh - self.needed_kwh, 0.0)

    @property
    def consumption_kwh(self) -> float:
        """What shares refer to [kWh]: the load, without what was burnt."""
        return self.load_kwh - self.burnt_kwh

    @property
    def idle_kwh(self) -> float:
        """Lost in batteries and burnt [kWh]: it takes from what is green and counts in no share."""
        return self.lost_kwh + self.burnt_kwh

    @property
    def non_green_kwh(self) -> float | None:
        """Bought and not carbon-free by its hour's mix [kWh]: what the optimiser minimises."""
        return None if self.grid_cfe_kwh is None else self.unmatched_kwh - self.grid_cfe_kwh

    def to_dict(self) -> dict[str, object]:
        """Return the sums as plain values."""
        return asdict(replace(self, basis=dict(self.basis), unknown=dict(self.unknown)))


def tally(flows: GreenFlows) -> GreenTally:
    """Return the sums of one site.

    Contracts are matched step by step with what is bought, in proportion to what each delivers.

    Parameters
    ----------
    flows : GreenFlows
    """
    zero = np.zeros_like(flows.load_kwh)
    traded = sum((s.delivered_kwh for s in flows.supplies if s.origin == "traded"), zero)
    taken = np.divide(np.minimum(traded, flows.grid_kwh), traded, out=zero.copy(), where=traded > 0)
    unmatched = np.maximum(flows.grid_kwh - traded, 0.0)
    stored = _sum(flows.charge_kwh) - _sum(flows.discharge_kwh)
    mix = flows.grid
    cfe = mix.cfe_share
    if cfe is None and mix.renewable_share is not None and mix.nuclear_share is not None:
        cfe = np.minimum(mix.renewable_share + mix.nuclear_share, 1.0)
    carbon = _weighted(flows.grid_kwh, mix.carbon_g_per_kwh)
    sums = {
        "needed_kwh": flows.needed_kwh,
        "it_kwh": flows.it_kwh,
        "grid_cfe_kwh": _weighted(unmatched, cfe),
        "grid_renewable_kwh": _weighted(unmatched, mix.renewable_share),
        "grid_nuclear_kwh": _weighted(unmatched, mix.nuclear_share),
        "carbon_kg": None if carbon is None else carbon / 1000.0,
    }
    return GreenTally(
        site_ids=(flows.site_id,),
        window_hours=flows.window_hours,
        load_kwh=float(flows.load_kwh.sum()),
        grid_kwh=float(flows.grid_kwh.sum()),
        supplies=tuple(_supply(s, taken) for s in flows.supplies),
        lost_kwh=max(stored, 0.0),
        drained_kwh=max(-stored, 0.0),
        unmatched_kwh=float(unmatched.sum()),
        basis={part: flows.basis.get(part, UNDECLARED) for part in PARTS},
        unknown={name: (flows.site_id,) for name, value in sums.items() if value is None},
        **sums,
    )


def _supply(supply: Supply, taken: FloatArray) -> SupplyTotals:
    used = supply.delivered_kwh * taken if supply.origin == "traded" else supply.delivered_kwh
    return SupplyTotals(
        supply.name, supply.origin, supply.energy, float(supply.delivered_kwh.sum()), float(used.sum()),
        _sum(supply.exported_kwh), _sum(supply.spilled_kwh), supply.certified, supply.certificates_sold_kwh,
        supply.carbon_g_per_kwh,
    )  # fmt: skip


def together(tallies: Sequence[GreenTally]) -> GreenTally:
    """Return the sums of several sites over one window.

    Parameters
    ----------
    tallies : sequence of GreenTally
        At least one.

    Raises
    ------
    features.errors.UsageError
        ``E-GREEN-TWICE``: a site stands twice, or one name means two different contracts;
        ``E-GREEN-WINDOW``: the windows are not equally long.
    """
    first = tallies[0]
    ids = [name for t in tallies for name in t.site_ids]
    if len(set(ids)) < len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise UsageError(
            "E-GREEN-TWICE", say("the site {site!r} stands twice", site=twice), ", ".join(ids),
            say("add each site once"),
        )  # fmt: skip
    if any(not isclose(t.window_hours, first.window_hours, abs_tol=1e-6) for t in tallies):
        raise UsageError(
            "E-GREEN-WINDOW", say("the windows of the sites are not equally long"), ", ".join(ids),
            say("tally all sites over the same window"),
        )  # fmt: skip
    unknown: dict[str, tuple[str, ...]] = {}
    for name, sites in (item for t in tallies for item in t.unknown.items()):
        unknown[name] = (*unknown.get(name, ()), *sites)

    def total(name: str) -> float:
        return float(sum(getattr(t, name) for t in tallies))

    def known(name: str) -> float | None:
        return None if name in unknown else total(name)

    return GreenTally(
        site_ids=tuple(ids), window_hours=first.window_hours, load_kwh=total("load_kwh"),
        needed_kwh=known("needed_kwh"), it_kwh=known("it_kwh"), grid_kwh=total("grid_kwh"),
        supplies=_merged(s for t in tallies for s in t.supplies), lost_kwh=total("lost_kwh"),
        drained_kwh=total("drained_kwh"), unmatched_kwh=total("unmatched_kwh"),
        grid_cfe_kwh=known("grid_cfe_kwh"), grid_renewable_kwh=known("grid_renewable_kwh"),
        grid_nuclear_kwh=known("grid_nuclear_kwh"), carbon_kg=known("carbon_kg"),
        basis={part: weakest(t.basis[part] for t in tallies) for part in PARTS}, unknown=unknown,
    )  # fmt: skip


def _merged(supplies: Iterable[SupplyTotals]) -> tuple[SupplyTotals, ...]:
    """Return the supplies; the parts of one contract that several sites share are added."""
    plants: list[SupplyTotals] = []
    found: dict[str, SupplyTotals] = {}
    for s in supplies:
        if s.origin != "traded":  # a plant belongs to its site: one roof's sold certificates are no other's
            plants.append(s)
            continue
        old = found.get(s.name)
        if old is None:
            found[s.name] = s
            continue
        kind = ("energy", "certified", "carbon_g_per_kwh")
        if any(getattr(old, name) != getattr(s, name) for name in kind):
            raise UsageError(
                "E-GREEN-TWICE", say("{name!r} is two different contracts", name=s.name), s.name,
                say("give each contract its own name"),
            )  # fmt: skip
        sums = ("delivered_kwh", "matched_kwh", "exported_kwh", "spilled_kwh", "certificates_sold_kwh")
        found[s.name] = replace(old, **{n: getattr(old, n) + getattr(s, n) for n in sums})
    return (*plants, *found.values())


def weakest(bases: Iterable[Basis]) -> Basis:
    """Return the weakest label of several, and all sources."""
    given = tuple(bases)
    label = max((b.label for b in given), key=LABELS.index)
    return Basis(label, "; ".join(dict.fromkeys(b.source for b in given if b.source)))


def _weighted(energy: FloatArray, by: FloatArray | None) -> float | None:
    return None if by is None else float(energy @ by)


def _sum(values: FloatArray | None) -> float:
    return 0.0 if values is None else float(values.sum())
