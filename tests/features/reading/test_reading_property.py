"""Whatever stands in a file: no row is lost, and the order of rows does not matter."""

from __future__ import annotations

import tempfile
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from features.errors import AdvisorError
from features.reading import Answer, Mapping, RowCounts, read_export
from features.reading.numerals import parse
from tests.features.reading.conftest import large, said

CELL = st.one_of(
    st.floats(-50, 500).map(lambda v: f"{v:.2f}"),
    st.sampled_from(["", "NaN", "x", "-", "1e999", "12;5", "#REF!", "0", " 7 "]),
)
STAMP = st.one_of(
    st.integers(0, 60).map(lambda h: f"2025-01-{1 + h // 24:02d} {h % 24:02d}:00"),
    st.sampled_from(["", "yesterday", "2025-02-30 00:00", "2025-01-01 05:07", "Total"]),
)
ROWS = st.lists(st.tuples(STAMP, CELL, CELL), min_size=1, max_size=60)


def export(rows: list[tuple[str, str, str]], folder: str) -> Path:
    regular = [(f"2025-01-{5 + h // 24:02d} {h % 24:02d}:00", "50", "70") for h in range(200)]
    path = Path(folder) / "site.csv"
    lines = [",".join(r) for r in (*rows, *regular)]
    path.write_text("timestamp,it_power_kw,facility_power_kw\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=ROWS)
def test_rows_in_equals_accepted_quarantined_rejected(rows: list[tuple[str, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        reading = read_export(export(rows, folder))
    counts = reading.counts
    filled = [r for r in rows if any(c.strip() for c in r)]
    assert counts.rows_in == len(filled) + 200
    assert counts.rows_in == counts.accepted + counts.quarantined + counts.rejected
    # Each placed row stands in the telemetry exactly once, each rejected one in the list exactly once.
    assert len(reading.telemetry().frame) == counts.accepted + counts.quarantined
    taken = reading.quarantined_rows.to_pandas()
    assert (taken["column"] == "").sum() == counts.rejected
    rejected = set(taken.loc[taken["column"] == "", "row"])
    assert len(rejected) == counts.rejected
    assert len(set(taken["row"]) - rejected) == counts.quarantined


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=ROWS, seed=st.integers(0, 1000))
def test_order_of_rows_does_not_matter(rows: list[tuple[str, str, str]], seed: int) -> None:
    shuffled = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        first, second = read_export(export(rows, one)), read_export(export(shuffled, two))
    pd.testing.assert_frame_equal(first.telemetry().frame, second.telemetry().frame)
    assert first.counts == second.counts


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(content=st.binary(max_size=400), suffix=st.sampled_from([".csv", ".xlsx", ".parquet", ".xls", ".txt"]))
def test_any_bytes_give_an_error_of_ours(content: bytes, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        path.write_bytes(content)
        with pytest.raises(AdvisorError) as caught:
            read_export(path)
    assert caught.value.exit_code == 3


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=20))
def test_numbers_survive_text(values: list[float]) -> None:
    found = parse(pa.array([repr(v) for v in values], pa.string()))
    assert found.numbers.tolist() == values
    assert not found.wrong.any()


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=20))
def test_decimal_comma_with_groups_is_the_same_number(values: list[int]) -> None:
    texts = [f"{v / 100:,.2f}".replace(",", ";").replace(".", ",").replace(";", ".") for v in values]
    found = parse(pa.array(texts, pa.string()), ",")
    assert found.numbers.tolist() == pytest.approx([v / 100 for v in values])
    assert not found.wrong.any()


ZONES = (
    "Europe/Berlin", "Europe/London", "America/New_York", "America/Los_Angeles", "America/St_Johns",
    "America/Santiago", "Africa/Cairo", "Africa/Casablanca", "Asia/Beirut", "Australia/Adelaide",
    "Australia/Lord_Howe", "Pacific/Auckland",
)  # fmt: skip
HALF_HOUR = pd.Timedelta("30min")


def transitions(zone: str) -> list[pd.Timestamp]:
    """Return the moments of 2025 at which a zone's clocks are moved."""
    hours = pd.date_range("2025-01-01", "2025-12-31", freq="30min", tz="UTC")
    offsets = np.array([m.utcoffset().total_seconds() for m in hours.tz_convert(zone).to_pydatetime()])
    return [hours[i + 1] for i in np.flatnonzero(np.diff(offsets))]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("newest_first", [False, True])
