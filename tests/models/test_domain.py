"""What counts as seen: ranges, categories, combinations; hits and false alarms on made-up seasons."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.frame import FeatureFrame
from models.domain import MARGIN, Domain

HOURS = 24 * 7 * 30


def make(seed: int = 0, hours: int = HOURS) -> FeatureFrame:
    """Thirty weeks: the zone set-point is high in warm hours only, load and weather go their own ways."""
    rng = np.random.default_rng(seed)
    t = np.arange(hours)
    dry = 15 + 8 * np.sin(2 * np.pi * t / 2000) + 4 * np.sin(2 * np.pi * t / 24) + rng.normal(0, 1, hours)
    zone = np.where(dry > 15, 26.0, 20.0) + rng.choice([-1.0, 0.0, 1.0], hours)
    X = pd.DataFrame(
        {
            "outdoor_dry_bulb_c": dry,
            "zone_set_point_c": zone,
            "it_power_kw": 100 + 10 * rng.random(hours),
            "hour": t % 24 + 0.0,
            "dry_bulb_day_mean_c": pd.Series(dry).rolling(24, min_periods=1).mean(),
        }
    )
    stamps = pd.date_range("2025-01-06", periods=hours, freq="h", tz="UTC")
    keys = pd.DataFrame({"site_id": "s", "unit_id": "", "timestamp": stamps})
    return FeatureFrame(keys, X, "facility_power_kw", pd.Series(np.ones(hours)))


def ask(frame: FeatureFrame, **values: float) -> FeatureFrame:
    first = frame.rows(np.arange(len(frame)) < 1)
    return replace(first, X=first.X.assign(**values))


FRAME = make()
DOMAIN = Domain.learn(FRAME)


def test_what_was_seen_is_inside() -> None:
    assert DOMAIN.contains(FRAME).all()


@pytest.mark.parametrize("name", ["outdoor_dry_bulb_c", "zone_set_point_c", "it_power_kw"])
@pytest.mark.parametrize("top", [True, False])
def test_every_value_a_tenth_beyond_its_range_is_outside(name: str, top: bool) -> None:
    values = FRAME.X[name]
    span = values.max() - values.min()
    at = values.idxmax() if top else values.idxmin()
    edge = FRAME.rows(np.arange(len(FRAME)) == at)  # a row that is ordinary but for this value
    for share, inside in ((MARGIN / 2, True), (0.101, False), (0.5, False)):
        far = edge.X[name] + (share if top else -share) * span
        assert DOMAIN.contains(replace(edge, X=edge.X.assign(**{name: far})))[0] == inside


def test_a_pair_never_seen_together_is_outside() -> None:
    """Cold and a high set-point: each alone is ordinary."""
    cold, warm = 4.0, 26.0
    for dry, zone, inside in (
        (cold, 20.0, True),
        (warm, 26.0, True),
        (cold, 26.0, False),
        (warm, 20.0, False),
    ):
        row = ask(FRAME, outdoor_dry_bulb_c=dry, zone_set_point_c=zone, it_power_kw=105.0)
        assert DOMAIN.contains(row)[0] == inside, (dry, zone)
    assert any(set(p.names) == {"outdoor_dry_bulb_c", "zone_set_point_c"} for p in DOMAIN.pairs)


def test_withheld_weeks_of_the_same_plant_raise_few_alarms() -> None:
    week = np.arange(HOURS) // 168
    out = week % 4 == 2
    alarms = ~Domain.learn(FRAME.rows(~out)).contains(FRAME.rows(out))
    assert alarms.mean() <= 0.02
    assert (~DOMAIN.contains(make(seed=1))).mean() <= 0.02  # another draw of the same plant


def test_calendar_and_running_means_do_not_fire() -> None:
    row = ask(FRAME, hour=99.0, dry_bulb_day_mean_c=999.0)
    assert DOMAIN.contains(row)[0]


def test_a_shift_of_the_targets_own_past_does_not_fire() -> None:
    frame = replace(FRAME, X=FRAME.X.assign(target_week_mean=10.0))
    assert Domain.learn(frame).contains(ask(frame, target_week_mean=1e6))[0]


def test_an_unknown_input_is_not_a_new_combination_but_an_unknown_load_is_outside() -> None:
    assert DOMAIN.contains(ask(FRAME, outdoor_dry_bulb_c=np.nan))[0]
    assert not DOMAIN.contains(ask(FRAME, it_power_kw=np.nan))[0]


def test_a_category_never_seen_is_outside() -> None:
    labels = ["T1", "T2", "T3"]
    X = FRAME.X.assign(ru_type=np.arange(HOURS) % 2 + 0.0)
    frame = replace(FRAME, X=X, categories={"ru_type": labels})
    domain = Domain.learn(frame, categories=("ru_type",))
    assert domain.categories == {"ru_type": ["T1", "T2"]}
    for code, inside in ((0.0, True), (1.0, True), (2.0, False), (np.nan, False)):
        assert domain.contains(ask(frame, ru_type=code))[0] == inside
    # codes are positions: another export may order the labels differently
    moved = replace(ask(frame, ru_type=0.0), categories={"ru_type": ["T3", "T1", "T2"]})
    assert not domain.contains(moved)[0]


def test_inputs_and_combinations_can_be_named() -> None:
    domain = Domain.learn(FRAME, inputs=["hour"], combined=[])
    assert list(domain.low) == ["hour"]
    assert domain.pairs == ()
    assert not domain.contains(ask(FRAME, hour=99.0))[0]


def test_round_trip_as_json() -> None:
    again = Domain.from_dict(json.loads(json.dumps(DOMAIN.to_dict(), allow_nan=False)))
    assert again == DOMAIN
    asked = make(seed=2)
    asked = replace(asked, X=asked.X.assign(zone_set_point_c=asked.X["zone_set_point_c"].to_numpy()[::-1]))
    assert (again.contains(asked) == DOMAIN.contains(asked)).all()
    assert (~DOMAIN.contains(asked)).any()


def test_few_rows_judge_ranges_only() -> None:
    assert Domain.learn(make(hours=150)).pairs == ()
