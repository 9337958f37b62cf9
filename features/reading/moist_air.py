"""Moist air testifies for the unit of temperatures: dry bulb, humidity and dew point obey one law.

A file with dry bulb, relative humidity and dew point (or wet bulb) says the same thing twice. In the
right unit the two agree; read as Fahrenheit or as tenths, the same numbers contradict each other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from features.message import say
from features.psychrometrics import relative_humidity, saturation_pressure
from features.reading.doubt import SENTINELS
from features.reading.units import Unit, candidates, line_to

FloatArray = npt.NDArray[np.float64]

MOST_ERROR_PCT = 3.0
"""Median disagreement of humidity up to which a unit explains the readings [% RH]: two good sensors."""
SEPARATION = 3.0
"""How many times worse the next unit must be."""
LEAST_ROWS = 24
_DRY = "outdoor_dry_bulb_c"


def unit_of(
    dry: FloatArray, rh_pct: FloatArray, other: FloatArray, canonical: str
) -> tuple[Unit, str] | None:
    """Return the unit in which dry bulb and a second temperature agree with the humidity, and why.

    Parameters
    ----------
    dry : numpy.ndarray, shape (rows,)
        Dry bulb in the unknown unit.
    rh_pct : numpy.ndarray, shape (rows,)
        Relative humidity [%].
    other : numpy.ndarray, shape (rows,)
        Dew point or wet bulb in the same unknown unit.
    canonical : {"outdoor_dew_point_c", "outdoor_wet_bulb_c"}
        What `other` is.

    Returns
    -------
    tuple of Unit and str, or None
        None where no unit explains the readings, or two explain them alike.
    """
    known = np.isfinite(dry) & np.isfinite(rh_pct) & np.isfinite(other) & (other <= dry)
    known &= ~np.isin(dry, SENTINELS) & ~np.isin(other, SENTINELS)
    if int(known.sum()) < LEAST_ROWS:
        return None
    implied = _from_dew_point if canonical == "outdoor_dew_point_c" else _from_wet_bulb
    errors = [
        (_disagreement(u, dry[known], other[known], rh_pct[known], implied), u) for u in candidates(_DRY)
    ]
    (best, unit), (next_best, runner_up) = sorted(errors, key=lambda e: e[0])[:2]
    if best > MOST_ERROR_PCT or next_best < SEPARATION * max(best, 1.0):
        return None
    told = say("a contradiction") if np.isinf(next_best) else say("{points:.1f} points", points=next_best)
    return unit, (
        say(
            "in {unit} it agrees with the file's humidity to {best:.1f} points (median), in "
            "{other} only to {told}",
            unit=unit.symbol,
            best=best,
            other=runner_up.symbol,
            told=told,
        )
    )


def _disagreement(
    unit: Unit,
    dry: FloatArray,
    other: FloatArray,
    rh_pct: FloatArray,
    implied: Callable[[FloatArray, FloatArray], FloatArray],
) -> float:
    factor, offset = line_to(_DRY, unit)
    celsius, second = dry * factor + offset, other * factor + offset
    if celsius.min() < -60.0 or celsius.max() > 60.0 or second.min() < -80.0:
        return float("inf")  # no weather on Earth
    return float(np.median(np.abs(implied(celsius, second) - rh_pct)))


def _from_dew_point(dry_c: FloatArray, dew_c: FloatArray) -> FloatArray:
    return np.asarray(100.0 * saturation_pressure(dew_c) / saturation_pressure(dry_c), dtype=np.float64)


def _from_wet_bulb(dry_c: FloatArray, wet_c: FloatArray) -> FloatArray:
    return relative_humidity(dry_c, wet_c)
