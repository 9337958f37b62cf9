"""Exact optima of green share found elsewhere, beside ours: every row of the oracles.

    python tests/benchmarks/portfolio_oracles.py

Plays the rules of ``shared/oracles`` (their README pages; `tests.oracles.test_green_share_oracle` asserts the
same) and writes ``results/portfolio_oracles.md``. Seconds are build, solve and read-back of one site-year (or
of three) on the machine at hand; the re-check by independent code is not counted, and every plan passes it.
"""

from __future__ import annotations

import argparse
import platform
import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from advisor.dispatch import Dispatch, DispatchSite, as_it_is
from advisor.lp import VERSION
from tests.benchmarks.backtests import markdown
from tests.oracles.test_green_share_oracle import ORACLES, cases, game, percent, play, read

RESULTS = Path(__file__).parent / "results" / "portfolio_oracles.md"
RULES = """Rules of the game: 25 % of each hour's load may leave it and returns within the same UTC day,
earlier or later; the load of an hour stays within 1.3 x the year's peak. The battery takes in or delivers its
size per hour at most (1C), stores 0.97 of what it takes, takes 1.04 out for 1 delivered, starts full, may end
anyhow, and charges from own production only, except where "grid charging" is said.
Coverage = 100 x (1 - grid / load); CFE = 100 x (1 - sum(grid x (1 - grid CFE share)) / sum(load)); surplus
never counts. Jointly: what leaves an hour of one site may return in any hour of the same day at any of the
three, at no cost. The whole year is known in advance."""


def main() -> None:
    """Solve every row and write the table."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    together, energy = joint()
    rows = [line for row in cases() for line in green_share(row)] + together
    table = pd.DataFrame(rows)
    worst = float(np.abs(table["ours"] - table["oracle"]).max())
    shown = table.assign(difference=(table["ours"] - table["oracle"]).map("{:+.4f}".format))
    for name in ("before", "greedy", "oracle"):
        shown[name] = table[name].map(lambda v: "" if pd.isna(v) else f"{v:.2f}")
    shown["ours"] = table["ours"].map("{:.4f}".format)
    shown["seconds"] = table["seconds"].map("{:.1f}".format)
    shown["gap"] = table["gap"].map("{:.0e}".format)
    order = ["case", "measure", "before", "greedy", "ours", "oracle", "difference", "gap", "seconds"]
    text = "\n".join([
        "# Green share: ours beside exact optima [%, differences in points]", "",
        "- made by: `python tests/benchmarks/portfolio_oracles.py`",
        f"- {VERSION} of HiGHS, Python {platform.python_version()}, one thread",
        f"- largest difference: {worst:.4f} point (oracles are told to 0.01)",
        "- greedy: Carbon Explorer, as the oracles tell it",
        *energy,
        "", RULES, "", markdown(shown[order]), "",
    ])  # fmt: skip
    print(text)
    RESULTS.write_text(text, encoding="utf-8", newline="\n")


def green_share(row: pd.Series) -> list[dict[str, object]]:
    """Return the lines of one row of the site-years: coverage, CFE, CFE with grid charging."""
    start, day = read("green_share", str(row["case"]))
    size = float(row["battery_mwh"])
    rules = (float(row["flexible_pct"]), float(row["capacity_mw"]), size)
    before = as_it_is([start], 1.0).totals
    site, charging = game(start, *rules, grid=False), game(start, *rules, grid=True)
    told = f"{row['case']}, {size:.0f} MWh"
    asked = [
        ("coverage", site, "grid_kwh", "coverage_optimum", before.coverage),
        ("CFE", site, "non_green_kwh", "cfe_optimum", before.cfe),
        ("CFE, grid charging", charging, "non_green_kwh", "cfe_optimum_grid_charging", before.cfe),
    ]
    lines = []
    for measure, played, objective, column, share in asked:
        plan = play([played], day, objective)
        reached = plan.totals.coverage if measure == "coverage" else plan.totals.cfe
        greedy = row["coverage_greedy"] if measure == "coverage" else np.nan
        lines.append(line(told, measure, percent(share), greedy, percent(reached), row[column], plan))
    return lines


def joint() -> tuple[list[dict[str, object]], list[str]]:
    """Return the lines of three sites, each alone and planned together, and what is told of their energy."""
    optimum = pd.read_csv(ORACLES / "joint" / "optimum.csv").set_index("mode")
    starts, days = zip(*(read("joint", case) for case in ("ciso", "erco", "pjm")), strict=True)
    sites: list[DispatchSite] = [game(s, 25, 1.3 * float(s.load_kw.max()), 200.0, grid=False) for s in starts]
    before = percent(as_it_is(sites, 1.0).totals.cfe)
    lines, energy = [], []
    for mode, between in (("separate", False), ("joint", True)):
        plan = play(sites, days[0], "non_green_kwh", between=between)
        reached = percent(plan.totals.cfe)
        wanted = optimum.loc[mode]
        lines.append(line(f"three sites, {mode}", "CFE", before, np.nan, reached, wanted["cfe"], plan))
        ours, theirs = plan.totals.non_green_kwh, float(wanted["non_green_mwh"])
        energy.append(
            f"- three sites, {mode}: non-green {ours:.0f} MWh, oracle {theirs:.0f} ({ours / theirs - 1:+.4%})"
        )
    return lines, energy


def line(
    case: str, measure: str, before: float, greedy: float, ours: float, oracle: float, plan: Dispatch
) -> dict[str, object]:
    """Return one line of the table."""
    return {
        "case": case, "measure": measure, "before": before, "greedy": greedy, "ours": ours, "oracle": oracle,
        "gap": plan.report.gap, "seconds": plan.report.seconds,
    }  # fmt: skip


if __name__ == "__main__":
    main()
