"""The operator's way through the app, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SLOW_MS = 120_000
"""A busy machine opens a site slowly; on a quiet one it takes seconds."""
PAGES = ("fleet", "upload", "findings", "overview", "actions", "measures", "report")
DEEP = """
(selector) => {
  const walk = (root) => [...root.querySelectorAll('*')].flatMap(
    (e) => [e, ...(e.shadowRoot ? walk(e.shadowRoot) : [])]);
  return walk(document).filter((e) => e.matches(selector));
}
"""


@pytest.fixture
def page(browser: Any, url: str) -> Iterator[Any]:
    """Return a fresh page whose every request is checked: none may leave this machine."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="zh-CN")
    tab = context.new_page()
    tab.set_default_timeout(SLOW_MS)
    outside: list[str] = []
    wrong: list[str] = []
    tab.on("request", lambda r: None if r.url.startswith((url, "data:", "blob:")) else outside.append(r.url))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    yield tab
    context.close()
    assert outside == []
    assert wrong == []


def at(tab: Any, url: str, page: str, more: str = "") -> None:
    tab.goto(f"{url}?page={page}&site=hall{more}")
    tab.wait_for_selector(f"h1[data-page={page}]")
    tab.wait_for_selector("[role=status] progress", state="detached")


def test_the_first_page_answers_in_the_browsers_language(page: Any, url: str) -> None:
    page.goto(url)
    page.wait_for_selector(".tiles .value")
    assert page.get_attribute("html", "lang") == "zh-CN"
    assert page.inner_text("h1") == "测试机房 <b>Hall</b>"  # a site's name is text, never markup
    answer = page.inner_text(".answer")
    assert "MWh" in answer
    assert "PUE" in answer
    assert page.locator(".tile .badge.measured").count() >= 2
    assert page.title().startswith("站点概况")


def test_language_and_theme_change_in_place(page: Any, url: str) -> None:
    at(page, url, "overview", "&lang=zh")
    figures = page.locator(".tile .value").all_inner_texts()
    page.click("button[lang=en]")
    page.wait_for_function("document.documentElement.lang === 'en'")
    page.wait_for_selector("h2:has-text('What to do next')")
    assert page.locator("a[aria-current=page]").inner_text() == "Site overview"
    assert page.locator(".tile .value").all_inner_texts()[1] == figures[1]  # the PUE is the same
    page.click("button[aria-label^='Light theme']")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(14, 21, 28)"
    assert "lang=en" in page.url
    assert "theme=dark" in page.url


def test_a_recommendation_opens_is_accepted_and_taken_back(page: Any, url: str) -> None:
    at(page, url, "overview", "&lang=en")
    page.click("nav >> text=Recommendations")
    action = page.locator("details.action").first
    action.wait_for()
    page.wait_for_function(f"({DEEP})('h1')[0].matches(':focus')")  # the new page's heading has the focus
    summary = action.locator("summary").inner_text()
    assert "MWh" in summary
    assert "interval" in summary
    action.locator("summary").click()
    for word in ("Why", "How sure", "What limits it", "Measures answered", "Risk and way back"):
        assert action.locator(f"dt:has-text('{word}')").is_visible()
    action.locator("text=Accept >> nth=0").click()
    action.locator("summary .state:has-text('Accepted')").wait_for()
    assert "Accepted so far: 1." in page.inner_text(".answer")
    assert action.get_attribute("open") is not None  # it stays open under the reader's hands
    action.locator("button:has-text('Undo')").click()
    page.wait_for_selector("text=Accepted so far: 0.")


def test_findings_are_numbered_on_the_series_and_in_the_list(page: Any, url: str) -> None:
    at(page, url, "findings", "&lang=en")
    first = page.locator("li.finding").first
    assert first.locator(".number").inner_text() == "1"
    assert "below zero" in first.inner_text()
    first.locator("button").click()
    page.wait_for_selector("text=Finding 1 with two days before and after.")
    labels = page.evaluate(
        "[...Bokeh.documents].flatMap(d => [...d._all_models.values()])"
        ".filter(m => m.type === 'LabelSet').flatMap(m => [...m.source.data.number])"
    )
    assert "1" in labels


