"""Propose sleep in hours of low load: what the data prove, where, and when.

An action is a set of energy-saving modes that one radio-unit product has on together. Its effect is
measured, not assumed: hours asleep against hours awake of the same station in the same narrow band of
load, on every other day (the verifier uses the days between). It is observational: hours asleep are
nights, and only what the load explains is taken out.

Of a station with several cells only some may sleep. What counts is the dose: the cells' shares of the
station's capacity times the share of the interval that they sleep; an effect is the share of the station's
energy saved at dose 1, smaller doses save in proportion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import t as student

from features.base_station import FILLED, LOAD, SLEEP_COLUMNS, labels
from features.frame import FeatureFrame, FloatArray
from features.telemetry import Telemetry

MIN_DOSE = 0.25
"""Dose from which a station's hour counts as asleep when an effect is measured [1]."""
AWAKE = 0.01
IN_USE = 0.05
"""Share from which a cell counts as asleep already [1]."""
MIN_HOURS = 20
"""Cell hours that a set of modes must have been on to be called an action."""
MIN_STATIONS = 5
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
        Sleep columns that are on together.
    levels : tuple of float
        Median share of each mode while on [1]; this is what is recommended.
    guard : float
        Load up to which the modes were used: 90th percentile of the load asleep [1].
    hours : tuple of int
        Local hours of day at which they were used.
    stations, hours_on : int
        Stations and cell hours seen asleep.
    """

    product: str
    modes: tuple[str, ...]
    levels: tuple[float, ...]
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
    """Saving of an action at dose 1 as a share of the station's energy; ``lower <= point <= upper`` [1]."""

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
    return rows.assign(day=np.asarray(telemetry.local(own).day_of_year))


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
    """Return the sets of modes that the data show on together, per product."""
    on = cells[list(SLEEP_COLUMNS)] > IN_USE
    pattern = (on * (1 << np.arange(len(SLEEP_COLUMNS)))).sum(axis=1)
    used = cells.assign(pattern=pattern)[pattern > 0]
    found = []
    for _, rows in used.groupby(["product", "pattern"], sort=True):
        if len(rows) < MIN_HOURS:
            continue
        product, code = rows["product"].iloc[0], int(rows["pattern"].iloc[0])
        modes = tuple(m for k, m in enumerate(SLEEP_COLUMNS) if code >> k & 1)
        clock = rows["hour"].value_counts(normalize=True)
        found.append(
            Action(
                product=str(product),
                modes=modes,
                levels=tuple(float(round(rows[m].median(), 2)) for m in modes),
                guard=float(rows["prb_utilisation"].quantile(GUARD_QUANTILE)),
                hours=tuple(sorted(int(h) for h in clock.index[clock >= HOUR_SHARE])),
                stations=int(rows["site_id"].nunique()),
                hours_on=len(rows),
            )
        )
    return found


def single_product(cells: pd.DataFrame) -> pd.Series:
    """Return whether all cells of the row's station are of one product.

    In a mixed station the energy does not tell which product saved.
    """
    kinds = cells.drop_duplicates(["site_id", "product"]).groupby("site_id").size()
    return cells["site_id"].map(kinds) < 2


def _doses(cells: pd.DataFrame, action: Action) -> pd.DataFrame:
    """Return per station and interval the dose of the action and of any other sleep [1]."""
    mine = cells[(cells["product"] == action.product) & single_product(cells)]
    on = mine[list(SLEEP_COLUMNS)] > IN_USE
    wanted = np.array([m in action.modes for m in SLEEP_COLUMNS])
    exactly = (on.to_numpy() == wanted).all(axis=1)
    share = mine["capacity"] / mine.groupby(["site_id", "timestamp"])["capacity"].transform("sum")
    level = mine[list(action.modes)].mean(axis=1)
    table = mine[["site_id", "timestamp"]].assign(
        dose=share * level.where(exactly, 0.0), other=share * mine["asleep"].where(~exactly, 0.0)
    )
    return table.groupby(["site_id", "timestamp"])[["dose", "other"]].sum().reset_index()


