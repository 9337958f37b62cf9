"""Telemetry: what was measured, validated once and then trusted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pandas.api.types import is_string_dtype

from features.errors import DataError
from features.filed import is_filed, loaded
from features.issues import DataIssue
from features.message import say
from features.schema import KEY_COLUMNS, SCHEMA, SCHEMA_VERSION, Kind

METADATA_KEY = b"energy_advisor"
_HASHED_ROWS = 500_000


@dataclass(frozen=True)
class TimeZone:
    """How local wall-clock time was, or was not, turned into UTC.

    Parameters
    ----------
    name : str
        IANA name or fixed offset ``+HH:MM``; ``"unknown"`` where stamps stay wall-clock time.
    assumed : bool
        True where nobody declared it. An unknown zone is always assumed.
    """

    name: str = "unknown"
    assumed: bool = True

    def __post_init__(self) -> None:
        if self.name == "unknown" and not self.assumed:
            raise ValueError("an unknown zone is always assumed")
        self.tzinfo()  # raises on a wrong name

    @property
    def known(self) -> bool:
        """Whether stamps are true UTC."""
        return self.name != "unknown"

    def tzinfo(self) -> ZoneInfo | timezone:
        """Return the zone; UTC (identity) where it is unknown."""
        if self.name in ("unknown", "UTC", "Z"):
            return UTC
        if self.name[:1] in "+-":
            hours, minutes = self.name[1:].split(":")
            sign = -1 if self.name[0] == "-" else 1
            return timezone(sign * timedelta(hours=int(hours), minutes=int(minutes)))
        return ZoneInfo(self.name)


@dataclass(frozen=True)
class Source:
    """One file that the telemetry came from."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Telemetry:
    """Measurements keyed (site_id, unit_id, timestamp).

    A stamp marks the start of its interval. Missing is NaN, never 0. The site itself is unit
    ``""``; a unit is a cell, chiller, rack or meter.

    Parameters
    ----------
    frame : pandas.DataFrame, shape (rows, 3 + columns)
        ``site_id``, ``unit_id``, ``timestamp`` (UTC) and canonical columns of `features.schema`.
    interval : pandas.Timedelta
        Length of every row's interval.
    kind : {"data-centre", "base-station"}
    zone : TimeZone
    issues : tuple of DataIssue
    sources : tuple of Source

    Invariants
    ----------
    Keys are unique and sorted; stamps are UTC-aware and lie on a common grid of `interval` per
    unit; only canonical columns; numbers are float64 and finite or NaN.

    Raises
    ------
    DataError
        An invariant does not hold.
    """

    frame: pd.DataFrame
    interval: pd.Timedelta
    kind: Kind
    zone: TimeZone = TimeZone()
    issues: tuple[DataIssue, ...] = ()
    sources: tuple[Source, ...] = field(default=())

    def __post_init__(self) -> None:
        frame = self.frame
        missing = [c for c in KEY_COLUMNS if c not in frame]
        if missing:
            raise DataError("E-TELEMETRY-KEYS", say("key columns missing: {missing}", missing=missing))
        unknown = [c for c in frame if c not in SCHEMA and c not in KEY_COLUMNS]
        if unknown:
            raise DataError(
                "E-TELEMETRY-COLUMN", say("columns are not canonical: {unknown}", unknown=unknown)
            )
        if (
            not isinstance(frame["timestamp"].dtype, pd.DatetimeTZDtype)
            or str(frame["timestamp"].dt.tz) != "UTC"
        ):
            raise DataError("E-TELEMETRY-UTC", say("timestamps must be UTC-aware"))
        if self.interval <= pd.Timedelta(0):
            raise DataError(
                "E-TELEMETRY-INTERVAL",
                say("interval must be positive, not {interval}", interval=self.interval),
            )
        self._check_values()
        self._check_keys()

    def _check_values(self) -> None:
        for name in self.value_columns:
            if SCHEMA[name].text or is_filed(self.frame[name]):
                continue  # a column in a file was checked when it was written
            if self.frame[name].dtype != np.float64:
                raise DataError(
                    "E-TELEMETRY-DTYPE",
                    say("{name} must be float64, not {dtype}", name=name, dtype=self.frame[name].dtype),
                )
            if np.isinf(self.frame[name].to_numpy()).any():
                raise DataError("E-TELEMETRY-INF", say("{name} holds infinite values", name=name))

    def _check_keys(self) -> None:
        sites, units = (_names(self.frame[c]) for c in ("site_id", "unit_id"))
        stamps = self.frame["timestamp"].dt.as_unit("us").astype("int64").to_numpy()
        other_site, other_unit = (np.not_equal(n[1:], n[:-1]).astype(bool) for n in (sites, units))
        other = other_site | other_unit
        steps = np.diff(stamps)
        if (steps[~other] <= 0).any():
            self._refuse_order()
        at = np.flatnonzero(other)
        keys = (
            self.frame[["site_id", "unit_id"]]
            .iloc[np.stack([at, at + 1], axis=1).ravel()]
            .to_numpy(dtype=object)
        )
        if any(tuple(a) >= tuple(b) for a, b in zip(keys[::2], keys[1::2], strict=True)):
            self._refuse_order()
        if (steps[~other] % int(self.interval / pd.Timedelta(microseconds=1))).any():
            raise DataError(
                "E-TELEMETRY-GRID", say("stamps do not lie on a grid of {interval}", interval=self.interval)
            )

    def _refuse_order(self) -> None:
        """Say what is wrong with keys of which one is not larger than the one before."""
        keys = pd.MultiIndex.from_frame(loaded(self.frame[list(KEY_COLUMNS)]))
        if keys.has_duplicates:
            raise DataError(
                "E-TELEMETRY-DUPLICATE", say("key stands twice: {keys}", keys=keys[keys.duplicated()][0])
            )
        raise DataError("E-TELEMETRY-ORDER", say("rows must be sorted by site_id, unit_id, timestamp"))

    # -- views ---------------------------------------------------------------------------------
    @property
    def value_columns(self) -> list[str]:
        """Canonical columns that are present."""
        return [str(c) for c in self.frame.columns if c not in KEY_COLUMNS]

    @cached_property
    def site_ids(self) -> list[str]:
        """Sites in order."""
        return [str(s) for s in self.frame["site_id"].unique()]

    @property
    def hours(self) -> float:
        """Length of an interval [h]."""
        return float(self.interval / pd.Timedelta(hours=1))

    @property
    def span(self) -> tuple[pd.Timestamp, pd.Timestamp]:
        """First stamp and end of the last interval."""
        if self.frame.empty:
            raise DataError("E-TELEMETRY-EMPTY", say("there are no rows"))
        return self.frame["timestamp"].min(), self.frame["timestamp"].max() + self.interval

    def has(self, *columns: str) -> bool:
        """Whether every column is present with at least one value."""
        return all(c in self.frame and bool(self.frame[c].notna().any()) for c in columns)

    def as_of(self, moment: pd.Timestamp) -> Telemetry:
        """Return what was known at `moment`: intervals that had ended by then."""
        return replace(
            self, frame=self.frame[self.frame["timestamp"] + self.interval <= moment].reset_index(drop=True)
        )

    def between(self, start: pd.Timestamp, end: pd.Timestamp) -> Telemetry:
        """Return the rows with ``start <= timestamp < end``."""
        inside = (self.frame["timestamp"] >= start) & (self.frame["timestamp"] < end)
        return replace(self, frame=self.frame[inside].reset_index(drop=True))

    def unit_spans(self) -> list[tuple[str, str, int, int]]:
        """Return site, unit, first row and end row of every unit; rows are sorted by unit."""
        if self.frame.empty:
            return []
        names = [_names(self.frame[c]) for c in ("site_id", "unit_id")]
        new = np.logical_or.reduce([(n[1:] != n[:-1]).astype(bool) for n in names])
        starts = np.concatenate([[0], np.flatnonzero(new) + 1])
        ends = np.append(starts[1:], len(self.frame))
        keys = self.frame[["site_id", "unit_id"]].iloc[starts]
        return [
            (str(site), str(unit), int(start), int(end))
            for site, unit, start, end in zip(keys["site_id"], keys["unit_id"], starts, ends, strict=True)
        ]

    def site(self, site_id: str) -> Telemetry:
        """Return one site's rows."""
        return replace(self, frame=self.frame[self.frame["site_id"] == site_id].reset_index(drop=True))

    def site_series(self, site_id: str, unit_id: str = "") -> pd.DataFrame:
        """Return the rows of the site itself, or of one of its units, indexed by timestamp, without keys."""
        rows = (self.frame["site_id"] == site_id) & (self.frame["unit_id"] == unit_id)
        return self.frame[rows].set_index("timestamp").drop(columns=["site_id", "unit_id"])

    def local(self, stamps: pd.Series | pd.DatetimeIndex) -> pd.DatetimeIndex:
        """Return UTC stamps in the site's local time (wall-clock time where the zone is unknown)."""
        return pd.DatetimeIndex(stamps).tz_convert(self.zone.tzinfo())

    def with_zone(self, name: str) -> Telemetry:
        """Return the telemetry with its wall-clock stamps declared to be local time of `name`.

        Raises
        ------
        DataError
            The zone is already known and differs, or a local stamp does not exist there.
        """
        declared = TimeZone(name, assumed=False)
        if self.zone.known:
            if self.zone.name != name:
                raise DataError(
                    "E-ZONE-CONFLICT",
                    say("the data says {name}, the site {declared}", name=self.zone.name, declared=name),
                    "",
                    say("correct one of the two"),
                )
            return replace(self, zone=declared)
        wall = self.frame["timestamp"].dt.tz_localize(None)
        try:
            utc = wall.dt.tz_localize(declared.tzinfo()).dt.tz_convert("UTC")
        except ValueError as error:  # pandas: AmbiguousTimeError and NonExistentTimeError are ValueErrors
            raise DataError(
                "E-ZONE-DST",
                say("local stamps do not fit {name}: {error}", name=name, error=error),
                "",
                say("export with UTC or a fixed offset, or declare the fixed offset the system uses"),
            ) from None
        issues = tuple(i for i in self.issues if i.code != "D-ZONE-ASSUMED")
        return replace(self, frame=self.frame.assign(timestamp=utc), zone=declared, issues=issues)

    def with_issues(self, issues: Sequence[DataIssue]) -> Telemetry:
        """Return the telemetry with more issues."""
        return replace(self, issues=(*self.issues, *issues))

    # -- identity and exchange -----------------------------------------------------------------
    def content_hash(self) -> str:
        """Return the SHA-256 of keys, values and column names."""
        names = [*KEY_COLUMNS, *sorted(self.value_columns)]
        with ThreadPoolExecutor(2) as pool:
            digests = list(pool.map(_digest, [self.frame[str(name)] for name in names]))
        return hashlib.sha256(json.dumps([names, digests]).encode()).hexdigest()

    def held(self) -> Telemetry:
        """Return the telemetry with every number in memory, as computing with it needs."""
        frame = loaded(self.frame)
        return self if frame is self.frame else replace(self, frame=frame)

    def to_arrow(self) -> pa.Table:
        """Return an Arrow table; units are field metadata, the rest is schema metadata."""
        return pa.concat_tables(self.pieces(max(len(self.frame), 1)))

    def pieces(self, rows: int = 1 << 20) -> Iterator[pa.Table]:
        """Return `to_arrow`'s table in pieces of so many rows; at least one, which may be empty."""
        about = {
            "schema_version": SCHEMA_VERSION,
            "kind": self.kind,
            "interval_s": self.interval.total_seconds(),
            "zone": self.zone.name,
            "zone_assumed": self.zone.assumed,
            "sources": [[s.path, s.sha256] for s in self.sources],
        }
        for start in range(0, max(len(self.frame), 1), rows):
            piece = self.frame.iloc[start : start + rows]
            table = pa.table({str(c): _arrow(piece[c]) for c in piece.columns})
            fields = [
                f.with_metadata({"unit": SCHEMA[f.name].unit, "role": SCHEMA[f.name].role})
                if f.name in SCHEMA
                else f
                for f in table.schema
            ]
            yield table.cast(pa.schema(fields)).replace_schema_metadata(
                {METADATA_KEY: json.dumps(about).encode()}
            )

    @classmethod
    def from_arrow(cls, table: pa.Table, issues: Sequence[DataIssue] = ()) -> Telemetry:
        """Rebuild telemetry from `to_arrow`'s table.

        Raises
        ------
        DataError
            The table does not carry our metadata, or an invariant does not hold.
        """
        raw = (table.schema.metadata or {}).get(METADATA_KEY)
        if raw is None:
            raise DataError("E-TELEMETRY-META", say("the table does not carry telemetry metadata"))
        about = json.loads(raw)
        frame = table.to_pandas()
        frame["timestamp"] = frame["timestamp"].dt.tz_convert("UTC")
        return cls(
            frame=frame,
            interval=pd.Timedelta(seconds=about["interval_s"]),
            kind=about["kind"],
            zone=TimeZone(about["zone"], about["zone_assumed"]),
            issues=tuple(issues),
            sources=tuple(Source(*s) for s in about["sources"]),
        )


