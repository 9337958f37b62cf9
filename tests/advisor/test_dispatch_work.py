"""Classes of work in a dispatch: deadlines, jobs in one piece, places, whole jobs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.dispatch import Dispatch, DispatchModel, DispatchSite, as_it_is
from advisor.dispatch_verify import verify_dispatch
from advisor.work import Place, WorkClass
from features.errors import UsageError
from tests.dispatch_cases import problems, site


def plan(sites: list[DispatchSite], *classes: WorkClass, **options: object) -> Dispatch:
    """Solve and re-check."""
    objective = options.pop("objective", "non_green_kwh")
    model = DispatchModel(sites, np.zeros(len(sites[0].load_kw)), 1.0, classes=classes, **options)  # type: ignore[arg-type]
    done = model.solve(objective=objective)  # type: ignore[arg-type]
    assert [c for c in verify_dispatch(sites, done, model.setting) if not c.passed] == []
    return done


def work(arrival: list[float], **changes: object) -> WorkClass:
    values = {"name": "jobs", "home": "a", "arrival_kw": np.array(arrival, dtype=float)}
    return WorkClass(**(values | changes))  # type: ignore[arg-type]


def test_work_waits_no_longer_than_its_deadline() -> None:
    # 4 kW arrive in step 0 on top of 2 kW; the sun shines in steps 2 and 4
    here = site([6, 2, 2, 2, 2], [0, 0, 5, 0, 9])
    soon = plan([here], work([4, 0, 0, 0, 0], wait_steps=2))
    assert soon.work["jobs"]["a"] == pytest.approx([1, 0, 3, 0, 0])  # only 3 kW of the sun are left
    late = plan([here], work([4, 0, 0, 0, 0], wait_steps=4))
    assert late.work["jobs"]["a"] == pytest.approx([0, 0, 3, 0, 1])  # as soon as it is green
    assert late.totals.moved_kwh == pytest.approx(4)
    assert late.totals.grid_kwh == pytest.approx(6)
    still = plan([here], work([4, 0, 0, 0, 0]))
    assert still.totals.grid_kwh == pytest.approx(as_it_is([here], 1.0).totals.grid_kwh)


def test_nothing_is_done_before_it_arrives() -> None:
    here = site([2, 2, 6, 2], [9, 9, 0, 0])
    done = plan([here], work([0, 0, 4, 0], wait_steps=1))
    assert done.work["jobs"]["a"] == pytest.approx([0, 0, 4, 0])


def test_a_job_that_may_pause_never_runs_faster_than_its_own_power() -> None:
    here = site([3, 3, 1, 1, 1, 1], [0, 0, 9, 0, 9, 0])
    done = plan([here], work([2, 0, 0, 0, 0, 0], run_steps=2, wait_steps=4))
    assert done.work["jobs"]["a"] == pytest.approx([0, 0, 2, 0, 2, 0])


def test_a_job_in_one_piece_runs_through() -> None:
    here = site([3, 3, 1, 1, 1, 1], [0, 0, 9, 0, 9, 9])
    done = plan([here], work([2, 0, 0, 0, 0, 0], run_steps=2, wait_steps=4, interruptible=False))
    assert done.work["jobs"]["a"] == pytest.approx([0, 0, 0, 0, 2, 0])  # begun, and run in steps 4 and 5
    assert done.sites["a"].class_kw == pytest.approx([0, 0, 0, 0, 2, 2])
    assert done.totals.moved_kwh == pytest.approx(4)
    earlier = plan([here], work([2, 0, 0, 0, 0, 0], run_steps=2, wait_steps=2, interruptible=False))
    assert earlier.sites["a"].class_kw == pytest.approx([0, 0, 2, 2, 0, 0]) or earlier.sites[
        "a"
    ].class_kw == pytest.approx([0, 2, 2, 0, 0, 0])


def test_whole_jobs_are_not_divided() -> None:
    here = site([6, 1, 1], [0, 4, 4])
    divided = plan([here], work([5, 0, 0], wait_steps=2))
    assert divided.totals.grid_kwh == pytest.approx(1)
    whole = plan([here], work([5, 0, 0], wait_steps=2, job_kw=2.5))
    assert sorted(whole.work["jobs"]["a"]) == pytest.approx([0, 2.5, 2.5])
    assert whole.report.gap == pytest.approx(0, abs=1e-3)
    three = site([6, 1, 1], [0, 3, 3])
    assert plan([three], work([5, 0, 0], wait_steps=2, job_kw=5)).totals.grid_kwh == pytest.approx(1 + 3)


def test_work_goes_where_it_may_and_takes_its_transfer() -> None:
    here, there = site([6, 6], [0, 0]), site([1, 1], [9, 9], site_id="b")
    barred = site([1, 1], [99, 99], site_id="c")
    done = plan([here, there, barred], work([4, 0], places=(Place("b", 0.1),)))
    assert done.work["jobs"]["b"] == pytest.approx([4, 0])
    assert done.sites["b"].load_kw == pytest.approx([5.4, 1])
    assert done.sites["c"].load_kw == pytest.approx([1, 1])
    dear = replace(here, price_per_kwh=np.ones(2)), replace(there, price_per_kwh=np.ones(2))
    stays = plan(list(dear), work([4, 0], places=(Place("b", 0.0, 1.5),)), objective="cost")
    assert stays.totals.moved_kwh == 0
    goes = plan(list(dear), work([4, 0], places=(Place("b", 0.0, 0.5),)), objective="cost")
    assert goes.totals.cost == pytest.approx(2 + 6 + 2)


def test_capacity_counts_all_work() -> None:
    here = site([6, 2, 2], [0, 9, 9], it_capacity_kw=6.0, flexible_share=0.0)
    done = plan([here], work([5, 0, 0], wait_steps=2))
    assert done.sites["a"].work_kw.max() <= 6 + 1e-9
    assert done.totals.grid_kwh == pytest.approx(1)


def test_among_equal_plans_work_stays_and_is_done_on_arrival() -> None:
    here, there = site([6, 6, 6], [0, 0, 0]), site([1, 1, 1], [0, 0, 0], site_id="b")
    done = plan([here, there], work([4, 1, 0], wait_steps=2, places=(Place("b"),)))
    assert done.totals.moved_kwh == 0
    assert done.work["jobs"]["a"] == pytest.approx([4, 1, 0])


@pytest.mark.parametrize(
    "changes",
    [
        {"arrival_kw": np.array([1.0, -1])},
        {"wait_steps": -1},
        {"run_steps": 2},  # the job of the last step would not end
        {"places": (Place("a"),)},
        {"places": (Place("b", -1.0),)},
        {"job_kw": 3.0},
    ],
)
def test_a_wrong_class_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="E-WORK-CLASS"):
        work([1, 2], **changes)


def test_classes_must_fit_their_sites() -> None:
    here = site([6, 6], [0, 0])
    wrong = (work([7, 0]), work([1, 0], home="x"), work([1, 0, 0]), work([1, 0], places=(Place("x"),)))
    for jobs in wrong:
        with pytest.raises(UsageError, match="E-DISPATCH-INPUT"):
            DispatchModel([here], np.zeros(2), 1.0, classes=[jobs])
    with pytest.raises(UsageError, match="E-DISPATCH-INPUT"):
        DispatchModel([here], np.zeros(2), 1.0, classes=[work([1, 0]), work([1, 0])])


@st.composite
def with_classes(draw: st.DrawFn) -> tuple[list[DispatchSite], np.ndarray, dict[str, object]]:
    """Return the usual small problems, with up to four classes of every kind."""
    sites, day, options = draw(problems())
    rng, n = np.random.default_rng(draw(st.integers(0, 2**32 - 1))), len(day)
    free = {s.site_id: 0.4 * s.work_kw * s.open for s in sites}
    classes = []
    for k in range(draw(st.integers(1, 4))):
        home = sites[int(rng.integers(len(sites)))]
        run = draw(st.integers(1, 3))
        most = np.array([free[home.site_id][t : t + run].min() for t in range(n)]) / run
        most[n - run + 1 :] = 0
        arrival = most * rng.random(n) * (rng.random(n) < 0.7)
        places = tuple(
            Place(s.site_id, float(rng.choice([0, 0.05])), float(rng.choice([0, 0.02])))
            for s in sites
            if s is not home and rng.random() < 0.6
        )
        wait = draw(st.integers(0, 5))
        new = WorkClass(f"w{k}", home.site_id, arrival, wait, run, bool(draw(st.booleans())), places)
        free[home.site_id] = free[home.site_id] - new.before_kw
        classes.append(new)
    return sites, day, {**options, "classes": classes}


@settings(max_examples=60, deadline=None)
@given(with_classes(), st.sampled_from(["non_green_kwh", "cost", "carbon_kg", "effort_kwh", "grid_kwh"]))
def test_every_plan_with_classes_is_verified_and_not_worse_than_nothing(drawn: tuple, objective: str) -> None:  # type: ignore[type-arg]
    sites, day, options = drawn
    model = DispatchModel(sites, day, 1.0, **options)
    done = model.solve(objective=objective)  # type: ignore[arg-type]
    assert [c for c in verify_dispatch(sites, done, model.setting) if not c.passed] == []
    nothing = as_it_is(sites, 1.0).totals
    best, before = getattr(done.totals, objective), getattr(nothing, objective)
    assert best <= before + 1e-4 * max(abs(before), 1.0)
    assert done.report.gap is not None
    assert done.report.gap < 1e-3 or best < 1e-3
