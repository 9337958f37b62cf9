"""The linear programme of a dispatch: what a class of work adds to it.

A class is a store of work that fills on arrival and must have been emptied by the deadlines: with S_t the
work done up to the end of step t over all its places, ``latest_t <= S_t <= soonest_t`` (`advisor.work`).
Jobs in one piece are begun instead of done; their power follows over the steps that they run.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from advisor.dispatch_lp import SitePart, Sum, weights, work_weights
from advisor.dispatch_site import DispatchSite, IntArray
from advisor.lp import Bounds, Lp
from advisor.work import Place, WorkClass, running
from features.frame import FloatArray


class WorkPart:
    """Columns and rows of one class of work.

    Work at its home is apart: what is done on arrival (``kept``) and later (``late``), so that what was
    moved can be counted.

    Parameters
    ----------
    lp : Lp
    work : WorkClass
    parts : mapping
        Site id -> `SitePart`, of all its places.
    """

    def __init__(self, lp: Lp, work: WorkClass, parts: Mapping[str, SitePart]) -> None:
        self.work, self._parts = work, {name: parts[name] for name in work.site_ids}
        self.steps = n = len(work.arrival_kw)
        self._unit = work.job_kw or 1.0
        self._place_of = {work.home: Place(work.home), **{p.site_id: p for p in work.places}}
        self.first = {"kept": lp.columns(n)}
        if work.wait_steps:
            self.first["late"] = lp.columns(n)
        self.first |= {p.site_id: lp.columns(n) for p in work.places}
        self.begun, t = lp.columns(n), np.arange(n)
        self._row = row = lp.rows(n)
        lp.add(row + t, self.begun + t, 1.0)
        lp.add(row + t[1:], self.begun + t[:-1], -1.0)
        for name, column in self.first.items():
            lp.add(row + t, column + t, -self._unit)
            self._run(name, column)

    @property
    def whole(self) -> IntArray:
        """Columns that count whole jobs."""
        if self.work.job_kw is None:
            return np.zeros(0, dtype=np.int64)
        return np.concatenate([np.arange(c, c + self.steps) for c in self.first.values()])

    def _site_of(self, name: str) -> str:
        return self.work.home if name in ("kept", "late") else name

    def _run(self, name: str, column: int) -> None:
        part = self._parts[self._site_of(name)]
        rate = part.site.facility_per_work + self._place_of[self._site_of(name)].transfer_kwh_per_kwh
        t = np.arange(self.steps)
        for k in range(self.work.begun_steps):
            part.draws(t[k:], column + t[: self.steps - k], self._unit * rate[k:])
            part.occupies(t[k:], column + t[: self.steps - k], self._unit)

    # -- numbers ---------------------------------------------------------------------------------
    def costs(self, vector: FloatArray, objective: Sum, names: frozenset[str] | None) -> None:
        """Add what the class's columns contribute to a sum at some sites; None: all."""
        hours = next(iter(self._parts.values())).setting.hours
        for name, column in self.first.items():
            if names is not None and self._site_of(name) not in names:
                continue
            per_kw = self._per_kw(self._site_of(name), objective, hours)
            if objective == "effort_kwh" and name == "kept":
                per_kw = np.full(self.steps, -hours)
            vector[column:][: self.steps] += self._unit * self._over_run(per_kw)

    def _per_kw(self, site_id: str, objective: Sum, hours: float) -> FloatArray:
        part, place = self._parts[site_id], self._place_of[site_id]
        moved = work_weights(part.site, objective, hours)
        if objective == "cost":
            # a purchase that is paid for must not make a transfer worth its energy
            paid = np.maximum(-weights(part.site, "cost", hours), 0.0)
            moved = moved + hours * place.transfer_price_per_kwh + paid * place.transfer_kwh_per_kwh
        if objective == "load_kwh":
            moved = moved + hours * place.transfer_kwh_per_kwh
        return moved

    def _over_run(self, per_kw: FloatArray) -> FloatArray:
        """Return the sum over the steps that a job begun in each step runs."""
        return running(per_kw[::-1], self.work.begun_steps)[::-1]

    def constant(self, objective: Sum, names: frozenset[str] | None) -> float:
        """Return what is added to a sum whatever is planned."""
        if objective != "effort_kwh" or (names is not None and self.work.home not in names):
            return 0.0
        hours = self._parts[self.work.home].setting.hours
        return hours * float(self.work.before_kw.sum())

    def tie_break(self, vector: FloatArray) -> None:
        """Add the weights that choose among equal optima: at home, on arrival, else soon."""
        for name, column in self.first.items():
            vector[column:][: self.steps] += (
                self._unit * self.work.begun_steps * (0.0 if name == "kept" else 1.0)
            )
        vector[self.begun :][: self.steps] -= 0.01

    def bounds(self, at: Bounds) -> None:
        """Set the bounds of the class's columns and rows."""
        live = self.work.live_kw()
        soonest = self.work.soonest_kw
        for name, column in self.first.items():
            site = self._parts[self._site_of(name)].site
            most = np.where(
                _open(site, self.work.begun_steps), np.minimum(live, soonest) if name == "kept" else live, 0.0
            )
            at.columns(column, 0.0, most / self._unit, self.steps)
        latest, earliest = self.work.begun()
        at.columns(self.begun, latest, earliest, self.steps)
        at.rows(self._row, 0.0, 0.0, self.steps)

    def read(self, x: FloatArray) -> dict[str, FloatArray]:
        """Return the power done or begun in each step, by site [kW]; ``kept`` is the part on arrival."""
        done = {name: self._unit * x[c : c + self.steps] for name, c in self.first.items()}
        home = done["kept"] + done.pop("late", 0.0)
        return {self.work.home: home, **{p.site_id: done[p.site_id] for p in self.work.places}}


def _open(site: DispatchSite, steps: int) -> FloatArray:
    """Return 1 where a job of so many steps may begin, else 0."""
    closed = running((~site.open).astype(np.float64)[::-1], steps)[::-1]
    return np.asarray(closed == 0, dtype=np.float64)
