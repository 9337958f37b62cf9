"""A prior for sites with little history: overhead per IT power from weather and load, calibrated on few days.

The logarithm of overhead over IT power (or of cooling over IT power) is a smooth function of wet bulb, dry
bulb, load and set-points. How such functions differ from site to site was learned on simulated sites
(`models.cold_start_prior`): their mean is the prior of a new site, their covariance says how far it may move.
A few days of the site's own hours move the level, more days the slopes: Bayesian linear regression (Gelman et
al., Bayesian Data Analysis, 3rd ed., section 14.8) with a noise that counts hours in a row as fewer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from features.errors import ModelError
from features.frame import FeatureFrame, FloatArray
from features.message import say
from models.baselines import check_hash
from models.cold_start_prior import PRIORS, TERMS, Prior
from models.domain import Domain

NAME = "calibrated prior"
QUANTITIES = ("facility_power_kw", "pue", "cooling_power_kw")
IT = "it_power_kw"
FLOOR = 0.005
"""Least overhead per IT power [1]: an idle plant still has losses."""
CHILLED_WATER = (
    "chilled_water_set_point_c",
    "chilled_water_supply_temp_c",
    "condenser_water_temp_c",
    "chilled_water_flow_l_s",
)
_WET = ("outdoor_wet_bulb_c", "wet_bulb_from_rh_c")
SPREAD_DAYS = (0.5, 1.0, 3.0, 7.0, 14.0, 28.0, 60.0)
SPREAD = {
    "overhead": (0.18, 0.18, 0.15, 0.16, 0.145, 0.14, 0.11),
    "cooling": (0.30, 0.28, 0.24, 0.24, 0.23, 0.225, 0.18),
}
"""Days of history -> log error of the ratio that nine of ten later hours stay below, on 25 simulated sites
that the prior has not seen (``tests/benchmarks/cold_start.py``)."""
REAL = 3.0
"""Real plants differ more than those of one generator: factor on the spread (assumed; measured in the same
benchmark on plants of another simulator)."""
RANGES = {
    "outdoor_dry_bulb_c": (-25.0, 45.0),
    "outdoor_wet_bulb_c": (-25.0, 32.0),
    "zone_set_point_c": (18.0, 27.0),
    "chilled_water_set_point_c": (6.0, 16.0),
}
"""What the prior has seen on the simulated sites."""
LOADS_SEEN = (0.5, 1.5)
"""IT power over its usual value that the prior has seen [1]."""


class ColdStart:
    """Prior of an estimate, calibrated on the rows it is fitted on.

    Parameters
    ----------
    name : str
    """

    def __init__(self, name: str = NAME) -> None:
        self.name = name
        self.hash = ""
        self.coefficients: FloatArray = np.empty(0)
        self.usual_it_kw = float("nan")
        self.usual: dict[str, float] = {}
        self.days = 0.0

    @staticmethod
    def serves(quantity: str, names: list[str]) -> bool:
        """Return whether there is a prior: IT power and a temperature outdoors are needed."""
        return quantity in QUANTITIES and IT in names and bool({"outdoor_dry_bulb_c", *_WET} & set(names))

    def fit(self, frame: FeatureFrame) -> Self:
        """Calibrate on the frame's measured rows; without any the prior itself answers."""
        prior = _prior(frame)
        known = frame.measured()
        usual = known if len(known) else frame
        it = usual.X[IT].to_numpy(dtype=np.float64)
        self.usual_it_kw = float(np.nanmedian(it)) if np.isfinite(it).any() else float("nan")
        self.usual = {str(n): float(v) for n, v in usual.X.median().items() if np.isfinite(v)}
        self.hash = frame.hash
        z = np.log(np.maximum(_ratio(known), FLOOR))
        design = self.design(known)
        usable = np.isfinite(z) & np.isfinite(design).all(axis=1)
        self.days = float(usable.sum()) * _step_h(known) / 24
        precision = np.linalg.inv(prior.covariance)
        weight = 1 / (prior.noise**2 * prior.hours_alike)
        left = precision + weight * design[usable].T @ design[usable]
        right = precision @ prior.mean + weight * design[usable].T @ z[usable]
        self.coefficients = np.asarray(np.linalg.solve(left, right), dtype=np.float64)
        return self

    def predict(self, frame: FeatureFrame) -> FloatArray:
        """Return the prediction [unit of the quantity]; NaN without IT power or weather."""
        if not self.hash:
            raise ModelError("E-MODEL-NOT-FITTED", say("{name} was not fitted", name=self.name))
        check_hash(self.hash, frame)
        ratio = np.exp(self.design(frame) @ self.coefficients)
        it = frame.X[IT].to_numpy(dtype=np.float64)
        if frame.quantity == "pue":
            return np.where(it > 0, 1 + ratio, np.nan)
        return np.asarray(it * (1 + ratio) if frame.quantity == "facility_power_kw" else it * ratio)

    def design(self, frame: FeatureFrame) -> FloatArray:
        """Return the terms of the prior, shape (rows, terms); see `models.cold_start_prior.TERMS`."""
        X = frame.X

        def column(*names: str) -> pd.Series:
            """Return the first column there is, a missing value at its usual one."""
            for name in names:
                if name in X and name in self.usual:
                    return X[name].fillna(self.usual[name])
            return pd.Series(np.nan, index=X.index)

        wet, dry = column(*_WET), column("outdoor_dry_bulb_c")
        wet, dry = wet.fillna(dry - 4), dry.fillna(wet + 4)
        zone = column("zone_set_point_c", "supply_air_set_point_c").fillna(22.0)
        water = column("chilled_water_set_point_c").fillna(9.0)
        share = np.log((X[IT] / self.usual_it_kw).clip(lower=0.1))
        terms = {
            "level": pd.Series(1.0, index=X.index),
            "wet_bulb": (wet - 12) / 10,
            "wet_bulb_above_15": (wet - 15).clip(lower=0) / 10,
            "dry_bulb": (dry - 15) / 10,
            "dry_bulb_above_18": (dry - 18).clip(lower=0) / 10,
            "load": share,
            "zone": (zone - 22) / 5,
            "water": (water - 9) / 5,
        }
        return np.column_stack([terms[name].to_numpy(dtype=np.float64) for name in TERMS])

    def to_parts(self, file: str, texts: dict[str, str]) -> dict[str, Any]:
        """Return the JSON part; there are no trees."""
        del file, texts
        return {
            "name": self.name, "hash": self.hash, "coefficients": self.coefficients.tolist(),
            "usual_it_kw": self.usual_it_kw, "usual": self.usual, "days": self.days,
        }  # fmt: skip

    @classmethod
    def from_parts(cls, about: dict[str, Any], file: str, texts: dict[str, str]) -> ColdStart:
        """Rebuild from `to_parts`."""
        del file, texts
        model = cls(about["name"])
        model.hash, model.usual, model.days = about["hash"], about["usual"], about["days"]
        model.coefficients = np.asarray(about["coefficients"], dtype=np.float64)
        model.usual_it_kw = about["usual_it_kw"]
        return model


