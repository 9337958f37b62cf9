"""Tomorrow's plan of one site: what the verifier supports under the weather and work of today."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

from advisor.advise import advise
from advisor.catalogue import Measure, load_measures
from advisor.plan import Saving
from advisor.sleep_scorer import MIN_STATIONS
from app.batch.prepare import Prepared
from features.errors import AdvisorError
from models.bundle import Bundle
from models.data_centre import DataCentreBundle

BASIS = "weather and work of the day before"
PLAN_ROWS = ("timestamp", "unit_id", "lever", "current", "recommended", "unit")


@dataclass(frozen=True)
class Tomorrow:
    """The plan of a site, or why it holds.

    Parameters
    ----------
    verdict : str
        ``supported``, ``not proven``, ``hold`` or ``refused``.
    code, reason : str
        Why nothing is commanded; "" where a plan is supported.
    schedule : pandas.DataFrame
        `PLAN_ROWS`; empty where nothing is commanded.
    saving : Saving or None
        Of the day, by the second model; None where nothing is claimed.
    """

    verdict: str
    code: str
    reason: str
    schedule: pd.DataFrame
    saving: Saving | None = None


def hold(code: str, reason: str) -> Tomorrow:
    """Return the plan that commands and claims nothing."""
    return Tomorrow("hold", code, reason, pd.DataFrame(columns=list(PLAN_ROWS)))


def plan_tomorrow(prepared: Prepared) -> Tomorrow:
    """Decide for tomorrow.

    The plan is judged under today's weather and work, the last that were measured whole, and shifted to
    tomorrow; a plan that the verifier does not support is not commanded.
    """
    chosen = prepared.chosen
    if chosen.bundle is None:
        return hold(chosen.code, chosen.reason)
    if isinstance(chosen.bundle, DataCentreBundle):
        what_if = chosen.bundle.sites[chosen.known_as].what_if
        if what_if is None or what_if.proposer is None:
            why = what_if.reasons if what_if else ("the models hold none that answers what-if questions",)
            return hold("H-NO-LEVER", "; ".join(map(str, why)))
    elif prepared.stations < MIN_STATIONS:
        return hold(
            "H-STATIONS",
            f"what sleep saves is measured over at least {MIN_STATIONS} stations, this site has "
            f"{prepared.stations}",
        )
    elif not _slept(prepared):
        return hold("H-NO-SLEEP", "no station was ever asleep: what sleep saves here was never measured")
    try:
        return _advised(prepared, chosen.bundle)
    except AdvisorError as error:
        return hold(error.code, str(error.what))


def _slept(prepared: Prepared) -> bool:
    frame = prepared.past.frame
    modes = [c for c in frame if str(c).startswith("sleep_mode_")]
    return bool((frame[modes] > 0).to_numpy().any())


@lru_cache(maxsize=1)
def _measures() -> tuple[Measure, ...]:
    return load_measures()


def _advised(prepared: Prepared, bundle: Bundle) -> Tomorrow:
    past, day = prepared.past_as_known, prepared.day
    advice = advise(past, bundle, _measures(), prepared.site, start=day.start, end=day.end)
    plan, table = advice.verified[0], advice.plan_table
    if (table["recommended"] == table["current"]).all():
        why = (*plan.plan.conflicts, *plan.notes) or ("no command saves enough to be proven",)
        return hold(f"H-{plan.verdict.upper().replace(' ', '-')}", "; ".join(map(str, why)))
    unit = table["unit_id"] if past.kind == "data-centre" else table["site_id"] + "/" + table["unit_id"]
    schedule = table.assign(timestamp=table["timestamp"] + (day.end - day.start), unit_id=unit)
    return Tomorrow(plan.verdict, "", "", schedule[list(PLAN_ROWS)], advice.saving)
