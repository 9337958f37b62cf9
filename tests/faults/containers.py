"""A: what arrives is not what it says, does not end, or wants to be somewhere else."""

from __future__ import annotations

import base64
import gzip
import io
import stat
import zipfile
from decimal import Decimal
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import xlwt
from openpyxl.chart import LineChart
from pyarrow.parquet import encryption

from tests.faults.cases import READ, STATION, fault, plant, put, text

MIB = 2**20


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return sink.getvalue()


def workbook(table: pd.DataFrame | None = None) -> openpyxl.Workbook:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    shown = plant() if table is None else table
    for row in [list(shown), *shown.to_numpy(dtype=object).tolist()]:
        sheet.append(row)
    return book


def saved(folder: Path, book: openpyxl.Workbook, name: str = "site.xlsx") -> Path:
    book.save(folder / name)
    return folder / name


def parquet(folder: Path, table: pa.Table, **options: object) -> Path:
    pq.write_table(table, folder / "site.parquet", **options)
    return folder / "site.parquet"


class _Keys(encryption.KmsClient):
    """Wraps keys by leaving them as they are: the reader has none of them."""

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> bytes:
        del master_key_identifier
        return base64.b64encode(key_bytes)

    def unwrap_key(self, wrapped_key: bytes, master_key_identifier: str) -> bytes:
        del master_key_identifier
        return base64.b64decode(wrapped_key)


def encrypted(folder: Path, *, plaintext_footer: bool) -> Path:
    keys = encryption.EncryptionConfiguration(
        footer_key="footer", column_keys={"columns": ["it_power_kw"]}, plaintext_footer=plaintext_footer
    )
    factory = encryption.CryptoFactory(lambda _: _Keys())
    properties = factory.file_encryption_properties(encryption.KmsConnectionConfig(), keys)
    return parquet(folder, plant_table(), encryption_properties=properties)


def plant_table() -> pa.Table:
    return pa.Table.from_pandas(plant(), preserve_index=False)


# -- A1: extension and content -------------------------------------------------------------------
@fault("A1", "E-FILE-TYPE")
def csv_that_is_a_zip(folder: Path) -> Path:
    return put(folder, zipped({"site.csv": text(plant()).encode()}))


@fault("A1", "E-FILE-TYPE")
def xlsx_that_is_html(folder: Path) -> Path:
    return put(folder, "<html><table><tr><td>1</td></tr></table></html>", "site.xlsx")


@fault("A1", "E-FILE-TYPE")
def xlsx_that_is_an_old_xls(folder: Path) -> Path:
    book = xlwt.Workbook()
    book.add_sheet("a").write(0, 0, "timestamp")
    book.save(str(folder / "a.xls"))
    return (folder / "a.xls").rename(folder / "site.xlsx")


@fault("A1", "E-FILE-TYPE")
def gz_that_is_text(folder: Path) -> Path:
    return put(folder, text(plant()), "site.csv.gz")


# -- A2: nothing in it ---------------------------------------------------------------------------
@fault("A2", "E-FILE-EMPTY")
def empty_file(folder: Path) -> Path:
    return put(folder, b"")


@fault("A2", "E-FILE-HEADER-ONLY")
def header_only(folder: Path) -> Path:
    return put(folder, "timestamp,it_power_kw\n")


@fault("A2", "E-FILE-EMPTY")
def byte_order_mark_only(folder: Path) -> Path:
    return put(folder, b"\xef\xbb\xbf")


@fault("A2", "E-FILE-ENCODING")
def one_nul(folder: Path) -> Path:
    return put(folder, b"\0")


@fault("A2", "E-FILE-ENCODING")
def a_mebibyte_of_nuls(folder: Path) -> Path:
    return put(folder, bytes(MIB))


@fault("A2", "E-FILE-EMPTY")
def empty_file_in_a_gzip(folder: Path) -> Path:
    return put(folder, gzip.compress(b""), "site.csv.gz")


# -- A3: names -----------------------------------------------------------------------------------
@fault("A3", READ)
def names_that_lead_elsewhere(folder: Path) -> Path:
    names = ("../../outside.csv",)
    return put(folder, zipped({name: text(plant()).encode() for name in names}), "site.zip")


@fault("A3", READ)
def absolute_name(folder: Path) -> Path:
    return put(folder, zipped({"/outside.csv": text(plant()).encode()}), "site.zip")


