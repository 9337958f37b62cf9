"""Small faulty exports: one fault each, and the finding that has to name it.

Every file holds twenty days of the sample data centre (October, hourly), or of one base station, with one
thing wrong, as meters, gateways and people get it wrong. `EXPECTED` lists what ``advisor check`` has to
answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from sample_data.data_centre import TIME_HEADER, SampleYear
from sample_data.station_faults import station_fault

START, DAYS = "2025-10-13", 20
CLEAN = "clean.csv"
_EXCHANGED = {"it_power_kw": "facility_power_kw", "facility_power_kw": "it_power_kw"}


@dataclass(frozen=True)
class Fault:
    """One faulty export.

    Parameters
    ----------
    file : str
    kind : str
        Family of the fault.
    what : str
        What is wrong, in one sentence.
    codes : tuple of str
        Findings that have to be there, besides none of severity ``error`` that is not listed; or, where
        the export cannot be used, the code of the refusal.
    exit_code : int
        Of ``advisor check``.
    """

    file: str
    kind: str
    what: str
    codes: tuple[str, ...]
    exit_code: int = 0


EXPECTED = (
    Fault(CLEAN, "none", "nothing", ()),
    Fault("stuck_sensor.csv", "stuck sensor", "the cooling meter repeats one value for 40 h", ("D-STUCK",)),
    Fault("spike.csv", "spike", "two readings of IT power are eight times too high", ("D-SPIKE",)),
    Fault(
        "swapped_meters.csv",
        "swapped meters",
        "the headers of facility and IT power are exchanged",
        ("D-PUE-BELOW-1",),
    ),
    Fault("stuck_at_zero.csv", "stuck sensor", "the IT meter reads zero for 30 h", ("D-STUCK",)),
    Fault(
        "wet_above_dry.csv",
        "contradiction",
        "the wet bulb is 3 K above the dry bulb for 4 h",
        ("D-WET-BULB",),
    ),
    Fault(
        "dew_above_dry.csv",
        "contradiction",
        "the dew point is 3 K above the dry bulb for 4 h",
        ("D-DEW-POINT",),
    ),
    Fault(
        "swapped_water.csv",
        "swapped sensors",
        "supply and return of the chilled water are exchanged",
        ("D-SUPPLY-RETURN",),
    ),
    Fault(
        "impossible.csv",
        "impossible reading",
        "-1 kW of a meter, and -999 degC of a sensor that was off",
        ("D-NEGATIVE-POWER", "D-OUT-OF-BOUNDS"),
    ),
    Fault("gap.csv", "gap", "31 hours in a row were not exported", ("D-GAP",)),
    Fault(
        "disorder.csv",
        "duplicated and disordered stamps",
        "rows swapped, one row twice, one hour with two different readings",
        ("D-DISORDER", "D-DUPLICATE"),
    ),
    Fault(
        "unit_slip.csv",
        "unit slip",
        "IT power is in W although its header says kW",
        ("E-QUESTION-UNIT",),
        exit_code=3,
    ),
    Fault("unit_slip_midway.csv", "unit slip", "IT power is in W for 30 h in the middle", ("D-UNIT-MIXED",)),
    Fault("fahrenheit_midway.csv", "unit slip", "the server inlet is in °F for 30 h", ("D-UNIT-MIXED",)),
    Fault(
        "two_meters.csv",
        "doubt",
        "two columns could be the IT meter",
        ("E-QUESTION-METER",),
        exit_code=3,
    ),
    Fault(
        "summer_time.csv",
        "clock change",
        "local time without a zone: the hour after summer time ends stands twice",
        ("D-DUPLICATE", "D-ZONE-ASSUMED"),
    ),
    Fault(
        "clock_jump.csv",
        "clock jump",
        "the logger's clock is 20 min ahead on the last day",
        ("D-CLOCK-JUMP",),
    ),
    Fault(
        "counter_rollover.csv",
        "counter rollover",
        "facility energy is a register of six digits that passes its end",
        ("D-COUNTER-ROLLOVER",),
    ),
    Fault(
        "counter_reset.csv",
        "counter reset",
        "facility energy is a register that starts anew after a meter was exchanged",
        ("D-COUNTER-RESET",),
    ),
    Fault(
        "broken_cells.csv",
        "broken cells",
        "formula errors in a column, and a line cut off",
        ("D-NOT-A-NUMBER", "D-ROW-RAGGED"),
    ),
    Fault(
        "station_sleep.csv",
        "contradiction",
        "a base station sleeps the whole hour and carries a load of 0.8",
        ("D-SLEEP-TRAFFIC",),
    ),
    Fault(
        "station_no_energy.csv",
        "load without energy",
        "a base station carries traffic for 5 h at an energy of zero",
        ("D-LOAD-WITHOUT-ENERGY",),
    ),
    Fault(
        "station_energy_unit.csv",
        "unit slip",
        "a station's energy is in Wh although its header says kWh; its power is right",
        ("D-ENERGY-POWER",),
    ),
    Fault(
        "station_no_load.csv",
        "energy without load",
        "of one of two stations only the energy was exported",
        ("D-ENERGY-WITHOUT-LOAD",),
    ),
)
"""What every file has to be answered with."""


def faulty_exports(year: SampleYear, seed: int) -> dict[str, str]:
    """Return the text of every file of `EXPECTED`.

    Parameters
    ----------
    year : SampleYear
        Of the first sample data centre.
    seed : int

    Returns
    -------
    dict
        File name -> CSV text.
    """
    clean = _clean(year, seed)
    made: dict[str, Callable[[pd.DataFrame], str]] = {
        CLEAN: _text,
        "stuck_sensor.csv": lambda t: _text(_with(t, "cooling_power_kw", _held, 200, 240)),
        "spike.csv": lambda t: _text(_with(t, "it_power_kw", _eightfold, 150, 152)),
        "impossible.csv": lambda t: _text(
            _with(
                _with(t, "cooling_power_kw", _set(-1.0), 90, 91), "outdoor_dry_bulb_c", _set(-999.0), 300, 302
            )
        ),
        "gap.csv": lambda t: _text(t.drop(index=t.index[250:281])),
        "disorder.csv": lambda t: _text(_disordered(t)),
        "unit_slip.csv": lambda t: _text(t.assign(it_power_kw=(t["it_power_kw"] * 1000).round(0))),
        "swapped_meters.csv": lambda t: _text(t.rename(columns=_EXCHANGED)),
        "stuck_at_zero.csv": lambda t: _text(_with(t, "it_power_kw", _set(0.0), 200, 230)),
        "wet_above_dry.csv": lambda t: _text(
            t.assign(outdoor_wet_bulb_c=_above(t["outdoor_wet_bulb_c"], t["outdoor_dry_bulb_c"], 120, 124))
        ),
        "swapped_water.csv": lambda t: _text(_water(t)),
        "unit_slip_midway.csv": lambda t: _text(_with(t, "it_power_kw", _thousandfold, 200, 230)),
        "fahrenheit_midway.csv": lambda t: _text(_with(t, "server_inlet_c", _fahrenheit, 200, 230)),
        "two_meters.csv": lambda t: _text(_two_meters(t)),
        "counter_rollover.csv": lambda t: _text(_rollover(t)),
        "station_sleep.csv": lambda _: _text(station_fault("sleep", seed)),
        "station_no_energy.csv": lambda _: _text(station_fault("no energy", seed)),
        "station_energy_unit.csv": lambda _: _text(station_fault("energy unit", seed)),
        "station_no_load.csv": lambda _: _text(station_fault("no load", seed)),
        "dew_above_dry.csv": lambda t: _text(_dew(t)),
        "summer_time.csv": lambda t: _text(_local_time(t)),
        "clock_jump.csv": lambda t: _text(_jumped(t)),
        "counter_reset.csv": lambda t: _text(_register(t)),
        "broken_cells.csv": _broken,
    }
    return {fault.file: made[fault.file](clean) for fault in EXPECTED}


def expected_toml() -> str:
    """Return the table of faults and findings as TOML."""
    lines = ["# What `advisor check FILE` has to answer for every file of this folder."]
    for f in EXPECTED:
        codes = ", ".join(f'"{c}"' for c in f.codes)
        lines += ["", "[[fault]]", f'file = "{f.file}"', f'kind = "{f.kind}"', f'what = "{f.what}"']
        lines += [f"codes = [{codes}]", f"exit_code = {f.exit_code}"]
    return "\n".join(lines) + "\n"


def _clean(year: SampleYear, seed: int) -> pd.DataFrame:
    """Return twenty days without a fault; stamps as text in the first column."""
    rng = np.random.default_rng([seed, 41])
    index = pd.date_range(START, periods=24 * DAYS, freq="h")
    truth, weather = year.truth.loc[index], year.weather.loc[index]
    noise = 1.0 + 0.004 * rng.standard_normal((len(index), 3))
    table = pd.DataFrame({TIME_HEADER: index.strftime("%Y-%m-%d %H:%M")})
    for name in year.set_points:
        table[str(name)] = year.set_points[name].loc[index].to_numpy()
    table["outdoor_dry_bulb_c"] = weather["outdoor_dry_bulb_c"].round(2).to_numpy()
    table["outdoor_wet_bulb_c"] = (weather["outdoor_wet_bulb_c"] - 0.05).round(2).to_numpy()
    for column, name in enumerate(("it_power_kw", "facility_power_kw", "cooling_power_kw")):
        table[name] = (truth[name].to_numpy() * noise[:, column]).round(2)
    table["server_inlet_c"] = (
        (truth["server_inlet_temp_c"] + 0.1 * rng.standard_normal(len(index))).round(2).to_numpy()
    )
    return table


def _text(table: pd.DataFrame) -> str:
    return str(table.to_csv(index=False, lineterminator="\n"))


Change = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]


def _with(table: pd.DataFrame, column: str, change: Change, start: int, end: int) -> pd.DataFrame:
    values = table[column].to_numpy(dtype=np.float64, copy=True)
    values[start:end] = change(values[start:end])
    return table.assign(**{column: values})


def _held(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.full_like(values, values[0])


def _eightfold(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return (values * 8.0).round(2)


def _set(value: float) -> Change:
    return lambda values: np.full_like(values, value)


def _disordered(table: pd.DataFrame) -> pd.DataFrame:
    rows = np.arange(len(table))
    rows[100:110] = rows[100:110][::-1]
    other = table.iloc[[320]].assign(it_power_kw=lambda t: t["it_power_kw"] + 25.0)
    return pd.concat([table.iloc[rows], table.iloc[[180]], other])


def _local_time(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table as a system in Berlin would stamp it: summer time ends on 26 October 2025."""
    moments = pd.DatetimeIndex(table[TIME_HEADER]).tz_localize("+08:00").tz_convert("Europe/Berlin")
    return table.assign(**{TIME_HEADER: moments.strftime("%Y-%m-%d %H:%M")}).rename(
        columns={TIME_HEADER: "timestamp"}
    )


