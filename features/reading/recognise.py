"""Raw tables -> a proposed mapping, with confidence and evidence for every choice."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np

from features.errors import DataError, QuestionError, UnrecognisedError
from features.message import Message, say, term
from features.reading import sources, timeaxis, undated
from features.reading.columns import USED_FROM, file_mapping
from features.reading.doubt import Question
from features.reading.draft import Draft, draft, no_date
from features.reading.headers import UNUSED, match, words_of
from features.reading.mapping import IGNORE, Answer, FileMapping, Mapping
from features.reading.phases import phase_sets
from features.reading.tabular import RawTable
from features.reading.timeaxis import Stamps
from features.schema import SCHEMA, Kind

_ANY_MACHINE = re.compile(
    r"^(total |avg |average |mean )?(load|power|energy|frequency|freq|mode)( consumption| rate)?$"
    r"|^(平均)?(能耗|功耗|耗电量|用电量|功率|频率)$"
)
_NO_STATION = re.compile(
    r"(?<![a-z])(ups|pdu|racks?|servers?|gpus?|cpus?|chillers?|chw|ahu|crac|crah|hvac|dimm|node)(?![a-z])"
    r"|机柜|冷冻|冷却|供水|回水|送风|回风"
)
_METER = re.compile(
    r"(?<![a-z])(volt(age)?s?|pf|power factor|thd|humidity|inlet|fan)(?![a-z])|电压|功率因[数素]"
)
_ANY_SITE = re.compile(r"^(site|data ?cent|building|数据中心|机房)")
_OF_NO_KIND = UNUSED | {"@time", "@time-end", "@date", "@hour"}


def propose(tables: Sequence[RawTable], root: str, kind: Kind | None, answers: tuple[Answer, ...]) -> Mapping:
    """Recognise tables that belong together.

    Parameters
    ----------
    tables : sequence of RawTable
    root : str
        Name for the site where one file or folder is one site.
    kind : str, optional
        Declared kind; recognised where None.
    answers : tuple of Answer
        The user's answers to earlier questions.

    Returns
    -------
    Mapping
        One entry per table, in order.

    Raises
    ------
    UnrecognisedError
        No time column, no usable measurement, or another kind than declared.
    QuestionError
        Doubts that change numbers by a factor; the text holds the lines that answer them.
    """
    chosen = recognise_kind(tables, kind)
    questions: list[Question] = []
    work = [draft(raw, chosen, answers, questions) for raw in tables]
    _check_dates(work)
    entries = [file_mapping(table, questions) for table in work]
    if any(q.needed for q in questions) or (questions and not _any_used(entries)):
        raise _ask([q for q in questions if q.needed] or questions)
    entries = _name_units(work, _name_sites(work, _points_together(tables, entries, root), root))
    mapping = Mapping(kind=chosen, file=tuple(entries), answer=answers)
    if not any(f.time for f in mapping.file):
        _refuse_months(tables)
    check_usable(mapping, [t.headers for t in tables], root)
    return _cooling_total(mapping)


def _refuse_months(tables: Sequence[RawTable]) -> None:
    """Refuse totals of months by what they are; other tables without a time are refused as such."""
    for table in tables:
        for header in table.headers:
            if timeaxis.months_only(table.data[header]):
                raise UnrecognisedError(
                    "E-TIME-MONTH",
                    say("the column {column!r} holds months: each row is a month's total", column=header),
                    table.file.name,
                    say(
                        "export hourly or finer values: what weather and work do to energy is lost in the "
                        "total of a month"
                    ),
                )


def _any_used(entries: Sequence[FileMapping]) -> bool:
    """Whether any column of a table with times has a meaning and a unit."""
    return any(c.canonical != IGNORE for e in entries if e.time is not None for c in e.column)


def recognise_kind(tables: Sequence[RawTable], declared: Kind | None = None) -> Kind:
    """Return the declared kind, or the one whose vocabulary explains the headers better.

    Raises
    ------
    UnrecognisedError
        ``E-NO-MEASUREMENT`` where neither kind has a measurement; ``E-KIND`` where the declared
        kind explains nothing and the other does.
    """
    scores: dict[Kind, float] = {"data-centre": 0.0, "base-station": 0.0}
    of_both = 0.0
    for name in scores:
        for header in {h for t in tables for h in t.headers}:
            found = match(header, name)
            if found is None or found.canonical in _OF_NO_KIND:
                continue
            specific = found.canonical.startswith("@") or SCHEMA[found.canonical].kind == name
            scores[name] += found.confidence if specific else 0.0
            of_both = max(of_both, found.confidence)
    best = max(scores, key=lambda k: scores[k])
    if best == "base-station" and declared is None and _any_machine({h for t in tables for h in t.headers}):
        scores[best] = 0.0
        best = "data-centre"
    if declared is not None:
        if scores[declared] == 0.0 and scores[best] >= USED_FROM:
            raise UnrecognisedError(
                "E-KIND",
                say(
                    "the columns are those of a {best}, not of a {declared}",
                    best=term(best),
                    declared=term(declared),
                ),
                tables[0].file.name,
                say("leave --kind out, or give --kind {best}", best=best),
            )
        return declared
    if scores[best] < USED_FROM <= of_both:
        return "data-centre"
    if scores[best] < USED_FROM:
        raise _nothing_usable([t.headers for t in tables], tables[0].file.name)
    return best


def _any_machine(headers: set[str]) -> bool:
    """Whether nothing but words of any machine, such as load and power, speaks for a base station.

    A UPS, a meter or a server has a load, a power and a frequency too.
    """
    words = {h: words_of(h) for h in headers}
    sites = any(map(_ANY_SITE.match, words.values()))
    other = any(_NO_STATION.search(w) or (_METER.search(w) and not sites) for w in words.values())
    found = {h: match(h, "base-station") for h in headers}
    of_stations = any(
        m is not None
        and m.canonical not in _OF_NO_KIND
        and (m.canonical.startswith("@") or SCHEMA[m.canonical].kind == "base-station")
        and not _ANY_SITE.match(words[h])
        and not _ANY_MACHINE.match(re.sub(r" (kwh?|wh?|mwh?|j|pct|[kmg]?hz)$", "", words[h]))
        for h, m in found.items()
    )
    return other and not of_stations


def _points_together(tables: Sequence[RawTable], entries: list[FileMapping], root: str) -> list[FileMapping]:
    """Let points of one table in long form, or one file each, count as columns of one table."""
    mine = [i for i, t in enumerate(tables) if t.of_point and len(entries[i].column) > 0]
    if len(mine) < 2:
        return entries
    headers = [c.source for i in mine for c in entries[i].column]
    if len(set(headers)) != len(headers):  # a quality column beside every value
        headers = [c.source for i in mine for c in entries[i].column if c.canonical != IGNORE]
    if len(set(headers)) != len(headers):
        return entries
    used = [c for i in mine for c in entries[i].column if c.canonical != IGNORE]
    agreed = {
        c.source: c for c in sources.one_each(sources.not_compared, root, used, phase_sets(headers), [])
    }
    result = list(entries)
    for i in mine:
        column = tuple(c if c.canonical == IGNORE else agreed[c.source] for c in entries[i].column)
        result[i] = replace(entries[i], column=column)
    return result


# -- the whole path ------------------------------------------------------------------------------
def _name_sites(work: list[Draft], entries: list[FileMapping], root: str) -> list[FileMapping]:
    """Give a constant site to every table without a site column."""
    series = [i for i, e in enumerate(entries) if e.role == "telemetry" and not e.site_column]
    # columns that nobody uses differ from file to file; those in use say whether files are alike
    used = {i: tuple(sorted(c.source for c in entries[i].column if c.canonical != IGNORE)) for i in series}
    series = [i for i in series if used[i]]
    alike: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for i in series:
        alike[used[i]].append(i)
    together = [_spans_overlap([work[i].stamps for i in members]) for members in alike.values()]
    several = any(together)
    if several and len(alike) > 1 and not (all(together) and _measure_the_same(entries, alike)):
        raise DataError(
            "E-FOLDER-MIXED",
            say("some files have the same columns over the same time (several sites) and others do not"),
            root,
            say("put each site into its own folder, or set 'site' of every file in mapping.toml"),
        )
    named = [e if e.role != "telemetry" or e.site_column else replace(e, site=root) for e in entries]
    for i in series:
        named[i] = replace(entries[i], site=work[i].raw.label if several else root)
    return named


def _measure_the_same(entries: Sequence[FileMapping], alike: dict[tuple[str, ...], list[int]]) -> bool:
    """Whether every two layouts share a measurement, so that neither can complete the other's sites."""
    used = [{c.canonical for c in entries[m[0]].column if c.canonical != IGNORE} for m in alike.values()]
    return all(a & b for a, b in combinations(used, 2))


