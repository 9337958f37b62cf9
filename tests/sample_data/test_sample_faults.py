"""Every faulty export is answered with the finding that its table names, through the command line."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from app.cli import main
from sample_data.faults import EXPECTED, Fault
from sample_data.generate import write_samples


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_samples(tmp_path_factory.mktemp("samples"))["faults"]


def test_the_written_table_is_the_one_of_the_generator(folder: Path) -> None:
    table = tomllib.loads((folder / "expected.toml").read_text(encoding="utf-8"))["fault"]
    assert [(f["file"], tuple(f["codes"]), f["exit_code"]) for f in table] == [
        (f.file, f.codes, f.exit_code) for f in EXPECTED
    ]
    assert {p.name for p in folder.glob("*.csv")} == {f.file for f in EXPECTED}
    assert len({f.kind for f in EXPECTED} - {"none"}) >= 6


@pytest.mark.parametrize("fault", EXPECTED, ids=lambda f: f.file)
def test_a_fault_is_found(fault: Fault, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(folder / fault.file), "--json"]) == fault.exit_code
    said = json.loads(capsys.readouterr().out)
    if fault.exit_code:
        assert said["error"]["code"] in fault.codes
        return
    severity = {i["code"]: i["severity"] for i in said["issues"]}
    assert set(fault.codes) <= set(severity)
    # nothing serious is reported that is not there
    assert {c for c, s in severity.items() if s == "error"} <= set(fault.codes)
    assert severity or not fault.codes
    rows = said["rows"]
    assert rows["rows_in"] == rows["accepted"] + rows["quarantined"] + rows["rejected"]


def test_the_clean_file_is_clean(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(folder / "clean.csv"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["issues"] == []
