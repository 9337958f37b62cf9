"""What one decision about a data centre starts from: its operation, models, set-points and limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from advisor.envelope import limits_of, permitted
from advisor.holds import holds_of
from advisor.plan import Limit, Problem
from advisor.site import LeverRange, Site
from features.errors import ModelError, UsageError
from features.frame import FloatArray
from features.issues import DataIssue
from features.levers import AIRFLOW, PLANT_LEVERS, scale_of, setting
from features.message import Message, say, term
from features.operation import Operation, operation_of
from features.telemetry import Telemetry
from models.bundle import Bundle
from models.data_centre import DataCentreBundle, WhatIf

OUTSIDE_K = 0.5
"""A declared set-point this far outside what was explored has no baseline [K], or as much in another unit."""


@dataclass(frozen=True)
class Case:
    """One site's decision: everything that proposing and verifying need."""

    operation: Operation
    what_if: WhatIf
    site: Site
    problem: Problem
    start: pd.Timestamp
    end: pd.Timestamp
    pv_kw: FloatArray | None
    why_not: tuple[str, ...]


def case_of(
    telemetry: Telemetry,
    bundle: Bundle,
    site: Site | None,
    window: tuple[pd.Timestamp | None, pd.Timestamp | None],
    seed: int,
    issues: list[DataIssue],
) -> Case:
    """Return the decision's facts for a window (UTC); findings about the data are added to `issues`.

    Raises
    ------
    features.errors.AdvisorError
        See `advisor.advise.advise`.
    """
    if not isinstance(bundle, DataCentreBundle):
        raise ModelError(
            "E-MODEL-KIND",
            say("the model is one of a {kind}", kind=term(bundle.card.kind)),
            "",
            say("train a model on this export"),
        )
    site_id = _one_site(telemetry, site)
    models, said = bundle.models_of(site_id)
    issues += said
    operation = operation_of(telemetry, site_id)
    issues += _left_out(telemetry, operation)
    what_if = models.what_if or WhatIf(
        (), {}, (say("the model directory holds no what-if model for this site"),)
    )
    declared = _complete(site, site_id, operation, issues)
    start, end = _window(telemetry, operation, *window)
    limits, inside = limits_of(declared, issues), operation.between(start, end)
    current = {n: declared.current[n] for n in operation.levers}
    problem = Problem(
        site_id=declared.id if site else site_id,
        start=start.isoformat(),
        end=end.isoformat(),
        current=current,
        candidates=_candidates(operation, what_if, declared, limits, inside),
        limits=limits,
        model_id=bundle.card.model_id,
        data_hash=telemetry.content_hash(),
        seed=seed,
        options={"sensor_error_k": declared.limits.sensor_error_k, "zone": telemetry.zone.name},
        holds=holds_of(declared, inside, current, telemetry.zone),
    )
    series = telemetry.site_series(site_id)
    pv = series["pv_power_kw"].reindex(operation.stamps).to_numpy() if "pv_power_kw" in series else None
    return Case(operation, what_if, declared, problem, start, end, pv, _why_not(operation, what_if, problem))


def _left_out(telemetry: Telemetry, operation: Operation) -> list[DataIssue]:
    """Return the levers of the export that are known too seldom to be judged."""
    series = telemetry.site_series(operation.site_id)
    gone = [n for n in PLANT_LEVERS if n in series and series[n].notna().any() and n not in operation.levers]
    return [
        DataIssue(
            "D-LEVER-GAPS",
            "warning",
            operation.site_id,
            say(
                "{lever} is missing in {share:.0f} % of the rows",
                lever=n,
                share=100 * series[n].isna().mean(),
            ),
            say("export it at every step"),
            say("nothing is claimed of this lever"),
            int(series[n].isna().sum()),
        )
        for n in gone
    ]


def _one_site(telemetry: Telemetry, site: Site | None) -> str:
    if site is not None and site.kind != "data-centre":
        raise UsageError(
            "E-SITE-KIND",
            say("site {id!r} is a {kind}, the export a data centre", id=site.id, kind=term(site.kind)),
            "site.toml",
            "",
        )
    if site is not None and site.id in telemetry.site_ids:
        return site.id
    if len(telemetry.site_ids) > 1:
        raise UsageError(
            "E-ADVISE-SITES",
            say("the export holds {count} sites", count=len(telemetry.site_ids)),
            Message.joined(", ", telemetry.site_ids[:5]),
            say("give one site's export at a time"),
        )
    return telemetry.site_ids[0]


