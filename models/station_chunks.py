"""Fleets of any size in pieces of whole stations: memory need not grow with the fleet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.telemetry import Telemetry
from models.prediction import Prediction

LOADS = "prb_utilisation"
CHUNK_ROWS = 400_000
"""Rows of telemetry, cells and stations together, that are worked on at a time."""


def station_chunks(telemetry: Telemetry, rows: int = CHUNK_ROWS) -> Iterator[Telemetry]:
    """Yield the telemetry in pieces of whole stations, each with a load where any has one.

    Parameters
    ----------
    telemetry : Telemetry
        Kind ``base-station``.
    rows : int
        Of one piece at most, unless a single station has more or its neighbours have no loads.
    """
    if len(telemetry.frame) <= rows:
        yield telemetry
        return
    start = _starts(telemetry)
    ends = np.append(start[1:], len(telemetry.frame))
    loads = telemetry.frame.get(LOADS)
    loaded = np.zeros(len(telemetry.frame) + 1, dtype=np.int64)
    if loads is not None:
        loaded[1:] = loads.notna().cumsum()
    begin = last = 0  # row and station
    while last < len(start):
        last = max(int(np.searchsorted(ends, begin + rows, "right")), last + 1)
        while last < len(start) and loaded[ends[last - 1]] == loaded[begin]:
            last += 1
        if loaded[-1] == loaded[ends[last - 1]]:  # nothing after it has a load
            last = len(start)
        piece = telemetry.frame.iloc[begin : ends[last - 1]]
        yield replace(telemetry, frame=piece.reset_index(drop=True))
        begin = ends[last - 1]


def some_stations(telemetry: Telemetry, rows: int = CHUNK_ROWS) -> Telemetry:
    """Return stations spread evenly over the list, about `rows` rows in all: enough to judge their clocks."""
    if len(telemetry.frame) <= rows:
        return telemetry
    start = _starts(telemetry)
    ends = np.append(start[1:], len(telemetry.frame))
    every = int(np.ceil(len(telemetry.frame) / rows))
    parts = [telemetry.frame.iloc[a:b] for a, b in zip(start[::every], ends[::every], strict=True)]
    return replace(telemetry, frame=pd.concat(parts, ignore_index=True))


def joined(parts: Sequence[Prediction]) -> Prediction:
    """Return predictions of one quantity and task as one, in the given order."""
    if len(parts) == 1:
        return parts[0]
    return replace(
        parts[0],
        keys=pd.concat([p.keys for p in parts], ignore_index=True),
        point=np.concatenate([p.point for p in parts]),
        lower=np.concatenate([p.lower for p in parts]),
        upper=np.concatenate([p.upper for p in parts]),
        in_domain=np.concatenate([p.in_domain for p in parts]),
        tier=np.concatenate([p.tier for p in parts]),
    )


def _starts(telemetry: Telemetry) -> npt.NDArray[np.intp]:
    """Return the first row of every station (rows are sorted by station)."""
    code = pd.factorize(telemetry.frame["site_id"])[0]
    return np.flatnonzero(np.diff(code, prepend=-1)).astype(np.intp)
