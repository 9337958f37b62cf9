"""What a change saved: avoided energy with its interval, and whether it is proven.

Avoided energy is what the site would have used in the after period's weather and for its work, run as
before, minus what it used (IPMVP, option C; ASHRAE Guideline 14-2014, whole-building path). It is claimed
for measured steps like those seen before the change, and for nothing else.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pandas as pd

from advisor.avoided_words import (
    LEAST_AFTER_DAYS,
    Counts,
    bound_of,
    normalised_for,
    reasons_of,
    reservations,
)
from advisor.plan import Interval, Saving, Totals
from advisor.site import Site
from features.frame import FloatArray
from features.issues import DataIssue
from models.counterfactual import Counterfactual

COVERAGE = 0.90
"""Of every interval [1]."""
POWER = 0.80
"""Share of the cases in which the minimum detectable saving would be proven [1]."""
MOST_DAYS = 3650

AvoidedVerdict = Literal["proven", "not yet", "disproven"]
Whose = Literal["operator", "tenant"]
WHOSE: dict[str, Whose] = {
    "it": "tenant",
    "cooling": "operator",
    "power_chain": "operator",
    "station": "operator",
}
"""Part -> whose kWh it is: the servers are the tenant's, what keeps them running the operator's."""


@dataclass(frozen=True)
class Part:
    """Saving of one part.

    ``energy_kwh`` [kWh, or relative units], ``energy_pct`` [% of the whole baseline], ``whose``; None where
    the part cannot be told.
    """

    energy_kwh: float | None
    energy_pct: float | None
    whose: Whose


@dataclass(frozen=True)
class Avoided:
    """What a change saved.

    Parameters
    ----------
    site_id, kind : str
    verdict : {"proven", "not yet", "disproven"}
    saving : Saving
        Of the whole site with 90 % interval; all None where a part cannot be told.
    told : Interval or None
        Where the IT part is unknown: the saving of the rest at the IT power as metered [% of the baseline].
    bound : str
        What follows for the whole from an unknown part; "" where nothing is unknown.
    parts : dict
        Part -> `Part`.
    baseline, measured : Totals
        Of the counted steps.
    minimum_detectable_pct : float or None
        Smallest saving that would be proven in four of five cases [%].
    days_needed : int or None
        Days of the after period that would prove a saving of this size; None: no number of days would, or
        nothing was saved.
    counts : Counts
    counterfactual : Counterfactual
    daily : pandas.DataFrame
        ``day``, ``hours``, ``measured_kwh``, ``baseline_kwh``, ``lower_kwh``, ``upper_kwh``.
    reasons, normalised_for : tuple of str
    issues : tuple of DataIssue
    physical : bool
        Whether energies are kWh; relative ones get savings in % only.
    """

    site_id: str
    kind: str
    verdict: AvoidedVerdict
    saving: Saving
    told: Interval | None
    bound: str
    parts: dict[str, Part]
    baseline: Totals
    measured: Totals
    minimum_detectable_pct: float | None
    days_needed: int | None
    counts: Counts
    counterfactual: Counterfactual
    daily: pd.DataFrame
    reasons: tuple[str, ...]
    normalised_for: tuple[str, ...]
    issues: tuple[DataIssue, ...]
    physical: bool = True

    def to_dict(self) -> dict[str, object]:
        """Return the content of ``verify.json``, without provenance."""
        c = self.counterfactual
        minimum = self.minimum_detectable_pct
        energy = self.baseline.energy_kwh
        return {
            "site_id": self.site_id,
            "kind": self.kind,
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "saving": self.saving.to_dict(),
            "coverage": COVERAGE,
            "saving_at_metered_it_pct": None if self.told is None else self.told.to_dict(),
            "bound": self.bound,
            "parts": {n: asdict(p) for n, p in self.parts.items()},
            "baseline": self.baseline.to_dict(),
            "measured": self.measured.to_dict(),
            "minimum_detectable": {
                "energy_pct": minimum,
                "energy_kwh": None if minimum is None or energy is None else minimum / 100 * energy,
                "power": POWER,
            },
            "days_needed": self.days_needed,
            "normalised_for": list(self.normalised_for),
            "work": {"means": c.means, "reason": c.reason, "air_shift_k": c.shift_k, "settle": c.settle},
            "statistics": {
                **c.fit.to_dict(),
                "model": c.form,
                "before_days": c.before_days,
                "errors_kw": c.errors,
                "sd_kwh": {
                    n: getattr(c.spread, n) for n in ("noise", "fit", "season", "form", "work", "meters")
                },
                "guideline_14_half_width_pct": c.spread.floor_pct,
            },
            "counts": asdict(self.counts),
            "as_before": list(c.as_before),
            "levers": {n: h.to_dict() for n, h in c.habits.items()},
            "issues": [i.to_dict() for i in self.issues],
        }


def judge(
    counterfactual: Counterfactual,
    site: Site,
    *,
    kind: str,
    backwards: bool,
    issues: tuple[DataIssue, ...] = (),
    pv_kw: FloatArray | None = None,
    unit_kwh: float | None = 1.0,
) -> Avoided:
    """Turn a counterfactual into a saving with interval and a verdict.

    Parameters
    ----------
    counterfactual : Counterfactual
    site : Site
        Tariff, factors, green share.
    kind : str
    backwards : bool
        Whether the period called before lies after the other.
    issues : tuple of DataIssue
    pv_kw : numpy.ndarray or None, shape (m,)
        On-site generation of the after period [kW]: what it covers is not bought.
    unit_kwh : float or None
        kWh per unit of the counterfactual's energies; None: relative, savings in % only.
    """
    c = counterfactual
    base, used = (float(np.nansum(c.total(e)[c.counted])) for e in (c.baseline, c.measured))
    share = _interval(c, base, used)
    whole = share if share is not None and not c.unknown else None
    minimum = _minimum_detectable(c, base)
    counts = _counts(c)
    needed = _days_needed(c, base, used, counts)
    why = reservations(c, counts, backwards, base)
    verdict = _verdict(whole, why)
    saving, totals = _money(c, site, whole, (base, used), pv_kw, unit_kwh)
    return Avoided(
        site_id=site.id,
        kind=kind,
        verdict=verdict,
        saving=saving,
        told=share if c.unknown else None,
        bound=bound_of(c),
        parts=_parts(c, base, unit_kwh),
        baseline=totals[0],
        measured=totals[1],
        minimum_detectable_pct=minimum,
        days_needed=needed,
        counts=counts,
        counterfactual=c,
        daily=_daily(c, unit_kwh),
        reasons=reasons_of(verdict, whole, why, minimum, needed, counts),
        normalised_for=normalised_for(c),
        issues=issues,
        physical=unit_kwh is not None,
    )


# -- the figures -----------------------------------------------------------------------------------
def _interval(c: Counterfactual, base: float, used: float) -> Interval | None:
    """Return the saving [% of the baseline]; None where nothing is counted."""
    if base <= 0:
        return None
    point = 100 * (base - used) / base
    half = _half_pct(c, base)
    return Interval(point - half, point, point + half)


def _half_pct(c: Counterfactual, base: float) -> float:
    """Return the half-width of the interval [%]: the wider of week blocks and Guideline 14's formula."""
    q = c.spread.freedom.quantile(0.5 + COVERAGE / 2)
    formula = float(np.hypot(c.spread.floor_pct, 100 * q * c.spread.beside / base))
    return max(100 * q * c.spread.sd / base, formula)


