from __future__ import annotations

import tomllib
from datetime import date
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.catalogue import ACTIONS, Measure, judge, load_limits, load_measures, measures_for
from features.errors import CatalogueError
from features.schema import SCHEMA

FOLDER = Path(str(files("advisor") / "measures"))
TODAY = date(2026, 11, 20)
BY_ID = {m.id: m for m in load_measures()}

TEXT = """\
id = "xx-test"
title = "Test"
title_zh = "测试"
issuer = "Nobody"
document = "None"
jurisdiction = "CN"
applies_to = ["data-centre"]
force = "target"
requirement = "The PUE is at most 1.3."
kpi = "pue"
sense = "<="
threshold = 1.3
levers = ["zone_set_point_c"]
year = 2025
valid_from = 2025-01-01
valid_to = 2025-12-31
confidence = "A"

[[sources]]
title = "A source"
url = "https://example.org"
accessed = 2026-11-20
"""


def _write(folder: Path, text: str, name: str = "xx-test.toml") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def _measure(tmp_path, text: str = TEXT) -> Measure:
    return load_measures(_write(tmp_path, text))[0]


# -- the shipped catalogue -------------------------------------------------------------------------
def test_there_are_more_than_ten_and_every_file_is_loaded():
    assert len(BY_ID) >= 10
    assert set(BY_ID) == {p.stem for p in FOLDER.glob("*.toml")}
    assert len(load_measures()) == len(BY_ID)  # ids are unique


@pytest.mark.parametrize("measure", load_measures(), ids=lambda m: m.id)
def test_every_measure_can_be_cited(measure):
    assert all(s.url.startswith("https://") and s.title for s in measure.sources)
    if measure.confidence == "A":
        assert any(s.read for s in measure.sources), "an A figure was read somewhere"
    assert measure.title_zh != measure.title
    assert set(measure.levers) <= {n for n, c in SCHEMA.items() if c.role == "lever"}
    assert set(measure.actions) <= set(ACTIONS)
    assert measure.year <= TODAY.year


# Figures as printed in the documents: a change here is a change of the law, not of the code.
@pytest.mark.parametrize(
    ("name", "kpi", "sense", "threshold", "confidence"),
    [
        ("cn-p01-new-large-dc-pue", "pue", "<", 1.3, "A"),
        ("cn-p02-hub-node-pue", "pue", "<", 1.25, "A"),
        ("cn-p03-retrofit-trigger", "pue", "<=", 1.5, "A"),
        ("cn-p04-base-station-efficiency", "energy_efficiency_gain", ">=", 0.2, "A"),
        ("cn-p06-special-action-plan-pue", "pue", "<", 1.5, "A"),
        ("cn-p06-special-action-plan-rack-rate", "rack_rate", ">=", 0.6, "A"),
        ("cn-p07-new-large-dc-pue", "pue", "<=", 1.25, "B"),
        ("cn-p07-hub-node-pue", "pue", "<=", 1.2, "B"),
        ("cn-p08-hub-node-green-share", "green_share", ">", 0.8, "A"),
        ("cn-p10-base-station-efficiency", "energy_efficiency_gain", ">=", 0.2, "A"),
        ("cn-p10-site-sharing", "site_sharing_share", ">=", 0.8, "A"),
        ("cn-p17-national-green-dc-pue", "pue", "<=", 1.3, "A"),
        ("cn-p27-beijing-differential-price", "pue", "<=", 1.35, "A"),
        ("cn-s01-gb40879-limit", "pue", "<=", 1.5, "B"),
        ("sg-ss697-set-point", "zone_set_point_c", ">=", 26.0, "A"),
        ("int-ashrae-tc99-recommended-inlet", "server_inlet_temp_c", "<=", 27.0, "B"),
    ],
)
def test_figures_of_the_documents(name, kpi, sense, threshold, confidence):
    measure = BY_ID[name]
    assert (measure.kpi, measure.sense, measure.threshold) == (kpi, sense, threshold)
    assert measure.confidence == confidence


@pytest.mark.parametrize(
    "name",
    [
        "cn-p09b-cooling-technologies", "cn-p13-reduce-power", "cn-p16-green-energy-low-power-chips",
        "cn-p19-zero-carbon-computing-facility", "cn-p24-ai-and-energy",
    ],
)  # fmt: skip
def test_no_number_is_invented_where_the_source_has_none(name):
    assert BY_ID[name].kpi is None
    assert judge(BY_ID[name], {"pue": 1.2}).verdict == "cannot be judged"


def test_expired_targets_keep_their_date():
    assert BY_ID["cn-p06-special-action-plan-pue"].valid_to == date(2025, 12, 31)
    assert BY_ID["cn-p06-special-action-plan-pue"].state(TODAY) == "last published target"
    assert BY_ID["cn-p24-ai-and-energy"].state(TODAY) == "in force"
    assert BY_ID["de-enefg-existing-pue-2027"].state(TODAY) == "not yet in force"


