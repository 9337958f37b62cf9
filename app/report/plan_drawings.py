"""Charts of a portfolio's plan: what less non-green energy costs, and a week of the most changed site."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from advisor.portfolio_plan import PortfolioPlan, SitePlan
from app import wording
from app.report.charts import GREEN, INK, MEASURED, SECOND, SERIES, Chart, drawn_chart
from features.frame import FloatArray

WEEK_DAYS = 7
HIGHER = 1.05
"""From here on a higher purchase than today's is one that a connection might not carry [1]."""


def effort(plan: PortfolioPlan) -> FloatArray:
    """Return the abscissa of the front's points: cost [currency], or work moved and stored [kWh]."""
    table = plan.front.table
    if plan.front.second == "cost":
        return table["cost"].to_numpy(dtype=np.float64)
    return np.asarray(table["moved_kwh"] + table["delivered_kwh"], dtype=np.float64)


def front_chart(plan: PortfolioPlan) -> tuple[Chart, ...]:
    """Return the front with today and the plan marked; nothing where there is no front."""
    table = plan.front.table
    if table.empty:
        return ()
    in_money = plan.front.second == "cost"
    x, y = effort(plan), table["non_green_kwh"].to_numpy(dtype=np.float64)
    today = (plan.baseline.cost if in_money else 0.0, plan.baseline.non_green_kwh)
    chosen = (
        plan.planned.cost if in_money else plan.dispatch.totals.effort_kwh, plan.planned.non_green_kwh
    )  # fmt: skip
    across, across_name = _scale(
        max(float(x.max()), today[0] or 0.0), plan.portfolio.currency if in_money else "kWh"
    )
    up, up_name = _scale(max(float(y.max()), today[1] or 0.0), "kWh")

    def draw(axes: Axes) -> None:
        axes.plot(x / across, y / up, color=SERIES, linewidth=1.6, marker="o", markersize=5, label="plans")
        for number, a, b in zip(table["point"], x / across, y / up, strict=True):
            axes.annotate(str(number), (a, b), xytext=(0, 7), textcoords="offset points", ha="center")
        for (a, b), colour, mark, label in (
            (today, SECOND, "s", "today"), (chosen, MEASURED, "D", "this plan"),
        ):  # fmt: skip
            if a is not None and b is not None:
                axes.plot(
                    [a / across], [b / up], marker=mark, markersize=9, color=colour, linestyle="none",
                    label=label, fillstyle="none", markeredgewidth=2,
                )  # fmt: skip
        axes.set_xlabel(f"{'cost' if in_money else 'work moved and stored'} [{across_name}]")
        axes.set_ylabel(f"non-green energy [{up_name}]")
        axes.margins(x=0.06, y=0.14)

    what = "a higher cost" if in_money else "more moving and storing"
    summary = (
        f"Each numbered point is a whole plan: the least non-green energy that {what} can reach. Today lies "
        "off the line where the same cost could do more. Each point opens below."
        if in_money
        else f"Each numbered point is a whole plan: the least non-green energy that {what} can reach. Each "
        "point opens below."
    )
    title = f"Non-green energy against {'cost' if in_money else 'work moved and stored'}"
    return (drawn_chart(title, summary, draw, dates=False),)


def _scale(most: float, unit: str) -> tuple[float, str]:
    """Return what to divide by, and the unit then."""
    if unit == "kWh":
        return (1000.0, "MWh") if most >= 10_000 else (1.0, unit)
    return (1000.0, f"thousand {unit}") if most >= 10_000 else (1.0, unit)


def most_changed(plan: PortfolioPlan) -> SitePlan | None:
    """Return the site whose purchase and load change most; None: nothing changes."""
    changes = [
        float(
            np.abs(p.after.grid_kw - p.before.grid_kw).sum()
            + np.abs(p.after.load_kw - p.before.load_kw).sum()
        )
        for p in plan.sites
    ]
    return plan.sites[int(np.argmax(changes))] if max(changes) > 0 else None


def week_charts(plan: PortfolioPlan) -> tuple[Chart, ...]:
    """Return load and purchase of the most changed site in its most usual week, before and after."""
    site = most_changed(plan)
    if site is None:
        return ()
    shown = _usual_week(site, plan)
    times = plan.horizon.stamps[shown].tz_convert(site.case.zone.tzinfo()).tz_localize(None).to_numpy()
    old, new, counted = site.before, site.after, site.case.counted[shown]

    def part(values: FloatArray) -> FloatArray:
        return np.where(counted, values[shown], np.nan)

    own, battery = part(site.stands.own_kw), part(new.discharge_kw - new.charge_kw)

    def load(axes: Axes) -> None:
        if np.nanmax(own) > 0:
            axes.fill_between(
                times, 0, own, color=GREEN, alpha=0.3, linewidth=0, label="own and contracted production"
            )
        axes.plot(times, part(new.load_kw), color=SERIES, linewidth=1.8, label="load, planned")
        _dashed(axes, times, part(old.load_kw), "load, today")
        _from_zero(axes)

    def purchase(axes: Axes) -> None:
        if np.nanmax(np.abs(battery)) > 0:
            axes.fill_between(
                times, 0, battery, color=SERIES, alpha=0.3, linewidth=0, step="mid",
                label="battery: delivers (+), takes in (−)",
            )  # fmt: skip
        axes.plot(times, part(new.grid_kw), color=SECOND, linewidth=1.8, label="bought, planned")
        _dashed(axes, times, part(old.grid_kw), "bought, today")
        axes.set_ylabel("power [kW]")
        axes.axhline(0.0, color=INK, linewidth=0.6)

    name = site.case.dispatch.site_id
    before, after = np.nanmax(part(old.grid_kw)), np.nanmax(part(new.grid_kw))
    return (
        drawn_chart(
            f"{name}: load and own production", "The site that the plan changes most. Local time.", load
        ),
        drawn_chart(
            f"{name}: purchase and battery",
            f"Highest purchase shown: {wording.quantity(float(before), 'kW')} today, "
            f"{wording.quantity(float(after), 'kW')} planned{_unlimited(site, before, after)}. Local time; "
            "every step is in plan.csv.",
            purchase,
        ),
    )


def _unlimited(site: SitePlan, before: float, after: float) -> str:
    if after <= HIGHER * before or site.case.site.connection is not None:
        return ""
    return "; nothing limits it: declare [connection] grid_max_kw in site.toml"


def _dashed(axes: Axes, times: np.ndarray, values: FloatArray, label: str) -> None:
    axes.plot(times, values, color=MEASURED, linewidth=1.0, linestyle=(0, (3, 1.5)), label=label)


def _from_zero(axes: Axes) -> None:
    axes.set_ylabel("power [kW]")
    axes.set_ylim(bottom=0.0)


def _usual_week(site: SitePlan, plan: PortfolioPlan) -> slice:
    """Return the week whose purchase changes neither most nor least; all steps of a shorter window."""
    steps = round(WEEK_DAYS * 24 / plan.horizon.hours)
    weeks = len(plan.horizon.stamps) // steps
    if weeks <= 1:
        return slice(0, min(steps, len(plan.horizon.stamps)))
    change = (
        np.abs(site.after.grid_kw - site.before.grid_kw)[: weeks * steps].reshape(weeks, steps).sum(axis=1)
    )
    usual = int(np.argsort(change, kind="stable")[weeks // 2])
    return slice(usual * steps, (usual + 1) * steps)
