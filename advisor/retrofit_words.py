"""What is said of one retrofit at one site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from advisor.plan import Interval, Saving
from advisor.retrofit_entry import Retrofit

RetrofitVerdict = Literal["indicative", "not worthwhile here", "already there", "not assessed"]
"""Never "supported": an export cannot prove what is not built."""


@dataclass(frozen=True)
class Assessed:
    """One retrofit at one site.

    Parameters
    ----------
    retrofit : Retrofit
    verdict : {"indicative", "not worthwhile here", "already there", "not assessed"}
    measures : tuple of str
        Ids of the official measures that it answers.
    reasons : tuple of str
        How it saves here, or why it is not assessed.
    evidence : tuple of str
        Which data identified it.
    to_measure : tuple of str
        What would have to be exported to assess it, or to assess more of it.
    saving : Saving or None
        Alone, against the set-points in force; ranges of the parameters and doubt of the models.
    pue_before, pue_after : float or None
        Over the same hours [1].
    water_m3 : Interval or None
        More make-up water over the hours [m3]; negative: less. None: unknown.
    hours, working_hours : float or None
        Hours judged, and hours in which the retrofit works at the points of its parameters [h].
    investment : float or None
        As declared [currency].
    payback_years : float or None
        At the points [a].
    payback_range_years : Interval or None
        None where the lower end of the saving repays nothing.
    """

    retrofit: Retrofit
    verdict: RetrofitVerdict
    measures: tuple[str, ...]
    reasons: tuple[str, ...]
    evidence: tuple[str, ...] = ()
    to_measure: tuple[str, ...] = ()
    saving: Saving | None = None
    pue_before: float | None = None
    pue_after: float | None = None
    water_m3: Interval | None = None
    hours: float | None = None
    working_hours: float | None = None
    investment: float | None = None
    payback_years: float | None = None
    payback_range_years: Interval | None = None

    def to_dict(self) -> dict[str, object]:
        """Return the entry of ``summary.json``."""
        spans = {"water_m3": self.water_m3, "payback_range_years": self.payback_range_years}
        return {
            "id": self.retrofit.id,
            "title": self.retrofit.title,
            "verdict": self.verdict,
            "measures": list(self.measures),
            "saving": None if self.saving is None else self.saving.to_dict(),
            "pue_before": self.pue_before,
            "pue_after": self.pue_after,
            **{name: None if span is None else span.to_dict() for name, span in spans.items()},
            "hours": self.hours,
            "working_hours": self.working_hours,
            "investment": self.investment,
            "payback_years": self.payback_years,
            "reasons": [str(r) for r in self.reasons],
            "evidence": [str(e) for e in self.evidence],
            "to_measure": [str(t) for t in self.to_measure],
            "preconditions": list(self.retrofit.preconditions),
            "parameters": {
                name: {"range": list(p.range), "unit": p.unit, "source": p.source, "confidence": p.confidence}
                for name, p in self.retrofit.parameters.items()
            },
        }
