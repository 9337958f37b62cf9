"""What flowed, hour by hour: a site's load, what supplied it by origin, its battery and the grid around it.

The balance of every step::

    load + charge = self-built used + direct line used + grid bought + discharge

What a traded contract delivers reaches the site through the grid: it is part of ``grid_kwh``, never added to
it. Energy is in kWh per step; steps are of equal length.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Literal

import numpy as np

from features.errors import UsageError
from features.frame import FloatArray
from features.message import say

Label = Literal["measured", "published", "modelled", "assumed"]
LABELS: tuple[Label, ...] = ("measured", "published", "modelled", "assumed")
"""From the strongest to the weakest."""
Origin = Literal["self-built", "direct-line", "traded"]
ORIGINS: tuple[Origin, ...] = ("self-built", "direct-line", "traded")
Energy = Literal["renewable", "nuclear"]
Part = Literal["load", "supply", "grid", "carbon", "it"]

BALANCE_TOLERANCE = 1e-6
"""Largest imbalance of a step, as a share of the largest flow [1]: rounding, not metering."""


@dataclass(frozen=True)
class Basis:
    """What kind of figure something is, and where it comes from."""

    label: Label
    source: str


UNDECLARED = Basis("assumed", "")


@dataclass(frozen=True)
class Supply:
    """One plant or contract over the window.

    Parameters
    ----------
    name : str
    origin : {"self-built", "direct-line", "traded"}
    delivered_kwh : numpy.ndarray, shape (n,)
        Self-built and direct line: what the site used or stored. Traded: what the contract delivered into the
        grid that the site buys from, whether bought in that step or not [kWh].
    energy : {"renewable", "nuclear"}
    exported_kwh : numpy.ndarray or None, shape (n,)
        Self-built and direct line: surplus fed into the grid [kWh]; None: none.
    spilled_kwh : numpy.ndarray or None, shape (n,)
        Surplus that was neither used nor fed in [kWh]; None: none.
    certified : bool or None
        Whether its certificates come to the site with the energy and stay there. False: a plant of one's own
        without any, a contract whose seller keeps them. None: unknown, and with it what may be claimed.
    certificates_sold_kwh : float
        Of them sold to others over the window [kWh]: that energy is green for the buyer, not for the site.
    carbon_g_per_kwh : float
        Emission factor of the contract [g CO2e/kWh], for the market-based account.
    """

    name: str
    origin: Origin
    delivered_kwh: FloatArray
    energy: Energy = "renewable"
    exported_kwh: FloatArray | None = None
    spilled_kwh: FloatArray | None = None
    certified: bool | None = None
    certificates_sold_kwh: float = 0.0
    carbon_g_per_kwh: float = 0.0


@dataclass(frozen=True)
class GridMix:
    """The public grid around a site; every array has the shape (n,); None: unknown.

    ``cfe_share`` [1] carbon-free share of a bought kWh (nuclear included), ``nuclear_share`` and
    ``renewable_share`` [1] of it, ``carbon_g_per_kwh`` [g CO2e/kWh] average factor. Where only the two parts
    are known, the carbon-free share is their sum.
    """

    cfe_share: FloatArray | None = None
    renewable_share: FloatArray | None = None
    nuclear_share: FloatArray | None = None
    carbon_g_per_kwh: FloatArray | None = None


@dataclass(frozen=True)
class GreenFlows:
    """One site over n steps.

    Parameters
    ----------
    site_id : str
    hours : float
        Length of a step [h].
    load_kwh : numpy.ndarray, shape (n,)
        What the site used, without what its battery lost [kWh].
    grid_kwh : numpy.ndarray, shape (n,)
        Bought through the public grid, contracts included [kWh].
    supplies : tuple of Supply
    grid : GridMix
    charge_kwh, discharge_kwh : numpy.ndarray or None, shape (n,)
        Into and out of the battery [kWh]; None: no battery.
    needed_kwh : float or None
        What the same work needs over the window [kWh]. What is used beyond it is burnt: it counts in no
        share. None: unknown; then burning cannot be told from work, and the account says so.
    it_kwh : float or None
        Energy of the IT equipment over the window [kWh].
    basis : mapping
        Part -> `Basis`; what is not declared is assumed.

    Raises
    ------
    features.errors.UsageError
        ``E-GREEN-INPUT``: a value is missing, negative, infinite, of another length or a share beyond 1;
        ``E-GREEN-BALANCE``: a step does not balance; ``E-GREEN-TWICE``: a supply stands twice;
        ``E-GREEN-SOLD``: more certificates were sold than energy produced.
    """

    site_id: str
    hours: float
    load_kwh: FloatArray
    grid_kwh: FloatArray
    supplies: tuple[Supply, ...] = ()
    grid: GridMix = GridMix()
    charge_kwh: FloatArray | None = None
    discharge_kwh: FloatArray | None = None
    needed_kwh: float | None = None
    it_kwh: float | None = None
    basis: Mapping[Part, Basis] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        for name in ("load_kwh", "grid_kwh", "charge_kwh", "discharge_kwh"):
            self._check(name, getattr(self, name), np.inf)
        for part in fields(GridMix):
            most = np.inf if part.name == "carbon_g_per_kwh" else 1.0
            self._check(part.name, getattr(self.grid, part.name), most)
        for scalar in ("hours", "needed_kwh", "it_kwh"):
            value = getattr(self, scalar)
            if value is not None and not (np.isfinite(value) and value >= 0):
                self._refuse(say("{name} is {value}", name=scalar, value=value))
        for supply in self.supplies:
            self._check_supply(supply)
        self._check_names()
        self._check_balance()
        self._check_mix()

    @property
    def window_hours(self) -> float:
        """Length of the window [h]."""
        return self.hours * len(self.load_kwh)

    def _check(self, name: str, values: FloatArray | None, most: float) -> None:
        if values is None:
            return
        if np.shape(values) != np.shape(self.load_kwh) or np.ndim(values) != 1 or not len(values):
            shapes = {"shape": str(np.shape(values)), "other": str(np.shape(self.load_kwh))}
            self._refuse(say("{name} has the shape {shape}, load_kwh {other}", name=name, **shapes))
        wrong = ~(np.isfinite(values) & (values >= 0.0) & (values <= most))
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            self._refuse(say("{name} is {value} in step {at}", name=name, value=float(values[at]), at=at))

    def _check_supply(self, supply: Supply) -> None:
        for name in ("delivered_kwh", "exported_kwh", "spilled_kwh"):
            self._check(f"{supply.name}.{name}", getattr(supply, name), np.inf)
        for name in ("certificates_sold_kwh", "carbon_g_per_kwh"):
            value = getattr(supply, name)
            if not (np.isfinite(value) and value >= 0):
                self._refuse(say("{name} is {value}", name=f"{supply.name}.{name}", value=value))
        made = float(supply.delivered_kwh.sum() + _sum(supply.exported_kwh))
        if supply.certificates_sold_kwh > made * (1 + BALANCE_TOLERANCE):
            raise UsageError(
                "E-GREEN-SOLD",
                say("certificates of {sold:g} kWh were sold, {made:g} kWh were produced",
                    sold=supply.certificates_sold_kwh, made=made),
                f"{self.site_id}, {supply.name}",
                say("declare the certificates of this window only"),
            )  # fmt: skip

    def _check_names(self) -> None:
        names = [s.name for s in self.supplies]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise UsageError(
                "E-GREEN-TWICE", say("the supply {name!r} stands twice", name=twice[0]), self.site_id,
                say("give each plant and contract once"),
            )  # fmt: skip

    def _check_balance(self) -> None:
        own = sum(
            (s.delivered_kwh for s in self.supplies if s.origin != "traded"), np.zeros_like(self.load_kwh)
        )
        came = own + self.grid_kwh + (0.0 if self.discharge_kwh is None else self.discharge_kwh)
        went = self.load_kwh + (0.0 if self.charge_kwh is None else self.charge_kwh)
        off = np.abs(came - went)
        if off.max() > BALANCE_TOLERANCE * max(float(came.max()), float(went.max()), 1.0):
            at = int(off.argmax())
            raise UsageError(
                "E-GREEN-BALANCE",
                say("step {at}: {came:g} kWh came, {went:g} kWh went", at=at, came=came[at], went=went[at]),
                self.site_id,
                say("load + charge must equal own energy used + grid bought + discharge in every step"),
            )

    def _check_mix(self) -> None:
        mix = self.grid
        parts = [p for p in (mix.renewable_share, mix.nuclear_share) if p is not None]
        most = np.ones_like(self.load_kwh) if mix.cfe_share is None else mix.cfe_share
        if parts and (np.sum(parts, axis=0) > most + BALANCE_TOLERANCE).any():
            self._refuse(say("renewable and nuclear shares exceed the carbon-free share of the grid"))

    def _refuse(self, what: str) -> None:
        raise UsageError(
            "E-GREEN-INPUT", what, self.site_id, say("give finite values of equal length; shares 0 to 1")
        )


def _sum(values: FloatArray | None) -> float:
    return 0.0 if values is None else float(values.sum())
