"""What an after period would have used at the set-points of before, in its own weather and for its own work.

Everything is energy per step [kWh], on the steps of the after period. The uncertainty of the sum has four
sources that are kept apart: what withheld weeks of the before period erred by, what the fit does not know,
what a model of another form would say, and what separating work from temperature does not know.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from features.errors import InsufficientDataError
from features.frame import FloatArray
from features.message import Message, say
from features.operation import BoolArray
from features.periods import Periods
from models.folded_ridge import jackknife_sd
from models.held_out import Fitness, SumError, fitness, fractional_half_width, spikes, sum_error
from models.lever_habit import LeverHabit, lever_habits
from models.site_baseline import CHAIN, COOLING, SiteBaseline, fit_site_baseline, usable
from models.work_separation import Work, levers_as_before, separate_work

PARTS = ("it", "cooling", "power_chain")
_MARGIN = 0.02
"""Share of the range seen before by which weather or load may lie outside [1]."""
METERS_DRIFT = 0.001
"""Assumed standard deviation of what meters drift from one period to the other [1]."""
SEASON_DAYS = 15
"""Days of the year within which a season counts as seen before [d]."""
_CELLS = 12
"""Cells per axis in which weather and load must have been seen together."""


@dataclass(frozen=True)
class Spread:
    """Standard deviations of the sum over the counted steps [kWh], and Student's degrees of freedom.

    ``noise`` of as many other steps, ``fit`` of the coefficients, ``work`` of the separated work, ``form``
    half of what a model of another form says differently, ``season`` of a season that was not seen before (0
    where it was), ``meters`` what the meters may have drifted between the periods (assumed);
    ``floor_pct`` is the half-width by Guideline 14's formula [% of the baseline], never undercut.
    """

    noise: float
    fit: float
    work: float
    form: float
    freedom: SumError
    floor_pct: float = 0.0
    season: float = 0.0
    meters: float = 0.0

    @property
    def sd(self) -> float:
        """All together [kWh]."""
        return float(np.hypot(self.noise, self.stays))

    @property
    def stays(self) -> float:
        """What more days would not make smaller, relative to the sum [kWh]."""
        return float(np.hypot(max(self.fit, self.season), self.beside))

    @property
    def beside(self) -> float:
        """What no error of the baseline on withheld weeks shows [kWh]."""
        return float(np.sqrt(self.work**2 + self.form**2 + self.meters**2))


@dataclass(frozen=True)
class Counterfactual:
    """Measured and baseline energy of the after period.

    Parameters
    ----------
    stamps, day : pandas.DatetimeIndex, shape (m,)
        Steps of the after period, UTC, and their local midnight.
    hours : float
        Length of a step [h].
    measured, baseline : dict
        Part -> energy per step [kWh], shape (m,); NaN where not measured.
    counted : numpy.ndarray of bool, shape (m,)
        Measured steps like those seen before: only they are claimed.
    known : numpy.ndarray of bool, shape (m,)
        Fully measured steps.
    uncovered : dict
        Why measured steps are not counted -> how many.
    spread : Spread
    day_sd : float
        Standard deviation of a day's baseline [kWh].
    fit : Fitness
    form : str
        What the baseline follows.
    as_before : tuple of str
        What "as before" means, set-point by set-point.
    means, reason, settle : str
        How work was told; see `models.work_separation.Work`.
    unknown : tuple of str
        Parts that cannot be told; their baseline is what was measured.
    shift_k : float or None
        Mean change of the air at the servers [K].
    before_days : float
        Fitted days before the change [d].
    steps_per_day : float
        Steps of a fully measured day, of all stations together [1/d].
    set_aside : tuple of int
        Steps of before and of after that were left out as readings of a faulty meter.
    habits : dict
        Lever -> how it was run before.
    errors : dict
        Form of the baseline tried -> error on withheld weeks [kW].
    """

    stamps: pd.DatetimeIndex
    day: pd.DatetimeIndex
    hours: float
    measured: dict[str, FloatArray]
    baseline: dict[str, FloatArray]
    counted: BoolArray
    known: BoolArray
    uncovered: dict[str, int]
    spread: Spread
    day_sd: float
    fit: Fitness
    form: str
    as_before: tuple[str, ...]
    means: str
    reason: str
    settle: str
    unknown: tuple[str, ...]
    shift_k: float | None
    before_days: float
    steps_per_day: float
    set_aside: tuple[int, int] = (0, 0)
    habits: dict[str, LeverHabit] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)

    def total(self, energy: dict[str, FloatArray]) -> FloatArray:
        """Return the energy of all parts per step [kWh]."""
        return np.asarray(sum(energy.values()), dtype=np.float64)


def site_counterfactual(periods: Periods, declared: dict[str, float], *, seed: int = 0) -> Counterfactual:
    """Return the counterfactual of a data centre.

    Parameters
    ----------
    periods : Periods
    declared : dict
        Lever -> set-point in force before, as the site declares [degC].
    seed : int

    Raises
    ------
    InsufficientDataError
        Too few measured days.
    """
    with threadpool_limits(limits=1):  # many small matrices: more threads only wait for each other
        return _site_counterfactual(periods, declared, seed)


def _site_counterfactual(periods: Periods, declared: dict[str, float], seed: int) -> Counterfactual:
    operation = periods.operation
    habits = lever_habits(operation.rows(periods.before), declared)
    baseline = fit_site_baseline(operation, periods.before, habits, seed)
    as_before = levers_as_before(periods, habits)
    work = separate_work(periods, baseline, habits, as_before, seed)
    held = operation.with_levers(as_before)
    terms = baseline.terms(held, work.it_kw)
    with np.errstate(invalid="ignore"):
        rest_kw = baseline.ridge.predict(terms)
    after = np.flatnonzero(periods.after)
    measured = _measured(periods, work)
    base = {"cooling": rest_kw[:, COOLING], "power_chain": rest_kw[:, CHAIN]}
    base["it"] = work.it_kw
    known = usable(operation) & np.isfinite(terms).all(axis=1) & np.isfinite(work.it_kw)
    if not known[after].any():
        raise InsufficientDataError(
            "E-VERIFY-AFTER",
            say("no step of the after period is fully measured"),
            "--after",
            say("export facility power, IT power and weather of the time after the change"),
        )
    difference = np.where(known, sum(base.values()) - sum(measured.values()), np.nan)[after]
    odd = spikes(difference, float(np.nanmedian(operation.facility_kw)))
    known[after[odd]] = False
    covered, why = _covered(periods, baseline, work, known)
    counted = known & covered & periods.after
    error_kwh, fit = _errors(periods, baseline, work)
    noise = sum_error(error_kwh[baseline.rows], operation.week[baseline.rows])
    quarrel = baseline.second_cooling(held.rows(counted), work.it_kw[counted]) - rest_kw[counted, COOLING]
    form = abs(float(quarrel.sum())) / 2 * operation.hours
    spread = _spread(baseline, terms[after], work, counted[after], periods.after, noise, fit, form)
    spread = replace(
        spread,
        season=_season_sd(periods, baseline, counted),
        meters=METERS_DRIFT * float(operation.facility_kw[counted].sum()) * operation.hours,
    )
    day_sd = _day_sd(error_kwh, periods, baseline.rows)
    return Counterfactual(
        stamps=operation.stamps[after],
        day=periods.local_day[after],
        hours=operation.hours,
        measured={p: measured[p][after] * operation.hours for p in PARTS},
        baseline={p: base[p][after] * operation.hours for p in PARTS},
        counted=counted[after],
        known=known[after],
        uncovered=why,
        spread=spread,
        day_sd=day_sd,
        fit=fit,
        form=baseline.form.name,
        as_before=tuple(h.sentence for h in habits.values()),
        means=work.means,
        reason=work.reason,
        settle=work.settle,
        unknown=() if work.known else ("it",),
        shift_k=work.shift_k,
        before_days=float(baseline.rows.sum()) * operation.hours / 24,
        steps_per_day=24 / operation.hours,
        set_aside=(baseline.set_aside, int(odd.sum())),
        habits=habits,
        errors=baseline.errors,
    )


def _measured(periods: Periods, work: Work) -> dict[str, FloatArray]:
    """Return the measured power of every part [kW]; an unknown IT part is compared with itself."""
    operation = periods.operation
    rest = operation.facility_kw - operation.it_kw - operation.overhead_kw
    it = work.it_kw if not work.known else operation.it_kw
    return {"it": it, "cooling": operation.overhead_kw, "power_chain": rest}


def _errors(periods: Periods, baseline: SiteBaseline, work: Work) -> tuple[FloatArray, Fitness]:
    """Return errors on withheld weeks [kWh per step], shape (n,), and how fit the baseline is."""
    operation = periods.operation
    foretold = baseline.withheld().sum(axis=1)
    predicted = operation.facility_kw - operation.it_kw
    if work.error_kw is not None:  # IT power is foretold too, and what it lacks the rest lacks with it
        predicted = predicted + operation.it_kw
        foretold = foretold + operation.it_kw - (1 + baseline.marginal) * work.error_kw
    rows = baseline.rows & np.isfinite(foretold)
    fit = fitness(predicted, foretold, operation.facility_kw, rows, operation.week, operation.hours)
    error = np.where(rows, (predicted - foretold) * operation.hours, 0.0)
    return error, fit


def _spread(
    baseline: SiteBaseline,
    terms: FloatArray,
    work: Work,
    inside: BoolArray,
    after: BoolArray,
    noise: SumError,
    fit: Fitness,
    form: float,
) -> Spread:
    steps = int(inside.sum())
    if not steps:
        return Spread(0.0, 0.0, 0.0, 0.0, noise, float("inf"))
    by_fit = baseline.ridge.sums(terms[inside]).sum(axis=1)[1:] * baseline.hours
    work_sd = 0.0
    if work.deviations_kw.shape[1]:
        sums = work.deviations_kw[after][inside].sum(axis=0) * baseline.hours * (1 + baseline.marginal)
        work_sd = float(np.sqrt((sums**2).mean()))
    return Spread(
        noise.sd(steps),
        jackknife_sd(by_fit, noise.inflation),
        work_sd,
        form,
        noise,
        fractional_half_width(fit, steps),
    )


def _season_sd(periods: Periods, baseline: SiteBaseline, counted: BoolArray) -> float:
    """Return the standard deviation of the sum where its season was not seen before [kWh], else 0."""
    operation, steps = periods.operation, int(counted.sum())
    if not steps:
        return 0.0
    day = operation.stamps.day_of_year.to_numpy()
    seen = np.unique(day[baseline.rows])
    apart = np.abs(day[counted][:, None] - seen)
    near = np.minimum(apart, 366 - apart).min(axis=1) <= SEASON_DAYS
    if near.mean() >= 0.5:
        return 0.0
    means = baseline.season_error(operation, steps * operation.hours / 24)
    return float(np.sqrt((means**2).mean())) * steps * operation.hours


def _day_sd(error_kwh: FloatArray, periods: Periods, rows: BoolArray) -> float:
    """Return the standard deviation of a day's error on withheld weeks [kWh]."""
    daily = pd.Series(error_kwh[rows]).groupby(periods.local_day[rows]).agg(["sum", "size"])
    whole = daily[daily["size"] >= 0.5 * daily["size"].max()]["sum"]
    return float(np.sqrt((whole**2).mean()))


