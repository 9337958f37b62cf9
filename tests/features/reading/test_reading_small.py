"""Small texts are split here, large ones by the database engine: both must give the same cells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.reading import text

CELL = st.sampled_from(["", "1", "2.5", "-3", "a", "é", "电", " ", "x y", "\\N", "NULL", "#", "'", "\t7"])
LINE = st.one_of(
    st.lists(CELL, min_size=3, max_size=3),
    st.lists(CELL, min_size=1, max_size=6),
    st.just([]),
)


def both(tmp_path: Path, data: bytes, delimiter: str, width: int, header: int) -> list[text.Cells]:
    path = tmp_path / "small.csv"
    path.write_bytes(data)
    found = []
    with pytest.MonkeyPatch.context() as patch:
        for size in (1 << 20, 0):
            patch.setattr(text, "SMALL", size)
            found.append(text.read_cells(path, text.load(path), delimiter, width, header))
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(LINE, min_size=1, max_size=12),
    delimiter=st.sampled_from([",", ";", "|"]),
    end=st.sampled_from(["\n", "\r\n"]),
    header=st.integers(0, 2),
    last=st.booleans(),
)
def test_both_ways_give_the_same_cells(
    tmp_path: Path, lines: list[list[str]], delimiter: str, end: str, header: int, last: bool
) -> None:
    heads = [delimiter.join("abc")] * max(header, 1)
    body = end.join([*heads, *(delimiter.join(line) for line in lines)]) + (end if last else "")
    small, large = both(tmp_path, body.encode(), delimiter, 3, len(heads))
    assert small.table.equals(large.table)
    np.testing.assert_array_equal(small.lines, large.lines)
    assert [line for line, _ in small.broken] == [line for line, _ in large.broken]


def test_ragged_rows_are_kept_with_their_lines(tmp_path: Path) -> None:
    data = b"a,b\n1,2\n3\n\n4,5,\n6,7,8\n9,10\n"
    for cells in both(tmp_path, data, ",", 2, 1):
        assert cells.table.to_pylist() == [
            {"c0": "1", "c1": "2"},
            {"c0": "4", "c1": "5"},
            {"c0": "9", "c1": "10"},
        ]
        assert cells.lines.tolist() == [2, 5, 7]
        assert cells.broken == ((3, "3"), (6, "6,7,8"))


def test_content_far_beyond_the_header_is_never_dropped(tmp_path: Path) -> None:
    """Two empty cells and then a value: the row has more cells than the header, and is not read."""
    for cells in both(tmp_path, b"a,b\n1,2,,x\n3,4,,\n", ",", 2, 1):
        assert cells.table.to_pylist() == [{"c0": "3", "c1": "4"}]
        assert cells.broken == ((2, "1,2,,x"),)
