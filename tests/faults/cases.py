"""Faulty exports by class: what each must be answered with.

The classes A to E are those of a list of faults that real uploads bring: the container (A), the text's shape
(B), time (C), physics (D) and 3GPP performance files (E). A maker writes one export into an empty folder and
returns its path; a sender (`uploads`) sends one to a server. Nothing is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from features.reading import Answer, Mapping

Maker = Callable[[Path], Path]
READ = "read"
"""Expected where the export has to be read without a refusal and without a finding of severity error."""


@dataclass(frozen=True)
class Case:
    """One faulty export.

    Parameters
    ----------
    number : str
        Class, such as ``A1``.
    name : str
    make : callable or None
    expected : tuple of str
        Codes of refusals or findings, of which at least one has to be said; `READ`: none is needed.
    heavy : bool
        Whether it takes gigabytes or many seconds; such cases are run by the command only.
    mapping : Mapping or None
        Answers that the reader is given.
    send : callable or None
        Instead of `make`: sends an upload whose session lies in a folder, and returns what was said.
    """

    number: str
    name: str
    make: Maker | None = None
    expected: tuple[str, ...] = ()
    heavy: bool = False
    mapping: Mapping | None = None
    send: Callable[[Path], str] | None = None


CASES: list[Case] = []


def fault(
    number: str, *expected: str, heavy: bool = False, mapping: Mapping | None = None
) -> Callable[[Maker], Maker]:
    """Register a maker; its name is the case's name."""

    def registered(make: Maker) -> Maker:
        CASES.append(Case(number, make.__name__, make, expected, heavy, mapping))
        return make

    return registered


STATION = Mapping(
    kind="base-station",
    answer=(
        Answer(column="PEE.AvgPower", canonical="station_power_w", unit="W"),
        Answer(column="RRU.PrbTotDl", canonical="prb_utilisation", unit="%"),
    ),
)
"""Answers that name the counters of the 3GPP cases."""


def plant(hours: int = 96, start: str = "2025-03-01") -> pd.DataFrame:
    """Return a sound hourly export of a data centre; every column moves."""
    rng = np.random.default_rng(5)
    clock = np.arange(hours)
    it = 100 + 10 * np.sin(clock * 2 * np.pi / 24) + rng.normal(0, 1, hours)
    cooling = 0.2 * it + rng.normal(0, 0.3, hours)
    return pd.DataFrame(
        {
            "timestamp": pd.date_range(start, periods=hours, freq="h").strftime("%Y-%m-%d %H:%M"),
            "it_power_kw": it.round(2),
            "facility_power_kw": (1.1 * it + cooling).round(2),
            "cooling_power_kw": cooling.round(2),
            "outdoor_dry_bulb_c": (12 + 6 * np.sin(clock / 24) + rng.normal(0, 0.4, hours)).round(2),
            "server_inlet_c": (24 + rng.normal(0, 0.3, hours)).round(2),
        }
    )


def text(table: pd.DataFrame, sep: str = ",") -> str:
    """Return a table as CSV text."""
    return str(table.to_csv(index=False, sep=sep, lineterminator="\n"))


def put(folder: Path, content: str | bytes, name: str = "site.csv") -> Path:
    """Write one file and return its path."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
