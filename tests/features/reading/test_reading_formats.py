"""Every format that an export comes in gives the same telemetry, and the same account of rows."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlwt

from features.errors import MappingFileError, UnreadableFileError, UnrecognisedError
from features.reading import Answer, Mapping, Reading, read_export

Writer = Callable[..., Path]
HOURS = 48
SIMPLE = {"stamp": "时间", "it": "IT设备功率(kW)", "total": "总功率(kW)", "outside": "室外温度(℃)"}
TRADITIONAL = {"stamp": "時間", "it": "IT設備功率(kW)", "total": "總功率(kW)", "outside": "室外溫度(℃)"}
WESTERN = {
    "stamp": "timestamp",
    "it": "IT power (kW)",
    "total": "Facility power (kW)",
    "outside": "Outdoor temperature (°C)",
}
COLUMNS = ["it_power_kw", "facility_power_kw", "outdoor_dry_bulb_c"]


def export(names: dict[str, str]) -> pd.DataFrame:
    hours = np.arange(HOURS)
    stamps = pd.date_range("2025-03-01", periods=HOURS, freq="h").strftime("%Y-%m-%d %H:%M")
    return pd.DataFrame(
        {
            names["stamp"]: stamps,
            names["it"]: 50.0 + hours % 24,
            names["total"]: 81.5 + hours % 24,
            names["outside"]: 15.25 + hours % 7,
        }
    )


def text(names: dict[str, str], sep: str = ",") -> str:
    return str(export(names).to_csv(index=False, sep=sep, lineterminator="\n"))


def zipped(files: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return sink.getvalue()


def same(path: Path, rows: int = HOURS) -> Reading:
    """Assert that all series arrive, no row is lost, and the mapping given back is followed."""
    reading = read_export(path)
    frame = reading.telemetry().frame
    expected = export(WESTERN)
    for canonical, source in zip(COLUMNS, list(WESTERN.values())[1:], strict=True):
        np.testing.assert_allclose(frame[canonical], expected[source])
    assert reading.counts.rows_in == reading.counts.accepted == rows
    again = read_export(path, mapping=Mapping.from_toml(reading.mapping.to_toml()))
    assert again.table.equals(reading.table)
    return reading


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("utf-8", SIMPLE),
        ("utf-8-sig", SIMPLE),
        ("utf-16", SIMPLE),
        ("utf-16-le", SIMPLE),
        ("utf-16-be", WESTERN),
        ("gbk", SIMPLE),
        ("gb18030", SIMPLE),
        ("big5", TRADITIONAL),
        ("latin-1", WESTERN),
        ("cp1252", WESTERN),
    ],
)
def test_encodings(write: Writer, encoding: str, names: dict[str, str]) -> None:
    same(write(text(names).encode(encoding)))


@pytest.mark.parametrize(("name", "sep"), [("a.tsv", "\t"), ("a.csv", ";"), ("a.txt", "|")])
def test_delimiters(write: Writer, name: str, sep: str) -> None:
    same(write(text(WESTERN, sep), name))


@pytest.mark.parametrize(
    ("word", "encoding"),
    [("Außentemperatur °C", "latin-1"), ("température extérieure", "latin-1"), ("Größe ä ö ü", "cp1252")],
)
def test_accents_are_not_taken_for_chinese(write: Writer, word: str, encoding: str) -> None:
    lines = text(WESTERN).splitlines()
    content = "\n".join([lines[0] + f",{word}", *(line + ",1" for line in lines[1:])]) + "\n"
    reading = read_export(write(content.encode(encoding)))
    assert [c.source for c in reading.mapping.file[0].column][-1] == word


def test_gzip_of_text_and_of_parquet(write: Writer) -> None:
    same(write(gzip.compress(text(SIMPLE).encode()), "a.csv.gz"))
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(export(WESTERN), preserve_index=False), sink)
    same(write(gzip.compress(sink.getvalue()), "b.parquet.gz"))


def test_gzip_of_several_members_is_whole(write: Writer) -> None:
    head, tail = text(WESTERN)[:700], text(WESTERN)[700:]
    same(write(gzip.compress(head.encode()) + gzip.compress(tail.encode()), "a.csv.gz"))


def test_zip_holds_files_that_belong_together(write: Writer) -> None:
    table = export(WESTERN)
    power, weather = table.drop(columns=WESTERN["outside"]), table[[WESTERN["stamp"], WESTERN["outside"]]]
    content = zipped(
        {
            "export/power.csv": power.to_csv(index=False).encode(),
            "../../weather.csv.gz": gzip.compress(weather.to_csv(index=False).encode()),
            "readme.txt": b"not data",
        }
    )
    reading = same(write(content, "a.zip"), 2 * HOURS)
    assert [f.glob for f in reading.mapping.file] == ["a.zip/weather.csv.gz", "a.zip/power.csv"]
    assert ("D-FILE-SKIPPED", "a.zip/readme.txt") in {(i.code, i.place) for i in reading.issues}


def workbook(tmp_path: Path, sheets: dict[str, list[list[object]]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    path = tmp_path / "a.xlsx"
    book.save(path)
    return path


def rows_of(table: pd.DataFrame) -> list[list[object]]:
    return [list(table), *table.to_numpy(dtype=object).tolist()]


def test_sheets_of_several_periods_are_one_series(tmp_path: Path) -> None:
    table = export(WESTERN)
    same(workbook(tmp_path, {"Jan": rows_of(table[:20]), "Feb": rows_of(table[20:]), "note": [["x"]]}))


def test_sheets_of_several_kinds_are_joined(tmp_path: Path) -> None:
    table = export(WESTERN)
    power = rows_of(table.drop(columns=WESTERN["outside"]))
    weather = rows_of(table[[WESTERN["stamp"], WESTERN["outside"]]])
    daily = [power[0], ["2025-03-01", 61.0, 90.0], ["2025-03-02", 61.0, 90.0]]
    reading = same(workbook(tmp_path, {"Power": power, "Weather": weather, "Daily": daily}), 2 * HOURS)
    left_out = [i.evidence for i in reading.issues if i.code == "D-PART-IGNORED"]
    assert left_out == ["Daily: its rows have another interval than those of 'Power'"]


def test_title_rows_and_merged_headers(tmp_path: Path) -> None:
    head: list[list[object]] = [["Export of the plant"], [], [None, "Power", None, "Weather"]]
    path = workbook(tmp_path, {"Trend": head + rows_of(export(WESTERN))})
    book = openpyxl.load_workbook(path)
    book["Trend"].merge_cells("A1:D1")
    book["Trend"].merge_cells("B3:C3")
    book.save(path)
    same(path)


@pytest.mark.parametrize("claim", ["A1", "A1:XFD1048576"])
def test_a_sheet_that_lies_about_its_size(tmp_path: Path, claim: str) -> None:
    path = workbook(tmp_path, {"Trend": rows_of(export(WESTERN))})
    with zipfile.ZipFile(path) as archive:
        parts = {n: archive.read(n) for n in archive.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"].decode()
    true_one = f'<dimension ref="A1:D{HOURS + 1}" />'
    assert true_one in sheet
    parts["xl/worksheets/sheet1.xml"] = sheet.replace(true_one, f'<dimension ref="{claim}"/>').encode()
    path.write_bytes(zipped(parts))
    same(path)


def test_old_workbooks(tmp_path: Path) -> None:
    book = xlwt.Workbook()
    table = export(SIMPLE)
    for title, part in {"一月": table[:20], "二月": table[20:]}.items():
        sheet = book.add_sheet(title)
        sheet.write_merge(0, 0, 0, 3, "机房报表")
        for r, row in enumerate(rows_of(part), start=2):
            for c, cell in enumerate(row):
                sheet.write(r, c, cell)
    book.save(str(tmp_path / "a.xls"))
    same(tmp_path / "a.xls")


# -- long tables and points ----------------------------------------------------------------------
def long() -> pd.DataFrame:
    return export(WESTERN).melt(id_vars="timestamp", var_name="point", value_name="value")


def test_long_table(write: Writer) -> None:
    table = long().sort_values(["timestamp", "point"])
    same(write(table.to_csv(index=False)), 3 * HOURS)


def test_long_table_with_units_of_their_own_and_chinese_headers(write: Writer) -> None:
    table = long()
    table["单位"] = table["point"].str.extract(r"\((.*)\)")[0]
    table["point"] = table["point"].str.replace(r" \(.*\)", "", regex=True)
    content = table.rename(columns={"timestamp": "采集时间", "point": "测点名称", "value": "数值"})
    same(write(content.to_csv(index=False)), 3 * HOURS)


def test_rows_of_a_long_table_are_accounted_for_one_by_one(write: Writer) -> None:
    table = long()
    table.loc[5, "value"] = -999.0  # IT power, hour 5
    extra = pd.DataFrame(
        {
            "timestamp": ["2025-03-01 00:00", "2025-03-01 01:00", "never"],
            "point": ["", "Facility power (kW)", "IT power (kW)"],
            "value": [1.0, 82.5, 1.0],
        }
    )
    reading = read_export(write(pd.concat([table, extra]).to_csv(index=False)))
    counts = reading.counts
    assert (counts.rows_in, counts.quarantined, counts.rejected) == (3 * HOURS + 3, 1, 3)
    rows = reading.quarantined_rows.to_pandas().set_index("row")["code"].to_dict()
    assert rows == {
        7: "D-NEGATIVE-POWER",
        3 * HOURS + 2: "D-ROW-RAGGED",
        3 * HOURS + 3: "D-DUPLICATE",
        3 * HOURS + 4: "D-NO-STAMP",
    }


def test_numbered_points_are_summed_as_numbered_columns_are(write: Writer) -> None:
    hours = [f"2025-03-01 {h:02d}:00" for h in range(24)]
    rows = [
        f"{t},{p},{v}" for t in hours for p, v in (("Chiller 1 power (kW)", 10), ("Chiller 2 power (kW)", 5))
    ]
    reading = read_export(write("timestamp,tag,value\n" + "\n".join(rows) + "\n"))
    assert reading.table["cooling_power_kw"].to_pylist() == [15.0] * 24
    assert reading.counts.rows_in == reading.counts.accepted == 48


def test_one_file_per_point(tmp_path: Path) -> None:
    (tmp_path / "points").mkdir()
    for name, part in long().groupby("point"):
        part[["timestamp", "value"]].to_csv(tmp_path / "points" / f"{name}.csv", index=False)
    same(tmp_path / "points", 3 * HOURS)


def test_months_and_weather_beside_them_are_one_site(tmp_path: Path) -> None:
    table = export(WESTERN)
    power = table.drop(columns=WESTERN["outside"])
    (tmp_path / "site").mkdir()
    power[:20].to_csv(tmp_path / "site/jan.csv", index=False)
    power[20:].to_csv(tmp_path / "site/feb.csv", index=False)
    table[[WESTERN["stamp"], WESTERN["outside"]]].to_csv(tmp_path / "site/weather.csv", index=False)
    same(tmp_path / "site", 2 * HOURS)


def test_a_file_per_quarter_hour_is_a_series(tmp_path: Path) -> None:
    for i in range(8):
        stamp = f"2025-01-01 {i // 4:02d}:{i % 4 * 15:02d}"
        rows = "".join(f"{stamp},bs1,c{c},{0.1 * c},{c}\n" for c in (1, 2))
        (tmp_path / f"{i}.csv").write_text("time,base station,cell,prb utilisation,Energy (kWh)\n" + rows)
    reading = read_export(tmp_path)
    assert reading.telemetry().interval == pd.Timedelta("15min")
    assert reading.counts.rows_in == reading.counts.accepted == 16


# -- 3GPP performance files ----------------------------------------------------------------------
HEAD = '<?xml version="1.0"?>\n'
STYLE = '<?xml-stylesheet type="text/xsl" href="m.xsl"?>\n'
ANSWERS = Mapping(
    kind="base-station",
    answer=(
        Answer(column="PEE.AvgPower", canonical="station_power_w", unit="W"),
        Answer(column="RRU.PrbTotDl", canonical="prb_utilisation", unit="%"),
        Answer(column="PEE.Energy", canonical="ignore"),
    ),
)


def measured(end: str, *, power: str = "412.5", suspect: str = "false", before: str = HEAD) -> str:
    """Return a TS 28.532 file of one period: the station's power and two cells with a slice each."""
    cells = "".join(
        f'<measValue measObjLdn="GNBDUFunction=1,NRCellDU={c}"><r p="2">{c}</r><r p="1">{10 * c}</r>'
        f"<suspect>{suspect if c == 2 else 'false'}</suspect></measValue>"
        for c in (1, 2)
    )
    period = f'<granPeriod duration="PT900S" endTime="{end}"/>'
    return (
        f'{before}<measDataFile xmlns="http://www.3gpp.org/ftp/specs/archive/28_series/28.532#measData">'
        f'<fileHeader><fileSender senderName="x"/><measData beginTime="{end}"/></fileHeader><measData>'
        f'<measEntity localDn="ManagedElement=G1"/><measInfo measInfoId="a">{period}'
        '<measType p="1">PEE.AvgPower</measType><measValue measObjLdn="ManagedElement=G1">'
        f'<r p="1">{power}</r></measValue></measInfo><measInfo measInfoId="b">{period}'
        '<measType p="1">RRU.PrbTotDl</measType><measType p="2">RRU.PrbUsedDl.010003e8</measType>'
        f"{cells}</measInfo></measData><fileFooter/></measDataFile>"
    )


