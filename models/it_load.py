"""Estimate of IT power: work, what the air set-point does to it, and what the room betrays of the load.

Work repeats by the hour of the week and drifts over months. Servers draw more in warm air: that response is
identified apart (`models.site_response`), so that an estimate answers a moved set-point as servers do. The
room tells of the load too, but only where it departs from what set-points and weather make of it: departures
correct the estimate, the temperatures themselves may not, or trees would read a move as a change of work.
Departures as large as the plant never showed contradict each other and are not believed.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.data_centre import LEVERS, LOADS, PLANT
from features.errors import InsufficientDataError, ModelError
from features.frame import FeatureFrame, FloatArray
from features.levers import AIR_LEVERS
from features.message import say
from features.operation import BoolArray, Operation
from models.baselines import check_hash
from models.block_ridge import BlockRidge, fit_block_ridge
from models.gbm import GbmParameters, LinearPlusGbm
from models.lever_basis import LeverBasis
from models.site_response import ALPHAS, LEVERS_HARDER, ItResponse, fit_it_response

IntArray = npt.NDArray[np.int64]
KNOT = pd.Timedelta(days=28)
"""Distance of the knots of the slow drift of work."""
_WORK_PENALTY = 1e-4
BELIEVED = (0.005, 0.995)
"""Quantiles of the departures seen in training beyond which a row tells nothing but work and response."""
_BEYOND_K = 1.0
_DEPARTURE = "_departure"
_CALENDAR = ("hour_sin", "hour_cos", "hour", "day_of_week", "weekend")
_WEATHER = ("outdoor_dry_bulb_c", "outdoor_wet_bulb_c", "wet_bulb_from_rh_c", "dry_bulb_day_mean_c")
_CONTEXT = (*_CALENDAR, *LEVERS, *_WEATHER)


class ItLoad:
    """IT power = exp(response to the levers + what work, calendar, weather and the room say of the load).

    Parameters
    ----------
    name : str
    parameters : GbmParameters or None
        Of the correction's trees.
    """

    def __init__(self, name: str = "work x response", parameters: GbmParameters | None = None) -> None:
        self.name = name
        self.hash = ""
        self.basis: LeverBasis | None = None
        self.response: ItResponse | None = None
        self.centre = 0.0
        self.knots: list[int] = []
        self.work: BlockRidge | None = None
        self.expected: dict[str, BlockRidge] = {}
        self.believed: dict[str, tuple[float, float]] = {}
        self.correction = LinearPlusGbm("correction", parameters)

    @staticmethod
    def fits(quantity: str, columns: tuple[str, ...]) -> bool:
        """Whether an export offers what the model needs, and no other load that tells more of the work."""
        given = set(columns)
        needed = bool(given & set(AIR_LEVERS)) and "outdoor_dry_bulb_c" in given
        return quantity == "it_power_kw" and needed and not given & set(LOADS)

    def fit(self, frame: FeatureFrame) -> Self:
        """Fit response, work and correction one after the other.

        With too few neighbouring steps to tell work from temperature there is no response.
        """
        known = frame.measured()
        known = known.rows(known.target() > 0)
        self.hash = frame.hash
        operation = _operation(known, known.target())
        grid = np.isfinite(operation.it_kw) & _complete(operation)
        # plant temperatures are what tells of the coil here: no guess at it from the set-points
        self.basis = replace(LeverBasis.learn(operation, grid), warm_knots_k=())
        seed = self.correction.trees.parameters.seed
        try:
            self.response = _without_draws(fit_it_response(operation, grid, self.basis, seed))
            self.centre = float(np.mean(self.response.log_effect(self.basis, operation)[grid]))
        except InsufficientDataError:
            self.response = None
        log_it = np.log(known.target()) - self._effect(known)
        stamps = known.keys["timestamp"]
        self.knots = _knots(stamps)
        weeks = _weeks(known)
        self.work = fit_block_ridge(
            self._work_terms(known), log_it, weeks, alpha=_WORK_PENALTY, draws=0, seed=seed
        )
        self._learn_departures(known, weeks)
        self.correction.fit(replace(self._evidence(known), y=pd.Series(log_it)))
        return self

    def _learn_departures(self, known: FeatureFrame, weeks: IntArray) -> None:
        """Learn what set-points and weather make of every plant temperature and flow, and the usual rest."""
        surface, whole = self._surface(known)
        penalty = self._known_basis().surface_penalty(_operation_rows(known), LEVERS_HARDER[1])
        self.expected, self.believed = {}, {}
        for name in (n for n in PLANT if n in known.X):
            values = known.X[name].to_numpy()
            rows = whole & np.isfinite(values)
            if rows.sum() <= surface.shape[1] or float(np.ptp(values[rows])) <= 0:
                continue
            fit = fit_block_ridge(
                surface[rows], values[rows], weeks[rows], alpha=ALPHAS, draws=0, seed=0, penalty=penalty
            )
            self.expected[name] = fit
            low, high = np.quantile(values[rows] - fit.predict(surface[rows]), BELIEVED)
            self.believed[name] = (float(low), float(high))

    def predict(self, frame: FeatureFrame) -> FloatArray:
        """Return IT power [kW] per row."""
        self._known_basis()
        check_hash(self.hash, frame)
        evidence = self._evidence(frame)
        told = self.correction.predict(evidence)
        believed = self._believed(evidence)
        return np.asarray(
            np.exp(self._effect(frame) + np.where(believed, told, evidence.X["work"].to_numpy()))
        )

    def _believed(self, evidence: FeatureFrame) -> BoolArray:
        """Return the rows with set-points and departures such as the plant has shown; unknown ones count."""
        believed = np.ones(len(evidence), dtype=np.bool_)
        for name, (low, high) in self.believed.items():
            departure = evidence.X[f"{name}{_DEPARTURE}"].to_numpy()
            believed &= ~((departure < low) | (departure > high))
        basis = self._known_basis()
        for name, centre, half in zip(basis.levers, basis.centre, basis.half_range, strict=True):
            believed &= ~(np.abs(evidence.X[name].to_numpy() - centre) > half + _BEYOND_K)
        return believed

    def _effect(self, frame: FeatureFrame) -> FloatArray:
        """Return the logarithm of the response to the levers; its mean where a set-point is missing."""
        if self.response is None:
            return np.zeros(len(frame))
        basis, operation = self._known_basis(), _operation_rows(frame)
        # a cubic runs away: a little beyond the levers' range the response stays what it was
        near = {
            n: np.clip(operation.levers[n], c - h - _BEYOND_K, c + h + _BEYOND_K)
            for n, c, h in zip(basis.levers, basis.centre, basis.half_range, strict=True)
        }
        effect = self.response.log_effect(basis, operation.with_levers(near)) - self.centre
        return np.where(np.isfinite(effect), effect, 0.0)

    def _known_basis(self) -> LeverBasis:
        if self.basis is None:
            raise ModelError("E-MODEL-NOT-FITTED", say("{name} was not fitted", name=self.name))
        return self.basis

    def _work_terms(self, frame: FeatureFrame) -> FloatArray:
        """Return hour of the week and slow drift, which stays at its last value outside the training time."""
        hour = frame.X["day_of_week"].to_numpy() * 24 + np.floor(frame.X["hour"].to_numpy())
        week = np.eye(168)[hour.astype(np.int64)]
        stamps = frame.keys["timestamp"].dt.as_unit("s").astype("int64").to_numpy()
        drift = [np.interp(stamps, self.knots, row) for row in np.eye(len(self.knots))]
        return np.column_stack([week, *drift])

    def _surface(self, frame: FeatureFrame) -> tuple[FloatArray, BoolArray]:
        """Return what set-points and weather say of the plant, and the rows where both are known."""
        basis = self._known_basis()
        terms = basis.surface_terms(_operation_rows(frame), np.full(len(frame), basis.load_mean_kw))
        return terms, np.asarray(np.isfinite(terms).all(axis=1))

    def _evidence(self, frame: FeatureFrame) -> FeatureFrame:
        """Return work, what surrounds it and the departures of the plant; NaN where one is not known."""
        if self.work is None:
            raise ModelError("E-MODEL-NOT-FITTED", say("{name} was not fitted", name=self.name))
        terms, whole = self._surface(frame)
        departures = pd.DataFrame(index=frame.X.index, dtype=np.float64)
        for name, fit in sorted(self.expected.items()):  # as a stored model has them
            expected = np.full(len(frame), np.nan)
            expected[whole] = fit.predict(terms[whole])
            departures[f"{name}{_DEPARTURE}"] = frame.X[name].to_numpy() - expected
        context = frame.X[[n for n in _CONTEXT if n in frame.X]]
        inputs = pd.concat([context, departures], axis=1).assign(
            work=self.work.predict(self._work_terms(frame))
        )
        return replace(frame, X=inputs.astype(np.float64))

    def to_parts(self, file: str, texts: dict[str, str]) -> dict[str, Any]:
        """Return the JSON part and put the trees' text into `texts`."""
        if self.basis is None or self.work is None:
            raise ModelError("E-MODEL-NOT-FITTED", say("{name} was not fitted", name=self.name))
        return {
            "name": self.name,
            "hash": self.hash,
            "basis": asdict(self.basis),
            "response": self.response and {"fit": self.response.fit.to_dict(), "rho": self.response.rho},
            "centre": self.centre,
            "knots": self.knots,
            "work": self.work.to_dict(),
            "expected": {n: fit.to_dict() for n, fit in self.expected.items()},
            "believed": self.believed,
            **self.correction.to_parts(file, texts),
        }

    @classmethod
    def from_parts(cls, about: dict[str, Any], file: str, texts: dict[str, str]) -> ItLoad:
        """Rebuild from `to_parts`."""
        model = cls(about["name"])
        model.hash = about["hash"]
        model.basis = LeverBasis.from_dict(about["basis"])
        if about["response"]:
            fit = BlockRidge.from_dict(about["response"]["fit"])
            model.response = ItResponse(fit, about["response"]["rho"])
        model.centre, model.knots = about["centre"], list(about["knots"])
        model.work = BlockRidge.from_dict(about["work"])
        model.expected = {n: BlockRidge.from_dict(raw) for n, raw in about["expected"].items()}
        model.believed = {n: (low, high) for n, (low, high) in about["believed"].items()}
        model.correction = LinearPlusGbm.from_parts(about, file, texts)
        return model


