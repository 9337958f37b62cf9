"""Combined savings: hand-computed overlaps and the properties that any site must keep."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.combine import Combination, Outcome, combine, saving_between
from advisor.plan import Saving, Totals

DRAWS = np.linspace(-1.0, 1.0, 41)


def outcome(energy: float, spread: float = 0.0, *, non_green: float | None = None) -> Outcome:
    draws = {"energy_kwh": energy + spread * DRAWS}
    if non_green is not None:
        draws["non_green_kwh"] = non_green + spread * DRAWS
    return Outcome(Totals(energy_kwh=energy, non_green_kwh=non_green), draws)


def points(savings: list[Saving]) -> list[float]:
    return [s.energy_kwh.point for s in savings if s.energy_kwh is not None]


def two_levers(done: frozenset[str]) -> Outcome:
    # 1000 kWh of IT at PUE 1.5: servers take a fifth of the IT away, cooling a fifth of the overhead
    it = 1000.0 * (0.8 if "servers" in done else 1.0)
    overhead = 0.5 * it * (0.8 if "cooling" in done else 1.0)
    return outcome(it + overhead)


def test_less_heat_lowers_what_cooling_can_save() -> None:
    found = combine(["cooling", "servers"], two_levers)
    assert [r.id for r in found.ranked] == ["servers", "cooling"]
    assert points([r.alone for r in found.ranked]) == pytest.approx([300.0, 100.0])
    assert points([r.after for r in found.ranked]) == pytest.approx([300.0, 80.0])
    assert found.total.energy_kwh is not None
    assert found.total.energy_kwh.point == pytest.approx(380.0)  # below 300 + 100
    assert found.total.energy_pct is not None
    assert found.total.energy_pct.point == pytest.approx(100 * 380 / 1500)
    assert found.planned.energy_kwh == pytest.approx(1120.0)


def test_savings_that_share_their_doubt_do_not_carry_it() -> None:
    saved = saving_between(outcome(100.0, 5.0), outcome(90.0, 5.0))
    assert saved.energy_kwh is not None
    assert (saved.energy_kwh.lower, saved.energy_kwh.upper) == pytest.approx((10.0, 10.0))
    half = 1.645 * 5.0 * float(np.std(DRAWS, ddof=1))
    alone = saving_between(outcome(100.0), outcome(90.0, 5.0)).energy_kwh
    assert alone is not None
    assert (alone.lower, alone.upper) == pytest.approx((10 - half, 10 + half))


def test_ranked_by_non_green_energy_where_it_is_known() -> None:
    def evaluate(done: frozenset[str]) -> Outcome:
        energy = 1000.0 - (50.0 if "servers" in done else 0.0)
        non_green = energy * 0.8 - (200.0 if "pv" in done else 0.0)
        return outcome(energy, non_green=non_green)

    found = combine(["servers", "pv"], evaluate)
    assert [r.id for r in found.ranked] == ["pv", "servers"]
    assert found.total.cost is None
    assert found.total.non_green_kwh is not None
    assert found.total.non_green_kwh.point == pytest.approx(240.0)


def test_at_most_so_many_and_nothing_that_adds_nothing() -> None:
    gains = {f"a{i}": float(i + 1) for i in range(7)}
    found = combine(list(gains), lambda done: outcome(100.0 - sum(gains[n] for n in done)))
    assert [r.id for r in found.ranked] == ["a6", "a5", "a4", "a3", "a2"]
    assert {r.id for r in found.left_out} == {"a0", "a1"}
    assert found.total.energy_kwh is not None
    assert found.total.energy_kwh.point == pytest.approx(25.0)
    # either of the two does the whole job
    either = combine(["x", "y"], lambda done: outcome(100.0 - (10.0 if done else 0.0)))
    assert len(either.ranked) == 1
    assert len(either.left_out) == 1


def test_what_an_action_needs_comes_first_and_is_missed_when_left_out() -> None:
    gains = {"off": 5.0, "replace": 50.0, "pv": 20.0}
    needs = {"replace": frozenset({"off"})}

    def evaluate(done: frozenset[str]) -> Outcome:
        return outcome(100.0 - sum(gains[n] for n in done))

    found = combine(list(gains), evaluate, needs=needs)
    assert [r.id for r in found.ranked] == ["off", "replace", "pv"]
    useless = combine(list(gains), lambda done: evaluate(done - {"off"}), needs=needs)
    assert [r.id for r in useless.ranked] == ["pv"]
    assert {r.id for r in useless.left_out} == {"off", "replace"}


def test_no_action_saves_nothing() -> None:
    found = combine([], lambda _done: outcome(100.0))
    assert found == Combination((), Totals(energy_kwh=100.0), Totals(energy_kwh=100.0), found.total)
    assert found.total.energy_kwh is not None
    assert found.total.energy_kwh.point == 0.0


@given(st.lists(st.floats(0.01, 0.5), min_size=1, max_size=6))
def test_the_total_is_the_sum_in_order_and_at_most_the_sum_alone(shares: list[float]) -> None:
    """Actions that each take a share of what is left: in order they add up, alone they add up to more."""
    names = [f"a{i}" for i in range(len(shares))]
    by_name = dict(zip(names, shares, strict=True))

    def evaluate(done: frozenset[str]) -> Outcome:
        return outcome(1000.0 * float(np.prod([1 - by_name[n] for n in sorted(done)])))

    found = combine(names, evaluate, most=len(names))
    assert found.total.energy_kwh is not None
    total = found.total.energy_kwh.point
    assert sum(points([r.after for r in found.ranked])) == pytest.approx(total)
    assert total <= sum(points([r.alone for r in found.ranked])) + 1e-9
