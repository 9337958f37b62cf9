"""What each outcome looks like on a terminal: the answer first, then tables, then where the files are."""

from __future__ import annotations

import io
import math
import shutil
import sys
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app import wording
from app.service.accuracy import accuracies
from app.service.facts import describe
from features.issues import DataIssue, Severity
from features.schema import SCHEMA

if TYPE_CHECKING:
    from advisor.retrofit_words import Assessed
    from app.service.advise import AdviseOutcome
    from app.service.backtest import BacktestOutcome
    from app.service.check import CheckOutcome
    from app.service.demo import DemoOutcome
    from app.service.doctor import DoctorOutcome
    from app.service.measures import MeasuresOutcome
    from app.service.predict import PredictOutcome
    from app.service.train import TrainOutcome
    from features.telemetry import Telemetry
    from models.store import ModelCard

MOST_FINDINGS = 25
SEVERITIES: dict[Severity, str] = {"error": "error", "warning": "warning", "info": "note"}
MARKS = {"error": "✗ error", "warning": "! warning", "info": "· note"}


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()) -> str:
    """Return an aligned text table; cells are shown as they are, never as markup."""
    # a pipe has no width: text for grep and files is not folded to that of some terminal
    width = max(60, min(shutil.get_terminal_size((120, 40)).columns, 160)) if sys.stdout.isatty() else 140
    shown = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for name in head:
        shown.add_column(Text(name), justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(Text(cell) for cell in row))
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None, markup=False, highlight=False).print(shown)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()).strip("\n")


def join(*parts: str) -> str:
    """Return the parts that say something, with a blank line between."""
    return "\n\n".join(part for part in parts if part)


def issues_text(issues: tuple[DataIssue, ...]) -> str:
    """Return the findings, worst first."""
    if not issues:
        return "No findings."
    shown = table(
        ("finding", "code", "place", "evidence", "what to do"),
        (
            (
                MARKS[i.severity],
                i.code,
                i.place,
                "; ".join(filter(None, (i.evidence, i.effect if i.effect != "none" else ""))),
                i.remedy,
            )
            for i in issues[:MOST_FINDINGS]
        ),
    )
    left = len(issues) - MOST_FINDINGS
    return f"{shown}\n... and {left} more (see --json or --out)" if left > 0 else shown


def data_text(telemetry: Telemetry) -> str:
    """Return one line that says what the telemetry is."""
    about = describe(telemetry)
    zone = "wall-clock time, zone unknown" if not telemetry.zone.known else telemetry.zone.name
    assumed = " (assumed)" if telemetry.zone.assumed and telemetry.zone.known else ""
    units = f", {wording.count(int(str(about['units'])), 'unit')}" if about["units"] else ""
    return (
        f"{telemetry.kind}: {wording.count(len(telemetry.site_ids), 'site')}{units}, every "
        f"{wording.length(telemetry.interval.total_seconds())}, {about['start']} to {about['end']}, "
        f"{zone}{assumed}"
    )


def issues_line(issues: tuple[DataIssue, ...]) -> str:
    """Return the findings about the exports in one line; `advisor check` tells them in full."""
    counts = Counter(issue.severity for issue in issues)
    said = ", ".join(wording.count(counts[s], SEVERITIES[s]) for s in SEVERITIES if counts[s])
    return (
        f"Findings in the exports: {said} (advisor check tells them)."
        if said
        else "No findings in the exports."
    )


def files_text(paths: Iterable[Path]) -> str:
    """Return where the files lie."""
    return "\n".join(f"wrote {path}" for path in paths)


def _units(unit: str, canonical: str) -> str:
    """Return the unit of a column, and what it is converted to where that is another."""
    if canonical not in SCHEMA or not unit:
        return ""
    read, to = (wording.unit(u) or "1" for u in (unit, SCHEMA[canonical].unit))
    return to if read == to else f"{read} → {to}"


MOST_LEFT_OUT = 12
"""Unused columns that the terminal lists one by one."""


