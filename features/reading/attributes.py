"""What files without time tell of units: attributes, repeated on the units' rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from features.issues import DataIssue
from features.message import Message, say
from features.reading.convert import ROW, Rows
from features.reading.ledger import Ledger
from features.schema import KEY_COLUMNS, SCHEMA


def join_attributes(
    table: pd.DataFrame, parts: Sequence[Rows], ledger: Ledger, issues: list[DataIssue]
) -> None:
    """Repeat each unit's attributes on its rows; contradictory attributes are rejected.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows keyed (site, unit, time), index 0, 1, ...; gets the attributes' columns.
    parts : sequence of Rows
        Rows without time.
    ledger : Ledger
        Takes rows that are left out.
    issues : list of DataIssue
        Added to.
    """
    for described in _alike(parts):
        frame, keys = described.frame, described.keys
        names = [c for c in frame if c in SCHEMA and c not in KEY_COLUMNS]
        if not names:
            continue
        same = frame.duplicated([*keys, *names], keep="first")
        distinct = frame[~same]
        clash = distinct.loc[distinct.duplicated(keys, keep=False), keys]
        out = same.to_numpy() | pd.MultiIndex.from_frame(frame[keys]).isin(pd.MultiIndex.from_frame(clash))
        if out.any():
            ledger.reject(frame[ROW].to_numpy()[out], "D-DUPLICATE")
            issues.append(
                DataIssue(
                    "D-DUPLICATE",
                    "warning",
                    described.place,
                    say("{count} rows describe a unit again", count=int(out.sum())),
                    say("describe each unit once"),
                    say("the repetitions (contradictions: all of them) are rejected"),
                    int(out.sum()),
                )
            )
        joined = table[keys].merge(frame.loc[~out, [*keys, *names]], on=keys, how="left")
        for name in names:
            _add_attribute(table, name, joined[name], described.place, issues)
        bare = int((table[names].isna().all(axis=1) & (table["unit_id"] != "")).sum())
        if bare:
            issues.append(
                DataIssue(
                    "D-ATTRIBUTES-MISSING",
                    "warning",
                    described.place,
                    say("{count} rows belong to units without attributes", count=bare),
                    say("add these units to the file"),
                    say("their attributes are missing"),
                    bare,
                )
            )


@dataclass(frozen=True)
class _Described:
    """Attributes of units: the rows of all files that describe them by the same columns."""

    keys: list[str]
    frame: pd.DataFrame
    place: str


def _alike(parts: Sequence[Rows]) -> list[_Described]:
    """Put files with the same columns together: a fleet's units may be described in several."""
    alike: dict[tuple[str, ...], list[Rows]] = {}
    for part in parts:
        if part.mapping.site_column:
            unit = ("unit_id",) if part.mapping.unit_column else ()
            columns = sorted(c for c in part.frame if c in SCHEMA and c not in KEY_COLUMNS)
            alike.setdefault((*unit, *columns), []).append(part)
    return [
        _Described(
            ["site_id", "unit_id"] if files[0].mapping.unit_column else ["site_id"],
            pd.concat([f.frame for f in files], ignore_index=True),
            files[0].mapping.glob
            if len(files) == 1
            else Message.joined(", ", (f.mapping.glob for f in files)),
        )
        for files in alike.values()
    ]


def _add_attribute(
    table: pd.DataFrame, name: str, told: pd.Series, place: str, issues: list[DataIssue]
) -> None:
    """Put one attribute on the rows; values that are there stay, and a contradiction is a finding."""
    value = told.astype("str") if SCHEMA[name].text else told
    if name in table:
        known = table[name].reset_index(drop=True)
        other = int((known.notna() & value.notna() & (known != value)).sum())
        if other:
            issues.append(
                DataIssue(
                    "D-DUPLICATE",
                    "warning",
                    place,
                    say("{count} rows have another {name} in another file", count=other, name=name),
                    say("describe each unit once"),
                    say("the value that was there first stays"),
                    other,
                )
            )
        value = known.where(known.notna(), value)
    table[name] = value.to_numpy() if not SCHEMA[name].text else value
