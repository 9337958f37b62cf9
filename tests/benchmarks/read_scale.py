"""A large CSV to checked Parquet beside DuckDB's plain ``read_csv`` to Parquet, and large Parquet.

``python -m tests.benchmarks.read_scale [--rows 8e6] [--pairs 3] [--out FILE]`` makes a CSV of 22 columns (200
sites, 5 minutes; 8 million rows are 1.3 GB) and a Parquet file of ten million rows below the system's
temporary folder, runs both in turns, each in a process of its own, and prints the ratio of the wall times
(median of the pairs) and the peak memory.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

SITES = 200
MEASURED = (
    "cooling_power_kw", "chiller_power_kw", "tower_fan_power_kw", "pump_power_kw", "fan_power_kw",
    "ups_loss_kw", "zone_set_point_c", "supply_air_temp_c", "room_air_temp_c", "server_inlet_temp_c",
    "chilled_water_supply_temp_c", "chilled_water_return_temp_c", "condenser_water_temp_c",
    "chilled_water_flow_l_s", "outdoor_dry_bulb_c", "outdoor_wet_bulb_c", "outdoor_rh_pct", "wind_speed_m_s",
)  # fmt: skip

OURS = """
import sys
from pathlib import Path
from app.service.check import check
from app.service.reading import Exports
outcome = check(Exports((Path(sys.argv[1]),), zone="UTC"), out=Path(sys.argv[2]))
print(outcome.rows.sentence())
"""
PLAIN = """
import sys
import duckdb
connection = duckdb.connect(config={"threads": 2})
connection.execute("SET enable_progress_bar = false")
connection.sql(
    f"COPY (SELECT * FROM read_csv('{sys.argv[1]}')) TO '{sys.argv[2]}/plain.parquet' (COMPRESSION zstd)"
)
"""


def columns(step: str) -> str:
    """Return the SQL of all columns; `step` names the row's number within its site."""
    measured = ", ".join(
        f'round(20 + 10 * sin({step} * 0.001 * {k} + s) + random(), 3) AS "{name}"'
        for k, name in enumerate(MEASURED, 1)
    )
    return (
        f"'site-' || lpad(s::VARCHAR, 3, '0') AS site, "
        f"strftime(TIMESTAMP '2025-01-01' + {step} * INTERVAL 5 MINUTE, '%Y-%m-%d %H:%M:%S') AS timestamp, "
        f"round(100 + 20 * sin({step} * 0.0218) + random(), 3) AS it_power_kw, "
        f"round(260 + 25 * sin({step} * 0.0218) + random(), 3) AS facility_power_kw, {measured}"
    )


def make(path: Path, rows: int, options: str, order: str = "s, i") -> Path:
    """Write the export."""
    query = (
        f"COPY (SELECT {columns('i')} FROM range({SITES}) a(s), range({rows // SITES}) b(i) "  # noqa: S608
        f"ORDER BY {order}) TO '{path}' ({options})"
    )
    # In a process of its own: a child's peak memory begins with that of the process it was forked from.
    script = f"import duckdb; duckdb.sql({query!r})"
    subprocess.run([sys.executable, "-c", script], check=True)
    return path


def timed(script: str, source: Path, out: Path) -> tuple[float, float, float, str]:
    """Return wall time [s], CPU time [s], peak memory [GB] and what was printed."""
    start = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(source), str(out)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    said = child.stdout.read().strip()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"ended with {child.returncode}")
    wall = time.perf_counter() - start
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e9, said


def report(rows: int, pairs: int, parquet_rows: int) -> str:
    """Run everything and return the report."""
    with tempfile.TemporaryDirectory(prefix="read-scale-") as folder:
        source = make(Path(folder) / "site.csv", rows, "HEADER")
        lines = [
            f"CSV of {rows:,} rows and {len(MEASURED) + 4} columns, {source.stat().st_size / 1e9:.2f} GB; "
            f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start",
            "",
            "| run | checked [s] | CPU [s] | peak [GB] | DuckDB [s] | CPU [s] | peak [GB] | ratio | of CPU |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        ratios, cpu_ratios, said = [], [], ""
        for pair in range(1, pairs + 1):
            ours = timed(OURS, source, Path(folder) / "ours")
            plain = timed(PLAIN, source, Path(folder))
            ratios.append(ours[0] / plain[0])
            cpu_ratios.append(ours[1] / plain[1])
            said = ours[3]
            lines.append(
                f"| {pair} | {ours[0]:.1f} | {ours[1]:.1f} | {ours[2]:.2f} | {plain[0]:.1f} | {plain[1]:.1f} "
                f"| {plain[2]:.2f} | {ratios[-1]:.2f} | {cpu_ratios[-1]:.2f} |"
            )
        lines += [
            "",
            f"{said}. Median ratio {statistics.median(ratios):.2f} by wall time, "
            f"{statistics.median(cpu_ratios):.2f} by CPU time.",
        ]
        source.unlink()
        if parquet_rows:
            source = make(Path(folder) / "site.parquet", parquet_rows, "FORMAT parquet")
            wall, cpu, peak, said = timed(OURS, source, Path(folder) / "ours")
            lines += [
                "",
                f"Parquet of {parquet_rows:,} rows and {len(MEASURED) + 4} columns: {wall:.1f} s, "
                f"CPU {cpu:.1f} s, peak {peak:.2f} GB ({said}).",
            ]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Parse the arguments, run, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=float, default=8e6)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--parquet-rows", type=float, default=1e7)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args(arguments)
    text = report(int(given.rows), given.pairs, int(given.parquet_rows))
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
