"""A third of the sample year, read from the files that the generator writes."""

from __future__ import annotations

import pandas as pd
import pytest

from features.reading import read_paths
from features.telemetry import Telemetry
from models.data_centre import DataCentreBundle
from sample_data.generate import write_samples
from tests.conftest import trained_once
from training.fit import fit_bundle


@pytest.fixture(scope="session")
def dc_year(tmp_path_factory: pytest.TempPathFactory) -> Telemetry:
    """The sample data centre, a year."""
    paths = write_samples(tmp_path_factory.mktemp("samples"), seed=7)
    return read_paths([paths["data_centre_telemetry"]])[0]


@pytest.fixture(scope="session")
def dc_summer(dc_year: Telemetry) -> Telemetry:
    """Ten weeks of it."""
    start = dc_year.span[0] + pd.Timedelta(days=120)
    return dc_year.between(start, start + pd.Timedelta(weeks=10))


@pytest.fixture(scope="session")
def dc_summer_bundle(dc_summer: Telemetry, tmp_path_factory: pytest.TempPathFactory) -> DataCentreBundle:
    """Its models of the facility power."""
    bundle = trained_once(
        tmp_path_factory, "dc-summer", lambda: fit_bundle(dc_summer, target="facility_power_kw")
    )
    assert isinstance(bundle, DataCentreBundle)
    return bundle
