"""Error measures against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models import metrics

NAN = float("nan")
TRUTH = np.array([100.0, 200.0, 400.0, NAN, 0.0])
GUESS = np.array([110.0, 180.0, 400.0, 5.0, NAN])


def test_by_hand() -> None:
    # usable: 100/110, 200/180, 400/400; errors +10, -20, 0; mean truth 700/3
    table = metrics.score_table(TRUTH, GUESS)
    assert table["n"] == 3
    assert table["mae"] == pytest.approx(10.0)
    assert table["mape"] == pytest.approx((10 + 10 + 0) / 3)
    assert table["wmape"] == pytest.approx(100 * 30 / 700)
    assert table["cv_rmse"] == pytest.approx(100 * np.sqrt(500 / 3) / (700 / 3))
    assert table["nmbe"] == pytest.approx(100 * (-10 / 3) / (700 / 3))


def test_zero_truth_is_left_out_of_mape_only() -> None:
    truth, guess = np.array([0.0, 50.0]), np.array([10.0, 55.0])
    assert metrics.mape(truth, guess) == pytest.approx(10.0)
    assert metrics.mae(truth, guess) == pytest.approx(7.5)
    assert metrics.wmape(truth, guess) == pytest.approx(30.0)


@pytest.mark.filterwarnings("error")
def test_nothing_measured_is_nan_not_zero() -> None:
    empty = np.array([NAN, NAN])
    assert all(np.isnan(v) for k, v in metrics.score_table(empty, GUESS[:2]).items() if k != "n")
    assert np.isnan(metrics.coverage(empty, empty, empty))
    assert np.isnan(metrics.relative_width(empty, empty, empty))


def test_coverage_counts_edges_and_known_rows_only() -> None:
    truth = np.array([1.0, 2.0, 3.0, NAN])
    lower, upper = np.array([1.0, 2.5, 2.0, 0.0]), np.array([1.5, 3.0, 4.0, 9.0])
    assert metrics.coverage(truth, lower, upper) == pytest.approx(2 / 3)
    assert metrics.relative_width(lower, upper, truth) == pytest.approx(100 * (0.5 + 0.5 + 2.0) / 3 / 2.0)
