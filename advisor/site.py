"""Site: one definition, written by a person (``site.toml``), used alone or in a portfolio.

What it does not declare is asked for, not defaulted, where a safety limit or money depends on it.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from advisor.assets import Battery, NotNegative, Positive, Pv, Share, Strict, Workload, ZoneName, broken_keys
from advisor.servers import HardwarePrices, ServerGroup
from advisor.site_limits import Limits
from advisor.tariff import Connection, Contract, DemandResponse, Tariff
from features.errors import SiteFileError
from features.message import say
from features.schema import SCHEMA

__all__ = ["Carbon", "Green", "LeverRange", "Limits", "Site", "Tariff", "read_site"]


class LeverRange(Strict):
    """How far a lever may be moved.

    ``lower``, ``upper`` and ``step`` are in the lever's own unit (set-points [degC]).
    """

    lower: float
    upper: float
    step: Positive = 0.5

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.lower > self.upper:
            raise ValueError(f"lower {self.lower} is above upper {self.upper}")
        return self


class Carbon(Strict):
    """Grid emission factor ``factor_kg_per_kwh`` [kg CO2e/kWh], its source and year."""

    factor_kg_per_kwh: NotNegative
    source: str = Field(min_length=1)
    year: int | None = None


class Green(Strict):
    """``grid_share`` [1]: share of the purchased energy that is green, with its source."""

    grid_share: Share
    source: str = Field(min_length=1)


class RetrofitTerms(Strict):
    """What the site knows of one retrofit of the catalogue.

    ``investment`` [currency] to build it, with its ``source``; without it no payback is told.
    ``installed``: it stands already.
    """

    investment: Positive | None = None
    installed: bool = False
    source: str = ""


class Site(Strict):
    """One site.

    Parameters
    ----------
    id : str
    kind : {"data-centre", "base-station"}
    country : str
        ISO 3166 code; "": unknown. It decides which official measures concern the site.
    time_zone : str or None
        IANA name or fixed offset ``+HH:MM`` of the exports' stamps; None: unknown.
    current : dict
        Set-points in force, canonical lever name -> value; the baseline of every saving.
    levers : dict
        Levers that may be moved, canonical name -> `LeverRange`.
    energy_unit_kwh : float or None
        kWh per unit of relative energy; without it base-station savings stay in %.
    pv, battery, workload, servers, hardware_prices
        What the site owns besides its cooling; see `advisor.assets` and `advisor.servers`.
    connection, demand_response, contract
        What the grid allows and asks, and green power under contract; see `advisor.tariff`.
    retrofits : dict
        Id of the catalogue of retrofits -> `RetrofitTerms`.

    Raises
    ------
    features.errors.SiteFileError
        Unknown keys, wrong types, names that are not canonical levers.
    """

    id: str = Field(min_length=1)
    name: str = ""
    kind: Literal["data-centre", "base-station"] = "data-centre"
    country: Annotated[str, Field(pattern=r"^([A-Z]{2})?$")] = ""
    region: str = ""
    time_zone: ZoneName | None = None
    currency: str = ""
    hub_node: bool | None = None
    new_build: bool | None = None
    standard_racks: Annotated[int, Field(ge=0)] | None = None
    energy_unit_kwh: Positive | None = None
    current: dict[str, float] = Field(default_factory=dict)
    levers: dict[str, LeverRange] = Field(default_factory=dict)
    limits: Limits = Limits()
    tariff: Tariff | None = None
    carbon: Carbon | None = None
    green: Green | None = None
    pv: Pv | None = None
    battery: Battery | None = None
    workload: Workload | None = None
    servers: tuple[ServerGroup, ...] = ()
    hardware_prices: HardwarePrices | None = None
    connection: Connection | None = None
    demand_response: tuple[DemandResponse, ...] = ()
    contract: tuple[Contract, ...] = ()
    retrofits: dict[str, RetrofitTerms] = Field(default_factory=dict)
    assumed: tuple[str, ...] = ()

    @field_validator("current", "levers")
    @classmethod
    def _canonical_levers(cls, named: dict[str, object]) -> dict[str, object]:
        for name in named:
            if name not in SCHEMA or SCHEMA[name].role != "lever":
                known = ", ".join(c.name for c in SCHEMA.values() if c.role == "lever")
                raise ValueError(f"{name!r} is not a lever; levers are {known}")
        return named

    @model_validator(mode="after")
    def _money_has_currency(self) -> Self:
        if (self.tariff is not None or self.contract) and not self.currency:
            raise ValueError("a tariff or contract needs 'currency'")
        if not self.currency and any(r.investment is not None for r in self.retrofits.values()):
            raise ValueError("an investment needs 'currency'")
        return self

    @property
    def price_per_kwh(self) -> float | None:
        """Declared price of energy [currency/kWh]; None: unknown."""
        return None if self.tariff is None else self.tariff.energy_per_kwh

    @property
    def carbon_kg_per_kwh(self) -> float | None:
        """Declared emission factor [kg CO2e/kWh]; None: unknown."""
        return None if self.carbon is None else self.carbon.factor_kg_per_kwh


def read_site(path: Path) -> Site:
    """Read and check a ``site.toml``.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    Site

    Raises
    ------
    features.errors.SiteFileError
        The file is missing, is not TOML, or breaks the definition; the message names the key.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SiteFileError(
            "E-SITE-FILE", say("there is no such site file"), str(path), say("give the path of a site.toml")
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SiteFileError(
            "E-SITE-TOML",
            say("not readable as TOML: {error}", error=error),
            str(path),
            say("correct the file"),
        ) from None
    try:
        return Site.model_validate(raw)
    except ValidationError as error:
        raise SiteFileError(
            "E-SITE-KEY",
            broken_keys(error),
            str(path),
            say("correct these keys; see README, section site.toml"),
        ) from None
