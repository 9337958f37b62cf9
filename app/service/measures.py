"""Measures: the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches

from advisor.catalogue import load_measures
from advisor.measure import Measure
from features.errors import UsageError
from features.message import say


@dataclass(frozen=True)
class MeasuresOutcome:
    """Measures and the day on which their state is judged."""

    measures: tuple[Measure, ...]
    on: date
    exit_code: int = 0

    def to_dict(self) -> dict[str, object]:
        """Return plain values for ``--json``."""
        return {
            "on": self.on.isoformat(),
            "measures": [m.model_dump(mode="json") | {"state": m.state(self.on)} for m in self.measures],
        }


def list_measures(measure_id: str | None = None, *, on: date | None = None) -> MeasuresOutcome:
    """Return the whole catalogue, or one measure.

    Raises
    ------
    features.errors.UsageError
        Code E-MEASURE-UNKNOWN.
    features.errors.CatalogueError
        A file of the catalogue is wrong.
    """
    day = on or datetime.now(UTC).date()
    measures = load_measures()
    if measure_id is None:
        return MeasuresOutcome(measures, day)
    chosen = tuple(m for m in measures if m.id == measure_id)
    if not chosen:
        near = ", ".join(get_close_matches(measure_id, [m.id for m in measures], 3)) or "none"
        raise UsageError(
            "E-MEASURE-UNKNOWN",
            say("no measure is called {id!r} (near: {near})", id=measure_id, near=near),
            "",
            say("see: advisor measures"),
        )
    return MeasuresOutcome(chosen, day)
