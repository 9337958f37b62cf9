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
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

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
Seconds: TypeAlias = tuple[float, float]
"""On the wall and of the processor [s]."""
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
    times: list[dict[str, Seconds]] = []
    for _ in range(args.runs):
        run: dict[str, Seconds] = {}
        with clock(run, "ours"):
            dispatch([site], DAY, 1.0, battery_start=START, battery_end="free")
        block = Block([site], model.setting)
        at = block._bounds([site], "non_green_kwh", None)
        costs = block._costs("non_green_kwh")
        highs = block._lp._pass(
            costs / block._scale(costs) + block._tie_break(), at, np.zeros(0, dtype=np.int64)
        )
        with clock(run, "highs"):
            highs.run()
        for way in WAYS:
            with clock(run, way):
                with clock(run, f"components {way}"):
                    network = as_pypsa(site, wind, sun)
                least = solved(network, site, way)
            told = plan.totals.non_green_kwh
            assert abs(told - least) <= SAME * least, (told, least)
            assert told >= least * (1 - 1e-6), (told, least)
        times.append(run)
        print({name: f"{wall:.2f} ({cpu:.2f})" for name, (wall, cpu) in run.items()}, flush=True)
    text = report(times, plan.totals.non_green_kwh, least, block.shape)
    print(text)
    RESULTS.write_text(text, encoding="utf-8", newline="\n")


@contextmanager
def clock(run: dict[str, Seconds], name: str) -> Iterator[None]:
    """Note how long a block takes: on the wall and of the processor [s]."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    run[name] = (time.perf_counter() - wall, time.process_time() - cpu)


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


def report(times: list[dict[str, Seconds]], ours: float, theirs: float, shape: tuple[int, int]) -> str:
    """Return the medians as Markdown."""
    wall, cpu = (pd.DataFrame([{n: t[k] for n, t in run.items()} for run in times]) for k in (0, 1))
    ratios = {k: {n: (t[n] / t["ours"]).median() for n in t} for k, t in (("wall", wall), ("cpu", cpu))}
    beside = [(t["ours"] / t["highs"]).median() for t in (wall, cpu)]
    told = {
        "ours": "ours, arrays to plan", "highs": "HiGHS alone on our matrix",
        **{way: f"PyPSA + HiGHS, components to result, {how}" for way, how in WAYS.items()},
        "components direct": "of it adding components",
    }  # fmt: skip
    rows = [
        (what, f"{wall[n].median():.2f}", f"{ratios['wall'][n]:.2f}", f"{cpu[n].median():.2f}",
         f"{ratios['cpu'][n]:.2f}")
        for n, what in told.items()
    ]  # fmt: skip
    names = ["one site-year", "seconds on the wall", "x ours", "seconds of the processor", "x ours "]
    table = pd.DataFrame(rows, columns=names)
    return "\n".join([
        "# One site-year: ours, PyPSA, HiGHS alone", "",
        "- made by: `python tests/benchmarks/pypsa_ratio.py` with the extra `benchmark`",
        f"- Python {platform.python_version()}, PyPSA {version('pypsa')}, linopy {version('linopy')}, HiGHS "
        f"{version('highspy')}, one thread; {len(times)} paired runs in one process",
        f"- {HOURS} h, wind, sun, battery, 20 % of the load free within the day; our matrix has {shape[0]} "
        f"rows and {shape[1]} columns",
        f"- same optimum: non-green {ours:.2f} kWh, PyPSA {theirs:.2f} ({ours / theirs - 1:+.1e}, asserted "
        f"to {SAME:g} in every run)",
        f"- ours takes {beside[0]:.2f} x HiGHS alone on the wall, {beside[1]:.2f} x of the processor",
        "- medians of seconds and of the ratios of pairs; other work shared the machine: those of the "
        "processor are the steadier",
        "", markdown(table), "",
    ])  # fmt: skip


if __name__ == "__main__":
    main()
