"""Time zones: named in a header; from wall-clock time to UTC over hours that clocks skip and repeat."""

from __future__ import annotations

import re
import zoneinfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.reading.timeaxis import NAT, StampArray, Stamps

DISORDER = 0.1
"""Share of steps against a file's direction up to which its order tells repeated stamps apart [1]."""
_FIXED_ZONE = re.compile(r"(?:\b(?:GMT|UTC)|时区)\s*[:：]?\s*([+-])\s*(\d{1,2})(?::?(\d{2}))?", re.I)


def zone_in_header(header: str) -> str:
    """Return the zone that a header names: ``+08:00``, ``UTC``, an IANA name, or ``""``."""
    match = _FIXED_ZONE.search(header)
    if match:
        sign, hours, minutes = match.groups()
        if int(hours) <= 14 and int(minutes or 0) < 60:
            return f"{sign}{int(hours):02d}:{int(minutes or 0):02d}"
    for word in re.findall(r"[A-Z][A-Za-z_]+/[A-Z][A-Za-z_]+(?:/[A-Z][A-Za-z_]+)?", header):
        if word in zoneinfo.available_timezones():
            return str(word)
    if re.search(r"北京时间", header):
        return "Asia/Shanghai"
    return "UTC" if re.search(r"(?:\b|_)(UTC|GMT)\b", header, re.I) else ""


def offset_name(seconds: float) -> str:
    """Return ``+HH:MM`` for an offset [s]."""
    minutes = round(abs(seconds) / 60)
    return "UTC" if minutes == 0 else f"{'-' if seconds < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"


def to_utc(stamps: Stamps, zone: str, keys: npt.NDArray[np.int64]) -> StampArray:
    """Return moments in UTC; wall-clock time where the zone is unknown.

    Where clocks go back, the earlier of two equal stamps of a unit is summer time and the later is
    winter time: the first in a file that runs forward, the second in one that runs backward. A single
    one, or one of a file without order, cannot be placed and becomes NaT. So do stamps that clocks skip.

    Parameters
    ----------
    stamps : Stamps
    zone : str
    keys : numpy.ndarray
        Code of each row's unit.

    Returns
    -------
    numpy.ndarray of datetime64[us]
    """
    if stamps.offset_s is not None:
        shift = np.where(np.isnan(stamps.offset_s), 0.0, stamps.offset_s)
        return np.asarray(stamps.wall - (shift * 1e6).astype(np.int64).astype("timedelta64[us]"))
    if zone in ("unknown", "UTC"):
        return stamps.wall
    if zone[0] in "+-":
        sign, hours, minutes = (-1 if zone[0] == "-" else 1), int(zone[1:3]), int(zone[4:6])
        return np.asarray(stamps.wall - np.timedelta64(sign * (hours * 60 + minutes), "m"))
    place, moments = pd.factorize(stamps.wall)  # units share their stamps
    wall = pd.DatetimeIndex(moments)
    tz = zoneinfo.ZoneInfo(zone)
    summer, winter = (
        wall.tz_localize(tz, ambiguous=np.full(len(wall), fill_value=first), nonexistent="NaT")
        .tz_convert("UTC")
        .tz_localize(None)
        .to_numpy()
        .astype("datetime64[us]")
        for first in (True, False)
    )
    utc = np.append(summer, NAT)[place]
    folded = np.flatnonzero(np.append((summer != winter) & ~np.isnat(summer), False)[place])
    if not len(folded):
        return np.asarray(utc)
    group = pd.DataFrame({"key": keys[folded], "wall": place[folded]}).groupby(["key", "wall"], sort=False)
    direction = _direction(keys, stamps.wall)[folded]
    twice = (group["wall"].transform("size").to_numpy() == 2) & (direction != 0)
    first = np.where(direction > 0, group.cumcount() == 0, group.cumcount(ascending=False) == 0)
    later = np.append(winter, NAT)[place[folded]]
    utc[folded] = np.where(twice, np.where(first, utc[folded], later), NAT)
    return np.asarray(utc)


def _direction(keys: npt.NDArray[np.int64], wall: StampArray) -> npt.NDArray[np.int8]:
    """Return per row whether its unit's rows run forward (1), backward (-1) or without order (0)."""
    order = np.argsort(keys, kind="stable")
    steps = np.diff(wall[order].astype("datetime64[us]").astype(np.int64))
    known = (keys[order][1:] == keys[order][:-1]) & ~np.isnat(wall[order][1:]) & ~np.isnat(wall[order][:-1])
    _, unit = np.unique(keys, return_inverse=True)
    unit = np.ravel(unit)
    owner = unit[order][1:]
    forward = np.bincount(owner[known & (steps > 0)], minlength=unit.max(initial=0) + 1)
    backward = np.bincount(owner[known & (steps < 0)], minlength=unit.max(initial=0) + 1)
    total = np.maximum(forward + backward, 1)
    running = np.where(backward <= DISORDER * total, 1, np.where(forward <= DISORDER * total, -1, 0))
    return np.asarray(running[unit], dtype=np.int8)
