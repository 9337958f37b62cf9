"""How much of a lever's effect the site's own noise hides: what sizes a test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.frame import FloatArray
from features.operation import Operation
from models.lever_basis import LeverBasis
from models.site_response import work_terms


@dataclass(frozen=True)
class Noise:
    """First-order autoregressive noise: ``rho`` [1] from step to step, ``sd`` [kW] of what is new."""

    rho: float
    sd: float

    def standard_error(self, path: FloatArray) -> FloatArray:
        """Return the standard error of every slope when a lever follows a path.

        The variance of a generalised least-squares slope: sd^2 times the inverse of the Gram matrix of the
        quasi-differenced paths (Prais-Winsten).

        Parameters
        ----------
        path : numpy.ndarray, shape (steps, levers)
            Distance of every lever from its usual set-point [K].

        Returns
        -------
        numpy.ndarray, shape (levers,)
            [kW/K]; infinite for a lever that never moves.
        """
        moves = path[1:] - self.rho * path[:-1]
        moves = moves - moves.mean(axis=0)
        moving = np.flatnonzero(np.ptp(path, axis=0) > 0)
        error = np.full(path.shape[1], np.inf)
        if len(moving):
            gram = moves[:, moving].T @ moves[:, moving]
            error[moving] = self.sd * np.sqrt(np.diag(np.linalg.inv(gram)))
        return error


def it_noise(operation: Operation) -> Noise:
    """Return the noise of IT power around hour of week and trend."""
    return _noise(operation, operation.it_kw, work_terms(operation))


def overhead_noise(operation: Operation) -> Noise:
    """Return the noise of the overhead around weather, load and set-points."""
    basis = LeverBasis.learn(operation, operation.usable)
    return _noise(operation, operation.overhead_kw, basis.surface_terms(operation, operation.it_kw))


def _noise(operation: Operation, power_kw: FloatArray, terms: FloatArray) -> Noise:
    usable = operation.usable & np.isfinite(terms).all(axis=1)
    X, y = terms[usable], power_kw[usable]
    X, y = X - X.mean(axis=0), y - y.mean()
    spread = X.std(axis=0)
    X = X[:, spread > 1e-9] / spread[spread > 1e-9]
    gram = X.T @ X + 1e-4 * len(y) * np.eye(X.shape[1])
    left = np.full(len(power_kw), np.nan)
    left[usable] = y - X @ np.linalg.solve(gram, X.T @ y)
    before, after = left[:-1], left[1:]
    pair = np.isfinite(before) & np.isfinite(after)
    before, after = before[pair], after[pair]
    rho = float(np.clip(before @ after / max(float(before @ before), 1e-30), 0.0, 0.98))
    return Noise(rho, float((after - rho * before).std()))
