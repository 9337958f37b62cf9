"""What the report says: every text and number of the page, ready to be laid out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from advisor.measure import Measure
from advisor.plan import Advice
from advisor.site import Site
from app.report.charts import Chart
from app.service.standing import Standing
from features.issues import DataIssue
from features.telemetry import Telemetry
from models.store import ModelCard


@dataclass(frozen=True)
class Source:
    """What a report is made from.

    Parameters
    ----------
    telemetry : Telemetry
        The whole export.
    rows : str
        Rows in = accepted + quarantined + rejected, as a sentence.
    advice : Advice
    card : ModelCard
    standing : Standing
    issues : tuple of DataIssue
        Worst first.
    measures : tuple of Measure
    site : Site or None
    on : datetime.date
        Day of the report.
    """

    telemetry: Telemetry
    rows: str
    advice: Advice
    card: ModelCard
    standing: Standing
    issues: tuple[DataIssue, ...]
    measures: tuple[Measure, ...]
    site: Site | None
    on: date


@dataclass(frozen=True)
class State:
    """A state as icon and word; the tone only colours them."""

    icon: str
    word: str
    tone: str


@dataclass(frozen=True)
class Tile:
    """One figure."""

    name: str
    value: str
    unit: str
    label: str
    note: str


@dataclass(frozen=True)
class Action:
    """One recommendation."""

    action: str
    move: str
    saving: str
    saving_detail: str
    verdict: State
    confidence: str
    money: str
    reasons: tuple[str, ...]
    evidence: tuple[str, ...]
    binding_limit: str
    measures: tuple[str, ...]
    rollback_trigger: str
    ride_through: str
    expiry: str


@dataclass(frozen=True)
class RetrofitLine:
    """One retrofit, as the site's own data let it be judged."""

    title: str
    state: State
    saving: str
    saving_detail: str
    money: str
    water: str
    why: tuple[str, ...]
    evidence: tuple[str, ...]
    conditions: tuple[str, ...]
    parameters: tuple[str, ...]
    measures: tuple[str, ...]


@dataclass(frozen=True)
class MeasureLine:
    """One official measure and the site's state by it."""

    state: State
    id: str
    title: str
    reason: str
    source: str


@dataclass(frozen=True)
class FindingLine:
    """One finding about the data."""

    state: State
    code: str
    place: str
    evidence: str
    effect: str
    remedy: str


@dataclass(frozen=True)
class CheckLine:
    """One re-checked limit or balance."""

    name: str
    state: State
    worst: str
    bound: str
    note: str


@dataclass(frozen=True)
class VerifiedBlock:
    """How one plan was verified."""

    site: str
    verdict: State
    models: str
    passed: str
    checks: tuple[CheckLine, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class AccuracyLine:
    """Held-out error of one quantity beside the best baseline, and coverage."""

    quantity: str
    model: str
    error: str
    baseline: str
    coverage: str


@dataclass(frozen=True)
class Page:
    """The whole report."""

    site_name: str
    about: str
    headline: str
    tone: str
    basis: str
    why_not: str
    savings: tuple[Tile, ...]
    actions: tuple[Action, ...]
    considered: tuple[Action, ...]
    retrofits: tuple[RetrofitLine, ...]
    more_actions: str
    standing: tuple[Tile, ...]
    measure_counts: str
    measures: tuple[MeasureLine, ...]
    unjudged: tuple[str, ...]
    accuracy: tuple[AccuracyLine, ...]
    no_chart: str
    verified: tuple[VerifiedBlock, ...]
    more_verified: str
    rows: str
    data_facts: tuple[tuple[str, str], ...]
    findings: tuple[FindingLine, ...]
    more_findings: str
    provenance: tuple[tuple[str, str], ...]
    plan_charts: tuple[Chart, ...] = ()
    fit_charts: tuple[Chart, ...] = ()
