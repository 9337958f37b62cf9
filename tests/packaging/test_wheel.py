"""What a user installs: everything in the wheel, and it runs from another folder."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("features", "models", "training", "advisor", "app", "sample_data")


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of the files in a wheel that was built from this tree."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = out.glob("energy_advisor-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.parametrize("package", PACKAGES)
def test_the_wheel_holds_every_file_of_the_package(package: str, held: set[str]) -> None:
    files = {
        str(path.relative_to(ROOT))
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }
    assert files - held == set()
    assert f"{package}/py.typed" in held


def test_the_wheel_holds_data_and_template(held: set[str]) -> None:
    assert "app/report/report.html.jinja" in held
    assert any(name.startswith("advisor/measures/") and name.endswith(".toml") for name in held)
    assert any(name.startswith("advisor/limits/") and name.endswith(".toml") for name in held)
    assert any(name.startswith("advisor/retrofits/") and name.endswith(".toml") for name in held)


def test_the_wheel_holds_nothing_else(held: set[str]) -> None:
    tops = {name.split("/")[0] for name in held}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_the_packages_of_a_stranger_come_from_the_wheel(stranger) -> None:
    assert stranger.first.returncode == 0, stranger.first.stdout + stranger.first.stderr
    done = stranger.bash("cd / && advisor doctor --json")
    assert done.returncode == 0, done.stdout + done.stderr
    notes = {check["name"]: check["note"] for check in json.loads(done.stdout)["checks"]}
    assert str(stranger.venv) in notes["packages"]
