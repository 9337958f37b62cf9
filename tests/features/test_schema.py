from __future__ import annotations

import re

import pytest

from features.schema import KEY_COLUMNS, SCHEMA, column, schema_markdown

SUFFIX = {
    "_kw": "kW",
    "_kwh": "kWh",
    "_w": "W",
    "_c": "degC",
    "_k": "K",
    "_pct": "%",
    "_m3": "m3",
    "_rel": "rel",
    "_mhz": "MHz",
    "_kpa": "kPa",
    "_l_s": "L/s",
    "_m_s": "m/s",
    "_g_per_kwh": "g/kWh",
    "price_per_kwh": "currency/kWh",
}


def test_the_name_carries_the_unit():
    for entry in SCHEMA.values():
        suffixes = [s for s in SUFFIX if entry.name.endswith(s)]
        if suffixes:
            assert entry.unit == SUFFIX[max(suffixes, key=len)], entry.name
        else:
            assert entry.unit in ("1", ""), f"{entry.name} has unit {entry.unit} but no suffix"


def test_every_column_is_sound():
    for name, entry in SCHEMA.items():
        assert name == entry.name
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
        assert entry.meaning
        assert name not in KEY_COLUMNS
        assert entry.text or entry.lower < entry.upper
        assert entry.text == (entry.unit == "")


def test_roles_that_the_advice_relies_on():
    for name in ("zone_set_point_c", "supply_air_set_point_c", "chilled_water_set_point_c", "sleep_mode_1"):
        assert SCHEMA[name].role == "lever"
    for name in ("facility_power_kw", "it_power_kw", "pue", "station_energy_kwh", "water_m3"):
        assert SCHEMA[name].role == "outcome"
    for name in ("outdoor_dry_bulb_c", "outdoor_wet_bulb_c", "prb_utilisation", "cpu_utilisation"):
        assert SCHEMA[name].role == "disturbance"
    # IT power answers to the inlet temperature: it must never count as given work.
    assert SCHEMA["it_power_kw"].role != "disturbance"


def test_energy_is_summed_and_power_is_averaged():
    assert SCHEMA["station_energy_kwh"].aggregation == "sum"
    assert SCHEMA["water_m3"].aggregation == "sum"
    assert SCHEMA["battery_soc_kwh"].aggregation == "instant"
    powers = [e for e in SCHEMA.values() if e.unit in ("kW", "W")]
    assert powers
    assert {e.aggregation for e in powers} == {"mean"}


def test_relative_energy_has_no_physical_unit():
    assert SCHEMA["station_energy_rel"].unit == "rel"


def test_a_near_name_is_offered():
    with pytest.raises(KeyError, match="it_power_kw"):
        column("it_power")
    assert column("pue").lower == 1.0


def test_the_documentation_lists_every_column():
    text = schema_markdown()
    assert all(f"| `{name}` |" in text for name in SCHEMA)
    assert len(text.strip().splitlines()) == len(SCHEMA) + 2
