"""Fit, calibrate and prove the two-stage model of one energy column."""

from __future__ import annotations

from collections.abc import Callable

from features.frame import FeatureFrame
from features.message import say
from models.gbm import Gbm, GbmParameters
from models.station_config import PARAMETERS
from models.station_domain import StationDomain
from models.station_interval import NEW_PRODUCT, StationIntervals
from models.station_power import CORRECTION, Mode, StationModel
from training.station_proof import (
    Evidence,
    calibrate,
    known_stations,
    unknown_products,
    unknown_stations,
    unmeasured_stations,
)
from training.station_stage import Stage, first_stage, fit_corrections

Parameters = tuple[GbmParameters, GbmParameters]
"""Of the first and of the second stage."""
DEFAULTS: Parameters = (PARAMETERS, CORRECTION)
ESTIMATES: tuple[Mode, ...] = ("around", "past")
Report = Callable[[str, float], None]


def _silent(_what: str, _share: float) -> None:
    """Report nothing."""


def fit_station_model(
    frame: FeatureFrame, offset: int, *, seed: int, parameters: GbmParameters = PARAMETERS,
    correction: GbmParameters = CORRECTION, report: Report = _silent,
) -> tuple[StationModel, Evidence, Stage]:  # fmt: skip
    """Fit both stages of one quantity.

    Parameters
    ----------
    frame : FeatureFrame
        From `features.base_station.build` with clock offset `offset`.
    seed : int
    parameters, correction : GbmParameters
        Of the first and of the second stage.

    Returns
    -------
    tuple
        Model, evidence (group -> measured coverage, width, error) and the first stage's answers.

    Raises
    ------
    InsufficientDataError
        Too few stations or measured hours.
    """
    parameters, correction = parameters.with_(seed=seed), correction.with_(seed=seed)
    report(say("fit configuration model"), 0.05)
    stage = first_stage(frame, parameters)
    report(say("prove second stage on held-out hours"), 0.25)
    held = known_stations(stage, correction, seed)
    report(say("prove second stage on held-out stations"), 0.45)
    held += unknown_stations(stage, correction, seed)
    report(say("prove new stations and products"), 0.65)
    held += unmeasured_stations(stage)
    intervals, evidence = calibrate(held, seed)
    band, found = unknown_products(stage, parameters)
    if band is not None:
        intervals.bands[NEW_PRODUCT] = band
    report(say("fit second stage"), 0.8)
    model = _assembled(stage, offset, fit_corrections(stage, stage.usable, correction, seed), intervals)
    report(say("done"), 1.0)
    return model, evidence | found, stage


def fit_for_strangers(
    frame: FeatureFrame, offset: int, *, seed: int, parameters: GbmParameters = PARAMETERS,
    correction: GbmParameters = CORRECTION,
) -> StationModel:  # fmt: skip
    """Fit both stages as `fit_station_model` does, for estimates at stations outside the data only.

    Raises
    ------
    InsufficientDataError
        Too few stations or measured hours.
    """
    parameters, correction = parameters.with_(seed=seed), correction.with_(seed=seed)
    stage = first_stage(frame, parameters)
    held = [*unknown_stations(stage, correction, seed, ESTIMATES), *unmeasured_stations(stage)]
    intervals, _ = calibrate(held, seed)
    corrections = fit_corrections(stage, stage.usable, correction, seed, ESTIMATES)
    return _assembled(stage, offset, corrections, intervals)


def _assembled(
    stage: Stage, offset: int, corrections: dict[Mode, Gbm], intervals: StationIntervals
) -> StationModel:
    return StationModel(
        stage.frame.quantity, offset, stage.config, corrections, intervals,
        StationDomain.learn(stage.frame), stage.hours(stage.usable),
    )  # fmt: skip
