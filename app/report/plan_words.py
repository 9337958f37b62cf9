"""What a plan of a portfolio does, in words, from its commands: which work moves, what batteries do, when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from advisor.plan import Interval
from advisor.portfolio_plan import PortfolioPlan, SitePlan
from app import wording
from features.frame import FloatArray

MOST_SHARE = 0.6
"""Hours are named that hold this share of what happens [1]."""
LONGEST = 10
"""A longer stretch of hours is no longer a time of the day [h]."""
LEAST = 0.002
"""What is below this share of the work or of the purchase is not worth a sentence [1]."""
MOST_PLACES = 8
WORK = ("it_power_kw", "facility_power_kw")


def place_of(site_id: str) -> str:
    """Return where a supply stands: a station's site, or the site itself."""
    return site_id.split("/", maxsplit=1)[0]


def places_of(plan: PortfolioPlan) -> dict[str, list[SitePlan]]:
    """Return the plans of each place: stations with meters of their own stand together."""
    found: dict[str, list[SitePlan]] = {}
    for part in plan.sites:
        found.setdefault(place_of(part.case.dispatch.site_id), []).append(part)
    return found


def _names(plan: PortfolioPlan) -> dict[str, str]:
    return {
        place: place if len(parts) == 1 else f"{place} ({len(parts)} stations)"
        for place, parts in places_of(plan).items()
    }


def plan_words(commands: pd.DataFrame, plan: PortfolioPlan) -> tuple[str, ...]:
    """Return sentences on what commands of a plan change."""
    return in_words(commands, plan.horizon.hours, _names(plan))


def in_words(commands: pd.DataFrame, hours: float, names: Mapping[str, str]) -> tuple[str, ...]:
    """Return sentences on what commands change.

    Parameters
    ----------
    commands : pandas.DataFrame
        `advisor.plan.PLAN_COLUMNS` of one plan.
    hours : float
        Length of a step [h].
    names : mapping
        Place -> what it is called.
    """
    if commands.empty:
        return ()
    table = commands.assign(
        place=commands["site_id"].map(place_of),
        hour=commands["local_timestamp"].str[11:13].astype(int),
        now=hours * commands["current"],
        change=hours * (commands["recommended"] - commands["current"]),
    )
    return (
        *_classes(table, names), *_flexible(table, names), *_batteries(table, names),
        *_purchases(table, names),
    )  # fmt: skip


def busiest(profile: FloatArray) -> str:
    """Return the shortest stretch of the day that holds most of a profile, such as ``11:00–15:00``.

    Parameters
    ----------
    profile : numpy.ndarray, shape (24,)
        Amount in each hour of the day.

    Returns
    -------
    str
        "": nothing happens, or it is spread over the day.
    """
    total = float(profile.sum())
    if total <= 0:
        return ""
    summed = np.concatenate([[0.0], np.cumsum(np.concatenate([profile, profile]))])
    for width in range(1, LONGEST + 1):
        held = summed[width : width + 24] - summed[:24]
        if held.max() >= MOST_SHARE * total:
            start = int(np.argmax(held))
            return f"{start:02d}:00–{(start + width) % 24:02d}:00"
    return ""


def _profile(rows: pd.DataFrame, column: str = "change", sign: int = 1) -> FloatArray:
    amount = (sign * rows[column]).clip(lower=0.0)
    return np.asarray(amount.groupby(rows["hour"]).sum().reindex(range(24), fill_value=0.0), dtype=np.float64)


def _when(rows: pd.DataFrame) -> str:
    """Return from which hours to which the change goes."""
    gone, come = busiest(_profile(rows, sign=-1)), busiest(_profile(rows))
    if gone == come:
        return ""
    if gone and come:
        return f"; mostly from {gone} to {come}"
    return f"; mostly out of {gone}" if gone else f"; mostly into {come}"


def _classes(table: pd.DataFrame, names: Mapping[str, str]) -> Iterator[str]:
    for name, rows in table[table["unit_id"] != ""].groupby("unit_id"):
        total, moved = float(rows["now"].sum()), float(rows["change"].clip(lower=0.0).sum())
        if moved <= LEAST * total:
            yield f"{name}: done as it arrives."
            continue
        net = rows.groupby("place")["change"].sum()
        gains = [
            f"{_kwh(kwh)} of it goes to {names[str(p)]}" for p, kwh in net.items() if kwh > LEAST * total
        ]
        where = f", {', '.join(gains)}" if gains else ""
        yield f"{name}: {_kwh(moved)} of {_kwh(total)} moved{where}{_when(rows)}."


