"""A year of a sample data centre: operation, work, sensors and faults around `DataCentrePlant`."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from sample_data.plant import DataCentrePlant
from sample_data.weather import HUMID_SUBTROPICAL, Climate, ar1, weather_year

FloatArray = npt.NDArray[np.float64]

YEAR = 2025
ZONE = "+08:00"
TIME_HEADER = f"timestamp (UTC{ZONE})"
CURRENT = {"zone_set_point_c": 22.0, "chilled_water_set_point_c": 7.0}
"""Set-points most often in force [degC]; also declared in ``site.toml``."""
LEVERS = {"zone_set_point_c": (18.0, 27.0), "chilled_water_set_point_c": (6.0, 15.0)}

EXPORTED = {
    "it_power_kw": "it_power_kw",
    "facility_power_kw": "facility_power_kw",
    "cooling_power_kw": "cooling_power_kw",
    "ups_loss_kw": "ups_loss_kw",
    "server_inlet_temp_c": "server_inlet_c",
    "supply_air_temp_c": "supply_air_c",
    "chilled_water_supply_temp_c": "chilled_water_supply_c",
    "water_m3": "water_m3",
    "pv_power_kw": "pv_power_kw",
}
"""Canonical name -> header in the export, as an operator's system might write it."""


@dataclass(frozen=True)
class Centre:
    """One sample data centre: where it stands, what stands there, how it is run.

    Parameters
    ----------
    folder : str
        Name of its folder among the samples.
    climate : Climate
    plant : DataCentrePlant
    current, winter : dict
        Set-points in force, and from December to February [degC].
    pv_peak_kw : float
        Photovoltaics [kW].
    work, swing : float
        Mean CPU utilisation and its daily swing [1].
    tested : float
        Share of the blocks of hours in which set-points are tried [1].
    stream : int
        Distinguishes its random numbers from the other centres' of the same seed.
    headers : dict
        Canonical name or header of `EXPORTED` -> header as this centre's system writes it; "" the time.
    encoding, stamp : str
        Of the exported text.
    """

    folder: str
    climate: Climate
    plant: DataCentrePlant
    current: dict[str, float]
    winter: dict[str, float]
    pv_peak_kw: float
    work: float = 0.46
    swing: float = 0.10
    tested: float = 0.36
    stream: int = 0
    headers: dict[str, str] = field(default_factory=lambda: {"": TIME_HEADER})
    encoding: str = "utf-8"
    stamp: str = "%Y-%m-%d %H:%M"


SUBTROPICAL = Centre(
    "data_centre",
    HUMID_SUBTROPICAL,
    DataCentrePlant(),
    CURRENT,
    {"zone_set_point_c": 21.0, "chilled_water_set_point_c": 9.0},
    260.0,
)
"""Humid and warm: too cold a room and too cold water."""


@dataclass(frozen=True)
class SampleYear:
    """What happened, what was measured, and what stays hidden from the advisor.

    Parameters
    ----------
    plant : DataCentrePlant
    set_points : pandas.DataFrame, shape (8760, 2)
        Set-points in force [degC].
    weather : pandas.DataFrame, shape (8760, 4)
        `sample_data.weather.weather_year`.
    utilisation : numpy.ndarray, shape (8760,)
        Hidden CPU utilisation [1]; never exported.
    truth : pandas.DataFrame
        `DataCentrePlant.simulate` and ``pv_power_kw``: without noise and faults.
    export : pandas.DataFrame
        The export as written: sensors with noise, gaps and faults.
    faults : pandas.DataFrame
        One row per injected fault: ``kind``, ``column``, ``start``, ``rows``.
    """

    plant: DataCentrePlant
    set_points: pd.DataFrame
    weather: pd.DataFrame
    utilisation: FloatArray
    truth: pd.DataFrame
    export: pd.DataFrame
    faults: pd.DataFrame


def data_centre_year(
    seed: int = 7, plant: DataCentrePlant | None = None, *, centre: Centre = SUBTROPICAL
) -> SampleYear:
    """Return a year of operation; the same seed gives the same year.

    Parameters
    ----------
    seed : int
    plant : DataCentrePlant or None
        The centre's own where None.
    centre : Centre
    """
    rng = np.random.default_rng([seed, centre.stream] if centre.stream else seed)
    plant = plant or centre.plant
    index = pd.date_range(f"{YEAR}-01-01", f"{YEAR}-12-31 23:00", freq="h", name="timestamp")
    weather = weather_year(rng, index, centre.climate)
    utilisation = _utilisation(rng, index, centre)
    set_points = _operation(rng, index, centre)
    truth = plant.simulate(set_points, weather, utilisation)
    truth["pv_power_kw"] = centre.pv_peak_kw * 0.85 * weather["sunshine"].clip(upper=1.0)
    export, faults = _export(rng, set_points, weather, truth)
    return SampleYear(plant, set_points, weather, utilisation, truth, export, faults)


