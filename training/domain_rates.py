"""How often the training domain says "outside" where it should, and where it should not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations, product

import numpy as np

from features.data_centre import LEVERS, LOADS, WEATHER
from features.frame import FeatureFrame, FloatArray
from features.message import Message, say
from features.operation import BoolArray
from models.domain import DAY_BEFORE, Domain, combinable, has_lever

BEYOND = 0.1
"""A value this share of the training range outside must be called so."""
KEPT = (0.8, 0.7, 0.6)
"""Quantiles at which training is cut in turn, until rows lie far enough beyond."""
LEAST_ROWS = 30

Row = dict[str, object]


def domain_rates(past: FeatureFrame, test: FeatureFrame, *, problem: str, split: str) -> list[Row]:
    """Measure hits and false alarms of the domain learned from `past`.

    Parameters
    ----------
    past, test : FeatureFrame
        Rows to learn from, and held-out rows of the same site.
    problem, split : str
        For the table.

    Returns
    -------
    list of dict
        `training.result.DOMAIN_COLUMNS`. Held-out rows whose weather or set-point lies more than a tenth of
        the training range outside are hits; all others whose inputs are mostly known are candidates for a
        false alarm, also those whose load or plant temperature has never been seen. Left-out values and
        pairs are simulated: rows beyond a quantile are removed from training, and rows more than a tenth of
        the remaining range farther out (of both ranges for a pair) must be called outside.
    """
    domain = Domain.learn(past)
    outside = ~domain.contains(test)
    names = [n for n in past.names if n.removesuffix(DAY_BEFORE) in (*WEATHER, *LEVERS)]
    X, seen = test.X[names].to_numpy(), past.X[names].to_numpy()
    low, high = np.nanmin(seen, axis=0), np.nanmax(seen, axis=0)
    span = high - low
    far = ((low - BEYOND * span > X) | (high + BEYOND * span < X)).any(axis=1)
    loads = [n for n in test.names if n in LOADS]  # a row without load is outside because nothing is known
    told = (test.X.notna().mean(axis=1) >= 0.75).to_numpy() & test.X[loads].notna().all(axis=1).to_numpy()
    found: list[tuple[Message, BoolArray]] = [
        (say("false alarm: {split}", split=split), outside[~far & told]),
        (say("hit: weather or set-point beyond the range, {split}", split=split), outside[far]),
        (say("hit: left-out values (simulated)"), _joined(_left_out_values(past, names))),
        (
            say("hit: left-out pairs with a set-point (simulated)"),
            _joined(_left_out_pairs(past, levers=True)),
        ),
        (
            say("hit: left-out pairs of weather and load (simulated)"),
            _joined(_left_out_pairs(past, levers=False)),
        ),
    ]
    return [
        {
            "problem": problem,
            "quantity": test.quantity,
            "what": what,
            "rate": float(hit.mean()),
            "rows": len(hit),
        }
        for what, hit in found
        if len(hit)
    ]


def _joined(parts: Iterator[BoolArray]) -> BoolArray:
    return np.concatenate([np.zeros(0, dtype=bool), *parts])


def _left_out_values(frame: FeatureFrame, names: list[str]) -> Iterator[BoolArray]:
    """Yield, per input and side, whether rows beyond what was kept are called outside."""
    for name, side in product(names, (1.0, -1.0)):
        value = side * frame.X[name].to_numpy()
        for share in KEPT:
            edge = np.nanquantile(value, share)
            kept = value <= edge
            span = edge - np.nanmin(value)
            beyond = value > edge + BEYOND * span
            if span > 0 and beyond.sum() >= LEAST_ROWS:
                yield _outside(frame, kept, beyond, [])
                break


def _left_out_pairs(frame: FeatureFrame, *, levers: bool) -> Iterator[BoolArray]:
    """Yield, per pair of main inputs and corner left out, whether rows deep in it are called outside."""
    pairs = [p for p in combinations(combinable(frame.names), 2) if any(map(has_lever, p)) == levers]
    for pair in pairs:
        for sides in product((1.0, -1.0), repeat=2):
            values = [side * frame.X[name].to_numpy() for name, side in zip(pair, sides, strict=True)]
            corner = _both(values, lambda v: v > np.nanquantile(v, 0.7))
            deep = _both(
                values, lambda v: v > np.nanquantile(v, 0.7) + BEYOND * (np.nanmax(v) - np.nanmin(v))
            )
            if deep.sum() >= LEAST_ROWS:
                yield _outside(frame, ~corner, deep, list(pair))


def _both(values: list[FloatArray], holds: Callable[[FloatArray], BoolArray]) -> BoolArray:
    return np.logical_and(*(holds(v) for v in values))


def _outside(frame: FeatureFrame, kept: BoolArray, asked: BoolArray, pair: list[str]) -> BoolArray:
    return ~Domain.learn(frame.rows(kept), combined=pair).contains(frame.rows(asked))
