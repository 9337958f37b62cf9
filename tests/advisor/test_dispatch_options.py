"""What may be bought beside a dispatch, what it must reach, and what peaks, reserves and limits do to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.dispatch import Dispatch, DispatchModel, DispatchSite, as_it_is
from advisor.dispatch_options import Option
from advisor.dispatch_site import PeakCharge, Target
from advisor.dispatch_verify import verify_dispatch
from features.errors import PlanError, UsageError
from tests.dispatch_cases import battery, problems, site

ONE = np.ones(4)


def plan(sites: list[DispatchSite], objective: str = "cost", **options: object) -> Dispatch:
    """Solve and re-check."""
    model = DispatchModel(sites, np.zeros(len(sites[0].load_kw)), 1.0, **options)  # type: ignore[arg-type]
    done = model.solve(objective=objective)  # type: ignore[arg-type]
    assert [c for c in verify_dispatch(sites, done, model.setting) if not c.passed] == []
    return done


def priced(load: list[float], own: list[float], **changes: object) -> DispatchSite:
    return site(load, own, 0.5, **({"price_per_kwh": np.ones(len(load))} | changes))


def test_generation_is_bought_where_it_pays() -> None:
    sun = np.array([0.0, 1, 1, 0])
    panels = Option("pv", "supply", "a", 1.5, 10.0, sun)
    done = plan([priced([2, 3, 5, 2], [0] * 4)], options=[panels])
    assert done.sizes["pv"] == pytest.approx(3)  # the fourth kW would save 1 for 1.5
    assert done.totals.cost == pytest.approx(2 + 0 + 2 + 2)
    assert done.invested == pytest.approx(4.5)
    none = plan([priced([2, 3, 5, 2], [0] * 4)], options=[replace(panels, cost_per_unit=2.1)])
    assert none.sizes["pv"] == 0


def test_more_battery_carries_more_sun() -> None:
    here = priced(
        [0, 4, 4, 0], [8, 0, 0, 0], battery=battery(0.0, charge_efficiency=1, discharge_efficiency=1)
    )
    more = Option("more", "battery", "a", 0.5, 100.0, power_per_energy=1.0)
    done = plan([here], options=[more], battery_start=0.0)
    assert done.sizes["more"] == pytest.approx(8)
    assert done.totals.cost == pytest.approx(0)
    slow = plan([here], options=[replace(more, power_per_energy=0.5)], battery_start=0.0)
    assert slow.sites["a"].charge_kw.max() <= 0.5 * slow.sizes["more"] + 1e-9


def test_a_retrofit_is_built_wholly_or_not() -> None:
    cooling = Option("cooling", "retrofit", "a", 3.0, 1.0, np.array([1.0, 1, 1, 0.5]))
    done = plan([priced([5, 5, 5, 5], [0] * 4)], options=[cooling])
    assert done.sizes["cooling"] == 1
    assert done.totals.cost == pytest.approx(16.5)
    assert (
        plan([priced([5] * 4, [0] * 4)], options=[replace(cooling, cost_per_unit=3.6)]).sizes["cooling"] == 0
    )


def test_certificates_count_in_a_green_share_and_in_no_hour() -> None:
    here = priced([4] * 4, [4, 0, 0, 0])
    green = Option("certificates", "certificate", None, 0.1, 100.0)
    done = plan([here], options=[green], targets=[Target("green_share", 0.8)])
    assert done.sizes["certificates"] == pytest.approx(0.8 * 16 - 4)
    before = as_it_is([here], 1.0).totals
    assert (done.totals.cfe, done.totals.grid_kwh) == pytest.approx((before.cfe, before.grid_kwh))
    with pytest.raises(PlanError):
        plan([here], options=[green], targets=[Target("cfe", 0.9)])


@pytest.mark.parametrize(("measure", "bound"), [("cfe", 0.8), ("coverage", 0.6), ("green_share", 0.6)])
def test_a_share_is_reached_at_least_cost(measure: str, bound: float) -> None:
    here = priced([4] * 4, [0] * 4)
    panels = Option("pv", "supply", "a", 9.0, 100.0, np.array([0.0, 1, 1, 1]))
    done = plan([here], options=[panels], targets=[Target(measure, bound)])  # type: ignore[arg-type]
    share = {"cfe": done.totals.cfe, "coverage": done.totals.coverage}.get(measure, done.totals.coverage)
    assert share == pytest.approx(bound)
    assert plan([here], options=[panels]).sizes["pv"] == 0


def test_a_target_of_one_site_leaves_the_other_alone() -> None:
    sites = [priced([4] * 4, [0] * 4), priced([4] * 4, [0] * 4, site_id="b")]
    panels = [Option(f"pv-{i}", "supply", i, 9.0, 100.0, ONE) for i in "ab"]
    done = plan(sites, options=panels, targets=[Target("coverage", 0.5, ("b",))])
    assert (done.sizes["pv-a"], done.sizes["pv-b"]) == pytest.approx((0, 2))


def test_the_highest_purchase_is_paid_for_each_period() -> None:
    peak = PeakCharge(np.array([0, 0, 1, 1]), np.array([10.0, 10.0]))
    here = priced([2, 6, 4, 4], [0] * 4, peak=peak, flexible_share=0.5, it_capacity_kw=9.0)
    done = plan([here])
    # 3 of 6 may leave and no step of the day holds less than 4 on the whole
    assert done.totals.cost == pytest.approx(16 + 10 * (4 + 4))
    assert as_it_is([here], 1.0).totals.cost == pytest.approx(16 + 10 * (6 + 4))


def test_a_paid_purchase_counts_against_the_peak_that_it_makes() -> None:
    # own production covers all; 4 kWh that are paid for with 1 would make a peak of 4 kW
    for price, cost in ((3.0, 0.0), (0.5, -2.0)):
        peak = PeakCharge(np.zeros(4, dtype=np.int64), np.array([price]))
        here = priced([4] * 4, [9] * 4, peak=peak, price_per_kwh=np.array([-1.0, 1, 1, 1]))
        assert plan([here]).totals.cost == pytest.approx(cost)


def test_a_connection_limits_purchases() -> None:
    here = priced([2, 6, 2, 2], [0] * 4, grid_max_kw=4 * ONE, flexible_share=0.5, it_capacity_kw=9.0)
    assert plan([here]).sites["a"].grid_kw.max() <= 4 + 1e-9
    with pytest.raises(PlanError):
        plan([replace(here, flexible_share=0.0)])


def test_backup_is_never_sold() -> None:
    store = battery(
        6.0, reserve_hours=2.0, discharge_efficiency=1.0, charge_efficiency=1.0, grid_charging=True
    )
    here = priced([1, 1, 3, 1], [0] * 4, battery=store, price_per_kwh=np.array([0.1, 1, 9, 9]))
    done = plan([here], battery_start=1.0, battery_end="free")
    assert done.sites["a"].soc_kwh == pytest.approx(np.maximum(done.sites["a"].soc_kwh, [4, 4, 2, 2]))
    assert done.sites["a"].discharge_kw.sum() == pytest.approx(4)
    with pytest.raises(PlanError, match="E-DISPATCH-RESERVE"):
        plan([replace(here, battery=store.model_copy(update={"reserve_hours": 9.0}))])


def test_a_worn_battery_works_only_where_it_pays() -> None:
    store = battery(4.0, charge_efficiency=1.0, discharge_efficiency=1.0, grid_charging=True)
    here = priced([1, 1, 1, 1], [0] * 4, battery=store, price_per_kwh=np.array([1.0, 1, 2, 2]))
    worn = replace(here, battery=store.model_copy(update={"cycle_cost_per_kwh": 1.5}))
    assert plan([here], battery_start=0.0).totals.delivered_kwh == pytest.approx(2)
    assert plan([worn], battery_start=0.0).totals.delivered_kwh == 0


def test_water_follows_the_work() -> None:
    dry = site([4, 4], [0, 0], flexible_share=0.5, it_capacity_kw=9.0, water_m3=np.array([1.0, 1.0]),
               water_m3_per_kwh=np.array([0.25, 0.1]))  # fmt: skip
    model = DispatchModel([dry], np.zeros(2), 1.0)
    done = model.solve(objective="water_m3")
    assert [c for c in verify_dispatch([dry], done, model.setting) if not c.passed] == []
    assert done.totals.water_m3 == pytest.approx(2 - 2 * 0.15)
    with pytest.raises(PlanError, match="E-DISPATCH-WATER"):
        DispatchModel([site([4, 4], [0, 0])], np.zeros(2), 1.0, limited="water_m3").solve()


def test_beside_a_dear_retrofit_every_kwh_still_counts() -> None:
    here = priced([5] * 4, [0] * 4, flexible_share=0.5, price_per_kwh=np.array([2.0, 1, 2, 1]))
    for cost in (1e3, 1e6, 1e9):
        done = plan([here], options=[Option("cooling", "retrofit", "a", cost, 1.0, ONE)])
        assert done.sizes["cooling"] == 0
        assert done.totals.cost == pytest.approx(2 * 2.5 * 2 + 2 * 7.5)
        assert done.report.gap == pytest.approx(0, abs=1e-6)


def test_a_retrofit_saves_power_and_leaves_the_work() -> None:
    # half of 5 kW may leave, although the facility then draws 4 only
    here = priced([5] * 4, [0] * 4, flexible_share=0.5, price_per_kwh=np.array([2.0, 1, 2, 1]))
    done = plan([here], options=[Option("cooling", "retrofit", "a", 0.0, 1.0, ONE)])
    assert done.sites["a"].out_kw.max() == pytest.approx(2.5)
    assert done.sites["a"].work_kw.sum() == pytest.approx(20)
    assert done.totals.load_kwh == pytest.approx(16)


def test_a_retrofit_leaves_what_backup_was_laid_out_for() -> None:
    store = battery(
        9.0, reserve_hours=1.0, discharge_efficiency=1.0, charge_efficiency=1.0, grid_charging=True
    )
    here = priced([5] * 4, [0] * 4, battery=store, price_per_kwh=np.array([1.0, 1, 9, 9]))
    done = plan([here], options=[Option("cooling", "retrofit", "a", 0.0, 1.0, ONE)],
                battery_start=0.5, battery_end="free")  # fmt: skip
    assert done.sizes["cooling"] == 1
    assert done.sites["a"].soc_kwh.min() == pytest.approx(5)


def test_certificates_of_the_portfolio_count_at_no_single_site() -> None:
    here = priced([4] * 4, [0] * 4)
    green = Option("certificates", "certificate", None, 0.1, 100.0)
    assert plan([here], options=[green], targets=[Target("green_share", 0.5)]).sizes["certificates"] > 0
    with pytest.raises(PlanError):
        plan([here], options=[green], targets=[Target("green_share", 0.5, ("a",))])
    mine = replace(green, site_id="a")
    done = plan([here], options=[mine], targets=[Target("green_share", 0.5, ("a",))])
    assert done.sizes["certificates"] == pytest.approx(8)


def test_no_share_is_reached_by_losing_energy_in_a_battery() -> None:
    # taking in and delivering at once would lose surplus, and half of more would be green
    here = priced([4, 4], [20, 0], battery=battery(0.001, power_kw=16.0))
    for measure in ("green_share", "coverage", "cfe"):
        with pytest.raises(PlanError):
            plan([replace(here, grid_non_green=np.ones(2))], targets=[Target(measure, 0.6)])  # type: ignore[arg-type]


def test_where_nothing_can_be_gained_the_gap_is_zero() -> None:
    here = priced([4] * 4, [0] * 4, battery=battery(9.0), water_m3=ONE, water_m3_per_kwh=ONE)
    assert plan([here], "water_m3").report.gap == 0.0


def test_wrong_options_are_refused() -> None:
    here = priced([4] * 4, [0] * 4)
    for wrong in (
        {"kind": "supply"}, {"kind": "supply", "profile": -ONE}, {"most": np.inf}, {"site_id": None},
    ):  # fmt: skip
        with pytest.raises(UsageError, match="E-OPTION"):
            replace(Option("x", "battery", "a", 1.0, 1.0), **wrong)  # type: ignore[arg-type]
    for option in (Option("x", "battery", "a", 1.0, 1.0), Option("x", "supply", "z", 1.0, 1.0, ONE)):
        with pytest.raises(UsageError, match="E-DISPATCH-INPUT"):
            plan([here], options=[option])
    with pytest.raises(UsageError, match="E-DISPATCH-INPUT"):
        plan([here], "non_green_kwh", options=[Option("x", "supply", "a", 1.0, 1.0, ONE)])


@settings(max_examples=50, deadline=None)
@given(problems(), st.integers(0, 2**32 - 1))
def test_every_plan_with_options_is_verified_and_not_dearer_than_without(drawn: tuple, seed: int) -> None:  # type: ignore[type-arg]
    sites, day, given_ = drawn
    rng, n = np.random.default_rng(seed), len(day)
    sites = [
        replace(
            s, peak=PeakCharge(np.arange(n) // 4, rng.uniform(0, 5, (n + 3) // 4)),
            price_per_kwh=np.abs(s.price_per_kwh),
        )
        for s in sites
    ]  # fmt: skip
    options = [Option("certificates", "certificate", None, 0.02, 50.0)]
    for s in sites:
        options.append(Option(f"pv-{s.site_id}", "supply", s.site_id, rng.uniform(0, 3), 80.0, rng.random(n)))
        options.append(Option(f"r-{s.site_id}", "retrofit", s.site_id, rng.uniform(0, 9), 1.0, rng.random(n)))
        if s.battery is not None:
            options.append(Option(f"b-{s.site_id}", "battery", s.site_id, rng.uniform(0, 1), 90.0))
    plain = DispatchModel(sites, day, 1.0, **given_).solve(objective="cost")
    share = plain.totals.coverage or 0.0
    model = DispatchModel(
        sites, day, 1.0, **given_, options=options, targets=[Target("green_share", 0.7 * share)]
    )
    done = model.solve(objective="cost")
    assert [c for c in verify_dispatch(sites, done, model.setting) if not c.passed] == []
    assert done.totals.cost is not None
    assert plain.totals.cost is not None
    assert done.totals.cost + done.invested <= plain.totals.cost + 1e-3 * abs(plain.totals.cost) + 1e-6
