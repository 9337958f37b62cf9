"""An official measure: what it asks, whom it concerns, and whether a site meets it."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from features.message import Message, say, term
from features.schema import SCHEMA, Kind

Confidence = Literal["A", "B", "C"]
Sense = Literal["<", "<=", ">", ">=", "=="]
Force = Literal["mandatory", "target", "eligibility", "price", "reporting", "voluntary", "metric"]
State = Literal["in force", "last published target", "not yet in force"]
Verdict = Literal["met", "not met", "cannot be judged", "does not apply"]
Fact = float | bool | str | None
Text = Annotated[str, Field(min_length=1)]

ACTIONS: dict[str, str] = {
    "ai_control": "predictive or learned control of cooling or radio",
    "backup_battery": "second-life batteries as backup",
    "carbon_account": "measure, account and disclose carbon",
    "consolidation": "serve the work with fewer servers, switch the rest off",
    "demand_response": "lower or shift load when the grid asks",
    "direct_connection": "dedicated line to a renewable plant",
    "efficient_cooling": "evaporative, heat-pipe, fluorine-pump or other efficient cooling",
    "efficient_power_chain": "efficient power distribution and UPS",
    "green_purchase": "buy green power or certificates",
    "liquid_cooling": "cold-plate or immersion cooling",
    "load_shift": "move flexible work to other hours or sites",
    "low_power_chips": "servers or radio units that do the work with less power",
    "microgrid": "photovoltaics, wind and storage behind the meter",
    "onsite_pv": "photovoltaics on site",
    "reporting": "measure and report",
    "retrofit": "rebuild an existing plant for lower energy",
    "set_point": "move set-points within the limits",
    "site_sharing": "share or co-build base-station sites",
    "sleep": "let cells sleep at low traffic",
    "storage": "battery or thermal storage",
    "waste_heat": "use waste heat",
}
"""Action words a measure may be answered by, besides canonical lever names."""

# fmt: off
EU_MEMBERS = frozenset((
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU",
    "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
))
# fmt: on

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Strict(BaseModel):
    """Frozen; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Source(Strict):
    """Where a figure was read.

    ``read`` is False for an issuer's own address that is cited by the texts read but was not opened.
    """

    title: Text
    url: Text
    accessed: date
    read: bool = True


class Condition(Strict):
    """When a measure applies: ``fact sense value``, for example ``standard_racks > 100``."""

    fact: Text
    sense: Sense = "=="
    value: bool | float | str

    def holds(self, fact: Fact) -> bool | None:
        """Return whether the condition holds; None where the fact is unknown."""
        if fact is None:
            return None
        if self.sense == "==":
            return fact == self.value
        if isinstance(fact, str) or isinstance(self.value, str):
            raise TypeError(f"{self.fact!r} is compared with {self.sense}: it must be a number, not text")
        return _COMPARE[self.sense](float(fact), float(self.value))

    def __str__(self) -> str:
        return self.said()

    def said(self) -> Message:
        """Return the condition in words."""
        value: str = term(self.value) if isinstance(self.value, str) else f"{self.value:g}"
        if isinstance(self.value, bool):
            value = term(str(self.value).lower())
        if self.sense == "==":
            return say("{fact} is {value}", fact=term(self.fact), value=value)
        return say("{fact} {sense} {value}", fact=term(self.fact), sense=term(self.sense), value=value)


