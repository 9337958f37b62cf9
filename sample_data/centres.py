"""The three sample data centres: other climates, other plants, and other right answers.

==========================  =================  ===========================================================
folder                      climate            what saves energy there
==========================  =================  ===========================================================
``data_centre``             humid subtropical  warmer air and warmer water: both are colder than needed
``data_centre_temperate``   temperate          colder air: the room is so warm that server fans and leakage
                                               eat more than the chillers save; the water is right
``data_centre_cold``        cold, dry, high    warmer water: an economiser takes the heat in more hours; the
                                               air is right
==========================  =================  ===========================================================

Parameters are assumptions of plausible size; none is fitted to a measured site.
"""

from __future__ import annotations

from sample_data.data_centre import SUBTROPICAL, Centre
from sample_data.plant import DataCentrePlant, Plant, Room
from sample_data.weather import COLD_DRY, TEMPERATE

TEMPERATE_CENTRE = Centre(
    "data_centre_temperate",
    TEMPERATE,
    DataCentrePlant(
        Room(
            servers_kw=700.0, leakage_per_k2=0.0002, server_fan_kw=70.0, server_air_m3_s=55.0,
            flow_per_k=0.04, fan_knee_c=22.5, fan_knee_width_k=1.0, crah_fan_kw=50.0, coil_ntu=1.0,
        ),
        Plant(
            chiller_kw_th=950.0, carnot_share=0.50, pump_kw=90.0, condenser_pump_kw=10.0, tower_fan_kw=16.0,
            ups_kw=900.0, rest_kw=8.0,
        ),
    ),
    current={"zone_set_point_c": 25.5, "chilled_water_set_point_c": 11.0},
    winter={"zone_set_point_c": 25.5, "chilled_water_set_point_c": 11.0},
    pv_peak_kw=400.0,
    work=0.40,
    tested=0.60,
    stream=1,
)  # fmt: skip
"""Older servers in a room that is kept too warm."""

COLD_CENTRE = Centre(
    "data_centre_cold",
    COLD_DRY,
    DataCentrePlant(
        Room(
            servers_kw=1300.0, leakage_per_k2=0.00025, server_fan_kw=80.0, server_air_m3_s=100.0,
            fan_knee_c=24.0, crah_fan_kw=90.0, coil_ntu=1.5,
        ),
        Plant(
            chiller_kw_th=1700.0, carnot_share=0.42, pump_kw=90.0, condenser_pump_kw=18.0, tower_fan_kw=34.0,
            economiser_approach_k=5.5, ups_kw=1700.0, rest_kw=14.0,
        ),
    ),
    current={"zone_set_point_c": 22.0, "chilled_water_set_point_c": 7.0},
    winter={"zone_set_point_c": 22.0, "chilled_water_set_point_c": 8.0},
    pv_peak_kw=800.0,
    work=0.50,
    tested=0.45,
    swing=0.07,
    stream=2,
    headers={
        "": "记录时间(北京时间)",
        "zone_set_point_c": "冷通道温度设定值(℃)",
        "chilled_water_set_point_c": "冷冻水供水温度设定值(℃)",
        "outdoor_dry_bulb_c": "室外干球温度(℃)",
        "outdoor_wet_bulb_c": "室外湿球温度(℃)",
        "outdoor_rh_pct": "室外相对湿度(%)",
        "it_power_kw": "IT设备总功率(kW)",
        "facility_power_kw": "市电输入总有功功率(kW)",
        "cooling_power_kw": "制冷系统总功率(kW)",
        "ups_loss_kw": "UPS损耗功率(kW)",
        "server_inlet_c": "服务器最高进风温度(℃)",
        "supply_air_c": "送风平均温度(℃)",
        "chilled_water_supply_c": "CHWS_TIT01_冷冻水总管供水温度(℃)",
        "water_m3": "补水量(m³)",
        "pv_power_kw": "光伏发电功率(kW)",
    },
    encoding="gb18030",
    stamp="%Y/%m/%d %H:%M:%S",
)  # fmt: skip
"""A free-cooling plant whose water is kept too cold; its export comes from a Chinese system."""

CENTRES = (SUBTROPICAL, TEMPERATE_CENTRE, COLD_CENTRE)
