"""What a site does when a set-point moves: the grey-box model that proposes.

IT power responds to the air set-point (server fans, leakage); cooling responds to set-points,
weather and heat load; losses of the power chain follow IT power. Utilisation is not exported, so it
is separated from the response to temperature by time: work drifts and repeats by the week, a
set-point moves in steps.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from features.errors import InsufficientDataError
from features.frame import FloatArray
from features.message import say
from features.operation import BoolArray, Operation
from models.block_ridge import BlockRidge, fit_block_ridge
from models.chain_loss import ChainLoss, fit_chain
from models.lever_basis import LeverBasis

LEAST_ROWS = 24 * 28
"""Four weeks of hours: below this the weekly rhythm of work cannot be told from a response."""


def least_rows(operation: Operation) -> int:
    """Return `LEAST_ROWS` in steps of the operation; finer steps do not make time longer."""
    return round(LEAST_ROWS / min(operation.hours, 1.0))


DRAWS = 60
ALPHAS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
"""Penalties of a surface, chosen on held-out weeks."""
LEVERS_HARDER = (1.0, 10.0, 100.0)
"""How much harder levers are shrunk than `models.lever_basis.LEVER_PENALTY` says, chosen likewise: a plant
that bends tells much in few weeks, one that switches little."""
_HUBER_SD = 2.5


@dataclass(frozen=True)
class Scenario:
    """Power of one scenario, per step [kW]; ``inlet_c`` is the expected hottest inlet [degC] or None."""

    it_kw: FloatArray
    overhead_kw: FloatArray
    chain_kw: FloatArray
    inlet_c: FloatArray | None

    @property
    def facility_kw(self) -> FloatArray:
        """IT + cooling (or all overhead) + power chain [kW]."""
        return self.it_kw + self.overhead_kw + self.chain_kw


@dataclass(frozen=True)
class ItResponse:
    """Relative response of IT power to the levers: IT(levers) = work x exp(terms @ coefficients).

    ``rho`` is the autocorrelation of the work between steps that the fit removes [1].
    """

    fit: BlockRidge
    rho: float

    def log_effect(self, basis: LeverBasis, operation: Operation) -> FloatArray:
        """Return the logarithm of the response, up to a constant, shape (n,)."""
        effect: FloatArray = basis.it_terms(operation) / self.fit.scale @ self.fit.point
        return effect

    def log_effect_draws(self, basis: LeverBasis, operation: Operation) -> FloatArray:
        """Return the response of every bootstrap draw, shape (n, draws)."""
        effect: FloatArray = basis.it_terms(operation) / self.fit.scale @ self.fit.draws.T
        return effect


def work_terms(operation: Operation) -> FloatArray:
    """Return what work follows: hour of the week and a smooth trend, shape (n, 170)."""
    week = np.eye(168)[operation.hour_of_week]
    t = np.linspace(-1.0, 1.0, len(operation))
    return np.column_stack([week, t, t**2])


def fit_it_response(operation: Operation, rows: BoolArray, basis: LeverBasis, seed: int) -> ItResponse:
    """Fit the IT response by feasible generalised least squares.

    Quasi-differencing with the residuals' own autocorrelation removes slow drifts of work
    (Cochrane-Orcutt); Huber weights keep batch jobs, which come and go within an hour, from
    being read as responses.

    Raises
    ------
    InsufficientDataError
        Fewer than `LEAST_ROWS` pairs of neighbouring steps.
    """
    levers, work = basis.it_terms(operation), work_terms(operation)
    n_levers = levers.shape[1]
    terms = np.column_stack([levers, basis.transient_terms(operation), work])
    log_it = np.log(np.where(operation.it_kw > 0, operation.it_kw, np.nan))
    valid = rows & np.isfinite(terms).all(axis=1) & np.isfinite(log_it)
    pair = np.concatenate([[False], valid[1:] & valid[:-1]])
    least = least_rows(operation)
    if pair.sum() < least:
        raise InsufficientDataError(
            "E-RESPONSE-ROWS",
            say(
                "{count} neighbouring steps are too few to tell work from temperature", count=int(pair.sum())
            ),
            operation.site_id,
            say(
                "export at least {least} steps without gaps: every model learns from half of the weeks",
                least=2 * least,
            ),
        )
    rho = _autocorrelation(terms, log_it, valid, pair)
    now = np.flatnonzero(pair)
    X, y = terms[now] - rho * terms[now - 1], log_it[now] - rho * log_it[now - 1]
    weights = _huber_weights(X, y)
    fit = fit_block_ridge(X, y, operation.week[now], alpha=1e-5, draws=DRAWS, seed=seed, weights=weights)
    return ItResponse(fit.keep(slice(0, n_levers)), rho)


def _autocorrelation(terms: FloatArray, y: FloatArray, valid: BoolArray, pair: BoolArray) -> float:
    inside = np.flatnonzero(valid)
    residual = np.full(len(y), np.nan)
    X, target = terms[inside] - terms[inside].mean(axis=0), y[inside] - y[inside].mean()
    gram = X.T @ X + 1e-5 * len(target) * np.eye(X.shape[1])
    residual[inside] = target - X @ np.linalg.solve(gram, X.T @ target)
    now = np.flatnonzero(pair)
    before, after = residual[now - 1], residual[now]
    return float(np.clip((before @ after) / max(before @ before, 1e-30), 0.0, 0.98))


def _huber_weights(X: FloatArray, y: FloatArray, rounds: int = 4) -> FloatArray:
    weights = np.ones(len(y))
    penalty = 1e-6 * len(y) * np.eye(X.shape[1])
    for _ in range(rounds):
        Xw = X * weights[:, None]
        centred = y - np.average(y, weights=weights)
        coefficients = np.linalg.solve(Xw.T @ X + penalty, Xw.T @ centred)
        residual = np.abs(centred - X @ coefficients)
        # a meter that repeats its value in most steps has a median of zero
        spread = 1.4826 * np.median(residual) or max(float(residual.std()), 1e-12)
        weights = np.minimum(1.0, _HUBER_SD * spread / np.maximum(residual, 1e-12))
    return weights


@dataclass(frozen=True)
class Surface:
    """A smooth surface over levers, weather and load: power [kW] or temperature [degC]."""

    fit: BlockRidge
    residual_sd: float
    residual_high: float
    """99th percentile of (measured - fitted) [unit of the surface]."""

    def predict(self, basis: LeverBasis, operation: Operation, it_kw: FloatArray) -> FloatArray:
        """Return the surface in a steady scenario, shape (n,)."""
        return self.fit.predict(basis.surface_terms(operation, it_kw))


def fit_surface(
    operation: Operation,
    rows: BoolArray,
    basis: LeverBasis,
    target: FloatArray,
    *,
    draws: int,
    seed: int,
    alphas: tuple[float, ...] = ALPHAS,
    levers_harder: tuple[float, ...] = LEVERS_HARDER,
) -> Surface:
    """Fit a surface on the given rows; transients are fitted beside it and then left out.

    Of several penalties the one with the least error on withheld weeks is taken; one alone saves the search.
    """
    valid = rows & np.isfinite(target)
    steady = basis.surface_terms(operation, operation.it_kw)
    terms = np.column_stack([steady, basis.transient_terms(operation)])
    valid &= np.isfinite(terms).all(axis=1)
    least = least_rows(operation)
    if valid.sum() < least:
        raise InsufficientDataError(
            "E-SURFACE-ROWS",
            say("{count} usable steps are too few", count=int(valid.sum())),
            operation.site_id,
            say("export at least {least} steps with set-points, weather and power", least=2 * least),
        )
    transient = terms.shape[1] - steady.shape[1]
    fit = fit_block_ridge(
        terms[valid],
        target[valid],
        operation.week[valid],
        alpha=alphas,
        draws=draws,
        seed=seed,
        penalty=tuple(
            np.concatenate([basis.surface_penalty(operation, levers), np.ones(transient)])
            for levers in levers_harder
        ),
    )
    residual = target[valid] - fit.predict(terms[valid])
    high = float(np.quantile(residual, 0.99))
    return Surface(fit.keep(slice(0, steady.shape[1])), float(residual.std()), high)


@dataclass(frozen=True)
class SiteResponse:
    """The proposing model of one site.

    `scenario` keeps what was measured and moves only what the levers move: the residual of every
    step is carried over, so a scenario at the measured set-points is the measurement itself.
    """

    basis: LeverBasis
    it: ItResponse
    overhead: Surface
    chain: ChainLoss
    inlet: Surface | None

    def scenario(
        self, operation: Operation, levers: dict[str, FloatArray], *, it_factor: float | FloatArray = 1.0
    ) -> Scenario:
        """Predict the operation under other set-points, the same weather and the same or other work.

        Parameters
        ----------
        operation : Operation
            As measured.
        levers : dict
            Lever -> set-points [degC], shape (n,).
        it_factor : float or numpy.ndarray, shape (n,)
            IT power that the scenario's work needs, over that of the measured work, at equal inlet
            temperature [1]. Less work is no saving: a caller compares scenarios of equal work, or says
            what does the work instead.

        Returns
        -------
        Scenario
            NaN where the operation was not measured.
        """
        moved = operation.with_levers(levers)
        change = self.it.log_effect(self.basis, moved) - self.it.log_effect(self.basis, operation)
        it_kw = operation.it_kw * it_factor * np.exp(change)
        measured = self.overhead.predict(self.basis, operation, operation.it_kw)
        overhead = operation.overhead_kw + self.overhead.predict(self.basis, moved, it_kw) - measured
        rest = operation.facility_kw - operation.it_kw - operation.overhead_kw
        chain = rest + self.chain.predict(it_kw) - self.chain.predict(operation.it_kw)
        inlet = None
        if self.inlet is not None:
            inlet = self.inlet.predict(self.basis, moved, it_kw)
        return Scenario(it_kw, np.maximum(overhead, 0.0), chain, inlet)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready numbers."""
        return {
            "basis": asdict(self.basis),
            "it": {"fit": self.it.fit.to_dict(), "rho": self.it.rho},
            "overhead": _surface_dict(self.overhead),
            "chain": asdict(self.chain),
            "inlet": None if self.inlet is None else _surface_dict(self.inlet),
        }

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> SiteResponse:
        """Rebuild from `to_dict`."""
        return cls(
            LeverBasis.from_dict(raw["basis"]),
            ItResponse(BlockRidge.from_dict(raw["it"]["fit"]), raw["it"]["rho"]),
            _surface(raw["overhead"]),
            ChainLoss(**raw["chain"]),
            None if raw["inlet"] is None else _surface(raw["inlet"]),
        )


