"""B: the shape of a text: encodings, decimal marks, delimiters, headers, nulls, identifiers, dates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd

from tests.faults.cases import READ, fault, plant, put, text

HOURS = pd.date_range("2025-03-01", periods=48, freq="h").strftime("%Y-%m-%d %H:%M")


def column(cells: list[str], header: str = "it_power_kw", sep: str = ";") -> str:
    rows = "".join(f"{t}{sep}{c}\n" for t, c in zip(HOURS, cells, strict=False))
    return f"timestamp{sep}{header}\n{rows}"


# -- B1: encodings -------------------------------------------------------------------------------
@fault("B1", READ)
def chinese_in_gb18030(folder: Path) -> Path:
    return put(folder, column(["12.5"] * 47 + ["13"], "IT设备功率(kW)").encode("gb18030"))


@fault("B1", READ)
def chinese_in_utf16(folder: Path) -> Path:
    return put(folder, column(["12.5"] * 47 + ["13"], "IT设备功率(kW)").encode("utf-16"))


@fault("B1", "E-FILE-ENCODING")
def two_encodings_in_one_file(folder: Path) -> Path:
    head = "timestamp,机房\n".encode() + "2025-01-01,温度\n".encode("gb18030") + b"\xff\xff\n"
    return put(folder, head)


@fault("B1", "E-FILE-ENCODING")
def lone_surrogates(folder: Path) -> Path:
    raw = column(["12.5"] * 48).encode("utf-16-le").replace("1".encode("utf-16-le"), b"\x00\xd8", 1)
    return put(folder, b"\xff\xfe" + raw)


@fault("B1", "E-FILE-ENCODING")
def japanese_in_shift_jis(folder: Path) -> Path:
    return put(folder, text(plant(48).assign(site="東京データセンター")).encode("shift_jis"))


@fault("B1", "E-FILE-ENCODING")
def japanese_in_euc_whose_bytes_are_chinese_too(folder: Path) -> Path:
    return put(folder, text(plant(48).assign(site="東京データセンター")).encode("euc_jp"))


# -- B2: decimal marks ---------------------------------------------------------------------------
@fault("B2", READ)
def decimal_commas(folder: Path) -> Path:
    return put(folder, column([f"{50 + i},{i % 10}5" for i in range(48)]))


@fault("B2", "E-QUESTION-DECIMAL")
def thousands_or_decimals(folder: Path) -> Path:
    return put(folder, column([f"1,{200 + i}" for i in range(48)]))


@fault("B2", READ)
def blanks_and_apostrophes_between_thousands(folder: Path) -> Path:
    return put(folder, column([f"1\u00a0{200 + i},5" if i % 2 else f"1'{200 + i},5" for i in range(48)]))


@fault("B2", READ)
def apostrophes_between_thousands(folder: Path) -> Path:
    return put(folder, column([f"1'{200 + i}" for i in range(48)], sep=","))


@fault("B2", READ)
def full_width_digits(folder: Path) -> Path:
    wide = str.maketrans("0123456789.", "０１２３４５６７８９．")
    return put(folder, column([f"{50 + i}.5".translate(wide) for i in range(48)]))


# -- B3: delimiters, quotes, line ends -----------------------------------------------------------
@fault("B3", READ)
def declared_delimiter(folder: Path) -> Path:
    return put(folder, "sep=|\n" + text(plant(), "|"))


@fault("B3", READ)
def carriage_returns_only(folder: Path) -> Path:
    return put(folder, text(plant()).replace("\n", "\r"))


@fault("B3", "E-FILE-QUOTES")
def quote_that_is_never_closed(folder: Path) -> Path:
    return put(folder, text(plant()) + '"2025-04-01 00:00,1,2,3,4,5\n2025-04-01 01:00,1,2,3,4,5\n')


@fault("B3", "D-ROW-RAGGED")
def ragged_rows(folder: Path) -> Path:
    lines = text(plant()).splitlines()
    lines[20] += ",9,9"
    lines[40] = lines[40].rsplit(",", 3)[0]
    return put(folder, "\n".join(lines) + "\n")


@fault("B3", "D-ROW-RAGGED")
def line_of_two_mebibytes(folder: Path) -> Path:
    return put(folder, text(plant()) + "2025-04-01 00:00," + "9" * (2 << 20) + ",1,1,1,1\n")


# -- B4: headers ---------------------------------------------------------------------------------
@fault("B4", READ)
def title_unit_row_and_blank_column(folder: Path) -> Path:
    lines = text(plant()).splitlines()
    units = ",kW,kW,kW,degC,degC"
    return put(folder, "\n".join(["Export of the plant", "", lines[0], units, *lines[1:]]) + "\n")


@fault("B4", "D-NO-STAMP")
def total_below_the_rows(folder: Path) -> Path:
    return put(folder, text(plant()) + "Total,9999,9999,9999,,\n")


@fault("B4", "E-NO-HEADER")
def no_header_at_all(folder: Path) -> Path:
    return put(folder, text(plant()).split("\n", 1)[1])


# -- B5: column names ----------------------------------------------------------------------------
@fault("B5", READ)
def names_twice_blank_and_hostile(folder: Path) -> Path:
    hostile = [
        "=cmd()",
        "<script>",
        "__class__",
        "{{7*7}}",
        "%s{0}",
        "",
        "",
        "index",
        "x" * 10_000,
        "e\u0301",
    ]
    lines = text(plant()).splitlines()
    rows = [lines[0] + "," + ",".join(hostile), *(f"{line}" + ",1" * len(hostile) for line in lines[1:])]
    return put(folder, "\n".join(rows) + "\n")


@fault("B5", READ)
def the_same_column_twice(folder: Path) -> Path:
    lines = [line + "," + line.split(",")[1] for line in text(plant()).splitlines()]
    return put(folder, "\n".join(lines) + "\n")


@fault("B5", "E-QUESTION-METER")
def the_same_name_twice(folder: Path) -> Path:
    lines = text(plant()).splitlines()
    return put(folder, "\n".join([lines[0] + ",it_power_kw", *(x + ",7" for x in lines[1:])]) + "\n")


# -- B6: nulls and sentinels ---------------------------------------------------------------------
@fault("B6", READ)
def words_for_nothing(folder: Path) -> Path:
    words = ["NaN", "N/A", "-", "null", "", "NA", "--"]
    return put(folder, column([words[i % 7] if i in range(10, 17) else f"{50 + i % 9}.5" for i in range(48)]))


@fault("B6", "D-NOT-A-NUMBER")
def errors_infinities_and_hexadecimals(folder: Path) -> Path:
    words = ["#DIV/0!", "inf", "1e999", "0x1F", "TRUE", "1_000"]
    return put(folder, column([words[i] if i < 6 else f"{50 + i % 9}.5" for i in range(48)]))


@fault("B6", "D-OUT-OF-BOUNDS")
def sentinels(folder: Path) -> Path:
    table = plant()
    table.loc[[5, 6], "outdoor_dry_bulb_c"] = [-999.0, 9999.0]
    table.loc[7, "server_inlet_c"] = 65535.0
    return put(folder, text(table))


# -- B7, B8: identifiers -------------------------------------------------------------------------
def of_sites(names: list[str]) -> str:
    return text(pd.concat([plant(24).assign(site=name) for name in names]))


@fault("B7", READ)
def identifiers_that_look_like_numbers_and_nulls(folder: Path) -> Path:
    return put(folder, of_sites(["007", "1E5", "NA", "TRUE", "MARCH1"]))


@fault("B7", READ)
def identifiers_with_blanks_at_the_end(folder: Path) -> Path:
    return put(folder, of_sites(["north ", "south"]))


@fault("B8", READ)
def identifiers_with_paths_and_formulas(folder: Path) -> Path:
    return put(folder, of_sites(["../../etc", "=1+1", "@x", "a\\b", "o'hara"]))


@fault("B8", READ, heavy=True)
def a_hundred_thousand_sites(folder: Path) -> Path:
    stamps = ["2025-03-01 00:00", "2025-03-01 01:00"]
    sites = np.repeat([f"s{i}" for i in range(100_000)], 2)
    table = pd.DataFrame({"site": sites, "timestamp": stamps * 100_000, "it_power_kw": 50.5})
    return put(folder, text(table))


# -- B9, B10: dates ------------------------------------------------------------------------------
@fault("B9", READ)
def serial_days_of_a_spreadsheet(folder: Path) -> Path:
    table = plant().assign(timestamp=[45000 + i / 24 for i in range(96)])
    return put(folder, text(table))


@fault("B9", READ)
def workbook_of_the_1904_calendar(folder: Path) -> Path:
    book = openpyxl.Workbook()
    book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    sheet = book.active
    assert sheet is not None
    sheet.append(["timestamp", "it_power_kw"])
    for i, moment in enumerate(pd.date_range("2025-03-01", periods=48, freq="h").to_pydatetime()):
        sheet.append([moment, 50.5 + i % 7])
    book.save(folder / "site.xlsx")
    return folder / "site.xlsx"


@fault("B9", "E-TIME-NO-DATE")
def times_without_a_date(folder: Path) -> Path:
    return put(folder, "time,it_power_kw\n00:00,1\n01:00,2\n")


@fault("B10", "E-QUESTION-DATE-ORDER")
def day_or_month(folder: Path) -> Path:
    rows = "".join(f"03/04/2026 {h:02d}:00,{50 + h}\n" for h in range(24))
    return put(folder, "timestamp,it_power_kw\n" + rows)


@fault("B10", READ)
def epoch_in_milliseconds(folder: Path) -> Path:
    table = plant().assign(timestamp=[1_740_787_200_000 + i * 3_600_000 for i in range(96)])
    return put(folder, text(table))


@fault("B10", "E-NO-TIME")
def epochs_of_mixed_units(folder: Path) -> Path:
    stamps = [(1_740_787_200 + i * 3600) * (1000 if i % 2 else 1) for i in range(96)]
    return put(folder, text(plant().assign(timestamp=stamps)))
