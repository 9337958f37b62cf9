"""The sample data centre, its hidden truth, and models fitted once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from advisor.advise import advise
from advisor.catalogue import load_measures
from advisor.plan import Advice
from advisor.site import Site, read_site
from features.operation import operation_of
from features.reading import read_paths
from features.telemetry import Telemetry
from models.base_station import BaseStationBundle
from models.data_centre import DataCentreBundle, SiteModels, WhatIf
from models.identifiability import lever_evidence
from models.site_response import fit_site_response
from models.site_scorer import fit_site_scorer
from models.store import ModelCard
from sample_data.data_centre import CURRENT, SampleYear, data_centre_year
from sample_data.generate import write_samples
from tests.base_station_fleet import fleet
from tests.conftest import trained_once
from training.base_station import fit

SEED = 7
JULY = (pd.Timestamp("2025-07-01", tz="+08:00"), pd.Timestamp("2025-08-01", tz="+08:00"))


@dataclass(frozen=True)
class DcCase:
    """The sample as an operator has it, and what really happened."""

    telemetry: Telemetry
    site: Site
    year: SampleYear
    bundle: DataCentreBundle

    def advise(
        self, *, july: bool = True, telemetry: Telemetry | None = None, most: int = 5, **changes: object
    ) -> Advice:
        """Advise with changes of the site's definition; ``site=None`` gives none."""
        site = None if "site" in changes else self.site.model_copy(update=changes)
        start, end = (JULY[0].tz_convert("UTC"), JULY[1].tz_convert("UTC")) if july else (None, None)
        return advise(
            telemetry or self.telemetry, self.bundle, load_measures(), site, start=start, end=end, most=most
        )

    def with_frame(self, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Telemetry:
        """Return the telemetry with a changed table."""
        return replace(self.telemetry, frame=change(self.telemetry.frame.copy()))

    def true_run(self, plan_table: pd.DataFrame | None) -> pd.DataFrame:
        """Return what the plant would really have used in the plan's window; None: the declared current."""
        return self.true_run_of(
            pd.DataFrame(CURRENT, index=self.year.set_points.index)
            if plan_table is None
            else local_plan(plan_table)
        )

    def true_run_of(self, set_points: pd.DataFrame) -> pd.DataFrame:
        """Return the plant's answer to set-points under the year's own weather and work."""
        rows = self.year.set_points.index.isin(set_points.index)
        return self.year.plant.simulate(
            set_points[list(CURRENT)], self.year.weather[rows], self.year.utilisation[rows]
        )

    def true_saving_pct(self, plan_table: pd.DataFrame) -> float:
        """Return the true saving against the declared current [%]."""
        planned = self.true_run(plan_table)
        before = self.true_run(None).loc[planned.index, "facility_power_kw"].sum()
        return float(100 * (1 - planned["facility_power_kw"].sum() / before))


def local_plan(plan_table: pd.DataFrame) -> pd.DataFrame:
    """Return the plan as the plant takes it: wall-clock index, one column per lever."""
    wall = pd.to_datetime(plan_table["local_timestamp"].str[:19])
    wide = plan_table.assign(wall=wall).pivot_table(index="wall", columns="lever", values="recommended")
    for name, value in CURRENT.items():
        if name not in wide:
            wide[name] = value
    return wide


def what_if_bundle(telemetry: Telemetry) -> DataCentreBundle:
    """Return a bundle that holds the what-if models only: quicker than a whole training."""
    sites = {}
    for site in telemetry.site_ids:
        operation = operation_of(telemetry, site)
        evidence = lever_evidence(operation)
        levers = tuple(n for n, e in evidence.items() if e.identified)
        about = {n: e.to_dict() for n, e in evidence.items()}
        what_if = WhatIf(levers, about, tuple(e.reason for e in evidence.values()))
        if levers:
            chosen = operation.only_levers(levers)
            even = chosen.week % 2 == 0
            what_if = replace(
                what_if, proposer=fit_site_response(chosen, even, 0), scorer=fit_site_scorer(chosen, ~even, 0)
            )
        sites[site] = SiteModels({}, what_if)
    card = ModelCard(
        "data-centre", "", "", "", tuple(telemetry.site_ids), telemetry.interval.total_seconds(),
        telemetry.zone.name, 0, {}, {}, model_id="data-centre-test",
    )  # fmt: skip
    return DataCentreBundle(card, sites)


@pytest.fixture(scope="session")
def dc_bundle_of() -> Callable[[Telemetry], DataCentreBundle]:
    """Fit the what-if models of an export."""
    return what_if_bundle


@pytest.fixture(scope="session")
def dc_case(tmp_path_factory: pytest.TempPathFactory) -> DcCase:
    """The sample data centre."""
    paths = write_samples(tmp_path_factory.mktemp("samples"), seed=SEED)
    telemetry = read_paths([paths["data_centre_telemetry"]])[0]
    # The plant's truth knows set-points only: what else the sample owns is judged elsewhere.
    owned = {"pv": None, "battery": None, "workload": None, "servers": ()}
    site = read_site(paths["data_centre_site"]).model_copy(update=owned)
    return DcCase(telemetry, site, data_centre_year(SEED), what_if_bundle(telemetry))


@pytest.fixture(scope="session")
def dc_year_advice(dc_case: DcCase) -> Advice:
    """Advice on the whole year."""
    return dc_case.advise(july=False)


@pytest.fixture(scope="session")
def dc_july_advice(dc_case: DcCase) -> Advice:
    """Advice on July."""
    return dc_case.advise()


@pytest.fixture(scope="session")
def dc_best_pairs(dc_case: DcCase) -> pd.DataFrame:
    """True saving of constant pairs over the year [%] and the hottest inlet [degC]."""
    rows = []
    index = dc_case.year.set_points.index
    for zone in np.arange(18.0, 27.1, 1.0):
        for water in np.arange(6.0, 15.1, 1.5):
            pair = pd.DataFrame({"zone_set_point_c": zone, "chilled_water_set_point_c": water}, index=index)
            run = dc_case.true_run_of(pair)
            rows.append((zone, water, run["facility_power_kw"].sum(), run["server_inlet_temp_c"].max()))
    table = pd.DataFrame(rows, columns=["zone", "water", "energy", "inlet"])
    before = dc_case.true_run(None)["facility_power_kw"].sum()
    return table.assign(saving_pct=100 * (1 - table["energy"] / before))


# -- base stations -------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def sleepers() -> Telemetry:
    """A fleet of known law in which every other station of one product sleeps at night."""
    return fleet(stations=54, days=8)


@pytest.fixture(scope="session")
def sleepers_bundle(sleepers: Telemetry, tmp_path_factory: pytest.TempPathFactory) -> BaseStationBundle:
    """Its models, fitted once for all test processes."""
    bundle = trained_once(tmp_path_factory, "sleepers", lambda: fit(sleepers))
    assert isinstance(bundle, BaseStationBundle)
    return bundle
