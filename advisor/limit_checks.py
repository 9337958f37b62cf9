"""The verifier's limits, re-checked against what the site's own sensors have shown.

It shares nothing with the optimiser: not its models, not its ramps, not its humidity.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from advisor.inlet_check import Levers, inlet_check, settled
from advisor.plan import INLET_RATE, Check, Limit, Plan
from advisor.site import Site
from features.frame import FloatArray
from features.levers import AIR_LEVERS, PLANT_LEVERS, WATER_LEVERS, setting
from features.message import say, term
from features.operation import BoolArray, Operation
from features.psychrometrics import saturation_pressure
from features.telemetry import TimeZone

DEW_POINT, HUMIDITY = "server_inlet_dew_point_c", "server_inlet_rh_pct"
TOLERANCE = {"server_inlet_temp_c": 0.5, DEW_POINT: 0.1, HUMIDITY: 0.5}
"""How far a plan may go beyond a side that today's operation breaks already [unit of the column]."""


def limit_checks(
    plan: Plan, current: Levers, planned: Levers, operation: Operation, site: Site
) -> list[Check]:
    """Re-check every limit of a set-point plan but the cap on PUE, which needs its energy.

    Parameters
    ----------
    plan : Plan
    current, planned : dict
        Lever -> set-points of the steps of the plan that the export holds [degC].
    operation : Operation
        The whole export.
    site : Site
    """
    limits = plan.problem.limits
    stamps = pd.DatetimeIndex(plan.schedule["timestamp"].unique())
    window = operation.rows(np.asarray(operation.stamps.isin(stamps)))
    zone = TimeZone(str(plan.problem.options.get("zone", "unknown")))
    free = _free(window.stamps, planned, site, zone)
    return [
        *_range_checks(plan, site, operation),
        *(
            inlet_check(x, _only(current, free), _only(planned, free), operation, site.limits.sensor_error_k)
            for x in limits
            if x.name == "server_inlet_temp_c"
        ),
        *_plant_checks(limits, current, planned, free),
        *_rate_checks(limits, plan.schedule, planned, operation.hours),
        *_humidity_checks(limits, current, planned, window, site),
        *_override_checks(current, planned, window, site, zone),
    ]


def _range_checks(plan: Plan, site: Site, operation: Operation) -> list[Check]:
    checks = []
    for name, rows in plan.schedule.groupby("lever", sort=True):
        lever = str(name)
        values = rows["recommended"].to_numpy(dtype=np.float64)
        moved = values[values != rows["current"].to_numpy(dtype=np.float64)]
        complete = bool(np.isfinite(values).all()) and _covers(plan, rows["timestamp"], operation.hours)
        checks.append(
            Check(
                say("{lever}: one value per step", lever=lever),
                complete,
                None,
                None,
                say("{count} steps", count=len(values)),
            )
        )
        if not len(moved):
            continue
        if site.levers and lever not in site.levers:
            checks.append(
                Check(
                    say("{lever}: declared range", lever=lever),
                    False,
                    None,
                    None,
                    say("not a permitted lever"),
                )
            )
        if lever in site.levers:
            low, high = site.levers[lever].lower, site.levers[lever].upper
            ok = bool((moved >= low - 1e-9).all() and (moved <= high + 1e-9).all())
            checks.append(
                Check(
                    say("{lever}: declared range", lever=lever),
                    ok,
                    float(moved.max()),
                    high,
                    say("{low:g} to {high}", low=low, high=setting(lever, high)),
                )
            )
        seen = (
            operation.levers[lever][np.isfinite(operation.levers[lever])]
            if lever in operation.levers
            else moved[:0]
        )
        ok = len(seen) > 0 and moved.min() >= seen.min() - 1e-9 and moved.max() <= seen.max() + 1e-9
        note = (
            say("explored {low:g} to {high}", low=seen.min(), high=setting(lever, seen.max()))
            if len(seen)
            else say("never explored")
        )
        checks.append(
            Check(say("{lever}: explored range", lever=lever), bool(ok), float(moved.max()), None, note)
        )
    return checks


def _covers(plan: Plan, stamps: pd.Series, hours: float) -> bool:
    """Whether there is exactly one row per step of the problem's window."""
    start, end = pd.Timestamp(plan.problem.start), pd.Timestamp(plan.problem.end)
    steps = pd.date_range(start, end, freq=pd.Timedelta(hours=hours), inclusive="left")
    return len(stamps) == len(steps) and stamps.is_unique and bool(stamps.isin(steps).all())


