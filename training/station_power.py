"""Fit, calibrate and prove the two-stage model of one energy column."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.base_station import FILLED, with_expected_work
from features.errors import InsufficientDataError
from features.frame import FeatureFrame, FloatArray
from features.message import say
from models import metrics
from models.conformal import Conformal
from models.gbm import Gbm, GbmParameters
from models.station_config import (
    PARAMETERS,
    WORKERS,
    ConfigModel,
    leave_one_product_out,
    log_target,
    measured,
    training_ranges,
)  # fmt: skip
from models.station_fingerprint import BoolArray, IntArray
from models.station_power import (
    CORRECTION,
    FEW,
    MODES,
    NEW_PRODUCT,
    KnownHours,
    Mode,
    StationModel,
    correction_frame,
    interval_group,
    signatures,
    station_hours,
)  # fmt: skip

COVERAGE = 0.9
HELD_RANDOM = 0.15
HELD_TAIL = 0.15
MIN_GROUP = 60
"""Held-out rows that a group needs for its own interval: half to calibrate, half to measure."""
PRODUCT_ROWS = 15_000
"""Rows that the leave-one-product-out proof uses at most; it only sets an interval."""

Report = Callable[[str, float], None]


@dataclass(frozen=True)
class Scored:
    """Held-out rows of one Mondrian group: truth, point and station of each, shape (rows,)."""

    truth: FloatArray
    point: FloatArray
    station: npt.NDArray[np.str_]

    def rows(self, mask: BoolArray) -> Scored:
        """Return the selected rows."""
        return Scored(self.truth[mask], self.point[mask], self.station[mask])


def joined(parts: list[Scored]) -> Scored:
    """Return the rows of all parts."""
    return Scored(
        np.concatenate([p.truth for p in parts]),
        np.concatenate([p.point for p in parts]),
        np.concatenate([p.station for p in parts]),
    )


@dataclass(frozen=True)
class Stage:
    """What the fits of one quantity share.

    ``log_actual`` and ``log_expected`` are the first stage's answers with the actual and with the
    expected work, shape (rows,); ``residual`` is log measured minus ``log_actual``.
    """

    frame: FeatureFrame
    expected: FeatureFrame
    names: list[str]
    config: ConfigModel
    log_actual: FloatArray
    log_expected: FloatArray
    usable: BoolArray

    @property
    def residual(self) -> FloatArray:
        """Log of measured over predicted energy, shape (rows,)."""
        return log_target(self.frame) - self.log_actual

    def hours(self, rows: BoolArray) -> KnownHours:
        """Return the selected rows as history."""
        hours = station_hours(self.frame, self.names, self.residual).rows(rows)
        return KnownHours(self.names, hours, signatures(self.frame))

    def shown(self, mode: Mode) -> tuple[FeatureFrame, FloatArray]:
        """Return features and first-stage answer as `mode` sees them."""
        return (self.expected, self.log_expected) if mode == "forecast" else (self.frame, self.log_actual)

    def table(
        self, rows: BoolArray | npt.NDArray[np.intp], history: KnownHours, mode: Mode,
        hidden: IntArray | int = 0,
    ) -> FeatureFrame:  # fmt: skip
        """Return second-stage rows with their targets."""
        frame, log_config = self.shown(mode)
        target = (log_target(self.frame) - log_config)[rows]
        return correction_frame(
            frame.rows(rows), log_config[rows], history, mode, hidden=hidden, residual=target
        )  # fmt: skip


def first_stage(frame: FeatureFrame, parameters: GbmParameters = PARAMETERS) -> Stage:
    """Fit the configuration model and answer every row by a fold that did not see its station."""
    config = ConfigModel(parameters).fit(frame)
    expected = with_expected_work(frame)
    return Stage(
        frame, expected, sorted(str(s) for s in frame.keys["site_id"].unique()), config,
        config.predict_log(frame), config.predict_log(expected), measured(frame),
    )  # fmt: skip


def hold_out(frame: FeatureFrame, usable: BoolArray, rng: np.random.Generator) -> tuple[BoolArray, BoolArray]:
    """Return (random hours, last hours of each station) that are kept back; shape (rows,)."""
    site = frame.keys["site_id"]
    count = pd.Series(usable.astype(np.int64)).groupby(site)
    order, total = count.cumsum().to_numpy(), count.transform("sum").to_numpy()
    tail = usable & (order > np.ceil((1 - HELD_TAIL) * total)) & (total >= 2)
    scattered = usable & ~tail & (rng.random(len(site)) < HELD_RANDOM)
    return scattered, tail


def thin(stage: Stage, teaching: BoolArray, rng: np.random.Generator, most: int | None = None) -> BoolArray:
    """Return a part of the teaching rows such that stations keep few to all of theirs."""
    site = stage.frame.keys["site_id"]
    total = pd.Series(teaching.astype(np.int64)).groupby(site).transform("sum")
    draw = pd.Series(rng.random(len(stage.names)), index=stage.names)
    top = total if most is None else total.clip(upper=most)
    keep = np.exp(site.map(draw).to_numpy() * np.log(np.maximum(top.to_numpy(), 1)))  # log-uniform in 1..n
    shuffled = pd.Series(np.where(teaching, rng.random(len(site)), np.inf)).groupby(site).rank(method="first")
    return np.asarray(teaching & (shuffled.to_numpy() <= np.maximum(np.round(keep), 1)))


def fit_correction(
    stage: Stage, teaching: BoolArray, mode: Mode, rng: np.random.Generator, parameters: GbmParameters
) -> Gbm:
    """Fit one second stage on fingerprints that leave each row out.

    Three views of the teaching rows are stacked: the full history, history hidden for hours around the
    row (long gaps), and thinned history (stations with few measured hours).
    """
    rows = np.flatnonzero(teaching)
    history = stage.hours(teaching)
    tables = [stage.table(rows, history, mode)]
    some = np.sort(rng.choice(rows, max(1, int(0.4 * len(rows))), replace=False))
    longest = 4 if mode == "around" else 36
    hidden = (60 * rng.integers(1, longest + 1, len(some))).astype(np.int64)
    tables.append(stage.table(some, history, mode, hidden))
    some = np.sort(rng.choice(rows, max(1, int(0.25 * len(rows))), replace=False))
    tables.append(stage.table(some, stage.hours(thin(stage, teaching, rng)), mode))
    stacked = _stack(tables)
    return Gbm(f"correction {mode}", parameters).fit(stacked.rows(stacked.X["n"].to_numpy() > 0))


def _stack(tables: list[FeatureFrame]) -> FeatureFrame:
    return replace(
        tables[0],
        keys=pd.concat([t.keys for t in tables], ignore_index=True),
        X=pd.concat([t.X for t in tables], ignore_index=True),
        y=pd.concat([t.y for t in tables if t.y is not None], ignore_index=True),
    )


def score_held_out(
    stage: Stage, held: tuple[BoolArray, BoolArray], parameters: GbmParameters, seed: int
) -> dict[str, Scored]:
    """Score second stages that never saw the held-out hours; returns group -> rows."""
    scattered, tail = held
    teaching = stage.usable & ~scattered & ~tail
    few = thin(stage, teaching, np.random.default_rng(seed), FEW - 1)
    models = fit_corrections(stage, teaching, parameters, seed)
    out: dict[str, Scored] = {}
    for mode, model in models.items():
        rows = np.flatnonzero(scattered if mode == "around" else tail)
        for history in (teaching, few):
            _score(stage.table(rows, stage.hours(history), mode), model, mode, out)
    return out


def fit_corrections(
    stage: Stage, teaching: BoolArray, parameters: GbmParameters, seed: int
) -> dict[Mode, Gbm]:
    """Fit the second stages of all modes side by side."""
    with ThreadPoolExecutor(WORKERS) as pool:
        models = pool.map(
            lambda mode: fit_correction(stage, teaching, mode, np.random.default_rng(seed), parameters), MODES
        )
    return dict(zip(MODES, models, strict=True))


def _score(table: FeatureFrame, model: Gbm, mode: Mode, out: dict[str, Scored]) -> None:
    count = table.X["n"].to_numpy()
    log_config = table.X["log_config"].to_numpy()
    truth = np.exp(table.target() + log_config)
    point = np.exp(log_config + model.predict(table))
    group = interval_group(np.full(len(table), mode), count, table.X[FILLED].to_numpy() > 0)
    _collect(out, group, Scored(truth, point, table.keys["site_id"].to_numpy(dtype=str)), count > 0)


def _collect(out: dict[str, Scored], group: npt.NDArray[np.str_], scored: Scored, keep: BoolArray) -> None:
    for name in np.unique(group[keep]):
        new = scored.rows(keep & (group == name))
        old = out.get(str(name))
        out[str(name)] = new if old is None else joined([old, new])


def score_new_stations(stage: Stage, parameters: GbmParameters) -> dict[str, Scored]:
    """Score the first stage on stations, and on products, that it did not see."""
    out: dict[str, Scored] = {}
    truth, station = stage.frame.target(), stage.frame.keys["site_id"].to_numpy(dtype=str)
    nothing = np.zeros(len(truth))
    modes: tuple[Mode, ...] = ("past", "forecast")
    for mode in modes:
        frame, log_config = stage.shown(mode)
        group = interval_group(np.full(len(truth), mode), nothing, frame.X[FILLED].to_numpy() > 0)
        _collect(out, group, Scored(truth, np.exp(log_config), station), stage.usable)
    every = max(1, int(np.ceil(stage.usable.sum() / PRODUCT_ROWS)))
    part = stage.frame.rows(np.flatnonzero(stage.usable)[::every])
    parts = [
        Scored(part.target()[rows], point, part.keys["site_id"].to_numpy(dtype=str)[rows])
        for rows, point in leave_one_product_out(part, parameters).values()
    ]
    if parts:
        out[NEW_PRODUCT] = joined(parts)
    return out


def calibrate(
    scored: dict[str, Scored], seed: int
) -> tuple[dict[str, Conformal], dict[str, dict[str, float]]]:
    """Calibrate every group on half of its stations and measure coverage on the other half.

    Raises
    ------
    InsufficientDataError
        There are too few held-out stations for any interval.
    """
    intervals, evidence = {}, {}
    for name, rows in scored.items():
        stations = np.unique(rows.station)
        drawn = np.random.default_rng(seed).permutation(stations)[: (len(stations) + 1) // 2]
        first = np.isin(rows.station, drawn)
        if len(stations) < 2 or min(first.sum(), (~first).sum()) < MIN_GROUP / 2:
            continue
        intervals[name] = Conformal.calibrate(rows.truth[first], rows.point[first], COVERAGE, "relative")
        lower, upper = intervals[name].interval(rows.point[~first])
        evidence[name] = {
            "coverage": metrics.coverage(rows.truth[~first], lower, upper),
            "width_pct": metrics.relative_width(lower, upper, rows.truth[~first]),
            "wmape": metrics.wmape(rows.truth, rows.point),
            "rows": float((~first).sum()),
            "stations": float(len(stations)),
        }
    if "prior" not in intervals:
        raise InsufficientDataError(
            "E-STATION-CALIBRATION",
            say("too few measured stations to calibrate an interval"),
            "",
            say("give at least {min_group} measured hours of at least 2 stations", min_group=MIN_GROUP),
        )
    return intervals, evidence


def fit_station_model(
    frame: FeatureFrame, offset: int, *, seed: int, parameters: GbmParameters = PARAMETERS,
    correction: GbmParameters = CORRECTION, report: Report = lambda _what, _share: None,
) -> tuple[StationModel, dict[str, dict[str, float]], Stage]:  # fmt: skip
    """Fit both stages of one quantity.

    Parameters
    ----------
    frame : FeatureFrame
        From `features.base_station.build` with clock offset `offset`.
    seed : int
    parameters, correction : GbmParameters
        Of the first and of the second stage.

    Returns
    -------
    tuple
        Model, evidence (group -> measured coverage, width, error) and the first stage's answers.

    Raises
    ------
    InsufficientDataError
        Too few stations or measured hours.
    """
    parameters, correction = parameters.with_(seed=seed), correction.with_(seed=seed)
    report(say("fit configuration model"), 0.05)
    stage = first_stage(frame, parameters)
    report(say("prove second stage on held-out hours"), 0.2)
    scored = score_held_out(
        stage, hold_out(frame, stage.usable, np.random.default_rng(seed)), correction, seed
    )
    report(say("prove new stations and products"), 0.62)
    scored |= score_new_stations(stage, parameters)
    intervals, evidence = calibrate(scored, seed)
    report(say("fit second stage"), 0.7)
    corrections = fit_corrections(stage, stage.usable, correction, seed)
    known = stage.hours(stage.usable)
    model = StationModel(
        frame.quantity, offset, dict(frame.categories or {}), stage.config, corrections, intervals,
        training_ranges(frame), known,
    )  # fmt: skip
    report(say("done"), 1.0)
    return model, evidence, stage
