"""The report from hand-made advice: what it says, and how it looks in a real browser."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from advisor.catalogue import load_measures, load_retrofits
from advisor.plan import Advice, Interval, Saving
from advisor.retrofit_words import Assessed
from advisor.site import Site
from app.report.charts import Chart, Series, predicted_against_measured
from app.report.content import build_page, lever_move
from app.report.drawings import plan_charts
from app.report.page import Source
from app.report.render import render
from app.service.standing import standing
from features.issues import DataIssue, worst_first
from features.telemetry import Telemetry
from models.store import ModelCard

ON = date(2026, 11, 20)
ROWS = "rows in 338 = 336 accepted + 1 quarantined + 1 rejected"


def chart(telemetry: Telemetry, name: str = "facility power") -> Chart:
    measured = telemetry.frame["facility_power_kw"].to_numpy()
    stamps = telemetry.local(pd.DatetimeIndex(telemetry.frame["timestamp"]))
    series = Series(stamps, measured, measured + 1.0, measured - 5.0, measured + 5.0, "kW", name)
    return predicted_against_measured(series, "Facility power", "CV(RMSE) 0.7 %", 0.9)


def page_of(telemetry: Telemetry, advice: Advice, card: ModelCard, site: Site | None) -> str:
    measures = load_measures()
    source = Source(
        telemetry, ROWS, advice, card, standing(telemetry, site, advice.baseline, measures, ON),
        worst_first(telemetry.issues), measures, site, ON,
    )  # fmt: skip
    return render(build_page(source, plan_charts(advice, telemetry), (chart(telemetry),)))


@pytest.fixture
def html(telemetry: Telemetry, advice: Advice, card: ModelCard, site: Site) -> str:
    return page_of(telemetry, advice, card, site)


class Words(HTMLParser):
    """Text and elements of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def test_the_report_says_what_was_found_and_what_to_do(html: str) -> None:
    text = Words(html).text
    for said in (
        "1 action would save 1,230 kWh (800 to 1,650); 2.6 % (1.7 to 3.5) for the same work.",
        "Rows in 338 = 336 accepted + 1 quarantined + 1 rejected",
        "zone set-point: 22 °C → 24.5 °C, in 168 of 336 intervals",
        "✓ supported",
        "server inlet 26.4 °C of 27.0 °C",
        "Retrofit of data centres with a PUE above 1.5 (cn-p03-retrofit-trigger, in force)",
        "server inlet above 27.0 °C for 15 min",
        "2026-06-30",
        "the proposing model says 2.90 %, the scoring model says 2.40 %",
        "D-GAP",
        "close the gap",
        "data-centre-abc",
        "26.4 °C",
    ):
        assert said in text, said


def test_retrofits_are_shown_apart_and_never_as_something_to_do(
    telemetry: Telemetry, advice: Advice, card: ModelCard, site: Site
) -> None:
    told = {r.id: r for r in load_retrofits()}
    saving = Saving(
        Interval(200.0, 400.0, 600.0), Interval(0.4, 0.9, 1.3), cost=Interval(130.0, 260.0, 390.0)
    )
    retrofits = (
        Assessed(
            told["water-side-economiser"], "indicative", ("cn-p09b-cooling-technologies",), ("in 90 hours",),
            saving=saving, pue_before=1.4, pue_after=1.388, water_m3=Interval(-5.0, -3.0, -1.0),
            investment=9000.0, payback_years=1.3, payback_range_years=Interval(0.9, 1.3, 2.7),
        ),
        Assessed(
            told["evaporative-cooling-direct"], "not assessed", (), ("room air is unknown",),
            to_measure=("export room_air_temp_c",),
        ),
    )  # fmt: skip
    text = Words(page_of(telemetry, replace(advice, retrofits=retrofits), card, site)).text
    for said in (
        "Water-side economiser: free-cooling heat exchanger",
        "≈ indicative",
        "400 kWh (200 to 600)",
        "PUE 1.400 → 1.388",
        "3.0 m³ (1.0 to 5.0) less make-up water",
        "costs 9,000 CNY · payback 1.3 years (0.9 to 2.7)",
        "? not assessed",
        "to assess it: export room air temperature",
        "none is in the totals or the plan",
        "exchanger approach k 2.8 K (1.1 to 5.6)",
    ):
        assert said in text, said
    assert text.index("What to do") < text.index("Retrofits") < text.index("Where the site stands")
    assert "1 action would save 1,230 kWh" in text


def test_unknown_figures_are_dashes_with_a_reason(html: str) -> None:
    text = Words(html).text
    assert "— declare [carbon] in site.toml" in text
    assert "— declare [carbon] factor_kg_per_kwh in site.toml" in text


