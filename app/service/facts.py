"""What telemetry is, in plain values, and its findings in order."""

from __future__ import annotations

from features.issues import DataIssue, worst_first
from features.telemetry import Telemetry


def findings(telemetry: Telemetry, *more: DataIssue) -> tuple[DataIssue, ...]:
    """Return every finding once, worst first."""
    return worst_first(dict.fromkeys((*telemetry.issues, *more)))


def span_text(telemetry: Telemetry) -> tuple[str, str]:
    """Return start and end of the data in the site's time, ISO 8601 (no offset where it is unknown)."""
    zone = telemetry.zone
    first, last = (moment.tz_convert(zone.tzinfo()) for moment in telemetry.span)
    if not zone.known:
        first, last = first.tz_localize(None), last.tz_localize(None)
    return first.isoformat(), last.isoformat()


def describe(telemetry: Telemetry) -> dict[str, object]:
    """Return what the telemetry is, as plain values."""
    start, end = span_text(telemetry)
    units = telemetry.frame.loc[telemetry.frame["unit_id"] != "", ["site_id", "unit_id"]]
    return {
        "kind": telemetry.kind,
        "sites": len(telemetry.site_ids),
        "site_ids": telemetry.site_ids[:20],
        "units": len(units.drop_duplicates()),
        "rows": len(telemetry.frame),
        "interval_s": telemetry.interval.total_seconds(),
        "start": start,
        "end": end,
        "zone": telemetry.zone.name,
        "zone_assumed": telemetry.zone.assumed,
        "columns": telemetry.value_columns,
        "sha256": telemetry.content_hash(),
        "sources": [{"path": s.path, "sha256": s.sha256} for s in telemetry.sources],
    }
