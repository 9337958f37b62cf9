"""A made-up fleet whose law is known: energy = level (1 + 0.8 load) (1 - effect * sleep), with noise."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.telemetry import Telemetry, TimeZone

START = pd.Timestamp("2025-06-01", tz="UTC")
EFFECT = 0.40
LEVELS = {"P": 10.0, "Q": 20.0, "R": 30.0}
SECOND_CELLS = (5, 6, 17)
"""Stations of product P with a second, equal cell."""


def fleet(
    stations: int = 18,
    days: int = 6,
    *,
    seed: int = 0,
    quantity: str = "station_energy_rel",
    noise: float = 0.01,
    measured: float = 0.9,
    load_clock_ahead: int = 0,
) -> Telemetry:
    """Return telemetry of stations ``S00``... of products P, Q, R in turn.

    Every other station of P sleeps in modes 1 and 2 in about two nights of three at 1 to 5 o'clock.
    `load_clock_ahead` stamps the cells' rows that many hours late.
    """
    rng = np.random.default_rng(seed)
    hours = pd.date_range(START, periods=24 * days, freq="h", unit="us")
    hour = hours.hour.to_numpy()
    parts = []
    for s in range(stations):
        name, product = f"S{s:02d}", "PQR"[s % 3]
        shape = 0.03 + 0.4 * np.exp(-(((hour - 18 + 12) % 24 - 12) ** 2) / 30.0)
        cells = 2 if product == "P" and s // 3 in SECOND_CELLS else 1
        loads, sleeps = [], []
        for _ in range(cells):
            load = np.clip(
                rng.uniform(0.4, 1.2) * shape * np.exp(0.2 * rng.standard_normal(len(hours))), 0, 1
            )
            load = np.where((hour >= 1) & (hour < 6), rng.uniform(0.015, 0.05, len(hours)), load)
            tonight = (rng.random(days) < 0.65)[np.arange(len(hours)) // 24]
            sleeper = product == "P" and s % 2 == 0
            sleeps.append(np.where(tonight & (hour >= 1) & (hour < 5) & sleeper, 1.0, 0.0))
            loads.append(load)
        load, sleep = np.mean(loads, axis=0), np.mean(sleeps, axis=0)
        level = LEVELS[product] * cells * np.exp(0.08 * rng.standard_normal())
        energy = level * (1 + 0.8 * load) * (1 - EFFECT * sleep)
        energy = energy * np.exp(noise * rng.standard_normal(len(hours)))
        energy = np.where(rng.random(len(hours)) < measured, energy, np.nan)
        parts.append(_rows(name, "", hours, product, **{quantity: energy}))
        stamps = hours + pd.Timedelta(hours=load_clock_ahead)
        parts += [
            _rows(
                name, f"C{c}", stamps, product, prb_utilisation=loads[c],
                sleep_mode_1=sleeps[c], sleep_mode_2=sleeps[c],
            )
            for c in range(cells)
        ]  # fmt: skip
    return telemetry(pd.concat(parts))


def _rows(name: str, unit: str, stamps: pd.DatetimeIndex, product: str, **values: np.ndarray) -> pd.DataFrame:
    table = pd.DataFrame({"site_id": name, "unit_id": unit, "timestamp": stamps, **values})
    if unit:
        table = table.assign(
            ru_type=product, radio_mode="M", frequency_rel=100.0 + 10 * ord(product[0]), bandwidth_mhz=20.0,
            antennas=2.0, tx_power_rel=6.0,
        )  # fmt: skip
    return table


def telemetry(frame: pd.DataFrame) -> Telemetry:
    """Return telemetry from rows in any order."""
    keys = ["site_id", "unit_id", "timestamp"]
    return Telemetry(
        frame.sort_values(keys).reset_index(drop=True), pd.Timedelta(hours=1), "base-station",
        TimeZone("UTC", assumed=False),
    )  # fmt: skip


def with_energy(
    data: Telemetry, change: pd.Series, values: object, quantity: str = "station_energy_rel"
) -> Telemetry:
    """Return telemetry with the energy of the rows marked by `change` replaced."""
    frame = data.frame.copy()
    frame.loc[change & (frame["unit_id"] == ""), quantity] = values
    return telemetry(frame)
