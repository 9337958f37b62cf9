"""The proposing and the scoring model on a site whose response is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.errors import InsufficientDataError
from features.operation import Operation
from models.lever_basis import LeverBasis
from models.site_response import SiteResponse, fit_chain, fit_site_response
from models.site_scorer import SiteScorer, fit_site_scorer

AtZone = Callable[[Operation, float], Operation]


def it_change(known_site, at_zone: AtZone, low: float, high: float) -> dict[str, tuple[float, np.ndarray]]:
    """Change of log IT power, point and bootstrap draws, of both models."""
    one = known_site.operation.rows(np.arange(len(known_site.operation)) == 3000)
    one = replace(one, dry_bulb_c=np.array([15.0]))
    a, b = at_zone(one, low), at_zone(one, high)
    r, s = known_site.response, known_site.scorer
    line = (s.it.log_effect(b) - s.it.log_effect(a))[0]
    return {
        "proposer": (
            float((r.it.log_effect(r.basis, b) - r.it.log_effect(r.basis, a))[0]),
            (r.it.log_effect_draws(r.basis, b) - r.it.log_effect_draws(r.basis, a))[0],
        ),
        "scorer": (float(line[0]), line[1:]),
    }


@pytest.mark.parametrize(("low", "high"), [(20.0, 24.0), (19.0, 25.0), (22.0, 25.5)])
@pytest.mark.parametrize("site", ["known_site", "quick_site"])
def test_it_response_is_recovered(
    request: pytest.FixtureRequest, site: str, at_zone: AtZone, low: float, high: float
) -> None:
    true = 0.004 * (high - low) + 0.0008 * ((high - 22) ** 2 - (low - 22) ** 2)
    for name, (point, draws) in it_change(request.getfixturevalue(site), at_zone, low, high).items():
        spread = float(draws.std(ddof=1))
        assert spread < 0.2 * abs(true) + 0.002, (
            name
        )  # an interval that says nothing would pass the next line
        assert abs(point - true) < 2.6 * spread + 0.0006, name


def test_total_saving_is_recovered(known_site, at_zone: AtZone) -> None:
    """Raise the set-point from 20 to 23 degC: the truth follows from the laws of the site."""
    operation = known_site.operation
    n = len(operation)
    zone = operation.levers["zone_set_point_c"]

    def true_kw(value: float) -> float:
        effect = [0.004 * (z - 22) + 0.0008 * (z - 22) ** 2 for z in (value, zone)]
        it = operation.it_kw * np.exp(effect[0] - effect[1])
        return float((1.15 * it - 1.6 * (value - 22.0)).mean())

    true = true_kw(20.0) - true_kw(23.0)
    levers = [{"zone_set_point_c": np.full(n, v)} for v in (20.0, 23.0)]
    scored = known_site.scorer.score(operation, levers[0], levers[1])
    low, high = np.quantile(scored.saving_kw_draws, (0.01, 0.99))
    assert min(low, scored.saving_kw - 0.5) < true < max(high, scored.saving_kw + 0.5)
    assert scored.saving_sd_kw < 1.5
    proposed = [known_site.response.scenario(operation, v).facility_kw.mean() for v in levers]
    # 4.8 kW less cooling against 5.5 kW more IT with its losses
    assert proposed[0] - proposed[1] == pytest.approx(true, abs=1.8)
    assert sum(scored.parts_kw.values()) == pytest.approx(scored.saving_kw)
    assert scored.parts_kw["it"] < 0 < scored.parts_kw["cooling"]


def test_scenario_at_the_measured_set_points_is_the_measurement(known_site) -> None:
    operation = known_site.operation
    same = known_site.response.scenario(operation, operation.levers)
    assert same.it_kw == pytest.approx(operation.it_kw, rel=1e-12)
    assert same.facility_kw == pytest.approx(operation.facility_kw, rel=1e-12)
    scored = known_site.scorer.score(operation, operation.levers, operation.levers)
    assert scored.baseline_kw == pytest.approx(operation.facility_kw, rel=0.02)
    assert (scored.baseline_kw == scored.planned_kw).all()
    assert scored.saving_kw == 0.0
    assert scored.saving_sd_kw == 0.0


@pytest.mark.parametrize("factor", [0.97, 1.03])
def test_less_work_is_no_saving(
    known_site, scale_work: Callable[[Operation, float], Operation], factor: float
) -> None:
    """The same move at another amount of work saves about the same share; no move saves nothing."""
    n = len(known_site.operation)
    levers = [{"zone_set_point_c": np.full(n, v)} for v in (20.0, 23.0)]

    def share(operation: Operation, to: int) -> float:
        scored = known_site.scorer.score(operation, levers[0], levers[to])
        return 100 * scored.saving_kw / float(scored.baseline_kw.mean())

    other = scale_work(known_site.operation, factor)
    assert share(other, 0) == 0.0
    assert share(other, 1) == pytest.approx(share(known_site.operation, 1), abs=0.06)


# -- other work --------------------------------------------------------------------------------------
@pytest.mark.parametrize("factor", [0.95, 1.04])
def test_other_work_by_the_laws_of_the_site(known_site, factor: float) -> None:
    """Same set-points: cooling follows the heat at 0.10 kW/kW, the power chain at 0.05."""
    operation = known_site.operation
    change = float(operation.it_kw.mean()) * (factor - 1.0)
    scenario = known_site.response.scenario(operation, operation.levers, it_factor=factor)
    assert scenario.it_kw == pytest.approx(factor * operation.it_kw, rel=1e-12)
    scored = known_site.scorer.score(operation, operation.levers, operation.levers, it_factor=factor)
    assert scored.planned_it_kw == pytest.approx(factor * operation.it_kw, rel=1e-12)
    assert scored.baseline_it_kw == pytest.approx(operation.it_kw, rel=1e-12)
    assert scored.parts_kw["it"] == pytest.approx(-change)
    cooling = float((scenario.overhead_kw - operation.overhead_kw).mean()), -scored.parts_kw["cooling"]
    assert cooling == pytest.approx((0.10 * change, 0.10 * change), rel=0.35)
    chain_kw = operation.facility_kw - operation.it_kw - operation.overhead_kw
    assert float((scenario.chain_kw - chain_kw).mean()) == pytest.approx(0.05 * change, rel=0.02)
    assert scored.parts_kw["power_chain"] == pytest.approx(-0.05 * change, rel=0.02)
    assert scored.saving_kw == pytest.approx(sum(scored.parts_kw.values()))
    assert float(scored.saving_kw_draws.mean()) == pytest.approx(scored.saving_kw, rel=0.02)


def test_work_of_single_steps(known_site) -> None:
    """Work moved from one step to another: the others stay as they were."""
    operation = known_site.operation
    factor = np.ones(len(operation))
    factor[[10, 20]] = 0.9, 1.1
    levers = {"zone_set_point_c": np.full(len(operation), 22.0)}
    scenario = known_site.response.scenario(operation, levers, it_factor=factor)
    same = known_site.response.scenario(operation, levers)
    assert scenario.it_kw / same.it_kw == pytest.approx(factor)
    assert np.flatnonzero(scenario.facility_kw != same.facility_kw).tolist() == [10, 20]
    scored = known_site.scorer.score(operation, levers, levers, it_factor=factor)
    assert np.flatnonzero(scored.planned_it_kw != scored.baseline_it_kw).tolist() == [10, 20]


def test_unmeasured_steps_stay_unmeasured(known_site) -> None:
    operation = known_site.operation
    it = operation.it_kw.copy()
    it[100:150] = np.nan
    gap = replace(operation, it_kw=it)
    levers = [{"zone_set_point_c": np.full(len(gap), v)} for v in (22.0, 24.0)]
    scored = known_site.scorer.score(gap, levers[0], levers[1])
    assert (~scored.measured).sum() == 50
    assert not scored.measured[100:150].any()
    assert np.isfinite(scored.saving_kw)
    scenario = known_site.response.scenario(gap, levers[1])
    assert np.isnan(scenario.facility_kw[100:150]).all()
    assert np.isfinite(np.delete(scenario.facility_kw, np.s_[100:150])).all()


def test_serialised_models_say_the_same(known_site) -> None:
    operation = known_site.operation
    levers = [{"zone_set_point_c": np.full(len(operation), v)} for v in (21.0, 24.0)]
    raw = json.loads(json.dumps(known_site.response.to_dict(), allow_nan=False))
    again = SiteResponse.from_dict(raw)
    for ours, theirs in zip(
        vars(known_site.response.scenario(operation, levers[1])).values(),
        vars(again.scenario(operation, levers[1])).values(),
        strict=True,
    ):
        assert theirs == pytest.approx(ours, rel=1e-6)
    about, texts = known_site.scorer.to_files("p-")
    scorer = SiteScorer.from_files(json.loads(json.dumps(about, allow_nan=False)), texts, "p-")
    before, after = (s.score(operation, *levers) for s in (known_site.scorer, scorer))
    assert after.saving_kw == pytest.approx(before.saving_kw, rel=1e-6)
    assert after.saving_kw_draws == pytest.approx(before.saving_kw_draws, rel=1e-5, abs=1e-6)


def test_fit_is_deterministic(known_site) -> None:
    operation = known_site.operation
    even = operation.week % 2 == 0
    assert fit_site_response(operation, even, 0).to_dict() == known_site.response.to_dict()


def test_each_model_learns_from_its_own_weeks_only(known_site) -> None:
    """Nonsense in odd weeks does not reach the proposer."""
    operation = known_site.operation
    even = operation.week % 2 == 0
    spoiled = replace(operation, it_kw=np.where(even, operation.it_kw, operation.it_kw * 3))
    again = fit_site_response(spoiled, even, 0)
    assert again.basis == known_site.response.basis
    assert again.it.fit.point == pytest.approx(known_site.response.it.fit.point, rel=1e-9)
    assert again.overhead.fit.point == pytest.approx(known_site.response.overhead.fit.point, rel=1e-9)


# -- too little, odd steps ---------------------------------------------------------------------------
def test_weeks_without_rows_are_refused(known_site) -> None:
    operation = known_site.operation
    never = np.zeros(len(operation), dtype=bool)
    for fit in (fit_site_response, fit_site_scorer):
        with pytest.raises(InsufficientDataError):
            fit(operation, never, 0)


@pytest.mark.parametrize("fit", [fit_site_response, fit_site_scorer])
def test_four_weeks_means_time_not_rows(known_site, fit: Callable[..., object]) -> None:
    """Three weeks in steps of a quarter of an hour are 2016 rows, and still three weeks."""
    operation = known_site.operation.rows(np.arange(len(known_site.operation)) < 4 * 504)
    stamps = pd.date_range("2025-01-06", periods=len(operation), freq="15min", tz="UTC")
    fine = replace(operation, stamps=stamps, hours=0.25)
    with pytest.raises(InsufficientDataError, match="export at least"):
        fit(fine, np.ones(len(fine), dtype=bool), 0)


def test_a_meter_that_repeats_its_value_can_be_fitted(known_site) -> None:
    """An hourly meter exported twice an hour changes in every other step only."""
    operation = known_site.operation
    twice = {k: np.repeat(v, 2) for k, v in vars(operation).items() if isinstance(v, np.ndarray)}
    stamps = pd.date_range("2025-01-06", periods=2 * len(operation), freq="30min", tz="UTC")
    zone = np.repeat(operation.levers["zone_set_point_c"], 2)
    fine = replace(operation, **twice, stamps=stamps, levers={"zone_set_point_c": zone}, hours=0.5)
    scorer = fit_site_scorer(fine, fine.week % 2 == 1, 0)
    move = np.diff(scorer.it.log_effect(fine.with_levers({"zone_set_point_c": np.array([20.0, 24.0])}))[:, 0])
    assert move[0] == pytest.approx(0.016, abs=0.004)


def test_chain_of_a_constant_load_is_a_constant(known_site) -> None:
    operation = replace(known_site.operation, it_kw=np.full(len(known_site.operation), 480.0))
    chain = fit_chain(operation, np.ones(len(operation), dtype=bool))
    assert chain.slope(np.array([480.0]))[0] == 0.0


def test_chain_by_hand(known_site) -> None:
    operation = known_site.operation
    it = np.linspace(100, 200, len(operation))
    exact = replace(operation, it_kw=it, cooling_kw=0 * it, facility_kw=it + 4 + 0.02 * it + 3e-4 * it**2)
    chain = fit_chain(exact, np.ones(len(it), dtype=bool))
    assert (chain.a, chain.b, chain.c) == pytest.approx((4, 0.02, 3e-4), rel=1e-6)
    assert chain.slope(np.array([150.0]))[0] == pytest.approx(0.02 + 2 * 3e-4 * 150)
    unmetered = fit_chain(replace(exact, cooling_kw=None), np.ones(len(it), dtype=bool))
    assert (unmetered.a, unmetered.b, unmetered.c) == (0, 0, 0)


# -- basis -------------------------------------------------------------------------------------------
def test_transients_vanish_when_steady_and_end_after_two_steps(known_site, at_zone: AtZone) -> None:
    operation = known_site.operation
    basis = known_site.response.basis
    assert not basis.transient_terms(at_zone(operation, 23.5)).any()
    step = np.where(np.arange(len(operation)) >= 50, 24.0, 22.0)
    terms = basis.transient_terms(operation.with_levers({"zone_set_point_c": step}))
    assert np.flatnonzero(terms.any(axis=1)).tolist() == [50, 51]


def test_penalty_has_one_value_per_term(known_site) -> None:
    operation = known_site.operation
    water = np.tile([7.0, 9.0], len(operation) // 2)
    both = replace(operation, levers={**operation.levers, "chilled_water_set_point_c": water})
    for case in (operation, both):
        basis = LeverBasis.learn(case, case.usable)
        terms = basis.surface_terms(case, case.it_kw)
        assert basis.surface_penalty(case).shape == (terms.shape[1],)
        assert np.isfinite(terms).all()
    assert basis.scaled(both)[1].min() == -1.0
    assert basis.scaled(both)[1].max() == 1.0


def test_without_an_air_lever_servers_do_not_respond(known_site) -> None:
    operation = known_site.operation
    water = replace(operation, levers={"chilled_water_set_point_c": operation.levers["zone_set_point_c"]})
    response = fit_site_response(water, water.week % 2 == 0, 0)
    moved = response.scenario(water, {"chilled_water_set_point_c": np.full(len(water), 25.0)})
    assert moved.it_kw == pytest.approx(water.it_kw)


def test_one_spike_does_not_bend_the_chain(known_site) -> None:
    operation = known_site.operation
    rows = np.ones(len(operation), dtype=bool)
    facility = operation.facility_kw.copy()
    facility[1234] *= 10
    clean, spiked = fit_chain(operation, rows), fit_chain(replace(operation, facility_kw=facility), rows)
    assert spiked.predict(np.array([450.0, 550.0])) == pytest.approx(
        clean.predict(np.array([450.0, 550.0])), rel=1e-3
    )
