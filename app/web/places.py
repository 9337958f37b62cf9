"""Where a finding stands on a series: column and stretch of time, read from its place."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd

from features.issues import DataIssue
from features.schema import SCHEMA
from features.telemetry import Telemetry

STAMP = r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}"
PLACE = re.compile(
    r"^(?P<unit>[^,]*?)(?: and (?P<more>\d+) more sites)?, (?P<columns>.+), "
    rf"(?P<start>{STAMP}) to (?P<end>{STAMP})$"
)


@dataclass(frozen=True)
class Place:
    """A finding's place on the series.

    ``columns`` are canonical (none where whole rows are concerned), ``start`` and ``end`` local time
    without zone, end inclusive of its interval; ``sites`` counts the sites concerned.
    """

    site_id: str
    unit_id: str
    sites: int
    columns: tuple[str, ...]
    start: pd.Timestamp
    end: pd.Timestamp


def place_of(issue: DataIssue, telemetry: Telemetry) -> Place | None:
    """Return where an issue stands; None where it names no stretch of time (stamps there are UTC)."""
    found = PLACE.match(str(issue.place))
    if found is None:
        return None
    site_id, _, unit_id = found["unit"].partition("/")
    names = tuple(name for name in re.findall(r"[a-z][a-z0-9_]*", found["columns"]) if name in SCHEMA)
    stamps = pd.DatetimeIndex([found["start"], found["end"]], tz="UTC")
    start, end = telemetry.local(stamps).tz_localize(None)
    return Place(site_id, unit_id, 1 + int(found["more"] or 0), names, start, end + telemetry.interval)
