"""What a data centre can do besides moving set-points, and all of it together.

Servers, photovoltaics, battery and movable work come from ``site.toml``; what is not declared there is not
advised on. Every action is scored alone, after those ranked above it, and the kept ones together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from advisor.chip_catalogue import load_hardware
from advisor.chips import ChipPlan, plan_chips
from advisor.combine import Ranked, combine
from advisor.marginal import Marginal, marginal_of
from advisor.plan import Recommendation, Saving, Totals, VerifiedPlan
from advisor.site import Site
from advisor.site_energy import ASSETS, Grid, Levers, SiteEnergy, Supply
from advisor.site_words import asset_entry, servers_entry
from advisor.solar import pv_per_kw
from features.frame import FloatArray
from features.issues import DataIssue
from features.message import Message, say
from features.operation import Operation
from features.telemetry import Telemetry
from models.site_scorer import SiteScorer

LEAST_DAYS = 2
ASSET_NAMES: dict[str, str] = {
    "pv": say("more photovoltaics"),
    "battery": say("storing surplus in the battery"),
    "shift": say("moving work within the day"),
}


@dataclass(frozen=True)
class Together:
    """All actions of a site.

    Parameters
    ----------
    recommendations : tuple of Recommendation
        Ranked; what is not proven comes last.
    kept_levers : frozenset of str
        Set-points that are moved; others of the plan stay where they are.
    baseline, planned : Totals
    saving : Saving
        Of all kept actions, scored as one.
    issues : tuple of DataIssue
    """

    recommendations: tuple[Recommendation, ...]
    kept_levers: frozenset[str]
    baseline: Totals
    planned: Totals
    saving: Saving
    issues: tuple[DataIssue, ...]


def has_more(site: Site) -> bool:
    """Whether the site declares anything besides set-points that could be acted on."""
    return bool(site.servers) or any(x is not None for x in (site.pv, site.battery, site.workload))


def together(
    verified: VerifiedPlan,
    entries: tuple[Recommendation, ...],
    operation: Operation,
    site: Site,
    scorer: SiteScorer | None,
    telemetry: Telemetry,
    cited: Callable[[str], tuple[str, ...]],
    *,
    most: int,
    seed: int,
) -> Together | None:
    """Score set-points, servers, photovoltaics, battery and movable work as one.

    Parameters
    ----------
    verified : VerifiedPlan
        Set-points, as verified on their own.
    entries : tuple of Recommendation
        Their recommendations.
    operation : Operation
        The window, as measured.
    site : Site
    scorer : SiteScorer or None
    telemetry : Telemetry
        Gives local time, and prices and factors where they are exported.
    cited : callable
        Word of `advisor.measure.ACTIONS` -> ids of the measures that it answers.
    most : int
        At most this many actions.
    seed : int

    Returns
    -------
    Together or None
        None where less than `LEAST_DAYS` days of the window are fully measured.
    """
    window = operation.rows(operation.usable)
    if len(window) * window.hours < 24 * LEAST_DAYS:
        return None
    issues: list[DataIssue] = []
    chips = (
        plan_chips(
            site.servers,
            load_hardware(),
            site.hardware_prices,
            seed=seed,
            price_per_kwh=site.price_per_kwh,
            carbon_kg_per_kwh=site.carbon_kg_per_kwh,
        )
        if site.servers
        else None
    )
    if chips is not None and not _fits(chips, window):
        issues.append(_too_large(chips, window, site.id))
        chips = None
    energy = _energy(verified, entries, window, site, scorer, telemetry, chips, seed, issues)
    names = [f"set:{n}" for n in energy.levers.planned] + list(energy.servers) + _assets(energy, site, issues)
    combined = combine(names, energy.outcome, most=most, needs=_needs(chips, energy, names))
    if combined.left_out:
        issues.append(_left_out(combined.left_out, site.id, chips))
    ranked = tuple(_entry(r, entries, chips, energy, site, cited) for r in combined.ranked)
    doubtful = tuple(e for e in entries if e.verdict != "supported" and (e.verdict != "hold" or not ranked))
    return Together(
        (*ranked, *doubtful),
        frozenset(r.id.removeprefix("set:") for r in combined.ranked if r.id.startswith("set:")),
        combined.baseline,
        combined.planned,
        combined.total,
        tuple(issues),
    )


def _fits(chips: ChipPlan, window: Operation) -> bool:
    """Whether the declared servers need no more than all that was measured."""
    return chips.it_before_kw.lower <= float(window.it_kw.mean())


def _too_large(chips: ChipPlan, window: Operation, site_id: str) -> DataIssue:
    return DataIssue(
        "D-SERVERS-POWER",
        "error",
        site_id,
        say(
            "the declared servers need {least:.0f} kW at least, {measured:.0f} kW of IT power were measured",
            least=chips.it_before_kw.lower,
            measured=float(window.it_kw.mean()),
        ),
        say("correct count, model or utilisation of [[servers]] in site.toml, or declare measured watts"),
        say("nothing is advised on servers"),
    )


def _energy(
    verified: VerifiedPlan,
    entries: tuple[Recommendation, ...],
    window: Operation,
    site: Site,
    scorer: SiteScorer | None,
    telemetry: Telemetry,
    chips: ChipPlan | None,
    seed: int,
    issues: list[DataIssue],
) -> SiteEnergy:
    local = telemetry.local(window.stamps)
    day = (local.tz_localize(None).normalize() - pd.Timestamp(0)).days.to_numpy().astype(np.int64)
    return SiteEnergy(
        window,
        scorer,
        _levers(verified, entries, window),
        {} if chips is None else {a.id: a.it_saving_kw for a in chips.actions},
        _supply(site, window, telemetry, issues),
        grid_of(site, window, telemetry),
        day,
        None if scorer is not None else _marginal(window, telemetry),
        seed,
    )


def _marginal(window: Operation, telemetry: Telemetry) -> Marginal:
    """Return what the export itself says of facility power per IT power."""
    series = telemetry.site_series(window.site_id)
    local = telemetry.local(pd.DatetimeIndex(series.index))
    return marginal_of(
        series,
        local.hour.to_numpy().astype(np.float64),
        local.dayofyear.to_numpy().astype(np.float64) + 366.0 * local.year.to_numpy(),
        window.stamps,
    )


def _levers(verified: VerifiedPlan, entries: tuple[Recommendation, ...], window: Operation) -> Levers:
    table = verified.plan.schedule.pivot_table(
        index="timestamp", columns="lever", values=["current", "recommended"]
    ).reindex(window.stamps)
    supported = {e.lever for e in entries if e.verdict == "supported"}
    current = {
        n: table["current"][n].to_numpy(dtype=np.float64) for n in window.levers if n in table["current"]
    }
    planned = {n: table["recommended"][n].to_numpy(dtype=np.float64) for n in current if n in supported}
    pair = verified.proposer_saving_pct, verified.scorer_saving_pct
    quarrel = 0.0 if pair[0] is None or pair[1] is None else abs(pair[0] - pair[1]) / 2
    return Levers(current, planned, quarrel)


def _exported(telemetry: Telemetry, window: Operation, name: str) -> FloatArray | None:
    """Return an exported series on the window's steps, if it is there without gaps."""
    series = telemetry.site_series(window.site_id)
    if name not in series:
        return None
    values = series[name].reindex(window.stamps).to_numpy(dtype=np.float64)
    return values if bool(np.isfinite(values).all()) else None


