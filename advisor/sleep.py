"""Propose sleep in hours of low load: what the data prove, where, and when.

An action is a set of energy-saving modes that one radio-unit product switches together. Its effect is
measured, not assumed: hours asleep against hours awake of the same station in the same narrow band of
load, on every other day (the verifier uses the days between). It is observational: hours asleep are
nights, and only what the load explains is taken out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.base_station import FILLED, LOAD, SLEEP_COLUMNS, labels
from features.frame import FeatureFrame, FloatArray
from features.telemetry import Telemetry

ASLEEP = 0.9
"""Share of an interval from which a mode counts as on when its effect is measured [1]."""
AWAKE = 0.01
IN_USE = 0.05
"""Share from which a cell counts as asleep already [1]."""
TOGETHER = 0.95
"""Correlation from which two modes are one action: their effects cannot be told apart [1]."""
MIN_STATIONS = 8
"""Stations with matched hours that an effect needs."""
LOAD_BAND = 0.25
"""Width of a band of log load within which hours are compared."""
LOAD_FLOOR = 0.005
GUARD_QUANTILE = 0.9
HOUR_SHARE = 0.01
MIN_BLOCK_H = 2.0
REPEATS = 2000


@dataclass(frozen=True)
class Action:
    """Modes of one product that are switched together, as the data show them in use.

    Parameters
    ----------
    product : str
    modes : tuple of str
        Sleep columns.
    guard : float
        Load up to which the modes were used: 90th percentile of the load asleep [1].
    hours : tuple of int
        Local hours of day at which they were used.
    stations, hours_on : int
        Stations and cell hours seen asleep.
    """

    product: str
    modes: tuple[str, ...]
    guard: float
    hours: tuple[int, ...]
    stations: int
    hours_on: int

    @property
    def name(self) -> str:
        """Stable name."""
        return f"{self.product}:{'+'.join(m.removeprefix('sleep_mode_') for m in self.modes)}"


@dataclass(frozen=True)
class Effect:
    """Measured saving of an action as a share of the station's energy; ``lower <= point <= upper`` [1]."""

    point: float
    lower: float
    upper: float
    stations: int
    hours: int


def station_rows(frame: FeatureFrame, telemetry: Telemetry, offset: int) -> pd.DataFrame:
    """Return one row per station and interval: energy, work, sleep and the stamp of its cell rows.

    Parameters
    ----------
    frame : FeatureFrame
        Built with clock offset `offset` [intervals].
    """
    filled = frame.X[FILLED].to_numpy() > 0
    own = frame.keys["timestamp"]
    rows = frame.X[[LOAD, "cells", "sleep_total", *SLEEP_COLUMNS]].assign(
        site_id=frame.keys["site_id"],
        timestamp=own,
        stamp=own.where(filled, own + offset * telemetry.interval),
        product=labels(frame, "ru_type"),
        energy=frame.target(),
        filled=filled,
    )
    return rows.assign(day=np.asarray(telemetry.local(own).dayofyear))


def cell_rows(telemetry: Telemetry) -> pd.DataFrame:
    """Return the cells' rows with product, load, capacity, modes, local hour and night."""
    frame = telemetry.frame
    cells = frame[frame["unit_id"] != ""].reset_index(drop=True)
    modes = {m: cells.get(m, np.nan) for m in SLEEP_COLUMNS}
    capacity = pd.Series(1.0, index=cells.index)
    for name in ("bandwidth_mhz", "antennas"):
        capacity = capacity * (cells[name].fillna(1.0) if name in cells else 1.0)
    local = telemetry.local(cells["timestamp"])
    table = cells[["site_id", "unit_id", "timestamp", "prb_utilisation"]].assign(
        **modes,
        product=cells["ru_type"].fillna("unknown") if "ru_type" in cells else "unknown",
        capacity=capacity,
        hour=np.asarray(local.hour),
        night=_nights(local),
    )
    return table.assign(asleep=table[list(SLEEP_COLUMNS)].max(axis=1))


def _nights(local: pd.DatetimeIndex) -> FloatArray:
    """Return the number of the night, noon to noon, that each local stamp belongs to."""
    wall = local.tz_localize(None)
    noon = (wall - pd.Timedelta(hours=12)).normalize()
    return np.asarray((noon - pd.Timestamp(1970, 1, 1)) / pd.Timedelta(days=1), dtype=np.float64)


def find_actions(cells: pd.DataFrame) -> list[Action]:
    """Return the actions that the data show in use, per product, modes that go together as one."""
    found = []
    for product, rows in cells.groupby("product", sort=True):
        used = [m for m in SLEEP_COLUMNS if (rows[m] > IN_USE).any()]
        for modes in _together(rows, used):
            on = rows[(rows[list(modes)] > IN_USE).all(axis=1)]
            if on.empty:
                continue
            clock = on["hour"].value_counts(normalize=True)
            found.append(
                Action(
                    str(product), modes, float(on["prb_utilisation"].quantile(GUARD_QUANTILE)),
                    tuple(sorted(int(h) for h in clock.index[clock >= HOUR_SHARE])),
                    int(on["site_id"].nunique()), len(on),
                )
            )  # fmt: skip
    return found


def _together(rows: pd.DataFrame, used: list[str]) -> list[tuple[str, ...]]:
    """Group modes whose shares go up and down together."""
    groups: list[list[str]] = []
    share = rows[used].to_numpy(dtype=np.float64)
    with np.errstate(invalid="ignore"):
        alike = np.corrcoef(np.nan_to_num(share), rowvar=False).reshape(len(used), len(used))
    for i, mode in enumerate(used):
        home = next((g for g in groups if alike[used.index(g[0]), i] >= TOGETHER), None)
        if home is None:
            groups.append([mode])
        else:
            home.append(mode)
    return [tuple(g) for g in groups]


