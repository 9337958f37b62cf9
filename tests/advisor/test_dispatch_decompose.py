"""A dispatch in pieces: the optimum of one piece within the stated gap, a bound that is one, limits kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from advisor import dispatch_block
from advisor.dispatch import DispatchModel, DispatchSite, Exchange
from advisor.dispatch_block import Block, Raw
from advisor.dispatch_decompose import GAP, pieces
from advisor.dispatch_options import Option
from advisor.dispatch_site import Objective, Setting, Target
from advisor.dispatch_verify import verify_dispatch
from advisor.work import Place, WorkClass
from features.errors import PlanError
from tests.dispatch_cases import battery, problems, site

DAY = np.zeros(4, dtype=np.int64)
TIES = 2e-4
"""What the tie-break may cost besides the gap of the rounds [1]."""


@pytest.fixture
def in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch_block, "FROM_COLUMNS", 0)


def both(sites: list[DispatchSite], setting: Setting, objective: Objective) -> tuple[Raw | None, Raw | None]:
    """Solve in one piece and in pieces."""
    whole = Block(sites, setting).solve(sites, objective)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispatch_block, "FROM_COLUMNS", 0)
        return whole, Block(sites, setting).solve(sites, objective)


def chain(count: int) -> tuple[list[DispatchSite], list[WorkClass]]:
    """Sites that pass work on to the next one, each greener than the one before."""
    rng = np.random.default_rng(3)
    sites = [
        site(
            [12, 12, 12, 12], list(rng.uniform(0, 6, 4)), list(rng.uniform(0.2, 1, 4)), site_id=f"s{k}",
            price_per_kwh=rng.uniform(0.5, 2, 4), battery=battery(6.0, grid_charging=True),
            it_capacity_kw=16.0,
        )
        for k in range(count)
    ]  # fmt: skip
    work = [
        WorkClass(f"w{k}", f"s{k}", np.full(4, 4.0), 2, places=(Place(f"s{k + 1}", 0.02, 0.01),))
        for k in range(count - 1)
    ]
    return sites, work


@settings(max_examples=40, deadline=None)
@given(problems(), st.sampled_from(["non_green_kwh", "cost", "carbon_kg", "grid_kwh"]), st.floats(0.0, 1.0))
def test_pieces_reach_the_optimum_within_their_gap(drawn: tuple, objective: Objective, ease: float) -> None:  # type: ignore[type-arg]
    sites, day, options = drawn
    limited: Objective = "grid_kwh" if objective != "grid_kwh" else "carbon_kg"
    # Where money counts, energy is not burnt at negative prices: what can be reached then is what matters.
    paid = [Target("cost", 1e9)] if objective == "cost" else []
    least = DispatchModel(sites, day, 1.0, **options, targets=paid).solve(objective=limited)
    most = DispatchModel(sites, day, 1.0, **options).solve(objective=objective)
    low, high = getattr(least.totals, limited), getattr(most.totals, limited)
    bound = low + max(ease, 1e-3) * max(high - low, 1e-3 * low + 1e-3)
    model = DispatchModel(sites, day, 1.0, **options, targets=[Target(limited, bound)])
    whole, apart = both(sites, model.setting, objective)
    assert whole is not None
    assert apart is not None
    size = max(abs(whole.value), 1.0)
    assert apart.rounds  # not the one piece again
    assert apart.bound <= whole.value + 1e-6 * size  # never above the optimum
    assert apart.value <= whole.value + (GAP + TIES) * size
    assert apart.value >= whole.bound - 1e-6 * size


@pytest.mark.parametrize(
    ("measure", "objective"),
    [("cost", "non_green_kwh"), ("cfe", "cost"), ("coverage", "cost"), ("non_green_kwh", "cost")],
)
def test_a_limit_of_the_portfolio_is_kept(in_pieces: None, measure: str, objective: Objective) -> None:
    sites, work = chain(8)

    def reached(targets: list[Target], aim: Objective) -> tuple[float, float]:
        model = DispatchModel(sites, DAY, 1.0, classes=work, targets=targets)
        done = model.solve(objective=aim)
        assert [c for c in verify_dispatch(sites, done, model.setting) if not c.passed] == []
        assert done.report.gap is not None
        assert done.report.gap <= GAP + TIES
        return float(getattr(done.totals, measure)), float(getattr(done.totals, objective))

    best_for = {"cfe": "non_green_kwh", "coverage": "grid_kwh"}.get(measure, measure)
    loose, tight = reached([], objective)[0], reached([], best_for)[0]  # type: ignore[arg-type]
    assert loose != pytest.approx(tight, rel=1e-3)
    bound = 0.5 * (loose + tight)
    target = Target(measure, bound)  # type: ignore[arg-type]
    told, value = reached([target], objective)
    assert told == pytest.approx(bound, rel=1e-4)  # it binds, and is not overshot
    whole = Block(sites, DispatchModel(sites, DAY, 1.0, classes=work, targets=[target]).setting)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispatch_block, "FROM_COLUMNS", 10**9)
        raw = whole.solve(sites, objective)
    assert raw is not None
    assert value == pytest.approx(raw.value, rel=GAP + TIES)


def test_several_limits_certificates_and_exchanges_at_once(in_pieces: None) -> None:
    sites, work = chain(6)
    sites = [replace(s, flexible_share=0.3) for s in sites]
    given_ = {
        "classes": work, "between_sites": True,
        "exchanges": [Exchange(("s0", "s1", "s2"), 0.02, 0.05), Exchange(("s3", "s5"))],
        "options": [Option("certificates", "certificate", None, 0.3, 90.0)],
        "targets": [Target("green_share", 0.5), Target("non_green_kwh", 105.0)],
    }  # fmt: skip
    model = DispatchModel(sites, DAY, 1.0, **given_)  # type: ignore[arg-type]
    done = model.solve(objective="cost")
    assert [c for c in verify_dispatch(sites, done, model.setting) if not c.passed] == []
    whole, apart = both(sites, model.setting, "cost")
    assert whole is not None
    assert apart is not None
    assert apart.rounds > 1
    assert apart.value == pytest.approx(whole.value, rel=GAP + TIES)
    assert apart.bound <= whole.value * (1 + 1e-9)


def test_a_limit_that_cannot_be_kept_is_refused_with_what_can(in_pieces: None) -> None:
    sites, _ = chain(3)
    model = DispatchModel(sites, DAY, 1.0, limited="cost")
    least = model.solve(objective="cost").totals.cost
    assert least is not None
    with pytest.raises(PlanError, match="E-DISPATCH-AT-MOST"):
        model.solve(at_most=0.9 * least)
    assert model.solve(at_most=1.01 * least).totals.cost <= 1.01 * least * (1 + 1e-6)


def test_whole_jobs_stay_in_one_piece(in_pieces: None) -> None:
    sites, work = chain(3)
    jobs = [replace(w, job_kw=2.0) for w in work]
    model = DispatchModel(sites, DAY, 1.0, classes=jobs, targets=[Target("cfe", 0.1)])
    done = model.solve(objective="cost")
    assert "pieces" not in done.report.method
    for begun in done.work.values():
        for kw in begun.values():
            assert kw / 2.0 == pytest.approx(np.round(kw / 2.0))


def test_the_report_names_the_pieces(in_pieces: None) -> None:
    sites, _ = chain(3)
    done = DispatchModel(sites, DAY, 1.0, targets=[Target("cfe", 0.1)]).solve(objective="cost")
    assert "in 3 pieces" in done.report.method


def test_pieces_are_what_the_kept_rows_do_not_tie() -> None:
    matrix = sparse.csc_matrix(np.array([[1.0, 1, 0, 0], [0, 0, 1, 0], [1, 1, 1, 1]]))
    parts, group = pieces(matrix, np.array([True, True, False]))
    assert len(set(group.tolist())) == 3
    assert group[0] == group[1]
    assert sorted(np.concatenate([p.columns for p in parts])) == [0, 1, 2, 3]
    assert sorted(np.concatenate([p.rows for p in parts])) == [0, 1]
    together = pieces(matrix, np.ones(3, dtype=np.bool_))[1]
    assert len(set(together.tolist())) == 1
