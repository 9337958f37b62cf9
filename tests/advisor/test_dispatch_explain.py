"""What cannot be planned is explained: what conflicts, by how much, and what would be enough."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from advisor.dispatch import DispatchModel, DispatchSite
from advisor.dispatch_options import Option
from advisor.dispatch_site import Target
from advisor.work import WorkClass
from features.errors import PlanError
from tests.dispatch_cases import battery, site

DAYS = np.arange(48) // 24
SUN = np.tile(np.repeat([0.0, 20.0, 0.0], [8, 8, 8]), 2)
STORE = battery(10.0, charge_efficiency=1.0, discharge_efficiency=1.0)


def here(**changes: object) -> DispatchSite:
    return site([10.0] * 48, list(SUN), **changes)  # 80 kWh of 240 at noon, as much again is left over


def refused(sites: list[DispatchSite], **options: object) -> PlanError:
    model = DispatchModel(sites, DAYS, 1.0, battery_start=0.0, **options)  # type: ignore[arg-type]
    with pytest.raises(PlanError) as caught:
        model.solve(objective=options.get("objective", "non_green_kwh"))  # type: ignore[arg-type]
    return caught.value


def test_a_share_tells_what_is_short_when_and_what_closes_it() -> None:
    error = refused([here(battery=STORE)], targets=[Target("cfe", 0.5)])
    assert error.code == "E-DISPATCH-TARGET"
    # 90 of 240 kWh a day are green with the battery that stands; 30 more are wanted on each of two days
    assert "50.0% cannot be met: at best 37.5%, 60 kWh short, in 2 of 2 days" in error.what
    # the 30 kWh a day that are missing are stored at noon and used after it
    assert "30 kWh of storage more at a, which closes it" in error.remedy
    larger = here(battery=STORE.model_copy(update={"energy_kwh": 40.0, "power_kw": 40.0}))
    done = DispatchModel([larger], DAYS, 1.0, battery_start=0.0, targets=[Target("cfe", 0.5)]).solve()
    assert done.totals.cfe == pytest.approx(0.5)
    smaller = here(battery=STORE.model_copy(update={"energy_kwh": 39.0, "power_kw": 40.0}))
    refused([smaller], targets=[Target("cfe", 0.5)])


def test_what_no_storage_can_close_is_said() -> None:
    error = refused([here(battery=STORE)], targets=[Target("coverage", 0.9)])
    assert "no amount of storage is enough" in error.remedy
    assert "storage" not in refused([here()], targets=[Target("coverage", 0.9)]).remedy


def test_a_bounded_sum_tells_the_least() -> None:
    error = refused([here()], targets=[Target("grid_kwh", 100.0)])
    assert "purchased energy [kWh] of at most 100 cannot be kept" in error.what
    assert re.search(r"other limits is 320$", error.what)
    priced = here(price_per_kwh=np.ones(48))
    dear = Option("pv", "supply", "a", 50.0, 100.0, np.ones(48))
    both = refused([priced], options=[dear], targets=[Target("cost", 330.0), Target("cfe", 0.9)])
    assert "the cost of at most 330" in both.what
    assert "an hourly carbon-free share of 90.0%" in both.what


def test_a_connection_that_is_too_small_is_named() -> None:
    error = refused([here(grid_max_kw=np.full(48, 9.0))])
    assert error.code == "E-DISPATCH-GRID"
    assert "the connection of a is 32 kWh short in 32 steps, by up to 1 kW" in error.what


def test_a_deadline_that_cannot_be_kept_is_named() -> None:
    arrival = np.where(np.arange(48) < 2, 6.0, 0.0)
    crowded = replace(here(), it_capacity_kw=7.0, grid_max_kw=np.full(48, 20.0))
    load = np.where(np.arange(48) < 2, 12.0, 6.0)
    crowded = replace(crowded, load_kw=load)
    error = refused([crowded], classes=[WorkClass("nightly", "a", arrival, 3)])
    assert error.code == "E-DISPATCH-CAPACITY"
    assert "it_capacity_kw of a is too small" in error.what or "nightly is up to" in error.what
    DispatchModel([crowded], DAYS, 1.0, classes=[WorkClass("nightly", "a", arrival, 20)]).solve()
