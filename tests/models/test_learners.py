"""Baselines and LightGBM behind one interface."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.errors import InsufficientDataError, ModelError
from features.frame import FeatureFrame
from models.baselines import Linear, PastValue, SiteMean
from models.gbm import Gbm, GbmParameters, LinearPlusGbm
from models.learners import Anchored

SMALL = GbmParameters(rounds=30, min_data_in_leaf=5)


def make(rows: int = 300, seed: int = 0) -> FeatureFrame:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"a": rng.normal(5, 2, rows), "b": rng.normal(-1, 3, rows)})
    y = 7.0 + 2.0 * X["a"] - 0.5 * X["b"] + rng.normal(0, 0.1, rows)
    keys = pd.DataFrame(
        {
            "site_id": np.where(np.arange(rows) % 3 == 0, "s1", "s2"), "unit_id": "",
            "timestamp": pd.date_range("2025-01-01", periods=rows, freq="h", tz="UTC"),
        }
    )  # fmt: skip
    past = pd.DataFrame({"last": y.shift(1)})
    return FeatureFrame(keys, X, "it_power_kw", y, baselines=past)


def test_past_value_is_the_column_and_nan_without_one() -> None:
    frame = make(5)
    assert np.isnan(PastValue("p", "last").fit(frame).predict(frame)[0])
    assert PastValue("p", "last").predict(frame)[1:] == pytest.approx(frame.target()[:-1])
    assert np.isnan(PastValue("p", "same_hour_last_week").predict(frame)).all()


def test_site_mean_by_hand() -> None:
    frame = make(4)
    y = pd.Series([1.0, 10.0, np.nan, 5.0])  # s1: rows 0, 3; s2: row 1
    fitted = SiteMean().fit(replace(frame, y=y))
    other = replace(frame, keys=frame.keys.assign(site_id=["s1", "s2", "new", "s1"]))
    assert fitted.predict(other).tolist() == pytest.approx([3.0, 10.0, 16 / 3, 3.0])
    with pytest.raises(ModelError, match="E-MODEL-NOT-FITTED"):
        SiteMean().predict(frame)


def test_linear_without_penalty_is_least_squares() -> None:
    frame = make()
    design = np.column_stack([np.ones(len(frame)), frame.X.to_numpy()])
    expected = design @ np.linalg.lstsq(design, frame.target(), rcond=None)[0]
    assert Linear(alpha=0.0).fit(frame).predict(frame) == pytest.approx(expected, abs=1e-8)


def test_linear_penalty_is_ridge_on_standardised_terms() -> None:
    frame, alpha = make(), 0.5
    Z = ((frame.X - frame.X.mean()) / frame.X.std(ddof=0)).to_numpy()
    y = frame.target()
    slope = np.linalg.solve(Z.T @ Z + alpha * len(y) * np.eye(2), Z.T @ (y - y.mean()))
    assert Linear(alpha=alpha).fit(frame).predict(frame) == pytest.approx(y.mean() + Z @ slope)


def test_linear_puts_missing_values_at_the_training_median() -> None:
    frame = make()
    fitted = Linear(alpha=0.0).fit(frame)
    gap = frame.rows(np.arange(len(frame)) < 2)
    middle = replace(gap, X=gap.X.assign(a=float(frame.X["a"].median())))
    gap = replace(gap, X=gap.X.assign(a=np.nan))
    assert fitted.predict(gap) == pytest.approx(fitted.predict(middle))


def test_linear_ignores_constant_and_empty_columns() -> None:
    frame = make()
    dull = replace(frame, X=frame.X.assign(c=4.0, d=np.nan))
    assert Linear().fit(dull).predict(dull) == pytest.approx(Linear().fit(frame).predict(frame))


def test_linear_unknown_category_is_none_of_the_known() -> None:
    frame = make()
    code = pd.Series(np.arange(len(frame)) % 2, dtype=np.float64)
    coded = replace(frame, X=frame.X.assign(k=code), y=frame.y + 10 * code, categories={"k": ["x", "y"]})
    fitted = Linear(alpha=1e-9).fit(coded)
    one = coded.rows(np.arange(len(coded)) < 1)
    values = [fitted.predict(replace(one, X=one.X.assign(k=v)))[0] for v in (0.0, 1.0, np.nan)]
    assert values[1] - values[0] == pytest.approx(10.0, abs=0.1)
    assert values[0] < values[2] < values[1]  # neither: in between


@pytest.mark.parametrize("model", [Linear(), Gbm("g", SMALL), LinearPlusGbm("l", SMALL)])
def test_another_feature_hash_is_refused(model: Linear | Gbm | LinearPlusGbm) -> None:
    frame = make()
    with pytest.raises(ModelError, match="E-MODEL-NOT-FITTED"):
        model.predict(frame)
    model.fit(frame)
    swapped = replace(frame, X=frame.X[["b", "a"]])
    with pytest.raises(ModelError, match="E-MODEL-FEATURES"):
        model.predict(swapped)


def test_linear_round_trip_is_exact() -> None:
    frame = make()
    fitted = Linear().fit(replace(frame, X=frame.X.assign(c=1.0)))
    again = Linear.from_dict(json.loads(json.dumps(fitted.to_dict(), allow_nan=False)))
    shown = replace(frame, X=frame.X.assign(c=1.0))
    assert np.array_equal(again.predict(shown), fitted.predict(shown))


def test_gbm_is_deterministic_for_a_seed() -> None:
    frame = make()
    parameters = SMALL.with_(bagging_fraction=0.6, feature_fraction=0.5)
    texts = [Gbm("g", parameters.with_(seed=s)).fit(frame).to_files()[1] for s in (1, 1, 2)]
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


@pytest.mark.parametrize("log_target", [False, True])
def test_gbm_text_round_trip(log_target: bool) -> None:
    frame = make()
    fitted = Gbm("g", SMALL.with_(log_target=log_target), {"a": 1}).fit(replace(frame, y=frame.y.abs() + 1))
    about, text = fitted.to_files()
    again = Gbm.from_files(json.loads(json.dumps(about)), text)
    assert np.array_equal(again.predict(frame), fitted.predict(frame))
    assert again.monotone == {"a": 1}


def test_gbm_monotone_constraint_holds() -> None:
    frame = make()
    fitted = Gbm("g", SMALL, {"a": 1}).fit(frame)
    sweep = frame.rows(np.zeros(50, dtype=np.int64))
    sweep = replace(sweep, X=sweep.X.assign(a=np.linspace(0, 10, 50)))
    assert (np.diff(fitted.predict(sweep)) >= 0).all()


def test_trend_carries_on_where_trees_are_flat() -> None:
    frame = make()
    far = replace(frame, X=frame.X.assign(a=frame.X["a"] + 50.0))
    rise = {
        m.name: float((m.fit(frame).predict(far) - m.predict(frame)).mean())
        for m in (Gbm("trees", SMALL), LinearPlusGbm("both", SMALL))
    }
    assert rise["both"] == pytest.approx(100.0, rel=0.05)
    assert rise["trees"] < 20.0


def test_anchored_learns_the_difference() -> None:
    frame = make()
    anchor = pd.Series(np.linspace(0, 1000, len(frame)))
    anchor.iloc[:10] = np.nan
    moved = replace(frame, X=frame.X.assign(anchor=anchor), y=frame.y + np.linspace(0, 1000, len(frame)))
    predicted = Anchored(Linear(columns=("a", "b")), "anchor").fit(moved).predict(moved)
    assert np.isnan(predicted[:10]).all()
    assert predicted[10:] == pytest.approx(moved.target()[10:], abs=0.6)


def test_anchored_without_any_anchor_says_so() -> None:
    frame = make()
    empty = replace(frame, X=frame.X.assign(anchor=np.nan))
    with pytest.raises(InsufficientDataError, match="E-ANCHOR-ROWS"):
        Anchored(Linear(), "anchor").fit(empty)
