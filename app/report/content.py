"""From advice, standing and findings to the texts and numbers of the report."""

from __future__ import annotations

import pandas as pd

from advisor.plan import Check, Interval, Recommendation, VerifiedPlan
from advisor.site import Site
from app import wording
from app.report.charts import Chart
from app.report.page import (
    AccuracyLine,
    Action,
    CheckLine,
    FindingLine,
    MeasureLine,
    Page,
    Source,
    State,
    Tile,
    VerifiedBlock,
)
from app.report.retrofits import answered, retrofit_line
from app.service.accuracy import Accuracy, accuracies
from features.issues import DataIssue
from features.schema import SCHEMA
from features.telemetry import Telemetry

MOST_ACTIONS, MOST_FINDINGS, MOST_VERIFIED = 7, 12, 4

VERDICT_STATES = {
    "supported": State("✓", "supported", "good"),
    "not proven": State("?", "not proven", "warn"),
    "hold": State("=", "hold", "unknown"),
    "refused": State("✗", "refused", "bad"),
}
JUDGED = {
    "met": State("✓", "met", "good"),
    "not met": State("✗", "not met", "bad"),
    "cannot be judged": State("?", "cannot be judged", "unknown"),
    "does not apply": State("=", "does not apply", "unknown"),
}
SEVERITY = {
    "error": State("✗", "error", "bad"),
    "warning": State("!", "warning", "warn"),
    "info": State("i", "note", "unknown"),
}


def build_page(source: Source, plan_charts: tuple[Chart, ...], fit_charts: tuple[Chart, ...]) -> Page:
    """Return the report's content."""
    advice = source.advice
    supported = tuple(r for r in advice.recommendations if r.verdict == "supported")
    others = tuple(r for r in advice.recommendations if r.verdict != "supported")
    changed = bool(supported)
    judged, counts, unjudged = _measures(source)
    verified = tuple(_verified(v, source.telemetry) for v in advice.verified[:MOST_VERIFIED])
    return Page(
        site_name=_name(source),
        about=f"{source.telemetry.kind} · {wording.moment(pd.Timestamp(source.on), with_time=False)}",
        headline=wording.headline(advice),
        tone="good" if changed else "",
        basis=_basis(source),
        why_not=wording.why_not(advice),
        savings=_savings(source) if changed else (),
        actions=tuple(_action(r, source) for r in supported[:MOST_ACTIONS]),
        considered=tuple(_action(r, source) for r in others[:MOST_ACTIONS]),
        retrofits=tuple(retrofit_line(r, source) for r in advice.retrofits),
        more_actions=_more(supported, MOST_ACTIONS, "actions are in recommendations.json"),
        standing=tuple(_figure(f.name, f.value, f.unit, f.label, f.note) for f in source.standing.figures),
        measure_counts=counts,
        measures=judged,
        unjudged=unjudged,
        accuracy=tuple(_accuracy(a) for a in accuracies(source.card)),
        no_chart="the export holds no measured power that the model predicts.",
        verified=verified,
        more_verified=_more(advice.verified, MOST_VERIFIED, "verified plans are not shown"),
        rows=source.rows[:1].upper() + source.rows[1:],
        data_facts=data_facts(source.telemetry),
        findings=tuple(finding_line(i) for i in source.issues[:MOST_FINDINGS]),
        more_findings=_more(source.issues, MOST_FINDINGS, "findings: run advisor check with --out"),
        provenance=_provenance(source),
        plan_charts=plan_charts,
        fit_charts=fit_charts,
    )


def _more(items: tuple[object, ...], most: int, text: str) -> str:
    return f"{len(items) - most:,} more {text}." if len(items) > most else ""


def _name(source: Source) -> str:
    if source.site is not None:
        return source.site.name or source.site.id
    ids = source.telemetry.site_ids
    return ids[0] if len(ids) == 1 else f"{len(ids):,} sites"


def _basis(source: Source) -> str:
    window = _window(source)
    text = f"{window}: the same weather and the same work, the current operation against the recommended one"
    if any(r.verdict == "supported" for r in source.advice.recommendations):
        text += "; figures in brackets are the interval of the saving"
    if source.site is None:
        text += ". No site file was given: limits and current set-points are assumed"
    return text + "."


def _window(source: Source) -> str:
    stamps = source.advice.plan_table["timestamp"]
    telemetry = source.telemetry
    first, last = telemetry.span if stamps.empty else (stamps.min(), stamps.max() + telemetry.interval)
    local = telemetry.local(pd.DatetimeIndex([first, last]))
    return f"{wording.moment(local[0])} to {wording.moment(local[1])}"


# -- figures -------------------------------------------------------------------------------------
def _figure(name: str, value: float | None, unit: str, label: str, note: str) -> Tile:
    if value is None:
        return Tile(name, wording.DASH, "", label, note)
    if unit == "%":
        return Tile(name, wording.percent(value).removesuffix(" %"), "%", label, note)
    span, shown = wording.readable(Interval(value, value, value), unit)
    return Tile(
        name,
        wording.number(span.point if span else None),
        wording.unit(shown).replace("CO2", "CO₂"),
        label,
        note,
    )


