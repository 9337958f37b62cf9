"""Headers as phrases: a medium, a side, a machine and a quantity, in any order, in English, Chinese or tags.

The vocabulary knows whole headers; building systems write millions of others, made of the same few words:
``CRAH-03 Supply Air Temperature``, ``AHU-1.SA-T``, ``1#冷水机组_冷冻水出水温度``. A phrase whose words
all agree has one meaning. A word that changes the meaning (a limit, a difference, a part of the load)
leaves it without one: a column that is left out is reported, a wrong one is not seen. Fragments follow
the abbreviations of ASHRAE Guideline 36 and Project Haystack and the instrument letters of ISA-5.1.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from features.reading.units import THERMAL_ONLY, Dimension, Unit, find_unit

SURE, LIKELY, HINTED = 0.85, 0.7, 0.6
"""Confidence where the words say all; where one is inferred; where a stranger stands beside them [1]."""
TOO_LITTLE = 0.4

_QUANTITY_OF: dict[Dimension, str] = {
    "power": "power",
    "energy": "energy",
    "temperature": "temperature",
    "flow": "flow",
    "pressure": "pressure",
    "volume": "volume",
}
"""What a declared unit says where no word names the quantity."""
_TEMPERATURES = frozenset(("wet_bulb", "dew_point"))
_HARMLESS = re.compile(
    "sensors?|meters?|measured|measurement|actual|values?|readings?|avg|average|mean|feedback|instantaneous|"
    "real|time|current|present|ave|building|bldg|block|floor|level|hall|module|north|south|east|west|site|"
    "station|number|units?|system|name|point|water|electric(al)?|demand|primary|secondary|delivered|import|"
    "consumed|used|yield|produced|data|analog|input|device|gateway|surface|hourly|step|node|whole|loop|riser|environment|starter|motor|panels?|interval|timestep|cumulative|accumulated|totali[sz]ed"
)
"""Words of more than three letters that change no meaning."""
_HARMLESS_CHINESE = re.compile(
    "平均|一次|二次|低压|高压|柜|屏|段|模块|包间|列|实时|实际值?|当前|瞬时|测量值?|反馈|显示|传感器|温度计|压力表|流量计|电表|设备|系统|号|楼|层|栋|区|[东南西北]侧?|"
    "消耗|输出|末端|机组|侧|值|电|水|正向|累计|累积|平|均|干|数|用|计|表|主管|管|路|网"
)


@dataclass(frozen=True)
class Term:
    """One line of the table of terms: a pattern, and the facets that it gives."""

    pattern: re.Pattern[str]
    gives: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Phrase:
    """What the words of a header say, facet by facet.

    Parameters
    ----------
    facets : dict
        Facet (medium, side, place, machine, quantity, about, tag) -> what is said of it, in the
        header's order.
    strangers : tuple of str
        Words without a known meaning.
    """

    facets: dict[str, tuple[str, ...]]
    strangers: tuple[str, ...]

    def of(self, facet: str) -> frozenset[str]:
        """Return what is said of one facet."""
        return frozenset(self.facets.get(facet, ()))


@dataclass(frozen=True)
class Meaning:
    """What a phrase means: a canonical column, or (``canonical`` empty) what nothing here uses."""

    canonical: str
    confidence: float
    said: tuple[str, ...]


@lru_cache(maxsize=1)
def terms() -> tuple[Term, ...]:
    """Return the table of terms in its order: what an earlier term takes, no later one sees."""
    text = files("features.reading").joinpath("terms.csv").read_text(encoding="utf-8")
    return tuple(
        Term(_bounded(row["pattern"]), tuple(_facet(g) for g in row["gives"].split()))
        for row in csv.DictReader(text.splitlines())
    )


def _bounded(pattern: str) -> re.Pattern[str]:
    """Return a pattern that does not begin or end inside a Latin word; digits and Chinese may touch it."""
    return re.compile(rf"(?<![a-z])(?:{pattern})(?![a-z])" if re.search("[a-z]", pattern) else pattern)


def _facet(text: str) -> tuple[str, str]:
    name, _, value = text.partition(":")
    return name, value


def phrase(words: str) -> Phrase:
    """Return what the words of a header say.

    Parameters
    ----------
    words : str
        Plain lower-case words (`features.reading.headers.words_of`).
    """
    found: list[tuple[int, str, str]] = []
    rest = words
    for entry in terms():
        for hit in entry.pattern.finditer(rest):
            if hit.group():
                found += [(hit.start(), facet, value) for facet, value in entry.gives]
        rest = entry.pattern.sub(lambda hit: "\x00" * len(hit.group()), rest)
    facets: dict[str, tuple[str, ...]] = {}
    for _, facet, value in sorted(found, key=lambda f: f[0]):
        if value not in facets.get(facet, ()):
            facets[facet] = (*facets.get(facet, ()), value)
    return Phrase(facets, tuple(_strangers(rest)))


def _strangers(rest: str) -> Iterable[str]:
    """Return the words that no term took and that are neither a tag, a number nor harmless."""
    for word in re.split(r"[\x00\s]+", _HARMLESS_CHINESE.sub(" ", rest)):
        bare = re.sub(r"[\d#]+", "", word)
        if re.search(r"[\u4e00-\u9fff]", bare) or (len(bare) > 3 and not _HARMLESS.fullmatch(bare)):
            yield word


def meaning(words: str, unit: Unit | None) -> Meaning | None:
    """Return what a header of a data centre means by its words and unit; None: no quantity is named.

    Parameters
    ----------
    words : str
        Plain lower-case words, without the unit.
    unit : Unit or None
        What the header declares.
    """
    said = phrase(words)
    quantity = _quantity(said, unit)
    if not quantity:
        return None
    others = said.of("quantity") - {quantity} - ({"temperature"} if quantity in _TEMPERATURES else set())
    described = tuple(
        dict.fromkeys(
            v.replace("_", " ")
            for f in ("medium", "side", "machine", "place", "about")
            for v in said.facets.get(f, ())
        )
    )
    described += tuple(q.replace("_", " ") for q in (quantity,))
    if others:
        return Meaning("", SURE, described)
    canonical, confidence = _canonical(said, quantity, unit)
    if canonical and said.strangers:
        # three letters beside a strange word are as likely another abbreviation (RAT: radio access)
        weak = quantity in ("power", "energy", "load", "flow") or bool(said.of("tag"))
        confidence = TOO_LITTLE if weak else min(confidence, HINTED)
    return Meaning(canonical, confidence, described)


def unit_in(words: str) -> Unit | None:
    """Return the unit that stands among the words, as in ``ch 1 kw``."""
    units = {u.symbol: u for w in words.split() if w in _UNIT_WORDS and (u := find_unit(w)) is not None}
    return next(iter(units.values())) if len(units) == 1 else None


_UNIT_WORDS = frozenset(("kw", "kwh", "mw", "mwh", "gpm", "degc", "degf"))


def _quantity(said: Phrase, unit: Unit | None) -> str:
    named = said.facets.get("quantity", ())
    if named:
        return next((n for n in named if n in _TEMPERATURES), named[0])
    plant = "chilled_water" in said.of("medium") or "chiller" in said.of("machine")
    if unit is not None and unit.symbol in THERMAL_ONLY and plant:
        return "heat"
    if unit is not None and unit.dimension in _QUANTITY_OF:
        return _QUANTITY_OF[unit.dimension]
    if "set_point" in said.of("about") and said.of("medium") & {"chilled_water", "supply_air"}:
        return "temperature"
    return ""


def _canonical(said: Phrase, quantity: str, unit: Unit | None) -> tuple[str, float]:
    """Return the canonical column ("" where the phrase has none) and the confidence."""
    about = said.of("about") - {"room", "total"}
    if quantity in ("power", "energy", "load"):
        return _electric(said, quantity, about, unit)
    if quantity == "heat" and (unit is None or unit.dimension != "power"):
        return "", SURE
    for rule in _RULES:
        if rule.fits(said, quantity, about):
            return rule.canonical, rule.confidence
    return "", SURE


# -- what is not electric ------------------------------------------------------------------------
@dataclass(frozen=True)
class _Rule:
    """One meaning: exactly this medium and about, one of these sides and places, no other machine.

    ``-`` among sides or places: none may be named; ``*``: any.
    """

    canonical: str
    quantity: str
    medium: str
    sides: str = "*"
    places: str = "-"
    machines: str = ""
    needs: str = ""
    about: str = ""
    confidence: float = SURE

    def fits(self, said: Phrase, quantity: str, about: frozenset[str]) -> bool:
        """Whether a phrase has this meaning."""
        machine = said.of("machine")
        return (
            quantity == self.quantity
            and about == frozenset(self.about.split())
            and said.of("medium") == frozenset(self.medium.split())
            and _one_of(said.of("side"), self.sides)
            and _one_of(said.of("place"), self.places)
            and machine <= {*self.machines.split(), *self.needs.split()}
            and (not self.needs or bool(machine & {*self.needs.split()}))
        )


def _one_of(said: frozenset[str], allowed: str) -> bool:
    if allowed == "*":
        return True
    return bool(said or {"-"} & {*allowed.split()}) and said <= {*allowed.split()}


_CHW = "chilled_water"
_AIR_UNITS = "air_handler crac cooling fan"
_RULES = (
    _Rule("chilled_water_supply_temp_c", "temperature", _CHW, "supply leaving", machines="chiller cooling"),
    _Rule("chilled_water_return_temp_c", "temperature", _CHW, "return entering", machines="chiller cooling"),
    # condenser water that enters the chillers; it leaves the tower
    _Rule("condenser_water_temp_c", "temperature", "condenser_water", "supply", machines="chiller tower"),
    _Rule("condenser_water_temp_c", "temperature", "condenser_water", "entering", machines="chiller"),
    _Rule("condenser_water_temp_c", "temperature", "condenser_water", "leaving", needs="tower"),
    _Rule("condenser_water_temp_c", "temperature", "", "leaving", needs="tower", confidence=LIKELY),
    _Rule("condenser_water_temp_c", "temperature", "", "supply", needs="tower", confidence=LIKELY),
    _Rule("supply_air_temp_c", "temperature", "supply_air", machines=_AIR_UNITS),
    _Rule("supply_air_temp_c", "temperature", "", "supply", needs="air_handler crac", confidence=LIKELY),
    _Rule("room_air_temp_c", "temperature", "return_air", machines=_AIR_UNITS),
    _Rule("room_air_temp_c", "temperature", "", "return", needs="air_handler crac", confidence=LIKELY),
    _Rule("room_air_temp_c", "temperature", "", places="hot_aisle", machines="part_of_it"),
    _Rule("server_inlet_temp_c", "temperature", "", places="cold_aisle server_inlet", machines="part_of_it"),
    _Rule("server_inlet_temp_c", "temperature", "", "entering", needs="it", confidence=LIKELY),
    _Rule(
        "server_inlet_temp_c", "temperature", "", places="cold_aisle server_inlet", machines="part_of_it",
        about="maximum",
    ),
    _Rule("outdoor_dry_bulb_c", "temperature", "outdoor_air", machines=_AIR_UNITS),
    _Rule("outdoor_dry_bulb_c", "temperature", "", "dry"),
    _Rule(
        "chilled_water_set_point_c", "temperature", "chilled_water", "supply leaving -", machines="chiller",
        about="set_point",
    ),
    _Rule(
        "chilled_water_set_point_c", "temperature", "", "supply leaving -", needs="chiller",
        about="set_point", confidence=LIKELY,
    ),
    _Rule("supply_air_set_point_c", "temperature", "supply_air", machines=_AIR_UNITS, about="set_point"),
    _Rule(
        "supply_air_set_point_c", "temperature", "", "supply", needs="air_handler crac", about="set_point",
        confidence=LIKELY,
    ),
    _Rule(
        "zone_set_point_c", "temperature", "", "-", "room cold_aisle", machines="cooling", about="set_point",
        confidence=LIKELY,
    ),
    _Rule("outdoor_rh_pct", "humidity", "outdoor_air"),
    _Rule("outdoor_dew_point_c", "dew_point", "outdoor_air"),
    _Rule("outdoor_wet_bulb_c", "wet_bulb", "outdoor_air"),
    _Rule("outdoor_wet_bulb_c", "wet_bulb", "", "-", confidence=HINTED),
    _Rule("server_inlet_rh_pct", "humidity", "", places="cold_aisle server_inlet"),
    _Rule("server_inlet_dew_point_c", "dew_point", "", places="cold_aisle server_inlet"),
    _Rule("chilled_water_flow_l_s", "flow", "chilled_water", machines="chiller"),
    _Rule("thermal_load_kw", "heat", "chilled_water", machines="chiller cooling", confidence=LIKELY),
    _Rule("thermal_load_kw", "heat", "", machines="chiller cooling facility", confidence=LIKELY),
    _Rule("air_pressure_kpa", "pressure", "outdoor_air", confidence=LIKELY),
    _Rule("wind_speed_m_s", "wind_speed", "outdoor_air"),
    _Rule("wind_speed_m_s", "wind_speed", ""),
    _Rule("pue", "pue", ""),
)  # fmt: skip


# -- power and energy ----------------------------------------------------------------------------
_METERED = {
    "it": "it_power_kw",
    "ups_output": "it_power_kw",
    "facility": "facility_power_kw",
    "cooling": "cooling_power_kw",
    "chiller": "chiller_power_kw",
    "tower": "tower_fan_power_kw",
    "pump": "pump_power_kw",
    "fan": "fan_power_kw",
    "air_handler": "fan_power_kw",
    "pv": "pv_power_kw",
}
_LESS_SURE = {"ups_output": HINTED, "air_handler": HINTED, "facility": LIKELY}
"""A UPS may feed pumps too; an air handler has humidifiers; a main meter may be one of two."""


def _electric(said: Phrase, quantity: str, about: frozenset[str], unit: Unit | None) -> tuple[str, float]:
    """Return the meter of one machine; a part, a limit or two machines have no canonical column."""
    machine = _one_machine(said)
    share = unit is not None and unit.dimension in ("percent", "ratio")
    elsewhere = said.of("medium") - {"chilled_water", "condenser_water", "supply_air"} or said.of("place") - {
        "room"
    }
    water = said.of("medium") - {"supply_air"} and machine not in ("pump", "chiller", "tower")
    thermal = quantity == "load" and (machine not in ("it", "ups_output") or unit is None)
    if about or share or elsewhere or water or thermal or machine not in _METERED:
        return "", SURE
    return _METERED[machine], _LESS_SURE.get(machine, SURE)


def _one_machine(said: Phrase) -> str:
    """Return the machine that the meter belongs to; ``""``: none, or several."""
    machines = set(said.of("machine"))
    if "it" in machines or "cooling" in machines:
        machines -= {"facility"}
    if "pump" in machines:
        machines -= {"chiller", "tower", "cooling"}
    if "fan" in machines:
        machines -= {"air_handler", "crac"}
        if "tower" in machines:
            machines -= {"fan", "cooling"}
    if "it" in machines:
        machines -= {"ups", "ups_output"}
    if machines & {"chiller", "tower"}:
        machines -= {"cooling"}
    if machines & {"chiller", "tower", "pump"}:
        machines -= {"facility"}
    return next(iter(machines)) if len(machines) == 1 else ""
