from __future__ import annotations

import sys
from pathlib import Path

import pytest

from app.service import doctor as doctor_module
from app.service.doctor import check_packages, check_versions, doctor


def test_this_installation_is_sound() -> None:
    outcome = doctor()
    assert [(c.name, c.note) for c in outcome.checks if not c.passed] == []
    assert outcome.exit_code == 0


def test_an_intruding_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "intruder").mkdir()
    (tmp_path / "intruder" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(RuntimeError, match="'intruder' comes from"):
        check_packages(("features", "intruder"))
    sys.modules.pop("intruder")


def test_versions_outside_their_bounds_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {"energy-advisor": ["numpy<1", "no-such-thing>=2", "pytest>=1; extra == 'test'"]}
    monkeypatch.setattr(doctor_module, "requires", wanted.get)
    with pytest.raises(RuntimeError, match=r"numpy .* outside <1; no-such-thing is missing"):
        check_versions()


def test_one_broken_check_makes_the_installation_unsound(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> str:
        raise OSError("disk on fire")

    monkeypatch.setattr(doctor_module, "check_store", broken)
    outcome = doctor()
    assert outcome.exit_code == 1
    assert [c.note for c in outcome.checks if not c.passed] == ["OSError: disk on fire"]
