"""Judge placed values by physics: what cannot be is taken out and reported, what is odd is reported.

Rules (documented, in this order):

* columns without any value: reported;
* an energy that contradicts the power beside it (`judge_units`): taken out;
* power below zero where it can only be consumed, and values outside the schema's physical bounds:
  taken out;
* rows of another unit than the rest of their column (`judge_units`): taken out;
* one or two samples far from their neighbours, which agree (`spikes`): taken out;
* facility power below 99 % of IT power: both are taken out, nobody can say which is wrong;
  between 99 % and 100 % is within the tolerance of meters: kept, reported;
* wet bulb or dew point above dry bulb: taken out (both) where it is rare; where it is common
  (over 5 % of rows) the two are different places or a biased pair: kept, reported; supply and return
  that look swapped: kept, reported (`judge_pairs`);
* no energy while there is work: taken out; work of stations without a meter, meters without work, and
  sleep with traffic: kept, reported (`judge_stations`);
* the same value for 24 h or longer in a column that otherwise moves: taken out. Set-points, modes,
  attributes, prices and a server's utilisation are exempt; zero is exempt where it means "off", and the
  end of the range where equipment runs at full speed or air is saturated;
* parts larger than their total, and gaps: kept, reported.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.issues import DataIssue
from features.message import Message, say
from features.reading import judge_pairs, judge_stations, judge_units, spikes
from features.reading.judged import IntArray, Judged
from features.reading.numerals import BoolArray, FloatArray
from features.schema import SCHEMA, SYMBOLS

PUE_TOLERANCE = 0.01
"""Share by which metered facility power may lie below IT power [1]."""
STUCK_HOURS = 24.0
STUCK_CHANCE = 1e-3
"""A run is stuck where its chance, from the column's own share of repeats, is below this."""
MOSTLY_REPEATS = 0.3
"""Columns that repeat more often than this follow a set-point or a coarse scale: no verdict."""
PARTS_TOLERANCE = 0.02

_OFF_IS_ZERO = frozenset(
    {
        "chiller_power_kw",
        "tower_fan_power_kw",
        "pump_power_kw",
        "fan_power_kw",
        "dx_power_kw",
        "evaporative_power_kw",
        "cooling_power_kw",
        "pv_power_kw",
        "grid_power_kw",
        "battery_soc_kwh",
        "water_m3",
        "wind_speed_m_s",
        "chilled_water_flow_l_s",
        "thermal_load_kw",
        "prb_utilisation",
        "cpu_utilisation",
        "green_share",
    }
)
_SATURATES = _OFF_IS_ZERO - {"cooling_power_kw", "wind_speed_m_s"} | {"outdoor_rh_pct"}
"""Columns that rest at the end of their range: equipment at full speed, saturated air."""
_SET_BY_OTHERS = frozenset({"cpu_utilisation", "price_per_kwh"})
"""Columns that may stand still for days: a job at full load, a tariff, a market at its price cap."""
_COOLING_PARTS = (
    "chiller_power_kw",
    "tower_fan_power_kw",
    "pump_power_kw",
    "fan_power_kw",
    "dx_power_kw",
    "evaporative_power_kw",
)


def judge(table: Judged) -> None:
    """Apply every rule; issues are added, impossible values become NaN.

    Parameters
    ----------
    table : Judged
    """
    table.mark_before()
    table.screen_all()
    _empty(table)
    judge_units.judge_energy(table)
    for name in [c for c in table.frame if c in SCHEMA and not SCHEMA[c].text]:
        _bounds(table, name)
    judge_units.judge_units(table)
    spikes.judge_spikes(table)
    _pue(table)
    judge_pairs.judge_pairs(table)
    judge_stations.judge_loads(table)
    for name in [c for c in table.frame if c in SCHEMA]:
        _stuck(table, name)
    _parts(table)
    _gaps(table)


def _empty(table: Judged) -> None:
    """Report recognised columns that hold nothing: no sensor connected, a formula without a value."""
    for name in [c for c in table.frame if c in SCHEMA and not SCHEMA[c].text]:
        if not table.screen(name).known:
            issue = DataIssue(
                "D-COLUMN-EMPTY",
                "warning",
                str(name),
                say("the column is recognised and holds no value"),
                say("check the export; formulas of a workbook need their values saved"),
                say("it is as if the column were not there"),
                len(table.frame),
            )
            table.issues.append(issue)


