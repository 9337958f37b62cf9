"""How the optimum of a dispatch must answer when its problem changes: freedom, order, scale, exchange."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from advisor.dispatch import Dispatch, DispatchSite
from advisor.dispatch_site import Target
from advisor.work import WorkClass
from features.errors import PlanError
from tests.benchmarks.portfolio_fuzz import WORSE, reached, stake
from tests.portfolio_cases import Case, portfolio

CASES = 36
SCALE = 1000.0


def optimum(case: Case) -> float | None:
    """Return the least objective; None: it cannot be planned."""
    try:
        return reached(case, case.model().solve(objective=case.objective))
    except PlanError:
        return None


@pytest.fixture(scope="module")
def solved() -> list[tuple[Case, float]]:
    cases = [replace(portfolio(number), at_most_share=None) for number in range(CASES)]
    found = [(case, optimum(case)) for case in cases]
    return [(case, value) for case, value in found if value is not None]


def changed(case: Case, sites: Sequence[DispatchSite], **keywords: Any) -> Case:
    return replace(case, sites=tuple(sites), keywords=case.keywords | keywords)


def freer(case: Case) -> Case:
    """Return the case with every limit of work, time and connection wider."""
    sites = [
        replace(
            s, it_capacity_kw=1.5 * s.it_capacity_kw, flexible_share=min(1.0, s.flexible_share + 0.2),
            grid_max_kw=None, frozen=None,
        )
        for s in case.sites
    ]  # fmt: skip
    classes = [replace(c, wait_steps=c.wait_steps + 3) for c in case.keywords.get("classes", ())]
    return changed(case, sites, classes=classes, targets=())


def test_more_freedom_is_never_worse(solved: list[tuple[Case, float]]) -> None:
    gained = 0
    for case, value in solved:
        free = optimum(freer(case))
        assert free is not None
        assert free <= value + WORSE * stake(case)
        gained += free < value - WORSE * stake(case)
    assert gained > len(solved) / 2


def test_the_order_of_the_sites_does_not_matter(solved: list[tuple[Case, float]]) -> None:
    several = [(case, value) for case, value in solved if len(case.sites) > 1]
    assert several
    for case, value in several:
        assert optimum(changed(case, case.sites[::-1])) == pytest.approx(value, abs=WORSE * stake(case))


def larger(site: DispatchSite) -> DispatchSite:
    """Return the site with every power and energy multiplied."""
    names = ("load_kw", "own_kw", "it_kw", "it_capacity_kw", "grid_max_kw", "water_m3")
    powers = {name: SCALE * getattr(site, name) for name in names if getattr(site, name) is not None}
    if site.battery is not None:
        b = site.battery
        powers["battery"] = b.model_copy(
            update={n: SCALE * getattr(b, n) for n in ("energy_kwh", "power_kw", "reserve_kwh")}
        )
    return replace(site, **powers)


def test_a_thousand_times_the_power_is_a_thousand_times_the_optimum(
    solved: list[tuple[Case, float]],
) -> None:
    plain = [(c, v) for c, v in solved if not (c.keywords.get("options") or c.keywords.get("targets"))]
    assert len(plain) > len(solved) / 4
    for case, value in plain:
        classes: list[WorkClass] = [
            replace(c, arrival_kw=SCALE * c.arrival_kw, job_kw=None if c.job_kw is None else SCALE * c.job_kw)
            for c in case.keywords.get("classes", ())
        ]
        large = optimum(changed(case, [larger(s) for s in case.sites], classes=classes))
        assert large is not None
        assert large / SCALE == pytest.approx(value, abs=WORSE * stake(case))


def test_free_exchange_is_never_worse_than_staying_apart(solved: list[tuple[Case, float]]) -> None:
    gained = 0
    for case, _ in solved:
        apart = changed(case, case.sites, between_sites=False, exchanges=None)
        together = changed(case, case.sites, between_sites=True, exchanges=None)
        alone, joint = optimum(apart), optimum(together)
        if alone is None or len(case.sites) == 1:
            continue
        assert joint is not None
        assert joint <= alone + WORSE * stake(case)
        gained += joint < alone - WORSE * stake(case)
    assert gained > 0


def paid_transfers(case: Case, plan: Dispatch) -> float:
    """Return what transfers earn where a purchase is paid for: told in the cost, not planned for."""
    return case.hours * sum(
        float(plan.sites[s.site_id].transfer_kw @ np.maximum(-s.price_per_kwh, 0)) for s in case.sites
    )


def test_what_was_reached_can_be_asked_for(solved: list[tuple[Case, float]]) -> None:
    shares = 0
    for case, value in solved:
        plan = case.model().solve(objective=case.objective)
        asked = list(case.keywords.get("targets", ()))
        if case.objective != "effort_kwh":
            spared = paid_transfers(case, plan) if case.objective == "cost" else 0.0
            asked.append(Target(case.objective, value + spared + 1e-6 * stake(case)))
        if plan.totals.cfe is not None:
            asked.append(Target("cfe", plan.totals.cfe - 1e-6))
            shares += 1
        again = optimum(changed(case, case.sites, targets=asked))
        assert again == pytest.approx(value, abs=WORSE * stake(case))
    assert shares > len(solved) / 2


def test_the_same_numbers_give_the_same_plan(solved: list[tuple[Case, float]]) -> None:
    case = max(solved, key=lambda each: len(each[0].day) * len(each[0].sites))[0]
    first, second = (case.model().solve(objective=case.objective) for _ in range(2))
    for name, part in first.sites.items():
        np.testing.assert_array_equal(part.grid_kw, second.sites[name].grid_kw)
