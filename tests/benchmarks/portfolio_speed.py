"""How fast a dispatch answers: a slider, a front of a site-year, twenty sites with fifty classes of work.

    python tests/benchmarks/portfolio_speed.py

Sites of our own making (`tests.benchmarks.test_dispatch_benchmark.week_of`). Every plan is re-checked by
independent code, outside the clock. Prints a table and writes ``results/portfolio_speed.md``; seconds are of
the machine at hand, one thread.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from advisor.dispatch import Dispatch, DispatchModel, DispatchSite, as_it_is
from advisor.dispatch_verify import verify_dispatch
from advisor.lp import VERSION
from advisor.portfolio_front import front_points
from advisor.work import Place, WorkClass
from tests.benchmarks.backtests import markdown
from tests.benchmarks.test_dispatch_benchmark import week_of

RESULTS = Path(__file__).parent / "results" / "portfolio_speed.md"
SLIDES, POINTS, SITES, CLASSES, WEEK = 30, 12, 20, 50, 168


def main() -> None:
    """Measure and write the table."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    rows = [*slider(), front(), *many()]
    table = markdown(pd.DataFrame(rows, columns=["what", "measured", "wanted"]))
    text = "\n".join([
        "# How fast a dispatch answers", "",
        "- made by: `python tests/benchmarks/portfolio_speed.py`",
        f"- Python {platform.python_version()}, HiGHS {VERSION}, one thread; seconds of the machine at hand",
        "", table, "",
    ])  # fmt: skip
    print(text)
    RESULTS.write_text(text, encoding="utf-8", newline="\n")


def sound(model: DispatchModel, plan: Dispatch) -> None:
    """Refuse a plan that breaks a rule."""
    broken = [c for c in verify_dispatch(model.sites, plan, model.setting) if not c.passed]
    assert broken == [], broken


def slider() -> list[tuple[str, str, str]]:
    """Return how long a week takes again when a slider moves."""
    site, day = week_of(0, WEEK), np.arange(WEEK) // 24
    assert site.battery is not None
    model = DispatchModel([site], day, 1.0)
    model.solve()
    rng = np.random.default_rng(0)
    rows = []
    for name in ("own production", "flexible share", "battery"):
        taken = []
        for value in rng.uniform(0.3, 2.0, SLIDES):
            size = site.battery.model_copy(update={"energy_kwh": value * site.battery.energy_kwh})
            change = {
                "own production": {"own_kw": site.own_kw * value},
                "flexible share": {"flexible_share": 0.2 * value},
                "battery": {"battery": size},
            }[name]
            began = time.perf_counter()
            plan = model.solve(**change)  # type: ignore[arg-type]
            taken.append(1000 * (time.perf_counter() - began))
            sound(model, plan)
        told = f"median {median(taken):.1f} ms, worst {max(taken):.1f} ms"
        rows.append((f"one site, one week, again after {name} moved, {SLIDES} times", told, "50 ms"))
    return rows


def front() -> tuple[str, str, str]:
    """Return how long the front of a site-year takes."""
    site, day = week_of(0, 8760), np.arange(8760) // 24
    before = as_it_is([site], 1.0)
    began = time.perf_counter()
    model = DispatchModel([site], day, 1.0, limited="cost")
    points = front_points(model, before, POINTS)
    taken = time.perf_counter() - began
    green = [p.totals.non_green_kwh for _, p in points]
    costs = [float(p.totals.cost or 0.0) for _, p in points]
    assert all(a >= b for a, b in itertools.pairwise(green))
    told = (
        f"{taken:.1f} s for {len(points)} points (today's cost is one more): non-green {green[0]:.0f} to "
        f"{green[-1]:.0f} kWh at {costs[0]:.0f} to {costs[-1]:.0f}, largest gap "
        f"{max(float(p.report.gap or 0.0) for _, p in points):.0e}"
    )
    return f"one site-year, front of {POINTS} points, cost against non-green energy", told, "60 s"


def many() -> list[tuple[str, str, str]]:
    """Return how long twenty sites with fifty classes of work take in one piece."""
    sites, classes = portfolio()
    began = time.perf_counter()
    model = DispatchModel(sites, np.arange(WEEK) // 24, 1.0, classes=classes)
    plan = model.solve()
    first = time.perf_counter() - began
    sound(model, plan)
    began = time.perf_counter()
    more = {s.site_id: 1.05 * s.own_kw for s in sites}
    again = model.solve(own_kw=more)
    warm = time.perf_counter() - began
    sound(model, again)
    before = as_it_is(sites, 1.0).totals.non_green_kwh
    name = f"{SITES} sites, {WEEK} h, {CLASSES} classes of work, in one piece"
    told = (
        f"{first:.1f} s: {plan.report.method}, gap {plan.report.gap:.0e}; non-green {before:.0f} to "
        f"{plan.totals.non_green_kwh:.0f} kWh"
    )
    return [(name, told, ""), (f"{name}, again after own production moved", f"{warm:.1f} s", "")]


def portfolio() -> tuple[list[DispatchSite], list[WorkClass]]:
    """Return sites without a flexible share, and classes that wait, run in one piece, or go elsewhere."""
    rng = np.random.default_rng(1)
    sites = [replace(week_of(k, WEEK), flexible_share=0.0) for k in range(SITES)]
    classes = []
    for k in range(CLASSES):
        home, run = sites[k % SITES], 1 if k % 3 else 3
        arriving = 0.06 * home.work_kw * rng.uniform(0.3, 1, WEEK) / run
        arriving[WEEK - run + 1 :] = 0.0
        others = tuple(Place(s.site_id, 0.01, 0.002) for s in sites if s is not home)
        classes.append(
            WorkClass(
                f"class {k}", home.site_id, arriving, int(rng.choice([0, 4, 12, 24, 48])), run,
                interruptible=bool(k % 3), places=others if k % 2 else (),
            )
        )  # fmt: skip
    return sites, classes


if __name__ == "__main__":
    main()
