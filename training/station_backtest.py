"""Errors on withheld stations, hours and products, beside the baselines.

One run of the two-stage training with hours held back serves all problems: gaps and last hours are
scored by the second stage, stations by the cross-fitted first stage, which never saw them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from features.base_station import LOAD
from features.errors import InsufficientDataError
from features.frame import FeatureFrame, FloatArray
from features.message import say
from features.station_clock import ClockOffset
from models import metrics
from models.baselines import LAST, YESTERDAY, Linear, PastValue, SiteMean
from models.conformal import Conformal
from models.gbm import Gbm
from models.prediction import Prediction
from models.station_config import PARAMETERS, leave_one_product_out, measured, trend_frame
from models.station_fingerprint import BoolArray
from training.result import BACKTEST_COLUMNS
from training.station_power import COVERAGE, Stage, first_stage, fit_station_model, hold_out

OURS = "configuration + own meter"
FOLDS = 5
Row = dict[str, object]
Report = Callable[[str, float], None]


@dataclass(frozen=True)
class Split:
    """Rows that teach and rows that are scored, shape (rows,)."""

    problem: str
    split: str
    teach: BoolArray
    score: BoolArray


class StationLinear:
    """Energy = a + b load per station; the mean slope of all stations where one has too few hours."""

    name = "linear per station"

    def __init__(self) -> None:
        self._means: pd.DataFrame = pd.DataFrame()
        self._slope: pd.Series = pd.Series(dtype=np.float64)
        self._overall = 0.0

    def fit(self, frame: FeatureFrame) -> StationLinear:
        """Fit one line per station on the rows with energy and load."""
        known = frame.rows(measured(frame))
        site = known.keys["site_id"]
        table = pd.DataFrame({"y": known.target(), "x": known.X[LOAD].to_numpy()})
        self._means = table.groupby(site).mean()
        centred = table - table.groupby(site).transform("mean")
        cross, square = (centred["x"] * centred["y"]), centred["x"] ** 2
        self._overall = float(cross.sum() / max(square.sum(), 1e-12))
        # five hours' worth of the overall slope keeps short records from running away
        spread = float(square.mean()) * 5
        self._slope = (cross.groupby(site).sum() + self._overall * spread) / (
            square.groupby(site).sum() + spread
        )
        return self

    def predict(self, frame: FeatureFrame) -> FloatArray:
        """Return the line's value [unit of the quantity]; NaN for unknown stations; shape (rows,)."""
        site = frame.keys["site_id"]
        mean_y, mean_x = site.map(self._means["y"]), site.map(self._means["x"])
        out = mean_y + site.map(self._slope) * (frame.X[LOAD] - mean_x)
        return out.to_numpy(dtype=np.float64)


def backtest_quantity(
    frame: FeatureFrame, clock: ClockOffset, seed: int, report: Report
) -> tuple[list[Row], list[str]]:
    """Score every problem of one energy column.

    Raises
    ------
    InsufficientDataError
        Too little data to hold any back.
    """
    usable = measured(frame)
    if usable.sum() < 200 or frame.keys["site_id"][usable].nunique() < FOLDS:
        raise InsufficientDataError(
            "E-BACKTEST-ROWS",
            say("{count} measured hours are too few to hold any back", count=int(usable.sum())),
            frame.quantity,
            say("give at least 200 measured hours of {folds} stations", folds=FOLDS),
        )
    rows: list[Row] = []
    scattered, tail = hold_out_rows(frame, seed)
    teach = usable & ~scattered & ~tail
    hidden = replace(frame, y=frame.y.where(teach) if frame.y is not None else None)
    model, _, _ = fit_station_model(
        hidden, clock.intervals, seed=seed, report=lambda what, share: report(what, 0.6 * share)
    )
    report(say("score gaps and last hours"), 0.62)
    # a gap may use both sides, so the tail's energies are measured there; the last hours see none of it
    gaps = Split("gap filling", "random hours", teach, scattered)
    rows += _known_station_rows(frame, gaps, model.predict(_hide(frame, scattered)))
    last = Split("nowcast", "last hours of each station", teach & ~scattered, tail)
    rows += _known_station_rows(frame, last, model.predict(_hide(frame, tail)))
    ahead = Split("forecast", "last hours, load unknown", teach & ~scattered, tail)
    rows += _known_station_rows(frame, ahead, model.predict(_hide(frame, tail), "forecast"), forecast=True)
    report(say("score new stations"), 0.7)
    rows += _new_station_rows(first_stage(frame, PARAMETERS.with_(seed=seed)), seed)
    report(say("score new products"), 0.8)
    rows += _new_product_rows(frame)
    report(say("done"), 1.0)
    return rows, _notes(clock)


