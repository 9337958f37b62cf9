"""The second model of sleep: a fixed-effects regression on the odd days.

It shares nothing with the proposer, which compares matched hours of the even days.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.base_station import SLEEP_COLUMNS, build, labels
from features.frame import FeatureFrame, FloatArray
from features.telemetry import Telemetry

MIN_STATIONS = 5
MIN_ON = 20
BOOTSTRAP = 400


@dataclass(frozen=True)
class Score:
    """The scorer's share saved while asleep, with its standard error [1]."""

    share: float
    error: float
    stations: int
    hours: int


class SleepScorer:
    """Fixed-effects regression of log energy on load and sleep.

    Parameters
    ----------
    telemetry : Telemetry
    quantity : str
    offset : int
        Clock offset [intervals].
    seed : int
        Of the bootstrap over stations.
    """

    def __init__(self, telemetry: Telemetry, quantity: str, offset: int, seed: int = 0) -> None:
        self.telemetry, self.offset, self.seed = telemetry, offset, seed
        self._frames: dict[int, FeatureFrame] = {o: build(telemetry, quantity, o) for o in {0, offset}}
        cells = telemetry.frame[telemetry.frame["unit_id"] != ""]
        kinds = (
            cells.groupby("site_id")["ru_type"].nunique() if "ru_type" in cells else pd.Series(dtype=float)
        )
        self._mixed = kinds.index[kinds > 1]  # their energy does not tell which product saved

    def score(
        self, product: str, modes: tuple[str, ...], *, equal_stamps: bool = False, same_hours: bool = False
    ) -> Score | None:
        """Return the share of energy saved while `modes` are fully on; None where the data cannot tell.

        Every mode has its own coefficient; those of `modes` are added up, so that modes which are always
        on together need not be told apart. `same_hours` looks only at the hours of day at which the modes
        are used, asleep and awake.
        """
        table = self._table(self._frames[0 if equal_stamps else self.offset], product)
        asleep = (table[list(modes)] > 0.2).all(axis=1)
        seen = table["site_id"].isin(table.loc[asleep, "site_id"])
        table, asleep = table[seen], asleep[seen]
        stations = int(table["site_id"].nunique())
        if stations < MIN_STATIONS or asleep.sum() < MIN_ON:
            return None
        near = table["load"] <= 5 * float(table.loc[asleep, "load"].quantile(0.9)) + 0.05
        if same_hours:
            near &= table["hour"].isin(table.loc[asleep, "hour"].unique())
        coefficient, error = self._regress(table[near], modes)
        return Score(
            float(1 - np.exp(coefficient)), float(np.exp(coefficient) * error), stations, int(asleep.sum())
        )

    def _table(self, frame: FeatureFrame, product: str) -> pd.DataFrame:
        X = frame.X
        local = self.telemetry.local(frame.keys["timestamp"])
        energy = frame.target()
        keep = (
            (labels(frame, "ru_type") == product).to_numpy()
            & (energy > 0) & np.asarray(local.day_of_year % 2 == 1)
            & X["load"].notna().to_numpy() & (X["load_filled"] == 0).to_numpy()
        )  # fmt: skip
        table = X[["load", *SLEEP_COLUMNS]].fillna(0.0).assign(
            site_id=frame.keys["site_id"], hour=np.asarray(local.hour)
        )  # fmt: skip
        mixed = self._mixed
        return table[keep & ~table["site_id"].isin(mixed).to_numpy()].assign(
            y=lambda t: np.log(energy[t.index.to_numpy()])
        )

    def _regress(self, table: pd.DataFrame, modes: tuple[str, ...]) -> tuple[float, float]:
        """Return the sum of the modes' coefficients and its bootstrap error over stations."""
        load = table["load"]
        Z = table[list(SLEEP_COLUMNS)].assign(
            load=load, square=load**2, log=np.log(load + 0.01), y=table["y"]
        )
        site = table["site_id"]
        inner = (Z - Z.groupby(site).transform("mean")).to_numpy(dtype=np.float64)
        codes = pd.factorize(site)[0]
        count = int(codes.max()) + 1
        order = np.argsort(codes, kind="stable")
        starts = np.searchsorted(codes[order], np.arange(count))
        products = inner[order][:, :, None] * inner[order][:, None, :]
        gram = np.add.reduceat(products, starts, axis=0)  # one matrix of sums of products per station
        draws = np.random.default_rng(self.seed).multinomial(count, np.full(count, 1 / count), BOOTSTRAP)
        pick = np.array([m in modes for m in SLEEP_COLUMNS])
        point = _solve(gram.sum(axis=0)[None])[0, : len(pick)][pick].sum()
        repeated = _solve(np.tensordot(draws.astype(np.float64), gram, axes=1))[:, : len(pick)][:, pick]
        # a bootstrap of few stations is too narrow
        return float(point), float(repeated.sum(axis=1).std() * np.sqrt(count / (count - 1)))


def _solve(gram: FloatArray) -> FloatArray:
    """Return the coefficients of each normal system, shape (systems, coefficients)."""
    size = gram.shape[1] - 1
    ridge = 1e-8 * np.eye(size) * np.trace(gram, axis1=1, axis2=2)[:, None, None]
    return np.asarray(np.linalg.solve(gram[:, :size, :size] + ridge, gram[:, :size, size:])[:, :, 0])
