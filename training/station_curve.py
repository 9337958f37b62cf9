"""How fast a station that was not in the training data is known: error against its own measured hours."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from features.frame import FeatureFrame, FloatArray
from models.baselines import SiteMean
from models.prediction import Prediction
from models.station_config import measured
from models.station_fingerprint import BoolArray
from models.station_power import StationModel
from training.station_power import DEFAULTS, Parameters, fit_for_strangers
from training.station_rows import (
    OURS,
    SITE_MEAN,
    STATION_LINEAR,
    Row,
    Split,
    StationLinear,
    baseline_rows,
    config_answers,
    hide,
    row_of,
)

FIRST = (0, 1, 3, 6, 12, 24, 48)
"""Measured hours of a new station: its first ones, as a user has them."""
RANDOM = (1, 6, 24)
"""The same many hours, spread over the station's record."""
FOLDS = 3
EVERY = 3
"""Every which of the other hours is scored: neighbours say the same."""
BOUNDED = (0, 1, 24)
"""Numbers of hours at which the baselines get intervals too."""


def new_station_rows(
    frame: FeatureFrame,
    offset: int,
    seed: int,
    report: Callable[[float], None],
    parameters: Parameters = DEFAULTS,
) -> tuple[list[Row], tuple[int, int]]:
    """Score stations in folds, with 0 to 48 of their own hours measured.

    Both stages, their intervals and the baselines are fitted on the other folds' stations.

    Parameters
    ----------
    frame : FeatureFrame
    offset : int
        Clock offset of the exports [intervals].
    seed : int
    report : callable
        Gets the share that is done.
    parameters : tuple of GbmParameters
        Of the first and of the second stage.

    Returns
    -------
    tuple
        Rows of the table; rows of stations of known products that were called out of domain, and all.
    """
    known = frame.rows(measured(frame))
    station = known.keys["site_id"].to_numpy(dtype=str)
    names = np.random.default_rng(seed + 2).permutation(np.unique(station))
    fold = pd.Series(np.arange(len(names)) % FOLDS, index=names)[station].to_numpy()
    collected: dict[tuple[str, int], list[tuple[FeatureFrame, dict[str, FloatArray], Prediction]]] = {}
    for k in range(FOLDS):
        held = known.rows(fold == k)
        taught = known.rows(fold != k)
        model = fit_for_strangers(
            taught, offset, seed=seed, parameters=parameters[0], correction=parameters[1]
        )
        for key, answer in _curve(model, taught, held, seed).items():
            collected.setdefault(key, []).append(answer)
        report((k + 1) / FOLDS)
    rows: list[Row] = []
    for (kind, hours), parts in collected.items():
        rows += _rows_of(kind, hours, parts, seed)
    nothing = [p.in_domain for _, _, p in collected["first", 0]]
    return rows, (int(sum((~d).sum() for d in nothing)), int(sum(len(d) for d in nothing)))


def _curve(
    model: StationModel, taught: FeatureFrame, held: FeatureFrame, seed: int
) -> dict[tuple[str, int], tuple[FeatureFrame, dict[str, FloatArray], Prediction]]:
    """Return (kind, hours) -> scored rows, baselines, ours."""
    seen = model.look_at(held)
    order = held.keys.groupby("site_id", sort=False).cumcount().to_numpy()
    lot = pd.Series(np.random.default_rng(seed).random(len(held)))
    drawn = lot.groupby(held.keys["site_id"]).rank(method="first").to_numpy() - 1
    plain = config_answers(taught, held)
    out = {}
    for kind, place, sizes in (("first", order, FIRST), ("random", drawn, RANDOM)):
        for hours in sizes:
            shown: BoolArray = place < hours
            scored = ~shown & (order % EVERY == 0)
            energy = np.where(shown, held.target(), np.nan)
            ours = model.answer(model.with_energies(seen, energy), only=scored)
            others = {name: point[scored] for name, point in plain.items()}
            if kind == "first":
                others |= _own_hours(taught, held, shown, scored)
            out[kind, hours] = (held.rows(scored), others, ours)
    return out


def _own_hours(
    taught: FeatureFrame, held: FeatureFrame, shown: BoolArray, scored: BoolArray
) -> dict[str, FloatArray]:
    """Return what mean and line per station say, given the shown hours."""
    both = FeatureFrame(
        pd.concat([taught.keys, held.keys], ignore_index=True),
        pd.concat([taught.X, held.X], ignore_index=True),
        held.quantity,
        pd.concat([pd.Series(taught.target()), pd.Series(hide(held, ~shown).target())], ignore_index=True),
        held.categories,
    )
    asked = held.rows(scored)
    answers = {SITE_MEAN: SiteMean().fit(both).predict(asked)}
    if shown.any():
        answers[STATION_LINEAR] = StationLinear().fit(both).predict(asked)
    return answers


def _rows_of(
    kind: str,
    hours: int,
    parts: list[tuple[FeatureFrame, dict[str, FloatArray], Prediction]],
    seed: int,
) -> list[Row]:
    scored = _stacked([p[0] for p in parts])
    unit = "measured hour" if hours == 1 else "measured hours"
    split = Split("new station", f"{hours} {unit}" + (", random" if kind == "random" else ""), scored)
    bounds = tuple(np.concatenate([getattr(p[2], side) for p in parts]) for side in ("lower", "upper"))
    point = np.concatenate([p[2].point for p in parts])
    others = {name: np.concatenate([p[1][name] for p in parts]) for name in parts[0][1]}
    bounded = kind == "first" and hours in BOUNDED
    return [
        row_of(split, OURS, point, (bounds[0], bounds[1])),
        *baseline_rows(split, others, seed, bounded=bounded),
    ]


def _stacked(frames: list[FeatureFrame]) -> FeatureFrame:
    return FeatureFrame(
        pd.concat([f.keys for f in frames], ignore_index=True),
        pd.concat([f.X for f in frames], ignore_index=True),
        frames[0].quantity,
        pd.concat([pd.Series(f.target()) for f in frames], ignore_index=True),
        frames[0].categories,
    )