def _without_draws(response: ItResponse) -> ItResponse:
    """Return the response without its bootstrap draws, which a point estimate has no use for."""
    return replace(response, fit=replace(response.fit, draws=response.fit.draws[:0]))


def _operation_rows(frame: FeatureFrame) -> Operation:
    """Return the frame's rows as they are, as an operation; for terms that look at one row alone."""
    X, unknown = frame.X, np.full(len(frame), np.nan)
    dry = X["outdoor_dry_bulb_c"].to_numpy()
    wet = next((X[n].to_numpy() for n in ("outdoor_wet_bulb_c", "wet_bulb_from_rh_c") if n in X), dry)
    hour = X["day_of_week"].to_numpy() * 24 + np.floor(X["hour"].to_numpy())
    ordered = [n for n in (*AIR_LEVERS, *LEVERS) if n in X]
    return Operation(
        site_id="", stamps=pd.DatetimeIndex(frame.keys["timestamp"]),
        levers={n: X[n].to_numpy() for n in dict.fromkeys(ordered)}, dry_bulb_c=dry, wet_bulb_c=wet,
        it_kw=unknown, facility_kw=unknown, cooling_kw=None, inlet_c=None,
        hour_of_week=hour.astype(np.int64), hours=_hours(frame),
    )  # fmt: skip


