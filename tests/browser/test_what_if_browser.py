"""The engineer's way through the sliders, in a real browser; skipped where there is none."""

from __future__ import annotations

import socket
import statistics
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from advisor.assets import Battery, Pv, Workload
from advisor.site import read_site
from features.operation import operation_of
from features.reading import read_paths
from models.data_centre import DataCentreBundle, SiteModels, WhatIf
from models.identifiability import lever_evidence
from models.site_response import fit_site_response
from models.site_scorer import fit_site_scorer
from models.store import ModelCard
from sample_data.generate import write_samples

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
ZONE = "[data-lever=zone_set_point_c]"
ENERGY = ".strip .tile:first-child"


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """What the page needs of a site: export, what-if models, declaration."""
    paths = write_samples(tmp_path_factory.mktemp("samples"), seed=7)
    telemetry = read_paths([paths["data_centre_telemetry"]])[0]
    operation = operation_of(telemetry, telemetry.site_ids[0])
    evidence = lever_evidence(operation)
    even = operation.week % 2 == 0
    what_if = WhatIf(
        tuple(evidence), {n: e.to_dict() for n, e in evidence.items()}, (),
        fit_site_response(operation, even, 0), fit_site_scorer(operation, ~even, 0),
    )  # fmt: skip
    card = ModelCard(
        "data-centre", "", "", "", tuple(telemetry.site_ids), 3600.0, telemetry.zone.name, 0, {}, {},
        model_id="data-centre-test",
    )  # fmt: skip
    site = read_site(paths["data_centre_site"]).model_copy(
        update={
            "pv": Pv(kw_peak=300.0, kw_peak_max=3000.0, source="test"),
            "battery": Battery(
                energy_kwh=500.0, power_kw=250.0, charge_efficiency=0.9, discharge_efficiency=0.9, source="t"
            ),
            "workload": Workload(flexible_share=0.2, it_capacity_kw=900.0, source="test"),
        }
    )
    bundle = DataCentreBundle(card, {telemetry.site_ids[0]: SiteModels({}, what_if)})
    return SimpleNamespace(telemetry=telemetry, bundle=bundle, site=site)


