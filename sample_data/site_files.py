"""The ``site.toml`` of every sample. Figures marked "assumption" are ours."""

from __future__ import annotations

from dataclasses import dataclass

from sample_data.centres import COLD_CENTRE, TEMPERATE_CENTRE
from sample_data.data_centre import LEVERS, SUBTROPICAL, Centre

ASSUMED = "assumption of the sample"


@dataclass(frozen=True)
class Servers:
    """One ``[[servers]]`` group: model id of the hardware catalogue, count, mean and peak load [1], pool."""

    name: str
    model: str
    count: int
    mean: float
    peak: float
    pool: str


@dataclass(frozen=True)
class Declared:
    """What a sample data centre declares besides its set-points.

    Parameters
    ----------
    centre : Centre
    ident, name, region, zone : str
    racks : int
    hub_node : bool
    factor_kg_per_kwh : float
        Emission factor of the grid [kg/kWh].
    factor_year : int or None
    factor_source : str
    price, green : float
        Price [CNY/kWh] and green share of the grid [1].
    longitude_deg : float
    battery_kwh, battery_kw : float
        Usable energy [kWh] and power [kW].
    it_capacity_kw, flexible, connection_kw : float
        Most IT power [kW], share of work that may wait [1] and most that may be purchased [kW].
    servers : tuple of Servers
        Their mean power is 96 to 98 % of the mean IT power; the rest is network and storage.
    """

    centre: Centre
    ident: str
    name: str
    region: str
    zone: str
    racks: int
    hub_node: bool
    factor_kg_per_kwh: float
    factor_year: int | None
    factor_source: str
    price: float
    green: float
    longitude_deg: float
    battery_kwh: float
    battery_kw: float
    it_capacity_kw: float
    flexible: float
    connection_kw: float
    servers: tuple[Servers, ...]


MEE_2023 = "MEE and NBS, announcement 2025 No. 47: 2023 average factor of Guangdong (secondary transcription)"

DECLARED = (
    Declared(
        SUBTROPICAL, "sample-dc", "Sample data centre", "Guangdong", "+08:00", 400, False,
        0.4419, 2023, MEE_2023, 0.65, 0.25, 113.3, 1200.0, 300.0, 950.0, 0.20, 1400.0,
        (
            Servers("Batch nodes of 2016", "xeon-e5-2699v4-2s", 1350, 0.52, 0.66, "batch"),
            Servers("Application servers of 2019", "xeon-8280-2s", 1050, 0.55, 0.68, "applications"),
            Servers("Virtual machines of 2020", "epyc-7742-2s", 800, 0.56, 0.68, "virtual machines"),
            Servers("Nodes whose owners left", "xeon-e5-2699v4-2s", 350, 0.01, 0.02, "batch"),
        ),
    ),
    Declared(
        TEMPERATE_CENTRE, "sample-dc-temperate", "Sample data centre, temperate", "Shandong", "+08:00", 320,
        False, 0.60, None, ASSUMED, 0.62, 0.20, 117.0, 800.0, 200.0, 700.0, 0.15, 1000.0,
        (
            Servers("Database servers of 2016", "xeon-e5-2699v4-2s", 1750, 0.58, 0.69, "databases"),
            Servers("Application servers of 2019", "xeon-8280-2s", 830, 0.56, 0.68, "applications"),
            Servers("Nodes whose owners left", "xeon-e5-2699v4-2s", 300, 0.01, 0.02, "databases"),
        ),
    ),
    Declared(
        COLD_CENTRE, "sample-dc-cold", "Sample data centre, cold and dry", "Inner Mongolia", "Asia/Shanghai",
        500, True, 0.65, None, ASSUMED, 0.38, 0.35, 111.7, 2000.0, 500.0, 1350.0, 0.30, 1800.0,
        (
            Servers("Virtual machines of 2020", "epyc-7742-2s", 2100, 0.60, 0.69, "virtual machines"),
            Servers("Application servers of 2019", "xeon-8280-2s", 1350, 0.54, 0.68, "applications"),
            Servers("Reserve that is switched on", "xeon-8280-2s", 250, 0.01, 0.02, "applications"),
        ),
    ),
)  # fmt: skip


def data_centre_site(declared: Declared) -> str:
    """Return the text of a data centre's ``site.toml``."""
    d, c = declared, declared.centre
    lines = [
        '# Sample site: synthetic telemetry of a fictional data centre. What is an "assumption" is ours.',
        f'id = "{d.ident}"', f'name = "{d.name}"', 'kind = "data-centre"', 'country = "CN"',
        f'region = "{d.region}"', f'time_zone = "{d.zone}"', 'currency = "CNY"',
        f"hub_node = {str(d.hub_node).lower()}", "new_build = false", f"standard_racks = {d.racks}",
        "", "[current]", *(f"{name} = {value}" for name, value in c.current.items()),
    ]  # fmt: skip
    for name, (lower, upper) in LEVERS.items():
        lines += ["", f"[levers.{name}]", f"lower = {lower}", f"upper = {upper}", "step = 0.5"]
    lines += ["", "[limits]", "server_inlet_temp_c_max = 27.0", "sensor_error_k = 0.3"]
    lines += [
        "", "[tariff]", f"energy_per_kwh = {d.price}",
        f'source = "{ASSUMED}; replace by the contract\'s price"',
        "", "[connection]", f"grid_max_kw = {d.connection_kw}", f'source = "{ASSUMED}"',
        "", "[carbon]", f"factor_kg_per_kwh = {d.factor_kg_per_kwh}",
        *([f"year = {d.factor_year}"] if d.factor_year else []), f'source = "{d.factor_source}"',
        "", "[green]", f"grid_share = {d.green}",
        f'source = "{ASSUMED}; replace by certificates retired over energy bought"',
        "", "[pv]", 'certificates = "kept"', f"kw_peak = {c.pv_peak_kw}",
        f"kw_peak_max = {2.5 * c.pv_peak_kw}",
        f"latitude_deg = {c.climate.latitude_deg}", f"longitude_deg = {d.longitude_deg}",
        "price_per_kw = 3200.0", f'source = "{ASSUMED}; the export holds what it generates"',
        "", "[battery]", f"energy_kwh = {d.battery_kwh}", f"power_kw = {d.battery_kw}",
        "charge_efficiency = 0.97", "discharge_efficiency = 0.96", f"reserve_kwh = {0.2 * d.battery_kwh}",
        "grid_charging = true", "price_per_kwh = 900.0", f'source = "{ASSUMED}"',
        "", "[workload]", f"flexible_share = {d.flexible}", f"it_capacity_kw = {d.it_capacity_kw}",
        "movable = true", f'source = "{ASSUMED}"',
    ]  # fmt: skip
    for group in d.servers:
        lines += [
            "", "[[servers]]", f'name = "{group.name}"', f'model = "{group.model}"', f"count = {group.count}",
            f"mean_utilisation = {group.mean}", f"peak_utilisation = {group.peak}",
            f'pool = "{group.pool}"', f'source = "{ASSUMED}"',
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


BASE_STATION_SITE = f"""\
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
source = "{MEE_2023}"

[green]
grid_share = 0.25
source = "assumption of the sample; replace by certificates retired over energy bought"
"""
