"""How figures, intervals and verdicts are put into words: one formatter for terminal and report."""

from __future__ import annotations

import math
import re

import pandas as pd

from advisor.plan import Advice, Interval, Saving, VerifiedPlan
from features.message import Message, say
from features.schema import SCHEMA, SYMBOLS

DASH = "—"
"""Unknown. It is neither zero nor good."""

MOST_DECIMALS = 4
"""What is smaller is told as 0: the rest is arithmetic."""
UNITS = {**SYMBOLS, "rel": say("rel. units")}
VERDICTS = {
    "supported": say("supported: both models agree on the saving"),
    "not proven": say("not proven: the saving cannot be told from zero, or the models disagree"),
    "hold": say("hold: nothing is changed"),
    "refused": say("refused: the plan broke a limit"),
}


def unit(name: str) -> str:
    """Return a unit as people write it."""
    return UNITS.get(name, name)


_UNIT_ENDS = ("kwh", "kw", "w", "c", "k", "pct", "m3", "rel", "mhz", "kpa", "m_s", "l_s")
SUFFIXES = tuple(f"_{u}" for u in _UNIT_ENDS)
SPELLED = {
    "it": "IT",
    "pue": "PUE",
    "ups": "UPS",
    "pv": "PV",
    "dx": "DX",
    "prb": "PRB",
    "rh": "RH",
    "cpu": "CPU",
}


def column_name(name: str) -> str:
    """Return a canonical column as people call it: ``zone_set_point_c`` is the zone set-point."""
    if name not in SCHEMA:
        return name.replace("_", " ")
    stem = next((name.removesuffix(s) for s in SUFFIXES if name.endswith(s)), name)
    words = [SPELLED.get(word, word) for word in stem.split("_")]
    return " ".join(words).replace("set point", "set-point").replace("temp", "temperature")


def prose(text: str) -> str:
    """Return the text with canonical columns called as people call them."""
    return re.sub(r"\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b|\bpue\b", lambda found: _called(found[0]), text)


def _called(name: str) -> str:
    return column_name(name) if name in SCHEMA else name


def decimals(*values: float, significant: int = 3) -> int:
    """Return the decimals (negative: tens, hundreds) that show the largest value with that many digits."""
    largest = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    rounded = float(f"{largest:.{significant - 1}e}")
    return significant - 1 - math.floor(math.log10(rounded)) if rounded > 0 else 0


def span_decimals(span: Interval) -> int:
    """Return the decimals that an interval justifies: two digits of its width, never over four of its end."""
    width = span.upper - span.lower
    most = decimals(span.lower, span.upper, significant=4)
    return min(decimals(width, significant=2), most) if width > 0 else most - 1


def number(value: float | None, digits: int | None = None) -> str:
    """Return a number with three significant digits and thousands apart; a dash where it is unknown."""
    if value is None or not math.isfinite(value):
        return DASH
    places = min(decimals(value) if digits is None else digits, MOST_DECIMALS)
    if round(value, places) == 0.0:
        return "0"
    shown = round(value, places)
    return f"{shown:,.{max(places, 0)}f}".replace("-", "−")


