"""What a data file says of a rule on green shares, and of a scheme of certificates."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from advisor.measure import Condition, Confidence, Source, State, Strict, Text

Share = Annotated[float, Field(ge=0, le=1)]


class ShareRule(Strict):
    """A rule that asks for a share of green power.

    Parameters
    ----------
    id : str
        Equal to the file's stem.
    title, title_zh : str
    jurisdiction : str
        ISO 3166 code.
    indicator : {"china_green_share", "ref"}
        How the share is counted; see `advisor.green.account`.
    sense : {">", ">="}
    share : float or None
        The share asked for [1]; None: a weight of the site's province, from the user's table.
    by_province : bool
        Whether it is such a weight.
    conditions : tuple of Condition
        When it applies.
    measures : tuple of str
        Official measures (ids of the catalogue) that state it.
    year : int
    valid_from, valid_to : datetime.date or None
    confidence : {"A", "B", "C"}
    sources : tuple of Source
    notes, notes_zh : str
        What is doubtful.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    title: Text
    title_zh: Text
    jurisdiction: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    indicator: Literal["china_green_share", "ref"]
    sense: Literal[">", ">="]
    share: Share | None = None
    by_province: bool = False
    conditions: tuple[Condition, ...] = ()
    measures: tuple[Text, ...] = ()
    year: Annotated[int, Field(ge=1990, le=2100)]
    valid_from: date | None = None
    valid_to: date | None = None
    confidence: Confidence
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    notes: str = ""
    notes_zh: str = ""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.share is None) != self.by_province:
            raise ValueError("give a share, or by_province = true, and not both")
        if self.valid_from and self.valid_to and self.valid_from > self.valid_to:
            raise ValueError(f"valid_from {self.valid_from} is after valid_to {self.valid_to}")
        return self

    def state(self, on: date) -> State:
        """Return whether the rule is in force on a day."""
        if self.valid_from is not None and on < self.valid_from:
            return "not yet in force"
        if self.valid_to is not None and on > self.valid_to:
            return "last published target"
        return "in force"


class CertificateScheme(Strict):
    """A scheme of certificates: one stands for ``unit_kwh`` [kWh] and counts for ``valid_months``."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    code: Text
    title: Text
    title_zh: Text
    unit_kwh: Annotated[float, Field(gt=0)]
    valid_months: Annotated[int, Field(ge=1)]
    year: int
    confidence: Confidence
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    notes: str = ""
    notes_zh: str = ""

    def valid_to(self, produced: date) -> date:
        """Return the last day on which a certificate counts, from the month of its energy on."""
        months = produced.year * 12 + produced.month - 1 + self.valid_months
        return date(months // 12, months % 12 + 1, 1) - timedelta(days=1)
