"""Retrofits that official papers name, judged by the site's own plant: never a flat percentage.

Each retrofit of the catalogue (``advisor/retrofits/*.toml``) is worked out hour by hour over the export, at
the set-points in force (`advisor.retrofit_plant`). Where the data do not tell, it is not assessed, and what
to measure is said. The interval pairs all parameters at the ends of their ranges with the models' doubt. A
saving is indicative at most: an export cannot prove what is not built, so no total and no plan holds one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from advisor.catalogue import Envelope, load_limits, load_retrofits
from advisor.measure import Measure
from advisor.plan import Z90, Interval, Saving, VerifiedPlan
from advisor.retrofit_air import Pair
from advisor.retrofit_control import Controlled, control_effect
from advisor.retrofit_entry import Retrofit
from advisor.retrofit_judge import SIDES, Estimate, Judge, Refusal, judged
from advisor.retrofit_plant import Plant, plant_of
from advisor.retrofit_words import Assessed, RetrofitVerdict
from advisor.site import RetrofitTerms, Site
from advisor.site_actions import grid_of
from advisor.site_energy import Grid
from advisor.site_words import HOURS_PER_YEAR, LEAST_YEAR_SHARE
from features.frame import FloatArray
from features.issues import DataIssue
from features.message import Message, say
from features.operation import Operation
from features.telemetry import Telemetry
from models.data_centre import WhatIf

WORTH_PCT = 0.1
"""A smaller saving is not worth building for [% of facility energy]."""
STANDARD, STANDARD_CLASS = "ashrae-tc99-2021", "A1"


def assess_retrofits(
    telemetry: Telemetry,
    operation: Operation,
    site: Site,
    what_if: WhatIf,
    verified: VerifiedPlan,
    measures: tuple[Measure, ...],
    current: Mapping[str, float],
    seed: int = 0,
) -> tuple[tuple[Assessed, ...], tuple[DataIssue, ...]]:
    """Judge every retrofit of the catalogue at one data centre.

    Parameters
    ----------
    telemetry : Telemetry
    operation : Operation
        The whole export: a retrofit stands longer than a window.
    site : Site
        Tariff, factors, what stands already, investments.
    what_if : WhatIf
        The two models of the levers.
    verified : VerifiedPlan
        The plan of set-points: what control that follows the seasons adds is read from it.
    measures : tuple of Measure
    current : mapping
        Lever -> set-point in force [degC].
    seed : int

    Returns
    -------
    tuple of Assessed, tuple of DataIssue
        The largest indicative saving first; what is not assessed comes last.
    """
    catalogue = load_retrofits()
    issues = _unknown(site, tuple(r.id for r in catalogue))
    series = telemetry.site_series(operation.site_id)
    plant = plant_of(operation, series, dict(current), what_if.proposer, seed)
    if plant is None:
        return (), issues
    pv = series["pv_power_kw"].reindex(plant.operation.stamps) if "pv_power_kw" in series else None
    grid = _bought(grid_of(site, plant.operation, telemetry), plant, pv)
    judge = Judge(plant, _pair(what_if, current, operation), _envelope())
    control = control_effect(verified, what_if, operation)
    on, country = telemetry.span[1].date(), site.country or None

    def cited(retrofit: Retrofit) -> tuple[str, ...]:
        return tuple(
            m.id
            for m in measures
            if "data-centre" in m.applies_to
            and (m.id in retrofit.measures or set(m.actions) & set(retrofit.answers))
            and m.state(on) != "not yet in force"
            and (country is None or m.concerns(country))
        )

    told = []
    for r in catalogue:
        terms = site.retrofits.get(r.id, RetrofitTerms())
        if terms.installed:
            told.append(Assessed(r, "already there", cited(r), (say("declared as installed in site.toml"),)))
        elif r.mechanism == "control":
            told.append(_controlled(r, control, grid, terms, cited(r)))
        else:
            told.append(_assessed(r, judge, grid, terms, cited(r)))
    return tuple(sorted(told, key=_rank)), issues


def _rank(a: Assessed) -> tuple[int, float]:
    order = ("indicative", "not worthwhile here", "already there", "not assessed")
    energy = None if a.saving is None else a.saving.energy_kwh
    return order.index(a.verdict), 0.0 if energy is None else -energy.point


def _unknown(site: Site, known: tuple[str, ...]) -> tuple[DataIssue, ...]:
    wrong = [name for name in site.retrofits if name not in known]
    if not wrong:
        return ()
    return (
        DataIssue(
            "D-RETROFIT-UNKNOWN",
            "warning",
            site.id,
            say("the catalogue holds no retrofit named {names}", names=Message.joined(", ", wrong)),
            say("correct [retrofits] in site.toml; known are {known}", known=Message.joined(", ", known)),
            say("what is declared there is not used"),
        ),
    )


def _envelope() -> Envelope:
    standard = next(s for s in load_limits() if s.id == STANDARD)
    return standard.equipment_class(STANDARD_CLASS).recommended


def _bought(grid: Grid, plant: Plant, pv_kw: pd.Series | None) -> dict[str, FloatArray]:
    """Return quantity -> its amount per saved kWh in every hour: own surplus is not bought."""
    own = np.zeros(len(plant.it_kw)) if pv_kw is None else np.nan_to_num(pv_kw.to_numpy(dtype=np.float64))
    buys = np.where(plant.facility_kw > own, 1.0, 0.0)
    return {name: values * buys for name, values in grid.priced().items()}


def _pair(what_if: WhatIf, current: Mapping[str, float], operation: Operation) -> Pair | None:
    """Return the two models and the levers whose range they know; None where no lever was identified."""
    if what_if.proposer is None or what_if.scorer is None:
        return None
    explored = {
        n: (float(what_if.evidence[n]["low_c"]), float(what_if.evidence[n]["high_c"]))
        for n in what_if.levers
        if n in operation.levers and n in current
    }
    if not explored or set(explored) != set(what_if.levers):
        return None
    return Pair(what_if.proposer, what_if.scorer, {n: current[n] for n in explored}, explored)


# -- one retrofit --------------------------------------------------------------------------------
def _assessed(
    retrofit: Retrofit,
    judge: Judge,
    per_kwh: dict[str, FloatArray],
    terms: RetrofitTerms,
    measures: tuple[str, ...],
) -> Assessed:
    told = judged(retrofit, judge)
    if isinstance(told, Refusal):
        return Assessed(retrofit, told.verdict, measures, (told.reason,), (), told.to_measure)
    plant = judge.plant
    spans = {side: float(told.saved_kw[side].sum()) * plant.hours for side in SIDES}
    energy = interval_of(spans["worst"], spans["point"], spans["best"], told.sd_kwh, told.bound_kwh)
    saved = told.saved_kw["point"]
    factors = {
        name: float((saved * values).sum() / saved.sum()) if saved.sum() > 0 else float(values.mean())
        for name, values in per_kwh.items()
    }
    saving = _saving(energy, plant.energy_kwh, factors)
    return _with_money(
        Assessed(
            retrofit,
            _verdict(saving),
            measures,
            told.reasons,
            (*told.evidence, _basis(plant)),
            told.to_measure,
            saving,
            *_pue(plant.energy_kwh, float(plant.it_kw.sum()) * plant.hours, energy.point),
            water_m3=_water(told),
            hours=len(plant.it_kw) * plant.hours,
            working_hours=float(told.works.sum()) * plant.hours,
        ),
        terms,
    )


def interval_of(worst: float, point: float, best: float, sd: float, bound: float) -> Interval:
    """Return the interval of a saving [kWh]: ranges of the parameters and the models' doubt, never beyond.

    Parameters
    ----------
    worst, point, best : float
        With every parameter at the end that saves least, at its point, and at the end that saves most.
    sd : float
        Standard deviation of what the models say.
    bound : float
        The cooling energy of the hours concerned: more cannot be saved.
    """
    low = point - float(np.hypot(max(point - worst, 0.0), Z90 * sd))
    high = point + float(np.hypot(max(best - point, 0.0), Z90 * sd))
    return Interval(min(low, bound), min(point, bound), min(high, bound))


def _verdict(saving: Saving) -> RetrofitVerdict:
    share = saving.energy_pct
    return "indicative" if share is not None and share.point > WORTH_PCT else "not worthwhile here"


def _saving(energy: Interval, base_kwh: float, factors: Mapping[str, float]) -> Saving:
    def of(name: str) -> Interval | None:
        return energy.scaled(factors[name]) if factors.get(name, -1.0) >= 0 else None

    share = energy.scaled(100.0 / base_kwh)
    return Saving(energy, share, of("non_green_kwh"), of("cost"), of("carbon_kg"))


def _pue(facility_kwh: float, it_kwh: float, saved_kwh: float) -> tuple[float, float]:
    return facility_kwh / it_kwh, (facility_kwh - saved_kwh) / it_kwh


def _water(told: Estimate) -> Interval | None:
    if told.water_m3 is None:
        return None
    sums = sorted(float(values.sum()) for values in told.water_m3.values())
    return Interval(sums[0], float(told.water_m3["point"].sum()), sums[-1])


def _with_money(a: Assessed, terms: RetrofitTerms) -> Assessed:
    """Return the assessment with investment and payback, where declared."""
    energy = None if a.saving is None else a.saving.energy_kwh
    if a.verdict == "indicative" and energy is not None and energy.lower <= 0:
        a = replace(a, reasons=(*a.reasons, say("within the ranges at hand it may also save nothing")))
    if terms.investment is None:
        told = say(
            "cost not declared: give investment under [{table}] in site.toml",
            table=f"retrofits.{a.retrofit.id}",
        )
        return replace(a, reasons=(*a.reasons, told))
    a = replace(a, investment=terms.investment)
    cost = None if a.saving is None else a.saving.cost
    share = (a.hours or 0.0) / HOURS_PER_YEAR
    if cost is None:
        return replace(a, reasons=(*a.reasons, say("no payback is told: no price of energy is declared")))
    if share < LEAST_YEAR_SHARE:
        told = say("no payback is told: the window does not cover the seasons of a year")
        return replace(a, reasons=(*a.reasons, told))
    if cost.point <= 0:
        return a
    years = [terms.investment / (v / share) if v > 0 else None for v in (cost.upper, cost.point, cost.lower)]
    spread = None if years[2] is None else Interval(years[0] or 0.0, years[1] or 0.0, years[2])
    return replace(a, payback_years=years[1], payback_range_years=spread)


def _basis(plant: Plant) -> Message:
    days = len(plant.it_kw) * plant.hours / 24
    if plant.at_current:
        return say(
            "judged hour by hour over {days:.0f} days of the export, at the set-points in force", days=days
        )
    return say("judged hour by hour over {days:.0f} days of the export, as it was operated", days=days)


def _controlled(
    retrofit: Retrofit,
    told: Controlled | Message,
    per_kwh: dict[str, FloatArray],
    terms: RetrofitTerms,
    measures: tuple[str, ...],
) -> Assessed:
    if isinstance(told, Message):
        return Assessed(retrofit, "not assessed", measures, (told,))
    energy = interval_of(told.energy_kwh, told.energy_kwh, told.energy_kwh, told.sd_kwh, told.cooling_kwh)
    saving = _saving(energy, told.base_kwh, {n: float(v.mean()) for n, v in per_kwh.items()})
    return _with_money(
        Assessed(
            retrofit,
            _verdict(saving),
            measures,
            told.reasons,
            told.evidence,
            (),
            saving,
            *_pue(told.base_kwh, told.it_kwh, energy.point),
            hours=told.hours,
        ),
        terms,
    )
