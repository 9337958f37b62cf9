"""The page of `advisor plan`: what it says beside the files, and how it looks in a real browser."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from advisor.plan import PLAN_COLUMNS
from advisor.portfolio_front import Front
from app.report.plan_content import PlanSource, build_plan_page, kind_of
from app.report.plan_page import PlanPage, render_plan
from app.report.plan_points import target_line
from app.report.plan_words import amount, busiest, change_of, in_words
from app.service.plan import PlanOutcome, plan_folder
from tests.portfolio_folder import JOBS, PANELS, write_portfolio

NAME = "<script>alert('x')</script> & sites"
TARGET = """
[[target]]
measure = "cfe"
at_least = 0.5
sites = ["dc-b"]
source = "goal"
"""


class Words(HTMLParser):
    """Text of a page, without style and drawings, and its elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.parts: list[str] = []
        self._hidden = 0
        self.feed(html)

    def handle_starttag(self, tag: str, _attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._hidden += tag in ("style", "svg")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("style", "svg")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.parts))


@dataclass(frozen=True)
class Made:
    """What one run left."""

    outcome: PlanOutcome
    html: str
    text: str
    summary: dict[str, Any]
    front: pd.DataFrame
    page: PlanPage


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = write_portfolio(tmp_path_factory.mktemp("portfolio"))
    site = folder / "b.toml"
    site.write_text(site.read_text(encoding="utf-8") + '[pv]\nkw_peak = 400\nsource = "test"\n', "utf-8")
    export = folder / "a" / "telemetry.csv"
    metered = pd.read_csv(export)
    metered.assign(cooling_power_kw=0.15 * metered["facility_power_kw"]).to_csv(export, index=False)
    path = folder / "portfolio.toml"
    top = f'name = "{NAME}"\nobjective = "cost"\n'
    path.write_text(top + path.read_text(encoding="utf-8") + JOBS + PANELS + TARGET, encoding="utf-8")
    out = folder / "out"
    outcome = plan_folder(folder, out=out, points=3, page=True)
    html = (out / "plan.html").read_text(encoding="utf-8")
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    page = build_plan_page(PlanSource(outcome.plan, outcome.green, outcome.sources))
    return Made(outcome, html, Words(html).text, summary, pd.read_csv(out / "pareto.csv"), page)


def page_of(made: Made, front: Front) -> PlanPage:
    plan = replace(made.outcome.plan, front=front)
    return build_plan_page(PlanSource(plan, made.outcome.green, made.outcome.sources))


# -- what it says ----------------------------------------------------------------------------------
def test_the_answer_is_that_of_the_summary(made: Made) -> None:
    saved = made.summary["saving"]["non_green_kwh"]["point"]
    told = re.search(r"([\d,]+) kWh(?: \([\d,]+ to [\d,]+\))? less non-green energy", made.text)
    assert told is not None
    assert float(told[1].replace(",", "")) == pytest.approx(saved, rel=5e-3)
    assert amount(made.summary["planned"]["non_green_kwh"], "kWh") in made.text
    assert f"today {amount(made.summary['baseline']['cost'], 'CNY')}" in made.text
    assert made.summary["knowledge"] in made.text
    assert "20 May 2025 00:00 to 27 May 2025 00:00 (+08:00)" in made.text


def test_every_point_stands_there_and_opens_to_its_own_actions(made: Made) -> None:
    assert made.html.count('<details class="point">') == len(made.front) >= 3
    blocks = made.page.points
    assert [b.number for b in blocks] == [str(p) for p in made.front["point"]]
    for block, row in zip(blocks, made.front.to_dict(orient="records"), strict=True):
        assert block.non_green == amount(row["non_green_kwh"], "kWh", 4)
        assert block.non_green in made.text
        built = dict(block.figures)["built or bought"]
        for name in ("panels", "storage"):
            size = float(row[name])
            assert (f"{name}: {amount(size, 'kW' if name == 'panels' else 'kWh')}" in built) == (size > 0.2)
        assert any(w.startswith("nightly jobs: ") for w in block.words)
        assert any(w.startswith("Battery of radio (3 stations)") for w in block.words)
    assert len({b.words for b in blocks}) == len(blocks)  # each point has its own plan
    assert [b.mark for b in blocks].count("this plan") == 1


