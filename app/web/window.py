"""The browser window as one component: language, theme, title, address, announcements, lost connection."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlencode

import param
from panel.custom import JSComponent

from app.web.language import CODES
from app.web.pages import KEYS
from app.web.state import SessionState
from app.web.view import HERE

OWN = ("page", "site", "lang", "theme")
MOST_LINK = 200
"""Longest value of a page's own in an address."""


class Window(JSComponent):
    """Keeps the window in step with the state, and the state with the address after back and forward."""

    tag = param.String(default="en")
    dark = param.Boolean(default=False)
    title = param.String(default="")
    offline = param.String(default="")
    announcement = param.String(default="")

    _esm = (HERE / "window.js").read_text(encoding="utf-8")

    def __init__(self, state: SessionState, **values: Any) -> None:
        self._state, self._told = state, False
        super().__init__(width=0, height=0, margin=0, **self._words(), **values)  # type: ignore[no-untyped-call]
        state.on(["lang", "dark", "page"], self._say)
        state.on(["lang", "dark", "link"], lambda: self.show_address(replace=True))

    def _say(self) -> None:
        self.param.update(**self._words())

    def _words(self) -> dict[str, Any]:
        language = self._state.language
        title = f"{language.text(f'page.{self._state.page}')} · {language.text('app.name')}"
        return {
            "tag": language.tag,
            "dark": self._state.dark,
            "title": title,
            "offline": language.text("app.offline"),
        }

    def show_address(self, *, replace: bool = False) -> None:
        """Put what is looked at into the address."""
        if not self._told:
            self._send_msg({"address": address(self._state), "replace": replace})

    def page_changed(self) -> None:
        """Move the focus to the heading of the new page and say its name."""
        self.announcement = self._state.language.text(f"page.{self._state.page}")
        self._send_msg({"heading": self._state.page})

    def _handle_msg(self, data: Any) -> None:
        if isinstance(data, dict) and data.get("act") == "address":
            self._told = True
            try:
                read_address(self._state, values_of(str(data.get("value", ""))))
            finally:
                self._told = False


def address(state: SessionState) -> str:
    """Return the query that opens what the session looks at."""
    own = {
        "page": state.page,
        "site": state.site,
        "lang": state.lang,
        "theme": "dark" if state.dark else "light",
    }
    return "?" + urlencode({name: value for name, value in (own | state.link).items() if value != ""})


def read_address(state: SessionState, given: dict[str, str]) -> tuple[int, int]:
    """Take from an address what can be used, each value by itself; return (used, given).

    Values that the frame does not know are kept in ``state.link`` for the pages.
    """
    wanted: dict[str, Any] = {}
    if given.get("page") in KEYS:
        wanted["page"] = given["page"]
    if given.get("lang") in CODES:
        wanted["lang"] = given["lang"]
    if given.get("theme") in ("dark", "light"):
        wanted["dark"] = given["theme"] == "dark"
    if state.entry(given.get("site", "")) is not None:
        wanted["site"] = given["site"]
    others = {n: v for n, v in given.items() if n not in OWN and len(v) <= MOST_LINK and "bokeh" not in n}
    state.param.update(**wanted, link=others)
    return len(wanted) + len(others), len(given)


def values_of(query: str) -> dict[str, str]:
    """Return the last value of each name of a query."""
    return {name: values[-1] for name, values in parse_qs(query.lstrip("?")).items()}
