from __future__ import annotations

import time

import numpy as np
import pandas as pd
import psychrolib
import pytest

from advisor.chip_catalogue import load_hardware
from advisor.chips_power import standing_machine
from advisor.portfolio import read_portfolio
from advisor.site import read_site
from features.schema import SCHEMA
from sample_data.base_stations import DAYS, ENERGY_HEADER, PRODUCTS, STATIONS, base_stations, cell_power_w
from sample_data.centres import CENTRES
from sample_data.data_centre import CURRENT, EXPORTED, LEVERS, TIME_HEADER, data_centre_year
from sample_data.faults import EXPECTED
from sample_data.generate import write_samples
from sample_data.grid import GRIDS


@pytest.fixture(scope="module")
def year():
    return data_centre_year(7)


@pytest.fixture(scope="module")
def stations():
    return base_stations(7)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return write_samples(tmp_path_factory.mktemp("samples"))


# -- files -----------------------------------------------------------------------------------------
def test_files_are_complete_small_quick_and_the_same_for_a_seed(tmp_path):
    start = time.perf_counter()
    paths = write_samples(tmp_path / "one")
    assert time.perf_counter() - start < 10.0  # under one second on an idle core
    again, other = write_samples(tmp_path / "two"), write_samples(tmp_path / "three", seed=8)
    written = {p for p in (tmp_path / "one").rglob("*") if p.is_file()}
    faulty = {paths["faults"] / fault.file for fault in EXPECTED}
    assert written == {p for p in paths.values() if p.is_file()} | faulty
    assert all((again["faults"] / p.name).read_bytes() == p.read_bytes() for p in faulty)
    for name, path in paths.items():
        if path.is_file():
            assert path.stat().st_size < 3e6
            assert path.read_bytes() == again[name].read_bytes()
    assert paths["data_centre_telemetry"].read_bytes() != other["data_centre_telemetry"].read_bytes()
    assert paths["base_station_energy"].read_bytes() != other["base_station_energy"].read_bytes()


def test_site_files_are_valid_and_agree_with_the_generator(paths):
    for centre in CENTRES:
        site = read_site(paths[f"{centre.folder}_site"])
        assert site.current == centre.current
        assert {n: (r.lower, r.upper) for n, r in site.levers.items()} == LEVERS
        assert site.limits.server_inlet_temp_c_max == 27.0
        assert site.country == "CN"
        assert site.pv is not None
        assert site.pv.kw_peak == centre.pv_peak_kw
        assert site.workload is not None
        highest = data_centre_year(7, centre=centre).truth["it_power_kw"].max()
        assert site.workload.it_capacity_kw > highest
    site = read_site(paths["data_centre_site"])
    assert site.current == CURRENT
    assert site.time_zone == "+08:00"
    # Guangdong, 2023, announcement 2025 No. 47 of the ministry.
    assert site.carbon is not None
    assert (site.carbon.factor_kg_per_kwh, site.carbon.year, site.region) == (0.4419, 2023, "Guangdong")
    ran = read_site(paths["base_station_site"])
    assert ran.kind == "base-station"
    assert set(ran.levers) == {"sleep_mode_1", "sleep_mode_2"}


def test_headers_of_the_export(paths):
    table = pd.read_csv(paths["data_centre_telemetry"])
    assert table.columns[0] == TIME_HEADER == "timestamp (UTC+08:00)"
    assert set(EXPORTED.values()) < set(table.columns)
    assert set(EXPORTED) <= set(SCHEMA)
    assert not any("util" in c.lower() or "cpu" in c.lower() for c in table.columns)  # the work stays hidden


def test_declared_servers_need_about_the_it_power_of_the_export(paths):
    catalogue = load_hardware()
    for centre in CENTRES:
        groups = read_site(paths[f"{centre.folder}_site"]).servers
        assert len({g.model for g in groups}) >= 2
        assert any(g.peak_utilisation <= 0.02 for g in groups)  # machines that do nothing
        kilowatts = sum(
            g.count * float(standing_machine(g, catalogue).power_w(g.mean_utilisation)) / 1000 for g in groups
        )
        it = data_centre_year(7, centre=centre).truth["it_power_kw"].mean()
        assert 0.94 < kilowatts / it < 1.0  # network and storage are the rest


