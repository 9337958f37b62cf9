"""Tables of one export that look alike, one after another: the unit in which rows are joined."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from features.reading.convert import ROW, Rows
from features.reading.mapping import IGNORE
from features.reading.timeaxis import IntArray
from features.schema import KEY_COLUMNS


@dataclass
class Group:
    """Like tables (same columns, same meaning of amounts) after another.

    ``further`` holds the ids of the input rows behind each row besides the one in the frame, -1 for none;
    ``combine`` says of a column how values of further groups join it (``sum``, ``mean``, ``max``).
    """

    frame: pd.DataFrame
    amounts: dict[str, str]
    marks_end: bool
    further: tuple[IntArray, ...] = ()
    combine: dict[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """Canonical columns."""
        return [str(c) for c in self.frame if c not in KEY_COLUMNS and c not in (ROW, "_table")]

    def at(self, positions: IntArray) -> Group:
        """Return the rows at these positions, in this order."""
        frame = self.frame.iloc[positions].reset_index(drop=True)
        return replace(self, frame=frame, further=tuple(ids[positions] for ids in self.further))


def grouped(series: Sequence[Rows]) -> list[Group]:
    """Return tables of the same columns and meaning as one group each; the longest comes first."""
    alike: dict[tuple[object, ...], list[Rows]] = defaultdict(list)
    for part in series:
        time = part.mapping.time
        columns = frozenset(
            (c.source, c.canonical, c.aggregation) for c in part.mapping.column if c.canonical != IGNORE
        )
        alike[(columns, time is not None and time.marks)].append(part)
    groups = []
    for (_, marks), members in alike.items():
        frames = [m.frame.assign(_table=m.table) for m in members]
        frame = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
        amounts: dict[str, str] = {
            c.canonical: c.aggregation
            for c in members[0].mapping.column
            if c.canonical != IGNORE and c.aggregation in ("sum", "counter")
        }
        combine: dict[str, str] = {
            c.canonical: c.combine for c in members[0].mapping.column if c.canonical != IGNORE and c.combine
        }
        groups.append(Group(frame, amounts, marks == "end", combine=combine))
    return sorted(groups, key=lambda g: -len(g.frame))


def codes_of(frame: pd.DataFrame) -> IntArray:
    """Return one code per (site, unit), in sorted order of the names."""
    sites, _ = pd.factorize(frame["site_id"], sort=True)
    units, labels = pd.factorize(frame["unit_id"], sort=True)
    return (sites * max(len(labels), 1) + units).astype(np.int64)


def micros_of(frame: pd.DataFrame) -> IntArray:
    """Return the stamps [us]."""
    return frame["timestamp"].to_numpy().astype("datetime64[us]").astype(np.int64)


def place_of(frame: pd.DataFrame, row: int) -> str:
    """Return site, unit and time of a row, for findings."""
    site, unit, stamp = (frame[k].iloc[row] for k in KEY_COLUMNS)
    return f"{site}{'/' + unit if unit else ''}, {stamp:%Y-%m-%d %H:%M}"
