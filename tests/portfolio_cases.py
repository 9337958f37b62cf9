"""Portfolios made from a number: everything a dispatch knows, drawn independently; some cannot be planned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from advisor.assets import Battery
from advisor.dispatch import DispatchModel, DispatchSite, Exchange
from advisor.dispatch_options import Option
from advisor.dispatch_site import IntArray, Objective, PeakCharge, Target
from advisor.work import Place, WorkClass
from features.frame import FloatArray

OBJECTIVES: tuple[Objective, ...] = (
    "non_green_kwh", "grid_kwh", "cost", "carbon_kg", "water_m3", "effort_kwh",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One portfolio and what is asked of it.

    ``at_most_share`` [1]: where a second objective is bounded, its bound as a share of the way from the
    least that can be reached (0) to what the first objective alone would take (1); below 0: out of reach.
    """

    sites: tuple[DispatchSite, ...]
    day: IntArray
    hours: float
    objective: Objective
    keywords: dict[str, Any]
    at_most_share: float | None = None

    def model(self) -> DispatchModel:
        """Return the model, not yet solved."""
        return DispatchModel(self.sites, self.day, self.hours, **self.keywords)


def portfolio(number: int) -> Case:
    """Return the portfolio of a number: the same one each time.

    Parameters
    ----------
    number : int
    """
    rng = np.random.default_rng(number)
    n, count = int(rng.integers(8, 49)), int(rng.integers(1, 5))
    hours = float(rng.choice([0.5, 1.0], p=[0.3, 0.7]))
    day = np.arange(n) // int(rng.choice([4, 12, 24]))
    sites = [_site(rng, k, n, hours) for k in range(count)]
    keywords: dict[str, Any] = {
        "battery_start": float(rng.choice([0.0, 0.5, 1.0])),
        "battery_end": str(rng.choice(["as-started", "free"])),
        **_exchanges(rng, sites),
    }
    if _often(rng, 0.6):
        keywords["classes"] = _classes(rng, sites)
    objective = OBJECTIVES[int(rng.choice(6, p=[0.3, 0.1, 0.3, 0.15, 0.08, 0.07]))]
    if _often(rng, 0.35):
        keywords["options"] = _options(rng, sites)
    if _often(rng, 0.3):
        keywords["targets"] = _targets(rng, sites, hours)
    share = None
    if _often(rng, 0.2):
        objective = "non_green_kwh" if "options" in keywords and objective == "cost" else objective
        keywords["limited"] = "effort_kwh" if objective == "cost" else "cost"
        share = float(rng.choice([-0.5, 0.1, 0.5, 0.9]))
    elif "options" in keywords:
        objective = "cost"  # otherwise they would be free
    return Case(tuple(sites), day, hours, objective, keywords, share)


def _often(rng: np.random.Generator, share: float) -> bool:
    return bool(rng.random() < share)


def _site(rng: np.random.Generator, k: int, n: int, hours: float) -> DispatchSite:
    it = rng.uniform(20, 100, n) * rng.choice([0.1, 1.0, 30.0])
    top = float(it.max())
    site = DispatchSite(
        f"s{k}", it * float(rng.uniform(1.3, 1.9)) + 5, top * rng.uniform(0, 3, n) * (rng.random(n) < 0.5),
        rng.uniform(0, 1, n) * (rng.random(n) < 0.9), it_kw=it, marginal=rng.uniform(1.0, 1.3, n),
        flexible_share=float(rng.choice([0.0, 0.2, 1.0])),
        it_capacity_kw=top * float(rng.choice([0.9, 1.0, 1.3, 2.0], p=[0.05, 0.15, 0.5, 0.3])),
        price_per_kwh=rng.uniform(-0.3 if _often(rng, 0.5) else 0.01, 1, n),
        carbon_g_per_kwh=rng.uniform(0, 900, n),
        water_m3=0.001 * it * hours, water_m3_per_kwh=rng.uniform(0, 0.004, n),
    )  # fmt: skip
    changes: dict[str, Any] = {}
    if _often(rng, 0.15):
        changes = {"it_kw": None, "marginal": None, "it_capacity_kw": 2.0 * float(site.load_kw.max())}
    if _often(rng, 0.6):
        changes["battery"] = _battery(rng, top)
    if _often(rng, 0.25):
        changes["frozen"] = rng.random(n) < 0.1
    if _often(rng, 0.25):
        most = rng.choice([0.6, 1.0, 1.2], p=[0.2, 0.5, 0.3])
        changes["grid_max_kw"] = float(site.load_kw.max()) * most * np.ones(n)
    if _often(rng, 0.25):
        periods = np.arange(n) // int(rng.integers(4, n + 1))
        changes["peak"] = PeakCharge(periods.astype(np.int64), rng.uniform(0, 5, int(periods[-1]) + 1))
    return replace(site, **changes)


