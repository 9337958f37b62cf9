"""Work and temperature apart: the IT power that a period's work would have drawn in the air of before.

IT power is not work: servers draw more in warm air. Where the air did not change, IT power may stand for
work. Where it did, work comes from exported utilisation, or from IT power with its identified response to
the set-point removed. Where neither can be had, the IT part of a saving is unknown and stays so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from features.errors import InsufficientDataError
from features.frame import FloatArray
from features.message import Message, say
from features.operation import BoolArray, Operation
from features.periods import Periods
from models.folded_ridge import FoldedRidge, fit_folded_ridge
from models.identifiability import LeverEvidence, lever_evidence
from models.lever_basis import LeverBasis
from models.lever_habit import LeverHabit
from models.site_baseline import SiteBaseline, usable
from models.site_response import fit_it_response
from models.site_scorer import fit_broken_line

MOVED_K = 0.25
"""Mean change of set-point or inlet from which on the air counts as changed [K]."""
SENSITIVITY_PER_K = 0.01
"""Assumed largest relative response of IT power to a change of the inlet that is too small to count [1/K]."""
BEYOND_K = 0.5
"""How far beyond the explored set-points a response is believed [K]."""
LEAST_TEST_DAYS, MOST_TEST_DAYS = 28, 365
DRAWS = 60

Means = Literal["as metered", "response removed", "utilisation", "unknown"]


@dataclass(frozen=True)
class Work:
    """IT power that the same work draws at the set-points of before.

    Parameters
    ----------
    means : str
        How work was told.
    it_kw : numpy.ndarray, shape (n,)
        On the whole grid [kW]; as metered where nothing else is known.
    covered : numpy.ndarray of bool, shape (n,)
        Steps whose set-points the response was learned for.
    deviations_kw : numpy.ndarray, shape (n, draws)
        How far each draw lies from `it_kw` [kW]; no draws where IT power stands for work.
    shift_k : float or None
        Mean change of the air against before [K]; None where it cannot be told.
    error_kw : numpy.ndarray or None, shape (n,)
        Metered minus foretold IT power of withheld weeks before the change [kW], where utilisation is used.
    reason : str
    settle : str
        What would settle an unknown part; "" where nothing is unknown.
    """

    means: Means
    it_kw: FloatArray
    covered: BoolArray
    deviations_kw: FloatArray
    shift_k: float | None
    error_kw: FloatArray | None
    reason: str
    settle: str = ""

    @property
    def known(self) -> bool:
        """Whether the IT part can be told."""
        return self.means != "unknown"


def levers_as_before(periods: Periods, habits: dict[str, LeverHabit]) -> dict[str, FloatArray]:
    """Return the set-points of before on the whole grid [degC]: the value, or the rule that was followed."""
    n = len(periods.operation)
    return {
        name: np.full(n, habit.value_c)
        if habit.value_c is not None
        else _rule(periods, periods.operation.levers[name])[0]
        for name, habit in habits.items()
    }


def separate_work(
    periods: Periods,
    baseline: SiteBaseline,
    habits: dict[str, LeverHabit],
    as_before: dict[str, FloatArray],
    seed: int,
) -> Work:
    """Return the IT power of every step's work in the air of before.

    Parameters
    ----------
    periods : Periods
    baseline : SiteBaseline
    habits : dict
        How set-points were run before.
    as_before : dict
        `levers_as_before` [degC].
    seed : int
        Of the bootstrap.
    """
    shift, moved = _air_shift(periods, baseline, habits, as_before)
    if shift is None:
        return _unknown(
            periods, None,
            say("neither an air set-point nor a server inlet was exported for both periods: whether servers "
                "drew more or less in other air cannot be told"),
            say("export server_inlet_temp_c or the air set-point for both periods"),
        )  # fmt: skip
    if not moved:
        return _as_metered(periods, shift)
    by_utilisation = _by_utilisation(periods, baseline, shift)
    if by_utilisation is not None:
        return by_utilisation
    return _by_response(periods, as_before, shift, seed)


# -- did the air change? -------------------------------------------------------------------------
def _air_shift(
    periods: Periods, baseline: SiteBaseline, habits: dict[str, LeverHabit], as_before: dict[str, FloatArray]
) -> tuple[float | None, bool]:
    """Return the mean change of the air [K] and whether it counts."""
    operation, after = periods.operation, periods.after & usable(periods.operation)
    found: list[tuple[float, bool]] = []
    air = operation.air_lever
    if air is not None:
        rule_error = 0.0 if habits[air].value_c is not None else _rule(periods, operation.levers[air])[1]
        found.append(_change(operation.levers[air] - as_before[air], after, rule_error))
    if periods.air_c is not None:
        expected, error = _expected_air(periods, baseline, as_before)
        found.append(_change(periods.air_c - expected, after, error))
    if not found:
        return None, False
    return max((s for s, _ in found), key=abs), any(m for _, m in found)


def _change(difference: FloatArray, rows: BoolArray, usual_error_k: float) -> tuple[float, bool]:
    known = difference[rows & np.isfinite(difference)]
    if not len(known):
        return 0.0, False
    mean, apart = float(known.mean()), float(np.abs(known).mean())
    return mean, bool(abs(mean) > MOVED_K or apart > MOVED_K + 2 * usual_error_k)


def _expected_air(
    periods: Periods, baseline: SiteBaseline, as_before: dict[str, FloatArray]
) -> tuple[FloatArray, float]:
    """Return inlet (or supply air) at the set-points of before [degC] and its withheld error [K]."""
    operation, air = periods.operation, periods.air_c
    if air is None:
        raise ValueError("no air temperature was exported")
    terms = baseline.terms(operation, operation.it_kw)
    rows = baseline.rows & np.isfinite(air)
    if rows.sum() < terms.shape[1]:
        return np.full(len(air), np.nan), 0.0
    ridge = fit_folded_ridge(terms[rows], air[rows, None], operation.week[rows])
    expected = ridge.predict(baseline.terms(operation.with_levers(as_before), operation.it_kw))[:, 0]
    return expected, float(np.abs(air[rows] - ridge.withheld[:, 0]).mean())


def _rule(periods: Periods, values: FloatArray) -> tuple[FloatArray, float]:
    """Return a set-point as weather and calendar moved it before [degC], and the rule's error [K]."""
    terms = _rule_terms(periods.operation)
    rows = periods.before & np.isfinite(values) & np.isfinite(terms).all(axis=1)
    ridge = fit_folded_ridge(terms[rows], values[rows, None], periods.operation.week[rows])
    error = float(np.abs(values[rows] - ridge.withheld[:, 0]).mean())
    return ridge.predict(terms)[:, 0], error


