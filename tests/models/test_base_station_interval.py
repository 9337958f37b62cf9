"""Intervals of stations: groups, their stand-ins, scale, products."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.errors import InsufficientDataError, ModelError
from features.frame import FeatureFrame
from models.metrics import interval_score
from models.station_interval import (
    NEW_PRODUCT,
    Band,
    HeldOutHours,
    StationIntervals,
    calibrate_hours,
    interval_group,
    product_band,
    quantiles,
    swapped_bounds,
    wider_groups,
)
from training.station_proof import calibrate

Q = "station_energy_rel"


def held(
    stations: int = 60, hours: int = 50, *, group: str = "prior", uneven: bool = False, seed: int = 0
) -> HeldOutHours:
    """Return rows around 10 with errors of 10 %, or of 2 % and 20 % as feature ``a`` says."""
    rng = np.random.default_rng(seed)
    n = stations * hours
    a = rng.integers(0, 2, n).astype(np.float64)
    spread = np.where(a > 0, 0.2, 0.02) if uneven else np.full(n, 0.1)
    keys = pd.DataFrame(
        {
            "site_id": np.repeat([f"S{i}" for i in range(stations)], hours),
            "unit_id": "",
            "timestamp": pd.Timestamp("2025-01-01", tz="UTC"),
        }
    )
    table = FeatureFrame(keys, pd.DataFrame({"a": a, "b": rng.random(n)}), Q)
    truth = 10 * np.exp(spread * rng.standard_normal(n))
    return HeldOutHours(table, truth, np.full(n, 10.0), np.full(n, group))


def test_bounds_are_the_quantiles_of_the_logarithm() -> None:
    residual = np.log(np.linspace(0.5, 1.5, 1001))
    low, high = quantiles(residual, 0.9, blocks=10**9)
    assert np.exp(low) == pytest.approx(0.55, abs=0.002)
    assert np.exp(high) == pytest.approx(1.45, abs=0.002)
    # with nine stations one of them is worth a tenth: the extremes are taken
    assert quantiles(residual, 0.9, blocks=9) == (pytest.approx(np.log(0.5)), pytest.approx(np.log(1.5)))


def test_large_errors_get_wide_intervals_and_all_cover() -> None:
    part, fresh = held(uneven=True), held(uneven=True, seed=1)
    intervals, evidence = calibrate([part], seed=0)
    low, high = intervals.bounds(fresh.table, fresh.point, fresh.group, np.ones(len(fresh.point)))
    inside = (fresh.truth >= low) & (fresh.truth <= high)
    a = fresh.table.X["a"].to_numpy() > 0
    for rows in (a, ~a):
        assert inside[rows].mean() == pytest.approx(0.915, abs=0.055)  # the learned sizes are shrunk
    assert (high - low)[a].mean() > 4 * (high - low)[~a].mean()
    assert (low > 0).all()
    assert evidence["prior"]["coverage"] == pytest.approx(0.915, abs=0.03)
    # the scale is worth its place: one size for all scores worse
    one = quantiles(part.residual, 0.9, 60)
    flat = interval_score(fresh.truth, fresh.point * np.exp(one[0]), fresh.point * np.exp(one[1]), 0.9)
    assert interval_score(fresh.truth, low, high, 0.9) < 0.8 * flat


def test_stored_intervals_say_the_same() -> None:
    part = held(uneven=True)
    intervals, _ = calibrate([part], seed=0)
    again = StationIntervals.from_dict(intervals.to_dict())
    wide = np.full(len(part.point), 1.5)
    for a, b in zip(
        intervals.bounds(part.table, part.point, part.group, wide),
        again.bounds(part.table, part.point, part.group, wide),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_groups_name_how_a_row_was_answered() -> None:
    group = interval_group(
        np.array(["around", "past", "forecast", "past", "forecast", "past"]),
        np.array([50.0, 3, 9, 0, 0, 40]),
        np.array([False, True, False, True, False, False]),
        np.array([False, True, True, True, False, True]),
    )
    assert group.tolist() == [
        "around", "past elsewhere n2 filled", "forecast elsewhere n8", "prior filled", "blind",
        "past elsewhere",
    ]  # fmt: skip


def test_a_group_that_was_not_calibrated_has_the_nearest_stand_in() -> None:
    assert wider_groups("past elsewhere n4 filled")[:4] == [
        "past elsewhere n4 filled", "past elsewhere n4", "past elsewhere", "past n4",
    ]  # fmt: skip
    assert wider_groups("around n16")[:3] == ["around n16", "around", "around elsewhere n16"]
    assert wider_groups("around n16")[-1] == "prior"
    book = StationIntervals(0.9, {"past elsewhere": Band(-1, 1, 9), "prior": Band(-2, 2, 9)})
    assert book.known_group("past n4") == "past elsewhere"
    assert book.known_group("around") == "prior"
    with pytest.raises(ModelError) as caught:
        StationIntervals(0.9).known_group("past")
    assert caught.value.code == "E-MODEL-INTERVAL"


def test_coverage_is_measured_on_the_other_half_of_the_stations() -> None:
    part = held(stations=40)
    odd = np.isin(part.station, [f"S{i}" for i in range(0, 40, 2)])
    # half of the stations err four times as much: no half can be calibrated by itself alone
    mixed = HeldOutHours(part.table, np.where(odd, part.truth, 10.0), part.point, part.group)
    bands, _, evidence = calibrate_hours(mixed, 0.9, seed=0)
    assert bands["prior"].n == 2000
    assert evidence["prior"]["stations"] == 40
    assert 0.8 < evidence["prior"]["coverage"] < 1.0
    assert (
        evidence["prior"]["coverage_low"] < evidence["prior"]["coverage"] < evidence["prior"]["coverage_high"]
    )


def test_too_few_stations_cannot_be_calibrated() -> None:
    with pytest.raises(InsufficientDataError) as caught:
        calibrate([held(stations=1, hours=500)], seed=0)
    assert caught.value.code == "E-STATION-CALIBRATION"


def test_every_product_counts_once_in_the_band_of_a_new_one() -> None:
    rng = np.random.default_rng(0)
    level = {"A": 0.0, "B": 0.3, "C": -0.3, "D": 0.1}
    rows = {"A": 9000, "B": 100, "C": 100, "D": 100}
    code = np.concatenate([np.full(rows[k], k) for k in level])
    residual = np.concatenate([level[k] + 0.01 * rng.standard_normal(rows[k]) for k in level])
    band = product_band(residual, code, 0.9)
    assert band is not None
    # A's rows are 97 % of all, and yet the spread between the four is what counts
    assert band.high > 0.3
    assert band.low < -0.3
    # one of four products more: the spread of a draw around a mean of four
    assert band.high / 0.3 == pytest.approx(np.sqrt(1.25), abs=0.08)
    assert product_band(residual[code == "A"], code[code == "A"], 0.9) is None


def test_a_baseline_gets_the_same_layer() -> None:
    part = held(uneven=True)
    low, high = swapped_bounds(part, 0.9, seed=0)
    assert ((part.truth >= low) & (part.truth <= high)).mean() == pytest.approx(0.915, abs=0.03)
    lonely = held(stations=1)
    assert np.isnan(swapped_bounds(lonely, 0.9, seed=0)[0]).all()


def test_the_new_product_is_a_group_of_its_own() -> None:
    assert wider_groups(NEW_PRODUCT)[0] == NEW_PRODUCT
