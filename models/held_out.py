"""What withheld weeks say about a baseline model and about the sum that it will be asked for.

References
----------
ASHRAE Guideline 14-2014, Measurement of energy, demand, and water savings (limits of
CV(RMSE) and NMBE), annex B (effective number of observations, fractional savings uncertainty).
IPMVP Core Concepts (EVO 2022) and its uncertainty guide use the same quantities.
Kuensch (1989), The jackknife and the bootstrap for general stationary observations, Ann. Statist. 17
(neighbours in time are alike: whole blocks are compared, here weeks).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from features.frame import FloatArray
from features.operation import BoolArray
from models.metrics import cv_rmse, nmbe

IntArray = npt.NDArray[np.int64]
MONTH_HOURS = 24 * 28
FRACTIONAL = 1.26
"""Empirical factor of Guideline 14, annex B [1]."""
LEAST_BLOCKS = 8
RHO_OF_FEW_WEEKS = 0.3
"""Assumed likeness of neighbouring weeks where there are too few of them to see it [1]."""
MOST_RHO = 0.9
SPIKE = 0.25
"""Share of the usual level by which a reading must miss to count as a meter's fault [1]."""


@dataclass(frozen=True)
class Limits:
    """Largest CV(RMSE) and NMBE of a usable baseline [%] (ASHRAE Guideline 14-2014)."""

    cv_rmse_pct: float
    nmbe_pct: float


HOURLY = Limits(30.0, 10.0)
MONTHLY = Limits(15.0, 5.0)


def limits_of(hours: float) -> Limits:
    """Return the limits for steps of this length [h]; steps longer than an hour get the strict ones."""
    return HOURLY if hours <= 1.0 else MONTHLY


@dataclass(frozen=True)
class Fitness:
    """How well a baseline foretold weeks that it had not seen.

    ``cv_rmse_pct``, ``nmbe_pct`` [%] are of what is predicted, ``whole_cv_rmse_pct`` [%] relates the same
    errors to the whole energy; ``autocorrelation`` [1] of neighbouring steps; ``steps`` and ``effective``
    are the observations and how many independent ones they are worth.
    """

    cv_rmse_pct: float
    nmbe_pct: float
    whole_cv_rmse_pct: float
    autocorrelation: float
    steps: int
    effective: float
    weeks: int
    limits: Limits

    @property
    def passed(self) -> bool:
        """Whether the limits are met."""
        return self.cv_rmse_pct <= self.limits.cv_rmse_pct and abs(self.nmbe_pct) <= self.limits.nmbe_pct

    def to_dict(self) -> dict[str, object]:
        """Return the figures, their limits and whether they are met."""
        return {**asdict(self), "passed": self.passed}


@dataclass(frozen=True)
class SumError:
    """How uncertain a sum over other steps is, as withheld weeks erred.

    Parameters
    ----------
    variance : float
        Long-run variance per step [(unit of the residuals)^2].
    inflation : float
        Growth of a variance because neighbouring weeks err alike [1].
    freedom : float
        Degrees of freedom behind both.
    """

    variance: float
    inflation: float
    freedom: float

    def sd(self, steps: float) -> float:
        """Return the standard deviation of a sum over so many steps [unit of the residuals]."""
        return float(np.sqrt(max(steps, 0.0) * self.variance))

    def quantile(self, probability: float) -> float:
        """Return the quantile of Student's distribution with these degrees of freedom [1]."""
        return float(student.ppf(probability, self.freedom))


