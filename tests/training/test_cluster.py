"""Trees fitted on a local Dask cluster are those of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.frame import FeatureFrame
from features.telemetry import Telemetry
from models.base_station import BaseStationBundle
from models.gbm import Gbm, GbmParameters
from training.cluster import ClusterTrainer, fit_gbm, on_cluster
from training.fit import fit_bundle

distributed = pytest.importorskip(
    "distributed", reason="needs dask and distributed (energy-advisor[cluster])"
)
pytest.importorskip("dask.array", reason="needs dask and distributed (energy-advisor[cluster])")

PLAIN = GbmParameters(rounds=40, num_leaves=15, feature_fraction=1.0, bagging_fraction=1.0)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as connected,
    ):
        yield connected


def table(rows: int = 3000, *, levels: int = 0, seed: int = 0) -> FeatureFrame:
    """Return rows of a known law; `levels` distinct values per feature, 0: no two alike."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.random((rows, 3)), columns=["a", "b", "c"])
    if levels:
        X = (X * levels).round() / levels
    X["kind"] = rng.integers(0, 4, rows).astype(np.float64)
    y = 3 * X["a"] - 2 * X["b"] ** 2 + (X["kind"] == 2) + 0.1 * rng.standard_normal(rows)
    X = X.mask(rng.random(X.shape) < 0.02)
    stamps = pd.date_range("2026-01-01", periods=rows, freq="h", tz="UTC", unit="us")
    keys = pd.DataFrame({"site_id": "a", "unit_id": "", "timestamp": stamps})
    return FeatureFrame(keys, X, "it_power_kw", y, {"kind": ["p", "q", "r", "s"]})


def test_the_same_bins_give_the_same_trees(client: Any) -> None:
    """With at most 255 distinct values both bin alike, and histograms of two halves add up to the whole's.

    Only sums of floating-point numbers differ, in their order: the tolerance is a thousand times that.
    """
    frame = table(levels=50)
    here, there = fit_gbm(frame, PLAIN), fit_gbm(frame, PLAIN, client)
    np.testing.assert_allclose(there.predict(frame), here.predict(frame), rtol=0, atol=1e-9)


def test_other_bins_and_bags_differ_less_than_seeds_do(client: Any) -> None:
    """Bins from half of the rows and bags drawn per worker are another draw, no other model.

    So two draws on this machine say how much may differ: predictions by no more than twice as much as those
    of two seeds, and the error on fresh rows by no more than 5 %.
    """
    frame, fresh = table(levels=0), table(seed=1)
    parameters = PLAIN.with_(bagging_fraction=0.8, feature_fraction=0.7)
    here, other = (fit_gbm(frame, parameters.with_(seed=s)).predict(fresh) for s in (0, 1))
    there = fit_gbm(frame, parameters, client).predict(fresh)
    assert np.abs(there - here).mean() < 2 * np.abs(other - here).mean()
    errors = [np.sqrt(np.mean((fresh.target() - p) ** 2)) for p in (here, there)]
    assert errors[1] < 1.05 * errors[0]


def test_the_store_cannot_tell_where_trees_were_fitted(client: Any) -> None:
    frame = table(levels=50)
    model = fit_gbm(frame, PLAIN, client, name="far", monotone={"a": 1})
    about, text = model.to_files()
    assert "127.0.0.1" not in text
    _, alone = fit_gbm(frame, PLAIN, name="near", monotone={"a": 1}).to_files()
    told = [
        t[t.index("\nparameters:") :].replace("[num_threads: 0]", "[num_threads: 1]") for t in (alone, text)
    ]
    assert set(told[1].splitlines()) <= set(told[0].splitlines())
    again = Gbm.from_files(about, text)
    assert (again.name, again.monotone, again.hash) == ("far", {"a": 1}, frame.hash)
    np.testing.assert_array_equal(again.predict(frame), model.predict(frame))
    steps = frame.rows(np.zeros(30, dtype=np.int64))
    steps = replace(steps, X=steps.X.assign(a=np.linspace(0, 1, 30)))
    assert (np.diff(again.predict(steps)) >= 0).all()  # the workers kept the direction, too


def test_parts_are_one_table(client: Any) -> None:
    frame = table(levels=50)
    rows = np.arange(len(frame))
    parts = [frame.rows(rows[:700]), frame.rows(rows[700:])]
    whole = fit_gbm(frame, PLAIN).predict(frame)
    np.testing.assert_array_equal(fit_gbm(parts, PLAIN).predict(frame), whole)
    np.testing.assert_allclose(fit_gbm(parts, PLAIN, client).predict(frame), whole, rtol=0, atol=1e-9)
    with pytest.raises(ValueError, match="same features"):
        fit_gbm([frame, replace(frame, X=frame.X.rename(columns={"a": "z"}))], PLAIN)


def test_small_fits_stay_here_and_the_engine_is_put_back(
    client: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    used: list[int] = []
    original = ClusterTrainer.__call__

    def counted(self: ClusterTrainer, *args: Any) -> Any:
        booster = original(self, *args)
        used.append(self.fits)
        return booster

    monkeypatch.setattr(ClusterTrainer, "__call__", counted)
    frame = table(400)
    with on_cluster(client, least_rows=401):
        Gbm(parameters=PLAIN).fit(frame)
    with on_cluster(client, least_rows=400):
        Gbm(parameters=PLAIN).fit(frame)
    Gbm(parameters=PLAIN).fit(frame)
    assert used == [0, 1]
    with pytest.raises(ZeroDivisionError), on_cluster(client):
        raise ZeroDivisionError
    Gbm(parameters=PLAIN).fit(frame)
    assert used == [0, 1]
    assert capsys.readouterr().out == ""  # stdout is for data


def test_a_fleet_is_trained_by_the_cluster(
    client: Any,
    monkeypatch: pytest.MonkeyPatch,
    small_fleet: Telemetry,
    small_fleet_bundle: BaseStationBundle,
) -> None:
    """The whole of ``train`` with its two threads, and a model that is as good."""
    monkeypatch.setattr("training.fit.on_cluster", lambda one: on_cluster(one, least_rows=1500))
    fits: list[int] = []
    original = ClusterTrainer.__call__

    def counted(self: ClusterTrainer, *args: Any) -> Any:
        booster = original(self, *args)
        fits.append(self.fits)
        return booster

    monkeypatch.setattr(ClusterTrainer, "__call__", counted)
    there = fit_bundle(small_fleet, client=client)
    assert max(fits) > 0
    both = (small_fleet_bundle, there)
    told = [b.card.quantities["station_energy_rel"]["held_out"]["around"]["wmape"] for b in both]  # type: ignore[index]
    assert told[1] < 1.15 * told[0]
