"""The file of trials and the cluster's address, as ``advisor train`` takes them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from app.cli import main
from app.service.study import open_study
from features.errors import UsageError


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four weeks of a small centre."""
    rng = np.random.default_rng(0)
    hours = pd.date_range("2026-01-05", periods=24 * 28, freq="h")
    it = 300 + 60 * np.sin(np.arange(len(hours)) / 24 * 2 * np.pi) + 5 * rng.standard_normal(len(hours))
    outdoor = 10 + 8 * np.cos(np.arange(len(hours)) / 24 * 2 * np.pi) + rng.standard_normal(len(hours))
    table = pd.DataFrame(
        {
            "Time (UTC+08:00)": hours.strftime("%Y-%m-%d %H:%M"), "it_power_kw": it.round(2),
            "facility_power_kw": (1.2 * it + 3 * outdoor + rng.standard_normal(len(hours))).round(2),
            "outdoor_dry_bulb_c": outdoor.round(1),
        }
    )  # fmt: skip
    path = tmp_path_factory.mktemp("study") / "telemetry.csv"
    table.to_csv(path, index=False)
    return path


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        open_study(tmp_path / "missing" / "study.log")
    assert raised.value.code == "E-STUDY-FOLDER"


@pytest.mark.parametrize("content", [b"not a journal\n", b'{"op_code": "x"}\n', b"\xff\xfe\x00\n", b"[1]\n"])
def test_a_file_that_is_no_journal_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "study.log"
    path.write_bytes(content)
    with pytest.raises(UsageError) as raised:
        open_study(path)
    assert raised.value.code == "E-STUDY-FILE"
    assert path.read_bytes() == content


def test_tuned_twice_the_second_run_reads_the_trials(
    export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cards = []
    for trials in ("1", "2", "2"):
        call = [
            "train",
            str(export),
            "--out",
            str(tmp_path / "m"),
            "--target",
            "it_power_kw",  # the quickest candidates
            "--tune",
            trials,
        ]
        assert main([*call, "--study", str(tmp_path / "study.log"), "--json"]) == 0
        cards.append(json.loads(capsys.readouterr().out)["card"])
    assert cards[1]["quantities"]["it_power_kw-estimate"]["tuning"]["trials"] == 2
    assert cards[1]["model_id"] == cards[2]["model_id"]
    kept = open_study(tmp_path / "study.log").get_all_studies()
    assert len(kept) == 2  # estimate and forecast
    for study in kept:  # two trials each: nothing was tried again
        assert len(open_study(tmp_path / "study.log").get_all_trials(study._study_id)) == 2


def test_a_scheduler_without_dask_is_a_usage_error(
    export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "distributed", None)  # import fails as where it is not installed
    call = ["train", str(export), "--out", str(tmp_path / "m"), "--scheduler", "tcp://127.0.0.1:1"]
    assert main(call) == 2
    assert "E-DASK-MISSING" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_a_fleet_may_be_trained_on_a_cluster(export: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="needs dask and distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        call = ["train", str(export), "--out", str(tmp_path / "m"), "--target", "it_power_kw"]
        assert main([*call, "--scheduler", cluster.scheduler_address]) == 0
    assert (tmp_path / "m" / "card.json").exists()
