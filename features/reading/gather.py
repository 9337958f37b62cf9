"""The tables of a path and how each is read: recognised, or as a mapping says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from features.errors import DataError, MappingFileError, UnrecognisedError
from features.issues import DataIssue
from features.message import Message, say, term
from features.reading import timeaxis
from features.reading.draft import Draft, draft
from features.reading.files import InputFile, skipped
from features.reading.headers import header_score
from features.reading.mapping import IGNORE, Answer, FileMapping, Mapping, Skipped
from features.reading.recognise import check_usable, propose, recognise_kind
from features.reading.resent import natural_order
from features.reading.tabular import RawTable, read_tables
from features.reading.whole import NotPlainError
from features.schema import Kind

SHOWN = 12
"""Parts of a file that are listed by name where they are left out."""


def gathered(
    files: Sequence[InputFile],
    root: str,
    kind: Kind | None,
    mapping: Mapping | None,
    issues: list[DataIssue],
    *,
    in_pieces: bool = True,
) -> tuple[list[RawTable], Mapping]:
    """Read the files and find the mapping of every table.

    Parameters
    ----------
    files : sequence of InputFile
    root : str
        Name for the site where the path is one site.
    kind, mapping
        As in `features.reading.read_export`.
    issues : list of DataIssue
        Takes what is left out.
    in_pieces : bool
        As in `features.reading.tabular.read_tables`.

    Returns
    -------
    tuple of list of RawTable and Mapping
        One entry of the mapping per table, in order.

    Raises
    ------
    DataError, MappingFileError
        As `features.reading.read_export`.
    """
    if mapping is not None and mapping.file:
        return _follow(files, root, kind, mapping, issues, in_pieces=in_pieces)
    answers = mapping.answer if mapping is not None else ()
    wanted = kind or (mapping.kind if mapping is not None else "") or None
    tables, left_out = _read(files, in_pieces=in_pieces)
    issues += [_cell_errors(f) for f in files if f.cell_errors]
    tables = _of_one_interval(stacked(tables), wanted, answers, issues)
    proposed = _proposed(tables, root, wanted, answers)
    good = _joinable(tables, proposed.file)
    _say_left_out(tables, good, left_out, issues)
    kept = tuple(f for f, why in zip(proposed.file, good, strict=True) if not why)
    mapping = replace(proposed, file=kept, skipped=tuple(left_out))
    chosen = [t for t, why in zip(tables, good, strict=True) if not why]
    check_usable(mapping, [t.headers for t in chosen], root)
    return chosen, mapping


def _proposed(
    tables: Sequence[RawTable], root: str, kind: Kind | None, answers: tuple[Answer, ...]
) -> Mapping:
    """Recognise the tables; what some rows of a large file leave open is asked of all rows."""
    try:
        return propose(tables, root, kind, answers)
    except DataError:
        if any(t.whole is not None for t in tables):
            raise NotPlainError("some rows leave questions open") from None
        raise


def _read(files: Sequence[InputFile], *, in_pieces: bool) -> tuple[list[RawTable], list[Skipped]]:
    tables: list[RawTable] = []
    left_out: list[Skipped] = []
    problem: UnrecognisedError | None = None
    for file in files:
        try:
            found = read_tables(file, header_score, in_pieces=in_pieces)
            if len(files) > 1 and not any(header_score(t.headers) for t in found):
                raise _not_telemetry(file)
            tables += found
        except UnrecognisedError as error:
            problem = error
            left_out.append(Skipped(file.name, error.what))
    if not tables:
        assert problem is not None  # noqa: S101 - there is at least one file
        raise problem
    return tables, left_out


def _cell_errors(file: InputFile) -> DataIssue:
    return DataIssue(
        "D-CELL-ERROR",
        "warning",
        file.name,
        say("{count} cells hold an error of a formula", count=file.cell_errors),
        say("correct the formulas, or export values"),
        say("the values are missing"),
        file.cell_errors,
    )


def _not_telemetry(file: InputFile) -> UnrecognisedError:
    return UnrecognisedError(
        "E-NO-MEASUREMENT", say("no column name is known"), file.name, say("leave the file out")
    )


# -- tables that belong together -----------------------------------------------------------------
def stacked(tables: Sequence[RawTable]) -> list[RawTable]:
    """Return the tables; those of one class of objects in 3GPP files (one per period) become one."""
    alike: dict[object, list[RawTable]] = defaultdict(list)
    for position, table in enumerate(tables):
        series = table.file.form == "xml"
        alike[(table.layout.sheet, table.interval_us) if series else position].append(table)
    return [_stack(members) if len(members) > 1 else members[0] for members in alike.values()]


def _stack(members: Sequence[RawTable]) -> RawTable:
    members = sorted(members, key=lambda t: natural_order(t.file.name))  # a later file corrects earlier ones
    first = members[0]
    headers = tuple(dict.fromkeys(h for t in members for h in t.headers))
    starts = np.concatenate([[0], np.cumsum([t.data.num_rows for t in members])])
    suspect: dict[str, list[np.ndarray]] = defaultdict(list)
    for table, start in zip(members, starts, strict=False):
        for header, rows in table.suspect.items():
            suspect[header].append(rows + start)
    packed = any(not t.file.name.lower().endswith(".xml") for t in members)
    return replace(
        first,
        layout=replace(first.layout, glob="*.xml*" if packed else "*.xml"),
        headers=headers,
        unit_cells=("",) * len(headers),
        data=_concatenated([t.data for t in members], headers),
        lines=np.concatenate([t.lines for t in members]),
        broken=tuple(b for t in members for b in t.broken),
        notes=tuple(dict.fromkeys(n for t in members for n in t.notes)),
        suspect={h: np.concatenate(rows) for h, rows in suspect.items()},
        members=tuple((t.file, t.data.num_rows) for t in members),
    )


def _of_one_interval(
    tables: list[RawTable], kind: Kind | None, answers: tuple[Answer, ...], issues: list[DataIssue]
) -> list[RawTable]:
    """Leave out sheets whose rows have another interval than those of their workbook's best sheet."""
    sheets = [t for t in tables if t.part and not t.of_point and t.file.form in ("xlsx", "xls")]
    if not sheets:
        return tables
    chosen = recognise_kind(tables, kind)
    steps = {id(t): _interval(draft(t, chosen, answers, [])) for t in sheets}
    best: dict[str, RawTable] = {}
    for table in sheets:
        best.setdefault(table.file.name, table)
    kept = []
    for table in tables:
        first = best.get(table.file.name, table)
        mine, wanted = steps.get(id(table), 0), steps.get(id(first), 0)
        if not mine or not wanted or mine == wanted:
            kept.append(table)
            continue
        why = say("its rows have another interval than those of {part!r}", part=first.part)
        issues.append(_part_ignored(table.file.name, say("{names}: {why}", names=table.part, why=why)))
    return kept


