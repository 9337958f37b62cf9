"""From a plan of a portfolio to the texts and numbers of its page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from advisor.dispatch_site import DispatchTotals, added
from advisor.plan import Interval
from advisor.portfolio_case import Source
from advisor.portfolio_green import PortfolioGreen
from advisor.portfolio_plan import PortfolioPlan, SitePlan
from app import wording
from app.report.content import SEVERITY
from app.report.green import RuleRow, green_block, green_section, rule_row
from app.report.page import FindingLine, Tile
from app.report.plan_drawings import front_chart, week_charts
from app.report.plan_page import BasisLine, Facts, PlanPage, SiteLine
from app.report.plan_points import measure, option_line, option_note, points, target_line
from app.report.plan_words import (
    amount,
    change_of,
    local_window,
    places_of,
    plan_words,
    rolled_words,
    share_change,
)  # fmt: skip
from app.service.plan_servers import SiteServers
from app.service.plan_summary import FailedMember, purchases, received_kwh
from features.issues import DataIssue
from models.store import package_versions

MOST_SITES, MOST_FINDINGS = 12, 12
NOTHING = ("none", "no meter")
WATER = 1e-3
"""A smaller change of water is not told [1]."""
SURE = 1e-3
"""A narrower interval than this share of its point is told as a figure, a smaller change as none [1]."""


@dataclass(frozen=True)
class PlanSource:
    """What a page is made from: the plan, its account of green, what was read, and what failed."""

    plan: PortfolioPlan
    green: PortfolioGreen
    sources: tuple[Source, ...]
    failed: tuple[FailedMember, ...] = ()
    found: tuple[DataIssue, ...] = ()
    servers: tuple[SiteServers, ...] = ()


def build_plan_page(source: PlanSource) -> PlanPage:
    """Return the page's content."""
    plan, portfolio = source.plan, source.plan.portfolio
    start, end, zone = local_window(plan)
    sites = _site_lines(plan)
    return PlanPage(
        title=portfolio.name or portfolio.id,
        about=f"{_counted(plan)} · {wording.moment(start)} to {wording.moment(end)} ({zone})",
        headline=_headline(plan),
        tone="good" if _gain(plan) else "",
        basis=f"Least {measure(portfolio.objective)[0]} for the same work, against today: nothing is moved, "
        "batteries rest, nothing is built. Figures in brackets: 90 % interval of what moved work takes.",
        knowledge=" ".join([f"Planned {plan.knowledge}.", *rolled_words(plan)]),
        tiles=_tiles(plan),
        words=plan_words(plan.table, plan),
        options=tuple(option_line(o, plan) for o in plan.setting.options),
        option_note=option_note(plan),
        targets=tuple(target_line(t, plan) for t in plan.setting.targets),
        front=front_chart(plan),
        points=tuple(points(plan)),
        second=measure(plan.front.second)[0],
        week=week_charts(plan),
        sites=sites[:MOST_SITES],
        more_sites=_more(sites, MOST_SITES, "sites are in summary.json"),
        green=green_section(
            green_block(source.green.after, before=source.green.before, currency=portfolio.currency)
        ),
        rules=_rules(source),
        purchases=_purchases(plan),
        servers=tuple(
            (s.site_id, a.sentence, wording.interval(a.it_saving_kw, "kW"))
            for s in source.servers
            for a in s.plan.actions
        ),
        rests_on=_rests_on(plan),
        checks=_checks(plan),
        failed=tuple(f"{f.place}: {f.error.what} ({f.error.code})" for f in source.failed),
        findings=tuple(_finding(i) for i in source.found[:MOST_FINDINGS]),
        more_findings=_more(source.found, MOST_FINDINGS, "findings are in summary.json"),
        provenance=_provenance(source),
    )


def _more(items: Sequence[object], most: int, text: str) -> str:
    return f"{len(items) - most:,} more {text}." if len(items) > most else ""


# -- the answer ------------------------------------------------------------------------------------
def _gain(plan: PortfolioPlan) -> bool:
    saved = plan.saving.non_green_kwh
    return saved is not None and saved.lower > 0


def _counted(plan: PortfolioPlan) -> str:
    places = len(places_of(plan))
    meters = f", {len(plan.sites):,} meters" if len(plan.sites) > places else ""
    return wording.count(places, "site") + meters


