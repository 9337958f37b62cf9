"""Eight data centres in eight price zones over 2023: doing nothing, greedy rules, and the dispatch.

    python tests/benchmarks/eight_zones.py [--weeks N] [--gb-per-kwh X]

Every week is planned in one piece, all of it known in advance: what is told is what could be reached with
perfect knowledge, an upper bound of what forecasts reach. Reads ``shared/data/grid/nine_zones_2023`` (its
README's traps: weather local, IN-WE prices stamped at half past) and writes ``results/eight_zones.md``, where
every assumption is listed. All plans, greedy ones included, pass `verify_dispatch`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from advisor.dispatch import Dispatch, DispatchModel, as_it_is
from advisor.dispatch_block import Raw
from advisor.dispatch_read import Classes, site_plan
from advisor.dispatch_site import DispatchSite, Objective, Setting, added
from advisor.dispatch_verify import verify_dispatch
from advisor.plan import SolverReport
from advisor.work import Place, WorkClass
from features.frame import FloatArray
from features.psychrometrics import standard_pressure, wet_bulb
from tests.benchmarks.backtests import SHARED, markdown

ZONES = SHARED / "data" / "grid" / "nine_zones_2023"
RESULTS = Path(__file__).parent / "results" / "eight_zones.md"
REGIONS = {
    "US-CAL-CISO": "us-west-1", "US-TEX-ERCO": "us-east-1-dwf-1", "US-MIDA-PJM": "us-east-1",
    "DE-LU": "eu-central-1", "SG": "ap-southeast-1", "IN-WE": "ap-south-1", "JP-TK": "ap-northeast-1",
    "CL-SIC": "us-east-1-chl-1",
}  # fmt: skip
"""Zone -> region of ``network/aws.csv`` whose prices stand for it."""
YEAR = pd.date_range("2023-01-02", "2023-12-31", freq="h", inclusive="left", tz="UTC")
"""Hours that every zone's weather covers once its local times are UTC."""
WEEK = 168
IT_KW, SWING, CAPACITY_KW = 50_000.0, 0.1, 60_000.0
MOVABLE, DEFERRABLE, WAIT = 0.25, 0.10, 24
KWH_PER_GB = 0.06
GB_PER_KWH = 0.1
ASSUMED = """\
- Eight sites, no own production, no battery. IT power {it:.0f} MW on average, {swing:.0f} % up and down over
  the local day (highest at 15 h), at most {capacity:.0f} MW anywhere: a work load of our own making.
- {movable:.0f} % of each hour's IT work may be done at another site in the same hour; {deferrable:.0f} % more
  may wait up to {wait} h, here or elsewhere, and ends within the week.
- Facility power = IT x (1.05 + c) + {fixed:.1f} MW: 5 % losses of the power chain, c the cooling per kWh of
  heat, and fans and lights that do not follow the work. c = 0.04 (pumps, towers) + s / COP at the wet bulb w:
  share of mechanical cooling s = (w - 10) / 6 kept in 0 to 1 (the tower alone makes water of 17 degC below a
  wet bulb of 10 degC), COP = 0.5 x Te / (Tc - Te), Te = 14 degC, Tc = w + 11 K. A modelled plant, the same
  everywhere; the wet bulb from dry bulb, humidity and height.
- Moving work: {gb:g} GB per kWh of IT work (assumed), at the price between the cloud regions of
  `network/aws.csv` from the home (row) to the place (column). The source states no unit: USD per GB is
  presumed.
  Energy of the transfer: {per_gb:g} kWh/GB, spent where the work arrives (fixed networks in 2015, halving
  about every two years: Aslan et al. 2018, doi:10.1111/jiec.12630; too much rather than too little).
- Hourly price: the zone's market price in USD/MWh, no network charges or taxes. Carbon: average factor, life
  cycle (attributional). Green share: low-carbon share of the zone's mix (nuclear included), so 1 - share of a
  purchase is non-green.
- Data: no hour is missing. Weather is local: shifted by the file's offset, which leaves {hours} h from
  {first} to {last} that all zones share. IN-WE prices are stamped at half past: an hour takes half of each.
  Its weather lies at half past in UTC: interpolated. Carbon is estimated by its source in {estimated}.
  CL-SIC's carbon is that of the whole national system (CL-SEN). GB has no price and is left out.
- Greedy: hour by hour, the worst site first, work goes to the best hour and place with room, under the same
  limits and costs of moving; it looks at one series only, with the same perfect knowledge.
- Weeks are planned one by one ({weeks}), so "no dearer" holds in every week."""


