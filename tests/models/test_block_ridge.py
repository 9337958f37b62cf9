"""Block ridge against the textbook: direct solve, explicit resampling, brute-force penalty."""

from __future__ import annotations

import json

import numpy as np
import pytest

from features.frame import FloatArray
from models.block_ridge import CV_FOLDS, BlockRidge, fit_block_ridge

ROWS, BLOCKS = 240, 12
RNG = np.random.default_rng(4)
TERMS = RNG.normal(size=(ROWS, 3)) * [1.0, 5.0, 0.2] + [0.0, 10.0, -3.0]
BLOCK = np.arange(ROWS) // (ROWS // BLOCKS) + 40
TARGET = 3.0 + TERMS @ [1.0, -0.4, 2.0] + RNG.normal(0, 2.0, ROWS) + RNG.normal(0, 1.0, BLOCKS)[BLOCK - 40]


def standardised(terms: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    w = np.ones(len(terms)) if weights is None else weights
    mean = np.average(terms, axis=0, weights=w)
    return (terms - mean) / np.sqrt(np.average((terms - mean) ** 2, axis=0, weights=w))


def ridge(Z: FloatArray, y: FloatArray, strength: float, w: FloatArray | None = None) -> FloatArray:
    W = np.ones(len(y)) if w is None else w
    return np.linalg.solve((Z.T * W) @ Z + strength * np.eye(Z.shape[1]), (Z.T * W) @ y)


def test_point_is_the_direct_ridge() -> None:
    fit = fit_block_ridge(TERMS, TARGET, BLOCK, alpha=0.2, draws=0, seed=0)
    expected = ridge(standardised(TERMS), TARGET - TARGET.mean(), 0.2 * ROWS)
    assert fit.point == pytest.approx(expected)
    assert fit.predict(TERMS) == pytest.approx(TARGET.mean() + standardised(TERMS) @ expected)
    assert fit.draws.shape == (0, 3)


def test_weights() -> None:
    w = RNG.random(ROWS)
    fit = fit_block_ridge(TERMS, TARGET, BLOCK, alpha=0.2, draws=0, seed=0, weights=w)
    y = TARGET - np.average(TARGET, weights=w)
    assert fit.point == pytest.approx(ridge(standardised(TERMS, w), y, 0.2 * ROWS, w))


def test_penalty_shrinks_its_term() -> None:
    penalty = np.array([1.0, 100.0, 1.0])
    fit = fit_block_ridge(TERMS, TARGET, BLOCK, alpha=0.01, draws=0, seed=0, penalty=penalty)
    Z, y = standardised(TERMS), TARGET - TARGET.mean()
    expected = np.linalg.solve(Z.T @ Z + 0.01 * ROWS * np.diag(penalty), Z.T @ y)
    assert fit.predict(TERMS) == pytest.approx(TARGET.mean() + Z @ expected)


def test_draws_are_explicit_weightings_of_blocks() -> None:
    draws, seed = 5, 11
    fit = fit_block_ridge(TERMS, TARGET, BLOCK, alpha=0.05, draws=draws, seed=seed)
    weights = BLOCKS * np.random.default_rng(seed).dirichlet(np.ones(BLOCKS), size=draws)
    Z, y = standardised(TERMS), TARGET - TARGET.mean()
    for drawn, weight in zip(fit.draws, weights, strict=True):
        root = np.sqrt(weight[BLOCK - 40])
        assert drawn == pytest.approx(ridge(root[:, None] * Z, root * y, 0.05 * ROWS))


def test_draws_are_wider_than_rows_alone_suggest() -> None:
    """A shift per block is what rows alone would not see."""
    steps = np.repeat(np.arange(BLOCKS) % 3 - 1.0, ROWS // BLOCKS)[:, None]
    y = np.repeat(np.random.default_rng(1).normal(size=BLOCKS), ROWS // BLOCKS)
    y = y + np.random.default_rng(2).normal(0, 0.1, ROWS)
    by_block = fit_block_ridge(steps, y, BLOCK, alpha=1e-6, draws=200, seed=0)
    by_row = fit_block_ridge(steps, y, np.arange(ROWS), alpha=1e-6, draws=200, seed=0)
    assert by_block.draws.std() > 3 * by_row.draws.std()


def test_alpha_is_the_brute_force_choice() -> None:
    alphas = (1e-4, 1e-2, 0.3, 3.0, 30.0)
    Z, y = standardised(TERMS), TARGET - TARGET.mean()
    number = BLOCK - 40
    errors = []
    for alpha in alphas:
        error = 0.0
        for fold in range(CV_FOLDS):
            held = number % CV_FOLDS == fold
            share = (np.arange(BLOCKS) % CV_FOLDS != fold).mean()
            b = ridge(Z[~held], y[~held], alpha * share * ROWS)
            error += ((y[held] - Z[held] @ b) ** 2).sum()
        errors.append(error)
    best = alphas[int(np.argmin(errors))]
    assert best not in (alphas[0], alphas[-1])  # else the test says little
    chosen = fit_block_ridge(TERMS, TARGET, BLOCK, alpha=alphas, draws=0, seed=0)
    assert chosen.point == pytest.approx(
        fit_block_ridge(TERMS, TARGET, BLOCK, alpha=best, draws=0, seed=0).point
    )


def test_one_block_does_not_crash() -> None:
    fit = fit_block_ridge(TERMS, TARGET, np.zeros(ROWS, dtype=np.int64), alpha=(1e-3, 1.0), draws=3, seed=0)
    assert np.isfinite(fit.point).all()


def test_a_constant_term_gets_no_weight() -> None:
    terms = np.column_stack([TERMS, np.full(ROWS, 6.0)])
    fit = fit_block_ridge(terms, TARGET, BLOCK, alpha=0.1, draws=4, seed=0)
    assert fit.point[3] == 0.0
    moved = terms + np.array([0, 0, 0, 1e6])
    assert fit.predict(moved) == pytest.approx(fit.predict(terms))


def test_round_trip_keeps_constants() -> None:
    terms = np.column_stack([TERMS, np.full(ROWS, 6.0)])
    fit = fit_block_ridge(terms, TARGET, BLOCK, alpha=0.1, draws=4, seed=0)
    again = BlockRidge.from_dict(json.loads(json.dumps(fit.to_dict(), allow_nan=False)))
    assert again.predict(terms) == pytest.approx(fit.predict(terms), rel=1e-7)
    assert np.isinf(again.scale[3])
