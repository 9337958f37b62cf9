"""Several columns of one meaning: numbered instruments together, else the surest one, else a question."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from features.message import Joined, Message, say, term
from features.reading import numerals, phrase
from features.reading.doubt import Question
from features.reading.draft import Draft, quoted
from features.reading.headers import words_of
from features.reading.mapping import IGNORE, ColumnMapping, Combine
from features.reading.numerals import FloatArray
from features.reading.phases import PhaseSet
from features.reading.units import UNITS
from features.schema import SCHEMA

_NUMBERED: dict[str, Combine] = {
    **dict.fromkeys(("kW", "m3", "L/s"), "sum"),
    **dict.fromkeys(("degC", "%", "1", "kPa", "m/s"), "mean"),
}
"""How numbered instruments of one kind become one column, by canonical unit."""
CHOSEN_BY_THE_USER = ("it_power_kw", "facility_power_kw")
"""Columns whose meter is asked for where two could be it: every figure of a site stands on them."""
ONE_OF_SEVERAL = ("price_per_kwh", "carbon_g_per_kwh")
"""Columns that a file of several zones, markets or currencies holds more than once: none is the site's."""
ALIKE = 0.1
"""Confidences that differ by less do not decide between two meters [1]."""
SAME_LOAD = 0.02
"""Two meters that differ by less are two readings of one load [1]."""
APART_K = 3.0
"""A sensor whose median lies further from that of its fellows stands at another place or is wrong [K]."""
_DISAGREE = "they do not agree"
_AGAIN = re.compile(r" \(\d+\)$")
"""What tells repeated headers of one file apart (`features.reading.raw.unique_names`)."""
_SECONDARY = re.compile(r"(?<![a-z])(sec(ondary)?|schwps?)(?![a-z])|二次")
_WHOLE = re.compile(r"(?<![a-z])(total|overall|plant|header|common|main|sum|all)(?![a-z])|总|合计|母管")


Values = Callable[[ColumnMapping], FloatArray]
"""What a column measures, as its mapping says [canonical unit]."""


def values_of(table: Draft) -> Values:
    """Return the values of a table's columns."""

    def values(column: ColumnMapping) -> FloatArray:
        numbers = numerals.parse(table.raw.data[column.source], table.decimal).numbers
        return numbers * column.factor + column.offset

    return values


def not_compared(_column: ColumnMapping) -> FloatArray:
    """Return no values: of columns whose rows do not lie beside each other."""
    return np.array([np.nan])


def one_each(
    values: Values,
    name: str,
    columns: list[ColumnMapping],
    sets: Sequence[PhaseSet],
    questions: list[Question],
) -> list[ColumnMapping]:
    """Let one source, or one group of numbered instruments or phases, stand for each canonical column.

    Parameters
    ----------
    values : callable
        `values_of` a table, or `not_compared`.
    name : str
        Of the file, named in questions.
    columns : list of ColumnMapping
    sets : sequence of PhaseSet
    questions : list of Question
        Added to where two meters could be the site's.
    """
    by_canonical: dict[str, list[ColumnMapping]] = defaultdict(list)
    for column in columns:
        if column.canonical != IGNORE:
            by_canonical[column.canonical].append(column)
    result = {c.source: c for c in columns}
    for canonical, found in by_canonical.items():
        if len(found) > 1:
            result |= {c.source: c for c in _one((values, name), canonical, found, sets, questions)}
    return [result[c.source] for c in columns]


def _one(
    table: tuple[Values, str],
    canonical: str,
    found: list[ColumnMapping],
    sets: Sequence[PhaseSet],
    questions: list[Question],
) -> list[ColumnMapping]:
    """Return the sources of one canonical column, one group used and the others left out."""
    if any({s.source for s in found} == set(p.headers) for p in sets):
        return [_noted(s, "sum", say("the three phases are summed")) for s in found]
    copies = _copies(table[0], found)
    found = [s for s in found if s.source not in copies]
    if len(found) == 1:
        return [*found, *_left_out(copies.values(), found[0].source, canonical)]
    _ask_of_one_name(table, canonical, found, questions)
    groups: dict[str, list[ColumnMapping]] = defaultdict(list)
    for source in found:
        groups[without_numbers(source.source)].append(source)
    if canonical == "pump_power_kw":
        groups = _of_different_pumps(groups)
    surest = max(s.confidence for s in found)
    ranked = sorted(groups.values(), key=lambda group: _rank(group, surest))
    best, others = ranked[0], [s for g in ranked[1:] for s in g]
    phases = {h for p in sets for h in p.headers}
    meters = [g for g in ranked if not phases & {c.source for c in g}]
    if len(meters) > 1:
        _ask_which(table, canonical, meters, questions)
    if canonical in ONE_OF_SEVERAL and _undecided(table[0], ranked):
        return _none_of(table[1], found, canonical, questions)
    left_out = _left_out([*others, *copies.values()], best[0].source, canonical)
    return [*_together(table[0], canonical, best), *left_out]


