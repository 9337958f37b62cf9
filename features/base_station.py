"""Features of base stations: one row per station and interval.

Energy is metered per station, load and sleep per cell, so cells are aggregated before the two are
joined. Nothing here knows a station's identity or its measured energy: what a station's own meter
tells is kept apart, in `models.station_fingerprint`.

Rows with an energy but without any load are kept: their load features are NaN and the model answers
them at tier ``fallback`` from the station's (else its configuration's) mean.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from features.errors import InsufficientDataError
from features.frame import FeatureFrame, FloatArray
from features.message import say
from features.schema import KEY_COLUMNS
from features.telemetry import Telemetry

ENERGY_COLUMNS = ("station_energy_kwh", "station_energy_rel", "station_power_w")
SLEEP_COLUMNS = tuple(f"sleep_mode_{i}" for i in range(1, 7))
TEXT_COLUMNS = ("ru_type", "radio_mode")
ATTRIBUTE_COLUMNS = ("frequency_rel", "bandwidth_mhz", "antennas", "tx_power_rel")
OTHER_COLUMNS = tuple(f"other_{name}" for name in ATTRIBUTE_COLUMNS)
"""The same of the station's second largest cell; NaN where it has one cell."""
LOAD = "load"
"""Capacity-weighted PRB utilisation of the station's cells [1]."""
FILLED = "load_filled"
"""1 where the load with the right stamp was absent and that with the row's own stamp stands in."""
CONFIGURATION = (
    *TEXT_COLUMNS, *ATTRIBUTE_COLUMNS, *OTHER_COLUMNS, "cells", "bandwidth_total", "antennas_total",
    "tx_power_max",
    "capacity",
)  # fmt: skip
WORK = (LOAD, "load_mean", "load_sum", "load_max", "load_min", *SLEEP_COLUMNS, "sleep_total")
"""What the cells did in the interval."""
FEATURE_NAMES = (
    *CONFIGURATION, *WORK, FILLED, "load_previous", "load_before_previous", "load_yesterday",
    "sleep_previous", "hour_sin", "hour_cos",
)  # fmt: skip
UNKNOWN = "unknown"
_STATION_HOUR = ["site_id", "timestamp"]


def quantities(telemetry: Telemetry) -> list[str]:
    """Return the energy columns with at least one value, the physical ones first."""
    return [name for name in ENERGY_COLUMNS if telemetry.has(name)]


def build(telemetry: Telemetry, quantity: str, load_offset: int = 0) -> FeatureFrame:
    """Build one row per station and interval that has a cell row or a station row.

    Parameters
    ----------
    telemetry : Telemetry
        Kind ``base-station``; cells are units, the station is unit ``""``.
    quantity : str
        One of `ENERGY_COLUMNS`; it may be absent, then every target is NaN.
    load_offset : int
        Intervals by which the clock of the cells' export runs ahead of the energy meter's (see
        `features.station_clock`): the load of the interval stamped ``t`` carries the stamp
        ``t + load_offset``. Where that row is absent, the load with the row's own stamp stands in and
        ``load_filled`` is 1.

    Returns
    -------
    FeatureFrame
        Sorted by station and time. Every feature of a row comes from cell rows stamped at most
        ``load_offset`` intervals later than the row: with offset 0 from that interval or earlier.
        Baselines ``last``, ``same_hour_yesterday`` and ``same_hour_last_week`` hold measured energies
        of strictly earlier intervals, NaN where there is none.

    Raises
    ------
    InsufficientDataError
        There are no cell rows with a load.
    """
    if quantity not in ENERGY_COLUMNS:
        raise ValueError(f"{quantity!r} is not an energy of a base station: {ENERGY_COLUMNS}")
    frame = telemetry.frame
    is_cell = (frame["unit_id"] != "").to_numpy()
    if not is_cell.any() or not telemetry.has("prb_utilisation"):
        raise InsufficientDataError(
            "E-STATION-LOAD",
            say("no cell has a load (prb_utilisation)"),
            "",
            say("add the export with the cells' PRB utilisation"),
        )
    categories = {
        name: sorted(frame.loc[is_cell, name].dropna().unique().tolist()) if name in frame else []
        for name in TEXT_COLUMNS
    }
    rows = _aggregate(_complete(_cell_rows(frame[is_cell], categories)))
    energy = _energy(frame[~is_cell], quantity)
    rows = rows.merge(energy, on=_STATION_HOUR, how="outer").sort_values(_STATION_HOUR)
    rows = _fill_configuration(rows.reset_index(drop=True))
    rows = _align(rows, telemetry.interval, load_offset)
    rows = _load_history(rows, telemetry.interval, load_offset)
    clock = telemetry.local(rows["timestamp"])
    hour = np.asarray(clock.hour + clock.minute / 60.0, dtype=np.float64)
    rows["hour_sin"], rows["hour_cos"] = np.sin(hour * np.pi / 12), np.cos(hour * np.pi / 12)
    keys = rows[_STATION_HOUR].assign(unit_id="")[list(KEY_COLUMNS)]
    return FeatureFrame(
        keys=keys,
        X=rows[list(FEATURE_NAMES)].astype(np.float64),
        quantity=quantity,
        y=rows[quantity].rename(quantity),
        categories=categories,
        baselines=_baselines(rows, quantity),
    )


