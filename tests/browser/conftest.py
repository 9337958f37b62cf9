"""A small trained site, the app's server on it, and a browser; skipped where there is none."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from app.service.intake import intake

ROOT = Path(__file__).resolve().parents[2]
SITE = """
id = "hall"
name = "测试机房 <b>Hall</b>"
kind = "data-centre"
country = "CN"
time_zone = "+08:00"
currency = "CNY"
current = { zone_set_point_c = 22.0 }
levers = { zone_set_point_c = { lower = 18.0, upper = 27.0, step = 0.5 } }
limits = { server_inlet_temp_c_max = 27.0, sensor_error_k = 0.3 }
tariff = { energy_per_kwh = 0.65, source = "assumption of the test" }
carbon = { factor_kg_per_kwh = 0.44, source = "assumption of the test" }
green = { grid_share = 0.25, source = "assumption of the test" }
"""


UPLOADED_DAYS = 30
"""Of the file that is uploaded: more than the three weeks from which a site has a model of its own."""


def export(days: int, seed: int = 3) -> pd.DataFrame:
    """Return hours of a small hall whose cooling falls with its set-point, two of them impossible."""
    rng = np.random.default_rng(seed)
    hours = np.arange(24 * days)
    stamps = pd.date_range("2025-03-01", periods=len(hours), freq="h")
    outdoor = 18 + 8 * np.sin(2 * np.pi * (hours / 24 - 9) / 24) + 5 * np.sin(2 * np.pi * hours / (24 * 40))
    it = 300 + 60 * np.sin(2 * np.pi * (hours % 24 - 8) / 24) + rng.normal(0, 5, len(hours))
    set_point = rng.choice(np.arange(19.0, 26.5, 0.5), size=days * 2).repeat(12)
    cooling = it * (0.30 - 0.012 * (set_point - 22) + 0.006 * (outdoor - 18)) + rng.normal(0, 2, len(hours))
    loss = 5 + 0.04 * it
    facility = it + cooling + loss + 8
    facility[100:102] = -5.0
    return pd.DataFrame(
        {
            "timestamp": stamps.strftime("%Y-%m-%d %H:%M"),
            "zone_set_point_c": set_point,
            "outdoor_dry_bulb_c": outdoor.round(2),
            "it_power_kw": it.round(2),
            "cooling_power_kw": cooling.round(2),
            "ups_loss_kw": loss.round(2),
            "facility_power_kw": facility.round(2),
            "server_inlet_temp_c": (set_point + 1.5 + rng.normal(0, 0.2, len(hours))).round(2),
        }
    )


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with one trained site, as ``advisor demo`` would leave it."""
    folder = tmp_path_factory.mktemp("workspace")
    exports = folder / "samples" / "hall"
    exports.mkdir(parents=True)
    export(120).to_csv(exports / "telemetry.csv", index=False)
    (exports / "site.toml").write_text(SITE, encoding="utf-8")
    intake(folder, "hall", progress=lambda *_: None)
    return folder


@pytest.fixture(scope="session")
def url(data: Path) -> Iterator[str]:
    """Return the address of a running ``advisor serve``."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "app", "serve", "--data", str(data), "--port", "0"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, cwd=data) as server:
        try:
            line = server.stderr.readline() if server.stderr else ""
            found = re.search(r"http://127\.0\.0\.1:\d+/", line)
            assert found, line
            yield found[0]
        finally:
            server.terminate()
            server.wait(60)


@pytest.fixture
def small_export(tmp_path: Path) -> Path:
    """Return some weeks as a file with Chinese headers, one of them an attempt to run a script."""
    names = {
        "timestamp": "时间",
        "it_power_kw": "IT功率(kW)",
        "facility_power_kw": "总功率(kW)",
        "cooling_power_kw": "制冷功率(kW)",
        "server_inlet_temp_c": "<script>alert(1)</script>",
    }
    path = tmp_path / "my export.csv"
    export(UPLOADED_DAYS).rename(columns=names).to_csv(path, index=False)
    return path
