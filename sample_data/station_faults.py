"""Faulty exports of one base station: hourly load, sleep, power and energy with one thing wrong."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

DAYS = 20
StationFault = Literal["sleep", "no energy", "energy unit", "no load"]


def station_fault(fault: StationFault, seed: int) -> pd.DataFrame:
    """Return twenty days of one station as its network manager exports them.

    Parameters
    ----------
    fault : {"sleep", "no energy", "energy unit", "no load"}
        Asleep with traffic for 4 h, an energy of zero for 5 h, Wh under a header that says kWh, or a second
        station of which only the energy was exported.
    seed : int

    Returns
    -------
    pandas.DataFrame, shape (480, 6) or, of two stations, (960, 6)
    """
    rng = np.random.default_rng([seed, 43])
    index = pd.date_range("2025-10-13", periods=24 * DAYS, freq="h")
    hour = index.hour.to_numpy(dtype=np.float64)
    load = np.clip(
        0.25 + 0.2 * np.sin((hour - 9.0) / 24 * 2 * np.pi) + 0.04 * rng.standard_normal(len(hour)), 0.02, 1
    )
    asleep = np.where(load < 0.08, 1.0, 0.0)
    power = (650.0 + 900.0 * load - 180.0 * asleep) * (1.0 + 0.01 * rng.standard_normal(len(hour)))
    energy = power / 1000.0
    if fault == "sleep":
        load[300:304], asleep[300:304] = 0.8, 1.0
    if fault == "no energy":
        energy[[110, 111, 112, 113, 114]] = 0.0
        power[[110, 111, 112, 113, 114]] = np.nan
    if fault == "energy unit":
        energy = energy * 1000.0
    table = pd.DataFrame(
        {
            "Start Time (UTC)": index.strftime("%Y-%m-%d %H:%M"),
            "Site": "S001",
            "DL PRB Usage Rate(%)": (100.0 * load).round(2),
            "Sleep Mode 1": asleep,
            "Average Power (W)": power.round(1),
            "Energy Consumption (kWh)": energy.round(4),
        }
    )
    if fault == "no load":
        bare = table.assign(Site="S002")
        bare[["DL PRB Usage Rate(%)", "Sleep Mode 1"]] = np.nan
        return pd.concat([table, bare], ignore_index=True)
    return table
