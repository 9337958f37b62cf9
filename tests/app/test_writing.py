from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.writing import FORMULA_STARTS, harmless, jsonable, make_folder, to_json, write_csv, write_text
from features.errors import UsageError


@pytest.mark.parametrize("cell", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_formula_becomes_text(cell: str) -> None:
    assert harmless(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["-5.2", "+3", "1e3", "text", "", "数据", 3.5, None])
def test_numbers_and_plain_text_stay(cell: object) -> None:
    assert harmless(cell) == cell


@given(st.text())
def test_no_cell_is_executed(cell: str) -> None:
    shown = str(harmless(cell))
    if shown.startswith(FORMULA_STARTS):
        float(shown)  # only a number may keep its sign


def test_csv_for_people_has_no_formula_in_cells_or_header(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", pd.DataFrame({"=evil()": ["@x", "-1"]}), for_people=True)
    assert path.read_text(encoding="utf-8-sig").splitlines() == ["'=evil()", "'@x", "-1"]


def test_stamps_carry_z_only_where_the_zone_is_known(tmp_path: Path) -> None:
    table = pd.DataFrame({"timestamp": pd.to_datetime(["2026-01-01T08:00:00Z"])})
    known = write_csv(tmp_path / "a.csv", table).read_text(encoding="utf-8")
    unknown = write_csv(tmp_path / "b.csv", table, zone_known=False).read_text(encoding="utf-8")
    assert known.splitlines()[1] == "2026-01-01T08:00:00Z"
    assert unknown.splitlines()[1] == "2026-01-01T08:00:00"


def test_json_says_null_for_what_is_unknown() -> None:
    value = {
        "nan": math.nan, "inf": np.float64("inf"), "nat": pd.NaT, "n": np.int64(3),
        "a": np.array([1.0, math.nan]), "t": pd.Timestamp("2026-01-01T00:00Z"), "p": Path("x"), "zh": "数据",
    }  # fmt: skip
    assert jsonable(value) == {
        "nan": None, "inf": None, "nat": None, "n": 3, "a": [1.0, None], "t": "2026-01-01T00:00:00+00:00",
        "p": "x", "zh": "数据",
    }  # fmt: skip
    assert json.loads(to_json(value))["zh"] == "数据"
    assert "数据" in to_json(value)


def test_a_file_that_cannot_be_written_is_a_usage_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "x").touch()
    with pytest.raises(UsageError, match="E-OUT"):
        write_text(tmp_path / "taken", "text")
    with pytest.raises(UsageError, match="E-OUT"):
        write_text(tmp_path / "no" / "such" / "a.txt", "text")
    with pytest.raises(UsageError, match="E-OUT"):
        make_folder(tmp_path / "taken" / "x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["taken"]
