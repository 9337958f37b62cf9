"""Generated portfolios: each is planned and re-checked by independent code, or refused with a code.

    python tests/benchmarks/portfolio_fuzz.py [--cases N] [--first NUMBER]

`tests.portfolio_cases` makes a portfolio from every number. A plan must pass `verify_dispatch`, must not be
worse than doing nothing wherever doing nothing keeps every limit, and must come with a small gap; a refusal
must be a `PlanError` with a code, and must not happen where doing nothing keeps every limit. Prints the
counts and writes ``results/portfolio_fuzz.md``; what fails is named by its number: it can be made again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from advisor.dispatch import Dispatch, DispatchModel, as_it_is
from advisor.dispatch_site import SHARES, DispatchTotals, Objective, Target
from advisor.dispatch_verify import verify_dispatch
from features.errors import PlanError
from tests.benchmarks.backtests import markdown
from tests.portfolio_cases import Case, portfolio

RESULTS = Path(__file__).parent / "results" / "portfolio_fuzz.md"
WORSE = 1e-4
"""A plan may be worse than doing nothing by tie-break and gap: share of what is at stake [1]."""
GAP = 1e-3
"""Largest gap, as a share of what is at stake [1]."""
INFEASIBLE = (
    "E-DISPATCH-CAPACITY", "E-DISPATCH-RESERVE", "E-DISPATCH-AT-MOST", "E-DISPATCH-TARGET", "E-DISPATCH-GRID",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What became of one case.

    ``code`` is "" where it was planned; ``faults`` what is wrong with the answer; ``gap`` as a share of what
    is at stake [1].
    """

    number: int
    code: str
    faults: tuple[str, ...]
    seconds: float
    gap: float = 0.0
    features: frozenset[str] = field(default_factory=frozenset)


def main() -> None:
    """Run the cases and write the counts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    args = parser.parse_args()
    began = time.perf_counter()
    outcomes = []
    for number in range(args.first, args.first + args.cases):
        outcomes.append(outcome(number))
        if outcomes[-1].faults:
            print(f"{number}: {'; '.join(outcomes[-1].faults)}", flush=True)
    text = report(outcomes, time.perf_counter() - began)
    print(text)
    if args.cases == parser.get_default("cases"):
        RESULTS.write_text(text, encoding="utf-8", newline="\n")


def outcome(number: int) -> Outcome:
    """Plan one case and judge the answer."""
    case, began = portfolio(number), time.perf_counter()
    found = _features(case)
    try:
        model, plan, at_most = _planned(case)
    except PlanError as error:
        faults = [] if error.code in INFEASIBLE else [f"ended with {error.code}"]
        if case.at_most_share is None and _nothing_is_feasible(case):
            faults.append(f"refused with {error.code} although doing nothing keeps every limit")
        return Outcome(number, error.code, tuple(faults), time.perf_counter() - began, features=found)
    faults = [f"{c.name} {c.worst:.2g}, {c.note}" for c in _failed(case, model, plan)]
    value, scale = reached(case, plan), stake(case)
    if at_most is not None:
        second = _told(plan.totals, model.setting.limited or "cost")
        if model.setting.limited == "cost":
            second += plan.invested
        if second > at_most + 1e-6 * max(abs(at_most), 1.0):
            faults.append(f"at_most {at_most:.6g}, reached {second:.6g}")
    elif _nothing_is_feasible(case):
        before = _told(as_it_is(case.sites, case.hours).totals, case.objective)
        if value > before + WORSE * scale:
            faults.append(f"{case.objective} {value:.8g}, doing nothing {before:.8g}")
    gap = (plan.report.gap or 0.0) * abs(value) / scale
    if gap > GAP:
        faults.append(f"gap {gap:.2g} of what is at stake")
    return Outcome(number, "", tuple(faults), time.perf_counter() - began, gap, found)


def _planned(case: Case) -> tuple[DispatchModel, Dispatch, float | None]:
    model = case.model()
    plan = model.solve(objective=case.objective)
    limited = model.setting.limited
    if case.at_most_share is None or limited is None:
        return model, plan, None
    least = model.solve(objective=limited)
    low, high = (_told(p.totals, limited) + (p.invested if limited == "cost" else 0.0) for p in (least, plan))
    at_most = low + case.at_most_share * (high - low)
    if case.at_most_share > 0:
        at_most += 1e-6 * max(abs(low), 1.0)  # the least as the plan tells it includes rounding
    return model, model.solve(objective=case.objective, at_most=at_most), at_most


def _failed(case: Case, model: DispatchModel, plan: Dispatch) -> list[object]:
    return [c for c in verify_dispatch(case.sites, plan, model.setting) if not c.passed]


def _told(totals: DispatchTotals, objective: Objective) -> float:
    return float(getattr(totals, objective))


def reached(case: Case, plan: Dispatch) -> float:
    return _told(plan.totals, case.objective) + (plan.invested if case.objective == "cost" else 0.0)


def stake(case: Case) -> float:
    """Return the size of the objective's sums, signs aside [its unit]: shares of a sum near 0 say nothing."""
    total = 0.0
    for s in case.sites:
        weight = {
            "non_green_kwh": np.ones_like(s.load_kw), "cost": np.abs(s.price_per_kwh),
            "carbon_kg": s.carbon_g_per_kwh / 1000, "water_m3": s.water_m3_per_kwh,
        }.get(case.objective, np.ones_like(s.load_kw))  # fmt: skip
        total += case.hours * float(s.load_kw @ weight)
    return total


