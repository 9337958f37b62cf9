"""Search spaces that stand where the parameters stand: ``Annotated[int, IntRange(7, 127, log=True)]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_type_hints


@dataclass(frozen=True)
class IntRange:
    """Whole numbers from `low` to `high`, both included; ``log``: equal factors are equally likely."""

    low: int
    high: int
    log: bool = False

    def __post_init__(self) -> None:
        _check(self.low, self.high, self.log)


@dataclass(frozen=True)
class FloatRange:
    """Numbers from `low` to `high`; ``log``: equal factors are equally likely."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        _check(self.low, self.high, self.log)


Range = IntRange | FloatRange


def search_space(kind: type) -> dict[str, Range]:
    """Return field -> range of the annotated fields of a parameter class, in the order of the class.

    Raises
    ------
    TypeError
        The range does not fit the field's type.
    """
    space: dict[str, Range] = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        for note in getattr(hint, "__metadata__", ()):
            if not isinstance(note, IntRange | FloatRange):
                continue
            if hint.__origin__ is not (int if isinstance(note, IntRange) else float):
                raise TypeError(f"{kind.__name__}.{name} is {hint.__origin__.__name__}, its range is {note}")
            space[name] = note
    return space


def _check(low: float, high: float, log: bool) -> None:
    if not low < high or (log and low <= 0):
        raise ValueError(f"a range needs low < high, and low > 0 where it is logarithmic: {low} to {high}")
