"""Advice on the sample data centres of other climates, judged by the plants that made their data."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pytest

from advisor.advise import advise
from advisor.catalogue import load_measures
from advisor.plan import Advice
from advisor.site import read_site
from features.reading import read_paths
from sample_data.centres import COLD_CENTRE, TEMPERATE_CENTRE
from sample_data.data_centre import SampleYear, data_centre_year
from sample_data.generate import write_samples

ZONE, WATER = "zone_set_point_c", "chilled_water_set_point_c"
SEED = 7


@dataclass(frozen=True)
class Judged:
    """Advice on one centre's set-points for its year, and what really happens with it."""

    advice: Advice
    year: SampleYear
    current: dict[str, float]
    wide: pd.DataFrame

    def true(self, set_points: pd.DataFrame) -> pd.DataFrame:
        rows = self.year.set_points.index.isin(set_points.index)
        return self.year.plant.simulate(
            set_points[[ZONE, WATER]], self.year.weather[rows], self.year.utilisation[rows]
        )

    @property
    def true_saving_pct(self) -> float:
        before = self.true(pd.DataFrame(self.current, index=self.wide.index))["facility_power_kw"].sum()
        return float(100 * (1 - self.true(self.wide)["facility_power_kw"].sum() / before))


@pytest.fixture(
    scope="module",
    params=[pytest.param(TEMPERATE_CENTRE, marks=pytest.mark.study), COLD_CENTRE],
    ids=lambda c: c.folder,
)
def judged(request, tmp_path_factory: pytest.TempPathFactory, dc_bundle_of) -> Judged:
    centre = request.param
    paths = write_samples(tmp_path_factory.mktemp("samples"), seed=SEED)
    telemetry = read_paths([paths[f"{centre.folder}_telemetry"]])[0]
    owned = {"pv": None, "battery": None, "workload": None, "servers": ()}  # judged elsewhere
    site = read_site(paths[f"{centre.folder}_site"]).model_copy(update=owned)
    advice = advise(telemetry, dc_bundle_of(telemetry), load_measures(), site)
    table = advice.plan_table
    wall = pd.to_datetime(table["local_timestamp"].str[:19])
    wide = table.assign(wall=wall).pivot_table(index="wall", columns="lever", values="recommended")
    wide = wide.assign(**{n: v for n, v in centre.current.items() if n not in wide})
    return Judged(advice, data_centre_year(SEED, centre=centre), centre.current, wide)


def test_true_saving_lies_in_the_stated_interval(judged: Judged) -> None:
    stated = judged.advice.saving.energy_pct
    assert stated is not None
    assert judged.advice.verified[0].verdict == "supported"
    assert stated.lower <= judged.true_saving_pct <= stated.upper
    assert stated.upper - stated.lower < 3.0  # an interval of everything would pass too
    assert judged.true_saving_pct > 3.0


def test_the_lever_that_matters_is_moved_the_right_way(judged: Judged) -> None:
    moved = judged.wide.mean() - pd.Series(judged.current)
    if judged.current[ZONE] > 25:  # the room that is too warm
        assert moved[ZONE] < -3.0
        assert abs(moved[WATER]) <= 1.5
    else:  # the water that is too cold
        assert moved[WATER] > 3.0
        assert abs(moved[ZONE]) <= 1.5
    best = judged.advice.recommendations[0]
    assert best.verdict == "supported"
    assert best.lever == moved.abs().idxmax()


def test_the_inlet_limit_holds_in_truth(judged: Judged) -> None:
    assert judged.true(judged.wide)["server_inlet_temp_c"].max() <= 27.0
