"""Raw table + its mapping -> rows with keys and canonical values."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import MappingFileError
from features.filed import FiledArray, numbered
from features.issues import DataIssue, Severity
from features.message import Message, say
from features.reading import timeaxis, zones
from features.reading.cells import cells_of
from features.reading.ledger import Ledger
from features.reading.mapping import IGNORE, ColumnMapping, FileMapping, TimeMapping
from features.reading.numerals import BoolArray, FloatArray
from features.reading.tabular import RawTable
from features.reading.timeaxis import IntArray, StampArray
from features.schema import SCHEMA, SYMBOLS

ROW = "_row"


@dataclass(frozen=True)
class Rows:
    """Placed rows of one table.

    ``frame`` has ``site_id``, ``unit_id``, ``timestamp`` (datetime64[us], UTC or wall-clock; absent for
    attributes), the canonical columns and the row id. Sums and registers are still amounts.
    """

    table: int
    frame: pd.DataFrame
    mapping: FileMapping
    issues: tuple[DataIssue, ...]


def convert(table: int, ledger: Ledger, zone: str) -> list[Rows]:
    """Convert one table of the ledger; columns that belong to units of their own follow, unit by unit.

    Parameters
    ----------
    table : int
        Position in the ledger.
    ledger : Ledger
        Takes rows and values that are left out.
    zone : str
        Zone of wall-clock stamps; ``unknown`` keeps them.

    Returns
    -------
    list of Rows

    Raises
    ------
    MappingFileError
        The mapping names a column that the file does not have.
    """
    work = _Conversion(table, ledger)
    frames = work.frames(zone)
    issues = tuple(work.issues)
    return [Rows(table, frame, mapping, issues if not i else ()) for i, (mapping, frame) in enumerate(frames)]


class _Conversion:
    """One table on its way: the ledger takes what is left out, `issues` says so."""

    def __init__(self, table: int, ledger: Ledger) -> None:
        self.ledger = ledger
        self.raw: RawTable = ledger.tables[table]
        self.mapping: FileMapping = ledger.mappings[table]
        self.ids = ledger.ids(table)
        self.issues: list[DataIssue] = []
        _check_headers(self.raw, self.mapping)
        self.cells = cells_of(self.raw, self.mapping)
        ledger.reject(ledger.broken_ids(table), "D-ROW-RAGGED")
        if self.raw.broken:
            self.issues.append(_ragged(self.raw))

    def frames(self, zone: str) -> list[tuple[FileMapping, pd.DataFrame]]:
        """Return the placed rows, then those of every unit that has columns of its own."""
        mapping = self.mapping
        sites = self._key(mapping.site_column, mapping.site)
        units = self._key(mapping.unit_column, mapping.unit_id)
        placed = sites.notna().to_numpy() & units.notna().to_numpy()
        self._reject(~placed, "D-NO-KEY", say("rows without site or unit"))
        columns: dict[str, object] = {"site_id": sites, "unit_id": units}
        if mapping.time is not None:
            stamps = self._stamps(mapping.time, zone, placed, _codes(sites, units))
            columns["timestamp"] = stamps
            placed &= ~np.isnat(stamps)
        columns[ROW] = self.ids
        result = []
        for unit in dict.fromkeys(["", *(c.unit_id for c in mapping.column)]):
            part = replace(mapping, column=tuple(c for c in mapping.column if c.unit_id == unit))
            own = {"unit_id": self._key("", unit)} if unit else {}
            # Without a copy: a large export's numbers are held once.
            whole = pd.DataFrame({**columns, **own, **self._values(part.column, placed)}, copy=False)
            result.append((part, whole if placed.all() else whole[placed].reset_index(drop=True)))
        return result

    def _key(self, header: str, constant: str) -> pd.Series:
        if header:
            return self.cells.key(header)
        if self.raw.whole is None:
            return pd.Series([constant] * self.raw.count, dtype="str")
        codes = np.zeros(self.raw.count, dtype=np.int8)
        return pd.Series(pd.Categorical.from_codes(codes, pd.Index([constant], dtype=object)))

    def _reject(self, where: BoolArray, code: str, what: str, severity: Severity = "error") -> None:
        count = int(where.sum())
        if not count:
            return
        self.ledger.reject(self.ids[where], code)
        first = self._line(np.flatnonzero(where)[0])
        self._note(
            code,
            severity,
            say("row {first}", first=first),
            say("{count} {what}", count=count, what=what),
            say("the rows are rejected"),
            count,
            say("correct these rows of the export")
            if severity == "error"
            else say("nothing, if they are totals"),
        )

    def _note(
        self,
        code: str,
        severity: Severity,
        place: str,
        evidence: str,
        effect: str,
        rows: int,
        remedy: str = "",
    ) -> None:
        remedy = remedy or say("correct the export, or ignore the column")
        self.issues.append(
            DataIssue(
                code,
                severity,
                say("{file}, {place}", file=self.raw.file.name, place=place),
                evidence,
                remedy,
                effect,
                rows,
            )
        )

    def _stamps(self, time: TimeMapping, zone: str, placed: BoolArray, codes: IntArray) -> StampArray:
        stamps = self.cells.stamps()
        unread = placed & np.isnat(stamps.wall)
        summary = np.zeros_like(unread)
        if unread.any():
            last = np.flatnonzero(unread & _at_the_end(unread))
            summary[last] = self.cells.wordy(last)
        self._reject(
            unread & ~summary,
            "D-NO-STAMP",
            say("rows without a readable time in {column!r}", column=time.columns[0]),
        )
        self._reject(
            unread & summary,
            "D-NO-STAMP",
            say(
                "rows at the end have no time in {column!r}: a summary, not measured", column=time.columns[0]
            ),
            "info",
        )
        if stamps.offset_s is not None:
            bare = placed & ~unread & np.isnan(stamps.offset_s)
            self._reject(bare, "D-NO-OFFSET", say("stamps without offset among stamps with one"))
            stamps.wall[bare] = timeaxis.NAT
        utc = zones.to_utc(stamps, zone, codes)
        lost = placed & np.isnat(utc) & ~np.isnat(stamps.wall)
        self._reject(
            lost,
            "D-ZONE-DST",
            say("stamps that the clocks of {zone} skip, or repeat without order", zone=zone),
        )
        self._note_disorder(utc, codes, placed)
        return utc

    def _note_disorder(self, utc: StampArray, codes: IntArray, placed: BoolArray) -> None:
        known = placed & ~np.isnat(utc)
        if not known.all():
            utc, codes = utc[known], codes[known]
        back = int(((np.diff(utc.view(np.int64)) < 0) & (codes[1:] == codes[:-1])).sum())
        if back:
            what = say("{count} rows are earlier than the row before them", count=back)
            remedy = say("nothing: rows are sorted by time")
            self._note("D-DISORDER", "info", say("time column"), what, say("none"), back, remedy)

    def _values(self, columns: tuple[ColumnMapping, ...], placed: BoolArray) -> dict[str, object]:
        by_canonical: dict[str, list[ColumnMapping]] = {}
        for column in columns:
            if column.canonical != IGNORE:
                by_canonical.setdefault(column.canonical, []).append(column)
        result: dict[str, object] = {}
        for canonical, sources in by_canonical.items():
            if SCHEMA[canonical].text:
                result[canonical] = self._key(sources[0].source, "")
            elif len(sources) == 1:
                result[canonical] = self._numbers(sources[0], placed)
            else:
                arrays = [np.array(self._numbers(c, placed), dtype=np.float64) for c in sources]
                if sources[0].combine in ("mean", "max"):
                    for column, values in zip(sources, arrays, strict=True):
                        self._bound(column, values, placed)
                result[canonical] = self.cells.kept(combined(arrays, sources[0].combine))
        return result

    def _bound(self, column: ColumnMapping, values: FloatArray, placed: BoolArray) -> None:
        """Take impossible values of one of several instruments out: they would spoil the others' mean."""
        about = SCHEMA[column.canonical]
        with np.errstate(invalid="ignore"):
            out = placed & ((values < about.lower) | (values > about.upper))
        count = int(out.sum())
        if not count:
            return
        self._take_out(np.flatnonzero(out), column, values[out], "D-OUT-OF-BOUNDS")
        self._note(
            "D-OUT-OF-BOUNDS",
            "error",
            say(
                "row {row}, column {source!r}",
                row=self._line(np.flatnonzero(out)[0]),
                source=column.source,
            ),
            say(
                "{count} values outside {lower:g}..{upper:g} {unit} ({low:g} to {high:g})",
                count=count,
                lower=about.lower,
                upper=about.upper,
                unit=SYMBOLS.get(about.unit, about.unit),
                low=values[out].min(),
                high=values[out].max(),
            ),
            say("the values are missing (quarantined); the other instruments stand for it"),
            count,
        )
        values[out] = np.nan

    def _numbers(self, column: ColumnMapping, placed: BoolArray) -> FloatArray | FiledArray:
        found = self.cells.numbers(column)
        wrong = found.wrong[placed[found.wrong]]
        if len(wrong):
            self.ledger.quarantine(self.ids[wrong], column.source, "D-NOT-A-NUMBER")
            cell = self.raw.cells([column.source], wrong[:1])[0][0]
            self._note(
                "D-NOT-A-NUMBER",
                "error",
                say("row {row}, column {source!r}", row=self._line(wrong[0]), source=column.source),
                say(
                    "{count} cells are not numbers; the first is {cell!r}",
                    count=len(wrong),
                    cell=str(cell.as_py())[:60],
                ),
                say("the values are missing (quarantined)"),
                len(wrong),
            )
        return self._without_suspect(column, found.values, placed)

    def _take_out(self, rows: IntArray, column: ColumnMapping, values: FloatArray, code: str) -> None:
        """Enter values that leave before rows are joined; what becomes another quantity later has no mark."""
        self.ledger.quarantine(self.ids[rows], column.source, code)
        if column.aggregation not in ("sum", "counter") or SCHEMA[column.canonical].unit != "kW":
            self.ledger.before.append((self.ids[rows], column.canonical, values, code))

    def _without_suspect(
        self, column: ColumnMapping, values: FloatArray | FiledArray, placed: BoolArray
    ) -> FloatArray | FiledArray:
        """Take out values that the export itself calls suspect."""
        source = column.source
        rows = self.raw.suspect.get(source)
        if rows is None:
            return values
        kept = np.array(values, dtype=np.float64)
        rows = rows[placed[rows] & np.isfinite(kept[rows])]
        if not len(rows):
            return values
        self._take_out(rows, column, kept[rows], "D-SUSPECT")
        self._note(
            "D-SUSPECT",
            "warning",
            say("row {row}, column {source!r}", row=self._line(rows[0]), source=source),
            say("{count} values are marked suspect by the network element", count=len(rows)),
            say("the values are missing (quarantined)"),
            len(rows),
        )
        kept[rows] = np.nan
        return kept

    def _line(self, position: np.int64) -> int:
        """Return the row number in the file."""
        return int(self.raw.line(np.array([position]))[0])


