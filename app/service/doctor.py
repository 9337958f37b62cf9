"""Doctor: whether this installation is sound."""

from __future__ import annotations

import importlib
import json
import platform
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

DISTRIBUTION = "energy-advisor"
PACKAGES = ("features", "models", "training", "advisor", "app", "sample_data")


@dataclass(frozen=True)
class DoctorCheck:
    """One thing that was looked at, whether it is sound, and what was seen."""

    name: str
    passed: bool
    note: str


@dataclass(frozen=True)
class DoctorOutcome:
    """Every check; the installation is sound where all passed."""

    checks: tuple[DoctorCheck, ...]

    @property
    def sound(self) -> bool:
        """Whether all checks passed."""
        return all(check.passed for check in self.checks)

    @property
    def exit_code(self) -> int:
        """0 sound, 1 not."""
        return 0 if self.sound else 1

    def to_dict(self) -> dict[str, object]:
        """Return plain values for ``--json``."""
        return {"sound": self.sound, "checks": [asdict(check) for check in self.checks]}


def doctor() -> DoctorOutcome:
    """Look at packages, versions, catalogue, and a model's way to disk and back."""
    return DoctorOutcome(
        tuple(
            _look(name, check)
            for name, check in (
                ("packages", check_packages),
                ("versions", check_versions),
                ("measures", check_measures),
                ("model store", check_store),
            )
        )
    )


def _look(name: str, check: Callable[[], str]) -> DoctorCheck:
    try:
        return DoctorCheck(name, True, check())
    except Exception as error:  # whatever is broken, the doctor goes on and says it
        return DoctorCheck(name, False, f"{type(error).__name__}: {error}")


def check_packages(names: tuple[str, ...] = PACKAGES) -> str:
    """Return where our packages lie.

    Raises
    ------
    RuntimeError
        A package of that name comes from elsewhere: somebody else's, which shadows ours.
    """
    ours = Path(__file__).resolve().parents[2]
    for name in names:
        file = importlib.import_module(name).__file__
        found = Path(file).resolve().parents[1] if file else None
        if found != ours:
            raise RuntimeError(
                f"the package {name!r} comes from {found or 'nowhere'}, not from {ours}; install "
                f"{DISTRIBUTION} in a virtual environment of its own"
            )
    return f"all {len(names)} packages lie in {ours}"


def check_versions() -> str:
    """Return the versions in use.

    Raises
    ------
    RuntimeError
        A dependency is missing or outside the bounds that we were tested with.
    """
    wrong = []
    wanted = [Requirement(line) for line in requires(DISTRIBUTION) or ()]
    wanted = [r for r in wanted if r.marker is None or r.marker.evaluate({"extra": ""})]
    for requirement in wanted:
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing (needs {requirement.specifier})")
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            wrong.append(f"{requirement.name} {found} is outside {requirement.specifier}")
    if wrong:
        raise RuntimeError("; ".join(wrong))
    return (
        f"{DISTRIBUTION} {version(DISTRIBUTION)}, Python {platform.python_version()}, "
        f"{len(wanted)} dependencies within their bounds"
    )


def check_measures() -> str:
    """Return how many measures the catalogue holds.

    Raises
    ------
    RuntimeError
        The catalogue is empty: data files are missing from the installation.
    features.errors.CatalogueError
        A file is wrong.
    """
    from advisor.catalogue import load_measures  # noqa: PLC0415 - a broken import is a finding

    measures = load_measures()
    if not measures:
        raise RuntimeError("the catalogue of measures is empty; install again")
    return f"{len(measures)} measures load"


def check_store() -> str:
    """Return how a small model went to disk and back.

    Raises
    ------
    RuntimeError
        It predicts otherwise after that.
    features.errors.ModelError
        The model store refuses.
    """
    import numpy as np  # noqa: PLC0415 - a broken import is a finding
    import pandas as pd  # noqa: PLC0415

    from features.frame import FeatureFrame  # noqa: PLC0415
    from models.gbm import Gbm, GbmParameters  # noqa: PLC0415
    from models.store import ModelCard, load, package_versions, save  # noqa: PLC0415

    stamps = pd.date_range("2026-01-01", periods=120, freq="h", tz="UTC")
    load_kw = np.linspace(10.0, 20.0, len(stamps))
    frame = FeatureFrame(
        keys=pd.DataFrame({"site_id": "doctor", "unit_id": "", "timestamp": stamps}),
        X=pd.DataFrame({"it_power_kw": load_kw}),
        quantity="facility_power_kw",
        y=pd.Series(1.4 * load_kw),
    )
    fitted = Gbm(parameters=GbmParameters(rounds=5, threads=1)).fit(frame)
    about, text = fitted.to_files()
    card = ModelCard(
        kind="data-centre", data_start=stamps[0].isoformat(), data_end=stamps[-1].isoformat(), data_hash="",
        sites=("doctor",), interval_s=3600.0, zone="UTC", seed=0, versions=package_versions(), quantities={},
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder), card, {"model.json": json.dumps(about), "model.txt": text})
        _, files = load(Path(folder))
    back = Gbm.from_files(json.loads(files["model.json"]), files["model.txt"])
    if not np.array_equal(back.predict(frame), fitted.predict(frame)):
        raise RuntimeError("a model predicts otherwise after saving and loading")
    return "a small model was fitted, saved, checked, loaded, and predicts the same"
