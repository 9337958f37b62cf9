"""The sample portfolios: several centres with a radio network, one centre in full, and many small stations.

=======================  =================================================================================
folder                   what it shows
=======================  =================================================================================
``portfolio``            three data centres and a radio network: classes of work that wait or move, links
``portfolio_centre``     one data centre, a week: times of use and demand charge, connection, contract,
                         demand response, what could be built, a target
``portfolio_stations``   one data centre and 200 base stations, each with meter, panels and an old battery
=======================  =================================================================================

Prices, latencies, profiles and shares are assumptions of ours of plausible size; none is copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from sample_data.base_stations import DAYS, START
from sample_data.centres import COLD_CENTRE
from sample_data.data_centre import SampleYear
from sample_data.fleet import station_month
from sample_data.grid import GRIDS, hourly_grid
from sample_data.weather import ar1

OFFSET = "+08:00"
WEEK = "2025-05-12"
"""A Monday: the week of ``portfolio_centre``."""
STATIONS = 200
"""Base stations of ``portfolio_stations``."""

CENTRES = """\
# Three sample data centres and the base stations, planned together: synthetic data, modelled grids.
# Shares, waiting times and latencies are assumptions of the sample.
id = "sample-portfolio"
name = "Three data centres and a radio network"
currency = "CNY"
time_zone = "+08:00"
start = "{start}T00:00"
end = "{end}T00:00"
objective = "non_green_kwh"

[movement]
between_sites = true
transfer_kwh_per_kwh = 0.01
transfer_price_per_kwh = 0.02
latency_ms_max = 40
source = "assumption of the sample"

[[movement.link]]
sites = ["sample-dc", "sample-dc-temperate"]
latency_ms = 28
source = "assumption of the sample"

[[movement.link]]
sites = ["sample-dc-temperate", "sample-dc-cold"]
latency_ms = 12
source = "assumption of the sample"

[[movement.link]]
sites = ["sample-dc", "sample-dc-cold"]
latency_ms = 36
source = "assumption of the sample"
{sites}
[[site]]
exports = ["../base_stations"]
site = "../base_stations/site.toml"
grid = "data_centre_grid_modelled.csv"
grid_label = "modelled"
meters = "together"

[[work]]                               # in one piece, but not at once
name = "nightly builds"
site = "sample-dc-cold"
share = 0.06
wait_hours = 10
run_hours = 3
interruptible = false
source = "assumption of the sample"

[[work]]                               # may wait for a day and pause
name = "weekly reports"
site = "sample-dc-temperate"
share = 0.08
wait_hours = 24
run_hours = 2
source = "assumption of the sample"

[[work]]                               # may wait, pause and go anywhere
name = "model training"
site = "sample-dc"
share = 0.10
wait_hours = 12
run_hours = 4
sites = ["sample-dc-temperate", "sample-dc-cold"]
source = "assumption of the sample"

[[work]]                               # may not wait, but a near site may do it
name = "search queries"
site = "sample-dc-temperate"
share = 0.05
sites = ["sample-dc", "sample-dc-cold"]
latency_ms_max = 15
source = "assumption of the sample"

[[purchase]]
name = "Green certificates"
kind = "certificate"
volume_kwh = 500000
price_per_kwh = 0.03
produced = 2025-02-01
source = "assumption of the sample"
"""
_MEMBER = """
[[site]]
exports = ["../{folder}/telemetry.csv"]
site = "../{folder}/site.toml"
grid = "{folder}_grid_modelled.csv"
grid_label = "modelled"
"""

CENTRE = """\
# One sample data centre with everything that can be declared: least cost, and a target on green energy.
# Synthetic data, modelled grid and wind; every figure is an assumption of the sample.
id = "sample-centre"
name = "One data centre, a week"
currency = "CNY"
start = "{start}T00:00"
end = "{end}T00:00"
objective = "cost"

[[site]]
exports = ["../data_centre_cold/telemetry.csv"]
site = "site.toml"
grid = "grid_modelled.csv"
grid_label = "modelled"

[[work]]
name = "nightly builds"
site = "sample-dc-cold"
share = 0.08
wait_hours = 12
run_hours = 3
interruptible = false
source = "assumption of the sample"

[[work]]
name = "batch queue"
site = "sample-dc-cold"
share = 0.15
wait_hours = 24
run_hours = 2
source = "assumption of the sample"

[[option]]                             # investments are charged with the week's share of their annuity
name = "more panels"
kind = "pv"
site = "sample-dc-cold"
most = 600
investment_per_unit = 3200
life_years = 25
rate = 0.06
upkeep_share = 0.01
source = "assumption of the sample"

