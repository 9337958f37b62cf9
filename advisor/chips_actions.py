"""From chosen servers to actions: states of a pool, their power with its interval, sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from advisor.chip_catalogue import Tag
from advisor.chips_milp import FleetChoice, Option
from advisor.chips_offers import Offer
from advisor.chips_plan import ChipAction, ChipKind
from advisor.chips_pool import Pool, Stock, pool_conditions
from advisor.chips_power import Machine, weakest
from advisor.plan import Interval
from features.message import Message, say

ZERO = Interval(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class PoolState:
    """A pool at one step.

    ``watts`` mean power [W] and ``errors`` relative error [1] by machine key; ``on`` servers on by group or
    bought model; ``loads`` [1] of one server; ``capped`` cap [W] -> servers by group.
    """

    watts: dict[str, float]
    errors: dict[str, float]
    on: dict[str, int]
    loads: dict[str, float]
    capped: dict[tuple[str, float], int]

    @property
    def total_w(self) -> float:
        """Mean power of the pool [W]."""
        return sum(self.watts.values())

    def with_idle_off(self, pool: Pool, needed: dict[str, int]) -> PoolState:
        """Return today's state with those idle servers off that a later state does not need (group -> on)."""
        watts, on = dict(self.watts), dict(self.on)
        for stock in pool.stocks:
            off = stock.group.count - needed[stock.group.name]
            if stock.idle and off > 0:
                each_w = float(stock.machine.power_w(stock.group.mean_utilisation))
                watts[stock.machine.key] -= off * each_w
                on[stock.group.name] -= off
        return replace(self, watts=watts, on=on)


def before(pool: Pool) -> PoolState:
    """Return today's state of a pool."""
    watts: dict[str, float] = {}
    for stock in pool.stocks:
        watts[stock.machine.key] = watts.get(stock.machine.key, 0.0) + stock.watts
    return PoolState(
        watts, {s.machine.key: s.machine.relative_error for s in pool.stocks},
        {s.group.name: s.group.count for s in pool.stocks},
        {s.group.name: s.group.mean_utilisation for s in pool.stocks}, {},
    )  # fmt: skip


def state_after(pool: Pool, options: Sequence[Option], choice: FleetChoice) -> PoolState:
    """Return the state of a pool under a choice among ``options`` (all of this pool)."""
    first = min(o.stock for o in options if o.stock is not None)
    watts: dict[str, float] = {}
    errors: dict[str, float] = {}
    on = {s.group.name: 0 for s in pool.stocks}
    work: dict[str, float] = {}
    size: dict[str, float] = {}
    capped: dict[tuple[str, float], int] = {}
    for option, n, done, power in zip(
        options, choice.on.tolist(), choice.work.tolist(), choice.power_w.tolist(), strict=True
    ):
        stock = None if option.stock is None else pool.stocks[option.stock - first]
        name = option.family if stock is None else stock.group.name
        on[name] = on.get(name, 0) + n
        work[name] = work.get(name, 0.0) + done
        size[name] = size.get(name, 0.0) + n * option.capacity
        key = option.machine.key
        watts[key] = watts.get(key, 0.0) + power
        errors[key] = option.machine.relative_error
        cap_w = None if stock is None else _cap_of(stock, option.machine)
        if cap_w is not None and n:
            capped[name, cap_w] = n
    loads = {name: work[name] / size[name] if size[name] > 0 else 0.0 for name in on}
    return PoolState(watts, errors, on, loads, capped)


def saving_kw(earlier: PoolState, later: PoolState) -> Interval:
    """Return the IT power saved [kW]: the error of a model is shared by all its machines."""
    keys = {**earlier.watts, **later.watts}
    errors = {**earlier.errors, **later.errors}
    delta = {k: earlier.watts.get(k, 0.0) - later.watts.get(k, 0.0) for k in keys}
    return _with_error(sum(delta.values()), delta, errors)


def power_interval(states: Sequence[PoolState]) -> Interval:
    """Return the power of some pools together [kW]."""
    watts: dict[str, float] = {}
    errors: dict[str, float] = {}
    for state in states:
        errors.update(state.errors)
        for key, value in state.watts.items():
            watts[key] = watts.get(key, 0.0) + value
    return _with_error(sum(watts.values()), watts, errors)


