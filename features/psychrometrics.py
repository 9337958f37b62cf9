"""Moist air, vectorised: the equations of ASHRAE Handbook Fundamentals 2017, chapter 1.

The reference implementation is psychrolib, which works on one value at a time; here the same equations
work on arrays, and the tests hold both together over the whole range. NaN in gives NaN out. Values outside
the equations' range raise: readings are validated before they come here.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

STANDARD_PRESSURE_KPA = 101.325
MOLAR_MASS_RATIO = 0.621945
"""Water vapour over dry air [1] (eq. 20)."""
MIN_HUMIDITY_RATIO = 1e-7
"""Least humidity ratio that the equations are solved for [kg/kg]; the same bound as psychrolib's."""
_TRIPLE_POINT_C = 0.01
_BISECTIONS = 40
_NEWTON_STEPS = 30


def standard_pressure(altitude_m: float) -> float:
    """Return the standard atmospheric pressure [kPa] at an altitude [m] (eq. 3).

    Raises
    ------
    ValueError
        The altitude lies outside -5000..11000 m.
    """
    if not -5000.0 <= altitude_m <= 11000.0:
        raise ValueError(f"altitude must lie in -5000..11000 m, not {altitude_m}")
    return STANDARD_PRESSURE_KPA * float((1.0 - 2.25577e-5 * altitude_m) ** 5.2559)


def saturation_pressure(temperature_c: npt.ArrayLike) -> FloatArray:
    """Return the saturation vapour pressure over ice or water [kPa] (eq. 5 and 6).

    Parameters
    ----------
    temperature_c : array_like
        Temperature, -100..200 [degC].

    Returns
    -------
    numpy.ndarray, shape of the input

    Raises
    ------
    ValueError
        A temperature lies outside the range.
    """
    celsius = _within(temperature_c, -100.0, 200.0, "temperature_c")
    return np.asarray(np.exp(_log_saturation_pa(celsius)) / 1000.0, dtype=np.float64)


def humidity_ratio(
    dry_bulb_c: npt.ArrayLike, rh_pct: npt.ArrayLike, pressure_kpa: npt.ArrayLike = STANDARD_PRESSURE_KPA
) -> FloatArray:
    """Return the humidity ratio [kg water/kg dry air] (eq. 12 and 20).

    Parameters
    ----------
    dry_bulb_c : array_like
        Dry bulb, -100..200 [degC].
    rh_pct : array_like
        Relative humidity, 0..105 [%]; a reading above 100 % within a sensor's error counts as saturated.
    pressure_kpa : array_like
        Pressure, 45..110 [kPa].

    Returns
    -------
    numpy.ndarray, broadcast shape

    Raises
    ------
    ValueError
        A value lies outside its range.
    """
    pressure = _within(pressure_kpa, 45.0, 110.0, "pressure_kpa")
    vapour = _vapour_pressure_kpa(dry_bulb_c, rh_pct)
    if (vapour >= pressure).any():
        raise ValueError("the vapour pressure reaches the total pressure: the air would be pure steam")
    return np.asarray(MOLAR_MASS_RATIO * vapour / (pressure - vapour), dtype=np.float64)


def dew_point(dry_bulb_c: npt.ArrayLike, rh_pct: npt.ArrayLike) -> FloatArray:
    """Return the dew point [degC]: the saturation curve inverted by Newton steps on its logarithm.

    Parameters
    ----------
    dry_bulb_c : array_like
        Dry bulb, -100..200 [degC].
    rh_pct : array_like
        Relative humidity, 0..105 [%].

    Returns
    -------
    numpy.ndarray, broadcast shape
        NaN where the air is perfectly dry: it has no dew point.

    Raises
    ------
    ValueError
        A value lies outside its range.
    """
    vapour = _vapour_pressure_kpa(dry_bulb_c, rh_pct)
    return _dew_point(vapour, np.broadcast_to(np.asarray(dry_bulb_c, dtype=np.float64), vapour.shape))


def wet_bulb(
    dry_bulb_c: npt.ArrayLike, rh_pct: npt.ArrayLike, pressure_kpa: npt.ArrayLike = STANDARD_PRESSURE_KPA
) -> FloatArray:
    """Return the thermodynamic wet bulb [degC] by bisection (eq. 33 over water, 35 over ice).

    Bisection, not Newton: the equations jump where the wick freezes.

    Parameters
    ----------
    dry_bulb_c : array_like
        Dry bulb, -100..200 [degC].
    rh_pct : array_like
        Relative humidity, 0..105 [%].
    pressure_kpa : array_like
        Pressure, 45..110 [kPa].

    Returns
    -------
    numpy.ndarray, broadcast shape

    Raises
    ------
    ValueError
        A value lies outside its range.
    """
    ratio = np.maximum(humidity_ratio(dry_bulb_c, rh_pct, pressure_kpa), MIN_HUMIDITY_RATIO)
    dry = np.broadcast_to(np.asarray(dry_bulb_c, dtype=np.float64), ratio.shape)
    pressure = np.broadcast_to(np.asarray(pressure_kpa, dtype=np.float64), ratio.shape)
    # Near the jump two solutions exist; the bracket is psychrolib's, so that both choose the same one.
    vapour = pressure * ratio / (MOLAR_MASS_RATIO + ratio)
    lower, upper = _dew_point(vapour, dry), dry.copy()
    for _ in range(_BISECTIONS):
        middle = (lower + upper) / 2.0
        above = _ratio_at_wet_bulb(dry, middle, pressure) > ratio
        upper = np.where(above, middle, upper)
        lower = np.where(above, lower, middle)
    return np.asarray(np.where(np.isnan(ratio), np.nan, (lower + upper) / 2.0), dtype=np.float64)


