"""A fleet in pieces is answered as the whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.telemetry import Telemetry
from models import base_station
from models.base_station import BaseStationBundle
from models.station_chunks import some_stations, station_chunks
from tests.base_station_fleet import fleet


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 2000))
def test_pieces_are_whole_stations_in_order(rows: int) -> None:
    data = fleet(stations=6, days=2)
    pieces = list(station_chunks(data, rows))
    pd.testing.assert_frame_equal(pd.concat([p.frame for p in pieces], ignore_index=True), data.frame)
    sites = [s for p in pieces for s in p.site_ids]
    assert sites == data.site_ids  # none is cut in two
    largest = data.frame.groupby("site_id").size().max()
    assert max(len(p.frame) for p in pieces) <= max(rows, largest)


def test_stations_without_loads_stay_with_others() -> None:
    data = fleet(stations=6, days=2)
    for silent in (["S00"], ["S05"], ["S02", "S03"], ["S04", "S05"]):
        mask = data.frame["site_id"].isin(silent)
        quiet = replace(
            data, frame=data.frame.assign(prb_utilisation=data.frame["prb_utilisation"].mask(mask))
        )
        pieces = list(station_chunks(quiet, 1))
        assert all(p.has("prb_utilisation") for p in pieces)
        assert [s for p in pieces for s in p.site_ids] == data.site_ids


def test_a_small_fleet_is_one_piece() -> None:
    data = fleet(stations=3, days=1)
    assert next(station_chunks(data)) is data
    assert some_stations(data) is data


def test_some_stations_are_spread_over_the_list() -> None:
    data = fleet(stations=12, days=1)
    some = some_stations(data, len(data.frame) // 4)
    assert some.site_ids == data.site_ids[::5] or some.site_ids == data.site_ids[::4]
    for site in some.site_ids:
        pd.testing.assert_frame_equal(some.site(site).frame, data.site(site).frame)


@pytest.mark.parametrize("task", ["estimate", "forecast"])
def test_predictions_and_findings_do_not_depend_on_the_pieces(
    small_fleet_bundle: BaseStationBundle, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = doubtful(fleet(stations=12, days=3, seed=8))
    whole, said = small_fleet_bundle.predict(data, task)  # type: ignore[arg-type]
    assert {i.code for i in said} >= {
        "D-STATION-ENERGY-ZERO", "D-STATION-NO-LOAD", "D-STATION-UNSEEN", "D-STATION-DOMAIN",
    }  # fmt: skip
    pieces: list[int] = []

    def small(telemetry: Telemetry) -> object:
        for piece in station_chunks(telemetry, 300):
            pieces.append(len(piece.frame))
            yield piece

    monkeypatch.setattr(base_station, "station_chunks", small)
    parts, told = small_fleet_bundle.predict(data, task)  # type: ignore[arg-type]
    assert len(pieces) > 4
    # sums over other shapes may differ in their last bits
    pd.testing.assert_frame_equal(parts[0].to_frame(), whole[0].to_frame(), rtol=1e-12)
    assert told == said


def doubtful(data: Telemetry) -> Telemetry:
    """Return the fleet with a broken meter, hours without load, and a product nobody knows."""
    frame = data.frame.copy()
    energy = np.flatnonzero(frame["station_energy_rel"].notna())
    frame.loc[energy[::50], "station_energy_rel"] = 0.0
    loads = np.flatnonzero(frame["prb_utilisation"].notna())
    frame.loc[loads[::40], "prb_utilisation"] = np.nan
    frame.loc[(frame["site_id"] == "S07") & (frame["unit_id"] != ""), "ru_type"] = "NEW"
    return replace(data, frame=frame)
