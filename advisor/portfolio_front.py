"""The front of a portfolio: least non-green energy under bounds of another objective, plan by plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from advisor.dispatch import DispatchModel
from advisor.dispatch_site import Dispatch, Objective
from advisor.plan import PLAN_COLUMNS
from advisor.portfolio_case import SiteCase
from advisor.portfolio_supply import Horizon
from advisor.portfolio_table import plan_table
from models.bundle import Progress

FRONT_COLUMNS = (
    "point", "bound", "cost", "non_green_kwh", "grid_kwh", "carbon_kg", "water_m3", "coverage", "cfe",
    "moved_kwh", "delivered_kwh", "gap",
)  # fmt: skip


@dataclass(frozen=True)
class Front:
    """Points between the least of one objective and the least non-green energy.

    ``second`` is the bounded objective; ``table`` has `FRONT_COLUMNS` and a column per option, ``plans``
    the commands of every point (``point`` and `advisor.plan.PLAN_COLUMNS`).
    """

    second: Objective
    table: pd.DataFrame
    plans: pd.DataFrame

    @classmethod
    def none(cls, second: Objective) -> Front:
        """Return a front without points."""
        return cls(
            second, pd.DataFrame(columns=list(FRONT_COLUMNS)), pd.DataFrame(columns=["point", *PLAN_COLUMNS])
        )

    @property
    def between(self) -> tuple[Objective, Objective]:
        """The two objectives."""
        return self.second, "non_green_kwh"


def front_of(
    model: DispatchModel,
    cases: Sequence[SiteCase],
    before: Dispatch,
    horizon: Horizon,
    points: int,
    tell: Progress,
) -> Front:
    """Return the front of a model that was built with ``limited``; today's value is one of its bounds.

    Parameters
    ----------
    model : DispatchModel
    cases : sequence of SiteCase
    before : Dispatch
        Nothing moved.
    horizon : Horizon
    points : int
        At least 2.
    tell : callable
    """
    second = model.setting.limited or "cost"
    rows, plans = [], []
    for k, (bound, done) in enumerate(front_points(model, before, points, tell)):
        rows.append(_row(k, bound, done))
        table = plan_table(cases, before, done, model.setting, horizon)
        plans.append(table.assign(point=k))
    names = [*FRONT_COLUMNS, *(o.name for o in model.setting.options)]
    commands = pd.concat(plans, ignore_index=True)[["point", *PLAN_COLUMNS]]
    return Front(second, pd.DataFrame(rows, columns=names), commands)


def front_points(
    model: DispatchModel, before: Dispatch, points: int, tell: Progress | None = None
) -> list[tuple[float, Dispatch]]:
    """Return bounds and the plans with the least non-green energy under them (epsilon constraint)."""
    second = model.setting.limited or "cost"
    greenest, cheapest = model.solve(), model.solve(objective=second)
    low, high = (reached(d, second) for d in (cheapest, greenest))
    slack = 1e-7 * max(abs(low), abs(high), 1.0)
    today = reached(before, second)
    bounds = [low] if high - low <= slack else [*np.linspace(low, high, points)]
    if low + slack < today < high - slack:
        bounds = sorted([*bounds, today])
    found = []
    for k, bound in enumerate(bounds):
        if tell is not None:
            tell("front", 0.6 + 0.35 * k / len(bounds))
        found.append((float(bound), model.solve(at_most=float(bound) + slack)))
    return found


def reached(plan: Dispatch, objective: Objective) -> float:
    """Return the value of an objective, with what is bought."""
    return float(getattr(plan.totals, objective)) + (plan.invested if objective == "cost" else 0.0)


def _row(k: int, bound: float, done: Dispatch) -> tuple[object, ...]:
    told = done.totals
    cost = None if told.cost is None else told.cost + done.invested
    return (
        k, bound, cost, told.non_green_kwh, told.grid_kwh, told.carbon_kg, told.water_m3, told.coverage,
        told.cfe, told.moved_kwh, told.delivered_kwh, done.report.gap, *done.sizes.values(),
    )  # fmt: skip