def _undecided(values: Values, ranked: Sequence[list[ColumnMapping]]) -> bool:
    """Whether neither name nor values decide which of several columns counts."""
    best, others = ranked[0], ranked[1:]
    alike = [g for g in others if best[0].confidence - g[0].confidence < ALIKE]
    first = values(best[0])
    return len(best) > 1 or any(not _same(first, values(g[0])) for g in alike)


def _none_of(
    file: str, found: Sequence[ColumnMapping], canonical: str, questions: list[Question]
) -> list[ColumnMapping]:
    """Leave all of several columns out; ask which one counts where nothing else can be used."""
    names = Message.joined(", ", (repr(c.source) for c in found))
    why = say(
        "{names} can be {canonical}; mapping.toml has to name one of them", names=names, canonical=canonical
    )
    answer = "\n\n".join(
        f'[[answer]]\nfile = {quoted(file)}\ncolumn = {quoted(c.source)}\ncanonical = "ignore"   '
        f'# or "{canonical}"'
        for c in found
    )
    questions.append(Question("E-QUESTION-METER", why, file, answer, needed=False))
    return [ColumnMapping(c.source, IGNORE, confidence=c.confidence, evidence=why) for c in found]


def _of_different_pumps(groups: dict[str, list[ColumnMapping]]) -> dict[str, list[ColumnMapping]]:
    """Return one group where the groups are pumps of different water, so that none counts another."""
    firsts = [g[0] for g in groups.values()]
    named = [words_of(c.source) for c in firsts]
    said = [phrase.phrase(w) for w in named]
    waters = {(s.of("medium"), _SECONDARY.search(w) is not None) for s, w in zip(said, named, strict=True)}
    alike = len({UNITS[c.unit].dimension for c in firsts}) == 1
    whole = any(_WHOLE.search(w) for w in named)
    apart = len(waters) == len(groups) and all(len(s.of("medium")) == 1 for s in said)
    if len(groups) < 2 or not (alike and apart) or whole:
        return groups
    return {named[0]: [c for g in groups.values() for c in g]}


def _left_out(others: Iterable[ColumnMapping], best: str, canonical: str) -> list[ColumnMapping]:
    why = say("{other!r} already gives {canonical}", other=best, canonical=canonical)
    return [ColumnMapping(o.source, IGNORE, confidence=o.confidence, evidence=why) for o in others]


def _of_one_name(found: Sequence[ColumnMapping]) -> list[tuple[ColumnMapping, ColumnMapping]]:
    """Return the columns whose header stands in the file before, with the first column of that header."""
    first = {c.source: c for c in found}
    numbered = ((first.get(_AGAIN.sub("", c.source)), c) for c in found if _AGAIN.search(c.source))
    return [(one, again) for one, again in numbered if one is not None]


def _copies(values: Values, found: Sequence[ColumnMapping]) -> dict[str, ColumnMapping]:
    """Return the columns that repeat header and values of another: a sum would count it twice."""
    copies = {}
    for one, again in _of_one_name(found):
        a, b = values(one), values(again)
        if np.isfinite(a).any() and np.array_equal(a, b, equal_nan=True):
            copies[again.source] = again
    return copies


def _ask_of_one_name(
    table: tuple[Values, str], canonical: str, found: Sequence[ColumnMapping], questions: list[Question]
) -> None:
    """Ask which of two columns of one header is the site's: nothing says that they are to be added."""
    for one, again in _of_one_name(found):
        alike = replace(again, confidence=one.confidence)  # the number of its name makes it no less sure
        _ask_which(table, canonical, [[one], [alike]], questions)


