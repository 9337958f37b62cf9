"""Indicators of a data centre: pure functions of energy, water and carbon.

Formulas: PUE ISO/IEC 30134-2, REF -3, ERF -6, CUE -8, WUE -9; the hourly carbon-free score follows the
24/7 method published by Google (2021), the matched share EnergyTag's granular certificates. The annual
figures of the standards want twelve months; over a shorter window they are the same ratios of that window.

Every function takes totals or series of equal length. Intervals where a needed value is missing (NaN) count
in neither numerator nor denominator, so that a gap in one meter cannot move a ratio; where nothing is left,
and where the input is physically impossible, a `DataError` says so.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from features.errors import DataError
from features.message import Message, say, term

FloatArray = npt.NDArray[np.float64]


def pue(facility_kwh: npt.ArrayLike, it_kwh: npt.ArrayLike) -> float:
    """Return the power usage effectiveness [1] (ISO/IEC 30134-2).

    Parameters
    ----------
    facility_kwh : array_like
        Energy of the whole data centre [kWh].
    it_kwh : array_like
        Energy of the IT equipment [kWh].

    Raises
    ------
    features.errors.DataError
        ``E-KPI-PUE-BELOW-1``: the IT equipment used more than the whole site; otherwise see the module.
    """
    facility, it = _paired(facility_kwh=facility_kwh, it_kwh=it_kwh)
    value = _ratio(facility.sum(), it.sum(), "it_kwh")
    if value < 1.0:
        raise DataError(
            "E-KPI-PUE-BELOW-1",
            say("IT energy exceeds the site's energy: PUE would be {value:.3f}", value=value),
            Message.joined(", ", map(term, ("facility_kwh", "it_kwh"))),
            say("check the meters' scope and units"),
        )
    return value


def wue(water_m3: npt.ArrayLike, it_kwh: npt.ArrayLike) -> float:
    """Return the water usage effectiveness [L/kWh] (ISO/IEC 30134-9).

    Parameters
    ----------
    water_m3 : array_like
        Water taken by the site [m3].
    it_kwh : array_like
        Energy of the IT equipment [kWh].

    Raises
    ------
    features.errors.DataError
        See the module.
    """
    water, it = _paired(water_m3=water_m3, it_kwh=it_kwh)
    return _ratio(1000.0 * water.sum(), it.sum(), "it_kwh")


def cue(carbon_kg: npt.ArrayLike, it_kwh: npt.ArrayLike) -> float:
    """Return the carbon usage effectiveness [kg CO2e/kWh] (ISO/IEC 30134-8).

    Parameters
    ----------
    carbon_kg : array_like
        Emissions of the site's energy [kg CO2e].
    it_kwh : array_like
        Energy of the IT equipment [kWh].

    Raises
    ------
    features.errors.DataError
        See the module.
    """
    carbon, it = _paired(carbon_kg=carbon_kg, it_kwh=it_kwh)
    return _ratio(carbon.sum(), it.sum(), "it_kwh")


def ref(renewable_kwh: npt.ArrayLike, facility_kwh: npt.ArrayLike) -> float:
    """Return the renewable energy factor [1], at most 1 (ISO/IEC 30134-3).

    Parameters
    ----------
    renewable_kwh : array_like
        Renewable energy that the site owns and whose certificates it has retired [kWh]; a roof whose
        certificates were sold counts 0.
    facility_kwh : array_like
        Energy of the whole data centre [kWh].

    Raises
    ------
    features.errors.DataError
        See the module.
    """
    renewable, facility = _paired(renewable_kwh=renewable_kwh, facility_kwh=facility_kwh)
    return min(_ratio(renewable.sum(), facility.sum(), "facility_kwh"), 1.0)


def erf(reused_kwh: npt.ArrayLike, facility_kwh: npt.ArrayLike) -> float:
    """Return the energy reuse factor [1] (ISO/IEC 30134-6).

    Parameters
    ----------
    reused_kwh : array_like
        Energy reused outside the data centre [kWh].
    facility_kwh : array_like
        Energy of the whole data centre [kWh].

    Raises
    ------
    features.errors.DataError
        ``E-KPI-ERF-ABOVE-1``: more is reused than was used; otherwise see the module.
    """
    reused, facility = _paired(reused_kwh=reused_kwh, facility_kwh=facility_kwh)
    value = _ratio(reused.sum(), facility.sum(), "facility_kwh")
    if value > 1.0:
        raise DataError(
            "E-KPI-ERF-ABOVE-1",
            say("reused energy exceeds the site's energy: ERF would be {value:.3f}", value=value),
            Message.joined(", ", map(term, ("reused_kwh", "facility_kwh"))),
            say("count only energy that the site itself has used"),
        )
    return value


def green_share(green_kwh: npt.ArrayLike, load_kwh: npt.ArrayLike) -> float:
    """Return the share of green energy over the whole window [1], at most 1: no matching by hour.

    This is how Chinese rules count (certificates retired + green-power trade + own generation with its
    certificates over consumption), and it is never below `matched_share`.

    Parameters
    ----------
    green_kwh : array_like
        Green energy [kWh].
    load_kwh : array_like
        Consumption [kWh].

    Raises
    ------
    features.errors.DataError
        See the module.
    """
    green, load = _paired(green_kwh=green_kwh, load_kwh=load_kwh)
    return min(_ratio(green.sum(), load.sum(), "load_kwh"), 1.0)


def matched_share(green_kwh: npt.ArrayLike, load_kwh: npt.ArrayLike) -> float:
    """Return the share of the load met by green energy of the same hour [1] (EnergyTag).

    ``sum min(green_h, load_h) / sum load_h``: an hour's surplus never counts for another hour.

    Parameters
    ----------
    green_kwh : array_like, shape (hours,)
        Green energy of each hour, storage discharge included [kWh].
    load_kwh : array_like, shape (hours,)
        Consumption of each hour [kWh].

    Raises
    ------
    features.errors.DataError
        See the module.
    """
    return cfe_score(load_kwh, green_kwh, 0.0)


def cfe_score(load_kwh: npt.ArrayLike, own_kwh: npt.ArrayLike, grid_cfe: npt.ArrayLike) -> float:
    """Return the hourly carbon-free energy score [1] (Google's 24/7 method, 2021).

    Own supply of an hour counts up to that hour's load; what the grid then delivers counts with the
    grid's carbon-free share: ``(min(own, load) + cfe (load - min(own, load))) / load``, weighted by load.

    Parameters
    ----------
    load_kwh : array_like, shape (hours,)
        Consumption [kWh].
    own_kwh : array_like, shape (hours,)
        Carbon-free energy on site, from the battery and contracted in the same grid [kWh].
    grid_cfe : array_like, shape (hours,) or scalar
        Carbon-free share of the grid's energy [1].

    Raises
    ------
    features.errors.DataError
        ``E-KPI-SHARE``: a share lies outside 0..1; otherwise see the module.
    """
    if np.ndim(grid_cfe) == 0:
        grid_cfe = np.full(np.shape(load_kwh), grid_cfe)
    load, own, cfe = _paired(load_kwh=load_kwh, own_kwh=own_kwh, grid_cfe=grid_cfe)
    if (cfe > 1.0).any():
        raise DataError(
            "E-KPI-SHARE",
            say("a share lies above 1: {cfe:g}", cfe=cfe.max()),
            term("grid_cfe"),
            say("give shares 0..1, not per cent"),
        )
    matched = np.minimum(own, load)
    return _ratio((matched + cfe * (load - matched)).sum(), load.sum(), "load_kwh")


def _paired(**series: npt.ArrayLike) -> tuple[FloatArray, ...]:
    """Return the series over the intervals where all are known.

    Raises
    ------
    features.errors.DataError
        ``E-KPI-LENGTH``, ``E-KPI-EMPTY``, ``E-KPI-INFINITE`` or ``E-KPI-NEGATIVE``.
    """
    arrays = [np.atleast_1d(np.asarray(values, dtype=np.float64)) for values in series.values()]
    names = Message.joined(", ", map(term, series))
    if len({a.shape for a in arrays}) != 1:  # never broadcast: a total against a series would pass unseen
        raise DataError(
            "E-KPI-LENGTH",
            say("shapes differ: {shape}", shape=[a.shape for a in arrays]),
            names,
            say("align the series in time"),
        )
    known = ~np.isnan(np.stack(arrays)).any(axis=0)
    if not known.any():
        raise DataError(
            "E-KPI-EMPTY",
            say("no interval has all of these values"),
            names,
            say("give data that overlap in time"),
        )
    arrays = [a[known] for a in arrays]
    for name, values in zip(series, arrays, strict=True):
        if np.isinf(values).any():
            raise DataError("E-KPI-INFINITE", say("infinite values"), term(name), say("correct the readings"))
        if (values < 0.0).any():
            raise DataError(
                "E-KPI-NEGATIVE",
                say("negative values, least {values:g}", values=values.min()),
                term(name),
                say("correct the readings"),
            )
    return tuple(arrays)


def _ratio(part: float, whole: float, name: str) -> float:
    if whole <= 0.0:
        raise DataError(
            "E-KPI-ZERO", say("the sum is zero: the ratio has no meaning"), term(name), say("check the meter")
        )
    return float(part) / float(whole)
