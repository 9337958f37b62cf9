"""Bands of a site: tomorrow's prediction, and the last days as the models or the earlier days saw them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from app.batch.prepare import DAY, Prepared, Series, floor_of
from features.errors import InsufficientDataError, ModelError
from features.message import say
from features.schema import SCHEMA
from models.data_centre import DataCentreBundle
from models.prediction import OUTPUT_COLUMNS, Prediction
from models.regime import noticed_in
from models.seasonal import seasonal_forecast

RECENT_DAYS = 7
"""How many days are judged for drift; today is the last of them."""
SEASONAL = "seasonal"
RECENT_COLUMNS = (*OUTPUT_COLUMNS, "measured", "basis")


@dataclass(frozen=True)
class Bands:
    """What was predicted for one site.

    Parameters
    ----------
    ahead : pandas.DataFrame
        `OUTPUT_COLUMNS` for tomorrow; ``unit_id`` is the station where the site holds several.
    recent : pandas.DataFrame
        `RECENT_COLUMNS` for the last `RECENT_DAYS` days: band and measured value.
    notes : tuple of (str, str)
        Code and reason of every quantity that no model answered.
    steps : tuple of pandas.Timestamp
        When steps against the models were noticed (`models.regime`), over all watched series.
    watched : int
        Series whose steps are watched: the site's own, or one for each of its stations.
    """

    ahead: pd.DataFrame
    recent: pd.DataFrame
    notes: tuple[tuple[str, str], ...] = ()
    steps: tuple[pd.Timestamp, ...] = ()
    watched: int = 0


def bands_of(prepared: Prepared, modelled: Bands | None) -> Bands:
    """Return the bands of every measured quantity: the models' where they answered, else the seasonal ones.

    Parameters
    ----------
    prepared : Prepared
    modelled : Bands or None
        What the models said; None: there are none for this site.

    Raises
    ------
    InsufficientDataError
        Nothing can be predicted: the past is too short.
    """
    parts = [] if modelled is None else [modelled]
    notes: list[tuple[str, str]] = []
    problem: InsufficientDataError | None = None
    for series in prepared.series:
        ahead = modelled is None or not _answered(modelled.ahead, series)
        recent = modelled is None or not _answered(modelled.recent, series)
        if not (ahead or recent):
            continue
        try:
            seasonal = _seasonal(prepared, series)
        except InsufficientDataError as error:
            problem = error
            notes.append((error.code, f"{series.quantity}: {error.what}"))
            continue
        nothing = pd.DataFrame(columns=list(RECENT_COLUMNS))
        parts.append(Bands(seasonal.ahead if ahead else nothing, seasonal.recent if recent else nothing))
    if not parts and problem is not None:
        raise problem
    joined = Bands(
        _stacked([p.ahead for p in parts], OUTPUT_COLUMNS),
        _stacked([p.recent for p in parts], RECENT_COLUMNS),
        tuple(dict.fromkeys((*(n for p in parts for n in p.notes), *notes))),
        tuple(s for p in parts for s in p.steps),
        sum(p.watched for p in parts),
    )
    if not joined.ahead["point"].notna().any():
        raise InsufficientDataError(
            "E-SITE-SHORT",
            say("nothing can be said about tomorrow"),
            prepared.source.path,
            say("export two weeks"),
        )
    return joined


def _answered(table: pd.DataFrame, series: Series) -> bool:
    rows = (table["unit_id"] == series.unit_id) & (table["quantity"] == series.quantity)
    return bool(table.loc[rows, "point"].notna().any())


def _stacked(tables: Sequence[pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    filled = [t for t in tables if len(t)]
    if not filled:
        return pd.DataFrame(columns=list(columns)).astype({"point": float})
    stacked = pd.concat(filled, ignore_index=True)[list(columns)]
    return stacked.sort_values(["unit_id", "quantity", "timestamp"], kind="stable").reset_index(drop=True)


# -- without a model -----------------------------------------------------------------------------
def _seasonal(prepared: Prepared, series: Series) -> Bands:
    """Return tomorrow and the last days from the series' own past."""
    step, steps = prepared.past.interval, prepared.steps_per_day
    told = seasonal_forecast(series.measured, steps, recent_days=RECENT_DAYS, floor=floor_of(series.quantity))
    grid_end = series.first + len(series.measured) * step
    after = pd.date_range(grid_end, prepared.day.next_end, freq=step, inclusive="left")
    after = after[after >= prepared.day.end]
    turn = np.arange(len(after)) % steps  # a day of 25 hours ends with the hour that it began with
    ahead = _table(prepared, series, after, told.coverage, f"{SEASONAL}: {told.name}").assign(
        point=told.ahead.point[turn], lower=told.ahead.lower[turn], upper=told.ahead.upper[turn]
    )
    count = min(RECENT_DAYS * steps, len(series.measured))
    back = pd.date_range(grid_end - count * step, periods=count, freq=step)
    recent = _table(prepared, series, back, told.coverage, SEASONAL).assign(
        point=told.recent.point[-count:],
        lower=told.recent.lower[-count:],
        upper=told.recent.upper[-count:],
        measured=series.measured[-count:],
        basis=SEASONAL,
    )
    return Bands(ahead[ahead["point"].notna()], recent[recent["point"].notna()])