def grid_of(site: Site, window: Operation, telemetry: Telemetry) -> Grid:
    """Return what a purchased kWh is in every step: as exported, else as declared, else unknown."""

    def of(name: str, declared: float | None, factor: float = 1.0) -> FloatArray | None:
        exported = _exported(telemetry, window, name)
        if exported is not None:
            return exported * factor
        return None if declared is None else np.full(len(window), declared)

    green = of("green_share", site.green.grid_share if site.green else None)
    return Grid(
        None if green is None else 1.0 - green,
        of("price_per_kwh", site.price_per_kwh),
        of("carbon_g_per_kwh", site.carbon_kg_per_kwh, 1e-3),
    )


def _supply(site: Site, window: Operation, telemetry: Telemetry, issues: list[DataIssue]) -> Supply:
    exported = _exported(telemetry, window, "pv_power_kw")
    own = np.zeros(len(window)) if exported is None else exported
    shape, added = None, None
    if site.pv is not None:
        if exported is not None and site.pv.kw_peak > 0:
            shape = exported / site.pv.kw_peak
        else:
            shape = pv_per_kw(window.stamps, window.hours, site.pv)
        if shape is None:
            issues.append(
                DataIssue(
                    "D-PV-SHAPE",
                    "info",
                    site.id,
                    say("photovoltaics are declared, but neither exported nor placed on the map"),
                    say("export pv_power_kw, or declare latitude, longitude and yearly yield under [pv]"),
                    say("nothing is advised on photovoltaics"),
                )
            )
        elif exported is None:
            own = shape * site.pv.kw_peak
    if shape is not None and site.pv is not None and site.pv.kw_peak_max is not None:
        added = shape * (site.pv.kw_peak_max - site.pv.kw_peak)
    work = site.workload
    return Supply(
        own,
        added,
        site.battery,
        0.0 if work is None else work.flexible_share,
        np.inf if work is None else work.it_capacity_kw,
    )


