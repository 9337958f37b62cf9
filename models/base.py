"""The interface that learned models and baselines share."""

from __future__ import annotations

from typing import Protocol, Self

from features.frame import FeatureFrame, FloatArray


class Regressor(Protocol):
    """A point predictor of one quantity: baselines and learned models alike.

    Units are those of the frame's quantity. ``predict`` returns NaN where the model has
    nothing to say (for example no value a week ago).
    """

    name: str

    def fit(self, frame: FeatureFrame) -> Self:
        """Learn from the frame's measured rows and return self."""
        ...

    def predict(self, frame: FeatureFrame) -> FloatArray:
        """Return one value per row, shape (rows,).

        Raises
        ------
        features.errors.ModelError
            Not fitted, or the frame has another feature hash.
        """
        ...
