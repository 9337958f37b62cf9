"""What may be built, what must be kept, and the points of a plan's front, in words and figures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from advisor.dispatch_options import Option
from advisor.dispatch_site import SHARES, Dispatch, Target, added
from advisor.portfolio_plan import PortfolioPlan
from app import wording
from app.report.page import State
from app.report.plan_drawings import effort
from app.report.plan_page import Facts, OptionLine, PointBlock, TargetLine
from app.report.plan_words import amount, change_of, place_of, plan_words, share_change

SAME = 0.005
"""A point within this share of another figure is called the same [1]."""
BUILT = 1e-4
"""Below this share of what may be had an option is the solver's rounding [1]."""
MEASURES = {
    "non_green_kwh": ("non-green energy", "kWh"), "grid_kwh": ("energy bought", "kWh"), "cost": ("cost", ""),
    "carbon_kg": ("carbon", "kg CO₂e"), "water_m3": ("water", "m³"),
    "cfe": ("hourly carbon-free score", "1"), "coverage": ("coverage by own production", "1"),
    "green_share": ("green share with certificates", "1"), "effort_kwh": ("work moved and stored", "kWh"),
}  # fmt: skip
MET, MISSED = State("✓", "met", "good"), State("✗", "not met", "bad")


def measure(name: str) -> tuple[str, str]:
    """Return what a measure is called, and its unit; "": the portfolio's currency."""
    return MEASURES[name]


def option_line(option: Option, plan: PortfolioPlan) -> OptionLine:
    """Return how much of an option the plan takes."""
    size = plan.dispatch.sizes[option.name]
    return OptionLine(
        option.name,
        option.site_id or "all sites",
        _size(option, size),
        "" if option.kind == "retrofit" else amount(option.most, _unit(option)),
        wording.quantity(size * option.cost_per_unit, plan.portfolio.currency),
    )


def _unit(option: Option) -> str:
    return "kW" if option.kind == "supply" else "kWh"


def _size(option: Option, size: float) -> str:
    if size <= BUILT * option.most:
        return "not built" if option.kind != "certificate" else "none"
    return "built" if option.kind == "retrofit" else amount(size, _unit(option))


def option_note(plan: PortfolioPlan) -> str:
    """Return what sizes of options hold for; empty where nothing may be built."""
    if not plan.setting.options:
        return ""
    days = plan.horizon.hours * len(plan.horizon.stamps) / 24
    return (
        f"Sizes are the best for these {days:.0f} days, which are not a year: investments are charged with "
        "the window's share of their yearly annuity, and a sunny or windy window flatters what it yields."
    )


def target_line(target: Target, plan: PortfolioPlan) -> TargetLine:
    """Return a target, what today reaches, and what the plan reaches."""
    name, unit = measure(target.measure)
    unit = unit or plan.portfolio.currency
    reached, today = _reached(target, plan, plan.dispatch), _reached(target, plan, plan.before)
    at_least = target.measure in SHARES
    slack = 1e-4 if at_least else 1e-6 * max(abs(target.bound), 1.0)
    kept = reached is not None and (
        reached >= target.bound - slack if at_least else reached <= target.bound + slack
    )
    where = "" if target.site_ids is None else f" of {', '.join(sorted(set(map(place_of, target.site_ids))))}"
    return TargetLine(
        f"{name}{where}",
        f"{'≥' if at_least else '≤'} {_told(target.bound, unit)}",
        _told(reached, unit),
        _told(today, unit),
        MET if kept else MISSED,
        target.source,
    )


def _told(value: float | None, unit: str) -> str:
    return wording.percent(value) if unit == "1" else amount(value, unit)


def _versus(before: float, value: float, unit: str) -> str:
    if unit == "1":
        return share_change(before, value)
    return change_of(before, value, unit)


def _reached(target: Target, plan: PortfolioPlan, dispatch: Dispatch) -> float | None:
    """Return the value of a target's measure in a dispatch, with what is bought."""
    ids = target.site_ids or tuple(dispatch.sites)
    totals = added([dispatch.sites[i].totals for i in ids])
    bought = [(o, dispatch.sizes.get(o.name, 0.0)) for o in plan.setting.options]
    if target.measure == "green_share":
        held = sum(size for o, size in bought if o.kind == "certificate")
        return 1.0 - (totals.grid_kwh - held) / totals.load_kwh if totals.load_kwh > 0 else None
    if target.measure == "cost" and totals.cost is not None:
        return totals.cost + sum(
            size * o.cost_per_unit
            for o, size in bought
            if o.site_id in ids or (o.site_id is None and target.site_ids is None)
        )
    value: float | None = getattr(totals, target.measure)
    return value


def points(plan: PortfolioPlan) -> Iterator[PointBlock]:
    """Yield the points of the front, numbered as in ``pareto.csv``."""
    table, money = plan.front.table, plan.portfolio.currency
    costs = [float(c) for c in effort(plan)] if len(table) else []
    commands = dict(iter(plan.front.plans.groupby("point"))) if len(table) else {}
    for row, spent in zip(table.to_dict(orient="records"), costs, strict=True):
        number = row["point"]
        yield PointBlock(
            number=str(number),
            mark=_mark(spent, float(row["non_green_kwh"]), plan),
            cost=amount(spent, money if plan.front.second == "cost" else "kWh"),
            non_green=amount(row["non_green_kwh"], "kWh", 4),
            share=wording.percent(row["cfe"]),
            figures=_figures(row, plan),
            words=plan_words(commands[number], plan) if number in commands else (),
        )


def _mark(spent: float, non_green: float, plan: PortfolioPlan) -> str:
    in_money = plan.front.second == "cost"
    chosen = plan.planned.cost if in_money else plan.dispatch.totals.effort_kwh
    today = plan.baseline.cost if in_money else 0.0
    if chosen is not None and _same(spent, chosen) and _same(non_green, plan.planned.non_green_kwh or 0.0):
        return "this plan"
    if today is not None and _same(spent, today):
        return "costs as much as today" if in_money else "nothing moved"
    return ""


def _same(one: float, other: float) -> bool:
    return abs(one - other) <= SAME * max(abs(one), abs(other), 1e-9)


def _figures(row: dict[Any, Any], plan: PortfolioPlan) -> Facts:
    """Return what a point brings, each beside today's."""
    old, money = plan.before.totals, plan.portfolio.currency
    today: dict[str, float | None] = {
        "cost": plan.baseline.cost, "non_green_kwh": old.non_green_kwh, "grid_kwh": old.grid_kwh,
        "carbon_kg": old.carbon_kg, "water_m3": old.water_m3, "cfe": old.cfe, "coverage": old.coverage,
    }  # fmt: skip
    lines = []
    for name, before in today.items():
        title, unit = measure(name)
        value = row[name]
        if before is None or value is None or pd.isna(value):
            continue
        if name == "water_m3" and abs(value - before) <= SAME * before:
            continue
        lines.append((title, _versus(before, float(value), unit or money)))
    built = [
        f"{o.name}: {_size(o, row[o.name])}" for o in plan.setting.options if row[o.name] > BUILT * o.most
    ]
    if plan.setting.options:
        lines.append(("built or bought", "; ".join(built) or "nothing"))
    return tuple(lines)
