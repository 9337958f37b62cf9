"""Split-conformal intervals: the finite-sample rank by hand, coverage on exchangeable data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import InsufficientDataError
from models.conformal import Conformal
from models.metrics import coverage


def test_rank_by_hand() -> None:
    # 99 residuals -49 .. 49, 90 %: ceil(100 * 0.95) = 95th smallest is 45, its mirror the 5th, -45
    residual = np.random.default_rng(0).permutation(np.arange(-49.0, 50.0))
    fitted = Conformal.calibrate(1000 + residual, np.full(99, 1000.0), 0.9)
    assert (fitted.low, fitted.high, fitted.n) == (-45.0, 45.0, 99)


def test_few_rows_take_the_extremes() -> None:
    # 20 residuals: ceil(21 * 0.95) = 20, so the largest and the smallest
    residual = np.linspace(-3.0, 6.0, 20)
    fitted = Conformal.calibrate(residual, np.zeros(20), 0.9)
    assert (fitted.low, fitted.high) == (-3.0, 6.0)


def test_relative_scale_by_hand() -> None:
    point = np.repeat([10.0, 1000.0], 50)
    truth = point * np.tile(np.linspace(0.9, 1.1, 50), 2)
    fitted = Conformal.calibrate(truth, point, 0.9, "relative")
    lower, upper = fitted.interval(np.array([100.0]))
    # 100 residuals in 50 pairs, ceil(101 * 0.95) = 96th smallest = the 48th pair: -0.1 + 0.2 * 47 / 49
    assert upper[0] == pytest.approx(100 * (1 - 0.1 + 0.2 * 47 / 49))
    assert lower[0] == pytest.approx(100 * (1 + 0.1 - 0.2 * 47 / 49))


def test_refuses_nineteen_rows() -> None:
    rows = np.arange(30.0)
    rows[19:] = np.nan
    with pytest.raises(InsufficientDataError, match="E-CALIBRATION-ROWS"):
        Conformal.calibrate(rows, np.zeros(30))


def test_a_biased_model_still_holds_its_point() -> None:
    fitted = Conformal.calibrate(np.linspace(5.0, 6.0, 40), np.zeros(40))
    assert fitted.low == 0.0
    assert fitted.high == pytest.approx(6.0, abs=0.06)


def test_coverage_on_exchangeable_data() -> None:
    rng = np.random.default_rng(3)
    shares = []
    for _ in range(200):
        residual = rng.standard_t(4, 320)
        fitted = Conformal.calibrate(residual[:120], np.zeros(120), 0.9)
        lower, upper = fitted.interval(np.zeros(200))
        shares.append(coverage(residual[120:], lower, upper))
    assert 0.895 <= np.mean(shares) <= 0.925


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=20, max_size=80), st.floats(0.5, 4.0))
def test_interval_holds_the_point_and_grows_with_widening(residual: list[float], widen: float) -> None:
    fitted = Conformal.calibrate(np.array(residual), np.zeros(len(residual)))
    point = np.array([-5.0, 0.0, 7.0])
    lower, upper = fitted.interval(point)
    assert (lower <= point).all()
    assert (point <= upper).all()
    wide_lower, wide_upper = fitted.interval(point, np.full(3, max(widen, 1.0)))
    assert (wide_lower <= lower).all()
    assert (wide_upper >= upper).all()
