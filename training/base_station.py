"""Training and backtest of base stations."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import optuna

from features.base_station import ENERGY_COLUMNS, build, quantities
from features.errors import InsufficientDataError, UsageError
from features.frame import FeatureFrame, FloatArray
from features.message import Message, say
from features.station_clock import ClockOffset, find_clock_offset
from features.telemetry import Telemetry
from models import metrics
from models.base_station import BaseStationBundle
from models.baselines import PastValue, SiteMean
from models.bundle import Progress
from models.gbm import GbmParameters
from models.station_config import PARAMETERS, ConfigModel, measured
from models.station_power import CORRECTION, StationModel
from models.store import ModelCard, card_of
from training.result import Backtest, provenance
from training.station_backtest import backtest_quantity, table_of
from training.station_power import COVERAGE, Stage, fit_station_model

TUNING_ROWS = 20_000
"""Rows that tuning looks at: it only chooses sizes of trees."""


def fit(
    telemetry: Telemetry,
    *,
    target: str | None = None,
    trials: int = 0,
    seed: int = 0,
    progress: Progress | None = None,
) -> BaseStationBundle:
    """Fit, calibrate and prove the models of every energy column the data hold.

    Parameters
    ----------
    telemetry : Telemetry
    target : str or None
        One of `features.base_station.ENERGY_COLUMNS`; None: all that have values.
    trials : int
        Optuna trials of the configuration model, on folds of stations; 0: the defaults.
    seed : int
    progress : callable or None

    Raises
    ------
    UsageError
        `target` is not an energy of a base station.
    InsufficientDataError
        No energy, no load, or too few stations or hours.
    """
    report = progress or (lambda _what, _share: None)
    models: dict[str, StationModel] = {}
    entries: dict[str, dict[str, object]] = {}
    chosen = targets(telemetry, target)
    for i, quantity in enumerate(chosen):
        clock = find_clock_offset(telemetry, quantity)
        frame = build(telemetry, quantity, clock.intervals)
        parameters = tune(frame, trials, seed) if trials else PARAMETERS

        def inner(what: str, share: float, done: int = i, name: str = quantity) -> None:
            report(say("{name}: {what}", name=name, what=what), (done + share) / len(chosen))

        model, evidence, stage = fit_station_model(
            frame, clock.intervals, seed=seed, parameters=parameters, report=inner
        )
        models[quantity] = model
        entries[quantity] = card_entry(stage, evidence, clock, model)
    return BaseStationBundle(_card(telemetry, entries, seed), models).sealed()


def backtest(
    telemetry: Telemetry, *, target: str | None = None, seed: int = 0, progress: Progress | None = None
) -> Backtest:
    """Score new stations, gaps, the last hours and new products beside the baselines.

    Parameters
    ----------
    telemetry : Telemetry
    target : str or None
        Energy column; None: every one with values.
    seed : int
    progress : callable or None

    Raises
    ------
    UsageError
        `target` is not an energy of a base station.
    InsufficientDataError
        Too little data to hold any back.
    """
    report = progress or (lambda _what, _share: None)
    rows, notes = [], []
    for quantity in targets(telemetry, target):
        clock = find_clock_offset(telemetry, quantity)
        found, said = backtest_quantity(build(telemetry, quantity, clock.intervals), clock, seed, report)
        rows += found
        notes += said
    return Backtest(table_of(rows), tuple(dict.fromkeys(notes)), provenance(telemetry, seed))


def targets(telemetry: Telemetry, target: str | None) -> list[str]:
    """Return the energy columns to model."""
    if target is not None and target not in ENERGY_COLUMNS:
        raise UsageError(
            "E-TARGET",
            say("{target!r} is not an energy of a base station", target=target),
            "--target",
            say("choose one of {energy_columns}", energy_columns=Message.joined(", ", ENERGY_COLUMNS)),
        )
    found = [q for q in quantities(telemetry) if target in (None, q)]
    if not found:
        raise InsufficientDataError(
            "E-STATION-ENERGY",
            say("there is no measured {target} of any station", target=target or say("energy")),
            "",
            say("add the export with the stations' energy or power"),
        )
    return found


def tune(frame: FeatureFrame, trials: int, seed: int) -> GbmParameters:
    """Return the parameters of the configuration model that err least on folds of unseen stations."""
    usable = frame.rows(measured(frame))
    part = usable.rows(np.arange(0, len(usable), max(1, len(usable) // TUNING_ROWS)))

    def error(trial: optuna.trial.BaseTrial) -> float:
        # cross-fitted: every row is answered by a fold that did not see its station
        return metrics.wmape(
            part.target(), np.exp(ConfigModel(_suggested(trial, seed)).fit(part).predict_log(part))
        )

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
        study.enqueue_trial(
            {
                "rounds": PARAMETERS.rounds,
                "num_leaves": PARAMETERS.num_leaves,
                "min_data_in_leaf": PARAMETERS.min_data_in_leaf,
                "feature_fraction": PARAMETERS.feature_fraction,
            }
        )
        study.optimize(error, n_trials=trials)
    finally:
        optuna.logging.set_verbosity(verbosity)
    return _suggested(optuna.trial.FixedTrial(study.best_params), seed)


def _suggested(trial: optuna.trial.BaseTrial, seed: int) -> GbmParameters:
    return PARAMETERS.with_(
        rounds=trial.suggest_int("rounds", 80, 400, step=20),
        num_leaves=trial.suggest_int("num_leaves", 7, 63),
        min_data_in_leaf=trial.suggest_int("min_data_in_leaf", 10, 200, log=True),
        feature_fraction=trial.suggest_float("feature_fraction", 0.4, 1.0),
        seed=seed,
    )


def card_entry(
    stage: Stage, evidence: dict[str, dict[str, float]], clock: ClockOffset, model: StationModel
) -> dict[str, object]:
    """Return what the model card says of one quantity."""
    truth = stage.frame.target()[stage.usable]
    known = stage.frame.rows(stage.usable)
    return {
        "model": "configuration trend + LightGBM, corrected by the station's own meter (LightGBM)",
        "features": stage.frame.names,
        "schema_hash": stage.frame.hash,
        "nominal_coverage": COVERAGE,
        "measured_coverage": {group: figures["coverage"] for group, figures in sorted(evidence.items())},
        "held_out": dict(sorted(evidence.items())),
        "baselines_wmape_pct": {
            "site mean (its own hours)": metrics.wmape(truth, SiteMean().fit(known).predict(known)),
            "persistence": metrics.wmape(truth, _past(known, "last")),
            "same hour yesterday": metrics.wmape(truth, _past(known, "same_hour_yesterday")),
        },
        "load_clock_offset_intervals": clock.intervals,
        "parameters": asdict(model.config.parameters),
        "correction_parameters": asdict(CORRECTION),
        "measured_hours": int(stage.usable.sum()),
        "stations": int(known.keys["site_id"].nunique()),
        "products": model.categories.get("ru_type", []),
        "ranges": {name: list(limits) for name, limits in model.ranges.items()},
    }


def _past(frame: FeatureFrame, column: str) -> FloatArray:
    return PastValue(column, column).fit(frame).predict(frame)


def _card(telemetry: Telemetry, entries: dict[str, dict[str, object]], seed: int) -> ModelCard:
    notes = (
        say("Intervals are calibrated on half of the held-out stations, coverage is measured on the others."),
        say("The measured hours of the training stations (load, residual) are kept, to know them again."),
    )
    return card_of(telemetry, entries, notes, seed)
