"""Findings about data: they travel with the data to the report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

Severity = Literal["info", "warning", "error"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error")


@dataclass(frozen=True)
class DataIssue:
    """One finding.

    Parameters
    ----------
    code : str
        Stable code such as ``D-PUE-BELOW-1``.
    severity : {"info", "warning", "error"}
        ``error``: rows were quarantined or a result is withheld; ``warning``: a result is
        affected; ``info``: recorded so that nobody is surprised.
    place : str
        File, site, column and rows or time span.
    evidence : str
        What was seen, with numbers.
    remedy : str
        What the user can do.
    effect : str
        What it does to the results.
    rows : int
        Rows concerned.
    """

    code: str
    severity: Severity
    place: str
    evidence: str
    remedy: str
    effect: str = ""
    rows: int = 0

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise ValueError(f"severity must be one of {SEVERITIES}, not {self.severity!r}")
        if not (self.code and self.place and self.evidence and self.remedy):
            raise ValueError(f"issue {self.code!r} needs code, place, evidence and remedy")
        if self.rows < 0:
            raise ValueError("rows must not be negative")

    def to_dict(self) -> dict[str, str | int]:
        """Return the fields as a plain dictionary."""
        return asdict(self)


def worst_first(issues: Iterable[DataIssue]) -> tuple[DataIssue, ...]:
    """Return the issues sorted by severity (errors first), otherwise in the given order."""
    return tuple(sorted(issues, key=lambda issue: -SEVERITIES.index(issue.severity)))
