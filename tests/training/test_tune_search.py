"""Search spaces on the parameters, the search itself, and what a file of trials is good for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.storages.journal import JournalFileBackend, JournalStorage

from models.gbm import GbmParameters
from models.search_space import FloatRange, IntRange, search_space
from training.search import Found, SearchPlan, paired_gain, search, suggest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Valley:
    """Two parameters with a range and one without."""

    x: Annotated[float, FloatRange(0.01, 100.0, log=True)] = 50.0
    n: Annotated[int, IntRange(0, 40)] = 40
    name: str = "kept"


def depth(parameters: Valley) -> Iterator[float]:
    """The bottom lies at x = 1, n = 10; every fold is worth the same."""
    for _ in range(3):
        yield 1.0 + np.log10(parameters.x) ** 2 + ((parameters.n - 10) / 10) ** 2


# -- the space ---------------------------------------------------------------------------------------
def test_the_space_stands_on_the_class() -> None:
    assert search_space(Valley) == {"x": FloatRange(0.01, 100.0, log=True), "n": IntRange(0, 40)}
    space = search_space(GbmParameters)
    assert {"rounds", "learning_rate", "num_leaves"} <= set(space)
    assert not {"seed", "threads", "objective", "log_target"} & set(space)


def test_every_default_lies_in_its_range() -> None:
    for name, span in search_space(GbmParameters).items():
        assert span.low <= getattr(GbmParameters(), name) <= span.high, name


def test_a_range_of_another_type_is_a_mistake() -> None:
    @dataclass(frozen=True)
    class Wrong:
        n: Annotated[int, FloatRange(0.0, 1.0)] = 0

    globals()["Wrong"] = Wrong
    with pytest.raises(TypeError, match=r"Wrong\.n is int"):
        search_space(Wrong)
    with pytest.raises(ValueError, match="low < high"):
        IntRange(3, 3)
    with pytest.raises(ValueError, match="logarithmic"):
        FloatRange(0.0, 1.0, log=True)


@given(st.integers(0, 2**31 - 1))
def test_what_is_drawn_lies_in_its_range_and_the_rest_is_kept(seed: int) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    start = GbmParameters(seed=5, objective="huber")
    drawn = suggest(study.ask(), start)
    for name, span in search_space(GbmParameters).items():
        value = getattr(drawn, name)
        assert span.low <= value <= span.high
        assert type(value) is (int if isinstance(span, IntRange) else float)
    assert (drawn.seed, drawn.objective) == (5, "huber")


def test_only_the_named_fields_are_drawn() -> None:
    drawn = suggest(optuna.trial.FixedTrial({"n": 3}), Valley(), ("n",))
    assert drawn == Valley(50.0, 3)


# -- the search --------------------------------------------------------------------------------------
def test_the_search_goes_downhill_from_the_start() -> None:
    found = search(depth, Valley(), SearchPlan(40, seed=1))
    assert found.start_loss == pytest.approx(1 + np.log10(50) ** 2 + 9)
    assert found.best_loss < 1.5
    assert found.best.name == "kept"
    assert found.finished + found.pruned == 40
    assert search(depth, Valley(), SearchPlan(40, seed=1)) == found  # the same seed, the same answer


def test_one_trial_is_the_start() -> None:
    assert search(depth, Valley(), SearchPlan(1)) == Found(
        Valley(), 1 + np.log10(50) ** 2 + 9, 1 + np.log10(50) ** 2 + 9, 1, 0
    )


def test_a_hopeless_trial_does_not_pay_for_its_later_folds() -> None:
    asked: list[int] = []

    def counted(parameters: Valley) -> Iterator[float]:
        for fold, loss in enumerate(depth(parameters)):
            asked.append(fold)
            yield loss

    pruned = search(counted, Valley(), SearchPlan(30, seed=2))
    with_pruning = len(asked)
    asked.clear()
    whole = search(counted, Valley(), SearchPlan(30, seed=2, prune=False))
    assert whole.pruned == 0
    assert len(asked) == 90
    assert pruned.pruned > 5
    assert with_pruning == 90 - 2 * pruned.pruned  # each was stopped after its first fold


# -- the file of trials ------------------------------------------------------------------------------
def journal(path: Path) -> JournalStorage:
    return JournalStorage(JournalFileBackend(str(path)))


def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    uninterrupted = search(depth, Valley(), SearchPlan(25, seed=3))
    for trials in (4, 11, 25):
        asked: list[Valley] = []

        def seen(parameters: Valley, asked: list[Valley] = asked) -> Iterator[float]:
            asked.append(parameters)
            return depth(parameters)

        resumed = search(seen, Valley(), SearchPlan(trials, 3, journal(tmp_path / "study.log"), "one"))
    assert len(asked) == 14  # the first eleven were read from the file
    assert resumed == uninterrupted


def test_searches_with_other_names_do_not_mix(tmp_path: Path) -> None:
    storage = journal(tmp_path / "study.log")
    search(depth, Valley(), SearchPlan(3, 0, storage, "one"))
    asked: list[Valley] = []

    def seen(parameters: Valley) -> Iterator[float]:
        asked.append(parameters)
        return depth(parameters)

    search(seen, Valley(), SearchPlan(3, 0, storage, "other"))
    assert asked[0] == Valley()
    assert len(asked) == 3


KILLED = """
import sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.training.test_tune_search import Valley, depth, journal
from training.search import SearchPlan, search

