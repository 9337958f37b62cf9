"""Predict: exports and models in, one table of predictions out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
import pyarrow as pa

from app.service.explain import explained_table
from app.service.facts import findings
from app.service.reading import Exports, read
from app.writing import make_folder, stamped, write_csv, write_parquet
from features.errors import UsageError
from features.issues import DataIssue
from features.message import say
from models.bundle import load_bundle

SUFFIXES = (".csv", ".parquet")


@dataclass(frozen=True)
class PredictOutcome:
    """The file, and per quantity how many rows were predicted and how far they may be trusted."""

    file: Path
    task: str
    model_id: str
    quantities: pd.DataFrame
    issues: tuple[DataIssue, ...]
    said: tuple[DataIssue, ...] = ()
    """Those of the issues that came up while predicting."""
    explanations: Path | None = None
    """Table of reasons, where it was asked for."""
    exit_code: int = 0

    def to_dict(self) -> dict[str, object]:
        """Return plain values for ``--json``."""
        return {
            "file": str(self.file),
            "explanations": None if self.explanations is None else str(self.explanations),
            "task": self.task,
            "model_id": self.model_id,
            "quantities": self.quantities.to_dict(orient="records"),
            "issues": [issue.to_dict() for issue in self.issues],
        }


def predict(
    exports: Exports,
    *,
    model: Path,
    out: Path,
    task: Literal["estimate", "forecast"] = "estimate",
    explain_rows: int = 0,
) -> PredictOutcome:
    """Predict every quantity of the models for every row of the exports.

    Parameters
    ----------
    exports : Exports
    model, out : pathlib.Path
        Model directory; file to write. Explanations are written beside it, named ``..._explanations``.
    task : {"estimate", "forecast"}
    explain_rows : int
        Rows per quantity whose reasons are written; 0: none.

    Raises
    ------
    features.errors.UsageError
        The file's suffix is neither ``.csv`` nor ``.parquet``.
    features.errors.DataError, features.errors.ModelError
    """
    if out.suffix.lower() not in SUFFIXES:
        raise UsageError(
            "E-OUT-SUFFIX",
            say("{suffix} is not a known output type", suffix=out.suffix or say("no suffix")),
            str(out),
            say("name a file that ends in .csv or .parquet"),
        )
    bundle = load_bundle(model)
    telemetry, _ = read(exports)
    predictions, said = bundle.predict(telemetry, task)
    table = pd.concat([prediction.to_frame() for prediction in predictions], ignore_index=True)
    make_folder(out.resolve().parent)
    _write(out, table, zone_known=telemetry.zone.known)
    reasons = None
    if explain_rows:
        reasons = out.with_name(f"{out.stem}_explanations{out.suffix}")
        told = explained_table(bundle, telemetry, predictions, task, explain_rows)
        _write(reasons, told, zone_known=telemetry.zone.known)
    return PredictOutcome(
        out, task, bundle.card.model_id, _overview(table), findings(telemetry, *said), tuple(said), reasons
    )


def _write(file: Path, table: pd.DataFrame, *, zone_known: bool) -> None:
    if file.suffix.lower() == ".csv":
        write_csv(file, table, zone_known=zone_known)
    else:
        shown = stamped(table, zone_known=zone_known, as_text=False)
        write_parquet(file, pa.Table.from_pandas(shown, preserve_index=False))


def _overview(table: pd.DataFrame) -> pd.DataFrame:
    groups = table.groupby(["quantity", "unit"], sort=False)
    return groups.agg(
        rows=("point", "size"),
        predicted=("point", "count"),
        in_domain=("in_domain", "mean"),
        coverage=("coverage", "first"),
        mean=("point", "mean"),
    ).reset_index()
