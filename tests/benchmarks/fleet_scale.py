"""Memory and time of one global model for many base stations, by the number of stations.

    python tests/benchmarks/fleet_scale.py --stations 200 500 1000 2000 [--days 90] [--out FILE.md]

Writes a made-up fleet of the given size (Parquet exports of 100 stations each, one list of cells), then runs
``advisor check``, ``advisor train`` and ``advisor predict`` as a user would, each in its own process, and
reports the peak resident memory and the seconds of each. ``check`` reads the same exports: what the others
need beyond it is theirs. Wall time only means something on a quiet machine, CPU time on any.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sample_data.fleet import START, station_month

PER_FILE = 100
GIB = 1024.0**2
"""ru_maxrss is in KiB on Linux."""


def main() -> None:
    """Print one row per size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stations", type=int, nargs="+", default=[200, 500, 1000, 2000])
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--out", type=Path, help="write the table here too")
    args = parser.parse_args()
    rows = []
    for stations in args.stations:
        base = Path(tempfile.mkdtemp(prefix="fleet-scale-"))
        try:
            hours = write_exports(base / "exports", stations, args.days)
            rows.append({"stations": stations, "station hours": hours, **verbs(base)})
        finally:
            shutil.rmtree(base)
        print(*(f"{k}: {v}" for k, v in rows[-1].items()), sep=", ", flush=True)
    if args.out:
        sizes = " ".join(map(str, args.stations))
        command = f"python tests/benchmarks/fleet_scale.py --stations {sizes} --days {args.days}"
        args.out.write_text(f"Made by `{command}`\n\n{markdown(rows)}\n", encoding="utf-8", newline="\n")


def write_exports(folder: Path, stations: int, days: int) -> int:
    """Write the fleet and return its station hours."""
    folder.mkdir(parents=True)
    index = pd.date_range(START, periods=24 * days, freq="h")
    stamps = index.strftime("%Y-%m-%d %H:%M").to_numpy(dtype=object)
    cells = []
    for first in range(0, stations, PER_FILE):
        count = min(PER_FILE, stations - first)
        rng = np.random.default_rng([7, first])
        tables = station_month(rng, index, stamps, count, f"B{first:05d}")
        cells.append(tables.pop("cells"))
        for name, table in tables.items():
            table.to_parquet(folder / f"{name}-{first:05d}.parquet", index=False)
    pd.concat(cells).to_csv(folder / "cells.csv", index=False)
    return stations * len(index)


def verbs(base: Path) -> dict[str, Any]:
    """Run the verbs one after the other and return what each took."""
    exports, model = str(base / "exports"), str(base / "model")
    calls = {
        "check": ["check", exports],
        "train": ["train", exports, "--out", model],
        "predict": ["predict", exports, "--model", model, "--out", str(base / "predictions.parquet")],
    }
    result: dict[str, Any] = {}
    for verb, call in calls.items():
        # a process of its own, because the peak of a process's children never goes down again
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            peak, wall, cpu = pool.apply(measured, ([sys.executable, "-m", "app", *call],))
        result |= {f"{verb} GiB": round(peak, 2), f"{verb} s wall": round(wall), f"{verb} s cpu": round(cpu)}
    return result


def measured(command: list[str]) -> tuple[float, float, float]:
    """Run a command and return its peak memory [GiB], wall and CPU time [s]."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_maxrss / GIB, time.perf_counter() - started, used.ru_utime + used.ru_stime


def markdown(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table."""
    head = list(rows[0])
    lines = [head, ["---"] * len(head), *([str(row[name]) for name in head] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
