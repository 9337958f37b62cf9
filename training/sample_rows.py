"""A fleet of any size taught from a bounded number of hours.

One global model learns from every station, but not from every hour of it: beyond some hundred thousand
hours a fleet repeats itself, while memory and time still grow. Each station keeps a stretch of consecutive
measured hours, so that what its own meter tells about an hour (the hours around it) stays whole; stations
with fewer hours keep all of theirs. The stretches lie anywhere in the time span, so that all seasons teach.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.base_station import ENERGY_COLUMNS
from features.station_clock import CANDIDATES
from features.telemetry import Telemetry

MOST_HOURS = 200_000
"""Measured station hours that a training run holds."""
LEAD = pd.Timedelta(days=1)
"""Load before a stretch that is kept as well: the first hours of a stretch have a yesterday, too."""

IntArray = npt.NDArray[np.int64]


def measured_hours(telemetry: Telemetry) -> int:
    """Return how many station intervals have a measured energy."""
    return int(_measured(telemetry.frame).sum())


def bounded(telemetry: Telemetry, seed: int, most: int = MOST_HOURS) -> Telemetry:
    """Return the telemetry with at most `most` measured hours; the telemetry itself where it has no more.

    Parameters
    ----------
    telemetry : Telemetry
        Kind ``base-station``.
    seed : int
        Draws where in the time span a station's stretch lies.
    most : int
        At least one hour per station is kept all the same.

    Returns
    -------
    Telemetry
        Energies inside the stretches; loads inside them, a day before and the clock offsets that
        `features.station_clock` tries around them.
    """
    frame = telemetry.frame
    measured = np.flatnonzero(_measured(frame))
    if len(measured) <= most:
        return telemetry
    code = pd.factorize(frame["site_id"])[0]
    stamp = frame["timestamp"].dt.tz_localize(None).to_numpy().astype("datetime64[us]").astype(np.int64)
    begin, end = _stretches(code[measured], stamp[measured], int(code.max()) + 1, most, seed)
    step = int(telemetry.interval / pd.Timedelta(microseconds=1))
    before = max(int(LEAD / pd.Timedelta(microseconds=1)), -min(CANDIDATES) * step)
    cell = (frame["unit_id"] != "").to_numpy()
    first = begin[code] - np.where(cell, before, 0)
    last = end[code] + np.where(cell, max(CANDIDATES) * step, 0)
    return replace(telemetry, frame=frame[(stamp >= first) & (stamp <= last)].reset_index(drop=True))


def _measured(frame: pd.DataFrame) -> npt.NDArray[np.bool_]:
    energies = frame[[name for name in ENERGY_COLUMNS if name in frame]]
    return np.asarray(energies.notna().any(axis=1) & (frame["unit_id"] == ""))


def _stretches(
    code: IntArray, stamp: IntArray, stations: int, most: int, seed: int
) -> tuple[IntArray, IntArray]:
    """Return first and last moment of every station's stretch; (1, 0) for a station without hours.

    Parameters
    ----------
    code, stamp : numpy.ndarray of int, shape (measured hours,)
        Sorted by station and time.
    """
    count = np.bincount(code, minlength=stations)
    kept = np.minimum(count, _quota(count, most))
    offset = np.cumsum(count) - count
    draw = np.random.default_rng(seed).random(stations)
    start = offset + (draw * (count - kept + 1)).astype(np.int64)
    some = count > 0
    begin, end = np.ones(stations, np.int64), np.zeros(stations, np.int64)
    begin[some], end[some] = stamp[start[some]], stamp[(start + kept - 1)[some]]
    return begin, end


def _quota(count: IntArray, most: int) -> int:
    """Return the largest number of hours per station, at least 1, with which no more than `most` are kept."""
    ordered = np.sort(count)
    # with quota q, stations below q keep all: sum of those + q times the others
    below = np.cumsum(ordered) - ordered
    reached = below + ordered * np.arange(len(ordered), 0, -1)
    full = int(np.searchsorted(reached, most, "right"))  # stations that keep all
    left = len(ordered) - full
    return max(1, int((most - below[full]) // left)) if left else int(ordered[-1])
