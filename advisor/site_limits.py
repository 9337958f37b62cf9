"""Safety limits that a site declares in ``site.toml``; a customer's own limit overrides the standard's."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

import pandas as pd
from pydantic import Field, field_validator, model_validator

from advisor.assets import NotNegative, Positive, Share, Strict
from advisor.catalogue import load_limits
from features.errors import CatalogueError
from features.levers import AIR_LEVERS, WATER_LEVERS
from features.schema import SCHEMA
from features.telemetry import TimeZone

STANDARD = "ashrae-tc99-2021"
Percent = Annotated[float, Field(gt=0, le=100)]


class Override(Strict):
    """Hours in which the customer's set-points hold, whatever would save: maintenance, a unit out of order.

    ``start`` and ``end`` (exclusive) are moments; without an offset they are wall-clock time of the site.
    Set-points in [degC]; ``reason`` is shown.
    """

    start: datetime
    end: datetime
    reason: str = Field(min_length=1)
    zone_set_point_c: float | None = None
    supply_air_set_point_c: float | None = None
    chilled_water_set_point_c: float | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.start.tzinfo is None) != (self.end.tzinfo is None):
            raise ValueError("start and end need an offset both, or none of them")
        if self.start >= self.end:
            raise ValueError(f"start {self.start} is not before end {self.end}")
        if not self.set_points:
            raise ValueError(f"an override needs a set-point: {', '.join((*AIR_LEVERS, *WATER_LEVERS))}")
        for name, value in self.set_points.items():
            low, high = SCHEMA[name].lower, SCHEMA[name].upper
            if not low <= value <= high:
                raise ValueError(f"{name} {value:g} lies outside {low:g} to {high:g}")
        return self

    @property
    def set_points(self) -> dict[str, float]:
        """Lever -> set-point that holds [degC]."""
        named = {n: getattr(self, n) for n in (*AIR_LEVERS, *WATER_LEVERS)}
        return {n: float(v) for n, v in named.items() if v is not None}

    def window(self, zone: TimeZone) -> tuple[pd.Timestamp, pd.Timestamp]:
        """Return start and end in UTC; `zone` is that of the export's stamps."""
        start, end = (
            stamp.tz_localize(zone.tzinfo(), ambiguous=True, nonexistent="shift_forward")
            if stamp.tzinfo is None
            else stamp
            for stamp in (pd.Timestamp(self.start), pd.Timestamp(self.end))
        )
        return start.tz_convert("UTC"), end.tz_convert("UTC")


class Redundancy(Strict):
    """Cooling units of which ``spare`` may fail: while the rest cannot carry the heat, nothing is moved.

    ``unit_capacity_kw`` [kW]: heat that one unit removes at the planned set-points and the design weather.
    """

    units: Annotated[int, Field(ge=1)]
    unit_capacity_kw: Positive
    spare: Annotated[int, Field(ge=1)] = 1
    source: str = Field(min_length=1)

    @model_validator(mode="after")
    def _some_left(self) -> Self:
        if self.spare >= self.units:
            raise ValueError(f"of {self.units} units not all can be spare")
        return self

    @property
    def remaining_kw(self) -> float:
        """Heat that is carried with the spare units out [kW]."""
        return (self.units - self.spare) * self.unit_capacity_kw


class Limits(Strict):
    """Safety limits of the site; a customer's own limit overrides the standard's.

    ``equipment_class`` and ``envelope`` choose among ``advisor/limits/*.toml``; class A1, recommended, is
    assumed. ``server_inlet_temp_c_max`` [degC] binds at the hottest valid sensor plus ``sensor_error_k`` [K].
    ``rate_k_per_h_max`` [K/h]: fastest change of the inlet; ``tapes``: tape drives stand there, which the
    standard permits less. ``server_inlet_dew_point_c_max`` [degC] and ``server_inlet_rh_pct_max`` [%] bind
    where humidity is exported. ``chilled_water_set_point_c_min`` and ``..._max`` [degC]: bounds of the plant.
    ``override`` and ``redundancy``: hours in which set-points are not the plan's to move.
    ``pue_max`` [1]: a cap that a rule demands, kept over the window whatever energy it costs.
    ``prb_utilisation_max`` [1]: cells above it are never put to sleep.
    """

    equipment_class: str | None = None
    envelope: Literal["recommended", "allowable"] = "recommended"
    server_inlet_temp_c_max: float | None = None
    server_inlet_temp_c_min: float | None = None
    sensor_error_k: NotNegative = 0.0
    rate_k_per_h_max: Positive | None = None
    tapes: bool = False
    server_inlet_dew_point_c_max: float | None = None
    server_inlet_rh_pct_max: Percent | None = None
    chilled_water_set_point_c_min: float | None = None
    chilled_water_set_point_c_max: float | None = None
    override: tuple[Override, ...] = ()
    redundancy: Redundancy | None = None
    pue_max: Annotated[float, Field(ge=1.0)] | None = None
    prb_utilisation_max: Share | None = None

    @field_validator("equipment_class")
    @classmethod
    def _known_class(cls, name: str | None) -> str | None:
        standard = next(s for s in load_limits() if s.id == STANDARD)
        try:
            return name if name is None else standard.equipment_class(name).id
        except CatalogueError as error:
            raise ValueError(f"{error.what}: {error.remedy}") from None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for what in ("server_inlet_temp_c", "chilled_water_set_point_c"):
            low, high = getattr(self, f"{what}_min"), getattr(self, f"{what}_max")
            if low is not None and high is not None and low > high:
                raise ValueError(f"{what}_min {low} is above {what}_max {high}")
        return self
