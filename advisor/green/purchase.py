"""The cheapest purchase that covers a need: certificates in whole units, contracts in parts or whole.

A small mixed-integer problem, solved exactly (HiGHS): taking the cheapest offer first is not always the
cheapest where another is only sold in whole units. Where offers do not suffice, all of them are taken and
what is missing is told. Carbon offsets are no purchase of green power and have no place here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy.optimize import LinearConstraint, milp

from advisor.green.flows import Supply
from advisor.green.instruments import Certificates
from advisor.green.offers import CertificateOffer, ContractOffer, Lot, Unfit
from features.errors import UsageError
from features.frame import FloatArray
from features.message import say

MWH = 1000.0
ROUNDING_KWH = 1e-3


@dataclass(frozen=True)
class PurchaseLine:
    """One offer taken: ``kwh`` bought, ``useful_kwh`` of it within the need [kWh], ``cost`` [currency]."""

    name: str
    kind: str
    kwh: float
    useful_kwh: float
    cost: float
    price_per_kwh: float
    matched_kwh: float
    source: str
    note: str


@dataclass(frozen=True)
class Purchase:
    """What to buy.

    Parameters
    ----------
    need_kwh : float
        What is to be covered [kWh].
    lines : tuple of PurchaseLine
        Cheapest first.
    missing_kwh : float
        What the offers cannot cover [kWh]; 0: they suffice.
    unfit : tuple of Unfit
        Offers that cannot be used, and why.
    """

    need_kwh: float
    lines: tuple[PurchaseLine, ...]
    missing_kwh: float
    unfit: tuple[Unfit, ...] = ()

    @property
    def cost(self) -> float:
        """Cost of all lines [currency]."""
        return sum(line.cost for line in self.lines)

    @property
    def kwh(self) -> float:
        """Energy of all lines [kWh]."""
        return sum(line.kwh for line in self.lines)

    @property
    def suffices(self) -> bool:
        """Whether the need is covered."""
        return self.missing_kwh == 0.0

    def to_dict(self) -> dict[str, object]:
        """Return the purchase for ``summary.json``."""
        return {
            "need_kwh": self.need_kwh, "missing_kwh": self.missing_kwh, "cost": self.cost,
            "lines": [asdict(line) | {"note": str(line.note)} for line in self.lines],
            "unfit": [{"name": u.name, "reason": str(u.reason)} for u in self.unfit],
        }  # fmt: skip


def buy(need_kwh: float, offers: Iterable[Lot | Unfit]) -> Purchase:
    """Return the cheapest purchase that covers a need.

    Parameters
    ----------
    need_kwh : float
        [kWh]; nothing is bought where it is not positive.
    offers : iterable of Lot or Unfit
        See `advisor.green.offers.certificate_lot` and `advisor.green.offers.contract_lot`.

    Raises
    ------
    features.errors.UsageError
        ``E-GREEN-TWICE``: an offer stands twice.
    """
    given = tuple(offers)
    lots = [lot for lot in given if isinstance(lot, Lot)]
    unfit = tuple(lot for lot in given if isinstance(lot, Unfit))
    names = [lot.name for lot in lots]
    if len(set(names)) < len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise UsageError(
            "E-GREEN-TWICE", say("{name!r} stands twice", name=twice), twice, say("give each offer once")
        )
    need = max(need_kwh, 0.0)
    if need == 0.0 or not lots:
        return Purchase(need, (), need, unfit)
    most = [lot.kwh for lot in lots]
    missing = need - sum(most)
    bought = most if missing > -ROUNDING_KWH else _cheapest(need, lots)
    return Purchase(need, _lines(need, lots, bought), missing if missing > ROUNDING_KWH else 0.0, unfit)


def _cheapest(need_kwh: float, lots: Sequence[Lot]) -> list[float]:
    """Return what to buy of each lot [kWh]: least cost with at least the need."""
    unit = np.array([lot.step_kwh or MWH for lot in lots])
    most = np.array([lot.kwh for lot in lots]) / unit
    whole = np.array([lot.step_kwh > 0 for lot in lots])
    most = np.where(whole, np.round(most), most)
    price = np.array([lot.price_per_kwh for lot in lots]) * unit
    done = milp(
        price / max(float(np.abs(price).max()), 1e-12),
        integrality=whole.astype(int),
        bounds=(np.zeros_like(most), most),
        constraints=LinearConstraint(unit[None, :] / MWH, lb=need_kwh / MWH),
        options={"mip_rel_gap": 0.0},
    )
    if done.x is None:
        raise RuntimeError(f"a purchase that exists was not found: {done.message}")
    taken = np.clip(np.where(whole, np.round(done.x), done.x), 0.0, most)
    return [float(kwh) for kwh in taken * unit]


def _lines(need_kwh: float, lots: Sequence[Lot], bought: Sequence[float]) -> tuple[PurchaseLine, ...]:
    left, lines = need_kwh, []
    for lot, kwh in sorted(zip(lots, bought, strict=True), key=lambda pair: pair[0].price_per_kwh):
        if kwh <= ROUNDING_KWH:
            continue
        useful = min(kwh, left)
        left -= useful
        lines.append(
            PurchaseLine(
                lot.name,
                lot.kind,
                kwh,
                useful,
                kwh * lot.price_per_kwh,
                lot.price_per_kwh,
                lot.matched_kwh * kwh / lot.kwh,
                lot.source,
                lot.note,
            )
        )
    return tuple(lines)


def retired(offers: Iterable[CertificateOffer], purchase: Purchase) -> tuple[Certificates, ...]:
    """Return the certificates of a purchase for `advisor.green.instruments.Instruments`.

    Their volume covers the window's need: over less than a year, give ``hours=tally.window_hours`` with them.
    """
    bought = {line.name: line.kwh for line in purchase.lines if line.kind == "certificate"}
    return tuple(
        Certificates(o.name, bought[o.name], o.basis, o.scheme, o.energy, o.project)
        for o in offers
        if o.name in bought
    )


def contracted(
    offers: Iterable[ContractOffer], lots: Iterable[Lot | Unfit], purchase: Purchase, bought_kwh: FloatArray,
    hours: float,
) -> tuple[Supply, ...]:  # fmt: skip
    """Return the contracts of a purchase as supplies of the flows.

    Parameters
    ----------
    offers : iterable of ContractOffer
    lots : iterable of Lot or Unfit
        What the purchase was chosen from.
    purchase : Purchase
    bought_kwh : numpy.ndarray, shape (n,)
        Bought in each step and not yet under contract [kWh].
    hours : float
        Length of a step [h].
    """
    most = {lot.name: lot.kwh for lot in lots if isinstance(lot, Lot)}
    part = {line.name: line.kwh / most[line.name] for line in purchase.lines if line.kind == "contract"}
    return tuple(o.supply(bought_kwh, hours, part[o.name]) for o in offers if o.name in part)
