"""What a large fleet teaches from: a stretch of every station, bounded in all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import training.base_station as family
from features.telemetry import Telemetry
from models.base_station import BaseStationBundle
from tests.base_station_fleet import fleet, telemetry
from training.sample_rows import bounded, measured_hours

Q = "station_energy_rel"


@pytest.fixture(scope="module")
def data() -> Telemetry:
    """Nine stations of ten days; one was metered for five hours only, one never."""
    frame = fleet(stations=9, days=10).frame
    meter = frame["unit_id"] == ""
    since = frame["timestamp"] >= frame["timestamp"].min() + pd.Timedelta(hours=5)
    gone = meter & ((frame["site_id"] == "S03") & since | (frame["site_id"] == "S04"))
    return telemetry(frame.assign(**{Q: frame[Q].mask(gone)}))


def kept(sample: Telemetry) -> pd.Series:
    return sample.frame[sample.frame[Q].notna()].groupby("site_id").size()


@settings(max_examples=30, deadline=None)
@given(st.integers(20, 2000), st.integers(0, 5))
def test_the_bound_holds_and_is_used(data: Telemetry, most: int, seed: int) -> None:
    sample = bounded(data, seed, most)
    total = measured_hours(data)
    hours = kept(sample)
    assert measured_hours(sample) <= most
    assert measured_hours(sample) >= min(most, total) - len(data.site_ids)  # rounding: an hour per station
    full = kept(data)
    quota = hours.max()
    assert all(hours[s] == min(full[s], quota) for s in full.index)  # the poor keep all, the rich share


def test_a_stretch_is_consecutive_and_has_its_loads_and_a_day_before(data: Telemetry) -> None:
    sample = bounded(data, 1, 400)
    for site in ("S00", "S08"):
        whole, part = data.site(site).frame, sample.site(site).frame
        stamps = part.loc[part[Q].notna(), "timestamp"]
        between = whole[whole[Q].notna() & whole["timestamp"].between(stamps.min(), stamps.max())]
        assert len(between) == len(stamps)  # no measured hour in between is left out
        cells = part[part["unit_id"] != ""]["timestamp"]
        first = max(stamps.min() - pd.Timedelta(days=1), whole["timestamp"].min())
        assert cells.min() == first
        assert cells.max() == min(stamps.max() + pd.Timedelta(hours=2), whole["timestamp"].max())


def test_stretches_lie_anywhere_and_follow_from_the_seed(data: Telemetry) -> None:
    first = bounded(data, 1, 400)
    pd.testing.assert_frame_equal(first.frame, bounded(data, 1, 400).frame)
    assert not first.frame.equals(bounded(data, 2, 400).frame)
    starts = first.frame[first.frame[Q].notna()].groupby("site_id")["timestamp"].min()
    assert starts.nunique() > 4


def test_a_small_fleet_is_taught_whole(data: Telemetry) -> None:
    assert bounded(data, 0, measured_hours(data)) is data


def test_a_station_without_energies_is_left_out(data: Telemetry) -> None:
    assert "S04" not in kept(bounded(data, 0, 300)).index


def test_every_station_keeps_an_hour_even_beyond_the_bound(data: Telemetry) -> None:
    assert (kept(bounded(data, 0, 1)) == 1).all()
    assert len(kept(bounded(data, 0, 1))) == 8


def test_the_card_says_how_much_taught(data: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(family, "bounded", lambda one, seed: bounded(one, seed, 700))
    fitted = family.fit(data)
    assert isinstance(fitted, BaseStationBundle)
    total = measured_hours(data)
    assert any(f"of {total} measured hours taught" in note for note in fitted.card.notes)
    assert fitted.card.quantities[Q]["measured_hours"] <= 700
    whole = fitted.predict(data, "estimate")[0][0]
    assert len(whole.point) == data.frame.groupby(["site_id", "timestamp"]).ngroups
    assert np.isfinite(whole.point).mean() > 0.99


def test_other_energies_count_too(data: Telemetry) -> None:
    watts = replace(data, frame=data.frame.rename(columns={Q: "station_power_w"}))
    assert measured_hours(watts) == measured_hours(data)
