"""Why a prediction is what it is, in words: ranked families of inputs and what each adds."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.base_station import with_expected_work
from features.frame import FeatureFrame, FloatArray
from features.message import Message, say, term
from features.schema import SCHEMA
from models.contribution import (
    Contributions,
    by_replacement,
    contributions,
    family_of,
    of_logarithm,
    usual_values,
)
from models.prediction import Task
from models.quantity import QuantityModel
from models.station_power import Seen, StationModel

IntArray = npt.NDArray[np.int64]
MOST_REASONS = 4
LEAST_SHARE = 0.05
"""Reasons below this share of the largest are not told."""
OWN_METER, LIMIT = "own_meter", "physical_limit"
UNITS = {"degC": "°C", "1": ""}
_WORDS = {
    OWN_METER: say("the station's own meter"),
    LIMIT: say("the physical limit"),
    "day_of_week": say("the day of the week"),
    "weekend": say("the day of the week"),
    "dry_bulb_day_mean_c": say("the outdoor temperature of the day"),
    "target_yesterday": say("the value a day before"),
    "target_week_mean": say("the mean of the week before"),
}
"""Features that are no canonical column -> how they are called."""
_HOURS_BEFORE = re.compile(r"(_before|_previous|_(?:change|mean)_\d+h)$")
_DAY_BEFORE = re.compile(r"_yesterday(_step)?$")


@dataclass(frozen=True)
class Reason:
    """What one family of inputs adds to a prediction.

    Parameters
    ----------
    family : str
        One of `models.contribution.FAMILIES`, or the physical limit.
    effect : float
        [unit of the quantity].
    feature : str
        The family's input that adds most.
    value : float
        Its value [its unit]; NaN where it was not measured.
    """

    family: str
    effect: float
    feature: str
    value: float


@dataclass(frozen=True)
class Explanation:
    """One explained prediction: ``base`` plus the effects of all ``reasons``, largest first, is ``point``."""

    quantity: str
    base: float
    point: float
    reasons: tuple[Reason, ...]

    @property
    def sentence(self) -> Message:
        """The explanation in words."""
        largest = max((abs(r.effect) for r in self.reasons), default=0.0)
        digits = max(0, 1 - math.floor(math.log10(largest))) if largest > 0 else 1
        unit = _unit(self.quantity)
        told = [r for r in self.reasons if abs(r.effect) >= LEAST_SHARE * largest][:MOST_REASONS]
        reasons = Message.joined(", ", [_reason_words(r, digits, unit) for r in told])
        return say(
            "{point}{unit}, {difference}{unit} against the usual {base}{unit}: {reasons}",
            point=f"{self.point:,.{digits}f}",
            unit=unit,
            difference=f"{self.point - self.base:+,.{digits}f}",
            base=f"{self.base:,.{digits}f}",
            reasons=reasons,
        )


def explain(model: QuantityModel, frame: FeatureFrame, rows: IntArray) -> tuple[Explanation, ...]:
    """Explain rows of a data centre's predictions.

    Parameters
    ----------
    model : QuantityModel
    frame : FeatureFrame
        Built with the model's recipe; what is usual is the median of its rows.
    rows : numpy.ndarray of int
        Positions of the rows to explain; rows without a prediction are explained by NaN.
    """
    shown = frame.rows(rows)
    parts = contributions(model.model, shown, usual_values(frame))
    return _explained(parts, shown, np.maximum(parts.total, model.floor))


def explain_stations(
    model: StationModel, seen: Seen, point: FloatArray, rows: IntArray, task: Task
) -> tuple[Explanation, ...]:
    """Explain rows of base stations' predictions.

    Configuration and work are explained against a usual station of the same exports; what the second stage
    adds is what the station's own meter says.

    Parameters
    ----------
    model : StationModel
    seen : Seen
        What the model was asked about.
    point : numpy.ndarray, shape (rows of `seen`,)
        The predictions [unit of the quantity].
    rows : numpy.ndarray of int
        Positions of the rows to explain.
    task : {"estimate", "forecast"}
    """
    whole = with_expected_work(seen.frame) if task == "forecast" else seen.frame
    shown = whole.rows(rows)
    parts = by_replacement(model.config.predict_log, shown, usual_values(whole))
    left = np.log(point[rows]) - parts.total
    names = (*parts.names, OWN_METER)
    parts = of_logarithm(Contributions(names, parts.base, np.column_stack([parts.effects, left])))
    return _explained(parts, shown, point[rows])


def _explained(parts: Contributions, frame: FeatureFrame, point: FloatArray) -> tuple[Explanation, ...]:
    """Return explanations whose effects are summed by family."""
    families = [family_of(n) for n in parts.names]
    order = list(dict.fromkeys(families))
    member = np.array([[f == family for f in families] for family in order])
    effects = parts.effects @ member.T
    # what was measured is named rather than what was derived from it, if it adds anything
    named = np.where([n in SCHEMA for n in parts.names], 1e9, 1.0)
    weight = np.abs(np.nan_to_num(parts.effects)) * named
    lead = np.where(member[None], weight[:, None, :], -1.0).argmax(axis=2)
    limit = point - parts.total
    out = []
    for row in range(len(point)):
        reasons = [
            Reason(
                family,
                float(effects[row, i]),
                parts.names[lead[row, i]],
                _value(frame, row, parts.names[lead[row, i]]),
            )
            for i, family in enumerate(order)
            if effects[row, i] != 0
        ]
        if abs(limit[row]) > 1e-9 * max(abs(point[row]), 1.0):
            reasons.append(Reason("physical limit", float(limit[row]), LIMIT, float("nan")))
        ranked = tuple(sorted(reasons, key=lambda r: -abs(r.effect)))
        out.append(Explanation(frame.quantity, float(parts.base[row]), float(point[row]), ranked))
    return tuple(out)


def _value(frame: FeatureFrame, row: int, name: str) -> float:
    return float(frame.X[name].to_numpy()[row]) if name in frame.X else float("nan")


def _reason_words(reason: Reason, digits: int, unit: str) -> Message:
    name = reason.feature
    bare = "outdoor_wet_bulb_c" if name == "wet_bulb_from_rh_c" else name.split("@", maxsplit=1)[0]
    effect = f"{reason.effect:+,.{digits}f}{unit}"
    if bare in SCHEMA and not SCHEMA[bare].text and math.isfinite(reason.value):
        value = f"{reason.value:,.4g}{_unit(bare)}"
        return say("{input} {value} ({effect})", input=_called(name), value=value, effect=effect)
    return say("{input} ({effect})", input=_called(name), effect=effect)


def _called(name: str) -> str:
    """Return a feature's name; canonical columns are called by whoever shows the sentence."""
    name = "outdoor_wet_bulb_c" if name == "wet_bulb_from_rh_c" else name
    column, _, part = name.partition("@")
    before, day_before = _HOURS_BEFORE.sub("", name), _DAY_BEFORE.sub("", name)
    called: str = term(family_of(name))
    if name in SCHEMA:
        called = name
    elif part:
        called = say("{column} of {part}", column=_called(column), part=part)
    elif name in _WORDS:
        called = _WORDS[name]
    elif name.startswith("hour"):
        called = say("the hour of the day")
    elif before in SCHEMA:
        called = say("{column} of the hours before", column=before)
    elif day_before in SCHEMA:
        called = say("{column} of the day before", column=day_before)
    return called


