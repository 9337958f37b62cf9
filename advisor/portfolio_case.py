"""From a member's telemetry, site definition and grid file to the sites of a dispatch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from advisor.dispatch_site import BoolArray, DispatchSite
from advisor.marginal import Marginal, marginal_of
from advisor.portfolio import Member, Portfolio
from advisor.portfolio_supply import Generation, Horizon, supply_of
from advisor.site import Site
from features.errors import InsufficientDataError, SiteFileError, UnrecognisedError
from features.frame import FloatArray
from features.issues import DataIssue
from features.message import say
from features.telemetry import Telemetry, TimeZone

LEAST_MEASURED = 0.5
"""Below this share of measured steps a site is not planned; of measured stations, a step is left out [1]."""


@dataclass(frozen=True)
class Source:
    """What was read for one member.

    ``grid`` is indexed by UTC stamps and holds some of `GRID_COLUMNS`; ``profiles`` are the tables that the
    site names, by file; ``weather_forecast`` has ``timestamp`` and perhaps ``issued`` (UTC); ``place`` names
    the member's files.
    """

    member: Member
    site: Site
    telemetry: Telemetry
    grid: pd.DataFrame | None
    place: str
    profiles: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    weather_forecast: pd.DataFrame | None = None


@dataclass(frozen=True)
class SiteCase:
    """One site ready to be planned.

    Parameters
    ----------
    site : Site
    dispatch : DispatchSite
    zone : TimeZone
    generation : tuple of Generation
        What `dispatch.own_kw` adds up, in the order in which it is used.
    counted : numpy.ndarray of bool, shape (n,)
        Steps whose load, own production and grid share are known; others rest and are in no sum.
    marginal : Marginal
    labels : dict
        Quantity -> where it comes from: measured, published, modelled or assumed.
    work_lever : str
        Canonical column of the work that may move.
    cooling_kw : numpy.ndarray or None, shape (n,)
        Measured cooling power [kW].
    """

    site: Site
    dispatch: DispatchSite
    zone: TimeZone
    generation: tuple[Generation, ...]
    counted: BoolArray
    marginal: Marginal
    labels: dict[str, str]
    work_lever: str
    cooling_kw: FloatArray | None = None


@dataclass
class _Series:
    """Hourly series of one supply [kW]; NaN where not measured."""

    site_id: str
    load: FloatArray
    it: FloatArray | None = None
    pv: FloatArray | None = None
    cooling: FloatArray | None = None
    water_m3: FloatArray | None = None
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
    cases = [_case(source, s, horizon, issues) for s in supplies]
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
    past = np.ones(len(rows), dtype=np.bool_)
    if horizon.learned_before is not None:
        past = np.asarray(rows.index < horizon.learned_before)
    hour = local.hour.to_numpy(dtype=np.float64)
    weather = rows.reindex(horizon.stamps)
    marginal = marginal_of(rows[past], hour[past], day[past], horizon.stamps, weather)
    inside = rows.reindex(horizon.stamps)

    def measured(name: str) -> FloatArray | None:
        known = name in rows and rows[name].notna().any()
        return inside[name].to_numpy(dtype=np.float64) if known else None

    return _Series(
        site.id, inside["facility_power_kw"].to_numpy(), inside["it_power_kw"].to_numpy(),
        measured("pv_power_kw"), measured("cooling_power_kw"), measured("water_m3"), marginal,
    )  # fmt: skip


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


def _case(source: Source, series: _Series, horizon: Horizon, issues: list[DataIssue]) -> SiteCase:
    site, work, zone = source.site, source.site.workload, source.telemetry.zone
    supply = supply_of(site, source.telemetry, source.grid, source.profiles, horizon, series.pv, source.place)
    own, name = supply.own_kw, series.site_id
    known = np.isfinite(series.load) & np.isfinite(own) & np.isfinite(supply.non_green)
    _refuse_gaps(name, known)
    labels = dict(supply.labels)
    kept = {"price": supply.price_per_kwh, "carbon": supply.carbon_g_per_kwh, "water": series.water_m3}
    labels["water"] = say("measured; it follows the work") if series.water_m3 is not None else say("no meter")
    for what, column in {"price": "price_per_kwh", "carbon": "carbon_g_per_kwh", "water": "water_m3"}.items():
        kept[what], labels[what] = _complete(kept[what], labels[what], known, name, column, issues)
    movable = known if series.it is None else known & np.isfinite(series.it)
    if work is not None:
        movable = movable & ~_above_capacity(series, movable, work.it_capacity_kw, issues)
    load = np.where(known, series.load, 0.0)
    it = None if series.it is None else np.where(np.isfinite(series.it), series.it, 0.0)
    price, limit, paid = _responding(site, kept["price"], load - np.where(known, own, 0.0), horizon, zone)
    water = kept["water"]
    per_kwh = (
        0.0
        if water is None
        else float(water.sum() / max(horizon.hours * (load if it is None else it).sum(), 1e-9))
    )
    dispatch = DispatchSite(
        name,
        load,
        np.where(known, own, 0.0),
        np.where(known, supply.non_green, 0.0),
        it_kw=it,
        marginal=series.marginal.over(len(known)),
        flexible_share=0.0 if work is None else work.flexible_share,
        it_capacity_kw=np.inf if work is None else work.it_capacity_kw,
        battery=site.battery,
        price_per_kwh=price,
        carbon_g_per_kwh=kept["carbon"],
        day=None if horizon.zone is not None else horizon.day_in(zone),
        frozen=~movable,
        grid_max_kw=limit,
        peak=supply.peak if price is not None else None,
        fixed_cost=supply.contracted_cost - paid if price is not None else 0.0,
        water_m3=water,
        water_m3_per_kwh=None if water is None else np.full(len(known), per_kwh),
    )
    labels |= {
        "load": say("measured"), "facility energy per work": series.marginal.source,
        "workload": say("not declared: no work moves") if work is None else work.source,
        "battery": say("none") if site.battery is None else site.battery.source,
    }  # fmt: skip
    lever = "it_power_kw" if series.it is not None else "facility_power_kw"
    parts = tuple(replace(g, kw=np.where(known, g.kw, 0.0)) for g in supply.generation)
    cooling = None if series.cooling is None else np.where(known, np.nan_to_num(series.cooling), 0.0)
    return SiteCase(site, dispatch, zone, parts, known, series.marginal, labels, lever, cooling)


def _responding(
    site: Site, price: FloatArray | None, bought_kw: FloatArray, horizon: Horizon, zone: TimeZone
) -> tuple[FloatArray | None, FloatArray | None, float]:
    """Return prices with what events pay, the most that may be purchased, and what events pay at most.

    An event pays for every kWh that is purchased less than without a plan: that is a higher price in its
    steps and a fixed sum for what would have been purchased [currency].
    """
    limit = None
    if site.connection is not None:
        limit = np.full(len(horizon.stamps), site.connection.grid_max_kw)
    paid = 0.0
    for event in site.demand_response:
        inside = event.holds(horizon.stamps, zone)
        if event.limit_kw is not None and inside.any():
            limit = np.full(len(inside), np.inf) if limit is None else limit
            limit = np.where(inside, np.minimum(limit, event.limit_kw), limit)
        if price is not None and event.pay_per_kwh > 0:
            price = price + event.pay_per_kwh * inside
            paid += horizon.hours * event.pay_per_kwh * float(np.maximum(bought_kw, 0.0)[inside].sum())
    if limit is not None:
        limit = np.minimum(limit, 1e3 * max(float(np.abs(bought_kw).max()), 1.0))  # bounded for the solver
    return price, limit, paid


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
    series: _Series, movable: BoolArray, capacity_kw: float, issues: list[DataIssue]
) -> BoolArray:
    """Return the steps whose measured work exceeds the declared capacity: nothing may move there."""
    work = series.load if series.it is None else series.it
    above = movable & (np.where(movable, work, 0.0) > capacity_kw)
    if above.any():
        issues.append(
            DataIssue(
                "D-PLAN-ABOVE-CAPACITY", "warning", series.site_id,
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