def _flexible(table: pd.DataFrame, names: Mapping[str, str]) -> Iterator[str]:
    """Yield what the work does that belongs to no class: a site's total less its classes."""
    keys = ["site_id", "timestamp"]
    whole = table[table["lever"].isin(WORK) & (table["unit_id"] == "")].set_index(keys)
    classes = table[table["unit_id"] != ""].groupby(keys)["change"].sum()
    rest = whole.assign(change=whole["change"].sub(classes.reindex(whole.index, fill_value=0.0)))
    for place, rows in rest.groupby("place"):
        total, come = float(rows["now"].sum()), float(rows["change"].clip(lower=0.0).sum())
        gone = float((-rows["change"]).clip(lower=0.0).sum())
        if max(come, gone) <= LEAST * total:
            continue
        arrives = f"{_kwh(come)} arrives" if come > LEAST * total else "nothing arrives"
        leaves = f"{_kwh(gone)} leaves its hour" if gone > LEAST * total else "nothing leaves its hour"
        yield f"Flexible work of {names[str(place)]}: {leaves}, {arrives}{_when(rows)}."


def _batteries(table: pd.DataFrame, names: Mapping[str, str]) -> Iterator[str]:
    for place, rows in _by_place(table[table["lever"] == "battery_discharge_kw"]):
        charged = table[(table["lever"] == "battery_charge_kw") & (table["place"] == place)]
        delivered, taken = float(rows["change"].sum()), float(charged["change"].sum())
        if delivered <= 0.0:
            yield f"Battery of {names[place]}: rests."
            continue
        out, into = busiest(_profile(rows)), busiest(_profile(charged))
        yield (
            f"Battery of {names[place]}: delivers {_kwh(delivered)}{', mostly ' + out if out else ''}; takes "
            f"in {_kwh(taken)}{', mostly ' + into if into else ''}."
        )


def _purchases(table: pd.DataFrame, names: Mapping[str, str]) -> Iterator[str]:
    for place, rows in _by_place(table[table["lever"] == "grid_power_kw"]):
        now, change = float(rows["now"].sum()), float(rows["change"].sum())
        if abs(change) > LEAST * now:
            yield f"{names[place]} buys {change_of(now, now + change, 'kWh')}."


def _by_place(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for n, (place, part) in enumerate(rows.groupby("place")):
        if n < MOST_PLACES:
            yield str(place), part


def local_window(plan: PortfolioPlan) -> tuple[pd.Timestamp, pd.Timestamp, str]:
    """Return start and end in local time, and the zone's name."""
    zone = plan.horizon.zone or plan.sites[0].case.zone
    start, end = (moment.tz_convert(zone.tzinfo()).tz_localize(None) for moment in plan.horizon.window)
    return start, end, zone.name


def _kwh(value: float) -> str:
    return amount(value, "kWh")


def amount(value: float | None, unit: str, significant: int = 3) -> str:
    """Return a figure in the unit that reads best: kWh or MWh, kg or t."""
    if value is None or not np.isfinite(value):
        return wording.DASH
    span, name = wording.readable(Interval(value, value, value), unit)
    point = value if span is None else span.point
    places = wording.decimals(point, significant=significant)
    return f"{wording.number(point, places)} {wording.unit(name)}".rstrip()


def change_of(old: float | None, new: float | None, unit: str) -> str:
    """Return ``old → new unit``, both in the unit that reads best for the larger one; once where equal."""
    if old is None or new is None:
        return wording.DASH
    span, name = wording.readable(Interval(min(old, new), new, max(old, new)), unit)
    if span is None:
        return wording.DASH
    before = wording.number(span.lower if old <= new else span.upper)
    return f"{_arrow(before, wording.number(span.point))} {wording.unit(name)}".rstrip()


def share_change(old: float | None, new: float | None) -> str:
    """Return two shares in %, as ``old → new``; once where equal."""
    return _arrow(wording.percent(old), wording.percent(new))


def _arrow(before: str, after: str) -> str:
    return after if before == after else f"{before} → {after}"


def rolled_words(plan: PortfolioPlan) -> list[str]:
    """Return what a plan on forecasts stands beside."""
    if plan.rolled is None:
        return []
    bound, repeated = (d.totals.non_green_kwh for d in (plan.rolled.perfect, plan.rolled.persistence))
    before = plan.before.totals.non_green_kwh
    return [
        f"Yesterday's plan repeated would have saved {wording.quantity(before - repeated, 'kWh')}, perfect "
        f"foresight at most {wording.quantity(before - bound, 'kWh')}; "
        f"{wording.count(int(plan.rolled.days['held'].sum()), 'day')} not trusted and left as it was."
    ]