def _name_units(work: list[Draft], entries: list[FileMapping]) -> list[FileMapping]:
    """Give a unit to files of one site that measure the same and whose names differ by a number."""
    alike: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, entry in enumerate(entries):
        keyed = entry.site_column or entry.unit_column or entry.unit_id
        if entry.role == "telemetry" and not keyed:
            alike[(entry.site, sources.without_numbers(work[i].raw.file.stem))].append(i)
    named = list(entries)
    for files in alike.values():
        if len(files) < 2 or not _spans_overlap([work[i].stamps for i in files]):
            continue
        used = [{c.canonical for c in entries[i].column if c.canonical != IGNORE} for i in files]
        if any(a & b for a, b in pairwise(used)):
            for i in files:
                named[i] = replace(entries[i], unit_id=work[i].raw.file.stem)
    return named


def _check_dates(work: Sequence[Draft]) -> None:
    """Refuse an assumed date where other tables of the path would be joined by it."""
    series = [t for t in work if t.time is not None]
    bare = [t for t in series if t.time is not None and t.time.date == undated.ASSUMED]
    if bare and len(series) > 1:
        raise no_date(
            bare[0].name,
            str(bare[0].time.columns[0]) if bare[0].time else "",
            say("so the rows cannot be joined with the other files"),
        )


