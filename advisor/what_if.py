"""What happens if an engineer moves a lever: the values that a what-if takes and answers.

Two scenarios stand beside each other in every answer: the site as it is (*now*) and the site with the
levers moved (*new*), under the same weather. A saving is told only at equal work, inside what the models
have seen and inside every limit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from advisor.plan import Interval, Saving
from features.frame import FloatArray

WIDER_OUTSIDE = 2.0
"""Outside what was seen the band is this much wider [1]."""

Group = Literal["set_point", "work", "supply", "sleep"]
Label = Literal["measured", "modelled", "assumed"]
State = Literal["broken", "binding", "kept", "unknown"]
Verdict = Literal["unchanged", "saves", "not proven", "costs", "withheld"]


@dataclass(frozen=True)
class Lever:
    """One slider.

    Parameters
    ----------
    name : str
        Canonical column of a set-point, or ``it_load_pct``, ``flexible_share_pct``, ``pv_kw_peak``,
        ``battery_kwh``, ``sleep_threshold_pct``.
    unit : str
    group : {"set_point", "work", "supply", "sleep"}
    lower, upper, step, now : float
        Travel of the slider and where the site stands [unit].
    known_lower, known_upper : float
        Part of the travel that the models have seen or the site has declared [unit].
    disabled : str
        Why it cannot be moved, with the remedy; "" where it can.
    """

    name: str
    unit: str
    group: Group
    lower: float
    upper: float
    step: float
    now: float
    known_lower: float
    known_upper: float
    disabled: str = ""

    def __post_init__(self) -> None:
        if not self.lower <= self.now <= self.upper or self.step <= 0:
            raise ValueError(f"{self.name}: {self.now:g} does not lie in {self.lower:g} to {self.upper:g}")

    def known(self, value: float) -> bool:
        """Whether a value lies in the known part; where the site stands is known."""
        return value == self.now or self.known_lower - 1e-9 <= value <= self.known_upper + 1e-9


@dataclass(frozen=True)
class Figure:
    """One figure now and new.

    ``new`` is None, and ``reason`` says why, where nothing can be told; ``now`` likewise.
    """

    name: str
    unit: str
    now: float | None
    new: Interval | None
    label: Label
    reason: str = ""


@dataclass(frozen=True)
class Part:
    """Change of one part of the energy [kWh], more is positive; ``share_pct`` of today's energy [%]."""

    name: str
    change: Interval
    share_pct: float


@dataclass(frozen=True)
class LimitState:
    """A limit and where the scenario stands.

    ``value`` and ``now`` are the worst values of the scenario and of the site as it is, ``margin`` what is
    left to the limit (negative: broken) [unit]; None where it cannot be told, then ``reason`` says why.
    """

    name: str
    sense: Literal["max", "min"]
    limit: float
    unit: str
    value: float | None
    now: float | None
    margin: float | None
    state: State
    source: str
    reason: str = ""

    @property
    def binding(self) -> bool:
        """Whether the limit stops the lever here, or is broken."""
        return self.state in ("broken", "binding")

    @property
    def worse(self) -> bool:
        """Whether the limit is broken, and further than by the site as it is."""
        if self.state != "broken" or self.value is None or self.now is None:
            return False
        return self.value > self.now if self.sense == "max" else self.value < self.now


@dataclass(frozen=True)
class Series:
    """Power per step [kW] or, where energy is relative, energy in the unit of the data; shape (n,).

    ``now``, and ``point`` with ``lower`` and ``upper``: the whole site. ``bought_now``, ``bought``: what
    comes from the grid. ``inlet_c`` [degC]: expected hottest server inlet, None without a sensor. NaN where
    the step was not fully measured.
    """

    stamps: pd.DatetimeIndex
    unit: str
    now: FloatArray
    point: FloatArray
    lower: FloatArray
    upper: FloatArray
    bought_now: FloatArray
    bought: FloatArray
    inlet_c: FloatArray | None = None