def listed(end: str) -> str:
    """Return the same in TS 32.435: counters and values as lists."""
    period = f'<granPeriod duration="PT15M" endTime="{end}"/>'
    cells = "".join(
        f'<md:measValue measObjLdn="GNBDUFunction=1,NRCellDU={c}"><md:measResults>{10 * c} NIL'
        "</md:measResults></md:measValue>"
        for c in (1, 2)
    )
    body = (
        '<md:measData><md:managedElement localDn="ManagedElement=G1"/><md:measInfo>'
        f"{period.replace('<g', '<md:g')}<md:measTypes>PEE.AvgPower</md:measTypes>"
        '<md:measValue measObjLdn="ManagedElement=G1"><md:measResults>412.5</md:measResults></md:measValue>'
        f"</md:measInfo><md:measInfo>{period.replace('<g', '<md:g')}"
        f"<md:measTypes>RRU.PrbTotDl RRU.PrbUsedDl.010003e8</md:measTypes>{cells}</md:measInfo></md:measData>"
    )
    return (
        f'{HEAD}<md:measCollecFile xmlns:md="http://www.3gpp.org/ftp/specs/archive/32_series/32.435#measCollec">'
        f"{body}</md:measCollecFile>"
    )


def ends(count: int) -> list[str]:
    stamps = pd.date_range("2025-03-01 00:15", periods=count, freq="15min")
    return [f"{s:%Y-%m-%dT%H:%M:%S}+08:00" for s in stamps]


