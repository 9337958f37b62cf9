"""Exact optima of green share, found elsewhere, reproduced to 0.01 point; the table is printed with -s."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from advisor.assets import Battery
from advisor.dispatch import Dispatch, DispatchModel, DispatchSite, as_it_is
from advisor.dispatch_verify import verify_dispatch

ORACLES = Path(__file__).resolve().parents[3] / "shared" / "oracles"
pytestmark = pytest.mark.skipif(
    not ORACLES.is_dir(), reason="needs the folder 'shared' beside the repository"
)
POINT = 0.01


def read(folder: str, case: str) -> tuple[DispatchSite, np.ndarray]:
    """Return a site-year as it stands and its UTC days; MW are taken as kW: shares do not change."""
    table = pd.read_csv(ORACLES / folder / f"{case}.csv", parse_dates=["timestamp"])
    site = DispatchSite(
        case, table["load_mw"].to_numpy(), table["own_renewable_mw"].to_numpy(),
        1.0 - table["grid_cfe_share"].to_numpy(), carbon_g_per_kwh=table["grid_carbon_g_per_kwh"].to_numpy(),
    )  # fmt: skip
    return site, table["timestamp"].dt.day_of_year.to_numpy().astype(np.int64)


def game(start: DispatchSite, flexible: float, capacity: float, size: float, *, grid: bool) -> DispatchSite:
    """Return the site under the rules of the game."""
    battery = Battery(
        energy_kwh=size, power_kw=size, charge_efficiency=0.97, discharge_efficiency=1 / 1.04,
        grid_charging=grid, source="rules of the game",
    )  # fmt: skip
    return replace(
        start, flexible_share=flexible / 100, it_capacity_kw=capacity, battery=battery if size else None
    )


def play(sites: list[DispatchSite], day: np.ndarray, objective: str, *, between: bool = False) -> Dispatch:
    """Solve, re-check, and return."""
    model = DispatchModel(sites, day, 1.0, between_sites=between, battery_start=1.0, battery_end="free")
    done = model.solve(objective=objective)  # type: ignore[arg-type]
    assert [c for c in verify_dispatch(sites, done, model.setting) if not c.passed] == []
    assert done.report.gap is not None
    assert done.report.gap < 3e-4
    return done


def percent(share: float | None) -> float:
    assert share is not None
    return 100.0 * share


def cases() -> list[pd.Series]:
    """Return the rows of the table of optima."""
    file = ORACLES / "green_share" / "optimum.csv"
    return [row for _, row in pd.read_csv(file).iterrows()] if file.exists() else []


@pytest.mark.parametrize("row", cases(), ids=lambda r: f"{r['case']}-{r['battery_mwh']}")
def test_green_share_optimum(row: pd.Series) -> None:
    start, day = read("green_share", str(row["case"]))
    rules = (float(row["flexible_pct"]), float(row["capacity_mw"]), float(row["battery_mwh"]))
    before = as_it_is([start], 1.0).totals
    site = game(start, *rules, grid=False)
    found = {
        "coverage_before": percent(before.coverage),
        "coverage_optimum": percent(play([site], day, "grid_kwh").totals.coverage),
        "cfe_before": percent(before.cfe),
        "cfe_optimum": percent(play([site], day, "non_green_kwh").totals.cfe),
        "cfe_optimum_grid_charging": percent(
            play([game(start, *rules, grid=True)], day, "non_green_kwh").totals.cfe
        ),
    }
    shown = ", ".join(f"{name} {value:.3f} ({row[name]:.2f})" for name, value in found.items())
    print(f"\n{row['case']}, {row['battery_mwh']} MWh: {shown}")
    for name, value in found.items():
        assert value == pytest.approx(row[name], abs=POINT), name
    assert found["coverage_optimum"] >= row["coverage_greedy"] - 0.005


def test_joint_optimum() -> None:
    optimum = pd.read_csv(ORACLES / "joint" / "optimum.csv").set_index("mode")
    starts, days = zip(*(read("joint", case) for case in ("ciso", "erco", "pjm")), strict=True)
    sites = [game(s, 25, 1.3 * float(s.load_kw.max()), 200.0, grid=False) for s in starts]
    found = {
        "nothing": as_it_is(sites, 1.0).totals,
        "separate": play(sites, days[0], "non_green_kwh").totals,
        "joint": play(sites, days[0], "non_green_kwh", between=True).totals,
    }
    for mode, totals in found.items():
        wanted = optimum.loc[mode]
        print(
            f"\n{mode}: cfe {percent(totals.cfe):.3f} ({wanted['cfe']}), non-green "
            f"{totals.non_green_kwh:.0f} MWh ({wanted['non_green_mwh']:.0f})"
        )
        assert percent(totals.cfe) == pytest.approx(wanted["cfe"], abs=POINT)
        assert totals.non_green_kwh == pytest.approx(wanted["non_green_mwh"], rel=1e-4)
