"""Set-points of a data centre: the pair per calendar month that needs least facility energy.

The proposing model is evaluated exactly on a grid of explored set-points; see `advisor.cooling_search`.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from advisor.cooling_search import UNTRIED, Pair, Search, best_constant, best_pairs, neighbours
from advisor.plan import Plan, Problem, SolverReport
from advisor.reset import Days, best_reset
from features.frame import FloatArray
from features.message import say
from features.operation import Operation
from features.telemetry import TimeZone
from models.site_response import SiteResponse

ROWS = 2500
"""The search looks at about this many steps, evenly spread; the verifier looks at all."""
LEAST_ROWS = 12


def propose(
    response: SiteResponse | None,
    operation: Operation,
    start: pd.Timestamp,
    end: pd.Timestamp,
    problem: Problem,
    *,
    why_not: tuple[str, ...] = (),
) -> Plan:
    """Find the set-points of a window.

    Parameters
    ----------
    response : SiteResponse or None
        The proposing model; None: nothing could be learned, and the current set-points are held.
    operation : Operation
        The whole export, levers restricted to those identified (all of them where `response` is None).
    start, end : pandas.Timestamp
        Window in UTC, end exclusive.
    problem : Problem
    why_not : tuple of str
        Reasons to give where nothing is proposed.

    Returns
    -------
    Plan
        One row per step of the window and lever of ``problem.current``.
    """
    began = time.perf_counter()
    steps = pd.date_range(start, end, freq=pd.Timedelta(hours=operation.hours), inclusive="left")
    window = operation.between(start, end)
    window = window.rows(window.usable)
    if response is None or len(window) < LEAST_ROWS:
        reasons = why_not or (say("only {total} steps of the window are fully measured", total=len(window)),)
        report = SolverReport(
            "hold", say("no model of the levers"), time.perf_counter() - began, problem.seed
        )
        return Plan(problem, _schedule(steps, problem, {}), {}, report, reasons)
    thin = window.rows(np.arange(len(window)) % max(len(window) // ROWS, 1) == 0)
    zone = TimeZone(str(problem.options.get("zone", "unknown")))
    label = _months(steps, steps, zone)
    search = Search(response, thin, operation, problem, _months(thin.stamps, steps, zone), int(label[-1]) + 1)
    constant = best_constant(search)
    best = best_pairs(search, constant)
    said = _cap(search, best, len(steps) * operation.hours)
    days = Days.of(operation, steps, zone)
    reset = best_reset(search, days, best)
    chosen = (
        _constants(search, days, best, steps, label)
        if reset is None
        else reset.schedule(days, steps, search.levers)
    )
    share = search.counts / search.counts.sum()
    saving = sum(float(search.outcome(p).mean_kw[m] * share[m]) for m, p in enumerate(best) if share[m] > 0)
    if reset is not None:
        saving = float(share @ search.outcome_of(reset.schedule(days, thin.stamps, search.levers)).mean_kw)
    base = float(thin.facility_kw.mean())
    moved = reset is not None or any(p != search.current() for p in best)
    report = SolverReport(
        "optimal" if moved else "hold",
        say("exact evaluation on a grid of explored set-points, refined around the best")
        if reset is None
        else say("rules found by a guided search, each evaluated exactly"),
        time.perf_counter() - began,
        problem.seed,
        0.0,
        search.evaluated,
    )
    excluded = {o.blocked_by for o in search.known.values() if o.blocked_by}
    blocked = [
        say("colder, warmer or untried set-points were excluded by: {name}", name=name)
        for name in sorted(excluded)
    ]
    objective = {"saving_kw": saving, "saving_pct": 100 * saving / base}
    broken = _broken_today(search, moved)
    if broken and not moved:
        report = replace(report, status="infeasible")
    return Plan(
        problem,
        _schedule(steps, problem, chosen),
        objective,
        report,
        (*broken, *said, *blocked),
        _binding(search, best),
        _kept_by_moving(search) if moved else "",
        {} if reset is None else reset.rules(search.levers),
        dict(zip(search.levers, constant, strict=True)),
    )


def _constants(
    search: Search, days: Days, best: list[Pair], steps: pd.DatetimeIndex, month: npt.NDArray[np.int64]
) -> dict[str, FloatArray]:
    """Return the constants of the months, moved from one to the next as slowly as by a rule."""
    day, _ = days.place(steps)
    of_day = month[np.searchsorted(day, np.arange(len(days)))]
    return {
        name: days.followed(name, np.array([p[k] for p in best])[of_day], steps)
        for k, name in enumerate(search.levers)
    }


def _kept_by_moving(search: Search) -> str:
    """Return the limit that today's set-points break."""
    if search.kept(search.current()):
        return ""
    today = search.outcome(search.current())
    if not today.holds(search.counts > 0):
        return "" if today.blocked_by == UNTRIED else today.blocked_by
    return say("PUE at most {cap:g}", cap=search.cap)


