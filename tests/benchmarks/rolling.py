"""Years of green-share plans made from the past alone, against persistence and perfect foresight.

    python tests/benchmarks/rolling.py [--quick]

Two site-years of the green-share oracle and six balancing areas (50 MW of load, 60 MW of wind and 60 MW of
sun scaled by their largest value of the year; BPAT wind only), 2022, UTC days, 25 % of the load movable
within the day, capacity 1.3 times the peak. Every day is planned on the days before it. Prints tables in
Markdown and writes ``results/rolling.md``; ``--quick``: without trees, batteries and hourly looks, and
nothing is written.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from advisor.assets import Battery
from advisor.dispatch import DispatchSite
from advisor.rolling import Rolled, roll
from advisor.rolling_plan import GRID, LOAD, OWN, SiteForecasts
from models import day_ahead
from models.day_ahead import DayGrid
from models.day_scenarios import DayScenarios

SHARED = Path(__file__).resolve().parents[3] / "shared"
RESULTS = Path(__file__).parent / "results" / "rolling.md"
CASES = ("erco_60_60", "ciso_solar_150")
AREAS = ("AZPS", "BPAT", "CISO", "ERCO", "MISO", "PJM")
FUELS = ["WND", "SUN", "WAT", "OIL", "NG", "COL", "NUC", "OTH"]
GREEN = ["WND", "SUN", "WAT", "NUC"]
STORE = Battery(
    energy_kwh=200.0, power_kw=200.0, charge_efficiency=0.97, discharge_efficiency=1 / 1.04, source="oracle"
)  # MW are taken as kW


def case(name: str) -> DispatchSite:
    """Return a site-year of the oracle."""
    table = pd.read_csv(SHARED / "oracles" / "green_share" / f"{name}.csv")
    load = table["load_mw"].to_numpy()
    return ruled(name, load, table["own_renewable_mw"].to_numpy(), 1.0 - table["grid_cfe_share"].to_numpy())


def area(name: str) -> DispatchSite:
    """Return a site in a balancing area; hours without generation repeat the last."""
    table = pd.read_csv(
        SHARED / "data" / "grid" / "us_balancing_authorities" / f"{name}_2022.csv", parse_dates=["timestamp"]
    ).set_index("timestamp")
    whole = pd.date_range("2022-01-01", "2023-01-01", freq="h", inclusive="left", tz="UTC")
    mw = table.reindex(whole)[FUELS].clip(lower=0.0).ffill()
    own = 60.0 * mw["WND"] / mw["WND"].max()
    if name != "BPAT":
        own += 60.0 * mw["SUN"] / mw["SUN"].max()
    load = case("erco_60_60").load_kw
    return ruled(name, load, own.to_numpy(), 1.0 - (mw[GREEN].sum(axis=1) / mw.sum(axis=1)).to_numpy())


def ruled(name: str, load: np.ndarray, own: np.ndarray, non_green: np.ndarray) -> DispatchSite:
    """Return the site under the rules of the game."""
    return DispatchSite(
        name, load, own, np.clip(non_green, 0.0, 1.0), flexible_share=0.25,
        it_capacity_kw=1.3 * float(load.max()),
    )  # fmt: skip


def rolled(site: DispatchSite, **options: object) -> tuple[Rolled, float]:
    """Return the year and the seconds that it took."""
    began = time.perf_counter()
    day = np.arange(len(site.load_kw)) // 24
    done = roll([site], day, 1.0, battery_start=1.0, **options)  # type: ignore[arg-type]
    return done, time.perf_counter() - began


def cfe(plan: object) -> float:
    """Return the hourly carbon-free score [%]."""
    return 100.0 * plan.totals.cfe  # type: ignore[attr-defined, no-any-return]


def shown(name: str, done: Rolled, seconds: float) -> dict[str, object]:
    """Return a row of the table."""
    return {
        "site-year": name, "nothing": cfe(done.nothing), "persistence": cfe(done.persistence),
        "forecast": cfe(done.forecast), "perfect (bound)": cfe(done.perfect),
        "gap recovered [%]": 100.0 * (done.recovered or 0.0), "days held": int(done.days["held"].sum()),
        "late [kWh per MWh]": 1e3 * float(done.days["late_kwh"].abs().sum()) / done.nothing.totals.load_kwh,
        "seconds": seconds,
    }  # fmt: skip


def errors(site: DispatchSite) -> Iterator[dict[str, object]]:
    """Yield errors of the forecasts and the share of hours inside 90 % intervals, first month left out."""
    grid = DayGrid.of(np.arange(len(site.load_kw), dtype=np.int64) // 24, 1.0)
    series = SiteForecasts.of(site, grid).series
    scenarios = DayScenarios(series, [OWN, GRID])
    for name in (OWN, GRID, LOAD):
        one = series[name]
        lower, upper = scenarios.interval(name, 0.9)
        inside = (one.measured >= lower - 1e-9) & (one.measured <= upper + 1e-9)
        row = {"site-year": site.site_id, "series": name}
        for kind in ("point", "persistence", "last_week"):
            row[f"RMSE {kind}"] = float(np.sqrt(np.mean((getattr(one, kind) - one.measured)[30:] ** 2)))
        yield row | {"inside 90 % interval [%]": 100.0 * float(inside[30:].mean())}


@contextmanager
def trees() -> Iterator[None]:
    """Let LightGBM, fitted monthly on all hours of the earlier days, take the place of the ridge."""
    ridge = day_ahead._walk_forward
    parameters = {
        "objective": "regression", "learning_rate": 0.05, "num_leaves": 8, "min_data_in_leaf": 40, "seed": 0,
        "feature_fraction": 0.6, "bagging_fraction": 0.7, "bagging_freq": 1, "lambda_l2": 5.0,
        "num_threads": 1, "verbosity": -1, "deterministic": True,
    }  # fmt: skip

    def forecast(X: np.ndarray, y: np.ndarray) -> np.ndarray:
        first = ridge(X, y)
        hour = np.broadcast_to(np.arange(X.shape[1]), y.shape)[:, :, None]
        table = np.concatenate([X, hour, first[:, :, None]], axis=2)
        found = first.copy()
        for day in range(30, len(y), 30):
            known = np.isfinite(y[:day])
            fitted = lgb.train(parameters, lgb.Dataset(table[:day][known], y[:day][known]), 120)
            new = table[day : day + 30]
            found[day : day + 30] = fitted.predict(new.reshape(-1, new.shape[2])).reshape(new.shape[:2])
        return found

    day_ahead._walk_forward = forecast  # type: ignore[assignment]
    try:
        yield
    finally:
        day_ahead._walk_forward = ridge


def markdown(rows: list[dict[str, object]]) -> str:
    """Return a table with two decimals."""
    names = list(rows[0])
    cells = [[f"{v:,.2f}" if isinstance(v, float) else str(v) for v in row.values()] for row in rows]
    lines = [names, ["---"] * len(names), *cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Roll the years and write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="main tables only, nothing is written")
    quick = parser.parse_args().quick
    sites = [*(case(n) for n in CASES), *(area(n) for n in AREAS)]
    parts: list[tuple[str, list[dict[str, object]]]] = []

    def add(title: str, rows: list[dict[str, object]]) -> None:
        parts.append((title, rows))
        print(f"## {title}\n\n{markdown(rows)}\n", flush=True)

    def every(chosen: list[DispatchSite], **options: object) -> list[dict[str, object]]:
        return [shown(s.site_id, *rolled(s, **options)) for s in chosen]

    add("Planned once a day; own production, grid and load predicted", every(sites))
    add("Planned once a day; the load known, as that of scheduled work", every(sites, load_known=True))
    add("Errors of the forecasts [MW, share] from February on", [row for s in sites for row in errors(s)])
    if quick:
        return
    add("Without the gate", every(sites, gate=False))
    with trees():
        add("LightGBM in place of the ridge", every(sites))
    add("Planned again every hour with what was measured by then", every(sites[:3], look_again_hours=1.0))
    stored = [replace(s, battery=STORE) for s in sites[:2]]
    add("With 200 MWh of battery, planned once a day", every(stored))
    RESULTS.write_text(report(parts), encoding="utf-8")


def report(parts: list[tuple[str, list[dict[str, object]]]]) -> str:
    """Return the results file."""
    head = (
        "# Rolling plans from the past alone: hourly carbon-free score [%]\n\n"
        "- made by: `python tests/benchmarks/rolling.py`\n"
        "- what is compared, and the rules: the script's first lines\n"
        "- every day is planned on the days before it; perfect foresight is a bound, not a claim\n"
        "- seconds: a year with all four plans, on a machine that other work shared\n"
    )
    return head + "".join(f"\n## {title}\n\n{markdown(rows)}\n" for title, rows in parts)


if __name__ == "__main__":
    main()
