"""What the other columns and the file's name say of a header that says too little by itself.

``Temperature`` beside wind and dew point is the weather; beside a power meter it may be a room or a
rack. Chilled water in a file of the storage tank is the tank's, not the plant's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from features.message import Message, say
from features.reading.headers import KNOWN, Match, without_mean, words_of

_WEATHER = frozenset(
    {
        "outdoor_dry_bulb_c",
        "outdoor_wet_bulb_c",
        "outdoor_dew_point_c",
        "outdoor_rh_pct",
        "wind_speed_m_s",
        "air_pressure_kpa",
    }
)
_BARE = re.compile(
    r"^(temp(erature)?|t ?avg|air temp(erature)?|(relative )?hum(i(d(ity)?)?)?|rh|ps|sp|"
    r"相对湿度|湿度|温度)"
    r"( (c|f|k|pct|degc|degf|deg c|deg f))?$"
)
_WEATHER_WORD = re.compile(
    r"wind|gust|rain|precip|radiation|irradiance|cloud|visib|snow|sun ?shine|气象|天气|降水|降雨|辐射|风速"
)
_WEATHER_FILE = re.compile(r"weather|meteo|climate|epw|tmy|气象|天气", re.IGNORECASE)
_STORAGE_FILE = re.compile(r"蓄冷|蓄冰|storage|(?<![a-z])tes(?![a-z])", re.IGNORECASE)
_GENERATION = re.compile(
    r"(?<![a-z])(nuclear|lignite|hard coal|coal|gas|biomass|geothermal|hydro|fossil|wind (on|off)shore|nuc|"
    r"col|ng|net ?load|residual ?load|residuallast|netzlast|total load)(?![a-z])|"
    r"核电|水电|火电|煤电|风电|统调"
)
_OF_A_SITE = frozenset(
    ("pv_power_kw", "grid_power_kw", "facility_power_kw", "battery_charge_kw", "battery_discharge_kw")
)
_OF_A_PLANT = re.compile(r"^(energy |power )?(import(ed)?|(dis)?charged?)( (energy|power))?( [km]? ?wh?)?$")
"""What says too little of whose energy it is, except beside that of a photovoltaic plant."""
_KINDS_OF_GENERATION = 2
"""From so many other kinds of generation on, a file is that of a power system [1]."""
_ACCELERATOR = re.compile(r"(?<![a-z])(gpus?|gmem|vram|sm clock)")
_TOO_LITTLE = 0.4


def weighed(matches: Mapping[str, Match], headers: tuple[str, ...], file: str) -> dict[str, Match]:
    """Return the matches of one table, those that its context contradicts or does not bear out changed.

    Parameters
    ----------
    matches : dict
        Header -> what it means by itself.
    headers : tuple of str
        All headers of the table.
    file : str
        Name of the file without extension.
    """
    result = dict(matches)
    bare = {
        h for h, m in matches.items() if m.canonical in _WEATHER and _BARE.match(without_mean(words_of(h)))
    }
    if bare and not _is_weather(matches, headers, file, bare):
        for header in bare:
            said = say(
                "{evidence}, but nothing else here says that it is the weather",
                evidence=matches[header].evidence,
            )
            result[header] = replace(matches[header], confidence=_TOO_LITTLE, evidence=said)
    result |= dict(_of_other_files(matches, headers, file))
    if not any(m.canonical == "pv_power_kw" for m in matches.values()):
        for header, found in matches.items():
            if found.canonical in _OF_A_SITE and _OF_A_PLANT.match(words_of(header)):
                said = say("{evidence}, but nothing here says whose energy it is", evidence=found.evidence)
                result[header] = replace(found, confidence=_TOO_LITTLE, evidence=said)
    return result


def _of_other_files(
    matches: Mapping[str, Match], headers: tuple[str, ...], file: str
) -> Iterator[tuple[str, Match]]:
    """Give the matches that the kind of file contradicts: accelerators, a power system, a thermal storage."""
    words = {h: words_of(h) for h in headers}
    accelerators = any(_ACCELERATOR.search(w) for w in words.values())
    generation = sum(_GENERATION.search(w) is not None for w in words.values()) >= _KINDS_OF_GENERATION
    storage = _STORAGE_FILE.search(file) is not None
    for header, found in matches.items():
        of: Message
        if accelerators and found.canonical == "cpu_utilisation" and "cpu" not in words[header]:
            of = say("{evidence}, but the file is that of accelerators", evidence=found.evidence)
        elif generation and found.canonical in _OF_A_SITE:
            of = say("{evidence}, but the file is that of a power system", evidence=found.evidence)
        elif storage and found.canonical.startswith("chilled_water"):
            of = say("{evidence}, but the file is that of a thermal storage", evidence=found.evidence)
        else:
            continue
        yield header, replace(found, canonical=KNOWN, evidence=of)


def _is_weather(matches: Mapping[str, Match], headers: tuple[str, ...], file: str, bare: set[str]) -> bool:
    others = {h for h, m in matches.items() if m.canonical in _WEATHER and h not in bare}
    words = any(_WEATHER_WORD.search(words_of(h)) for h in headers)
    return bool(others or words or _WEATHER_FILE.search(file))
