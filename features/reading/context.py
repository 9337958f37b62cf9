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
_BOARD = re.compile(
    r"(?<![a-z])(cpus?|dimm|gpus?|pch|psu|vrm|hdd|ssd|nvme|mainboard|chipset|pib|bmc)(?![a-z]).*temp"
)
_AMBIENT = re.compile(r"(?<![a-z])ambient(?![a-z])")
_FAN_OF_AIR = re.compile(
    r"(?<![a-z])(air|ahu|crahs?|cracs?|fcu|vav|supply|sf|return|room|hall|server)(?![a-z])|末端|空调|送风|回风|机房"
)
_TOWER = re.compile(r"(?<![a-z])(towers?|ct|cond(enser)?|cd?w[sr]?t?)(?![a-z])|冷却塔|冷却水")
_AIR_SIDE = frozenset(
    {"supply_air_temp_c", "room_air_temp_c", "server_inlet_temp_c", "supply_air_set_point_c"}
)
_BARE_TOTAL = re.compile(
    r"^总(有功)?(功率|电[能量度]|用电量?)$|^total( active| real)?( (power|energy|consumption))+$"
)
_OF_A_METER = re.compile(
    r"电压|电流|功率因[数素]|视在|无功|[abc]相|(?<![a-z])(volt(age)?s?|currents?|amps?|apparent|reactive"
    r"|power factor|pf|phase|l[123])(?![a-z])"
)
_MAIN_FILE = re.compile(
    r"市电|进线|总表|总|(?<![a-z])(main|incomer|utility|facility|site|total|grid|mdb|msb)", re.IGNORECASE
)
_BARE_WATER_OR_AIR = re.compile(
    r"^(supply|return|discharge|leaving)( temp(erature)?)?( ?set ?points?| sp)?( (c|f|k|deg ?c|deg ?f))?$"
)
_WATER_WORD = re.compile(
    r"(?<![a-z])(water|chillers?|chl?|chw[srp]?t?|cd?w[srp]?t?|condensers?|evap(orator)?|towers?|pumps?|gpm|tons?|tonnage)"
    r"(?![a-z])|(?<!air)(?<!air )flow|kw (rt|ton)|冷冻|冷却|冷机|水"
)
_AIR_WORD = re.compile(
    r"(?<![a-z])(air|ahus?|crahs?|cracs?|fcu|vav|dampers?|humi(d(ity)?)?|rh|filter|duct|sat|rat|mat|fans?)(?![a-z])|风|湿度"
)
_ONE_SERVER = re.compile(r"^(total|system|sys|server|fans?)( fans?)?( (total|power|energy|consumption))*$")
_SERVICE = re.compile(r"(?<![a-z])(cpu|mem(ory)?|qps|requests?|latency|http|disk|mcr|calls?)(?![a-z])")
_PLANT = re.compile(r"(?<![a-z])(hvac|rt|cop|cooling|wet bulb|plant)(?![a-z])|冷|制冷")
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
    words = {h: words_of(h) for h in headers}
    bare = {h for h, m in matches.items() if m.canonical in _WEATHER and _BARE.match(without_mean(words[h]))}
    if bare and not _is_weather(matches, headers, file, bare):
        for header in bare:
            said = say(
                "{evidence}, but nothing else here says that it is the weather",
                evidence=matches[header].evidence,
            )
            result[header] = replace(matches[header], confidence=_TOO_LITTLE, evidence=said)
    result |= dict(_of_other_files(matches, words, file))
    if not any(m.canonical == "pv_power_kw" for m in matches.values()):
        for header, found in matches.items():
            if found.canonical in _OF_A_SITE and _OF_A_PLANT.match(words[header]):
                said = say("{evidence}, but nothing here says whose energy it is", evidence=found.evidence)
                result[header] = replace(found, confidence=_TOO_LITTLE, evidence=said)
    for header, why in {
        **_board_air(matches, words),
        **_fans_of_a_tower(matches, words),
        **_totals_of_a_meter(matches, words, file),
        **_water_or_air(matches, words),
        **_one_server(matches, words),
        **_no_plant(matches, words),
    }.items():
        result[header] = replace(result[header], canonical=KNOWN, evidence=why)
    return result


