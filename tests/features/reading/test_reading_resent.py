"""A period of a performance file that is sent again, or in parts."""

from __future__ import annotations

import pytest

from features.reading import Reading, read_export
from tests.features.reading.conftest import Writer

PERIODS = 4


def measured(values: dict[str, str], period: int = 0) -> str:
    """Return one object's counters of one quarter hour."""
    names = "".join(f'<measType p="{i}">{name}</measType>' for i, name in enumerate(values))
    said = "".join(f'<r p="{i}">{text}</r>' for i, text in enumerate(values.values()))
    end = f"2025-03-01T{period // 4:02d}:{period % 4 * 15:02d}:00Z"
    return (
        f'<measInfo><granPeriod duration="PT900S" endTime="{end}"/>{names}'
        f'<measValue measObjLdn="G1">{said}</measValue></measInfo>'
    )


def file(*parts: str) -> str:
    return f'<measDataFile><measData><measEntity localDn="G1"/>{"".join(parts)}</measData></measDataFile>'


def read(write: Writer, files: dict[str, str]) -> Reading:
    rest = file(*(measured({"PEE.AvgPower": f"{400 + i}"}, i) for i in range(1, PERIODS)))
    path = write(rest, "in/z.xml")
    for name, content in files.items():
        write(content, f"in/{name}")
    return read_export(path.parent)


def first(reading: Reading, column: str) -> list[float]:
    return reading.telemetry().frame[column].tolist()[:1]


def counts(reading: Reading) -> tuple[int, int, int]:
    return reading.counts.rows_in, reading.counts.accepted, reading.counts.rejected


def test_the_later_file_counts_and_the_earlier_row_is_rejected(write: Writer) -> None:
    sent = {"a_2.xml": "412", "a_10.xml": "500", "a.xml": "300"}
    reading = read(write, {name: file(measured({"PEE.AvgPower": text})) for name, text in sent.items()})
    assert first(reading, "station_power_w") == [500.0]
    assert counts(reading) == (PERIODS + 2, PERIODS, 2)
    found = next(i for i in reading.issues if i.code == "D-RESENT")
    assert (found.rows, found.evidence) == (
        2,
        "2 rows were sent again with other values (first in a.xml, a_2.xml)",
    )
    lost = reading.quarantined_rows.to_pandas()
    assert lost[["file", "code"]].to_numpy().tolist() == [["a.xml", "D-RESENT"], ["a_2.xml", "D-RESENT"]]


def test_a_period_in_parts_is_one_row(write: Writer) -> None:
    reading = read(
        write,
        {"a.xml": file(measured({"PEE.AvgPower": "400"})), "b.xml": file(measured({"PEE.Energy": "0.1"}))},
    )
    assert first(reading, "station_power_w") == [400.0]
    assert first(reading, "station_energy_kwh") == [0.1]
    assert counts(reading) == (PERIODS + 1, PERIODS + 1, 0)
    assert not {i.code for i in reading.issues} & {"D-RESENT", "D-DUPLICATE"}


def test_a_corrected_counter_leaves_the_others(write: Writer) -> None:
    early, late = {"PEE.AvgPower": "800", "PEE.Energy": "0.1"}, {"PEE.AvgPower": "400"}
    reading = read(write, {"a.xml": file(measured(early)), "b.xml": file(measured(late))})
    assert first(reading, "station_power_w") == [400.0]
    assert first(reading, "station_energy_kwh") == [0.1]
    assert next(i.rows for i in reading.issues if i.code == "D-RESENT") == 1


@pytest.mark.parametrize("later", ["NIL", "412"])
def test_nothing_and_the_same_again_change_nothing(write: Writer, later: str) -> None:
    sent = {"a.xml": "412", "b.xml": later}
    reading = read(write, {name: file(measured({"PEE.AvgPower": text})) for name, text in sent.items()})
    assert first(reading, "station_power_w") == [412.0]
    assert counts(reading) == (PERIODS + 1, PERIODS, 1)
    assert [i.severity for i in reading.issues if i.code == "D-DUPLICATE"] == ["info"]


def test_one_file_that_contradicts_itself_is_not_decided(write: Writer) -> None:
    twice = file(measured({"PEE.AvgPower": "400"}), measured({"PEE.AvgPower": "500"}))
    reading = read(write, {"a.xml": twice})
    assert counts(reading) == (PERIODS + 1, PERIODS - 1, 2)
    assert [i.severity for i in reading.issues if i.code == "D-DUPLICATE"] == ["warning"]
