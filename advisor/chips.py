"""Low-power chips: what to do with a declared server fleet so that the same work needs the least power.

Steps without a purchase come first: switch off what does no work, consolidate on what stands, cap
accelerators, and only then buy. Each step is optimal for the work, the peak and the reserve of its pool, and
is booked after the steps before it, so the point savings add up. A purchase has to repay the embodied carbon
of its making (upper estimate) within its lifetime from IT power alone, stays within the declared budget at
the upper price, and only its own embodied carbon counts: that of standing machines is sunk.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from advisor.chip_catalogue import HardwareCatalogue
from advisor.chips_actions import (
    PoolState,
    before,
    keep_action,
    pool_actions,
    power_interval,
    replace_action,
    state_after,
)
from advisor.chips_milp import Demand, FleetChoice, Option, choose
from advisor.chips_offers import Offer, list_offers
from advisor.chips_payback import HOURS_PER_YEAR, Payback, payback
from advisor.chips_plan import ChipAction, ChipPlan, RejectedChip
from advisor.chips_pool import Pool, build_pools
from advisor.chips_rejected import eligible, not_offered, one_for_one, purchase_without_gain
from advisor.plan import SolverReport
from advisor.servers import HardwarePrices, ServerGroup
from features.errors import UsageError
from features.message import say

__all__ = ["ChipAction", "ChipPlan", "Payback", "RejectedChip", "payback", "plan_chips"]

SHOWN_PURCHASES = 3


@dataclass(frozen=True)
class _Terms:
    """Terms of a purchase: [W] a bought server has to save per kg of its making and per unit of price."""

    watts_per_kg: float
    watts_per_money: float
    budget: float | None
    years: float
    seed: int


def plan_chips(
    groups: Sequence[ServerGroup],
    catalogue: HardwareCatalogue,
    prices: HardwarePrices | None = None,
    *,
    seed: int = 0,
    price_per_kwh: float | None = None,
    carbon_kg_per_kwh: float | None = None,
) -> ChipPlan:
    """Choose among keep, switch off, consolidate, power cap and replace for every pool.

    Parameters
    ----------
    groups : sequence of ServerGroup
    catalogue : HardwareCatalogue
    prices : HardwarePrices or None
        The site's prices and budget; None: shipped assumptions, nothing is bought.
    seed : int
        Of the solver.
    price_per_kwh : float or None
        [currency/kWh]; needed where ``prices.max_payback_years`` is declared.
    carbon_kg_per_kwh : float or None
        [kg CO2e/kWh] for the carbon test of a purchase; None: the shipped assumption.

    Raises
    ------
    features.errors.SiteFileError, features.errors.CatalogueError
        A group or price cannot be used.
    features.errors.UsageError
        A payback is demanded without a price of energy (``E-CHIP-TARIFF``).
    """
    terms = _terms(catalogue, prices, seed, price_per_kwh, carbon_kg_per_kwh)
    pools = build_pools(groups, catalogue, prices)
    offers = list_offers(catalogue, prices)
    reports: list[SolverReport] = []
    actions: list[ChipAction] = []
    kept: list[ChipAction] = []
    rejected: list[RejectedChip] = []
    states: list[PoolState] = []
    for pool in pools:
        stages = _without_purchase(pool, seed, reports)
        states.append(stages[-1])
        found = pool_actions(pool, stages)
        actions += found
        if not found:
            kept.append(keep_action(pool, stages[0]))
        rejected += [*one_for_one(pool, offers, catalogue), *not_offered(pool, offers, catalogue, prices)]
    start = [before(pool) for pool in pools]
    purchases: list[ChipAction] = []
    if terms.budget is not None:
        for index, (state, options, choice) in _bought(pools, states, offers, prices, terms, reports).items():
            action = replace_action(pools[index], states[index], state, options, choice, offers)
            actions.append(replace(action, lifetime_years=terms.years))
            states[index] = state
    else:
        for pool, state in zip(pools, states, strict=True):
            shown, without = _possible(pool, state, offers, prices, terms, reports)
            purchases += shown
            rejected += without
    ranked = sorted(actions, key=lambda a: (_ORDER.index(a.kind), -a.it_saving_kw.point))
    return ChipPlan(
        tuple(ranked), power_interval(start), power_interval(states), _together(reports, seed),
        tuple(rejected), tuple(purchases), tuple(kept),
    )  # fmt: skip


_ORDER = ("switch off", "consolidate", "power cap", "replace")


def _terms(
    catalogue: HardwareCatalogue,
    prices: HardwarePrices | None,
    seed: int,
    price_per_kwh: float | None,
    carbon_kg_per_kwh: float | None,
) -> _Terms:
    years = catalogue.value("server_lifetime")
    if prices is not None and prices.lifetime_years is not None:
        years = prices.lifetime_years
    carbon = catalogue.value("grid_factor") if carbon_kg_per_kwh is None else carbon_kg_per_kwh
    # Electricity without carbon can never repay what was emitted in the making.
    per_kg = 1000.0 / (years * HOURS_PER_YEAR * carbon) if carbon > 0 else math.inf
    limit = None if prices is None else prices.max_payback_years
    if limit is None:
        return _Terms(per_kg, 0.0, None if prices is None else prices.budget, years, seed)
    if not price_per_kwh:
        raise UsageError(
            "E-CHIP-TARIFF",
            say("a payback of new servers is demanded but energy has no price"),
            say("site.toml, hardware_prices.max_payback_years"),
            say("declare a tariff or remove max_payback_years"),
        )
    per_money = 1000.0 / (limit * HOURS_PER_YEAR * price_per_kwh)
    return _Terms(per_kg, per_money, None if prices is None else prices.budget, years, seed)


def _without_purchase(pool: Pool, seed: int, reports: list[SolverReport]) -> list[PoolState]:
    """Return the states of a pool: today, idle groups off, consolidated, capped."""
    demand, counts = pool.demand(), [s.group.count for s in pool.stocks]
    options, last = pool.options(0, 0), []
    capped = pool.capped(0, 0)
    if capped:
        both = (*options, *capped)
        choice = choose(both, [demand], counts, seed=seed)
        reports.append(choice.report)
        last = [state_after(pool, both, choice)]
        # What the capped servers need stays on: no step takes back the one before it.
        on = [last[0].on[s.group.name] for s in pool.stocks]
        options = tuple(replace(o, least=n, most=n) for o, n in zip(options, on, strict=True))
    choice = choose(options, [demand], counts, seed=seed)
    reports.append(choice.report)
    today, consolidated = before(pool), state_after(pool, options, choice)
    idle_off = today.with_idle_off(pool, consolidated.on)
    if consolidated.total_w > idle_off.total_w:
        # Within the gap of a large fleet: what stands is as good.
        idle_off = consolidated = today.with_idle_off(pool, {s.group.name: 0 for s in pool.stocks})
    return [today, idle_off, consolidated, *(s for s in last if s.total_w < consolidated.total_w)]


def _buyable(
    index: int, first_stock: int, pool: Pool, offers: Sequence[Offer], terms: _Terms
) -> tuple[Option, ...]:
    """Return offers as options of a pool; as many as could carry all of it with a reserve."""
    demand = pool.demand()
    options = list(pool.options(index, first_stock))
    for offer in offers:
        capacity = offer.machine.capacity or 0.0
        needs = [demand.peak / demand.moved / capacity, demand.mean / pool.load_limit / capacity]
        if demand.memory_gb is not None and offer.machine.memory_gb:
            needs.append(demand.memory_gb / offer.machine.memory_gb)
        options.append(
            Option(index, None, offer.model.id, offer.machine, math.ceil(max(needs)) + 2,
                   pool.load_min, pool.load_limit,
                   offer.price.upper if offer.price is not None else 0.0,
                   offer.embodied.upper * terms.watts_per_kg)
        )  # fmt: skip
    return tuple(options)


def _bought(
    pools: Sequence[Pool],
    states: Sequence[PoolState],
    offers: Sequence[Offer],
    prices: HardwarePrices | None,
    terms: _Terms,
    reports: list[SolverReport],
) -> dict[int, tuple[PoolState, tuple[Option, ...], FleetChoice]]:
    """Return what is bought within the budget, by pool: one problem for all pools that may buy."""
    options: list[Option] = []
    demands: list[Demand] = []
    counts: list[int] = []
    indices: list[int] = []
    for index, pool in enumerate(pools):
        wanted = [o for o in eligible(pool, offers, prices) if o.price is not None]
        if not wanted or math.isinf(terms.watts_per_kg):
            continue
        options += _buyable(len(indices), len(counts), pool, wanted, terms)
        indices.append(index)
        demands.append(pool.demand())
        counts += [s.group.count for s in pool.stocks]
    if not indices:
        return {}
    choice = choose(
        options, demands, counts, budget=terms.budget, money_w=terms.watts_per_money, seed=terms.seed
    )
    reports.append(choice.report)
    found: dict[int, tuple[PoolState, tuple[Option, ...], FleetChoice]] = {}
    for place, index in enumerate(indices):
        chosen = [i for i, o in enumerate(options) if o.pool == place]
        mine = tuple(options[i] for i in chosen)
        part = FleetChoice(choice.on[chosen], choice.work[chosen], choice.power_w[chosen], choice.report)
        state = state_after(pools[index], mine, part)
        bought = any(n for n, o in zip(part.on, mine, strict=True) if o.stock is None)
        if bought and state.total_w < states[index].total_w:
            found[index] = (state, mine, part)
    return found


def _possible(
    pool: Pool,
    state: PoolState,
    offers: Sequence[Offer],
    prices: HardwarePrices | None,
    terms: _Terms,
    reports: list[SolverReport],
) -> tuple[list[ChipAction], list[RejectedChip]]:
    """Return the best purchases for a pool, each offer by itself, and those that bring nothing."""
    found: list[tuple[float, ChipAction]] = []
    without: list[Offer] = []
    for offer in [] if math.isinf(terms.watts_per_kg) else eligible(pool, offers, prices):
        options = _buyable(0, 0, pool, [offer], terms)
        choice = choose(
            options, [pool.demand()], [s.group.count for s in pool.stocks],
            money_w=terms.watts_per_money, seed=terms.seed,
        )  # fmt: skip
        reports.append(choice.report)
        after = state_after(pool, options, choice)
        if not choice.on[-1] or after.total_w >= state.total_w:
            without.append(offer)
            continue
        action = replace_action(pool, state, after, options, choice, offers)
        cost = math.inf if action.purchase_cost is None else action.purchase_cost.point
        found.append((cost / action.it_saving_kw.point, action))
    found.sort(key=lambda pair: (pair[0], -pair[1].it_saving_kw.point))
    shown = [
        replace(a, id=f"{a.id}:{number}", lifetime_years=terms.years)
        for number, (_, a) in enumerate(found[:SHOWN_PURCHASES], 1)
    ]
    return shown, purchase_without_gain(pool, without)


def _together(reports: Sequence[SolverReport], seed: int) -> SolverReport:
    return SolverReport(
        "optimal" if all(r.status == "optimal" for r in reports) else "feasible",
        f"{len(reports)} small MILPs (HiGHS), loads at break points",
        sum(r.seconds for r in reports),
        seed,
        gap=max((r.gap or 0.0 for r in reports), default=0.0),
        evaluated=sum(r.evaluated for r in reports),
    )
