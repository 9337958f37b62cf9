"""IT power from work, response and what the room betrays."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.frame import FeatureFrame
from models.gbm import Gbm, GbmParameters
from models.it_load import ItLoad
from models.learners import from_parts, to_parts

SMALL = GbmParameters(rounds=60)
ROWS = 168 * 26
PER_KELVIN = 0.012
"""Response of the servers to the air set-point [1/K]."""


def make(seed: int = 0) -> FeatureFrame:
    """Work by the hour of the week, growing; the room warms with the load, the inlet with the set-point."""
    rng = np.random.default_rng(seed)
    hour = np.arange(ROWS)
    zone = (18.0 + 0.5 * rng.integers(0, 17, ROWS // 24 + 1))[hour // 24]
    noise = np.zeros(ROWS)
    for i in range(1, ROWS):
        noise[i] = 0.9 * noise[i - 1] + rng.normal(0, 0.008)
    dry = 12 + 9 * np.sin(2 * np.pi * hour / 8760) + rng.normal(0, 3, ROWS)
    work = np.log(100) + 0.1 * np.cos(2 * np.pi * (hour - 15) / 24) + 0.1 * hour / ROWS + noise
    it = np.exp(work + PER_KELVIN * (zone - 22.0))
    X = pd.DataFrame(
        {
            "outdoor_dry_bulb_c": dry,
            "zone_set_point_c": zone,
            "supply_air_temp_c": zone - 0.5 + rng.normal(0, 0.02, ROWS),
            "room_air_temp_c": zone + 8.0 + 0.1 * np.exp(work) / 10 + rng.normal(0, 0.1, ROWS),
            "hour": hour % 24 + 0.0,
            "day_of_week": (hour // 24 % 7).astype(np.float64),
            "weekend": (hour // 24 % 7 >= 5).astype(np.float64),
        }
    )
    stamps = pd.date_range("2025-01-06", periods=ROWS, freq="h", tz="UTC")
    keys = pd.DataFrame({"site_id": "s", "unit_id": "", "timestamp": stamps})
    return FeatureFrame(keys, X, "it_power_kw", pd.Series(it))


@pytest.fixture(scope="module")
def site() -> tuple[FeatureFrame, FeatureFrame, ItLoad]:
    frame = make()
    week = np.arange(ROWS) // 168
    train, test = frame.rows(week % 4 != 1), frame.rows(week % 4 == 1)
    return train, test, ItLoad(parameters=SMALL).fit(train)


def moved(frame: FeatureFrame, *names: str) -> FeatureFrame:
    return replace(frame, X=frame.X.assign(**{n: frame.X[n] + 1.0 for n in names}))


def test_no_worse_than_trees(site: tuple[FeatureFrame, FeatureFrame, ItLoad]) -> None:
    train, test, ours = site
    trees = Gbm("trees").fit(train)
    errors = [float(np.abs(m.predict(test) - test.target()).mean()) for m in (ours, trees)]
    assert errors[0] < errors[1]


@pytest.mark.parametrize(
    "names",
    [("zone_set_point_c", "supply_air_temp_c", "room_air_temp_c"), ("zone_set_point_c", "supply_air_temp_c")],
)
def test_a_moved_set_point_is_answered_as_servers_do(
    site: tuple[FeatureFrame, FeatureFrame, ItLoad], names: tuple[str, ...]
) -> None:
    """Also where the room is left behind, which no plant does: then the room is not believed."""
    _, test, ours = site
    inner = test.rows((test.X["zone_set_point_c"] < 25.5).to_numpy())
    rise = float((ours.predict(moved(inner, *names)) / ours.predict(inner)).mean() - 1.0)
    assert rise == pytest.approx(PER_KELVIN, rel=0.3)


def test_a_missing_set_point_or_room_still_gives_an_estimate(
    site: tuple[FeatureFrame, FeatureFrame, ItLoad],
) -> None:
    _, test, ours = site
    for name in ("zone_set_point_c", "room_air_temp_c"):
        gap = replace(test, X=test.X.assign(**{name: np.nan}))
        assert float(np.abs(ours.predict(gap) / test.target() - 1).mean()) < 0.1


def test_a_gap_in_time_and_a_few_days_only(site: tuple[FeatureFrame, FeatureFrame, ItLoad]) -> None:
    """Below four weeks no response is claimed."""
    train, test, _ = site
    few = ItLoad(parameters=SMALL).fit(train.rows(np.arange(len(train)) < 24 * 10))
    assert few.response is None
    assert np.isfinite(few.predict(test)).all()


def test_two_sites_teach_one_response(site: tuple[FeatureFrame, FeatureFrame, ItLoad]) -> None:
    """The same site under two names: no step of one is the neighbour of a step of the other."""
    train, test, ours = site
    keys = pd.concat([train.keys, train.keys.assign(site_id="t")], ignore_index=True)
    X, y = (pd.concat([part, part], ignore_index=True) for part in (train.X, train.y))
    both = ItLoad(parameters=SMALL).fit(replace(train, keys=keys, X=X, y=y))
    inner = test.rows((test.X["zone_set_point_c"] < 25.5).to_numpy())
    rises = [
        float(np.mean(m._effect(moved(inner, "zone_set_point_c")) - m._effect(inner))) for m in (both, ours)
    ]
    assert rises[0] == pytest.approx(rises[1], rel=0.1)


def test_drift_stays_at_its_last_value(site: tuple[FeatureFrame, FeatureFrame, ItLoad]) -> None:
    _, test, ours = site
    last = test.rows(np.arange(len(test)) >= len(test) - 168)
    later = [
        replace(last, keys=last.keys.assign(timestamp=last.keys["timestamp"] + pd.Timedelta(weeks=k)))
        for k in (26, 520)
    ]
    assert ours.predict(later[0]) == pytest.approx(ours.predict(later[1]))


def test_round_trip_through_the_registry(site: tuple[FeatureFrame, FeatureFrame, ItLoad]) -> None:
    _, test, ours = site
    texts: dict[str, str] = {}
    about = json.loads(json.dumps(to_parts(ours, "m.txt", texts), allow_nan=False, sort_keys=True))
    again = from_parts(about, "m.txt", texts)
    assert again.predict(test) == pytest.approx(ours.predict(test), rel=1e-7)


def test_where_it_fits() -> None:
    columns = ("outdoor_dry_bulb_c", "zone_set_point_c")
    assert ItLoad.fits("it_power_kw", columns)
    assert not ItLoad.fits("facility_power_kw", columns)
    assert not ItLoad.fits("it_power_kw", columns[:1])
    assert not ItLoad.fits("it_power_kw", (*columns, "cpu_utilisation"))
