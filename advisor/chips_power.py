"""Power of one server against its load, in the order: measured, catalogue with its curve, no answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from advisor.chip_catalogue import LOADS, AcceleratorCap, HardwareCatalogue, ServerModel, Shape, Tag
from advisor.servers import ServerGroup
from features.errors import SiteFileError
from features.message import say

GENERIC_SHAPE = "hardware-2017-on"
_GENERATIONS = (
    (2009, "hardware-2007-2009"), (2012, "hardware-2010-2012"), (2016, "hardware-2013-2016"),
    (2018, "hardware-2017-2018"), (2020, "hardware-2019-2020"), (2022, "hardware-2021-2022"),
)  # fmt: skip
_TAG_ORDER: tuple[Tag, ...] = ("A", "A*", "B", "C")


@dataclass(frozen=True)
class Machine:
    """One server as a plan sees it.

    Parameters
    ----------
    key : str
        Machines of one key share their model error, so that it cancels between them.
    name, isa : str
    watts : tuple of float, shape (11,)
        Power at `advisor.chip_catalogue.LOADS` [W]; between them it is linear.
    capacity : float or None
        Work at full load [million ssj_ops/s]; None: no public result.
    relative_error : float
        90 % half-width of the power, relative [1].
    memory_gb : float or None
    tag : str
        The weakest tag among the figures used.
    sources, conditions : tuple of str
    """

    key: str
    name: str
    isa: str
    watts: tuple[float, ...]
    capacity: float | None
    relative_error: float
    memory_gb: float | None
    tag: Tag
    sources: tuple[str, ...]
    conditions: tuple[str, ...] = ()

    def power_w(self, load: float | npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the power [W] at a load [1]."""
        return np.asarray(np.interp(load, LOADS, self.watts), dtype=np.float64)


@dataclass(frozen=True)
class SameWork:
    """The same work on old and on new machines: power [W] of both, loads [1] of one machine."""

    before_w: float
    after_w: float
    old_load: float
    new_load: float

    @property
    def change_pct(self) -> float:
        """Change of power [%]; positive: the new machines need more."""
        return 100.0 * (self.after_w / self.before_w - 1.0)


def same_work(old: Machine, load: float, new: Machine, olds_per_new: float = 1.0) -> SameWork:
    """Put the work of ``olds_per_new`` old machines on one new machine.

    Parameters
    ----------
    old, new : Machine
    load : float
        Load of an old machine [1].
    olds_per_new : float
        Old machines that one new machine replaces [1].

    Raises
    ------
    ValueError
        A capacity is unknown, or the work does not fit.
    """
    if old.capacity is None or new.capacity is None:
        raise ValueError("without a public result the work of two models cannot be compared")
    new_load = olds_per_new * load * old.capacity / new.capacity
    if new_load > 1.0:
        raise ValueError(f"the new machine would be loaded to {new_load:.0%}")
    before = float(olds_per_new * old.power_w(load))
    return SameWork(before, float(new.power_w(new_load)), load, new_load)


def weakest(tags: Sequence[Tag]) -> Tag:
    """Return the least certain of some tags."""
    return max(tags, key=_TAG_ORDER.index)


def standing_machine(group: ServerGroup, catalogue: HardwareCatalogue) -> Machine:
    """Return the machine of a declared group.

    Raises
    ------
    features.errors.CatalogueError
        The model is not in the catalogue and no watts are declared.
    features.errors.SiteFileError
        No power is published for it and none is declared (``E-CHIP-POWER``).
    """
    if group.accelerator is not None:
        return _accelerator_machine(group, catalogue)
    model = catalogue.servers.get(group.model)
    if model is None and group.idle_w is None:
        raise catalogue.unknown(group.model, catalogue.servers)
    shape = _shape(group, model, catalogue)
    family = shape.scope == "family"
    error = catalogue.value("power_error_family" if family else "power_error_generation")
    curve_source = say("curve of {name}: {cite}, tag {tag}", name=shape.name,
                       cite=catalogue.cite(shape.source), tag=shape.tag)  # fmt: skip
    capacity = group.capacity_m_ops or (model.capacity_m_ops if model is not None else None)
    if group.idle_w is not None and group.full_w is not None:
        return Machine(
            f"declared:{group.name}", model.title if model is not None else group.model,
            model.isa if model is not None else "x86",
            _between(group.idle_w, group.full_w, shape), capacity, error, group.memory_gb,
            shape.tag, (say("idle and full watts declared: {source}", source=group.source), curve_source),
        )  # fmt: skip
    if model is None or model.idle_w is None or model.full_w is None:
        raise SiteFileError(
            "E-CHIP-POWER",
            say("no public power result exists for {model}", model=group.model),
            say("site.toml, servers {name}", name=group.name),
            say("declare measured idle_w and full_w of one machine"),
        )
    machine = _catalogued(model, shape, error, group.memory_gb, catalogue)
    return replace(machine, capacity=capacity)


def offered_machine(model: ServerModel, memory_gb: float, catalogue: HardwareCatalogue) -> Machine:
    """Return the machine of a model that may be bought with ``memory_gb`` [GB]."""
    shape = catalogue.shapes[model.shape or GENERIC_SHAPE]
    name = "power_error_family" if shape.scope == "family" else "power_error_generation"
    return _catalogued(model, shape, catalogue.value(name), memory_gb, catalogue)


