"""The report's words on retrofits, and on which official measures something answers."""

from __future__ import annotations

from advisor.plan import Interval
from advisor.retrofit_entry import Parameter
from advisor.retrofit_words import Assessed
from app import wording
from app.report.page import RetrofitLine, Source, State

MOST_MEASURES = 4
STATES = {
    "indicative": State("≈", "indicative", "unknown"),
    "not worthwhile here": State("=", "not worthwhile here", "unknown"),
    "already there": State("✓", "already there", "good"),
    "not assessed": State("?", "not assessed", "warn"),
}


def retrofit_line(r: Assessed, source: Source) -> RetrofitLine:
    """Return what the report says of one retrofit."""
    saving = r.saving
    energy = wording.DASH if saving is None else wording.interval(*wording.readable(saving.energy_kwh, "kWh"))
    detail = [] if saving is None else [wording.interval(saving.energy_pct, "%")]
    if r.pue_before is not None and r.pue_after is not None:
        detail.append(f"PUE {r.pue_before:.3f} → {r.pue_after:.3f}")
    why = (*r.reasons, *(f"to assess it: {t}" for t in r.to_measure))
    return RetrofitLine(
        title=r.retrofit.title,
        state=STATES[r.verdict],
        saving=energy,
        saving_detail=" · ".join(detail),
        money=_money(r, source),
        water=_water(r.water_m3),
        why=tuple(map(wording.prose, why)),
        evidence=tuple(map(wording.prose, r.evidence)),
        conditions=r.retrofit.preconditions,
        parameters=tuple(_parameter(name, p) for name, p in r.retrofit.parameters.items()),
        measures=answered(r.measures, source),
    )


def _money(r: Assessed, source: Source) -> str:
    currency = source.site.currency if source.site is not None else ""
    parts = []
    if r.saving is not None and r.saving.cost is not None:
        parts.append(f"{wording.interval(r.saving.cost, currency)} saved")
    if r.saving is not None and r.saving.carbon_kg is not None:
        carbon = wording.interval(*wording.readable(r.saving.carbon_kg, "kg CO₂e"))
        parts.append(f"{carbon}, attributional")
    if r.investment is not None:
        parts.append(f"costs {wording.quantity(r.investment, currency)}")
    if r.payback_range_years is not None:
        parts.append(f"payback {wording.interval(r.payback_range_years, 'years')}")
    elif r.payback_years is not None:
        parts.append(f"payback {wording.number(r.payback_years)} years, no upper end")
    return " · ".join(parts)


def _water(span: Interval | None) -> str:
    if span is None:
        return ""
    word = "more" if span.point > 0 else "less"
    turned = span if span.point > 0 else Interval(-span.upper, -span.point, -span.lower)
    return f"{wording.interval(turned, 'm³')} {word} make-up water"


def _parameter(name: str, p: Parameter) -> str:
    low, point, high = p.range
    unit = "" if p.unit == "1" else f" {p.unit}"
    what = name.replace("_", " ")
    return f"{what} {point:g}{unit} ({low:g} to {high:g}): {p.source}, confidence {p.confidence}"


def answered(ids: tuple[str, ...], source: Source) -> tuple[str, ...]:
    """Return the official measures of the ids that concern this site, in force first."""
    elsewhere = {m.id for m, j in source.standing.judgements if j.verdict == "does not apply"}
    known = {m.id: m for m in source.measures}
    concerned = [i for i in ids if i not in elsewhere]
    state = {i: known[i].state(source.on) if i in known else "" for i in concerned}
    ranked = sorted(concerned, key=lambda i: state[i] != "in force")
    said = [f"{known[i].title} ({i}, {state[i]})" if i in known else i for i in ranked[:MOST_MEASURES]]
    if len(ranked) > MOST_MEASURES:
        said.append(f"and {len(ranked) - MOST_MEASURES} more in recommendations.json")
    return tuple(said)
