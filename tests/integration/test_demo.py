"""``advisor demo`` as a stranger runs it: what lies in the folder afterwards, and that it is right."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from advisor.plan import PLAN_COLUMNS

SITES = ("data_centre", "base_stations")
TOTALS = {"energy_kwh", "non_green_kwh", "cost", "carbon_kg", "pue", "green_share", "water_m3"}
SAVINGS = {"energy_kwh", "energy_pct", "non_green_kwh", "cost", "carbon_kg"}
ENTRY = {"id", "action", "lever", "measures", "saving", "binding_limit", "reasons", "verdict"}


@pytest.fixture(scope="module")
def made(stranger: Any) -> Path:
    """The folder that the demo wrote."""
    assert stranger.first.returncode == 0, stranger.first.stdout + stranger.first.stderr
    folder: Path = stranger.folder / "advisor-demo"
    return folder


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_it_says_how_to_open_both_reports(stranger: Any, made: Path) -> None:
    said = stranger.first.stdout
    for site in SITES:
        assert (made / site / "advice" / "report.html").as_uri() in said
    assert "Traceback" not in said + stranger.first.stderr
    assert "%)" in stranger.first.stderr  # progress, as plain lines


@pytest.mark.parametrize("site", SITES)
def test_every_row_is_accounted_for(site: str, stranger: Any, made: Path) -> None:
    account = r"rows in ([\d,]+) = ([\d,]+) accepted \+ ([\d,]+) quarantined \+ ([\d,]+) rejected"
    sentences = re.findall(account, stranger.first.stdout)
    assert len(sentences) == 2
    rows_in, *parts = (int(n.replace(",", "")) for n in sentences[SITES.index(site)])
    assert rows_in == sum(parts)
    assert {p.name for p in (made / site / "check").iterdir()} == {
        "mapping.toml", "telemetry.parquet", "issues.csv", "quarantined.csv", "check.html",
    }  # fmt: skip


@pytest.mark.parametrize("site", SITES)
def test_summary_holds_what_the_contract_says(site: str, made: Path) -> None:
    summary = read(made / site / "advice" / "summary.json")
    assert set(summary["baseline"]) >= TOTALS
    assert set(summary["planned"]) >= TOTALS
    assert set(summary["saving"]) >= SAVINGS
    for span in filter(None, summary["saving"].values()):
        assert span["lower"] <= span["point"] <= span["upper"]
    saved = summary["saving"]["energy_kwh"]
    if saved is not None:
        before, after = (summary[part]["energy_kwh"] for part in ("baseline", "planned"))
        assert saved["point"] == pytest.approx(before - after, rel=1e-6)
        assert summary["saving"]["energy_pct"]["point"] == pytest.approx(
            100 * (before - after) / before, rel=1e-6
        )


@pytest.mark.parametrize("site", SITES)
def test_recommendations_hold_what_the_contract_says(site: str, made: Path) -> None:
    entries = read(made / site / "advice" / "recommendations.json")
    assert entries, "the sample site has something to save"
    for entry in entries:
        assert set(entry) >= ENTRY
        assert entry["verdict"] in {"supported", "not proven", "hold", "refused"}
        assert entry["reasons"]
        assert entry["rollback_trigger"]
        assert entry["expiry"]
    assert len({entry["id"] for entry in entries}) == len(entries)


def test_the_sample_data_centre_has_something_to_save(made: Path) -> None:
    saving = read(made / "data_centre" / "advice" / "summary.json")["saving"]
    assert saving["energy_kwh"]["lower"] > 0


@pytest.mark.parametrize("site", SITES)
def test_the_plan_keeps_the_ranges_of_the_site_file(site: str, made: Path) -> None:
    plan = pd.read_csv(made / site / "advice" / "plan.csv", keep_default_na=False)
    assert tuple(plan.columns) == PLAN_COLUMNS
    assert plan["timestamp"].str.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").all()
    shift = pd.to_datetime(plan["local_timestamp"]).dt.tz_localize(None) - pd.to_datetime(
        plan["timestamp"]
    ).dt.tz_localize(None)
    assert (shift == pd.Timedelta(hours=8)).all()
    levers = tomllib.loads((made / "samples" / site / "site.toml").read_text(encoding="utf-8"))["levers"]
    assert set(plan["lever"]) <= set(levers)
    for lever, rows in plan.groupby("lever"):
        bounds = levers[str(lever)]
        assert rows["recommended"].between(bounds["lower"], bounds["upper"]).all()
    supported = [
        e for e in read(made / site / "advice" / "recommendations.json") if e["verdict"] == "supported"
    ]
    assert bool((plan["recommended"] != plan["current"]).any()) == bool(supported)


@pytest.mark.parametrize("site", SITES)
def test_the_report_tells_the_same_story(site: str, made: Path, stranger: Any) -> None:
    html = (made / site / "advice" / "report.html").read_text(encoding="utf-8")
    name = tomllib.loads((made / "samples" / site / "site.toml").read_text(encoding="utf-8"))["name"]
    assert f"<h1>{name}</h1>" in html
    headline = re.findall(r'<p class="says">(.*?)</p>', html)
    assert len(headline) == 1
    assert headline[0] in stranger.first.stdout
    assert html.count("<svg") >= 2
    for section in (
        "What to do",
        "Where the site stands",
        "Predicted against measured",
        "How sure",
        "Findings",
    ):
        assert f"<h2>{section}</h2>" in html
    # sources are named with their addresses, but nothing is loaded from anywhere
    assert not re.search(r"<script|(src|href)=.https?:|url\((?!#)|@import|NaN|\bnan\b|None<", html)


@pytest.mark.parametrize("site", SITES)
def test_the_planted_faults_were_found(site: str, made: Path) -> None:
    codes = set(pd.read_csv(made / site / "check" / "issues.csv")["code"])
    assert {"D-NEGATIVE-POWER", "D-STUCK", "D-GAP"} <= codes


@pytest.mark.parametrize("site", SITES)
def test_intervals_were_proved_on_held_out_data(site: str, made: Path) -> None:
    card = read(made / site / "model" / "card.json")
    text = json.dumps(card["quantities"])
    measured = [float(c) for c in re.findall(r'"coverage(?:_measured)?": ([\d.]+)', text)]
    assert measured
    assert np.all((np.array(measured) > 0.5) & (np.array(measured) <= 1.0))