def _table(
    prepared: Prepared, series: Series, stamps: pd.DatetimeIndex, coverage: float, model_id: str
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "timestamp": stamps, "site_id": prepared.source.site_id, "unit_id": series.unit_id,
            "quantity": series.quantity, "unit": SCHEMA[series.quantity].unit, "coverage": coverage,
            "in_domain": True, "tier": "fallback", "model_id": model_id,
        }
    )  # fmt: skip


# -- models --------------------------------------------------------------------------------------
def data_centre_bands(prepared: Prepared, bundle: DataCentreBundle) -> Bands:
    """Return what a data centre's models say; a task that was not trained is left out with a note."""
    past = prepared.past_as_known
    notes: list[tuple[str, str]] = []
    tables: dict[str, list[pd.DataFrame]] = {"forecast": [], "estimate": []}
    steps: list[pd.Timestamp] = []
    for task in ("forecast", "estimate"):
        telemetry = replace(past, frame=padded(past.frame, _last_step(prepared)))
        try:
            predictions, said = bundle.predict(telemetry if task == "forecast" else past, task)
        except ModelError as error:
            notes.append((error.code, error.what))
            continue
        tables[task] = [of_site(p, prepared) for p in predictions]
        steps += [moment for moment in map(noticed_in, said) if moment is not None]
    ahead = _stacked(tables["forecast"], OUTPUT_COLUMNS)
    day = prepared.day
    ahead = ahead[(ahead["timestamp"] >= day.end) & (ahead["timestamp"] < day.next_end)]
    recent = _stacked(tables["estimate"], OUTPUT_COLUMNS)
    recent = recent[(recent["timestamp"] >= day.end - RECENT_DAYS * DAY) & recent["point"].notna()]
    return Bands(
        ahead[ahead["point"].notna()],
        with_measured(recent, prepared, "estimate"),
        tuple(notes),
        tuple(steps),
        watched=int(bool(tables["estimate"])),
    )


def _last_step(prepared: Prepared) -> pd.DatetimeIndex:
    """Return the last grid point before the day that a forecast of 24 hours must reach the end of."""
    series = prepared.series[0]
    step = prepared.past.interval
    last = prepared.day.next_end - DAY - step
    return pd.DatetimeIndex([series.first + ((last - series.first) // step) * step])


def padded(frame: pd.DataFrame, stamps: pd.DatetimeIndex) -> pd.DataFrame:
    """Return the rows with empty rows of every site at `stamps` where it has none."""
    sites = frame["site_id"].unique()
    extra = pd.DataFrame(
        {
            "site_id": np.repeat(sites, len(stamps)),
            "unit_id": "",
            "timestamp": stamps[np.tile(np.arange(len(stamps)), len(sites))],
        }
    )
    keys = ["site_id", "unit_id", "timestamp"]
    there = pd.MultiIndex.from_frame(extra).isin(pd.MultiIndex.from_frame(frame[keys]))
    both = pd.concat([frame, extra[~there].reindex(columns=frame.columns).astype(frame.dtypes)])
    return both.sort_values(keys, kind="stable").reset_index(drop=True)


def of_site(prediction: Prediction, prepared: Prepared) -> pd.DataFrame:
    """Return a prediction's table under the site's own name; its telemetry's sites become units."""
    table = prediction.to_frame()
    unit = "" if prepared.stations == 1 else table["site_id"]
    return table.assign(unit_id=unit, site_id=prepared.source.site_id)


def with_measured(recent: pd.DataFrame, prepared: Prepared, basis: str) -> pd.DataFrame:
    """Return bands of past rows with the measured value beside them; NaN where it was not measured."""
    measured = np.full(len(recent), np.nan)
    stamps = recent["timestamp"]
    for series in prepared.series:
        mine = ((recent["unit_id"] == series.unit_id) & (recent["quantity"] == series.quantity)).to_numpy()
        place = ((stamps[mine] - series.first) // prepared.past.interval).to_numpy(dtype=np.int64)
        inside = (place >= 0) & (place < len(series.measured))
        found = np.full(len(place), np.nan)
        found[inside] = series.measured[place[inside]]
        measured[mine] = found
    return recent.assign(measured=measured, basis=basis)
