"""A third of the sample year, read from the files that the generator writes."""

from __future__ import annotations

import pandas as pd
import pytest

from features.reading import read_paths
from features.telemetry import Telemetry
from sample_data.generate import write_samples


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
