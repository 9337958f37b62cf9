"""A chips plan as readable lines with its figures, payback and sources."""

from __future__ import annotations

from advisor.chips_payback import Payback, payback
from advisor.chips_plan import ChipAction, ChipPlan
from advisor.plan import Interval
from features.message import Message, say

_LABELS = {
    "A": say("published"),
    "A*": say("computed from published results"),
    "B": say("declared or from one secondary source"),
    "C": say("rests on an assumption"),
}


def plan_lines(
    plan: ChipPlan,
    *,
    facility_factor: float,
    price_per_kwh: float | None = None,
    carbon_kg_per_kwh: float | None = None,
) -> tuple[str, ...]:
    """Return a plan as lines of text.

    Parameters
    ----------
    plan : ChipPlan
    facility_factor : float
        Facility kW that fall with one IT kW [1], marginal; see `advisor.chips_payback.payback`.
    price_per_kwh : float or None
        [currency/kWh].
    carbon_kg_per_kwh : float or None
        [kg CO2e/kWh].
    """
    lines: list[str] = [
        say("IT power of the declared servers: {before} -> {after} kW", before=_span(plan.it_before_kw, 2),
            after=_span(plan.it_after_kw, 2)),
        say("Solved by {method} in {seconds:.2f} s, gap {gap:g}", method=plan.report.method,
            seconds=plan.report.seconds, gap=plan.report.gap or 0.0),
    ]  # fmt: skip

    def repaid(action: ChipAction) -> Payback:
        return payback(
            action,
            facility_factor=facility_factor,
            price_per_kwh=price_per_kwh,
            carbon_kg_per_kwh=carbon_kg_per_kwh,
        )

    for number, action in enumerate(plan.actions, start=1):
        lines += _action_lines(say("{number}.", number=number), action, repaid(action))
    lines += [say("- {sentence}", sentence=action.sentence) for action in plan.kept]
    if plan.purchases:
        lines.append(say("Purchases that are possible, not in the total (no budget is declared):"))
    for action in plan.purchases:
        lines += _action_lines(say("-"), action, repaid(action))
    if plan.rejected:
        lines.append(say("Looked at and not advised:"))
    lines += [say("- {sentence}: {reason}", sentence=r.sentence, reason=r.reason) for r in plan.rejected]
    cited = dict.fromkeys(line for a in (*plan.actions, *plan.purchases) for line in a.sources)
    if cited:
        lines.append(say("Sources:"))
    lines += [say("- {source}", source=line) for line in cited]
    return tuple(lines)


def _action_lines(mark: Message, action: ChipAction, repaid: Payback) -> list[str]:
    lines: list[str] = [
        say("{mark} {sentence}", mark=mark, sentence=action.sentence),
        say("   saves {kw} kW of IT power, {kwh} kWh a year with the cooling that follows; {label} (tag "
            "{tag})",
            kw=_span(action.it_saving_kw, 2), kwh=_span(repaid.energy_kwh_per_year, 0),
            label=_LABELS[action.tag], tag=action.tag),
    ]  # fmt: skip
    lines += [say("   {text}", text=text) for text in repaid.sentences()]
    lines += [say("   condition: {text}", text=text) for text in action.conditions]
    return lines


def _span(interval: Interval, digits: int) -> Message:
    if digits == 0:
        return say("{point:,.0f} ({lower:,.0f} to {upper:,.0f})", **interval.to_dict())
    return say("{point:.2f} ({lower:.2f} to {upper:.2f})", **interval.to_dict())
