"""One browser session: its state, the frame, and the page it looks at."""

from __future__ import annotations

import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import panel as pn
from bokeh.models import CustomJS

from app.service.workspace import MOST_OPEN, SiteCase, forget, list_sites, open_site
from app.web import (
    levers,  # noqa: F401 - a component must be defined before the document that may show it is sent
    shell,
)
from app.web.background import POOL, in_background
from app.web.icons import icon
from app.web.language import preferred
from app.web.nodes import Node, node
from app.web.notices import failed, loading, without_site
from app.web.pages import page
from app.web.state import SessionState
from app.web.view import HERE, View, style
from app.web.window import Window, read_address
from features.errors import AdvisorError

LOG = logging.getLogger(__name__)
KEPT_PAGES = 12
CONNECTION_LOST = "window.dispatchEvent(new Event('advisor-connection-lost'))"


def application(data: Path, uploads: Path) -> Callable[[], Any]:
    """Return the function that Panel calls for every new session.

    Parameters
    ----------
    data : pathlib.Path
        Data folder, see `app.service.workspace`.
    uploads : pathlib.Path
        Folder that gets one folder per session.
    """

    def session() -> Any:
        token = secrets.token_urlsafe(24)
        own = uploads / token
        own.mkdir(parents=True)
        state = SessionState(data, own, token, **_first())
        pn.state.on_session_destroyed(lambda _: forget(own))
        return _document(state)

    return session


def _first() -> dict[str, Any]:
    accept = pn.state.headers.get("Accept-Language", "") if pn.state.headers else ""
    return {"lang": preferred(accept if isinstance(accept, str) else ",".join(accept))}


def _document(state: SessionState) -> Any:
    entries = state.entries()
    if entries:
        state.site = entries[0].key
    else:
        state.page = "upload"
    query = {name: values[-1].decode("utf-8", "replace") for name, values in pn.state.session_args.items()}
    used, given = read_address(state, query)
    room = Room(state, unusable=(given - used, given))
    template = pn.Template((HERE / "page.html.jinja").read_text(encoding="utf-8"))
    for name, value in (
        ("tag", state.language.tag), ("theme", "dark" if state.dark else "light"),
        ("heading", room.window.title), ("tokens", style("tokens")), ("frame", style("frame")),
    ):  # fmt: skip
        template.add_variable(name, value)
    template.add_panel("header", shell.header(state))
    template.add_panel("navigation", shell.navigation(state))
    template.add_panel("content", room.content)
    template.add_panel("window", room.window)
    if pn.state.curdoc is not None:
        pn.state.curdoc.js_on_event("connection_lost", CustomJS(code=CONNECTION_LOST))
    return template


def _unusable(state: SessionState, bad: int, given: int) -> list[Node]:
    """Return the sentence that part of an address was not understood."""
    text = state.language.text("app.unusable", bad=bad, n=given)
    return [node("p", icon("warn"), text, cls="state warn", role="status")]


class Room:
    """Where one page stands; pages stay built until the session looks at many others.

    Parameters
    ----------
    state : SessionState
    unusable : tuple of int
        How many values of the address could not be used, and how many there were.
    """

    def __init__(self, state: SessionState, unusable: tuple[int, int] = (0, 0)) -> None:
        self.state = state
        self._place = pn.Column(sizing_mode="stretch_width", margin=0)
        told = [View(state, lambda: _unusable(state, *unusable))] if unusable[0] else []
        self.content = pn.Column(*told, self._place, sizing_mode="stretch_width", margin=0)
        self.window = Window(state)
        self._built: OrderedDict[tuple[str, str], tuple[Any, Callable[[], None]]] = OrderedDict()
        self._wanted = ("", "")
        pn.config.exception_handler = self._unforeseen
        self.show()
        state.on(["page", "site"], self._moved)

    def _moved(self) -> None:
        self.show()
        self.window.show_address()
        self.window.page_changed()

    def show(self) -> None:
        """Show the page and site of the state, opening the site first where needed."""
        entry = page(self.state.page)
        wanted = (entry.key, self.state.site if entry.needs_site else "")
        self._wanted = wanted
        if wanted in self._built:
            self._built.move_to_end(wanted)
            self._place[:] = [self._built[wanted][0]]
        elif not entry.needs_site:
            self._put(wanted, None)
        elif self.state.entry(self.state.site) is None:
            self._place[:] = [without_site(self.state)]
        else:
            self._open(wanted)

    def _open(self, wanted: tuple[str, str]) -> None:
        where = self.state.entry(wanted[1])
        if where is None:  # it went in between
            return
        view, say = loading(self.state, where.name)
        self._place[:] = [view]
        in_background(
            lambda progress: open_site(where.data, where.key, progress=progress),
            done=lambda case: self._opened(wanted, case),
            failed=lambda error: self._failed(wanted, error),
            progress=say,
        )

    def _opened(self, wanted: tuple[str, str], case: SiteCase) -> None:
        if wanted == self._wanted:
            self._put(wanted, case)

    def _failed(self, wanted: tuple[str, str], error: Exception) -> None:
        if wanted == self._wanted:
            self._place[:] = [failed(self.state, error, self._reported(error))]

    def _put(self, wanted: tuple[str, str], case: SiteCase | None) -> None:
        with self.state.scope() as close:
            try:
                built = page(wanted[0]).build(case, self.state)
            except Exception as error:
                close()
                self._failed(wanted, error)
                return
        self._built[wanted] = (built, close)
        while len(self._built) > KEPT_PAGES:
            _, (_, gone) = self._built.popitem(last=False)
            gone()
        self._place[:] = [built]

    def _unforeseen(self, error: Exception) -> None:
        """Show a failed callback; Panel calls this."""
        shown = failed(self.state, error, self._reported(error))
        self._place[:] = [shown, *(item for item in self._place if item is not shown)][:2]

    def _reported(self, error: Exception) -> str:
        """Log an error and return the id under which it stands in the log."""
        name = uuid4().hex[:8]
        LOG.error("error %s", name, exc_info=error)
        return name


def warm(data: Path) -> None:
    """Begin to open the sites, one after the other, so that their first reader does not wait."""
    keys = [entry.key for entry in list_sites(data)][:MOST_OPEN]

    def each() -> None:
        for key in keys:
            try:
                open_site(data, key)
            except AdvisorError as error:  # whoever opens that site is told
                LOG.warning("%s cannot be opened: %s", key, error)

    if keys:
        POOL.submit(each)
