"""Base-station sites of a chunk that share their models are predicted together: one call for many.

Nothing passes from one site to another: every site's stations get names of their own (so that neither a
namesake of another site nor one of the training data lends its measured hours), and the offset between
the clocks of meter and cells is found per site.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from app.batch.bands import RECENT_DAYS, Bands, padded, with_measured
from app.batch.prepare import DAY, Prepared
from features.base_station import build
from features.errors import AdvisorError, InsufficientDataError
from features.frame import FeatureFrame
from features.message import say
from features.operation import BoolArray
from features.schema import KEY_COLUMNS
from features.station_clock import offset_in
from features.telemetry import Telemetry
from models.base_station import BaseStationBundle
from models.prediction import OUTPUT_COLUMNS, Task
from models.regime import daily_levels, regime_steps
from models.station_fingerprint import IntArray
from models.station_power import Seen, StationModel

_MARK = "/"


def station_bands(sites: Sequence[Prepared]) -> dict[str, Bands | AdvisorError]:
    """Return what the models say of sites that all have models of base stations.

    Parameters
    ----------
    sites : sequence of Prepared
        Their ``chosen.bundle`` is a `BaseStationBundle`.

    Returns
    -------
    dict
        Site id -> bands, or why the models cannot answer for that site.
    """
    groups: dict[tuple[str, str, str], list[Prepared]] = defaultdict(list)
    failed: dict[str, AdvisorError] = {}
    for one in sites:
        if not one.past.has("prb_utilisation"):  # alone it would be refused; beside others it must be too
            failed[one.source.site_id] = InsufficientDataError(
                "E-STATION-LOAD", say("no cell has a load (prb_utilisation)"), one.source.path,
                say("add the export with the cells' PRB utilisation"),
            )  # fmt: skip
            continue
        bundle = one.chosen.bundle
        assert isinstance(bundle, BaseStationBundle)  # noqa: S101 - the caller's promise
        for quantity in bundle.models:
            if any(s.quantity == quantity for s in one.series):
                groups[(bundle.card.model_id, quantity, one.past.zone.name)].append(one)
    told: dict[str, list[Bands]] = defaultdict(list)
    for (_, quantity, _), members in groups.items():
        for site_id, answer in _group(members, quantity).items():
            if isinstance(answer, AdvisorError):
                failed[site_id] = answer
            else:
                told[site_id].append(answer)
    joined: dict[str, Bands | AdvisorError] = {
        site_id: Bands(
            pd.concat([b.ahead for b in parts], ignore_index=True),
            pd.concat([b.recent for b in parts], ignore_index=True),
            steps=tuple(s for b in parts for s in b.steps),
            watched=sum(b.watched for b in parts),
        )
        for site_id, parts in told.items()
    }
    return failed | joined


def _group(members: Sequence[Prepared], quantity: str) -> dict[str, Bands | AdvisorError]:
    try:
        return dict(_together(members, quantity))
    except AdvisorError as error:
        if len(members) == 1:
            return {members[0].source.site_id: error}
    answers: dict[str, Bands | AdvisorError] = {}
    for one in members:  # one of them has no loads, say: the others are answered all the same
        answers |= _group([one], quantity)
    return answers


def _together(members: Sequence[Prepared], quantity: str) -> dict[str, Bands]:
    bundle = members[0].chosen.bundle
    assert isinstance(bundle, BaseStationBundle)  # noqa: S101 - the caller's promise
    model = bundle.models[quantity]
    telemetry = _joined(members)
    frame = build(telemetry, quantity)
    number = frame.keys["site_id"].str.split(_MARK, n=1).str[0].to_numpy().astype(np.int64)
    offsets = [_offset(frame.rows(number == n), telemetry, model) for n in range(len(members))]
    told: dict[str, Bands] = {}
    for offset in sorted(set(offsets)):
        same = [n for n, found in enumerate(offsets) if found == offset]
        ours = np.isin(number, same)
        shown = frame if offset == 0 else build(telemetry, quantity, offset)
        told |= _predicted(members, shown.rows(ours), number[ours], model, bundle.card.model_id)
    return told


def _joined(members: Sequence[Prepared]) -> Telemetry:
    """Return the sites' past as one, with empty rows for tomorrow and stations named apart."""
    frames = []
    for n, one in enumerate(members):
        day, step = one.day, one.past.interval
        series = one.series[0]
        ahead = day.end + (series.first - day.end) % step
        tomorrow = pd.date_range(ahead, day.next_end, freq=step, inclusive="left")
        frame = padded(one.past.frame, tomorrow)
        frames.append(frame.assign(site_id=f"{n:06d}{_MARK}" + frame["site_id"]))
    first = members[0].past
    ordered = pd.concat(frames, ignore_index=True).sort_values(list(KEY_COLUMNS), kind="stable")
    for name in ordered.columns:
        if ordered[name].dtype == object:
            ordered[name] = ordered[name].astype("str")
    return replace(first, frame=ordered.reset_index(drop=True), issues=(), sources=())


