"""Stamps: text or numbers to moments, the order of day and month, zones, interval and grid.

All inference looks at the whole column. What the column leaves open is asked for, never guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.message import say
from features.reading.mapping import DateOrder
from features.reading.numerals import cleaned

StampArray = npt.NDArray[np.datetime64]
IntArray = npt.NDArray[np.int64]
NAT = np.datetime64("NaT", "us")

_PATTERN = (
    r"^(?P<a>\d{1,4})(?:[-/.]|年)(?P<b>\d{1,2})(?:[-/.]|月)(?P<c>\d{1,4})日?"
    r"(?:[ T,]*(?P<h>\d{1,2})(?:[:：]|时|点|h)(?P<m>\d{1,2})?"
    r"(?:(?:[:：]|分)(?P<s>\d{1,2})(?P<f>[.,]\d{1,9})?秒?)?分?)?"
    r"\s*(?P<p>[AaPp]\.?[Mm]\.?|上午|下午)?\s*(?P<z>Z|z|UTC|GMT|(?:UTC|GMT)?[+-]\d{2}:?\d{2})?$"
)
_COMPACT = (
    r"^(?P<a>\d{4})(?P<b>\d{2})(?P<c>\d{2})[ T_:]?(?:(?P<h>\d{2}):?(?P<m>\d{2})?:?(?P<s>\d{2})?)?(?P<z>Z)?$"
)
_TIME_ONLY = r"^\d{1,2}[:：]\d{2}([:：]\d{2}([.,]\d+)?)?\s*([AaPp][Mm])?$"
_RANGE = r"^(\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}[ T]+\d{1,2}:\d{2}(?::\d{2})?) *(?:-|–|~|to|至) *\d.*$"
"""An interval by its start and end, as in ENTSO-E's ``01.01.2024 00:00 - 01.01.2024 01:00``."""
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH_ONLY = (
    r"(?i)^(\d{4}\s?[-/.年]\s?(0?[1-9]|1[0-2])月?|(0?[1-9]|1[0-2])[-/.]\d{4}"
    rf"|({'|'.join(_MONTHS)})[a-z]*[-/., ]+\d{{2,4}}|\d{{4}}[-/., ]+({'|'.join(_MONTHS)})[a-z]*)$"
)


@dataclass(frozen=True)
class Stamps:
    """A column of moments.

    Parameters
    ----------
    wall : numpy.ndarray of datetime64[us]
        As written (without offset); NaT where not readable.
    offset_s : numpy.ndarray of float or None
        Offset from UTC that each stamp declares [s]; NaN: none; None: no stamp declares one.
    order : str
    evidence : str
    doubt : str
        Why day and month cannot be told apart; ``""`` where they can.
    zone : str
        Zone that the column's type declares.
    """

    wall: StampArray
    offset_s: npt.NDArray[np.float64] | None
    order: DateOrder
    evidence: str
    doubt: str = ""
    zone: str = ""

    @property
    def readable(self) -> float:
        """Share of readable stamps."""
        return float(1.0 - np.isnat(self.wall).mean()) if len(self.wall) else 0.0


