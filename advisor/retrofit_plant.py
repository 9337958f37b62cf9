"""The site's own cooling plant, hour by hour at the set-points in force: what a retrofit is held against.

What was metered is carried from the set-points of the hour to those in force by a smooth surface that is
fitted on the site's own hours (`models.site_response.fit_surface`): the hour's residual stays with it. A
site that ran at the set-points in force all along needs no surface. What is not metered is None.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.frame import FloatArray
from features.operation import BoolArray, Operation
from models.block_ridge import BlockRidge
from models.lever_basis import LeverBasis
from models.site_response import ALPHAS, LEVERS_HARDER, Scenario, SiteResponse, fit_surface, least_rows

AS_OPERATED_K = 0.5
"""Set-points this near to those in force need no surface [K]."""
MOST_SURFACE_DRAWS = 30
OFF_SHARE = 0.02
"""Compressors below this share of their usual power stand still [1]."""
FREE_HOURS = 0.05
"""From this share of its hours without compressors on, a site has free cooling [1]."""
FOLLOWS, LEAST_SPREAD_K = 0.5, 0.3
"""An inlet that moves by less than this share [1] of the supply air's moves is of another room; spread of the
supply air [K] below which nobody can say."""
MECHANICAL = ("chiller_power_kw", "dx_power_kw")
REST = ("fan_power_kw", "pump_power_kw", "tower_fan_power_kw")
WATER_LOOP = ("pump_power_kw", "tower_fan_power_kw")


@dataclass(frozen=True)
class Plant:
    """One site's fully measured hours at the set-points in force; arrays have shape (n,).

    Parameters
    ----------
    operation : Operation
        The hours as measured.
    at_current : bool
        Whether they were carried to the set-points in force; False: as they were operated.
    it_kw, cooling_kw, facility_kw : numpy.ndarray
        Power [kW]; ``cooling_kw`` is all overhead where cooling is not metered apart.
    mechanical_kw, chiller_kw, fan_kw, water_loop_kw, tower_fan_kw : numpy.ndarray or None
        Compressors; those of chillers; fans of the room; pumps with tower fans; tower fans [kW].
    fan_metered_kw : numpy.ndarray or None
        Fans of the room at the set-points of the hour [kW].
    supply_c, room_c, inlet_c, chilled_c, chilled_return_c : numpy.ndarray or None
        Temperatures [degC]: supply air, warm side, hottest inlet, chilled water and its return.
    water_m3 : numpy.ndarray or None
        Make-up water of the step as metered [m3].
    humid : bool
        Whether the weather's humidity is known.
    evaporates : bool
        Whether evaporative coolers are metered and run.
    inlet_follows : bool
        Whether the hottest inlet moves with the supply air, or the supply air never moved.
    mechanical_sd : float
        Relative standard deviation of the carried sum of compressor power [1].
    mechanical_source : str
        Columns that compressor power was read from.
    """

    operation: Operation
    at_current: bool
    it_kw: FloatArray
    cooling_kw: FloatArray
    facility_kw: FloatArray
    mechanical_kw: FloatArray | None
    chiller_kw: FloatArray | None
    fan_kw: FloatArray | None
    fan_metered_kw: FloatArray | None
    water_loop_kw: FloatArray | None
    tower_fan_kw: FloatArray | None
    supply_c: FloatArray | None
    room_c: FloatArray | None
    inlet_c: FloatArray | None
    chilled_c: FloatArray | None
    chilled_return_c: FloatArray | None
    water_m3: FloatArray | None
    humid: bool
    evaporates: bool
    inlet_follows: bool
    mechanical_sd: float
    mechanical_source: tuple[str, ...]

    @property
    def hours(self) -> float:
        """Length of a step [h]."""
        return self.operation.hours

    @property
    def dry_c(self) -> FloatArray:
        """Outdoor dry bulb [degC]."""
        return self.operation.dry_bulb_c

    @property
    def wet_c(self) -> FloatArray:
        """Outdoor wet bulb, never above the dry bulb [degC]."""
        return np.minimum(self.operation.wet_bulb_c, self.operation.dry_bulb_c)

    @property
    def heat_kw(self) -> FloatArray:
        """Heat of the room: IT power and fans [kW]."""
        return self.it_kw if self.fan_kw is None else self.it_kw + self.fan_kw

    @property
    def energy_kwh(self) -> float:
        """Facility energy of the hours [kWh]."""
        return float(self.facility_kw.sum()) * self.hours

    @property
    def off(self) -> BoolArray:
        """Steps in which the compressors stood still as measured; all False where they are not metered."""
        if self.mechanical_kw is None:
            return np.zeros(len(self.it_kw), dtype=bool)
        usual = float(np.quantile(self.mechanical_kw, 0.95))
        return np.asarray(self.mechanical_kw <= OFF_SHARE * max(usual, 1e-9))

    @property
    def cools_free(self) -> bool:
        """Whether the data show free cooling: hours with heat and without compressors."""
        return bool(self.off.mean() > FREE_HOURS)


@dataclass(frozen=True)
class _Carrier:
    """Carries a metered series from the set-points of each hour to those in force."""

    operation: Operation
    moved: Operation
    it_kw: FloatArray
    basis: LeverBasis | None
    seed: int

    def carried(self, values: FloatArray | None, *, draws: int = 0) -> tuple[FloatArray | None, float]:
        """Return the series at the set-points in force, and the relative deviation of its sum [1]."""
        if values is None or self.basis is None:
            return values, 0.0
        known = np.isfinite(values)
        if known.sum() < least_rows(self.operation):
            return values, 0.0
        # many series, each moved a little: the middle penalties do, and no search for the best ones
        fit = fit_surface(
            self.operation, known, self.basis, values,
            draws=draws, seed=self.seed, alphas=ALPHAS[2:3], levers_harder=LEVERS_HARDER[1:2],
        ).fit  # fmt: skip
        here = self.basis.surface_terms(self.operation, self.operation.it_kw)
        there = self.basis.surface_terms(self.moved, self.it_kw)
        change = fit.predict(there) - fit.predict(here)
        return values + change, _relative_sd(fit, (there - here).mean(axis=0), float(np.nanmean(values)))


def _relative_sd(fit: BlockRidge, mean_change: FloatArray, mean: float) -> float:
    """Return the deviation of a carried mean between the draws of weeks, over the mean [1]."""
    if len(fit.draws) < 2 or mean <= 0:
        return 0.0
    return float((mean_change / fit.scale @ fit.draws.T).std(ddof=1)) / mean


def plant_of(
    operation: Operation,
    series: pd.DataFrame,
    current: dict[str, float],
    response: SiteResponse | None,
    seed: int = 0,
) -> Plant | None:
    """Return the plant of the fully measured hours.

    Parameters
    ----------
    operation : Operation
        The whole export.
    series : pandas.DataFrame
        Canonical columns of the site, indexed by UTC stamps.
    current : dict
        Lever -> set-point in force [degC].
    response : SiteResponse or None
        The proposing model; None: hours count as they were operated.
    seed : int

    Returns
    -------
    Plant or None
        None where less than two days are fully measured.
    """
    window = operation.rows(operation.usable)
    if len(window) * window.hours < 48:
        return None
    told = series.reindex(window.stamps)
    levers = {n: np.full(len(window), current[n]) for n in window.levers if n in current}
    near = all(bool(np.mean(np.abs(window.levers[n] - v) <= AS_OPERATED_K) > 0.95) for n, v in levers.items())
    fits = response is not None and not near
    identified = window.only_levers(response.basis.all_levers) if fits and response is not None else window
    base = _scenario(identified, levers, response if fits else None)
    carrier = _Carrier(
        identified, identified.with_levers({n: v for n, v in levers.items() if n in identified.levers}),
        base.it_kw, response.basis if fits and response is not None else None, seed,
    )  # fmt: skip

    def at(name: str) -> FloatArray | None:
        return carrier.carried(_column(told, name))[0]

    def power(*names: str) -> FloatArray | None:
        known = [v for v in (_column(told, n) for n in names) if v is not None]
        return None if not known else _positive(carrier.carried(np.sum(known, axis=0))[0])

    dx = _column(told, "dx_power_kw")
    raw, source = _mechanical(told, window.cooling_kw)
    mechanical, sd = carrier.carried(raw, draws=MOST_SURFACE_DRAWS)
    if mechanical is not None and raw is not None:  # a compressor that stood still does not start by a carry
        mechanical = np.clip(np.where(raw > 0, mechanical, 0.0), 0.0, base.overhead_kw)
    only_chillers = dx is None or float(dx.max()) <= 0
    humid = any(_column(told, n) is not None for n in ("outdoor_wet_bulb_c", "outdoor_rh_pct"))
    evaporative = _column(told, "evaporative_power_kw")
    return Plant(
        window, fits or near, base.it_kw, base.overhead_kw, base.facility_kw,
        mechanical, mechanical if only_chillers else power("chiller_power_kw"), power("fan_power_kw"),
        _column(told, "fan_power_kw"), power(*WATER_LOOP), power("tower_fan_power_kw"),
        at("supply_air_temp_c"), at("room_air_temp_c"), at("server_inlet_temp_c"),
        _chilled(told, levers), at("chilled_water_return_temp_c"), _column(told, "water_m3"),
        humid, evaporative is not None and float(evaporative.max()) > 0,
        _follows(told), sd, source,
    )  # fmt: skip


def _follows(told: pd.DataFrame) -> bool:
    """Whether the inlet rises with the supply air by most of its move, as measured."""
    supply, inlet = _column(told, "supply_air_temp_c"), _column(told, "server_inlet_temp_c")
    if supply is None or inlet is None or float(supply.std()) < LEAST_SPREAD_K:
        return True
    return float(np.cov(supply, inlet)[0, 1]) >= FOLLOWS * float(supply.var(ddof=1))


def _scenario(window: Operation, levers: dict[str, FloatArray], response: SiteResponse | None) -> Scenario:
    if response is not None:
        return response.scenario(window, {n: v for n, v in levers.items() if n in window.levers})
    chain = window.facility_kw - window.it_kw - window.overhead_kw
    return Scenario(window.it_kw, window.overhead_kw, chain, window.inlet_c)


def _column(told: pd.DataFrame, name: str) -> FloatArray | None:
    """Return a column without gaps in its hours (short ones are bridged); None where it is hardly there."""
    if name not in told or float(told[name].notna().mean()) < 0.9:
        return None
    return told[name].interpolate(limit_direction="both").to_numpy(dtype=np.float64)


def _positive(values: FloatArray | None) -> FloatArray | None:
    return None if values is None else np.maximum(values, 0.0)


def _mechanical(
    told: pd.DataFrame, cooling_kw: FloatArray | None
) -> tuple[FloatArray | None, tuple[str, ...]]:
    """Return compressor power [kW]: metered, or cooling less its metered fans, pumps and towers."""
    known = {n: v for n in MECHANICAL if (v := _column(told, n)) is not None}
    if known:
        return np.sum(list(known.values()), axis=0), tuple(known)
    rest = {n: v for n in REST if (v := _column(told, n)) is not None}
    if cooling_kw is None or len(rest) < len(REST):
        return None, ()
    return np.maximum(cooling_kw - np.sum(list(rest.values()), axis=0), 0.0), ("cooling_power_kw", *rest)


def _chilled(told: pd.DataFrame, levers: dict[str, FloatArray]) -> FloatArray | None:
    """Return the chilled water that must be made: the set-point in force, else what was measured [degC]."""
    return levers.get("chilled_water_set_point_c", _column(told, "chilled_water_supply_temp_c"))