def recode(frame: FeatureFrame, categories: dict[str, list[str]]) -> FeatureFrame:
    """Return the frame with its text coded by `categories`, as a fitted model knows them.

    A label that the model never saw becomes NaN, which is how the model tells that it is unknown.
    """
    X = frame.X.copy()
    for name, labels in categories.items():
        own = (frame.categories or {}).get(name, [])
        lookup = np.array([labels.index(v) if v in labels else np.nan for v in own], dtype=np.float64)
        codes = X[name].to_numpy()
        known = np.isfinite(codes)
        coded = np.full(len(codes), np.nan)
        coded[known] = lookup[codes[known].astype(np.intp)] if len(lookup) else np.nan
        X[name] = coded
    return FeatureFrame(frame.keys, X, frame.quantity, frame.y, dict(categories), frame.baselines)


def labels(frame: FeatureFrame, name: str) -> pd.Series:
    """Return a text feature as labels, ``unknown`` where there is none; shape (rows,)."""
    names = np.asarray([*(frame.categories or {}).get(name, []), UNKNOWN], dtype=object)
    codes = frame.X[name].to_numpy()
    return pd.Series(names[np.where(np.isfinite(codes), codes, len(names) - 1).astype(np.intp)], name=name)


def with_expected_work(frame: FeatureFrame) -> FeatureFrame:
    """Return the frame with the work of every row replaced by what was expected the day before.

    The same hour's work yesterday; where that is absent the mean of the station's earlier rows, with
    ``load_filled`` 1; NaN at the station's first row.
    """
    rows = pd.concat([frame.keys[_STATION_HOUR], frame.X], axis=1)
    expected = {}
    there = np.isfinite(_past(rows, rows[LOAD], pd.Timedelta(days=1)))
    for name in WORK:
        known = rows[name].notna().astype(np.float64)
        site = rows["site_id"]
        total = rows[name].fillna(0.0).groupby(site, sort=False).cumsum() - rows[name].fillna(0.0)
        count = known.groupby(site, sort=False).cumsum() - known
        mean = (total / count.where(count > 0)).to_numpy(dtype=np.float64)
        expected[name] = np.where(there, _past(rows, rows[name], pd.Timedelta(days=1)), mean)
    X = frame.X.assign(**expected, **{FILLED: (~there).astype(np.float64)})
    return replace(frame, X=X)