def hold_out_rows(frame: FeatureFrame, seed: int) -> tuple[BoolArray, BoolArray]:
    """Return (random hours, last hours of each station) to score; shape (rows,)."""
    return hold_out(frame, measured(frame), np.random.default_rng(seed + 1))


def _hide(frame: FeatureFrame, rows: BoolArray) -> FeatureFrame:
    return replace(frame, y=frame.y.where(~rows) if frame.y is not None else None)


def _known_station_rows(
    frame: FeatureFrame, split: Split, prediction: Prediction, *, forecast: bool = False
) -> list[Row]:
    taught = frame.rows(split.teach)
    scored = frame.rows(split.score)
    truth = scored.target()
    where = split.score
    out = [
        _row(
            frame,
            split,
            OURS,
            truth,
            prediction.point[where],
            interval=(prediction.lower[where], prediction.upper[where]),
        )
    ]
    # baselines of the past must not see a withheld hour either
    seen = _past_values(frame, split.score)
    out += [_row(frame, split, name, truth, values[where]) for name, values in seen.items()]
    out.append(_row(frame, split, "site mean", truth, SiteMean().fit(taught).predict(scored)))
    if not forecast:
        out.append(_row(frame, split, StationLinear.name, truth, StationLinear().fit(taught).predict(scored)))
        out += [_row(frame, split, n, truth, v) for n, v in _config_baselines(taught, scored).items()]
    return out


def _past_values(frame: FeatureFrame, withheld: BoolArray) -> dict[str, FloatArray]:
    """Return persistence and same hour yesterday from hours that were not withheld; shape (rows,)."""
    known = pd.Series(np.where(withheld, np.nan, frame.target()))
    site = frame.keys["site_id"]
    filled = known.groupby(site, sort=False).ffill()
    last = filled.groupby(site, sort=False).shift().to_numpy(dtype=np.float64)
    index = pd.MultiIndex.from_frame(frame.keys[["site_id", "timestamp"]])
    day = pd.MultiIndex.from_arrays([site, frame.keys["timestamp"] - pd.Timedelta(days=1)])
    position = index.get_indexer(day)
    yesterday = np.where(position >= 0, known.to_numpy(dtype=np.float64)[position], np.nan)
    shown = replace(frame, baselines=pd.DataFrame({LAST: last, YESTERDAY: yesterday}))
    models = (PastValue("persistence", LAST), PastValue("same hour yesterday", YESTERDAY))
    return {m.name: m.fit(shown).predict(shown) for m in models}


def _config_baselines(taught: FeatureFrame, scored: FeatureFrame) -> dict[str, FloatArray]:
    """Return linear and plain LightGBM predictions without the station's identity; shape (rows,)."""
    taught = taught.rows(measured(taught))
    plain = Gbm("LightGBM", PARAMETERS.with_(log_target=True, objective="regression", rounds=250))
    return {
        "linear": np.exp(Linear().fit(trend_frame(taught)).predict(trend_frame(scored))),
        "LightGBM": plain.fit(taught).predict(scored),
    }


def _new_station_rows(stage: Stage, seed: int) -> list[Row]:
    """Score the cross-fitted first stage; baselines are fitted on the same folds."""
    frame = stage.frame
    split = Split("new station", "stations in folds, no measured hour", stage.usable, stage.usable)
    known = frame.rows(stage.usable)
    truth, point = known.target(), np.exp(stage.log_actual[stage.usable])
    lower, upper = _swapped_intervals(known, truth, point, seed)
    fold = known.keys["site_id"].map(stage.config.fold_of).to_numpy()
    others: dict[str, FloatArray] = {}
    for k in np.unique(fold):
        inside = fold == k
        taught, scored = known.rows(~inside), known.rows(inside)
        answers = _config_baselines(taught, scored)
        answers["site mean"] = SiteMean().fit(taught).predict(scored)
        for name, values in answers.items():
            others.setdefault(name, np.full(len(known), np.nan))[inside] = values
    return [
        _row(frame, split, OURS, truth, point, interval=(lower, upper)),
        *(_row(frame, split, name, truth, values) for name, values in others.items()),
    ]