def _interval(table: Draft) -> int:
    """Return the usual step of a sheet's rows [us]; 0 where it is not known."""
    if table.stamps is None or table.role("@site") or table.role("@unit"):
        return 0
    micros = np.sort(table.stamps.wall[~np.isnat(table.stamps.wall)].astype(np.int64))
    return timeaxis.interval_of(np.zeros(len(micros), dtype=np.int64), micros)


def _part_ignored(file: str, what: str) -> DataIssue:
    remedy = say("nothing, if it is not telemetry")
    return DataIssue("D-PART-IGNORED", "info", file, what, remedy, say("none"), 0)


def _concatenated(parts: Sequence[pa.Table], headers: Sequence[str]) -> pa.Table:
    """Return tables below each other; a column that one of them holds as text is text."""
    texts = {f.name for p in parts for f in p.schema if pa.types.is_string(f.type)}
    zones = {f.type.tz for p in parts for f in p.schema if pa.types.is_timestamp(f.type)}
    alike = []
    for part in parts:
        columns = {
            f.name: part[f.name].cast(pa.string())
            if f.name in texts or (pa.types.is_timestamp(f.type) and len(zones) > 1)
            else part[f.name]
            for f in part.schema
        }
        alike.append(pa.table(columns))
    return pa.concat_tables(alike, promote_options="default").select(list(headers))


def _joinable(tables: Sequence[RawTable], entries: Sequence[FileMapping]) -> list[str]:
    """Return per table why it is left out; ``""`` where it is used."""
    why = [
        ""
        if any(c.canonical != IGNORE for c in e.column)
        else say("no column is recognised as a measurement")
        for e in entries
    ]
    if not any(not w for w in why):
        return [""] * len(tables)  # the check of the whole says what was seen
    spans = [None if w else _span(t, e) for t, e, w in zip(tables, entries, why, strict=True)]
    for i, table in enumerate(tables):
        if table.file.form == "epw" and _apart(i, tables, spans):
            why[i] = say("its years are not those of the other files")
    return why


def _span(table: RawTable, entry: FileMapping) -> tuple[int, int] | None:
    if entry.time is None:
        return None
    stamps = timeaxis.parse(table.data[entry.time.columns[0]], entry.time.order)
    micros = stamps.wall[~np.isnat(stamps.wall)].astype(np.int64)
    return (int(micros.min()), int(micros.max())) if len(micros) else None


def _apart(i: int, tables: Sequence[RawTable], spans: Sequence[tuple[int, int] | None]) -> bool:
    """Whether a weather file shares no time with any export beside it."""
    mine = spans[i]
    others = [s for s, t in zip(spans, tables, strict=True) if s is not None and t.file.form != "epw"]
    return mine is not None and bool(others) and all(a > mine[1] or b < mine[0] for a, b in others)


