"""Held-out hours that intervals of stations are calibrated on: one set per way in which a row is answered.

A station that taught the second stage is answered better than one that did not, and one of which an hour
was measured worse than one of which a week was: each has its own held-out hours. Stations ``elsewhere`` are
parts of the training stations that the second stage of the others has never seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.base_station import FILLED
from features.frame import FeatureFrame, FloatArray
from models.gbm import Gbm, GbmParameters
from models.station_config import WORKERS, leave_one_product_out, log_target
from models.station_fingerprint import BoolArray
from models.station_interval import (
    NEW_PRODUCT,
    SIZES,
    Band,
    HeldOutHours,
    StationIntervals,
    calibrate_hours,
    interval_group,
    need_prior,
    product_band,
    scale_of,
)
from models.station_power import MODES, KnownHours, Mode
from training.station_stage import COVERAGE, Stage, fit_corrections, hold_out, within_a_day

CALIBRATION_ROWS = 60_000
"""Held-out rows of one kind that are looked at at most; what counts is the number of stations."""
PRODUCT_ROWS = 15_000
"""Rows that the leave-one-product-out proof uses at most; it only sets an interval."""
PROOF_SHARES = (0.16, 0.12)
"""Random and last hours of known stations that are held back: few, so that the second stage is nearly that
of the final model, but enough for the quantiles: with half as many random hours coverage of gaps moved by
two points either way with the seed, with these by less than one."""
PARTS = 3
"""Of the stations: each is asked of a second stage that the others taught."""
TAUGHT_ROWS = 25_000
"""Hours that teach the second stage of the others: what it says of a stranger rests on the number of
stations."""
ASKED_ROWS = 3_000
"""Hours that one part of the stations is asked for, per number of measured hours."""
Evidence = dict[str, dict[str, float]]


def known_stations(stage: Stage, parameters: GbmParameters, seed: int) -> list[HeldOutHours]:
    """Answer held-out hours of stations whose other hours taught the second stage."""
    scattered, tail = hold_out(stage.frame, stage.usable, np.random.default_rng(seed), PROOF_SHARES)
    teaching = stage.usable & ~scattered & ~tail
    models = fit_corrections(stage, teaching, parameters, seed)
    later = stage.hours(stage.usable & ~scattered)  # a gap's neighbours are as dense as they will be
    earlier = stage.hours(stage.usable & ~tail)
    soon = tail & within_a_day(stage.frame, teaching)
    return [
        _answered(stage, scattered, later, "around", models["around"]),
        _answered(stage, tail, earlier, "past", models["past"]),
        _answered(stage, soon, earlier, "forecast", models["forecast"]),
    ]


def unknown_stations(
    stage: Stage, parameters: GbmParameters, seed: int, modes: tuple[Mode, ...] = MODES
) -> list[HeldOutHours]:
    """Answer hours of one part of the stations by a second stage that only the others taught.

    Every number of measured hours has its turn at every station: its first hours, for what comes later, or
    random ones, for what lies between.
    """
    lots = pd.Series(np.random.default_rng(seed).permutation(len(stage.names)) % PARTS, index=stage.names)
    part = stage.frame.keys["site_id"].map(lots).to_numpy()
    parts: list[HeldOutHours] = []
    for k in range(min(PARTS, len(stage.names))):
        asked = part == k
        models = fit_corrections(stage, stage.usable & ~asked, parameters, seed, modes, TAUGHT_ROWS)
        rng = np.random.default_rng(seed)
        mine = stage.usable & asked
        lot = rng.random(len(mine))
        for kind, least in product(("first", "random"), SIZES):
            history = _drawn(stage, mine, lot if kind == "random" else None, (least, rng))
            known = stage.hours(history)
            for mode in modes:
                if (mode == "around") == (kind == "random"):
                    rows = mine & ~history
                    if mode == "forecast":
                        rows &= within_a_day(stage.frame, history)
                    rows = _some(rows, ASKED_ROWS, rng)
                    parts.append(_answered(stage, rows, known, mode, models[mode], elsewhere=True))
    return parts


def _drawn(
    stage: Stage, mine: BoolArray, lot: FloatArray | None, size: tuple[int, np.random.Generator]
) -> BoolArray:
    """Return as many hours of every station as the class that begins at `size` has: the first, or by lot."""
    least, rng = size
    site = stage.frame.keys["site_id"]
    after = next((n for n in SIZES if n > least), None)
    count = pd.Series(mine.astype(np.int64)).groupby(site).transform("sum").to_numpy()
    top = np.full(len(mine), after) if after else np.maximum(np.ceil(0.85 * count), least + 1)
    share = site.map(pd.Series(rng.random(len(stage.names)), index=stage.names)).to_numpy()
    number = np.floor(least * (top / least) ** share)
    order = np.where(mine, np.arange(len(mine)) if lot is None else lot, np.inf)
    place = pd.Series(order).groupby(site).rank(method="first").to_numpy()
    return np.asarray(mine & (place <= number))


def _some(rows: BoolArray, most: int, rng: np.random.Generator) -> BoolArray:
    """Return about `most` of the rows."""
    share = most / max(int(rows.sum()), 1)
    return rows & (rng.random(len(rows)) < share)


def unmeasured_stations(stage: Stage) -> list[HeldOutHours]:
    """Answer stations by the folds of the first stage that did not see them, without a measured hour."""
    nothing = stage.hours(np.zeros(len(stage.frame), dtype=bool))
    modes: tuple[Mode, ...] = ("past", "forecast")
    return [_answered(stage, stage.usable, nothing, mode, None) for mode in modes]


def unknown_products(stage: Stage, parameters: GbmParameters) -> tuple[Band | None, Evidence]:
    """Answer every product by models that did not see it; return its band and what it covers elsewhere."""
    every = max(1, int(np.ceil(stage.usable.sum() / PRODUCT_ROWS)))
    part = stage.frame.rows(np.flatnonzero(stage.usable)[::every])
    answers = leave_one_product_out(part, parameters)
    if not answers:
        return None, {}
    log_truth = log_target(part)
    residual = np.concatenate([log_truth[rows] - np.log(point) for rows, point in answers.values()])
    code = np.concatenate([np.full(len(rows), k) for k, (rows, _) in answers.items()])
    covered = []
    for one in answers:
        band = product_band(residual[code != one], code[code != one], COVERAGE)
        if band is not None:
            mine = residual[code == one]
            covered.append(float(((mine >= band.low) & (mine <= band.high)).mean()))
    evidence = {
        NEW_PRODUCT: {
            "coverage": float(np.mean(covered)) if covered else float("nan"),
            "rows": float(len(residual)),
            "products": float(len(answers)),
        }
    }
    return product_band(residual, code, COVERAGE), evidence


def calibrate(parts: Iterable[HeldOutHours], seed: int) -> tuple[StationIntervals, Evidence]:
    """Calibrate every group and measure its coverage on stations that it was not calibrated on.

    Raises
    ------
    InsufficientDataError
        There are too few held-out stations for any interval.
    """
    kinds: dict[str, list[HeldOutHours]] = {}
    for part in parts:
        if len(part.truth):
            kinds.setdefault(scale_of(str(part.group[0])), []).append(part)
    intervals, evidence = StationIntervals(COVERAGE), dict[str, dict[str, float]]()
    with ThreadPoolExecutor(WORKERS) as pool:
        done = list(pool.map(lambda held: calibrate_hours(joined(held), COVERAGE, seed), kinds.values()))
    for kind, (bands, scale, found) in zip(kinds, done, strict=True):
        intervals.bands.update(bands)
        if bands:
            intervals.scales[kind] = scale
        evidence |= found
    need_prior(intervals.bands)
    return intervals, evidence


def joined(parts: list[HeldOutHours]) -> HeldOutHours:
    """Return the rows of all parts, at most `CALIBRATION_ROWS`, spread evenly."""
    first = parts[0].table
    table = FeatureFrame(
        pd.concat([p.table.keys for p in parts], ignore_index=True),
        pd.concat([p.table.X for p in parts], ignore_index=True),
        first.quantity,
        None,
        first.categories,
    )
    whole = HeldOutHours(
        table,
        np.concatenate([p.truth for p in parts]),
        np.concatenate([p.point for p in parts]),
        np.concatenate([p.group for p in parts]),
    )
    if len(whole.truth) <= CALIBRATION_ROWS:
        return whole
    return whole.rows(np.unique(np.linspace(0, len(whole.truth) - 1, CALIBRATION_ROWS).astype(np.intp)))


def _answered(
    stage: Stage, rows: BoolArray, history: KnownHours, mode: Mode, model: Gbm | None, *,
    elsewhere: bool = False,
) -> HeldOutHours:  # fmt: skip
    """Return rows with their answers, only those that would be answered in this way."""
    where: npt.NDArray[np.intp] = np.flatnonzero(rows)
    if model is None:
        where = where[:: max(1, len(where) // CALIBRATION_ROWS)]
    table = stage.table(where, history, mode)
    count, log_config = table.X["n"].to_numpy(), table.X["log_config"].to_numpy()
    truth = stage.frame.target()[where]
    correction = np.zeros(len(where)) if model is None else model.predict(table)
    group = interval_group(np.full(len(where), mode), count, table.X[FILLED].to_numpy() > 0, elsewhere)
    keep = (count > 0) == (model is not None)
    if mode == "around":
        keep &= table.X["gap_after_1"].notna().to_numpy()
    inputs = FeatureFrame(table.keys, table.X, table.quantity, None, table.categories)
    return HeldOutHours(inputs, truth, np.exp(log_config + correction), group).rows(keep)
