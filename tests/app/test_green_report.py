"""Measures of green, rules and purchase as a reader sees them, in English and Chinese."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser

import numpy as np
import pytest

from advisor.catalogue import load_certificate_schemes, load_share_rules
from advisor.green.account import SOURCES, GreenAccount, green_account
from advisor.green.flows import Basis, GreenFlows, GridMix, Supply
from advisor.green.instruments import Certificates, Instruments, Offset, Residual
from advisor.green.offers import CertificateOffer, certificate_lot
from advisor.green.rules import RuleCheck, check_rule
from advisor.green.tally import tally
from advisor.green.words import SOURCE_WORDS, WORDS
from app.report.green import GreenBlock, green_block, green_markdown, green_section, green_text
from app.web.sentences import translate

PAPER = Basis("published", "registry")
TODAY = date(2025, 11, 1)


def flows(steps: int = 8760) -> GreenFlows:
    load = np.full(steps, 1000.0)
    return GreenFlows(
        "hub", 1.0, load, 0.5 * load,
        (
            Supply("roof", "self-built", 0.5 * load, certified=True),
            Supply("wind", "traded", 0.1 * load, certified=True),
        ),
        GridMix(np.full(steps, 0.3), None, np.full(steps, 0.1), np.full(steps, 500.0)),
        it_kwh=0.7 * float(load.sum()), basis={"load": Basis("measured", "meters")},
    )  # fmt: skip


def account(steps: int = 8760) -> GreenAccount:
    held = Instruments((Certificates("GEC 2025", 100_000.0, PAPER),), (Offset("forest", 5000.0, PAPER),))
    return green_account(tally(flows(steps)), held, Residual(600.0, PAPER))


@pytest.fixture(scope="module")
def checks() -> list[RuleCheck]:
    scheme = load_certificate_schemes()["GEC"]
    offers = [
        certificate_lot(CertificateOffer(name, kwh, 0.005, day, PAPER), scheme, TODAY)
        for name, kwh, day in (("new <b>", 9e6, date(2025, 3, 1)), ("old", 1e6, date(2023, 1, 1)))
    ]
    facts = {"country": "CN", "kind": "data-centre", "new_build": True, "hub_node": True}
    return [check_rule(r, account(), facts, offers, on=TODAY, weight=0.4) for r in load_share_rules()]


@pytest.fixture(scope="module", params=["en", "zh"])
def block(request: pytest.FixtureRequest, checks: list[RuleCheck]) -> GreenBlock:
    return green_block(account(), checks, currency="CNY", code=request.param)


def test_every_measure_says_what_it_counts_and_what_it_does_not() -> None:
    assert set(WORDS) == {i.id for i in account().indicators}
    assert set(SOURCE_WORDS) == set(SOURCES)
    for words in WORDS.values():
        for text in (words.title, words.counts, words.leaves_out, words.formula):
            assert text
            assert translate(text, "zh").language == "zh", text


def test_figures_stand_in_their_words(checks: list[RuleCheck]) -> None:
    shown = green_block(account(), checks, currency="CNY")
    rows = {r.name: r for r in shown.rows}
    score = rows["Hourly carbon-free score"]
    assert score.value == "72 %"  # 0.5 + 0.1 + 0.3 x 0.4
    assert score.parts == "self-built 50 %, traded contract 10 %, grid mix 8 %, nuclear 4 %"
    assert rows["Non-green energy"].value == "2,450,000 kWh"
    assert rows["Renewable energy factor (REF)"].value == "61.1 %"
    assert shown.about == "Twelve months, 8,760,000 kWh used."
    assert [r.verdict.word for r in shown.rules] == ["not met", "met"]
    # 80 % of 8,760 MWh and one kWh, less 5,356 MWh
    assert shown.rules[0].remedy == "1,650,000 kWh more; the cheapest purchase costs 8,260 CNY"
    assert shown.unfit == ("not used: old: its certificates expired on 2024-12-31",)
    assert any("5,000 kg CO₂e" in note for note in shown.notes)


def test_chinese_is_chinese(checks: list[RuleCheck]) -> None:
    shown = green_block(account(), checks, currency="CNY", code="zh")
    said = [shown.title, shown.about, *shown.head, *shown.notes, *shown.rule_head, *shown.offer_head]
    said += [t for r in shown.rows for t in (r.name, r.parts, r.label, r.counts, r.leaves_out)]
    said += [t for r in shown.rules for t in (r.title, r.verdict.word, r.reason, r.remedy)]
    said += [o.note for o in shown.offers] + list(shown.unfit)
    known = {"kWh", "kg", "CO", "e", "CFE", "REF", "CUE", "IT", "CNY", "old"}
    for text in filter(None, said):
        assert set(re.findall(r"[A-Za-z]+", text)) <= known, text
        assert re.search(r"[\u4e00-\u9fff—]", text), text
    assert shown.rows[0].value == "72%"


def test_unknown_is_a_dash_with_its_reason() -> None:
    blind = green_account(tally(replace(flows(), grid=GridMix(), it_kwh=None)))
    rows = {r.name: r for r in green_block(blind).rows}
    for name in ("Hourly carbon-free score", "Scope 2, location-based", "Carbon usage effectiveness (CUE)"):
        assert (rows[name].value, rows[name].label, rows[name].parts) == ("—", "", "")
        assert rows[name].reason
    assert "the carbon-free share of the grid is unknown at hub" in green_markdown(green_block(blind))
    zh = {r.name: r for r in green_block(blind, code="zh").rows}
    assert zh["逐小时零碳得分（CFE）"].reason == "hub缺少电网的零碳占比"


def test_a_week_is_not_called_a_year() -> None:
    about = green_block(account(168)).about
    assert about == "A window of 168 h, not a year; 168,000 kWh used."


class Cells(HTMLParser):
    """Cells of every table row, and the classes that stand in the page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[int] = []
        self.classes: set[str] = set()
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append(0)
        if tag in ("td", "th"):
            self.rows[-1] += 1
        self.classes |= set((dict(attrs).get("class") or "").split())


def test_the_section_escapes_names_and_has_whole_rows(block: GreenBlock) -> None:
    html = green_section(block)
    assert "new &lt;b&gt;" in html
    found = Cells(html)
    # ten measures of six cells, two rules of four, one offer of five, each table with its head
    assert found.rows == [6] * 11 + [4] * 3 + [5] * 2
    assert {"num", "badge", "measured", "assumed", "stack", "bad", "good"} >= found.classes - {
        "green", "card", "scroll", "note", "state", "modelled", "published",
    }  # fmt: skip
    assert "num" in found.classes


def test_markdown_rows_are_whole(block: GreenBlock) -> None:
    lines = [line for line in green_markdown(block).splitlines() if line.startswith("|")]
    assert [line.count("|") - 1 for line in lines] == [6] * 12 + [4] * 4 + [5] * 3


def test_the_terminal_shows_all_three_tables(block: GreenBlock) -> None:
    text = green_text(block)
    for title in (block.title, block.rule_title, block.offer_title):
        assert title in text
