"""Advice on the sample data centre, judged by the plant that really made the data."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from advisor.plan import PLAN_COLUMNS, Advice
from advisor.site import LeverRange, Limits
from features.errors import ModelError, UsageError
from features.telemetry import TimeZone

ZONE, WATER = "zone_set_point_c", "chilled_water_set_point_c"


def values(advice: Advice, lever: str) -> set[float]:
    table = advice.plan_table
    return set(table.loc[table["lever"] == lever, "recommended"])


# -- closed loop -------------------------------------------------------------------------------------
def test_true_saving_lies_in_the_stated_interval(dc_case, dc_year_advice: Advice) -> None:
    stated = dc_year_advice.saving.energy_pct
    assert stated is not None
    assert dc_year_advice.verified[0].verdict == "supported"
    assert stated.lower <= dc_case.true_saving_pct(dc_year_advice.plan_table) <= stated.upper
    assert stated.upper - stated.lower < 5.0  # an interval of everything would pass too


def test_true_saving_is_near_the_best_constant_pair(
    dc_case, dc_year_advice: Advice, dc_best_pairs: pd.DataFrame
) -> None:
    best = dc_best_pairs.loc[dc_best_pairs["inlet"] <= 27.0, "saving_pct"].max()
    assert best > 3.0
    assert dc_case.true_saving_pct(dc_year_advice.plan_table) >= 0.7 * best


def test_july_alone(dc_case, dc_july_advice: Advice) -> None:
    stated = dc_july_advice.saving.energy_pct
    assert stated is not None
    assert stated.lower <= dc_case.true_saving_pct(dc_july_advice.plan_table) <= stated.upper


@pytest.mark.parametrize("limit", [27.0, 25.0, 24.0, 22.0])
def test_the_inlet_limit_is_never_broken_in_truth(dc_case, limit: float) -> None:
    advice = dc_case.advise(limits=Limits(server_inlet_temp_c_max=limit, sensor_error_k=0.3))
    assert advice.verified[0].plan.changes
    assert dc_case.true_run(advice.plan_table)["server_inlet_temp_c"].max() <= limit
    most = [x.value for x in advice.verified[0].plan.problem.limits if x.name == "server_inlet_temp_c"]
    assert most[0] == limit


def test_energy_of_the_baseline_is_the_true_energy(dc_case, dc_year_advice: Advice) -> None:
    """Scored energy leaves unmeasured hours out, so mean power is compared."""
    hours = 8760 - 88
    true = dc_case.true_run(None)["facility_power_kw"].mean()
    stated = dc_year_advice.baseline.energy_kwh
    assert stated is not None
    assert stated / hours == pytest.approx(true, rel=0.01)


# -- what may be moved -------------------------------------------------------------------------------
def test_a_lever_that_is_not_permitted_stays(dc_case) -> None:
    advice = dc_case.advise(levers={WATER: LeverRange(lower=6.0, upper=12.0)})
    assert values(advice, ZONE) == {22.0}
    assert 7.0 < max(values(advice, WATER)) <= 12.0
    assert {r.lever for r in advice.recommendations} == {WATER}


def test_an_unidentified_lever_stays(dc_case, dc_bundle_of) -> None:
    fixed = dc_case.with_frame(lambda f: f.assign(**{ZONE: 22.0}))
    case = replace(dc_case, telemetry=fixed, bundle=dc_bundle_of(fixed))
    assert case.bundle.sites["telemetry"].what_if.levers == (WATER,)
    assert values(case.advise(), ZONE) == {22.0}


@pytest.mark.parametrize("operation", ["fixed", "weather"])
def test_what_cannot_be_learned_is_held(dc_case, dc_bundle_of, operation: str) -> None:
    def operated(frame: pd.DataFrame) -> pd.DataFrame:
        dry = frame["outdoor_dry_bulb_c"]
        zone = 22.0 if operation == "fixed" else np.clip(28 - 0.3 * dry, 18, 27)
        return frame.assign(
            **{ZONE: zone, WATER: 7.0 if operation == "fixed" else np.clip(14 - 0.25 * dry, 6, 15)}
        )

    telemetry = dc_case.with_frame(operated)
    case = replace(dc_case, telemetry=telemetry, bundle=dc_bundle_of(telemetry))
    advice = case.advise(july=False)
    assert [v.verdict for v in advice.verified] == ["hold"]
    assert advice.saving.energy_pct is not None
    assert advice.saving.energy_pct.point == 0.0
    assert (advice.plan_table["recommended"] == advice.plan_table["current"]).all()
    only = advice.recommendations[0]
    assert only.verdict == "hold"
    needle = "never moved" if operation == "fixed" else "cannot be told"
    assert sum(needle in reason for reason in only.reasons) == 2
    assert any("move the lever" in reason for reason in only.reasons)


def test_without_an_inlet_sensor_the_aisle_is_not_warmed(dc_case) -> None:
    blind = dc_case.with_frame(lambda f: f.drop(columns="server_inlet_temp_c"))
    assert max(values(dc_case.advise(telemetry=blind), ZONE)) <= 22.0


def test_a_current_set_point_that_was_never_in_force(dc_case) -> None:
    advice = dc_case.advise(current={ZONE: 30.0, WATER: 7.0})
    assert advice.verified[0].verdict == "hold"
    assert any("was never in force" in r for r in advice.recommendations[0].reasons)


# -- windows -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2024-12-30", "2025-02-01"), ("2025-12-01", "2026-01-02"), ("2025-03-02", "2025-03-01"),
        ("2025-03-01", "2025-03-01"), ("2025-03-01T00:30", "2025-04-01T00:30"),
    ],
)  # fmt: skip
def test_windows_that_do_not_fit(dc_case, start: str, end: str) -> None:
    from advisor.advise import advise

    begin, stop = (pd.Timestamp(t, tz="+08:00").tz_convert("UTC") for t in (start, end))
    with pytest.raises(UsageError, match="E-WINDOW"):
        advise(dc_case.telemetry, dc_case.bundle, (), dc_case.site, start=begin, end=stop)


def test_plan_table_is_complete(dc_case, dc_july_advice: Advice) -> None:
    table = dc_july_advice.plan_table
    assert tuple(table.columns) == PLAN_COLUMNS
    wanted = pd.date_range("2025-06-30 16:00", "2025-07-31 15:00", freq="h", tz="UTC")
    for lever in (ZONE, WATER):
        assert table.loc[table["lever"] == lever, "timestamp"].tolist() == wanted.tolist()
    assert len(table) == 2 * 744
    assert table["local_timestamp"].iloc[0] == "2025-07-01T00:00:00+08:00"
    shifted = pd.to_datetime(table["local_timestamp"], utc=True)
    assert (shifted == table["timestamp"]).all()
    assert table["current"].groupby(table["lever"]).unique().map(list).to_dict() == {
        ZONE: [22.0],
        WATER: [7.0],
    }
    assert set(table["unit"]) == {"degC"}
    assert set(table["site_id"]) == {"sample-dc"}
    assert table["recommended"].notna().all()


def test_plan_in_a_zone_with_summer_time(dc_case) -> None:
    from advisor.advise import advise

    berlin = replace(dc_case.telemetry, zone=TimeZone("Europe/Berlin", assumed=False))
    start, end = (pd.Timestamp(t, tz="UTC") for t in ("2025-03-20", "2025-04-10"))
    table = advise(berlin, dc_case.bundle, (), dc_case.site, start=start, end=end).plan_table
    assert len(table) == 2 * 21 * 24
    shown = table.loc[table["timestamp"] == pd.Timestamp("2025-03-30T01:00Z"), "local_timestamp"]
    assert set(shown) == {"2025-03-30T03:00:00+02:00"}


def test_plan_without_a_zone_is_wall_clock_time(dc_case) -> None:
    table = dc_case.advise(telemetry=replace(dc_case.telemetry, zone=TimeZone())).plan_table
    assert table["local_timestamp"].iloc[0] == "2025-06-30T16:00:00"


# -- gaps --------------------------------------------------------------------------------------------
def test_unmeasured_hours_are_commanded_but_not_counted(dc_case, dc_july_advice: Advice) -> None:
    def gap(frame: pd.DataFrame) -> pd.DataFrame:
        rows = frame["timestamp"].between(
            pd.Timestamp("2025-07-10", tz="UTC"), pd.Timestamp("2025-07-12", tz="UTC")
        )
        frame.loc[rows, "it_power_kw"] = np.nan
        return frame

    advice = dc_case.advise(telemetry=dc_case.with_frame(gap))
    assert len(advice.plan_table) == len(dc_july_advice.plan_table)
    assert advice.plan_table["recommended"].notna().all()
    share = advice.baseline.energy_kwh / dc_july_advice.baseline.energy_kwh  # type: ignore[operator]
    assert 0.91 < share < 0.96  # 49 of 744 hours
    assert any("not fully measured" in note for note in advice.verified[0].notes)


@pytest.mark.parametrize("column", ["it_power_kw", "facility_power_kw", "outdoor_dry_bulb_c", ZONE])
def test_a_window_without_measurements_is_held(dc_case, column: str) -> None:
    def gap(frame: pd.DataFrame) -> pd.DataFrame:
        rows = frame["timestamp"].between(
            pd.Timestamp("2025-06-30", tz="UTC"), pd.Timestamp("2025-08-02", tz="UTC")
        )
        frame.loc[rows, column] = np.nan
        return frame

    advice = dc_case.advise(telemetry=dc_case.with_frame(gap))
    assert advice.verified[0].verdict == "hold"
    assert advice.baseline.energy_kwh is None
    assert any("fully measured" in r for r in advice.recommendations[0].reasons)


def test_half_of_the_window_unmeasured_commands_nothing(dc_case) -> None:
    def gap(frame: pd.DataFrame) -> pd.DataFrame:
        rows = frame["timestamp"].between(
            pd.Timestamp("2025-07-08", tz="UTC"), pd.Timestamp("2025-08-02", tz="UTC")
        )
        frame.loc[rows, "facility_power_kw"] = np.nan
        return frame

    advice = dc_case.advise(telemetry=dc_case.with_frame(gap))
    assert advice.verified[0].verdict == "refused"
    assert (advice.plan_table["recommended"] == advice.plan_table["current"]).all()
    assert advice.saving.energy_pct.point == 0.0  # type: ignore[union-attr]
    assert advice.planned == advice.baseline


# -- what is assumed ---------------------------------------------------------------------------------
def test_without_a_site_file_assumptions_are_labelled(dc_case, dc_july_advice: Advice) -> None:
    advice = dc_case.advise(site=None)
    assert {"D-CURRENT-ASSUMED", "D-LIMIT-ASSUMED"} <= {i.code for i in advice.issues}
    assert "current.zone_set_point_c" in advice.provenance["site_assumed"]
    current = advice.verified[0].plan.problem.current
    assert current == {ZONE: 22.0, WATER: 7.0}
    assert advice.baseline.cost is None
    assert advice.saving.carbon_kg is None
    assert advice.baseline.energy_kwh == pytest.approx(dc_july_advice.baseline.energy_kwh)
    limit = next(x for x in advice.verified[0].plan.problem.limits if x.sense == "max")
    assert limit.value == 27.0
    assert "recommended" in limit.source


def test_read_back_noise_does_not_choose_the_current_set_point(dc_case) -> None:
    rng = np.random.default_rng(0)
    noisy = dc_case.with_frame(
        lambda f: f.assign(**{n: f[n] + rng.normal(0, 0.05, len(f)) for n in (ZONE, WATER)})
    )
    current = dc_case.advise(telemetry=noisy, site=None).verified[0].plan.problem.current
    assert current == pytest.approx({ZONE: 22.0, WATER: 7.0}, abs=0.05)


def test_an_export_without_a_lever_of_the_model(dc_case) -> None:
    poorer = dc_case.with_frame(lambda f: f.drop(columns=ZONE))
    for levers in (dc_case.site.levers, {WATER: LeverRange(lower=6, upper=15)}):
        advice = dc_case.advise(telemetry=poorer, levers=levers, current={WATER: 7.0})
        assert advice.verified[0].verdict == "hold"
        assert "lacks a set-point" in advice.recommendations[0].reasons[0]


def test_several_sites(dc_case) -> None:
    two = dc_case.with_frame(
        lambda f: pd.concat([f.assign(site_id="a"), f.assign(site_id="b")], ignore_index=True)
    )
    with pytest.raises(UsageError, match="E-ADVISE-SITES"):
        dc_case.advise(telemetry=two, site=None)
    advice = dc_case.advise(telemetry=two, id="b")
    assert set(advice.plan_table["site_id"]) == {"b"}


def test_other_kinds_are_refused(dc_case) -> None:
    with pytest.raises(UsageError, match="E-SITE-KIND"):
        dc_case.advise(kind="base-station")
    from advisor.data_centre import advise_data_centre

    with pytest.raises(ModelError, match="E-MODEL-KIND"):
        advise_data_centre(dc_case.telemetry, object.__new__(_Other), ())  # type: ignore[arg-type]


class _Other:
    card = type("Card", (), {"kind": "base-station"})


# -- shape of the answer -----------------------------------------------------------------------------
def test_summary_and_recommendations_are_plain_json(dc_july_advice: Advice) -> None:
    summary = json.loads(json.dumps(dc_july_advice.summary(), allow_nan=False))
    totals = {"energy_kwh", "non_green_kwh", "cost", "carbon_kg", "pue", "green_share", "water_m3"}
    for part in ("baseline", "planned"):
        assert totals <= set(summary[part])
    savings = ("energy_kwh", "energy_pct", "non_green_kwh", "cost", "carbon_kg")
    entries = json.loads(json.dumps([r.to_dict() for r in dc_july_advice.recommendations], allow_nan=False))
    keys = {
        "id",
        "action",
        "lever",
        "measures",
        "saving",
        "saving_after_higher_ranked",
        "binding_limit",
        "reasons",
        "verdict",
    }
    assert all(keys <= set(e) for e in entries)
    for saving in (
        summary["saving"],
        *(e[s] for e in entries for s in ("saving", "saving_after_higher_ranked")),
    ):
        for name in savings:
            assert saving[name]["lower"] <= saving[name]["point"] <= saving[name]["upper"]


def test_the_numbers_agree_with_each_other(dc_case, dc_july_advice: Advice) -> None:
    before, after, saving = dc_july_advice.baseline, dc_july_advice.planned, dc_july_advice.saving
    assert saving.energy_kwh.point == pytest.approx(before.energy_kwh - after.energy_kwh)  # type: ignore
    assert saving.energy_pct.point == pytest.approx(100 * saving.energy_kwh.point / before.energy_kwh)  # type: ignore
    price, factor, green = 0.65, 0.4419, 0.25
    bought = before.non_green_kwh / (1 - green)  # type: ignore[operator]
    assert before.cost == pytest.approx(bought * price)
    assert before.carbon_kg == pytest.approx(bought * factor)
    assert before.green_share == pytest.approx(1 - before.non_green_kwh / before.energy_kwh)  # type: ignore
    assert bought < before.energy_kwh  # type: ignore[operator]
    parts = dc_july_advice.verified[0].parts
    assert sum(parts.values()) == pytest.approx(saving.energy_kwh.point)  # type: ignore[union-attr]


def test_a_move_that_loses_is_not_called_supported(dc_july_advice: Advice) -> None:
    for entry in dc_july_advice.recommendations:
        if entry.verdict == "supported":
            assert entry.saving_after_higher_ranked.energy_pct.lower > 0  # type: ignore[union-attr]
        else:
            assert entry.confidence == "low"


def test_ranked_by_what_each_saves_alone(dc_july_advice: Advice) -> None:
    points = [r.saving.energy_pct.point for r in dc_july_advice.recommendations]  # type: ignore[union-attr]
    assert points == sorted(points, reverse=True)


def test_advice_is_repeatable(dc_case, dc_july_advice: Advice) -> None:
    again = dc_case.advise()
    assert again.summary() == dc_july_advice.summary()
    pd.testing.assert_frame_equal(again.plan_table, dc_july_advice.plan_table)


# -- work --------------------------------------------------------------------------------------------
def test_less_work_is_no_saving(dc_case, dc_july_advice: Advice) -> None:
    """A month with 3 % less IT power saves about the same share by the same plan."""

    def quieter(frame: pd.DataFrame) -> pd.DataFrame:
        less = 0.03 * frame["it_power_kw"]
        return frame.assign(
            it_power_kw=frame["it_power_kw"] - less,
            facility_power_kw=frame["facility_power_kw"] - 1.03 * less,
        )

    less = dc_case.advise(telemetry=dc_case.with_frame(quieter))

    def of_water(advice: Advice) -> float:
        entry = next(r for r in advice.recommendations if r.lever == WATER)
        assert entry.saving.energy_pct is not None
        return entry.saving.energy_pct.point

    assert of_water(dc_july_advice) > 1.0
    assert of_water(less) == pytest.approx(of_water(dc_july_advice), abs=0.35)