@dataclass(frozen=True)
class Week:
    """Sites and work of one window."""

    sites: tuple[DispatchSite, ...]
    classes: tuple[WorkClass, ...]

    def model(self, limited: Objective | None = None) -> DispatchModel:
        """Return the dispatch of this week."""
        day = np.zeros(len(self.sites[0].load_kw), dtype=np.int64)
        return DispatchModel(self.sites, day, 1.0, classes=self.classes, limited=limited)


Method: TypeAlias = Callable[[Week], tuple[Dispatch, Setting]]


def main() -> None:
    """Plan every week by every method and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weeks", type=int, default=52, help="how many weeks, from the first")
    parser.add_argument("--gb-per-kwh", type=float, default=GB_PER_KWH, help="data to move per kWh of work")
    args = parser.parse_args()
    year, began = read(), time.perf_counter()
    methods: dict[str, Method] = {
        "doing nothing": nothing,
        "greedy by carbon": partial(greedy, by="carbon_kg"),
        "greedy by non-green energy": partial(greedy, by="non_green_kwh"),
        "greedy by price": partial(greedy, by="cost"),
        "least carbon": partial(planned, objective="carbon_kg"),
        "least non-green energy": partial(planned, objective="non_green_kwh"),
        "least cost": partial(planned, objective="cost"),
        "least non-green energy, no dearer than doing nothing": partial(bounded, as_cheap_as=nothing),
        "least non-green energy, no dearer than greedy by price": partial(
            bounded, as_cheap_as=partial(greedy, by="cost")
        ),
    }
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in methods}
    work: dict[str, FloatArray] = {name: np.zeros(len(REGIONS)) for name in methods}
    for k in range(args.weeks):
        week = window(year, slice(k * WEEK, (k + 1) * WEEK), args.gb_per_kwh)
        for name, method in methods.items():
            start = time.perf_counter()
            plan, setting = method(week)
            taken = time.perf_counter() - start
            if name != "doing nothing":
                broken = [c for c in verify_dispatch(week.sites, plan, setting) if not c.passed]
                assert broken == [], (k, name, broken)
            t = plan.totals
            rows[name].append({
                "load": t.load_kwh, "non_green": t.non_green_kwh, "cost": t.cost or 0.0,
                "carbon": t.carbon_kg or 0.0, "moved": t.moved_kwh, "seconds": taken,
            })  # fmt: skip
            work[name] += [plan.sites[z].work_kw.sum() for z in REGIONS]
        print(f"week {k + 1}: {time.perf_counter() - began:.0f} s", flush=True)
    text = report(rows, work, year, args)
    print(text)
    if args.weeks == parser.get_default("weeks"):
        usual = args.gb_per_kwh == GB_PER_KWH
        file = RESULTS if usual else RESULTS.with_stem(f"{RESULTS.stem}_{args.gb_per_kwh:g}_gb")
        file.write_text(text, encoding="utf-8", newline="\n")


# -- data --------------------------------------------------------------------------------------------
def read() -> dict[str, pd.DataFrame]:
    """Return price, carbon, non-green share and wet bulb of every zone and hour of `YEAR`, in UTC."""
    return {zone: _zone(zone) for zone in REGIONS}


def _zone(zone: str) -> pd.DataFrame:
    carbon = pd.read_csv(ZONES / "ci" / f"{zone}_2023.csv")
    carbon.index = pd.to_datetime(carbon.pop("Datetime (UTC)"), utc=True)
    price = pd.read_csv(ZONES / "price" / f"{zone}_2023.csv")
    series = pd.Series(
        price["Price (USD/MWh)"].to_numpy() / 1000.0, pd.to_datetime(price["Datetime (UTC)"], utc=True)
    )
    if (series.index.minute == 30).all():  # an hour holds the second half of one price, the first of the next
        series = ((series + series.shift(1)) / 2).dropna()
        series.index = series.index.floor("h")
    table = pd.DataFrame({
        "price": series,
        "carbon": carbon.filter(like="(LCA)").iloc[:, 0],
        "non_green": 1.0 - carbon["Low Carbon Percentage"] / 100.0,
        "wet_bulb": _wet_bulb(zone),
        "estimated": carbon["Data Estimated"].astype(float),
    }).reindex(YEAR)  # fmt: skip
    assert table.notna().all().all(), zone
    return table


def _wet_bulb(zone: str) -> pd.Series:
    weather = json.loads((ZONES / "weather" / f"{zone}_2023.json").read_text(encoding="utf-8"))
    local = pd.to_datetime(weather["hourly"]["time"])
    utc = (local - pd.Timedelta(seconds=weather["utc_offset_seconds"])).tz_localize("UTC")
    dry = np.asarray(weather["hourly"]["temperature_2m"], dtype=np.float64)
    humidity = np.asarray(weather["hourly"]["relative_humidity_2m"], dtype=np.float64)
    wet = pd.Series(wet_bulb(dry, humidity, standard_pressure(weather["elevation"])), utc)
    if (utc.minute == 30).all():
        wet = wet.resample("30min").interpolate().loc[lambda s: s.index.minute == 0]
    return wet


def cooling(wet_bulb_c: FloatArray) -> FloatArray:
    """Return cooling power per kW of heat [1] (`ASSUMED`)."""
    share = np.clip((wet_bulb_c - 10.0) / 6.0, 0.0, 1.0)
    evaporator, condenser = 14.0 + 273.15, np.maximum(wet_bulb_c + 11.0, 20.0) + 273.15
    return np.asarray(0.04 + share * (condenser - evaporator) / (0.5 * evaporator))


FIXED_KW = 0.04 * IT_KW


def window(year: dict[str, pd.DataFrame], rows: slice, gb_per_kwh: float) -> Week:
    """Return sites and work of some hours of the year."""
    prices = pd.read_csv(ZONES / "network" / "aws.csv", index_col=0)
    sites, classes = [], []
    for zone, table in year.items():
        hours = table.iloc[rows]
        local = hours.index.hour.to_numpy() + _offset(zone)
        it = IT_KW * (1.0 + SWING * np.cos((local - 15) / 24 * 2 * np.pi))
        follows = 1.05 + cooling(hours["wet_bulb"].to_numpy())
        sites.append(
            DispatchSite(
                zone, it * follows + FIXED_KW, np.zeros(len(hours)), hours["non_green"].to_numpy(), it_kw=it,
                marginal=follows, it_capacity_kw=CAPACITY_KW, price_per_kwh=hours["price"].to_numpy(),
                carbon_g_per_kwh=hours["carbon"].to_numpy(),
            )
        )  # fmt: skip
        places = tuple(
            Place(z, KWH_PER_GB * gb_per_kwh, gb_per_kwh * float(prices.loc[REGIONS[zone], REGIONS[z]]))
            for z in REGIONS
            if z != zone
        )
        classes.append(WorkClass(f"{zone} at once", zone, MOVABLE * it, places=places))
        classes.append(WorkClass(f"{zone} later", zone, DEFERRABLE * it, wait_steps=WAIT, places=places))
    return Week(tuple(sites), tuple(classes))


def _offset(zone: str) -> float:
    weather = json.loads((ZONES / "weather" / f"{zone}_2023.json").read_text(encoding="utf-8"))
    return float(weather["utc_offset_seconds"]) / 3600.0


# -- methods -----------------------------------------------------------------------------------------
def nothing(week: Week) -> tuple[Dispatch, Setting]:
    """Return what happens when nothing is moved."""
    return as_it_is(week.sites, 1.0), week.model().setting


def planned(week: Week, *, objective: Objective) -> tuple[Dispatch, Setting]:
    """Return the plan that is best for one objective."""
    model = week.model()
    return model.solve(objective=objective), model.setting


def bounded(week: Week, *, as_cheap_as: Method) -> tuple[Dispatch, Setting]:
    """Return the least non-green energy at no more than what another method costs."""
    model = week.model("cost")
    return model.solve(at_most=as_cheap_as(week)[0].totals.cost), model.setting


def greedy(week: Week, *, by: Objective) -> tuple[Dispatch, Setting]:
    """Return what a rule makes that gives work, hour by hour, to the best hour and place with room."""
    began, setting = time.perf_counter(), week.model().setting
    series = {"carbon_kg": "carbon_g_per_kwh", "non_green_kwh": "grid_non_green", "cost": "price_per_kwh"}[by]
    key = np.array([getattr(s, series) for s in week.sites])
    follows = np.array([s.facility_per_work for s in week.sites])
    names = [s.site_id for s in week.sites]
    room = CAPACITY_KW - np.array([s.work_kw for s in week.sites])
    order = np.argsort(-(key * follows), axis=0)
    done: dict[str, dict[str, FloatArray]] = {}
    for work in sorted(week.classes, key=lambda c: c.wait_steps):
        done[work.name] = {names.index(work.home): work.arrival_kw.copy()} | {  # type: ignore[dict-item]
            names.index(p.site_id): np.zeros_like(work.arrival_kw) for p in work.places
        }
    for waits in (0, WAIT):
        of_home = {names.index(c.home): c for c in week.classes if c.wait_steps == waits}
        for t in range(key.shape[1]):
            for home in order[:, t]:
                work = of_home[int(home)]
                _give(work, int(home), t, key, follows, room, done[work.name], names, priced=by == "cost")
    named = {c: {names[int(j)]: kw for j, kw in of.items()} for c, of in done.items()}
    zero = {"grid": np.zeros(key.shape[1])}
    raw = Raw(tuple(zero for _ in names), 0.0, 0.0, 0, named)
    plans = {
        s.site_id: site_plan(s, zero, "grid_kwh", setting, Classes.at(s, raw, setting)) for s in week.sites
    }
    report_ = SolverReport("greedy", "the best hour and place with room", time.perf_counter() - began)
    return Dispatch(plans, added([p.totals for p in plans.values()]), report_, named), setting


def _give(
    work: WorkClass, home: int, t: int, key: FloatArray, follows: FloatArray, room: FloatArray,
    done: dict[str, FloatArray], names: list[str], *, priced: bool,
) -> None:  # fmt: skip
    """Give away what arrived at an hour, best hour and place first, while that is better than staying."""
    until = min(t + work.wait_steps + 1, key.shape[1])
    moving, price = np.zeros(len(names)), np.zeros(len(names))
    for p in work.places:
        moving[names.index(p.site_id)] = p.transfer_kwh_per_kwh
        price[names.index(p.site_id)] = p.transfer_price_per_kwh if priced else 0.0
    each = key[:, t:until] * (follows[:, t:until] + moving[:, None]) + price[:, None]
    stays, left = each[home, 0], work.arrival_kw[t]
    for at in np.argsort(each, axis=None):
        j, later = divmod(int(at), until - t)
        if left <= 0 or each[j, later] >= stays:
            return
        moved = min(left, room[j, t + later])
        if moved <= 0:
            continue
        room[j, t + later] -= moved
        room[home, t] += moved
        done[home][t] -= moved  # type: ignore[index]
        done[j][t + later] += moved  # type: ignore[index]
        left -= moved


# -- report ------------------------------------------------------------------------------------------
def report(
    rows: dict[str, list[dict[str, float]]], work: dict[str, FloatArray], year: dict[str, pd.DataFrame],
    args: argparse.Namespace,
) -> str:  # fmt: skip
    """Return assumptions and tables as Markdown."""
    sums = pd.DataFrame({name: pd.DataFrame(r).sum() for name, r in rows.items()}).T
    base = sums.loc["doing nothing"]
    table = pd.DataFrame({
        "method": sums.index,
        "cost [MUSD]": [f"{v / 1e6:.2f}" for v in sums["cost"]],
        "change": [f"{100 * (v / base['cost'] - 1):+.2f} %" for v in sums["cost"]],
        "carbon [kt CO2e]": [f"{v / 1e6:.2f}" for v in sums["carbon"]],
        "change ": [f"{100 * (v / base['carbon'] - 1):+.2f} %" for v in sums["carbon"]],
        "CFE [%]": [f"{100 * (1 - r['non_green'] / r['load']):.2f}" for _, r in sums.iterrows()],
        "non-green [GWh]": [f"{v / 1e6:.2f}" for v in sums["non_green"]],
        "energy [GWh]": [f"{v / 1e6:.2f}" for v in sums["load"]],
        "moved [GWh]": [f"{v / 1e6:.1f}" for v in sums["moved"]],
        "seconds": [f"{v:.1f}" for v in sums["seconds"]],
    })  # fmt: skip
    zones = pd.DataFrame({
        "zone": list(REGIONS),
        "cloud region": list(REGIONS.values()),
        "price [USD/MWh]": [f"{1000 * t['price'].mean():.1f}" for t in year.values()],
        "carbon [g/kWh]": [f"{t['carbon'].mean():.0f}" for t in year.values()],
        "low-carbon [%]": [f"{100 * (1 - t['non_green'].mean()):.1f}" for t in year.values()],
        "wet bulb [degC]": [f"{t['wet_bulb'].mean():.1f}" for t in year.values()],
        "PUE": [f"{1.05 + cooling(t['wet_bulb'].to_numpy()).mean() + FIXED_KW / IT_KW:.3f}"
                for t in year.values()],
        **{f"work, {n} [%]": [f"{100 * v / work['doing nothing'][k]:.1f}" for k, v in enumerate(work[n])]
           for n in ("least carbon", "least non-green energy", "least cost")},
    })  # fmt: skip
    flags = {z: t["estimated"].mean() for z, t in year.items() if t["estimated"].mean() > 0.01}
    assumed = ASSUMED.format(
        it=IT_KW / 1000, swing=100 * SWING, capacity=CAPACITY_KW / 1000, movable=100 * MOVABLE,
        deferrable=100 * DEFERRABLE,
        wait=WAIT, fixed=FIXED_KW / 1000, gb=args.gb_per_kwh, per_gb=KWH_PER_GB, hours=len(YEAR),
        first=f"{YEAR[0]:%d %b}", last=f"{YEAR[-1]:%d %b}", weeks=f"{args.weeks}, the last of six days",
        estimated=", ".join(f"{z} {100 * v:.0f} % of the hours" for z, v in flags.items()),
    )  # fmt: skip
    command = "python tests/benchmarks/eight_zones.py"
    if args.gb_per_kwh != GB_PER_KWH:
        command += f" --gb-per-kwh {args.gb_per_kwh:g}"
    return "\n".join([
        "# Eight data centres in eight price zones, 2023: what perfect knowledge reaches", "",
        f"- made by: `{command}`",
        "- seconds are of all weeks on the machine at hand, one thread, without the re-check",
        '- "least": the optimum of that sum by the dispatch; each week is known in advance, no forecast', "",
        markdown(table), "", "Zones, and the work done there in per cent of the work that arrives there:", "",
        markdown(zones), "", "Assumptions:", "", assumed, "",
    ])  # fmt: skip


if __name__ == "__main__":
    main()
