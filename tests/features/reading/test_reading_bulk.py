"""A large plain file is typed while it is split; what it gives is what the reader of every cell gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.reading import bulk as bulk_module
from features.reading import gather, read_export

Writer = Callable[..., Path]


def content(plant: pd.DataFrame) -> str:
    return str(plant.assign(site="007").to_csv(index=False, lineterminator="\n"))


def both(path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[bool, list[object], list[object]]:
    """Return whether the one pass was used, and what each of the two readers gives."""
    slow = read_export(path)
    used: list[bool] = []
    real = bulk_module.read

    def watched(*arguments: object) -> object:
        table = real(*arguments)  # type: ignore[arg-type]
        used.append(table is not None)
        return table

    monkeypatch.setattr(bulk_module, "LARGE", 0)
    monkeypatch.setattr(bulk_module, "read", watched)
    fast = read_export(path)
    rows = [r.quarantined_rows.drop_columns("raw").to_pylist() for r in (slow, fast)]
    return (
        any(used),
        [slow.table, slow.issues, slow.counts, slow.mapping, rows[0]],
        [fast.table, fast.issues, fast.counts, fast.mapping, rows[1]],
    )


PLAIN: dict[str, Callable[[str], str]] = {
    "plain": lambda t: t,
    "line feeds with returns": lambda t: t.replace("\n", "\r\n"),
    "no end of the last line": lambda t: t.rstrip("\n"),
    "words for nothing": lambda t: t.replace(",24.0,", ",NaN,", 3).replace(",24.0,", ",n/a,", 2),
    "a negative power": lambda t: t.replace("2025-03-01 05:00:00,24.0,", "2025-03-01 05:00:00,24.0,-"),
    "a row twice": lambda t: t + t.splitlines()[30] + "\n",
    "Chinese header": lambda t: t.replace("it_power_kw", "IT设备功率(kW)"),
}
OTHER: dict[str, Callable[[str], str]] = {
    "a word among numbers": lambda t: t.replace("2025-03-09 05:00:00,24.0,", "2025-03-09 05:00:00,off,"),
    "a row too short": lambda t: t.replace("2025-03-01 05:00:00,24.0,", "2025-03-01 05:00:00,"),
    "a row too long": lambda t: t.replace("2025-03-01 05:00:00,24.0,", "2025-03-01 05:00:00,24.0,1,"),
    "a blank line": lambda t: t.replace("2025-03-01 05:00:00", "\n2025-03-01 05:00:00"),
    "a quote": lambda t: t.replace("2025-03-01 05:00:00", '"2025-03-01 05:00:00"'),
}


@pytest.mark.parametrize("name", [*PLAIN, *OTHER])
def test_both_readers_agree(
    name: str, write: Writer, plant: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (PLAIN | OTHER)[name](content(plant))
    used, slow, fast = both(write(text), monkeypatch)
    assert used == (name in PLAIN)
    assert fast == slow


def test_identifiers_stay_text(write: Writer, plant: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_module, "LARGE", 0)
    reading = read_export(write(content(plant)))
    assert set(reading.table["site_id"].to_pylist()) == {"007"}


def test_a_name_with_brackets_is_a_name_and_no_pattern(
    write: Writer, plant: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    quoted = content(plant).replace(",007\n", ',"007"\n')
    for size in (1, 1 << 40):
        monkeypatch.setattr(bulk_module, "LARGE", size)
        assert read_export(write(quoted, "power [kW]*.csv")).counts.accepted == len(plant)


def test_blocks_of_a_large_table_recognise_what_all_rows_recognise(
    tmp_path: Path, plant: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq.write_table(pa.Table.from_pandas(plant, preserve_index=False), tmp_path / "site.parquet")
    whole = read_export(tmp_path / "site.parquet")
    monkeypatch.setattr(gather, "BLOCKS", 4)
    monkeypatch.setattr(gather, "BLOCK_ROWS", 24)
    thinned = read_export(tmp_path / "site.parquet")
    assert thinned.table.equals(whole.table)
    assert [c.canonical for c in thinned.mapping.file[0].column] == [
        c.canonical for c in whole.mapping.file[0].column
    ]
    assert np.isfinite(thinned.table["it_power_kw"].to_numpy()).all()
