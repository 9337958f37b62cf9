from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from features.errors import DataError
from features.kpi import cfe_score, cue, erf, green_share, matched_share, pue, ref, wue

HOURS = 24
LOADS = arrays(float, HOURS, elements=st.floats(0.1, 1000.0))
SUPPLY = arrays(float, HOURS, elements=st.floats(0.0, 2000.0))
SHARES = arrays(float, HOURS, elements=st.floats(0.0, 1.0))


def test_hand_computed_ratios():
    assert pue([140.0, 160.0], [100.0, 100.0]) == pytest.approx(1.5)
    assert wue([0.1, 0.2], [100.0, 100.0]) == pytest.approx(1.5)  # 300 L over 200 kWh
    assert cue([60.0, 60.0], [100.0, 100.0]) == pytest.approx(0.6)
    assert ref([30.0, 30.0], [100.0, 140.0]) == pytest.approx(0.25)
    assert erf([12.0], [120.0]) == pytest.approx(0.1)
    assert green_share([0.0, 150.0], [100.0, 100.0]) == pytest.approx(0.75)


def test_the_ratio_of_sums_is_not_the_mean_of_ratios():
    assert pue([200.0, 1100.0], [100.0, 1000.0]) == pytest.approx(1300.0 / 1100.0)


def test_hourly_matching_by_hand():
    # Hour 1: 150 for 100, the surplus is lost; hour 2: 20 for 100.
    assert matched_share([150.0, 20.0], [100.0, 100.0]) == pytest.approx(0.6)
    # Hour 1 all own; hour 2: 20 own + half of the 80 from the grid.
    assert cfe_score([100.0, 100.0], [150.0, 20.0], 0.5) == pytest.approx((100 + 20 + 40) / 200)
    assert cfe_score([100.0, 300.0], [0.0, 0.0], [1.0, 0.0]) == pytest.approx(0.25)  # weighted by load


def test_a_gap_in_one_meter_leaves_both_sums():
    assert pue([150.0, 900.0, np.nan], [100.0, np.nan, 100.0]) == pytest.approx(1.5)


def test_surplus_never_counts_above_one():
    assert ref([500.0], [100.0]) == 1.0
    assert green_share([500.0], [100.0]) == 1.0


@given(LOADS, SUPPLY)
def test_hourly_matching_is_never_above_the_annual_share(load, green):
    assert 0.0 <= matched_share(green, load) <= green_share(green, load) + 1e-12


@given(LOADS, SUPPLY, SHARES)
def test_cfe_score_lies_between_matching_and_one(load, own, grid):
    score = cfe_score(load, own, grid)
    assert matched_share(own, load) - 1e-12 <= score <= 1.0 + 1e-12


@given(LOADS, SUPPLY, SHARES, st.floats(0.0, 100.0))
def test_more_own_supply_never_lowers_the_score(load, own, grid, more):
    assert cfe_score(load, own + more, grid) >= cfe_score(load, own, grid) - 1e-12


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: pue([90.0], [100.0]), "E-KPI-PUE-BELOW-1"),
        (lambda: pue([90.0], [0.0]), "E-KPI-ZERO"),
        (lambda: pue([90.0, 90.0], [80.0]), "E-KPI-LENGTH"),
        (lambda: pue(180.0, [80.0, 80.0]), "E-KPI-LENGTH"),
        (lambda: pue([np.nan], [80.0]), "E-KPI-EMPTY"),
        (lambda: pue([], []), "E-KPI-EMPTY"),
        (lambda: wue([-1.0], [80.0]), "E-KPI-NEGATIVE"),
        (lambda: cue([np.inf], [80.0]), "E-KPI-INFINITE"),
        (lambda: erf([130.0], [100.0]), "E-KPI-ERF-ABOVE-1"),
        (lambda: cfe_score([1.0], [1.0], 40.0), "E-KPI-SHARE"),
    ],
)
def test_impossible_input_is_refused(call, code):
    with pytest.raises(DataError) as caught:
        call()
    assert caught.value.code == code
    assert caught.value.exit_code == 3
    assert caught.value.remedy
