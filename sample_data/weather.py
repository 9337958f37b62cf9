"""Synthetic weather of a warm, humid place near 24 degrees north: no measured series is copied.

Dry bulb = annual and daily cosine + two AR(1) processes (fronts over days, noise over hours); the dew
point follows the daily mean with its own AR(1) depression; sunshine is the solar geometry times a cloud
process. Amplitudes are assumptions.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]

PRESSURE_KPA = 100.6
PSYCHROMETER_PER_K = 6.62e-4
"""Psychrometer coefficient of a ventilated wet bulb [1/K] (WMO Guide No. 8)."""


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


def wet_bulb_c(dry_bulb_c: FloatArray, vapour_kpa: FloatArray) -> FloatArray:
    """Return the wet bulb [degC] that solves ``e_s(t) - A p (T - t) = e`` (WMO No. 8), by Newton steps.

    Parameters
    ----------
    dry_bulb_c : numpy.ndarray, shape (rows,)
        Dry bulb [degC].
    vapour_kpa : numpy.ndarray, shape (rows,)
        Vapour pressure [kPa].
    """
    wet = dry_bulb_c.copy()
    for _ in range(8):
        saturated = vapour_pressure_kpa(wet)
        slope = saturated * 17.62 * 243.12 / (243.12 + wet) ** 2 + PSYCHROMETER_PER_K * PRESSURE_KPA
        error = saturated - PSYCHROMETER_PER_K * PRESSURE_KPA * (dry_bulb_c - wet) - vapour_kpa
        wet = wet - error / slope
    return np.minimum(wet, dry_bulb_c)


def weather_year(rng: np.random.Generator, index: pd.DatetimeIndex) -> pd.DataFrame:
    """Return hourly weather.

    Parameters
    ----------
    rng : numpy.random.Generator
    index : pandas.DatetimeIndex
        Local standard time, hourly.

    Returns
    -------
    pandas.DataFrame, shape (rows, 4)
        ``outdoor_dry_bulb_c``, ``outdoor_wet_bulb_c`` [degC], ``outdoor_rh_pct`` [%],
        ``sunshine`` [1]: irradiance on a tilted roof over 1 kW/m2.
    """
    rows = len(index)
    day = index.day_of_year.to_numpy(dtype=np.float64)
    hour = index.hour.to_numpy(dtype=np.float64)
    season = np.cos(2 * np.pi * (day - 203.0) / 365.25)
    cloud = 1.0 / (1.0 + np.exp(-1.4 * (ar1(rng, rows, 18.0, 1.0) + 0.35 * season)))
    daily = np.cos(2 * np.pi * (hour - 15.0) / 24.0)
    mean = 21.5 + 8.0 * season + ar1(rng, rows, 60.0, 1.0) * (2.2 - 1.0 * season)
    dry = mean + daily * 4.2 * (1.15 - 0.6 * cloud) + ar1(rng, rows, 3.0, 0.35)
    depression = np.maximum(4.2 - 1.4 * season - 2.5 * (cloud - 0.5) + ar1(rng, rows, 30.0, 1.6), 0.3)
    vapour = np.minimum(vapour_pressure_kpa(mean - depression), 0.99 * vapour_pressure_kpa(dry))
    return pd.DataFrame(
        {
            "outdoor_dry_bulb_c": dry,
            "outdoor_wet_bulb_c": wet_bulb_c(dry, vapour),
            "outdoor_rh_pct": 100.0 * vapour / vapour_pressure_kpa(dry),
            "sunshine": _clear_sky(day, hour) * (1.0 - 0.75 * cloud**1.5),
        },
        index=index,
    )


def _clear_sky(day: FloatArray, hour: FloatArray, latitude_deg: float = 24.0) -> FloatArray:
    """Return clear-sky irradiance over 1 kW/m2 [1] at mid-hour (Haurwitz form)."""
    declination = np.deg2rad(23.45) * np.sin(2 * np.pi * (day - 81.0) / 365.0)
    angle = np.deg2rad(15.0) * (hour + 0.5 - 12.0)
    latitude = np.deg2rad(latitude_deg)
    elevation = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(
        angle
    )
    up = np.maximum(elevation, 0.01)
    return np.where(elevation > 0.01, 1.098 * up * np.exp(-0.057 / up), 0.0)