# -- loading ---------------------------------------------------------------------------------------
def test_an_unknown_key_is_refused_by_file_and_key(tmp_path):
    _write(tmp_path, TEXT.replace("year = 2025", "year = 2025\ncolour = 3"))
    with pytest.raises(CatalogueError) as caught:
        load_measures(tmp_path)
    assert caught.value.code == "E-MEASURE-KEY"
    assert "xx-test.toml" in caught.value.where
    assert "colour" in caught.value.where
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("old", "new", "code", "hint"),
    [
        ('title = "Test"', "", "E-MEASURE-KEY", "title"),
        ('kpi = "pue"\n', "", "E-MEASURE-KEY", "belong together"),
        ("zone_set_point_c", "room_temperature", "E-MEASURE-KEY", "not a canonical lever"),
        ("zone_set_point_c", "it_power_kw", "E-MEASURE-KEY", "not a canonical lever"),
        ("year = 2025", 'year = 2025\nactions = ["magic"]', "E-MEASURE-KEY", "not an action"),
        ('levers = ["zone_set_point_c"]\n', "", "E-MEASURE-KEY", "at least one lever or action"),
        ("valid_to = 2025", "valid_to = 2024", "E-MEASURE-KEY", "after valid_to"),
        ('"A"', '"certain"', "E-MEASURE-KEY", "confidence"),
        ("threshold = 1.3", "threshold = nan", "E-MEASURE-KEY", "threshold"),
        ("data-centre", "factory", "E-MEASURE-KEY", "applies_to"),
        ("xx-test", "xx-other", "E-MEASURE-ID", "not the file's name"),
        ("year = 2025", "year = ", "E-MEASURE-TOML", "TOML"),
        (TEXT[TEXT.index("[[sources]]") :], "", "E-MEASURE-KEY", "sources"),
    ],
)
def test_a_broken_file_is_refused(tmp_path, old, new, code, hint):
    assert old in TEXT
    _write(tmp_path, TEXT.replace(old, new, 1))
    with pytest.raises(CatalogueError) as caught:
        load_measures(tmp_path)
    assert caught.value.code == code
    assert hint in str(caught.value)


def test_a_new_measure_is_a_new_file(tmp_path):
    _write(tmp_path, TEXT)
    _write(tmp_path, TEXT.replace("xx-test", "xx-more"), "xx-more.toml")
    assert [m.id for m in load_measures(tmp_path)] == ["xx-more", "xx-test"]


def test_an_empty_folder_is_an_error_and_not_an_empty_catalogue(tmp_path):
    with pytest.raises(CatalogueError, match="E-MEASURE-NONE"):
        load_measures(tmp_path)


# -- choosing --------------------------------------------------------------------------------------
def test_a_lever_finds_its_measures():
    found = measures_for("data-centre", "zone_set_point_c", on=TODAY)
    assert {"cn-p03-retrofit-trigger", "cn-s01-gb40879-limit"} <= {m.id for m in found}
    assert all("zone_set_point_c" in m.levers for m in found)
    assert not any("base-station" in m.applies_to and len(m.applies_to) == 1 for m in found)


def test_an_action_finds_its_measures():
    found = {m.id for m in measures_for("base-station", action="sleep", on=TODAY)}
    assert {"cn-p04-base-station-efficiency", "cn-p13-reduce-power"} <= found
    assert "cn-p10-site-sharing" in {m.id for m in measures_for("base-station", action="site_sharing")}


def test_measures_in_force_stand_before_expired_ones_and_future_ones_are_absent():
    states = [m.state(TODAY) for m in measures_for("data-centre", on=TODAY)]
    assert "not yet in force" not in states
    assert states == sorted(states, key=["in force", "last published target"].index)
    assert len(set(states)) == 2
    later = {m.id for m in measures_for("data-centre", on=date(2028, 1, 1))}
    assert "de-enefg-existing-pue-2027" in later


def test_other_countries_are_left_out_where_the_country_is_known():
    found = {m.jurisdiction for m in measures_for("data-centre", country="CN")}
    assert found == {"CN", "INT"}
    german = {m.jurisdiction for m in measures_for("data-centre", country="DE")}
    assert german == {"DE", "EU", "INT"}


def test_a_misspelt_action_is_an_error():
    with pytest.raises(ValueError, match="not an action"):
        measures_for("base-station", action="sleeping")


# -- judging ---------------------------------------------------------------------------------------
SITE = {"kind": "data-centre", "new_build": False, "hub_node": False, "standard_racks": 400.0, "pue": 1.42}


