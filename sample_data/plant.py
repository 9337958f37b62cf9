"""The data centre behind the sample telemetry: a chilled-water plant whose true parameters are known.

It is a compact model of our own, for demonstration and for closed-loop tests: `DataCentrePlant.simulate`
says what any set-points would really have used. All default parameters are assumptions of plausible size;
none is fitted to a measured site.

==================  ==================================================================================
part                law
==================  ==================================================================================
servers             idle + load, times ``1 + k (T_inlet - T_ref)^2`` (leakage grows with temperature)
server fans         cube law; flow grows with load and, above a knee, with inlet temperature
room air            ``dT = P / (rho c_p V)``; hottest inlet = supply air + recirculated share of dT
cooling coil        effectiveness ``1 - exp(-NTU w^0.5 / v^0.4)``, w and v relative water and air flow
CRAH fans, pumps    ``P = P_rated (floor + (1 - floor) s^n)`` with speed s
chiller             share of the Carnot COP at the lift, quadratic part-load curve
tower               approach to the wet bulb grows with load and with cold air; fans slow down (cube law)
                    once the condenser water reaches its minimum
economiser          (where there is one) cold tower water takes heat from the returning chilled water
                    through a heat exchanger before the chiller does
UPS                 ``a + b x + c x^2`` of the rating, x the relative load
==================  ==================================================================================

Set-points that only some sites have (`sample_data.free_cooling`) count where they are given.

Because leakage and server fans (inside the IT power) rise with the inlet temperature while chiller and
pumps gain, the set-point of least energy lies inside the range: the warmest room is not the best one, and
the lowest PUE is found at a warmer room than the lowest energy.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from sample_data.free_cooling import LeverLaws, Sink, coolers, optional

FloatArray = npt.NDArray[np.float64]

AIR_HEAT_KJ_M3_K = 1.206
"""Volumetric heat capacity of air at room conditions [kJ/(m3 K)]."""
KELVIN = 273.15
EVAPORATION_L_PER_KWH = 1.48
"""Water evaporated per heat rejected: 3600 kJ/kWh / 2430 kJ/kg [L/kWh thermal]."""


@dataclass(frozen=True)
class Room:
    """Parameters of servers, room air and coil (see the module's table for the laws).

    Parameters
    ----------
    servers_kw : float
        IT power without server fans at full load and the reference temperature [kW].
    idle_share : float
        Share of that power drawn at zero utilisation [1].
    leakage_per_k2 : float
        Coefficient k of the leakage [1/K2].
    leakage_reference_c : float
        Temperature below which leakage does not change [degC].
    server_fan_kw : float
        Server fans at full flow [kW].
    server_air_m3_s : float
        Server air flow at full flow [m3/s].
    flow_base, flow_load : float
        Relative flow at zero load, and its growth to full load [1].
    flow_per_k, fan_knee_c : float
        Growth of the relative flow per kelvin above the knee [1/K], and the knee [degC].
    fan_knee_width_k : float
        Width over which the knee is rounded [K].
    supply_offset_k : float
        Supply air below the zone set-point [K].
    recirculation : float
        Share of the air-side temperature rise seen by the hottest inlet [1].
    crah_margin, crah_fan_kw, crah_floor, crah_exponent : float
        Unit air flow over server air flow [1], fan power at rated flow [kW], floor [1] and exponent.
    coil_ntu : float
        Number of transfer units of the coil at rated air and water flow [1].
    """

    servers_kw: float = 1000.0
    idle_share: float = 0.42
    leakage_per_k2: float = 0.00015
    leakage_reference_c: float = 15.0
    server_fan_kw: float = 65.0
    server_air_m3_s: float = 78.0
    flow_base: float = 0.52
    flow_load: float = 0.26
    flow_per_k: float = 0.030
    fan_knee_c: float = 25.0
    fan_knee_width_k: float = 0.8
    supply_offset_k: float = 0.5
    recirculation: float = 0.12
    crah_margin: float = 1.08
    crah_fan_kw: float = 70.0
    crah_floor: float = 0.04
    crah_exponent: float = 2.8
    coil_ntu: float = 1.05


@dataclass(frozen=True)
class Plant:
    """Parameters of chiller, pumps, tower, UPS and the rest.

    Parameters
    ----------
    chiller_kw_th : float
        Cooling capacity [kW thermal].
    carnot_share : float
        Full-load COP over Carnot COP at the same refrigerant temperatures [1].
    part_load : tuple of float
        Coefficients of input over full-load input, ``p0 + p1 x + p2 x^2``, x = load/capacity [1].
    evaporator_pinch_k, condenser_pinch_k, condenser_range_k : float
        Refrigerant below chilled water, above leaving condenser water; water range at capacity [K].
    pump_kw, pump_min_flow, pump_exponent, pump_floor : float
        Chilled-water pumps at rated flow [kW]; least relative flow [1]; exponent; floor [1].
    condenser_pump_kw : float
        Condenser-water pumps, constant speed [kW].
    tower_fan_kw, approach_k, approach_cold_k_k, condenser_min_c : float
        Fans at full speed [kW]; approach at capacity and 24 degC wet bulb [K]; its growth per kelvin
        of colder wet bulb [K/K]; least condenser-water temperature [degC].
    economiser_approach_k : float or None
        Water of the free-cooling heat exchanger above the wet bulb [K]; None: no economiser.
    chilled_range_k : float
        Warming of the chilled water at capacity and rated flow [K].
    cycles : float
        Cycles of concentration of the tower water [1].
    ups_kw, ups_loss : float, tuple of float
        UPS rating [kW]; loss coefficients a, b, c of the rating [1].
    ups_heat_share : float
        Share of the UPS loss that the room's cooling carries [1].
    rest_kw, rest_share : float
        Lights and offices [kW]; transformer loss per IT power [1].
    """

    chiller_kw_th: float = 1250.0
    carnot_share: float = 0.44
    part_load: tuple[float, float, float] = (0.08, 0.72, 0.20)
    evaporator_pinch_k: float = 3.0
    condenser_pinch_k: float = 4.0
    condenser_range_k: float = 5.5
    pump_kw: float = 64.0
    pump_min_flow: float = 0.30
    pump_exponent: float = 2.4
    pump_floor: float = 0.05
    condenser_pump_kw: float = 14.0
    tower_fan_kw: float = 22.0
    approach_k: float = 5.0
    approach_cold_k_k: float = 0.12
    condenser_min_c: float = 18.0
    economiser_approach_k: float | None = None
    chilled_range_k: float = 6.0
    cycles: float = 5.0
    ups_kw: float = 1250.0
    ups_loss: tuple[float, float, float] = (0.014, 0.010, 0.032)
    ups_heat_share: float = 0.6
    rest_kw: float = 11.0
    rest_share: float = 0.008


@dataclass(frozen=True)
class DataCentrePlant:
    """The whole site.

    Parameters
    ----------
    room : Room
    plant : Plant
    laws : LeverLaws
        Of set-points that only some sites have.
    """

    room: Room = Room()
    plant: Plant = Plant()
    laws: LeverLaws = field(default_factory=LeverLaws)

    def simulate(
        self, set_points: pd.DataFrame, weather: pd.DataFrame, utilisation: npt.ArrayLike
    ) -> pd.DataFrame:
        """Return what the site would have used: no noise, no faults.

        Parameters
        ----------
        set_points : pandas.DataFrame, shape (rows, >= 2)
            ``zone_set_point_c`` and ``chilled_water_set_point_c`` [degC]; where there are such,
            ``tower_approach_set_point_k`` [K], ``airflow_set_point_pct`` [%], ``economiser_changeover_c``
            [degC] and ``evaporative_mode`` [1]: the last makes the towers dry coolers with pads.
        weather : pandas.DataFrame, shape (rows, >= 1)
            ``outdoor_wet_bulb_c`` [degC]; the last two set-points need ``outdoor_dry_bulb_c`` [degC].
        utilisation : array_like, shape (rows,)
            Mean CPU utilisation: the work done [1].

        Returns
        -------
        pandas.DataFrame, shape (rows, 13)
            Canonical columns, index of `set_points`: powers [kW], temperatures [degC], ``water_m3``
            of one hour [m3].

        Raises
        ------
        ValueError
            Lengths differ, or the utilisation lies outside 0..1.
        """
        load = np.asarray(utilisation, dtype=np.float64)
        if not len(set_points) == len(weather) == len(load):
            raise ValueError("set_points, weather and utilisation must have the same length")
        if not ((load >= 0) & (load <= 1)).all():
            raise ValueError("utilisation must lie in 0..1")
        chilled = set_points["chilled_water_set_point_c"].to_numpy(dtype=np.float64)
        zone = set_points["zone_set_point_c"].to_numpy(dtype=np.float64)
        room = self._room(zone, chilled, load, optional(set_points, "airflow_set_point_pct"))
        plant = self._central(room, chilled, set_points, weather)
        it = room["it_power_kw"]
        cooling = sum(
            (plant[name] for name in ("chiller_power_kw", "tower_fan_power_kw", "pump_power_kw")),
            room["fan_power_kw"],
        )
        facility = it + plant["ups_loss_kw"] + cooling + self.plant.rest_kw + self.plant.rest_share * it
        columns = {
            "it_power_kw": it,
            "facility_power_kw": facility,
            "cooling_power_kw": cooling,
            "ups_loss_kw": plant["ups_loss_kw"],
            "chiller_power_kw": plant["chiller_power_kw"],
            "tower_fan_power_kw": plant["tower_fan_power_kw"],
            "pump_power_kw": plant["pump_power_kw"],
            "fan_power_kw": room["fan_power_kw"],
            "supply_air_temp_c": room["supply_air_temp_c"],
            "server_inlet_temp_c": room["server_inlet_temp_c"],
            "chilled_water_supply_temp_c": chilled,
            "condenser_water_temp_c": plant["condenser_water_temp_c"],
            "water_m3": plant["water_m3"],
        }
        return pd.DataFrame(columns, index=set_points.index)

    def _servers(self, inlet: FloatArray, load: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return IT power [kW] and relative server air flow [1] at an inlet temperature [degC]."""
        r = self.room
        leakage = 1.0 + r.leakage_per_k2 * np.maximum(inlet - r.leakage_reference_c, 0.0) ** 2
        knee = r.fan_knee_width_k * np.logaddexp(0.0, (inlet - r.fan_knee_c) / r.fan_knee_width_k)
        flow = np.minimum(r.flow_base + r.flow_load * load + r.flow_per_k * knee, 1.0)
        power = r.servers_kw * (r.idle_share + (1.0 - r.idle_share) * load) * leakage
        return power + r.server_fan_kw * flow**3, flow

    def _room(
        self, zone: FloatArray, chilled: FloatArray, load: FloatArray, airflow: FloatArray | None = None
    ) -> dict[str, FloatArray]:
        """Solve supply air, inlet and IT power together; all temperatures [degC], powers [kW]."""
        r = self.room
        wanted = zone - r.supply_offset_k
        supply = wanted.copy()
        inlet = supply + 1.0
        # The loop gain is a few per cent (IT power per kelvin over air flow): eight rounds leave < 1e-9 K.
        # Where air is missing, warmer servers draw more of it: the gain comes near a half.
        for _ in range(8 if airflow is None else 40):
            power, flow = self._servers(inlet, load)
            air = flow * r.crah_margin if airflow is None else airflow / 100.0
            rise = power / (AIR_HEAT_KJ_M3_K * r.server_air_m3_s * air)
            best = 1.0 - np.exp(-r.coil_ntu / air**0.4)
            # At full water flow the coil cools no further than this: rise = best (supply + rise - chilled).
            supply = np.maximum(wanted, chilled + rise * (1.0 / best - 1.0))
            share = 0.0 if airflow is None else self.laws.missing_air(flow, air)
            inlet = supply + (r.recirculation + share) * rise
        effectiveness = rise / (supply + rise - chilled)
        water = (-np.log1p(-effectiveness) * air**0.4 / r.coil_ntu) ** 2
        fan = r.crah_fan_kw * (r.crah_floor + (1.0 - r.crah_floor) * air**r.crah_exponent)
        return {
            "it_power_kw": power,
            "supply_air_temp_c": supply,
            "server_inlet_temp_c": inlet,
            "fan_power_kw": fan,
            "water_flow": water,
        }

    def _central(
        self,
        room: dict[str, FloatArray],
        chilled: FloatArray,
        set_points: pd.DataFrame,
        weather: pd.DataFrame,
    ) -> dict[str, FloatArray]:
        """Return the central plant's answer; evaporative mode is a share of the hour."""
        wet_bulb = weather["outdoor_wet_bulb_c"].to_numpy(dtype=np.float64)
        wanted = optional(set_points, "tower_approach_set_point_k")
        below = optional(set_points, "economiser_changeover_c")
        enabled = None
        if below is not None:
            enabled = weather["outdoor_dry_bulb_c"].to_numpy(dtype=np.float64) < below
        wet = optional(set_points, "evaporative_mode")
        if wet is None:
            return self._plant(room, chilled, Sink(wet_bulb, self.plant.tower_fan_kw), wanted, enabled)
        dry_run, wet_run = (
            self._plant(room, chilled, sink, wanted, enabled) for sink in coolers(self.laws, weather)
        )
        return {name: (1.0 - wet) * dry_run[name] + wet * wet_run[name] for name in dry_run}

    def _plant(
        self,
        room: dict[str, FloatArray],
        chilled: FloatArray,
        sink: Sink,
        wanted_k: FloatArray | None,
        enabled: npt.NDArray[np.bool_] | None,
    ) -> dict[str, FloatArray]:
        """Return powers [kW], condenser water [degC] and make-up water [m3/h] of the central plant."""
        p, wet_bulb = self.plant, sink.air_c
        it = room["it_power_kw"]
        relative = it / p.ups_kw
        a, b, c = p.ups_loss
        ups_loss = p.ups_kw * (a + b * relative + c * relative**2)
        flow = np.clip(room["water_flow"], p.pump_min_flow, 1.0)
        pump = p.pump_kw * (p.pump_floor + (1.0 - p.pump_floor) * flow**p.pump_exponent)
        heat = it + p.ups_heat_share * ups_loss + room["fan_power_kw"] + pump
        free = self._free_share(chilled, heat, flow, wet_bulb)
        loop = np.zeros_like(free)
        if enabled is not None:
            free, loop = np.where(enabled, free, 0.0), np.where(enabled, self.laws.loop_pump_kw, 0.0)
        whole = heat / p.chiller_kw_th
        part = whole * (1.0 - free)
        approach = part * (p.approach_k + p.approach_cold_k_k * np.maximum(24.0 - wet_bulb, 0.0))
        kept = approach if wanted_k is None else np.maximum(approach, wanted_k)
        condenser = np.maximum(wet_bulb + kept, p.condenser_min_c)
        speed = np.minimum(approach / (condenser - wet_bulb), 1.0)
        if wanted_k is not None:
            speed = speed**self.laws.approach_exponent
        cold = chilled - p.evaporator_pinch_k + KELVIN
        hot = condenser + part * p.condenser_range_k + p.condenser_pinch_k + KELVIN
        carnot = cold / np.maximum(hot - cold, 8.0)
        p0, p1, p2 = p.part_load
        # Losses without load vanish with the chiller; below a tenth of its capacity it cycles.
        idle = p0 if p.economiser_approach_k is None else p0 * np.minimum(part / 0.1, 1.0)
        chiller = p.chiller_kw_th / (p.carnot_share * carnot) * (idle + p1 * part + p2 * part**2)
        rejected = heat + chiller
        if enabled is None:
            speed = np.maximum(speed, free * np.minimum(whole, 1.0))
        else:  # the loop wants the coldest water until it carries all heat
            speed = np.where(enabled, np.maximum(speed, np.where(free < 1.0, 1.0, whole)), speed)
        water = rejected * EVAPORATION_L_PER_KWH * p.cycles / (p.cycles - 1.0) / 1000.0
        return {
            "ups_loss_kw": ups_loss,
            "pump_power_kw": pump + p.condenser_pump_kw + loop + sink.pump_kw,
            "chiller_power_kw": chiller,
            "tower_fan_power_kw": sink.fan_kw * sink.fan_factor * speed**3,
            "condenser_water_temp_c": condenser,
            "water_m3": water if sink.wet else sink.pad_water_m3 * speed,
        }

    def _free_share(
        self, chilled: FloatArray, heat: FloatArray, flow: FloatArray, wet_bulb: FloatArray
    ) -> FloatArray:
        """Return the share of the heat that the economiser takes [1]; warmer water raises it."""
        p = self.plant
        if p.economiser_approach_k is None:
            return np.zeros_like(heat)
        warming = p.chilled_range_k * heat / p.chiller_kw_th / flow
        above = chilled + warming - (wet_bulb + p.economiser_approach_k)
        return np.asarray(np.clip(above / warming, 0.0, 1.0), dtype=np.float64)