def sum_error(residual: FloatArray, week: IntArray) -> SumError:
    """Return the error of sums from residuals of withheld weeks.

    A sum of hours errs by more than independent hours would, because the weather of a day or the drift of
    a month is in all of them. Sums over whole blocks hold what is alike within a block: blocks of one, two
    and four weeks are tried as long as there are `LEAST_BLOCKS` of them, and the largest variance counts.
    What neighbouring blocks of one week still share enters as (1 + rho) / (1 - rho), the factor n / n' of
    Guideline 14. The residuals are not centred: a bias counts as error.

    Parameters
    ----------
    residual : numpy.ndarray, shape (n,)
        Measured minus foretold, finite.
    week : numpy.ndarray of int, shape (n,)
        Running week (or day, where there are days only) of every step.
    """
    one = _block_variance(residual, week)
    rho = _likeness(*one[2:])
    variance = one[0] * (1 + rho) / (1 - rho)
    freedom = one[1] * (1 - rho) / (1 + rho) - 1
    for length in (2, 4):
        longer = _block_variance(residual, week // length)
        if longer[1] >= LEAST_BLOCKS and longer[0] > variance:
            variance, freedom = longer[0], longer[1] - 1.0
    return SumError(variance, variance / one[0] if one[0] > 0 else 1.0, max(freedom, 1.0))


def _block_variance(residual: FloatArray, block: IntArray) -> tuple[float, float, IntArray, FloatArray]:
    """Return variance per step, number of blocks, their labels and mean residuals."""
    labels, place = np.unique(block, return_inverse=True)
    sums = np.bincount(place, residual)
    steps = np.bincount(place).astype(np.float64)
    return float((sums**2).sum() / steps.sum()), float(len(labels)), labels, sums / steps


def _likeness(weeks: IntArray, means: FloatArray) -> float:
    """Return the lag-one autocorrelation of the weeks' mean residuals, 0 to `MOST_RHO`."""
    if len(weeks) < LEAST_BLOCKS:
        return RHO_OF_FEW_WEEKS
    next_to = np.flatnonzero(np.diff(weeks) == 1)
    power = float((means**2).mean())
    if not len(next_to) or power <= 0:
        return RHO_OF_FEW_WEEKS
    return float(np.clip((means[next_to] * means[next_to + 1]).mean() / power, 0.0, MOST_RHO))


def fitness(
    measured: FloatArray,
    foretold: FloatArray,
    whole: FloatArray,
    rows: BoolArray,
    week: IntArray,
    hours: float,
) -> Fitness:
    """Judge a baseline by what it foretold of withheld weeks.

    Parameters
    ----------
    measured, foretold, whole : numpy.ndarray, shape (n,)
        What is predicted, its prediction, and the whole energy or power [same unit], on the time grid.
    rows : numpy.ndarray of bool, shape (n,)
        Rows that count.
    week : numpy.ndarray of int, shape (n,)
    hours : float
        Length of a step [h].
    """
    error = np.where(rows, measured - foretold, np.nan)
    rho = autocorrelation(error)
    kept = int(rows.sum())
    return Fitness(
        cv_rmse_pct=cv_rmse(measured[rows], foretold[rows]),
        nmbe_pct=nmbe(measured[rows], foretold[rows]),
        whole_cv_rmse_pct=cv_rmse(whole[rows], (whole - error)[rows]),
        autocorrelation=rho,
        steps=kept,
        effective=effective_sample(kept, rho),
        weeks=len(np.unique(week[rows])),
        limits=limits_of(hours),
    )


def autocorrelation(error: FloatArray) -> float:
    """Return the lag-one autocorrelation of a series with NaN where nothing is known, 0 to 0.99 [1]."""
    e = error - np.nanmean(error)
    pair = np.isfinite(e[1:]) & np.isfinite(e[:-1])
    power = float((e[:-1][pair] ** 2).sum())
    return float(np.clip((e[1:][pair] * e[:-1][pair]).sum() / power, 0.0, 0.99)) if power > 0 else 0.0


def effective_sample(steps: int, rho: float) -> float:
    """Return how many independent observations autocorrelated ones are worth.

    n' = n (1 - rho) / (1 + rho), ASHRAE Guideline 14-2014, annex B.
    """
    return steps * (1 - rho) / (1 + rho)


def fractional_half_width(fit: Fitness, steps: int, probability: float = 0.95) -> float:
    """Return the half-width of a 90 % interval of the saving by Guideline 14's formula [% of the baseline].

    t x 1.26 x CV(RMSE) x sqrt(n / n' x (1 + 2 / n') / m), annex B, times the saved fraction,
    so that it has no pole where nothing is saved. The errors are related to the whole energy.

    Parameters
    ----------
    fit : Fitness
        Of the baseline.
    steps : int
        m, steps of the after period.
    probability : float
        One-sided probability of t: 0.95 for a two-sided interval of 90 %.
    """
    if steps <= 0:
        return float("inf")
    t = float(student.ppf(probability, max(fit.effective - 1, 1.0)))
    share = fit.steps / fit.effective * (1 + 2 / fit.effective) / steps
    return float(t * FRACTIONAL * fit.whole_cv_rmse_pct * np.sqrt(share))


def spikes(residual: FloatArray, usual: float, most: float = 0.005, away_sd: float = 8.0) -> BoolArray:
    """Return the steps with a reading that no other step is like; none where there would be many.

    Parameters
    ----------
    residual : numpy.ndarray, shape (n,)
        Measured minus foretold; NaN where unknown.
    usual : float
        Usual level of what is metered [unit of the residuals]: what a plant does in a rare hour stays below
        `SPIKE` of it, what a faulty meter writes does not.
    most : float
        Largest share of the known steps that may be called a spike [1]: more are operation, not a fault.
    away_sd : float
        Distance from the median, in robust standard deviations.
    """
    known = np.isfinite(residual)
    if not known.any():
        return known
    away = np.abs(residual - np.median(residual[known]))
    spread = 1.4826 * float(np.median(away[known])) or float(np.std(residual[known]))
    found = known & (away > max(away_sd * spread, SPIKE * usual))
    return found if found.sum() <= most * known.sum() else np.zeros(len(residual), dtype=np.bool_)
