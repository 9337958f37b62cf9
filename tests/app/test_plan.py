"""`advisor plan` from files to files: what is planned, what it rests on, what goes wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from advisor.plan import PLAN_COLUMNS
from advisor.portfolio_green import _basis
from app.cli import main
from app.report.plan_content import kind_of
from app.service.plan import plan_folder
from features.errors import AdvisorError
from features.schema import SCHEMA
from tests.portfolio_folder import BATTERY, centre, hours, write_portfolio

NODES = ("energy_kwh", "non_green_kwh", "cost", "carbon_kg", "pue", "green_share", "water_m3")


@dataclass(frozen=True)
class Planned:
    """What a run of the command left."""

    code: int
    text: str
    table: pd.DataFrame
    front: pd.DataFrame
    summary: dict  # type: ignore[type-arg]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_portfolio(tmp_path_factory.mktemp("portfolio"))


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(folder, tmp_path / "copy")


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.fixture(scope="module")
def planned(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Planned:
    out = tmp_path_factory.mktemp("out")
    import contextlib
    import io

    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        code = main(["plan", str(folder), "--out", str(out), "--points", "5"])
    return Planned(
        code, text.getvalue(), pd.read_csv(out / "plan.csv"), pd.read_csv(out / "pareto.csv"),
        json.loads((out / "summary.json").read_text(encoding="utf-8")),
    )  # fmt: skip


def test_summary_has_the_contracts_shape(planned: Planned) -> None:
    summary = planned.summary
    assert planned.code == 0
    assert set(summary["baseline"]) == set(summary["planned"]) == set(NODES)
    for member in ("energy_kwh", "energy_pct", "non_green_kwh", "cost", "carbon_kg"):
        span = summary["saving"][member]
        assert span["lower"] <= span["point"] <= span["upper"]
    for name in ("energy_kwh", "non_green_kwh", "cost", "carbon_kg"):
        apart = summary["baseline"][name] - summary["planned"][name]
        assert summary["saving"][name]["point"] == pytest.approx(apart)
        by_site = sum(site["planned"][name] for site in summary["sites"].values())
        assert by_site == pytest.approx(summary["planned"][name])
    assert summary["saving"]["non_green_kwh"]["lower"] > 0
    assert "not a forecast" in summary["knowledge"]
    assert "not a forecast" in planned.text
    assert summary["solver"]["gap"] < 1e-3
    assert all(check["passed"] for check in summary["checks"])
    assert summary["provenance"]["sites"]["dc-a"]["zone"] == "+08:00"


def test_every_site_says_what_its_figures_rest_on(planned: Planned) -> None:
    sites = planned.summary["sites"]
    assert set(sites) == {"dc-a", "dc-b", "radio/S0", "radio/S1", "radio/S2"}
    assert sites["dc-a"]["sources"]["green share of the grid"].startswith("hour by hour")
    assert sites["dc-b"]["sources"]["green share of the grid"].startswith("constant 25%")
    assert sites["dc-b"]["sources"]["own production"].startswith("measured")
    assert sites["radio/S0"]["sources"]["own production"].startswith("modelled")
    assert sites["dc-a"]["facility_per_work"]["point"] == pytest.approx(1.2, abs=0.03)
    assert sites["dc-a"]["facility_per_work"]["source"].startswith("measured")
    assert sites["dc-a"]["planned"]["pue"] > 1.2
    assert sites["radio/S0"]["planned"]["pue"] is None


def test_a_modelled_grid_is_labelled_so_everywhere(copy: Path, tmp_path: Path) -> None:
    change(copy / "portfolio.toml", 'grid = "a-grid.csv"', 'grid = "a-grid.csv"\ngrid_label = "modelled"')
    done = plan_folder(copy, out=tmp_path / "out", points=0)
    case = done.plan.sites[0].case
    assert case.labels["green share of the grid"] == "modelled, hour by hour: file.grid_cfe_share"
    assert case.labels["load"] == "measured"
    assert kind_of(case.labels["price"]) == "modelled"
    assert _basis(done.plan.sites[0])["grid"].label == "modelled"
    assert _basis(done.plan.sites[1])["grid"].label == "assumed"


def test_table_is_canonical_and_its_own_figures_balance(planned: Planned) -> None:
    table = planned.table
    assert tuple(table.columns) == PLAN_COLUMNS
    assert set(table["lever"]) <= set(SCHEMA)
    assert [SCHEMA[name].unit for name in table["lever"]] == list(table["unit"])
    assert table["local_timestamp"].str.endswith("+08:00").all()
    work = table[(table["lever"] == "it_power_kw")]
    day = work["local_timestamp"].str[:10]
    moved = (work["recommended"] - work["current"]).groupby(day).sum()
    assert len(moved) == 7
    np.testing.assert_allclose(moved, 0, atol=0.1)  # work leaves and returns on the same day, at some site
    assert (work["recommended"] >= 0.8 * work["current"] - 1e-3).all()
    assert (work["recommended"] <= 700.001).all()
    bought = table[table["lever"] == "grid_power_kw"].groupby("site_id")["recommended"].sum()
    for site_id, kwh in bought.items():
        share = planned.summary["sites"][site_id]["planned"]
        if site_id != "dc-a":  # a constant share of 25 % at the others
            assert share["non_green_kwh"] == pytest.approx(0.75 * kwh, rel=1e-4)
            assert share["carbon_kg"] == pytest.approx(0.5 * kwh, rel=1e-4)


def test_front_falls_from_cheap_to_green_and_holds_todays_cost(planned: Planned) -> None:
    front = planned.front
    assert planned.summary["front"]["between"] == ["cost", "non_green_kwh"]
    assert len(front) in {5, 6}
    assert (front["cost"].diff().dropna() >= -1e-6).all()
    assert (front["non_green_kwh"].diff().dropna() <= 1e-6).all()
    assert (front["cost"] <= front["bound"] * (1 + 1e-6)).all()
    assert front["non_green_kwh"].iloc[-1] == pytest.approx(
        planned.summary["planned"]["non_green_kwh"], rel=1e-4
    )


def test_certificates_are_priced_beside_the_plan(planned: Planned, copy: Path, tmp_path: Path) -> None:
    (line,) = planned.summary["purchases"]
    assert line["useful_kwh"] == 1000
    assert line["cost"] == pytest.approx(30)
    change(copy / "portfolio.toml", "volume_kwh = 1000", "volume_kwh = 1e9")
    more = plan_folder(copy, out=tmp_path / "out", points=0)
    assert more.plan.planned.green_share == pytest.approx(planned.summary["planned"]["green_share"])
    offer = more.to_dict()["purchases"][0]  # type: ignore[index]
    assert offer["useful_kwh"] == pytest.approx(more.plan.planned.non_green_kwh)  # no more than there is


def test_a_bounded_cost_is_kept(copy: Path, tmp_path: Path) -> None:
    free = plan_folder(copy, out=tmp_path / "out", points=0).plan
    assert free.planned.cost > free.baseline.cost  # type: ignore[operator]
    change(copy / "portfolio.toml", "currency", "cost_increase_max_pct = 0\ncurrency")
    bounded = plan_folder(copy, out=tmp_path / "out", points=0).plan
    assert bounded.planned.cost <= bounded.baseline.cost * (1 + 1e-6)  # type: ignore[operator]
    assert free.planned.non_green_kwh < bounded.planned.non_green_kwh < free.baseline.non_green_kwh  # type: ignore[operator]


def test_hours_without_data_rest_and_are_in_no_sum(copy: Path, tmp_path: Path) -> None:
    rows = centre(0)
    gap = rows["timestamp (UTC+08:00)"].str.startswith("2025-05-21")
    rows[~gap].to_csv(copy / "a" / "telemetry.csv", index=False)
    done = plan_folder(copy, out=tmp_path / "out", points=0)
    assert [i.rows for i in done.found if i.code == "D-PLAN-GAP" and i.place == "dc-a"] == [24]
    table = done.plan.table
    assert not table[(table["site_id"] == "dc-a")]["local_timestamp"].str.startswith("2025-05-21").any()
    site = next(p for p in done.plan.sites if p.case.dispatch.site_id == "dc-a")
    assert site.case.counted.sum() == 144
    assert site.baseline.energy_kwh == pytest.approx(
        rows[~gap & rows["timestamp (UTC+08:00)"].between("2025-05-20", "2025-05-27")][
            "facility_power_kw"
        ].sum()
    )


def test_stations_together_share_one_supply(copy: Path, tmp_path: Path) -> None:
    change(copy / "portfolio.toml", 'meters = "each"', 'meters = "together"')
    done = plan_folder(copy, out=tmp_path / "out", points=0)
    assert [p.case.dispatch.site_id for p in done.plan.sites] == ["dc-a", "dc-b", "radio"]
    assert [i.code for i in done.found] == ["D-PLAN-STATIONS"]


def test_one_bad_site_does_not_touch_the_others(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / "b" / "telemetry.csv").write_text("nothing,useful\n1,2\n", encoding="utf-8")
    code = main(["plan", str(copy), "--out", str(tmp_path / "out"), "--points", "0", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert code == 1
    assert [f["place"] for f in told["failed"]] == ["b.toml"]
    assert "dc-a" in told["sites"]
    assert "dc-b" not in told["sites"]


def without(text: str) -> Callable[[Path], None]:
    return lambda folder: change(folder / "b.toml", text, "")


@pytest.mark.parametrize(
    ("break_it", "code"),
    [
        (without('[green]\ngrid_share = 0.25\nsource = "test share"\n'), "E-PLAN-GREEN"),
        (without('kind = "data-centre"\n'), None),
        (lambda f: change(f / "b.toml", 'currency = "CNY"', 'currency = "EUR"'), "E-PLAN-CURRENCY"),
        (lambda f: change(f / "b.toml", 'id = "dc-b"', 'id = "dc-a"'), "E-PORTFOLIO-TWICE"),
        (lambda f: change(f / "b.toml", "flexible_share = 0.2", "flexible_share = 2"), "E-SITE-KEY"),
        (lambda f: centre(1).iloc[:200].to_csv(f / "b" / "telemetry.csv", index=False), "E-PLAN-GAPS"),
        (lambda f: centre(1).drop(columns="it_power_kw").to_csv(f / "b" / "telemetry.csv", index=False),
         "E-PLAN-POWER"),
        (lambda f: change(f / "a-grid.csv", "0.2,0.4", "1.2,0.4"), "E-GRID-VALUE"),
        (lambda f: change(f / "a-grid.csv", "grid_cfe_share", "cfe"), "E-GRID-COLUMNS"),
        (lambda f: change(f / "a-grid.csv", "2025-05-01T00:00:00+08:00", "2025-05-01T01:00:00+08:00"),
         "E-GRID-TIME"),
        (lambda f: change(f / "portfolio.toml", "a-grid.csv", "nowhere.csv"), "E-GRID-FILE"),
    ],
)  # fmt: skip
def test_each_fault_has_its_code(
    copy: Path, tmp_path: Path, break_it: Callable[[Path], None], code: str | None
) -> None:
    break_it(copy)
    done = plan_folder(copy, out=tmp_path / "out", points=0)
    assert [f.error.code for f in done.failed] == ([] if code is None else [code])


@pytest.mark.parametrize(
    ("break_it", "code", "exit_code"),
    [
        (lambda f: change(f / "portfolio.toml", "2025-05-27", "2025-05-20"), "E-PLAN-WINDOW", 2),
        (lambda f: change(f / "b.toml", '"+08:00"', '"+09:00"'), "E-PLAN-DAY", 2),
        (lambda f: [(f / n).unlink() for n in ("a.toml", "b.toml", "radio.toml")], "E-PLAN-NOTHING", 3),
    ],
)
def test_what_nothing_can_be_planned_with_stops(
    copy: Path, tmp_path: Path, break_it: Callable[[Path], None], code: str, exit_code: int,
) -> None:  # fmt: skip
    break_it(copy)
    with pytest.raises(AdvisorError) as refused:
        plan_folder(copy, out=tmp_path / "out", points=0)
    assert (refused.value.code, refused.value.exit_code) == (code, exit_code)


def test_sites_of_other_zones_keep_their_own_days(copy: Path, tmp_path: Path) -> None:
    change(copy / "portfolio.toml", "between_sites = true", "between_sites = false")
    change(copy / "b.toml", '"+08:00"', '"+09:00"')
    table = plan_folder(copy, out=tmp_path / "out", points=0).plan.table
    for name, zone in (("dc-a", "+08:00"), ("dc-b", "+09:00")):
        work = table[(table["site_id"] == name) & (table["lever"] == "it_power_kw")]
        assert work["local_timestamp"].str.endswith(zone).all()
        change_of_day = (
            (work["recommended"] - work["current"]).groupby(work["local_timestamp"].str[:10]).sum()
        )
        np.testing.assert_allclose(change_of_day, 0, atol=0.02)


def test_work_above_the_declared_capacity_is_told_and_stays(copy: Path, tmp_path: Path) -> None:
    change(copy / "a.toml", "it_capacity_kw = 700", "it_capacity_kw = 520")
    done = plan_folder(copy, out=tmp_path / "out", points=0)
    assert "D-PLAN-ABOVE-CAPACITY" in {i.code for i in done.found}
    work = done.plan.table.query("site_id == 'dc-a' and lever == 'it_power_kw'")
    above = work["current"] > 520
    assert above.any()
    np.testing.assert_allclose(work["recommended"][above], work["current"][above])
    assert (work["recommended"][~above] <= 520.001).all()


def test_without_prices_the_front_is_that_of_effort(copy: Path, tmp_path: Path) -> None:
    tariff = '[tariff]\nenergy_per_kwh = 0.6\nsource = "test"\n'
    change(copy / "b.toml", tariff, "")
    done = plan_folder(copy, out=tmp_path / "out", points=4, page=True).plan
    page = (tmp_path / "out" / "plan.html").read_text(encoding="utf-8")
    assert "not known at every site" in page
    assert "work moved and stored [" in page
    assert done.front.between == ("effort_kwh", "non_green_kwh")
    assert done.planned.cost is None
    assert done.saving.cost is None
    first = done.front.table.iloc[0]
    assert first["moved_kwh"] + first["delivered_kwh"] == pytest.approx(0.0, abs=0.01)
    assert first["non_green_kwh"] == pytest.approx(done.baseline.non_green_kwh, rel=1e-6)


def test_days_on_forecasts_claim_less_than_known_ones(copy: Path, tmp_path: Path) -> None:
    known = plan_folder(copy, out=tmp_path / "known", points=0).plan
    change(copy / "portfolio.toml", "currency", 'foresight = "forecast"\ncurrency')
    outcome = plan_folder(copy, out=tmp_path / "out", points=0)
    done, told = outcome.plan, outcome.to_dict()
    assert done.rolled is not None
    assert "forecasts from earlier days alone" in str(told["knowledge"])
    saved = done.baseline.non_green_kwh - done.planned.non_green_kwh  # type: ignore[operator]
    most = known.baseline.non_green_kwh - known.planned.non_green_kwh  # type: ignore[operator]
    assert 0 < saved < most
    assert done.saving.non_green_kwh.point == pytest.approx(saved)  # type: ignore[union-attr]
    rolled = told["rolled"]
    assert 0 < rolled["share_of_bound_reached"] <= 1.001  # type: ignore[index]
    assert rolled["late_kwh"] < 1e-3 * done.dispatch.totals.load_kwh  # type: ignore[index]
    work = done.table.query("lever == 'it_power_kw'")
    moved = work["recommended"].sum() - work["current"].sum()
    assert moved == pytest.approx(0, abs=1.0 + rolled["late_kwh"])  # type: ignore[index]


def test_weather_forecasts_count_only_where_they_were_issued_in_time(copy: Path, tmp_path: Path) -> None:
    change(copy / "portfolio.toml", "currency", 'foresight = "forecast"\ncurrency')
    alone = plan_folder(copy, out=tmp_path / "alone", points=0).plan.dispatch.totals
    stamps = hours().tz_localize("+08:00")
    table = pd.DataFrame(
        {
            "timestamp": [s.isoformat() for s in stamps],
            "issued": [(s + pd.Timedelta(hours=1)).isoformat() for s in stamps],
            "ghi_w_m2": np.random.default_rng(0).uniform(0, 900, len(stamps)),
        }
    )
    table.to_csv(copy / "late.csv", index=False)
    change(copy / "portfolio.toml", 'site = "b.toml"', 'site = "b.toml"\nweather_forecast = "late.csv"')
    late = plan_folder(copy, out=tmp_path / "late", points=0).plan.dispatch.totals
    assert late.non_green_kwh == pytest.approx(alone.non_green_kwh)
    table.drop(columns="ghi_w_m2").to_csv(copy / "late.csv", index=False)
    done = plan_folder(copy, out=tmp_path / "none", points=0)
    assert [f.error.code for f in done.failed] == ["E-GRID-COLUMNS"]


@pytest.mark.parametrize(
    "more",
    ['foresight = "forecast"\nstart = "2025-05-05T00:00"\nend = "2025-05-08T00:00"\n',
     'foresight = "forecast"\ncost_increase_max_pct = 1\n', 'foresight = "forecast"\nobjective = "cost"\n'],
)  # fmt: skip
def test_what_forecasts_cannot_do_is_refused(copy: Path, tmp_path: Path, more: str) -> None:
    text = (copy / "portfolio.toml").read_text(encoding="utf-8")
    if "start" in more:
        text = "\n".join(line for line in text.splitlines() if not line.startswith(("start", "end")))
    (copy / "portfolio.toml").write_text(more + text, encoding="utf-8")
    with pytest.raises(AdvisorError, match="E-PLAN-FORESIGHT"):
        plan_folder(copy, out=tmp_path / "out", points=0)


def test_the_front_may_bound_carbon(copy: Path, tmp_path: Path) -> None:
    change(copy / "portfolio.toml", "currency", 'front = "carbon_kg"\ncurrency')
    done = plan_folder(copy, out=tmp_path / "out", points=3).plan
    table = done.front.table
    assert done.front.between == ("carbon_kg", "non_green_kwh")
    assert (table["carbon_kg"] <= table["bound"] * (1 + 1e-6)).all()
    assert set(done.front.plans["point"]) == set(table["point"])
    told = done.front.plans.query("lever == 'grid_power_kw'").groupby("point")["recommended"].sum()
    # every point opens to its own commands; only the stations that nothing is decided at are not among them
    assert (told.to_numpy() <= table["grid_kwh"].to_numpy() + 1e-3).all()


def test_a_partly_missing_price_tells_no_money(copy: Path, tmp_path: Path) -> None:
    grid = pd.read_csv(copy / "a-grid.csv")
    grid.loc[500:505, "price_per_kwh"] = np.nan
    grid.to_csv(copy / "a-grid.csv", index=False)
    done = plan_folder(copy, out=tmp_path / "out", points=0)
    assert [i.rows for i in done.found if i.code == "D-PLAN-PARTIAL"] == [6]
    assert done.plan.planned.cost is None


def test_a_reserve_that_backup_needs_is_never_touched(copy: Path, tmp_path: Path) -> None:
    change(
        copy / "a.toml",
        BATTERY.format(size=300),
        BATTERY.format(size=300).replace("reserve_kwh = 1", "reserve_kwh = 250"),
    )
    done = plan_folder(copy, out=tmp_path / "out", points=0)
    site = next(p for p in done.plan.sites if p.case.dispatch.site_id == "dc-a")
    assert site.after.soc_kwh.min() >= 250 - 1e-6


SERVERS = """
[[servers]]
name = "web"
model = "{model}"
count = 600
mean_utilisation = 0.12
peak_utilisation = 0.3
source = "test"
"""


def test_servers_are_planned_beside_the_placement_with_their_sources(copy: Path, tmp_path: Path) -> None:
    with (copy / "a.toml").open("a", encoding="utf-8") as site:
        site.write(SERVERS.format(model="xeon-8280-2s"))
    outcome = plan_folder(copy, out=tmp_path / "out", points=0)
    (servers,) = outcome.servers
    assert servers.site_id == "dc-a"
    told = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))["servers"]["dc-a"]
    (action,) = told["actions"]
    assert action["kind"] == "consolidate"
    assert any("SPECpower" in source for source in action["sources"])
    saved = told["it_before_kw"]["point"] - told["it_after_kw"]["point"]
    assert saved == pytest.approx(action["it_saving_kw"]["point"])
    assert outcome.exit_code == 0


def test_a_server_that_nobody_knows_fails_its_site_alone(copy: Path, tmp_path: Path) -> None:
    with (copy / "a.toml").open("a", encoding="utf-8") as site:
        site.write(SERVERS.format(model="abacus-9000"))
    outcome = plan_folder(copy, out=tmp_path / "out", points=0)
    assert outcome.exit_code == 1
    assert [f.place for f in outcome.failed] == ["dc-a"]
    assert outcome.servers == ()
    assert outcome.plan.saving.non_green_kwh is not None
