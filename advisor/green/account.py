"""The measures of green, side by side, from one tally: each with its formula, split by origin.

Hourly: the carbon-free score of Google's 24/7 method (2021), coverage by own plants, the matched share in
EnergyTag's form, and the non-green energy that the optimiser minimises. Over the year: renewable match, REF
(ISO/IEC 30134-3), China's green share, Scope 2 by location and by market (GHG Protocol), CUE (ISO/IEC
30134-8). No certificate moves an hourly measure; what batteries lost or was burnt is taken off what is green
and is in no denominator, so that burning surplus raises nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from advisor.green.flows import Basis, Part
from advisor.green.instruments import Instruments, Residual, refuse_own_certificates
from advisor.green.tally import GreenTally, SupplyTotals, weakest
from features import kpi
from features.message import Message, say

IndicatorId = Literal[
    "hourly_cfe", "own_coverage", "matched_share", "non_green_kwh", "annual_match", "ref",
    "china_green_share", "scope2_location_kg", "scope2_market_kg", "cue",
]  # fmt: skip
Source = Literal["self-built", "direct-line", "traded", "certificate", "grid-mix", "nuclear", "idle"]
SOURCES: tuple[Source, ...] = (
    "self-built", "direct-line", "traded", "certificate", "grid-mix", "nuclear", "idle",
)  # fmt: skip
"""Where it comes from; nuclear of any origin stands apart; ``idle``: what batteries lost and was burnt."""
Split = dict[Source, float]
CHINESE_SCHEME = "GEC"
MOST_NAMES = 3
"""Sites that a reason names; the others are counted."""


@dataclass(frozen=True)
class Indicator:
    """One measure of green.

    Parameters
    ----------
    id : str
    value : float or None
        In ``unit``; None: unknown, see ``reason``.
    unit : str
        ``1``, ``kWh``, ``kg CO2e`` or ``kg CO2e/kWh``.
    hourly : bool
        Whether each hour is matched for itself; otherwise the whole window.
    by_source : mapping
        Source -> its part, in ``unit``; the parts sum to the value.
    basis : Basis
        The weakest label of what it rests on, and their sources.
    reason : str
        Why it is unknown.
    notes : tuple of str
        What a reader must know of this value.
    """

    id: IndicatorId
    value: float | None
    unit: str
    hourly: bool
    by_source: Mapping[Source, float]
    basis: Basis
    reason: str = ""
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Return the fields as plain values."""
        return {
            "id": self.id, "value": self.value, "unit": self.unit, "hourly": self.hourly,
            "by_source": dict(self.by_source), "label": self.basis.label, "source": self.basis.source,
            "reason": str(self.reason), "notes": [str(n) for n in self.notes],
        }  # fmt: skip


@dataclass(frozen=True)
class GreenAccount:
    """All indicators of one tally; ``open_kwh`` [kWh] is what nothing claims (as in REF); None: unknown."""

    tally: GreenTally
    indicators: tuple[Indicator, ...]
    open_kwh: float | None
    unused_certificates_kwh: float
    offsets_kg: float

    def __getitem__(self, name: IndicatorId) -> Indicator:
        return next(i for i in self.indicators if i.id == name)

    def to_dict(self) -> dict[str, object]:
        """Return the account for ``summary.json``."""
        return {
            "window_hours": self.tally.window_hours,
            "whole_year": self.tally.whole_year,
            "consumption_kwh": self.tally.consumption_kwh,
            "open_kwh": self.open_kwh,
            "unused_certificates_kwh": self.unused_certificates_kwh,
            "offsets_kg": self.offsets_kg,
            "indicators": [i.to_dict() for i in self.indicators],
        }

    def table(self) -> pd.DataFrame:
        """Return one row per indicator: value, unit, label, source and one column per origin."""
        rows = [
            {
                "id": i.id, "value": i.value, "unit": i.unit, "hourly": i.hourly,
                **{s: i.by_source.get(s, 0.0) if i.value is not None else None for s in SOURCES},
                "label": i.basis.label, "source": i.basis.source, "reason": str(i.reason),
            }
            for i in self.indicators
        ]  # fmt: skip
        return pd.DataFrame(rows)


