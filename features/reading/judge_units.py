"""Rows in another unit than their column, and an energy that contradicts the power beside it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from features.message import Message, say
from features.reading.doubt import USUAL
from features.reading.judged import IntArray, Judged
from features.reading.numerals import BoolArray, FloatArray
from features.reading.units import UNITS
from features.schema import SCHEMA

LEAST_ROWS = 6
"""Fewer rows may be spikes."""
FAR_K, NEAR_K = 15.0, 5.0
"""How far a temperature lies from the column's middle in its own unit, and how near in the other [K]."""
THOUSAND = (200.0, 5000.0)
"""Ratio to the column's middle of a power that is probably written in W among kW [1]."""
STEADY = ("it_power_kw", "facility_power_kw", "station_power_w")
"""Powers that are never a thousandth of their middle while they run."""
AGREE = (0.7, 1.4)
"""Ratio of a measured energy to the energy of the measured power that is within both meters [1]."""

_Usual = Callable[[str, FloatArray], tuple[float, float]]
_Other = Callable[[str, FloatArray, FloatArray], BoolArray]


def judge_units(table: Judged) -> None:
    """Apply the rules of units; issues are added, values of another unit become NaN."""
    for name in [str(c) for c in table.frame if c in SCHEMA]:
        if SCHEMA[name].unit == "degC" and name in USUAL and SCHEMA[name].role != "lever":
            _mixed(table, name, _usual_temperature, _other_temperature)
        elif SCHEMA[name].unit in ("kW", "W") and SCHEMA[name].lower == 0.0:
            _mixed(table, name, _usual_power, _other_power)


def _mixed(table: Judged, name: str, usual: _Usual, other: _Other) -> None:
    seen = table.screen(name)
    known = seen.sample
    if len(known) < 4 * LEAST_ROWS:
        return
    low, high = usual(name, known)
    if low <= seen.low and seen.high <= high:
        return
    values = table.values(name)
    with np.errstate(invalid="ignore"):
        strange = other(name, values, known)
    if strange.sum() < LEAST_ROWS:
        return
    strange &= _runs_of(strange, table.units, 3)
    if strange.sum() < LEAST_ROWS or strange.sum() >= 0.5 * np.isfinite(values).sum():
        return
    table.note(
        "D-UNIT-MIXED",
        "error",
        strange,
        name,
        say(
            "{count} values ({low:g} to {high:g}) lie far from the rest (middle {middle:g}), and would not "
            "in another unit ({units})",
            count=int(strange.sum()),
            low=float(values[strange].min()),
            high=float(values[strange].max()),
            middle=float(np.median(known)),
            units="°C, °F" if SCHEMA[name].unit == "degC" else "W, kW",
        ),
        say("export the whole column in one unit"),
        say("the values are missing (quarantined)"),
    )
    table.take_out(strange, name, "D-UNIT-MIXED")


def _usual_temperature(_name: str, known: FloatArray) -> tuple[float, float]:
    """Return the limits beyond which a temperature may be of another unit."""
    low, middle, high = np.quantile(known, (0.25, 0.5, 0.75))
    away = max(FAR_K, 3.0 * (high - low))
    return float(middle - away), float(middle + away)


def _usual_power(name: str, known: FloatArray) -> tuple[float, float]:
    """Return the limits beyond which a power may be of another unit."""
    running = known[known > 0.0]
    if not len(running):
        return -np.inf, np.inf
    middle = float(np.median(running))
    return middle / THOUSAND[0] if name in STEADY else -np.inf, middle * THOUSAND[0]


def _other_temperature(name: str, values: FloatArray, known: FloatArray) -> BoolArray:
    """Return the temperatures that are odd in this unit and ordinary in the other of °C and °F."""
    below, above = _usual_temperature(name, known)
    low, middle, high = np.quantile(known, (0.25, 0.5, 0.75))
    wide = high - low
    result = (values > above) | (values < below)
    far = values[result]
    near = max(NEAR_K, 1.5 * wide)
    fahrenheit = np.abs((far - 32.0) / 1.8 - middle) <= near
    celsius = np.abs(far * 1.8 + 32.0 - middle) <= near
    result[result] = fahrenheit | celsius
    return np.asarray(result)


def _other_power(name: str, values: FloatArray, known: FloatArray) -> BoolArray:
    """Return the powers that are about a thousand times the column's middle, or a thousandth of it."""
    running = known[known > 0.0]
    if not len(running):
        return np.zeros(len(values), dtype=bool)
    ratio = values / float(np.median(running))
    large = (ratio > THOUSAND[0]) & (ratio < THOUSAND[1])
    if name not in STEADY:
        return np.asarray(large)
    return np.asarray(large | ((ratio > 1.0 / THOUSAND[1]) & (ratio < 1.0 / THOUSAND[0])))


def _runs_of(marked: BoolArray, units: IntArray, least: int) -> BoolArray:
    """Return the marks that stand in a row of at least so many rows of one unit."""
    new = (marked[1:] != marked[:-1]) | (units[1:] != units[:-1])
    run = np.cumsum(np.concatenate([[False], new]))
    return np.asarray(marked & (np.bincount(run)[run] >= least))


def judge_energy(table: Judged) -> None:
    """Take out a station's energy that its own mean power contradicts: one of the two units is wrong.

    Comes before the physical bounds: an energy in the wrong unit often lies outside of them, and "out of
    bounds" would not say why. 3GPP TS 28.552 clause 5.1.1.19 gives ``PEE.Energy`` in kWh and
    ``PEE.AvgPower`` in W.
    """
    if not table.has("station_energy_kwh", "station_power_w"):
        return
    energy = table.values("station_energy_kwh")
    expected = table.values("station_power_w") * (table.interval_us / 3.6e9 / 1e3)
    both = np.isfinite(energy) & np.isfinite(expected) & (expected > 0.0) & (energy > 0.0)
    ratio = pd.Series(np.where(both, energy, np.nan) / np.where(both, expected, np.nan))
    middle = ratio.groupby(table.frame["site_id"].to_numpy()).transform("median").to_numpy()
    with np.errstate(invalid="ignore"):
        wrong = np.isfinite(energy) & ((middle < AGREE[0]) | (middle > AGREE[1]))
    if not wrong.any():
        return
    times = float(np.median(middle[wrong]))
    table.note(
        "D-ENERGY-POWER",
        "error",
        wrong,
        say("station_energy_kwh and station_power_w"),
        say(
            "the energy is {ratio:.3g} times what the mean power gives in {count} rows (medians "
            "{energy:.4g} kWh and {power:.4g} kWh in {length})",
            ratio=times,
            count=int(wrong.sum()),
            energy=float(np.median(energy[wrong & both])),
            power=float(np.median(expected[wrong & both])),
            length=pd.Timedelta(table.interval_us, "us"),
        ),
        _which_energy(times),
        say("the energy is missing (quarantined); the power is kept"),
    )
    table.take_out(wrong, "station_energy_kwh", "D-ENERGY-POWER")


def _which_energy(times: float) -> Message:
    """Return what to do about an energy that is so many times too large: the unit in which it agrees."""
    fitting = [
        u.symbol
        for u in UNITS.values()
        if u.dimension == "energy" and AGREE[0] <= times * u.factor <= AGREE[1]
    ]
    if len(fitting) == 1:
        return say(
            "in {unit} the two would agree: write this unit of the energy into mapping.toml", unit=fitting[0]
        )
    return say(
        'no usual unit of energy explains it: ask for the unit of the counter, or set it to "ignore" in '
        "mapping.toml"
    )