def _jumped(table: pd.DataFrame) -> pd.DataFrame:
    moments = pd.DatetimeIndex(table[TIME_HEADER])
    ahead = np.where(np.arange(len(table)) >= len(table) - 24, 20, 0)
    stamps = (moments + pd.to_timedelta(ahead, unit="min")).strftime("%Y-%m-%d %H:%M")
    return table.assign(**{TIME_HEADER: stamps})


def _register(table: pd.DataFrame) -> pd.DataFrame:
    reading = 1_250_000.0 + np.cumsum(table["facility_power_kw"].to_numpy())
    reading[260:] -= reading[260] - 12.0
    named = table.drop(columns="facility_power_kw")
    return named.assign(**{"facility_energy (kWh)": reading.round(1)})


def _rollover(table: pd.DataFrame) -> pd.DataFrame:
    reading = 990_000.0 + np.cumsum(table["facility_power_kw"].to_numpy())
    named = table.drop(columns="facility_power_kw")
    return named.assign(**{"facility_energy (kWh)": (reading % 1e6).round(1)})


def _thousandfold(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return (values * 1000.0).round(0)


def _fahrenheit(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return (values * 1.8 + 32.0).round(2)


def _above(wet: pd.Series, dry: pd.Series, start: int, end: int) -> pd.Series:
    raised = wet.copy()
    raised.iloc[start:end] = (dry.iloc[start:end] + 3.0).round(2)
    return raised


def _dew(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with a dew point, about as far below the wet bulb as this is below the dry bulb."""
    dry, wet = table["outdoor_dry_bulb_c"], table["outdoor_wet_bulb_c"]
    return table.assign(outdoor_dew_point_c=_above((2.0 * wet - dry).round(2), dry, 120, 124))


def _water(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with two temperatures of chilled water whose headers are exchanged."""
    load = table["cooling_power_kw"].to_numpy(dtype=np.float64)
    warm = (12.0 + 0.02 * load + 0.1 * np.sin(np.arange(len(table)))).round(2)
    cold = (7.0 + 0.1 * np.cos(np.arange(len(table)))).round(2)
    return table.assign(**{"CHWS-T (°C)": warm, "CHWR-T (°C)": cold})


def _two_meters(table: pd.DataFrame) -> pd.DataFrame:
    named = table.rename(columns={"it_power_kw": "Server power (kW)"})
    return named.assign(**{"Computing power (kW)": (0.8 * table["it_power_kw"]).round(2)})


def _broken(table: pd.DataFrame) -> str:
    cells = table["cooling_power_kw"].map("{:.2f}".format).to_numpy(dtype=object)
    cells[[60, 61, 199]] = "#REF!"
    lines = _text(table.assign(cooling_power_kw=cells)).splitlines()
    lines[221] = lines[221].rsplit(",", 3)[0]
    return "\n".join(lines) + "\n"