def _at_the_end(where: BoolArray) -> BoolArray:
    """Return the marks that only marks follow."""
    return np.asarray(np.logical_and.accumulate(where[::-1])[::-1])


def _check_headers(raw: RawTable, mapping: FileMapping) -> None:
    named = [c.source for c in mapping.column if c.canonical != IGNORE]
    named += [h for h in (mapping.site_column, mapping.unit_column) if h]
    named += list(mapping.time.columns) if mapping.time else []
    missing = [h for h in named if h not in raw.headers]
    if missing:
        raise MappingFileError(
            "E-MAPPING-HEADER",
            say("the file has no column {names}", names=Message.joined(", ", map(repr, missing))),
            raw.file.name,
            say(
                "correct 'source' in the mapping; the file has: {headers}",
                headers=Message.joined(", ", raw.headers),
            ),
        )


def _ragged(raw: RawTable) -> DataIssue:
    line, text = raw.broken[0]
    return DataIssue(
        "D-ROW-RAGGED",
        "error",
        say("{file}, row {line}", file=raw.file.name, line=line),
        say(
            "{count} rows have not the header's {cells} cells; the first is {first!r}",
            count=len(raw.broken),
            cells=len(raw.headers),
            first=text[:80],
        ),
        say("correct these rows; a number with a decimal comma inside a comma-separated file needs quotes"),
        say("the rows are rejected"),
        len(raw.broken),
    )


def _codes(sites: pd.Series, units: pd.Series) -> IntArray:
    """Return one code per (site, unit)."""
    site, unit = numbered(sites).astype(np.int64), numbered(units)
    return site * (int(unit.max(initial=0)) + 2) + unit


def combined(arrays: list[FloatArray], how: str) -> FloatArray:
    """Return several sources of one column as one.

    Parameters
    ----------
    arrays : list of numpy.ndarray, shape (rows,)
    how : {"", "sum", "mean", "max"}
        A sum needs every part; mean and maximum take those present.
    """
    if len(arrays) == 1:
        return arrays[0]
    stack: npt.NDArray[np.float64] = np.stack(arrays)
    present = np.isfinite(stack)
    if how == "max":
        highest = np.where(present, stack, -np.inf).max(axis=0)
        return np.where(present.any(axis=0), highest, np.nan)
    if how == "mean":
        count = present.sum(axis=0)
        return np.where(count > 0, np.where(present, stack, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
    return np.asarray(stack.sum(axis=0), dtype=np.float64)