[[option]]
name = "larger battery"
kind = "battery"
site = "sample-dc-cold"
most = 4000
investment_per_unit = 700
life_years = 15
rate = 0.06
source = "assumption of the sample"

[[option]]
name = "more wind under contract"
kind = "contract"
site = "sample-dc-cold"
most = 1500
price_per_kwh = 0.40
profile = "wind_modelled.csv"
source = "assumption of the sample"

[[option]]
name = "dry free-cooling coil"
kind = "retrofit"
site = "sample-dc-cold"
cooling_saved_share = 0.25
investment_per_unit = 900000
life_years = 15
rate = 0.06
source = "assumption of the sample"

[[target]]
measure = "cfe"
at_least = 0.80
source = "assumption of the sample"

[[purchase]]
name = "Green certificates of April"
kind = "certificate"
volume_kwh = 200000
price_per_kwh = 0.03
produced = 2025-04-01
source = "assumption of the sample"
"""

CENTRE_SITE = """\
# A sample data centre as its contracts see it. Synthetic telemetry; every figure is an assumption of ours.
id = "sample-dc-cold"
name = "Sample data centre, cold and dry"
kind = "data-centre"
country = "CN"
region = "Inner Mongolia"
time_zone = "+08:00"
currency = "CNY"
hub_node = true
new_build = true                       # a rule on its green share applies
standard_racks = 500

[tariff]                               # times of use, and a charge for the highest purchase of the month
energy_per_kwh = 0.40
demand_per_kw_month = 28.0
source = "assumption of the sample; replace by the contract's price"

[[tariff.period]]
name = "evening peak"
from_hour = 17
to_hour = 22
energy_per_kwh = 0.66

[[tariff.period]]
name = "night valley"
from_hour = 23
to_hour = 7
energy_per_kwh = 0.22

[[tariff.period]]
name = "midday valley"
from_hour = 11
to_hour = 14
energy_per_kwh = 0.20

[connection]
grid_max_kw = 1800
source = "assumption of the sample"

[[demand_response]]                    # the grid wants less on Wednesday evening
start = "{event}T18:00"
end = "{event}T20:00"
limit_kw = 1100
pay_per_kwh = 1.5
source = "assumption of the sample"

[[contract]]                           # wind that is bought hour by hour, as it is produced
name = "wind contract"
origin = "traded"
kw = 500
profile = "wind_modelled.csv"
price_per_kwh = 0.36
source = "assumption of the sample"

[carbon]
factor_kg_per_kwh = 0.65
source = "assumption of the sample"

[green]
grid_share = 0.35
source = "assumption of the sample; replace by certificates retired over energy bought"

[pv]
kw_peak = 800
kw_peak_max = 1400
certificates = "kept"
source = "assumption of the sample; the export holds what it generates"

[battery]
energy_kwh = 2000
power_kw = 500
charge_efficiency = 0.97
discharge_efficiency = 0.96
reserve_kwh = 400
cycle_cost_per_kwh = 0.05
grid_charging = true
source = "assumption of the sample"

[workload]
flexible_share = 0.0                   # what may wait is told class by class in portfolio.toml
it_capacity_kw = 1350
source = "assumption of the sample"
"""

STATION_FOLDER = """\
# One data centre and 200 base stations with panels and old batteries of their own; no dearer than today.
# Synthetic data, modelled grid; every figure is an assumption of the sample.
id = "sample-stations"
name = "A data centre and 200 base stations"
currency = "CNY"
time_zone = "+08:00"
start = "{start}T00:00"
end = "{end}T00:00"
objective = "non_green_kwh"
cost_increase_max_pct = 0.0

[storage]
start_share = 0.5

[[site]]
exports = ["../data_centre/telemetry.csv"]
site = "../data_centre/site.toml"
grid = "../portfolio/data_centre_grid_modelled.csv"
grid_label = "modelled"

[[site]]
exports = ["energy.csv"]
site = "site.toml"
grid = "../portfolio/data_centre_grid_modelled.csv"
grid_label = "modelled"
meters = "each"
"""

STATION_SITE = """\
# 200 sample base stations. [pv] and [battery] stand at every station. Every figure is an assumption of ours.
id = "sample-ran-200"
name = "200 sample base stations"
kind = "base-station"
country = "CN"
region = "Guangdong"
time_zone = "+08:00"
currency = "CNY"

[tariff]
energy_per_kwh = 0.75
source = "assumption of the sample; replace by the contract's price"

