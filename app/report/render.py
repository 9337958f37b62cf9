"""From the page's values to one self-contained HTML file."""

from __future__ import annotations

from dataclasses import replace

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from app.report.charts import Chart
from app.report.checked import CheckPage
from app.report.page import Page


def render(page: Page) -> str:
    """Return the page as HTML; everything but our own drawings is escaped."""
    drawn = replace(
        page,
        plan_charts=tuple(shown(c) for c in page.plan_charts),
        fit_charts=tuple(shown(c) for c in page.fit_charts),
    )
    return environment().get_template("report.html.jinja").render(page=drawn)


def render_check(page: CheckPage) -> str:
    """Return the page of ``advisor check`` as HTML; everything but our own drawings is escaped."""
    drawn = replace(page, charts=tuple(shown(c) for c in page.charts))
    return environment().get_template("check.html.jinja").render(page=drawn)


def environment() -> Environment:
    """Return the templates of this package; what they are given is escaped."""
    return Environment(
        loader=PackageLoader("app.report", package_path=""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def shown(chart: Chart) -> Chart:
    """Return the chart with drawings that a template does not escape."""
    # matplotlib escapes the text that it draws; the rest of the SVG is its own
    return replace(chart, wide=Markup(chart.wide), narrow=Markup(chart.narrow))  # noqa: S704
