"""Errors on withheld stations, hours and products, beside the baselines.

Gaps and last hours are scored by one training run with these hours held back; new stations by runs that
hold whole stations back (`training.station_curve`); new products by runs that hold products back
(`training.station_products`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from features.errors import InsufficientDataError
from features.frame import FeatureFrame, FloatArray
from features.message import say
from features.station_clock import ClockOffset
from models.baselines import LAST, YESTERDAY, PastValue, SiteMean
from models.prediction import Prediction
from models.station_config import measured
from models.station_fingerprint import BoolArray
from training.result import DOMAIN_COLUMNS
from training.station_curve import FOLDS, new_station_rows
from training.station_power import DEFAULTS, Parameters, fit_station_model
from training.station_products import TEACHERS, few_hours_rows, new_product_rows, product_hits
from training.station_rows import (
    OURS,
    SITE_MEAN,
    STATION_LINEAR,
    Row,
    Split,
    StationLinear,
    baseline_rows,
    config_answers,
    hide,
    row_of,
)
from training.station_stage import hold_out, within_a_day

DAY = pd.Timedelta(days=1)
Report = Callable[[str, float], None]


def backtest_quantity(
    frame: FeatureFrame, clock: ClockOffset, seed: int, report: Report, parameters: Parameters = DEFAULTS
) -> tuple[list[Row], list[Row], list[str]]:
    """Score every problem of one energy column.

    Parameters
    ----------
    frame : FeatureFrame
        Built with the offset of `clock`.
    clock : ClockOffset
    seed : int
    report : callable
    parameters : tuple of GbmParameters
        Of the first and of the second stage.

    Returns
    -------
    tuple
        Rows of the table, rows of the table of the domain, notes.

    Raises
    ------
    InsufficientDataError
        Too little data to hold any back.
    """
    usable = measured(frame)
    if usable.sum() < 200 or frame.keys["site_id"][usable].nunique() < FOLDS + 1:
        raise InsufficientDataError(
            "E-BACKTEST-ROWS",
            say("{count} measured hours are too few to hold any back", count=int(usable.sum())),
            frame.quantity,
            say("give at least 200 measured hours of {folds} stations", folds=FOLDS + 1),
        )
    rows, alarms = _known_stations(
        frame, clock, seed, lambda what, share: report(what, 0.35 * share), parameters
    )
    report(say("score new stations"), 0.4)
    found, strangers = new_station_rows(
        frame,
        clock.intervals,
        seed,
        lambda done: report(say("score new stations"), 0.4 + 0.4 * done),
        parameters,
    )
    rows += found
    report(say("score new products"), 0.8)
    rows += new_product_rows(frame, seed, parameters[0])
    rows += few_hours_rows(frame, clock.intervals, seed, parameters)
    domain = [
        _rate("new product", frame, "hit: rows of a product left out", product_hits(frame)),
        _rate("known station", frame, "false alarm: held-out rows of stations that were seen", alarms),
        _rate("new station", frame, "rows of stations that were not seen", strangers),
    ]
    report(say("done"), 1.0)
    return rows, domain, _notes(clock)


def _rate(problem: str, frame: FeatureFrame, what: str, counted: tuple[int, int]) -> Row:
    told, total = counted
    rate = told / total if total else float("nan")
    values = (problem, frame.quantity, what, rate, float(total))
    return dict(zip(DOMAIN_COLUMNS, values, strict=True))


def hold_out_rows(frame: FeatureFrame, seed: int) -> tuple[BoolArray, BoolArray]:
    """Return (random hours, last hours of each station) to score; shape (rows,)."""
    return hold_out(frame, measured(frame), np.random.default_rng(seed + 1))


def _known_stations(
    frame: FeatureFrame, clock: ClockOffset, seed: int, report: Report, parameters: Parameters
) -> tuple[list[Row], tuple[int, int]]:
    """Score gaps, last hours and the day ahead; return rows and how many rows were called out of domain."""
    usable = measured(frame)
    scattered, tail = hold_out_rows(frame, seed)
    teach = usable & ~scattered & ~tail
    model, _, _ = fit_station_model(
        hide(frame, ~teach), clock.intervals, seed=seed, parameters=parameters[0], correction=parameters[1],
        report=report,
    )  # fmt: skip
    # a gap may use both sides, so the tail's energies are measured there; the last hours see none of it
    gaps = model.predict(hide(frame, scattered))
    rows = _rows(frame, "gap filling", "random hours", (teach, scattered), gaps, seed)
    shown = hide(frame, tail)
    now = model.predict(shown)
    rows += _rows(frame, "nowcast", "last hours of each station", (teach, tail), now, seed)
    near = tail & within_a_day(frame, usable & ~tail)
    ahead = model.predict(shown, "forecast")
    rows += _rows(frame, "day ahead", "last hours, load unknown", (teach, near), ahead, seed, blind=True)
    held = scattered | tail
    return rows, (int((~now.in_domain[held]).sum()), int(held.sum()))


def _rows(
    frame: FeatureFrame, problem: str, name: str, parts: tuple[BoolArray, BoolArray],
    prediction: Prediction, seed: int, *, blind: bool = False,
) -> list[Row]:  # fmt: skip
    teach, where = parts
    taught, scored = frame.rows(teach), frame.rows(where)
    split = Split(problem, name, scored)
    # baselines of the past must not see a withheld hour either
    answers = {n: values[where] for n, values in _past_values(frame, where).items()}
    answers[SITE_MEAN] = SiteMean().fit(taught).predict(scored)
    if not blind:
        answers[STATION_LINEAR] = StationLinear().fit(taught).predict(scored)
        answers |= config_answers(taught, scored)
    bounds = (prediction.lower[where], prediction.upper[where])
    return [row_of(split, OURS, prediction.point[where], bounds), *baseline_rows(split, answers, seed)]


def _past_values(frame: FeatureFrame, hidden: BoolArray) -> dict[str, FloatArray]:
    """Return persistence and same-hour-yesterday that do not see hidden hours; shape (rows,)."""
    known = pd.Series(frame.target()).where(~hidden)
    site = frame.keys["site_id"].reset_index(drop=True)
    last = known.groupby(site, sort=False).ffill().groupby(site, sort=False).shift()
    position = pd.MultiIndex.from_frame(frame.keys[["site_id", "timestamp"]]).get_indexer(
        pd.MultiIndex.from_arrays([frame.keys["site_id"], frame.keys["timestamp"] - DAY])
    )
    yesterday = np.where(position >= 0, known.to_numpy(dtype=np.float64)[position], np.nan)
    shown = FeatureFrame(
        frame.keys, frame.X, frame.quantity, frame.y, frame.categories,
        pd.DataFrame({LAST: last, YESTERDAY: yesterday}),
    )  # fmt: skip
    models = (PastValue("persistence", LAST), PastValue("same hour yesterday", YESTERDAY))
    return {m.name: m.fit(shown).predict(shown) for m in models}


def _notes(clock: ClockOffset) -> list[str]:
    notes: list[str] = [
        say("All errors are of estimates (load of the hour known) except the problem 'day ahead'."),
        say(
            "New station: folds of stations; neither stage, no interval and no baseline saw the station, "
            "of which only the named number of its first (or of random) hours is measured; its other hours "
            "are scored."
        ),
        say(
            "Gap filling: 15 % random hours of known stations withheld in whole; hours on both sides "
            "are known."
        ),
        say(
            "Nowcast: the last 15 % of each station's measured hours withheld in one block; only "
            "earlier energies are known, so the horizon grows to about a day."
        ),
        say(
            "Day ahead: as nowcast, hours up to a day after the last known energy; the load of an hour is "
            "expected from the same hour of the day before, never known."
        ),
        say(
            "New product: every radio-unit product with at least ten stations left out in turn; every "
            "fourth hour; blocks of the pooled coverage are products."
        ),
        say(
            "New product, 24 h at 5 stations: five random stations of the product are measured for their "
            "first 24 hours, {teachers} stations of other products teach beside them.",
            teachers=TEACHERS,
        ),
        say(
            "Intervals of baselines come from the same conformal layer, calibrated on the other half of the "
            "scored stations: that flatters them."
        ),
        say("The problems are of different difficulty: quote the problem with every figure."),
    ]
    if clock.intervals:
        notes.append(
            say(
                "Loads were taken {intervals} interval(s) later than the energy's stamp "
                "(D-STATION-CLOCK), for our model and for the linear and LightGBM baselines alike.",
                intervals=clock.intervals,
            )
        )
    return notes