def _savings(source: Source) -> tuple[Tile, ...]:
    saving, site = source.advice.saving, source.site
    currency = site.currency if site is not None else ""
    missing = "declare [{}] in site.toml".format
    relative = "declare energy_unit_kwh in site.toml: the meter is relative"
    lines = (
        (
            "Energy saved",
            *wording.readable(saving.energy_kwh, "kWh"),
            relative,
        ),
        ("Share of the energy now", saving.energy_pct, "%", "the baseline energy is unknown"),
        ("Non-green energy saved", *wording.readable(saving.non_green_kwh, "kWh"), missing("green")),
        ("Cost saved", saving.cost, currency, missing("tariff")),
        ("CO₂e, attributional", *wording.readable(saving.carbon_kg, "kg"), missing("carbon")),
    )
    tiles = []
    for name, span, about, why in lines:
        if span is None:
            tiles.append(Tile(name, wording.DASH, "", "modelled", why))
            continue
        places = wording.span_decimals(span)
        note = f"{wording.number(span.lower, places)} to {wording.number(span.upper, places)} {about}"
        tiles.append(Tile(name, wording.number(span.point, places), about, "modelled", note))
    return tuple(tiles)


# -- actions -------------------------------------------------------------------------------------
def _action(r: Recommendation, source: Source) -> Action:
    energy = wording.interval(*wording.readable(r.saving.energy_kwh, "kWh"))
    share = wording.interval(r.saving.energy_pct, "%")
    big, detail = (
        (share, "") if r.saving.energy_kwh is None else (energy, share if share != wording.DASH else "")
    )
    if wording.only_source(r.saving):
        big, detail = wording.saving(r.saving), "the facility uses as much as before"
    after = wording.saving(r.saving_after_higher_ranked)
    if after not in (wording.saving(r.saving), wording.DASH):
        detail = f"{detail}{' · ' if detail else ''}after those above: {after}"
    # where several actions share a lever, the plan's values cannot be told apart by it
    alone = sum(other.lever == r.lever for other in source.advice.recommendations) == 1
    return Action(
        action=wording.prose(r.action),
        move=lever_move(source.advice.plan_table, r.lever) if alone else "",
        saving=big,
        saving_detail=detail,
        verdict=VERDICT_STATES[r.verdict],
        confidence=r.confidence,
        money=_money(r, source.site),
        reasons=tuple(map(wording.prose, r.reasons)) or (wording.DASH,),
        evidence=tuple(map(wording.prose, r.evidence)),
        binding_limit=wording.prose(r.binding_limit),
        measures=answered(r.measures, source),
        rollback_trigger=wording.prose(r.rollback_trigger),
        ride_through=wording.prose(r.ride_through) if r.ride_through else "",
        expiry=r.expiry,
    )


def _money(r: Recommendation, site: Site | None) -> str:
    parts = []
    if r.saving.cost is not None and site is not None:
        parts.append(f"{wording.interval(r.saving.cost, site.currency)} saved")
    if r.cost is not None and site is not None:
        parts.append(f"costs {wording.quantity(r.cost, site.currency)}")
    if r.payback_years is not None:
        parts.append(f"payback {wording.number(r.payback_years)} years")
    if r.saving.carbon_kg is not None:
        carbon = wording.interval(*wording.readable(r.saving.carbon_kg, "kg CO₂e"))
        parts.append(f"{carbon}, attributional")
    return " · ".join(parts)


def lever_move(plan: pd.DataFrame, lever: str) -> str:
    """Return ``22 °C → 24.5 to 26 °C, in 610 of 744 intervals`` for a lever of the plan table."""
    rows = plan[plan["lever"] == lever]
    moved = rows[rows["recommended"] != rows["current"]]
    if moved.empty:
        return ""
    unit = wording.unit(str(moved["unit"].iloc[0]))
    now, then = (_range(moved[c], unit) for c in ("current", "recommended"))
    part = "" if len(moved) == len(rows) else f", in {len(moved):,} of {len(rows):,} intervals"
    units = len(moved[["site_id", "unit_id"]].drop_duplicates())
    where = f", {units} units" if units > 1 else ""
    return f"{wording.column_name(lever)}: {now} → {then}{part}{where}"


def _range(values: pd.Series, unit: str) -> str:
    low, high = float(values.min()), float(values.max())
    text = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return f"{text} {unit}".rstrip()


