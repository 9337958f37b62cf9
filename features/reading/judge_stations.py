"""Work and energy that belong together: load without energy, energy without load, sleep with traffic."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.message import say
from features.reading.judged import Judged
from features.reading.numerals import BoolArray

WORKING = 0.05
"""Load or utilisation from which something certainly runs [1]."""
ASLEEP = 0.99
"""Share of the interval in an energy-saving mode from which it counts as all of it [1]."""
BUSY = 0.3
"""PRB utilisation that a sleeping cell cannot carry [1]."""
_ENERGY = ("station_energy_kwh", "station_energy_rel", "station_power_w")


def judge_loads(table: Judged) -> None:
    """Apply the rules of work and energy; issues are added, impossible values become NaN."""
    if table.kind == "base-station":
        _stations(table)
        _asleep(table)
    elif table.has("it_power_kw", "cpu_utilisation"):
        idle = (table.values("it_power_kw") == 0.0) & (table.values("cpu_utilisation") > WORKING)
        _without_energy(table, "it_power_kw", idle)


def _stations(table: Judged) -> None:
    meters = [c for c in _ENERGY if table.has(c)]
    if not meters or not table.has("prb_utilisation"):
        return
    frame = table.frame
    load = frame["prb_utilisation"].groupby([frame["site_id"], frame["timestamp"]]).transform("max")
    busy = load.to_numpy(dtype=np.float64) > WORKING
    for name in meters:
        _without_energy(table, name, (table.values(name) == 0.0) & busy)
    metered = np.zeros(len(frame), dtype=bool)
    for name in meters:
        metered |= np.isfinite(table.values(name))
    loaded = frame["prb_utilisation"].notna().to_numpy()
    with_meter, with_load = set(frame.loc[metered, "site_id"]), set(frame.loc[loaded, "site_id"])
    _alone(
        table,
        loaded & ~frame["site_id"].isin(with_meter).to_numpy(),
        "D-LOAD-WITHOUT-ENERGY",
        say("{count} stations have loads and no energy", count=len(with_load - with_meter)),
        say("export the energy of these stations too"),
        say("kept; their energy can be predicted, not learned from or checked"),
    )
    _alone(
        table,
        metered & ~frame["site_id"].isin(with_load).to_numpy(),
        "D-ENERGY-WITHOUT-LOAD",
        say("{count} stations have an energy and no load", count=len(with_meter - with_load)),
        say("export the load of their cells too"),
        say("kept; nothing tells how their energy follows their work"),
    )


def _alone(table: Judged, where: BoolArray, code: str, evidence: str, remedy: str, effect: str) -> None:
    if where.any():
        table.note(code, "warning", where, say("stations"), evidence, remedy, effect)


def _without_energy(table: Judged, name: str, where: BoolArray) -> None:
    if not where.any():
        return
    table.note(
        "D-LOAD-WITHOUT-ENERGY",
        "error",
        where,
        name,
        say("{count} intervals carry work at an energy of zero", count=int(where.sum())),
        say("check the meter: a broken one often reads zero"),
        say("the values are missing (quarantined)"),
    )
    table.take_out(where, name, "D-LOAD-WITHOUT-ENERGY")


def _asleep(table: Judged) -> None:
    """Report cells that sleep all of the interval and carry traffic all the same."""
    modes = [str(c) for c in table.frame if str(c).startswith("sleep_mode_")]
    if not modes or not table.has("prb_utilisation"):
        return
    load = table.values("prb_utilisation")
    share = pd.DataFrame({m: table.values(m) for m in modes}).max(axis=1).to_numpy()
    with np.errstate(invalid="ignore"):
        both = (share >= ASLEEP) & (load > BUSY)
    if both.any():
        table.note(
            "D-SLEEP-TRAFFIC",
            "warning",
            both,
            "prb_utilisation",
            say(
                "{count} intervals are spent asleep and carry a load of up to {most:.2f}",
                count=int(both.sum()),
                most=float(load[both].max()),
            ),
            say("check which counter the sleep flag comes from, and its stamps"),
            say("kept; the saving of sleep learned from these rows is too small"),
        )
