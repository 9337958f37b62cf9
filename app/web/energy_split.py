"""Where the energy goes: parts of a data centre, or the stations that use most."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from app.service.workspace import SiteCase
from app.web.figures import badge, percent, plain
from app.web.language import Language
from app.web.nodes import Node, node
from features.telemetry import Telemetry

PARTS = (("it_power_kw", "c1"), ("cooling_power_kw", "c2"), ("ups_loss_kw", "c3"))
MOST_STATIONS = 6
STATION_COLUMNS = (("station_energy_kwh", "kWh"), ("station_energy_rel", "rel"))


@dataclass(frozen=True)
class Part:
    """A part of the energy.

    ``share`` [1] of the whole; ``energy`` in ``unit``; ``name`` is a canonical column, ``rest`` or a
    station's id.
    """

    name: str
    energy: float
    unit: str
    share: float
    colour: str


def parts_of(telemetry: Telemetry) -> tuple[Part, ...]:
    """Return where the energy goes; empty where too little is metered.

    Only intervals in which every part is measured count, so that the parts belong together.
    """
    return _of_data_centre(telemetry) if telemetry.kind == "data-centre" else _of_stations(telemetry)


def _of_data_centre(telemetry: Telemetry) -> tuple[Part, ...]:
    names = [name for name, _ in PARTS if telemetry.has(name)]
    if not telemetry.has("facility_power_kw") or len(names) < 2:
        return ()
    rows = telemetry.frame.loc[telemetry.frame["unit_id"] == "", ["facility_power_kw", *names]].dropna()
    whole = float(rows["facility_power_kw"].sum()) * telemetry.hours
    if whole <= 0:
        return ()
    energy = {name: float(rows[name].sum()) * telemetry.hours for name in names}
    rest = whole - sum(energy.values())
    colours = dict(PARTS)
    parts = [Part(n, e, "kWh", e / whole, colours[n]) for n, e in energy.items()]
    return (*parts, Part("rest", rest, "kWh", rest / whole, "c4")) if rest > 0 else tuple(parts)


def _of_stations(telemetry: Telemetry) -> tuple[Part, ...]:
    for column, unit in STATION_COLUMNS:
        if telemetry.has(column):
            by_station: pd.Series = telemetry.frame.groupby("site_id", observed=True)[column].sum()
            whole = float(by_station.sum())
            most = by_station.sort_values(ascending=False, kind="stable").head(MOST_STATIONS)
            return tuple(Part(str(s), float(e), unit, float(e) / whole, "c1") for s, e in most.items())
    return ()


def split_card(case: SiteCase, language: Language) -> Node:
    """Return the card."""
    parts = parts_of(case.telemetry)
    stations = case.telemetry.kind == "base-station"
    title = language.text("split.stations" if stations else "split.title")
    if not parts:
        return node("section", node("h2", title), node("p", language.text("split.none")), cls="card")
    names = {p.name: _name(p.name, language, stations) for p in parts}
    bar = node(
        "div", [node("span", cls=p.colour, style=f"--share:{100 * p.share:.2f}%") for p in parts],
        cls="bar", role="img", aria_label=title,
    )  # fmt: skip
    head = [language.text(f"split.{name}") for name in ("part", "energy", "share")]
    rows = [
        node(
            "tr",
            node("td", node("span", cls=f"swatch {p.colour}") if not stations else None, names[p.name]),
            node("td", plain(p.energy, p.unit, language).text, cls="number"),
            node("td", percent(language, p.share), cls="number"),
        )
        for p in parts
    ]
    return node(
        "section",
        node("div", node("h2", title), badge(language, "measured"), cls="spread"),
        node("p", _sentence(parts, language, stations), cls="small"),
        None if stations else bar,
        node(
            "table",
            node(
                "thead",
                node(
                    "tr",
                    [node("th", t, scope="col", cls="number" if i else None) for i, t in enumerate(head)],
                ),
            ),
            node("tbody", rows),
        ),
        cls="card",
    )


def _name(name: str, language: Language, stations: bool) -> str:
    if stations:
        return name
    return language.text("split.rest") if name == "rest" else language.column(name)


def _sentence(parts: tuple[Part, ...], language: Language, stations: bool) -> str:
    if stations:
        return language.text(
            "split.stations_sentence", n=len(parts), share=percent(language, sum(p.share for p in parts))
        )
    above = sum(p.energy for p in parts if p.name != "it_power_kw")
    return language.text("split.sentence", energy=plain(above, "kWh", language).text)
