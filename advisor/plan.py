"""What a decision needs, what it decides and what was verified: values that can be replayed."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal

import pandas as pd

from features.issues import DataIssue

if TYPE_CHECKING:
    from advisor.lever_test import LeverTest
    from advisor.retrofit_words import Assessed

PLAN_COLUMNS = (
    "timestamp", "local_timestamp", "site_id", "unit_id", "lever", "current", "recommended", "unit",
)  # fmt: skip

Verdict = Literal["supported", "not proven", "hold", "refused"]
ActionKind = Literal["set-point", "sleep", "servers", "pv", "battery", "shift", "test"]


Z90 = 1.645
"""Two-sided 90 % quantile of the normal distribution [1]."""


@dataclass(frozen=True)
class Interval:
    """A figure with its interval; ``lower <= point <= upper``."""

    lower: float
    point: float
    upper: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(v) for v in (self.lower, self.point, self.upper)):
            raise ValueError(f"interval must be finite: {self}")
        if not self.lower <= self.point <= self.upper:
            raise ValueError(f"lower <= point <= upper does not hold: {self}")

    def scaled(self, factor: float) -> Interval:
        """Return the interval times a non-negative factor."""
        if factor < 0:
            raise ValueError("factor must not be negative")
        return Interval(self.lower * factor, self.point * factor, self.upper * factor)

    def to_dict(self) -> dict[str, float]:
        """Return lower, point and upper."""
        return asdict(self)


@dataclass(frozen=True)
class Totals:
    """Sums over a window; None where unknown (never 0).

    ``energy_kwh``, ``non_green_kwh`` [kWh], ``cost`` [currency], ``carbon_kg`` [kg CO2e,
    attributional], ``pue``, ``green_share`` [1], ``water_m3`` [m3].
    """

    energy_kwh: float | None = None
    non_green_kwh: float | None = None
    cost: float | None = None
    carbon_kg: float | None = None
    pue: float | None = None
    green_share: float | None = None
    water_m3: float | None = None

    def to_dict(self) -> dict[str, float | None]:
        """Return the fields."""
        return asdict(self)


@dataclass(frozen=True)
class Saving:
    """A saving against the declared current operation under the same weather and work.

    ``energy_pct`` is in % of the baseline energy. Members are None where a scale, tariff or
    factor was not declared.
    """

    energy_kwh: Interval | None = None
    energy_pct: Interval | None = None
    non_green_kwh: Interval | None = None
    cost: Interval | None = None
    carbon_kg: Interval | None = None

    def to_dict(self) -> dict[str, dict[str, float] | None]:
        """Return each member as ``{lower, point, upper}`` or None."""
        return {
            name: None if value is None else value.to_dict()
            for name, value in (
                ("energy_kwh", self.energy_kwh),
                ("energy_pct", self.energy_pct),
                ("non_green_kwh", self.non_green_kwh),
                ("cost", self.cost),
                ("carbon_kg", self.carbon_kg),
            )
        }


INLET_RATE = "server_inlet_rate_k_per_h"
"""Name of the limit of how fast the inlet's temperature may change [K/h]."""


@dataclass(frozen=True)
class Limit:
    """A limit that every hour of a plan must keep.

    ``name`` is a canonical column or `INLET_RATE`, ``value`` its bound [unit of the name], ``sense`` the
    side, ``source`` where the bound comes from.
    """

    name: str
    sense: Literal["max", "min"]
    value: float
    source: str


@dataclass(frozen=True)
class Hold:
    """Hours in which a set-point is not the plan's to move.

    ``start`` and ``end`` (exclusive) in UTC, ISO 8601; ``value`` [lever's unit]; ``reason`` is shown.
    """

    start: str
    end: str
    lever: str
    value: float
    reason: str

    def covers(self, stamps: pd.Series[pd.Timestamp]) -> pd.Series[bool]:
        """Return whether each moment lies in these hours."""
        return (stamps >= pd.Timestamp(self.start)) & (stamps < pd.Timestamp(self.end))


