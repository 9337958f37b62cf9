"""Scoring sites: what is said about each, and that a bad one never touches another."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.batch import scoring
from app.batch.chunk import Chunk, score_chunk
from app.batch.judge import drift_of, outside
from app.batch.limits import SiteTimeoutError, limited
from app.batch.model_folder import ModelFolder, list_models
from app.batch.prepare import day_of
from app.batch.run import ranked
from app.batch.sites import list_sites, local_path
from app.batch.tables import table_of
from features.errors import ModelError, UsageError
from features.telemetry import TimeZone
from models.store import package_versions
from sample_data.fleet import write_fleet

AS_OF = date(2026, 1, 16)
NONE = ModelFolder("", {})


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four sites of 16 days: two data centres and two base-station sites, the first a cluster."""
    return write_fleet(tmp_path_factory.mktemp("fleet"), 4, days=16, data_centre_share=0.5).folder


@pytest.fixture
def sites(fleet: Path, tmp_path: Path) -> Path:
    """A copy of the fleet that a test may spoil."""
    return Path(shutil.copytree(fleet, tmp_path / "sites"))


def chunk(folder: Path, as_of: date = AS_OF, models: ModelFolder = NONE) -> Chunk:
    return Chunk(as_of, list_sites(folder), models, package_versions())


def score(folder: Path, as_of: date = AS_OF) -> dict[str, pd.DataFrame]:
    return {name: table.to_pandas() for name, table in score_chunk(chunk(folder, as_of)).items()}


def statuses(found: dict[str, pd.DataFrame]) -> dict[str, str]:
    rows = found["sites"]
    return {r["site_id"]: r["code"] if r["status"] == "quarantined" else "scored" for _, r in rows.iterrows()}


# -- what is said --------------------------------------------------------------------------------
def test_every_site_gets_tomorrow_hour_by_hour(fleet: Path) -> None:
    found = score(fleet)
    assert set(statuses(found).values()) == {"scored"}
    rows = found["predictions"]
    # tomorrow is 17 January in UTC+8
    assert rows["timestamp"].min() == pd.Timestamp("2026-01-16T16:00Z")
    assert rows["timestamp"].max() == pd.Timestamp("2026-01-17T15:00Z")
    assert (rows.groupby(["site_id", "unit_id", "quantity"]).size() == 24).all()
    assert (rows["lower"] <= rows["point"]).all()
    assert (rows["point"] <= rows["upper"]).all()
    assert set(rows["tier"]) == {"fallback"}
    centre = rows[rows["site_id"] == "dc-00000"]
    assert set(centre["quantity"]) == {"facility_power_kw", "it_power_kw", "cooling_power_kw", "pue"}
    assert rows.loc[rows["site_id"] == "ran-00000", "unit_id"].nunique() == 8  # a cluster of eight
    for column in ("model_id", "data_hash", "version"):
        assert (rows[column] != "").all()


def test_row_of_a_site_adds_up(fleet: Path) -> None:
    found = score(fleet)
    row = found["sites"].set_index("site_id").loc["dc-00001"]
    export = pd.read_csv(fleet / "dc-00001" / "telemetry.csv").tail(24)
    assert row["energy_kwh"] == pytest.approx(export["facility_power_kw"].sum())
    assert row["pue"] == pytest.approx(export["facility_power_kw"].sum() / export["it_power_kw"].sum())
    ahead = found["predictions"].query("site_id == 'dc-00001' and quantity == 'facility_power_kw'")
    assert row["energy_next_kwh"] == pytest.approx(ahead["point"].sum())
    assert row["energy_next_lower_kwh"] < row["energy_next_kwh"] < row["energy_next_upper_kwh"]
    assert row["data_age_h"] == 0.0
    assert row["measured_share"] == 1.0
    assert row["rows_in"] == row["rows_accepted"] + row["rows_quarantined"] + row["rows_rejected"]
    assert (row["plan"], row["plan_code"], row["code"]) == ("hold", "F-NO-MODEL", "F-NO-MODEL")
    assert pd.isna(row["saving_kwh"])


