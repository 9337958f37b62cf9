"""What a site pays for energy and what its connection allows: tariff, demand charge, demand response."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

import numpy as np
import pandas as pd
from pydantic import Field, field_validator, model_validator

from advisor.assets import NotNegative, Positive, Strict
from advisor.dispatch_site import PeakCharge
from features.frame import FloatArray
from features.telemetry import TimeZone

Hour = Annotated[float, Field(ge=0, le=24)]
Month = Annotated[int, Field(ge=1, le=12)]


class Period(Strict):
    """Hours of the day with a price of their own.

    ``from_hour`` to ``to_hour`` [h, local time]; past midnight where ``to_hour`` is not later.
    ``months`` 1 to 12, none: all. ``energy_per_kwh`` [currency/kWh].
    """

    name: str = ""
    from_hour: Hour
    to_hour: Hour
    months: tuple[Month, ...] = ()
    days: Literal["all", "workdays", "weekend"] = "all"
    energy_per_kwh: float

    def holds(self, local: pd.DatetimeIndex) -> np.ndarray:
        """Return which steps the period covers, by their start; shape (n,) of bool."""
        hour = np.asarray(local.hour + local.minute / 60.0)
        inside = (
            (hour >= self.from_hour) & (hour < self.to_hour)
            if self.from_hour < self.to_hour
            else (hour >= self.from_hour) | (hour < self.to_hour)
        )
        weekend = np.asarray(local.day_of_week >= 5)
        if self.days != "all":
            inside &= weekend if self.days == "weekend" else ~weekend
        return inside & np.isin(local.month, self.months) if self.months else inside


class Tariff(Strict):
    """What energy costs.

    ``energy_per_kwh`` [currency/kWh] outside the ``period`` list, of which the first that covers a step goes;
    ``demand_per_kw_month`` [currency/kW] for the highest purchase of each calendar month. ``source`` says
    where the figures come from.
    """

    energy_per_kwh: NotNegative
    period: tuple[Period, ...] = ()
    demand_per_kw_month: NotNegative = 0.0
    source: str = Field(min_length=1)

    def prices(self, stamps: pd.DatetimeIndex, zone: TimeZone) -> FloatArray:
        """Return the price of every step, shape (n,) [currency/kWh].

        Parameters
        ----------
        stamps : pandas.DatetimeIndex, shape (n,)
            UTC.
        zone : TimeZone
        """
        local, prices = stamps.tz_convert(zone.tzinfo()), np.full(len(stamps), self.energy_per_kwh)
        for period in reversed(self.period):
            prices[period.holds(local)] = period.energy_per_kwh
        return prices

    def peak(self, stamps: pd.DatetimeIndex, hours: float, zone: TimeZone) -> PeakCharge | None:
        """Return the charge for the highest purchases; None: there is none.

        A month that the window holds in part is charged in part: its price is multiplied by the share of
        the month's hours.
        """
        if self.demand_per_kw_month == 0.0:
            return None
        local = stamps.tz_convert(zone.tzinfo()).tz_localize(None)
        months, period = np.unique(local.to_period("M"), return_inverse=True)
        held = np.bincount(period) * hours
        whole = np.array([m.days_in_month * 24.0 for m in months])
        return PeakCharge(period.astype(np.int64), self.demand_per_kw_month * np.minimum(held / whole, 1.0))


class Connection(Strict):
    """``grid_max_kw`` [kW]: most that may be purchased at any time, and where the figure comes from."""

    grid_max_kw: Positive
    source: str = Field(min_length=1)


class DemandResponse(Strict):
    """An event in which the grid wants less.

    ``start`` and ``end`` (exclusive), ISO 8601, without offset local time of the site; ``limit_kw`` [kW] most
    that may be purchased, None: voluntary; ``pay_per_kwh`` [currency/kWh] for what is purchased less than
    without a plan - and the plan is charged as much for what it purchases more.
    """

    start: str
    end: str
    limit_kw: NotNegative | None = None
    pay_per_kwh: NotNegative = 0.0
    source: str = Field(min_length=1)

    @field_validator("start", "end", mode="before")
    @classmethod
    def _moment(cls, value: object) -> object:
        return value.isoformat() if isinstance(value, datetime) else value

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if datetime.fromisoformat(self.start) >= datetime.fromisoformat(self.end):
            raise ValueError("start is not before end")
        return self

    def holds(self, stamps: pd.DatetimeIndex, zone: TimeZone) -> np.ndarray:
        """Return which steps begin inside the event; shape (n,) of bool."""
        start, end = (self._utc(text, zone) for text in (self.start, self.end))
        return np.asarray((stamps >= start) & (stamps < end))

    @staticmethod
    def _utc(text: str, zone: TimeZone) -> pd.Timestamp:
        moment = pd.Timestamp(text)
        local = moment.tz_localize(zone.tzinfo()) if moment.tzinfo is None else moment
        return local.tz_convert("UTC")


class Contract(Strict):
    """Green power under contract, paid as produced, matched hour by hour.

    ``kw`` [kW] contracted; ``profile`` a CSV (``timestamp``, ``kw_per_kw``) beside site.toml's portfolio,
    None: the same power at all times. ``price_per_kwh`` [currency/kWh] of what is produced, all charges in.
    ``origin``: over a line of its own, or traded over the grid. ``certificates``: whether guarantees of
    origin come with it.
    """

    name: Annotated[str, Field(min_length=1)]
    origin: Literal["direct-line", "traded"]
    kw: Positive
    profile: str | None = None
    price_per_kwh: NotNegative
    certificates: bool = True
    source: str = Field(min_length=1)