def pm(reading: Reading) -> pd.DataFrame:
    return reading.telemetry().frame.set_index(["unit_id", "timestamp"])


@pytest.mark.parametrize("dialect", [measured, listed])
def test_a_performance_file_per_quarter_hour_is_a_series(
    tmp_path: Path, dialect: Callable[[str], str]
) -> None:
    for i, end in enumerate(ends(8)):
        (tmp_path / f"A{i}.xml").write_text(dialect(end))
    reading = read_export(tmp_path, mapping=ANSWERS)
    telemetry = reading.telemetry()
    assert telemetry.interval == pd.Timedelta("15min")
    assert telemetry.zone.name == "UTC"
    assert set(telemetry.frame["site_id"]) == {"ManagedElement=G1"}
    assert reading.counts.rows_in == reading.counts.accepted == 8 * 3
    frame = pm(reading)
    first = pd.Timestamp("2025-02-28 16:00", tz="UTC")  # the period's start in UTC
    assert frame.loc[("", first), "station_power_w"] == 412.5
    assert frame.loc[("GNBDUFunction=1,NRCellDU=2", first), "prb_utilisation"] == 0.2
    assert len(telemetry.sources) == 8
    again = read_export(tmp_path, mapping=Mapping.from_toml(reading.mapping.to_toml()))
    assert again.table.equals(reading.table)


