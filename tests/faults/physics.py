"""D: numbers that cannot be, or that mean another unit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tests.faults.cases import READ, fault, plant, put, text

LONG = 24 * 20


def changed(**columns: object) -> str:
    return text(plant(LONG).assign(**columns))


def with_values(column: str, rows: slice | list[int], values: object) -> str:
    table = plant(LONG)
    table.loc[table.index[rows], column] = values
    return text(table)


def station(**columns: object) -> pd.DataFrame:
    hours = np.arange(LONG)
    table = pd.DataFrame(
        {
            "time": pd.date_range("2025-03-01", periods=LONG, freq="h").strftime("%Y-%m-%d %H:%M"),
            "base station": "b1",
            "cell": "c1",
            "prb utilisation": (0.4 + 0.3 * np.sin(hours / 24 * 2 * np.pi)).round(3),
            "Energy (kWh)": (1.2 + 0.4 * np.sin(hours / 24 * 2 * np.pi)).round(3),
        }
    )
    return table.assign(**columns)


@fault("D1", "E-QUESTION-UNIT")
def watts_under_a_header_of_kilowatts(folder: Path) -> Path:
    return put(folder, changed(it_power_kw=lambda t: t["it_power_kw"] * 1000))


@fault("D1", "E-QUESTION-UNIT")
def power_without_a_unit(folder: Path) -> Path:
    rows = "".join(f"2025-03-01 {h:02d}:00,{50_000 + h}\n" for h in range(24))
    return put(folder, "timestamp,IT power\n" + rows)


@fault("D2", "E-QUESTION-UNIT")
def fahrenheit_under_a_header_of_celsius(folder: Path) -> Path:
    return put(folder, changed(server_inlet_c=lambda t: t["server_inlet_c"] * 1.8 + 32))


@fault("D2", "E-QUESTION-UNIT")
def kelvin_under_a_header_of_celsius(folder: Path) -> Path:
    return put(folder, changed(server_inlet_c=lambda t: t["server_inlet_c"] + 273.15))


@fault("D3", "D-PUE-BELOW-1")
def pue_below_one(folder: Path) -> Path:
    return put(folder, with_values("facility_power_kw", slice(100, 103), 30.0))


@fault("D3", "D-SPIKE")
def no_it_power_for_an_hour(folder: Path) -> Path:
    return put(folder, with_values("it_power_kw", slice(100, 101), 0.0))


@fault("D4", "D-NEGATIVE-POWER")
def reversed_meter(folder: Path) -> Path:
    return put(folder, with_values("cooling_power_kw", slice(50, 60), -5.0))


@fault("D4", READ)
def export_to_the_grid(folder: Path) -> Path:
    return put(folder, changed(grid_power_kw=lambda t: t["facility_power_kw"] - 150))


def registered(modulus: float, reset: int | None = None) -> str:
    table = plant(LONG)
    reading = 65_000.0 + np.cumsum(table["facility_power_kw"].to_numpy())
    if reset is not None:
        reading[reset:] -= reading[reset] - 12.0
    table = table.drop(columns="facility_power_kw")
    return text(table.assign(**{"facility_energy (kWh)": (reading % modulus).round(1)}))


@fault("D5", "D-COUNTER-ROLLOVER")
def register_that_rolls_over(folder: Path) -> Path:
    return put(folder, registered(2**16))


@fault("D5", "D-COUNTER-RESET")
def register_of_an_exchanged_meter(folder: Path) -> Path:
    return put(folder, registered(1e9, reset=200))


@fault("D6", "D-STUCK")
def stuck_at_a_value(folder: Path) -> Path:
    return put(folder, with_values("cooling_power_kw", slice(200, 250), 20.0))


@fault("D6", "D-STUCK")
def stuck_at_zero(folder: Path) -> Path:
    return put(folder, with_values("outdoor_dry_bulb_c", slice(200, 260), 0.0))


@fault("D7", "D-SPIKE")
def spike_of_a_hundred_times(folder: Path) -> Path:
    return put(folder, with_values("it_power_kw", slice(150, 151), 10_000.0))


@fault("D7", "D-OUT-OF-BOUNDS")
def saturated_at_the_end_of_the_range(folder: Path) -> Path:
    return put(folder, with_values("server_inlet_c", slice(150, 155), 200.0))


@fault("D8", "D-OUT-OF-BOUNDS")
def humidity_above_a_hundred(folder: Path) -> Path:
    table = plant(LONG).assign(outdoor_rh_pct=60.0)
    table.loc[20:22, "outdoor_rh_pct"] = 130.0
    return put(folder, text(table))


@fault("D8", "D-WET-BULB")
def wet_bulb_above_dry_bulb(folder: Path) -> Path:
    table = plant(LONG)
    wet = table["outdoor_dry_bulb_c"] - 3
    wet[100:130] += 6
    return put(folder, text(table.assign(outdoor_wet_bulb_c=wet)))


@fault("D8", "D-UNIT-UNKNOWN")
def utilisation_above_one(folder: Path) -> Path:
    table = station()
    table.loc[10:12, "prb utilisation"] = 1.4
    return put(folder, text(table))


@fault("D8", "D-DEW-POINT")
def dew_point_above_dry_bulb(folder: Path) -> Path:
    table = plant(LONG)
    dew = table["outdoor_dry_bulb_c"] - 4
    dew[100:110] += 8
    return put(folder, text(table.assign(outdoor_dew_point_c=dew)))


@fault("D1", "D-ENERGY-POWER")
def watt_hours_under_a_header_of_kilowatt_hours(folder: Path) -> Path:
    table = station()
    power = (1000 * table["Energy (kWh)"]).round(1)
    return put(folder, text(table.assign(**{"Average Power (W)": power, "Energy (kWh)": power})))


@fault("D1", "D-UNIT-MIXED")
def watts_for_thirty_hours_in_the_middle(folder: Path) -> Path:
    table = plant(LONG)
    table.loc[200:230, "it_power_kw"] *= 1000
    return put(folder, text(table))


@fault("D9", "D-SLEEP-TRAFFIC")
def asleep_with_traffic(folder: Path) -> Path:
    table = station(**{"Sleep Mode 1": 0.0})
    table.loc[100:104, ["Sleep Mode 1", "prb utilisation"]] = [1.0, 0.8]
    return put(folder, text(table))


@fault("D9", "D-ENERGY-WITHOUT-LOAD")
def energy_without_load(folder: Path) -> Path:
    other = station(**{"base station": "b2", "prb utilisation": np.nan})
    return put(folder, text(pd.concat([station(), other])))


@fault("D9", "D-NEGATIVE-POWER")
def station_of_negative_energy(folder: Path) -> Path:
    table = station()
    table.loc[10:12, "Energy (kWh)"] = -1.0
    return put(folder, text(table))


@fault("D9", "D-LOAD-WITHOUT-ENERGY")
def load_without_energy(folder: Path) -> Path:
    table = station()
    table.loc[100:160, "Energy (kWh)"] = 0.0
    return put(folder, text(table))


@fault("D10", "D-COLUMN-EMPTY")
def column_without_a_value(folder: Path) -> Path:
    return put(folder, changed(cooling_power_kw=np.nan))


@fault("D10", READ)
def three_rows(folder: Path) -> Path:
    return put(folder, text(plant(3)))
