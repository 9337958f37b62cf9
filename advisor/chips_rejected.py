"""Options that were looked at and are not advised, with the reason."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.chip_catalogue import HardwareCatalogue
from advisor.chips_offers import Offer
from advisor.chips_plan import RejectedChip
from advisor.chips_pool import Pool, Stock
from advisor.chips_power import Machine, SameWork, offered_machine, same_work
from advisor.plan import Interval
from advisor.servers import HardwarePrices
from features.message import Message, say


def eligible(pool: Pool, offers: Sequence[Offer], prices: HardwarePrices | None) -> list[Offer]:
    """Return the offers that may run the work of a pool.

    Accelerator work, work of unknown size, work not declared ready for Arm, and makers outside the site's
    rule are left out.
    """
    if not pool.comparable or not pool.working:
        return []
    return [
        o
        for o in offers
        if (o.model.isa == "x86" or (o.model.isa == "arm" and pool.arm_ready)) and _allowed(o, prices)
    ]


def _allowed(offer: Offer, prices: HardwarePrices | None) -> bool:
    return prices is None or prices.makers_from is None or offer.model.maker_country in prices.makers_from


def one_for_one(pool: Pool, offers: Sequence[Offer], catalogue: HardwareCatalogue) -> list[RejectedChip]:
    """Return, for each group, the one-for-one replacements that raise its power: the worst, and how many.

    The new server gets the memory that the old one is declared with, else that of its published results.
    """
    if not pool.comparable:
        return []
    found: list[RejectedChip] = []
    for stock in pool.working:
        load, capacity = stock.group.mean_utilisation, stock.machine.capacity or 0.0
        memory_gb = stock.group.memory_gb
        new = [offered_machine(o.model, memory_gb or o.model.memory_gb or 0.0, catalogue) for o in offers]
        fits = [m for m in new if load * capacity <= (m.capacity or 0.0)]
        pairs = [(same_work(stock.machine, load, m), m) for m in fits]
        worse = sorted(((w, m) for w, m in pairs if w.change_pct > 0), key=lambda pair: -pair[0].change_pct)
        if worse:
            found.append(_worst(pool, stock, *worse[0], others=len(worse) - 1))
    return found


def _worst(pool: Pool, stock: Stock, work: SameWork, new: Machine, others: int) -> RejectedChip:
    n = stock.group.count
    point = n * (work.before_w - work.after_w) / 1000.0
    half = n / 1000.0 * ((stock.machine.relative_error * work.before_w) ** 2
                         + (new.relative_error * work.after_w) ** 2) ** 0.5  # fmt: skip
    return RejectedChip(
        "replace", pool.name,
        say("Replace {n} x {old} (group {group}) one for one by {new}", n=n, old=stock.machine.name,
            group=stock.group.name, new=new.name),
        Interval(point - half, point, point + half),
        say("the same work would need {change:+.0f} % power ({after:.0f} W instead of {before:.0f} W each): "
            "the new server would stand at {load:.0%} load; {others} other offers raise it too, one for one",
            change=work.change_pct, after=work.after_w, before=work.before_w, load=work.new_load,
            others=others),
    )  # fmt: skip


def not_offered(
    pool: Pool, offers: Sequence[Offer], catalogue: HardwareCatalogue, prices: HardwarePrices | None
) -> list[RejectedChip]:
    """Return what was left out before any calculation, and why."""
    found: list[RejectedChip] = []

    def leave_out(names: Sequence[str], reason: Message) -> None:
        if names:
            listed = Message.joined(", ", names)
            sentence = say("Replace servers of pool {pool} by {names}", pool=pool.name, names=listed)
            found.append(RejectedChip("replace", pool.name, sentence, None, reason))

    if pool.accelerated:
        found += _cap_refusals(pool, catalogue)
        unit = say("no two published cards share a metered unit of this work; peak figures do not compare")
        leave_out([say("other accelerators")], unit)
        return found
    if not pool.working:
        return []
    if not pool.comparable:
        unknown = say("its servers have no public result; declare capacity_m_ops to compare them")
        leave_out([say("other models")], unknown)
        return found
    arm = [o.model.title for o in offers if o.model.isa == "arm" and not pool.arm_ready]
    leave_out(arm, say("the work is not declared ready for Arm (arm_ready)"))
    leave_out([o.model.title for o in offers if not _allowed(o, prices)],
              say("the site's rule on makers (makers_from) excludes them"))  # fmt: skip
    leave_out(sorted(m.name for m in catalogue.servers.values() if not m.measured),
              say("no public power result exists; nothing is claimed for them"))  # fmt: skip
    return found


def _cap_refusals(pool: Pool, catalogue: HardwareCatalogue) -> list[RejectedChip]:
    found = []
    for stock in pool.working:
        published = any(c.accelerator == stock.group.accelerator for c in catalogue.caps)
        if stock.caps:
            continue
        if stock.group.accelerator_bound == "memory":
            reason = say("memory-bound work draws less than any cap: lock the clock instead, up to a third "
                         "of decoding energy in one study (tag B)")  # fmt: skip
        elif not published:
            reason = say("no public result of a capped card exists")
        else:
            reason = say("it is not declared whether the work is bound by computing (accelerator_bound)")
        sentence = say("Cap the power of {name} (group {group})", name=stock.machine.name,
                       group=stock.group.name)  # fmt: skip
        found.append(RejectedChip("power cap", pool.name, sentence, None, reason))
    return found


def purchase_without_gain(pool: Pool, offers: Sequence[Offer]) -> list[RejectedChip]:
    """Return one line for the offers of which no number would repay its making."""
    if not offers:
        return []
    sentence = say("Buy {names} for pool {pool}", names=", ".join(o.model.title for o in offers),
                   pool=pool.name)  # fmt: skip
    reason = say("no number of them saves enough IT power to repay the terms of a purchase (embodied carbon, "
                 "payback) after the steps without a purchase")  # fmt: skip
    return [RejectedChip("replace", pool.name, sentence, None, reason)]
