"""First stage: the energy of a station from its configuration and its work, without its identity.

A trend of the logarithm in physical terms (`models.station_trend`) carries on where trees are flat, so that
a product never seen still gets a sensible level; LightGBM corrects it on what it leaves. Half of the answer
comes from LightGBM alone: on products left out in turn the mean of the two errs less than either, because
the trend can run away and the trees cannot follow. A product of which few stations were measured is too
little for trees: the trend's effect of that product then has its say.

Stations are dealt into folds and every fold has its own model: a station that was in the training data is
predicted by the model that never saw it, so that the residuals the second stage learns from are honest; a
new station gets the mean of all folds.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.base_station import LOAD
from features.errors import InsufficientDataError, ModelError
from features.frame import FeatureFrame, FloatArray
from features.message import say
from models.gbm import Gbm, GbmParameters
from models.station_trend import StationTrend, physical_terms

FOLDS = 5
BEYOND = float(np.log(2.0))
"""How far the logarithm may go beyond the energies of the training data: a trend must not run away."""
EFFECTS, ENOUGH = 0.66, 5.0
"""Share of the trend with its effects where few stations of the product were measured, and the number of
stations at which it is half of that."""
WORKERS = 2
"""Fits side by side. Each uses one thread: LightGBM's own threads wait for each other on a busy machine."""
PARAMETERS = GbmParameters(rounds=100, learning_rate=0.15, objective="regression_l1", threads=1)


def measured(frame: FeatureFrame) -> npt.NDArray[np.bool_]:
    """Return which rows can teach: a positive measured energy and a known load; shape (rows,)."""
    return np.asarray((frame.target() > 0) & frame.X[LOAD].notna().to_numpy())


def log_target(frame: FeatureFrame) -> FloatArray:
    """Return the logarithm of the measured energy; NaN where it is not positive; shape (rows,)."""
    y = frame.target()
    return np.log(y, where=y > 0, out=np.full(len(y), np.nan))


def trend_frame(frame: FeatureFrame) -> FeatureFrame:
    """Return what a linear model of a station is given: physical terms, configuration, load per product.

    This is the baseline that our own trend (`models.station_trend`) must beat; the target is the logarithm
    of the energy.
    """
    products = (frame.categories or {}).get("ru_type", [])
    terms = physical_terms(frame)
    own = frame.X["ru_type"].to_numpy()[:, None] == np.arange(len(products))
    slopes = pd.DataFrame(
        own * terms["load"].to_numpy()[:, None], columns=[f"load_{name}" for name in products]
    )
    text = frame.X[["ru_type", "radio_mode"]].reset_index(drop=True)
    X = pd.concat([terms.reset_index(drop=True), slopes, text], axis=1).astype(np.float64)
    y = None if frame.y is None else pd.Series(log_target(frame))
    return FeatureFrame(frame.keys, X, frame.quantity, y, dict(frame.categories or {}))


@dataclass(frozen=True)
class ConfigFold:
    """Trend, trees on what its population part leaves, and trees alone: logarithms of the energy."""

    trend: StationTrend
    residual: Gbm
    plain: Gbm

    @classmethod
    def fit(cls, frame: FeatureFrame, parameters: GbmParameters) -> ConfigFold:
        """Fit all three on rows that can teach."""
        y = log_target(frame)
        trend = StationTrend().fit(frame, y)
        return cls(
            trend,
            Gbm("residual", parameters).fit(replace(frame, y=pd.Series(y - trend.predict(frame)[0]))),
            Gbm("plain", parameters).fit(replace(frame, y=pd.Series(y))),
        )

    def predict_log(self, frame: FeatureFrame) -> FloatArray:
        """Return the logarithm of the energy, shape (rows,)."""
        population, effects = self.trend.predict(frame)
        trees = 0.5 * (population + self.residual.predict(frame) + self.plain.predict(frame))
        stations = self.trend.measured_stations(frame)
        share = np.where(stations > 0, EFFECTS * ENOUGH / (ENOUGH + stations), 0.0)
        return np.asarray(share * effects + (1 - share) * trees)