def _swapped_intervals(
    frame: FeatureFrame, truth: FloatArray, point: FloatArray, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Calibrate on one half of the stations, apply to the other, and the other way round."""
    site = frame.keys["site_id"].to_numpy(dtype=str)
    stations = np.random.default_rng(seed).permutation(np.unique(site))
    first = np.isin(site, stations[: len(stations) // 2])
    lower, upper = np.full(len(point), np.nan), np.full(len(point), np.nan)
    for here in (first, ~first):
        conformal = Conformal.calibrate(truth[~here], point[~here], COVERAGE, "relative")
        lower[here], upper[here] = conformal.interval(point[here])
    return lower, upper


def _new_product_rows(frame: FeatureFrame) -> list[Row]:
    """Score every product with at least ten stations by models that never saw it."""
    thin = frame.rows(np.flatnonzero(measured(frame))[::2])
    answers: list[tuple[str, FloatArray, dict[str, FloatArray]]] = []
    for code, (where, point) in leave_one_product_out(thin, PARAMETERS).items():
        inside = np.isin(np.arange(len(thin)), where)
        taught, scored = thin.rows(~inside), thin.rows(inside)
        scored = replace(scored, X=scored.X.assign(ru_type=np.nan))
        given = {OURS: point, **_config_baselines(taught, scored)}
        given["site mean"] = SiteMean().fit(taught).predict(scored)
        answers.append(((frame.categories or {})["ru_type"][int(code)], scored.target(), given))
    rows: list[Row] = []
    everything = np.ones(0, dtype=bool)
    intervals = [_interval_from_others(answers, i) for i in range(len(answers))]
    for (name, truth, given), interval in zip(answers, intervals, strict=True):
        split = Split("new product", name, everything, everything)
        rows += [
            _row(frame, split, model, truth, values, interval=interval if model == OURS else None)
            for model, values in given.items()
        ]
    if answers:
        pooled = Split("new product", "all", everything, everything)
        truth = np.concatenate([t for _, t, _ in answers])
        known = [i for i in intervals if i is not None]
        whole = (
            (np.concatenate([i[0] for i in known]), np.concatenate([i[1] for i in known])) if known else None
        )
        for model in answers[0][2]:
            values = np.concatenate([given[model] for _, _, given in answers])
            rows.append(_row(frame, pooled, model, truth, values, interval=whole if model == OURS else None))
    return rows


def _interval_from_others(
    answers: list[tuple[str, FloatArray, dict[str, FloatArray]]], this: int
) -> tuple[FloatArray, FloatArray] | None:
    """Calibrate a product's interval on the other products left out."""
    others = [a for i, a in enumerate(answers) if i != this]
    if not others:
        return None
    truth = np.concatenate([t for _, t, _ in others])
    point = np.concatenate([given[OURS] for _, _, given in others])
    return Conformal.calibrate(truth, point, COVERAGE, "relative").interval(answers[this][2][OURS])


def _row(
    frame: FeatureFrame, split: Split, model: str, truth: FloatArray, point: FloatArray, *,
    interval: tuple[FloatArray, FloatArray] | None = None,
) -> Row:  # fmt: skip
    lower, upper = interval or (np.full(len(truth), np.nan), np.full(len(truth), np.nan))
    return {
        "problem": split.problem, "split": split.split, "quantity": frame.quantity, "model": model,
        "ours": model == OURS, **metrics.score_table(truth, point),
        "coverage": metrics.coverage(truth, lower, upper),
        "nominal": COVERAGE if interval else np.nan,
        "width": metrics.relative_width(lower, upper, truth) if interval else np.nan,
    }  # fmt: skip


def table_of(rows: list[Row]) -> pd.DataFrame:
    """Return the rows as the backtest's table."""
    return pd.DataFrame(rows)[list(BACKTEST_COLUMNS)].reset_index(drop=True)


def _notes(clock: ClockOffset) -> list[str]:
    notes: list[str] = [
        say("All errors are of estimates (load of the hour known) except the problem 'forecast'."),
        say("New station: folds of stations; the model never saw the station, which has no measured hour."),
        say(
            "Gap filling: 15 % random hours of known stations withheld in whole; hours on both sides "
            "are known."
        ),
        say(
            "Nowcast: the last 15 % of each station's measured hours withheld in one block; only "
            "earlier energies are known, so the horizon grows to about a day."
        ),
        say("Forecast: as nowcast, with the load of the same hour yesterday instead of the actual one."),
        say("New product: every radio-unit product with at least ten stations left out in turn."),
        say("The four problems are of different difficulty: quote the problem with every figure."),
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
