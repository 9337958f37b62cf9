"""Write the sample exports: one data-centre year, two weeks of base stations, and their ``site.toml``."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sample_data.base_stations import base_stations
from sample_data.data_centre import TIME_HEADER, data_centre_year

DATA_CENTRE_SITE = """\
# Sample site: synthetic telemetry of a fictional data centre. Figures marked "assumption" are ours.
id = "sample-dc"
name = "Sample data centre"
kind = "data-centre"
country = "CN"
region = "Guangdong"
time_zone = "+08:00"
currency = "CNY"
hub_node = false
new_build = false
standard_racks = 400

[current]
zone_set_point_c = 22.0
chilled_water_set_point_c = 7.0

[levers.zone_set_point_c]
lower = 18.0
upper = 27.0
step = 0.5

[levers.chilled_water_set_point_c]
lower = 6.0
upper = 15.0
step = 0.5

[limits]
server_inlet_temp_c_max = 27.0
sensor_error_k = 0.3

[tariff]
energy_per_kwh = 0.65
source = "assumption of the sample; replace by the contract's price"

[carbon]
factor_kg_per_kwh = 0.4419
year = 2023
source = "MEE and NBS, announcement 2025 No. 47: 2023 average factor of Guangdong (secondary transcription)"

[green]
grid_share = 0.25
source = "assumption of the sample; replace by certificates retired over energy bought"
"""

BASE_STATION_SITE = """\
# Sample base stations: synthetic telemetry. Figures marked "assumption" are ours.
id = "sample-ran"
name = "Sample base stations"
kind = "base-station"
country = "CN"
region = "Guangdong"
time_zone = "+08:00"
currency = "CNY"

[levers.sleep_mode_1]
lower = 0.0
upper = 1.0
step = 1.0

[levers.sleep_mode_2]
lower = 0.0
upper = 1.0
step = 1.0

[limits]
prb_utilisation_max = 0.10

[tariff]
energy_per_kwh = 0.75
source = "assumption of the sample; replace by the contract's price"

[carbon]
factor_kg_per_kwh = 0.4419
year = 2023
source = "MEE and NBS, announcement 2025 No. 47: 2023 average factor of Guangdong (secondary transcription)"

[green]
grid_share = 0.25
source = "assumption of the sample; replace by certificates retired over energy bought"
"""


def write_samples(folder: Path, *, seed: int = 7) -> dict[str, Path]:
    """Write both samples; the same seed writes the same bytes.

    Parameters
    ----------
    folder : pathlib.Path
        Created where absent; files of the same name are replaced.
    seed : int

    Returns
    -------
    dict
        ``data_centre`` and ``base_stations`` (folders), ``data_centre_telemetry``,
        ``data_centre_site``, ``base_station_cells``, ``base_station_loads``,
        ``base_station_energy``, ``base_station_site`` (files).
    """
    centre, stations = folder / "data_centre", folder / "base_stations"
    for place in (centre, stations):
        place.mkdir(parents=True, exist_ok=True)
    paths = {
        "data_centre": centre,
        "data_centre_telemetry": centre / "telemetry.csv",
        "data_centre_site": centre / "site.toml",
        "base_stations": stations,
        "base_station_cells": stations / "cells.csv",
        "base_station_loads": stations / "loads.csv",
        "base_station_energy": stations / "energy.csv",
        "base_station_site": stations / "site.toml",
    }
    export = data_centre_year(seed).export
    _write(export.rename_axis(TIME_HEADER).reset_index(), paths["data_centre_telemetry"])
    sample = base_stations(seed)
    _write(sample.cells, paths["base_station_cells"])
    _write(sample.loads, paths["base_station_loads"])
    _write(sample.energy, paths["base_station_energy"])
    paths["data_centre_site"].write_text(DATA_CENTRE_SITE, encoding="utf-8", newline="\n")
    paths["base_station_site"].write_text(BASE_STATION_SITE, encoding="utf-8", newline="\n")
    return paths


def _write(table: pd.DataFrame, path: Path) -> None:
    # The strings are made per unique stamp: pandas' own date formatting of 20,000 rows is slow.
    stamps = table.columns[table.dtypes.map(pd.api.types.is_datetime64_any_dtype)]
    for name in stamps:
        unique = pd.DatetimeIndex(table[name].unique())
        text = dict(zip(unique, unique.strftime("%Y-%m-%d %H:%M"), strict=True))
        table = table.assign(**{name: table[name].map(text)})
    table.to_csv(path, index=False, lineterminator="\n")