class ConfigModel:
    """Cross-fitted trend plus LightGBM.

    Parameters
    ----------
    parameters : GbmParameters
    folds : int
        At most; every fold needs a station.
    """

    name = "configuration model"

    def __init__(self, parameters: GbmParameters = PARAMETERS, folds: int = FOLDS) -> None:
        self.parameters = parameters
        self.folds = folds
        self.fold_of: dict[str, int] = {}
        self.fitted: list[ConfigFold] = []
        self.bounds: tuple[float, float] = (-np.inf, np.inf)

    def fit(self, frame: FeatureFrame) -> Self:
        """Fit one model per fold of stations on the rows that can teach.

        Raises
        ------
        InsufficientDataError
            Fewer than two stations or fewer than 50 usable rows.
        """
        known = frame.rows(measured(frame))
        stations = sorted(known.keys["site_id"].unique())
        if len(stations) < 2 or len(known) < 50:
            raise InsufficientDataError(
                "E-STATION-ROWS",
                say(
                    "{hours} measured hours of {stations} stations are too few",
                    hours=len(known),
                    stations=len(stations),
                ),
                frame.quantity,
                say("give at least 2 stations and 50 measured hours with loads"),
            )
        target = log_target(known)
        self.bounds = (float(target.min()) - BEYOND, float(target.max()) + BEYOND)
        folds = min(self.folds, len(stations))
        order = np.random.default_rng(self.parameters.seed).permutation(len(stations))
        self.fold_of = {stations[s]: int(i % folds) for i, s in enumerate(order)}
        fold = known.keys["site_id"].map(self.fold_of).to_numpy()
        with ThreadPoolExecutor(WORKERS) as pool:
            self.fitted = list(
                pool.map(lambda k: ConfigFold.fit(known.rows(fold != k), self.parameters), range(folds))
            )
        return self

    def predict_log(self, frame: FeatureFrame) -> FloatArray:
        """Return the logarithm of the predicted energy, shape (rows,).

        A station of the training data is answered by the fold that did not see it.
        """
        if not self.fitted:
            raise ModelError("E-MODEL-NOT-FITTED", say("{name} was not fitted", name=self.name))
        fold = frame.keys["site_id"].map(self.fold_of).fillna(-1).to_numpy(dtype=np.intp)
        out = np.zeros(len(frame))
        for k, model in enumerate(self.fitted):
            rows = (fold == k) | (fold == -1)
            if rows.any():
                share = np.where(fold[rows] == -1, 1.0 / len(self.fitted), 1.0)
                out[rows] += share * model.predict_log(frame.rows(rows))
        return np.clip(out, *self.bounds)

    def to_files(self, prefix: str) -> tuple[dict[str, Any], dict[str, str]]:
        """Return (JSON part, file name -> LightGBM text) for the model store."""
        files: dict[str, str] = {}
        folds: list[dict[str, Any]] = []
        for k, model in enumerate(self.fitted):
            residual, files[f"{prefix}.config{k}.residual.txt"] = model.residual.to_files()
            plain, files[f"{prefix}.config{k}.plain.txt"] = model.plain.to_files()
            folds.append({"trend": model.trend.to_dict(), "residual": residual, "plain": plain})
        return {"fold_of": self.fold_of, "bounds": list(self.bounds), "folds": folds}, files

    @classmethod
    def from_files(cls, prefix: str, about: dict[str, Any], files: dict[str, str]) -> ConfigModel:
        """Rebuild a fitted model from `to_files`."""
        model = cls(folds=len(about["folds"]))
        model.fold_of = {str(k): int(v) for k, v in about["fold_of"].items()}
        model.bounds = (float(about["bounds"][0]), float(about["bounds"][1]))
        model.fitted = [
            ConfigFold(
                StationTrend.from_dict(raw["trend"]),
                Gbm.from_files(raw["residual"], files[f"{prefix}.config{k}.residual.txt"]),
                Gbm.from_files(raw["plain"], files[f"{prefix}.config{k}.plain.txt"]),
            )
            for k, raw in enumerate(about["folds"])
        ]
        model.parameters = model.fitted[0].plain.parameters
        return model


def leave_one_product_out(
    frame: FeatureFrame, parameters: GbmParameters, min_stations: int = 10
) -> dict[float, tuple[npt.NDArray[np.intp], FloatArray]]:
    """Predict every radio-unit product by a model that never saw it.

    Parameters
    ----------
    frame : FeatureFrame
    parameters : GbmParameters
    min_stations : int
        Products with fewer stations are not scored.

    Returns
    -------
    dict
        Product code -> (row positions, predicted energy [unit of the quantity]).
    """
    usable = measured(frame)
    product = frame.X["ru_type"].to_numpy()
    stations = frame.keys["site_id"][usable].groupby(product[usable]).nunique()

    def score(code: float) -> tuple[float, npt.NDArray[np.intp], FloatArray] | None:
        inside = usable & (product == code)
        outside = usable & ~inside
        if frame.keys["site_id"][outside].nunique() < 2:
            return None
        unseen = frame.rows(inside)
        unseen = replace(unseen, X=unseen.X.assign(ru_type=np.nan))  # its name is unknown to the model
        model = ConfigFold.fit(frame.rows(outside), parameters)
        return code, np.flatnonzero(inside), np.exp(model.predict_log(unseen))

    with ThreadPoolExecutor(WORKERS) as pool:
        scored = pool.map(score, [float(c) for c in stations.index[stations >= min_stations]])
    return {one[0]: (one[1], one[2]) for one in scored if one is not None}
