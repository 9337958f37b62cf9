"""What control that follows weather and seasons adds: the plan's set-points over the best constant ones.

The best constant set-points need no controller: they are a recommendation of their own. Only what following
the months adds to them is counted, scored by the model that did not propose it. No published figure is used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from advisor.plan import VerifiedPlan
from features.frame import FloatArray
from features.levers import setting
from features.message import Message, say
from features.operation import Operation
from models.data_centre import WhatIf

LEAST_DAYS = 60
"""Shorter windows show no season [d]."""


@dataclass(frozen=True)
class Controlled:
    """Energy that following the months saves over the best constants [kWh], its deviation, and its basis."""

    energy_kwh: float
    sd_kwh: float
    base_kwh: float
    it_kwh: float
    cooling_kwh: float
    hours: float
    reasons: tuple[str, ...]
    evidence: tuple[str, ...]


def control_effect(verified: VerifiedPlan, what_if: WhatIf, operation: Operation) -> Controlled | Message:
    """Return the effect, or why it is not assessed.

    Parameters
    ----------
    verified : VerifiedPlan
    what_if : WhatIf
    operation : Operation
        The whole export.
    """
    plan = verified.plan
    if what_if.scorer is None or what_if.proposer is None or not plan.constant:
        return say("the export tells no effect of the set-points: carry out the planned test first")
    table = plan.schedule.pivot_table(index="timestamp", columns="lever", values=["current", "recommended"])
    window = operation.rows(np.asarray(operation.stamps.isin(table.index)) & operation.usable)
    if len(window) * window.hours < 24 * LEAST_DAYS:
        return say("the window is too short to show what following the seasons adds")
    if verified.verdict not in ("supported", "hold"):
        return say("the plan of the set-points is not proven itself")
    table = table.reindex(window.stamps)
    held = {n: table["current"][n].to_numpy(dtype=np.float64) for n in window.levers if n in table["current"]}
    follows = {n: table["recommended"][n].to_numpy(dtype=np.float64) for n in held}
    moved = {n for n in held if bool((follows[n] != held[n]).any())}
    constant = {
        n: np.full(len(window), plan.constant[n]) if n in moved and n in plan.constant else values
        for n, values in held.items()
    }
    return _scored(window, what_if, constant, follows)


def _scored(
    window: Operation, what_if: WhatIf, constant: dict[str, FloatArray], follows: dict[str, FloatArray]
) -> Controlled | Message:
    if what_if.scorer is None or what_if.proposer is None:
        raise ValueError("both models are needed")
    scored = what_if.scorer.score(window, constant, follows)
    known = scored.measured
    hours = float(known.sum()) * window.hours
    identified = window.only_levers(what_if.levers)
    proposed = [
        what_if.proposer.scenario(identified, {n: v for n, v in levers.items() if n in identified.levers})
        for levers in (constant, follows)
    ]
    one = float(np.nanmean(proposed[0].facility_kw - proposed[1].facility_kw))
    quarrel = abs(one - scored.saving_kw) / 2
    same = all(bool((constant[n] == follows[n]).all()) for n in follows)
    held = [say("{lever} = {value}", lever=n, value=setting(n, float(v[0]))) for n, v in constant.items()]
    said = (
        say(
            "the best constant set-points are also the best in every month and weather: nothing is left to "
            "follow"
        )
        if same
        else say(
            "what the plan's moving set-points save over the best constant ones: {constants}",
            constants=Message.joined(", ", held),
        )
    )
    return Controlled(
        scored.saving_kw * hours,
        float(np.hypot(scored.saving_sd_kw, quarrel)) * hours,
        float(scored.baseline_kw[known].sum()) * window.hours,
        float(scored.baseline_it_kw[known].sum()) * window.hours,
        float(window.overhead_kw[known].sum()) * window.hours,
        hours,
        (said, say("set-points by the hour were not searched: they may save a little more")),
        (say("our own optimiser and the model that scores it; no published percentage"),),
    )
