"""Where a site stands: energy, PUE, WUE, green share and carbon, each labelled, and the measures it meets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import pandas as pd

from advisor.measure import Fact, Judgement, Measure, judge
from advisor.plan import Totals
from advisor.site import Site
from features.telemetry import Telemetry

Label = Literal["measured", "published", "modelled", "assumed"]


@dataclass(frozen=True)
class Figure:
    """One figure with its unit, label and what it rests on (or why it is unknown)."""

    name: str
    value: float | None
    unit: str
    label: Label
    note: str


@dataclass(frozen=True)
class Standing:
    """Figures of a site over a window, and its judgement by every measure of its kind."""

    figures: tuple[Figure, ...]
    judgements: tuple[tuple[Measure, Judgement], ...]

    def value(self, name: str) -> float | None:
        """Return a figure's value."""
        return next((f.value for f in self.figures if f.name == name), None)


def standing(
    telemetry: Telemetry, site: Site | None, baseline: Totals, measures: tuple[Measure, ...], on: date
) -> Standing:
    """Return where the site stands over the telemetry's span.

    Parameters
    ----------
    telemetry : Telemetry
        The window that is reported.
    site : Site or None
        What the site declares (factors, shares, facts for the measures).
    baseline : Totals
        Modelled totals under the current set-points: shown where nothing was measured.
    measures : tuple of Measure
    on : datetime.date
        Day of the judgement.
    """
    if telemetry.kind == "data-centre":
        figures = _data_centre(telemetry, site, baseline)
    else:
        figures = _base_stations(telemetry, site, baseline)
    facts: dict[str, Fact] = {
        "kind": telemetry.kind,
        "pue": _value(figures, "PUE"),
        "wue": _value(figures, "WUE"),
        "green_share": _value(figures, "Green share"),
        "server_inlet_temp_c": _most(telemetry, "server_inlet_temp_c"),
        "it_power_demand_kw": _most(telemetry, "it_power_kw"),
    }
    if site is not None:
        facts |= {
            "hub_node": site.hub_node,
            "new_build": site.new_build,
            "standard_racks": None if site.standard_racks is None else float(site.standard_racks),
            "region": site.region or None,
            "country": site.country or None,
            "zone_set_point_c": site.current.get("zone_set_point_c"),
        }
    judged = tuple((m, judge(m, facts, on=on)) for m in measures if telemetry.kind in m.applies_to)
    return Standing(figures, judged)


def _most(telemetry: Telemetry, name: str) -> float | None:
    return float(telemetry.frame[name].max()) if telemetry.has(name) else None


def _value(figures: tuple[Figure, ...], name: str) -> float | None:
    return next((f.value for f in figures if f.name == name), None)


# -- data centre ---------------------------------------------------------------------------------
def _data_centre(telemetry: Telemetry, site: Site | None, baseline: Totals) -> tuple[Figure, ...]:
    rows = telemetry.frame[telemetry.frame["unit_id"] == ""]
    facility, it, water = (_column(rows, c) for c in ("facility_power_kw", "it_power_kw", "water_m3"))
    pv = np.minimum(_column(rows, "pv_power_kw").fillna(0.0), facility)
    hours = telemetry.hours
    energy_kwh = _total(facility, hours)
    both = facility.notna() & it.notna()
    wet = water.notna() & it.notna()
    return (
        _energy(facility, energy_kwh, baseline),
        _pue(rows, _ratio(facility[both].sum(), it[both].sum()), baseline),
        _or_unknown(
            "WUE",
            _ratio(1000 * water[wet].sum(), it[wet].sum() * hours),
            "L/kWh",
            "make-up water over IT energy",
            "needs metered make-up water and IT power",
        ),
        _green_share(site, _ratio(pv.sum(), facility.sum()) or 0.0, energy_kwh, rows),
        _carbon(
            site, None if energy_kwh is None else energy_kwh - float(pv.sum()) * hours, rows, hours, baseline
        ),
    )


def _energy(power: pd.Series, energy_kwh: float | None, baseline: Totals) -> Figure:
    if energy_kwh is None:
        if baseline.energy_kwh is None:
            return Figure("Energy", None, "kWh", "measured", "no facility power meter in the export")
        return Figure("Energy", baseline.energy_kwh, "kWh", "modelled", "under the current set-points")
    known, wanted = int(power.notna().sum()), len(power)
    note = (
        "facility meter"
        if known == wanted
        else f"facility meter; {wanted - known} of {wanted} intervals missing"
    )
    return Figure("Energy", energy_kwh, "kWh", "measured", note)


