"""Models of sites with too little history for their own: a prior, calibrated on what there is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.data_centre import build, measured_quantity, recipe_for
from features.errors import InsufficientDataError
from features.message import Message, say
from features.telemetry import Telemetry
from models.cold_start import IT, NAME, QUANTITIES, ColdStart, PriorInterval, prior_domain
from models.quantity import QuantityModel
from training.gate import TOLERANCE
from training.jobs import Job

COVERAGE = 0.9
LEAST_ROWS = 12
LEAST_FULL_DAYS = 21.0
"""Days of history below which a model of its own has seen too little weather to be asked about more."""


@dataclass(frozen=True)
class CalibratedPrior:
    """A prior with what the card says of it."""

    model: QuantityModel
    about: dict[str, Any]
    said: Message


def prior_quantities(telemetry: Telemetry, target: str | None) -> list[str]:
    """Return the quantities that few measured rows can calibrate a prior of."""
    if telemetry.kind != "data-centre" or not telemetry.has(IT):
        return []
    rows = telemetry.frame[telemetry.frame["unit_id"] == ""]
    enough = [q for q in QUANTITIES if int(measured_quantity(rows, q).notna().sum()) >= LEAST_ROWS]
    return [q for q in enough if target in (None, q)]


def too_short(telemetry: Telemetry, quantity: str) -> bool:
    """Return whether one site's history is too short for a model of its own, where there is a prior."""
    rows = telemetry.frame[telemetry.frame["unit_id"] == ""]
    known = rows.loc[measured_quantity(rows, quantity).notna(), "timestamp"]
    if not len(known):
        return True
    recipe = recipe_for(telemetry, quantity, "estimate")
    short = (known.max() - known.min()).total_seconds() / 86_400 < LEAST_FULL_DAYS
    return short and ColdStart.serves(quantity, build(telemetry, recipe).names)


def calibrated_priors(
    telemetry: Telemetry, quantities: Collection[str], settled: Collection[Job]
) -> tuple[dict[Job, CalibratedPrior], list[Message]]:
    """Return priors of the estimates that nothing else answers.

    Parameters
    ----------
    telemetry : Telemetry
    quantities : collection of str
    settled : collection of Job
        What was stored or refused already.

    Returns
    -------
    dict
        Job -> prior.
    list of Message
        Why there is none.
    """
    found: dict[Job, CalibratedPrior] = {}
    notes: list[Message] = []
    for site in telemetry.site_ids:
        one = telemetry.site(site)
        for quantity in prior_quantities(one, None):
            job: Job = (site, quantity, "estimate")
            if quantity not in quantities or job in settled:
                continue
            try:
                found[job] = _calibrated(one, quantity)
            except InsufficientDataError as error:
                notes.append(
                    say(
                        "{site}: no prior of {quantity}: {what}",
                        site=site,
                        quantity=quantity,
                        what=error.what,
                    )
                )
    return found, notes


def _calibrated(telemetry: Telemetry, quantity: str) -> CalibratedPrior:
    recipe = recipe_for(telemetry, quantity, "estimate")
    frame = build(telemetry, recipe)
    if not ColdStart.serves(quantity, frame.names):
        raise InsufficientDataError(
            "E-PRIOR-INPUTS",
            say("a prior needs IT power and an outdoor temperature"),
            telemetry.site_ids[0],
            say("export weather and IT power together with the power"),
        )
    known = frame.measured()
    model = ColdStart().fit(known)
    it = known.X[IT].to_numpy() if quantity == "pue" else 1.0
    truth, said = known.target() * it, model.predict(known) * it
    error, usual = np.abs(said - truth), np.abs(truth - np.nanmean(truth))
    both = np.isfinite(error)
    if not both.any() or error[both].sum() > (1 + TOLERANCE) * usual[both].sum():
        raise InsufficientDataError(
            "E-TRAIN-GATE",
            say("even on the days that calibrate it the prior errs more than their mean does"),
            telemetry.site_ids[0],
            say("check that the power and the inputs belong to the same plant and clock"),
        )
    about = {
        "site": telemetry.site_ids[0], "quantity": quantity, "task": "estimate", "model": NAME,
        "tier": "prior", "days": round(model.days, 2), "features": frame.names, "schema_hash": frame.hash,
        "coverage_nominal": COVERAGE, "coverage_measured": None, "held_out": {},
    }  # fmt: skip
    interval = PriorInterval(COVERAGE, model.days)
    stored = QuantityModel(recipe, model, interval, prior_domain(frame, model.usual_it_kw), tier="prior")
    told = say(
        "{quantity}: a prior from simulated plants, calibrated on {days:.1f} days; a model of its own needs "
        "{full:g} days of history",
        quantity=quantity,
        days=model.days,
        full=LEAST_FULL_DAYS,
    )
    return CalibratedPrior(stored, about, told)
