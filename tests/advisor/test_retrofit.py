"""Retrofits by hand-computed values, properties and refusals: no model of any site is needed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.catalogue import load_limits, load_measures, load_retrofits
from advisor.measure import ACTIONS
from advisor.retrofit import interval_of
from advisor.retrofit_air import excess_k, fan_saving_kw, rise_k, warmer_k
from advisor.retrofit_entry import PARAMETERS, Retrofit
from advisor.retrofit_free import (
    EVAPORATION_L_PER_KWH,
    direct_air_c,
    evaporative_direct,
    evaporative_indirect,
    free_share,
    water_economiser,
)
from advisor.retrofit_judge import Estimate, Judge, Refusal, judged
from advisor.retrofit_plant import Plant, plant_of
from features.errors import CatalogueError
from features.operation import Operation
from features.psychrometrics import wet_bulb

BY_ID = {r.id: r for r in load_retrofits()}
DIRECT, INDIRECT = BY_ID["evaporative-cooling-direct"], BY_ID["evaporative-cooling-indirect"]
ECONOMISER, CONTAINMENT, IN_ROW = (
    BY_ID["water-side-economiser"],
    BY_ID["aisle-containment"],
    BY_ID["in-row-cooling"],
)
ENVELOPE = next(s for s in load_limits() if s.id == "ashrae-tc99-2021").equipment_class("A1").recommended
SIDES = ("worst", "point", "best")


def operation(dry: list[float], wet: list[float]) -> Operation:
    n = len(dry)
    return Operation(
        "dc", pd.date_range("2025-01-01", periods=n, freq="h", tz="UTC"),
        {"zone_set_point_c": np.full(n, 24.0), "chilled_water_set_point_c": np.full(n, 12.0)},
        np.array(dry), np.array(wet), np.full(n, 100.0), np.full(n, 140.0), np.full(n, 30.0),
        np.full(n, 25.0), np.zeros(n, dtype=np.int64), 1.0,
    )  # fmt: skip


def plant(dry: list[float], wet: list[float], **changes: object) -> Plant:
    """Return a plant of 100 kW IT, 20 kW of compressors, 24 degC supply and 34 degC room air."""
    n = len(dry)
    full = {
        "mechanical_kw": 20.0, "chiller_kw": 20.0, "fan_kw": 5.0, "fan_metered_kw": 5.0, "water_loop_kw": 4.0,
        "tower_fan_kw": 1.0,
        "supply_c": 24.0, "room_c": 34.0, "inlet_c": 25.2, "chilled_c": 12.0, "chilled_return_c": 18.0,
        "water_m3": 0.2,
    }  # fmt: skip
    values = {name: np.full(n, value) for name, value in full.items()}
    here = Plant(
        operation(dry, wet), True, np.full(n, 100.0), np.full(n, 30.0), np.full(n, 140.0),
        **values, humid=True, evaporates=False, inlet_follows=True, mechanical_sd=0.0,
        mechanical_source=("chiller_power_kw",),
    )  # fmt: skip
    return replace(here, **changes)


def fixed(retrofit: Retrofit, **points: float) -> Retrofit:
    """Return a retrofit whose parameters are known exactly."""
    return retrofit.model_copy(
        update={
            "parameters": retrofit.parameters
            | {n: retrofit.parameters[n].model_copy(update={"range": (v, v, v)}) for n, v in points.items()}
        }
    )


# -- the shipped catalogue -----------------------------------------------------------------------
def test_every_mechanism_is_there_and_every_measure_exists() -> None:
    assert {r.mechanism for r in BY_ID.values()} == set(PARAMETERS)
    known = {m.id for m in load_measures()}
    for r in BY_ID.values():
        assert set(r.measures) <= known
        assert set(r.answers) <= set(ACTIONS)
        assert r.title_zh != r.title
        assert bool(r.notes) == bool(r.notes_zh)


def test_what_was_read_has_an_address_and_what_was_recalled_says_so() -> None:
    for r in BY_ID.values():
        for name, p in r.parameters.items():
            assert p.range[0] <= p.range[1] <= p.range[2], (r.id, name)
            assert p.url.startswith("https://") if p.confidence != "C" else "recalled" in p.source, (
                r.id,
                name,
            )


def test_no_retrofit_holds_a_saving_figure() -> None:
    names = {name for r in BY_ID.values() for name in (*Retrofit.model_fields, *r.parameters)}
    assert not [n for n in names if "saving" in n]
    assert BY_ID["ai-control"].parameters == {}


TEXT = """\
id = "xx"
title = "X"
title_zh = "某"
mechanism = "control"
answers = ["ai_control"]
measures = ["cn-p09b-cooling-technologies"]
water = "none"
preconditions = ["a"]
preconditions_zh = ["甲"]
"""
PARAMETER = """
[parameters.{name}]
range = {range}
unit = "{unit}"
better = "upper"
source = "recalled"
year = 2026
confidence = "{confidence}"
"""


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (TEXT + "saving_pct = 10\n", "E-RETROFIT-KEY", "saving_pct"),
        (TEXT.replace("ai_control", "magic"), "E-RETROFIT-KEY", "not an action"),
        (TEXT.replace('"control"', '"magic"'), "E-RETROFIT-KEY", "mechanism"),
        (TEXT.replace('"control"', '"containment"'), "E-RETROFIT-KEY", "has the parameters"),
        (TEXT.replace('["甲"]', '["甲", "乙"]'), "E-RETROFIT-KEY", "as many"),
        (TEXT.replace('"xx"', '"yy"'), "E-RETROFIT-ID", "yy"),
        ("id = ", "E-RETROFIT-TOML", "TOML"),
        (
            TEXT + PARAMETER.format(name="x", range="[2.0, 1.0, 3.0]", unit="K", confidence="C"),
            "E-RETROFIT-KEY",
            "lower <= point <= upper",
        ),
        (
            TEXT + PARAMETER.format(name="x", range="[1.0, 1.0, 3.0]", unit="K", confidence="B"),
            "E-RETROFIT-KEY",
            "needs the url",
        ),
    ],
)
def test_a_file_that_breaks_the_rules_is_refused(tmp_path, text, code, said) -> None:
    (tmp_path / "xx.toml").write_text(text, encoding="utf-8")
    with pytest.raises(CatalogueError) as caught:
        load_retrofits(tmp_path)
    assert caught.value.code == code
    assert said in str(caught.value)


def test_a_sound_file_is_read_and_an_empty_folder_refused(tmp_path) -> None:
    with pytest.raises(CatalogueError, match="E-RETROFIT-NONE"):
        load_retrofits(tmp_path)
    (tmp_path / "xx.toml").write_text(TEXT, encoding="utf-8")
    assert load_retrofits(tmp_path)[0].id == "xx"


def test_the_sides_of_a_range() -> None:
    effectiveness, drop = DIRECT.parameters["effectiveness"], DIRECT.parameters["pressure_drop_pa"]
    assert [effectiveness.at(s) for s in SIDES] == [0.70, 0.85, 0.95]
    assert [drop.at(s) for s in SIDES] == [100.0, 62.5, 25.0]


# -- hand-computed values ------------------------------------------------------------------------
def test_air_after_wet_media() -> None:
    # 37.8 / 18.9 degC at 85 %: 37.8 - 0.85 x 18.9 = 21.7 degC, as the source's table has it
    assert direct_air_c(np.array([37.8]), np.array([18.9]), 0.85)[0] == pytest.approx(21.7, abs=0.05)


def test_share_of_free_heat() -> None:
    share = free_share(np.array([34.0] * 4), np.array([24.0] * 4), np.array([20.0, 24.0, 29.0, 40.0]))
    assert share.tolist() == [1.0, 1.0, 0.5, 0.0]


def test_direct_evaporative_hours_are_counted_by_dry_and_wet_bulb() -> None:
    # needed 24 degC; reached at 85 %: 10 (mixed up to 24); 16 + .15 x 14 = 18.1; 22 + .15 x 13 = 23.95, but
    # then the dew point is above 15 degC; 30 / 29: 29.15 degC and far too moist
    p = plant([10.0, 30.0, 35.0, 30.0], [8.0, 16.0, 22.0, 29.0], water_m3=None)
    found = evaporative_direct(p, DIRECT, "point", ENVELOPE)
    assert found.share.tolist() == [1.0, 1.0, 0.0, 0.0]
    # heat 105 kW at 10 K: 105 / 12.06 = 8.707 m3/s; 62.5 Pa over 0.6: 0.907 kW
    fans = 105 / (1.206 * 10) * 0.0625 / 0.6
    assert found.saved_kw[0] == pytest.approx(20.0 + 4.0 - fans)
    # mixed air evaporates nothing; 30 -> 24 degC of 34 - 24 = 10 K: 0.6 of the heat, four cycles
    assert found.water_m3 is not None
    assert found.water_m3[0] == 0.0
    assert found.water_m3[1] == pytest.approx(105 * 0.6 * EVAPORATION_L_PER_KWH * 4 / 3 / 1000)


def test_indirect_evaporative_by_the_wet_bulb_of_the_outdoor_air() -> None:
    # 65 % of 34 - wet must reach 10 K: in full up to 18.6 degC wet bulb; at 24 degC 6.5 K of 10 K
    p = plant([19.0, 30.0, 33.0], [18.6, 24.0, 18.6])
    found = evaporative_indirect(p, INDIRECT, "point")
    assert found.share == pytest.approx([1.0, 0.65, 1.0])
    fans = 2 * 105 / (1.206 * 10) * 0.1 / 0.6
    assert found.saved_kw[1] == pytest.approx(20.0 * 0.65 - fans)
    assert evaporative_indirect(p, INDIRECT, "worst").share.tolist() == [0.0, 0.0, 0.0]  # 50 % reach 7.7 K


def test_economiser_takes_a_part_of_the_heat_ahead_of_the_chillers() -> None:
    # approach 4.5 + 2.8 = 7.3 K; 12 to 18 degC water: in full to 4.7 degC wet bulb, nothing from 10.7
    p = plant([5.0, 9.0, 15.0], [4.7, 7.7, 10.7])
    found = water_economiser(p, ECONOMISER, "point")
    assert found.share == pytest.approx([1.0, 0.5, 0.0])
    pumps = 2 * 105 / (4186 * 6) * 50 / 0.6
    assert found.saved_kw[0] == pytest.approx(20.0 - pumps)  # tower fans already run faster than needed
    assert found.water_m3 is not None
    assert found.water_m3[1] == pytest.approx(-0.2 * 0.5 * 20 / 125)


def test_tower_fans_that_are_not_metered_are_taken_off_by_the_range() -> None:
    p = plant([5.0], [0.0], tower_fan_kw=None)
    pumps = 2 * 105 / (4186 * 6) * 50 / 0.6
    assert water_economiser(p, ECONOMISER, "point").saved_kw[0] == pytest.approx(
        20 - pumps - 105 * 0.013 * 0.75**3
    )


def test_cube_law_of_fans() -> None:
    assert fan_saving_kw(np.array([10.0]), 0.1)[0] == pytest.approx(10 * (1 - 0.729))
    assert fan_saving_kw(np.array([10.0]), 0.0)[0] == 0.0


def test_recirculation_says_how_much_warmer_the_air_may_be() -> None:
    p = plant([20.0], [10.0])
    assert excess_k(p) == pytest.approx(1.2)
    assert rise_k(p, CONTAINMENT, "point") == pytest.approx(10.0)
    # 12 % of 10 K today, 5 % (2 to 10) afterwards
    assert [warmer_k(p, CONTAINMENT, s) for s in SIDES] == pytest.approx([0.2, 0.7, 1.0])
    unknown = replace(p, room_c=None)
    assert warmer_k(unknown, CONTAINMENT, "point") == pytest.approx(1.2 - 0.05 * 11.0)
    assert warmer_k(replace(p, inlet_c=np.array([24.1])), CONTAINMENT, "worst") == 0.0


def test_in_row_fans_are_held_against_the_metered_ones() -> None:
    told = judged(IN_ROW, Judge(plant([20.0], [10.0]), None, ENVELOPE))
    assert isinstance(told, Estimate)
    assert [float(told.saved_kw[s][0]) for s in SIDES] == pytest.approx([0.0, 2.0, 3.5])
    assert any("test of the set-points" in t for t in told.to_measure)


def test_interval_pairs_ranges_and_doubt_and_keeps_the_bound() -> None:
    assert interval_of(6.0, 10.0, 13.0, 0.0, 99.0).to_dict() == {"lower": 6.0, "point": 10.0, "upper": 13.0}
    wide = interval_of(6.0, 10.0, 13.0, 5.0, 12.0)
    assert wide.lower == pytest.approx(10 - np.hypot(4.0, 1.645 * 5.0))
    assert wide.upper == 12.0


# -- properties ----------------------------------------------------------------------------------
weather = st.lists(st.tuples(st.floats(-15.0, 42.0), st.floats(5.0, 100.0)), min_size=3, max_size=30).map(
    lambda rows: (np.array([r[0] for r in rows]), np.array([r[1] for r in rows]))
)


@given(weather)
@settings(max_examples=60, deadline=None)
def test_never_beyond_the_cooling_energy_and_sides_are_ordered(rows) -> None:
    dry, rh = rows
    p = plant(list(dry), list(wet_bulb(dry, rh)))
    for found in (
        [evaporative_direct(p, DIRECT, s, ENVELOPE) for s in SIDES],
        [evaporative_indirect(p, INDIRECT, s) for s in SIDES],
        [water_economiser(p, ECONOMISER, s) for s in SIDES],
    ):
        sums = [float(e.saved_kw.sum()) for e in found]
        assert sums == sorted(sums)
        for e in found:
            assert ((e.share >= 0) & (e.share <= 1)).all()
            assert ((e.saved_kw >= 0) & (e.saved_kw <= p.cooling_kw + 1e-9)).all()
            assert ((e.saved_kw == 0) | (e.share > 0)).all()


@given(weather, st.floats(0.3, 1.0))
@settings(max_examples=60, deadline=None)
def test_drier_weather_gives_more_free_heat(rows, drier) -> None:
    dry, rh = rows
    now = plant(list(dry), list(wet_bulb(dry, rh)))
    then = plant(list(dry), list(wet_bulb(dry, rh * drier)))
    assert (evaporative_indirect(then, INDIRECT, "point").share
            >= evaporative_indirect(now, INDIRECT, "point").share - 1e-9).all()  # fmt: skip
    assert (evaporative_direct(then, DIRECT, "point", ENVELOPE).share
            >= evaporative_direct(now, DIRECT, "point", ENVELOPE).share - 1e-9).all()  # fmt: skip


@given(weather, st.floats(0.0, 0.14), st.floats(0.0, 0.14))
@settings(max_examples=40, deadline=None)
def test_a_wider_range_gives_a_wider_interval(rows, less, more) -> None:
    dry, rh = rows
    p = plant(list(dry), list(wet_bulb(dry, rh)))
    narrow = fixed(INDIRECT, effectiveness=0.65)
    wide = narrow.model_copy(
        update={
            "parameters": narrow.parameters
            | {
                "effectiveness": narrow.parameters["effectiveness"].model_copy(
                    update={"range": (0.65 - less, 0.65, 0.65 + more)}
                )
            }
        }
    )
    a, b = ([float(evaporative_indirect(p, r, s).saved_kw.sum()) for s in SIDES] for r in (narrow, wide))
    assert b[0] <= a[0] + 1e-9
    assert b[1] == pytest.approx(a[1])
    assert b[2] >= a[2] - 1e-9


# -- refusals ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("retrofit", "changes", "verdict", "measure"),
    [
        (DIRECT, {"mechanical_kw": None}, "not assessed", "chiller_power_kw"),
        (DIRECT, {"humid": False}, "not assessed", "outdoor_wet_bulb_c"),
        (DIRECT, {"room_c": None}, "not assessed", "room_air_temp_c"),
        (INDIRECT, {"supply_c": None}, "not assessed", "supply_air_temp_c"),
        (INDIRECT, {"evaporates": True}, "already there", ""),
        (ECONOMISER, {"chilled_c": None}, "not assessed", "chilled_water_set_point_c"),
        (ECONOMISER, {"chiller_kw": None}, "not assessed", "chiller_power_kw"),
        (ECONOMISER, {"humid": False}, "not assessed", "outdoor_rh_pct"),
        (ECONOMISER, {"mechanical_kw": np.array([0.0, 20.0])}, "already there", ""),
        (CONTAINMENT, {"inlet_c": None, "fan_kw": None}, "not assessed", "server_inlet_temp_c"),
        (CONTAINMENT, {"inlet_follows": False, "fan_kw": None}, "not assessed", "same room"),
        (IN_ROW, {"fan_kw": None}, "not assessed", "fan_power_kw"),
    ],
)
def test_what_cannot_be_told_is_not_assessed(retrofit, changes, verdict, measure) -> None:
    told = judged(retrofit, Judge(plant([20.0, 21.0], [10.0, 11.0], **changes), None, ENVELOPE))
    assert isinstance(told, Refusal)
    assert told.verdict == verdict
    assert measure in " ".join(told.to_measure)


def test_compressors_are_what_is_left_of_cooling_without_its_metered_fans_and_pumps() -> None:
    n = 24 * 4
    op = operation([20.0] * n, [10.0] * n)
    names = ("fan_power_kw", "pump_power_kw", "tower_fan_power_kw")
    series = pd.DataFrame(dict.fromkeys(names, 4.0), index=op.stamps)
    current = {"zone_set_point_c": 24.0, "chilled_water_set_point_c": 12.0}
    found = plant_of(op, series, current, None)
    assert found is not None
    assert found.mechanical_kw == pytest.approx(np.full(n, 30.0 - 12.0))
    assert found.at_current
    missing = plant_of(op, series[["fan_power_kw"]], current, None)
    assert missing is not None
    assert missing.mechanical_kw is None
    assert plant_of(op.rows(np.arange(n) < 40), series, current, None) is None


def test_an_inlet_of_another_room_does_not_follow() -> None:
    n = 24 * 4
    op = operation([20.0] * n, [10.0] * n)
    supply = np.tile([15.0, 18.0], n // 2)
    current = {"zone_set_point_c": 24.0, "chilled_water_set_point_c": 12.0}
    for inlet, follows in ((supply + 1.0, True), (np.full(n, 20.3), False)):
        series = pd.DataFrame({"supply_air_temp_c": supply, "server_inlet_temp_c": inlet}, index=op.stamps)
        found = plant_of(op, series, current, None)
        assert found is not None
        assert found.inlet_follows is follows
        assert (excess_k(found) is not None) is follows