def green_account(
    tally: GreenTally, instruments: Instruments | None = None, residual: Residual | None = None
) -> GreenAccount:
    """Return every measure of green over a window.

    Parameters
    ----------
    tally : GreenTally
        Of one site or of several; see `advisor.green.tally.together`.
    instruments : Instruments or None
        None: nothing is claimed beside the flows.
    residual : Residual or None
        None: unknown; then a market-based figure is told only where nothing is left to it.

    Raises
    ------
    features.errors.UsageError
        ``E-GREEN-TWICE``: a certificate belongs to energy that is counted already.
    """
    held = instruments or Instruments()
    refuse_own_certificates(held.certificates, tuple(s.name for s in tally.supplies))
    case = _Case(tally, held, residual)
    sums, unused = case.claimed()
    indicators = (
        case.hourly_cfe(), case.own_coverage(), case.matched_share(), case.non_green(), case.annual_match(),
        case.ref(), case.china(), case.location(), case.market(), case.cue(),
    )  # fmt: skip
    open_kwh = None if case.in_doubt else tally.consumption_kwh - sum(sums.values())
    offsets = sum(o.kg for o in held.offsets) * held.part_of(tally.window_hours)
    return GreenAccount(tally, indicators, open_kwh, unused, offsets)


@dataclass(frozen=True)
class _Case:
    tally: GreenTally
    instruments: Instruments
    residual: Residual | None

    # -- hour by hour ------------------------------------------------------------------------------
    def hourly_cfe(self) -> Indicator:
        """Return ``(contracted + grid's carbon-free share of the rest) / load``, hour by hour."""
        t = self.tally
        if t.grid_cfe_kwh is None:
            return self._unknown("hourly_cfe", "1", True, self._lacking("grid_cfe_kwh"))
        nuclear = t.grid_nuclear_kwh or 0.0
        parts = self._matched() | {"grid-mix": t.grid_cfe_kwh - nuclear}
        parts["nuclear"] = parts.get("nuclear", 0.0) + nuclear
        apart = () if t.grid_nuclear_kwh is not None else (say("nuclear of the grid is inside the grid mix"),)
        return self.share("hourly_cfe", self._less_idle(parts), ("load", "supply", "grid"), apart)

    def own_coverage(self) -> Indicator:
        """Return what own renewable plants covered, directly or through the battery, over the load."""
        parts: Split = {k: v for k, v in self._matched().items() if k in ("self-built", "direct-line")}
        return self.share("own_coverage", self._less_idle(parts), ("load", "supply"))

    def matched_share(self) -> Indicator:
        """Return ``sum min(renewable, load) / sum load`` with contracts, without the grid's mix."""
        parts: Split = {k: v for k, v in self._matched().items() if k != "nuclear"}
        return self.share("matched_share", self._less_idle(parts), ("load", "supply"))

    def non_green(self) -> Indicator:
        """Return what was bought and is not carbon-free."""
        value = self.tally.non_green_kwh
        if value is None:
            return self._unknown("non_green_kwh", "kWh", True, self._lacking("grid_cfe_kwh"))
        basis = self._basis(("load", "supply", "grid"))
        return Indicator("non_green_kwh", value, "kWh", True, {"grid-mix": value}, basis)

    def _matched(self) -> Split:
        return _split(self.tally.supplies, lambda s: s.matched_kwh)

    # -- over the window ---------------------------------------------------------------------------
    def annual_match(self) -> Indicator:
        """Return renewable production of plants and contracts over consumption, at most 1."""
        parts = _split(self.tally.supplies, lambda s: s.made_kwh if s.energy == "renewable" else 0.0)
        return self.share("annual_match", self.filled(parts)[0], ("load", "supply"))

    def claimed(self) -> tuple[Split, float]:
        """Return what may be claimed by REF [kWh], by origin, and the certificates left."""
        return self.filled(
            self.claims(
                lambda s: 0.0 if s.origin == "traded" and not s.certified else s.kept_kwh, lambda _: True
            )
        )

    def ref(self) -> Indicator:
        """Return renewable energy that is owned or whose rights were retired, over consumption."""
        if self.in_doubt:
            return self._unknown("ref", "1", False, self.in_doubt)
        return self.share("ref", self.claimed()[0])

    @property
    def in_doubt(self) -> str:
        """Why it is unknown what may be claimed; empty where it is known."""
        names = [s.name for s in self.tally.supplies if s.certified is None and s.made_kwh > 0.0]
        if not names:
            return ""
        return say("unknown whether the certificates of {names} stay with the site",
                   names=Message.joined(", ", names))  # fmt: skip

    def china(self) -> Indicator:
        """Return energy of one's own and traded with its certificates + certificates retired."""
        if self.in_doubt:
            return self._unknown("china_green_share", "1", False, self.in_doubt)
        claims = self.claims(
            lambda s: s.kept_kwh if s.certified else 0.0, lambda scheme: scheme == CHINESE_SCHEME
        )
        return self.share("china_green_share", self.filled(claims)[0])

    def claims(self, of: Callable[[SupplyTotals], float], scheme: Callable[[str], bool]) -> Split:
        """Return renewable energy that may be claimed [kWh], by origin, not yet capped."""
        parts = _split(self.tally.supplies, lambda s: of(s) if s.energy == "renewable" else 0.0)
        parts["certificate"] = self._part * sum(
            c.kwh for c in self.instruments.certificates if c.energy == "renewable" and scheme(c.scheme)
        )
        return parts

    def filled(self, parts: Split) -> tuple[Split, float]:
        """Return the parts up to the consumption, energy before certificates, and the certificates left.

        What was lost and burnt is consumption too: it takes of the parts and adds nothing.
        """
        room = self.tally.consumption_kwh + self.tally.idle_kwh
        taken: Split = {}
        for source in SOURCES:
            taken[source] = min(parts.get(source, 0.0), room)
            room -= taken[source]
        left = parts.get("certificate", 0.0) - taken["certificate"]
        return self._less_idle(taken), left

    # -- carbon ------------------------------------------------------------------------------------
    def location(self) -> Indicator:
        """Return what was bought times the grid's average factor."""
        value = self.tally.carbon_kg
        if value is None:
            return self._unknown("scope2_location_kg", "kg CO2e", False, self._lacking("carbon_kg"))
        basis = self._basis(("load", "carbon"))
        return Indicator("scope2_location_kg", value, "kg CO2e", False, {"grid-mix": value}, basis)

    def market(self) -> Indicator:
        """Return contracts at their own factors, certificates at 0, the rest at the residual mix."""
        if self.in_doubt:
            return self._unknown("scope2_market_kg", "kg CO2e", False, self.in_doubt)
        t, by = self.tally, dict.fromkeys(SOURCES, 0.0)
        own = [s for s in t.supplies if s.origin != "traded"]
        # own energy whose certificates were sold counts like a purchase
        room = t.grid_kwh + sum(s.delivered_kwh - s.kept_kwh for s in own)
        for s in t.supplies:
            counted = s.kept_kwh
            if s.origin == "traded":
                counted = min(counted if s.certified else 0.0, room)
                room -= counted
            by[_source(s)] += counted * s.carbon_g_per_kwh / 1000.0
        room -= min(self._part * sum(c.kwh for c in self.instruments.certificates), room)
        basis = self._basis(("load", "supply"))
        if room > 0.0:
            if self.residual is None:
                why = say("no residual mix is declared for {kwh:.0f} kWh", kwh=room)
                return self._unknown("scope2_market_kg", "kg CO2e", False, why)
            by["grid-mix"] = room * self.residual.g_per_kwh / 1000.0
            basis = weakest((basis, self.residual.basis))
        basis = weakest((basis, *(c.basis for c in self.instruments.certificates)))
        value = sum(by.values())
        return Indicator("scope2_market_kg", value, "kg CO2e", False, by, basis, notes=self._notes())

    def cue(self) -> Indicator:
        """Return location-based emissions over the energy of the IT equipment."""
        carbon, it = self.tally.carbon_kg, self.tally.it_kwh
        if carbon is None or it is None:
            why = self._lacking("carbon_kg" if carbon is None else "it_kwh")
            return self._unknown("cue", "kg CO2e/kWh", False, why)
        if it <= 0.0:
            return self._unknown("cue", "kg CO2e/kWh", False, say("the IT equipment used nothing"))
        value = kpi.cue([carbon], [it])
        basis = self._basis(("load", "carbon", "it"))
        return Indicator("cue", value, "kg CO2e/kWh", False, {"grid-mix": value}, basis, notes=self._notes())

    # -- forming -----------------------------------------------------------------------------------
    def share(
        self,
        name: IndicatorId,
        parts: Split,
        rests_on: tuple[Part, ...] = ("load", "supply"),
        notes: tuple[str, ...] = (),
    ) -> Indicator:
        """Return a share of the consumption."""
        whole = self.tally.consumption_kwh
        hourly = name in ("hourly_cfe", "own_coverage", "matched_share")
        if whole <= 0.0:
            return self._unknown(name, "1", hourly, say("the site used nothing"))
        basis = self._basis(rests_on)
        if parts.get("certificate"):
            basis = weakest((basis, *(c.basis for c in self.instruments.certificates)))
        value = min(sum(parts.values()) / whole, 1.0)  # the sum of a full window may round above it
        by = {source: kwh / whole for source, kwh in parts.items() if kwh != 0.0}
        told = (*notes, *self._burning(), *(() if hourly else self._notes()))
        return Indicator(name, value, "1", hourly, by, basis, notes=told)

    def _less_idle(self, parts: Split) -> Split:
        """Return the parts with what was lost and burnt taken off, never below nothing."""
        return parts | {"idle": -min(self.tally.idle_kwh, sum(parts.values()))}

    def _basis(self, parts: tuple[Part, ...]) -> Basis:
        return weakest(self.tally.basis[part] for part in parts if part != "supply" or self.tally.supplies)

    @property
    def _part(self) -> float:
        return self.instruments.part_of(self.tally.window_hours)

    def _notes(self) -> tuple[str, ...]:
        told: list[str] = []
        if not self.tally.whole_year:
            told.append(say("of a window of {hours:.0f} h, not of a year", hours=self.tally.window_hours))
        if self._part < 1.0 and self.instruments.certificates:
            told.append(say("certificates of the year are spread evenly over its hours (assumed)"))
        return tuple(told)

    def _burning(self) -> tuple[str, ...]:
        if self.tally.needed_kwh is not None:
            return ()
        return (say("what the work needs is not declared: energy that was burnt would count as used"),)

    def _lacking(self, name: str) -> str:
        what = {
            "grid_cfe_kwh": say("the carbon-free share of the grid"),
            "carbon_kg": say("the emission factor of the grid"),
            "it_kwh": say("the energy of the IT equipment"),
        }[name]
        unknown = self.tally.unknown.get(name, ())
        sites, left = Message.joined(", ", unknown[:MOST_NAMES]), len(unknown) - MOST_NAMES
        if left > 0:
            return say("{what} is unknown at {sites} and {count} more", what=what, sites=sites, count=left)
        return say("{what} is unknown at {sites}", what=what, sites=sites)

    def _unknown(self, name: IndicatorId, unit: str, hourly: bool, reason: str) -> Indicator:
        return Indicator(name, None, unit, hourly, {}, Basis("assumed", ""), reason)


def _source(supply: SupplyTotals) -> Source:
    return "nuclear" if supply.energy == "nuclear" else supply.origin


def _split(supplies: tuple[SupplyTotals, ...], of: Callable[[SupplyTotals], float]) -> Split:
    parts: Split = {}
    for s in supplies:
        parts[_source(s)] = parts.get(_source(s), 0.0) + of(s)
    return parts