def matched_effect(rows: pd.DataFrame, cells: pd.DataFrame, action: Action, seed: int) -> Effect | None:
    """Measure an action on the even days: same station, same band of load, asleep against awake.

    Parameters
    ----------
    rows : pandas.DataFrame
        From `station_rows`.
    cells : pandas.DataFrame
        From `cell_rows`.
    action : Action
    seed : int
        Of the bootstrap over stations.

    Returns
    -------
    Effect or None
        None where fewer than `MIN_STATIONS` stations have both kinds of hours in one band.
    """
    doses = _doses(cells, action).rename(columns={"timestamp": "stamp"})
    use = rows[(rows["energy"] > 0) & ~rows["filled"] & (rows["day"] % 2 == 0)]
    use = use.merge(doses, on=["site_id", "stamp"])
    use = use[use["other"] < AWAKE]
    use["band"] = np.floor(np.log(use[LOAD] + LOAD_FLOOR) / LOAD_BAND)
    by = ["site_id", "band"]
    awake = use[use["dose"] < AWAKE].groupby(by)["energy"].mean().rename("awake")
    asleep = use[use["dose"] >= MIN_DOSE].join(awake, on=by, how="inner")
    # through the origin: relative change per dose, within the station
    change = (1 - asleep["energy"] / asleep["awake"]) * asleep["dose"]
    sums = pd.DataFrame({"change": change, "square": asleep["dose"] ** 2}).groupby(asleep["site_id"]).sum()
    station = (sums["change"] / sums["square"]).to_numpy()
    if len(station) < MIN_STATIONS:
        return None
    draws = np.random.default_rng(seed).integers(0, len(station), (REPEATS, len(station)))
    point = float(station.mean())
    low, high = np.quantile(station[draws].mean(axis=1), [0.05, 0.95]) - point
    # a bootstrap of few stations is too narrow: scale to Student's t with n - 1
    wider = float(student.ppf(0.95, len(station) - 1) / 1.645 * np.sqrt(len(station) / (len(station) - 1)))
    return Effect(
        point, point + min(float(low), 0.0) * wider, point + max(float(high), 0.0) * wider, len(station),
        len(asleep),
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
    return blocks(admissible(cells, action, window), guard, interval)


def admissible(
    cells: pd.DataFrame, action: Action, window: tuple[pd.Timestamp, pd.Timestamp]
) -> pd.DataFrame:
    """Return the product's rows with all that `blocks` needs whatever the guard is.

    ``top`` [1] is the most load at the row's hour of any day, ``open`` whether all but the load permits
    sleep, ``occupied`` whether the cell sleeps already.
    """
    coverage = _may_sleep(cells) & single_product(cells)
    mine = cells.assign(coverage=coverage)[cells["product"] == action.product]
    same_hour = mine.groupby(["site_id", "unit_id", "hour"])["prb_utilisation"]
    often = (same_hour.transform("count") >= 2) & mine["hour"].isin(action.hours)
    inside = (mine["timestamp"] >= window[0]) & (mine["timestamp"] < window[1])
    asleep = mine["asleep"] > IN_USE
    free = often & inside & ~asleep & mine["prb_utilisation"].notna() & mine["coverage"]
    return mine.assign(top=same_hour.transform("max"), open=free, occupied=asleep)


def blocks(mine: pd.DataFrame, guard: float, interval: pd.Timedelta) -> pd.DataFrame:
    """Return the blocks of sleep among the rows of `admissible` at a guard [1]; see `propose`."""
    candidate = mine["open"] & (mine["top"] <= guard)
    return _one_block_a_night(mine.assign(candidate=candidate), interval)


def _may_sleep(cells: pd.DataFrame) -> pd.Series:
    """Return whether coverage stays: of several cells the largest stays, and it is there and awake."""
    units = cells.groupby(["site_id", "unit_id"], sort=True)["capacity"].max().reset_index()
    first = units.sort_values(["site_id", "capacity", "unit_id"], ascending=[True, False, True])
    anchor = cells["site_id"].map(first.drop_duplicates("site_id").set_index("site_id")["unit_id"])
    several = cells["site_id"].map(units.groupby("site_id")["unit_id"].size() > 1)
    is_anchor = cells["unit_id"] == anchor
    carried = is_anchor & (cells["asleep"] <= IN_USE)
    awake = carried.groupby([cells["site_id"], cells["timestamp"]]).transform("any")
    return ~several | (~is_anchor & awake)


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
