"""Icons of our own drawing: strokes on a 24 by 24 field, in the colour of the text."""

from __future__ import annotations

from app.web.nodes import Node, node

# ruff: noqa: E501 - one path per line
PATHS = {
    "fleet": "M4 4h6v6H4z M14 4h6v6h-6z M4 14h6v6H4z M14 14h6v6h-6z",
    "upload": "M12 15V4 M7 9l5-5 5 5 M4 15v5h16v-5",
    "findings": "M4 6h9 M4 12h9 M4 18h6 M16 5v6 M16 14v.5 M14 18l2 2 4-5",
    "overview": "M3 17l5-6 4 3 4-7 5 4 M3 21h18",
    "actions": "M3 6l2 2 3-4 M3 17l2 2 3-4 M12 6h9 M12 17h9",
    "what_if": "M4 7h9 M17 7h3 M15 5v4 M4 17h3 M11 17h9 M9 15v4 M4 12h16",
    "measures": "M12 3l8 3v6c0 5-4 8-8 9-4-1-8-4-8-9V6z M9 12l2 2 4-4",
    "report": "M6 3h8l4 4v14H6z M14 3v4h4 M9 12h6 M9 16h6",
    "more": "M5 11a1 1 0 1 0 0 2 1 1 0 0 0 0-2z M12 11a1 1 0 1 0 0 2 1 1 0 0 0 0-2z M19 11a1 1 0 1 0 0 2 1 1 0 0 0 0-2z",
    "light": "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8z M12 2v2 M12 20v2 M2 12h2 M20 12h2 M5 5l1.5 1.5 M17.5 17.5L19 19 M5 19l1.5-1.5 M17.5 6.5L19 5",
    "dark": "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z",
    "file": "M6 3h8l4 4v14H6z M14 3v4h4",
    "download": "M12 4v11 M7 10l5 5 5-5 M4 20h16",
    "close": "M6 6l12 12 M18 6L6 18",
    "warn": "M12 4l9 16H3z M12 10v4 M12 17v.01",
    "good": "M5 12l5 5 9-10",
    "bad": "M6 6l12 12 M18 6L6 18",
    "unknown": "M9 9a3 3 0 1 1 4 3c-1 .5-1 1-1 2 M12 18v.01",
    "chevron": "M9 6l6 6-6 6",
}


def icon(name: str) -> Node:
    """Return an icon; it is decoration, the word beside it says what it means."""
    return node("svg", node("path", d=PATHS[name]), viewBox="0 0 24 24", cls="icon", aria_hidden="true")