@dataclass(frozen=True)
class WhatIfResult:
    """Answer to one setting of the levers.

    Parameters
    ----------
    figures : tuple of Figure
    saving : Saving or None
        At equal work; None where nothing may be claimed: outside what was seen, or a limit is broken.
    verdict : str
        ``unchanged``, ``saves``, ``not proven``, ``costs`` or ``withheld``.
    parts : tuple of Part
    series : Series
    in_domain : bool
    outside : tuple of str
        Which lever left what the models have seen, and how.
    limits : tuple of LimitState
        Broken and binding ones first.
    notes : tuple of str
    """

    figures: tuple[Figure, ...]
    saving: Saving | None
    verdict: Verdict
    parts: tuple[Part, ...]
    series: Series
    in_domain: bool
    outside: tuple[str, ...]
    limits: tuple[LimitState, ...]
    notes: tuple[str, ...] = ()

    def figure(self, name: str) -> Figure:
        """Return a figure by name.

        Raises
        ------
        KeyError
            There is none of that name.
        """
        for figure in self.figures:
            if figure.name == name:
                return figure
        raise KeyError(name)


class WhatIfModel(Protocol):
    """Levers of one site or fleet, and what moving them does."""

    @property
    def levers(self) -> tuple[Lever, ...]:
        """Every lever, those that cannot be moved included."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What has to be said about the window as a whole."""
        ...

    def evaluate(self, values: dict[str, float]) -> WhatIfResult:
        """Return the answer; a lever that is not named stays where it is.

        Raises
        ------
        KeyError
            A name is no lever that can be moved.
        ValueError
            A value lies outside the lever's travel.
        """
        ...


@dataclass(frozen=True)
class Chosen:
    """Checked values of all movable levers."""

    levers: tuple[Lever, ...]
    values: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, levers: tuple[Lever, ...], values: dict[str, float]) -> Chosen:
        """Check values; see `WhatIfModel.evaluate`."""
        movable = {lever.name: lever for lever in levers if not lever.disabled}
        for name, value in values.items():
            if name not in movable:
                raise KeyError(name)
            lever = movable[name]
            if not lever.lower - 1e-9 <= value <= lever.upper + 1e-9:  # NaN fails too
                raise ValueError(f"{name}: {value:g} is not in {lever.lower:g} to {lever.upper:g}")
        return cls(levers, {lever.name: values.get(lever.name, lever.now) for lever in levers})

    def __getitem__(self, name: str) -> float:
        return self.values[name]

    def get(self, name: str, otherwise: float) -> float:
        """Return a lever's value; `otherwise` where the site has no such lever that can be moved."""
        return self.values.get(name, otherwise)

    @property
    def moved(self) -> tuple[Lever, ...]:
        """Levers that do not stand where the site stands."""
        return tuple(lever for lever in self.levers if self.values[lever.name] != lever.now)


def around(point: float, half: float) -> Interval:
    """Return the interval of a point and its half width."""
    return Interval(point - half, point, point + half)


def spread(draws: FloatArray) -> float:
    """Return the standard deviation between draws; 0 where there are fewer than two."""
    return float(draws.std(ddof=1)) if len(draws) > 1 else 0.0


def on_grid(values: FloatArray, known: npt.NDArray[np.bool_]) -> FloatArray:
    """Return values of the known steps on the whole grid, NaN elsewhere."""
    full = np.full(len(known), np.nan)
    full[known] = values
    return full


def worst_first(limits: list[LimitState]) -> tuple[LimitState, ...]:
    """Return broken limits first, then binding ones, then those kept, each by their margin."""
    order: tuple[State, ...] = ("broken", "binding", "kept", "unknown")

    def place(limit: LimitState) -> tuple[int, float]:
        return order.index(limit.state), np.inf if limit.margin is None else limit.margin

    return tuple(sorted(limits, key=place))


def verdict_of(saving: Saving | None, moved: tuple[Lever, ...]) -> Verdict:
    """Return the verdict of a saving [in % of the baseline, or kWh]."""
    if not moved:
        return "unchanged"
    # what counts is the non-green energy where it is known; own power saves no kWh, but buys less
    told = saving and (saving.non_green_kwh or saving.cost or saving.energy_pct)
    if not told:
        return "withheld"
    if told.lower > 0:
        return "saves"
    return "costs" if told.upper < 0 else "not proven"
