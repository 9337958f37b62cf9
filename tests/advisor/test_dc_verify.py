"""The verifier against plans made by hand."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import advisor.verify
from advisor.plan import Advice, Plan, VerifiedPlan
from advisor.site import LeverRange, Limits
from advisor.verify import verify_set_points
from features.operation import operation_of

ZONE, WATER = "zone_set_point_c", "chilled_water_set_point_c"


@pytest.fixture(scope="module")
def judge(dc_case, dc_july_advice: Advice):
    """Return a function that verifies July's plan with other values."""
    operation = operation_of(dc_case.telemetry, "telemetry")
    scorer = dc_case.bundle.sites["telemetry"].what_if.scorer
    original = dc_july_advice.verified[0].plan

    def judged(values=None, *, schedule=None, objective=None, site=None, drop=(), **changes) -> VerifiedPlan:
        table = original.schedule if schedule is None else schedule
        if values is not None:
            table = table.assign(recommended=table["lever"].map(values))
        plan: Plan = replace(original, schedule=table, objective=objective or {"saving_pct": 2.5}, **changes)
        seen = operation if not drop else replace(operation, **dict.fromkeys(drop))
        return verify_set_points(plan, scorer, seen, site or dc_case.site)

    return judged


def failed(verified: VerifiedPlan) -> set[str]:
    return {c.name for c in verified.checks if not c.passed}


GOOD = {ZONE: 22.0, WATER: 12.0}


def test_a_sound_plan_passes(judge) -> None:
    verified = judge(GOOD)
    assert failed(verified) == set()
    assert verified.verdict == "supported"


def test_too_warm_an_aisle_is_refused(judge, dc_case) -> None:
    tight = dc_case.site.model_copy(update={"limits": Limits(server_inlet_temp_c_max=24.0)})
    problem = judge(GOOD).plan.problem
    limits = tuple(replace(x, value=24.0) if x.sense == "max" else x for x in problem.limits)
    verified = judge({ZONE: 25.0, WATER: 12.0}, site=tight, problem=replace(problem, limits=limits))
    assert verified.verdict == "refused"
    assert failed(verified) == {"server_inlet_temp_c max 24 °C"}
    check = next(c for c in verified.checks if not c.passed)
    assert 25.0 < check.worst < 27.0
    assert check.bound == 24.0


def test_the_sensor_error_counts(judge, dc_case) -> None:
    """22 degC leads to an inlet of about 23; 23.8 holds without, and not with an error of 1 K."""
    problem = judge(GOOD).plan.problem
    limits = tuple(replace(x, value=23.8) if x.sense == "max" else x for x in problem.limits)
    for error, verdict in ((0.0, "supported"), (1.0, "refused")):
        site = dc_case.site.model_copy(
            update={"limits": Limits(server_inlet_temp_c_max=23.8, sensor_error_k=error)}
        )
        assert judge(GOOD, site=site, problem=replace(problem, limits=limits)).verdict == verdict


def test_one_hot_hour_is_enough(judge, dc_july_advice: Advice) -> None:
    schedule = dc_july_advice.verified[0].plan.schedule
    schedule = schedule.assign(recommended=schedule["lever"].map(GOOD).astype(float))
    row = schedule.index[schedule["lever"] == ZONE][300]
    schedule.loc[row, "recommended"] = 27.0
    assert "server_inlet_temp_c max 27 °C" in failed(judge(schedule=schedule))


def test_outside_of_what_was_explored(judge, dc_case) -> None:
    wide = dc_case.site.model_copy(
        update={"levers": {ZONE: LeverRange(lower=10, upper=40), WATER: LeverRange(lower=2, upper=30)}}
    )
    verified = judge({ZONE: 22.0, WATER: 16.0}, site=wide)
    assert verified.verdict == "refused"
    assert f"{WATER}: explored range" in failed(verified)


