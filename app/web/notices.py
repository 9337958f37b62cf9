"""What stands where a page cannot: loading, no site, and errors with what to do."""

from __future__ import annotations

from typing import Any

from app.web.icons import icon
from app.web.language import Language
from app.web.nodes import Node, node
from app.web.sentences import translate
from app.web.state import SessionState
from app.web.view import View
from features.errors import AdvisorError
from models.bundle import Progress


def loading(state: SessionState, name: str) -> tuple[View, Progress]:
    """Return a page's skeleton with a named progress bar, and what moves it."""
    at: list[Any] = ["", 0.0]

    def draw() -> list[Node]:
        language = state.language
        title = language.text(f"page.{state.page}")
        share = round(100 * at[1])
        return [
            heading(state),
            node(
                "div",
                node("p", language.text("app.opening", name=name)),
                node("progress", value=share, max=100, aria_label=language.text("app.opening", name=name)),
                node("p", language.sentence(at[0]), cls="small"),
                cls="card",
                role="status",
                aria_label=title,
            ),
            node("div", *(node("div", cls="card ghost", key=f"g{i}") for i in range(4)), cls="tiles"),
            node("div", cls="card ghost tall"),
        ]

    view = View(state, draw)

    def say(step: str, share: float) -> None:
        at[:] = [step, share]
        view.redraw()

    return view, say


def heading(state: SessionState, title: str = "", *more: Node | None) -> Node:
    """Return a page's heading with what stands beside it."""
    return node(
        "div",
        node("h1", title or state.language.text(f"page.{state.page}"), tabindex=-1, data_page=state.page),
        *more,
        cls="heading",
    )


def without_site(state: SessionState) -> View:
    """Return what a site's page shows where no site is open."""

    def draw() -> list[Node]:
        language = state.language
        return [
            heading(state),
            node(
                "div",
                node("p", language.text("app.empty"), cls="lead"),
                node("p", language.text("app.empty_what_to_do")),
                cls="card",
            ),
        ]

    return View(state, draw, watches=["page"])


def failed(state: SessionState, error: Exception, name: str) -> View:
    """Return what happened, where, what to do, and the id under which the log holds it."""
    return View(state, lambda: [heading(state), problem(state, error, name)])


def problem(state: SessionState, error: Exception, name: str = "") -> Node:
    """Return an error as a card with the role of an alert."""
    language = state.language
    if isinstance(error, AdvisorError):
        what, where, remedy, code = error.what, error.where, error.remedy, error.code
    else:
        what, where, remedy, code = language.text("error.unforeseen"), "", language.text("error.remedy"), ""
    lines = (
        ("error.where", where),
        ("error.what_to_do", remedy),
        ("error.code", " ".join(filter(None, (code, name)))),
    )
    return node(
        "div",
        node("p", icon("bad"), node("strong", language.text("error.title")), cls="state bad"),
        node("p", language.sentence(what), cls="lead", lang=foreign(state, what)),
        node(
            "dl",
            [
                n
                for key, value in lines
                if value
                for n in (
                    node("dt", language.text(key)),
                    node("dd", language.sentence(value), lang=foreign(state, value)),
                )
            ],
            cls="facts",
        ),
        cls="card",
        role="alert",
    )


def foreign(state: SessionState, text: str) -> str | None:
    """Return ``en`` for a core sentence that nobody translated on a Chinese page."""
    return foreign_to(state.language, text)


def foreign_to(language: Language, text: str) -> str | None:
    """Return ``en`` for a core sentence that is not in this language yet."""
    shown = translate(text, language.code).language
    return "en" if shown != language.code and any(c.isascii() and c.isalpha() for c in text) else None


def said(language: Language, text: str, tag: str = "p", cls: str | None = None) -> Node:
    """Return a sentence of the core as an element that knows its language."""
    return node(tag, language.sentence(text), cls=cls, lang=foreign_to(language, text))
