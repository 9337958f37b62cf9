"""What may be bought: the shipped price assumptions, overridden by the site's own prices."""

from __future__ import annotations

from dataclasses import dataclass

from advisor.chip_catalogue import HardwareCatalogue, OfferRow, ServerModel, Tag
from advisor.chips_power import Machine, offered_machine, weakest
from advisor.plan import Interval
from advisor.servers import HardwarePrices, OfferPrice
from features.errors import SiteFileError
from features.message import Message, say


@dataclass(frozen=True)
class Offer:
    """A server that may be bought; ``price`` None where none is known in the site's currency.

    ``price`` [currency], ``embodied`` [kg CO2e] of one server.
    """

    model: ServerModel
    machine: Machine
    price: Interval | None
    currency: str
    embodied: Interval
    sources: tuple[str, ...]
    tag: Tag
    price_assumed: bool


def list_offers(catalogue: HardwareCatalogue, prices: HardwarePrices | None) -> tuple[Offer, ...]:
    """Return the offers of a site; another currency is never converted.

    Raises
    ------
    features.errors.CatalogueError
        A declared price names an unknown model.
    features.errors.SiteFileError
        A declared price is for a model without a public result (``E-CHIP-OFFER``).
    """
    declared = {} if prices is None else prices.offers
    for ident in declared:
        if ident not in catalogue.servers:
            raise catalogue.unknown(ident, catalogue.servers)
        if not catalogue.servers[ident].measured:
            raise SiteFileError(
                "E-CHIP-OFFER",
                say("no public power result exists for {model}", model=ident),
                say("site.toml, hardware_prices.offers.{model}", model=ident),
                say("such a server can only be declared as one that stands, with measured watts"),
            )
    currency = prices.currency if prices is not None else next(iter(catalogue.offers.values())).currency
    idents = [*catalogue.offers, *(i for i in declared if i not in catalogue.offers)]
    return tuple(_offer(i, declared.get(i), prices, currency, catalogue) for i in idents)


def _offer(
    ident: str,
    own: OfferPrice | None,
    prices: HardwarePrices | None,
    currency: str,
    catalogue: HardwareCatalogue,
) -> Offer:
    model, row = catalogue.servers[ident], catalogue.offers.get(ident)
    memory_gb = (own.memory_gb if own else None) or (row.memory_gb if row else None) or model.memory_gb or 0.0
    machine = offered_machine(model, memory_gb, catalogue)
    price, price_source, price_tag = _price(own, row, prices, currency, catalogue)
    embodied, embodied_source, embodied_tag = _embodied(model, own, row, catalogue)
    return Offer(
        model, machine, price, currency, embodied, (*machine.sources, price_source, embodied_source),
        weakest([machine.tag, price_tag, embodied_tag]), own is None,
    )  # fmt: skip


def _price(
    own: OfferPrice | None,
    row: OfferRow | None,
    prices: HardwarePrices | None,
    currency: str,
    catalogue: HardwareCatalogue,
) -> tuple[Interval | None, Message, Tag]:
    if own is not None and prices is not None:
        interval = Interval(own.price_low or own.price, own.price, own.price_high or own.price)
        source = say("price declared for {day}: {source}", day=prices.as_of, source=own.source)
        return interval, source, "B"
    if row is None or row.currency != currency:
        return None, say("no price in {currency} is declared", currency=currency), "C"
    source = say(
        "price assumed, {low:,.0f} to {high:,.0f} {currency} as of {day}: {cite}, tag {tag}; declare your "
        "own under hardware_prices", low=row.price_low, high=row.price_high, currency=currency, day=row.as_of,
        cite=catalogue.cite(row.source), tag=row.tag,
    )  # fmt: skip
    return Interval(row.price_low, row.price_point, row.price_high), source, row.tag


def _embodied(
    model: ServerModel, own: OfferPrice | None, row: OfferRow | None, catalogue: HardwareCatalogue
) -> tuple[Interval, Message, Tag]:
    if own is not None and own.embodied_kg is not None:
        point = own.embodied_kg
        low = point if own.embodied_low_kg is None else own.embodied_low_kg
        high = point if own.embodied_high_kg is None else own.embodied_high_kg
        source = say("embodied carbon declared: {source}", source=own.source)
        return Interval(low, point, high), source, "B"
    entry = catalogue.embodied[row.embodied if row else f"server-{min(model.sockets, 2)}s"]
    source = say(
        "embodied carbon {low:,.0f} to {high:,.0f} kg CO2e ({name}): {cite}, tag {tag}",
        low=entry.low_kg, high=entry.high_kg, name=entry.name, cite=catalogue.cite(entry.source),
        tag=entry.tag,
    )  # fmt: skip
    return Interval(entry.low_kg, entry.point_kg, entry.high_kg), source, entry.tag
