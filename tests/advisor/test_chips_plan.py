"""What is advised for a declared fleet."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.chip_catalogue import load_hardware
from advisor.chips import ChipAction, ChipPlan, payback, plan_chips
from advisor.chips_power import standing_machine
from advisor.chips_text import plan_lines
from advisor.plan import Interval
from advisor.servers import HardwarePrices, OfferPrice, ServerGroup
from advisor.site import read_site
from features.errors import CatalogueError, SiteFileError, UsageError

CATALOGUE = load_hardware()


def group(name: str, model: str, count: int, mean: float, peak: float, **more: object) -> ServerGroup:
    values = {"name": name, "model": model, "count": count, "mean_utilisation": mean,
              "peak_utilisation": peak, "source": "test"}  # fmt: skip
    return ServerGroup.model_validate(values | more)


def prices(**changes: object) -> HardwarePrices:
    values = {"currency": "CNY", "as_of": date(2026, 11, 1), "source": "test"}
    return HardwarePrices.model_validate(values | changes)


MIXED = (
    group("old", "xeon-e5-2699v4-2s", 60, 0.2, 0.45),
    group("mid", "xeon-8280-2s", 40, 0.25, 0.5),
    group("new", "epyc-7742-2s", 20, 0.3, 0.6),
    group("forgotten", "xeon-e5-2699v3-2s", 12, 0.01, 0.02, pool="legacy"),
)


@pytest.fixture(scope="module")
def mixed() -> ChipPlan:
    return plan_chips(MIXED, CATALOGUE)


def capacity(ident: str) -> float:
    found = CATALOGUE.servers[ident].capacity_m_ops
    assert found is not None
    return found


def test_zero_purchase_steps_come_first_and_add_up(mixed: ChipPlan) -> None:
    assert [a.kind for a in mixed.actions] == ["switch off", "consolidate"]
    assert all(a.purchase_cost is None for a in mixed.actions)
    total = sum(a.it_saving_kw.point for a in mixed.actions)
    assert total == pytest.approx(mixed.it_before_kw.point - mixed.it_after_kw.point)
    assert mixed.report.status == "optimal"
    assert mixed.report.gap == pytest.approx(0.0, abs=1e-6)


def test_it_power_today_is_that_of_the_declared_loads(mixed: ChipPlan) -> None:
    watts = sum(g.count * float(standing_machine(g, CATALOGUE).power_w(g.mean_utilisation)) for g in MIXED)
    assert mixed.it_before_kw.point == pytest.approx(watts / 1000)


def test_the_comatose_group_is_switched_off(mixed: ChipPlan) -> None:
    action = mixed.actions[0]
    assert "forgotten" in action.sentence
    assert action.servers_after["forgotten"] == 0
    # 12 servers at 1 % load: idle 47.1 W + a tenth of the step to 10 %, (0.321 - 0.17) / 0.83 x 224.9 W
    assert action.it_saving_kw.point == pytest.approx(12 * (47.1 + 0.1 * 40.92) / 1000, rel=1e-3)


def test_one_model_is_consolidated_to_peak_and_reserve() -> None:
    plan = plan_chips((group("mid", "xeon-8280-2s", 40, 0.2, 0.5),), CATALOGUE)
    (action,) = plan.actions
    # Peak 0.5 x 40 = 20 machines' work, and one more may fail.
    assert action.servers_after == {"mid": 21}
    assert action.sentence.startswith("Consolidate 40 x Xeon Platinum 8280 (2S) (pool general) on 21 of them")
    machine = standing_machine(group("mid", "xeon-8280-2s", 40, 0.2, 0.5), CATALOGUE)
    after_w = 21 * float(machine.power_w(8 / 21))
    assert plan.it_after_kw.point == pytest.approx(after_w / 1000)
    assert action.it_saving_kw.lower == pytest.approx(0.85 * action.it_saving_kw.point)


def test_one_for_one_by_a_large_server_is_rejected_with_its_figure(mixed: ChipPlan) -> None:
    lines = [r for r in mixed.rejected if "one for one" in r.sentence]
    assert len(lines) == 3
    assert all(r.it_saving_kw is not None and r.it_saving_kw.point < 0 for r in lines)
    assert any("old" in r.sentence and "instead of 102 W" in r.reason for r in lines)


@pytest.mark.parametrize("model", ["xeon-e5-2699v4-2s", "xeon-8180-2s", "epyc-7601-2s"])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_one_for_one_by_a_large_server_is_never_advised(model: str, count: int) -> None:
    fleet = (group("old", model, count, 0.2, 0.6),)
    plan = plan_chips(fleet, CATALOGUE, prices(budget=1e9))
    for action in plan.actions:
        large = {
            m: n for m, n in action.servers_after.items() if m in CATALOGUE.servers and m.endswith("-2s")
        }
        assert sum(large.values()) < max(count, 2), action.sentence
    assert plan.it_after_kw.point <= plan.it_before_kw.point


def test_without_a_budget_purchases_are_shown_but_not_counted(mixed: ChipPlan) -> None:
    assert 1 <= len(mixed.purchases) <= 3
    for action in mixed.purchases:
        assert action.kind == "replace"
        assert action.tag == "C"
        assert action.price_assumed
        assert action.embodied_kg is not None
        assert action.embodied_kg.point > 0
        told = payback(action, facility_factor=1.2, price_per_kwh=0.7, carbon_kg_per_kwh=0.5366)
        assert told.carbon_point_years is not None
        assert told.money_point_years is not None
        assert told.carbon_point_years < 5 < told.money_point_years
        assert any("not in money from energy alone" in line for line in told.sentences())
    ratios = [a.purchase_cost.point / a.it_saving_kw.point for a in mixed.purchases if a.purchase_cost]
    assert ratios == sorted(ratios)


def test_a_budget_binds_at_the_upper_price() -> None:
    plan = plan_chips(MIXED, CATALOGUE, prices(budget=2e6))
    bought = [a for a in plan.actions if a.kind == "replace"]
    assert len(bought) == 1
    assert bought[0].purchase_cost is not None
    assert bought[0].purchase_cost.upper <= 2e6
    assert plan.purchases == ()
    total = sum(a.it_saving_kw.point for a in plan.actions)
    assert total == pytest.approx(plan.it_before_kw.point - plan.it_after_kw.point)
    assert [a.kind for a in plan.actions][-1] == "replace"


def test_a_longest_payback_stops_purchases_that_energy_cannot_repay() -> None:
    wanted = prices(budget=1e9, max_payback_years=5)
    plan = plan_chips(MIXED, CATALOGUE, wanted, price_per_kwh=0.7)
    assert [a.kind for a in plan.actions] == ["switch off", "consolidate"]
    with pytest.raises(UsageError) as caught:
        plan_chips(MIXED, CATALOGUE, wanted)
    assert caught.value.code == "E-CHIP-TARIFF"


def test_electricity_without_carbon_cannot_repay_the_making() -> None:
    plan = plan_chips(MIXED, CATALOGUE, prices(budget=1e9), carbon_kg_per_kwh=0.0)
    assert all(a.kind != "replace" for a in plan.actions)


def test_declared_prices_replace_the_assumptions() -> None:
    offer = OfferPrice(price=1000.0, embodied_kg=10.0, memory_gb=192.0, source="quote 7")
    wanted = prices(budget=50_000, offers={"epyc-9845-1s": offer})
    plan = plan_chips(MIXED, CATALOGUE, wanted)
    action = plan.actions[-1]
    n = action.servers_after["epyc-9845-1s"]
    assert n > 1
    assert action.purchase_cost == Interval(1000.0 * n, 1000.0 * n, 1000.0 * n)
    assert action.embodied_kg == Interval(10.0 * n, 10.0 * n, 10.0 * n)
    assert not action.price_assumed
    assert any("quote 7" in line for line in action.sources)


def test_prices_in_another_currency_are_not_converted() -> None:
    plan = plan_chips(MIXED, CATALOGUE, prices(currency="EUR", budget=1e9))
    assert all(a.kind != "replace" for a in plan.actions)
    shown = plan_chips(MIXED, CATALOGUE, prices(currency="EUR")).purchases
    assert shown
    assert all(a.purchase_cost is None and a.currency == "EUR" for a in shown)
    told = payback(shown[0], facility_factor=1.0, price_per_kwh=0.2, carbon_kg_per_kwh=0.4)
    assert told.money_years is None
    assert told.carbon_years is not None


def test_a_rule_on_makers_leaves_nothing_with_a_public_result() -> None:
    plan = plan_chips(MIXED, CATALOGUE, prices(budget=1e9, makers_from=("CN",)))
    assert all(a.kind != "replace" for a in plan.actions)
    assert any("makers_from" in r.reason for r in plan.rejected)
    assert any("Kunpeng" in r.sentence and "no public power result" in r.reason for r in plan.rejected)


def test_arm_servers_are_bought_only_for_work_that_is_ready() -> None:
    cheap = {"ampere-altra-q80-30-1s": OfferPrice(price=1.0, embodied_kg=1.0, memory_gb=64.0, source="t")}
    wanted = prices(budget=100.0, offers=cheap, currency="EUR")
    fleet = [group("old", "xeon-8180-2s", 6, 0.2, 0.4)]
    assert all(a.kind != "replace" for a in plan_chips(fleet, CATALOGUE, wanted).actions)
    ready = [g.model_copy(update={"arm_ready": True}) for g in fleet]
    action = plan_chips(ready, CATALOGUE, wanted).actions[-1]
    assert action.kind == "replace"
    assert action.servers_after["ampere-altra-q80-30-1s"] > 0


def test_memory_limits_the_consolidation_where_it_is_declared() -> None:
    free = plan_chips((group("mid", "xeon-8280-2s", 20, 0.1, 0.2, memory_gb=192),), CATALOGUE)
    bound = plan_chips(
        (group("mid", "xeon-8280-2s", 20, 0.1, 0.2, memory_gb=192, memory_used_gb=120),), CATALOGUE
    )
    assert free.actions[0].servers_after == {"mid": 5}
    assert any("memory is not declared" in c for c in free.actions[0].conditions)
    # 20 x 120 GB in use on 192 GB machines: 12.5, so 13 and one more that may fail.
    assert bound.actions[0].servers_after == {"mid": 14}
    assert not any("memory is not declared" in c for c in bound.actions[0].conditions)


def test_a_fleet_without_reserve_keeps_what_it_has() -> None:
    plan = plan_chips((group("tight", "xeon-8280-2s", 3, 0.4, 1.0),), CATALOGUE)
    assert plan.actions == ()
    assert plan.kept[0].servers_after == {"tight": 3}
    assert any("today's servers do not hold" in c for c in plan.kept[0].conditions)


def test_pools_do_not_take_over_each_others_work() -> None:
    apart = plan_chips(
        (
            group("a", "xeon-8280-2s", 4, 0.1, 0.2, pool="x"),
            group("b", "xeon-8280-2s", 4, 0.1, 0.2, pool="y"),
        ),
        CATALOGUE,
    )
    assert {a.pool: a.servers_after for a in apart.actions} == {"x": {"a": 2}, "y": {"b": 2}}


def test_servers_without_public_result_are_compared_only_with_their_kind() -> None:
    fleet = (
        group("kunpeng", "kunpeng-920-2s", 20, 0.2, 0.4, idle_w=150.0, full_w=420.0),
        group("xeon", "xeon-8280-2s", 20, 0.2, 0.4),
    )
    plan = plan_chips(fleet, CATALOGUE)
    assert {a.pool: a.servers_after for a in plan.actions} == {
        "general (kunpeng-920-2s)": {"kunpeng": 9},
        "general": {"xeon": 9},
    }
    assert any("capacity_m_ops" in r.reason for r in plan.rejected)
    sized = (fleet[0].model_copy(update={"capacity_m_ops": 4.0}), fleet[1])
    assert {a.pool for a in plan_chips(sized, CATALOGUE).actions} == {"general"}


def cards(**more: object) -> ServerGroup:
    return group("gpu", "node", 6, 0.5, 0.6, accelerator="h200-sxm-141gb", accelerators=8, pool="ai", **more)


def test_accelerators_are_capped_where_computing_binds() -> None:
    plan = plan_chips((cards(accelerator_bound="compute"),), CATALOGUE)
    action = plan.actions[-1]
    assert action.kind == "power cap"
    assert "74% of the throughput" in action.sentence
    # 6 hosts: idle 2740 W; 0.5 of 4960 W above it becomes 0.5 / 0.737 of 2560 W.
    assert plan.it_before_kw.point == pytest.approx(6 * (2.740 + 0.5 * 4.960))
    assert plan.it_after_kw.point == pytest.approx(6 * (2.740 + 0.5 / 0.737 * 2.560), rel=1e-6)
    assert any("mlperf-41" in line for line in action.sources)
    # Whole-system energy falls less than the cards' own: 400/700/0.737 would be -22 %.
    assert plan.it_after_kw.point / plan.it_before_kw.point > 400 / 700 / 0.737


def test_a_cap_is_refused_where_it_would_not_bind_or_nobody_knows() -> None:
    memory = plan_chips((cards(accelerator_bound="memory"),), CATALOGUE)
    unknown = plan_chips((cards(),), CATALOGUE)
    for plan, word in ((memory, "clock"), (unknown, "accelerator_bound")):
        assert all(a.kind != "power cap" for a in plan.actions)
        assert any(r.kind == "power cap" and word in r.reason for r in plan.rejected)
    # The reserve still allows to switch one of six off: peak 3.6 machines, and one may fail.
    assert unknown.actions[0].servers_after == {"gpu": 5}


def test_the_worked_example_of_paybacks() -> None:
    # 12 servers on one: 1123 W -> 447 W, factor 1.4, 0.70 per kWh, 0.5366 kg/kWh, 150 000 and 1680 kg.
    saved = Interval(0.676, 0.676, 0.676)
    action = ChipAction(
        "x", "replace", "p", "s", saved, Interval(15e4, 15e4, 15e4), "CNY", Interval(1680, 1680, 1680),
        {}, {}, (), (), "C", 5.0,
    )  # fmt: skip
    told = payback(action, facility_factor=1.4, price_per_kwh=0.70, carbon_kg_per_kwh=0.5366)
    assert told.energy_kwh_per_year.point == pytest.approx(8290, rel=1e-3)
    assert told.money_per_year is not None
    assert told.money_per_year.point == pytest.approx(5800, rel=2e-3)
    assert told.money_years is not None
    assert told.money_years.point == pytest.approx(25.8, abs=0.1)
    assert told.carbon_years is not None
    assert 12 * told.carbon_years.point == pytest.approx(4.5, abs=0.05)
    assert told.embodied_kwh is not None
    assert told.embodied_kwh.point == pytest.approx(1680 / 0.5366)


def test_a_saving_that_may_be_none_has_no_upper_payback() -> None:
    action = ChipAction(
        "x", "replace", "p", "s", Interval(-0.1, 0.5, 1.0), Interval(1, 2, 3), "CNY", Interval(1, 2, 3), {},
        {}, (), (), "C", 5.0,
    )  # fmt: skip
    told = payback(action, facility_factor=1.0, price_per_kwh=1.0, carbon_kg_per_kwh=1.0)
    assert told.money_years is None
    assert told.money_point_years == pytest.approx(2 / 4380)
    assert any("no upper end" in line for line in told.sentences())
    with pytest.raises(ValueError, match="below zero"):
        payback(action, facility_factor=-1.0, price_per_kwh=1.0, carbon_kg_per_kwh=1.0)


def test_what_is_not_bought_is_repaid_at_once(mixed: ChipPlan) -> None:
    told = payback(mixed.actions[0], facility_factor=1.2, price_per_kwh=None, carbon_kg_per_kwh=None)
    assert told.money_years == Interval(0.0, 0.0, 0.0)
    assert told.money_per_year is None
    assert told.sentences() == ()


def test_the_plan_reads_with_figures_and_sources(mixed: ChipPlan) -> None:
    lines = plan_lines(mixed, facility_factor=1.24, price_per_kwh=0.7, carbon_kg_per_kwh=0.5366)
    text = "\n".join(lines)
    for part in ("1. Switch off 12 x Xeon E5-2699 v3", "Consolidate pool general", "(tag A*)", "www.spec.org",
                 "Looked at and not advised", "one for one", "price assumed", "2026-11-20",
                 "what stands is sunk", "rests on an assumption (tag C)"):  # fmt: skip
        assert part in text, part


def test_the_same_seed_gives_the_same_plan(mixed: ChipPlan) -> None:
    again = plan_chips(MIXED, CATALOGUE)
    assert again.actions == mixed.actions
    assert again.purchases == mixed.purchases
    assert again.rejected == mixed.rejected


def test_two_groups_of_one_name_are_refused() -> None:
    with pytest.raises(SiteFileError) as caught:
        plan_chips((MIXED[0], MIXED[0]), CATALOGUE)
    assert caught.value.code == "E-CHIP-GROUP"


def test_a_price_for_an_unknown_model_is_refused() -> None:
    offer = OfferPrice(price=1.0, source="t")
    with pytest.raises(CatalogueError) as caught:
        plan_chips(MIXED, CATALOGUE, prices(offers={"epyc-9999-2s": offer}))
    assert caught.value.code == "E-HW-MODEL"
    with pytest.raises(SiteFileError) as refused:
        plan_chips(MIXED, CATALOGUE, prices(offers={"kunpeng-920-2s": offer}))
    assert refused.value.code == "E-CHIP-OFFER"


SITE = """
id = "dc"
currency = "EUR"

