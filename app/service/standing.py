"""Where a site stands: energy, PUE, WUE, green share and carbon, each labelled, and the measures it meets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

import numpy as np
import pandas as pd

from advisor.measure import Fact, Judgement, Measure, judge
from advisor.plan import Totals
from advisor.site import Site
from features import kpi
from features.errors import DataError
from features.message import say
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
    """Figures of a site over a window, its judgement by every measure of its kind, and by which facts."""

    figures: tuple[Figure, ...]
    judgements: tuple[tuple[Measure, Judgement], ...]
    facts: Mapping[str, Fact] = field(default_factory=dict)

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
    return Standing(figures, judged, facts)


def _most(telemetry: Telemetry, name: str) -> float | None:
    return float(telemetry.frame[name].max()) if telemetry.has(name) else None


def _value(figures: tuple[Figure, ...], name: str) -> float | None:
    return next((f.value for f in figures if f.name == name), None)


# -- data centre ---------------------------------------------------------------------------------
def _data_centre(telemetry: Telemetry, site: Site | None, baseline: Totals) -> tuple[Figure, ...]:
    rows, hours = telemetry.frame[telemetry.frame["unit_id"] == ""], telemetry.hours
    facility, it, own = (hours * _column(rows, f"{c}_power_kw") for c in ("facility", "it", "pv"))
    own = own.fillna(0.0).where(own.fillna(0.0) < facility, facility)  # what is exported is not used here
    water = _column(rows, "water_m3")
    return (
        _energy(facility, baseline),
        _pue(rows, facility, it, baseline),
        _ratio("WUE", "L/kWh", say("make-up water over IT energy"), lambda: kpi.wue(water, it)),
        _green_share(site, own, facility, rows),
        _carbon(site, _total(facility - own), facility, rows, baseline),
    )


def _energy(facility_kwh: pd.Series, baseline: Totals) -> Figure:
    energy_kwh = _total(facility_kwh)
    if energy_kwh is None:
        if baseline.energy_kwh is None:
            return Figure(
                say("Energy"), None, "kWh", "measured", say("no facility power meter in the export")
            )
        return Figure(
            say("Energy"), baseline.energy_kwh, "kWh", "modelled", say("under the current set-points")
        )
    missing, wanted = int(facility_kwh.isna().sum()), len(facility_kwh)
    note = (
        say("facility meter; {missing} of {wanted} intervals missing", missing=missing, wanted=wanted)
        if missing
        else say("facility meter")
    )
    return Figure(say("Energy"), energy_kwh, "kWh", "measured", note)


def _pue(rows: pd.DataFrame, facility_kwh: pd.Series, it_kwh: pd.Series, baseline: Totals) -> Figure:
    measured = _ratio(
        "PUE",
        "1",
        say("facility energy over IT energy, over this window"),
        lambda: kpi.pue(facility_kwh, it_kwh),
    )
    column = _column(rows, "pue")
    if measured.value is not None:
        return measured
    if column.notna().any():
        return Figure(say("PUE"), float(column.mean()), "1", "measured", say("mean of the exported PUE"))
    if baseline.pue is not None:
        return Figure(say("PUE"), baseline.pue, "1", "modelled", say("under the current set-points"))
    return measured


# -- base stations -------------------------------------------------------------------------------
def _base_stations(telemetry: Telemetry, site: Site | None, baseline: Totals) -> tuple[Figure, ...]:
    frame = telemetry.frame
    energy_kwh, note = _station_energy(telemetry, site)
    relative = _column(frame, "station_energy_rel")
    load = _column(frame, "prb_utilisation")
    mean_load = float(load.mean()) if load.notna().any() else None
    said = (
        say("mean PRB utilisation of the cells")
        if load.notna().any()
        else say("no PRB utilisation in the export")
    )
    known = pd.Series([np.nan if energy_kwh is None else energy_kwh])
    figures = [
        Figure(say("Energy"), energy_kwh, "kWh", "measured", note),
        Figure(say("Mean load"), mean_load, "%", "measured", said),
        _green_share(site, 0.0 * known, known, frame),
        _carbon(site, energy_kwh, known, frame, baseline),
    ]
    if energy_kwh is None and relative.notna().any():
        figures[0] = Figure(
            say("Energy"),
            float(relative.sum()),
            "rel",
            "measured",
            say("relative units: declare energy_unit_kwh in site.toml to get kWh, money and CO2"),
        )
    return tuple(figures)


def _station_energy(telemetry: Telemetry, site: Site | None) -> tuple[float | None, str]:
    frame = telemetry.frame
    metered, power = _column(frame, "station_energy_kwh"), _column(frame, "station_power_w")
    relative = _column(frame, "station_energy_rel")
    if metered.notna().any():
        return float(metered.sum()), say(
            "station meters, {readings} readings", readings=int(metered.notna().sum())
        )
    if power.notna().any():
        return float(power.sum()) * telemetry.hours / 1000, say("station power meters")
    if relative.notna().any() and site is not None and site.energy_unit_kwh is not None:
        return float(relative.sum()) * site.energy_unit_kwh, say(
            "relative meter times the declared energy_unit_kwh"
        )
    return None, say("no station energy in the export")


# -- green share and carbon ----------------------------------------------------------------------
def _green_share(site: Site | None, own_kwh: pd.Series, used_kwh: pd.Series, rows: pd.DataFrame) -> Figure:
    column = _column(rows, "green_share")
    if column.notna().any():
        return Figure(
            say("Green share"), float(column.mean()), "%", "measured", say("mean of the exported share")
        )
    if site is None or site.green is None:
        return Figure(
            say("Green share"), None, "%", "assumed", say("declare [green] grid_share in site.toml")
        )
    share, label = site.green.grid_share, _declared(site, "green", site.green.source)
    if not own_kwh.any():  # without generation of its own, a site's share is that of its purchase
        return Figure(say("Green share"), share, "%", label, site.green.source)
    green = own_kwh + share * (used_kwh - own_kwh)
    return _ratio(say("Green share"), "%", site.green.source, lambda: kpi.green_share(green, used_kwh), label)


def _carbon(
    site: Site | None, bought_kwh: float | None, used_kwh: pd.Series, rows: pd.DataFrame, baseline: Totals
) -> Figure:
    name, about = say("Carbon"), "kg CO2e"
    factor = _column(rows, "carbon_g_per_kwh")
    if len(factor) == len(used_kwh) and (factor.notna() & used_kwh.notna()).all() and len(rows):
        kilograms = float((factor * used_kwh).sum()) / 1000
        return Figure(
            name, kilograms, about, "modelled", say("attributional: hourly grid factor times energy")
        )
    if site is None or site.carbon is None:
        return Figure(name, None, about, "assumed", say("declare [carbon] factor_kg_per_kwh in site.toml"))
    if bought_kwh is None:
        if baseline.carbon_kg is not None:
            return Figure(name, baseline.carbon_kg, about, "modelled", say("under the current set-points"))
        return Figure(name, None, about, "assumed", say("needs energy in kWh"))
    note = say(
        "attributional: {factor:g} kg/kWh, {source}",
        factor=site.carbon.factor_kg_per_kwh,
        source=site.carbon.source,
    )
    return Figure(name, bought_kwh * site.carbon.factor_kg_per_kwh, about, "modelled", note)


def _declared(site: Site, key: str, source: str) -> Label:
    assumed = "assum" in source.lower() or any(name.split(".")[0] == key for name in site.assumed)
    return "assumed" if assumed else "published"


def _column(rows: pd.DataFrame, name: str) -> pd.Series:
    return rows[name] if name in rows else pd.Series(np.nan, index=rows.index)


def _total(energy_kwh: pd.Series) -> float | None:
    return float(energy_kwh.sum()) if energy_kwh.notna().any() else None


def _ratio(
    name: str, unit: str, note: str, indicator: Callable[[], float], label: Label = "measured"
) -> Figure:
    """Return an indicator, or why it cannot be told."""
    try:
        return Figure(name, indicator(), unit, label, note)
    except DataError as error:
        return Figure(name, None, unit, label, say("{what} ({where})", what=error.what, where=error.where))
