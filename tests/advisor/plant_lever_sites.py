"""Sites that move the levers that only some have, made by the sample plant, and what is best for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from advisor.advise import advise
from advisor.catalogue import load_measures
from advisor.plan import Advice
from advisor.site import LeverRange, Limits, Site
from features.levers import AIRFLOW, APPROACH, CHANGEOVER, EVAPORATIVE
from features.reading import read_paths
from features.telemetry import Telemetry
from models.data_centre import DataCentreBundle
from sample_data.data_centre import SUBTROPICAL, Centre, _utilisation
from sample_data.plant import DataCentrePlant, Plant
from sample_data.weather import HUMID_SUBTROPICAL, TEMPERATE, Climate, weather_year

ZONE, WATER = "zone_set_point_c", "chilled_water_set_point_c"
INDEX = pd.date_range("2025-01-01", "2025-12-31 23:00", freq="h", name="timestamp")
EXPORTED = ("it_power_kw", "facility_power_kw", "cooling_power_kw", "server_inlet_temp_c", "water_m3")
INLET_MAX_C = 27.0
STEPS = {AIRFLOW: 2.0, EVAPORATIVE: 1.0}
"""Distance of the values that may be recommended, where it is not 0.5."""
HOT_DRY = Climate(
    mean_c=17.0, season_k=13.0, daily_k=7.0, depression_k=13.0, depression_season_k=-3.0,
    depression_spread_k=2.0, summer_cloud=0.1, latitude_deg=36.0,
)  # fmt: skip
ECONOMISER = Plant(economiser_approach_k=4.0, condenser_min_c=14.0)


@dataclass(frozen=True)
class PlantSite:
    """A site with one such lever: where it stands, what it is set to, what may be tried.

    ``tried`` are the settings of its step tests and ``base`` the set-points in force of air and water.
    """

    lever: str
    climate: Climate
    plant: DataCentrePlant
    now: float
    tried: tuple[float, ...]
    base: tuple[float, float] = (22.0, 9.0)
    beside: dict[str, tuple[float, tuple[float, ...]]] = field(default_factory=dict)
    """Other levers that are stepped as well: in force, tried."""

    @property
    def current(self) -> dict[str, float]:
        """Set-points in force."""
        beside = {n: now for n, (now, _) in self.beside.items()}
        return {ZONE: self.base[0], WATER: self.base[1], **beside, self.lever: self.now}

    @property
    def all_tried(self) -> dict[str, tuple[float, ...]]:
        """Lever -> settings of its step tests."""
        return {**{n: tried for n, (_, tried) in self.beside.items()}, self.lever: self.tried}

    @cached_property
    def outside(self) -> tuple[pd.DataFrame, np.ndarray]:
        """Weather and work of the year."""
        rng = np.random.default_rng(11)
        centre: Centre = replace(SUBTROPICAL, climate=self.climate)
        return weather_year(rng, INDEX, self.climate), _utilisation(rng, INDEX, centre)

    def run(self, set_points: pd.DataFrame) -> pd.DataFrame:
        """Return what the plant does at some set-points, without noise."""
        weather, work = self.outside
        rows = INDEX.isin(set_points.index)
        return self.plant.simulate(set_points, weather[rows], work[rows])

    def constant(self, **levers: float) -> pd.DataFrame:
        """Return a year at one setting."""
        return pd.DataFrame({**self.current, **levers}, index=INDEX).astype(float)

    def best(self) -> tuple[float, float]:
        """Return the setting of least energy inside the inlet's limit, and its saving [%]."""
        before = self.run(self.constant())["facility_power_kw"].sum()
        told = {}
        for value in self.tried:
            run = self.run(self.constant(**{self.lever: value}))
            if run["server_inlet_temp_c"].max() <= INLET_MAX_C:
                told[value] = float(100 * (1 - run["facility_power_kw"].sum() / before))
        value = max(told, key=lambda v: told[v])
        return value, told[value]

    def stepped(self, share: float = 0.4) -> pd.DataFrame:
        """Return a year with step tests that know nothing of the weather."""
        rng = np.random.default_rng(5)
        block = np.repeat(np.arange(len(INDEX)), rng.choice((8, 12, 24), size=len(INDEX)))[: len(INDEX)]
        tested = (rng.random(block.max() + 1) < share)[block]
        year = self.constant()
        for name, tried in self.all_tried.items():
            year[name] = np.where(tested, rng.choice(tried, size=block.max() + 1)[block], year[name])
        return year

    def export(self, set_points: pd.DataFrame, folder: Path) -> Telemetry:
        """Return what the meters would show."""
        rng = np.random.default_rng(2)
        run, weather = self.run(set_points), self.outside[0]
        power = [c for c in EXPORTED if c.endswith("_kw")]
        shown = run[list(EXPORTED)].copy()
        shown[power] *= 1.0 + 0.003 * rng.standard_normal(shown[power].shape)
        shown["server_inlet_temp_c"] += 0.1 * rng.standard_normal(len(shown))
        outdoor = weather[["outdoor_dry_bulb_c", "outdoor_wet_bulb_c"]]
        path = folder / "telemetry.csv"
        pd.concat([set_points, outdoor, shown.round(3)], axis=1).to_csv(path, index_label="timestamp")
        return read_paths([path], zone="+08:00")[0]

    def declared(self, ident: str) -> Site:
        """Return the site's definition."""
        spans = {
            n: LeverRange(lower=min(v), upper=max(v), step=STEPS.get(n, 0.5))
            for n, v in self.all_tried.items()
        }
        return Site(
            id=ident, current=self.current, levers=spans,
            limits=Limits(server_inlet_temp_c_max=INLET_MAX_C, sensor_error_k=0.3),
        )  # fmt: skip

    def advised(
        self,
        set_points: pd.DataFrame,
        folder: Path,
        bundle_of: Callable[[Telemetry], DataCentreBundle],
        window: tuple[pd.Timestamp | None, pd.Timestamp | None] = (None, None),
    ) -> Advice:
        """Return advice on an export of the site, for the year or a window of it."""
        telemetry = self.export(set_points, folder)
        site = self.declared(telemetry.site_ids[0])
        start, end = window
        return advise(telemetry, bundle_of(telemetry), load_measures(), site, start=start, end=end)

    def planned(self, advice: Advice) -> pd.DataFrame:
        """Return the plan as the plant takes it."""
        table = advice.plan_table
        wall = pd.to_datetime(table["local_timestamp"].str[:19])
        return table.assign(wall=wall).pivot_table(index="wall", columns="lever", values="recommended")

    def saved_pct(self, set_points: pd.DataFrame) -> float:
        """Return what set-points really save against those in force [%]."""
        before = self.run(self.constant().loc[set_points.index])["facility_power_kw"].sum()
        return float(100 * (1 - self.run(set_points)["facility_power_kw"].sum() / before))


