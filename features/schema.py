"""The canonical schema: one table that is the law and the documentation.

Names carry the unit. ``role`` says how a column may be used: a *lever* can be moved by an
operator, a *disturbance* comes from outside (weather, work), a *state* is a consequence inside
the plant, an *outcome* is what is predicted or paid for, a *status* is a flag or mode, an
*attribute* is constant for its unit. ``aggregation`` says how finer rows become coarser ones.
Bounds are physical: a value outside them is an error of the data, not a rare event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["lever", "state", "disturbance", "outcome", "status", "attribute"]
Aggregation = Literal["mean", "sum", "counter", "instant", "constant"]
Kind = Literal["data-centre", "base-station"]

SYMBOLS = {"degC": "°C", "degF": "°F", "m3": "m³", "1": ""}
"""Units as people write them, where that differs from their name here."""
KEY_COLUMNS: tuple[str, str, str] = ("site_id", "unit_id", "timestamp")


@dataclass(frozen=True)
class Column:
    """One canonical column.

    Parameters
    ----------
    name : str
        Canonical name, carrying the unit.
    unit : str
        Unit of the values; ``1`` for ratios, ``""`` for text, ``rel`` where no physical unit is known.
    role, aggregation : str
        See the module's text.
    lower, upper : float
        Physical bounds [unit].
    meaning : str
        One sentence.
    kind : str
        Where the column occurs; ``""`` for both kinds.
    text : bool
        True for text attributes; all other columns are float64.
    """

    name: str
    unit: str
    role: Role
    aggregation: Aggregation
    lower: float
    upper: float
    meaning: str
    kind: Kind | Literal[""] = "data-centre"
    text: bool = False


def _power(name: str, meaning: str, role: Role = "outcome") -> Column:
    return Column(name, "kW", role, "mean", 0.0, 1e6, meaning)


def _temp(name: str, meaning: str, role: Role = "state", lower: float = -20.0, upper: float = 90.0) -> Column:
    return Column(name, "degC", role, "mean", lower, upper, meaning)


def _sleep(index: int) -> Column:
    return Column(
        f"sleep_mode_{index}", "1", "lever", "mean", 0.0, 1.0,
        f"share of the interval in the station's energy-saving mode {index}", "base-station",
    )  # fmt: skip


# ruff: noqa: E501 - a table reads best with one row per line
_COLUMNS: tuple[Column, ...] = (
    # power and energy of a data centre
    _power("it_power_kw", "IT equipment with its own fans, at the UPS output"),
    _power("facility_power_kw", "whole site at the utility meter: IT + losses + cooling + rest"),
    _power("cooling_power_kw", "all cooling that is metered: chillers, towers, pumps, fans, DX"),
    _power("ups_loss_kw", "losses of the UPS"),
    _power("chiller_power_kw", "compressors of the chillers", "state"),
    _power("tower_fan_power_kw", "cooling-tower fans", "state"),
    _power("pump_power_kw", "chilled-water and condenser-water pumps", "state"),
    _power("fan_power_kw", "air handlers of the room (CRAH, AHU)", "state"),
    _power("dx_power_kw", "direct-expansion coils", "state"),
    _power("evaporative_power_kw", "evaporative coolers", "state"),
    Column("pv_power_kw", "kW", "disturbance", "mean", 0.0, 1e6, "on-site photovoltaic generation"),
    Column("grid_power_kw", "kW", "outcome", "mean", -1e6, 1e6, "exchange with the grid, import positive"),
    Column("battery_charge_kw", "kW", "state", "mean", 0.0, 1e6, "power that the battery takes in", ""),
    Column("battery_discharge_kw", "kW", "state", "mean", 0.0, 1e6, "power that the battery delivers", ""),
    Column("battery_soc_kwh", "kWh", "state", "instant", 0.0, 1e7, "energy stored in the battery"),
    # levers and temperatures of a data centre
    _temp("zone_set_point_c", "set-point of the room or cold aisle", "lever", 5.0, 50.0),
    _temp("supply_air_set_point_c", "set-point of the supply air", "lever", 5.0, 50.0),
    _temp("chilled_water_set_point_c", "set-point of the chilled water leaving the plant", "lever", 2.0, 40.0),
    Column("tower_approach_set_point_k", "K", "lever", "mean", 0.5, 30.0, "set-point of the cooling tower's leaving water above the wet bulb"),
    Column("airflow_set_point_pct", "%", "lever", "mean", 0.0, 120.0, "air-handler fan speed or airflow set-point, of the rated one"),
    _temp("economiser_changeover_c", "outdoor temperature below which free cooling is enabled", "lever", -40.0, 45.0),
    Column("evaporative_mode", "1", "lever", "mean", 0.0, 1.0, "share of the interval with evaporative assistance enabled"),
    _temp("supply_air_temp_c", "air leaving the cooling units"),
    _temp("room_air_temp_c", "room or return air, the warm side"),
    _temp("server_inlet_temp_c", "hottest server inlet"),
    _temp("server_inlet_dew_point_c", "dew point of the air that servers get", "state", -60.0, 40.0),
    Column("server_inlet_rh_pct", "%", "state", "mean", 0.0, 105.0, "relative humidity at the server inlet"),
    _temp("chilled_water_supply_temp_c", "chilled water leaving the plant"),
    _temp("chilled_water_return_temp_c", "chilled water returning to the plant"),
    _temp("condenser_water_temp_c", "cooling (condenser) water entering the chillers"),
    Column("chilled_water_flow_l_s", "L/s", "state", "mean", 0.0, 1e5, "flow of chilled water"),
    Column("thermal_load_kw", "kW", "disturbance", "mean", 0.0, 1e6, "heat taken by the chilled water (thermal)"),
    Column("cpu_utilisation", "1", "disturbance", "mean", 0.0, 1.0, "mean CPU utilisation of the servers"),
    # weather
    _temp("outdoor_dry_bulb_c", "outdoor dry-bulb temperature", "disturbance", -60.0, 60.0),
    _temp("outdoor_wet_bulb_c", "outdoor wet-bulb temperature", "disturbance", -60.0, 45.0),
    _temp("outdoor_dew_point_c", "outdoor dew point", "disturbance", -80.0, 40.0),
    Column("outdoor_rh_pct", "%", "disturbance", "mean", 0.0, 105.0, "outdoor relative humidity"),
    Column("wind_speed_m_s", "m/s", "disturbance", "mean", 0.0, 90.0, "wind speed"),
    Column("air_pressure_kpa", "kPa", "disturbance", "mean", 45.0, 110.0, "atmospheric pressure"),
    # water, money, carbon, ratios
    Column("water_m3", "m3", "outcome", "sum", 0.0, 1e6, "make-up water of the interval"),
    Column("price_per_kwh", "currency/kWh", "disturbance", "mean", -50.0, 500.0, "energy price", ""),
    Column("carbon_g_per_kwh", "g/kWh", "disturbance", "mean", 0.0, 2500.0, "grid carbon intensity", ""),
    Column("pue", "1", "outcome", "mean", 1.0, 20.0, "facility power / IT power"),
    Column("green_share", "1", "outcome", "mean", 0.0, 1.0, "share of green energy", ""),
    Column("grid_cfe_share", "1", "disturbance", "mean", 0.0, 1.0, "carbon-free share of the grid's energy", ""),
    # base stations
    Column("station_energy_kwh", "kWh", "outcome", "sum", 0.0, 1e4, "energy of the station", "base-station"),
    Column("station_energy_rel", "rel", "outcome", "sum", 0.0, 1e6, "energy, relative unit", "base-station"),
    Column("station_power_w", "W", "outcome", "mean", 0.0, 1e6, "power of the station", "base-station"),
    Column("prb_utilisation", "1", "disturbance", "mean", 0.0, 1.0, "share of used PRBs of the cell", "base-station"),
    *(_sleep(i) for i in range(1, 7)),
    Column("ru_type", "", "attribute", "constant", 0, 0, "radio-unit product", "base-station", text=True),
    Column("radio_mode", "", "attribute", "constant", 0, 0, "transmission mode", "base-station", text=True),
    Column("frequency_rel", "rel", "attribute", "constant", 0.0, 1e6, "carrier frequency as exported", "base-station"),
    Column("bandwidth_mhz", "MHz", "attribute", "constant", 0.0, 2000.0, "carrier bandwidth", "base-station"),
    Column("antennas", "1", "attribute", "constant", 0.0, 4096.0, "transmit antennas", "base-station"),
    Column("tx_power_rel", "rel", "attribute", "constant", 0.0, 1e4, "maximum transmit power as exported", "base-station"),
)  # fmt: skip

SCHEMA: dict[str, Column] = {column.name: column for column in _COLUMNS}
"""Canonical name -> `Column`."""

SCHEMA_VERSION = 1


def column(name: str) -> Column:
    """Return the canonical column of that name.

    Raises
    ------
    KeyError
        The name is not canonical; the message lists near names.
    """
    if name not in SCHEMA:
        from difflib import get_close_matches  # noqa: PLC0415 - only on the error path

        near = ", ".join(get_close_matches(name, SCHEMA, 3)) or "none"
        raise KeyError(f"{name!r} is not a canonical column (near: {near})")
    return SCHEMA[name]


def schema_markdown() -> str:
    """Return the schema as a Markdown table (the documentation of the columns)."""
    head = "| column | unit | role | aggregation | bounds | meaning |\n|---|---|---|---|---|---|\n"
    rows = (
        f"| `{c.name}` | {c.unit} | {c.role} | {c.aggregation} | "
        f"{'' if c.text else f'{c.lower:g}..{c.upper:g}'} | {c.meaning} |"
        for c in _COLUMNS
    )
    return head + "\n".join(rows) + "\n"