def _minimum_detectable(c: Counterfactual, base: float) -> float | None:
    """Return the saving whose lower bound exceeds zero in `POWER` of the cases [%]."""
    if base <= 0 or c.unknown:
        return None
    half = _half_pct(c, base)
    q = c.spread.freedom.quantile(0.5 + COVERAGE / 2)
    return half * (1 + c.spread.freedom.quantile(POWER) / q)


def _counts(c: Counterfactual) -> Counts:
    steps, known = len(c.known), int(c.known.sum())
    return Counts(
        after_days=steps / c.steps_per_day,
        measured_share=known / steps,
        counted_share=float(c.counted.sum()) / known if known else 0.0,
        uncovered_hours={name: n * c.hours for name, n in c.uncovered.items()},
    )


def _days_needed(c: Counterfactual, base: float, used: float, counts: Counts) -> int | None:
    """Return the days after which a saving of this size would be proven; None: never, or nothing saved.

    The noise of a sum grows with the root of its length, what the fit or the work does not know with the
    length itself: z^2 (v n + u^2 n^2) < s^2 n^2, s the saving per step, solved for n.
    """
    steps = int(c.counted.sum())
    if c.unknown or not steps or base <= used:
        return None
    per_step = (base - used) / steps
    z = c.spread.freedom.quantile(0.5 + COVERAGE / 2)
    noise = max(c.spread.noise / np.sqrt(steps), c.spread.floor_pct / 100 * base / np.sqrt(steps) / z)
    stays = c.spread.stays / steps
    room = per_step**2 - (z * stays) ** 2
    if room <= 0:
        return None
    counted = counts.counted_share * counts.measured_share
    days = max((z * noise) ** 2 / room / c.steps_per_day / max(counted, 0.01), LEAST_AFTER_DAYS)
    return int(np.ceil(days)) if days <= MOST_DAYS else None


