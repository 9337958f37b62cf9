"""Which rows a chart shows: one series of one unit, measured beside predicted, in few enough points."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from app.report.drawings import PREFERRED
from app.service.workspace import SiteCase
from models.prediction import Prediction

MOST_POINTS = 400
"""More cannot be told apart on a chart, and live charts must stay light."""
STEPS = ("1h", "3h", "6h", "12h", "1D", "7D")
COLUMNS = ("measured", "point", "lower", "upper")


@dataclass(frozen=True)
class Where:
    """The unit whose rows are shown."""

    site_id: str
    unit_id: str

    @property
    def name(self) -> str:
        """How it is called in a list."""
        return " · ".join(part for part in (self.site_id, self.unit_id) if part)


@dataclass(frozen=True)
class Stretch:
    """Rows of a chart.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns ``measured``, ``point``, ``lower``, ``upper`` [unit of the quantity]; index local time
        without zone.
    step : pandas.Timedelta
        Length of a point's interval; longer than the telemetry's where points are means.
    """

    frame: pd.DataFrame
    step: pd.Timedelta


class SeriesOf:
    """The series of a site that can be drawn.

    Parameters
    ----------
    case : SiteCase
    """

    def __init__(self, case: SiteCase) -> None:
        self._case = case

    @cached_property
    def quantities(self) -> tuple[str, ...]:
        """Predicted quantities that were also measured, the one that says most first."""
        known = [p.quantity for p in self._case.predictions if self._case.telemetry.has(p.quantity)]
        return tuple(sorted(known, key=lambda q: PREFERRED.index(q) if q in PREFERRED else len(PREFERRED)))

    def places(self, quantity: str) -> tuple[Where, ...]:
        """Return the units for which the quantity is measured, the most complete first."""
        frame = self._case.telemetry.frame
        counts = frame.dropna(subset=[quantity]).groupby(["site_id", "unit_id"], observed=True).size()
        ranked = counts.sort_values(ascending=False, kind="stable")
        return tuple(Where(str(site), str(unit)) for site, unit in ranked.index)

    def table(self, quantity: str, where: Where) -> pd.DataFrame:
        """Return measured beside predicted for a unit on an unbroken grid of local time."""
        case = self._case
        frame = case.telemetry.frame
        rows = (frame["site_id"] == where.site_id) & (frame["unit_id"] == where.unit_id)
        table = frame.loc[rows, ["timestamp", quantity]].set_index("timestamp")
        table = table.rename(columns={quantity: "measured"})
        prediction = next((p for p in case.predictions if p.quantity == quantity), None)
        predicted = _of_unit(prediction, where) if prediction is not None else None
        if predicted is not None:
            table = table.join(predicted, how="outer")
        table = table.reindex(columns=list(COLUMNS)).astype("float64")
        grid = pd.date_range(table.index.min(), table.index.max(), freq=case.telemetry.interval)
        table = table.reindex(grid)
        table.index = case.telemetry.local(pd.DatetimeIndex(table.index)).tz_localize(None)
        return table

    def stretch(
        self, table: pd.DataFrame, start: pd.Timestamp | None = None, end: pd.Timestamp | None = None
    ) -> Stretch:
        """Return a stretch of `table` in at most `MOST_POINTS` points (means of the values)."""
        shown = table.loc[start:end] if start is not None or end is not None else table
        step = self._case.telemetry.interval
        if len(shown) <= MOST_POINTS:
            return Stretch(shown, step)
        for text in STEPS:
            step = pd.Timedelta(text)
            if (
                shown.index[-1] - shown.index[0]
            ) / step <= MOST_POINTS and step > self._case.telemetry.interval:
                break
        return Stretch(shown.resample(step).mean(), step)


def _of_unit(prediction: Prediction, where: Where) -> pd.DataFrame | None:
    keys = prediction.keys
    rows = ((keys["site_id"] == where.site_id) & (keys["unit_id"] == where.unit_id)).to_numpy()
    if not rows.any():
        return None
    return pd.DataFrame(
        {"point": prediction.point[rows], "lower": prediction.lower[rows], "upper": prediction.upper[rows]},
        index=pd.DatetimeIndex(keys.loc[rows, "timestamp"]),
    )
