"""Physical trend of a station's energy with effects of product and configuration that few stations can teach.

The logarithm of the energy is a sum of

- a *population* part in physical terms: size of the radio unit (antennas, bandwidth, cells, power), a static
  part plus a part that grows with the load, and the sleep modes (shapes of EARTH and of 3GPP TR 38.864);
- *effects* of the product and of the configuration within it, on level, load slope and sleep;
- an offset per station that nobody knows beforehand, and noise.

All but the noise are shrunk towards zero by priors in relative units (restricted maximum likelihood is not
needed: the priors only say that products differ more than configurations, and these more than stations).
Because the station's offset is part of the model, a hundred hours of one station do not count as a hundred
stations, and a product counts about once for the population, which is what carries over to the next
product. A product of which five stations were measured for a day gets its own level.

References
----------
Henderson (1975), Best linear unbiased estimation and prediction under a selection model, Biometrics 31;
Fuller & Battese (1974), Estimation of linear models with crossed-error structure, J. Econometrics 2;
Auer et al. (2011), How much energy is needed to run a wireless network?, IEEE Wireless Comm. 18(5);
3GPP TR 38.864, section 5.1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from features.base_station import LOAD, labels
from features.frame import FeatureFrame, FloatArray

STATION, NOISE = 0.11, 0.055
"""Spread of the logarithm between stations of one configuration, and between hours of one station [1]."""
POPULATION = 0.2
"""Prior spread of a standardised physical term's coefficient [1]."""
PRIORS = {
    "product": 0.3, "mode": 0.3, "configuration": 0.12, "product load": 0.4, "product load squared": 0.4,
    "configuration load": 0.2, "product sleep": 0.3,
}  # fmt: skip
"""Prior spread of each kind of effect [1]."""
CENTRE = 0.2
"""Load at which effects on the level are those without effects on the slope [1]."""
CHUNK = 20_000
LOGARITHMS = ("antennas", "cells", "bandwidth_mhz", "frequency_rel")
AS_THEY_ARE = ("tx_power_rel", "sleep_total", "sleep_mode_1", "sleep_mode_2", "sleep_mode_3", "sleep_mode_6")
KEY = ("frequency_rel", "bandwidth_mhz", "antennas", "cells")
"""What, besides the product, makes a configuration."""


def configuration_keys(frame: FeatureFrame) -> npt.NDArray[np.str_]:
    """Return a label of product and configuration per row, shape (rows,)."""
    table = frame.X[list(KEY)]
    distinct = table.drop_duplicates()
    text = distinct.apply(lambda row: "|".join(f"{v:.6g}" for v in row), axis=1)
    joined = table.merge(distinct.assign(text=text), on=list(KEY), how="left")["text"].to_numpy(dtype=str)
    product: npt.NDArray[np.str_] = labels(frame, "ru_type").to_numpy(dtype=str)
    return np.strings.add(np.strings.add(product, "|"), joined)


def physical_terms(frame: FeatureFrame) -> pd.DataFrame:
    """Return the physical terms, NaN where one is unknown."""
    X = frame.X
    logs = {f"log_{n}": np.log(X[n].where(X[n] > 0)) for n in LOGARITHMS}
    load = X[LOAD]
    terms = {
        **logs, **{n: X[n] for n in AS_THEY_ARE}, "load": load, "load_squared": load**2,
        "load_antennas": load * logs["log_antennas"],
    }  # fmt: skip
    return pd.DataFrame(terms).astype(np.float64)


