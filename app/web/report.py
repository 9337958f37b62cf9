"""Report: what is handed in, as a preview and as files to take away."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import panel as pn

from app.service.workspace import SiteCase
from app.web.handlers import FILES
from app.web.icons import icon
from app.web.nodes import Node, node
from app.web.notices import heading
from app.web.overview import about
from app.web.state import SessionState
from app.web.view import View


def report_page(case: SiteCase, state: SessionState) -> Any:
    """Return the page."""
    return pn.Column(View(state, lambda: _draw(case, state)), sizing_mode="stretch_width", margin=0)


def _draw(case: SiteCase, state: SessionState) -> list[Node]:
    language = state.language
    there = [name for name in FILES if (case.folder / name).is_file()]
    base = f"./files/{state.token}/{quote(case.key, safe='')}"
    links = [
        node(
            "a", icon("download"), language.text(f"report.{name.replace('.', '_')}"),
            href=f"{base}/{name}?download=1", download=f"{case.key}-{name}",
            cls="button primary" if name == "report.html" else "button", key=name,
        )
        for name in there
    ]  # fmt: skip
    nodes = [
        heading(state),
        node("p", language.text("report.answer", n=len(there), name=case.name), cls="answer"),
        about(case, language),
        node("div", links, cls="row card"),
    ]
    if "report.html" in there:
        title = language.text("report.preview", name=case.name)
        nodes += [
            node("p", language.text("report.language"), cls="small"),
            node("iframe", src=f"{base}/report.html", title=title, sandbox="", key="preview"),
        ]
    else:
        nodes.append(node("div", node("p", language.text("report.none")), cls="card"))
    return nodes
