"""A site that never moved a set-point: tested as planned, learned again, advised."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from advisor.lever_test import LeverTest
from features.reading import read_paths
from features.telemetry import Telemetry
from sample_data.data_centre import CURRENT

LEAST_OF_THE_BEST = 0.75
"""What one test did not prove of a lever is not commanded; it can cost a part of the best."""


def exported(dc_case, set_points: pd.DataFrame, folder: Path) -> Telemetry:
    """Return what the plant's meters would show."""
    run = dc_case.true_run_of(set_points)
    weather = dc_case.year.weather[["outdoor_dry_bulb_c", "outdoor_wet_bulb_c"]]
    columns = ["it_power_kw", "facility_power_kw", "cooling_power_kw", "server_inlet_temp_c"]
    path = folder / "telemetry.csv"
    pd.concat([set_points, weather, run[columns].round(3)], axis=1).to_csv(path, index_label="timestamp")
    return read_paths([path], zone="+08:00")[0]


def with_test(test: LeverTest, telemetry: Telemetry, fixed: pd.DataFrame) -> pd.DataFrame:
    """Return a year of set-points with the test in it, 52 weeks before it is due: there is one year."""
    table = test.table(telemetry)
    wall = pd.to_datetime(table["local_timestamp"].str[:19]) - pd.Timedelta(weeks=52)
    wide = table.assign(wall=wall).pivot_table(index="wall", columns="lever", values="recommended")
    return wide.reindex(fixed.index).fillna(fixed)[list(fixed)]


def test_a_fixed_site_is_tested_and_reaches_the_best(
    dc_case, dc_bundle_of, dc_best_pairs, tmp_path: Path
) -> None:
    fixed = pd.DataFrame(CURRENT, index=dc_case.year.set_points.index)
    before = exported(dc_case, fixed, tmp_path)
    site = dc_case.site.model_copy(update={"id": before.site_ids[0]})
    held = replace(dc_case, telemetry=before, site=site, bundle=dc_bundle_of(before)).advise(july=False)
    assert [v.verdict for v in held.verified] == ["hold"]
    assert held.test is not None
    entry = held.recommendations[-1]
    assert (entry.kind, entry.verdict, entry.saving.energy_pct) == ("test", "not proven", None)

    year = with_test(held.test, before, fixed)
    assert (year != fixed).any(axis=1).sum() > 0.5 * held.test.hours
    after = exported(dc_case, year, tmp_path)
    assert float(dc_case.true_run_of(year)["server_inlet_temp_c"].max()) <= 27.0
    advice = replace(dc_case, telemetry=after, site=site, bundle=dc_bundle_of(after)).advise(july=False)
    assert advice.verified[0].verdict == "supported"
    assert advice.test is None
    best = dc_best_pairs.loc[dc_best_pairs["inlet"] <= 27.0, "saving_pct"].max()
    assert dc_case.true_saving_pct(advice.plan_table) >= LEAST_OF_THE_BEST * best
    stated = advice.saving.energy_pct
    assert stated is not None
    assert stated.lower <= dc_case.true_saving_pct(advice.plan_table) <= stated.upper


@pytest.mark.parametrize("below", [0.002, 1.0])
def test_a_cap_on_pue_is_kept_or_refused_in_words(dc_case, dc_july_advice, below: float) -> None:
    free = dc_july_advice.verified[0].planned.pue
    assert free is not None
    cap = max(free - below, 1.0)
    limits = dc_case.site.limits.model_copy(update={"pue_max": cap})
    advice = dc_case.advise(limits=limits)
    said = " ".join(advice.verified[0].plan.conflicts)
    if below < 0.1:
        assert advice.planned.pue is not None
        assert advice.planned.pue <= cap
        assert f"a PUE of at most {cap:g} costs" in said
    else:
        assert f"no explored set-point keeps a PUE of at most {cap:g}" in said
        assert (advice.plan_table["recommended"] == advice.plan_table["current"]).all()