def test_outside_of_the_declared_range(judge, dc_case) -> None:
    narrow = dc_case.site.model_copy(update={"levers": {WATER: LeverRange(lower=6, upper=10)}})
    assert failed(judge(GOOD, site=narrow)) == {f"{WATER}: declared range"}
    moved = judge({ZONE: 21.0, WATER: 7.0}, site=narrow)
    assert failed(moved) == {f"{ZONE}: declared range"}  # not a permitted lever at all
    assert moved.verdict == "refused"


@pytest.mark.parametrize("damage", ["first", "middle", "last", "duplicate", "nan", "shifted"])
def test_missing_or_doubled_hours(judge, dc_july_advice: Advice, damage: str) -> None:
    schedule = dc_july_advice.verified[0].plan.schedule
    schedule = schedule.assign(recommended=schedule["lever"].map(GOOD).astype(float))
    rows = schedule.index[schedule["lever"] == WATER]
    if damage == "duplicate":
        schedule = pd.concat([schedule, schedule.loc[rows[5:6]]], ignore_index=True)
    elif damage == "nan":
        schedule.loc[rows[5], "recommended"] = np.nan
    elif damage == "shifted":
        schedule["timestamp"] = schedule["timestamp"] + pd.Timedelta(hours=1)
    else:
        schedule = schedule.drop(index=rows[{"first": 0, "middle": 350, "last": -1}[damage]])
    verified = judge(schedule=schedule)
    assert verified.verdict == "refused"
    assert f"{WATER}: one value per step" in failed(verified)


def test_an_impossible_claim_is_refused(judge) -> None:
    verified = judge(GOOD, objective={"saving_pct": 60.0})
    assert verified.verdict == "refused"
    assert "plausible saving" in failed(verified)


def test_a_quarrel_of_the_models_widens_the_interval(judge) -> None:
    widths = []
    for claimed in (2.5, 5.0, 9.0):
        share = judge(GOOD, objective={"saving_pct": claimed}).saving.energy_pct
        widths.append(share.upper - share.lower)
    assert widths == sorted(widths)
    assert widths[2] > widths[0] + 2.0
    assert judge(GOOD, objective={"saving_pct": 12.0}).verdict == "not proven"


def test_a_losing_plan_is_not_proven(judge) -> None:
    verified = judge({ZONE: 26.0, WATER: 7.0}, objective={"saving_pct": 1.0})
    assert verified.verdict in ("not proven", "refused")
    assert verified.saving.energy_pct.point < 0


def test_a_warmer_aisle_that_nobody_sees_is_refused(judge) -> None:
    assert judge({ZONE: 24.0, WATER: 12.0}, drop=("inlet_c",)).verdict == "refused"
    assert judge({ZONE: 21.5, WATER: 10.0}, drop=("inlet_c",)).verdict != "refused"


def test_without_a_scorer_nothing_is_claimed(dc_case, dc_july_advice: Advice) -> None:
    operation = operation_of(dc_case.telemetry, "telemetry")
    verified = verify_set_points(dc_july_advice.verified[0].plan, None, operation, dc_case.site)
    assert verified.verdict == "hold"
    assert verified.saving.energy_pct.upper == 0.0


def test_pv_covers_the_load_first(judge, dc_case, dc_july_advice: Advice) -> None:
    operation = operation_of(dc_case.telemetry, "telemetry")
    scorer = dc_case.bundle.sites["telemetry"].what_if.scorer
    plan = judge(GOOD).plan
    flat = {
        kw: verify_set_points(plan, scorer, operation, dc_case.site, np.full(len(operation), kw)).baseline
        for kw in (0.0, 100.0, 1e5)
    }
    hours = flat[0.0].energy_kwh - flat[100.0].non_green_kwh / 0.75
    assert hours / 100.0 == pytest.approx(744, abs=3)
    assert flat[1e5].non_green_kwh == 0.0
    assert flat[1e5].green_share == 1.0
    assert flat[1e5].cost == 0.0


def test_the_verifier_shares_nothing_with_the_optimiser() -> None:
    tree = ast.parse(Path(advisor.verify.__file__).read_text(encoding="utf-8"))
    names = [n.name for node in ast.walk(tree) if isinstance(node, ast.Import) for n in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not [n for n in names if n.startswith(("advisor.cooling", "models.site_response"))]
