"""Backtest: errors on withheld time and withheld sites, beside the baselines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.service.facts import findings
from app.service.reading import Exports, read
from app.service.train import check_target
from app.writing import make_folder, write_csv, write_json
from features.issues import DataIssue
from models.bundle import Progress
from training.backtest import backtest
from training.result import Backtest


@dataclass(frozen=True)
class BacktestOutcome:
    """The backtest, the findings about the exports and the files written."""

    backtest: Backtest
    issues: tuple[DataIssue, ...]
    written: tuple[Path, ...] = ()
    exit_code: int = 0

    def to_dict(self) -> dict[str, object]:
        """Return plain values for ``--json``."""
        return {
            "table": self.backtest.table.to_dict(orient="records"),
            "notes": list(self.backtest.notes),
            "domain": [] if self.backtest.domain is None else self.backtest.domain.to_dict(orient="records"),
            "seconds": self.backtest.seconds,
            "provenance": self.backtest.provenance,
            "issues": [issue.to_dict() for issue in self.issues],
            "written": [str(path) for path in self.written],
        }


def backtest_exports(
    exports: Exports,
    *,
    out: Path | None = None,
    target: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> BacktestOutcome:
    """Judge the models on data that they did not see.

    Raises
    ------
    features.errors.UsageError, features.errors.DataError
    """
    check_target(target)
    telemetry, _ = read(exports)
    judged = backtest(telemetry, target=target, seed=seed, progress=progress)
    outcome = BacktestOutcome(judged, findings(telemetry))
    if out is None:
        return outcome
    make_folder(out)
    written = [
        write_csv(out / "backtest.csv", judged.table),
        write_json(out / "backtest.json", outcome.to_dict()),
    ]
    if judged.domain is not None:
        written.append(write_csv(out / "domain.csv", judged.domain))
    return BacktestOutcome(judged, outcome.issues, tuple(written))