def _nothing_is_feasible(case: Case) -> bool:
    """Whether resting keeps every limit, worked out from the inputs alone."""
    start = case.keywords["battery_start"]
    for s in case.sites:
        bought = np.maximum(s.load_kw - s.own_kw, 0.0)
        if s.grid_max_kw is not None and (bought > s.grid_max_kw).any():
            return False
        if (s.work_kw > s.it_capacity_kw)[s.open].any():
            return False
        if s.battery is not None:
            kept = s.reserve_kwh(case.hours)
            room = s.battery.energy_kwh - kept[0]
            if room < 0 or (kept > kept[0] + start * room).any():
                return False
    return all(_kept_by_nothing(case, t) for t in case.keywords.get("targets", ()))


def _kept_by_nothing(case: Case, target: Target) -> bool:
    sites = [s for s in case.sites if target.site_ids is None or s.site_id in target.site_ids]
    totals = as_it_is(sites, case.hours).totals
    if target.measure not in SHARES:
        return float(getattr(totals, target.measure)) <= target.bound
    share = totals.cfe if target.measure == "cfe" else totals.coverage
    return share is not None and share >= target.bound


def _features(case: Case) -> frozenset[str]:
    """Return what the case has, for the counts."""
    k, sites, classes = case.keywords, case.sites, case.keywords.get("classes", ())
    has = {
        "several sites": len(sites) > 1, "half-hour steps": case.hours == 0.5,
        "battery": any(s.battery for s in sites),
        "backup time": any(s.battery and s.battery.reserve_hours for s in sites),
        "wear": any(s.battery and s.battery.cycle_cost_per_kwh for s in sites),
        "charging from the grid": any(s.battery and s.battery.grid_charging for s in sites),
        "flexible share": any(s.flexible_share for s in sites),
        "work between sites": bool(k["between_sites"]),
        "transfer cost": any(not e.free for e in k.get("exchanges") or ()),
        "connection limit": any(s.grid_max_kw is not None for s in sites),
        "priced peaks": any(s.peak for s in sites),
        "negative prices": any((s.price_per_kwh < 0).any() for s in sites),
        "steps without data": any(s.frozen is not None for s in sites),
        "classes of work": bool(classes), "jobs in one piece": any(c.in_one_piece for c in classes),
        "whole jobs": any(c.job_kw for c in classes),
        "options": bool(k.get("options")), "targets": bool(k.get("targets")),
        "second objective bounded": case.at_most_share is not None,
    }  # fmt: skip
    return frozenset(name for name, present in has.items() if present)


def report(outcomes: list[Outcome], seconds: float) -> str:
    """Return the counts as Markdown."""
    planned = [o for o in outcomes if not o.code]
    counts = Counter(o.code or "planned and verified" for o in outcomes)
    faulty = [o for o in outcomes if o.faults]
    times, gaps = np.array([o.seconds for o in outcomes]), np.array([o.gap for o in planned])
    features = Counter(f for o in outcomes for f in o.features)
    solved = Counter(f for o in planned for f in o.features)
    numbers = f"{outcomes[0].number} to {outcomes[-1].number}"
    ended = pd.DataFrame([(n, c) for n, c in counts.most_common()], columns=["ended", "portfolios"])
    having = pd.DataFrame(
        [(f, c, solved[f]) for f, c in features.most_common()], columns=["with", "portfolios", "planned"]
    )
    lines = [
        "# Generated portfolios", "",
        "- made by: `python tests/benchmarks/portfolio_fuzz.py`",
        f"- portfolios: {len(outcomes)}, numbers {numbers}; {seconds:.0f} s, median "
        f"{1000 * np.median(times):.0f} ms, longest {times.max():.1f} s",
        f"- answers with a fault: {len(faulty)}"
        + "".join(f"\n  - {o.number}: {'; '.join(o.faults)}" for o in faulty),
        f"- gap as a share of what is at stake: median {np.median(gaps):.1e}, largest {gaps.max():.1e}",
        "", markdown(ended), "", markdown(having), "",
    ]  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    main()
