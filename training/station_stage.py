"""The two stages of a station model, fitted: what proofs, curves and the final model share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.base_station import TEXT_COLUMNS, recode, with_expected_work
from features.frame import FeatureFrame, FloatArray
from models.gbm import Gbm, GbmParameters
from models.station_config import (
    PARAMETERS,
    WORKERS,
    ConfigModel,
    log_target,
    measured,
)  # fmt: skip
from models.station_fingerprint import BoolArray, IntArray
from models.station_power import (
    MODES,
    KnownHours,
    Mode,
    correction_frame,
    signatures,
    station_hours,
)  # fmt: skip

COVERAGE = 0.9
HELD_RANDOM = 0.15
HELD_TAIL = 0.15
FIRST_HOURS = 60
DAY = pd.Timedelta(days=1)
FAR = 10.0
"""Robust standard deviations from the middle beyond which a reading teaches no more than one that far."""
MIN_LABEL_HOURS = 24
"""Measured hours that make a product or a radio mode one that was seen."""


def taught_labels(frame: FeatureFrame) -> FeatureFrame:
    """Return the frame coded by the labels of which enough hours were measured; others are unknown."""
    usable = measured(frame)
    kept = {}
    for name in TEXT_COLUMNS:
        labels = (frame.categories or {}).get(name, [])
        hours = frame.X[name][usable].value_counts()
        kept[name] = [label for code, label in enumerate(labels) if hours.get(code, 0) >= MIN_LABEL_HOURS]
    return recode(frame, kept)


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
    frame = taught_labels(frame)
    config = ConfigModel(parameters).fit(frame)
    expected = with_expected_work(frame)
    return Stage(
        frame, expected, sorted(str(s) for s in frame.keys["site_id"].unique()), config,
        config.predict_log(frame), config.predict_log(expected), measured(frame),
    )  # fmt: skip


def hold_out(
    frame: FeatureFrame, usable: BoolArray, rng: np.random.Generator,
    shares: tuple[float, float] = (HELD_RANDOM, HELD_TAIL),
) -> tuple[BoolArray, BoolArray]:  # fmt: skip
    """Return (random hours, last hours of each station) that are kept back, by `shares`; shape (rows,)."""
    site = frame.keys["site_id"]
    count = pd.Series(usable.astype(np.int64)).groupby(site)
    order, total = count.cumsum().to_numpy(), count.transform("sum").to_numpy()
    tail = usable & (order > np.ceil((1 - shares[1]) * total)) & (total >= 2)
    scattered = usable & ~tail & (rng.random(len(site)) < shares[0])
    return scattered, tail


def within_a_day(frame: FeatureFrame, known: BoolArray) -> BoolArray:
    """Return which rows lie at most a day after the last known hour of their station, shape (rows,)."""
    stamps, site = frame.keys["timestamp"], frame.keys["site_id"]
    origin = site.map(stamps[known].groupby(site[known]).max())
    return np.asarray(stamps - origin <= DAY)


def thin(stage: Stage, teaching: BoolArray, rng: np.random.Generator, most: int | None = None) -> BoolArray:
    """Return a part of the teaching rows such that stations keep few to all of theirs."""
    site = stage.frame.keys["site_id"]
    total = pd.Series(teaching.astype(np.int64)).groupby(site).transform("sum")
    draw = pd.Series(rng.random(len(stage.names)), index=stage.names)
    top = total if most is None else total.clip(upper=most)
    keep = np.exp(site.map(draw).to_numpy() * np.log(np.maximum(top.to_numpy(), 1)))  # log-uniform in 1..n
    shuffled = pd.Series(np.where(teaching, rng.random(len(site)), np.inf)).groupby(site).rank(method="first")
    return np.asarray(teaching & (shuffled.to_numpy() <= np.maximum(np.round(keep), 1)))


def first_hours(stage: Stage, teaching: BoolArray, rng: np.random.Generator) -> BoolArray:
    """Return each station's first teaching hours, 1 to `FIRST_HOURS` of them, drawn per station."""
    site = stage.frame.keys["site_id"]
    order = pd.Series(teaching.astype(np.int64)).groupby(site).cumsum().to_numpy()
    draw = pd.Series(np.exp(rng.random(len(stage.names)) * np.log(FIRST_HOURS)), index=stage.names)
    return np.asarray(teaching & (order <= np.maximum(np.round(site.map(draw).to_numpy()), 1)))


def fit_correction(
    stage: Stage, teaching: BoolArray, mode: Mode, rng: np.random.Generator, parameters: GbmParameters,
    most: int | None = None,
) -> Gbm:  # fmt: skip
    """Fit one second stage on fingerprints that leave each row out.

    Views of the teaching rows are stacked: the full history, history hidden for hours around the row (long
    gaps), thinned history (stations with few measured hours) and, where only the past is known, the first
    hours of every station alone (a meter that was read for a day, long ago). At most `most` of the teaching
    rows have a view; all of them are history.
    """
    rows = np.flatnonzero(teaching)
    if most is not None and len(rows) > most:
        rows = np.sort(rng.choice(rows, most, replace=False))
    history = stage.hours(teaching)
    tables = [stage.table(rows, history, mode)]
    some = np.sort(rng.choice(rows, max(1, int(0.4 * len(rows))), replace=False))
    longest = 4 if mode == "around" else 36
    hidden = (60 * rng.integers(1, longest + 1, len(some))).astype(np.int64)
    tables.append(stage.table(some, history, mode, hidden))
    some = np.sort(rng.choice(rows, max(1, int(0.25 * len(rows))), replace=False))
    tables.append(stage.table(some, stage.hours(thin(stage, teaching, rng)), mode))
    if mode != "around":
        some = np.sort(rng.choice(rows, max(1, int(0.25 * len(rows))), replace=False))
        tables.append(stage.table(some, stage.hours(first_hours(stage, teaching, rng)), mode))
    stacked = _stack(tables)
    told = _bounded(stacked.rows(stacked.X["n"].to_numpy() > 0))
    return Gbm(f"correction {mode}", parameters).fit(told)


def _bounded(frame: FeatureFrame) -> FeatureFrame:
    """Return the frame with its targets within `FAR`: one spike of a meter would bend trees for everyone."""
    y = frame.target()
    middle = np.median(y)
    reach = FAR * 1.4826 * np.median(np.abs(y - middle))
    return replace(frame, y=pd.Series(np.clip(y, middle - reach, middle + reach)))


def _stack(tables: list[FeatureFrame]) -> FeatureFrame:
    return replace(
        tables[0],
        keys=pd.concat([t.keys for t in tables], ignore_index=True),
        X=pd.concat([t.X for t in tables], ignore_index=True),
        y=pd.concat([t.y for t in tables if t.y is not None], ignore_index=True),
    )


def fit_corrections(
    stage: Stage, teaching: BoolArray, parameters: GbmParameters, seed: int,
    modes: tuple[Mode, ...] = MODES, most: int | None = None,
) -> dict[Mode, Gbm]:  # fmt: skip
    """Fit the second stages of the modes side by side."""
    with ThreadPoolExecutor(WORKERS) as pool:
        models = pool.map(
            lambda mode: fit_correction(stage, teaching, mode, np.random.default_rng(seed), parameters, most),
            modes,
        )
    return dict(zip(modes, models, strict=True))