def _offset(frame: FeatureFrame, telemetry: Telemetry, model: StationModel) -> int:
    """Return a site's own clock offset [intervals]; that of the training exports where it shows none."""
    seen = offset_in(frame, telemetry.interval)
    return seen.intervals if seen.stations else model.offset


def _predicted(
    members: Sequence[Prepared],
    frame: FeatureFrame,
    number: IntArray,
    model: StationModel,
    model_id: str,
) -> dict[str, Bands]:
    stamps = frame.keys["timestamp"]
    end = pd.Series([m.day.end for m in members]).iloc[number].reset_index(drop=True)
    ahead = (stamps >= end).to_numpy()
    recent = ~ahead & (stamps >= end - RECENT_DAYS * DAY).to_numpy()
    names = frame.keys["site_id"].unique()
    model = model.renamed({str(n): str(n).split(_MARK, 1)[1] for n in names})
    seen = model.look_at(frame)
    rows: dict[Task, BoolArray] = {"forecast": ahead, "estimate": recent}
    tables = {
        task: replace(model.answer(seen, task, only=only), model_id=model_id).to_frame()
        for task, only in rows.items()
    }
    numbers = {"forecast": number[ahead], "estimate": number[recent]}
    told = {}
    for n in np.unique(number):
        one = members[int(n)]
        mine = {task: _own(table[numbers[task] == n], one) for task, table in tables.items()}
        steps, watched = _steps(seen, ~ahead & (number == n), one)
        told[one.source.site_id] = Bands(
            mine["forecast"],
            with_measured(mine["estimate"], one, "estimate"),
            steps=steps,
            watched=watched,
        )
    return told


def _steps(seen: Seen, rows: BoolArray, one: Prepared) -> tuple[tuple[pd.Timestamp, ...], int]:
    """Return when steps of a site's stations were noticed, and how many stations were watched.

    Measured energies are compared with what configuration and work alone let expect: an answer that knows
    the station's other hours would follow a step.
    """
    frame, point = seen.frame.rows(rows), np.exp(seen.log_config[rows])
    measured, steps, watched = frame.target(), list[pd.Timestamp](), 0
    for place in frame.keys.groupby("site_id", sort=False).indices.values():
        stamps = frame.keys["timestamp"].iloc[place]
        days = daily_levels(stamps, measured[place], point[place], one.past.interval)
        steps += [step.noticed for step in regime_steps(days)]
        watched += 1
    return tuple(steps), watched


def _own(table: pd.DataFrame, one: Prepared) -> pd.DataFrame:
    """Return rows under the site's own name."""
    station = table["site_id"].str.split(_MARK, n=1).str[1]
    unit: str | pd.Series = "" if one.stations == 1 else station
    rows = table.assign(site_id=one.source.site_id, unit_id=unit)[list(OUTPUT_COLUMNS)]
    return rows[rows["point"].notna()].reset_index(drop=True)
