"""A retrofit as the catalogue describes it: which mechanism, with which physical parameters.

No saving figure stands here: what a retrofit saves is worked out from the site's own operation
(`advisor.retrofit`). A parameter is a range of what such equipment does.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from advisor.measure import ACTIONS, Confidence, Strict, Text

Mechanism = Literal["evaporative-direct", "evaporative-indirect", "water-economiser", "containment", "in-row",
                    "control"]  # fmt: skip
Side = Literal["worst", "point", "best"]
"""Which value of its range every parameter takes: the one that saves least, its point, or most."""

PARAMETERS: dict[Mechanism, dict[str, str]] = {
    "evaporative-direct": {
        "effectiveness": "1", "pressure_drop_pa": "Pa", "fan_efficiency": "1", "cycles_of_concentration": "1",
    },
    "evaporative-indirect": {
        "effectiveness": "1", "pressure_drop_pa": "Pa", "fan_efficiency": "1", "cycles_of_concentration": "1",
    },
    "water-economiser": {
        "tower_approach_k": "K", "exchanger_approach_k": "K", "exchanger_drop_kpa": "kPa",
        "pump_efficiency": "1", "tower_fan_kw_per_kw": "kW/kW", "tower_fan_speed": "1",
        "chilled_water_range_k": "K",
    },
    "containment": {"recirculation_after": "1", "air_rise_k": "K", "airflow_reduction": "1"},
    "in-row": {"recirculation_after": "1", "air_rise_k": "K", "fan_kw_per_kw": "kW/kW"},
    "control": {},
}  # fmt: skip
"""Mechanism -> its parameters and their units; a file gives exactly these."""


class Parameter(Strict):
    """A physical parameter of a retrofit.

    Parameters
    ----------
    range : tuple of float
        Lower, point and upper value [unit].
    unit : str
    better : {"lower", "upper"}
        The end of the range that saves more.
    source, url : str
        Where the range was read; ``url`` is empty only where it was recalled.
    year : int
        Of the source.
    confidence : {"A", "B", "C"}
        As `advisor.measure.Measure`.
    """

    range: tuple[float, float, float]
    unit: Text
    better: Literal["lower", "upper"]
    source: Text
    url: str = ""
    year: Annotated[int, Field(ge=1950, le=2100)]
    accessed: date | None = None
    confidence: Confidence

    @model_validator(mode="after")
    def _sound(self) -> Self:
        lower, point, upper = self.range
        if not 0 <= lower <= point <= upper:
            raise ValueError(f"0 <= lower <= point <= upper does not hold: {self.range}")
        if self.unit == "1" and upper > 1 and lower <= 1:
            raise ValueError(f"a ratio crosses 1: {self.range}")
        if self.confidence != "C" and not (self.url.startswith("https://") and self.accessed):
            raise ValueError("a range that was read needs the url and the day of reading")
        return self

    def at(self, side: Side) -> float:
        """Return the value at a side of the range."""
        if side == "point":
            return self.range[1]
        return self.range[2 if (side == "best") == (self.better == "upper") else 0]


class Retrofit(Strict):
    """One retrofit.

    Parameters
    ----------
    id : str
        Equal to the file's stem.
    title, title_zh : str
    mechanism : str
        How it saves; decides which parameters there are and how they are used.
    answers : tuple of str
        Words of `advisor.measure.ACTIONS`.
    measures : tuple of str
        Ids of official measures that name it.
    water : {"more", "less", "none", "depends"}
        What it does to the site's water.
    parameters : dict
        Name -> `Parameter`, exactly those of `PARAMETERS`.
    preconditions, preconditions_zh : tuple of str
        What the site must have or check before it can be built.
    notes, notes_zh : str
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    title: Text
    title_zh: Text
    mechanism: Mechanism
    answers: Annotated[tuple[str, ...], Field(min_length=1)]
    measures: Annotated[tuple[str, ...], Field(min_length=1)]
    water: Literal["more", "less", "none", "depends"]
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    preconditions: Annotated[tuple[Text, ...], Field(min_length=1)]
    preconditions_zh: Annotated[tuple[Text, ...], Field(min_length=1)]
    notes: str = ""
    notes_zh: str = ""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        wanted = PARAMETERS[self.mechanism]
        units = {name: p.unit for name, p in self.parameters.items()}
        if units != wanted:
            raise ValueError(f"a retrofit of kind {self.mechanism} has the parameters {wanted}, not {units}")
        unknown = [name for name in self.answers if name not in ACTIONS]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is not an action; actions are {', '.join(ACTIONS)}")
        if len(self.preconditions) != len(self.preconditions_zh):
            raise ValueError("preconditions and preconditions_zh must be as many")
        return self

    def value(self, name: str, side: Side) -> float:
        """Return a parameter at a side of its range."""
        return self.parameters[name].at(side)
