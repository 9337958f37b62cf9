"""``advisor train`` refuses shuffled labels without writing; ``predict --explain`` writes reasons."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from app.cli import main
from app.service.explain import COLUMNS
from sample_data.generate import write_samples


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six weeks of the sample data centre."""
    folder = tmp_path_factory.mktemp("samples")
    table = pd.read_csv(write_samples(folder, seed=7)["data_centre_telemetry"])
    file = folder / "weeks.csv"
    table.iloc[24 * 120 : 24 * 162].to_csv(file, index=False)
    return file


def test_shuffled_labels_end_with_three_and_nothing_is_written(
    export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pd.read_csv(export)
    order = np.random.default_rng(0).permutation(len(table))
    table["facility_power_kw"] = table["facility_power_kw"].to_numpy()[order]
    table.to_csv(tmp_path / "shuffled.csv", index=False)
    model = tmp_path / "model"
    arguments = ["train", str(tmp_path / "shuffled.csv"), "--out", str(model)]
    assert main([*arguments, "--target", "facility_power_kw"]) == 3
    assert "E-TRAIN-GATE" in capsys.readouterr().err
    assert not model.exists()


def test_reasons_are_written_beside_the_predictions(export: Path, tmp_path: Path) -> None:
    model, out = tmp_path / "model", tmp_path / "predicted.csv"
    target = ["--target", "cooling_power_kw"]
    assert main(["train", str(export), "--out", str(model), *target]) == 0
    assert main(["predict", str(export), "--model", str(model), "--out", str(out), "--explain", "7"]) == 0
    reasons, predicted = pd.read_csv(tmp_path / "predicted_explanations.csv"), pd.read_csv(out)
    assert list(reasons.columns) == list(COLUMNS)
    rows = reasons.groupby(["timestamp", "quantity"])
    assert len(rows) == 7
    total = rows["effect"].sum() + rows["base"].first()
    points = predicted.set_index(["timestamp", "quantity"])["point"]
    assert total.to_numpy() == pytest.approx(points.loc[total.index].to_numpy(), rel=1e-6)
    assert (rows["effect"].apply(lambda e: e.abs().is_monotonic_decreasing)).all()
    assert reasons["sentence"].str.contains("against the usual").all()
    assert main(["predict", str(export), "--model", str(model), "--out", str(out), "--explain", "all"]) == 0
    every = pd.read_csv(tmp_path / "predicted_explanations.csv")
    assert every["timestamp"].nunique() == predicted["point"].notna().sum()
