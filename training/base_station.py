"""Training and backtest of base stations."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pandas as pd
from optuna.storages import BaseStorage

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
from models.station_config import PARAMETERS
from models.station_power import CORRECTION, StationModel
from models.store import ModelCard, card_of
from training.gate import closed
from training.result import DOMAIN_COLUMNS, Backtest, provenance
from training.sample_rows import bounded, measured_hours
from training.search import SearchPlan
from training.station_backtest import backtest_quantity
from training.station_gate import judge_stations
from training.station_power import fit_station_model
from training.station_rows import table_of
from training.station_stage import COVERAGE, Stage
from training.tune import tune_stations


def fit(
    telemetry: Telemetry,
    *,
    target: str | None = None,
    trials: int = 0,
    seed: int = 0,
    storage: BaseStorage | None = None,
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
    storage : optuna.storages.BaseStorage or None
        Where trials are kept, so that a stopped search goes on; None: in memory.
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
    said: list[str] = []
    chosen = targets(telemetry, target)
    taught = bounded(telemetry, seed)
    if taught is not telemetry:
        said.append(_taught_part(taught, telemetry))
    for i, quantity in enumerate(chosen):
        clock = find_clock_offset(taught, quantity)
        frame = build(taught, quantity, clock.intervals)
        tuned = None
        if trials:
            tuned = tune_stations(frame, SearchPlan(trials, seed, storage).of(telemetry, quantity))

        def inner(what: str, share: float, done: int = i, name: str = quantity) -> None:
            report(say("{name}: {what}", name=name, what=what), (done + share) / len(chosen))

        model, evidence, stage = fit_station_model(
            frame, clock.intervals, seed=seed, report=inner,
            parameters=tuned.parameters if tuned else PARAMETERS,
        )  # fmt: skip
        verdict = judge_stations(
            stage.frame.target()[stage.usable],
            np.exp(stage.log_actual[stage.usable]),
            stage.frame.keys["site_id"][stage.usable],
            evidence,
            seed=seed,
        )
        said.append(say("{quantity}: {what}", quantity=quantity, what=verdict.reason))
        if verdict.stored:
            models[quantity] = model
            entries[quantity] = card_entry(stage, evidence, clock, model) | {
                "gate": verdict.to_dict(),
                "tuning": tuned.to_dict() if tuned else None,
            }
    if not models:
        raise closed(said, Message.joined(", ", telemetry.site_ids[:3]))
    return BaseStationBundle(_card(telemetry, entries, seed, said), models).sealed()


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
    rows, domain, notes = [], [], []
    for quantity in targets(telemetry, target):
        clock = find_clock_offset(telemetry, quantity)
        found, rates, said = backtest_quantity(
            build(telemetry, quantity, clock.intervals), clock, seed, report
        )
        rows += found
        domain += rates
        notes += said
    return Backtest(
        table_of(rows),
        tuple(dict.fromkeys(notes)),
        provenance(telemetry, seed),
        pd.DataFrame(domain)[list(DOMAIN_COLUMNS)],
    )


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
        "ranges": {name: list(limits) for name, limits in model.domain.ranges.items()},
    }


def _past(frame: FeatureFrame, column: str) -> FloatArray:
    return PastValue(column, column).fit(frame).predict(frame)


def _taught_part(taught: Telemetry, telemetry: Telemetry) -> Message:
    return say(
        "{used} of {all} measured hours taught the models: a stretch of every station",
        used=measured_hours(taught),
        all=measured_hours(telemetry),
    )


def _card(
    telemetry: Telemetry, entries: dict[str, dict[str, object]], seed: int, said: list[str]
) -> ModelCard:
    notes = (
        *said,
        say(
            "Intervals are calibrated on held-out hours; their coverage is measured on the half of the "
            "stations that did not calibrate them."
        ),
        say("The measured hours of the training stations (load, residual) are kept, to know them again."),
    )
    return card_of(telemetry, entries, notes, seed)
