"""A synthetic site whose response to its set-points is known by construction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from features.frame import FloatArray
from features.operation import Operation
from models.site_response import SiteResponse, fit_site_response
from models.site_scorer import SiteScorer, fit_site_scorer

WEEKS = 30


def true_it_effect(zone_c: FloatArray) -> FloatArray:
    """Logarithm of the IT response to the zone set-point [1]."""
    return 0.004 * (zone_c - 22.0) + 0.0008 * (zone_c - 22.0) ** 2


def true_overhead(zone_c: FloatArray, dry_c: FloatArray, it_kw: FloatArray) -> FloatArray:
    """Cooling power [kW]."""
    return 25.0 + 0.10 * it_kw + 0.9 * dry_c - 1.6 * (zone_c - 22.0)


@dataclass(frozen=True)
class KnownSite:
    operation: Operation
    response: SiteResponse
    scorer: SiteScorer


def make_operation(delayed: bool, seed: int = 0) -> Operation:
    """Return weeks of hours: the zone set-point is step-tested, work drifts (AR(1)) and repeats."""
    rng = np.random.default_rng(seed)
    n = 168 * WEEKS
    stamps = pd.date_range("2025-01-06", periods=n, freq="h", tz="UTC")
    block = np.repeat(np.arange(n), rng.choice((8, 12, 24), size=n))[:n]
    zone = np.where(
        rng.random(block.max() + 1) < 0.5, 22.0, 18.0 + 0.5 * rng.integers(0, 17, block.max() + 1)
    )[block]
    hour = np.arange(n)
    dry = (
        15
        + 9 * np.sin(2 * np.pi * hour / 8760)
        + 4 * np.sin(2 * np.pi * (hour - 9) / 24)
        + rng.normal(0, 1.5, n)
    )
    noise = np.zeros(n)
    for i in range(1, n):
        noise[i] = 0.9 * noise[i - 1] + rng.normal(0, 0.006)
    work = np.log(500.0) + 0.06 * np.cos(2 * np.pi * (hour - 15) / 24) + noise
    effect = true_it_effect(zone)
    if delayed:  # half at once, the rest over the next two hours
        before = [np.concatenate([np.full(k, effect[0]), effect[: n - k]]) for k in (1, 2)]
        effect = 0.5 * effect + 0.3 * before[0] + 0.2 * before[1]
    it = np.exp(work + effect)
    cooling = true_overhead(zone, dry, it) + rng.normal(0, 0.6, n)
    return Operation(
        site_id="known", stamps=stamps, levers={"zone_set_point_c": zone}, dry_bulb_c=dry,
        wet_bulb_c=dry - 3.0, it_kw=it, facility_kw=it + cooling + 8.0 + 0.05 * it, cooling_kw=cooling,
        inlet_c=zone + 1.0 + rng.normal(0, 0.1, n), hour_of_week=np.asarray(hour % 168, dtype=np.int64),
        hours=1.0,
    )  # fmt: skip


def make_site(delayed: bool) -> KnownSite:
    operation = make_operation(delayed)
    even = operation.week % 2 == 0
    return KnownSite(operation, fit_site_response(operation, even, 0), fit_site_scorer(operation, ~even, 0))


@pytest.fixture(scope="session")
def known_site() -> KnownSite:
    """A site that answers a move half at once, and fully after two hours."""
    return make_site(delayed=True)


@pytest.fixture(scope="session")
def quick_site() -> KnownSite:
    """A site that answers a move at once."""
    return make_site(delayed=False)


@pytest.fixture(scope="session")
def at_zone() -> Callable[[Operation, float], Operation]:
    """Return a function that holds the zone set-point at a value."""
    return lambda operation, value: operation.with_levers(
        {"zone_set_point_c": np.full(len(operation), value)}
    )


@pytest.fixture(scope="session")
def scale_work() -> Callable[[Operation, float], Operation]:
    """Return a function that scales the work, and the power that follows it."""

    def scaled(operation: Operation, factor: float) -> Operation:
        it = operation.it_kw * factor
        return replace(operation, it_kw=it, facility_kw=operation.facility_kw + 1.05 * (it - operation.it_kw))

    return scaled
