"""Cooling plants whose heat is metered: power = heat x specific power, chiller by chiller where known.

Where the load of every chiller is known, the plant is the sum of its chillers' curves over part load and
lift, with pumps and towers that follow how many run and how wet the air is (the quadratic part-load and
bilinear lift shape of EnergyPlus `Chiller:Electric:EIR`, and the cube law of tower fans seen through the
wet bulb). Where only the total is known, nobody can say which chiller runs: the specific power [kW/kW] is
a trend over load and condenser temperature, bent by the mean of a smooth surface and of trees. Either way
power is heat times a slowly varying ratio, which holds outside the training season where trees are flat.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
import pandas as pd

from features.data_centre import UNIT_LOADS, UNIT_MARK, changes_of
from features.errors import ModelError
from features.frame import FeatureFrame, FloatArray
from features.message import say
from models.baselines import Linear, check_hash
from models.gbm import Gbm, GbmParameters
from models.kernel import KernelSurface

HEAT = "thermal_load_kw"
FLOW = "chilled_water_flow_l_s"
SINKS = ("condenser_water_temp_c", "outdoor_wet_bulb_c", "wet_bulb_from_rh_c", "outdoor_dry_bulb_c")
"""Where heat goes, nearest to the chiller first."""
_ADDS_UP = 0.98
"""Units whose loads exceed the total by more than 2 % are means of the time they ran, not of the hour."""
_PENALTY = 1e-3
_TREND_PENALTY = 1e-4
_OUTLIER_SD = 6.0
_KELVIN = 5.0
_UNIT_TREES = GbmParameters(
    rounds=100, learning_rate=0.05, num_leaves=15, min_data_in_leaf=40, lambda_l2=5.0, threads=1
)
"""What chillers' curves leave is little: few, small trees."""
_RATIO_TREES = _UNIT_TREES.with_(rounds=300, objective="regression_l1")
"""Absolute errors: hours of a change-over or a fault must not bend the ratio of all others."""


class ChillerPlant:
    """Cooling power from heat and the temperature it is rejected to, corrected by LightGBM.

    Parameters
    ----------
    name : str
    parameters : GbmParameters
        Only the seed is used: how far trees may correct is part of the model.
    """

    def __init__(
        self, name: str = "chiller plant + LightGBM", parameters: GbmParameters | None = None
    ) -> None:
        self.name = name
        self.hash = ""
        self.seed = (parameters or GbmParameters()).seed
        self.trees = Gbm("correction")
        self.units: UnitCurves | None = None
        self.whole: SpecificPower | None = None

    @staticmethod
    def fits(quantity: str, columns: tuple[str, ...]) -> bool:
        """Return whether the inputs allow this form for a quantity."""
        return quantity == "cooling_power_kw" and HEAT in columns and any(s in columns for s in SINKS)

    def fit(self, frame: FeatureFrame) -> Self:
        """Fit on the measured rows with heat."""
        known = frame.measured()
        heat = known.X[HEAT].to_numpy()
        known = known.rows(heat > 0)
        self.hash = frame.hash
        if units_of(frame):
            self.units, self.whole = UnitCurves.fit(known), None
            left, parameters = known.target() - self.units.predict(known), _UNIT_TREES
        else:
            self.units, self.whole = None, SpecificPower.fit(known, self.seed)
            left = known.target() / known.X[HEAT].to_numpy() - self.whole.trend_of(known)
            parameters = _RATIO_TREES
        self.trees = Gbm("correction", parameters.with_(seed=self.seed))
        self.trees.fit(replace(_without_flows(known), y=pd.Series(left)))
        return self

    def predict(self, frame: FeatureFrame) -> FloatArray:
        """Return the power [kW]; NaN without heat; shape (rows,)."""
        if not self.hash:
            raise ModelError("E-MODEL-NOT-FITTED", say("{name} was not fitted", name=self.name))
        check_hash(self.hash, frame)
        heat = frame.X[HEAT].to_numpy(dtype=np.float64)
        corrected = self.trees.predict(_without_flows(frame))
        if self.units is not None:
            return np.where(heat > 0, self.units.predict(frame) + corrected, np.nan)
        assert self.whole is not None  # noqa: S101 - fit sets one of the two
        ratio = self.whole.trend_of(frame) + 0.5 * (self.whole.bend_of(frame) + corrected)
        return np.where(heat > 0, heat * ratio, np.nan)

    def to_parts(self, file: str, texts: dict[str, str]) -> dict[str, Any]:
        """Return the JSON part and put the trees' text into `texts`."""
        trees, texts[file] = self.trees.to_files()
        return {
            "name": self.name, "hash": self.hash, "trees": trees,
            "units": self.units and self.units.to_dict(), "whole": self.whole and self.whole.to_dict(),
        }  # fmt: skip

    @classmethod
    def from_parts(cls, about: dict[str, Any], file: str, texts: dict[str, str]) -> ChillerPlant:
        """Rebuild from `to_parts`."""
        model = cls(about["name"])
        model.hash = about["hash"]
        model.trees = Gbm.from_files(about["trees"], texts[file])
        model.units = about["units"] and UnitCurves.from_dict(about["units"])
        model.whole = about["whole"] and SpecificPower.from_dict(about["whole"])
        return model