[carbon]
factor_kg_per_kwh = 0.4419
source = "assumption of the sample"

[green]
grid_share = 0.25
source = "assumption of the sample"

[pv]                                   # per station
kw_peak = 2.5
latitude_deg = 23.1
longitude_deg = 113.3
yearly_yield_kwh_per_kw = 1050
certificates = "kept"
source = "assumption of the sample"

[battery]                              # per station, in its second life: less efficient, and it wears
energy_kwh = 9.0
power_kw = 2.0
charge_efficiency = 0.93
discharge_efficiency = 0.92
reserve_hours = 3                      # backup of the station, never sold
cycle_cost_per_kwh = 0.12
grid_charging = true
source = "assumption of the sample"
"""


def write_portfolios(folder: Path, years: Mapping[str, SampleYear], seed: int) -> dict[str, Path]:
    """Write the three portfolios beside the sites that they name.

    Parameters
    ----------
    folder : pathlib.Path
        Holds the samples of `sample_data.generate`.
    years : mapping
        Folder of a data centre -> its year.
    seed : int

    Returns
    -------
    dict
        Folders and files by name; see `sample_data.generate.write_samples`.
    """
    return {
        **_centres(_made(folder / "portfolio"), years, seed),
        **_centre(_made(folder / "portfolio_centre"), years[COLD_CENTRE.folder], seed),
        **_stations(_made(folder / "portfolio_stations"), seed),
    }


def wind_kw_per_kw(hours: int, seed: int) -> np.ndarray:
    """Return the production of a wind farm per kW, shape (hours,) [kW/kW]: modelled, never above 1."""
    rng = np.random.default_rng([seed, 41])
    return np.asarray(1.0 / (1.0 + np.exp(0.9 - 1.6 * ar1(rng, hours, 14.0, 1.0))))


def _centres(place: Path, years: Mapping[str, SampleYear], seed: int) -> dict[str, Path]:
    paths = {"portfolio": place}
    for grid in GRIDS:
        target = paths[f"{grid.folder}_grid"] = place / f"{grid.folder}_grid_modelled.csv"
        _table(target, hourly_grid(grid, years[grid.folder].weather["sunshine"], seed))
    start, end = _days(START, DAYS)
    members = "".join(_MEMBER.format(folder=name) for name in years)
    text = CENTRES.format(start=start, end=end, sites=members)
    paths["portfolio_file"] = _text(place / "portfolio.toml", text)
    return paths


def _centre(place: Path, year: SampleYear, seed: int) -> dict[str, Path]:
    grid = next(g for g in GRIDS if g.folder == COLD_CENTRE.folder)
    start, end = _days(WEEK, 7)
    around = hourly_grid(grid, year.weather["sunshine"], seed).drop(columns="price_per_kwh")
    around = around[around["timestamp"].between(start, end, inclusive="left")]
    wind = pd.DataFrame(
        {"timestamp": around["timestamp"], "kw_per_kw": wind_kw_per_kw(len(around), seed).round(4)}
    )
    event = f"{pd.Timestamp(WEEK) + pd.Timedelta(days=2):%Y-%m-%d}"
    return {
        "portfolio_centre": place,
        "portfolio_centre_file": _text(place / "portfolio.toml", CENTRE.format(start=start, end=end)),
        "portfolio_centre_site": _text(place / "site.toml", CENTRE_SITE.format(event=event)),
        "portfolio_centre_grid": _table(place / "grid_modelled.csv", around),
        "portfolio_centre_wind": _table(place / "wind_modelled.csv", wind),
    }


def _stations(place: Path, seed: int) -> dict[str, Path]:
    index = pd.date_range(START, periods=24 * DAYS, freq="h")
    stamps = index.strftime("%Y-%m-%d %H:%M").to_numpy(dtype=object)
    energy = station_month(np.random.default_rng([seed, 42]), index, stamps, STATIONS, "R")["energy"]
    start, end = _days(START, DAYS)
    return {
        "portfolio_stations": place,
        "portfolio_stations_file": _text(
            place / "portfolio.toml", STATION_FOLDER.format(start=start, end=end)
        ),
        "portfolio_stations_site": _text(place / "site.toml", STATION_SITE),
        "portfolio_stations_energy": _table(place / "energy.csv", energy),
    }


def _days(start: str, days: int) -> tuple[str, str]:
    return start, f"{pd.Timestamp(start) + pd.Timedelta(days=days):%Y-%m-%d}"


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _text(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def _table(path: Path, table: pd.DataFrame) -> Path:
    table.to_csv(path, index=False, lineterminator="\n")
    return path
