"""Recommendations on servers, photovoltaics, battery and movable work, in words to act on."""

from __future__ import annotations

from collections.abc import Callable

from advisor.chips import ChipAction, ChipPlan, payback
from advisor.combine import Ranked
from advisor.plan import ActionKind, Interval, Recommendation, Saving, Verdict
from advisor.site import Site
from advisor.site_energy import SiteEnergy
from features.message import Message, say

HOURS_PER_YEAR = 8766.0
LEAST_YEAR_SHARE = 0.95
"""Money per year is told only from a window that covers the seasons [1]."""
MOST_BESIDE = 3
ANSWERS = {
    "switch off": "consolidation",
    "consolidate": "consolidation",
    "power cap": "low_power_chips",
    "replace": "low_power_chips",
    "pv": "onsite_pv",
    "battery": "storage",
    "shift": "load_shift",
}
"""Kind of action -> word of `advisor.measure.ACTIONS`."""
KINDS: dict[str, ActionKind] = {"pv": "pv", "battery": "battery", "shift": "shift"}
EXPIRY = say("one year after the end of the data, or when servers, contracts or prices change")

Cited = Callable[[str], tuple[str, ...]]


def servers_entry(
    plan: ChipPlan, ranked: Ranked, energy: SiteEnergy, site: Site, cited: Cited
) -> Recommendation:
    """Return the recommendation of one action on servers.

    Parameters
    ----------
    plan : ChipPlan
        Holds the action, and what was looked at beside it.
    ranked : Ranked
        The action's savings at the site's facility meter.
    energy : SiteEnergy
    site : Site
    cited : callable
        Word of `advisor.measure.ACTIONS` -> ids of measures.
    """
    action = next(a for a in plan.actions if a.id == ranked.id)
    after = ranked.after.energy_kwh
    hours = energy.window.hours * len(energy.window)
    factor = 1.0 if after is None else after.point / (action.it_saving_kw.point * hours)
    told = payback(
        action,
        facility_factor=factor,
        price_per_kwh=site.price_per_kwh,
        carbon_kg_per_kwh=site.carbon_kg_per_kwh,
    )
    metered = all(g.idle_w is not None for g in site.servers if g.pool == action.pool)
    verdict = _verdict(ranked.after)
    cost = None if action.purchase_cost is None else action.purchase_cost.point
    return Recommendation(
        id=f"{site.id}:{action.id}",
        action=action.sentence,
        lever="it_power_kw",
        measures=cited(ANSWERS[action.kind]),
        saving=ranked.alone,
        saving_after_higher_ranked=ranked.after,
        binding_limit=Message.joined("; ", action.conditions),
        reasons=(
            say(
                "IT power falls by {point:.1f} kW ({lower:.1f} to {upper:.1f}) for the same work, and "
                "the facility by {factor:.2f} kW for each of them",
                **vars(action.it_saving_kw),
                factor=factor,
            ),
            *(
                ()
                if energy.marginal is None
                else (
                    say("how the facility answers to less IT power: {source}", source=energy.marginal.source),
                )
            ),
            *told.sentences(),
        ),
        evidence=(
            *_beside(plan, action),
            *(say("source: {source}", source=s) for s in action.sources),
        ),
        verdict=verdict,
        # published watts and declared loads are not the site's own meters
        confidence="medium" if metered and verdict == "supported" else "low",
        rollback_trigger=say(
            "switch machines back on if the pool's peak load leaves less than one machine in reserve, "
            "or response times pass their agreed limit"
        ),
        expiry=EXPIRY,
        cost=cost,
        payback_years=None if told.money_years is None else told.money_years.point,
        kind="servers",
    )


def _beside(plan: ChipPlan, action: ChipAction) -> tuple[Message, ...]:
    """Return what was looked at for the same servers and is not advised, or only shown."""
    rejected = [x for x in plan.rejected if x.pool == action.pool]
    shown = [x for x in plan.purchases if x.pool == action.pool]
    return (
        *(say("not advised: {what} ({why})", what=x.sentence, why=x.reason) for x in rejected[:MOST_BESIDE]),
        *(
            say(
                "possible, but not decided without a budget: {what} (IT power {kw:.1f} kW lower)",
                what=x.sentence,
                kw=x.it_saving_kw.point,
            )
            for x in shown[:1]
        ),
    )


