"""Doubt about units: physics decides where it can, and asks where it cannot."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.message import Message, say
from features.reading.units import UNITS, Unit, candidates, line_to
from features.schema import SCHEMA

FloatArray = npt.NDArray[np.float64]

USUAL: dict[str, tuple[float, float]] = {
    "zone_set_point_c": (10, 40),
    "supply_air_set_point_c": (8, 38),
    "chilled_water_set_point_c": (3, 30),
    "supply_air_temp_c": (5, 42),
    "room_air_temp_c": (8, 55),
    "server_inlet_temp_c": (8, 48),
    "server_inlet_dew_point_c": (-20, 27),
    "server_inlet_rh_pct": (2, 100),
    "chilled_water_supply_temp_c": (1, 36),
    "chilled_water_return_temp_c": (3, 45),
    "condenser_water_temp_c": (3, 48),
    "outdoor_dry_bulb_c": (-40, 50),
    "outdoor_wet_bulb_c": (-40, 36),
    "outdoor_dew_point_c": (-50, 34),
    "outdoor_rh_pct": (2, 105),
    "air_pressure_kpa": (55, 109),
    "bandwidth_mhz": (1, 400),
    "carbon_g_per_kwh": (5, 1500),
}
"""Where the middle of an ordinary series lies [canonical unit]: narrower than the physical bounds."""

ASKED = ("kW", "W", "kWh", "degC")
"""Canonical units whose doubt stops the reading; other doubtful columns are left out and listed."""

PLAUSIBLE_RATIO: dict[tuple[str, str], tuple[float, float]] = {
    ("it_power_kw", "facility_power_kw"): (0.2, 1.01),
    ("facility_power_kw", "it_power_kw"): (0.99, 5.0),
    ("cooling_power_kw", "it_power_kw"): (0.01, 3.0),
    ("cooling_power_kw", "facility_power_kw"): (0.01, 0.8),
    ("it_power_kw", "cooling_power_kw"): (0.33, 100.0),
    ("facility_power_kw", "cooling_power_kw"): (1.25, 100.0),
    ("pump_power_kw", "chiller_power_kw"): (0.005, 2.0),
    ("tower_fan_power_kw", "chiller_power_kw"): (0.003, 1.5),
    ("chiller_power_kw", "cooling_power_kw"): (0.02, 1.01),
    ("cooling_power_kw", "chiller_power_kw"): (0.99, 50.0),
}
"""What one power of a site may be of another [1]: less than a factor of a thousand wide, so one unit fits."""

_METRIC_NAME = re.compile(r"[td]2m(_?(dew|wet))?|ws(2|10)m", re.IGNORECASE)
"""Names that NASA POWER, PVGIS and ECMWF (ERA5) write: degC or K, and m/s; never degF."""
LEAST_PER_MWH, MOST_PER_KWH = 2.0, 5.0
"""What a MWh costs at least in the middle of a series, and a kWh at most [currency]."""
_DOLLARLIKE = re.compile(r"(?<![A-Z])(EUR|USD|GBP|CHF)(?![A-Z])|(?<![a-z])(eur|usd|gbp|chf)(?![a-z])|[€$£]")
POWER_OF_A_PLANT: dict[str, tuple[float, float]] = {
    "chiller_power_kw": (1.0, 3e4),
    "pump_power_kw": (0.05, 1e4),
    "tower_fan_power_kw": (0.05, 1e4),
}
"""What the machines of one column draw while they run, from the smallest to a plant for 100 MW [kW]."""
MOST_ZEROS = 0.1
"""Share of exact zeros from which a temperature is taken to read zero where it is off [1]."""

SENTINELS = (-9999.0, -999.0, -99999.0, 9999.0, 99999.0)
"""Values that systems write for "not measured"; they say nothing of the unit."""

LEAST_RUNNING = 12
"""Fewest readings of running machines that tell the unit."""
_ENERGY = "energy|consumption|kwh|电量|能耗|电能"

_UNTOUCHED = frozenset({"antennas", "pue"})


@dataclass(frozen=True)
class Question:
    """Something that only the user can answer, and the lines of ``mapping.toml`` that answer it."""

    code: str
    text: str
    where: str
    answer: str
    needed: bool = True
    """Whether nothing can be read without the answer; else it is asked only where nothing else is left."""


@dataclass(frozen=True)
class Verdict:
    """The unit chosen for a column.

    ``unit`` is None where it stays open; then ``ask`` says what is open.
    """

    unit: Unit | None
    evidence: str
    ask: str = ""


def decide_unit(
    canonical: str, declared: Unit | None, values: FloatArray, siblings: Sequence[Unit] = (), header: str = ""
) -> Verdict:
    """Weigh a column's declared unit against its values, or find the unit from the values.

    Parameters
    ----------
    canonical : str
    declared : Unit or None
        What header or unit row says.
    values : numpy.ndarray, shape (rows,)
        In the source's unit; NaN where missing.
    siblings : sequence of Unit
        Units of the same dimension already certain in the same file.
    header : str

    Returns
    -------
    Verdict
    """
    target = SCHEMA[canonical].unit
    if target == "rel" or canonical in _UNTOUCHED or not target:
        return Verdict(declared or UNITS["rel" if target == "rel" else "1"], say("taken as exported"))
    found = values[np.isfinite(values) & ~np.isin(values, SENTINELS)]
    if not len(found):
        return Verdict(declared or candidates(canonical)[0], say("the column is empty"))
    if target == "degC" and not canonical.startswith("outdoor") and (found == 0.0).mean() > MOST_ZEROS:
        # water and rooms stay above 0 °C: the logger writes zero while the sensor or its machine is off
        found = found[found != 0.0] if found.any() else found
    if target in ("1", "%"):
        return _share(canonical, declared, found)
    fitting = [u for u in candidates(canonical) if _usual(canonical, u, found)]
    if (np.mod(found, 1.0) != 0.0).any():  # tenths of a degree are whole numbers
        fitting = [u for u in fitting if u.symbol != "0.1 degC"]
    if declared is not None:
        return _confirm(canonical, declared, found, fitting)
    return _from_values(canonical, found, fitting, siblings, header)


def _from_values(
    canonical: str, found: FloatArray, fitting: list[Unit], siblings: Sequence[Unit], header: str
) -> Verdict:
    """Find the unit of a column that declares none."""
    target = SCHEMA[canonical].unit
    if _METRIC_NAME.fullmatch(header.strip()):
        fitting = [u for u in fitting if u.symbol != "degF"]
        if target == "m/s":
            return Verdict(UNITS["m/s"], say("the name is that of services whose winds are in m/s"))
    if canonical in USUAL and len(fitting) == 1:
        return Verdict(
            fitting[0],
            say(
                "{span}: only {unit} is usual for {canonical}",
                span=_span(found),
                unit=fitting[0].symbol,
                canonical=canonical,
            ),
        )
    told = _told_by_size(canonical, found, header)
    if told is not None:
        return told
    agreed = {u.symbol for u in siblings}
    if len(agreed) == 1 and (not fitting or next(iter(agreed)) in {u.symbol for u in fitting}):
        symbol = agreed.pop()
        if target in ("degC", "K"):
            return Verdict(UNITS[symbol], say("the file's other temperatures are in {symbol}", symbol=symbol))
    celsius = not fitting or UNITS["degC"] in fitting
    if target in ("degC", "K") and celsius and re.search(r"[\u4e00-\u9fff]", header):
        return Verdict(UNITS["degC"], say("Chinese header: °C"))
    choices = [u.symbol for u in (fitting if canonical in USUAL and fitting else candidates(canonical))]
    if not re.search(_ENERGY, header.casefold()):
        choices = [c for c in choices if UNITS[c].dimension != "energy"] or choices
    return Verdict(
        None,
        "",
        say(
            "the unit of {header!r} ({canonical}) is not given; {span}; is it {choices}?",
            header=header,
            canonical=canonical,
            span=_span(found),
            choices=_or(choices),
        ),
    )


def _told_by_size(canonical: str, found: FloatArray, header: str) -> Verdict | None:
    """Return the only unit in which a price, or the power of machines, can be so large; None: several."""
    if SCHEMA[canonical].unit == "currency/kWh":
        return _price(found, header)
    return None if re.search(_ENERGY, header.casefold()) else _of_a_plant(canonical, found)


def _price(found: FloatArray, header: str) -> Verdict | None:
    """Tell a price per kWh from one per MWh where the size leaves no other; None: it leaves both.

    A thousand times more or less is no price of electricity: in every currency a MWh costs more than two
    units of it, and in those worth about a dollar a kWh costs less than five.
    """
    middle = float(np.median(np.abs(found)))
    if 0.0 < middle < LEAST_PER_MWH and float(np.max(np.abs(found))) < MOST_PER_KWH:
        return Verdict(UNITS["currency/kWh"], say("{span}: too little for a MWh", span=_span(found)))
    if middle > MOST_PER_KWH and _DOLLARLIKE.search(header):
        return Verdict(UNITS["currency/MWh"], say("{span}: too much for a kWh", span=_span(found)))
    return None


def _of_a_plant(canonical: str, found: FloatArray) -> Verdict | None:
    """Return the only unit in which machines could draw the power; None: several, or no such column."""
    running = found[found > 0.0]
    if canonical not in POWER_OF_A_PLANT or len(running) < LEAST_RUNNING:
        return None
    low, high = POWER_OF_A_PLANT[canonical]
    most = float(np.quantile(running, 0.95))
    fitting = [u for u in candidates(canonical) if u.dimension == "power" and low <= most * u.factor <= high]
    if len(fitting) != 1:
        return None
    unit = fitting[0].symbol
    return Verdict(
        fitting[0],
        say("{span}: only in {unit} it is the power of such machines", span=_span(found), unit=unit),
    )


def _share(canonical: str, declared: Unit | None, found: FloatArray) -> Verdict:
    """Percent or fraction: values above 1 are no fractions, values that never exceed 1 hardly percent."""
    top = float(np.max(found))
    fraction, percent = UNITS["1"], UNITS["%"]
    if declared is None:
        if top <= 1.0 + 1e-6:
            return Verdict(fraction, say("no value exceeds 1 (largest {top:g}): a fraction", top=top))
        few = top <= 2.0 and (found > 1.0).mean() < 0.05
        if top <= 110.0 and not few:
            return Verdict(percent, say("values reach {top:g}: percent", top=top))
        asked = (
            say(
                "few values of {canonical} exceed 1 (largest {top:g}): is it a fraction (1) with wrong "
                "values, or %?",
                canonical=canonical,
                top=top,
            )
            if few
            else say(
                "{canonical} reaches {top:g}: neither a fraction nor percent; what unit is it in?",
                canonical=canonical,
                top=top,
            )
        )
        return Verdict(None, "", asked)
    usual = USUAL.get(canonical)
    small = top <= 1.0 and float(np.median(found)) > 0.0 and (usual is None or usual[0] > 1.0)
    if declared.dimension == "percent" and small and len(found) >= 12:
        return Verdict(
            None,
            "",
            say(
                "the header says %, but no value exceeds 1 (largest {top:g}); is it % or a fraction (1)?",
                top=top,
            ),
        )
    if declared.dimension == "ratio" and float(np.quantile(found, 0.5)) > 1.5:
        return Verdict(
            None,
            "",
            say(
                "the name says a fraction, but the values reach {top:g}; is it % or a fraction (1)?", top=top
            ),
        )
    return Verdict(declared, say("unit as declared"))


def _confirm(canonical: str, declared: Unit, found: FloatArray, fitting: Sequence[Unit]) -> Verdict:
    if canonical not in USUAL:
        factor, _ = line_to(canonical, declared)
        drawn = np.abs(found[found != 0.0]) * factor
        usual = np.quantile(drawn, 0.75) if declared.dimension == "power" and len(drawn) else 0.0
        if usual > SCHEMA[canonical].upper:  # a fault of single rows leaves most of them in bounds
            asked = say(
                "the header declares {unit}, and {span}: more than a site has; is it the power of a whole "
                "grid (ignore it), or in another unit?",
                unit=declared.symbol,
                span=_span(found),
            )
            return Verdict(None, "", asked)
        return Verdict(declared, say("unit as declared"))
    low, high = USUAL[canonical]
    factor, offset = line_to(canonical, declared)
    middle = float(np.median(found)) * factor + offset
    others = [u for u in fitting if u.symbol != declared.symbol]
    if low <= middle <= high or not others:
        return Verdict(declared, say("unit as declared, and the values are usual for it"))
    choices = [declared.symbol, *(u.symbol for u in others)]
    return Verdict(
        None,
        "",
        say(
            "the header declares {unit}, but {span}, which is unusual for {canonical}; is it {choices}?",
            unit=declared.symbol,
            span=_span(found),
            canonical=canonical,
            choices=_or(choices),
        ),
    )


def _usual(canonical: str, unit: Unit, found: FloatArray) -> bool:
    if canonical not in USUAL:
        return False
    low, high = USUAL[canonical]
    factor, offset = line_to(canonical, unit)
    q05, q95 = np.quantile(found, (0.05, 0.95)) * factor + offset
    return bool(low <= q05 and q95 <= high)


def is_counter(values: FloatArray, keys: npt.NDArray[np.int64], micros: npt.NDArray[np.int64]) -> bool:
    """Whether a column is a register that only grows, rather than the amount of each interval.

    Parameters
    ----------
    values : numpy.ndarray, shape (rows,)
    keys : numpy.ndarray
        Code of each row's unit.
    micros : numpy.ndarray
        Stamps [us].
    """
    order = np.lexsort((micros, keys))
    kept = order[np.isfinite(values[order])]
    steps = np.diff(values[kept])[keys[kept][1:] == keys[kept][:-1]]
    if len(steps) < 10:
        return False
    up = steps[steps > 0]
    if len(up) < 5 or int((steps < 0).sum()) > max(1, 0.02 * len(steps)):
        return False
    return float(np.median(np.abs(values[kept]))) > 5.0 * float(np.median(up))


def decide_power(canonical: str, values: FloatArray, other: str, reference: FloatArray) -> Verdict | None:
    """Return the unit in which one power is a plausible multiple of another; None: no one unit.

    Parameters
    ----------
    canonical : str
    values : numpy.ndarray, shape (rows,)
        In the unknown unit.
    other : str
        Column whose unit is declared.
    reference : numpy.ndarray, shape (rows,)
        Its values [kW].
    """
    span = PLAUSIBLE_RATIO.get((canonical, other))
    both = np.isfinite(values) & np.isfinite(reference) & (reference > 0.0) & (values > 0.0)
    if span is None or int(both.sum()) < 3:
        return None
    ratio = float(np.median(values[both] / reference[both]))
    fitting = [
        u for u in candidates(canonical) if u.dimension == "power" and span[0] <= ratio * u.factor <= span[1]
    ]
    if len(fitting) != 1:
        return None
    told = say(
        "only in {unit} it is a plausible multiple of {other} ({ratio:.2f})",
        unit=fitting[0].symbol,
        other=other,
        ratio=ratio * fitting[0].factor,
    )
    return Verdict(fitting[0], told)


def scale_doubt(facility: FloatArray, it: FloatArray) -> str:
    """Return a question where two powers of one site differ by about a thousand; else ``""``.

    Parameters
    ----------
    facility, it : numpy.ndarray
        Facility (or cooling) power and IT power [kW].
    """
    both = (facility > 0) & (it > 0)
    if int(both.sum()) < 3:
        return ""
    ratio = float(np.median(facility[both] / it[both]))
    for factor in (1e3, 1e-3, 1e6, 1e-6):
        if 0.8 <= ratio / factor <= 6.0:
            return say(
                "facility power / IT power is {ratio:.3g} (median): one is probably off by {factor:g}",
                ratio=ratio,
                factor=factor,
            )
    return ""


def _span(found: FloatArray) -> str:
    return say(
        "values from {low:g} to {high:g}, median {median:g}",
        low=np.min(found),
        high=np.max(found),
        median=np.median(found),
    )


def _or(choices: Sequence[str]) -> str:
    return Message.joined(" or ", dict.fromkeys(choices))