class Measure(Strict):
    """One official measure, standard or published reference.

    Parameters
    ----------
    id : str
        Equal to the file's stem.
    title, title_zh, issuer, issuer_zh, document, document_zh, jurisdiction : str
        ``..._zh`` are the same in Chinese. ``jurisdiction`` is an ISO 3166 code, ``EU`` or ``INT``.
    applies_to : tuple of {"data-centre", "base-station"}
    force : str
        What kind of measure it is: ``mandatory``, ``target``, ``eligibility``, ``price``,
        ``reporting``, ``voluntary`` or ``metric``.
    requirement, requirement_zh : str
        One sentence in our own words.
    kpi, sense, threshold : str, str, float, or None
        The number that the source states, ``kpi sense threshold`` [unit of the KPI; ratios 1];
        all three or none.
    conditions : tuple of Condition
    levers : tuple of str
        Canonical levers that answer it.
    actions : tuple of str
        Words of `ACTIONS` that answer it.
    year : int
        Year of issue.
    valid_from, valid_to : datetime.date or None
        In force from, and last day of the target; None where the sources do not say.
    confidence : {"A", "B", "C"}
        A: read in a text that reproduces the official one; B: one secondary source; C: recalled.
    sources : tuple of Source
    notes, notes_zh : str
        What is doubtful.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    title: Text
    title_zh: Text
    issuer: Text
    issuer_zh: str = ""
    document: Text
    document_zh: str = ""
    jurisdiction: Annotated[str, Field(pattern=r"^([A-Z]{2}|INT)$")]
    applies_to: Annotated[tuple[Kind, ...], Field(min_length=1)]
    force: Force
    requirement: Text
    requirement_zh: str = ""
    kpi: str | None = None
    sense: Literal["<", "<=", ">", ">="] | None = None
    threshold: float | None = None
    conditions: tuple[Condition, ...] = ()
    levers: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    year: Annotated[int, Field(ge=1990, le=2100)]
    valid_from: date | None = None
    valid_to: date | None = None
    confidence: Confidence
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    notes: str = ""
    notes_zh: str = ""

    @field_validator("levers")
    @classmethod
    def _levers(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in SCHEMA or SCHEMA[name].role != "lever":
                raise ValueError(f"{name!r} is not a canonical lever")
        return names

    @field_validator("actions")
    @classmethod
    def _actions(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in ACTIONS:
                raise ValueError(f"{name!r} is not an action; actions are {', '.join(ACTIONS)}")
        return names

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if len({self.kpi is None, self.sense is None, self.threshold is None}) != 1:
            raise ValueError("kpi, sense and threshold belong together: give all three or none")
        if self.valid_from and self.valid_to and self.valid_from > self.valid_to:
            raise ValueError(f"valid_from {self.valid_from} is after valid_to {self.valid_to}")
        if not (self.levers or self.actions):
            raise ValueError("a measure needs at least one lever or action that answers it")
        return self

    def concerns(self, country: str) -> bool:
        """Return whether the measure holds in a country (ISO 3166 code); ``INT`` holds everywhere."""
        return self.jurisdiction in ("INT", country) or (self.jurisdiction == "EU" and country in EU_MEMBERS)

    def state(self, on: date) -> State:
        """Return whether the measure is in force on a day."""
        if self.valid_from is not None and on < self.valid_from:
            return "not yet in force"
        if self.valid_to is not None and on > self.valid_to:
            return "last published target"
        return "in force"


@dataclass(frozen=True)
class Judgement:
    """A verdict and the reason for it, one sentence."""

    verdict: Verdict
    reason: str


def judge(measure: Measure, facts: Mapping[str, Fact], *, on: date | None = None) -> Judgement:
    """Judge a site by a measure.

    Parameters
    ----------
    measure : Measure
    facts : mapping
        What is known: KPIs by name (``pue``, ``green_share`` [1], ...), conditions (``new_build``,
        ``hub_node``, ``standard_racks``, ``region``, ...), ``kind`` and ``country`` (ISO 3166 code).
        None or absent is unknown.
    on : datetime.date or None
        Day of the judgement; named in the reason where the target's day has passed.

    Returns
    -------
    Judgement
        ``does not apply`` where a condition is known to fail, ``cannot be judged`` where a needed
        fact is unknown or the source states no number, otherwise ``met`` or ``not met``.
    """
    outside = _does_not_apply(measure, facts, on)
    if outside:
        return Judgement("does not apply", outside)
    unknown = [c.said() for c in measure.conditions if c.holds(facts.get(c.fact)) is None]
    if unknown:
        reason = say("unknown whether {conditions}", conditions=Message.joined(" and ", unknown))
        return Judgement("cannot be judged", reason)
    if measure.kpi is None or measure.sense is None or measure.threshold is None:
        return Judgement("cannot be judged", say("the source states no number"))
    value = facts.get(measure.kpi)
    if value is None:
        return Judgement("cannot be judged", say("{kpi} is unknown", kpi=term(measure.kpi)))
    if isinstance(value, str) or math.isnan(value):
        raise ValueError(f"{measure.kpi} must be a number or None, not {value!r}")
    met = _COMPARE[measure.sense](float(value), measure.threshold)
    reason = say(
        "{kpi} is {value:.4g}, required {sense} {threshold:g}",
        kpi=term(measure.kpi),
        value=float(value),
        sense=term(measure.sense),
        threshold=measure.threshold,
    )
    if on is not None and measure.state(on) == "last published target":
        reason = say("{reason} (last published target, valid to {day})", reason=reason, day=measure.valid_to)
    return Judgement("met" if met else "not met", reason)


def _does_not_apply(measure: Measure, facts: Mapping[str, Fact], on: date | None) -> str:
    """Return why a measure does not concern a site; empty where nothing known speaks against it."""
    kind, country = facts.get("kind"), facts.get("country")
    if kind is not None and kind not in measure.applies_to:
        kinds = Message.joined(" and ", map(term, measure.applies_to))
        return say("it concerns {kinds}, not {kind}", kinds=kinds, kind=term(str(kind)))
    if isinstance(country, str) and not measure.concerns(country):
        return say(
            "it holds in {where}, not in {country}", where=term(measure.jurisdiction), country=term(country)
        )
    if on is not None and measure.state(on) == "not yet in force":
        return say("in force from {day}", day=measure.valid_from)
    failed = [c.said() for c in measure.conditions if c.holds(facts.get(c.fact)) is False]
    if not failed:
        return ""
    return say("it applies only where {conditions}", conditions=Message.joined(" and ", failed))
