"""Rules that a building-management system can keep: their arithmetic, and what one is worth in a plant."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor import cooling
from advisor.advise import advise
from advisor.plan import Advice, Plan, Problem, SolverReport
from advisor.reset import RAMP_K_PER_H, Days, Reset, rule_in_words
from advisor.schedule_checks import reversal_checks, reversals
from advisor.site import LeverRange, Limits, Site
from features.reading import read_paths
from features.telemetry import TimeZone
from sample_data.centres import COLD_CENTRE
from sample_data.data_centre import LEVERS, data_centre_year
from tests.advisor.conftest import local_plan

ZONE, WATER = LEVERS
RULE = Reset(
    "outdoor_wet_bulb_c", 0.0, 20.0, ((18.0, 6.0), (19.0, 8.0), (20.0, 10.0), (21.0, 12.0), (22.0, 14.0))
)


def days_of(wet_bulb: list[float]) -> Days:
    values = np.array(wet_bulb)
    return Days(
        {"outdoor_wet_bulb_c": values, "it_power_kw": values},
        pd.Timestamp("2025-01-01"),
        TimeZone("UTC"),
        1.0,
    )


def test_stage_is_looked_up_and_kept_within_the_dead_band() -> None:
    # stages end at 4, 8, 12, 16; the band is a quarter of a stage: 1 K
    stages = RULE.by_day(days_of([-5.0, 4.9, 5.1, 3.1, 2.9, 30.0, 15.2, 14.9]))
    assert stages.tolist() == [0, 0, 1, 1, 0, 4, 4, 3]


def test_set_points_move_at_midnight_and_slowly() -> None:
    days = days_of([1.0, 30.0, 30.0])
    stamps = pd.date_range("2025-01-01", periods=72, freq="h", tz="UTC")
    water = RULE.schedule(days, stamps, (ZONE, WATER))[WATER]
    assert water[:24].tolist() == [6.0] * 24
    assert water[24:34].tolist() == [7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 14.0, 14.0]
    assert water[34:].tolist() == [14.0] * 38


@given(st.lists(st.floats(-30, 40), min_size=2, max_size=40), st.sampled_from([0.25, 0.5, 1.0]))
def test_no_rule_turns_twice_a_day_or_moves_too_fast(wet_bulb: list[float], hours: float) -> None:
    days = replace(days_of(wet_bulb), hours=hours)
    stamps = pd.date_range(
        "2025-01-01", periods=round(24 / hours) * len(wet_bulb), freq=f"{60 * hours:g}min", tz="UTC"
    )
    for values in RULE.schedule(days, stamps, (ZONE, WATER)).values():
        assert np.abs(np.diff(values)).max() <= RAMP_K_PER_H * hours + 1e-9
        assert reversals(values).groupby(np.asarray(stamps.date)).sum().max() <= 1


def test_a_rule_is_said_as_a_table() -> None:
    said = rule_in_words(RULE.to_dict(1))
    assert said.startswith(
        "6 °C, 8 °C from 4.0 °C, 10 °C from 8.0 °C, 12 °C from 12.0 °C, 14 °C from 16.0 °C"
    )
    assert "outdoor wet bulb" in said


@pytest.mark.parametrize(
    ("values", "passes"), [([20, 21, 21, 20, 20, 20], True), ([20, 21, 20, 21, 21, 21], False)]
)
def test_the_verifier_counts_reversals_of_any_schedule(values: list[float], passes: bool) -> None:
    stamps = pd.date_range("2025-01-01", periods=6, freq="h", tz="UTC")
    schedule = pd.DataFrame(
        {
            "timestamp": stamps,
            "unit_id": "",
            "lever": ZONE,
            "current": 20.0,
            "recommended": np.array(values, float),
        }
    )
    problem = Problem("a", str(stamps[0]), str(stamps[-1]), {ZONE: 20.0}, {}, (), "", "", 0, {"zone": "UTC"})
    (check,) = reversal_checks(Plan(problem, schedule, {}, SolverReport("feasible", "by hand", 0.0)))
    assert check.passed is passes


@pytest.fixture(scope="module")
def free_cooling(tmp_path_factory: pytest.TempPathFactory, dc_bundle_of) -> dict[str, tuple[Advice, float]]:
    """A plant with an economiser: advice with and without rules, and what each really saves [%]."""
    # tried in most blocks of hours: where fewer tell of the room, its move is not proven and stays out
    year = data_centre_year(centre=replace(COLD_CENTRE, tested=0.9))
    weather = year.weather[["outdoor_dry_bulb_c", "outdoor_wet_bulb_c"]]
    meters = ["it_power_kw", "facility_power_kw", "cooling_power_kw", "server_inlet_temp_c"]
    path: Path = tmp_path_factory.mktemp("cold") / "telemetry.csv"
    pd.concat([year.set_points, weather, year.truth[meters].round(3)], axis=1).to_csv(
        path, index_label="timestamp"
    )
    telemetry = read_paths([path], zone="+08:00")[0]
    site = Site(
        id=telemetry.site_ids[0],
        time_zone="+08:00",
        current=COLD_CENTRE.current,
        levers={n: LeverRange(lower=a, upper=b) for n, (a, b) in LEVERS.items()},
        limits=Limits(server_inlet_temp_c_max=27.0),
    )
    bundle = dc_bundle_of(telemetry)

    def energy(set_points: pd.DataFrame) -> float:
        run = year.plant.simulate(set_points[list(LEVERS)], year.weather, year.utilisation)
        assert float(run["server_inlet_temp_c"].max()) <= 27.0
        return float(run["facility_power_kw"].sum())

    before = energy(pd.DataFrame(COLD_CENTRE.current, index=year.set_points.index))
    told = {}
    for name in ("constants", "rules"):
        with pytest.MonkeyPatch.context() as patch:
            if name == "constants":
                patch.setattr(cooling, "best_reset", lambda *_: None)
            advice = advise(telemetry, bundle, (), site)
        told[name] = (advice, 100 * (1 - energy(local_plan(advice.plan_table)) / before))
    return told


def test_a_rule_beats_constants_where_free_cooling_follows_the_weather(free_cooling) -> None:
    advice, true_pct = free_cooling["rules"]
    assert advice.verified[0].verdict == "supported"
    assert set(advice.verified[0].plan.rules) == {ZONE, WATER}
    assert true_pct > free_cooling["constants"][1] + 0.05
    stated = advice.saving.energy_pct
    assert stated is not None
    assert stated.lower <= true_pct <= stated.upper
    entry = next(e for e in advice.recommendations if e.lever == WATER)
    assert entry.rule is not None
    assert entry.rule["driver"] == "outdoor_wet_bulb_c"
    assert "by the mean outdoor wet bulb of the last 24 hours" in entry.action
    assert {c.name for c in advice.verified[0].checks if "reversal" in c.name}
    assert all(c.passed for c in advice.verified[0].checks)


def test_constants_move_from_month_to_month_as_slowly(free_cooling) -> None:
    advice, _ = free_cooling["constants"]
    for _, rows in advice.plan_table.groupby("lever"):
        assert rows["recommended"].diff().abs().max() <= RAMP_K_PER_H
