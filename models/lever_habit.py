"""How set-points were run before a change: that is what "as before" means afterwards."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pandas as pd

from features.frame import FloatArray
from features.levers import scale_of, setting
from features.message import Message, say
from features.operation import BoolArray, Operation
from models.identifiability import LeverEvidence, lever_evidence

STEADY_K = 0.25
"""A set-point within this of its usual value has not been moved [K]."""
STEADY_SHARE = 0.95
"""Share of the steps at the usual value from which on a set-point counts as steady [1]."""

Manner = Literal["steady", "tested", "followed"]


@dataclass(frozen=True)
class LeverHabit:
    """How one set-point was run.

    Parameters
    ----------
    lever : str
    manner : {"steady", "tested", "followed"}
        At one value; moved so that its effect can be told; or moved with weather and calendar, then the
        rule itself is what was in force.
    value_c : float or None
        Set-point that "as before" means [degC]; None where a rule was followed.
    low_c, high_c : float
        Explored range [degC].
    declared : bool
        Whether the site declares the value.
    evidence : LeverEvidence
    """

    lever: str
    manner: Manner
    value_c: float | None
    low_c: float
    high_c: float
    declared: bool
    evidence: LeverEvidence

    @property
    def sentence(self) -> Message:
        """One sentence that says what "as before" means for this set-point."""
        if self.value_c is None:
            return say("{lever}: as weather and calendar moved it before", lever=self.lever)
        value = setting(self.lever, self.value_c)
        if self.manner == "steady":
            return say("{lever}: {value}, as before", lever=self.lever, value=value)
        if self.declared:
            return say("{lever}: {value}, as the site declares", lever=self.lever, value=value)
        return say("{lever}: {value}, most often in force before", lever=self.lever, value=value)

    def to_dict(self) -> dict[str, object]:
        """Return the fields."""
        return asdict(self)


def lever_habits(before: Operation, declared: dict[str, float]) -> dict[str, LeverHabit]:
    """Judge every set-point of the period before the change.

    Parameters
    ----------
    before : Operation
        That period alone.
    declared : dict
        Lever -> set-point that the site declares to be in force [degC]; it decides where set-points were
        tested, a steady one is what was measured.
    """
    evidence = lever_evidence(before) if before.levers else {}
    return {name: _habit(name, before, evidence[name], declared) for name in before.levers}


def _habit(name: str, before: Operation, evidence: LeverEvidence, declared: dict[str, float]) -> LeverHabit:
    values = before.levers[name][np.isfinite(before.levers[name])]
    kelvin = scale_of(name).kelvin
    usual = usual_value(values, 0.5 * kelvin)
    low, high = float(values.min()), float(values.max())
    if float((np.abs(values - usual) <= STEADY_K * kelvin).mean()) >= STEADY_SHARE:
        return LeverHabit(name, "steady", usual, low, high, declared=False, evidence=evidence)
    if evidence.identified:
        value = declared.get(name, usual)
        return LeverHabit(name, "tested", value, evidence.low_c, evidence.high_c, name in declared, evidence)
    return LeverHabit(name, "followed", None, low, high, declared=False, evidence=evidence)


def usual_value(values: FloatArray, width: float = 0.5) -> float:
    """Return the set-point most often in force: read-back noise within `width` must not choose among them."""
    series = pd.Series(values)
    near = (series / width).round()
    return float(series[near == near.mode().iloc[0]].median())


def at_usual(operation: Operation, habits: dict[str, LeverHabit]) -> BoolArray:
    """Return the steps at which every steady set-point has its usual value."""
    usual = np.ones(len(operation), dtype=np.bool_)
    for name, habit in habits.items():
        if habit.manner == "steady" and habit.value_c is not None:
            usual &= np.abs(operation.levers[name] - habit.value_c) <= STEADY_K * scale_of(name).kelvin
    return usual


def settled(operation: Operation, habits: dict[str, LeverHabit]) -> BoolArray:
    """Return the steps at which no tested set-point was moved in the last two hours."""
    quiet = np.ones(len(operation), dtype=np.bool_)
    for name, habit in habits.items():
        if habit.manner == "tested":
            reach = STEADY_K * scale_of(name).kelvin
            moved = pd.Series(np.abs(np.diff(operation.levers[name], prepend=np.nan)) > reach)
            quiet &= moved.rolling(operation.transient_steps, min_periods=1).max().to_numpy() == 0
    return quiet
