"""One site-year: ours beside PyPSA with HiGHS, and beside HiGHS alone on our matrix; paired runs, medians.

    python tests/benchmarks/pypsa_ratio.py [--runs N]

Needs the extra ``benchmark`` (PyPSA). A data centre with wind and sun of its own, a battery and 20 % of its
load free within the day buys the least non-green energy. PyPSA states it with its own components (generators,
a storage unit) and one constraint per day; both optima must agree. Prints the medians and writes
``results/pypsa_ratio.md``.
"""

from __future__ import annotations

import argparse
import logging
import platform
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from advisor.assets import Battery
from advisor.dispatch import DispatchModel, DispatchSite, dispatch
from advisor.dispatch_block import Block
from advisor.dispatch_verify import verify_dispatch
from tests.benchmarks.backtests import markdown

RESULTS = Path(__file__).parent / "results" / "pypsa_ratio.md"
HOURS = 8760
DAY = np.arange(HOURS) // 24
START = 0.5
WAYS = {"lp": "by file, its default", "direct": "handed over directly"}
"""How PyPSA (linopy) hands its matrix to HiGHS."""
SAME = 1e-4
"""Optima may differ by our tie-break between equal plans: share of the non-green energy [1]."""


def main() -> None:
    """Time all in turn and write the medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    warnings.simplefilter("ignore", FutureWarning)  # PyPSA's and linopy's own
    for name in ("pypsa", "linopy"):
        logging.getLogger(name).setLevel(logging.ERROR)
    site, wind, sun = site_year()
    as_pypsa(site, wind, sun)  # imports once, before the clock
    model = DispatchModel([site], DAY, 1.0, battery_start=START, battery_end="free")
    plan = model.solve()
    broken = [c for c in verify_dispatch([site], plan, model.setting) if not c.passed]
    assert broken == [], broken
    times: list[dict[str, float]] = []
    for _ in range(args.runs):
        ours = seconds(lambda: dispatch([site], DAY, 1.0, battery_start=START, battery_end="free"))
        block = Block([site], model.setting)
        at = block._bounds([site], "non_green_kwh", None)
        costs = block._costs("non_green_kwh")
        highs = block._lp._pass(
            costs / block._scale(costs) + block._tie_break(), at, np.zeros(0, dtype=np.int64)
        )
        alone = seconds(highs.run)
        times.append({"ours": ours, "highs": alone})
        for way in WAYS:
            began = time.perf_counter()
            network = as_pypsa(site, wind, sun)
            times[-1][f"components {way}"] = time.perf_counter() - began
            least = solved(network, site, way)
            times[-1][way] = time.perf_counter() - began
            told = plan.totals.non_green_kwh
            assert abs(told - least) <= SAME * least, (told, least)
            assert told >= least * (1 - 1e-6), (told, least)
        print({name: round(value, 2) for name, value in times[-1].items()}, flush=True)
    text = report(times, plan.totals.non_green_kwh, least, block.shape)
    print(text)
    RESULTS.write_text(text, encoding="utf-8", newline="\n")


def seconds(work: Callable[[], object]) -> float:
    """Return how long a call takes [s]."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def site_year() -> tuple[DispatchSite, np.ndarray, np.ndarray]:
    """Return a site of our own making and its wind and sun [kW], each of shape (hours,)."""
    rng, t = np.random.default_rng(0), np.arange(HOURS)
    load = 1000 + 80 * np.sin(t / 24 * 2 * np.pi) + rng.normal(0, 20, HOURS)
    cloud = np.repeat(rng.uniform(0.2, 1, HOURS // 24), 24)
    sun = 1500 * np.maximum(0, np.sin((t % 24 - 6) / 12 * np.pi)) * cloud
    gusts = np.convolve(rng.normal(0, 1, HOURS + 47), np.ones(48) / np.sqrt(48), "valid")
    wind = 900 * np.clip(0.35 + 0.25 * gusts, 0, 1)
    dirty = np.clip(0.6 + 0.2 * np.sin(t / 24 * 2 * np.pi) + rng.normal(0, 0.05, HOURS), 0, 1)
    battery = Battery(
        energy_kwh=2000.0, power_kw=500.0, charge_efficiency=0.97, discharge_efficiency=0.96,
        grid_charging=True, source="made",
    )  # fmt: skip
    site = DispatchSite(
        "a", load, wind + sun, dirty, flexible_share=0.2, it_capacity_kw=1300.0, battery=battery
    )
    return site, wind, sun


def as_pypsa(site: DispatchSite, wind: np.ndarray, sun: np.ndarray) -> Any:
    """Return the same problem as a PyPSA network."""
    import pypsa

    b, room = site.battery, site.it_capacity_kw - site.load_kw
    assert b is not None
    network = pypsa.Network()
    network.set_snapshots(pd.date_range("2025-01-01", periods=HOURS, freq="h"))
    hours = network.snapshots
    network.add("Bus", "site")
    network.add("Load", "load", bus="site", p_set=pd.Series(site.load_kw, hours))
    leaving = site.flexible_share * site.load_kw
    series = {"wind": wind, "sun": sun, "out": leaving, "into": room}
    for name, most in series.items():
        top = float(most.max())
        network.add(
            "Generator", name, bus="site", p_nom=top, p_max_pu=pd.Series(most / top, hours),
            sign=-1.0 if name == "into" else 1.0,
        )  # fmt: skip
    network.add(
        "Generator", "grid", bus="site", p_nom=1e4, marginal_cost=pd.Series(site.grid_non_green, hours)
    )
    network.add(
        "StorageUnit", "battery", bus="site", p_nom=b.power_kw, max_hours=b.energy_kwh / b.power_kw,
        efficiency_store=b.charge_efficiency, efficiency_dispatch=b.discharge_efficiency,
        state_of_charge_initial=START * b.energy_kwh,
    )  # fmt: skip
    return network


def solved(network: Any, site: DispatchSite, way: str) -> float:
    """Solve with HiGHS, handed over by file or directly; return the non-green energy bought [kWh]."""

    def work_returns(n: Any, _hours: object) -> None:
        power = n.model["Generator-p"]
        away = power.sel(name="out") - power.sel(name="into")
        day = pd.Series(DAY, n.snapshots, name="day").rename_axis("snapshot").to_xarray()
        n.model.add_constraints(away.groupby(day).sum() == 0, name="work returns within the day")

    status, condition = network.optimize(
        solver_name="highs", solver_options={"threads": 1, "output_flag": False}, log_to_console=False,
        extra_functionality=work_returns, include_objective_constant=False, io_api=way, progress=False,
    )  # fmt: skip
    assert (status, condition) == ("ok", "optimal")
    return float(network.generators_t.p["grid"].to_numpy() @ site.grid_non_green)


def report(times: list[dict[str, float]], ours: float, theirs: float, shape: tuple[int, int]) -> str:
    """Return the medians as Markdown."""
    runs = pd.DataFrame(times)
    beside = (runs["ours"] / runs["highs"]).median()
    faster = {way: (runs[way] / runs["ours"]).median() for way in WAYS}
    rows = [
        ("ours, arrays to plan", f"{median(runs['ours']):.2f}", "1"),
        ("HiGHS alone on our matrix", f"{median(runs['highs']):.2f}", f"{1 / beside:.2f}"),
        *(
            (f"PyPSA + HiGHS, components to result, {how}", f"{median(runs[way]):.2f}", f"{faster[way]:.2f}")
            for way, how in WAYS.items()
        ),
        ("of it adding components", f"{median(runs['components direct']):.2f}", ""),
    ]
    table = pd.DataFrame(rows, columns=["one site-year", "seconds, median", "x ours, median of pairs"])
    return "\n".join([
        "# One site-year: ours, PyPSA, HiGHS alone", "",
        "- made by: `python tests/benchmarks/pypsa_ratio.py` with the extra `benchmark`",
        f"- Python {platform.python_version()}, PyPSA {version('pypsa')}, linopy {version('linopy')}, HiGHS "
        f"{version('highspy')}, one thread; {len(times)} paired runs in one process",
        f"- {HOURS} h, wind, sun, battery, 20 % of the load free within the day; our matrix has {shape[0]} "
        f"rows and {shape[1]} columns",
        f"- same optimum: non-green {ours:.2f} kWh, PyPSA {theirs:.2f} ({ours / theirs - 1:+.1e}, asserted "
        f"to {SAME:g} in every run)",
        f"- ours takes {beside:.2f} x HiGHS alone; PyPSA takes {faster['lp']:.1f} x ours, "
        f"{faster['direct']:.1f} x where it hands its matrix over directly",
        "", markdown(table), "",
    ])  # fmt: skip


if __name__ == "__main__":
    main()