@dataclass(frozen=True)
class PriorInterval:
    """Interval of a prior: a factor on the overhead, or cooling, per IT power.

    Parameters
    ----------
    coverage : float
        Nominal coverage (0..1).
    days : float
        History that calibrated the prior [d].
    """

    coverage: float
    days: float

    def bounds(
        self, frame: FeatureFrame, point: FloatArray, widen: FloatArray | float = 1.0
    ) -> tuple[FloatArray, FloatArray]:
        """Return lower and upper [unit of the quantity], shape (rows,)."""
        cooling = frame.quantity == "cooling_power_kw"
        spread = np.interp(self.days, SPREAD_DAYS, SPREAD["cooling" if cooling else "overhead"])
        factor = np.exp(REAL * spread * np.asarray(widen))
        served = np.zeros(len(frame))
        if frame.quantity == "pue":
            served = np.ones(len(frame))
        elif not cooling:
            served = frame.X[IT].to_numpy(dtype=np.float64)
        over = np.maximum(point - served, 0.0)
        return served + over / factor, served + over * factor

    def to_dict(self) -> dict[str, object]:
        """Return the fields for the model card."""
        return {"prior": True, "coverage": self.coverage, "days": self.days}


def prior_domain(frame: FeatureFrame, usual_it_kw: float) -> Domain:
    """Return what the simulated sites have seen, for the inputs of a frame."""
    low = {n: bounds[0] for n, bounds in RANGES.items() if n in frame.names}
    high = {n: bounds[1] for n, bounds in RANGES.items() if n in frame.names}
    low[IT], high[IT] = (share * usual_it_kw for share in LOADS_SEEN)
    return Domain(low, high)


def kind_of_plant(names: list[str]) -> str:
    """Return the kind of plant that the columns show."""
    return "chilled water" if set(CHILLED_WATER) & set(names) else "any"


def _prior(frame: FeatureFrame) -> Prior:
    share = "cooling" if frame.quantity == "cooling_power_kw" else "overhead"
    return PRIORS[share, kind_of_plant(frame.names)]


def _ratio(frame: FeatureFrame) -> FloatArray:
    """Return overhead, or cooling, per IT power [1]; NaN where unknown."""
    it = frame.X[IT].to_numpy(dtype=np.float64)
    it = np.where(it > 0, it, np.nan)
    y = frame.target()
    if frame.quantity == "pue":
        return np.asarray(y - 1)
    return np.asarray(y / it - 1 if frame.quantity == "facility_power_kw" else y / it)


def _step_h(frame: FeatureFrame) -> float:
    stamps = frame.keys["timestamp"]
    gaps = stamps.diff().dropna()
    return float(gaps.min() / pd.Timedelta("1h")) if len(gaps) else 1.0