def _bounds(table: Judged, name: str) -> None:
    column, seen = SCHEMA[name], table.screen(name)
    if not seen.known or (column.lower <= seen.low and seen.high <= column.upper):
        return
    values = table.values(name)
    low, high = values < column.lower, values > column.upper
    power = column.unit in ("kW", "W") or name.startswith("station_energy")
    if power and column.lower == 0.0 and low.any():
        table.note(
            "D-NEGATIVE-POWER",
            "error",
            low,
            name,
            say(
                "{count} values below zero, the lowest {lowest:g} {unit}",
                count=int(low.sum()),
                lowest=np.nanmin(values),
                unit=SYMBOLS.get(column.unit, column.unit),
            ),
            say(
                "check the direction of the current transformers; export on-site generation as its own column"
            ),
            say("the values are missing (quarantined)"),
        )
        table.take_out(low, name, "D-NEGATIVE-POWER")
        low = np.zeros_like(low)
    out = low | high
    if out.any():
        table.note(
            "D-OUT-OF-BOUNDS",
            "error",
            out,
            name,
            say(
                "{count} values outside {lower:g}..{upper:g} {unit} ({low:g} to {high:g})",
                count=int(out.sum()),
                lower=column.lower,
                upper=column.upper,
                unit=SYMBOLS.get(column.unit, column.unit),
                low=values[out].min(),
                high=values[out].max(),
            ),
            say("check the sensor, its unit, and marks such as -999 for a missing value"),
            say("the values are missing (quarantined)"),
        )
        table.take_out(out, name, "D-OUT-OF-BOUNDS")


def _pue(table: Judged) -> None:
    if not table.has("it_power_kw", "facility_power_kw"):
        return
    if table.screen("facility_power_kw").low >= table.screen("it_power_kw").high:
        return
    it, facility = table.values("it_power_kw"), table.values("facility_power_kw")
    with np.errstate(invalid="ignore"):
        below = facility < (1.0 - PUE_TOLERANCE) * it
        near = (facility < it) & ~below
    if below.any():
        worst = float(np.nanmin((facility / np.where(it > 0, it, np.nan))[below]))
        all_rows = below.sum() >= 0.5 * np.isfinite(facility - it).sum()
        table.note(
            "D-PUE-BELOW-1",
            "error",
            below,
            say("facility_power_kw and it_power_kw"),
            say(
                "{count} rows have less facility power than IT power (lowest ratio {worst:.3f})",
                count=int(below.sum()),
                worst=worst,
            ),
            _why_below(table, facility / np.where(it > 0, it, np.nan), all_rows=bool(all_rows)),
            say("both values are missing (quarantined)"),
        )
        table.take_out(below, "facility_power_kw", "D-PUE-BELOW-1")
        table.take_out(below, "it_power_kw", "D-PUE-BELOW-1")
    if near.any():
        table.note(
            "D-PUE-BELOW-1",
            "warning",
            near,
            say("facility_power_kw and it_power_kw"),
            say(
                "{count} rows have a PUE between {least:g} and 1",
                count=int(near.sum()),
                least=1 - PUE_TOLERANCE,
            ),
            say("calibrate the meters"),
            say("kept: within the tolerance of meters"),
        )


def _why_below(table: Judged, ratio: FloatArray, *, all_rows: bool) -> Message:
    """Return what to check: amounts of an interval called power are smaller by the interval's hours."""
    if not all_rows:
        return say("check both meters for this time")
    hours, middle = table.interval_us / 3.6e9, float(np.nanmedian(ratio))
    if hours < 1.0 and hours <= middle <= 2.5 * hours:
        return say(
            "facility power may be an energy of {minutes:g} minutes (kWh) that is called kW: write its unit "
            "into mapping.toml",
            minutes=60.0 * hours,
        )
    return say("the two columns may be swapped")


# -- stuck sensors -------------------------------------------------------------------------------
def _stuck(table: Judged, name: str) -> None:
    if SCHEMA[name].text or SCHEMA[name].role in ("lever", "status", "attribute") or name in _SET_BY_OTHERS:
        return
    if not table.screen(name).may_rest:
        return
    values = table.values(name)
    units = table.units
    resting = (values == 0.0) if name in _OFF_IS_ZERO else np.zeros(len(values), dtype=bool)
    if name in _SATURATES:
        low, high = _range_per_unit(values, units)
        resting |= (values >= high - 1e-3 * (high - low)) | (values <= low + 1e-2 * (high - low))
    stuck = stuck_runs(values, units, table.interval_us, resting)
    if not stuck.any():
        return
    still = np.unique(values[stuck])
    shown = Message.joined(", ", (f"{v:g}" for v in still[:3]))
    table.note(
        "D-STUCK",
        "error",
        stuck,
        name,
        say(
            "{count} values stand still for {hours:g} h or longer (at {shown}); the column moves otherwise",
            count=int(stuck.sum()),
            hours=STUCK_HOURS,
            shown=say("{values} ...", values=shown) if len(still) > 3 else shown,
        ),
        say("check the sensor and its connection"),
        say("the values are missing (quarantined)"),
    )
    table.take_out(stuck, name, "D-STUCK")