def _needs(chips: ChipPlan | None, energy: SiteEnergy, names: list[str]) -> dict[str, frozenset[str]]:
    """Return action -> those that must come before it.

    What servers save is booked after the earlier steps on the same servers; where what stands never
    produces a surplus, there is nothing to store before more is built.
    """
    actions = () if chips is None else chips.actions
    needs = {
        a.id: frozenset(b.id for b in actions[:place] if b.pool == a.pool) for place, a in enumerate(actions)
    }
    if "pv" in names and not bool((energy.supply.own_kw > energy.window.facility_kw).any()):
        needs["battery"] = frozenset({"pv"})
    return needs


def _assets(energy: SiteEnergy, site: Site, issues: list[DataIssue]) -> list[str]:
    """Return the assets that can be acted on."""
    can = {
        "pv": energy.supply.added_kw is not None and bool((energy.supply.added_kw > 0).any()),
        "battery": energy.supply.battery is not None,
        "shift": energy.supply.flexible_share > 0,
    }
    found = [name for name in ASSETS if can[name]]
    if found and energy.grid.non_green is None:
        issues.append(
            DataIssue(
                "D-GREEN-UNKNOWN",
                "info",
                site.id,
                say("it is not declared how green the purchased energy is"),
                say("declare [green] grid_share in site.toml, or export green_share"),
                say("nothing is advised on photovoltaics, battery and movable work"),
            )
        )
        return []
    return found


def _left_out(left: tuple[Ranked, ...], site_id: str, chips: ChipPlan | None) -> DataIssue:
    named = ASSET_NAMES | ({} if chips is None else {a.id: a.sentence for a in chips.actions})
    names = Message.joined("; ", [named.get(r.id, r.id.removeprefix("set:")) for r in left])
    return DataIssue(
        "D-MORE-ACTIONS",
        "info",
        site_id,
        say(
            "{count} more actions add little or nothing to the others: {names}", count=len(left), names=names
        ),
        say("carry out the first ones, then advise again; or ask for more actions"),
        say("they are neither commanded nor counted"),
    )


def _entry(
    ranked: Ranked,
    entries: tuple[Recommendation, ...],
    chips: ChipPlan | None,
    energy: SiteEnergy,
    site: Site,
    cited: Callable[[str], tuple[str, ...]],
) -> Recommendation:
    if ranked.id.startswith("set:"):
        lever = ranked.id.removeprefix("set:")
        entry = next(e for e in entries if e.lever == lever)
        return replace(entry, saving=ranked.alone, saving_after_higher_ranked=ranked.after)
    if chips is not None and ranked.id in energy.servers:
        return servers_entry(chips, ranked, energy, site, cited)
    return asset_entry(ranked, energy, site, cited)