@dataclass
class StationTrend:
    """Ridge solution of the model above, for one energy column.

    Parameters
    ----------
    mean, scale : dict
        Physical term -> mean and spread over the training rows.
    levels : dict
        Kind of effect -> labels that were trained, in the order of their coefficients.
    coefficients : numpy.ndarray
        Intercept, physical terms, then the effects in the order of `PRIORS`.
    stations : dict
        Product -> stations that were measured.
    """

    mean: dict[str, float] = field(default_factory=dict)
    scale: dict[str, float] = field(default_factory=dict)
    levels: dict[str, list[str]] = field(default_factory=dict)
    coefficients: FloatArray = field(default_factory=lambda: np.empty(0))
    stations: dict[str, int] = field(default_factory=dict)

    def fit(self, frame: FeatureFrame, log_energy: FloatArray) -> Self:
        """Fit on rows with a finite logarithm of the energy, shape (rows,)."""
        terms = physical_terms(frame)
        spread = terms.std(ddof=0)
        self.mean = {str(k): float(v) for k, v in terms.mean().fillna(0.0).items()}
        self.scale = {str(k): float(v) if v > 1e-9 else float("inf") for k, v in spread.items()}
        own = self._labels(frame)
        self.levels = {kind: np.unique(values).tolist() for kind, values in own.items()}
        site = frame.keys["site_id"]
        product = pd.Series(own["product"])
        counted = site.reset_index(drop=True).groupby(product).nunique()
        self.stations = {str(k): int(v) for k, v in counted.items()}
        prior = self._priors()
        gram, moment = self._sums(frame, log_energy, pd.factorize(site)[0], len(prior))
        penalty = np.diag(NOISE**2 / prior**2)
        solved = np.linalg.solve(gram + penalty + 1e-9 * np.eye(len(prior)), moment)
        self.coefficients = np.asarray(solved, dtype=np.float64)
        return self

    def predict(self, frame: FeatureFrame) -> tuple[FloatArray, FloatArray]:
        """Return the logarithm of the energy by the population part and with effects, shape (rows,)."""
        first = 1 + len(self.mean)
        population, effects = np.empty(len(frame)), np.empty(len(frame))
        for start in range(0, len(frame), CHUNK):
            rows = slice(start, min(start + CHUNK, len(frame)))
            Z = self._design(frame.rows(np.arange(rows.start, rows.stop)))
            population[rows] = Z[:, :first] @ self.coefficients[:first]
            effects[rows] = Z[:, first:] @ self.coefficients[first:]
        return population, np.asarray(population + effects)

    def measured_stations(self, frame: FeatureFrame) -> FloatArray:
        """Return how many stations of the row's product were measured, shape (rows,)."""
        found = labels(frame, "ru_type").map(self.stations).fillna(0.0)
        return np.asarray(found, dtype=np.float64)

    def _labels(self, frame: FeatureFrame) -> dict[str, npt.NDArray[np.str_]]:
        product = labels(frame, "ru_type").to_numpy(dtype=str)
        mode = labels(frame, "radio_mode").to_numpy(dtype=str)
        return {"product": product, "mode": mode, "configuration": configuration_keys(frame)}

    def _priors(self) -> FloatArray:
        spread = [np.full(1, np.inf), np.full(len(self.mean), POPULATION)]
        spread += [np.full(len(self.levels[kind.split()[0]]), tau) for kind, tau in PRIORS.items()]
        return np.concatenate(spread)

    def _design(self, frame: FeatureFrame) -> FloatArray:
        """Return the design matrix; unknown terms are at their mean, unknown labels have no effect."""
        terms = physical_terms(frame)
        mean, scale = np.array(list(self.mean.values())), np.array(list(self.scale.values()))
        Z = np.nan_to_num((terms.to_numpy() - mean) / scale)
        load = np.nan_to_num(terms["load"].to_numpy() - CENTRE)
        weight = {
            "product load": load, "configuration load": load,
            "product load squared": np.nan_to_num(terms["load_squared"].to_numpy() - CENTRE**2),
            "product sleep": np.nan_to_num(terms["sleep_total"].to_numpy()),
        }  # fmt: skip
        own = self._labels(frame)
        parts = [np.ones((len(Z), 1)), Z]
        for kind in PRIORS:
            about = kind.split()[0]
            code = pd.Index(self.levels[about]).get_indexer(pd.Index(own[about]))
            block = np.zeros((len(Z), len(self.levels[about])))
            known = np.flatnonzero(code >= 0)
            block[known, code[known]] = weight.get(kind, np.ones(len(Z)))[known]
            parts.append(block)
        return np.hstack(parts)

    def _sums(
        self, frame: FeatureFrame, y: FloatArray, station: npt.NDArray[np.intp], width: int
    ) -> tuple[FloatArray, FloatArray]:
        """Return Z'VZ and Z'Vy, V the inverse covariance of a random offset per station (times the noise).

        ``V = I - c 11'`` within a station, ``c = STATION**2 / (NOISE**2 + n STATION**2)``.
        """
        gram, moment = np.zeros((width, width)), np.zeros(width)
        count = np.bincount(station).astype(np.float64)
        sums, total = np.zeros((len(count), width)), np.bincount(station, weights=y)
        for start in range(0, len(frame), CHUNK):
            rows = np.arange(start, min(start + CHUNK, len(frame)))
            Z = self._design(frame.rows(rows))
            gram += Z.T @ Z
            moment += Z.T @ y[rows]
            place = (np.ones(len(rows)), (station[rows], np.arange(len(rows))))
            sums += sparse.csr_matrix(place, shape=(len(count), len(rows))) @ Z
        c = STATION**2 / (NOISE**2 + count * STATION**2)
        return gram - (sums * c[:, None]).T @ sums, moment - sums.T @ (c * total)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields for the model store."""
        return {
            "mean": self.mean, "scale": {k: v if np.isfinite(v) else None for k, v in self.scale.items()},
            "levels": self.levels, "coefficients": self.coefficients.tolist(), "stations": self.stations,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> StationTrend:
        """Rebuild from `to_dict`."""
        # the store sorts keys; the order of the terms is that of `physical_terms`
        names = [*(f"log_{n}" for n in LOGARITHMS), *AS_THEY_ARE, "load", "load_squared", "load_antennas"]
        return cls(
            {n: float(raw["mean"][n]) for n in names},
            {n: float("inf") if raw["scale"][n] is None else float(raw["scale"][n]) for n in names},
            {k: [str(v) for v in values] for k, values in raw["levels"].items()},
            np.array(raw["coefficients"], dtype=np.float64),
            {str(k): int(v) for k, v in raw["stations"].items()},
        )
