"""Scoring with models: which model serves whom, and that sites predicted together do not mix."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from app.batch.choice import choose
from app.batch.chunk import Chunk, score_chunk
from app.batch.model_folder import list_models
from app.batch.sites import list_sites
from features.errors import ModelError
from features.reading import read_paths
from features.telemetry import Telemetry
from models.bundle import save_bundle
from models.data_centre import DataCentreBundle, SiteModels
from models.store import card_of, package_versions
from sample_data.fleet import write_fleet
from training.fit import fit_bundle

AS_OF = date(2026, 1, 14)
TRAINED = ("ran-00000", "ran-00001", "ran-00002", "ran-00003")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven base-station sites of 14 days; the first is a cluster of eight stations."""
    return write_fleet(tmp_path_factory.mktemp("fleet"), 7, days=14, data_centre_share=0.0).folder


@pytest.fixture(scope="module")
def models(fleet: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of base stations, trained on four of the sites."""
    folder = tmp_path_factory.mktemp("models")
    telemetry, _ = read_paths([fleet / name for name in TRAINED])
    save_bundle(fit_bundle(telemetry), folder / "base-station")
    return folder


def score(folder: Path, models: Path, *names: str) -> dict[str, pd.DataFrame]:
    sites = tuple(s for s in list_sites(folder) if not names or s.site_id in names)
    chunk = Chunk(AS_OF, sites, list_models(models), package_versions())
    return {name: table.to_pandas() for name, table in score_chunk(chunk).items()}


@pytest.fixture(scope="module")
def together(fleet: Path, models: Path) -> dict[str, pd.DataFrame]:
    """What is said of all sites when they are scored together; nobody changes it."""
    return score(fleet, models)


def of(table: pd.DataFrame, site_id: str) -> pd.DataFrame:
    return table[table["site_id"] == site_id].reset_index(drop=True)


# -- stations ------------------------------------------------------------------------------------
def test_stations_get_tomorrow_from_the_model_of_their_kind(
    models: Path, together: dict[str, pd.DataFrame]
) -> None:
    sites, rows = together["sites"].set_index("site_id"), together["predictions"]
    assert (sites["status"] == "scored").all()
    assert set(rows["model_id"]) == {list_bundle_id(models)}
    assert "fallback" not in set(rows["tier"])  # tomorrow's load is nobody's fault
    assert (rows.groupby(["site_id", "unit_id"]).size() == 24).all()
    assert rows["timestamp"].min() == pd.Timestamp("2026-01-14T16:00Z")
    trained = sites.loc[list(TRAINED)]
    assert (trained["tier"] == "full").all()
    assert (trained["drift_basis"] == "estimate").all()
    assert trained["anomalies"].sum() <= 3 * trained["anomalies_expected"].sum()


def list_bundle_id(models: Path) -> str:
    from models.store import load

    return load(models / "base-station")[0].model_id


def test_what_is_said_of_a_site_does_not_depend_on_the_others(
    fleet: Path, models: Path, together: dict[str, pd.DataFrame]
) -> None:
    for name in ("ran-00000", "ran-00002", "ran-00005"):
        alone = score(fleet, models, name)
        for table in ("predictions", "anomalies", "plans"):
            pd.testing.assert_frame_equal(
                of(together[table], name), alone[table], check_exact=False, rtol=1e-12
            )


def test_namesakes_do_not_lend_each_other_hours(fleet: Path, models: Path, tmp_path: Path) -> None:
    """Another site whose stations have the names of a training site, but 15 % more energy."""
    shutil.copytree(fleet / "ran-00001", tmp_path / "ran-00001")
    shutil.copytree(fleet / "ran-00001", tmp_path / "namesake")
    (tmp_path / "namesake" / "site.toml").unlink()
    energy = tmp_path / "namesake" / "energy.csv"
    table = pd.read_csv(energy)
    table["Energy (kWh)"] = (1.15 * table["Energy (kWh)"]).round(4)
    table.to_csv(energy, index=False)
    both, alone = score(tmp_path, models), score(fleet, models, "ran-00001")
    pd.testing.assert_frame_equal(of(both["predictions"], "ran-00001"), alone["predictions"], rtol=1e-12)
    other = of(both["predictions"], "namesake")["point"].sum()
    assert other == pytest.approx(1.15 * alone["predictions"]["point"].sum(), rel=0.05)


def test_a_site_without_loads_falls_back_alone(
    fleet: Path, models: Path, together: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(fleet, tmp_path / "sites"))
    for name in ("cells.csv", "loads.csv"):
        (folder / "ran-00004" / name).unlink()
    found = score(folder, models)
    row = found["sites"].set_index("site_id").loc["ran-00004"]
    assert (row["status"], row["tier"], row["code"]) == ("scored", "fallback", "E-STATION-LOAD")
    assert of(found["predictions"], "ran-00004")["model_id"].str.startswith("seasonal: ").all()
    for name in ("ran-00000", "ran-00003", "ran-00006"):
        pd.testing.assert_frame_equal(
            of(found["predictions"], name), of(together["predictions"], name), rtol=1e-12
        )


def test_plans_are_of_tomorrow_and_claimed_only_where_proven(together: dict[str, pd.DataFrame]) -> None:
    sites, plans = together["sites"].set_index("site_id"), together["plans"]
    single = sites[sites["units"] == 1]
    assert set(single["plan_code"]) == {"H-STATIONS"}
    assert single["saving_kwh"].isna().all()
    commanded = sites.index[sites["plan"] == "supported"]
    assert set(plans["site_id"]) == set(commanded)
    assert (sites.loc[sites["plan"] == "hold", "plan_reason"] != "").all()
    if len(plans):
        assert plans["timestamp"].between("2026-01-14T16:00Z", "2026-01-15T15:00Z").all()
        assert (sites.loc[commanded, "saving_kwh"] > 0).all()


# -- which model -----------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Telemetry:
    """A data centre named dc-00000."""
    folder = write_fleet(tmp_path_factory.mktemp("centre"), 1, days=4, data_centre_share=1.0).folder
    return read_paths([folder / "dc-00000"])[0]


def bundle_of(centre: Telemetry, *names: str) -> DataCentreBundle:
    return DataCentreBundle(card_of(centre, {}, (), 0), {name: SiteModels({}) for name in names})


def test_a_data_centre_is_never_scored_by_another_ones_models(centre: Telemetry, tmp_path: Path) -> None:
    save_bundle(bundle_of(centre, "elsewhere"), tmp_path / "one")
    save_bundle(bundle_of(centre, "elsewhere"), tmp_path / "many" / "data-centre")
    for folder in (tmp_path / "one", tmp_path / "many"):
        chosen = choose(list_models(folder), "dc-00000", "", centre)
        assert chosen.bundle is None
        assert chosen.code == "F-MODEL-SITE"
        assert "elsewhere" in chosen.reason


def test_models_are_found_by_site_then_by_kind(centre: Telemetry, tmp_path: Path) -> None:
    save_bundle(bundle_of(centre, "dc-00000", "dc-00001"), tmp_path / "data-centre")
    by_kind = choose(list_models(tmp_path), "dc-00000", "", centre)
    assert (by_kind.known_as, by_kind.code) == ("dc-00000", "")
    # a folder named after the site says that its models are the site's, whatever the export was called
    save_bundle(bundle_of(centre, "telemetry"), tmp_path / "dc-00000")
    assert choose(list_models(tmp_path), "dc-00000", "", centre).known_as == "telemetry"
    assert choose(list_models(tmp_path), "another", "dc-00000", centre).known_as == "telemetry"
    assert choose(list_models(tmp_path), "another", "", centre).known_as == "dc-00000"


def test_models_of_another_kind_or_step_are_left_aside(
    centre: Telemetry, models: Path, tmp_path: Path
) -> None:
    assert choose(list_models(models / "base-station"), "dc-00000", "", centre).code == "F-MODEL-KIND"
    assert choose(list_models(models), "dc-00000", "", centre).code == "F-NO-MODEL"
    save_bundle(bundle_of(centre, "dc-00000"), tmp_path / "m")
    half = Telemetry(
        centre.frame.iloc[::2].reset_index(drop=True), pd.Timedelta(hours=2), "data-centre", centre.zone
    )
    assert choose(list_models(tmp_path / "m"), "dc-00000", "", half).code == "F-MODEL-INTERVAL"


def test_damaged_models_of_many_sites_stop_the_batch(centre: Telemetry, tmp_path: Path) -> None:
    save_bundle(bundle_of(centre, "dc-00000"), tmp_path / "data-centre")
    (tmp_path / "data-centre" / "models.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError, match="E-MODEL-DAMAGED"):
        list_models(tmp_path)
