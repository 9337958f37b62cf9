"""Which limits a plan keeps: the standard's envelope of the site's equipment class, and the site's own."""

from __future__ import annotations

from typing import Literal

import numpy as np

from advisor.catalogue import EquipmentClass, LimitStandard, Range, load_limits
from advisor.plan import INLET_RATE, Limit
from advisor.site import Site
from advisor.site_limits import STANDARD
from features.frame import FloatArray
from features.issues import DataIssue
from features.levers import AIR_LEVERS, WATER_LEVERS
from features.message import say
from features.operation import Operation
from features.psychrometrics import saturation_pressure
from models.inlet_guide import settled

ASSUMED_CLASS = "A1"
DEW_POINT, HUMIDITY = "server_inlet_dew_point_c", "server_inlet_rh_pct"
Sense = Literal["max", "min"]


def limits_of(site: Site, issues: list[DataIssue]) -> tuple[Limit, ...]:
    """Return every limit with its source; that none was declared is added to `issues`.

    A limit of the site's own overrides the standard's of the same name and side.
    """
    standard = next(s for s in load_limits() if s.id == STANDARD)
    own = site.limits
    equipment = standard.equipment_class(own.equipment_class or ASSUMED_CLASS)
    source = _source(standard, equipment, own.envelope)
    envelope = equipment.recommended if own.envelope == "recommended" else equipment.allowable
    if own.server_inlet_temp_c_max is None and own.equipment_class is None:
        issues.append(
            DataIssue(
                "D-LIMIT-ASSUMED",
                "warning",
                site.id,
                say(
                    "no server-inlet limit was declared: {limit:g} °C of {source} is assumed",
                    limit=envelope.dry_bulb_c.upper,
                    source=source,
                ),
                say("declare limits.server_inlet_temp_c_max in site.toml"),
                say("the plan keeps the assumed limit"),
            )
        )
    rate = equipment.max_rate_tape_k_per_h if own.tapes else equipment.max_rate_k_per_h
    (dew_low, dew_high), (rh_low, rh_high) = _sides(envelope.dew_point_c), _sides(envelope.rh_pct)
    bounds: tuple[tuple[str, Sense, float | None, float | None], ...] = (
        ("server_inlet_temp_c", "max", own.server_inlet_temp_c_max, envelope.dry_bulb_c.upper),
        ("server_inlet_temp_c", "min", own.server_inlet_temp_c_min, envelope.dry_bulb_c.lower),
        (INLET_RATE, "max", own.rate_k_per_h_max, rate),
        (DEW_POINT, "max", own.server_inlet_dew_point_c_max, dew_high),
        (DEW_POINT, "min", None, dew_low),
        (HUMIDITY, "max", own.server_inlet_rh_pct_max, rh_high),
        (HUMIDITY, "min", None, rh_low),
        (WATER_LEVERS[0], "max", own.chilled_water_set_point_c_max, None),
        (WATER_LEVERS[0], "min", own.chilled_water_set_point_c_min, None),
        ("pue", "max", own.pue_max, None),
    )
    return tuple(
        Limit(name, sense, value, "site.toml" if declared is not None else source)
        for name, sense, declared, default in bounds
        for value in [default if declared is None else declared]
        if value is not None
    )


def _sides(stated: Range | None) -> tuple[float | None, float | None]:
    return (None, None) if stated is None else (stated.lower, stated.upper)


def _source(standard: LimitStandard, equipment: EquipmentClass, envelope: str) -> str:
    facts = {"issuer": standard.issuer, "year": standard.year, "name": equipment.id}
    if envelope == "recommended":
        return say("{issuer} {year}, class {name}, recommended", **facts)
    return say("{issuer} {year}, class {name}, allowable", **facts)


def bound_of(limits: tuple[Limit, ...], name: str, sense: Sense) -> float | None:
    """Return the value of a limit; None: there is none."""
    return next((x.value for x in limits if x.name == name and x.sense == sense), None)


def permitted(
    name: str,
    values: tuple[float, ...],
    now: float,
    window: Operation,
    limits: tuple[Limit, ...],
    error: float,
) -> tuple[float, ...]:
    """Return the set-points that bounds of the plant and the room's humidity permit.

    Colder air is moister: its relative humidity must keep the limit, unless the set-point in force breaks it.
    Colder water must not fall below the room's dew point where it lay above before.

    Parameters
    ----------
    name : str
        A lever.
    values : tuple of float
        [degC]
    now : float
        The set-point in force [degC]; it stays permitted.
    window : Operation
        The steps that are planned.
    limits : tuple of Limit
    error : float
        Of a sensor [K].
    """
    low, high = bound_of(limits, name, "min"), bound_of(limits, name, "max")
    kept = [
        v for v in values
        if v == now or ((low is None or v >= low - 1e-9) and (high is None or v <= high + 1e-9))
    ]  # fmt: skip
    dew = None if window.inlet_dew_point_c is None else window.inlet_dew_point_c
    if dew is None or not np.isfinite(dew).any():
        return tuple(kept)
    worst = float(np.nanmax(dew))
    if name in WATER_LEVERS:
        return tuple(v for v in kept if v >= min(now, worst + error))
    most = bound_of(limits, HUMIDITY, "max")
    if name not in AIR_LEVERS or most is None:
        return tuple(kept)
    below = _coldest_inlet(window, name) - error
    return tuple(v for v in kept if v >= now or float(_humidity(worst, v + below)) <= most)


def _coldest_inlet(window: Operation, air: str) -> float:
    """Return how far the inlet lay below the air set-point at most [K], never above it."""
    if window.inlet_c is None:
        return 0.0
    known = settled(window) & np.isfinite(window.inlet_c) & np.isfinite(window.levers[air])
    return min(float((window.inlet_c - window.levers[air])[known].min()), 0.0) if known.any() else 0.0


def _humidity(dew_point_c: float, air_c: float) -> FloatArray:
    """Return the relative humidity of air [%] from its dew point: ASHRAE Fundamentals 2017, ch. 1, eq. 12."""
    return 100.0 * saturation_pressure(dew_point_c) / saturation_pressure(air_c)