# -- measures ------------------------------------------------------------------------------------
def _measures(source: Source) -> tuple[tuple[MeasureLine, ...], str, tuple[str, ...]]:
    judged = source.standing.judgements
    order = ("not met", "met")
    lines = tuple(
        MeasureLine(
            JUDGED[j.verdict],
            m.id,
            m.title,
            _signs(j.reason),
            f"{m.issuer}, {m.year}; confidence {m.confidence}",
        )
        for verdict in order
        for m, j in judged
        if j.verdict == verdict
    )
    counts = {v: sum(j.verdict == v for _, j in judged) for v in JUDGED}
    said = " · ".join(
        f"{n} {'not applicable' if v == 'does not apply' else v}" for v, n in counts.items() if n
    )
    unjudged = tuple(f"{m.title}: {_signs(j.reason)}" for m, j in judged if j.verdict == "cannot be judged")
    return lines, said, unjudged


def _signs(reason: str) -> str:
    return wording.prose(reason).replace("<=", "≤").replace(">=", "≥")


# -- accuracy, verification, findings, data ----------------------------------------------------------------
def _accuracy(a: Accuracy) -> AccuracyLine:
    rmse = f", CV(RMSE) {wording.number(a.cv_rmse)} %" if a.cv_rmse is not None else ""
    return AccuracyLine(
        quantity=f"{wording.column_name(a.quantity)}, {a.task}",
        model=a.model,
        error=f"{wording.quantity(a.wmape, '%')} of the mean{rmse}" if a.wmape is not None else wording.DASH,
        baseline=f"{wording.quantity(a.baseline_wmape, '%')}, {a.baseline}" if a.baseline else wording.DASH,
        coverage=f"{wording.percent(a.nominal)}, {wording.percent(a.measured)}",
    )


def _verified(v: VerifiedPlan, telemetry: Telemetry) -> VerifiedBlock:
    proposer, scorer = (wording.quantity(p, "%") for p in (v.proposer_saving_pct, v.scorer_saving_pct))
    models = f"the proposing model says {proposer}, the scoring model says {scorer}"
    if v.proposer_saving_pct is None and v.scorer_saving_pct is None:
        models = "no saving was scored"
    site = v.plan.problem.site_id if len(telemetry.site_ids) > 1 else ""
    return VerifiedBlock(
        site=site,
        verdict=VERDICT_STATES[v.verdict],
        models=models,
        checks=tuple(_check(c) for c in v.checks),
        passed=f"{sum(c.passed and c.assessed for c in v.checks)} of "
        f"{wording.count(len(v.checks), 'check')} passed",
        notes=tuple(map(wording.prose, dict.fromkeys((*v.plan.conflicts, *v.notes)))),
    )


def _check(c: Check) -> CheckLine:
    unit = wording.unit(SCHEMA[c.name].unit) if c.name in SCHEMA else ""
    state = State("✓", "passed", "good") if c.passed else State("✗", "failed", "bad")
    if not c.assessed:
        state = State("?", "not assessed", "unknown")
    return CheckLine(
        wording.prose(c.name),
        state,
        wording.quantity(c.worst, unit),
        wording.quantity(c.bound, unit),
        wording.prose(c.note),
    )


def finding_line(issue: DataIssue) -> FindingLine:
    """Return a finding as a line of the page."""
    return FindingLine(
        SEVERITY[issue.severity], issue.code, issue.place, issue.evidence, issue.effect, issue.remedy
    )


def data_facts(telemetry: Telemetry) -> tuple[tuple[str, str], ...]:
    """Return what the data is: span, zone, interval, sites, columns."""
    zone = telemetry.zone
    known = zone.name if zone.known else "unknown: stamps are wall-clock time"
    first, last = telemetry.local(pd.DatetimeIndex(telemetry.span))
    sites, units = (
        telemetry.site_ids,
        telemetry.frame.loc[telemetry.frame["unit_id"] != "", ["site_id", "unit_id"]],
    )
    number = len(units.drop_duplicates())
    known_units = f", {wording.count(number, 'unit')}" if number else ""
    return (
        ("Span", f"{wording.moment(first)} to {wording.moment(last)}"),
        ("Time zone", f"{known} ({'assumed' if zone.assumed else 'declared'})"),
        ("Interval", wording.length(telemetry.interval.total_seconds())),
        ("Sites and units", f"{wording.count(len(sites), 'site')}{known_units}"),
        ("Columns", ", ".join(telemetry.value_columns)),
    )


def _provenance(source: Source) -> tuple[tuple[str, str], ...]:
    telemetry, card = source.telemetry, source.card
    first, last = telemetry.span
    own = {
        "Model": card.model_id,
        "Trained on": f"{card.data_start} to {card.data_end}, SHA-256 {card.data_hash[:16]}",
        "Data": f"{first.isoformat()} to {last.isoformat()}, SHA-256 {telemetry.content_hash()[:16]}",
        "Files": ", ".join(f"{s.path} ({s.sha256[:12]})" for s in telemetry.sources[:6]),
        "Versions": ", ".join(f"{name} {version}" for name, version in card.versions.items()),
    }
    told = {"data_start", "data_end", "data_hash", "model_id", "version", "zone"}
    said = {n.replace("_", " ").capitalize(): v for n, v in source.advice.provenance.items() if n not in told}
    return tuple((name, value) for name, value in (own | said).items() if value)
