"""The row of a site in the table of sites."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pandas as pd

from advisor.plan import Interval
from app.batch.bands import Bands
from app.batch.judge import Drift, today
from app.batch.prepare import Prepared
from app.batch.tables import Row
from app.batch.tomorrow import Tomorrow

TIERS = ("full", "prior", "fallback")


def scored_row(
    prepared: Prepared, bands: Bands, tomorrow: Tomorrow, drift: Drift, *, anomalies: int, version: str
) -> Row:
    """Return the row of a scored site; numbers that nobody can know are null."""
    past, site, chosen = prepared.past, prepared.site, prepared.chosen
    judged = today(bands.recent, prepared.day)
    code, reason = _why_no_model(prepared, bands)
    return {
        "site_id": prepared.source.site_id,
        "name": (site.name or site.id) if site else prepared.source.site_id,
        "kind": past.kind,
        "status": "scored",
        "tier": _tier(bands, prepared.main_quantity),
        "code": code,
        "reason": reason,
        **_energy(prepared, bands, judged),
        "plan": tomorrow.verdict,
        "plan_code": tomorrow.code,
        "plan_reason": tomorrow.reason,
        **_saving(tomorrow),
        "currency": site.currency if site else "",
        "drift": drift.flagged,
        "drift_quantity": drift.quantity,
        "drift_share": _known(drift.share),
        "drift_p": _known(drift.chance),
        "drift_basis": drift.basis,
        "anomalies": anomalies,
        "anomalies_expected": float((1 - judged["coverage"].astype(float)).sum()),
        "judged": len(judged),
        "data_start": past.span[0].isoformat(),
        "data_end": prepared.last.isoformat(),
        "data_age_h": (prepared.day.end - prepared.last) / pd.Timedelta(hours=1),
        "zone": past.zone.name,
        "zone_assumed": past.zone.assumed,
        "interval_s": past.interval.total_seconds(),
        "units": prepared.stations,
        **{f"rows_{k.removeprefix('rows_')}": v for k, v in asdict(prepared.rows).items()},
        "findings": sum(i.severity != "info" for i in past.issues),
        "input_digest": prepared.source.digest,
        "model_id": chosen.bundle.card.model_id if chosen.bundle else "",
        "data_hash": prepared.data_hash,
        "version": version,
    }


def _tier(bands: Bands, quantity: str) -> str:
    """Return the least tier among tomorrow's rows of the main quantity."""
    seen = set(bands.ahead.loc[bands.ahead["quantity"] == quantity, "tier"])
    return next((t for t in reversed(TIERS) if t in seen), "fallback")


def _why_no_model(prepared: Prepared, bands: Bands) -> tuple[str, str]:
    notes = list(bands.notes)
    if prepared.chosen.bundle is None:
        notes.insert(0, (prepared.chosen.code, prepared.chosen.reason))
    if not notes:
        return "", ""
    return notes[0][0], "; ".join(str(reason) for _, reason in notes)


def _energy(prepared: Prepared, bands: Bands, judged: pd.DataFrame) -> Row:
    quantity = prepared.main_quantity
    factor, centre = _kwh_per_unit(prepared), prepared.past.kind == "data-centre"
    ahead = bands.ahead[bands.ahead["quantity"] == quantity]
    measured = judged.loc[judged["quantity"] == quantity, "measured"]
    steps = round((prepared.day.end - prepared.day.start) / prepared.past.interval)
    rows = steps * max(ahead["unit_id"].nunique(), 1)
    row: Row = {
        "energy_quantity": quantity,
        "measured_share": len(measured) / rows,
        "pue": _pue(judged, "measured") if centre else None,
        "pue_next": _pue(bands.ahead, "point") if centre else None,
    }
    if factor is None:
        return row
    row["energy_kwh"] = float(measured.sum()) * factor if len(measured) else None
    for name, column in (
        ("energy_next_kwh", "point"),
        ("energy_next_lower_kwh", "lower"),
        ("energy_next_upper_kwh", "upper"),
    ):
        row[name] = float(ahead[column].sum()) * factor if len(ahead) else None
    return row


def _kwh_per_unit(prepared: Prepared) -> float | None:
    """Return what one unit of the main quantity over one interval is in kWh; None where relative."""
    quantity, hours = prepared.main_quantity, prepared.past.hours
    if quantity == "station_energy_rel":
        return prepared.site.energy_unit_kwh if prepared.site else None
    if quantity == "pue":
        return None
    return {"station_energy_kwh": 1.0, "station_power_w": hours / 1000.0}.get(quantity, hours)


def _pue(table: pd.DataFrame, column: str) -> float | None:
    """Return facility over IT energy of the intervals that have both [1]."""
    keys = ["unit_id", "timestamp"]
    facility, it_power = (
        table.loc[table["quantity"] == name, [*keys, column]] for name in ("facility_power_kw", "it_power_kw")
    )
    if facility.empty or it_power.empty:
        return None
    both = facility.merge(it_power, on=keys).dropna()
    it = float(both[f"{column}_y"].sum())
    return float(both[f"{column}_x"].sum()) / it if it > 0 else None


def _saving(tomorrow: Tomorrow) -> Row:
    saving = tomorrow.saving
    if saving is None:
        return {}
    kwh: Interval | None = saving.energy_kwh
    return {
        "saving_kwh": kwh.point if kwh else None,
        "saving_lower_kwh": kwh.lower if kwh else None,
        "saving_upper_kwh": kwh.upper if kwh else None,
        "saving_pct": saving.energy_pct.point if saving.energy_pct else None,
        "saving_cost": saving.cost.point if saving.cost else None,
    }


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
