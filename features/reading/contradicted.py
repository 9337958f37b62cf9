"""Columns whose words say one thing and whose values, beside other columns of the file, say another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from features.message import Message, say
from features.reading import numerals, phrase
from features.reading.doubt import Verdict
from features.reading.draft import Draft
from features.reading.headers import Match, words_of
from features.reading.numerals import FloatArray
from features.reading.units import THERMAL_ONLY, Unit
from features.schema import SCHEMA

LEAST_HEAT = 0.6
"""What the heat of a room is at least of its IT power [1]; electric cooling is rarely as much."""
WARMER_K = 0.5
"""Difference of two water temperatures that is no tolerance of the sensors [K]."""
MOSTLY = 0.8
LEAST_ROWS = 12
MOST_BESIDE_CHILLERS = 2.5
"""What all cooling draws at most of what the chillers draw [1]; their heat is more."""
BUSY = 0.75
"""Quantile of the chillers' power from which they do most of the cooling [1]."""
_ELECTRIC = re.compile(r"electric|hvac|input|total|plant|system|电|总|空调")
_HEAT = re.compile(r"heat|thermal|chilled|chw|refriger|热|冷冻水|制冷量|冷量")

Verdicts = Mapping[str, tuple[Match, Verdict]]


def contradicted(table: Draft, verdicts: Verdicts) -> dict[str, Message]:
    """Return columns that other columns of the table contradict, each with what speaks against it.

    Parameters
    ----------
    table : Draft
    verdicts : dict
        Header -> meaning and unit, of the columns that would be used.

    Returns
    -------
    dict
        Header -> why it is not what its words say; such a column is left out.
    """
    answered = {a.column for a in table.answers if a.canonical}
    found = _electric_cooling(table, verdicts) | _heat_of_chillers(table, verdicts)
    found |= _condenser_outlets(table, verdicts)
    return {h: why for h, why in found.items() if h not in answered}


def _electric_cooling(table: Draft, verdicts: Verdicts) -> dict[str, Message]:
    """Return cooling loads too small to be the heat of the IT: many exports name electricity so."""
    it = [
        _values(table, h, v.unit)
        for h, (m, v) in verdicts.items()
        if m.canonical == "it_power_kw" and v.unit is not None and v.unit.dimension == "power"
    ]
    if not it:
        return {}
    found = {}
    for header, (meaning, verdict) in verdicts.items():
        unit = verdict.unit
        if meaning.canonical != "thermal_load_kw" or unit is None or unit.symbol in THERMAL_ONLY:
            continue
        if unit.dimension != "power" or _HEAT.search(words_of(header)):
            continue
        share = _median_ratio(_values(table, header, unit), np.sum(it, axis=0))
        if share < LEAST_HEAT:
            found[header] = say(
                "the words say a heat load, but it is {share:.2f} of the IT power, whose heat has to be "
                "removed: it may be electricity of the cooling",
                share=share,
            )
    return found


def _heat_of_chillers(table: Draft, verdicts: Verdicts) -> dict[str, Message]:
    """Return cooling powers several times the chillers': what a machine cools is heat, not its input."""
    found = {}
    for header, (meaning, verdict) in verdicts.items():
        unit = verdict.unit
        if meaning.canonical != "cooling_power_kw" or unit is None or header in SCHEMA:
            continue
        chillers = [
            _values(table, h, v.unit)
            for h, (m, v) in verdicts.items()
            if m.canonical == "chiller_power_kw" and v.unit is not None and v.unit.dimension == unit.dimension
        ]
        if not chillers:
            continue
        # free cooling leaves the chillers little to do, so only the hours of most work are compared
        draw = np.sum(chillers, axis=0)
        busy = draw >= np.quantile(draw[np.isfinite(draw)], BUSY) if np.isfinite(draw).any() else draw > 0.0
        ratio = _median_ratio(np.where(busy, _values(table, header, unit), np.nan), draw)
        if MOST_BESIDE_CHILLERS <= ratio < float("inf") and not _ELECTRIC.search(words_of(header)):
            found[header] = say(
                "{ratio:.1f} times the power of the chillers: it may be the heat that they remove",
                ratio=ratio,
            )
    return found


def _condenser_outlets(table: Draft, verdicts: Verdicts) -> dict[str, Message]:
    """Return condenser water called supply that is warmer than its return: it leaves the chillers."""
    returns = [h for h in table.matches if _is_condenser(h, "return")]
    found = {}
    for header, (meaning, verdict) in verdicts.items():
        if meaning.canonical != "condenser_water_temp_c" or not returns or verdict.unit is None:
            continue
        if not _is_condenser(header, "supply"):
            continue
        supply = _values(table, header, verdict.unit)
        back = _mean([_values(table, h, verdict.unit) for h in returns])
        above, below = int((supply - back > WARMER_K).sum()), int((back - supply > WARMER_K).sum())
        if above + below >= LEAST_ROWS and above >= MOSTLY * (above + below):
            found[header] = say(
                "warmer than {other!r} in {share:.0%} of the rows, so it leaves the chillers and does not "
                "enter them",
                other=returns[0],
                share=above / (above + below),
            )
    return found


def _is_condenser(header: str, side: str) -> bool:
    said = phrase.phrase(words_of(header))
    return (
        said.of("medium") == {"condenser_water"}
        and said.of("side") == {side}
        and said.of("quantity") == {"temperature"}
        and not said.of("about")
    )


def _values(table: Draft, header: str, unit: Unit) -> FloatArray:
    numbers = numerals.parse(table.raw.data[header], table.decimal).numbers
    return np.asarray(numbers * unit.factor + unit.offset)


def _mean(columns: Sequence[FloatArray]) -> FloatArray:
    """Return the mean of the readings of each row; NaN where none is there."""
    stacked = np.stack(columns)
    count = np.isfinite(stacked).sum(axis=0)
    return np.where(count > 0, np.nansum(stacked, axis=0) / np.maximum(count, 1), np.nan)


def _median_ratio(one: FloatArray, other: FloatArray) -> float:
    both = np.isfinite(one) & np.isfinite(other) & (one > 0.0) & (other > 0.0)
    return float(np.median(one[both] / other[both])) if both.sum() >= LEAST_ROWS else float("inf")
