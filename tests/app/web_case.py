"""A site's case made by hand: the pages are tested without any model."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from advisor.catalogue import load_measures
from app.service.accuracy import Accuracy
from app.service.check import Rows
from app.service.standing import standing
from app.service.workspace import SiteCase
from app.web.state import SessionState
from features.issues import DataIssue
from features.reading import Mapping
from models.prediction import Prediction

ON = date(2026, 2, 1)


def conftest() -> Any:
    """Return the module with the hand-made export and advice."""
    name = "app_conftest_for_web"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("conftest.py"))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


def make_case(folder: Path, site: Any, verdict: str = "supported", actions: int = 1) -> SiteCase:
    """Return a case of two weeks with as many actions."""
    made = conftest()
    telemetry = made.make_telemetry()
    advice = made.make_advice(telemetry, "supported")
    one = replace(advice.recommendations[0], verdict=verdict)
    advice = replace(advice, recommendations=tuple(replace(one, id=f"r{n}") for n in range(1, actions + 1)))
    frame = telemetry.frame
    point = frame["facility_power_kw"].to_numpy() + 1.0
    prediction = Prediction(
        keys=frame[["site_id", "unit_id", "timestamp"]], point=point, lower=point - 5, upper=point + 5,
        quantity="facility_power_kw", coverage=0.9, model_id="m", in_domain=np.ones(len(frame), bool),
        tier=np.full(len(frame), "full"),
    )  # fmt: skip
    stuck = DataIssue(
        "D-STUCK", "error", "dc-1, it_power_kw, 2026-01-03 02:00 to 2026-01-03 09:00", "8 values stand still",
        "check the sensor", "the values are missing", 8,
    )  # fmt: skip
    measures = load_measures()
    return SiteCase(
        key="hall", name=site.name, folder=folder, telemetry=telemetry, rows=Rows(340, 336, 3, 1),
        issues=(stuck, *telemetry.issues), site=site, bundle=SimpleNamespace(card=made.make_card()),
        advice=advice, standing=standing(telemetry, site, advice.baseline, measures, ON),
        predictions=(prediction,), measures=measures, mapping=Mapping(),
        accuracy=(Accuracy("facility_power_kw", "estimate", "gbm", 1.2, 1.5, "linear", 3.4, 0.9, 0.91),),
        on=ON,
    )  # fmt: skip


def make_state(folder: Path, lang: str = "en") -> SessionState:
    """Return a session over an empty folder."""
    own = folder / "own"
    own.mkdir(exist_ok=True)
    return SessionState(folder, own, "token-of-the-session", lang=lang)
