"""Facility energy per kWh of work: found beside a shared rhythm, refused where the data cannot tell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from advisor.marginal import Marginal, marginal_of
from sample_data.data_centre import data_centre_year

TRUE = 1.22


def series(days: int = 40, seed: int = 0) -> pd.DataFrame:
    """A site whose cooling grows with work and with afternoon heat that comes when work is high."""
    rng = np.random.default_rng(seed)
    stamps = pd.date_range("2025-05-01", periods=24 * days, freq="h", tz="UTC")
    rhythm = np.sin((stamps.hour.to_numpy() - 9) / 24 * 2 * np.pi)
    it = 500 + 50 * rhythm + np.repeat(rng.normal(0, 15, days), 24) + rng.normal(0, 10, len(stamps))
    heat = 25 + 6 * rhythm + np.repeat(rng.normal(0, 2, days), 24)
    facility = 60 + TRUE * it + 5 * heat + 40 * rhythm + rng.normal(0, 3, len(stamps))
    return pd.DataFrame(
        {"it_power_kw": it, "facility_power_kw": facility, "outdoor_dry_bulb_c": heat}, index=stamps
    )


def estimate(rows: pd.DataFrame) -> Marginal:
    day = (rows.index - rows.index[0]) // pd.Timedelta(days=1)
    window = pd.date_range(rows.index[0] + pd.Timedelta(days=15), periods=7 * 24, freq="h")
    return marginal_of(
        rows, rows.index.hour.to_numpy(dtype=np.float64), day.to_numpy(dtype=np.float64), window
    )


def test_the_slope_is_not_that_of_the_daily_rhythm() -> None:
    rows = series()
    naive = np.polyfit(rows["it_power_kw"], rows["facility_power_kw"], 1)[0]
    found = estimate(rows)
    assert naive > TRUE + 0.3  # what a plain fit would say
    assert found.lower <= TRUE <= found.upper
    assert found.point == pytest.approx(TRUE, abs=0.03)
    assert found.source.startswith("measured")


def test_a_jumping_meter_does_not_turn_the_slope() -> None:
    rows = series()
    rows.iloc[100:106, 1] += 2000.0
    rows.iloc[300:303, 0] -= 400.0
    assert estimate(rows).point == pytest.approx(TRUE, abs=0.05)


def test_work_that_never_changes_tells_nothing() -> None:
    rows = series().assign(it_power_kw=500.0)
    found = estimate(rows)
    assert found.source.startswith("assumed")
    assert found.lower == 1.0
    assert found.upper == pytest.approx(rows["facility_power_kw"].iloc[24:864].mean() / 500.0, abs=0.02)


def test_few_days_tell_nothing() -> None:
    assert estimate(series(days=4).iloc[:90]).source.startswith("assumed")


def test_a_slope_below_one_is_not_believed() -> None:
    rows = series()
    found = estimate(rows.assign(facility_power_kw=700.0 + 0.3 * rows["it_power_kw"]))
    assert found.source.startswith("assumed")


def test_the_sample_plant_is_told_right() -> None:
    year = data_centre_year(7)
    before = year.plant.simulate(year.set_points, year.weather, year.utilisation)
    more = year.plant.simulate(year.set_points, year.weather, year.utilisation * 1.05)
    true = (more["facility_power_kw"] - before["facility_power_kw"]) / (
        more["it_power_kw"] - before["it_power_kw"]
    )
    rows = year.truth.tz_localize("UTC")[["it_power_kw", "facility_power_kw"]].join(
        year.weather.tz_localize("UTC")[["outdoor_dry_bulb_c", "outdoor_wet_bulb_c"]]
    )
    rows = rows.join(year.set_points.tz_localize("UTC"))
    for month in (1, 7):
        start = pd.Timestamp(2025, month, 12, tz="UTC")
        window = pd.date_range(start, periods=7 * 24, freq="h")
        found = marginal_of(
            rows,
            rows.index.hour.to_numpy(dtype=np.float64),
            rows.index.day_of_year.to_numpy(dtype=np.float64),
            window,
        )
        inside = true.tz_localize("UTC").reindex(window)
        assert found.point == pytest.approx(inside.mean(), abs=0.04)
        if found.hourly is not None:
            warm = inside > inside.median()
            apart = inside[warm].mean() - inside[~warm].mean()
            assert found.hourly[warm].mean() - found.hourly[~warm].mean() == pytest.approx(apart, abs=0.03)


def test_warm_hours_take_more_than_cool_ones() -> None:
    rng = np.random.default_rng(3)
    rows = series(120)
    season = np.repeat(np.linspace(-8, 12, 120), 24)
    heat = rows["outdoor_dry_bulb_c"] + season
    slope = 1.1 + 0.012 * heat
    it = rows["it_power_kw"]
    rows = rows.assign(
        outdoor_dry_bulb_c=heat, facility_power_kw=60 + slope * it + rng.normal(0, 3, len(rows))
    )
    found = estimate(rows)
    window = pd.date_range(rows.index[0] + pd.Timedelta(days=15), periods=7 * 24, freq="h")
    assert found.hourly is not None
    true = slope.reindex(window).to_numpy()
    assert found.hourly == pytest.approx(true, abs=0.1)
    assert np.corrcoef(found.hourly, true)[0, 1] > 0.9
    assert found.point == pytest.approx(true.mean(), abs=0.03)
