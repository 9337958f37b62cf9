from __future__ import annotations

import time

import numpy as np
import psychrolib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.psychrometrics import (
    dew_point,
    enthalpy,
    humidity_ratio,
    relative_humidity,
    saturation_pressure,
    standard_pressure,
    wet_bulb,
)

DRY = st.floats(-40.0, 55.0)
RH = st.floats(1.0, 100.0)
PRESSURE = st.floats(60.0, 108.0)


@pytest.fixture(scope="module", autouse=True)
def si_units():
    psychrolib.SetUnitSystem(psychrolib.SI)


@settings(max_examples=200, deadline=None)
@given(DRY, RH, PRESSURE)
def test_equals_psychrolib(dry, rh, pressure):
    pascal = pressure * 1000.0
    ratio = psychrolib.GetHumRatioFromRelHum(dry, rh / 100, pascal)
    assert saturation_pressure(dry) * 1000 == pytest.approx(psychrolib.GetSatVapPres(dry), rel=1e-12)
    assert humidity_ratio(dry, rh, pressure) == pytest.approx(ratio, rel=1e-9)
    assert dew_point(dry, rh) == pytest.approx(psychrolib.GetTDewPointFromRelHum(dry, rh / 100), abs=1e-3)
    # psychrolib stops its bisection at 0.001 K.
    assert wet_bulb(dry, rh, pressure) == pytest.approx(
        psychrolib.GetTWetBulbFromRelHum(dry, rh / 100, pascal), abs=1.1e-3
    )
    assert enthalpy(dry, ratio) * 1000 == pytest.approx(
        psychrolib.GetMoistAirEnthalpy(dry, ratio), rel=1e-9, abs=1e-6
    )


@settings(max_examples=100, deadline=None)
@given(DRY, RH, PRESSURE)
def test_dew_point_wet_bulb_dry_bulb_stand_in_order(dry, rh, pressure):
    dew, wet = float(dew_point(dry, rh)), float(wet_bulb(dry, rh, pressure))
    assert dew <= wet + 1e-6
    assert wet <= dry + 1e-6


@settings(max_examples=100, deadline=None)
@given(st.floats(1.0, 50.0), st.floats(30.0, 100.0), PRESSURE)
def test_relative_humidity_inverts_the_wet_bulb(dry, rh, pressure):
    wet = np.minimum(wet_bulb(dry, rh, pressure), dry)
    if float(wet) > 0.1:  # below, the frozen and the wet wick are two branches
        assert relative_humidity(dry, wet, pressure) == pytest.approx(rh, abs=1e-4)


def test_known_values_of_the_handbook():
    # ASHRAE Handbook 2017, chapter 1, table 3: saturation pressure of water at 25 degC is 3.1697 kPa.
    assert saturation_pressure(25.0) == pytest.approx(3.1697, abs=5e-4)
    # Table 2: saturated air at 20 degC and 101.325 kPa holds 14.7 g/kg.
    assert humidity_ratio(20.0, 100.0) == pytest.approx(0.0147, abs=1e-4)
    assert standard_pressure(0.0) == pytest.approx(101.325)
    assert standard_pressure(1000.0) == pytest.approx(89.875, abs=0.01)  # table 1


def test_missing_stays_missing_and_saturation_is_the_dry_bulb():
    dry = np.array([20.0, np.nan, 20.0, 20.0])
    rh = np.array([100.0, 50.0, np.nan, 103.0])
    wet = wet_bulb(dry, rh)
    assert np.isnan(wet[1:3]).all()
    assert wet[[0, 3]] == pytest.approx([20.0, 20.0], abs=1e-6)  # 103 % is a sensor's error, not an error
    assert np.isnan(dew_point(dry, rh)[1:3]).all()
    assert np.isnan(humidity_ratio(dry, rh)[1:3]).all()
    assert np.isnan(wet_bulb(20.0, 50.0, np.nan))


def test_perfectly_dry_air_has_no_dew_point_but_a_wet_bulb():
    assert np.isnan(dew_point(20.0, 0.0))
    assert wet_bulb(20.0, 0.0) == pytest.approx(
        psychrolib.GetTWetBulbFromHumRatio(20.0, 0.0, 101325.0), abs=1.1e-3
    )


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: wet_bulb(20.0, 140.0), "rh_pct"),
        (lambda: wet_bulb([20.0, -999.0], 50.0), "dry_bulb_c|temperature_c"),
        (lambda: wet_bulb(20.0, 50.0, 1013.25), "pressure_kpa"),
        (lambda: dew_point(20.0, -1.0), "rh_pct"),
        (lambda: relative_humidity(20.0, 21.0), "wet bulb"),
        (lambda: enthalpy(20.0, -0.001), "ratio"),
        (lambda: humidity_ratio(120.0, 100.0), "steam"),
        (lambda: standard_pressure(20000.0), "altitude"),
    ],
)
def test_impossible_values_are_refused_by_name(call, name):
    with pytest.raises(ValueError, match=name):
        call()


def test_a_year_takes_less_than_half_a_second():
    rng = np.random.default_rng(0)
    dry, rh = rng.uniform(-20, 45, 8760), rng.uniform(5, 100, 8760)
    start = time.perf_counter()
    result = wet_bulb(dry, rh)
    assert time.perf_counter() - start < 0.5
    assert np.isfinite(result).all()