def _headline(plan: PortfolioPlan) -> str:
    saved, cost = plan.saving.non_green_kwh, plan.saving.cost
    parts = []
    if saved is not None:
        share = abs(saved.point) / (plan.baseline.non_green_kwh or 1.0)
        told = f"{_difference(saved, 'kWh')} non-green energy, {wording.percent(share)}"
        parts.append(told if share > SURE else "the same non-green energy")
    if cost is not None:
        share = abs(cost.point) / (abs(plan.baseline.cost or 0.0) or 1.0)
        told = f"{_difference(cost, plan.portfolio.currency)} cost"
        parts.append(told if share > SURE else "the same cost")
    if plan.planned.green_share is not None:
        parts.append(
            f"carbon-free energy {share_change(plan.baseline.green_share, plan.planned.green_share)}, "
            "hour by hour"
        )
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."


def _tiles(plan: PortfolioPlan) -> tuple[Tile, ...]:
    old, new, saving, money = plan.baseline, plan.planned, plan.saving, plan.portfolio.currency
    share = Tile(
        "Carbon-free energy, by the hour", wording.percent(new.green_share), "", "modelled",
        f"today {wording.percent(old.green_share)}; certificates never raise it",
    )  # fmt: skip
    tiles = [
        _tile("Non-green energy", old.non_green_kwh, new.non_green_kwh, saving.non_green_kwh, "kWh"), share,
        _tile("Cost", old.cost, new.cost, saving.cost, money),
        _tile("CO₂e, attributional", old.carbon_kg, new.carbon_kg, saving.carbon_kg, "kg"),
        _tile("Energy used", old.energy_kwh, new.energy_kwh, saving.energy_kwh, "kWh"),
    ]  # fmt: skip
    if old.water_m3 and new.water_m3 and abs(new.water_m3 - old.water_m3) > WATER * old.water_m3:
        tiles.append(_tile("Water", old.water_m3, new.water_m3, None, "m³"))
    return tuple(tiles)


def _tile(name: str, old: float | None, new: float | None, saved: Interval | None, unit: str) -> Tile:
    if new is None or old is None:
        return Tile(name, wording.DASH, "", "modelled", "not known at every site")
    value, _, shown = amount(new, unit).partition(" ")
    note = f"today {amount(old, unit)}"
    if saved is not None and abs(saved.point) > SURE * abs(old):
        note += f"; {_difference(saved, unit)}"
    return Tile(name, value, shown, "modelled", note)


def _difference(saved: Interval, unit: str) -> str:
    """Return a saving as ``... less`` or ``... more``, with its interval where it has one."""
    less = saved.point >= 0
    span = saved if less else Interval(-saved.upper, -saved.point, -saved.lower)
    wide = span.upper - span.lower > SURE * abs(span.point)
    told = wording.interval(*wording.readable(span, unit)) if wide else amount(span.point, unit)
    return f"{told} {'less' if less else 'more'}"


# -- sites -----------------------------------------------------------------------------------------
def _site_lines(plan: PortfolioPlan) -> tuple[SiteLine, ...]:
    ranked = sorted(
        places_of(plan).items(), key=lambda item: -sum(p.after.totals.non_green_kwh for p in item[1])
    )
    return tuple(_site_line(place, parts, plan) for place, parts in ranked)


def _site_line(place: str, parts: list[SitePlan], plan: PortfolioPlan) -> SiteLine:
    old, new = added([p.before.totals for p in parts]), added([p.after.totals for p in parts])
    site, received = parts[0].case.site, sum(received_kwh(p, plan.horizon.hours) for p in parts)
    costs = [(p.baseline.cost, p.planned.cost) for p in parts]
    known = [(a, b) for a, b in costs if a is not None and b is not None]
    money = plan.portfolio.currency
    cost = (
        change_of(sum(a for a, _ in known), sum(b for _, b in known), money)
        if len(known) == len(costs)
        else wording.DASH
    )
    return SiteLine(
        name=place if len(parts) == 1 else f"{place} ({len(parts)} stations)",
        note=site.name,
        non_green=change_of(old.non_green_kwh, new.non_green_kwh, "kWh"),
        share=share_change(old.cfe, new.cfe),
        cost=cost,
        bought=change_of(old.grid_kwh, new.grid_kwh, "kWh"),
        moved=amount(new.moved_kwh, "kWh") if new.moved_kwh > 0 else wording.DASH,
        received=_signed(received, new),
        delivered=amount(new.delivered_kwh, "kWh") if new.delivered_kwh > 0 else wording.DASH,
    )


