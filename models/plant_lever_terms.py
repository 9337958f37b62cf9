"""Terms of the levers that only some sites have: tower approach, airflow, changeover, evaporative mode.

Each follows the law of its machine: fans and towers bend with the cube of what they are set to; free cooling
is on or off, and what it brings depends on the weather; evaporative assistance is worth what lies between
dry and wet bulb.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from features.frame import FloatArray
from features.levers import AIRFLOW, APPROACH, CHANGEOVER, EVAPORATIVE, PLANT_LEVERS, scale_of
from features.operation import BoolArray, Operation

_FLOW_KNOTS = (-0.8, -0.5, -0.2)
"""Of the scaled airflow: air lacks at its low end."""


@dataclass(frozen=True)
class PlantLeverTerms:
    """Scales and knots, learned once from the rows of a fit.

    Parameters
    ----------
    levers : tuple of str
    centre, half_range : tuple of float
        Per lever [unit of the lever]: values are scaled to about -1..1.
    by_wet_bulb : bool
        Whether the changeover looks at the wet bulb; else it looks at the dry bulb.
    """

    levers: tuple[str, ...]
    centre: tuple[float, ...]
    half_range: tuple[float, ...]
    by_wet_bulb: bool = False

    @classmethod
    def learn(cls, operation: Operation, rows: BoolArray) -> Self | None:
        """Learn from the given rows; None where the site has no such lever."""
        names = tuple(n for n in operation.levers if n in PLANT_LEVERS)
        if not names:
            return None
        ends = [(float(v.min()), float(v.max())) for v in (operation.levers[n][rows] for n in names)]
        half = tuple(
            max((high - low) / 2, scale_of(n).kelvin / 2) for n, (low, high) in zip(names, ends, strict=True)
        )
        middle = tuple((low + high) / 2 for low, high in ends)
        return cls(names, middle, half, CHANGEOVER in names and _by_wet_bulb(operation, rows))

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Self:
        """Rebuild from the fields."""
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
        return cls(**fields)

    def scaled(self, operation: Operation, name: str) -> FloatArray:
        """Return a lever scaled to about -1..1."""
        k = self.levers.index(name)
        values: FloatArray = (operation.levers[name] - self.centre[k]) / self.half_range[k]
        return values

    def blocks(
        self, operation: Operation, load: FloatArray, weather: FloatArray, thermal: list[FloatArray]
    ) -> list[FloatArray]:
        """Return the terms of every lever.

        Parameters
        ----------
        operation : Operation
        load : numpy.ndarray, shape (n,)
            Scaled heat load [1].
        weather : numpy.ndarray, shape (n, terms)
            One and the splines of dry and wet bulb.
        thermal : list of numpy.ndarray
            Scaled set-points of air and water: what a tower or an economiser brings depends on them.
        """
        blocks = []
        wide = np.column_stack([weather, load, *thermal])
        for name in self.levers:
            x = self.scaled(operation, name)
            if name == APPROACH:
                plain = np.column_stack([np.ones(len(load)), operation.dry_bulb_c, operation.wet_bulb_c])
                beside = np.column_stack([plain, load, *thermal])
                blocks.append(_times(np.column_stack([x, x**2, x**3]), beside))
            elif name == AIRFLOW:
                beside = np.column_stack([np.ones(len(load)), load, *thermal])
                lacking = (np.maximum(k - x, 0.0) for k in _FLOW_KNOTS)
                blocks.append(_times(np.column_stack([x, x**2, x**3, *lacking]), beside))
            elif name == CHANGEOVER:
                blocks.append(_times(self.enabled(operation)[:, None], wide))
            elif name == EVAPORATIVE:
                blocks.append(_times(x[:, None], wide))
        return blocks

    def enabled(self, operation: Operation) -> FloatArray:
        """Return whether free cooling is enabled, 0 or 1, shape (n,)."""
        outdoor = operation.wet_bulb_c if self.by_wet_bulb else operation.dry_bulb_c
        return _below(outdoor, operation.levers[CHANGEOVER])

    def moving(self, operation: Operation) -> list[FloatArray]:
        """Return what a plant answers with a delay: scaled levers, free cooling on or off."""
        return [
            self.enabled(operation) if n == CHANGEOVER else self.scaled(operation, n) for n in self.levers
        ]


def _below(outdoor_c: FloatArray, changeover_c: FloatArray) -> FloatArray:
    known = np.isfinite(outdoor_c) & np.isfinite(changeover_c)
    return np.where(known, (outdoor_c < changeover_c).astype(np.float64), np.nan)


def _times(a: FloatArray, b: FloatArray) -> FloatArray:
    return (a[:, :, None] * b[:, None, :]).reshape(len(a), -1)


def _by_wet_bulb(operation: Operation, rows: BoolArray) -> bool:
    """Whether wet bulb below the changeover tells more of the overhead than dry bulb below it."""
    rows = rows & np.isfinite(operation.overhead_kw)
    if not rows.any():
        return False
    dry, wet = operation.dry_bulb_c[rows], operation.wet_bulb_c[rows]
    y, changeover = operation.overhead_kw[rows], operation.levers[CHANGEOVER][rows]
    load = operation.it_kw[rows]
    ones = np.ones(len(y))
    plain = np.column_stack([ones, dry, dry**2, wet, wet**2, dry * wet, load])
    errors = []
    for outdoor in (dry, wet):
        on = _below(outdoor, changeover)[:, None]
        terms = np.hstack([plain, on * plain[:, (0, 1, 3)]])
        left = y - terms @ np.linalg.lstsq(terms, y, rcond=None)[0]
        errors.append(float(left @ left))
    return errors[1] < errors[0]
