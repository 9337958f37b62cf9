"""The account of green of a portfolio, before and after, and which rules its sites meet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from advisor.catalogue import load_certificate_schemes, load_share_rules
from advisor.dispatch_site import SiteDispatch
from advisor.green.account import GreenAccount, green_account
from advisor.green.dispatched import flows_of
from advisor.green.factors import residual_factor
from advisor.green.flows import Basis, Label, Part, Supply
from advisor.green.instruments import Certificates, Instruments, Residual
from advisor.green.offers import CertificateOffer, Lot, Unfit, certificate_lot
from advisor.green.rules import RuleCheck, check_rule
from advisor.green.tally import GreenTally, tally, together
from advisor.green.weights import Weights
from advisor.measure import Fact
from advisor.portfolio_plan import PortfolioPlan, SitePlan
from advisor.portfolio_supply import Generation
from advisor.site import Site
from features.errors import CatalogueError
from features.frame import FloatArray
from features.message import say

CHINA = "CN"


@dataclass(frozen=True)
class SiteRules:
    """Rules on the green share of one site, after the plan."""

    site_id: str
    checks: tuple[RuleCheck, ...]


@dataclass(frozen=True)
class PortfolioGreen:
    """Accounts of all sites together, ``before`` and ``after``, and the rules by site."""

    before: GreenAccount
    after: GreenAccount
    rules: tuple[SiteRules, ...]


def green_of(plan: PortfolioPlan, *, on: date, weights: Weights | None = None) -> PortfolioGreen:
    """Return the account of green of a plan.

    Parameters
    ----------
    plan : PortfolioPlan
    on : datetime.date
        Day on which rules are judged.
    weights : Weights or None
        Provincial weights of the user.
    """
    old = [_tally(p, p.before, plan, bought=False) for p in plan.sites]
    new = [_tally(p, p.after, plan, bought=True) for p in plan.sites]
    residual = _residual(plan, on)
    held = Instruments(_certificates(plan), hours=plan.horizon.hours * len(plan.horizon.stamps))
    return PortfolioGreen(
        green_account(together(old), None, residual),
        green_account(together(new), held, residual),
        tuple(_rules(plan, new, residual, on, weights)),
    )


def _certificates(plan: PortfolioPlan) -> tuple[Certificates, ...]:
    sources = {p.name: p.source for p in plan.portfolio.purchase}
    return tuple(
        Certificates(o.name, plan.dispatch.sizes[o.name], Basis("assumed", sources.get(o.name, "")))
        for o in plan.setting.options
        if o.kind == "certificate" and plan.dispatch.sizes[o.name] > 0
    )


def _residual(plan: PortfolioPlan, on: date) -> Residual | None:
    """Return China's national factor where every site lies there; other countries publish their own."""
    if any(p.case.site.country != CHINA for p in plan.sites):
        return None
    return residual_factor(on.year)


# -- flows -----------------------------------------------------------------------------------------
def _tally(plan: SitePlan, done: SiteDispatch, whole: PortfolioPlan, *, bought: bool) -> GreenTally:
    hours = whole.horizon.hours
    generation = list(plan.case.generation)
    if bought:
        generation += list(_added(plan, whole))
    supplies, traded = [], np.zeros_like(done.load_kw)
    for part, used in _used(generation, done.own_used_kw):
        made = part.kw
        if part.origin == "traded":
            traded = traded + used
            supplies.append(_supply(part, hours * made, None))
        else:
            supplies.append(_supply(part, hours * used, hours * np.maximum(made - used, 0.0)))
    site = plan.stands if bought else plan.case.dispatch
    return tally(
        flows_of(site, done, hours, supplies=tuple(supplies), over_grid_kw=traded, basis=_basis(plan))
    )


def _supply(part: Generation, delivered: FloatArray, spilled: FloatArray | None) -> Supply:
    return Supply(part.name, part.origin, delivered, spilled_kwh=spilled, certified=part.certified)


def _added(plan: SitePlan, whole: PortfolioPlan) -> Iterator[Generation]:
    """Yield what the plan adds to a site's generation; the certificates of a new plant of one's own stay."""
    kinds = {c.name: c.kind for c in whole.portfolio.option}
    for option in whole.setting.options:
        size = whole.dispatch.sizes[option.name]
        if option.kind == "supply" and option.site_id == plan.stands.site_id and size > 0:
            traded = kinds[option.name] == "contract"
            yield Generation(option.name, "traded" if traded else "self-built", size * option.series, True)


def _used(generation: Sequence[Generation], used_kw: FloatArray) -> Iterator[tuple[Generation, FloatArray]]:
    """Yield how much of each supply is used: one's own first, then direct lines, then traded."""
    left = used_kw.copy()
    for part in sorted(generation, key=lambda g: g.origin == "traded"):
        taken = np.minimum(part.kw, left)
        left = left - taken
        yield part, taken


def _basis(plan: SitePlan) -> Mapping[Part, Basis]:
    labels = plan.case.labels
    own = labels["own production"]
    green = labels["green share of the grid"]
    return {
        "load": Basis("measured", labels["load"]),
        "it": Basis("measured", labels["load"]),
        "supply": Basis("measured" if own.startswith("measured") else "modelled", own),
        "grid": Basis(_kind(green), green),
        "carbon": Basis(_kind(labels["carbon"], "published"), labels["carbon"]),
    }


def _kind(text: str, otherwise: Label = "assumed") -> Label:
    """Return what a grid file's figures are; what is no file's is ``otherwise``."""
    told: tuple[Label, ...] = ("measured", "modelled", "assumed")
    named = next((label for label in told if text.startswith(f"{label}, ")), None)
    return named or ("published" if text.startswith("hour by hour") else otherwise)


# -- rules -----------------------------------------------------------------------------------------
def _rules(
    plan: PortfolioPlan,
    tallies: Sequence[GreenTally],
    residual: Residual | None,
    on: date,
    weights: Weights | None,
) -> Iterator[SiteRules]:
    rules, lots = load_share_rules(), _lots(plan, on)
    for site, flows in zip(plan.sites, tallies, strict=True):
        where = site.case.site
        account = green_account(flows, None, residual)
        weight = _weight(where, on, weights)
        checks = [check_rule(r, account, _facts(where), lots, on=on, weight=weight) for r in rules]
        applied = tuple(c for c in checks if c.verdict != "does not apply")
        if applied:
            yield SiteRules(site.stands.site_id, applied)


def _lots(plan: PortfolioPlan, on: date) -> list[Lot | Unfit]:
    """Return the certificates on offer; every rule is given all of them, as if it were the only one."""
    schemes = load_certificate_schemes()
    lots: list[Lot | Unfit] = []
    for offer in plan.portfolio.purchase:
        if offer.produced is None:
            lots.append(Unfit(offer.name, say("the month of its production is not declared")))
            continue
        basis = Basis("published", offer.source)
        certificates = CertificateOffer(
            offer.name, offer.volume_kwh, offer.price_per_kwh, offer.produced, basis
        )
        lots.append(certificate_lot(certificates, schemes[certificates.scheme], on))
    return lots


def _facts(site: Site) -> dict[str, Fact]:
    return {
        "country": site.country or None, "kind": site.kind, "new_build": site.new_build,
        "hub_node": site.hub_node, "standard_racks": site.standard_racks,
    }  # fmt: skip


def _weight(site: Site, on: date, weights: Weights | None) -> float | None:
    if weights is None or not site.region:
        return None
    try:
        return weights.of(site.region, on.year)[0]
    except CatalogueError:
        return None  # the rule then says that no weight of the province is declared