def _pue(rows: pd.DataFrame, ratio: float | None, baseline: Totals) -> Figure:
    if ratio is not None:
        return Figure("PUE", ratio, "1", "measured", "facility energy over IT energy, over this window")
    column = _column(rows, "pue")
    if column.notna().any():
        return Figure("PUE", float(column.mean()), "1", "measured", "mean of the exported PUE")
    if baseline.pue is not None:
        return Figure("PUE", baseline.pue, "1", "modelled", "under the current set-points")
    return Figure("PUE", None, "1", "measured", "needs facility power and IT power")


# -- base stations -------------------------------------------------------------------------------
def _base_stations(telemetry: Telemetry, site: Site | None, baseline: Totals) -> tuple[Figure, ...]:
    frame = telemetry.frame
    energy_kwh, note = _station_energy(telemetry, site)
    relative = _column(frame, "station_energy_rel")
    load = _column(frame, "prb_utilisation")
    mean_load = float(load.mean()) if load.notna().any() else None
    no_load = "no PRB utilisation in the export"
    figures = [
        Figure("Energy", energy_kwh, "kWh", "measured", note),
        _or_unknown("Mean load", mean_load, "%", "mean PRB utilisation of the cells", no_load),
        _green_share(site, 0.0, energy_kwh, frame),
        _carbon(site, energy_kwh, frame, telemetry.hours, baseline),
    ]  # fmt: skip
    if energy_kwh is None and relative.notna().any():
        figures[0] = Figure(
            "Energy", float(relative.sum()), "rel", "measured",
            "relative units: declare energy_unit_kwh in site.toml to get kWh, money and CO2",
        )  # fmt: skip
    return tuple(figures)


def _station_energy(telemetry: Telemetry, site: Site | None) -> tuple[float | None, str]:
    frame = telemetry.frame
    metered, power = _column(frame, "station_energy_kwh"), _column(frame, "station_power_w")
    relative = _column(frame, "station_energy_rel")
    if metered.notna().any():
        return float(metered.sum()), f"station meters, {int(metered.notna().sum())} readings"
    if power.notna().any():
        return float(power.sum()) * telemetry.hours / 1000, "station power meters"
    if relative.notna().any() and site is not None and site.energy_unit_kwh is not None:
        return float(
            relative.sum()
        ) * site.energy_unit_kwh, "relative meter times the declared energy_unit_kwh"
    return None, "no station energy in the export"


# -- green share and carbon ----------------------------------------------------------------------
def _green_share(site: Site | None, pv_share: float, energy_kwh: float | None, rows: pd.DataFrame) -> Figure:
    column = _column(rows, "green_share")
    if column.notna().any():
        return Figure("Green share", float(column.mean()), "%", "measured", "mean of the exported share")
    if site is None or site.green is None:
        return Figure("Green share", None, "%", "assumed", "declare [green] grid_share in site.toml")
    if energy_kwh is None and pv_share:
        return Figure("Green share", None, "%", "measured", "needs the facility's energy")
    share = pv_share + (1 - pv_share) * site.green.grid_share
    return Figure("Green share", share, "%", _declared(site, "green", site.green.source), site.green.source)


def _carbon(
    site: Site | None, bought_kwh: float | None, rows: pd.DataFrame, hours: float, baseline: Totals
) -> Figure:
    name, about = "Carbon", "kg CO2e"
    factor = _column(rows, "carbon_g_per_kwh")
    power = _column(rows, "facility_power_kw")
    if (factor.notna() & power.notna()).all() and len(rows):
        kilograms = float((factor * power).sum()) * hours / 1000
        return Figure(name, kilograms, about, "modelled", "attributional: hourly grid factor times energy")
    if site is None or site.carbon is None:
        return Figure(name, None, about, "assumed", "declare [carbon] factor_kg_per_kwh in site.toml")
    if bought_kwh is None:
        if baseline.carbon_kg is not None:
            return Figure(name, baseline.carbon_kg, about, "modelled", "under the current set-points")
        return Figure(name, None, about, "assumed", "needs energy in kWh")
    note = f"attributional: {site.carbon.factor_kg_per_kwh:g} kg/kWh, {site.carbon.source}"
    return Figure(name, bought_kwh * site.carbon.factor_kg_per_kwh, about, "modelled", note)


def _declared(site: Site, key: str, source: str) -> Label:
    assumed = "assum" in source.lower() or any(name.split(".")[0] == key for name in site.assumed)
    return "assumed" if assumed else "published"


def _column(rows: pd.DataFrame, name: str) -> pd.Series:
    return rows[name] if name in rows else pd.Series(np.nan, index=rows.index)


def _total(power: pd.Series, hours: float) -> float | None:
    return float(power.sum()) * hours if power.notna().any() else None


def _ratio(over: float, under: float) -> float | None:
    return float(over / under) if under > 0 else None


def _or_unknown(name: str, value: float | None, unit: str, note: str, why: str) -> Figure:
    return Figure(name, value, unit, "measured", why if value is None else note)
