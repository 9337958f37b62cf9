"""What ``advisor verify`` looks like on a terminal: the verdict, the saving, whose it is, why, from what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app import wording
from app.text import files_text, issues_text, join, table

if TYPE_CHECKING:
    from app.service.verify import VerifyOutcome
    from features.telemetry import Telemetry

VERDICTS = {
    "proven": "Proven: the change saved energy.",
    "not yet": "Not yet proven.",
    "disproven": "Disproven: the change cost energy.",
}
PARTS = {"it": "IT", "cooling": "cooling", "power_chain": "power chain", "station": "stations"}


def verify(outcome: VerifyOutcome) -> str:
    """Return the text of ``advisor verify``."""
    avoided = outcome.avoided
    return join(
        "\n".join([VERDICTS[avoided.verdict], *(f"- {reason}" for reason in avoided.reasons)]),
        _saving(outcome),
        _parts(outcome),
        _statistics(outcome),
        "\n".join(["Normalised for", *(f"- {said}" for said in avoided.normalised_for)]),
        issues_text(avoided.issues) if avoided.issues else "",
        _provenance(outcome),
        files_text(outcome.written),
    )


def _saving(outcome: VerifyOutcome) -> str:
    avoided, saving = outcome.avoided, outcome.avoided.saving
    if avoided.told is not None:
        share = wording.interval(avoided.told, "%")
        said = f"Saved at the IT power as metered: {share} of the baseline; the IT part is unknown."
        return f"{said}\n- {avoided.bound}" if avoided.bound else said
    if saving.energy_pct is None:
        return "Saved: —"
    lines = [f"Saved: {wording.saving(saving)}, 90 % interval"]
    lines += [
        f"- {name}: {wording.interval(*wording.readable(span, unit))}"
        for name, span, unit in (
            ("non-green energy", saving.non_green_kwh, "kWh"),
            ("money", saving.cost, outcome.currency),
            ("carbon, attributional", saving.carbon_kg, "kg CO₂e"),
        )
        if span is not None
    ]
    if avoided.measured.energy_kwh is not None:
        lines.append(
            f"- used {wording.quantity(avoided.measured.energy_kwh, 'kWh')}; as before it would have been "
            f"{wording.quantity(avoided.baseline.energy_kwh, 'kWh')}"
        )
    return "\n".join(lines)


def _parts(outcome: VerifyOutcome) -> str:
    parts = outcome.avoided.parts
    if len(parts) < 2:
        return ""
    rows = (
        (
            PARTS[name],
            part.whose,
            wording.quantity(part.energy_kwh, "kWh"),
            "unknown" if part.energy_pct is None else wording.quantity(part.energy_pct, "%"),
        )
        for name, part in parts.items()
    )
    return table(("part", "whose", "saved", "of the baseline"), rows, right=("saved", "of the baseline"))


def _statistics(outcome: VerifyOutcome) -> str:
    avoided, c = outcome.avoided, outcome.avoided.counterfactual
    fit, counts = c.fit, avoided.counts
    met = "met" if fit.passed else "not met"
    rows = [
        ("baseline", f"{c.form}; {c.before_days:.0f} days before the change"),
        (
            "withheld weeks" if avoided.kind == "data-centre" else "withheld days",
            f"CV(RMSE) {fit.cv_rmse_pct:.1f} % of what is predicted ({fit.whole_cv_rmse_pct:.2g} % of the "
            f"whole), NMBE {fit.nmbe_pct:+.2f} %; ASHRAE Guideline 14 allows {fit.limits.cv_rmse_pct:g} % "
            f"and {fit.limits.nmbe_pct:g} %: {met}",
        ),
        (
            "independent steps",
            f"{fit.effective:,.0f} of {fit.steps:,} (autocorrelation {fit.autocorrelation:.2f})",
        ),
        (
            "smallest saving seen",
            wording.quantity(avoided.minimum_detectable_pct, "%") + " in four of five cases",
        ),
        (
            "after period",
            f"{counts.after_days:.1f} days, {wording.percent(counts.measured_share)} "
            f"measured, {wording.percent(counts.counted_share)} of it like before",
        ),
        ("work", c.reason),
    ]
    if avoided.days_needed is not None:
        rows.append(("days that prove it", f"{avoided.days_needed}"))
    return table(("what", "figure"), rows)


def _provenance(outcome: VerifyOutcome) -> str:
    return "\n".join(_source(name, t) for name, t in (("before", outcome.before), ("after", outcome.after)))


def _source(name: str, telemetry: Telemetry) -> str:
    start, end = (m.tz_convert(telemetry.zone.tzinfo()) for m in telemetry.span)
    files = ", ".join(source.path for source in telemetry.sources[:3])
    span = f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}"
    return f"{name}: {span}, {files}, data {telemetry.content_hash()[:12]}"
