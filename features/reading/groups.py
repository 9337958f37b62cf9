"""Tables of one export that look alike, one after another: the unit in which rows are joined."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np
import pandas as pd

from features.filed import FiledArray, is_filed, ranks
from features.reading.convert import ROW, Rows
from features.reading.mapping import IGNORE
from features.reading.timeaxis import IntArray
from features.schema import KEY_COLUMNS
from features.threads import in_threads


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

    @cached_property
    def codes(self) -> IntArray:
        """One code per (site, unit), in sorted order of the names."""
        return codes_of(self.frame)

    @property
    def micros(self) -> IntArray:
        """Stamps [us]."""
        return micros_of(self.frame)

    def at(self, positions: IntArray) -> Group:
        """Return the rows at these positions, in this order."""
        filed = [c for c in self.frame if is_filed(self.frame[c])]
        frame = self.frame.drop(columns=filed).iloc[positions].reset_index(drop=True)
        taken: dict[str, FiledArray] = {}

        def take(name: str) -> None:
            taken[name] = self.frame[name].array.take(positions)

        in_threads(partial(take, str(name)) for name in filed)
        frame = frame.assign(**taken)[list(self.frame)]
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
        frame = below([m.frame.assign(_table=np.int32(m.table)) for m in members])
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
    sites, units = ranks(frame["site_id"]), ranks(frame["unit_id"])
    return sites * (int(units.max(initial=0)) + 1) + units


def below(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return tables below each other; keys by number stay so."""
    if len(frames) == 1:
        return frames[0]
    coded = [
        c for c in frames[0] if all(isinstance(f[c].dtype, pd.CategoricalDtype) for f in frames if c in f)
    ]
    for name in coded:
        every = pd.Index(dict.fromkeys(v for f in frames for v in f[name].cat.categories), dtype=object)
        frames = [f.assign(**{str(name): f[name].cat.set_categories(every)}) for f in frames]
    return pd.concat(frames, ignore_index=True)


def micros_of(frame: pd.DataFrame) -> IntArray:
    """Return the stamps [us]."""
    return frame["timestamp"].to_numpy().astype("datetime64[us]").astype(np.int64)


def keys_of(groups: Sequence[Group]) -> tuple[pd.DataFrame, IntArray, IntArray]:
    """Return the keys of several groups below each other, with their codes and stamps [us]."""
    keys = below([g.frame[list(KEY_COLUMNS)] for g in groups])
    return keys, groups[0].codes if len(groups) == 1 else codes_of(keys), micros_of(keys)


def place_of(frame: pd.DataFrame, row: int) -> str:
    """Return site, unit and time of a row, for findings."""
    site, unit, stamp = (frame[k].iloc[row] for k in KEY_COLUMNS)
    return f"{site}{'/' + unit if unit else ''}, {stamp:%Y-%m-%d %H:%M}"
