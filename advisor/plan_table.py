"""The table that ``advisor advise`` writes as ``plan.csv``, and what made it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from advisor.plan import PLAN_COLUMNS
from features.schema import SCHEMA
from features.telemetry import Telemetry
from models.store import package_versions


def plan_table(schedule: pd.DataFrame, telemetry: Telemetry) -> pd.DataFrame:
    """Return `PLAN_COLUMNS` of a schedule.

    Parameters
    ----------
    schedule : pandas.DataFrame
        ``timestamp`` (UTC), ``site_id``, ``unit_id``, ``lever``, ``current``, ``recommended`` [lever's unit].
    telemetry : Telemetry
        Gives the zone of ``local_timestamp``.
    """
    local = telemetry.local(pd.DatetimeIndex(schedule["timestamp"]))
    # without a known zone the stamp is wall-clock time and gets no offset
    text = (
        local.map(lambda s: s.isoformat())
        if telemetry.zone.known
        else local.tz_localize(None).strftime("%Y-%m-%dT%H:%M:%S")
    )
    units = schedule["lever"].map(lambda name: SCHEMA[name].unit)
    table = schedule.assign(local_timestamp=np.asarray(text), unit=units)
    return table[list(PLAN_COLUMNS)].reset_index(drop=True)


def advice_provenance(
    telemetry: Telemetry,
    *,
    data_hash: str,
    window: tuple[pd.Timestamp, pd.Timestamp],
    seed: int,
    model_id: str,
) -> dict[str, str]:
    """Return what made an advice: data span and hash, window, zone, version, seed, model."""
    start, end = telemetry.span
    return {
        "data_start": start.isoformat(),
        "data_end": end.isoformat(),
        "data_hash": data_hash,
        "window_start": window[0].isoformat(),
        "window_end": window[1].isoformat(),
        "zone": telemetry.zone.name + (" (assumed)" if telemetry.zone.assumed else ""),
        "version": package_versions()["energy-advisor"],
        "seed": str(seed),
        "model_id": model_id,
    }
