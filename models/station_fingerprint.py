"""What a station's own meter tells about one hour, never counting that hour itself.

Stations of one configuration differ by 10 to 20 % for reasons no export names. The residuals of the
first stage at the station's other measured hours tell most of it: near in time, at a similar load, at
the same hour of the day. Everything here is a weighted mean or a line through such residuals, shrunk
towards zero; the second stage learns how far to believe which.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.frame import FloatArray

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

NEIGHBOURS = 168
"""Measured hours looked at on either side."""
NEAREST = 3
SHRINK = 0.3
"""Weight of the zero that every mean is shrunk towards, in measured hours."""
_STATION_STRIDE = 10**9  # more minutes than any time stamp has
_MAX_AWAY = 10**8


@dataclass(frozen=True)
class StationHours:
    """Hours of stations, sorted by (station, minute).

    Parameters
    ----------
    station : numpy.ndarray of int, shape (rows,)
        Code of the station.
    minute : numpy.ndarray of int, shape (rows,)
        Minutes since the epoch.
    load : numpy.ndarray, shape (rows,)
        Load [1].
    residual : numpy.ndarray, shape (rows,)
        Log of measured over predicted energy; only read where hours serve as history.
    """

    station: IntArray
    minute: IntArray
    load: FloatArray
    residual: FloatArray

    def __len__(self) -> int:
        return len(self.station)

    @property
    def key(self) -> IntArray:
        """One sortable number per hour."""
        return self.station * _STATION_STRIDE + self.minute

    def rows(self, mask: BoolArray | npt.NDArray[np.intp]) -> StationHours:
        """Return the selected hours (boolean mask or positions)."""
        return StationHours(self.station[mask], self.minute[mask], self.load[mask], self.residual[mask])


class _Sums:
    """Running weighted sums over neighbours."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.total: dict[str, FloatArray] = {}

    def add(self, name: str, rows: npt.NDArray[np.intp], value: FloatArray) -> None:
        total = self.total.setdefault(name, np.zeros(self.rows))
        total[rows] += value

    def __getitem__(self, name: str) -> FloatArray:
        return self.total.get(name, np.zeros(self.rows))


MEANS = ("all", "day", "hours", "load", "load_close", "load_day", "load_hours", "clock", "load_clock")


def fingerprint(
    query: StationHours, history: StationHours, *, past_only: bool, hidden: IntArray | int = 0
) -> pd.DataFrame:
    """Return what `history` tells about each hour of `query`.

    The hour itself never counts: history with the same station and minute is skipped.

    Parameters
    ----------
    query, history : StationHours
        Sorted by (station, minute); `history` has finite load and residual.
    past_only : bool
        Use only history earlier than the hour.
    hidden : int or numpy.ndarray of int, shape (rows,)
        Minutes around the hour whose history is hidden as well (training for long gaps).

    Returns
    -------
    pandas.DataFrame, shape (rows, features)
        NaN where there is no such neighbour; ``n`` counts the history used.
    """
    own, past = query.key, history.key
    away = np.minimum(np.asarray(hidden, dtype=np.int64), _MAX_AWAY)
    before = np.searchsorted(past, own - away, "left")
    after = np.searchsorted(past, own + away, "right")
    sums = _Sums(len(query))
    near: dict[str, FloatArray] = {}
    _walk(query, history, before, -1, sums=sums, near=near)
    if not past_only:
        _walk(query, history, after, +1, sums=sums, near=near)
    table = pd.DataFrame({**near, **_means(sums), **_lines(sums)}, index=range(len(query)))
    return table.reindex(columns=list(FINGERPRINT_NAMES)).astype(np.float64)


