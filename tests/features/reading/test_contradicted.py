"""Words that the other columns, or the values themselves, contradict; tables without the usual names."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.errors import QuestionError, UnrecognisedError
from features.reading import read_export
from features.reading.headers import match
from tests.features.reading.conftest import Writer

HOURS = 72
STAMPS = pd.date_range("2025-03-01", periods=HOURS, freq="h")
HOUR = np.arange(HOURS)


def table(**columns: object) -> str:
    return pd.DataFrame({"timestamp": STAMPS.strftime("%Y-%m-%d %H:%M"), **columns}).to_csv(index=False)


def mapped(write: Writer, name: str = "plant.csv", **columns: object) -> dict[str, tuple[str, str]]:
    reading = read_export(write(table(**columns), name))
    return {c.source: (c.canonical, c.unit) for f in reading.mapping.file for c in f.column}


def why(write: Writer, header: str, **columns: object) -> str:
    reading = read_export(write(table(**columns)))
    return next(str(c.evidence) for f in reading.mapping.file for c in f.column if c.source == header)


@pytest.mark.parametrize(("share", "used"), [(0.3, "ignore"), (1.1, "thermal_load_kw")])
def test_a_cooling_load_below_the_it_power_is_no_heat(write: Writer, share: float, used: str) -> None:
    it = 800.0 + HOUR % 24
    columns = {"IT load (kW)": it, "Cooling load (kW)": share * it}
    assert mapped(write, **columns)["Cooling load (kW)"][0] == used
    if used == "ignore":
        assert "0.30 of the IT power" in why(write, "Cooling load (kW)", **columns)


@pytest.mark.parametrize(("apart", "used"), [(4.0, "condenser_water_temp_c"), (-4.0, "ignore")])
def test_condenser_water_that_is_warmer_than_its_return_enters_no_chiller(
    write: Writer, apart: float, used: str
) -> None:
    supply = 26.3 + 0.1 * (HOUR % 24)
    found = mapped(
        write, **{"CW supply temp (°C)": supply, "CW return temp (°C)": supply + apart, "kW IT": 500.5 + HOUR}
    )
    assert found["CW supply temp (°C)"][0] == used
    assert found["CW return temp (°C)"][0] == "ignore"


@pytest.mark.parametrize(("times", "used"), [(5.0, "ignore"), (1.4, "cooling_power_kw")])
def test_cooling_several_times_the_chillers_is_heat(write: Writer, times: float, used: str) -> None:
    chiller = 80.5 + HOUR % 9
    found = mapped(write, **{"Chiller power (kW)": chiller, "Cooling power (kW)": times * chiller})
    assert found["Cooling power (kW)"][0] == used
    assert found["Chiller power (kW)"][0] == "chiller_power_kw"


@pytest.mark.parametrize("total", ["总有功功率(kW)", "Total power (kW)"])
def test_the_total_of_one_meter_is_not_the_site(write: Writer, total: str) -> None:
    load = {total: 12.5 + HOUR % 7, "Outdoor temp (°C)": 10.5 + HOUR % 9}
    assert mapped(write, "rack 7.csv", **load)[total][0] == "facility_power_kw"
    assert mapped(write, "rack 7.csv", **load, **{"A相电流(A)": 20.5 + HOUR % 5})[total][0] == "ignore"
    assert mapped(write, "incomer.csv", **load, **{"A相电流(A)": 20.5})[total][0] == "facility_power_kw"


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        (("UPS output power (kW)", "Load (%)", "Frequency (Hz)"), "data-centre"),
        (("Rack 1 power (kW)", "Power (kW)", "Outdoor temp (°C)"), "data-centre"),
        (("Load (%)", "Energy (kWh)"), "base-station"),
        (("BS", "Load (%)", "Energy (kWh)", "Voltage (V)"), "base-station"),
    ],
)
def test_words_of_any_machine_make_no_base_station(
    write: Writer, columns: tuple[str, ...], kind: str
) -> None:
    values = {c: ["b1"] * HOURS if c == "BS" else 40.5 + HOUR % 9 for c in columns}
    assert read_export(write(table(**values))).mapping.kind == kind


def test_a_meter_alone_is_no_base_station(write: Writer) -> None:
    with pytest.raises(UnrecognisedError):
        read_export(write(table(**{"Power (kW)": 40.5 + HOUR, "PF": 0.95, "Voltage (V)": 400.0})))


@pytest.mark.parametrize(
    ("beside", "used"), [("Flow (L/s)", "ignore"), ("Fan speed (%)", "supply_air_temp_c")]
)
def test_a_bare_supply_is_air_or_water_by_its_file(write: Writer, beside: str, used: str) -> None:
    columns = {
        "Supply Temp (°C)": 12.5 + HOUR % 3,
        beside: 60.5 + HOUR % 9,
        "Outdoor temp (°C)": 9.5 + HOUR % 8,
    }
    assert mapped(write, **columns)["Supply Temp (°C)"][0] == used


def test_the_power_of_one_server_is_not_the_site(write: Writer) -> None:
    load = {
        "Total Power (kW)": 0.45 + HOUR % 5 / 100,
        "System Power (kW)": 0.4,
        "Outdoor temp (°C)": 9.5 + HOUR,
    }
    assert mapped(write, **load)["Total Power (kW)"][0] == "facility_power_kw"
    found = mapped(write, **load, **{"CPU1 Temp": 55.5})
    assert {found[h][0] for h in ("Total Power (kW)", "System Power (kW)")} == {"ignore"}


def test_response_times_are_no_refrigeration_tons(write: Writer) -> None:
    found = mapped(write, cpu_util=0.3 + HOUR / 1000, rt=35.5 + HOUR, qps=900 + HOUR)
    assert (found["cpu_util"][0], found["rt"][0]) == ("cpu_utilisation", "ignore")


def test_tenths_of_a_degree_under_chinese_headers(write: Writer) -> None:
    found = mapped(write, 冷冻水供水温度=70 + HOUR % 5, 冷冻水回水温度=121 + HOUR % 9, 室外温度=240 + HOUR)
    assert {unit for canonical, unit in found.values() if canonical.endswith("_c")} == {"0.1 degC"}


def test_pumps_of_different_water_are_added(write: Writer) -> None:
    pumps = {"CHWP-1 kW": 20.5 + HOUR % 3, "CHWP-2 kW": 5.5 + HOUR % 2, "CWP-1 kW": 25.5 + HOUR % 5}
    frame = read_export(write(table(**pumps))).telemetry().frame
    assert frame["pump_power_kw"].tolist() == pytest.approx(np.sum(list(pumps.values()), axis=0).tolist())
    total = mapped(write, "t.csv", **pumps, **{"Total pump power (kW)": 60.5 + HOUR % 5})
    assert [h for h, (canonical, _) in total.items() if canonical == "pump_power_kw"] == [
        "Total pump power (kW)"
    ]


def test_wind_at_another_height_is_not_averaged(write: Writer) -> None:
    found = mapped(write, **{f"wind_speed_{m}m (m/s)": 3.5 + HOUR % m for m in (10, 100)})
    assert [c for c, _ in found.values()] == ["wind_speed_m_s", "ignore"]


def test_fans_in_a_file_of_towers_are_not_those_of_air_handlers(write: Writer) -> None:
    fans = {"Fan A kW": 9.5 + HOUR % 5, "CWST (°C)": 24.1 + HOUR % 7, "Chiller 1 kW": 100.5 + HOUR % 9}
    found = mapped(write, **fans)
    assert found["Fan A kW"][0] == "ignore"
    # a fan's meter that is left out shows that the chiller's is not all of the cooling
    assert found["Chiller 1 kW"][0] == "chiller_power_kw"
    assert mapped(write, **fans, **{"Supply air temp (°C)": 18.5 + HOUR % 3})["Fan A kW"][0] == "fan_power_kw"


def test_ambient_air_beside_a_mainboard_is_no_weather(write: Writer) -> None:
    columns = {"IT power (kW)": 50.5 + HOUR, "Ambient temp (°C)": 22.5 + HOUR % 5}
    assert mapped(write, **columns)["Ambient temp (°C)"][0] == "outdoor_dry_bulb_c"
    assert mapped(write, **columns, **{"CPU1 temp": 60.5 + HOUR % 9})["Ambient temp (°C)"][0] == "ignore"


@pytest.mark.parametrize(("scale", "unit"), [(1.0, "kW"), (1e3, "W")])
def test_the_power_of_machines_tells_its_unit(write: Writer, scale: float, unit: str) -> None:
    chiller, pump = scale * (98.0 + HOUR % 11), scale * (17.0 + HOUR % 3)
    found = mapped(write, **{"Chiller power": chiller, "CHW pump power": pump})
    assert found["Chiller power"][1] == found["CHW pump power"][1] == unit


def test_a_chiller_that_could_be_small_or_a_plant_is_asked_for(write: Writer) -> None:
    with pytest.raises(QuestionError):  # 5 kW or 5 MW
        read_export(write(table(**{"Chiller power": 5000.0 + HOUR})))


def test_zeros_of_a_machine_that_is_off_are_no_temperatures(write: Writer) -> None:
    water = np.where(HOUR % 3 == 0, 7.2 + HOUR % 5 / 10, 0.0)
    assert mapped(write, **{"CHWST": water, "IT power (kW)": 50.5 + HOUR})["CHWST"] == (
        "chilled_water_supply_temp_c",
        "degC",
    )


def test_rows_with_names_that_the_header_does_not_count(write: Writer) -> None:
    lines = table(**{"IT power (kW)": 50.5 + HOUR}).splitlines()
    text = "\n".join([lines[0], *(f"{i},{line}" for i, line in enumerate(lines[1:], 1))])
    reading = read_export(write(text))
    assert reading.telemetry().frame["it_power_kw"].tolist() == (50.5 + HOUR).tolist()
    again = read_export(write(text), mapping=reading.mapping)
    pd.testing.assert_frame_equal(again.telemetry().frame, reading.telemetry().frame)


def test_a_type_beside_a_unit_names_the_point(write: Writer) -> None:
    rows = "".join(
        f"2025-03-01 {h:02d}:00,{name},{unit},{first + h}.5\n"
        for h in range(24)
        for name, unit, first in (("server power", "kW", 80), ("cpu utilisation", "%", 30))
    )
    frame = read_export(write("time,type,unit,value\n" + rows)).telemetry().frame
    assert frame["it_power_kw"].tolist() == [80.5 + h for h in range(24)]
    assert frame["cpu_utilisation"].max() == pytest.approx(0.535)


def test_numbered_towers_are_units(write: Writer) -> None:
    rows = "".join(f"CT-{n},2025-03-01 {h:02d}:00,{60 + h}.{n}\n" for h in range(24) for n in (1, 2))
    frame = read_export(write("tower_id,time,wet_bulb_temp (°F)\n" + rows)).telemetry().frame
    assert sorted(frame["unit_id"].unique()) == ["CT-1", "CT-2"]


@pytest.mark.parametrize(
    ("header", "canonical", "unit"),
    [
        ("CHW_RT (°C)", "chilled_water_return_temp_c", "degC"),  # no refrigeration tons
        ("Temp Evap In (°C)", "chilled_water_return_temp_c", "degC"),  # no inches
        ("Cooling demand (kW)", "thermal_load_kw", "kW"),
        ("冰水出水溫度(℃)", "chilled_water_supply_temp_c", "degC"),
        ("冰水主機功率(kW)", "chiller_power_kw", "kW"),
        ("冷水還温度(℃)", "chilled_water_return_temp_c", "degC"),
        ("冷凍機消費電力(kW)", "chiller_power_kw", "kW"),
        ("外氣溫度(℃)", "outdoor_dry_bulb_c", "degC"),
        ("Chiller 1 cooling power (kW)", "thermal_load_kw", "kW"),
        ("CRAH1 Supply Temp Setpoint F", "supply_air_set_point_c", "degF"),
        ("TChiWatSup (K)", "chilled_water_supply_temp_c", "K"),
        ("TConWatEnt (K)", "condenser_water_temp_c", "K"),
        ("DPM-CH-2-kW", "chiller_power_kw", "kW"),
    ],
)
def test_tags_of_plants(header: str, canonical: str, unit: str) -> None:
    found = match(header, "data-centre")
    assert found is not None
    assert (found.canonical, found.unit.symbol if found.unit else "") == (canonical, unit)
