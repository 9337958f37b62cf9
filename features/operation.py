"""How a data centre was operated: levers, weather, load and power on one time grid.

The what-if models learn from this view. It keeps every hour of the grid; what was not measured is
NaN and `usable` says which rows a fit may take.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import InsufficientDataError
from features.frame import FloatArray
from features.levers import AIR_LEVERS, PLANT_LEVERS, WATER_LEVERS
from features.message import Message, say
from features.psychrometrics import dew_point, wet_bulb
from features.telemetry import Telemetry

_REACHED = (
    "supply_air_temp_c",
    "chilled_water_supply_temp_c",
    "chilled_water_return_temp_c",
    "condenser_water_temp_c",
)
LEAST_KNOWN = 0.8
"""Share of the rows in which a plant's lever must be known to count as one [1]."""
TRANSIENT_HOURS = 2.0
"""Time after a move of a lever during which rooms and water are still on their way [h]."""

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Operation:
    """One site's operation.

    Parameters
    ----------
    site_id : str
    stamps : pandas.DatetimeIndex, shape (n,)
        UTC, regular.
    levers : dict
        Canonical lever name -> set-points [unit of the lever], shape (n,); the air lever comes first,
        those of `features.levers.PLANT_LEVERS` last.
    dry_bulb_c, wet_bulb_c : numpy.ndarray, shape (n,)
        Weather [degC]; NaN where unknown.
    it_kw, facility_kw : numpy.ndarray, shape (n,)
        Mean power [kW].
    cooling_kw : numpy.ndarray or None, shape (n,)
        Cooling power [kW]; None where it is not metered (then all that is not IT counts as overhead).
    inlet_c : numpy.ndarray or None, shape (n,)
        Hottest server inlet [degC].
    hour_of_week : numpy.ndarray of int, shape (n,)
        0..167, local time.
    hours : float
        Length of a step [h].
    inlet_dew_point_c : numpy.ndarray or None, shape (n,)
        Dew point of the air that servers get [degC]; None where no indoor humidity is exported.
    """

    site_id: str
    stamps: pd.DatetimeIndex
    levers: dict[str, FloatArray]
    dry_bulb_c: FloatArray
    wet_bulb_c: FloatArray
    it_kw: FloatArray
    facility_kw: FloatArray
    cooling_kw: FloatArray | None
    inlet_c: FloatArray | None
    hour_of_week: npt.NDArray[np.int64]
    hours: float
    inlet_dew_point_c: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.stamps)

    @property
    def air_lever(self) -> str | None:
        """Name of the set-point that the server inlet follows, if one is exported."""
        return next((n for n in self.levers if n in AIR_LEVERS), None)

    @property
    def overhead_kw(self) -> FloatArray:
        """Cooling power where metered, else all that is not IT [kW]."""
        return self.cooling_kw if self.cooling_kw is not None else self.facility_kw - self.it_kw

    @property
    def usable(self) -> BoolArray:
        """Rows with levers, weather, IT and facility power."""
        parts = [*self.levers.values(), self.dry_bulb_c, self.wet_bulb_c, self.it_kw, self.overhead_kw]
        known = np.isfinite(np.column_stack([*parts, self.facility_kw])).all(axis=1)
        return np.asarray(known & (self.it_kw > 0), dtype=np.bool_)

    @property
    def transient_steps(self) -> int:
        """Steps that `TRANSIENT_HOURS` last, at least one."""
        return max(round(TRANSIENT_HOURS / self.hours), 1)

    @property
    def week(self) -> npt.NDArray[np.int64]:
        """Running week since the first stamp: the block of every bootstrap and split."""
        days = (self.stamps - self.stamps[0]) // pd.Timedelta(days=7)
        return days.to_numpy().astype(np.int64)

    def with_levers(self, values: dict[str, FloatArray]) -> Operation:
        """Return the operation with other set-points; the measured outcomes stay as they were."""
        return replace(self, levers={name: values.get(name, old) for name, old in self.levers.items()})

    def only_levers(self, names: tuple[str, ...]) -> Operation:
        """Return the operation with some of its levers, the air lever first."""
        return replace(self, levers={name: v for name, v in self.levers.items() if name in names})

    def between(self, start: pd.Timestamp, end: pd.Timestamp) -> Operation:
        """Return the steps with ``start <= stamp < end``."""
        return self.rows(np.asarray((self.stamps >= start) & (self.stamps < end)))

    def rows(self, mask: BoolArray) -> Operation:
        """Return the selected steps."""
        return replace(
            self,
            stamps=self.stamps[mask],
            levers={name: v[mask] for name, v in self.levers.items()},
            dry_bulb_c=self.dry_bulb_c[mask],
            wet_bulb_c=self.wet_bulb_c[mask],
            it_kw=self.it_kw[mask],
            facility_kw=self.facility_kw[mask],
            cooling_kw=None if self.cooling_kw is None else self.cooling_kw[mask],
            inlet_c=None if self.inlet_c is None else self.inlet_c[mask],
            hour_of_week=self.hour_of_week[mask],
            inlet_dew_point_c=None if self.inlet_dew_point_c is None else self.inlet_dew_point_c[mask],
        )


