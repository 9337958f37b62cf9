"""Splits by time: never a random row."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from features.errors import InsufficientDataError
from features.frame import FeatureFrame
from features.message import say
from features.operation import BoolArray

FOLDS = 3
FIRST_SHARE = 0.4
"""Share of the time span that the first fold trains on."""


@dataclass(frozen=True)
class TimeFold:
    """Rows to train on, all of them older than the rows to test on."""

    train: BoolArray
    test: BoolArray


def rolling_origin(frame: FeatureFrame, folds: int = FOLDS, least: int = 48) -> list[TimeFold]:
    """Return folds whose origin rolls forward over the frame's time span.

    Parameters
    ----------
    frame : FeatureFrame
        Sorted by time within a site; the folds cut the common time axis.
    folds : int
    least : int
        Fewest rows on each side.

    Raises
    ------
    InsufficientDataError
        Not even one fold has enough rows on both sides.
    """
    stamps = frame.keys["timestamp"]
    start, span = stamps.min(), stamps.max() - stamps.min()
    edges = [start + span * s for s in np.linspace(FIRST_SHARE, 1.0, folds + 1)]
    edges[-1] = edges[-1] + span / max(len(stamps), 1)  # the last row is inside
    result = []
    for begin, end in pairwise(edges):
        fold = TimeFold((stamps < begin).to_numpy(), ((stamps >= begin) & (stamps < end)).to_numpy())
        if fold.train.sum() >= least and fold.test.sum() >= least:
            result.append(fold)
    if not result:
        raise InsufficientDataError(
            "E-SPLIT-ROWS",
            say("{count} measured rows are too few to hold some back by time", count=len(frame)),
            frame.quantity,
            say("give at least {least} measured rows", least=6 * least),
        )
    return result
