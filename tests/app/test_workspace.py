"""Workspace and fleet: what a data folder holds, and that a site is opened once."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.service import workspace
from app.service.fleet import fleet
from app.service.intake import intake_apart
from app.service.workspace import forget, list_sites, open_site
from features.errors import AdvisorError, StoppedError, UsageError

ON = date(2026, 2, 1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder with one complete site, one without models, and one with a broken site file."""
    for key in ("b-hall", "c-raw", "a-broken"):
        (tmp_path / "samples" / key).mkdir(parents=True)
    for key in ("b-hall", "a-broken"):
        (tmp_path / key / "model").mkdir(parents=True)
    (tmp_path / "samples" / "a-broken" / "site.toml").write_text("id = ", encoding="utf-8")
    site = 'id = "hall"\nname = "Hall 数据中心"\n'
    (tmp_path / "samples" / "b-hall" / "site.toml").write_text(site, encoding="utf-8")
    advice, check = tmp_path / "b-hall" / "advice", tmp_path / "b-hall" / "check"
    advice.mkdir()
    check.mkdir()
    summary = {
        "baseline": {"energy_kwh": 1000.0, "green_share": 0.3, "pue": 1.4},
        "saving": {"energy_kwh": {"lower": 10.0, "point": 20.0, "upper": 30.0}},
        "provenance": {"data_end": "2025-12-31T16:00:00+00:00"},
    }
    (advice / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    verdicts = [{"verdict": "supported"}, {"verdict": "not proven"}]
    (advice / "recommendations.json").write_text(json.dumps(verdicts), encoding="utf-8")
    (check / "issues.csv").write_text("code,severity\nD-X,error\nD-Y,info\n", encoding="utf-8-sig")
    return tmp_path


def test_sites_with_exports_and_models_are_listed(data: Path) -> None:
    assert [(e.key, e.name) for e in list_sites(data)] == [
        ("a-broken", "a-broken"),
        ("b-hall", "Hall 数据中心"),
    ]
    assert list_sites(data / "nowhere") == ()


def test_the_fleet_tells_who_needs_somebody_first(data: Path) -> None:
    hall, broken = fleet(data).rows
    assert (hall.key, hall.state, hall.errors, hall.actions) == ("b-hall", "data issue", 1, 1)
    assert (hall.energy_kwh, hall.green_share, hall.pue) == (1000.0, 0.3, 1.4)
    assert hall.saving is not None
    assert hall.saving.point == 20.0
    assert (broken.state, broken.energy_kwh) == ("not scored", None)  # unknown, not zero


def test_a_half_written_summary_is_no_summary(data: Path) -> None:
    (data / "b-hall" / "advice" / "summary.json").write_text('{"baseline": {', encoding="utf-8")
    assert fleet(data).rows[0].key in {"a-broken", "b-hall"}
    assert {r.state for r in fleet(data).rows} == {"not scored"}


def test_an_unknown_site_is_refused(data: Path) -> None:
    with pytest.raises(UsageError, match="E-SITE-UNKNOWN"):
        open_site(data, "../b-hall")


def test_a_site_is_read_once_for_all_who_ask_and_forgotten_with_its_folder(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    gate = threading.Event()

    def slowly(entry: Any, on: date, progress: Any) -> Any:
        read.append(entry.key)
        gate.wait(5)
        return SimpleNamespace(key=entry.key)

    monkeypatch.setattr(workspace, "_read_case", slowly)
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(open_site, data, "b-hall", on=ON) for _ in range(3)]
        gate.set()
        cases = [w.result() for w in waiting]
    assert read == ["b-hall"]
    assert cases[0] is cases[1] is cases[2]
    forget(data)
    assert not data.exists()
    assert list_sites(data) == ()


def test_training_apart_can_be_stopped_and_tells_its_errors(tmp_path: Path) -> None:
    (tmp_path / "samples" / "x").mkdir(parents=True)
    (tmp_path / "samples" / "x" / "t.csv").write_text("nothing here\n", encoding="utf-8")
    with pytest.raises(AdvisorError, match="E-") as caught:
        intake_apart(tmp_path, "x", stop=threading.Event(), progress=lambda *_: None)
    assert caught.value.remedy
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError):
        intake_apart(tmp_path, "x", stop=stop, progress=lambda *_: None)
