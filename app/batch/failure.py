"""Why a site was quarantined, and what the tables say of it then."""

from __future__ import annotations

from dataclasses import dataclass

from app.batch.limits import SiteTimeoutError
from app.batch.sites import SiteSource
from app.batch.tables import Row, Tables, empty_tables, table_of
from features.errors import AdvisorError


@dataclass(frozen=True)
class Failure:
    """Why a site was quarantined."""

    code: str
    reason: str
    remedy: str

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Return the failure that an exception stands for."""
        if isinstance(error, AdvisorError):
            where = f" ({error.where})" if error.where else ""
            return cls(error.code, f"{error.what}{where}", str(error.remedy))
        if isinstance(error, MemoryError):
            return cls(
                "E-SITE-MEMORY", "scoring needs more memory than a worker may use", "export less at a time"
            )
        if isinstance(error, SiteTimeoutError):
            return cls("E-SITE-TIMEOUT", str(error), "export less at a time")
        return cls(
            "E-SITE-INTERNAL",
            f"an unforeseen {type(error).__name__}: {error}",
            "this is a fault of the program or of its model: please report it with this site's export",
        )


def _row(source: SiteSource, failure: Failure, version: str) -> Row:
    """Return the row of a site that could not be scored."""
    return {
        "site_id": source.site_id, "name": source.site_id, "status": "quarantined", "code": failure.code,
        "reason": failure.reason, "remedy": failure.remedy, "input_digest": source.digest, "version": version,
    }  # fmt: skip


def quarantined(source: SiteSource, failure: Failure, version: str) -> Tables:
    """Return the tables of a site that could not be scored."""
    return {**empty_tables(), "sites": table_of("sites", [_row(source, failure, version)])}
