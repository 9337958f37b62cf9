"""The smallest safe test of set-points whose effect an export cannot tell.

Where a set-point never moved, or only followed the weather, no method can say what it does, and none is
asked: the site is asked. A test holds a set-point for a day at a time, in an order that knows nothing of
weather or calendar, in a week now and then, so that every season is seen and work repeats around it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from advisor.plan import Z90, Limit, Recommendation, Saving
from advisor.plan_table import plan_table
from advisor.site import LeverRange, Site
from features.frame import FloatArray
from features.levers import AIR_LEVERS
from features.message import Message, say
from features.operation import Operation
from features.telemetry import Telemetry, TimeZone
from models.lever_noise import it_noise, overhead_noise
from models.site_response import least_rows

BLOCK_HOURS = 24.0
"""A setting is kept so long: rooms and water need hours to settle, and a day sees day and night."""
STEP_K = 2.0
"""Distance between tested settings [K]."""
UNDECLARED_REACH_K = 2.0
"""How far a lever without a declared range is tested [K]."""
MOST_MOVE_K = {True: 4.0, False: 6.0}
"""Largest change from one block to the next [K]: of air, of water."""
ORDERS = 300
MARGIN_K = 0.5
"""Kept free between the warmest inlet expected in the test and its limit [K]."""
INTERVAL_WEEKS = (5, 3)
"""One test week in so many; odd, so that weeks of both models are tested. The rarest that tells enough."""
DETECTABLE_PCT = 0.5
"""A test must be able to prove a saving of this share of the facility's energy [%]."""
TYPICAL_MOVE_K = 3.0
COST_PCT_PER_K = 0.5
"""Facility energy per kelvin of a set-point at the wrong side [%/K]: EnergyPlus years of a two-zone data
centre in nine climates, 22 -> 27 degC, +0.3 to +2.3 % in all; the most of these. Modelled."""
WEEKS = 52


@dataclass(frozen=True)
class LeverTest:
    """A test that an operator can put into the building management system.

    Parameters
    ----------
    site_id : str
    first : str
        First day, local.
    schedule : pandas.DataFrame
        ``timestamp`` (UTC), ``unit_id``, ``lever``, ``current``, ``recommended`` [degC]: one row per step and
        lever of the test weeks; outside them nothing changes.
    levels : dict
        Lever -> settings tested [degC].
    weeks : int
        Number of test weeks.
    detectable_pct : float
        Smallest saving that the test would prove at 90 %, from moving a lever by `TYPICAL_MOVE_K` [% of
        facility energy].
    cost_pct : float
        Most that the test is expected to cost [% of a year's facility energy].
    stop : str
        When the test is broken off.
    """

    site_id: str
    first: str
    schedule: pd.DataFrame
    levels: dict[str, tuple[float, ...]]
    weeks: int
    detectable_pct: float
    cost_pct: float
    stop: str

    @property
    def hours(self) -> float:
        """Time under test [h]."""
        return self.weeks * 168.0

    def sentence(self) -> str:
        """Say what is done, when and for how long."""
        settings = (
            say("{lever} at {levels} °C", lever=n, levels=", ".join(f"{v:g}" for v in values))
            for n, values in self.levels.items()
        )
        return say(
            "Test: {settings}, a day each in mixed order, in {weeks} single weeks of the year from {first}",
            settings=Message.joined("; ", settings),
            weeks=self.weeks,
            first=self.first,
        )

    def reasons(self) -> tuple[str, ...]:
        """Say what the test tells, what it costs, and what to do with its result."""
        return (
            say(
                "it would prove a saving of {share:.2f} % of facility energy per {move:g} K, or more",
                share=self.detectable_pct,
                move=TYPICAL_MOVE_K,
            ),
            say(
                "at most about {cost:.2f} % of a year's energy is at stake in it: a saving of that size pays "
                "for the test within a year",
                cost=self.cost_pct,
            ),
            say("afterwards export the year with the test in it, train on it, and ask for advice again"),
        )

    def table(self, telemetry: Telemetry) -> pd.DataFrame:
        """Return the test as ``plan.csv`` is written, in the export's local time."""
        return plan_table(self.schedule.assign(site_id=self.site_id), telemetry)

    def recommendation(self, measures: tuple[str, ...], evidence: tuple[str, ...]) -> Recommendation:
        """Return the test as an action: what it saves is what it is to find out."""
        return Recommendation(
            id=f"{self.site_id}:test",
            action=self.sentence(),
            lever=next(iter(self.levels)),
            measures=measures,
            saving=Saving(),
            saving_after_higher_ranked=Saving(),
            binding_limit=say("none: the test keeps every limit and the permitted range"),
            reasons=self.reasons(),
            evidence=evidence,
            verdict="not proven",
            confidence="low",
            rollback_trigger=self.stop,
            expiry=say("the end of the test weeks"),
            kind="test",
        )

    def to_dict(self) -> dict[str, object]:
        """Return the test's entry in ``summary.json``."""
        return {
            "levels": {name: list(values) for name, values in self.levels.items()},
            "weeks": self.weeks,
            "hours": self.hours,
            "block_hours": BLOCK_HOURS,
            "detectable_pct": self.detectable_pct,
            "cost_pct_at_most": self.cost_pct,
            "first": self.first,
            "stop": self.stop,
        }