def _rule_terms(operation: Operation) -> FloatArray:
    steps = max(round(24 / operation.hours), 1)
    weather = [operation.dry_bulb_c, operation.wet_bulb_c]
    weather += [
        pd.Series(operation.dry_bulb_c).rolling(steps * d, min_periods=1).mean().to_numpy() for d in (1, 3, 7)
    ]
    hinges = [np.maximum(w - k, 0.0) for w in weather for k in np.arange(-10.0, 36.0, 5.0)]
    hour = np.eye(24)[operation.hour_of_week % 24]
    return np.column_stack([*weather, *hinges, hour])


# -- the ways to tell work -----------------------------------------------------------------------
def _as_metered(periods: Periods, shift: float) -> Work:
    it = periods.operation.it_kw
    doubt = it * SENSITIVITY_PER_K * abs(shift)
    deviations = np.outer(doubt, np.linspace(-1.645, 1.645, 3))  # its standard deviation is the doubt
    return Work(
        "as metered", it, np.ones(len(it), dtype=np.bool_), deviations, shift, None,
        say("the air at the servers did not change ({shift:+.2f} K): IT power stands for work", shift=shift),
    )  # fmt: skip


def _by_utilisation(periods: Periods, baseline: SiteBaseline, shift: float) -> Work | None:
    """Return IT power of the exported utilisation in the air of before; None without utilisation."""
    if periods.utilisation is None:
        return None
    operation, load = periods.operation, periods.utilisation
    hour = np.eye(24)[operation.hour_of_week % 24]
    terms = np.column_stack([load, load**2, hour])
    if baseline.levers:
        return None  # IT power before was drawn in many airs: its response has to be removed first
    rows = baseline.rows & np.isfinite(load)
    if rows.sum() < 0.5 * baseline.rows.sum():
        return None
    ridge = fit_folded_ridge(terms[rows], operation.it_kw[rows, None], operation.week[rows])
    it = ridge.predict(terms)[:, 0]
    error = np.full(len(it), np.nan)
    error[rows] = operation.it_kw[rows] - ridge.withheld[:, 0]
    low, high = float(load[rows].min()), float(load[rows].max())
    room = 0.02 * (high - low)
    covered = (load >= low - room) & (load <= high + room)
    return Work(
        "utilisation", it, np.asarray(covered), _fold_deviations(ridge, terms, it), shift, error,
        say("the air at the servers changed by {shift:+.1f} K: work is the exported utilisation",
            shift=shift),
    )  # fmt: skip


def _fold_deviations(ridge: FoldedRidge, terms: FloatArray, it: FloatArray) -> FloatArray:
    """Return deviations whose spread is that of the jackknife, shape (n, folds)."""
    folds = len(ridge.coefficients) - 1
    by_fold = np.column_stack([ridge.predict(terms, k + 1)[:, 0] for k in range(folds)])
    deviations: FloatArray = (by_fold - it[:, None]) * np.sqrt(folds - 1)
    return deviations


@dataclass(frozen=True)
class _Source:
    """Where a response may be learned, and what was explored there."""

    operation: Operation
    levers: tuple[str, ...]
    evidence: dict[str, LeverEvidence]


