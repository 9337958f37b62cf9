"""What today's and this week's measured values say: anomalies and drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import bdtrc, pdtrik

from app.batch.prepare import Day
from features.frame import FloatArray

DRIFT_P = 1e-3
"""Chance at which a week of misses is called drift: once in a thousand healthy sites and quantities."""
LONGEST_MEMORY = 0.7
"""Largest autocorrelation that is believed: longer runs of misses are what drift looks like. It leaves one
draw in about six rows, so that one broken day of a week of hours is not drift and three are."""
MODELLED = "estimate"
"""Basis of bands that a model gave."""
STEP_LASTS = pd.Timedelta(days=7)
"""How long a site is called drifting after a step was noticed: somebody must see it."""
FALSE_STEPS_PER_YEAR = 0.5
"""Steps that are noticed where there is none, per series and year; see `models.regime`."""
LEAST_ROWS = 48
"""Fewer judged rows than this cannot tell drift."""


@dataclass(frozen=True)
class Drift:
    """Whether the plant no longer behaves as its models, or its earlier days, say.

    Parameters
    ----------
    flagged : bool
    quantity, basis : str
        The quantity with the smallest chance, and what its intervals rest on; "" where none could be judged.
    share : float
        Share of its measured rows outside their interval [1].
    chance : float
        Probability of so many misses or more if the intervals were right, misses in a row counted as fewer
        [1]; corrected for the number of quantities looked at.
    """

    flagged: bool
    quantity: str = ""
    basis: str = ""
    share: float = float("nan")
    chance: float = float("nan")


def outside(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the measured rows outside their interval, with ``excess`` [1]: distance over interval width.

    Parameters
    ----------
    rows : pandas.DataFrame
        ``measured``, ``lower``, ``upper``; NaN where not measured.
    """
    measured, lower, upper = (rows[c].to_numpy(dtype=np.float64) for c in ("measured", "lower", "upper"))
    beyond = np.maximum(lower - measured, measured - upper)
    width = upper - lower
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = np.where(width > 0, beyond / width, np.inf)
    judged: pd.DataFrame = rows.assign(excess=np.minimum(excess, 1e6)).loc[beyond > 0]
    return judged


def today(recent: pd.DataFrame, day: Day) -> pd.DataFrame:
    """Return the measured rows of today."""
    inside = (recent["timestamp"] >= day.start) & (recent["timestamp"] < day.end)
    return recent.loc[inside & recent["measured"].notna()]


def drift_of(
    recent: pd.DataFrame,
    steps: Sequence[pd.Timestamp] = (),
    watched: int = 0,
    end: pd.Timestamp | None = None,
) -> Drift:
    """Judge the last days of every quantity.

    Where models answer, their steps decide (`models.regime`). Where only the earlier days of the series do,
    misses are counted: hours outside the interval come in runs, so that they are not independent draws; their
    number is reduced by the lag-1 autocorrelation of the misses, n (1 - r) / (1 + r), and the remaining ones
    are compared with the binomial distribution at the nominal miss rate.

    Parameters
    ----------
    recent : pandas.DataFrame
        ``unit_id``, ``quantity``, ``timestamp``, ``measured``, ``lower``, ``upper``, ``coverage``, ``basis``.
    steps : sequence of pandas.Timestamp
        When steps against the models were noticed.
    watched : int
        Series whose steps are watched.
    end : pandas.Timestamp or None
        End of today (UTC); needed where something is watched.
    """
    worst = Drift(False)
    known = recent[recent["measured"].notna()]
    groups = [g for _, g in known.groupby("quantity", sort=True) if len(g) >= LEAST_ROWS]
    for rows in groups:
        measured = rows["measured"].to_numpy(dtype=np.float64)
        missed = (measured < rows["lower"].to_numpy()) | (measured > rows["upper"].to_numpy())
        chance = min(_chance(missed.astype(np.float64), float(rows["coverage"].iloc[0])) * len(groups), 1.0)
        if not worst.quantity or chance < worst.chance:
            first = rows.iloc[0]
            worst = Drift(
                chance < DRIFT_P, str(first["quantity"]), str(first["basis"]), float(missed.mean()), chance
            )
    if watched and end is not None and worst.basis == MODELLED:
        lately = sum(end - STEP_LASTS <= step <= end for step in steps)
        return replace(worst, flagged=lately >= _too_many(watched))
    return worst


def _too_many(watched: int) -> int:
    """Return how many watched series must have stepped within `STEP_LASTS`: more than chance allows."""
    expected = watched * FALSE_STEPS_PER_YEAR * (STEP_LASTS / pd.Timedelta(days=365.25))
    return 1 if watched == 1 else max(int(pdtrik(1 - DRIFT_P, expected)) + 1, 1)


def _chance(missed: FloatArray, coverage: float) -> float:
    n = len(missed)
    spread = missed.std()
    r = 0.0
    if spread > 0:
        centred = missed - missed.mean()
        r = float(np.clip((centred[1:] * centred[:-1]).sum() / (centred**2).sum(), 0.0, LONGEST_MEMORY))
    effective = max(round(n * (1 - r) / (1 + r)), 1)
    least = np.ceil(missed.mean() * effective)
    return float(bdtrc(least - 1, effective, 1 - coverage)) if least > 0 else 1.0