def slow(parameters):
    for loss in depth(parameters):
        time.sleep(0.05)
        yield loss

search(slow, Valley(), SearchPlan(200, 3, journal(Path({path!r})), "one"))
"""


def test_a_killed_search_is_resumed(tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    script = KILLED.format(root=str(ROOT), path=str(path))
    child = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and (not path.exists() or path.stat().st_size < 6000):
            time.sleep(0.05)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    done = len(journal(path).get_all_trials(journal(path).get_study_id_from_name("one")))
    assert 2 < done < 30
    resumed = search(depth, Valley(), SearchPlan(30, 3, journal(path), "one"))
    assert resumed == search(depth, Valley(), SearchPlan(30, 3))


def test_a_search_killed_in_its_first_trial_tries_the_start_again(tmp_path: Path) -> None:
    storage = journal(tmp_path / "study.log")

    def broken(parameters: Valley) -> Iterator[float]:
        raise KeyboardInterrupt
        yield 0.0

    with pytest.raises(KeyboardInterrupt):
        search(broken, Valley(), SearchPlan(5, 3, storage, "one"))
    assert search(depth, Valley(), SearchPlan(5, 3, storage, "one")) == search(
        depth, Valley(), SearchPlan(5, 3)
    )


# -- is it a gain? -----------------------------------------------------------------------------------
def test_a_gain_by_hand() -> None:
    gain = paired_gain(np.array([1.0, 1.0, 2.0, 2.0]), np.array([2.0, 2.0, 4.0, 4.0]), np.array([0, 0, 1, 1]))
    assert (gain.share, gain.lower, gain.blocks) == (0.5, 0.5, 2)  # half of it in every block, no noise
    assert gain.sure


def test_a_gain_in_one_block_only_is_not_sure() -> None:
    other = np.ones(80)
    ours = np.where(np.arange(80) < 10, 0.0, 1.01)
    gain = paired_gain(ours, other, np.arange(80) // 10)
    assert gain.share > 0.1
    assert not gain.sure


def test_rows_without_an_answer_do_not_count() -> None:
    ours, other = np.array([1.0, np.nan, 1.0]), np.array([2.0, 1.0, 2.0])
    assert paired_gain(ours, other, np.array([0, 1, 2])).share == 0.5
    assert not paired_gain(np.full(3, np.nan), other, np.array([0, 1, 2])).sure


def test_noise_is_seldom_taken_for_a_gain() -> None:
    """Two answers that are equally good: at most about one of twenty comparisons is called sure."""
    rng = np.random.default_rng(0)
    block = np.arange(300) // 10
    shared = np.repeat(rng.standard_normal((200, 30)), 10, axis=1)
    sure = [
        paired_gain(1 + 0.1 * (rng.standard_normal(300) + s), np.ones(300), block, seed).sure
        for seed, s in enumerate(shared)
    ]
    assert np.mean(sure) < 0.10
