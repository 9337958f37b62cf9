"""Many small sites for the nightly batch: data centres and base-station sites, a month of hours each.

Unlike `sample_data.data_centre` this is no plant: a few lines per site give the daily and weekly shape that
such exports have, in the file forms that operators send. Everything is fictional and follows from the seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from sample_data.base_stations import PRODUCTS, RadioUnit, cell_power_w
from sample_data.weather import ar1

FloatArray = npt.NDArray[np.float64]

START = "2026-01-01"
DAYS = 30
TIME_HEADER = "Time (UTC+08:00)"
CLUSTER = 8
"""Every tenth base-station site is a cluster of this many stations."""


@dataclass(frozen=True)
class Fleet:
    """Where the sites lie.

    Parameters
    ----------
    folder : pathlib.Path
    data_centres, base_stations : tuple of str
        Names of their sub-folders.
    last_day : str
        Last day of the exports, ISO 8601.
    """

    folder: Path
    data_centres: tuple[str, ...]
    base_stations: tuple[str, ...]
    last_day: str


def write_fleet(
    folder: Path, sites: int, *, seed: int = 7, days: int = DAYS, data_centre_share: float = 0.3
) -> Fleet:
    """Write a folder of sites; the same arguments write the same bytes.

    Parameters
    ----------
    folder : pathlib.Path
        Created where absent.
    sites : int
    seed : int
    days : int
        Length of the exports [d], from `START`.
    data_centre_share : float
        Share of the sites that are data centres [1]; the others are base-station sites.

    Returns
    -------
    Fleet
    """
    index = pd.date_range(START, periods=24 * days, freq="h")
    stamps = index.strftime("%Y-%m-%d %H:%M").to_numpy(dtype=object)
    centres = round(sites * data_centre_share)
    names = [f"dc-{i:05d}" for i in range(centres)], [f"ran-{i:05d}" for i in range(sites - centres)]
    for number, name in enumerate(names[0]):
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng([seed, 0, number])
        _write(data_centre_month(rng, index, stamps), place / "telemetry.csv")
        (place / "site.toml").write_text(_site(name, "data-centre"), encoding="utf-8", newline="\n")
    for number, name in enumerate(names[1]):
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng([seed, 1, number])
        stations = CLUSTER if number % 10 == 0 else 1
        for table, frame in station_month(rng, index, stamps, stations, f"B{number:05d}").items():
            _write(frame, place / f"{table}.csv")
        (place / "site.toml").write_text(_site(name, "base-station"), encoding="utf-8", newline="\n")
    return Fleet(folder, tuple(names[0]), tuple(names[1]), index[-1].date().isoformat())


def data_centre_month(
    rng: np.random.Generator, index: pd.DatetimeIndex, stamps: npt.NDArray[np.object_]
) -> pd.DataFrame:
    """Return a small data centre's export: work, weather, and a cooling power that follows both.

    Parameters
    ----------
    rng : numpy.random.Generator
    index : pandas.DatetimeIndex, shape (hours,)
    stamps : numpy.ndarray, shape (hours,)
        The same as text.
    """
    hours = len(index)
    hour, weekend = _clock(index)
    size = float(rng.uniform(80.0, 900.0))
    base, swing = rng.uniform(0.35, 0.6), rng.uniform(0.03, 0.10)
    work = base + swing * np.cos(2 * np.pi * (hour - 15.0) / 24.0) * (1 - 0.6 * weekend)
    work = np.clip(work + ar1(rng, hours, 8.0, 0.012), 0.05, 0.98)
    outdoor = (
        rng.uniform(2.0, 24.0) + 4.5 * np.cos(2 * np.pi * (hour - 15.0) / 24.0) + ar1(rng, hours, 40.0, 1.8)
    )
    steps = np.repeat(np.arange(hours), rng.choice((6, 8, 12, 24), size=hours))[:hours]
    tested = (rng.random(steps.max() + 1) < 0.3)[steps]
    set_point = np.where(tested, (18.0 + 0.5 * rng.integers(0, 19, steps.max() + 1))[steps], 22.0)
    it = size * (0.45 + 0.55 * work) * (1.0 + 0.002 * np.maximum(set_point - 24.0, 0.0) ** 2)
    lift = np.maximum(outdoor + 12.0 - set_point, 2.0)
    cooling = it * (0.07 + rng.uniform(0.006, 0.010) * lift)
    losses = 0.035 * size + 0.025 * it

    def meter(power: FloatArray, error: float) -> FloatArray:
        return (power * (1.0 + error * rng.standard_normal(hours))).round(2)

    return pd.DataFrame(
        {
            TIME_HEADER: stamps,
            "zone_set_point_c": set_point,
            "outdoor_dry_bulb_c": outdoor.round(1),
            "it_power_kw": meter(it, 0.003),
            "facility_power_kw": meter(it + cooling + losses, 0.003),
            "cooling_power_kw": meter(cooling, 0.006),
            "server_inlet_c": (set_point + 0.6 + 0.15 * rng.standard_normal(hours)).round(2),
        }
    )


def station_month(
    rng: np.random.Generator,
    index: pd.DatetimeIndex,
    stamps: npt.NDArray[np.object_],
    stations: int,
    prefix: str,
) -> dict[str, pd.DataFrame]:
    """Return the three exports of a base-station site: ``cells``, ``loads``, ``energy``.

    Parameters
    ----------
    rng : numpy.random.Generator
    index : pandas.DatetimeIndex, shape (hours,)
    stamps : numpy.ndarray, shape (hours,)
        The same as text.
    stations : int
        Stations of the site; in a cluster part of the cells sleep in part of the nights.
    prefix : str
        Beginning of the stations' names.
    """
    hours = len(index)
    number = rng.choice((1, 2, 3), size=stations, p=(0.5, 0.25, 0.25))
    station = np.repeat(np.arange(stations), number)
    cell = np.concatenate([np.arange(n) for n in number])
    kinds = rng.choice(len(PRODUCTS), size=2 if stations > 1 else 1, replace=False)
    units = [PRODUCTS[k] for k in rng.choice(kinds, size=stations)]
    names = np.array([f"{prefix}-{i}" for i in range(stations)], dtype=object)
    cells = _cells(names[station], cell, [units[s] for s in station])
    load = _load(rng, index, len(cells))
    asleep = _sleep(rng, index, load) if stations > 1 else np.zeros_like(load)
    power = np.array(
        [cell_power_w(units[s], load[c], asleep[c]) for c, s in enumerate(station)], dtype=np.float64
    )
    total = np.zeros((stations, hours))
    np.add.at(total, station, power)
    total = total * rng.normal(1.0, 0.06, stations)[:, None] + rng.uniform(90.0, 220.0, stations)[:, None]
    energy = total * (1.0 + 0.012 * rng.standard_normal(total.shape)) / 1000.0
    loads = {
        TIME_HEADER: np.tile(stamps, len(cells)),
        "BS": np.repeat(names[station], hours),
        "CellName": np.repeat(cells["CellName"].to_numpy(), hours),
        "load": load.ravel().round(4),
        "ESMode1": asleep.ravel().round(3),
    }
    meters = {
        TIME_HEADER: np.tile(stamps, stations),
        "BS": np.repeat(names, hours),
        "Energy (kWh)": energy.ravel().round(4),
    }
    return {"cells": cells, "loads": pd.DataFrame(loads), "energy": pd.DataFrame(meters)}


def _cells(
    names: npt.NDArray[np.object_], cell: npt.NDArray[np.int_], units: list[RadioUnit]
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "BS": names,
            "CellName": [f"Cell{i}" for i in cell],
            "RUType": [u.name for u in units],
            "Mode": ["TDD" if u.frequency >= 2500 else "FDD" for u in units],
            "Frequency": [u.frequency for u in units],
            "Bandwidth": [u.bandwidth_mhz for u in units],
            "Antennas": [u.antennas for u in units],
            "TXpower": [u.power for u in units],
        }
    )


def _load(rng: np.random.Generator, index: pd.DatetimeIndex, cells: int) -> FloatArray:
    """Return the load of every cell and hour [1], shape (cells, hours)."""
    hours = len(index)
    hour, weekend = _clock(index)
    evening = np.exp(-(((hour - 20.0 + 12) % 24 - 12) ** 2) / 18.0)
    office = np.exp(-(((hour - 12.0 + 12) % 24 - 12) ** 2) / 22.0)
    level = rng.uniform(0.10, 0.55, cells)[:, None]
    business = rng.uniform(0.0, 1.0, cells)[:, None]
    shape = 0.07 + business * office * (1 - 0.5 * weekend) + (1.2 - business) * evening
    noise = ar1(rng, hours * cells, 3.0, 0.18).reshape(cells, hours)
    return np.asarray(np.clip(level * shape * np.exp(noise - 0.016), 0.0, 0.97))


def _sleep(rng: np.random.Generator, index: pd.DatetimeIndex, load: FloatArray) -> FloatArray:
    """Return the share of every cell's hour in light sleep [1]: at night, in part of the nights."""
    hour = index.hour.to_numpy()
    days = len(index) // 24 + 1
    tonight = (rng.random((len(load), days)) < 0.5)[:, np.arange(len(index)) // 24]
    may = (hour >= 1) & (hour < 6) & (load < 0.10) & tonight
    return np.where(may, rng.uniform(0.75, 1.0, load.shape), 0.0)


def _clock(index: pd.DatetimeIndex) -> tuple[FloatArray, FloatArray]:
    return index.hour.to_numpy(dtype=np.float64), (index.day_of_week.to_numpy() >= 5).astype(np.float64)


def _site(name: str, kind: str) -> str:
    lines = [
        '# Sample site: synthetic. Figures marked "assumption" are ours.',
        f'id = "{name}"',
        f'name = "Sample {name}"',
        f'kind = "{kind}"',
        'country = "CN"',
        'time_zone = "+08:00"',
        'currency = "CNY"',
    ]
    if kind == "data-centre":
        lines += ["", "[current]", "zone_set_point_c = 22.0"]
        lines += ["", "[limits]", "server_inlet_temp_c_max = 27.0", "sensor_error_k = 0.3"]
    else:
        lines += ["", "[limits]", "prb_utilisation_max = 0.10"]
    lines += ["", "[tariff]", "energy_per_kwh = 0.65", 'source = "assumption of the sample"', ""]
    return "\n".join(lines)


def _write(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, lineterminator="\n")
