"""One site, read and cut off at the end of the known past."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from advisor.site import Site, read_site
from app.batch.choice import Chosen, choose
from app.batch.model_folder import ModelFolder
from app.batch.sites import SiteSource, check_parquet_rows, fingerprint
from app.service.check import Rows, count_rows
from app.service.reading import Exports, in_zone, read
from features import base_station, data_centre
from features.errors import DataError, InsufficientDataError, UnreadableFileError, UsageError
from features.frame import FloatArray
from features.message import say, term
from features.schema import SCHEMA
from features.telemetry import Telemetry, TimeZone

HISTORY_DAYS = 60
"""How much of the past is used; older rows cost time and say little about tomorrow."""
STALE_DAYS = 7
"""A site without a measured value for this long cannot be predicted."""
DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class Day:
    """Today and tomorrow in UTC: ``start`` <= today < ``end`` <= tomorrow < ``next_end``."""

    start: pd.Timestamp
    end: pd.Timestamp
    next_end: pd.Timestamp


@dataclass(frozen=True)
class Series:
    """One measured quantity of the site, or of one of its stations, on a fixed grid.

    Parameters
    ----------
    unit_id : str
        The station, where the site holds several; "" for the site itself.
    quantity : str
    first : pandas.Timestamp
        First grid point (UTC).
    measured : numpy.ndarray, shape (steps,)
        Measured values up to the end of the past [unit of the quantity].
    """

    unit_id: str
    quantity: str
    first: pd.Timestamp
    measured: FloatArray


@dataclass(frozen=True)
class Prepared:
    """A site that can be scored.

    Parameters
    ----------
    source : SiteSource
    site : Site or None
        What its ``site.toml`` declares.
    past : Telemetry
        The last `HISTORY_DAYS` before the end of the known past.
    day : Day
    chosen : Chosen
    series : tuple of Series
        Quantities measured in the past, main quantity first.
    rows : Rows
        Account of the rows of the exports.
    last : pandas.Timestamp
        End of the last interval with a measured quantity (UTC).
    """

    source: SiteSource
    site: Site | None
    past: Telemetry
    day: Day
    chosen: Chosen
    series: tuple[Series, ...]
    rows: Rows
    last: pd.Timestamp

    @property
    def steps_per_day(self) -> int:
        """Intervals of a day."""
        return round(DAY / self.past.interval)

    @property
    def main_quantity(self) -> str:
        """The quantity that stands for the site's energy."""
        return self.series[0].quantity

    @property
    def stations(self) -> int:
        """Sites inside the telemetry: stations of a base-station site, one for a data centre."""
        return len(self.past.site_ids)

    @cached_property
    def past_as_known(self) -> Telemetry:
        """The past under the name by which a data centre's models know the site."""
        known = self.chosen.known_as
        if not known or known == self.past.site_ids[0]:
            return self.past
        return replace(self.past, frame=self.past.frame.assign(site_id=known))

    @cached_property
    def data_hash(self) -> str:
        """SHA-256 of the past."""
        return self.past.content_hash()


def day_of(as_of: date, zone: TimeZone) -> Day:
    """Return a date and the one after it in a site's local time."""
    return Day(*(_midnight(as_of + timedelta(days=n), zone) for n in range(3)))


def _midnight(day: date, zone: TimeZone) -> pd.Timestamp:
    # where clocks change at midnight, the day begins with the first of its moments
    local = pd.Timestamp(day).tz_localize(zone.tzinfo(), ambiguous=True, nonexistent="shift_forward")
    return local.tz_convert("UTC")


