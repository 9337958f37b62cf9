"""From telemetry, models and site to verified, ranked advice."""

from __future__ import annotations

import pandas as pd

from advisor.catalogue import Measure
from advisor.combine import MOST_ACTIONS
from advisor.plan import Advice
from advisor.site import Site
from features.telemetry import Telemetry
from models.bundle import Bundle, Progress


def advise(
    telemetry: Telemetry,
    bundle: Bundle,
    measures: tuple[Measure, ...],
    site: Site | None = None,
    *,
    start: pd.Timestamp | None = None,
    end: pd.Timestamp | None = None,
    seed: int = 0,
    most: int = MOST_ACTIONS,
    progress: Progress | None = None,
) -> Advice:
    """Decide, verify and rank for one export.

    Parameters
    ----------
    telemetry : Telemetry
        The export; in its own weather and work the plan is judged.
    bundle : Bundle
        Models of the same kind.
    measures : tuple of Measure
        The catalogue of official measures.
    site : Site or None
        None: the standard's recommended limits, current = the set-points most often in force,
        both labelled assumed.
    start, end : pandas.Timestamp or None
        Window in UTC, end exclusive; None: the whole export.
    seed : int
    most : int
        At most this many actions; operators carry out a few well, not many.
    progress : callable or None

    Raises
    ------
    features.errors.UsageError
        The window lies outside the export, or the site is of another kind.
    features.errors.InsufficientDataError
        The export lacks what advice of this kind needs.
    """
    if telemetry.kind == "data-centre":
        from advisor.data_centre import advise_data_centre as family  # noqa: PLC0415 - one kind in use
    else:
        from advisor.base_station import advise_base_stations as family  # noqa: PLC0415
    return family(
        telemetry, bundle, measures, site, start=start, end=end, seed=seed, most=most, progress=progress
    )
