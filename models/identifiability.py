"""Whether the effect of a lever can be told from the weather and the calendar at all.

Where a set-point follows the weather, or never moves, no method can: then nothing is claimed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from features.frame import FloatArray
from features.levers import PLANT_LEVERS, scale_of, setting, spread
from features.message import say
from features.operation import Operation
from models.lever_basis import LeverBasis

LEAST_FREE_SD_K = 0.4
"""Movement left after weather and calendar, below which a lever is not identified [K]; that of other units
in proportion (`features.levers.Scale.kelvin`)."""
LEAST_FREE_SHARE = 0.25
"""Share of a plant lever's spread below which it only followed a rule [1]: such levers move far, and what no
switch of ours explains of a rule grows with its reach."""
LEAST_MOVES = 12
"""Moves of the lever by at least `MOVE_K`; fewer are anecdotes, not a test."""
MOVE_K = 0.5
TOGETHER = 0.95
"""Correlation of two levers above which they count as one [1]."""


@dataclass(frozen=True)
class LeverEvidence:
    """What an export can say about one lever.

    ``sd_k`` is the spread of the lever [K], ``free_sd_k`` what is left of it after weather and
    calendar [K], ``moves`` how often it was moved by at least half a kelvin, ``low_c`` and
    ``high_c`` the explored range [degC] (each side kept for at least a day in all), ``moves_with``
    another lever that always moved with it. A lever that is no temperature has its own unit instead.
    """

    lever: str
    sd_k: float
    free_sd_k: float
    moves: int
    low_c: float
    high_c: float
    moves_with: str = ""

    @property
    def identified(self) -> bool:
        """Whether the lever's effect can be separated."""
        return self._free and self.moves >= LEAST_MOVES and not self.moves_with

    @property
    def _free(self) -> bool:
        least = LEAST_FREE_SD_K * scale_of(self.lever).kelvin
        if self.lever in PLANT_LEVERS:
            least = max(least, LEAST_FREE_SHARE * self.sd_k)
        return self.free_sd_k >= least

    @property
    def reason(self) -> str:
        """One sentence that says why, or why not."""
        if self.identified:
            return say(
                "{lever} was moved {moves} times between {low:g} and {high}, {free} of it independent of "
                "weather and calendar",
                lever=self.lever,
                moves=self.moves,
                low=self.low_c,
                high=setting(self.lever, self.high_c),
                free=spread(self.lever, self.free_sd_k, 1),
            )
        if self.moves_with:
            return say(
                "{lever} was always moved together with {other}: their effects cannot be told apart",
                lever=self.lever,
                other=self.moves_with,
            )
        if self.sd_k < 0.05 * scale_of(self.lever).kelvin:
            return say(
                "{lever} never moved ({value}): nothing about its effect can be learned",
                lever=self.lever,
                value=setting(self.lever, self.low_c),
            )
        if self._free:
            return say(
                "{lever} was moved only {moves} times ({least} are needed): its effect cannot be "
                "told from chance",
                lever=self.lever,
                moves=self.moves,
                least=LEAST_MOVES,
            )
        return say(
            "{lever} followed weather and calendar (only {free} of {all} are independent of them): its "
            "effect cannot be told from theirs",
            lever=self.lever,
            free=spread(self.lever, self.free_sd_k, 2),
            all=spread(self.lever, self.sd_k, 1),
        )

    def to_dict(self) -> dict[str, object]:
        """Return the fields and the verdict."""
        return {**asdict(self), "identified": self.identified, "reason": self.reason}


def lever_evidence(operation: Operation) -> dict[str, LeverEvidence]:
    """Judge every lever of an operation."""
    rows = operation.usable
    explained = _explaining_terms(operation)
    rows &= np.isfinite(explained).all(axis=1)
    evidence: dict[str, LeverEvidence] = {}
    free: dict[str, FloatArray] = {}
    for name, values in operation.levers.items():
        x = values[rows]
        if len(x) < 48:
            evidence[name] = LeverEvidence(name, 0.0, 0.0, 0, float("nan"), float("nan"))
            continue
        terms = explained[rows]
        gram = terms.T @ terms + 1e-6 * len(x) * np.eye(terms.shape[1])
        left = (x - x.mean()) - terms @ np.linalg.solve(gram, terms.T @ (x - x.mean()))
        together = [n for n, other in free.items() if left.std() > 0 and _same(left, other)]
        free[name] = left
        at_least = max(round(24 / operation.hours), 1)
        ordered = np.sort(x)
        evidence[name] = LeverEvidence(
            lever=name,
            sd_k=float(x.std()),
            free_sd_k=float(left.std()),
            moves_with=together[0] if together else "",
            moves=int((np.abs(np.diff(values)) >= MOVE_K * scale_of(name).kelvin).sum()),
            low_c=float(ordered[min(at_least, len(x)) - 1]),
            high_c=float(ordered[-min(at_least, len(x))]),
        )
    return evidence


def _same(a: FloatArray, b: FloatArray) -> bool:
    """Whether two levers moved as one."""
    return bool(b.std() > 0 and abs(np.corrcoef(a, b)[0, 1]) > TOGETHER)


def _steps(weather: FloatArray) -> FloatArray:
    """Return levels at which a set-point may be switched by the weather."""
    return np.quantile(weather, np.linspace(0.05, 0.95, 19)) if len(weather) else np.zeros(0)


def _explaining_terms(operation: Operation) -> FloatArray:
    rows = operation.usable
    basis = LeverBasis.learn(operation, rows) if rows.any() else None
    knots = np.asarray(basis.dry_knots_c if basis else [0.0])
    dry = pd.Series(operation.dry_bulb_c)
    steps = max(round(24 / operation.hours), 1)
    weather = [
        operation.dry_bulb_c,
        operation.wet_bulb_c,
        *(dry.rolling(steps * d, min_periods=1).mean() for d in (1, 3, 7)),
    ]
    year = 2 * np.pi * (operation.stamps.day_of_year.to_numpy() / 365.25)
    columns = [
        *(np.asarray(w) for w in weather),
        *(np.maximum(np.asarray(w) - k, 0.0) for w in weather for k in knots),
        *(np.asarray(w) > k for w in weather[:3] for k in _steps(np.asarray(w)[rows])),  # switches
        np.sin(year),
        np.cos(year),
        np.sin(2 * year),
        np.cos(2 * year),
        *(operation.hour_of_week % 24 == h for h in range(1, 24)),
        *(operation.hour_of_week // 24 == d for d in range(1, 7)),
    ]
    terms = np.column_stack([np.asarray(c, dtype=np.float64) for c in columns])
    spread = np.nanstd(terms, axis=0)
    scaled: FloatArray = (terms - np.nanmean(terms, axis=0)) / np.where(spread > 1e-9, spread, np.inf)
    return scaled
