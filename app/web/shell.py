"""The frame around every page: header, navigation, and the place where one page stands."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from app.web.icons import icon
from app.web.nodes import Node, node
from app.web.pages import PAGES, PageEntry
from app.web.state import SessionState
from app.web.view import View


def header(state: SessionState) -> View:
    """Return the header: name, site, language, theme."""

    def act(name: str, value: Any) -> None:
        if name == "site" and state.entry(str(value)) is not None:
            open_page = "overview" if state.page in ("fleet", "upload") else state.page
            state.param.update(site=str(value), page=open_page)
        elif name in ("zh", "en"):
            state.lang = name
        elif name == "theme":
            state.dark = not state.dark

    return View(state, lambda: _header(state), act, watches=["site", "sites", "dark"], css_classes=["top"])


def _header(state: SessionState) -> list[Node]:
    language = state.language
    options = [
        node("option", entry.name, value=entry.key, selected=entry.key == state.site, key=entry.key)
        for entry in state.entries()
    ]
    if state.site == "":
        options.insert(0, node("option", language.text("app.no_site"), value="", selected=True, key=""))
    languages = [
        node(
            "button", word, type="button", act=code, lang=tag, key=code,
            cls="on" if state.lang == code else None,
            aria_pressed="true" if state.lang == code else "false",
        )
        for code, tag, word in (("zh", "zh-CN", "中文"), ("en", "en", "EN"))
    ]  # fmt: skip
    theme = "dark" if state.dark else "light"
    return [
        node(
            "header",
            node("a", language.text("app.skip"), href="#content", cls="skip"),
            node("span", language.text("app.name"), cls="name"),
            node(
                "select", options, act="site", value=state.site, aria_label=language.text("app.site"),
                cls="site",
            ),
            node("div", languages, cls="pair", role="group", aria_label=language.text("app.language")),
            node(
                "button", icon(theme), type="button", act="theme", cls="square",
                aria_label=language.text(f"app.theme_{theme}"), title=language.text(f"app.theme_{theme}"),
            ),
            cls="header",
        )
    ]  # fmt: skip


def navigation(state: SessionState) -> View:
    """Return the navigation: a rail on wide windows, a bar with "More" on phones."""
    more = [False]

    def act(name: str, value: Any) -> None:
        del value
        more[0] = name == "more" and not more[0]
        if name != "more":
            state.page = name
        view.redraw()

    view = View(state, lambda: _navigation(state, more[0]), act, watches=["page", "site"])
    return view


def _navigation(state: SessionState, more: bool) -> list[Node]:
    language = state.language
    items = [_item(state, page) for page in PAGES]
    hidden = {p.key for p in PAGES if not p.on_phone}
    button = node(
        "li",
        node(
            "button", icon("more"), node("span", language.text("nav.more")), type="button", act="more",
            aria_expanded="true" if more else "false",
            cls="item current" if state.page in hidden else "item",
        ),
        cls="phone", key="more",
    )  # fmt: skip
    return [
        node(
            "nav", node("ul", [*items, button], cls="open" if more else None),
            aria_label=language.text("app.navigation"), cls="rail",
        )
    ]  # fmt: skip


def _item(state: SessionState, page: PageEntry) -> Node:
    language, current = state.language, page.key == state.page
    link = node(
        "a", icon(page.key),
        node("span", language.text(f"page.{page.key}"), cls="long"),
        node("span", language.text(f"nav.{page.key}"), cls="short"),
        href="?" + urlencode({"page": page.key, "site": state.site, "lang": state.lang}), act=page.key,
        aria_current="page" if current else None, cls="item current" if current else "item",
    )  # fmt: skip
    return node("li", link, cls=None if page.on_phone else "sheet", key=page.key)