def test_the_future_is_not_known(sites: Path) -> None:
    """Rows after the end of the date change nothing but the files' fingerprint."""
    before = score(sites, date(2026, 1, 12))
    for file in sites.glob("dc-*/telemetry.csv"):
        table = pd.read_csv(file)
        late = table.iloc[:, 0] >= "2026-01-13"
        table.loc[late, ["it_power_kw", "facility_power_kw"]] *= 1.3
        table.to_csv(file, index=False)
    after = score(sites, date(2026, 1, 12))
    pd.testing.assert_frame_equal(before["predictions"], after["predictions"])
    pd.testing.assert_frame_equal(before["anomalies"], after["anomalies"])
    same = [c for c in before["sites"] if c not in ("input_digest", "findings")]
    pd.testing.assert_frame_equal(before["sites"][same], after["sites"][same])


def test_a_jump_today_is_an_anomaly_and_an_unruly_week_is_drift(sites: Path) -> None:
    file = sites / "dc-00000" / "telemetry.csv"
    table = pd.read_csv(file)
    table.loc[table.index[-3:], "facility_power_kw"] *= 1.5
    table.to_csv(file, index=False)
    found = score(sites)
    unusual = found["anomalies"].query("site_id == 'dc-00000' and quantity == 'facility_power_kw'")
    assert set(unusual["timestamp"].tail(3)) == set(pd.date_range("2026-01-16T13:00Z", periods=3, freq="h"))
    assert (unusual["excess"].tail(3) > 0.5).all()
    assert not found["sites"].set_index("site_id").loc["dc-00000", "drift"]

    table.loc[table.index[-24 * 7 :], "cooling_power_kw"] *= np.tile(np.repeat([1.5, 0.6], 24), 4)[: 24 * 7]
    table.to_csv(file, index=False)
    row = score(sites)["sites"].set_index("site_id").loc["dc-00000"]
    assert row["drift"]
    assert (row["drift_quantity"], row["drift_basis"]) == ("cooling_power_kw", "seasonal")
    assert row["drift_p"] < 1e-3 < row["drift_share"]


def test_outside_counts_the_distance_in_interval_widths() -> None:
    rows = pd.DataFrame({"measured": [9.0, 12.5, 7.0, np.nan], "lower": [8.0] * 4, "upper": [12.0] * 4})
    found = outside(rows)
    assert found.index.tolist() == [1, 2]
    assert found["excess"].tolist() == [0.125, 0.25]  # 0.5 and 1 beyond a width of 4


def test_drift_is_not_cried_by_chance_nor_by_one_bad_day() -> None:
    """Of 400 healthy weeks of 10 % misses hardly one is flagged; one broken day of seven is not drift."""
    rng = np.random.default_rng(0)
    flagged = []
    for _ in range(400):
        rows = pd.DataFrame({"measured": rng.uniform(0, 1, 168), "lower": 0.05, "upper": 0.95})
        flagged.append(drift_of(rows.assign(quantity="q", coverage=0.9, basis="b")).flagged)
    assert sum(flagged) <= 3
    broken = pd.DataFrame({"measured": 0.5, "lower": 0.05, "upper": 0.95}, index=range(168))
    broken.loc[100:123, "measured"] = 2.0
    assert not drift_of(broken.assign(quantity="q", coverage=0.9, basis="b")).flagged
    half = pd.DataFrame({"measured": rng.uniform(0, 1, 168), "lower": 0.25, "upper": 0.75})
    found = drift_of(half.assign(quantity="q", coverage=0.9, basis="b"))
    assert found.flagged
    assert 0.35 < found.share < 0.65


def test_days_follow_the_sites_own_clock() -> None:
    spring = day_of(date(2026, 3, 28), TimeZone("Europe/Berlin", assumed=False))
    assert (spring.end - spring.start, spring.next_end - spring.end) == (
        pd.Timedelta(hours=24),
        pd.Timedelta(hours=23),
    )
    cairo = day_of(date(2026, 4, 23), TimeZone("Africa/Cairo", assumed=False))
    assert cairo.next_end > cairo.end > cairo.start  # clocks change at midnight there
    assert day_of(date(2026, 1, 1), TimeZone()).start == pd.Timestamp("2026-01-01T00:00Z")


