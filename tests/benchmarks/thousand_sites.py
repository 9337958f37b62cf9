"""Time and gap of a dispatch of many sites, in one piece and in pieces, by what ties the sites together.

    python tests/benchmarks/thousand_sites.py [--sizes 50,20 200,50 1000,200 ...] [--longest SECONDS]

Makes up base stations with batteries and solar power, some of which are home to classes of edge work that 5
to 20 sites may do, and plans 24 h, each way in a process of its own: at least cost without a limit, and with
a limit half way between the plan of least cost and the greenest plan (least cost with ``cfe`` at least; least
non-green energy with ``cost`` at most). Every plan is re-checked. Without ``--sizes`` also writes
``results/thousand_sites.md``. CPU time means something on any machine, wall time on a quiet one.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from advisor import dispatch_block
from advisor.assets import Battery
from advisor.dispatch import Dispatch, DispatchModel, DispatchSite
from advisor.dispatch_site import Objective, Target
from advisor.dispatch_verify import verify_dispatch
from advisor.work import Place, WorkClass
from tests.benchmarks.backtests import markdown

RESULTS = Path(__file__).parent / "results" / "thousand_sites.md"
SIZES = ((50, 20), (200, 50), (1000, 0), (1000, 200))
HOURS = 24
REGIONS = 6
WAYS = {"one piece": 10**9, "in pieces": 10_000}
"""From how many columns on a programme is solved in pieces."""


def main() -> None:
    """Print one line per size and limit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="*", help="SITES,CLASSES")
    parser.add_argument(
        "--longest", type=float, default=100.0, help="seconds after which a solve is given up"
    )
    args = parser.parse_args()
    sizes = [tuple(map(int, s.split(","))) for s in args.sizes] if args.sizes else SIZES
    lines = []
    for count, classes in sizes:
        ends = [
            within(args.longest, planned, count, classes, WAYS["in pieces"], aim, None)
            for aim in ("cost", "non_green_kwh")
        ]
        lines.append(line(args.longest, count, classes, "cost", None))
        print(lines[-1], flush=True)
        if any(end is None for end in ends):
            continue
        for measure, aim in (("cfe", "cost"), ("cost", "non_green_kwh")):
            limit = (measure, float(np.mean([end[measure] for end in ends])))  # type: ignore[index]
            lines.append(line(args.longest, count, classes, aim, limit))
            print(lines[-1], flush=True)
    table = markdown(pd.DataFrame(lines))
    print(table)
    if not args.sizes:
        made = "- made by: `python tests/benchmarks/thousand_sites.py`"
        head = f"# A dispatch of many sites over {HOURS} h, in one piece and in pieces"
        text = f"{head}\n\n{made}\n- on two cores beside other work: compare CPU\n\n{table}\n"
        RESULTS.write_text(text, encoding="utf-8", newline="\n")


def line(
    longest: float, count: int, classes: int, aim: str, limit: tuple[str, float] | None
) -> dict[str, object]:
    """Return one line of the table."""
    told = {way: within(longest, planned, count, classes, f, aim, limit) for way, f in WAYS.items()}
    whole, apart = told["one piece"], told["in pieces"]
    some = apart or whole or {}
    row: dict[str, object] = {
        "sites": count, "classes": classes, "limit": limit[0] if limit else "-",
        "columns": some.get("columns", "?"),
    }  # fmt: skip
    for way, figures in told.items():
        for name in ("wall", "cpu"):
            row[f"{way}, {name} s"] = f"{figures[name]:.1f}" if figures else f"> {longest:.0f}"
    row |= {"gap %": f"{100 * apart['gap']:.4f}", "rounds": apart["rounds"]} if apart else {}
    if whole and apart:
        row["dearer than one piece %"] = f"{100 * (apart['value'] / whole['value'] - 1):.4f}"
    return {**row, "checks": "kept" if some.get("kept") else "broken"}


