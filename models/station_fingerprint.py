"""What a station's own meter tells about one hour, never counting that hour itself.

Stations of one configuration differ by 10 to 20 % for reasons no export names. The residuals of the
first stage at the station's other measured hours tell most of it: near in time, at a similar load, at
the same hour of the day. Everything here is a weighted mean or a line through such residuals, shrunk
towards zero; the second stage learns how far to believe which.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product

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

    @cached_property
    def level(self) -> FloatArray:
        """Logarithm of the load, shape (rows,)."""
        return np.asarray(np.log(np.maximum(self.load + 0.02, 1e-6)))

    def rows(self, mask: BoolArray | npt.NDArray[np.intp]) -> StationHours:
        """Return the selected hours (boolean mask or positions)."""
        return StationHours(self.station[mask], self.minute[mask], self.load[mask], self.residual[mask])


class _Sums:
    """Running weighted sums over neighbours, shape (rows,) each."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.total: dict[str, FloatArray] = {}

    def add(self, rows: npt.NDArray[np.intp], part: dict[str, FloatArray]) -> None:
        """Add sums of some rows."""
        for name, value in part.items():
            self.total.setdefault(name, np.zeros(self.rows))[rows] += value

    def __getitem__(self, name: str) -> FloatArray:
        return self.total.get(name, np.zeros(self.rows))


GATHERED = 0.8
"""Share of the hours under way below which they are gathered anew."""
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
    """Step outwards through the history on one side of every hour at once.

    An hour that has left its station's history stays outside, so that the hours under way get fewer; they
    are gathered anew only now and then, and count with weight zero until then.
    """
    label = "before" if side < 0 else "after"
    for step, name in product(range(1, NEAREST + 1), ("residual", "gap", "load")):
        near[f"{name}_{label}_{step}"] = np.full(len(query), np.nan)
    under_way = np.arange(len(query))
    part: dict[str, FloatArray] = {}
    for step in range(1, NEIGHBOURS + 1):
        position = start[under_way] + (-step if side < 0 else step - 1)
        inside = (position >= 0) & (position < len(history))
        if len(history):
            inside &= history.station[np.where(inside, position, 0)] == query.station[under_way]
        if inside.sum() <= GATHERED * len(inside):
            sums.add(under_way, part)
            under_way, position, part = under_way[inside], position[inside], {}
            inside = np.ones(len(under_way), dtype=bool)
            if not len(under_way):
                break
        there = np.where(inside, position, 0)
        gap = np.abs(history.minute[there] - query.minute[under_way]) / 60.0
        difference = history.load[there] - query.load[under_way]
        residual = history.residual[there]
        if step <= NEAREST:
            rows = under_way[inside]
            for name, value in (("residual", residual), ("gap", gap), ("load", difference)):
                near[f"{name}_{label}_{step}"][rows] = value[inside]
        _accumulate(
            part, inside.astype(np.float64), gap=gap, difference=difference,
            ratio=history.level[there] - query.level[under_way], residual=residual,
        )  # fmt: skip
    sums.add(under_way, part)


def _accumulate(
    part: dict[str, FloatArray], counts: FloatArray, *, gap: FloatArray, difference: FloatArray,
    ratio: FloatArray, residual: FloatArray,
) -> None:  # fmt: skip
    """Add one neighbour of every hour, shape (hours under way,)."""

    def add(name: str, value: FloatArray) -> None:
        if name in part:
            part[name] += value
        else:
            part[name] = value.copy()

    known = np.nan_to_num(difference)
    for name, weight in _weights(counts, gap, difference, ratio).items():
        pulled = weight * residual
        add(f"w_{name}", weight)
        add(f"r_{name}", pulled)
        if name in ("all", "day"):
            carried = weight * known
            add(f"x_{name}", carried)
            add(f"xx_{name}", carried * known)
            add(f"xr_{name}", carried * residual)
    add("rr_all", counts * residual**2)


def _weights(
    counts: FloatArray, gap: FloatArray, difference: FloatArray, ratio: FloatArray
) -> dict[str, FloatArray]:
    """Return the weight of one neighbour per hour: near in time [h], in load [1], in time of day."""
    alike = counts * np.nan_to_num(np.exp(-0.5 * (ratio / 0.25) ** 2))
    close = counts * np.nan_to_num(np.exp(-0.5 * (difference / 0.03) ** 2))
    of_day = gap % 24
    clock = np.exp(-np.minimum(of_day, 24 - of_day) / 1.5)
    day = np.exp(-gap / 24)
    fourth = np.square(np.square(day))
    return {
        "all": counts, "day": counts * day, "hours": counts * fourth * np.square(day), "load": alike,
        "load_close": close, "load_day": alike * day, "load_hours": alike * fourth,
        "clock": counts * clock, "load_clock": alike * clock,
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