def test_nothing_from_data_is_executed(
    telemetry: Telemetry, advice: Advice, card: ModelCard, site: Site
) -> None:
    evil = "<img src=x onerror=alert(1)>"
    issue = DataIssue("D-EVIL", "error", evil, evil, evil, evil)
    words = Words(page_of(telemetry.with_issues([issue]), advice, card, site))
    assert not {"script", "img", "iframe", "object", "link", "a"} & {tag for tag, _ in words.tags}
    assert not [name for _, attributes in words.tags for name in attributes if name.startswith("on")]
    assert "<script>alert('x')</script> & Söhne 数据中心" in words.text
    assert words.text.count(evil) == 4


def test_chart_text_is_escaped_and_never_read_as_mathematics(telemetry: Telemetry) -> None:
    drawn = chart(telemetry, "<b>$x$ & co")
    assert "&lt;b&gt;$x$ &amp; co [kW]" in drawn.wide
    assert "<b>" not in drawn.wide


def test_the_page_is_self_contained(html: str) -> None:
    assert not re.search(r"(src|href)=\"(?!#)|url\((?!#)|@import|https?://", html)
    assert "default-src 'none'" in html


def test_charts_follow_the_theme_and_do_not_style_the_page(html: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
    assert len(drawings) == 4  # two charts, each wide and narrow
    assert not any("<style" in d for d in drawings)
    assert set(re.findall(r"(?:fill|stroke): (#\w+)", "".join(drawings))) <= {"#ffffff"}
    identifiers = re.findall(r'\bid="([^"]+)"', "".join(drawings))
    per_drawing = [set(re.findall(r'\bid="([^"]+)"', d)) for d in drawings]
    assert len(set(identifiers)) == sum(len(ids) for ids in per_drawing)


def test_a_hold_says_why_and_claims_nothing(telemetry: Telemetry, held: Advice, card: ModelCard) -> None:
    text = Words(page_of(telemetry, held, card, None)).text
    assert "No change is recommended: the scoring model sees no saving." in text
    assert "Energy saved" not in text
    assert "No site file was given: limits and current set-points are assumed." in text


def test_what_is_not_proven_is_not_told_as_something_to_do(
    telemetry: Telemetry, advice: Advice, card: ModelCard, site: Site
) -> None:
    (good,) = advice.recommendations
    doubtful = replace(
        good, id="r2", action="Lower everything", lever="supply_air_set_point_c", verdict="not proven"
    )
    both = replace(advice, recommendations=(good, doubtful))
    text = Words(page_of(telemetry, both, card, site)).text
    heads = [text.index(h) for h in ("What to do", "Looked at, not recommended now", "Where the site stands")]
    assert heads[0] < text.index("Raise the room set-point at night") < heads[1]
    assert heads[1] < text.index("Lower everything") < heads[2]


def test_a_move_names_its_range_and_its_hours(telemetry: Telemetry, advice: Advice) -> None:
    plan = advice.plan_table.assign(
        recommended=np.where(np.arange(336) < 6, 24.0, advice.plan_table["recommended"])
    )
    assert lever_move(plan, "zone_set_point_c") == (
        "zone set-point: 22 °C → 24 to 24.5 °C, in 168 of 336 intervals"
    )
    assert lever_move(plan, "sleep_mode_1") == ""


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_in_a_real_browser(width: int, scheme: str, html: str, browser: Any, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(html, encoding="utf-8")
    asked: list[str] = []
    said: list[str] = []
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.goto((tmp_path / "report.html").as_uri())
    overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    drawn = page.evaluate(
        "[...document.querySelectorAll('svg')].filter(s => s.getBoundingClientRect().width > 0).length"
    )
    smallest = page.evaluate(
        """Math.min(...[...document.querySelectorAll('main *')]
        .filter(e => !e.closest('svg') && e.textContent.trim())
        .map(e => parseFloat(getComputedStyle(e).fontSize)))"""
    )
    ink, ground = (
        page.evaluate(f"getComputedStyle(document.body).{p}") for p in ("color", "backgroundColor")
    )
    printed = page.pdf(prefer_css_page_size=True)
    page.close()
    assert asked == [(tmp_path / "report.html").as_uri()]
    assert said == []
    assert overflow <= 0
    assert drawn == 2
    assert smallest >= 12
    dark_ink = sum(map(int, re.findall(r"\d+", ink)[:3])) < sum(map(int, re.findall(r"\d+", ground)[:3]))
    assert dark_ink == (scheme == "light")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) <= 2


def test_many_findings_and_actions_are_cut_with_a_word(
    telemetry: Telemetry, advice: Advice, card: ModelCard, site: Site
) -> None:
    issues = [DataIssue(f"D-{i}", "warning", "here", "seen", "mend") for i in range(30)]
    many = replace(advice, recommendations=advice.recommendations * 9)
    text = Words(page_of(telemetry.with_issues(issues), many, card, site)).text
    assert "2 more actions are in recommendations.json." in text
    assert "19 more findings: run advisor check with --out." in text
