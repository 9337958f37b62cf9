"""Units of exports and their conversion to canonical units.

Each unit is a line: canonical value = value * factor + offset, within one dimension. Sources:
SI brochure (2019) annex and NIST SP 811 (2008) appendix B for the conversion factors.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from features.schema import SCHEMA

Dimension = Literal[
    "power", "energy", "temperature", "percent", "ratio", "flow", "pressure", "speed", "volume",
    "frequency", "carbon", "price", "relative", "text", "count",
]  # fmt: skip

REFRIGERATION_TON_KW = 3.516853
"""One ton of refrigeration, 12 000 Btu(IT)/h [kW]."""


@dataclass(frozen=True)
class Unit:
    """One unit: its symbol, dimension, and the line to the dimension's base unit.

    Base units: kW, kWh, degC, %, 1, L/s, kPa, m/s, m3, MHz, g/kWh.
    """

    symbol: str
    dimension: Dimension
    factor: float
    offset: float = 0.0


# ruff: noqa: E501 - a table reads best with one row per line
_UNITS: tuple[tuple[Unit, tuple[str, ...]], ...] = (
    (Unit("kW", "power", 1.0), ("kw", "kwe", "千瓦", "kilowatt", "kilowatts")),
    (Unit("W", "power", 1e-3), ("w", "瓦", "watt", "watts")),
    (Unit("MW", "power", 1e3), ("mw", "兆瓦", "megawatt", "megawatts")),
    (Unit("RT", "power", REFRIGERATION_TON_KW), ("rt", "tr", "usrt", "冷吨", "tons", "ton", "refrigeration tons")),
    (Unit("Btu/h", "power", 2.930711e-4), ("btu/h", "btu/hr", "btuh")),
    (Unit("kBtu/h", "power", 0.2930711), ("kbtu/h", "kbtu/hr", "mbh")),
    (Unit("kcal/h", "power", 1.163e-3), ("kcal/h", "大卡/小时")),
    (Unit("hp", "power", 0.7456999), ("hp",)),
    (Unit("kWh", "energy", 1.0), ("kwh", "kw h", "kw·h", "kw*h", "kw.h", "度", "千瓦时")),
    (Unit("Wh", "energy", 1e-3), ("wh", "w h")),
    (Unit("MWh", "energy", 1e3), ("mwh", "兆瓦时")),
    (Unit("MJ", "energy", 1 / 3.6), ("mj",)),
    (Unit("GJ", "energy", 1e3 / 3.6), ("gj",)),
    (Unit("J", "energy", 1e-3 / 3600), ("j", "joule", "joules")),
    (Unit("degC", "temperature", 1.0), ("c", "°c", "oc", "degc", "deg c", "celsius", "摄氏度", "度c", "degree c")),
    (Unit("degF", "temperature", 5 / 9, -160 / 9), ("f", "°f", "of", "degf", "deg f", "fahrenheit", "华氏度")),
    (Unit("K", "temperature", 1.0, -273.15), ("k", "kelvin", "开")),
    (Unit("0.1 degC", "temperature", 0.1), ("0.1 degc", "0.1°c", "0.1 °c", "°c/10")),
    (Unit("%", "percent", 1.0), ("%", "pct", "percent", "%rh", "rh%", "rh %", "百分比")),
    (Unit("1", "ratio", 1.0), ("1", "fraction", "ratio", "frac", "0-1", "0..1")),
    (Unit("L/s", "flow", 1.0), ("l/s", "l/sec", "lps", "升/秒", "l s")),
    (Unit("L/min", "flow", 1 / 60), ("l/min", "lpm")),
    (Unit("m3/h", "flow", 1 / 3.6), ("m3/h", "m3/hr", "m³/h", "cmh", "立方米/小时", "t/h", "m3 h")),
    (Unit("m3/s", "flow", 1e3), ("m3/s", "cms")),
    (Unit("gpm", "flow", 0.0630902), ("gpm", "gal/min", "usgpm")),
    (Unit("kPa", "pressure", 1.0), ("kpa", "千帕")),
    (Unit("hPa", "pressure", 0.1), ("hpa", "mbar", "mb", "百帕")),
    (Unit("Pa", "pressure", 1e-3), ("pa",)),
    (Unit("bar", "pressure", 100.0), ("bar",)),
    (Unit("inHg", "pressure", 3.38639), ("inhg", "in", "in hg", "inches", "inch")),
    (Unit("mmHg", "pressure", 0.1333224), ("mmhg", "mm hg", "torr")),
    (Unit("psi", "pressure", 6.894757), ("psi",)),
    (Unit("m/s", "speed", 1.0), ("m/s", "m s", "mps", "米/秒")),
    (Unit("km/h", "speed", 1 / 3.6), ("km/h", "kmh", "kph")),
    (Unit("mph", "speed", 0.44704), ("mph", "mi/h")),
    (Unit("kn", "speed", 1852 / 3600), ("kn", "kt", "knots")),
    (Unit("m3", "volume", 1.0), ("m3", "m³", "立方米", "方", "t", "吨")),
    (Unit("L", "volume", 1e-3), ("l", "liter", "liters", "litre", "litres", "升")),
    (Unit("gal", "volume", 3.785412e-3), ("gal", "gallon", "gallons", "usgal")),
    (Unit("MHz", "frequency", 1.0), ("mhz",)),
    (Unit("kHz", "frequency", 1e-3), ("khz",)),
    (Unit("Hz", "frequency", 1e-6), ("hz",)),
    (Unit("GHz", "frequency", 1e3), ("ghz",)),
    (Unit("g/kWh", "carbon", 1.0), ("g/kwh", "gco2/kwh", "gco2e/kwh", "gco2eq/kwh", "kg/mwh", "kgco2/mwh", "kgco2e/mwh", "g per kwh", "gco2 per kwh", "g kwh", "gco2 kwh", "gco2eq kwh")),
    (Unit("kg/kWh", "carbon", 1e3), ("kg/kwh", "kgco2/kwh", "kgco2e/kwh", "t/mwh", "tco2/mwh", "tco2e/mwh")),
    (Unit("lb/MWh", "carbon", 0.45359237), ("lb/mwh", "lbs/mwh", "lbco2/mwh", "lbsco2/mwh", "lbs per mwh")),
    (Unit("currency/kWh", "price", 1.0), ("currency/kwh",)),
    (Unit("currency/MWh", "price", 1e-3), ("currency/mwh",)),
    (Unit("0.01 currency/kWh", "price", 1e-2), ("ct/kwh", "cent/kwh", "cents/kwh", "c/kwh", "¢/kwh", "p/kwh", "pence/kwh", "øre/kwh", "öre/kwh", "分/kwh", "分/度")),
    (Unit("rel", "relative", 1.0), ("rel", "relative")),
)  # fmt: skip

UNITS: dict[str, Unit] = {unit.symbol: unit for unit, _ in _UNITS}
"""Symbol -> `Unit`."""

_ALIASES: dict[str, Unit] = {
    alias: unit for unit, aliases in _UNITS for alias in (*aliases, unit.symbol.casefold())
}

_DIMENSION_OF_CANONICAL: dict[str, tuple[Dimension, ...]] = {
    "kW": ("power", "energy"),
    "W": ("power",),
    "kWh": ("energy",),
    "degC": ("temperature",),
    "K": ("temperature",),
    "%": ("percent", "ratio"),
    "1": ("ratio", "percent"),
    "L/s": ("flow",),
    "kPa": ("pressure",),
    "m/s": ("speed",),
    "m3": ("volume",),
    "MHz": ("frequency",),
    "g/kWh": ("carbon",),
    "currency/kWh": ("price",),
    "rel": ("relative", "frequency", "power", "energy", "ratio"),
    "": ("text",),
}

FOREIGN = frozenset(
    ("a", "v", "va", "kva", "mva", "var", "kvar", "mvar", "kvarh", "kvah", "ppm", "rpm", "kg/s", "kg/h", "w/m2",
     "mm", "m2", "db", "dbm", "lux", "s", "min", "h", "hr", "d", "gb", "mb", "kb", "mbps", "gbps", "kbps", "bit/s",
     "ms", "°")
)  # fmt: skip
"""Units of what no canonical column holds: a column that declares one is not what its other words say."""

_MONEY_PER_ENERGY = re.compile(
    r"(?:usd?|eur|gbp|cny|rmb|inr|jpy|sek|nok|dkk|chf|pln|czk|huf|ron|bgn|try|aud|cad|sgd|hkd|twd|brl|zar|krw|rs\.?|"
    r"us\$|[$€£¥₹]|元|人民币)(?:/| per | |_)?(k|m)(?:whr?|w[·*. -]h)"
)
"""Money of any currency per energy, as in ``EUR/MWh`` and ``eur_per_kwh``; US markets write ``MWHr``."""

THERMAL_ONLY = frozenset({"RT", "Btu/h", "kBtu/h", "kcal/h"})
"""Units of heat: no electrical meter shows them."""


def find_unit(text: str) -> Unit | None:
    """Return the unit that a header's text names, or None.

    Parameters
    ----------
    text : str
        For example ``°C``, ``(kWh)``, ``L/sec``.
    """
    cleaned = unicodedata.normalize("NFKC", text).strip(" ()[]{}:,;.").replace("º", "°").casefold()
    cleaned = " ".join(cleaned.split())
    found = _ALIASES.get(cleaned)
    if found is None and (
        priced := _MONEY_PER_ENERGY.fullmatch(cleaned.replace("千瓦时", "kwh").replace("度", "kwh"))
    ):
        return UNITS["currency/kWh" if priced.group(1) == "k" else "currency/MWh"]
    return found


def is_foreign(text: str) -> bool:
    """Whether a header's text is a unit that no canonical column can be converted from.

    Parameters
    ----------
    text : str
        For example ``kVA`` or ``(A)``.
    """
    return unicodedata.normalize("NFKC", text).strip(" ()[]{}:,;.").casefold() in FOREIGN


def dimensions_for(canonical: str) -> tuple[Dimension, ...]:
    """Return the dimensions whose units can be converted to the canonical column's unit."""
    column = SCHEMA[canonical]
    return _DIMENSION_OF_CANONICAL[column.unit]


