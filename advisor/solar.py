"""Hourly photovoltaic production per kW of peak power where none was measured: modelled, clear sky.

The shape is the clear-sky global horizontal irradiance of Haurwitz (1945, *J. Meteorology* 2, 154) at the
position of the sun in the middle of each interval (pvlib), scaled so that the calendar year yields what
the site declares.
Clouds and tilt are in that yield only: sunny and dull days come out alike, so a plan on it is a plan on a
mean day. Every use is labelled modelled.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pvlib

from advisor.assets import Pv
from features.frame import FloatArray


def pv_per_kw(stamps: pd.DatetimeIndex, hours: float, pv: Pv) -> FloatArray | None:
    """Return modelled production per kW of peak power.

    Parameters
    ----------
    stamps : pandas.DatetimeIndex, shape (n,)
        UTC, start of each interval.
    hours : float
        Length of an interval [h].
    pv : Pv
        Latitude, longitude [degrees] and yearly yield [kWh/kW].

    Returns
    -------
    numpy.ndarray, shape (n,), or None
        Mean power of each interval [kW/kW]; None: place or yield were not declared.
    """
    if pv.latitude_deg is None or pv.longitude_deg is None or pv.yearly_yield_kwh_per_kw is None:
        return None
    place = (pv.latitude_deg, pv.longitude_deg)
    shape = np.zeros(len(stamps))
    sun = clear_sky_w_m2(stamps, hours, *place)
    for year in stamps.year.unique():
        whole = pd.date_range(f"{year}-01-01", f"{year + 1}-01-01", freq="h", inclusive="left", tz="UTC")
        of_year = float(clear_sky_w_m2(whole, 1.0, *place).sum())
        inside = np.asarray(stamps.year == year)
        shape[inside] = sun[inside] * pv.yearly_yield_kwh_per_kw / of_year
    return shape


def clear_sky_w_m2(
    stamps: pd.DatetimeIndex, hours: float, latitude_deg: float, longitude_deg: float
) -> FloatArray:
    """Return clear-sky global horizontal irradiance at the middle of each interval [W/m2].

    Parameters
    ----------
    stamps : pandas.DatetimeIndex, shape (n,)
        UTC, start of each interval.
    hours : float
        Length of an interval [h].
    latitude_deg, longitude_deg : float
        North and east positive [degrees].
    """
    middle = stamps + pd.Timedelta(hours=hours / 2)
    sun = pvlib.solarposition.get_solarposition(middle, latitude_deg, longitude_deg)
    sky = pvlib.clearsky.haurwitz(sun["apparent_zenith"])
    return np.asarray(sky["ghi"], dtype=np.float64)
