"""Fit every model that the data allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optuna.storages import BaseStorage

from features.telemetry import Telemetry
from models.bundle import Bundle, Progress
from training.base_station import fit as fit_base_stations
from training.cluster import on_cluster
from training.data_centre import fit as fit_data_centres

if TYPE_CHECKING:
    from distributed import Client


def fit_bundle(
    telemetry: Telemetry,
    *,
    target: str | None = None,
    trials: int = 0,
    seed: int = 0,
    storage: BaseStorage | None = None,
    client: Client | None = None,
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
    storage : optuna.storages.BaseStorage or None
        Where trials are kept, so that a stopped search goes on; None: in memory.
    client : distributed.Client or None
        Of a Dask cluster that fits the large models; None: this machine.
    progress : callable or None

    Raises
    ------
    features.errors.InsufficientDataError
        The data support no model; the message says what is missing.
    """
    family = fit_data_centres if telemetry.kind == "data-centre" else fit_base_stations
    with on_cluster(client):
        return family(telemetry, target=target, trials=trials, seed=seed, storage=storage, progress=progress)
