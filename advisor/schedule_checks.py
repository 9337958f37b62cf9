"""Whether a building-management system can follow a schedule: re-checked without the optimiser's help."""

from __future__ import annotations

import numpy as np
import pandas as pd

from advisor.plan import Check, Plan
from features.frame import FloatArray
from features.message import say
from features.operation import BoolArray
from features.telemetry import TimeZone

REVERSALS_A_DAY = 1


def reversal_checks(plan: Plan) -> list[Check]:
    """Return, per lever that moves within the window, whether it turns round at most once a local day."""
    zone = TimeZone(str(plan.problem.options.get("zone", "unknown"))).tzinfo()
    checks = []
    for name, every in plan.schedule.sort_values("timestamp").groupby("lever", sort=True):
        rows = every[~_held(every["timestamp"], plan, str(name))]
        values = rows["recommended"].to_numpy(dtype=np.float64)
        if len(np.unique(values)) < 2:
            continue
        days = pd.DatetimeIndex(rows["timestamp"]).tz_convert(zone).date
        most = int(reversals(values).groupby(np.asarray(days)).sum().max())
        checks.append(
            Check(
                say("{lever}: at most one reversal a day", lever=str(name)),
                most <= REVERSALS_A_DAY,
                float(most),
                float(REVERSALS_A_DAY),
                say("turns in the busiest day"),
            )
        )
    return checks


def reversals(values: FloatArray) -> pd.Series[bool]:
    """Return where a series moves against its last move, shape (n,)."""
    moves = pd.Series(np.sign(np.diff(values, prepend=values[:1]))).replace(0.0, np.nan)
    last = moves.ffill().shift(1)
    return moves.notna() & last.notna() & (moves != last)


def _held(stamps: pd.Series[pd.Timestamp], plan: Plan, lever: str) -> BoolArray:
    """Return the steps whose set-point is the customer's, shape (n,): its moves are not the plan's."""
    inside = np.zeros(len(stamps), dtype=bool)
    for hold in plan.problem.holds:
        if hold.lever == lever:
            inside |= hold.covers(stamps).to_numpy()
    return inside