def accepts(canonical: str, unit: Unit) -> bool:
    """Whether values of that unit can be converted to the canonical column."""
    if unit.dimension not in dimensions_for(canonical):
        return False
    return unit.symbol not in THERMAL_ONLY or canonical == "thermal_load_kw"


def candidates(canonical: str) -> tuple[Unit, ...]:
    """Return the units that are common in exports for a canonical column.

    These are what a column without a declared unit is weighed against.
    """
    common = {
        "power": ("kW", "W", "MW"), "energy": ("kWh", "Wh", "MWh"), "temperature": ("degC", "degF", "K", "0.1 degC"),
        "percent": ("%",), "ratio": ("1",), "flow": ("L/s", "m3/h", "gpm"), "pressure": ("kPa", "hPa", "Pa", "inHg"),
        "speed": ("m/s", "km/h", "mph"), "volume": ("m3", "L", "gal"), "frequency": ("MHz", "kHz", "Hz"),
        "carbon": ("g/kWh", "kg/kWh"), "price": ("currency/kWh", "currency/MWh"), "relative": ("rel",),
    }  # fmt: skip
    found = (UNITS[s] for d in dimensions_for(canonical) for s in common.get(d, ()))
    return tuple(u for u in found if accepts(canonical, u))


def line_to(canonical: str, unit: Unit) -> tuple[float, float]:
    """Return (factor, offset): canonical value = value * factor + offset.

    An energy of the interval becomes a mean power only after division by the interval's hours,
    which the conversion does; the factor given here leads to kWh.

    Parameters
    ----------
    canonical : str
    unit : Unit

    Returns
    -------
    tuple of float

    Raises
    ------
    ValueError
        The unit cannot be converted to the column's unit.
    """
    if not accepts(canonical, unit):
        raise ValueError(f"{unit.symbol} cannot be converted to {canonical}")
    target = SCHEMA[canonical].unit
    if target == "rel":
        return 1.0, 0.0
    if target == "K":  # a difference of temperatures has no zero of its own
        return unit.factor, 0.0
    if target == "W":
        return unit.factor * 1e3, unit.offset
    if target == "%" and unit.dimension == "ratio":
        return 100.0, 0.0
    if target == "1" and unit.dimension == "percent":
        return 0.01, 0.0
    return unit.factor, unit.offset
