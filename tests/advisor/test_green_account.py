"""Measures of green side by side: hand-computed values, and what must hold of any flows."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.green.account import GreenAccount, green_account
from advisor.green.flows import Basis, GreenFlows, GridMix, Supply
from advisor.green.instruments import Certificates, Instruments, Offset, Residual
from advisor.green.tally import tally, together
from features import kpi
from features.errors import UsageError
from tests.green_flows import MEASURED, STEPS, balanced, sites, with_supply

PAPER = Basis("published", "registry")
RESIDUAL = Residual(600.0, Basis("published", "factor of the year"))
SHARES = ("hourly_cfe", "own_coverage", "matched_share", "annual_match", "ref", "china_green_share")
HOURLY = ("hourly_cfe", "own_coverage", "matched_share", "non_green_kwh")
CLOSE = {"rel": 1e-9, "abs": 1e-9}
few = settings(max_examples=50, deadline=None)


def account(flows: GreenFlows, **certified_kwh: float) -> GreenAccount:
    """Return the account; keywords are certificates by scheme."""
    held = tuple(Certificates(s, kwh, PAPER, scheme=s.replace("_", "-")) for s, kwh in certified_kwh.items())
    return green_account(tally(flows), Instruments(held, hours=flows.window_hours), RESIDUAL)


def value(found: GreenAccount, name: str) -> float:
    told = found[name].value  # type: ignore[index]
    assert told is not None, found[name].reason  # type: ignore[index]
    return told


# -- by hand ---------------------------------------------------------------------------------------
def by_hand() -> GreenFlows:
    # hour      0    1
    # load    100  100
    # roof     60   20   used 60, 20; surplus 10 exported in hour 0
    # grid     40   80   contract delivers 50, 30 -> matched 40, 30; left 0, 50
    # cfe     0.5  0.4   nuclear 0.1, 0.1 -> carbon-free of the rest 20, nuclear 5; non-green 30
    return GreenFlows(
        "a", 1.0, np.array([100.0, 100.0]), np.array([40.0, 80.0]),
        (
            Supply("roof", "self-built", np.array([60.0, 20.0]), exported_kwh=np.array([10.0, 0.0]),
                   certified=True),
            Supply("wind", "traded", np.array([50.0, 30.0]), certified=True, carbon_g_per_kwh=10.0),
        ),
        GridMix(np.array([0.5, 0.4]), None, np.array([0.1, 0.1]), np.array([400.0, 500.0])),
        needed_kwh=200.0, it_kwh=160.0,
    )  # fmt: skip


def test_hand_computed_values():
    found = account(by_hand(), GEC=25.0, GO=10.0)
    assert value(found, "hourly_cfe") == pytest.approx((80 + 70 + 20) / 200)
    assert value(found, "own_coverage") == pytest.approx(80 / 200)
    assert value(found, "matched_share") == pytest.approx(150 / 200)
    assert value(found, "non_green_kwh") == pytest.approx(30.0)
    assert value(found, "annual_match") == pytest.approx((90 + 80) / 200)  # with what was exported
    assert value(found, "ref") == pytest.approx((80 + 80 + 35) / 200)
    assert value(found, "china_green_share") == pytest.approx((80 + 80 + 25) / 200)  # its own scheme only
    assert value(found, "scope2_location_kg") == pytest.approx((40 * 400 + 80 * 500) / 1000)
    # bought 120: 80 of the contract at 10 g, 35 certified at 0, 5 left at 600 g
    assert value(found, "scope2_market_kg") == pytest.approx((80 * 10 + 5 * 600) / 1000)
    assert value(found, "cue") == pytest.approx(56.0 / 160)
    assert found.open_kwh == pytest.approx(5.0)


def test_origins_stand_apart():
    found = account(by_hand(), GEC=25.0)
    cfe = found["hourly_cfe"].by_source
    assert cfe == pytest.approx({"self-built": 0.4, "traded": 0.35, "grid-mix": 0.075, "nuclear": 0.025})
    assert found["ref"].by_source == pytest.approx({"self-built": 0.4, "traded": 0.4, "certificate": 0.125})


def test_a_roof_whose_certificates_were_sold_counts_nothing_in_claims():
    sold = with_supply(by_hand(), "roof", certificates_sold_kwh=90.0)
    found = account(sold)
    assert value(found, "ref") == pytest.approx(80 / 200)
    assert value(found, "china_green_share") == pytest.approx(80 / 200)
    assert value(found, "annual_match") == pytest.approx(80 / 200)
    # the roof's 80 kWh count like a purchase: 200 claimed by a contract of 80
    assert value(found, "scope2_market_kg") == pytest.approx((80 * 10 + 120 * 600) / 1000)
    for name in HOURLY:  # what flowed is what flowed
        assert value(found, name) == value(account(by_hand()), name)
    part = account(with_supply(by_hand(), "roof", certificates_sold_kwh=10.0))
    assert value(part, "ref") == pytest.approx(160 / 200)  # the ten of what was exported


def test_nuclear_counts_as_carbon_free_and_never_as_renewable():
    found = account(with_supply(by_hand(), "wind", energy="nuclear"))
    assert value(found, "hourly_cfe") == pytest.approx(170 / 200)
    assert found["hourly_cfe"].by_source["nuclear"] == pytest.approx(0.35 + 0.025)
    assert value(found, "matched_share") == value(found, "own_coverage") == pytest.approx(0.4)
    assert value(found, "ref") == value(found, "china_green_share") == pytest.approx(0.4)
    assert value(found, "annual_match") == pytest.approx(90 / 200)


def test_a_contract_without_certificates_can_be_claimed_by_others():
    found = account(with_supply(by_hand(), "wind", certified=False))
    assert value(found, "ref") == value(found, "china_green_share") == pytest.approx(0.4)
    assert value(found, "scope2_market_kg") == pytest.approx(120 * 0.6)
    assert value(found, "hourly_cfe") == pytest.approx(170 / 200)


def test_ref_takes_a_roof_that_nobody_certified_and_china_does_not():
    found = account(with_supply(by_hand(), "roof", certified=False))
    assert value(found, "ref") == pytest.approx(160 / 200)
    assert value(found, "china_green_share") == pytest.approx(80 / 200)


def test_offsets_are_beside_the_account():
    plain = account(by_hand())
    offsets = Instruments(offsets=(Offset("forest", 1e6, PAPER),), hours=2)
    found = green_account(tally(by_hand()), offsets, RESIDUAL)
    assert [i.value for i in found.indicators] == [i.value for i in plain.indicators]
    assert found.offsets_kg == 1e6


def test_it_is_what_kpi_says_where_there_is_no_battery():
    flows = balanced(*(np.array(v) for v in ([80.0, 60, 90], [50.0, 70, 10], [0.0] * 3, [20.0, 0, 30],
                                             [0.3, 0.5, 0.1])))  # fmt: skip
    own = np.minimum([50.0, 70, 10], flows.load_kwh) + np.minimum([20.0, 0, 30], flows.grid_kwh)
    found = account(flows)
    assert value(found, "hourly_cfe") == pytest.approx(
        kpi.cfe_score(flows.load_kwh, own, flows.grid.cfe_share)
    )
    assert value(found, "matched_share") == pytest.approx(kpi.matched_share(own, flows.load_kwh))


# -- unknown ---------------------------------------------------------------------------------------
def test_unknown_is_none_with_a_reason_and_never_zero():
    found = green_account(tally(replace(by_hand(), grid=GridMix(), it_kwh=None)))
    for name in ("hourly_cfe", "non_green_kwh", "scope2_location_kg", "scope2_market_kg", "cue"):
        assert found[name].value is None
        assert found[name].reason
        assert found[name].by_source == {}
    assert "at a" in found["hourly_cfe"].reason
    assert value(found, "ref") == pytest.approx(0.8)
    assert "residual" in found["scope2_market_kg"].reason
    table = found.table().set_index("id")
    assert table.loc["hourly_cfe"].isna()["value"]
    assert table.loc["hourly_cfe"].isna()["grid-mix"]


@pytest.mark.parametrize("name", ["roof", "wind"])
def test_nothing_is_claimed_where_certificates_may_be_elsewhere(name):
    found = account(with_supply(by_hand(), name, certified=None))
    for claim in ("ref", "china_green_share", "scope2_market_kg"):
        assert found[claim].value is None
        assert name in found[claim].reason
    assert found.open_kwh is None
    assert value(found, "hourly_cfe") == pytest.approx(0.85)  # what flowed is known
    assert value(found, "annual_match") == pytest.approx(0.85)


def test_market_based_needs_no_residual_where_nothing_is_left_to_it():
    covered = Instruments((Certificates("GEC", 40.0, PAPER),), hours=2)
    found = green_account(tally(by_hand()), covered)
    assert value(found, "scope2_market_kg") == pytest.approx(0.8)


def test_one_site_without_a_mix_makes_the_portfolios_score_unknown():
    other = replace(by_hand(), site_id="b", grid=GridMix())
    found = green_account(together([tally(by_hand()), tally(other)]))
    assert found["hourly_cfe"].value is None
    assert "at b" in found["hourly_cfe"].reason
    assert value(found, "own_coverage") == pytest.approx(0.4)


def test_a_window_is_not_called_a_year():
    assert any("window of 2 h" in n for n in account(by_hand())["ref"].notes)
    year = replace(by_hand(), hours=4380.0)
    assert tally(year).whole_year
    assert account(year)["ref"].notes == ()


def test_a_years_certificates_count_in_a_window_with_their_part():
    held = Instruments((Certificates("GEC", 87_600.0, PAPER),))  # 10 kWh per hour of the year
    found = green_account(tally(by_hand()), held)
    assert found["ref"].by_source["certificate"] == pytest.approx(20 / 200)
    assert any("spread evenly" in n for n in found["ref"].notes)


def test_labels_are_the_weakest_of_what_is_used():
    flows = replace(by_hand(), basis={"load": MEASURED, "supply": MEASURED, "grid": Basis("modelled", "m")})
    found = account(flows, GEC=1.0)
    assert found["own_coverage"].basis.label == "measured"
    assert found["hourly_cfe"].basis.label == "modelled"
    assert found["ref"].basis == Basis("published", "meters; registry")
    assert found["scope2_location_kg"].basis.label == "assumed"  # nobody declared where it is from
    assert json.loads(json.dumps(found.to_dict()))["indicators"][0]["label"] == "modelled"


def test_a_site_that_used_nothing_has_no_share():
    nothing = GreenFlows("a", 1.0, np.zeros(2), np.zeros(2), grid=GridMix(np.zeros(2)))
    assert account(nothing)["hourly_cfe"].value is None
    assert value(account(nothing), "non_green_kwh") == 0.0


# -- refused ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"grid_kwh": np.array([40.0, 81.0])}, "E-GREEN-BALANCE"),
        ({"load_kwh": np.array([100.0, np.nan])}, "E-GREEN-INPUT"),
        ({"grid_kwh": np.array([40.0])}, "E-GREEN-INPUT"),
        ({"grid": GridMix(np.array([0.5, 1.4]))}, "E-GREEN-INPUT"),
        ({"grid": GridMix(np.array([0.5, 0.4]), None, np.array([0.6, 0.1]))}, "E-GREEN-INPUT"),
        ({"needed_kwh": -1.0}, "E-GREEN-INPUT"),
        ({"supplies": by_hand().supplies * 2}, "E-GREEN-TWICE"),
    ],
)
def test_flows_that_cannot_be_are_refused(change, code):
    with pytest.raises(UsageError) as caught:
        replace(by_hand(), **change)
    assert caught.value.code == code
    assert caught.value.where
    assert caught.value.remedy


def test_no_energy_is_counted_twice():
    with pytest.raises(UsageError, match="E-GREEN-SOLD"):
        with_supply(by_hand(), "roof", certificates_sold_kwh=91.0)
    own = Instruments((Certificates("GEC", 5.0, PAPER, project="wind"),))
    with pytest.raises(UsageError, match="E-GREEN-TWICE"):
        green_account(tally(by_hand()), own)
    with pytest.raises(UsageError, match="E-GREEN-TWICE"):
        Instruments((Certificates("x", 5.0, PAPER),) * 2)
    with pytest.raises(UsageError, match="E-GREEN-TWICE"):
        Instruments((Certificates("x", 5.0, PAPER, project="p"),), (Offset("y", 1.0, PAPER, project="p"),))
    with pytest.raises(UsageError, match="E-GREEN-TWICE"):
        together([tally(by_hand()), tally(by_hand())])
    other = with_supply(replace(by_hand(), site_id="b"), "wind", energy="nuclear")
    with pytest.raises(UsageError, match="E-GREEN-TWICE"):
        together([tally(by_hand()), tally(other)])
    with pytest.raises(UsageError, match="E-GREEN-WINDOW"):
        together([tally(by_hand()), tally(replace(by_hand(), site_id="b", hours=2.0))])


# -- what must hold of any flows -------------------------------------------------------------------
@few
@given(sites(), st.floats(0.0, 5000.0))
def test_shares_lie_in_0_to_1_and_their_parts_sum_to_them(flows, certified):
    found = account(flows, GEC=certified)
    for name in SHARES:
        assert 0.0 <= value(found, name) <= 1.0
    for indicator in found.indicators:
        assert sum(indicator.by_source.values()) == pytest.approx(indicator.value, **CLOSE)
    assert value(found, "non_green_kwh") >= 0.0
    assert found.open_kwh >= -1e-6
    assert found.unused_certificates_kwh >= 0.0


@few
@given(sites(sold=False))
def test_hourly_never_exceeds_what_is_matched_over_the_window(flows):
    found = account(flows)
    assert value(found, "own_coverage") <= value(found, "matched_share") + 1e-9
    assert value(found, "matched_share") <= value(found, "annual_match") + 1e-9
    assert value(found, "matched_share") <= value(found, "hourly_cfe") + 1e-9
    score = 1 - (value(found, "non_green_kwh") + tally(flows).drained_kwh) / tally(flows).consumption_kwh
    assert value(found, "hourly_cfe") == pytest.approx(max(score, 0.0), abs=1e-9)


@few
@given(sites(), st.integers(0, STEPS - 1), st.floats(1.0, 500.0), st.booleans(), st.booleans())
def test_burning_ones_own_surplus_never_helps(flows, at, burnt, was_fed_in, through_battery):
    """A surplus that was fed in or spilled is lost in the battery, or drawn by a load that no work needs."""
    roof, more = flows.supplies[0], np.zeros(STEPS)
    more[at] = burnt
    left = "exported_kwh" if was_fed_in else "spilled_kwh"
    before = account(with_supply(flows, "roof", **{left: getattr(roof, left) + more}), GEC=100.0)
    drawn = "charge_kwh" if through_battery else "load_kwh"
    burning = with_supplies(flows, replace(roof, delivered_kwh=roof.delivered_kwh + more))
    after = account(burning(**{drawn: getattr(flows, drawn) + more}), GEC=100.0)
    for name in SHARES:
        assert value(after, name) <= value(before, name) + 1e-9, name
    for name in ("non_green_kwh", "scope2_location_kg", "scope2_market_kg", "cue"):
        assert value(after, name) >= value(before, name) - 1e-6, name


def with_supplies(flows: GreenFlows, roof: Supply) -> Callable[..., GreenFlows]:
    return partial(replace, flows, supplies=(roof, *flows.supplies[1:]))


@few
@given(sites(), st.floats(0.0, 500.0))
def test_burning_green_energy_of_the_grid_never_helps(flows, more):
    greener = replace(flows, grid=replace(flows.grid, cfe_share=np.ones(STEPS)))
    burnt = np.full(STEPS, more)
    changed = replace(greener, grid_kwh=greener.grid_kwh + burnt, load_kwh=greener.load_kwh + burnt)
    before, after = account(greener), account(changed)
    for name in SHARES:
        assert value(after, name) <= value(before, name) + 1e-9, name


@few
@given(sites(), st.floats(0.0, 5000.0), st.floats(0.0, 1.0))
def test_certificates_never_change_an_hourly_measure(flows, certified, sold):
    roof = flows.supplies[0]
    made = float((roof.delivered_kwh + roof.exported_kwh).sum())
    before = account(with_supply(flows, "roof", certificates_sold_kwh=0.0))
    after = account(with_supply(flows, "roof", certificates_sold_kwh=sold * made), GEC=certified)
    for name in HOURLY:
        assert value(after, name) == value(before, name)
        assert after[name].by_source == before[name].by_source


@few
@given(sites(), st.integers(0, STEPS - 1), st.floats(0.0, 1.0), st.floats(0.0, 2000.0))
def test_more_green_energy_never_lowers_a_share(flows, at, part, certified):
    before = account(flows, GEC=certified)
    # a plant that replaces a part of a step's purchase
    grid, extra = flows.grid_kwh.copy(), np.zeros(STEPS)
    extra[at] = part * grid[at]
    grid -= extra
    plant = Supply("more", "self-built", extra, certified=True)
    own = account(replace(flows, grid_kwh=grid, supplies=(*flows.supplies, plant)), GEC=certified)
    # a contract that delivers, whether needed in that hour or not
    contract = Supply("more", "traded", np.full(STEPS, 300.0 * part), certified=True)
    traded = account(replace(flows, supplies=(*flows.supplies, contract)), GEC=certified)
    papers = account(flows, GEC=certified + 500.0 * part)
    for after in (own, traded, papers):
        for name in SHARES:
            assert value(after, name) >= value(before, name) - 1e-9, name
        assert value(after, "non_green_kwh") <= value(before, "non_green_kwh") + 1e-6
        assert value(after, "scope2_location_kg") <= value(before, "scope2_location_kg") + 1e-6


@few
@given(sites())
def test_splitting_each_hour_in_two_changes_nothing(flows):
    def halves(values: np.ndarray, *, energy: bool = True) -> np.ndarray:
        return np.repeat(values, 2) / (2.0 if energy else 1.0)

    split = replace(
        flows, hours=0.5, load_kwh=halves(flows.load_kwh), grid_kwh=halves(flows.grid_kwh),
        charge_kwh=halves(flows.charge_kwh), discharge_kwh=halves(flows.discharge_kwh),
        supplies=tuple(
            replace(s, delivered_kwh=halves(s.delivered_kwh),
                    exported_kwh=None if s.exported_kwh is None else halves(s.exported_kwh),
                    spilled_kwh=None if s.spilled_kwh is None else halves(s.spilled_kwh))
            for s in flows.supplies
        ),
        grid=GridMix(halves(flows.grid.cfe_share, energy=False), None,
                     halves(flows.grid.nuclear_share, energy=False),
                     halves(flows.grid.carbon_g_per_kwh, energy=False)),
    )  # fmt: skip
    before, after = account(flows, GEC=200.0), account(split, GEC=200.0)
    for indicator in before.indicators:
        assert value(after, indicator.id) == pytest.approx(indicator.value, rel=1e-9, abs=1e-6)


@few
@given(sites("a"), sites("b"), st.floats(0.0, 2000.0))
def test_a_portfolio_is_the_sum_of_its_sites(one, two, certified):
    sums = [tally(one), tally(two)]
    both = green_account(together(sums), None, RESIDUAL)
    alone = [green_account(t, None, RESIDUAL) for t in sums]
    whole = sum(t.consumption_kwh for t in sums)
    for name in ("non_green_kwh", "scope2_location_kg"):
        assert value(both, name) == pytest.approx(sum(value(a, name) for a in alone), rel=1e-9, abs=1e-6)
    for name in ("hourly_cfe", "own_coverage", "matched_share"):
        if all(sum(a[name].by_source.values()) > 0 for a in alone):  # none at its floor
            parts = sum(value(a, name) * t.consumption_kwh for a, t in zip(alone, sums, strict=True))
            assert value(both, name) == pytest.approx(parts / whole, rel=1e-9, abs=1e-9)
    held = Instruments((Certificates("GEC", certified, PAPER),), hours=STEPS)
    orders = [green_account(together(s), held, RESIDUAL) for s in (sums, sums[::-1])]
    for indicator in orders[0].indicators:
        assert value(orders[1], indicator.id) == pytest.approx(indicator.value, rel=1e-9, abs=1e-9)