@pytest.fixture(scope="module")
def server(case: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server that shows the page alone; ``sessions`` holds (document, state) of every visit."""
    import panel as pn

    from app.web.state import SessionState
    from app.web.view import style
    from app.web.what_if import what_if_page

    sessions: list[tuple[Any, SessionState]] = []
    empty = tmp_path_factory.mktemp("data")

    def page() -> Any:
        state = SessionState(empty, empty, "token", page="what_if")
        sessions.append((pn.state.curdoc, state))
        pn.config.raw_css = [style("tokens")]
        return pn.Column(what_if_page(case, state), sizing_mode="stretch_width")  # type: ignore[arg-type]

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = pn.serve({"/": page}, port=port, address="127.0.0.1", show=False, threaded=True)
    yield SimpleNamespace(url=f"http://127.0.0.1:{port}/", sessions=sessions)
    running.stop()


@pytest.fixture
def page(browser: Any, server: Any) -> Iterator[Any]:
    """A visit at 1440 by 1000; errors in the page and requests off the host fail the test."""
    visit = browser.new_page(viewport={"width": 1440, "height": 1000})
    wrong: list[str] = []
    visit.on("pageerror", lambda error: wrong.append(str(error)))
    visit.on("request", lambda r: wrong.append(r.url) if not r.url.startswith(LOCAL) else None)
    visit.goto(server.url)
    visit.locator(f"{ZONE} input[type=range]").wait_for(timeout=60_000)
    yield visit
    visit.close()
    assert wrong == []


LOCAL = ("http://127.0.0.1", "data:", "blob:", "ws://127.0.0.1")


def wait_for_text(page: Any, selector: str, text: str) -> None:
    playwright.expect(page.locator(selector).first).to_contain_text(text, timeout=10_000)


def type_zone(page: Any, value: str) -> None:
    field = page.locator(f"{ZONE} input[type=number]")
    field.fill(value)
    field.press("Tab")


def test_a_slider_moves_the_figures_by_keyboard(page: Any) -> None:
    wait_for_text(page, ".verdict", "Nothing is moved yet")
    before = page.locator(ENERGY).inner_text()
    page.locator(f"{ZONE} input[type=range]").focus()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    playwright.expect(page.locator(f"{ZONE} input[type=number]")).to_have_value("25")
    playwright.expect(page.locator(ENERGY)).not_to_have_text(before, timeout=10_000)
    wait_for_text(page, ENERGY, "now ")
    wait_for_text(page, ".verdict", "At equal work")
    assert "fans, leakage" in page.locator("tr", has_text="IT: answer").inner_text()


def test_outside_the_known_range_is_hatched_and_claims_nothing_until_reset(page: Any) -> None:
    type_zone(page, "28.5")
    wait_for_text(page, ".verdict", "Outside the known range")
    wait_for_text(page, ".legend", "outside the known range")
    playwright.expect(page.locator(f"{ZONE}.unseen-value")).to_have_count(1)
    values = page.locator(".strip .value").all_inner_texts()
    assert set(values) == {"—"}
    assert "kWh" not in page.locator(".verdict").inner_text()
    assert "Broken" in page.locator("section", has_text="Limits").last.inner_text()
    page.get_by_role("button", name="Reset to current").click()
    wait_for_text(page, ".verdict", "Nothing is moved yet")
    playwright.expect(page.locator(f"{ZONE} input[type=number]")).to_have_value("22")
    assert "—" not in "".join(page.locator(".strip .value").all_inner_texts())


def test_a_typed_value_stays_inside_the_travel(page: Any) -> None:
    for typed, kept in (("999", "29"), ("-5", "16"), ("", "16")):
        type_zone(page, typed)
        playwright.expect(page.locator(f"{ZONE} input[type=number]")).to_have_value(kept)


def test_language_changes_and_sliders_stay(page: Any, server: Any) -> None:
    type_zone(page, "23")
    wait_for_text(page, ".verdict", "At equal work")
    document, state = server.sessions[-1]
    document.add_next_tick_callback(lambda: setattr(state, "lang", "zh"))
    wait_for_text(page, ".levers h2", "调节项")
    wait_for_text(page, ".verdict", "在相同业务量下")
    playwright.expect(page.locator(f"{ZONE} input[type=number]")).to_have_value("23")
    document.add_next_tick_callback(lambda: setattr(state, "lang", "en"))
    wait_for_text(page, ".levers h2", "Sliders")


def test_the_address_follows_the_sliders(page: Any, server: Any) -> None:
    type_zone(page, "23.5")
    wait_for_text(page, ".verdict", "At equal work")
    page.wait_for_timeout(1200)
    assert server.sessions[-1][1].link == {"set": "zone_set_point_c:23.5"}


def test_another_week_keeps_the_sliders(page: Any) -> None:
    type_zone(page, "24")
    wait_for_text(page, ".verdict", "At equal work")
    page.wait_for_timeout(1200)
    energy = page.locator(ENERGY).inner_text()
    page.get_by_label("Week", exact=True).select_option("warmest")
    playwright.expect(page.locator(ENERGY)).not_to_have_text(energy, timeout=20_000)
    playwright.expect(page.locator(f"{ZONE} input[type=number]")).to_have_value("24", timeout=20_000)


def test_on_a_phone_the_result_stays_in_view(browser: Any, server: Any) -> None:
    visit = browser.new_page(viewport={"width": 390, "height": 844})
    visit.goto(server.url)
    last = visit.locator("[data-lever=battery_kwh] input[type=range]")
    last.wait_for(timeout=60_000)
    last.scroll_into_view_if_needed()
    assert visit.evaluate("document.documentElement.scrollWidth") <= 390
    strip = visit.locator(".strip").bounding_box()
    assert strip is not None
    assert 0 <= strip["y"] < 120
    assert strip["height"] < 200
    box = last.bounding_box()
    assert box is not None
    assert box["y"] > strip["y"] + strip["height"]
    small = visit.evaluate(SMALL)
    assert small == []
    visit.close()


SMALL = """() => {
  const found = [], walk = (root) => root.querySelectorAll('*').forEach((e) => {
    if (e.shadowRoot) walk(e.shadowRoot);
    if (!['BUTTON', 'INPUT', 'SELECT'].includes(e.tagName)) return;
    const box = e.getBoundingClientRect();
    if (box.width && (box.height < 24 || box.width < 24)) found.push(e.outerHTML.slice(0, 80));
  });
  walk(document);
  return found;
}"""

MOVE = """async ([lever, values]) => {
  const find = (root, wanted) => {
    const queue = [root];
    while (queue.length) {
      const at = queue.shift(), hit = at.querySelector(wanted);
      if (hit) return hit;
      at.querySelectorAll('*').forEach((e) => { if (e.shadowRoot) queue.push(e.shadowRoot); });
    }
  };
  const range = find(document, `${lever} input[type=range]`), strip = find(document, '.strip');
  const took = [];
  for (const value of values) {
    const began = performance.now();
    const seen = new Promise((done) => {
      const watch = new MutationObserver(() => {
        watch.disconnect();
        requestAnimationFrame(() => done(performance.now() - began));
      });
      watch.observe(strip, {subtree: true, childList: true, characterData: true});
      setTimeout(() => done(null), 5000);
    });
    range.value = value;
    range.dispatchEvent(new Event('input', {bubbles: true}));
    took.push(await seen);
    await new Promise((go) => setTimeout(go, 100));
  }
  return took;
}"""


def test_one_move_to_the_new_picture(page: Any) -> None:
    """200 ms is the aim; what else runs on the machine gets the same again."""
    took = page.evaluate(MOVE, [ZONE, [21, 22.5, 23, 20, 24, 25, 21.5, 26, 19.5, 23.5]])
    assert None not in took
    assert statistics.median(took) < 400


def test_the_page_says_what_is_wrong(browser: Any, tmp_path: Path) -> None:
    """An export without power: the reason stands on the page, no slider is shown."""
    import panel as pn

    from app.web.state import SessionState
    from app.web.what_if import what_if_page
    from features.telemetry import Telemetry

    stamps = pd.date_range("2026-01-01", periods=48, freq="h", tz="UTC")
    frame = pd.DataFrame({"site_id": "s", "unit_id": "", "timestamp": stamps, "it_power_kw": float("nan")})
    empty = SimpleNamespace(telemetry=Telemetry(frame, pd.Timedelta(hours=1), "data-centre"), bundle=None)
    shown = what_if_page(empty, SessionState(tmp_path, tmp_path, "t", page="what_if"))  # type: ignore[arg-type]
    assert isinstance(shown, pn.Column)
    text = str([child.tree for child in shown])
    assert "no step with measured power" in text
