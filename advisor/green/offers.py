"""Green power on offer: contracts (PPA), certificates (GEC), and what each adds to an annual account."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np

from advisor.green.flows import Basis, Energy, Supply
from advisor.green.rule_entry import CertificateScheme
from features.errors import UsageError
from features.frame import FloatArray
from features.message import Message, say

Shape = Literal["profile", "baseload"]


@dataclass(frozen=True)
class CertificateOffer:
    """Certificates on offer, bought apart from energy.

    Parameters
    ----------
    name : str
    volume_kwh : float
        [kWh].
    price_per_kwh : float
        [currency/kWh].
    produced : datetime.date
        First day of the month in which the energy was produced (the vintage).
    basis : Basis
        Where price and volume come from.
    scheme : str
    energy : {"renewable", "nuclear"}
    project : str
        Plant that they are issued for; "": not told.
    valid_to : datetime.date or None
        Last day on which they count; None: as the scheme says.
    """

    name: str
    volume_kwh: float
    price_per_kwh: float
    produced: date
    basis: Basis
    scheme: str = "GEC"
    energy: Energy = "renewable"
    project: str = ""
    valid_to: date | None = None

    def __post_init__(self) -> None:
        _refuse_volumes(self.name, volume_kwh=self.volume_kwh, price_per_kwh=self.price_per_kwh)


@dataclass(frozen=True)
class ContractOffer:
    """A power purchase agreement on offer, delivered through the grid that the site buys from.

    Parameters
    ----------
    name : str
    shape : {"profile", "baseload"}
        ``baseload``: the contracted power in every hour; ``profile``: as the plant produces.
    mw : float
        Contracted power [MW].
    price_per_kwh : float
        [currency/kWh].
    basis : Basis
    profile_kwh_per_mw : numpy.ndarray or None, shape (n,)
        Production of each step per contracted MW [kWh/MW]; needed for ``profile`` only.
    pay_as_produced : bool
        Whether everything produced is paid for and becomes the buyer's; otherwise only what is bought in
        the same step.
    replaces_per_kwh : float or None
        Price of the purchase that a delivered kWh replaces [currency/kWh]; None: unknown, then the whole
        price counts as cost.
    bundled : bool
        Whether the certificates come with the energy.
    additional : bool or None
        Whether the plant is built because of it; None: not told.
    divisible : bool
        Whether a part of the power may be contracted.
    energy : {"renewable", "nuclear"}
    carbon_g_per_kwh : float
        Emission factor of the contract [g CO2e/kWh].
    """

    name: str
    shape: Shape
    mw: float
    price_per_kwh: float
    basis: Basis
    profile_kwh_per_mw: FloatArray | None = None
    pay_as_produced: bool = True
    replaces_per_kwh: float | None = None
    bundled: bool = True
    additional: bool | None = None
    divisible: bool = True
    energy: Energy = "renewable"
    carbon_g_per_kwh: float = 0.0

    def __post_init__(self) -> None:
        replaced = 0.0 if self.replaces_per_kwh is None else abs(self.replaces_per_kwh)
        _refuse_volumes(self.name, mw=self.mw, price_per_kwh=self.price_per_kwh, replaces_per_kwh=replaced)
        if (self.profile_kwh_per_mw is None) == (self.shape == "profile"):
            raise UsageError(
                "E-GREEN-OFFER",
                say("a contract by profile needs its production per MW, one of baseload has none"),
                self.name,
                say("give profile_kwh_per_mw for the shape profile only"),
            )
        if self.profile_kwh_per_mw is not None:
            _refuse_volumes(self.name, profile_kwh_per_mw=self.profile_kwh_per_mw)

    def delivered_kwh(self, steps: int, hours: float) -> FloatArray:
        """Return what the contracted power delivers in each step [kWh].

        Parameters
        ----------
        steps : int
        hours : float
            Length of a step [h].
        """
        if self.profile_kwh_per_mw is None:
            return np.full(steps, 1000.0 * self.mw * hours)
        if len(self.profile_kwh_per_mw) != steps:
            raise UsageError(
                "E-GREEN-OFFER",
                say("the profile has {found} steps, the window {wanted}", wanted=steps,
                    found=len(self.profile_kwh_per_mw)),
                self.name, say("give the production of the same steps"),
            )  # fmt: skip
        return self.mw * self.profile_kwh_per_mw

    def supply(self, bought_kwh: FloatArray, hours: float, share: float = 1.0) -> Supply:
        """Return it as a supply of the flows: a contract, unlike a certificate, counts hour by hour.

        Parameters
        ----------
        bought_kwh : numpy.ndarray, shape (n,)
            Bought in each step and not yet under contract [kWh].
        hours : float
            Length of a step [h].
        share : float
            Part of the power that is contracted [1].
        """
        delivered = share * self.delivered_kwh(len(bought_kwh), hours)
        if not self.pay_as_produced:
            delivered = np.minimum(delivered, bought_kwh)
        return Supply(
            self.name, "traded", delivered, self.energy, certified=self.bundled,
            carbon_g_per_kwh=self.carbon_g_per_kwh,
        )  # fmt: skip


@dataclass(frozen=True)
class Lot:
    """What an offer can add to an annual account.

    Parameters
    ----------
    name : str
    kind : {"certificate", "contract"}
    kwh : float
        Most that it adds [kWh].
    cost : float
        Of all of it [currency]; a contract's in excess of the purchases that it replaces.
    step_kwh : float
        It is bought in whole multiples of this [kWh]; 0: any part.
    matched_kwh : float
        Of ``kwh`` what is bought in the same step as it is delivered [kWh]: its part in hourly measures.
    source : str
    note : str
    """

    name: str
    kind: Literal["certificate", "contract"]
    kwh: float
    cost: float
    step_kwh: float
    matched_kwh: float
    source: str
    note: str = ""

    @property
    def price_per_kwh(self) -> float:
        """Cost of a kWh that counts [currency/kWh]."""
        return self.cost / self.kwh if self.kwh > 0 else 0.0


@dataclass(frozen=True)
class Unfit:
    """An offer that cannot be used, and why."""

    name: str
    reason: str


def certificate_lot(
    offer: CertificateOffer, scheme: CertificateScheme, on: date, claimed: Container[str] = ()
) -> Lot | Unfit:
    """Return what certificates can add on a day, in whole certificates.

    Parameters
    ----------
    offer : CertificateOffer
    scheme : CertificateScheme
        Rules of the offer's scheme.
    on : datetime.date
        Day of the retirement.
    claimed : container of str
        Projects whose energy is counted already: plants and contracts of the site, offsets.
    """
    last = offer.valid_to or scheme.valid_to(offer.produced)
    whole = scheme.unit_kwh * np.floor(offer.volume_kwh / scheme.unit_kwh)
    refused: tuple[tuple[bool, str], ...] = (
        (offer.project != "" and offer.project in claimed,
         say("the energy of {project!r} is counted already", project=offer.project)),
        (offer.scheme != scheme.code,
         say("{found} does not count, only {wanted}", found=offer.scheme, wanted=scheme.code)),
        (offer.energy != "renewable", say("nuclear energy is not renewable")),
        (on > last, say("its certificates expired on {day}", day=last)),
        (offer.produced > on, say("its energy is produced from {day} on", day=offer.produced)),
        (whole == 0.0, say("it is less than one certificate of {unit:.0f} kWh", unit=scheme.unit_kwh)),
    )  # fmt: skip
    for applies, reason in refused:
        if applies:
            return Unfit(offer.name, reason)
    return Lot(
        offer.name, "certificate", float(whole), float(whole) * offer.price_per_kwh, scheme.unit_kwh, 0.0,
        offer.basis.source,
        say("a claim over the year: it changes no hour and no energy; valid to {day}", day=last),
    )  # fmt: skip


def contract_lot(
    offer: ContractOffer, bought_kwh: FloatArray, hours: float, *, additional: bool = False
) -> Lot | Unfit:
    """Return what a contract can add over the window.

    Each contract is looked at alone, with all of its power: what it replaces is then the least per kWh.

    Parameters
    ----------
    offer : ContractOffer
    bought_kwh : numpy.ndarray, shape (n,)
        Bought in each step and not yet under contract [kWh].
    hours : float
        Length of a step [h].
    additional : bool
        Whether only plants count that are built because of the contract.
    """
    if not offer.bundled:
        return Unfit(offer.name, say("its certificates stay with the seller"))
    if offer.energy != "renewable":
        return Unfit(offer.name, say("nuclear energy is not renewable"))
    if additional and offer.additional is not True:
        return Unfit(offer.name, say("it is not said to be additional"))
    delivered = offer.delivered_kwh(len(bought_kwh), hours)
    matched = float(np.minimum(delivered, bought_kwh).sum())
    counted = float(delivered.sum()) if offer.pay_as_produced else matched
    if counted <= 0.0:
        return Unfit(offer.name, say("it delivers nothing in this window"))
    cost = counted * offer.price_per_kwh - matched * (offer.replaces_per_kwh or 0.0)
    return Lot(
        offer.name, "contract", counted, cost, 0.0 if offer.divisible else counted, matched,
        offer.basis.source, _contract_note(offer),
    )  # fmt: skip


def _contract_note(offer: ContractOffer) -> str:
    parts: list[str] = [
        say("cost beyond the purchases that it replaces") if offer.replaces_per_kwh is not None
        else say("whole price: what it replaces is not declared"),
    ]  # fmt: skip
    if offer.additional is not None:
        parts.append(say("additional") if offer.additional else say("not additional"))
    return Message.joined("; ", parts)


def _refuse_volumes(name: str, **values: float | FloatArray) -> None:
    for key, value in values.items():
        if not (np.isfinite(value).all() and (np.asarray(value) >= 0).all()):
            raise UsageError(
                "E-GREEN-OFFER", say("{name} must be finite and from 0 on", name=key), name,
                say("correct the offer"),
            )  # fmt: skip