def _cell_rows(cells: pd.DataFrame, categories: dict[str, list[str]]) -> pd.DataFrame:
    """Return cell rows with every input column present and text coded."""
    table = cells[[*_STATION_HOUR, "unit_id"]].copy()
    for name in ("prb_utilisation", *SLEEP_COLUMNS, *ATTRIBUTE_COLUMNS):
        table[name] = cells.get(name, np.nan)
    for name in TEXT_COLUMNS:
        codes = (
            pd.Categorical(cells[name], categories[name]).codes.astype(np.float64)
            if name in cells
            else np.full(len(cells), -1.0)
        )
        table[name] = np.where(codes >= 0, codes, np.nan)
    return table


def _complete(cells: pd.DataFrame) -> pd.DataFrame:
    """Add the cells that did not report in an interval, with their configuration and without any work.

    A carrier whose load was not exported still stands on the mast: what a station is made of does not
    depend on which of its cells reported. A cell's configuration is its last known, else its first.
    """
    site = cells.groupby("site_id", sort=False)
    full = site["unit_id"].nunique() * site["timestamp"].nunique()
    short = cells["site_id"].map(site.size() < full).to_numpy()
    part = cells[short]
    grid = part[_STATION_HOUR].drop_duplicates()
    grid = grid.merge(part[["site_id", "unit_id"]].drop_duplicates(), on="site_id")
    part = grid.merge(part, on=[*_STATION_HOUR, "unit_id"], how="left")
    part = part.sort_values(["site_id", "unit_id", "timestamp"], ignore_index=True)
    columns = [*TEXT_COLUMNS, *ATTRIBUTE_COLUMNS]
    for _ in range(2):  # forwards, then what is left backwards
        part[columns] = part.groupby(["site_id", "unit_id"], sort=False)[columns].ffill()
        part = part.iloc[::-1]
    table = pd.concat([cells[~short], part], ignore_index=True)
    # Weight of a cell: what it can carry. Unknown antennas or bandwidth count as one.
    table["weight"] = table["bandwidth_mhz"].fillna(1.0) * table["antennas"].fillna(1.0)
    return table


def _aggregate(cells: pd.DataFrame) -> pd.DataFrame:
    """Return one row per station and interval from its cells."""
    known = cells["prb_utilisation"].notna()
    cells = cells.assign(
        carried=cells["weight"] * cells["prb_utilisation"],
        weight_known=cells["weight"].where(known),
        **{f"w_{name}": cells["weight"] * cells[name] for name in SLEEP_COLUMNS},
        **{f"k_{name}": cells["weight"].where(cells[name].notna()) for name in SLEEP_COLUMNS},
    )
    grouped = cells.groupby(_STATION_HOUR, sort=True, observed=True)
    out = grouped.agg(
        cells=("unit_id", "size"),
        bandwidth_total=("bandwidth_mhz", "sum"),
        antennas_total=("antennas", "sum"),
        tx_power_max=("tx_power_rel", "max"),
        capacity=("weight", "sum"),
        load_mean=("prb_utilisation", "mean"),
        load_max=("prb_utilisation", "max"),
        load_min=("prb_utilisation", "min"),
    )
    out["cells"] = out["cells"].astype(np.float64)
    out["load_sum"] = grouped["prb_utilisation"].sum(min_count=1)
    out[LOAD] = grouped["carried"].sum(min_count=1) / grouped["weight_known"].sum(min_count=1)
    for name in SLEEP_COLUMNS:
        out[name] = grouped[f"w_{name}"].sum(min_count=1) / grouped[f"k_{name}"].sum(min_count=1)
    out["sleep_total"] = out[list(SLEEP_COLUMNS)].sum(axis=1, min_count=1)
    # The dominant cell has the largest capacity; ties go to the first cell name.
    dominant = cells.sort_values([*_STATION_HOUR, "weight", "unit_id"], ascending=[True, True, False, True])
    first = dominant.groupby(_STATION_HOUR, sort=True, observed=True)[
        [*TEXT_COLUMNS, *ATTRIBUTE_COLUMNS]
    ].first()
    place = dominant.groupby(_STATION_HOUR, sort=False, observed=True).cumcount()
    second = dominant[place == 1].set_index(_STATION_HOUR)[list(ATTRIBUTE_COLUMNS)].add_prefix("other_")
    return out.join(first).join(second).reset_index()


