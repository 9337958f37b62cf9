"""A bundle: every model that one training run fitted, behind one interface."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from features.issues import DataIssue
from features.telemetry import Telemetry
from models.prediction import Prediction, Task
from models.store import ModelCard, load, save

Progress = Callable[[str, float], None]
"""Called with what is being done and the share done (0..1)."""


class Bundle(Protocol):
    """What ``advisor train`` makes and ``predict`` and ``advise`` use."""

    @property
    def card(self) -> ModelCard:
        """What made the models and how good they are."""
        ...

    def predict(self, telemetry: Telemetry, task: Task) -> tuple[list[Prediction], list[DataIssue]]:
        """Return one prediction per quantity, and what had to be said about the data.

        Raises
        ------
        features.errors.ModelError
            The data lack the features that the models were fitted on.
        """
        ...

    def to_files(self) -> dict[str, str]:
        """Return file name -> text for the model store."""
        ...


def save_bundle(bundle: Bundle, directory: Path) -> ModelCard:
    """Write a bundle and return its sealed card."""
    return save(directory, bundle.card, bundle.to_files())


def load_bundle(directory: Path) -> Bundle:
    """Read a bundle whose files pass their checksums.

    Raises
    ------
    features.errors.ModelError
        See `models.store.load`.
    """
    card, files = load(directory)
    if card.kind == "data-centre":
        from models.data_centre import DataCentreBundle  # noqa: PLC0415 - only the kind in use is imported

        return DataCentreBundle.from_files(card, files)
    from models.base_station import BaseStationBundle  # noqa: PLC0415

    return BaseStationBundle.from_files(card, files)
