"""Dispatch beside the obvious alternatives: ratios of paired runs, medians; shown with -s."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from advisor.dispatch import DispatchModel, DispatchSite, dispatch
from advisor.dispatch_block import Block
from tests.dispatch_cases import battery

RUNS = 3


def week_of(k: int, hours: int) -> DispatchSite:
    """A data centre with sun, a battery, flexible work and a grid of changing green share."""
    rng, t = np.random.default_rng(k), np.arange(hours)
    it = 600 + 80 * np.sin(t / 24 * 2 * np.pi + k) + rng.normal(0, 20, hours)
    sun = np.maximum(0, np.sin((t % 24 - 6) / 12 * np.pi)) * np.repeat(rng.uniform(0.2, 1, hours // 24), 24)
    dirty = np.clip(0.6 + 0.2 * np.sin(t / 24 * 2 * np.pi + k) + rng.normal(0, 0.05, hours), 0, 1)
    return DispatchSite(
        f"s{k}", it * 1.25 + 60, 1500 * sun, dirty, it_kw=it, marginal=np.full(hours, 1.25),
        flexible_share=0.2, it_capacity_kw=900.0,
        battery=battery(1500.0, power_kw=500.0, charge_efficiency=0.97, discharge_efficiency=0.96),
        price_per_kwh=np.where((t % 24 > 8) & (t % 24 < 20), 1.0, 0.4),
    )  # fmt: skip


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def test_one_site_year_beside_the_solver_alone_and_scipy() -> None:
    site, day = week_of(0, 8760), np.arange(8760) // 24
    model = DispatchModel([site], day, 1.0)
    plan = model.solve()
    block = Block([site], model.setting)
    at = block._bounds([site], "non_green_kwh", None)
    matrix, costs = block._lp.matrix, block._costs("non_green_kwh")
    scaled = costs / np.abs(costs).max() + block._tie_break()
    equal = at.row_lower == at.row_upper
    over, under = ~equal & np.isfinite(at.row_upper), ~equal & np.isfinite(at.row_lower)
    upper = sparse.vstack([matrix[over], -matrix[under]])
    right = np.concatenate([at.row_upper[over], -at.row_lower[under]])

    def scipy_alone() -> None:
        done = linprog(
            scaled, upper, right, matrix[equal], at.row_upper[equal], np.column_stack([at.lower, at.upper]),
            method="highs-ds",
        )  # fmt: skip
        assert done.status == 0
        assert costs @ done.x >= plan.totals.non_green_kwh * (1 - 1e-4)

    ours, solver, scipy_s = [], [], []
    for _ in range(RUNS):
        ours.append(seconds(lambda: dispatch([site], day, 1.0)))
        fresh = Block([site], model.setting)
        highs = fresh._lp._pass(scaled, at, np.zeros(0, dtype=np.int64))
        solver.append(seconds(highs.run))
        scipy_s.append(seconds(scipy_alone))
    beside_solver = median(o / s for o, s in zip(ours, solver, strict=True))
    beside_scipy = median(o / s for o, s in zip(ours, scipy_s, strict=True))
    print(
        f"\nsite-year: {median(ours):.2f} s build to plan; {beside_solver:.2f} x HiGHS alone, "
        f"{beside_scipy:.2f} x scipy linprog on the same matrix"
    )
    assert beside_solver < 2.0
    assert beside_scipy < 2.0


def test_twenty_sites_of_a_week_solve_in_seconds() -> None:
    sites, day = [week_of(k, 168) for k in range(20)], np.arange(168) // 24
    apart = seconds(lambda: dispatch(sites, day, 1.0))
    joint = seconds(lambda: dispatch(sites, day, 1.0, between_sites=True))
    print(f"\n20 sites x 168 h: {apart:.2f} s apart, {joint:.2f} s with work between sites")
    assert max(apart, joint) < 10.0


def test_a_slider_solves_a_week_again_at_once() -> None:
    site, day = week_of(0, 168), np.arange(168) // 24
    model = DispatchModel([site], day, 1.0)
    first = seconds(model.solve)
    factors = np.random.default_rng(0).uniform(0.3, 2.0, 21)
    again = [seconds(lambda f=f: model.solve(own_kw=site.own_kw * f)) for f in factors]  # type: ignore[misc]
    changed = [replace(site, own_kw=site.own_kw * f) for f in factors]
    cold = [seconds(lambda c=c: dispatch([c], day, 1.0)) for c in changed]  # type: ignore[misc]
    print(
        f"\nweek: first {1000 * first:.1f} ms, again {1000 * median(again):.1f} ms (worst "
        f"{1000 * max(again):.1f}), cold {1000 * median(cold):.1f} ms"
    )
    assert median(again) < 0.05
    assert median(again) < median(cold)
