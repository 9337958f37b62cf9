"""The page of ``advisor check``: the account of rows, the findings, the columns, and marked pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from app.report.checked import MOST_POINTS, _thinned, pictures
from app.service.check import check
from app.service.reading import Exports
from features.reading import read_export
from sample_data.station_faults import station_fault

ROWS = 96


@pytest.fixture
def export(tmp_path: Path) -> Path:
    rng = np.random.default_rng(5)
    it = 80.0 + rng.normal(0, 2, ROWS)
    it[[40, 41]] = 900.0
    cooling = 15.0 + rng.normal(0, 0.5, ROWS)
    cooling[60] = -3.0
    table = pd.DataFrame(
        {
            "timestamp": pd.date_range("2025-03-01", periods=ROWS, freq="h").strftime("%Y-%m-%d %H:%M"),
            "it_power_kw": it.round(2),
            "cooling_power_kw": cooling.round(2),
            "CHW pump <script>alert(1)</script> speed (Hz)": 40,
        }
    ).drop(index=range(70, 76))
    path = tmp_path / "hall.csv"
    table.to_csv(path, index=False)
    return path


def test_the_page_says_what_was_found(export: Path, tmp_path: Path) -> None:
    outcome = check(Exports((export,)), out=tmp_path / "out")
    text = (tmp_path / "out" / "check.html").read_text(encoding="utf-8")
    assert tmp_path / "out" / "check.html" in outcome.written
    assert "90 <small>rows in =</small> 87 <small>accepted +</small> 3 <small>quarantined +</small> 0" in text
    for code in ("D-SPIKE", "D-NEGATIVE-POWER", "D-GAP", "D-ZONE-ASSUMED"):
        assert code in text
    assert "<script>" not in text
    assert "read as chilled water pump speed; nothing here uses it" in text
    assert text.count("<figure") == 2


def test_marks_stand_where_the_values_stood(export: Path) -> None:
    reading = read_export(export)
    marks = reading.marks.to_pandas()
    taken = marks[~marks["kept"]].set_index("code")
    assert taken.loc["D-SPIKE", "value"].tolist() == [900.0, 900.0]
    assert taken.loc["D-SPIKE", "timestamp"].dt.hour.tolist() == [16, 17]
    assert taken.loc["D-NEGATIVE-POWER", "column"] == "cooling_power_kw"
    charts, more = pictures(reading.telemetry(), marks)
    assert [c.title for c in charts] == ["IT power", "Cooling power"]
    assert more == ""
    assert charts[0].summary.endswith("8 of 96 intervals are missing; 2 × D-SPIKE.")
    assert "taken out" in charts[0].wide


def test_a_value_of_one_of_several_instruments_is_marked(tmp_path: Path) -> None:
    hours = pd.date_range("2025-03-01", periods=ROWS, freq="h")
    temperatures = {
        f"冷冻水供水温度{i}(℃)": 12.0 + 0.1 * i + np.sin(np.arange(ROWS) / 5.0) for i in (1, 2, 3)
    }
    table = pd.DataFrame({"时间": hours.strftime("%Y-%m-%d %H:%M"), **temperatures}).round(2)
    table.iloc[50, 2] = -118.5
    table.to_csv(tmp_path / "hall.csv", index=False)
    reading = read_export(tmp_path / "hall.csv")
    marks = reading.marks.to_pandas()
    assert marks["value"].tolist() == [-118.5]
    assert marks["timestamp"].dt.tz_localize(None).tolist() == [hours[50]]
    charts, _ = pictures(reading.telemetry(), marks)
    assert charts[0].summary.endswith("none is missing; 1 × D-OUT-OF-BOUNDS.")


def test_a_series_that_was_all_taken_out_has_a_picture(tmp_path: Path) -> None:
    table = station_fault("energy unit", 1)
    path = tmp_path / "station.csv"
    table.to_csv(path, index=False)
    reading = read_export(path)
    charts, _ = pictures(reading.telemetry(), reading.marks.to_pandas())
    energy = next(c for c in charts if c.title == "Station energy")
    assert (
        energy.summary
        == f"0 values; {len(table)} of {len(table)} intervals are missing; {len(table)} × "
        + ("D-ENERGY-POWER.")
    )
    finding = next(i for i in reading.issues if i.code == "D-ENERGY-POWER")
    assert "in Wh the two would agree" in finding.remedy


def test_a_long_series_keeps_its_extremes() -> None:
    values = np.sin(np.arange(50_000) / 50.0)
    values[31_111], values[40_000:45_000] = 9.0, np.nan
    shown_at, shown = _thinned(values)
    assert len(shown_at) == len(shown) <= MOST_POINTS + 2
    assert np.nanmax(shown) == 9.0
    assert np.isnan(shown).sum() == pytest.approx(0.1 * len(shown), abs=4)