[[servers]]
name = "old"
model = "xeon-8280-2s"
count = 10
mean_utilisation = 0.2
peak_utilisation = 0.4
source = "inventory"

[hardware_prices]
currency = "EUR"
as_of = 2026-11-01
source = "quotes"
budget = 100000

[hardware_prices.offers.epyc-9845-1s]
price = 14000
source = "quote 12"
"""


def test_prices_are_declared_in_the_site_file(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(SITE, encoding="utf-8")
    site = read_site(path)
    assert site.hardware_prices is not None
    assert site.hardware_prices.offers["epyc-9845-1s"].price == 14000
    path.write_text(SITE.replace("price = 14000", "price = 14000\nprice_high = 9000"), encoding="utf-8")
    with pytest.raises(SiteFileError, match="low <= point <= high"):
        read_site(path)


MODELS = sorted(m.id for m in CATALOGUE.servers.values() if m.measured)
declared = st.builds(
    lambda model, count, mean, above: (model, count, mean / 1000, min(1.0, (mean + above) / 1000)),
    st.sampled_from(MODELS), st.integers(1, 30), st.integers(0, 900), st.integers(0, 500),
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(st.lists(declared, min_size=1, max_size=4), st.sampled_from([0.0, 5e5, 1e8]))
def test_never_more_energy_never_less_than_peak_and_reserve(
    declared_groups: list[tuple[str, int, float, float]], budget: float
) -> None:
    fleet = tuple(
        group(f"g{i}", model, count, mean, peak)
        for i, (model, count, mean, peak) in enumerate(declared_groups)
    )
    plan = plan_chips(fleet, CATALOGUE, prices(budget=budget))
    assert plan.it_after_kw.point <= plan.it_before_kw.point + 1e-9
    assert all(a.it_saving_kw.point > 0 for a in plan.actions)
    on = {g.name: g.count for g in fleet}
    for action in plan.actions:
        on.update(action.servers_after)
    working = [g for g in fleet if g.peak_utilisation > 0.02]
    peak = sum(g.count * g.peak_utilisation * capacity(g.model) for g in working)
    sizes = {g.name: capacity(g.model) for g in fleet} | {m: capacity(m) for m in on if m in MODELS}
    stands = sum(n * sizes[name] for name, n in on.items())
    down = max((sizes[name] for name, n in on.items() if n), default=0.0)
    today = sum(g.count * capacity(g.model) for g in working)
    largest = max((capacity(g.model) for g in working), default=0.0)
    assert stands >= peak * (1 - 1e-9)
    # With the largest down: the peak, or the reserve of today counted with the same loss between models.
    assert stands - down >= min(peak, 0.85 * today - largest) * (1 - 1e-9) - 1e-9