def parse(column: pa.ChunkedArray | pa.Array, order: DateOrder | str = "") -> Stamps:
    """Read a column of stamps.

    Parameters
    ----------
    column : pyarrow array
        Text, timestamps, or numbers (Excel days, epoch).
    order : str
        Follow this order; ``""`` infers it.

    Returns
    -------
    Stamps
        Day and month are told apart by the set of distinct stamps, which units share.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_timestamp(array.type):
        return _typed(array)
    if pa.types.is_integer(array.type) or pa.types.is_floating(array.type):
        numbers = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return _from_numbers(numbers, order)
    if order in ("", "year-first") and (plain := _iso(array)) is not None:
        return plain
    written = array.dictionary_encode()
    coded = cleaned(written.dictionary).dictionary_encode()
    unique = _parse_unique(coded.dictionary, order)
    # Written cell -> cleaned stamp; -1: missing.
    of_written = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    index = pc.fill_null(written.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    positions = np.append(of_written, -1)[index]
    known = positions >= 0
    positions = np.maximum(positions, 0)
    if not len(unique.wall):
        return Stamps(np.full(len(array), NAT), None, unique.order, unique.evidence)
    wall = np.where(known, unique.wall[positions], NAT)
    offset = None if unique.offset_s is None else np.where(known, unique.offset_s[positions], np.nan)
    return Stamps(wall, offset, unique.order, unique.evidence, unique.doubt)


def _iso(array: pa.Array) -> Stamps | None:
    """Return stamps of ISO 8601 without offset; None where any cell is something else."""
    if not pa.types.is_string(array.type) or array.null_count == len(array):
        return None
    try:
        wall = array.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        return None
    values = wall.to_numpy(zero_copy_only=False).astype("datetime64[us]")
    return Stamps(values, None, "year-first", say("the first number is a year"))


def _typed(array: pa.Array) -> Stamps:
    zone = array.type.tz
    wall = array.cast(pa.timestamp("us", zone), safe=False)
    values = pc.cast(wall, pa.timestamp("us"), safe=False).to_numpy(zero_copy_only=False)
    offset = None if zone is None else np.zeros(len(array))
    note = say("stored as timestamps in {zone}", zone=zone) if zone else say("stored as timestamps")
    return Stamps(values.astype("datetime64[us]"), offset, "typed", note, zone=zone or "")


def _from_numbers(numbers: npt.NDArray[np.float64], order: str) -> Stamps:
    scales: dict[str, tuple[float, float, float]] = {
        "excel-serial": (20_000, 80_000, 86_400.0),
        "epoch-s": (3e8, 5e9, 1.0),
        "epoch-ms": (3e11, 5e12, 1e-3),
        "epoch-us": (3e14, 5e15, 1e-6),
        "epoch-ns": (3e17, 5e18, 1e-9),
    }
    found = numbers[np.isfinite(numbers)]
    for name, (low, high, seconds) in scales.items():
        chosen = order == name if order else len(found) and low <= found.min() and found.max() <= high
        if not chosen:
            continue
        start = np.datetime64("1899-12-30" if name == "excel-serial" else "1970-01-01", "us")
        # Excel days are binary fractions: right to the second is all that they can say.
        total = np.where(np.isfinite(numbers), numbers * seconds, 0.0)
        total = np.round(total) if name == "excel-serial" else np.round(total, 6)
        wall = start + np.round(total * 1e6).astype(np.int64).astype("timedelta64[us]")
        wall = np.where(np.isfinite(numbers), wall, NAT)
        offset = None if name == "excel-serial" else np.zeros(len(numbers))
        return Stamps(wall, offset, name, say("numbers in the range of {name}", name=name))  # type: ignore[arg-type]
    compact = np.isfinite(numbers) & (numbers >= 19_000_101) & (numbers < 1e14)
    if compact.any():
        text = pa.array(
            [None if not ok else str(int(v)) for v, ok in zip(numbers, compact, strict=True)], pa.string()
        )
        if _all_match(text.drop_null(), _COMPACT):
            return parse(text, "compact")
    return Stamps(np.full(len(numbers), NAT), None, "year-first", "")


# -- text ----------------------------------------------------------------------------------------
def _parse_unique(cells: pa.Array, order: str) -> Stamps:
    plain = pc.replace_substring_regex(_months_as_numbers(cells), _RANGE, r"\1")
    digits = _all_match(plain, r"^[0-9]+(\.[0-9]+)?$")
    compact = _all_match(plain, _COMPACT)
    parts = pc.extract_regex(plain, _COMPACT if compact else _PATTERN)
    a, b, c = (_ints(parts, name) for name in "abc")
    clock = _clock(parts)
    offset = _offsets(parts)
    if compact or order == "compact":
        wall = _moment(a, b, c, clock)
        if order == "compact" or not np.isnat(wall).any():
            return Stamps(wall, offset, "compact", say("digits without separators: year, month, day"))
    if digits:
        return _from_numbers(plain.cast(pa.float64()).to_numpy(zero_copy_only=False), order)
    lengths = {name: _lengths(parts, name) for name in "ac"}
    if (lengths["a"] == 4).any() or order == "year-first":
        return Stamps(_moment(a, b, c, clock), offset, "year-first", say("the first number is a year"))
    year = np.where(lengths["c"] <= 2, 2000 + c, c)
    day_first, month_first = _moment(year, b, a, clock), _moment(year, a, b, clock)
    if order in ("day-first", "month-first"):
        return Stamps(day_first if order == "day-first" else month_first, offset, order, "")  # type: ignore[arg-type]
    chosen, evidence = _decide_order(a, b, day_first, month_first)
    wall = month_first if chosen == "month-first" else day_first
    doubt = "" if chosen else evidence
    return Stamps(wall, offset, chosen or "day-first", evidence, doubt)


def _all_match(cells: pa.Array, pattern: str) -> bool:
    return len(cells) > 0 and bool(
        pc.all(pc.fill_null(pc.match_substring_regex(cells, pattern), False)).as_py()
    )


def _decide_order(
    a: IntArray, b: IntArray, day_first: StampArray, month_first: StampArray
) -> tuple[DateOrder | None, str]:
    """Decide by an impossible month, else by which reading leaves fewer breaks in the sampling."""
    valid = (a > 0) & (b > 0)
    if not valid.any():
        return "day-first", say("no readable date")
    highest = int(a[valid].max()), int(b[valid].max())
    if min(highest) > 12:
        return None, say(
            "the first number reaches {first} and the second {second}", first=highest[0], second=highest[1]
        )
    if max(highest) > 12:
        first = highest[0] > 12
        which = say("first") if first else say("second")
        return ("day-first" if first else "month-first"), say(
            "the {which} number reaches {highest}", which=which, highest=max(highest)
        )
    if np.array_equal(a[valid], b[valid]):
        return "day-first", say("day and month are equal in every stamp: both orders give the same moments")
    breaks_d, span_d = _breaks(day_first)
    breaks_m, span_m = _breaks(month_first)
    text = say(
        "day first leaves {breaks_d} breaks in the sampling over {span_d:.0f} days, month "
        "first {breaks_m} over {span_m:.0f} days",
        breaks_d=breaks_d,
        span_d=span_d,
        breaks_m=breaks_m,
        span_m=span_m,
    )
    if max(breaks_d, breaks_m) * 0.34 <= min(breaks_d, breaks_m):
        return None, text
    return ("day-first" if breaks_d < breaks_m else "month-first"), text


def _breaks(wall: StampArray) -> tuple[int, float]:
    ordered = np.unique(wall[~np.isnat(wall)]).astype(np.int64)
    steps = np.diff(ordered)
    if not len(steps):
        return 0, 0.0
    values, counts = np.unique(steps, return_counts=True)
    usual = values[counts == counts.max()].min()
    return int((steps > usual).sum()), float((ordered[-1] - ordered[0]) / 86_400e6)


def _months_as_numbers(cells: pa.Array) -> pa.Array:
    if not pc.any(pc.fill_null(pc.match_substring_regex(cells, "[A-Za-z]{3}"), False)).as_py():
        return cells
    cells = pc.replace_substring_regex(cells, r"(?i)^(mon|tue|wed|thu|fri|sat|sun)[a-z]*,? +", "")
    for number, month in enumerate(_MONTHS, start=1):
        named = rf"(?i)^(\d{{1,2}})[-/. ]*{month}[a-z]*[-/., ]*(\d{{4}})"
        cells = pc.replace_substring_regex(cells, named, rf"\2-{number}-\1")
        cells = pc.replace_substring_regex(
            cells, rf"(?i)^{month}[a-z]* +(\d{{1,2}}),? +(\d{{4}})", rf"\2-{number}-\1"
        )
    return cells


def _ints(parts: pa.StructArray, name: str) -> IntArray:
    field = pc.struct_field(parts, name)
    filled = pc.if_else(pc.equal(pc.fill_null(field, ""), ""), "-1", field)
    return np.asarray(filled.cast(pa.int64()).to_numpy(zero_copy_only=False), dtype=np.int64)


def _lengths(parts: pa.StructArray, name: str) -> IntArray:
    lengths = pc.utf8_length(pc.fill_null(pc.struct_field(parts, name), ""))
    return np.asarray(lengths.to_numpy(zero_copy_only=False), dtype=np.int64)


def _clock(parts: pa.StructArray) -> IntArray:
    """Return the time of day [us]; negative where it is impossible. 24:00 and :60 belong to what follows."""
    names = [f.name for f in parts.type]
    hour, minute = np.maximum(_ints(parts, "h"), 0), np.maximum(_ints(parts, "m"), 0)
    second = np.maximum(_ints(parts, "s"), 0)
    micro = np.zeros(len(hour), dtype=np.int64)
    if "f" in names:
        fraction = pc.replace_substring_regex(pc.fill_null(pc.struct_field(parts, "f"), ""), "^[.,]?", "0.")
        micro = np.round(fraction.cast(pa.float64()).to_numpy(zero_copy_only=False) * 1e6).astype(np.int64)
    wrong = (hour > 24) | (minute > 59) | (second > 60) | ((hour == 24) & (minute + second > 0))
    if "p" in names:
        half = pc.utf8_lower(pc.fill_null(pc.struct_field(parts, "p"), ""))
        afternoon = pc.match_substring_regex(half, "^(p|下)").to_numpy(zero_copy_only=False)
        morning = pc.match_substring_regex(half, "^(a|上)").to_numpy(zero_copy_only=False)
        wrong |= (afternoon | morning) & ((hour > 12) | (hour == 0) & afternoon)
        hour = np.where(afternoon & (hour < 12), hour + 12, np.where(morning & (hour == 12), 0, hour))
    total = ((hour * 60 + minute) * 60 + second) * 1_000_000 + micro
    return np.where(wrong, -1, total)


def _offsets(parts: pa.StructArray) -> npt.NDArray[np.float64] | None:
    zone = pc.fill_null(pc.struct_field(parts, "z"), "")
    if not pc.any(pc.not_equal(zone, "")).as_py():
        return None
    hhmm = pc.replace_substring_regex(zone, r"^[A-Za-z]*\+?", "")
    digits = pc.replace_substring(hhmm, ":", "")
    signed = pc.if_else(pc.equal(digits, ""), "0", digits).cast(pa.int64()).to_numpy(zero_copy_only=False)
    seconds = np.sign(signed) * (np.abs(signed) // 100 * 3600 + np.abs(signed) % 100 * 60)
    declared = pc.not_equal(zone, "").to_numpy(zero_copy_only=False)
    return np.where(declared, seconds, np.nan).astype(np.float64)


def _moment(year: IntArray, month: IntArray, day: IntArray, clock: IntArray) -> StampArray:
    good = (
        (year >= 1900)
        & (year <= 2200)
        & (month >= 1)
        & (month <= 12)
        & (day >= 1)
        & (day <= 31)
        & (clock >= 0)
    )
    months = np.where(good, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    date = months.astype("datetime64[D]") + np.where(good, day - 1, 0).astype("timedelta64[D]")
    good &= date.astype("datetime64[M]") == months  # 31 April does not exist
    wall = date.astype("datetime64[us]") + np.where(good, clock, 0).astype("timedelta64[us]")
    return np.where(good, wall, NAT)


def time_without_date(column: pa.ChunkedArray | pa.Array) -> bool:
    """Whether the cells are times of day without a date."""
    if not (pa.types.is_string(column.type) or pa.types.is_null(column.type)):
        return False
    cells = cleaned(column).slice(0, 200).drop_null()
    return (
        bool(len(cells))
        and float(pc.mean(pc.match_substring_regex(cells, _TIME_ONLY).cast(pa.float64())).as_py()) > 0.9
    )


def months_only(column: pa.ChunkedArray | pa.Array) -> bool:
    """Whether the cells are months without a day, such as ``2024-05``, ``2024年5月`` or ``May 2024``."""
    if not pa.types.is_string(column.type):
        return False
    cells = cleaned(column).slice(0, 200).drop_null()
    return _all_match(cells, _MONTH_ONLY)


def hours_from_1_to_24(column: pa.ChunkedArray | pa.Array) -> bool:
    """Whether the cells are hours 1..24: such an hour is named by its end, no hour starts at 24."""
    if pa.types.is_timestamp(column.type):
        return False
    text = cleaned(column).drop_null()
    if not len(text) or not _all_match(text, r"^\d{1,2}(\.0+)?$"):
        return False
    hours = text.cast(pa.float64())
    return bool(pc.min(hours).as_py() == 1 and pc.max(hours).as_py() == 24)


def with_time_of_day(day: pa.ChunkedArray, clock: pa.ChunkedArray) -> pa.Array:
    """Return one text column from a date column and a time-of-day or hour column."""
    left, right = (_text(c) for c in (day, clock))
    hours = pc.fill_null(pc.match_substring_regex(right, r"^\d{1,2}(\.0+)?$"), False)
    right = pc.if_else(
        hours, pc.binary_join_element_wise(pc.replace_substring_regex(right, r"\..*", ""), "00", ":"), right
    )
    return pc.binary_join_element_wise(left, right, " ")


_PARTS = (
    ("year", "yr", "yyyy", "年", "年份"),
    ("month", "mon", "mo", "mm", "月", "月份"),
    ("day", "dd", "dy", "day of month", "日", "日期"),
    ("hour", "hr", "hh", "h", "时", "小时"),
    ("minute", "min", "mi", "分", "分钟"),
)


def part_columns(headers: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of year, month, day and (where they are there) hour and minute; () without a day."""
    named = {" ".join(h.casefold().replace("_", " ").split()): h for h in reversed(headers)}
    found: list[str] = []
    for names in _PARTS:
        header = next((named[n] for n in names if n in named), None)
        if header is None:
            break
        found.append(header)
    return tuple(found) if len(found) >= 3 else ()


