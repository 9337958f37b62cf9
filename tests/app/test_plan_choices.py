"""`advisor plan` with classes of work, options, targets, tariffs, contracts and demand response."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from app.cli import main
from app.service.plan import PlanOutcome, plan_folder
from features.errors import AdvisorError, PlanError
from tests.portfolio_folder import JOBS, PANELS, hours, write_portfolio

OUT_OF_REACH = """\
E-DISPATCH-TARGET: an hourly coverage by own production of 21.0% cannot be met: at best 20.1%, 971.5 kWh \
short, in 7 of 7 days, most of it from 0 to 7 h
  Where: dc-a, dc-b
  What to do: lower the target to what can be reached; no amount of storage is enough
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_portfolio(tmp_path_factory.mktemp("portfolio"))


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    made = shutil.copytree(folder, tmp_path / "copy")
    site = made / "b.toml"
    site.write_text(
        site.read_text(encoding="utf-8") + '[pv]\nkw_peak = 400\nsource = "test"\n', encoding="utf-8"
    )
    return made


def planned(copy: Path, more: str = "", points: int = 0, **top: object) -> PlanOutcome:
    """Plan with more tables and keys in portfolio.toml."""
    path = copy / "portfolio.toml"
    keys = "".join(f"{name} = {value!r}\n" for name, value in top.items())
    path.write_text(keys + path.read_text(encoding="utf-8") + more, encoding="utf-8")
    return plan_folder(copy, out=copy / "out", points=points)


def told(outcome: PlanOutcome, name: str) -> dict:  # type: ignore[type-arg]
    return outcome.to_dict()[name]  # type: ignore[return-value]


def test_a_class_of_work_moves_in_time_and_space(copy: Path) -> None:
    done = planned(copy, JOBS)
    jobs = told(done, "work")["nightly jobs"]
    assert jobs["energy_kwh"] == pytest.approx(sum(jobs["done_kwh"].values()))
    assert 0 < jobs["moved_kwh"] <= jobs["energy_kwh"]
    table = done.plan.table[done.plan.table["unit_id"] == "nightly jobs"]
    assert set(table["site_id"]) == {"dc-a", "dc-b"}
    sums = table.groupby("lever")[["current", "recommended"]].sum().loc["it_power_kw"]
    assert sums["current"] == pytest.approx(sums["recommended"], rel=1e-4)  # the same work
    assert sums["current"] == pytest.approx(jobs["energy_kwh"], rel=1e-4)
    whole = done.plan.table.query("site_id == 'dc-a' and unit_id == '' and lever == 'it_power_kw'")
    assert (whole["current"].to_numpy() >= table.query("site_id == 'dc-a'")["current"].to_numpy()).all()


def test_work_may_be_told_by_classes_alone(copy: Path) -> None:
    for name in ("a.toml", "b.toml"):
        text = (copy / name).read_text(encoding="utf-8")
        (copy / name).write_text(text.replace("flexible_share = 0.2", "flexible_share = 0.0"))
    done = planned(copy, JOBS)
    sites = told(done, "sites")
    gone = sites["dc-a"]["received_from_others_kwh"]
    assert gone == pytest.approx(-sites["dc-b"]["received_from_others_kwh"])
    assert -gone == pytest.approx(told(done, "work")["nightly jobs"]["done_kwh"]["dc-b"])


def test_options_are_sized_and_their_cost_is_told(copy: Path) -> None:
    export = copy / "a" / "telemetry.csv"
    with_meter = pd.read_csv(export)
    with_meter["cooling_power_kw"] = 0.15 * with_meter["facility_power_kw"]
    with_meter.to_csv(export, index=False)
    done = planned(copy, PANELS, objective="cost")
    options = told(done, "options")
    assert set(options) == {"panels", "storage", "cooling"}
    assert 0 < options["panels"]["size"] <= 900
    assert options["cooling"]["size"] in (0, 1)
    kept = planned(shutil.copytree(copy, copy.parent / "kept"), points=0)
    paid = sum(o["cost_in_window"] for o in options.values())
    energy = done.plan.dispatch.totals.cost
    assert energy is not None
    assert done.plan.planned.cost == pytest.approx(energy + paid)
    assert kept.plan.planned.cost is not None
    assert done.plan.planned.cost < done.plan.baseline.cost  # type: ignore[operator]


def test_a_green_target_is_met_or_explained(copy: Path) -> None:
    target = '[[target]]\nmeasure = "cfe"\nat_least = {}\nsites = ["dc-b"]\nsource = "goal"\n'
    more = PANELS[: PANELS.rindex("[[option]]")] + target.format(0.68)
    met = planned(shutil.copytree(copy, copy.parent / "met"), more, objective="cost")
    assert met.plan.dispatch.sites["dc-b"].totals.cfe >= 0.68 - 1e-4  # type: ignore[operator]
    with pytest.raises(PlanError, match="E-DISPATCH-TARGET") as refused:
        planned(copy, target.format(0.9))
    assert "90.0% cannot be met: at best" in refused.value.what
    assert "kWh short" in refused.value.what


