"""The slider of base stations: up to which load more cells may sleep.

The hours that would sleep are those that advice would choose at that threshold; what they save is what the
fleet's own hours asleep have shown, by both estimators. Sleep that is in force already is the baseline.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from advisor.fleet import Case, case_of
from advisor.plan import Interval, Totals
from advisor.site import Site
from advisor.sleep import Action, admissible, blocks, find_actions, matched_effect, station_rows
from advisor.sleep_scorer import SleepScorer
from advisor.sleep_verify import share_saved
from advisor.what_if import (
    WIDER_OUTSIDE,
    Chosen,
    Figure,
    Label,
    Lever,
    LimitState,
    Part,
    Series,
    State,
    WhatIfResult,
    verdict_of,
)
from features.frame import FloatArray
from features.message import say
from features.telemetry import Telemetry
from models.bundle import Bundle

THRESHOLD = "sleep_threshold_pct"
STEP_PCT = 0.5
BINDING_PCT = 0.5
KEPT = 128


@dataclass(frozen=True)
class Proven:
    """An action whose saving both estimators show, and the rows that it may use."""

    action: Action
    share: Interval
    rows: pd.DataFrame
    """From `advisor.sleep.admissible`, with ``dosed`` (energy times dose), ``step`` and ``cell_night``."""


@dataclass(frozen=True)
class Asleep:
    """What a threshold puts to sleep.

    ``saved``: product -> energy saved, ``per_step``: lower, point, upper of the energy saved in every step
    [unit of the data], shape (3, steps); ``cell_hours``, ``stations``; ``top`` highest load asleep [1].
    """

    saved: dict[str, Interval]
    per_step: FloatArray
    cell_hours: int
    stations: int
    top: float | None


@dataclass
class SleepWhatIf:
    """A `WhatIfModel` of a fleet over one window.

    Parameters
    ----------
    case : Case
    proven : tuple of Proven
        The largest share saved first.
    notes : tuple of str
        Why actions are left out.
    """

    case: Case
    proven: tuple[Proven, ...]
    notes: tuple[str, ...] = ()
    _known: dict[float, Asleep] = field(default_factory=dict)

    @cached_property
    def stamps(self) -> pd.DatetimeIndex:
        """Steps of the window."""
        start, end = self.case.window
        return pd.date_range(start, end, freq=self.case.telemetry.interval, inclusive="left")

    @cached_property
    def energy(self) -> FloatArray:
        """Energy of the fleet in every step [unit of the data]."""
        per_step = self.case.fleet.table.groupby("timestamp")["energy"].sum()
        return per_step.reindex(self.stamps).to_numpy(dtype=np.float64)

    @cached_property
    def known_pct(self) -> float:
        """Load up to which cells were seen asleep, rounded up: beyond its own guard no action goes [%]."""
        most = max((100 * p.action.guard for p in self.proven), default=0.0)
        return float(np.ceil(most / STEP_PCT - 1e-9) * STEP_PCT)

    @cached_property
    def levers(self) -> tuple[Lever, ...]:
        """The threshold."""
        why = ""
        if not self.proven:
            why = self.notes[0] if self.notes else say("no cell of the export was ever seen asleep")
        upper = float(np.ceil(max(2 * self.known_pct, 10.0)))
        return (Lever(THRESHOLD, "%", "sleep", 0.0, upper, STEP_PCT, 0.0, 0.0, self.known_pct, why),)

    # -- the answer ------------------------------------------------------------------------------
    def evaluate(self, values: dict[str, float]) -> WhatIfResult:
        """Return the answer; see `advisor.what_if.WhatIfModel.evaluate`."""
        chosen = Chosen.of(self.levers, values)
        threshold = chosen.get(THRESHOLD, 0.0)
        outside: tuple[str, ...] = ()
        if any(not lever.known(chosen[lever.name]) for lever in chosen.moved):
            outside = (
                say(
                    "cells were seen asleep up to {known:g} % load only: what more sleep does is not known",
                    known=self.known_pct,
                ),
            )
        asleep = self._asleep(threshold)
        limits = (self._limit(asleep),)
        saved = _sum(asleep.saved.values())
        withheld = bool(outside) or limits[0].worse
        saving = None if withheld else self.case.scale.saving(saved, self.case.fleet.total)
        return WhatIfResult(
            figures=self._figures(saved, bool(outside)),
            saving=saving,
            verdict=verdict_of(saving, chosen.moved),
            parts=() if outside else self._parts(asleep),
            series=self._series(asleep, WIDER_OUTSIDE if outside else 1.0),
            in_domain=not outside,
            outside=outside,
            limits=limits,
            notes=self._said(asleep),
        )

    def prepare(self) -> None:
        """Choose the hours of every known threshold, so that no move of the slider has to."""
        for k in range(round(self.known_pct / STEP_PCT) + 1):
            self._asleep(k * STEP_PCT)

    def _asleep(self, threshold_pct: float) -> Asleep:
        if threshold_pct not in self._known:
            if len(self._known) >= KEPT:
                self._known.clear()
            self._known[threshold_pct] = self._choose(threshold_pct)
        return self._known[threshold_pct]

    def _choose(self, threshold_pct: float) -> Asleep:
        """Take, action by action, the best block of every cell and night that is still free."""
        seen = threshold_pct <= self.known_pct
        taken: list[pd.DataFrame] = []
        used = np.zeros(0, dtype=np.int64)
        for proven in self.proven if threshold_pct > 0 else ():
            # a product is not put to sleep at more load than it was seen asleep, unless all are beyond it
            guard = min(threshold_pct / 100, proven.action.guard) if seen else threshold_pct / 100
            rows = blocks(proven.rows, guard, self.case.telemetry.interval)
            rows = rows[~np.isin(rows["cell_night"], used)]
            used = np.concatenate([used, rows["cell_night"].unique()])
            taken.append(rows)
        return self._summed(taken)

    def _summed(self, taken: list[pd.DataFrame]) -> Asleep:
        per_step = np.zeros((3, len(self.stamps)))
        saved: dict[str, Interval] = {}
        for rows, proven in zip(taken, self.proven, strict=False):
            share = np.array([proven.share.lower, proven.share.point, proven.share.upper])
            steps = np.bincount(rows["step"], rows["dosed"], minlength=len(self.stamps))
            per_step += share[:, None] * steps
            low, mid, high = (float(v) for v in share * steps.sum())
            before = saved.get(proven.action.product, Interval(0.0, 0.0, 0.0))
            saved[proven.action.product] = _sum([before, Interval(low, mid, high)])
        tops = [float(rows["top"].max()) for rows in taken if len(rows)]
        stations = set().union(*(rows["site_id"] for rows in taken)) if taken else set()
        hours = sum(len(rows) for rows in taken)
        return Asleep(saved, per_step, hours, len(stations), max(tops, default=None))

    # -- its parts -------------------------------------------------------------------------------
    def _figures(self, saved: Interval, outside: bool) -> tuple[Figure, ...]:
        scale, total = self.case.scale, self.case.fleet.total
        now = scale.totals(total)
        nothing = say("outside what the models have seen: nothing is claimed")
        label: Label = "measured" if self.case.fleet.measured > 0.99 else "modelled"
        figures = []
        if now.energy_kwh is None:
            new = None if outside else Interval(total - saved.upper, total - saved.point, total - saved.lower)
            figures.append(Figure("energy_rel", "rel", total, new, label, nothing if outside else ""))
        ends = [scale.totals(total - v) for v in (saved.upper, saved.point, saved.lower)]
        for name, unit in _UNITS.items():
            was = getattr(now, name)
            reason = nothing if outside else ""
            if was is None:
                reason = _REMEDIES[name] if now.energy_kwh is not None else _REMEDIES["energy_kwh"]
            becomes = None if was is None or outside else _between(ends, name)
            own: Label = label if name == "energy_kwh" else "modelled"
            figures.append(Figure(name, unit or self._currency(name), was, becomes, own, reason))
        return tuple(figures)

    def _currency(self, name: str) -> str:
        return self.case.site.currency if name == "cost" and self.case.site else ""

    def _parts(self, asleep: Asleep) -> tuple[Part, ...]:
        factor = self.case.scale.kwh or 1.0
        return tuple(
            Part(
                product,
                Interval(-s.upper * factor, -s.point * factor, -s.lower * factor),
                -100 * s.point / self.case.fleet.total,
            )
            for product, s in asleep.saved.items()
            if s.point
        )

    def _limit(self, asleep: Asleep) -> LimitState:
        declared = self.case.site.limits.prb_utilisation_max if self.case.site else None
        limit = 100 * declared if declared is not None else self.known_pct
        source = say("site.toml") if declared is not None else say("load at which cells were seen asleep")
        value = 0.0 if asleep.top is None else 100 * asleep.top
        margin = limit - value
        state: State = "broken" if margin < -1e-9 else "binding" if margin < BINDING_PCT else "kept"
        return LimitState("prb_utilisation", "max", limit, "%", value, 0.0, margin, state, source)

    def _series(self, asleep: Asleep, wider: float) -> Series:
        kwh = self.case.scale.kwh
        factor = 1.0 if kwh is None else kwh / self.case.telemetry.hours  # energy of a step to mean power
        low, mid, high = asleep.per_step * factor
        now = self.energy * factor
        point = now - mid
        return Series(
            self.stamps, "rel" if kwh is None else "kW", now, point,
            np.maximum(point - wider * (high - mid), 0.0), point + wider * (mid - low), now, point,
        )  # fmt: skip

    def _said(self, asleep: Asleep) -> tuple[str, ...]:
        if not asleep.cell_hours:
            return self.notes
        said = say(
            "{hours} more cell hours asleep in {stations} stations",
            hours=asleep.cell_hours,
            stations=asleep.stations,
        )
        return (said, *self.notes)


_UNITS = {"energy_kwh": "kWh", "non_green_kwh": "kWh", "green_share": "", "cost": "", "carbon_kg": "kg"}
_REMEDIES = {
    "energy_kwh": say("declare energy_unit_kwh in site.toml: the meters say no physical unit"),
    "non_green_kwh": say("declare [green] grid_share in site.toml"),
    "green_share": say("declare [green] grid_share in site.toml"),
    "cost": say("declare [tariff] energy_per_kwh and the currency in site.toml"),
    "carbon_kg": say("declare [carbon] factor_kg_per_kwh in site.toml"),
}


def sleep_what_if(
    telemetry: Telemetry,
    bundle: Bundle,
    site: Site | None,
    window: tuple[pd.Timestamp, pd.Timestamp],
    *,
    seed: int = 0,
) -> SleepWhatIf:
    """Return the slider of a fleet of base stations.

    Parameters
    ----------
    telemetry : Telemetry
    bundle : Bundle
    site : Site or None
    window : tuple of pandas.Timestamp
        Start and end in UTC, end exclusive.
    seed : int

    Raises
    ------
    features.errors.AdvisorError
        As `advisor.fleet.case_of`.
    """
    case = case_of(telemetry, bundle, site, window, seed=seed, issues=[])
    scorer = SleepScorer(telemetry, case.quantity, case.offset, seed)
    rows = station_rows(case.frame, telemetry, case.offset)
    found: list[Proven] = []
    notes: list[str] = []
    for action in find_actions(case.cells):
        if not _permitted(site, action):
            notes.append(say("{name}: the site's levers do not permit these modes", name=action.name))
            continue
        effect = matched_effect(rows, case.cells, action, seed)
        proposed = None if effect is None else effect.point
        share, said, agree = share_saved(scorer, action.name, action.product, action.modes, proposed)
        if share is None:
            notes += said
        elif not agree or share.lower <= 0:
            doubt = say("{name}: the two estimators do not show a saving beyond doubt", name=action.name)
            notes.append(doubt)
        else:
            found.append(Proven(action, share, _rows(case, action)))
    ranked = sorted(found, key=lambda p: -p.share.point * float(np.mean(p.action.levels)))
    model = SleepWhatIf(case, tuple(ranked), tuple(notes))
    model.prepare()
    return model


def _rows(case: Case, action: Action) -> pd.DataFrame:
    """Return the rows that an action may use in the window, with what a slider event needs."""
    cells = case.cells
    rows = admissible(cells, action, case.window)
    rows = rows.assign(cell_night=cells.groupby(["site_id", "unit_id", "night"]).ngroup()[rows.index])
    concerned = rows.loc[rows["open"], "cell_night"].unique()
    rows = rows[(rows["open"] | rows["occupied"]) & rows["cell_night"].isin(concerned)]
    total = cells.groupby(["site_id", "timestamp"])["capacity"].sum().rename("total")
    energy = case.fleet.table.dropna(subset=["timestamp"]).set_index(["site_id", "timestamp"])["energy"]
    joined = rows.join(total, on=["site_id", "timestamp"]).join(energy, on=["site_id", "timestamp"])
    dose = float(np.mean(action.levels)) * joined["capacity"] / joined["total"]
    step = (joined["timestamp"] - case.window[0]) // case.telemetry.interval
    # a block may begin before the window: those rows are occupied, never chosen
    return joined.assign(
        dosed=(dose * joined["energy"]).fillna(0.0), step=step.clip(lower=0).astype(np.int64)
    )


def _permitted(site: Site | None, action: Action) -> bool:
    if site is None or not site.levers:
        return True
    return all(
        m in site.levers and site.levers[m].upper >= level
        for m, level in zip(action.modes, action.levels, strict=True)
    )


def _sum(parts: Iterable[Interval]) -> Interval:
    total = np.zeros(3)
    for part in parts:
        total += (part.lower, part.point, part.upper)
    return Interval(*(float(v) for v in total))


def _between(ends: list[Totals], name: str) -> Interval:
    low, point, high = (getattr(e, name) for e in ends)
    return Interval(min(low, point), point, max(point, high))
