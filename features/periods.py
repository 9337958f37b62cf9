"""Two periods of one site, before and after a change, on one time grid."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from features.errors import InsufficientDataError, UsageError
from features.frame import FloatArray
from features.message import Message, say, term
from features.operation import BoolArray, Operation, operation_of
from features.schema import KEY_COLUMNS, SCHEMA
from features.telemetry import Telemetry

NEEDED = ("facility_power_kw", "it_power_kw", "outdoor_dry_bulb_c")
"""What a before/after comparison of a data centre cannot do without."""
WORK = "cpu_utilisation"
"""Work itself, where a data centre exports it."""
AIR_SENSORS = ("server_inlet_temp_c", "supply_air_temp_c")


@dataclass(frozen=True)
class Periods:
    """One site's operation over both periods.

    Parameters
    ----------
    operation : Operation
        Grid from the first step of the earlier period to the last of the later one; steps that belong to
        neither are NaN.
    before, after : numpy.ndarray of bool, shape (n,)
        Steps that were exported for each period.
    utilisation : numpy.ndarray or None, shape (n,)
        Work done [1]; None where one of the periods does not export it.
    air_c : numpy.ndarray or None, shape (n,)
        Hottest server inlet, else supply air [degC]; None where one of the periods has neither.
    own_kw : numpy.ndarray or None, shape (n,)
        On-site generation [kW]; None where it is not exported.
    local_day : pandas.DatetimeIndex, shape (n,)
        Local midnight of every step.
    """

    operation: Operation
    before: BoolArray
    after: BoolArray
    utilisation: FloatArray | None
    air_c: FloatArray | None
    own_kw: FloatArray | None
    local_day: pd.DatetimeIndex

    @property
    def crossed(self) -> bool:
        """Whether the periods alternate, as in a test that switches a change on and off."""
        return _switches(self.before, self.after) > 1

    @property
    def backwards(self) -> bool:
        """Whether the period called before lies after the other."""
        return bool(np.flatnonzero(self.before)[0] > np.flatnonzero(self.after)[-1])


def periods_of(before: Telemetry, after: Telemetry) -> Periods:
    """Put both periods of a data centre on one grid; steps shorter than an hour become hours.

    Raises
    ------
    features.errors.UsageError
        The two do not belong together, or overlap.
    features.errors.InsufficientDataError
        A column is missing that the comparison cannot do without.
    """
    check_pair(before, after)
    site = _one_site(before, after)
    for name, telemetry in (("before", before), ("after", after)):
        _check_columns(telemetry, name)
    before, after = _hourly(before), _hourly(after)
    both = _together(before, after, site)
    operation = operation_of(both, site, without_levers=True)
    operation = operation.only_levers(_common_levers(operation, before, after))
    full = both.site_series(site).reindex(operation.stamps)
    shared = [c for c in (WORK, *AIR_SENSORS) if before.has(c) and after.has(c)]
    air = next((c for c in shared if c in AIR_SENSORS), None)
    return Periods(
        operation=operation,
        before=np.asarray(operation.stamps.isin(before.frame["timestamp"])),
        after=np.asarray(operation.stamps.isin(after.frame["timestamp"])),
        utilisation=full[WORK].to_numpy(np.float64) if WORK in shared else None,
        air_c=None if air is None else full[air].to_numpy(np.float64),
        own_kw=full["pv_power_kw"].to_numpy(np.float64) if both.has("pv_power_kw") else None,
        local_day=both.local(operation.stamps).normalize(),
    )


def check_pair(before: Telemetry, after: Telemetry) -> None:
    """Refuse two exports that cannot be compared.

    Raises
    ------
    features.errors.UsageError
        Kind, interval or zone differ, or both hold the same interval.
    """
    where = "--before, --after"
    if before.kind != after.kind:
        raise UsageError(
            "E-VERIFY-KIND",
            say("before is {one}, after is {other}", one=term(before.kind), other=term(after.kind)),
            where,
            say("give two periods of the same site"),
        )
    if before.interval != after.interval:
        raise UsageError(
            "E-VERIFY-INTERVAL",
            say("before has intervals of {one}, after of {other}", one=before.interval, other=after.interval),
            where,
            say("export both periods with the same interval"),
        )
    if before.zone.known != after.zone.known:
        raise UsageError(
            "E-VERIFY-ZONE",
            say("the time zone of one of the two periods is known and that of the other is not"),
            where,
            say("give --time-zone, or time_zone in site.toml"),
        )
    keys = list(KEY_COLUMNS)
    twice = before.frame[keys].merge(after.frame[keys], on=_overlap_keys(before))
    if len(twice):
        column = "timestamp" if "timestamp" in twice else "timestamp_x"
        stamps = twice[column]
        raise UsageError(
            "E-VERIFY-OVERLAP",
            say(
                "{count} intervals from {start} to {end} are in both periods",
                count=stamps.nunique(),
                start=stamps.min(),
                end=stamps.max() + before.interval,
            ),
            where,
            say("cut the exports so that every interval belongs to one period"),
        )


def _overlap_keys(telemetry: Telemetry) -> list[str]:
    """Return what makes a row the same: of a data centre, whose name may be that of its file, the time."""
    return ["timestamp"] if telemetry.kind == "data-centre" else list(KEY_COLUMNS)


def _one_site(before: Telemetry, after: Telemetry) -> str:
    if len(before.site_ids) != 1 or before.site_ids != after.site_ids:
        raise UsageError(
            "E-VERIFY-SITES",
            say(
                "before holds the sites {one}; after holds {other}",
                one=Message.joined(", ", before.site_ids[:5]),
                other=Message.joined(", ", after.site_ids[:5]),
            ),
            "--before, --after",
            say("give two periods of one data centre"),
        )
    return before.site_ids[0]


def _check_columns(telemetry: Telemetry, period: str) -> None:
    missing = [c for c in NEEDED if not telemetry.has(c)]
    if missing:
        raise InsufficientDataError(
            "E-VERIFY-INPUTS",
            say(
                "the saving of a change cannot be told without columns that are not in the export: {missing}",
                missing=Message.joined(", ", missing),
            ),
            f"--{period}",
            say("export them for both periods; {helpful} make the answer firmer",
                helpful=Message.joined(", ", ("cooling_power_kw", "zone_set_point_c", "server_inlet_temp_c",
                                              "cpu_utilisation"))),
        )  # fmt: skip


def _hourly(telemetry: Telemetry) -> Telemetry:
    """Return hourly means of the site's own rows: an hour counts where half of its steps are known.

    Errors of minutes are alike; hours say as much of a saving, and Guideline 14 has limits for them.
    """
    hour = pd.Timedelta(hours=1)
    if telemetry.interval >= hour:
        return telemetry
    frame = telemetry.frame[telemetry.frame["unit_id"] == ""]
    numbers = frame[[c for c in telemetry.value_columns if not SCHEMA[c].text]]
    grouped = numbers.groupby(frame["timestamp"].dt.floor("h"))
    means = grouped.mean().where(grouped.count() >= 0.5 * hour / telemetry.interval)
    keys = pd.DataFrame({"site_id": telemetry.site_ids[0], "unit_id": ""}, index=means.index)
    table = keys.join(means).rename_axis("timestamp").reset_index()
    return replace(telemetry, frame=table, interval=hour)


def _together(before: Telemetry, after: Telemetry, site: str) -> Telemetry:
    """Return both as one telemetry of one site; the zone of the first period holds."""
    step = before.interval
    phases = {(t.frame["timestamp"].iloc[0] - pd.Timestamp(0, tz="UTC")) % step for t in (before, after)}
    if len(phases) > 1:
        raise UsageError(
            "E-VERIFY-INTERVAL",
            say("the intervals of the two periods do not begin at the same minute"),
            "--before, --after",
            say("export both periods with the same interval"),
        )
    frame = pd.concat([before.frame, after.frame.assign(site_id=site)], ignore_index=True)
    frame = frame[frame["unit_id"] == ""].sort_values("timestamp", ignore_index=True)
    return replace(before, frame=frame, issues=(), sources=(*before.sources, *after.sources))


def _common_levers(operation: Operation, before: Telemetry, after: Telemetry) -> tuple[str, ...]:
    return tuple(n for n in operation.levers if before.has(n) and after.has(n))


def _switches(before: BoolArray, after: BoolArray) -> int:
    """Return how often one period follows the other."""
    side = after[before | after].astype(np.int64)
    return int(np.abs(np.diff(side)).sum())
