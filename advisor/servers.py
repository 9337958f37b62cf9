"""The servers that a site declares, and what it knows about prices of new ones."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from advisor.assets import NotNegative, Positive, Share, Strict

Count = Annotated[int, Field(ge=1)]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]


class ServerGroup(Strict):
    """Servers of one kind that do one pool of work.

    ``model`` is an id of the hardware catalogue, ``count`` how many stand, ``mean_utilisation`` and
    ``peak_utilisation`` [1] of one machine's capacity (of its accelerators, where it declares some).
    Measured ``idle_w`` and ``full_w`` [W] of the whole machine override the catalogue. Groups of the same
    ``pool`` may take over each other's work. A group with a peak near zero does no useful work.

    Parameters
    ----------
    memory_gb, memory_used_gb : float or None
        Memory of one machine, and what its work occupies at most [GB]. Memory limits a plan only where
        both are declared.
    launch_year : int or None
        Chooses the power curve of a model that the catalogue does not hold.
    capacity_m_ops : float or None
        Work at full load [million ssj_ops/s] where no public result exists; without it such servers
        are compared only with their own kind.
    arm_ready : bool
        The work runs on Arm as it is.
    accelerator, accelerators : str or None, int
        Id of the card in the catalogue and how many one machine holds.
    accelerator_bound : {"compute", "memory"} or None
        What holds the cards' work back. A power cap saves only where it is computing.
    """

    name: str = Field(min_length=1)
    model: str = Field(min_length=1)
    count: Count
    mean_utilisation: Share
    peak_utilisation: Share
    pool: str = "general"
    memory_gb: Positive | None = None
    memory_used_gb: NotNegative | None = None
    idle_w: NotNegative | None = None
    full_w: Positive | None = None
    launch_year: Annotated[int, Field(ge=1990, le=2100)] | None = None
    capacity_m_ops: Positive | None = None
    arm_ready: bool = False
    accelerator: str | None = None
    accelerators: Annotated[int, Field(ge=0)] = 0
    accelerator_bound: Literal["compute", "memory"] | None = None
    source: str = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.peak_utilisation < self.mean_utilisation:
            raise ValueError("peak_utilisation is below mean_utilisation")
        if (self.idle_w is None) != (self.full_w is None):
            raise ValueError("give idle_w and full_w together, or neither")
        if self.idle_w is not None and self.full_w is not None and self.idle_w > self.full_w:
            raise ValueError("idle_w is above full_w")
        if self.memory_used_gb is not None and (
            self.memory_gb is None or self.memory_used_gb > self.memory_gb
        ):
            raise ValueError("memory_used_gb needs a memory_gb that is not below it")
        if (self.accelerator is None) != (self.accelerators == 0):
            raise ValueError("give accelerator and accelerators together, or neither")
        return self


class OfferPrice(Strict):
    """What one new server costs here; it replaces the shipped assumption.

    ``price`` [currency] with ``price_low`` and ``price_high`` where known; ``memory_gb`` [GB] of the
    configuration; ``embodied_kg`` [kg CO2e] of its making with ``embodied_low_kg`` and ``embodied_high_kg``.
    """

    price: Positive
    price_low: Positive | None = None
    price_high: Positive | None = None
    memory_gb: Positive | None = None
    embodied_kg: NotNegative | None = None
    embodied_low_kg: NotNegative | None = None
    embodied_high_kg: NotNegative | None = None
    source: str = Field(min_length=1)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for what, low, point, high in (
            ("price", self.price_low, self.price, self.price_high),
            ("embodied_kg", self.embodied_low_kg, self.embodied_kg, self.embodied_high_kg),
        ):
            if point is None and not (low is None and high is None):
                raise ValueError(f"{what}: give the point with its low and high")
            if point is not None and not (low or 0.0) <= point <= (point if high is None else high):
                raise ValueError(f"{what}: low <= point <= high does not hold")
        return self


class HardwarePrices(Strict):
    """Prices of new servers and what may be spent on them (``[hardware_prices]`` of a site).

    Parameters
    ----------
    currency, as_of, source
        Of the prices below; prices carry their date.
    budget : float or None
        What may be spent on new servers [currency]. None: nothing is bought, purchases are only shown.
    max_payback_years : float or None
        Every bought server has to repay its price from saved electricity within it [a].
    lifetime_years : float or None
        Years in which a purchase has to repay its embodied carbon [a]; None: the shipped assumption.
    load_limit : float or None
        Highest mean load put on a server [1], 0.2 at least; None: the shipped assumption.
    makers_from : tuple of str or None
        Countries whose makers may be bought from (rules on domestic chips); None: any.
    offers : dict
        Catalogue id -> `OfferPrice`; others keep the shipped assumption where the currency is the same.
    """

    currency: str = Field(min_length=1)
    as_of: date
    source: str = Field(min_length=1)
    budget: NotNegative | None = None
    max_payback_years: Positive | None = None
    lifetime_years: Positive | None = None
    load_limit: Annotated[float, Field(ge=0.2, le=1)] | None = None
    makers_from: tuple[Country, ...] | None = None
    offers: dict[str, OfferPrice] = Field(default_factory=dict)
