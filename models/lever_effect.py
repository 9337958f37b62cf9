"""What a lever, or a temperature that stands for one, does to a plant's power at equal heat and weather.

Two forms must agree: a ridge on smooth terms of heat, weather and calendar, and a partially linear model
whose nuisances are cross-fitted trees (double machine learning: Chernozhukov et al. 2018, doi:10.1111/
ectj.12097). A plant's temperature is a state: more heat warms it and costs power as well. So only settled
hours count, and what the reading was an hour ago, which this hour's heat cannot have moved, must tell the
same.
"""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from features.frame import FloatArray
from features.message import say
from features.operation import BoolArray
from models.block_ridge import fit_block_ridge

DRAWS = 300
FOLDS = 5
LEAST_WEEKS = 8
LEAST_ROWS = 500
LEAST_MOVES = 12
"""Changes by at least half a step; fewer are anecdotes, whatever an interval says."""
SETTLED_SHARE = 0.05
"""A step whose heat differs by more from that of the step before is on its way [1]."""
USEFUL_PCT = 0.5
"""An interval that lies within so much of zero tells that a step of the lever does next to nothing [%]."""
FORM = 0.15
"""Two forms of one effect differ by up to so much of it where weeks leave no doubt [1]."""
_ALPHA = 1e-5
_KNOTS = (0.1, 0.25, 0.5, 0.75, 0.9)
_TREES = {
    "objective": "regression", "learning_rate": 0.05, "num_leaves": 15, "min_data_in_leaf": 30,
    "lambda_l2": 1.0, "feature_fraction": 0.9, "deterministic": True, "force_row_wise": True,
    "num_threads": 1, "verbosity": -1,
}  # fmt: skip
_ROUNDS = 150


@dataclass(frozen=True)
class Lever:
    """A reading that an operator moves, or that follows one he moves.

    Parameters
    ----------
    name : str
    values : numpy.ndarray, shape (n,)
        [unit]
    unit : str
    step : float
        Effects are told per this much [unit].
    least_free : float
        Movement beside heat, weather and calendar below which nothing can be told [unit].
    """

    name: str
    values: FloatArray
    unit: str
    step: float
    least_free: float