def fit_site_response(operation: Operation, rows: BoolArray, seed: int) -> SiteResponse:
    """Fit the proposing model on the given rows (usable rows of the proposer's weeks).

    Raises
    ------
    InsufficientDataError
        Too few rows.
    """
    rows = rows & operation.usable
    if rows.sum() < least_rows(operation):
        raise InsufficientDataError(
            "E-RESPONSE-ROWS",
            say("{count} fully measured steps in every other week are too few", count=int(rows.sum())),
            operation.site_id,
            say("export at least {least} steps without gaps", least=2 * least_rows(operation)),
        )
    basis = LeverBasis.learn(operation, rows)
    inlet = None
    if operation.inlet_c is not None:
        inlet = fit_surface(operation, rows, basis, operation.inlet_c, draws=0, seed=seed)
    return SiteResponse(
        basis,
        fit_it_response(operation, rows, basis, seed),
        fit_surface(operation, rows, basis, operation.overhead_kw, draws=DRAWS, seed=seed),
        fit_chain(operation, rows),
        inlet,
    )


def _surface_dict(surface: Surface) -> dict[str, Any]:
    return {
        "fit": surface.fit.to_dict(),
        "residual_sd": surface.residual_sd,
        "residual_high": surface.residual_high,
    }


def _surface(raw: dict[str, Any]) -> Surface:
    return Surface(BlockRidge.from_dict(raw["fit"]), raw["residual_sd"], raw["residual_high"])