@pytest.mark.parametrize(
    ("name", "facts", "verdict", "reason"),
    [
        ("cn-s01-gb40879-limit", SITE, "met", "1.42"),
        ("cn-s01-gb40879-limit", {**SITE, "pue": 1.51}, "not met", "required <= 1.5"),
        ("cn-s01-gb40879-limit", {**SITE, "pue": 1.5}, "met", "1.5"),
        ("cn-s01-gb40879-limit", {**SITE, "standard_racks": 100}, "does not apply", "standard_racks > 100"),
        ("cn-s01-gb40879-limit", {**SITE, "standard_racks": None}, "cannot be judged", "standard_racks"),
        ("cn-s01-gb40879-limit", {**SITE, "pue": None}, "cannot be judged", "pue is unknown"),
        ("cn-s01-gb40879-limit", {**SITE, "kind": "base-station"}, "does not apply", "data-centre"),
        ("cn-p06-special-action-plan-pue", {**SITE, "pue": 1.5}, "not met", "required < 1.5"),
        ("cn-p06-special-action-plan-pue", SITE, "met", "last published target"),
        ("cn-p08-hub-node-green-share", {**SITE, "green_share": 0.9}, "does not apply", "is true"),
        (
            "cn-p08-hub-node-green-share",
            {"new_build": True, "hub_node": True, "green_share": 0.8},
            "not met",
            "required > 0.8",
        ),
        (
            "cn-p08-hub-node-green-share",
            {"new_build": True, "hub_node": True, "green_share": 0.81},
            "met",
            "0.81",
        ),
        ("cn-p08-hub-node-green-share", {"hub_node": True}, "cannot be judged", "new_build"),
        ("cn-p08-hub-node-green-share", {"hub_node": False}, "does not apply", "hub_node"),
        ("cn-p27-beijing-differential-price", {**SITE, "region": "Beijing"}, "not met", "1.35"),
        ("cn-p27-beijing-differential-price", {**SITE, "region": "Hebei"}, "does not apply", "Beijing"),
        ("de-enefg-existing-pue-2027", SITE, "does not apply", "2027-07-01"),
        ("sg-ss697-set-point", {**SITE, "country": "CN"}, "does not apply", "SG"),
    ],
)
def test_verdicts(name, facts, verdict, reason):
    judgement = judge(BY_ID[name], facts, on=TODAY)
    assert judgement.verdict == verdict
    assert reason in judgement.reason


def test_nan_is_not_judged_in_silence(tmp_path):
    with pytest.raises(ValueError, match="must be a number"):
        judge(_measure(tmp_path), {"pue": float("nan")})


def test_text_where_a_number_is_compared_is_refused():
    with pytest.raises(TypeError, match="standard_racks"):
        judge(BY_ID["cn-s01-gb40879-limit"], {**SITE, "standard_racks": "many"})


@given(st.floats(1.0, 3.0), st.floats(0.0, 1.0))
def test_a_lower_pue_is_never_judged_worse(value, less):
    measure = BY_ID["cn-s01-gb40879-limit"]
    facts = {**SITE, "pue": value}
    lower = {**SITE, "pue": max(value - less, 1.0)}
    if judge(measure, facts).verdict == "met":
        assert judge(measure, lower).verdict == "met"


# -- limits ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "recommended", "allowable", "dew_point", "rh"),
    [
        ("A1", (18, 27), (15, 32), 17, 80),
        ("A2", (18, 27), (10, 35), 21, 80),
        ("A3", (18, 27), (5, 40), 24, 85),
        ("A4", (18, 27), (5, 45), 24, 90),
        ("H1", (18, 22), (None, 25), None, None),
    ],
)
def test_ashrae_envelopes(name, recommended, allowable, dew_point, rh):
    (standard,) = load_limits()
    entry = standard.equipment_class(name)
    assert (entry.recommended.dry_bulb_c.lower, entry.recommended.dry_bulb_c.upper) == recommended
    assert (entry.allowable.dry_bulb_c.lower, entry.allowable.dry_bulb_c.upper) == allowable
    dew, relative = entry.allowable.dew_point_c, entry.allowable.rh_pct
    assert (dew.upper if dew else None) == dew_point
    assert (relative.upper if relative else None) == rh
    assert standard.sources
    assert standard.applies_at in SCHEMA


def test_an_unknown_equipment_class_is_named():
    with pytest.raises(CatalogueError, match="A1, A2, A3, A4, H1"):
        load_limits()[0].equipment_class("B7")


def test_limits_are_read_strictly(tmp_path):
    (source,) = (files("advisor") / "limits").iterdir()
    text = source.read_text(encoding="utf-8")
    assert tomllib.loads(text)["year"] == 2021
    (tmp_path / "ashrae-tc99-2021.toml").write_text(
        text.replace("lower = 15.0, upper = 32.0", "lower = 35.0, upper = 32.0"), encoding="utf-8"
    )
    with pytest.raises(CatalogueError) as caught:
        load_limits(tmp_path)
    assert caught.value.code == "E-LIMIT-KEY"
    assert "above upper" in str(caught.value)
