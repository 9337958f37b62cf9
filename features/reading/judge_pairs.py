"""Temperatures that belong together: a wet bulb, a dew point, a supply and its return."""

from __future__ import annotations

import numpy as np

from features.message import Message, say
from features.reading.judged import Judged

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
    dry, wet = table.values("outdoor_dry_bulb_c"), table.values(name)
    with np.errstate(invalid="ignore"):
        above = wet > dry + TOLERANCE_K
    if not above.any():
        return
    common = above.sum() > COMMON_SHARE * np.isfinite(wet - dry).sum()
    table.note(
        code,
        "warning" if common else "error",
        above,
        say("{name} above outdoor_dry_bulb_c", name=name),
        say(
            "{count} rows, by up to {most:.1f} K", count=int(above.sum()), most=np.nanmax((wet - dry)[above])
        ),
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
    with np.errstate(invalid="ignore"):
        away = table.values(cold) - table.values(warm)
        apart = np.abs(away) > TOLERANCE_K
        above = away > TOLERANCE_K
    if apart.sum() < LEAST_ROWS or above.sum() < SWAPPED_SHARE * apart.sum():
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
            total=int(np.isfinite(away).sum()),
            median=float(np.median(away[above])),
        ),
        say("exchange 'canonical' of the two columns in mapping.toml, if they are swapped"),
        say("kept as exported; a heat from these two has the wrong sign"),
    )
