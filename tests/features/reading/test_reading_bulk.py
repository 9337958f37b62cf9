"""A large plain file is read in pieces; what it gives is what the reader of every cell gives."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import UnreadableFileError
from features.filed import is_filed
from features.reading import Mapping, bulk, read_export
from features.reading.mapping import Answer
from tests.features.reading.conftest import large, said

Writer = Callable[..., Path]


def content(plant: pd.DataFrame) -> str:
    return str(plant.assign(site="007").to_csv(index=False, lineterminator="\n"))


def both(
    path: Path, monkeypatch: pytest.MonkeyPatch, zone: str = "+08:00"
) -> tuple[bool, list[object], list[object]]:
    """Return whether it was read in pieces, and what each of the two readers gives."""
    mapping = Mapping(answer=(Answer(file="*", zone=zone),))
    slow = read_export(path, mapping=mapping)
    large(monkeypatch)
    fast = read_export(path, mapping=mapping)
    return any(is_filed(c) for _, c in fast.content.frame.items()), said(slow), said(fast)


PLAIN: dict[str, Callable[[str], str]] = {
    "plain": lambda t: t,
    "line feeds with returns": lambda t: t.replace("\n", "\r\n"),
    "no end of the last line": lambda t: t.rstrip("\n"),
    "blank lines at the end": lambda t: t + "\n\n",
    "words for nothing": lambda t: t.replace(",24.0,", ",NaN,", 3).replace(",24.0,", ",n/a,", 2),
    "a negative power": lambda t: t.replace("2025-03-01 05:00:00,24.0,", "2025-03-01 05:00:00,24.0,-"),
    "a row twice": lambda t: t + t.splitlines()[30] + "\n",
    "a contradiction": lambda t: t + t.splitlines()[30].replace("24.0", "23.0") + "\n",
    "backwards": lambda t: "\n".join([t.splitlines()[0], *t.splitlines()[:0:-1]]),
    "a quote": lambda t: t.replace("2025-03-01 05:00:00", '"2025-03-01 05:00:00"'),
    "all quoted": lambda t: re.sub("([^,\n]+)", r'"\1"', t),
    "byte-order mark": lambda t: "\ufeff" + t,
    "columns of words": lambda t: "\n".join(
        line + (",run,ok,auto,on,1 of 2" if i else ",a mode,b state,c,d,e")
        for i, line in enumerate(t.splitlines())
    ),
    "a decimal comma": lambda t: re.sub(r"(\d)\.(\d)", r"\1,\2", t.replace(",", ";")),
    "other encoding": lambda t: t.replace("it_power_kw", "IT设备功率(kW)"),
    "Chinese header": lambda t: t.replace("it_power_kw", "IT设备功率(kW)"),
    "a word among numbers": lambda t: t.replace("2025-03-09 05:00:00,24.0,", "2025-03-09 05:00:00,off,"),
    "infinite": lambda t: t.replace("2025-03-09 05:00:00,24.0,", "2025-03-09 05:00:00,inf,"),
    "a stamp that is none": lambda t: t.replace("2025-03-09 05:00:00", "yesterday"),
    "a total at the end": lambda t: t + "Total" + t.splitlines()[-1][19:] + "\n",
    "a stamp off the grid": lambda t: t.replace("2025-03-09 05:00:00", "2025-03-09 05:07:00"),
    "a gap": lambda t: re.sub("2025-03-09 0.*\n", "", t),
    "no site": lambda t: re.sub("(2025-03-09 05.*),007", r"\1,", t),
    "offsets": lambda t: t.replace(":00:00,", ":00:00+08:00,"),
    "slashes": lambda t: t.replace("2025-03-", "2025/3/"),
    "day first": lambda t: re.sub("2025-03-(..)", r"\1.03.2025", t),
    "kilowatts as watts": lambda t: t.replace("it_power_kw", "IT power (W)"),
}
OTHER: dict[str, Callable[[str], str]] = {
    "a row too short": lambda t: t.replace("2025-03-01 05:00:00,24.0,", "2025-03-01 05:00:00,"),
    "a row too long": lambda t: t.replace("2025-03-01 05:00:00,24.0,", "2025-03-01 05:00:00,24.0,1,"),
    "a blank line": lambda t: t.replace("2025-03-01 05:00:00", "\n2025-03-01 05:00:00"),
    "a blank row": lambda t: t + "," * t.splitlines()[0].count(",") + "\n",
}


@pytest.mark.parametrize("name", [*PLAIN, *OTHER])
def test_both_readers_agree(
    name: str, write: Writer, plant: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (PLAIN | OTHER)[name](content(plant))
    used, slow, fast = both(write(text.encode("gbk" if name == "other encoding" else "utf-8")), monkeypatch)
    assert used == (name in PLAIN)
    assert fast == slow


def test_a_line_end_between_quotes_is_refused_as_in_a_small_file(
    write: Writer, plant: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    large(monkeypatch)
    with pytest.raises(UnreadableFileError, match="E-FILE-QUOTES"):
        read_export(write(content(plant).replace(",007\n", ',"007\n"\n', 1)))


def test_the_hour_that_clocks_repeat_is_told_apart_over_pieces(
    write: Writer, plant: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    utc = pd.date_range("2025-10-20", periods=len(plant), freq="h", tz="UTC")
    local = utc.tz_convert("Europe/Berlin").tz_localize(None)
    text = content(plant.assign(timestamp=local))
    used, slow, fast = both(write(text), monkeypatch, zone="Europe/Berlin")
    assert used
    assert fast == slow
    assert set(fast[1]["timestamp"].to_pandas()) == set(utc)  # type: ignore[index]


@pytest.mark.parametrize("kind", ["stamps", "texts", "dictionary", "with offsets"])
def test_parquet_is_read_column_by_column(
    kind: str, tmp_path: Path, plant: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = plant.assign(site=["a", "b"] * (len(plant) // 2))
    frame = frame.assign(timestamp=pd.to_datetime(frame["timestamp"]))
    if kind == "texts":
        frame = frame.assign(timestamp=frame["timestamp"].astype("str"))
    if kind == "dictionary":
        frame = frame.assign(site=frame["site"].astype("category"))
    if kind == "with offsets":
        frame = frame.assign(timestamp=frame["timestamp"].dt.tz_localize("Asia/Shanghai"))
    frame.loc[40, "it_power_kw"] = -1.0
    table = pa.Table.from_pandas(frame, preserve_index=False)
    pq.write_table(table, tmp_path / "site.parquet", row_group_size=110)
    used, slow, fast = both(tmp_path / "site.parquet", monkeypatch)
    assert used
    assert fast == slow


@pytest.mark.parametrize("what", ["long texts", "damaged"])
def test_parquet_that_is_not_plain_goes_to_the_careful_reader(
    what: str, tmp_path: Path, plant: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    large(monkeypatch)
    path = tmp_path / "site.parquet"
    frame = plant.assign(site="x" * 5000 if what == "long texts" else "a")
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, write_page_checksum=True)
    if what == "damaged":
        content = bytearray(path.read_bytes())
        middle = pq.read_metadata(path).row_group(0).column(2).data_page_offset + 40
        content[middle : middle + 16] = bytes(16)
        path.write_bytes(bytes(content))
        with pytest.raises(UnreadableFileError, match="damaged"):
            read_export(path)
    else:
        assert read_export(path).counts.accepted == len(plant)


def test_months_of_a_large_export_join(
    tmp_path: Path, plant: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    months = tmp_path / "hall"
    months.mkdir()
    for number, part in enumerate((plant.iloc[:300].assign(site="b"), plant.iloc[200:].assign(site="a"))):
        part.to_csv(months / f"{number}.csv", index=False)
    used, slow, fast = both(months, monkeypatch)
    assert used
    assert fast == slow


def test_a_large_file_with_a_column_per_unit(
    write: Writer, plant: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    racks = plant.assign(**{f"rack{i}_power_kw": plant["it_power_kw"] / 4 + i for i in range(3)})
    _, slow, fast = both(write(content(racks)), monkeypatch)
    assert fast == slow


def test_registers_and_amounts_of_a_large_file(
    write: Writer, plant: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    amounts = plant[["timestamp"]].assign(
        **{
            "IT energy counter (kWh)": plant["it_power_kw"].cumsum(),
            "Facility energy (kWh)": 30.0 + plant["it_power_kw"],
        }
    )
    used, slow, fast = both(write(content(amounts)), monkeypatch)
    assert used
    assert fast == slow


def test_identifiers_stay_text(write: Writer, plant: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    large(monkeypatch)
    reading = read_export(write(content(plant)))
    assert set(reading.table["site_id"].to_pylist()) == {"007"}
    assert reading.telemetry().frame["site_id"].dtype == "str"


def test_a_name_with_brackets_is_a_name_and_no_pattern(
    write: Writer, plant: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    quoted = content(plant).replace(",007\n", ',"007"\n')
    for size in (1, 1 << 40):
        monkeypatch.setattr(bulk, "LARGE", size)
        assert read_export(write(quoted, "power [kW]*.csv")).counts.accepted == len(plant)
