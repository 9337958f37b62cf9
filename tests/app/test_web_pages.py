"""Pages: what stands on them, in both languages, from a case made by hand."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from advisor.catalogue import load_retrofits
from advisor.plan import Interval, Saving
from advisor.retrofit_words import Assessed
from app.web import actions, findings, fleet, measures, overview, report
from app.web.energy_split import parts_of
from app.web.figures import percent, plain, spanned
from app.web.language import LANGUAGES
from app.web.nodes import Node, node
from app.web.places import place_of
from app.web.retrofits import retrofits_section
from app.web.series import MOST_POINTS, SeriesOf, Where
from features.issues import DataIssue
from features.message import say

spec = importlib.util.spec_from_file_location("web_case", Path(__file__).with_name("web_case.py"))
assert spec is not None
assert spec.loader is not None
web_case: Any = importlib.util.module_from_spec(spec)
spec.loader.exec_module(web_case)
EN, ZH = LANGUAGES["en"], LANGUAGES["zh"]


def texts(nodes: list[Node]) -> str:
    return node("div", nodes).text()


@pytest.fixture
def case(tmp_path: Path, site: Any) -> Any:
    return web_case.make_case(tmp_path, site)


# -- every page in both languages ------------------------------------------------------------------
@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(
    "build",
    [
        overview.overview_page,
        actions.actions_page,
        measures.measures_page,
        findings.findings_page,
        report.report_page,
    ],
)
def test_a_page_is_built_and_changes_its_language(build: Any, lang: str, case: Any, tmp_path: Path) -> None:
    state = web_case.make_state(tmp_path, lang)
    page = build(case, state)
    before = [view.tree for view in page.select(lambda p: hasattr(p, "tree"))]
    state.lang = "zh" if lang == "en" else "en"
    after = [view.tree for view in page.select(lambda p: hasattr(p, "tree"))]
    assert before
    assert before != after


def test_the_overview_answers_with_figures_worked_out_by_hand(case: Any) -> None:
    # two weeks at 140 kW on average are 47.04 MWh; IT takes 100 kW
    sentence = overview.answer(case, EN)
    assert sentence.startswith(
        "47.0 MWh in 14 days, PUE 1.40, 25 % green energy. One proven action would save"
    )
    assert "1,234 kWh (800 to 1,650)" in sentence or "1,230 kWh" in sentence
    assert overview.answer(case, ZH).startswith("14 天用电 47.0 MWh，PUE 1.40，绿电占比 25%。")


def test_the_energy_split_sums_to_the_whole(case: Any) -> None:
    frame = case.telemetry.frame.assign(cooling_power_kw=30.0)
    from dataclasses import replace

    parts = parts_of(replace(case.telemetry, frame=frame))
    assert [p.name for p in parts] == ["it_power_kw", "cooling_power_kw", "rest"]
    assert sum(p.share for p in parts) == pytest.approx(1.0)
    assert parts[1].energy == pytest.approx(30 * 24 * 14)
    assert parts_of(case.telemetry) == ()  # one part alone does not say where the energy goes


# -- recommendations ---------------------------------------------------------------------------------
def test_at_most_five_actions_stand_at_once(tmp_path: Path, site: Any) -> None:
    case, state = web_case.make_case(tmp_path, site, actions=7), web_case.make_state(tmp_path)
    shown = actions._draw(case, state, everything=False)
    assert len(node("div", shown).find("details", "action")) == 5
    assert "Show all 7 actions" in texts(shown)
    assert len(node("div", actions._draw(case, state, everything=True)).find("details", "action")) == 7


def test_what_is_not_proven_claims_no_saving_and_no_money(tmp_path: Path, site: Any) -> None:
    case = web_case.make_case(tmp_path, site, verdict="not proven")
    drawn = node("div", actions._draw(case, web_case.make_state(tmp_path), everything=False))
    assert "No change is recommended" in drawn.text()
    (action,) = drawn.find("details", "action")
    assert action.find("summary")[0].find("span", "gain") == ()
    assert "Not proven" in action.text()
    assert action.find("button") == ()


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        ("en", ("Retrofits", "Water-side economiser", "Indicative", "Not assessed", "room air",
                "Payback: 1.3 years", "Change of make-up water: −3.0 m³", "PUE 1.400 → 1.388")),
        ("zh", ("改造措施", "水侧自然冷却", "仅供参考", "未评估", "请导出", "投资回收期：", "补水变化：")),
    ],
)  # fmt: skip
def test_retrofits_stand_apart_in_both_languages(lang: str, said: tuple[str, ...], case: Any) -> None:
    told = {r.id: r for r in load_retrofits()}
    saving = Saving(Interval(200.0, 400.0, 600.0), Interval(0.4, 0.9, 1.3))
    retrofits = (
        Assessed(
            told["water-side-economiser"], "indicative", (), ("x",), saving=saving, pue_before=1.4,
            pue_after=1.388, water_m3=Interval(-5.0, -3.0, -1.0), payback_range_years=Interval(0.9, 1.3, 2.7),
        ),
        Assessed(
            told["evaporative-cooling-direct"], "not assessed", (), ("x",),
            to_measure=(say("export supply_air_temp_c and room_air_temp_c"),),
        ),
    )  # fmt: skip
    assert retrofits_section(case, LANGUAGES[lang]) is None
    judged = replace(case, advice=replace(case.advice, retrofits=retrofits))
    shown = retrofits_section(judged, LANGUAGES[lang])
    assert shown is not None
    for words in said:
        assert words in shown.text(), words


def test_a_decision_is_of_this_session_and_can_be_undone(case: Any, tmp_path: Path) -> None:
    mine, other = web_case.make_state(tmp_path), web_case.make_state(tmp_path)
    actions._decide(case, mine, "r1", "accepted")
    assert mine.decisions == {("hall", "r1"): "accepted"}
    assert other.decisions == {}
    assert "Accepted so far: 1." in texts(actions._draw(case, mine, everything=False))
    actions._decide(case, mine, "r1", "undo")
    actions._decide(case, mine, "no such action", "accepted")
    assert mine.decisions == {}


# -- findings ----------------------------------------------------------------------------------------
def test_a_place_becomes_columns_and_local_time(case: Any) -> None:
    place = place_of(case.issues[0], case.telemetry)
    assert place is not None
    assert place.columns == ("it_power_kw",)
    assert (place.start, place.end) == (pd.Timestamp("2026-01-03 10:00"), pd.Timestamp("2026-01-03 18:00"))


@pytest.mark.parametrize("text", ["telemetry.csv, facility_power_kw", "site.toml", "a, b, c"])
def test_a_place_without_time_is_no_place_on_the_series(text: str, case: Any) -> None:
    assert place_of(DataIssue("D-X", "info", text, "e", "r"), case.telemetry) is None


def test_several_sites_and_columns_of_a_place(case: Any) -> None:
    issue = DataIssue(
        "D-X", "info", "S009/cell-2 and 3 more sites, facility_power_kw and it_power_kw, "
        "2026-01-03 02:00 to 2026-01-03 02:00", "e", "r",
    )  # fmt: skip
    place = place_of(issue, case.telemetry)
    assert place is not None
    assert (place.site_id, place.unit_id, place.sites) == ("S009", "cell-2", 4)
    assert place.columns == ("facility_power_kw", "it_power_kw")


# -- series ------------------------------------------------------------------------------------------
def test_a_short_series_is_shown_as_it_is_and_a_long_one_as_means(case: Any) -> None:
    series = SeriesOf(case)
    table = series.table("facility_power_kw", Where("dc-1", ""))
    assert series.stretch(table).step == pd.Timedelta("1h")
    assert table.index[0] == pd.Timestamp("2026-01-01 08:00")  # local time of Shanghai
    assert (table["point"] - table["measured"]).tolist() == pytest.approx([1.0] * 336)
    year = pd.DataFrame({"measured": 1.0}, index=pd.date_range("2025-01-01", periods=8760, freq="h"))
    long = series.stretch(year)
    assert len(long.frame) <= MOST_POINTS + 1
    assert long.frame["measured"].tolist() == pytest.approx([1.0] * len(long.frame))


# -- figures -----------------------------------------------------------------------------------------
def test_figures_are_written_as_each_language_writes_them() -> None:
    money = Interval(138_000.0, 161_000.0, 184_000.0)
    assert spanned(money, "CNY", ZH).text == "16.1 万元"
    assert spanned(money, "CNY", EN).text == "161,000 CNY"
    assert (percent(ZH, 0.284), percent(EN, 0.284), percent(EN, None)) == ("28.4%", "28.4 %", "—")
    assert plain(8_494_000.0, "kWh", EN).text == "8,490 MWh"
    assert plain(None, "kWh", EN).text == "—"


# -- fleet -------------------------------------------------------------------------------------------
def test_a_fleet_without_sites_says_what_to_do(tmp_path: Path) -> None:
    state = web_case.make_state(tmp_path)
    assert "Upload an export" in texts(fleet._draw(state, sort="", search="", start=0))


def test_the_report_page_offers_only_files_that_are_there(case: Any, tmp_path: Path) -> None:
    state = web_case.make_state(tmp_path)
    assert "No report has been written" in texts(report._draw(case, state))
    (tmp_path / "plan.csv").write_text("x", encoding="utf-8")
    links = node("div", report._draw(case, state)).find("a")
    assert [link.attributes["href"] for link in links] == [
        "./files/token-of-the-session/hall/plan.csv?download=1"
    ]