def _energy(rows: pd.DataFrame, quantity: str) -> pd.DataFrame:
    if quantity not in rows:
        return pd.DataFrame({"site_id": rows["site_id"], "timestamp": rows["timestamp"], quantity: np.nan})
    return rows[[*_STATION_HOUR, quantity]]


def _fill_configuration(rows: pd.DataFrame) -> pd.DataFrame:
    """Give rows without cell rows the station's earlier configuration (it does not depend on load)."""
    columns = list(CONFIGURATION)
    filled = rows.groupby("site_id", sort=False)[columns].ffill()
    return rows.assign(**{name: filled[name] for name in columns})


def at_other_time(rows: pd.DataFrame, values: FloatArray, ahead: pd.Timedelta) -> FloatArray:
    """Return the value of the same station exactly `ahead` later; NaN where that interval is absent.

    Parameters
    ----------
    rows : pandas.DataFrame
        ``site_id`` and ``timestamp``, each pair once.
    values : numpy.ndarray, shape (rows,)
    ahead : pandas.Timedelta
        Negative: earlier.
    """
    if not len(rows):
        return np.empty(0)
    micros = rows["timestamp"].dt.tz_localize(None).to_numpy().astype("datetime64[us]").astype(np.int64)
    moment = micros - micros.min()
    shift = int(ahead / pd.Timedelta(microseconds=1))
    stride = int(moment.max()) + abs(shift) + 1  # so that no moment reaches into the next station's range
    key = pd.factorize(rows["site_id"])[0].astype(np.int64) * (2 * stride) + moment
    order = np.argsort(key, kind="stable")
    place = np.minimum(np.searchsorted(key[order], key + shift), len(key) - 1)
    there = key[order][place] == key + shift
    return np.where(there, values[order][place], np.nan)


def _past(rows: pd.DataFrame, values: pd.Series, back: pd.Timedelta) -> FloatArray:
    """Return the value of the same station exactly `back` earlier; NaN where that interval is absent."""
    return at_other_time(rows, values.to_numpy(dtype=np.float64), -back)


def _align(rows: pd.DataFrame, interval: pd.Timedelta, offset: int) -> pd.DataFrame:
    """Give every row the work of its own interval where the cells' clock is `offset` intervals ahead."""
    if offset == 0:
        return rows.assign(**{FILLED: 0.0}, stamped_load=rows[LOAD], stamped_sleep=rows["sleep_total"])
    there = np.isfinite(_past(rows, rows[LOAD], -offset * interval))
    moved = {
        name: np.where(there, _past(rows, rows[name], -offset * interval), rows[name].to_numpy(np.float64))
        for name in WORK
    }
    return rows.assign(
        stamped_load=rows[LOAD], stamped_sleep=rows["sleep_total"], **{FILLED: (~there).astype(np.float64)}
    ).assign(**moved)  # fmt: skip


def _load_history(rows: pd.DataFrame, interval: pd.Timedelta, offset: int) -> pd.DataFrame:
    """Add the load and sleep of the one and two intervals before the row's own."""
    return rows.assign(
        load_previous=_past(rows, rows["stamped_load"], (1 - offset) * interval),
        load_before_previous=_past(rows, rows["stamped_load"], (2 - offset) * interval),
        load_yesterday=_past(rows, rows[LOAD], pd.Timedelta(days=1)),
        sleep_previous=_past(rows, rows["stamped_sleep"], (1 - offset) * interval),
    )


def _baselines(rows: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Return measured energies of strictly earlier intervals."""
    filled = rows.groupby("site_id", sort=False)[quantity].ffill()
    last = filled.groupby(rows["site_id"], sort=False).shift()
    return pd.DataFrame(
        {
            "last": last.to_numpy(dtype=np.float64),
            "same_hour_yesterday": _past(rows, rows[quantity], pd.Timedelta(days=1)),
            "same_hour_last_week": _past(rows, rows[quantity], pd.Timedelta(days=7)),
        }
    )