def _rank(group: list[ColumnMapping], surest: float) -> tuple[bool, bool, bool, float, int]:
    """Order of groups: nearly as sure as the surest, a power before an energy, a total before its parts."""
    first, confidence = group[0], max(c.confidence for c in group)
    energy = bool(first.unit) and UNITS[first.unit].dimension == "energy"
    part = _WHOLE.search(words_of(first.source)) is None
    return (confidence <= surest - ALIKE, energy, part, -confidence, len(group))


def _together(values: Values, canonical: str, group: list[ColumnMapping]) -> list[ColumnMapping]:
    """Return numbered instruments combined; of columns that cannot be combined the first is used."""
    if len(group) == 1:
        return group
    how: Combine = "max" if canonical == "server_inlet_temp_c" else _NUMBERED.get(SCHEMA[canonical].unit, "")
    if not how:
        why = say("{other!r} already gives {canonical}", other=group[0].source, canonical=canonical)
        return [
            group[0],
            *(ColumnMapping(c.source, IGNORE, confidence=c.confidence, evidence=why) for c in group[1:]),
        ]
    note = say("{count} numbered columns become their {how}", count=len(group), how=term(how))
    apart = _apart(values, group) if how == "mean" and SCHEMA[canonical].unit == "degC" else ""
    return [_noted(c, how, *filter(None, (note, apart))) for c in group]


def _apart(values: Values, group: list[ColumnMapping]) -> str:
    """Return which sensors do not agree with their fellows; ``""``: all do."""
    medians = np.array([_median(values(c)) for c in group])
    if np.isfinite(medians).sum() < 3:
        return ""
    away = medians - np.nanmedian(medians)
    far = [(c.source, d) for c, d in zip(group, away, strict=True) if abs(d) > APART_K]
    if not far:
        return ""
    names = Message.joined(", ", (say("{source!r} by {away:+.1f} K", source=s, away=d) for s, d in far))
    return say("they do not agree: {names} away from the others", names=names)


def disagreement(evidence: str) -> str:
    """Return the part of a column's evidence that says which sensors do not agree; ``""``: all do."""
    parts = evidence.parts if isinstance(evidence, Joined) else ()
    return next((p for p in parts if isinstance(p, Message) and p.template.startswith(_DISAGREE)), "")


def _ask_which(
    table: tuple[Values, str],
    canonical: str,
    ranked: Sequence[list[ColumnMapping]],
    questions: list[Question],
) -> None:
    """Ask which of two meters is the site's where neither name nor values decide."""
    if canonical not in CHOSEN_BY_THE_USER:
        return
    values, name = table
    best = ranked[0]
    for other in ranked[1:]:
        same_unit = UNITS[other[0].unit].dimension == UNITS[best[0].unit].dimension
        near = best[0].confidence - other[0].confidence < ALIKE
        whole = _WHOLE.search(words_of(best[0].source)) and not _WHOLE.search(words_of(other[0].source))
        one, two = (sum(values(c) for c in g) for g in (best, other))
        if not (same_unit and near) or whole or _same(np.asarray(one), np.asarray(two)):
            continue
        answers = "\n\n".join(
            f'[[answer]]\nfile = {quoted(name)}\ncolumn = {quoted(c.source)}\ncanonical = "ignore"   '
            f'# or "{canonical}"'
            for c in (*best, *other)
        )
        questions.append(
            Question(
                "E-QUESTION-METER",
                say(
                    "both {one!r} and {two!r} can be {canonical} (medians {first:.4g} and {second:.4g} kW); "
                    "which one is it?",
                    one=best[0].source,
                    two=other[0].source,
                    canonical=canonical,
                    first=_median(np.asarray(one)),
                    second=_median(np.asarray(two)),
                ),
                name,
                answers,
            )
        )
        return


def _same(one: FloatArray, two: FloatArray) -> bool:
    both = np.isfinite(one) & np.isfinite(two)
    if not both.any():
        return True
    scale = max(float(np.median(np.abs(one[both]))), 1e-9)
    return float(np.median(np.abs(one[both] - two[both]))) <= SAME_LOAD * scale


def _median(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _noted(column: ColumnMapping, how: Combine, *notes: str) -> ColumnMapping:
    return replace(column, combine=how, evidence=Message.joined("; ", (column.evidence, *notes)))


def without_numbers(name: str) -> str:
    """Return a name without what tells instruments apart: numbers, and letters such as A and B."""
    plain = "".join(c for c in words_of(name) if not c.isdigit())
    return " ".join(w for w in re.sub(r"(?<![a-z])[a-h](?![a-z])", " ", plain).split() if w != "#")
