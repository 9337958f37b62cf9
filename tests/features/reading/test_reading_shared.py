"""The real exports, as their systems wrote them (skipped where they are absent)."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import DataError
from features.reading import Answer, Mapping, RowCounts, read_export
from tests.benchmarks.columns import TRUTH, judged, read, rows_of


def codes(issues: object) -> set[str]:
    return {i.code for i in issues}  # type: ignore[attr-defined]


def test_base_stations(shared: Path) -> None:
    folder = shared / "data" / "itu5g"
    start = time.perf_counter()
    reading = read_export(folder)
    seconds = time.perf_counter() - start
    energy, load, cells = (pd.read_csv(folder / f"{n}.csv") for n in ("ECdata", "CLdata", "BSinfo"))
    total = len(energy) + len(load) + len(cells)
    assert reading.counts == RowCounts(total, total, 0, 0)
    telemetry = reading.telemetry()
    assert telemetry.kind == "base-station"
    assert not telemetry.zone.known
    frame = telemetry.frame
    assert (frame["unit_id"] == "").sum() == len(energy)
    assert (frame["unit_id"] != "").sum() == len(load)
    assert frame["station_energy_rel"].sum() == pytest.approx(energy["Energy"].sum(), rel=1e-12)
    assert frame["prb_utilisation"].sum() == pytest.approx(load["load"].sum(), rel=1e-12)
    assert telemetry.span == (
        pd.Timestamp("2023-01-01 01:00", tz="UTC"),
        pd.Timestamp("2023-01-08 01:00", tz="UTC"),
    )
    assert frame.loc[frame["unit_id"] != "", ["ru_type", "antennas"]].notna().all(axis=None)
    assert {"D-ENERGY-RELATIVE", "D-ZONE-ASSUMED"} <= codes(reading.issues)
    assert seconds < 10, f"reading took {seconds:.1f} s"  # about 1 s on two idle cores


def test_chiller_plant(shared: Path) -> None:
    folder = shared / "data" / "chiller_singapore"
    source = pd.read_csv(folder / "HVAC_Energy_Data.csv")
    reading = read_export(folder)
    telemetry = reading.telemetry()
    assert telemetry.site_ids == ["chiller_singapore"]
    assert telemetry.zone.name == "+08:00"
    assert telemetry.interval == pd.Timedelta("30min")
    assert reading.counts.rows_in == len(source)
    assert reading.counts.rejected == 0
    frame = telemetry.frame
    energy = source["Chiller Energy Consumption (kWh)"]
    assert frame["cooling_power_kw"].to_numpy() == pytest.approx(energy * 2)
    assert frame["outdoor_dry_bulb_c"].to_numpy() == pytest.approx(
        (source["Outside Temperature (F)"] - 32) / 1.8
    )
    kept = frame["thermal_load_kw"].notna()
    assert frame.loc[kept, "thermal_load_kw"].to_numpy() == pytest.approx(
        source.loc[kept.to_numpy(), "Building Load (RT)"] * 3.516853
    )
    # Five days of February stand still in flow, condenser water and load while the chillers' energy moves.
    assert (~kept).sum() == 238
    assert {"D-COOLING-PARTIAL", "D-GAP", "D-STUCK"} <= codes(reading.issues)


def test_simulated_years_are_clean(shared: Path) -> None:
    paths = sorted((shared / "plant" / "exports").glob("*.csv"))
    assert paths
    for path in paths:
        reading = read_export(path)
        assert reading.counts == RowCounts(8760, 8760, 0, 0), path.name
        assert codes(reading.issues) == {"D-ZONE-ASSUMED"}, path.name
        source = pd.read_csv(path)
        frame = reading.telemetry().frame
        for name, canonical in (
            ("facility_power_kw", "facility_power_kw"), ("server_inlet_c", "server_inlet_temp_c"),
            ("chilled_water_supply_c", "chilled_water_supply_temp_c"), ("tower_fan_kw", "tower_fan_power_kw"),
            ("evaporative_kw", "evaporative_power_kw"), ("zone_set_point_c", "zone_set_point_c"),
        ):  # fmt: skip
            assert frame[canonical].tolist() == source[name].tolist(), (path.name, name)


def test_simulated_years_as_one_folder(shared: Path) -> None:
    folder = shared / "plant" / "exports"
    reading = read_export(folder)
    assert reading.telemetry().site_ids == sorted(p.stem for p in folder.glob("*.csv"))
    assert reading.counts.accepted == reading.counts.rows_in


def test_same_year_as_workbook_and_parquet(shared: Path, tmp_path: Path) -> None:
    path = shared / "plant" / "exports" / "low_fan_NY.csv"
    source = pd.read_csv(path, nrows=2000)
    source.to_csv(tmp_path / "year.csv", index=False)
    with pd.ExcelWriter(tmp_path / "year.xlsx") as writer:
        source.to_excel(writer, index=False, startrow=2)
        writer.sheets["Sheet1"].cell(1, 1, "Export of the north hall")
    pq.write_table(pa.Table.from_pandas(source, preserve_index=False), tmp_path / "year.parquet")
    csv, book, parquet = (read_export(tmp_path / f"year.{s}").telemetry() for s in ("csv", "xlsx", "parquet"))
    pd.testing.assert_frame_equal(csv.frame, book.frame)
    pd.testing.assert_frame_equal(csv.frame, parquet.frame)


@pytest.mark.parametrize(
    "name",
    [
        "bms_baotou",
        "bms_baotou/log_2024-09",
        "bms_baotou/trend_2024-10",
        "gpu_servers_cornell",
        "esif_monthly",
        "cell_traffic_barcelona",
        "workload",
    ],
)
def test_other_exports_are_read_or_refused_with_a_remedy(shared: Path, name: str) -> None:
    reading, error = None, None
    try:
        reading = read_export(shared / "data" / name)
    except DataError as caught:
        error = caught
    if error is not None:
        assert error.code.startswith("E-")
        assert error.where
        assert error.remedy
    if reading is not None:
        assert reading.counts.accepted > 0.9 * reading.counts.rows_in
        reading.telemetry()


def test_performance_file_whose_energy_contradicts_its_power(shared: Path) -> None:
    reading = read_export(shared / "data" / "pm_xml")
    # 25 W over 60 s are 0.000417 kWh; the file says 21780 and 20856, outside of the physical bounds too
    assert "D-ENERGY-POWER" in codes(reading.issues)
    assert "D-OUT-OF-BOUNDS" not in codes(reading.issues)
    frame = reading.telemetry().frame
    assert frame["station_power_w"].dropna().tolist() == [25.0, 25.0]
    assert frame["station_energy_kwh"].notna().sum() == 0
    assert (reading.counts.rows_in, reading.counts.quarantined) == (4, 2)


def test_a_folder_of_folders_says_what_to_give(shared: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_export(shared / "data" / "bms_baotou")
    assert caught.value.code == "E-FOLDER-EMPTY"
    assert str(shared / "data" / "bms_baotou" / "log_2024-09") in caught.value.remedy


def test_questions_of_real_exports_can_be_answered(shared: Path) -> None:
    answers = (
        Answer(file="CWB*", column="Temperature", unit="degC"),
        Answer(file="CWB*", column="Td dew point", unit="degC"),
    )
    reading = read_export(shared / "data" / "chiller_plant_hsinchu", mapping=Mapping(answer=answers))
    frame = reading.telemetry().frame
    plant = pd.read_csv(shared / "data" / "chiller_plant_hsinchu" / "plant.csv")
    of_site = frame["unit_id"] == ""
    load = frame.loc[of_site, "thermal_load_kw"].dropna().to_numpy()
    assert load == pytest.approx(plant["RT_cal"] * 3.516853)
    # the chillers are units of their own; their loads add up to the plant's but for hours of change-over
    chillers = frame[~of_site].groupby("timestamp")["thermal_load_kw"].sum().to_numpy()
    assert (abs(chillers - load) <= 1e-3 * load).mean() > 0.95
    assert reading.counts.rejected == 0


def test_plant_and_weather_of_another_system_belong_together(shared: Path) -> None:
    folder = shared / "data" / "chiller_plant_hsinchu"
    reading = read_export(folder)
    plant = pd.read_csv(folder / "plant.csv", parse_dates=["DateTime"])
    station = pd.read_csv(folder / "CWB_Hsinchu_2020-2021.csv")
    total = len(plant) + len(station)
    assert reading.counts == RowCounts(total, total, 0, 0)
    telemetry = reading.telemetry()
    assert telemetry.site_ids == ["chiller_plant_hsinchu"]
    assert not telemetry.zone.known
    frame = telemetry.frame[telemetry.frame["unit_id"] == ""]
    frame = frame.set_index(frame["timestamp"].dt.tz_localize(None))
    at = plant["DateTime"]
    assert frame.loc[at, "cooling_power_kw"].to_numpy() == pytest.approx(plant["sysKW"])
    assert frame.loc[at, "thermal_load_kw"].to_numpy() == pytest.approx(plant["RT_cal"] * 3.516853)
    # the station's own dry bulb, and the plant's copy of it, agree hour by hour
    assert frame.loc[at, "outdoor_dry_bulb_c"].to_numpy() == pytest.approx(plant["Temperature"])
    assert "D-COLUMN-TWICE" not in codes(reading.issues)
    used = {c.source for f in reading.mapping.file for c in f.column if c.canonical != "ignore"}
    assert not [c for c in used if "lag" in c or "KWRT" in c or c.endswith("_pred")]
    derived = next(i.evidence for i in reading.issues if i.code == "D-COLUMN-DERIVED")
    assert "'sysKWRT_cal': 'sysKW' / 'RT_cal' in 100%" in derived
    assert {"D-ZONE-ASSUMED", "D-WET-BULB", "D-LOW-CONFIDENCE"} <= codes(reading.issues)


def test_a_day_without_date(shared: Path) -> None:
    reading = read_export(shared / "data" / "cluster_room_turin")
    assert reading.counts == RowCounts(263, 263, 0, 0)
    telemetry = reading.telemetry()
    assert telemetry.interval == pd.Timedelta("15min")
    assert len(telemetry.frame) == 96
    found = codes(reading.issues)
    assert {"D-DATE-ASSUMED", "D-TIME-DRIFT", "D-PHASES", "D-ZONE-ASSUMED", "D-COMBINED"} <= found
    source = pd.read_excel(
        shared / "data" / "cluster_room_turin" / "Data_Center_Data_Personal.xlsx", engine="openpyxl"
    )
    frame = telemetry.frame
    assert frame["it_power_kw"].mean() == pytest.approx(source["Cluster (kW)"].mean(), rel=2e-3)
    fans = source[["Fan1 (kW)", "Fan2 (kW)", "Fan3 (kW)"]].sum(axis=1)
    assert frame["fan_power_kw"].mean() == pytest.approx(fans.mean(), rel=2e-2)
    assert "cooling_power_kw" not in frame  # whose phases L1 to L3 are is not said


@pytest.mark.parametrize(
    "name",
    ["bms_baotou/log_2024-09", "bms_baotou/trend_2024-10", "cluster_room_turin", "cell_traffic_barcelona",
     "chiller_singapore", "chiller_plant_hsinchu"],
)  # fmt: skip
def test_a_mapping_given_back_is_followed_exactly(shared: Path, name: str) -> None:
    folder = shared / "data" / name
    first = read_export(folder)
    again = read_export(folder, mapping=Mapping.from_toml(first.mapping.to_toml()))
    assert again.counts == first.counts
    assert again.table.equals(first.table)
    assert again.mapping.to_toml().split("[[skipped]]")[0] == first.mapping.to_toml().split("[[skipped]]")[0]


def test_the_columns_of_every_folder_are_read_as_they_are_meant(shared: Path) -> None:
    results = (Path(__file__).parents[2] / "benchmarks" / "results" / "columns.md").read_text(
        encoding="utf-8"
    )
    truth = [
        r for r in rows_of(TRUTH) if r["folder"] in ("chiller_plant_hsinchu", "bms_baotou/trend_2024-10")
    ]
    for folder in {r["folder"] for r in truth}:
        mine = [r for r in truth if r["folder"] == folder]
        verdicts = Counter(v.verdict for v in judged(folder, mine, *read(shared / "data" / folder, mine)))
        assert verdicts["wrong"] == 0
        assert verdicts["asked"] <= 0.15 * verdicts.total()
        assert f"| {folder} | " in results