@fault("A3", READ)
def name_of_a_windows_path(folder: Path) -> Path:
    return put(folder, zipped({"..\\..\\outside.csv": text(plant()).encode()}), "site.zip")


@fault("A3", READ)
def name_with_a_script_and_a_line_turned_round(folder: Path) -> Path:
    return put(folder, text(plant()), "<script>alert(1)<b>\u202evsc.csv")


@fault("A3", READ)
def name_like_an_option(folder: Path) -> Path:
    return put(folder, text(plant()), "-rf %2e%2e%2f {0} %s.csv")


# -- A4: archives that burst ---------------------------------------------------------------------
@fault("A4", "E-FILE-BOMB")
def workbook_that_bursts(folder: Path) -> Path:
    parts = {"xl/workbook.xml": b"<workbook/>", "xl/worksheets/sheet1.xml": b"0" * (40 * MIB)}
    return put(folder, zipped(parts), "site.xlsx")


@fault("A4", "E-FILE-BOMB")
def workbook_whose_directory_lies(folder: Path) -> Path:
    parts = {"xl/workbook.xml": b"<workbook/>", "xl/worksheets/sheet1.xml": b"0" * (40 * MIB)}
    raw = zipped(parts)
    true_size = (40 * MIB).to_bytes(4, "little")
    return put(folder, raw.replace(true_size, (1000).to_bytes(4, "little")), "site.xlsx")


@fault("A4", "E-FILE-BOMB")
def sheet_with_two_cells_in_opposite_corners(folder: Path) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet["A1"], sheet["XFD1048576"] = "timestamp", 1
    return saved(folder, book)


@fault("A4", "E-FILE-BOMB")
def too_many_entries(folder: Path) -> Path:
    return put(folder, zipped({f"{i}.csv": b"" for i in range(10_001)}, zipfile.ZIP_STORED), "site.zip")


@fault("A4", "E-FILE-EMPTY")
def archive_in_an_archive(folder: Path) -> Path:
    return put(folder, zipped({"inner.zip": zipped({"a.csv": b"1" * MIB})}), "site.zip")


@fault("A4", "E-FILE-DAMAGED")
def overlapping_entries(folder: Path) -> Path:
    raw = bytearray(zipped({"a.csv": b"x" * 5000, "b.csv": b"x" * 5000}, zipfile.ZIP_STORED))
    second = raw.rfind(b"PK\x01\x02")
    raw[second + 42 : second + 46] = (0).to_bytes(4, "little")  # the second entry starts at the first
    return put(folder, bytes(raw), "site.zip")


# -- A5: Parquet that bursts ---------------------------------------------------------------------
@fault("A5", "E-FILE-BOMB")
def too_many_columns(folder: Path) -> Path:
    return parquet(folder, pa.table({f"c{i}": [1.0] for i in range(4097)}))


@fault("A5", "E-FILE-BOMB", heavy=True)
def two_hundred_million_rows(folder: Path) -> Path:
    schema = pa.schema([(f"c{i}", pa.float64()) for i in range(13)])
    piece = pa.table({f.name: pa.repeat(1.0, 1_000_000) for f in schema}, schema)
    with pq.ParquetWriter(folder / "site.parquet", schema, compression="zstd") as writer:
        for _ in range(200):
            writer.write_table(piece, row_group_size=1_000_000)
    return folder / "site.parquet"


@fault("A5", "E-FILE-BOMB", "E-READ-MEMORY", "E-READ-CRASH", heavy=True)
def few_long_texts_for_many_rows(folder: Path) -> Path:
    texts = pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), 6_000_000), ["x" * 2000])
    return parquet(folder, pa.table({"timestamp": texts}), store_schema=False, compression="zstd")


@fault("A5", "E-FILE-DAMAGED")
def nested_a_hundred_deep(folder: Path) -> Path:
    kind: pa.DataType = pa.float64()
    value: object = 1.0
    for _ in range(100):
        kind, value = pa.struct([("a", kind)]), {"a": value}
    return parquet(folder, pa.table({"it_power_kw": pa.array([value], kind)}))


# -- A6: Parquet that is damaged or of rare types ------------------------------------------------
@fault("A6", "E-FILE-DAMAGED")
def truncated_parquet(folder: Path) -> Path:
    path = parquet(folder, plant_table())
    return put(folder, path.read_bytes()[:-20], "site.parquet")


