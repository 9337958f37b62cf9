"""What a rule of weather, load and calendar could save at best, in hindsight, against the best constant.

    python tests/benchmarks/reset_bound.py [--python PATH] [EXPORT ...]

The independent plant runs the year at each of seven constant room set-points, water at 7 degC. A tree that
knows every hour's cost at each of them divides the hours by weather, its trailing means, load and calendar;
every leaf takes its own best set-point. No rule that looks at these columns can save more than a tree fine
enough, and a tree with few leaves is what a building-management system could keep. Hours are taken as if each
stood alone (quasi-static). Prints a table in Markdown; without EXPORT also writes ``results/reset_bound.md``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeRegressor

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.backtests import markdown
from tests.plant_exports import WATER, ZONE, evaluated

RESULTS = Path(__file__).parent / "results" / "reset_bound.md"
ROOMS = (18.0, 19.5, 21.0, 22.5, 24.0, 25.5, 27.0)
CURRENT = 24.0
LEAVES = (2, 5, 10, 30, 100)


def main() -> None:
    """Simulate and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("exports", nargs="*", metavar="EXPORT")
    parser.add_argument(
        "--python", default=sys.executable, help="interpreter with pandas and pyenergyplus-lbnl"
    )
    args = parser.parse_args()
    names = args.exports or ["low_fan_NY", "chilled_water_NY"]
    table = markdown(pd.DataFrame([bound(name, args.python) for name in names]))
    print(table)
    if not args.exports:
        made = "- made by: `python tests/benchmarks/reset_bound.py`"
        RESULTS.write_text(
            f"# Bound of resets: saving in hindsight [%]\n\n{made}\n\n{table}\n",
            encoding="utf-8",
            newline="\n",
        )


def bound(name: str, python: str) -> dict[str, object]:
    """Return one line of the table: savings against the current set-point [%]."""
    year = pd.date_range("2025-01-01", periods=8760, freq="h")
    runs = {
        room: evaluated(pd.DataFrame({ZONE: room, WATER: 7.0}, index=year), name, python)[1] for room in ROOMS
    }
    cost = np.column_stack([run["facility_power_kw"] for run in runs.values()])
    columns = conditions(runs[CURRENT], year)
    before = cost[:, ROOMS.index(CURRENT)].sum()

    def saved(kept: float) -> str:
        return f"{100 * (1 - kept / before):.2f}"

    row: dict[str, object] = {"export": name, "best constant": saved(cost.sum(axis=0).min())}
    months = [cost[year.month == m].sum(axis=0).min() for m in range(1, 13)]
    row["best of every month"] = saved(float(np.sum(months)))
    relative = cost - cost[:, [ROOMS.index(CURRENT)]]
    for leaves in LEAVES:
        tree = DecisionTreeRegressor(max_leaf_nodes=leaves, min_samples_leaf=24, random_state=0)
        leaf = tree.fit(columns, relative).apply(columns)
        kept = pd.DataFrame(cost).groupby(leaf).sum().min(axis=1).sum()
        row[f"{leaves} leaves"] = saved(float(kept))
    row["best of every hour"] = saved(cost.min(axis=1).sum())
    return row


def conditions(run: pd.DataFrame, year: pd.DatetimeIndex) -> pd.DataFrame:
    """Return what a rule may look at, shape (hours, columns)."""
    dry, wet = run["outdoor_dry_bulb_c"], run["outdoor_wet_bulb_c"]
    columns = {"dry": dry, "wet": wet, "depression": dry - wet, "load": run["it_power_kw"]}
    for hours in (6, 24, 72):
        columns |= {f"{n}{hours}": s.rolling(hours, 1).mean() for n, s in (("dry", dry), ("wet", wet))}
    return pd.DataFrame(columns).assign(hour=year.hour, weekday=year.day_of_week, month=year.month)


if __name__ == "__main__":
    main()
