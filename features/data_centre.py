"""Features of a data centre: one builder for training and scoring.

Three tasks, three sets of inputs. *Estimate*: weather, set-points, load, plant temperatures and
flows of the same step, calendar; never a power meter beyond the load itself, never the target's
past. *Forecast*: only what is known a day ahead. The target's past stands apart, for baselines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from features.errors import InsufficientDataError, ModelError
from features.frame import FeatureFrame, FloatArray
from features.levers import AIR_LEVERS, PLANT_LEVERS, WATER_LEVERS
from features.message import Message, say
from features.psychrometrics import wet_bulb
from features.schema import SCHEMA
from features.telemetry import Telemetry

QUANTITIES = ("facility_power_kw", "it_power_kw", "cooling_power_kw", "pue")
"""What can be predicted, in the order of reports."""

WEATHER = (
    "outdoor_dry_bulb_c",
    "outdoor_wet_bulb_c",
    "outdoor_dew_point_c",
    "outdoor_rh_pct",
    "wind_speed_m_s",
    "air_pressure_kpa",
)
WET_BULBS = ("outdoor_wet_bulb_c", "wet_bulb_from_rh_c")
LEVERS = (*AIR_LEVERS, *WATER_LEVERS, *PLANT_LEVERS)
LOADS = ("it_power_kw", "thermal_load_kw", "cpu_utilisation")
PLANT = (
    "supply_air_temp_c",
    "room_air_temp_c",
    "server_inlet_temp_c",
    "chilled_water_supply_temp_c",
    "chilled_water_return_temp_c",
    "condenser_water_temp_c",
    "chilled_water_flow_l_s",
)
CHANGING = ("outdoor_dry_bulb_c", "outdoor_wet_bulb_c", *LEVERS, *LOADS, *PLANT)
"""Inputs of an estimate whose change over the hours before matters: rooms, water and towers take time."""
CHANGE_HOURS = (1, 2)

MEMORY_HOURS = (12, 24, 48, 72)
"""Over which a trailing mean of the wet bulb says what water, basins and walls still remember."""
LOAD_HOURS = (6, 24)
"""Over which trailing means of load and set-points say the same."""

COOLING_METERS = (
    "chiller_power_kw",
    "tower_fan_power_kw",
    "pump_power_kw",
    "fan_power_kw",
    "dx_power_kw",
    "evaporative_power_kw",
)
"""Parts of the cooling power that exports may meter apart."""
LEAST_METERED = 0.9
"""Share of the rows with a target in which a meter must have a value to teach."""

UNIT_LOADS = ("thermal_load_kw",)
"""Loads that units of the site (chillers) may show apart: which of them runs decides what the plant draws."""
UNIT_MARK = "@"

HORIZON = pd.Timedelta(hours=24)
"""How far ahead a forecast looks: nothing younger than this is known to it."""

ANCHOR = "target_week_mean"
"""Feature that carries the level of a forecast: the mean of the week that ended a day before."""
YESTERDAY = "target_yesterday"
"""Feature that carries level and shape of a forecast: the value of the same time a day before."""
CALENDAR = ("hour_sin", "hour_cos", "hour", "day_of_week", "weekend")
STEPS = (
    "yesterday_from_two_days_ago",
    "yesterday_from_last_week",
    "yesterday_from_day_mean",
    "day_mean_from_day_before",
    "day_mean_from_week_mean",
)
"""Features of a forecast that are differences of past values: their size does not follow the season."""

ForecastOrEstimate = Literal["estimate", "forecast"]
TASKS: tuple[ForecastOrEstimate, ...] = ("estimate", "forecast")


@dataclass(frozen=True)
class Recipe:
    """Which telemetry columns feed a model; stored with it, so that scoring builds the same frame.

    Parameters
    ----------
    quantity : str
    task : {"estimate", "forecast"}
    columns : tuple of str
        Canonical columns taken from the telemetry; ``column@unit`` is that of one unit.
    meters : tuple of str
        Power meters of parts of the quantity: they teach and are not stored, for scoring needs none.
    """

    quantity: str
    task: ForecastOrEstimate
    columns: tuple[str, ...]
    meters: tuple[str, ...] = ()


def supported_quantities(telemetry: Telemetry, least_rows: int = 200) -> list[str]:
    """Return the quantities measured in at least `least_rows` rows of the site itself."""
    series = telemetry.frame[telemetry.frame["unit_id"] == ""]
    return [q for q in QUANTITIES if int(measured_quantity(series, q).notna().sum()) >= least_rows]


def recipe_for(telemetry: Telemetry, quantity: str, task: ForecastOrEstimate) -> Recipe:
    """Choose the inputs that the telemetry offers for a quantity.

    Raises
    ------
    InsufficientDataError
        An estimate without load and without weather would be a guess; a forecast cannot be finer
        than the export.
    """
    if task == "forecast" and telemetry.interval > HORIZON:
        raise InsufficientDataError(
            "E-FORECAST-STEP",
            say(
                "steps of {interval} are longer than the {horizon} that a forecast looks ahead",
                interval=telemetry.interval,
                horizon=HORIZON,
            ),
            Message.joined(", ", telemetry.site_ids[:3]),
            say("export hourly values"),
        )
    wanted = (*WEATHER, *LEVERS, *LOADS, *(PLANT if task == "estimate" else ()))
    columns = tuple(c for c in wanted if c != quantity and telemetry.has(c))
    if task == "estimate":
        columns += unit_loads_of(telemetry, columns)
    if task == "estimate" and not columns:
        raise InsufficientDataError(
            "E-NO-INPUTS",
            say(
                "{quantity} cannot be estimated: the export holds neither weather, set-points nor a load",
                quantity=quantity,
            ),
            Message.joined(", ", telemetry.site_ids[:3]),
            say("export weather and a load meter together with the power"),
        )
    return Recipe(quantity, task, columns, meters_of(telemetry, quantity) if task == "estimate" else ())


def meters_of(telemetry: Telemetry, quantity: str) -> tuple[str, ...]:
    """Return the meters that divide a quantity into parts; none with fewer than two of the cooling's.

    What no meter shows is a part too; that of facility power and PUE may be divided by the losses' meter.
    """
    if quantity not in ("facility_power_kw", "pue", "cooling_power_kw"):
        return ()
    series = telemetry.frame[telemetry.frame["unit_id"] == ""]
    known = measured_quantity(series, quantity).notna()

    def metered(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(n for n in names if n in series and series.loc[known, n].notna().mean() >= LEAST_METERED)

    parts = metered(COOLING_METERS)
    if len(parts) < 2:
        return ()
    return parts if quantity == "cooling_power_kw" else parts + metered(("ups_loss_kw",))


def unit_loads_of(telemetry: Telemetry, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return ``column@unit`` of every unit with a load of its own, for the loads among `columns`."""
    frame = telemetry.frame
    return tuple(
        f"{column}{UNIT_MARK}{unit}"
        for column in UNIT_LOADS
        if column in columns and column in frame
        for unit in sorted(str(u) for u in frame.loc[frame[column].notna(), "unit_id"].unique() if str(u))
    )