def test_energy_of_every_local_day_is_conserved_when_clocks_move(zone: str, newest_first: bool) -> None:
    moved = transitions(zone)
    assert len(moved) == 2
    rng = np.random.default_rng(len(zone))
    for moment in moved:
        stamps = pd.date_range(moment - 60 * HALF_HOUR, periods=130, freq=HALF_HOUR).tz_convert(zone)
        energy = rng.uniform(20, 30, len(stamps)).round(3)
        table = pd.DataFrame({"t": stamps.strftime("%Y-%m-%d %H:%M"), "e": energy})
        table = table.iloc[::-1] if newest_first else table
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "site.csv"
            path.write_text(
                "timestamp,IT energy (kWh)\n" + table.to_csv(index=False, header=False), encoding="utf-8"
            )
            reading = read_export(path, mapping=Mapping(answer=(Answer(zone=zone),)))
        assert reading.counts == RowCounts(130, 130, 0, 0)
        frame = reading.telemetry().frame
        day = pd.DatetimeIndex(frame["timestamp"]).tz_convert(zone).date
        found = (frame["it_power_kw"] * 0.5).groupby(day).sum()
        wanted = pd.Series(energy).groupby(stamps.date).sum()
        assert found.to_dict() == pytest.approx(wanted.to_dict(), rel=1e-9)
        assert frame["it_power_kw"].to_numpy() * 0.5 == pytest.approx(energy, rel=1e-12)


SCALES = {
    "IT load": {"kW": (1.0, 0.0), "W": (1e3, 0.0), "MW": (1e-3, 0.0)},
    "CHW Supply Temp": {"°C": (1.0, 0.0), "°F": (1.8, 32.0), "K": (1.0, 273.15)},
    "CHW Flow": {"L/s": (1.0, 0.0), "m3/h": (3.6, 0.0), "L/min": (60.0, 0.0)},
}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10_000),
    units=st.tuples(*(st.sampled_from(sorted(choices)) for choices in SCALES.values())),
)
def test_the_unit_of_an_export_does_not_change_what_it_says(seed: int, units: tuple[str, ...]) -> None:
    rng = np.random.default_rng(seed)
    true = dict(
        zip(SCALES, (rng.uniform(300, 400, 60), rng.uniform(8, 16, 60), rng.uniform(20, 40, 60)), strict=True)
    )
    columns = {"timestamp": pd.date_range("2025-03-01", periods=60, freq="h").astype(str)}
    for (name, choices), unit in zip(SCALES.items(), units, strict=True):
        factor, offset = choices[unit]
        columns[f"{name} ({unit})"] = true[name] * factor + offset
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "site.csv"
        pd.DataFrame(columns).to_csv(path, index=False)
        frame = read_export(path).telemetry().frame
    for canonical, name in (
        ("it_power_kw", "IT load"),
        ("chilled_water_supply_temp_c", "CHW Supply Temp"),
        ("chilled_water_flow_l_s", "CHW Flow"),
    ):
        assert frame[canonical].to_numpy() == pytest.approx(true[name], rel=1e-9), units


def test_repeated_stamps_of_shuffled_rows_are_not_guessed() -> None:
    stamps = pd.date_range("2025-10-25 12:00", periods=130, freq=HALF_HOUR, tz="UTC").tz_convert(
        "Europe/Berlin"
    )
    table = pd.DataFrame({"t": stamps.strftime("%Y-%m-%d %H:%M"), "e": np.arange(130.0)})
    table = table.iloc[np.random.default_rng(3).permutation(130)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "site.csv"
        path.write_text(
            "timestamp,IT energy (kWh)\n" + table.to_csv(index=False, header=False), encoding="utf-8"
        )
        reading = read_export(path, mapping=Mapping(answer=(Answer(zone="Europe/Berlin"),)))
    assert reading.counts == RowCounts(130, 126, 0, 4)
    assert "D-ZONE-DST" in {i.code for i in reading.issues}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=ROWS, seed=st.integers(0, 99))
def test_reading_in_pieces_gives_what_reading_at_once_gives(
    rows: list[tuple[str, str, str]], seed: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        path = export(rows, folder)
        head, *lines = path.read_text(encoding="utf-8").splitlines()
        shuffled = np.random.default_rng(seed).permutation(lines) if seed % 2 else lines
        path.write_text("\n".join([head, *shuffled]), encoding="utf-8")
        at_once = read_export(path)
        large(monkeypatch)
        in_pieces = read_export(path)
        assert said(in_pieces) == said(at_once)