def operation_of(telemetry: Telemetry, site_id: str, *, without_levers: bool = False) -> Operation:
    """Build the operation of one site.

    Parameters
    ----------
    telemetry : Telemetry
    site_id : str
    without_levers : bool
        Whether an export without any set-point will do.

    Returns
    -------
    Operation

    Raises
    ------
    InsufficientDataError
        IT power, facility power, outdoor weather or set-points are not in the export.
    """
    series = telemetry.site_series(site_id)
    missing = [c for c in ("it_power_kw", "facility_power_kw", "outdoor_dry_bulb_c") if not _has(series, c)]
    levers = [c for c in (*AIR_LEVERS, *WATER_LEVERS) if _has(series, c)]
    # a lever with long gaps would take the steps of all others with it
    levers += [c for c in PLANT_LEVERS if _has(series, c) and series[c].notna().mean() >= LEAST_KNOWN]
    if not levers and not without_levers:
        missing.append(say("a set-point (zone, supply air or chilled water)"))
    if missing:
        raise InsufficientDataError(
            "E-ADVICE-INPUTS",
            say(
                "set-point advice needs columns that are not in the export: {missing}",
                missing=Message.joined(", ", missing),
            ),
            site_id,
            _remedy(series, levers),
        )
    grid = pd.date_range(series.index[0], series.index[-1], freq=telemetry.interval)
    full = series.reindex(grid)
    local = telemetry.local(grid)
    return Operation(
        site_id=site_id,
        stamps=grid,
        levers={c: _values(full, c) for c in levers},
        dry_bulb_c=_values(full, "outdoor_dry_bulb_c"),
        wet_bulb_c=_wet_bulb(full),
        it_kw=_values(full, "it_power_kw"),
        facility_kw=_values(full, "facility_power_kw"),
        cooling_kw=_values(full, "cooling_power_kw") if _has(full, "cooling_power_kw") else None,
        inlet_c=_values(full, "server_inlet_temp_c") if _has(full, "server_inlet_temp_c") else None,
        hour_of_week=(local.day_of_week.to_numpy() * 24 + local.hour.to_numpy()).astype(np.int64),
        hours=telemetry.hours,
        inlet_dew_point_c=_inlet_dew_point(full),
    )


def _remedy(series: pd.DataFrame, levers: list[str]) -> Message:
    """Say what to export; a temperature that a plant reached is none that somebody set."""
    asked = say("export them together with the power meters, at the same interval")
    states = [n for n in _REACHED if _has(series, n)]
    if levers or not states:
        return asked
    told = say(
        "{columns} tells what the plant reached, not what was set: where it cannot hold its set-point the "
        "two differ, and a warmer reading may be the consequence of more heat; export the set-points, or "
        "name them in mapping.toml",
        columns=Message.joined(", ", states),
    )
    return Message.joined("; ", (asked, told))


def _has(series: pd.DataFrame, column: str) -> bool:
    return column in series and bool(series[column].notna().any())


def _values(series: pd.DataFrame, column: str) -> FloatArray:
    return series[column].to_numpy(dtype=np.float64)


def _inlet_dew_point(full: pd.DataFrame) -> FloatArray | None:
    """Return the dew point of the room's air [degC]; a humidity sensor is taken to hang at the inlet."""
    if _has(full, "server_inlet_dew_point_c"):
        return _values(full, "server_inlet_dew_point_c")
    if _has(full, "server_inlet_rh_pct") and _has(full, "server_inlet_temp_c"):
        return dew_point(_values(full, "server_inlet_temp_c"), _values(full, "server_inlet_rh_pct"))
    return None


def _wet_bulb(full: pd.DataFrame) -> FloatArray:
    if _has(full, "outdoor_wet_bulb_c"):
        return _values(full, "outdoor_wet_bulb_c")
    if _has(full, "outdoor_rh_pct"):
        pressure = _values(full, "air_pressure_kpa") if _has(full, "air_pressure_kpa") else 101.325
        return wet_bulb(_values(full, "outdoor_dry_bulb_c"), _values(full, "outdoor_rh_pct"), pressure)
    return _values(full, "outdoor_dry_bulb_c")  # without humidity dry bulb carries what is known
