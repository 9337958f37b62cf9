"""Synthetic weather of three climates: no measured series is copied.

Dry bulb = annual and daily cosine + two AR(1) processes (fronts over days, noise over hours); the dew
point follows the daily mean with its own AR(1) depression; sunshine is the solar geometry times a cloud
process. Amplitudes are assumptions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]

PSYCHROMETER_PER_K = 6.62e-4
"""Psychrometer coefficient of a ventilated wet bulb [1/K] (WMO Guide No. 8)."""


@dataclass(frozen=True)
class Climate:
    """What a year of weather is made from; all figures are assumptions of plausible size.

    Parameters
    ----------
    mean_c, season_k, daily_k : float
        Mean of the year [degC]; half swing of the year and of a clear day [K].
    fronts_k, fronts_season_k : float
        Deviation of the days around the season, and how much less it is in summer [K].
    depression_k, depression_season_k, depression_spread_k : float
        Dew point below the daily mean, how much less it is in summer, and its deviation [K].
    summer_cloud : float
        Cloudiness of the summer over that of the winter [1].
    pressure_kpa : float
        Mean air pressure [kPa].
    latitude_deg : float
        [degrees north]
    """

    mean_c: float = 21.5
    season_k: float = 8.0
    daily_k: float = 4.2
    fronts_k: float = 2.2
    fronts_season_k: float = 1.0
    depression_k: float = 4.2
    depression_season_k: float = 1.4
    depression_spread_k: float = 1.6
    summer_cloud: float = 0.35
    pressure_kpa: float = 100.6
    latitude_deg: float = 24.0


HUMID_SUBTROPICAL = Climate()
TEMPERATE = Climate(
    mean_c=14.0, season_k=12.0, daily_k=5.0, fronts_k=3.2, fronts_season_k=1.2, depression_k=6.5,
    depression_season_k=2.5, depression_spread_k=2.0, summer_cloud=0.2, pressure_kpa=101.0, latitude_deg=36.0,
)  # fmt: skip
COLD_DRY = Climate(
    mean_c=4.5, season_k=15.5, daily_k=6.5, fronts_k=4.0, fronts_season_k=1.5, depression_k=11.0,
    depression_season_k=2.0, depression_spread_k=2.2, summer_cloud=0.1, pressure_kpa=87.0, latitude_deg=41.0,
)  # fmt: skip


def ar1(rng: np.random.Generator, rows: int, memory_h: float, deviation: float) -> FloatArray:
    """Return a stationary AR(1) series.

    Parameters
    ----------
    rng : numpy.random.Generator
    rows : int
        Length [h].
    memory_h : float
        Time constant [h].
    deviation : float
        Standard deviation [unit of the series].

    Returns
    -------
    numpy.ndarray, shape (rows,)
    """
    phi = np.exp(-1.0 / memory_h)
    # A truncated moving average of white noise is the same process and needs no loop over rows.
    length = int(8 * memory_h) + 1
    kernel = phi ** np.arange(length)
    kernel /= np.sqrt((kernel**2).sum())
    noise = rng.standard_normal(rows + length - 1)
    size = 1 << int(np.ceil(np.log2(rows + 2 * length)))
    filtered = np.fft.irfft(np.fft.rfft(noise, size) * np.fft.rfft(kernel, size), size)
    return np.asarray(deviation * filtered[length - 1 : length - 1 + rows], dtype=np.float64)


def vapour_pressure_kpa(temperature_c: FloatArray) -> FloatArray:
    """Return the saturation pressure over water [kPa] at a temperature [degC] (Magnus form, WMO No. 8)."""
    return np.asarray(0.6112 * np.exp(17.62 * temperature_c / (243.12 + temperature_c)), dtype=np.float64)


def wet_bulb_c(
    dry_bulb_c: FloatArray, vapour_kpa: FloatArray, pressure_kpa: float = HUMID_SUBTROPICAL.pressure_kpa
) -> FloatArray:
    """Return the wet bulb [degC] that solves ``e_s(t) - A p (T - t) = e`` (WMO No. 8), by Newton steps.

    Parameters
    ----------
    dry_bulb_c : numpy.ndarray, shape (rows,)
        Dry bulb [degC].
    vapour_kpa : numpy.ndarray, shape (rows,)
        Vapour pressure [kPa].
    pressure_kpa : float
        Air pressure [kPa].
    """
    wet = dry_bulb_c.copy()
    for _ in range(8):
        saturated = vapour_pressure_kpa(wet)
        slope = saturated * 17.62 * 243.12 / (243.12 + wet) ** 2 + PSYCHROMETER_PER_K * pressure_kpa
        error = saturated - PSYCHROMETER_PER_K * pressure_kpa * (dry_bulb_c - wet) - vapour_kpa
        wet = wet - error / slope
    return np.minimum(wet, dry_bulb_c)


def weather_year(
    rng: np.random.Generator, index: pd.DatetimeIndex, climate: Climate = HUMID_SUBTROPICAL
) -> pd.DataFrame:
    """Return hourly weather.

    Parameters
    ----------
    rng : numpy.random.Generator
    index : pandas.DatetimeIndex
        Local standard time, hourly.
    climate : Climate

    Returns
    -------
    pandas.DataFrame, shape (rows, 4)
        ``outdoor_dry_bulb_c``, ``outdoor_wet_bulb_c`` [degC], ``outdoor_rh_pct`` [%],
        ``sunshine`` [1]: irradiance on a tilted roof over 1 kW/m2.
    """
    rows, c = len(index), climate
    day = index.day_of_year.to_numpy(dtype=np.float64)
    hour = index.hour.to_numpy(dtype=np.float64)
    season = np.cos(2 * np.pi * (day - 203.0) / 365.25)
    cloud = 1.0 / (1.0 + np.exp(-1.4 * (ar1(rng, rows, 18.0, 1.0) + c.summer_cloud * season)))
    daily = np.cos(2 * np.pi * (hour - 15.0) / 24.0)
    fronts = ar1(rng, rows, 60.0, 1.0) * (c.fronts_k - c.fronts_season_k * season)
    mean = c.mean_c + c.season_k * season + fronts
    dry = mean + daily * c.daily_k * (1.15 - 0.6 * cloud) + ar1(rng, rows, 3.0, 0.35)
    spread = ar1(rng, rows, 30.0, c.depression_spread_k)
    depression = np.maximum(
        c.depression_k - c.depression_season_k * season - 2.5 * (cloud - 0.5) + spread, 0.3
    )
    vapour = np.minimum(vapour_pressure_kpa(mean - depression), 0.99 * vapour_pressure_kpa(dry))
    return pd.DataFrame(
        {
            "outdoor_dry_bulb_c": dry,
            "outdoor_wet_bulb_c": wet_bulb_c(dry, vapour, c.pressure_kpa),
            "outdoor_rh_pct": 100.0 * vapour / vapour_pressure_kpa(dry),
            "sunshine": _clear_sky(day, hour, c.latitude_deg) * (1.0 - 0.75 * cloud**1.5),
        },
        index=index,
    )


def _clear_sky(day: FloatArray, hour: FloatArray, latitude_deg: float) -> FloatArray:
    """Return clear-sky irradiance over 1 kW/m2 [1] at mid-hour (Haurwitz form)."""
    declination = np.deg2rad(23.45) * np.sin(2 * np.pi * (day - 81.0) / 365.0)
    angle = np.deg2rad(15.0) * (hour + 0.5 - 12.0)
    latitude = np.deg2rad(latitude_deg)
    elevation = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(
        angle
    )
    up = np.maximum(elevation, 0.01)
    return np.where(elevation > 0.01, 1.098 * up * np.exp(-0.057 / up), 0.0)
