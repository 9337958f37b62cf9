"""Weeks to choose from, sliders' words, and what a link or a browser may send."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from advisor.plan import Interval, Saving
from advisor.what_if import Chosen, Figure, Lever, LimitState, Series, WhatIfResult, verdict_of, worst_first
from app.service.what_if import weeks
from app.web.language import CODES, LANGUAGES, catalogue
from app.web.levers import checked
from app.web.nodes import Node
from app.web.what_if import given
from app.web.what_if_results import answer, figures_card, limits_card, strip
from features.errors import InsufficientDataError
from features.telemetry import Telemetry, TimeZone

HOURS = 24 * 30


def export(**columns: object) -> Telemetry:
    stamps = pd.date_range("2026-01-01", periods=HOURS, freq="h", tz="UTC")
    values = {"it_power_kw": 100.0, "facility_power_kw": 140.0} | columns
    frame = pd.DataFrame({"site_id": "s", "unit_id": "", "timestamp": stamps, **values})
    return Telemetry(frame, pd.Timedelta(hours=1), "data-centre", TimeZone("+08:00", assumed=False))


# -- weeks -----------------------------------------------------------------------------------------
def test_weeks_begin_at_local_midnight_and_end_inside() -> None:
    dry = np.linspace(-5.0, 25.0, HOURS)
    found = {w.name: w for w in weeks(export(outdoor_dry_bulb_c=dry))}
    assert set(found) == {"last", "warmest", "coldest"}
    for week in found.values():
        assert week.end - week.start == pd.Timedelta(days=7)
        assert week.start.tz_convert("+08:00").hour == 0
    # 1 January 08:00 local to 31 January 08:00 local: the last whole days end on 31 January 00:00
    assert found["last"].end == pd.Timestamp("2026-01-30T16:00", tz="UTC")
    assert found["warmest"].start == found["last"].start
    assert found["coldest"].start == pd.Timestamp("2026-01-01T16:00", tz="UTC")


def test_a_week_with_gaps_is_passed_over() -> None:
    power = np.full(HOURS, 140.0)
    power[-100:] = np.nan
    (last,) = weeks(export(facility_power_kw=power))
    measured = export(facility_power_kw=power).between(last.start, last.end).frame["facility_power_kw"]
    assert measured.notna().mean() >= 0.9


def test_without_power_there_is_no_week() -> None:
    with pytest.raises(InsufficientDataError) as raised:
        weeks(export(it_power_kw=np.nan))
    assert raised.value.code == "E-WHAT-IF-EMPTY"


def test_a_short_export_is_one_window() -> None:
    telemetry = export()
    three = replace(telemetry, frame=telemetry.frame.iloc[:72].reset_index(drop=True))
    (only,) = weeks(three)
    assert (only.start, only.end) == three.span


# -- values from outside ---------------------------------------------------------------------------
LEVERS = (
    Lever("zone_set_point_c", "°C", "set_point", 16.0, 29.0, 0.5, 22.0, 18.0, 27.0),
    Lever("pv_kw_peak", "kW", "supply", 0.0, 100.0, 1.0, 0.0, 0.0, 0.0, "declare it"),
)


def test_what_a_browser_sends_is_checked() -> None:
    bad: dict[object, object] = {"zone_set_point_c": "hot", "pv_kw_peak": 5, "x": 1, 3: 4}
    assert checked(LEVERS, bad) == {}
    for value in (float("nan"), float("inf"), True, None, [1], {"a": 1}):
        assert checked(LEVERS, {"zone_set_point_c": value}) == {}
    assert checked(LEVERS, {"zone_set_point_c": 400}) == {"zone_set_point_c": 29.0}


@pytest.mark.parametrize(
    ("text", "usable"),
    [
        ("", {}),
        ("zone_set_point_c:24", {"zone_set_point_c": 24.0}),
        ("zone_set_point_c:abc,unknown:3", {}),
        (":,:::,,zone_set_point_c", {}),
        ("zone_set_point_c:999", {"zone_set_point_c": 29.0}),
        ("pv_kw_peak:50,zone_set_point_c:20.5", {"zone_set_point_c": 20.5}),
    ],
)
def test_one_bad_value_of_a_link_does_not_drop_the_others(text: str, usable: dict[str, float]) -> None:
    assert checked(LEVERS, given(text)) == usable


def test_a_lever_stands_inside_its_travel() -> None:
    with pytest.raises(ValueError, match="does not lie"):
        replace(LEVERS[0], now=40.0)
    assert Chosen.of(LEVERS, {}).moved == ()
    assert LEVERS[0].known(22.0)
    assert not LEVERS[0].known(27.5)


# -- words -----------------------------------------------------------------------------------------
def result(saving: Saving | None, verdict: str, outside: tuple[str, ...] = ()) -> WhatIfResult:
    stamps = pd.date_range("2026-01-01", periods=2, freq="h", tz="UTC")
    two = np.array([1.0, 2.0])
    limit = LimitState("server_inlet_temp_c", "max", 27.0, "°C", 28.0, 24.0, -1.0, "broken", "site.toml")
    return WhatIfResult(
        figures=(
            Figure("energy_kwh", "kWh", 1000.0, None if outside else Interval(880, 900, 920), "measured"),
            Figure("green_share", "", 0.25, Interval(0.29, 0.30, 0.31), "modelled"),
            Figure("cost", "CNY", None, None, "modelled", "declare [tariff] energy_per_kwh"),
            Figure("carbon_kg", "kg", 10.0, Interval(9.0, 9.0, 9.0), "modelled"),
        ),
        saving=saving, verdict=verdict, parts=(),  # type: ignore[arg-type]
        series=Series(stamps, "kW", two, two, two, two, two, two), in_domain=not outside, outside=outside,
        limits=(limit,),
    )  # fmt: skip


@pytest.mark.parametrize("code", CODES)
def test_the_sentence_names_figure_and_interval(code: str) -> None:
    language = LANGUAGES[code]
    told = Saving(energy_kwh=Interval(80, 100, 120), energy_pct=Interval(8, 10, 12))
    assert "100 kWh" in answer(result(told, "saves"), language)
    assert "80" in answer(result(told, "saves"), language)
    more = Saving(energy_kwh=Interval(-120, -100, -80), energy_pct=Interval(-12, -10, -8))
    assert "100 kWh" in answer(result(more, "costs"), language)
    assert "−" not in answer(result(more, "costs"), language)
    withheld = answer(result(None, "withheld", ("x was never tried",)), language)
    assert not any(digit.isdigit() for digit in withheld)


@pytest.mark.parametrize("code", CODES)
def test_missing_prints_a_dash_and_a_reason_never_zero(code: str) -> None:
    language = LANGUAGES[code]
    tiles = {n.attributes["key"]: n for n in strip(result(None, "not proven"), language).find(css="tile")}
    assert "—" in tiles["cost"].text()
    assert "tariff" in tiles["cost"].text()
    assert "—" not in tiles["energy_kwh"].text()
    assert "880" in tiles["energy_kwh"].text()
    assert tiles["green_share"].find(css="good")
    outside = strip(result(None, "withheld", ("x",)), language).find(css="tile")
    assert "—" in next(n for n in outside if n.attributes["key"] == "energy_kwh").text()


@pytest.mark.parametrize("code", CODES)
def test_tables_carry_their_headings(code: str) -> None:
    language = LANGUAGES[code]
    for card in (
        figures_card(result(None, "not proven"), language),
        limits_card(result(None, "saves"), language),
    ):
        rows = [n for n in card.find("tr") if n.find("td")]
        assert rows
        assert all(isinstance(n, Node) and n.attributes["data-label"] for row in rows for n in row.find("td"))


def test_both_languages_hold_the_same_texts() -> None:
    english, chinese = ({k for k in catalogue(c) if k.startswith("what_if.")} for c in ("en", "zh"))
    assert english == chinese
    assert len(english) > 60


# -- verdicts --------------------------------------------------------------------------------------
def test_the_verdict_follows_the_interval() -> None:
    moved = LEVERS[:1]

    def of(low: float, mid: float, high: float) -> str:
        return verdict_of(Saving(energy_pct=Interval(low, mid, high)), moved)

    assert [of(1, 2, 3), of(-1, 2, 3), of(-3, -2, -1)] == ["saves", "not proven", "costs"]
    assert verdict_of(None, moved) == "withheld"
    assert verdict_of(None, ()) == "unchanged"


def test_broken_limits_stand_first() -> None:
    def limit(state: str, margin: float | None) -> LimitState:
        return LimitState("x", "max", 1.0, "", 0.0, 0.0, margin, state, "s")  # type: ignore[arg-type]

    given_order = [limit("kept", 3.0), limit("unknown", None), limit("broken", -1.0), limit("kept", 1.0)]
    assert [x.margin for x in worst_first(given_order)] == [-1.0, 1.0, 3.0, None]