def _signed(received: float, totals: DispatchTotals) -> str:
    if abs(received) <= 1e-6 * max(totals.load_kwh, 1.0):
        return wording.DASH
    return f"+{amount(received, 'kWh')}" if received > 0 else amount(received, "kWh")


# -- green, purchases, what it rests on ------------------------------------------------------------
def _rules(source: PlanSource) -> tuple[tuple[str, RuleRow], ...]:
    money = source.plan.portfolio.currency
    return tuple((r.site_id, rule_row(c, money)) for r in source.green.rules for c in r.checks)


def _purchases(plan: PortfolioPlan) -> tuple[tuple[str, ...], ...]:
    money = plan.portfolio.currency
    return tuple(
        (
            str(line["name"]), amount(float(str(line["useful_kwh"])), "kWh"),
            wording.quantity(float(str(line["cost"])), money), str(line["note"]), str(line["source"]),
        )
        for line in purchases(plan)
    )  # fmt: skip


def _rests_on(plan: PortfolioPlan) -> tuple[BasisLine, ...]:
    """Return where each quantity comes from; sites that say the same stand in one line."""
    found: dict[tuple[str, str], list[str]] = {}
    for place, parts in places_of(plan).items():
        for quantity, text in parts[0].case.labels.items():
            if text in NOTHING:
                continue
            found.setdefault((quantity, text), []).append(place)
    places = len(places_of(plan))
    lines = [
        BasisLine(q, kind_of(t), _in_files(t), "all sites" if len(at) == places else ", ".join(at))
        for (q, t), at in found.items()
    ]
    lines += [BasisLine(q, kind_of(source), source, at) for q, source, at in _declared(plan)]
    return tuple(sorted(lines, key=lambda line: line.quantity))


def _declared(plan: PortfolioPlan) -> Iterator[tuple[str, str, str]]:
    """Yield what the files declare, the source that they name, and where it holds."""
    portfolio, movement = plan.portfolio, plan.portfolio.movement
    yield from ((f"work: {w.name}", w.source, w.site) for w in portfolio.work)
    yield from ((f"option: {o.name}", o.source, o.site) for o in portfolio.option)
    if movement is not None:
        sources = dict.fromkeys([movement.source, *(link.source for link in movement.link)])
        yield "moving work", "; ".join(sources), "between sites"
    for place, parts in places_of(plan).items():
        site = parts[0].case.site
        if site.connection is not None:
            yield "connection", site.connection.source, place
        yield from (("demand response", event.source, place) for event in site.demand_response)


def _in_files(text: str) -> str:
    return text.replace("file.", "the grid file's column ").replace("export.", "the export's column ")


def kind_of(text: str) -> str:
    """Return the label of a source: measured, published, modelled or assumed; "": there is none."""
    if text.startswith(("not declared", "incomplete", "the load is the work")):
        return ""
    for kind in ("measured", "modelled"):
        if text.startswith(kind):
            return kind
    return "assumed" if "assum" in text else "published"


def _checks(plan: PortfolioPlan) -> str:
    report = plan.dispatch.report
    gap = "" if report.gap is None else f", within {100 * report.gap:.2g} % of the least possible"
    worst = sum(not c.passed for c in plan.checks)
    passed = f"{len(plan.checks) - worst} of {len(plan.checks)} checks passed"
    return (
        f"{passed}: energy balance, work, deadlines, batteries, limits and targets, by code that shares "
        f"nothing with the optimiser. Found by {report.method}{gap}."
    )


def _finding(issue: DataIssue) -> FindingLine:
    return FindingLine(
        SEVERITY[issue.severity], issue.code, wording.prose(issue.place), wording.prose(issue.evidence),
        wording.prose(issue.effect), wording.prose(issue.remedy),
    )  # fmt: skip


def _provenance(source: PlanSource) -> Facts:
    facts = [
        ("program", f"energy-advisor {package_versions()['energy-advisor']}"),
        ("file", "portfolio.toml"),
    ]
    for s in source.sources:
        start, end = s.telemetry.local(pd.DatetimeIndex(s.telemetry.span))
        facts.append(
            (
                s.site.id,
                f"{wording.moment(start)} to {wording.moment(end)} ({s.telemetry.zone.name}"
                f"{', assumed' if s.telemetry.zone.assumed else ''}), data {s.telemetry.content_hash()[:16]}",
            )
        )
    return tuple(facts)
