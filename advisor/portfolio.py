"""``portfolio.toml``: a list of sites and what they share.

The folder that holds the file is what ``advisor plan PORTFOLIO_DIR`` takes; every path in it is relative to
that folder. The file is strict: an unknown key is an error. A complete example::

    id = "three-centres"
    name = "Three data centres and a radio network"
    currency = "CNY"                       # of every price here; a site's own currency must be the same
    time_zone = "+08:00"                   # whose midnight bounds the day in which moved work must return
    start = "2025-07-07T00:00"             # window, both or neither; without offset: local time of time_zone
    end = "2025-07-14T00:00"               # exclusive; neither: the span that all sites' exports share
    objective = "non_green_kwh"            # or grid_kwh, cost, carbon_kg, water_m3; default non_green_kwh
    foresight = "known"                    # or "forecast": every day planned on what earlier days tell
    front = "cost"                         # what the front bounds: cost, carbon_kg, water_m3, effort_kwh
    cost_increase_max_pct = 0.0            # at most so much dearer than today; left out: no bound

    weights = "weights.csv"                # optional: provincial weights (province, year, share, source)

    [storage]                              # of every battery; may be left out (these are the defaults)
    start_share = 0.5                      # level at the start, share of the range reserve_kwh to energy_kwh
    end = "as-started"                     # at least as full at the end as at the start; or "free"

    [movement]                             # without it, work moves in time only, never between sites
    between_sites = true
    transfer_kwh_per_kwh = 0.01            # energy spent where moved work arrives [kWh per kWh of IT work]
    transfer_price_per_kwh = 0.02          # price of moving [currency per kWh of IT work]
    latency_ms_max = 50                    # a link slower than this is not used
    source = "assumption of the sample"

    [[movement.link]]                      # with links: work moves on these only; without: anywhere
    sites = ["dc-north", "dc-south"]       # ids of two site.toml files
    latency_ms = 28
    transfer_kwh_per_kwh = 0.02            # overrides [movement] for this link
    source = "assumption of the sample"

    [[site]]                               # one per site.toml
    exports = ["north/telemetry.csv"]      # files or folders, as `advisor check` takes them
    site = "north/site.toml"
    grid = "north/grid.csv"                # optional: the grid around the site, hour by hour
    grid_label = "published"               # or measured, modelled, assumed: what its figures are
    weather_forecast = "north/weather.csv" # optional: issued before each day; see below
    mapping = "north/mapping.toml"         # optional: confirmed mapping of the exports
    kind = "data-centre"                   # optional: recognised from the columns

    [[site]]
    exports = ["radio"]
    site = "radio/site.toml"
    meters = "together"                    # base stations only: one supply for all; "each": [pv] and
                                           # [battery] of site.toml stand at every station

    [[work]]                               # a class of work; what belongs to none is fixed, or flexible
    name = "nightly jobs"                  # within its day as workload.flexible_share of site.toml says
    site = "dc-north"                      # where it arrives
    share = 0.2                            # of that site's IT power; or file = "north/jobs.csv"
    wait_hours = 12                        # may end so much later
    run_hours = 3                          # left out: one step
    interruptible = false
    sites = ["dc-south"]                   # may also be done there
    source = "assumption of the sample"

    [[target]]                             # must be kept; an impossible one is explained
    measure = "cfe"                        # cfe, coverage, green_share at_least; sums (cost, ...) at_most
    at_least = 0.6
    sites = ["dc-north"]                   # left out: all together
    source = "company goal"

    [[option]]                             # may be built: how much is decided with the plan
    name = "roof PV"
    kind = "pv"                            # pv, wind, contract [kW], battery [kWh], retrofit
    site = "dc-north"
    most = 800
    investment_per_unit = 3000
    life_years = 25
    rate = 0.06
    source = "offer of 2025-05"

    [[purchase]]                           # priced lines beside the plan; they never raise an hourly share
    name = "Green certificates 2025"
    kind = "certificate"
    volume_kwh = 500000
    price_per_kwh = 0.03
    produced = 2025-05-01                  # month of their energy; without it they meet no rule
    source = "offer of 2025-06"

`advisor.portfolio_terms` tells every key of ``[[work]]``, ``[[target]]`` and ``[[option]]``.
Options need prices, and ``objective = "cost"``, ``cost_increase_max_pct`` or a target of cost: else they
would be free.

``[workload]``, ``[battery]``, ``[pv]`` (`advisor.assets`), ``[tariff]`` with times of use and a demand
charge, ``[connection]``, ``[[demand_response]]`` and ``[[contract]]`` (`advisor.tariff`) stand in each site's
own ``site.toml``; flexible work moves between sites only where ``workload.movable = true`` at both ends, and
a kWh of IT work is taken to be a kWh at every site. The hourly grid file is a CSV with the column
``timestamp`` (ISO 8601 with offset or
``Z``; without offset: local time of the site) and at least one of ``green_share`` (0..1), ``grid_cfe_share``
(0..1), ``carbon_g_per_kwh`` [g/kWh], ``price_per_kwh`` [currency/kWh]; stamps mark the start of their
interval, which must be the exports' own.

With ``foresight = "known"`` the window's own data are known in advance: what comes out is the most that
moving and storing can gain, not a claim. With ``"forecast"`` every day of the window is planned at its start
on forecasts from earlier days (at least two weeks of them) and carried out on what then happened; known
foresight is told beside it as the bound. It places flexible work and batteries only. Weather forecasts are
the user's: a CSV per site with ``timestamp``, columns of numbers (wind speed, irradiance, temperature) and,
where known, ``issued``: only what was issued before a day began is used. Without it the past alone tells.

What is green about a bought kWh, the first that is known: ``grid_cfe_share`` of the grid file, its
``green_share``, ``green_share`` of the exports, ``green.grid_share`` of site.toml (a constant, and said so).
"""