@pytest.mark.parametrize(
    ("name", "sites"), [("portfolio", 4), ("portfolio_centre", 1), ("portfolio_stations", 2)]
)
def test_the_portfolios_paths_exist_and_their_names_are_known(paths, name, sites):
    folder = paths[name]
    portfolio = read_portfolio(folder)
    assert len(portfolio.site) == sites
    ids = set()
    for member in portfolio.site:
        named = [*member.exports, member.site, member.grid]
        assert all((folder / part).exists() for part in named)
        site = read_site(folder / member.site)
        assert site.currency == portfolio.currency
        assert all((folder / c.profile).exists() for c in site.contract if c.profile)
        ids.add(site.id)
    assert {w.site for w in portfolio.work} | {s for w in portfolio.work for s in w.sites} <= ids
    assert {o.site for o in portfolio.option} <= ids
    assert all((folder / o.profile).exists() for o in portfolio.option if o.profile)
    assert "assumption" in (folder / "portfolio.toml").read_text(encoding="utf-8")


def test_the_small_stations_keep_a_backup_and_the_wind_blows_within_its_farm(paths):
    battery = read_site(paths["portfolio_stations_site"]).battery
    energy = pd.read_csv(paths["portfolio_stations_energy"])
    assert energy["BS"].nunique() == 200
    highest = energy.groupby("BS")[ENERGY_HEADER].max()
    assert battery.reserve_hours * highest.max() / battery.discharge_efficiency < battery.energy_kwh
    wind = pd.read_csv(paths["portfolio_centre_wind"])
    assert len(wind) == 168
    assert wind["kw_per_kw"].between(0, 1).all()
    assert 0.2 < wind["kw_per_kw"].mean() < 0.6


def test_modelled_grids_keep_their_means_and_bounds(paths):
    for grid in GRIDS:
        table = pd.read_csv(paths[f"{grid.folder}_grid"])
        assert len(table) == 8760
        assert table["timestamp"].iloc[0] == "2025-01-01T00:00+08:00"
        assert table["grid_cfe_share"].between(0.02, 0.97).all()
        assert table["carbon_g_per_kwh"].mean() == pytest.approx(grid.mean_g_per_kwh, abs=0.5)
        assert table["price_per_kwh"].mean() == pytest.approx(grid.price, rel=1e-3)
        assert np.corrcoef(table["grid_cfe_share"], table["carbon_g_per_kwh"])[0, 1] < -0.999
        assert "modelled" in paths[f"{grid.folder}_grid"].name


# -- data centre -----------------------------------------------------------------------------------
def test_the_faults_are_in_the_export_and_only_there(year):
    rows = year.faults.set_index("kind")
    missing = rows.loc[["rows missing"], "rows"].sum()
    assert len(year.export) == 8760 - missing
    gaps = rows.loc[["empty cells"]].set_index("column")["rows"]
    assert year.export[gaps.index].isna().sum().to_dict() == gaps.to_dict()
    stuck = rows.loc["stuck meter"]
    frozen = year.export.loc[stuck["start"] :, stuck["column"]].iloc[: stuck["rows"]]
    assert len(frozen) == 40
    assert (frozen == frozen.iloc[0]).all()
    assert (year.export["it_power_kw"] < 0).sum() == 2
    assert (year.export["outdoor_wet_bulb_c"] == -999.0).sum() == 2
    assert year.export["facility_power_kw"].max() > 5 * year.truth["facility_power_kw"].max()
    assert np.isfinite(year.truth.to_numpy()).all()


def test_away_from_the_faults_sensors_are_close_to_the_truth(year):
    ratio = year.export["facility_power_kw"] / year.truth["facility_power_kw"].reindex(year.export.index)
    assert ratio.median() == pytest.approx(1.0, abs=1e-3)
    assert ratio.sub(1).abs().quantile(0.99) < 0.01


def test_tests_cover_the_range_and_are_not_tied_to_the_weather(year):
    points = year.set_points
    for name, (lower, upper) in LEVERS.items():
        assert points[name].min() == lower
        assert points[name].max() == upper
    counts = points.value_counts(normalize=True)
    assert counts.index[0] == tuple(CURRENT.values())  # most often in force
    winter = points.index.month.isin((12, 1, 2))
    habit = points.eq(pd.Series(CURRENT)).all(axis=1) | (winter & points.eq([21.0, 9.0]).all(axis=1))
    tested = points[~habit]
    assert 0.25 < len(tested) / len(points) < 0.45
    weather = year.weather["outdoor_wet_bulb_c"].reindex(tested.index)
    for name in LEVERS:
        assert abs(np.corrcoef(tested[name], weather)[0, 1]) < 0.12
    assert abs(np.corrcoef(tested.T)[0, 1]) < 0.12


def test_the_hidden_work_has_a_day_and_a_week(year):
    load = pd.Series(year.utilisation, index=year.weather.index)
    assert 0.0 < load.min() < load.max() < 1.0
    hourly = load.groupby(load.index.hour).mean()
    assert hourly.max() - hourly.min() > 0.1
    assert load[load.index.day_of_week < 5].mean() > load[load.index.day_of_week >= 5].mean() + 0.02


