"""Columns that are the three phases of one meter: ``L1``, ``L2``, ``L3`` (IEC 60445), ``A相`` ...

Phases may be summed where the name says which meter they belong to and all three are there. Where the
name does not say it, the sum is only proposed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from features.message import say
from features.reading.headers import Match, declared_unit, match
from features.reading.units import Unit
from features.schema import SCHEMA, Kind

_PHASE = re.compile(
    r"(?<![A-Za-z0-9])(?:phase|ph|line)?[ _-]?L([123])(?![A-Za-z0-9])"
    r"|(?<![A-Za-z])(?:phase|ph)[ _-]?([ABC123])(?![A-Za-z0-9])"
    r"|(?<![A-Za-z])([ABC])[ _-]?(?:phase|相)",
    re.IGNORECASE,
)
_ALL = {"1", "2", "3"}
_NUMBER = {"a": "1", "b": "2", "c": "3"}
CONFIDENCE = 0.95
"""A sum of phases counts a little less than a meter that already shows the total [1]."""


@dataclass(frozen=True)
class PhaseSet:
    """Headers that differ only in the phase.

    Parameters
    ----------
    headers : tuple of str
        In the file's order.
    meter : str
        What remains of the header without phase and unit; ``""``: the name says only the phase.
    unit : Unit
        Declared unit of power or energy, the same in all.
    complete : bool
        Whether all three phases are there.
    """

    headers: tuple[str, ...]
    meter: str
    unit: Unit
    complete: bool


def phase_sets(headers: Sequence[str]) -> list[PhaseSet]:
    """Return the sets of at least two phases of power or energy among a table's headers."""
    found: dict[tuple[str, Unit], dict[str, str]] = {}
    for header in headers:
        split = _split(header)
        unit = declared_unit(header)
        if split is None or unit is None or unit.dimension not in ("power", "energy"):
            continue
        meter, phase = split
        found.setdefault((meter, unit), {}).setdefault(phase, header)
    return [
        PhaseSet(tuple(h for h in headers if h in phases.values()), meter, unit, set(phases) == _ALL)
        for (meter, unit), phases in found.items()
        if len(phases) > 1
    ]


def matches_of(headers: Sequence[str], kind: Kind) -> dict[str, Match]:
    """Return the meaning of every phase whose set is complete and whose name says the meter."""
    result: dict[str, Match] = {}
    for phases in phase_sets(headers):
        if not (phases.complete and phases.meter):
            continue
        whole = match(f"{phases.meter} ({phases.unit.symbol})", kind)
        if (
            whole is None
            or whole.canonical.startswith("@")
            or SCHEMA[whole.canonical].unit not in ("kW", "W")
        ):
            continue
        for header in phases.headers:
            said = say(
                "one of the three phases of {meter!r}: {evidence}",
                meter=phases.meter,
                evidence=whole.evidence,
            )
            result[header] = Match(whole.canonical, whole.confidence * CONFIDENCE, phases.unit, said)
    return result


def _split(header: str) -> tuple[str, str] | None:
    """Return the header without phase and unit, and the phase as ``1``, ``2`` or ``3``."""
    plain = unicodedata.normalize("NFKC", header)
    hit = _PHASE.search(plain)
    if hit is None:
        return None
    phase = next(g for g in hit.groups() if g).casefold()
    rest = f"{plain[: hit.start()]} {plain[hit.end() :]}"
    rest = re.sub(r"[\[({][^\])}]*[\])}]", " ", rest)
    rest = re.sub(r"[\W_]+(?:kW|W|MW|kWh|Wh|MWh)\s*$", " ", rest, flags=re.IGNORECASE)
    rest = re.sub(r"(?<=[\u4e00-\u9fff]) +(?=[\u4e00-\u9fff])", "", rest)
    return " ".join(re.sub(r"[_\W]+", " ", rest).split()), _NUMBER.get(phase, phase)
