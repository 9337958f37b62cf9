"""A hand-made export, card and advice: the delivery is tested without any model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from advisor.plan import (
    PLAN_COLUMNS,
    Advice,
    Check,
    Interval,
    Limit,
    Plan,
    Problem,
    Recommendation,
    Saving,
    SolverReport,
    Totals,
    VerifiedPlan,
)
from advisor.site import Site
from features.issues import DataIssue
from features.telemetry import Source, Telemetry, TimeZone
from models.store import ModelCard

HOURS = 24 * 14


def make_telemetry(site_id: str = "dc-1") -> Telemetry:
    """Return two weeks of hours: IT 100 kW, facility 140 kW, 0.1 m3 of water per hour."""
    stamps = pd.date_range("2026-01-01", periods=HOURS, freq="h", tz="UTC")
    frame = pd.DataFrame(
        {
            "site_id": site_id,
            "unit_id": "",
            "timestamp": stamps,
            "it_power_kw": 100.0,
            "facility_power_kw": 140.0 + 10 * np.sin(np.arange(HOURS) * 2 * np.pi / 24),
            "zone_set_point_c": 22.0,
            "water_m3": 0.1,
        }
    )
    issue = DataIssue(
        "D-GAP", "warning", "telemetry.csv, facility_power_kw", "5 hours are missing", "close the gap",
        "they are left out", 5,
    )  # fmt: skip
    return Telemetry(
        frame, pd.Timedelta(hours=1), "data-centre", TimeZone("Asia/Shanghai", assumed=False), (issue,),
        (Source("telemetry.csv", "ab" * 32),),
    )  # fmt: skip


def make_card() -> ModelCard:
    """Return a card whose model saw data up to the end of 2025."""
    return ModelCard(
        kind="data-centre", data_start="2025-01-01T00:00:00+00:00", data_end="2026-01-01T00:00:00+00:00",
        data_hash="cd" * 32, sites=("dc-1",), interval_s=3600.0, zone="Asia/Shanghai", seed=0,
        versions={"energy-advisor": "0.1.0"}, quantities={}, model_id="data-centre-abc",
    )  # fmt: skip


def make_advice(telemetry: Telemetry, verdict: str = "supported") -> Advice:
    """Return advice that moves the zone set-point from 22 to 24.5 degC in half of the hours."""
    stamps = telemetry.frame["timestamp"]
    moved = verdict == "supported"
    recommended = np.where(np.arange(len(stamps)) % 24 < 12, 24.5, 22.0) if moved else 22.0
    plan_table = pd.DataFrame(
        {
            "timestamp": stamps, "local_timestamp": telemetry.local(pd.DatetimeIndex(stamps)).astype(str),
            "site_id": telemetry.site_ids[0], "unit_id": "", "lever": "zone_set_point_c", "current": 22.0,
            "recommended": recommended, "unit": "degC",
        }
    )[list(PLAN_COLUMNS)]  # fmt: skip
    saving = Saving(
        energy_kwh=Interval(800.0, 1234.0, 1650.0), energy_pct=Interval(1.7, 2.62, 3.5),
        non_green_kwh=Interval(600.0, 925.5, 1237.5), cost=Interval(520.0, 802.1, 1072.5), carbon_kg=None,
    )  # fmt: skip
    problem = Problem(
        telemetry.site_ids[0], stamps.iloc[0].isoformat(), stamps.iloc[-1].isoformat(),
        {"zone_set_point_c": 22.0}, {"zone_set_point_c": (22.0, 24.5)},
        (Limit("server_inlet_temp_c", "max", 27.0, "site.toml"),), "data-centre-abc",
        telemetry.content_hash(),
    )  # fmt: skip
    plan = Plan(
        problem, plan_table[["timestamp", "unit_id", "lever", "current", "recommended"]],
        {"energy_kwh": 47000.0},
        SolverReport("optimal" if moved else "hold", "enumeration", 0.1),
        () if moved else ("the scoring model sees no saving",),
    )  # fmt: skip
    check = Check("server_inlet_temp_c", True, 26.4, 27.0, "hottest sensor plus 0.3 K")
    verified = VerifiedPlan(
        plan, verdict, Totals(47040.0), Totals(45806.0), saving if moved else Saving(),
        {"cooling": 1400.0, "it": -166.0}, 2.9, 2.4 if moved else -0.1, (check,),
    )  # fmt: skip
    recommendation = Recommendation(
        "r1", "Raise the room set-point at night", "zone_set_point_c", ("cn-p03-retrofit-trigger",),
        saving, saving, "server inlet 26.4 °C of 27.0 °C", ("cooling takes 26 % of the energy",),
        ("held-out error 3.1 %",), verdict, "medium", "server inlet above 27.0 °C for 15 min", "2026-06-30",
    )  # fmt: skip
    return Advice(
        plan_table, (recommendation,) if moved else (), Totals(47040.0, pue=1.4), Totals(45806.0, pue=1.36),
        saving if moved else Saving(), (verified,), (), {"seed": "0"},
    )  # fmt: skip


@pytest.fixture
def telemetry() -> Telemetry:
    """Two weeks of a data centre."""
    return make_telemetry()


@pytest.fixture
def card() -> ModelCard:
    """A model card."""
    return make_card()


@pytest.fixture
def advice(telemetry: Telemetry) -> Advice:
    """Supported advice."""
    return make_advice(telemetry)


@pytest.fixture
def held(telemetry: Telemetry) -> Advice:
    """Advice that changes nothing."""
    return make_advice(telemetry, "hold")


@pytest.fixture
def site() -> Site:
    """A site whose name would be executed if it were not escaped."""
    return Site.model_validate(
        {
            "id": "dc-1",
            "name": "<script>alert('x')</script> & Söhne 数据中心",
            "time_zone": "Asia/Shanghai",
            "currency": "CNY",
            "new_build": False,
            "current": {"zone_set_point_c": 22.0},
            "tariff": {"energy_per_kwh": 0.65, "source": "contract 2026"},
            "green": {"grid_share": 0.25, "source": "certificates 2025"},
        }
    )
