"""Models of base stations that know no more than a station's usual energy are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InsufficientDataError
from features.telemetry import Telemetry
from models.base_station import BaseStationBundle
from training.base_station import fit
from training.station_gate import LEAST_HOURS, judge_stations, other_hours_median

ENERGY = "station_energy_rel"


def shuffled(telemetry: Telemetry, *, within: bool) -> Telemetry:
    """Return the telemetry with measured energies in another order: of all hours, or per station."""
    rng = np.random.default_rng(1)
    energy = telemetry.frame[ENERGY]
    measured = energy.notna()
    group = telemetry.frame["site_id"] if within else pd.Series("all", index=energy.index)
    mixed = energy[measured].groupby(group[measured]).transform(lambda e: rng.permutation(e.to_numpy()))
    return replace(telemetry, frame=telemetry.frame.assign(**{ENERGY: energy.where(~measured, mixed)}))


@pytest.mark.parametrize("within", [False, True])
def test_shuffled_energies_are_refused(small_fleet: Telemetry, within: bool) -> None:
    with pytest.raises(InsufficientDataError) as caught:
        fit(shuffled(small_fleet, within=within))
    assert caught.value.code == "E-TRAIN-GATE"
    assert ENERGY in caught.value.what


def test_genuine_energies_are_stored_with_what_the_gate_saw(small_fleet_bundle: BaseStationBundle) -> None:
    """Of the fleet whose shuffled energies are refused."""
    card = small_fleet_bundle.card
    gate = card.quantities[ENERGY]["gate"]
    assert gate["stored"] == "model"  # type: ignore[index]
    assert gate["skill_metered"] > 0.5  # type: ignore[index]
    assert any("usual energy" in note for note in card.notes)


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-5, 5)), min_size=1, max_size=60))
def test_the_median_leaves_its_own_hour_out(rows: list[tuple[int, float]]) -> None:
    station = np.array([s for s, _ in rows])
    energy = np.array([e for _, e in rows])
    found = other_hours_median(energy, station)
    for i, s in enumerate(station):
        others = np.delete(energy, i)[np.delete(station, i) == s]
        expected = np.median(others) if len(others) + 1 >= LEAST_HOURS else np.nan
        assert found[i] == pytest.approx(expected, nan_ok=True)


def test_unmetered_stations_are_judged_by_what_is_new() -> None:
    rng = np.random.default_rng(2)
    level = np.exp(rng.normal(0, 1, 30))
    station = pd.Series(np.repeat([f"S{i}" for i in range(30)], 4))
    energy = np.repeat(level, 4) * np.exp(0.1 * rng.normal(0, 1, 120))
    good = judge_stations(energy, np.repeat(level, 4), station, {})
    assert good.stored
    assert not np.isfinite(good.skill_metered)
    bad = judge_stations(energy, np.repeat(rng.permutation(level), 4), station, {})
    assert not bad.stored