def test_values_are_joined_by_number_and_suspect_ones_taken_out(write: Writer) -> None:
    content = measured(ends(1)[0], suspect="true", before=STYLE + HEAD)
    reading = read_export(write(content, "a.xml"), mapping=ANSWERS)
    frame = pm(reading).droplevel("timestamp")
    assert frame.loc["GNBDUFunction=1,NRCellDU=1", "prb_utilisation"] == 0.1
    assert np.isnan(frame.loc["GNBDUFunction=1,NRCellDU=2", "prb_utilisation"])
    assert reading.counts.quarantined == 1
    assert "D-SUSPECT" in {i.code for i in reading.issues}
    assert reading.marks.select(["column", "code", "kept"]).to_pylist() == [
        {"column": "prb_utilisation", "code": "D-SUSPECT", "kept": False}
    ]


def test_packed_performance_files_of_a_chinese_encoding(write: Writer) -> None:
    content = measured(ends(1)[0]).replace('"1.0"', '"1.0" encoding="GBK"').replace("G1", "基站一")
    path = write(zipped({f"A{i}.xml.gz": gzip.compress(content.encode("gbk")) for i in (1,)}), "pm.zip")
    frame = read_export(path, mapping=ANSWERS).telemetry().frame
    assert set(frame["site_id"]) == {"ManagedElement=基站一"}


