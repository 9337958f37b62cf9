"""What real plants' exports tell of every lever: effect on power at equal heat and weather, or why not.

    python tests/benchmarks/lever_effects.py [--seed 0]

Reads the chiller plants in ``shared`` beside the repository and writes ``results/lever_effects.md``. The fan
frequency, the chillers' own meter and the flow of the Hsinchu plant are read from its file: they are no
canonical columns.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from features.frame import FloatArray
from features.psychrometrics import wet_bulb
from features.reading import read_paths
from features.telemetry import Telemetry
from models.lever_effect import Conditions, Estimate, Lever, LeverEffect, lever_effect
from tests.benchmarks.backtests import markdown

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
RESULTS = Path(__file__).parent / "results" / "lever_effects.md"
HSINCHU, SINGAPORE = "chiller_plant_hsinchu", "chiller_singapore"
LEAST_FREE_K = 0.4
FANS = "tower fans"
NOT_EXPORTED = {
    HSINCHU: ("chilled-water supply temperature or set-point", "flow of the condenser water"),
    SINGAPORE: (
        "chilled-water supply temperature or set-point", "number of chillers running", "speed of tower fans",
        "flow of the condenser water",
    ),
}  # fmt: skip


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rows = []
    for name, make in ((HSINCHU, hsinchu), (SINGAPORE, singapore)):
        for what, lever, power, conditions in make():
            found = lever_effect(power, lever, conditions, args.seed)
            if lever.name == FANS:
                found = not_followed(found, lever, conditions, args.seed)
            rows.append(row_of(name, what, lever, found))
            print(rows[-1], flush=True)
        rows += [missing_row(name, lever) for lever in NOT_EXPORTED[name]]
    text = [
        "# Effects of levers on real plants",
        f"- made by: `python tests/benchmarks/lever_effects.py --seed {args.seed}`",
        "- effect: % of the power per step of the lever, at equal heat, wet and dry bulb, hour, season and "
        "chillers running, in settled steps only (heat within 5 % of an hour ago); 90 % intervals over "
        "weeks. Told only if ridge and trees agree, zero lies outside both intervals, and the reading of an "
        "hour ago tells the same.",
        markdown(pd.DataFrame(rows)),
    ]
    RESULTS.write_text("\n\n".join(text) + "\n", encoding="utf-8", newline="\n")
    print(f"wrote {RESULTS}")


def not_followed(found: LeverEffect, lever: Lever, conditions: Conditions, seed: int) -> LeverEffect:
    """Return what is told of fans: where faster ones go with warmer water, they follow it."""
    telemetry, _ = read_paths([DATA / HSINCHU])
    water = lever_effect(_column(telemetry, "condenser_water_temp_c"), lever, conditions, seed)
    forms = [e.point for e in (water.ridge, water.trees) if e is not None]
    if not found.told or max(forms, default=0.0) <= 0:
        return found
    return replace(
        found,
        told=False,
        reason="faster fans go with warmer condenser water: the controller moves them after it",
    )


Case = tuple[str, Lever, FloatArray, Conditions]


def hsinchu() -> Iterator[Case]:
    """Yield the levers of the Hsinchu plant: three chillers, their pumps and towers."""
    telemetry, _ = read_paths([DATA / HSINCHU])
    raw = pd.read_csv(DATA / HSINCHU / "plant.csv", parse_dates=["DateTime"]).set_index("DateTime")
    raw = raw[~raw.index.duplicated()]
    raw.index = raw.index.tz_localize("UTC")  # wall-clock time, as the reader leaves it
    running = {n: _column(telemetry, "thermal_load_kw", n) for n in telemetry.frame["unit_id"].unique() if n}
    on = {n: (np.nan_to_num(v) > 0).astype(np.float64) for n, v in running.items()}
    grid = _grid(telemetry)
    condenser = _column(telemetry, "condenser_water_temp_c")
    system = _column(telemetry, "cooling_power_kw")
    own = {c: raw[c].reindex(grid).to_numpy(dtype=np.float64) for c in ("KW", "CT_Freq_mean", "QCH_mean")}
    water = Lever("condenser water entering the chillers", condenser, "K", 1.0, LEAST_FREE_K)
    equal = _conditions(telemetry, on)
    yield "chillers alone", water, own["KW"], equal
    yield "chillers, pumps and towers", water, system, equal
    yield (
        "chillers, pumps and towers",
        Lever(FANS, own["CT_Freq_mean"], "Hz", 1.0, 0.5),
        system,
        equal,
    )
    yield "chillers alone", Lever("chilled-water flow", own["QCH_mean"], "m3/h", 10.0, 5.0), own["KW"], equal
    count = sum(on.values())
    some = _conditions(telemetry, {})
    for name, runs in on.items():
        alone = np.where((count == 1) & (runs > 0), condenser, np.nan)
        yield (
            f"{name} alone",
            Lever("condenser water entering it", alone, "K", 1.0, LEAST_FREE_K),
            own["KW"],
            some,
        )
    beside = np.where(on["P2_CH01"] > 0, on["P1_CH01"], np.nan)
    two = Lever("P1_CH01 beside P2_CH01, not P2_CH01 alone", beside, "chillers", 1.0, 0.1)
    yield "chillers, pumps and towers", two, system, some
    for first, second in (("P2_CH01", "P1_CH02"), ("P1_CH01", "P1_CH02"), ("P2_CH01", "P1_CH01")):
        other = np.where((count == 1) & (on[first] + on[second] > 0), on[first], np.nan)
        which = Lever(f"{first} alone, not {second} alone", other, "chillers", 1.0, 0.1)
        yield "chillers, pumps and towers", which, system, some


def singapore() -> Iterator[Case]:
    """Yield the levers of the Singapore plant."""
    telemetry, _ = read_paths([DATA / SINGAPORE])
    equal = _conditions(telemetry, {})
    chillers = _column(telemetry, "cooling_power_kw")
    condenser = _column(telemetry, "condenser_water_temp_c")
    yield (
        "chillers",
        Lever("condenser water entering the chillers", condenser, "K", 1.0, 0.4),
        chillers,
        equal,
    )
    flow = _column(telemetry, "chilled_water_flow_l_s")
    yield "chillers", Lever("chilled-water flow", flow, "L/s", 5.0, 2.0), chillers, equal


def _grid(telemetry: Telemetry) -> pd.DatetimeIndex:
    series = telemetry.site_series(telemetry.site_ids[0])
    return pd.date_range(series.index[0], series.index[-1], freq=telemetry.interval)


def _column(telemetry: Telemetry, name: str, unit: str = "") -> FloatArray:
    frame = telemetry.frame
    values = frame[frame["unit_id"] == unit].set_index("timestamp")[name]
    return values.reindex(_grid(telemetry)).to_numpy(dtype=np.float64)


def _conditions(telemetry: Telemetry, others: dict[str, FloatArray]) -> Conditions:
    grid = _grid(telemetry)
    local = telemetry.local(grid)
    dry = _column(telemetry, "outdoor_dry_bulb_c")
    if "outdoor_wet_bulb_c" in telemetry.frame:
        wet = _column(telemetry, "outdoor_wet_bulb_c")
    else:
        wet = wet_bulb(dry, _column(telemetry, "outdoor_rh_pct"), _column(telemetry, "air_pressure_kpa"))
    return Conditions(
        _column(telemetry, "thermal_load_kw"), wet, dry,
        (local.day_of_week.to_numpy() * 24 + local.hour.to_numpy()).astype(np.int64),
        ((grid - grid[0]) // pd.Timedelta(days=7)).to_numpy().astype(np.int64),
        others, round(1.0 / telemetry.hours),
    )  # fmt: skip


def row_of(site: str, what: str, lever: Lever, found: LeverEffect) -> dict[str, object]:
    """Return one line of the table."""
    step = "" if lever.unit == "chillers" else f", per {lever.step:g} {lever.unit}"
    return {
        "plant": site, "lever": lever.name + step, "power of": what,
        "steps, weeks": f"{found.rows:,}, {found.weeks}", "free movement": f"{found.free:.2g} {lever.unit}",
        "ridge [%]": _words(found.ridge), "trees [%]": _words(found.trees),
        "an hour ago [%]": _words(found.lagged),
        "told": _words(found.effect) if found.told else "cannot tell", "why": found.reason,
    }  # fmt: skip


def missing_row(site: str, lever: str) -> dict[str, object]:
    """Return the line of a lever that an export does not hold."""
    empty = dict.fromkeys(
        ("power of", "steps, weeks", "free movement", "ridge [%]", "trees [%]", "an hour ago [%]"), ""
    )
    return {"plant": site, "lever": lever, **empty, "told": "cannot tell", "why": "not exported"}


def _words(e: Estimate | None) -> str:
    return "" if e is None else f"{e.point:+.1f} ({e.lower:+.1f} to {e.upper:+.1f})"


if __name__ == "__main__":
    main()