def check(outcome: CheckOutcome) -> str:
    """Return the text of ``advisor check``."""
    every = [(c, file.glob) for file in outcome.mapping.file for c in file.column]
    left_out = [c.source for c, _ in every if c.canonical not in SCHEMA]
    short = len(left_out) <= MOST_LEFT_OUT
    rows = [
        (
            c.source,
            c.canonical if c.canonical in SCHEMA else "(left out)",
            _units(c.unit, c.canonical),
            wording.percent(c.confidence),
            glob,
        )
        for c, glob in every
        if short or c.canonical in SCHEMA
    ]
    columns = table(
        ("column in file", "canonical", "unit", "confidence", "file"), rows, right=("confidence",)
    )
    return join(
        outcome.rows.sentence(),
        data_text(outcome.telemetry),
        columns,
        "" if short else f"{len(left_out)} columns are left out: mapping.toml names each with the reason.",
        issues_text(outcome.issues),
        files_text(outcome.written),
    )


def train(outcome: TrainOutcome) -> str:
    """Return the text of ``advisor train``."""
    return join(card_text(outcome.card), issues_line(outcome.issues), f"wrote {outcome.directory}")


def card_text(card: ModelCard) -> str:
    """Return a model card's essentials: errors on held-out data beside the best baseline, and coverage."""
    head = (
        f"{card.model_id}: {card.kind}, {wording.count(len(card.sites), 'site')}, "
        f"trained on {card.data_start} to {card.data_end}"
    )
    lines = accuracies(card)
    models = {a.model for a in lines}
    several = len(models) > 1
    rows = [
        (
            f"{a.quantity}: {a.task}",
            *([a.model] if several else []),
            wording.quantity(a.wmape, "%"),
            f"{wording.quantity(a.baseline_wmape, '%')} {a.baseline}",
            f"{wording.percent(a.nominal)} → {wording.percent(a.measured)}",
        )
        for a in lines
    ]
    model = ["model"] if several else []
    columns = ("quantity and task", *model, "held-out error", "best baseline", "coverage promised → measured")
    head = "\n".join([head, *(f"model: {name}" for name in models if not several)])
    return join(head, table(columns, rows), "\n".join(f"note: {note}" for note in card.notes))


def backtest(outcome: BacktestOutcome) -> str:
    """Return the text of ``advisor backtest``: one table per problem, split and quantity."""
    groups = outcome.backtest.table.groupby(["problem", "split", "quantity"], sort=False)
    return join(
        *(_backtest_group(rows) for _, rows in groups),
        _domain_text(outcome.backtest.domain),
        "\n".join(f"note: {note}" for note in outcome.backtest.notes),
        _seconds_text(outcome.backtest.seconds),
        issues_line(outcome.issues),
        files_text(outcome.written),
    )


def _backtest_group(rows: pd.DataFrame) -> str:
    problem, split, quantity = (str(rows[name].iloc[0]) for name in ("problem", "split", "quantity"))
    unit = wording.unit(SCHEMA[quantity].unit) if quantity in SCHEMA else ""
    lines = (
        (
            f"{'* ' if row['ours'] else '  '}{row['model']}",
            wording.number(row["mae"]),
            *(wording.quantity(row[name], "%") for name in ("mape", "wmape", "cv_rmse", "nmbe")),
            _coverage_cell(row),
            wording.quantity(row["width"], "%"),
            wording.number(row["interval_score"]),
        )
        for row in rows.to_dict(orient="records")
    )
    of = f"[{unit or '1'}]"
    head = (
        "model",
        f"MAE {of}",
        "MAPE",
        "WMAPE",
        "CV(RMSE)",
        "NMBE",
        "coverage (95 %)",
        "width",
        f"score {of}",
    )
    nominal = rows["nominal"].dropna()
    promised = f", intervals promise {wording.percent(float(nominal.iloc[0]))}" if len(nominal) else ""
    title = f"{problem}: {quantity}, {split}, {int(rows['n'].max()):,} rows{promised}"
    return f"{title}\n\n{table(head, lines, right=head[1:])}"


def _coverage_cell(row: Mapping[Hashable, Any]) -> str:
    """Return the measured coverage with its bootstrap interval."""
    if not math.isfinite(row["coverage_low"]):
        return wording.percent(row["coverage"])
    low, high = (f"{100 * row[name]:.0f}" for name in ("coverage_low", "coverage_high"))
    return f"{wording.percent(row['coverage'])} ({low}-{high})"


def _seconds_text(seconds: dict[str, float]) -> str:
    return f"took {seconds['wall']:.0f} s ({seconds['cpu']:.0f} s of CPU)" if seconds else ""


