"""Weather forecasts that a user brings, laid onto the steps of a series: only what was issued in time."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.errors import UsageError
from features.frame import FloatArray
from features.message import say
from models.day_ahead import IntArray

TIME, ISSUED = "timestamp", "issued"


def issued_forecasts(table: pd.DataFrame, stamps: pd.DatetimeIndex, day: IntArray) -> dict[str, FloatArray]:
    """Return the forecasts that were known when each step's day began.

    Parameters
    ----------
    table : pandas.DataFrame
        ``timestamp`` (UTC, start of the step that is forecast), numeric columns such as wind speed [m/s],
        irradiance [W/m2] or temperature [°C], and, where known, ``issued`` (UTC). Without ``issued`` the
        user vouches that every row was issued before its day began.
    stamps : pandas.DatetimeIndex, shape (n,)
        UTC, start of each step.
    day : numpy.ndarray of int, shape (n,)
        Day of each step.

    Returns
    -------
    dict of str to numpy.ndarray, shape (n,)
        The newest row issued in time; NaN where there is none.

    Raises
    ------
    UsageError
        ``E-WEATHER-FORECAST``: a column is missing, or two rows of one step claim to be in time and nothing
        tells which is newer.
    """
    numbers = [
        c for c in table.columns if c not in (TIME, ISSUED) and pd.api.types.is_numeric_dtype(table[c])
    ]
    if TIME not in table or not numbers:
        raise UsageError(
            "E-WEATHER-FORECAST", say("a weather forecast needs times and a column of numbers"),
            ", ".join(map(str, table.columns)),
            say("add the column {column} (UTC) and the forecast values", column=TIME),
        )  # fmt: skip
    begins = pd.Series(stamps).groupby(np.asarray(day)).transform("min")
    steps = pd.DataFrame({TIME: stamps, "begins": begins.to_numpy(), "step": np.arange(len(stamps))})
    rows = table[[c for c in (TIME, ISSUED) if c in table] + numbers].merge(steps, on=TIME)
    keys = ["step"]
    if ISSUED in table:
        rows = rows[rows[ISSUED] <= rows["begins"]].sort_values(["step", ISSUED])
        keys = ["step", ISSUED]
    if rows.duplicated(keys).any():
        raise UsageError(
            "E-WEATHER-FORECAST", say("the weather forecast holds a step twice"),
            str(rows.loc[rows.duplicated(keys), TIME].iloc[0]),
            say("add the column {column} (UTC) of the issue time", column=ISSUED),
        )  # fmt: skip
    newest = rows.drop_duplicates("step", keep="last").set_index("step")[numbers]
    aligned = newest.reindex(np.arange(len(stamps)))
    return {name: aligned[name].to_numpy(dtype=np.float64) for name in numbers}
