"""How each kind of retrofit is judged at one site: what identifies it, or what is missing.

Every family takes a retrofit and what the site's data tell, and gives savings per hour at the three sides of
the parameters' ranges, or the reason why it cannot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from advisor.catalogue import Envelope
from advisor.retrofit_air import Pair, Warmer, can_warm, excess_k, fan_saving_kw, rise_k, warmed, warmer_k
from advisor.retrofit_entry import Retrofit, Side
from advisor.retrofit_free import Effect, evaporative_direct, evaporative_indirect, water_economiser
from advisor.retrofit_plant import Plant
from advisor.retrofit_words import RetrofitVerdict
from features.frame import FloatArray
from features.message import Message, say

SIDES: tuple[Side, Side, Side] = ("worst", "point", "best")


@dataclass(frozen=True)
class Estimate:
    """Savings per hour at the three sides of the parameters, shape (n,), and what is said of them.

    ``sd_kwh`` [kWh]: doubt of the models; ``bound_kwh`` [kWh]: cooling energy of the hours concerned.
    """

    saved_kw: dict[Side, FloatArray]
    water_m3: dict[Side, FloatArray] | None
    works: FloatArray
    sd_kwh: float
    bound_kwh: float
    reasons: tuple[str, ...]
    evidence: tuple[str, ...]
    to_measure: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """Why a retrofit is not assessed, or not again; and what to measure."""

    reason: Message
    to_measure: tuple[str, ...] = ()
    verdict: RetrofitVerdict = "not assessed"


@dataclass(frozen=True)
class Judge:
    """What every retrofit of one site is judged by."""

    plant: Plant
    pair: Pair | None
    envelope: Envelope


Told = Estimate | Refusal


def judged(retrofit: Retrofit, judge: Judge) -> Told:
    """Return what a retrofit does at the site, or why it is not assessed (all kinds but control)."""
    return _FAMILIES[retrofit.mechanism](retrofit, judge)


# -- heat without compressors --------------------------------------------------------------------
def _mechanical_missing() -> Refusal:
    return Refusal(
        say("compressor power cannot be told from fans and pumps: it is not metered apart"),
        (say("export chiller_power_kw or dx_power_kw (or fans, pumps and tower fans, all three)"),),
    )


def _evaporative(retrofit: Retrofit, judge: Judge) -> Estimate | Refusal:
    plant = judge.plant
    if plant.evaporates:
        return Refusal(say("evaporative coolers are metered and run at this site"), (), "already there")
    if not plant.humid:
        return Refusal(
            say("the export holds no humidity of the outdoor air"),
            (say("export outdoor_wet_bulb_c or outdoor_rh_pct"),),
        )
    if plant.mechanical_kw is None:
        return _mechanical_missing()
    if plant.supply_c is None or plant.room_c is None:
        return Refusal(
            say("it is unknown which air the servers need: supply and room air are not exported"),
            (say("export supply_air_temp_c and room_air_temp_c"),),
        )

    def effect(side: Side) -> Effect:
        if retrofit.mechanism == "evaporative-direct":
            return evaporative_direct(plant, retrofit, side, judge.envelope)
        return evaporative_indirect(plant, retrofit, side)

    return _free(plant, effect)


def _economiser(retrofit: Retrofit, judge: Judge) -> Estimate | Refusal:
    plant = judge.plant
    if plant.cools_free:
        return Refusal(
            say(
                "the data show free cooling of some kind already: compressors stood still in {share:.0f} % "
                "of the hours",
                share=100 * float(plant.off.mean()),
            ),
            (),
            "already there",
        )
    if not plant.humid:
        return Refusal(
            say("the export holds no humidity of the outdoor air"),
            (say("export outdoor_wet_bulb_c or outdoor_rh_pct"),),
        )
    if plant.chilled_c is None:
        return Refusal(
            say("no chilled water is exported: the retrofit needs a chilled-water plant"),
            (say("export chilled_water_set_point_c or chilled_water_supply_temp_c"),),
        )
    if plant.chiller_kw is None:
        return _mechanical_missing()
    return _free(plant, lambda side: water_economiser(plant, retrofit, side))


def _free(plant: Plant, effect: Callable[[Side], Effect]) -> Estimate:
    effects = {side: effect(side) for side in SIDES}
    point = effects["point"]
    works = np.where(point.share > 0, 1.0, 0.0)
    touched = effects["best"].share > 0
    known = {s: e.water_m3 for s, e in effects.items() if e.water_m3 is not None}
    whole = float((point.share >= 1.0).sum()) * plant.hours
    reasons: list[Message] = [
        say(
            "heat goes without compressors in {whole:,.0f} hours in full and in {part:,.0f} in part, by the "
            "wet bulb of each hour; its own fans and pumps are taken off",
            whole=whole,
            part=float(works.sum()) * plant.hours - whole,
        )
    ]
    if plant.cools_free:
        reasons.append(
            say(
                "compressors stood still in {share:.0f} % of the hours already: only the others can gain",
                share=100 * float(plant.off.mean()),
            )
        )
    if len(known) < len(effects):
        reasons.append(say("its effect on water is unknown: water is not metered"))
    columns = Message.joined(", ", plant.mechanical_source)
    return Estimate(
        {side: e.saved_kw for side, e in effects.items()},
        known if len(known) == len(effects) else None,
        works,
        plant.mechanical_sd * float(point.saved_kw.sum()) * plant.hours,
        float(plant.cooling_kw[touched].sum()) * plant.hours,
        tuple(reasons),
        (say("compressor power of every hour from {columns}", columns=columns),),
    )


# -- the room's air ------------------------------------------------------------------------------
def _air(retrofit: Retrofit, judge: Judge) -> Estimate | Refusal:
    plant = judge.plant
    warm = _warmer(retrofit, judge)
    fans = None if plant.fan_kw is None else {s: _fans(retrofit, plant, plant.fan_kw, s) for s in SIDES}
    missing: list[Message] = []
    seen = plant.inlet_c is not None and plant.supply_c is not None
    if seen and not plant.inlet_follows:
        missing.append(
            say("export supply air and hottest inlet of the same room: this inlet does not follow")
        )
    elif excess_k(plant) is None:
        missing.append(
            say("export server_inlet_temp_c and supply_air_temp_c: recirculation is read from them")
        )
    elif judge.pair is None:
        missing.append(say("carry out the planned test of the set-points: it tells what warmer air saves"))
    if fans is None:
        missing.append(say("export fan_power_kw: fan power is saved too"))
    if warm is None and fans is None:
        return Refusal(
            say("neither the recirculation at the inlets nor the power of the room's fans can be read"),
            tuple(missing),
        )
    zero = np.zeros(len(plant.it_kw))
    saved = {
        s: np.minimum((warm[s].saved_kw if warm else zero) + (fans[s] if fans else zero), plant.cooling_kw)
        for s in SIDES
    }
    sd = 0.0 if warm is None else warm["point"].sd_kw * len(plant.it_kw) * plant.hours
    return Estimate(
        saved,
        None,
        np.ones(len(plant.it_kw)),
        sd,
        float(plant.cooling_kw.sum()) * plant.hours,
        (*_warm_words(retrofit, plant, warm), *_fan_words(retrofit, plant, fans)),
        tuple(_air_evidence(plant, warm is not None, fans is not None)),
        tuple(missing),
    )


def _fans(retrofit: Retrofit, plant: Plant, fan_kw: FloatArray, side: Side) -> FloatArray:
    if retrofit.mechanism == "containment":
        return fan_saving_kw(fan_kw, retrofit.value("airflow_reduction", side))
    return fan_kw - retrofit.value("fan_kw_per_kw", side) * plant.it_kw


def _warmer(retrofit: Retrofit, judge: Judge) -> dict[Side, Warmer] | None:
    if excess_k(judge.plant) is None or judge.pair is None or not can_warm(judge.plant, judge.pair):
        return None
    pair = judge.pair
    return {s: warmed(judge.plant, pair, warmer_k(judge.plant, retrofit, s)) for s in SIDES}


def _warm_words(retrofit: Retrofit, plant: Plant, warm: dict[Side, Warmer] | None) -> tuple[Message, ...]:
    excess = excess_k(plant)
    if warm is None or excess is None:
        return ()
    moved = [warm[s].moved_k for s in SIDES]
    said = say(
        "the hottest inlet lies {excess:.1f} K above the supply air, {share:.0f} % of the servers' rise; "
        "with less of it, air and water may be {point:.1f} K warmer ({low:.1f} to {high:.1f}) at the same "
        "inlet, and IT power stays",
        excess=excess,
        share=100 * excess / max(rise_k(plant, retrofit, "point"), 1e-9),
        point=moved[1],
        low=min(moved),
        high=max(moved),
    )
    if not any(w.bounded for w in warm.values()):
        return (said,)
    return said, say("the move was cut at the warmest set-point that the export explored")


def _fan_words(retrofit: Retrofit, plant: Plant, fans: dict[Side, FloatArray] | None) -> tuple[Message, ...]:
    if fans is None or plant.fan_kw is None:
        return ()
    now, less = float(plant.fan_kw.mean()), float(fans["point"].mean())
    if retrofit.mechanism == "containment":
        return (
            say(
                "less bypass: the room's fans of {now:.1f} kW need {less:.1f} kW less by the cube law",
                now=now,
                less=less,
            ),
        )
    return (say("fans in the rows need {less:.1f} kW less than the room's {now:.1f} kW", now=now, less=less),)


def _air_evidence(plant: Plant, warm: bool, fans: bool) -> list[Message]:
    found = []
    if warm:
        room = say("measured") if plant.room_c is not None else say("of the catalogue's range")
        found.append(say("inlet and supply air of every hour; the servers' rise is {room}", room=room))
        found.append(
            say("what a warmer supply saves: fitted on this site's cooling without the room's fans, IT held")
            if fans
            else say("what warmer water saves at the same air: mean of both models of the site, IT held")
        )
    if fans:
        found.append(say("metered fan power"))
    return found


_FAMILIES: dict[str, Callable[[Retrofit, Judge], Estimate | Refusal]] = {
    "evaporative-direct": _evaporative,
    "evaporative-indirect": _evaporative,
    "water-economiser": _economiser,
    "containment": _air,
    "in-row": _air,
}
