"""The verifier's look at the hottest server inlet: what sensors have shown near the planned set-points."""

from __future__ import annotations

import numpy as np
import pandas as pd

from advisor.plan import Check, Limit
from features.frame import FloatArray
from features.levers import AIRFLOW, PLANT_LEVERS, scale_of, setting
from features.message import Message, say, term
from features.operation import BoolArray, Operation

NEAR_K = 1.25
NEAR_FLOW_PCT = 2.0
"""Airflow this far from the planned one says what the inlet will be [% of the rated one]."""
LEAST_STEPS = 24
SETTLING_HOURS = 4.0
"""After a move of a lever the inlet is still on its way, and says nothing about the new setting."""

Levers = dict[str, FloatArray]


def inlet_check(
    limit: Limit,
    current: Levers,
    planned: Levers,
    operation: Operation,
    sensor_error_k: float,
) -> Check:
    """Compare what the hottest inlet sensor showed near the planned set-points with the limit.

    Parameters
    ----------
    limit : Limit
        Of ``server_inlet_temp_c`` [degC].
    current, planned : dict
        Lever -> set-points of the steps that are the plan's to move [lever's unit].
    operation : Operation
        The whole export.
    sensor_error_k : float
        Added to the hottest sensor [K].
    """
    name = say("{column} {sense} {limit:g} °C", column=limit.name, sense=term(limit.sense), limit=limit.value)
    air = operation.air_lever
    # what towers, economisers and pads do does not reach the room
    planned = {n: v for n, v in planned.items() if n not in PLANT_LEVERS or n == AIRFLOW}
    if not planned or not len(next(iter(planned.values()))):
        return Check(name, True, None, limit.value, say("nothing is moved that it guards"))
    if operation.inlet_c is None:
        warmer = air in planned and bool((planned[air] > current[air]).any())
        warmer |= AIRFLOW in planned and bool((planned[AIRFLOW] < current[AIRFLOW]).any())
        note = say("no inlet sensor: a warmer aisle would not be seen") if warmer else say("no inlet sensor")
        return Check(name, not (warmer and limit.sense == "max"), None, limit.value, note)
    # the inlet follows the air set-point; without one its level near the planned set-points counts
    guide = air if air is not None and air in planned else next(iter(planned))
    known = operation.usable & np.isfinite(operation.inlet_c) & settled(operation)
    worst: list[float] = []
    table = pd.DataFrame(planned).drop_duplicates()
    for row in table.itertuples(index=False):
        target = dict(zip(table.columns, row, strict=True))
        near = known & (np.abs(operation.levers[guide] - target[guide]) <= NEAR_K * scale_of(guide).kelvin)
        others = [n for n in target if n != guide]
        beside = near.copy()
        for other in others:
            reach = NEAR_FLOW_PCT if other == AIRFLOW else 2 * NEAR_K
            beside &= np.abs(operation.levers[other] - target[other]) <= reach
        less_air = AIRFLOW in target and bool((planned[AIRFLOW] < current[AIRFLOW]).any())
        if less_air:  # the inlet runs away where air lacks: what it was with more of it says nothing
            near &= np.abs(operation.levers[AIRFLOW] - target[AIRFLOW]) <= NEAR_FLOW_PCT
            near &= operation.it_kw >= np.median(operation.it_kw[known])
            beside = near
        chosen = beside if beside.sum() >= LEAST_STEPS else near
        if chosen.sum() < LEAST_STEPS:
            return Check(
                name,
                False,
                None,
                limit.value,
                say(
                    "fewer than {least} steps were measured near {target}",
                    least=LEAST_STEPS,
                    target=Message.joined(
                        ", ",
                        (say("{lever} = {value}", lever=n, value=setting(n, v)) for n, v in target.items()),
                    ),
                ),
            )
        shift = target[air] - operation.levers[air][chosen] if guide == air else 0.0
        expected = operation.inlet_c[chosen] + shift
        if less_air:
            expected = expected + _warming(operation, chosen, expected)
        worst.append(float(expected.max() if limit.sense == "max" else expected.min()))
    if limit.sense == "max":
        extreme = max(worst) + sensor_error_k
        return Check(
            name,
            extreme <= limit.value + 1e-9,
            extreme,
            limit.value,
            say("sensor error {error:g} K added", error=sensor_error_k),
        )
    today = float(operation.inlet_c[known].min())
    extreme = min(worst)
    ok = extreme >= min(limit.value, today) - 0.5
    return Check(
        name, ok, extreme, limit.value, say("the export itself went down to {today:.1f} °C", today=today)
    )


def _warming(operation: Operation, chosen: BoolArray, inlet_c: FloatArray) -> FloatArray:
    """Return how much hotter the inlet of some steps would be at the most heat of the export [K].

    More heat draws more air, and what lacks is hot: the inlet rises with it, twice the slope at most.
    """
    heat = operation.it_kw[chosen]
    slope = float(np.polyfit(heat - heat.mean(), inlet_c, 1)[0])
    busiest = float(operation.it_kw[operation.usable].max())
    return np.asarray(2.0 * max(slope, 0.0) * np.maximum(busiest - heat, 0.0), dtype=np.float64)


def settled(operation: Operation) -> BoolArray:
    """Return the steps before which no lever was moved for a while."""
    steps = max(round(SETTLING_HOURS / operation.hours), 1)
    calm = np.ones(len(operation), dtype=bool)
    for name, values in operation.levers.items():
        moved = np.abs(np.diff(values, prepend=values[:1])) > 0.05 * scale_of(name).kelvin
        calm &= ~pd.Series(moved).rolling(steps, min_periods=1).max().astype(bool).to_numpy()
    return calm