def _only(levers: Levers, rows: BoolArray) -> Levers:
    return {n: v[rows] for n, v in levers.items()}


def _free(stamps: pd.DatetimeIndex, planned: Levers, site: Site, zone: TimeZone) -> BoolArray:
    """Return the steps in which every lever is the plan's: what a customer orders is not judged."""
    free = np.ones(len(stamps), dtype=bool)
    for override in site.limits.override:
        start, end = override.window(zone)
        if set(override.set_points) & set(planned):
            free &= ~np.asarray((stamps >= start) & (stamps < end))
    return free


def _plant_checks(
    limits: tuple[Limit, ...], current: Levers, planned: Levers, free: BoolArray
) -> list[Check]:
    """Compare what is moved with the bounds of the plant."""
    checks = []
    for limit in limits:
        if limit.name not in planned:
            continue
        values = planned[limit.name][free & (planned[limit.name] != current[limit.name])]
        if not len(values):
            continue
        worst = float(values.max() if limit.sense == "max" else values.min())
        over = worst - limit.value if limit.sense == "max" else limit.value - worst
        name = say(
            "{column} {sense} {limit:g} °C", column=limit.name, sense=term(limit.sense), limit=limit.value
        )
        checks.append(
            Check(
                name,
                over <= 1e-9,
                worst,
                limit.value,
                say("bound of the plant ({source})", source=limit.source),
            )
        )
    return checks


def _rate_checks(
    limits: tuple[Limit, ...], schedule: pd.DataFrame, planned: Levers, hours: float
) -> list[Check]:
    """Compare the change within any hour with the limit; the inlet is taken to follow kelvin by kelvin.

    What today's operation changes within an hour is not the plan's. A set-point jumps at the beginning of a
    step: in a step longer than an hour its change still is one within an hour.
    """
    limit = next((x for x in limits if x.name == INLET_RATE), None)
    air = [n for n in planned if n in AIR_LEVERS]
    name = say("rate of change of the inlet")
    if limit is None:
        return [Check(name, True, None, None, say("not assessed (no limit is stated)"), assessed=False)]
    worst, kept = 0.0, True
    for lever in air or (n for n in planned if n not in PLANT_LEVERS):
        rows = schedule[schedule["lever"] == lever].sort_values("timestamp")
        changes = [_within_an_hour(rows[side], hours) for side in ("recommended", "current")]
        worst = max(worst, float(np.nanmax(changes[0], initial=0.0)))
        kept &= not bool((changes[0] > np.maximum(limit.value, changes[1]) + 1e-6).any())
    note = say("set-point changes within any hour [K]; {source}", source=limit.source)
    return [Check(name, kept, worst, limit.value, note)]


def _within_an_hour(values: pd.Series, hours: float) -> FloatArray:
    steps = max(round(1.0 / hours), 1) + 1
    rolled = values.astype(float).reset_index(drop=True).rolling(steps, min_periods=1)
    return (rolled.max() - rolled.min()).to_numpy(dtype=np.float64)


def _humidity_checks(
    limits: tuple[Limit, ...], current: Levers, planned: Levers, window: Operation, site: Site
) -> list[Check]:
    """Compare dew point and relative humidity of the servers' air with their limits.

    Set-points of the air leave its water alone: the dew point stays, and colder air is moister. A coil above
    the dew point dries no more, and how far the dew point then rises nobody has measured.
    """
    if not any(bool((planned[n] != current[n]).any()) for n in planned):
        return []
    dew = window.inlet_dew_point_c
    if dew is None or not np.isfinite(dew).any():
        note = say("not assessed (no indoor humidity is exported)")
        return [Check(say("dew point and humidity"), True, None, None, note, assessed=False)]
    error = site.limits.sensor_error_k
    known = np.isfinite(dew) & settled(window)
    drier = _dries_less(current, planned, dew, error)
    checks = []
    for limit in limits:
        if limit.name == DEW_POINT:
            today = float(np.nanmax(dew) if limit.sense == "max" else np.nanmin(dew))
            checks.append(
                _beside_today(limit, "°C", today, today, known_to_hold=not drier or limit.sense == "min")
            )
        elif limit.name == HUMIDITY and known.any():
            after, before = (
                _extreme_humidity(limit, side, window, dew, error)[known] for side in (planned, current)
            )
            reduce = np.nanmax if limit.sense == "max" else np.nanmin
            checks.append(_beside_today(limit, "%", float(reduce(after)), float(reduce(before))))
    return [*checks, *_condensation(current, planned, dew, error)]


