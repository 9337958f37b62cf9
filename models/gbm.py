"""LightGBM behind the common interface, alone or on the residual of a linear trend."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Self

import lightgbm as lgb
import numpy as np

from features.errors import InsufficientDataError, ModelError
from features.frame import FeatureFrame, FloatArray
from features.message import say
from models.baselines import Linear, check_hash


@dataclass(frozen=True)
class GbmParameters:
    """Hyper-parameters of one LightGBM model; ``log_target`` fits the logarithm of a positive target."""

    rounds: int = 200
    learning_rate: float = 0.05
    num_leaves: int = 31
    min_data_in_leaf: int = 20
    feature_fraction: float = 0.9
    bagging_fraction: float = 0.9
    lambda_l2: float = 1.0
    objective: str = "regression"
    log_target: bool = False
    seed: int = 0
    threads: int = 1

    def with_(self, **changes: object) -> GbmParameters:
        """Return a copy with some parameters changed."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def lightgbm(self) -> dict[str, object]:
        """Return LightGBM's own parameter dictionary (deterministic for the seed)."""
        return {
            "objective": self.objective, "learning_rate": self.learning_rate, "num_leaves": self.num_leaves,
            "min_data_in_leaf": self.min_data_in_leaf, "feature_fraction": self.feature_fraction,
            "bagging_fraction": self.bagging_fraction, "bagging_freq": 1, "lambda_l2": self.lambda_l2,
            "seed": self.seed, "num_threads": self.threads, "deterministic": True, "force_row_wise": True,
            "verbosity": -1,
        }  # fmt: skip


class Gbm:
    """Gradient-boosted trees.

    Parameters
    ----------
    name : str
    parameters : GbmParameters
    monotone : dict
        Feature name -> +1 or -1 where physics fixes the direction.
    """

    def __init__(
        self,
        name: str = "LightGBM",
        parameters: GbmParameters | None = None,
        monotone: dict[str, int] | None = None,
    ) -> None:
        self.name = name
        self.parameters = parameters or GbmParameters()
        self.monotone = dict(monotone or {})
        self.hash = ""
        self.booster: lgb.Booster | None = None

    def fit(self, frame: FeatureFrame) -> Self:
        """Fit on the measured rows."""
        known = frame.measured()
        target = known.target()
        if self.parameters.log_target:
            known, target = known.rows(target > 0), target[target > 0]
            target = np.log(target)
        self.booster = self._train(known, target)
        self.hash = frame.hash
        return self

    def _train(self, frame: FeatureFrame, target: FloatArray) -> lgb.Booster:
        parameters = self.parameters.lightgbm()
        if self.monotone:
            parameters["monotone_constraints"] = [self.monotone.get(n, 0) for n in frame.names]
        data = lgb.Dataset(
            frame.X.to_numpy(), label=target, feature_name=frame.names,
            categorical_feature=[frame.names.index(n) for n in frame.categories or {} if n in frame.names],
            free_raw_data=True,
        )  # fmt: skip
        return lgb.train(parameters, data, num_boost_round=self.parameters.rounds)

    def predict(self, frame: FeatureFrame) -> FloatArray:
        """Return the prediction [unit of the quantity] per row."""
        if self.booster is None:
            raise ModelError("E-MODEL-NOT-FITTED", say("{name} was not fitted", name=self.name))
        check_hash(self.hash, frame)
        raw = np.asarray(
            self.booster.predict(frame.X.to_numpy(), num_threads=self.parameters.threads), dtype=np.float64
        )
        return np.exp(raw) if self.parameters.log_target else raw

    def to_files(self) -> tuple[dict[str, object], str]:
        """Return (JSON part, LightGBM text) for the model store."""
        if self.booster is None:
            raise ModelError("E-MODEL-NOT-FITTED", say("{name} was not fitted", name=self.name))
        about: dict[str, object] = {
            "name": self.name, "parameters": asdict(self.parameters),
            "monotone": self.monotone, "hash": self.hash,
        }  # fmt: skip
        return about, self.booster.model_to_string()

    @classmethod
    def from_files(cls, about: dict[str, object], text: str) -> Gbm:
        """Rebuild from `to_files`; the text must have passed its checksum first."""
        model = cls(str(about["name"]), GbmParameters(**about["parameters"]), about["monotone"])  # type: ignore[arg-type]
        model.hash = str(about["hash"])
        model.booster = lgb.Booster(model_str=text)
        return model


class LinearPlusGbm:
    """A linear trend that extrapolates, corrected by trees fitted on its residual.

    Trees alone are flat outside what they have seen; the trend carries on.
    """

    def __init__(self, name: str = "linear + LightGBM", parameters: GbmParameters | None = None) -> None:
        self.name = name
        self.linear = Linear("trend")
        self.trees = Gbm("residual", parameters)

    def fit(self, frame: FeatureFrame) -> Self:
        """Fit the trend, then the trees on what it leaves."""
        known = frame.measured()
        self.linear.fit(known)
        residual = known.target() - self.linear.predict(known)
        self.trees.booster = self.trees._train(known, residual)
        self.trees.hash = frame.hash
        return self

    def predict(self, frame: FeatureFrame) -> FloatArray:
        """Return trend plus correction [unit of the quantity] per row."""
        return self.linear.predict(frame) + self.trees.predict(frame)


class Anchored:
    """A model of the difference from a slow reference, such as last week's mean.

    Load grows and seasons turn: the reference carries the level, the model only the shape.

    Parameters
    ----------
    inner : Linear, Gbm or LinearPlusGbm
    column : str
        Feature that holds the reference [unit of the quantity].
    """

    def __init__(self, inner: Linear | Gbm | LinearPlusGbm, column: str) -> None:
        self.name = inner.name
        self.inner = inner
        self.column = column

    def fit(self, frame: FeatureFrame) -> Self:
        """Fit the inner model on the rows that have a reference.

        Raises
        ------
        InsufficientDataError
            There are none.
        """
        known = frame.measured()
        known = known.rows(known.X[self.column].notna().to_numpy())
        if not len(known):
            raise InsufficientDataError(
                "E-ANCHOR-ROWS",
                say(
                    "no row of {quantity} has measured values in the week before it", quantity=frame.quantity
                ),
                frame.quantity,
                say("export the meter at every step"),
            )
        self.inner.fit(replace(known, y=known.y - known.X[self.column]))  # type: ignore[operator]
        return self

    def predict(self, frame: FeatureFrame) -> FloatArray:
        """Return reference plus difference [unit of the quantity]; NaN without a reference."""
        reference: FloatArray = frame.X[self.column].to_numpy(dtype=np.float64)
        return self.inner.predict(frame) + reference
