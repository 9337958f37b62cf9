"""Has the model seen anything like this row? Ranges of single inputs, and combinations of the main ones.

A row is outside if one of its inputs lies beyond the training range by more than a margin, if a category is
one that was never seen, or if two of its main inputs (set-points, weather, load) lie farther from every pair
of them ever seen together than held-out weeks of the training time do. Calendar, running means and the
target's own past drift in every series and are not judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.ndimage import distance_transform_edt

from features.data_centre import LEVERS, LOADS
from features.frame import FeatureFrame, FloatArray
from features.operation import BoolArray
from features.schema import SCHEMA

IntArray = npt.NDArray[np.int64]
MARGIN = 0.09
"""Share of an input's training range by which it may lie outside: a tenth is told for sure."""
CALENDAR = ("hour_sin", "hour_cos", "hour", "day_of_week", "weekend")
DAY_BEFORE = "_yesterday"
COMBINED = (*LEVERS, "outdoor_dry_bulb_c", "outdoor_wet_bulb_c", "wet_bulb_from_rh_c", *LOADS)
"""Inputs whose combination is judged, as they are or of the day before."""
CELL, BORDER = 0.02, 0.2
"""Grid of combinations: width of a cell and margin around the ranges [share of the ranges]."""
SIDE = round((1 + 2 * BORDER) / CELL)
FOLDS = 4
ALARM = 0.01
"""Share of the rows of held-out weeks that all pairs together may call outside."""
NEAREST, FARTHEST = 0.09, 0.12
"""Bounds of the radius of a pair with a set-point [share of the ranges]: near a tenth, as for one input."""
NATURAL = 0.15
"""Radius without a set-point: nobody chooses weather and load, and every season brings a little more."""
LEAST_ROWS = 200


@dataclass(frozen=True)
class Pair:
    """Where two inputs were seen together, on a grid of `CELL` of their ranges.

    Parameters
    ----------
    names : tuple of str
    low, span : tuple of float
        Start and width of both ranges [unit of the input].
    cells : tuple of int
        Numbers of the cells with rows, ascending.
    radius : float
        Farthest distance from such a cell that still counts as seen [share of the ranges].
    """

    names: tuple[str, str]
    low: tuple[float, float]
    span: tuple[float, float]
    cells: tuple[int, ...]
    radius: float

    @classmethod
    def learn(cls, frame: FeatureFrame, names: tuple[str, str], alarm: float) -> Pair | None:
        """Learn from measured rows with both inputs; None where there are few, or one never changes."""
        X = frame.X[list(names)].to_numpy(dtype=np.float64)
        known = np.isfinite(X).all(axis=1)
        if known.sum() < LEAST_ROWS:
            return None
        X, week = X[known], _weeks(frame)[known]
        low, span = X.min(axis=0), np.ptp(X, axis=0)
        if not (span > 1e-9).all():
            return None
        cell = _cells((X - low) / span)
        radius = NATURAL
        if any(has_lever(name) for name in names):
            radius = float(np.clip(_held_out_distance(cell, week, alarm), NEAREST, FARTHEST))
        pair = (float(low[0]), float(low[1])), (float(span[0]), float(span[1]))
        return cls(names, *pair, tuple(np.unique(cell).tolist()), radius)

    def like(self, frame: FeatureFrame) -> BoolArray:
        """Return whether the pair lies near one seen; True where an input is unknown, shape (rows,)."""
        X = frame.X[list(self.names)].to_numpy(dtype=np.float64)
        known = np.isfinite(X).all(axis=1)
        inside = np.ones(len(X), dtype=bool)
        cell = _cells((X[known] - np.array(self.low)) / np.array(self.span))
        inside[known] = _distances(np.array(self.cells))[cell] <= self.radius
        return inside


