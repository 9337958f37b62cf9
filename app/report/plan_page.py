"""The page of a portfolio's plan: what it says, and how it becomes one self-contained HTML file."""

from __future__ import annotations

from dataclasses import dataclass, replace

from markupsafe import Markup

from app.report.charts import Chart
from app.report.green import RuleRow
from app.report.page import FindingLine, State, Tile
from app.report.render import environment, shown

Facts = tuple[tuple[str, str], ...]
"""Name and value."""


@dataclass(frozen=True)
class PointBlock:
    """One point of the front: ``mark`` says what it is near, ``figures`` what it brings, ``words`` how."""

    number: str
    mark: str
    cost: str
    non_green: str
    share: str
    figures: Facts
    words: tuple[str, ...]


@dataclass(frozen=True)
class OptionLine:
    """Something that may be built: how much of it is, and what it costs within the window."""

    name: str
    site: str
    size: str
    most: str
    cost: str


@dataclass(frozen=True)
class TargetLine:
    """A target, what the plan reaches, and what today reaches."""

    name: str
    bound: str
    reached: str
    today: str
    state: State
    source: str


@dataclass(frozen=True)
class SiteLine:
    """One site, or all stations of one, before and after."""

    name: str
    note: str
    non_green: str
    share: str
    cost: str
    bought: str
    moved: str
    received: str
    delivered: str


@dataclass(frozen=True)
class BasisLine:
    """What a figure rests on; ``kind`` is one of the four labels, or nothing where there is none."""

    quantity: str
    kind: str
    text: str
    places: str


@dataclass(frozen=True)
class PlanPage:
    """The whole page."""

    title: str
    about: str
    headline: str
    tone: str
    basis: str
    knowledge: str
    tiles: tuple[Tile, ...]
    words: tuple[str, ...]
    options: tuple[OptionLine, ...]
    option_note: str
    targets: tuple[TargetLine, ...]
    front: tuple[Chart, ...]
    points: tuple[PointBlock, ...]
    second: str
    week: tuple[Chart, ...]
    sites: tuple[SiteLine, ...]
    more_sites: str
    green: str
    rules: tuple[tuple[str, RuleRow], ...]
    purchases: tuple[tuple[str, ...], ...]
    servers: tuple[tuple[str, ...], ...]
    rests_on: tuple[BasisLine, ...]
    checks: str
    failed: tuple[str, ...]
    findings: tuple[FindingLine, ...]
    more_findings: str
    provenance: Facts


def render_plan(page: PlanPage) -> str:
    """Return the page as HTML; everything but our own drawings and the section on green is escaped."""
    drawn = replace(
        page,
        front=tuple(map(shown, page.front)),
        week=tuple(map(shown, page.week)),
        green=Markup(page.green),  # noqa: S704 - escaped by its own template
    )
    return environment().get_template("plan.html.jinja").render(page=drawn)