def _of_other_files(
    matches: Mapping[str, Match], words: Mapping[str, str], file: str
) -> Iterator[tuple[str, Match]]:
    """Give the matches that the kind of file contradicts: accelerators, a power system, a thermal storage."""
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


def _board_air(matches: Mapping[str, Match], words: Mapping[str, str]) -> dict[str, str]:
    """Return ambient air beside sensors of a mainboard as what it is: the air in front of a server."""
    if not any(_BOARD.search(w) for w in words.values()):
        return {}
    return {
        h: say(
            "{evidence}, but beside sensors of a mainboard it is the air around a server", evidence=m.evidence
        )
        for h, m in matches.items()
        if m.canonical == "outdoor_dry_bulb_c" and _AMBIENT.search(words[h])
    }


def _fans_of_a_tower(matches: Mapping[str, Match], words: Mapping[str, str]) -> dict[str, str]:
    """Return fans without a word of air in a file of chillers and towers: they may be the tower's."""
    tower = any(_TOWER.search(w) for w in words.values())
    if not tower or any(m.canonical in _AIR_SIDE for m in matches.values()):
        return {}
    return {
        h: say(
            "{evidence}, but the file is of chillers and towers: it may be the tower's", evidence=m.evidence
        )
        for h, m in matches.items()
        if m.canonical == "fan_power_kw" and not _FAN_OF_AIR.search(words[h])
    }


def _water_or_air(matches: Mapping[str, Match], words: Mapping[str, str]) -> dict[str, str]:
    """Return a bare supply or return in a file that speaks of water and not of air."""
    if not any(map(_WATER_WORD.search, words.values())) or any(map(_AIR_WORD.search, words.values())):
        return {}
    return {
        h: say("{evidence}, but the file speaks of water and not of air", evidence=m.evidence)
        for h, m in matches.items()
        if m.canonical in _AIR_SIDE and _BARE_WATER_OR_AIR.match(words[h])
    }


def _one_server(matches: Mapping[str, Match], words: Mapping[str, str]) -> dict[str, str]:
    """Return system, total and fans beside sensors of a mainboard: they are those of one server."""
    if not any(_BOARD.search(w) for w in words.values()):
        return {}
    of_a_site = {"facility_power_kw", "cooling_power_kw", "fan_power_kw"}
    return {
        h: say("{evidence}, but beside sensors of a mainboard it is that of one server", evidence=m.evidence)
        for h, m in matches.items()
        if m.canonical in of_a_site and _ONE_SERVER.match(re.sub(r" (k?w|k?wh)$", "", words[h]))
    }


def _no_plant(matches: Mapping[str, Match], words: Mapping[str, str]) -> dict[str, str]:
    """Return a system's power where nothing speaks of a cooling plant, and RT where requests are counted."""
    plant = any(_WATER_WORD.search(w) or _PLANT.search(w) for w in words.values())
    service = any(map(_SERVICE.search, words.values()))
    return {
        h: say("{evidence}, but nothing else here speaks of a cooling plant", evidence=m.evidence)
        for h, m in matches.items()
        if (m.canonical == "cooling_power_kw" and re.match("sys(tem)? ", words[h] + " ") and not plant)
        or (m.canonical == "thermal_load_kw" and words[h] == "rt" and service)
    }


def _totals_of_a_meter(matches: Mapping[str, Match], words: Mapping[str, str], file: str) -> dict[str, str]:
    """Return bare totals beside voltages and currents: the total of one meter's phases, of any load."""
    if _MAIN_FILE.search(file) or not any(_OF_A_METER.search(w) for w in words.values()):
        return {}
    return {
        h: say(
            "{evidence}, but beside voltages or currents it is the total of one meter's phases",
            evidence=m.evidence,
        )
        for h, m in matches.items()
        if m.canonical == "facility_power_kw"
        and _BARE_TOTAL.search(re.sub(r" (kwh?|wh?|mwh?)$", "", words[h]))
    }


def _is_weather(matches: Mapping[str, Match], headers: tuple[str, ...], file: str, bare: set[str]) -> bool:
    others = {h for h, m in matches.items() if m.canonical in _WEATHER and h not in bare}
    words = any(_WEATHER_WORD.search(words_of(h)) for h in headers)
    return bool(others or words or _WEATHER_FILE.search(file))