def _with_error(total_w: float, watts: dict[str, float], errors: dict[str, float]) -> Interval:
    half = math.hypot(*(errors[k] * w for k, w in watts.items()))
    return Interval((total_w - half) / 1000.0, total_w / 1000.0, (total_w + half) / 1000.0)


def pool_actions(pool: Pool, stages: Sequence[PoolState]) -> list[ChipAction]:
    """Return the actions without a purchase between the stages of a pool."""
    today, idle_off, consolidated = stages[:3]
    found: list[ChipAction] = []
    if idle_off.on != today.on:
        found.append(_action("switch off", pool, today, idle_off, _switch_off(pool, today, idle_off),
                             _off_conditions()))  # fmt: skip
    # Servers left as they are may share work anew; what saves less than a watt is not an action.
    if consolidated.on != idle_off.on or saving_kw(idle_off, consolidated).point > 1e-3:
        found.append(_action("consolidate", pool, idle_off, consolidated,
                             _consolidate(pool, idle_off, consolidated), pool_conditions(pool)))  # fmt: skip
    if len(stages) > 3 and stages[3].capped:
        found.append(_action("power cap", pool, consolidated, stages[3], _cap(pool, stages[3]),
                             (_cap_condition(), *pool_conditions(pool))))  # fmt: skip
    return found


def keep_action(pool: Pool, today: PoolState) -> ChipAction:
    """Return the statement that a pool is best left as it is."""
    sentence = say(
        "Keep the servers of pool {pool} as they are: nothing without a purchase saves more", pool=pool.name
    )
    return replace(_action("keep", pool, today, today, sentence, pool_conditions(pool)), it_saving_kw=ZERO)


def replace_action(
    pool: Pool,
    earlier: PoolState,
    later: PoolState,
    options: Sequence[Option],
    choice: FleetChoice,
    offers: Sequence[Offer],
) -> ChipAction:
    """Return the purchase that a choice makes for a pool."""
    by_model = {o.model.id: o for o in offers}
    bought = {o.family: int(n) for o, n in zip(options, choice.on, strict=True) if o.stock is None and n}
    taken = [(by_model[m], n) for m, n in bought.items()]
    sentence = say(
        "Buy {bought} for pool {pool} and keep {kept}",
        bought=Message.joined(", ", [say("{n} x {name}", n=n, name=o.model.title) for o, n in taken]),
        pool=pool.name,
        kept=_counts(pool, earlier, later),
    )
    cost: Interval | None = ZERO
    embodied = ZERO
    for offer, n in taken:
        embodied = _plus(embodied, offer.embodied.scaled(n))
        cost = None if cost is None or offer.price is None else _plus(cost, offer.price.scaled(n))
    conditions = (
        say("new servers are counted with {memory} GB of memory each, standing ones as published where none "
            "is declared", memory=", ".join(f"{o.machine.memory_gb:g}" for o, _ in taken)),
        say("only the embodied carbon of the new servers counts; that of standing ones is sunk"),
        say("a purchase repays its making within its lifetime from saved IT power alone; licences, "
            "maintenance and space are not in the payback"),
        *pool_conditions(pool),
    )  # fmt: skip
    action = _action("replace", pool, earlier, later, sentence, conditions)
    sources = [*action.sources, *(line for offer, _ in taken for line in offer.sources)]
    tag: list[Tag] = [s.machine.tag for s in pool.stocks] + [offer.tag for offer, _ in taken]
    return replace(
        action, purchase_cost=cost, currency=taken[0][0].currency, embodied_kg=embodied,
        sources=tuple(dict.fromkeys(sources)), tag=weakest(tag),
        price_assumed=any(offer.price_assumed for offer, _ in taken),
    )  # fmt: skip


def _plus(a: Interval, b: Interval) -> Interval:
    return Interval(a.lower + b.lower, a.point + b.point, a.upper + b.upper)


def _action(
    kind: ChipKind,
    pool: Pool,
    earlier: PoolState,
    later: PoolState,
    sentence: Message,
    conditions: tuple[str, ...],
) -> ChipAction:
    stocks = [s for s in pool.stocks if kind != "switch off" or s.idle]
    sources = [line for s in stocks for line in s.machine.sources]
    if kind == "power cap":
        sources += [_cap_source(s, cap_w) for s in stocks for name, cap_w in later.capped
                    if name == s.group.name]  # fmt: skip
    notes = [*conditions, *(line for s in stocks for line in s.machine.conditions)]
    return ChipAction(
        f"{kind.replace(' ', '-')}:{pool.name}", kind, pool.name, sentence, saving_kw(earlier, later),
        None, "", None, dict(earlier.on), dict(later.on), tuple(dict.fromkeys(notes)),
        tuple(dict.fromkeys(sources)), weakest([s.machine.tag for s in stocks]),
    )  # fmt: skip


