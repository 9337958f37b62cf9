"""E: 3GPP performance files that contradict themselves, are cut off, or are very large."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

from tests.faults.cases import READ, STATION, fault, put

SPACE = "http://www.3gpp.org/ftp/specs/archive/28_series/28.532#measData"


def period(end: str = "2025-03-01T00:15:00Z", length: str = "PT900S") -> str:
    return f'<granPeriod duration="{length}" endTime="{end}"/>'


def file(values: str, types: str = '<measType p="1">PEE.AvgPower</measType>', when: str = "") -> str:
    return (
        f'<?xml version="1.0"?><measDataFile xmlns="{SPACE}"><fileHeader/><measData>'
        f'<measEntity localDn="G1"/><measInfo>{when or period()}{types}{values}</measInfo></measData>'
        "</measDataFile>"
    )


def value(said: str, unit: str = "G1", more: str = "") -> str:
    return f'<measValue measObjLdn="{unit}">{said}{more}</measValue>'


SOUND = value('<r p="1">412</r>')


def folder_of(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        put(folder, content, f"in/{name}")
    return folder / "in"


@fault("E1", "D-SUSPECT", mapping=STATION)
def suspect_values(folder: Path) -> Path:
    return put(folder, file(value('<r p="1">412</r>', more="<suspect>true</suspect>")), "a.xml")


@fault("E1", "D-SUSPECT", mapping=STATION)
def one_cell_of_two_is_suspect(folder: Path) -> Path:
    cells = value('<r p="1">12</r>', "NRCellDU=1") + value(
        '<r p="1">99</r>', "NRCellDU=2", "<suspect>1</suspect>"
    )
    return put(folder, file(cells, '<measType p="1">RRU.PrbTotDl</measType>'), "a.xml")


@fault("E2", "D-ROW-RAGGED", mapping=STATION)
def number_without_a_counter(folder: Path) -> Path:
    values = SOUND + value('<r p="7">412</r>', "NRCellDU=1") + value('<r p="1">1</r>', "NRCellDU=1")
    return put(folder, file(values), "a.xml")


@fault("E2", "D-ROW-RAGGED", mapping=STATION)
def list_shorter_than_its_counters(folder: Path) -> Path:
    values = value("<measResults>412 7</measResults>") + value("<measResults>412</measResults>")
    return put(folder, file(values, "<measTypes>PEE.AvgPower RRU.PrbTotDl</measTypes>"), "a.xml")


@fault("E2", "E-PM", mapping=STATION)
def two_counters_of_one_number(folder: Path) -> Path:
    types = '<measType p="1">PEE.AvgPower</measType><measType p="1">RRU.PrbTotDl</measType>'
    return put(folder, file(SOUND, types), "a.xml")


@fault("E3", "D-DUPLICATE", mapping=STATION)
def the_same_period_in_two_files(folder: Path) -> Path:
    return folder_of(folder, {"a.xml": file(SOUND), "b.xml": file(SOUND)})


@fault("E3", "D-RESENT", mapping=STATION)
def a_period_sent_again_with_other_values(folder: Path) -> Path:
    later = file(SOUND, when=period("2025-03-01T00:30:00Z"))
    again = file(SOUND.replace("412", "500"))
    return folder_of(folder, {"a.xml": file(SOUND), "b.xml": again, "c.xml": later})


@fault("E3", "E-PM", mapping=STATION)
def duration_that_is_none(folder: Path) -> Path:
    return put(folder, file(SOUND, when=period(length="900")), "a.xml")


@fault("E3", "E-TIME-DRIFT", mapping=STATION)
def periods_that_overlap(folder: Path) -> Path:
    ends = [f"2025-03-01T00:{15 + 5 * i:02d}:00Z" for i in range(8)]
    return folder_of(folder, {f"{i}.xml": file(SOUND, when=period(e)) for i, e in enumerate(ends)})


@fault("E4", READ, mapping=STATION)
def no_namespace_and_vendor_extensions(folder: Path) -> Path:
    content = (
        file(SOUND).replace(f' xmlns="{SPACE}"', "").replace("<measInfo>", '<x a="1"><y/></x><measInfo>')
    )
    return put(folder, content, "a.xml")


@fault("E4", "E-FILE-DAMAGED", mapping=STATION)
def cut_off_at_nine_tenths(folder: Path) -> Path:
    content = file(SOUND)
    return put(folder, content[: len(content) * 9 // 10], "a.xml")


@fault("E4", READ, mapping=STATION)
def results_of_nil(folder: Path) -> Path:
    values = SOUND + value('<r p="1">NIL</r>', "NRCellDU=1") + value('<r p="1"/>', "NRCellDU=2")
    return put(folder, file(values), "a.xml")


@fault("E4", "E-NO-MEASUREMENT")
def counters_that_nobody_knows(folder: Path) -> Path:
    return put(folder, file(SOUND, '<measType p="1">vendor.Xyz</measType>'), "a.xml")


@fault("E5", READ, heavy=True, mapping=STATION)
def a_million_values(folder: Path) -> Path:
    path = folder / "a.xml"
    head, tail = file("|").split("|")
    with path.open("w") as sink:
        sink.write(head)
        for i in range(1_000_000):
            sink.write(value(f'<r p="1">{i % 400}.5</r>', f"NRCellDU={i}"))
        sink.write(tail)
    return path


@fault("E5", READ, mapping=STATION)
def two_hundred_files_in_a_zip(folder: Path) -> Path:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for i in range(200):
            end = f"2025-03-{1 + i // 96:02d}T{i % 96 // 4:02d}:{i % 4 * 15:02d}:00Z"
            archive.writestr(f"A{i}.xml.gz", gzip.compress(file(SOUND, when=period(end)).encode()))
    return put(folder, sink.getvalue(), "pm.zip")


@fault("E6", READ, mapping=STATION)
def object_names_with_formulas_and_markup(folder: Path) -> Path:
    names = ("=cmd()", "&lt;script&gt;alert(1)&lt;/script&gt;", "../../x", "%s{0}")
    return put(folder, file("".join(value('<r p="1">4</r>', n) for n in names)), "a.xml")


@fault("E6", READ, mapping=STATION)
def object_name_of_five_kilobytes(folder: Path) -> Path:
    return put(folder, file(value('<r p="1">4</r>', "NRCellDU=" + "x" * 5000)), "a.xml")
