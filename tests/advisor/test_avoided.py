"""What a change saved: against a plant whose truth is known; Guideline 14's figures worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.avoided import Avoided, judge
from advisor.site import Carbon, Green, Site, Tariff
from features.errors import InsufficientDataError, UsageError
from features.periods import periods_of
from features.telemetry import Telemetry
from models.counterfactual import site_counterfactual
from models.folded_ridge import fit_folded_ridge, jackknife_sd
from models.held_out import (
    HOURLY,
    MONTHLY,
    Fitness,
    autocorrelation,
    effective_sample,
    fitness,
    fractional_half_width,
    limits_of,
    spikes,
    sum_error,
)
from models.station_counterfactual import station_counterfactual
from tests.base_station_fleet import fleet
from tests.base_station_fleet import telemetry as stations
from tests.before_after import AFTER, WATER, ZONE, after, period, true_saving_pct

UTILISATION = "cpu_utilisation"
SITE = Site(id="dc")


def verified(before: Telemetry, then: Telemetry, site: Site = SITE) -> Avoided:
    periods = periods_of(before, then)
    counterfactual = site_counterfactual(periods, site.current)
    return judge(counterfactual, site, kind="data-centre", backwards=periods.backwards)


def between(verdict: Avoided, truth: float) -> bool:
    saving = verdict.saving.energy_pct
    return saving is not None and saving.lower <= truth <= saving.upper


# -- the change against the truth ------------------------------------------------------------------
def test_warmer_water_is_proven_and_is_the_operators() -> None:
    done = after(**{WATER: 9.5})
    found = verified(period().telemetry(UTILISATION), done.telemetry(UTILISATION))
    assert found.verdict == "proven"
    assert between(found, true_saving_pct(done))
    assert found.parts["it"].energy_kwh == 0.0
    assert found.parts["cooling"].whose == "operator"
    kwh = found.saving.energy_kwh
    assert kwh is not None
    assert kwh.point == pytest.approx(sum(part.energy_kwh or 0.0 for part in found.parts.values()))
    assert found.saving.cost is None
    assert found.saving.carbon_kg is None
    assert found.days_needed == 7


def test_colder_water_is_disproven() -> None:
    done = after(**{WATER: 6.0})
    found = verified(period().telemetry(UTILISATION), done.telemetry(UTILISATION))
    assert found.verdict == "disproven"
    assert between(found, true_saving_pct(done))


@pytest.mark.parametrize("work", [0.93, 0.5])
def test_less_work_is_never_a_saving(work: float) -> None:
    found = verified(period().telemetry(UTILISATION), after(work=work).telemetry(UTILISATION))
    assert found.verdict == "not yet"
    assert between(found, 0.0)
    if work == 0.5:
        assert found.counts.counted_share < 0.9
        assert "load" in found.counts.uncovered_hours


def test_no_change_with_other_work_and_weather_proves_nothing() -> None:
    before = period().telemetry(UTILISATION)
    windows = [("2025-05-05", "2025-05-25"), ("2025-07-05", "2025-07-25")]
    found = [verified(before, after(s, w).telemetry(UTILISATION)).verdict for s in (8, 9) for w in windows]
    assert found == ["not yet"] * 4


def test_a_warmer_room_after_a_steady_one_leaves_the_it_part_unknown() -> None:
    done = after(**{ZONE: 24.0})
    found = verified(period().telemetry(UTILISATION), done.telemetry(UTILISATION))
    assert found.verdict == "not yet"
    assert found.saving.energy_pct is None
    assert found.parts["it"].energy_kwh is None
    assert found.told is not None
    assert true_saving_pct(done) <= found.told.upper  # servers drew no less in warmer air
    assert "at most" in found.bound
    assert "never moved" in found.reasons[0]
    assert "alternate" in found.reasons[1]
    assert found.minimum_detectable_pct is None


def test_exported_utilisation_tells_the_it_part() -> None:
    done = after(**{ZONE: 24.0, "work": 0.93})
    found = verified(period().telemetry(), done.telemetry())
    assert found.counterfactual.means == "utilisation"
    assert found.verdict == "disproven"
    assert between(found, true_saving_pct(done, work=0.93))
    assert found.parts["it"].whose == "tenant"


def test_a_crossover_tells_the_it_part() -> None:
    window = ("2025-05-01", "2025-09-01")
    hours = int((pd.Timestamp(window[1]) - pd.Timestamp(window[0])) / pd.Timedelta(hours=1))
    on = np.arange(hours) // 48 % 2 == 1
    run = period(window=window, **{ZONE: np.where(on, 24.5, 22.0)})
    as_before = period(window=window).table["facility_power_kw"].to_numpy()[on].sum()
    truth = 100 * (1 - run.table["facility_power_kw"].to_numpy()[on].sum() / as_before)
    one, other = (replace(run, table=run.table[rows]).telemetry(UTILISATION) for rows in (~on, on))
    found = verified(one, other)
    assert found.counterfactual.means == "response removed"
    assert found.verdict == "disproven"
    assert between(found, truth)


def test_without_set_points_the_inlet_says_whether_the_air_changed() -> None:
    hidden = (UTILISATION, ZONE, WATER)
    before = period().telemetry(*hidden)
    assert verified(before, after(**{WATER: 9.5}).telemetry(*hidden)).verdict == "proven"
    blind = (*hidden, "server_inlet_temp_c")
    unknown = verified(period().telemetry(*blind), after(**{WATER: 9.5}).telemetry(*blind))
    assert unknown.verdict == "not yet"
    assert "neither an air set-point nor a server inlet" in unknown.reasons[0]


# -- where nothing may be claimed ------------------------------------------------------------------
def test_a_few_days_are_not_enough() -> None:
    found = verified(
        period().telemetry(UTILISATION),
        after(window=("2025-06-10", "2025-06-13"), **{WATER: 9.5}).telemetry(UTILISATION),
    )
    assert found.verdict == "not yet"
    assert found.days_needed == 7
    assert "too few" in found.reasons[0]


def test_a_summer_cannot_be_judged_by_a_winter() -> None:
    winter = period(window=("2025-01-01", "2025-04-01")).telemetry(UTILISATION)
    found = verified(winter, after(**{WATER: 9.5}).telemetry(UTILISATION))
    assert found.verdict == "not yet"
    assert found.counts.counted_share < 0.1
    assert found.counts.uncovered_hours["weather"] > 600


def test_periods_given_backwards_prove_nothing() -> None:
    found = verified(
        after(**{WATER: 9.5}).telemetry(UTILISATION), period(window=AFTER).telemetry(UTILISATION)
    )
    assert found.verdict == "not yet"
    assert "right way round" in " ".join(found.reasons)


def test_overlap_missing_columns_and_short_periods_are_refused() -> None:
    before, then = period().telemetry(UTILISATION), after().telemetry(UTILISATION)
    with pytest.raises(UsageError, match="E-VERIFY-OVERLAP"):
        periods_of(before, before)
    with pytest.raises(InsufficientDataError, match="it_power_kw") as missing:
        periods_of(before, after().telemetry("it_power_kw"))
    assert missing.value.code == "E-VERIFY-INPUTS"
    with pytest.raises(UsageError, match="E-VERIFY-INTERVAL"):
        periods_of(before, replace(then, frame=then.frame.iloc[::2], interval=pd.Timedelta(hours=2)))
    with pytest.raises(UsageError, match="E-VERIFY-ZONE"):
        periods_of(before, replace(then, zone=type(then.zone)()))
    short = period(window=("2025-05-01", "2025-05-20")).telemetry(UTILISATION)
    with pytest.raises(InsufficientDataError, match="E-VERIFY-BEFORE"):
        verified(short, then)


def test_a_faulty_meter_is_set_aside_and_said() -> None:
    before, done = period(), after(**{WATER: 9.5})
    for broken in (before.table, done.table):
        broken.loc[broken.index[100], "facility_power_kw"] *= 10.0
    found = verified(before.telemetry(UTILISATION), done.telemetry(UTILISATION))
    assert found.counterfactual.set_aside == (1, 1)
    assert between(found, true_saving_pct(done))


# -- money, carbon, days ---------------------------------------------------------------------------
def test_money_and_carbon_follow_the_declared_factors() -> None:
    site = SITE.model_copy(
        update={
            "currency": "CNY",
            "tariff": Tariff(energy_per_kwh=0.5, source="contract"),
            "carbon": Carbon(factor_kg_per_kwh=0.4, source="ministry"),
            "green": Green(grid_share=0.25, source="certificates"),
        }
    )
    periods = periods_of(period().telemetry(UTILISATION), after(**{WATER: 9.5}).telemetry(UTILISATION))
    counterfactual = site_counterfactual(periods, {})
    found = judge(counterfactual, site, kind="data-centre", backwards=False)
    kwh = found.saving.energy_kwh
    assert kwh is not None
    for saving, factor in (
        (found.saving.cost, 0.5),
        (found.saving.carbon_kg, 0.4),
        (found.saving.non_green_kwh, 0.75),
    ):
        assert saving is not None
        assert saving.point == pytest.approx(factor * kwh.point)
        assert saving.lower == pytest.approx(factor * kwh.lower)
    assert found.baseline.cost is not None
    assert found.baseline.cost == pytest.approx(0.5 * (found.baseline.energy_kwh or 0.0))
    daily = found.daily
    assert list(daily) == ["day", "hours", "measured_kwh", "baseline_kwh", "lower_kwh", "upper_kwh"]
    assert len(daily) == 30
    assert (daily["lower_kwh"] < daily["baseline_kwh"]).all()
    assert daily["baseline_kwh"].sum() - daily["measured_kwh"].sum() == pytest.approx(kwh.point)
    # own generation that covers everything: what is saved was not bought
    own = np.full(len(counterfactual.known), 1e6)
    sunny = judge(counterfactual, site, kind="data-centre", backwards=False, pv_kw=own)
    assert sunny.saving.energy_kwh == kwh
    assert sunny.saving.cost is not None
    assert sunny.saving.cost.upper == 0.0


# -- base stations ---------------------------------------------------------------------------------
def split(telemetry: Telemetry) -> tuple[Telemetry, Telemetry]:
    frame, moment = telemetry.frame, pd.Timestamp("2025-06-13", tz="UTC")
    return stations(frame[frame["timestamp"] < moment]), stations(frame[frame["timestamp"] >= moment])


def judged(before: Telemetry, then: Telemetry, unit_kwh: float | None = None) -> Avoided:
    found, backwards = station_counterfactual(before, then)
    return judge(
        found.counterfactual, Site(id="fleet", kind="base-station"), kind="base-station", backwards=backwards,
        unit_kwh=unit_kwh,
    )  # fmt: skip


def changed(then: Telemetry, *, energy: float = 1.0, load: float = 1.0) -> Telemetry:
    """Return telemetry with less energy for the same work, or with less load and what it then takes."""
    frame = then.frame.copy()
    cell = (frame["unit_id"] != "").to_numpy()
    mean = (
        frame[cell].groupby(["site_id", "timestamp"])["prb_utilisation"].mean().rename("mean").reset_index()
    )
    u = frame.merge(mean, on=["site_id", "timestamp"], how="left")["mean"].fillna(0.0).to_numpy()
    factor = energy * (1 + 0.8 * load * u) / (1 + 0.8 * u)
    frame["station_energy_rel"] *= np.where(cell, 1.0, factor)
    frame["prb_utilisation"] *= load
    return stations(frame)


def test_stations_save_in_percent_for_the_same_traffic() -> None:
    before, then = split(fleet(12, 22, measured=1.0))
    found = judged(before, changed(then, energy=0.97))
    assert found.verdict == "proven"
    assert between(found, 3.0)
    assert found.saving.energy_kwh is None
    assert found.baseline.energy_kwh is None
    assert "measured_rel" in found.daily
    scaled = judged(before, changed(then, energy=0.97), unit_kwh=2.0)
    assert scaled.saving.energy_kwh is not None


@pytest.mark.parametrize("load", [1.0, 0.6])
def test_less_traffic_is_no_saving(load: float) -> None:
    before, then = split(fleet(12, 22, measured=1.0))
    found = judged(before, changed(then, load=load))
    assert found.verdict == "not yet"
    assert between(found, 0.0)


def test_other_stations_cannot_be_compared() -> None:
    before, then = split(fleet(3, 22))
    renamed = then.frame.assign(site_id="X" + then.frame["site_id"])
    with pytest.raises(UsageError, match="E-VERIFY-SITES"):
        station_counterfactual(before, stations(renamed))


# -- figures worked out by hand --------------------------------------------------------------------
def test_effective_sample_and_autocorrelation() -> None:
    assert effective_sample(300, 0.5) == pytest.approx(100.0)  # 300 (1 - 0.5) / (1 + 0.5)
    assert effective_sample(300, 0.0) == 300.0
    # e = 1, -1, 1, -1 has mean 0, products -1 each: negative, told as 0
    assert autocorrelation(np.array([1.0, -1.0, 1.0, -1.0])) == 0.0
    # e = 1, 1, -1, -1: products 1, -1, 1 over squares of the first three: 1 / 3
    assert autocorrelation(np.array([1.0, 1.0, -1.0, -1.0])) == pytest.approx(1 / 3)


def test_fitness_of_four_hours() -> None:
    measured, foretold = np.array([10.0, 10.0, 10.0, 10.0]), np.array([11.0, 9.0, 11.0, 10.0])
    fit = fitness(measured, foretold, measured + 40.0, np.ones(4, dtype=bool), np.arange(4), 1.0)
    assert fit.cv_rmse_pct == pytest.approx(100 * np.sqrt(3 / 4) / 10)  # errors 1, -1, 1, 0 of 10
    assert fit.nmbe_pct == pytest.approx(2.5)  # (1 - 1 + 1 + 0) / 4 of 10
    assert fit.whole_cv_rmse_pct == pytest.approx(100 * np.sqrt(3 / 4) / 50)
    assert fit.limits == HOURLY
    assert fit.passed
    assert not replace(fit, cv_rmse_pct=30.1).passed
    assert not replace(fit, nmbe_pct=-10.1).passed
    assert limits_of(0.25) == HOURLY
    assert limits_of(24.0) == MONTHLY


def test_fractional_half_width_of_guideline_14() -> None:
    fit = Fitness(10.0, 0.0, 5.0, 0.5, 300, 100.0, 12, HOURLY)
    # t(0.95, 99) = 1.6604; 1.6604 x 1.26 x 5 % x sqrt(300 / 100 x (1 + 2 / 100) / 72) = 2.1565 %
    assert fractional_half_width(fit, 72) == pytest.approx(2.1565, abs=5e-4)
    assert fractional_half_width(fit, 0) == float("inf")


def test_sum_error_of_eight_weeks() -> None:
    # every week errs by +2 in total with 4 steps, then by -2: no likeness, 8 x 4 / 32 = 1 per step
    weeks = np.repeat(np.arange(8), 4)
    error = sum_error(np.where(weeks % 2 == 0, 0.5, -0.5), weeks)
    assert error.variance == pytest.approx(1.0)
    assert error.inflation == 1.0
    assert error.freedom == 7.0
    assert error.sd(16) == pytest.approx(4.0)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.1, 10.0), st.integers(0, 1000))
def test_sum_error_scales_and_never_falls_below_independence(factor: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weeks = np.repeat(np.arange(20), 50)
    residual = rng.standard_normal(1000)
    one, other = sum_error(residual, weeks), sum_error(factor * residual, weeks)
    assert other.variance == pytest.approx(factor**2 * one.variance)
    assert one.inflation >= 1.0
    assert one.sd(400) == pytest.approx(2 * one.sd(100))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-50.0, 50.0), min_size=300, max_size=300))
def test_spikes_are_few_and_far(values: list[float]) -> None:
    found = spikes(np.array(values), usual=100.0)
    assert found.sum() <= 0.005 * 300
    assert (np.abs(np.array(values) - np.median(values))[found] > 25.0).all()


def test_withheld_weeks_were_not_seen() -> None:
    rng = np.random.default_rng(0)
    weeks = np.repeat(np.arange(6), 30)
    terms = rng.standard_normal((180, 2))
    targets = (terms @ [1.0, -2.0] + 3.0)[:, None]
    changed_targets = targets.copy()
    changed_targets[weeks == 4] += 100.0
    one, other = (fit_folded_ridge(terms, y, weeks) for y in (targets, changed_targets))
    assert np.allclose(one.withheld, targets, atol=1e-2)
    # its own week moves nothing but the choice of the penalty
    assert np.allclose(one.withheld[weeks == 4], other.withheld[weeks == 4], atol=0.1)
    sums = one.sums(terms)
    assert sums[0, 0] == pytest.approx(one.predict(terms).sum())
    assert jackknife_sd(np.array([1.0, 2.0, 3.0])) == pytest.approx(np.sqrt(2 / 3 * 2))