def _walk(
    query: StationHours, history: StationHours, start: IntArray, side: int, *, sums: _Sums,
    near: dict[str, FloatArray],
) -> None:  # fmt: skip
    """Step outwards through the history on one side of every hour at once."""
    label = "before" if side < 0 else "after"
    for step in range(1, NEIGHBOURS + 1):
        position = start - step if side < 0 else start + step - 1
        valid = (position >= 0) & (position < len(history))
        position = np.where(valid, position, 0)
        if len(history):
            valid &= history.station[position] == query.station
        rows = np.flatnonzero(valid)
        if step <= NEAREST:
            for name in ("residual", "gap", "load"):
                near.setdefault(f"{name}_{label}_{step}", np.full(len(query), np.nan))
        if not len(rows):
            if step > NEAREST:
                break
            continue
        there = position[rows]
        gap = np.abs(history.minute[there] - query.minute[rows]) / 60.0
        difference = history.load[there] - query.load[rows]
        residual = history.residual[there]
        if step <= NEAREST:
            near[f"residual_{label}_{step}"][rows] = residual
            near[f"gap_{label}_{step}"][rows] = gap
            near[f"load_{label}_{step}"][rows] = difference
        _accumulate(sums, rows, gap=gap, difference=difference, load=history.load[there], residual=residual)


def _accumulate(
    sums: _Sums, rows: npt.NDArray[np.intp], *, gap: FloatArray, difference: FloatArray, load: FloatArray,
    residual: FloatArray,
) -> None:  # fmt: skip
    weights = _weights(gap, difference, load)
    for name in MEANS:
        sums.add(f"w_{name}", rows, weights[name])
        sums.add(f"r_{name}", rows, weights[name] * residual)
    sums.add("rr_all", rows, residual**2)
    known = np.nan_to_num(difference)
    for name in ("all", "day"):
        sums.add(f"x_{name}", rows, weights[name] * known)
        sums.add(f"xx_{name}", rows, weights[name] * known**2)
        sums.add(f"xr_{name}", rows, weights[name] * known * residual)


def _weights(gap: FloatArray, difference: FloatArray, load: FloatArray) -> dict[str, FloatArray]:
    """Return the weight of one neighbour per hour: near in time [h], in load [1], in time of day."""
    relative = np.log((load + 0.02) / np.maximum(load - difference + 0.02, 1e-6))
    alike = np.nan_to_num(np.exp(-0.5 * (relative / 0.25) ** 2))
    close = np.nan_to_num(np.exp(-0.5 * (difference / 0.03) ** 2))
    of_day = gap % 24
    clock = np.exp(-np.minimum(of_day, 24 - of_day) / 1.5)
    day, hours = np.exp(-gap / 24), np.exp(-gap / 4)
    return {
        "all": np.ones(len(gap)), "day": day, "hours": hours, "load": alike, "load_close": close,
        "load_day": alike * day, "load_hours": alike * np.exp(-gap / 6), "clock": clock,
        "load_clock": alike * clock,
    }  # fmt: skip


def _means(sums: _Sums) -> dict[str, FloatArray]:
    out = {f"mean_{name}": sums[f"r_{name}"] / (sums[f"w_{name}"] + SHRINK) for name in MEANS}
    out |= {f"weight_{name}": sums[f"w_{name}"] for name in MEANS if name.startswith("load")}
    count = sums["w_all"]
    some = np.maximum(count, 1.0)
    out["spread"] = np.sqrt(np.maximum(sums["rr_all"] / some - (sums["r_all"] / some) ** 2, 0.0))
    out["n"] = count
    return out


def _lines(sums: _Sums) -> dict[str, FloatArray]:
    """Return value at the hour's load and slope of a ridge line through the residuals."""
    out = {}
    for name in ("all", "day"):
        w, x = sums[f"w_{name}"] + SHRINK, sums[f"x_{name}"]
        xx = sums[f"xx_{name}"] + 0.02
        r, xr = sums[f"r_{name}"], sums[f"xr_{name}"]
        determinant = w * xx - x * x
        out[f"line_{name}"] = (xx * r - x * xr) / determinant
        out[f"slope_{name}"] = (w * xr - x * r) / determinant
    return out


FINGERPRINT_NAMES = (
    *(
        f"{n}_{s}_{k}" for s in ("before", "after") for k in range(1, NEAREST + 1)
        for n in ("residual", "gap", "load")
    ),
    *(f"mean_{n}" for n in MEANS), *(f"weight_{n}" for n in MEANS if n.startswith("load")), "spread", "n",
    "line_all", "slope_all", "line_day", "slope_day",
)  # fmt: skip
