"""What base stations would have used for the same traffic, run as before a change.

Every station is compared with itself: its energy over its own level before the change follows the load of
its cells, by a curve that stations of one radio product share, its exported sleep modes, and the hour of the
day. Weather is not needed. "As before" means: each station sleeps as it did at this hour of the day.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from features.base_station import LOAD, SLEEP_COLUMNS, build, labels, quantities
from features.errors import InsufficientDataError, UsageError
from features.frame import FeatureFrame, FloatArray
from features.message import Message, say
from features.operation import BoolArray
from features.station_clock import find_clock_offset
from features.telemetry import Telemetry
from models.counterfactual import METERS_DRIFT, Counterfactual, Spread
from models.folded_ridge import fit_folded_ridge, jackknife_sd
from models.held_out import fitness, fractional_half_width, sum_error
from models.station_chunks import some_stations

LEAST_BEFORE_DAYS = 3
"""Days are withheld in turn; fewer say nothing of how days differ."""
LEAST_STATION_STEPS = 24
_KNOTS = (0.1, 0.25, 0.5, 0.75)
"""Quantiles of the load at which the curve bends [1]."""
_MARGIN = 0.02
PHYSICAL = {"station_energy_kwh", "station_power_w"}


@dataclass(frozen=True)
class StationsFound:
    """Counterfactual of a fleet, and whether its energies are kWh."""

    counterfactual: Counterfactual
    physical: bool


@dataclass(frozen=True)
class _Rows:
    """Station intervals with energy and load, both periods; all arrays of shape (rows,)."""

    table: pd.DataFrame
    days: int
    hours: float

    def of(self, name: str) -> FloatArray:
        return self.table[name].to_numpy(np.float64)

    @property
    def before(self) -> BoolArray:
        return self.table["before"].to_numpy(np.bool_)


def station_counterfactual(before: Telemetry, after: Telemetry) -> tuple[StationsFound, bool]:
    """Return the counterfactual of the stations that both periods hold, and whether they are given backwards.

    Raises
    ------
    features.errors.UsageError
        No station is in both.
    features.errors.InsufficientDataError
        No energy column is in both, no cell has a load, or there are too few days.
    """
    quantity = _quantity(before, after)
    rows = _rows(before, after, quantity)
    terms, covered_load = _terms(rows, _sleep(rows))
    held = _terms(rows, _sleep_as_before(rows))[0]
    fitted = rows.before & np.isfinite(terms).all(axis=1)
    usual = _mean_of(terms, rows.table["code"].to_numpy(np.int64), fitted)
    own, asked = (terms - usual)[fitted], held - usual
    first, second = (_told(rows, own, asked, fitted, logarithm=logarithm) for logarithm in (True, False))
    counterfactual = _assemble(rows, first, second, fitted, covered_load)
    backwards = before.span[0] >= after.span[1]
    return StationsFound(counterfactual, quantity in PHYSICAL), bool(backwards)


@dataclass(frozen=True)
class _Told:
    """What one form of the model says, shape (rows,): as before, of withheld days, and by every fit."""

    energy: FloatArray
    withheld: FloatArray
    by_fit: FloatArray


def _told(rows: _Rows, own: FloatArray, asked: FloatArray, fitted: BoolArray, *, logarithm: bool) -> _Told:
    """Fit one form: the logarithm of the energy, or the energy relative to the station's mean.

    The mean of a station's energies is kept: what a logarithm makes of noise is put right by a factor per
    station (Duan 1983, Smearing estimate, JASA 78).
    """
    energy, site = rows.of("energy"), rows.table["code"].to_numpy(np.int64)
    level = _station_mean(energy, site, fitted)
    target = np.log(energy) if logarithm else energy / level
    target = target - _station_mean(target, site, fitted)
    day = rows.table["block"].to_numpy(np.int64)
    ridge = fit_folded_ridge(own, target[fitted, None], day[fitted])

    def turned(values: FloatArray) -> FloatArray:
        return np.asarray(np.exp(values) if logarithm else 1.0 + values, dtype=np.float64)

    factor = level / _station_mean(_spread_out(turned(ridge.predict(own)[:, 0]), fitted), site, fitted)
    fits = range(len(ridge.coefficients))
    by_fit = np.stack([turned(ridge.predict(asked, k)[:, 0]) * factor for k in fits])
    withheld = _spread_out(turned(ridge.withheld[:, 0]), fitted) * factor
    return _Told(by_fit[0], withheld, by_fit)


def _spread_out(values: FloatArray, rows: BoolArray) -> FloatArray:
    whole = np.full(len(rows), np.nan)
    whole[rows] = values
    return whole


def _station_mean(values: FloatArray, site: np.ndarray, fitted: BoolArray) -> FloatArray:
    """Return the mean of every row's station over the fitted rows."""
    stations = int(site.max()) + 1
    count = np.bincount(site[fitted], minlength=stations)
    mean: FloatArray = np.bincount(site[fitted], values[fitted], minlength=stations) / np.maximum(count, 1)
    return np.asarray(mean[site], dtype=np.float64)


