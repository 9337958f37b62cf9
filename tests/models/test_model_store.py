"""The model store: what is saved comes back, and nothing damaged gets through."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import models.data_centre
from features.errors import ModelError
from models.bundle import load_bundle
from models.store import CARD, ModelCard, load, save, seal

FILES = {
    "models.json": '{"s": {"quantities": {}, "what_if": null}}',
    "s0-trees.txt": "tree\nversion=v4\n数据\n",
}
CARD_OF = ModelCard(
    kind="data-centre", data_start="2025-01-01T00:00:00+00:00", data_end="2026-01-01T00:00:00+00:00",
    data_hash="ab" * 32, sites=("s",), interval_s=3600.0, zone="+08:00", seed=0,
    versions={"numpy": "2"}, quantities={"pue-estimate": {"coverage_nominal": 0.9}}, notes=("a note",),
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(tmp_path / "m", CARD_OF, FILES)
    return tmp_path / "m"


def test_round_trip(folder: Path) -> None:
    card, files = load(folder)
    assert files == FILES
    assert replace(card, files={}, model_id="") == CARD_OF
    assert card.model_id.startswith("data-centre-")


def test_same_content_same_id_and_other_content_another() -> None:
    first = seal(CARD_OF, FILES).model_id
    assert seal(CARD_OF, dict(reversed(FILES.items()))).model_id == first
    assert seal(replace(CARD_OF, seed=1), FILES).model_id != first
    assert seal(CARD_OF, FILES | {"models.json": "{}"}).model_id != first


@pytest.mark.parametrize("name", list(FILES))
@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "append", "missing", "folder"])
def test_damaged_file(folder: Path, name: str, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        models.data_centre.DataCentreBundle, "from_files", lambda *_: pytest.fail("reached a parser")
    )
    path = folder / name
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
    changed = {"flip": data, "truncate": data[:-1], "empty": b"", "append": data + b"\n"}
    if damage in changed:
        path.write_bytes(changed[damage])
    else:
        path.unlink()
        if damage == "folder":
            path.mkdir()
    with pytest.raises(ModelError, match="E-MODEL-DAMAGED"):
        load_bundle(folder)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "5", '"ab"', "null", "{}", '{"files": null}', "\x00\x01", '{"kind": "data-centre"}'],
)
def test_card_that_is_no_card(folder: Path, content: str) -> None:
    (folder / CARD).write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match="E-MODEL-CARD"):
        load(folder)


def test_card_that_is_no_text(folder: Path) -> None:
    (folder / CARD).write_bytes(b"\xff\xfe\x80")
    with pytest.raises(ModelError, match="E-MODEL-CARD"):
        load(folder)


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("seed", 1, "E-MODEL-DAMAGED"), ("kind", "base-station", "E-MODEL-DAMAGED"),
        ("quantities", {}, "E-MODEL-DAMAGED"), ("data_hash", "", "E-MODEL-DAMAGED"),
        ("model_id", "data-centre-000000000000", "E-MODEL-DAMAGED"), ("files", {}, "E-MODEL-DAMAGED"),
        ("files", {"../m/models.json": "0"}, "E-MODEL-DAMAGED"), ("files", ["models.json"], "E-MODEL-CARD"),
        ("format", 99, "E-MODEL-FORMAT"), ("sites", 3, "E-MODEL-CARD"), ("unknown", 1, "E-MODEL-CARD"),
    ],
)  # fmt: skip
def test_edited_card(folder: Path, key: str, value: object, code: str) -> None:
    raw = json.loads((folder / CARD).read_text(encoding="utf-8"))
    (folder / CARD).write_text(json.dumps(raw | {key: value}), encoding="utf-8")
    with pytest.raises(ModelError, match=code):
        load(folder)


def test_a_file_swapped_with_its_checksum_is_noticed(folder: Path) -> None:
    """Whoever changes a file and its checksum in the card still fails on the id."""
    other = seal(CARD_OF, FILES | {"models.json": "{}"})
    raw = json.loads((folder / CARD).read_text(encoding="utf-8"))
    (folder / "models.json").write_text("{}", encoding="utf-8")
    (folder / CARD).write_text(json.dumps(raw | {"files": other.files}), encoding="utf-8")
    with pytest.raises(ModelError, match="E-MODEL-DAMAGED"):
        load(folder)


def test_no_model(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path, tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(ModelError, match="E-MODEL-MISSING"):
            load(place)


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("ten years of work", encoding="utf-8")
    with pytest.raises(ModelError, match="E-MODEL-DIR"):
        save(tmp_path, CARD_OF, FILES)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_newer_model_replaces_the_older_and_its_files_only(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    save(folder, replace(CARD_OF, seed=5), {"models.json": "{}"})
    assert sorted(p.name for p in folder.glob("[!.]*")) == [CARD, "models.json", "notes.txt"]
    assert load(folder)[0].seed == 5


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="E-MODEL-WRITE"):
        save(tmp_path / "file" / "m", CARD_OF, FILES)
