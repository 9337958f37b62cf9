"""Power of one server, and the same work on another."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from advisor.chip_catalogue import load_hardware
from advisor.chips_power import Machine, capped_machines, offered_machine, same_work, standing_machine
from advisor.servers import ServerGroup
from features.errors import CatalogueError, SiteFileError

CATALOGUE = load_hardware()
REFERENCE = Path(__file__).parents[3] / "shared" / "data" / "hardware" / "same_work_replacement.csv"


def group(**changes: object) -> ServerGroup:
    values = {"name": "g", "model": "xeon-8280-2s", "count": 1, "mean_utilisation": 0.2,
              "peak_utilisation": 0.5, "source": "test"}  # fmt: skip
    return ServerGroup.model_validate(values | changes)


def generic(ident: str) -> Machine:
    """A server with the curve of its generation, as the published comparison uses it for all."""
    model = CATALOGUE.servers[ident]
    assert model.memory_gb is not None
    return offered_machine(model.model_copy(update={"shape": "hardware-2017-on"}), model.memory_gb, CATALOGUE)


@pytest.mark.parametrize(
    ("old", "load", "new", "before_w", "after_w", "change_pct"),
    [
        ("xeon-e5-2699v4-2s", 0.2, "xeon-8490h-2s", 94, 209, 123),
        ("xeon-e5-2699v4-2s", 0.2, "epyc-9965-2s", 94, 172, 84),
        ("xeon-e5-2699v4-2s", 0.2, "epyc-8534p-1s", 94, 82, -13),
        ("xeon-8180-2s", 0.2, "epyc-8534p-1s", 144, 89, -39),
        ("epyc-7742-2s", 0.3, "epyc-8534p-1s", 184, 120, -35),
    ],
)
def test_one_for_one(
    old: str, load: float, new: str, before_w: float, after_w: float, change_pct: float
) -> None:
    work = same_work(generic(old), load, generic(new))
    assert (work.before_w, work.after_w) == (pytest.approx(before_w, abs=1), pytest.approx(after_w, abs=1))
    assert work.change_pct == pytest.approx(change_pct, abs=1)


@pytest.mark.parametrize(
    ("olds", "new", "before_w", "after_w"),
    [(12, "xeon-8490h-2s", 1123, 447), (27, "epyc-9965-2s", 2527, 444), (4, "epyc-8534p-1s", 374, 112)],
)
def test_many_for_one(olds: int, new: str, before_w: float, after_w: float) -> None:
    work = same_work(generic("xeon-e5-2699v4-2s"), 0.2, generic(new), olds)
    assert work.before_w == pytest.approx(before_w, abs=2)
    assert work.after_w == pytest.approx(after_w, abs=2)


def test_the_published_comparison_is_reproduced() -> None:
    if not REFERENCE.exists():
        pytest.skip("the research tables are not on this machine")
    with REFERENCE.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    by_name = {s.name + (" 1S" if s.sockets == 1 else ""): s.id for s in CATALOGUE.servers.values()
               if s.measured}  # fmt: skip
    by_name |= {s.name: s.id for s in CATALOGUE.servers.values() if s.measured and s.sockets == 2}
    compared = 0
    for row in rows:
        if not row["one_to_one_W"]:
            continue
        work = same_work(generic(by_name[row["old"]]), float(row["old_util"]), generic(by_name[row["new"]]))
        assert work.before_w == pytest.approx(float(row["old_W"]), abs=1.5)
        assert work.after_w == pytest.approx(float(row["one_to_one_W"]), abs=1.5)
        assert work.new_load == pytest.approx(float(row["one_to_one_util"]), abs=0.002)
        compared += 1
    assert compared > 400


def test_consolidation_of_one_model_saves_what_is_published() -> None:
    # Five servers at 20 % against two at 50 %, with the curve of the family.
    for model, saved_pct in (("xeon-8280-2s", 39), ("xeon-e5-2699v4-2s", 43), ("epyc-7742-2s", 46)):
        machine = standing_machine(group(model=model), CATALOGUE)
        before, after = 5 * machine.power_w(0.2), 2 * machine.power_w(0.5)
        assert 100 * (1 - after / before) == pytest.approx(saved_pct, abs=2)


def test_declared_watts_override_the_catalogue() -> None:
    machine = standing_machine(group(idle_w=100.0, full_w=500.0), CATALOGUE)
    shape = CATALOGUE.shapes["xeon-8280"]
    assert machine.watts[0] == 100.0
    assert machine.watts[-1] == 500.0
    assert machine.watts[5] == pytest.approx(100 + 400 * shape.phi[5])
    assert "declared" in machine.sources[0]


def test_memory_above_the_published_machine_is_added() -> None:
    plain = standing_machine(group(), CATALOGUE)
    more = standing_machine(group(memory_gb=292.0), CATALOGUE)
    # 292 GB - 192 GB of the published results, 0.338 W/GB
    assert more.watts[0] - plain.watts[0] == pytest.approx(33.8)
    assert more.watts[10] - plain.watts[10] == pytest.approx(33.8)
    less = standing_machine(group(memory_gb=64.0), CATALOGUE)
    assert less.watts == plain.watts


def test_a_model_of_another_generation_takes_its_curve() -> None:
    machine = standing_machine(group(model="sun-fire", launch_year=2008, idle_w=200, full_w=300), CATALOGUE)
    # hardware 2007-2009: (0.806 - 0.55) / 0.45 at 50 %
    assert machine.watts[5] == pytest.approx(200 + 100 * 0.256 / 0.45)
    assert machine.relative_error == 0.24
    assert machine.capacity is None


def test_no_public_result_is_asked_for_not_invented() -> None:
    with pytest.raises(SiteFileError) as caught:
        standing_machine(group(model="kunpeng-920-2s"), CATALOGUE)
    assert caught.value.code == "E-CHIP-POWER"
    machine = standing_machine(group(model="kunpeng-920-2s", idle_w=150, full_w=400), CATALOGUE)
    assert machine.capacity is None


def test_a_misspelt_model_is_refused_with_its_neighbours() -> None:
    with pytest.raises(CatalogueError) as caught:
        standing_machine(group(model="xeon-8280"), CATALOGUE)
    assert caught.value.code == "E-HW-MODEL"
    assert "xeon-8280-2s" in caught.value.remedy


def test_work_of_unknown_size_is_not_compared() -> None:
    known = generic("xeon-8280-2s")
    with pytest.raises(ValueError, match="cannot be compared"):
        same_work(replace(known, capacity=None), 0.2, known)
    with pytest.raises(ValueError, match="loaded to"):
        same_work(generic("epyc-9965-2s"), 0.9, known)


def test_an_accelerator_server_and_its_caps() -> None:
    cards = group(model="node", accelerator="h200-sxm-141gb", accelerators=8, accelerator_bound="compute")
    machine = standing_machine(cards, CATALOGUE)
    # host 2100 W, 8 cards of 80 W idle and 700 W limit
    assert machine.watts[0] == pytest.approx(2740)
    assert machine.watts[-1] == pytest.approx(7700)
    capped = capped_machines(cards, machine, CATALOGUE)
    assert set(capped) == {350.0, 400.0, 450.0, 500.0}
    at_500 = capped[500.0][0]
    assert at_500.watts[-1] == pytest.approx(7700 - 8 * 200)
    assert at_500.capacity == 0.790
    assert at_500.watts[0] == machine.watts[0]


def test_cards_without_whole_server_power_need_measured_watts() -> None:
    for accelerator, n in (("mi300x", 8), ("h200-sxm-141gb", 4), ("ascend-910b", 8)):
        with pytest.raises(SiteFileError) as caught:
            standing_machine(group(model="node", accelerator=accelerator, accelerators=n), CATALOGUE)
        assert caught.value.code == "E-CHIP-POWER"
    measured = group(model="node", accelerator="mi300x", accelerators=8, idle_w=2000, full_w=7000)
    assert standing_machine(measured, CATALOGUE).watts[5] == pytest.approx(4500)
