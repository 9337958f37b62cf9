"""The frame of the project: layers, layout, and what the lock file must hold."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("features", "models", "training", "advisor", "app", "sample_data")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_import_order_is_kept() -> None:
    command = [
        sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()",
        "--no-cache",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_no_module_in_app_shadows_a_package() -> None:
    names = {path.stem for path in (ROOT / "app").iterdir()}
    assert not names & set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_is_typed_and_has_an_init(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
    folders = {path.parent for path in (ROOT / package).rglob("*.py")}
    assert [str(f) for f in folders if not (f / "__init__.py").is_file()] == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [
        str(p) for p in SOURCES if p.stem in {"utils", "util", "common", "helpers", "manager", "misc"}
    ] == []


def imported(path: Path) -> set[str]:
    """Return the names of the modules that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module))
    return names


def test_nothing_is_pickled() -> None:
    assert [str(p) for p in SOURCES if imported(p) & {"pickle", "joblib", "cloudpickle", "dill"}] == []


def locked() -> dict[str, list[str]]:
    """Return the pinned versions by name (a universal lock may hold several, by marker)."""
    pins: dict[str, list[str]] = {}
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if found := re.match(r"([a-z0-9._-]+)==([^ ;\\]+)", line):
            pins.setdefault(found[1], []).append(found[2])
    return pins


def test_lock_pins_every_dependency_within_its_bounds() -> None:
    project = PYPROJECT["project"]
    wanted = [Requirement(r) for r in (*project["dependencies"], *project["optional-dependencies"]["test"])]
    pins = locked()
    assert [r.name for r in wanted if r.name.lower() not in pins] == []
    assert [str(r) for r in wanted for v in pins[r.name.lower()] if not r.specifier.contains(v)] == []


def test_lock_has_hashes_and_names_no_host() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert text.count("==") <= text.count("--hash=sha256:")
    assert not re.search(r"https?:|index-url|find-links|@ ", text)