def _range_per_unit(values: FloatArray, units: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return per row the lowest and highest value of its unit."""
    starts = np.flatnonzero(np.concatenate([[True], units[1:] != units[:-1]]))
    low = np.fmin.reduceat(values, starts)
    high = np.fmax.reduceat(values, starts)
    return low[units], high[units]


def stuck_runs(values: FloatArray, units: IntArray, interval_us: int, resting: BoolArray) -> BoolArray:
    """Return the values that belong to an implausibly long run of one value.

    A run of L equal values has about the chance n p^(L-1) in n values, with p the share of repeats:
    the unit's own in this column, or that of the other runs of the same value where this is higher
    (a level to which the column returns and rests). Each run counts at most five repeats towards
    the column's share, so that a fault does not excuse itself.

    Parameters
    ----------
    values : numpy.ndarray, shape (rows,)
        Sorted by unit and time; NaN where missing (it does not interrupt a run).
    units : numpy.ndarray
        Number of each row's unit.
    interval_us : int
        [us]
    resting : numpy.ndarray of bool
        Values that may stand still ("off", full speed, saturated).

    Returns
    -------
    numpy.ndarray of bool, shape (rows,)
    """
    result = np.zeros(len(values), dtype=bool)
    known = np.flatnonzero(np.isfinite(values))
    needed = max(int(np.ceil(STUCK_HOURS * 3.6e9 / interval_us)), 3)
    if len(known) < 2 * needed:
        return result
    v, u = values[known], units[known]
    starts = np.flatnonzero(np.concatenate([[True], (v[1:] != v[:-1]) | (u[1:] != u[:-1])]))
    lengths = np.diff(np.append(starts, len(v)))
    if lengths.max() < needed:
        return result
    unit, moving = u[starts], ~resting[known][starts]
    counted = np.minimum(lengths, 6) * moving
    size = np.bincount(unit, counted)
    own = np.bincount(unit, np.maximum(counted - 1, 0)) / np.maximum(size, 1)
    amount = np.bincount(u, minlength=len(size))
    share = np.maximum(own[unit], _rest_share(v[starts], unit, lengths))
    chance = amount[unit] * np.power(np.maximum(share, 1e-3), lengths - 1.0)
    bad = moving & (lengths >= needed) & (own[unit] <= MOSTLY_REPEATS) & (amount[unit] >= 2 * needed)
    bad &= chance < STUCK_CHANCE
    result[known] = np.repeat(bad, lengths)
    return result


def _rest_share(values: FloatArray, units: IntArray, lengths: IntArray) -> FloatArray:
    """Return per run the share of repeats in the *other* runs of the same value and unit."""
    _, level = np.unique(np.stack([units.astype(np.float64), values]), axis=1, return_inverse=True)
    level = np.ravel(level)
    repeats = np.bincount(level, lengths - 1)[level] - (lengths - 1)
    total = np.bincount(level, lengths)[level] - lengths
    return np.asarray(repeats / np.maximum(total, 1), dtype=np.float64)


# -- parts and gaps ------------------------------------------------------------------------------
def _parts(table: Judged) -> None:
    for total, parts in (
        ("cooling_power_kw", [p for p in _COOLING_PARTS if table.has(p)]),
        (
            "facility_power_kw",
            [p for p in ("it_power_kw", "cooling_power_kw", "ups_loss_kw") if table.has(p)],
        ),
    ):
        if not table.has(total) or len(parts) < (1 if total == "cooling_power_kw" else 2):
            continue
        if sum(table.screen(p).high for p in parts) <= table.screen(total).low:
            continue
        over = table.where([total, *parts], _exceed)
        if over.any():
            beyond = sum(table.values(p)[over] for p in parts) - table.values(total)[over]
            table.note(
                "D-PARTS-EXCEED",
                "warning",
                over,
                total,
                say(
                    "in {count} rows {parts} exceed {total} (by up to {most:.1f} kW)",
                    count=int(over.sum()),
                    parts=Message.joined(" + ", parts),
                    total=total,
                    most=np.max(beyond),
                ),
                say("check units and which meters a total includes"),
                say("kept; shares of the total are unreliable"),
            )


def _exceed(total: FloatArray, *parts: FloatArray) -> BoolArray:
    together = parts[0].copy()
    for part in parts[1:]:
        together += part
    return np.asarray(together > total * (1.0 + PARTS_TOLERANCE) + 0.5)


def _gaps(table: Judged) -> None:
    micros = table.frame["timestamp"].to_numpy().astype("datetime64[us]").astype(np.int64)
    units = table.units
    steps = np.diff(micros)
    gap = np.concatenate([(steps > table.interval_us) & (units[1:] == units[:-1]), [False]])
    if not gap.any():
        return
    missing = int((steps[gap[:-1]] // table.interval_us - 1).sum())
    longest = pd.Timedelta(int(steps[gap[:-1]].max()) - table.interval_us, "us")
    share = missing / (missing + len(micros))
    table.note(
        "D-GAP",
        "info" if table.kind == "base-station" or share < 0.01 else "warning",
        gap,
        say("rows"),
        say(
            "{gaps} gaps, {missing} intervals are missing ({share:.1%}), the longest lasts {longest}",
            gaps=int(gap.sum()),
            missing=missing,
            share=share,
            longest=longest,
        ),
        say("export the missing time, if it exists"),
        say("nothing is filled: features that look back are missing there"),
    )
