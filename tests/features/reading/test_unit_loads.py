"""A load divided by unit: chiller columns without word or unit, proved by their sum."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.data_centre import build, recipe_for
from features.reading import read_export
from features.reading.mapping import Mapping

HOURS = 72


def write(folder: Path, *, sums: bool = True, empty_unit: bool = False) -> Path:
    rng = np.random.default_rng(0)
    hour = np.arange(HOURS)
    first = np.where(hour % 24 < 12, 300.0 + 20 * rng.random(HOURS), 0.0)
    second = np.where(hour % 24 >= 12, 200.0 + 20 * rng.random(HOURS), 0.0)
    table = pd.DataFrame(
        {
            "Time": pd.date_range("2025-03-01", periods=HOURS, freq="h").strftime("%Y-%m-%d %H:%M"),
            "Outdoor wet bulb (degC)": 18 + np.sin(hour / 4),
            "Building Load (RT)": first + second,
            "Cooling power (kW)": 0.5 * first + 0.8 * second + 20,
            "CH01": first if sums else 1.5 * first,
            "CH02": second,
        }
    )
    if empty_unit:
        table["CH03"] = 0.0
    path = folder / "plant.csv"
    table.to_csv(path, index=False)
    return path


def test_chillers_that_add_up_become_units(tmp_path: Path) -> None:
    reading = read_export(write(tmp_path), kind="data-centre")
    telemetry = reading.telemetry()
    assert sorted(telemetry.frame["unit_id"].unique()) == ["", "CH01", "CH02"]
    total = telemetry.site_series("plant")["thermal_load_kw"]
    parts = sum(telemetry.site_series("plant", u)["thermal_load_kw"] for u in ("CH01", "CH02"))
    np.testing.assert_allclose(parts, total)
    assert total.iloc[0] == pytest.approx(3.51685 * 300, rel=0.08)  # a refrigeration ton is 3.517 kW
    assert (reading.counts.rows_in, reading.counts.accepted) == (HOURS, HOURS)


def test_what_was_recognised_can_be_given_back(tmp_path: Path) -> None:
    path = write(tmp_path)
    first = read_export(path, kind="data-centre")
    again = read_export(path, mapping=Mapping.from_toml(first.mapping.to_toml()))
    pd.testing.assert_frame_equal(first.telemetry().frame, again.telemetry().frame)


def test_columns_that_do_not_add_up_are_left_out(tmp_path: Path) -> None:
    telemetry = read_export(write(tmp_path, sums=False), kind="data-centre").telemetry()
    assert list(telemetry.frame["unit_id"].unique()) == [""]


def test_a_chiller_that_never_ran_is_a_unit_all_the_same(tmp_path: Path) -> None:
    telemetry = read_export(write(tmp_path, empty_unit=True), kind="data-centre").telemetry()
    assert "CH03" in set(telemetry.frame["unit_id"])


def test_units_feed_the_estimate_and_not_the_forecast(tmp_path: Path) -> None:
    telemetry = read_export(write(tmp_path), kind="data-centre").telemetry()
    recipe = recipe_for(telemetry, "cooling_power_kw", "estimate")
    assert {"thermal_load_kw@CH01", "thermal_load_kw@CH02"} <= set(recipe.columns)
    frame = build(telemetry, recipe)
    np.testing.assert_allclose(
        frame.X["thermal_load_kw@CH01"] + frame.X["thermal_load_kw@CH02"], frame.X["thermal_load_kw"]
    )
    assert not [c for c in recipe_for(telemetry, "cooling_power_kw", "forecast").columns if "@" in c]