def planned(
    count: int, classes: int, from_columns: int, aim: Objective, limit: tuple[str, float] | None
) -> dict[str, float]:
    """Return what a plan took and what it reached."""
    dispatch_block.FROM_COLUMNS = from_columns
    sites, work = network(count, classes)
    targets = [] if limit is None else [Target(*limit)]  # type: ignore[arg-type]
    model = DispatchModel(sites, np.zeros(HOURS, dtype=np.int64), 1.0, classes=work, targets=targets)
    wall, cpu = time.perf_counter(), time.process_time()
    done: Dispatch = model.solve(objective=aim)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    method = done.report.method.split()
    return {
        "wall": wall, "cpu": cpu, "gap": done.report.gap or 0.0,
        "columns": int(method[method.index("columns,") - 1]),
        "rounds": int(method[-2].strip("(")) if "rounds)" in method else 0,
        "value": float(getattr(done.totals, aim)), "cost": done.totals.cost or 0.0,
        "cfe": done.totals.cfe or 0.0,
        "kept": all(c.passed for c in verify_dispatch(sites, done, model.setting)),
    }  # fmt: skip


def within(longest: float, function: object, *values: object) -> dict[str, float] | None:
    """Run a function in a process of its own; None: it took too long."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        try:
            return pool.apply_async(function, values).get(longest)  # type: ignore[arg-type]
        except multiprocessing.TimeoutError:
            return None


def network(count: int, classes: int) -> tuple[list[DispatchSite], list[WorkClass]]:
    """Return made-up base stations and classes of edge work whose places lie anywhere among them."""
    rng, hour = np.random.default_rng([11, count, classes]), np.arange(HOURS)
    names = np.array([f"s{k:04d}" for k in range(count)])
    base = rng.uniform(2, 6, (count, 1)) * (1 + 0.35 * np.sin((hour - 9) / 12 * np.pi))
    work, arrived = [], np.zeros((count, HOURS))
    for k in range(classes):
        home, *others = rng.choice(count, int(rng.integers(5, 21)), replace=False)
        work.append(edge_work(rng, f"w{k}", names[home], names[others]))
        arrived[home] += work[-1].before_kw
    phase = np.arange(REGIONS)[:, None]
    dirty = 0.55 + 0.3 * np.sin((hour + 4 * phase) / 12 * np.pi) + rng.normal(0, 0.03, (REGIONS, HOURS))
    price = 0.6 + 0.35 * np.sin((hour - 12 + 2 * phase) / 12 * np.pi) + rng.normal(0, 0.02, dirty.shape)
    region = rng.integers(0, REGIONS, count)
    sites = [
        station(rng, names[k], base[k] + arrived[k], np.clip(dirty[region[k]], 0, 1), price[region[k]])
        for k in range(count)
    ]
    return sites, work


def edge_work(rng: np.random.Generator, name: str, home: str, others: np.ndarray) -> WorkClass:
    """Return a class of jobs of one to three hours that may wait up to eight."""
    steps = int(rng.integers(1, 4))
    arrival = rng.uniform(0, 4, HOURS)
    arrival[HOURS - steps + 1 :] = 0
    places = tuple(Place(str(o), float(rng.choice([0, 0.01, 0.03])), rng.uniform(0, 0.05)) for o in others)
    return WorkClass(
        name, str(home), arrival, int(rng.integers(0, 9)), steps, bool(rng.random() < 0.7), places
    )


def station(
    rng: np.random.Generator, name: str, it: np.ndarray, dirty: np.ndarray, price: np.ndarray
) -> DispatchSite:
    """Return a base station; nine of ten have a battery, seven of ten solar power."""
    sun = np.clip(np.sin((np.arange(HOURS) - 6) / 12 * np.pi), 0, None) * rng.uniform(0.6, 1, HOURS)
    size = float(rng.uniform(5, 25))
    store = Battery(
        energy_kwh=size, power_kw=size / 3, charge_efficiency=0.95, discharge_efficiency=0.95,
        reserve_kwh=0.4 * size, grid_charging=bool(rng.random() < 0.5), cycle_cost_per_kwh=0.02,
        source="made up",
    )  # fmt: skip
    return DispatchSite(
        str(name), 1.3 * it + 0.5, rng.uniform(0, 8) * (rng.random() < 0.7) * sun, dirty, it_kw=it,
        marginal=1.15 + 0.1 * rng.random(HOURS), flexible_share=float(rng.choice([0.0, 0.1])),
        it_capacity_kw=float(it.max() * rng.uniform(1.05, 1.6)),
        battery=store if rng.random() < 0.9 else None, price_per_kwh=price, carbon_g_per_kwh=900 * dirty,
    )  # fmt: skip


if __name__ == "__main__":
    main()
