"""Broken exports through the command line: a stable code and a way out, never a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from app.cli import main

HOURS = 24 * 21


def export(**changes: object) -> pd.DataFrame:
    """Return three weeks of a plain data-centre export."""
    hours = np.arange(HOURS)
    it = 100 + 10 * np.sin(hours * 2 * np.pi / 24) + np.random.default_rng(1).normal(0, 1, HOURS)
    table = pd.DataFrame(
        {
            "Time": pd.date_range("2026-01-01", periods=HOURS, freq="h").strftime("%Y-%m-%d %H:%M"),
            "IT Power (kW)": it.round(2),
            "Facility Power (kW)": (1.4 * it).round(2),
            "Outdoor Temperature (C)": (15 + 5 * np.cos(hours * 2 * np.pi / 24)).round(1),
        }
    )
    return table.assign(**changes)


def written(path: Path, table: pd.DataFrame) -> Path:
    table.to_csv(path, index=False)
    return path


def empty(folder: Path) -> Path:
    path = folder / "empty.csv"
    path.touch()
    return path


def wrong_type(folder: Path) -> Path:
    path = folder / "picture.csv"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40)
    return path


def damaged_workbook(folder: Path) -> Path:
    path = folder / "export.xlsx"
    path.write_bytes(b"PK\x03\x04" + b"\x00" * 400)
    return path


def unreadable_encoding(folder: Path) -> Path:
    path = folder / "export.csv"
    path.write_bytes(b"Time,IT Power (kW)\n" + b"\x81\xff\xfe\x80\x00\x9d,\xff\xff\n" * 50)
    return path


def no_time(folder: Path) -> Path:
    return written(folder / "export.csv", export().drop(columns="Time"))


def no_known_column(folder: Path) -> Path:
    return written(folder / "export.csv", export()[["Time"]].assign(colour="blue", mood="good"))


def missing(folder: Path) -> Path:
    return folder / "nowhere.csv"


def no_files(folder: Path) -> Path:
    (folder / "nothing").mkdir()
    return folder / "nothing"


UNUSABLE: dict[Callable[[Path], Path], str] = {
    empty: "E-FILE-EMPTY",
    wrong_type: "E-FILE-TYPE",
    damaged_workbook: "E-FILE-DAMAGED",
    unreadable_encoding: "E-FILE-ENCODING",
    no_time: "E-NO-TIME",
    no_known_column: "E-NO-MEASUREMENT",
    missing: "E-FILE-MISSING",
    no_files: "E-FOLDER-EMPTY",
}


@pytest.mark.parametrize("make", UNUSABLE, ids=lambda make: make.__name__)
@pytest.mark.parametrize("verb", ["check", "train"])
def test_unusable_exports_stop_with_exit_3(
    make: Callable[[Path], Path], verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make(tmp_path)
    more = ["--out", str(tmp_path / "m")] if verb == "train" else []
    assert main([verb, str(path), *more]) == 3
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "E-INTERNAL" not in said
    assert main([verb, str(path), *more, "--json"]) == 3
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == UNUSABLE[make]
    assert said.startswith(f"{UNUSABLE[make]}: ")
    assert error["what"]
    assert error["remedy"]
    assert path.stem in error["where"]
    assert not (tmp_path / "m").exists()


def issues(path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, int]:
    assert main(["check", str(path), "--json"]) == 0
    outcome = json.loads(capsys.readouterr().out)
    rows = outcome["rows"]
    assert rows["rows_in"] == rows["accepted"] + rows["quarantined"] + rows["rejected"]
    return {issue["code"]: issue["rows"] for issue in outcome["issues"]}


def test_a_sound_export_has_no_finding_worse_than_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(written(tmp_path / "a.csv", export())), "--time-zone", "+08:00", "--json"]) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert [i for i in outcome["issues"] if i["severity"] != "info"] == []
    assert outcome["telemetry"]["zone"] == "+08:00"
    assert {"it_power_kw", "facility_power_kw", "outdoor_dry_bulb_c"} <= set(outcome["telemetry"]["columns"])


def test_pue_below_one_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = export()
    table.loc[100:102, "Facility Power (kW)"] = 30.0
    assert issues(written(tmp_path / "a.csv", table), capsys)["D-PUE-BELOW-1"] == 3


def test_negative_power_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = export()
    table.loc[50:51, "IT Power (kW)"] = -5.0
    assert issues(written(tmp_path / "a.csv", table), capsys)["D-NEGATIVE-POWER"] == 2


def test_a_missing_power_column_is_told_by_train(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "a.csv", export()[["Time", "Outdoor Temperature (C)"]])
    assert main(["train", str(path), "--out", str(tmp_path / "m")]) == 3
    assert capsys.readouterr().err.startswith("E-")


def test_what_check_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = export()
    table.loc[50:51, "IT Power (kW)"] = -5.0
    path = written(tmp_path / "a.csv", table)
    out = tmp_path / "out"
    assert main(["check", str(path), "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"rows in {HOURS} = ")
    assert {p.name for p in out.iterdir()} == {
        "mapping.toml", "telemetry.parquet", "issues.csv", "quarantined.csv", "check.html",
    }  # fmt: skip
    assert "D-NEGATIVE-POWER" in set(pd.read_csv(out / "issues.csv")["code"])
    assert list(pd.read_csv(out / "quarantined.csv")["raw"].astype(float)) == [-5.0, -5.0]
    # the mapping given back, and the telemetry given back, say the same
    assert main(["check", str(path), "--mapping", str(out / "mapping.toml"), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)["telemetry"]
    assert main(["check", str(out / "telemetry.parquet"), "--json"]) == 0
    third = json.loads(capsys.readouterr().out)["telemetry"]
    assert again["sha256"] == third["sha256"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--mapping", "nowhere.toml"], "E-MAPPING-FILE"),
        (["--time-zone", "Mars/Olympus"], "E-ZONE"),
    ],
)
def test_wrong_options_are_usage_errors(
    arguments: list[str], code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "a.csv", export())
    assert main(["check", str(path), *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"{code}: ")


def test_predict_refuses_an_unknown_suffix_before_it_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["predict", "nowhere.csv", "--model", "nowhere", "--out", str(tmp_path / "a.xlsx")]
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("E-OUT-SUFFIX: ")


def test_a_missing_model_is_a_configuration_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "a.csv", export())
    arguments = [str(path), "--model", str(tmp_path / "m"), "--out", str(tmp_path / "out")]
    assert main(["advise", *arguments]) == 2
    assert "E-MODEL-MISSING" in capsys.readouterr().err