def _beside_today(
    limit: Limit, unit: str, worst: float, today: float, *, known_to_hold: bool = True
) -> Check:
    """Judge a side that today's operation may break already: then a plan must not go further."""
    name = say(
        "{column} {sense} {limit:g} {unit}",
        column=limit.name, sense=term(limit.sense), limit=limit.value, unit=unit,
    )  # fmt: skip
    sign = 1.0 if limit.sense == "max" else -1.0
    bound = sign * max(sign * limit.value, sign * today)
    passed = sign * (worst - bound) <= TOLERANCE[limit.name]
    if passed and not known_to_hold:
        note = say("not assessed: warmer water dries the air less, by how much is not known")
        return Check(name, True, worst, limit.value, note, assessed=False)
    note = say("today {today:.1f} {unit}; {source}", today=today, unit=unit, source=limit.source)
    return Check(name, passed, worst, limit.value, note)


def _extreme_humidity(
    limit: Limit, levers: Levers, window: Operation, dew: FloatArray, error: float
) -> FloatArray:
    """Return the relative humidity where the air is coldest (for a minimum: warmest) [%], shape (n,)."""
    air = next((n for n in levers if n in AIR_LEVERS), None)
    set_point = None if air is None else levers[air]
    shift = 0.0 if air is None or set_point is None else set_point - window.levers[air]
    inlet = set_point if window.inlet_c is None else window.inlet_c + shift
    if inlet is None:
        return np.full(len(dew), np.nan)
    if limit.sense == "max":
        inlet = (inlet if set_point is None else np.fmin(inlet, set_point)) - error
    else:
        inlet = inlet + error
    return np.asarray(100.0 * saturation_pressure(dew) / saturation_pressure(inlet), dtype=np.float64)


def _dries_less(current: Levers, planned: Levers, dew: FloatArray, error: float) -> bool:
    """Whether water that condenses the room's moisture today is made warmer."""
    return any(
        bool(((planned[n] > current[n]) & (current[n] < dew + error)).any())
        for n in WATER_LEVERS
        if n in planned
    )


def _condensation(current: Levers, planned: Levers, dew: FloatArray, error: float) -> list[Check]:
    """Refuse water colder than the room's dew point where it was warmer before: pipes would drip."""
    checks = []
    for lever in (n for n in WATER_LEVERS if n in planned):
        margin = planned[lever] - (dew + error)
        drips = (margin < 0) & (planned[lever] < current[lever]) & (current[lever] >= dew + error)
        worst = float(np.nanmin(margin))
        note = say("set-point less dew point, at least {worst:.1f} K", worst=worst)
        checks.append(Check(say("no new condensation at chilled water"), not drips.any(), worst, 0.0, note))
    return checks


def _override_checks(
    current: Levers, planned: Levers, window: Operation, site: Site, zone: TimeZone
) -> list[Check]:
    """Compare held hours with what the site declares: its overrides, and days without a spare unit."""
    checks = []
    wanted = {n: np.full(len(window), np.nan) for n in planned}
    for override in site.limits.override:
        start, end = override.window(zone)
        inside = np.asarray((window.stamps >= start) & (window.stamps < end))
        for lever in set(override.set_points) & set(planned):
            wanted[lever][inside] = override.set_points[lever]
    ordered = {n: np.isfinite(v) for n, v in wanted.items()}
    if any(o.any() for o in ordered.values()):
        kept = all(bool((planned[n][o] == wanted[n][o]).all()) for n, o in ordered.items())
        hours = window.hours * float(np.max([o.sum() for o in ordered.values()]))
        note = say("{hours:g} h of overrides (site.toml)", hours=hours)
        checks.append(Check(say("the site's overrides"), kept, None, None, note))
    spare = site.limits.redundancy
    if spare is not None:
        heat = np.nan_to_num(window.it_kw)
        short = heat > spare.remaining_kw
        kept = all(bool((planned[n] == current[n])[short & ~o].all()) for n, o in ordered.items())
        note = say(
            "set-points hold in {count} steps without a spare cooling unit (site.toml)",
            count=int(short.sum()),
        )
        checks.append(Check(say("a spare cooling unit"), kept, float(heat.max()), spare.remaining_kw, note))
    return checks