SITES = {
    APPROACH: PlantSite(
        APPROACH, HUMID_SUBTROPICAL, DataCentrePlant(), 9.0, tuple(np.arange(2.0, 10.5, 0.5))
    ),
    AIRFLOW: PlantSite(
        AIRFLOW, HUMID_SUBTROPICAL, DataCentrePlant(), 90.0, tuple(np.arange(62.0, 101.0, 2.0))
    ),
    CHANGEOVER: PlantSite(
        CHANGEOVER, TEMPERATE, DataCentrePlant(plant=ECONOMISER), 5.0, tuple(np.arange(0.0, 24.5, 1.0)),
        (22.0, 11.0),
    ),
    EVAPORATIVE: PlantSite(
        EVAPORATIVE, HOT_DRY, DataCentrePlant(plant=Plant(approach_k=9.0, approach_cold_k_k=0.0)), 0.0,
        (0.0, 1.0),
    ),
}  # fmt: skip
TOGETHER = PlantSite(
    CHANGEOVER, TEMPERATE, DataCentrePlant(plant=ECONOMISER), 6.0, tuple(np.arange(0.0, 24.5, 1.0)),
    beside={
        ZONE: (22.0, tuple(np.arange(20.0, 25.1, 0.5))),
        WATER: (9.0, tuple(np.arange(7.0, 14.1, 0.5))),
        APPROACH: (8.0, tuple(np.arange(2.0, 10.1, 0.5))),
        AIRFLOW: (85.0, tuple(np.arange(62.0, 101.0, 2.0))),
    },
)  # fmt: skip
"""All but the pads, stepped at once."""
BEST_TOGETHER = {ZONE: 21.0, WATER: 12.0, APPROACH: 4.5, AIRFLOW: 62.0, CHANGEOVER: 16.0}
"""The best constants of the year, one lever after the other until none gains: they save 5.7 %."""
