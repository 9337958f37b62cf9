"""Hourly tables beside a portfolio: the grid around a site, profiles of generation, jobs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from advisor.portfolio_supply import GRID_COLUMNS
from features.errors import UnreadableFileError
from features.message import say
from features.schema import SCHEMA
from features.telemetry import TimeZone


def read_grid(path: Path, zone: TimeZone) -> pd.DataFrame:
    """Read an hourly grid file: some of `advisor.portfolio_supply.GRID_COLUMNS`; see `read_table`."""
    return read_table(path, zone, GRID_COLUMNS)


def read_table(path: Path, zone: TimeZone, columns: tuple[str, ...]) -> pd.DataFrame:
    """Read an hourly table.

    Parameters
    ----------
    path : pathlib.Path
        CSV with ``timestamp`` and some of the columns.
    zone : TimeZone
        Of stamps without offset.
    columns : tuple of str
        Canonical columns, or ``kw_per_kw``.

    Returns
    -------
    pandas.DataFrame
        float64, indexed by UTC stamps; missing is NaN.

    Raises
    ------
    features.errors.UnreadableFileError
        ``E-GRID-FILE``: the file cannot be read; ``E-GRID-COLUMNS``, ``E-GRID-TIME``, ``E-GRID-VALUE``: its
        columns, stamps or values are wrong; the message names column and row.
    """
    table = _text(path)
    unknown = [c for c in table if c != "timestamp" and c not in columns]
    if "timestamp" not in table or unknown or len(table.columns) < 2:
        raise UnreadableFileError(
            "E-GRID-COLUMNS",
            say("columns are {found}", found=", ".join(map(str, table.columns))), str(path),
            say("give timestamp and some of {names}", names=", ".join(columns)),
        )  # fmt: skip
    values = {name: _values(table[name], str(name), path) for name in table if name != "timestamp"}
    return pd.DataFrame(values).set_index(_stamps(table["timestamp"], zone, path))


def read_weather(path: Path, zone: TimeZone) -> pd.DataFrame:
    """Read weather forecasts.

    Parameters
    ----------
    path : pathlib.Path
        CSV with ``timestamp``, perhaps ``issued``, and columns of numbers.
    zone : TimeZone
        Of stamps without offset.

    Returns
    -------
    pandas.DataFrame
        ``timestamp`` and ``issued`` in UTC, the others float64; what is no number is NaN.

    Raises
    ------
    features.errors.UnreadableFileError
        ``E-GRID-FILE``, ``E-GRID-COLUMNS``, ``E-GRID-TIME``: as `read_table`.
    """
    text = _text(path)
    if "timestamp" not in text or not set(text) - {"timestamp", "issued"}:
        raise UnreadableFileError(
            "E-GRID-COLUMNS",
            say("columns are {found}", found=", ".join(map(str, text.columns))), str(path),
            say("give timestamp, issued where known, and columns of numbers"),
        )  # fmt: skip
    times = {
        name: _stamps(text[name], zone, path, unique=False)
        for name in ("timestamp", "issued")
        if name in text
    }
    numbers = text.drop(columns=list(times)).apply(pd.to_numeric, errors="coerce").astype(np.float64)
    return pd.DataFrame({**times, **numbers})


def _text(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype=str, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise UnreadableFileError(
            "E-GRID-FILE", say("the hourly table cannot be read: {error}", error=error), str(path),
            say("give a CSV with timestamp and hourly values"),
        ) from None  # fmt: skip


def _stamps(text: pd.Series, zone: TimeZone, path: Path, *, unique: bool = True) -> pd.DatetimeIndex:
    try:
        moments = [pd.Timestamp(t) for t in text]
        local = [m.tz_localize(zone.tzinfo()) if m.tzinfo is None else m for m in moments]
        stamps = pd.DatetimeIndex([m.tz_convert("UTC") for m in local])
        wrong = (
            ""
            if (stamps.is_unique or not unique) and not stamps.hasnans
            else say("a stamp is missing or stands twice")
        )
    except (ValueError, TypeError) as error:
        wrong = str(error)
    if wrong:
        raise UnreadableFileError(
            "E-GRID-TIME", say("the stamps cannot be used: {error}", error=wrong), f"{path}, timestamp",
            say("write ISO 8601 with offset, each stamp once"),
        )  # fmt: skip
    return stamps


def _values(text: pd.Series, name: str, path: Path) -> np.ndarray:
    numbers = pd.to_numeric(text, errors="coerce")
    lower, upper, unit = _range(name)
    wrong = text.notna() & ~numbers.between(lower, upper)
    if wrong.any():
        at = int(np.flatnonzero(wrong.to_numpy())[0])
        raise UnreadableFileError(
            "E-GRID-VALUE",
            say("{value!r} is not a value of {name} ({lower:g} to {upper:g} {unit})", value=text.iloc[at],
                name=name, lower=lower, upper=upper, unit=unit),
            f"{path}, row {at + 2}, {name}", say("correct the value or leave it empty"),
        )  # fmt: skip
    return numbers.to_numpy(dtype=np.float64)


def _range(name: str) -> tuple[float, float, str]:
    if name == "kw_per_kw":
        return 0.0, 2.0, "kW/kW"
    column = SCHEMA[name]
    return column.lower, column.upper, column.unit