def capped_machines(
    group: ServerGroup, machine: Machine, catalogue: HardwareCatalogue
) -> dict[float, tuple[Machine, tuple[AcceleratorCap, ...]]]:
    """Return the machine under each published cap [W], with the results that it rests on.

    The throughput kept is that of the worst published workload. Host watts stay as they are, so the
    energy per unit of work falls less than the cap.
    """
    if group.accelerator is None:
        return {}
    found: dict[float, tuple[Machine, tuple[AcceleratorCap, ...]]] = {}
    for cap_w in sorted({c.cap_w for c in catalogue.caps if c.accelerator == group.accelerator}):
        rows = tuple(c for c in catalogue.caps if c.accelerator == group.accelerator and c.cap_w == cap_w)
        kept = min(row.throughput_kept for row in rows)
        idle_w, full_w = machine.watts[0], machine.watts[-1]
        capped_w = full_w - group.accelerators * (rows[0].limit_w - cap_w)
        if capped_w <= idle_w:
            continue
        capped = replace(
            machine,
            watts=tuple(idle_w + load * (capped_w - idle_w) for load in LOADS),
            capacity=None if machine.capacity is None else machine.capacity * kept,
        )
        found[cap_w] = (capped, rows)
    return found


def _between(idle_w: float, full_w: float, shape: Shape) -> tuple[float, ...]:
    return tuple(idle_w + share * (full_w - idle_w) for share in shape.phi)


def _shape(group: ServerGroup, model: ServerModel | None, catalogue: HardwareCatalogue) -> Shape:
    if model is not None and model.shape is not None:
        return catalogue.shapes[model.shape]
    year = group.launch_year or (model.launch_year if model is not None else None)
    known = [name for last, name in _GENERATIONS if year is not None and year <= last]
    return catalogue.shapes[known[0] if known else GENERIC_SHAPE]


def _catalogued(
    model: ServerModel, shape: Shape, error: float, memory_gb: float | None, catalogue: HardwareCatalogue
) -> Machine:
    if model.idle_w is None or model.full_w is None or model.memory_gb is None or model.power_tag is None:
        raise ValueError(f"{model.id} has no public result")
    # The measured machines hold little memory: what a machine has beyond that is added at every load.
    more_gb = max(0.0, (memory_gb or model.memory_gb) - model.memory_gb)
    extra_w = more_gb * catalogue.value("dram_w_per_gb")
    watts = tuple(watt + extra_w for watt in _between(model.idle_w, model.full_w, shape))
    sources: tuple[str, ...] = (
        say("{title}: idle {idle:g} W, full {full:g} W, {ops:g} M ssj_ops/s, median of {n} results to "
            "{year}; {cite}, tag {tag}", title=model.title, idle=model.idle_w, full=model.full_w,
            ops=model.capacity_m_ops or 0.0, n=model.n_results, year=model.source_year,
            cite=catalogue.cite(model.source), tag=model.power_tag),
        say("curve of {name}: {cite}, tag {tag}", name=shape.name, cite=catalogue.cite(shape.source),
            tag=shape.tag),
    )  # fmt: skip
    tuned = say(
        "the published machines are tuned to save power: with a performance profile idle watts are up to "
        "{factor:g} times as high and switching off saves more (assumed)",
        factor=catalogue.value("idle_factor_untuned"),
    )
    if more_gb > 0:
        row = catalogue.assumptions["dram_w_per_gb"]
        sources += (
            say("memory above that of the results: {value:g} W/GB; {cite}, tag {tag}", value=row.value,
                cite=catalogue.cite(row.source), tag=row.tag),
        )  # fmt: skip
    tags = [model.power_tag, model.capacity_tag or "C", shape.tag]
    return Machine(model.id, model.title, model.isa, watts, model.capacity_m_ops, error,
                   memory_gb or model.memory_gb, weakest(tags), sources, (tuned,))  # fmt: skip


def _accelerator_machine(group: ServerGroup, catalogue: HardwareCatalogue) -> Machine:
    """Return a server of accelerators: linear between idle and full, its work counted in its own kind."""
    card = catalogue.accelerator(group.accelerator or "")
    name = say("{n}-card {card} server", n=group.accelerators, card=card.name)
    error = catalogue.value("accelerator_power_error")
    if group.idle_w is not None and group.full_w is not None:
        idle_w, full_w, tags = group.idle_w, group.full_w, ["B"]
        sources = (say("idle and full watts declared: {source}", source=group.source),)
    elif card.host_w is None or card.limit_w is None or card.idle_w_high is None or group.accelerators != 8:
        raise SiteFileError(
            "E-CHIP-POWER",
            say("no public whole-server power exists for {n} x {card}", n=group.accelerators, card=card.name),
            say("site.toml, servers {name}", name=group.name),
            say("declare measured idle_w and full_w of one machine"),
        )
    else:
        card_idle_w = 0.5 * (card.idle_w_low or card.idle_w_high) + 0.5 * card.idle_w_high
        idle_w = card.host_w + group.accelerators * card_idle_w
        full_w = card.host_w + group.accelerators * card.limit_w
        tags = [card.host_tag or "C", card.limit_tag or "C", card.idle_tag or "C"]
        sources = (
            say("{card}: limit {limit:g} W, idle {idle:g} W, host {host:g} W; {cite}; {idle_cite}",
                card=card.name, limit=card.limit_w, idle=card_idle_w, host=card.host_w,
                cite=catalogue.cite(card.source), idle_cite=catalogue.cite(card.idle_source or card.source)),
        )  # fmt: skip
    if idle_w >= full_w:
        raise ValueError(f"{group.name}: idle power is not below full power")
    watts = tuple(idle_w + load * (full_w - idle_w) for load in LOADS)
    condition = say("power between idle and full is taken as linear in the cards' utilisation (assumed)")
    return Machine(f"{group.accelerator}:{group.name}", name, "accelerator", watts, 1.0, error,
                   group.memory_gb, weakest([t for t in _TAG_ORDER if t in tags]), sources,
                   (condition,))  # fmt: skip
