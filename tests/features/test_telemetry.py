from __future__ import annotations

import io
from datetime import UTC

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import DataError
from features.issues import DataIssue
from features.telemetry import Source, Telemetry, TimeZone, utc

HOUR = pd.Timedelta(hours=1)


def _frame(start="2025-01-01", rows=6, **columns):
    stamps = pd.date_range(start, periods=rows, freq="h", tz="UTC")
    values = columns or {"it_power_kw": np.arange(rows, dtype=float)}
    return pd.DataFrame({"site_id": "a", "unit_id": "", "timestamp": stamps, **values})


def _telemetry(frame=None, **fields):
    return Telemetry(_frame() if frame is None else frame, HOUR, "data-centre", **fields)


# -- invariants ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda f: f.drop(columns="unit_id"), "E-TELEMETRY-KEYS"),
        (lambda f: f.assign(colour=1.0), "E-TELEMETRY-COLUMN"),
        (lambda f: f.assign(timestamp=f["timestamp"].dt.tz_localize(None)), "E-TELEMETRY-UTC"),
        (lambda f: f.assign(timestamp=f["timestamp"].dt.tz_convert("Asia/Shanghai")), "E-TELEMETRY-UTC"),
        (lambda f: f.assign(it_power_kw=range(6)), "E-TELEMETRY-DTYPE"),
        (lambda f: f.assign(it_power_kw=np.inf), "E-TELEMETRY-INF"),
        (lambda f: pd.concat([f, f.tail(1)], ignore_index=True), "E-TELEMETRY-DUPLICATE"),
        (lambda f: f.iloc[::-1].reset_index(drop=True), "E-TELEMETRY-ORDER"),
        (
            lambda f: f.assign(timestamp=f["timestamp"] + pd.to_timedelta([0, 0, 0, 7, 7, 7], unit="min")),
            "E-TELEMETRY-GRID",
        ),
    ],
)
def test_a_broken_invariant_is_refused(spoil, code):
    with pytest.raises(DataError) as caught:
        _telemetry(spoil(_frame()))
    assert caught.value.code == code


def test_a_non_positive_interval_is_refused():
    with pytest.raises(DataError, match="E-TELEMETRY-INTERVAL"):
        Telemetry(_frame(), pd.Timedelta(0), "data-centre")


def test_gaps_nan_and_units_with_their_own_phase_are_welcome():
    frame = _frame(it_power_kw=[1.0, np.nan, 3.0, 4.0, 5.0, 6.0]).drop(index=[2, 3])
    meter = frame.assign(unit_id="meter", timestamp=frame["timestamp"] + pd.Timedelta(minutes=30))
    both = _telemetry(pd.concat([frame, meter], ignore_index=True))
    assert len(both.frame) == 8
    assert both.has("it_power_kw")
    assert not both.has("it_power_kw", "pue")
    assert not _telemetry(_frame(it_power_kw=np.full(6, np.nan))).has("it_power_kw")


def test_text_attributes_are_not_numbers():
    frame = _frame(station_energy_kwh=np.ones(6), ru_type=["RU-A"] * 6)
    assert Telemetry(frame, HOUR, "base-station").value_columns == ["station_energy_kwh", "ru_type"]


# -- views -----------------------------------------------------------------------------------------
def test_as_of_hides_the_future_and_the_running_interval():
    telemetry = _telemetry()
    known = telemetry.as_of(pd.Timestamp("2025-01-01 03:30", tz="UTC"))
    # The interval 03:00-04:00 has not ended at 03:30.
    assert known.frame["timestamp"].max() == pd.Timestamp("2025-01-01 02:00", tz="UTC")
    exactly = telemetry.as_of(pd.Timestamp("2025-01-01 04:00", tz="UTC"))
    assert exactly.frame["timestamp"].max() == pd.Timestamp("2025-01-01 03:00", tz="UTC")


@given(st.integers(0, 8))
def test_what_was_known_does_not_depend_on_what_came_later(hours):
    moment = pd.Timestamp("2025-01-01", tz="UTC") + hours * HOUR
    changed = _frame(it_power_kw=np.where(np.arange(6) < hours, np.arange(6.0), 1e5))
    assert _telemetry().as_of(moment).content_hash() == _telemetry(changed).as_of(moment).content_hash()


def test_between_is_half_open_and_span_ends_with_the_last_interval():
    telemetry = _telemetry()
    start, end = pd.Timestamp("2025-01-01 01:00", tz="UTC"), pd.Timestamp("2025-01-01 03:00", tz="UTC")
    part = telemetry.between(start, end)
    assert part.frame["it_power_kw"].tolist() == [1.0, 2.0]
    assert part.span == (start, end)
    with pytest.raises(DataError, match="E-TELEMETRY-EMPTY"):
        _ = telemetry.between(end, start).span


def test_a_site_and_its_own_series():
    frame = _frame()
    rack = frame.assign(unit_id="rack")
    other = frame.assign(site_id="b")
    telemetry = _telemetry(pd.concat([frame, rack, other], ignore_index=True))
    assert telemetry.site_ids == ["a", "b"]
    assert len(telemetry.site("a").frame) == 12
    series = telemetry.site_series("a")
    assert list(series.columns) == ["it_power_kw"]
    assert len(series) == 6
    assert telemetry.hours == 1.0


