"""Whether the models of base stations may be stored: they must beat a station's own usual energy.

Two answers need no model: the median of all stations, and the median of the station's other hours.
Held-out hours of metered stations must be answered better than by both (of shuffled energies they are not);
where no station has enough measured hours for that, stations that a fold did not see must be answered better
than by the median. Medians, because energies are skewed and absolute errors are compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.frame import FloatArray
from features.message import say
from models.metrics import wmape
from training.gate import LEAST_SKILL, has_skill, lead_of

LEAST_HOURS = 9
"""Measured hours from which on a station's own median is an answer."""
METERED = "around"
"""Group of the held-out hours whose neighbours are metered, see `training.station_power`."""


@dataclass(frozen=True)
class StationVerdict:
    """What the gate decided about one energy column.

    Parameters
    ----------
    stored : bool
    skill_metered, skill_new : float
        Share of the error of the best answer without a model that the models save [1]: on held-out hours of
        metered stations (NaN where there are none), and on stations that were not seen.
    reason : str
    """

    stored: bool
    skill_metered: float
    skill_new: float
    reason: str

    def to_dict(self) -> dict[str, object]:
        """Return what the model card says about it."""
        known = np.isfinite(self.skill_metered)
        return {
            "stored": "model" if self.stored else "nothing",
            "skill_metered": round(self.skill_metered, 4) if known else None,
            "skill_new_stations": round(self.skill_new, 4),
        }


def judge_stations(
    energy: FloatArray,
    unseen: FloatArray,
    station: pd.Series,
    held_out: Mapping[str, Mapping[str, float]],
    *,
    seed: int = 0,
) -> StationVerdict:
    """Decide whether the models of one energy column are stored.

    Parameters
    ----------
    energy : numpy.ndarray, shape (rows,)
        Measured energies [unit of the quantity].
    unseen : numpy.ndarray, shape (rows,)
        What a fold that did not see the row's station says [unit of the quantity].
    station : pandas.Series, shape (rows,)
    held_out : mapping
        Group -> figures on held-out hours, among them ``wmape`` [%].
    seed : int
        Of the bootstrap over stations.
    """
    block = pd.factorize(station)[0].astype(np.int64)
    median = np.full(len(energy), np.median(energy))
    new = lead_of(np.abs(energy - unseen), np.abs(energy - median), block, seed)
    own = other_hours_median(energy, block)
    enough = np.isfinite(own)
    metered = float("nan")
    if METERED in held_out and enough.any():
        naive = min(wmape(energy[enough], own[enough]), wmape(energy[enough], median[enough]))
        metered = 1 - held_out[METERED]["wmape"] / naive if naive > 0 else 0.0
    stored = metered >= LEAST_SKILL if np.isfinite(metered) else has_skill(new)
    skill = metered if np.isfinite(metered) else new.share
    if stored:
        reason = say("errs {skill:.0%} less than a station's usual energy on held-out hours", skill=skill)
        if not has_skill(new):
            reason = say(
                "stations without a measured hour are answered no better than by the median of the others"
            )
        return StationVerdict(True, metered, new.share, reason)
    reason = say(
        "the models do not err less than a station's usual energy by {least:.0%} on held-out hours "
        "({skill:.1%}): nothing is stored",
        least=LEAST_SKILL,
        skill=skill,
    )
    return StationVerdict(False, metered, new.share, reason)


def other_hours_median(energy: FloatArray, station: FloatArray | np.ndarray) -> FloatArray:
    """Return the median of the other hours of the row's station; NaN below `LEAST_HOURS`, shape (rows,)."""
    order = np.lexsort((energy, station))
    value, code = energy[order], station[order]
    first = np.r_[True, code[1:] != code[:-1]]
    start = np.maximum.accumulate(np.where(first, np.arange(len(code)), 0))
    place = np.arange(len(code)) - start
    left = np.bincount(np.cumsum(first) - 1)[np.cumsum(first) - 1] - 1  # hours of the station but this one
    last = len(value) - 1

    def remaining(k: np.ndarray) -> FloatArray:
        """Return the k-th smallest of the other hours."""
        return np.asarray(value[np.minimum(start + k + (place <= k), last)])

    medians = 0.5 * (remaining(np.maximum(left - 1, 0) // 2) + remaining(left // 2))
    out = np.empty(len(energy))
    out[order] = np.where(left + 1 >= LEAST_HOURS, medians, np.nan)
    return out
