"""A model that knows what to do when the load meter is silent."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import numpy as np

from features.data_centre import LOADS, PLANT, UNIT_MARK, Recipe, changes_of, means_of
from features.frame import FeatureFrame, FloatArray
from features.operation import BoolArray
from models.base import Learner
from models.baselines import check_hash
from models.gbm import GbmParameters, LinearPlusGbm

WITHOUT_ROUNDS = 100
"""Weather and calendar alone carry less detail than a load does."""


class LoadGap:
    """The chosen model where the load was measured, a second one without load or plant elsewhere.

    Trees fitted on rows with a load send a missing one to wherever they happened to send none: the
    second model has never seen a load and is calibrated for that.

    Parameters
    ----------
    inner : models.base.Learner
    needs : tuple of str
        Features without which the inner model says nothing sensible.
    parameters : GbmParameters
        Of the second model.
    """

    def __init__(
        self, inner: Learner, needs: tuple[str, ...], parameters: GbmParameters | None = None
    ) -> None:
        self.name = inner.name
        self.inner = inner
        self.needs = needs
        self.without = LinearPlusGbm(
            "without load", (parameters or GbmParameters()).with_(rounds=WITHOUT_ROUNDS)
        )
        self.hash = ""

    def fit(self, frame: FeatureFrame, without: LinearPlusGbm | None = None) -> Self:
        """Fit both on the measured rows, the inner one on those with a load.

        Parameters
        ----------
        frame : FeatureFrame
        without : LinearPlusGbm or None
            The second model, if it was already fitted on these rows.
        """
        known = frame.measured()
        self.inner.fit(known.rows(~self.missing(known)))
        self.without = without or self.without.fit(self.reduced(known))
        self.hash = frame.hash
        return self

    def predict(self, frame: FeatureFrame) -> FloatArray:
        """Return the prediction [unit of the quantity] per row."""
        check_hash(self.hash, frame)
        missing = self.missing(frame)
        if not missing.any():
            return self.inner.predict(frame)
        return np.where(missing, self.without.predict(self.reduced(frame)), self.inner.predict(frame))

    def missing(self, frame: FeatureFrame) -> BoolArray:
        """Return the rows whose load is not known, shape (rows,)."""
        return np.asarray(frame.X[list(self.needs)].isna().any(axis=1))

    def reduced(self, frame: FeatureFrame) -> FeatureFrame:
        """Return the frame without load and plant."""
        dropped = {*LOADS, *PLANT, *(f"{name}_before" for name in LOADS)}
        dropped |= {change for name in (*LOADS, *PLANT) for change in changes_of(name)}
        dropped |= {mean for name in LOADS for mean in means_of(name)}
        kept = [n for n in frame.names if n not in dropped and UNIT_MARK not in n]
        return replace(frame, X=frame.X[kept])


def needed_loads(recipe: Recipe) -> tuple[str, ...]:
    """Return the loads that an estimate rests on; none for a forecast or without a load meter."""
    return (
        tuple(c for c in recipe.columns if c.split(UNIT_MARK)[0] in LOADS)
        if recipe.task == "estimate"
        else ()
    )
