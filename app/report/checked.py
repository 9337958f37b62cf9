"""What ``advisor check`` found, as a page to read: rows, findings, columns, and a picture of every series."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from app import wording
from app.report.charts import Chart, Marked, marked_series
from app.report.content import data_facts, finding_line
from app.report.page import FindingLine
from features.frame import FloatArray
from features.issues import DataIssue
from features.reading import Mapping, Reading
from features.reading.mapping import IGNORE
from features.schema import SCHEMA
from features.telemetry import Telemetry

MOST_PICTURES = 16
MOST_POINTS = 1200
"""Points of one line; of longer series each stretch shows its lowest and highest value."""
MOST_FINDINGS = 200


@dataclass(frozen=True)
class ColumnLine:
    """One column of a file: what it is taken for and why."""

    source: str
    meaning: str
    unit: str
    confidence: str
    evidence: str


@dataclass(frozen=True)
class FileTable:
    """The columns of one file, used and left out."""

    name: str
    about: str
    used: tuple[ColumnLine, ...]
    unused: tuple[ColumnLine, ...]


@dataclass(frozen=True)
class CheckPage:
    """Values of the page."""

    title: str
    kind: str
    rows: tuple[tuple[str, int], ...]
    worst: str
    counted: str
    facts: tuple[tuple[str, str], ...]
    findings: tuple[FindingLine, ...]
    notes: tuple[FindingLine, ...]
    more_findings: str
    files: tuple[FileTable, ...]
    skipped: tuple[tuple[str, str], ...]
    charts: tuple[Chart, ...]
    more_charts: str


def check_page(
    telemetry: Telemetry,
    readings: Sequence[Reading],
    mapping: Mapping,
    issues: Sequence[DataIssue],
    rows: tuple[tuple[str, int], ...],
) -> CheckPage:
    """Return the page of what was read and what is wrong with it.

    Parameters
    ----------
    telemetry : Telemetry
    readings : sequence of Reading
    mapping : Mapping
        How all paths together were understood.
    issues : sequence of DataIssue
        Worst first.
    rows : tuple
        Name and number of rows in, accepted, quarantined and rejected.
    """
    marks = pd.concat([r.marks.to_pandas() for r in readings], ignore_index=True)
    charts, more = pictures(telemetry, marks)
    severities = [i.severity for i in issues]
    errors, warnings = severities.count("error"), severities.count("warning")
    return CheckPage(
        title=", ".join(telemetry.site_ids[:3]) + (" …" if len(telemetry.site_ids) > 3 else ""),
        kind=telemetry.kind,
        rows=rows,
        worst="bad" if errors else "warn" if warnings else "good",
        counted=f"{wording.count(errors, 'error')}, {wording.count(warnings, 'warning')}, "
        f"{wording.count(severities.count('info'), 'note')}",
        facts=data_facts(telemetry),
        findings=tuple(finding_line(i) for i in issues[:MOST_FINDINGS] if i.severity != "info"),
        notes=tuple(finding_line(i) for i in issues[:MOST_FINDINGS] if i.severity == "info"),
        more_findings=f"{len(issues) - MOST_FINDINGS} more are in issues.csv."
        if len(issues) > MOST_FINDINGS
        else "",
        files=tuple(_files(mapping)),
        skipped=tuple((s.file, s.why) for s in mapping.skipped),
        charts=charts,
        more_charts=more,
    )


# -- columns -------------------------------------------------------------------------------------
def _files(mapping: Mapping) -> list[FileTable]:
    """Return a table per file; files that were understood alike share one."""
    alike: dict[tuple[object, ...], list[str]] = {}
    for file in mapping.file:
        alike.setdefault((file.time, file.site_column, file.unit_column, file.column), []).append(file.glob)
    tables = []
    for file in mapping.file:
        names = alike.pop((file.time, file.site_column, file.unit_column, file.column), None)
        if names is None:
            continue
        time = file.time
        keys = (
            [f"time: {' + '.join(time.columns)} ({time.zone}, {time.evidence})"]
            if time
            else ["no time: attributes"]
        )
        keys += [f"site: {file.site_column}"] if file.site_column else []
        keys += [f"unit: {file.unit_column}"] if file.unit_column else []
        lines = [
            _column(c.source, c.canonical, c.unit, c.combine, c.confidence, c.evidence) for c in file.column
        ]
        used = tuple(line for line, c in zip(lines, file.column, strict=True) if c.canonical != IGNORE)
        unused = tuple(line for line, c in zip(lines, file.column, strict=True) if c.canonical == IGNORE)
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        part = f", {file.sheet}" if file.sheet else ""
        tables.append(FileTable(names[0] + part + more, "; ".join(keys), used, unused))
    return tables


def _column(
    source: str, canonical: str, unit: str, combine: str, confidence: float, evidence: str
) -> ColumnLine:
    known = canonical in SCHEMA
    to = wording.unit(SCHEMA[canonical].unit) if known else ""
    read = wording.unit(unit)
    converted = f"{read} → {to or '1'}" if known and read != to else to
    meaning = wording.column_name(canonical) if known else "left out"
    how = f" ({combine} of several)" if known and combine else ""
    return ColumnLine(source, meaning + how, converted, wording.percent(confidence), evidence)


# -- pictures ------------------------------------------------------------------------------------
def pictures(telemetry: Telemetry, marks: pd.DataFrame) -> tuple[tuple[Chart, ...], str]:
    """Return a picture per series, those with findings first, and what is not shown.

    Parameters
    ----------
    telemetry : Telemetry
    marks : pandas.DataFrame
        `Reading.marks`.
    """
    numbers = [
        c for c in telemetry.value_columns if not SCHEMA[c].text and SCHEMA[c].aggregation != "constant"
    ]
    keys = ["site_id", "unit_id", "column"]
    spans = pd.DataFrame(telemetry.unit_spans(), columns=["site_id", "unit_id", "start", "stop"])
    with ThreadPoolExecutor(2) as pool:
        rows = list(pool.map(lambda column: _known(telemetry, column, spans), numbers))
    filled = pd.concat([spans.assign(column=c, place=i, rows=rows[i]) for i, c in enumerate(numbers)])
    counted = marks.groupby(keys).size().rename("marks").reset_index()
    every = filled.merge(counted, how="left", on=keys)
    every = every.assign(marks=every["marks"].fillna(0))
    ranked = every[(every["rows"] > 1) | (every["marks"] > 0)]  # all taken out is worth a picture too
    ranked = ranked.sort_values(
        ["marks", "unit_id", "site_id", "place"], ascending=[False, True, True, True], kind="stable"
    )
    drawn = [
        _picture(telemetry, marks, str(r.column), (str(r.site_id), str(r.unit_id), int(r.start), int(r.stop)))  # type: ignore[arg-type]
        for r in ranked.head(MOST_PICTURES).itertuples()
    ]
    more = len(ranked) - len(drawn)
    return tuple(drawn), f"{wording.count(more, 'more series')} without a picture." if more > 0 else ""


def _known(telemetry: Telemetry, column: str, spans: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return how many values each unit has."""
    missing = telemetry.frame[column].isna().to_numpy()
    return np.add.reduceat(~missing, spans["start"].to_numpy(), dtype=np.int64)


