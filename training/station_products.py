"""Radio-unit products that were never measured, and those of which five stations were for a day."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.frame import FeatureFrame, FloatArray
from models.baselines import SiteMean
from models.gbm import GbmParameters
from models.station_config import PARAMETERS, leave_one_product_out, measured
from models.station_domain import StationDomain
from models.station_fingerprint import BoolArray
from models.station_interval import product_band
from training.station_power import DEFAULTS, Parameters, fit_for_strangers
from training.station_rows import OURS, SITE_MEAN, Row, Split, baseline_rows, config_answers, hide, row_of
from training.station_stage import COVERAGE, taught_labels

EVERY = 4
"""Every which measured hour is used where products are left out."""
STATIONS, HOURS = 5, 24
"""Stations of a new product that are measured first, and for how long."""
TEACHERS = 80
"""Stations of other products that teach beside them: enough, and quick."""
SCORED = 6_000


@dataclass(frozen=True)
class LeftOut:
    """One product left out: its name, its rows and everybody's answers [unit of the quantity]."""

    name: str
    scored: FeatureFrame
    answers: dict[str, FloatArray]

    @property
    def residual(self) -> FloatArray:
        """Logarithm of measured over predicted energy, shape (rows,)."""
        return np.asarray(np.log(self.scored.target() / self.answers[OURS]))


def new_product_rows(frame: FeatureFrame, seed: int, parameters: GbmParameters = PARAMETERS) -> list[Row]:
    """Score every product with at least ten stations by models that never saw it."""
    left = _left_out(frame, parameters)
    rows: list[Row] = []
    bounds: list[tuple[FloatArray, FloatArray]] = []
    for one in left:
        others = [o for o in left if o is not one]
        code = np.concatenate([np.full(len(o.residual), o.name) for o in others]) if others else np.empty(0)
        band = product_band(np.concatenate([o.residual for o in others]), code, COVERAGE) if others else None
        low, high = (band.low, band.high) if band else (np.nan, np.nan)
        point = one.answers[OURS]
        bounds.append((point * np.exp(low), point * np.exp(high)))
        split = Split("new product", one.name, one.scored)
        rows.append(row_of(split, OURS, point, bounds[-1]))
        rows += baseline_rows(split, _baselines(one), seed, bounded=False)
    return rows + _over_products("new product", left, bounds) if left else rows


def _baselines(one: LeftOut) -> dict[str, FloatArray]:
    return {name: point for name, point in one.answers.items() if name != OURS}


def _left_out(frame: FeatureFrame, parameters: GbmParameters) -> list[LeftOut]:
    thin = frame.rows(np.flatnonzero(measured(frame))[::EVERY])
    names = (frame.categories or {}).get("ru_type", [])
    out = []
    for code, (where, point) in leave_one_product_out(thin, parameters).items():
        inside = np.isin(np.arange(len(thin)), where)
        taught, scored = thin.rows(~inside), thin.rows(inside)
        nameless = replace(scored, X=scored.X.assign(ru_type=np.nan))
        answers = {OURS: point, **config_answers(taught, nameless)}
        answers[SITE_MEAN] = SiteMean().fit(taught).predict(scored)
        out.append(LeftOut(names[int(code)], scored, answers))
    return out


def _over_products(
    problem: str, left: list[LeftOut], bounds: list[tuple[FloatArray, FloatArray]], split: str = "all"
) -> list[Row]:
    """Return pooled rows, blocks of products, and the mean over products, each of which counts once."""
    stacked = FeatureFrame(
        pd.concat([o.scored.keys for o in left], ignore_index=True),
        pd.concat([o.scored.X for o in left], ignore_index=True),
        left[0].scored.quantity,
        pd.concat([pd.Series(o.scored.target()) for o in left], ignore_index=True),
        left[0].scored.categories,
    )
    block = np.concatenate([np.full(len(o.scored), o.name) for o in left]).astype(str)
    pooled = Split(problem, split, stacked, block)
    lower, upper = (np.concatenate([b[i] for b in bounds]) for i in range(2))
    rows: list[Row] = []
    for model in left[0].answers:
        point = np.concatenate([o.answers[model] for o in left])
        rows.append(row_of(pooled, model, point, (lower, upper) if model == OURS else None))
        each = []
        for o, b in zip(left, bounds, strict=True):
            one = Split(problem, o.name, o.scored)
            each.append(row_of(one, model, o.answers[model], b if model == OURS else None))
        table = pd.DataFrame(each)
        numbers = table.select_dtypes("number").drop(columns=["n", "ours"], errors="ignore").mean()
        # each product counts once: its own blocks say nothing of the spread between products
        numbers[["coverage_low", "coverage_high"]] = _bootstrap(table["coverage"].to_numpy(np.float64))
        rows.append({**each[0], "split": f"{split}, mean over products", "n": float(len(point)), **numbers})
    return rows


