"""Sleep advice for a fleet of base stations: actions, plans, verification, ranking."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from advisor.catalogue import Measure, measures_for
from advisor.plan import (
    PLAN_COLUMNS, Advice, Interval, Limit, Plan, Problem, Recommendation, Saving, SolverReport, VerifiedPlan,
)  # fmt: skip
from advisor.site import Site
from advisor.sleep import Action, Effect, cell_rows, find_actions, matched_effect, propose, station_rows
from advisor.sleep_ranking import recommend, untried
from advisor.sleep_verify import FleetEnergy, Scale, SleepScorer, verify_sleep
from features.errors import InsufficientDataError, ModelError, UsageError
from features.frame import FeatureFrame
from features.issues import DataIssue
from features.telemetry import Telemetry
from models.base_station import BaseStationBundle
from models.bundle import Bundle, Progress
from models.store import package_versions

SCHEDULE_COLUMNS = (
    "timestamp", "site_id", "unit_id", "lever", "current", "recommended", "product", "capacity_share",
)  # fmt: skip
FULLY_ON = 1.0


@dataclass(frozen=True)
class Case:
    """One fleet's decision: everything that proposing and verifying need."""

    telemetry: Telemetry
    quantity: str
    offset: int
    frame: FeatureFrame
    cells: pd.DataFrame
    site: Site | None
    window: tuple[pd.Timestamp, pd.Timestamp]
    fleet: FleetEnergy
    scale: Scale
    model_id: str
    seed: int


@dataclass(frozen=True)
class Tried:
    """An action with its measured effect and its verified plan."""

    action: Action
    effect: Effect | None
    verified: VerifiedPlan


def advise_base_stations(
    telemetry: Telemetry,
    bundle: Bundle,
    measures: tuple[Measure, ...],
    site: Site | None = None,
    *,
    start: pd.Timestamp | None = None,
    end: pd.Timestamp | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Advice:
    """Advise on sleep modes of a fleet; see `advisor.advise.advise`.

    Savings are in % of the fleet's energy in the window; kWh, money and carbon appear where the energy is
    physical or the site declares ``energy_unit_kwh``, a tariff and a factor. Hours asleep already are the
    baseline: only new hours save.
    """
    tell = progress or (lambda _what, _share: None)
    issues: list[DataIssue] = []
    tell("predicting the fleet's energy", 0.0)
    case = _case(telemetry, bundle, site, (start, end), seed, issues)
    scorer = SleepScorer(telemetry, case.quantity, case.offset, seed)
    rows = station_rows(case.frame, telemetry, case.offset)
    actions = find_actions(case.cells)
    tried: list[Tried] = []
    for i, action in enumerate(actions):
        tell(f"sleep of {action.name}", 0.2 + 0.6 * i / len(actions))
        effect = matched_effect(rows, action, seed)
        plan = _plan(case, action, effect)
        tried.append(
            Tried(action, effect, verify_sleep(plan, scorer, case.fleet, case.scale, {action.product: action.modes}))
        )
    tell("ranking", 0.85)
    supported = _ranked([t for t in tried if t.verified.verdict == "supported"])
    together = _together(case, supported, scorer)
    cited = _cited(case, measures)
    after = _after_higher_ranked(case, supported, scorer)
    recommendations = (
        *(recommend(t.action, t.effect, t.verified, a, cited) for t, a in zip(supported, after, strict=True)),
        *untried([(t.action, t.verified) for t in tried if t.verified.verdict != "supported"],
                 _never_asleep(case, actions), cited, len(supported)),
    )  # fmt: skip
    tell("done", 1.0)
    return Advice(
        plan_table=_plan_table(case, together.plan.schedule),
        recommendations=recommendations,
        baseline=together.baseline,
        planned=together.planned,
        saving=together.saving,
        verified=(together, *(t.verified for t in tried if t.verified.plan.changes)),
        issues=tuple(issues),
        provenance=_provenance(case, together),
    )


def _case(
    telemetry: Telemetry, bundle: Bundle, site: Site | None,
    window: tuple[pd.Timestamp | None, pd.Timestamp | None], seed: int, issues: list[DataIssue],
) -> Case:  # fmt: skip
    if not isinstance(bundle, BaseStationBundle):
        raise ModelError(
            "E-MODEL-KIND", f"the model is one of a {bundle.card.kind}", "", "train a model on this export"
        )
    if site is not None and site.kind != "base-station":
        raise UsageError(
            "E-SITE-KIND", f"site {site.id!r} is a {site.kind}, the export holds base stations", "site.toml", ""
        )
    measured = [q for q in bundle.models if telemetry.has(q)]
    if not measured:
        raise InsufficientDataError(
            "E-ADVISE-ENERGY", "no station's energy is measured in the export", "",
            "add the export with the stations' energy: the effect of sleep is measured, not assumed",
        )  # fmt: skip
    quantity = measured[0]
    frame, found = bundle.features(telemetry, quantity)
    issues += found
    if site is None or site.limits.prb_utilisation_max is None:
        issues.append(
            DataIssue(
                "D-LIMIT-ASSUMED", "warning", "limits.prb_utilisation_max",
                "no load limit for sleep was declared: the load range in which each mode was used is taken",
                "declare limits.prb_utilisation_max in site.toml", "cells above it are not put to sleep",
            )
        )  # fmt: skip
    offset = bundle.clock_offset(telemetry, quantity)
    chosen = _window(telemetry, *window)
    fleet = _fleet_energy(telemetry, bundle, quantity, frame, offset, chosen)
    return Case(
        telemetry, quantity, offset, frame, cell_rows(telemetry), site, chosen, fleet,
        _scale(quantity, telemetry, site), bundle.card.model_id, seed,
    )  # fmt: skip
