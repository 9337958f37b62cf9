"""Numbers in the reader's language: one formatter for every page."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pandas as pd

from advisor.plan import Interval, Saving
from app import wording
from app.web.language import Language
from app.web.nodes import Node, node

DASH = wording.DASH
LARGER = {"kWh": ("MWh", 10_000.0), "kg": ("t", 10_000.0), "kg CO2e": ("t CO2e", 10_000.0)}
"""Unit -> a thousand of it, and from which value on that reads better."""
TEN_THOUSAND = 10_000.0


@dataclass(frozen=True)
class Amount:
    """A figure ready to be shown; ``low`` and ``high`` are "" where it has no interval."""

    value: str
    unit: str
    low: str = ""
    high: str = ""
    space: str = " "

    @property
    def text(self) -> str:
        """The figure with its unit."""
        return f"{self.value}{self.space}{self.unit}" if self.unit else self.value


def percent(language: Language, share: float | None) -> str:
    """Return a share (0..1) in %."""
    if share is None or not math.isfinite(share):
        return DASH
    text = f"{100 * share:.1f}".removesuffix(".0")
    return f"{text}%" if language.code == "zh" else f"{text} %"


def plain(value: float | None, unit: str, language: Language) -> Amount:
    """Return a single figure [unit] in the unit that reads best."""
    if value is None or not math.isfinite(value):
        return Amount(DASH, "")
    if unit == "%":
        return Amount(percent(language, value).rstrip("% "), "%", space=_space("%", language))
    factor, shown = _scale(abs(value), unit, language)
    return Amount(wording.number(value / factor), _unit(shown, language))


def spanned(span: Interval | None, unit: str, language: Language) -> Amount:
    """Return a figure with its interval [unit], never finer than the interval justifies."""
    if span is None:
        return Amount(DASH, "")
    factor, shown = _scale(max(abs(span.lower), abs(span.upper)), unit, language)
    scaled = Interval(span.lower / factor, span.point / factor, span.upper / factor)
    places = wording.span_decimals(scaled)
    low, mid, high = (wording.number(v, places) for v in (scaled.lower, scaled.point, scaled.upper))
    return Amount(mid, _unit(shown, language), low, high, _space(shown, language))


def interval_text(amount: Amount, language: Language) -> str:
    """Return ``interval 335 to 488``; "" where there is none."""
    if not amount.low:
        return ""
    return language.text("figure.interval", low=amount.low, high=amount.high)


def saving_amount(saving: Saving, language: Language) -> Amount:
    """Return the energy saved, in % where the meter is relative; non-green where only its source changes."""
    if wording.only_source(saving):
        amount = spanned(saving.non_green_kwh, "kWh", language)
        return replace(amount, unit=language.text("saving.non_green_unit", unit=amount.unit))
    if saving.energy_kwh is not None:
        return spanned(saving.energy_kwh, "kWh", language)
    return spanned(saving.energy_pct, "%", language)


def money(span: Interval | None, currency: str, language: Language) -> Amount:
    """Return money; Chinese readers get 元 and 万元."""
    return spanned(span, currency or "", language) if span is not None else Amount(DASH, "")


def moment(stamp: pd.Timestamp, language: Language, *, with_time: bool = False) -> str:
    """Return a local moment: 2026-11-19 in Chinese, 19 Nov 2026 in English."""
    if language.code == "en":
        return wording.moment(stamp, with_time=with_time)
    return f"{stamp:%Y-%m-%d %H:%M}" if with_time else f"{stamp:%Y-%m-%d}"


def duration(span: pd.Timedelta, language: Language) -> str:
    """Return a length in days, or hours below two days."""
    hours = span / pd.Timedelta(hours=1)
    if hours < 48:
        return language.text("figure.hours", n=f"{hours:.0f}")
    return language.text("figure.days", n=f"{hours / 24:,.0f}")


def seconds(length_s: float, language: Language) -> str:
    """Return an interval such as 30 min or 1 h."""
    if length_s % 3600 == 0:
        return language.text("figure.hours", n=f"{length_s / 3600:g}")
    return language.text("figure.minutes", n=f"{length_s / 60:g}")


def unit_text(unit: str, language: Language) -> str:
    """Return a unit as people write it."""
    return _unit(unit, language)


def badge(language: Language, label: str) -> Node:
    """Return the badge that says whether a figure is measured, published, modelled or assumed."""
    return node("span", language.text(f"badge.{label}"), cls=f"badge {label}")


def measured_mark(language: Language) -> Node:
    """Return the legend's entry of a measured series."""
    return node("span", node("span", cls="mark dash"), badge(language, "measured"))


def predicted_mark(language: Language) -> Node:
    """Return the legend's entry of a predicted series."""
    return node(
        "span", node("span", cls="mark"), language.text("chart.predicted"), " ", badge(language, "modelled")
    )


def _scale(largest: float, unit: str, language: Language) -> tuple[float, str]:
    if unit in LARGER and largest >= LARGER[unit][1]:
        return 1000.0, LARGER[unit][0]
    if unit == "CNY" and language.code == "zh" and largest >= TEN_THOUSAND:
        return TEN_THOUSAND, "万元"
    return 1.0, unit


def _space(unit: str, language: Language) -> str:
    return "" if unit == "%" and language.code == "zh" else " "


def _unit(unit: str, language: Language) -> str:
    if unit == "CNY" and language.code == "zh":
        return "元"
    if unit == "rel":
        return language.text("figure.relative")
    return wording.unit(unit).replace("CO2", "CO₂")
