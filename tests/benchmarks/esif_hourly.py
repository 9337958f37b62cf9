"""Hours made from the published months of a data centre whose overhead stepped up in March 2024."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.telemetry import Telemetry, TimeZone

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "esif_monthly"
STEP = pd.Timestamp("2024-03-30T00:00", tz="UTC")
START, END = pd.Timestamp("2023-09-01", tz="UTC"), pd.Timestamp("2024-05-01", tz="UTC")
OVERHEAD_NOISE = 0.06
"""Spread of an hour's overhead about its level [1]: half of it passes within hours, half within days."""
FloatArray = npt.NDArray[np.float64]


def ar1(rng: np.random.Generator, n: int, memory: float, spread: float) -> FloatArray:
    """Return a stationary first-order autoregression."""
    shocks = rng.normal(0, spread * np.sqrt(1 - memory**2), n)
    out = np.empty(n)
    value = rng.normal(0, spread)
    for i, shock in enumerate(shocks):
        value = memory * value + shock
        out[i] = value
    return out


def esif_hours(seed: int, *, step: bool = True) -> Telemetry:
    """Return hourly IT and facility power whose monthly means are the published ones.

    Parameters
    ----------
    seed : int
    step : bool
        False: the overhead keeps the level of the months before the step.
    """
    rng = np.random.default_rng(seed)
    stamps = pd.date_range(START, END, freq="h", inclusive="left")
    n, hour = len(stamps), np.arange(len(stamps))
    months = pd.read_csv(FOLDER / "esif_pue_monthly.csv").set_index("month")
    table = pd.read_csv(FOLDER / "esif_pue_by_outdoor_temp_2019plus.csv")
    middle = [(float(low) + float(high)) / 2 for low, high in (b.split("..") for b in table["temp_band_c"])]
    month = stamps.strftime("%Y-%m")
    mean_it = (months["it_mwh"] / months["valid_hours"] * 1000).reindex(month).to_numpy(dtype=np.float64)
    it = mean_it * np.exp(ar1(rng, n, 0.995, 0.06))
    year = 2 * np.pi * (stamps.day_of_year.to_numpy() - 20) / 365
    dry = 10 - 12 * np.cos(year) + 6 * np.sin(2 * np.pi * (hour - 15) / 24) + ar1(rng, n, 0.985, 4.5)
    overhead = months["facility_mwh"] - months["it_mwh"]
    level = (overhead / months["valid_hours"] * 1000).rename("kw")
    before, after = level["2023-10":"2024-03"].mean(), level["2024-04"]
    usual = np.where((stamps >= STEP) & step, after, before)
    by_weather = np.interp(dry, middle, table["overhead_kw_mean"])
    by_weather /= by_weather.mean()
    noise = ar1(rng, n, 0.9, OVERHEAD_NOISE / np.sqrt(2)) + ar1(rng, n, 0.99, OVERHEAD_NOISE / np.sqrt(2))
    frame = pd.DataFrame(
        {
            "site_id": "esif", "unit_id": "", "timestamp": stamps, "it_power_kw": it,
            "facility_power_kw": it + usual * by_weather * np.exp(noise), "outdoor_dry_bulb_c": dry,
        }
    )  # fmt: skip
    return Telemetry(frame, pd.Timedelta("1h"), "data-centre", TimeZone("UTC", assumed=False))
