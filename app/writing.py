"""Writing results: whole files or none, JSON without NaN, CSV that no spreadsheet executes."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import UsageError
from features.message import say

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes text that starts like this for a formula."""


def jsonable(value: object) -> Any:
    """Return `value` made of what JSON knows: not-a-number becomes null, stamps become ISO 8601."""
    if isinstance(value, Mapping):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset, np.ndarray)):
        return [jsonable(v) for v in value]
    return _plain(value.item() if isinstance(value, np.generic) else value)


def _plain(value: object) -> object:
    if value is pd.NaT or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value


def to_json(value: object) -> str:
    """Return indented JSON text; Chinese stays readable."""
    return json.dumps(jsonable(value), ensure_ascii=False, indent=2, allow_nan=False)


def harmless(text: object) -> object:
    """Return a cell that no spreadsheet will execute; numbers and harmless text come back unchanged."""
    if not isinstance(text, str) or not text.startswith(FORMULA_STARTS):
        return text
    with suppress(ValueError):
        float(text)
        return text  # a negative number is a number
    return "'" + text


def make_folder(folder: Path) -> Path:
    """Create the output folder.

    Raises
    ------
    UsageError
        Code E-OUT: it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            "E-OUT",
            say("the folder cannot be created: {strerror}", strerror=error.strerror),
            str(folder),
            say("choose another --out"),
        ) from None
    return folder


def write_text(path: Path, text: str) -> Path:
    """Write UTF-8 text, whole or not at all."""
    return _replace(path, lambda temporary: temporary.write_text(text, encoding="utf-8", newline=""))


def write_json(path: Path, value: object) -> Path:
    """Write `to_json`."""
    return write_text(path, to_json(value) + "\n")


def write_csv(path: Path, table: pd.DataFrame, *, for_people: bool = False, zone_known: bool = True) -> Path:
    """Write a table as UTF-8 CSV.

    Parameters
    ----------
    path : pathlib.Path
    table : pandas.DataFrame
    for_people : bool
        True where free text from exports may be opened in a spreadsheet: cells that would be
        executed are made harmless, and a byte-order mark tells Excel that this is UTF-8.
    zone_known : bool
        False: stamps are wall-clock time and are written without an offset.
    """
    shown = stamped(table, zone_known=zone_known, as_text=True)
    if for_people:
        shown = shown.map(harmless).rename(columns=harmless)
    encoding = "utf-8-sig" if for_people else "utf-8"
    return _replace(path, lambda temporary: shown.to_csv(temporary, index=False, encoding=encoding))


def write_parquet(path: Path, table: pa.Table) -> Path:
    """Write an Arrow table with page checksums."""
    return _replace(path, lambda temporary: pq.write_table(table, temporary, write_page_checksum=True))


def write_pieces(path: Path, pieces: Iterable[pa.Table]) -> Path:
    """Write Arrow tables of one schema below each other; the next is made while one is written.

    Statistics stand for text and stamps only: nobody looks for rows by a measured value.
    """

    def write(temporary: Path) -> None:
        rest = iter(pieces)
        first = next(rest)
        keys = [f.name for f in first.schema if not pa.types.is_floating(f.type)]
        stamps = [f.name for f in first.schema if pa.types.is_timestamp(f.type)]
        with (
            pq.ParquetWriter(
                temporary,
                first.schema,
                compression="zstd",
                use_dictionary=[n for n in first.schema.names if n not in stamps],
                column_encoding=dict.fromkeys(stamps, "DELTA_BINARY_PACKED"),
                write_statistics=keys,
                write_page_checksum=True,
            ) as writer,
            ThreadPoolExecutor(1) as pool,
        ):
            table: pa.Table | None = first
            while table is not None:
                following = pool.submit(next, rest, None)
                writer.write_table(table)
                table = following.result()

    return _replace(path, write)


def stamped(table: pd.DataFrame, *, zone_known: bool, as_text: bool) -> pd.DataFrame:
    """Return the table with its UTC stamps as they may be published.

    Where the zone is unknown the stamps are wall-clock time: the offset, which nobody knows, is
    taken away. As text they are ISO 8601, with ``Z`` where they are UTC.
    """
    changed = {}
    for name in table.columns:
        column = table[name]
        if not isinstance(column.dtype, pd.DatetimeTZDtype):
            continue
        if not zone_known:
            column = column.dt.tz_localize(None)
        if as_text:
            column = column.dt.strftime("%Y-%m-%dT%H:%M:%S" + ("Z" if zone_known else ""))
        changed[name] = column
    return table.assign(**changed)


def _replace(path: Path, write: Callable[[Path], object]) -> Path:
    """Write through a temporary file, so that a reader never sees half of it.

    Raises
    ------
    UsageError
        Code E-OUT: the place cannot be written.
    """
    temporary = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".part-", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise UsageError(
            "E-OUT",
            say("the file cannot be written: {strerror}", strerror=error.strerror),
            str(path),
            say("choose another --out"),
        ) from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return path
