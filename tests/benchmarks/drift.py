"""Steps in the regime of a plant: delay until they are noticed, and false alarms per site-year.

    python tests/benchmarks/drift.py --samples DIR [--seeds 20]

`DIR` is a folder of `sample_data.generate.write_samples`; the plant exports, the chiller plants and the
months of the real step are read from ``shared`` beside the repository. Models are a linear trend with
LightGBM on its residual, fitted once on the first half, or again every 30 days, and asked for later days
only. Steps are put into the measured power at random hours; every night is judged with what was known then.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from features.data_centre import build, recipe_for, supported_quantities
from features.frame import FeatureFrame, FloatArray
from features.reading import read_paths
from features.telemetry import Telemetry
from models.gbm import GbmParameters, LinearPlusGbm
from models.regime import DAY, daily_levels, regime_steps, watched
from tests.benchmarks.esif_hourly import STEP, esif_hours

SHARED = Path(__file__).resolve().parents[3] / "shared"
SIZES = (0.02, 0.05, 0.10, 0.20)
PARAMETERS = GbmParameters(rounds=150)
WARM_DAYS = 45
TRIALS = 12
NIGHTS = 8
LEARNING_DAYS = 25
"""Days of a site without a history that only teach what is usual."""


@dataclass(frozen=True)
class Judged:
    """Later rows of a site: moments, measured and predicted values, interval."""

    stamps: pd.Series
    measured: FloatArray
    predicted: FloatArray
    interval: pd.Timedelta


def judged(telemetry: Telemetry, *, monthly: bool) -> Judged:
    """Predict later rows of the watched quantity with what was known before."""
    quantity = watched(supported_quantities(telemetry))
    known = build(telemetry, recipe_for(telemetry, quantity, "estimate")).measured()
    stamps = known.keys["timestamp"]
    first, last = stamps.iloc[0], stamps.iloc[-1] + telemetry.interval
    share = 0.35 if monthly else 0.5
    origins = pd.date_range(first + share * (last - first), last, freq="30D" if monthly else "4000D")
    parts: list[tuple[FeatureFrame, FloatArray]] = []
    for begin, end in zip(origins, [*origins[1:], last], strict=True):
        test = known.rows(((stamps >= begin) & (stamps < end)).to_numpy())
        if len(test):
            model = LinearPlusGbm("", PARAMETERS).fit(known.rows((stamps < begin).to_numpy()))
            parts.append((test, model.predict(test)))
    return Judged(
        pd.concat([t.keys["timestamp"] for t, _ in parts], ignore_index=True),
        np.concatenate([t.target() for t, _ in parts]),
        np.concatenate([p for _, p in parts]),
        telemetry.interval,
    )


def delay(site: Judged, at: int, size: float, usual: tuple[float, ...] = ()) -> float:
    """Return after how many days, at midnight, a step at a row is noticed; infinity: not in time."""
    measured = site.measured.copy()
    measured[at:] *= 1 + size
    moment = site.stamps.iloc[at]
    for night in range(1, NIGHTS):
        now = moment.floor("D") + night * DAY
        rows = (site.stamps < now).to_numpy()
        days = daily_levels(site.stamps[rows], measured[rows], site.predicted[rows], site.interval)
        if any(s.since >= moment - 1.5 * DAY for s in regime_steps(days, usual)):
            return float((now - moment) / DAY)
    return float("inf")


def sites(samples: Path) -> Iterator[tuple[str, Telemetry]]:
    """Yield name and telemetry of every site without a known step."""
    for folder in sorted(samples.glob("data_centre*")):
        yield folder.name, read_paths([folder / "telemetry.csv"])[0]
    for name in ("chiller_plant_hsinchu", "chiller_singapore"):
        yield name, read_paths([SHARED / "data" / name])[0]
    for file in sorted((SHARED / "plant" / "exports").glob("*.csv")):
        yield file.stem, read_paths([file])[0]


def report(delays: list[float]) -> str:
    """Return share within three days, median and 90th percentile."""
    found = np.sort(delays)
    middle, late = found[len(found) // 2], found[min(int(0.9 * len(found)), len(found) - 1)]
    return f"{np.mean(found <= 3):4.0%} within 3 d, median {middle:.1f} d, 90 % {late:.1f} d"


def real_step(seeds: int) -> None:
    """Print delay and false alarms for the real step, made hourly."""
    delays, false, years = list[float](), 0, 0.0
    trained, held = STEP - 29 * DAY, STEP - 56 * DAY
    for seed in range(seeds):
        for step in (True, False):
            telemetry = esif_hours(seed, step=step)
            known = build(telemetry, recipe_for(telemetry, "pue", "estimate")).measured()
            stamps = known.keys["timestamp"]
            newest = known.rows(((stamps >= held) & (stamps < trained)).to_numpy())
            model = LinearPlusGbm("", PARAMETERS).fit(known.rows((stamps < held).to_numpy()))
            usual = daily_levels(
                newest.keys["timestamp"], newest.target(), model.predict(newest), telemetry.interval
            )
            model = LinearPlusGbm("", PARAMETERS).fit(known.rows((stamps < trained).to_numpy()))
            new = known.rows((stamps >= trained).to_numpy())
            days = daily_levels(new.keys["timestamp"], new.target(), model.predict(new), telemetry.interval)
            steps = regime_steps(days, tuple(usual.level))
            hits = [s for s in steps if step and abs(s.since - STEP) <= 2 * DAY]
            if step:
                delays.append((hits[0].noticed - STEP) / DAY if hits else float("inf"))
            false += len(steps) - len(hits[:1])
            years += len(days.level) / 365.25
    print(
        f"real step (esif, {seeds} seeds): {report(delays)}; {false / years:.2f} false alarms per site-year"
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=20)
    args = parser.parse_args()
    real_step(args.seeds)
    found = list(sites(args.samples))
    for monthly in (True, False):
        print(f"\n{'refitted every 30 days' if monthly else 'fitted once on the first half'}")
        delays: dict[float, list[float]] = {size: [] for size in SIZES}
        false, years = 0, 0.0
        for name, telemetry in found:
            site = judged(telemetry, monthly=monthly)
            days = daily_levels(site.stamps, site.measured, site.predicted, site.interval)
            steps = regime_steps(days)
            span = (len(days.level) - LEARNING_DAYS) / 365.25
            false, years = false + len(steps), years + span
            told = ", ".join(f"{s.since:%Y-%m-%d} {s.size:+.1%}" for s in steps) or "none"
            rng, within = np.random.default_rng(0), []
            late = (site.stamps > site.stamps.iloc[0] + WARM_DAYS * DAY) & (
                site.stamps < site.stamps.iloc[-1] - 5 * DAY
            )
            for size in SIZES:
                rows = rng.choice(np.flatnonzero(late), TRIALS)
                new = [delay(site, int(at), size) for at in rows]
                delays[size] += new
                within.append(f"{size:.0%}: {np.mean(np.array(new) <= 3):.0%}")
            print(f"{name:28s} false steps in {span:.2f} y: {told:40s} noticed in 3 d: {', '.join(within)}")
        print(f"{false / years:.2f} false alarms per site-year ({false} in {years:.1f} site-years)")
        for size, values in delays.items():
            print(f"step of {size:4.0%}: {report(values)}")


if __name__ == "__main__":
    main()
