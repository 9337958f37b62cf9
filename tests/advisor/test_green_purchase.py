"""Offers, the cheapest purchase, rules on green shares, weights and factors."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from importlib.resources import files
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.catalogue import load_certificate_schemes, load_measures, load_share_rules
from advisor.green.account import GreenAccount, green_account
from advisor.green.factors import load_factors, location_factor, residual_factor
from advisor.green.flows import Basis, GreenFlows, GridMix, Supply
from advisor.green.instruments import Certificates, Instruments, Offset
from advisor.green.offers import CertificateOffer, ContractOffer, Lot, Unfit, certificate_lot, contract_lot
from advisor.green.purchase import buy, contracted, retired
from advisor.green.rules import check_rule
from advisor.green.tally import tally
from advisor.green.weights import read_weights
from features.errors import CatalogueError, UsageError
from tests.green_flows import sites

OFFER = Basis("published", "offer of 2025-06")
GEC = load_certificate_schemes()["GEC"]
TODAY = date(2025, 11, 1)
HUB, WEIGHT = ({r.id: r for r in load_share_rules()}[name] for name in
               ("cn-hub-node-green-share", "cn-provincial-weight"))  # fmt: skip
NEW_HUB = {"country": "CN", "kind": "data-centre", "new_build": True, "hub_node": True}


def lot(name: str, kwh: float, price: float, step: float = 0.0) -> Lot:
    return Lot(name, "certificate" if step else "contract", kwh, kwh * price, step, 0.0, "offer")


def gec(
    name: str = "GEC 2025", mwh: float = 100.0, price: float = 0.005, **changes: object
) -> CertificateOffer:
    offer = CertificateOffer(name, 1000.0 * mwh, price, date(2025, 3, 1), OFFER)
    return replace(offer, **changes)


def year(green: float = 0.5, *, load_kw: float = 1000.0) -> GreenFlows:
    """Return a flat year whose roof covers a share of every hour."""
    load = np.full(8760, load_kw)
    return GreenFlows(
        "hub", 1.0, load, (1 - green) * load, (Supply("roof", "self-built", green * load, certified=True),),
        GridMix(np.full(8760, 0.3)), needed_kwh=float(load.sum()),
    )  # fmt: skip


def account(flows: GreenFlows, *certificates: Certificates) -> GreenAccount:
    return green_account(tally(flows), Instruments(certificates))


# -- offers ----------------------------------------------------------------------------------------
def test_certificates_are_sold_whole_and_expire():
    found = certificate_lot(gec(mwh=2.7), GEC, TODAY)
    assert isinstance(found, Lot)
    assert (found.kwh, found.step_kwh) == (2000.0, 1000.0)
    assert found.cost == pytest.approx(10.0)
    assert GEC.valid_to(date(2025, 3, 1)) == date(2027, 2, 28)
    assert isinstance(certificate_lot(gec(), GEC, date(2027, 2, 28)), Lot)


@pytest.mark.parametrize(
    ("offer", "on", "why"),
    [
        (gec(), date(2027, 3, 1), "expired on 2027-02-28"),
        (gec(valid_to=date(2025, 10, 1)), TODAY, "expired"),
        (gec(), date(2025, 2, 1), "from 2025-03-01 on"),
        (gec(scheme="I-REC"), TODAY, "only GEC"),
        (gec(energy="nuclear"), TODAY, "not renewable"),
        (gec(mwh=0.9), TODAY, "less than one certificate"),
        (gec(project="roof"), TODAY, "counted already"),
    ],
)
def test_certificates_that_do_not_count_are_told(offer, on, why):
    found = certificate_lot(offer, GEC, on, claimed={"roof"})
    assert isinstance(found, Unfit)
    assert why in found.reason


def test_a_contract_counts_what_it_delivers_and_costs_what_it_adds():
    bought = np.array([100.0, 100.0, 20.0])
    shape = np.array([50.0, 150.0, 100.0])
    offer = ContractOffer("wind", "profile", 1.0, 0.3, OFFER, shape, replaces_per_kwh=0.25)
    found = contract_lot(offer, bought, 1.0)
    assert isinstance(found, Lot)
    assert (found.kwh, found.matched_kwh) == (300.0, 170.0)
    assert found.cost == pytest.approx(300 * 0.3 - 170 * 0.25)
    taken = contract_lot(replace(offer, pay_as_produced=False), bought, 1.0)
    assert isinstance(taken, Lot)
    assert taken.kwh == 170.0
    assert taken.cost == pytest.approx(170 * 0.05)
    flat = contract_lot(ContractOffer("base", "baseload", 0.05, 0.3, OFFER), bought, 1.0)
    assert isinstance(flat, Lot)
    assert (flat.kwh, flat.matched_kwh, flat.cost) == (150.0, 120.0, pytest.approx(45.0))
    assert "not declared" in flat.note
    assert offer.supply(bought, 1.0, 0.5).delivered_kwh == pytest.approx(0.5 * shape)
    least = replace(offer, pay_as_produced=False).supply(bought, 1.0)
    assert least.delivered_kwh == pytest.approx(np.minimum(shape, bought))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"bundled": False}, "stay with the seller"),
        ({"energy": "nuclear"}, "not renewable"),
        ({"additional": None}, "not said to be additional"),
        ({"mw": 0.0}, "delivers nothing"),
    ],
)
def test_contracts_that_do_not_count_are_told(changes, why):
    offer = ContractOffer("base", "baseload", 1.0, 0.3, OFFER, additional=True)
    found = contract_lot(replace(offer, **changes), np.ones(3), 1.0, additional=True)
    assert isinstance(found, Unfit)
    assert why in found.reason


def test_offers_that_cannot_be_are_refused():
    for wrong in (
        lambda: gec(price=-0.1),
        lambda: ContractOffer("x", "profile", 1.0, 0.3, OFFER),
        lambda: ContractOffer("x", "baseload", 1.0, 0.3, OFFER, np.ones(3)),
        lambda: contract_lot(ContractOffer("x", "profile", 1.0, 0.3, OFFER, np.ones(3)), np.ones(4), 1.0),
    ):
        with pytest.raises(UsageError) as caught:
            wrong()
        assert caught.value.code == "E-GREEN-OFFER"


# -- buying ----------------------------------------------------------------------------------------
def test_the_cheapest_offer_first_is_not_always_the_cheapest():
    # a part of the cheap contract (500 kWh at 1) leaves 500 kWh to a whole certificate of 1,000 kWh at 2;
    # the certificate alone covers the need
    found = buy(1000.0, [lot("contract", 500.0, 1.0), lot("paper", 10_000.0, 2.0, 1000.0)])
    assert [(line.name, line.kwh) for line in found.lines] == [("paper", 1000.0)]
    assert found.cost == pytest.approx(2000.0)
    assert found.suffices


def test_what_offers_cannot_cover_is_told():
    found = buy(5000.0, [lot("a", 1500.0, 1.0), lot("b", 2000.0, 0.5, 1000.0), Unfit("c", "expired")])
    assert found.missing_kwh == pytest.approx(1500.0)
    assert [line.name for line in found.lines] == ["b", "a"]
    assert found.unfit[0].name == "c"
    nothing = buy(0.0, [lot("a", 1500.0, 1.0)])
    assert (nothing.lines, nothing.missing_kwh) == ((), 0.0)
    assert buy(10.0, []).missing_kwh == 10.0


def test_an_offer_is_taken_once():
    with pytest.raises(UsageError, match="E-GREEN-TWICE"):
        buy(10.0, [lot("a", 5.0, 1.0)] * 2)


PRICE = st.integers(0, 20).map(lambda v: v / 10)
LOTS = st.lists(
    st.tuples(st.integers(1, 6), PRICE, st.sampled_from(["any", "unit", "all"])), min_size=1, max_size=4
)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), LOTS)
def test_no_purchase_in_a_fine_grid_is_cheaper(halves, offers):
    """Against enumeration: whole units, all or nothing, and parts in halves of a unit."""
    need = 500.0 * halves
    lots = [
        lot(str(k), 1000.0 * size, price, {"any": 0.0, "unit": 1000.0, "all": 1000.0 * size}[kind])
        for k, (size, price, kind) in enumerate(offers)
    ]
    found = buy(need, lots)
    choices = [np.arange(0.0, o.kwh + 1.0, o.step_kwh or 500.0) for o in lots]
    costs = [
        sum(k * o.price_per_kwh for k, o in zip(taken, lots, strict=True))
        for taken in product(*choices)
        if sum(taken) >= need
    ]
    assert found.suffices == bool(costs)
    if costs:
        assert found.kwh >= need - 1e-3
        assert found.cost == pytest.approx(min(costs), abs=1e-6)
        assert sum(line.useful_kwh for line in found.lines) == pytest.approx(need)
    for line in found.lines:
        step = next(o.step_kwh for o in lots if o.name == line.name)
        assert not step or line.kwh % step == pytest.approx(0.0, abs=1e-6)


# -- the rules -------------------------------------------------------------------------------------
def test_shipped_rules_say_where_they_are_from_and_what_states_them():
    known = {m.id for m in load_measures()}
    for rule in load_share_rules():
        assert set(rule.measures) <= known
        assert rule.sources
        assert rule.title_zh
        assert bool(rule.notes) == bool(rule.notes_zh)
    stated = next(m for m in load_measures() if m.id == HUB.measures[0])
    assert (stated.sense, stated.threshold, stated.valid_to) == (HUB.sense, HUB.share, HUB.valid_to)
    assert HUB.state(date(2026, 11, 30)) == "last published target"


@pytest.mark.parametrize(
    ("old", "new", "code", "hint"),
    [
        ("share = 0.8\n", "share = 80\n", "E-RULE-KEY", "share"),
        ("share = 0.8\n", "", "E-RULE-KEY", "by_province"),
        ("share = 0.8\n", "share = 0.8\nby_province = true\n", "E-RULE-KEY", "not both"),
        ("year = 2024", "year = 2024\ncolour = 3", "E-RULE-KEY", "colour"),
        ("valid_to = 2025", "valid_to = 2020", "E-RULE-KEY", "after valid_to"),
        ('indicator = "china_green_share"', 'indicator = "cfe"', "E-RULE-KEY", "indicator"),
        ('id = "cn-hub', 'id = "xx-hub', "E-RULE-ID", "not the file's name"),
    ],
)
def test_a_broken_rule_is_refused_by_file_and_key(tmp_path, old, new, code, hint):
    name = f"{HUB.id}.toml"
    text = (Path(str(files("advisor") / "share_rules")) / name).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CatalogueError) as caught:
        load_share_rules(tmp_path)
    assert caught.value.code == code
    assert hint in str(caught.value)


def test_the_hub_node_rule_finds_the_cheapest_purchase_that_meets_it():
    offers = [gec("dear", 8000.0, 0.01), gec("cheap", 1000.0, 0.004)]
    lots = [certificate_lot(o, GEC, TODAY) for o in offers]
    found = check_rule(HUB, account(year(0.5)), NEW_HUB, lots, on=TODAY)
    # 8,760 MWh: 80 % are 7,008 MWh, the roof makes 4,380; more than 80 % needs one kWh more
    assert found.verdict == "not met"
    assert found.short_kwh == pytest.approx(2_628_001.0)
    assert found.purchase is not None
    assert [(line.name, line.kwh) for line in found.purchase.lines] == [("cheap", 1e6), ("dear", 1_629_000.0)]
    assert found.purchase.cost == pytest.approx(4000.0 + 16_290.0)
    after = check_rule(HUB, account(year(0.5), *retired(offers, found.purchase)), NEW_HUB, on=TODAY)
    assert after.verdict == "met"
    assert after.share == pytest.approx(found.share_after)
    assert after.purchase is None


def test_a_contract_that_meets_the_rule_also_moves_the_hours():
    flows = year(0.5)
    sun = np.tile(np.maximum(np.sin((np.arange(24) - 6) / 12 * np.pi), 0.0), 365)
    offers = [ContractOffer("sun", "profile", 3.0, 0.3, OFFER, 1000.0 * sun, replaces_per_kwh=0.3)]
    lots = [contract_lot(offers[0], flows.grid_kwh, 1.0), certificate_lot(gec(price=1.0), GEC, TODAY)]
    before = account(flows)
    found = check_rule(HUB, before, NEW_HUB, lots, on=TODAY)
    assert found.purchase is not None
    assert [line.name for line in found.purchase.lines] == ["sun"]
    supplies = contracted(offers, lots, found.purchase, flows.grid_kwh, 1.0)
    after = account(replace(flows, supplies=(*flows.supplies, *supplies)))
    assert check_rule(HUB, after, NEW_HUB, on=TODAY).verdict == "met"
    assert after["china_green_share"].value == pytest.approx(found.share_after)
    cfe, share = (after[n].value - before[n].value for n in ("hourly_cfe", "china_green_share"))
    assert 0.0 < cfe < 0.8 * share  # the sun's surplus counts for the year, never for another hour


def test_offers_that_do_not_suffice_are_told_with_what_is_missing():
    found = check_rule(HUB, account(year(0.5)), NEW_HUB, [certificate_lot(gec(), GEC, TODAY)], on=TODAY)
    assert found.purchase is not None
    assert found.purchase.missing_kwh == pytest.approx(2_528_001.0)
    assert found.to_dict()["verdict"] == "not met"


def test_exactly_80_percent_is_not_more_than_80_percent():
    found = check_rule(HUB, account(year(0.5), Certificates("x", 2_628_000.0, OFFER)), NEW_HUB, on=TODAY)
    assert (found.verdict, found.short_kwh) == ("not met", 1.0)


def test_offsets_never_help_to_meet_a_rule():
    offsets = Instruments(offsets=(Offset("forest", 1e9, OFFER),))
    found = green_account(tally(year(0.5)), offsets)
    assert check_rule(HUB, found, NEW_HUB, on=TODAY).share == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("facts", "on", "verdict", "hint"),
    [
        ({**NEW_HUB, "new_build": False}, TODAY, "does not apply", "new_build"),
        ({"country": "CN", "kind": "data-centre", "hub_node": True}, TODAY, "cannot be judged", "new_build"),
        ({**NEW_HUB, "country": "DE"}, TODAY, "does not apply", "not in DE"),
        (NEW_HUB, date(2024, 1, 1), "does not apply", "in force from"),
        (NEW_HUB, date(2026, 11, 30), "not met", "last published target"),
    ],
)
def test_a_rule_is_judged_where_it_applies(facts, on, verdict, hint):
    found = check_rule(HUB, account(year(0.5)), facts, on=on)
    assert found.verdict == verdict
    assert hint in found.reason


def test_a_rule_of_a_year_says_so_over_a_shorter_window():
    week = year(0.9)
    week = replace(
        week, load_kwh=week.load_kwh[:168], grid_kwh=week.grid_kwh[:168], needed_kwh=None, grid=GridMix(),
        supplies=(Supply("roof", "self-built", 0.9 * week.load_kwh[:168], certified=True),),
    )  # fmt: skip
    assert "168 h" in check_rule(HUB, account(week), NEW_HUB, on=TODAY).reason


@settings(max_examples=40, deadline=None)
@given(sites(), st.floats(0.0, 1.0), st.booleans())
def test_the_purchase_meets_the_rule_in_the_account_itself(flows, asked, strict):
    rule = HUB.model_copy(update={"share": asked, "sense": ">" if strict else ">="})
    flows = replace(flows, charge_kwh=flows.charge_kwh + 7.0, grid_kwh=flows.grid_kwh + 7.0)
    before = green_account(tally(flows), Instruments(hours=6))
    offer = gec(mwh=100.0, price=0.01)
    found = check_rule(rule, before, NEW_HUB, [certificate_lot(offer, GEC, TODAY)], on=TODAY)
    if found.purchase is None:
        assert found.verdict == "met"
        return
    papers = retired([offer], found.purchase)
    after = green_account(tally(flows), Instruments(papers, hours=6))
    if asked * before.tally.consumption_kwh + 1 <= before.tally.consumption_kwh:
        assert check_rule(rule, after, NEW_HUB, on=TODAY).verdict == "met"
        one_less = replace(papers[0], kwh=papers[0].kwh - 1000.0)
        short = green_account(tally(flows), Instruments((one_less,), hours=6))
        assert check_rule(rule, short, NEW_HUB, on=TODAY).verdict == "not met"


# -- weights of provinces --------------------------------------------------------------------------
HEAD = "province,year,share,source\n"


def test_the_provincial_weight_is_the_users(tmp_path):
    path = tmp_path / "weights.csv"
    path.write_text(
        f"{HEAD}广东省,2025,0.55,a notice\nInner Mongolia,2025,0.3,a notice\n", encoding="utf-8-sig"
    )
    weights = read_weights(path)
    asked, basis = weights.of("Guangdong", 2025)
    assert (asked, basis) == (0.55, Basis("published", "a notice"))
    assert weights.of("内蒙古自治区", 2025)[0] == 0.3
    facts = {"country": "CN", "kind": "data-centre"}
    found = check_rule(WEIGHT, account(year(0.5)), facts, on=TODAY, weight=asked)
    assert (found.verdict, found.short_kwh) == ("not met", pytest.approx(0.05 * 8_760_000))
    assert check_rule(WEIGHT, account(year(0.55)), facts, on=TODAY, weight=asked).verdict == "met"
    assert check_rule(WEIGHT, account(year(0.5)), facts, on=TODAY).verdict == "cannot be judged"
    with pytest.raises(CatalogueError, match="E-WEIGHT-MISSING"):
        weights.of("Guangdong", 2026)


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        (f"{HEAD}Guangdong,2025,55,x\n", "E-WEIGHT-VALUE", "row 2, column share"),
        (f"{HEAD}Guangdong,2025,0.5,\n", "E-WEIGHT-VALUE", "row 2, column source"),
        (f"{HEAD}Guangdong,2025,,x\n", "E-WEIGHT-VALUE", "row 2, column share"),
        (f"{HEAD}Guangdong,2025,0.5\n", "E-WEIGHT-VALUE", "row 2"),
        (f"{HEAD}Bavaria,2025,0.5,x\n", "E-WEIGHT-PROVINCE", "row 2, column province"),
        (f"{HEAD}China,2025,0.5,x\n", "E-WEIGHT-PROVINCE", "row 2, column province"),
        (f"{HEAD}广东,2025,0.5,x\nGuangdong,2025,0.5,x\n", "E-WEIGHT-TWICE", "row 3"),
        ("province,share\nGuangdong,0.5\n", "E-WEIGHT-COLUMN", "weights.csv"),
        (HEAD, "E-WEIGHT-NONE", "weights.csv"),
    ],
)
def test_a_wrong_table_of_weights_is_refused_by_row_and_column(tmp_path, text, code, where):
    path = tmp_path / "weights.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CatalogueError) as caught:
        read_weights(path)
    assert caught.value.code == code
    assert where in caught.value.where


def test_a_missing_table_of_weights_is_told(tmp_path):
    with pytest.raises(CatalogueError, match="E-WEIGHT-FILE"):
        read_weights(tmp_path / "weights.csv")


# -- emission factors ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("region", "of", "factor", "in_year"),
    [
        ("Beijing", 2022, 0.5580, 2022),
        ("北京市", 2022, 0.5580, 2022),
        ("inner mongolia", 2022, 0.6849, 2022),
        ("广西壮族自治区", 2022, 0.4044, 2022),
        ("Guangdong", 2022, 0.4403, 2022),
        ("Sichuan", 2022, 0.1404, 2022),
        ("Guangdong", None, 0.4419, 2023),
        ("China", 2022, 0.5366, 2022),
        ("Yunnan", 2025, 0.1333, 2023),
    ],
)
def test_factors_of_the_notices(region, of, factor, in_year):
    found = location_factor(region, of)
    assert (found.kg_per_kwh, found.year) == (factor, in_year)
    assert found.basis.label == "published"
    assert "mee.gov.cn" in found.basis.source


@pytest.mark.parametrize("region", ["Tibet", "西藏自治区", "Hong Kong", "Bavaria", ""])
def test_no_factor_is_guessed(region):
    with pytest.raises(CatalogueError, match="E-FACTOR-REGION"):
        location_factor(region)


def test_no_factor_of_a_later_year_is_taken():
    with pytest.raises(CatalogueError, match="E-FACTOR-REGION"):
        location_factor("Beijing", 2021)


def test_thirty_provinces_have_both_years_and_twenty_fell():
    rows = [r for r in load_factors()[0] if r.kind == "average" and r.region != "China"]
    by = {(r.region, r.year): r.kg_per_kwh for r in rows}
    names = {r.region for r in rows}
    assert len(names) == 30
    assert len(by) == len(rows) == 60
    # the ministry's own statement on 2023: exactly twenty fell, ten rose
    assert sum(by[name, 2023] < by[name, 2022] for name in names) == 20


def test_the_residual_mix_of_china_is_an_assumption():
    assert residual_factor(2022).g_per_kwh == pytest.approx(585.6)
    assert residual_factor().g_per_kwh == pytest.approx(609.6)
    assert residual_factor().basis.label == "assumed"
