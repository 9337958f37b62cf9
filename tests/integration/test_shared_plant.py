"""Advice on exports of an independent plant: the direction that its own optimum has."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from advisor.advise import advise
from advisor.plan import Advice
from advisor.site import LeverRange, Limits, Site
from features.reading import read_paths
from training.fit import fit_bundle

EXPORTS = Path(__file__).resolve().parents[3] / "shared" / "plant" / "exports"
ZONE, WATER = "zone_set_point_c", "chilled_water_set_point_c"
NY = Site(
    id="plant",
    time_zone="-05:00",
    current={ZONE: 24.0, WATER: 7.0},
    levers={ZONE: LeverRange(lower=18, upper=27), WATER: LeverRange(lower=6, upper=15)},
    limits=Limits(server_inlet_temp_c_max=27.0),
)


def advice_on(name: str, zone: str) -> Advice:
    path = EXPORTS / f"{name}.csv"
    if not path.is_file():
        pytest.skip("the folder 'shared' with exports of the independent plant is not beside the repository")
    telemetry, _ = read_paths([path], zone=zone)
    # advice rests on the what-if models; of the others the quickest will do
    return advise(telemetry, fit_bundle(telemetry, target="it_power_kw"), (), NY)


@pytest.mark.parametrize(("name", "direction"), [("low_fan_NY", 1), ("two_zone_NY", -1)])
def test_direction_of_the_zone_set_point(name: str, direction: int) -> None:
    advice = advice_on(name, "-05:00")
    table = advice.plan_table[advice.plan_table["lever"] == ZONE]
    assert advice.verified[0].verdict == "supported"
    assert direction * (table["recommended"].mean() - 24.0) >= 1.0
    assert (direction * (table["recommended"] - 24.0) >= 0).all()
    assert advice.saving.energy_pct is not None
    assert advice.saving.energy_pct.lower > 0


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("chilled_water_NY_reset", "-05:00"),
        ("chilled_water_Granada_fixed", "+01:00"),
    ],
)
def test_confounded_or_fixed_operation_is_held(name: str, zone: str) -> None:
    advice = advice_on(name, zone)
    assert advice.verified[0].verdict == "hold"
    assert (advice.plan_table["recommended"] == advice.plan_table["current"]).all()
    assert advice.saving.energy_pct is not None
    assert advice.saving.energy_pct.upper == 0.0
    needle = "never moved" if name.endswith("fixed") else "cannot be told"
    assert sum(needle in r for r in advice.recommendations[0].reasons) == 2
    assert len(advice.plan_table) == 2 * 8760
    assert isinstance(advice.plan_table["timestamp"].dtype, pd.DatetimeTZDtype)
