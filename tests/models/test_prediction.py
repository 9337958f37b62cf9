from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.schema import KEY_COLUMNS
from models.prediction import OUTPUT_COLUMNS, TIERS, Prediction


def _prediction(rows=3, **changes):
    fields = {
        "keys": pd.DataFrame(
            {
                "site_id": "a",
                "unit_id": "",
                "timestamp": pd.date_range("2025-01-01", periods=rows, freq="h", tz="UTC"),
            }
        ),
        "point": np.full(rows, 100.0),
        "lower": np.full(rows, 90.0),
        "upper": np.full(rows, 115.0),
        "quantity": "facility_power_kw",
        "coverage": 0.9,
        "model_id": "m1",
        "in_domain": np.ones(rows, dtype=bool),
        "tier": np.full(rows, "full"),
    }
    return Prediction(**{**fields, **changes})


def test_the_table_is_the_contract_of_the_command_line():
    table = _prediction().to_frame()
    assert list(table.columns) == [
        "timestamp", "site_id", "unit_id", "quantity", "unit", "point", "lower", "upper", "coverage",
        "in_domain", "tier", "model_id",
    ]  # fmt: skip
    assert tuple(table.columns) == OUTPUT_COLUMNS
    assert set(table["unit"]) == {"kW"}
    assert set(KEY_COLUMNS) < set(table.columns)
    assert TIERS == ("full", "prior", "fallback")


def test_abstaining_is_nan_in_the_point():
    values = np.array([100.0, np.nan, 100.0])
    prediction = _prediction(point=values, lower=values - 1, upper=values + 1)
    assert prediction.to_frame()["point"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lower": np.full(3, 101.0)}, "lower <= point"),
        ({"upper": np.full(3, 99.0)}, "lower <= point"),
        ({"lower": np.array([90.0, np.nan, 90.0])}, "finite"),
        ({"upper": np.full(3, np.inf)}, "finite"),
        ({"quantity": "facility_power"}, "not a canonical column"),
        ({"coverage": 1.0}, "coverage"),
        ({"coverage": 0.0}, "coverage"),
        ({"point": np.full(2, 100.0)}, "different lengths"),
        ({"tier": np.full(4, "full")}, "different lengths"),
    ],
)
def test_a_broken_invariant_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        _prediction(**changes)


def test_a_degenerate_interval_is_allowed():
    same = np.full(3, 100.0)
    assert _prediction(lower=same, upper=same).unit == "kW"
