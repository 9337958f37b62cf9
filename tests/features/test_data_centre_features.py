"""Features of data centres: no leak of the future, no meter that is not allowed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.data_centre import (
    ANCHOR,
    QUANTITIES,
    Recipe,
    build,
    changes_of,
    means_of,
    recipe_for,
    supported_quantities,
)
from features.errors import InsufficientDataError, ModelError
from features.operation import operation_of
from features.schema import SCHEMA
from features.telemetry import Telemetry, TimeZone

ROWS = 24 * 28
POWERS = [n for n, c in SCHEMA.items() if c.unit == "kW" and c.role in ("outcome", "state")]


def make(rows: int = ROWS, freq: str = "h", **columns: object) -> Telemetry:
    rng = np.random.default_rng(0)
    values = {name: rng.uniform(1, 9, rows) for name in SCHEMA if SCHEMA[name].kind in ("data-centre",)}
    values |= {"it_power_kw": rng.uniform(100, 120, rows), "facility_power_kw": rng.uniform(140, 160, rows)}
    frame = pd.DataFrame(
        {
            "site_id": "s",
            "unit_id": "",
            "timestamp": pd.date_range("2025-03-01", periods=rows, freq=freq, tz="UTC"),
        }
    ).assign(**values, **columns)
    return Telemetry(
        frame, pd.Timedelta(pd.tseries.frequencies.to_offset(freq)), "data-centre", TimeZone("+08:00", False)
    )


def changed(telemetry: Telemetry, rows: np.ndarray) -> Telemetry:
    """Return the telemetry with every value of some rows replaced."""
    frame = telemetry.frame.copy()
    for name in telemetry.value_columns:
        frame.loc[rows, name] = frame.loc[rows, name].to_numpy()[::-1] * 1.7 + 3.0
    return replace(telemetry, frame=frame)


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("task", ["estimate", "forecast"])
def test_the_future_does_not_leak(quantity: str, task: str) -> None:
    telemetry = make()
    recipe = recipe_for(telemetry, quantity, task)
    before, cut = build(telemetry, recipe), 400
    after = build(changed(telemetry, np.arange(ROWS) > cut), recipe)
    pd.testing.assert_frame_equal(before.X.iloc[: cut + 1], after.X.iloc[: cut + 1])
    pd.testing.assert_frame_equal(before.baselines.iloc[: cut + 1], after.baselines.iloc[: cut + 1])
    later = before.X.iloc[cut + 1 : ROWS].to_numpy(), after.X.iloc[cut + 1 : ROWS].to_numpy()
    assert not np.array_equal(*later, equal_nan=True)  # else the test cannot see anything


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_a_forecast_knows_nothing_younger_than_a_day(quantity: str) -> None:
    telemetry = make()
    recipe = recipe_for(telemetry, quantity, "forecast")
    row = 500
    after = build(changed(telemetry, np.arange(ROWS) > row - 24), recipe)
    before = build(telemetry, recipe)
    pd.testing.assert_series_equal(before.X.iloc[row], after.X.iloc[row])
    sees = build(changed(telemetry, np.arange(ROWS) == row - 24), recipe)
    assert sees.X["target_yesterday"].iloc[row] != before.X["target_yesterday"].iloc[row]


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_an_estimate_sees_no_power_meter_but_the_load(quantity: str) -> None:
    telemetry = make()
    recipe = recipe_for(telemetry, quantity, "estimate")
    frame = build(telemetry, recipe)
    assert set(recipe.columns) & set(POWERS) <= {"it_power_kw"}
    assert quantity not in recipe.columns
    seen = {n for n in frame.names if any(n.startswith(p) for p in POWERS)}
    of_load = (*changes_of("it_power_kw"), *means_of("it_power_kw"))
    assert seen <= {"it_power_kw", "it_power_kw_before", *of_load}
    moved = telemetry.frame.copy()
    for name in ({*POWERS, "pue", "water_m3"} - {"it_power_kw"}) & set(moved):
        moved[name] = moved[name] * 2 + 1
    pd.testing.assert_frame_equal(build(replace(telemetry, frame=moved), recipe).X, frame.X)


def test_the_targets_past_is_a_baseline_only() -> None:
    telemetry = make()
    frame = build(telemetry, recipe_for(telemetry, "facility_power_kw", "estimate"))
    y = telemetry.frame["facility_power_kw"]
    assert frame.baselines["last"].iloc[1:].tolist() == y.iloc[:-1].tolist()
    assert frame.baselines["same_hour_yesterday"].iloc[24] == y.iloc[0]
    assert frame.baselines["same_hour_last_week"].iloc[200] == y.iloc[32]
    assert frame.baselines["same_hour_last_week"].iloc[:168].isna().all()


def test_a_missing_column_is_named() -> None:
    telemetry = make()
    recipe = recipe_for(telemetry, "facility_power_kw", "estimate")
    poorer = telemetry.frame.drop(columns=["outdoor_dry_bulb_c", "zone_set_point_c"])
    with pytest.raises(ModelError, match="E-MODEL-INPUTS") as raised:
        build(replace(telemetry, frame=poorer), recipe)
    assert "outdoor_dry_bulb_c" in raised.value.what
    assert "zone_set_point_c" in raised.value.what


def test_rows_of_units_only_are_no_site() -> None:
    telemetry = make()
    units = replace(telemetry, frame=telemetry.frame.assign(unit_id="chiller-1"))
    with pytest.raises(ModelError, match="E-MODEL-INPUTS"):
        build(units, Recipe("it_power_kw", "estimate", ("outdoor_dry_bulb_c",)))
    assert supported_quantities(units) == []


def test_nothing_to_estimate_from() -> None:
    bare = make()
    bare = replace(bare, frame=bare.frame[["site_id", "unit_id", "timestamp", "facility_power_kw"]])
    with pytest.raises(InsufficientDataError, match="E-NO-INPUTS"):
        recipe_for(bare, "facility_power_kw", "estimate")
    assert recipe_for(bare, "facility_power_kw", "forecast").columns == ()


def test_pue_is_taken_from_the_two_meters() -> None:
    telemetry = make()
    pair = replace(telemetry, frame=telemetry.frame.drop(columns="pue").assign(it_power_kw=100.0))
    pair.frame.loc[3, "it_power_kw"] = 0.0
    y = build(pair, recipe_for(pair, "pue", "estimate")).target()
    assert y[0] == pytest.approx(pair.frame["facility_power_kw"].iloc[0] / 100)
    assert np.isnan(y[3])


def test_a_gap_stays_a_gap() -> None:
    telemetry = make()
    gap = replace(telemetry, frame=telemetry.frame.drop(index=range(300, 310)).reset_index(drop=True))
    frame = build(gap, recipe_for(gap, "facility_power_kw", "forecast"))
    row = frame.keys.index[frame.keys["timestamp"] == telemetry.frame["timestamp"].iloc[324]][0]
    assert np.isnan(frame.X["target_yesterday"].iloc[row])  # not the value of 25 rows before
    assert frame.X["target_yesterday"].iloc[row + 10] == telemetry.frame["facility_power_kw"].iloc[310]


@pytest.mark.parametrize(("freq", "per_day"), [("h", 24), ("30min", 48), ("15min", 96)])
def test_forecast_rows_reach_a_day_beyond_the_data(freq: str, per_day: int) -> None:
    telemetry = make(per_day * 10, freq)
    frame = build(telemetry, recipe_for(telemetry, "facility_power_kw", "forecast"))
    assert len(frame) == per_day * 11
    y = telemetry.frame["facility_power_kw"]
    assert frame.X["target_yesterday"].iloc[-1] == y.iloc[-1]
    assert frame.X[ANCHOR].iloc[-1] == pytest.approx(y.iloc[-7 * per_day :].mean())
    assert np.isnan(frame.target()[-per_day:]).all()


def test_steps_longer_than_the_horizon_cannot_be_forecast() -> None:
    with pytest.raises(InsufficientDataError, match="E-FORECAST-STEP"):
        recipe_for(make(60, "7D"), "facility_power_kw", "forecast")


def test_calendar_is_local_time() -> None:
    telemetry = make(48)
    frame = build(telemetry, recipe_for(telemetry, "facility_power_kw", "estimate"))
    assert frame.X["hour"].iloc[0] == 8.0  # midnight UTC in +08:00
    summer = replace(telemetry, zone=TimeZone("Europe/Berlin", False)).frame.assign(
        timestamp=pd.date_range("2025-03-30", periods=48, freq="h", tz="UTC")
    )
    berlin = replace(telemetry, frame=summer, zone=TimeZone("Europe/Berlin", False))
    hours = build(berlin, recipe_for(berlin, "facility_power_kw", "estimate")).X["hour"]
    assert hours.iloc[:3].tolist() == [1.0, 3.0, 4.0]  # the clock jumps over 02:00


def test_several_sites_do_not_mix() -> None:
    one = make(200)
    two = replace(one, frame=pd.concat([one.frame, one.frame.assign(site_id="t")], ignore_index=True))
    recipe = recipe_for(one, "facility_power_kw", "forecast")
    both, alone = build(two, recipe), build(one, recipe)
    second = both.rows((both.keys["site_id"] == "t").to_numpy())
    pd.testing.assert_frame_equal(second.X, alone.X)


def test_supported_quantities_counts_rows() -> None:
    telemetry = make()
    few = telemetry.frame["cooling_power_kw"].where(np.arange(ROWS) < 199)
    found = supported_quantities(replace(telemetry, frame=telemetry.frame.assign(cooling_power_kw=few)))
    assert found == ["facility_power_kw", "it_power_kw", "pue"]


# -- operation ---------------------------------------------------------------------------------------
def test_operation_keeps_every_step_and_says_which_are_usable() -> None:
    telemetry = make()
    frame = telemetry.frame.drop(index=range(100, 105)).reset_index(drop=True)
    frame.loc[0, "outdoor_wet_bulb_c"] = np.nan
    frame.loc[1, "it_power_kw"] = 0.0
    operation = operation_of(replace(telemetry, frame=frame), "s")
    assert len(operation) == ROWS
    assert np.flatnonzero(~operation.usable).tolist() == [0, 1, *range(100, 105)]
    assert operation.air_lever == "zone_set_point_c"
    assert operation.hour_of_week[0] == 5 * 24 + 8  # Saturday 2025-03-01, 08:00 local
    assert operation.week[[0, 167, 168]].tolist() == [0, 0, 1]


def test_operation_without_wet_bulb_uses_humidity_then_dry_bulb() -> None:
    telemetry = make()
    humid = telemetry.frame.drop(columns=["outdoor_wet_bulb_c", "air_pressure_kpa"]).assign(
        outdoor_dry_bulb_c=20.0, outdoor_rh_pct=50.0
    )
    # psychrometric tables: 20 degC at 50 % and sea level have a wet bulb of 13.8 degC
    assert operation_of(replace(telemetry, frame=humid), "s").wet_bulb_c == pytest.approx(13.8, abs=0.1)
    dry = replace(telemetry, frame=humid.drop(columns="outdoor_rh_pct"))
    assert operation_of(dry, "s").wet_bulb_c == pytest.approx(20.0)


def test_overhead_without_a_cooling_meter_is_all_that_is_not_it() -> None:
    telemetry = make()
    unmetered = replace(telemetry, frame=telemetry.frame.drop(columns="cooling_power_kw"))
    operation = operation_of(unmetered, "s")
    assert operation.cooling_kw is None
    assert operation.overhead_kw == pytest.approx(operation.facility_kw - operation.it_kw)


def test_moves_last_hours_not_steps() -> None:
    hourly, fine = operation_of(make(), "s"), operation_of(make(freq="15min"), "s")
    assert (hourly.transient_steps, fine.transient_steps) == (2, 8)


@pytest.mark.parametrize("column", ["it_power_kw", "facility_power_kw", "outdoor_dry_bulb_c", "a set-point"])
def test_what_advice_needs_is_asked_for(column: str) -> None:
    telemetry = make()
    gone = [n for n, c in SCHEMA.items() if c.role == "lever" and c.kind == "data-centre"]
    gone = [n for n in gone if n in telemetry.frame] if column == "a set-point" else [column]
    with pytest.raises(InsufficientDataError, match="E-ADVICE-INPUTS") as raised:
        operation_of(replace(telemetry, frame=telemetry.frame.drop(columns=gone)), "s")
    assert column in raised.value.what


@pytest.mark.parametrize(("freq", "rows"), [("h", 1), ("30min", 2), ("15min", 4), ("2h", 1)])
def test_a_change_is_over_an_hour_or_a_longer_step(freq: str, rows: int) -> None:
    telemetry = make(freq=freq)
    frame = build(telemetry, recipe_for(telemetry, "facility_power_kw", "estimate"))
    measured = telemetry.frame["zone_set_point_c"]
    one, two = (frame.X[n] for n in changes_of("zone_set_point_c"))
    assert one.iloc[50] == pytest.approx(measured.iloc[50] - measured.iloc[50 - rows])
    assert two.iloc[50] == pytest.approx(measured.iloc[50] - measured.iloc[50 - 2 * rows])
    assert np.isnan(one.iloc[0])
