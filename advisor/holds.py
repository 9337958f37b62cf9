"""Hours in which set-points are not a plan's to move, and how fast a plan may move them otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from advisor.envelope import bound_of
from advisor.plan import INLET_RATE, Hold, Plan, Problem
from advisor.site import Site
from features.frame import FloatArray
from features.levers import AIR_LEVERS
from features.message import say
from features.operation import BoolArray, Operation
from features.telemetry import TimeZone


def holds_of(site: Site, operation: Operation, current: dict[str, float], zone: TimeZone) -> tuple[Hold, ...]:
    """Return the hours of an export in which set-points hold: without a spare unit, then the customer's.

    Parameters
    ----------
    site : Site
    operation : Operation
        The planned steps; their IT power is the heat that the units carry.
    current : dict
        Lever -> set-point in force [degC].
    zone : TimeZone
        Of the export's stamps.
    """
    holds = []
    if site.limits.redundancy is not None:
        spare = site.limits.redundancy
        day = pd.Series(operation.stamps.tz_convert(zone.tzinfo()).normalize())
        short = day[np.nan_to_num(operation.it_kw) > spare.remaining_kw].drop_duplicates()
        reason = say(
            "with {spare} of {units} cooling units out the rest carries {kw:g} kW, less than the heat of "
            "the day",
            spare=spare.spare,
            units=spare.units,
            kw=spare.remaining_kw,
        )
        for first in short:
            after = (first + pd.DateOffset(days=1)).tz_convert("UTC")
            span = (first.tz_convert("UTC").isoformat(), after.isoformat())
            holds += [Hold(*span, name, value, reason) for name, value in current.items()]
    holds += overrides_of(site, tuple(current), zone)
    first, last = operation.stamps[0], operation.stamps[-1]
    return tuple(h for h in holds if pd.Timestamp(h.end) > first and pd.Timestamp(h.start) <= last)


def overrides_of(site: Site, levers: tuple[str, ...], zone: TimeZone) -> list[Hold]:
    """Return the customer's overrides of some levers, whenever they are."""
    return [
        Hold(start.isoformat(), end.isoformat(), name, value, override.reason)
        for override in site.limits.override
        for start, end in [override.window(zone)]
        for name, value in override.set_points.items()
        if name in levers
    ]


def held_rows(schedule: pd.DataFrame, holds: tuple[Hold, ...]) -> FloatArray:
    """Return the value that holds in each row of a schedule, NaN where the plan is free, shape (rows,)."""
    value = np.full(len(schedule), np.nan)
    for hold in holds:
        value[hold.covers(schedule["timestamp"]) & (schedule["lever"] == hold.lever)] = hold.value
    return value


def kept_in_hours(plan: Plan, hours: float) -> Plan:
    """Return the plan with its holds kept and its moves no faster than the inlet may change.

    In held hours current and recommended are what holds: nothing is moved there, and nothing saved.

    Parameters
    ----------
    plan : Plan
    hours : float
        Length of a step [h].
    """
    schedule = plan.schedule.reset_index(drop=True)
    value = held_rows(schedule, plan.problem.holds)
    held = np.isfinite(value)
    for side in ("current", "recommended"):
        schedule[side] = np.where(held, value, schedule[side])
    rate = bound_of(plan.problem.limits, INLET_RATE, "max")
    for name in _guides(plan.problem) if rate is not None else ():
        rows = np.flatnonzero(schedule["lever"] == name)
        rows = rows[np.argsort(schedule["timestamp"].to_numpy()[rows], kind="stable")]
        current, wanted = (schedule[s].to_numpy(dtype=np.float64)[rows] for s in ("current", "recommended"))
        schedule.loc[rows, "recommended"] = _eased(
            wanted, current, held[rows], (rate or 0.0) * min(hours, 1.0)
        )
    if schedule.equals(plan.schedule.reset_index(drop=True)):
        return plan
    return replace(plan, schedule=schedule, conflicts=(*plan.conflicts, *_said(plan.problem)))


def _guides(problem: Problem) -> tuple[str, ...]:
    """Return the levers that the inlet is taken to follow kelvin by kelvin: the air's, else all."""
    air = [n for n in problem.current if n in AIR_LEVERS]
    return tuple(air or problem.current)


def _said(problem: Problem) -> list[str]:
    reasons = dict.fromkeys(h.reason for h in problem.holds)
    return [say("set-points hold in some hours: {reason}", reason=reason) for reason in reasons]


def _eased(wanted: FloatArray, current: FloatArray, held: BoolArray, most: float) -> FloatArray:
    """Return set-points that change by `most` per step [K], or as today's do, and meet those that hold."""
    step = np.maximum(most, np.abs(np.diff(current, prepend=current[:1])))
    if not (np.abs(np.diff(wanted, prepend=wanted[:1])) > step + 1e-9).any():
        return wanted
    eased = wanted.copy()
    for i in range(1, len(eased)):
        if not held[i]:
            eased[i] = np.clip(eased[i], eased[i - 1] - step[i], eased[i - 1] + step[i])
    for i in range(len(eased) - 2, -1, -1):
        if not held[i]:
            eased[i] = np.clip(eased[i], eased[i + 1] - step[i + 1], eased[i + 1] + step[i + 1])
    return eased
