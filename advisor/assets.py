"""What a site owns besides its cooling: photovoltaics, battery, movable work."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from features.telemetry import TimeZone

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Efficiency = Annotated[float, Field(gt=0, le=1)]


class Strict(BaseModel):
    """A declaration: frozen, no unknown keys, no infinities."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _known_zone(name: str) -> str:
    try:
        TimeZone(name, assumed=False)
    except (ValueError, KeyError, OSError) as error:
        raise ValueError(f"{name!r} is neither an IANA zone nor an offset like +08:00") from error
    return name


ZoneName = Annotated[str, AfterValidator(_known_zone)]
"""IANA name or fixed offset ``+HH:MM``."""


def broken_keys(error: ValidationError) -> str:
    """Return which keys of a declaration are wrong, and why, in one line."""
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())


class Pv(Strict):
    """On-site photovoltaics.

    ``kw_peak`` [kW] stands already; ``kw_peak_max`` [kW] could stand (None: no more than stands).
    Where no ``pv_power_kw`` is exported, the hourly shape is modelled for ``latitude_deg`` and
    ``longitude_deg`` [degrees, north and east positive] and scaled to ``yearly_yield_kwh_per_kw``
    [kWh/kW]. ``price_per_kw`` [currency/kW] of more; without it no payback is told. ``certificates``: whether
    the green certificates of what it yields are kept (and retired) or sold; None: nothing is claimed by them.
    """

    kw_peak: NotNegative = 0.0
    kw_peak_max: NotNegative | None = None
    latitude_deg: Annotated[float, Field(ge=-90, le=90)] | None = None
    longitude_deg: Annotated[float, Field(ge=-180, le=180)] | None = None
    yearly_yield_kwh_per_kw: Positive | None = None
    price_per_kw: NotNegative | None = None
    certificates: Literal["kept", "sold"] | None = None
    source: str = Field(min_length=1)

    @model_validator(mode="after")
    def _room_for_what_stands(self) -> Self:
        if self.kw_peak_max is not None and self.kw_peak_max < self.kw_peak:
            raise ValueError("kw_peak_max is below kw_peak")
        return self


class Battery(Strict):
    """A battery.

    ``energy_kwh`` [kWh] usable, ``power_kw`` [kW] at most taken in or delivered. Charging stores
    ``charge_efficiency`` [1] of what is taken; delivering takes 1/``discharge_efficiency`` out.
    ``reserve_kwh`` [kWh] is kept for backup and never used, and at least what the load of the next
    ``reserve_hours`` [h] would take. ``grid_charging``: whether it may charge from the grid.
    ``cycle_cost_per_kwh`` [currency/kWh] is its wear per delivered kWh; a second-life battery has its own
    efficiencies and wear. ``price_per_kwh`` [currency/kWh] of more capacity.
    """

    energy_kwh: NotNegative
    power_kw: NotNegative
    charge_efficiency: Efficiency
    discharge_efficiency: Efficiency
    reserve_kwh: NotNegative = 0.0
    reserve_hours: NotNegative = 0.0
    cycle_cost_per_kwh: NotNegative = 0.0
    grid_charging: bool = False
    price_per_kwh: NotNegative | None = None
    source: str = Field(min_length=1)

    @model_validator(mode="after")
    def _reserve_fits(self) -> Self:
        if self.reserve_kwh > self.energy_kwh:
            raise ValueError("reserve_kwh is above energy_kwh")
        return self


class Workload(Strict):
    """How freely work may move.

    ``flexible_share`` [1] of the IT load of an hour may be done in another hour of the same local
    day, while the IT load stays within ``it_capacity_kw`` [kW]. ``movable``: whether it may also be
    done at another site of a portfolio.
    """

    flexible_share: Share
    it_capacity_kw: Positive
    movable: bool = False
    source: str = Field(min_length=1)