def _picture(
    telemetry: Telemetry, marks: pd.DataFrame, column: str, span: tuple[str, str, int, int]
) -> Chart:
    site, unit, start, stop = span
    rows = telemetry.frame[["timestamp", column]].iloc[start:stop]
    micros = rows["timestamp"].dt.as_unit("us").astype("int64").to_numpy()
    step = int(telemetry.interval / pd.Timedelta(microseconds=1))
    place = (micros - micros[0]) // step
    whole = np.full(int(place[-1]) + 1, np.nan)  # rows that are not there are missing
    whole[place] = rows[column].to_numpy(dtype=np.float64)
    known = int(np.isfinite(whole).sum())
    where = marks[(marks["site_id"] == site) & (marks["unit_id"] == unit) & (marks["column"] == column)]
    taken, odd = where[~where["kept"].astype(bool)], where[where["kept"].astype(bool)]
    at, values = _thinned(whole)
    stamps = pd.DatetimeIndex((micros[0] + at * step).astype("datetime64[us]"), tz="UTC")
    name = wording.column_name(column)
    series = Marked(
        telemetry.local(stamps),
        values,
        _points(telemetry, taken),
        _points(telemetry, odd),
        SCHEMA[column].unit,
        name,
    )
    where_from = " / ".join(part for part in (site if len(telemetry.site_ids) > 1 else "", unit) if part)
    missing = len(whole) - known
    reach = (
        f", {np.nanmin(whole):.4g} to {np.nanmax(whole):.4g} {wording.unit(SCHEMA[column].unit)}"
        if known
        else ""
    )
    said = [
        f"{known:,} values{reach.rstrip()}",
        f"{missing:,} of {len(whole):,} intervals are missing" if missing else "none is missing",
        *(f"{count:,} × {code}" for code, count in where["code"].value_counts().items()),
    ]
    title = f"{name[:1].upper()}{name[1:]}{', ' + where_from if where_from else ''}"
    return marked_series(series, title, "; ".join(said) + ".")


def _points(telemetry: Telemetry, marks: pd.DataFrame) -> tuple[pd.DatetimeIndex, FloatArray]:
    stamps = pd.DatetimeIndex(pd.to_datetime(marks["timestamp"], utc=True))
    return telemetry.local(stamps), marks["value"].to_numpy(dtype=np.float64)


def _thinned(values: FloatArray) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Return a long series by the lowest and highest value of each stretch, a stretch of none as missing.

    Returns
    -------
    tuple of numpy.ndarray
        Position of each value that is shown (of a stretch: of its first), and the value.
    """
    if len(values) <= MOST_POINTS:
        return np.arange(len(values)), values
    width = -(-2 * len(values) // MOST_POINTS)
    padded = np.append(values, np.full(-len(values) % width, np.nan)).reshape(-1, width)
    low, high = np.fmin.reduce(padded, axis=1), np.fmax.reduce(padded, axis=1)
    pairs = np.stack([low, high], axis=1).ravel()
    return np.repeat(np.arange(len(padded)) * width, 2), pairs
