"""Heat that goes without compressors: evaporative coolers and the water-side economiser, hour by hour.

Which share of an hour's heat goes free follows from the wet bulb and from the air or water that the site
needs in that hour; the compressor power of the same hour is saved in proportion, fans and pumps of the new
equipment are taken off. A retrofit is used only in hours in which it saves.

Sources: adiabatic saturation and effectiveness, ASHRAE Handbook Fundamentals 2017, chapter 1; power of a
pressure drop = flow x drop / efficiency.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from advisor.catalogue import Envelope
from advisor.retrofit_entry import Retrofit, Side
from advisor.retrofit_plant import Plant
from features.frame import FloatArray
from features.operation import BoolArray
from features.psychrometrics import dew_point, relative_humidity, saturation_pressure

AIR_HEAT_KJ_M3_K = 1.206
"""Heat that a cubic metre of room air carries per kelvin [kJ/(m3 K)]."""
WATER_HEAT_KJ_M3_K = 4186.0
EVAPORATION_L_PER_KWH = 1.48
"""Water that evaporates per heat: 3600 kJ/kWh over 2430 kJ/kg [L/kWh]."""
LEAST_RISE_K = 2.0
"""Least rise of air or water that a flow is derived from [K]."""


@dataclass(frozen=True)
class Effect:
    """What a retrofit does in every hour, shape (n,).

    ``share`` [1] of the heat that goes free (or 1 where the retrofit works at all); ``saved_kw`` [kW];
    ``water_m3`` [m3] more make-up water in the step, or None where unknown.
    """

    share: FloatArray
    saved_kw: FloatArray
    water_m3: FloatArray | None


def direct_air_c(dry_c: FloatArray, wet_c: FloatArray, effectiveness: float) -> FloatArray:
    """Return outdoor air after wet media [degC]: it falls by a share of its wet-bulb depression.

    Parameters
    ----------
    dry_c, wet_c : numpy.ndarray
        Dry and wet bulb [degC].
    effectiveness : float
        Share of the depression [1].
    """
    return np.asarray(wet_c + (1.0 - effectiveness) * (dry_c - wet_c))


def free_share(warm_c: FloatArray, needed_c: FloatArray, reach_c: FloatArray) -> FloatArray:
    """Return the share of the heat that goes free [1].

    Air or water comes back at ``warm_c``, is needed at ``needed_c`` and can be had at ``reach_c`` without
    compressors [degC]; what is missing is cooled mechanically.
    """
    rise = np.maximum(warm_c - needed_c, LEAST_RISE_K)
    return np.clip((needed_c + rise - reach_c) / rise, 0.0, 1.0)


def evaporative_direct(plant: Plant, retrofit: Retrofit, side: Side, envelope: Envelope) -> Effect:
    """Return what direct evaporative cooling with outdoor air does.

    Parameters
    ----------
    plant : Plant
        With supply air, room air and compressor power.
    retrofit : Retrofit
    side : {"worst", "point", "best"}
        Of the parameters' ranges.
    envelope : Envelope
        Moisture that the servers are given; hours beyond it do not count.
    """
    supply, room = _air(plant)
    reach = direct_air_c(plant.dry_c, plant.wet_c, retrofit.value("effectiveness", side))
    delivered = np.maximum(reach, supply)
    wetted = plant.dry_c > supply
    share = free_share(room, supply, reach)
    share = np.where(
        _moist_enough(plant, np.where(wetted, delivered, plant.dry_c), envelope, side), share, 0.0
    )
    evaporated = np.clip((plant.dry_c - delivered) / np.maximum(room - delivered, LEAST_RISE_K), 0.0, 2.0)
    return _air_side(plant, retrofit, side, share, np.where(wetted, evaporated, 0.0), 1.0)


def evaporative_indirect(plant: Plant, retrofit: Retrofit, side: Side) -> Effect:
    """Return what indirect evaporative cooling of the return air does; arguments as `evaporative_direct`."""
    supply, room = _air(plant)
    effectiveness = retrofit.value("effectiveness", side)
    share = free_share(room, supply, room - effectiveness * (room - plant.wet_c))
    dry = free_share(room, supply, room - effectiveness * (room - plant.dry_c))
    # the exchanger runs dry while cold air alone does it
    return _air_side(plant, retrofit, side, share, np.where(dry < 1.0, 1.0, 0.0), 2.0)


def water_economiser(plant: Plant, retrofit: Retrofit, side: Side) -> Effect:
    """Return what a free-cooling heat exchanger ahead of the chillers does.

    Parameters
    ----------
    plant : Plant
        With chilled water and compressor power of its chillers.
    retrofit, side
        As `evaporative_direct`.
    """
    if plant.chilled_c is None or plant.chiller_kw is None:
        raise ValueError("a water-side economiser needs chilled water and the power of its chillers")
    back = plant.chilled_return_c
    if back is None:
        back = plant.chilled_c + retrofit.value("chilled_water_range_k", side)
    reach = plant.wet_c + retrofit.value("tower_approach_k", side)
    share = free_share(back, plant.chilled_c, reach + retrofit.value("exchanger_approach_k", side))
    if side == "worst":  # without an exchanger in series only whole hours count
        share = np.where(share >= 1.0, 1.0, 0.0)
    warming = np.maximum(back - plant.chilled_c, LEAST_RISE_K)
    flow = plant.heat_kw / (WATER_HEAT_KJ_M3_K * warming)
    pumps = 2.0 * flow * retrofit.value("exchanger_drop_kpa", side) / retrofit.value("pump_efficiency", side)
    used = np.where(share > 0, 1.0, 0.0)
    saved = plant.chiller_kw * share - used * pumps - share * _tower_fans(plant, retrofit, side)
    saved = np.clip(saved, 0.0, plant.cooling_kw)
    share = np.where(saved > 0, share, 0.0)
    water = None
    if plant.water_m3 is not None:  # the towers no longer reject what the compressors drew
        rejected = np.maximum(plant.heat_kw + plant.chiller_kw, 1e-9)
        water = -plant.water_m3 * share * plant.chiller_kw / rejected
    return Effect(share, saved, water)


def _tower_fans(plant: Plant, retrofit: Retrofit, side: Side) -> FloatArray:
    """Return how much more tower fans draw when cold water is made in full [kW], by the cube law.

    Their power at full speed is the largest one metered, else the catalogue's range.
    """
    speed = retrofit.value("tower_fan_speed", side)
    if plant.tower_fan_kw is None:
        return plant.heat_kw * retrofit.value("tower_fan_kw_per_kw", side) * speed**3
    full = float(np.quantile(plant.tower_fan_kw, 0.99))
    return np.maximum(full * speed**3 - plant.tower_fan_kw, 0.0)


def _air(plant: Plant) -> tuple[FloatArray, FloatArray]:
    if plant.supply_c is None or plant.room_c is None:
        raise ValueError("evaporative coolers need supply air and room air")
    return plant.supply_c, plant.room_c


def _air_side(
    plant: Plant, retrofit: Retrofit, side: Side, share: FloatArray, evaporated: FloatArray, streams: float
) -> Effect:
    """Return the effect of a share of free heat; ``evaporated`` [1]: water's part of the heat moved."""
    supply, room = _air(plant)
    if plant.mechanical_kw is None:
        raise ValueError("compressor power is needed")
    if side == "worst":  # without mechanical help on the same air only whole hours count
        share = np.where(share >= 1.0, 1.0, 0.0)
    flow = plant.heat_kw / (AIR_HEAT_KJ_M3_K * np.maximum(room - supply, LEAST_RISE_K))
    drop = retrofit.value("pressure_drop_pa", side) / 1000.0
    fans = streams * flow * drop / retrofit.value("fan_efficiency", side)
    saved = plant.mechanical_kw * share - np.where(share > 0, fans, 0.0)
    if plant.water_loop_kw is not None and side != "worst":  # pumps and towers rest in whole hours
        saved = saved + np.where(share >= 1.0, plant.water_loop_kw, 0.0)
    saved = np.clip(saved, 0.0, plant.cooling_kw)
    share = np.where(saved > 0, share, 0.0)
    cycles = retrofit.value("cycles_of_concentration", side)
    litres = plant.heat_kw * share * evaporated * EVAPORATION_L_PER_KWH * cycles / (cycles - 1.0)
    water = litres * plant.hours / 1000.0
    if plant.water_m3 is not None:
        water = water - plant.water_m3 * share
    return Effect(share, saved, water)


def _moist_enough(plant: Plant, delivered_c: FloatArray, envelope: Envelope, side: Side) -> BoolArray:
    """Whether air delivered at a temperature [degC] keeps dew point and humidity at the server inlet.

    Dry air in frost can be moistened by the same media; on the worst side it is not.
    """
    wet = np.minimum(plant.wet_c, delivered_c)
    dew = np.nan_to_num(dew_point(delivered_c, relative_humidity(delivered_c, wet)), nan=-100.0)
    inlet = plant.supply_c if plant.inlet_c is None else plant.inlet_c
    if inlet is None:
        raise ValueError("evaporative coolers need supply air")
    rh = 100.0 * saturation_pressure(dew) / saturation_pressure(np.maximum(inlet, dew))
    ok = np.ones(len(dew), dtype=bool)
    if envelope.dew_point_c is not None and envelope.dew_point_c.upper is not None:
        ok &= dew <= envelope.dew_point_c.upper
    if envelope.rh_pct is not None and envelope.rh_pct.upper is not None:
        ok &= rh <= envelope.rh_pct.upper
    if side == "worst" and envelope.dew_point_c is not None and envelope.dew_point_c.lower is not None:
        ok &= dew >= envelope.dew_point_c.lower
    return ok
