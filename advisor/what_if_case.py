"""Builds the sliders of a data centre for one window of its export."""

from __future__ import annotations

import numpy as np
import pandas as pd

from advisor.data_centre_case import Case, case_of
from advisor.site import Site
from advisor.solar import pv_per_kw
from advisor.what_if_data_centre import DataCentreWhatIf
from advisor.what_if_supply import Supply
from features.errors import InsufficientDataError
from features.frame import FloatArray
from features.issues import DataIssue
from features.message import say
from features.operation import Operation
from features.telemetry import Telemetry
from models.bundle import Bundle

LEAST_STEPS = 24
"""Fully measured steps that a window needs."""
PROBE = 1.02
"""Work factor at which the answer of the facility to a little more work is read off [1]."""


def data_centre_what_if(
    telemetry: Telemetry,
    bundle: Bundle,
    site: Site | None,
    window: tuple[pd.Timestamp, pd.Timestamp],
    *,
    seed: int = 0,
) -> DataCentreWhatIf:
    """Return the sliders of one data centre.

    Parameters
    ----------
    telemetry : Telemetry
    bundle : Bundle
    site : Site or None
    window : tuple of pandas.Timestamp
        Start and end in UTC, end exclusive.
    seed : int

    Raises
    ------
    features.errors.AdvisorError
        As `advisor.data_centre.advise_data_centre`; code E-WHAT-IF-WINDOW: hardly a step of the window is
        fully measured.
    """
    issues: list[DataIssue] = []
    case = case_of(telemetry, bundle, site, window, seed, issues)
    operation = case.operation.between(case.start, case.end)
    steps = operation.rows(operation.usable)
    if len(steps) < LEAST_STEPS:
        raise InsufficientDataError(
            "E-WHAT-IF-WINDOW",
            say("only {steps} steps of the week are fully measured", steps=len(steps)),
            case.site.id,
            say("choose another week, or export set-points, weather, IT and facility power without gaps"),
        )
    supply = _supply(telemetry, case, steps)
    notes = [issue.evidence for issue in issues if issue.code == "D-CURRENT-ASSUMED"]
    missing = len(operation) - len(steps)
    if missing:
        notes.append(
            say(
                "{missing} of {all} steps were not fully measured: they count in no figure",
                missing=missing,
                all=len(operation),
            )
        )
    if case.pv_kw is None and supply.own_per_kw is not None:
        notes.append(say("own generation is not metered: its shape is modelled for the declared place"))
    water = telemetry.site_series(case.operation.site_id).get("water_m3")
    known = None if water is None or not water.notna().any() else water.reindex(operation.stamps).to_numpy()
    model = DataCentreWhatIf(case, supply, operation, known, tuple(notes))
    supply.marginal = _marginal(model)
    return model


def _supply(telemetry: Telemetry, case: Case, steps: Operation) -> Supply:
    inside = np.asarray(case.operation.stamps.isin(steps.stamps))
    own = None if case.pv_kw is None else np.nan_to_num(case.pv_kw[inside])
    pv = case.site.pv
    shape: FloatArray | None = None
    if own is not None and pv is not None and pv.kw_peak > 0:
        shape = own / pv.kw_peak
    elif own is None and pv is not None:
        shape = pv_per_kw(steps.stamps, steps.hours, pv)
        own = None if shape is None else shape * pv.kw_peak
    day = telemetry.local(steps.stamps).normalize().tz_localize(None)
    number = ((day - pd.Timestamp(1970, 1, 1)) // pd.Timedelta(days=1)).to_numpy().astype(np.int64)
    return Supply(case.site, steps.hours, number, own, shape)


def _marginal(model: DataCentreWhatIf) -> float:
    """Return the facility energy that a kWh of moved IT work takes along [1]."""
    steps, proposer = model.steps, model.case.what_if.proposer
    if proposer is None or not model.movable:
        return float(steps.facility_kw.sum() / steps.it_kw.sum())  # cooling and losses in today's proportion
    scenario = proposer.scenario(steps.only_levers(model.movable), {}, it_factor=PROBE)
    more = float((scenario.facility_kw - steps.facility_kw).sum())
    return max(more / float((PROBE - 1) * steps.it_kw.sum()), 0.0)
