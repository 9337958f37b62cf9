"""Classes of work: how long a job may wait, whether it may pause, and where it may be done.

What belongs to no class is fixed. The day-long flexible share of a site (`advisor.dispatch_site`) is the
simplest way to tell how freely work may move; classes tell it job by job: everything that arrived must have
arrived before it is done, and be done before its deadline.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from features.errors import UsageError
from features.frame import FloatArray
from features.message import say


@dataclass(frozen=True)
class Place:
    """A site that may do a class's work.

    ``transfer_kwh_per_kwh`` [1] and ``transfer_price_per_kwh`` [currency/kWh] are spent there per kWh of IT
    work that comes from the class's home.
    """

    site_id: str
    transfer_kwh_per_kwh: float = 0.0
    transfer_price_per_kwh: float = 0.0


@dataclass(frozen=True)
class WorkClass:
    """Jobs of one kind over n equal steps.

    Parameters
    ----------
    name : str
    home : str
        Site where the work arrives, and is done as it arrives when nothing is planned.
    arrival_kw : numpy.ndarray, shape (n,)
        IT power of the jobs that arrive in each step, while they run [kW]; part of the site's work.
    wait_steps : int
        How many steps a job may end later than if it had begun on arrival; 0: it may not wait.
    run_steps : int
        How many steps a job runs.
    interruptible : bool
        Whether a job may pause. A job of one step never does.
    places : tuple of Place
        Other sites that may do it.
    job_kw : float or None
        IT power of one job [kW]: whole jobs only; None: jobs are many and small, any amount may start.

    Raises
    ------
    features.errors.UsageError
        ``E-WORK-CLASS``: a value is wrong, or jobs arrive that cannot end before the last step.
    """

    name: str
    home: str
    arrival_kw: FloatArray
    wait_steps: int = 0
    run_steps: int = 1
    interruptible: bool = True
    places: tuple[Place, ...] = field(default=())
    job_kw: float | None = None

    def __post_init__(self) -> None:
        arriving = np.asarray(self.arrival_kw)
        names = [self.home, *(p.site_id for p in self.places)]
        rates = [v for p in self.places for v in (p.transfer_kwh_per_kwh, p.transfer_price_per_kwh)]
        wrong = {
            say("arrivals are missing or negative"): not (np.isfinite(arriving) & (arriving >= 0)).all(),
            say("wait_steps or run_steps is wrong"): self.wait_steps < 0 or self.run_steps < 1,
            say("a site stands twice"): len(set(names)) != len(names),
            say("a transfer cost is negative"): not all(np.isfinite(v) and v >= 0 for v in rates),
            say("jobs arrive that cannot end before the last step"): bool(
                self.run_steps > 1 and (arriving[len(arriving) - self.run_steps + 1 :] > 0).any()
            ),
            say("arrivals are not whole jobs of job_kw"): self.job_kw is not None
            and not (
                self.job_kw > 0 and np.allclose(arriving / self.job_kw, np.round(arriving / self.job_kw))
            ),
        }
        for what, is_wrong in wrong.items():
            if is_wrong:
                raise UsageError("E-WORK-CLASS", what, self.name, say("correct the class of work"))

    @property
    def site_ids(self) -> tuple[str, ...]:
        """The home, then the other places."""
        return (self.home, *(p.site_id for p in self.places))

    @property
    def in_one_piece(self) -> bool:
        """Whether a job, once begun, runs to its end."""
        return self.run_steps > 1 and not self.interruptible

    @property
    def before_kw(self) -> FloatArray:
        """IT power when every job begins on arrival, shape (n,) [kW]."""
        return running(self.arrival_kw, self.run_steps)

    @property
    def begun_steps(self) -> int:
        """How many steps power that is begun runs on: of jobs in one piece all, else the step itself."""
        return self.run_steps if self.in_one_piece else 1

    @property
    def soonest_kw(self) -> FloatArray:
        """What is begun (jobs in one piece) or done in each step when nothing waits, shape (n,) [kW]."""
        return self.arrival_kw if self.in_one_piece else self.before_kw

    def power_kw(self, begun_kw: FloatArray) -> FloatArray:
        """Return the power from what is begun or done in each step, shape (n,) [kW]."""
        return running(begun_kw, self.begun_steps)

    def live_kw(self) -> FloatArray:
        """Most that may be done, or for jobs in one piece begun, in each step, shape (n,) [kW].

        Every job that has arrived and is not yet due runs at its own power at most.
        """
        steps = self.wait_steps + (1 if self.in_one_piece else self.run_steps)
        live = running(self.arrival_kw, steps)
        if self.in_one_piece:
            live[len(live) - self.run_steps + 1 :] = 0.0  # it would not end before the last step
        return live

    def begun(self) -> tuple[FloatArray, FloatArray]:
        """Return the least and most that may have been done up to the end of each step.

        Returns
        -------
        lower, upper : numpy.ndarray, shape (n,)
            Sum over steps of the power of work done [kW x step]; for jobs in one piece: of power begun.
        """
        soonest = np.cumsum(self.soonest_kw)
        latest = np.concatenate([np.zeros(self.wait_steps), soonest])[: len(soonest)]
        last = len(soonest) - self.begun_steps
        latest[last:] = soonest[-1]  # everything ends inside
        return latest, soonest


def running(begun_kw: FloatArray, steps: int) -> FloatArray:
    """Return the power of jobs that run so many steps from the power begun in each step [kW]."""
    total = np.cumsum(begun_kw)
    return np.asarray(total - np.concatenate([np.zeros(steps), total])[: len(total)])


def arriving_kw(classes: Iterable[WorkClass], site_id: str, steps: int) -> FloatArray:
    """Return the work of classes that arrives at a site, done on arrival, shape (steps,) [kW]."""
    here = [c.before_kw for c in classes if c.home == site_id]
    return np.asarray(np.sum(here, axis=0)) if here else np.zeros(steps)