def prepare(source: SiteSource, as_of: date, models: ModelFolder) -> Prepared:
    """Read a site and cut it off at the end of the known past.

    Raises
    ------
    features.errors.AdvisorError
        The site cannot be scored; the code says why.
    """
    if source.problem:
        raise UnreadableFileError("E-SITE-FILES", source.problem, source.path, say("check names and rights"))
    path = Path(source.path)
    site = None if source.site_file is None else read_site(source.site_file)
    check_parquet_rows(path)
    telemetry, readings = read(Exports((path,), None, source.mapping_file))
    if site is not None and site.time_zone is not None:
        telemetry = in_zone(telemetry, site.time_zone)
    if site is not None and site.kind != telemetry.kind:
        raise UsageError(
            "E-SITE-KIND",
            say(
                "site.toml says {kind}, the export is of a {found}",
                kind=term(site.kind),
                found=term(telemetry.kind),
            ),
            str(path),
            say("correct 'kind' in site.toml"),
        )
    if fingerprint(path) != source.digest:
        raise DataError(
            "E-SITE-CHANGED",
            say("the files changed while the batch ran"),
            str(path),
            say("run the batch again"),
        )
    day = day_of(as_of, telemetry.zone)
    past = telemetry.as_of(day.end)
    begin = day.end - HISTORY_DAYS * DAY
    if len(past.frame) and past.frame["timestamp"].min() < begin:
        past = past.between(begin, day.end)
    _check_past(telemetry, past, as_of, str(path))
    series, last = _series(past, day)
    if not series:
        raise InsufficientDataError(
            "E-SITE-NO-VALUES",
            say(
                "no power or energy was measured in the {days} days before the end of {as_of}",
                days=HISTORY_DAYS,
                as_of=as_of,
            ),
            str(path),
            say("export a meter with values"),
        )
    if day.end - last >= STALE_DAYS * DAY:
        raise InsufficientDataError(
            "E-SITE-STALE",
            say(
                "the last measured value is of {last}, {days} days or more before", last=last, days=STALE_DAYS
            ),
            str(path),
            say("export the days up to the date of the batch"),
        )
    chosen = choose(models, source.site_id, site.id if site else "", past)
    return Prepared(source, site, past, day, chosen, series, count_rows(readings), last)


def _check_past(telemetry: Telemetry, past: Telemetry, as_of: date, where: str) -> None:
    if past.frame.empty:
        start, end = telemetry.span
        raise InsufficientDataError(
            "E-SITE-NO-PAST",
            say(
                "the export covers {start} to {end}: nothing in the {days} days up to {as_of}",
                start=start,
                end=end,
                days=HISTORY_DAYS,
                as_of=as_of,
            ),
            where,
            say("export the days up to the date of the batch, or choose another --as-of"),
        )
    if DAY % past.interval != pd.Timedelta(0):
        raise InsufficientDataError(
            "E-SITE-INTERVAL",
            say("steps of {interval} do not divide a day", interval=past.interval),
            where,
            say("export hourly values"),
        )


def _series(past: Telemetry, day: Day) -> tuple[tuple[Series, ...], pd.Timestamp]:
    """Return every measured quantity on a grid, and the end of the last measured interval."""
    own = past.frame[past.frame["unit_id"] == ""]
    centre = past.kind == "data-centre"
    wanted = data_centre.QUANTITIES if centre else base_station.ENERGY_COLUMNS
    found: list[Series] = []
    last = pd.Timestamp.min.tz_localize("UTC")
    for site_id, rows in own.groupby("site_id", sort=True):
        stamps = rows["timestamp"].reset_index(drop=True)
        first = stamps.iloc[0]
        steps = int((day.end - first) // past.interval)
        place = ((stamps - first) // past.interval).to_numpy(dtype=np.int64)
        for quantity in wanted:
            measured = (
                data_centre.measured_quantity(rows, quantity)
                if centre
                else rows.get(quantity, pd.Series(np.nan, index=rows.index))
            )
            known = measured.notna().to_numpy()
            if not known.any():
                continue
            values = np.full(steps, np.nan)
            values[place] = measured.to_numpy(dtype=np.float64)
            unit = "" if len(past.site_ids) == 1 else str(site_id)
            found.append(Series(unit, quantity, first, values))
            last = max(last, stamps[known].iloc[-1] + past.interval)
    order = {q: i for i, q in enumerate(wanted)}
    return tuple(sorted(found, key=lambda s: (order[s.quantity], s.unit_id))), last


def floor_of(quantity: str) -> float:
    """Return the smallest physical value of a quantity [its unit]."""
    return SCHEMA[quantity].lower
