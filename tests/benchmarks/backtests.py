"""One table per data set: ours and the baselines on rows that nobody trained on, as kept in ``results/``.

    python tests/benchmarks/backtests.py [SET ...] [--seed N]

Runs ``advisor backtest`` on every set (or those named) and writes ``results/<set>.md`` and ``<set>.csv``
with the command, the span and hash of the data, the seed and the versions. Times are of the machine at hand.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
RESULTS = Path(__file__).parent / "results"
PLANTS = sorted(path.stem for path in (SHARED / "plant" / "exports").glob("*.csv"))
SETS = {
    "itu5g": "data/itu5g",
    "chiller_singapore": "data/chiller_singapore",
    "chiller_plant_hsinchu": "data/chiller_plant_hsinchu",
    **{name: f"plant/exports/{name}.csv" for name in PLANTS},
}
PERCENT = ("mape", "wmape", "cv_rmse", "nmbe", "width")
SHARES = ("coverage", "coverage_low", "coverage_high", "nominal")
UNIT = ("mae", "interval_score")


def main() -> None:
    """Run the backtests and write their tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"of {', '.join(SETS)}; default: all")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    unknown = set(args.sets) - set(SETS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    for name in args.sets or SETS:
        result = backtest(SHARED / SETS[name], args.seed)
        write(name, result, args.seed, RESULTS)
        print(f"{name}: {result.get('seconds', {})}", flush=True)


def backtest(path: Path, seed: int) -> dict[str, Any]:
    """Return what ``advisor backtest --json`` says of a folder of exports."""
    command = [sys.executable, "-m", "app", "backtest", str(path), "--seed", str(seed), "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{path.name}: exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def write(name: str, result: dict[str, Any], seed: int, folder: Path) -> None:
    """Write one set's Markdown page and CSV table."""
    folder.mkdir(exist_ok=True)
    table = pd.DataFrame(result["table"])
    table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n", float_format="%.6g")
    (folder / f"{name}.md").write_text(page(name, result, seed), encoding="utf-8", newline="\n")


def page(name: str, result: dict[str, Any], seed: int) -> str:
    """Return the page of one set."""
    origin = {k: v for k, v in result["provenance"].items() if k not in ("data_start", "data_end", "seed")}
    seconds = result.get("seconds") or {}
    took = ", ".join(f"{value:.0f} s {kind}" for kind, value in seconds.items()) or "not measured"
    about = [
        ("made by", f"`python tests/benchmarks/backtests.py {name} --seed {seed}`"),
        ("which runs", f"`advisor backtest ../shared/{SETS[name]} --seed {seed}`"),
        ("data", f"{result['provenance']['data_start']} to {result['provenance']['data_end']}"),
        *((key.replace("_", " "), f"`{value}`") for key, value in origin.items()),
        (
            "seconds",
            f"{took} on {os.cpu_count()} cores ({platform.machine()}, Python {platform.python_version()})",
        ),
    ]
    parts = [f"# {name}", "\n".join(f"- {key}: {value}" for key, value in about)]
    table = pd.DataFrame(result["table"])
    for (problem, quantity, split), rows in table.groupby(["problem", "quantity", "split"], sort=False):
        parts += [f"## {problem}: `{quantity}`, {split}", markdown(shown(rows))]
    domain = pd.DataFrame(result.get("domain") or [])
    if len(domain):
        rate = domain["rate"].map(lambda value: number(100 * value, 1))
        parts += ["## Called outside the training domain [%]", markdown(domain.assign(rate=rate))]
    parts += ["## What to know", "\n".join(f"- {note}" for note in result["notes"])]
    return "\n\n".join(parts) + "\n"


def shown(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of one problem as text: ours marked, best first within each side."""
    ordered = rows.sort_values(["ours", "wmape"], ascending=[False, True])
    text = pd.DataFrame(
        {"model": [f"**{m}**" if o else m for m, o in zip(ordered["model"], ordered["ours"], strict=True)]}
    )
    text["rows"] = [f"{n:,.0f}" for n in ordered["n"]]
    for name in (*UNIT[:1], *PERCENT[:4]):
        label = f"{name} [%]" if name in PERCENT else name
        text[label] = [number(value) for value in ordered[name]]
    known = [name for name in SHARES if name in ordered]
    share = {
        name: [number(100 * float("nan" if v is None else v), 1) for v in ordered[name]] for name in known
    }
    text["coverage [%]"] = share["coverage"]
    if "coverage_low" in share:
        text["95 % interval of it"] = [
            f"{low} to {high}" if low else ""
            for low, high in zip(share["coverage_low"], share["coverage_high"], strict=True)
        ]
    text["nominal [%]"] = share["nominal"]
    for name in ("width", "interval_score"):
        if name in ordered:
            text[f"{name} [%]" if name in PERCENT else name] = [number(value) for value in ordered[name]]
    return text


def number(value: float | None, digits: int = 2) -> str:
    """Return a number for a table; nothing where it is not known."""
    if value is None or not math.isfinite(value):
        return ""
    return f"{value:,.{digits}f}" if abs(value) < 1000 else f"{value:,.0f}"


def markdown(table: pd.DataFrame) -> str:
    """Return a table as Markdown."""
    lines: list[Sequence[object]] = [
        list(table.columns),
        ["---"] * table.shape[1],
        *table.to_numpy().tolist(),
    ]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    main()
