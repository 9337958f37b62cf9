"""The plan of a portfolio as a table: what is commanded, by step, site, class of work and lever."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from advisor.dispatch_site import Dispatch, Setting
from advisor.plan import PLAN_COLUMNS
from advisor.portfolio_case import SiteCase
from advisor.portfolio_supply import Horizon
from features.frame import FloatArray
from features.schema import SCHEMA

Command = tuple[str, str, FloatArray, FloatArray]
"""Unit (a class of work, or ""), lever, current and recommended value of every step."""


def plan_table(
    cases: Sequence[SiteCase], before: Dispatch, plan: Dispatch, setting: Setting, horizon: Horizon
) -> pd.DataFrame:
    """Return one row per step, site, unit and lever of sites where anything can be decided.

    Parameters
    ----------
    cases : sequence of SiteCase
    before, plan : Dispatch
    setting : Setting
    horizon : Horizon

    Returns
    -------
    pandas.DataFrame
        `advisor.plan.PLAN_COLUMNS`; ``unit_id`` is the class of work whose IT power a row commands.
    """
    local: dict[str, FloatArray] = {}
    parts = []
    for case in cases:
        rows, zone = case.counted, case.zone
        if zone.name not in local:
            stamps = horizon.stamps.tz_convert(zone.tzinfo())
            local[zone.name] = np.asarray(stamps.map(lambda s: s.isoformat()))
        parts += [
            pd.DataFrame(
                {
                    "timestamp": horizon.stamps[rows],
                    "local_timestamp": local[zone.name][rows],
                    "site_id": case.dispatch.site_id,
                    "unit_id": unit,
                    "lever": lever,
                    "current": current[rows].round(4),
                    "recommended": recommended[rows].round(4),
                    "unit": SCHEMA[lever].unit,
                }
            )
            for unit, lever, current, recommended in _commands(case, before, plan, setting)
        ]
    if not parts:
        return pd.DataFrame(columns=list(PLAN_COLUMNS))
    return pd.concat(parts, ignore_index=True)[list(PLAN_COLUMNS)]


def _commands(case: SiteCase, before: Dispatch, plan: Dispatch, setting: Setting) -> Iterator[Command]:
    site, name = case.dispatch, case.dispatch.site_id
    old, new = before.sites[name], plan.sites[name]
    linked = {i for e in setting.exchanges for i in e.site_ids}
    classes = [c for c in setting.classes if name in c.site_ids]
    storing = site.battery is not None
    moving = site.flexible_share > 0 or name in linked or bool(classes)
    if not moving and not storing and not any(o.site_id == name for o in setting.options):
        return
    if moving:
        yield "", case.work_lever, old.work_kw, new.work_kw
    for work in classes:
        here = np.zeros_like(site.load_kw) if work.home != name else work.before_kw
        yield work.name, "it_power_kw", here, work.power_kw(plan.work[work.name][name])
    if storing:
        yield "", "battery_charge_kw", old.charge_kw, new.charge_kw
        yield "", "battery_discharge_kw", old.discharge_kw, new.discharge_kw
    yield "", "grid_power_kw", old.grid_kw, new.grid_kw
