"""The kinds of learned models that the store knows: a new candidate is one class and one line here.

Models made of other models stand here too, for they store their parts by kind.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np

from features.errors import InsufficientDataError
from features.frame import FeatureFrame, FloatArray
from features.message import say
from models.base import Learner
from models.baselines import Linear
from models.chiller_plant import ChillerPlant
from models.cold_start import ColdStart
from models.gbm import Gbm, LinearPlusGbm
from models.grey_box import GreyBox
from models.it_load import ItLoad
from models.meter_sum import MeterSum


class Anchored:
    """A model of the difference from a slow reference, such as last week's mean.

    Load grows and seasons turn: the reference carries the level, the model only the shape.

    Parameters
    ----------
    inner : models.base.Learner
    column : str
        Feature that holds the reference [unit of the quantity].
    name : str
        ``""``: the inner model's.
    """

    def __init__(self, inner: Learner, column: str, name: str = "") -> None:
        self.name = name or inner.name
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

    def to_parts(self, file: str, texts: dict[str, str]) -> dict[str, Any]:
        """Return the JSON part and put the inner model's texts into `texts`."""
        return {"column": self.column, "inner": to_parts(self.inner, file, texts), "name": self.name}

    @classmethod
    def from_parts(cls, about: dict[str, Any], file: str, texts: dict[str, str]) -> Anchored:
        """Rebuild from `to_parts`."""
        return cls(from_parts(about["inner"], file, texts), about["column"], about["name"])


class MeanOf:
    """The mean of several models: what errs in different ways errs less together.

    Parameters
    ----------
    name : str
    parts : list of Learner
    """

    def __init__(self, name: str, parts: list[Learner]) -> None:
        self.name = name
        self.parts = parts
        self._given: set[str] = set()

    def taking(self, fitted: dict[str, Learner]) -> Self:
        """Let the next fit take parts of these names as they are: they were fitted on the same rows."""
        self._given = {p.name for p in self.parts} & set(fitted)
        self.parts = [fitted.get(p.name, p) for p in self.parts]
        return self

    def fit(self, frame: FeatureFrame) -> Self:
        """Fit every part on the measured rows."""
        for part in self.parts:
            if part.name not in self._given:
                part.fit(frame)
        self._given = set()
        return self

    def predict(self, frame: FeatureFrame) -> FloatArray:
        """Return the mean [unit of the quantity] of the parts that have an answer, NaN where none has."""
        answers = np.stack([part.predict(frame) for part in self.parts])
        known = np.isfinite(answers)
        count = known.sum(axis=0)
        total = np.where(known, answers, 0.0).sum(axis=0)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    def to_parts(self, file: str, texts: dict[str, str]) -> dict[str, Any]:
        """Return the JSON part and put the texts of all parts into `texts`."""
        parts = [to_parts(p, f"part{i}-{file}", texts) for i, p in enumerate(self.parts)]
        return {"name": self.name, "parts": parts}

    @classmethod
    def from_parts(cls, about: dict[str, Any], file: str, texts: dict[str, str]) -> MeanOf:
        """Rebuild from `to_parts`."""
        return cls(
            about["name"], [from_parts(p, f"part{i}-{file}", texts) for i, p in enumerate(about["parts"])]
        )


class Selected:
    """A model that sees a part of the features only.

    Parameters
    ----------
    inner : Learner
    columns : tuple of str
        Features that it sees; those that a frame lacks do not exist for it.
    """

    def __init__(self, inner: Learner, columns: tuple[str, ...]) -> None:
        self.name = inner.name
        self.inner = inner
        self.columns = columns

    def fit(self, frame: FeatureFrame) -> Self:
        """Fit the inner model on its part of the features."""
        self.inner.fit(self._seen(frame))
        return self

    def predict(self, frame: FeatureFrame) -> FloatArray:
        """Return the inner model's prediction [unit of the quantity] per row."""
        return self.inner.predict(self._seen(frame))

    def _seen(self, frame: FeatureFrame) -> FeatureFrame:
        return replace(frame, X=frame.X[[c for c in self.columns if c in frame.X]])

    def to_parts(self, file: str, texts: dict[str, str]) -> dict[str, Any]:
        """Return the JSON part and put the inner model's texts into `texts`."""
        return {"columns": list(self.columns), "inner": to_parts(self.inner, file, texts)}

    @classmethod
    def from_parts(cls, about: dict[str, Any], file: str, texts: dict[str, str]) -> Selected:
        """Rebuild from `to_parts`."""
        return cls(from_parts(about["inner"], file, texts), tuple(about["columns"]))


KINDS: dict[str, type[Learner]] = {
    "anchored": Anchored,
    "mean": MeanOf,
    "selected": Selected,
    "chiller plant": ChillerPlant,
    "cold start": ColdStart,
    "linear": Linear,
    "gbm": Gbm,
    "linear+gbm": LinearPlusGbm,
    "grey-box": GreyBox,
    "it-load": ItLoad,
    "meter sum": MeterSum,
}
"""Kind, as stored -> class."""


def to_parts(model: Learner, file: str, texts: dict[str, str]) -> dict[str, Any]:
    """Return a model's JSON part with its kind and put its trees' texts into `texts`.

    Parameters
    ----------
    model : Learner
        Fitted, of one of the `KINDS`.
    file : str
        Name for the texts; a model with several derives theirs from it.
    texts : dict
        File name -> LightGBM text; added to.

    Raises
    ------
    TypeError
        The model's class is not registered.
    """
    kind = next((kind for kind, one in KINDS.items() if type(model) is one), None)
    if kind is None:
        raise TypeError(f"{type(model).__name__} is not registered in models.learners.KINDS")
    return {"kind": kind, **model.to_parts(file, texts)}


def from_parts(about: dict[str, Any], file: str, texts: dict[str, str]) -> Learner:
    """Rebuild a fitted model from `to_parts`."""
    return KINDS[about["kind"]].from_parts(about, file, texts)