from __future__ import annotations

import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from advisor.assets import NotNegative, Positive, Share, Strict, ZoneName, broken_keys
from advisor.dispatch_site import BatteryEnd, Exchange
from advisor.portfolio_terms import Choice, Goal, Name, Work
from features.errors import SiteFileError
from features.message import say
from features.schema import Kind

FILE = "portfolio.toml"


class Storage(Strict):
    """How batteries start and end; see the module's text."""

    start_share: Share = 0.5
    end: BatteryEnd = "as-started"


class Link(Strict):
    """Two sites between which work may move.

    ``latency_ms`` [ms]; ``transfer_kwh_per_kwh`` [1] and ``transfer_price_per_kwh`` [currency/kWh] override
    those of `Movement`.
    """

    sites: tuple[Name, Name]
    latency_ms: NotNegative | None = None
    transfer_kwh_per_kwh: NotNegative | None = None
    transfer_price_per_kwh: NotNegative | None = None
    source: Name


class Movement(Strict):
    """Whether and at what cost work moves between sites; see the module's text."""

    between_sites: bool
    transfer_kwh_per_kwh: NotNegative = 0.0
    transfer_price_per_kwh: NotNegative = 0.0
    latency_ms_max: Positive | None = None
    source: Name
    link: tuple[Link, ...] = ()

    @model_validator(mode="after")
    def _latency_is_known(self) -> Self:
        if self.latency_ms_max is not None and (
            not self.link or any(link.latency_ms is None for link in self.link)
        ):
            raise ValueError("latency_ms_max needs links, each with its latency_ms")
        return self

    def between(self, one: str, other: str) -> tuple[float | None, float, float] | None:
        """Return latency [ms], energy [1] and price [currency/kWh] of moving work; None: there is no link."""
        if not self.link:
            return None, self.transfer_kwh_per_kwh, self.transfer_price_per_kwh
        for link in self.link:
            if set(link.sites) == {one, other}:
                energy, price = link.transfer_kwh_per_kwh, link.transfer_price_per_kwh
                return (
                    link.latency_ms,
                    self.transfer_kwh_per_kwh if energy is None else energy,
                    self.transfer_price_per_kwh if price is None else price,
                )
        return None

    def exchanges(self, movable: tuple[str, ...]) -> tuple[Exchange, ...]:
        """Return which of the movable sites exchange work, and what that costs."""
        if not self.between_sites:
            return ()
        if not self.link:
            shared = Exchange(movable, self.transfer_kwh_per_kwh, self.transfer_price_per_kwh)
            return (shared,) if len(movable) > 1 else ()
        usable = [
            link.sites
            for link in self.link
            if set(link.sites) <= set(movable)
            and (self.latency_ms_max is None or (link.latency_ms or 0.0) <= self.latency_ms_max)
        ]
        costs = [self.between(*sites) for sites in usable]
        return tuple(Exchange(s, c[1], c[2]) for s, c in zip(usable, costs, strict=True) if c is not None)


