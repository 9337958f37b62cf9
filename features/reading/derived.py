"""Columns that somebody computed from other columns: they are no measurements and may hold the answer.

A ratio of target and load is the target in disguise, a lagged copy repeats what is there, a model's
output is not a reading. Such columns are never used; where the table proves the relation, the finding
says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from features.message import Message, say
from features.reading import numerals
from features.reading.numerals import FloatArray, Mark
from features.reading.tabular import RawTable

ROLE = "@derived"
PREFIX = "derived, not measured: "
"""How the evidence of a derived column begins."""


def said(how: str) -> Message:
    """Return the evidence of a derived column."""
    return say("derived, not measured: {how}", how=how)


def how(evidence: str) -> str:
    """Return how a column was derived, from its evidence."""
    known = evidence.values.get("how") if isinstance(evidence, Message) else None
    return known if isinstance(known, str) else evidence.removeprefix(PREFIX)


_SAMPLE = 400
_MOST_COLUMNS = 60
_CLOSE = 1e-4
_ALMOST_ALL = 0.99
_LAG = re.compile(r"^(?P<base>.*?)[ _-]*lag[ _-]*(?P<steps>\d+)$", re.IGNORECASE)


def relations(
    raw: RawTable, unused: Mapping[str, bool], used: Sequence[str], decimal: Mark
) -> Mapping[str, str]:
    """Return for unused columns the relation to other columns that the numbers prove.

    Parameters
    ----------
    raw : RawTable
    unused : dict
        Header -> whether its name says that it was computed. Of such a column one side of a ratio has to
        have a meaning; of any other both, for of three related columns without meaning nobody can tell
        which one was computed.
    used : sequence of str
        Headers that have a meaning.
    decimal : {".", ","}

    Returns
    -------
    dict
        Header -> what it equals, for example ``'a' / 'b' in 100% of 400 rows``.
    """
    rows = np.unique(np.linspace(0, raw.data.num_rows - 1, min(_SAMPLE, raw.data.num_rows)).astype(np.int64))
    whole = {h: numerals.parse(raw.data[h], decimal).numbers for h in raw.headers[:_MOST_COLUMNS]}
    whole = {h: v for h, v in whole.items() if np.isfinite(v).mean() > 0.5 and _moves(v)}
    some = {h: v[rows] for h, v in whole.items()}
    known = [h for h in some if h in used]
    found: dict[str, str] = {}
    for header, named in unused.items():
        if header not in whole:
            continue
        others = [h for h in some if h != header] if named else known
        said = _lag(header, whole) or _ratio(some[header], {h: some[h] for h in others}, known)
        if said:
            found[header] = said
    return found


def _moves(values: FloatArray) -> bool:
    known = values[np.isfinite(values)]
    return bool(np.ptp(known) > 1e-6 * max(float(np.abs(known).max()), 1e-12))


def _lag(header: str, columns: Mapping[str, FloatArray]) -> str:
    named = _LAG.match(header)
    if named is None or named["base"] not in columns:
        return ""
    steps = int(named["steps"])
    now, base = columns[header][steps:], columns[named["base"]][: len(columns[header]) - steps]
    if not 0 < steps < len(columns[header]):
        return ""
    share, count = _agreement(now, base)
    # Gaps in the rows break the count of rows; the copy shows all the same.
    return (
        say(
            "{base!r} of {steps} rows before in {share:.0%} of {count} rows",
            base=named["base"],
            steps=steps,
            share=share,
            count=count,
        )
        if share > 0.5
        else ""
    )


def _ratio(wanted: FloatArray, columns: Mapping[str, FloatArray], known: Sequence[str]) -> str:
    for below, values in columns.items():
        product = wanted * values
        for above in columns if below in known else known:
            share, count = _agreement(columns[above], product) if above != below else (0.0, 0)
            if share >= _ALMOST_ALL:
                return say(
                    "{above!r} / {below!r} in {share:.0%} of {count} rows",
                    above=above,
                    below=below,
                    share=share,
                    count=count,
                )
    return ""


def _agreement(one: FloatArray, other: FloatArray) -> tuple[float, int]:
    """Return the share of rows in which two columns agree [1], and how many rows have both."""
    both = np.isfinite(one) & np.isfinite(other)
    count = int(both.sum())
    if count < 24:
        return 0.0, count
    close = np.abs(one[both] - other[both]) <= _CLOSE * np.maximum(np.abs(one[both]), 1e-12)
    return float(close.mean()), count