def _cap_of(stock: Stock, machine: Machine) -> float | None:
    for cap_w, (capped, _) in stock.caps.items():
        if capped is machine:
            return cap_w
    return None


def _cap_source(stock: Stock, cap_w: float) -> Message:
    cap = stock.caps[cap_w][1]
    return say(
        "{card} at {cap:g} of {limit:g} W keeps {kept} of the throughput ({source}, tag {tag})",
        card=stock.machine.name, cap=cap[0].cap_w, limit=cap[0].limit_w,
        kept=", ".join(f"{r.throughput_kept:.1%} ({r.workload})" for r in cap),
        source=cap[0].source, tag=cap[0].tag,
    )  # fmt: skip


def _switch_off(pool: Pool, earlier: PoolState, later: PoolState) -> Message:
    parts = [
        say("{n} x {name} of group {group}", n=earlier.on[s.group.name] - later.on[s.group.name],
            name=s.machine.name, group=s.group.name)
        for s in pool.stocks
        if later.on[s.group.name] < earlier.on[s.group.name]
    ]  # fmt: skip
    return say("Switch off {parts}: they do no useful work", parts=Message.joined(", ", parts))


def _consolidate(pool: Pool, earlier: PoolState, later: PoolState) -> Message:
    off = sum(earlier.on.values()) - sum(later.on.values())
    if len(pool.stocks) == 1:
        stock = pool.stocks[0]
        return say(
            "Consolidate {count} x {name} (pool {pool}) on {on} of them at {load:.0%} mean load and switch "
            "{off} off", count=earlier.on[stock.group.name], name=stock.machine.name, pool=pool.name,
            on=later.on[stock.group.name], load=later.loads[stock.group.name], off=off,
        )  # fmt: skip
    counts = _counts(pool, earlier, later)
    if off == 0:
        return say("Share the work of pool {pool} anew: {counts}", pool=pool.name, counts=counts)
    return say("Consolidate pool {pool} and switch {off} servers off: {counts}",
               pool=pool.name, off=off, counts=counts)  # fmt: skip


def _counts(pool: Pool, earlier: PoolState, later: PoolState) -> Message:
    parts: list[Message] = []
    for stock in pool.stocks:
        name = stock.group.name
        if later.on[name]:
            parts.append(
                say("{on} of {count} x {machine} (group {group}) at {load:.0%}", on=later.on[name],
                    count=stock.group.count, machine=stock.machine.name, group=name, load=later.loads[name])
            )  # fmt: skip
        elif earlier.on[name]:
            parts.append(say("none of {count} x {machine} (group {group})", count=stock.group.count,
                             machine=stock.machine.name, group=name))  # fmt: skip
    return Message.joined(", ", parts)


def _cap(pool: Pool, later: PoolState) -> Message:
    parts = []
    for stock in pool.stocks:
        for (group, cap_w), n in later.capped.items():
            if group == stock.group.name:
                kept = min(r.throughput_kept for r in stock.caps[cap_w][1])
                limit = stock.caps[cap_w][1][0].limit_w
                parts.append(
                    say("{n} x {name} (group {group}) at {cap:g} of {limit:g} W per card, at least "
                        "{kept:.0%} of the throughput kept", n=n, name=stock.machine.name, group=group,
                        cap=cap_w, limit=limit, kept=kept)
                )  # fmt: skip
    return say("Cap the power of {parts} (pool {pool})", parts=Message.joined(", ", parts), pool=pool.name)


def _off_conditions() -> tuple[Message, ...]:
    return (
        say("the owner agrees; stop for 30 days before removal, keep backups"),
        say("no useful work is taken from the declared peak load of the group"),
    )


def _cap_condition() -> Message:
    return say(
        "jobs take longer in proportion; the work must be bound by computing: memory-bound decoding needs a "
        "clock lock instead, and some firmware refuses a lower cap"
    )
