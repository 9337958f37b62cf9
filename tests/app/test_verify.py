"""``advisor verify``: what it prints, writes and refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from app.cli import main
from app.writing import write_parquet
from features.telemetry import Telemetry
from tests.base_station_fleet import fleet
from tests.base_station_fleet import telemetry as stations
from tests.before_after import WATER, ZONE, Period, after, period, true_saving_pct

SITE = """
id = "dc-1"
currency = "CNY"
[current]
zone_set_point_c = 22.0
chilled_water_set_point_c = 8.0
[tariff]
energy_per_kwh = 0.65
source = "contract 2026"
"""


def written(folder: Path, name: str, given: Period, *drop: str) -> str:
    table = given.table.drop(columns=["site_id", "unit_id", "cpu_utilisation", *drop])
    path = folder / f"{name}.csv"
    table.assign(timestamp=table["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")).to_csv(path, index=False)
    return str(path)


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("periods")
    done = after(**{WATER: 9.5})
    spring = period(window=("2025-05-01", "2025-06-15"))
    summer = period(window=("2025-06-15", "2025-08-01"))
    (folder / "site.toml").write_text(SITE, encoding="utf-8")
    return {
        "spring": written(folder, "spring", spring),
        "summer": written(folder, "summer", summer),
        "after": written(folder, "after", done),
        "no_it": written(folder, "no_it", done, "it_power_kw"),
        "warm": written(folder, "warm", after(**{ZONE: 24.0})),
        "site": str(folder / "site.toml"),
    }


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, object]]:
    code = main(["verify", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_json_files_and_text_tell_the_same(
    exports: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(
        ["verify", "--before", exports["spring"], "--before", exports["summer"], "--after", exports["after"],
         "--site", exports["site"], "--out", str(tmp_path / "out")]
    )  # fmt: skip
    shown = capsys.readouterr().out
    assert code == 0
    assert shown.startswith("Proven: the change saved energy.\n")
    for words in ("90 % interval", "operator", "ASHRAE Guideline 14", "work: IT power, in unchanged air",
                  "CNY", "D-VERIFY-CURRENT", "before: 2025-05-01", "verify.json"):  # fmt: skip
        assert words in shown, words
    told = json.loads((tmp_path / "out" / "verify.json").read_text(encoding="utf-8"))
    assert told["verdict"] == "proven"
    truth = true_saving_pct(after(**{WATER: 9.5}))
    assert told["saving"]["energy_pct"]["lower"] <= truth <= told["saving"]["energy_pct"]["upper"]
    assert told["saving"]["cost"]["point"] == pytest.approx(0.65 * told["saving"]["energy_kwh"]["point"])
    assert told["saving"]["carbon_kg"] is None
    assert told["parts"]["it"] == {"energy_kwh": 0.0, "energy_pct": 0.0, "whose": "tenant"}
    assert told["statistics"]["passed"] is True
    assert told["provenance"]["version"]
    assert [len(told["provenance"][p]["sha256"]) for p in ("before", "after")] == [64, 64]
    assert len(told["provenance"]["before"]["sources"]) == 2
    daily = pd.read_csv(tmp_path / "out" / "verify.csv")
    assert len(daily) == 30
    assert daily["day"].iloc[0] == "2026-06-09"


def test_an_unknown_it_part_is_said_first(
    exports: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "--before", exports["spring"], "--after", exports["warm"]]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Not yet proven.\n- the air at the servers changed by +2.0 K")
    assert "the IT part is unknown" in shown
    assert "at most" in shown


@pytest.mark.parametrize(
    ("before", "then", "code", "exit_code"),
    [
        ("spring", "spring", "E-VERIFY-OVERLAP", 2),
        ("spring", "no_it", "E-VERIFY-INPUTS", 3),
    ],
)
def test_refusals(
    exports: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    before: str,
    then: str,
    code: str,
    exit_code: int,
) -> None:
    ended, told = run(capsys, "--before", exports[before], "--after", exports[then])
    assert ended == exit_code
    assert told["error"]["code"] == code  # type: ignore[index]
    assert told["error"]["remedy"]  # type: ignore[index]


@pytest.mark.parametrize("others", [("dc",), ("dc", "third"), ("third",)])
def test_named_sites_must_agree(
    others: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = []
    week = ("2025-06-10", "2025-06-17")
    for name, given, sites in (("one", period(window=week), ("dc",)), ("other", after(window=week), others)):
        table = given.table.drop(columns=["unit_id"]).rename(columns={"site_id": "site"})
        files.append(tmp_path / f"{name}.csv")
        pd.concat([table.assign(site=s) for s in sites]).to_csv(files[-1], index=False)
    ended, told = run(capsys, "--before", str(files[0]), "--after", str(files[1]))
    code = told["error"]["code"]  # type: ignore[index]
    assert (ended, code) == ((3, "E-VERIFY-BEFORE") if others == ("dc",) else (2, "E-VERIFY-SITES"))


def saved(folder: Path, name: str, given: Telemetry) -> str:
    return str(write_parquet(folder / f"{name}.parquet", given.to_arrow()))


def test_stations_without_a_scale_save_in_percent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = fleet(8, 22, measured=1.0).frame
    moment = pd.Timestamp("2025-06-13", tz="UTC")
    then = frame[frame["timestamp"] >= moment].copy()
    then["station_energy_rel"] *= 0.96
    files = [
        saved(tmp_path, name, stations(rows))
        for name, rows in (("before", frame[frame["timestamp"] < moment]), ("after", then))
    ]
    ended, told = run(capsys, "--before", files[0], "--after", files[1], "--out", str(tmp_path / "out"))
    assert ended == 0
    assert told["verdict"] == "proven"
    assert told["saving"]["energy_kwh"] is None  # type: ignore[index]
    assert told["saving"]["energy_pct"]["lower"] <= 4.0 <= told["saving"]["energy_pct"]["upper"]  # type: ignore[index]
    assert main(["verify", "--before", files[0], "--after", files[1]]) == 0
    assert "PRB utilisation" in capsys.readouterr().out
    assert "measured_rel" in (tmp_path / "out" / "verify.csv").read_text(encoding="utf-8")


def test_kinds_must_agree(
    tmp_path: Path, exports: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    given = fleet(3, 2)
    file = saved(tmp_path, "stations", replace(given))
    ended, told = run(capsys, "--before", exports["spring"], "--after", file)
    assert ended == 2
    assert told["error"]["code"] == "E-VERIFY-KIND"  # type: ignore[index]
