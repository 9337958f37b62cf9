"""Modelled photovoltaic production: yield, noon, night."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from advisor.assets import Pv
from advisor.solar import clear_sky_w_m2, pv_per_kw

PLACE = {"latitude_deg": 23.1, "longitude_deg": 113.3, "source": "test"}


@pytest.mark.parametrize("minutes", [30, 60])
def test_a_year_yields_what_is_declared(minutes: int) -> None:
    stamps = pd.date_range("2025-01-01", "2026-01-01", freq=f"{minutes}min", inclusive="left", tz="UTC")
    shape = pv_per_kw(stamps, minutes / 60, Pv(kw_peak=5, yearly_yield_kwh_per_kw=1100, **PLACE))
    assert shape is not None
    assert shape.sum() * minutes / 60 == pytest.approx(1100, rel=1e-3)
    assert shape.min() == 0.0


def test_noon_follows_the_longitude_and_summer_the_latitude() -> None:
    day = pd.date_range("2025-06-21", periods=24, freq="h", tz="UTC")
    # solar noon at 113.3 degrees east is near 04:28 UTC, inside the hour that starts at 4
    assert int(np.argmax(clear_sky_w_m2(day, 1.0, 23.1, 113.3))) == 4
    assert int(np.argmax(clear_sky_w_m2(day, 1.0, 23.1, -113.3))) == 19
    north, south = clear_sky_w_m2(day, 1.0, 50.0, 0.0), clear_sky_w_m2(day, 1.0, -50.0, 0.0)
    assert north.sum() > 2 * south.sum()
    assert 950 < clear_sky_w_m2(day, 1.0, 23.1, 113.3).max() < 1100  # overhead sun, clear sky


def test_without_place_or_yield_nothing_is_modelled() -> None:
    day = pd.date_range("2025-06-21", periods=24, freq="h", tz="UTC")
    assert pv_per_kw(day, 1.0, Pv(kw_peak=5, yearly_yield_kwh_per_kw=1100, source="test")) is None
    assert pv_per_kw(day, 1.0, Pv(kw_peak=5, **PLACE)) is None
