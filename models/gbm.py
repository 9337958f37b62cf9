"""LightGBM behind the common interface, alone or on the residual of a linear trend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Self

import lightgbm as lgb
import numpy as np

from features.errors import ModelError
from features.frame import FeatureFrame, FloatArray
from features.message import say
from models.baselines import Linear, check_hash
from models.search_space import FloatRange, IntRange

BINNED_ROWS = 20_000
"""Rows that limits of bins are read from: their quantiles are as good as those of all, and quicker."""


@dataclass(frozen=True)
class GbmParameters:
    """Hyper-parameters of one LightGBM model; ``log_target`` fits the logarithm of a positive target.

    A field with a range is one that tuning may change.
    """

    rounds: Annotated[int, IntRange(50, 800, log=True)] = 200
    learning_rate: Annotated[float, FloatRange(0.01, 0.2, log=True)] = 0.05
    num_leaves: Annotated[int, IntRange(4, 127, log=True)] = 31
    min_data_in_leaf: Annotated[int, IntRange(5, 200, log=True)] = 20
    feature_fraction: Annotated[float, FloatRange(0.3, 1.0)] = 0.9
    bagging_fraction: Annotated[float, FloatRange(0.5, 1.0)] = 0.9
    lambda_l2: Annotated[float, FloatRange(0.001, 100.0, log=True)] = 1.0
    max_bin: int = 255
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
            "max_bin": self.max_bin, "bin_construct_sample_cnt": BINNED_ROWS, "seed": self.seed,
            "num_threads": self.threads, "deterministic": True, "force_row_wise": True, "verbosity": -1,
        }  # fmt: skip


@dataclass(frozen=True)
class TreeData:
    """What trees are fitted on.

    Parameters
    ----------
    X : numpy.ndarray, shape (rows, features)
    y : numpy.ndarray, shape (rows,)
    names : list of str
        Of the features.
    categorical : list of int
        Positions of the features that are codes.
    """

    X: FloatArray
    y: FloatArray
    names: list[str]
    categorical: list[int]


Trainer = Callable[[TreeData, dict[str, object], int], lgb.Booster]
"""(data, LightGBM's parameters, rounds) -> fitted trees."""


def train_here(data: TreeData, parameters: dict[str, object], rounds: int) -> lgb.Booster:
    """Fit trees in this process."""
    table = lgb.Dataset(
        data.X, label=data.y, feature_name=data.names, categorical_feature=data.categorical,
        free_raw_data=True,
    )  # fmt: skip
    return lgb.train(parameters, table, num_boost_round=rounds)


_TRAINERS: list[Trainer] = [train_here]


@contextmanager
def trained_by(trainer: Trainer) -> Iterator[None]:
    """Let another engine fit the trees of every `Gbm` of this process, in all its threads, for a while."""
    _TRAINERS.append(trainer)
    try:
        yield
    finally:
        _TRAINERS.remove(trainer)


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
        categorical = [frame.names.index(n) for n in frame.categories or {} if n in frame.names]
        data = TreeData(frame.X.to_numpy(), target, frame.names, categorical)
        return _TRAINERS[-1](data, parameters, self.parameters.rounds)

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

    def to_parts(self, file: str, texts: dict[str, str]) -> dict[str, Any]:
        """Return the JSON part and put the trees' text into `texts`."""
        trees, texts[file] = self.to_files()
        return {"trees": trees}

    @classmethod
    def from_parts(cls, about: dict[str, Any], file: str, texts: dict[str, str]) -> Gbm:
        """Rebuild from `to_parts`."""
        return cls.from_files(about["trees"], texts[file])


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

    def to_parts(self, file: str, texts: dict[str, str]) -> dict[str, Any]:
        """Return the JSON part and put the trees' text into `texts`."""
        return {"linear": self.linear.to_dict(), **self.trees.to_parts(file, texts)}

    @classmethod
    def from_parts(cls, about: dict[str, Any], file: str, texts: dict[str, str]) -> LinearPlusGbm:
        """Rebuild from `to_parts`."""
        both = cls()
        both.linear, both.trees = Linear.from_dict(about["linear"]), Gbm.from_parts(about, file, texts)
        return both
