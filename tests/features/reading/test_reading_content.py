"""What stands in a file is what comes out: hand-computed values, layouts, encodings, times."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import DataError, MappingFileError, UnrecognisedError
from features.reading import Answer, Mapping, RowCounts, read_export, read_paths

Writer = Callable[..., Path]


def codes(issues: object) -> list[str]:
    return [i.code for i in issues]  # type: ignore[attr-defined]


def hours(values: list[str], header: str, separator: str = ",") -> str:
    """Return an hourly export of one column from 2025-01-01 00:00."""
    rows = "".join(f"2025-01-{1 + i // 24:02d} {i % 24:02d}:00{separator}{v}\n" for i, v in enumerate(values))
    return f"timestamp{separator}{header}\n{rows}"


# -- units, by hand ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("header", "cell", "canonical", "expected"),
    [
        ("Supply Air Temp (F)", "64.4", "supply_air_temp_c", 18.0),  # (64.4 - 32) / 1.8
        ("Outside Temperature (°F)", "14", "outdoor_dry_bulb_c", -10.0),
        ("outdoor temp (K)", "293.15", "outdoor_dry_bulb_c", 20.0),
        ("Building Load (RT)", "100", "thermal_load_kw", 351.6853),
        ("IT Power [W]", "73500", "it_power_kw", 73.5),
        ("IT load (MW)", "0.5", "it_power_kw", 500.0),
        ("IT energy (kWh)", "40", "it_power_kw", 40.0),  # of one hour
        ("Wind Speed (mph)", "10", "wind_speed_m_s", 4.4704),
        ("Wind Speed (km/h)", "36", "wind_speed_m_s", 10.0),
        ("Pressure (in)", "29.92", "air_pressure_kpa", 29.92 * 3.38639),
        ("Pressure (hPa)", "1013.25", "air_pressure_kpa", 101.325),
        ("Chilled Water Rate (L/sec)", "85.6", "chilled_water_flow_l_s", 85.6),
        ("Chilled Water Flow (m3/h)", "36", "chilled_water_flow_l_s", 10.0),
        ("water (L)", "250", "water_m3", 0.25),
        ("CPU utilisation (%)", "42", "cpu_utilisation", 0.42),
        ("Outside Humidity (%)", "55", "outdoor_rh_pct", 55.0),
        ("室外湿球温度（℃）", "17.5", "outdoor_wet_bulb_c", 17.5),
        ("IT功率(kW)", "61", "it_power_kw", 61.0),
        ("总功率kW", "99", "facility_power_kw", 99.0),
    ],
)
def test_conversion(write: Writer, header: str, cell: str, canonical: str, expected: float) -> None:
    frame = read_export(write(hours([cell] * 4, header))).telemetry().frame
    assert frame[canonical].to_numpy() == pytest.approx(expected)


def test_energy_of_half_an_hour_becomes_power(write: Writer) -> None:
    rows = "".join(f"1/{d}/2019 {h}:{m:02d},116.2\n" for d in (1, 2, 13) for h in range(24) for m in (0, 30))
    reading = read_export(write("Local Time (Timezone : GMT+8h),Chiller Energy Consumption (kWh)\n" + rows))
    telemetry = reading.telemetry()
    assert telemetry.interval == pd.Timedelta("30min")
    assert telemetry.zone.name == "+08:00"
    assert not telemetry.zone.assumed
    # Midnight of 1 January in +08:00 is 16:00 UTC of the day before.
    assert telemetry.frame["timestamp"].iloc[0] == pd.Timestamp("2018-12-31 16:00", tz="UTC")
    assert telemetry.frame["cooling_power_kw"].to_numpy() == pytest.approx(232.4)
    assert "D-COOLING-PARTIAL" in codes(reading.issues)
    assert "D-ZONE-ASSUMED" not in codes(reading.issues)


def test_chillers_stay_chillers_beside_a_total(write: Writer) -> None:
    text = "timestamp,cooling_kw,chiller_kw\n" + "".join(
        f"2025-01-01 {h:02d}:00,{10 + h},{5 + h}\n" for h in range(9)
    )
    reading = read_export(write(text))
    assert reading.telemetry().frame["chiller_power_kw"].iloc[0] == 5
    assert reading.telemetry().frame["cooling_power_kw"].iloc[0] == 10
    assert "D-COOLING-PARTIAL" not in codes(reading.issues)


def test_register_is_differenced_and_a_reset_is_not_an_energy(write: Writer) -> None:
    register = [1000.0 + 50 * i for i in range(20)] + [10.0 + 50 * i for i in range(20)]
    reading = read_export(write(hours([f"{v}" for v in register], "IT energy (kWh)")))
    power = reading.telemetry().frame["it_power_kw"].to_numpy()
    # The reading at a stamp opens its interval: 50 kWh gained in each hour; unknown over the reset
    # (between the 20th and 21st reading) and after the last reading.
    assert np.isnan(power[[19, 39]]).all()
    assert np.delete(power, [19, 39]) == pytest.approx(50.0)
    assert "D-COUNTER-RESET" in codes(reading.issues)
    assert reading.mapping.file[0].column[0].aggregation == "counter"


def test_percent_or_fraction_is_decided_by_the_values(write: Writer) -> None:
    percent = read_export(write(hours(["12", "55", "80"], "utilave"), "a.csv")).telemetry()
    fraction = read_export(write(hours(["0.12", "0.55", "0.8"], "utilave"), "b.csv")).telemetry()
    assert percent.frame["cpu_utilisation"].tolist() == pytest.approx([0.12, 0.55, 0.8])
    assert fraction.frame["cpu_utilisation"].tolist() == pytest.approx([0.12, 0.55, 0.8])


def test_temperature_without_unit_is_decided_by_physics(write: Writer) -> None:
    celsius = read_export(write(hours(["21", "22", "23"], "Server Inlet Temp"), "a.csv")).telemetry()
    fahrenheit = read_export(write(hours(["68", "77", "77"], "Server Inlet Temp"), "b.csv")).telemetry()
    assert celsius.frame["server_inlet_temp_c"].tolist() == [21, 22, 23]
    assert fahrenheit.frame["server_inlet_temp_c"].tolist() == pytest.approx([20, 25, 25])


def test_row_of_units_below_the_header(write: Writer) -> None:
    text = "timestamp,IT load,Outside Temperature\n,kW,°F\n" + "".join(
        f"2025-01-01 {h:02d}:00,{h},50\n" for h in range(6)
    )
    reading = read_export(write(text))
    assert reading.counts == RowCounts(6, 6, 0, 0)
    assert reading.telemetry().frame["outdoor_dry_bulb_c"].to_numpy() == pytest.approx(10.0)
    assert reading.mapping.file[0].units_row == 2


def test_numbered_instruments_are_combined_and_reported(write: Writer) -> None:
    text = "timestamp,chiller_1_kw,chiller_2_kw,tower_kw\n" + "".join(
        f"2025-01-01 {h:02d}:00,{h},{'' if h == 3 else 2 * h},1\n" for h in range(6)
    )
    reading = read_export(write(text))
    chillers = reading.telemetry().frame["chiller_power_kw"].to_numpy()
    assert np.isnan(chillers[3])  # a sum with a missing part is unknown
    assert chillers[[0, 1, 2, 4, 5]].tolist() == [0, 3, 6, 12, 15]
    assert "D-COMBINED" in codes(reading.issues)


# -- layouts and encodings -----------------------------------------------------------------------
CHINESE = "时间,IT功率(kW),室外温度（℃）\n" + "".join(
    f"2025-01-01 {h:02d}:00,{50 + h},{h - 5}\n" for h in range(12)
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030"])
def test_encodings(write: Writer, encoding: str) -> None:
    reading = read_export(write(CHINESE.encode(encoding)))
    assert reading.mapping.file[0].encoding == encoding
    assert reading.telemetry().frame["it_power_kw"].tolist() == [50.0 + h for h in range(12)]
    assert reading.telemetry().frame["outdoor_dry_bulb_c"].iloc[0] == -5


def test_western_encoding(write: Writer) -> None:
    text = hours(["20", "21"], "Outside Temperature (°C)")
    assert read_export(write(text.encode("cp1252"))).telemetry().frame["outdoor_dry_bulb_c"].tolist() == [
        20,
        21,
    ]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_delimiters_and_line_ends(write: Writer, newline: str, separator: str) -> None:
    text = hours([f"{10 + i}.5" for i in range(30)], "it_power_kw", separator).replace("\n", newline)
    reading = read_export(write(text.encode()))
    assert reading.telemetry().frame["it_power_kw"].tolist() == [10.5 + i for i in range(30)]
    assert reading.mapping.file[0].delimiter == separator


def test_mixed_line_ends_blank_lines_title_and_quotes(write: Writer) -> None:
    text = (
        'Report of plant "north"\r\n\n"timestamp","it_power_kw"\n'
        '"2025-01-01 00:00","1,000.5"\r\n\n2025-01-01 01:00,2\n2025-01-01 02:00,x\n'
    )
    reading = read_export(write(text))
    assert reading.telemetry().frame["it_power_kw"].tolist()[:2] == [1000.5, 2.0]
    # Row numbers are those of the file: title, blank, header, row, blank, row, then the wrong cell.
    assert reading.quarantined_rows.to_pylist() == [
        {"file": "site.csv", "row": 7, "column": "it_power_kw", "raw": "x", "code": "D-NOT-A-NUMBER"}
    ]
    assert reading.counts == RowCounts(3, 2, 1, 0)


def test_decimal_comma(write: Writer) -> None:
    reading = read_export(write(hours(["1.234,5", "12,25", "7"], "it_power_kw", ";")))
    assert reading.telemetry().frame["it_power_kw"].tolist() == [1234.5, 12.25, 7.0]
    assert reading.mapping.file[0].decimal == ","
    assert reading.mapping.file[0].decimal_evidence


def test_separator_line_is_honoured(write: Writer) -> None:
    reading = read_export(write("sep=;\n" + hours(["1", "2", "3"], "it_power_kw", ";")))
    assert reading.telemetry().frame["it_power_kw"].tolist() == [1, 2, 3]


def test_ragged_rows_are_rejected_with_their_text(write: Writer) -> None:
    text = hours(["1", "2", "3"], "it_power_kw") + "2025-01-01 03:00,4,5\n2025-01-01 04:00\n"
    reading = read_export(write(text))
    assert reading.counts == RowCounts(5, 3, 0, 2)
    rejected = reading.quarantined_rows.to_pylist()
    assert [(r["row"], r["raw"]) for r in rejected] == [(5, "2025-01-01 03:00,4,5"), (6, "2025-01-01 04:00")]


def test_missing_marks_are_missing_and_not_faults(write: Writer) -> None:
    reading = read_export(write(hours(["1", "", "NaN", "N/A", "-", "null", "7"], "it_power_kw")))
    values = reading.telemetry().frame["it_power_kw"].to_numpy()
    assert np.isnan(values[1:6]).all()
    assert values[[0, 6]].tolist() == [1, 7]
    assert reading.counts == RowCounts(7, 7, 0, 0)


def test_infinity_is_not_a_number(write: Writer) -> None:
    reading = read_export(write(hours(["1", "inf", "1e999", "#DIV/0!"], "it_power_kw")))
    assert reading.counts == RowCounts(4, 1, 3, 0)
    assert set(reading.quarantined_rows["code"].to_pylist()) == {"D-NOT-A-NUMBER"}


# -- workbooks and Parquet -----------------------------------------------------------------------
def workbook(path: Path, rows: list[list[object]], before: list[list[object]] | None = None) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in [*(before or []), *rows]:
        sheet.append(row)
    book.save(path)
    return path


@pytest.mark.parametrize("title", [[], [["Plant north, monthly report"], []]])
@pytest.mark.parametrize("text_stamps", [True, False])
def test_workbook_equals_csv(
    write: Writer, tmp_path: Path, plant: pd.DataFrame, title: list[list[object]], text_stamps: bool
) -> None:
    csv = read_export(write(plant.to_csv(index=False)))
    stamps = plant["timestamp"] if text_stamps else pd.to_datetime(plant["timestamp"])
    rows = [list(r) for r in plant.assign(timestamp=stamps).itertuples(index=False, name=None)]
    rows = [[v.to_pydatetime() if isinstance(v, pd.Timestamp) else v for v in r] for r in rows]
    book = read_export(workbook(tmp_path / "site.xlsx", [list(plant.columns), *rows], title))
    pd.testing.assert_frame_equal(book.telemetry().frame, csv.telemetry().frame)
    assert book.counts == csv.counts


def test_workbook_picks_the_sheet_with_telemetry(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    notes = book.active
    assert notes is not None
    notes.append(["author", "remark"])
    notes.append(["x", "y"])
    data = book.create_sheet("data")
    data.append(["timestamp", "it_power_kw"])
    for h in range(5):
        data.append([datetime(2025, 1, 1, h), 50 + h])
    book.save(tmp_path / "a.xlsx")
    reading = read_export(tmp_path / "a.xlsx")
    assert reading.mapping.file[0].sheet == "data"
    assert "D-PART-IGNORED" in codes(reading.issues)
    assert reading.telemetry().frame["it_power_kw"].tolist() == [50, 51, 52, 53, 54]


def test_foreign_parquet_equals_csv(write: Writer, tmp_path: Path, plant: pd.DataFrame) -> None:
    csv = read_export(write(plant.to_csv(index=False)))
    typed = plant.assign(timestamp=pd.to_datetime(plant["timestamp"]))
    pq.write_table(pa.Table.from_pandas(typed, preserve_index=False), tmp_path / "site.parquet")
    parquet = read_export(tmp_path / "site.parquet")
    pd.testing.assert_frame_equal(parquet.telemetry().frame, csv.telemetry().frame)


def test_zoned_parquet_is_utc(tmp_path: Path) -> None:
    stamps = pd.date_range("2025-01-01", periods=4, freq="h", tz="Asia/Shanghai")
    table = pa.Table.from_pandas(pd.DataFrame({"timestamp": stamps, "it_power_kw": [1.0, 2, 3, 4]}))
    pq.write_table(table, tmp_path / "a.parquet")
    telemetry = read_export(tmp_path / "a.parquet").telemetry()
    assert telemetry.zone.name == "Asia/Shanghai"
    assert telemetry.frame["timestamp"].iloc[0] == pd.Timestamp("2024-12-31 16:00", tz="UTC")


def test_round_trip_through_our_own_parquet(write: Writer, tmp_path: Path, plant: pd.DataFrame) -> None:
    first = read_export(write(plant.to_csv(index=False)))
    out = tmp_path / "out"
    out.mkdir()
    pq.write_table(first.table, out / "telemetry.parquet", write_page_checksum=True)
    (out / "mapping.toml").write_text(first.mapping.to_toml(), encoding="utf-8")
    (out / "issues.csv").write_text("code\nx\n", encoding="utf-8")
    for path in (out, out / "telemetry.parquet"):
        again = read_export(path)
        pd.testing.assert_frame_equal(again.telemetry().frame, first.telemetry().frame)
        assert again.telemetry().content_hash() == first.telemetry().content_hash()
        assert again.counts.accepted == len(plant)
        assert "D-ZONE-ASSUMED" in codes(again.issues)


def test_own_output_beside_an_export_is_not_read_twice(
    write: Writer, tmp_path: Path, plant: pd.DataFrame
) -> None:
    first = read_export(write(plant.to_csv(index=False), "hall/export.csv"))
    pq.write_table(first.table, tmp_path / "hall" / "telemetry.parquet")
    again = read_export(tmp_path / "hall")
    assert again.counts == first.counts
    assert "D-FILE-SKIPPED" in codes(again.issues)


def test_reading_can_be_sent_to_another_process(write: Writer, plant: pd.DataFrame) -> None:
    first = read_export(write(plant.to_csv(index=False)))
    again = pickle.loads(pickle.dumps(first))  # noqa: S301 - our own bytes
    assert again.table.equals(first.table, check_metadata=True)
    assert (again.issues, again.mapping, again.counts) == (first.issues, first.mapping, first.counts)


def test_full_mapping_is_not_questioned(write: Writer) -> None:
    rows = "".join(f"2025-01-01 {h:02d}:00,{50_000 + h},{70 + h / 10}\n" for h in range(24))
    path = write("timestamp,it_power_kw,facility_power_kw\n" + rows)
    answers = (Answer(column="it_power_kw", unit="W"),)
    reading = read_export(path, mapping=Mapping(answer=answers))
    assert reading.telemetry().frame["it_power_kw"].iloc[0] == 50.0
    again = read_export(path, mapping=reading.mapping)
    assert again.table.equals(reading.table, check_metadata=True)


# -- time ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "stamps",
    [
        ["2025-01-30 22:00", "2025-01-30 23:00", "2025-01-31 00:00"],
        ["2025/1/30 22:00:00", "2025/1/30 23:00:00", "2025/1/31 0:00:00"],
        ["30.01.2025 22:00", "30.01.2025 23:00", "31.01.2025 00:00"],
        ["1/30/2025 10:00 PM", "1/30/2025 11:00 PM", "1/31/2025 12:00 AM"],
        ["2025年1月30日 22时00分", "2025年1月30日 23时00分", "2025年1月31日 0时00分"],
        ["30-Jan-2025 22:00", "30-Jan-2025 23:00", "31-Jan-2025 00:00"],
        ["20250130220000", "20250130230000", "20250131000000"],
        ["2025-01-30T22:00:00.000", "2025-01-30T23:00:00.000", "2025-01-30T24:00:00.000"],
        ["2025-01-30 21:59:60", "2025-01-30 22:59:60", "2025-01-30 23:59:60"],
        ["45687.9166666667", "45687.9583333333", "45688"],  # Excel days
        ["1738274400", "1738278000", "1738281600"],  # seconds since 1970
        ["1738274400000", "1738278000000", "1738281600000"],
    ],
)
def test_stamps(write: Writer, stamps: list[str]) -> None:
    text = "timestamp,it_power_kw\n" + "".join(f"{s},{i}\n" for i, s in enumerate(stamps))
    frame = read_export(write(text)).telemetry().frame
    assert frame["timestamp"].tolist() == list(
        pd.date_range("2025-01-30 22:00", periods=3, freq="h", tz="UTC")
    )
    assert frame["it_power_kw"].tolist() == [0, 1, 2]


def test_sampling_decides_day_and_month(write: Writer) -> None:
    stamps = pd.date_range("2023-01-01 01:00", "2023-01-08 00:00", freq="h")
    text = "Time,it_power_kw\n" + "".join(f"{s.month}/{s.day}/{s.year} {s.hour}:00,1\n" for s in stamps)
    reading = read_export(write(text))
    assert reading.mapping.file[0].time is not None
    assert reading.mapping.file[0].time.order == "month-first"
    assert "breaks" in reading.mapping.file[0].time.evidence
    assert reading.telemetry().span[1] == pd.Timestamp("2023-01-08 01:00", tz="UTC")


def test_offsets_across_daylight_saving_are_exact(write: Writer) -> None:
    stamps = pd.date_range("2025-10-25 22:00", periods=6, freq="h", tz="UTC").tz_convert("Europe/Berlin")
    text = "timestamp,it_power_kw\n" + "".join(f"{s.isoformat()},{i}\n" for i, s in enumerate(stamps))
    telemetry = read_export(write(text)).telemetry()
    assert telemetry.zone.name == "UTC"
    assert telemetry.frame["timestamp"].tolist() == list(stamps.tz_convert("UTC"))


def test_named_zone_in_header_places_both_hours_of_the_fold(write: Writer) -> None:
    wall = ["00:00", "01:00", "02:00", "02:00", "03:00"]
    text = "Time (Europe/Berlin),it_power_kw\n" + "".join(f"2025-10-26 {w},{i}\n" for i, w in enumerate(wall))
    telemetry = read_export(write(text)).telemetry()
    assert telemetry.frame["it_power_kw"].tolist() == [0, 1, 2, 3, 4]
    assert telemetry.frame["timestamp"].iloc[0] == pd.Timestamp("2025-10-25 22:00", tz="UTC")


def test_stamps_that_clocks_skip_are_rejected(write: Writer) -> None:
    text = "Time (Europe/Berlin),it_power_kw\n" + "".join(f"2025-03-30 {h:02d}:00,{h}\n" for h in range(6))
    reading = read_export(write(text))
    assert reading.counts == RowCounts(6, 5, 0, 1)
    assert "D-ZONE-DST" in codes(reading.issues)


def test_date_and_hour_in_two_columns(write: Writer) -> None:
    text = "Date,Hour,it_power_kw\n" + "".join(f"2020/10/{1 + i // 24},{i % 24},{i}\n" for i in range(48))
    frame = read_export(write(text)).telemetry().frame
    assert frame["timestamp"].iloc[-1] == pd.Timestamp("2020-10-02 23:00", tz="UTC")


def test_end_stamps_are_moved_to_the_start(write: Writer) -> None:
    text = hours(["1", "2", "3"], "it_power_kw").replace("timestamp", "Interval end")
    frame = read_export(write(text)).telemetry().frame
    assert frame["timestamp"].iloc[0] == pd.Timestamp("2024-12-31 23:00", tz="UTC")


def test_row_order_does_not_matter(write: Writer, plant: pd.DataFrame) -> None:
    straight = read_export(write(plant.to_csv(index=False)))
    shuffled = read_export(write(plant.sample(frac=1, random_state=3).to_csv(index=False)))
    assert straight.telemetry().content_hash() == shuffled.telemetry().content_hash()
    assert "D-DISORDER" in codes(shuffled.issues)
    assert "D-DISORDER" not in codes(straight.issues)


def test_unreadable_stamps_are_rejected(write: Writer) -> None:
    reading = read_export(write(hours(["1", "2", "3", "4"], "it_power_kw") + "Total,10\n"))
    assert reading.counts == RowCounts(5, 4, 0, 1)
    assert reading.quarantined_rows.to_pylist()[0]["raw"] == "Total | 10"


# -- folders and several paths -------------------------------------------------------------------
def test_folder_of_like_files_is_several_sites(tmp_path: Path, write: Writer, plant: pd.DataFrame) -> None:
    for name in ("north", "south"):
        write(plant.to_csv(index=False), f"fleet/{name}.csv")
    write("{}", "fleet/about.json")
    write("text", "fleet/README")
    reading = read_export(tmp_path / "fleet")
    assert reading.telemetry().site_ids == ["north", "south"]
    assert codes(reading.issues).count("D-FILE-SKIPPED") == 2
    assert reading.counts.rows_in == 960


def test_folder_of_consecutive_files_is_one_site(tmp_path: Path, write: Writer, plant: pd.DataFrame) -> None:
    write(plant.iloc[:240].to_csv(index=False), "hall/a.csv")
    write(plant.iloc[240:].to_csv(index=False), "hall/b.csv")
    reading = read_export(tmp_path / "hall")
    assert reading.telemetry().site_ids == ["hall"]
    assert len(reading.telemetry().frame) == 480


def test_folder_of_different_columns_is_joined_on_time(
    tmp_path: Path, write: Writer, plant: pd.DataFrame
) -> None:
    write(plant[["timestamp", "it_power_kw"]].to_csv(index=False), "hall/power.csv")
    write(plant[["timestamp", "outdoor_dry_bulb_c"]].iloc[10:].to_csv(index=False), "hall/weather.csv")
    frame = read_export(tmp_path / "hall").telemetry().frame
    assert len(frame) == 480
    assert frame["outdoor_dry_bulb_c"].isna().sum() == 10
    assert frame["outdoor_dry_bulb_c"].iloc[-1] == plant["outdoor_dry_bulb_c"].iloc[-1]


def test_single_file_is_named_after_itself_and_in_a_folder_after_the_folder(
    tmp_path: Path, write: Writer, plant: pd.DataFrame
) -> None:
    path = write(plant.to_csv(index=False), "hall/export.csv")
    assert read_export(path).telemetry().site_ids == ["export"]
    assert read_export(tmp_path / "hall").telemetry().site_ids == ["hall"]


def test_read_paths_concatenates_sites(write: Writer, plant: pd.DataFrame) -> None:
    paths = [write(plant.to_csv(index=False), f"{n}.csv") for n in ("b", "a")]
    telemetry, readings = read_paths(paths, zone="+01:00")
    assert telemetry.site_ids == ["a", "b"]
    assert len(readings) == 2
    assert telemetry.zone.name == "+01:00"
    assert telemetry.frame["timestamp"].iloc[0] == pd.Timestamp("2025-02-28 23:00", tz="UTC")


def test_read_paths_refuses_a_site_twice(tmp_path: Path, write: Writer, plant: pd.DataFrame) -> None:
    paths = [write(plant.to_csv(index=False), f"{folder}/hall.csv") for folder in ("x", "y")]
    with pytest.raises(DataError) as caught:
        read_paths(paths)
    assert caught.value.code == "E-SITE-TWICE"


def test_read_paths_refuses_different_intervals(write: Writer, plant: pd.DataFrame) -> None:
    quarter = plant.assign(timestamp=pd.date_range("2025-03-01", periods=480, freq="15min"))
    paths = [write(plant.to_csv(index=False), "a.csv"), write(quarter.to_csv(index=False), "b.csv")]
    with pytest.raises(DataError) as caught:
        read_paths(paths)
    assert caught.value.code == "E-PATHS-INTERVAL"


# -- mapping -------------------------------------------------------------------------------------
def test_mapping_given_back_is_followed_exactly(write: Writer, plant: pd.DataFrame) -> None:
    path = write(plant.to_csv(index=False))
    first = read_export(path)
    text = first.mapping.to_toml()
    again = read_export(path, mapping=Mapping.from_toml(text))
    assert Mapping.from_toml(text) == first.mapping
    assert again.table.equals(first.table, check_metadata=True)


def test_edited_mapping_rules(write: Writer, plant: pd.DataFrame) -> None:
    path = write(plant.to_csv(index=False))
    text = read_export(path).mapping.to_toml()
    edited = text.replace('canonical = "server_inlet_temp_c"', 'canonical = "ignore"')
    edited = edited.replace('columns = ["timestamp"]', 'columns = ["timestamp"]\nzone = "America/New_York"')
    edited = edited.replace('site = "site"', 'site = "Hall 7"')
    telemetry = read_export(path, mapping=Mapping.from_toml(edited)).telemetry()
    assert "server_inlet_temp_c" not in telemetry.frame
    assert telemetry.site_ids == ["Hall 7"]
    assert telemetry.zone.name == "America/New_York"
    assert telemetry.frame["timestamp"].iloc[0] == pd.Timestamp("2025-03-01 05:00", tz="UTC")


def test_answer_may_name_a_meaning(write: Writer) -> None:
    path = write(hours(["1", "2", "3"], "P_dc1_total"))
    answer = Answer(column="P_dc1_total", canonical="it_power_kw", unit="MW")
    frame = read_export(path, mapping=Mapping(answer=(answer,)), kind="data-centre").telemetry().frame
    assert frame["it_power_kw"].tolist() == [1000, 2000, 3000]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("version = ", "E-MAPPING-TOML"),
        ("colour = 1", "E-MAPPING-KEY"),
        ("version = 9", "E-MAPPING-VERSION"),
        ('[[answer]]\ncolumn = "a"\nunit = "furlong"', "E-MAPPING-UNIT"),
        ('[[answer]]\ncolumn = "a"\ncanonical = "it_power"', "E-MAPPING-COLUMN"),
        ('[[answer]]\nzone = "Mars/Olympus"', "E-MAPPING-ZONE"),
    ],
)
def test_wrong_mapping_is_refused(text: str, code: str) -> None:
    with pytest.raises(MappingFileError) as caught:
        Mapping.from_toml(text)
    assert caught.value.code == code
    assert caught.value.exit_code == 2


def test_mapping_for_other_files_is_refused(write: Writer, plant: pd.DataFrame) -> None:
    mapping = read_export(write(plant.to_csv(index=False), "a.csv")).mapping
    with pytest.raises(MappingFileError) as caught:
        read_export(write(plant.to_csv(index=False), "b.csv"), mapping=mapping)
    assert caught.value.code == "E-MAPPING-NO-FILE"


def test_mapping_with_a_missing_source_is_refused(write: Writer, plant: pd.DataFrame) -> None:
    mapping = read_export(write(plant.to_csv(index=False))).mapping
    renamed = write(plant.rename(columns={"it_power_kw": "it"}).to_csv(index=False))
    with pytest.raises(MappingFileError) as caught:
        read_export(renamed, mapping=mapping)
    assert caught.value.code == "E-MAPPING-HEADER"


def test_an_impossible_reading_of_one_instrument_does_not_spoil_the_others(write: Writer) -> None:
    text = "timestamp,CHWS-T-1 (°C),CHWS-T-2 (°C)\n" + "".join(
        f"2025-01-01 {h:02d}:00,{12 + h / 10:g},{-118.5 if h == 3 else 12.2 + h / 10:g}\n" for h in range(12)
    )
    reading = read_export(write(text))
    supply = reading.telemetry().frame["chilled_water_supply_temp_c"].to_numpy()
    assert supply[[2, 3, 4]] == pytest.approx([12.3, 12.3, 12.5])
    assert reading.counts == RowCounts(12, 11, 1, 0)
    taken = reading.quarantined_rows.to_pylist()
    assert [(t["column"], t["raw"], t["code"]) for t in taken] == [
        ("CHWS-T-2 (°C)", "-118.5", "D-OUT-OF-BOUNDS")
    ]


@pytest.mark.parametrize("months", ["2024-{:02d}", "2024年{}月", "{:02d}/2024"])
def test_totals_of_months_are_refused_as_such(write: Writer, months: str) -> None:
    rows = "\n".join(f"{months.format(m)},{300 + m},{400 + m}" for m in range(1, 13))
    with pytest.raises(UnrecognisedError, match="E-TIME-MONTH"):
        read_export(write("month,it_mwh,facility_mwh\n" + rows + "\n"))