def test_rank_follows_the_saving_then_the_id() -> None:
    rows = [
        {"site_id": "b", "status": "scored", "saving_kwh": None},
        {"site_id": "d", "status": "scored", "saving_kwh": 5.0},
        {"site_id": "c", "status": "quarantined"},
        {"site_id": "a", "status": "scored", "saving_kwh": 0.0},
        {"site_id": "e", "status": "scored", "saving_pct": 2.0},
    ]
    table = ranked(table_of("sites", rows)).to_pandas()
    assert dict(zip(table["site_id"], table["rank"].astype("Int64"), strict=True)) == {
        "d": 1, "e": 2, "a": 3, "b": 4, "c": pd.NA,
    }  # fmt: skip


# -- bad sites -----------------------------------------------------------------------------------
def spoil_missing_columns(folder: Path) -> None:
    (folder / "telemetry.csv").write_text("time,colour\n2026-01-01 00:00,red\n", encoding="utf-8")


def spoil_empty(folder: Path) -> None:
    (folder / "telemetry.csv").write_bytes(b"")


def spoil_all_missing(folder: Path) -> None:
    table = pd.read_csv(folder / "telemetry.csv")
    table.iloc[:, 1:] = np.nan
    table.to_csv(folder / "telemetry.csv", index=False)


def spoil_stale(folder: Path) -> None:
    table = pd.read_csv(folder / "telemetry.csv")
    table.head(24 * 8).to_csv(folder / "telemetry.csv", index=False)


def spoil_site_file(folder: Path) -> None:
    (folder / "site.toml").write_text('id = "x"\ntypo = 1\n', encoding="utf-8")


def spoil_kind(folder: Path) -> None:
    (folder / "site.toml").write_text('id = "x"\nkind = "base-station"\n', encoding="utf-8")


def spoil_not_parquet(folder: Path) -> None:
    (folder / "telemetry.csv").rename(folder / "telemetry.parquet")


def spoil_parquet_bomb(folder: Path) -> None:
    (folder / "telemetry.csv").unlink()
    piece = pa.table({"timestamp": pa.array([0] * 1_000_000, pa.int64())})
    with pq.ParquetWriter(folder / "telemetry.parquet", piece.schema) as writer:
        for _ in range(6):
            writer.write_table(piece)


def spoil_short(folder: Path) -> None:
    table = pd.read_csv(folder / "telemetry.csv")
    table.tail(20).to_csv(folder / "telemetry.csv", index=False)


