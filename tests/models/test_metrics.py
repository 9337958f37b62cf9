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


def test_interval_score_by_hand() -> None:
    # widths 2, 2, 2; inside, 1 below (2 / 0.1 * 1 = 20), 0.5 above (10): mean (2 + 22 + 12) / 3
    truth, lower = np.array([5.0, 3.0, 6.5, NAN]), np.full(4, 4.0)
    assert metrics.interval_score(truth, lower, lower + 2.0, 0.9) == pytest.approx(12.0)
    assert np.isnan(metrics.interval_score(truth[3:], lower[3:], lower[3:], 0.9))


def test_interval_score_is_least_at_the_true_quantiles() -> None:
    truth = np.random.default_rng(0).normal(size=40_000)
    scores = {z: metrics.interval_score(truth, np.full(40_000, -z), np.full(40_000, z), 0.9) for z in
              (1.2, 1.4, 1.645, 1.9, 2.2)}  # fmt: skip
    assert min(scores, key=lambda z: scores[z]) == 1.645


def test_bootstrap_of_coverage_draws_whole_blocks() -> None:
    # four blocks of 100 rows, two covered wholly and two not at all: k covered of 4 drawn has p = 1/16
    # for none and for all, so both ends are reached; single rows would give 0.45 .. 0.55
    truth = np.repeat([0.0, 0.0, 9.0, 9.0], 100)
    edge = np.ones(400)
    low, high = metrics.coverage_interval(truth, -edge, edge, np.repeat(["a", "b", "c", "d"], 100))
    assert (low, high) == (0.0, 1.0)
    low, high = metrics.coverage_interval(truth, -edge, edge, np.arange(400))
    assert (low, high) == pytest.approx((0.45, 0.55), abs=0.02)


def test_bootstrap_of_coverage_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    edge, block = np.full(1200, 1.645), np.repeat(np.arange(40), 30)
    found = []
    for i in range(200):
        week = np.repeat(rng.normal(size=40), 30)  # rows of a week are alike
        truth = np.sqrt(0.3) * week + np.sqrt(0.7) * rng.normal(size=1200)
        found.append(metrics.coverage_interval(truth, -edge, edge, block, draws=300, seed=i))
    ends = np.array(found)
    assert 0.88 <= float(((ends[:, 0] <= 0.9) & (ends[:, 1] >= 0.9)).mean()) <= 0.99


def test_one_block_says_nothing_of_spread() -> None:
    edge = np.ones(5)
    assert np.isnan(metrics.coverage_interval(np.zeros(5), -edge, edge, np.zeros(5))).all()
    columns = metrics.interval_columns(np.zeros(5), -edge, edge, 0.9, np.zeros(5))
    assert columns["coverage"] == 1.0
    assert columns["interval_score"] == pytest.approx(2.0)
    assert columns.keys() == metrics.no_interval().keys()
    empty = np.full(5, NAN)
    assert np.isnan(
        list(metrics.interval_columns(np.zeros(5), empty, empty, 0.9, np.zeros(5)).values())
    ).all()