def units_of(frame: FeatureFrame) -> list[str]:
    """Return the features that are the load of one unit."""
    return [n for n in frame.names if n.split(UNIT_MARK)[0] in UNIT_LOADS and UNIT_MARK in n]


def _without_flows(frame: FeatureFrame) -> FeatureFrame:
    """Return the frame without flows: their meters drift against the heat that they carry."""
    return replace(frame, X=frame.X[[n for n in frame.names if not n.startswith(FLOW)]])


def _sinks(frame: FeatureFrame) -> list[str]:
    return [s for s in SINKS if s in frame.X]


class UnitCurves:
    """Sum of the chillers' curves, with pumps and towers: a ridge regression on physical terms.

    Parameters
    ----------
    size : dict
        Unit feature -> heat that it takes when busy [kW].
    centre : dict
        Sink -> its mean [degC].
    linear : Linear
    """

    def __init__(self, size: dict[str, float], centre: dict[str, float], linear: Linear) -> None:
        self.size, self.centre, self.linear = size, centre, linear

    @classmethod
    def fit(cls, frame: FeatureFrame) -> UnitCurves:
        """Fit on rows with heat."""
        running = {name: frame.X[name][frame.X[name] > 0] for name in units_of(frame)}
        known = {name: float(loads.quantile(0.95)) for name, loads in running.items() if len(loads)}
        usual = float(np.mean(list(known.values()))) if known else 1.0
        size = {name: known.get(name, usual) for name in running}
        centre = {s: float(frame.X[s].mean()) for s in _sinks(frame)}
        curves = cls(size, centre, Linear("curves", alpha=_PENALTY))
        curves.linear.fit(curves._terms(frame))
        return curves

    def predict(self, frame: FeatureFrame) -> FloatArray:
        """Return the power [kW], shape (rows,)."""
        return self.linear.predict(self._terms(frame))

    def _terms(self, frame: FeatureFrame) -> FeatureFrame:
        X = frame.X
        loads = X[list(self.size)]
        total = X[HEAT].to_numpy(dtype=np.float64)
        ran = np.minimum(total / np.maximum(loads.sum(axis=1, skipna=False).to_numpy(), 1e-9), 1.0)
        ran = np.where(ran > _ADDS_UP, 1.0, ran)  # share of the step that the running units ran
        sinks = [((X[s] - c) / _KELVIN).to_numpy(dtype=np.float64) for s, c in self.centre.items()]
        near, wet = sinks[0], sinks[min(1, len(sinks) - 1)]
        terms: dict[str, FloatArray] = {}
        for name, size in self.size.items():
            part = loads[name].to_numpy() / size
            on = np.where(np.isfinite(part), (part > 0) * ran, np.nan)
            heat = part * ran
            own = {
                "on": on, "heat": heat, "heat2": heat * part, "heat3": heat * part**2,
                "lift": heat * near, "on lift": on * near, "heat2 lift": heat * part * near,
                "lift2": heat * near**2, "on lift2": on * near**2,
                "wet": heat * wet, "on wet": on * wet,
            }  # fmt: skip
            for what, values in own.items():
                # what all have in common answers for a unit that hardly ran yet
                terms[f"any:{what}"] = terms.get(f"any:{what}", 0.0) + values
                terms[f"{name}:{what}"] = values
        share = total / max(sum(self.size.values()), 1e-9)
        for k, values in enumerate(sinks):  # towers speed up where it is warm and much heat has to go
            warm = np.maximum(values - 0.5, 0.0)
            terms |= {f"sink{k}": values, f"warm{k}": warm, f"warm{k} heat": warm * share}
        return FeatureFrame(frame.keys, pd.DataFrame(terms), frame.quantity, frame.y)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready numbers."""
        return {"size": self.size, "centre": self.centre, "linear": self.linear.to_dict()}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> UnitCurves:
        """Rebuild from `to_dict`."""
        return cls(raw["size"], raw["centre"], Linear.from_dict(raw["linear"]))


class SpecificPower:
    """Specific power [kW/kW] of a plant as trend plus smooth surface, fitted without its outliers.

    Parameters
    ----------
    names : list of str
        Inputs.
    centre : list of float
        Their means, for rows where one is missing.
    trend : Linear
    surface : KernelSurface
    """

    def __init__(self, names: list[str], centre: list[float], trend: Linear, surface: KernelSurface) -> None:
        self.names, self.centre, self.trend, self.surface = names, centre, trend, surface

    @classmethod
    def fit(cls, frame: FeatureFrame, seed: int) -> SpecificPower:
        """Fit on rows with heat."""
        lengths = _lengths(frame)
        names = list(lengths)
        centre = [float(v) for v in frame.X[names].mean()]
        values = _filled(frame, names, centre)
        ratio = frame.target() / frame.X[HEAT].to_numpy()
        inputs = FeatureFrame(
            frame.keys, pd.DataFrame(values, columns=names), frame.quantity, pd.Series(ratio)
        )
        trend = _rising_trend(inputs)
        left = ratio - trend.predict(inputs)
        away = np.abs(left - np.median(left))
        kept = away <= _OUTLIER_SD * max(1.4826 * float(np.median(away)), 1e-12)
        surface = KernelSurface.fit(
            values[kept], left[kept], np.array(list(lengths.values())), _NOISE, seed=seed
        )
        return cls(names, centre, trend, surface)

    def trend_of(self, frame: FeatureFrame) -> FloatArray:
        """Return the trend of the specific power [kW/kW], shape (rows,)."""
        values = _filled(frame, self.names, self.centre)
        inputs = FeatureFrame(frame.keys, pd.DataFrame(values, columns=self.names), frame.quantity)
        return self.trend.predict(inputs)

    def bend_of(self, frame: FeatureFrame) -> FloatArray:
        """Return what the surface adds to the trend [kW/kW], shape (rows,)."""
        return self.surface.predict(_filled(frame, self.names, self.centre))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready numbers."""
        return {
            "names": self.names, "centre": self.centre,
            "trend": self.trend.to_dict(), "surface": self.surface.to_dict(),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> SpecificPower:
        """Rebuild from `to_dict`."""
        return cls(
            raw["names"],
            raw["centre"],
            Linear.from_dict(raw["trend"]),
            KernelSurface.from_dict(raw["surface"]),
        )


def _rising_trend(inputs: FeatureFrame) -> Linear:
    """Return a trend that never falls with the temperature that heat is rejected to.

    A falling slope is some other cause that came and went with the weather; it would carry far outside.
    """
    names = list(inputs.names)
    while True:
        trend = Linear("specific power", alpha=_TREND_PENALTY, columns=tuple(names)).fit(inputs)
        falling = [n for n, c in zip(names, trend.coefficients[1:], strict=True) if n in SINKS and c < 0]
        if not falling:
            return trend
        names.remove(falling[0])


_NOISE = 0.2
_LOAD_LENGTH, _SINK_LENGTH, _SECOND_SINK_LENGTH, _CHANGE_LENGTH = 1.5, 2.25, 12.0, 10.0
"""Length scales [spreads]: a staging of chillers bends the load's axis most, the last hours' change least."""


def _lengths(frame: FeatureFrame) -> dict[str, float]:
    """Return input -> length scale."""
    lengths = {HEAT: _LOAD_LENGTH}
    for number, name in enumerate(_sinks(frame)[:2]):
        lengths[name] = _SINK_LENGTH if number == 0 else _SECOND_SINK_LENGTH
    near = _sinks(frame)[0]
    return lengths | {c: _CHANGE_LENGTH for n in (HEAT, near) for c in changes_of(n) if c in frame.X}


def _filled(frame: FeatureFrame, names: list[str], centre: list[float]) -> FloatArray:
    values = frame.X[names].to_numpy(dtype=np.float64)
    return np.where(np.isfinite(values), values, np.asarray(centre))