def plan_test(
    operation: Operation,
    levers: tuple[str, ...],
    site: Site,
    limits: tuple[Limit, ...],
    zone: TimeZone,
    seed: int,
) -> LeverTest | None:
    """Plan the smallest test of some levers in the year after the export.

    Parameters
    ----------
    operation : Operation
        As exported; its noise sizes the test.
    levers : tuple of str
        Levers whose effect could not be told.
    site : Site
        With a current set-point for each lever; a declared range bounds the test.
    limits : tuple of Limit
    zone : TimeZone
        A test day is a local day.
    seed : int
        Of the order of the settings.

    Returns
    -------
    LeverTest or None
        None where no lever may be moved by `STEP_K` at least on one side.
    """
    levels = {n: _levels(n, operation, site, limits) for n in levers if n in operation.levers}
    levels = {n: values for n, values in levels.items() if len(values) > 1}
    if not levels or operation.usable.sum() < least_rows(operation):
        return None
    current = {n: site.current[n] for n in levels}
    per_day = max(round(24.0 / operation.hours), 1)
    start = _next_monday(operation.stamps[-1] + pd.Timedelta(hours=operation.hours), zone)
    for every in INTERVAL_WEEKS:
        path = _path(levels, current, every, seed)
        detectable = _detectable(operation, np.repeat(path, per_day, axis=0), current)
        if detectable <= DETECTABLE_PCT:
            break
    tested = np.repeat(np.arange(WEEKS) % every == every // 2, 7)
    away = np.abs(path - np.array([list(current.values())])).sum(axis=1)
    steps = pd.date_range(start, periods=len(path) * per_day, freq=pd.Timedelta(hours=operation.hours))
    table = [
        pd.DataFrame(
            {
                "timestamp": steps,
                "unit_id": "",
                "lever": name,
                "current": current[name],
                "recommended": np.repeat(path[:, k], per_day),
            }
        )[np.repeat(tested, per_day)]
        for k, name in enumerate(levels)
    ]
    schedule = pd.concat(table, ignore_index=True)
    return LeverTest(
        site.id,
        schedule["timestamp"].min().tz_convert(zone.tzinfo()).date().isoformat(),
        schedule,
        levels,
        int(tested.sum()) // 7,
        detectable,
        COST_PCT_PER_K * float(away.mean()),
        _stop(limits),
    )


def _levels(name: str, operation: Operation, site: Site, limits: tuple[Limit, ...]) -> tuple[float, ...]:
    """Return the settings to test: the current one and steps away from it, within range and limits."""
    now = site.current[name]
    if site.levers and name not in site.levers:
        return (now,)
    reach = LeverRange(lower=now - UNDECLARED_REACH_K, upper=now + UNDECLARED_REACH_K)
    permitted = site.levers.get(name, reach)
    high = permitted.upper
    if name in AIR_LEVERS:
        high = min(high, _warmest(name, now, operation, site, limits))
    below = np.arange(now, permitted.lower - 1e-9, -STEP_K)
    above = np.arange(now, high + 1e-9, STEP_K)
    levels = {*below, *above}
    # an end of the range that is a step's half away is worth a setting of its own
    levels |= {x for x in (permitted.lower, high) if min(abs(x - v) for v in levels) >= STEP_K / 2}
    return tuple(sorted(round(float(v), 6) for v in levels))


def _warmest(name: str, now: float, operation: Operation, site: Site, limits: tuple[Limit, ...]) -> float:
    """Return the warmest air setting at which the hottest inlet would still keep its limit [degC]."""
    limit = min(
        (x.value for x in limits if x.name == "server_inlet_temp_c" and x.sense == "max"), default=np.nan
    )
    if operation.inlet_c is None or not np.isfinite(limit):
        return now  # nobody would see a warmer aisle
    known = operation.usable & np.isfinite(operation.inlet_c)
    near = known & (np.abs(operation.levers[name] - now) <= STEP_K / 2)
    rows = near if near.any() else known
    hottest = float(operation.inlet_c[rows].max()) + site.limits.sensor_error_k
    free = limit - MARGIN_K - hottest
    return now + 0.5 * float(np.floor(max(free, 0.0) / 0.5))


def _path(
    levels: dict[str, tuple[float, ...]], current: dict[str, float], every: int, seed: int
) -> FloatArray:
    """Return the setting of every day of a year, shape (days, levers).

    Every test week sees every level of every lever: so does every season, and either half of the weeks.
    """
    rng = np.random.default_rng(seed)
    days = np.tile(np.array(list(current.values())), (WEEKS * 7, 1))
    for week in range(every // 2, WEEKS, every):
        for k, (name, values) in enumerate(levels.items()):
            days[week * 7 : week * 7 + 7, k] = _mixed(
                values, current[name], MOST_MOVE_K[name in AIR_LEVERS], rng
            )
    return days


def _mixed(values: tuple[float, ...], first: float, most_k: float, rng: np.random.Generator) -> FloatArray:
    """Return seven levels in an order without moves beyond `most_k` where chance finds one."""
    more = max(7 - len(values), 0)
    best, least = np.zeros(7), np.inf
    for _ in range(ORDERS):
        order = rng.permutation(np.concatenate([values, rng.choice(values, more)]))[:7]
        largest = float(np.abs(np.diff(order, prepend=first)).max())
        if largest < least:
            best, least = order, largest
        if least <= most_k:
            break
    return best


def _detectable(operation: Operation, path: FloatArray, current: dict[str, float]) -> float:
    """Return the smallest provable saving of moving one lever by `TYPICAL_MOVE_K` [% of facility energy]."""
    distance = path - np.array([list(current.values())])
    errors = [n.standard_error(distance) for n in (it_noise(operation), overhead_noise(operation))]
    per_k = np.sqrt(errors[0] ** 2 + errors[1] ** 2)
    # both models must see it: each learns from half of the weeks
    worst = float(per_k.max()) * np.sqrt(2.0)
    mean = float(operation.facility_kw[operation.usable].mean())
    return float(100.0 * Z90 * worst * TYPICAL_MOVE_K / mean)


def _next_monday(after: pd.Timestamp, zone: TimeZone) -> pd.Timestamp:
    """Return the first local midnight of a Monday at or after a moment, in UTC."""
    local = after.tz_convert(zone.tzinfo())
    midnight = local.normalize()
    if midnight < local:
        midnight += pd.Timedelta(days=1)
    return (midnight + pd.Timedelta(days=(7 - midnight.day_of_week) % 7)).tz_convert("UTC")


def _stop(limits: tuple[Limit, ...]) -> str:
    limit = next((x for x in limits if x.name == "server_inlet_temp_c" and x.sense == "max"), None)
    if limit is None:
        return say("Break the test off when anything in the room alarms")
    return say(
        "Break the test off, back to the current set-points, if the hottest server inlet stays above "
        "{limit:g} °C for 15 min",
        limit=limit.value - MARGIN_K,
    )