class Member(Strict):
    """One site of the portfolio: paths relative to the folder of portfolio.toml.

    ``grid_label``: what the figures of the grid file are. ``weather_forecast``: a CSV for
    ``foresight = "forecast"``.
    """

    exports: Annotated[tuple[Name, ...], Field(min_length=1)]
    site: Name
    grid: Name | None = None
    grid_label: Literal["measured", "published", "modelled", "assumed"] = "published"
    weather_forecast: Name | None = None
    mapping: Name | None = None
    kind: Kind | None = None
    meters: Literal["together", "each"] = "together"


class Purchase(Strict):
    """Certificates on offer: ``volume_kwh`` [kWh] at ``price_per_kwh`` [currency/kWh].

    ``produced``: first day of the month of their energy; without it they meet no rule, for certificates
    expire.
    """

    name: Name
    kind: Literal["certificate"]
    volume_kwh: Positive
    price_per_kwh: NotNegative
    produced: date | None = None
    source: Name


class Portfolio(Strict):
    """Sites and what they share; see the module's text."""

    id: Name
    name: str = ""
    currency: str = ""
    time_zone: ZoneName | None = None
    start: str | None = None
    end: str | None = None
    objective: Literal["non_green_kwh", "grid_kwh", "cost", "carbon_kg", "water_m3"] = "non_green_kwh"
    front: Literal["cost", "carbon_kg", "water_m3", "effort_kwh"] | None = None
    foresight: Literal["known", "forecast"] = "known"
    cost_increase_max_pct: NotNegative | None = None
    storage: Storage = Storage()
    movement: Movement | None = None
    site: Annotated[tuple[Member, ...], Field(min_length=1)]
    work: tuple[Work, ...] = ()
    target: tuple[Goal, ...] = ()
    option: tuple[Choice, ...] = ()
    weights: Name | None = None
    purchase: tuple[Purchase, ...] = ()

    @field_validator("start", "end", mode="before")
    @classmethod
    def _moment(cls, value: object) -> object:
        return value.isoformat() if isinstance(value, datetime) else value

    @field_validator("start", "end")
    @classmethod
    def _iso(cls, value: str | None) -> str | None:
        if value is not None:
            datetime.fromisoformat(value)  # a ValueError names the key
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.start is None) != (self.end is None):
            raise ValueError("give start and end together, or neither")
        if (self.purchase or self.option) and not self.currency:
            raise ValueError("a purchase or option needs 'currency'")
        names = [w.name for w in self.work] + [o.name for o in self.option] + [o.name for o in self.purchase]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"a name stands twice: {', '.join(twice)}")
        return self


def read_portfolio(folder: Path) -> Portfolio:
    """Read and check the ``portfolio.toml`` of a folder.

    Parameters
    ----------
    folder : pathlib.Path

    Returns
    -------
    Portfolio

    Raises
    ------
    features.errors.SiteFileError
        The file is missing, is not TOML, or breaks the definition; the message names the key.
    """
    path = folder / FILE
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise SiteFileError(
            "E-PORTFOLIO-FILE",
            say("there is no portfolio.toml"),
            str(path),
            say("give the folder that holds it; its format is described in advisor/portfolio.py"),
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SiteFileError(
            "E-PORTFOLIO-TOML",
            say("not readable as TOML: {error}", error=error),
            str(path),
            say("correct the file"),
        ) from None
    try:
        return Portfolio.model_validate(raw)
    except ValidationError as error:
        raise SiteFileError(
            "E-PORTFOLIO-KEY", broken_keys(error), str(path), say("correct these keys")
        ) from None