@fault("A6", "E-FILE-DAMAGED")
def parquet_with_a_flipped_bit(folder: Path) -> Path:
    path = parquet(folder, plant_table(), write_page_checksum=True, compression="none")
    raw = bytearray(path.read_bytes())
    place = raw.find(np.float64(plant()["it_power_kw"][7]).tobytes())
    assert place > 0
    raw[place + 6] ^= 0x10
    return put(folder, bytes(raw), "site.parquet")


@fault("A6", "E-FILE-DAMAGED", "E-READ-CRASH", "E-READ-MEMORY")
def parquet_footer_of_noise(folder: Path) -> Path:
    raw = parquet(folder, plant_table()).read_bytes()
    noise = np.random.default_rng(3).integers(0, 256, 400, dtype=np.uint8).tobytes()
    return put(folder, raw[:-408] + noise + raw[-8:], "site.parquet")


@fault("A6", READ)
def parquet_stamps_of_96_bits(folder: Path) -> Path:
    table = plant().assign(timestamp=lambda t: pd.to_datetime(t["timestamp"]))
    return parquet(
        folder, pa.Table.from_pandas(table, preserve_index=False), use_deprecated_int96_timestamps=True
    )


@fault("A6", READ)
def parquet_of_decimals_and_dictionaries(folder: Path) -> Path:
    table = plant_table()
    cells = [Decimal(str(v)) for v in table["it_power_kw"].to_pylist()]
    table = table.set_column(1, "it_power_kw", pa.array(cells, pa.decimal128(10, 2)))
    return parquet(folder, table.set_column(0, "timestamp", table["timestamp"].dictionary_encode()))


@fault("A6", "E-FILE-PASSWORD")
def encrypted_parquet(folder: Path) -> Path:
    return encrypted(folder, plaintext_footer=False)


@fault("A6", "E-FILE-PASSWORD")
def parquet_with_encrypted_columns_and_a_plain_footer(folder: Path) -> Path:
    return encrypted(folder, plaintext_footer=True)


# -- A7: XML that wants more than to be read -----------------------------------------------------
PM = (
    '<measDataFile><measData><measEntity localDn="G1"/><measInfo>'
    '<granPeriod duration="PT900S" endTime="2025-03-01T00:15:00Z"/><measType p="1">PEE.AvgPower</measType>'
    '<measValue measObjLdn="G1"><r p="1">{value}</r></measValue></measInfo></measData></measDataFile>'
)


@fault("A7", "E-XML-DTD")
def billion_laughs(folder: Path) -> Path:
    entities = '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10))
    return put(folder, f"<!DOCTYPE x [{entities}]>" + PM.format(value="&a9;"), "site.xml")


@fault("A7", "E-XML-DTD")
def quadratic_entities(folder: Path) -> Path:
    return put(
        folder, f'<!DOCTYPE x [<!ENTITY a "{"1" * 50_000}">]>' + PM.format(value="&a;" * 1000), "site.xml"
    )


@fault("A7", "E-XML-DTD")
def entity_of_a_file(folder: Path) -> Path:
    return put(
        folder, '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + PM.format(value="&a;"), "site.xml"
    )


@fault("A7", "E-XML-DTD")
def document_type_from_the_net(folder: Path) -> Path:
    return put(folder, '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">' + PM.format(value="1"), "site.xml")


@fault("A7", READ, mapping=STATION)
def inclusion_of_a_file_is_not_followed(folder: Path) -> Path:
    included = (
        '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>'
    )
    return put(folder, PM.format(value="412").replace("<measData>", f"{included}<measData>", 1), "site.xml")


# -- A8: packed files ----------------------------------------------------------------------------
@fault("A8", "E-FILE-BOMB")
def gzip_that_bursts(folder: Path) -> Path:
    return put(folder, gzip.compress(b"0" * (40 * MIB)), "site.csv.gz")


@fault("A8", "E-FILE-BOMB")
def zip_that_bursts(folder: Path) -> Path:
    return put(folder, zipped({"a.csv": b"0" * (40 * MIB)}), "site.zip")


@fault("A8", READ)
def gzip_of_two_members(folder: Path) -> Path:
    whole = text(plant()).encode()
    return put(folder, gzip.compress(whole[:500]) + gzip.compress(whole[500:]), "site.csv.gz")


