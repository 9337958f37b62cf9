"""Fitting and backtesting data centres on the sample."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import training.centre_backtest as judge
import training.data_centre as family
from features.data_centre import build, recipe_for
from features.errors import InsufficientDataError, ModelError, UsageError
from features.frame import FeatureFrame
from features.telemetry import Telemetry
from models.bundle import load_bundle, save_bundle
from models.data_centre import DataCentreBundle
from training.backtest import backtest
from training.choose import Choice
from training.fit import fit_bundle
from training.result import BACKTEST_COLUMNS, Backtest
from training.splits import one_week_per_month, rolling_origin, withheld_weeks
from training.tune import Tuned

TARGET = "facility_power_kw"


@pytest.fixture(scope="module")
def tested(dc_year: Telemetry) -> Backtest:
    start = dc_year.span[0]
    return backtest(dc_year.between(start, start + pd.Timedelta(weeks=26)), target=TARGET)


@pytest.fixture(scope="module")
def bundle(dc_summer_bundle: DataCentreBundle) -> DataCentreBundle:
    return dc_summer_bundle


# -- backtest ----------------------------------------------------------------------------------------
def test_backtest_shows_ours_beside_the_baselines(tested: Backtest) -> None:
    assert tuple(tested.table.columns) == BACKTEST_COLUMNS
    for (task, split), rows in tested.table.groupby(["problem", "split"]):
        assert rows["ours"].sum() == 1, (task, split)
        expected = {
            "persistence",
            "same hour yesterday",
            "same hour last week",
            "site mean",
            "linear",
            "LightGBM",
        }
        if task != "forecast":
            expected.add("LightGBM, columns of the step")
        assert set(rows.loc[~rows["ours"], "model"]) == expected
    estimates = {judge.NEWEST, judge.NEWEST + judge.UNMEASURED, judge.WEEKS, judge.WEEKS + judge.UNMEASURED}
    of_task = tested.table.groupby("problem")["split"].agg(set)
    if judge.WITH_PLANT in of_task:
        assert of_task[judge.WITH_PLANT] == estimates
        assert of_task[judge.WITHOUT_PLANT] == {judge.NEWEST, judge.NEWEST + judge.UNMEASURED}
    else:
        assert of_task["estimate"] == estimates
    assert of_task["forecast"] == {judge.NEWEST}
    assert (tested.table["quantity"] == TARGET).all()
    assert tested.seconds["wall"] > 0
    assert any("not comparable" in note or "comparable with neither" in note for note in tested.notes)


def of(tested: Backtest, problem: str, split: str) -> pd.DataFrame:
    """The table of one problem that starts with a name, by model."""
    table = tested.table
    return table[table["problem"].str.startswith(problem) & (table["split"] == split)].set_index("model")


def test_ours_beats_the_naive_baselines(tested: Backtest) -> None:
    estimate = of(tested, "estimate", judge.WEEKS)
    ours = float(estimate.loc[estimate["ours"], "mae"].iloc[0])
    assert ours < 0.25 * float(estimate.loc["site mean", "mae"])
    forecast = of(tested, "forecast", judge.NEWEST)
    ours = float(forecast.loc[forecast["ours"], "mae"].iloc[0])
    assert ours < min(float(forecast.loc[m, "mae"]) for m in ("same hour yesterday", "same hour last week"))


def test_every_model_has_intervals_whose_coverage_is_measured(tested: Backtest) -> None:
    assert (tested.table["nominal"] == 0.9).all()
    following = tested.table[~tested.table["split"].str.endswith(judge.UNMEASURED)]
    assert following["coverage"].between(0.86, 0.94).all()
    assert (following["coverage_low"] <= following["coverage"]).all()
    assert (following["coverage"] <= following["coverage_high"]).all()
    ours = following[following["ours"]]
    assert ((ours["coverage_low"] <= 0.9) & (ours["coverage_high"] >= 0.9)).all()
    assert (tested.table["interval_score"] > 0).all()


def test_the_domain_is_measured(tested: Backtest) -> None:
    assert tested.domain is not None
    # the newest weeks of half a year are a season of their own: only withheld weeks must raise no alarm
    false = tested.domain["what"].str.startswith("false alarm") & tested.domain["what"].str.contains(
        judge.WEEKS
    )
    assert false.any()
    assert (tested.domain.loc[false, "rate"] <= 0.02).all()
    values = tested.domain["what"].str.contains("left-out values")
    assert values.any()
    assert (tested.domain.loc[values, "rate"] >= 0.99).all()
    assert (tested.domain.loc[values, "rows"] >= 30).all()


def test_held_back_rows_are_the_newest_and_unseen(
    dc_summer: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Poisoning the newest 30 % of the target changes neither choice nor fit."""
    choices: list[Choice] = []
    original = judge.choose
    dc_weeks = dc_summer.between(dc_summer.span[0], dc_summer.span[0] + pd.Timedelta(weeks=6))

    def watched(*args: object, **named: object) -> Choice:
        choices.append(original(*args, **named))  # type: ignore[arg-type]
        return choices[-1]

    monkeypatch.setattr(judge, "choose", watched)
    recipe = recipe_for(dc_weeks, TARGET, "estimate")
    monkeypatch.setattr(judge, "LEAST_WEEKS", 99)  # the newest rows only, and one problem
    monkeypatch.setattr(judge, "_problems", lambda *_: {"estimate": recipe})
    clean, _ = judge.judged(dc_weeks, TARGET, "estimate", 0)
    frame = dc_weeks.frame.copy()
    start, end = dc_weeks.span
    cut = start + 0.7 * (end - dc_weeks.interval - start)
    newest = frame["timestamp"] >= cut
    assert 0.28 < newest.mean() < 0.32
    frame.loc[newest, TARGET] = 9e5
    poisoned, _ = judge.judged(replace(dc_weeks, frame=frame), TARGET, "estimate", 0)
    first, second = choices[0], choices[len(choices) // 2]
    assert first.name == second.name
    assert first.errors == second.errors
    assert np.array_equal(first.residuals.predicted, second.residuals.predicted, equal_nan=True)
    assert np.array_equal(first.residuals.truth, second.residuals.truth)
    assert poisoned[0]["mae"] > 100 * clean[0]["mae"]  # so the poison was really in the test rows
    assert len(build(dc_weeks, recipe)) == len(frame)


def test_held_out_errors_of_the_card_are_of_unseen_rows(
    dc_summer: Telemetry, bundle: DataCentreBundle
) -> None:
    frame = dc_summer.frame.copy()
    newest = frame.index >= int(0.87 * len(frame))
    frame.loc[newest, TARGET] *= 1.03  # so little that the gate still lets the model through
    trained = family._train(replace(dc_summer, frame=frame), TARGET, "estimate", 0, 0)
    assert isinstance(trained, family.Trained)
    spoiled, card = trained.about, bundle.card.quantities[f"{TARGET}-estimate"]
    assert spoiled["chosen_by"] == card["chosen_by"]
    assert spoiled["held_out"]["ours"]["mae"] > 1.5 * card["held_out"]["ours"]["mae"]  # type: ignore[index]


# -- fit ---------------------------------------------------------------------------------------------
def test_card_says_how_good_it_is(bundle: DataCentreBundle) -> None:
    assert set(bundle.card.quantities) == {f"{TARGET}-estimate", f"{TARGET}-forecast"}
    for about in bundle.card.quantities.values():
        assert 0.6 <= about["coverage_measured"] <= 1.0  # type: ignore[operator]
        assert {"ours", "persistence", "same hour last week", "site mean"} <= set(about["held_out"])  # type: ignore[call-overload]
    assert bundle.card.zone == "+08:00"
    assert bundle.card.interval_s == 3600


def test_same_data_and_seed_give_the_same_model(
    dc_summer: Telemetry, bundle: DataCentreBundle, tmp_path: Path
) -> None:
    again = fit_bundle(dc_summer, target=TARGET)
    assert again.card.model_id == bundle.card.model_id
    assert again.to_files() == bundle.to_files()
    saved = save_bundle(bundle, tmp_path / "m")
    assert saved.model_id == bundle.card.model_id
    loaded = load_bundle(tmp_path / "m")
    for task in ("estimate", "forecast"):
        ours, theirs = bundle.predict(dc_summer, task)[0][0], loaded.predict(dc_summer, task)[0][0]
        pd.testing.assert_frame_equal(ours.to_frame(), theirs.to_frame())


def test_prediction_covers_rows_without_a_measured_target(
    dc_summer: Telemetry, bundle: DataCentreBundle
) -> None:
    blind = replace(dc_summer, frame=dc_summer.frame.assign(**{TARGET: np.nan}))
    said = bundle.predict(blind, "estimate")[0][0]
    assert len(said.point) == len(dc_summer.frame)
    assert np.isfinite(said.point).all()
    truth = dc_summer.frame[TARGET].to_numpy()
    inside = (truth >= said.lower) & (truth <= said.upper)
    assert inside[np.isfinite(truth)].mean() > 0.85


def test_prediction_of_another_interval_or_site(dc_summer: Telemetry, bundle: DataCentreBundle) -> None:
    with pytest.raises(ModelError, match="E-MODEL-INTERVAL"):
        bundle.predict(replace(dc_summer, interval=pd.Timedelta(minutes=30)), "estimate")
    renamed = replace(dc_summer, frame=dc_summer.frame.assign(site_id="other"))
    assert "D-MODEL-OTHER-SITE" in {i.code for i in bundle.predict(renamed, "estimate")[1]}


def test_an_unknown_target_is_refused_with_the_known_ones(dc_summer: Telemetry) -> None:
    for call in (fit_bundle, backtest):
        with pytest.raises(UsageError, match="E-TARGET") as raised:
            call(dc_summer, target="supply_air_temp_c")
        assert TARGET in raised.value.remedy
        assert raised.value.exit_code == 2


def test_several_sites_in_one_export(dc_summer: Telemetry) -> None:
    start = dc_summer.span[0]
    short = dc_summer.between(start, start + pd.Timedelta(weeks=4)).frame
    poor = short.assign(site_id="b", facility_power_kw=np.nan)
    both = replace(dc_summer, frame=pd.concat([short.assign(site_id="a"), poor], ignore_index=True))
    fitted = fit_bundle(both, target=TARGET)
    assert {n.split("/")[0] for n in fitted.card.quantities} == {"a"}
    with pytest.raises(UsageError, match="E-TARGET"):
        fit_bundle(both.site("b"), target=TARGET)


def test_too_short_an_export(dc_summer: Telemetry) -> None:
    start = dc_summer.span[0]
    five_days = dc_summer.between(start, start + pd.Timedelta(days=5))
    with pytest.raises(InsufficientDataError, match="E-TRAIN-TARGET"):
        backtest(five_days)
    nine_days = dc_summer.between(start, start + pd.Timedelta(days=9))
    with pytest.raises(InsufficientDataError, match="E-BACKTEST-ROWS"):
        backtest(nine_days)
    unmetered = five_days.frame.drop(columns=["facility_power_kw", "it_power_kw", "cooling_power_kw"])
    with pytest.raises(InsufficientDataError, match="E-TRAIN-TARGET"):
        fit_bundle(replace(five_days, frame=unmetered))


def test_a_meter_read_three_times_a_day_has_no_forecast_but_an_estimate(dc_year: Telemetry) -> None:
    frame = dc_year.frame.iloc[: 24 * 150].copy()
    frame.loc[np.arange(len(frame)) % 8 != 0, TARGET] = np.nan
    fitted = fit_bundle(replace(dc_year, frame=frame), target=TARGET)
    assert set(fitted.card.quantities) == {f"{TARGET}-estimate"}
    assert any("no forecast" in note for note in fitted.card.notes)


def test_whole_sites_are_held_out(dc_summer: Telemetry) -> None:
    """Three sites of one plant: the third is told from the other two, and says so in rows of its own."""
    start = dc_summer.span[0]
    part = dc_summer.between(start, start + pd.Timedelta(weeks=3)).frame
    frames = [part.assign(site_id=name) for name in ("a", "b", "c")]
    frames[1][TARGET] *= 1.01
    three = replace(dc_summer, frame=pd.concat(frames, ignore_index=True))
    rows = pd.DataFrame(judge._held_out_sites(three, TARGET, 0))
    assert rows["split"].str.startswith(judge.SITES).all()
    folds = rows.groupby("split")
    assert len(folds) == 6  # three folds, each with and without what was measured since
    assert (folds["ours"].sum() == 1).all()
    ours = rows[rows["ours"] & ~rows["split"].str.endswith(judge.UNMEASURED)]
    assert len(ours) == 3
    assert (ours["wmape"] < 3).all()
    assert ours["coverage"].between(0.8, 1.0).all()
    assert judge._held_out_sites(dc_summer, TARGET, 0) == []


def test_weeks_withheld_by_hand(dc_summer: Telemetry) -> None:
    frame = build(dc_summer, recipe_for(dc_summer, TARGET, "estimate"))
    stamps = frame.keys["timestamp"]
    withheld = stamps[one_week_per_month(frame)]
    assert sorted({str(t.date()) for t in withheld if t.day_of_week == 0}) == ["2025-05-12", "2025-06-09"]
    assert len(withheld) == 2 * 168
    for fold in withheld_weeks(frame):
        assert not (fold.train & fold.test).any()
        assert (fold.train | fold.test).all()


# -- tuning and splits -------------------------------------------------------------------------------
def test_two_trials_of_optuna(dc_summer: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[FeatureFrame] = []
    original = family.tune_candidate

    def watched(frame: FeatureFrame, *args: object) -> Tuned:
        seen.append(frame)
        return original(frame, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(family, "tune_candidate", watched)
    start = dc_summer.span[0]
    short = dc_summer.between(start, start + pd.Timedelta(weeks=4))
    fitted = fit_bundle(short, target="it_power_kw", trials=2)  # the quickest candidates
    assert isinstance(fitted, DataCentreBundle)
    newest = short.frame["timestamp"].max() - seen[0].keys["timestamp"].max()
    assert newest >= 0.14 * (short.span[1] - short.span[0])  # the search never sees the held-back rows
    assert len(fitted.predict(short, "estimate")[0]) == 1


def test_rolling_origin_never_trains_on_the_future(dc_summer: Telemetry) -> None:
    frame = build(dc_summer, recipe_for(dc_summer, TARGET, "estimate")).measured()
    stamps = frame.keys["timestamp"]
    folds = rolling_origin(frame)
    assert len(folds) == 3
    for fold in folds:
        assert stamps[fold.train].max() < stamps[fold.test].min()
    tested = np.sum([f.test for f in folds], axis=0)
    assert tested.max() == 1
    assert tested.sum() == int((stamps >= stamps[folds[0].test].min()).sum())
    with pytest.raises(InsufficientDataError, match="E-SPLIT-ROWS"):
        rolling_origin(frame.rows(np.arange(100)))
