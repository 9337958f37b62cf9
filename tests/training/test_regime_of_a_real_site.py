"""The step of March 2024 in a real data centre's overhead: hours made from its published months."""

from __future__ import annotations

import pandas as pd
import pytest

from features.issues import DataIssue
from models.bundle import Bundle
from tests.benchmarks.esif_hourly import END, FOLDER, START, STEP, esif_hours
from training.fit import fit_bundle

TRAINED = pd.Timestamp("2024-03-01", tz="UTC")

if not FOLDER.is_dir():
    pytest.skip("needs shared/data/esif_monthly beside the repository", allow_module_level=True)


def drifts(bundle: Bundle, seed: int, end: pd.Timestamp, *, step: bool = True) -> list[DataIssue]:
    telemetry = esif_hours(seed, step=step).between(START, end)
    return [i for i in bundle.predict(telemetry, "estimate")[1] if i.code == "D-DRIFT"]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return fit_bundle(esif_hours(0).between(START, TRAINED), target="pue")


def test_the_step_is_noticed_within_three_days(bundle: Bundle) -> None:
    assert drifts(bundle, 0, STEP) == []
    (issue,) = drifts(bundle, 0, STEP + pd.Timedelta(days=3))
    assert "2024-03-30" in issue.evidence
    assert "train again" in issue.remedy


def test_without_the_step_nothing_is_noticed(bundle: Bundle) -> None:
    assert drifts(bundle, 0, END, step=False) == []