def matched_effect(rows: pd.DataFrame, action: Action, seed: int) -> Effect | None:
    """Measure an action on the even days: same station, same band of load, asleep against awake.

    Parameters
    ----------
    rows : pandas.DataFrame
        From `station_rows`.
    action : Action
    seed : int
        Of the bootstrap over stations.

    Returns
    -------
    Effect or None
        None where fewer than `MIN_STATIONS` stations have both kinds of hours in one band.
    """
    use = rows[
        (rows["product"] == action.product) & (rows["energy"] > 0) & ~rows["filled"] & (rows["day"] % 2 == 0)
    ]
    others = [m for m in SLEEP_COLUMNS if m not in action.modes]
    on = (use[list(action.modes)] >= ASLEEP).all(axis=1) & (use[others].fillna(0.0) < AWAKE).all(axis=1)
    off = use["sleep_total"] < AWAKE
    band = np.floor(np.log(use[LOAD] + LOAD_FLOOR) / LOAD_BAND)
    table = use.assign(value=np.log(use["energy"]), band=band, on=on)[on | off]
    asleep, awake = (
        table[table["on"] == state].groupby(["site_id", "band"])["value"].agg(["mean", "size"])
        for state in (True, False)
    )
    both = asleep.add_suffix("_on").join(awake.add_suffix("_off"), how="inner").reset_index()
    both["weight"] = both[["size_on", "size_off"]].min(axis=1)
    both["change"] = (both["mean_on"] - both["mean_off"]) * both["weight"]
    sums = both.groupby("site_id")[["change", "weight"]].sum()
    station = (sums["change"] / sums["weight"]).to_numpy()
    if len(station) < MIN_STATIONS:
        return None
    draws = np.random.default_rng(seed).integers(0, len(station), (REPEATS, len(station)))
    spread = 1 - np.exp(np.quantile(station[draws].mean(axis=1), [0.95, 0.05]))
    point = float(1 - np.exp(station.mean()))
    return Effect(
        point, min(float(spread[0]), point), max(float(spread[1]), point), len(station),
        int(both["size_on"].sum()),
    )  # fmt: skip


def propose(
    cells: pd.DataFrame, action: Action, guard: float, window: tuple[pd.Timestamp, pd.Timestamp],
    interval: pd.Timedelta,
) -> pd.DataFrame:  # fmt: skip
    """Return the cell intervals to put to sleep: one block a night and station, long enough, load low.

    An hour qualifies when the cell's load is at most `guard` then and at the same hour of every other
    day in the export (there must be one), the hour of day is one at which the action was used, and the
    cell is awake. Of a station with several cells, the one with the largest capacity stays awake.
    A night that already has a block is only extended.

    Returns
    -------
    pandas.DataFrame
        ``site_id``, ``unit_id``, ``timestamp`` and the rows' other columns.
    """
    mine = cells[cells["product"] == action.product]
    if mine.empty:
        return mine
    same_hour = mine.groupby(["site_id", "unit_id", "hour"])["prb_utilisation"]
    days = same_hour.transform("count")
    top = same_hour.transform("max")
    low = (top <= guard) & (days >= 2) & mine["hour"].isin(action.hours)
    inside = (mine["timestamp"] >= window[0]) & (mine["timestamp"] < window[1])
    asleep = mine["asleep"] > IN_USE
    candidate = low & inside & ~asleep & mine["prb_utilisation"].notna() & ~_keeps_coverage(mine)
    return _one_block_a_night(mine.assign(candidate=candidate, occupied=asleep), interval)


def _keeps_coverage(cells: pd.DataFrame) -> pd.Series:
    """Return whether a cell is the one of a multi-cell station that stays awake."""
    units = cells.groupby(["site_id", "unit_id"], sort=True)["capacity"].max().reset_index()
    first = units.sort_values(["site_id", "capacity", "unit_id"], ascending=[True, False, True])
    anchor = first.drop_duplicates("site_id").set_index("site_id")["unit_id"]
    several = units.groupby("site_id")["unit_id"].size() > 1
    return (cells["unit_id"] == cells["site_id"].map(anchor)) & cells["site_id"].map(several)


def _one_block_a_night(mine: pd.DataFrame, interval: pd.Timedelta) -> pd.DataFrame:
    """Keep, per cell and night, the longest admissible block of candidates."""
    table = mine[mine["candidate"] | mine["occupied"]].sort_values(["site_id", "unit_id", "timestamp"])
    if table.empty:
        return table
    unit = table.groupby(["site_id", "unit_id", "night"], sort=False).ngroup()
    apart = (table["timestamp"].diff() != interval) | (unit.diff() != 0)
    table = table.assign(unit=unit, block=apart.cumsum())
    block = table.groupby("block").agg(
        unit=("unit", "first"),
        length=("candidate", "size"),
        new=("candidate", "sum"),
        old=("occupied", "sum"),
    )
    long_enough = block["length"] * (interval / pd.Timedelta(hours=1)) >= MIN_BLOCK_H
    existing = (block["old"] > 0).groupby(block["unit"]).transform("sum")
    block["fits"] = (
        long_enough & (block["new"] > 0) & ((existing == 0) | ((existing == 1) & (block["old"] > 0)))
    )
    best = block[block["fits"]].sort_values(["unit", "new"], ascending=[True, False]).drop_duplicates("unit")
    return table[table["candidate"] & table["block"].isin(best.index)]
