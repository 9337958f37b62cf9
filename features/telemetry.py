"""Telemetry: what was measured, validated once and then trusted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa

from features.errors import DataError
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
            if SCHEMA[name].text:
                continue
            if self.frame[name].dtype != np.float64:
                raise DataError(
                    "E-TELEMETRY-DTYPE",
                    say("{name} must be float64, not {dtype}", name=name, dtype=self.frame[name].dtype),
                )
            if np.isinf(self.frame[name].to_numpy()).any():
                raise DataError("E-TELEMETRY-INF", say("{name} holds infinite values", name=name))

    def _check_keys(self) -> None:
        sites, units = (self.frame[c].to_numpy(dtype=object) for c in ("site_id", "unit_id"))
        stamps = self.frame["timestamp"].dt.as_unit("us").astype("int64").to_numpy()
        same_site, same_unit = sites[1:] == sites[:-1], units[1:] == units[:-1]
        same = (same_site & same_unit).astype(bool)
        later = np.where(same, stamps[1:] > stamps[:-1], units[1:] > units[:-1])
        if not np.where(same_site, later, sites[1:] > sites[:-1]).astype(bool).all():
            self._refuse_order()
        phase = stamps % int(self.interval / pd.Timedelta(microseconds=1))
        if (phase[1:] != phase[:-1])[same].any():
            raise DataError(
                "E-TELEMETRY-GRID", say("stamps do not lie on a grid of {interval}", interval=self.interval)
            )

    def _refuse_order(self) -> None:
        """Say what is wrong with keys of which one is not larger than the one before."""
        keys = pd.MultiIndex.from_frame(self.frame[list(KEY_COLUMNS)])
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

    @property
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
        digest = hashlib.sha256(json.dumps(sorted(self.value_columns)).encode())
        names = [*KEY_COLUMNS, *sorted(self.value_columns)]
        for start in range(0, len(self.frame), _HASHED_ROWS):  # piece by piece: a fleet is large
            piece = self.frame.iloc[start : start + _HASHED_ROWS][names]
            digest.update(pd.util.hash_pandas_object(piece, index=False).to_numpy().tobytes())
        return digest.hexdigest()

    def to_arrow(self) -> pa.Table:
        """Return an Arrow table; units are field metadata, the rest is schema metadata."""
        table = pa.Table.from_pandas(self.frame, preserve_index=False)
        fields = [
            f.with_metadata({"unit": SCHEMA[f.name].unit, "role": SCHEMA[f.name].role})
            if f.name in SCHEMA
            else f
            for f in table.schema
        ]
        about = {
            "schema_version": SCHEMA_VERSION,
            "kind": self.kind,
            "interval_s": self.interval.total_seconds(),
            "zone": self.zone.name,
            "zone_assumed": self.zone.assumed,
            "sources": [[s.path, s.sha256] for s in self.sources],
        }
        return table.cast(pa.schema(fields)).replace_schema_metadata(
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


def utc(moment: str | datetime | pd.Timestamp, zone: TimeZone) -> pd.Timestamp:
    """Return a moment in UTC; without an offset it is taken as local time of `zone`."""
    stamp = pd.Timestamp(moment)
    if stamp.tzinfo is None:
        stamp = stamp.tz_localize(zone.tzinfo())
    return stamp.tz_convert("UTC")
