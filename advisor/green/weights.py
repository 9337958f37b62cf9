"""Consumption-responsibility weights of provinces (消纳责任权重): a table that the user gives, read strictly.

They are set anew every year, and none is shipped. The table is a CSV with the columns::

    province,year,share,source
    Guangdong,2025,0.33,"the notice and its number"

``province`` in English or Chinese, ``share`` 0..1 (the total weight), ``source`` where it was read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from advisor.assets import Strict
from advisor.green.factors import COUNTRY, province_name
from advisor.green.flows import Basis
from advisor.strict_csv import read_rows
from features.errors import CatalogueError
from features.message import say

WITHOUT_FACTOR = {"tibet": "Tibet", "xizang": "Tibet", "西藏": "Tibet", "西藏自治区": "Tibet"}
"""Provinces that have a weight or may get one, and no emission factor."""


class WeightRow(Strict):
    """One weight ``share`` [1] of a province and year."""

    province: Annotated[str, Field(min_length=1)]
    year: Annotated[int, Field(ge=2018, le=2100)]
    share: Annotated[float, Field(ge=0, le=1)]
    source: Annotated[str, Field(min_length=1)]


@dataclass(frozen=True)
class Weights:
    """Weights by province and year [1], with their bases."""

    path: str
    rows: dict[tuple[str, int], tuple[float, Basis]]

    def of(self, region: str, year: int) -> tuple[float, Basis]:
        """Return the weight of a province in a year [1] and where it is from.

        Raises
        ------
        features.errors.CatalogueError
            ``E-WEIGHT-MISSING``: the table holds none; another year's weight is never taken instead.
        """
        found = self.rows.get((_known(region) or region, year))
        if found is None:
            raise CatalogueError(
                "E-WEIGHT-MISSING",
                say("there is no weight of {region!r} for {year}", region=region, year=year),
                self.path,
                say("add a row with province, year, share and source"),
            )
        return found


def read_weights(path: Path) -> Weights:
    """Read a table of weights.

    Parameters
    ----------
    path : pathlib.Path

    Raises
    ------
    features.errors.CatalogueError
        ``E-WEIGHT-FILE``, ``E-WEIGHT-COLUMN``, ``E-WEIGHT-VALUE``: see `advisor.strict_csv.read_rows`;
        ``E-WEIGHT-PROVINCE``: an unknown province; ``E-WEIGHT-TWICE``: a province and year stand twice;
        ``E-WEIGHT-NONE``: the table has no row.
    """
    table: dict[tuple[str, int], tuple[float, Basis]] = {}
    for number, row in enumerate(read_rows(path, WeightRow, "WEIGHT"), start=2):
        name, where = _known(row.province), f"{path}, row {number}, column province"
        if name is None:
            raise CatalogueError(
                "E-WEIGHT-PROVINCE", say("{name!r} is not a province", name=row.province), where,
                say("write the province in English or Chinese"),
            )  # fmt: skip
        if (name, row.year) in table:
            raise CatalogueError(
                "E-WEIGHT-TWICE", say("{name} stands twice for {year}", name=name, year=row.year), where,
                say("keep one of the two"),
            )  # fmt: skip
        table[name, row.year] = (row.share, Basis("published", row.source))
    if not table:
        raise CatalogueError(
            "E-WEIGHT-NONE", say("the table has no row"), str(path),
            say("add a row with province, year, share and source"),
        )  # fmt: skip
    return Weights(str(path), table)


def _known(region: str) -> str | None:
    name = province_name(region) or WITHOUT_FACTOR.get(region.casefold())
    return None if name == COUNTRY else name
