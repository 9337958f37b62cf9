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
from features.reading import read_export
from features.reading.numerals import parse

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
