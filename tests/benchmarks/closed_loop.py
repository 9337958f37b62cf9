"""Advice in closed loop: trained on a plant's export, run by the plant, compared with what was promised.

    python tests/benchmarks/closed_loop.py [--python PATH] [EXPORT ...] [--seed 1] [--months]

Every export of ``shared/plant/exports`` (or those named) is read, learned and advised as a user's would be,
for the whole year against 24 / 7 degC. ``plant.py evaluate`` then simulates plan and baseline with the
interpreter ``--python`` (this one, if not given), one that has pandas and pyenergyplus-lbnl: the project's
extra ``closed-loop``. ``--seed`` other than 1 gives other work
in the same weather. ``--months`` asks for advice on every month alone instead, as an operator would, and
counts the months whose realised saving lies inside the interval. Writes ``results/closed_loop.md`` or
``results/closed_loop_months.md``; prints the table alone where exports are named.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from advisor.advise import advise
from advisor.lever_test import LeverTest
from advisor.plan import Advice
from features.reading import read_paths
from features.telemetry import Telemetry
from tests.benchmarks.backtests import markdown
from tests.plant_exports import EXPORTS, evaluated, model_and_weather, read_export, schedule_of, site_of
from training.fit import fit_bundle

RESULTS = Path(__file__).parent / "results"
STEP_TESTED = ("chilled_water_Granada", "chilled_water_NY", "low_fan_NY", "two_zone_Granada", "two_zone_NY")
"""Exports whose months can be advised on without a test of the levers."""


def main() -> None:
    """Run the loop and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("exports", nargs="*", metavar="EXPORT")
    parser.add_argument(
        "--python", default=sys.executable, help="interpreter with pandas and pyenergyplus-lbnl"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the plant's work")
    parser.add_argument("--months", action="store_true", help="advice on every month alone")
    args = parser.parse_args()
    every = STEP_TESTED if args.months else sorted(path.stem for path in EXPORTS.glob("*.csv"))
    rows = []
    for name in args.exports or every:
        rows.append((months if args.months else loop)(name, args.python, args.seed))
        print(json.dumps(rows[-1]), flush=True)
    table = markdown(pd.DataFrame(rows))
    print(table)
    if not args.exports:
        option, place = (" --months", "closed_loop_months.md") if args.months else ("", "closed_loop.md")
        made = f"- made by: `python tests/benchmarks/closed_loop.py --seed {args.seed}{option}`"
        text = f"# Closed loop\n\n{made}\n\n{table}\n"
        (RESULTS / place).write_text(text, encoding="utf-8", newline="\n")


def loop(name: str, python: str, seed: int) -> dict[str, object]:
    """Return one line of the table."""
    model, weather = model_and_weather(name)
    telemetry = read_export(name)
    began = time.perf_counter()
    # advice rests on the what-if models; of the others the quickest will do
    bundle = fit_bundle(telemetry, target="it_power_kw")
    learned = time.perf_counter()
    advice = advise(telemetry, bundle, (), site_of(weather))
    advised = time.perf_counter()
    tested = ""
    if advice.test is not None:
        telemetry, tested = after_test(advice.test, telemetry, name, python)
        bundle = fit_bundle(telemetry, target="it_power_kw")
        advice = advise(telemetry, bundle, (), site_of(weather))
    told, _ = evaluated(schedule_of(advice), name, python, seed)
    before, after = told["baseline"], told["schedule"]
    promised = advice.saving.energy_pct
    realised = float(told["saving_pct"])
    oracle_file = EXPORTS / f"oracle_{model}_{weather}.json"
    oracle = json.loads(oracle_file.read_text(encoding="utf-8"))["saving_pct"]
    return {
        "export": name,
        "baseline [MWh]": f"{before['facility_kwh'] / 1e3:.1f}",
        "oracle, monthly constants [%]": f"{oracle:.2f}",
        "realised [%]": f"{realised:.2f}",
        "realised / oracle": f"{realised / oracle:.2f}",
        "predicted [%]": "" if promised is None else f"{promised.point:.2f}",
        "90 % interval": "" if promised is None else f"{promised.lower:.2f} to {promised.upper:.2f}",
        "verdict": advice.verified[0].verdict,
        "added hours above 27 degC": after["hours_inlet_above_27_c"] - before["hours_inlet_above_27_c"],
        "PUE": f"{before['pue']:.4f} -> {after['pue']:.4f}",
        "WUE [L/kWh]": f"{_wue(before):.3f} -> {_wue(after):.3f}",
        "learn, advise [s]": f"{learned - began:.0f}, {advised - learned:.0f}",
        "test before": tested,
        "schedule": in_words(advice),
    }


def months(name: str, python: str, seed: int) -> dict[str, object]:
    """Return one line of the table of months: each advised on alone, all of them run by the plant."""
    _, weather = model_and_weather(name)
    telemetry, site = read_export(name), site_of(weather)
    bundle = fit_bundle(telemetry, target="it_power_kw")
    zone = telemetry.zone.tzinfo()
    firsts = pd.date_range("2025-01-01", periods=13, freq="MS", tz=zone).tz_convert("UTC")
    advices, took = [], []
    for start, end in pairwise(firsts):
        began = time.perf_counter()
        advices.append(advise(telemetry, bundle, (), site, start=start, end=end))
        took.append(time.perf_counter() - began)
    told, hours = evaluated(pd.concat([schedule_of(a) for a in advices]), name, python, seed)
    energy = hours.groupby(pd.to_datetime(hours["timestamp"]).dt.month)[
        ["facility_power_kw", "baseline_facility_power_kw"]
    ].sum()
    realised = 100 * (1 - energy.iloc[:, 0] / energy.iloc[:, 1]).to_numpy()
    promised = [a.saving.energy_pct for a in advices]
    inside = [p is not None and p.lower <= r <= p.upper for p, r in zip(promised, realised, strict=True)]
    width = np.array([p.upper - p.lower if p else np.nan for p in promised])
    narrow = width <= np.maximum(0.6 * realised, 1.0)
    return {
        "export": name,
        "realised [%]": f"{told['saving_pct']:.2f}",
        "months inside": f"{sum(inside)} of 12",
        "widths kept (60 % or 1 point)": f"{int(narrow.sum())} of 12",
        "width, median and largest [points]": f"{np.median(width):.1f}, {width.max():.1f}",
        "months held": sum(p is None or p.point == 0 for p in promised),
        "realised less predicted, by month [points]": ", ".join(
            f"{r - p.point:+.1f}" for p, r in zip(promised, realised, strict=True) if p is not None
        ),
        "added hours above 27 degC": told["schedule"]["hours_inlet_above_27_c"]
        - told["baseline"]["hours_inlet_above_27_c"],
        "advise a month, longest [s]": f"{max(took):.0f}",
    }


def after_test(test: LeverTest, telemetry: Telemetry, name: str, python: str) -> tuple[Telemetry, str]:
    """Let the plant run a test; return the year with the test in it, and the test with its cost in words.

    The plant knows one calendar year: the test is run 52 weeks earlier than planned, on the same weekdays.
    """
    table = test.table(telemetry)
    hour = pd.to_datetime(table["local_timestamp"].str.slice(0, 19)) - pd.Timedelta(weeks=52)
    wide = table.assign(timestamp=hour).pivot_table(index="timestamp", columns="lever", values="recommended")
    year = pd.date_range("2025-01-01", periods=8760, freq="h")
    schedule = wide.reindex(year).fillna(table.groupby("lever")["current"].first())
    told, hours = evaluated(schedule, name, python)
    seen = hours[[c for c in hours if not c.startswith("baseline_")]]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.csv"
        seen.to_csv(path, index=False)
        tested, _ = read_paths([path], zone=telemetry.zone.name)
    hot = told["schedule"]["hours_inlet_above_27_c"]
    return tested, f"{test.weeks} weeks, saved {told['saving_pct']:+.2f} % of the year, {hot} h above 27 degC"


def _wue(totals: dict[str, Any]) -> float:
    return 1000.0 * float(totals["water_m3"]) / float(totals["it_kwh"])


def in_words(advice: Advice) -> str:
    """Return the set-points recommended, each with its share of the hours."""
    said = []
    for lever, rows in advice.plan_table.groupby("lever"):
        share = rows["recommended"].value_counts(normalize=True).sort_index()
        said.append(
            f"{lever}: " + ", ".join(f"{value:g} ({100 * part:.0f} %)" for value, part in share.items())
        )
    return "; ".join(said)


if __name__ == "__main__":
    main()