def _say_left_out(
    tables: Sequence[RawTable], good: Sequence[str], left_out: list[Skipped], issues: list[DataIssue]
) -> None:
    by_file: dict[tuple[str, str], list[str]] = defaultdict(list)
    for table, why in zip(tables, good, strict=True):
        if why:
            by_file[(table.file.name, why)].append(table.part or table.layout.sheet)
    for (name, why), parts in by_file.items():
        used = any(not w and t.file.name == name for t, w in zip(tables, good, strict=True))
        if not used:
            left_out.append(Skipped(name, why))
            continue
        shown = Message.joined(", ", parts[:SHOWN])
        what = (
            say("{names} and {count} more: {why}", names=shown, count=len(parts) - SHOWN, why=why)
            if len(parts) > SHOWN
            else say("{names}: {why}", names=shown, why=why)
        )
        issues.append(_part_ignored(name, what))
    issues += [skipped(s.file, s.why) for s in left_out]


# -- a given mapping -----------------------------------------------------------------------------
def _follow(
    files: Sequence[InputFile],
    root: str,
    kind: Kind | None,
    mapping: Mapping,
    issues: list[DataIssue],
    *,
    in_pieces: bool,
) -> tuple[list[RawTable], Mapping]:
    """Read what a mapping names, exactly as it says."""
    named = [(f, found) for f in files if (found := mapping.for_file(f.name))]
    if not named:
        raise MappingFileError(
            "E-MAPPING-NO-FILE",
            say(
                "the mapping names {glob}, the path holds {name}",
                glob=Message.joined(", ", (m.glob for m in mapping.file)),
                name=Message.joined(", ", (f.name for f in files)),
            ),
            root,
            say("correct 'glob' in the mapping ('*' stands for any part of a name)"),
        )
    if not mapping.kind or (kind is not None and kind != mapping.kind):
        raise MappingFileError(
            "E-MAPPING-KIND",
            say(
                "the mapping's kind is {kind!r}, asked for is {asked!r}",
                kind=mapping.kind and term(mapping.kind),
                asked=kind and term(kind),
            ),
            root,
            say("set 'kind'"),
        )
    names = {f.name for f, _ in named}
    issues += [skipped(f.name, say("the mapping does not name it")) for f in files if f.name not in names]
    pairs = [pair for file, entries in named for pair in _as_mapped(file, entries, in_pieces=in_pieces)]
    tables, entries = _stacked_as_mapped(pairs)
    followed = replace(
        mapping,
        file=tuple(_with_site(m, t.file, len(named), root) for t, m in zip(tables, entries, strict=True)),
    )
    check_usable(followed, [t.headers for t in tables], root)
    return tables, followed


def _as_mapped(
    file: InputFile, entries: Sequence[FileMapping], *, in_pieces: bool
) -> list[tuple[RawTable, FileMapping]]:
    """Return the file's tables that the entries name."""
    pairs = []
    read: dict[object, list[RawTable]] = {}
    for entry in entries:
        layout = (entry.encoding, entry.delimiter, entry.header_row, entry.units_row)
        key = (*layout, entry.sheet if file.form in ("xlsx", "xls") else "")
        if key not in read:
            read[key] = read_tables(file, header_score, entry, in_pieces=in_pieces)
        parts = {(t.layout.sheet, t.layout.point): t for t in read[key]}
        table = parts.get((entry.sheet, entry.point))
        if table is None and not entry.sheet and not entry.point:
            table = read[key][0]
        if table is not None:
            pairs.append((table, entry))
        elif file.form != "xml":  # a 3GPP file need not hold every class of objects
            raise MappingFileError(
                "E-MAPPING-PART",
                say("the file has no sheet or point {part!r}", part=entry.point or entry.sheet),
                file.name,
                say("correct 'sheet' or 'point' in the mapping"),
            )
    return pairs


def _stacked_as_mapped(
    pairs: Sequence[tuple[RawTable, FileMapping]],
) -> tuple[list[RawTable], list[FileMapping]]:
    alike: dict[object, list[tuple[RawTable, FileMapping]]] = defaultdict(list)
    for position, (table, entry) in enumerate(pairs):
        key = (entry.glob, entry.sheet, table.interval_us) if table.file.form == "xml" else position
        alike[key].append((table, entry))
    tables = [_stack([t for t, _ in m]) if len(m) > 1 else m[0][0] for m in alike.values()]
    return tables, [m[0][1] for m in alike.values()]


def _with_site(mapping: FileMapping, file: InputFile, count: int, root: str) -> FileMapping:
    if mapping.role == "attributes" or mapping.site or mapping.site_column:
        return mapping
    return replace(mapping, site=root if count == 1 else file.stem)
