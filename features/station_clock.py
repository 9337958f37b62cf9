"""Whether the clocks of the load export and of the energy meter agree.

Some systems stamp an interval by its start, others by its end. When the cells' export and the energy
meter differ, every load sits one interval beside its energy and no model can be good. Energy follows
load within minutes, so the offset at which the two go together best is the offset of the clocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.base_station import LOAD, at_other_time, build
from features.frame import FeatureFrame, FloatArray
from features.issues import DataIssue
from features.message import say
from features.telemetry import Telemetry

CANDIDATES = (-2, -1, 0, 1, 2)
MIN_ROWS = 200
MIN_GAIN = 0.05
MIN_MAJORITY = 0.6
MIN_STATION_ROWS = 24


@dataclass(frozen=True)
class ClockOffset:
    """By how many intervals the cells' stamps are later than the energy meter's.

    ``correlation`` and ``correlation_unshifted`` [1] are those of energy and load within stations, at
    ``intervals`` and at no offset; ``majority`` [1] is the share of the ``stations`` that agree.
    """

    intervals: int = 0
    correlation: float = float("nan")
    correlation_unshifted: float = float("nan")
    majority: float = float("nan")
    stations: int = 0

    def issue(self, telemetry: Telemetry) -> DataIssue | None:
        """Return the finding to report; None where the clocks agree."""
        if self.intervals == 0:
            return None
        shown = (
            say(
                "correlation within {stations} stations {correlation:.2f}, "
                "{correlation_unshifted:.2f} with equal stamps; {majority:.0f} % of the stations "
                "agree",
                stations=self.stations,
                correlation=self.correlation,
                correlation_unshifted=self.correlation_unshifted,
                majority=100 * self.majority,
            )
            if self.stations
            else say("as in the training exports; these hold too few energies to tell")
        )
        minutes = abs(self.intervals) * telemetry.interval / pd.Timedelta(minutes=1)
        side = say("later") if self.intervals > 0 else say("earlier")
        return DataIssue(
            "D-STATION-CLOCK",
            "warning",
            say("prb_utilisation against the energy"),
            say(
                "energy goes with the load stamped {minutes:g} min {side}: {shown}",
                minutes=minutes,
                side=side,
                shown=shown,
            ),
            say("check whether one export stamps the start and the other the end of the interval"),
            say("the load of an energy row is taken from the stamp that fits; the exports are not changed"),
            rows=int((telemetry.frame["unit_id"] != "").sum()),
        )


def find_clock_offset(telemetry: Telemetry, quantity: str) -> ClockOffset:
    """Find the offset of the cells' clock against the energy meter's.

    An offset other than 0 is only accepted with enough rows, a clear gain in correlation and the
    agreement of most stations; otherwise the clocks are taken to agree.

    Parameters
    ----------
    telemetry : Telemetry
    quantity : str
        Energy column.
    """
    return offset_in(build(telemetry, quantity), telemetry.interval)


def offset_in(frame: FeatureFrame, interval: pd.Timedelta) -> ClockOffset:
    """Return what `find_clock_offset` finds, from features that were built without an offset."""
    load, energy = frame.X[LOAD].to_numpy(), frame.target()
    shifted = np.column_stack([at_other_time(frame.keys, load, offset * interval) for offset in CANDIDATES])
    usable = np.isfinite(shifted).all(axis=1) & (energy > 0)
    site = frame.keys["site_id"][usable].reset_index(drop=True)
    enough = site.groupby(site).transform("size").to_numpy() >= MIN_STATION_ROWS
    if enough.sum() < MIN_ROWS:
        return ClockOffset()
    table = pd.DataFrame(shifted[usable][enough], columns=list(CANDIDATES))
    table["y"] = np.log(energy[usable][enough])
    site = site[enough].reset_index(drop=True)
    centred = table - table.groupby(site).transform("mean")
    per_station = _correlations(centred, site).dropna()
    if per_station.empty:
        return ClockOffset()
    pooled = {o: _correlation(centred[o].to_numpy(), centred["y"].to_numpy()) for o in CANDIDATES}
    best = max(CANDIDATES, key=lambda o: pooled[o])
    majority = float((per_station.idxmax(axis=1) == best).mean())
    if best == 0 or pooled[best] - pooled[0] < MIN_GAIN or majority < MIN_MAJORITY:
        best = 0
    return ClockOffset(best, pooled[best], pooled[0], majority, len(per_station))


def _correlation(x: FloatArray, y: FloatArray) -> float:
    spread = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum() / spread) if spread > 0 else 0.0


def _correlations(centred: pd.DataFrame, site: pd.Series) -> pd.DataFrame:
    """Return the correlation of each candidate per station, shape (stations, candidates)."""
    sums = (centred**2).groupby(site).sum()
    cross = centred[list(CANDIDATES)].mul(centred["y"], axis=0).groupby(site).sum()
    scale = sums[list(CANDIDATES)].mul(sums["y"], axis=0) ** 0.5
    return cross / scale.where(scale > 0)