def _battery(rng: np.random.Generator, top: float) -> Battery:
    size = top * float(rng.choice([0.2, 2.0, 8.0]))
    return Battery(
        energy_kwh=size, power_kw=size * float(rng.choice([0.25, 1.0])),
        charge_efficiency=float(rng.uniform(0.7, 1)), discharge_efficiency=float(rng.uniform(0.7, 1)),
        reserve_kwh=size * float(rng.choice([0.0, 0.3, 1.0], p=[0.6, 0.3, 0.1])),
        reserve_hours=float(rng.choice([0.0, 0.1, 1.5], p=[0.7, 0.25, 0.05])),
        cycle_cost_per_kwh=float(rng.choice([0.0, 0.05])), grid_charging=_often(rng, 0.5), source="drawn",
    )  # fmt: skip


def _exchanges(rng: np.random.Generator, sites: Sequence[DispatchSite]) -> dict[str, Any]:
    names = tuple(s.site_id for s in sites)
    kind = str(rng.choice(["none", "free", "group", "pairs"]))
    if kind == "none" or len(names) == 1:
        return {"between_sites": False}
    if kind == "free":
        return {"between_sites": True}
    if kind == "group":
        return {"between_sites": True, "exchanges": [Exchange(names[:3], 0.04, 0.02)]}
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    costs = rng.choice([0.0, 0.02, 0.1], (len(pairs), 2))
    return {
        "between_sites": True,
        "exchanges": [Exchange(p, float(c[0]), float(c[1])) for p, c in zip(pairs, costs, strict=True)],
    }


def _classes(rng: np.random.Generator, sites: Sequence[DispatchSite]) -> list[WorkClass]:
    """Return classes of every kind: waiting, pausing, in one piece, whole jobs, at other sites."""
    free = {s.site_id: 0.5 * s.work_kw * s.open for s in sites}
    made, n = [], len(sites[0].load_kw)
    for k in range(int(rng.integers(1, 5))):
        home = sites[int(rng.integers(len(sites)))].site_id
        run = int(rng.integers(1, 4))
        most = np.array([free[home][t : t + run].min() for t in range(n)]) / run
        most[n - run + 1 :] = 0
        arrival = most * rng.random(n) * (rng.random(n) < 0.7)
        job = None
        if _often(rng, 0.15) and arrival.max() > 0:
            job = float(arrival.max()) / 2
            arrival = np.floor(arrival / job) * job * (rng.random(n) < 0.4)
        places = tuple(
            Place(s.site_id, float(rng.choice([0.0, 0.05])), float(rng.choice([0.0, 0.02])))
            for s in sites
            if s.site_id != home and _often(rng, 0.6)
        )
        new = WorkClass(
            f"w{k}", home, arrival, int(rng.choice([0, 1, 4, 12])), run, _often(rng, 0.5), places, job
        )
        free[home] = free[home] - new.before_kw
        made.append(new)
    return made


def _options(rng: np.random.Generator, sites: Sequence[DispatchSite]) -> list[Option]:
    n = len(sites[0].load_kw)
    made = [Option("certificates", "certificate", None, float(rng.uniform(0, 0.1)), 1e4)]
    for s in sites:
        top = float(s.load_kw.max())
        least = float(s.load_kw.min())
        offers = [
            Option(f"pv-{s.site_id}", "supply", s.site_id, float(rng.uniform(0, 5)), 2 * top, rng.random(n)),
            Option(f"cooling-{s.site_id}", "retrofit", s.site_id, float(rng.uniform(0, n)) * 0.02 * top, 1.0,
                   0.1 * least * rng.random(n)),
        ]  # fmt: skip
        if s.battery is not None:
            offers.append(Option(f"more-{s.site_id}", "battery", s.site_id, float(rng.uniform(0, 0.5)), top))
        made += [o for o in offers if _often(rng, 0.6)]
    return made


def _targets(rng: np.random.Generator, sites: Sequence[DispatchSite], hours: float) -> list[Target]:
    """Return one or two targets, from kept anyway to out of reach."""
    made = []
    for _ in range(int(rng.integers(1, 3))):
        measure = str(rng.choice(["cfe", "coverage", "green_share", "cost", "carbon_kg", "grid_kwh"]))
        chosen = sites if _often(rng, 0.5) else [sites[int(rng.integers(len(sites)))]]
        if measure in ("cfe", "coverage", "green_share"):
            bound = float(rng.choice([0.2, 0.5, 0.7, 0.99]))
        else:
            bound = float(rng.choice([0.3, 0.9, 1.1])) * _before(chosen, measure, hours)
        ids = None if chosen is sites else tuple(s.site_id for s in chosen)
        made.append(Target(cast("Any", measure), bound, ids))
    return made


def _before(sites: Sequence[DispatchSite], measure: str, hours: float) -> float:
    """Return a sum over the sites where nothing is moved, peaks aside."""
    bought = [hours * np.maximum(s.load_kw - s.own_kw, 0.0) for s in sites]
    weights: list[FloatArray | None] = [
        {"cost": s.price_per_kwh, "carbon_kg": s.carbon_g_per_kwh, "grid_kwh": np.ones_like(s.load_kw)}[
            measure
        ]
        for s in sites
    ]
    factor = 1e-3 if measure == "carbon_kg" else 1.0
    return factor * float(sum(b @ w for b, w in zip(bought, weights, strict=True) if w is not None))
