"""Four days of sample base stations: cells, their load and sleep modes, and the energy of each station.

Power of a cell has the shape of 3GPP TR 38.864 (section 5): a static part, and an active downlink part that
grows with occupied symbols and occupied bandwidth,

    P = P3 + s_a (P4 - P3) [A a + (u / eta)(1 - A)],   A = 0.4,

u the share of used resource blocks, a = u^0.8 the share of active symbols (concave: little traffic is
spread over many symbols), s_a the share of active transmitters. Light sleep (mode 1) lowers the static part
by a product's depth for the share of the hour that it is on; transmitter shutdown (mode 2) lowers static
part and s_a. The watts per product are assumptions of plausible size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from sample_data.weather import ar1

FloatArray = npt.NDArray[np.float64]

STATIONS = 120
DAYS = 4
START = "2025-03-06"
"""A Thursday: the days hold a weekend. They are few because the demo trains on all stations."""
TIME_HEADER = "Time (UTC+08:00)"
ENERGY_HEADER = "Energy (kWh)"
LOAD_INDEPENDENT_SHARE = 0.4
"""A of TR 38.864: part of the active power that does not follow bandwidth and transmit power [1]."""


@dataclass(frozen=True)
class RadioUnit:
    """One product.

    Parameters
    ----------
    name : str
    static_w, active_w : float
        Power without traffic (P3) and at full downlink (P4) [W].
    efficiency : float
        eta of the active part [1].
    light_depth, shutdown_depth : float
        Share of the static part saved while mode 1 or mode 2 is on [1].
    bandwidth_mhz, frequency, antennas, power : float
        Attributes as exported; ``frequency`` and ``power`` in the vendor's own scale.
    """

    name: str
    static_w: float
    active_w: float
    efficiency: float
    light_depth: float
    shutdown_depth: float
    bandwidth_mhz: float
    frequency: float
    antennas: int
    power: float


PRODUCTS = (
    RadioUnit("RU-A", 620.0, 1180.0, 1.00, 0.30, 0.35, 100, 3500.0, 64, 7.3),
    RadioUnit("RU-B", 450.0, 890.0, 1.00, 0.26, 0.30, 100, 3500.0, 32, 7.0),
    RadioUnit("RU-C", 210.0, 470.0, 0.95, 0.22, 0.28, 20, 1800.0, 4, 6.6),
    RadioUnit("RU-D", 150.0, 330.0, 0.95, 0.20, 0.25, 20, 2100.0, 2, 6.4),
    RadioUnit("RU-E", 260.0, 610.0, 0.90, 0.24, 0.30, 30, 700.0, 4, 7.1),
)


def cell_power_w(
    unit: RadioUnit, load: npt.ArrayLike, light: npt.ArrayLike = 0.0, shutdown: npt.ArrayLike = 0.0
) -> FloatArray:
    """Return the mean power of a cell over an hour [W].

    Parameters
    ----------
    unit : RadioUnit
    load : array_like, shape (rows,)
        Share of used resource blocks [1].
    light, shutdown : array_like, shape (rows,)
        Share of the hour with sleep mode 1 and with sleep mode 2 [1].

    Returns
    -------
    numpy.ndarray, shape (rows,)
    """
    used = np.asarray(load, dtype=np.float64)
    light, shutdown = np.asarray(light, dtype=np.float64), np.asarray(shutdown, dtype=np.float64)
    static = unit.static_w * (1 - unit.light_depth * light) * (1 - unit.shutdown_depth * shutdown)
    active_share = 1 - 0.5 * shutdown  # half of the transmitters are off while mode 2 is on
    a = LOAD_INDEPENDENT_SHARE
    dynamic = (unit.active_w - unit.static_w) * (a * used**0.8 + (1 - a) * used / unit.efficiency)
    return np.asarray(static + active_share * dynamic, dtype=np.float64)


@dataclass(frozen=True)
class SampleStations:
    """Tables as exported, and the hidden truth.

    Parameters
    ----------
    cells, loads, energy : pandas.DataFrame
        The three exported tables.
    truth : pandas.DataFrame, shape (cell hours, 6)
        ``Time``, ``BS``, ``CellName``, ``RUType``, ``power_w`` as operated and ``power_awake_w``
        for the same traffic without sleep [W].
    auxiliary_w : pandas.Series
        Constant power of each station besides its cells [W], indexed by ``BS``.
    """

    cells: pd.DataFrame
    loads: pd.DataFrame
    energy: pd.DataFrame
    truth: pd.DataFrame
    auxiliary_w: pd.Series


def base_stations(seed: int = 7) -> SampleStations:
    """Return the days of all stations; the same seed gives the same days."""
    rng = np.random.default_rng(seed + 1)
    index = pd.date_range(START, periods=24 * DAYS, freq="h")
    cells = _cells(rng)
    names = cells["BS"].drop_duplicates().to_numpy(dtype=object)
    auxiliary = pd.Series(rng.uniform(90.0, 220.0, STATIONS), index=names, name="auxiliary_w")
    sleepers = names[rng.permutation(STATIONS)[: STATIONS // 2]]
    loads = _loads(rng, cells, index, sleepers)
    truth = _truth(cells, loads)
    power = truth.groupby(["BS", "Time"], sort=False)["power_w"].sum()
    station = power.index.get_level_values("BS").map(auxiliary.to_dict()).to_numpy(dtype=np.float64)
    measured = (power + station) * (1.0 + 0.012 * rng.standard_normal(len(power))) / 1000.0
    energy = measured.round(4).rename(ENERGY_HEADER).reset_index()
    energy = _with_faults(rng, energy[["Time", "BS", ENERGY_HEADER]])
    return SampleStations(
        cells,
        loads.rename(columns={"Time": TIME_HEADER}),
        energy.rename(columns={"Time": TIME_HEADER}),
        truth,
        auxiliary,
    )


def _cells(rng: np.random.Generator) -> pd.DataFrame:
    """Return one row per cell with its product; a station has one product, some a second one."""
    first = rng.choice(len(PRODUCTS), size=STATIONS, p=(0.20, 0.25, 0.25, 0.15, 0.15))
    number = rng.choice((1, 2, 3), size=STATIONS, p=(0.45, 0.25, 0.30))
    station = np.repeat(np.arange(STATIONS), number)
    position = np.concatenate([np.arange(n) for n in number])
    second = (first + 2) % len(PRODUCTS)
    mixed = (rng.random(STATIONS) < 0.2)[station] & (position == 2)
    product = [PRODUCTS[i] for i in np.where(mixed, second[station], first[station])]
    return pd.DataFrame(
        {
            "BS": [f"S{i:03d}" for i in station],
            "CellName": [f"Cell{i}" for i in position],
            "RUType": [p.name for p in product],
            "Mode": ["TDD" if p.frequency >= 2500 else "FDD" for p in product],
            "Frequency": [p.frequency for p in product],
            "Bandwidth": [p.bandwidth_mhz for p in product],
            "Antennas": [p.antennas for p in product],
            "TXpower": [p.power for p in product],
        }
    )


def _loads(
    rng: np.random.Generator, cells: pd.DataFrame, index: pd.DatetimeIndex, sleepers: npt.NDArray[np.object_]
) -> pd.DataFrame:
    """Return load and sleep modes per cell and hour."""
    hours, count = len(index), len(cells)
    hour = index.hour.to_numpy(dtype=np.float64)
    weekend = (index.day_of_week.to_numpy() >= 5).astype(np.float64)
    evening = np.exp(-(((hour - 20.0 + 12) % 24 - 12) ** 2) / 18.0)
    office = np.exp(-(((hour - 12.0 + 12) % 24 - 12) ** 2) / 22.0)
    level = rng.uniform(0.10, 0.55, count)[:, None]
    business = rng.uniform(0.0, 1.0, count)[:, None]
    shape = 0.07 + business * office * (1 - 0.5 * weekend) + (1.2 - business) * evening
    noise = ar1(rng, hours * count, 3.0, 0.18).reshape(count, hours)
    load = np.clip(level * shape * np.exp(noise - 0.016), 0.0, 0.97)
    # Sleep is tried at night in part of the stations and not every night: its effect shows at equal load.
    night = (hour >= 1) & (hour < 6)
    stations = cells["BS"].to_numpy(dtype=object)
    may = np.isin(stations, sleepers)[:, None] & night & (load < 0.10)
    tonight = (rng.random((count, DAYS)) < 0.65)[:, np.arange(hours) // 24]
    deeper = (rng.random((count, DAYS)) < 0.5)[:, np.arange(hours) // 24]
    light = np.where(may & tonight, rng.uniform(0.75, 1.0, (count, hours)), 0.0)
    shutdown = np.where(may & tonight & deeper, rng.uniform(0.6, 1.0, (count, hours)), 0.0)
    table = pd.DataFrame(
        {
            "Time": np.tile(index.to_numpy(), count),
            "BS": np.repeat(stations, hours),
            "CellName": np.repeat(cells["CellName"].to_numpy(), hours),
            "load": load.ravel().round(4),
            "ESMode1": light.ravel().round(3),
            "ESMode2": shutdown.ravel().round(3),
        }
    )
    return table.assign(**{f"ESMode{i}": 0.0 for i in range(3, 7)})


def _truth(cells: pd.DataFrame, loads: pd.DataFrame) -> pd.DataFrame:
    """Return the power of every cell and hour, as operated and awake [W]."""
    table = loads.merge(cells[["BS", "CellName", "RUType"]], on=["BS", "CellName"], how="left")
    power, awake = np.empty(len(table)), np.empty(len(table))
    for unit in PRODUCTS:
        rows = (table["RUType"] == unit.name).to_numpy()
        part = table[rows]
        power[rows] = cell_power_w(unit, part["load"], part["ESMode1"], part["ESMode2"])
        awake[rows] = cell_power_w(unit, part["load"])
    return table[["Time", "BS", "CellName", "RUType"]].assign(power_w=power, power_awake_w=awake)


def _with_faults(rng: np.random.Generator, energy: pd.DataFrame) -> pd.DataFrame:
    """Return the energy table with missing hours, a stuck meter and impossible readings."""
    per_station = 24 * DAYS
    value = energy[ENERGY_HEADER].to_numpy(dtype=np.float64, copy=True)
    stuck = 3 * per_station + 60
    value[stuck : stuck + 30] = value[stuck]
    value[[9 * per_station + 50, 17 * per_station + 80]] = -1.0
    value[25 * per_station + 77] *= 12.0
    missing = rng.random(len(energy)) < 0.01
    missing[30 * per_station + 24 : 30 * per_station + 72] = True
    return energy.assign(**{ENERGY_HEADER: value})[~missing].reset_index(drop=True)