# -- time zones ------------------------------------------------------------------------------------
def test_a_declared_zone_moves_wall_clock_stamps_to_utc():
    assumed = DataIssue("D-ZONE-ASSUMED", "warning", "file", "no zone", "declare it")
    other = DataIssue("D-GAP", "warning", "file", "a gap", "look")
    wall = _telemetry(issues=(assumed, other))
    declared = wall.with_zone("+08:00")
    assert declared.frame["timestamp"].iloc[0] == pd.Timestamp("2024-12-31 16:00", tz="UTC")
    assert declared.zone == TimeZone("+08:00", assumed=False)
    assert [i.code for i in declared.issues] == ["D-GAP"]
    assert declared.local(declared.frame["timestamp"])[0].isoformat() == "2025-01-01T00:00:00+08:00"
    assert declared.frame["it_power_kw"].equals(wall.frame["it_power_kw"])


@pytest.mark.parametrize(
    "start", ["2025-03-30", "2025-10-26"]
)  # Berlin: an hour is skipped, an hour comes twice
def test_stamps_that_do_not_fit_a_zone_with_daylight_saving_are_refused(start):
    with pytest.raises(DataError) as caught:
        _telemetry(_frame(start)).with_zone("Europe/Berlin")
    assert caught.value.code == "E-ZONE-DST"
    assert "fixed offset" in caught.value.remedy


def test_a_zone_with_daylight_saving_is_fine_away_from_its_changes():
    summer = _telemetry(_frame("2025-07-01")).with_zone("Europe/Berlin")
    assert summer.frame["timestamp"].iloc[0] == pd.Timestamp("2025-06-30 22:00", tz="UTC")


def test_a_zone_that_contradicts_the_data_is_refused():
    known = _telemetry(zone=TimeZone("+08:00", assumed=False))
    assert known.with_zone("+08:00").frame.equals(known.frame)
    with pytest.raises(DataError, match="E-ZONE-CONFLICT"):
        known.with_zone("UTC")


def test_unknown_zones_are_assumed_and_wrong_names_refused():
    assert not TimeZone().known
    assert TimeZone().tzinfo() is UTC
    with pytest.raises(ValueError, match="unknown zone"):
        TimeZone("unknown", assumed=False)
    with pytest.raises((ValueError, KeyError)):
        TimeZone("Mars/Olympus", assumed=False)


def test_utc_takes_local_time_unless_an_offset_says_otherwise():
    zone = TimeZone("-05:00", assumed=False)
    assert utc("2025-01-01", zone) == pd.Timestamp("2025-01-01 05:00", tz="UTC")
    assert utc("2025-01-01T00:00Z", zone) == pd.Timestamp("2025-01-01", tz="UTC")


# -- identity and exchange -------------------------------------------------------------------------
def test_the_round_trip_through_parquet_keeps_everything():
    issue = DataIssue("D-GAP", "warning", "file", "a gap", "look")
    frame = _frame(it_power_kw=[1.0, np.nan, 3.0, 4.0, 5.0, 6.0], zone_set_point_c=np.full(6, 22.0))
    telemetry = _telemetry(
        frame, zone=TimeZone("+08:00", assumed=False), issues=(issue,), sources=(Source("f.csv", "ab"),)
    )
    buffer = io.BytesIO()
    pq.write_table(telemetry.to_arrow(), buffer)
    buffer.seek(0)
    again = Telemetry.from_arrow(pq.read_table(buffer), issues=(issue,))
    pd.testing.assert_frame_equal(again.frame, telemetry.frame, check_dtype=False)
    assert (again.interval, again.kind, again.zone) == (telemetry.interval, telemetry.kind, telemetry.zone)
    assert again.issues == telemetry.issues
    assert again.sources == telemetry.sources
    assert again.content_hash() == telemetry.content_hash()
    assert telemetry.to_arrow().schema.field("it_power_kw").metadata[b"unit"] == b"kW"


def test_a_foreign_table_is_refused():
    with pytest.raises(DataError, match="E-TELEMETRY-META"):
        Telemetry.from_arrow(pa.table({"x": [1.0]}))


def test_the_hash_sees_values_and_names_but_not_column_order():
    frame = _frame(it_power_kw=np.arange(6.0), zone_set_point_c=np.full(6, 22.0))
    reordered = frame[["site_id", "unit_id", "timestamp", "zone_set_point_c", "it_power_kw"]]
    base = _telemetry(frame).content_hash()
    assert _telemetry(reordered).content_hash() == base
    assert _telemetry(frame.assign(zone_set_point_c=22.5)).content_hash() != base
    assert _telemetry(frame.rename(columns={"it_power_kw": "fan_power_kw"})).content_hash() != base
    nan = frame.assign(it_power_kw=[np.nan, 1.0, 2.0, 3.0, 4.0, 5.0])
    assert _telemetry(nan).content_hash() != base  # missing is not 0


def test_more_issues_are_appended():
    issue = DataIssue("D-GAP", "warning", "file", "a gap", "look")
    assert _telemetry(issues=(issue,)).with_issues([issue]).issues == (issue, issue)