def quantity(value: float | None, name: str) -> str:
    """Return a number with its unit."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{number(value)} {unit(name)}".rstrip()


def interval(span: Interval | None, name: str) -> str:
    """Return ``point unit (lower to upper)``, never finer than the interval justifies."""
    if span is None:
        return DASH
    places = span_decimals(span)
    low, mid, high = (number(v, places) for v in (span.lower, span.point, span.upper))
    if not name:
        return say("{mid} ({low} to {high})", mid=mid, low=low, high=high)
    if name == "%":
        return say("{mid} % ({low} to {high})", mid=mid, low=low, high=high)
    return say("{mid} {unit} ({low} to {high})", mid=mid, unit=unit(name), low=low, high=high)


def percent(share: float | None) -> str:
    """Return a share (0..1) in %, without digits that nobody needs."""
    if share is None or not math.isfinite(share):
        return DASH
    return f"{100 * share:.1f} %".replace(".0 %", " %").replace("-", "−")


LARGER = {"kWh": ("MWh", 100_000.0), "kg": ("t", 10_000.0)}
"""Unit -> a thousand of it, and from which value on that reads better."""


def readable(span: Interval | None, name: str) -> tuple[Interval | None, str]:
    """Return a figure in the unit that reads best: kWh or MWh, kg or t."""
    base, _, rest = name.partition(" ")
    larger, start = LARGER.get(base, ("", math.inf))
    if span is None or max(abs(span.lower), abs(span.upper)) < start:
        return span, name
    return Interval(span.lower / 1000, span.point / 1000, span.upper / 1000), f"{larger} {rest}".rstrip()


def saving(value: Saving) -> str:
    """Return a saving in energy, with % where known; in non-green energy where only the source changes."""
    if only_source(value):
        span, name = readable(value.non_green_kwh, "kWh")
        return say("{saved} non-green", saved=interval(span, name))
    in_energy = interval(*readable(value.energy_kwh, "kWh"))
    in_percent = interval(value.energy_pct, "%")
    if value.energy_kwh is None:
        return in_percent
    return in_energy if value.energy_pct is None else Message.joined("; ", (in_energy, in_percent))


def only_source(value: Saving) -> bool:
    """Whether an action changes where energy comes from, and not how much is used."""
    energy, source = value.energy_kwh, value.non_green_kwh
    if energy is None or source is None or source.point == 0:
        return False
    return abs(energy.point) < 1e-6 * abs(source.point)


def count(number_of: int, noun: str) -> str:
    """Return ``1 site`` or ``2 sites``."""
    return f"{number_of:,} {noun}" if number_of == 1 else f"{number_of:,} {noun}s"


def moment(stamp: pd.Timestamp | str, *, with_time: bool = True) -> str:
    """Return a moment such as ``19 Nov 2026 14:30``."""
    parsed = pd.Timestamp(stamp)
    return f"{parsed.day} {parsed:%b %Y %H:%M}" if with_time else f"{parsed.day} {parsed:%b %Y}"


def length(interval_s: float) -> str:
    """Return an interval such as ``30 min`` or ``1 h``."""
    if interval_s % 3600 == 0:
        return say("{hours:g} h", hours=interval_s / 3600)
    if interval_s < 60:
        return say("{seconds:g} s", seconds=interval_s)
    return say("{minutes:g} min", minutes=interval_s / 60)


def headline(advice: Advice) -> str:
    """Return the one sentence that answers what should be done and what it brings."""
    supported = [r for r in advice.recommendations if r.verdict == "supported"]
    if supported and (advice.saving.energy_kwh or advice.saving.energy_pct):
        saved = saving(advice.saving)
        if any(only_source(r.saving) for r in supported) and not only_source(advice.saving):
            span, name = readable(advice.saving.non_green_kwh, "kWh")
            saved = say("{saved}, and {source} of non-green energy", saved=saved, source=interval(span, name))
        if len(supported) == 1:
            return say("1 action would save {saving} for the same work.", saving=saved)
        return say(
            "{count:,} actions would save {saving} for the same work.", count=len(supported), saving=saved
        )
    if advice.test is not None:
        return say(
            "No change is recommended yet: {why_not} A test that would tell is planned from {first}.",
            why_not=why_not(advice),
            first=advice.test.first,
        )
    return say("No change is recommended: {why_not}", why_not=why_not(advice))


def why_not(advice: Advice) -> str:
    """Return why nothing is recommended, as the end of a sentence."""
    reasons = [reason for plan in advice.verified for reason in _reasons(plan)]
    if not reasons:
        return say("no lever can be moved in this export.")
    first = reasons[0]
    return first if first.endswith(".") else say("{reason}.", reason=first)


def _reasons(plan: VerifiedPlan) -> tuple[str, ...]:
    said = (*plan.plan.conflicts, *plan.notes)
    if said:
        return said
    return () if plan.verdict == "supported" else (VERDICTS[plan.verdict],)
