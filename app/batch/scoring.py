"""Scoring a chunk of sites: the function that workers run. One bad site never touches another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pandas as pd
import pyarrow as pa

from app.batch.bands import Bands, bands_of, data_centre_bands
from app.batch.chunk import Chunk
from app.batch.failure import Failure, quarantined
from app.batch.judge import drift_of, outside, today
from app.batch.limits import SiteTimeoutError, limited
from app.batch.prepare import Prepared, prepare
from app.batch.row import scored_row
from app.batch.sites import SiteSource
from app.batch.stations import station_bands
from app.batch.tables import Tables, chunk_schema, concatenated, table_of
from app.batch.tomorrow import BASIS, plan_tomorrow
from features.errors import AdvisorError, ModelError
from features.message import say
from models.base_station import BaseStationBundle
from models.data_centre import DataCentreBundle

T = TypeVar("T")


def score_sites(chunk: Chunk) -> Tables:
    """Score every site of a chunk.

    Returns
    -------
    dict
        Every table of `app.batch.tables.STAGED`; a site that fails has one row in ``sites``, which says why.
    """

    def prepared_one(source: SiteSource) -> Prepared | Failure:
        return guarded(lambda: prepare(source, chunk.as_of, chunk.models), chunk.seconds)

    sites = [prepared_one(source) for source in chunk.sites]
    stations = [
        s for s in sites if isinstance(s, Prepared) and isinstance(s.chosen.bundle, BaseStationBundle)
    ]
    together = guarded(lambda: station_bands(stations), chunk.seconds * max(len(stations), 1))

    def tables(source: SiteSource, site: Prepared | Failure) -> Tables:
        done = (
            site
            if isinstance(site, Failure)
            else guarded(lambda: _scored(site, together, chunk.version), chunk.seconds)
        )
        return quarantined(source, done, chunk.version) if isinstance(done, Failure) else done

    return concatenated([tables(*pair) for pair in zip(chunk.sites, sites, strict=True)])


def guarded(work: Callable[[], T], seconds: float) -> T | Failure:
    """Return what `work` returns, or the failure that it ended with."""
    try:
        with limited(seconds):
            return work()
    except (Exception, SiteTimeoutError) as error:  # the site is quarantined with it, whatever it is
        return Failure.of(error)


def _scored(prepared: Prepared, together: dict[str, Bands | AdvisorError] | Failure, version: str) -> Tables:
    modelled, note = _modelled(prepared, together)
    bands = bands_of(prepared, modelled)
    if note is not None:
        bands = replace(bands, notes=(note, *bands.notes))
    unusual = outside(today(bands.recent, prepared.day))
    tomorrow = plan_tomorrow(prepared)
    drift = drift_of(bands.recent, bands.steps, bands.watched, prepared.day.end)
    row = scored_row(prepared, bands, tomorrow, drift, anomalies=len(unusual), version=version)
    origin = {"data_hash": prepared.data_hash, "version": version}
    plan = tomorrow.schedule.assign(
        site_id=prepared.source.site_id, basis=BASIS, model_id=str(row["model_id"]), **origin
    )
    return {
        "predictions": _arrow("predictions", bands.ahead.assign(**origin)),
        "anomalies": _arrow("anomalies", unusual.assign(**origin)),
        "plans": _arrow("plans", plan),
        "sites": table_of("sites", [row]),
    }


def _modelled(
    prepared: Prepared, together: dict[str, Bands | AdvisorError] | Failure
) -> tuple[Bands | None, tuple[str, str] | None]:
    """Return what the models say, and why they say nothing where they should."""
    bundle = prepared.chosen.bundle
    if bundle is None:
        return None, None
    if isinstance(bundle, DataCentreBundle):
        return data_centre_bands(prepared, bundle), None
    if isinstance(together, Failure):  # another site of the chunk broke the common call: this one alone
        answer = station_bands([prepared])[prepared.source.site_id]
    elif prepared.source.site_id in together:
        answer = together[prepared.source.site_id]
    else:
        answer = ModelError("F-MODEL-QUANTITY", say("the models predict none of the measured energies"))
    if isinstance(answer, AdvisorError):
        return None, (answer.code, str(answer.what))
    return answer, None


def _arrow(name: str, table: pd.DataFrame) -> pa.Table:
    """Return rows in the chunk's schema."""
    schema = chunk_schema(name)
    if table.empty:
        return schema.empty_table()
    ordered = table[schema.names]
    return pa.Table.from_pandas(ordered, schema=schema, preserve_index=False).replace_schema_metadata(None)