# -- rule 4: nothing is claimed for what was not seen ---------------------------------------------
def _covered(
    periods: Periods, baseline: SiteBaseline, work: Work, known: BoolArray
) -> tuple[BoolArray, dict[str, int]]:
    """Return the steps like those before, and how many measured ones are not, by reason."""
    operation = periods.operation
    seen = {
        "weather": np.column_stack([operation.dry_bulb_c, operation.wet_bulb_c]),
        "load": operation.it_kw[:, None],
    }
    asked = {"weather": seen["weather"], "load": work.it_kw[:, None]}
    inside = {name: _within(seen[name][baseline.rows], asked[name]) for name in seen}
    inside["weather and load together"] = _together(
        operation.wet_bulb_c, operation.it_kw, work.it_kw, baseline.rows
    )
    inside["set-points"] = work.covered
    count = periods.after & known
    why = {name: int((count & ~ok).sum()) for name, ok in inside.items()}
    every = np.logical_and.reduce(list(inside.values()))
    return np.asarray(every, dtype=np.bool_), {name: n for name, n in why.items() if n}


def _within(seen: FloatArray, asked: FloatArray) -> BoolArray:
    """Return the rows inside the range seen, a little margin included."""
    low, high = seen.min(axis=0), seen.max(axis=0)
    room = _MARGIN * (high - low)
    return np.asarray(((asked >= low - room) & (asked <= high + room)).all(axis=1), dtype=np.bool_)


