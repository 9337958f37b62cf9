"""Has a model of stations seen anything like this row? Labels, ranges, and what was seen together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from features.base_station import CONFIGURATION, LOAD
from features.frame import FeatureFrame
from models.station_config import measured
from models.station_fingerprint import BoolArray
from models.station_trend import configuration_keys

SLACK = 0.02
"""Share of a feature's training range by which it may lie outside."""


@dataclass(frozen=True)
class StationDomain:
    """What was measured.

    Parameters
    ----------
    categories : dict
        Text feature -> labels of which enough hours were measured.
    ranges : dict
        Numeric feature of the configuration, and the load -> range.
    configurations : frozenset of str
        Product, band, bandwidth, antennas and cells that were seen together, see
        `models.station_trend.configuration_keys`.
    """

    categories: dict[str, list[str]]
    ranges: dict[str, tuple[float, float]]
    configurations: frozenset[str]

    @classmethod
    def learn(cls, frame: FeatureFrame) -> StationDomain:
        """Learn from the rows that can teach; the frame's labels are those that count as known."""
        known = frame.rows(measured(frame))
        text = dict(frame.categories or {})
        names = [n for n in (*CONFIGURATION, LOAD) if n not in text and known.X[n].notna().any()]
        ranges = {n: (float(known.X[n].min()), float(known.X[n].max())) for n in names}
        return cls(text, ranges, frozenset(configuration_keys(known).tolist()))

    def contains(self, frame: FeatureFrame) -> BoolArray:
        """Return whether product, mode, configuration and load lie where the model was trained.

        A product of which there were loads but next to no energies was not trained. Values within their
        ranges are not enough: the configuration must have been seen as a whole.

        Parameters
        ----------
        frame : FeatureFrame
            Coded by `categories`: a label that is not among them is NaN.
        """
        inside: BoolArray = np.isin(configuration_keys(frame), list(self.configurations))
        for name, labels in self.categories.items():
            if labels:
                inside &= frame.X[name].notna().to_numpy()
        for name, (low, high) in self.ranges.items():
            slack = SLACK * (high - low) + 1e-9
            values = frame.X[name].to_numpy()
            inside &= ~((values < low - slack) | (values > high + slack))
        return inside

    def to_dict(self) -> dict[str, Any]:
        """Return the fields for the model store."""
        return {
            "categories": self.categories,
            "ranges": self.ranges,
            "configurations": sorted(self.configurations),
        }

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> StationDomain:
        """Rebuild from `to_dict`."""
        ranges = {k: (float(v[0]), float(v[1])) for k, v in raw["ranges"].items()}
        return cls(raw["categories"], ranges, frozenset(raw["configurations"]))
