"""Rows of the backtest of stations: errors and intervals of one model on one split, ours or a baseline."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.base_station import LOAD
from features.frame import FeatureFrame, FloatArray
from models import metrics
from models.baselines import Linear
from models.gbm import Gbm
from models.station_config import PARAMETERS, measured, trend_frame
from models.station_interval import HeldOutHours, swapped_bounds
from training.result import BACKTEST_COLUMNS
from training.station_stage import COVERAGE

OURS = "configuration + own meter"
SITE_MEAN, STATION_LINEAR, LINEAR, LIGHTGBM = "site mean", "linear per station", "linear", "LightGBM"
Row = dict[str, object]
Bounds = tuple[FloatArray, FloatArray]


@dataclass(frozen=True)
class Split:
    """What a row of the backtest is about, and the block that the bootstrap of its coverage draws.

    Parameters
    ----------
    problem, split : str
    scored : FeatureFrame
        Rows with their measured energies.
    block : numpy.ndarray of str, shape (rows,), or None
        None: the station.
    """

    problem: str
    split: str
    scored: FeatureFrame
    block: npt.NDArray[np.str_] | None = None

    @property
    def blocks(self) -> npt.NDArray[np.str_]:
        """Block of every row."""
        stations: npt.NDArray[np.str_] = self.scored.keys["site_id"].to_numpy(dtype=str)
        return stations if self.block is None else self.block


def row_of(split: Split, model: str, point: FloatArray, bounds: Bounds | None) -> Row:
    """Return one row of the table.

    Parameters
    ----------
    split : Split
    model : str
    point : numpy.ndarray, shape (rows,)
        Predicted energy [unit of the quantity], NaN where the model says nothing.
    bounds : tuple of numpy.ndarray or None
        Interval of every row [unit of the quantity].
    """
    truth = split.scored.target()
    intervals = (
        metrics.no_interval()
        if bounds is None
        else metrics.interval_columns(truth, *bounds, COVERAGE, split.blocks)
    )
    return {
        "problem": split.problem, "split": split.split, "quantity": split.scored.quantity, "model": model,
        "ours": model == OURS, **metrics.score_table(truth, point), **intervals,
    }  # fmt: skip


def baseline_rows(
    split: Split, answers: dict[str, FloatArray], seed: int, *, bounded: bool = True
) -> list[Row]:
    """Return a row per baseline, with intervals from the conformal layer that ours has.

    Parameters
    ----------
    split : Split
    answers : dict
        Model -> predicted energy of the scored rows [unit of the quantity].
    seed : int
    bounded : bool
        Whether intervals are made.
    """
    rows = []
    for model, point in answers.items():
        bounds = flattered_bounds(split.scored, point, seed) if bounded else None
        rows.append(row_of(split, model, point, bounds))
    return rows


def flattered_bounds(scored: FeatureFrame, point: FloatArray, seed: int) -> Bounds:
    """Return bounds that were calibrated on the other half of the very stations that are scored."""
    lower, upper = np.full(len(point), np.nan), np.full(len(point), np.nan)
    rows = np.flatnonzero(np.isfinite(point) & (point > 0) & (scored.target() > 0))
    if len(rows):
        part = scored.rows(rows)
        table = FeatureFrame(part.keys, part.X, part.quantity, None, part.categories)
        held = HeldOutHours(table, part.target(), point[rows], np.full(len(rows), "any"))
        lower[rows], upper[rows] = swapped_bounds(held, COVERAGE, seed)
    return lower, upper


def table_of(rows: list[Row]) -> pd.DataFrame:
    """Return the rows as the backtest's table."""
    return pd.DataFrame(rows)[list(BACKTEST_COLUMNS)].reset_index(drop=True)


def config_answers(taught: FeatureFrame, scored: FeatureFrame) -> dict[str, FloatArray]:
    """Return linear and plain LightGBM predictions without the station's identity; shape (rows,)."""
    taught = taught.rows(measured(taught))
    plain = Gbm(LIGHTGBM, PARAMETERS.with_(log_target=True, objective="regression_l1"))
    return {
        LINEAR: np.exp(Linear().fit(trend_frame(taught)).predict(trend_frame(scored))),
        LIGHTGBM: plain.fit(taught).predict(scored),
    }


class StationLinear:
    """Energy = a + b load per station; the mean slope of all stations where one has too few hours."""

    name = STATION_LINEAR

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


def hide(frame: FeatureFrame, rows: npt.NDArray[np.bool_]) -> FeatureFrame:
    """Return the frame without the measured energies of some rows."""
    return replace(frame, y=frame.y.where(~rows) if frame.y is not None else None)
