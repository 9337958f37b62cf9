"""The sample data centre before and after a change, with the truth: what it would have used as before."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from features.telemetry import Telemetry, TimeZone
from sample_data.data_centre import CURRENT, SampleYear, data_centre_year

ZONE, WATER = "zone_set_point_c", "chilled_water_set_point_c"
BEFORE = ("2025-05-01", "2025-08-01")
AFTER = ("2025-06-10", "2025-07-10")
METERS = ["it_power_kw", "facility_power_kw", "cooling_power_kw", "server_inlet_temp_c"]
WEATHER = ["outdoor_dry_bulb_c", "outdoor_wet_bulb_c"]
NOISE = 0.003
"""Relative error of the meters [1]."""


@cache
def year(seed: int) -> SampleYear:
    """Return a sample year: 7 is the weather and work before the change, others come after it."""
    return data_centre_year(seed)


@dataclass(frozen=True)
class Period:
    """What an operator exports of a period, and what the facility really used [kWh]."""

    table: pd.DataFrame
    energy_kwh: float

    def telemetry(self, *drop: str) -> Telemetry:
        """Return the export without some columns."""
        frame = self.table.drop(columns=list(drop)).reset_index(drop=True)
        return Telemetry(frame, pd.Timedelta(hours=1), "data-centre", TimeZone("UTC", assumed=False))


def period(
    seed: int = 7,
    window: tuple[str, str] = BEFORE,
    *,
    work: float = 1.0,
    years_later: int = 0,
    **set_points: float | np.ndarray,
) -> Period:
    """Return a period at the current set-points but those given.

    ``work`` scales the utilisation; `years_later` moves the stamps by that many times 364 days, which keeps
    the days of the week.
    """
    given = year(seed)
    index = given.set_points.index
    rows = (index >= window[0]) & (index < window[1])
    levers = pd.DataFrame({**CURRENT, **set_points}, index=index[rows])
    used = work * given.utilisation[rows]
    run = given.plant.simulate(levers, given.weather[rows], used)
    rng = np.random.default_rng(seed)
    meters = run[METERS] * (1 + NOISE * rng.standard_normal((len(run), 4)) * [1, 1, 1, 0])
    table = pd.concat([levers, meters, given.weather.loc[rows, WEATHER]], axis=1)
    table["cpu_utilisation"] = used
    stamps = (table.index + pd.Timedelta(days=364 * years_later)).tz_localize("UTC")
    table.insert(0, "timestamp", stamps)
    table.insert(0, "unit_id", "")
    table.insert(0, "site_id", "dc")
    return Period(table, float(run["facility_power_kw"].sum()))


def after(seed: int = 8, window: tuple[str, str] = AFTER, **changes: float) -> Period:
    """Return a period of the year after."""
    return period(seed, window, years_later=1, **changes)


def true_saving_pct(done: Period, **changes: float) -> float:
    """Return what a period saved against the same weather and work at the current set-points [%]."""
    kept = {name: value for name, value in changes.items() if name not in CURRENT}
    return 100 * (1 - done.energy_kwh / after(**kept).energy_kwh)
