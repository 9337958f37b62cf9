"""The levers of a data centre: what they are called, their unit, and how large a move of each counts.

Thresholds of the models and of the search are written in kelvin of a temperature set-point. A lever of
another unit has a `Scale`: how much of it is a move as large as one kelvin of a set-point.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from features.message import Message, say

AIR_LEVERS = ("zone_set_point_c", "supply_air_set_point_c")
WATER_LEVERS = ("chilled_water_set_point_c",)
APPROACH = "tower_approach_set_point_k"
AIRFLOW = "airflow_set_point_pct"
CHANGEOVER = "economiser_changeover_c"
EVAPORATIVE = "evaporative_mode"
PLANT_LEVERS = (APPROACH, AIRFLOW, CHANGEOVER, EVAPORATIVE)
"""Levers that only some sites have; they come after the set-points of air and water."""


@dataclass(frozen=True)
class Scale:
    """How large a lever is.

    Parameters
    ----------
    kelvin : float
        Move that counts as much as one kelvin of a temperature set-point [unit of the lever].
    step : float
        Distance of the values that are tried where the site declares none [unit of the lever].
    lower, upper : float
        No test and no slider goes beyond [unit of the lever].
    """

    kelvin: float = 1.0
    step: float = 0.5
    lower: float = -float("inf")
    upper: float = float("inf")


SCALES = {
    APPROACH: Scale(lower=1.0, upper=20.0),
    AIRFLOW: Scale(kelvin=4.0, step=2.0, lower=10.0, upper=100.0),
    CHANGEOVER: Scale(kelvin=1.5),
    EVAPORATIVE: Scale(kelvin=0.5, step=0.5, lower=0.0, upper=1.0),
}
"""Lever -> scale, where it is not that of a temperature set-point."""
SET_POINT = Scale()


def scale_of(lever: str) -> Scale:
    """Return the scale of a lever."""
    return SCALES.get(lever, SET_POINT)


def judged_together(levers: Iterable[str]) -> list[list[str]]:
    """Return groups of levers whose settings must have been tried together to count as tried.

    Set-points of air and water act on each other, and airflow on the air; towers, economisers and pads act
    apart from them and from one another.
    """
    names = list(levers)
    room = [n for n in names if n not in PLANT_LEVERS]
    groups = [room] if room else []
    return groups + [[*room[:1], n] if n == AIRFLOW else [n] for n in names if n in PLANT_LEVERS]


def setting(lever: str, value: float) -> Message:
    """Return a value of a lever with its unit."""
    if lever == APPROACH:
        return say("{value:g} K", value=value)
    if lever == AIRFLOW:
        return say("{value:g} %", value=value)
    if lever == EVAPORATIVE:
        return say("{value:g} of the time", value=value)
    return say("{value:g} °C", value=value)


def spread(lever: str, value: float, places: int) -> Message:
    """Return how much a lever varies, with its unit and so many decimals."""
    number = f"{value:.{places}f}"
    if lever == AIRFLOW:
        return say("{number} %", number=number)
    if lever == EVAPORATIVE:
        return say("{number} of the time", number=number)
    return say("{number} K", number=number)


def unit_of(lever: str) -> str:
    """Return the unit of a lever as it is shown beside a slider; a share of the time is hours per hour."""
    return {APPROACH: "K", AIRFLOW: "%", EVAPORATIVE: "h/h"}.get(lever, "°C")
