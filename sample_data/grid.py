"""Hourly grids around the samples: modelled by us, copied from nowhere.

No hourly carbon or green share of a Chinese province is published, so the samples model one: the carbon-free
share is a base (water, nuclear), sunshine and wind; what is left burns coal and gas. The yearly mean of the
carbon intensity is the site's emission factor. Prices follow a time of use with a midday valley where solar
power is plenty. All of it is an assumption.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sample_data.weather import ar1

COLUMNS = ("timestamp", "grid_cfe_share", "carbon_g_per_kwh", "price_per_kwh")


@dataclass(frozen=True)
class Grid:
    """Shares of a region's grid.

    Parameters
    ----------
    folder : str
        Folder of the sample that it surrounds.
    base, solar, wind : float
        Carbon-free share without sun and wind, at full sun, and of mean wind [1].
    mean_g_per_kwh : float
        Carbon intensity of the year [g/kWh].
    price : float
        Mean price [CNY/kWh].
    sunny : bool
        Whether the middle of the day is a valley of the price.
    stream : int
        Distinguishes its random numbers.
    """

    folder: str
    base: float
    solar: float
    wind: float
    mean_g_per_kwh: float
    price: float
    sunny: bool
    stream: int


GRIDS = (
    Grid("data_centre", 0.30, 0.18, 0.08, 441.9, 0.65, sunny=False, stream=31),
    Grid("data_centre_temperate", 0.10, 0.40, 0.14, 600.0, 0.62, sunny=True, stream=32),
    Grid("data_centre_cold", 0.06, 0.38, 0.34, 650.0, 0.38, sunny=True, stream=33),
)


def hourly_grid(grid: Grid, sunshine: pd.Series, seed: int) -> pd.DataFrame:
    """Return a year of a grid.

    Parameters
    ----------
    grid : Grid
    sunshine : pandas.Series, shape (rows,)
        Irradiance over 1 kW/m2 [1], indexed by local standard time, hourly.
    seed : int

    Returns
    -------
    pandas.DataFrame, shape (rows, 4)
        `COLUMNS`: stamps with their offset, shares [1], carbon [g/kWh] and price [CNY/kWh].
    """
    rng = np.random.default_rng([seed, grid.stream])
    index = pd.DatetimeIndex(sunshine.index)
    hour = index.hour.to_numpy()
    sun = sunshine.rolling(3, center=True, min_periods=1).mean().clip(upper=1.0).to_numpy()
    wind = np.exp(ar1(rng, len(index), 22.0, 0.55) - 0.15)
    share = np.clip(grid.base + grid.solar * sun + grid.wind * wind, 0.02, 0.97).round(4)
    carbon = (1.0 - share) * grid.mean_g_per_kwh / (1.0 - share.mean())
    peak, valley = ((hour >= 16) & (hour < 22)), (hour < 7)
    level = np.where(peak, 1.55, np.where(valley, 0.55, 1.0))
    if grid.sunny:
        level = np.where((hour >= 11) & (hour < 14), 0.45, level)
    else:
        level = np.where((hour >= 10) & (hour < 12), 1.55, level)
    price = grid.price * level / level.mean()
    stamps = index.strftime("%Y-%m-%dT%H:%M+08:00")
    table = {"timestamp": stamps, "grid_cfe_share": share, "carbon_g_per_kwh": carbon.round(1)}
    return pd.DataFrame({**table, "price_per_kwh": price.round(4)})