def _bootstrap(values: FloatArray, draws: int = 1000) -> tuple[float, float]:
    """Return the 95 % interval of a mean of few values."""
    if not np.isfinite(values).all() or len(values) < 2:
        return float("nan"), float("nan")
    drawn = np.random.default_rng(0).integers(0, len(values), (draws, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def few_hours_rows(
    frame: FeatureFrame, offset: int, seed: int, parameters: Parameters = DEFAULTS
) -> list[Row]:
    """Score each product after `HOURS` measured hours at `STATIONS` of its stations and none elsewhere.

    Stations of other products teach as well. Apart: the product's other stations, which have no measured
    hour, and the other hours of the five.
    """
    known = frame.rows(measured(frame))
    station, code = known.keys["site_id"].to_numpy(dtype=str), known.X["ru_type"].to_numpy()
    rng = np.random.default_rng(seed)
    names = (frame.categories or {}).get("ru_type", [])
    parts: dict[str, list[tuple[LeftOut, tuple[FloatArray, FloatArray]]]] = {}
    for one, name in enumerate(names):
        hours = pd.Series(station[code == one]).value_counts().sort_index()
        enough = hours.index[hours > HOURS].to_numpy(dtype=str)
        others = np.unique(station[code != one])
        if len(enough) < 2 * STATIONS or len(others) < 2:
            continue
        five = rng.choice(enough, STATIONS, replace=False)
        teachers = rng.choice(others, min(TEACHERS, len(others)), replace=False)
        for which, scored, bounds in _after_a_day(
            known, (code == one), (five, teachers), (offset, seed, parameters)
        ):
            parts.setdefault(which, []).append((replace(scored, name=name), bounds))
    rows: list[Row] = []
    for which, found in parts.items():
        problem = "new product, 24 h at 5 stations"
        for scored, bounds in found:
            split = Split(problem, f"{scored.name}, {which}", scored.scored)
            rows.append(row_of(split, OURS, scored.answers[OURS], bounds))
            rows += baseline_rows(split, _baselines(scored), seed, bounded=False)
        rows += _over_products(problem, [f[0] for f in found], [f[1] for f in found], f"all, {which}")
    return rows


def _after_a_day(
    known: FeatureFrame,
    product: BoolArray,
    stations: tuple[npt.NDArray[np.str_], npt.NDArray[np.str_]],
    how: tuple[int, int, Parameters],
) -> list[tuple[str, LeftOut, tuple[FloatArray, FloatArray]]]:
    """Return both parts of one product: other stations, and the other hours of the measured ones."""
    station = known.keys["site_id"].to_numpy(dtype=str)
    order = known.keys.groupby("site_id", sort=False).cumcount().to_numpy()
    five, teachers = stations
    offset, seed, both = how
    first, second = (p.with_(rounds=p.rounds // 2) for p in both)  # there are few rows
    shown = product & np.isin(station, five) & (order < HOURS)
    taught = known.rows(shown | (~product & np.isin(station, teachers)))
    asked = hide(known, ~shown).rows(product)
    model = fit_for_strangers(taught, offset, seed=seed, parameters=first, correction=second)
    ours = model.predict(asked)
    plain = config_answers(taught, known.rows(product))
    mean = SiteMean().fit(taught).predict(known.rows(product))
    out = []
    mine, hidden = np.isin(station[product], five), ~shown[product]
    for which, rows in (("other stations", ~mine), ("their other hours", mine & hidden)):
        where = np.flatnonzero(rows)
        where = where[:: max(1, len(where) // SCORED)]
        answers = {OURS: ours.point[where], **{n: p[where] for n, p in plain.items()}, SITE_MEAN: mean[where]}
        scored = LeftOut("", known.rows(product).rows(where), answers)
        out.append((which, scored, (ours.lower[where], ours.upper[where])))
    return out


def product_hits(frame: FeatureFrame) -> tuple[int, int]:
    """Return how many rows of left-out products are called out of domain, and how many there are.

    Every product with measured hours is left out in turn; its loads and configuration stay in the export.
    """
    usable, product = measured(frame), frame.X["ru_type"].to_numpy()
    told = total = 0
    for code in np.unique(product[usable & np.isfinite(product)]):
        mine = usable & (product == code)
        taught = taught_labels(hide(frame, mine))
        if measured(taught).any():
            told += int((~StationDomain.learn(taught).contains(taught.rows(mine))).sum())
            total += int(mine.sum())
    return told, total