def test_a_target_out_of_reach_is_told_in_three_lines(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    goal = '[[target]]\nmeasure = "coverage"\nat_least = 0.21\nsites = ["dc-b"]\nsource = "goal"\n'
    path = copy / "portfolio.toml"
    path.write_text(path.read_text(encoding="utf-8") + goal, encoding="utf-8")
    assert main(["plan", str(copy), "--out", str(copy / "out"), "--points", "0"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err[told.err.index("E-DISPATCH") :] == OUT_OF_REACH
    assert not (copy / "out").exists()


def test_certificates_may_fill_a_green_share(copy: Path) -> None:
    target = '[[target]]\nmeasure = "green_share"\nat_least = 0.1\nsource = "goal"\n'
    offer = '[[purchase]]\nname = "more"\nkind = "certificate"\nvolume_kwh = 1e6\nprice_per_kwh = 0.05\n'
    offer += 'source = "test"\n'
    done = planned(copy, target + offer, objective="cost")
    sizes = told(done, "options")
    assert sizes["certificates"]["size"] == pytest.approx(1000)  # the cheaper offer first
    totals = done.plan.dispatch.totals
    bought = sum(o["size"] for o in sizes.values())
    assert 1 - (totals.grid_kwh - bought) / totals.load_kwh == pytest.approx(0.1, abs=1e-5)


def test_times_of_use_peaks_and_events_set_the_cost(copy: Path) -> None:
    site = copy / "b.toml"
    text = site.read_text(encoding="utf-8").replace(
        'energy_per_kwh = 0.6\nsource = "test"',
        'energy_per_kwh = 0.6\nsource = "test"\ndemand_per_kw_month = 30\n'
        "[[tariff.period]]\nfrom_hour = 22\nto_hour = 6\nenergy_per_kwh = 0.3",
        1,
    )
    event = (
        '\n[[demand_response]]\nstart = "2025-05-21T18:00"\nend = "2025-05-21T20:00"\nlimit_kw = 690\n'
        'pay_per_kwh = 2.0\nsource = "test"\n'
        '[connection]\ngrid_max_kw = 900\nsource = "test"\n'
    )
    site.write_text(text + event, encoding="utf-8")
    done = planned(copy, objective="cost")
    case = next(p for p in done.plan.sites if p.case.dispatch.site_id == "dc-b")
    price, local = case.case.dispatch.price_per_kwh, done.plan.horizon.stamps.tz_convert("+08:00")
    assert price is not None
    assert set(np.round(price, 6)) == {0.3, 0.6, 2.6}
    assert (price[(local.hour >= 22) | (local.hour < 6)] == 0.3).all()
    inside = (local >= "2025-05-21T18:00+08:00") & (local < "2025-05-21T20:00+08:00")
    assert case.after.grid_kw[inside].max() <= 690 + 1e-6
    assert case.case.dispatch.grid_max_kw is not None
    assert case.case.dispatch.grid_max_kw[~inside].min() == 900
    peak = case.case.dispatch.peak
    assert peak is not None
    assert peak.price_per_kw == pytest.approx([30 * 168 / 744])
    energy = case.before.grid_kw @ np.where(inside, 0.6, price)
    assert case.baseline.cost == pytest.approx(energy + 30 * 168 / 744 * case.before.grid_kw.max())


def test_a_contract_is_matched_by_the_hour_and_paid_as_produced(copy: Path) -> None:
    stamps = hours()
    shape = pd.DataFrame({"timestamp": stamps.strftime("%Y-%m-%dT%H:%M:%S+08:00"), "kw_per_kw": 0.0})
    shape.loc[stamps.hour < 6, "kw_per_kw"] = 1.0
    shape.to_csv(copy / "wind.csv", index=False)
    contract = (
        '\n[[contract]]\nname = "wind"\norigin = "traded"\nkw = 100\nprofile = "wind.csv"\n'
        'price_per_kwh = 0.4\nsource = "test"\n'
    )
    site = copy / "a.toml"
    site.write_text(site.read_text(encoding="utf-8") + contract, encoding="utf-8")
    done = planned(copy)
    case = next(p for p in done.plan.sites if p.case.dispatch.site_id == "dc-a")
    assert next(g.kw for g in case.case.generation if g.name == "wind").sum() == pytest.approx(100 * 6 * 7)
    assert case.case.dispatch.fixed_cost == pytest.approx(0.4 * 4200)
    local = done.plan.horizon.stamps.tz_convert("+08:00")
    assert case.before.own_used_kw[local.hour < 6] == pytest.approx(100)
    price = case.case.dispatch.price_per_kwh
    assert case.baseline.cost == pytest.approx(0.4 * 4200 + float(case.before.grid_kw @ price))


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (JOBS.replace('"dc-a"', '"dc-x"'), "E-PLAN-WORK"),
        (JOBS.replace("share = 0.2", "share = 0.7") + JOBS.replace("nightly", "daily").replace("0.2", "0.7"),
         "E-PLAN-WORK"),
        (PANELS, "E-PLAN-OPTION"),  # the retrofit needs the cooling meter
        (PANELS.replace("dc-b", "dc-x"), "E-PLAN-OPTION"),
        ('[[target]]\nmeasure = "cfe"\nat_least = 0.1\nsites = ["x"]\nsource = "s"\n', "E-PLAN-TARGET"),
        (JOBS.replace("share = 0.2", 'file = "none.csv"'), "E-GRID-FILE"),
        (JOBS + "latency_ms_max = 3\n", "E-PLAN-WORK"),
        (JOBS + JOBS, "E-PORTFOLIO-KEY"),
    ],
)  # fmt: skip
def test_each_fault_has_its_code(copy: Path, more: str, code: str) -> None:
    with pytest.raises(AdvisorError) as refused:
        planned(copy, more, objective="cost")
    assert refused.value.code == code
