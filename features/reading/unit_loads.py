"""Columns that are one load by unit: chiller by chiller, whose sum another column shows.

Which chiller runs decides what a plant draws, and exports often say it in columns such as ``P1_CH01``
without word or unit. The name is only a hint; the numbers prove it: together the columns give the total.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from features.message import Message, say
from features.reading import numerals
from features.reading.mapping import IGNORE, ColumnMapping
from features.reading.numerals import FloatArray, Mark
from features.reading.tabular import RawTable

TOTALS = ("thermal_load_kw",)
"""Loads that may be divided by unit."""
_UNIT = re.compile(r"(?<![A-Za-z])(?:CH|CHL|CHR|CHILLER)[ _-]?\d+(?![0-9])|冷(?:水)?(?:机|機)", re.IGNORECASE)
_LEAST_SHARE = 0.95
"""Share of rows in which the units must give the total: in hours of a change-over some do not add up."""
_CLOSE = 1e-3
_LEAST_ROWS = 24
_CONFIDENCE = 0.9


def proved(raw: RawTable, columns: Sequence[ColumnMapping], decimal: Mark) -> list[ColumnMapping]:
    """Return the columns, those without meaning that divide a load by unit mapped to it.

    Parameters
    ----------
    raw : RawTable
    columns : sequence of ColumnMapping
    decimal : {".", ","}
    """
    open_ones = [c for c in columns if c.canonical == IGNORE and not c.combine and _UNIT.search(c.source)]
    totals = [c for c in columns if c.canonical in TOTALS and not c.combine]
    if len(open_ones) < 2 or len(totals) != 1:
        return list(columns)
    total = totals[0]
    parts = np.stack([numerals.parse(raw.data[c.source], decimal).numbers for c in open_ones])
    share, rows = _agreement(numerals.parse(raw.data[total.source], decimal).numbers, parts)
    if rows < _LEAST_ROWS or share < _LEAST_SHARE:
        return list(columns)
    why = say(
        "{units} together give {total!r} in {share:.0%} of {count} rows: the load unit by unit",
        units=Message.joined(", ", (repr(c.source) for c in open_ones)),
        total=total.source,
        share=share,
        count=rows,
    )
    mapped = {
        c.source: replace(total, source=c.source, unit_id=c.source, confidence=_CONFIDENCE, evidence=why)
        for c in open_ones
    }
    return [mapped.get(c.source, c) for c in columns]


def _agreement(total: FloatArray, parts: FloatArray) -> tuple[float, int]:
    """Return the share of rows whose parts give the total [1], and how many rows have all."""
    known = np.isfinite(total) & np.isfinite(parts).all(axis=0)
    if not known.any() or not parts[:, known].any() or (parts[:, known] < 0).any():
        return 0.0, int(known.sum())
    away = np.abs(parts[:, known].sum(axis=0) - total[known])
    return float((away <= _CLOSE * np.abs(total[known])).mean()), int(known.sum())
