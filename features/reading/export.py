"""Exports as they are -> telemetry: the one door through which data enters."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from features.errors import DataError, QuestionError, UnreadableFileError, UnrecognisedError
from features.issues import DataIssue
from features.message import Message, say, term
from features.reading.assemble import Assembled, assemble
from features.reading.cells import overflow
from features.reading.convert import convert
from features.reading.doubt import scale_doubt
from features.reading.files import InputFile, discover, skipped, stem_of
from features.reading.findings import mapping_issues, zone_issue
from features.reading.gather import gathered
from features.reading.judge import judge
from features.reading.judged import MARKS_SCHEMA, Judged
from features.reading.ledger import QUARANTINE_SCHEMA, Ledger, RowCounts
from features.reading.mapping import Mapping
from features.reading.tabular import RawTable, load_parquet, parquet_metadata
from features.reading.whole import NotPlainError
from features.schema import KEY_COLUMNS, Kind
from features.telemetry import METADATA_KEY, Source, Telemetry, TimeZone


@dataclass(frozen=True)
class Reading:
    """What reading one path gave.

    Parameters
    ----------
    content : Telemetry
        With its issues; the numbers of a large file may lie in files (`features.filed`).
    mapping : Mapping
        How the files were understood; given back, it is followed exactly.
    counts : RowCounts
    quarantined_rows : pyarrow.Table
        ``file``, ``row``, ``column``, ``raw``, ``code`` of every value taken out and every row rejected
        (there ``column`` is empty and ``raw`` is the whole row).
    marks : pyarrow.Table
        Where findings stand in the series (`features.reading.judged.MARKS_SCHEMA`).
    """

    content: Telemetry
    mapping: Mapping
    counts: RowCounts
    quarantined_rows: pa.Table
    marks: pa.Table = field(default_factory=MARKS_SCHEMA.empty_table)

    @property
    def issues(self) -> tuple[DataIssue, ...]:
        """What was found."""
        return self.content.issues

    @property
    def table(self) -> pa.Table:
        """The telemetry in `features.telemetry.Telemetry.to_arrow`'s form."""
        return self.content.to_arrow()

    def telemetry(self) -> Telemetry:
        """Return the telemetry with its issues, all of it in memory."""
        return self.content.held()


def read_export(path: Path, *, kind: Kind | None = None, mapping: Mapping | None = None) -> Reading:
    """Read one file, or one folder of files that belong together.

    Parameters
    ----------
    path : pathlib.Path
    kind : {"data-centre", "base-station"}, optional
        Recognised where not given.
    mapping : Mapping, optional
        Followed exactly where it names files; its answers decide open questions.

    Returns
    -------
    Reading

    Raises
    ------
    UnreadableFileError, UnrecognisedError, QuestionError, DataError
        The data cannot be used; code, place and remedy say why.
    MappingFileError
        The mapping does not fit the files.
    """
    with tempfile.TemporaryDirectory(prefix="advisor-") as scratch:
        files, issues = discover(path, Path(scratch))
        files = _without_own_output(files, issues)
        own = _own_telemetry(files, kind)
        if own is not None:
            return replace(own, content=own.content.with_issues(issues))
        root = path.resolve().name if path.is_dir() else stem_of(path.name)
        confirmed = mapping is not None and bool(mapping.file or mapping.answer)
        before = list(issues)
        with ThreadPoolExecutor(1) as pool:
            pool.map(lambda file: file.sha256, files)  # beside the reading: it takes its time
            try:
                return _read(*gathered(files, root, kind, mapping, issues), issues, confirmed=confirmed)
            except NotPlainError:
                tables, chosen = gathered(files, root, kind, mapping, before, in_pieces=False)
                return _read(tables, chosen, before, confirmed=confirmed)


