"""The verifier finds what a wrong plan breaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from advisor.dispatch import Dispatch, DispatchModel, Exchange
from advisor.dispatch_site import Setting, SiteDispatch
from advisor.dispatch_verify import verify_dispatch
from tests.dispatch_cases import battery, site


@pytest.fixture(scope="module")
def planned() -> tuple[DispatchModel, Dispatch]:
    a = site(
        [20, 20, 20, 20], [0, 0, 10, 60], it_kw=np.full(4, 15.0), marginal=np.full(4, 1.2),
        flexible_share=0.4, it_capacity_kw=24.0, battery=battery(20.0, reserve_kwh=5.0),
        price_per_kwh=np.full(4, 0.5), carbon_g_per_kwh=np.full(4, 500.0),
        frozen=np.array([False, True, False, False]),
    )  # fmt: skip
    b = replace(
        a, site_id="b", own_kw=np.array([0.0, 0.0, 90.0, 0.0]), battery=None, frozen=None, it_capacity_kw=60.0
    )
    model = DispatchModel(
        [a, b],
        np.zeros(4, dtype=np.int64),
        1.0,
        between_sites=True,
        exchanges=[Exchange(("a", "b"), 0.1, 0.2)],
    )
    return model, model.solve()


def broken(plan: Dispatch, change: Callable[[SiteDispatch], SiteDispatch]) -> Dispatch:
    return replace(plan, sites={**plan.sites, "a": change(plan.sites["a"])})


def failed(model: DispatchModel, plan: Dispatch, setting: Setting | None = None) -> set[str]:
    return {c.name for c in verify_dispatch(model.sites, plan, setting or model.setting) if not c.passed}


def test_a_sound_plan_passes_every_check(planned: tuple[DispatchModel, Dispatch]) -> None:
    model, plan = planned
    assert failed(model, plan) == set()
    assert plan.sites["b"].from_others_kw.sum() > 0
    assert plan.sites["a"].charge_kw.sum() > 0


def test_a_site_without_a_declared_capacity_passes() -> None:
    model = DispatchModel([site([1, 2], [0, 3], flexible_share=0.5)], np.zeros(2, dtype=np.int64), 1.0)
    assert failed(model, model.solve()) == set()


def at(values: np.ndarray, step: int, change: float) -> np.ndarray:
    changed = values.copy()
    changed[step] += change
    return changed


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda p: replace(p, grid_kw=at(p.grid_kw, 0, 0.1)), "energy balance"),
        (lambda p: replace(p, own_used_kw=at(p.own_used_kw, 3, 0.1)), "own production"),
        (lambda p: replace(p, spilled_kw=at(p.spilled_kw, 3, -1e3)), "nothing negative"),
        (lambda p: replace(p, load_kw=at(p.load_kw, 0, 0.1)), "load follows work"),
        (lambda p: replace(p, work_kw=at(p.work_kw, 0, 20.0)), "capacity"),
        (lambda p: replace(p, out_kw=at(p.out_kw, 0, 20.0)), "flexible share"),
        (lambda p: replace(p, in_kw=at(p.in_kw, 3, -1.0)), "work of each day is done"),
        (lambda p: replace(p, charge_kw=at(p.charge_kw, 1, 0.1)), "steps without data rest"),
        (lambda p: replace(p, soc_kwh=at(p.soc_kwh, 2, -0.1)), "battery level"),
        (lambda p: replace(p, soc_kwh=at(p.soc_kwh, 0, -19.0)), "battery reserve and capacity"),
        (lambda p: replace(p, soc_kwh=at(p.soc_kwh, 3, -2.0)), "battery as full as at the start"),
        (lambda p: replace(p, discharge_kw=at(p.discharge_kw, 0, 90.0)), "battery power"),
        (lambda p: replace(p, discharge_kw=p.discharge_kw + 0.1), "battery one way at a time"),
        (lambda p: replace(p, charge_kw=at(p.charge_kw, 0, 0.1)), "battery charges from own production"),
        (lambda p: replace(p, transfer_kw=at(p.transfer_kw, 0, 0.1)), "transfer energy"),
        (lambda p: replace(p, grid_kw=at(p.grid_kw, 0, np.nan)), "energy balance"),
        (lambda p: replace(p, totals=replace(p.totals, non_green_kwh=0.0)), "sums"),
        (lambda p: replace(p, totals=replace(p.totals, cost=0.0)), "sums"),
        (lambda p: replace(p, totals=replace(p.totals, carbon_kg=None)), "sums over sites"),
    ],
)  # fmt: skip
def test_each_fault_is_found(
    planned: tuple[DispatchModel, Dispatch], change: Callable[[SiteDispatch], SiteDispatch], found: str
) -> None:
    model, plan = planned
    assert found in failed(model, broken(plan, change))


def test_moves_that_nobody_allowed_are_found(planned: tuple[DispatchModel, Dispatch]) -> None:
    model, plan = planned
    apart = replace(model.setting, exchanges=())
    assert "work of each day is done" in failed(model, plan, apart)
    unpaid = replace(
        plan,
        sites={
            **plan.sites,
            "b": replace(plan.sites["b"], from_others_kw=np.zeros(4), transfer_kw=np.zeros(4)),
        },
    )
    assert "work from other sites is charged" in failed(model, unpaid)
