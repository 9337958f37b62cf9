"""What-if: the sliders of one site over one week of its export."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from advisor.site import Site
from advisor.what_if import WhatIfModel
from features.errors import InsufficientDataError
from features.message import say
from features.telemetry import Telemetry
from models.bundle import Bundle

HOURS = 168.0
MEASURED_SHARE = 0.9
"""A week counts where so much of it was measured [1]."""

STATION_METERS = ("station_energy_kwh", "station_power_w", "station_energy_rel")

WeekName = Literal["last", "warmest", "coldest"]


@dataclass(frozen=True)
class Week:
    """A window of the export, UTC, end exclusive."""

    name: WeekName
    start: pd.Timestamp
    end: pd.Timestamp


def weeks(telemetry: Telemetry, *, hours: float = HOURS) -> tuple[Week, ...]:
    """Return the last measured week and, where the weather is known, the warmest and the coldest.

    Parameters
    ----------
    telemetry : Telemetry
        One data centre, or a fleet of base stations.
    hours : float
        Length of the windows [h]; they begin at local midnight.

    Raises
    ------
    InsufficientDataError
        Code E-WHAT-IF-EMPTY: no power was measured.
    """
    measured, weather = _measured(telemetry)
    seen = measured[measured]
    if seen.empty:
        raise InsufficientDataError(
            "E-WHAT-IF-EMPTY",
            say("no step with measured power is in the export"),
            "",
            say("export the power meters at the same interval as the rest"),
        )
    length = pd.Timedelta(hours=hours)
    grid = pd.DatetimeIndex(measured.index)
    local = telemetry.local(grid)
    end = pd.DatetimeIndex(seen.index)[-1] + telemetry.interval
    starts = grid[(local.hour == 0) & (local.minute == 0) & (grid <= end - length)]
    if not len(starts):
        return (Week("last", grid[0], end),)
    share = _over_window(measured.astype(np.float64), length, telemetry.interval).reindex(starts)
    good = starts[(share >= MEASURED_SHARE).to_numpy()]
    last = good[-1] if len(good) else starts[-1]
    found = [Week("last", last, last + length)]
    if weather is not None and len(good) > 1:
        mean = _over_window(weather, length, telemetry.interval).reindex(good).to_numpy()
        if np.isfinite(mean).any():
            for name, at in (("warmest", np.nanargmax(mean)), ("coldest", np.nanargmin(mean))):
                start = good[int(at)]
                found.append(Week("warmest" if name == "warmest" else "coldest", start, start + length))
    return tuple(found)


def _over_window(values: pd.Series, length: pd.Timedelta, interval: pd.Timedelta) -> pd.Series:
    """Return the mean over the window that begins at each step; what is missing does not count."""
    steps = max(round(length / interval), 1)
    return values.rolling(steps, min_periods=1).mean().shift(1 - steps)


def what_if_model(
    telemetry: Telemetry, bundle: Bundle, site: Site | None, *, week: Week | None = None, seed: int = 0
) -> WhatIfModel:
    """Return the sliders of a site.

    Parameters
    ----------
    telemetry : Telemetry
    bundle : Bundle
    site : Site or None
    week : Week or None
        One of `weeks`; None: the last one.
    seed : int

    Raises
    ------
    features.errors.AdvisorError
        The export lacks what sliders of this kind need.
    """
    chosen = week or weeks(telemetry)[0]
    window = (chosen.start, chosen.end)
    if telemetry.kind == "data-centre":
        from advisor.what_if_case import data_centre_what_if  # noqa: PLC0415 - one kind in use

        return data_centre_what_if(telemetry, bundle, site, window, seed=seed)
    from advisor.what_if_sleep import sleep_what_if  # noqa: PLC0415

    return sleep_what_if(telemetry, bundle, site, window, seed=seed)


def _measured(telemetry: Telemetry) -> tuple[pd.Series, pd.Series | None]:
    """Return, per step of the export, whether power was measured, and the outdoor temperature."""
    names = ["facility_power_kw", "it_power_kw"]
    if telemetry.kind == "base-station":
        names = [
            n for n in ("station_energy_kwh", "station_power_w", "station_energy_rel") if n in telemetry.frame
        ]
    rows = telemetry.frame[telemetry.frame["unit_id"] == ""]
    missing = [n for n in names if n not in rows]
    if missing or not names:
        return pd.Series(dtype=bool), None
    known = rows[names].notna()
    hit = (known.all(axis=1) if telemetry.kind == "data-centre" else known.any(axis=1)).astype(np.float64)
    grid = pd.date_range(rows["timestamp"].min(), rows["timestamp"].max(), freq=telemetry.interval)
    share = hit.groupby(rows["timestamp"]).max().reindex(grid, fill_value=0.0) > 0
    if "outdoor_dry_bulb_c" not in rows:
        return share, None
    return share, rows.groupby("timestamp")["outdoor_dry_bulb_c"].mean().reindex(grid)