def test_the_weather_is_consistent_with_psychrolib(year):
    psychrolib.SetUnitSystem(psychrolib.SI)
    part = year.weather.iloc[::97]
    wet = [
        psychrolib.GetTWetBulbFromRelHum(t, rh / 100, 100600.0)
        for t, rh in zip(part["outdoor_dry_bulb_c"], part["outdoor_rh_pct"], strict=True)
    ]
    np.testing.assert_allclose(part["outdoor_wet_bulb_c"], wet, atol=0.25)
    assert year.weather["outdoor_rh_pct"].between(5, 100).all()
    night = year.weather.index.hour.isin((0, 1, 2, 22, 23))
    assert (year.weather.loc[night, "sunshine"] == 0).all()
    assert (year.truth["pv_power_kw"] >= 0).all()


def test_plausible_indicators_of_the_year(year):
    it = year.truth["it_power_kw"].sum()
    assert 1.3 < year.truth["facility_power_kw"].sum() / it < 1.5
    assert 1.0 < 1000 * year.truth["water_m3"].sum() / it < 3.0


# -- base stations ---------------------------------------------------------------------------------
def test_the_three_tables_join(stations):
    assert stations.cells["BS"].nunique() == STATIONS
    assert stations.cells["RUType"].nunique() == len(PRODUCTS)
    cells = set(map(tuple, stations.cells[["BS", "CellName"]].to_numpy()))
    assert set(map(tuple, stations.loads[["BS", "CellName"]].drop_duplicates().to_numpy())) == cells
    assert len(stations.loads) == len(cells) * 24 * DAYS
    assert set(stations.energy["BS"]) == set(stations.cells["BS"])
    assert not stations.energy.duplicated(["Time (UTC+08:00)", "BS"]).any()


def test_cell_power_by_hand():
    unit = next(p for p in PRODUCTS if p.name == "RU-A")
    assert cell_power_w(unit, 0.0) == pytest.approx(620.0)
    assert cell_power_w(unit, 1.0) == pytest.approx(1180.0)
    half = 620 + 560 * (0.4 * 0.5**0.8 + 0.6 * 0.5)
    assert cell_power_w(unit, 0.5) == pytest.approx(half)
    assert cell_power_w(unit, 0.0, light=1.0) == pytest.approx(620 * 0.70)
    assert cell_power_w(unit, 0.0, light=0.5, shutdown=1.0) == pytest.approx(620 * 0.85 * 0.65)
    assert cell_power_w(unit, 0.5, shutdown=1.0) == pytest.approx(620 * 0.65 + 0.5 * (half - 620))


def test_power_rises_with_load_and_falls_with_sleep():
    loads = np.linspace(0, 1, 21)
    for unit in PRODUCTS:
        awake = cell_power_w(unit, loads)
        assert (np.diff(awake) > 0).all()
        assert (cell_power_w(unit, loads, light=0.8) < awake).all()
        assert (cell_power_w(unit, loads, shutdown=0.8) < awake).all()


def test_station_energy_is_cells_plus_auxiliary(stations):
    power = stations.truth.groupby(["BS", "Time"])["power_w"].sum()
    measured = stations.energy.set_index(["BS", "Time (UTC+08:00)"])[ENERGY_HEADER].rename_axis(
        ["BS", "Time"]
    )
    auxiliary = measured.index.get_level_values("BS").map(stations.auxiliary_w.to_dict()).to_numpy(float)
    ratio = measured * 1000 / (power.reindex(measured.index) + auxiliary)
    assert ratio.median() == pytest.approx(1.0, abs=0.002)
    assert (ratio.sub(1).abs() < 0.06).mean() > 0.995  # the rest are the faults
    assert (measured < 0).sum() == 2


def test_sleep_is_at_night_at_low_load_in_part_of_the_stations_and_not_every_night(stations):
    loads = stations.loads
    asleep = loads[loads["ESMode1"] > 0]
    hour = asleep["Time (UTC+08:00)"].dt.hour
    assert hour.between(1, 5).all()
    assert (asleep["load"] < 0.1001).all()
    assert 0.3 * STATIONS < asleep["BS"].nunique() < 0.7 * STATIONS
    same = loads[
        loads["BS"].isin(asleep["BS"])
        & loads["Time (UTC+08:00)"].dt.hour.between(1, 5)
        & (loads["load"] < 0.1)
    ]
    assert 0.4 < (same["ESMode1"] > 0).mean() < 0.9
    assert (stations.truth["power_w"] <= stations.truth["power_awake_w"] + 1e-9).all()
