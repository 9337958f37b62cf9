"""The verifier of sleep plans: it shares nothing with the proposer.

Limits are re-checked on the cells' raw rows, and the saving is scored by another estimator on other days:
a regression with station fixed effects on the odd days, where the proposer compared matched hours of the
even days. Where the clocks of load and energy were found apart, the same regression with equal stamps
bounds the interval, so that no saving rests on that finding alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from advisor.plan import Check, Interval, Plan, Saving, Totals, Verdict, VerifiedPlan
from features.base_station import SLEEP_COLUMNS, build, labels
from features.frame import FeatureFrame, FloatArray
from features.telemetry import Telemetry

Z90 = 1.645
MIN_STATIONS = 8
MIN_ON = 20
DISAGREE = 0.15
"""Proposer and scorer may differ by this much in the share saved before a plan is not proven [1]."""
LARGEST = 0.9
"""A larger saving is not sleep but an outage or a wrong meter [1]."""
SHORTEST_H = 2.0
BOOTSTRAP = 400


@dataclass(frozen=True)
class Scale:
    """What one unit of the fleet's energy is worth; None where not declared.

    ``kwh`` [kWh/unit], ``price`` [currency/kWh], ``carbon`` [kg/kWh], ``green`` [1].
    """

    kwh: float | None = None
    price: float | None = None
    carbon: float | None = None
    green: float | None = None

    def totals(self, energy: float) -> Totals:
        """Return the totals of an energy [unit of the data]."""
        if self.kwh is None:
            return Totals(green_share=self.green)
        bought = energy * self.kwh
        return Totals(
            energy_kwh=bought,
            non_green_kwh=None if self.green is None else bought * (1 - self.green),
            cost=None if self.price is None else bought * self.price,
            carbon_kg=None if self.carbon is None else bought * self.carbon,
            green_share=self.green,
        )

    def saving(self, saved: Interval, fleet: float) -> Saving:
        """Return a saving [unit of the data] in every unit that was declared."""
        share = Interval(*(100 * v / fleet for v in (saved.lower, saved.point, saved.upper)))
        if self.kwh is None:
            return Saving(energy_pct=share)
        kwh = saved.scaled(self.kwh)
        return Saving(
            energy_kwh=kwh,
            energy_pct=share,
            non_green_kwh=None if self.green is None else kwh.scaled(1 - self.green),
            cost=None if self.price is None else kwh.scaled(self.price),
            carbon_kg=None if self.carbon is None else kwh.scaled(self.carbon),
        )


@dataclass(frozen=True)
class FleetEnergy:
    """Energy of every station and interval of the window without the plan [unit of the data].

    ``table`` has ``site_id``, ``timestamp`` (of the cells' rows), ``energy``; ``measured`` [1] is the
    share of the sum that was metered, the rest is predicted.
    """

    table: pd.DataFrame
    measured: float

    @property
    def total(self) -> float:
        """Sum over the fleet."""
        return float(self.table["energy"].sum())


@dataclass(frozen=True)
class Score:
    """The scorer's share saved while asleep, with its standard error [1]."""

    share: float
    error: float
    stations: int
    hours: int


class SleepScorer:
    """Fixed-effects regression of log energy on load and sleep.

    Parameters
    ----------
    telemetry : Telemetry
    quantity : str
    offset : int
        Clock offset [intervals].
    seed : int
        Of the bootstrap over stations.
    """

    def __init__(self, telemetry: Telemetry, quantity: str, offset: int, seed: int = 0) -> None:
        self.telemetry, self.offset, self.seed = telemetry, offset, seed
        self._frames: dict[int, FeatureFrame] = {o: build(telemetry, quantity, o) for o in {0, offset}}

    def score(self, product: str, modes: tuple[str, ...], *, equal_stamps: bool = False) -> Score | None:
        """Return the share of energy saved while `modes` are fully on; None where the data cannot tell."""
        frame = self._frames[0 if equal_stamps else self.offset]
        table = self._table(frame, product, modes)
        asleep = table["share"] > 0.5
        seen = table["site_id"].isin(table.loc[asleep, "site_id"])
        table, asleep = table[seen], asleep[seen]
        stations = int(table["site_id"].nunique())
        if stations < MIN_STATIONS or asleep.sum() < MIN_ON:
            return None
        top = 5 * float(table.loc[asleep, "load"].quantile(0.9)) + 0.05
        table = table[table["load"] <= top]
        coefficient, error = self._regress(table)
        share = float(1 - np.exp(coefficient))
        return Score(share, float(np.exp(coefficient) * error), stations, int(asleep.sum()))

    def _table(self, frame: FeatureFrame, product: str, modes: tuple[str, ...]) -> pd.DataFrame:
        X = frame.X
        odd = self.telemetry.local(frame.keys["timestamp"]).dayofyear % 2 == 1
        energy = frame.target()
        keep = (
            (labels(frame, "ru_type") == product).to_numpy()
            & (energy > 0) & np.asarray(odd) & X["load"].notna().to_numpy() & (X["load_filled"] == 0).to_numpy()
        )  # fmt: skip
        share = X[list(modes)].fillna(0.0).mean(axis=1)
        other = X["sleep_total"].fillna(0.0) - share * len(modes)
        table = pd.DataFrame(
            {
                "site_id": frame.keys["site_id"],
                "load": X["load"],
                "share": share,
                "other": other.clip(lower=0.0),
            }
        )
        return table[keep].assign(y=np.log(energy[keep]))

    def _regress(self, table: pd.DataFrame) -> tuple[float, float]:
        """Return the coefficient of the sleep share and its bootstrap error over stations."""
        load = table["load"]
        Z = pd.DataFrame(
            {
                "share": table["share"], "load": load, "square": load**2,
                "log": np.log(load + 0.01), "other": table["other"], "y": table["y"],
            }
        )  # fmt: skip
        site = table["site_id"]
        inner = (Z - Z.groupby(site).transform("mean")).to_numpy(dtype=np.float64)
        codes = pd.factorize(site)[0]
        count = int(codes.max()) + 1
        order = np.argsort(codes, kind="stable")
        starts = np.searchsorted(codes[order], np.arange(count))
        products = inner[order][:, :, None] * inner[order][:, None, :]
        gram = np.add.reduceat(products, starts, axis=0)  # one (5+1) x (5+1) matrix per station
        draws = np.random.default_rng(self.seed).multinomial(count, np.full(count, 1 / count), BOOTSTRAP)
        point = _solve(gram.sum(axis=0)[None])[0]
        repeated = _solve(np.tensordot(draws.astype(np.float64), gram, axes=1))
        return float(point), float(repeated.std())


def _solve(gram: FloatArray) -> FloatArray:
    """Return the first coefficient of each normal system, shape (systems,)."""
    size = gram.shape[1] - 1
    ridge = 1e-9 * np.eye(size) * np.trace(gram, axis1=1, axis2=2)[:, None, None]
    solution = np.linalg.solve(gram[:, :size, :size] + ridge, gram[:, :size, size:])
    return np.asarray(solution[:, 0, 0], dtype=np.float64)


def verify_sleep(
    plan: Plan, scorer: SleepScorer, fleet: FleetEnergy, scale: Scale, actions: dict[str, tuple[str, ...]]
) -> VerifiedPlan:
    """Re-check a sleep plan and score its saving.

    Parameters
    ----------
    plan : Plan
        Schedule with ``site_id``, ``unit_id``, ``timestamp``, ``lever``, ``current``, ``recommended``
        and ``product``.
    scorer : SleepScorer
    fleet : FleetEnergy
    scale : Scale
    actions : dict
        Product -> modes that the plan switches together.

    Returns
    -------
    VerifiedPlan
        ``supported`` only if every check passes and the interval of the saving excludes zero.
    """
    checks = [*_limit_checks(plan, scorer.telemetry, actions)]
    baseline = scale.totals(fleet.total)
    if plan.schedule.empty:
        return VerifiedPlan(
            plan, "hold", baseline, baseline, Saving(), {}, None, None, tuple(checks), plan.conflicts
        )
    saved, notes, known = _scored_saving(plan, scorer, fleet, actions)
    proposer = plan.objective.get("saving_pct")
    parts = {"station_pct": _station_pct(plan, fleet, saved)} if saved else {}
    verdict: Verdict = "supported"
    if not all(c.passed for c in checks):
        verdict = "refused"
    elif saved is None or saved.lower <= 0 or not known:
        verdict = "not proven"
    if saved is None:
        return VerifiedPlan(
            plan, verdict, baseline, baseline, Saving(), {}, proposer, None, tuple(checks), tuple(notes)
        )
    return VerifiedPlan(
        plan, verdict, baseline, scale.totals(fleet.total - saved.point), scale.saving(saved, fleet.total),
        parts, proposer, 100 * saved.point / fleet.total, tuple(checks), tuple(notes),
    )  # fmt: skip


def _scored_saving(
    plan: Plan, scorer: SleepScorer, fleet: FleetEnergy, actions: dict[str, tuple[str, ...]]
) -> tuple[Interval | None, list[str], bool]:
    """Return the saving [unit of the data], what was noticed, and whether the two models agree."""
    notes: list[str] = []
    agree = True
    lower = point = upper = 0.0
    for product, modes in sorted(actions.items()):
        score = scorer.score(product, modes)
        if score is None:
            notes.append(f"{product}: too few stations asleep on the scorer's days")
            return None, notes, False
        exposed = _exposed(plan.schedule[plan.schedule["product"] == product], fleet)
        proposed = float(plan.problem.options.get(f"effect:{product}", score.share))
        half = float(np.hypot(Z90 * score.error, abs(proposed - score.share) / 2))
        bounds = Interval(score.share - half, score.share, min(score.share + half, 1.0))
        bounds, said = _with_equal_stamps(bounds, scorer, product, modes)
        notes += [
            f"{product}: matched hours say {100 * proposed:.1f} % of the station's energy, "
            f"the regression {100 * score.share:.1f} % ({score.stations} stations, {score.hours} hours asleep)",
            *said,
        ]
        agree &= abs(proposed - score.share) <= DISAGREE and score.share < LARGEST
        lower, point, upper = (
            lower + bounds.lower * exposed, point + bounds.point * exposed, upper + bounds.upper * exposed
        )  # fmt: skip
    return Interval(lower, point, upper), notes, agree


def _with_equal_stamps(
    bounds: Interval, scorer: SleepScorer, product: str, modes: tuple[str, ...]
) -> tuple[Interval, list[str]]:
    """Widen an interval by the answer with the exports' own stamps."""
    if scorer.offset == 0:
        return bounds, []
    other = scorer.score(product, modes, equal_stamps=True)
    if other is None:
        return bounds, []
    wider = Interval(min(bounds.lower, other.share), bounds.point, max(bounds.upper, other.share))
    return wider, [
        f"{product}: with equal stamps of load and energy {100 * other.share:.1f} %, inside the interval"
    ]


def _exposed(schedule: pd.DataFrame, fleet: FleetEnergy) -> float:
    """Return the energy that is put to sleep [unit of the data], cells weighted by their capacity."""
    cells = schedule.drop_duplicates(["site_id", "unit_id", "timestamp"])
    weight = cells.groupby(["site_id", "timestamp"])["capacity_share"].sum().reset_index()
    joined = weight.merge(fleet.table, on=["site_id", "timestamp"], how="left")
    return float((joined["capacity_share"] * joined["energy"]).sum())


def _station_pct(plan: Plan, fleet: FleetEnergy, saved: Interval) -> float:
    """Return the saving in % of the energy of the stations concerned over the window."""
    theirs = fleet.table["site_id"].isin(plan.schedule["site_id"])
    return float(100 * saved.point / fleet.table.loc[theirs, "energy"].sum())


def _limit_checks(plan: Plan, telemetry: Telemetry, actions: dict[str, tuple[str, ...]]) -> list[Check]:
    """Re-check every limit of a plan on the cells' raw rows."""
    cells = telemetry.frame[telemetry.frame["unit_id"] != ""]
    levers = sorted({m for modes in actions.values() for m in modes})
    schedule = plan.schedule
    once = schedule.drop_duplicates(["site_id", "unit_id", "timestamp"])
    joined = once.merge(
        cells[["site_id", "unit_id", "timestamp", "prb_utilisation", *[m for m in levers if m in cells]]],
        on=["site_id", "unit_id", "timestamp"], how="left",
    )  # fmt: skip
    return [
        _load_check(plan, joined), _other_days_check(plan, joined, cells, telemetry),
        _awake_check(schedule, cells), _block_check(schedule, cells, telemetry),
        _command_check(schedule, joined, levers), _work_check(schedule),
    ]  # fmt: skip


def _guard(plan: Plan, products: pd.Series) -> pd.Series:
    bounds = {limit.source.removeprefix("guard "): limit.value for limit in plan.problem.limits}
    return products.map(lambda p: bounds[p]).astype(np.float64)


def _load_check(plan: Plan, joined: pd.DataFrame) -> Check:
    if joined.empty:
        return Check("prb_utilisation", True, None, None, "nothing is put to sleep")
    excess = joined["prb_utilisation"] - _guard(plan, joined["product"])
    passed = bool((excess <= 1e-12).all())  # NaN (no such cell row) fails
    worst = float(joined["prb_utilisation"].max())
    return Check(
        "prb_utilisation", passed, worst, float(_guard(plan, joined["product"]).max()), "load while asleep"
    )


def _other_days_check(plan: Plan, joined: pd.DataFrame, cells: pd.DataFrame, telemetry: Telemetry) -> Check:
    hour = np.asarray(telemetry.local(cells["timestamp"]).hour)
    top = (
        cells.assign(hour=hour).groupby(["site_id", "unit_id", "hour"])["prb_utilisation"].max().rename("top")
    )
    planned = joined.assign(hour=np.asarray(telemetry.local(joined["timestamp"]).hour))
    planned = planned.merge(top.reset_index(), on=["site_id", "unit_id", "hour"], how="left")
    passed = bool((planned["top"] <= _guard(plan, planned["product"]) + 1e-12).all())
    worst = float(planned["top"].max()) if len(planned) else None
    return Check("prb_utilisation", passed, worst, None, "load at the same hour of all days in the export")


def _awake_check(schedule: pd.DataFrame, cells: pd.DataFrame) -> Check:
    """Of a station with several cells, one stays awake in every interval."""
    units = cells.groupby("site_id")["unit_id"].nunique()
    several = cells[
        cells["site_id"].isin(units.index[units > 1]) & cells["site_id"].isin(schedule["site_id"])
    ]
    if several.empty:
        return Check("cells awake", True, None, 1.0, "no station with several cells is concerned")
    now = several[[m for m in SLEEP_COLUMNS if m in several]].max(axis=1) > 0.05
    planned = schedule.drop_duplicates(["site_id", "unit_id", "timestamp"])[
        ["site_id", "unit_id", "timestamp"]
    ]
    state = several[["site_id", "unit_id", "timestamp"]].assign(now=now)
    state = state.merge(planned.assign(new=True), on=["site_id", "unit_id", "timestamp"], how="left")
    asleep = state["now"] | state["new"].notna()
    awake = (~asleep).groupby([state["site_id"], state["timestamp"]]).sum()
    touched = state["new"].notna().groupby([state["site_id"], state["timestamp"]]).any()
    least = awake[touched].min() if touched.any() else np.nan
    return Check("cells awake", bool(not touched.any() or least >= 1), float(least), 1.0, "cells left awake")


def _block_check(schedule: pd.DataFrame, cells: pd.DataFrame, telemetry: Telemetry) -> Check:
    """Sleep, old and new together, forms one block a night of at least `SHORTEST_H`."""
    planned = schedule.drop_duplicates(["site_id", "unit_id", "timestamp"])[
        ["site_id", "unit_id", "timestamp"]
    ]
    if planned.empty:
        return Check("block length", True, None, SHORTEST_H, "nothing is put to sleep")
    present = [m for m in SLEEP_COLUMNS if m in cells]
    old = cells.loc[(cells[present] > 0.05).any(axis=1), ["site_id", "unit_id", "timestamp"]]
    both = pd.concat([planned.assign(new=1), old.assign(new=0)]).sort_values(
        ["site_id", "unit_id", "timestamp"]
    )
    both = both.drop_duplicates(["site_id", "unit_id", "timestamp"])
    shifted = telemetry.local(both["timestamp"]).tz_localize(None) - pd.Timedelta(hours=12)
    night = both["site_id"] + "|" + both["unit_id"] + "|" + np.asarray(shifted.strftime("%Y-%m-%d"))
    gap = (both["timestamp"].diff() != telemetry.interval) | (night != night.shift())
    block = gap.cumsum()
    length = block.map(block.value_counts()) * telemetry.hours
    touched = (both["new"] == 1).groupby(night).transform("any")
    blocks = block.groupby(night).transform("nunique")
    shortest = float(length[both["new"] == 1].min())
    most = int(blocks[touched].max())
    return Check(
        "block length",
        shortest >= SHORTEST_H and most == 1,
        shortest,
        SHORTEST_H,
        f"at most {most} block(s) a night",
    )


def _command_check(schedule: pd.DataFrame, joined: pd.DataFrame, levers: list[str]) -> Check:
    """Commands name real levers, shares in 0..1, and start from what the telemetry shows."""
    in_range = bool(schedule["recommended"].between(0.0, 1.0).all())
    named = bool(schedule["lever"].isin(levers).all())
    unique = not schedule.duplicated(["site_id", "unit_id", "timestamp", "lever"]).any()
    long = joined.melt(
        ["site_id", "unit_id", "timestamp"], [m for m in levers if m in joined], "lever", "seen"
    )
    merged = schedule.merge(long, on=["site_id", "unit_id", "timestamp", "lever"], how="left")
    same = bool(((merged["current"] - merged["seen"]).abs().fillna(0.0) <= 1e-9).all())
    passed = in_range and named and unique and same
    return Check("commands", passed, None, None, "levers, shares and starting values")


def _work_check(schedule: pd.DataFrame) -> Check:
    """Check that only sleep levers move: the work of the fleet stays as measured."""
    only = bool(schedule["lever"].str.startswith("sleep_mode_").all())
    return Check("work done", only, None, None, "no lever touches the load; it is the export's own")