@dataclass(frozen=True)
class Problem:
    """Everything one decision needs besides the telemetry and the model it names.

    Parameters
    ----------
    site_id : str
    start, end : str
        Window in UTC, ISO 8601, end exclusive.
    current : dict
        Lever -> set-point in force [lever's unit].
    candidates : dict
        Lever -> values that may be recommended [lever's unit].
    limits : tuple of Limit
    model_id, data_hash : str
    seed : int
    options : dict
        Further parameters of the decision family, by name.
    holds : tuple of Hold
        Later ones win where they overlap.
    """

    site_id: str
    start: str
    end: str
    current: dict[str, float]
    candidates: dict[str, tuple[float, ...]]
    limits: tuple[Limit, ...]
    model_id: str
    data_hash: str
    seed: int = 0
    options: dict[str, float | str | bool] = field(default_factory=dict)
    holds: tuple[Hold, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Return a JSON-serialisable form."""
        return asdict(self)

    @property
    def hash(self) -> str:
        """Short hash that names the problem."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class SolverReport:
    """How the plan was found: status, optimality gap [1], seconds, seed, method."""

    status: Literal["optimal", "within gap", "feasible", "hold", "infeasible"]
    method: str
    seconds: float
    seed: int = 0
    gap: float | None = None
    evaluated: int = 0


@dataclass(frozen=True)
class Plan:
    """Recommended lever values over a window.

    Parameters
    ----------
    problem : Problem
    schedule : pandas.DataFrame
        Columns ``timestamp`` (UTC), ``unit_id``, ``lever``, ``current``, ``recommended`` [lever's unit]:
        one row per interval, unit and lever that the plan commands.
    objective : dict
        Terms of the objective by name [kWh, or relative units where energy is relative].
    report : SolverReport
    conflicts : tuple of str
        Where infeasible or held: which limits conflict or what is missing, and the cheapest way out.
    binding : dict
        Lever -> the limit that keeps it from going further where that would save more.
    rules : dict
        Lever -> `advisor.reset.Reset.to_dict` where it follows weather or load.
    keeps : str
        A limit that the set-points in force break and this plan keeps; then it is commanded whether it
        saves or not.
    constant : dict
        Lever -> the best set-point for the whole window [lever's unit]; empty where none was searched for.
    """

    problem: Problem
    schedule: pd.DataFrame
    objective: dict[str, float]
    report: SolverReport
    conflicts: tuple[str, ...] = ()
    binding: dict[str, str] = field(default_factory=dict)
    keeps: str = ""
    rules: dict[str, dict[str, object]] = field(default_factory=dict)
    constant: dict[str, float] = field(default_factory=dict)

    @property
    def changes(self) -> bool:
        """Whether any lever is moved."""
        return bool((self.schedule["recommended"] != self.schedule["current"]).any())


@dataclass(frozen=True)
class Check:
    """One re-checked limit or balance: worst value [unit of the name] against its bound.

    Without ``assessed`` nobody can know: it refuses no plan, and is said to be unknown, not kept.
    """

    name: str
    passed: bool
    worst: float | None
    bound: float | None
    note: str
    assessed: bool = True


@dataclass(frozen=True)
class VerifiedPlan:
    """A plan whose limits and energy balance were re-checked, savings scored by the second model.

    Parameters
    ----------
    plan : Plan
    verdict : {"supported", "not proven", "hold", "refused"}
    baseline, planned : Totals
    saving : Saving
    parts : dict
        Saving by part (``it``, ``cooling``, ``power_chain``) [kWh or %]; the total counts.
    proposer_saving_pct, scorer_saving_pct : float or None
        Point savings of the proposing and of the scoring model [%], shown side by side.
    checks : tuple of Check
    notes : tuple of str
    """

    plan: Plan
    verdict: Verdict
    baseline: Totals
    planned: Totals
    saving: Saving
    parts: dict[str, float]
    proposer_saving_pct: float | None
    scorer_saving_pct: float | None
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recommendation:
    """One ranked action.

    Parameters
    ----------
    id, action, lever : str
        Stable id, one sentence, canonical lever name.
    measures : tuple of str
        Ids of the official measures that the action answers.
    saving, saving_after_higher_ranked : Saving
        Alone, and after those ranked above it.
    binding_limit : str
        What stops the plan from going further.
    reasons, evidence : tuple of str
    verdict : Verdict
    confidence : {"high", "medium", "low"}
    rollback_trigger, expiry : str
    cost, payback_years : float or None
        Cost to do it [currency] and payback [a]; None: not assessed.
    kind : {"set-point", "sleep", "servers", "pv", "battery", "shift", "test"}
        What is acted on.
    rule : dict or None
        Of a set-point that follows weather or load: driver, edges of its stages, set-points, dead band, ramp.
    ride_through : str
        Effect on the time until the inlet limit after a cooling failure; "": none.
    """

    id: str
    action: str
    lever: str
    measures: tuple[str, ...]
    saving: Saving
    saving_after_higher_ranked: Saving
    binding_limit: str
    reasons: tuple[str, ...]
    evidence: tuple[str, ...]
    verdict: Verdict
    confidence: Literal["high", "medium", "low"]
    rollback_trigger: str
    expiry: str
    cost: float | None = None
    payback_years: float | None = None
    kind: ActionKind = "set-point"
    ride_through: str = ""
    rule: dict[str, object] | None = None

    def to_dict(self) -> dict[str, object]:
        """Return the entry of ``recommendations.json``."""
        raw = asdict(self)
        raw["saving"] = self.saving.to_dict()
        raw["saving_after_higher_ranked"] = self.saving_after_higher_ranked.to_dict()
        return raw


@dataclass(frozen=True)
class Advice:
    """What ``advisor advise`` says for one export.

    Parameters
    ----------
    plan_table : pandas.DataFrame
        `PLAN_COLUMNS`, one row per commanded interval, unit and lever.
    recommendations : tuple of Recommendation
        Ranked, the largest supported saving first.
    baseline, planned : Totals
    saving : Saving
        Of the whole plan; never the sum of the single actions.
    verified : tuple of VerifiedPlan
    issues : tuple of DataIssue
        What was found while deciding (on top of the telemetry's own issues).
    provenance : dict
        Data span, hashes, version, seed, model id.
    test : LeverTest or None
        What the site should try where its export cannot tell what a lever does.
    retrofits : tuple of Assessed
        Rebuilds of the plant, as the site's own data let them be judged; they enter no total.
    """

    plan_table: pd.DataFrame
    recommendations: tuple[Recommendation, ...]
    baseline: Totals
    planned: Totals
    saving: Saving
    verified: tuple[VerifiedPlan, ...]
    issues: tuple[DataIssue, ...]
    provenance: dict[str, str]
    test: LeverTest | None = None
    retrofits: tuple[Assessed, ...] = ()

    def __post_init__(self) -> None:
        if tuple(self.plan_table.columns) != PLAN_COLUMNS:
            raise ValueError(f"the plan table must have the columns {PLAN_COLUMNS}")

    def summary(self) -> dict[str, object]:
        """Return the content of ``summary.json``."""
        return {
            "baseline": self.baseline.to_dict(),
            "planned": self.planned.to_dict(),
            "saving": self.saving.to_dict(),
            "verdicts": [v.verdict for v in self.verified],
            "test": None if self.test is None else self.test.to_dict(),
            "retrofits": [r.to_dict() for r in self.retrofits],
            "provenance": self.provenance,
        }
