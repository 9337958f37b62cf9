"""Files that cannot be read: each is refused with a stable code, a place and a remedy."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import DataError, QuestionError, UnreadableFileError, UnrecognisedError
from features.reading import Answer, Mapping, read_export, read_isolated
from features.reading import isolated as isolated_module

Writer = Callable[..., Path]

GOOD = "timestamp,it_power_kw,facility_power_kw\n" + "".join(
    f"2025-01-01 {h:02d}:00,{50 + h},{70 + h}\n" for h in range(24)
)


def refused(path: Path, code: str, kind: type[DataError] = UnreadableFileError) -> DataError:
    with pytest.raises(kind) as caught:
        read_export(path)
    error = caught.value
    assert error.code == code, str(error)
    assert error.exit_code == 3
    assert error.what
    assert error.where
    assert error.remedy
    return error


def test_missing_path(tmp_path: Path) -> None:
    refused(tmp_path / "nothing.csv", "E-FILE-MISSING")


def test_one_line_below_an_empty_one_is_no_table(write: Writer) -> None:
    refused(write(b"\n!"), "E-FILE-HEADER-ONLY")


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\n\n  \n"])
def test_empty_file(write: Writer, content: bytes) -> None:
    refused(write(content), "E-FILE-EMPTY")


def test_header_only(write: Writer) -> None:
    refused(write("timestamp,it_power_kw\n"), "E-FILE-HEADER-ONLY")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"PK\x03\x04 not text", "a.csv"),
        (b"\x89PNG\r\n\x1a\n", "a.csv"),
        (b"<!DOCTYPE html><html><table>", "a.csv"),
        (b"PAR1....", "a.csv"),
        (b"%PDF-1.7", "a.txt"),
        (b"<html>", "a.xlsx"),
        (b"timestamp,it_power_kw\n", "a.xlsx"),
        (b"timestamp,it_power_kw\n", "a.parquet"),
        (b"timestamp,it_power_kw\n", "a.xml"),
        (b"<!DOCTYPE html><html></html>", "a.xml"),
        (b"timestamp,it_power_kw\n", "a.epw"),
        (b"timestamp,it_power_kw\n", "a.csv.gz"),
        (b"timestamp,it_power_kw\n", "a.zip"),
        (b"abc", "a.exe"),
    ],
)
def test_content_is_not_what_the_name_says(write: Writer, content: bytes, name: str) -> None:
    refused(write(content, name), "E-FILE-TYPE")


def test_zip_that_is_no_workbook(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as archive:
        archive.writestr("data.csv", GOOD)
    refused(tmp_path / "a.xlsx", "E-FILE-TYPE")


@pytest.mark.parametrize(
    "content",
    [
        b"timestamp,it_power_kw\n2025-01-01 00:00,\x00\x00\n",
        b"timestamp,it_power_kw\n\x01\x02\x03\x81\x8d\x8f\n",
        "timestamp,机房\n".encode() + "2025-01-01,温度\n".encode("gb18030") + b"\xff\xff\n",
    ],
)
def test_unreadable_encoding(write: Writer, content: bytes) -> None:
    refused(write(content), "E-FILE-ENCODING")


def test_truncated_parquet(tmp_path: Path, write: Writer) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"timestamp": ["2025-01-01"], "it_power_kw": [1.0]}), sink)
    refused(write(sink.getvalue()[:-20], "a.parquet"), "E-FILE-DAMAGED")
    # The tail says Parquet, the footer is nonsense.
    refused(write(sink.getvalue()[:30] + b"\x00" * 40 + b"PAR1", "b.parquet"), "E-FILE-DAMAGED")


def test_flipped_byte_in_parquet_with_checksums(tmp_path: Path, plant: pd.DataFrame) -> None:
    path = tmp_path / "a.parquet"
    table = pa.Table.from_pandas(plant, preserve_index=False)
    pq.write_table(table, path, write_page_checksum=True, compression="none")
    raw = bytearray(path.read_bytes())
    raw[2000] ^= 0x10
    path.write_bytes(bytes(raw))
    refused(path, "E-FILE-DAMAGED")


def test_zip_bomb_by_declared_size(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (40 * 2**20))
    refused(path, "E-FILE-BOMB")


def test_zip_bomb_that_lies_about_its_size(tmp_path: Path) -> None:
    path = tmp_path / "liar.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (40 * 2**20))
    true_size = (40 * 2**20).to_bytes(4, "little")
    raw = path.read_bytes()
    assert raw.count(true_size) == 2
    path.write_bytes(raw.replace(true_size, (1000).to_bytes(4, "little")))
    refused(path, "E-FILE-BOMB")


def test_damaged_workbook(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    book = openpyxl.Workbook()
    book.save(path)
    path.write_bytes(path.read_bytes()[:-200])
    refused(path, "E-FILE-DAMAGED")


def test_empty_workbook(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    openpyxl.Workbook().save(path)
    refused(path, "E-FILE-EMPTY")


def test_unbalanced_quote_is_found_with_its_line(write: Writer) -> None:
    error = refused(write(GOOD + '"2025-01-02 00:00,1,2\n2025-01-02 01:00,1,2\n'), "E-FILE-QUOTES")
    assert error.where.endswith("line 26")


def test_no_time_column_lists_what_was_seen(write: Writer) -> None:
    error = refused(write("it_power_kw,facility_power_kw\n1,2\n2,3\n"), "E-NO-TIME", UnrecognisedError)
    assert "it_power_kw" in error.what


def test_times_without_date(write: Writer) -> None:
    refused(write("time,it_power_kw\n00:00,1\n01:00,2\n"), "E-TIME-NO-DATE", UnrecognisedError)


def test_no_measurement_lists_what_was_seen(write: Writer) -> None:
    error = refused(
        write("timestamp,colour,shape\n2025-01-01 00:00,a,b\n2025-01-01 01:00,a,b\n"),
        "E-NO-MEASUREMENT",
        UnrecognisedError,
    )
    assert "colour" in error.what


def test_no_header(write: Writer) -> None:
    refused(write("2025-01-01 00:00,1,2\n2025-01-01 01:00,1,2\n"), "E-NO-HEADER", UnrecognisedError)


def test_wrong_kind(write: Writer) -> None:
    with pytest.raises(UnrecognisedError) as caught:
        read_export(write(GOOD), kind="base-station")
    assert caught.value.code == "E-KIND"


def test_folder_without_data_names_its_folders(tmp_path: Path) -> None:
    (tmp_path / "trend").mkdir()
    (tmp_path / "notes.md").write_text("x")
    error = refused(tmp_path, "E-FOLDER-EMPTY")
    assert "trend" in error.what


def test_damaged_file_in_a_folder_is_never_skipped(tmp_path: Path, write: Writer) -> None:
    write(GOOD, "a.csv")
    write(b"PAR1xxxx", "b.parquet")
    refused(tmp_path, "E-FILE-DAMAGED")


def test_drifting_stamps(write: Writer) -> None:
    stamps = pd.date_range("2025-01-01", periods=200, freq="3603s")
    jitter = pd.to_timedelta([i % 7 for i in range(200)], unit="s")
    rows = "".join(f"{s:%Y-%m-%d %H:%M:%S},{i}\n" for i, s in enumerate(stamps + jitter))
    refused(write("timestamp,it_power_kw\n" + rows), "E-TIME-DRIFT", DataError)


def test_files_of_different_intervals(tmp_path: Path, write: Writer) -> None:
    write(GOOD, "power.csv")
    quarter = pd.date_range("2025-01-01", periods=40, freq="15min")
    write(
        "timestamp,outdoor_dry_bulb_c\n" + "".join(f"{s},{i / 4}\n" for i, s in enumerate(quarter)),
        "weather.csv",
    )
    refused(tmp_path, "E-INTERVAL-MIXED", DataError)  # type: ignore[arg-type]


# -- questions -----------------------------------------------------------------------------------
def asked(path: Path, code: str) -> QuestionError:
    with pytest.raises(QuestionError) as caught:
        read_export(path)
    assert caught.value.code == code
    assert "[[answer]]" in caught.value.remedy
    return caught.value


def test_power_without_unit_is_asked_for_and_the_answer_is_followed(write: Writer) -> None:
    rows = "".join(f"2025-01-01 {h:02d}:00,{50_000 + h}\n" for h in range(24))
    path = write("timestamp,IT power\n" + rows)
    error = asked(path, "E-QUESTION-UNIT")
    assert "'IT power'" in error.what
    reading = read_export(path, mapping=Mapping(answer=(Answer(column="IT power", unit="W"),)))
    assert reading.telemetry().frame["it_power_kw"].tolist()[:2] == [50.0, 50.001]


def test_day_and_month_are_asked_for_when_open(write: Writer) -> None:
    path = write("timestamp,it_power_kw\n" + "".join(f"03/04/2026 {h:02d}:00,{h}\n" for h in range(1, 24)))
    asked(path, "E-QUESTION-DATE-ORDER")
    months = {
        order: read_export(path, mapping=Mapping(answer=(Answer(date_order=order),)))  # type: ignore[arg-type]
        .telemetry()
        .frame["timestamp"]
        .dt.month.iloc[0]
        for order in ("day-first", "month-first")
    }
    assert months == {"day-first": 4, "month-first": 3}


def test_mixed_day_and_month_order_is_asked_for(write: Writer) -> None:
    asked(write("timestamp,it_power_kw\n13/1/2026 00:00,1\n1/14/2026 01:00,2\n"), "E-QUESTION-DATE-ORDER")


def test_thousands_or_decimals_are_asked_for(write: Writer) -> None:
    rows = "".join(f"2025-01-01 {h:02d}:00;1,{200 + h}\n" for h in range(24))
    path = write("timestamp;it_power_kw\n" + rows)
    asked(path, "E-QUESTION-DECIMAL")
    for decimal, value in ((".", 1200.0), (",", 1.2)):
        reading = read_export(path, mapping=Mapping(answer=(Answer(decimal=decimal),)))  # type: ignore[arg-type]
        assert reading.telemetry().frame["it_power_kw"].iloc[0] == value


def test_power_off_by_a_thousand_is_asked_for(write: Writer) -> None:
    rows = "".join(f"2025-01-01 {h:02d}:00,{50_000 + h},{70 + h / 10}\n" for h in range(24))
    asked(write("timestamp,it_power_kw,facility_power_kw\n" + rows), "E-QUESTION-UNIT")


def test_fahrenheit_under_a_celsius_name_is_asked_for(write: Writer) -> None:
    rows = "".join(f"2025-01-01 {h:02d}:00,{70 + h / 10}\n" for h in range(24))
    error = asked(write("timestamp,server_inlet_c\n" + rows), "E-QUESTION-UNIT")
    assert "degF" in error.what


# -- isolation -----------------------------------------------------------------------------------
def test_isolated_reading_is_the_same(write: Writer) -> None:
    path = write(GOOD)
    here, there = read_export(path), read_isolated(path)
    assert there.table.equals(here.table, check_metadata=True)
    assert there.issues == here.issues
    assert there.mapping == here.mapping
    assert there.counts == here.counts


def test_isolated_reading_passes_errors_on(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError) as caught:
        read_isolated(tmp_path / "nothing.csv")
    assert caught.value.code == "E-FILE-MISSING"


def test_crash_of_the_child_is_an_error(write: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated_module, "CHILD", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(UnreadableFileError) as caught:
        read_isolated(write(GOOD))
    assert caught.value.code == "E-READ-CRASH"


def test_hang_of_the_child_is_an_error(write: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated_module, "CHILD", "import time; time.sleep(60)")
    with pytest.raises(UnreadableFileError) as caught:
        read_isolated(write(GOOD), seconds=0.5)
    assert caught.value.code == "E-READ-TIMEOUT"