def _parts(c: Counterfactual, base: float, unit_kwh: float | None) -> dict[str, Part]:
    parts = {}
    for name, energy in c.baseline.items():
        saved = float(np.nansum((energy - c.measured[name])[c.counted]))
        told = name not in c.unknown and base > 0
        parts[name] = Part(
            saved * unit_kwh if told and unit_kwh is not None else None,
            100 * saved / base if told else None,
            WHOSE[name],
        )
    return parts


def _money(
    c: Counterfactual,
    site: Site,
    whole: Interval | None,
    energies: tuple[float, float],
    pv_kw: FloatArray | None,
    unit_kwh: float | None,
) -> tuple[Saving, tuple[Totals, Totals]]:
    """Return the saving and the totals in kWh, money and carbon, where declared."""
    if unit_kwh is None:
        return Saving(energy_pct=whole), (Totals(), Totals())
    own = np.zeros(len(c.known)) if pv_kw is None else np.nan_to_num(pv_kw) * c.hours
    bought = np.maximum(c.total(c.measured) * unit_kwh - own, 0.0)
    # a kWh that own generation covers is not bought: it earns neither money nor carbon
    share = float((bought[c.counted] > 0).mean()) if c.counted.any() else 0.0
    per_kwh = {
        "non_green_kwh": None if site.green is None else 1 - site.green.grid_share,
        "cost": site.price_per_kwh,
        "carbon_kg": site.carbon_kg_per_kwh,
    }
    base, used = (e * unit_kwh for e in energies)
    kwh = None if whole is None else _scaled(whole, base / 100)
    worth = (None if kwh is None or f is None else kwh.scaled(f * share) for f in per_kwh.values())
    totals = _totals(c, site, (base, used), float(bought[c.counted].sum()), share)
    return Saving(kwh, whole, *worth), totals


def _scaled(span: Interval, factor: float) -> Interval:
    return Interval(span.lower * factor, span.point * factor, span.upper * factor)


def _totals(
    c: Counterfactual, site: Site, energies: tuple[float, float], bought: float, share: float
) -> tuple[Totals, Totals]:
    base, used = energies

    def of(energy: float, parts: dict[str, FloatArray]) -> Totals:
        purchase = max(bought + (energy - used) * share, 0.0)
        it = float(np.nansum(parts["it"][c.counted])) if "it" in parts else 0.0
        non_green = None if site.green is None else purchase * (1 - site.green.grid_share)
        return Totals(
            energy_kwh=energy,
            non_green_kwh=non_green,
            cost=None if site.price_per_kwh is None else purchase * site.price_per_kwh,
            carbon_kg=None if site.carbon_kg_per_kwh is None else purchase * site.carbon_kg_per_kwh,
            pue=energy / it if it > 0 else None,
            green_share=None if non_green is None or energy <= 0 else 1 - non_green / energy,
        )

    return of(base, c.baseline), of(used, c.measured)


def _daily(c: Counterfactual, unit_kwh: float | None) -> pd.DataFrame:
    """Return measured and baseline energy of the counted steps of every local day, with interval."""
    scale = 1.0 if unit_kwh is None else unit_kwh
    table = pd.DataFrame(
        {
            "day": c.day,
            "hours": c.counted * c.hours,
            "measured_kwh": np.where(c.counted, c.total(c.measured), 0.0) * scale,
            "baseline_kwh": np.where(c.counted, c.total(c.baseline), 0.0) * scale,
        }
    )
    daily = table.groupby("day", as_index=False).sum()
    steps = max(int(c.counted.sum()), 1)
    share = daily["hours"].to_numpy() / c.hours / steps
    noise = c.day_sd * np.sqrt(daily["hours"].to_numpy() / c.hours / c.steps_per_day)
    sd = np.sqrt(noise**2 + (c.spread.stays * share) ** 2) * scale
    half = c.spread.freedom.quantile(0.5 + COVERAGE / 2) * sd
    daily["lower_kwh"], daily["upper_kwh"] = daily["baseline_kwh"] - half, daily["baseline_kwh"] + half
    daily["day"] = daily["day"].dt.strftime("%Y-%m-%d")
    names = {str(n): str(n).replace("_kwh", "_rel") for n in daily} if unit_kwh is None else {}
    return daily.rename(columns=names)


# -- the verdict -----------------------------------------------------------------------------------
def _verdict(whole: Interval | None, why: tuple[str, ...]) -> AvoidedVerdict:
    if whole is None or why:
        return "not yet"
    if whole.lower > 0:
        return "proven"
    return "disproven" if whole.upper < 0 else "not yet"
