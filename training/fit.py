"""Fit every model that the data allow."""

from __future__ import annotations

from features.telemetry import Telemetry
from models.bundle import Bundle, Progress
from training.base_station import fit as fit_base_stations
from training.data_centre import fit as fit_data_centres


def fit_bundle(
    telemetry: Telemetry,
    *,
    target: str | None = None,
    trials: int = 0,
    seed: int = 0,
    progress: Progress | None = None,
) -> Bundle:
    """Fit, calibrate and prove the models of the telemetry's kind.

    Parameters
    ----------
    telemetry : Telemetry
    target : str or None
        Canonical column to predict; None: every outcome that the data support.
    trials : int
        Optuna trials for the hyper-parameters; 0: the defaults.
    seed : int
    progress : callable or None

    Raises
    ------
    features.errors.InsufficientDataError
        The data support no model; the message says what is missing.
    """
    family = fit_data_centres if telemetry.kind == "data-centre" else fit_base_stations
    return family(telemetry, target=target, trials=trials, seed=seed, progress=progress)
