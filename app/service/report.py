"""Report: the report of an advice alone, as one file."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from app.service.advise import advise_exports
from app.service.reading import Exports
from app.writing import make_folder, write_text
from features.errors import UsageError
from features.message import say
from models.bundle import Progress

SUFFIXES = (".html", ".htm")


@dataclass(frozen=True)
class ReportOutcome:
    """The file, and what it says in short."""

    file: Path
    summary: dict[str, object]
    exit_code: int = 0

    def to_dict(self) -> dict[str, object]:
        """Return plain values for ``--json``."""
        return {"file": str(self.file), "summary": self.summary}


def report(
    exports: Exports,
    *,
    model: Path,
    out: Path,
    site_file: Path | None = None,
    start: str | None = None,
    end: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> ReportOutcome:
    """Decide as `advise_exports` does and write only the report.

    Raises
    ------
    features.errors.UsageError
        E-OUT-SUFFIX: the file does not end in ``.html``.
    features.errors.AdvisorError
    """
    if out.suffix.lower() not in SUFFIXES:
        raise UsageError(
            "E-OUT-SUFFIX",
            say("{suffix} is not a known output type", suffix=out.suffix or say("no suffix")),
            str(out),
            say("name a file that ends in .html"),
        )
    with tempfile.TemporaryDirectory() as folder:
        outcome = advise_exports(
            exports, model=model, out=Path(folder), site_file=site_file, start=start, end=end, seed=seed,
            progress=progress,
        )  # fmt: skip
        text = outcome.report.read_text(encoding="utf-8")
    make_folder(out.resolve().parent)
    return ReportOutcome(write_text(out, text), outcome.advice.summary())
