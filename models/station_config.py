"""First stage: the energy of a station from its configuration and its work, without its identity.

A linear trend of the logarithm in physical terms (antennas, bandwidth, power, load, sleep) carries on
where trees are flat, so that a product never seen still gets a sensible level; LightGBM corrects it on
what it leaves. Stations are dealt into folds and every fold has its own model: a station that was in
the training data is predicted by the model that never saw it, so that the residuals the second stage
learns from are honest; a new station gets the mean of all folds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.base_station import CONFIGURATION, LOAD, SLEEP_COLUMNS
from features.errors import InsufficientDataError, ModelError
from features.frame import FeatureFrame, FloatArray
from models.baselines import Linear
from models.gbm import Gbm, GbmParameters

FOLDS = 5
PARAMETERS = GbmParameters(rounds=200, objective="regression_l1")


def measured(frame: FeatureFrame) -> npt.NDArray[np.bool_]:
    """Return which rows can teach: a positive measured energy and a known load; shape (rows,)."""
    return np.asarray((frame.target() > 0) & frame.X[LOAD].notna().to_numpy())


def log_target(frame: FeatureFrame) -> FloatArray:
    """Return the logarithm of the measured energy; NaN where it is not positive; shape (rows,)."""
    y = frame.target()
    return np.log(y, where=y > 0, out=np.full(len(y), np.nan))


def trend_frame(frame: FeatureFrame) -> FeatureFrame:
    """Return the physical terms of the trend with the logarithm of the energy as target.

    Product and frequency band names are left out on purpose: a trend over them cannot be extended.
    """
    X = frame.X
    size = {name: np.log(X[name].where(X[name] > 0)) for name in ("antennas_total", "bandwidth_total", "cells")}
    load = X[LOAD]
    terms = pd.DataFrame(
        {
            **{f"log_{name}": values for name, values in size.items()},
            "tx_power_max": X["tx_power_max"],
            "log_frequency": np.log(X["frequency_rel"].where(X["frequency_rel"] > 0)),
            "radio_mode": X["radio_mode"],
            "load": load,
            "load_squared": load**2,
            "load_antennas": load * size["antennas_total"],
            **{name: X[name] for name in SLEEP_COLUMNS},
        }
    )
    y = None if frame.y is None else pd.Series(log_target(frame))
    return FeatureFrame(
        frame.keys, terms.astype(np.float64), frame.quantity, y,
        {"radio_mode": (frame.categories or {}).get("radio_mode", [])},
    )  # fmt: skip


class ConfigModel:
    """Cross-fitted trend plus LightGBM.

    Parameters
    ----------
    parameters : GbmParameters
    folds : int
    """

    name = "configuration model"

    def __init__(self, parameters: GbmParameters = PARAMETERS, folds: int = FOLDS) -> None:
        self.parameters = parameters
        self.folds = folds
        self.fold_of: dict[str, int] = {}
        self.trends: list[Linear] = []
        self.trees: list[Gbm] = []

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
                f"{len(known)} measured hours of {len(stations)} stations are too few",
                frame.quantity,
                "give at least 2 stations and 50 measured hours with loads",
            )
        folds = min(self.folds, len(stations))
        order = np.random.default_rng(self.parameters.seed).permutation(len(stations))
        self.fold_of = {stations[s]: int(i % folds) for i, s in enumerate(order)}
        fold = known.keys["site_id"].map(self.fold_of).to_numpy()
        self.trends, self.trees = [], []
        for k in range(folds):
            trend, trees = fit_trend_and_trees(known.rows(fold != k), self.parameters)
            self.trends.append(trend)
            self.trees.append(trees)
        return self

    def predict_log(self, frame: FeatureFrame) -> FloatArray:
        """Return the logarithm of the predicted energy, shape (rows,).

        A station of the training data is answered by the fold that did not see it.
        """
        if not self.trees:
            raise ModelError("E-MODEL-NOT-FITTED", f"{self.name} was not fitted")
        fold = frame.keys["site_id"].map(self.fold_of).fillna(-1).to_numpy(dtype=np.intp)
        out = np.zeros(len(frame))
        for k, (trend, trees) in enumerate(zip(self.trends, self.trees, strict=True)):
            rows = (fold == k) | (fold == -1)
            if rows.any():
                share = np.where(fold[rows] == -1, 1.0 / len(self.trees), 1.0)
                out[rows] += share * predict_trend_and_trees(frame.rows(rows), trend, trees)
        return out

    def to_files(self, prefix: str) -> tuple[dict[str, Any], dict[str, str]]:
        """Return (JSON part, file name -> LightGBM text) for the model store."""
        about: dict[str, Any] = {"fold_of": self.fold_of, "trends": [t.to_dict() for t in self.trends], "trees": []}
        files = {}
        for k, trees in enumerate(self.trees):
            part, files[f"{prefix}.config{k}.txt"] = trees.to_files()
            about["trees"].append(part)
        return about, files

    @classmethod
    def from_files(cls, prefix: str, about: dict[str, Any], files: dict[str, str]) -> ConfigModel:
        """Rebuild a fitted model from `to_files`."""
        model = cls(folds=len(about["trees"]))
        model.fold_of = {str(k): int(v) for k, v in about["fold_of"].items()}
        model.trends = [Linear.from_dict(raw) for raw in about["trends"]]
        model.trees = [
            Gbm.from_files(raw, files[f"{prefix}.config{k}.txt"]) for k, raw in enumerate(about["trees"])
        ]
        model.parameters = model.trees[0].parameters
        return model


def fit_trend_and_trees(frame: FeatureFrame, parameters: GbmParameters) -> tuple[Linear, Gbm]:
    """Fit one trend on log energy and the trees on its residual."""
    terms = trend_frame(frame)
    trend = Linear("trend").fit(terms)
    residual = pd.Series(terms.target() - trend.predict(terms))
    return trend, Gbm("residual", parameters).fit(replace(frame, y=residual))


def predict_trend_and_trees(frame: FeatureFrame, trend: Linear, trees: Gbm) -> FloatArray:
    """Return trend plus correction, the logarithm of the energy, shape (rows,)."""
    return trend.predict(trend_frame(frame)) + trees.predict(frame)


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
    out = {}
    for code in stations.index[stations >= min_stations]:
        inside = usable & (product == code)
        outside = usable & ~inside
        if frame.keys["site_id"][outside].nunique() < 2:
            continue
        trend, trees = fit_trend_and_trees(frame.rows(outside), parameters)
        unseen = frame.rows(inside)
        unseen = replace(unseen, X=unseen.X.assign(ru_type=np.nan))  # its name is unknown to the model
        out[float(code)] = (np.flatnonzero(inside), np.exp(predict_trend_and_trees(unseen, trend, trees)))
    return out


def training_ranges(frame: FeatureFrame) -> dict[str, tuple[float, float]]:
    """Return the range of every numeric configuration feature and of the load over usable rows."""
    known = frame.X[measured(frame)]
    names = [n for n in (*CONFIGURATION, LOAD) if n not in (frame.categories or {}) and known[n].notna().any()]
    return {n: (float(known[n].min()), float(known[n].max())) for n in names}
