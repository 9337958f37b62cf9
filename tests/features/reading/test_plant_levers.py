"""Header words and units of the levers that only some sites have."""

from __future__ import annotations

import pytest

from features.levers import AIRFLOW, APPROACH, CHANGEOVER, EVAPORATIVE
from features.reading.headers import match
from features.reading.units import UNITS, line_to


@pytest.mark.parametrize(
    ("header", "canonical", "unit"),
    [
        ("Cooling tower approach setpoint (K)", APPROACH, "K"),
        ("tower approach SP (°F)", APPROACH, "degF"),
        ("冷却塔逼近度设定值(℃)", APPROACH, "degC"),
        ("CRAH fan speed setpoint (%)", AIRFLOW, "%"),
        ("AHU airflow set-point %", AIRFLOW, "%"),
        ("精密空调风机转速设定(%)", AIRFLOW, "%"),
        ("Economizer changeover temperature (°C)", CHANGEOVER, "degC"),
        ("free cooling enable temp (°F)", CHANGEOVER, "degF"),
        ("自然冷却切换温度(℃)", CHANGEOVER, "degC"),
        ("Evaporative cooling mode", EVAPORATIVE, None),
        ("adiabatic assist enabled", EVAPORATIVE, None),
        ("喷淋模式", EVAPORATIVE, None),
    ],
)
def test_usual_headers_are_recognised(header: str, canonical: str, unit: str | None) -> None:
    found = match(header, "data-centre")
    assert found is not None
    assert found.canonical == canonical
    assert (found.unit.symbol if found.unit else None) == unit


@pytest.mark.parametrize(
    ("header", "canonical"),
    [
        ("Cooling tower fan power (kW)", "tower_fan_power_kw"),
        ("Evaporative cooler power (kW)", "evaporative_power_kw"),
        ("Supply air temp setpoint (°C)", "supply_air_set_point_c"),
        ("Fan power (kW)", "fan_power_kw"),
    ],
)
def test_neighbours_keep_their_meaning(header: str, canonical: str) -> None:
    found = match(header, "data-centre")
    assert found is not None
    assert found.canonical == canonical


def test_an_approach_is_a_difference() -> None:
    assert line_to(APPROACH, UNITS["K"]) == (1.0, 0.0)
    assert line_to(APPROACH, UNITS["degC"]) == (1.0, 0.0)
    assert line_to(APPROACH, UNITS["degF"]) == (5 / 9, 0.0)
    assert line_to(CHANGEOVER, UNITS["K"]) == (1.0, -273.15)
