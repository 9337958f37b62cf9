"""A page's content as plain values: semantic elements, text, and the names of what can be pressed.

The browser makes elements and text nodes from it (``view.js``); nothing is ever parsed as HTML, so a
column header called ``<script>`` is five words on the page and no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

TAGS = frozenset(
    [
        "section",
        "article",
        "header",
        "footer",
        "nav",
        "div",
        "span",
        "p",
        "h1",
        "h2",
        "h3",
        "h4",
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "button",
        "a",
        "label",
        "input",
        "select",
        "option",
        "textarea",
        "details",
        "summary",
        "strong",
        "small",
        "em",
        "code",
        "time",
        "figure",
        "figcaption",
        "hr",
        "progress",
        "iframe",
        "svg",
        "path",
        "title",
        "br",
        "sup",
        "sub",
    ]
)
ATTRIBUTES = frozenset(
    [
        "class",
        "id",
        "lang",
        "dir",
        "title",
        "role",
        "href",
        "download",
        "target",
        "rel",
        "type",
        "name",
        "value",
        "checked",
        "disabled",
        "selected",
        "min",
        "max",
        "step",
        "placeholder",
        "for",
        "scope",
        "colspan",
        "rowspan",
        "open",
        "hidden",
        "tabindex",
        "datetime",
        "src",
        "sandbox",
        "style",
        "viewBox",
        "d",
        "width",
        "height",
        "key",
        "act",
        "multiple",
        "accept",
    ]
)
"""``key`` keeps an element's identity between updates; ``act`` names what pressing or changing it does."""
SAFE_STYLES = ("width:", "--")
ADDRESSES = ("/", "./", "#", "https://", "http://", "?")

Child = "Node | str | None"


@dataclass(frozen=True)
class Node:
    """One element.

    Parameters
    ----------
    tag : str
        One of `TAGS`.
    attributes : dict
        Names of `ATTRIBUTES`, ``aria-...`` or ``data-...``.
    children : tuple of Node or str

    Raises
    ------
    ValueError
        A tag, attribute, style or address that the page must not hold.
    """

    tag: str
    attributes: dict[str, str | int | float | bool] = field(default_factory=dict)
    children: tuple[Node | str, ...] = ()

    def __post_init__(self) -> None:
        if self.tag not in TAGS:
            raise ValueError(f"<{self.tag}> is not used on our pages")
        for name, value in self.attributes.items():
            if name not in ATTRIBUTES and not name.startswith(("aria-", "data-")):
                raise ValueError(f"attribute {name!r} is not used on our pages")
            if name == "style" and not str(value).startswith(SAFE_STYLES):
                raise ValueError(f"style {value!r} is not used on our pages")
            if name in ("href", "src") and not str(value).startswith(ADDRESSES):
                raise ValueError(f"address {value!r} is neither relative nor https")

    def plain(self) -> dict[str, object]:
        """Return the node as JSON values."""
        return {
            "tag": self.tag,
            "attributes": self.attributes,
            "children": [str(child) if isinstance(child, str) else child.plain() for child in self.children],
        }

    def text(self) -> str:
        """Return all text of the node, parts separated by a space."""
        parts = (child if isinstance(child, str) else child.text() for child in self.children)
        return " ".join(part for part in parts if part)

    def find(self, tag: str = "", css: str = "") -> tuple[Node, ...]:
        """Return the nodes of that tag and class, this one included, in document order."""
        own = (not tag or self.tag == tag) and (
            not css or css in str(self.attributes.get("class", "")).split()
        )
        found = (self,) if own else ()
        return found + tuple(
            node for child in self.children if isinstance(child, Node) for node in child.find(tag, css)
        )


def node(tag: str, *children: Node | str | Iterable[Node] | None, **attributes: object) -> Node:
    """Return an element; ``cls`` is its class, ``aria_label`` becomes ``aria-label``, None is left out."""
    named = {_attribute(n): v for n, v in attributes.items() if v is not None and v is not False}
    flat: list[Node | str] = []
    for child in children:
        if child is None or child == "":
            continue
        if isinstance(child, (Node, str)):
            flat.append(child)
        else:
            flat += child
    return Node(tag, named, tuple(flat))  # type: ignore[arg-type]  # values are checked by what is shown


def _attribute(name: str) -> str:
    return "class" if name == "cls" else name.rstrip("_").replace("_", "-") if name != "viewBox" else name