def _together(wet: FloatArray, seen_kw: FloatArray, asked_kw: FloatArray, rows: BoolArray) -> BoolArray:
    """Return the steps whose weather and load, or neighbours of them, were seen together."""
    edges = [
        np.linspace(float(v[rows].min()), float(v[rows].max()), _CELLS + 1)[1:-1] for v in (wet, seen_kw)
    ]
    seen = np.zeros((_CELLS + 2, _CELLS + 2), dtype=np.bool_)  # a border, so that neighbours exist
    x = np.searchsorted(edges[0], np.nan_to_num(wet)) + 1
    seen[x[rows], np.searchsorted(edges[1], seen_kw[rows]) + 1] = True
    near = np.zeros_like(seen)
    for dx in (-1, 0, 1):
        for dy in (-1, 0, 1):
            near |= np.roll(seen, (dx, dy), axis=(0, 1))
    return np.asarray(near[x, np.searchsorted(edges[1], np.nan_to_num(asked_kw)) + 1], dtype=np.bool_)


def describe_uncovered(uncovered: dict[str, int]) -> Message:
    """Return what was not seen before, in words."""
    said = {
        "weather": say("weather"),
        "load": say("load"),
        "weather and load together": say("weather and load together"),
        "set-points": say("set-points"),
        "configuration": say("configuration"),
    }
    return Message.joined(", ", [said.get(name, name) for name in uncovered])