def from_parts(columns: Sequence[pa.ChunkedArray]) -> pa.Array:
    """Return one text column from the columns of year, month, day, hour and minute."""
    whole = [pc.replace_substring_regex(_text(c), r"\.0*$", "") for c in columns]
    date = pc.binary_join_element_wise(*whole[:3], "-")
    if len(whole) == 3:
        return date
    minute = whole[4] if len(whole) > 4 else pa.scalar("00")
    return pc.binary_join_element_wise(date, pc.binary_join_element_wise(whole[3], minute, ":"), " ")


def _text(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    if pa.types.is_timestamp(array.type):
        return pc.strftime(array, format="%Y-%m-%d")
    return cleaned(array)


# -- interval and grid ---------------------------------------------------------------------------
def interval_of(keys: IntArray, micros: IntArray) -> int:
    """Return the most frequent positive step between neighbours of a unit [us]; 0 where there is none.

    Rows must be sorted by unit and time. Of equally frequent steps the shortest counts.
    """
    steps = np.diff(micros)[keys[1:] == keys[:-1]]
    steps = steps[steps > 0]
    if not len(steps):
        return 0
    if (steps == steps[0]).all():
        return int(steps[0])
    place, values = pd.factorize(steps)
    counts = np.bincount(place)
    return int(values[counts == counts.max()].min())


def off_grid(keys: IntArray, micros: IntArray, interval: int) -> npt.NDArray[np.bool_]:
    """Return the rows whose stamp does not lie on their unit's most frequent grid."""
    phase = micros % interval
    if len(phase) and (phase == phase[0]).all():
        return np.zeros(len(phase), dtype=bool)
    pairs, counts = np.unique(np.stack([keys, phase]), axis=1, return_counts=True)
    order = np.lexsort((pairs[1], -counts, pairs[0]))
    units, start = np.unique(pairs[0][order], return_index=True)
    usual = pairs[1][order][start]
    return np.asarray(phase != usual[np.searchsorted(units, keys)])
