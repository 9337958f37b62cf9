"""Advice on exports of an independent plant: the direction of its own optimum, and what it saves there."""

from __future__ import annotations

import json
import sys
from functools import cache
from importlib.util import find_spec

import pandas as pd
import pytest

from advisor.advise import advise
from advisor.plan import Advice
from tests.plant_exports import EXPORTS, ZONE, evaluated, read_export, schedule_of, site_of
from training.fit import fit_bundle


@cache
def advice_on(name: str) -> Advice:
    if not (EXPORTS / f"{name}.csv").is_file():
        pytest.skip("the folder 'shared' with exports of the independent plant is not beside the repository")
    telemetry = read_export(name)
    # advice rests on the what-if models; of the others the quickest will do
    return advise(telemetry, fit_bundle(telemetry, target="it_power_kw"), (), site_of("NY"))


@pytest.mark.parametrize(
    ("name", "direction"), [("low_fan_NY", 1), pytest.param("two_zone_NY", -1, marks=pytest.mark.study)]
)
def test_direction_of_the_zone_set_point(name: str, direction: int) -> None:
    advice = advice_on(name)
    table = advice.plan_table[advice.plan_table["lever"] == ZONE]
    assert advice.verified[0].verdict == "supported"
    assert direction * (table["recommended"].mean() - 24.0) >= 1.0
    assert (direction * (table["recommended"] - 24.0) >= 0).all()
    assert advice.saving.energy_pct is not None
    assert advice.saving.energy_pct.lower > 0


@pytest.mark.skipif(
    find_spec("pyenergyplus") is None, reason="EnergyPlus (extra closed-loop) is not installed"
)
def test_the_plant_confirms_what_is_promised() -> None:
    name = "low_fan_NY"
    advice = advice_on(name)
    told, _ = evaluated(schedule_of(advice), name, sys.executable)
    oracle = json.loads((EXPORTS / f"oracle_{name}.json").read_text(encoding="utf-8"))["saving_pct"]
    promised = advice.saving.energy_pct
    assert promised is not None
    assert promised.lower <= told["saving_pct"] <= promised.upper
    assert told["saving_pct"] >= 0.95 * oracle
    assert told["schedule"]["hours_inlet_above_27_c"] == told["baseline"]["hours_inlet_above_27_c"]


@pytest.mark.parametrize("name", ["chilled_water_NY_reset", "chilled_water_Granada_fixed"])
def test_confounded_or_fixed_operation_is_held(name: str) -> None:
    advice = advice_on(name)
    assert advice.verified[0].verdict == "hold"
    assert (advice.plan_table["recommended"] == advice.plan_table["current"]).all()
    assert advice.saving.energy_pct is not None
    assert advice.saving.energy_pct.upper == 0.0
    needle = "never moved" if name.endswith("fixed") else "cannot be told"
    assert sum(needle in r for r in advice.recommendations[0].reasons) == 2
    assert len(advice.plan_table) == 2 * 8760
    assert isinstance(advice.plan_table["timestamp"].dtype, pd.DatetimeTZDtype)