def test_options_and_targets_are_told_with_what_they_reach(made: Made) -> None:
    page = made.page
    sizes = {line.name: line.size for line in page.options}
    assert sizes["panels"] == amount(made.summary["options"]["panels"]["size"], "kW")
    assert sizes["cooling"] in ("built", "not built")
    (target,) = page.targets
    reached = made.summary["sites"]["dc-b"]["planned"]["green_share"]
    assert target.reached == f"{100 * reached:.1f} %".replace(".0 %", " %")
    assert (target.bound, target.state.word) == ("≥ 50 %", "met")
    assert target.today != target.reached
    missed = replace(made.outcome.plan.setting.targets[0], bound=0.99)
    assert target_line(missed, made.outcome.plan).state.word == "not met"


def test_sites_add_up_and_stations_stand_together(made: Made) -> None:
    lines = made.page.sites
    assert {line.name for line in lines} == {"dc-a", "dc-b", "radio (3 stations)"}
    radio = next(line for line in lines if line.name.startswith("radio"))
    before, after = (
        sum(made.summary["sites"][f"radio/S{k}"][when]["non_green_kwh"] for k in range(3))
        for when in ("baseline", "planned")
    )
    assert radio.non_green == change_of(before, after, "kWh")


def test_what_each_figure_rests_on_has_a_label(made: Made) -> None:
    rows = made.page.rests_on
    assert {r.quantity for r in rows} >= {"work: nightly jobs", "option: panels", "moving work"}
    kinds = {(r.quantity, r.kind) for r in rows}
    assert {
        ("load", "measured"),
        ("own production", "modelled"),
        ("facility energy per work", "measured"),
    } <= kinds
    assert {k for _, k in kinds} <= {"measured", "published", "modelled", "assumed", ""}
    assert "data " + made.summary["provenance"]["sites"]["dc-a"]["data_hash"][:16] in made.text


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("measured: pv_power_kw", "measured"), ("modelled: clear-sky shape", "modelled"),
        ("constant: contract 2026", "published"), ("by time of use: assumption of the sample", "assumed"),
        ("not declared: no money is told", ""), ("the load is the work", ""),
    ],
)  # fmt: skip
def test_labels_of_sources(text: str, kind: str) -> None:
    assert kind_of(text) == kind


def test_names_are_escaped_and_nothing_is_loaded(made: Made) -> None:
    assert "<script" not in made.html
    assert "&lt;script&gt;" in made.html
    assert not re.search(r"(src|href)=\"(?!#)", made.html)
    assert "script" not in Words(made.html).tags


def test_without_a_front_or_money_the_page_says_what_it_has(made: Made) -> None:
    page = page_of(made, Front.none("cost"))
    assert (page.front, page.points) == ((), ())
    assert "Other plans" not in render_plan(page)
    moved = page_of(made, replace(made.outcome.plan.front, second="effort_kwh"))
    assert "work moved and stored [" in moved.front[0].wide
    assert moved.points[-1].cost.endswith("Wh")


# -- words -----------------------------------------------------------------------------------------
def commands(rows: list[tuple[str, str, str, int, float, float]]) -> pd.DataFrame:
    """Return hourly commands of 6 May 2025: site, unit, lever, hour, current, recommended."""
    table = pd.DataFrame(rows, columns=["site_id", "unit_id", "lever", "hour", "current", "recommended"])
    stamp = table["hour"].map("2025-05-06T{:02d}:00:00+08:00".format)
    table = table.assign(local_timestamp=stamp, timestamp=pd.to_datetime(stamp, utc=True), unit="kW")
    return table[list(PLAN_COLUMNS)]