def test_an_upload_says_what_it_recognised_and_becomes_a_site(
    page: Any, url: str, small_export: Path
) -> None:
    at(page, url, "upload", "&lang=en")
    page.set_input_files("input[type=file]", str(small_export))
    page.wait_for_selector("text=need a look")
    doubtful = page.locator("section.card:has-text('Please look at these') tbody tr").first
    assert "<script>alert(1)</script>" in doubtful.inner_text()
    assert page.locator("text=/720 rows in = [0-9,]+ accepted/").is_visible()
    # a meaning is corrected, and the file read again with it
    doubtful.locator("select").first.select_option("chilled_water_supply_temp_c")
    page.wait_for_selector("section.card:has-text('Please look at these')", state="detached")
    page.click("text=Train and advise")
    page.wait_for_selector("progress[aria-label^='Training']")
    page.click("text=Open the site")
    page.wait_for_selector("h1:has-text('my export')")
    page.wait_for_selector(".tile .value")
    assert page.locator("select.site option").all_inner_texts() == ["测试机房 <b>Hall</b>", "my export"]


def test_sessions_do_not_see_each_other(browser: Any, page: Any, url: str) -> None:
    at(page, url, "actions", "&lang=en")
    action = page.locator("details.action").first
    action.locator("summary").click()
    action.locator("text=Reject").click()
    action.locator("summary .state:has-text('Rejected')").wait_for()
    other = browser.new_context(locale="en-GB").new_page()
    other.set_default_timeout(SLOW_MS)
    at(other, url, "actions", "&lang=zh")
    assert other.locator("details.action summary .state.bad").count() == 0
    assert other.get_attribute("html", "lang") == "zh-CN"
    assert page.get_attribute("html", "lang") == "en"
    other.context.close()


@pytest.mark.parametrize("width", [390, 1440])
def test_no_page_scrolls_sideways_and_every_control_can_be_hit(browser: Any, url: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 844})
    tab = context.new_page()
    tab.set_default_timeout(SLOW_MS)
    for name in PAGES:
        at(tab, url, name, "&lang=en")
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        small = tab.evaluate(
            f"({DEEP})('button, select, summary, .item').filter(e => e.checkVisibility())"
            ".map(e => [e.outerHTML.slice(0, 80), e.getBoundingClientRect().height])"
            ".filter(([, height]) => height < 24)"
        )
        assert small == [], name
        assert tab.locator("h1").count() == 1
    context.close()


def test_an_address_with_wrong_values_still_opens(page: Any, url: str) -> None:
    page.goto(f"{url}?page=nonsense&site=../../etc&lang=fr&theme=dark")
    page.wait_for_selector("h1[data-page=overview]")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"  # the good value counts
    page.wait_for_selector("text=3 个无法使用")


def test_keyboard_reaches_skip_site_language_theme_and_pages_in_that_order(page: Any, url: str) -> None:
    at(page, url, "report", "&lang=en")
    said = []
    page.evaluate("document.activeElement?.blur(); window.scrollTo(0, 0)")
    for _ in range(6):
        page.keyboard.press("Tab")
        said.append(
            page.evaluate(
                "(() => { let e = document.activeElement; while (e?.shadowRoot?.activeElement)"
                " e = e.shadowRoot.activeElement; return e.getAttribute('aria-label') ?? e.textContent; })()"
            )
        )
    assert said[0] == "Skip to content"
    assert said[1] == "Site"
    assert said[2:4] == ["中文", "EN"]
    assert said[4].startswith("Light theme")
    assert "Fleet" in said[5]


def test_the_report_is_shown_without_scripts_and_can_be_taken_away(page: Any, url: str) -> None:
    at(page, url, "report", "&lang=en")
    frame = page.frame_locator("iframe")
    frame.locator("h1").wait_for()
    assert page.get_attribute("iframe", "sandbox") == ""
    with page.expect_download() as waiting:
        page.click("text=Plan (CSV)")
    text = Path(waiting.value.path()).read_text(encoding="utf-8")
    assert text.startswith("timestamp,local_timestamp,site_id")
