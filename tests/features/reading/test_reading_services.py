"""Exports of markets, weather services, inverters and network managers: what values and neighbours decide."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from features.errors import QuestionError, UnrecognisedError
from features.reading import Mapping, Reading, read_export
from features.reading.headers import KNOWN, match
from tests.features.reading.conftest import Writer

HOURS = 48
STAMPS = pd.date_range("2024-03-01", periods=HOURS, freq="h")
SWING = np.sin(np.arange(HOURS) / 24 * 2 * np.pi)
PER_MWH = (80 + 40 * SWING).round(2)


def table(time: str = "time", stamps: object = None, **columns: object) -> str:
    written = STAMPS.strftime("%Y-%m-%d %H:%M") if stamps is None else stamps
    return pd.DataFrame({time: written, **columns}).to_csv(index=False)


def used(reading: Reading) -> dict[str, tuple[str, str]]:
    columns = (c for f in reading.mapping.file for c in f.column)
    return {c.source: (c.canonical, c.unit) for c in columns if c.canonical != "ignore"}


# -- prices --------------------------------------------------------------------------------------
def test_a_price_without_unit_is_told_by_its_size_or_asked(write: Writer) -> None:
    cheap = read_export(write(table(DAM_price=PER_MWH / 1000), "a.csv"))
    assert used(cheap) == {"DAM_price": ("price_per_kwh", "currency/kWh")}
    euros = read_export(write(table(SpotPriceEUR=PER_MWH), "b.csv"))
    assert used(euros) == {"SpotPriceEUR": ("price_per_kwh", "currency/MWh")}
    # 80 may be forints or yen per kWh: with nothing else to read it is asked, beside another column left out
    with pytest.raises(QuestionError) as caught:
        read_export(write(table(**{"Settlement Point Price": PER_MWH}), "c.csv"))
    assert caught.value.code == "E-QUESTION-UNIT"
    beside = table(**{"Settlement Point Price": PER_MWH, "carbon_intensity": 300 + 50 * SWING})
    assert set(used(read_export(write(beside, "d.csv")))) == {"carbon_intensity"}


def test_prices_of_several_zones_are_none_of_the_sites(write: Writer) -> None:
    text = table(**{"DE-LU [€/MWh]": PER_MWH, "FR [€/MWh]": PER_MWH + 9})
    path = write(text)
    with pytest.raises(QuestionError) as caught:
        read_export(path)
    assert caught.value.code == "E-QUESTION-METER"
    answer = 'version = 1\n[[answer]]\ncolumn = "FR [€/MWh]"\ncanonical = "price_per_kwh"\n'
    assert set(used(read_export(path, mapping=Mapping.from_toml(answer)))) == {"FR [€/MWh]"}
    beside = write(text.replace("\n", ",300\n").replace(",300", ",carbon intensity", 1), "beside.csv")
    assert set(used(read_export(beside))) == {"carbon intensity"}


def test_intervals_of_a_market_are_read_by_their_start(write: Writer) -> None:
    ends = STAMPS + pd.Timedelta("1h")
    spans = [f"{a:%d.%m.%Y %H:%M} - {b:%d.%m.%Y %H:%M}" for a, b in zip(STAMPS, ends, strict=True)]
    text = table("MTU (CET)", spans, **{"Day-ahead Price [EUR/MWh]": PER_MWH})
    frame = read_export(write(text)).telemetry().frame
    assert frame["price_per_kwh"].tolist() == pytest.approx((PER_MWH / 1000).tolist())
    assert frame["timestamp"].dt.tz_localize(None).tolist() == STAMPS.tolist()


# -- stamps --------------------------------------------------------------------------------------
@pytest.mark.parametrize("form", ["%d%b%Y %H:%M:%S", "%Y%m%d:%H%M", "%Y%m%dT%H%M"])
def test_forms_of_stamps_of_statistics_and_weather_services(write: Writer, form: str) -> None:
    reading = read_export(write(table(stamps=STAMPS.strftime(form), carbon_intensity=300 + 50 * SWING)))
    assert reading.telemetry().frame["timestamp"].dt.tz_localize(None).tolist() == STAMPS.tolist()


def test_a_header_that_shows_the_form_of_its_date_is_a_date(write: Writer) -> None:
    columns = {"Time (HH:MM)": STAMPS.strftime("%H:%M"), "Wspd (m/s)": 3 + SWING, "RHum (%)": 60 + 9 * SWING}
    text = table("Date (MM/DD/YYYY)", STAMPS.strftime("%m/%d/%Y"), **columns)
    reading = read_export(write(text))
    assert reading.counts.accepted == HOURS
    assert {c for c, _ in used(reading).values()} == {"wind_speed_m_s", "outdoor_rh_pct"}


# -- weather -------------------------------------------------------------------------------------
def test_names_of_metric_services_are_never_fahrenheit(write: Writer) -> None:
    cold = (5 + 6 * SWING).round(1)  # as likely °F by its size
    text = table(T2m=cold, WS10m=(3 + SWING).round(1), SP=99_500 + 300 * SWING)
    assert used(read_export(write(text, "a.csv"))) == {
        "T2m": ("outdoor_dry_bulb_c", "degC"),
        "WS10m": ("wind_speed_m_s", "m/s"),
        "SP": ("air_pressure_kpa", "Pa"),
    }
    kelvin = used(
        read_export(write(table(t2m=cold + 273.15, d2m=cold + 270.0, sp=99_500 + 300 * SWING), "b.csv"))
    )
    assert kelvin["t2m"] == ("outdoor_dry_bulb_c", "K")
    assert kelvin["d2m"] == ("outdoor_dew_point_c", "K")


def test_what_the_humidity_tells_holds_for_the_files_other_temperatures(write: Writer) -> None:
    dry, rh = 12 + 6 * SWING, 60 - 20 * SWING
    gamma = np.log(rh / 100) + 17.62 * dry / (243.12 + dry)
    dew = 243.12 * gamma / (17.62 - gamma)
    columns = {
        "HourlyDryBulbTemperature": (dry * 1.8 + 32).round(1),
        "HourlyDewPointTemperature": (dew * 1.8 + 32).round(1),
        "HourlyWetBulbTemperature": ((dry + dew) / 2 * 1.8 + 32).round(1),
        "HourlyRelativeHumidity": rh.round(0),
    }
    assert {u for c, u in used(read_export(write(table(**columns)))).values() if c.endswith("_c")} == {"degF"}


def test_tags_of_weather_are_pressure_only_beside_weather(write: Writer) -> None:
    text = table(it_power_kw=50 + SWING, SP=99_500 + 300 * SWING)
    assert set(used(read_export(write(text)))) == {"it_power_kw"}


# -- energy of a site ----------------------------------------------------------------------------
def test_import_and_charge_are_the_sites_only_beside_its_photovoltaics(write: Writer) -> None:
    bare = {"Import (kWh)": 5 + SWING, "Charge (kWh)": 1 + SWING / 2}
    plant = used(read_export(write(table(**{"PV Yield (kWh)": 9 + 9 * SWING, **bare}), "plant.csv")))
    assert plant["Import (kWh)"] == ("grid_power_kw", "kWh")
    assert plant["Charge (kWh)"] == ("battery_charge_kw", "kWh")
    alone = used(read_export(write(table(**{"carbon_intensity": 300 + SWING, **bare}), "alone.csv")))
    assert set(alone) == {"carbon_intensity"}


def test_the_sun_of_a_power_system_is_not_the_sites(write: Writer) -> None:
    mix = {"Nuclear (MW)": 900.0, "Coal (MW)": 700.0, "carbon_intensity": 300 + 50 * SWING}
    assert set(used(read_export(write(table(**{"Solar (MW)": 50 + 50 * SWING, **mix}))))) == {
        "carbon_intensity"
    }
    roof = table(**{"Solar (MW)": 50 + 50 * SWING})
    assert used(read_export(write(roof, "roof.csv"))) == {"Solar (MW)": ("pv_power_kw", "MW")}


def test_more_power_than_a_site_has_is_asked(write: Writer) -> None:
    with pytest.raises(QuestionError) as caught:
        read_export(write(table(solar_mw=20_000 + 9_000 * SWING)))
    assert caught.value.code == "E-QUESTION-UNIT"
    assert "whole grid" in caught.value.what


def test_a_window_or_a_units_column_is_no_temperature_or_wind() -> None:
    for header in ("avg t out on 18h", "wind_speed_unit", "Outdoor temperature rolling 24h (°C)"):
        found = match(header, "data-centre")
        assert found is None or found.canonical == KNOWN, header


def test_a_file_of_national_loads_is_refused(write: Writer) -> None:
    text = table(**{"Actual Total Load [MW] - BZN|DE-LU": 50_000.0, "Residual Load [MW]": 30_000.0})
    with pytest.raises(UnrecognisedError):
        read_export(write(text))


# -- network managers ----------------------------------------------------------------------------
def test_a_workbook_of_cells_is_read_by_cell_and_its_notes_are_not(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    head = [
        "Period start time",
        "MRBTS name",
        "LNCEL name",
        "E-UTRAN Avg PRB usage per TTI DL",
        "Inter RAT Total HO SR",
    ]
    sheet.append(head)
    for cell in ("C1", "C2"):
        for stamp, load in zip(STAMPS, 40 + 30 * SWING, strict=True):
            sheet.append([stamp.to_pydatetime(), "B1", cell, float(load), 98.5])
    notes = book.create_sheet("Documentation")
    notes.append(
        ["Indicator", "Average PRB usage per TTI DL", "Average PRB usage per TTI", "Site name", "Cell name"]
    )
    for line in range(12):
        notes.append([f"note {line}", "as the share of PRBs", "sum / count", "text", "text"])
    content = io.BytesIO()
    book.save(content)
    path = tmp_path / "cells.xlsx"
    path.write_bytes(content.getvalue())
    reading = read_export(path)
    assert reading.mapping.kind == "base-station"
    assert used(reading) == {head[3]: ("prb_utilisation", "%")}
    assert reading.counts.rows_in == reading.counts.accepted == 2 * HOURS


def test_three_letters_beside_a_strange_word_are_no_temperature() -> None:
    found = match("Lobby RAT", "data-centre")
    assert found is None or found.confidence < 0.5
    alone = match("AHU-1 RAT", "data-centre")
    assert alone is not None
    assert alone.canonical == "room_air_temp_c"
