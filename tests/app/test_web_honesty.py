"""The overview says why, since when the plant has changed, and what the models rest on."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from app.web import overview
from app.web.language import LANGUAGES
from app.web.nodes import node
from models.explain import Explanation, Reason
from models.regime import RegimeStep, drift_issue

spec = importlib.util.spec_from_file_location("web_case", Path(__file__).with_name("web_case.py"))
assert spec is not None
assert spec.loader is not None
web_case: Any = importlib.util.module_from_spec(spec)
spec.loader.exec_module(web_case)
EN, ZH = LANGUAGES["en"], LANGUAGES["zh"]
DAY = pd.Timestamp("2026-01-10", tz="UTC")


@pytest.fixture
def case(tmp_path: Path, site: Any) -> Any:
    made = web_case.make_case(tmp_path, site)
    told = Explanation(
        "facility_power_kw", 300.0, 312.0,
        (Reason("weather", 9.4, "outdoor_wet_bulb_c", 24.1), Reason("load", 2.6, "it_power_kw", 210.0)),
    )  # fmt: skip
    step = RegimeStep(DAY, DAY + pd.Timedelta(days=3), 0.052, 0.01)
    issue = drift_issue(step, "dc-1", "facility_power_kw")
    return replace(made, explained=((DAY, told),), issues=(issue, *made.issues))


def test_reasons_stand_on_the_overview_in_both_languages(case: Any) -> None:
    english = node("div", overview._reasons(case, EN)).text()
    assert "312.0 kW, +12.0 kW against the usual 300.0 kW" in english
    assert "24.1 °C (+9.4 kW)" in english
    chinese = node("div", overview._reasons(case, ZH)).text()
    assert "与通常的 300.0 kW 相差 +12.0 kW" in chinese
    assert "outdoor" not in chinese
    assert overview._reasons(replace(case, explained=()), EN) == []


def test_a_step_stands_above_the_figures(case: Any, tmp_path: Path) -> None:
    for lang, words in (("en", "has moved by +5.2%"), ("zh", "变动了 +5.2%")):
        state = web_case.make_state(tmp_path, lang)
        assert words in node("div", overview._top(case, state)).text()


def test_the_stage_is_told(case: Any) -> None:
    assert overview.stage_text(case, EN) == "Stage: full model"
    entry = {"tier": "prior", "days": 3.0, "task": "estimate"}
    card = replace(case.bundle.card, quantities={"pue-estimate": entry})
    case.bundle.card = card
    assert overview.stage_text(case, EN) == "Stage: prior, calibrated on 3 days"
    assert "3 天" in overview.stage_text(case, ZH)
