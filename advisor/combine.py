"""Several actions at one site: what each saves alone, after those ranked above it, and all together.

Savings of actions on the same site overlap: leaner servers leave less heat for a better set-point to
save on. Each action is therefore scored alone and on top of those ranked above it, and the total is
scored as one; it is never the sum of what the actions save alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from advisor.plan import Z90, Interval, Saving, Totals
from features.frame import FloatArray

MOST_ACTIONS = 5
QUANTITIES = ("energy_kwh", "non_green_kwh", "cost", "carbon_kg")


@dataclass(frozen=True)
class Outcome:
    """Where a set of actions leads.

    Parameters
    ----------
    totals : Totals
        Point values over the window.
    draws : dict
        Quantity of `QUANTITIES` -> the same total in every draw of what is uncertain, shape (draws,);
        draw i means the same in every outcome of a site, so differences of outcomes keep what they
        share out of the interval. A quantity without a total has no draws.
    """

    totals: Totals
    draws: dict[str, FloatArray]


Evaluate = Callable[[frozenset[str]], Outcome]
"""Ids of the actions done -> where they lead."""


@dataclass(frozen=True)
class Ranked:
    """One action: its saving alone, and after those ranked above it."""

    id: str
    alone: Saving
    after: Saving


@dataclass(frozen=True)
class Combination:
    """Ranked actions and what they save together.

    Parameters
    ----------
    ranked : tuple of Ranked
        The largest saving alone first.
    baseline, planned : Totals
        Without any of the actions, and with all of ``ranked``.
    total : Saving
        Of all together, scored as one.
    left_out : tuple of Ranked
        Actions beyond the number asked for, or that save nothing once the others are done.
    """

    ranked: tuple[Ranked, ...]
    baseline: Totals
    planned: Totals
    total: Saving
    left_out: tuple[Ranked, ...] = ()


def combine(
    actions: Sequence[str],
    evaluate: Evaluate,
    *,
    most: int = MOST_ACTIONS,
    needs: Mapping[str, frozenset[str]] = MappingProxyType({}),
) -> Combination:
    """Rank actions and score them alone, in order, and together.

    Parameters
    ----------
    actions : sequence of str
        Ids; each may be done or left.
    evaluate : callable
        Scores any set of them; the same set always gives the same outcome.
    most : int
        At most this many are kept, those that save most.
    needs : mapping
        Action -> others that must be done before it; such an action alone means on top of what it needs.

    Returns
    -------
    Combination
        An action whose saving after those above it is not positive is left out: it has nothing to add.
    """
    known: dict[frozenset[str], Outcome] = {}

    def at(done: frozenset[str]) -> Outcome:
        if done not in known:
            known[done] = evaluate(done)
        return known[done]

    nothing = at(frozenset())
    before = {name: needs.get(name, frozenset()) for name in actions}
    base = nothing.totals.energy_kwh
    alone = {name: saving_between(at(before[name]), at(before[name] | {name}), base) for name in actions}
    ranked: list[Ranked] = []
    left: list[Ranked] = []
    done: frozenset[str] = frozenset()
    for name in _ordered(sorted(actions, key=lambda name: -_worth(alone[name])), before):
        after = saving_between(at(done), at(done | {name}), base)
        entry = Ranked(name, alone[name], after)
        if len(ranked) < most and _worth(after) > 0 and before[name] <= done:
            ranked.append(entry)
            done |= {name}
        else:
            left.append(entry)
    planned = at(done)
    return Combination(
        tuple(ranked), nothing.totals, planned.totals, saving_between(nothing, planned), tuple(left)
    )


def _ordered(names: list[str], needs: Mapping[str, frozenset[str]]) -> list[str]:
    """Return the names in their order, each behind those that it needs."""
    placed: list[str] = []

    def place(name: str) -> None:
        for other in names:
            if other in needs[name] and other not in placed:
                place(other)
        if name not in placed:
            placed.append(name)

    for name in names:
        place(name)
    return placed


def saving_between(before: Outcome, after: Outcome, baseline_kwh: float | None = None) -> Saving:
    """Return what ``after`` saves against ``before``, with 90 % intervals from the draws they share.

    Percentages are of ``baseline_kwh`` [kWh]; None: of the energy before.
    """
    spans: dict[str, Interval | None] = {}
    for name in QUANTITIES:
        was, is_now = getattr(before.totals, name), getattr(after.totals, name)
        if was is None or is_now is None:
            spans[name] = None
            continue
        half = Z90 * float(np.std(before.draws[name] - after.draws[name], ddof=1))
        spans[name] = Interval(was - is_now - half, was - is_now, was - is_now + half)
    energy = before.totals.energy_kwh if baseline_kwh is None else baseline_kwh
    share = None
    if spans["energy_kwh"] is not None and energy:
        share = spans["energy_kwh"].scaled(100.0 / energy)
    return Saving(spans["energy_kwh"], share, spans["non_green_kwh"], spans["cost"], spans["carbon_kg"])


def _worth(saving: Saving) -> float:
    """Return what actions are ranked by: non-green energy where it is known, else energy [kWh]."""
    span = saving.non_green_kwh or saving.energy_kwh
    return span.point if span is not None else 0.0
