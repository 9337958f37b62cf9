"""Times of day without a date: a log of one day, or of days that follow each other at midnight."""

from __future__ import annotations

import re
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.message import say
from features.reading import timeaxis
from features.reading.numerals import cleaned
from features.reading.timeaxis import NAT, Stamps

ASSUMED = "1970-01-01"
"""Date given to rows whose date nobody knows; so old that nobody takes it for a measured one."""
LEAST_ROWS = 12
"""Fewer rows are no evidence that the column is a clock which runs through a day."""
_HALF_DAY_US = 12 * 3_600_000_000
_DAY_US = 2 * _HALF_DAY_US
_DATE = re.compile(r"(?<!\d)((?:19|20)\d{2})([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?!\d)")


def date_in(*names: str) -> str:
    """Return the one date that names (of a file, of a sheet) carry as ISO text; ``""`` where not exactly one.

    Only dates that begin with the year count: the order of day and month is no doubt in them.
    """
    found = {f"{y}-{m}-{d}" for name in names for y, _, m, d in _DATE.findall(name)}
    if len(found) != 1:
        return ""
    text = found.pop()
    try:
        date.fromisoformat(text)
    except ValueError:  # 31 April
        return ""
    return text


def placed(column: pa.ChunkedArray | pa.Array, first_date: str) -> Stamps | None:
    """Return times of day as moments from the given date on; a fall by over twelve hours is a midnight.

    Parameters
    ----------
    column : pyarrow array
        Text cells such as ``00:05:05``.
    first_date : str
        ISO date of the first row.

    Returns
    -------
    Stamps or None
        None where the times do not run forward: then nobody can say on which day a row lies.
    """
    text = pc.binary_join_element_wise(pa.scalar(first_date), cleaned(column), " ")
    stamps = timeaxis.parse(text, "year-first")
    known = ~np.isnat(stamps.wall)
    clock = stamps.wall[known].astype(np.int64)
    steps = np.diff(clock)
    midnight = steps < -_HALF_DAY_US
    if len(clock) < 2 or ((steps <= 0) & ~midnight).any():
        return None
    days = np.concatenate([[0], np.cumsum(midnight)])
    wall = np.full(len(stamps.wall), NAT)
    wall[known] = (clock + days * _DAY_US).astype("datetime64[us]")
    return Stamps(
        wall,
        None,
        "year-first",
        say("times of day, {days} day(s) from {first_date}", days=int(days[-1]) + 1, first_date=first_date),
    )