def build(telemetry: Telemetry, recipe: Recipe) -> FeatureFrame:
    """Build the features of every row of the sites themselves (unit ``""``).

    A forecast also gets rows for the `HORIZON` after the data's end.

    Parameters
    ----------
    telemetry : Telemetry
    recipe : Recipe

    Returns
    -------
    FeatureFrame
        Rows sorted by site and time; the target is NaN where it was not measured.

    Raises
    ------
    ModelError
        The telemetry lacks a column of the recipe; the message names all of them.
    """
    of_units = set(unit_loads_of(telemetry, recipe.columns))
    missing = [
        c for c in recipe.columns if c not in (of_units if UNIT_MARK in c else telemetry.frame.columns)
    ]
    if missing:
        raise ModelError(
            "E-MODEL-INPUTS",
            say(
                "the export lacks columns that the model of {quantity} needs: {missing}",
                quantity=recipe.quantity,
                missing=Message.joined(", ", missing),
            ),
            Message.joined(", ", telemetry.site_ids[:3]),
            say("export these columns too, or train a model on such exports"),
        )
    sites = [s for s in telemetry.site_ids if len(telemetry.site_series(s))]
    if not sites:
        raise ModelError(
            "E-MODEL-INPUTS",
            say("the export holds rows of units only, none of the site itself"),
            Message.joined(", ", telemetry.site_ids[:3]),
            say("export the site's own meters too"),
        )
    parts = [_build_site(telemetry, site, recipe) for site in sites]
    keys, inputs, target, past, meters = (
        pd.concat([p[i] for p in parts], ignore_index=True) for i in range(5)
    )
    return FeatureFrame(
        keys=keys, X=inputs, quantity=recipe.quantity, y=target["y"], baselines=past,
        meters=meters if recipe.meters else None,
    )  # fmt: skip


