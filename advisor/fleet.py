"""One fleet's decision: the export, the energy without a plan, and what a unit of it is worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from advisor.site import Site
from advisor.sleep import cell_rows, station_rows
from advisor.sleep_verify import FleetEnergy, Scale
from features.errors import InsufficientDataError, ModelError, UsageError
from features.frame import FeatureFrame, FloatArray
from features.issues import DataIssue
from features.message import Message, say, term
from features.telemetry import Telemetry
from models.base_station import BaseStationBundle
from models.bundle import Bundle
from models.prediction import Prediction


@dataclass(frozen=True)
class Export:
    """What was measured: features of `quantity` with clock `offset` [intervals], cells, window (UTC).

    The cells are those of stations that the model knows: sleep is proposed for no other.
    """

    telemetry: Telemetry
    quantity: str
    offset: int
    frame: FeatureFrame
    cells: pd.DataFrame
    site: Site | None
    window: tuple[pd.Timestamp, pd.Timestamp]
    model_id: str
    seed: int


@dataclass(frozen=True)
class Case(Export):
    """An export with its energy without a plan and what that is worth."""

    fleet: FleetEnergy
    scale: Scale


def case_of(
    telemetry: Telemetry,
    bundle: Bundle,
    site: Site | None,
    window: tuple[pd.Timestamp | None, pd.Timestamp | None],
    *,
    seed: int,
    issues: list[DataIssue],
) -> Case:
    """Return the decision's facts; findings about the data are added to `issues`.

    Raises
    ------
    ModelError
        The model is of another kind.
    UsageError
        The site is of another kind, or the window lies outside the export.
    InsufficientDataError
        No station's energy is measured.
    """
    if not isinstance(bundle, BaseStationBundle):
        raise ModelError(
            "E-MODEL-KIND",
            say("the model is one of a {kind}", kind=term(bundle.card.kind)),
            "",
            say("train a model on this export"),
        )
    if site is not None and site.kind != "base-station":
        raise UsageError(
            "E-SITE-KIND",
            say("site {id!r} is a {kind}, the export holds base stations", id=site.id, kind=term(site.kind)),
            "site.toml",
            "",
        )
    measured = [q for q in bundle.models if telemetry.has(q)]
    if not measured:
        raise InsufficientDataError(
            "E-ADVISE-ENERGY",
            say("no station's energy is measured in the export"),
            "",
            say("add the export with the stations' energy: the effect of sleep is measured, not assumed"),
        )
    quantity = measured[0]
    frame, found = bundle.features(telemetry, quantity)
    issues += found
    if site is None or site.limits.prb_utilisation_max is None:
        issues.append(
            DataIssue(
                "D-LIMIT-ASSUMED",
                "warning",
                "limits.prb_utilisation_max",
                say(
                    "no load limit for sleep was declared: the load range in which each mode was used is "
                    "taken"
                ),
                say("declare limits.prb_utilisation_max in site.toml"),
                say("cells above it are not put to sleep"),
            )
        )
    offset = bundle.clock(telemetry, quantity).intervals
    prediction = bundle.models[quantity].predict(frame)
    strange = strange_stations(prediction)
    if strange:
        issues.append(_no_claim(strange))
    cells = cell_rows(telemetry)
    export = Export(
        telemetry, quantity, offset, frame, cells[~cells["site_id"].isin(strange)].reset_index(drop=True),
        site, _window(telemetry, *window), bundle.card.model_id, seed,
    )  # fmt: skip
    return Case(**vars(export), fleet=_fleet_energy(export, prediction.point), scale=_scale(export))


def strange_stations(prediction: Prediction) -> list[str]:
    """Return the stations of which most intervals lie outside what the model was trained on.

    A product that nobody measured may answer to sleep in its own way: nothing is claimed for it.
    """
    inside = pd.Series(prediction.in_domain).groupby(prediction.keys["site_id"].to_numpy()).mean()
    return [str(name) for name in inside.index[inside < 0.5]]


def _no_claim(strange: list[str]) -> DataIssue:
    return DataIssue(
        "D-SLEEP-DOMAIN",
        "warning",
        Message.joined(", ", strange[:3]),
        say(
            "{count} stations are of products or configurations that the model was not trained on",
            count=len(strange),
        ),
        say("train again with measured energies of such stations"),
        say("no sleep is proposed there and no saving is claimed"),
        len(strange),
    )


def _window(
    telemetry: Telemetry, start: pd.Timestamp | None, end: pd.Timestamp | None
) -> tuple[pd.Timestamp, pd.Timestamp]:
    first, last = telemetry.span
    begin, stop = start if start is not None else first, end if end is not None else last
    if not first <= begin < stop <= last:
        raise UsageError(
            "E-WINDOW",
            say("the window {start} to {end} does not lie inside the export", start=begin, end=stop),
            say("the export covers {first} to {last}", first=first, last=last),
            say("choose --start and --end inside it: the plan is judged under the export's own load"),
        )
    return begin, stop


def _fleet_energy(case: Export, point: FloatArray) -> FleetEnergy:
    """Return the energy of every station and interval of the window, predicted where it was not metered."""
    measured = case.frame.target()
    metered = measured > 0
    rows = station_rows(case.frame, case.telemetry, case.offset)
    rows["energy"] = np.where(metered, measured, point)
    inside = ((rows["stamp"] >= case.window[0]) & (rows["stamp"] < case.window[1])).to_numpy()
    total = rows.loc[inside, "energy"].sum()
    # a row whose cells' stamp is absent counts in the fleet's energy but belongs to no cell row
    stamp = rows["stamp"].where(~rows["filled"])
    table = rows.assign(timestamp=stamp)[["site_id", "timestamp", "energy"]][inside].reset_index(drop=True)
    return FleetEnergy(table, float(rows.loc[inside & metered, "energy"].sum() / total))


def _scale(case: Export) -> Scale:
    """Return what the energy is worth, where it is physical or declared."""
    site = case.site
    kwh = {
        "station_energy_kwh": 1.0,
        "station_power_w": case.telemetry.hours / 1000.0,
        "station_energy_rel": site.energy_unit_kwh if site else None,
    }[case.quantity]
    if site is None:
        return Scale(kwh)
    return Scale(
        kwh,
        site.price_per_kwh,
        site.carbon_kg_per_kwh,
        site.green.grid_share if site.green else None,
    )
