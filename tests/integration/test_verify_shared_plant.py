"""Savings verified on exports of an independent plant, whose runs under other set-points say the truth."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from advisor.avoided import Avoided
from app.service.reading import Exports
from app.service.verify import verify_exports
from tests.plant_exports import EXPORTS, OFFSETS, model_and_weather

SITE = """
id = "plant"
[current]
zone_set_point_c = 24.0
chilled_water_set_point_c = 7.0
"""


def part(folder: Path, name: str, start: str, end: str, *, later: bool = False) -> Path:
    """Write the hours of an export; `later` by 53 weeks."""
    source = EXPORTS / f"{name}.csv"
    if not source.is_file():
        pytest.skip("the folder 'shared' with exports of the independent plant is not beside the repository")
    table = pd.read_csv(source, parse_dates=["timestamp"])
    table = table[(table["timestamp"] >= start) & (table["timestamp"] < end)]
    path = folder / f"{name}{'_later' if later else ''}.csv"
    table.assign(timestamp=table["timestamp"] + pd.Timedelta(days=371 * later)).to_csv(path, index=False)
    return path


def verified(folder: Path, before: Path, then: Path) -> Avoided:
    site = folder / "site.toml"
    site.write_text(SITE, encoding="utf-8")
    zone = OFFSETS[model_and_weather(before.stem)[1]]
    return verify_exports(Exports((before,), zone=zone), Exports((then,), zone=zone), site_file=site).avoided


def saved_pct(then: Path, as_before: Path) -> float:
    """Return what the plant saved [%]: both exports have the same weather and work, hour by hour."""
    used, would = (pd.read_csv(path)["facility_power_kw"].sum() for path in (then, as_before))
    return float(100 * (1 - used / would))


@pytest.mark.parametrize(
    ("before", "then", "verdict"),
    [
        ("chilled_water_Granada_fixed", "chilled_water_Granada", "proven"),  # before: nothing was ever moved
        ("low_fan_NY_reset", "low_fan_NY", "proven"),  # before: set-points followed the weather
    ],
)
def test_the_truth_lies_in_the_interval(before: str, then: str, verdict: str, tmp_path: Path) -> None:
    window = ("2025-01-01", "2025-07-01")
    whole = part(tmp_path, before, "2025-01-01", "2026-01-01")
    later = part(tmp_path, then, *window, later=True)
    found = verified(tmp_path, whole, later)
    truth = saved_pct(later, part(tmp_path, before, *window, later=True))
    saving = found.saving.energy_pct
    assert saving is not None
    assert saving.lower <= truth <= saving.upper
    assert found.verdict == verdict
    assert found.counterfactual.means == "response removed"
    assert found.counterfactual.fit.passed


def test_nothing_changed_is_not_a_saving(tmp_path: Path) -> None:
    before = part(tmp_path, "chilled_water_Granada_fixed", "2025-01-01", "2025-10-01")
    then = part(tmp_path, "chilled_water_Granada_fixed", "2025-10-01", "2025-12-01", later=True)
    found = verified(tmp_path, before, then)
    assert found.verdict == "not yet"
    assert found.saving.energy_pct is not None
    assert found.saving.energy_pct.lower <= 0.0
    assert abs(found.saving.energy_pct.point) < 0.1