def _domain_text(domain: pd.DataFrame | None) -> str:
    """Return how often rows were called outside the training domain."""
    if domain is None or domain.empty:
        return ""
    rows = (
        (
            str(r["problem"]),
            str(r["quantity"]),
            str(r["what"]),
            wording.percent(r["rate"]),
            f"{r['rows']:,.0f}",
        )
        for r in domain.to_dict(orient="records")
    )
    head = ("problem", "quantity", "called outside the training domain", "rate", "rows")
    return f"Training domain\n\n{table(head, rows, right=('rate', 'rows'))}"


def predict(outcome: PredictOutcome) -> str:
    """Return the text of ``advisor predict``."""
    rows = [
        (
            str(row["quantity"]),
            f"{row['predicted']:,} of {row['rows']:,}",
            wording.quantity(row["mean"], str(row["unit"])),
            wording.percent(row["coverage"]),
            wording.percent(row["in_domain"]),
        )
        for row in outcome.quantities.to_dict(orient="records")
    ]
    head = ("quantity", "rows predicted", "mean", "nominal coverage", "inside what the model has seen")
    return join(
        f"{outcome.task} with {outcome.model_id}",
        table(head, rows, right=head[1:]),
        issues_text(outcome.said) if outcome.said else "",
        issues_line(outcome.issues),
        files_text(filter(None, (outcome.file, outcome.explanations))),
    )


def advise(outcome: AdviseOutcome) -> str:
    """Return the text of ``advisor advise``."""
    rows = [
        (
            str(rank),
            r.action,
            wording.saving(r.saving),
            r.verdict,
            r.binding_limit,
        )
        for rank, r in enumerate(outcome.advice.recommendations, 1)
    ]
    actions = table(("#", "action", "saving (interval)", "verdict", "binding limit"), rows) if rows else ""
    return join(
        wording.headline(outcome.advice),
        actions,
        _retrofits(outcome.advice.retrofits),
        issues_text(outcome.advice.issues) if outcome.advice.issues else "",
        issues_line(outcome.issues),
        files_text(outcome.written),
    )


def _retrofits(retrofits: tuple[Assessed, ...]) -> str:
    """Return the retrofits, judged by the site's own data."""
    if not retrofits:
        return ""
    rows = (
        (
            r.retrofit.title,
            wording.DASH if r.saving is None else wording.saving(r.saving),
            r.verdict,
            r.reasons[0],
        )
        for r in retrofits
    )
    head = ("retrofit", "saving (interval), alone", "verdict", "why")
    return f"Retrofits, indicative: not proven by an export, and in no total\n\n{table(head, rows)}"


def measures(outcome: MeasuresOutcome, *, whole: bool) -> str:
    """Return the text of ``advisor measures``: the list, or one measure in full."""
    if whole:
        return "\n\n".join(
            "\n".join(f"{name}: {value}" for name, value in m.model_dump(mode="json").items() if value)
            for m in outcome.measures
        )
    rows = (
        (
            m.id,
            m.title,
            f"{m.kpi} {m.sense} {m.threshold:g}" if m.kpi and m.threshold is not None else "no number",
            m.jurisdiction,
            m.state(outcome.on),
            m.confidence,
        )
        for m in outcome.measures
    )
    return table(("id", "title", "asks for", "where", "state", "confidence"), rows)


def doctor(outcome: DoctorOutcome) -> str:
    """Return the text of ``advisor doctor``."""
    lines = [f"{'ok    ' if c.passed else 'FAILED'}  {c.name}: {c.note}" for c in outcome.checks]
    return "\n".join(
        [*lines, "", "The installation is sound." if outcome.sound else "The installation is not sound."]
    )


def demo(outcome: DemoOutcome) -> str:
    """Return the text of ``advisor demo``."""
    sites = (
        join(
            f"== {site.name} ==",
            data_text(site.telemetry),
            site.rows.sentence(),
            card_text(site.card),
            wording.headline(site.advice),
        )
        for site in outcome.sites
    )
    opening = "\n".join(f"  {site.report.resolve().as_uri()}" for site in outcome.sites)
    return join(
        *sites,
        f"Done in {outcome.seconds:.0f} s. Open the reports in any browser:\n{opening}",
    )