def _window(
    telemetry: Telemetry, operation: Operation, start: pd.Timestamp | None, end: pd.Timestamp | None
) -> tuple[pd.Timestamp, pd.Timestamp]:
    first, last = operation.stamps[0], operation.stamps[-1] + telemetry.interval
    begin, stop = start if start is not None else first, end if end is not None else last
    if not first <= begin < stop <= last:
        zone = telemetry.zone.tzinfo()
        raise UsageError(
            "E-WINDOW",
            say(
                "the window {start} to {end} does not lie inside the export",
                start=begin.tz_convert(zone),
                end=stop.tz_convert(zone),
            ),
            say(
                "the export covers {first} to {last}",
                first=first.tz_convert(zone),
                last=last.tz_convert(zone),
            ),
            say(
                "choose --start and --end inside it: the plan is judged under the export's own "
                "weather and work"
            ),
        )
    if (begin - first) % telemetry.interval or (stop - first) % telemetry.interval:
        raise UsageError(
            "E-WINDOW",
            say(
                "the window does not begin and end with a step of the export ({interval})",
                interval=telemetry.interval,
            ),
            "--start, --end",
            say("choose moments at which a step of the export begins"),
        )
    return begin, stop


def _complete(site: Site | None, site_id: str, operation: Operation, issues: list[DataIssue]) -> Site:
    """Return the site with set-points for every lever; what was not declared is labelled assumed."""
    declared = site or Site(id=site_id)
    usual = {
        name: _usual(v[np.isfinite(v)], 0.5 * scale_of(name).kelvin)
        for name, v in operation.levers.items()
        if name not in declared.current
    }
    if usual:
        said = Message.joined(
            ", ", (say("{lever} = {value}", lever=n, value=setting(n, v)) for n, v in usual.items())
        )
        issues.append(
            DataIssue(
                "D-CURRENT-ASSUMED",
                "warning",
                site_id,
                say("set-points in force were not declared; most often in force: {said}", said=said),
                say("declare them under [current] in site.toml"),
                say("savings count from these values"),
                0,
            )
        )
    return declared.model_copy(
        update={
            "current": {**usual, **declared.current},
            "assumed": (*declared.assumed, *(f"current.{n}" for n in usual)),
        }
    )


def _usual(set_points: FloatArray, width: float) -> float:
    """Return the set-point most often in force: read-back noise within `width` must not choose among them."""
    values = pd.Series(set_points)
    near = (values / width).round()
    return float(values[near == near.mode().iloc[0]].median())


def _candidates(
    operation: Operation, what_if: WhatIf, site: Site, limits: tuple[Limit, ...], window: Operation
) -> dict[str, tuple[float, ...]]:
    """Return what may be recommended: identified, explored and, where declared, permitted values."""
    result: dict[str, tuple[float, ...]] = {}
    for name in what_if.levers:
        if name not in operation.levers:
            continue  # `_why_not` says so
        evidence = what_if.evidence[name]
        low, high, step = evidence["low_c"], evidence["high_c"], scale_of(name).step
        reach = site.levers.get(name, None if site.levers else LeverRange(lower=low, upper=high))
        if reach is None:
            result[name] = (site.current[name],)
            continue
        low, high, step = max(low, reach.lower), min(high, reach.upper), reach.step
        if operation.inlet_c is None:  # nobody sees a warmer aisle
            if name == AIRFLOW:
                low = max(low, site.current[name])
            elif name not in PLANT_LEVERS:
                high = min(high, site.current[name])
        first = np.ceil(low / step - 1e-9)
        count = int(np.floor(high / step + 1e-9) - first) + 1
        values = tuple(float(round((first + k) * step, 6)) for k in range(max(count, 0)))
        values = permitted(name, values, site.current[name], window, limits, site.limits.sensor_error_k)
        result[name] = values or (site.current[name],)
    return result


def _why_not(operation: Operation, what_if: WhatIf, problem: Problem) -> tuple[str, ...]:
    """Return why nothing may be proposed, or nothing."""
    if what_if.proposer is None:
        return what_if.reasons
    if set(what_if.levers) - set(operation.levers):
        return (say("the export lacks a set-point that the models were fitted on"),)
    reasons = []
    for name in what_if.levers:
        low, high, now = (
            what_if.evidence[name]["low_c"],
            what_if.evidence[name]["high_c"],
            problem.current[name],
        )
        outside = OUTSIDE_K * scale_of(name).kelvin
        if not low - outside <= now <= high + outside:
            reasons.append(
                say(
                    "the declared {name} of {now} was never in force (explored {low:g} to {high}): the "
                    "baseline cannot be predicted",
                    name=name,
                    now=setting(name, now),
                    low=low,
                    high=setting(name, high),
                )
            )
    return tuple(reasons)