@dataclass(frozen=True)
class Conditions:
    """What must be equal for a comparison, on the plant's time grid.

    Parameters
    ----------
    heat_kw, wet_bulb_c, dry_bulb_c : numpy.ndarray, shape (n,)
    hour_of_week, week : numpy.ndarray of int, shape (n,)
        Local hour 0..167; running week, the block of every bootstrap.
    others : dict
        Further readings that must be equal, such as which chillers run.
    lag : int
        Steps in an hour.
    """

    heat_kw: FloatArray
    wet_bulb_c: FloatArray
    dry_bulb_c: FloatArray
    hour_of_week: npt.NDArray[np.int64]
    week: npt.NDArray[np.int64]
    others: dict[str, FloatArray]
    lag: int

    @property
    def settled(self) -> BoolArray:
        """Steps whose heat, and everything else that must be equal, is as an hour ago."""
        before = _ago(self.heat_kw, self.lag)
        calm = np.abs(self.heat_kw - before) <= SETTLED_SHARE * self.heat_kw
        for values in self.others.values():
            calm &= np.abs(values - _ago(values, self.lag)) <= 1e-9
        return np.asarray(calm, dtype=np.bool_)

    def table(self) -> FloatArray:
        """Return the conditions as trees take them, shape (n, columns)."""
        ago = [_ago(self.heat_kw, k * self.lag) for k in (1, 2)]
        wet = [_ago(self.wet_bulb_c, k * self.lag) for k in (1, 3)]
        clock = [self.hour_of_week % 24, self.hour_of_week // 24, np.arange(len(self.heat_kw))]
        now = [self.heat_kw, self.wet_bulb_c, self.dry_bulb_c]
        return np.column_stack([*now, *ago, *wet, *clock, *self.others.values()]).astype(np.float64)

    def terms(self, rows: BoolArray) -> FloatArray:
        """Return smooth terms of the conditions, knots from some rows, shape (n, terms)."""
        heat, wet, dry = (_hinges(x, rows) for x in (self.heat_kw, self.wet_bulb_c, self.dry_bulb_c))
        ago = [_ago(self.heat_kw, k * self.lag) for k in (1, 2)]
        past = [_ago(self.wet_bulb_c, k * self.lag) for k in (1, 3)]
        time = np.linspace(-1.0, 1.0, len(heat))
        season = [time, time**2, time**3, time**4]
        hours = np.eye(24)[self.hour_of_week % 24]
        weekend = (self.hour_of_week >= 120).astype(np.float64)
        cross = (heat[:, :, None] * wet[:, None, :2]).reshape(len(heat), -1)
        others = list(self.others.values())
        meets = [o * self.heat_kw for o in others] + [o * self.wet_bulb_c for o in others]
        return np.column_stack(
            [heat, wet, dry, cross, *ago, *past, *season, weekend, hours, hours * weekend[:, None],
             *others, *meets]
        )  # fmt: skip


@dataclass(frozen=True)
class Estimate:
    """An effect per step of a lever [% of power], with its 90 % interval over weeks."""

    lower: float
    point: float
    upper: float

    @property
    def half(self) -> float:
        """Half of the interval's width [%]."""
        return (self.upper - self.lower) / 2


@dataclass(frozen=True)
class LeverEffect:
    """What an export tells of one lever.

    ``free`` is the movement beside heat, weather and calendar [lever's unit]; ``lagged`` the effect told by
    the reading of an hour ago; ``told`` whether anything may be claimed, ``reason`` why, or why not.
    """

    lever: str
    rows: int
    weeks: int
    free: float
    ridge: Estimate | None
    trees: Estimate | None
    lagged: Estimate | None
    told: bool
    reason: str

    @property
    def effect(self) -> Estimate | None:
        """Middle of both forms, and the interval that holds both of theirs [%]; None: nothing is told."""
        if not self.told or self.ridge is None or self.trees is None:
            return None
        both = (self.ridge, self.trees)
        return Estimate(
            min(e.lower for e in both), sum(e.point for e in both) / 2, max(e.upper for e in both)
        )


def lever_effect(power_kw: FloatArray, lever: Lever, conditions: Conditions, seed: int) -> LeverEffect:
    """Estimate what one step of a lever does to a power [%], or say why it cannot be told.

    Parameters
    ----------
    power_kw : numpy.ndarray, shape (n,)
        [kW], on the conditions' grid.
    lever : Lever
    conditions : Conditions
    seed : int
    """
    table = conditions.table()
    before = _ago(lever.values, conditions.lag)
    with np.errstate(invalid="ignore"):
        known = conditions.settled & (power_kw > 0) & np.isfinite(lever.values) & np.isfinite(before)
    known &= np.isfinite(table).all(axis=1)
    weeks = conditions.week[known]
    moves = int((np.abs(np.diff(lever.values)) >= lever.step / 2).sum())
    count, n_weeks = int(known.sum()), len(np.unique(weeks))
    if count < LEAST_ROWS or n_weeks < LEAST_WEEKS:
        why = say(
            "only {rows} settled steps in {weeks} weeks show it beside what must be equal",
            rows=count,
            weeks=n_weeks,
        )
        return LeverEffect(lever.name, count, n_weeks, 0.0, None, None, None, False, why)
    if moves < LEAST_MOVES:
        why = say("it changed only {moves} times ({least} are needed)", moves=moves, least=LEAST_MOVES)
        return LeverEffect(lever.name, count, n_weeks, 0.0, None, None, None, False, why)
    y = np.log(power_kw[known])
    x, earlier = (values[known] / lever.step for values in (lever.values, before))
    terms = conditions.terms(known)[known]
    ridge, left = _by_ridge(y, x, terms, weeks, seed)
    rest = [_cross_fitted(table[known], target, weeks, seed) for target in (y, x, earlier)]
    free = min(float(left.std()), float(rest[1].std())) * lever.step
    trees = _slope(rest[1], rest[1], rest[0], weeks, seed)
    lagged = _slope(rest[2], rest[1], rest[0], weeks, seed)
    told, reason = _verdict(lever, free, ridge, trees, lagged)
    return LeverEffect(lever.name, count, n_weeks, free, ridge, trees, lagged, told, reason)


def _verdict(
    lever: Lever, free: float, ridge: Estimate, trees: Estimate, lagged: Estimate
) -> tuple[bool, str]:
    """Return whether the effect is told, and why."""
    if free < lever.least_free:
        return False, say(
            "it followed heat, weather and calendar: only {free:.2g} {unit} of its movement are independent",
            free=free,
            unit=lever.unit,
        )
    middle = (ridge.point + trees.point) / 2
    if abs(ridge.point - trees.point) > max(np.hypot(ridge.half, trees.half), FORM * abs(middle)):
        return False, say(
            "two forms disagree: {first:+.1f} % and {second:+.1f} %", first=ridge.point, second=trees.point
        )
    low, high = min(ridge.lower, trees.lower), max(ridge.upper, trees.upper)
    if low <= 0 <= high:
        if max(-low, high) <= USEFUL_PCT:
            return True, say("both forms tell that it is next to nothing")
        return False, say("its interval holds zero ({low:+.1f} to {high:+.1f} %)", low=low, high=high)
    apart = abs(lagged.point - middle) > np.hypot(lagged.half, (high - low) / 2)
    if apart or lagged.lower <= 0 <= lagged.upper:
        return False, say(
            "the reading of an hour ago does not confirm it ({low:+.1f} to {high:+.1f} %): it may be the "
            "consequence of what the plant does as well as its cause",
            low=lagged.lower,
            high=lagged.upper,
        )
    return True, say("both forms and the reading of an hour ago agree")


def _by_ridge(
    y: FloatArray, x: FloatArray, terms: FloatArray, weeks: npt.NDArray[np.int64], seed: int
) -> tuple[Estimate, FloatArray]:
    """Return the effect beside smooth terms, and what the terms leave of the lever."""
    both = np.column_stack([x, terms])
    penalty = np.ones(both.shape[1])
    penalty[0] = 1e-6  # the effect itself is not shrunk
    fit = fit_block_ridge(both, y, weeks, alpha=_ALPHA, draws=DRAWS, seed=seed, penalty=penalty)
    own = fit_block_ridge(terms, x, weeks, alpha=_ALPHA, draws=0, seed=seed)
    return _estimate(fit.point[0] / fit.scale[0], fit.draws[:, 0] / fit.scale[0]), x - own.predict(terms)


def _cross_fitted(X: FloatArray, y: FloatArray, weeks: npt.NDArray[np.int64], seed: int) -> FloatArray:
    """Return what trees that never saw the week leave of a target, shape (rows,)."""
    order = np.random.default_rng(seed).permutation(np.unique(weeks))
    fold = np.argsort(order)[np.searchsorted(np.unique(weeks), weeks)] % FOLDS
    left = np.empty(len(y))
    for k in range(FOLDS):
        inside = fold != k
        booster = lgb.train({**_TREES, "seed": seed}, lgb.Dataset(X[inside], label=y[inside]), _ROUNDS)
        left[~inside] = y[~inside] - booster.predict(X[~inside], num_threads=1)
    return left


def _slope(
    instrument: FloatArray, x: FloatArray, y: FloatArray, weeks: npt.NDArray[np.int64], seed: int
) -> Estimate:
    """Return the instrumental slope of y over x; with x itself as instrument that of least squares."""
    _, block = np.unique(weeks, return_inverse=True)
    upper, lower = (np.bincount(block, weights=instrument * v) for v in (y, x))
    weights = np.random.default_rng(seed).dirichlet(np.ones(len(upper)), size=DRAWS)
    return _estimate(float(upper.sum() / lower.sum()), (weights @ upper) / (weights @ lower))


def _estimate(point: float, draws: FloatArray) -> Estimate:
    """Return a slope of the logarithm of power as change [%]."""
    low, high = np.quantile(draws, (0.05, 0.95))
    values = [100.0 * float(np.expm1(v)) for v in (min(low, point), point, max(high, point))]
    return Estimate(*values)


def _ago(values: FloatArray, steps: int) -> FloatArray:
    return np.concatenate([np.full(steps, np.nan), values[:-steps]])


def _hinges(x: FloatArray, rows: BoolArray) -> FloatArray:
    knots = np.unique(np.quantile(x[rows], _KNOTS))
    scale = max(float(np.std(x[rows])), 1e-9)
    middle = float(np.mean(x[rows]))
    columns = [(x - middle) / scale, *(np.maximum((x - k) / scale, 0.0) for k in knots)]
    return np.column_stack(columns)