# -- the data --------------------------------------------------------------------------------------
def _quantity(before: Telemetry, after: Telemetry) -> str:
    both = [q for q in quantities(before) if q in quantities(after)]
    if not both:
        raise InsufficientDataError(
            "E-VERIFY-INPUTS",
            say("no energy of the stations is in both periods"),
            "--before, --after",
            say("export station energy and the cells' PRB utilisation for both periods"),
        )
    return both[0]


def _rows(before: Telemetry, after: Telemetry, quantity: str) -> _Rows:
    """Return the rows of stations that both periods hold, with load, product and block (local day)."""
    common = sorted(set(before.site_ids) & set(after.site_ids))
    if not common:
        raise UsageError(
            "E-VERIFY-SITES",
            say("no station is in both periods"),
            "--before, --after",
            say("give exports of the same stations"),
        )
    frame = pd.concat([before.frame, after.frame], ignore_index=True)
    frame = frame[frame["site_id"].isin(common)].sort_values(["site_id", "unit_id", "timestamp"])
    both = replace(before, frame=frame.reset_index(drop=True), issues=())
    offset = find_clock_offset(some_stations(both), quantity).intervals
    features = build(both, quantity, offset)
    table = _table(features, both, before)
    usual = table[table["before"]].groupby("code")["energy"].agg(["count", "mean"])
    enough = usual[(usual["count"] >= LEAST_STATION_STEPS) & (usual["mean"] > 0)].index
    table = table[table["code"].isin(enough)].reset_index(drop=True)
    known = table[table["before"] & table["energy"].notna()]
    days = int(known["block"].nunique())
    if days < LEAST_BEFORE_DAYS:
        raise InsufficientDataError(
            "E-VERIFY-BEFORE",
            say("{days:.0f} fully measured days before the change are too few for a baseline", days=days),
            "--before",
            say("give at least {least} days of the operation before the change", least=LEAST_BEFORE_DAYS),
        )
    return _Rows(table, days, both.hours)


def _table(features: FeatureFrame, both: Telemetry, before: Telemetry) -> pd.DataFrame:
    stamps = features.keys["timestamp"]
    local = both.local(stamps)
    scale = both.hours / 1000 if features.quantity == "station_power_w" else 1.0
    product = labels(features, "ru_type")
    energy = features.target() * scale
    return pd.DataFrame(
        {
            "timestamp": stamps,
            "day": local.normalize(),
            "block": pd.factorize(local.normalize(), sort=True)[0],
            "hour": local.hour,
            "code": pd.factorize(features.keys["site_id"])[0],
            "product": pd.factorize(product)[0],
            "capacity": features.X["capacity"],
            "load": features.X[LOAD],
            "energy": np.where(energy > 0, energy, np.nan),
            "before": _in(features.keys, before),
            **{name: features.X[name].fillna(0.0) for name in SLEEP_COLUMNS},
        }
    )


def _in(keys: pd.DataFrame, period: Telemetry) -> BoolArray:
    """Return the rows whose interval belongs to a period; stations may be cut at different moments."""
    ends = period.frame.groupby("site_id")["timestamp"].agg(["min", "max"])
    own = ends.reindex(keys["site_id"])
    stamps = keys["timestamp"].to_numpy()
    return np.asarray((stamps >= own["min"].to_numpy()) & (stamps <= own["max"].to_numpy()), dtype=np.bool_)


# -- the model -------------------------------------------------------------------------------------
def _sleep(rows: _Rows) -> FloatArray:
    """Return the share of the interval in each sleep mode, shape (rows, modes)."""
    return rows.table[list(SLEEP_COLUMNS)].to_numpy(np.float64)


def _sleep_as_before(rows: _Rows) -> FloatArray:
    """Return each station's mean sleep at this hour of the day before the change, shape (rows, modes)."""
    keys = ["code", "hour"]
    usual = rows.table[rows.before].groupby(keys)[list(SLEEP_COLUMNS)].mean()
    asked = pd.MultiIndex.from_frame(rows.table[keys])
    return np.asarray(usual.reindex(asked).fillna(0.0).to_numpy(np.float64), dtype=np.float64)


