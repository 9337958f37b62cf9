"""Makers of small exports with known content."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.reading import Reading, bulk, tabular, whole

SHARED = Path(__file__).resolve().parents[4] / "shared"

Writer = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    """Return a function that writes text or bytes under tmp_path and returns the path."""

    def writer(content: str | bytes, name: str = "site.csv") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return writer


@pytest.fixture
def plant() -> pd.DataFrame:
    """Return 20 days of a plausible site, hourly, all columns moving."""
    rng = np.random.default_rng(7)
    stamps = pd.date_range("2025-03-01", periods=480, freq="h")
    it = 80 + 10 * np.sin(np.arange(480) / 24 * 2 * np.pi) + rng.normal(0, 1, 480)
    cooling = 0.2 * it + rng.normal(0, 0.3, 480)
    dry = 12 + 6 * np.sin(np.arange(480) / 24 * 2 * np.pi) + rng.normal(0, 0.5, 480)
    return pd.DataFrame(
        {
            "timestamp": stamps.strftime("%Y-%m-%d %H:%M:%S"),
            "zone_set_point_c": 24.0,
            "it_power_kw": it.round(3),
            "facility_power_kw": (it * 1.1 + cooling).round(3),
            "cooling_power_kw": cooling.round(3),
            "outdoor_dry_bulb_c": dry.round(3),
            "outdoor_wet_bulb_c": (dry - 3).round(3),
            "server_inlet_c": (24 + rng.normal(0, 0.3, 480)).round(3),
        }
    )


@pytest.fixture
def shared() -> Path:
    """Return the folder of real exports, or skip."""
    if not SHARED.is_dir():
        pytest.skip("the folder 'shared' with real exports is not beside the repository")
    return SHARED


def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every plain file for a large one, of many pieces and short stretches to recognise it by."""
    monkeypatch.setattr(bulk, "LARGE", 0)
    monkeypatch.setattr(bulk, "PIECE", 3000)
    monkeypatch.setattr(tabular, "LARGE_ROWS", 0)
    monkeypatch.setattr(whole, "SAMPLES", 5)
    monkeypatch.setattr(whole, "SAMPLE_ROWS", 30)
    monkeypatch.setattr(whole, "BATCH", 100)


def said(reading: Reading) -> list[object]:
    """Return everything that a reading says; sums in pieces may differ in what recognition saw of them."""
    quarantined = reading.quarantined_rows.drop_columns("raw").to_pylist()
    raw = [str(r).replace(".0", "") for r in reading.quarantined_rows["raw"].to_pylist()]
    columns = [(c.source, c.canonical, c.unit, c.factor) for f in reading.mapping.file for c in f.column]
    facts = [reading.issues, reading.counts, columns, reading.marks, quarantined, raw]
    return [reading.content.content_hash(), reading.table, *facts]
