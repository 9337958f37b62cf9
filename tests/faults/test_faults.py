"""Every faulty export is answered with a code of ours, loses no row, and writes nothing.

The cases that take gigabytes, and reading as an upload is read (in a worker with limits), are run by
``python -m tests.faults``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.cases import CASES
from tests.faults.run import classes, run


@pytest.mark.parametrize("case", [c for c in CASES if not c.heavy], ids=lambda c: f"{c.number}-{c.name}")
def test_fault_is_answered(case: object, tmp_path: Path) -> None:
    outcome = run(case, tmp_path, isolated=False)  # type: ignore[arg-type]
    assert outcome.caught, outcome


def test_every_class_has_two_cases() -> None:
    for name in classes():
        assert sum(c.number == name for c in CASES) >= 2, name


@pytest.mark.parametrize("name", ["billion_laughs", "sheet_with_two_cells_in_opposite_corners"])
def test_a_worker_answers_the_same(name: str, tmp_path: Path) -> None:
    case = next(c for c in CASES if c.name == name)
    assert run(case, tmp_path, isolated=True).caught
