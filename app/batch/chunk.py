"""Sites that are scored and kept together."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date

from app.batch.model_folder import ModelFolder
from app.batch.sites import SiteSource
from app.batch.tables import Tables


@dataclass(frozen=True)
class Chunk:
    """Sites that are scored and kept together; picklable.

    Parameters
    ----------
    as_of : datetime.date
    sites : tuple of SiteSource
    models : ModelFolder
    versions : dict
        Package -> version, as in `models.store.package_versions`.
    seconds : float
        Wall-clock limit per site [s].
    """

    as_of: date
    sites: tuple[SiteSource, ...]
    models: ModelFolder
    versions: dict[str, str]
    seconds: float = 60.0

    @property
    def version(self) -> str:
        """Version of this program."""
        return self.versions["energy-advisor"]

    @property
    def key(self) -> str:
        """Hash of everything that the chunk's rows depend on: equal keys mean equal rows."""
        parts = [
            self.as_of.isoformat(), [[s.site_id, s.digest, s.problem] for s in self.sites],
            sorted(self.models.cards.items()), sorted(self.versions.items()),
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def score_chunk(chunk: Chunk) -> Tables:
    """Score every site of a chunk: what workers run.

    The models and all that scoring needs are imported here, by the worker; whoever only hands out chunks
    does without.
    """
    from app.batch.scoring import score_sites  # noqa: PLC0415

    return score_sites(chunk)
