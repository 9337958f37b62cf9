"""From a member's telemetry, site definition and grid file to the sites of a dispatch."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from advisor.dispatch_site import BoolArray, DispatchSite, IntArray
from advisor.marginal import Marginal, marginal_of
from advisor.portfolio import Member, Portfolio
from advisor.site import Site
from advisor.solar import pv_per_kw
from features.errors import InsufficientDataError, SiteFileError, UnrecognisedError
from features.frame import FloatArray
from features.issues import DataIssue
from features.message import say
from features.telemetry import Telemetry, TimeZone

GRID_COLUMNS = ("grid_cfe_share", "green_share", "carbon_g_per_kwh", "price_per_kwh")
LEAST_MEASURED = 0.5
"""Below this share of measured steps a site is not planned; of measured stations, a step is left out [1]."""


@dataclass(frozen=True)
class Source:
    """What was read for one member.

    ``grid`` is indexed by UTC stamps and holds some of `GRID_COLUMNS`; ``place`` names the member's files.
    """

    member: Member
    site: Site
    telemetry: Telemetry
    grid: pd.DataFrame | None
    place: str


@dataclass(frozen=True)
class Horizon:
    """The steps of the plan: UTC ``stamps`` (n,) of ``hours`` [h]; ``zone`` of the common day, or None."""

    stamps: pd.DatetimeIndex
    hours: float
    zone: TimeZone | None = None

    @property
    def window(self) -> tuple[pd.Timestamp, pd.Timestamp]:
        """Start and end, exclusive."""
        return self.stamps[0], self.stamps[-1] + pd.Timedelta(hours=self.hours)

    def day_in(self, zone: TimeZone) -> IntArray:
        """Return the running number of each step's local day."""
        local = self.stamps.tz_convert(zone.tzinfo()).tz_localize(None).normalize()
        return np.asarray((local - local[0]) // pd.Timedelta(days=1), dtype=np.int64)


@dataclass(frozen=True)
class SiteCase:
    """One site ready to be planned.

    Parameters
    ----------
    site : Site
    dispatch : DispatchSite
    zone : TimeZone
    counted : numpy.ndarray of bool, shape (n,)
        Steps whose load, own production and grid share are known; others rest and are in no sum.
    marginal : Marginal
    labels : dict
        Quantity -> where it comes from: measured, published, modelled or assumed.
    work_lever : str
        Canonical column of the work that may move.
    """

    site: Site
    dispatch: DispatchSite
    zone: TimeZone
    counted: BoolArray
    marginal: Marginal
    labels: dict[str, str]
    work_lever: str


@dataclass
class _Series:
    """Hourly series of one supply [kW]; NaN where not measured."""

    site_id: str
    load: FloatArray
    it: FloatArray | None = None
    pv: FloatArray | None = None
    marginal: Marginal = field(default_factory=lambda: Marginal(1.0, 1.0, 1.0, say("the load is the work")))


def cases_of(
    source: Source, horizon: Horizon, portfolio: Portfolio, issues: list[DataIssue]
) -> list[SiteCase]:
    """Return the supplies of one member: one, or one per station where each has its own meter.

    Parameters
    ----------
    source : Source
    horizon : Horizon
    portfolio : Portfolio
    issues : list of DataIssue
        Findings are added.

    Raises
    ------
    features.errors.AdvisorError
        The member cannot be planned; the message says what is missing.
    """
    telemetry, site = source.telemetry, source.site
    _refuse_misfits(source, horizon, portfolio)
    if telemetry.kind == "data-centre":
        supplies = [_data_centre(telemetry, site, horizon)]
    else:
        supplies = _base_stations(source, horizon, issues)
    grid = _grid(source, horizon)
    cases = [_case(source, s, grid, horizon, issues) for s in supplies]
    _tell_gaps(cases, issues)
    return cases


def _refuse_misfits(source: Source, horizon: Horizon, portfolio: Portfolio) -> None:
    telemetry, site = source.telemetry, source.site
    if site.kind != telemetry.kind:
        raise SiteFileError(
            "E-SITE-KIND",
            say("site {site!r} is a {kind}, the export a {found}", site=site.id, kind=site.kind,
                found=telemetry.kind),
            source.place, say("correct one of the two"),
        )  # fmt: skip
    if not telemetry.zone.known:
        raise UnrecognisedError(
            "E-PLAN-ZONE", say("the time zone of the stamps is unknown"), source.place,
            say("declare time_zone in site.toml: sites are planned together in one time"),
        )  # fmt: skip
    if telemetry.hours != horizon.hours:
        raise UnrecognisedError(
            "E-PLAN-STEP",
            say("the export has steps of {own:g} h, the portfolio of {shared:g} h", own=telemetry.hours,
                shared=horizon.hours),
            source.place, say("export all sites with the same step"),
        )  # fmt: skip
    if site.currency and portfolio.currency and site.currency != portfolio.currency:
        raise SiteFileError(
            "E-PLAN-CURRENCY",
            say("the site's prices are in {own}, the portfolio's in {shared}", own=site.currency,
                shared=portfolio.currency),
            source.place, say("declare prices of all sites in one currency"),
        )  # fmt: skip


# -- loads -----------------------------------------------------------------------------------------
def _data_centre(telemetry: Telemetry, site: Site, horizon: Horizon) -> _Series:
    ids = telemetry.site_ids
    if site.id not in ids and len(ids) > 1:
        raise UnrecognisedError(
            "E-PLAN-SITES",
            say("the export holds {count} sites, none of them {site!r}", count=len(ids), site=site.id),
            ", ".join(ids[:5]), say("give one site's export, or its id in site.toml"),
        )  # fmt: skip
    rows = telemetry.site_series(site.id if site.id in ids else ids[0])
    if "facility_power_kw" not in rows or "it_power_kw" not in rows:
        raise InsufficientDataError(
            "E-PLAN-POWER", say("the plan needs facility_power_kw and it_power_kw"), site.id,
            say("export both meters"),
        )  # fmt: skip
    local = telemetry.local(pd.DatetimeIndex(rows.index))
    day = ((local.tz_localize(None) - pd.Timestamp(0)) // pd.Timedelta(days=1)).to_numpy(dtype=np.float64)
    marginal = marginal_of(rows, local.hour.to_numpy(dtype=np.float64), day, horizon.window)
    inside = rows.reindex(horizon.stamps)
    pv = (
        inside["pv_power_kw"].to_numpy()
        if "pv_power_kw" in rows and rows["pv_power_kw"].notna().any()
        else None
    )
    return _Series(
        site.id, inside["facility_power_kw"].to_numpy(), inside["it_power_kw"].to_numpy(), pv, marginal
    )


def _base_stations(source: Source, horizon: Horizon, issues: list[DataIssue]) -> list[_Series]:
    telemetry, site = source.telemetry, source.site
    frame = telemetry.frame[telemetry.frame["unit_id"] == ""]
    scales = {
        "station_energy_kwh": 1.0 / horizon.hours,
        "station_energy_rel": None if site.energy_unit_kwh is None else site.energy_unit_kwh / horizon.hours,
        "station_power_w": 1e-3,
    }
    found = next((n for n in scales if telemetry.has(n) and scales[n] is not None), None)
    if found is None:
        raise InsufficientDataError(
            "E-PLAN-POWER", say("the plan needs the stations' energy or power in a physical unit"), site.id,
            say("export station energy in kWh, or declare energy_unit_kwh in site.toml"),
        )  # fmt: skip
    series = frame.set_index(["timestamp", "site_id"])[found] * (scales[found] or 1.0)
    table = series.unstack("site_id").reindex(horizon.stamps)  # noqa: PD010 - keys are unique
    if source.member.meters == "each":
        kept = table.loc[:, table.notna().mean() >= LEAST_MEASURED]
        _tell_stations(source, table.drop(columns=kept.columns), issues)
        return [_Series(f"{site.id}/{name}", kept[name].to_numpy()) for name in kept]
    _tell_stations(source, table, issues)
    enough = table.notna().mean(axis=1) >= LEAST_MEASURED
    return [_Series(site.id, table.sum(axis=1).where(enough).to_numpy(dtype=np.float64))]


def _tell_stations(source: Source, table: pd.DataFrame, issues: list[DataIssue]) -> None:
    """Tell what is not planned: missing station-steps of a common supply, stations that are left out."""
    missing = int(table.isna().to_numpy().sum())
    if missing:
        issues.append(
            DataIssue(
                "D-PLAN-STATIONS", "warning", source.place,
                say("{count} of {all} station-steps were not measured", count=missing, all=table.size),
                say("export the missing stations"),
                say("they are in neither baseline nor plan"), missing,
            )
        )  # fmt: skip


# -- the grid around -------------------------------------------------------------------------------
def _grid(source: Source, horizon: Horizon) -> pd.DataFrame:
    """Return the grid file and the export's own columns on the plan's steps, named by origin."""
    columns: dict[str, FloatArray] = {}
    if source.grid is not None:
        inside = source.grid.reindex(horizon.stamps)
        columns |= {f"file.{c}": inside[c].to_numpy(dtype=np.float64) for c in inside}
    frame = source.telemetry.frame
    own = frame[frame["unit_id"] == ""].groupby("timestamp")
    for name in GRID_COLUMNS:
        if name in frame and frame[name].notna().any():
            columns[f"export.{name}"] = own[name].mean().reindex(horizon.stamps).to_numpy(dtype=np.float64)
    return pd.DataFrame(columns, index=horizon.stamps)


def _first(grid: pd.DataFrame, names: tuple[str, ...]) -> tuple[str, FloatArray] | None:
    return next(
        ((n, grid[n].to_numpy(dtype=np.float64)) for n in names if n in grid and grid[n].notna().any()), None
    )


def _non_green(source: Source, grid: pd.DataFrame) -> tuple[FloatArray, str]:
    names = ("file.grid_cfe_share", "file.green_share", "export.grid_cfe_share", "export.green_share")
    hourly = _first(grid, names)
    if hourly is not None:
        return 1.0 - hourly[1], say("hour by hour: {column}", column=hourly[0])
    green = source.site.green
    if green is None:
        raise SiteFileError(
            "E-PLAN-GREEN", say("nothing says what is green about purchased energy"), source.place,
            say("declare [green] grid_share in site.toml or give a grid file with grid_cfe_share"),
        )  # fmt: skip
    share = np.full(len(grid), 1.0 - green.grid_share)
    return share, say("constant {share:.0%}, so the hour of a purchase does not matter: {source}",
                      share=green.grid_share, source=green.source)  # fmt: skip


def _price(source: Source, grid: pd.DataFrame) -> tuple[FloatArray | None, str]:
    hourly = _first(grid, ("file.price_per_kwh", "export.price_per_kwh"))
    if hourly is not None:
        return hourly[1], say("hour by hour: {column}", column=hourly[0])
    tariff = source.site.tariff
    if tariff is None:
        return None, say("not declared: no money is told")
    return np.full(len(grid), tariff.energy_per_kwh), say("constant: {source}", source=tariff.source)


def _carbon(source: Source, grid: pd.DataFrame) -> tuple[FloatArray | None, str]:
    hourly = _first(grid, ("file.carbon_g_per_kwh", "export.carbon_g_per_kwh"))
    if hourly is not None:
        return hourly[1], say("attributional, hour by hour: {column}", column=hourly[0])
    factor = source.site.carbon
    if factor is None:
        return None, say("not declared: no CO2e is told")
    return np.full(len(grid), 1000.0 * factor.factor_kg_per_kwh), say("attributional, constant: {source}",
                                                                      source=factor.source)  # fmt: skip


def _own(source: Source, supply: _Series, horizon: Horizon) -> tuple[FloatArray, str]:
    pv = source.site.pv
    if supply.pv is not None:
        return supply.pv, say("measured: pv_power_kw")
    if pv is None or pv.kw_peak == 0.0:
        return np.zeros(len(horizon.stamps)), say("none")
    shape = pv_per_kw(horizon.stamps, horizon.hours, pv)
    if shape is None:
        raise SiteFileError(
            "E-PLAN-PV",
            say("the site declares photovoltaics, but neither measures nor locates them"), source.place,
            say("export pv_power_kw, or declare latitude_deg, longitude_deg and yearly_yield_kwh_per_kw"),
        )  # fmt: skip
    return shape * pv.kw_peak, say("modelled: clear-sky shape scaled to the declared yearly yield, {source}",
                                   source=pv.source)  # fmt: skip


def _case(
    source: Source, supply: _Series, grid: pd.DataFrame, horizon: Horizon, issues: list[DataIssue]
) -> SiteCase:
    site, work = source.site, source.site.workload
    non_green, green_label = _non_green(source, grid)
    own, own_label = _own(source, supply, horizon)
    price, price_label = _price(source, grid)
    carbon, carbon_label = _carbon(source, grid)
    known = np.isfinite(supply.load) & np.isfinite(own) & np.isfinite(non_green)
    _refuse_gaps(supply.site_id, known)
    price, price_label = _complete(price, price_label, known, supply.site_id, "price_per_kwh", issues)
    carbon, carbon_label = _complete(carbon, carbon_label, known, supply.site_id, "carbon_g_per_kwh", issues)
    movable = known if supply.it is None else known & np.isfinite(supply.it)
    if work is not None:
        movable = movable & ~_above_capacity(supply, movable, work.it_capacity_kw, issues)
    day = None if horizon.zone is not None else horizon.day_in(source.telemetry.zone)
    dispatch = DispatchSite(
        supply.site_id,
        np.where(known, supply.load, 0.0),
        np.where(known, own, 0.0),
        np.where(known, non_green, 0.0),
        it_kw=None if supply.it is None else np.where(np.isfinite(supply.it), supply.it, 0.0),
        marginal=np.full(len(known), supply.marginal.point),
        flexible_share=0.0 if work is None else work.flexible_share,
        it_capacity_kw=np.inf if work is None else work.it_capacity_kw,
        battery=site.battery,
        price_per_kwh=price,
        carbon_g_per_kwh=carbon,
        day=day,
        frozen=~movable,
    )
    labels = {
        "load": say("measured"), "own production": own_label, "green share of the grid": green_label,
        "price": price_label, "carbon": carbon_label, "facility energy per work": supply.marginal.source,
        "workload": say("not declared: no work moves") if work is None else work.source,
        "battery": say("none") if site.battery is None else site.battery.source,
    }  # fmt: skip
    lever = "it_power_kw" if supply.it is not None else "facility_power_kw"
    return SiteCase(site, dispatch, source.telemetry.zone, known, supply.marginal, labels, lever)


def _refuse_gaps(site_id: str, known: BoolArray) -> None:
    if known.mean() < LEAST_MEASURED:
        raise InsufficientDataError(
            "E-PLAN-GAPS",
            say("{count} of {all} steps lack load, own production or green share", count=int((~known).sum()),
                all=len(known)),
            site_id, say("choose a window that the exports and the grid file cover"),
        )  # fmt: skip


def _tell_gaps(cases: list[SiteCase], issues: list[DataIssue]) -> None:
    missing = sum(int((~c.counted).sum()) for c in cases)
    if missing:
        issues.append(
            DataIssue(
                "D-PLAN-GAP", "warning", cases[0].site.id,
                say("{count} of {all} steps lack load, own production or green share", count=missing,
                    all=sum(len(c.counted) for c in cases)),
                say("export the missing steps"),
                say("they rest and are in neither baseline nor plan"), missing,
            )
        )  # fmt: skip


def _above_capacity(
    supply: _Series, movable: BoolArray, capacity_kw: float, issues: list[DataIssue]
) -> BoolArray:
    """Return the steps whose measured work exceeds the declared capacity: nothing may move there."""
    work = supply.load if supply.it is None else supply.it
    above = movable & (np.where(movable, work, 0.0) > capacity_kw)
    if above.any():
        issues.append(
            DataIssue(
                "D-PLAN-ABOVE-CAPACITY", "warning", supply.site_id,
                say("{count} steps have more work than it_capacity_kw = {capacity:g}, up to {most:.6g} kW",
                    count=int(above.sum()), capacity=capacity_kw, most=float(work[above].max())),
                say("declare the true capacity"), say("nothing moves in these steps"), int(above.sum()),
            )
        )  # fmt: skip
    return np.asarray(above, dtype=np.bool_)


def _complete(
    values: FloatArray | None, label: str, known: BoolArray, site_id: str, name: str, issues: list[DataIssue]
) -> tuple[FloatArray | None, str]:
    """Return a series that is known wherever the load is, or nothing: a partial sum would mislead."""
    if values is None:
        return None, label
    missing = int((known & ~np.isfinite(values)).sum())
    if missing == 0:
        return np.where(np.isfinite(values), values, 0.0), label
    issues.append(
        DataIssue(
            "D-PLAN-PARTIAL", "warning", site_id,
            say("{name} is missing in {count} steps", name=name, count=missing),
            say("complete the grid file"), say("it is left out altogether"), missing,
        )
    )  # fmt: skip
    return None, say("incomplete: left out")
