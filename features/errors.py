"""The one tree of errors.

::

    AdvisorError                     what happened, where, what to do; a stable code
    ├── UsageError        (exit 2)   the call or a configuration file is wrong
    │   ├── SiteFileError            site.toml, portfolio.toml
    │   ├── MappingFileError         mapping.toml
    │   └── CatalogueError           a shipped or user data file (measures, limits) is wrong
    ├── DataError         (exit 3)   the data cannot be used
    │   ├── UnreadableFileError      type, encoding, damaged, empty
    │   ├── UnrecognisedError        no time column, missing columns
    │   ├── QuestionError            a doubt that changes numbers by a unit factor
    │   └── InsufficientDataError    too little, or without variation
    ├── ModelError        (exit 2)   model directory missing, damaged, of another schema
    ├── PlanError         (exit 1)   a plan broke a limit: the verifier refused it
    └── StoppedError      (exit 1)   the user stopped the work

Codes are stable: tests and users' scripts may rely on them.
"""

from __future__ import annotations


class AdvisorError(Exception):
    """Base of every error a user may see.

    Parameters
    ----------
    code : str
        Stable code such as ``E-FILE-EMPTY``.
    what : str
        What happened.
    where : str
        File, row, column or argument.
    remedy : str
        What the user can do about it.
    """

    exit_code = 1

    def __init__(self, code: str, what: str, where: str = "", remedy: str = "") -> None:
        super().__init__(code, what, where, remedy)
        self.code = code
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        parts = [f"{self.code}: {self.what}"]
        if self.where:
            parts.append(f"Where: {self.where}")
        if self.remedy:
            parts.append(f"What to do: {self.remedy}")
        return "\n  ".join(parts)

    def to_dict(self) -> dict[str, str]:
        """Return code, what, where and remedy as plain strings."""
        return {"code": self.code, "what": self.what, "where": self.where, "remedy": self.remedy}


class UsageError(AdvisorError, ValueError):
    """The call or a configuration file is wrong."""

    exit_code = 2


class SiteFileError(UsageError):
    """A site.toml or portfolio.toml is wrong."""


class MappingFileError(UsageError):
    """A mapping.toml is wrong."""


class CatalogueError(UsageError):
    """A data file of measures, limits or factors is wrong."""


class DataError(AdvisorError, ValueError):
    """The data cannot be used."""

    exit_code = 3


class UnreadableFileError(DataError):
    """A file is missing, empty, damaged, or of an unknown type or encoding."""


class UnrecognisedError(DataError):
    """A file has no time column or lacks columns that it needs."""


class QuestionError(DataError):
    """A doubt that would change numbers by a unit factor; the user must answer."""


class InsufficientDataError(DataError):
    """Too little data, or data without the variation that the task needs."""


class ModelError(AdvisorError):
    """A model directory is missing, damaged or does not fit the data."""

    exit_code = 2


class PlanError(AdvisorError):
    """A plan broke a limit and was refused by the verifier."""


class StoppedError(AdvisorError):
    """The user stopped the work."""
