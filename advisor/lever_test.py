"""The smallest safe test of set-points whose effect an export cannot tell.

Where a set-point never moved, or only followed the weather, no method can say what it does, and none is
asked: the site is asked. A test holds a set-point for a day at a time, in an order that knows nothing of
weather or calendar, in a week now and then, so that every season is seen and work repeats around it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from advisor.envelope import permitted
from advisor.holds import held_rows, overrides_of
from advisor.plan import Z90, Limit, Recommendation, Saving
from advisor.plan_table import plan_table
from advisor.site import LeverRange, Site
from features.frame import FloatArray
from features.levers import AIR_LEVERS, AIRFLOW, PLANT_LEVERS, scale_of, setting
from features.message import Message, say
from features.operation import BoolArray, Operation
from features.telemetry import Telemetry, TimeZone
from models.lever_noise import it_noise, overhead_noise
from models.site_response import least_rows

BLOCK_HOURS = 24.0
"""A setting is kept so long: rooms and water need hours to settle, and a day sees day and night."""
STEP_K = 2.0
"""Distance between tested settings [K]; here and below, levers of another unit move in proportion
(`features.levers.Scale.kelvin`)."""
UNDECLARED_REACH_K = 2.0
"""How far a lever without a declared range is tested [K]."""
MOST_MOVE_K = {True: 4.0, False: 6.0}
"""Largest change from one block to the next [K]: of air, of water."""
SERVER_RISE_K = 15.0
"""Of air through the servers [K], assumed: what warms an inlet where air lacks. Typical are 10 to 15 K."""
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
        ``timestamp`` (UTC), ``unit_id``, ``lever``, ``current``, ``recommended`` [unit of the lever]: one row
        per step and lever of the test weeks; outside them nothing changes.
    levels : dict
        Lever -> settings tested [unit of the lever].
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
            say(
                "{lever} at {levels}",
                lever=n,
                levels=Message.joined(", ", (*(f"{v:g}" for v in values[:-1]), setting(n, values[-1]))),
            )
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
                "it would prove a saving of {share:.2f} % of facility energy per {move}, or more",
                share=self.detectable_pct,
                move=self._typical_moves(),
            ),
            say(
                "at most about {cost:.2f} % of a year's energy is at stake in it: a saving of that size pays "
                "for the test within a year",
                cost=self.cost_pct,
            ),
            say("afterwards export the year with the test in it, train on it, and ask for advice again"),
        )

    def _typical_moves(self) -> Message:
        """Return the move of each lever that `detectable_pct` speaks of; those in kelvin count alike."""
        plain = [n for n in self.levels if n not in PLANT_LEVERS]
        moves = [say("{number:g} K", number=TYPICAL_MOVE_K)] if plain else []
        moves += [
            say("{value} of {lever}", value=setting(n, _typical(n, values)), lever=n)
            for n, values in self.levels.items()
            if n in PLANT_LEVERS
        ]
        return Message.joined(" or ", moves)

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
    levels = {n: settings_tried(n, operation, site, limits) for n in levers if n in operation.levers}
    levels = {n: values for n, values in levels.items() if len(values) > 1}
    if not levels or operation.usable.sum() < least_rows(operation):
        return None
    current = {n: site.current[n] for n in levels}
    per_day = max(round(24.0 / operation.hours), 1)
    start = _next_monday(operation.stamps[-1] + pd.Timedelta(hours=operation.hours), zone)
    for every in INTERVAL_WEEKS:
        path = _path(levels, current, every, seed)
        detectable = _detectable(operation, np.repeat(path, per_day, axis=0), current, levels)
        if detectable <= DETECTABLE_PCT:
            break
    tested = np.repeat(np.arange(WEEKS) % every == every // 2, 7)
    kelvin = np.array([scale_of(n).kelvin for n in levels])
    away = (np.abs(path - np.array([list(current.values())])) / kelvin).sum(axis=1)
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
    ordered = np.isfinite(held_rows(schedule, tuple(overrides_of(site, tuple(levels), zone))))
    schedule = schedule[~ordered].reset_index(drop=True)
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


def settings_tried(
    name: str, operation: Operation, site: Site, limits: tuple[Limit, ...]
) -> tuple[float, ...]:
    """Return the settings to test: the current one and steps away from it, within range and limits."""
    now, scale = site.current[name], scale_of(name)
    if site.levers and name not in site.levers:
        return (now,)
    reach, step = UNDECLARED_REACH_K * scale.kelvin, STEP_K * scale.kelvin
    allowed = site.levers.get(
        name,
        LeverRange(
            lower=min(max(now - reach, scale.lower), now), upper=max(min(now + reach, scale.upper), now)
        ),
    )
    low, high = allowed.lower, allowed.upper
    if name in AIR_LEVERS:
        high = min(high, _warmest(name, now, operation, site, limits))
    elif name == AIRFLOW:
        low = max(low, _least_air(now, operation, site, limits))
    below = np.arange(now, low - 1e-9, -step)
    above = np.arange(now, high + 1e-9, step)
    levels = {*below, *above}
    # an end of the range that is a step's half away is worth a setting of its own
    levels |= {x for x in (low, high) if min(abs(x - v) for v in levels) >= step / 2}
    settings = tuple(sorted(round(float(v), 6) for v in levels))
    return permitted(name, settings, now, operation, limits, site.limits.sensor_error_k)


def why_untested(name: str, operation: Operation, site: Site, limits: tuple[Limit, ...]) -> Message | None:
    """Return why no test of a lever can be planned; None where one can."""
    if site.levers and name not in site.levers:
        return say("{lever} is not among the levers that may be moved: no test of it is planned", lever=name)
    if len(settings_tried(name, operation, site, limits)) > 1:
        return None
    if name in (*AIR_LEVERS, AIRFLOW):
        return say(
            "no test of {lever} is planned: within its range and the limit of the server inlet no other "
            "setting is safe",
            lever=name,
        )
    return say("no test of {lever} is planned: its declared range leaves no second setting", lever=name)


def _free_k(rows: BoolArray, operation: Operation, site: Site, limits: tuple[Limit, ...]) -> float:
    """Return what the hottest inlet of some steps leaves to its limit [K]; nothing where nobody sees it."""
    limit = min(
        (x.value for x in limits if x.name == "server_inlet_temp_c" and x.sense == "max"), default=np.nan
    )
    known = operation.usable
    if operation.inlet_c is None or not np.isfinite(limit):
        return 0.0
    known = known & np.isfinite(operation.inlet_c)
    inlet = operation.inlet_c[known & rows if (known & rows).any() else known]
    hottest = float(inlet.max()) + site.limits.sensor_error_k
    return max(limit - MARGIN_K - hottest, 0.0)


def _least_air(now: float, operation: Operation, site: Site, limits: tuple[Limit, ...]) -> float:
    """Return the least airflow that would keep the inlet's limit, were all the air of today needed [%].

    A share s of hot air that is drawn again warms the inlet by s / (1 - s) of the servers' rise.
    """
    step = scale_of(AIRFLOW).step
    near = np.abs(operation.levers[AIRFLOW] - now) <= step
    free = _free_k(near, operation, site, limits)
    return now - step * float(np.floor((now - now / (1.0 + free / SERVER_RISE_K)) / step))


def _warmest(name: str, now: float, operation: Operation, site: Site, limits: tuple[Limit, ...]) -> float:
    """Return the warmest air setting at which the hottest inlet would still keep its limit [degC]."""
    near = np.abs(operation.levers[name] - now) <= STEP_K / 2
    return now + 0.5 * float(np.floor(_free_k(near, operation, site, limits) / 0.5))


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
                values, current[name], MOST_MOVE_K[name in AIR_LEVERS] * scale_of(name).kelvin, rng
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


def _typical(name: str, values: tuple[float, ...]) -> float:
    """Return the move that a saving is told for [unit of the lever]: no more than is tested."""
    typical = TYPICAL_MOVE_K * scale_of(name).kelvin
    return min(typical, max(values) - min(values)) if name in PLANT_LEVERS else typical


def _detectable(
    operation: Operation,
    path: FloatArray,
    current: dict[str, float],
    levels: dict[str, tuple[float, ...]],
) -> float:
    """Return the smallest provable saving of a typical move of one lever [% of facility energy]."""
    distance = path - np.array([list(current.values())])
    errors = [n.standard_error(distance) for n in (it_noise(operation), overhead_noise(operation))]
    moves = np.array([_typical(n, values) for n, values in levels.items()])
    per_move = np.sqrt(errors[0] ** 2 + errors[1] ** 2) * moves
    # both models must see it: each learns from half of the weeks
    worst = float(per_move.max()) * np.sqrt(2.0)
    mean = float(operation.facility_kw[operation.usable].mean())
    return float(100.0 * Z90 * worst / mean)


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
