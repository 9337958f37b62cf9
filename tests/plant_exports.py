"""The independent plant in ``shared`` beside the repository: its exports, and what it makes of a schedule."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from advisor.plan import Advice
from advisor.site import LeverRange, Limits, Site
from features.reading import read_paths
from features.telemetry import Telemetry

PLANT = Path(__file__).resolve().parents[2] / "shared" / "plant"
EXPORTS = PLANT / "exports"
ZONE, WATER = "zone_set_point_c", "chilled_water_set_point_c"
OFFSETS = {"NY": "-05:00", "Granada": "+01:00"}


def model_and_weather(name: str) -> tuple[str, str]:
    """Return what an export was simulated with."""
    model, weather = name.removesuffix("_reset").removesuffix("_fixed").rsplit("_", 1)
    return model, weather


def read_export(name: str) -> Telemetry:
    """Return one export."""
    return read_paths([EXPORTS / f"{name}.csv"], zone=OFFSETS[model_and_weather(name)[1]])[0]


def site_of(weather: str) -> Site:
    """Return what the plant's README asks to declare."""
    return Site(
        id="plant",
        time_zone=OFFSETS[weather],
        current={ZONE: 24.0, WATER: 7.0},
        levers={ZONE: LeverRange(lower=18, upper=27), WATER: LeverRange(lower=6, upper=15)},
        limits=Limits(server_inlet_temp_c_max=27.0),
    )


def evaluated(
    schedule: pd.DataFrame, name: str, python: str, seed: int = 1
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Let the plant of an export run a schedule; return its totals and its hours.

    Parameters
    ----------
    schedule : pandas.DataFrame, shape (hours, set-points)
        Index ``timestamp`` in local standard time.
    name : str
        Of the export.
    python : str
        Interpreter that has pandas and pyenergyplus-lbnl.
    seed : int
        Of the plant's work.
    """
    model, weather = model_and_weather(name)
    with tempfile.TemporaryDirectory() as folder:
        given, result = Path(folder) / "schedule.csv", Path(folder) / "result.csv"
        schedule.to_csv(given, index_label="timestamp")
        command = [
            python, str(PLANT / "plant.py"), "evaluate", "--model", model, "--weather", weather,
            "--seed", str(seed), "--schedule", str(given), "--out", str(result),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr[-2000:]}")
        return json.loads(done.stdout), pd.read_csv(result)


def schedule_of(advice: Advice) -> pd.DataFrame:
    """Return the plan as the plant reads it: a column per lever, local standard time."""
    plan = advice.plan_table
    hour = pd.to_datetime(plan["local_timestamp"].str.slice(0, 19))
    return plan.assign(timestamp=hour).pivot_table(index="timestamp", columns="lever", values="recommended")
