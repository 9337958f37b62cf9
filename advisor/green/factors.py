"""Emission factors of Chinese provinces, for a location-based account where no hourly factor is known.

``advisor/factors/china.csv``: annual averages of the provinces and the country, and the country's factor
without market-traded non-fossil power, which is the closest that is published to a residual mix.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from advisor.assets import NotNegative, Strict
from advisor.green.flows import Basis, Label
from advisor.green.instruments import Residual
from advisor.strict_csv import read_rows
from features.errors import CatalogueError
from features.message import say

COUNTRY = "China"
_FULL = re.compile(
    r"(省|市|壮族自治区|回族自治区|维吾尔自治区|自治区|\bprovince\b|\bautonomous region\b)", re.IGNORECASE
)
Text = Annotated[str, Field(min_length=1)]


class FactorRow(Strict):
    """``kg_per_kwh`` [kg CO2e/kWh] of a region and year; ``residual``: without market-traded power."""

    region: Text
    region_zh: Text
    kind: Literal["average", "residual"]
    year: int
    kg_per_kwh: NotNegative
    confidence: Literal["A", "B", "C"]
    source: Text


class FactorSource(Strict):
    """Where factors come from."""

    id: Text
    title: Text
    url: Text
    year: int
    licence: Text


@dataclass(frozen=True)
class Factor:
    """An emission factor ``kg_per_kwh`` [kg CO2e/kWh] of a region, its year and basis."""

    region: str
    region_zh: str
    year: int
    kg_per_kwh: float
    confidence: str
    basis: Basis


def location_factor(region: str, year: int | None = None) -> Factor:
    """Return the average factor of a Chinese province.

    Parameters
    ----------
    region : str
        In English or Chinese, as ``region`` of site.toml.
    year : int or None
        Year of the consumption: the newest factor up to it is taken, and its own year is told. None: the
        newest.

    Raises
    ------
    features.errors.CatalogueError
        ``E-FACTOR-REGION``: none is published for the region (Tibet, Hong Kong, Macao, Taiwan) or up to that
        year; nothing is guessed.
    """
    return _newest(region, "average", year, "published")


def residual_factor(year: int | None = None) -> Residual:
    """Return the national factor without market-traded non-fossil power, in place of a residual mix.

    China publishes no residual mix: that this stands for one is our reading, hence assumed.

    Parameters
    ----------
    year : int or None
        As for `location_factor`.
    """
    found = _newest(COUNTRY, "residual", year, "assumed")
    return Residual(1000.0 * found.kg_per_kwh, found.basis)


def province_name(region: str) -> str | None:
    """Return the name by which the table calls a region; None where it has none."""
    wanted = _folded(region)
    rows = load_factors()[0]
    return next((r.region for r in rows if wanted in (_folded(r.region), _folded(r.region_zh))), None)


def load_factors(folder: Path | None = None) -> tuple[tuple[FactorRow, ...], dict[str, FactorSource]]:
    """Read the tables of factors and of their sources.

    Parameters
    ----------
    folder : pathlib.Path or None
        None: the shipped ones.

    Raises
    ------
    features.errors.CatalogueError
        ``E-FACTOR-FILE``, ``E-FACTOR-COLUMN``, ``E-FACTOR-VALUE``; ``E-FACTOR-REF``: a source is in no table.
    """
    return _shipped() if folder is None else _load(folder)


@cache
def _shipped() -> tuple[tuple[FactorRow, ...], dict[str, FactorSource]]:
    return _load(Path(str(files("advisor") / "factors")))


def _load(folder: Path) -> tuple[tuple[FactorRow, ...], dict[str, FactorSource]]:
    rows = read_rows(folder / "china.csv", FactorRow, "FACTOR")
    sources = {s.id: s for s in read_rows(folder / "sources.csv", FactorSource, "FACTOR")}
    lost = next((r.source for r in rows if r.source not in sources), None)
    if lost is not None:
        raise CatalogueError(
            "E-FACTOR-REF", say("{ident!r} is in no table", ident=lost),
            str(folder / "china.csv"),
            say("add it or correct the name"),
        )  # fmt: skip
    return rows, sources


def _newest(region: str, kind: str, year: int | None, label: Label) -> Factor:
    rows, sources = load_factors()
    name = province_name(region)
    found = [r for r in rows if r.region == name and r.kind == kind and (year is None or r.year <= year)]
    if not found:
        raise CatalogueError(
            "E-FACTOR-REGION",
            say("no emission factor is published for {region!r}", region=region),
            "site.toml, region",
            say("declare [carbon] factor_kg_per_kwh with its source"),
        )
    row = max(found, key=lambda r: r.year)
    source = sources[row.source]
    basis = Basis(label, f"{source.title} ({source.url})")
    return Factor(row.region, row.region_zh, row.year, row.kg_per_kwh, row.confidence, basis)


def _folded(name: str) -> str:
    return _FULL.sub("", name).replace(" ", "").casefold()
