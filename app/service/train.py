"""Train: exports in, a calibrated model directory out."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from app.batch.scheduler import connected
from app.service.facts import findings
from app.service.reading import Exports, read
from app.service.study import open_study
from features.errors import UsageError
from features.issues import DataIssue
from features.message import say
from features.schema import SCHEMA
from models.bundle import Progress, save_bundle
from models.store import ModelCard
from training.fit import fit_bundle


@dataclass(frozen=True)
class TrainOutcome:
    """The card of the saved models and the findings about the exports."""

    directory: Path
    card: ModelCard
    issues: tuple[DataIssue, ...]
    exit_code: int = 0

    def to_dict(self) -> dict[str, object]:
        """Return plain values for ``--json``."""
        return {
            "directory": str(self.directory),
            "model_id": self.card.model_id,
            "card": asdict(self.card),
            "issues": [issue.to_dict() for issue in self.issues],
        }


def check_target(target: str | None) -> None:
    """Refuse a target that is no canonical outcome.

    Raises
    ------
    features.errors.UsageError
        Code E-TARGET.
    """
    if target is not None and (target not in SCHEMA or SCHEMA[target].text):
        outcomes = ", ".join(c.name for c in SCHEMA.values() if c.role == "outcome")
        raise UsageError(
            "E-TARGET",
            say("{target!r} is not a canonical column", target=target),
            "--target",
            say("outcomes are {outcomes}", outcomes=outcomes),
        )


def train(
    exports: Exports,
    *,
    out: Path,
    target: str | None = None,
    trials: int = 0,
    seed: int = 0,
    study: Path | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> TrainOutcome:
    """Fit, calibrate and save every model that the exports allow.

    Parameters
    ----------
    exports : Exports
    out : pathlib.Path
        Model directory.
    target : str or None
        Canonical column to predict; None: all that the exports allow.
    trials : int
        Of the search for hyper-parameters; 0: none.
    seed : int
    study : pathlib.Path or None
        File that keeps the trials, so that a search that was stopped goes on.
    scheduler : str or None
        Address of a Dask scheduler whose workers fit the large models.
    progress : callable or None

    Raises
    ------
    features.errors.UsageError, features.errors.DataError, features.errors.ModelError
    """
    check_target(target)
    telemetry, _ = read(exports)
    with ExitStack() as open_ones:
        bundle = fit_bundle(
            telemetry,
            target=target,
            trials=trials,
            seed=seed,
            storage=open_study(study) if study else None,
            client=open_ones.enter_context(connected(scheduler)) if scheduler else None,
            progress=progress,
        )
    return TrainOutcome(out, save_bundle(bundle, out), findings(telemetry))
