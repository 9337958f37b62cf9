"""A grey-box plant: physics as the trend, and trees on what it leaves.

Trees are flat outside what they have seen and need many rows for a slope; a plant is smooth with a few
kinks. Facility power and PUE are predicted through the overhead, facility power less IT power [kW]: that
is where the physics is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.data_centre import LOADS
from features.errors import ModelError
from features.frame import FeatureFrame, FloatArray
from features.message import say
from models.baselines import Linear, check_hash
from models.block_ridge import BlockRidge, fit_block_ridge
from models.conditional_mean import ConditionalMean
from models.gbm import Gbm, GbmParameters
from models.plant_terms import SINKS, PlantTerms

IT = "it_power_kw"
ALPHAS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
_RHYTHM = ("hour_sin", "hour_cos", "weekend", "dry_bulb_day_mean_c")


class GreyBox:
    """Linear trend + physical terms + LightGBM, each on the residual of those before.

    Outside the training range only the trend goes on: the terms see the nearest value inside.

    Parameters
    ----------
    name : str
    parameters : GbmParameters or None
        Of the trees.
    physics : bool
        False: trees alone, on the overhead. Where a plant switches more than it bends they err otherwise.
    """

    def __init__(
        self,
        name: str = "grey box + LightGBM",
        parameters: GbmParameters | None = None,
        physics: bool = True,
    ) -> None:
        self.name = name
        self.physical = physics
        self.trees = Gbm("residual", parameters)
        self.trend = Linear("trend")
        self.hash = ""
        self.inputs: ConditionalMean | None = None
        self.terms: PlantTerms | None = None
        self.physics: BlockRidge | None = None

    def fit(self, frame: FeatureFrame) -> Self:
        """Fit the parts one after the other on the measured rows.

        Raises
        ------
        features.errors.ModelError
            No row can be used.
        """
        known = frame.measured()
        self.inputs = ConditionalMean.learn(known.X)
        self.hash = frame.hash
        whole = self._filled(known)
        y = inner_of(whole, known.target())
        usable = np.isfinite(y)
        if not usable.any():
            raise ModelError("E-MODEL-ROWS", say("{name}: no row with a load above zero", name=self.name))
        whole, y = whole.rows(usable), y[usable]
        left = self._fit_physics(whole, y) if self.physical else y
        self.trees.fit(replace(whole, y=pd.Series(left)))
        return self

    def _fit_physics(self, whole: FeatureFrame, y: FloatArray) -> FloatArray:
        """Fit trend and terms, and return what they leave."""
        straight = _straight(whole)
        left = y - self.trend.fit(replace(straight, y=pd.Series(y))).predict(straight)
        self.terms = PlantTerms.learn(whole.X)
        terms, penalty = self.terms(whole.X), self.terms.penalty(whole.X)
        self.physics = fit_block_ridge(
            terms, left, _weeks(whole), alpha=ALPHAS, draws=0, seed=0, penalty=penalty
        )
        return left - self.physics.predict(terms)

    def predict(self, frame: FeatureFrame) -> FloatArray:
        """Return the prediction [unit of the quantity] per row; NaN for a PUE without IT power."""
        if not self.hash:
            raise ModelError("E-MODEL-NOT-FITTED", say("{name} was not fitted", name=self.name))
        check_hash(self.hash, frame)
        whole = self._filled(frame)
        inner = self.trees.predict(whole)
        if self.terms is not None and self.physics is not None:
            inner = inner + self.trend.predict(_straight(whole)) + self.physics.predict(self.terms(whole.X))
        return outer_of(whole, inner)

    def _filled(self, frame: FeatureFrame) -> FeatureFrame:
        """Return the frame with every missing input at its conditional mean.

        Trees that saw no gap in training would read one as zero.
        """
        if self.inputs is None:
            raise ModelError("E-MODEL-NOT-FITTED", say("{name} was not fitted", name=self.name))
        return self.inputs.filled(frame)

    def to_parts(self, file: str, texts: dict[str, str]) -> dict[str, Any]:
        """Return the JSON part and put the trees' text into `texts`."""
        if self.inputs is None:
            raise ModelError("E-MODEL-NOT-FITTED", say("{name} was not fitted", name=self.name))
        about: dict[str, Any] = {
            "name": self.name,
            "hash": self.hash,
            "inputs": self.inputs.to_dict(),
            "physics": None,
        }
        if self.terms is not None and self.physics is not None:
            about["physics"] = {
                "linear": self.trend.to_dict(),
                "terms": self.terms.to_dict(),
                "ridge": self.physics.to_dict(),
            }
        return about | self.trees.to_parts(file, texts)

    @classmethod
    def from_parts(cls, about: dict[str, Any], file: str, texts: dict[str, str]) -> GreyBox:
        """Rebuild from `to_parts`."""
        physics = about["physics"]
        model = cls(about["name"], physics=physics is not None)
        model.hash = about["hash"]
        model.inputs = ConditionalMean.from_dict(about["inputs"])
        model.trees = Gbm.from_parts(about, file, texts)
        if physics is not None:
            model.trend = Linear.from_dict(physics["linear"])
            model.terms = PlantTerms.from_dict(physics["terms"])
            model.physics = BlockRidge.from_dict(physics["ridge"])
        return model


def _overhead(frame: FeatureFrame) -> bool:
    return frame.quantity in ("facility_power_kw", "pue") and IT in frame.X


def inner_of(frame: FeatureFrame, target: FloatArray) -> FloatArray:
    """Return what is modelled: the overhead [kW] where IT power is known, else the quantity itself."""
    if not _overhead(frame):
        return target
    it: FloatArray = frame.X[IT].to_numpy(dtype=np.float64)
    if frame.quantity == "pue":
        return np.where(it > 0, (target - 1.0) * it, np.nan)
    return target - it


def outer_of(frame: FeatureFrame, inner: FloatArray) -> FloatArray:
    """Return the quantity from what is modelled."""
    if not _overhead(frame):
        return inner
    it: FloatArray = frame.X[IT].to_numpy(dtype=np.float64)
    if frame.quantity == "pue":
        return 1.0 + inner / np.where(it > 0, it, np.nan)
    return inner + it


def _straight(frame: FeatureFrame) -> FeatureFrame:
    """Return load and weather: what lies outside the training range of a set-point is not guessed at."""
    kept = {*LOADS, *(f"{n}_before" for n in LOADS), *SINKS, *_RHYTHM}
    return replace(frame, X=frame.X[[n for n in frame.names if n in kept]])


def _weeks(frame: FeatureFrame) -> npt.NDArray[np.int64]:
    stamps = frame.keys["timestamp"]
    weeks: npt.NDArray[np.int64] = ((stamps - stamps.min()) // pd.Timedelta(weeks=1)).to_numpy(np.int64)
    return weeks