def _unit(quantity: str) -> str:
    unit = SCHEMA[quantity].unit
    shown = UNITS.get(unit, unit)
    return f" {shown}" if shown else ""


def largest_deviations(measured: FloatArray, point: FloatArray, width: FloatArray, most: int) -> IntArray:
    """Return positions of the rows that most want an explanation, in the order of time.

    Those whose measured value lies farthest from the prediction, in widths of the interval; rows that were
    not measured come after them, by their distance from the median prediction.

    Parameters
    ----------
    measured, point, width : numpy.ndarray, shape (rows,)
        Measured and predicted value and width of the interval [unit of the quantity].
    most : int
    """
    finite = np.isfinite(point)
    if not finite.any():
        return np.empty(0, dtype=np.int64)
    scale = np.maximum(width, 1e-12)
    away = np.abs(measured - point) / scale
    unusual = np.abs(point - np.median(point[finite])) / scale
    unusual /= 1.0 + np.nanmax(np.where(finite, unusual, 0.0))  # below any row that was measured
    order = np.argsort(np.where(finite, np.where(np.isfinite(away), 1.0 + away, unusual), -1.0))
    return np.sort(order[::-1][: min(most, int(finite.sum()))]).astype(np.int64)


def as_rows(explanations: Sequence[Explanation]) -> list[list[dict[str, object]]]:
    """Return per explanation its reasons as table rows."""
    return [
        [
            {
                "rank": rank,
                "family": r.family,
                "effect": r.effect,
                "unit": SCHEMA[e.quantity].unit,
                "feature": r.feature,
                "value": r.value,
                "base": e.base,
                "point": e.point,
                "sentence": str(e.sentence),
            }
            for rank, r in enumerate(e.reasons, 1)
        ]
        for e in explanations
    ]