def relative_humidity(
    dry_bulb_c: npt.ArrayLike, wet_bulb_c: npt.ArrayLike, pressure_kpa: npt.ArrayLike = STANDARD_PRESSURE_KPA
) -> FloatArray:
    """Return the relative humidity [%] from dry bulb [degC], wet bulb [degC] and pressure [kPa].

    Raises
    ------
    ValueError
        A wet bulb lies above its dry bulb, or a value outside its range.
    """
    dry = _within(dry_bulb_c, -100.0, 200.0, "dry_bulb_c")
    wet = _within(wet_bulb_c, -100.0, 200.0, "wet_bulb_c")
    if (wet > dry).any():
        raise ValueError("a wet bulb lies above its dry bulb")
    pressure = _within(pressure_kpa, 45.0, 110.0, "pressure_kpa")
    ratio = np.maximum(_ratio_at_wet_bulb(dry, wet, pressure), MIN_HUMIDITY_RATIO)
    vapour = pressure * ratio / (MOLAR_MASS_RATIO + ratio)
    return np.asarray(100.0 * vapour / saturation_pressure(dry), dtype=np.float64)


def enthalpy(dry_bulb_c: npt.ArrayLike, ratio: npt.ArrayLike) -> FloatArray:
    """Return the enthalpy of moist air [kJ/kg dry air] (eq. 30).

    Parameters
    ----------
    dry_bulb_c : array_like
        Dry bulb [degC].
    ratio : array_like
        Humidity ratio [kg/kg].

    Raises
    ------
    ValueError
        A humidity ratio is negative.
    """
    dry = np.asarray(dry_bulb_c, dtype=np.float64)
    water = _within(ratio, 0.0, np.inf, "ratio")
    return np.asarray(1.006 * dry + water * (2501.0 + 1.86 * dry), dtype=np.float64)


def _within(values: npt.ArrayLike, lower: float, upper: float, name: str) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    outside = (array < lower) | (array > upper)  # NaN is neither: it passes through
    if outside.any():
        raise ValueError(f"{name} must lie in {lower:g}..{upper:g}, found {array[outside].flat[0]:g}")
    return array


def _vapour_pressure_kpa(dry_bulb_c: npt.ArrayLike, rh_pct: npt.ArrayLike) -> FloatArray:
    relative = np.minimum(_within(rh_pct, 0.0, 105.0, "rh_pct"), 100.0) / 100.0
    return np.asarray(relative * saturation_pressure(dry_bulb_c), dtype=np.float64)


def _dew_point(vapour_kpa: FloatArray, dry: FloatArray) -> FloatArray:
    """Return the dew point [degC] of a vapour pressure [kPa], at most the dry bulb [degC]."""
    wanted = np.log(np.where(vapour_kpa > 0.0, vapour_kpa, np.nan) * 1000.0)
    dew = dry.copy()
    for _ in range(_NEWTON_STEPS):
        step = (_log_saturation_pa(dew) - wanted) / _log_saturation_slope(dew)
        dew = np.clip(dew - step, -100.0, 200.0)
        if not (np.abs(step) > 1e-6).any():
            break
    # Drier air than the saturation pressure at -100 degC lies below the equations' range.
    dew = np.where(wanted < _log_saturation_pa(np.float64(-100.0)), np.nan, dew)
    return np.asarray(np.minimum(dew, dry), dtype=np.float64)


def _log_saturation_pa(celsius: FloatArray | np.float64) -> FloatArray:
    """Return ln of the saturation pressure [Pa] (Hyland and Wexler, eq. 5 and 6)."""
    t = np.asarray(celsius + 273.15, dtype=np.float64)
    ice = (
        -5.6745359e3 / t + 6.3925247 - 9.677843e-3 * t + 6.2215701e-7 * t**2 + 2.0747825e-9 * t**3
        - 9.484024e-13 * t**4 + 4.1635019 * np.log(t)
    )  # fmt: skip
    water = (
        -5.8002206e3 / t + 1.3914993 - 4.8640239e-2 * t + 4.1764768e-5 * t**2 - 1.4452093e-8 * t**3
        + 6.5459673 * np.log(t)
    )  # fmt: skip
    return np.where(celsius <= _TRIPLE_POINT_C, ice, water)


def _log_saturation_slope(celsius: FloatArray) -> FloatArray:
    """Return the derivative of `_log_saturation_pa` [1/K]."""
    t = celsius + 273.15
    ice = (
        5.6745359e3 / t**2 - 9.677843e-3 + 2 * 6.2215701e-7 * t + 3 * 2.0747825e-9 * t**2
        - 4 * 9.484024e-13 * t**3 + 4.1635019 / t
    )  # fmt: skip
    water = 5.8002206e3 / t**2 - 4.8640239e-2 + 2 * 4.1764768e-5 * t - 3 * 1.4452093e-8 * t**2 + 6.5459673 / t
    return np.where(celsius <= _TRIPLE_POINT_C, ice, water)


def _ratio_at_wet_bulb(dry: FloatArray, wet: FloatArray, pressure: FloatArray) -> FloatArray:
    """Return the humidity ratio [kg/kg] of air with that dry and wet bulb [degC] (eq. 33 and 35)."""
    saturated_kpa = np.exp(_log_saturation_pa(wet)) / 1000.0
    saturated = MOLAR_MASS_RATIO * saturated_kpa / (pressure - saturated_kpa)
    over_water = ((2501.0 - 2.326 * wet) * saturated - 1.006 * (dry - wet)) / (
        2501.0 + 1.86 * dry - 4.186 * wet
    )
    over_ice = ((2830.0 - 0.24 * wet) * saturated - 1.006 * (dry - wet)) / (2830.0 + 1.86 * dry - 2.1 * wet)
    return np.where(wet >= 0.0, over_water, over_ice)