def _terms(rows: _Rows, sleep: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Return the terms, NaN where energy or load is not known, and the rows with a load like before."""
    load, product = rows.of("load"), rows.table["product"].to_numpy(np.int64)
    known = np.isfinite(load) & np.isfinite(rows.of("energy"))
    seen = rows.before & known
    if not seen.any():
        raise InsufficientDataError(
            "E-STATION-LOAD",
            say("no cell has a load (prb_utilisation)"),
            "--before",
            say("add the export with the cells' PRB utilisation"),
        )
    knots = np.unique(np.quantile(load[seen], _KNOTS))
    curve = np.column_stack(
        [load, np.sqrt(np.maximum(load, 0.0)), *(np.maximum(load - k, 0.0) for k in knots)]
    )
    groups = np.eye(int(product.max()) + 1)[product]
    shared = (groups[:, :, None] * curve[:, None, :]).reshape(len(load), -1)
    hour = np.eye(24)[rows.table["hour"].to_numpy(np.int64)]
    asleep = (groups[:, :, None] * sleep[:, None, :]).reshape(len(load), -1)
    terms = np.hstack([curve, shared, asleep, hour])
    terms[~known] = np.nan
    limits = pd.DataFrame({"product": product[seen], "load": load[seen]}).groupby("product")["load"]
    low, high = (getattr(limits, f)().reindex(product).to_numpy() for f in ("min", "max"))
    room = _MARGIN * (high - low)
    return terms, np.asarray((load >= low - room) & (load <= high + room), dtype=np.bool_)


def _mean_of(terms: FloatArray, site: np.ndarray, fitted: BoolArray) -> FloatArray:
    """Return the mean terms of every row's station over the fitted rows, shape (rows, terms)."""
    stations = int(site.max()) + 1
    count = np.bincount(site[fitted], minlength=stations).astype(np.float64)
    sums = np.zeros((stations, terms.shape[1]))
    np.add.at(sums, site[fitted], terms[fitted])
    mean: FloatArray = sums / np.maximum(count, 1.0)[:, None]
    return np.asarray(mean[site], dtype=np.float64)


def _assemble(
    rows: _Rows, first: _Told, second: _Told, fitted: BoolArray, covered_load: BoolArray
) -> Counterfactual:
    table, energy, foretold = rows.table, rows.of("energy"), first.energy
    after = ~rows.before
    same = _same_configuration(table)
    known = np.isfinite(energy) & np.isfinite(foretold)
    counted = known & covered_load & same
    fleet = _by_hour(table[fitted], energy, first.withheld)
    fit = fitness(
        fleet["energy"].to_numpy(), fleet["foretold"].to_numpy(), fleet["energy"].to_numpy(),
        np.ones(len(fleet), dtype=np.bool_), fleet["block"].to_numpy(), rows.hours,
    )  # fmt: skip
    # a station's level was taken from the withheld day too: the error is larger by this much
    residual = (fleet["energy"] - fleet["foretold"]).to_numpy() * rows.days / max(rows.days - 1, 1)
    noise = sum_error(residual, fleet["block"].to_numpy())
    inside = counted & after
    hours_after = table.loc[inside, "timestamp"].nunique()
    levels_sd = hours_after * np.sqrt(noise.variance / max(len(fleet), 1))
    spread = Spread(
        noise.sd(hours_after),
        float(np.hypot(jackknife_sd(first.by_fit[1:, inside].sum(axis=1), noise.inflation), levels_sd)),
        0.0,
        abs(float((second.energy - foretold)[inside].sum())) / 2,
        noise,
        fractional_half_width(fit, hours_after),
        meters=METERS_DRIFT * float(energy[inside].sum()),
    )
    days = pd.Series(residual).groupby(fleet["block"].to_numpy()).sum()
    uncovered = {
        "load": int((after & known & ~covered_load).sum()),
        "configuration": int((after & known & ~same).sum()),
    }
    shown = table[after]
    return Counterfactual(
        stamps=pd.DatetimeIndex(shown["timestamp"]),
        day=pd.DatetimeIndex(shown["day"]),
        hours=rows.hours,
        measured={"station": energy[after]},
        baseline={"station": foretold[after]},
        counted=counted[after],
        known=known[after],
        uncovered={n: k for n, k in uncovered.items() if k},
        spread=spread,
        day_sd=float(np.sqrt((days**2).mean())),
        fit=fit,
        form=_form(table),
        as_before=(say("sleep modes: as at this hour of the day before"),),
        means="traffic",
        reason=say("work is the load of the cells"),
        settle="",
        unknown=(),
        shift_k=None,
        before_days=float(rows.days),
        steps_per_day=24 / rows.hours * table["code"].nunique(),
    )


def _form(table: pd.DataFrame) -> Message:
    return say(
        "load of the cells by radio product, hour of the day, level of each of {count} stations",
        count=table["code"].nunique(),
    )


def _by_hour(before: pd.DataFrame, energy: FloatArray, withheld: FloatArray) -> pd.DataFrame:
    """Return measured and foretold energy of the fleet per interval before the change."""
    table = before.assign(energy=energy[before.index], foretold=withheld[before.index])
    table = table[table["energy"].notna() & table["foretold"].notna()]
    return table.groupby("timestamp", as_index=False).agg(
        energy=("energy", "sum"), foretold=("foretold", "sum"), block=("block", "first")
    )


def _same_configuration(table: pd.DataFrame) -> BoolArray:
    """Return the rows whose station still has the cells that it mostly had before."""
    usual = table[table["before"]].groupby("code")["capacity"].median()
    capacity = table["capacity"].to_numpy(np.float64)
    before = table["code"].map(usual).to_numpy(np.float64)
    return np.asarray((capacity == before) | ~np.isfinite(capacity), dtype=np.bool_)
