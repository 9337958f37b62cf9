"""Base-station exports: cells, loads and energies that belong together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.reading import Reading, RowCounts, read_export

Writer = Callable[..., Path]

CELLS = (
    "BS,CellName,RUType,Mode,Frequency,Bandwidth,Antennas,TXpower\n"
    "S_1,Cell0,TypeA,Mode2,365.0,20,4,6.9\n"
    "S_1,Cell1,TypeA,Mode1,532.0,10,2,7.0\n"
    "S_2,Cell0,TypeB,Mode2,426.9,20,32,8.1\n"
)


def loads() -> str:
    rows = [
        f"1/{d}/2023 {h}:00,{s},{c},{0.1 + h / 100:.3f},0.0,{0.5 if h < 6 else 0.0}\n"
        for s, c in (("S_1", "Cell0"), ("S_1", "Cell1"), ("S_2", "Cell0"))
        for d in (1, 2, 3)
        for h in range(24)
    ]
    return "Time,BS,CellName,load,ESMode1,ESMode6\n" + "".join(rows)


def energies(value: Callable[[int], str], header: str = "Energy") -> str:
    rows = [
        f"1/{d}/2023 {h}:00,{s},{value(h)},5\n" for s in ("S_1", "S_2") for d in (1, 2, 3) for h in range(24)
    ]
    return f"Time,BS,{header},w\n" + "".join(rows)


@pytest.fixture
def folder(write: Writer) -> Callable[..., Reading]:
    def read(**files: str) -> Reading:
        for name, text in files.items():
            write(text, f"net/{name}.csv")
        return read_export(write("licence", "net/SOURCES.txt").parent)

    return read


def codes(reading: Reading) -> list[str]:
    return [i.code for i in reading.issues]


def test_three_files_become_one_telemetry(folder: Callable[..., Reading]) -> None:
    reading = folder(BSinfo=CELLS, CLdata=loads(), ECdata=energies(lambda h: f"{20 + h}"))
    telemetry = reading.telemetry()
    assert telemetry.kind == "base-station"
    assert telemetry.interval == pd.Timedelta("1h")
    assert telemetry.site_ids == ["S_1", "S_2"]
    assert reading.counts == RowCounts(3 + 216 + 144, 363, 0, 0)
    frame = telemetry.frame.set_index(["site_id", "unit_id", "timestamp"])
    noon = pd.Timestamp("2023-01-02 12:00", tz="UTC")
    cell = frame.loc[("S_1", "Cell1", noon)]
    assert cell["prb_utilisation"] == pytest.approx(0.22)
    assert (cell["ru_type"], cell["radio_mode"]) == ("TypeA", "Mode1")
    assert (cell["bandwidth_mhz"], cell["antennas"], cell["frequency_rel"], cell["tx_power_rel"]) == (
        10,
        2,
        532,
        7,
    )
    assert np.isnan(cell["station_energy_rel"])
    station = frame.loc[("S_2", "", noon)]
    assert station["station_energy_rel"] == 32.0
    assert np.isnan(station["prb_utilisation"])
    assert {"D-ENERGY-RELATIVE", "D-COLUMN-IGNORED", "D-ZONE-ASSUMED", "D-FILE-SKIPPED"} <= set(
        codes(reading)
    )


@pytest.mark.parametrize("some", [True, False])
def test_rows_without_measured_energy_are_kept(folder: Callable[..., Reading], some: bool) -> None:
    text = energies(lambda h: f"{20 + h}" if some and h > 3 else "")
    reading = folder(BSinfo=CELLS, CLdata=loads(), ECdata=text)
    station = reading.telemetry().frame.query("unit_id == ''")
    assert len(station) == 144
    assert station["station_energy_rel"].isna().sum() == (24 if some else 144)
    assert reading.counts.accepted == reading.counts.rows_in


def test_loads_without_an_energy_file(folder: Callable[..., Reading]) -> None:
    frame = folder(BSinfo=CELLS, CLdata=loads()).telemetry().frame
    assert len(frame) == 216
    assert "station_energy_rel" not in frame


@pytest.mark.parametrize(
    ("header", "canonical", "expected"),
    [
        ("Energy (kWh)", "station_energy_kwh", 1.5),
        ("Energy (Wh)", "station_energy_kwh", 0.0015),
        ("Power (W)", "station_power_w", 1.5),
        ("Power (kW)", "station_power_w", 1500.0),
    ],
)
def test_physical_units_of_a_station(
    folder: Callable[..., Reading], header: str, canonical: str, expected: float
) -> None:
    reading = folder(BSinfo=CELLS, CLdata=loads(), ECdata=energies(lambda _: "1.5", header))
    values = reading.telemetry().frame.query("unit_id == ''")[canonical]
    assert values.to_numpy() == pytest.approx(expected)
    assert "D-ENERGY-RELATIVE" not in codes(reading)


def test_contradictory_attributes_are_rejected(folder: Callable[..., Reading]) -> None:
    twice = CELLS + "S_1,Cell0,TypeC,Mode2,365.0,20,4,6.9\nS_2,Cell0,TypeB,Mode2,426.9,20,32,8.1\n"
    reading = folder(BSinfo=twice, CLdata=loads())
    assert reading.counts.rejected == 3  # both rows of S_1/Cell0 and the repetition of S_2/Cell0
    frame = reading.telemetry().frame
    assert frame.query("site_id == 'S_1' and unit_id == 'Cell0'")["ru_type"].isna().all()
    assert (frame.query("site_id == 'S_2'")["ru_type"] == "TypeB").all()
    assert "D-ATTRIBUTES-MISSING" in codes(reading)


def test_units_described_in_two_files_are_all_described(folder: Callable[..., Reading]) -> None:
    header, *rows = CELLS.splitlines(keepends=True)
    reading = folder(first=header + "".join(rows[:2]), second=header + rows[2], CLdata=loads())
    frame = reading.telemetry().frame
    assert frame[["ru_type", "antennas"]].notna().all(axis=None)
    assert reading.counts.accepted == reading.counts.rows_in
    assert not {"D-ATTRIBUTES-MISSING", "D-DUPLICATE"} & set(codes(reading))


def test_files_with_other_columns_add_to_each_other_and_contradictions_are_told(
    folder: Callable[..., Reading],
) -> None:
    other = "BS,CellName,RUType,Antennas\nS_1,Cell0,TypeZ,4\nS_2,Cell0,TypeB,32\n"
    reading = folder(BSinfo=CELLS, extra=other, CLdata=loads())
    frame = reading.telemetry().frame
    assert set(frame.query("site_id == 'S_1' and unit_id == 'Cell0'")["ru_type"]) == {"TypeA"}
    told = [i for i in reading.issues if i.code == "D-DUPLICATE"]
    assert [(i.place, i.rows) for i in told] == [("extra.csv", 72)]


def test_load_in_percent(folder: Callable[..., Reading]) -> None:
    text = loads().replace(",load,", ",PRB utilisation (%),")
    lines = text.splitlines()
    rows = [line.split(",") for line in lines[1:]]
    scaled = [",".join([*r[:3], f"{float(r[3]) * 100:.3f}", *r[4:]]) for r in rows]
    frame = folder(CLdata="\n".join([lines[0], *scaled]) + "\n").telemetry().frame
    assert frame["prb_utilisation"].max() == pytest.approx(0.33)
