"""What a portfolio declares beside its sites: classes of work, targets, and what may be bought or built."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from advisor.assets import NotNegative, Positive, Share, Strict
from advisor.dispatch_site import SHARES, Measure, Target

Name = Annotated[str, Field(min_length=1)]
HOURS_OF_YEAR = 8760.0


class Work(Strict):
    """A class of work, ``[[work]]``.

    Parameters
    ----------
    name : str
    site : str
        Id of the site where it arrives; it is part of that site's IT power.
    share : float or None
        Share of the site's IT power [1]; or
    file : str or None
        CSV with ``timestamp`` and ``it_power_kw`` [kW] of the jobs that arrive, while they run.
    wait_hours : float
        How much later than at once a job may end [h].
    run_hours : float or None
        How long a job runs [h]; None: one step.
    interruptible : bool
    sites : tuple of str
        Other sites that may do it.
    latency_ms_max : float or None
        A link slower than this is not used [ms].
    transfer_kwh_per_kwh, transfer_price_per_kwh : float or None
        Of moving it [1], [currency/kWh]; None: those of the link.
    job_kw : float or None
        IT power of one job, where jobs are too large to be divided [kW].
    source : str
    """

    name: Name
    site: Name
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    file: Name | None = None
    wait_hours: NotNegative = 0.0
    run_hours: Positive | None = None
    interruptible: bool = True
    sites: tuple[Name, ...] = ()
    latency_ms_max: Positive | None = None
    transfer_kwh_per_kwh: NotNegative | None = None
    transfer_price_per_kwh: NotNegative | None = None
    job_kw: Positive | None = None
    source: Name

    @model_validator(mode="after")
    def _arrives_once(self) -> Self:
        if (self.share is None) == (self.file is None):
            raise ValueError("give either share or file")
        if self.site in self.sites:
            raise ValueError("sites names other sites than the one where the work arrives")
        return self


class Goal(Strict):
    """A target, ``[[target]]``: shares ``at_least``, sums ``at_most``, of ``sites`` or of all."""

    measure: Measure
    at_least: Share | None = None
    at_most: NotNegative | None = None
    sites: tuple[Name, ...] = ()
    source: Name

    @model_validator(mode="after")
    def _bounded_on_its_side(self) -> Self:
        if self.measure in SHARES and (self.at_least is None or self.at_most is not None):
            raise ValueError(f"{self.measure} needs at_least")
        if self.measure not in SHARES and (self.at_most is None or self.at_least is not None):
            raise ValueError(f"{self.measure} needs at_most")
        return self

    @property
    def target(self) -> Target:
        """The target as the dispatch takes it."""
        bound = self.at_least if self.at_least is not None else self.at_most
        return Target(self.measure, float(bound or 0.0), self.sites or None, self.source)


class Choice(Strict):
    """Something that could be built or contracted, ``[[option]]``; how much of it is decided with the plan.

    Parameters
    ----------
    name : str
    kind : {"pv", "wind", "contract", "battery", "retrofit"}
        [kW], "battery" [kWh], "retrofit" wholly or not at all. "battery" enlarges the site's own.
    site : str
    most : float
        Most that may be had [its unit]; of a retrofit left out.
    investment_per_unit : float
        [currency/unit]; of a retrofit the whole. A window is charged with its share of the yearly annuity.
    life_years, rate, upkeep_share : float
        Years of use, yearly interest [1], yearly upkeep as a share of the investment [1].
    price_per_kwh : float
        "contract": of what is produced, all charges in [currency/kWh].
    profile : str or None
        CSV with ``timestamp`` and ``kw_per_kw``; of "pv" left out: the site's own shape; of "contract" left
        out: the same power at all times.
    cooling_saved_share : float or None
        "retrofit": share of the measured ``cooling_power_kw`` that it saves [1].
    power_per_energy : float
        "battery": kW per kWh.
    source : str
    """

    name: Name
    kind: Literal["pv", "wind", "contract", "battery", "retrofit"]
    site: Name
    most: Positive = 1.0
    investment_per_unit: NotNegative = 0.0
    life_years: Positive = 20.0
    rate: NotNegative = 0.0
    upkeep_share: NotNegative = 0.0
    price_per_kwh: NotNegative = 0.0
    profile: Name | None = None
    cooling_saved_share: Share | None = None
    power_per_energy: Positive = 0.5
    source: Name

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.kind == "retrofit") != (self.cooling_saved_share is not None):
            raise ValueError("cooling_saved_share belongs to a retrofit, and a retrofit needs it")
        if self.kind == "retrofit" and self.most != 1.0:
            raise ValueError("a retrofit is built wholly or not at all: leave out most")
        if self.kind == "wind" and self.profile is None:
            raise ValueError("wind needs a profile")
        if self.kind != "contract" and self.price_per_kwh:
            raise ValueError("price_per_kwh belongs to a contract")
        return self

    def cost_of(self, hours: float) -> float:
        """Return what a unit costs within so many hours, without what is paid per kWh [currency/unit].

        The investment is paid back in equal yearly amounts (capital recovery factor).
        """
        r, n = self.rate, self.life_years
        recovery = 1.0 / n if r == 0.0 else r / (1.0 - (1.0 + r) ** -n)
        return self.investment_per_unit * (recovery + self.upkeep_share) * hours / HOURS_OF_YEAR
