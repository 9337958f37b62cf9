"""Exports of real systems and of an independent plant, as they are, through the command line."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pandas as pd
import pytest

from app.cli import main
from models.prediction import OUTPUT_COLUMNS

SHARED = Path(__file__).resolve().parents[3] / "shared"
CHILLER = SHARED / "data" / "chiller_singapore"
PLANT = SHARED / "plant" / "exports" / "low_fan_NY.csv"

needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the folder 'shared' is not beside the repository"
)


@pytest.fixture(scope="module")
def chiller(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first twelve weeks of the chiller plant's export; the reader's own tests read all of it."""
    (source,) = CHILLER.glob("*.csv")
    folder = tmp_path_factory.mktemp("chillers") / CHILLER.name
    folder.mkdir()
    with source.open("rb") as lines:
        (folder / source.name).write_bytes(b"".join(islice(lines, 1 + 48 * 7 * 12)))
    return folder


@pytest.fixture(scope="module")
def plant_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the plant; advice rests on its what-if models, of the others the quickest will do."""
    folder = tmp_path_factory.mktemp("plant") / "m"
    assert main(["train", str(PLANT), "--out", str(folder), "--target", "it_power_kw"]) == 0
    return folder


def outcome(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> dict[str, object]:
    assert main([*map(str, arguments), "--json"]) == code
    shown: dict[str, object] = json.loads(capsys.readouterr().out)
    return shown


@needs_shared
def test_a_chiller_plant_is_predicted_and_told_what_advice_lacks(
    tmp_path: Path, chiller: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = outcome(capsys, "train", chiller, "--out", tmp_path / "m")
    assert (tmp_path / "m" / "card.json").is_file()
    out = tmp_path / "p.parquet"
    predicted = outcome(capsys, "predict", chiller, "--model", tmp_path / "m", "--out", out)
    assert predicted["model_id"] == trained["model_id"]
    table = pd.read_parquet(out)
    assert tuple(table.columns) == OUTPUT_COLUMNS
    known = table.dropna(subset=["point"])
    assert len(known) > 0.9 * len(table)
    assert ((known["lower"] <= known["point"]) & (known["point"] <= known["upper"])).all()
    # no set-point, no IT power: nothing to advise on, said with a stable code
    advised = outcome(capsys, "advise", chiller, "--model", tmp_path / "m", "--out", tmp_path / "a", code=3)
    assert advised["error"]["code"] == "E-ADVICE-INPUTS"  # type: ignore[index]
    remedy = advised["error"]["remedy"]  # type: ignore[index]
    assert "condenser_water_temp_c tells what the plant reached" in remedy
    assert not (tmp_path / "a").exists()


@needs_shared
def test_a_plant_without_site_file_is_advised_with_assumptions(
    tmp_path: Path, plant_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    advised = outcome(
        capsys, "advise", PLANT, "--model", plant_model, "--out", tmp_path / "a",
        "--start", "2025-07-01", "--end", "2025-08-01",
    )  # fmt: skip
    codes = {issue["code"] for issue in advised["issues"]}  # type: ignore[attr-defined]
    assert {"D-CURRENT-ASSUMED", "D-LIMIT-ASSUMED"} <= codes
    summary = json.loads((tmp_path / "a" / "summary.json").read_text(encoding="utf-8"))
    assert summary["saving"]["cost"] is None  # no tariff was declared
    plan = pd.read_csv(tmp_path / "a" / "plan.csv")
    assert plan["timestamp"].str.slice(0, 7).isin(["2025-06", "2025-07", "2025-08"]).all()
    assert "assumed" in (tmp_path / "a" / "report.html").read_text(encoding="utf-8")


@needs_shared
def test_a_window_outside_the_export_is_a_usage_error(
    tmp_path: Path, plant_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    base = ["advise", PLANT, "--model", plant_model, "--out", tmp_path / "a"]
    assert "error" in outcome(capsys, *base, "--start", "2031-01-01", "--end", "2031-02-01", code=2)
    said = outcome(capsys, *base, "--start", "yesterday-ish", code=2)
    assert said["error"]["code"] == "E-MOMENT"  # type: ignore[index]