@fault("A8", "E-FILE-DAMAGED")
def gzip_with_junk_behind(folder: Path) -> Path:
    return put(folder, gzip.compress(text(plant()).encode()) + b"junk", "site.csv.gz")


@fault("A8", "E-FILE-DAMAGED")
def gzip_cut_off(folder: Path) -> Path:
    return put(folder, gzip.compress(text(plant()).encode())[:-30], "site.csv.gz")


@fault("A8", "E-FILE-EMPTY")
def link_in_a_zip(folder: Path) -> Path:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        link = zipfile.ZipInfo("secret.csv")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    return put(folder, sink.getvalue(), "site.zip")


@fault("A8", "E-FILE-PASSWORD")
def zip_with_a_password(folder: Path) -> Path:
    raw = bytearray(zipped({"a.csv": text(plant()).encode()}))
    raw[6] |= 1  # the flag of encryption, in the entry and in the directory
    raw[raw.rfind(b"PK\x01\x02") + 8] |= 1
    return put(folder, bytes(raw), "site.zip")


# -- A10, A13: large, and twice ------------------------------------------------------------------
@fault("A10", "D-ZONE-ASSUMED", heavy=True)
def ten_million_rows_of_parquet(folder: Path) -> Path:
    hours = 50_000
    stamps = np.tile(np.datetime64("2020-01-01", "us") + np.arange(hours) * np.timedelta64(1, "h"), 200)
    power = 100 + 10 * np.sin(np.arange(len(stamps)) * 0.26) + np.random.default_rng(1).random(len(stamps))
    sites = pa.DictionaryArray.from_arrays(
        pa.array(np.repeat(np.arange(200, dtype=np.int32), hours)), [f"site-{i:03d}" for i in range(200)]
    )
    columns = {"site": sites, "timestamp": stamps, "it_power_kw": power, "facility_power_kw": 1.4 * power}
    return parquet(folder, pa.table(columns))


@fault("A10", READ)
def upload_with_two_files_of_one_site(folder: Path) -> Path:
    put(folder, text(plant(48)), "in/a.csv")
    put(folder, text(plant(48, "2025-03-03")), "in/b.csv")
    return folder / "in"


@fault("A13", READ)
def the_same_file_twice_is_two_sites(folder: Path) -> Path:
    put(folder, text(plant()), "in/a.csv")
    put(folder, text(plant()), "in/a (1).csv")
    return folder / "in"


@fault("A13", "D-DUPLICATE")
def the_same_rows_twice_in_another_order(folder: Path) -> Path:
    return put(folder, text(pd.concat([plant(), plant()[::-1]])))


# -- A14: workbooks ------------------------------------------------------------------------------
@fault("A14", "E-FILE-TYPE")
def workbook_with_a_password(folder: Path) -> Path:
    return put(folder, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4096), "site.xlsx")


@fault("A14", "E-FILE-DAMAGED")
def damaged_old_workbook(folder: Path) -> Path:
    return put(folder, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(range(256)) * 16, "site.xls")


@fault("A14", READ)
def hidden_sheets_and_a_chart_sheet(folder: Path) -> Path:
    book = workbook()
    book.create_sheet("hidden").sheet_state = "hidden"
    chart = LineChart()
    book.create_chartsheet("chart").add_chart(chart)
    return saved(folder, book)


@fault("A14", "D-CELL-ERROR")
def broken_references(folder: Path) -> Path:
    book = workbook()
    sheet = book.active
    assert sheet is not None
    for row in (5, 6):
        sheet.cell(row, 2, "#REF!").data_type = "e"
    return saved(folder, book)


@fault("A14", "D-COLUMN-EMPTY")
def formulas_without_values(folder: Path) -> Path:
    book = workbook()
    sheet = book.active
    assert sheet is not None
    for row in range(2, 98):
        sheet.cell(row, 2, f"=C{row}/1.4")
    return saved(folder, book)


@fault("A14", READ)
def macros_are_never_run(folder: Path) -> Path:
    path = saved(folder, workbook())
    with zipfile.ZipFile(path) as archive:
        parts = {n: archive.read(n) for n in archive.namelist()}
    return put(folder, zipped({**parts, "xl/vbaProject.bin": b"\xd0\xcf\x11\xe0" * 100}), "site.xlsm")
