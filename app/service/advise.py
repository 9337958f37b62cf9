"""Advise: exports, models and a site in; plan, ranked actions and the report out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd

from advisor.advise import advise
from advisor.catalogue import load_measures
from advisor.combine import MOST_ACTIONS
from advisor.plan import Advice
from advisor.site import read_site
from app.report.content import build_page
from app.report.drawings import fit_chart, plan_charts
from app.report.page import Source
from app.report.render import render
from app.service.check import Rows, count_rows
from app.service.facts import findings
from app.service.reading import Exports, in_zone, read
from app.service.standing import standing
from app.writing import make_folder, write_csv, write_json, write_text
from features.errors import UsageError
from features.issues import DataIssue
from features.message import say
from features.telemetry import Telemetry, utc
from models.bundle import Bundle, Progress, load_bundle


@dataclass(frozen=True)
class AdviseOutcome:
    """The advice, every finding, and the files written."""

    advice: Advice
    telemetry: Telemetry
    rows: Rows
    issues: tuple[DataIssue, ...]
    written: tuple[Path, ...]
    exit_code: int = 0

    @property
    def report(self) -> Path:
        """The report's file."""
        return next(path for path in self.written if path.name == "report.html")

    def to_dict(self) -> dict[str, object]:
        """Return plain values for ``--json``."""
        return {
            "summary": self.advice.summary(),
            "recommendations": [r.to_dict() for r in self.advice.recommendations],
            "issues": [issue.to_dict() for issue in self.issues],
            "written": [str(path) for path in self.written],
        }


def advise_exports(
    exports: Exports,
    *,
    model: Path,
    out: Path,
    site_file: Path | None = None,
    start: str | None = None,
    end: str | None = None,
    seed: int = 0,
    most: int = MOST_ACTIONS,
    progress: Progress | None = None,
    on: date | None = None,
) -> AdviseOutcome:
    """Decide, verify, rank; write ``plan.csv``, two JSON files, ``report.html``, and a test if one is due.

    Parameters
    ----------
    exports : Exports
    model : pathlib.Path
        Model directory.
    out : pathlib.Path
        Folder of the results.
    site_file : pathlib.Path or None
        ``site.toml``; None: standard limits and the set-points most often in force.
    start, end : str or None
        Window, end exclusive; without offset local time of the site.
    seed : int
    most : int
        At most this many actions.
    progress : callable or None
    on : datetime.date or None
        Day of the report; None: today.

    Raises
    ------
    features.errors.AdvisorError
    """
    bundle = load_bundle(model)
    site = None if site_file is None else read_site(site_file)
    measures = load_measures()
    telemetry, readings = read(exports)
    if site is not None and site.time_zone is not None and exports.zone is None:
        telemetry = in_zone(telemetry, site.time_zone)
    window = (_moment(start, "--start", telemetry), _moment(end, "--end", telemetry))
    advice = advise(
        telemetry,
        bundle,
        measures,
        site,
        start=window[0],
        end=window[1],
        seed=seed,
        most=most,
        progress=progress,
    )
    shown = telemetry.between(window[0] or telemetry.span[0], window[1] or telemetry.span[1])
    rows = count_rows(readings)
    issues = findings(telemetry, *advice.issues)
    day = on or datetime.now(UTC).date()
    source = Source(
        telemetry=telemetry,
        rows=rows.sentence(),
        advice=advice,
        card=bundle.card,
        standing=standing(shown, site, advice.baseline, measures, day),
        issues=issues,
        measures=measures,
        site=site,
        on=day,
    )
    written = _write(source, bundle, make_folder(out))
    return AdviseOutcome(advice, telemetry, rows, issues, written)


def _moment(text: str | None, where: str, telemetry: Telemetry) -> pd.Timestamp | None:
    if text is None:
        return None
    try:
        return utc(text, telemetry.zone)
    except ValueError as error:
        raise UsageError(
            "E-MOMENT",
            say("{text!r} is no moment: {error}", text=text, error=error),
            where,
            say("write it like 2026-11-19 or 2026-11-19T14:30"),
        ) from None


def _write(source: Source, bundle: Bundle, out: Path) -> tuple[Path, ...]:
    advice = source.advice
    page = build_page(source, plan_charts(advice, source.telemetry), fit_chart(bundle, source.telemetry))
    known = source.telemetry.zone.known
    test = None if advice.test is None else advice.test.table(source.telemetry)
    return (
        write_csv(out / "plan.csv", advice.plan_table, zone_known=known),
        *(() if test is None else (write_csv(out / "test.csv", test, zone_known=known),)),
        write_json(out / "recommendations.json", [r.to_dict() for r in advice.recommendations]),
        write_json(out / "summary.json", advice.summary()),
        write_text(out / "report.html", render(page)),
    )