def _operation(frame: FeatureFrame, it_kw: FloatArray) -> Operation:
    """Return the operation on a regular grid, site after site with a gap between them.

    The response is learned from neighbouring steps.
    """
    rows = replace(_operation_rows(frame), it_kw=it_kw)
    site, step = frame.keys["site_id"].to_numpy(), pd.Timedelta(hours=rows.hours)
    grids, places = [], []
    for one in pd.unique(site):
        inside = np.flatnonzero(site == one)
        stamps = rows.stamps[inside]
        grid = pd.date_range(stamps.min(), stamps.max() + step, freq=step)  # the last step is the gap
        place = stamps.get_indexer(grid)
        grids.append(grid)
        places.append(np.where(place >= 0, inside[place], -1))
    where = np.concatenate(places)
    there = where >= 0

    def placed(values: FloatArray) -> FloatArray:
        return np.where(there, values[where], np.nan)

    return replace(
        rows,
        stamps=pd.DatetimeIndex(np.concatenate([g.tz_localize(None) for g in grids])).tz_localize("UTC"),
        levers={n: placed(v) for n, v in rows.levers.items()},
        dry_bulb_c=placed(rows.dry_bulb_c),
        wet_bulb_c=placed(rows.wet_bulb_c),
        it_kw=placed(it_kw),
        facility_kw=placed(rows.facility_kw),
        hour_of_week=np.where(there, rows.hour_of_week[where], 0),
    )


def _complete(operation: Operation) -> BoolArray:
    parts = [*operation.levers.values(), operation.dry_bulb_c, operation.wet_bulb_c]
    return np.asarray(np.isfinite(np.column_stack(parts)).all(axis=1))


def _hours(frame: FeatureFrame) -> float:
    steps = frame.keys["timestamp"].diff()
    steps = steps[steps > pd.Timedelta(0)]
    return float(steps.min() / pd.Timedelta(hours=1)) if len(steps) else 1.0


def _weeks(frame: FeatureFrame) -> IntArray:
    stamps = frame.keys["timestamp"]
    weeks: IntArray = ((stamps - stamps.min()) // pd.Timedelta(weeks=1)).to_numpy(np.int64)
    return weeks


def _knots(stamps: pd.Series) -> list[int]:
    """Return knots of the drift [s since 1970], at least two."""
    start, end = stamps.min(), stamps.max()
    count = max(round((end - start) / KNOT), 1) + 1
    return [int(s) for s in np.linspace(start.timestamp(), end.timestamp(), count)]
