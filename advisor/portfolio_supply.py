"""What supplies a site of a portfolio: the grid around it, its tariff, own and contracted generation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from advisor.dispatch_site import PeakCharge
from advisor.green.flows import ORIGINS, Origin
from advisor.site import Site
from advisor.solar import pv_per_kw
from advisor.tariff import Contract
from features.errors import SiteFileError
from features.frame import FloatArray
from features.message import Message, say
from features.telemetry import Telemetry, TimeZone

PV = "photovoltaics"
"""Name of a site's own plant in the account of green."""
GRID_COLUMNS = ("grid_cfe_share", "green_share", "carbon_g_per_kwh", "price_per_kwh")


@dataclass(frozen=True)
class Horizon:
    """The steps of the plan: UTC ``stamps`` (n,) of ``hours`` [h]; ``zone`` of the common day, or None.

    ``learned_before``: from nothing later is learned how cooling follows the work; None: from the whole
    export.
    """

    stamps: pd.DatetimeIndex
    hours: float
    zone: TimeZone | None = None
    learned_before: pd.Timestamp | None = None

    @property
    def window(self) -> tuple[pd.Timestamp, pd.Timestamp]:
        """Start and end, exclusive."""
        return self.stamps[0], self.stamps[-1] + pd.Timedelta(hours=self.hours)

    def day_in(self, zone: TimeZone) -> np.ndarray:
        """Return the running number of each step's local day, shape (n,) of int."""
        local = self.stamps.tz_convert(zone.tzinfo()).tz_localize(None).normalize()
        return np.asarray((local - local[0]) // pd.Timedelta(days=1), dtype=np.int64)


@dataclass(frozen=True)
class Generation:
    """One plant or contract: ``kw`` (n,) [kW]; ``certified`` whether its certificates stay with the site."""

    name: str
    origin: Origin
    kw: FloatArray
    certified: bool | None


@dataclass(frozen=True)
class Supply:
    """Everything but the load of a site over the n steps of a plan; NaN where not known.

    Parameters
    ----------
    generation : tuple of Generation
        Own and contracted, in the order in which they are used.
    non_green : numpy.ndarray, shape (n,)
        Share of a purchased kWh that is not green [1].
    price_per_kwh, carbon_g_per_kwh : numpy.ndarray or None, shape (n,)
    peak : PeakCharge or None
    contracted_cost : float
        What contracts cost within the window [currency].
    labels : dict
        Quantity -> where it comes from.
    """

    generation: tuple[Generation, ...]
    non_green: FloatArray
    price_per_kwh: FloatArray | None
    carbon_g_per_kwh: FloatArray | None
    peak: PeakCharge | None
    contracted_cost: float
    labels: dict[str, str]

    @property
    def own_kw(self) -> FloatArray:
        """Own and contracted generation, shape (n,) [kW]."""
        return np.asarray(np.sum([g.kw for g in self.generation], axis=0))


def supply_of(
    site: Site,
    telemetry: Telemetry,
    grid: pd.DataFrame | None,
    profiles: Mapping[str, pd.DataFrame],
    horizon: Horizon,
    measured_pv: FloatArray | None,
    place: str,
) -> Supply:
    """Return what supplies a site.

    Parameters
    ----------
    site : Site
    telemetry : Telemetry
        Its exports; columns of `GRID_COLUMNS` count where the grid file has none.
    grid : pandas.DataFrame or None
        Hourly grid around the site, indexed by UTC stamps.
    profiles : mapping
        File name -> table indexed by UTC stamps, of contracts.
    horizon : Horizon
    measured_pv : numpy.ndarray or None, shape (n,)
        Measured photovoltaics [kW].
    place : str
        Named in errors.

    Raises
    ------
    features.errors.SiteFileError
        ``E-PLAN-GREEN``, ``E-PLAN-PV``: neither files nor site.toml say what is green or what PV yields.
    """
    around = _around(telemetry, grid, horizon)
    non_green, green_label = _non_green(site, around, place)
    price, price_label = _price(site, around, horizon, telemetry.zone)
    carbon, carbon_label = _carbon(site, around)
    pv, own_label = _pv(site, measured_pv, horizon, place)
    kept = None if site.pv is None or site.pv.certificates is None else site.pv.certificates == "kept"
    own, cost = [Generation(PV, "self-built", pv, kept)], 0.0
    for contract in site.contract:
        produced = contract.kw * profile_kw(contract.profile, profiles, horizon)
        own.append(Generation(contract.name, contract.origin, produced, contract.certificates))
        cost += horizon.hours * contract.price_per_kwh * float(np.nansum(produced))
        own_label = Message.joined("; ", [own_label, _contract_label(contract)])
    labels = {
        "own production": own_label, "green share of the grid": green_label, "price": price_label,
        "carbon": carbon_label,
    }  # fmt: skip
    peak = site.tariff.peak(horizon.stamps, horizon.hours, telemetry.zone) if site.tariff else None
    own.sort(key=lambda g: ORIGINS.index(g.origin))
    return Supply(tuple(own), non_green, price, carbon, peak, cost, labels)


def profile_kw(name: str | None, profiles: Mapping[str, pd.DataFrame], horizon: Horizon) -> FloatArray:
    """Return a profile on the plan's steps [kW/kW]; without a file: the same power at all times."""
    if name is None:
        return np.ones(len(horizon.stamps))
    return profiles[name]["kw_per_kw"].reindex(horizon.stamps).to_numpy(dtype=np.float64)


def _contract_label(contract: Contract) -> Message:
    return say("{kw:g} kW of {name} under contract: {source}", kw=contract.kw, name=contract.name,
               source=contract.source)  # fmt: skip


def _around(telemetry: Telemetry, grid: pd.DataFrame | None, horizon: Horizon) -> pd.DataFrame:
    """Return the grid file and the export's own columns on the plan's steps, named by origin."""
    columns: dict[str, FloatArray] = {}
    if grid is not None:
        inside = grid.reindex(horizon.stamps)
        columns |= {f"file.{c}": inside[c].to_numpy(dtype=np.float64) for c in inside}
    frame = telemetry.frame
    own = frame[frame["unit_id"] == ""].groupby("timestamp")
    for name in GRID_COLUMNS:
        if name in frame and frame[name].notna().any():
            columns[f"export.{name}"] = own[name].mean().reindex(horizon.stamps).to_numpy(dtype=np.float64)
    return pd.DataFrame(columns, index=horizon.stamps)


def _first(grid: pd.DataFrame, names: tuple[str, ...]) -> tuple[str, FloatArray] | None:
    return next(
        ((n, grid[n].to_numpy(dtype=np.float64)) for n in names if n in grid and grid[n].notna().any()), None
    )


def _non_green(site: Site, grid: pd.DataFrame, place: str) -> tuple[FloatArray, str]:
    names = ("file.grid_cfe_share", "file.green_share", "export.grid_cfe_share", "export.green_share")
    hourly = _first(grid, names)
    if hourly is not None:
        return 1.0 - hourly[1], say("hour by hour: {column}", column=hourly[0])
    green = site.green
    if green is None:
        raise SiteFileError(
            "E-PLAN-GREEN", say("nothing says what is green about purchased energy"), place,
            say("declare [green] grid_share in site.toml or give a grid file with grid_cfe_share"),
        )  # fmt: skip
    share = np.full(len(grid), 1.0 - green.grid_share)
    return share, say("constant {share:.0%}, so the hour of a purchase does not matter: {source}",
                      share=green.grid_share, source=green.source)  # fmt: skip


def _price(site: Site, grid: pd.DataFrame, horizon: Horizon, zone: TimeZone) -> tuple[FloatArray | None, str]:
    hourly = _first(grid, ("file.price_per_kwh", "export.price_per_kwh"))
    if hourly is not None:
        return hourly[1], say("hour by hour: {column}", column=hourly[0])
    if site.tariff is None:
        return None, say("not declared: no money is told")
    if site.tariff.period:
        source = say("by time of use: {source}", source=site.tariff.source)
    else:
        source = say("constant: {source}", source=site.tariff.source)
    return site.tariff.prices(horizon.stamps, zone), source


def _carbon(site: Site, grid: pd.DataFrame) -> tuple[FloatArray | None, str]:
    hourly = _first(grid, ("file.carbon_g_per_kwh", "export.carbon_g_per_kwh"))
    if hourly is not None:
        return hourly[1], say("attributional, hour by hour: {column}", column=hourly[0])
    factor = site.carbon
    if factor is None:
        return None, say("not declared: no CO2e is told")
    return np.full(len(grid), 1000.0 * factor.factor_kg_per_kwh), say("attributional, constant: {source}",
                                                                      source=factor.source)  # fmt: skip


def _pv(site: Site, measured: FloatArray | None, horizon: Horizon, place: str) -> tuple[FloatArray, Message]:
    pv = site.pv
    if measured is not None:
        return measured, say("measured: pv_power_kw")
    if pv is None or pv.kw_peak == 0.0:
        return np.zeros(len(horizon.stamps)), say("none")
    shape = pv_per_kw(horizon.stamps, horizon.hours, pv)
    if shape is None:
        raise no_pv_shape(place)
    return shape * pv.kw_peak, say("modelled: clear-sky shape scaled to the declared yearly yield, {source}",
                                   source=pv.source)  # fmt: skip


def no_pv_shape(place: str) -> SiteFileError:
    """Return the error of photovoltaics without a shape."""
    return SiteFileError(
        "E-PLAN-PV", say("the site declares photovoltaics, but neither measures nor locates them"), place,
        say("export pv_power_kw, or declare latitude_deg, longitude_deg and yearly_yield_kwh_per_kw"),
    )  # fmt: skip
