"""Trees fitted on a Dask cluster: the same call, the same `Gbm`, more machines.

LightGBM's Dask estimator builds histograms on every worker's rows and adds them up: it finds the splits that
one machine finds, up to two differences. The borders of the bins come from the rows of one worker instead of
all, and bagging draws on every worker by itself. With no more distinct values than bins (255) and without
bagging the trees are the same.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Any

import lightgbm as lgb
import numpy as np
import pandas as pd

from features.frame import FeatureFrame
from models.gbm import Gbm, GbmParameters, TreeData, train_here, trained_by

if TYPE_CHECKING:
    from distributed import Client

LEAST_ROWS = 100_000
"""Fits with fewer rows stay on this machine: sending them costs more than it saves."""

ALONE = {"tree_learner": "serial", "num_machines": "1", "machines": "", "local_listen_port": "12400"}
"""Parameters in a booster's text that tell of a cluster -> their values on one machine."""


class ClusterTrainer:
    """A `models.gbm.Trainer` on a Dask cluster.

    Parameters
    ----------
    client : distributed.Client
    least_rows : int
        Smaller fits stay here.
    """

    def __init__(self, client: Client, least_rows: int = LEAST_ROWS) -> None:
        self.client = client
        self.least_rows = least_rows
        self.fits = 0
        self._one_at_a_time = Lock()  # fits side by side would claim the same ports of the workers
        lgb.register_logger(logging.getLogger("lightgbm"))  # it prints which ports it found, to stdout

    def __call__(self, data: TreeData, parameters: dict[str, object], rounds: int) -> lgb.Booster:
        """Fit trees on the cluster."""
        if len(data.y) < self.least_rows:
            return train_here(data, parameters, rounds)
        import dask.array as da  # noqa: PLC0415 - an optional part

        workers = len(self.client.scheduler_info(n_workers=-1)["workers"])
        chunk = -(-len(data.y) // max(workers, 1))
        own: dict[str, Any] = {
            n: v for n, v in parameters.items() if n != "num_threads"
        }  # a worker uses its threads
        model = lgb.DaskLGBMRegressor(client=self.client, n_estimators=rounds, tree_learner="data", **own)
        with self._one_at_a_time:
            model.fit(
                da.from_array(data.X, chunks=(chunk, -1)), da.from_array(data.y, chunks=chunk),
                feature_name=data.names, categorical_feature=data.categorical or "auto",
            )  # fmt: skip
            self.fits += 1
        return lgb.Booster(model_str=_without_traces(model.booster_.model_to_string()))


@contextmanager
def on_cluster(client: Client | None, least_rows: int = LEAST_ROWS) -> Iterator[None]:
    """Fit the trees of every `Gbm` on the cluster for a while; None: on this machine."""
    if client is None:
        yield
        return
    with trained_by(ClusterTrainer(client, least_rows)):
        yield


def fit_gbm(
    frames: FeatureFrame | Sequence[FeatureFrame],
    parameters: GbmParameters,
    client: Client | None = None,
    *,
    name: str = "LightGBM",
    monotone: dict[str, int] | None = None,
) -> Gbm:
    """Fit gradient-boosted trees, here or on a cluster.

    Parameters
    ----------
    frames : FeatureFrame or sequence of them
        Rows, or parts of them with the same features.
    parameters : GbmParameters
    client : distributed.Client or None
        Of the cluster; None: this machine.
    name : str
    monotone : dict or None
        See `models.gbm.Gbm`.

    Returns
    -------
    Gbm
        Its trees do not tell where they were fitted.
    """
    frame = frames if isinstance(frames, FeatureFrame) else _stacked(frames)
    with on_cluster(client, least_rows=0):
        return Gbm(name, parameters, monotone).fit(frame)


def _without_traces(text: str) -> str:
    """Return a booster's text without the cluster: a stored model names no machines."""
    for name, alone in ALONE.items():
        text = re.sub(rf"^\[{name}: .*\]$", f"[{name}: {alone}]", text, flags=re.MULTILINE)
    return text


def _stacked(frames: Sequence[FeatureFrame]) -> FeatureFrame:
    if len({frame.hash for frame in frames}) != 1:
        raise ValueError("the parts must have the same features")
    return replace(
        frames[0],
        keys=pd.concat([f.keys for f in frames], ignore_index=True),
        X=pd.concat([f.X for f in frames], ignore_index=True),
        y=pd.Series(np.concatenate([f.target() for f in frames])),
        baselines=None,
    )
