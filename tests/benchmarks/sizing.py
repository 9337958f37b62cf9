"""Sizes decided inside the programme beside a search outside it: what each reaches, proves and takes.

    python tests/benchmarks/sizing.py [--trials 150] [--days 60]

One data centre with a carbon-free share to reach at least cost: photovoltaics, wind, storage and a cooling
retrofit may be bought. Inside: one mixed-integer programme, whose gap is proven. Outside: Optuna (TPE, as
widely used for such searches) proposes sizes, the dispatch is solved for each proposal, a missed target costs
so much per missing kWh. The table goes to ``tests/benchmarks/results/sizing.md``.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import optuna

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from advisor.dispatch import Dispatch, DispatchModel, DispatchSite
from advisor.dispatch_options import Option
from advisor.dispatch_read import built
from advisor.dispatch_site import Target
from tests.dispatch_cases import battery

SHARE = 0.8
PER_MISSING_KWH = 5.0
RESULTS = Path(__file__).parent / "results" / "sizing.md"


def problem(days: int) -> tuple[DispatchSite, list[Option], np.ndarray]:
    """Return a data centre of 800 kW, what it may buy, and its days."""
    rng, t = np.random.default_rng(5), np.arange(24 * days)
    it = 600 + 80 * np.sin(t / 24 * 2 * np.pi) + rng.normal(0, 20, len(t))
    sun = np.maximum(0, np.sin((t % 24 - 6) / 12 * np.pi)) * np.repeat(rng.uniform(0.2, 1, days), 24)
    wind = np.clip(np.repeat(rng.gamma(2.0, 0.18, days * 4), 6), 0, 1)
    site = DispatchSite(
        "a", it * 1.25 + 60, np.zeros(len(t)), np.clip(0.65 + rng.normal(0, 0.1, len(t)), 0, 1), it_kw=it,
        marginal=np.full(len(t), 1.25), flexible_share=0.2, it_capacity_kw=900.0,
        battery=battery(0.0, power_kw=0.0, charge_efficiency=0.96, discharge_efficiency=0.96),
        price_per_kwh=np.where((t % 24 > 8) & (t % 24 < 20), 1.0, 0.4),
    )  # fmt: skip
    part = days / 365.0  # of the year that annuities are of
    options = [
        Option("pv", "supply", "a", 280.0 * part, 6000.0, sun),
        Option("wind", "supply", "a", 520.0 * part, 6000.0, wind),
        Option("storage", "battery", "a", 110.0 * part, 20000.0, power_per_energy=0.5),
        Option("cooling", "retrofit", "a", 180_000.0 * part, 1.0, 0.05 * site.load_kw),
    ]
    return site, options, t // 24


def inside(site: DispatchSite, options: list[Option], day: np.ndarray) -> Dispatch:
    """Return the plan that decides sizes itself."""
    model = DispatchModel(
        [site], day, 1.0, options=options, targets=[Target("cfe", SHARE)], battery_end="as-started"
    )
    return model.solve(objective="cost")


def outside(
    site: DispatchSite, options: list[Option], day: np.ndarray, trials: int
) -> tuple[float, float, dict[str, float]]:
    """Return the best cost, the share that it reaches and its sizes."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    best = (np.inf, 0.0, {})

    def cost_of(trial: optuna.Trial) -> float:
        nonlocal best
        sizes = {
            o.name: float(trial.suggest_int(o.name, 0, 1))
            if o.whole
            else trial.suggest_float(o.name, 0, o.most)
            for o in options
        }
        stands = built(site, options, sizes)
        # the dispatch beside given sizes: least non-green first, for the target is on it
        done = DispatchModel([stands], day, 1.0).solve()
        missing = max(done.totals.non_green_kwh - (1 - SHARE) * done.totals.load_kwh, 0.0)
        if missing <= 0:
            done = DispatchModel([stands], day, 1.0, targets=[Target("cfe", SHARE)]).solve(objective="cost")
        bought = sum(o.cost_per_unit * sizes[o.name] for o in options)
        cost = float(done.totals.cost or 0.0) + bought
        if missing <= 0 and cost < best[0]:
            best = (cost, float(done.totals.cfe or 0.0), sizes)
        return cost + PER_MISSING_KWH * missing

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(cost_of, n_trials=trials)
    return best


def main() -> None:
    """Run both and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=150)
    parser.add_argument("--days", type=int, default=60)
    asked = parser.parse_args()
    site, options, day = problem(asked.days)
    began = time.perf_counter()
    done = inside(site, options, day)
    took = time.perf_counter() - began
    cost, gap = float(done.totals.cost or 0.0) + done.invested, float(done.report.gap or 0.0)
    began = time.perf_counter()
    other, share, sizes = outside(site, options, day, asked.trials)
    searched = time.perf_counter() - began
    bound = cost * (1 - gap)
    rows = [
        ("inside (mixed-integer programme)", cost, gap, float(done.totals.cfe or 0.0), done.sizes, took),
        (f"outside (Optuna, {asked.trials} trials)", other, (other - bound) / other, share, sizes, searched),
    ]
    lines = [
        "# Sizes inside the programme beside a search outside it",
        "",
        f"`python tests/benchmarks/sizing.py --trials {asked.trials} --days {asked.days}`; a data centre of "
        f"800 kW, {asked.days} days known in advance, carbon-free share of at least {SHARE:.0%}. The gap "
        "counts from the bound that the programme proves; a search proves none of its own.",
        "",
        "| | cost in the window | gap | share | " + " | ".join(o.name for o in options) + " | seconds |",
        "|---|---:|---:|---:|" + "---:|" * len(options) + "---:|",
    ]
    for name, value, apart, reached, bought, seconds in rows:
        amounts = " | ".join(f"{bought.get(o.name, 0.0):,.0f}" for o in options)
        lines.append(
            f"| {name} | {value:,.0f} | {100 * apart:.3f} % | {reached:.1%} | {amounts} | {seconds:.1f} |"
        )
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
