"""A chips plan: ranked actions on the servers, and the options that were looked at and not advised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from advisor.plan import Interval, SolverReport

ChipKind = Literal["switch off", "consolidate", "power cap", "replace", "keep"]


@dataclass(frozen=True)
class ChipAction:
    """One action on the servers of one pool.

    Parameters
    ----------
    id : str
    kind : {"switch off", "consolidate", "power cap", "replace", "keep"}
    pool : str
    sentence : str
    it_saving_kw : Interval
        Mean IT power saved after the actions ranked above it [kW]; the cooling's part is not in it.
    purchase_cost : Interval or None
        [currency]; None where nothing is bought or no price is known.
    currency : str
    embodied_kg : Interval or None
        Embodied carbon of what is bought [kg CO2e]; that of standing machines is sunk.
    servers_before, servers_after : dict
        Group (or bought model) -> servers on.
    conditions, sources : tuple of str
    tag : str
        The weakest tag of the figures: A, A*, B published, C assumed.
    lifetime_years : float or None
        Years in which what is bought has to pay [a]; None where nothing is bought.
    price_assumed : bool
        A price is a shipped assumption, not declared by the site.
    """

    id: str
    kind: ChipKind
    pool: str
    sentence: str
    it_saving_kw: Interval
    purchase_cost: Interval | None
    currency: str
    embodied_kg: Interval | None
    servers_before: dict[str, int]
    servers_after: dict[str, int]
    conditions: tuple[str, ...]
    sources: tuple[str, ...]
    tag: str
    lifetime_years: float | None = None
    price_assumed: bool = False

    @property
    def buys(self) -> bool:
        """Whether something is bought."""
        return self.kind == "replace"


@dataclass(frozen=True)
class RejectedChip:
    """An option that was looked at: ``it_saving_kw`` [kW] (negative: it needs more) and why not."""

    kind: ChipKind
    pool: str
    sentence: str
    it_saving_kw: Interval | None
    reason: str


@dataclass(frozen=True)
class ChipPlan:
    """What to do with the servers.

    Parameters
    ----------
    actions : tuple of ChipAction
        Ranked, those without a purchase first; their point savings add up to the plan's.
    it_before_kw, it_after_kw : Interval
        Mean power of all declared servers [kW].
    report : SolverReport
    rejected : tuple of RejectedChip
    purchases : tuple of ChipAction
        Where no budget is declared: what could be bought after the actions, best saving per price first.
        They exclude each other within a pool and are in no total.
    kept : tuple of ChipAction
        Pools that are best left as they are.
    """

    actions: tuple[ChipAction, ...]
    it_before_kw: Interval
    it_after_kw: Interval
    report: SolverReport
    rejected: tuple[RejectedChip, ...]
    purchases: tuple[ChipAction, ...] = ()
    kept: tuple[ChipAction, ...] = ()