def test_the_words_of_a_plan_by_hand() -> None:
    rows = [
        ("a", "jobs", "it_power_kw", 20, 30.0, 0.0), ("a", "jobs", "it_power_kw", 3, 0.0, 10.0),
        ("b", "jobs", "it_power_kw", 3, 0.0, 20.0),
        ("a", "", "it_power_kw", 20, 100.0, 60.0), ("a", "", "it_power_kw", 3, 100.0, 120.0),
        ("b/1", "", "battery_discharge_kw", 19, 0.0, 4.0), ("b/2", "", "battery_discharge_kw", 20, 0.0, 2.0),
        ("b/1", "", "battery_charge_kw", 12, 0.0, 7.0), ("a", "", "battery_discharge_kw", 3, 0.0, 0.0),
        ("a", "", "grid_power_kw", 20, 200.0, 150.0),
    ]  # fmt: skip
    # of site a: 40 kWh leave 20:00, 30 of them jobs; 20 arrive at 03:00, 10 of them jobs
    assert in_words(commands(rows), 1.0, {"a": "a", "b": "b (2 stations)"}) == (
        "jobs: 30.0 kWh of 30.0 kWh moved, 20.0 kWh of it goes to b (2 stations); mostly from 20:00–21:00 to "
        "03:00–04:00.",
        "Flexible work of a: 10.0 kWh leaves its hour, 10.0 kWh arrives; mostly from 20:00–21:00 to "
        "03:00–04:00.",
        "Battery of a: rests.",
        "Battery of b (2 stations): delivers 6.00 kWh, mostly 19:00–20:00; takes in 7.00 kWh, mostly "
        "12:00–13:00.",
        "a buys 200 → 150 kWh.",
    )  # fmt: skip
    assert in_words(commands(rows).iloc[:0], 1.0, {}) == ()


def test_the_busiest_hours_by_hand() -> None:
    profile = np.zeros(24)
    assert busiest(profile) == ""
    profile[[22, 23, 0]] = 10.0, 10.0, 10.0
    profile[12] = 5.0
    assert busiest(profile) == "22:00–01:00"  # two hours hold 20 of 35, three 30
    assert busiest(np.ones(24)) == ""


def test_both_sides_of_an_arrow_have_one_unit() -> None:
    assert change_of(133_000.0, 77_500.0, "kWh") == "133 → 77.5 MWh"
    assert change_of(77_500.0, 133_000.0, "kWh") == "77.5 → 133 MWh"
    assert change_of(6330.0, 6331.0, "kWh") == "6,330 kWh"
    assert change_of(None, 1.0, "kWh") == "—"


# -- in a browser ----------------------------------------------------------------------------------
@pytest.mark.parametrize("width", [390, 1150])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_in_a_real_browser(
    width: int, scheme: str, made: Made, browser: Any, tmp_path: Path
) -> None:
    place = tmp_path / "plan.html"
    place.write_text(made.html, encoding="utf-8")
    asked: list[str] = []
    said: list[str] = []
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.goto(place.as_uri())
    first = page.locator("details.point").first
    assert not first.locator("ul").is_visible()
    first.locator("summary").click()
    assert first.locator("ul").is_visible()
    overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    beyond = page.evaluate("""[...document.querySelectorAll('svg text')].filter(t => {
        const own = t.getBoundingClientRect(), all = t.ownerSVGElement.getBoundingClientRect();
        return own.width > 0 && (own.right > all.right + 2 || own.left < all.left - 2);
    }).map(t => t.textContent)""")
    smallest = page.evaluate(
        """Math.min(...[...document.querySelectorAll('main *')]
        .filter(e => !e.closest('svg') && e.textContent.trim())
        .map(e => parseFloat(getComputedStyle(e).fontSize)))"""
    )
    drawn = page.evaluate(
        "[...document.querySelectorAll('svg')].filter(s => s.getBoundingClientRect().width > 0).length"
    )
    page.close()
    assert asked == [place.as_uri()]
    assert said == []
    assert overflow <= 0
    assert beyond == []
    assert smallest >= 12
    assert drawn == 3
