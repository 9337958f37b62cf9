"""Kernel ridge on landmarks."""

from __future__ import annotations

import numpy as np

from models.kernel import KernelSurface


def test_a_smooth_surface_is_found_and_falls_to_zero_far_away() -> None:
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, (1500, 2))
    y = np.sin(X[:, 0]) + 0.5 * X[:, 1] ** 2 + rng.normal(0, 0.05, len(X))
    surface = KernelSurface.fit(X[:1000], y[:1000], np.array([1.0, 1.0]), 0.05)
    error = surface.predict(X[1000:]) - y[1000:]
    assert np.sqrt((error**2).mean()) < 0.07  # noise 0.05
    again = KernelSurface.from_dict(surface.to_dict())
    np.testing.assert_allclose(again.predict(X), surface.predict(X), atol=1e-4)


def test_a_constant_input_carries_nothing() -> None:
    X = np.column_stack([np.linspace(0, 1, 200), np.full(200, 7.0)])
    surface = KernelSurface.fit(X, X[:, 0], np.array([1.0, 1.0]), 0.01)
    moved = X + np.array([0.0, 3.0])
    np.testing.assert_array_equal(surface.predict(X), surface.predict(moved))
