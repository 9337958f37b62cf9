"""The hardware catalogue: tables of published facts and dated assumptions, read strictly.

``advisor/hardware/*.csv`` are package data. Every row has a source (``sources.csv``) and a tag: ``A`` read in
a primary source, ``A*`` computed from such data, ``B`` one secondary source, ``C`` recalled, an editable
assumption. A model without a public result has empty cells: that is a state, never zero.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from advisor.assets import NotNegative, Positive, Share, Strict
from advisor.strict_csv import Row, read_rows
from features.errors import CatalogueError
from features.message import say

Tag = Literal["A", "A*", "B", "C"]
Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
Text = Annotated[str, Field(min_length=1)]
LOADS = tuple(step / 10 for step in range(11))


class SourceRow(Strict):
    """Where figures come from."""

    id: Id
    title: Text
    url: str | None = None
    year: int
    licence: Text


class ServerModel(Strict):
    """A server by its processors: medians of the public SPECpower_ssj2008 results.

    ``idle_w``, ``full_w`` [W], ``capacity_m_ops`` [million ssj_ops/s at full load], ``memory_gb`` [GB] of the
    measured machines; all None where there is no public result.
    """

    id: Id
    name: Text
    maker: Text
    maker_country: Text
    isa: Literal["x86", "arm", "loongarch"]
    sockets: Annotated[int, Field(ge=1, le=8)]
    cores: Annotated[int, Field(ge=1)] | None = None
    launch_year: int | None = None
    n_results: Annotated[int, Field(ge=0)]
    idle_w: Positive | None = None
    full_w: Positive | None = None
    capacity_m_ops: Positive | None = None
    memory_gb: Positive | None = None
    shape: Id | None = None
    power_tag: Tag | None = None
    capacity_tag: Tag | None = None
    source: Id
    source_year: int

    @model_validator(mode="after")
    def _result_or_none(self) -> Self:
        given = [
            value is not None
            for value in (self.idle_w, self.full_w, self.capacity_m_ops, self.memory_gb, self.shape,
                          self.power_tag, self.capacity_tag)
        ]  # fmt: skip
        if not (all(given) if self.n_results else not any(given)):
            raise ValueError("a public result needs all its figures; without one (n_results 0) all are empty")
        if self.idle_w is not None and self.full_w is not None and self.idle_w >= self.full_w:
            raise ValueError("idle_w is not below full_w")
        return self

    @property
    def title(self) -> str:
        """Name with the number of sockets."""
        return f"{self.name} ({self.sockets}S)"

    @property
    def measured(self) -> bool:
        """Whether there is a public result."""
        return self.n_results > 0


class Shape(Strict):
    """Power against load at 0, 10, ... 100 %, as a share of full power or normalised from idle."""

    id: Id
    name: Text
    n_results: Annotated[int, Field(ge=1)]
    p0: Share
    p10: Share
    p20: Share
    p30: Share
    p40: Share
    p50: Share
    p60: Share
    p70: Share
    p80: Share
    p90: Share
    p100: Share
    scope: Literal["family", "generation"]
    tag: Tag
    source: Id

    @model_validator(mode="after")
    def _rises_to_one(self) -> Self:
        curve = self.curve
        if curve[-1] != 1.0 or any(a >= b for a, b in pairwise(curve)):
            raise ValueError("the curve must rise from p0 to p100 = 1")
        return self

    @property
    def curve(self) -> tuple[float, ...]:
        """The 11 values [1]."""
        return (self.p0, self.p10, self.p20, self.p30, self.p40, self.p50, self.p60, self.p70, self.p80,
                self.p90, self.p100)  # fmt: skip

    @property
    def phi(self) -> tuple[float, ...]:
        """The curve normalised: 0 at idle, 1 at full load."""
        low = self.p0
        return tuple((value - low) / (1.0 - low) for value in self.curve)


class Accelerator(Strict):
    """An accelerator card; None: not published.

    ``limit_w`` and idle watts [W] of a card, ``host_w`` [W] of the rest of an 8-card server under load.
    """

    id: Id
    name: Text
    maker: Text
    maker_country: Text
    launch_year: int | None = None
    limit_w: Positive | None = None
    limit_w_high: Positive | None = None
    idle_w_low: NotNegative | None = None
    idle_w_high: NotNegative | None = None
    host_w: Positive | None = None
    limit_tag: Tag | None = None
    idle_tag: Tag | None = None
    host_tag: Tag | None = None
    source: Id
    idle_source: Id | None = None
    note: str | None = None


class AcceleratorCap(Strict):
    """Throughput kept under a power cap, one published pair of results."""

    accelerator: Id
    cap_w: Positive
    limit_w: Positive
    workload: Text
    throughput_kept: Annotated[float, Field(gt=0, le=1)]
    system_w: Positive
    cards: Annotated[int, Field(ge=1)]
    tag: Tag
    source: Id

    @model_validator(mode="after")
    def _below_limit(self) -> Self:
        if self.cap_w >= self.limit_w:
            raise ValueError("cap_w is not below limit_w")
        return self


class Embodied(Strict):
    """Greenhouse gases of making a machine [kg CO2e]."""

    id: Id
    name: Text
    low_kg: Positive
    point_kg: Positive
    high_kg: Positive
    tag: Tag
    source: Id
    note: str | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low_kg <= self.point_kg <= self.high_kg:
            raise ValueError("low <= point <= high does not hold")
        return self


class OfferRow(Strict):
    """A server that may be bought: configuration, price band [currency] with its date."""

    model: Id
    memory_gb: Positive
    price_low: Positive
    price_point: Positive
    price_high: Positive
    currency: Text
    as_of: date
    embodied: Id
    tag: Tag
    source: Id
    note: str | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.price_low <= self.price_point <= self.price_high:
            raise ValueError("low <= point <= high does not hold")
        return self


class Assumption(Strict):
    """A number of the model that is not a property of one machine."""

    name: Text
    value: Positive
    unit: Text
    tag: Tag
    source: Id
    note: str | None = None


ASSUMPTIONS = (
    "accelerator_load_limit", "accelerator_power_error", "capacity_error", "comatose_peak", "dram_w_per_gb",
    "grid_factor", "idle_factor_untuned", "load_limit", "power_error_family", "power_error_generation",
    "server_lifetime",
)  # fmt: skip


@dataclass(frozen=True)
class HardwareCatalogue:
    """All tables; look-ups by id."""

    sources: dict[str, SourceRow]
    servers: dict[str, ServerModel]
    shapes: dict[str, Shape]
    accelerators: dict[str, Accelerator]
    caps: tuple[AcceleratorCap, ...]
    embodied: dict[str, Embodied]
    offers: dict[str, OfferRow]
    assumptions: dict[str, Assumption]

    def value(self, name: str) -> float:
        """Return an assumption by name [its unit]."""
        return self.assumptions[name].value

    def accelerator(self, ident: str) -> Accelerator:
        """Return a card.

        Raises
        ------
        features.errors.CatalogueError
            There is none of that id (``E-HW-MODEL``).
        """
        if ident not in self.accelerators:
            raise self.unknown(ident, self.accelerators)
        return self.accelerators[ident]

    @staticmethod
    def unknown(ident: str, known: Iterable[str]) -> CatalogueError:
        """Return the error for an id that is not in a table, naming those that are close."""
        names = sorted(known)
        near = difflib.get_close_matches(ident, names, n=5, cutoff=0.4) or names
        return CatalogueError(
            "E-HW-MODEL",
            say("the hardware catalogue has no {model!r}", model=ident),
            "site.toml, servers",
            say("choose one of {near}, or declare idle_w and full_w", near=", ".join(near)),
        )

    def cite(self, source: str) -> str:
        """Return a source as one line: title, address, year."""
        row = self.sources[source]
        return f"{row.title} ({row.url}, {row.year})" if row.url else f"{row.title} ({row.year})"


def load_hardware(folder: Path | None = None) -> HardwareCatalogue:
    """Read the catalogue.

    Parameters
    ----------
    folder : pathlib.Path or None
        Folder of the CSV tables; None: the shipped ones.

    Raises
    ------
    features.errors.CatalogueError
        A table is missing or unreadable (``E-HW-FILE``), has other columns (``E-HW-COLUMN``), a cell
        breaks its type or its row (``E-HW-VALUE``), an id stands twice (``E-HW-ID``) or names nothing
        (``E-HW-REF``). File, row and column are told.
    """
    return _shipped() if folder is None else _load(folder)


@cache
def _shipped() -> HardwareCatalogue:
    return _load(Path(str(files("advisor") / "hardware")))


def _load(folder: Path) -> HardwareCatalogue:
    catalogue = HardwareCatalogue(
        sources=_keyed(folder / "sources.csv", SourceRow, "id"),
        servers=_keyed(folder / "servers.csv", ServerModel, "id"),
        shapes=_keyed(folder / "shapes.csv", Shape, "id"),
        accelerators=_keyed(folder / "accelerators.csv", Accelerator, "id"),
        caps=read_rows(folder / "accelerator_caps.csv", AcceleratorCap, "HW"),
        embodied=_keyed(folder / "embodied.csv", Embodied, "id"),
        offers=_keyed(folder / "offers.csv", OfferRow, "model"),
        assumptions=_keyed(folder / "assumptions.csv", Assumption, "name"),
    )
    _check_references(catalogue, folder)
    return catalogue


def _keyed(path: Path, model: type[Row], key: str) -> dict[str, Row]:
    table: dict[str, Row] = {}
    for number, row in enumerate(read_rows(path, model, "HW"), start=2):
        ident = str(getattr(row, key))
        if ident in table:
            raise CatalogueError(
                "E-HW-ID",
                say("{ident!r} stands twice", ident=ident),
                f"{path}, row {number}, column {key}",
                say("keep one of the two"),
            )
        table[ident] = row
    return table


def _check_references(catalogue: HardwareCatalogue, folder: Path) -> None:
    """Raise where a row names a source, shape, model or class that no table holds."""
    wanted: list[tuple[str, str, str | None, Iterable[str]]] = []
    for name, rows in (
        ("servers", catalogue.servers.values()), ("shapes", catalogue.shapes.values()),
        ("accelerators", catalogue.accelerators.values()), ("accelerator_caps", catalogue.caps),
        ("embodied", catalogue.embodied.values()), ("offers", catalogue.offers.values()),
        ("assumptions", catalogue.assumptions.values()),
    ):  # fmt: skip
        wanted += [(name, "source", row.source, catalogue.sources) for row in rows]
    wanted += [("servers", "shape", s.shape, catalogue.shapes) for s in catalogue.servers.values()]
    wanted += [
        ("accelerators", "idle_source", a.idle_source, catalogue.sources)
        for a in catalogue.accelerators.values()
    ]
    wanted += [("accelerator_caps", "accelerator", c.accelerator, catalogue.accelerators)
               for c in catalogue.caps]  # fmt: skip
    for offer in catalogue.offers.values():
        measured = [s.id for s in catalogue.servers.values() if s.measured]
        wanted += [("offers", "model", offer.model, measured),
                   ("offers", "embodied", offer.embodied, catalogue.embodied)]  # fmt: skip
    wanted += [("assumptions", "name", name, catalogue.assumptions) for name in ASSUMPTIONS]
    for name, column, ident, known in wanted:
        if ident is not None and ident not in known:
            raise CatalogueError(
                "E-HW-REF",
                say("{ident!r} is in no table", ident=ident),
                f"{folder / name}.csv, column {column}",
                say("add it or correct the name"),
            )
