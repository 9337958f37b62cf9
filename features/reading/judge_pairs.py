"""Temperatures that belong together: a wet bulb, a dew point, a supply and its return."""

from __future__ import annotations

import numpy as np

from features.message import Message, say
from features.reading.judged import Judged
from features.reading.numerals import BoolArray, FloatArray

TOLERANCE_K = 0.5
COMMON_SHARE = 0.05
SWAPPED_SHARE = 0.8
"""Share of rows with the supply warmer than its return from which the two look swapped [1]."""
LEAST_ROWS = 24
_BELOW_DRY_BULB = (("outdoor_wet_bulb_c", "D-WET-BULB"), ("outdoor_dew_point_c", "D-DEW-POINT"))
_COLD_AND_WARM = (
    ("chilled_water_supply_temp_c", "chilled_water_return_temp_c"),
    ("supply_air_temp_c", "room_air_temp_c"),
)


def judge_pairs(table: Judged) -> None:
    """Apply the rules of pairs; issues are added, impossible values become NaN."""
    for name, code in _BELOW_DRY_BULB:
        _above_dry_bulb(table, name, code)
    for cold, warm in _COLD_AND_WARM:
        _swapped(table, cold, warm)


def _above_dry_bulb(table: Judged, name: str, code: str) -> None:
    if not table.has("outdoor_dry_bulb_c", name):
        return
    if table.screen(name).high <= table.screen("outdoor_dry_bulb_c").low + TOLERANCE_K:
        return
    both = ("outdoor_dry_bulb_c", name)
    above = table.where(both, lambda dry, wet: wet > dry + TOLERANCE_K)
    if not above.any():
        return
    common = above.sum() > COMMON_SHARE * table.where(both, _known).sum()
    beyond = table.values(name)[above] - table.values("outdoor_dry_bulb_c")[above]
    table.note(
        code,
        "warning" if common else "error",
        above,
        say("{name} above outdoor_dry_bulb_c", name=name),
        say("{count} rows, by up to {most:.1f} K", count=int(above.sum()), most=np.max(beyond)),
        say("measure both at one place, or export humidity"),
        say("kept: the two sensors differ in place or calibration")
        if common
        else say("both values are missing (quarantined)"),
    )
    if not common:
        table.take_out(above, "outdoor_dry_bulb_c", code)
        table.take_out(above, name, code)


def _swapped(table: Judged, cold: str, warm: str) -> None:
    """Report a supply that is warmer than its return most of the time."""
    if not table.has(cold, warm) or table.screen(cold).high <= table.screen(warm).low + TOLERANCE_K:
        return
    above = table.where((cold, warm), lambda supply, back: supply - back > TOLERANCE_K)
    below = table.where((cold, warm), lambda supply, back: back - supply > TOLERANCE_K)
    apart = above.sum() + below.sum()
    if apart < LEAST_ROWS or above.sum() < SWAPPED_SHARE * apart:
        return
    table.note(
        "D-SUPPLY-RETURN",
        "warning",
        above,
        Message.joined(", ", (cold, warm)),
        say(
            "the supply is warmer than the return in {count} of {total} rows (median {median:.1f} K): they "
            "look swapped",
            count=int(above.sum()),
            total=int(table.where((cold, warm), _known).sum()),
            median=float(np.median(table.values(cold)[above] - table.values(warm)[above])),
        ),
        say("exchange 'canonical' of the two columns in mapping.toml, if they are swapped"),
        say("kept as exported; a heat from these two has the wrong sign"),
    )


def _known(one: FloatArray, other: FloatArray) -> BoolArray:
    return np.asarray(np.isfinite(one) & np.isfinite(other))