def _by_response(periods: Periods, as_before: dict[str, FloatArray], shift: float, seed: int) -> Work:
    operation, air = periods.operation, periods.operation.air_lever
    settle = _test_to_settle(periods, shift)
    if air is None:
        return _unknown(
            periods, shift,
            say("the air at the servers changed by {shift:+.1f} K and no air set-point was exported: how "
                "much of the IT power is its answer cannot be told", shift=shift),
            settle,
        )  # fmt: skip
    sources, why_not = _sources(periods, air)
    for source in sources:
        chosen = source.operation.only_levers(source.levers)
        try:
            deviations, point = _removed(operation.only_levers(source.levers), chosen, as_before, seed)
        except InsufficientDataError as error:
            why_not = error.what
            continue
        covered = _explored(operation, source, as_before)
        return Work(
            "response removed", point, covered, deviations, shift, None,
            say("the air at the servers changed by {shift:+.1f} K: the response of IT power to {lever} was "
                "removed ({reason})", shift=shift, lever=air, reason=source.evidence[air].reason),
        )  # fmt: skip
    return _unknown(
        periods, shift,
        say("the air at the servers changed by {shift:+.1f} K, and how much of the IT power is its answer "
            "cannot be told: {why_not}", shift=shift, why_not=why_not),
        settle,
    )  # fmt: skip


def _sources(periods: Periods, air: str) -> tuple[list[_Source], str]:
    """Return the periods that identify the response, the longer first, and why none does.

    A step between two periods identifies nothing: whatever else changed with time is in it as well. Only
    where the periods alternate may they be taken together.
    """
    operation = periods.operation
    parts = [operation] if periods.crossed else [_part(operation, m) for m in (periods.before, periods.after)]
    found, why_not = [], ""
    for part in parts:
        evidence = lever_evidence(part)
        why_not = why_not or evidence[air].reason
        others = tuple(n for n, e in evidence.items() if n != air and e.identified)
        if evidence[air].identified:
            found.append(_Source(part, (air, *others), evidence))
    return sorted(found, key=lambda s: -int(s.operation.usable.sum())), why_not


def _part(operation: Operation, mask: BoolArray) -> Operation:
    inside = np.flatnonzero(mask)
    span = np.zeros(len(mask), dtype=np.bool_)
    span[inside[0] : inside[-1] + 1] = True
    return operation.rows(span)


def _removed(
    operation: Operation, source: Operation, as_before: dict[str, FloatArray], seed: int
) -> tuple[FloatArray, FloatArray]:
    """Return deviations and point of the IT power at the set-points of before [kW].

    Two models of another form answer: the wider of their bootstraps counts, and half of what they differ by.
    """
    rows = source.usable
    basis = LeverBasis.learn(source, rows)
    response = fit_it_response(source, rows, basis, seed)
    second = fit_broken_line(source, rows, seed)
    held = operation.with_levers(as_before)
    change = response.log_effect(basis, held) - response.log_effect(basis, operation)
    draws = response.log_effect_draws(basis, held) - response.log_effect_draws(basis, operation)
    other = second.log_effect(held) - second.log_effect(operation)
    it = operation.it_kw
    point, second_point = it * np.exp(change), it * np.exp(other[:, 0])
    spreads = (
        it[:, None] * np.exp(draws) - point[:, None],
        it[:, None] * np.exp(other[:, 1:]) - second_point[:, None],
    )
    wider = max(spreads, key=lambda s: float((np.nansum(s, axis=0) ** 2).mean()))
    z = np.random.default_rng(seed).standard_normal(wider.shape[1])
    return wider + (second_point - point)[:, None] / 2 * z, point


def _explored(operation: Operation, source: _Source, as_before: dict[str, FloatArray]) -> BoolArray:
    inside = np.ones(len(operation), dtype=np.bool_)
    for name in source.levers:
        low, high = source.evidence[name].low_c - BEYOND_K, source.evidence[name].high_c + BEYOND_K
        for values in (operation.levers[name], as_before[name]):
            inside &= (values >= low) & (values <= high)
    return inside


def _unknown(periods: Periods, shift: float | None, reason: str, settle: str) -> Work:
    it = periods.operation.it_kw
    none = np.zeros((len(it), 0))
    return Work("unknown", it, np.ones(len(it), dtype=np.bool_), none, shift, None, reason, settle)


def _test_to_settle(periods: Periods, shift: float) -> Message:
    """Say how long set-points would have to alternate until the response is known well enough.

    Neighbouring days in different air differ by the response and by their work. The mean of p such pairs
    knows the response to 1.645 sd / sqrt(p); wanted is a quarter of a per cent per kelvin.
    """
    operation = periods.operation
    log_it = pd.Series(np.log(np.where(operation.it_kw > 0, operation.it_kw, np.nan)))
    usual = log_it.groupby(operation.hour_of_week).transform("mean")
    daily = (log_it - usual).groupby(periods.local_day).mean()
    apart = float(daily.diff().std())
    wanted = 0.0025 * max(abs(shift), 0.5)
    days = 2 * (1.645 * apart / wanted) ** 2 if np.isfinite(apart) else float(MOST_TEST_DAYS)
    return say(
        "let the air set-point alternate between its old and its new value every day or two for about {days} "
        "days, and give these days as before and after; or export cpu_utilisation for both periods",
        days=int(np.clip(np.ceil(days), LEAST_TEST_DAYS, MOST_TEST_DAYS)),
    )
