"""Fleet: one line per site of a data folder, from what was written, without opening any site."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from advisor.plan import Interval
from app.service.workspace import SiteEntry, list_sites
from features.errors import UsageError

STORE = "store"
"""Folder of the nightly run's tables inside a data folder."""

State = Literal["ok", "data issue", "drift", "fallback", "failed", "not scored"]
NEEDS_ACTION: frozenset[State] = frozenset({"data issue", "drift", "failed"})


@dataclass(frozen=True)
class FleetRow:
    """A site at a glance.

    Parameters
    ----------
    key : str
        Key of `SiteEntry` where the site can be opened, else the site's id.
    name, kind : str
    energy_kwh, green_share, pue : float or None
        Under current operation [kWh], [1], [1]; None: unknown.
    saving : Interval or None
        Energy that the plan saves [kWh].
    actions : int
        Proven actions.
    state : State
    data_end : str
        Last moment of the data, ISO 8601; "" where unknown.
    errors : int
        Findings that took values out.
    reason : str
        Why the site failed, a sentence of the core; "" where it did not.
    can_open : bool
    """

    key: str
    name: str
    kind: str
    energy_kwh: float | None
    green_share: float | None
    pue: float | None
    saving: Interval | None
    actions: int
    state: State
    data_end: str
    errors: int = 0
    reason: str = ""
    can_open: bool = True


@dataclass(frozen=True)
class Fleet:
    """The sites, and the date of the nightly run that their figures come from (None: there was none)."""

    rows: tuple[FleetRow, ...]
    as_of: date | None = None


def fleet(data: Path, own: Path | None = None) -> Fleet:
    """Return the sites of a data folder and of a session's own, those that need somebody first.

    Where ``advisor score`` has left a store under ``data/store``, the folder's figures are those of its
    last complete run, of one day; sites that it does not hold are not scored.

    Raises
    ------
    features.errors.DataError
        The store is damaged.
    """
    entries = list_sites(data)
    rows = [_row(entry) for entry in entries]
    as_of = None
    if (data / STORE).is_dir():
        from app.batch.store import read_run  # noqa: PLC0415 - most folders have no store

        with suppress(UsageError):  # no run has been completed yet
            run = read_run(data / STORE)
            as_of = pd.Timestamp(str(run.about["as_of"])).date()
            scored = [_scored(row, {e.key for e in entries}) for row in run.sites.to_dict(orient="records")]
            known = {row.key for row in scored}
            rows = [*scored, *(_unscored(row) for row in rows if row.key not in known)]
    rows += [_row(entry) for entry in list_sites(own)] if own is not None else []
    return Fleet(tuple(sorted(rows, key=_urgency)), as_of)


def _urgency(row: FleetRow) -> tuple[bool, float, str]:
    return row.state not in NEEDS_ACTION, -(row.saving.point if row.saving else 0.0), row.key


def _scored(row: Mapping[Any, Any], can_open: set[str]) -> FleetRow:
    """Return a row of the nightly run; see `app.batch.row`."""
    known = {str(name): None if pd.isna(value) else value for name, value in row.items()}
    span = [known.get(f"saving_{end}kwh") for end in ("lower_", "", "upper_")]
    complete = [float(value) for value in span if value is not None]
    return FleetRow(
        key=str(known["site_id"]),
        name=str(known.get("name") or known["site_id"]),
        kind=str(known.get("kind") or ""),
        energy_kwh=known.get("energy_kwh"),
        green_share=known.get("green_share"),
        pue=known.get("pue"),
        saving=Interval(*complete) if len(complete) == len(span) else None,
        actions=int(known.get("plan") == "supported"),
        state=_state(known),
        data_end=str(known.get("data_end") or ""),
        errors=int(known.get("findings") or 0),
        reason=str(known.get("reason") or ""),
        can_open=str(known["site_id"]) in can_open,
    )


def _state(known: Mapping[str, Any]) -> State:
    if known.get("status") != "scored":
        return "failed"
    if known.get("drift"):
        return "drift"
    if known.get("tier") == "fallback":
        return "fallback"
    return "data issue" if known.get("findings") else "ok"


def _unscored(row: FleetRow) -> FleetRow:
    """Return a site that the nightly run does not hold: its older figures are of another window."""
    return FleetRow(row.key, row.name, row.kind, None, None, None, None, 0, "not scored", row.data_end)


def _row(entry: SiteEntry) -> FleetRow:
    summary = entry.summary
    baseline, saving = summary.get("baseline") or {}, (summary.get("saving") or {}).get("energy_kwh")
    errors = _errors(entry.data / entry.key / "check" / "issues.csv")
    state: State = "not scored" if not summary else "data issue" if errors else "ok"
    return FleetRow(
        key=entry.key,
        name=entry.name,
        kind=entry.kind,
        energy_kwh=baseline.get("energy_kwh"),
        green_share=baseline.get("green_share"),
        pue=baseline.get("pue"),
        saving=Interval(**saving) if saving else None,
        actions=sum(r.get("verdict") == "supported" for r in entry.recommendations),
        state=state,
        data_end=(summary.get("provenance") or {}).get("data_end", ""),
        errors=errors,
    )


def _errors(path: Path) -> int:
    """Return how many findings took values out, as ``advisor check`` wrote them."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return sum(row.get("severity") == "error" for row in csv.DictReader(file))
    except OSError:
        return 0