def read_paths(
    paths: Sequence[Path],
    *,
    kind: Kind | None = None,
    mapping: Mapping | None = None,
    zone: str | None = None,
    held: bool = True,
) -> tuple[Telemetry, tuple[Reading, ...]]:
    """Read several paths as one set of sites.

    Parameters
    ----------
    paths : sequence of pathlib.Path
    kind, mapping
        As in `read_export`.
    zone : str, optional
        Zone that wall-clock stamps are local time of.
    held : bool
        Whether all numbers are wanted in memory; else those of a large file stay in files.

    Returns
    -------
    tuple of Telemetry and tuple of Reading

    Raises
    ------
    DataError
        Kinds, intervals or zones differ, or two paths give the same rows of one site.
    """
    if not paths:
        raise UnreadableFileError(
            "E-FILE-MISSING", say("no path is given"), say("the call"), say("give a file or a folder")
        )
    readings = tuple(read_export(p, kind=kind, mapping=mapping) for p in paths)
    parts = [r.telemetry() if held or len(paths) > 1 else r.content for r in readings]
    if zone is not None:
        parts = [p.with_zone(zone) for p in parts]
    return concatenated(parts, paths), readings


def concatenated(parts: Sequence[Telemetry], where: Sequence[Path] = ()) -> Telemetry:
    """Return several telemetries as one.

    Parameters
    ----------
    parts : sequence of Telemetry
    where : sequence of pathlib.Path
        Where they come from, for messages.

    Raises
    ------
    DataError
        They differ in kind, interval or zone, or share rows.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    for name, values in (
        ("kind", [p.kind for p in parts]),
        ("interval", [str(p.interval) for p in parts]),
        ("zone", [p.zone.name for p in parts]),
    ):
        if len(set(values)) > 1:
            raise DataError(
                f"E-PATHS-{name.upper()}",
                say(
                    "the paths differ in {name}: {values}",
                    name=term(name),
                    values=Message.joined(", ", dict.fromkeys(values)),
                ),
                Message.joined(", ", (str(path) for path in where)) or say("the given telemetries"),
                say("give paths that agree, or declare the site's zone")
                if name == "zone"
                else say("give paths that agree"),
            )
    frame = pd.concat([p.frame for p in parts], ignore_index=True)
    twice = frame.duplicated(list(KEY_COLUMNS))
    if twice.any():
        site, unit, stamp = frame.loc[twice, list(KEY_COLUMNS)].iloc[0]
        raise DataError(
            "E-SITE-TWICE",
            say("two paths give rows of the site {site!r} for the same time", site=site),
            say("{site}/{unit}, {stamp}", site=site, unit=unit, stamp=stamp),
            say("give each site once; name files or folders apart"),
        )
    for column in frame.columns:
        if frame[column].dtype == object:
            frame[column] = frame[column].astype("str")
    ordered = frame.sort_values(list(KEY_COLUMNS), kind="stable").reset_index(drop=True)
    return Telemetry(
        ordered,
        first.interval,
        first.kind,
        TimeZone(first.zone.name, any(p.zone.assumed for p in parts)),
        tuple(i for p in parts for i in p.issues),
        tuple(s for p in parts for s in p.sources),
    )


# -- files and mapping ---------------------------------------------------------------------------
def _without_own_output(files: list[InputFile], issues: list[DataIssue]) -> list[InputFile]:
    """Leave out telemetry that this program wrote beside the exports it came from."""
    own = [f for f in files if f.form == "parquet" and METADATA_KEY in parquet_metadata(f)]
    if not own or len(own) == len(files):
        return files
    issues += [skipped(f.name, say("this program wrote it; the exports beside it are read")) for f in own]
    return [f for f in files if f not in own]


def _own_telemetry(files: Sequence[InputFile], kind: Kind | None) -> Reading | None:
    """Return telemetry that this program wrote, unchanged."""
    if len(files) != 1 or files[0].form != "parquet" or METADATA_KEY not in parquet_metadata(files[0]):
        return None
    table = load_parquet(files[0])
    try:
        telemetry = Telemetry.from_arrow(table)
    except (KeyError, ValueError, TypeError) as error:
        if isinstance(error, DataError):
            raise
        raise UnreadableFileError(
            "E-FILE-DAMAGED",
            say("the telemetry's metadata is damaged: {error}", error=error),
            files[0].where,
            say("write it anew"),
        ) from None
    if kind is not None and telemetry.kind != kind:
        raise UnrecognisedError(
            "E-KIND",
            say("the telemetry is of a {kind}", kind=term(telemetry.kind)),
            files[0].where,
            say("give --kind {kind}", kind=telemetry.kind),
        )
    rows = len(telemetry.frame)
    issues = () if telemetry.zone.known else (zone_issue(files[0].name),)
    return Reading(
        replace(telemetry, issues=issues),
        Mapping(kind=telemetry.kind),
        RowCounts(rows, rows, 0, 0),
        QUARANTINE_SCHEMA.empty_table(),
    )


# -- from tables to telemetry --------------------------------------------------------------------
def _read(
    tables: Sequence[RawTable], mapping: Mapping, issues: list[DataIssue], *, confirmed: bool
) -> Reading:
    kind = mapping.kind
    assert kind  # noqa: S101 - recognition and mapping both set it
    zone = _common_zone(mapping, issues)
    ledger = Ledger(tables, mapping.file)
    zones = [m.time.zone if m.time and m.time.zone != "unknown" else zone.name for m in mapping.file]
    parts = [rows for i in range(len(tables)) for rows in convert(i, ledger, zones[i])]
    joined = assemble(parts, ledger)
    if not confirmed:
        _check_scale(joined, mapping)
    judged = Judged(joined.frame, joined.interval_us, kind, joined.sources, ledger, joined.issues)
    judge(judged)
    issues += [*mapping_issues(tables, mapping), *joined.issues]
    telemetry = Telemetry(
        _final(judged.frame),
        pd.Timedelta(joined.interval_us, "us"),
        kind,
        zone,
        tuple(issues),
        tuple(dict.fromkeys(Source(f.name, f.sha256) for t in tables for f in t.files)),
    )
    return Reading(telemetry, mapping, ledger.counts(), ledger.rows(), judged.marks())


def _common_zone(mapping: Mapping, issues: list[DataIssue]) -> TimeZone:
    series = [f for f in mapping.file if f.time is not None]
    zones = list(dict.fromkeys(f.time.zone for f in series if f.time and f.time.zone != "unknown"))
    silent = [f.glob for f in series if f.time and f.time.zone == "unknown"]
    if not zones:
        issues.append(zone_issue(Message.joined(", ", silent[:3])))
        return TimeZone()
    if silent:
        issues.append(
            DataIssue(
                "D-ZONE-ASSUMED",
                "warning",
                Message.joined(", ", silent[:3]),
                say("no time zone is given; other files say {zone}", zone=Message.joined(", ", zones)),
                say("write 'zone' into mapping.toml"),
                say("{zone} is assumed", zone=zones[0]),
                0,
            )
        )
    return TimeZone(zones[0], assumed=bool(silent))


def _check_scale(joined: Assembled, mapping: Mapping) -> None:
    frame = joined.frame
    if "it_power_kw" in frame and "facility_power_kw" in frame:
        doubt = scale_doubt(frame["facility_power_kw"].to_numpy(), frame["it_power_kw"].to_numpy())
        if doubt:
            source = {c.canonical: (f.glob, c.source) for f in mapping.file for c in f.column}
            glob, header = source["it_power_kw"]
            other = source["facility_power_kw"][1]
            raise QuestionError(
                "E-QUESTION-UNIT",
                doubt,
                say("{glob}, columns {header!r} and {other!r}", glob=glob, header=header, other=other),
                say(
                    "write the right units into mapping.toml and give it with --mapping:\nversion = 1\n\n"
                    "{answers}",
                    answers="\n\n".join(
                        f'[[answer]]\nfile = "{glob}"\ncolumn = "{h}"\nunit = "kW"   # or "W"'
                        for h in (header, other)
                    ),
                ),
            )


def _final(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame in telemetry's form."""
    values = [c for c in frame if c not in KEY_COLUMNS]
    stamps = pd.DatetimeIndex(frame["timestamp"].to_numpy().astype("datetime64[us]")).tz_localize("UTC")
    ordered = frame[[*KEY_COLUMNS, *values]].assign(timestamp=stamps)
    for name in values:
        if ordered[name].dtype == np.float64 and np.isinf(ordered[name].to_numpy()).any():
            raise overflow(str(name))
    return ordered