def _utilisation(rng: np.random.Generator, index: pd.DatetimeIndex, centre: Centre) -> FloatArray:
    """Return CPU utilisation [1]: daily and weekly cycle, growth over the year, noise."""
    hour = index.hour.to_numpy(dtype=np.float64)
    weekend = (index.day_of_week.to_numpy() >= 5).astype(np.float64)
    working = centre.swing * np.cos(2 * np.pi * (hour - 15.0) / 24.0) + 0.035 * np.cos(
        4 * np.pi * (hour - 21.0) / 24.0
    )
    growth = 0.05 * np.linspace(-0.5, 0.5, len(index))
    noise = ar1(rng, len(index), 30.0, 0.03) + ar1(rng, len(index), 1.5, 0.02)
    return np.asarray(
        np.clip(centre.work + working * (1 - 0.5 * weekend) - 0.05 * weekend + growth + noise, 0.05, 0.98)
    )


def _operation(rng: np.random.Generator, index: pd.DatetimeIndex, centre: Centre) -> pd.DataFrame:
    """Return set-points: a habit per season, and step tests over the whole range in a third of the time.

    The tests are drawn without looking at weather or load, so that lever and weather can be told apart.
    """
    rows = len(index)
    winter = np.isin(index.month.to_numpy(), (12, 1, 2))
    habit = {name: np.where(winter, centre.winter[name], centre.current[name]) for name in LEVERS}
    block = np.repeat(np.arange(rows), rng.choice((6, 8, 12, 24), size=rows))[:rows]
    tested = (rng.random(block.max() + 1) < centre.tested)[block]
    columns = {}
    for name, (lower, upper) in LEVERS.items():
        steps = rng.integers(0, int(2 * (upper - lower)) + 1, size=block.max() + 1)
        columns[name] = np.where(tested, lower + 0.5 * steps[block], habit[name])
    return pd.DataFrame(columns, index=index)


def _export(
    rng: np.random.Generator, set_points: pd.DataFrame, weather: pd.DataFrame, truth: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the export with sensor noise and faults, and the list of faults."""
    rows = len(truth)
    out = set_points.copy()
    gain = {"it_power_kw": 0.003, "facility_power_kw": 0.003, "cooling_power_kw": 0.006, "ups_loss_kw": 0.01,
            "water_m3": 0.02, "pv_power_kw": 0.01}  # fmt: skip
    for name in ("outdoor_dry_bulb_c", "outdoor_wet_bulb_c", "outdoor_rh_pct"):
        out[name] = weather[name].round(1)
    for name, header in EXPORTED.items():
        value = truth[name].to_numpy()
        if name in gain:
            out[header] = (value * (1.0 + gain[name] * rng.standard_normal(rows))).round(2)
        else:
            out[header] = (value + 0.12 * rng.standard_normal(rows)).round(2)
    return _with_faults(rng, out)


def _with_faults(rng: np.random.Generator, clean: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the export with gaps, a stuck meter, spikes and impossible readings, and what was done."""
    values = {name: clean[name].to_numpy(dtype=np.float64, copy=True) for name in clean}
    rows = len(clean)
    # One place per fault, far apart, so that every fault can be recognised by itself.
    places = iter((np.arange(12) * (rows // 12) + 120 + rng.integers(0, 400, size=12)).tolist())
    log: list[dict[str, object]] = []

    def place(kind: str, column: str, length: int) -> slice:
        at = next(places)
        log.append({"kind": kind, "column": column, "start": clean.index[at], "rows": length})
        return slice(at, at + length)

    kept = np.ones(rows, dtype=bool)
    for length in (3, 31, 9):
        kept[place("rows missing", "", length)] = False
    for header, length in (("ups_loss_kw", 46), ("server_inlet_c", 14)):
        values[header][place("empty cells", header, length)] = np.nan
    stuck = place("stuck meter", "cooling_power_kw", 40)
    values["cooling_power_kw"][stuck] = values["cooling_power_kw"][stuck.start]
    for header, factor in (("facility_power_kw", 10.0), ("it_power_kw", 8.0)):
        values[header][place("spike", header, 1)] *= factor
    for header, reading in (("it_power_kw", -1.0), ("water_m3", -99.0), ("outdoor_wet_bulb_c", -999.0)):
        values[header][place("impossible reading", header, 2)] = reading
    return pd.DataFrame(values, index=clean.index)[kept], pd.DataFrame(log)
