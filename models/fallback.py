"""What answers where no learned model earned its place: a past value, named as such."""

from __future__ import annotations

from typing import Self

import numpy as np

from features.errors import ModelError
from features.frame import FeatureFrame, FloatArray
from features.message import say
from models.baselines import LAST_WEEK, YESTERDAY, PastValue

PAST = {"same hour yesterday": (YESTERDAY, LAST_WEEK), "same hour last week": (LAST_WEEK, YESTERDAY)}
"""Name -> columns of ``FeatureFrame.baselines`` in the order in which they are asked."""


class Fallback:
    """A past value behind the interface of a learned model.

    Where it is missing the other one of `PAST` answers; where both are, the answer is NaN.

    Parameters
    ----------
    name : str
        A key of `PAST`.
    """

    def __init__(self, name: str) -> None:
        if name not in PAST:
            raise ModelError("E-MODEL-FALLBACK", say("{name!r} is no past value that can answer", name=name))
        self.name = name

    def fit(self, frame: FeatureFrame) -> Self:
        """Nothing to learn; returns self."""
        del frame
        return self

    def predict(self, frame: FeatureFrame) -> FloatArray:
        """Return the past value [unit of the quantity] per row."""
        first, second = (PastValue(c, c).predict(frame) for c in PAST[self.name])
        return np.where(np.isfinite(first), first, second)
