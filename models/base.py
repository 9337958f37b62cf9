"""The interface that learned models and baselines share."""

from __future__ import annotations

from typing import Any, Protocol, Self

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


class Learner(Regressor, Protocol):
    """A learned model that can be stored as JSON numbers and LightGBM texts.

    A new one is a class with these methods and a line in `models.learners.KINDS`.
    """

    def to_parts(self, file: str, texts: dict[str, str]) -> dict[str, Any]:
        """Return the JSON part and put the texts of trees into `texts` under `file`.

        Raises
        ------
        features.errors.ModelError
            Not fitted.
        """
        ...

    @classmethod
    def from_parts(cls, about: dict[str, Any], file: str, texts: dict[str, str]) -> Self:
        """Rebuild the fitted model from `to_parts`."""
        ...
