"""The choice of servers against brute force that shares no code with it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.chips_milp import Demand, Option, choose
from advisor.chips_power import Machine
from features.errors import PlanError


@dataclass(frozen=True)
class Kind:
    """A server of a test: idle and full watts, knee of its curve, capacity."""

    idle_w: float
    full_w: float
    knee: float
    capacity: float
    count: int
    family: str = "a"
    bought: bool = False
    price: float = 0.0
    making_w: float = 0.0
    memory_gb: float = 100.0

    @property
    def curve(self) -> tuple[float, ...]:
        shares = [0.0, *(self.knee + (1 - self.knee) * (k - 1) / 9 for k in range(1, 11))]
        return tuple(self.idle_w + s * (self.full_w - self.idle_w) for s in shares)

    def watts(self, load: float) -> float:
        low = min(int(load * 10 + 1e-12), 9)
        share = load * 10 - low
        return self.curve[low] * (1 - share) + self.curve[low + 1] * share

    def option(self, index: int, load_min: float, load_max: float) -> Option:
        machine = Machine(f"m{index}", f"m{index}", "x86", self.curve, self.capacity, 0.15, self.memory_gb,
                          "A", ())  # fmt: skip
        return Option(0, None if self.bought else index, self.family, machine, self.count, load_min, load_max,
                      self.price, self.making_w)  # fmt: skip


def usable_capacity(kinds: Sequence[Kind], on: Sequence[int], demand: Demand) -> float:
    own = sum(
        min(sum(n * k.capacity for k, n in zip(kinds, on, strict=True) if k.family == f and not k.bought),
            peak + demand.own_size[f])
        for f, peak in demand.peak_of.items()
    )  # fmt: skip
    everything = sum(n * k.capacity for k, n in zip(kinds, on, strict=True))
    return own + demand.moved * (everything - own)


def holds(kinds: Sequence[Kind], on: Sequence[int], demand: Demand) -> bool:
    capacity = usable_capacity(kinds, on, demand)
    largest = max((k.capacity for k, n in zip(kinds, on, strict=True) if n), default=0.0)
    memory = sum(n * k.memory_gb for k, n in zip(kinds, on, strict=True))
    biggest = max((k.memory_gb for k, n in zip(kinds, on, strict=True) if n), default=0.0)
    return (
        capacity >= demand.peak - 1e-9
        and capacity - largest >= demand.firm - 1e-9
        and (demand.memory_gb is None or memory >= demand.memory_gb)
        and (demand.memory_gb is None or memory - biggest >= demand.memory_firm_gb)
    )


def loads_to_try(
    kinds: Sequence[Kind], on: Sequence[int], mean: float, low: float, high: float
) -> Iterator[list[float]]:
    """Loads with all kinds but one at break points: one of them is best, power being piecewise linear."""
    points = [low, *(k / 10 for k in range(11) if low < k / 10 < high), high]
    used = [i for i, n in enumerate(on) if n]
    if not used and mean <= 0:
        yield [0.0] * len(kinds)
    for free in used:
        for rest in itertools.product(points, repeat=len(used) - 1):
            fixed = dict(zip([i for i in used if i != free], rest, strict=True))
            left = mean - sum(on[i] * kinds[i].capacity * u for i, u in fixed.items())
            load = max(low, left / (on[free] * kinds[free].capacity))
            if load <= high + 1e-12:
                yield [fixed.get(i, load if i == free else 0.0) for i in range(len(kinds))]


def brute_force(
    kinds: Sequence[Kind], demand: Demand, low: float, high: float, budget: float = math.inf
) -> float:
    best = math.inf
    for on in itertools.product(*(range(k.count + 1) for k in kinds)):
        bought = sum(n * k.price for k, n in zip(kinds, on, strict=True) if k.bought)
        if bought > budget or not holds(kinds, on, demand):
            continue
        hurdle = sum(n * k.making_w for k, n in zip(kinds, on, strict=True) if k.bought)
        for loads in loads_to_try(kinds, on, demand.mean, low, high):
            watts = sum(n * k.watts(u) for k, n, u in zip(kinds, on, loads, strict=True) if n)
            best = min(best, watts + hurdle)
    return best


def thousandths(low: int, high: int) -> st.SearchStrategy[float]:
    return st.integers(low, high).map(lambda n: n / 1000)


kinds_of = st.builds(
    Kind,
    idle_w=st.sampled_from([45.0, 93.0, 150.0]),
    full_w=st.sampled_from([254.0, 400.0, 844.0]),
    knee=st.sampled_from([0.11, 0.17, 0.3]),
    capacity=st.sampled_from([1.0, 3.3, 6.0]),
    count=st.integers(1, 3),
    family=st.sampled_from(["a", "b"]),
    memory_gb=st.sampled_from([64.0, 128.0]),
)


def demand_of(kinds: Sequence[Kind], mean: float, peak: float, memory: float | None) -> Demand:
    standing = [k for k in kinds if not k.bought]
    families = {k.family for k in standing}
    size = {f: max(k.capacity for k in standing if k.family == f) for f in families}
    peaks = {f: peak * sum(k.count * k.capacity for k in standing if k.family == f) for f in families}
    total = sum(k.count * k.capacity for k in standing)
    demand = Demand(mean * total, sum(peaks.values()), peaks, 0.0, 0.85, own_size=size)
    today = usable_capacity(kinds, [0 if k.bought else k.count for k in kinds], demand)
    firm = max(0.0, min(demand.peak, today - max(k.capacity for k in standing)))
    used = None if memory is None else memory * sum(k.count * k.memory_gb for k in standing)
    left = sum(k.count * k.memory_gb for k in standing) - max(k.memory_gb for k in standing)
    return Demand(demand.mean, demand.peak, peaks, firm, 0.85, used, min(used or 0.0, left), size)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(kinds_of, min_size=1, max_size=3),
    thousandths(0, 650),
    thousandths(0, 350),
    st.sampled_from([None, 0.3, 0.8]),
)
def test_as_good_as_brute_force_without_purchase(
    kinds: list[Kind], mean: float, above: float, memory: float | None
) -> None:
    demand = demand_of(kinds, mean, mean + above, memory)
    low = min(0.1, mean)
    options = [k.option(i, low, 0.7) for i, k in enumerate(kinds)]
    choice = choose(options, [demand], [k.count for k in kinds])
    assert float(choice.power_w.sum()) == pytest.approx(brute_force(kinds, demand, low, 0.7), abs=1e-4)
    assert choice.report.gap == pytest.approx(0.0, abs=1e-6)
    assert holds(kinds, choice.on.tolist(), demand)
    assert float(choice.work.sum()) >= demand.mean - 1e-6


@settings(max_examples=20, deadline=None)
@given(
    st.lists(kinds_of, min_size=1, max_size=1),
    thousandths(20, 500),
    st.sampled_from([100.0, 250.0, 10_000.0]),
    st.sampled_from([0.0, 20.0, 115.0]),
)
def test_as_good_as_brute_force_with_purchase(
    kinds: list[Kind], mean: float, budget: float, making_w: float
) -> None:
    new = [Kind(55.0, 211.0, 0.17, 6.5, 2, "c", bought=True, price=60.0, making_w=making_w),
           Kind(150.0, 844.0, 0.17, 20.0, 2, "d", bought=True, price=120.0, making_w=making_w)]  # fmt: skip
    every = [*kinds, *new]
    demand = demand_of(every, mean, min(1.0, 2 * mean), None)
    low = min(0.1, mean)
    options = [k.option(i, low, 0.7) for i, k in enumerate(every)]
    choice = choose(options, [demand], [k.count for k in kinds], budget=budget)
    on = choice.on.tolist()
    hurdle = sum(n * k.making_w for k, n in zip(every, on, strict=True) if k.bought)
    assert sum(n * k.price for k, n in zip(every, on, strict=True) if k.bought) <= budget
    assert float(choice.power_w.sum()) + hurdle == pytest.approx(
        brute_force(every, demand, low, 0.7, budget), abs=1e-4
    )


def test_no_random_plan_is_better() -> None:
    # Checks the argument of the brute force itself: loads between break points never win.
    kinds = [Kind(45, 254, 0.17, 3.3, 4), Kind(93, 400, 0.3, 6.0, 3, "b")]
    demand = demand_of(kinds, 0.3, 0.5, None)
    options = [k.option(i, 0.1, 0.7) for i, k in enumerate(kinds)]
    best = float(choose(options, [demand], [4, 3]).power_w.sum())
    draw, tried = np.random.default_rng(1), 0
    for _ in range(4000):
        on = [int(draw.integers(0, k.count, endpoint=True)) for k in kinds]
        loads = [draw.uniform(0.1, 0.7) for _ in kinds]
        work = sum(n * k.capacity * u for k, n, u in zip(kinds, on, loads, strict=True))
        if work >= demand.mean and holds(kinds, on, demand):
            tried += 1
            watts = sum(n * k.watts(u) for k, n, u in zip(kinds, on, loads, strict=True))
            assert watts >= best - 1e-6
    assert tried > 100


def test_options_of_one_group_exclude_each_other() -> None:
    slow = Kind(500.0, 1000.0, 0.1, 0.8, 4)
    fast = Kind(500.0, 1400.0, 0.1, 1.0, 4)
    options = [fast.option(0, 0.0, 1.0), Option(0, 0, "a", slow.option(0, 0.0, 1.0).machine, 4, 0.0, 1.0)]
    demand = Demand(2.0, 2.4, {"a": 2.4}, 2.4, 1.0, own_size={"a": 1.0})
    choice = choose(options, [demand], [4])
    assert np.count_nonzero(choice.on) == 1
    assert choice.on.sum() <= 4


def test_what_no_servers_can_carry_is_told() -> None:
    kind = Kind(45.0, 254.0, 0.17, 1.0, 2)
    demand = Demand(5.0, 5.0, {"a": 5.0}, 0.0, 1.0, own_size={"a": 1.0})
    with pytest.raises(PlanError) as caught:
        choose([kind.option(0, 0.0, 0.7)], [demand], [2])
    assert caught.value.code == "E-CHIP-SOLVER"
