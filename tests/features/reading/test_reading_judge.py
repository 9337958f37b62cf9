"""Physical nonsense is found, reported and taken out; clean data stay untouched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.reading import Reading, RowCounts, read_export
from features.reading.judge import stuck_runs
from features.reading.numerals import FloatArray
from features.reading.screen import screened
from features.reading.spikes import least_step, spikes
from features.reading.timeaxis import IntArray

Writer = Callable[..., Path]
HOUR_US = 3_600_000_000


def read(write: Writer, frame: pd.DataFrame) -> Reading:
    return read_export(write(frame.to_csv(index=False)))


def found(reading: Reading, code: str) -> list[str]:
    return [i.severity for i in reading.issues if i.code == code]


def test_clean_export_has_no_findings_but_the_zone(write: Writer, plant: pd.DataFrame) -> None:
    reading = read(write, plant)
    assert [i.code for i in reading.issues] == ["D-ZONE-ASSUMED"]
    assert reading.counts == RowCounts(480, 480, 0, 0)
    assert reading.quarantined_rows.num_rows == 0
    assert reading.counts.sentence() == "rows in 480 = accepted 480 + quarantined 0 + rejected 0"


def test_pue_below_one_takes_both_powers_out(write: Writer, plant: pd.DataFrame) -> None:
    plant.loc[[5, 6], "facility_power_kw"] = plant.loc[[5, 6], "it_power_kw"] * 0.8
    reading = read(write, plant)
    frame = reading.telemetry().frame
    assert frame.loc[[5, 6], ["facility_power_kw", "it_power_kw"]].isna().all(axis=None)
    assert frame.drop(index=[5, 6])[["facility_power_kw", "it_power_kw"]].notna().all(axis=None)
    assert found(reading, "D-PUE-BELOW-1") == ["error"]
    assert reading.counts == RowCounts(480, 478, 2, 0)
    taken = reading.quarantined_rows.to_pylist()
    assert [(t["row"], t["column"]) for t in taken] == [
        (7, "facility_power_kw"), (7, "it_power_kw"), (8, "facility_power_kw"), (8, "it_power_kw"),
    ]  # fmt: skip
    assert float(taken[1]["raw"]) == plant.loc[5, "it_power_kw"]


def test_pue_within_the_tolerance_of_meters_is_kept(write: Writer, plant: pd.DataFrame) -> None:
    plant.loc[5, "facility_power_kw"] = plant.loc[5, "it_power_kw"] * 0.995
    reading = read(write, plant)
    assert found(reading, "D-PUE-BELOW-1") == ["warning"]
    assert reading.counts.accepted == 480


def test_negative_power(write: Writer, plant: pd.DataFrame) -> None:
    plant.loc[9, "it_power_kw"] = -70.0
    reading = read(write, plant)
    assert np.isnan(reading.telemetry().frame.loc[9, "it_power_kw"])
    assert found(reading, "D-NEGATIVE-POWER") == ["error"]
    assert reading.counts == RowCounts(480, 479, 1, 0)


@pytest.mark.parametrize(("column", "value"), [("outdoor_dry_bulb_c", -999.0), ("server_inlet_c", 9999.0)])
def test_out_of_bounds(write: Writer, plant: pd.DataFrame, column: str, value: float) -> None:
    plant.loc[9, column] = value
    reading = read(write, plant)
    assert found(reading, "D-OUT-OF-BOUNDS") == ["error"]
    assert reading.counts == RowCounts(480, 479, 1, 0)
    assert reading.quarantined_rows.to_pylist()[0]["raw"] == str(value)


@pytest.mark.parametrize("value", [0.0, 81.234])
def test_stuck_sensor_at_zero_and_elsewhere(write: Writer, plant: pd.DataFrame, value: float) -> None:
    plant = plant.drop(columns="facility_power_kw")
    plant.loc[100:123, "it_power_kw"] = value
    reading = read(write, plant)
    assert found(reading, "D-STUCK") == ["error"]
    power = reading.telemetry().frame["it_power_kw"]
    assert power.loc[100:123].isna().all()
    assert power.notna().sum() == 456
    assert reading.counts == RowCounts(480, 456, 24, 0)


def test_shorter_stand_still_is_no_verdict(write: Writer, plant: pd.DataFrame) -> None:
    plant.loc[100:121, "server_inlet_c"] = 24.5
    assert found(read(write, plant), "D-STUCK") == []


def test_set_points_and_resting_levels_are_exempt() -> None:
    rng = np.random.default_rng(1)
    units = np.zeros(2000, dtype=np.int64)
    never = np.zeros(2000, dtype=bool)
    set_point = np.repeat(rng.integers(18, 27, 50), 40).astype(float)
    assert not stuck_runs(set_point, units, HOUR_US, never).any()
    # A fan that moves by day and returns to its lowest speed for many nights, one of them long.
    fan = rng.normal(10, 2, 2000)
    for day in range(60):
        fan[day * 30 : day * 30 + 12] = 5.0
    fan[1800:1830] = 5.0
    assert not stuck_runs(fan, units, HOUR_US, never).any()
    fan[200:230] = 7.77
    assert np.flatnonzero(stuck_runs(fan, units, HOUR_US, never)).tolist() == list(range(200, 230))


def test_run_across_units_is_two_runs() -> None:
    values = np.random.default_rng(2).normal(size=200)
    values[90:116] = 3.0
    units = np.repeat([0, 1], 100)
    units[:100] = 0
    never = np.zeros(200, dtype=bool)
    assert not stuck_runs(values, units, HOUR_US, never).any()
    assert stuck_runs(values, np.zeros(200, dtype=np.int64), HOUR_US, never).sum() == 26


def test_wet_bulb_above_dry_bulb(write: Writer, plant: pd.DataFrame) -> None:
    rare = plant.copy()
    rare.loc[3, "outdoor_wet_bulb_c"] = rare.loc[3, "outdoor_dry_bulb_c"] + 2
    reading = read(write, rare)
    assert found(reading, "D-WET-BULB") == ["error"]
    assert reading.counts == RowCounts(480, 479, 1, 0)
    common = plant.assign(outdoor_wet_bulb_c=plant["outdoor_dry_bulb_c"] + 2)
    reading = read(write, common)
    assert found(reading, "D-WET-BULB") == ["warning"]
    assert reading.counts.accepted == 480
    tolerated = plant.assign(outdoor_wet_bulb_c=plant["outdoor_dry_bulb_c"] + 0.4)
    assert found(read(write, tolerated), "D-WET-BULB") == []


def test_gaps_are_counted_and_not_filled(write: Writer, plant: pd.DataFrame) -> None:
    reading = read(write, plant.drop(index=[10, 50, 51, 52]))
    gap = next(i for i in reading.issues if i.code == "D-GAP")
    assert "2 gaps, 4 intervals" in gap.evidence
    assert "lasts 3 h" in gap.evidence
    assert len(reading.telemetry().frame) == 476


def test_identical_duplicates_keep_one(write: Writer, plant: pd.DataFrame) -> None:
    reading = read(write, pd.concat([plant, plant.iloc[[4, 4]]]))
    assert found(reading, "D-DUPLICATE") == ["info"]
    assert reading.counts == RowCounts(482, 480, 0, 2)
    assert len(reading.telemetry().frame) == 480


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_equal_rows_the_one_with_a_bad_cell_is_counted(
    write: Writer, plant: pd.DataFrame, order: tuple[int, int]
) -> None:
    empty = plant.iloc[[4]].astype(object).assign(it_power_kw="")
    pair = [empty, empty.assign(it_power_kw="x")]
    reading = read(write, pd.concat([plant.drop(index=4), *(pair[i] for i in order)]))
    assert reading.counts == RowCounts(481, 479, 1, 1)


def test_contradictory_duplicates_are_all_rejected(write: Writer, plant: pd.DataFrame) -> None:
    other = plant.iloc[[4]].assign(it_power_kw=1.0)
    reading = read(write, pd.concat([plant, other]))
    assert found(reading, "D-DUPLICATE") == ["warning"]
    assert reading.counts == RowCounts(481, 479, 0, 2)
    assert reading.quarantined_rows["row"].to_pylist() == [6, 482]


def test_stamps_off_the_grid_are_rejected(write: Writer, plant: pd.DataFrame) -> None:
    plant.loc[7, "timestamp"] = "2025-03-01 07:13:00"
    reading = read(write, plant)
    assert found(reading, "D-OFF-GRID") == ["warning"]
    assert reading.counts == RowCounts(480, 479, 0, 1)


def test_parts_larger_than_their_total(write: Writer, plant: pd.DataFrame) -> None:
    reading = read(write, plant.assign(chiller_kw=plant["cooling_power_kw"] + 3))
    assert found(reading, "D-PARTS-EXCEED") == ["warning"]
    assert reading.counts.accepted == 480


def test_row_counts_refuse_to_lose_rows() -> None:
    with pytest.raises(ValueError, match="lost or invented"):
        RowCounts(10, 5, 2, 2)
    with pytest.raises(ValueError, match="negative"):
        RowCounts(1, 2, -1, 0)


def test_a_first_look_never_hides_what_the_rules_would_find() -> None:
    rng = np.random.default_rng(8)
    for _ in range(300):
        length, run = int(rng.integers(30, 400)), int(rng.integers(3, 24))
        values = np.round(rng.normal(20.0, 3.0, length), int(rng.integers(0, 3)))
        values[rng.random(length) < rng.choice([0.0, 0.2])] = np.nan
        first = int(rng.integers(0, length - 10))
        values[first : first + int(rng.integers(1, 30))] = 7.0
        known = values[np.isfinite(values)]
        edges = np.flatnonzero(np.concatenate([[True], known[1:] != known[:-1], [True]]))
        seen = screened(values, run)
        assert seen.known == len(known)
        assert (seen.low, seen.high) == (known.min(), known.max())
        assert seen.step == np.abs(np.diff(known)).max()
        assert seen.may_rest or np.diff(edges).max() < run


def test_a_spike_is_no_step_and_no_start() -> None:
    rng = np.random.default_rng(4)
    units = np.zeros(400, dtype=np.int64)
    steady = 50.0 + rng.normal(0, 0.5, 400)
    once, twice, step, starting = (steady.copy() for _ in range(4))
    once[100] = 500.0
    twice[[200, 201]] = -300.0
    step[250:] += 200.0
    starting[np.arange(400) % 40 < 3] = 900.0

    def found(values: FloatArray, units: IntArray) -> list[int]:
        return [int(i) for i in np.flatnonzero(spikes(values, units, least_step(screened(values, 24))))]

    assert found(once, units) == [100]
    assert found(twice, units) == [200, 201]
    assert not found(step, units)
    assert not found(starting, units)
    other = np.repeat([0, 1], 200)
    edge = np.where(other == 1, steady + 1000.0, steady)  # two units are not neighbours
    assert not found(edge, other)


def test_a_register_that_passes_its_end_gains_what_its_neighbours_gain(write: Writer) -> None:
    register = (999_400.0 + 100.0 * np.arange(40)) % 1e6
    hours = pd.date_range("2025-01-01", periods=40, freq="h").astype(str)
    path = write(pd.DataFrame({"timestamp": hours, "IT energy (kWh)": register}).to_csv(index=False))
    reading = read_export(path)
    assert reading.telemetry().frame["it_power_kw"].dropna().to_numpy() == pytest.approx([100.0] * 39)
    assert {"D-COUNTER-ROLLOVER"} == {i.code for i in reading.issues} - {"D-ZONE-ASSUMED"}


def test_an_amount_called_power_is_suspected(write: Writer, plant: pd.DataFrame) -> None:
    quarter = pd.date_range("2025-03-01", periods=len(plant), freq="15min").strftime("%Y-%m-%d %H:%M")
    reading = read(write, plant.assign(timestamp=quarter, facility_power_kw=plant["facility_power_kw"] / 4))
    remedy = next(i.remedy for i in reading.issues if i.code == "D-PUE-BELOW-1")
    assert "may be an energy of 15 minutes (kWh) that is called kW" in remedy


def test_other_units_in_the_middle_of_a_column(write: Writer, plant: pd.DataFrame) -> None:
    inlet = plant["server_inlet_c"].copy()
    inlet[100:140] = inlet[100:140] * 1.8 + 32.0
    reading = read(write, plant.assign(server_inlet_c=inlet))
    assert found(reading, "D-UNIT-MIXED") == ["error"]
    assert reading.counts == RowCounts(480, 440, 40, 0)
    # a machine that idles at a thousandth is no other unit
    idle = plant["cooling_power_kw"].where(plant.index % 100 > 10, plant["cooling_power_kw"] / 1000)
    assert found(read(write, plant.assign(cooling_power_kw=idle.round(5))), "D-UNIT-MIXED") == []


def test_work_at_no_energy(write: Writer, plant: pd.DataFrame) -> None:
    work = plant.drop(columns="facility_power_kw").assign(cpu_utilisation=0.5)
    work.loc[50:54, "it_power_kw"] = 0.0
    reading = read(write, work)
    assert found(reading, "D-LOAD-WITHOUT-ENERGY") == ["error"]
    assert reading.telemetry().frame["it_power_kw"].isna().sum() == 5


def test_totals_below_the_rows_are_no_error_and_a_broken_stamp_is(write: Writer, plant: pd.DataFrame) -> None:
    whole = plant.to_csv(index=False)
    totals = read_export(write(whole + "Total,24,1,2,3,4,5,6\n,24,1,2,3,4,5,6\n"))
    found = next(i for i in totals.issues if i.code == "D-NO-STAMP")
    assert (found.severity, found.rows) == ("info", 2)
    assert totals.counts.rejected == 2
    cut = read_export(write(whole + "2025-0,24,1,2,3,4,5,6\n"))
    assert next(i for i in cut.issues if i.code == "D-NO-STAMP").severity == "error"


def test_unused_columns_of_one_reason_are_listed_together(write: Writer, plant: pd.DataFrame) -> None:
    strangers = {f"vendor counter {i}": 1.0 for i in range(7)}
    reading = read_export(write(plant.assign(**strangers).to_csv(index=False)))
    found = next(i for i in reading.issues if i.code == "D-COLUMN-IGNORED")
    assert found.evidence.startswith("7 columns are not used: 'vendor counter 0', ")
    assert found.evidence.endswith("'vendor counter 3' and 3 more: no meaning recognised")