@dataclass(frozen=True)
class Domain:
    """What a model has seen: ranges of inputs, categories, combinations.

    Parameters
    ----------
    low, high : dict
        Input -> bounds with margin [unit of the input].
    categories : dict
        Input -> labels seen.
    pairs : tuple of Pair
    """

    low: dict[str, float]
    high: dict[str, float]
    categories: dict[str, list[str]] = field(default_factory=dict)
    pairs: tuple[Pair, ...] = ()

    @classmethod
    def learn(
        cls,
        frame: FeatureFrame,
        categories: Sequence[str] = (),
        inputs: Sequence[str] | None = None,
        combined: Sequence[str] | None = None,
    ) -> Domain:
        """Learn from the frame's measured rows.

        Parameters
        ----------
        frame : FeatureFrame
        categories : sequence of str
            Categorical features whose unseen (or unknown) label is outside; others are not judged.
        inputs : sequence of str or None
            Numeric features whose range is judged; None: canonical columns, of the step or of the day
            before, because what is computed from them can only repeat what they say.
        combined : sequence of str or None
            Features whose combination is judged; None: the main inputs of a data centre, if there are any.
        """
        known = frame.measured()
        text = frame.categories or {}
        wanted = (
            [n for n in known.names if n.removesuffix(DAY_BEFORE) in SCHEMA] if inputs is None else inputs
        )
        names = [n for n in wanted if n not in text]
        low, high = known.X[names].min(), known.X[names].max()
        margin = MARGIN * (high - low)
        there = low.notna()
        labels = {
            n: [text[n][int(code)] for code in np.unique(known.X[n].dropna().to_numpy())] for n in categories
        }
        both = list(combinations(combinable(known.names) if combined is None else combined, 2))
        found = [Pair.learn(known, pair, ALARM / len(both)) for pair in both]
        return cls(
            {str(n): float(v) for n, v in (low - margin)[there].items()},
            {str(n): float(v) for n, v in (high + margin)[there].items()},
            labels,
            tuple(p for p in found if p is not None),
        )

    def contains(self, frame: FeatureFrame) -> BoolArray:
        """Return whether a row is like what was seen, shape (rows,).

        It is not, either, where fewer than half of its inputs, or no load, are known.
        """
        names = [n for n in self.low if n in frame.X]
        X = frame.X[names].to_numpy()
        low, high = np.array([self.low[n] for n in names]), np.array([self.high[n] for n in names])
        outside = np.less(X, low) | np.greater(X, high)
        told = frame.X.drop(columns=list(CALENDAR), errors="ignore").notna().to_numpy()
        enough = told.mean(axis=1) >= 0.5 if told.shape[1] else np.ones(len(frame), dtype=bool)
        loads = [names.index(n) for n in LOADS if n in names]
        loaded = np.isfinite(X[:, loads]).any(axis=1) if loads else np.ones(len(frame), dtype=bool)
        inside: BoolArray = ~outside.any(axis=1) & enough & loaded
        for name, seen in self.categories.items():
            labels = (frame.categories or {}).get(name, [])
            codes = [labels.index(label) for label in seen if label in labels]
            inside &= frame.X[name].isin(codes).to_numpy()
        for pair in self.pairs:
            inside &= pair.like(frame)
        return inside

    def to_dict(self) -> dict[str, Any]:
        """Return the fields for the model store."""
        return {
            "low": self.low, "high": self.high, "categories": self.categories,
            "pairs": [vars(pair) for pair in self.pairs],
        }  # fmt: skip

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Domain:
        """Rebuild from `to_dict`."""
        pairs = tuple(
            Pair(tuple(p["names"]), tuple(p["low"]), tuple(p["span"]), tuple(p["cells"]), p["radius"])
            for p in raw["pairs"]
        )
        return cls(raw["low"], raw["high"], raw["categories"], pairs)


def combinable(names: Sequence[str]) -> list[str]:
    """Return the names whose combination is judged, in their order."""
    return [n for n in names if n.removesuffix(DAY_BEFORE) in COMBINED]


def has_lever(name: str) -> bool:
    """Return whether a feature is a set-point, of the step or of the day before."""
    return name.removesuffix(DAY_BEFORE) in LEVERS


def _cells(place: FloatArray) -> IntArray:
    """Return the cell numbers of places given as shares of the ranges, shape (rows, 2)."""
    index = np.floor((np.clip(place, -BORDER, 1 + BORDER) + BORDER) / CELL).astype(np.int64)
    index = np.minimum(index, SIDE - 1)
    numbers: IntArray = index[:, 0] * SIDE + index[:, 1]
    return numbers


def _distances(cells: IntArray) -> FloatArray:
    """Return every cell's distance from the nearest of some cells [share of the ranges]."""
    empty = np.ones(SIDE * SIDE, dtype=bool)
    empty[cells] = False
    away: FloatArray = distance_transform_edt(empty.reshape(SIDE, SIDE)).ravel() * CELL
    return away


def _held_out_distance(cell: IntArray, week: FloatArray, alarm: float) -> float:
    """Return the distance that all but a share of the rows of held-out weeks keep to what is left."""
    codes = pd.factorize(week)[0]
    nearest = []
    for k in range(FOLDS):
        out = codes % FOLDS == k
        if out.any() and not out.all():
            nearest.append(_distances(cell[~out])[cell[out]])
    return float(np.quantile(np.concatenate(nearest), 1 - alarm)) if nearest else 0.0


def _weeks(frame: FeatureFrame) -> FloatArray:
    since = frame.keys["timestamp"] - pd.Timestamp("1970-01-05", tz="UTC")
    return np.asarray(since // pd.Timedelta(weeks=1), dtype=np.float64)