def _spans_overlap(all_stamps: Sequence[Stamps | None]) -> bool:
    spans = sorted(
        (s.wall[~np.isnat(s.wall)].min(), s.wall[~np.isnat(s.wall)].max())
        for s in all_stamps
        if s is not None and not np.isnat(s.wall).all()
    )
    return any(later[0] <= earlier[1] for earlier, later in pairwise(spans))


def _cooling_total(mapping: Mapping) -> Mapping:
    """Take the only cooling meter, the chillers', for the cooling power; the reader reports it."""
    parts = {"tower_fan_power_kw", "pump_power_kw", "fan_power_kw", "dx_power_kw", "evaporative_power_kw"}
    present = {c.canonical for f in mapping.file for c in f.column}
    # a meter of another machine that is left out shows that the chillers' is not the only one
    left_out = (
        match(c.source, "data-centre") for f in mapping.file for c in f.column if c.canonical == IGNORE
    )
    present |= {m.canonical for m in left_out if m is not None and m.confidence >= USED_FROM}
    if "chiller_power_kw" not in present or "cooling_power_kw" in present or parts & present:
        return mapping
    files = tuple(
        replace(
            f,
            column=tuple(
                replace(
                    c,
                    canonical="cooling_power_kw",
                    evidence=Message.joined("; ", (c.evidence, say("the only cooling meter"))),
                )
                if c.canonical == "chiller_power_kw"
                else c
                for c in f.column
            ),
        )
        for f in mapping.file
    )
    return replace(mapping, file=files)


def check_usable(mapping: Mapping, headers: Sequence[Sequence[str]], root: str) -> None:
    """Refuse a mapping without time or without any measurement.

    Raises
    ------
    UnrecognisedError
        ``E-NO-TIME``, ``E-NO-MEASUREMENT`` or ``E-KIND``.
    """
    series = [f for f in mapping.file if f.role == "telemetry" and f.time is not None]
    if not series:
        raise UnrecognisedError(
            "E-NO-TIME",
            say("no column holds times with dates; seen: {listed}", listed=_listed(headers)),
            root,
            say("export with a time stamp in every row (date and time)"),
        )
    used = {c.canonical for f in series for c in f.column if c.canonical != IGNORE}
    if not used:
        raise _nothing_usable(headers, root)
    strangers = sorted(c for c in used if SCHEMA[c].kind not in ("", mapping.kind))
    if strangers:
        raise UnrecognisedError(
            "E-KIND",
            say(
                "{strangers} do not belong to a {kind}",
                strangers=Message.joined(", ", strangers),
                kind=term(mapping.kind),
            ),
            root,
            say("give the right --kind"),
        )


def _nothing_usable(headers: Sequence[Sequence[str]], where: str) -> UnrecognisedError:
    return UnrecognisedError(
        "E-NO-MEASUREMENT",
        say("no column is recognised as a measurement; seen: {listed}", listed=_listed(headers)),
        where,
        say("name their meaning in mapping.toml ([[answer]] with column, canonical, unit), or give --kind"),
    )


def _listed(headers: Sequence[Sequence[str]]) -> str:
    names = list(dict.fromkeys(h for table in headers for h in table))
    shown = Message.joined(", ", names[:30])
    return say("{names} and {count} more", names=shown, count=len(names) - 30) if len(names) > 30 else shown


def _ask(questions: Sequence[Question]) -> QuestionError:
    unique = list(dict.fromkeys(questions))
    texts = Message.joined(
        "\n  ",
        (say("{i}. {text} ({where})", i=i, text=q.text, where=q.where) for i, q in enumerate(unique, 1)),
    )
    answers = "\n\n".join(dict.fromkeys(q.answer for q in unique))
    return QuestionError(
        unique[0].code,
        texts if len(unique) > 1 else unique[0].text,
        unique[0].where if len(unique) == 1 else say("{count} questions", count=len(unique)),
        say(
            "write these lines with the right values into mapping.toml and give it with "
            "--mapping:\nversion = 1\n\n{answers}",
            answers=answers,
        ),
    )
