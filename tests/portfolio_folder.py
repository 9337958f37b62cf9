"""A small portfolio on disk: two data centres and four base stations, a week in May."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

SITE = """
id = "{id}"
kind = "{kind}"
time_zone = "+08:00"
currency = "CNY"
[tariff]
energy_per_kwh = 0.6
source = "test"
[carbon]
factor_kg_per_kwh = 0.5
source = "test"
[green]
grid_share = 0.25
source = "test share"
"""
WORKLOAD = """
[workload]
flexible_share = 0.2
it_capacity_kw = 700
movable = true
source = "test"
"""
BATTERY = """
[battery]
energy_kwh = {size}
power_kw = {size}
charge_efficiency = 0.95
discharge_efficiency = 0.95
reserve_kwh = 1
source = "test"
"""
PV = """
[pv]
kw_peak = 8
latitude_deg = 23.1
longitude_deg = 113.3
yearly_yield_kwh_per_kw = 1000
source = "test"
"""
PORTFOLIO = """
id = "test"
currency = "CNY"
start = "2025-05-20T00:00"
end = "2025-05-27T00:00"
[movement]
between_sites = true
transfer_kwh_per_kwh = 0.02
source = "test"
[[site]]
exports = ["a"]
site = "a.toml"
grid = "a-grid.csv"
[[site]]
exports = ["b"]
site = "b.toml"
[[site]]
exports = ["radio"]
site = "radio.toml"
meters = "each"
[[purchase]]
name = "certificates"
kind = "certificate"
volume_kwh = 1000
price_per_kwh = 0.03
source = "test"
"""

JOBS = """
[[work]]
name = "nightly jobs"
site = "dc-a"
share = 0.2
wait_hours = 10
run_hours = 2
interruptible = false
sites = ["dc-b"]
source = "test"
"""
PANELS = """
[[option]]
name = "panels"
kind = "pv"
site = "dc-b"
most = 900
investment_per_unit = 2500
life_years = 25
rate = 0.05
source = "test"
[[option]]
name = "storage"
kind = "battery"
site = "dc-b"
most = 2000
investment_per_unit = 800
life_years = 12
source = "test"
[[option]]
name = "cooling"
kind = "retrofit"
site = "dc-a"
cooling_saved_share = 0.3
investment_per_unit = 100000
source = "test"
"""


def hours(days: int = 40) -> pd.DatetimeIndex:
    """Return local hours of the exports."""
    return pd.date_range("2025-05-01", periods=24 * days, freq="h")


def write_portfolio(folder: Path) -> Path:
    """Write exports, site files, one grid file and portfolio.toml; return the folder."""
    for k, name in enumerate("ab"):
        (folder / name).mkdir(parents=True)
        centre(k).to_csv(folder / name / "telemetry.csv", index=False)
        text = SITE.format(id=f"dc-{name}", kind="data-centre") + WORKLOAD
        (folder / f"{name}.toml").write_text(text + (BATTERY.format(size=300) if k == 0 else ""))
    stamps = hours().tz_localize("+08:00")
    grid = pd.DataFrame(
        {
            "timestamp": [s.isoformat() for s in stamps],
            "grid_cfe_share": np.where((stamps.hour >= 10) & (stamps.hour < 16), 0.7, 0.2),
            "price_per_kwh": np.where((stamps.hour >= 8) & (stamps.hour < 22), 0.9, 0.4),
        }
    )
    grid.to_csv(folder / "a-grid.csv", index=False)
    (folder / "radio").mkdir()
    stations().to_csv(folder / "radio" / "energy.csv", index=False)
    radio = SITE.format(id="radio", kind="base-station") + PV + BATTERY.format(size=6)
    (folder / "radio.toml").write_text(radio)
    (folder / "portfolio.toml").write_text(PORTFOLIO)
    return folder


def centre(seed: int) -> pd.DataFrame:
    """Return the export of a data centre whose facility power grows by 1.2 per kW of IT power."""
    rng, t = np.random.default_rng(seed), hours()
    it = 500 + 30 * np.sin(t.hour / 24 * 2 * np.pi) + rng.normal(0, 10, len(t))
    heat = 25 + 5 * np.sin((t.hour - 9) / 24 * 2 * np.pi) + rng.normal(0, 1, len(t))
    sun = np.maximum(np.sin((t.hour - 6) / 12 * np.pi), 0) * 400 * (seed == 1)
    return pd.DataFrame(
        {
            "timestamp (UTC+08:00)": t.strftime("%Y-%m-%d %H:%M"),
            "it_power_kw": it.round(3),
            "facility_power_kw": (50 + 1.2 * it + 4 * heat).round(3),
            "outdoor_dry_bulb_c": heat.round(2),
            "pv_power_kw": sun.round(3),
        }
    )


def stations() -> pd.DataFrame:
    """Return hourly energy of four stations; the last one is silent for most of the window."""
    t = hours()
    parts = []
    for k in range(4):
        rows = t if k < 3 else t[:480]
        load = 2.0 + 0.1 * k + 0.5 * np.sin(rows.hour / 24 * 2 * np.pi)
        stamp = rows.strftime("%Y-%m-%d %H:%M")
        parts.append(pd.DataFrame({"Time (UTC+08:00)": stamp, "BS": f"S{k}", "Energy (kWh)": load.round(4)}))
    return pd.concat(parts)