def asset_entry(ranked: Ranked, energy: SiteEnergy, site: Site, cited: Cited) -> Recommendation:
    """Return the recommendation on photovoltaics, battery or movable work; arguments as `servers_entry`."""
    lever, action, limit, reasons, rollback, cost = _ASSETS[ranked.id](site)
    verdict = _verdict(ranked.after)
    years = None if cost is None else _payback_years(cost, ranked.after, energy)
    if cost is not None and years is None:
        reasons = (*reasons, say("no payback is told: the window does not cover the seasons of a year"))
    return Recommendation(
        id=f"{site.id}:{ranked.id}",
        action=action,
        lever=lever,
        measures=cited(ANSWERS[ranked.id]),
        saving=ranked.alone,
        saving_after_higher_ranked=ranked.after,
        binding_limit=limit,
        reasons=reasons,
        evidence=(
            say("scored hour by hour on {days:.0f} days of this export", days=_days(energy)),
            say("the interval says how much as many other days like these would have differed"),
        ),
        verdict=verdict,
        confidence="medium" if verdict == "supported" else "low",
        rollback_trigger=rollback,
        expiry=EXPIRY,
        cost=cost,
        payback_years=years,
        kind=KINDS[ranked.id],
    )


_Words = tuple[str, Message, Message, tuple[Message, ...], Message, float | None]
"""Lever, action, binding limit, reasons, rollback trigger, cost [currency]."""


def _pv(site: Site) -> _Words:
    pv = site.pv
    if pv is None or pv.kw_peak_max is None:
        raise ValueError("photovoltaics are not declared")
    more = pv.kw_peak_max - pv.kw_peak
    return (
        "pv_power_kw",
        say("Build {more:,.0f} kW of photovoltaics (to {most:,.0f} kW)", more=more, most=pv.kw_peak_max),
        say("room for {most:,.0f} kW, as declared ({source})", most=pv.kw_peak_max, source=pv.source),
        (
            say("own production replaces purchased energy hour by hour; unused production saves nothing"),
            say("the facility itself uses as much energy as before: only its source changes"),
        ),
        say("none: a plant that stands costs nothing to leave on"),
        None if pv.price_per_kw is None else more * pv.price_per_kw,
    )


def _battery(site: Site) -> _Words:
    battery = site.battery
    if battery is None:
        raise ValueError("no battery is declared")
    free = battery.energy_kwh - battery.reserve_kwh
    return (
        "battery_soc_kwh",
        say(
            "Store surplus own production in the battery ({free:,.0f} kWh above the reserve) and use it as "
            "soon as production falls short",
            free=free,
        ),
        say(
            "{reserve:,.0f} kWh stay in reserve; at most {power:,.0f} kW ({source})",
            reserve=battery.reserve_kwh,
            power=battery.power_kw,
            source=battery.source,
        ),
        (
            say("a simple rule that needs no forecast; it never charges from the grid"),
            say("the battery is taken as unused today: the export does not show it"),
            say("without surplus of own production there is nothing to store"),
        ),
        say("stop if the reserve is touched or the battery's losses pass what it saves in a month"),
        None,
    )


def _shift(site: Site) -> _Words:
    work = site.workload
    if work is None:
        raise ValueError("no movable work is declared")
    return (
        "it_power_kw",
        say(
            "Move up to {share:.0f} % of each hour's work within its day to hours with greener power, by the "
            "pattern of the day before",
            share=100 * work.flexible_share,
        ),
        say(
            "IT load of at most {most:,.0f} kW; work returns within its day ({source})",
            most=work.it_capacity_kw,
            source=work.source,
        ),
        (
            say(
                "today's move follows what would have been best yesterday: no knowledge of the day is assumed"
            ),
            say("the amount of work of every day stays the same; cooling and losses follow the work"),
        ),
        say("run work at once again if a deadline is missed or the IT load passes its limit"),
        None,
    )


_ASSETS: dict[str, Callable[[Site], _Words]] = {"pv": _pv, "battery": _battery, "shift": _shift}


def _verdict(saving: Saving) -> Verdict:
    span: Interval | None = saving.non_green_kwh or saving.energy_kwh
    return "supported" if span is not None and span.lower > 0 else "not proven"


def _days(energy: SiteEnergy) -> float:
    return energy.window.hours * len(energy.window) / 24


def _payback_years(cost: float, saving: Saving, energy: SiteEnergy) -> float | None:
    share = 24 * _days(energy) / HOURS_PER_YEAR
    if saving.cost is None or saving.cost.point <= 0 or share < LEAST_YEAR_SHARE:
        return None
    return cost / (saving.cost.point / share)