def _build_site(telemetry: Telemetry, site: str, recipe: Recipe) -> tuple[pd.DataFrame, ...]:
    """Return keys, inputs, target, past values and meters of one site, row by row."""
    measured = telemetry.site_series(site)
    step = telemetry.interval
    end = measured.index[-1] + (HORIZON if recipe.task == "forecast" else pd.Timedelta(0))
    grid = pd.date_range(measured.index[0], end, freq=step)
    full = measured.reindex(grid)
    for name in recipe.columns:
        if UNIT_MARK in name:
            column, unit = name.split(UNIT_MARK, 1)
            full[name] = telemetry.site_series(site, unit)[column].reindex(grid)
    steps_per_day = round(HORIZON / step)
    target = measured_quantity(full, recipe.quantity)
    past = pd.DataFrame(
        {
            "last": target.shift(1),
            "same_hour_yesterday": target.shift(steps_per_day),
            "same_hour_last_week": target.shift(7 * steps_per_day),
        }
    )
    local = telemetry.local(grid)
    if recipe.task == "estimate":
        inputs = _estimate_inputs(full, recipe)
        rows = grid.isin(measured.index)
    else:
        inputs = _forecast_inputs(full, recipe, target, steps_per_day)
        rows = np.asarray(grid.isin(measured.index) | (grid > measured.index[-1]))
    inputs = pd.concat([inputs, _calendar(local, grid)], axis=1)
    keys = pd.DataFrame({"site_id": site, "unit_id": "", "timestamp": grid})
    meters = full.reindex(columns=list(recipe.meters)).astype(np.float64)
    parts = (keys, inputs.astype(np.float64), target.rename("y").to_frame(), past, meters)
    return tuple(part[rows].reset_index(drop=True) for part in parts)


def measured_quantity(rows: pd.DataFrame, quantity: str) -> pd.Series:
    """Return the quantity, NaN where not measured; PUE from its two meters where it is not exported."""
    if quantity in rows and bool(rows[quantity].notna().any()):
        return rows[quantity]
    if quantity == "pue" and {"facility_power_kw", "it_power_kw"} <= set(rows.columns):
        return (rows["facility_power_kw"] / rows["it_power_kw"].where(rows["it_power_kw"] > 0)).rename("pue")
    return pd.Series(np.nan, index=rows.index, name=quantity)


