"""Which charts a report shows, and of which stretch."""

from __future__ import annotations

import numpy as np
import pandas as pd

from advisor.plan import Advice
from app import wording
from app.report.charts import Chart, Series, predicted_against_measured, set_points
from features.schema import SCHEMA
from features.telemetry import Telemetry
from models.bundle import Bundle
from models.metrics import coverage, cv_rmse
from models.prediction import Prediction

LONGEST = 336
"""Intervals in one chart: two weeks of hours; more cannot be told apart."""
PREFERRED = (
    "facility_power_kw", "cooling_power_kw", "it_power_kw", "station_power_w", "station_energy_kwh",
    "station_energy_rel", "pue",
)  # fmt: skip


def fit_chart(bundle: Bundle, telemetry: Telemetry) -> tuple[Chart, ...]:
    """Return predicted against measured over the last weeks, for the quantity that says most.

    Empty where nothing that the models predict was measured.
    """
    predictions, _ = bundle.predict(telemetry, "estimate")
    ranked = sorted(
        (p for p in predictions if telemetry.has(p.quantity)),
        key=lambda p: PREFERRED.index(p.quantity) if p.quantity in PREFERRED else len(PREFERRED),
    )
    for prediction in ranked:
        chart = _fit(prediction, telemetry, bundle)
        if chart is not None:
            return (chart,)
    return ()


def _fit(prediction: Prediction, telemetry: Telemetry, bundle: Bundle) -> Chart | None:
    name = prediction.quantity
    keys = ["site_id", "unit_id", "timestamp"]
    table = prediction.to_frame().merge(telemetry.frame[[*keys, name]], on=keys, how="left")
    paired = table.dropna(subset=["point", name])
    if len(paired) < 2:
        return None
    site, unit = (str(part) for part in paired[["site_id", "unit_id"]].value_counts().index[0])
    one = table[(table["site_id"] == site) & (table["unit_id"] == unit)].set_index("timestamp")
    last = paired.loc[(paired["site_id"] == site) & (paired["unit_id"] == unit), "timestamp"].max()
    grid = pd.date_range(end=last, periods=LONGEST, freq=telemetry.interval, name="timestamp")
    shown = one.reindex(grid[grid >= one.index.min()])
    values = {c: shown[c].to_numpy(dtype=np.float64) for c in (name, "point", "lower", "upper")}
    series = Series(
        telemetry.local(pd.DatetimeIndex(shown.index)), values[name], values["point"], values["lower"],
        values["upper"], prediction.unit, wording.column_name(name),
    )  # fmt: skip
    inside = coverage(values[name], values["lower"], values["upper"])
    where = " ".join(part for part in (site if len(telemetry.site_ids) > 1 else "", unit) if part)
    summary = (
        f"Last {int(np.isfinite(values[name]).sum()):,} measured intervals{' of ' + where if where else ''}: "
        f"CV(RMSE) {wording.number(cv_rmse(values[name], values['point']))} %, "
        f"{wording.percent(inside)} of the measured values lie in the {wording.percent(prediction.coverage)} "
        f"interval. {seen(bundle, series)}"
    )
    title = f"{wording.column_name(name)[:1].upper()}{wording.column_name(name)[1:]}"
    return predicted_against_measured(series, title, summary, prediction.coverage)


def seen(bundle: Bundle, series: Series) -> str:
    """Return whether the model was fitted on this stretch: an error on seen rows flatters."""
    trained = pd.Timestamp(bundle.card.data_end)
    after = trained.tz_localize(series.stamps.tz) if trained.tzinfo is None else trained
    if series.stamps[0] >= after:
        return "The model has not seen this stretch."
    return "The model was trained on this export; the table below gives its error on data held out."


def plan_charts(advice: Advice, telemetry: Telemetry) -> tuple[Chart, ...]:
    """Return set-points over time, current against recommended, where temperatures follow a schedule."""
    plan = advice.plan_table
    moved = plan.loc[plan["recommended"] != plan["current"], "lever"].unique()
    levers = [name for name in moved if SCHEMA[name].unit == "degC"]
    values = plan[plan["lever"].isin(levers)].groupby("lever")[["current", "recommended"]].nunique()
    if (values <= 1).all(axis=None):
        return ()  # one value all the time is told in words
    rows = plan[plan["lever"].isin(levers)]
    local = telemetry.local(pd.DatetimeIndex(rows["timestamp"]))
    daily = rows["timestamp"].nunique() > LONGEST
    when = pd.Series(local.floor("D") if daily else local, index=rows.index, name="when")
    mean = rows.groupby(["lever", when])[["current", "recommended"]].mean()
    times = pd.DatetimeIndex(when.drop_duplicates().sort_values())
    by_lever = {name: mean.loc[name].reindex(times) for name in levers}
    lines = {
        wording.column_name(name): (table["current"].to_numpy(), table["recommended"].to_numpy())
        for name, table in by_lever.items()
    }
    means = "Means of each day. " if daily else ""
    summary = f"{means}Recommended against current; every interval is in plan.csv."
    return (set_points(times, lines, "degC", "Set-points over the window", summary),)
