"""What stored energy is worth when the rest of the day is not known, and what a battery does about it.

`worth_of_storage` works backwards through the steps of each scenario of surplus, under the expected share of
the grid, and takes the mean: energy still to be bought, by level (dynamic programming; a scenario is kept as
a whole, for a lull lasts, and the grid's share is not, for a plan that knew its dirtiest hour would wait for
it). `one_step` acts on it: surplus is stored, for it would be lost; a deficit is served while that saves more
than the energy is worth later; the grid charges where allowed and worth it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from advisor.assets import Battery
from features.frame import FloatArray

LEVELS = 25
"""Levels between reserve and capacity at which the worth is known."""


@dataclass(frozen=True)
class Step:
    """What a battery does in steps that are alike in form, arrays of one shape.

    ``charge`` and ``discharge`` [kW], ``level`` afterwards [kWh], ``bought`` [kW].
    """

    charge: FloatArray
    discharge: FloatArray
    level: FloatArray
    bought: FloatArray


def levels_of(battery: Battery) -> FloatArray:
    """Return the levels at which the worth is known [kWh], shape (levels,)."""
    return np.linspace(battery.reserve_kwh, battery.energy_kwh, LEVELS)


def worth_of_storage(
    battery: Battery, surplus: FloatArray, weight: FloatArray, hours: float, after: FloatArray | None = None
) -> FloatArray:
    """Return expected non-green energy still to be bought, by step and level.

    Parameters
    ----------
    battery : Battery
    surplus : numpy.ndarray, shape (scenarios, n)
        Own production less load after moving [kW].
    weight : numpy.ndarray, shape (n,)
        What a purchased kWh is expected to count [1].
    hours : float
        Length of a step [h].
    after : numpy.ndarray, shape (levels,), or None
        The same after the last step [kWh]; None: as after a first day like this one.

    Returns
    -------
    numpy.ndarray, shape (n + 1, levels)
        [kWh], falling and convex in the level.
    """
    if after is None:
        after = worth_of_storage(battery, surplus, weight, hours, np.zeros(LEVELS))[0]
    levels, n = levels_of(battery), surplus.shape[1]
    each = np.broadcast_to(after, (len(surplus), LEVELS))
    worth = [after]
    for t in range(n - 1, -1, -1):  # each step needs the one after it
        done = one_step(battery, levels[None], surplus[:, t, None], np.full((1, 1), weight[t]), hours, each)
        each = hours * weight[t] * done.bought + _between(levels, each, done.level)
        worth.append(each.mean(axis=0))
    return np.stack(worth[::-1])


def _between(levels: FloatArray, worth: FloatArray, at: FloatArray) -> FloatArray:
    """Return each row of `worth`, shape (scenarios, levels), at the levels of the same row of `at`."""
    width = max(levels[1] - levels[0], 1e-12)
    place = np.clip((at - levels[0]) / width, 0.0, LEVELS - 1.0)
    below = np.minimum(place.astype(np.int64), LEVELS - 2)
    share = place - below
    low, high = (np.take_along_axis(worth, below + up, axis=1) for up in (0, 1))
    return np.asarray(low + share * (high - low), dtype=np.float64)


def one_step(
    battery: Battery,
    level: FloatArray,
    surplus: FloatArray,
    weight: FloatArray,
    hours: float,
    later: FloatArray,
) -> Step:
    """Return the best step given what stored energy is worth afterwards.

    Parameters
    ----------
    battery : Battery
    level, surplus, weight : numpy.ndarray, shape (scenarios or 1, levels or 1)
        Level [kWh], own production less load [kW], what a purchased kWh counts [1]; the weight has one
        column.
    hours : float
        Length of the step [h].
    later : numpy.ndarray, shape (scenarios or 1, levels)
        What is still to be bought after the step [kWh], as a row of `worth_of_storage`.
    """
    levels = levels_of(battery)
    per_kwh = -np.diff(later, axis=1) / max(levels[1] - levels[0], 1e-12)  # falls with the level
    taken, given = battery.charge_efficiency, battery.discharge_efficiency
    most = battery.power_kw
    # levels below which energy is worth more than what its delivery saves, or than what its purchase costs
    keep = levels[(per_kwh >= weight * given).sum(axis=1, keepdims=True)]
    full = np.minimum(level + hours * taken * np.clip(surplus, 0.0, most), battery.energy_kwh)
    served = level - hours * np.clip(-surplus, 0.0, most) / given
    lowest = np.minimum(np.maximum(served, keep), level)
    new = np.where(surplus > 0, full, np.maximum(lowest, battery.reserve_kwh))
    if battery.grid_charging:
        worth_buying = levels[(per_kwh > weight / taken).sum(axis=1, keepdims=True)]
        new = np.maximum(new, np.minimum(worth_buying, level + hours * taken * most))
    stored = new - level
    charge = np.maximum(stored, 0.0) / (taken * hours)
    discharge = np.maximum(-stored, 0.0) * given / hours
    bought = np.maximum(charge - discharge - surplus, 0.0)
    return Step(charge, discharge, new, bought)
