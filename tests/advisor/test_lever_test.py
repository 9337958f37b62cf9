"""Tests that are planned where an export tells nothing of a lever: small, safe, and they tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from advisor.lever_test import (
    MARGIN_K,
    MOST_MOVE_K,
    SERVER_RISE_K,
    LeverTest,
    plan_test,
    settings_tried,
    why_untested,
)
from advisor.plan import Limit
from advisor.site import LeverRange, Limits, Site
from features.levers import AIRFLOW, APPROACH, EVAPORATIVE
from features.operation import Operation
from features.telemetry import TimeZone
from models.identifiability import lever_evidence
from models.lever_noise import Noise, it_noise

ZONE, WATER = "zone_set_point_c", "chilled_water_set_point_c"
TIME_ZONE = TimeZone("+08:00")
LIMIT = (Limit("server_inlet_temp_c", "max", 27.0, "site.toml"),)
SITE = Site(
    id="s",
    current={ZONE: 24.0, WATER: 7.0},
    levers={ZONE: LeverRange(lower=18, upper=27), WATER: LeverRange(lower=6, upper=15)},
    limits=Limits(server_inlet_temp_c_max=27.0, sensor_error_k=0.5),
)


def year(noise_kw: float = 1.0, inlet_above_k: float = 0.5) -> Operation:
    """A year at fixed set-points whose work drifts."""
    n = 8760
    rng = np.random.default_rng(1)
    stamps = pd.date_range("2025-01-01", periods=n, freq="h", tz="UTC")
    hour = np.arange(n)
    drift = np.zeros(n)
    for k, step in enumerate(rng.normal(0.0, noise_kw, n - 1)):
        drift[k + 1] = 0.9 * drift[k] + step
    it = 100.0 + 8 * np.sin(2 * np.pi * hour / 24) + drift
    dry = 15 - 12 * np.cos(2 * np.pi * hour / n) + 4 * np.sin(2 * np.pi * hour / 24) + rng.normal(0, 1, n)
    cooling = 0.2 * it + 0.3 * dry + rng.normal(0, 0.3, n)
    return Operation(
        "s", stamps, {ZONE: np.full(n, 24.0), WATER: np.full(n, 7.0)}, dry, dry - 4, it, it * 1.08 + cooling,
        cooling, np.full(n, 24.0 + inlet_above_k), (hour % 168).astype(np.int64), 1.0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def planned() -> LeverTest:
    test = plan_test(year(), (ZONE, WATER), SITE, LIMIT, TIME_ZONE, 0)
    assert test is not None
    return test


def wide(test: LeverTest) -> pd.DataFrame:
    return test.schedule.pivot_table(index="timestamp", columns="lever", values="recommended")


def test_it_begins_after_the_export_on_a_local_monday(planned: LeverTest) -> None:
    local = planned.schedule["timestamp"].dt.tz_convert("Etc/GMT-8")
    assert planned.schedule["timestamp"].min() >= pd.Timestamp("2026-01-01", tz="UTC")
    assert (local.dt.normalize().drop_duplicates().dt.day_of_week.value_counts() == planned.weeks).all()
    assert planned.first == local.min().date().isoformat()
    assert planned.weeks * 168 == len(wide(planned)) == planned.hours


def test_it_keeps_range_and_limit(planned: LeverTest) -> None:
    values = wide(planned)
    assert values[WATER].between(6, 15).all()
    assert values[ZONE].min() >= 18
    # hottest inlet 24.5 at 24, error 0.5, margin: what is left is free
    assert values[ZONE].max() + 0.5 + 0.5 + MARGIN_K <= 27.0


def test_a_hotter_room_leaves_less_to_try() -> None:
    test = plan_test(year(inlet_above_k=2.4), (ZONE,), SITE, LIMIT, TIME_ZONE, 0)
    assert test is not None
    assert max(test.levels[ZONE]) == 24.0


def test_without_an_inlet_sensor_no_air_is_warmed() -> None:
    blind = replace(year(), inlet_c=None)
    test = plan_test(blind, (ZONE,), SITE, LIMIT, TIME_ZONE, 0)
    assert test is not None
    assert max(test.levels[ZONE]) == 24.0


def test_moves_are_bounded(planned: LeverTest) -> None:
    days = wide(planned).iloc[::24]
    same_week = np.diff(days.index) == np.timedelta64(24, "h")
    for name, most in ((ZONE, MOST_MOVE_K[True]), (WATER, MOST_MOVE_K[False])):
        moves = np.abs(np.diff(days[name].to_numpy()))[same_week]
        assert float(np.mean(moves > most)) < 0.1  # the last settings of a round may lie further apart
    assert (
        (wide(planned).groupby(wide(planned).index.floor("D") + pd.Timedelta(0)).nunique() <= 2).all().all()
    )


def test_both_models_see_every_season(planned: LeverTest) -> None:
    weeks = (
        (planned.schedule["timestamp"] - pd.Timestamp("2025-12-31 16:00", tz="UTC")).dt.days // 7
    ).unique()
    for half in (0, 1):
        mine = weeks[weeks % 2 == half]
        assert len(mine) >= 4
        assert len(set(mine // 13)) >= 3


def test_its_result_identifies_the_levers(planned: LeverTest) -> None:
    before = year()
    assert not any(e.identified for e in lever_evidence(before).values())
    tested = wide(planned)
    later = replace(before, stamps=before.stamps + pd.Timedelta(days=365))
    moved = {n: tested[n].reindex(later.stamps).fillna(SITE.current[n]).to_numpy() for n in (ZONE, WATER)}
    evidence = lever_evidence(later.with_levers(moved))
    assert all(e.identified for e in evidence.values())


def test_what_it_promises_to_detect_is_what_a_fit_would_see(planned: LeverTest) -> None:
    """The standard error of a slope, by simulation of many years of the same noise."""
    noise, rng = Noise(0.9, 1.0), np.random.default_rng(3)
    path = (rng.integers(0, 2, 60).repeat(24) * 2.0)[:, None]
    slopes = []
    for _ in range(400):
        e = rng.normal(0.0, 1.0, len(path))
        y = np.zeros(len(path))
        for k in range(1, len(path)):
            y[k] = 0.9 * y[k - 1] + e[k]
        dx, dy = path[1:, 0] - 0.9 * path[:-1, 0], y[1:] - 0.9 * y[:-1]
        dx, dy = dx - dx.mean(), dy - dy.mean()
        slopes.append(dx @ dy / (dx @ dx))
    assert float(noise.standard_error(path)[0]) == pytest.approx(float(np.std(slopes)), rel=0.12)


def test_noise_is_found_again() -> None:
    found = it_noise(year(noise_kw=1.5))
    assert found.rho == pytest.approx(0.9, abs=0.04)
    assert found.sd == pytest.approx(1.5, rel=0.1)


def test_a_noisier_site_needs_no_smaller_test() -> None:
    calm, loud = (plan_test(year(noise_kw=kw), (ZONE, WATER), SITE, LIMIT, TIME_ZONE, 0) for kw in (0.3, 4.0))
    assert calm is not None
    assert loud is not None
    assert loud.weeks > calm.weeks
    assert loud.detectable_pct > calm.detectable_pct


def test_nothing_may_be_tried_where_nothing_is_permitted() -> None:
    fixed = SITE.model_copy(update={"levers": {WATER: LeverRange(lower=7, upper=7)}})
    assert plan_test(year(), (ZONE, WATER), fixed, LIMIT, TIME_ZONE, 0) is None


def test_an_undeclared_range_is_tried_near_the_present_only() -> None:
    bare = SITE.model_copy(update={"levers": {}})
    test = plan_test(year(), (ZONE, WATER), bare, LIMIT, TIME_ZONE, 0)
    assert test is not None
    assert test.levels == {ZONE: (22.0, 24.0, 25.5), WATER: (5.0, 7.0, 9.0)}


# -- levers that only some sites have --------------------------------------------------------------
def with_lever(name: str, value: float, **changes: object):
    here = year()
    levers = {**here.levers, name: np.full(len(here), value)}
    site = SITE.model_copy(update={"current": {**SITE.current, name: value}, "levers": {}, **changes})
    return replace(here, levers=levers), site


def test_less_air_is_tried_only_as_far_as_the_inlet_leaves_room() -> None:
    here, site = with_lever(AIRFLOW, 80.0)
    seen = float(here.inlet_c.max()) + SITE.limits.sensor_error_k
    free = 27.0 - MARGIN_K - seen
    levels = settings_tried(AIRFLOW, here, site, LIMIT)
    assert 80.0 / (1.0 + free / SERVER_RISE_K) <= min(levels) < 80.0
    blind = settings_tried(AIRFLOW, replace(here, inlet_c=None), site, LIMIT)
    assert min(blind) == 80.0 < max(blind)


def test_a_mode_is_tried_on_and_off() -> None:
    here, site = with_lever(EVAPORATIVE, 0.0)
    test = plan_test(here, (EVAPORATIVE,), site, LIMIT, TIME_ZONE, 0)
    assert test is not None
    assert test.levels == {EVAPORATIVE: (0.0, 1.0)}
    assert "1 of the time" in test.sentence()
    assert "per 1 of the time of evaporative_mode" in test.reasons()[0]


def test_what_cannot_be_tested_is_said() -> None:
    here, site = with_lever(APPROACH, 4.0, levers={ZONE: LeverRange(lower=20, upper=24)})
    assert "not among the levers that may be moved" in (why_untested(APPROACH, here, site, LIMIT) or "")
    narrow = site.model_copy(update={"levers": {APPROACH: LeverRange(lower=4, upper=4)}})
    assert "no second setting" in (why_untested(APPROACH, here, narrow, LIMIT) or "")
    hot, open_site = with_lever(AIRFLOW, 100.0)
    hot = replace(hot, inlet_c=np.full(len(hot), 26.8))
    assert "no other setting is safe" in (why_untested(AIRFLOW, hot, open_site, LIMIT) or "")
    assert why_untested(APPROACH, *with_lever(APPROACH, 4.0), LIMIT) is None
