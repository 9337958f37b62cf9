"""The gate: what has no skill is refused, what a baseline beats is replaced by it, the rest is stored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import InsufficientDataError
from features.frame import FloatArray
from features.telemetry import Telemetry, TimeZone
from models.bundle import load_bundle, save_bundle
from models.data_centre import DataCentreBundle
from models.fallback import Fallback
from training import gate
from training.fit import fit_bundle

TARGET = "facility_power_kw"
N = 24 * 60
STAMPS = pd.Series(pd.date_range("2025-03-01", periods=N, freq="h", tz="UTC"))
RNG = np.random.default_rng(3)
TRUTH: FloatArray = 100 + 10 * np.sin(np.arange(N) / 24) + RNG.normal(0, 1, N)
MEAN = np.full(N, 100.0)


def shuffled(telemetry: Telemetry, column: str, seed: int) -> Telemetry:
    frame = telemetry.frame.copy()
    rows = np.flatnonzero(frame[column].notna())
    values = frame[column].to_numpy(copy=True)
    values[rows] = values[np.random.default_rng(seed).permutation(rows)]
    return replace(telemetry, frame=frame.assign(**{column: values}))


# -- the verdict ---------------------------------------------------------------------------------
def test_a_better_model_is_stored() -> None:
    verdict = gate.judge(
        TRUTH, TRUTH + 0.1, {"site mean": MEAN, "linear": TRUTH + RNG.normal(0, 1, N)}, STAMPS
    )
    assert (verdict.stored, verdict.tier, verdict.rival) == ("model", "full", "linear")
    # |0.1| against the mean distance from 100
    assert verdict.skill.share == pytest.approx(1 - 0.1 / np.abs(TRUTH - 100).mean())
    assert verdict.skill.lower <= verdict.skill.share <= verdict.skill.upper


def test_a_model_that_loses_gives_way_to_the_baseline() -> None:
    others = {"site mean": MEAN, "same hour yesterday": TRUTH + 0.5, "same hour last week": TRUTH + 3.0}
    verdict = gate.judge(TRUTH, TRUTH + 1.0, others, STAMPS)
    assert (verdict.stored, verdict.name, verdict.tier) == ("baseline", "same hour yesterday", "fallback")
    assert verdict.lead.share == pytest.approx(-1.0)  # errs twice as much
    assert "same hour yesterday" in verdict.reason


def test_a_small_loss_within_the_noise_counts_as_level() -> None:
    """Errors of equal size in another order: the bootstrap cannot tell them apart."""
    error = RNG.normal(0, 1, N)
    others = {"site mean": MEAN, "linear": TRUTH + error}
    level = gate.judge(TRUTH, TRUTH + 1.005 * np.roll(error, 24 * 7), others, STAMPS)
    assert level.lead.share == pytest.approx(-0.005)
    assert level.lead.lower < 0 < level.lead.upper
    assert level.stored == "model"
    large = gate.judge(TRUTH, TRUTH + 1.03 * np.roll(error, 24 * 7), others, STAMPS)
    assert (large.stored, large.name, large.tier) == ("baseline", "linear", "full")
    certain = gate.judge(TRUTH, TRUTH + 1.005 * error, others, STAMPS)
    assert certain.lead.upper < 0
    assert certain.stored == "baseline"


def test_no_skill_anywhere_stores_nothing() -> None:
    noise = 100 + RNG.normal(0, 5, N)
    verdict = gate.judge(noise, MEAN + 0.1, {"site mean": MEAN, "linear": MEAN - 0.1}, STAMPS)
    assert verdict.stored == "nothing"
    assert verdict.skill.share < gate.LEAST_SKILL


def test_one_lucky_day_is_not_skill() -> None:
    """All the gain lies in two of sixty days: the share is large enough, its lower bound is not."""
    truth, ours = MEAN + 1.0, MEAN + RNG.normal(0, 0.02, N)
    lucky = slice(24 * 30, 24 * 32)
    truth[lucky] += 40
    ours[lucky] += 30
    verdict = gate.judge(truth, ours, {"site mean": MEAN, "linear": MEAN}, STAMPS)
    assert verdict.skill.share > gate.LEAST_SKILL
    assert verdict.skill.lower <= 0.005
    assert verdict.stored == "nothing"


def test_the_ratio_of_pue_counts_as_naive() -> None:
    it = 80 + 20 * np.sin(np.arange(N) / 7)
    ratio = 130 / it
    pue = ratio + RNG.normal(0, 0.01, N)
    verdict = gate.judge(pue, ratio, {"site mean": np.full(N, pue.mean()), gate.RATIO: ratio}, STAMPS)
    assert verdict.stored == "nothing"


def test_nothing_to_compare_is_said() -> None:
    with pytest.raises(InsufficientDataError) as caught:
        gate.judge(TRUTH, np.full(N, np.nan), {"site mean": MEAN}, STAMPS)
    assert caught.value.code == "E-GATE-ROWS"


@pytest.fixture(scope="module")
def dc_weeks(dc_summer: Telemetry) -> Telemetry:
    """Six weeks: enough for every model of its own to pass the gate."""
    return dc_summer.between(dc_summer.span[0], dc_summer.span[0] + pd.Timedelta(weeks=6))


# -- training ------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", [0, 1])
def test_shuffled_labels_are_refused(dc_weeks: Telemetry, seed: int) -> None:
    with pytest.raises(InsufficientDataError) as caught:
        fit_bundle(shuffled(dc_weeks, TARGET, seed), target=TARGET)
    assert caught.value.code == "E-TRAIN-GATE"
    assert caught.value.exit_code == 3
    assert TARGET in caught.value.what


def test_only_what_was_shuffled_is_refused(dc_weeks: Telemetry) -> None:
    bundle = fit_bundle(shuffled(dc_weeks, TARGET, 2))
    assert isinstance(bundle, DataCentreBundle)
    stored = set(bundle.card.quantities)
    assert {"it_power_kw-forecast", "cooling_power_kw-estimate"} <= stored
    assert not {n for n in stored if n.startswith((TARGET, "pue"))}  # PUE is a quotient of it
    assert any(TARGET in note for note in bundle.card.notes)


@pytest.fixture(scope="module")
def yesterday() -> tuple[Telemetry, DataCentreBundle]:
    """An export on which yesterday wins, and what is stored of it."""
    telemetry = yesterday_wins()
    bundle = fit_bundle(telemetry, target=TARGET)
    assert isinstance(bundle, DataCentreBundle)
    return telemetry, bundle


def yesterday_wins() -> Telemetry:
    """Until the last sixth every day mirrors the one before, then every day repeats it."""
    days, hour = 90, np.arange(24)
    rng = np.random.default_rng(5)
    shape = 20 * np.sin(2 * np.pi * hour / 24)
    turn = int(0.83 * days)
    level = np.where(np.arange(days) % 2 == 0, 30.0, -30.0)
    level[turn:] = 30.0 + np.cumsum(rng.normal(0, 3, days - turn))
    power = (300 + level[:, None] + shape).ravel() + rng.normal(0, 1.5, 24 * days)
    frame = pd.DataFrame(
        {
            "site_id": "swap", "unit_id": "",
            "timestamp": pd.date_range("2025-01-06", periods=24 * days, freq="h", tz="UTC"),
            TARGET: power,
            "outdoor_dry_bulb_c": 10 + 5 * np.sin(2 * np.pi * np.arange(24 * days) / 24),
        }
    )  # fmt: skip
    return Telemetry(frame, pd.Timedelta("1h"), "data-centre", TimeZone("UTC", assumed=False))


def test_a_forecast_that_yesterday_beats_is_a_fallback(
    yesterday: tuple[Telemetry, DataCentreBundle], tmp_path: Path
) -> None:
    telemetry, bundle = yesterday
    card = save_bundle(bundle, tmp_path / "m")
    about = card.quantities[f"{TARGET}-forecast"]
    assert (about["tier"], about["model"]) == ("fallback", "same hour yesterday")
    assert about["gate"]["not_stored"]["mae"] > about["held_out"]["ours"]["mae"]  # type: ignore[index]
    assert any("is not stored" in note for note in card.notes)
    loaded = load_bundle(tmp_path / "m")
    prediction = loaded.predict(telemetry, "forecast")[0][0]
    assert set(prediction.tier) == {"fallback"}
    measured = telemetry.frame[TARGET].to_numpy()
    assert np.array_equal(prediction.point[24 : len(measured)], measured[:-24])
    assert np.array_equal(prediction.point[-24:], measured[-24:])  # tomorrow
    width = prediction.upper[48:] - prediction.lower[48:]
    assert (width > 0).all()


def test_a_fallback_asks_the_other_past_value_where_its_own_is_missing(
    yesterday: tuple[Telemetry, DataCentreBundle],
) -> None:
    telemetry, bundle = yesterday
    assert isinstance(bundle.sites["swap"].quantities[f"{TARGET}-forecast"].model, Fallback)
    frame = telemetry.frame.copy()
    frame.loc[len(frame) - 24, TARGET] = np.nan
    holed = replace(telemetry, frame=frame)
    prediction = bundle.predict(holed, "forecast")[0][0]
    assert prediction.point[-24] == frame[TARGET].iloc[len(frame) - 24 * 7]
