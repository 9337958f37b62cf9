"""Tuning helps where the start is poor, and never hurts: what it found must win on rows it never saw."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.base_station import build as build_stations
from features.data_centre import Recipe
from features.frame import FeatureFrame
from features.telemetry import Telemetry
from models.baselines import Linear
from models.bundle import Bundle
from models.gbm import Gbm, GbmParameters
from models.quantity import Learned
from models.station_config import PARAMETERS
from tests.base_station_fleet import fleet
from training.fit import fit_bundle
from training.search import SearchPlan
from training.tune import Tuned, time_blocks, tunable, tune_candidate, tune_gbm, tune_stations

POOR = GbmParameters(rounds=50, learning_rate=0.01, num_leaves=4, min_data_in_leaf=200)
RECIPE = Recipe("facility_power_kw", "estimate", ("it_power_kw", "outdoor_dry_bulb_c"))


def site(hours: int = 1500, noise: float = 1.0, signal: float = 1.0, seed: int = 0) -> FeatureFrame:
    """A power that follows a wave of one input and a step of the other."""
    rng = np.random.default_rng(seed)
    it, outdoor = rng.uniform(50, 100, hours), rng.uniform(-5, 35, hours)
    wave = 20 * np.sin(it / 4) + np.where(outdoor > 18, 15, 0)
    y = 100 + signal * wave + noise * rng.standard_normal(hours)
    stamps = pd.date_range("2026-01-01", periods=hours, freq="h", tz="UTC", unit="us")
    return FeatureFrame(
        pd.DataFrame({"site_id": "a", "unit_id": "", "timestamp": stamps}),
        pd.DataFrame({"it_power_kw": it, "outdoor_dry_bulb_c": outdoor}),
        "facility_power_kw",
        pd.Series(y),
    )


def gbm(parameters: GbmParameters) -> Learned:
    return Gbm("LightGBM", parameters)


def test_a_poor_start_is_left() -> None:
    tuned = tune_gbm(site(), POOR, SearchPlan(12, seed=0), gbm)
    assert tuned.found is not None
    assert tuned.gain is not None
    assert tuned.gain.lower > 0.2
    assert tuned.parameters == tuned.found.best != POOR
    fresh = site(seed=9)  # an error on rows that nobody has seen
    errors = [
        np.abs(fresh.target() - Gbm(parameters=p).fit(site()).predict(fresh)).mean()
        for p in (tuned.parameters, POOR)
    ]
    assert errors[0] < 0.7 * errors[1]


def test_where_there_is_nothing_to_learn_the_start_is_kept() -> None:
    """Pure noise: the search always finds something 'better' on its own folds, at most rarely elsewhere."""
    start = GbmParameters(rounds=50, num_leaves=4, learning_rate=0.02)
    used = [
        tune_gbm(site(600, signal=0.0, seed=s), start, SearchPlan(6, seed=s), gbm).parameters != start
        for s in range(5)
    ]
    assert sum(used) <= 1


def test_parameters_that_win_only_on_the_folds_are_refused() -> None:
    """The law changes after the folds: what was tuned to the old one loses and is not used."""
    frame = site(1500, noise=0.5)
    newest = np.arange(1500) >= 1200
    frame = replace(frame, y=frame.y.where(~newest, 100.0))  # type: ignore[union-attr]
    tuned = tune_gbm(frame, POOR, SearchPlan(10, seed=0), gbm)
    assert tuned.found is not None
    assert tuned.found.best_loss < 0.8 * tuned.found.start_loss
    assert tuned.parameters == POOR
    assert tuned.to_dict()["used"] is False
    assert float(str(tuned.to_dict()["gain_on_unseen_rows"])) < 0


def test_the_search_never_sees_the_rows_that_confirm_it() -> None:
    clean = site(900)
    newest = np.arange(900) >= 720
    spoiled = replace(clean, y=clean.y.where(~newest, 9e5))  # type: ignore[union-attr]
    first, second = (tune_gbm(f, POOR, SearchPlan(5, seed=1), gbm) for f in (clean, spoiled))
    assert first.found == second.found
    assert first.gain != second.gain


def test_too_few_rows_keep_the_start() -> None:
    assert tune_gbm(site(100), POOR, SearchPlan(5), gbm) == Tuned(POOR)
    assert Tuned(POOR).to_dict() == {"used": False, "trials": 0}


def test_only_candidates_that_listen_are_tuned() -> None:
    listening = tunable(RECIPE, POOR)
    assert {"LightGBM", "grey box + LightGBM"} <= listening
    assert "linear" not in listening


def test_the_best_candidate_that_listens_is_tuned() -> None:
    tuned = tune_candidate(site(600), RECIPE, POOR, SearchPlan(2))
    assert tuned.candidate in tunable(RECIPE, POOR)
    assert tuned.name in ("", tuned.candidate)
    assert (tuned.name == "") is (tuned.parameters == POOR)


def test_what_was_tuned_must_beat_what_would_have_been_chosen() -> None:
    """On a straight line the linear model wins: better trees are no reason to leave it."""
    straight = site(900)
    y = 2 * straight.X["it_power_kw"] - straight.X["outdoor_dry_bulb_c"]
    straight = replace(straight, y=y + np.random.default_rng(0).standard_normal(900))
    alone = tune_gbm(straight, POOR, SearchPlan(6), gbm)
    beside = tune_gbm(straight, POOR, SearchPlan(6), gbm, Linear)
    assert alone.found == beside.found
    assert alone.gain is not None
    assert alone.gain.sure  # the trees did become better
    assert beside.gain is not None
    assert beside.gain.share < 0  # but not than the line
    assert beside.parameters == POOR


def test_too_few_rows_to_choose_keep_the_start() -> None:
    assert tune_candidate(site(100), RECIPE, POOR, SearchPlan(5)) == Tuned(POOR)


def test_blocks_are_weeks_where_there_are_enough() -> None:
    stamps = pd.Series(pd.date_range("2026-01-01", periods=24 * 70, freq="h", tz="UTC"))
    assert len(np.unique(time_blocks(stamps))) == 10
    assert len(np.unique(time_blocks(stamps[: 24 * 21]))) == 7  # of three days
    assert len(np.unique(time_blocks(stamps[:30]))) == 5  # of six hours: the shortest


# -- stations ----------------------------------------------------------------------------------------
def test_tuning_stations_confirms_on_stations_left_out() -> None:
    frame = build_stations(fleet(stations=15, days=1), "station_energy_rel")
    poor = PARAMETERS.with_(rounds=50, learning_rate=0.01)
    tuned = tune_stations(frame, SearchPlan(2, seed=0), poor)
    assert tuned.found is not None
    assert tuned.gain is not None
    assert tuned.gain.blocks == 3  # a fifth of 15 stations
    assert tuned.parameters in (tuned.found.best, poor)
    assert tuned.parameters.objective == "regression_l1"
    site = frame.keys["site_id"]
    left_out = np.random.default_rng(0).permutation(site.unique())[:3]
    spoiled = replace(frame, y=frame.y.where(~site.isin(left_out), 9e5))  # type: ignore[union-attr]
    again = tune_stations(spoiled, SearchPlan(2, seed=0), poor)
    assert again.found == tuned.found  # the search never saw them
    assert again.gain != tuned.gain


def test_two_stations_cannot_be_tuned_on() -> None:
    frame = build_stations(fleet(stations=3, days=3), "station_energy_rel")
    assert tune_stations(frame, SearchPlan(2)) == Tuned(PARAMETERS)


# -- through the front door --------------------------------------------------------------------------
@pytest.fixture(scope="module")
def short(dc_summer: Telemetry) -> Telemetry:
    """Four weeks, in which the IT power has the quickest candidates."""
    start = dc_summer.span[0]
    return dc_summer.between(start, start + pd.Timedelta(weeks=4))


@pytest.fixture(scope="module")
def tuned_twice(short: Telemetry) -> Bundle:
    return fit_bundle(short, target="it_power_kw", trials=2)


def test_the_card_says_what_tuning_came_to(short: Telemetry, tuned_twice: Bundle) -> None:
    told = tuned_twice.card.quantities["it_power_kw-estimate"]["tuning"]
    assert isinstance(told, dict)
    assert told["trials"] == 2
    assert isinstance(told["used"], bool)
    untuned = fit_bundle(short, target="it_power_kw").card.quantities["it_power_kw-estimate"]
    assert untuned["tuning"] is None


def test_trials_are_kept_in_the_study_file(short: Telemetry, tuned_twice: Bundle, tmp_path: Path) -> None:
    from app.service.study import open_study

    path = tmp_path / "study.log"
    fits = [
        fit_bundle(short, target="it_power_kw", trials=trials, storage=open_study(path)) for trials in (1, 2)
    ]
    names = {s.study_name for s in open_study(path).get_all_studies()}
    assert len(names) == 2  # estimate and forecast
    assert all(name.startswith(short.site(short.site_ids[0]).content_hash()[:12]) for name in names)
    assert all("seed 0" in name for name in names)
    assert fits[1].card.quantities == tuned_twice.card.quantities