def _estimate_inputs(full: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    inputs = full[list(recipe.columns)].copy()
    names = set(recipe.columns)
    if "outdoor_wet_bulb_c" not in names and {"outdoor_dry_bulb_c", "outdoor_rh_pct"} <= names:
        pressure = inputs["air_pressure_kpa"].to_numpy() if "air_pressure_kpa" in names else 101.325
        inputs["wet_bulb_from_rh_c"] = wet_bulb(
            inputs["outdoor_dry_bulb_c"].to_numpy(), inputs["outdoor_rh_pct"].to_numpy(), pressure
        )
    load = next((c for c in LOADS if c in names), None)
    if load:  # thermal inertia: the load of the hours before is known too
        inputs[f"{load}_before"] = inputs[load].shift(1)
    if "outdoor_dry_bulb_c" in names:
        inputs["dry_bulb_day_mean_c"] = _trailing_mean(inputs["outdoor_dry_bulb_c"], full.index)
    return inputs.assign(**_changes(full, recipe), **_memory(inputs, full.index, load))


def _memory(inputs: pd.DataFrame, index: pd.Index, load: str | None) -> dict[str, FloatArray]:
    """Return trailing means of wet bulb, load and set-points: what a plant does depends on its past days.

    A tower fan starts when its basin is warmer than the wet bulb, and the basin's temperature is left from
    the days before; it is not measured.
    """
    wet = next((c for c in WET_BULBS if c in inputs), None)
    out: dict[str, FloatArray] = {}
    if wet:
        out |= {f"wet_bulb_mean_{h}h": _trailing_mean(inputs[wet], index, h) for h in MEMORY_HOURS}
    slow = [c for c in (*((load,) if load else ()), *LEVERS) if c in inputs]
    for column in slow:
        for hours, name in zip(LOAD_HOURS, means_of(column), strict=True):
            out[name] = _trailing_mean(inputs[column], index, hours)
    return out


def changes_of(name: str) -> tuple[str, ...]:
    """Return the names of the features that say how an input changed over the hours before."""
    return tuple(f"{name}_change_{hours}h" for hours in CHANGE_HOURS)


def means_of(name: str) -> tuple[str, ...]:
    """Return the names of the features that hold an input's mean over the hours before."""
    return tuple(f"{name}_mean_{hours}h" for hours in LOAD_HOURS)


def _changes(full: pd.DataFrame, recipe: Recipe) -> dict[str, pd.Series]:
    """Return the change of every input over the hours before, or steps where these are longer."""
    step = full.index[1] - full.index[0] if len(full) > 1 else pd.Timedelta(hours=1)
    per_hour = max(round(pd.Timedelta(hours=1) / step), 1)
    return {
        name: full[column].diff(hours * per_hour)
        for column in recipe.columns
        if column in CHANGING
        for hours, name in zip(CHANGE_HOURS, changes_of(column), strict=True)
    }


def _forecast_inputs(
    full: pd.DataFrame, recipe: Recipe, target: pd.Series, steps_per_day: int
) -> pd.DataFrame:
    yesterday = target.shift(steps_per_day)
    day_mean = yesterday.rolling(steps_per_day, min_periods=steps_per_day // 2).mean()
    week_mean = yesterday.rolling(7 * steps_per_day, min_periods=steps_per_day).mean()
    two_days_ago, last_week = target.shift(2 * steps_per_day), target.shift(7 * steps_per_day)
    inputs = {
        YESTERDAY: yesterday,
        "target_two_days_ago": two_days_ago,
        "target_last_week": last_week,
        "target_day_mean": day_mean,
        ANCHOR: week_mean,
        # differences say the same in a season of another level
        "yesterday_from_two_days_ago": yesterday - two_days_ago,
        "yesterday_from_last_week": yesterday - last_week,
        "yesterday_from_day_mean": yesterday - day_mean,
        "day_mean_from_day_before": day_mean - day_mean.shift(steps_per_day),
        "day_mean_from_week_mean": day_mean - week_mean,
    }
    for name in _stood_in(recipe):
        inputs[f"{name}_yesterday"] = full[name].shift(steps_per_day)
        inputs[f"{name}_yesterday_step"] = full[name].shift(steps_per_day).diff(steps_per_day)
    return pd.DataFrame(inputs)


def _stood_in(recipe: Recipe) -> list[str]:
    """Return set-points and weather: their future is unknown to a forecast, the day before stands in."""
    return [c for c in recipe.columns if SCHEMA[c].role == "lever" or c in WEATHER]


def weather_steps(recipe: Recipe) -> tuple[str, ...]:
    """Return the features of a forecast that say how set-points and weather changed into yesterday."""
    return tuple(f"{name}_yesterday_step" for name in _stood_in(recipe))


def _calendar(local: pd.DatetimeIndex, grid: pd.DatetimeIndex) -> pd.DataFrame:
    hour = local.hour.to_numpy() + local.minute.to_numpy() / 60
    day = local.day_of_week.to_numpy()
    return pd.DataFrame(
        {
            "hour_sin": np.sin(2 * np.pi * hour / 24),
            "hour_cos": np.cos(2 * np.pi * hour / 24),
            "hour": hour,
            "day_of_week": day.astype(np.float64),
            "weekend": (day >= 5).astype(np.float64),
        },
        index=grid,
    )


def _trailing_mean(series: pd.Series, index: pd.Index, hours: int = 24) -> FloatArray:
    span = pd.Timedelta(hours=hours)
    window = pd.Series(series.to_numpy(), index=index).rolling(span, min_periods=1).mean()
    return window.to_numpy(dtype=np.float64)
