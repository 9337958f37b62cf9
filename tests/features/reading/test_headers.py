"""Headers of many systems: what their words mean, and what nothing may be made of."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from features.errors import DataError, QuestionError
from features.reading import Mapping, read_export
from features.reading.headers import KNOWN, match
from features.reading.timeaxis import parse
from tests.benchmarks.columns import ELSEWHERE, judged_header, rows_of
from tests.features.reading.conftest import Writer

HOURS = 48
STAMPS = pd.date_range("2025-03-01", periods=HOURS, freq="h")


def table(**columns: object) -> str:
    return pd.DataFrame({"timestamp": STAMPS.strftime("%Y-%m-%d %H:%M"), **columns}).to_csv(index=False)


def used(path: Path) -> dict[str, str]:
    reading = read_export(path)
    return {c.source: c.canonical for f in reading.mapping.file for c in f.column if c.canonical != "ignore"}


def test_no_header_of_another_system_is_read_wrongly() -> None:
    verdicts = {f"{r['system']}: {r['header']}": judged_header(r) for r in rows_of(ELSEWHERE)}
    assert [h for h, v in verdicts.items() if v == "wrong"] == []
    assert sum(v == "right" for v in verdicts.values()) >= 0.97 * len(verdicts)


@pytest.mark.parametrize(
    "header",
    [
        "IT Load Limit (kW)",
        "Chiller 1 Rated Power (kW)",
        "IT Power (kVA)",
        "Chiller Energy (A)",
        "Kitchen Cooling Power (kW)",
        "Office lighting power kW",
        "Chilled water supply-return temperature difference (°C)",
        "冷冻水供回水温差(℃)",
        "IT总功率因数",
        "AC Power (kW)",
        "Hot water supply temperature (°C)",
        "IT power yesterday (kWh)",
        "UPS output L1 (kW)",
    ],
)
def test_a_word_that_changes_the_meaning_leaves_no_column(header: str) -> None:
    found = match(header, "data-centre")
    assert found is None or found.canonical == KNOWN or found.confidence < 0.5, found


def test_known_columns_that_nothing_uses_are_named(write: Writer) -> None:
    text = table(**{"IT power (kW)": range(50, 50 + HOURS), "CHW pump 1 speed (Hz)": range(HOURS)})
    reading = read_export(write(text))
    evidence = next(i.evidence for i in reading.issues if i.code == "D-COLUMN-IGNORED")
    assert "'CHW pump 1 speed (Hz)': read as chilled water pump speed; nothing here uses it" in evidence


@pytest.mark.parametrize(
    ("counter", "canonical", "unit"),
    [
        ("PEE.AvgPower", "station_power_w", "W"),
        ("PEE.Energy", "station_energy_kwh", "kWh"),
        ("RRU.PrbTotDl", "prb_utilisation", "%"),
        ("RRU.PrbTotDl.010003e8", KNOWN, ""),
        ("RRU.PrbTotUl", KNOWN, ""),
        ("RRU.PrbUsedDl", KNOWN, ""),
        ("RRU.MaxPrbUsedDl.01", KNOWN, ""),
        ("PEE.MaxPower", KNOWN, ""),
        ("DRB.UEThpDl.226F04", KNOWN, ""),
    ],
)
def test_counters_have_the_units_of_the_standard(counter: str, canonical: str, unit: str) -> None:
    found = match(counter, "base-station")
    assert found is not None
    assert (found.canonical, found.unit.symbol if found.unit else "") == (canonical, unit)


@pytest.mark.parametrize("other", ["outdoor_dry_bulb_c", "it_power_kw"])
def test_two_layouts_of_several_sites_are_sites_only_where_they_measure_the_same(
    write: Writer, other: str
) -> None:
    rows = "".join(f"2025-03-01 {h:02d}:00,{20 + h % 5}\n" for h in range(24))
    for name in "ab":
        write("timestamp,outdoor_dry_bulb_c\n" + rows, f"in/{name}1.csv")
        second = f"time,{other},outdoor_rh_pct\n" + rows.replace("\n", ",50\n")
        folder = write(second, f"in/{name}2.csv").parent
    if other == "outdoor_dry_bulb_c":
        assert read_export(folder).telemetry().site_ids == ["a1", "a2", "b1", "b2"]
        return
    with pytest.raises(DataError) as caught:
        read_export(folder)
    assert caught.value.code == "E-FOLDER-MIXED"


def test_which_of_two_meters_is_it_is_asked(write: Writer) -> None:
    hall = [100.0 + h % 7 for h in range(HOURS)]
    text = table(**{"Server power (kW)": hall, "Computing power (kW)": [0.6 * v for v in hall]})
    path = write(text)
    with pytest.raises(QuestionError) as caught:
        read_export(path)
    assert caught.value.code == "E-QUESTION-METER"
    assert "medians 103 and 61.8 kW" in caught.value.what
    answer = 'version = 1\n[[answer]]\ncolumn = "Computing power (kW)"\ncanonical = "ignore"\n'
    reading = read_export(path, mapping=Mapping.from_toml(answer))
    assert reading.telemetry().frame["it_power_kw"].tolist() == hall
    # two readings of one load are no doubt, and a total goes before its part
    assert used(write(table(**{"Server power (kW)": hall, "Computing power (kW)": hall}), "b.csv"))
    total = used(write(table(**{"Server power (kW)": [1.0] * HOURS, "IT total power (kW)": hall}), "c.csv"))
    assert total == {"IT total power (kW)": "it_power_kw"}


def test_a_column_that_stands_twice_counts_once(write: Writer) -> None:
    power = [f"{50 + i % 7}.5" for i in range(HOURS)]
    once = table(**{"IT power (kW)": power})
    lines = [line + "," + line.split(",")[1] for line in once.splitlines()]
    both = read_export(write("\n".join(lines), "twice.csv")).telemetry().frame["it_power_kw"]
    assert both.tolist() == [float(p) for p in power]


def test_numbered_meters_are_summed_beside_another_name(write: Writer) -> None:
    text = table(
        **{
            "CH-1 power (kW)": [10.0] * HOURS,
            "CH-2 power (kW)": [20.0] * HOURS,
            "Chiller energy (kWh)": range(HOURS),
            "CT-1 fan power (kW)": [1.0] * HOURS,
        }
    )
    frame = read_export(write(text)).telemetry().frame
    assert (frame["chiller_power_kw"] == 30.0).all()


def test_a_bare_temperature_is_the_weather_only_beside_weather(write: Writer) -> None:
    air = [15.0 + h % 9 for h in range(HOURS)]
    room = table(**{"it_power_kw": [50.0] * HOURS, "Temperature (C)": air, "Humidity (%)": [40.0] * HOURS})
    assert used(write(room, "room.csv")) == {"it_power_kw": "it_power_kw"}
    beside = table(
        **{"Temperature (C)": air, "Humidity (%)": [40.0] * HOURS, "Wind Speed (m/s)": [3.0] * HOURS}
    )
    assert used(write(beside, "b.csv"))["Temperature (C)"] == "outdoor_dry_bulb_c"


def test_a_sensor_that_disagrees_with_its_fellows_is_named(write: Writer) -> None:
    supply = [13.0 + h % 3 / 10 for h in range(HOURS)]
    far = [19.6 + h % 3 / 10 for h in range(HOURS)]
    names = {f"CHWS-T-{i} (°C)": supply for i in (1, 2, 3)} | {"CHWS-T-4 (°C)": far}
    reading = read_export(write(table(**names)))
    evidence = next(i.evidence for i in reading.issues if i.code == "D-COMBINED")
    assert "'CHWS-T-4 (°C)' by +6.6 K" in evidence


def test_dates_in_columns_of_their_parts(write: Writer) -> None:
    parts = {"year": STAMPS.year, "month": STAMPS.month, "day": STAMPS.day, "hour": STAMPS.hour}
    text = pd.DataFrame({**parts, "it_power_kw": range(HOURS)}).to_csv(index=False)
    reading = read_export(write(text))
    assert reading.mapping.file[0].time is not None
    assert reading.mapping.file[0].time.columns == ("year", "month", "day", "hour")
    frame = reading.telemetry().frame
    assert frame["timestamp"].dt.tz_localize(None).tolist() == STAMPS.tolist()
    again = read_export(write(text), mapping=Mapping.from_toml(reading.mapping.to_toml()))
    pd.testing.assert_frame_equal(again.telemetry().frame, frame)


def test_files_of_numbered_units_stay_apart(write: Writer) -> None:
    for number in (1, 2):
        text = table(**{f"CHW{number}-FS-01 (m3/h)": [36.0 * number] * (HOURS - 1) + [0.0]})
        path = write(text, f"plant/{number}#sensors.csv")
    frame = read_export(path.parent).telemetry().frame
    assert frame.groupby("unit_id")["chilled_water_flow_l_s"].max().to_dict() == {
        "1#sensors": 10.0,
        "2#sensors": 20.0,
    }


def test_long_numbers_are_no_stamps() -> None:
    assert parse(pa.array(["99999999999", "123456789012"])).readable == 0.0


@pytest.mark.parametrize(("scale", "unit"), [(1.0, "kW"), (1e3, "W"), (1e-3, "MW")])
def test_a_meter_without_unit_is_weighed_against_one_with_unit(
    write: Writer, scale: float, unit: str
) -> None:
    hall = [100.0 + h % 7 for h in range(HOURS)]
    text = table(**{"IT power (kW)": hall, "Facility power": [1.4 * scale * v for v in hall]})
    reading = read_export(write(text))
    mapped = {c.source: c.unit for c in reading.mapping.file[0].column}
    assert mapped["Facility power"] == unit
    with pytest.raises(QuestionError):  # nothing to weigh it against
        read_export(write(table(**{"Facility power": hall}), "alone.csv"))
