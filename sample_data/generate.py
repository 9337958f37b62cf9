"""Write the samples: three data centres, base stations, portfolios of them, and small faulty exports."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sample_data.base_stations import base_stations
from sample_data.data_centre import Centre, SampleYear, data_centre_year
from sample_data.faults import expected_toml, faulty_exports
from sample_data.portfolios import write_portfolios
from sample_data.site_files import BASE_STATION_SITE, DECLARED, data_centre_site


def write_samples(folder: Path, *, seed: int = 7) -> dict[str, Path]:
    """Write all samples; the same seed writes the same bytes.

    Parameters
    ----------
    folder : pathlib.Path
        Created where absent; files of the same name are replaced.
    seed : int

    Returns
    -------
    dict
        Folders ``data_centre``, ``data_centre_temperate``, ``data_centre_cold``, ``base_stations``,
        ``portfolio``, ``portfolio_centre``, ``portfolio_stations`` and ``faults``; files ``NAME_telemetry``
        and ``NAME_site`` of each data centre, ``base_station_cells``, ``base_station_loads``,
        ``base_station_energy``, ``base_station_site``, ``portfolio_file``, ``NAME_grid``,
        ``portfolio_centre_file``, ``..._site``, ``..._grid`` and ``..._wind``, ``portfolio_stations_file``,
        ``..._site`` and ``..._energy``, and ``faults_expected``.
    """
    paths: dict[str, Path] = {}
    years: dict[str, SampleYear] = {}
    for declared in DECLARED:
        name = declared.centre.folder
        years[name] = data_centre_year(seed, centre=declared.centre)
        place = paths[name] = _made(folder / name)
        paths[f"{name}_telemetry"] = _telemetry(years[name], declared.centre, place / "telemetry.csv")
        paths[f"{name}_site"] = _text(place / "site.toml", data_centre_site(declared))
    paths |= _write_stations(_made(folder / "base_stations"), seed)
    paths |= write_portfolios(folder, years, seed)
    place = paths["faults"] = _made(folder / "faults")
    for name, text in faulty_exports(years["data_centre"], seed).items():
        _text(place / name, text)
    paths["faults_expected"] = _text(place / "expected.toml", expected_toml())
    return paths


def _write_stations(place: Path, seed: int) -> dict[str, Path]:
    sample = base_stations(seed)
    paths = {"base_stations": place}
    for name, table in (("cells", sample.cells), ("loads", sample.loads), ("energy", sample.energy)):
        paths[f"base_station_{name}"] = place / f"{name}.csv"
        _write(table, place / f"{name}.csv")
    paths["base_station_site"] = _text(place / "site.toml", BASE_STATION_SITE)
    return paths


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _text(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def _telemetry(year: SampleYear, centre: Centre, path: Path) -> Path:
    """Write a year as the centre's own system would: its headers, stamps and encoding."""
    table = year.export.rename_axis("").reset_index().rename(columns=centre.headers)
    return _write(table, path, stamp=centre.stamp, encoding=centre.encoding)


def _write(
    table: pd.DataFrame, path: Path, *, stamp: str = "%Y-%m-%d %H:%M", encoding: str = "utf-8"
) -> Path:
    # The strings are made per unique stamp: pandas' own date formatting of 20,000 rows is slow.
    stamps = table.columns[table.dtypes.map(pd.api.types.is_datetime64_any_dtype)]
    for name in stamps:
        unique = pd.DatetimeIndex(table[name].unique())
        text = dict(zip(unique, unique.strftime(stamp), strict=True))
        table = table.assign(**{name: table[name].map(text)})
    table.to_csv(path, index=False, lineterminator="\n", encoding=encoding)
    return path