def _arrow(column: pd.Series) -> pa.Array:
    """Return a column as Arrow holds it; what is not a number is missing."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        names = pa.array(column.cat.categories.to_numpy(dtype=object), pa.large_string())
        return pa.DictionaryArray.from_arrays(pa.array(column.cat.codes.to_numpy()), names).cast(names.type)
    if is_filed(column):
        return pa.array(column.to_numpy(), from_pandas=not column.array.complete)
    return pa.array(column, from_pandas=True)


def _names(keys: pd.Series) -> npt.NDArray[Any]:
    """Return names, or the numbers that stand for them."""
    if isinstance(keys.dtype, pd.CategoricalDtype):
        return keys.cat.codes.to_numpy()
    return keys.to_numpy(dtype=object)


def _digest(column: pd.Series) -> str:
    """Return the SHA-256 of a column, however it is held; -0 is 0, missing is missing."""
    digest = hashlib.sha256()
    if isinstance(column.dtype, pd.CategoricalDtype) or is_string_dtype(column.dtype):
        codes, names = pd.factorize(column)
        digest.update(json.dumps([str(n) for n in names]).encode())
        digest.update(codes.astype("<i8").tobytes())
        return digest.hexdigest()
    for start in range(0, len(column), _HASHED_ROWS):  # piece by piece: a fleet is large
        piece = column.iloc[start : start + _HASHED_ROWS]
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            digest.update(piece.dt.as_unit("us").astype("int64").to_numpy().astype("<i8").tobytes())
            continue
        numbers = piece.to_numpy(dtype=np.float64) + 0.0
        if not (is_filed(column) and column.array.complete):
            numbers[np.isnan(numbers)] = np.nan
        digest.update(numbers.astype("<f8").tobytes())
    return digest.hexdigest()


def utc(moment: str | datetime | pd.Timestamp, zone: TimeZone) -> pd.Timestamp:
    """Return a moment in UTC; without an offset it is taken as local time of `zone`."""
    stamp = pd.Timestamp(moment)
    if stamp.tzinfo is None:
        stamp = stamp.tz_localize(zone.tzinfo())
    return stamp.tz_convert("UTC")