def _cap(search: Search, best: list[Pair], hours: float) -> list[str]:
    """Say what a cap on PUE costs, or that no explored set-point keeps it."""
    if search.cap is None:
        return []
    share = search.counts / search.counts.sum()
    if not search.kept(best[0]):
        held = [o.pue for o in search.known.values() if o.holds(search.counts > 0)]
        return [
            say(
                "no explored set-point keeps a PUE of at most {cap:g}: the lowest is {lowest:.3f}",
                cap=search.cap,
                lowest=min(held, default=float("nan")),
            )
        ]
    free = replace(search, capped=False)
    pairs = best_pairs(free, best_constant(free))
    without = sum(float(free.outcome(p).mean_kw[m] * share[m]) for m, p in enumerate(pairs))
    lost = without - float(share @ search.outcome(best[0]).mean_kw)
    return [
        say(
            "a PUE of at most {cap:g} costs {lost:,.0f} kWh in the window: so much more would be saved "
            "without it",
            cap=search.cap,
            lost=max(lost, 0.0) * hours,
        )
    ]


def proposed_saving_pct(response: SiteResponse, operation: Operation, schedule: pd.DataFrame) -> float:
    """Return what the proposing model says that a schedule saves [% of its baseline energy].

    Parameters
    ----------
    response : SiteResponse
    operation : Operation
        The whole export, levers as in the response.
    schedule : pandas.DataFrame
        As `advisor.plan.Plan.schedule`.
    """
    wide = schedule.pivot_table(index="timestamp", columns="lever", values=["current", "recommended"])
    window = operation.rows(np.asarray(operation.stamps.isin(wide.index)) & operation.usable)
    wide = wide.reindex(window.stamps)
    before, after = (
        response.scenario(window, {n: wide[side][n].to_numpy(dtype=np.float64) for n in operation.levers})
        for side in ("current", "recommended")
    )
    base = float(np.nansum(before.facility_kw))
    return 100 * (base - float(np.nansum(after.facility_kw))) / base


def _broken_today(search: Search, moved: bool) -> list[str]:
    """Say which limit today's operation breaks, and what would keep it."""
    seen = search.counts > 0
    today = search.outcome(search.current())
    if today.holds(seen) or not today.blocked_by or today.blocked_by == UNTRIED:
        return []
    kept = [p for p, o in search.known.items() if o.holds(seen)]
    if not kept:
        return [
            say(
                "today's set-points break {limit}, and so does every explored one: explore colder "
                "air in steps of 0.5 K, or raise the limit",
                limit=today.blocked_by,
            )
        ]
    if moved:
        return [say("today's set-points break {limit}; the plan keeps it", limit=today.blocked_by)]
    return [
        say(
            "today's set-points break {limit}; explored set-points that keep it exist", limit=today.blocked_by
        )
    ]


def _binding(search: Search, best: list[Pair]) -> dict[str, str]:
    """Return the limit that stops each lever where one more step would save more."""
    seen = search.counts > 0
    share = search.counts / search.counts.sum()
    pair = best[int(search.counts.argmax())]
    here = float(share @ search.outcome(pair).mean_kw)
    found: dict[str, str] = {}
    for k, name in enumerate(search.levers):
        for value in neighbours(search.problem.candidates[name], pair[k]):
            further = search.outcome((*pair[:k], value, *pair[k + 1 :]))
            if not further.holds(seen) and further.blocked_by and float(share @ further.mean_kw) >= here:
                found[name] = further.blocked_by
    return found


def _months(stamps: pd.DatetimeIndex, window: pd.DatetimeIndex, zone: TimeZone) -> npt.NDArray[np.int64]:
    """Return 0, 1, ... per local calendar month since the window's first."""
    first, local = window[0].tz_convert(zone.tzinfo()), stamps.tz_convert(zone.tzinfo())
    months = (local.year.to_numpy() - first.year) * 12 + local.month.to_numpy() - first.month
    return np.asarray(months, dtype=np.int64)


def _schedule(steps: pd.DatetimeIndex, problem: Problem, chosen: dict[str, FloatArray]) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {
                "timestamp": steps,
                "unit_id": "",
                "lever": name,
                "current": value,
                "recommended": chosen.get(name, np.full(len(steps), value)),
            }
        )
        for name, value in problem.current.items()
    ]
    return pd.concat(parts, ignore_index=True)