def spoil_everything_gone(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


BAD = {
    "E-NO-MEASUREMENT": spoil_missing_columns,
    "E-FILE-EMPTY": spoil_empty,
    "E-SITE-NO-VALUES": spoil_all_missing,
    "E-SITE-STALE": spoil_stale,
    "E-SITE-KEY": spoil_site_file,
    "E-SITE-KIND": spoil_kind,
    "E-FILE-TYPE": spoil_not_parquet,
    "E-SITE-ROWS": spoil_parquet_bomb,
    "E-CALIBRATION-ROWS": spoil_short,
    "E-FOLDER-EMPTY": spoil_everything_gone,
}


def test_bad_sites_are_quarantined_with_a_reason_and_touch_no_other(fleet: Path, sites: Path) -> None:
    for code, spoil in BAD.items():
        shutil.copytree(sites / "dc-00001", sites / f"bad-{code}")
        spoil(sites / f"bad-{code}")
    found, clean = score(sites), score(fleet)
    said = statuses(found)
    assert {name: code for name, code in said.items() if name.startswith("bad-")} == {
        f"bad-{code}": code for code in BAD
    }
    bad = found["sites"][found["sites"]["status"] == "quarantined"]
    assert (bad["reason"] != "").all()
    assert bad["rows_in"].isna().all()
    for name in ("predictions", "anomalies"):
        pd.testing.assert_frame_equal(found[name], clean[name])


def test_an_unforeseen_exception_costs_its_site_only(fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clean = score(fleet)
    true = scoring.bands_of

    def broken(prepared: object, modelled: object) -> object:
        if prepared.source.site_id == "dc-00001":  # type: ignore[attr-defined]
            raise ZeroDivisionError("a fault")
        return true(prepared, modelled)  # type: ignore[arg-type]

    monkeypatch.setattr(scoring, "bands_of", broken)
    found = score(fleet)
    assert statuses(found)["dc-00001"] == "E-SITE-INTERNAL"
    assert "ZeroDivisionError: a fault" in found["sites"].set_index("site_id").loc["dc-00001", "reason"]
    kept = clean["predictions"].query("site_id != 'dc-00001'").reset_index(drop=True)
    pd.testing.assert_frame_equal(found["predictions"], kept)


def test_a_site_that_takes_too_long_is_quarantined(fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    true = scoring.prepare

    def endless(source: object, *rest: object) -> object:
        while source.site_id == "ran-00001":  # type: ignore[attr-defined]
            pass
        return true(source, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(scoring, "prepare", endless)
    found = score_chunk(replace(chunk(fleet), seconds=5.0))["sites"].to_pandas()
    codes = dict(zip(found["site_id"], found["code"], strict=True))
    assert codes["ran-00001"] == "E-SITE-TIMEOUT"
    assert (found["status"] == "scored").sum() == 3


def test_the_time_limit_cannot_be_swallowed() -> None:
    def stubborn() -> None:
        while True:
            with contextlib.suppress(Exception):  # as some library might
                sum(range(10_000))

    with pytest.raises(SiteTimeoutError), limited(0.2):
        stubborn()


def test_files_that_change_while_the_batch_runs_are_found_out(sites: Path) -> None:
    listed = chunk(sites)
    with (sites / "dc-00000" / "telemetry.csv").open("a", encoding="utf-8") as stream:
        stream.write("2026-01-17 00:00,22,10,100,150,20,22.5\n")
    found = score_chunk(listed)["sites"].to_pandas().set_index("site_id")
    assert found.loc["dc-00000", "code"] == "E-SITE-CHANGED"
    assert (found["status"] == "scored").sum() == 3


# -- folders -------------------------------------------------------------------------------------
def test_a_folder_of_files_is_a_folder_of_sites(fleet: Path, tmp_path: Path) -> None:
    shutil.copy(fleet / "dc-00000" / "telemetry.csv", tmp_path / "north.csv")
    shutil.copy(fleet / "dc-00001" / "telemetry.csv", tmp_path / "south.csv")
    (tmp_path / "notes.md").write_text("no site", encoding="utf-8")
    (tmp_path / ".hidden").mkdir()
    assert statuses(score(tmp_path)) == {"north": "scored", "south": "scored"}


def test_two_sites_of_one_name_are_refused_as_one(fleet: Path, sites: Path) -> None:
    shutil.copy(fleet / "dc-00000" / "telemetry.csv", sites / "dc-00001.csv")
    said = statuses(score(sites))
    assert said["dc-00001"] == "E-SITE-FILES"
    assert list(said.values()).count("scored") == 3


def test_places_are_paths_or_file_uris(tmp_path: Path) -> None:
    assert local_path(f"file://{tmp_path}/a%20b", "--store") == tmp_path / "a b"
    assert local_path(str(tmp_path), "--store") == tmp_path
    for uri in ("s3://bucket/sites", "file://other-host/share"):
        with pytest.raises(UsageError, match="E-URI"):
            local_path(uri, "--sites")
    with pytest.raises(UsageError, match="E-SITES-FOLDER"):
        list_sites(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="E-SITES-EMPTY"):
        list_sites(tmp_path)


def test_a_model_folder_must_hold_models_or_nothing(tmp_path: Path) -> None:
    assert list_models(tmp_path).cards == {}
    (tmp_path / "readme.txt").write_text("x", encoding="utf-8")
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ModelError, match="E-MODEL-MISSING"):
            list_models(place)
