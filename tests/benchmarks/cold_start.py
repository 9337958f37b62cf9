"""Error against days of history: prior, calibrated prior, a full model, and the mean of the days.

    python tests/benchmarks/cold_start.py [--sites 10] [--starts 4]

Judged on sites that the prior has never seen: simulated ones (odd numbers of ``fit_cold_start.py``) and the
plant exports in ``shared`` beside the repository. From several moments of the year the first so many days
calibrate, and the 30 days from the 90th on are predicted. WMAPE in %, the relative error in % that 90 % of
the hours stay below, and for priors the share of the hours inside the 90 % interval.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from features.data_centre import build, recipe_for
from features.frame import FeatureFrame, FloatArray
from features.reading import read_paths
from features.telemetry import Telemetry, TimeZone
from models.cold_start import NAME as PRIOR
from models.cold_start import ColdStart, PriorInterval
from models.gbm import GbmParameters
from models.grey_box import GreyBox
from models.metrics import coverage, wmape
from tests.benchmarks.fit_cold_start import simulated_site
from tests.plant_exports import EXPORTS

DAYS = (0, 1, 3, 7, 14, 28, 90)
TESTED = (90, 120)
DAY = pd.Timedelta(days=1)
FULL_FROM = 3


def sites(count: int) -> Iterator[tuple[str, str, Telemetry]]:
    """Yield group, name and telemetry of every site that judges."""
    for number in range(1, 2 * count, 2):
        rows = simulated_site(number).rename_axis("timestamp").reset_index()
        rows["timestamp"] = rows["timestamp"].dt.tz_localize("UTC")
        frame = pd.concat(
            [pd.DataFrame({"site_id": f"s{number}", "unit_id": ""}, index=rows.index), rows], axis=1
        )
        yield "simulated", f"s{number}", Telemetry(
            frame.astype({"site_id": "str", "unit_id": "str"}), pd.Timedelta("1h"), "data-centre",
            TimeZone("UTC", assumed=False),
        )  # fmt: skip
    for file in sorted(EXPORTS.glob("*.csv")):
        yield "plant exports", file.stem, read_paths([file])[0]


def answers(past: FeatureFrame, test: FeatureFrame, days: int) -> dict[str, FloatArray]:
    """Return what each model says of the test rows after so many days."""
    out = {PRIOR: ColdStart().fit(past).predict(test)}
    if days:
        out["mean of the days"] = np.full(len(test), float(np.nanmean(past.target())))
    if days >= FULL_FROM:
        out["full model"] = GreyBox(parameters=GbmParameters(rounds=150)).fit(past).predict(test)
    return out


def judge(telemetry: Telemetry, quantity: str, starts: int) -> Iterator[dict[str, object]]:
    """Yield errors of one site from several moments of its year."""
    frame = build(telemetry, recipe_for(telemetry, quantity, "estimate"))
    stamps = frame.keys["timestamp"]
    first = stamps.iloc[0] + pd.to_timedelta(np.linspace(0, 365 - TESTED[1], starts), unit="D")
    for start in first:
        test = frame.rows(
            ((stamps >= start + TESTED[0] * DAY) & (stamps < start + TESTED[1] * DAY)).to_numpy()
        )
        for days in DAYS:
            rows = ((stamps >= start) & (stamps < start + max(days, 1) * DAY)).to_numpy()
            past = frame.rows(rows)
            if not days:  # weather and load of a day are known, its power is not
                past = FeatureFrame(past.keys, past.X, quantity, pd.Series(np.nan, index=past.X.index))
            for name, said in answers(past, test, days).items():
                error = np.abs(said / test.target() - 1)
                yield {
                    "days": days, "model": name, "wmape": wmape(test.target(), said),
                    "q90": 100 * float(np.nanquantile(error, 0.9)),
                    "inside": covered(test, said, days) if name == PRIOR else np.nan,
                }  # fmt: skip


def covered(test: FeatureFrame, point: FloatArray, days: int) -> float:
    """Return the share of the hours inside the interval of a prior."""
    lower, upper = PriorInterval(0.9, float(days)).bounds(test, point)
    return coverage(test.target(), lower, upper)


def main() -> None:
    """Print a table per quantity and group."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sites", type=int, default=10)
    parser.add_argument("--starts", type=int, default=4)
    args = parser.parse_args()
    found = list(sites(args.sites))
    for quantity in ("pue", "facility_power_kw", "cooling_power_kw"):
        rows = [
            {"group": group, "site": name, **row}
            for group, name, telemetry in found
            for row in judge(telemetry, quantity, args.starts)
        ]
        table = pd.DataFrame(rows)
        for group, part in table.groupby("group"):
            shown = part.pivot_table(["wmape", "q90"], "days", "model", "median").round(1)
            print(f"\n{quantity}, {group} ({part['site'].nunique()} sites x {args.starts} starts, median)")
            print(shown.to_string())
            inside = part.groupby("days")["inside"].mean().round(2)
            print("inside the 90 % interval of the prior:", inside.to_dict())


if __name__ == "__main__":
    main()
