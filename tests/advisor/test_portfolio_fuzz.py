"""Generated portfolios are planned and re-checked, or refused with a code; more in tests/benchmarks."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.benchmarks.portfolio_fuzz import INFEASIBLE, outcome

CASES = 100
FOUND = (8790, 9384)
"""A paid purchase that made a peak; a start from the last solution that led nowhere."""


@pytest.fixture(scope="module")
def outcomes() -> list:  # type: ignore[type-arg]
    return [outcome(number) for number in (*range(CASES), *FOUND)]


def test_every_answer_is_sound(outcomes: list) -> None:  # type: ignore[type-arg]
    assert {o.number: o.faults for o in outcomes if o.faults} == {}


def test_most_are_planned_and_each_reason_to_refuse_occurs(outcomes: list) -> None:  # type: ignore[type-arg]
    codes = Counter(o.code for o in outcomes)
    assert codes[""] > CASES / 2
    assert set(codes) == {"", *INFEASIBLE}


def test_everything_a_dispatch_knows_is_planned(outcomes: list) -> None:  # type: ignore[type-arg]
    drawn = frozenset().union(*(o.features for o in outcomes))
    planned = frozenset().union(*(o.features for o in outcomes if not o.code))
    assert planned == drawn
    assert len(planned) == 19
