"""Explain: why predictions are what they are, as a table of reasons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from features.data_centre import build
from features.frame import FeatureFrame
from features.schema import KEY_COLUMNS
from features.telemetry import Telemetry
from models.base_station import BaseStationBundle
from models.bundle import Bundle
from models.data_centre import DataCentreBundle
from models.explain import Explanation, IntArray, as_rows, explain, explain_stations, largest_deviations
from models.prediction import Prediction, Task

COLUMNS = (
    "timestamp", "site_id", "unit_id", "quantity", "rank", "family", "effect", "unit", "feature", "value",
    "base", "point", "sentence",
)  # fmt: skip
DEFAULT_ROWS = 50


def explained_table(
    bundle: Bundle, telemetry: Telemetry, predictions: list[Prediction], task: Task, most: int
) -> pd.DataFrame:
    """Return the reasons of the rows of each quantity that most want an explanation.

    Parameters
    ----------
    bundle : Bundle
    telemetry : Telemetry
        What was predicted from.
    predictions : list of Prediction
        Of that telemetry and task, as the bundle gave them.
    task : {"estimate", "forecast"}
    most : int
        Rows per quantity (and site of a data centre).

    Returns
    -------
    pandas.DataFrame
        `COLUMNS`; one row per reason.
    """
    rows: list[dict[str, object]] = []
    for quantity, keys, told in _explanations(bundle, telemetry, predictions, task, most):
        for place, reasons in enumerate(as_rows(told)):
            key = {name: keys[name].iloc[place] for name in KEY_COLUMNS}
            rows += [{**key, "quantity": quantity, **reason} for reason in reasons]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def latest_explanations(
    bundle: Bundle, telemetry: Telemetry, predictions: Sequence[Prediction]
) -> tuple[tuple[pd.Timestamp, Explanation], ...]:
    """Return moment and explanation of the newest estimate of each quantity of one data centre."""
    if not isinstance(bundle, DataCentreBundle) or len(telemetry.site_ids) != 1:
        return ()
    models = bundle.models_of(telemetry.site_ids[0])[0].quantities
    told = []
    for prediction in predictions:
        newest = np.flatnonzero(np.isfinite(prediction.point))[-1:].astype(np.int64)
        model = models.get(f"{prediction.quantity}-estimate")
        if model is not None and len(newest):
            frame = build(telemetry, model.recipe)
            told.append((frame.keys["timestamp"].iloc[int(newest[0])], explain(model, frame, newest)[0]))
    return tuple(told)


def _explanations(
    bundle: Bundle, telemetry: Telemetry, predictions: list[Prediction], task: Task, most: int
) -> Iterator[tuple[str, pd.DataFrame, tuple[Explanation, ...]]]:
    """Yield quantity, keys and explanations of the chosen rows."""
    if isinstance(bundle, BaseStationBundle):
        for prediction in predictions:
            frame, _ = bundle.features(telemetry, prediction.quantity)
            rows = _chosen(frame, prediction, most)
            if len(rows):
                stations = bundle.models[prediction.quantity]
                told = explain_stations(stations, stations.look_at(frame), prediction.point, rows, task)
                yield prediction.quantity, frame.keys.iloc[rows], told
    elif isinstance(bundle, DataCentreBundle):
        waiting = iter(
            predictions
        )  # one per site and quantity, in the order in which the bundle goes through
        for site in telemetry.site_ids:
            one = telemetry.site(site)
            for model in bundle.models_of(site)[0].quantities.values():
                if model.recipe.task == task:
                    frame, prediction = build(one, model.recipe), next(waiting)
                    rows = _chosen(frame, prediction, most)
                    if len(rows):
                        yield prediction.quantity, frame.keys.iloc[rows], explain(model, frame, rows)


def _chosen(frame: FeatureFrame, prediction: Prediction, most: int) -> IntArray:
    measured = np.full(len(frame), np.nan) if frame.y is None else frame.target()
    return largest_deviations(measured, prediction.point, prediction.upper - prediction.lower, most)