def test_values_without_their_counter_are_rejected_rows(write: Writer) -> None:
    content = measured(ends(1)[0]).replace('<r p="2">1</r>', '<r p="9">1</r>')
    reading = read_export(write(content, "a.xml"), mapping=ANSWERS)
    assert (reading.counts.rows_in, reading.counts.rejected) == (3, 1)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('<measType p="2">', '<measType p="1">', "E-PM"),
        ('duration="PT900S"', 'duration="900"', "E-PM"),
        ('endTime="2025', 'endTime="yesterday 2025', "E-PM"),
        ("</measDataFile>", "", "E-FILE-DAMAGED"),
        ("measDataFile", "rss", "E-XML-ROOT"),
        (HEAD, HEAD + "<!DOCTYPE x [<!ENTITY a 'b'>]>", "E-XML-DTD"),
    ],
)
def test_contradictory_performance_files_are_refused(write: Writer, old: str, new: str, code: str) -> None:
    with pytest.raises((UnreadableFileError, UnrecognisedError)) as caught:
        read_export(write(measured(ends(1)[0]).replace(old, new), "a.xml"), mapping=ANSWERS)
    assert caught.value.code == code


def test_performance_files_as_they_are_found(shared: Path) -> None:
    reading = read_export(shared / "data/pm_xml", mapping=ANSWERS)
    frame = pm(reading)
    assert set(frame["station_power_w"].dropna()) == {25.0}
    assert reading.telemetry().interval == pd.Timedelta("60s")
    assert reading.counts.rows_in == reading.counts.accepted


# -- weather -------------------------------------------------------------------------------------
def epw(year: int, days: int = 2) -> str:
    head = "LOCATION,Shanghai,SH,CHN,X,1,31.2,121.3,8.0,3.0\n" + "COMMENTS\n" * 6 + "DATA PERIODS,1,1,Data\n"
    rest = ",101325,0,0,9999,0,0,0,0,0,0,0,180,3.0,5,5,99,77777,9,999999999,0,0.1,0,88,0.2,0,0\n"
    rows = "".join(
        f"{year},3,{d + 1},{h},60,?9,{15.25 + (24 * d + h - 1) % 7},9.0,66{rest}"
        for d in range(days)
        for h in range(1, 25)
    )
    return head + rows.replace(f"{year},3,1,3,60,?9,17.25", f"{year},3,1,3,60,?9,99.9")


def test_weather_beside_a_plant_is_joined(tmp_path: Path, write: Writer) -> None:
    plant = export(WESTERN).drop(columns=WESTERN["outside"]).rename(columns={"timestamp": "time (UTC+8)"})
    write(plant.to_csv(index=False), "site/plant.csv")
    write(epw(2025), "site/weather.epw")
    reading = read_export(tmp_path / "site")
    frame = reading.telemetry().frame
    assert len(frame) == HOURS
    assert np.isnan(frame["outdoor_dry_bulb_c"][2])
    np.testing.assert_allclose(frame["outdoor_dry_bulb_c"][3:], export(WESTERN)[WESTERN["outside"]][3:])
    assert frame["it_power_kw"].notna().all()


def test_weather_of_other_years_is_left_out(tmp_path: Path, write: Writer) -> None:
    write(text(WESTERN), "site/plant.csv")
    write(epw(2003), "site/weather.epw")
    reading = same(tmp_path / "site")
    assert [s.file for s in reading.mapping.skipped] == ["weather.epw"]


def test_a_sheet_that_is_not_there_is_a_mapping_error(tmp_path: Path, write: Writer) -> None:
    path = write(long().to_csv(index=False))
    found = read_export(path).mapping
    wrong = replace(found, file=(replace(found.file[0], point="nothing"),))
    with pytest.raises(MappingFileError) as caught:
        read_export(path, mapping=wrong)
    assert caught.value.code == "E-MAPPING-PART"
