"""A stranger's machine: a copy of the tree, a clean environment, and the README's first command."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from features.telemetry import Telemetry
    from models.base_station import BaseStationBundle
    from models.bundle import Bundle

# Before anything loads numpy, here and in what the tests start: training works with two threads already, and
# BLAS threads that spin for each other's small systems of equations cost more CPU than all the rest.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = shutil.ignore_patterns(
    ".*", "__pycache__", "venv", "build", "dist", "out", "advisor-demo", "*.egg-info"
)

LONGEST = (
    "test_readme.py",
    "test_base_station_training.py",
    "test_data_centre_training.py",
    "test_app.py",
    "test_base_station_sleep.py",
    "test_batch_store.py",
    "test_base_station_models.py",
    "test_batch_models.py",
)
"""Modules that take most of a minute or more, the longest first."""


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--studies", action="store_true", help="run the tests marked as studies too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the longest modules: at the end one process would work while the other waits."""
    place = {name: at for at, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONGEST)))
    if not config.getoption("--studies"):
        for item in items:
            if item.get_closest_marker("study"):
                item.add_marker(pytest.mark.skip(reason="a study, of which shorter tests remain: --studies"))


@dataclass(frozen=True)
class Stranger:
    """A copy of the tree in another folder, and an environment into which it was installed.

    The environment sees the libraries of the one that runs the tests (a network may be absent), but
    our packages come from what ``pip install .`` put there.
    """

    folder: Path
    venv: Path
    environment: dict[str, str]
    first: subprocess.CompletedProcess[str]

    def bash(self, script: str, timeout: int = 600) -> subprocess.CompletedProcess[str]:
        """Run a script in the copy of the tree."""
        return run_bash(script, self.folder, self.environment, timeout)


def run_bash(
    script: str, folder: Path, environment: dict[str, str], timeout: int = 600
) -> subprocess.CompletedProcess[str]:
    """Run a bash script that stops at its first error."""
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=folder, env=environment, timeout=timeout,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def readme_blocks() -> list[str]:
    """Return the bash blocks of the README, in order."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^```bash\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


@contextmanager
def shared_by_processes(tmp_path_factory: pytest.TempPathFactory, name: str) -> Iterator[Path]:
    """Yield a folder that all test processes share, to one of them at a time."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    base = base / name
    base.mkdir(exist_ok=True)
    with (base / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield base


def trained_once(tmp_path_factory: pytest.TempPathFactory, name: str, train: Callable[[], Bundle]) -> Bundle:
    """Return what `train` fits, fitted once for all test processes; the store keeps every digit of it."""
    from models.bundle import load_bundle, save_bundle

    with shared_by_processes(tmp_path_factory, name) as folder:
        if not (folder / "model").exists():
            save_bundle(train(), folder / "made")
            (folder / "made").rename(folder / "model")
        return load_bundle(folder / "model")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Return a headless browser of the system; one per module: its event loop admits no other."""
    if BROWSER is None:
        pytest.skip("no Chromium or Chrome on this machine")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        yield started.chromium.launch(
            executable_path=BROWSER,
            headless=True,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )


@pytest.fixture(scope="session")
def small_fleet() -> Telemetry:
    """Twelve stations of four days: enough for models that know their law."""
    from tests.base_station_fleet import fleet

    return fleet(stations=12, days=4)


@pytest.fixture(scope="session")
def small_fleet_bundle(small_fleet: Telemetry, tmp_path_factory: pytest.TempPathFactory) -> BaseStationBundle:
    """Their models, for every test that does not ask how they were trained."""
    from models.base_station import BaseStationBundle
    from training.base_station import fit

    bundle = trained_once(tmp_path_factory, "small-fleet", lambda: fit(small_fleet))
    assert isinstance(bundle, BaseStationBundle)
    return bundle


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Stranger:
    """Run the README's first command as a stranger would, once for all test processes."""
    with shared_by_processes(tmp_path_factory, "stranger") as base:
        kept = base / "first.json"
        if not kept.exists():
            environment = make_environment(base / "venv")
            shutil.copytree(ROOT, base / "copy", ignore=LEFT_OUT)
            done = run_bash(readme_blocks()[0], base / "copy", environment)
            kept.write_text(
                json.dumps([environment, done.returncode, done.stdout, done.stderr]), encoding="utf-8"
            )
        environment, *first = json.loads(kept.read_text(encoding="utf-8"))
    return Stranger(
        base / "copy", base / "venv", environment, subprocess.CompletedProcess(readme_blocks()[0], *first)
    )


def make_environment(venv: Path) -> dict[str, str]:
    """Make an empty environment that sees our libraries but not our packages; return its variables."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    packages = next(venv.glob("lib/python*/site-packages"))
    # a plain path line: libraries are found, but .pth files of that folder (editable installs) are not
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    pip = venv / "bin" / "pip"
    pip.write_text(f'#!/bin/sh\nexec "{venv}/bin/python" -m pip "$@"\n', encoding="utf-8")
    pip.chmod(0o755)
    kept = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    return kept | {
        "PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "VIRTUAL_ENV": str(venv),
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip's spelling of "do not isolate the build"
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
