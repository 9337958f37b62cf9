"""What ``advisor plan`` looks like on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from advisor.green.words import WORDS
from app import wording
from app.report.plan_points import option_line, option_note, target_line
from app.report.plan_words import local_window, rolled_words
from app.service.plan_summary import purchases
from app.text import files_text, issues_line, issues_text, join, table

if TYPE_CHECKING:
    from advisor.green.account import Indicator
    from app.service.plan import PlanOutcome

MOST_SITES = 12
BOUNDED = {
    "cost": ("cost", ""),
    "carbon_kg": ("carbon", "kg CO2e"),
    "water_m3": ("water", "m3"),
    "effort_kwh": ("work moved and energy from batteries", "kWh"),
}
"""What a front bounds, and its unit."""


def plan(outcome: PlanOutcome) -> str:
    """Return the text of ``advisor plan``: what is gained, by site, the front, purchases, files."""
    return join(
        _headline(outcome),
        _sites(outcome),
        _choices(outcome),
        _front(outcome),
        _green(outcome),
        _purchases(outcome),
        _servers(outcome),
        _failed(outcome),
        issues_text(outcome.found) if outcome.found else "",
        issues_line(outcome.issues),
        files_text(outcome.written),
    )


def _headline(outcome: PlanOutcome) -> str:
    done = outcome.plan
    start, end, zone = local_window(done)
    share = f"{wording.percent(done.baseline.green_share)} → {wording.percent(done.planned.green_share)}"
    report = done.dispatch.report
    gap = "" if report.gap is None else f", within {100 * report.gap:.2g} % of the optimum"
    return "\n".join(
        [
            f"{done.portfolio.name or done.portfolio.id}: {wording.count(len(done.sites), 'site')}, "
            f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} ({zone})",
            f"Non-green energy: {wording.quantity(done.baseline.non_green_kwh, 'kWh')} → "
            f"{wording.quantity(done.planned.non_green_kwh, 'kWh')}, saved "
            f"{wording.interval(done.saving.non_green_kwh, 'kWh')}; green share, hour by hour: {share}",
            f"Energy: {wording.quantity(done.baseline.energy_kwh, 'kWh')} → "
            f"{wording.quantity(done.planned.energy_kwh, 'kWh')} (with what batteries and transfers lose); "
            f"cost: {wording.quantity(done.baseline.cost, done.portfolio.currency)} → "
            f"{wording.quantity(done.planned.cost, done.portfolio.currency)}",
            f"Planned {done.knowledge} (found in {report.seconds:.1f} s{gap}).",
            *rolled_words(done),
        ]
    )


def _sites(outcome: PlanOutcome) -> str:
    done = sorted(outcome.plan.sites, key=lambda p: p.planned.non_green_kwh or 0.0, reverse=True)
    rows = [
        (
            p.case.dispatch.site_id,
            wording.quantity(p.baseline.non_green_kwh, "kWh"),
            wording.quantity(p.planned.non_green_kwh, "kWh"),
            f"{wording.percent(p.baseline.green_share)} → {wording.percent(p.planned.green_share)}",
            wording.quantity(p.after.totals.moved_kwh, "kWh"),
            wording.quantity(p.after.totals.delivered_kwh, "kWh"),
            wording.quantity(
                None if p.planned.cost is None else p.planned.cost, outcome.plan.portfolio.currency
            ),
        )
        for p in done[:MOST_SITES]
    ]
    head = ("site", "non-green now", "planned", "green share", "work moved", "from battery", "cost planned")
    shown = table(head, rows, right=head[1:])
    left = len(done) - MOST_SITES
    return f"{shown}\n... and {left} more (see summary.json)" if left > 0 else shown


def _choices(outcome: PlanOutcome) -> str:
    """Return what is built or bought, and the targets."""
    done = outcome.plan
    options = [option_line(o, done) for o in done.setting.options]
    built = [(o.name, o.site, o.size, o.most, o.cost) for o in options]
    targets = [target_line(t, done) for t in done.setting.targets]
    kept = [(t.name, t.bound, t.today, t.reached, f"{t.state.icon} {t.state.word}") for t in targets]
    built_head = ("may be built or bought", "site", "in the plan", "most", "cost in the window")
    kept_head = ("target", "bound", "today", "planned", "state")
    return join(
        table(built_head, built, right=built_head[2:]) if built else "",
        option_note(done),
        table(kept_head, kept, right=kept_head[1:4]) if kept else "",
    )


def _front(outcome: PlanOutcome) -> str:
    front, second = outcome.plan.front.table, outcome.plan.front.second
    if front.empty:
        return ""
    money = outcome.plan.portfolio.currency
    rows = [
        (
            str(row["point"]),
            wording.quantity(row["bound"], money if second == "cost" else BOUNDED[second][1]),
            wording.quantity(row["cost"], money),
            wording.quantity(row["moved_kwh"] + row["delivered_kwh"], "kWh"),
            wording.quantity(row["non_green_kwh"], "kWh"),
            wording.percent(row["cfe"]),
        )
        for row in front.to_dict(orient="records")
    ]
    head = ("point", "bound", "cost", "moved and stored", "non-green", "green share")
    return f"Least non-green energy for a bounded {BOUNDED[second][0]}:\n\n{table(head, rows, right=head)}"


def _green(outcome: PlanOutcome) -> str:
    """Return the measures of green beside each other, before and after, and the rules by site."""
    green = outcome.green
    rows = [
        (str(WORDS[new.id].title), _told(old), _told(new))
        for old, new in zip(green.before.indicators, green.after.indicators, strict=True)
    ]
    reasons = {str(i.reason) for i in green.after.indicators if i.value is None}
    rules = [
        f"- {rules.site_id}: {check.rule.title}: {check.verdict}"
        + (f", {wording.quantity(check.short_kwh, 'kWh')} short" if check.short_kwh else "")
        for rules in green.rules
        for check in rules.checks
    ]
    head = ("measure of green", "as it is", "planned")
    unknown = "\n".join(f"unknown: {reason}" for reason in sorted(reasons))
    return join(table(head, rows, right=head[1:]), unknown, "\n".join(rules))


def _told(indicator: Indicator) -> str:
    if indicator.value is None:
        return "unknown"
    if indicator.unit == "1":
        return wording.percent(indicator.value)
    return wording.quantity(indicator.value, indicator.unit)


def _purchases(outcome: PlanOutcome) -> str:
    rows = [
        (
            str(line["name"]),
            wording.quantity(_figure(line["useful_kwh"]), "kWh"),
            wording.quantity(_figure(line["cost"]), outcome.plan.portfolio.currency),
            str(line["note"]),
        )
        for line in purchases(outcome.plan)
    ]
    return table(("purchase", "volume of use", "cost", "note"), rows) if rows else ""


def _servers(outcome: PlanOutcome) -> str:
    """Return what to do with the servers, beside the placement."""
    rows = [
        (s.site_id, a.sentence, wording.interval(a.it_saving_kw, "kW"))
        for s in outcome.servers
        for a in s.plan.actions
    ]
    if not rows:
        return ""
    return join(
        "Servers (beside the placement, in no total with it; payback, sources and what was rejected: "
        "summary.json):",
        table(("site", "action", "IT power saved"), rows),
    )


def _figure(value: object) -> float:
    return float(str(value))


def _failed(outcome: PlanOutcome) -> str:
    return "\n".join(f"not planned: {f.place}: {f.error.what} ({f.error.code})" for f in outcome.failed)
